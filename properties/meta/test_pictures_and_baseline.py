"""What several claims show of one run, the committed baseline, and parameters that may be zero."""

import json
from importlib.resources import files

import pytest

import elbound.reports
from elbound.properties import listing
from elbound.properties.campaign import Bench
from elbound.properties.docket import Brief, docket_of
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Situation
from elbound.properties.spaces import Scalar
from elbound.reports.render import plots
from elbound.reports.row import Row, Verdict
from elbound.theory.catalogue import catalogue
from elbound.theory.symbols import L, n


def instances() -> list[Row]:
    brief = Brief(patterns=("descent/sgd-sharp",))
    docket = docket_of(brief)
    experiment = next(x for x in docket.experiments if x.key == "descent/decoder-offset")
    bench, name = Bench(brief, docket, experiment), "offset, nu=1, n=1000"
    return list(bench.judge(experiment.instances[name], f"instance: {name}").values())


def test_the_curves_of_an_instance_end_at_its_two_sides_and_stay_below_their_bound() -> None:
    for row in instances():
        assert row.curves["x"][-1] == row.parameters["n"]
        assert row.curves["observed"][-1] == pytest.approx(row.left, rel=1e-12)
        assert row.curves["bound"][-1] == pytest.approx(row.right, rel=1e-12)
        both = zip(row.curves["observed"], row.curves["bound"], strict=True)
        assert all(observed <= bound * (1 + 1e-9) for observed, bound in both)


def test_claims_of_one_run_are_drawn_together_by_number() -> None:
    rows = instances()
    figure = plots.together("p", rows)
    assert figure is not None
    for number, row in enumerate(rows, start=1):
        assert f"{number}: {row.claim}" in figure.caption
    assert figure.svg.count('class="line observed') == figure.svg.count('class="line bound') == len(rows)
    assert plots.together("p", rows[:1]) is None


def test_show_names_the_sharpest_instance_of_the_committed_baseline() -> None:
    text = (files(elbound.reports) / "baselines" / "catalogue.json").read_text(encoding="utf-8")
    sharp = next(x for x in json.loads(text)["claims"] if (x["key"], x["part"]) == ("descent/sgd-sharp", None))
    best = max(sharp["instances"], key=lambda name: sharp["instances"][name])
    listed = next(x for x in catalogue() if x.name == "descent/sgd-sharp")
    ratio = sharp["instances"][best]
    assert 0.99 < ratio <= 1
    assert listing._sharpest(listed) == f"{best}: ratio {ratio:.6g} of the two sides"


def test_a_parameter_with_an_absolute_error_is_enclosed_by_it_even_at_zero() -> None:
    enclosed = Situation({L: 0.0, n: 3}, errors={L: 0.25}).enclosed
    around_zero, whole = enclosed[L], enclosed[n]
    assert isinstance(around_zero, Interval)
    assert isinstance(whole, Interval)
    assert around_zero.contains(0.25)
    assert around_zero.contains(-0.25)
    assert not around_zero.contains(0.3)
    # A whole number is exact up to the outward rounding of one operation on each end.
    assert whole.contains(3.0)
    assert float(whole.width) <= 4 * 3 * 2.0**-52


def test_an_encoder_at_the_tempered_posterior_up_to_rounding_refutes_nothing() -> None:
    configuration: dict[str, Scalar] = {"data": "spiked", "encoder": "tempered posterior", "seed": 4348}
    configuration |= {"N": 6, "d": 2, "k": 1, "D": 1.1021684813534056, "beta": 2.624098777770996}
    configuration |= {"scale": 1.430511474609375e-06, "sigma_x2": 1.9575776374879486, "spread": 1.7489681243896484}
    brief = Brief(patterns=("estimators/kl-treatment",))
    docket = docket_of(brief)
    experiment = next(x for x in docket.experiments if x.key == "estimators/kl-treatments")
    rows = Bench(brief, docket, experiment).judge(configuration, "random")
    assert rows
    assert all(row.verdict not in {Verdict.REFUTED, Verdict.ERROR} for row in rows.values())
