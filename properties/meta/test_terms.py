"""A relation with everything on one side: labels, ratios and tolerances that do not depend on how it is written."""

import math
from typing import Any

import numpy as np
import pytest
from sympy import Abs, Eq, Expr, Ge, IndexedBase, Integer, Le, Rational, Sum, Symbol, sqrt
from sympy.core.relational import Relational

from elbound.properties.evidence.budget import Budget
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Exact, Sample, Situation
from elbound.properties.judgement import Judgement
from elbound.properties.meta import synthetic
from elbound.properties.terms import LARGEST, excess_terms, indicators_of, magnitude, reduced
from elbound.properties.trial import Trial
from elbound.reports.row import Verdict
from elbound.reports.summary import is_loose
from elbound.theory.claim import Claim, Setting
from elbound.theory.evaluate import Exceeds
from elbound.theory.symbols import n, t

p, q = Symbol("p", positive=True), Symbol("q", real=True)
gap, drift = Symbol("some_gap", real=True), Symbol("some_drift", real=True)
size = Symbol("some_size", nonnegative=True)
Z = IndexedBase("Z", real=True)
STILL = Setting("still", "at rest", parameters=(p, q, n), observables=(gap, drift, size, Z))
MOVING = Setting("moving", "random", parameters=(p, q, n), observables=(gap, drift, size), random=True)

SITUATION = Situation({p: 2.0, q: -0.5, n: 4}, precision=0.0)


def measured(values: dict[Any, float], error: float = 0.0) -> Exact:
    return Exact({symbol: Interval.around(value, error) for symbol, value in values.items()})


def on(relation: Relational, measurement: Any, setting: Setting = STILL) -> tuple[Judgement, float | None]:
    """The judgement of a relation, and how near it is to being attained at most."""
    trial, claim = Trial(SITUATION, measurement, Budget()), Claim(setting, relation)
    return trial.judge(claim), trial.reach(claim)


# The terms


def test_like_terms_of_both_sides_are_taken_together() -> None:
    for relation in (Le(gap * p + 1, 3 * (gap + drift)), Ge(3 * gap + 3 * drift - 1, p * gap)):
        terms = {term.expand() for term in excess_terms(Claim(STILL, relation))}
        assert terms == {(gap * (p - 3)).expand(), -3 * drift, Integer(1)}


def test_products_powers_and_sums_are_multiplied_out() -> None:
    terms = excess_terms(Claim(STILL, Le((gap - p) ** 2, Sum(Z[t] - 1, (t, 1, n)))))
    values = {gap: 3.0, p: 2.0}
    # gap^2 - 2 p gap, less a sum over Z, plus p^2 and a sum over ones, which nothing measured enters.
    assert sorted(float(x.subs(values)) for x in terms if not x.has(Sum)) == [-12.0, 9.0]
    assert len(terms) == 4


@pytest.mark.parametrize(
    ("relation", "left", "right"),
    [
        (Le(3 * gap + 1, 2 * gap + drift), gap + 1, drift),
        (Ge(2 * gap + drift, 3 * gap + 1), drift, gap + 1),
        (Eq(p * (gap + drift), p * gap + q), p * drift, q),
        (Le(gap**2 + drift, gap**2 + size), drift, size),
        (Le(Sum(2 * Z[t], (t, 1, n)) + gap, p + Sum(Z[t], (t, 1, n))), Sum(Z[t], (t, 1, n)) + gap, p),
        (Le(gap - drift, gap), -drift, 0),
    ],
    ids=str,
)
def test_what_both_sides_have_in_common_is_left_on_one(relation: Relational, left: Any, right: Any) -> None:
    found = reduced(Claim(STILL, relation))
    assert isinstance(found.relation, type(relation))
    assert (found.left - left).expand() == 0
    assert (found.right - right).expand() == 0


def test_a_relation_with_nothing_in_common_or_nothing_else_stays_as_it_is() -> None:
    for relation in (Le(gap + 1, drift + 1), Le(gap * drift, gap), Le(gap + 1, gap + p), Ge(p * gap, q * p)):
        claim = Claim(STILL, relation)
        assert reduced(claim) is claim


def test_too_many_terms_are_left_as_they_are_written() -> None:
    many = (gap + drift + size + Abs(gap) + Abs(drift)) ** 4
    assert len(excess_terms(Claim(STILL, Le(many * (gap + 1), p)))) == 2
    assert LARGEST >= 2


WRITTEN = (
    Ge(gap, p / 3),
    Le(p / 3, gap),
    Ge(gap - p / 3, 0),
    Le(p / 3 - gap, 0),
    Ge(0, p / 3 - gap),
    Ge(gap - p / 6, p / 6),
    Ge(gap + 5, p / 3 + 5),
    Le(-gap, -p / 3),
    Ge(3 * gap / p, 1),
)


@pytest.mark.parametrize("relation", WRITTEN, ids=str)
@pytest.mark.parametrize("value", [0.7, 2.0, 1e7])
def test_how_near_a_bound_is_to_being_attained_does_not_depend_on_how_it_is_written(
    relation: Relational, value: float
) -> None:
    judgement, reach = on(relation, measured({gap: value}))
    assert judgement.verdict is Verdict.SUPPORTED
    assert reach == pytest.approx(2 / 3 / value, rel=1e-12)


@pytest.mark.parametrize("relation", [Ge(gap - p / 3, 0), Le(p / 3 - gap, 0), Ge(0, p / 3 - gap)], ids=str)
def test_with_everything_on_one_side_the_ratio_is_that_of_the_terms(relation: Relational) -> None:
    for value, error in ((0.7, 0.0), (0.7, 0.01), (0.6, 0.0)):
        judgement, _ = on(relation, measured({gap: value}, error))
        assert judgement.ratio == pytest.approx(2 / 3 / value, rel=1e-12)
        assert judgement.certified_ratio == pytest.approx(2 / 3 / (value + error), rel=1e-12)
        assert (judgement.verdict is Verdict.REFUTED) == (value < 2 / 3)


def test_the_error_of_a_measurement_counts_as_if_it_were_attained() -> None:
    _, reach = on(Ge(gap, p / 3), measured({gap: 2.0}, 0.5))
    assert reach == pytest.approx(2 / 3 / 1.5, rel=1e-12)


@pytest.mark.parametrize("relation", [Ge(gap, -1000 * p), Le(-gap, 1000 * p), Ge(gap + 1000 * p, 0), Ge(gap, -1)])
def test_a_lower_bound_below_all_that_is_measured_reaches_nothing_though_the_letter_may_be_negative(
    relation: Relational,
) -> None:
    assert on(relation, measured({gap: 0.3}))[1] == 0.0
    _, reach = on(relation, measured({gap: -0.3}))
    assert reach is not None
    assert reach > 0


@pytest.mark.parametrize("relation", [Ge(gap, 0), Le(-gap, 0)], ids=str)
def test_a_sign_alone_is_neither_near_nor_far(relation: Relational) -> None:
    judgement, reach = on(relation, measured({gap: 0.3}))
    assert (judgement.vacuous, reach) == (False, None)


@pytest.mark.parametrize("relation", [Ge(size, q), Le(q, size), Ge(size - q, 0), Le(q - size, 0)], ids=str)
def test_what_the_declared_sign_makes_true_is_vacuous_however_it_is_written(relation: Relational) -> None:
    assert on(relation, measured({size: 0.3}))[0].vacuous
    assert not on(relation.subs(q, -q), measured({size: 0.7}))[0].vacuous


def gaussian(mean: float, deviation: float, **declared: Any) -> Sample:
    """The gap is normal about a mean; nothing is sure of it."""

    def draw(stage: str, first: int, count: int) -> dict[Any, Any]:
        generator = np.random.default_rng([len(stage), first])
        return {gap: generator.normal(mean, deviation, count), drift: generator.normal(0.0, deviation, count)}

    return Sample(draw, dict.fromkeys((gap, drift), Interval.between(-math.inf, math.inf)), **declared)


def test_noise_of_the_right_side_does_not_hide_that_a_bound_is_empty() -> None:
    noisy = gaussian(1e6, 5e5, variances={gap: 2.5e11, drift: 2.5e11})
    for relation in (Le(Rational(1, 10), gap), Ge(gap - Rational(1, 10), 0)):
        _, reach = on(relation, noisy, MOVING)
        # The mean of 256 draws is known to six times 1 / 32 of its size.
        assert reach is not None
        assert 1e-7 < reach < 2e-7


@pytest.mark.parametrize(
    ("measurement", "setting", "loose"),
    [
        (measured({gap: 0.49}), STILL, True),
        (measured({gap: 0.49}, 0.1), STILL, False),
        # 256 draws know a mean to a sixteenth of their deviation: six times that is 0.15 and 0.12 here.
        (gaussian(0.4, 0.4), MOVING, False),
        (gaussian(0.3, 0.32), MOVING, True),
    ],
    ids=["exact", "exact, with an error", "sampled, near", "sampled, far"],
)
def test_a_bound_is_not_loose_where_the_error_leaves_room_for_one_half(
    measurement: Any, setting: Setting, loose: bool
) -> None:
    _, reach = on(Le(gap, 1), measurement, setting)
    assert is_loose([synthetic.row("a", reach=reach)]) == loose


# Unbounded samples


@pytest.mark.parametrize(
    ("relation", "mean", "verdict"),
    [
        (Le(gap, p), 2.0, Verdict.CONSISTENT),
        (Le(gap, p), 3.0, Verdict.REFUTED),
        (Le(gap, p), 1.0, Verdict.SUPPORTED),
        (Ge(gap, p), 1.0, Verdict.REFUTED),
        (Ge(gap, p), 3.0, Verdict.SUPPORTED),
        (Eq(gap, p), 2.0, Verdict.CONSISTENT),
        (Eq(gap, p), 3.0, Verdict.REFUTED),
        (Eq(2 * gap - drift, 4), 2.0, Verdict.CONSISTENT),
        (Eq(2 * gap - drift, 4), 3.0, Verdict.REFUTED),
        (Eq(gap, p + drift), 3.0, Verdict.REFUTED),
    ],
    ids=str,
)
def test_unbounded_replicates_are_judged_by_their_declared_variances(
    relation: Relational, mean: float, verdict: Verdict
) -> None:
    judgement, _ = on(relation, gaussian(mean, 1.0, variances={gap: 1.0, drift: 1.0}), MOVING)
    assert judgement.verdict is verdict
    if verdict is not Verdict.CONSISTENT:
        assert judgement.basis == "declared variance"


@pytest.mark.parametrize("relation", [Eq(gap + drift, p), Le(gap, p), Ge(p, drift * gap)], ids=str)
def test_without_a_variance_they_are_undecided_and_it_is_said_what_to_declare(relation: Relational) -> None:
    judgement, _ = on(relation, gaussian(50.0, 1.0), MOVING)
    assert judgement.verdict is Verdict.CONSISTENT
    assert judgement.reason.startswith("undecided: ")
    assert "declare a finite range, or a variance in Sample(variances=...)" in judgement.reason
    assert judgement.left is not None
    assert judgement.replicates == Budget().screen_replicates


def test_a_ratio_above_one_beside_consistent_says_how_sure_it_is() -> None:
    judgement, _ = on(Le(gap, p), gaussian(2.02, 1.0, variances={gap: 1.0}), MOVING)
    assert judgement.verdict is Verdict.CONSISTENT
    assert judgement.ratio is not None
    assert judgement.ratio > 1
    assert "undecided: the means differ by" in judgement.reason
    exact, _ = on(Le(gap, p), measured({gap: 2.05}, 0.1))
    assert exact.verdict is Verdict.CONSISTENT
    assert exact.ratio == pytest.approx(1.025)
    assert exact.reason == "undecided: the sides differ by 0.05 +- 0.1"


# Tolerances


@pytest.mark.parametrize("relation", [Eq(gap, p), Le(gap, p), Ge(p - gap, 0), Le(gap - p, 0)], ids=str)
def test_a_tolerance_made_of_the_discrepancy_it_excuses_is_an_error(relation: Relational) -> None:
    """Weights never trained: the prediction is 2, what is measured 2.6, and the error is said to be their distance."""
    for value, error in ((2.6, 0.65), (1.3, 0.75)):
        judgement, _ = on(relation, measured({gap: value}, error))
        assert judgement.verdict is Verdict.ERROR
        assert "the tolerance" in judgement.reason
        assert "at most 0.1 of it is allowed" in judgement.reason
        assert "\n" not in judgement.reason
    assert on(relation, measured({gap: 2.05}, 0.06))[0].verdict is Verdict.CONSISTENT


@pytest.mark.parametrize(
    ("relation", "values", "error", "verdict"),
    [
        # Sides that cancel to nothing: the terms that cancel give the scale.
        (Eq(gap - drift, 0), {gap: 1.0, drift: 1.0}, 1e-13, Verdict.CONSISTENT),
        (Eq(gap - drift, 0), {gap: 1.0, drift: 1.0 + 1e-3}, 1e-3, Verdict.CONSISTENT),
        (Eq(gap - drift, 0), {gap: 1.0, drift: 1.1}, 0.1, Verdict.ERROR),
        (Eq(Abs(gap - drift), 0), {gap: 1e-3, drift: 1e-3}, 1e-5, Verdict.CONSISTENT),
        # A difference that the experiment formed: rounding of what else it measured.
        (Eq(gap, 0), {gap: 1e-16, size: 1.0}, 1e-13, Verdict.CONSISTENT),
        (Eq(gap, 0), {gap: 1e-3, size: 1.0}, 2e-3, Verdict.ERROR),
    ],
    ids=str,
)
def test_the_scale_of_a_tolerance_is_what_cancels_not_what_is_left(
    relation: Relational, values: dict[Any, float], error: float, verdict: Verdict
) -> None:
    assert on(relation, measured(values, error))[0].verdict is verdict


def test_a_wide_tolerance_decides_what_it_can() -> None:
    assert on(Le(gap, p), measured({gap: 1.0}, 0.9))[0].verdict is Verdict.SUPPORTED
    assert on(Eq(gap, p), measured({gap: 9.0}, 3.0))[0].verdict is Verdict.REFUTED


@pytest.mark.parametrize(
    ("expression", "expected"),
    [(p - p * q, 2.0), (q * (p - 1), 1.0), (sqrt(p + 2), math.sqrt(2)), (Abs(q), 0.5), (Integer(0), 0.0)],
    ids=str,
)
def test_terms_that_cancel_count_with_their_sizes(expression: Expr, expected: float) -> None:
    found = magnitude(expression, lambda e: float(e.subs({p: 2.0, q: -0.5})))
    assert found == pytest.approx(expected, rel=1e-12)


# Equivalences


IFF = Eq(Exceeds(gap, 0), Exceeds(drift, p))


@pytest.mark.parametrize(
    ("gap_value", "drift_value", "holds"), [(1.0, 3.0, True), (-1.0, 1.0, True), (1.0, 1.9, False), (-0.1, 3.0, False)]
)
def test_an_equivalence_is_nearer_to_failing_the_nearer_one_statement_is_to_changing(
    gap_value: float, drift_value: float, *, holds: bool
) -> None:
    found, _ = on(IFF, measured({gap: gap_value, drift: drift_value}))
    assert found.verdict is (Verdict.SUPPORTED if holds else Verdict.REFUTED)
    margin = abs(drift_value - 2) / (abs(drift_value) + 2)
    assert found.ratio == pytest.approx(math.exp(-margin if holds else margin), rel=1e-12)


def test_only_equalities_of_indicators_alone_are_equivalences() -> None:
    assert indicators_of(Claim(STILL, IFF)) == (Exceeds(drift, p), Exceeds(gap, 0))
    assert indicators_of(Claim(STILL, Eq(Exceeds(gap, 0), 1))) == (Exceeds(gap, 0),)
    for other in (Le(Exceeds(gap, 0), p), Eq(Exceeds(gap, 0), p), Eq(gap, p)):
        assert indicators_of(Claim(STILL, other)) == ()
