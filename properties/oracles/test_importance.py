"""The exact gap and the weight's moments against closed forms, enumeration, convolution and sampling."""

from itertools import pairwise, product
from math import erfc, exp, fsum, inf, log, log1p, pi, prod, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from elbound.impl.importance import PosteriorPair, gap_of_weights

EPS = np.finfo(np.float64).eps
GRID = 2**20
COUNTS = [1, 2, 3, 5, 16, 64, 1024, 2**20, 2**40]


def on_grid(low: float, high: float) -> st.SearchStrategy[float]:
    return st.integers(0, GRID).map(lambda k: low + (high - low) * k / GRID)


# log2 Q/P in [-2.5, 5], so heavy tails and bounded weights both appear.
pairs = st.builds(
    lambda scale, ratio, shift: PosteriorPair(2**scale, 2 ** (scale + ratio), shift / 2 ** ((scale + ratio) / 2)),
    on_grid(-3, 3),
    on_grid(-2.5, 5),
    on_grid(-2, 2),
)


def density(x: float, mean: float, precision: float) -> float:
    return sqrt(precision / (2 * pi)) * exp(-precision * (x - mean) ** 2 / 2)


def log_weight(pair: PosteriorPair, z: np.ndarray) -> np.ndarray:
    P, Q = pair.posterior_precision, pair.proposal_precision
    return (log(P / Q) - P * (z - pair.mean_gap) ** 2 + Q * z**2) / 2


def log_ratio_remainder(y: float) -> float:
    """h(y) = (y - 1 - log y) / (y - 1)^2, by its alternating series near 1."""
    d = y - 1
    if abs(d) < 1e-2:
        return fsum((-d) ** k / (k + 2) for k in range(12))
    return (d - log1p(d)) / d**2


@settings(deadline=None, derandomize=True, database=None, max_examples=25)
@given(pairs)
def test_gap_of_one_sample_is_the_closed_divergence(pair: PosteriorPair) -> None:
    gap = pair.gap(1)
    closed = pair.elbo_gap()
    assert abs(gap.value - closed) <= gap.error + 4 * EPS * closed
    assert gap.error <= 5e-14 * max(1, closed)
    # Wrong versions: the divergence in the other direction, and one without its half.
    P, Q, dl = pair.posterior_precision, pair.proposal_precision, pair.mean_gap
    if closed > 1e-2:
        assert abs(gap.value - 2 * closed) > gap.error + 8 * EPS * closed
    if abs(log(Q / P)) > 0.1:
        reverse = (Q / P - 1 - log(Q / P) + Q * dl**2) / 2
        assert abs(reverse - closed) <= 1e-3 * closed or abs(gap.value - reverse) > gap.error + 4 * EPS * closed


def enumerated_gap(values: list[float], chances: list[float], count: int) -> float:
    return -fsum(
        prod(chances[k] for k in draw) * log(fsum(values[k] for k in draw) / count)
        for draw in product(range(len(values)), repeat=count)
    )


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize(
    ("values", "chances"),
    [
        ([0.5, 1.5], [0.5, 0.5]),
        ([0.25, 1.0, 4.0], [0.6, 0.25, 0.15]),
        ([1e-3, 1.0, 20.0], [0.3, 0.66, 0.04]),
        ([7.0], [1.0]),
        ([3.0, 40.0, 1e-6, 2.0], [0.25, 0.25, 0.25, 0.25]),
    ],
)
def test_gap_of_finite_laws_is_the_enumerated_one(values: list[float], chances: list[float], count: int) -> None:
    gap = gap_of_weights(values, chances, count)
    exact = enumerated_gap(values, chances, count)
    # The enumeration itself rounds each log and product to a few units.
    allowed = gap.error + 8 * EPS * (1 + abs(exact))
    assert abs(gap.value - exact) <= allowed
    assert abs(gap.value - exact) <= 1e-14 * (1 + abs(exact))
    # One sample more or less is another number, except where the weight is constant.
    assert len(values) == 1 or abs(gap.value - enumerated_gap(values, chances, count + 1)) > allowed


def test_gap_of_many_lattice_weights_is_that_of_the_convolved_sum() -> None:
    # Weights 1, 2, 5: the law of their sum over K = 256 draws is an exact repeated convolution.
    values, chances = np.array([1, 2, 5]), [0.5, 0.3, 0.2]
    law = np.zeros(6)
    law[values] = chances
    for _ in range(8):
        law = np.convolve(law, law)
    mass = np.arange(len(law)) > 0
    exact = -fsum(law[mass] * np.log(np.arange(len(law))[mass] / 256))
    gap = gap_of_weights(values.tolist(), chances, 256)
    # Each doubling of the sum doubles the law's relative error at most and adds a few units: 256 * 3 of them,
    # on -log of the mean, which stays below log 5, less what cancels.
    assert abs(gap.value - exact) <= gap.error + 768 * EPS * log(5)
    deviation = 0.5 * 1 + 0.3 * 4 + 0.2 * 25 - 2.1**2
    # The next order of the expansion is 3 chi2 / (2 K) - 2 mu3 / (3 chi2 K) = 0.19 / 256 of it.
    assert gap.value + log(2.1) == pytest.approx(deviation / 2.1**2 / 512, rel=1e-3)


@pytest.mark.parametrize("pair", [PosteriorPair(1.0, 0.85, 0.3), PosteriorPair(1.0, 4.0, 0.0)])
def test_gap_of_64_samples_lies_in_the_interval_of_sampled_bounds(pair: PosteriorPair) -> None:
    count, replicates = 64, 100_000
    noise = np.random.Generator(np.random.Philox(key=[64, 0])).standard_normal((replicates, count))
    z = noise / sqrt(pair.proposal_precision)
    mean = np.exp(log_weight(pair, z)).mean(axis=1)
    sample = -np.log(mean)
    if pair.chi2 < inf:
        # Two terms of known mean: what is left is third order, and the interval a hundred times narrower.
        sample += (mean - 1) - ((mean - 1) ** 2 - pair.chi2 / count) / 2
    half_width = 6 * sample.std() / sqrt(replicates)
    gap = pair.gap(count)
    assert abs(gap.value - sample.mean()) <= half_width
    assert half_width < 0.1 * gap.value
    assert abs(pair.gap(count // 2).value - sample.mean()) > half_width
    assert abs(pair.gap(2 * count).value - sample.mean()) > half_width


@settings(deadline=None, derandomize=True, database=None, max_examples=15)
@given(pairs)
def test_gap_falls_with_every_further_sample_and_keeps_its_two_bounds(pair: PosteriorPair) -> None:
    curve = pair.gap_curve()
    gaps = [curve(count) for count in COUNTS]
    assert all(later.value <= earlier.value + earlier.error + later.error for earlier, later in pairwise(gaps))
    assert all(gap.value >= -gap.error for gap in gaps)
    if pair.chi2 == inf:
        return
    least, greatest = pair.weight_infimum, pair.weight_supremum
    for count, gap in zip(COUNTS, gaps, strict=True):
        unit = pair.chi2 / count
        room = gap.error + 16 * EPS * unit
        if greatest < inf:
            assert log_ratio_remainder(greatest) * unit <= gap.value + room
        if least > 0:
            assert gap.value <= log_ratio_remainder(least) * unit + room


def test_leading_constant_is_half_of_chi2_and_not_chi2() -> None:
    for ratio in (0.85, 1.25):
        pair = PosteriorPair(2.0, 2.0 * ratio, 0.1)
        curve = pair.gap_curve()
        for count in (64, 1024, 2**20):
            third, chi4 = pair.moment(3) - 3 * pair.moment(2) + 2, pair.chi2**2
            two_terms = pair.chi2 / (2 * count) - third / (3 * count**2) + 3 * chi4 / (4 * count**2)
            # What is left out is of relative order K^-2: 0.011 at K = 64 for the wider of the two, allowed thrice.
            assert curve(count).value == pytest.approx(two_terms, rel=0.03 * (64 / count) ** 2 + 1e-11)
            assert curve(count).value < 0.75 * pair.chi2 / count


@pytest.mark.parametrize(("ratio", "published"), [(2.5, -0.703), (3.0, -0.537), (4.0, -0.367), (5.0, -0.282)])
def test_heavy_tails_decay_slower_than_one_over_the_count(ratio: float, published: float) -> None:
    pair = PosteriorPair(1.0, ratio, 0.0)
    curve = pair.gap_curve()
    slope = log(curve(2**20).value / curve(2**18).value) / log(4)
    assert slope == pytest.approx(published, abs=5e-4 + 1e-9)  # three decimals given
    assert pair.chi2 == inf
    # The limit is the tail index less one, 1 / (1 - P/Q) - 1, approached from below.
    limit = -1 / (ratio - 1)
    assert limit - 0.05 < slope < limit


@settings(deadline=None, derandomize=True, database=None, max_examples=60)
@given(pairs, st.sampled_from([-4.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.25, 2.0, 3.0, 4.0]))
def test_moments_are_integrals_where_finite_and_infinite_elsewhere(pair: PosteriorPair, t: float) -> None:
    P, Q, dl = pair.posterior_precision, pair.proposal_precision, pair.mean_gap
    precision = t * P + (1 - t) * Q
    assert (pair.moment(t) < inf) == (precision > 0)
    if precision < 0.05 * Q:
        return  # the integrand is too wide for the quadrature below, or not integrable
    centre, width = t * P * dl / precision, 10 / sqrt(precision)
    # Even grid of a Gaussian over ten standard deviations: trapezoid error below e^-50, 8e-24 cut off.
    z = np.linspace(centre - width, centre + width, 401)
    logs = t * log_weight(pair, z) - Q * z**2 / 2
    integral = np.exp(logs - logs.max()).sum() * (z[1] - z[0]) * sqrt(Q / (2 * pi))
    logarithm = log(integral) + logs.max()
    scale = 1 + abs(logs).max() + t**2 * (P + Q) * (abs(dl) + width) ** 2
    assert abs(pair.log_moment(t) - logarithm) <= 8 * EPS * scale
    assert pair.log_moment(0) == 0
    assert abs(pair.log_moment(1)) <= 4 * EPS * (1 + abs(log(P / Q)))


@settings(deadline=None, derandomize=True, database=None, max_examples=60)
@given(pairs)
def test_chi2_and_extreme_weights_are_those_of_the_density_ratio(pair: PosteriorPair) -> None:
    P, Q, dl = pair.posterior_precision, pair.proposal_precision, pair.mean_gap
    assert (pair.chi2 < inf) == (2 * P > Q)
    assert pair.chi2 == inf or pair.chi2 == pytest.approx(pair.moment(2) - 1, rel=1e-12, abs=1e-14 * pair.moment(2))
    assert (pair.weight_supremum < inf) == (Q < P)
    assert (pair.weight_infimum > 0) == (Q > P)
    if abs(P - Q) < 1e-3 * P:
        return
    vertex = P * dl / (P - Q)
    # Near a vertex of curvature |P - Q| a grid this fine loses |P - Q| h^2 / 8 of the logarithm.
    z = vertex + np.linspace(-3, 3, 2001) / sqrt(abs(P - Q))
    logs = log_weight(pair, z)
    extreme = pair.weight_supremum if Q < P else pair.weight_infimum
    found = logs.max() if Q < P else logs.min()
    rounding = 8 * EPS * (1 + (P + Q) * (abs(z).max() + abs(dl)) ** 2)
    assert abs(log(extreme) - found) <= 0.003**2 / 8 + rounding


def test_chi2_keeps_its_digits_next_to_the_posterior() -> None:
    # chi2 = d^2 / 2 + O(d^4) for Q = P (1 - d): the moment less one has lost half of them.
    assert PosteriorPair(1.0, 1 - 2.0**-20, 0.0).chi2 == pytest.approx(2.0**-41, rel=1e-11)


def test_moment_two_agrees_with_an_adaptive_quadrature() -> None:
    pair = PosteriorPair(2.0, 3.0, 0.4)
    integral, error = quad(lambda z: density(z, 0.4, 2.0) ** 2 / density(z, 0.0, 3.0), -12, 12, epsabs=1e-13)
    assert abs(pair.moment(2) - integral) <= error + erfc(12) + 8 * EPS
    assert abs(pair.moment(2) - (pair.chi2 + 1)) <= 4 * EPS * pair.moment(2)


def test_the_posterior_itself_has_no_gap() -> None:
    pair = PosteriorPair(1.7, 1.7, 0.0)
    assert (pair.weight_infimum, pair.weight_supremum, pair.chi2, pair.elbo_gap()) == (1.0, 1.0, 0.0, 0.0)
    curve = pair.gap_curve()
    assert all(abs(curve(count).value) <= curve(count).error < 1e-14 for count in COUNTS)


@pytest.mark.parametrize(
    ("posterior", "proposal", "shift", "named"),
    [
        (0.0, 1.0, 0.0, "posterior_precision"),
        (1.0, inf, 0.0, "proposal_precision"),
        (1.0, 1.0, inf, "mean_gap"),
    ],
)
def test_a_bad_pair_is_refused(posterior: float, proposal: float, shift: float, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        PosteriorPair(posterior, proposal, shift)


@pytest.mark.parametrize(
    "pair", [PosteriorPair(1.0, 65.0, 0.0), PosteriorPair(17.0, 1.0, 0.0), PosteriorPair(1.0, 1.0, 4.1)]
)
def test_a_pair_beyond_the_step_rule_is_refused(pair: PosteriorPair) -> None:
    with pytest.raises(ValueError, match="must lie in"):
        pair.gap_curve()


@pytest.mark.parametrize(
    ("values", "chances", "count", "named"),
    [
        ([1.0, 0.0], [0.5, 0.5], 1, "above 0"),
        ([1.0, 2.0], [0.5, 0.4], 1, "with sum 1"),
        ([1.0, 2.0], [1.0, 0.0], 1, "above 0 with sum 1"),
        ([1.0], [0.5, 0.5], 1, "equal lists"),
        ([1.0], [1.0], 0, "importance_samples 0"),
    ],
)
def test_bad_weights_are_refused(values: list[float], chances: list[float], count: int, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        gap_of_weights(values, chances, count)
