"""Importance weighting with Gaussian latent coordinates: the weight, its moments and the exact gap."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from math import exp, expm1, fsum, gamma, inf, isfinite, lgamma, log, log1p, pi, prod, sqrt
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import erfc, logsumexp

Vector = Float[np.ndarray, " n"]

EPS = float(np.finfo(np.float64).eps)
LOG_LARGEST = log(np.finfo(np.float64).max)


class Gap(NamedTuple):
    """A gap log p(x) - L_K >= 0 in nats, with a bound on the error of its computation."""

    value: float
    error: float


@dataclass(frozen=True)
class PosteriorPair:
    """The law of the normalised weight w(z) / p(x) = p(z|x) / q(z), z ~ q, both Gaussian on the line.

    p(z|x) has precision P, q(z) precision Q, and their means differ by dl. In the linear VAE
    P = 1 + v^2 / sigma_x2 and Q = 1 / D. ValueError unless 0 < P, Q and all three are finite.
    All closed forms are Gaussian integrals.
    """

    posterior_precision: float
    proposal_precision: float
    mean_gap: float

    def __post_init__(self) -> None:
        for name in ("posterior_precision", "proposal_precision"):
            if not 0 < getattr(self, name) < inf:
                raise ValueError(f"{name} {getattr(self, name)} must be finite and above 0")
        if not isfinite(self.mean_gap):
            raise ValueError(f"mean_gap {self.mean_gap} must be finite")

    def log_moment(self, t: float) -> float:
        """Logarithm of E w^t, finite exactly when A = t P + (1 - t) Q > 0, else infinity.

        E w^t = P^{t/2} Q^{(1-t)/2} A^{-1/2} exp(t (t - 1) P Q dl^2 / (2 A)).
        """
        P, Q = self.posterior_precision, self.proposal_precision
        # Relative to Q, so that logarithms of ratios near 1 keep their digits.
        excess = (P - Q) / Q
        if 1 + t * excess <= 0:
            return inf
        shift = t * (t - 1) * P * self.mean_gap**2 / (1 + t * excess)
        return (t * log1p(excess) - log1p(t * excess) + shift) / 2

    def moment(self, t: float) -> float:
        """E w^t, infinite where it diverges; OverflowError where it is finite but above 1.8e308."""
        logarithm = self.log_moment(t)
        return inf if logarithm == inf else exp(logarithm)

    @property
    def chi2(self) -> float:
        """chi^2 divergence E w^2 - 1 of posterior from proposal: infinite for Q >= 2 P, and above 1.8e308."""
        P, Q = self.posterior_precision, self.proposal_precision
        if Q >= 2 * P:
            return inf
        # P^2 / (Q (2P - Q)) = 1 / (1 - (1 - Q/P)^2): no cancellation where q nears the posterior.
        logarithm = -log1p(-(((P - Q) / P) ** 2)) / 2 + P * Q * self.mean_gap**2 / (2 * P - Q)
        return expm1(logarithm) if logarithm < LOG_LARGEST else inf

    @property
    def weight_supremum(self) -> float:
        """Supremum of w: infinite unless Q < P or q is the posterior, and where it exceeds 1.8e308."""
        return self._stationary_weight() if self.proposal_precision < self.posterior_precision else self._if_flat(inf)

    @property
    def weight_infimum(self) -> float:
        """Infimum of w: above 0 exactly when Q > P or q is the posterior."""
        return self._stationary_weight() if self.proposal_precision > self.posterior_precision else self._if_flat(0.0)

    def _stationary_weight(self) -> float:
        # log w is a parabola in z; its vertex is the maximum for Q < P, the minimum for Q > P.
        P, Q = self.posterior_precision, self.proposal_precision
        logarithm = (log1p((P - Q) / Q) + P * Q * self.mean_gap**2 / (P - Q)) / 2
        return exp(logarithm) if logarithm < LOG_LARGEST else inf

    def _if_flat(self, otherwise: float) -> float:
        flat = self.proposal_precision == self.posterior_precision and self.mean_gap == 0
        return 1.0 if flat else otherwise

    def elbo_gap(self) -> float:
        """KL(q || posterior) = (P/Q - 1 - log(P/Q) + P dl^2) / 2, the gap at K = 1."""
        P, Q = self.posterior_precision, self.proposal_precision
        excess = (P - Q) / Q
        return (excess - log1p(excess) + P * self.mean_gap**2) / 2

    def gap_curve(self) -> "GapCurve":
        """The gap as a function of K: one tabulation, milliseconds to a second, then microseconds for each K.

        ValueError unless 1/16 <= Q/P <= 64 and dl^2 Q <= 16, the range in which the step rule is sufficient.
        """
        return GapCurve(_gaussian_grid(self).laws)

    def surrogate_curve(self) -> "RatioCurve":
        """Mean and variance of the self-normalised sum of normalised log-weights as a function of K; range as above."""
        P, Q = self.posterior_precision, self.proposal_precision
        ratio, shift = Q / P, self.mean_gap * sqrt(Q)
        return RatioCurve(self, lambda z: log_weight_at(z, ratio, shift), 1)

    def gap(self, importance_samples: int) -> Gap:
        """gap_K = -E log of the mean of K weights; for several K take `gap_curve` once."""
        return self.gap_curve()(importance_samples)


def gap_of_weights(values: Sequence[float], probabilities: Sequence[float], importance_samples: int) -> Gap:
    """-E log of the mean of K >= 1 independent weights with a finite law: values > 0, probabilities of sum 1.

    The mean of the weights may differ from 1, and then the gap may be negative. ValueError on anything else.
    """
    weights, chances = np.array(values, dtype=np.float64), np.array(probabilities, dtype=np.float64)
    if weights.ndim != 1 or weights.shape != chances.shape or not len(weights):
        raise ValueError(
            f"weights of shape {weights.shape} and probabilities of shape {chances.shape} must be equal lists"
        )
    if not ((weights > 0) & (weights < inf)).all():
        raise ValueError(f"weights between {weights.min()} and {weights.max()} must be finite and above 0")
    if not ((chances > 0).all() and abs(chances.sum() - 1) <= len(chances) * EPS):
        raise ValueError(f"probabilities of sum {chances.sum()} and least {chances.min()} must be above 0 with sum 1")
    mean = float(weights @ chances)
    law = _Law(np.log(weights / mean), chances, chances * weights / mean)
    scaled = GapCurve((law,))(importance_samples)
    return Gap(scaled.value - log(mean), scaled.error + 2 * EPS * (1 + abs(log(mean))))


@dataclass(frozen=True)
class ProductPair:
    """The normalised weight of independent latent coordinates: the product of the coordinates' own weights.

    ValueError unless there are one or two coordinates: the exact gap takes a grid in each. In the linear VAE with a
    diagonal encoder it holds where the decoder's columns are orthogonal.
    """

    coordinates: tuple[PosteriorPair, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.coordinates) <= 2:
            raise ValueError(f"coordinates: {len(self.coordinates)} given; allowed: one or two")

    @property
    def chi2(self) -> float:
        """chi^2 divergence, the product of the second moments less 1."""
        first, *others = (pair.chi2 for pair in self.coordinates)
        return reduce(lambda x, y: x + y + x * y, others, first)

    @property
    def weight_supremum(self) -> float:
        """Supremum of the weight."""
        return prod(pair.weight_supremum for pair in self.coordinates)

    @property
    def weight_infimum(self) -> float:
        """Infimum of the weight."""
        return prod(pair.weight_infimum for pair in self.coordinates)

    def moment(self, t: float) -> float:
        """E w^t, infinite where it diverges; OverflowError where it is finite but above 1.8e308."""
        logarithm = sum(pair.log_moment(t) for pair in self.coordinates)
        return inf if logarithm == inf else exp(logarithm)

    def elbo_gap(self) -> float:
        """The gap at K = 1, the sum of the coordinates' divergences."""
        return fsum(pair.elbo_gap() for pair in self.coordinates)

    def gap_curve(self) -> "GapCurve":
        """The gap as a function of K; about a second for two coordinates. ValueError as for one."""
        grids = [_gaussian_grid(pair) for pair in self.coordinates]
        return GapCurve(tuple(reduce(_product, laws) for laws in zip(*(grid.laws for grid in grids), strict=True)))


class _Law(NamedTuple):
    """Weights of mean 1 on finitely many points; `tail` bounds the mass left out, under both."""

    log_weights: Vector
    chances: Vector
    posterior: Vector  # chances times weights, kept apart: the product of the two may overflow and underflow
    tail: float = 0.0


class _Tables(NamedTuple):
    log_laplace: Vector  # log M(s), M(s) = E e^{-s w}
    excess: Vector  # log M(s) + s, above 0 by Jensen's inequality
    roughness: Vector  # sensitivity of the excess to relative errors in its parts


class GapCurve:
    """gap_K for every K >= 1 from one table of M(s) = E e^{-s w} over v = log s. Own derivation, as follows.

    log Y = int_0^inf (e^{-s} - e^{-sY}) / s ds turns -E log of the mean of K weights of mean 1 into the
    integral over v of M(e^v)^K - exp(-K e^v), analytic in |Im v| < pi/2 and taken by the trapezoid rule.
    The error adds: what half as many nodes in v, and in z, would change (both rules converge exponentially);
    the two neglected tails in v, bounded through M^K - e^{-Ks} <= K (M - e^{-s}) and Markov's inequality; the
    neglected mass in z; and rounding.
    """

    STEP = 1 / 8
    LEAST = -64.0

    def __init__(self, laws: "tuple[_Law, ...]") -> None:
        """Tables for the law and, if a second one is given, for its coarser discretisation."""
        law = laws[0]
        greatest, self._upper_tail = _upper_end(law)
        # Multiples of a dyadic step: the nodes carry no rounding of their own.
        self._nodes = np.arange(round(self.LEAST / self.STEP), int(greatest / self.STEP) + 2) * self.STEP
        self._tables = tuple(_tabulate(each, self._nodes) for each in laws)
        self._tail = law.tail
        self._sure = law.tail == 0 and not law.log_weights.any()

    def __call__(self, importance_samples: int) -> Gap:
        """gap_K and its error. ValueError unless K >= 1."""
        K = importance_samples
        if K < 1:
            raise ValueError(f"importance_samples {K} must be at least 1")
        if self._sure:
            return Gap(0.0, 0.0)  # -log 1, since every weight is one
        terms = [np.exp(K * table.log_laplace) * -np.expm1(-K * table.excess) for table in self._tables]
        value = self.STEP * float(terms[0].sum())
        halved = 2 * self.STEP * float(terms[0][::2].sum())
        coarser = self.STEP * float(terms[-1].sum())
        return Gap(value, abs(value - halved) + abs(value - coarser) + self._bounds(K, self._tables[0]))

    def _bounds(self, K: int, table: _Tables) -> float:
        s = _exp(self._nodes)
        lower = K * float(np.expm1(table.excess[0]))
        power = np.exp(K * table.log_laplace)
        # Mass left out changes M by at most itself, and M - e^{-s} by at most s times itself.
        missing = self._tail * np.minimum(s, 1) * np.exp((K - 1) * table.log_laplace)
        rounding = power * np.minimum(K * table.roughness, 1)
        return self._upper_tail + lower + self.STEP * K * float(missing.sum()) + self.STEP * float(rounding.sum())


class Moments(NamedTuple):
    """Mean and variance of an estimator, each with a bound on the error of its computation."""

    mean: float
    mean_error: float
    variance: float
    variance_error: float


class RatioCurve:
    """Mean and variance of g = sum w_i^p h_i / (sum w_i)^p over K independent draws, p = 1 or 2, for every K >= 1.

    S^-q = int_0^inf s^(q-1) e^{-s S} ds / (q-1)! makes both an integral over v = log s, own derivation:
    E g = K int s^p M^(K-1) E[w^p h e^{-sw}] dv / (p-1)! and, with q = 2p,
    E g^2 = int s^q {K M^(K-1) E[w^q h^2 e^{-sw}] + K (K-1) M^(K-2) (E[w^p h e^{-sw}])^2} dv / (q-1)!.
    The error adds what half as many nodes in v and in z would change, the two tails in v, the neglected mass in z, and
    rounding. The tails: |g|^2 <= sum w~_i h_i^2, and the share of S^-q that s < e or s > 1/e holds is at most e S, or
    C_a (e / S)^a by Markov's inequality, with S >= w_i.
    """

    def __init__(self, pair: PosteriorPair, slope: Callable[[Vector], Vector], power: int) -> None:
        """Tables for h = slope(standardised noise). ValueError outside the range of the exact gap, or for p > 2."""
        if power not in (1, 2):
            raise ValueError(f"power {power} must be 1 or 2")
        grid = _gaussian_grid(pair)
        slopes = slope(grid.noise)
        self._power = power
        greatest, self._upper_tail = _upper_end_of_ratio(grid.laws[0], slopes, 2 * power)
        first, last = round(GapCurve.LEAST / GapCurve.STEP), int(greatest / GapCurve.STEP) + 2
        self._nodes = np.arange(first, last) * GapCurve.STEP
        parts = zip(grid.laws, (slopes, slopes[::2]), strict=True)
        self._tables = tuple(_ratio_tables(law, h, self._nodes, power) for law, h in parts)
        law = grid.laws[0]
        # Beyond twelve deviations: h is at most quadratic, so a hundred times its last square covers the tail.
        missing = 100 * law.tail * float((slopes[[0, -1]] ** 2).max() + 1)
        self._left_out = missing + exp(GapCurve.LEAST) * float((law.posterior * (1 + slopes**2)).sum())

    def __call__(self, importance_samples: int) -> Moments:
        """Mean and variance of the estimator with K samples. ValueError unless K >= 1."""
        K = importance_samples
        if K < 1:
            raise ValueError(f"importance_samples {K} must be at least 1")
        fine, coarse = (self._terms(K, table) for table in self._tables)
        wrong = K * (self._upper_tail + self._left_out)
        # An error of the exponent K log M, and of sums of either sign through the sum of their sizes.
        table = self._tables[0]
        units = EPS * (64 + 4 * np.abs(self._nodes)) + K * (table.base.roughness + 4 * EPS * _exp(self._nodes))
        (mean, mean_error), (square, square_error) = (
            _integral(a, b, size, np.minimum(units, 1), wrong)
            for a, b, size in zip(fine[:2], coarse[:2], fine[2:], strict=True)
        )
        variance = square - mean**2
        rounding = 4 * EPS * (square + mean**2)
        return Moments(mean, mean_error, variance, square_error + (2 * abs(mean) + mean_error) * mean_error + rounding)

    def _terms(self, K: int, table: "_RatioTables") -> tuple[Vector, Vector, Vector, Vector]:
        p = self._power
        alone = K * np.exp((K - 1) * table.base.log_laplace)
        pairs = K * (K - 1) * np.exp(max(K - 2, 0) * table.base.log_laplace)
        mean, size = (alone * part / gamma(p) for part in (table.first, table.size))
        square, bulk = ((alone * table.second + pairs * part**2) / gamma(2 * p) for part in (table.first, table.size))
        return mean, square, size, bulk


class _RatioTables(NamedTuple):
    base: _Tables
    first: Vector  # s^p E[w^p h e^{-sw}]
    second: Vector  # s^2p E[w^2p h^2 e^{-sw}]
    size: Vector  # the first with |h|


def _ratio_tables(law: _Law, slopes: Vector, nodes: Float[np.ndarray, " v"], power: int) -> _RatioTables:
    parts = []
    for some in _chunks(nodes):
        x = some[:, None] + law.log_weights
        # One factor w goes into the posterior mass: the product of chance and weight may overflow and underflow.
        s, decay = _exp(some), -_exp(x)
        low = law.posterior * np.exp(np.maximum((power - 1) * x + decay, -745))
        high = law.posterior * np.exp(np.maximum((2 * power - 1) * x + decay, -745))
        parts.append((s * (low @ slopes), s * (high @ slopes**2), s * (low @ np.abs(slopes))))
    return _RatioTables(_tabulate(law, nodes), *(np.concatenate(part) for part in zip(*parts, strict=True)))


def _integral(terms: Vector, coarser: Vector, size: Vector, units: Vector, wrong: float) -> tuple[float, float]:
    step = GapCurve.STEP
    value = step * float(terms.sum())
    nodes = abs(value - 2 * step * float(terms[::2].sum())) + abs(value - step * float(coarser.sum()))
    return value, nodes + wrong + step * float((size * units).sum())


def _upper_end_of_ratio(law: _Law, slopes: Vector, power: int) -> tuple[float, float]:
    """A point v beyond which a K-th of the integral is below e^-46, and that bound.

    The share of S^-q beyond s is e^{-x} sum_{j<q} x^j / j!, x = s S, at most x^-a sum_j Gamma(a + j + 1) / j!.
    """
    orders = 2.0 ** np.arange(-6, 7)
    ends = []
    for a in orders:
        moment = float(logsumexp(-a * law.log_weights, b=law.chances * (1 + slopes**2)))
        constant = float(logsumexp([lgamma(a + j + 1) - lgamma(j + 1) for j in range(power)]))
        ends.append((46 + constant + moment) / a)
    return max(min(ends), 1.0), exp(-46)


def _upper_end(law: _Law) -> tuple[float, float]:
    """A point v beyond which the integral is below e^-46 for every K, and that bound.

    The rest beyond e^v = s is E E_1(s Y) <= Gamma(a) s^{-a} E Y^{-a} <= Gamma(a) s^{-a} E w^{-a}, any a > 0,
    Y the mean of the weights, by convexity of Y^{-a}.
    """
    orders = 2.0 ** np.arange(-6, 7)
    log_moments = [float(logsumexp(-a * law.log_weights, b=law.chances)) for a in orders]
    ends = [(46 + lgamma(a) + m) / a for a, m in zip(orders, log_moments, strict=True)]
    return max(min(ends), 1.0), exp(-46)


def _tabulate(law: _Law, nodes: Vector) -> _Tables:
    split = int(np.searchsorted(nodes, log(0.5)))
    small = [_near_zero(law, part) for part in _chunks(nodes[:split])]
    large = [_away_from_zero(law, part) for part in _chunks(nodes[split:])]
    return _Tables(*(np.concatenate(parts) for parts in zip(*small, *large, strict=True)))


def _chunks(nodes: Vector, size: int = 32) -> list[np.ndarray]:
    return [nodes[k : k + size] for k in range(0, len(nodes), size)]


def _near_zero(law: _Law, nodes: Vector) -> _Tables:
    # M(s) = 1 - s + D, D = E(e^{-sw} - 1 + sw) = s E_posterior r(s w), all positive: digits kept as s -> 0.
    s = _exp(nodes)
    second = s * (law.posterior * _relative_remainder(_exp(nodes[:, None] + law.log_weights))).sum(axis=1)
    lack = _log_remainder(s)
    excess = np.log1p(second / (1 - s)) - lack
    return _Tables(excess - s, excess, _units(law, nodes) * (second / (1 - s) + lack))


def _away_from_zero(law: _Law, nodes: Vector) -> _Tables:
    # e^{-s w} underflows for most weights once s is large: only the others are touched.
    seen = law.log_weights < log(745) - nodes[0]
    x = _exp(nodes[:, None] + law.log_weights[seen])
    log_laplace = np.log((law.chances[seen] * np.exp(-x)).sum(axis=1))
    return _Tables(log_laplace, log_laplace + _exp(nodes), _units(law, nodes) * (1 + np.abs(log_laplace)))


def _units(law: _Law, nodes: Vector) -> Vector:
    # A few roundings, a pairwise sum, and the exponent v + log w, whose absolute error is relative in s w.
    units: Vector = EPS * (16 + np.log2(len(law.chances)) + 2 * np.abs(nodes))
    return units


def _exp(x: np.ndarray) -> np.ndarray:
    # Everything above e^600 acts as infinity here, but must survive a product with K.
    grown: np.ndarray = np.exp(np.minimum(x, 600.0))
    return grown


def _relative_remainder(x: np.ndarray) -> np.ndarray:
    """r(x) = (e^{-x} - 1 + x) / x to a few units in the last place, for x > 0."""
    remainder = _series(x, 6)  # for x < 2^-10, where most of the table lies: 2^-50 / 2520 left out
    middle = (x >= 2.0**-10) & (x < 1)
    remainder[middle] = _series(x[middle], 20)  # 2 / 21! left out
    large = x >= 1
    remainder[large] = 1 + np.expm1(-x[large]) / x[large]
    return remainder


def _series(x: np.ndarray, terms: int) -> np.ndarray:
    # x/2! - x^2/3! + ..., by Horner's rule; capped only to keep the entries overwritten later finite.
    x = np.minimum(x, 1.0)
    total = np.zeros_like(x)
    for k in range(terms, 1, -1):
        total = (1 - x * total) / k
    series: np.ndarray = x * total
    return series


def _log_remainder(s: Vector) -> Vector:
    """-log(1 - s) - s on [0, 1/2] to a few units in the last place."""
    total = np.zeros_like(s)
    for k in range(60, 1, -1):  # 2^-60
        total = 1 / k + s * total
    remainder: Vector = s**2 * total
    return remainder


class _Grid(NamedTuple):
    """An even grid of standardised noise and the weight's law on it, fine and with every second node."""

    noise: Vector
    laws: tuple[_Law, _Law]


def _gaussian_grid(pair: PosteriorPair) -> _Grid:
    """The weights on an even grid of standardised noise (trapezoid rule)."""
    ratio = pair.proposal_precision / pair.posterior_precision
    shift = pair.mean_gap * sqrt(pair.proposal_precision)
    if not (1 / 16 <= ratio <= 64 and shift**2 <= 16):
        raise ValueError(f"Q/P = {ratio} and dl^2 Q = {shift**2} must lie in [1/16, 64] and [0, 16] for the exact gap")
    radius, width = 12.0, sqrt(ratio)
    step = _step(ratio, shift) / 2
    ends = min(-radius, shift - radius * width), max(radius, shift + radius * width)
    half = np.arange(int(ends[0] / (2 * step)) - 1, int(ends[1] / (2 * step)) + 2)
    z = np.arange(2 * half[0], 2 * half[-1] + 1) * step
    log_weights = log_weight_at(z, ratio, shift)
    chances = step / sqrt(2 * pi) * np.exp(-(z**2) / 2)
    posterior = step / sqrt(2 * pi * ratio) * np.exp(-((z - shift) ** 2) / (2 * ratio))
    # Where the encoder is the posterior, the weight is one beyond the grid as well.
    tail = float(erfc(radius / sqrt(2))) if log_weights.any() else 0.0
    coarse = _Law(log_weights[::2], 2 * chances[::2], 2 * posterior[::2], tail)
    return _Grid(z, (_Law(log_weights, chances, posterior, tail), coarse))


def log_weight_at(z: Vector, ratio: float, shift: float) -> Vector:
    """log w at standardised noise z of the encoder, Q/P = ratio, dl sqrt(Q) = shift."""
    log_weight: Vector = (-((z - shift) ** 2) / ratio + z**2 - log(ratio)) / 2
    return log_weight


def _product(left: _Law, right: _Law) -> _Law:
    """The law of the product of two independent weights, points of negligible mass left out and counted as tail."""
    logs = (left.log_weights[:, None] + right.log_weights).ravel()
    chances = np.outer(left.chances, right.chances).ravel()
    posterior = np.outer(left.posterior, right.posterior).ravel()
    kept = np.maximum(chances, posterior) > 2.0**-90
    lost = max(float(chances[~kept].sum()), float(posterior[~kept].sum()))
    return _Law(logs[kept], chances[kept], posterior[kept], left.tail + right.tail + lost)


def _step(ratio: float, shift: float) -> float:
    """A step of standardised noise at which the trapezoid rule errs below e^-52.

    Off the axis by y, e^{-s w} stays bounded while |(log w)'| y < pi/2, so a term at noise z errs by
    exp(-z^2/2 - 2 pi y / step).
    """
    z = np.linspace(-10, 10, 201)
    steepness = np.abs(z - (z - shift) / ratio)
    return float(min(1 / 8, (pi**2 / np.maximum(steepness * (52 - z**2 / 2), EPS)).min()))
