"""The judge on planted measurements: it says what is known of them, and never more.

Replicates come from laws of known mean, drawn by Philox keyed by the test's name. A true claim is refuted with a
chance of at most 1 / Budget().refute = 1e-13; the planted violations are so gross that missing them is rarer still.
"""

import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from hashlib import blake2b
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sympy import Eq, Expr, Ge, IndexedBase, Le, Rational, Sum, Symbol, log
from sympy.core.relational import Relational

from elbound.properties import trial
from elbound.properties.analysis import OWN_MODULE
from elbound.properties.bets import ROUNDING_SHARE, Bet
from elbound.properties.evidence.budget import Budget
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import At, Everywhere, Exact, Sample, Series, Situation, Steps, Tail
from elbound.properties.judgement import AGREEMENT, Judgement
from elbound.properties.place import Rival
from elbound.properties.trial import Trial, _band, _halves, _Look
from elbound.reports.row import UNDECIDED, Verdict
from elbound.theory.claim import Claim, Fact, Setting
from elbound.theory.evaluate import Exceeds, Slope
from elbound.theory.symbols import n, t

Floats = NDArray[np.float64]
Law = Callable[[np.random.Generator, int], Floats]

p, q, free = Symbol("p", positive=True), Symbol("q", real=True), Symbol("w", real=True)
X, Y = Symbol("X", nonnegative=True), Symbol("Y", nonnegative=True)
Z = IndexedBase("Z", nonnegative=True)
CERTAIN = Fact("certain", "the thing is certain")
STILL = Setting("still", "at rest", parameters=(p, q, n), observables=(X, Y, Z), facts=(CERTAIN,))
MOVING = Setting("moving", "random", parameters=(p, q, n), observables=(X, Y, Z), facts=(CERTAIN,), random=True)
RANGE = Interval.between(0.0, 1.0)
EPS = 2.0**-53


def judged(claim: Claim, measurement: Any, values: dict[Any, float] | None = None, **facts: Any) -> Judgement:
    """The verdict on one claim, parameters exact."""
    situation = Situation({p: 1.0, q: -1.0, n: 4} | (values or {}), facts.get("facts", frozenset()), precision=0.0)
    return Trial(situation, measurement, Budget()).judge(claim)


# Exact


@pytest.mark.parametrize(
    ("relation", "low", "high", "verdict"),
    [
        (Le(X, p), 0.5, 0.75, Verdict.SUPPORTED),
        (Le(X, p), 0.92, 1.08, Verdict.CONSISTENT),
        (Le(X, p), 1.0, 1.15, Verdict.CONSISTENT),
        (Le(X, p), 1.01, 1.5, Verdict.REFUTED),
        (Le(X, p), 1.0 - 1e-11, 1.0 + 1e-11, Verdict.SUPPORTED),
        (Le(X, p), 1.0 + 1e-12, 1.0 + 2e-12, Verdict.REFUTED),
        (Ge(X, p), 1.01, 1.5, Verdict.SUPPORTED),
        (Ge(X, p), 0.92, 1.08, Verdict.CONSISTENT),
        (Ge(X, p), 0.5, 0.75, Verdict.REFUTED),
        (Ge(p, X), 0.5, 0.75, Verdict.SUPPORTED),
        (Ge(p, X), 1.01, 1.5, Verdict.REFUTED),
        (Eq(X, p), 1.01, 1.5, Verdict.REFUTED),
        (Eq(X, p), 0.5, 0.75, Verdict.REFUTED),
        (Eq(X, p), 0.92, 1.08, Verdict.CONSISTENT),
        (Eq(X, p), 1.0 - 4e-10, 1.0 + 4e-10, Verdict.SUPPORTED),
        (Eq(X, p), 1.0 - 4e-9, 1.0 + 4e-9, Verdict.CONSISTENT),
        (Eq(X, p), 1.0 + 1e-12, 1.0 + 2e-12, Verdict.REFUTED),
    ],
)
def test_enclosures_decide_what_they_can(relation: Relational, low: float, high: float, verdict: Verdict) -> None:
    found = judged(Claim(STILL, relation), Exact({X: Interval.between(low, high)}, basis="enclosure"))
    assert found.verdict is verdict
    assert found.basis == ("" if verdict is Verdict.CONSISTENT else "enclosure")
    assert found.replicates == 0
    middle, radius = (low + high) / 2, (high - low) / 2
    sides = (found.right, found.left) if relation.lhs == p else (found.left, found.right)
    assert sides == pytest.approx((middle, 1.0), rel=4 * EPS)
    assert found.error == pytest.approx(radius, abs=4 * EPS)
    assert found.resolution == pytest.approx(1 + 2 * radius / max(middle, 1.0), rel=8 * EPS)


def test_ratios_of_exact_sides_point_from_the_claim_and_are_certain() -> None:
    value = Exact({X: Interval.between(1.9, 2.1)})
    above = judged(Claim(STILL, Le(X, 4 * p)), value)
    assert above.ratio == pytest.approx(0.5, rel=8 * EPS)
    assert above.certified_ratio == pytest.approx(1.9 / 4, rel=8 * EPS)
    assert above.certified_ratio is not None
    assert above.certified_ratio <= 1.9 / 4
    below = judged(Claim(STILL, Ge(X, p)), value)
    assert below.ratio == pytest.approx(0.5, rel=8 * EPS)
    assert below.certified_ratio == pytest.approx(1 / 2.1, rel=8 * EPS)
    assert below.certified_ratio is not None
    assert below.certified_ratio <= 1 / 2.1
    assert judged(Claim(STILL, Le(X, p + q)), value).ratio is None


@pytest.mark.parametrize(
    ("relation", "high", "vacuous"),
    [
        (Ge(X, free), -1.0, True),
        (Ge(X, free), 0.0, True),
        (Ge(X, free), 0.25, False),
        (Ge(X - Y, free), -1.0, False),
        (Le(X, free), -1.0, False),
        (Eq(X, free), -1.0, False),
    ],
)
def test_a_lower_bound_that_is_not_positive_says_nothing_of_what_is_never_negative(
    relation: Relational, high: float, *, vacuous: bool
) -> None:
    setting = Setting("still", "at rest", parameters=(), observables=(X, Y, free))
    sides = {X: Interval.of(0.5), Y: Interval.of(0.25), free: Interval.between(-2.0, high)}
    found = judged(Claim(setting, relation), Exact(sides))
    assert found.verdict is not Verdict.ERROR
    assert found.vacuous is vacuous


@pytest.mark.parametrize(("relation", "side"), [(Le(X, p), "left"), (Le(p, X), "right")])
def test_a_side_that_may_be_anything_is_an_error(relation: Relational, side: str) -> None:
    found = judged(Claim(STILL, relation), Exact({X: Interval.between(-math.inf, math.inf)}))
    assert found.verdict is Verdict.ERROR
    assert f"the {side} side is anything" in found.reason


def test_ratios_of_negative_sides_are_above_one_where_the_claim_is_violated() -> None:
    value = Exact({X: Interval.between(1.9, 2.1)})
    for relation, ratio, certified, verdict in (
        (Le(-X, -p), 1 / 2, 1 / 2.1, Verdict.SUPPORTED),
        (Ge(-p, -X), 1 / 2, 1 / 2.1, Verdict.SUPPORTED),
        (Le(-4 * p, -X), 2 / 4, 1.9 / 4, Verdict.SUPPORTED),
        (Le(-p, -X), 2.0, 1.9, Verdict.REFUTED),
    ):
        found = judged(Claim(STILL, relation), value)
        assert found.verdict is verdict
        assert found.ratio == pytest.approx(ratio, rel=8 * EPS)
        assert found.certified_ratio == pytest.approx(certified, rel=8 * EPS)


def test_expectations_alone_are_no_evidence_on_what_is_not_affine() -> None:
    values = Exact({X: Interval.of(0.5), Y: Interval.of(0.5), Z: Steps(Interval.of(np.full((4, 1), 0.5)))})
    for side in (X**2, X * Y, log(1 + X), Exceeds(X, p), Sum(Z[t] ** 2, (t, 1, n))):
        found = judged(Claim(MOVING, Le(side, 100 * p)), values)
        assert found.verdict is Verdict.ASSUMPTION_NOT_MET
        assert "not affine" in found.reason
        assert judged(Claim(STILL, Le(side, 100 * p)), values).verdict is Verdict.SUPPORTED
    assert judged(Claim(MOVING, Le(p * X - Y + Sum(Z[t] / t, (t, 1, n)), 100 * p)), values).verdict is Verdict.SUPPORTED


# Assumptions


def no_draw(stage: str, first: int, count: int) -> dict[Any, Any]:
    raise AssertionError(f"drawn: {stage} {first} {count}")


def test_nothing_is_drawn_outside_the_assumptions() -> None:
    untouched = Sample(no_draw, {X: RANGE})
    below = Claim(MOVING, Le(X, p / 2), assuming=(p < 1, CERTAIN))
    for values, facts, broken in (
        ({p: 1.0}, frozenset({CERTAIN}), "p < 1"),
        ({p: 0.5}, frozenset(), CERTAIN.meaning),
    ):
        found = judged(below, untouched, values, facts=facts)
        assert (found.verdict, found.reason) == (Verdict.ASSUMPTION_NOT_MET, broken)
    met = judged(below, untouched, {p: 0.5}, facts=frozenset({CERTAIN}))
    assert met.verdict is Verdict.ERROR
    assert "drawn: screen 0 256" in met.reason


# Evidence


@pytest.fixture
def noise(request: pytest.FixtureRequest) -> Callable[[str, int], np.random.Generator]:
    """Generators of the stages and chunks of this test."""

    def stream(stage: str, first: int) -> np.random.Generator:
        key = blake2b(f"{request.node.name}/{stage}/{first}".encode(), digest_size=16).digest()
        return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "big")))

    return stream


def two_point(mean: float) -> Law:
    """Zero or one, with that mean."""
    return lambda generator, count: (generator.random(count) < mean).astype(np.float64)


def beta_law(mean: float) -> Law:
    """A Beta law of that mean and small spread."""
    return lambda generator, count: generator.beta(20 * mean, 20 * (1 - mean), count)


def sampled(noise: Any, laws: dict[Any, Law], ranges: dict[Any, Any] | None = None, **declared: Any) -> Sample:
    """Independent observables of these laws, all in [0, 1] unless told."""

    def draw(stage: str, first: int, count: int) -> dict[Any, Any]:
        generator = noise(stage, first)
        return {symbol: law(generator, count) for symbol, law in laws.items()}

    return Sample(draw, ranges or dict.fromkeys(laws, RANGE), **declared)


@pytest.mark.parametrize("law", [two_point, beta_law], ids=["two points", "beta"])
@pytest.mark.parametrize("mean", [0.1, 0.5])
@pytest.mark.parametrize(
    "relation", [Le(X, p), Ge(X, p), Eq(X, p), Ge(p, X), Le(2 * X - p, p), Le(X, (Y + p) / 2), Eq(X, Y)], ids=str
)
def test_a_claim_true_with_equality_is_not_refuted(law: Any, mean: float, relation: Relational, noise: Any) -> None:
    found = judged(Claim(MOVING, relation), sampled(noise, {X: law(mean), Y: law(mean)}), {p: mean})
    assert found.verdict is Verdict.CONSISTENT
    assert not found.vacuous
    assert found.replicates >= Budget().screen_replicates
    # The certified ratio is below the true one, which is one, but for a chance of 1 / refute.
    if found.certified_ratio is not None and relation not in {Le(2 * X - p, p)}:
        assert found.certified_ratio <= 1.0


@pytest.mark.parametrize("law", [two_point, beta_law], ids=["two points", "beta"])
@pytest.mark.parametrize(
    "relation",
    [Le(X, p / 2), Ge(p / 2, X), Ge(p, 2 * X), Le(X, Y / 2), Ge(X, 2 * p), Eq(X, p / 2), Eq(X, 2 * p), Eq(X, 2 * Y)],
    ids=str,
)
def test_a_factor_of_two_is_refuted_on_fresh_noise(law: Any, relation: Relational, noise: Any) -> None:
    mean = 0.4
    found = judged(Claim(MOVING, relation), sampled(noise, {X: law(mean), Y: law(mean)}), {p: mean})
    assert (found.verdict, found.basis) == (Verdict.REFUTED, "sure range")
    assert found.confirmed
    assert found.log_e is not None
    assert found.log_e >= np.log(Budget().refute) - 1e-9
    assert found.replicates <= Budget().confirm_replicates
    assert found.left is not None
    assert found.right is not None
    assert found.left != found.right
    if isinstance(relation, Ge):
        assert found.left < found.right


def test_the_screen_alone_refutes_nothing(noise: Any) -> None:
    """Replicates that lie on the screen and tell the truth afterwards."""

    def draw(stage: str, first: int, count: int) -> dict[Any, Any]:
        return {X: two_point(1.0 if stage == "screen" else 0.25)(noise(stage, first), count)}

    found = judged(Claim(MOVING, Le(X, p)), Sample(draw, {X: RANGE}), {p: 0.5})
    assert found.confirmed
    assert found.verdict is Verdict.SUPPORTED
    assert found.left == pytest.approx(0.25, abs=6 * 0.5 / Budget().confirm_replicates ** 0.5)


def test_fresh_noise_means_fresh_addresses(noise: Any) -> None:
    asked: list[tuple[str, int, int]] = []
    inner = sampled(noise, {X: beta_law(0.5)})

    def draw(stage: str, first: int, count: int) -> Any:
        asked.append((stage, first, count))
        return inner.draw(stage, first, count)

    trial = Trial(Situation({p: 0.5}), Sample(draw, inner.ranges), Budget())
    one, other = (trial.judge(Claim(MOVING, Le(X, p / scale))) for scale in (2, 4))
    assert {one.verdict, other.verdict} == {Verdict.REFUTED}
    assert len(set(asked)) == len(asked), "replicates are drawn once for all claims"
    for stage in ("screen", "confirm"):
        firsts = [first for named, first, _ in asked if named == stage]
        assert firsts == [j * Budget().screen_replicates for j in range(len(firsts))]


def test_every_part_of_a_stage_has_an_address_of_its_own_and_is_drawn_once() -> None:
    asked: list[tuple[str, int, int]] = []

    def draw(stage: str, first: int, count: int) -> Any:
        asked.append((stage, first, count))
        return {X: np.full(count, float(first))}

    budget = Budget()
    sample = Sample(draw, {X: Interval.between(0.0, np.inf)})
    read, size = Trial(Situation({p: 0.5}), sample, budget), budget.screen_replicates
    for parts in (3, budget.confirm_replicates // size, 2):
        seen = [float(part(X)[0]) for part in read._draws("confirm", parts * size)]
        assert seen == [float(j * size) for j in range(parts)]
    assert asked == [("confirm", j * size, size) for j in range(budget.confirm_replicates // size)]


@pytest.mark.parametrize("mean", [0.2, 0.6])
def test_a_declared_variance_sharpens_the_evidence_against_an_equality(mean: float, noise: Any) -> None:
    """A law in [0, 1] of spread 0.01, claimed ten deviations off: within reach of a variance, not of a range."""

    def narrow(generator: np.random.Generator, count: int) -> Floats:
        return np.asarray(mean + 0.01 * generator.choice([-1.0, 1.0], count))

    for shift in (-0.1, 0.1):
        for claimed, truth in ((mean + shift, False), (mean, True)):
            claim = Claim(MOVING, Eq(X, p))
            with_variance = judged(claim, sampled(noise, {X: narrow}, variances={X: 1e-4}), {p: claimed})
            without = judged(claim, sampled(noise, {X: narrow}), {p: claimed})
            wanted = Verdict.CONSISTENT if truth else Verdict.REFUTED
            assert with_variance.verdict is without.verdict is wanted
            if not truth:
                assert with_variance.replicates <= without.replicates
            assert with_variance.resolution is not None
            assert without.resolution is not None
            assert with_variance.resolution < without.resolution


ALIKE = (
    Le(X + 1, Y),
    Le(3 * X + 1, 2 * X + Y),
    Ge(2 * X + Y, 3 * X + 1),
    Le(X + 1 - 100 * Y, -99 * Y),
    Le(p * X + 1 + 7 * X, Y + 7 * X),
    Ge(Y * (1 + 40 * p) - X, 40 * Y + p),
)


def doubled(law: Law) -> Law:
    return lambda generator, count: 2 * law(generator, count)


def unbounded(mean: float) -> Law:
    return lambda generator, count: generator.normal(mean, 0.125, count)


@pytest.mark.parametrize("means", [(0.5, 1.0), (0.5, 1.75)], ids=str)
def test_terms_on_both_sides_cost_a_declared_variance_no_evidence(means: tuple[float, float], noise: Any) -> None:
    """Normal laws of spread 1/8 on the whole line: what is common would have widened the spread a hundredfold."""
    laws = {symbol: unbounded(mean) for symbol, mean in zip((X, Y), means, strict=True)}
    line = dict.fromkeys(laws, Interval.between(-np.inf, np.inf))
    sample = sampled(noise, laws, line, variances=dict.fromkeys(laws, 1 / 64))
    found = [judged(Claim(MOVING, relation), sample) for relation in ALIKE]
    wanted = Verdict.REFUTED if means[0] + 1 > means[1] else Verdict.SUPPORTED
    assert {x.verdict for x in found} == {wanted}
    assert {x.basis for x in found} == {"declared variance"}
    assert {x.replicates for x in found} == {found[0].replicates}


@pytest.mark.parametrize("relation", ALIKE, ids=str)
def test_terms_on_both_sides_cost_a_sure_range_and_an_enclosure_nothing(relation: Relational, noise: Any) -> None:
    claim = Claim(MOVING, relation)
    ranges = {X: RANGE, Y: Interval.between(0.0, 2.0)}
    for mean, verdict in ((0.5, Verdict.REFUTED), (0.85, Verdict.SUPPORTED)):
        assert judged(claim, sampled(noise, {X: beta_law(0.5), Y: doubled(beta_law(mean))}, ranges)).verdict is verdict
    still = replace(claim, setting=STILL)
    for y, verdict in ((1.25, Verdict.REFUTED), (1.75, Verdict.SUPPORTED), (1.5, Verdict.CONSISTENT)):
        known = Exact({X: Interval.around(0.5, 0.01), Y: Interval.around(y, 0.01)})
        assert judged(still, known).verdict is verdict


def test_an_equality_keeps_the_size_of_what_its_sides_have_in_common() -> None:
    known = Exact({X: Interval.around(1.0, 1e-12), Y: Interval.around(0.0, 1e-12)})
    assert judged(Claim(STILL, Eq(X - Y, X)), known).verdict is Verdict.SUPPORTED
    away = Exact({X: Interval.around(1.0, 1e-3), Y: Interval.around(1e-6, 1e-9)})
    assert judged(Claim(STILL, Eq(X - Y, X)), away).verdict is Verdict.REFUTED


@pytest.mark.parametrize("relation", [Eq(X, p), Eq(p, X)], ids=str)
def test_a_variance_of_the_wrong_side_is_not_used(relation: Relational, noise: Any) -> None:
    """A right side that is random moves the variance; the declared one is that of the left alone."""
    law = beta_law(0.5)
    lying = sampled(noise, {X: law, Y: law}, variances={X: 1e-12})
    assert judged(Claim(MOVING, Eq(X, Y)), lying).verdict is Verdict.CONSISTENT
    assert judged(Claim(MOVING, relation), sampled(noise, {X: law}), {p: 0.5}).verdict is Verdict.CONSISTENT


@pytest.mark.parametrize(
    "relation", [Le(3 * X + p, 2 * X + Y), Le(100 * X + p, 99 * X + Y), Ge(Y - 7 * X, p - 6 * X)], ids=str
)
def test_what_both_sides_hold_adds_no_variance(relation: Relational, noise: Any) -> None:
    """X + p <= Y is false by a fifth, and unbounded; so it is with any multiple of X beside it."""
    unbounded = Interval.between(-np.inf, np.inf)
    drawn = sampled(
        noise, {X: beta_law(0.5), Y: beta_law(0.5)}, {X: unbounded, Y: unbounded}, variances={X: 0.01, Y: 0.01}
    )
    assert judged(Claim(MOVING, relation), drawn, {p: 0.2}).verdict is Verdict.REFUTED
    assert judged(Claim(MOVING, relation), drawn, {p: 0.0}).verdict is Verdict.CONSISTENT


def test_a_variance_declared_of_a_whole_side_is_that_of_the_side_as_it_is_written(noise: Any) -> None:
    """Of X + Y alone a variance is known; without Y on both sides it would be of no use."""
    unbounded = Interval.between(-np.inf, np.inf)
    laws = {X: beta_law(0.5), Y: beta_law(0.5)}
    drawn = sampled(noise, laws, {X: unbounded, Y: unbounded}, variances={X + Y: 0.02, Y: 0.01})
    assert judged(Claim(MOVING, Le(X + Y, Y + p)), drawn, {p: 0.6}).verdict is Verdict.SUPPORTED
    assert judged(Claim(MOVING, Le(X + Y, Y + p)), drawn, {p: 0.2}).verdict is Verdict.REFUTED


@pytest.mark.parametrize(
    ("relation", "left", "right"),
    [(Le(X, p / 2), 0.8, 0.5), (Ge(p / 2, X), 0.5, 0.8), (Eq(X, p / 2), 0.8, 0.5), (Eq(X, 2 * p), 0.8, 2.0)],
    ids=str,
)
def test_sure_ranges_alone_refute_without_a_draw(relation: Relational, left: float, right: float) -> None:
    found = judged(Claim(MOVING, relation), Sample(no_draw, {X: Interval.between(0.7, 0.9)}))
    assert (found.verdict, found.basis, found.replicates) == (Verdict.REFUTED, "sure range alone", 0)
    assert (found.left, found.right) == pytest.approx((left, right), rel=4 * EPS)


@pytest.mark.parametrize(
    ("relation", "ranges"),
    [
        (Le(X, Y), {X: RANGE, Y: Interval.between(0.0, np.inf)}),
        (Ge(X, p), {X: Interval.between(0.0, np.inf)}),
        (Eq(X, p), {X: Interval.between(0.0, np.inf)}),
        (Le(q - X, p / 2 - X * p), {X: Interval.between(0.0, np.inf)}),
    ],
    ids=str,
)
def test_without_a_sure_bound_or_a_variance_nothing_is_decided_and_it_is_said_what_to_declare(
    relation: Relational, ranges: dict[Any, Any], noise: Any
) -> None:
    found = judged(Claim(MOVING, relation), sampled(noise, {X: beta_law(0.5), Y: beta_law(0.5)}, ranges))
    assert found.verdict is Verdict.CONSISTENT
    unbounded = next(symbol for symbol, held in ranges.items() if held.high == np.inf)
    assert found.reason.startswith(f"undecided: {unbounded} may be anything; declare a finite range, or a variance")
    assert "\n" not in found.reason
    assert found.replicates > 0
    assert found.left is not None
    assert found.error is not None
    assert found.log_e is None


def test_a_right_side_that_is_bounded_needs_no_bound_on_the_left(noise: Any) -> None:
    """E[X] <= p for X >= 0 unbounded: a violation can be seen, and support cannot come from ranges."""
    ranges = {X: Interval.between(0.0, np.inf)}
    law = {X: lambda generator, count: generator.exponential(1.0, count)}
    assert judged(Claim(MOVING, Le(X, p)), sampled(noise, law, ranges), {p: 1.0}).verdict is Verdict.CONSISTENT
    assert judged(Claim(MOVING, Le(X, p)), sampled(noise, law, ranges), {p: 0.25}).verdict is Verdict.REFUTED
    assert judged(Claim(MOVING, Le(X, p)), sampled(noise, law, ranges), {p: 50.0}).verdict is Verdict.CONSISTENT


@pytest.mark.parametrize("relation", [Le(X, p), Ge(X, p), Eq(X, p), Le(p * X, Y)], ids=str)
def test_a_replicate_that_is_not_a_number_is_an_error(relation: Relational, noise: Any) -> None:
    def broken(generator: np.random.Generator, count: int) -> Floats:
        values = generator.random(count)
        values[17] = np.nan
        return values

    found = judged(Claim(MOVING, relation), sampled(noise, {X: broken, Y: two_point(0.5)}), {p: 0.5})
    assert found.verdict is Verdict.ERROR
    assert "not a number" in found.reason


@pytest.mark.parametrize("relation", [Le(X, p), Ge(X, p), Eq(X, p)], ids=str)
def test_a_replicate_outside_its_sure_range_is_an_error_or_no_refutation_of_truth(
    relation: Relational, noise: Any
) -> None:
    """The range [0, 1] is declared for a law on {-3, 3} of mean zero."""
    law = {X: lambda generator, count: 3.0 * generator.choice([-1.0, 1.0], count)}
    found = judged(Claim(MOVING, relation), sampled(noise, law, {X: RANGE}), {p: 0.5})
    assert found.verdict is Verdict.ERROR
    assert "\n" not in found.reason


@pytest.mark.parametrize("relation", [Le(X, p), Ge(p, X), Le(X + Y, 2 * p), Ge(2 * p - X, Y)], ids=str)
def test_slack_within_a_known_range_is_support(relation: Relational, noise: Any) -> None:
    found = judged(Claim(MOVING, relation), sampled(noise, {X: beta_law(0.2), Y: beta_law(0.2)}), {p: 0.6})
    assert (found.verdict, found.basis) == (Verdict.SUPPORTED, "sure range")
    assert not found.vacuous


SQUARE: dict[Any, Law] = {X: lambda generator, count: generator.standard_normal(count) ** 2}
HALF_LINE = {X: Interval.between(0.0, np.inf)}
CHI = {X: Tail(3.0, "squares of Gaussians")}


def test_a_declared_tail_supports_what_no_range_can(noise: Any) -> None:
    """Squares of standard normals have mean one and second moment three."""
    claim = Claim(MOVING, Le(X, p))
    assert judged(claim, sampled(noise, SQUARE, HALF_LINE), {p: 3.0}).verdict is Verdict.CONSISTENT
    told = judged(claim, sampled(noise, SQUARE, HALF_LINE, tails=CHI), {p: 3.0})
    assert (told.verdict, told.basis) == (Verdict.SUPPORTED, "declared tail: squares of Gaussians")
    assert judged(claim, sampled(noise, SQUARE, HALF_LINE, tails=CHI), {p: 1.0}).verdict is Verdict.CONSISTENT
    assert judged(claim, sampled(noise, SQUARE, HALF_LINE, tails=CHI), {p: 0.4}).verdict is Verdict.REFUTED


@pytest.mark.parametrize("side", [X**2 / 100, X - p / 1000, X + Y], ids=str)
def test_a_declared_tail_speaks_only_of_nonnegative_multiples(side: Expr, noise: Any) -> None:
    laws, ranges = SQUARE | {Y: two_point(0.5)}, HALF_LINE | {Y: RANGE}
    found = judged(Claim(MOVING, Le(side, 3 * p)), sampled(noise, laws, ranges, tails=CHI))
    assert found.verdict is Verdict.CONSISTENT


def rare(_: np.random.Generator, count: int) -> Floats:
    """A hundred once in a hundred."""
    return np.asarray(np.where(np.arange(count) % 100, 0.0, 100.0), dtype=np.float64)


def test_a_declared_tail_speaks_of_no_random_bound_and_of_no_bound_from_below(noise: Any) -> None:
    """Both claims hold by far, and no range says so: the mean of a random side is no number to hold a tail against."""
    random = sampled(noise, SQUARE | {Y: beta_law(0.5)}, HALF_LINE | {Y: RANGE}, tails=CHI)
    assert judged(Claim(MOVING, Le(X, 20 * Y)), random).verdict is Verdict.CONSISTENT
    below = sampled(noise, {X: rare}, {X: Interval.between(0.0, 100.0)}, tails=CHI)
    assert judged(Claim(MOVING, Ge(X, p)), below, {p: 0.3}).verdict is Verdict.CONSISTENT


def test_a_left_side_without_a_measurement_has_no_tail(noise: Any) -> None:
    found = judged(Claim(MOVING, Le(q, p * X + 1)), sampled(noise, {X: halves}, HALF_LINE, tails=CHI))
    assert found.verdict is Verdict.CONSISTENT
    assert "undecided: X may be anything; declare" in found.reason
    plain = judged(Claim(MOVING, Le(q, p + 1)), sampled(noise, {X: halves}, HALF_LINE, tails=CHI))
    assert (plain.verdict, plain.vacuous) == (Verdict.CONSISTENT, True)


@pytest.mark.parametrize(
    ("side", "wanted"),
    [
        (X, True),
        (X + p, True),
        (p * X / 3 + p / 3 - p / 3, True),
        (X - p / 1000, False),
        (p - X, False),
        (p - X / 1000, False),
        (X**2, False),
        (Sum(Z[t] / t, (t, 1, n)), True),
        (Z[1] + p, True),
        (Z[1] - Z[2] / 1000 + p, False),
    ],
    ids=str,
)
def test_a_combination_is_nonnegative_when_its_constant_and_its_coefficients_are(side: Expr, *, wanted: bool) -> None:
    trial = Trial(Situation({p: 1.0, q: -1.0, n: 4}), Sample(no_draw, HALF_LINE), Budget())
    assert trial._nonnegative_combination(Claim(MOVING, Le(side, q)), Z if side.has(Z) else X) is wanted


@pytest.mark.parametrize(("floor", "share", "wanted"), [(0.0, 1.0, True), (0.0, 1.5, False), (2.0, 0.5, True)])
def test_a_coefficient_may_be_negative_by_a_share_of_what_it_reaches(
    floor: float, share: float, *, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(Situation({p: 1.0, q: -1.0, n: 4}), Sample(no_draw, HALF_LINE), Budget())
    below = 0.0
    for _ in range(3):  # what the width is, that the end is a share of
        below = share * ROUNDING_SHARE * float(Interval.between(floor - below, 4.0).width)
    reach = Interval.between(floor - below, 4.0)
    within = {0.0: Interval.of(floor), 1.0: reach}
    monkeypatch.setattr(trial, "_left_within", lambda *at: within[at[-1]])
    assert trial._nonnegative_combination(Claim(MOVING, Le(X, p)), X) is wanted


@pytest.mark.parametrize("relation", [Le(X, 2 * p), Ge(X, q), Le(X / 4, Y + p)], ids=str)
def test_what_the_ranges_make_true_says_nothing(relation: Relational, noise: Any) -> None:
    found = judged(Claim(MOVING, relation), sampled(noise, {X: beta_law(0.5), Y: beta_law(0.5)}))
    assert found.vacuous
    assert found.verdict in {Verdict.CONSISTENT, Verdict.SUPPORTED}


@pytest.mark.parametrize(
    ("relation", "ratio"),
    [(Le(X, p), 0.5), (Ge(X, p / 4), 0.5), (Le(X, 2 * Y), 0.5), (Le(X, p / 4), 2.0), (Eq(X, p), 0.5), (Le(X, Y), 1.0)],
    ids=str,
)
def test_the_certified_ratio_is_below_the_true_one_and_the_resolution_is_what_lies_between(
    relation: Relational, ratio: float, noise: Any
) -> None:
    found = judged(Claim(MOVING, relation), sampled(noise, {X: beta_law(0.25), Y: beta_law(0.25)}), {p: 0.5})
    assert found.certified_ratio is not None
    assert found.ratio is not None
    assert 0 < found.certified_ratio <= ratio
    assert found.certified_ratio <= found.ratio
    assert found.resolution == pytest.approx(found.ratio / found.certified_ratio, rel=8 * EPS)
    # The spread of this law is 0.1; six deviations of the mean of a screen's replicates, on either side.
    assert found.ratio == pytest.approx(ratio, rel=2 * 6 * 0.1 / 0.25 / Budget().screen_replicates ** 0.5)


@pytest.mark.parametrize(
    ("screened", "confirmed", "verdict", "stages"),
    [
        (-1e-9, 9.0, Verdict.SUPPORTED, ["screen"]),
        (0.0, 0.0, Verdict.REFUTED, ["screen", "confirm"]),
        (0.0, -1e-9, Verdict.SUPPORTED, ["screen", "confirm"]),
        (5.0, 5.0, Verdict.REFUTED, ["screen", "confirm"]),
    ],
)
def test_a_refutation_reaches_the_screen_and_then_its_own_threshold_on_fresh_noise(
    screened: float, confirmed: float, verdict: Verdict, stages: list[str], noise: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Peaks as far above the logarithm of the threshold as said; supported is what the ranges make of small values."""
    read: list[str] = []
    run, budget = Bet.run, Budget()

    def scripted(bet: Bet, parts: Any, threshold: float) -> Any:
        process, sides = run(bet, parts, math.inf)
        if threshold in {budget.screen, budget.refute}:
            read.append("screen" if threshold == budget.screen else "confirm")
            process.peak = math.log(threshold) + (screened if threshold == budget.screen else confirmed)
        return process, sides

    monkeypatch.setattr(Bet, "run", scripted)
    found = judged(Claim(MOVING, Le(X, p)), sampled(noise, {X: beta_law(0.25)}), {p: 0.75})
    assert (found.verdict, read) == (verdict, stages)
    assert found.confirmed == ("confirm" in stages)
    assert found.replicates == (budget.confirm_replicates if found.confirmed else budget.screen_replicates)


@pytest.mark.parametrize(("above", "supported"), [(0.0, True), (1.0, True), (-1e-9, False)])
def test_support_reaches_its_threshold_whether_it_comes_of_ranges_or_of_a_tail(
    above: float, noise: Any, monkeypatch: pytest.MonkeyPatch, *, supported: bool
) -> None:
    """Peaks as far above the logarithm of the threshold as said."""
    run, support = Bet.run, Budget().support
    wanted = Verdict.SUPPORTED if supported else Verdict.CONSISTENT
    asked: list[tuple[float, float, list[float]]] = []

    def scripted(bet: Bet, parts: Any, threshold: float) -> Any:
        process, sides = run(bet, parts, threshold)
        if threshold == support:
            process.peak = math.log(support) + above
        return process, sides

    class Scripted:
        peak = math.log(support) + above

        def __init__(self, bound: float, *, kappa: float) -> None:
            asked.append((bound, kappa, []))

        def update(self, draws: Floats) -> None:
            asked[-1][-1].extend(draws.tolist())

    monkeypatch.setattr(Bet, "run", scripted)
    found = judged(Claim(MOVING, Le(X, p)), sampled(noise, {X: beta_law(0.25)}), {p: 0.75})
    assert (found.verdict, found.basis) == (wanted, "sure range" if supported else "")
    monkeypatch.setattr(trial, "MeanAtLeast", Scripted)
    told = judged(Claim(MOVING, Le(2 * X, p)), sampled(noise, {X: halves}, HALF_LINE, tails=CHI), {p: 4.0})
    assert (told.verdict, told.basis) == (wanted, "declared tail: squares of Gaussians" if supported else "")
    assert asked == [(4.0, 3.0, [0.0, 2.0] * 128)]


def test_the_error_is_that_of_the_mean_difference(noise: Any) -> None:
    measurement = sampled(noise, {X: beta_law(0.25), Y: beta_law(0.5)})
    found = judged(Claim(MOVING, Le(X, Y)), measurement)
    drawn = measurement.draw("screen", 0, Budget().screen_replicates)
    difference = np.asarray(drawn[X]) - np.asarray(drawn[Y])
    # Two passes over 256 numbers.
    assert found.error == pytest.approx(difference.std() / 16, rel=600 * EPS)


def test_negative_means_have_a_ratio_below_one_and_nothing_certified(noise: Any) -> None:
    found = judged(Claim(MOVING, Le(-X, -p / 4)), sampled(noise, {X: beta_law(0.25), Y: beta_law(0.25)}), {p: 0.5})
    # The spread of this law is 0.1; six deviations of the mean of a screen's replicates.
    assert found.ratio == pytest.approx(0.5, rel=6 * 0.1 / 0.25 / Budget().screen_replicates ** 0.5)
    assert found.certified_ratio is None
    assert found.resolution is None


def test_curves_are_summed_replicate_by_replicate(noise: Any) -> None:
    def draw(stage: str, first: int, count: int) -> dict[Any, Any]:
        return {Z: Steps(noise(stage, first).random((4, count)))}

    sample = Sample(draw, {Z: Everywhere(RANGE)})
    mean = Claim(MOVING, Le(Sum(Z[t], (t, 1, n)) / n, p))
    assert judged(mean, sample, {p: 0.5}).verdict is Verdict.CONSISTENT
    assert judged(mean, sample, {p: 0.25}).verdict is Verdict.REFUTED
    assert judged(mean, sample, {p: 0.75}).verdict is Verdict.SUPPORTED


def test_a_curve_that_was_not_measured_there_is_an_error(noise: Any) -> None:
    sample = sampled(noise, {}, {Z: At({1: RANGE})})
    found = judged(Claim(MOVING, Le(Z[2], p / 2)), sample)
    assert found.verdict is Verdict.ERROR
    assert found.reason == "NotMeasured: Z[2]: index 2; measured: 1 only"


def test_an_observable_that_was_not_measured_is_named() -> None:
    found = judged(Claim(STILL, Le(X, Y)), Exact({X: Interval.of(0.5)}))
    assert found.verdict is Verdict.ERROR
    assert "Y: symbol without a value" in found.reason


# At first sight


@pytest.mark.parametrize(
    ("relation", "left", "right", "excess", "broken"),
    [
        (Le(X, p), 1.0, 3.0, -2.0, False),
        (Le(X, p), 3.0, 1.0, 2.0, True),
        (Le(X, p), 2.0, 2.0, 0.0, False),
        (Ge(X, p), 1.0, 3.0, 2.0, True),
        (Ge(X, p), 3.0, 1.0, -2.0, False),
        (Ge(X, p), 2.0, 2.0, 0.0, False),
        (Eq(X, p), 1.0, 3.0, -2.0, True),
        (Eq(X, p), 3.0, 1.0, 2.0, True),
        (Eq(X, p), 2.0, 2.0, 0.0, False),
    ],
)
def test_a_relation_looks_broken_where_its_sides_are_the_wrong_way_round(
    relation: Relational, left: float, right: float, excess: float, *, broken: bool
) -> None:
    look = _Look.of(relation, left, right)
    assert (look.excess, look.broken) == (excess, broken)
    found = look.judgement(1.5)
    assert (found.verdict, found.left, found.right, found.doubt) == (Verdict.CONSISTENT, left, right, 1.5)
    assert found.ratio == (right / left if isinstance(relation, Ge) else left / right)
    with pytest.raises(FrozenInstanceError):
        look.left = 0.0  # type: ignore[misc]


@pytest.mark.parametrize(("left", "right"), [(math.inf, 1.0), (1.0, -math.inf), (math.nan, 1.0), (1.0, math.nan)])
def test_what_is_no_number_is_not_looked_at(left: float, right: float) -> None:
    with pytest.raises(ValueError, match="finite numbers are needed"):
        _Look.of(Le(X, p), left, right)


def test_a_relation_is_no_stronger_than_one_that_leaves_as_little_room() -> None:
    strict, loose = _Look.of(Le(X, p), 1.0, 1.5), _Look.of(Le(X, p), 1.0, 2.0)
    assert loose.no_stronger_than(strict)
    assert loose.no_stronger_than(loose)
    assert not strict.no_stronger_than(loose)
    above, below = _Look.of(Ge(X, p), 1.0, 1.5), _Look.of(Ge(X, p), 1.0, 2.0)
    assert above.no_stronger_than(below)
    assert not below.no_stronger_than(above)
    for one, other in ((strict, above), (above, strict), (_Look.of(Eq(X, p), 1.0, 1.5), strict)):
        assert not one.no_stronger_than(other)
    same, more, less = (_Look.of(Eq(X, p), 1.0, right) for right in (1.5, 1.75, 1.25))
    assert same.no_stronger_than(same)
    assert not same.no_stronger_than(more)
    assert not same.no_stronger_than(less)
    nothing = _Look.of(Le(X, p), 0.0, 0.0)
    assert nothing.no_stronger_than(nothing)


@pytest.mark.parametrize("place", range(4))
def test_looks_agree_up_to_a_share_of_the_largest_of_their_four_sides(place: int) -> None:
    """One side is 2^20 or -2^20; the excess is larger than the other's by half the share of it, and by twice."""
    size = 2.0**20
    for sign in (1.0, -1.0):
        for share, wanted in ((0.5, True), (2.0, False)):
            sides = [0.0] * 4
            sides[place] = sign * size
            # The partner of the large side makes the excesses agree but for that.
            partner = {0: 1, 1: 0, 2: 3, 3: 2}[place]
            gained = share * AGREEMENT * size
            sides[partner] = sign * size
            sides[0] += gained
            one, other = _Look.of(Le(X, p), sides[0], sides[1]), _Look.of(Le(X, p), sides[2], sides[3])
            assert one.no_stronger_than(other) is wanted


def halves(_: np.random.Generator, count: int) -> Floats:
    """As many zeros as ones."""
    return np.asarray(np.arange(count) % 2.0, dtype=np.float64)


def test_doubt_is_in_standard_errors_of_the_mean_difference(noise: Any) -> None:
    """Zeros and ones of deviation 1/2: the mean of 256 is known to 1/32."""
    measurement = sampled(noise, {X: halves, Y: halves})
    seen = Trial(Situation({p: 1.0, q: -1.0, n: 4}), measurement, Budget())
    for relation, doubt in (
        (Le(X, p / 4), 8.0),
        (Le(p / 4, X), 8.0),
        (Le(X, 29 * p / 64), 1.5),
        (Le(X, 3 * p / 4), 8.0),
        (Le(X, p / 2), 0.0),
        (Le(2 * X, p / 2), 8.0),
        (Le(X, Y), math.inf),
        (Le(X, Y / 2), 16.0),
    ):
        assert seen._doubt(Claim(MOVING, relation)) == doubt
    still = Trial(Situation({p: 1.0}), Exact({X: Interval.of(0.5)}), Budget())
    assert still._doubt(Claim(STILL, Le(X, p))) == math.inf
    assert not still.close(Claim(STILL, Le(X, p)))


def test_sides_up_to_three_standard_errors_apart_are_close_and_a_mutant_there_is_not_weighed(noise: Any) -> None:
    seen = Trial(Situation({p: 1.0, q: -1.0, n: 4}), sampled(noise, {X: halves}), Budget())
    at, beyond = (Claim(MOVING, Le(X, numerator * p / 32)) for numerator in (13, 12))
    assert seen.close(at)
    assert not seen.close(beyond)
    near, far = seen.challenge(at, None), seen.challenge(beyond, None)
    assert (near.replicates, near.doubt, near.reason) == (0, 3.0, UNDECIDED)
    assert (far.replicates, far.doubt, far.reason) == (Budget().screen_replicates, 4.0, UNDECIDED)
    for weighed, replicates in ((3.5, Budget().screen_replicates), (4.0, 0), (5.0, 0)):
        again = seen.challenge(beyond, None, weighed)
        assert (again.replicates, again.doubt) == (replicates, 4.0)
    true = seen.challenge(Claim(MOVING, Le(X, p / 2)), None)
    assert (true.replicates, true.doubt, true.reason) == (0, 0.0, "")


def test_a_challenge_says_why_it_is_silent_and_gives_no_reason_for_what_fell() -> None:
    measured = Exact({X: Interval.between(1.0 - 4e-10, 1.0 + 5e-10)})
    situation = Situation({p: 1.0, q: -1.0, n: 4}, precision=0.0)
    seen = Trial(situation, measured, Budget())
    nothing = Trial(situation, None, Budget()).challenge(Claim(STILL, Le(X, p)), None)
    assert (nothing.verdict, nothing.reason) == (Verdict.ASSUMPTION_NOT_MET, trial.NOT_MEASURED)
    outside = Claim(STILL, Le(X, 2 * p), assuming=(p < 1,))
    unmet = seen.challenge(outside, None)
    assert (unmet.verdict, unmet.reason) == (Verdict.ASSUMPTION_NOT_MET, "p < 1")
    weaker = seen.challenge(Claim(STILL, Le(X, 2 * p)), Claim(STILL, Le(X, p)))
    assert (weaker.verdict, weaker.reason) == (Verdict.ASSUMPTION_NOT_MET, trial.NO_STRONGER)
    for without in (log(q), 1 / (p - 1)):
        missing = seen.challenge(Claim(STILL, Le(X, without)), Claim(STILL, Le(X, p)))
        assert (missing.verdict, missing.reason) == (Verdict.ASSUMPTION_NOT_MET, trial.NO_NUMBER)
    # A claim without a number, unlike its mutants, is an error.
    assert seen.judge(Claim(STILL, Le(X, log(q)))).verdict is Verdict.ERROR
    true = seen.challenge(Claim(STILL, Le(X, 2 * p)), Claim(STILL, Le(X, 3 * p)))
    assert (true.verdict, true.reason) == (Verdict.CONSISTENT, "")
    fallen = seen.challenge(Claim(STILL, Le(X, p / 2)), None)
    assert (fallen.verdict, fallen.reason, fallen.doubt) == (Verdict.REFUTED, "", math.inf)
    # Its middle is off, and its sides agree to 1e-9.
    equal = seen.challenge(Claim(STILL, Eq(X, p)), None)
    assert (equal.verdict, equal.reason) == (Verdict.SUPPORTED, UNDECIDED)


def test_what_is_not_affine_is_looked_at_replicate_by_replicate(noise: Any) -> None:
    seen = Trial(Situation({p: 1.0, q: -1.0, n: 4}), sampled(noise, {X: halves, Y: halves}), Budget())
    for relation, left, right in (
        (Le(X**2, p), 0.5, 1.0),
        (Le(q, X**2), -1.0, 0.5),
        (Le(X * Y, p), 0.5, 1.0),
        (Le(2 * X, p), 1.0, 1.0),
    ):
        look = seen._look(Claim(MOVING, relation))
        assert (look.left, look.right) == (left, right)


def test_a_look_takes_means_over_replicates_alone_and_middles_of_what_is_enclosed() -> None:
    values = np.array([[1.0, 2.0, 3.0, 6.0], [0.0, 0.0, 4.0, 4.0]])
    assert trial._means(values[0]).tolist() == [3.0]
    assert trial._means(values).tolist() == [[3.0], [2.0]]
    assert trial._means(lambda index: values[index])(np.array([1, 0])).tolist() == [[2.0], [3.0]]
    assert trial._means(lambda index: values[index])(1).tolist() == [2.0]
    assert trial._middles(Interval.between(1.0, 2.0)) == 1.5
    curve = trial._middles(lambda index: Interval.between(index, index + 1.0))
    assert curve(3) == 3.5


def test_an_error_in_a_users_own_file_is_told_with_the_innermost_file_and_line() -> None:
    called: Any = None
    for name, text in (("first", "called()"), ("second", "\ncalled()"), ("third", "\n\ncalled()")):
        scope = {"__name__": f"{OWN_MODULE}{name}", "called": called}
        body = text.replace("called()", "    raise ValueError('told')" if called is None else "    called()")
        exec(compile(f"def {name}():\n{body}", f"/where/{name}.py", "exec"), scope)
        called = scope[name]
    with pytest.raises(ValueError, match="told") as raised:
        called()
    found = trial.failed(raised.value)
    assert (found.verdict, found.reason) == (Verdict.ERROR, "first.py:2: ValueError: told")
    assert trial.failed(ValueError("plain")).reason == "ValueError: plain"


# Known bounds


def test_a_known_bound_is_its_right_side_times_the_factor_where_that_is_positive(noise: Any) -> None:
    known = Claim(STILL, Le(X, 3 * p), assuming=(p <= 2,))
    exact = Exact({X: Interval.of(0.5), Y: Interval.of(2.0)})

    def allowed(factor: Expr, measurement: Any, claim: Claim, value: float = 2.0) -> float | None:
        return Trial(Situation({p: value, q: -1.0, n: 4}, precision=0.0), measurement, Budget()).bound(
            Rival("known", claim, factor)
        )

    assert allowed(p / 4, exact, known) == pytest.approx(3.0, rel=8 * EPS)
    assert allowed(p - 2, exact, known) is None
    assert allowed(q, exact, known) is None
    assert allowed(Y, Exact({X: Interval.of(0.5), Y: Interval.between(0.0, 2.0)}), known) is None
    assert allowed(p, exact, known, 2.5) is None
    assert allowed(p / 4, Exact({}), replace(known, relation=Le(X, Y))) is None
    moving = Claim(MOVING, Le(X, Y + p))
    assert allowed(p / 4, sampled(noise, {X: halves, Y: halves}), moving) == pytest.approx(1.25, rel=600 * EPS)


# Rates

GRID = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)


def series(exponent: float) -> Series:
    return Series(n, GRID, {Z: At({place: Interval.of(3.0 * place**exponent) for place in GRID})})


HALF = Rational(1, 2)


@pytest.mark.parametrize(
    ("relation", "exponent", "word"),
    [
        (Eq(Slope(Z[n], n), -HALF), -0.5, "consistent"),
        (Eq(Slope(Z[n], n), -HALF), -1.0, "inconsistent"),
        (Eq(Slope(Z[n], n), -HALF), -0.3, "inconsistent"),
        (Eq(Slope(n * Z[n], n), HALF), -0.5, "consistent"),
        (Le(Slope(Z[n], n), -HALF), -0.5, "consistent"),
        (Le(Slope(Z[n], n), -HALF), -2.0, "consistent"),
        (Le(Slope(Z[n], n), -HALF), -0.25, "inconsistent"),
        (Ge(Slope(Z[n], n), -HALF), -0.25, "consistent"),
        (Ge(Slope(Z[n], n), -HALF), -1.0, "inconsistent"),
        (Ge(-HALF, Slope(Z[n], n)), -2.0, "consistent"),
        (Ge(-HALF, Slope(Z[n], n)), -0.25, "inconsistent"),
        (Le(-HALF, Slope(Z[n], n)), -1.0, "inconsistent"),
        (Le(-HALF, Slope(Z[n], n)), 0.25, "consistent"),
    ],
    ids=str,
)
def test_a_slope_is_compared_with_the_measured_one_and_never_refuted(
    relation: Relational, exponent: float, word: str
) -> None:
    setting = Setting("limit", "growing", parameters=(p,), observables=(Z,))
    situation = Situation({p: 1.0})
    found = Trial(situation, series(exponent), Budget()).judge(Claim(setting, relation))
    assert found.verdict == word
    assert found.reason.startswith(f"slope {word} (approximate)")
    assert len(found.slopes) == len(GRID) - 1
    slope = exponent + (relation.lhs == Slope(n * Z[n], n))
    # Logarithms of nine points, each off by a few units in the last place, over a spacing of log 2.
    assert found.left == pytest.approx(slope, abs=1e3 * EPS)
    assert found.right == pytest.approx(-0.5 if slope == exponent else 0.5)
    assert found.error == pytest.approx(0.0, abs=2e3 * EPS)


def test_the_slope_is_that_of_the_last_half_and_its_error_reaches_the_extrapolated_limits() -> None:
    setting = Setting("limit", "growing", parameters=(p,), observables=(Z,))
    # The logarithm to base two of the values is k^2 / 16 - 3 k at 2^k: it falls by 3 - (2 k + 1) / 16 to the next.
    values = {place: Interval.of(2.0 ** (math.log2(place) ** 2 / 16 - 3 * math.log2(place))) for place in GRID}
    found = Trial(Situation({p: 1.0}), Series(n, GRID, {Z: At(values)}), Budget()).judge(
        Claim(setting, Eq(Slope(Z[n], n), -HALF))
    )
    halves = (GRID[: len(GRID) // 2], GRID[-(len(GRID) // 2) :])
    near, far = (math.log2(half[0]) / 2 + math.log2(half[-1]) / 2 for half in halves)
    # On an evenly spaced grid the fitted slope of a square is its derivative at the middle; its limit, with a
    # correction m^-1/2, lies beyond the last half by the change between the halves over sqrt(distance) - 1.
    at = [middle / 8 - 3 for middle in (near, far)]
    whole = (at[1] - at[0]) / (2 ** ((far - near) / 2) - 1)
    assert found.left == pytest.approx(at[1], abs=1e4 * EPS)
    assert found.slopes[-1] == pytest.approx(-25 / 16, abs=1e3 * EPS)
    assert found.error is not None
    assert found.error >= whole * (1 - 1e-9)


@pytest.mark.parametrize(("constant", "exponent", "word"), [(50.0, -0.5, "consistent"), (0.0, -0.576, "inconsistent")])
def test_a_constant_beside_the_logarithm_is_a_correction_and_a_wrong_slope_is_not(
    constant: float, exponent: float, word: str
) -> None:
    """n^-1/2 (log n + c) over log n has slope -1/2 in the limit, and near -1/2 - 1 / log n while c is large."""
    grid = tuple(3 * 4**j for j in range(9))
    values = {j: Interval.of(j**exponent * (math.log(j) + constant)) for j in grid}
    setting = Setting("limit", "growing", parameters=(p,), observables=(Z,))
    found = Trial(Situation({p: 1.0}), Series(n, grid, {Z: At(values)}), Budget()).judge(
        Claim(setting, Eq(Slope(Z[n] / log(n), n), -HALF))
    )
    if word == "inconsistent":
        pure = {j: Interval.of(j**exponent * math.log(j)) for j in grid}
        found = Trial(Situation({p: 1.0}), Series(n, grid, {Z: At(pure)}), Budget()).judge(
            Claim(setting, Eq(Slope(Z[n] / log(n), n), -HALF))
        )
    assert found.verdict == word


def test_a_claimed_slope_has_a_band_on_the_side_that_it_bounds() -> None:
    for relation, rising, band in (
        (Eq(X, p), True, (0.45, 0.55)),
        (Eq(X, p), False, (0.45, 0.55)),
        (Le(X, p), True, (-math.inf, 0.55)),
        (Le(X, p), False, (0.45, math.inf)),
    ):
        assert _band(relation, 0.5, rising=rising) == pytest.approx(band, rel=4 * EPS)
    with pytest.raises(TypeError):
        _band(Le(X, p), 0.5, True)  # type: ignore[call-arg]


@pytest.mark.parametrize(("count", "short"), [(4, 4), (6, 4), (7, 4), (8, 5), (9, 6), (12, 8)])
def test_a_grid_is_read_to_two_thirds_and_whole(count: int, short: int) -> None:
    grid, values = np.arange(1.0, count + 1), np.linspace(2.0, 1.0, count)
    errors = np.linspace(0.25, 0.5, count)
    first, whole = _halves(grid, values, errors)
    for means, length in ((first, short), (whole, count)):
        assert np.asarray(means.index).tolist() == grid[:length].tolist()
        assert np.asarray(means.mean).tolist() == values[:length].tolist()
        assert np.asarray(means.relative_se).tolist() == errors[:length].tolist()


def test_a_finite_form_of_a_limit_is_judged_like_any_number() -> None:
    setting = Setting("limit", "growing", parameters=(p,), observables=(Z,))
    few, many = GRID[0], GRID[-1]
    claim = Claim(setting, Le(many * Z[many], 2 * few * Z[few]))
    for exponent, verdict in ((-1.0, Verdict.SUPPORTED), (-0.5, Verdict.REFUTED)):
        assert Trial(Situation({p: 1.0}), series(exponent), Budget()).judge(claim).verdict is verdict
    unmeasured = Trial(Situation({p: 1.0}), series(-1.0), Budget()).judge(Claim(setting, Le(Z[17], p)))
    assert unmeasured.verdict is Verdict.ERROR
