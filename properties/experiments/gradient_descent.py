"""Gradient descent without noise on functions with piecewise linear derivatives, in rational arithmetic."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import Any, ClassVar

import numpy as np

from elbound.impl.noise import Stream, words
from elbound.impl.piecewise import PiecewiseQuadratic, descend, zigzag
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Exact, Experiment, Situation, Steps
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, LogarithmicCount, Scalar, Space
from elbound.theory.settings import GRADIENT_DESCENT_RUN, SMOOTH
from elbound.theory.symbols import Delta, L, gamma, gamma_max, least_square, n

# A rational number is rounded to the nearest double.
EPS = 2.0**-53


@dataclass(frozen=True)
class Descent:
    """A separable function, the start and the step sizes; each part has curvatures of at most one size."""

    parts: tuple[PiecewiseQuadratic, ...]
    start: tuple[Fraction, ...]
    steps: tuple[Fraction, ...]
    curvature: Fraction

    @staticmethod
    def of(configuration: Configuration) -> "Descent":
        """Steps LC / L t^(-decay), rounded to doubles and then exact."""
        c: Any = configuration
        sizes = c["LC"] / c["L"] * np.arange(1, c["n"] + 1, dtype=np.float64) ** -c["decay"]
        steps, constant = tuple(map(Fraction, sizes.tolist())), Fraction(c["L"]) * Fraction(c["curvature / L"])
        drawn = words(Stream.named("gradient descent", c["seed"]), (0, 1), 0, c["pieces"])[:, 0].tolist()
        # Sixteen bits each keep the rational numbers of a run short.
        shares = [Fraction(word >> 16, 1 << 16) for word in drawn]
        if c["kind"] == "zigzag":
            return Descent((zigzag(constant, steps),), (Fraction(0),), steps, constant)
        if c["kind"] == "quadratic":
            curvatures = [constant, *(constant * share for share in shares[: c["pieces"] - 1])]
            parts = tuple(PiecewiseQuadratic((Fraction(0),), (Fraction(0),), h) for h in curvatures)
            return Descent(parts, tuple(1 + share for share in shares[-len(parts) :]), steps, constant)
        return Descent((_bent(constant, shares),), (Fraction(0),), steps, constant)

    @property
    def gap(self) -> Fraction:
        return sum((f.value(x) - f.infimum for f, x in zip(self.parts, self.start, strict=True)), Fraction(0))


def _bent(constant: Fraction, shares: list[Fraction]) -> PiecewiseQuadratic:
    """F' of slopes between -L and L, four of five of them at an end, on pieces left of a start with F' = 1."""
    knots, slopes = [Fraction(0)], [Fraction(1)]
    for length, slope in zip(shares[::2], shares[1::2], strict=True):
        steep = max(min((2 * slope - 1) * 5, Fraction(1)), Fraction(-1)) * constant
        wide = (length + Fraction(1, 16)) / constant
        knots.append(knots[-1] - wide)
        slopes.append(slopes[-1] - steep * wide)
    return PiecewiseQuadratic(tuple(reversed(knots)), tuple(reversed(slopes)), constant)


class GradientDescent(Experiment):
    """The function that attains the worst case, random functions of one variable, and random quadratics."""

    key = "descent/gradient-descent"
    title = "gradient descent in rational arithmetic"
    setting = GRADIENT_DESCENT_RUN
    space = Space(
        (
            Choice("kind", ("zigzag", "quadratic", "bent")),
            LogarithmicCount("n", 1, 30),
            Linear("LC", 0.05, 2.2),
            Linear("decay", 0.0, 1.0),
            Logarithmic("L", 1e-3, 1e3, usual=(0.1, 10.0)),
            LogarithmicCount("pieces", 1, 12),
            Count("seed", 0, 2**16),
            Choice("curvature / L", (1.0, 2.0), usual=4),
        )
    )
    _base: ClassVar[dict[str, Scalar]] = {"kind": "zigzag", "n": 20, "LC": 1.0, "decay": 0.0, "L": 1.0}
    _base |= {"pieces": 4, "seed": 1, "curvature / L": 1.0}
    instances = {
        "zigzag, L gamma = 1, n=20": _base,
        "zigzag, steps like 1/sqrt(t), n=20": _base | {"decay": 0.5, "L": 3.0},
        "zigzag, one short step": _base | {"n": 1, "LC": 0.1},
        "zigzag, L half the curvature, n=20": _base | {"curvature / L": 2.0, "LC": 0.5},
        "quadratic, one step of 1.9 / L": _base | {"kind": "quadratic", "n": 1, "pieces": 1, "LC": 1.9},
        "quadratic, n=5": _base | {"kind": "quadratic", "n": 5, "LC": 1.5},
        "bent, n=20": _base | {"kind": "bent", "pieces": 12, "LC": 0.7},
    }
    faults = {"ascent instead of descent": "quadratic, n=5"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        run = Descent.of(configuration)
        values = {
            n: float(len(run.steps)),
            L: float(configuration["L"]),
            Delta: float(run.gap),
            gamma_max: float(max(run.steps)),
        }
        return Situation(values, frozenset({SMOOTH} if float(run.curvature) <= values[L] else set()))

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        run = Descent.of(configuration)
        taken = [-step for step in run.steps] if fault else run.steps
        squares = map(float, descend(run.parts, run.start, taken))
        least = np.array(list(accumulate(squares, min)))[1:, None]
        sizes = np.array([[float(step)] for step in run.steps])
        return Exact({gamma: Steps(Interval.of(sizes)), least_square: Steps(Interval.around(least, EPS * least))})


GRADIENT_DESCENT = GradientDescent()
