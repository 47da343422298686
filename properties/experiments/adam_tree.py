"""Adam preconditioned by past gradients on a decoder offset with two-valued data: every path enumerated.

One coordinate, decoder weights zero, one data point per gradient: the gradient is (c - x) / sigma_x2 with x = 1 or 0,
the objective quadratic with curvature L = 1 / sigma_x2, and n steps have 2^n paths. A gain below one multiplies every
stochastic gradient, which is then biased.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from elbound.impl.optimisers import Adam, Place, Timing, adam_step, at_rest, preconditioner
from elbound.properties.evidence.intervals import Interval, maximum
from elbound.properties.experiment import Context, Exact, Experiment, Situation, Steps
from elbound.properties.spaces import Choice, Configuration, Linear, Logarithmic, LogarithmicCount, Scalar, Space
from elbound.theory.settings import ADAM_PREDICTABLE_RUN, UNBIASED
from elbound.theory.symbols import B, C, Delta, F, L, R, a, a_A, a_AA, beta_2, d, n, p, reg, sigma2, sigma2_A

EPS = 2.0**-53


class Level(NamedTuple):
    """One step of all paths: offset less its optimum and diagonal of A on each path, with chances and error bounds."""

    away: Tensor
    diagonal: Tensor
    chances: Tensor
    away_error: float
    diagonal_error: float


@dataclass(frozen=True)
class TreeProblem:
    """Share of ones, curvature, start, steps, optimiser, and gain of the gradients."""

    share: float
    curvature: float
    start: float
    steps: int
    adam: Adam
    gain: float

    @staticmethod
    def of(configuration: Configuration, timing: Timing = Timing.PAST) -> "TreeProblem":
        c: Any = configuration
        curvature = 1 / c["sigma_x2"]
        start = c["share"] + c["start"] * (c["share"] * (1 - c["share"])) ** 0.5
        reach = curvature * max(abs(start), abs(start - 1))
        adam = Adam(
            step_size=c["LC/reg"] * c["reg"] * reach / curvature,
            beta_1=0.0,
            beta_2=c["beta_2"],
            regulariser=c["reg"] * reach,
            place=Place.OUTSIDE,
            timing=timing,
        )
        return TreeProblem(c["share"], curvature, start, c["n"], adam, c["gain"])

    @property
    def noise_variance(self) -> float:
        return self.share * (1 - self.share) * (self.gain * self.curvature) ** 2

    @property
    def first_gap(self) -> float:
        return self.curvature / 2 * (self.start - self.share) ** 2

    def _gain(self, t: int) -> float:
        """The largest L gamma_t A_t."""
        return self.curvature * self.adam.step_at(t) / self.adam.regulariser

    def reach(self) -> float:
        """A sure bound on |c - x|: a step moves c to (1 - q) c + q x with q between 0 and its largest gain."""
        bound = max(abs(self.start), abs(self.start - 1))
        for t in range(1, self.steps + 1):
            gain = self._gain(t)
            bound = max(bound, (gain - 1) * bound + gain)
        return bound * (1 + 64 * EPS)

    def levels(self) -> Iterator[Level]:
        """Steps 1, ..., n + 1; paths on the last axis, each followed by its two continuations."""
        theta = torch.tensor([self.start], dtype=torch.float64)
        moments, chances, values = at_rest(theta), torch.ones_like(theta), theta.new_tensor([0.0, 1.0])
        reach, floor, error = self.reach(), self.adam.regulariser, 8 * EPS * (1 + abs(self.start))
        share = self.curvature * reach / floor
        for t in range(1, self.steps + 2):
            # sqrt(v) is a Euclidean norm of past gradients, so it errs by no more than the worst of them.
            diagonal_error = (self.curvature * error / floor + 16 * EPS) / floor
            # For timing CURRENT this is not what steps: a planted fault records another A than the one used.
            yield Level(theta - self.share, preconditioner(self.adam, moments), chances, error, diagonal_error)
            if t > self.steps:
                return
            doubled = [x.repeat_interleave(2) for x in (theta, moments.first, moments.second)]
            before = moments._replace(first=doubled[1], second=doubled[2])
            drawn = values.repeat(len(theta))
            gradient = (doubled[0] - drawn) * (self.gain * self.curvature)
            theta, moments = adam_step(self.adam, doubled[0], gradient, before)
            chance = theta.new_tensor([1 - self.share, self.share]).repeat(len(chances))
            chances = chances.repeat_interleave(2) * chance
            gain = self._gain(t)
            error = error * (max(1.0, gain - 1) + gain * share) + 32 * EPS * reach * (1 + gain)


class AdamTree(Experiment):
    """Expected gradients, preconditioned gradients and objectives over all 2^n paths."""

    key = "descent/adam-tree"
    title = "all paths of two-valued gradients"
    setting = ADAM_PREDICTABLE_RUN
    space = Space(
        (
            LogarithmicCount("n", 1, 10),
            Linear("share", 0.05, 0.95),
            Linear("start", -20.0, 20.0),
            Logarithmic("LC/reg", 0.1, 3.0),
            Logarithmic("reg", 0.2, 10.0),
            Linear("beta_2", 0.0, 0.999),
            Logarithmic("sigma_x2", 0.1, 5.0),
            Choice("gain", (1.0, 0.01), usual=4),
        )
    )
    _far: ClassVar[dict[str, Scalar]] = {
        "n": 10,
        "share": 0.3,
        "start": 20.0,
        "LC/reg": 1.0,
        "reg": 1.0,
        "beta_2": 0.9,
        "sigma_x2": 0.5,
        "gain": 1.0,
    }
    instances = {
        "from afar, L C = reg": _far,
        "from the optimum, L C = reg": _far | {"start": 0.0, "n": 12},
        "from afar, many small steps": _far | {"LC/reg": 0.3, "reg": 0.3},
        "from afar, regulariser above all gradients": _far | {"reg": 10.0},
        "from afar, gradients a hundredth as long": _far | {"gain": 0.01},
    }
    faults = {
        "current gradients in the steps": "from afar, L C = reg",
        "noise 2 percent too weak": "from the optimum, L C = reg",
    }

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        problem = TreeProblem.of(configuration)
        values = {
            **dict.fromkeys((d, B, p), 1),
            n: problem.steps,
            C: problem.adam.step_size,
            L: problem.curvature,
            Delta: problem.first_gap,
            R: problem.curvature * problem.reach(),
            beta_2: problem.adam.beta_2,
            reg: problem.adam.regulariser,
        }
        return Situation(values, frozenset({UNBIASED} if problem.gain == 1 else set()))

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        problem = TreeProblem.of(configuration, Timing.CURRENT if fault.startswith("current") else Timing.PAST)
        weakened = 0.98 if fault.startswith("noise") else 1.0
        rows = [_expected(problem, level) for level in problem.levels()]
        values, errors = np.array([row[0] for row in rows]).T, np.array([row[1] for row in rows]).T
        square, metric, twice, noise, objective = (
            maximum(Interval.around(v[:, None], e[:, None]), 0.0) for v, e in zip(values, errors, strict=True)
        )
        plain = np.full((problem.steps, 1), problem.noise_variance)
        last = slice(0, problem.steps)
        return Exact(
            {
                a: Steps(square[last]),
                a_A: Steps(metric[last]),
                a_AA: Steps(twice[last]),
                sigma2: Steps(Interval.around(plain * weakened, 8 * EPS * plain)),
                sigma2_A: Steps(noise[last] * weakened),
                F: Steps(objective[:, 0]),
            }
        )


def _expected(problem: TreeProblem, level: Level) -> tuple[list[float], list[float]]:
    """E a, a^A, a^AA, sigma^2_A and the gap over the paths, and error bounds."""
    curvature, top, spread = problem.curvature, 1 / problem.adam.regulariser, problem.noise_variance
    square = (level.away * curvature).square()
    terms = (square, level.diagonal * square, level.diagonal**2 * square, level.diagonal**2 * spread)
    values = [float((level.chances * term).sum()) for term in (*terms, square / (2 * curvature))]
    largest = float(square.max())
    off = level.away_error * curvature * (2 * largest**0.5 + level.away_error * curvature)
    turned = level.diagonal_error
    errors = [off, turned * largest + top * off, 2 * top * turned * largest + top**2 * off, 2 * top * turned * spread]
    # Chances are products of up to n factors, summed over 2^n paths by halves: some 4 n roundings, all terms positive.
    rounding = 8 * EPS * (problem.steps + 8)
    return values, [e + rounding * v for e, v in zip([*errors, off / (2 * curvature)], values, strict=True)]


ADAM_TREE = AdamTree()
