"""Interval arithmetic against exact rationals and mpmath at 400 bits: the true value lies within, always."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from elbound.properties.evidence import intervals
from elbound.properties.evidence.intervals import ULPS, Interval

Floats = NDArray[np.float64]
quiet = settings(deadline=None, derandomize=True, database=None, max_examples=150)

finite = st.floats(allow_nan=False, allow_infinity=False)
moderate = st.floats(-700, 700)


@st.composite
def point_in_interval(draw: st.DrawFn, values: st.SearchStrategy[float] = finite) -> tuple[float, Interval]:
    low, inner, high = sorted(draw(st.lists(values, min_size=3, max_size=3)))
    return inner, Interval(np.asarray(low), np.asarray(high))


def holds(interval: Interval, exact: Any) -> bool:
    """Whether the exact number (Fraction or 400-bit mpf, whose own error is far below any gap) lies
    within.
    """
    if isinstance(exact, Fraction):
        low, high = float(interval.low), float(interval.high)
        return (low == -math.inf or Fraction(low) <= exact) and (high == math.inf or exact <= Fraction(high))
    return bool(mpmath.mpf(float(interval.low)) <= exact <= mpmath.mpf(float(interval.high)))


BINARY: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "sum": (lambda x, y: x + y, lambda x, y: x + y),
    "difference": (lambda x, y: x - y, lambda x, y: x - y),
    "product": (lambda x, y: x * y, lambda x, y: x * y),
    "quotient": (lambda x, y: x / y, lambda x, y: x / y),
    "maximum": (intervals.maximum, max),
    "minimum": (intervals.minimum, min),
}


@pytest.mark.parametrize("name", BINARY)
@quiet
@given(point_in_interval(), point_in_interval())
def test_a_binary_operation_holds_the_exact_result(
    name: str, first: tuple[float, Interval], second: tuple[float, Interval]
) -> None:
    of_intervals, of_rationals = BINARY[name]
    assume(name != "quotient" or second[0] != 0)
    exact = of_rationals(Fraction(first[0]), Fraction(second[0]))
    assert holds(of_intervals(first[1], second[1]), exact)
    assert holds(of_intervals(first[1], second[0]), exact)
    assert holds(of_intervals(first[0], second[1]), exact)


@quiet
@given(point_in_interval(), st.integers(-7, 9))
def test_an_integer_power_and_absolute_value_hold_the_exact_result(given_: tuple[float, Interval], power: int) -> None:
    inner, interval = given_
    assert holds(abs(interval), abs(Fraction(inner)))
    assert holds(-interval, -Fraction(inner))
    assume(inner != 0 or power >= 0)
    assert holds(interval**power, Fraction(inner) ** power)


UNARY: dict[str, tuple[Callable[[Interval], Interval], Callable[[Any], Any], st.SearchStrategy[float]]] = {
    "exp": (intervals.exp, mpmath.exp, st.floats(-800, 720)),
    "log": (intervals.log, mpmath.log, st.floats(5e-324, 1e308)),
    "sqrt": (intervals.sqrt, mpmath.sqrt, st.floats(0, 1e308)),
    "tanh": (intervals.tanh, mpmath.tanh, st.one_of(st.floats(-25, 25), finite.map(lambda x: x / 1e300))),
    "sinh": (intervals.sinh, mpmath.sinh, moderate),
    "cosh": (intervals.cosh, mpmath.cosh, moderate),
    "erf": (intervals.erf, mpmath.erf, st.floats(-7, 7)),
    "asin": (intervals.asin, mpmath.asin, st.floats(-1, 1)),
    "acos": (intervals.acos, mpmath.acos, st.floats(-1, 1)),
    "power 2.5": (lambda x: x**2.5, lambda x: x ** mpmath.mpf(2.5), st.floats(1e-60, 1e60)),
    "power -0.3": (lambda x: x**-0.3, lambda x: x ** mpmath.mpf(-0.3), st.floats(1e-60, 1e60)),
}


@pytest.mark.parametrize("name", UNARY)
@quiet
@given(st.data())
def test_a_function_holds_the_exact_result(name: str, data: st.DataObject) -> None:
    of_intervals, exact, domain = UNARY[name]
    inner, interval = data.draw(point_in_interval(domain))
    with mpmath.workprec(400):
        assert holds(of_intervals(interval), exact(mpmath.mpf(inner)))
        assert holds(of_intervals(Interval.of(inner)), exact(mpmath.mpf(inner)))


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "sinh", "cosh", "erf", "asin", "acos"])
def test_the_libraries_here_keep_the_assumed_distance_from_the_exact_value(name: str) -> None:
    # Measures assumption (2) of the module on 1500 points: the exact value within ULPS doubles of the
    # computed one.
    low, high = {"exp": (-700, 700), "log": (1e-3, 1e3), "asin": (-1, 1), "acos": (-1, 1)}.get(name, (-6.0, 6.0))
    x = np.linspace(low, high, 1500)
    computed = UNARY[name][0](Interval.of(x))
    with mpmath.workprec(400):
        exact = [UNARY[name][1](mpmath.mpf(float(v))) for v in x]
        inside = [holds(computed[i], value) for i, value in enumerate(exact)]
        nearest = np.array([float(value) for value in exact])
    assert all(inside)
    spread = 2 * ULPS * np.spacing(np.abs(nearest)) * 2  # widened by ULPS either way, twice where the exponent changes
    assert bool(np.all(computed.width <= spread + 5e-324 * 4 * ULPS))


# --- sums
# ----------------------------------------------------------------------------------------------------------


def unwidened_sum(terms: Interval) -> Interval:
    """The wrong version: ends added in floating point and left at that."""
    return Interval(np.asarray(terms.low.sum()), np.asarray(terms.high.sum()))


def check_sum(total: Callable[[Interval], Interval], terms: list[float]) -> None:
    exact = sum((Fraction(t) for t in terms), Fraction(0))
    assert holds(total(Interval.of(np.array(terms))), exact)


@quiet
@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=50))
def test_a_sum_holds_the_exact_sum(terms: list[float]) -> None:
    check_sum(Interval.sum, terms)


def test_a_sum_without_widening_is_caught() -> None:
    @quiet
    @given(st.lists(st.floats(-1, 1), min_size=1, max_size=50))
    def property_of_wrong_version(terms: list[float]) -> None:
        check_sum(unwidened_sum, terms)

    with pytest.raises(AssertionError):
        property_of_wrong_version()


def test_a_product_without_widening_is_caught_too() -> None:
    tenth = Interval.of(0.1)
    assert holds(tenth * tenth, Fraction(0.1) ** 2)
    assert not holds(Interval.of(0.1 * 0.1), Fraction(0.1) ** 2)


def test_reductions_go_along_an_axis() -> None:
    x = Interval(np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(2, 3) + 1)
    assert x.sum(axis=1).shape == (2,)
    assert x.sum(axis=1).contains([3.0, 15.0])
    assert x.sum().contains(18.0)
    assert x.max(axis=0).low.tolist() == [3, 4, 5]
    assert x.min(axis=0).high.tolist() == [1, 2, 3]
    assert float(x[0, 2].high) == 3


def test_a_large_sum_stays_narrow() -> None:
    # n = 1e5 terms of size one: the stated bound is 2 n u n, below 1e-6 here, and one ulp of 1e5.
    total = Interval.of(np.full(100_000, 0.1)).sum()
    assert holds(total, 100_000 * Fraction(0.1))
    assert float(total.width) <= 2 * (2e5 * 2.0**-53 * 1e4 + 2 * float(np.spacing(1e4)))


# --- edges
# ---------------------------------------------------------------------------------------------------------


def test_division_by_an_interval_holding_zero_gives_the_whole_line() -> None:
    quotient = 1.0 / Interval(np.array([-1.0, 0.0, 1.0]), np.array([1.0, 2.0, 2.0]))
    assert quotient.low[:2].tolist() == [-math.inf] * 2
    assert quotient.high[:2].tolist() == [math.inf] * 2
    assert quotient[2].contains(0.5)
    assert float(quotient[2].low) > 0.49


def test_log_sqrt_and_arcs_take_the_part_inside_their_domain() -> None:
    part = Interval(np.asarray(-1.0), np.asarray(4.0))
    assert float(intervals.sqrt(part).low) == 0
    assert intervals.sqrt(part).contains(2.0)
    assert float(intervals.log(part).low) == -math.inf
    assert intervals.asin(part).contains(math.asin(-1.0))
    assert intervals.acos(part).contains(0.0)
    assert (part**0.5).contains(2.0)


@pytest.mark.parametrize("function", [intervals.log, intervals.sqrt, intervals.asin, intervals.acos, lambda x: x**0.5])
def test_an_argument_outside_the_domain_is_refused(function: Callable[[Interval], Interval]) -> None:
    with pytest.raises(ValueError, match="outside"):
        function(Interval(np.array([-3.0, 0.5]), np.array([-2.0, 0.5])))


def test_overflow_and_underflow_stay_enclosures() -> None:
    huge, tiny = Interval.of(1e308), Interval.of(1e-308)
    assert holds(huge * huge, Fraction(1e308) ** 2)
    assert holds(tiny * tiny, Fraction(1e-308) ** 2)
    assert float((tiny * tiny).low) == 0
    assert float((huge * huge).low) == np.finfo(np.float64).max
    assert holds((-huge) * huge, -(Fraction(1e308) ** 2))
    assert holds(Interval.of(np.array([1e308, 1e308, -1e308])).sum(), Fraction(1e308))
    unbounded = Interval(np.asarray(0.0), np.asarray(math.inf))
    assert (unbounded * unbounded).contains(1e300)
    assert (unbounded - unbounded).contains(-1e300)
    assert (unbounded / (unbounded + 1.0)).contains(1e300)
    assert float((0.0 * unbounded).high) < 1e-300


def test_numbers_and_arrays_mix_and_broadcast() -> None:
    column = Interval.of(np.ones((3, 1)))
    mixed = np.arange(4.0) + column * 2 - 1
    assert isinstance(mixed, Interval)
    assert mixed.shape == (3, 4)
    assert mixed.contains(np.arange(4.0) + 1)
    assert (np.arange(4.0) / (1.0 + column)).shape == (3, 4)
    assert column.below(2.0)
    assert not column.below(1.0)
    assert holds(Interval.of(2**53 + 1), Fraction(2**53 + 1))
    assert holds(Interval.ratio(1, 3), Fraction(1, 3))
    assert float(Interval.ratio(1, 4).width) < 1e-300
    assert (Interval.of(1.0) + 1.0).contains(mixed[0, 1].middle)


@pytest.mark.parametrize(("low", "high"), [(1.0, 0.0), (math.nan, 0.0), (0.0, math.nan), (math.inf, math.inf)])
def test_crossed_or_undefined_ends_are_refused(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="low <= high must hold"):
        Interval(np.asarray(low), np.asarray(high))
