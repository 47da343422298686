"""Adam on a soft-clipped decoder offset of a Linear VAE, simulated: bounded gradients, exact gradients along each run.

Decoder weights zero, offset c = f(theta) with a soft-clip f in every coordinate: the objective of theta is
|c - mean x|^2 / (2 sigma_x2), its gradient f'(theta) (c - mean x) / sigma_x2, smooth and bounded on the whole line.
The data may lie far outside the clip's range, which makes a long constant slope.
"""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from elbound.impl.noise import Stream, below, words
from elbound.impl.optimisers import Adam, Correction, Place, adam_step, at_rest
from elbound.impl.soft_clipping import SoftClip
from elbound.properties.datasets import bundled, table
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Everywhere, Experiment, Sample, Situation, Steps
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, LogarithmicCount, Scalar, Space
from elbound.theory.claim import Fact
from elbound.theory.settings import ADAM_CONSTANT_STEP, ADAM_RUN, UNBIASED
from elbound.theory.symbols import B, C, Delta, L, N, R, a, a_m, alpha, beta_1, beta_2, d, n, p, reg

ROUNDING = 1e-9


@dataclass(frozen=True)
class ClippedOffset:
    """Data [N, d], the clip, the start, and how gradients are drawn: batch_size None is the whole data set.

    A gain below one multiplies every stochastic gradient, which is then biased.
    """

    data: Tensor
    clip: SoftClip
    noise_variance: float
    start: float
    steps: int
    batch_size: int | None
    gain: float

    @staticmethod
    def of(configuration: Configuration, context: Context) -> "ClippedOffset":
        c: Any = configuration
        data = table(context, c["data"], c["N"], c["d"], c["seed"]).cpu()
        width = c["width"]
        clip = SoftClip(-width / 2, width / 2, c["sT"] / width)
        batch = None if c["batch"] == "all" else int(c["B"])
        data, start = data + c["distance"] * width, c["start"] * width / 2
        return ClippedOffset(data, clip, c["sigma_x2"], start, c["n"], batch, c["gain"])

    @property
    def facts(self) -> frozenset[Fact]:
        return frozenset({UNBIASED} if self.gain == 1 else set())

    @cached_property
    def centre(self) -> Tensor:
        return self.data.mean(0)

    def _farthest(self, points: Tensor) -> Tensor:
        """The largest |c - x| over the clip's range and the points, for each coordinate."""
        low, high = points.min(0).values, points.max(0).values
        return torch.maximum(self.clip.high - low, high - self.clip.low)

    @cached_property
    def gradient_bounds(self) -> Tensor:
        """Sure bounds on the gradient of the objective, for each coordinate."""
        return self.clip.slope_bound * self._farthest(self.centre[None]) / self.noise_variance

    @cached_property
    def sample_bound(self) -> float:
        """A sure bound on every coordinate of the stochastic gradient."""
        if self.batch_size is None:
            return float(self.gradient_bounds.max()) * (1 + ROUNDING)
        return float(self._farthest(self.data).max()) * self.clip.slope_bound / self.noise_variance * (1 + ROUNDING)

    @cached_property
    def smoothness(self) -> float:
        """|(F o f)''| <= (sup f'^2 + sup |f''| |c - mean x|) / sigma_x2, the Hessian being diagonal."""
        curved = self.clip.curvature_bound * float(self._farthest(self.centre[None]).max())
        return (self.clip.slope_bound**2 + curved) / self.noise_variance

    @property
    def gap(self) -> float:
        """The objective at the start less its infimum over the clip's range."""
        begin = self.clip.value(torch.full_like(self.centre, self.start))
        least = self.centre.clamp(self.clip.low, self.clip.high)
        squares = (begin - self.centre).square() - (least - self.centre).square()
        return max(0.0, float(squares.sum()) / (2 * self.noise_variance))

    def targets(self, stream: Stream, first: int, count: int) -> Tensor:
        """Means of the minibatches of every step, [n, d, R]; one column where nothing is random."""
        if self.batch_size is None:
            return self.centre[None, :, None].expand(self.steps, -1, 1)
        size = self.steps * self.batch_size
        drawn = words(stream, (first, count), 0, (size + 3) // 4)[:size]
        indices = below(drawn, len(self.data)).unflatten(0, (self.steps, self.batch_size))
        return torch.stack([self.data[:, i][indices].mean(1) for i in range(self.data.shape[1])], dim=1)

    def squares(self, adam: Adam, stream: Stream, first: int, count: int) -> Iterator[Tensor]:
        """|grad|^2 at theta_1, ..., theta_n of the given replicates."""
        targets = self.targets(stream, first, count)
        theta = torch.full(targets.shape[1:], self.start, dtype=torch.float64)
        moments, centre = at_rest(theta), self.centre[:, None]
        for target in targets:
            offset, slope = self.clip.value(theta), self.clip.slope(theta) / self.noise_variance
            yield (slope * (offset - centre)).square().sum(0)
            theta, moments = adam_step(adam, theta, self.gain * slope * (offset - target), moments)


AXES = (
    bundled(),
    Choice("batch", ("minibatch", "all")),
    LogarithmicCount("N", 2, 30),
    Count("d", 1, 4),
    Count("B", 1, 4),
    LogarithmicCount("n", 1, 150),
    Logarithmic("width", 0.5, 5.0),
    Logarithmic("sT", 0.5, 40.0),
    Linear("distance", -3.0, 3.0),
    Linear("start", -1.5, 1.5),
    Logarithmic("sigma_x2", 1e-3, 1e3, usual=(0.1, 5.0)),
    Logarithmic("stride", 0.001, 0.5),
    Choice("beta_1", (0.0, 0.5, 0.9)),
    Count("seed", 0, 2**16),
    Choice("gain", (1.0, 1e-4), usual=4),
)
NEAR: dict[str, Scalar] = {
    "data": "two-valued",
    "batch": "minibatch",
    "N": 16,
    "d": 1,
    "B": 1,
    "n": 400,
    "width": 3.0,
    "sT": 12.0,
    "distance": 0.0,
    "start": -0.5,
    "sigma_x2": 1.0,
    "beta_1": 0.0,
    "seed": 5,
    "gain": 1.0,
}
SLOPE = NEAR | {"batch": "all", "distance": 20.0, "start": -0.95, "sT": 40.0}


class ClippedOffsetRun(Experiment):
    """What both step schedules share: the problem, the sure range, and the simulation of replicates."""

    @abstractmethod
    def adam(self, problem: ClippedOffset, configuration: Configuration) -> Adam:
        """The optimiser of a configuration."""

    @abstractmethod
    def record(self, squares: np.ndarray, adam: Adam) -> dict[Any, Any]:
        """The setting's observable from the squared gradients [n, R]."""

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Sample:
        problem = ClippedOffset.of(configuration, context)
        adam = self.adam(problem, configuration)
        inflated = float(len(problem.data)) ** 2 if fault else 1.0

        def draw(stage: str, first: int, count: int) -> dict[Any, Any]:
            stream = context.stream(self.key, configuration, stage)
            rows = torch.stack(list(problem.squares(adam, stream, first, count)))
            return self.record((rows * inflated).expand(-1, count).numpy(), adam)

        top = float(problem.gradient_bounds.square().sum()) * (1 + ROUNDING) * inflated
        held = Everywhere(Interval.between(0.0, top), problem.steps)
        return Sample(draw, dict.fromkeys(self.setting.observables, held))

    def _values(self, problem: ClippedOffset, adam: Adam) -> dict[Any, float]:
        count, dimension = problem.data.shape
        return {
            N: count,
            d: dimension,
            B: problem.batch_size or count,
            n: problem.steps,
            L: problem.smoothness,
            Delta: problem.gap,
            p: dimension,
            beta_1: adam.beta_1,
            beta_2: adam.beta_2,
            reg: adam.regulariser,
        }


class MomentumRun(ClippedOffsetRun):
    """Steps C / sqrt(t), the regulariser inside the root, no correction."""

    key = "descent/adam-clipped-offset"
    title = "simulated runs on a soft-clipped offset, steps C / sqrt(t)"
    setting = ADAM_RUN
    share = 0.5
    space = Space((*AXES, Logarithmic("reg", 0.1, 3.0), Logarithmic("1 - beta_2", 0.0001, 0.5)))
    instances = {
        "minibatch of one": NEAR | {"reg": 1.0, "1 - beta_2": 0.001, "stride": 0.05},
        "minibatch of one, momentum": NEAR | {"reg": 1.0, "1 - beta_2": 0.0005, "stride": 0.02, "beta_1": 0.9},
        "down a long slope": SLOPE | {"n": 1000, "reg": 1.0, "1 - beta_2": 0.02, "stride": 0.02},
        "down a long slope and flat after it": SLOPE | {"n": 1000, "reg": 1.0, "1 - beta_2": 0.02, "stride": 0.04},
        "down a long slope, momentum": SLOPE
        | {"n": 1000, "reg": 1.0, "1 - beta_2": 0.01, "stride": 0.04, "beta_1": 0.5},
        "digits, B=4": NEAR
        | {"data": "digits", "N": 64, "d": 4, "B": 4, "n": 200, "reg": 0.5, "1 - beta_2": 0.005, "stride": 0.05},
        "down a long slope, gradients nearly zero": SLOPE
        | {"n": 1000, "reg": 1.0, "1 - beta_2": 0.02, "stride": 0.1, "gain": 1e-4},
    }
    faults = {"a sum over the data for a mean, in the record": "down a long slope"}

    def adam(self, problem: ClippedOffset, configuration: Configuration) -> Adam:
        c: Any = configuration
        return Adam(
            step_size=c["stride"] * c["width"] * c["reg"],
            beta_1=c["beta_1"],
            beta_2=1 - c["1 - beta_2"],
            regulariser=c["reg"] * problem.sample_bound,
        )

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        problem = ClippedOffset.of(configuration, context)
        adam = self.adam(problem, configuration)
        values = {**self._values(problem, adam), C: adam.step_size, R: problem.sample_bound}
        return Situation(values, problem.facts)

    def record(self, squares: np.ndarray, adam: Adam) -> dict[Any, Any]:
        averaged, last = np.empty_like(squares), np.zeros_like(squares[0])
        for row, square in zip(averaged, squares, strict=True):
            last = adam.beta_1 * last + (1 - adam.beta_1) * square
            row[:] = last
        return {a_m: Steps(averaged)}


class ConstantStepRun(ClippedOffsetRun):
    """Constant steps, second moment corrected, a tiny regulariser beside the sum of squares."""

    key = "descent/adam-constant-step"
    title = "simulated runs on a soft-clipped offset, constant steps"
    setting = ADAM_CONSTANT_STEP
    share = 0.5
    space = Space((*AXES, Logarithmic("reg", 1e-8, 0.5), Logarithmic("1 - beta_2", 0.0001, 0.5)))
    _tiny: ClassVar[dict[str, Scalar]] = {"reg": 1e-4, "1 - beta_2": 0.0025, "stride": 0.01}
    instances = {
        "minibatch of one": NEAR | _tiny,
        "minibatch of one, momentum": NEAR | _tiny | {"beta_1": 0.9},
        "down a long slope": SLOPE | _tiny | {"n": 1500, "1 - beta_2": 0.001, "stride": 0.0006},
        "down a long slope, momentum": SLOPE
        | _tiny
        | {"n": 1500, "1 - beta_2": 0.001, "stride": 0.0006, "beta_1": 0.5},
        "below the trivial bound": SLOPE | {"n": 3000, "reg": 0.1, "1 - beta_2": 0.0035, "stride": 0.004},
        "far below the trivial bound": SLOPE | {"n": 6000, "reg": 0.1, "1 - beta_2": 0.0018, "stride": 0.003},
        "digits, B=4": NEAR | _tiny | {"data": "digits", "N": 64, "d": 4, "B": 4, "n": 200},
        "below the trivial bound, gradients nearly zero": SLOPE
        | {"n": 3000, "reg": 0.1, "1 - beta_2": 0.0035, "stride": 0.004, "gain": 1e-4},
    }
    faults = {"a sum over the data for a mean, in the record": "down a long slope"}

    def adam(self, problem: ClippedOffset, configuration: Configuration) -> Adam:
        c: Any = configuration
        return Adam(
            step_size=c["stride"] * c["width"],
            step_decay=0.0,
            beta_1=c["beta_1"],
            beta_2=1 - c["1 - beta_2"],
            regulariser=c["reg"] * problem.sample_bound,
            place=Place.IN_SUM,
            correction=Correction.SECOND,
        )

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        problem = ClippedOffset.of(configuration, context)
        adam = self.adam(problem, configuration)
        bound = problem.sample_bound + adam.regulariser
        values = {**self._values(problem, adam), alpha: adam.step_size, R: bound}
        return Situation(values, problem.facts)

    def record(self, squares: np.ndarray, adam: Adam) -> dict[Any, Any]:
        return {a: Steps(squares)}


MOMENTUM_RUN = MomentumRun()
CONSTANT_STEP_RUN = ConstantStepRun()
