"""Bets laid by hand: what the sure ranges decide, what is staked, when betting ends, and what is certain afterwards."""

import math
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from sympy import Eq, Ge, Le, Symbol
from sympy.core.relational import Relational

from elbound.properties.arithmetics import Enclosures
from elbound.properties.bets import Bet, Noise, deviation, last_true, widened
from elbound.properties.evidence.betting import BoundedMeanZero, EProcess, MeanAtMostOne, MeanAtMostZero, MeanZero
from elbound.properties.evidence.budget import Budget
from elbound.properties.evidence.intervals import Interval
from elbound.reports.row import Verdict
from elbound.theory.claim import Claim, Setting
from elbound.theory.evaluate import Evaluation

X, Y = Symbol("X", real=True), Symbol("Y", real=True)
RANDOM = Setting("two means", "random", parameters=(), observables=(X, Y), random=True)
EPS = 2.0**-53


def bet(relation: Relational, low: tuple[float, float], high: tuple[float, float], **declared: Any) -> Bet:
    """A bet with sure ranges of the side claimed to be smaller and of the larger one."""
    return Bet(Claim(RANDOM, relation), Interval.between(*low), Interval.between(*high), **declared)


def ones(count: int) -> Any:
    return np.ones(count)


# Sure bounds


def test_a_sure_bound_is_widened_by_a_share_of_itself_of_its_ends_and_by_something() -> None:
    # A sum of three terms from three operations.
    assert widened(3.0, 1.0) == pytest.approx(2 * (1 + 1e-9), rel=8 * EPS)
    assert widened(3.0, -1.0) == pytest.approx(4 * (1 + 1e-9), rel=8 * EPS)
    for end in (5.0, -5.0, 0.5):
        assert widened(end, end) == pytest.approx(2e-18 * abs(end), rel=8 * EPS, abs=0)
    assert widened(0.0, 0.0) == 1e-300


def test_the_sure_bound_lies_between_the_far_ends() -> None:
    laid = bet(Le(X, Y), (-1.0, 2.0), (0.0, 3.0))
    assert laid.top == widened(3.0, -1.0)


@pytest.mark.parametrize(
    ("relation", "low", "high", "certain", "has_reverse"),
    [
        (Le(X, Y), (0.0, 1.0), (2.0, 3.0), True, False),
        (Le(X, Y), (0.0, 1.0), (1.0, 3.0), True, True),
        (Le(X, Y), (0.0, 1.5), (1.0, 3.0), False, True),
        (Eq(X, Y), (0.0, 1.0), (2.0, 3.0), False, False),
        (Eq(X, Y), (0.0, 1.0), (1.0, 3.0), False, False),
        (Eq(X, Y), (0.0, 1.5), (1.0, 3.0), False, False),
    ],
)
def test_ranges_that_at_most_touch_make_an_inequality_certain(
    relation: Relational, low: tuple[float, float], high: tuple[float, float], *, certain: bool, has_reverse: bool
) -> None:
    laid = bet(relation, low, high)
    assert laid.certain is certain
    assert (laid.reversed is not None) is has_reverse


@pytest.mark.parametrize("swapped", [False, True])
def test_the_reversed_bet_has_the_sides_exchanged(*, swapped: bool) -> None:
    reverse = bet(Le(X, Y), (0.0, 2.0), (1.0, 3.0), swapped=swapped).reversed
    assert reverse is not None
    assert reverse.swapped is not swapped
    assert (float(reverse.low.low), float(reverse.high.high)) == (1.0, 2.0)


def test_a_bet_is_not_changed_once_it_is_laid() -> None:
    laid = bet(Le(X, Y), (0.0, 1.0), (0.0, 1.0))
    with pytest.raises(FrozenInstanceError):
        laid.swapped = True  # type: ignore[misc]
    assert not laid.swapped
    assert laid.noise is None


# What no replicate can change


@pytest.mark.parametrize(
    ("relation", "low", "high", "false"),
    [
        (Le(X, Y), (2.0, 3.0), (0.0, 1.0), True),
        (Le(X, Y), (1.0, 3.0), (0.0, 1.0), False),
        (Le(X, Y), (0.0, 1.0), (2.0, 3.0), False),
        (Eq(X, Y), (2.0, 3.0), (0.0, 1.0), True),
        (Eq(X, Y), (1.0, 3.0), (0.0, 1.0), False),
        (Eq(X, Y), (0.0, 1.0), (2.0, 3.0), True),
        (Eq(X, Y), (0.0, 2.0), (2.0, 3.0), False),
    ],
)
def test_ranges_apart_the_wrong_way_refute_and_ranges_that_touch_do_not(
    relation: Relational, low: tuple[float, float], high: tuple[float, float], *, false: bool
) -> None:
    found = bet(relation, low, high).decided
    assert (found is not None) is false
    if found is not None:
        assert (found.verdict, found.basis) == (Verdict.REFUTED, "sure range alone")
        smaller, larger = sum(low) / 2, sum(high) / 2
        assert (found.left, found.right) == (smaller, larger)
        assert found.ratio == pytest.approx(smaller / larger, rel=4 * EPS)


INF = math.inf


def number(value: float) -> Interval:
    return Interval.of(value)


def independent(small: float, large: float) -> tuple[Noise, ...]:
    """Noise of these deviations in one side each."""
    one, none = number(1.0), number(0.0)
    return (Noise(small, one, none), Noise(large, none, one))


def spread(laid: Bet) -> tuple[float, float]:
    """The deviations of the smaller side and of the larger."""
    assert laid.noise is not None
    sides = [(x.deviation * float(x.small.middle), x.deviation * float(x.large.middle)) for x in laid.noise]
    small, large = np.abs(sides).sum(0).tolist()
    return small, large


@pytest.mark.parametrize(
    ("relation", "low", "high", "spread", "is_open"),
    [
        (Le(X, Y), (0.0, INF), (0.0, 1.0), None, False),
        (Le(X, Y), (0.0, 1.0), (-INF, 1.0), None, False),
        (Le(X, Y), (0.0, 1.0), (0.0, INF), None, True),
        (Le(X, Y), (-INF, 1.0), (0.0, 1.0), None, True),
        (Le(X, Y), (-INF, 1.0), (0.0, 1.0), (1.0, 0.5), False),
        (Eq(X, Y), (0.0, 1.0), (0.0, 1.0), None, False),
        (Eq(X, Y), (0.0, INF), (0.0, 1.0), None, True),
        (Eq(X, Y), (0.0, 1.0), (-INF, 1.0), None, True),
        (Eq(X, Y), (0.0, 1.0), (0.0, INF), None, True),
        (Eq(X, Y), (-INF, 1.0), (0.0, 1.0), None, True),
        (Eq(X, Y), (0.0, INF), (0.0, INF), (1.0, 1.0), False),
    ],
)
def test_a_bet_needs_the_ends_that_its_stakes_are_measured_by_or_a_spread(
    relation: Relational,
    low: tuple[float, float],
    high: tuple[float, float],
    spread: tuple[float, float] | None,
    *,
    is_open: bool,
) -> None:
    found = bet(relation, low, high, noise=spread and independent(*spread))
    assert found.open is is_open
    assert found.decided is None


def test_a_bet_rests_on_variances_where_an_equality_declares_them_or_no_range_will_do() -> None:
    def laid(relation: Relational, high: float, spread: tuple[float, float], *, declared: bool) -> Bet:
        ranges = {X: Interval.between(0.0, high), Y: Interval.between(-high, 1.0)}
        return Bet.on(
            Claim(RANDOM, relation), Evaluation(ranges, Enclosures()), independent(*spread), declared=declared
        )

    assert spread(laid(Eq(X, Y), 1.0, (1.0, 2.0), declared=True)) == (1.0, 2.0)
    assert laid(Eq(X, Y), 1.0, (1.0, 2.0), declared=False).noise is None
    assert laid(Le(X, Y), 1.0, (1.0, 2.0), declared=True).noise is None
    assert spread(laid(Le(Y, X), INF, (1.0, 2.0), declared=False)) == (1.0, 2.0)
    assert spread(laid(Ge(X, Y), INF, (1.0, 2.0), declared=True)) == (2.0, 1.0)
    # Neither nothing nor infinity is a scale to bet on.
    for useless in ((0.0, 0.0), (1.0, INF)):
        assert laid(Eq(X, Y), INF, useless, declared=True).open
    reverse = laid(Le(Y, X), INF, (1.0, 2.0), declared=True).reversed
    assert reverse is not None
    assert spread(reverse) == (2.0, 1.0)


# Stakes and processes


@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_the_stake_of_an_inequality_is_one_plus_the_difference_in_units_of_its_sure_bound(factor: float) -> None:
    laid, smaller, larger = (
        bet(Le(X, Y), (-1.0, 2.0), (0.0, 4.0)),
        np.array([2.0, -1.0, 0.5]),
        np.array([0.0, 4.0, 1.0]),
    )
    expected = [1 + (s - factor * g) / (factor * 4.0 + 1.0) for s, g in zip(smaller, larger, strict=True)]
    # The bound is widened by 1e-9 of itself, hence each quotient, at most two, lowered by as much.
    assert laid.stakes(smaller, larger, factor) == pytest.approx(expected, abs=2e-9 + 8 * EPS)
    assert (laid.stakes(smaller, larger, factor) >= 0).all()
    assert bet(Eq(X, Y), (-1.0, 2.0), (0.0, 4.0)).stakes(smaller, larger, factor).tolist() == [
        s - factor * g for s, g in zip(smaller, larger, strict=True)
    ]


def test_without_a_factor_the_sides_are_compared_as_they_are() -> None:
    for relation in (Le(X, Y), Eq(X, Y)):
        laid, smaller, larger = bet(relation, (0.0, 1.0), (0.0, 4.0)), np.array([1.0, 0.5]), np.array([4.0, 1.0])
        assert laid.stakes(smaller, larger).tolist() == laid.stakes(smaller, larger, 1.0).tolist()
        one, other = laid.process(), laid.process(1.0)
        assert one.update([0.5, 0.75]) == other.update([0.5, 0.75])


def test_each_relation_is_bet_on_by_its_own_process() -> None:
    assert type(bet(Le(X, Y), (0.0, 1.0), (0.0, 1.0)).process()) is MeanAtMostOne
    assert type(bet(Le(X, Y), (0.0, 1.0), (0.0, 1.0), noise=independent(1.0, 0.0)).process()) is MeanAtMostZero
    assert type(bet(Eq(X, Y), (0.0, 1.0), (0.0, 1.0), noise=independent(1.0, 0.0)).process()) is MeanZero
    assert type(bet(Eq(X, Y), (0.0, 1.0), (0.0, 1.0)).process()) is BoundedMeanZero
    # The standard deviations of both sides add up, that of the larger one times the factor.
    joint, alone = bet(Eq(X, Y), (0.0, 1.0), (0.0, 1.0), noise=independent(1.0, 0.5)).process(2.0), MeanZero(4.0)
    # But for a share of 1e-9 against rounding.
    assert joint.update([0.5, 3.0, -1.0]) == pytest.approx(alone.update([0.5, 3.0, -1.0]), rel=1e-7)


@pytest.mark.parametrize("factor", [1.0, 1.5, 2.0])
def test_what_both_sides_have_in_common_is_no_noise_of_their_difference(factor: float) -> None:
    """3 b + 1 against 2 b + a, b of deviation a half and a without noise: |3 - 2 factor| / 2 is left."""
    both = Noise(0.5, number(3.0), number(2.0))
    assert deviation((both,), factor) == pytest.approx(abs(3 - 2 * factor) / 2, rel=1e-8)
    assert deviation((both.turned,)) == pytest.approx(0.5, rel=1e-8)


def takes(process: EProcess, draw: float) -> bool:
    try:
        process.update([draw])
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_the_ends_of_a_difference_are_those_of_the_ranges_a_little_widened(factor: float) -> None:
    laid = bet(Eq(X, Y), (-1.0, 2.0), (0.5, 4.0))
    for end in (2.0 - factor * 0.5, -1.0 - factor * 4.0):
        # Widened by 1e-9 of itself, and 1e-12 more counts as rounding.
        assert takes(laid.process(factor), end * (1 + 9e-10))
        assert not takes(laid.process(factor), end * (1 + 2e-9))


def test_a_difference_that_is_surely_zero_has_ends_on_either_side_of_it() -> None:
    laid = bet(Eq(X, Y), (1.0, 1.0), (1.0, 1.0))
    assert takes(laid.process(), 0.0)
    assert not takes(laid.process(), 1e-9)
    assert not takes(laid.process(), -1e-9)


# The run


def test_betting_goes_on_to_the_end_of_the_part_in_which_the_threshold_was_reached() -> None:
    laid, asked = bet(Le(X, Y), (0.0, 1.0), (0.0, 1.0)), []

    def parts() -> Any:
        for j in range(4):
            asked.append(j)
            yield ones(64) * (j > 0), np.zeros(64) + 0.25 * j

    process, (smaller, larger) = laid.run(parts(), 1e3)
    assert asked == [0, 1]
    assert smaller.tolist() == [0.0] * 64 + [1.0] * 64
    assert larger.tolist() == [0.0] * 64 + [0.25] * 64
    assert process.n == 128
    everything, (smaller, _) = laid.run(parts(), math.inf)
    assert everything.n == smaller.size == 256
    whole = laid.process()
    whole.update(laid.stakes(smaller, np.repeat([0.0, 0.25, 0.5, 0.75], 64)))
    assert everything.log_e == whole.log_e


def test_wealth_is_looked_at_where_a_chunk_ends_and_its_peak_counts() -> None:
    """Gains in the first chunk, losses afterwards within the same part."""
    laid, chunk = bet(Le(X, Y), (0.0, 1.0), (0.0, 1.0)), Budget().chunk
    smaller = np.concatenate([ones(chunk), np.zeros(chunk - 1)])
    process, _ = laid.run([(smaller, 1.0 - smaller)], 1e3)
    first = laid.process()
    first.update(laid.stakes(ones(chunk), np.zeros(chunk)))
    assert process.peak == first.log_e
    assert process.log_e < first.log_e
    assert process.n == 2 * chunk - 1


def reached(log_e: float) -> float:
    """The threshold whose logarithm this is, to the last bit: exp is finer than log here."""
    near = math.exp(log_e)
    for _ in range(64):
        near = math.nextafter(near, 0)
    for _ in range(128):
        if math.log(near) == log_e:
            return near
        near = math.nextafter(near, math.inf)
    raise AssertionError(log_e)


def test_a_threshold_is_reached_when_the_evidence_equals_it() -> None:
    laid = bet(Le(X, Y), (0.0, 1.0), (0.0, 1.0))
    part = (ones(32), np.zeros(32))
    peak = laid.run([part], INF)[0].peak
    assert laid.run([part, part], reached(peak))[0].n == 32
    assert laid.run([part, part], reached(peak) * (1 + 1e-9))[0].n == 64


# What is certain


def test_the_end_of_a_monotone_test_is_found_to_thirty_halvings() -> None:
    tried: list[float] = []

    def below(x: float) -> bool:
        tried.append(x)
        return x <= 20.0

    end = last_true(below, 1.0, 1024.0)
    assert len(tried) == 31
    assert end <= 20.0 * (1 + 8 * EPS)
    assert math.log(20.0) - math.log(end) <= math.log(1024.0) / 2**30
    assert last_true(lambda x: x < 0.5, 1.0, 1024.0) == 0.0
    # Four logarithms and one exponential, each within a unit of 7, of which the gap is some seven million.
    gap = math.log(1024.0) - math.log(last_true(lambda x: x < 2048.0, 1.0, 1024.0))
    assert gap == pytest.approx(math.log(1024.0) / 2**30, rel=0, abs=16 * EPS * math.log(1024.0))


def test_what_is_certified_is_the_last_factor_that_is_refuted() -> None:
    laid, threshold = bet(Le(X, Y), (0.0, 1.0), (0.5, 1.0)), 1e6
    smaller, larger = np.full(512, 0.5), np.full(512, 0.625)
    certified, resolution = laid.certify(smaller, larger, 0.8, threshold)
    assert certified is not None
    assert resolution == 0.8 / certified
    for factor, falls in ((certified * (1 - 1e-6), True), (certified * (1 + 1e-6), False)):
        process = laid.process(factor)
        assert (process.update(laid.stakes(smaller, larger, factor)) >= math.log(threshold)) is falls
    assert 0 < certified < 0.8


def test_evidence_too_slight_certifies_nothing_and_would_refute_nothing() -> None:
    laid = bet(Le(X, Y), (0.0, 1.0), (0.0, 1.0))
    assert laid.certify(ones(1) * 0.5, ones(1) * 0.5, 1.0, 1e6) == (0.0, INF)


@pytest.mark.parametrize(
    ("smaller", "larger", "ratio"),
    [(0.5, 1.0, None), (0.5, 1.0, INF), (0.0, 1.0, 0.0), (-0.5, 1.0, -0.5), (0.5, -1.0, -0.5), (-1.0, -0.5, 0.5)],
)
def test_only_positive_sides_have_a_certified_ratio(smaller: float, larger: float, ratio: float | None) -> None:
    laid = bet(Le(X, Y), (-1.0, 1.0), (-1.0, 1.0))
    assert laid.certify(ones(64) * smaller, ones(64) * larger, ratio, 1e3) == (None, None)


def test_a_factor_that_the_ranges_exceed_is_certain_without_evidence_and_up_to_their_quotient() -> None:
    laid = bet(Le(X, Y), (2.0, 3.0), (1.0, 4.0))
    assert laid.certify(ones(1) * 2.0, ones(1) * 4.0, 0.5, INF)[0] == pytest.approx(0.5, rel=1e-6 * math.log(1e6))
    # The least factor tried is exactly the quotient of the ranges, where a stake is one.
    assert laid.certify(ones(1) * 2.0, ones(1) * 4.0, 0.5e6, INF)[0] == pytest.approx(0.5, rel=1e-6 * math.log(1e6))
    equality = bet(Eq(X, Y), (2.0, 3.0), (1.0, 4.0))
    assert equality.certify(ones(1) * 2.0, ones(1) * 4.0, 0.5, INF) == (0.0, INF)


def test_a_factor_is_certified_when_the_evidence_equals_the_threshold() -> None:
    laid, smaller, larger = bet(Le(X, Y), (0.0, 1.0), (0.0, 1.0)), np.full(4, 0.5), np.full(4, 0.5)
    process = laid.process(1e-6)
    process.update(laid.stakes(smaller, larger, 1e-6))
    assert laid.certify(smaller, larger, 1.0, reached(process.log_e))[0] == pytest.approx(1e-6, rel=1e-6)
