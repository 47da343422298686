"""What the theorems on wide networks demand of a user's own inputs: certified quantities, by their letters."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np

from elbound.impl.exact_kernels import Balls, Kernels, Vector
from elbound.impl.kernels import ERF, RELU
from elbound.impl.user_table import UserData
from elbound.impl.wide_training import curvature_bound
from elbound.properties.docket import BadInput
from elbound.properties.evidence.enclosure import best
from elbound.properties.evidence.intervals import Interval
from elbound.properties.evidence.spectrum import least_eigenvalue
from elbound.properties.experiments.limit_spectrum import BITS, rank_of
from elbound.theory.symbols import G_norm, N, d, lambda_0, phi_1, phi_2, r_0, x_max

ACTIVATIONS = {"relu": RELU, "erf": ERF}
# Without noise the slope of ReLU jumps, and no width is known to suffice.
LEAST_NOISE, MOST_NOISE = {"relu": 1e-6, "erf": 0.0}, 1e3
# The certificate takes of the order of rows^3 operations on balls: about half a minute here.
MOST_ROWS = 512
# Norms of at most MOST_ROWS rows and closed forms: a few thousand roundings.
PRECISION = 1e-12


@dataclass(frozen=True)
class Autoencoder:
    """A wide noisy network f(x, e) = (1/sqrt m) A phi(W x + s e) that is trained to return its inputs.

    ValueError unless the noise s is at least 0, or for ReLU 10^-6, and at most 1000.
    """

    activation: str
    noise: float

    def __post_init__(self) -> None:
        least = LEAST_NOISE[self.activation]
        if not least <= self.noise <= MOST_NOISE:
            raise ValueError(f"noise {self.noise}: for {self.activation} it must be from {least:g} to {MOST_NOISE:g}")

    def __str__(self) -> str:
        return f"K1, the kernel of fresh noise of deviation {self.noise:g}, {self.activation}"

    def quantities(self, data: UserData) -> Mapping[Any, Interval]:
        """Sizes of inputs and activation, and the enclosed lambda_0. BadInput where it is not certified positive."""
        X, activation = data.values, ACTIVATIONS[self.activation]
        rough = {
            phi_1: activation.slope_bound(self.noise),
            phi_2: curvature_bound(activation, self.noise),
            x_max: float(np.linalg.norm(X, axis=1).max()),
            G_norm: float(np.linalg.norm(X, 2)) ** 2,
            r_0: float(np.linalg.norm(X)),
        }
        sizes = {letter: Interval.around(value, PRECISION * value) for letter, value in rough.items()}
        return {N: Interval.of(len(X)), d: Interval.of(X.shape[1]), **sizes, lambda_0: self.least_eigenvalue(data)}

    def least_eigenvalue(self, data: UserData) -> Interval:
        """lambda_0 of K1 enclosed. BadInput where it is 0, naming the rows, or where no certificate is found."""
        if len(data.values) > MOST_ROWS:
            raise BadInput(f"data {data.name}: {len(data.values)} rows; lambda_0 is certified for at most {MOST_ROWS}")
        X = [tuple(map(Fraction, row)) for row in data.values.tolist()]
        refused = f"data {data.name}: lambda_0 of {self} cannot be certified positive: "
        if why := self._dependent(X, data.rows):
            raise BadInput(f"{refused}{why}")
        arithmetic, name = best(BITS), "erf" if self.activation == "erf" else "ReLU"
        kernel = Kernels(X, Fraction(self.noise), "latent", name, arithmetic).fresh()
        try:
            found = least_eigenvalue(kernel, arithmetic)
        except ArithmeticError as failure:
            raise BadInput(f"{refused}{failure}") from None
        if not float(found.low) > 0:
            i, j = _closest(kernel, [sum(arithmetic.ends(kernel[k][k])) / 2 for k in range(len(X))], arithmetic)
            where = f"rows {data.rows[i]} and {data.rows[j]} are the closest"
            raise BadInput(f"{refused}it is at most {float(found.high):.3g}; {where}")
        return found

    def _dependent(self, X: Sequence[Vector], rows: Sequence[int]) -> str:
        """The rows that make the kernel singular, in words: the exact conditions of tangent/positivity."""
        for x, row in zip(X, rows, strict=True):
            if not any(x):
                return f"row {row} is zero"
        seen: dict[Vector, int] = {}
        opposite: dict[Vector, tuple[int, int]] = {}
        for x, row in zip(X, rows, strict=True):
            if x in seen:
                return f"rows {seen[x]} and {row} are equal"
            if (twin := tuple(-c for c in x)) in seen:
                opposite[x] = (seen[twin], row)
            seen[x] = row
        if opposite and self.activation == "erf":
            first, second = next(iter(opposite.values()))
            return f"rows {first} and {second} are opposite, which erf cannot tell apart"
        if rank_of(opposite) < len(opposite):
            pairs = ", ".join(f"{first} and {second}" for first, second in opposite.values())
            return f"rows {pairs} are opposite, and their lines are linearly dependent"
        return ""


def _closest(kernel: Balls, sizes: Sequence[float], arithmetic: Any) -> tuple[int, int]:
    """The two inputs whose kernel entry is the largest beside their own."""

    def cosine(pair: tuple[int, int]) -> float:
        i, j = pair
        size = math.sqrt(sizes[i]) * math.sqrt(sizes[j])
        return abs(float(sum(arithmetic.ends(kernel[i][j])))) / size if size > 0 else 0.0

    return max(combinations(range(len(sizes)), 2), key=cosine)
