"""The evidence core judged by itself: exact validity of every e-variable, level on boundary laws, power where
it is due.

Where chance enters, the argument is written beside the number: a valid process fails a test here with
probability below 1e-6, whatever the key, and keys are hashes of names.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elbound.properties.evidence.betting import (
    CAP,
    ROUNDING,
    BoundedMeanZero,
    EProcess,
    MeanAtLeast,
    MeanAtMostOne,
    MeanAtMostZero,
    MeanZero,
    MixtureOfProducts,
    arcsine_bets,
    ceiled,
)
from elbound.properties.evidence.budget import Budget
from elbound.properties.meta.boundary_laws import (
    FACTOR_ROUNDING,
    LAWS,
    UNIT,
    Floats,
    Law,
    assert_no_number_changes_nothing,
    assert_the_same_to_the_bit,
    centred,
    crossings,
    excess,
    fair_sign,
    generator,
    is_e_variable,
    lognormal,
    path_mean,
    quiet,
)

BUDGET = Budget()
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


def kappa_extremal(rng: np.random.Generator, size: int) -> Floats:
    return np.where(rng.random(size) < 1 / 3, 3.0, 0.0)


def skewed_signs(rng: np.random.Generator, size: int) -> Floats:
    return np.where(rng.random(size) < 0.1, 3.0, -1 / 3)


LEVELS: list[tuple[str, Callable[[], EProcess], Callable[[np.random.Generator, int], Floats]]] = [
    *(
        (law.name, MeanAtMostOne, law.sample)
        for law in LAWS
        if law.name in ("exponential", "Pareto 2.1", LAWS[-2].name)
    ),
    ("kappa 3 extremal", lambda: MeanAtLeast(1.0, kappa=3.0), kappa_extremal),
    ("kappa 2 exponential", lambda: MeanAtLeast(1.0, kappa=2.0), lambda rng, n: rng.exponential(size=n)),
    ("top 2", lambda: MeanAtLeast(1.0, top=2.0), lambda rng, n: fair_sign(rng.random(n))),
    ("mean at most zero", lambda: MeanAtMostZero(1.0), lambda rng, n: rng.exponential(size=n) - 1),
    ("centred exponential", lambda: MeanZero(1.0), lambda rng, n: rng.exponential(size=n) - 1),
    ("skewed signs", lambda: BoundedMeanZero(-1 / 3, 3.0), skewed_signs),
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


@quiet
@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.floats(0.0, 1e3))
def test_each_one_sided_bet_by_a_variance_is_an_e_variable_also_where_the_mean_is_negative(
    low: float, high: float, down: float
) -> None:
    """Two points of variance low * high about a mean of -down: the second moment may be far above the variance."""
    masses = centred(-low, high, 0.0)
    assert is_e_variable(MeanAtMostZero(low * high), [-low - down, high - down], masses)


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


@pytest.mark.parametrize(
    ("make", "points", "masses", "exactly_one"),
    [
        (MeanAtMostOne, [0.0, 3.0], [2 / 3, 1 / 3], True),
        (lambda: MeanAtLeast(1.0, kappa=3.0), [0.0, 3.0], [2 / 3, 1 / 3], False),
        (lambda: BoundedMeanZero(-1.0, 2.0), [-1.0, 2.0], [2 / 3, 1 / 3], True),
        (lambda: MeanZero(2.0), [-1.0, 2.0], [2 / 3, 1 / 3], True),
    ],
)
def test_the_mixture_has_mean_at_most_one_over_all_paths(
    make: Callable[[], EProcess], points: list[Any], masses: list[float], *, exactly_one: bool
) -> None:
    n = 8
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


def test_one_node_is_the_middle_and_a_constant_is_worth_one() -> None:
    # cos(pi / 2) is off zero by less than a unit, the sine squared of pi / 4 by two.
    assert arcsine_bets(1) == pytest.approx([0.5], abs=4 * UNIT)
    # With kappa one X is its mean, and every bet is w (c - 1)^2 / (c - 1)^2 + 1 - w, over 42 bets.
    assert MeanAtLeast(1.0, kappa=1.0).update([1.0]) == pytest.approx(0.0, abs=64 * UNIT)


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


def average_of(bets: list[list[float]]) -> float:
    """The logarithm of the equal mixture, from the factors of each bet."""
    return math.log(math.fsum(math.prod(factors) for factors in bets) / len(bets))


# Multiples of 1/8 from 0 to 50, a few above every c of a tail, more than a block of them.
EIGHTHS = [0.5, 1.0, 0.25, 0.0, 3.125, 2.0, 0.125, 1.75, 0.875, 50.0, *(j / 8 for j in range(20))]


@pytest.mark.parametrize("draws", [[0.0], [1.0], [45.0], EIGHTHS[:9], EIGHTHS], ids=len)
def test_each_mixture_is_the_average_of_the_bets_its_docstring_names(draws: list[float]) -> None:
    # Draws and bounds are dyadic, so that differences round alike here and there; what remains are at most eight
    # roundings of positive terms for each factor, and a few hundred in sums, logarithms and exponentials.
    close = partial(pytest.approx, rel=(8 * len(draws) + 400) * UNIT, abs=(8 * len(draws) + 400) * UNIT)
    rises = np.geomspace(0.15, 40.0, 14).tolist()
    tails = [
        [1 - w + w * max(1.0 + rise - x / 0.5, 0.0) ** 2 / (rise**2 + 2.0 - 1) for x in draws]
        for rise in rises
        for w in (0.25, 0.6, 1.0)
    ]
    assert MeanAtLeast(0.5, kappa=2.0).update(draws) == close(average_of(tails))
    shifts = [sign * 2.0 / size for size in np.geomspace(0.005, 0.8, 12).tolist() for sign in (1, -1)]
    squares = [[(z + c) ** 2 / (c**2 + 4.0) for z in draws] for c in shifts]
    assert MeanZero(4.0).update(draws) == close(average_of(squares))


def exact_reflection(top: Fraction, mean: Fraction, draws: list[Fraction]) -> Fraction:
    """The exact mixture on (top - x) / (top - mean), whose mean is at most one when that of x is at least `mean`."""
    return exact_mixture([(top - x) / (top - mean) for x in draws])


@pytest.mark.parametrize("draws", [[0.0], [2.0], [-1.0], [0.5, -0.75, 0.0, 1.25, 2.0, -0.5, -0.25]], ids=len)
def test_bounded_means_are_bet_on_from_either_end_by_exact_mixtures(draws: list[float]) -> None:
    # As above: n < 128 factors, each positive and off by at most 6 units over 1.5e-4.
    close = partial(pytest.approx, abs=(len(draws) + 1) * 6 * UNIT / 1.5e-4)
    z, zero = [Fraction(x) for x in draws], Fraction(0)
    above, below = exact_mixture([1 + x for x in z]), exact_reflection(Fraction(2), zero, z)
    assert BoundedMeanZero(-1.0, 2.0).update(draws) == close(math.log((above + below) / 2))
    x = [abs(value) for value in z]
    mixture = exact_reflection(Fraction(5, 2), Fraction(1, 2), x)
    assert MeanAtLeast(0.5, top=2.5).update([float(value) for value in x]) == close(math.log(mixture))


# --- conduct
# -------------------------------------------------------------------------------------------------------

PROCESSES: list[Callable[[], EProcess]] = [
    MeanAtMostOne,
    lambda: MeanAtLeast(0.7, kappa=2.0),
    lambda: MeanAtLeast(0.4, top=1.0),
    lambda: MeanZero(2.0),
    lambda: BoundedMeanZero(-1.0, 1.0),
]


@quiet
@given(st.lists(st.floats(0, 1), min_size=1, max_size=70), st.data())
def test_the_evidence_is_the_same_to_the_bit_however_the_draws_are_cut(draws: list[float], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(draws)), max_size=5)))
    for make in PROCESSES:
        assert_the_same_to_the_bit(make, draws, cuts)


@pytest.mark.parametrize("make", PROCESSES)
def test_a_large_update_equals_many_small_ones(make: Callable[[], EProcess]) -> None:
    draws, pieces = generator("large").random(2000), make()
    for part in np.array_split(draws, 79):  # an update begins at every place of a block
        pieces.update(part)
    assert make().update(draws) == pieces.log_e


@pytest.mark.parametrize("make", PROCESSES)
def test_before_the_first_draw_there_is_no_evidence(make: Callable[[], EProcess]) -> None:
    process = make()
    assert process.update([]) == process.log_e == process.peak == process.n == 0


@pytest.mark.parametrize("make", PROCESSES)
def test_a_draw_that_is_not_a_number_is_an_error_and_changes_nothing(make: Callable[[], EProcess]) -> None:
    assert_no_number_changes_nothing(make)


def test_a_draw_that_is_not_a_number_is_said_to_be_among_those_of_its_update() -> None:
    process = MeanAtMostOne()
    process.update([1.0, 1.0, 1.0])
    with pytest.raises(FloatingPointError, match=r"among draws 3 to 7\)"):
        process.update([1.0, 1.0, 1.0, math.nan, 1.0])


def test_an_infinite_draw_is_evidence_of_the_size_of_the_cap() -> None:
    # One log and one exp on either side of a sum of 64 terms: fewer than 128 units.
    assert CAP == 1e12
    assert MeanAtMostOne().update([math.inf]) == pytest.approx(math.log(CAP), abs=128 * UNIT)
    assert MeanAtMostOne().update([math.inf]) < math.log(BUDGET.refute)


def test_rounding_below_zero_counts_as_zero_and_more_is_refused() -> None:
    for below in (ROUNDING / 2, ROUNDING):
        assert MeanAtMostOne().update([-below]) == MeanAtMostOne().update([0.0])
    with pytest.raises(ValueError, match="must be at least 0"):
        MeanAtMostOne().update([-2 * ROUNDING])


@pytest.mark.parametrize("end", [1.0, 1e3, 1e-3, -1.0, -1e3, -1e-3])
def test_rounding_beyond_a_declared_end_is_relative_to_it(end: float) -> None:
    for beyond in (ROUNDING / 2 * abs(end), ROUNDING * abs(end)):
        assert ceiled(np.array([end + beyond]), end, "it").tolist() == [end]
    with pytest.raises(ValueError, match="it must be at most"):
        ceiled(np.array([end + 2 * ROUNDING * abs(end)]), end, "it")
    assert ceiled(np.array([end - 1.0]), end, "it").tolist() == [end - 1.0]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: MeanAtMostOne(nodes=0),
        lambda: MeanAtLeast(1.0),
        lambda: MeanAtLeast(1.0, kappa=2.0, top=3.0),
        lambda: MeanAtLeast(0.0, kappa=2.0),
        lambda: MeanAtLeast(math.inf, kappa=2.0),
        lambda: MeanAtLeast(1.0, kappa=0.9),
        lambda: MeanAtLeast(1.0, kappa=math.inf),
        lambda: MeanAtLeast(1.0, kappa=math.nan),
        lambda: MeanAtLeast(1.0, top=1.0),
        lambda: MeanAtLeast(1.0, top=2.0).update([2.1]),
        lambda: MeanZero(0.0),
        lambda: MeanZero(-1.0),
        lambda: MeanZero(math.inf),
        lambda: MeanZero(math.nan),
        lambda: BoundedMeanZero(0.0, 1.0),
        lambda: BoundedMeanZero(-1.0, 1.0).update([1.1]),
        lambda: BoundedMeanZero(-1.0, 1.0).update([-1.1]),
    ],
)
def test_bad_input_is_refused_with_one_line(wrong: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"\A.+(must|needed).*\Z"):
        wrong()


def test_a_tail_and_a_top_are_told_apart_by_name() -> None:
    with pytest.raises(TypeError):
        MeanAtLeast(1.0, 2.0)  # type: ignore[call-arg]


# --- what is found, and where
# --------------------------------------------------------------------------------------


def test_each_process_finds_a_plain_violation() -> None:
    # For each, the best bet grows by at least 0.08 a draw with deviation at most 0.55: after 2000 draws 160,
    # less 5 for the mixture, is 125 above the goal, five deviations of 25.
    rng = generator("found")
    x = rng.standard_normal(2000) + 0.5
    assert MeanZero(1.25).update(x) > 30
    assert MeanZero(1.25).update(-x) > 30
    assert BoundedMeanZero(-1.0, 1.0).update(np.where(rng.random(2000) < 0.75, 1.0, -1.0)) > 30
    assert MeanAtLeast(1.0, kappa=2.0).update(0.5 * rng.exponential(size=2000)) > 30
    assert MeanAtLeast(1.0, top=3.0).update(rng.random(2000)) > 30
