"""Smooth functions of one variable with piecewise linear derivative, and gradient descent on them, in rational numbers.

Nothing is rounded, so a run means what it says however sensitive it is to its start.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise


@dataclass(frozen=True)
class PiecewiseQuadratic:
    """F with F' through the points (knots[j], slopes[j]), linear between them and of slope ``outer`` beyond.

    Values are relative to F at the first knot. Raises ValueError unless knots increase, there is one slope for each,
    and F is bounded below: outer > 0, or outer = 0 with slopes[0] <= 0 <= slopes[-1].
    """

    knots: tuple[Fraction, ...]
    slopes: tuple[Fraction, ...]
    outer: Fraction

    def __post_init__(self) -> None:
        rising = all(left < right for left, right in pairwise(self.knots))
        if not self.knots or not rising or len(self.knots) != len(self.slopes):
            raise ValueError(
                f"{len(self.knots)} knots, {len(self.slopes)} slopes; allowed: increasing knots, a slope for each"
            )
        level = self.slopes[0] <= 0 <= self.slopes[-1]
        if self.outer < 0 or (self.outer == 0 and not level):
            raise ValueError(f"outer slope {float(self.outer)}; allowed: one that keeps the function bounded below")

    @cached_property
    def smoothness(self) -> Fraction:
        """The least Lipschitz constant of F'."""
        points = pairwise(zip(self.knots, self.slopes, strict=True))
        return max([self.outer, *(abs((d - c) / (b - a)) for (a, c), (b, d) in points)])

    @cached_property
    def _values(self) -> tuple[Fraction, ...]:
        found = [Fraction(0)]
        for (a, c), (b, d) in pairwise(zip(self.knots, self.slopes, strict=True)):
            found.append(found[-1] + (b - a) * (c + d) / 2)
        return tuple(found)

    def _piece(self, x: Fraction) -> tuple[int, Fraction]:
        """The knot that a piece starts from, and the slope of F' on it."""
        j = sum(knot <= x for knot in self.knots) - 1
        if j < 0 or j == len(self.knots) - 1:
            return max(j, 0), self.outer
        return j, (self.slopes[j + 1] - self.slopes[j]) / (self.knots[j + 1] - self.knots[j])

    def derivative(self, x: Fraction) -> Fraction:
        """F'(x)."""
        j, slope = self._piece(x)
        return self.slopes[j] + slope * (x - self.knots[j])

    def value(self, x: Fraction) -> Fraction:
        """F(x) less F at the first knot."""
        j, _ = self._piece(x)
        return self._values[j] + (x - self.knots[j]) * (self.slopes[j] + self.derivative(x)) / 2

    @cached_property
    def infimum(self) -> Fraction:
        """The least value: at a knot, or where F' vanishes within a piece."""
        places = list(self.knots)
        for (a, c), (b, d) in pairwise(zip(self.knots, self.slopes, strict=True)):
            if c < 0 < d:
                places.append(a - c * (b - a) / (d - c))
        if self.outer > 0:
            ends = ((self.knots[0], self.slopes[0]), (self.knots[-1], self.slopes[-1]))
            places += [knot - slope / self.outer for knot, slope in ends]
        return min(map(self.value, places))


def descend(
    parts: Sequence[PiecewiseQuadratic], start: Sequence[Fraction], steps: Sequence[Fraction]
) -> list[Fraction]:
    """Squared gradients of F(x) = sum_i F_i(x_i) at the start and after each gradient step."""
    point, squares = list(start), []
    for step in (*steps, Fraction(0)):
        gradient = [part.derivative(x) for part, x in zip(parts, point, strict=True)]
        squares.append(sum((g * g for g in gradient), Fraction(0)))
        point = [x - step * g for x, g in zip(point, gradient, strict=True)]
    return squares


def zigzag(smoothness: Fraction, steps: Sequence[Fraction]) -> PiecewiseQuadratic:
    """The function on which gradient descent from 0 with these steps meets the derivative 1 at every point.

    From each point to the next F' falls with slope L (seen along the run) and rises with slope L back to 1; behind the
    last point it falls to 0. So F falls by gamma - L gamma^2 / 4 in each step and by 1 / (2 L) behind: no L-smooth
    function falls by less while L gamma <= 1. Own derivation.
    """
    knots, slopes, place = [Fraction(0)], [Fraction(1)], Fraction(0)
    for step in steps:
        knots += [place - step / 2, place - step]
        slopes += [1 - smoothness * step / 2, Fraction(1)]
        place -= step
    knots.append(place - 1 / smoothness)
    slopes.append(Fraction(0))
    return PiecewiseQuadratic(tuple(reversed(knots)), tuple(reversed(slopes)), Fraction(0))
