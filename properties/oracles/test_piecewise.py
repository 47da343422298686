"""Functions with piecewise linear derivatives, in rational numbers: every assertion is an exact one."""

from fractions import Fraction as Q
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elbound.impl.piecewise import PiecewiseQuadratic, descend, zigzag

QUIET = settings(deadline=None, derandomize=True, database=None, max_examples=50)
SMALL = st.fractions(-3, 3, max_denominator=16)


@st.composite
def functions(draw: st.DrawFn) -> PiecewiseQuadratic:
    knots = draw(st.lists(SMALL, min_size=1, max_size=6, unique=True))
    slopes = draw(st.lists(SMALL, min_size=len(knots), max_size=len(knots)))
    return PiecewiseQuadratic(tuple(sorted(knots)), tuple(slopes), draw(st.fractions(Q(1, 8), 2, max_denominator=8)))


def fine_grid(f: PiecewiseQuadratic) -> list[Q]:
    ends = f.knots[0] - 30, f.knots[-1] + 30
    return sorted({*f.knots, *(ends[0] + (ends[1] - ends[0]) * j / 400 for j in range(401))})


@QUIET
@given(functions())
def test_values_are_the_integral_of_the_derivative_and_never_below_the_infimum(f: PiecewiseQuadratic) -> None:
    grid = fine_grid(f)
    assert f.value(f.knots[0]) == 0
    for a, b in pairwise(grid):
        middle = (a + b) / 2
        # No knot lies between a and b, where the derivative is linear and the midpoint rule exact.
        assert f.value(b) - f.value(a) == (b - a) * f.derivative(middle)
        assert abs(f.derivative(b) - f.derivative(a)) <= f.smoothness * (b - a)
    assert all(f.value(x) >= f.infimum for x in grid)
    # F' is at most 3 at the outer knots, so it vanishes within 24 of them; the grid has steps below 1/5.
    assert min(map(f.value, grid)) - f.infimum <= f.smoothness * Q(1, 5) ** 2 / 2


@QUIET
@given(functions())
def test_some_piece_attains_the_smoothness(f: PiecewiseQuadratic) -> None:
    grid = fine_grid(f)
    steepest = max(abs(f.derivative(b) - f.derivative(a)) / (b - a) for a, b in pairwise(grid))
    assert steepest == f.smoothness


def test_two_gradient_steps_on_two_quadratics_by_hand() -> None:
    parts = [PiecewiseQuadratic((Q(0),), (Q(0),), Q(1)), PiecewiseQuadratic((Q(1),), (Q(0),), Q(3))]
    # x: 2 -> 1 -> 1/2 and y - 1: 1 -> -1/2 -> 1/4 with step 1/2; the gradient of y is 3 (y - 1).
    assert descend(parts, (Q(2), Q(2)), (Q(1, 2), Q(1, 2))) == [4 + 9, 1 + Q(9, 4), Q(1, 4) + Q(9, 16)]


@QUIET
@given(
    st.lists(st.fractions(Q(1, 16), 1, max_denominator=16), min_size=1, max_size=8),
    st.fractions(Q(1, 4), 4, max_denominator=8),
)
def test_on_the_zigzag_the_derivative_stays_one_and_the_fall_is_the_least(shares: list[Q], constant: Q) -> None:
    steps = [share / constant for share in shares]
    f = zigzag(constant, steps)
    assert descend([f], [Q(0)], steps) == [1] * (len(steps) + 1)
    assert f.smoothness == constant
    fall = sum((step - constant * step**2 / 4 for step in steps), 1 / (2 * constant))
    assert f.value(Q(0)) - f.infimum == fall


@pytest.mark.parametrize(
    ("knots", "slopes", "outer"),
    [((), (), 1), ((0, 0), (1, 1), 1), ((0, 1), (1,), 1), ((0,), (0,), -1), ((0, 1), (1, 1), 0), ((0, 1), (-1, -1), 0)],
)
def test_functions_that_are_none_or_unbounded_below_are_refused(
    knots: tuple[int, ...], slopes: tuple[int, ...], outer: int
) -> None:
    with pytest.raises(ValueError, match="allowed"):
        PiecewiseQuadratic(tuple(map(Q, knots)), tuple(map(Q, slopes)), Q(outer))
