"""Decay exponents a in e(m) ~ m^-a (log m)^p: secants that are certified, slopes that are fitted and only
approximate.

An exponent speaks of a limit, so finite data neither refute nor support it; what is fitted here is always
flagged approximate. Exponents are positive for decaying sequences throughout.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

QUANTILE = 5.0
"""Normal quantile of a half width: five standard errors."""

HALF_POWER = 0.5
"""The step between the exponents that are claimed, those of powers of sqrt(m): a slope must be known to less."""


def _grid(index: ArrayLike, values: ArrayLike, what: str, least: int) -> tuple[Floats, Floats]:
    m, v = np.asarray(index, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if m.ndim != 1 or m.shape != v.shape or m.size < least:
        raise ValueError(f"index and {what} have shapes {m.shape} and {v.shape}; both must be [J], J >= {least}")
    if not (m[0] > 0 and (np.diff(m) > 0).all() and math.isfinite(m[-1])):
        raise ValueError(f"index is {m.tolist()}; it must be positive, finite and strictly increasing")
    if not ((v > 0) & np.isfinite(v)).all():
        raise ValueError(f"{what} is {v.tolist()}; every value must be finite and positive")
    return m, v


def _log_factor(m: Floats, log_power: float) -> Floats:
    """The logarithm of (log m)^log_power."""
    if log_power == 0:
        return np.zeros_like(m)
    if m[0] <= 1:
        raise ValueError(f"index starts at {m[0]!r}; it must be above 1 to divide out a power of its logarithm")
    return np.asarray(log_power * np.log(np.log(m)))


def local_slopes(index: Float[np.ndarray, " J"], values: Float[np.ndarray, " J"]) -> Float[np.ndarray, " J-1"]:
    """Local exponents log(v_i / v_{i+1}) / log(m_{i+1} / m_i), between neighbours of the grid.

    Raises ValueError unless index is positive and increasing, values are positive, and J >= 2.
    """
    m, v = _grid(index, values, "values", 2)
    return np.asarray(-np.diff(np.log(v)) / np.diff(np.log(m)))


def certified_secant(
    lower1: float, upper1: float, lower2: float, upper2: float, index1: float, index2: float
) -> tuple[float, float]:
    """Interval that holds log(E X_1 / E X_2) / log(m_2 / m_1) whenever lower_i <= E X_i <= upper_i.

    [log(lower1 / upper2), log(upper1 / lower2)] / log(index2 / index1): if each of the four bounds fails with
    probability at most 1/T, the interval does with at most 4/T. A fact about this range, not about the limit.
    A zero lower or infinite upper bound gives an infinite end. Raises ValueError unless 0 < index1 < index2
    and 0 <= lower_i <= upper_i, upper_i > 0, lower_i finite.
    """
    if not 0 < index1 < index2 < math.inf:
        raise ValueError(f"index1 and index2 are {index1!r}, {index2!r}; they must be positive, finite and increasing")
    for name, low, high in (("1", lower1, upper1), ("2", lower2, upper2)):
        if not (0 <= low <= high and high > 0 and low < math.inf):
            raise ValueError(f"lower{name}, upper{name} are {low!r}, {high!r}; they must bracket a positive number")
    with np.errstate(divide="ignore"):
        low1, high1, low2, high2 = (float(np.log(v)) for v in (lower1, upper1, lower2, upper2))
    span = math.log(index2 / index1)
    return (low1 - high2) / span, (high1 - low2) / span


@dataclass(frozen=True, slots=True)
class Slope:
    """A decay exponent with its half width, QUANTILE standard errors; approximate (normal errors, one power
    law).
    """

    estimate: float
    half_width: float
    standard_error: float
    points: int

    @property
    def interval(self) -> tuple[float, float]:
        return self.estimate - self.half_width, self.estimate + self.half_width

    def outside(self, low: float, high: float) -> bool:
        """Whether the whole interval misses the band [low, high]."""
        return self.estimate + self.half_width < low or self.estimate - self.half_width > high


def _slope(estimate: float, standard_error: float, points: int, quantile: float) -> Slope:
    return Slope(estimate, quantile * standard_error, standard_error, points)


def fit(
    index: Float[np.ndarray, " J"],
    mean: Float[np.ndarray, " J"],
    relative_se: Float[np.ndarray, " J"],
    log_power: float = 0.0,
    quantile: float = QUANTILE,
) -> Slope:
    """Weighted least-squares slope of -log(mean / (log m)^log_power) on log m, normal quantile.

    `relative_se` is the standard error of each mean over the mean, cv / sqrt(R): the delta method makes it
    that of log mean. Its square is shrunk half way to the average over the grid, since a skewed law
    underestimates mean and variance together and would give that point too much weight. Means at different
    points must be independent. Raises ValueError unless J >= 2, index is positive and increasing, mean and
    relative_se are positive.
    """
    m, v = _grid(index, mean, "mean", 2)
    variance = _grid(index, relative_se, "relative_se", 2)[1] ** 2
    weights = 1.0 / ((variance + variance.mean()) / 2)
    x, y = np.log(m), np.log(v) - _log_factor(m, log_power)
    centred = x - np.average(x, weights=weights)
    information = float(weights @ centred**2)
    return _slope(-float(weights @ (centred * y)) / information, information**-0.5, m.size, quantile)


def richardson(slope: float, slope_further: float, beta: float, ratio: float = 2.0) -> float:
    """Limit of s(m) when s(m) = limit + c m^-beta + ..., from s(m) and s(ratio m): removes the m^-beta term
    exactly.

    Raises ValueError unless beta > 0 and ratio > 1.
    """
    if not (beta > 0 and ratio > 1):
        raise ValueError(f"beta and ratio are {beta!r}, {ratio!r}; they must be above 0 and above 1")
    growth: float = ratio**beta
    return (growth * slope_further - slope) / (growth - 1.0)


@dataclass(frozen=True, slots=True)
class Means:
    """Independent estimates on one grid: index [J], mean [J], relative_se [J] (standard error over mean)."""

    index: Float[np.ndarray, " J"]
    mean: Float[np.ndarray, " J"]
    relative_se: Float[np.ndarray, " J"]

    def halves(self, log_power: float, quantile: float) -> tuple[Slope, Slope, float]:
        """Slopes of the first and last J // 2 points, and the ratio of the two halves' geometric centres."""
        half = len(self.index) // 2
        if half < 2:
            raise ValueError(f"the grid has {len(self.index)} points; it must have at least 4")
        first, last = (
            fit(self.index[part], self.mean[part], self.relative_se[part], log_power, quantile)
            for part in (slice(half), slice(-half, None))
        )
        near, far = self.centres
        return first, last, far / near

    @property
    def centres(self) -> tuple[float, float]:
        """The geometric centres of the first and last J // 2 points."""
        half, places = len(self.index) // 2, np.log(self.index)
        return float(np.exp(np.mean(places[:half]))), float(np.exp(np.mean(places[-half:])))


@dataclass(frozen=True, slots=True)
class RateVerdict:
    """Whether a fitted exponent is consistent with a band; approximate by nature, never a refutation.

    `near` and `far` hold what each of the two grids says of the exponent: the slope of its last half first, then the
    limit under each kind of correction that was allowed; `slopes` are the local slopes of the longer grid.
    """

    band: tuple[float, float]
    near: tuple[Slope, ...]
    far: tuple[Slope, ...]
    slopes: tuple[float, ...]
    approximate: bool = field(default=True, init=False)

    @property
    def contradicted(self) -> bool:
        """Whether the longer grid's last half and limits all lie off the band on one side, by their half widths."""
        low, high = self.band
        intervals = [slope.interval for slope in self.far]
        return all(end < low for _, end in intervals) or all(start > high for start, _ in intervals)

    @property
    def inconsistent(self) -> bool:
        """Whether the longer grid contradicts the band, and all that the shorter one measures misses it too."""
        low, high = self.band
        return self.contradicted and not any(low <= slope.estimate <= high for slope in self.near)

    @property
    def uncertainty(self) -> float:
        """Half width of the least certain slope of the longer grid: one that is nearer to the band may go unnoticed."""
        return max(slope.half_width for slope in self.far)

    @property
    def undecided(self) -> str:
        """Why nothing is decided, as where the slope cannot be told from one that is off by HALF_POWER; else empty."""
        if self.inconsistent:
            return ""
        if self.contradicted:
            return "a shorter range of the index does not contradict it"
        if self.uncertainty > HALF_POWER:
            return f"a slope that is off by {HALF_POWER:g} may look the same"
        low, high = self.band
        if all(max(low - x.estimate, x.estimate - high) > HALF_POWER / 2 for x in self.far):
            return "the slope is nearer to others than to the claimed one, and too badly known to contradict it"
        return ""


def _limit(first: Slope, last: Slope, distance: float, quantile: float) -> Slope:
    """Extrapolated limit when the slope's correction decays as m^-1/2 (the halves are independent)."""
    gain = 1.0 / (math.sqrt(distance) - 1.0)
    estimate = richardson(first.estimate, last.estimate, 0.5, distance)
    error = math.hypot((1.0 + gain) * last.standard_error, gain * first.standard_error)
    return _slope(estimate, error, first.points + last.points, quantile)


def _limit_of_logarithms(first: Slope, last: Slope, centres: tuple[float, float], quantile: float) -> Slope:
    """Extrapolated limit when the slope's correction decays as 1 / log m, m the halves' geometric centres."""
    near, far = map(math.log, centres)
    estimate = (far * last.estimate - near * first.estimate) / (far - near)
    error = math.hypot(far * last.standard_error, near * first.standard_error) / (far - near)
    return _slope(estimate, error, first.points + last.points, quantile)


def verdict_of_rate(
    near: Means,
    far: Means,
    band: tuple[float, float],
    log_power: float = 0.0,
    quantile: float = QUANTILE,
    *,
    logarithms: bool = False,
) -> RateVerdict:
    """Inconsistent iff the far grid's last half and extrapolated limit miss the band by QUANTILE standard errors, and
    what the near grid measures misses it too.

    A full-grid slope is fooled by slow corrections, hence the last half; the limit, extrapolated with a
    correction m^-1/2, must agree; and so must the estimates of a grid that reaches a quarter as far, or less. The far
    grid alone bounds the chance of a false alarm, so the near one, which is known less well, may be part of it.
    Corrections slower than m^-1/4 can still fool the rule or hide an error. An infinite end makes the band one-sided.
    A claimed power of log m is divided out. With `logarithms` (the claim holds a logarithm of the index, here or in
    the means already) a limit extrapolated with a correction 1 / log m must miss the band too: a constant beside
    the logarithm is such a correction, (a + b log m) / log m = b + a / log m. Raises ValueError unless band is
    increasing, far ends at 4 times near's end or beyond, J >= 4, and the index is above 1 where logarithms enter.
    """
    low, high = band
    if not low <= high:
        raise ValueError(f"band is {band!r}; it must be (low, high) with low <= high")
    if far.index[-1] < 4 * near.index[-1]:
        raise ValueError(
            f"far ends at {far.index[-1]!r}; it must end at 4 times near's end {near.index[-1]!r} or beyond"
        )
    adjusted = np.asarray(far.mean) * np.exp(-_log_factor(np.asarray(far.index, dtype=np.float64), log_power))
    return RateVerdict(
        band=(low, high),
        near=_said(near, log_power, quantile, logarithms=logarithms),
        far=_said(far, log_power, quantile, logarithms=logarithms),
        slopes=tuple(local_slopes(far.index, adjusted).tolist()),
    )


def _said(means: Means, log_power: float, quantile: float, *, logarithms: bool) -> tuple[Slope, ...]:
    """The slope of the last half, and its limit under each kind of correction."""
    first, last, distance = means.halves(log_power, quantile)
    found = last, _limit(first, last, distance, quantile)
    return (*found, _limit_of_logarithms(first, last, means.centres, quantile)) if logarithms else found
