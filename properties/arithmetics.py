"""Two number systems for claims: arrays of replicates, and intervals that surely hold the value.

An index set is a column, so a sum over steps of an array [steps, replicates] leaves one number per replicate.
"""

from functools import reduce
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import special
from sympy import NumberSymbol

from elbound.properties.evidence import intervals
from elbound.properties.evidence.intervals import Interval
from elbound.theory.evaluate import exact, log_gap, whole

Floats = NDArray[np.float64]
ROUNDING = 1e-12
UNIT = 2.0**-53


def _cosine(values: Floats) -> Floats:
    """A cosine brought back to [-1, 1] where rounding alone took it out; what lies farther out stays and is NaN's."""
    near = np.abs(values) <= 1 + ROUNDING
    return np.where(near, np.clip(values, -1.0, 1.0), values)


def exactly(value: Any) -> Any:
    """An exact number as a fraction, or a column of whole ones as Python's integers, which do not overflow.

    ValueError for an interval with a width, for numbers that are not finite, and for what is measured by replicates.
    """
    if isinstance(value, Interval):
        if np.any(value.low != value.high):
            ends = f"[{float(value.low.min()):.17g}, {float(value.high.max()):.17g}]"
            raise ValueError(f"it is only known to lie in {ends}; a letter that counts is declared with integer=True")
        value = value.low
    given = np.asarray(value)
    if given.ndim < 2:
        if given.size != 1:
            raise ValueError(f"an array of shape {given.shape} is no single number")
        return exact(given.reshape(()).item())
    return wholes(given).astype(object)


def wholes(value: Any) -> Any:
    """A whole number as an int, a column of them as int64. ValueError for all else; nothing is rounded."""
    given = exactly(value) if isinstance(value, Interval) else value
    if np.ndim(given) < 2:
        return whole(exactly(given))
    column = np.asarray(given)
    if column.dtype == object:
        known = [whole(x) for x in column.ravel()]
        if beyond := next((x for x in known if abs(x) >= 2**62), None):
            raise ValueError(f"{beyond} is beyond every index")
        return np.array(known, dtype=np.int64).reshape(column.shape)
    if not np.array_equal(column, np.trunc(column)) or not np.all(np.abs(column) < 2.0**53):
        raise ValueError(f"{column[column != np.trunc(column)][:1]} is no whole number")
    return column.astype(np.int64)


class Replicates:
    """float64 arrays whose last axis runs over replicates."""

    _functions: ClassVar[dict[str, Any]] = {
        "absolute": np.abs,
        "acos": lambda x: np.arccos(_cosine(x)),
        "asin": lambda x: np.arcsin(_cosine(x)),
        "cosh": np.cosh,
        "erf": special.erf,
        "exp": np.exp,
        "log": np.log,
        "log_gap": np.vectorize(log_gap, otypes=[np.float64]),
        "maximum": np.maximum,
        "minimum": np.minimum,
        "sinh": np.sinh,
        "sqrt": np.sqrt,
        "tanh": np.tanh,
    }

    def rational(self, numerator: int, denominator: int) -> Floats:
        return np.asarray(numerator / denominator)

    def constant(self, number: NumberSymbol) -> Floats:
        return np.asarray(float(number))

    def function(self, name: str, *arguments: Floats) -> Floats:
        function = self._functions[name]
        return np.asarray(reduce(function, arguments) if len(arguments) > 1 else function(*arguments))

    def power(self, base: Floats, exponent: Any) -> Floats:
        return np.asarray(np.asarray(base, dtype=np.float64) ** exponent)

    def exceeds(self, left: Floats, right: Floats) -> Floats:
        return np.asarray(np.greater(left, right), dtype=np.float64)

    def exact(self, value: Any) -> Any:
        return exactly(value)

    def whole(self, value: Any) -> Any:
        return wholes(value)

    def indices(self, first: int, last: int) -> Floats:
        return np.arange(first, last + 1, dtype=np.float64)[:, None]

    def total(self, terms: Any) -> Floats:
        # Terms taken one by one may hold empty sums, which are plain zeros.
        columns = np.broadcast_arrays(*terms) if isinstance(terms, list) else terms
        return np.asarray(np.sum(columns, axis=0))


def _log_gap(y: Interval) -> Interval:
    """A decreasing function, known to 32 units in the last place, of the part of y in [0, inf]."""
    ends = (np.vectorize(log_gap, otypes=[np.float64])(np.maximum(end, 0.0)) for end in (y.high, y.low))
    low, high = ends
    return Interval(low * (1 - 64 * UNIT), high * (1 + 64 * UNIT))


class Enclosures:
    """Outward-rounded intervals."""

    def rational(self, numerator: int, denominator: int) -> Interval:
        return Interval.ratio(numerator, denominator)

    def constant(self, number: NumberSymbol) -> Interval:
        nearest = float(number)
        return Interval(np.nextafter(nearest, -np.inf), np.nextafter(nearest, np.inf))

    def function(self, name: str, *arguments: Interval) -> Interval:
        if name == "absolute":
            return abs(arguments[0])
        if name == "log_gap":
            return _log_gap(arguments[0])
        function = getattr(intervals, name)
        return reduce(function, arguments) if len(arguments) > 1 else function(*arguments)

    def power(self, base: Interval, exponent: Any) -> Interval:
        if isinstance(exponent, int):
            return base**exponent
        return intervals.exp(intervals.log(base) * exponent)

    def exceeds(self, left: Interval, right: Interval) -> Interval:
        surely, possibly = left.low > right.high, left.high > right.low
        return Interval(surely.astype(np.float64), possibly.astype(np.float64))

    def exact(self, value: Any) -> Any:
        return exactly(value)

    def whole(self, value: Any) -> Any:
        return wholes(value)

    def indices(self, first: int, last: int) -> Interval:
        return Interval.of(np.arange(first, last + 1, dtype=np.float64)[:, None])

    def total(self, terms: Interval | list[Interval]) -> Interval:
        if isinstance(terms, list):
            ends = ([x.low for x in terms], [x.high for x in terms])
            terms = Interval(*(np.stack(np.broadcast_arrays(*x)) for x in ends))
        return terms.sum(axis=0)
