"""Families of configurations: named integer grids, mapped to ranges, for Hypothesis and for the adversary alike.

Every continuous parameter is an integer on a fine grid, because a hill climber moves integers well and floats badly;
the low end of each grid is the simple end, towards which a counterexample shrinks.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Protocol

from hypothesis import strategies as st

Scalar = float | int | str | bool
Configuration = Mapping[str, Scalar]

FINE = 2**20
# Hypothesis draws integers near zero far more often than others, and now and then one that stands in the source code of
# whatever lies outside site-packages: an editable install would be searched elsewhere than a wheel, and a user's file
# would move the search. So points are drawn far from zero, from a place that no source code holds: it is computed, and
# stands not even here. There all integers are drawn evenly, and the same in every process, wherever the package lies.
FAR = int.from_bytes(hashlib.sha256(b"where grids begin").digest()[:12], "big")
# One draw in so many of a long axis is its simple end, where bounds are most often attained.
SIMPLE = 20


class Axis(Protocol):
    """One named parameter: `size` grid points, each with its value, and the point nearest to a value.

    `holds` says of any value at all whether it lies in the range, between two points of the grid or on one.
    """

    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...
    def value(self, point: int) -> Scalar: ...
    def nearest(self, value: Any) -> int: ...
    def holds(self, value: Any) -> bool: ...


def _within(low: float, value: object, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _clipped(point: int, size: int) -> int:
    return min(max(point, 0), size - 1)


@dataclass(frozen=True)
class Linear:
    """A real parameter in [low, high]."""

    name: str
    low: float
    high: float
    size: int = FINE + 1

    def value(self, point: int) -> float:
        return self.low + (self.high - self.low) * point / (self.size - 1)

    def nearest(self, value: float) -> int:
        return _clipped(round((value - self.low) / (self.high - self.low) * (self.size - 1)), self.size)

    def holds(self, value: Any) -> bool:
        return _within(self.low, value, self.high)


@dataclass(frozen=True)
class Logarithmic:
    """A positive real parameter in [low, high], uniform in its logarithm.

    Where the range is wide for the sake of its ends, `usual` is the part of it that half of the grid covers; a quarter
    lies on either side, each uniform in the logarithm.

    >>> axis = Logarithmic("L", 1.0, 100.0)
    >>> [axis.value(point) for point in (0, axis.size - 1)]
    [1.0, 100.0]
    >>> wide = Logarithmic("sigma_x2", 1e-3, 1e3, usual=(0.1, 10.0))
    >>> [round(wide.value(wide.nearest(x)), 12) for x in (1e-3, 0.1, 1.0, 10.0, 1e3)]
    [0.001, 0.1, 1.0, 10.0, 1000.0]
    >>> [wide.nearest(x) * 4 // wide.size for x in (0.09, 0.11, 9.0, 11.0)]
    [0, 1, 2, 3]
    """

    name: str
    low: float
    high: float
    size: int = FINE + 1
    usual: tuple[float, float] | None = None

    @property
    def _pieces(self) -> tuple[tuple[tuple[float, float], tuple[float, float]], ...]:
        """Between which shares of the grid and which values the logarithm is linear, from below."""
        inner = () if self.usual is None else ((0.25, self.usual[0]), (0.75, self.usual[1]))
        return tuple(pairwise(((0.0, self.low), *inner, (1.0, self.high))))

    def value(self, point: int) -> float:
        share = point / (self.size - 1)
        (left, low), (right, high) = next(piece for piece in self._pieces if share <= piece[1][0])
        if share in (left, right):
            return low if share == left else high
        return low * math.exp((share - left) / (right - left) * math.log(high / low))

    def nearest(self, value: float) -> int:
        value = min(max(value, self.low), self.high)
        (left, low), (right, high) = next(piece for piece in self._pieces if value <= piece[1][1])
        share = left + (right - left) * math.log(value / low) / math.log(high / low)
        return _clipped(round(share * (self.size - 1)), self.size)

    def holds(self, value: Any) -> bool:
        return _within(self.low, value, self.high)


@dataclass(frozen=True)
class Count:
    """A whole number in low, ..., high."""

    name: str
    low: int
    high: int

    @property
    def size(self) -> int:
        return self.high - self.low + 1

    def value(self, point: int) -> int:
        return self.low + point

    def nearest(self, value: int) -> int:
        return _clipped(value - self.low, self.size)

    def holds(self, value: Any) -> bool:
        return isinstance(value, int) and _within(self.low, value, self.high)


@dataclass(frozen=True)
class LogarithmicCount:
    """A whole number in low, ..., high, uniform in its logarithm: one and two are drawn as often as their ratio asks.

    >>> axis = LogarithmicCount("K", 1, 4096)
    >>> all(axis.value(axis.nearest(K)) == K for K in range(1, 4097))
    True
    """

    name: str
    low: int
    high: int
    size: int = FINE + 1

    @property
    def _reals(self) -> Logarithmic:
        # Every number has the reals within one half of it.
        return Logarithmic(self.name, self.low - 0.5, self.high + 0.5, self.size)

    def value(self, point: int) -> int:
        return min(max(round(self._reals.value(point)), self.low), self.high)

    def nearest(self, value: int) -> int:
        # Zero is the simple end, whatever number near it is asked for.
        return 0 if value <= self.low else self._reals.nearest(value)

    def holds(self, value: Any) -> bool:
        return isinstance(value, int) and _within(self.low, value, self.high)


@dataclass(frozen=True)
class Choice:
    """One of a few options, the simplest first, which is drawn `usual` times as often as each other one."""

    name: str
    options: tuple[Scalar, ...]
    usual: int = 1

    @property
    def size(self) -> int:
        return len(self.options)

    def value(self, point: int) -> Scalar:
        return self.options[point]

    def nearest(self, value: Scalar) -> int:
        return self.options.index(value) if value in self.options else 0

    def holds(self, value: Any) -> bool:
        return value in self.options


def _spare(axis: Axis) -> int:
    """How many cells the first point has beside its own."""
    return axis.usual - 1 if isinstance(axis, Choice) else 0


def _drawn(axis: Axis) -> int:
    """How many draws give the first point beside its own; among few points none is drawn more seldom than that."""
    spare = _spare(axis)
    return spare + (axis.size + spare) // (SIMPLE - 1)


@dataclass(frozen=True)
class Space:
    """A product of axes; a point is one integer per axis, a configuration the values there."""

    axes: tuple[Axis, ...]

    def configuration(self, point: Sequence[int]) -> Configuration:
        """The configuration at a grid point, by name."""
        return {axis.name: axis.value(j) for axis, j in zip(self.axes, point, strict=True)}

    def nearest(self, configuration: Configuration) -> tuple[int, ...]:
        """The grid point nearest to a configuration, axis by axis; the simplest option for an unknown one."""
        return tuple(axis.nearest(configuration[axis.name]) for axis in self.axes)

    def holds(self, configuration: Configuration) -> bool:
        """Whether a configuration has these parameters and no other, each with a value in its range.

        >>> [Space((Count("n", 1, 9),)).holds(x) for x in ({"n": 9}, {"n": 10}, {"n": 1.5}, {"m": 1}, {})]
        [True, False, False, False, False]
        """
        named = {axis.name: axis for axis in self.axes}
        return named.keys() == configuration.keys() and all(x.holds(configuration[name]) for name, x in named.items())

    def from_cube(self, position: Sequence[float]) -> tuple[int, ...]:
        """The grid point nearest to a position in the unit cube; positions outside are brought back to it."""
        clipped = (min(max(x, 0.0), 1.0) for x in position)
        spare = [_spare(axis) for axis in self.axes]
        cells = [axis.size + more for axis, more in zip(self.axes, spare, strict=True)]
        drawn = (min(int(x * count), count - 1) for x, count in zip(clipped, cells, strict=True))
        return tuple(max(j - more, 0) for j, more in zip(drawn, spare, strict=True))

    @property
    def points(self) -> st.SearchStrategy[tuple[int, ...]]:
        """The strategy of grid points, one integer per axis."""
        more = [_drawn(axis) for axis in self.axes]
        ends = (FAR + axis.size + extra - 1 for axis, extra in zip(self.axes, more, strict=True))
        drawn = st.tuples(*(st.integers(FAR, end) for end in ends))
        return drawn.map(lambda far: tuple(max(j - FAR - extra, 0) for j, extra in zip(far, more, strict=True)))

    def choices(self, point: Sequence[int]) -> tuple[int, ...]:
        """What Hypothesis draws for a point: to hand it a witness to start from."""
        return tuple(FAR + (j + _drawn(axis) if j else 0) for j, axis in zip(point, self.axes, strict=True))

    def with_option(self, name: str, option: Scalar) -> "Space":
        """The space with one more option on a Choice axis; unchanged where there is no such axis."""
        extend = (
            replace(x, options=(*x.options, option)) if isinstance(x, Choice) and x.name == name else x
            for x in self.axes
        )
        return Space(tuple(extend))
