"""Enclosed least eigenvalues of symmetric matrices of balls: a Rayleigh quotient above, an LDL^T certificate below."""

import importlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from elbound.properties.evidence.enclosure import Arithmetic, least_eigenvalue_above
from elbound.properties.evidence.intervals import Interval

# Shares of the eigenvalue given away below it, tried in turn; the last resort is below 0 by a share of 1 + trace.
SLACKS = (1e-12, 1e-6, 1e-2)
RESORT = 1e-60
DIGITS = 75
PLACES = 240
# Larger matrices are guessed in doubles: 75 digits cost seconds from here on, and change the guess alone.
FEW = 24


def least_eigenvalue(matrix: Sequence[Sequence[Any]], arithmetic: Arithmetic) -> Interval:
    """Least eigenvalue of the symmetric matrix [n][n] whose entries the balls hold.

    The guess is computed from points of the balls, in 75 digits for few rows, and trusted for nothing: any vector's
    Rayleigh quotient is an upper bound, any c that passes the certificate a lower one. An eigenvalue of 0 is enclosed
    by a tiny interval around it. ArithmeticError where no certificate is found, as with balls that are not finite;
    ValueError unless the matrix is square, at least [1][1].
    """
    if not matrix or any(len(row) != len(matrix) for row in matrix):
        raise ValueError(f"matrix with rows of lengths {[len(row) for row in matrix]} must be square, at least [1][1]")
    with arithmetic.working():
        vector, guess = _guess(matrix, arithmetic)
        weights = [[a * b for b in vector] for a in vector]
        top = sum(x * w for row, held in zip(matrix, weights, strict=True) for x, w in zip(row, held, strict=True))
        high = arithmetic.ends(top / sum(a * a for a in vector))[1]
    trace = sum(abs(arithmetic.ends(row[i])[1]) for i, row in enumerate(matrix))
    for c in (*(guess - slack * abs(guess) for slack in SLACKS), -RESORT * (1 + trace)):
        if math.isfinite(c) and c <= high and least_eigenvalue_above(matrix, c, arithmetic):
            return Interval.between(c, high)
    raise ArithmeticError(f"no certificate for a least eigenvalue near {guess:g}, trace {trace:g}")


def _guess(matrix: Sequence[Sequence[Any]], arithmetic: Arithmetic) -> tuple[list[Any], float]:
    """An approximate eigenvector, as exact balls, and its eigenvalue."""
    if len(matrix) > FEW:
        middles = np.array([[sum(arithmetic.ends(x)) / 2 for x in row] for row in matrix])
        spectrum, columns = np.linalg.eigh(middles)
        exact = (x.as_integer_ratio() for x in columns[:, 0].tolist())
        return [arithmetic.rational(*ratio) for ratio in exact], float(spectrum[0])
    mpmath = importlib.import_module("mpmath")
    with mpmath.workdps(DIGITS):
        points = mpmath.matrix([[_point(mpmath, x, arithmetic) for x in row] for row in matrix])
        values, vectors = mpmath.eigsy(points)
        least = min(range(len(matrix)), key=lambda j: values[j])
        # Rounded to 2^-240, which moves the quotient far less than the certificate asks.
        whole = [int(mpmath.nint(mpmath.ldexp(vectors[i, least], PLACES))) for i in range(len(matrix))]
        return [arithmetic.rational(x, 2**PLACES) for x in whole], float(values[least])


def _point(mpmath: Any, ball: Any, arithmetic: Arithmetic) -> Any:
    """A point near the ball's middle, by rounds of doubles: each holds 50 bits of what the last one left."""
    total, rest = mpmath.mpf(0), ball
    for _ in range(5):
        low, high = arithmetic.ends(rest)
        part = low / 2 + high / 2
        if not math.isfinite(part):
            break
        total, rest = total + mpmath.mpf(part), rest - part
    return total
