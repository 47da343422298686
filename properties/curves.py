"""Measured curves: what a quantity with an index is at the whole numbers where it was measured, and nowhere else.

A curve is asked for one whole number, or for a column of them [m, 1], and gives a number, an interval or replicates for
each, along the first axis of a column. An index outside is NotMeasured, which names the index and the range: nothing is
wrapped, clamped or rounded.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elbound.properties.arithmetics import wholes
from elbound.properties.evidence.intervals import Interval
from elbound.theory.evaluate import NotMeasured

SHOWN = 12  # of measured indices with gaps, in a message


class Curve(ABC):
    """A quantity with one index. Whole numbers come in any guise: ints, floats without a fraction, exact intervals."""

    def __call__(self, index: Any) -> Any:
        where = wholes(index)
        outside = [j for j in np.atleast_1d(where).ravel().tolist() if not self.holds(j)]
        if outside:
            raise NotMeasured(f"index {outside[0]}; measured: {self.range}")
        return self.at(where)

    @abstractmethod
    def holds(self, index: int) -> bool:
        """Whether the curve was measured at an index."""

    @property
    @abstractmethod
    def range(self) -> str:
        """The indices at which it was measured, in words."""

    @abstractmethod
    def at(self, where: Any) -> Any:
        """The values at an index, or at a column of them, all of which it holds."""


def _from_to(first: int, last: int | None) -> str:
    return f"{first} or more" if last is None else f"{first} to {last}"


@dataclass(frozen=True)
class _Run(Curve):
    """A curve at all indices from a first to a last one, or without end."""

    def holds(self, index: int) -> bool:
        first, last = self.ends
        return first <= index and (last is None or index <= last)

    @property
    def range(self) -> str:
        return _from_to(*self.ends)

    @property
    @abstractmethod
    def ends(self) -> tuple[int, int | None]:
        """The first and the last index; None without end."""


@dataclass(frozen=True)
class Steps(_Run):
    """A curve at the indices first, first + 1, ...: rows [indices, replicates], or one number for each index.

    TypeError for anything but an array or an Interval of numbers.
    """

    rows: NDArray[np.float64] | Interval
    first: int = 1

    def __post_init__(self) -> None:
        rows = self.rows if isinstance(self.rows, Interval) else _numbers(self.rows)
        if rows is None or len(rows.shape) not in (1, 2):
            given = "" if rows is None else f" of shape {rows.shape}"
            expected = "expected an Interval or an array of rows [indices, replicates]"
            raise TypeError(f"Steps: {type(self.rows).__name__}{given}; {expected}")
        if len(rows.shape) == 1:
            rows = Interval(rows.low[:, None], rows.high[:, None]) if isinstance(rows, Interval) else rows[:, None]
        object.__setattr__(self, "rows", rows)

    @property
    def ends(self) -> tuple[int, int]:
        return self.first, self.first + self.rows.shape[0] - 1

    def at(self, where: Any) -> Any:
        rows = (where.reshape(-1) if np.ndim(where) else where) - self.first
        return self.rows[rows]


def _numbers(given: Any) -> NDArray[np.float64] | None:
    try:
        return np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError):  # torch says the last of tensors that ask for gradients
        return None


class _OneByOne(Curve):
    """A curve whose values are found for one index at a time."""

    @abstractmethod
    def one(self, index: int) -> Any:
        """The value at one index that it holds."""

    def at(self, where: Any) -> Any:
        if not np.ndim(where):
            return self.one(where)
        found = [self.one(j) for j in where.ravel().tolist()]
        if all(isinstance(x, Interval) for x in found):
            return Interval(*(np.stack([np.atleast_1d(getattr(x, end)) for x in found]) for end in ("low", "high")))
        return np.stack([np.atleast_1d(np.asarray(x, dtype=np.float64)) for x in found])


@dataclass(frozen=True)
class At(_OneByOne):
    """A curve measured at a few indices only, each by its own value."""

    values: Mapping[int, Any]

    def holds(self, index: int) -> bool:
        return index in self.values

    @property
    def range(self) -> str:
        known = [str(j) for j in sorted(self.values)]
        return ", ".join(known if len(known) <= SHOWN else [*known[: SHOWN - 1], "...", known[-1]]) + " only"

    def one(self, index: int) -> Any:
        return self.values[index]


@dataclass(frozen=True)
class Everywhere(_Run):
    """A curve with the same sure range at every index from a first to a last one."""

    value: Interval
    last: int | None = None
    first: int = 1

    @property
    def ends(self) -> tuple[int, int | None]:
        return self.first, self.last

    def at(self, where: Any) -> Interval:  # noqa: ARG002  the same wherever
        return self.value


@dataclass(frozen=True)
class Computed(_Run, _OneByOne):
    """A curve given as a function of its index, which gets one int at a time, from `first` to `last`.

    Without a last index it ends where the function raises LookupError. Each value is computed once.
    """

    function: Callable[[int], Any]
    last: int | None = None
    first: int = 1
    _known: dict[int, Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    @property
    def ends(self) -> tuple[int, int | None]:
        return self.first, self.last

    def one(self, index: int) -> Any:
        if index not in self._known:
            try:
                self._known[index] = self.function(index)
            except LookupError as failure:
                said = " ".join(str(failure).split())
                raise NotMeasured(f"index {index}; the function of this curve has none: {said}") from None
        return self._known[index]


@dataclass(frozen=True)
class Spectrum(_Run):
    """A curve of parameters at the indices 1, 2, ..., each known up to the same sure absolute error."""

    values: tuple[float, ...]
    error: float = 0.0

    @property
    def ends(self) -> tuple[int, int]:
        return 1, len(self.values)

    def at(self, where: Any) -> Any:
        found = np.asarray(self.values)[where - 1]
        return found if found.ndim else float(found)

    @property
    def enclosed(self) -> Steps:
        """The same curve in intervals that hold the true values."""
        return Steps(Interval.around(np.asarray(self.values)[:, None], self.error))
