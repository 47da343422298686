"""SGD on the decoder offset of a Linear VAE, all else frozen: a quadratic objective, solved without simulation.

The offset's gradient is (c - c*) / sigma_x2 plus noise that does not depend on c, so with L = 1 / sigma_x2 and noise
variance sigma^2 the expected squared gradient obeys a_{t+1} = (1 - L gamma_t)^2 a_t + L^2 gamma_t^2 sigma^2 exactly,
and the expected gap is a_t / (2 L). A gain below one multiplies every stochastic gradient, which is then biased; with
another L than the curvature the objective is not L-smooth.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from elbound.impl.linear_vae import LinearVAE
from elbound.properties.datasets import bundled
from elbound.properties.evidence.intervals import Interval, maximum
from elbound.properties.experiment import At, Context, Exact, Experiment, Series, Situation, Steps
from elbound.properties.experiments.linear_vae_ball import gaussian_weights, problem_of
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, Space
from elbound.theory.claim import Fact
from elbound.theory.settings import SGD_HORIZONS, SGD_RUN, SMOOTH, SMOOTH_ON_BALL, UNBIASED
from elbound.theory.symbols import (
    C,
    Delta,
    Delta_sup,
    F,
    L,
    a,
    average,
    n,
    sigma2,
    sigma_sup2,
    uniform_average,
)

EPS = 2.0**-53
HORIZONS = (100, 316, 1_000, 3_162, 10_000, 31_623, 100_000, 316_228, 1_000_000)


# How a fault scales the descent and the noise of the recursion.
FAULTS = {
    "ascent instead of descent": (-1.0, 1.0),
    "noise of twice the variance": (1.0, 2.0),
    "noise 2 percent too strong": (1.0, 1.02),
}


@dataclass(frozen=True)
class OffsetProblem:
    """Curvature, variance of a minibatch gradient, squared gradient at the start, gain, and what is said to be L."""

    curvature: float
    noise_variance: float
    first_square: float
    gain: float
    smoothness: float

    @staticmethod
    def of(problem: LinearVAE, configuration: Configuration) -> "OffsetProblem":
        """s1 = tr((I - VW) Cov(x) (I - VW)^T) / sigma_x2^2 and s2 = tr(V D V^T) / sigma_x2^2, free of the offset."""
        c: Any = configuration
        drawn = gaussian_weights(problem, c["seed"])
        encoder, decoder = drawn.encoder * c["scale"], drawn.decoder * c["scale"]
        residual = problem.data - problem.data @ encoder.T @ decoder.T
        between = float((residual - residual.mean(0)).square().sum(1).mean()) / c["sigma_x2"] ** 2
        within = float((decoder.square() * problem.posterior_variance).sum()) / c["sigma_x2"] ** 2
        noise = between / c["B"] + within / (c["B"] * c["K"])
        curvature = 1 / c["sigma_x2"]
        # Squared distance in units of the noise: nu = sigma^2 / (L Delta), Delta = |grad|^2 / (2 L).
        first = 2 * c["start"] * noise
        return OffsetProblem(curvature, noise * c["gain"] ** 2, first, c["gain"], curvature / c["curvature / L"])

    @property
    def facts(self) -> frozenset[Fact]:
        smooth = {SMOOTH, SMOOTH_ON_BALL} if self.smoothness >= self.curvature else set()
        return frozenset({UNBIASED} if self.gain == 1 else set()) | smooth

    def squares(self, step_size: float, gains: tuple[float, float] = (1.0, 1.0)) -> Iterator[tuple[float, float]]:
        """E a_t and its rounding error, t = 1, 2, ...; `gains` scale the descent and the noise in planted faults."""
        square, error, t = self.first_square, 4 * EPS * self.first_square, 1
        while True:
            yield square, error
            gamma = self.curvature * step_size / t**0.5
            keep, fresh = (1 - self.gain * gains[0] * gamma) ** 2, gamma**2 * self.noise_variance * gains[1]
            square = keep * square + fresh
            error = keep * error + 12 * EPS * (square + fresh + abs(gamma) * square)
            t += 1


SPACE = Space(
    (
        bundled(),
        Count("N", 5, 60),
        Count("d", 1, 6),
        Count("k", 1, 3),
        Count("B", 1, 16),
        Count("K", 1, 8),
        Count("n", 1, 2_000),
        Logarithmic("start", 1e-3, 1e3),
        Logarithmic("LC", 0.05, 3.0),
        Logarithmic("sigma_x2", 0.05, 5.0),
        Logarithmic("D", 0.05, 5.0),
        Linear("spread", 0.0, 2.0),
        Linear("scale", 0.0, 1.5),
        Count("seed", 0, 2**16),
        Choice("gain", (1.0, 0.01), usual=4),
        Choice("curvature / L", (1.0, 2.0), usual=4),
    )
)
BASE: Configuration = {
    "data": "spiked",
    "N": 32,
    "d": 4,
    "k": 2,
    "B": 4,
    "K": 2,
    "n": 1_000,
    "start": 0.0,
    "LC": 1.0,
}
BASE = {**BASE, "sigma_x2": 0.5, "D": 0.8, "spread": 0.5, "scale": 0.6, "seed": 2, "gain": 1.0}
BASE = {**BASE, "curvature / L": 1.0}


def offset_problem(configuration: Configuration, context: Context) -> OffsetProblem:
    """The offset problem of a configuration; beta moves nothing here."""
    return OffsetProblem.of(problem_of({**configuration, "beta": 1.0}, context), configuration)


class OffsetRecursion(Experiment):
    """Expected squared gradients and objectives from the exact recursion."""

    key = "descent/decoder-offset"
    title = "exact recursion, decoder offset"
    setting = SGD_RUN
    space = SPACE
    instances = {
        "offset at optimum, n=1000": BASE,
        "offset at optimum, n=100": {**BASE, "n": 100},
        "offset, nu=1, n=1000": {**BASE, "start": 1.0},
        "offset, digits, n=1000": {**BASE, "data": "digits", "N": 200, "d": 16, "start": 0.1},
        "offset, two-valued data, B=K=1": {**BASE, "data": "two-valued", "B": 1, "K": 1, "n": 1_000},
        "offset at optimum, n=3": {**BASE, "n": 3},
        "offset, nu=1, n=3": {**BASE, "start": 1.0, "n": 3},
        "offset far away, n=1": {**BASE, "start": 1_000.0, "n": 1},
        "offset far away, L C = 3/2, n=1": {**BASE, "start": 1_000.0, "LC": 1.5, "n": 1},
        "offset far away, n=1000": {**BASE, "start": 1_000.0},
        "offset farther away, n=4000": {**BASE, "start": 1e6, "n": 4_000},
        "offset far away, gradients a hundredth as long, n=100": {**BASE, "start": 1_000.0, "gain": 0.01, "n": 100},
        "offset far away, L half the curvature, n=1": {**BASE, "start": 100.0, "curvature / L": 2.0, "n": 1},
    }
    faults = {
        "ascent instead of descent": "offset, nu=1, n=1000",
        "noise of twice the variance": "offset at optimum, n=1000",
        "noise 2 percent too strong": "offset at optimum, n=1000",
    }

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        problem, steps = offset_problem(configuration, context), int(configuration["n"])
        path = problem.squares(float(configuration["LC"]) / problem.smoothness)
        highest = max(square + error for square, error in (next(path) for _ in range(steps)))
        values = {
            n: float(steps),
            C: float(configuration["LC"]) / problem.smoothness,
            L: problem.smoothness,
            Delta: problem.first_square / (2 * problem.curvature),
            Delta_sup: highest / (2 * problem.curvature),
            sigma_sup2: problem.noise_variance,
        }
        return Situation(values, problem.facts, precision=2.0**-49)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        problem, steps = offset_problem(configuration, context), int(configuration["n"])
        path = problem.squares(float(configuration["LC"]) / problem.smoothness, FAULTS.get(fault, (1.0, 1.0)))
        squares, errors = np.array([next(path) for _ in range(steps + 1)]).T
        gradient = maximum(Interval.around(squares, errors), 0.0)
        # The least objective is left out: it cancels in every difference of objectives.
        objective = gradient / (2 * problem.curvature)
        noise = Interval.around(np.full((steps, 1), problem.noise_variance), 64 * EPS * problem.noise_variance)
        return Exact(
            {
                a: Steps(gradient[:steps, None]),
                sigma2: Steps(noise),
                F: Steps(objective),
            }
        )


class OffsetHorizons(Experiment):
    """The weighted mean square at horizons up to a million steps, from one pass of the same recursion."""

    key = "descent/offset-horizons"
    title = "exact recursion at growing horizons"
    setting = SGD_HORIZONS
    share = 0.2
    space = Space(tuple(axis for axis in SPACE.axes if axis.name != "n"))
    instances = {
        "offset at optimum": {name: value for name, value in BASE.items() if name != "n"},
        "offset, nu=1": {name: value for name, value in BASE.items() if name != "n"} | {"start": 1.0},
    }

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        problem = offset_problem(configuration, context)
        values = {
            C: float(configuration["LC"]) / problem.smoothness,
            L: problem.smoothness,
            Delta: problem.first_square / (2 * problem.curvature),
        }
        return Situation(values, problem.facts - {SMOOTH_ON_BALL})

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Series:
        problem = offset_problem(configuration, context)
        gamma = float(configuration["LC"]) / np.sqrt(np.arange(1, HORIZONS[-1] + 1, dtype=np.float64))
        moved = gamma * problem.curvature / problem.smoothness
        fresh = moved**2 * problem.noise_variance
        squares = _recursion(problem.first_square, (1 - problem.gain * moved) ** 2, fresh)
        curves = {
            average: _weighted_means(squares, gamma * (1 - gamma / 2)),
            uniform_average: _weighted_means(squares, np.ones_like(gamma)),
        }
        return Series(n, HORIZONS, curves)


def _weighted_means(squares: np.ndarray, weight: np.ndarray) -> At:
    """sum w_t E a_t / sum w_t at the horizons and at ten."""
    above, below = np.cumsum(weight * squares), np.cumsum(weight)
    ratios = {j: above[j - 1] / below[j - 1] for j in (10, *HORIZONS)}
    # Non-negative terms throughout while LC < 2: relative errors add up, at most a few per step.
    return At({j: Interval.around(ratio, 16 * j * EPS * ratio) for j, ratio in ratios.items()})


def _recursion(first: float, keep: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    squares = [first]
    for kept, added in zip(keep[:-1].tolist(), fresh[:-1].tolist(), strict=True):
        squares.append(kept * squares[-1] + added)
    return np.array(squares)


OFFSET_RECURSION = OffsetRecursion()
OFFSET_HORIZONS = OffsetHorizons()
