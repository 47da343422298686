"""Claims at their bound: the laws have mean zero, nothing true is refuted, and what is false falls."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr, ndtri
from scipy.stats import norm

from elbound.properties import run
from elbound.properties.cli import main
from elbound.properties.docket import PROFILES
from elbound.properties.evidence import boundary
from elbound.properties.evidence.betting import BoundedMeanZero, EProcess, MeanAtMostOne
from elbound.properties.evidence.boundary import ONE_SIDED, TWO_SIDED, Law, campaign, peaks, slopes
from elbound.properties.evidence.budget import Budget

LAWS = (*ONE_SIDED, *TWO_SIDED)
SHAPES = (0.003, 0.2, 0.5, 0.8, 0.997)


# Where a law jumps or bends, so that quadrature looks there.
JUMPS: dict[Law, Callable[[float], float]] = {
    boundary.two_point: lambda shape: 1 / (1 + 10 ** (6 * shape - 3)),
    boundary.heavy_within_range: lambda shape: 1e3 ** -(1.1 + 2 * shape),
    boundary.skewed: lambda shape: 10 ** -(0.31 + 2.7 * shape),
}


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_boundary_law_has_mean_zero_and_keeps_its_ends(law: Law, shape: float) -> None:
    def stake(u: float, v: float) -> float:
        return float(law(np.array([u, v]), np.array(shape)))

    # One law depends on v, through whether it lies below this.
    right = 0.01 + 0.98 * shape
    # u = Phi(x) takes the infinite ends away; beyond 8.2 the widest law (log-normal, 2.1) has 1e-9 of its mean.
    points = [float(ndtri(JUMPS[law](shape)))] if law in JUMPS else None
    mean = 0.0
    for v, weight in ((right / 2, right), ((1 + right) / 2, 1 - right)):
        found, _ = quad(lambda x, v=v: stake(ndtr(x), v) * norm.pdf(x), -8.2, 8.2, points=points, limit=500)
        mean += weight * found
    assert mean == pytest.approx(0, abs=1e-7)
    values = [stake(u, v) for u in np.geomspace(1e-9, 1 - 1e-9, 401) for v in (right / 2, (1 + right) / 2)]
    assert min(values) >= -1
    assert law in ONE_SIDED or max(values) <= 1
    assert max(values) > 0 > min(values)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_the_campaign_bets_as_the_judge_does(law: Law) -> None:
    stakes = law(np.random.default_rng(1).random((2, 5, 60)), np.array(SHAPES)[:, None])
    for row, peak in zip(stakes, peaks(stakes, slopes(law)), strict=True):
        process: EProcess = MeanAtMostOne() if law in ONE_SIDED else BoundedMeanZero(-1.0, 1.0)
        for stake in row:
            process.update([1 + stake if law in ONE_SIDED else stake])
        # Sixty factors and a mean, each rounded a few times.
        assert peak == pytest.approx(process.peak, abs=1e-12)


def test_no_claim_at_its_bound_is_refuted() -> None:
    found = campaign(350, 4)
    assert found.judged == 1400
    assert found.refuted == 0
    # Ville: at most one in a thousand passes; more than nine of 1400 has probability below 1e-5 (Poisson tail at 1.4).
    assert found.screened <= 9


def test_false_alarms_at_low_thresholds_come_as_often_as_they_may_and_no_oftener() -> None:
    """The campaign sees false alarms where the thresholds admit some: it is no blind witness."""
    lax = Budget(screen=20.0, alpha_suite=0.05, max_claims=1, max_executions=1)
    found = campaign(700, 5, lax)
    assert lax.refute == 20
    # At most 3500 / 20 = 175 pass in the mean; 5 standard deviations are 65. Ville wastes no more than a factor ten.
    assert 17 <= found.screened <= 240
    assert found.refuted <= found.screened
    assert found.refuted > 0


def test_claims_that_are_false_by_half_fall() -> None:
    found = campaign(70, 1, shift=0.5)
    assert found.refuted >= 0.9 * found.judged


def test_bets_that_do_not_pay_for_themselves_raise_false_alarms(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong version: factors whose mean is above one under the claim."""
    monkeypatch.setattr(boundary, "peaks", lambda stakes, bets: peaks(stakes + 0.2, bets))
    found = campaign(70, 1)
    assert found.refuted > 0


def test_a_campaign_needs_a_claim_for_every_law_and_a_seed() -> None:
    for claims, seeds in ((len(LAWS) - 1, 1), (100, 0)):
        with pytest.raises(ValueError, match=f"{claims} claims and {seeds} seeds"):
            campaign(claims, seeds)


def test_the_wealth_of_a_sure_winner_stays_finite() -> None:
    (peak,) = peaks(np.full((1, 400), 1000.0), slopes(ONE_SIDED[0]))
    assert math.log(boundary.CEILING) >= peak > math.log(boundary.CEILING) - math.log(64)


# In a run


def verified(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str, dict[str, Any]]:
    """Exit code, what is printed, the page and the facts of a run on one cheap claim."""
    words = [
        "verify",
        "smoothness/soft-clipping/below",
        "--profile",
        "quick",
        "--workers",
        "1",
        "--output",
        str(folder),
    ]
    code = main([*words, "--output", str(folder)])
    page = (folder / "index.html").read_text(encoding="utf-8")
    return code, capsys.readouterr().out, page, json.loads((folder / "summary.json").read_text())["run"]


def test_a_run_judges_claims_at_their_bound_where_its_profile_asks_for_it_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [name for name, x in PROFILES.items() if x.boundary_seeds] == ["thorough"]
    code, said, page, facts = verified(tmp_path / "without", capsys)
    assert (code, facts["boundary_judged"]) == (0, 0)
    assert "exactly at their bound" not in said + page
    assert "Chance of any false refutation in this run: at most" in said, "the achieved bound stands after each run"

    monkeypatch.setitem(PROFILES, "quick", replace(PROFILES["quick"], boundary_seeds=2))
    monkeypatch.setattr(run, "BOUNDARY_CLAIMS", 14)
    code, said, page, facts = verified(tmp_path / "with", capsys)
    assert (code, facts["boundary_judged"], facts["boundary_refuted"]) == (0, 28, 0)
    assert "Claims exactly at their bound: 28 judged besides, none refuted." in said
    assert "<dt>Claims exactly at their bound</dt><dd>28 judged, 0 refuted</dd>" in page

    monkeypatch.setattr(boundary, "peaks", lambda stakes, bets: peaks(stakes + 0.2, bets))
    code, said, page, facts = verified(tmp_path / "broken", capsys)
    assert code == 1
    fallen = facts["boundary_refuted"]
    assert fallen > 1
    loud = f"{fallen} true claims exactly at the bound were refuted: NO REFUTATION IN THIS RUN CAN BE TRUSTED"
    assert loud in " ".join(said.split())
    (title,) = re.findall("<h1>(.*?)</h1>", page, re.DOTALL)
    assert loud in title
