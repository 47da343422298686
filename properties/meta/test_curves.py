"""Curves of rows along a parameter or a width: where they end, what they leave out, and how their axis is named."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sympy import Eq, Le, Rational, Sum

from elbound.properties.adversary import GENERATION
from elbound.properties.campaign import Bench, tasks_of
from elbound.properties.docket import PROFILES, Brief, docket_of
from elbound.properties.evidence.budget import Budget
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Along, At, Context, Everywhere, Exact, Sample, Series, Situation, Steps
from elbound.properties.experiments.widths import WIDTHS
from elbound.properties.judgement import Judgement
from elbound.properties.trial import Trial
from elbound.reports.render import plots
from elbound.reports.row import Row, Verdict
from elbound.theory.claim import Claim, Setting
from elbound.theory.evaluate import Slope
from elbound.theory.symbols import a, drift_m, gap_m, m, n, residual_tau, t, tau
from elbound.theory.tangent.krr import TEST_TO_FIRST, TEST_TO_LIMIT, TO_FIRST, TO_LIMIT

STILL = Setting("still", "nothing moves", (tau, m), (residual_tau, drift_m, gap_m))
FALLING = Claim(STILL, Le(residual_tau, 1 / (1 + tau)))
LATER = Claim(STILL, Le(residual_tau, 1 / (1 + tau)), assuming=(tau >= 2,))


def trial(*places: float) -> Trial:
    measured = {place: {residual_tau: Interval.of(0.5 / (1 + place))} for place in places}
    along = Along(tau, places, measured.__getitem__)
    return Trial(Situation({tau: places[-1], m: 8}), Exact(measured[places[-1]], along=along), Budget())


def test_a_curve_along_a_parameter_holds_both_sides_at_every_place() -> None:
    found = trial(1.0, 3.0, 7.0).curves(FALLING)
    assert found["x"] == [1.0, 3.0, 7.0]
    # Halves of powers of two are exact; the quotient and its enclosure round a few times.
    assert found["observed"] == pytest.approx([0.25, 0.125, 0.0625], rel=1e-15)
    assert found["bound"] == pytest.approx([0.5, 0.25, 0.125], rel=1e-14)


def test_a_curve_leaves_out_the_places_where_the_theorem_is_silent() -> None:
    assert trial(1.0, 3.0, 7.0).curves(LATER)["x"] == [3.0, 7.0]
    assert trial(1.0, 1.5, 7.0).curves(LATER) == {}


def test_a_measurement_without_steps_or_places_has_no_curve() -> None:
    bare = Trial(Situation({tau: 1.0, m: 8}), Exact({residual_tau: Interval.of(0.25)}), Budget())
    assert bare.curves(FALLING) == {}


def test_the_curve_of_a_rate_is_the_claimed_power_through_its_last_point() -> None:
    grid = (4, 8, 16, 64)
    measured = Series(m, grid, {drift_m: At({width: Interval.of(3.0 / width) for width in grid})})
    claim = Claim(STILL, Eq(Slope(drift_m[m], m), -Rational(1, 2)))
    found = Trial(Situation({tau: 1.0, m: 64}), measured, Budget()).curves(claim)
    assert found["x"] == [4.0, 8.0, 16.0, 64.0]
    # Powers of two to halves, and a few roundings.
    assert found["observed"] == pytest.approx([3 / 4, 3 / 8, 3 / 16, 3 / 64], rel=1e-15)
    assert found["bound"] == pytest.approx([12 / 64, 6 * 2**0.5 / 64, 6 / 64, 3 / 64], rel=1e-14)
    turned = replace(claim, relation=Eq(-Rational(1, 2), Slope(drift_m[m], m)))
    assert Trial(Situation({tau: 1.0, m: 64}), measured, Budget()).curves(turned) == found
    number = replace(claim, relation=Le(drift_m[64], tau))
    assert Trial(Situation({tau: 1.0, m: 64}), measured, Budget()).curves(number) == {}


STEPPED = Setting("stepped", "a run", (n, tau), (a,))
RANDOM = Setting("stepped at random", "a run", (n, tau), (a,), random=True)
RUNNING = Le(Sum(a[t], (t, 1, n)) / n, tau * n)


def test_the_curve_of_a_run_holds_both_sides_at_every_horizon() -> None:
    steps = Exact({a: Steps(Interval.of(np.array([[1.0], [3.0], [5.0], [7.0]])))})
    found = Trial(Situation({n: 4, tau: 2.0}), steps, Budget()).curves(Claim(STEPPED, RUNNING))
    # Sums of four terms over their number; a horizon is a whole number.
    assert found["x"] == [1, 2, 3, 4]
    assert found["observed"] == pytest.approx([1.0, 2.0, 3.0, 4.0], rel=1e-15)
    assert found["bound"] == pytest.approx([2.0, 4.0, 6.0, 8.0], rel=1e-14)
    last = Claim(STEPPED, Le(a[n], tau))
    gaps = Exact({a: At({2: Interval.of(0.5), 4: Interval.of(0.25)})})
    assert Trial(Situation({n: 4, tau: 2.0}), gaps, Budget()).curves(last)["x"] == [2, 4]
    assert Trial(Situation({n: 1, tau: 2.0}), steps, Budget()).curves(Claim(STEPPED, RUNNING)) == {}
    long = Exact({a: Steps(Interval.of(np.ones((1000, 1))))})
    far = Trial(Situation({n: 1000, tau: 2.0}), long, Budget()).curves(Claim(STEPPED, RUNNING))
    assert far["x"] == [round(1000 ** (j / 15)) for j in range(16)]


def test_the_curve_of_a_random_run_is_its_means_and_its_middle_four_fifths() -> None:
    def draw(stage: str, first: int, count: int) -> dict[Any, Any]:
        assert (stage, first) == ("screen", 0)
        return {a: Steps(np.arange(1.0, 5.0)[:, None] * np.arange(count) / (count - 1))}

    sample = Sample(draw, {a: Everywhere(Interval.between(0.0, 4.0))})
    seen, claim = Trial(Situation({n: 4, tau: 8.0}), sample, Budget()), Claim(RANDOM, RUNNING)
    seen.judge(claim)
    found = seen.curves(claim)
    assert found["x"] == [1, 2, 3, 4]
    # The mean of the first j steps is (j + 1) / 2 times a value evenly spread over [0, 1].
    for name, share in (("observed", 0.5), ("low", 0.1), ("high", 0.9)):
        assert found[name] == pytest.approx([share * (j + 1) / 2 for j in range(1, 5)], rel=1e-12)
    assert found["bound"] == [8.0, 16.0, 24.0, 32.0]


GROWING = (64, 128, 256, 512, 1024, 2048)
SLOW = At({width: Interval.of(width**-0.8) for width in GROWING})


def slope(exponent: Any, curves: Any, scatter: Any, of: Any = drift_m[m]) -> Judgement:
    series = Series(m, GROWING, curves, scatter)
    return Trial(Situation({tau: 1.0, m: 2048}), series, Budget()).judge(Claim(STILL, Eq(Slope(of, m), exponent)))


@pytest.mark.parametrize(
    ("scatter", "said"),
    [(1e-3, "slope inconsistent"), (0.3, "undecided: a slope that is off by 0.5"), (0.02, "slope consistent")],
)
def test_declared_scatter_widens_what_a_slope_is_consistent_with(scatter: float, said: str) -> None:
    # A slope of -0.8 is not -0.9, unless its values are known to a few hundredths only.
    judged = slope(-Rational(9, 10), {drift_m: SLOW}, {drift_m: [scatter] * len(GROWING)})
    assert judged.reason.startswith(said)
    assert slope(-Rational(4, 5), {drift_m: SLOW}, {}).reason.startswith("slope consistent")


def test_the_scatter_of_one_curve_hides_nothing_of_another_and_adds_up_in_a_product() -> None:
    wide = {gap_m: [0.5] * len(GROWING)}
    curves = {drift_m: SLOW, gap_m: At({width: Interval.of(1.0) for width in GROWING})}
    assert slope(-1, curves, wide).verdict is Verdict.INCONSISTENT
    product = slope(-1, curves, wide, drift_m[m] * gap_m[m])
    assert product.verdict is Verdict.CONSISTENT
    assert product.reason.startswith("undecided: ")
    assert (product.error or 0.0) > (slope(-1, curves, {drift_m: [0.01] * len(GROWING)}).error or 0.0)


def test_how_well_a_slope_is_known_is_said_and_grows_with_a_power() -> None:
    # Three points spaced by log 2 with weight 1 / s^2 each: five standard errors of the slope are 5 s / (sqrt 2 log 2).
    width = 5 * 0.01 / (2**0.5 * math.log(2.0))
    for power in (1, 2, -1):
        known = {drift_m: [0.01] * len(GROWING)}
        said = slope(-power * Rational(4, 5), {drift_m: SLOW}, known, drift_m[m] ** power).reason
        error = f"{abs(power) * width:.2g}"
        assert said.startswith(f"slope consistent (approximate): {-0.8 * power:.3f} +- {error} measured, ")


def test_networks_trained_with_another_ridge_come_no_nearer_and_the_slope_says_so() -> None:
    configuration = WIDTHS.instances["random targets, erf"]
    situation = WIDTHS.situation(configuration, Context())
    right, wrong = (
        Trial(situation, WIDTHS.measure(configuration, Context(), fault), Budget()) for fault in ("", *WIDTHS.faults)
    )
    assert right.judge(TO_FIRST).reason.startswith("slope consistent")
    for claim in (TO_FIRST, TO_LIMIT, TEST_TO_FIRST, TEST_TO_LIMIT):
        assert right.judge(claim).verdict is Verdict.CONSISTENT
        assert wrong.judge(claim).verdict is Verdict.INCONSISTENT
    # A half off, on either side, is told.
    for shift in (-Rational(1, 2), Rational(1, 2)):
        relation = Eq(TO_FIRST.relation.lhs, TO_FIRST.relation.rhs + shift)
        assert right.judge(replace(TO_FIRST, relation=relation, wrong={})).verdict is Verdict.INCONSISTENT


@pytest.mark.parametrize("errors", [[0.1] * 5, [0.1] * 5 + [0.0]])
def test_a_scatter_is_one_positive_error_for_each_place(errors: list[float]) -> None:
    with pytest.raises(ValueError, match="scatter of drift_m"):
        Series(m, GROWING, {drift_m: SLOW}, {drift_m: errors})


def instances(pattern: str, key: str, name: str) -> list[Row]:
    brief = Brief(patterns=(pattern,))
    docket = docket_of(brief)
    experiment = next(x for x in docket.experiments if x.key == key)
    return list(Bench(brief, docket, experiment).judge(experiment.instances[name], f"instance: {name}").values())


@pytest.mark.parametrize(
    ("pattern", "key", "name", "axis"),
    [
        ("tangent/rate-a-posteriori*", "tangent/linearisation", "one erf neuron with small residual", "time τ"),
        ("tangent/literal-kl-collapse*", "tangent/literal-kl", "width 4096", "width m"),
    ],
)
def test_an_instances_curves_end_at_its_own_sides_and_name_their_axis(
    pattern: str, key: str, name: str, axis: str
) -> None:
    rows = instances(pattern, key, name)
    assert len(rows) == 2
    for row in rows:
        assert row.curves["observed"][-1] == pytest.approx(row.left, rel=1e-12)
        assert row.curves["bound"][-1] == pytest.approx(row.right, rel=1e-12)
        assert (np.diff(row.curves["x"]) > 0).all()
        figure = plots.curves("c", row)
        assert figure is not None
        assert f">{axis}</text>" in figure.svg


def test_an_experiment_whose_share_is_less_than_one_generation_is_not_climbed() -> None:
    brief = Brief(profile="default")
    climbed = {task.experiment for task in tasks_of(brief) if task.kind == "adversary"}
    for experiment in docket_of(brief).experiments:
        if PROFILES["default"].adversary * experiment.share < GENERATION:
            assert experiment.key not in climbed
    assert "tangent/widths" not in climbed
    assert "tangent/one-step" in climbed
