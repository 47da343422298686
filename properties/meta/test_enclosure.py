"""Certified suprema and eigenvalue bounds: both backends against each other and against closed forms."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elbound.properties.evidence.enclosure import (
    Arithmetic,
    best,
    flint_balls,
    least_eigenvalue_above,
    mpmath_intervals,
    supremum,
)

quiet = settings(deadline=None, derandomize=True, database=None, max_examples=40)

BACKENDS: list[Arithmetic] = [mpmath_intervals(128)]
with contextlib.suppress(ImportError):
    BACKENDS.append(flint_balls(128))
on_each = pytest.mark.parametrize("A", BACKENDS, ids=lambda a: a.basis)

Formula = Callable[[Arithmetic], Callable[[Any], tuple[Any, Any]]]


def tanh_second(A: Arithmetic) -> Callable[[Any], tuple[Any, Any]]:
    """Second and third derivative of tanh."""

    def at(x: Any) -> tuple[Any, Any]:
        t = A.tanh(x)
        s = 1 - t * t
        return -2 * t * s, s * (6 * t * t - 2)

    return at


def sigmoid_second(A: Arithmetic) -> Callable[[Any], tuple[Any, Any]]:
    """Second and third derivative of 1 / (1 + e^-x) = (1 + tanh(x/2)) / 2."""

    def at(x: Any) -> tuple[Any, Any]:
        t = A.tanh(x / 2)
        s = (1 - t * t) / 4
        return -t * s, s * (t * t - 2 * s)

    return at


def softplus_second(A: Arithmetic) -> Callable[[Any], tuple[Any, Any]]:
    """Second and third derivative of log(1 + e^x), with exp alone: u / (1 + u)^2, u = e^-x."""

    def at(x: Any) -> tuple[Any, Any]:
        u = A.exp(-x)
        value = u / (1 + u) ** 2
        return value, value * (u - 1) / (1 + u)

    return at


def gelu_second(A: Arithmetic) -> Callable[[Any], tuple[Any, Any]]:
    """Second and third derivative of x Phi(x): (2 - x^2) phi and (x^3 - 4x) phi."""

    def at(x: Any) -> tuple[Any, Any]:
        phi = A.exp(-x * x / 2) / A.sqrt(2 * A.pi())
        return (2 - x * x) * phi, (x**3 - 4 * x) * phi

    return at


SUPREMA: dict[str, tuple[Formula, float]] = {
    "tanh": (tanh_second, 4 / (3 * math.sqrt(3))),
    "sigmoid": (sigmoid_second, 1 / (6 * math.sqrt(3))),
    "softplus": (softplus_second, 0.25),
    "gelu": (gelu_second, math.sqrt(2 / math.pi)),
}


@on_each
@pytest.mark.parametrize("name", SUPREMA)
def test_a_known_supremum_is_enclosed_to_the_width_asked_for(A: Arithmetic, name: str) -> None:
    formula, value = SUPREMA[name]
    for width in (1e-4, 1e-9):
        found = supremum(formula(A), -20.0, 21.0, width, A)
        # The closed forms are rounded twice: two units, far below the widths.
        assert found.low <= value * (1 + 4e-16)
        assert value * (1 - 4e-16) <= found.high
        assert found.high - found.low <= width * found.low
        assert A.basis in found.basis


@on_each
def test_a_false_closed_form_is_excluded(A: Arithmetic) -> None:
    found = supremum(tanh_second(A), -20.0, 20.0, 1e-9, A)
    assert found.high < (1 + 1e-8) * 4 / (3 * math.sqrt(3))
    assert found.low > 0.7697


@on_each
def test_suprema_at_ends_and_over_a_single_point(A: Arithmetic) -> None:
    def exponential(x: Any) -> tuple[Any, Any]:
        return A.exp(x), A.exp(x)

    found = supremum(exponential, 0.0, 1.0, 1e-12, A)
    assert found.low <= math.e * (1 + 2**-52)
    assert math.e * (1 - 2**-52) <= found.high
    assert found.boxes == 1
    point = supremum(exponential, 0.0, 0.0, 1e-12, A)
    assert point.low <= 1 <= point.high


@on_each
def test_a_sampled_maximum_never_exceeds_the_enclosure(A: Arithmetic) -> None:
    # A wiggly polynomial: (x^2 - 1)(x - 2) x on [-1.2, 2.1], its maximum found independently on a fine grid.
    def at(x: Any) -> tuple[Any, Any]:
        return (x * x - 1) * (x - 2) * x, 4 * x**3 - 6 * x * x - 2 * x + 2

    found = supremum(at, -1.2, 2.1, 1e-10, A)
    x = np.linspace(-1.2, 2.1, 200_001)
    sampled = float(np.max((x * x - 1) * (x - 2) * x))
    # Spacing 1.65e-5, second derivative below 70 on the interval, and rounding of values below 5.
    assert sampled <= found.high + 1e-14
    assert found.low <= sampled + 70 * 1.65e-5**2


@on_each
def test_a_formula_that_divides_by_a_wide_ball_is_split_and_not_trusted(A: Arithmetic) -> None:
    def at(x: Any) -> tuple[Any, Any]:
        # 1 / (1 + x^2), with x * x that forgets its sign: over a wide ball the divisor holds zero.
        return 1 / (1 + x * x), -2 * x / (1 + x * x) ** 2

    found = supremum(at, -3.0, 4.0, 1e-9, A)
    assert found.low <= 1 <= found.high


@on_each
def test_a_supremum_that_cannot_be_reached_is_an_error_and_no_number(A: Arithmetic) -> None:
    with pytest.raises(ArithmeticError, match="was not reached"):
        supremum(lambda x: (1 / x, -1 / (x * x)), -1.0, 1.0, 1e-3, A)


@on_each
def test_a_forgotten_slope_is_caught_by_the_closed_form(A: Arithmetic) -> None:
    # A planted fault: with f' = 0 every box counts through one end.
    found = supremum(lambda x: (tanh_second(A)(x)[0], 0 * x), -20.0, 20.5, 1e-6, A)
    assert not found.low <= 4 / (3 * math.sqrt(3)) <= found.high


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: supremum(lambda x: (x, x), 1.0, 0.0),
        lambda: supremum(lambda x: (x, x), 0.0, math.inf),
        lambda: supremum(lambda x: (x, x), 0.0, 1.0, 0.0),
        lambda: mpmath_intervals(8),
        lambda: least_eigenvalue_above([], 0.0),
        lambda: least_eigenvalue_above([[1, 2]], 0.0),
    ],
)
def test_bad_input_is_refused_with_one_line(wrong: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"\A.+must .+\Z"):
        wrong()


FUNCTIONS: dict[str, tuple[Callable[[Any], Any], float, float]] = {
    "exp": (mpmath.exp, -30, 30),
    "log": (mpmath.log, 1e-6, 1e6),
    "sqrt": (mpmath.sqrt, 0, 1e6),
    "sinh": (mpmath.sinh, -30, 30),
    "cosh": (mpmath.cosh, -30, 30),
    "tanh": (mpmath.tanh, -60, 60),
    "erf": (mpmath.erf, -12, 12),
    "acos": (mpmath.acos, -1, 1),
}


@on_each
@pytest.mark.parametrize("name", FUNCTIONS)
@quiet
@given(st.data())
def test_a_function_encloses_its_values_on_points_and_on_boxes(A: Arithmetic, name: str, data: st.DataObject) -> None:
    exact, low, high = FUNCTIONS[name]
    left, inner, right = sorted(data.draw(st.lists(st.floats(low, high), min_size=3, max_size=3)))
    with mpmath.workprec(600):
        value = exact(mpmath.mpf(inner))
        thin, wide = (A.ends(getattr(A, name)(A.hull(*box))) for box in ((inner, inner), (left, right)))
        assert thin[0] <= value <= thin[1]
        assert wide[0] <= value <= wide[1]
        # 128 bits leave at least 64 good ones here: cancellation costs at most e^-12 * 2^-128 absolutely, and
        # the arc cosine the square root of the precision near +-1; two steps outward for the conversion to
        # doubles.
        assert thin[1] - thin[0] <= 2.0**-50 * max(abs(float(value)), 2.0**-50)


@quiet
@given(st.sampled_from(sorted(FUNCTIONS)), st.data())
def test_few_bits_widen_an_enclosure_and_never_break_it(name: str, data: st.DataObject) -> None:
    exact, low, high = FUNCTIONS[name]
    x = data.draw(st.floats(low, high))
    for A in (mpmath_intervals(24), best(24)):
        ends = A.ends(getattr(A, name)(A.hull(x, x)))
        with mpmath.workprec(600):
            assert ends[0] <= exact(mpmath.mpf(x)) <= ends[1]


def test_a_bad_guess_of_the_arc_cosine_is_widened_until_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    A = mpmath_intervals(64)
    for offset in (-0.01, 0.01):
        monkeypatch.setattr(type(A), "_guess_acos", lambda self, x, by=offset: self.iv.mpf(math.acos(float(x.a)) + by))
        for x in (-0.9, 0.0, 0.3):
            low, high = A.ends(A.acos(A.hull(x, x)))
            assert low <= math.acos(x) <= high


@on_each
def test_constants_and_beyond_domain(A: Arithmetic) -> None:
    low, high = A.ends(A.pi())
    assert low < math.pi < high
    assert high - low < 2e-15
    third = A.ends(A.rational(1, 3))
    assert third[0] < 1 / 3 < third[1]
    assert A.ends(A.acos(A.hull(-1.0, 2.0))) == (-math.inf, math.inf)
    assert A.ends(1 / A.hull(-1.0, 1.0)) == (-math.inf, math.inf)
    assert A.ends(A.erf(A.hull(50.0, 60.0)))[0] > 1 - 1e-15
    with pytest.raises(ValueError, match="low, high"):
        A.hull(1.0, 0.0)


def arc_cosine_kernel(A: Arithmetic, n: int) -> list[list[Any]]:
    """(sqrt(1 - r^2) + r (pi - acos r)) / pi at the inner products r of n points on the circle: smooth, ill
    conditioned.
    """
    pi = A.pi()

    def entry(i: int, j: int) -> Any:
        r = A.rational(1 - (i - j) ** 2, 1 + (i - j) ** 2)  # rational cosines
        return (A.sqrt(1 - r * r) + r * (pi - A.acos(r))) / pi

    return [[entry(i, j) for j in range(n)] for i in range(n)]


@on_each
def test_the_least_eigenvalue_is_certified_just_below_and_refused_just_above(A: Arithmetic) -> None:
    n = 8
    with A.working():
        kernel = arc_cosine_kernel(A, n)
    middle = np.array([[np.mean(A.ends(v)) for v in row] for row in kernel])
    least = float(np.linalg.eigvalsh(middle)[0])
    # eigvalsh errs by at most about n u |K| = 8 * 1.1e-16 * 4; the entries by a unit each.
    slack = 100 * n * 2.0**-53 * float(np.linalg.norm(middle)) / least
    assert slack < 1e-6
    assert least_eigenvalue_above(kernel, least * (1 - slack), A)
    assert not least_eigenvalue_above(kernel, least * (1 + slack), A)


@on_each
def test_an_indefinite_or_vague_matrix_is_not_certified(A: Arithmetic) -> None:
    one, two = A.rational(1), A.rational(2)
    assert not least_eigenvalue_above([[one, two], [two, one]], 0.0, A)
    assert least_eigenvalue_above([[two, one], [one, two]], 0.999, A)
    assert not least_eigenvalue_above([[two, one], [one, two]], 1.0, A)
    assert not least_eigenvalue_above([[A.hull(-0.1, 1.0)]], 0.0, A)
    assert least_eigenvalue_above([[A.hull(0.1, 1.0)]], 0.0, A)


@pytest.mark.skipif(len(BACKENDS) < 2, reason="python-flint is not installed")
@pytest.mark.parametrize("name", SUPREMA)
def test_both_backends_agree_on_suprema(name: str) -> None:
    first, second = (supremum(SUPREMA[name][0](A), -20.0, 21.0, 1e-9, A) for A in BACKENDS)
    assert max(first.low, second.low) <= min(first.high, second.high)


def test_the_best_backend_falls_back_without_python_flint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert "mpmath" in best(64).basis
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(ImportError):
        flint_balls()
