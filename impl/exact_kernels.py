"""Limit kernels of the noisy wide network for inputs with rational coordinates, in an arithmetic of balls.

Noise of standard deviation s is added for every input, or of s |x| where it is in the weights. ReLU and erf.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from fractions import Fraction
from math import lcm
from typing import Any, Protocol, runtime_checkable

import numpy as np

Vector = tuple[Fraction, ...]
Balls = list[list[Any]]


@runtime_checkable
class Field(Protocol):
    """Numbers, each enclosed, with their roots and angles; operators round inside `working`."""

    def working(self) -> AbstractContextManager[object]: ...
    def rational(self, p: int, q: int = 1) -> Any: ...
    def pi(self) -> Any: ...
    def sqrt(self, x: Any) -> Any: ...
    def acos(self, x: Any) -> Any: ...


def gram_of(X: Sequence[Vector]) -> list[list[Fraction]]:
    """All inner products, exactly; in whole numbers, since a fraction reduces itself at every step."""
    scale = lcm(*(c.denominator for x in X for c in x))
    whole = np.array([[int(c * scale) for c in x] for x in X], dtype=object)
    return [[Fraction(entry, scale**2) for entry in row] for row in (whole @ whole.T).tolist()]


class Kernels:
    """K1 and K2 as balls for exact inputs, activation and noise of standard deviation s, or s |x| in the weights."""

    def __init__(self, X: Sequence[Vector], s: Fraction, noise: str, activation: str, arithmetic: Field) -> None:
        self.gram, self.s, self.weight = gram_of(X), s, noise == "weights"
        self.activation, self.arithmetic = activation, arithmetic

    def fresh(self) -> Balls:
        """K1: the noise is drawn anew for every input and step."""
        return self._matrix(lambda i, j: self._entry(i, j, self.gram[i][j]))

    def shared(self) -> Balls:
        """K2: one draw is shared by all inputs."""
        return self._matrix(lambda i, j: self._entry(i, j, self.gram[i][j] + self._noise(i, j)))

    def _matrix(self, entry: Callable[[int, int], Any]) -> Balls:
        with self.arithmetic.working():
            lower = [[entry(i, j) for j in range(i + 1)] for i in range(len(self.gram))]
        return [[lower[max(i, j)][min(i, j)] for j in range(len(lower))] for i in range(len(lower))]

    def _noise(self, i: int, j: int) -> Fraction:
        """Covariance of one noise draw at two inputs."""
        return self.s**2 * (self.gram[i][j] if self.weight else 1)

    def _entry(self, i: int, j: int, covariance: Fraction) -> Any:
        q, p = (self.gram[k][k] + self._noise(k, k) for k in (i, j))
        a, g = self.arithmetic, self._ball(self.gram[i][j])
        if self.activation == "erf":
            return g * 4 / (a.pi() * a.sqrt(self._ball((1 + 2 * q) * (1 + 2 * p) - 4 * covariance**2)))
        return g * (a.pi() - self._angle(q, p, covariance)) / (2 * a.pi())

    def _angle(self, q: Fraction, p: Fraction, covariance: Fraction) -> Any:
        # A correlation of exactly +-1 has an angle that arccos of a ball could not tell.
        if q * p == covariance**2:
            return self._ball(Fraction(0)) if covariance > 0 else self.arithmetic.pi()
        return self.arithmetic.acos(self._ball(covariance) / self.arithmetic.sqrt(self._ball(q * p)))

    def _ball(self, value: Fraction) -> Any:
        return self.arithmetic.rational(value.numerator, value.denominator)
