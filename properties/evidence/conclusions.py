"""Conclusions from e-values beside a verdict: certified bounds by inversion, averages, false discovery rates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from elbound.properties.evidence.betting import (
    ROUNDING,
    MeanAtLeast,
    MeanAtMostOne,
    equal_weights,
    floored,
    log_sum_exp,
    positive,
)


def _boundary(excluded: Callable[[float], bool], low: float, high: float) -> tuple[float, float]:
    """Adjacent m1 < m2 (to 1e-13, relatively) with excluded(m1) != excluded(m2), by bisection of log m."""
    a, b, at_low = math.log(low), math.log(high), excluded(low)
    while b - a > 1e-13 * max(1.0, abs(a), abs(b)):
        middle = (a + b) / 2
        a, b = (middle, b) if excluded(math.exp(middle)) == at_low else (a, middle)
    return math.exp(a), math.exp(b)


_SMALL: Final = 1e-300
_LARGE: Final = 1e300


def lower_bound(draws: Float[np.ndarray, " R"], threshold: float) -> float:
    """sup{m : e_n(m) >= threshold}: at most E[X] with probability at least 1 - 1/threshold, for X >= 0 and
    any stopping.

    e_n(m) is `MeanAtMostOne` on X/m; each factor decreases in m, so bisection finds the supremum. In the
    units of the draws; 0 where no m is excluded. Raises ValueError unless threshold > 1 and the draws are >=
    0.
    """
    x, goal = np.asarray(draws, dtype=np.float64), math.log(positive("threshold", threshold, above=1.0))

    def excluded(m: float) -> bool:
        with np.errstate(over="ignore"):
            return MeanAtMostOne().update(x / m) >= goal

    floored(x, "a replicate")
    if not excluded(_SMALL):
        return 0.0
    return _LARGE if excluded(_LARGE) else _boundary(excluded, _SMALL, _LARGE)[0]


def upper_bound(
    draws: Float[np.ndarray, " R"], threshold: float, *, kappa: float | None = None, top: float | None = None
) -> float:
    """inf{m : e_n(m) >= threshold}: at least E[X] with probability at least 1 - 1/threshold, for X >= 0 and
    any stopping.

    e_n(m) is `MeanAtLeast(m)` under the declared kappa or top; each factor increases in m. In the units of
    the draws; without exclusion it is infinity (kappa) or top. Raises ValueError as `MeanAtLeast` does, and
    unless threshold > 1.
    """
    x, goal = np.asarray(draws, dtype=np.float64), math.log(positive("threshold", threshold, above=1.0))
    trivial = math.inf if top is None else positive("top", top)
    last = _LARGE if top is None else math.nextafter(trivial, 0.0)

    def excluded(m: float) -> bool:
        return MeanAtLeast(m, kappa=kappa, top=top).update(x) >= goal

    if not excluded(last):
        return trivial
    return _SMALL if excluded(_SMALL) else _boundary(excluded, _SMALL, last)[1]


def average(log_es: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """Logarithm of the weighted mean of e-values: an e-value under any dependence, equal weights by default.

    Takes values at a stopping time, never peaks. Raises ValueError unless weights are >= 0, sum to at most
    one and match log_es, which must not be empty.
    """
    values = np.asarray(log_es, dtype=np.float64)
    if not values.size:
        raise ValueError("log_es is empty; at least one e-value is needed")
    w = equal_weights(values.size) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.shape != values.shape or not (w >= 0).all() or w.sum() > 1 + ROUNDING:
        raise ValueError(f"weights are {weights!r}; {values.size} non-negative ones of sum at most 1 are needed")
    with np.errstate(divide="ignore"):
        return log_sum_exp(values + np.log(w))


def e_bh(log_es: Sequence[float], q: float) -> list[int]:
    """Indices reported at false discovery rate q, largest e-value first, under any dependence (Wang and
    Ramdas 2022).

    Reports the k largest for the largest k with e_(k) >= K / (q k). Raises ValueError unless 0 < q <= 1.
    """
    if not 0 < q <= 1:
        raise ValueError(f"q is {q!r}; it must lie in (0, 1]")
    values = np.asarray(log_es, dtype=np.float64)
    order = np.argsort(-values, kind="stable")
    rank = np.arange(1, values.size + 1)
    passing: Bool[np.ndarray, " K"] = values[order] >= math.log(max(values.size, 1) / q) - np.log(rank)
    reported = int(rank[passing].max(initial=0))
    return [int(i) for i in order[:reported]]
