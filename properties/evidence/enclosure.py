"""Certified suprema and eigenvalue bounds in ball arithmetic, python-flint where installed, else mpmath.

A ball is a set of reals that holds the exact value; every operation returns a ball that holds every exact
result. A formula written over `Arithmetic` runs on either backend. Precision is a matter of sharpness only: a
ball stays an enclosure at any precision.
"""

from __future__ import annotations

import contextlib
import heapq
import importlib
import importlib.util
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self, cast


class Ball(Protocol):
    """A set of reals with arithmetic; numbers and balls mix. `ball > 0` is True only where certain."""

    def __neg__(self) -> Self: ...
    def __add__(self, other: Self | int | float, /) -> Self: ...
    def __radd__(self, other: int | float, /) -> Self: ...
    def __sub__(self, other: Self | int | float, /) -> Self: ...
    def __rsub__(self, other: int | float, /) -> Self: ...
    def __mul__(self, other: Self | int | float, /) -> Self: ...
    def __rmul__(self, other: int | float, /) -> Self: ...
    def __truediv__(self, other: Self | int | float, /) -> Self: ...
    def __rtruediv__(self, other: int | float, /) -> Self: ...
    def __pow__(self, power: int, /) -> Self: ...
    def __gt__(self, other: int | float, /) -> bool | None: ...


class Arithmetic(Protocol):
    """Constants and elementary functions on balls. Outside its domain a function returns an unbounded or NaN
    ball, or raises ValueError; `ends` turns the first two into infinities.
    """

    @property
    def basis(self) -> str:
        """Backend and precision, for the record."""

    def working(self) -> contextlib.AbstractContextManager[object]:
        """Context in which operators round at this arithmetic's precision."""

    def rational(self, p: int, q: int = 1) -> Ball:
        """The ratio p / q."""

    def hull(self, low: float, high: float) -> Ball:
        """The interval [low, high], ends exact; ValueError unless both are finite and low <= high."""

    def ends(self, ball: Ball) -> tuple[float, float]:
        """Doubles with low <= ball <= high, infinite where nothing is known."""

    def pi(self) -> Ball: ...
    def exp(self, x: Ball) -> Ball: ...
    def log(self, x: Ball) -> Ball: ...
    def sqrt(self, x: Ball) -> Ball: ...
    def sinh(self, x: Ball) -> Ball: ...
    def cosh(self, x: Ball) -> Ball: ...
    def tanh(self, x: Ball) -> Ball: ...
    def erf(self, x: Ball) -> Ball: ...
    def acos(self, x: Ball) -> Ball: ...


def _checked(low: float, high: float) -> None:
    if not (-math.inf < low <= high < math.inf):
        raise ValueError(f"low, high are {low!r}, {high!r}; they must be finite with low <= high")


@dataclass(frozen=True)
class _FlintBalls:
    """`flint.arb`: midpoint-radius balls."""

    flint: Any
    prec: int

    @property
    def basis(self) -> str:
        return f"python-flint balls, {self.prec} bits"

    def working(self) -> contextlib.AbstractContextManager[object]:
        return cast(contextlib.AbstractContextManager[object], self.flint.ctx.workprec(self.prec))

    def rational(self, p: int, q: int = 1) -> Ball:
        with self.working():
            return cast(Ball, self.flint.arb(p) / self.flint.arb(q))

    def hull(self, low: float, high: float) -> Ball:
        _checked(low, high)
        with self.working():
            return cast(Ball, self.flint.arb(low).union(self.flint.arb(high)))

    def ends(self, ball: Ball) -> tuple[float, float]:
        arb: Any = ball
        if not arb.is_finite():
            return -math.inf, math.inf
        # Conversion to a double errs by less than an ulp; one step outward covers it.
        return math.nextafter(float(arb.lower()), -math.inf), math.nextafter(float(arb.upper()), math.inf)

    def _of(self, name: str, x: Ball) -> Ball:
        with self.working():
            return cast(Ball, getattr(x, name)())

    def pi(self) -> Ball:
        with self.working():
            return cast(Ball, self.flint.arb.pi())

    def exp(self, x: Ball) -> Ball:
        return self._of("exp", x)

    def log(self, x: Ball) -> Ball:
        return self._of("log", x)

    def sqrt(self, x: Ball) -> Ball:
        return self._of("sqrt", x)

    def sinh(self, x: Ball) -> Ball:
        return self._of("sinh", x)

    def cosh(self, x: Ball) -> Ball:
        return self._of("cosh", x)

    def tanh(self, x: Ball) -> Ball:
        return self._of("tanh", x)

    def erf(self, x: Ball) -> Ball:
        return self._of("erf", x)

    def acos(self, x: Ball) -> Ball:
        return self._of("acos", x)


@dataclass(frozen=True)
class _MpmathIntervals:
    """`mpmath` interval context. It has exp, log, sqrt, cos; the rest is built on them, end by end (all
    monotone).
    """

    iv: Any
    prec: int

    @property
    def basis(self) -> str:
        return f"mpmath intervals, {self.prec} bits"

    def working(self) -> contextlib.AbstractContextManager[object]:
        return contextlib.nullcontext()

    def rational(self, p: int, q: int = 1) -> Ball:
        return cast(Ball, self.iv.mpf(p) / self.iv.mpf(q))

    def hull(self, low: float, high: float) -> Ball:
        _checked(low, high)
        return cast(Ball, self.iv.mpf([low, high]))

    def ends(self, ball: Ball) -> tuple[float, float]:
        interval: Any = ball
        low, high = (float(end) for end in (interval.a, interval.b))
        if math.isnan(low) or math.isnan(high):
            return -math.inf, math.inf
        return math.nextafter(low, -math.inf), math.nextafter(high, math.inf)

    def _monotone(self, at: Callable[[Any], Any], x: Ball) -> Any:
        """Hull of the enclosures at the two ends; right for monotone functions."""
        interval: Any = x
        first, last = at(interval.a), at(interval.b)
        return self.iv.mpf([min(first.a, last.a), max(first.b, last.b)])

    def pi(self) -> Ball:
        return cast(Ball, +self.iv.pi)

    def exp(self, x: Ball) -> Ball:
        return cast(Ball, self.iv.exp(x))

    def log(self, x: Ball) -> Ball:
        return cast(Ball, self.iv.log(x))

    def sqrt(self, x: Ball) -> Ball:
        return cast(Ball, self.iv.sqrt(x))

    def sinh(self, x: Ball) -> Ball:
        return cast(Ball, self._monotone(lambda e: (self.iv.exp(e) - self.iv.exp(-e)) / 2, x))

    def cosh(self, x: Ball) -> Ball:
        return cast(Ball, self._monotone(lambda e: (self.iv.exp(e) + self.iv.exp(-e)) / 2, abs(cast(Any, x))))

    def tanh(self, x: Ball) -> Ball:
        def at(end: Any) -> Any:
            decay = self.iv.exp(-2 * abs(end))
            value = (1 - decay) / (1 + decay)
            return -value if end < 0 else value

        return cast(Ball, self._monotone(at, x))

    def erf(self, x: Ball) -> Ball:
        return cast(Ball, self._monotone(lambda e: -self._erf_above(-e) if e < 0 else self._erf_above(e), x))

    def _erf_above(self, x: Any) -> Any:
        """The error function at x >= 0: 2 x e^(-x^2) / sqrt(pi) times sum_n (2 x^2)^n / (2n + 1)!!, all terms
        positive.
        """
        if x > 40:
            return self.iv.mpf([(1 - self.iv.exp(-x * x)).a, 1])  # 1 - erf(x) <= exp(-x^2)
        square, n = 2 * x * x, 0
        term = total = self.iv.mpf(1)
        while not (2 * square < 2 * n + 3 and term < self.iv.ldexp(1, -self.prec)):
            n += 1
            term = term * square / (2 * n + 1)
            total += term
        # From here on each term is less than half the one before, so the tail is less than the last term.
        total += self.iv.mpf([0, term.b])
        return 2 * x * self.iv.exp(-x * x) * total / self.iv.sqrt(self.iv.pi)

    def acos(self, x: Ball) -> Ball:
        interval: Any = x
        if not (interval.a >= -1 and interval.b <= 1):
            return cast(Ball, self.iv.mpf([-math.inf, math.inf]))
        return cast(Ball, self._monotone(self._acos_at, x))

    def _acos_at(self, x: Any) -> Any:
        """Arc cosine at a point: a floating guess, widened until cos, decreasing on [0, pi], is seen to pass
        x on either side.
        """
        guess = self._guess_acos(x)
        slack = self.iv.ldexp(1, 8 - self.prec)
        while True:
            low, high = (guess - slack).a, (guess + slack).b
            below_ok = bool(low <= 0) or bool(self.iv.cos(low) >= x)
            above_ok = bool(high >= self.iv.pi) or bool(self.iv.cos(high) <= x)
            if below_ok and above_ok:
                return self.iv.mpf([max(low, self.iv.mpf(0)), min(high, self.iv.pi.b)])
            slack = 2 * slack

    def _guess_acos(self, x: Any) -> Any:
        mpmath = importlib.import_module("mpmath")
        with mpmath.workprec(self.prec + 16):
            return self.iv.mpf(mpmath.acos(mpmath.mpf(x.a)))


def flint_balls(prec: int = 128) -> Arithmetic:
    """Ball arithmetic of python-flint at `prec` bits. Raises ImportError without python-flint, ValueError
    unless prec >= 24.
    """
    _bits(prec)
    return _FlintBalls(importlib.import_module("flint"), prec)


def mpmath_intervals(prec: int = 128) -> Arithmetic:
    """Interval arithmetic of mpmath at `prec` bits, in a context of its own. Raises ValueError unless prec >=
    24.
    """
    _bits(prec)
    iv = importlib.import_module("mpmath.ctx_iv").MPIntervalContext()
    iv.prec = prec
    return _MpmathIntervals(iv, prec)


def best(prec: int = 128) -> Arithmetic:
    """python-flint when it can be imported, else mpmath; the enclosures are rigorous either way."""
    return flint_balls(prec) if importlib.util.find_spec("flint") else mpmath_intervals(prec)


def _bits(prec: int) -> None:
    if prec < 24:
        raise ValueError(f"prec is {prec}; it must be at least 24 bits")


MAX_BOXES: Final = 200_000


@dataclass(frozen=True, slots=True)
class Enclosure:
    """low <= supremum <= high, proved by `boxes` boxes in the arithmetic named by `basis`."""

    low: float
    high: float
    boxes: int
    basis: str


@dataclass(frozen=True, slots=True)
class _Search:
    """Bounds for a function and its derivative on boxes [low, high]."""

    derivatives: Callable[[Any], tuple[Any, Any]]
    arithmetic: Arithmetic

    def _at(self, low: float, high: float) -> tuple[Ball, Ball] | None:
        try:
            return self.derivatives(self.arithmetic.hull(low, high))
        except (ValueError, ZeroDivisionError):  # the box is too wide for the formula: nothing is known
            return None

    def at_point(self, x: float) -> tuple[float, float]:
        """Enclosure of f(x)."""
        found = self._at(x, x)
        return self.arithmetic.ends(found[0]) if found else (-math.inf, math.inf)

    def above(self, low: float, high: float) -> tuple[float, float]:
        """Upper bound of f on the box, lower bound of f at some point in it."""
        middle, ends = low / 2 + high / 2, self.arithmetic.ends
        found, centre = self._at(low, high), self._at(middle, middle)
        certain = ends(centre[0])[0] if centre else -math.inf
        if found is None or centre is None:
            return math.inf, certain
        value, slope = found
        falling, rising = ends(slope)
        if falling >= 0 or rising <= 0:  # monotone: the supremum over the box is at an end
            floor, ceiling = self.at_point(high if falling >= 0 else low)
            return ceiling, max(certain, floor)
        offset = self.arithmetic.hull(low, high) - self.arithmetic.hull(middle, middle)
        return min(ends(value)[1], ends(centre[0] + slope * offset)[1]), certain


def supremum(
    derivatives: Callable[[Any], tuple[Any, Any]],
    low: float,
    high: float,
    relative_width: float = 1e-9,
    arithmetic: Arithmetic | None = None,
) -> Enclosure:
    """Enclosure of sup f over [low, high], by branch and bound with the mean-value form.

    `derivatives(ball)` returns enclosures of f and f' over the ball, in `arithmetic` (default `best()`); f
    must be continuously differentiable on [low, high]. A box with f' of one sign counts through one end; on
    others f(middle) + f'(box) (box - middle) bounds f. Ends when high - low <= relative_width * |low|, so sup
    f must not be 0. Raises ValueError unless low <= high are finite and relative_width > 0, ArithmeticError
    when the width is not reached within MAX_BOXES boxes. What lies beyond [low, high] needs an argument of
    its own.
    """
    _checked(low, high)
    if not relative_width > 0:
        raise ValueError(f"relative_width is {relative_width!r}; it must be above 0")
    arithmetic = arithmetic or best()
    with arithmetic.working():
        search = _Search(derivatives, arithmetic)
        ceiling, certain = search.above(low, high)
        heap, boxes = [(-ceiling, low, high)], 1
        while certain == -math.inf or -heap[0][0] - certain > relative_width * abs(certain):
            _, left, right = heapq.heappop(heap)
            middle = left / 2 + right / 2
            if boxes >= MAX_BOXES or not left < middle < right:
                raise ArithmeticError(f"relative width {relative_width:g} was not reached with {boxes} boxes")
            for part in ((left, middle), (middle, right)):
                ceiling, floor = search.above(*part)
                certain = max(certain, floor)
                heapq.heappush(heap, (-ceiling, *part))
            boxes += 2
    return Enclosure(certain, max(certain, -heap[0][0]), boxes, f"{arithmetic.basis}, mean-value form")


def least_eigenvalue_above(
    matrix_of_balls: Sequence[Sequence[Any]], c: float, arithmetic: Arithmetic | None = None
) -> bool:
    """True only if the least eigenvalue of the symmetric matrix exceeds c: all pivots of LDL^T of K - c I are
    positive.

    Balls [n][n], lower triangle read. False says that no proof was found: K - c I may be indefinite, or the
    balls too wide. `arithmetic` (default `best()`) sets the working precision. Raises ValueError for an empty
    or non-square matrix.
    """
    n = len(matrix_of_balls)
    if not n or any(len(row) != n for row in matrix_of_balls):
        raise ValueError(
            f"the matrix has row lengths {[len(row) for row in matrix_of_balls]}; it must be square, n >= 1"
        )
    scaled: list[list[Any]] = []  # rows of L D
    pivots: list[Any] = []
    with (arithmetic or best()).working():
        for i, row in enumerate(matrix_of_balls):
            current: list[Any] = []
            for j in range(i):
                current.append(row[j] - sum(current[k] * scaled[j][k] / pivots[k] for k in range(j)))
            pivot = row[i] - c - sum(v * v / d for v, d in zip(current, pivots, strict=True))
            if (pivot > 0) is not True:
                return False
            scaled.append(current)
            pivots.append(pivot)
    return True
