"""The evidence core judged by itself: exact validity of every e-variable, level on boundary laws, power where
it is due.

Where chance enters, the argument is written beside the number: a valid process fails a test here with
probability below 1e-6, whatever the key, and keys are hashes of names.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from elbound.properties.evidence.betting import (
    CAP,
    ROUNDING,
    BoundedMeanZero,
    CurveAtMostOne,
    EProcess,
    MeanAtLeast,
    MeanAtMostOne,
    MeanZero,
    MixtureOfProducts,
    SubGaussianMeanZero,
    SuperUniform,
    Symmetric,
    arcsine_bets,
    average,
    e_bh,
    lower_bound,
    normalised,
    upper_bound,
)
from elbound.properties.evidence.budget import Budget

Floats = NDArray[np.float64]
BUDGET = Budget()
quiet = settings(deadline=None, derandomize=True, database=None, max_examples=60)
UNIT = 2.0**-53

# An e-variable here is 1 + lambda (y - 1), w k u^(k-1) or a square: at most eight rounded operations, two of
# them a library power or tanh within 4 units each, on intermediate sizes whose mean under a law on the
# boundary is at most E[1 + lambda (y + 1)] <= 3. So a mean computed from them errs by less than 3 (8 + 8) u <
# 64 u.
FACTOR_ROUNDING = 64 * UNIT


def generator(*name: object) -> np.random.Generator:
    digest = hashlib.blake2b(repr(name).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "big")))


# --- laws with E[Y] = 1 exactly, given by quantile functions
# -------------------------------------------------------


@dataclass(frozen=True)
class Law:
    """Y with mean one at factor 1, as y(left, right): `left` a quantile function, `right` another or none.

    With a right side y = 1 + (factor left - right) / top; without, y = factor left.
    """

    name: str
    left: Callable[[Floats], Floats]
    right: Callable[[Floats], Floats] | None = None
    top: float = 1.0

    def y(self, left: Floats, right: Floats, factor: float) -> Floats:
        return factor * left if self.right is None else normalised(factor * left, right, self.top)

    def sample(self, rng: np.random.Generator, size: int, factor: float = 1.0) -> Floats:
        left = self.left(rng.random(size))
        return self.y(left, np.zeros(size) if self.right is None else self.right(rng.random(size)), factor)

    def below(self, factor: float) -> Floats:
        """Equally likely points stochastically below Y: quantiles at the lower (right side: upper) ends of
        cells.
        """
        if self.right is None:
            return self.y(self.left(np.arange(1 << 15) / (1 << 15)), np.zeros(1), factor)
        cells = np.arange(256) / 256
        left, right = np.meshgrid(self.left(cells), self.right(cells + 1 / 256))
        return self.y(left.ravel(), right.ravel(), factor)


def lognormal(sigma: float) -> Law:
    return Law(f"lognormal {sigma}", lambda u: np.exp(sigma * stats.norm.ppf(u) - sigma**2 / 2))


def pareto(a: float) -> Law:
    return Law(f"Pareto {a}", lambda u: np.asarray((a - 1) / a * (1 - u) ** (-1 / a)))


def two_point(high: float) -> Law:
    return Law(f"two-point 0, {high:g}", lambda u: np.where(u >= 1 - 1 / high, high, 0.0))


def fair_sign(u: Floats) -> Floats:
    return np.where(u >= 0.5, 2.0, 0.0)


LAWS = [
    *(lognormal(s) for s in (0.25, 1.0, 2.0)),
    Law("exponential", lambda u: -np.log1p(-u)),
    Law("chi2 20", lambda u: np.asarray(stats.chi2.ppf(u, 20) / 20)),
    *(pareto(a) for a in (1.5, 2.1, 3.0)),
    *(two_point(high) for high in (2.0, 50.0)),
    two_point(10.0),  # an event of probability 0.1, over 0.1
    Law("exponential left, uniform right", lambda u: -np.log1p(-u), lambda u: 2 * u, 2.0),
    Law("signs left and right, loose top", fair_sign, fair_sign, 3.0),
]
by_name = pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)


def reaches(law: Law, stage: str, factor: float, run: int, limit: int, goal: float) -> bool:
    """Whether an e-process fed in chunks reaches the goal within the limit."""
    process, rng = MeanAtMostOne(), generator(law.name, stage, factor, run)
    while process.n < limit and process.log_e < math.log(goal):
        process.update(law.sample(rng, BUDGET.chunk, factor))
    return process.peak >= math.log(goal)


def refuted(law: Law, factor: float, run: int) -> bool:
    screened = reaches(law, "screen", factor, run, BUDGET.screen_replicates, BUDGET.screen)
    return screened and reaches(law, "confirm", factor, run, BUDGET.confirm_replicates, BUDGET.refute)


# --- the suite's two stages
# ----------------------------------------------------------------------------------------


@by_name
def test_a_law_on_the_boundary_is_never_refuted(law: Law) -> None:
    # Ville: each run errs with probability at most 1e-13, so all of them together with less than 1e-9.
    assert not any(refuted(law, 1.0, run) for run in range(40))
    assert not any(reaches(law, "confirm alone", 1.0, run, 4096, BUDGET.refute) for run in range(2))


def miss_probability(law: Law, factor: float, limit: int, goal: float) -> float:
    """Upper bound on P(e_limit < goal): Chernoff, for the best single bet among the nodes.

    e_n >= prod_i f_i / 64 with f = 1 + lambda (y - 1) at one node, so P(miss) <= (64 goal)^s E[f^-s]^n for s
    > 0. f^-s falls in y, so points stochastically below y bound the mean from above: no sampling, no limit
    theorem.
    """
    y, bets = law.below(factor), arcsine_bets(64)
    growth = [float(np.mean(np.log1p(bet * (y - 1)))) for bet in bets]
    log_f = np.log1p(bets[int(np.argmax(growth))] * (y - 1))
    need = math.log(64 * goal)
    bounds = [s * need + limit * math.log(float(np.mean(np.exp(-s * log_f)))) for s in np.linspace(0.02, 1.5, 40)]
    return math.exp(min(0.0, *bounds))


def screen_miss(law: Law) -> float:
    return miss_probability(law, 2.0, BUDGET.screen_replicates, BUDGET.screen)


def confirm_miss(law: Law) -> float:
    return miss_probability(law, 2.0, BUDGET.confirm_replicates, BUDGET.refute)


def attempts(miss: float) -> range:
    """Independent runs that all miss with probability below 1e-9."""
    return range(1 + int(math.log(1e-9) / math.log(max(miss, 1e-9))))


@by_name
def test_a_planted_factor_two_is_confirmed_wherever_chernoff_says_the_budget_suffices(law: Law) -> None:
    miss, arguments = confirm_miss(law), (2.0, BUDGET.confirm_replicates, BUDGET.refute)
    if miss < 0.5:
        runs = [reaches(law, "confirm", arguments[0], run, *arguments[1:]) for run in attempts(miss)]
        assert any(runs)
        assert all(runs) or miss > 1e-9
    else:
        assert growth_of_best_bet(law) * BUDGET.confirm_replicates < math.log(BUDGET.refute)


@by_name
def test_a_planted_factor_two_passes_both_stages_wherever_chernoff_says_they_suffice(law: Law) -> None:
    miss = screen_miss(law) + confirm_miss(law)
    if miss < 0.5:
        assert any(refuted(law, 2.0, run) for run in attempts(miss))
    else:
        assert growth_of_best_bet(law) * BUDGET.screen_replicates < math.log(BUDGET.screen)


def growth_of_best_bet(law: Law) -> float:
    """Kelly growth rate at factor 2, from below."""
    y = law.below(2.0)
    return max(float(np.mean(np.log1p(bet * (y - 1)))) for bet in arcsine_bets(64))


def test_the_budget_suffices_for_all_laws_but_the_most_skewed() -> None:
    assert {law.name for law in LAWS if confirm_miss(law) >= 0.5} == {"two-point 0, 50"}
    assert {law.name for law in LAWS if screen_miss(law) >= 0.5} == {
        "lognormal 2.0",
        "two-point 0, 10",
        "two-point 0, 50",
    }


# --- measured level against Ville
# ----------------------------------------------------------------------------------


def clopper_pearson_below(count: int, runs: int, doubt: float = 1e-6) -> float:
    """Lower confidence limit of a proportion: P(limit > truth) <= doubt for every truth."""
    return float(stats.beta.ppf(doubt, count, runs - count + 1)) if count else 0.0


def crossings(
    make: Callable[[], EProcess],
    draw: Callable[[np.random.Generator, int], Floats],
    name: str,
    runs: int = 1000,
) -> Floats:
    """Peaks at batch ends, 192 draws in batches of 32, one per run."""
    peaks, rng = [], generator("level", name)
    for _ in range(runs):
        process = make()
        for _ in range(6):
            process.update(draw(rng, 32))
        peaks.append(process.peak)
    return np.array(peaks)


def excess(peaks: Floats, threshold: float) -> bool:
    """Whether the count of crossings contradicts Ville's 1/threshold, with doubt at most 1e-6."""
    return clopper_pearson_below(int((peaks >= math.log(threshold)).sum()), len(peaks)) > 1 / threshold


def kappa_extremal(rng: np.random.Generator, size: int) -> Floats:
    return np.where(rng.random(size) < 1 / 3, 3.0, 0.0)


def skewed_signs(rng: np.random.Generator, size: int) -> Floats:
    return np.where(rng.random(size) < 0.1, 3.0, -1 / 3)


def growing_curve(rng: np.random.Generator, size: int) -> Floats:
    return np.asarray(np.cumprod(rng.exponential(size=(size, 4)), axis=1), dtype=np.float64)


LEVELS: list[tuple[str, Callable[[], EProcess], Callable[[np.random.Generator, int], Floats]]] = [
    *(
        (law.name, MeanAtMostOne, law.sample)
        for law in LAWS
        if law.name in ("exponential", "Pareto 2.1", LAWS[-2].name)
    ),
    ("kappa 3 extremal", lambda: MeanAtLeast(1.0, kappa=3.0), kappa_extremal),
    ("kappa 2 exponential", lambda: MeanAtLeast(1.0, kappa=2.0), lambda rng, n: rng.exponential(size=n)),
    ("top 2", lambda: MeanAtLeast(1.0, top=2.0), lambda rng, n: fair_sign(rng.random(n))),
    ("centred exponential", lambda: MeanZero(1.0), lambda rng, n: rng.exponential(size=n) - 1),
    ("skewed signs", lambda: BoundedMeanZero(-1 / 3, 3.0), skewed_signs),
    ("Cauchy", lambda: Symmetric(1.0), lambda rng, n: rng.standard_cauchy(n)),
    ("normal", lambda: SubGaussianMeanZero(1.0), lambda rng, n: rng.standard_normal(n)),
    ("normal vector", lambda: SubGaussianMeanZero(1.0, 3), lambda rng, n: rng.standard_normal((n, 3))),
    ("uniform", SuperUniform, lambda rng, n: rng.random(n)),
    ("curve", lambda: CurveAtMostOne(4), growing_curve),
]


@pytest.mark.parametrize(("name", "make", "draw"), LEVELS, ids=[name for name, _, _ in LEVELS])
def test_the_measured_level_on_the_boundary_does_not_contradict_ville(
    name: str, make: Callable[[], EProcess], draw: Callable[[np.random.Generator, int], Floats]
) -> None:
    # One-sided Clopper-Pearson: for a valid process each comparison fails with probability at most 1e-6.
    peaks = crossings(make, draw, name, 2000 if make is MeanAtMostOne else 1000)
    assert not excess(peaks, 20.0)
    assert not excess(peaks, 100.0)


def test_a_repeated_stream_breaks_the_level_and_the_level_test_sees_it() -> None:
    def repeated(rng: np.random.Generator, size: int) -> Floats:
        return np.repeat(rng.exponential(size=2), size // 2)

    peaks = crossings(MeanAtMostOne, repeated, "copies")
    assert excess(peaks, 20.0)
    assert excess(peaks, 1e6)


def test_a_kappa_declared_too_small_breaks_the_level_and_the_level_test_sees_it() -> None:
    peaks = crossings(lambda: MeanAtLeast(1.0, kappa=3.0), lognormal(2.0).sample, "wrong kappa")
    assert excess(peaks, 100.0)


def test_a_repeated_batch_is_visible_as_equal_consecutive_batches() -> None:
    law, rng = LAWS[3], generator("batches")
    assert not np.array_equal(law.sample(rng, 32), law.sample(rng, 32))
    assert np.array_equal(law.sample(generator("batches"), 32), law.sample(generator("batches"), 32))


# --- exact validity on two-point laws
# ------------------------------------------------------------------------------


def is_e_variable(process: MixtureOfProducts, points: list[float], masses: list[Fraction]) -> bool:
    """Non-negative with mean at most one up to rounding, each bet; the means are exact in the computed
    factors.
    """
    with np.errstate(over="ignore"):
        factors = process.factors(np.array(points))
    means = [sum(m * Fraction(float(f)) for m, f in zip(masses, bet, strict=True)) for bet in factors.T]
    return bool((factors >= 0).all()) and max(means) <= 1 + Fraction(FACTOR_ROUNDING)


def centred(low: float, high: float, mean: float) -> list[Fraction]:
    """Masses on (low, high) with the mean exactly."""
    p = (Fraction(mean) - Fraction(low)) / (Fraction(high) - Fraction(low))
    return [1 - p, p]


@quiet
@given(st.floats(0, 1), st.floats(1.001, 1e6))
def test_each_bet_of_mean_at_most_one_is_an_e_variable_on_two_point_laws(low: float, high: float) -> None:
    assert is_e_variable(MeanAtMostOne(), [low, high], centred(low, high, 1.0))


@quiet
@given(st.floats(1.01, 50), st.floats(1e-3, 1e3), st.floats(0, 1))
def test_each_bet_of_mean_at_least_is_an_e_variable_on_extremal_laws(kappa: float, bound: float, share: float) -> None:
    # On {low, high} with mean b the second moment is kappa b^2 when (b - low)(high - b) = (kappa - 1) b^2.
    low = share * bound * 0.99
    high = bound + (kappa - 1) * bound**2 / (bound - low)
    assert is_e_variable(MeanAtLeast(bound, kappa=kappa * (1 + 8 * UNIT)), [low, high], centred(low, high, bound))
    assert is_e_variable(MeanAtLeast(bound, top=high), [low, high], centred(low, high, bound))


@quiet
@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_each_bet_on_a_zero_mean_is_an_e_variable_on_two_point_laws(low: float, high: float) -> None:
    masses = centred(-low, high, 0.0)
    assert is_e_variable(MeanZero(low * high), [-low, high], masses)
    assert is_e_variable(BoundedMeanZero(-low, high), [-low, high], masses)
    assert is_e_variable(Symmetric(low), [-high, high], [Fraction(1, 2)] * 2)


@quiet
@given(st.floats(1e-9, 1))
def test_each_bet_on_a_super_uniform_law_is_an_e_variable_on_extremal_laws(u: float) -> None:
    assert is_e_variable(SuperUniform(), [u, 1.0], [Fraction(u), 1 - Fraction(u)])


class FixedBet(MixtureOfProducts):
    """A wrong version: one bet, possibly outside [0, 1], optionally clipped at zero."""

    def __init__(self, bet: float, floor: float = -math.inf) -> None:
        super().__init__(np.ones(1))
        self.bet, self.floor = bet, floor

    def factors(self, draws: Floats) -> Floats:
        return np.asarray(np.maximum(1.0 + self.bet * (draws[:, None] - 1.0), self.floor))


@pytest.mark.parametrize(
    ("wrong", "law"),
    [
        (FixedBet(1.2), (0.0, 2.0)),  # negative at 0
        (FixedBet(1.2, floor=0.0), (0.0, 2.0)),  # mean 1.1 once clipped
        (FixedBet(-0.1), (0.0, 20.0)),  # negative at 20
        (FixedBet(-0.1, floor=0.0), (0.0, 20.0)),
    ],
)
def test_a_bet_outside_zero_one_is_caught_by_the_exact_check(wrong: FixedBet, law: tuple[float, float]) -> None:
    assert not is_e_variable(wrong, list(law), centred(*law, 1.0))
    assert is_e_variable(FixedBet(0.5), list(law), centred(*law, 1.0))


def test_a_clipped_bet_outside_zero_one_breaks_the_level_too() -> None:
    # Four times 2 has probability 1/16 under the fair law on {0, 2}; Ville allows e >= 20 no more than 1/20.
    assert FixedBet(1.2, floor=0.0).update([2.0] * 4) >= math.log(20)
    assert MeanAtMostOne().update([2.0] * 4) < math.log(16)


def path_mean(make: Callable[[], EProcess], points: list[Any], masses: list[float], n: int) -> float:
    """E[e_n] by enumeration of all paths."""
    total = 0.0
    for path in itertools.product(range(len(points)), repeat=n):
        process = make()
        process.update(np.array([points[i] for i in path]))
        total += math.exp(process.log_e) * math.prod(masses[i] for i in path)
    return total


@pytest.mark.parametrize(
    ("make", "points", "masses", "exactly_one"),
    [
        (MeanAtMostOne, [0.0, 3.0], [2 / 3, 1 / 3], True),
        (lambda: MeanAtLeast(1.0, kappa=3.0), [0.0, 3.0], [2 / 3, 1 / 3], False),
        (lambda: BoundedMeanZero(-1.0, 2.0), [-1.0, 2.0], [2 / 3, 1 / 3], True),
        (lambda: MeanZero(2.0), [-1.0, 2.0], [2 / 3, 1 / 3], True),
        (lambda: SubGaussianMeanZero(1.0), [-1.0, 1.0], [0.5, 0.5], False),
        (
            lambda: SubGaussianMeanZero(1.0, 2),
            [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]],
            [0.25] * 4,
            False,
        ),
        (lambda: CurveAtMostOne(2), [[0.0, 0.5], [3.0, 2.0]], [2 / 3, 1 / 3], True),
    ],
)
def test_the_mixture_has_mean_at_most_one_over_all_paths(
    make: Callable[[], EProcess], points: list[Any], masses: list[float], *, exactly_one: bool
) -> None:
    n = 5 if len(points) > 2 else 8
    # Each e-value is a product of n factors (FACTOR_ROUNDING each) turned to a logarithm and back (a few
    # units more).
    slack = (n + 2) * FACTOR_ROUNDING
    mean = path_mean(make, points, masses, n)
    assert mean <= 1 + slack
    assert not exactly_one or mean >= 1 - slack


# --- the arcsine mixture against independent computations
# ----------------------------------------------------------


def exact_mixture(y: list[Fraction]) -> Fraction:
    """Integral of prod(1 + lambda (y_i - 1)) against the arcsine law, by its moments binomial(2k, k) /
    4^k.
    """
    coefficients = [Fraction(1)]
    for value in y:
        padded = [Fraction(0), *coefficients]
        coefficients = [a + (value - 1) * b for a, b in zip([*coefficients, Fraction(0)], padded, strict=True)]
    return sum((c * Fraction(math.comb(2 * k, k), 4**k) for k, c in enumerate(coefficients)), Fraction(0))


draws_lists = st.lists(st.floats(0, 1e3), min_size=1, max_size=40)


@quiet
@given(draws_lists)
def test_the_mixture_equals_the_exact_integral_while_the_nodes_suffice(draws: list[float]) -> None:
    exact = exact_mixture([Fraction(y) for y in draws])
    # Each of n factors carries at most 4 units (all are positive sums or 1 - lambda (1 - y) >= 1.5e-4 with
    # relative error at most 4 u / 1.5e-4), nodes are off by at most 2 units of 1, hence 1 - lambda by 2 u /
    # 1.5e-4.
    assert MeanAtMostOne().update(draws) == pytest.approx(math.log(exact), abs=len(draws) * 6 * UNIT / 1.5e-4)


@quiet
@given(st.lists(st.floats(0, 100), min_size=1, max_size=127))
def test_the_regret_to_the_best_constant_bet_stays_below_the_proved_bound(draws: list[float]) -> None:
    bets = np.linspace(0, 1, 201)[:-1]
    best = max(float(np.log1p(bet * (np.array(draws) - 1)).sum()) for bet in bets)
    assert MeanAtMostOne().update(draws) >= best - math.log(2 * math.sqrt(len(draws) + 1)) - 1e-9


# --- conduct
# -------------------------------------------------------------------------------------------------------

PROCESSES: list[Callable[[], EProcess]] = [
    MeanAtMostOne,
    lambda: MeanAtLeast(0.7, kappa=2.0),
    lambda: MeanAtLeast(0.4, top=1.0),
    lambda: MeanZero(2.0),
    lambda: BoundedMeanZero(-1.0, 1.0),
    lambda: Symmetric(1.0),
    SuperUniform,
    lambda: SubGaussianMeanZero(1.0),
]


@quiet
@given(st.lists(st.floats(0, 1), min_size=1, max_size=70), st.data())
def test_the_evidence_is_the_same_to_the_bit_however_the_draws_are_cut(draws: list[float], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(draws)), max_size=5)))
    for make in PROCESSES:
        whole, pieces = make(), make()
        whole.update(draws)
        for first, last in itertools.pairwise([0, *cuts, len(draws)]):
            pieces.update(draws[first:last])
        assert pieces.log_e == whole.log_e
        assert pieces.n == whole.n == len(draws)
        assert pieces.peak >= whole.peak >= max(0.0, whole.log_e)


def test_a_large_update_equals_many_small_ones() -> None:
    y, pieces = generator("large").exponential(size=(2000, 3)), CurveAtMostOne(3)
    for part in np.array_split(y, 77):
        pieces.update(part)
    assert CurveAtMostOne(3).update(y) == pieces.log_e


@pytest.mark.parametrize("make", PROCESSES)
def test_a_draw_that_is_not_a_number_is_an_error_and_changes_nothing(make: Callable[[], EProcess]) -> None:
    process = make()
    before = process.update([0.5])
    with pytest.raises(FloatingPointError, match="not a number"):
        process.update([0.5, math.nan])
    assert (process.log_e, process.n) == (before, 1)


def test_an_infinite_draw_is_evidence_of_the_size_of_the_cap() -> None:
    # One log and one exp on either side of a sum of 64 terms: fewer than 128 units.
    assert MeanAtMostOne().update([math.inf]) == pytest.approx(math.log(CAP), abs=128 * UNIT)
    assert MeanAtMostOne().update([math.inf]) < math.log(BUDGET.refute)


def test_rounding_below_zero_counts_as_zero_and_more_is_refused() -> None:
    assert MeanAtMostOne().update([-ROUNDING / 2]) == MeanAtMostOne().update([0.0])
    with pytest.raises(ValueError, match="must be at least 0"):
        MeanAtMostOne().update([-2 * ROUNDING])


def test_a_normalised_inequality_checks_the_sure_bound() -> None:
    assert normalised([1.0, 3.0], [2.0, 1.0], 2.0).tolist() == [0.5, 2.0]
    assert normalised([math.inf], [1.0], 2.0).tolist() == [math.inf]
    with pytest.raises(ValueError, match="must be at least 0"):
        normalised([0.0], [2.1], 2.0)
    with pytest.raises(FloatingPointError, match="not a number"):
        normalised([math.inf], [math.inf], 2.0)
    with pytest.raises(ValueError, match="top is 0"):
        normalised([1.0], [1.0], 0.0)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: MeanAtMostOne(nodes=0),
        lambda: MeanAtLeast(1.0),
        lambda: MeanAtLeast(1.0, kappa=2.0, top=3.0),
        lambda: MeanAtLeast(0.0, kappa=2.0),
        lambda: MeanAtLeast(1.0, kappa=0.9),
        lambda: MeanAtLeast(1.0, top=1.0),
        lambda: MeanAtLeast(1.0, top=2.0).update([2.1]),
        lambda: MeanZero(0.0),
        lambda: BoundedMeanZero(0.0, 1.0),
        lambda: BoundedMeanZero(-1.0, 1.0).update([1.1]),
        lambda: BoundedMeanZero(-1.0, 1.0).update([-1.1]),
        lambda: Symmetric(-1.0),
        lambda: SuperUniform(1.0),
        lambda: SuperUniform().update([1.1]),
        lambda: SubGaussianMeanZero(1.0, 2).update([1.0]),
        lambda: CurveAtMostOne(2).update([[1.0]]),
        lambda: CurveAtMostOne(0),
        lambda: lower_bound(np.ones(3), 1.0),
        lambda: lower_bound(-np.ones(3), 10.0),
        lambda: average([]),
        lambda: average([0.0], [1.1]),
        lambda: e_bh([0.0], 0.0),
        lambda: Budget(alpha_suite=0.0),
        lambda: Budget(confirm_replicates=100),
        lambda: BUDGET.achieved(2, 1),
    ],
)
def test_bad_input_is_refused_with_one_line(wrong: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"\A.+(must|needed).*\Z"):
        wrong()


# --- inversions and combinations
# -----------------------------------------------------------------------------------


@quiet
@given(st.lists(st.floats(1e-3, 1e3), min_size=5, max_size=60), st.sampled_from([20.0, 1e3, 1e6]))
def test_the_lower_bound_is_where_the_evidence_crosses_the_threshold(draws: list[float], threshold: float) -> None:
    x, goal = np.array(draws), math.log(threshold)
    bound = lower_bound(x, threshold)
    assert MeanAtMostOne().update(x / (bound * (1 - 1e-9))) >= goal - 1e-9
    assert MeanAtMostOne().update(x / (bound * (1 + 1e-9))) < goal + 1e-9
    assert 0 < bound < x.mean()


@quiet
@given(st.lists(st.floats(0, 1), min_size=80, max_size=100), st.sampled_from([20.0, 1e3]))
def test_the_upper_bound_is_where_the_opposite_evidence_crosses_the_threshold(
    draws: list[float], threshold: float
) -> None:
    x, goal = np.array(draws), math.log(threshold)
    facts: list[dict[str, float]] = [{"kappa": 2.0}, {"top": 1.5}]
    for fact in facts:
        bound = upper_bound(x, threshold, **fact)
        if math.isfinite(bound) and bound > 1e-200 and bound < 1.5:
            assert MeanAtLeast(bound * (1 + 1e-9), **fact).update(x) >= goal - 1e-6
            assert MeanAtLeast(bound * (1 - 1e-9), **fact).update(x) < goal + 1e-6
            assert bound > x.mean()


def test_the_bounds_degrade_to_the_trivial_ones() -> None:
    assert lower_bound(np.zeros(50), 10.0) == 0.0
    assert upper_bound(np.ones(3), 1e6, kappa=2.0) == math.inf
    assert upper_bound(np.full(300, 2.0), 1e6, top=2.0) == 2.0
    assert lower_bound(np.array([1.0, math.inf]), 10.0) < math.inf


def test_an_average_of_evidence_is_weighted_and_overflows_nowhere() -> None:
    # exp, sum of two and log of numbers near 1, 2000 carried exactly into a rounding of size 2000 u.
    assert average([2000.0, 2000.0]) == pytest.approx(2000.0, abs=4 * 2000 * UNIT)
    assert average([math.log(4.0), -math.inf], [0.25, 0.75]) == pytest.approx(0.0, abs=8 * UNIT)


def test_products_of_dependent_evidence_break_the_level_where_averages_keep_it() -> None:
    singles = crossings(MeanAtMostOne, LAWS[3].sample, "common noise")
    assert not excess(np.array([average([s] * 20) for s in singles]), 20.0)
    assert excess(20 * singles, 20.0)


def test_e_bh_reports_by_rank() -> None:
    values = [math.log(v) for v in (1.0, 45.0, 25.0, 100.0)]  # K / q = 40: ranks ask for 40, 20, 13.3, 10
    assert e_bh(values, 0.1) == [3, 1, 2]
    assert e_bh([math.log(15.0)] * 4, 0.1) == [0, 1, 2, 3]
    assert e_bh([math.log(9.0)] * 4, 0.1) == []
    assert e_bh([], 0.1) == []


# --- what is found, and where
# --------------------------------------------------------------------------------------


def test_curves_find_one_bad_point_and_a_slight_violation_everywhere() -> None:
    rng = generator("curves")
    common = rng.lognormal(-0.02, 0.2, size=(256, 1)) * np.ones((1, 32))
    one_point = common * np.where(np.arange(32) == 5, 3.0, 0.5)
    noisy = rng.exponential(size=(256, 32)) * 1.3
    assert CurveAtMostOne(32).update(one_point) > math.log(BUDGET.refute)
    assert MeanAtMostOne().update(one_point.mean(axis=1)) < 0
    assert CurveAtMostOne(32).update(noisy) > math.log(BUDGET.refute)
    assert CurveAtMostOne(32).update(np.minimum(common, 1.0)) < 0


def test_each_process_finds_a_plain_violation() -> None:
    # For each, the best bet grows by at least 0.08 a draw with deviation at most 0.55: after 2000 draws 160,
    # less 5 for the mixture, is 125 above the goal, five deviations of 25; for the
    # whole tail growth is 0.87 with deviation 2.3.
    rng = generator("found")
    x = rng.standard_normal(2000) + 0.5
    assert MeanZero(1.25).update(x) > 30
    assert MeanZero(1.25).update(-x) > 30
    assert Symmetric(1.0).update(x) > 30
    assert SubGaussianMeanZero(1.0).update(x) > 30
    assert SubGaussianMeanZero(1.0, 2).update(np.column_stack([x, rng.standard_normal(2000)])) > 30
    assert BoundedMeanZero(-1.0, 1.0).update(np.where(rng.random(2000) < 0.75, 1.0, -1.0)) > 30
    assert SuperUniform().update(rng.random(2000) ** 3) > 30
    assert MeanAtLeast(1.0, kappa=2.0).update(0.5 * rng.exponential(size=2000)) > 30
    assert MeanAtLeast(1.0, top=3.0).update(rng.random(2000)) > 30


# --- the budget
# ----------------------------------------------------------------------------------------------------


def test_the_refuting_threshold_spends_the_whole_budget_and_no_more() -> None:
    # One product and one quotient, rounded.
    assert BUDGET.refute == pytest.approx(1e13, rel=4 * UNIT)
    assert Budget(alpha_suite=0.3, max_claims=2, max_executions=1).refute == pytest.approx(2 / 0.3, rel=4 * UNIT)
    every = BUDGET.max_claims * BUDGET.max_executions
    assert BUDGET.achieved(every, every) == pytest.approx(BUDGET.alpha_suite, rel=4 * UNIT, abs=0.0)


def test_the_achieved_bound_counts_confirmations_and_is_never_zero_for_work_done() -> None:
    assert BUDGET.achieved(0, 0) == 0
    # These are far below pytest's absolute tolerance.
    close = partial(pytest.approx, rel=4 * UNIT, abs=0.0)
    assert BUDGET.achieved(0, 5000) == close(5 / BUDGET.refute)
    assert BUDGET.achieved(0, 1500) == close(1.5 / BUDGET.refute)
    assert BUDGET.achieved(70, 5000) == close(70 / BUDGET.refute)
    assert Budget(alpha_suite=0.5, max_claims=1, max_executions=1).achieved(100, 100) == 1


def test_the_thresholds_are_what_the_guarantee_was_derived_for() -> None:
    assert (BUDGET.screen, BUDGET.support, BUDGET.alpha_suite) == (1e3, 1e6, 1e-6)
    assert (BUDGET.max_claims, BUDGET.max_executions) == (1_000, 10_000)
    assert (BUDGET.screen_replicates, BUDGET.confirm_replicates, BUDGET.chunk) == (256, 4096, 32)


@pytest.mark.parametrize(
    ("name", "allowed", "refused"),
    [
        ("alpha_suite", (1e-300, 0.5, 1 - 1e-9), (-0.5, 0.0, 1.0, 2.0, math.nan)),
        ("screen", (1.001, 1e300), (-2.0, 0.5, 1.0, float("inf"), math.nan)),
        ("support", (1.001, 1e300), (-2.0, 0.5, 1.0, float("inf"), math.nan)),
        ("max_claims", (1, 7), (0, -1)),
        ("max_executions", (1, 7), (0, -1)),
        ("screen_replicates", (32, 320), (0, -32, 31, 33)),
        ("confirm_replicates", (32, 320), (0, -32, 31, 33)),
        ("chunk", (1, 256), (0, -1, 3, 512)),
    ],
)
def test_a_budget_takes_what_makes_sense_and_names_what_does_not(
    name: str, allowed: tuple[float, ...], refused: tuple[float, ...]
) -> None:
    for value in allowed:
        assert getattr(Budget(**{name: value}), name) == value  # type: ignore[arg-type]
    for value in refused:
        with pytest.raises(ValueError, match="chunk" if name == "chunk" else name):
            Budget(**{name: value})  # type: ignore[arg-type]


def test_confirmations_are_counted_from_none_to_all_executions() -> None:
    assert BUDGET.achieved(3, 3) == pytest.approx(3 / BUDGET.refute, rel=4 * UNIT, abs=0.0)
    assert BUDGET.achieved(1, 3) == pytest.approx(1 / BUDGET.refute, rel=4 * UNIT, abs=0.0)
    for confirmations, executions in ((-1, 3), (4, 3), (1, 0)):
        with pytest.raises(ValueError, match=f"confirmations is {confirmations}"):
            BUDGET.achieved(confirmations, executions)
