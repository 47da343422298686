"""Rates: fits against independent least squares, coverage, and the two-grid rule on truths with slow
corrections.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize, stats

from elbound.properties.evidence.conclusions import lower_bound, upper_bound
from elbound.properties.evidence.rates import (
    Means,
    RateVerdict,
    certified_secant,
    fit,
    local_slopes,
    richardson,
    verdict_of_rate,
)

Floats = NDArray[np.float64]
quiet = settings(deadline=None, derandomize=True, database=None, max_examples=60)
BAND = (0.45, 0.55)
UNIT = 2.0**-53


def generator(*name: object) -> np.random.Generator:
    digest = hashlib.blake2b(repr(name).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "big")))


exponents = st.floats(-3, 3)
constants = st.floats(1e-3, 1e3)


@quiet
@given(exponents, constants, st.integers(2, 12), st.floats(1.2, 8))
def test_an_exact_power_law_gives_its_exponent_everywhere(a: float, c: float, points: int, base: float) -> None:
    m = base ** np.arange(1, points + 1)
    values = c * m**-a
    # log m up to 12 log 8 = 25 and |a| <= 3: logs of size 82 err by 82 * 4 u, over steps of at least log 1.2
    # = 0.18.
    slack = 2 * 4 * 82 * UNIT / 0.18
    assert local_slopes(m, values) == pytest.approx(np.full(points - 1, a), abs=slack)
    assert fit(m, values, np.full(points, 0.1)).estimate == pytest.approx(a, abs=2 * slack)


@quiet
@given(exponents, st.sampled_from([-1.0, 0.5, 1.0, 2.0]))
def test_a_claimed_log_power_is_divided_out(a: float, power: float) -> None:
    m = 4.0 ** np.arange(1, 8)
    values, errors = m**-a * np.log(m) ** power, np.full(7, 0.01)
    assert fit(m, values, errors, log_power=power).estimate == pytest.approx(a, abs=1e4 * UNIT)
    assert abs(fit(m, values, errors).estimate - a) > 0.1  # left in, it moves the slope


def test_the_fit_is_the_weighted_least_squares_one_with_shrunk_weights() -> None:
    m, mean = 2.0 ** np.arange(1, 7), np.array([3.0, 2.2, 1.4, 1.1, 0.6, 0.5])
    errors = np.array([0.1, 0.3, 0.05, 0.2, 0.1, 0.4])
    shrunk = np.sqrt((errors**2 + np.mean(errors**2)) / 2)
    popt, pcov = optimize.curve_fit(
        lambda x, a, b: b - a * x, np.log(m), np.log(mean), sigma=shrunk, absolute_sigma=True
    )
    slope = fit(m, mean, errors, quantile=2.0)
    # curve_fit stops at relative 1e-8 of the sum of squares; its Jacobian is by differences of relative size
    # 1e-8.
    assert slope.estimate == pytest.approx(popt[0], abs=1e-6)
    assert slope.standard_error == pytest.approx(math.sqrt(pcov[0, 0]), rel=1e-6)
    assert slope.half_width == 2 * slope.standard_error
    assert slope.points == 6


def coverage(quantile: float, understated: float) -> tuple[int, int]:
    """Fits whose interval holds the truth, of 600: J = 6 dyadic, cv 0.5, R = 100, normal log means."""
    rng, runs, m = generator("coverage"), 600, 2.0 ** np.arange(6) * 8
    hits = 0
    for _ in range(runs):
        draws = rng.lognormal(-0.5 * math.log(1.25), math.sqrt(math.log(1.25)), size=(100, 6))
        errors = draws.std(axis=0, ddof=1) / draws.mean(axis=0) / 10
        slope = fit(m, draws.mean(axis=0) * m**-0.5, errors * understated, quantile=quantile)
        hits += not slope.outside(0.5, 0.5)
    return hits, runs


def test_intervals_cover_about_as_often_as_they_claim_and_understated_errors_are_seen() -> None:
    # The normal approximation may cost up to two points at R = 100; hits below the 1e-6 binomial quantile of
    # 97% then say that intervals are too narrow. Errors understated three times cover 61% of the time.
    floor = stats.binom.ppf(1e-6, 600, 0.97)
    quantile = float(stats.norm.ppf(0.995))
    assert coverage(quantile, 1.0)[0] >= floor
    assert coverage(quantile, 1 / 3)[0] < floor


@quiet
@given(st.floats(0.1, 10), st.floats(0.1, 10), st.floats(0, 1), st.floats(0, 1), st.floats(1.1, 1e3))
def test_the_certified_secant_holds_the_secant_of_any_means_within_the_bounds(
    mean1: float, mean2: float, slack1: float, slack2: float, ratio: float
) -> None:
    lower1, upper1, lower2, upper2 = (
        m * f for m, f in ((mean1, 1 - slack1), (mean1, 1 + slack2), (mean2, 1 - slack2), (mean2, 1 + slack1))
    )
    low, high = certified_secant(lower1, upper1, lower2, upper2, 10.0, 10.0 * ratio)
    secant = math.log(mean1 / mean2) / math.log(ratio)
    rounding = 64 * UNIT / math.log(1.1)  # a few logs of size at most 5, over the shortest span
    assert low - rounding <= secant <= high + rounding


def test_the_certified_secant_is_open_where_a_bound_is_trivial() -> None:
    assert certified_secant(0.0, 1.0, 1.0, 1.0, 1.0, 2.0)[0] == -math.inf
    assert certified_secant(1.0, 1.0, 0.0, 1.0, 1.0, 2.0)[1] == math.inf
    assert certified_secant(1.0, math.inf, 1.0, 1.0, 1.0, 2.0) == (0.0, math.inf)


def test_the_certified_secant_of_simulated_means_is_narrow_and_right() -> None:
    # Four bounds at 1e6: wrong with probability at most 4e-6. Width as the bounds at n = 1024 give: below
    # 0.2.
    rng = generator("secant")
    first, last = (mean * rng.exponential(size=1024) for mean in (1.0, 1024**-0.5))
    (lower1, upper1), (lower2, upper2) = ((lower_bound(x, 1e6), upper_bound(x, 1e6, kappa=2.0)) for x in (first, last))
    low, high = certified_secant(lower1, upper1, lower2, upper2, 1.0, 1024.0)
    assert low < 0.5 < high < low + 0.2


@quiet
@given(exponents, st.floats(-5, 5), st.floats(0.1, 2), st.floats(1, 100), st.floats(1.5, 8))
def test_richardson_removes_a_known_correction_exactly(a: float, c: float, beta: float, m: float, ratio: float) -> None:
    near, far = (a + c * x**-beta for x in (m, ratio * m))
    # Two slopes of size 8, each rounded a few times, divided by at least 1.5^0.1 - 1 = 0.04.
    assert richardson(near, far, beta, ratio) == pytest.approx(a, abs=16 * 8 * 8 * UNIT / 0.04)


# --- the two-grid rule
# ---------------------------------------------------------------------------------------------


def judged(truth: Callable[[Floats], Floats], log_power: float = 0.0, band: tuple[float, float] = BAND) -> RateVerdict:
    """Base 4, J = 8, cv 1, R = 1600; noise is normal on the log scale."""
    rng, error = generator("rule"), np.full(8, 1 / math.sqrt(1600))

    def measured(first: float) -> Means:
        m = first * np.power(4.0, np.arange(8, dtype=np.float64))
        return Means(m, truth(m) * np.exp(error * rng.standard_normal(8)), error)

    return verdict_of_rate(measured(4.0), measured(16.0), band, log_power)


CONSISTENT: dict[str, Callable[[Floats], Floats]] = {
    "pure": lambda m: m**-0.5,
    "half-power correction": lambda m: m**-0.5 * (1 + 3 * m**-0.5),
    "quarter-power correction": lambda m: m**-0.5 * (1 + 3 * m**-0.25),
    "negative correction": lambda m: m**-0.5 * (1 - 0.8 * m**-0.25),
}


@pytest.mark.parametrize("truth", CONSISTENT.values(), ids=CONSISTENT)
def test_a_true_rate_with_corrections_is_consistent_and_a_wrong_claim_is_not(
    truth: Callable[[Floats], Floats],
) -> None:
    # Five standard errors on four slopes: a false alarm has probability below 4 * 3e-7.
    assert not judged(truth).inconsistent
    assert judged(truth, band=(0.95, 1.05)).inconsistent


def test_the_full_grid_slope_is_fooled_where_the_rule_is_not() -> None:
    m = 4.0 * np.power(4.0, np.arange(8, dtype=np.float64))
    truth = CONSISTENT["quarter-power correction"]
    assert fit(m, truth(m), np.full(8, 1 / 40)).outside(*BAND)  # the wrong version: one fit to everything
    assert not judged(truth).inconsistent


def test_a_log_factor_is_judged_once_it_is_claimed() -> None:
    assert not judged(lambda m: m**-0.5 * np.log(m), log_power=1.0).inconsistent
    assert judged(lambda m: m**-0.9 * np.log(m), log_power=1.0).inconsistent


def exact(first: float, log_values: Callable[[Floats], Floats]) -> Means:
    """Four dyadic points, measured to one part in a thousand."""
    m = first * np.power(2.0, np.arange(4, dtype=np.float64))
    return Means(m, np.exp(log_values(m)), np.full(4, 1e-3))


def test_the_extrapolated_limit_is_exact_when_the_slope_is_off_by_a_half_power() -> None:
    # Equal weights on halves of one shape: each half slope is a + C / sqrt(centre), so the limit is a
    # exactly.
    def slow(x: Floats) -> Floats:
        return -0.5 * np.log(x) + 2 / np.sqrt(x)

    verdict = verdict_of_rate(exact(4.0, slow), exact(16.0, slow), BAND)
    for last, limit in (verdict.near, verdict.far):
        assert limit.estimate == pytest.approx(0.5, abs=1e4 * UNIT)  # logs of size 5 over steps of log 2
        assert last.outside(*BAND)
        assert limit.standard_error > last.standard_error
    assert not verdict.inconsistent


def test_the_last_half_has_its_say_where_extrapolation_overshoots() -> None:
    # Local slopes fall fast and settle inside the band; the extrapolation with m^-1/2 runs out on the other
    # side.
    def fast(scale: float) -> Means:
        return exact(scale, lambda x: -0.5 * np.log(x) + 2 * (x / scale) ** -3)

    verdict = verdict_of_rate(fast(4.0), fast(16.0), BAND)
    assert all(said[1].outside(*BAND) for said in (verdict.near, verdict.far))
    assert not any(said[0].outside(*BAND) for said in (verdict.near, verdict.far))
    assert not verdict.inconsistent
    assert not verdict.undecided


# --- how well a slope is known


def powers(exponent: float, error: float, last: int = 11) -> Means:
    """Powers of two from 2^4 on, exact values that are known up to a relative standard error."""
    m = 2.0 ** np.arange(4, last + 1)
    return Means(m, m**-exponent, np.full(len(m), error))


def decided(near: Means, far: Means, claimed: float) -> str:
    verdict = verdict_of_rate(near, far, (claimed - 0.05, claimed + 0.05))
    return "inconsistent" if verdict.inconsistent else "undecided" if verdict.undecided else "consistent"


@pytest.mark.parametrize(
    ("exponent", "error", "word"),
    [
        (0.0, 1e-3, "inconsistent"),
        (0.0, 0.15, "inconsistent"),
        (0.5, 1e-3, "inconsistent"),
        (0.5, 0.15, "undecided"),
        (0.62, 0.08, "undecided"),
        (0.9, 0.08, "consistent"),
        (1.0, 0.03, "consistent"),
        (1.0, 0.15, "undecided"),
        (0.0, 0.4, "undecided"),
    ],
)
def test_a_slope_that_is_too_badly_known_is_undecided_and_never_plainly_consistent(
    exponent: float, error: float, word: str
) -> None:
    # Four points of a half, spaced by log 2: a slope known to error / (sqrt 5 log 2), its limit to more.
    assert decided(powers(exponent, error, 9), powers(exponent, error), 1.0) == word


def test_what_decides_is_the_longer_grid_and_the_shorter_one_must_only_agree() -> None:
    # The shorter grid is known to a factor alone: its estimates miss the claim, by less than their half widths.
    assert decided(powers(0.0, 2.0, 9), powers(0.0, 0.01), 1.0) == "inconsistent"
    assert decided(powers(1.0, 2.0, 9), powers(0.0, 0.01), 1.0) == "undecided"
    assert decided(powers(0.0, 0.01, 9), powers(0.0, 2.0), 1.0) == "undecided"
    assert decided(powers(0.0, 2.0, 9), powers(1.0, 0.01), 1.0) == "consistent"


def test_a_last_half_below_the_band_and_a_limit_above_it_contradict_nothing() -> None:
    # Local slopes rise from 0 to 0.4, and the extrapolation runs past the band to the other side.
    def rising(first: float) -> Means:
        return exact(first, lambda x: -0.2 * np.log(x / first) ** 2 / np.log(8.0))

    verdict = verdict_of_rate(rising(4.0), rising(16.0), BAND)
    last, limit = verdict.far
    assert last.interval[1] < BAND[0] < BAND[1] < limit.interval[0]
    assert not verdict.contradicted
    assert not verdict.inconsistent


def test_one_sided_bands_leave_the_other_side_open() -> None:
    assert not judged(lambda m: m**-1.0, band=(0.45, math.inf)).inconsistent
    assert judged(lambda m: m**-0.3, band=(0.45, math.inf)).inconsistent


def test_a_verdict_on_a_rate_is_always_approximate() -> None:
    verdicts = judged(CONSISTENT["pure"]), judged(CONSISTENT["pure"], band=(0.95, 1.05))
    assert all(v.approximate for v in verdicts)
    assert [v.inconsistent for v in verdicts] == [False, True]
    assert len(verdicts[0].slopes) == 7
    with pytest.raises((TypeError, ValueError)):
        dataclasses.replace(verdicts[0], approximate=False)


ones = np.ones(8)
grid = 4.0 ** np.arange(1, 9)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: local_slopes(grid[:1], ones[:1]),
        lambda: local_slopes(grid[::-1], ones),
        lambda: local_slopes(grid, -ones),
        lambda: local_slopes(grid, ones[:3]),
        lambda: fit(grid, ones, 0 * ones),
        lambda: fit(grid / 4, ones, ones, log_power=1.0),
        lambda: richardson(1.0, 1.0, 0.0),
        lambda: richardson(1.0, 1.0, 1.0, 1.0),
        lambda: certified_secant(1.0, 2.0, 1.0, 2.0, 2.0, 2.0),
        lambda: certified_secant(2.0, 1.0, 1.0, 2.0, 1.0, 2.0),
        lambda: verdict_of_rate(Means(grid, ones, ones), Means(grid, ones, ones), BAND),
        lambda: verdict_of_rate(Means(grid, ones, ones), Means(4 * grid, ones, ones), (1.0, 0.0)),
        lambda: verdict_of_rate(Means(grid[:3], ones[:3], ones[:3]), Means(4 * grid, ones, ones), BAND),
    ],
)
def test_bad_input_is_refused_with_one_line(wrong: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"\A.+must .+\Z"):
        wrong()
