"""E-processes: evidence against a hypothesis about an expectation, valid at every stopping time.

An e-variable for a hypothesis is a non-negative statistic whose mean is at most one under every law in it.
Products of e-variables over replicates and fixed mixtures of such products are e-processes, and the chance
that one ever reaches T while its hypothesis holds is at most 1/T (Ville 1939). Everything here is a mixture
of products, kept in logarithms. A hypothesis is meant conditionally on the past, so stopping and sample sizes
may depend on what was seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

CAP: Final = 1e12
"""Largest factor one replicate may contribute; lowering an e-variable keeps it one."""

ROUNDING: Final = 1e-12
"""How far below a sure bound a draw may lie, relative to the scale, and still count as rounding.

Setting such a draw to the bound raises a mean by at most this much, hence an e-value over n draws by at most
a factor exp(n * 1e-12): 4e-9 for 4096 draws.
"""

_BLOCK: Final = 16  # CAP**16 = 1e192 stays finite, so one logarithm serves sixteen factors
_FACTORS_AT_ONCE: Final = 1 << 15  # a quarter of a megabyte, within the cache


def arcsine_bets(nodes: int) -> Float[np.ndarray, " nodes"]:
    """Chebyshev nodes on (0, 1): equal weights on them integrate polynomials of degree < 2 nodes against
    Beta(1/2, 1/2).

    Raises ValueError unless nodes >= 1. The equal mixture is within log(2 sqrt(n + 1)) of the best constant
    bet on every path of n < 2 nodes draws (Cover and Ordentlich 1996, two assets).
    """
    if nodes < 1:
        raise ValueError(f"nodes is {nodes}; it must be at least 1")
    return np.asarray(np.sin(np.arange(1, 2 * nodes, 2) * (math.pi / (4 * nodes))) ** 2, dtype=np.float64)


def _positive(name: str, value: float, above: float = 0.0) -> float:
    if not (above < value < math.inf):
        raise ValueError(f"{name} is {value!r}; it must be finite and above {above!r}")
    return float(value)


def _equal(size: int) -> Floats:
    return np.full(size, 1.0 / size)


def _floored(draws: Floats, what: str) -> Floats:
    """Draws with rounding below zero removed; ValueError below -ROUNDING."""
    lowest = float(draws.min(initial=0.0))
    if lowest < -ROUNDING:
        raise ValueError(f"{what} is {lowest!r}; it must be at least 0 (rounding allowed: {ROUNDING:g})")
    return np.maximum(draws, 0.0)


def _ceiled(draws: Floats, top: float, what: str) -> Floats:
    """The draws; ValueError when one exceeds the declared top by more than rounding."""
    highest = float(draws.max(initial=-math.inf))
    if highest > top + ROUNDING * abs(top):
        raise ValueError(f"{what} is {highest!r}; it must be at most {top!r}")
    return np.minimum(draws, top)


class EProcess:
    """Wealth of a gambler whom the hypothesis denies any profit: sup_n P(e_n ever >= T) <= 1/T.

    `n` counts draws, `log_e` is the logarithm of the current e-value, `peak` the largest `log_e` at the end
    of an update (at least 0, the wealth at the start). `log_e` depends on the draws and their order alone, to
    the last bit, however they are cut into updates; `peak` looks only where updates end.
    """

    def __init__(self) -> None:
        self.n = 0
        self.log_e = 0.0
        self.peak = 0.0

    def update(self, draws: ArrayLike) -> float:
        """Evidence log e after these draws, replicates along the first axis.

        Raises FloatingPointError for a NaN draw, ValueError for a draw outside the declared range. Either
        leaves the process as it was.
        """
        x = np.atleast_1d(np.asarray(draws, dtype=np.float64))
        if np.isnan(x).any():
            raise FloatingPointError(f"a replicate is not a number (among draws {self.n} to {self.n + len(x) - 1})")
        if len(x):
            with np.errstate(over="ignore", divide="ignore", under="ignore"):
                self.log_e = self._absorb(x)
            self.n += len(x)
            self.peak = max(self.peak, self.log_e)
        return self.log_e

    def _absorb(self, draws: Floats) -> float:
        raise NotImplementedError


class MixtureOfProducts(EProcess):
    """sum_g w_g prod_i f_g(x_i) over bets g, with fixed weights summing to at most one.

    `factors` gives f_g(x_i); each column must be an e-variable for the hypothesis.
    """

    def __init__(self, weights: Float[np.ndarray, " G"]) -> None:
        super().__init__()
        self.log_weights = np.log(weights)
        self._closed: Floats = np.zeros(len(weights))  # log products over the full blocks
        self._open: Floats = np.ones(len(weights))  # product over the block begun and not yet full

    def factors(self, draws: Float[np.ndarray, "R ..."]) -> Float[np.ndarray, "R G"]:
        """The e-variables, one column per bet; ValueError for a draw outside the declared range."""
        raise NotImplementedError

    def _absorb(self, draws: Floats) -> float:
        rows = max(_BLOCK, _FACTORS_AT_ONCE // len(self._open))
        closed, unfinished, n = self._closed, self._open, self.n
        for first in range(0, len(draws), rows):
            f = np.minimum(self.factors(draws[first : first + rows]), CAP)
            closed, unfinished = self._multiply(closed, unfinished, n % _BLOCK, f)
            n += len(f)
        self._closed, self._open = closed, unfinished
        return log_sum_exp(self._closed + np.log(self._open) + self.log_weights)

    @staticmethod
    def _multiply(closed: Floats, unfinished: Floats, filled: int, f: Floats) -> tuple[Floats, Floats]:
        # Blocks start at multiples of _BLOCK counted from the first draw, so the order of operations, and
        # with it every bit, does not depend on the cut into updates; multiplying by the padding ones is
        # exact.
        bets = f.shape[1]
        pad = np.ones((max(filled - 1, 0), bets))
        rows = np.concatenate([unfinished[None], pad, f]) if filled else f
        full = len(rows) // _BLOCK * _BLOCK
        products = np.multiply.reduce(rows[:full].reshape(-1, _BLOCK, bets), axis=1)
        closed = np.cumsum(np.concatenate([closed[None], np.log(products)]), axis=0)[-1]
        return closed, np.multiply.reduce(rows[full:], axis=0, initial=1.0)


class MeanAtMostOne(MixtureOfProducts):
    """Evidence against E[Y] <= 1 for Y >= 0: arcsine mixture of prod(1 + lambda (Y_i - 1)), lambda in (0, 1).

    Nothing is assumed beyond Y >= 0, and no other e-variable exists: each is dominated by one of these bets
    (admissibility of coin betting; Waudby-Smith and Ramdas 2024). Draws [R]. Raises ValueError for a draw
    below -ROUNDING; an infinite draw counts as CAP.
    """

    def __init__(self, nodes: int = 64) -> None:
        self._bets = arcsine_bets(nodes)
        super().__init__(_equal(nodes))

    def factors(self, draws: Float[np.ndarray, " R"]) -> Float[np.ndarray, "R G"]:
        gains: Floats = np.multiply.outer(_floored(draws, "a replicate") - 1.0, self._bets)
        gains += 1.0
        return gains


def normalised(left: ArrayLike, right: ArrayLike, top: float) -> Float[np.ndarray, " ..."]:
    """Replicates y = 1 + (left - right) / top, so that E[left] <= E[right] says E[y] <= 1, with y >= 0 a sure
    fact.

    `top` is the declared sure bound on right - left, in the same units. Raises ValueError unless top is
    finite and positive and every y >= -ROUNDING; FloatingPointError when a difference is not a number.
    """
    scale = _positive("top", top)
    with np.errstate(invalid="ignore", over="ignore"):
        y = np.asarray(1.0 + (np.asarray(left, dtype=np.float64) - np.asarray(right, dtype=np.float64)) / scale)
    if np.isnan(y).any():
        raise FloatingPointError("left - right is not a number in some replicate")
    return _floored(y, "1 + (left - right) / top")


class CurveAtMostOne(MixtureOfProducts):
    """Evidence against "E[Y_j] <= 1 for every j", Y_j >= 0: half on the points one by one, half on their
    mean.

    Draws [R, J], J = points. The mean over j of the pointwise e-processes finds a violation at a few points
    (never worse than a union bound); the e-process of mean_j Y_j finds a slight one everywhere. Raises
    ValueError for another shape or a draw below -ROUNDING.
    """

    def __init__(self, points: int, nodes: int = 64) -> None:
        if points < 1:
            raise ValueError(f"points is {points}; it must be at least 1")
        self._points, self._bets = points, arcsine_bets(nodes)
        per_curve = np.append(np.full(points, 0.5 / points), 0.5)
        super().__init__(np.repeat(per_curve / nodes, nodes))

    def factors(self, draws: Float[np.ndarray, "R J"]) -> Float[np.ndarray, "R G"]:
        if draws.ndim != 2 or draws.shape[1] != self._points:
            raise ValueError(f"draws have shape {draws.shape}; it must be [R, {self._points}]")
        y = _floored(draws, "a replicate")
        gains: Floats = np.multiply.outer(np.column_stack([y, y.mean(axis=1)]) - 1.0, self._bets)
        gains += 1.0
        return np.asarray(gains.reshape(len(draws), -1))


class MeanAtLeast(MixtureOfProducts):
    """Evidence against E[X] >= bound for X >= 0, hence support for E[X] < bound, given one declared tail
    fact.

    `kappa`: E[X^2] <= kappa (E X)^2. The e-variables are 1 - w + w (c - X/bound)_+^2 / ((c - 1)^2 + kappa -
    1), mixed over c > 1 and w: shrinking X to mean `bound` keeps its second moment below kappa bound^2 and
    only lowers the positive part (own derivation). At c = kappa, X = 0 they are optimal. `top`: X <= top
    surely; then (top - X) / (top - bound) has mean at most one and `MeanAtMostOne` applies. Draws [R]. Raises
    ValueError unless exactly one fact is given, bound > 0, kappa >= 1, top > bound, 0 <= draw <= top.
    """

    def __init__(self, bound: float, *, kappa: float | None = None, top: float | None = None) -> None:
        self._bound = _positive("bound", bound)
        if top is not None and kappa is None:
            self._factors = self._reflected(_positive("top", top, above=bound))
            super().__init__(_equal(64))
        elif kappa is not None and top is None:
            if not (1.0 <= kappa < math.inf):
                raise ValueError(f"kappa is {kappa!r}; it must be finite and at least 1")
            c, w = (a.ravel() for a in np.meshgrid(1.0 + np.geomspace(0.15, 40.0, 14), [0.25, 0.6, 1.0]))
            self._factors = self._truncated_squares(c, w, w / ((c - 1.0) ** 2 + (kappa - 1.0)))
            super().__init__(_equal(c.size))
        else:
            raise ValueError(f"kappa is {kappa!r} and top is {top!r}; exactly one of them must be given")

    def _reflected(self, top: float) -> Callable[[Floats], Floats]:
        bets, room = arcsine_bets(64), top - self._bound

        def factors(x: Floats) -> Floats:
            gap = self._bound - _ceiled(x, top, "a replicate")
            return np.asarray(1.0 + np.multiply.outer(gap / room, bets))

        return factors

    def _truncated_squares(self, c: Floats, w: Floats, slope: Floats) -> Callable[[Floats], Floats]:
        def factors(x: Floats) -> Floats:
            gap = np.maximum(c - (x / self._bound)[:, None], 0.0)
            return np.asarray((1.0 - w) + slope * gap**2)

        return factors

    def factors(self, draws: Float[np.ndarray, " R"]) -> Float[np.ndarray, "R G"]:
        return self._factors(self._bound * _floored(draws / self._bound, "a replicate / bound"))


class MeanZero(MixtureOfProducts):
    """Evidence against E[Z] = 0 given E[Z^2] <= second_moment: mixture of (Z + c)^2 / (c^2 + second_moment),
    c of both signs.

    Draws [R]. Raises ValueError unless second_moment is finite and positive. Expand the square: its mean is
    c^2 + E[Z^2] under the hypothesis.
    """

    def __init__(self, second_moment: float, nodes: int = 12) -> None:
        deviation = math.sqrt(_positive("second_moment", second_moment))
        c = deviation / np.geomspace(0.005, 0.8, nodes)
        self._shift = np.concatenate([c, -c])
        self._norm = np.hypot(self._shift, deviation)
        super().__init__(_equal(self._shift.size))

    def factors(self, draws: Float[np.ndarray, " R"]) -> Float[np.ndarray, "R G"]:
        return np.asarray(((draws[:, None] + self._shift) / self._norm) ** 2)


class BoundedMeanZero(MixtureOfProducts):
    """Evidence against E[Z] = 0 for low <= Z <= high: arcsine bets on 1 + Z/(-low) and on 1 - Z/high, half
    each.

    Draws [R]. Raises ValueError unless low < 0 < high are finite, and for a draw outside [low, high].
    """

    def __init__(self, low: float, high: float, nodes: int = 64) -> None:
        self._low, self._high = -_positive("-low", -low), _positive("high", high)
        bets = arcsine_bets(nodes)
        self._slopes = np.concatenate([bets / -self._low, -bets / self._high])
        super().__init__(_equal(2 * nodes))

    def factors(self, draws: Float[np.ndarray, " R"]) -> Float[np.ndarray, "R G"]:
        inside = -_ceiled(-_ceiled(draws, self._high, "a replicate"), -self._low, "minus a replicate")
        return np.asarray(1.0 + np.multiply.outer(inside, self._slopes))


class Symmetric(MixtureOfProducts):
    """Evidence against "Z and -Z have one law": mixture of 1 + tanh(lambda Z), lambda of both signs.

    An odd function of a symmetric variable has mean zero, so no moment is needed; and it is symmetry that is
    refuted, not E[Z] = 0. Draws [R]; `scale` is the size of Z the bets are tuned to. Raises ValueError unless
    scale is finite and positive.
    """

    def __init__(self, scale: float, nodes: int = 12) -> None:
        rate = np.geomspace(0.005, 0.8, nodes) / _positive("scale", scale)
        self._rates = np.concatenate([rate, -rate])
        super().__init__(_equal(self._rates.size))

    def factors(self, draws: Float[np.ndarray, " R"]) -> Float[np.ndarray, "R G"]:
        # 1 + tanh(a) = 2 / (1 + exp(-2a)): no cancellation as a -> -infinity.
        return np.asarray(2.0 / (1.0 + np.exp(-2.0 * np.multiply.outer(draws, self._rates))))


class SuperUniform(MixtureOfProducts):
    """Evidence against "P(U <= u) <= u for every u in [0, 1]": mixture of 1 - w + w k U^(k-1) over k in (0,
    1) and w.

    With U = inf{delta : X > q(delta)} it judges a whole tail claim "P(X > q(delta)) <= delta for all delta"
    at once: k U^(k-1) decreases in U and has mean one when U is uniform. Draws [R]. Raises ValueError unless
    each power k is in (0, 1) and each draw in [0, 1].
    """

    def __init__(self, power: float | Sequence[float] = (0.1, 0.25, 0.5, 0.75, 0.9)) -> None:
        powers = np.atleast_1d(np.asarray(power, dtype=np.float64))
        if not (powers.size and np.all((powers > 0.0) & (powers < 1.0))):
            raise ValueError(f"power is {power!r}; every value must lie strictly between 0 and 1")
        self._k, self._w = (a.ravel() for a in np.meshgrid(powers, [0.25, 0.5, 1.0]))
        super().__init__(_equal(self._k.size))

    def factors(self, draws: Float[np.ndarray, " R"]) -> Float[np.ndarray, "R G"]:
        u = _floored(_ceiled(draws, 1.0, "a replicate"), "a replicate")[:, None]
        return np.asarray(1.0 - self._w + self._w * self._k * u ** (self._k - 1.0))


class SubGaussianMeanZero(EProcess):
    """Evidence against "E[exp(<u, Z>)] <= exp(proxy |u|^2 / 2) for every u", which forces E[Z] = 0; Z in
    R^dim.

    A Gaussian of variance t / proxy over u gives (1 + n t)^(-dim/2) exp(t |S|^2 / (2 proxy (1 + n t))), S the
    sum of n draws (Robbins 1970); mixed over t = 1, 1/4, ..., 4^-9. Draws [R] when dim is 1, else [R, dim].
    Raises ValueError unless proxy is finite and positive and dim >= 1, FloatingPointError for an infinite
    draw, which no such law gives.
    """

    def __init__(self, proxy: float, dim: int = 1) -> None:
        if dim < 1:
            raise ValueError(f"dim is {dim}; it must be at least 1")
        super().__init__()
        self._deviation, self._dim = math.sqrt(_positive("proxy", proxy)), dim
        self._sum: Floats = np.zeros(dim)
        self._t = 0.25 ** np.arange(10)

    def _absorb(self, draws: Floats) -> float:
        x = draws[:, None] if draws.ndim == 1 else draws
        if x.ndim != 2 or x.shape[1] != self._dim:
            raise ValueError(f"draws have shape {draws.shape}; it must be [R, {self._dim}]")
        if not np.isfinite(x).all():
            raise FloatingPointError("a replicate is infinite, which no sub-Gaussian law gives")
        # cumsum adds one draw after another, whatever the memory layout; sum would regroup them.
        self._sum = np.cumsum(np.concatenate([self._sum[None], x / self._deviation]), axis=0)[-1]
        spread = 1.0 + (self.n + len(x)) * self._t
        square = float(self._sum @ self._sum)
        return log_sum_exp(self._t / spread * (square / 2) - self._dim / 2 * np.log(spread) - math.log(self._t.size))


def log_sum_exp(values: Float[np.ndarray, " G"]) -> float:
    """The logarithm of sum_g exp(values_g), without overflow; -infinity where every term is."""
    top = float(np.max(values))
    if not math.isfinite(top):
        return top
    return top + math.log(float(np.sum(np.exp(values - top))))


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
    x, goal = np.asarray(draws, dtype=np.float64), math.log(_positive("threshold", threshold, above=1.0))

    def excluded(m: float) -> bool:
        with np.errstate(over="ignore"):
            return MeanAtMostOne().update(x / m) >= goal

    _floored(x, "a replicate")
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
    x, goal = np.asarray(draws, dtype=np.float64), math.log(_positive("threshold", threshold, above=1.0))
    trivial = math.inf if top is None else _positive("top", top)
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
    w = _equal(values.size) if weights is None else np.asarray(weights, dtype=np.float64)
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
