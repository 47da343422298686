"""Interval arithmetic on numpy arrays, rounded outward: the exact result lies within.

Two assumptions carry every enclosure. (1) IEEE 754 double arithmetic, round to nearest: +, -, *, / and sqrt
are within half an ulp, so one `nextafter` outward suffices, overflow and underflow included. (2) The exact
value of exp, log, tanh, sinh, cosh, arcsin, arccos (numpy) and erf (the C library) lies at most ULPS = 4
doubles from the computed one. No standard promises (2): it is what libraries aim at (1 to 4 ulps), and the
tests measure it where they run. Powers with integer exponents, sums and comparisons use (1) alone;
`enclosure` needs neither.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

ULPS: Final = 4
_UNIT: Final = 2.0**-53
_LIBRARY_ERF: Final = np.frompyfunc(math.erf, 1, 1)


def _down(values: Floats, ulps: int = 1) -> Floats:
    with np.errstate(over="ignore", under="ignore"):
        for _ in range(ulps):
            values = np.asarray(np.nextafter(values, -np.inf))
    return values


def _up(values: Floats, ulps: int = 1) -> Floats:
    return -_down(-values, ulps)


def _erf(values: Floats) -> Floats:
    return np.asarray(_LIBRARY_ERF(values), dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Interval:
    """Arrays of closed intervals [low, high], one for each entry; shapes broadcast as numpy's do.

    Ends may be infinite on the outer side: low < +inf, high > -inf. Scalars and arrays of numbers mix freely
    and count as exact; integers from 2^53 on are widened. Functions with a bounded domain (log, sqrt, asin,
    acos, real powers) enclose the image of the part inside the domain, which is right where the argument is
    known to lie there; they raise ValueError where an interval lies outside altogether. Raises ValueError for
    NaN or crossed ends.
    """

    low: Float[np.ndarray, " *shape"]
    high: Float[np.ndarray, " *shape"]

    __array_ufunc__ = None  # so that `array + interval` comes to __radd__ as a whole

    def __post_init__(self) -> None:
        low, high = np.broadcast_arrays(np.asarray(self.low, dtype=np.float64), np.asarray(self.high, dtype=np.float64))
        if not np.all((low <= high) & (low < np.inf) & (high > -np.inf)):
            raise ValueError(f"interval ends are {self.low!r}, {self.high!r}; low <= high must hold, finite inside")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    @staticmethod
    def of(value: Interval | ArrayLike) -> Interval:
        """The value itself when an interval, else the exact number(s) as degenerate intervals."""
        if isinstance(value, Interval):
            return value
        given = np.asarray(value)
        exact = given.astype(np.float64)
        if given.dtype.kind == "f" or not (np.abs(exact) >= 2.0**53).any():
            return Interval(exact, exact)
        return Interval(_down(exact), _up(exact))

    @staticmethod
    def between(low: ArrayLike, high: ArrayLike) -> Interval:
        """The interval with these ends. ValueError for NaN or crossed ends."""
        return Interval(np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64))

    @staticmethod
    def around(middle: ArrayLike, radius: ArrayLike) -> Interval:
        """All values within a radius of the middle; ends rounded outward.

        >>> (Interval.around(0.1, 0.0) + 0.2).contains(0.3)
        True
        """
        return Interval.of(np.asarray(middle, dtype=np.float64)) + Interval.between(-np.asarray(radius), radius)

    @staticmethod
    def ratio(numerator: int, denominator: int) -> Interval:
        """The rational number numerator / denominator."""
        exact = Fraction(numerator, denominator)
        near = np.asarray(float(exact))  # correctly rounded
        return Interval(near, near) if Fraction(float(near)) == exact else Interval(_down(near), _up(near))

    @property
    def shape(self) -> tuple[int, ...]:
        return self.low.shape

    @property
    def width(self) -> Float[np.ndarray, " *shape"]:
        """Width high - low, rounded up."""
        return _up(self.high - self.low)

    @property
    def middle(self) -> Float[np.ndarray, " *shape"]:
        """A point inside, near the middle when both ends are finite; zero of the whole line."""
        with np.errstate(invalid="ignore"):
            middle = self.low / 2 + self.high / 2
        return np.clip(np.where(np.isnan(middle), 0.0, middle), self.low, self.high)

    def contains(self, value: ArrayLike) -> bool:
        """Whether every entry holds its value."""
        return bool(np.all((self.low <= value) & (value <= self.high)))

    def below(self, other: Interval | ArrayLike) -> bool:
        """Whether every entry certainly lies strictly below the other's."""
        return bool(np.all(self.high < Interval.of(other).low))

    def __getitem__(self, key: Any) -> Interval:
        return Interval(self.low[key], self.high[key])

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low)

    def __pos__(self) -> Interval:
        return self

    def __abs__(self) -> Interval:
        inner = np.maximum(np.maximum(self.low, -self.high), 0.0)
        return Interval(inner, np.maximum(np.abs(self.low), np.abs(self.high)))

    def __add__(self, other: Interval | ArrayLike) -> Interval:
        that = Interval.of(other)
        with np.errstate(over="ignore"):
            return Interval(_down(self.low + that.low), _up(self.high + that.high))

    def __sub__(self, other: Interval | ArrayLike) -> Interval:
        return self + -Interval.of(other)

    def __rsub__(self, other: Interval | ArrayLike) -> Interval:
        return -self + other

    def __mul__(self, other: Interval | ArrayLike) -> Interval:
        that = Interval.of(other)
        return self._hull(np.multiply, that, (self.low >= 0) & (that.low >= 0))

    def __truediv__(self, other: Interval | ArrayLike) -> Interval:
        """Quotient; the whole line where the divisor holds zero."""
        that = Interval.of(other)
        singular = (that.low <= 0) & (that.high >= 0)
        safe = Interval(np.where(singular, 1.0, that.low), np.where(singular, 1.0, that.high))
        quotient = self._hull(np.divide, safe, (self.low >= 0) & (safe.low >= 0))
        return Interval(np.where(singular, -np.inf, quotient.low), np.where(singular, np.inf, quotient.high))

    def __rtruediv__(self, other: Interval | ArrayLike) -> Interval:
        return Interval.of(other) / self

    def _hull(
        self, operation: Callable[[Floats, Floats], Floats], that: Interval, nonnegative: NDArray[np.bool_]
    ) -> Interval:
        with np.errstate(all="ignore"):
            ends = np.stack([operation(a, b) for a in (self.low, self.high) for b in (that.low, that.high)])
        # 0 * inf and inf / inf: infinite ends are never attained, and zero is the limit that the other ends
        # do not give.
        ends = np.where(np.isnan(ends), 0.0, ends)
        low = _down(ends.min(axis=0))
        return Interval(np.where(nonnegative, np.maximum(low, 0.0), low), _up(ends.max(axis=0)))

    def __pow__(self, exponent: int | float) -> Interval:
        """Integer powers by repeated multiplication (any base); real powers as exp(p log x), for x >= 0."""
        if isinstance(exponent, float) and not exponent.is_integer():
            return exp(log(self) * exponent)
        power = operator.index(int(exponent))
        if power < 0:
            return 1.0 / self**-power
        if power % 2 == 0:
            return _power_of_nonnegative(abs(self), power)
        low, high = (_power_of_nonnegative(Interval(np.abs(e), np.abs(e)), power) for e in (self.low, self.high))
        return Interval(np.where(self.low < 0, -low.high, low.low), np.where(self.high < 0, -high.low, high.high))

    def sum(self, axis: int | None = None) -> Interval:
        """Sum along an axis. Any order of n additions errs by at most (n - 1) u / (1 - (n - 1) u) sum |x|
        (Higham 2002).
        """
        return Interval(-_sum_above(-self.low, axis), _sum_above(self.high, axis))

    def max(self, axis: int | None = None) -> Interval:
        return Interval(self.low.max(axis=axis), self.high.max(axis=axis))

    def min(self, axis: int | None = None) -> Interval:
        return Interval(self.low.min(axis=axis), self.high.min(axis=axis))

    __radd__ = __add__
    __rmul__ = __mul__


def _sum_above(values: Floats, axis: int | None) -> Floats:
    terms = values.size if axis is None else values.shape[axis]
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.asarray(values.sum(axis=axis))
        # 2 n u instead of (n - 1) u / (1 - (n - 1) u): the rest covers the rounding of sum |x| and of this
        # product.
        error = (2 * terms * _UNIT) * np.abs(values).sum(axis=axis)
        above = _up(total + error)
    return np.where(np.isnan(above), np.inf, above) if terms > 1 else total


def _power_of_nonnegative(base: Interval, power: int) -> Interval:
    result = Interval(np.ones_like(base.low), np.ones_like(base.high))
    while power:
        if power & 1:
            result = result * base
        power >>= 1
        base = base * base if power else base
    return result


def _increasing(
    function: Callable[[Floats], Floats], x: Interval, least: float = -math.inf, most: float = math.inf
) -> Interval:
    """Image under an increasing library function with range [least, most]."""
    with np.errstate(over="ignore", divide="ignore", under="ignore"):
        low, high = _down(function(x.low), ULPS), _up(function(x.high), ULPS)
    return Interval(np.clip(low, least, _TOP), np.clip(high, -_TOP, most))


_TOP: Final = float(np.finfo(np.float64).max)


def _within(x: Interval, least: float, most: float, name: str) -> Interval:
    if ((x.high < least) | (x.low > most)).any():
        raise ValueError(f"the argument of {name} lies outside [{least!r}, {most!r}] in some entry")
    return Interval(np.clip(x.low, least, most), np.clip(x.high, least, most))


def exp(x: Interval) -> Interval:
    """e^x, within [0, inf]."""
    return _increasing(np.exp, x, least=0.0)


def log(x: Interval) -> Interval:
    """Natural logarithm of the part of x in [0, inf); ValueError where there is none."""
    return _increasing(np.log, _within(x, 0.0, math.inf, "log"))


def sqrt(x: Interval) -> Interval:
    """Square root of the part of x in [0, inf); ValueError where there is none."""
    part = _within(x, 0.0, math.inf, "sqrt")
    return Interval(np.maximum(_down(np.sqrt(part.low)), 0.0), _up(np.sqrt(part.high)))


def tanh(x: Interval) -> Interval:
    """Hyperbolic tangent, within [-1, 1]."""
    return _increasing(np.tanh, x, -1.0, 1.0)


def sinh(x: Interval) -> Interval:
    """Hyperbolic sine."""
    return _increasing(np.sinh, x)


def cosh(x: Interval) -> Interval:
    """Hyperbolic cosine, within [1, inf]."""
    return _increasing(np.cosh, abs(x), least=1.0)


def erf(x: Interval) -> Interval:
    """2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x, within [-1, 1]."""
    return _increasing(_erf, x, -1.0, 1.0)


def asin(x: Interval) -> Interval:
    """Arc sine of the part of x in [-1, 1]; ValueError where there is none."""
    return _increasing(np.arcsin, _within(x, -1.0, 1.0, "asin"))


def acos(x: Interval) -> Interval:
    """Arc cosine of the part of x in [-1, 1], within [0, inf]; ValueError where there is none."""
    part = _within(x, -1.0, 1.0, "acos")
    return Interval(np.maximum(_down(np.arccos(part.high), ULPS), 0.0), _up(np.arccos(part.low), ULPS))


def maximum(x: Interval | ArrayLike, y: Interval | ArrayLike) -> Interval:
    """Entrywise larger of two, exact."""
    a, b = Interval.of(x), Interval.of(y)
    return Interval(np.maximum(a.low, b.low), np.maximum(a.high, b.high))


def minimum(x: Interval | ArrayLike, y: Interval | ArrayLike) -> Interval:
    """Entrywise smaller of two, exact."""
    return -maximum(-Interval.of(x), -Interval.of(y))
