"""E-processes: evidence against a hypothesis about an expectation, valid at every stopping time.

An e-variable for a hypothesis is a non-negative statistic whose mean is at most one under every law in it.
Products of e-variables over replicates and fixed mixtures of such products are e-processes, and the chance
that one ever reaches T while its hypothesis holds is at most 1/T (Ville 1939). Everything here is a mixture
of products, kept in logarithms. A hypothesis is meant conditionally on the past, so stopping and sample sizes
may depend on what was seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

CAP: Final = 1e12
"""Largest factor one replicate may contribute; lowering an e-variable keeps it one."""

ROUNDING: Final = 1e-12
"""How far below a sure bound a draw may lie, relative to the scale, and still count as rounding.

Setting such a draw to the bound raises a mean by at most this much, hence an e-value over n draws by at most
a factor exp(n * 1e-12): 4e-9 for 4096 draws.
"""

# Sixty-four nodes integrate the products of up to 127 draws exactly; any number gives an e-process.
NODES: Final = 64  # pragma: no mutate
# CAP**16 = 1e192 stays finite, so one logarithm serves sixteen factors; any number up to 25 would do.
_BLOCK: Final = 16  # pragma: no mutate
# With 64 to 128 bets an eighth to a quarter of a megabyte, within the cache; no number changes a bit.
_DRAWS_AT_ONCE: Final = 256  # pragma: no mutate


def arcsine_bets(nodes: int) -> Float[np.ndarray, " nodes"]:
    """Chebyshev nodes on (0, 1): equal weights on them integrate polynomials of degree < 2 nodes against
    Beta(1/2, 1/2).

    Raises ValueError unless nodes >= 1. The equal mixture is within log(2 sqrt(n + 1)) of the best constant
    bet on every path of n < 2 nodes draws (Cover and Ordentlich 1996, two assets).
    """
    if nodes < 1:
        raise ValueError(f"nodes is {nodes}; it must be at least 1")
    return np.asarray(np.sin(np.arange(1, 2 * nodes, 2) * (math.pi / (4 * nodes))) ** 2, dtype=np.float64)


def positive(name: str, value: float, above: float = 0.0) -> float:
    if not (value > above and math.isfinite(value)):
        raise ValueError(f"{name} is {value!r}; it must be finite and above {above!r}")
    return float(value)


def equal_weights(size: int) -> Floats:
    return np.full(size, 1.0 / size)


def floored(draws: Floats, what: str) -> Floats:
    """Draws with rounding below zero removed; ValueError below -ROUNDING."""
    lowest = float(draws.min(initial=math.inf))
    if lowest < -ROUNDING:
        raise ValueError(f"{what} is {lowest!r}; it must be at least 0 (rounding allowed: {ROUNDING:g})")
    return np.maximum(draws, 0.0)


def ceiled(draws: Floats, top: float, what: str) -> Floats:
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
        closed, unfinished, n = self._closed, self._open, self.n
        for first in range(0, len(draws), _DRAWS_AT_ONCE):
            f = np.minimum(self.factors(draws[first : first + _DRAWS_AT_ONCE]), CAP)
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
        blocks = len(rows) // _BLOCK
        full = blocks * _BLOCK
        products = np.multiply.reduce(rows[:full].reshape(blocks, _BLOCK, bets), axis=1)
        closed = np.cumsum(np.concatenate([closed[None], np.log(products)]), axis=0)[-1]
        return closed, np.multiply.reduce(rows[full:], axis=0, initial=1.0)


class MeanAtMostOne(MixtureOfProducts):
    """Evidence against E[Y] <= 1 for Y >= 0: arcsine mixture of prod(1 + lambda (Y_i - 1)), lambda in (0, 1).

    Nothing is assumed beyond Y >= 0, and no other e-variable exists: each is dominated by one of these bets
    (admissibility of coin betting; Waudby-Smith and Ramdas 2024). Draws [R]. Raises ValueError for a draw
    below -ROUNDING; an infinite draw counts as CAP.
    """

    def __init__(self, nodes: int = NODES) -> None:
        self._bets = arcsine_bets(nodes)
        super().__init__(equal_weights(nodes))

    def factors(self, draws: Float[np.ndarray, " R"]) -> Float[np.ndarray, "R G"]:
        gains: Floats = np.multiply.outer(floored(draws, "a replicate") - 1.0, self._bets)
        gains += 1.0
        return gains


class MeanAtLeast(MixtureOfProducts):
    """Evidence against E[X] >= bound for X >= 0, hence support for E[X] < bound, given one declared tail
    fact.

    `kappa`: E[X^2] <= kappa (E X)^2. The e-variables are 1 - w + w (c - X/bound)_+^2 / ((c - 1)^2 + kappa -
    1), mixed over fourteen c from 1.15 to 41, c - 1 in geometric progression, and w = 1/4, 3/5, 1: shrinking X
    to mean `bound` keeps its second moment below kappa bound^2 and only lowers the positive part (own
    derivation). At c = kappa, X = 0 they are optimal. `top`: X <= top
    surely; then (top - X) / (top - bound) has mean at most one and `MeanAtMostOne` applies. Draws [R]. Raises
    ValueError unless exactly one fact is given, bound > 0, kappa >= 1, top > bound, 0 <= draw <= top.
    """

    def __init__(self, bound: float, *, kappa: float | None = None, top: float | None = None) -> None:
        self._bound = positive("bound", bound)
        if top is not None and kappa is None:
            self._factors = self._reflected(positive("top", top, above=bound))
            super().__init__(equal_weights(NODES))
        elif kappa is not None and top is None:
            if not (kappa >= 1.0 and math.isfinite(kappa)):
                raise ValueError(f"kappa is {kappa!r}; it must be finite and at least 1")
            c, w = (a.ravel() for a in np.meshgrid(1.0 + np.geomspace(0.15, 40.0, 14), [0.25, 0.6, 1.0]))
            self._factors = self._truncated_squares(c, w, w / ((c - 1.0) ** 2 + (kappa - 1.0)))
            super().__init__(equal_weights(c.size))
        else:
            raise ValueError(f"kappa is {kappa!r} and top is {top!r}; exactly one of them must be given")

    def _reflected(self, top: float) -> Callable[[Floats], Floats]:
        bets, room = arcsine_bets(NODES), top - self._bound

        def factors(x: Floats) -> Floats:
            gap = self._bound - ceiled(x, top, "a replicate")
            return np.asarray(1.0 + np.multiply.outer(gap / room, bets))

        return factors

    def _truncated_squares(self, c: Floats, w: Floats, slope: Floats) -> Callable[[Floats], Floats]:
        def factors(x: Floats) -> Floats:
            gap = np.maximum(c - (x / self._bound)[:, None], 0.0)
            return np.asarray((1.0 - w) + slope * gap**2)

        return factors

    def factors(self, draws: Float[np.ndarray, " R"]) -> Float[np.ndarray, "R G"]:
        return self._factors(self._bound * floored(draws / self._bound, "a replicate / bound"))


class MeanZero(MixtureOfProducts):
    """Evidence against E[Z] = 0 given E[Z^2] <= second_moment: mixture of (Z + c)^2 / (c^2 + second_moment),
    c of both signs.

    The size of c falls geometrically from 200 to 1.25 standard deviations. Expand the square: its mean is c^2 +
    E[Z^2] under the hypothesis. Draws [R]. Raises ValueError unless second_moment is finite and positive.
    """

    def __init__(self, second_moment: float, nodes: int = 12) -> None:
        deviation = math.sqrt(positive("second_moment", second_moment))
        c = deviation / np.geomspace(0.005, 0.8, nodes)
        self._shift = np.concatenate([c, -c])
        self._norm = np.hypot(self._shift, deviation)
        super().__init__(equal_weights(self._shift.size))

    def factors(self, draws: Float[np.ndarray, " R"]) -> Float[np.ndarray, "R G"]:
        return np.asarray(np.square(np.add.outer(draws, self._shift) / self._norm))


class MeanAtMostZero(MixtureOfProducts):
    """Evidence against E[Z] <= 0 given Var[Z] <= variance: mixture of (Z + c)_+^2 / (c^2 + variance), c > 0.

    The size of c is that of `MeanZero`. With mean mu <= 0, (Z + c)_+ <= (Z - mu + c)_+, and the square of the latter
    has mean at most c^2 + Var[Z] (own derivation); nothing else is assumed of the law, which may be unbounded. Draws
    [R]. Raises ValueError unless variance is finite and positive.
    """

    def __init__(self, variance: float, nodes: int = 12) -> None:
        deviation = math.sqrt(positive("variance", variance))
        self._shift = deviation / np.geomspace(0.005, 0.8, nodes)
        self._norm = np.hypot(self._shift, deviation)
        super().__init__(equal_weights(nodes))

    def factors(self, draws: Float[np.ndarray, " R"]) -> Float[np.ndarray, "R G"]:
        return np.asarray(np.square(np.maximum(np.add.outer(draws, self._shift), 0.0) / self._norm))


class BoundedMeanZero(MixtureOfProducts):
    """Evidence against E[Z] = 0 for low <= Z <= high: arcsine bets on 1 + Z/(-low) and on 1 - Z/high, half
    each.

    Draws [R]. Raises ValueError unless low < 0 < high are finite, and for a draw outside [low, high].
    """

    def __init__(self, low: float, high: float, nodes: int = NODES) -> None:
        self._low, self._high = -positive("-low", -low), positive("high", high)
        bets = arcsine_bets(nodes)
        self._slopes = np.concatenate([bets / -self._low, -bets / self._high])
        super().__init__(equal_weights(2 * nodes))

    def factors(self, draws: Float[np.ndarray, " R"]) -> Float[np.ndarray, "R G"]:
        inside = -ceiled(-ceiled(draws, self._high, "a replicate"), -self._low, "minus a replicate")
        return np.asarray(1.0 + np.multiply.outer(inside, self._slopes))


def log_sum_exp(values: Float[np.ndarray, " G"]) -> float:
    """The logarithm of sum_g exp(values_g), without overflow; -infinity where every term is."""
    top = float(np.max(values))
    if not math.isfinite(top):
        return top
    return top + math.log(float(np.sum(np.exp(values - top))))
