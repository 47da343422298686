"""SGD on radially clipped deep Gaussian VAEs: every path of a short run enumerated, and long runs simulated.

The latent noise is three-valued (see `three_point_rule`), so gradients, noise variances and objectives given the
weights are finite sums: exact for that surrogate of the Gaussian ELBO.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from elbound.impl.deep_descent import Objective, Record, Step, steps, unclip
from elbound.impl.deep_smoothness import Constants, clipped_smoothness, layerwise, norms_on_ball
from elbound.impl.deep_vae import Batch, DeepVAE, three_point_rule
from elbound.impl.noise import THREE_POINT, replicate_range
from elbound.impl.trajectories import Sgd
from elbound.properties.datasets import bundled
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import At, Context, Everywhere, Exact, Experiment, Sample, Situation, Steps
from elbound.properties.experiments.deep_layerwise import PASS, constants_of, gaussian_parameters, problem_of
from elbound.properties.spaces import (
    Axis,
    Choice,
    Configuration,
    Count,
    Linear,
    Logarithmic,
    LogarithmicCount,
    Scalar,
    Space,
)
from elbound.theory.claim import Fact
from elbound.theory.settings import DEEP_RUN, SMOOTH, UNBIASED
from elbound.theory.symbols import C, Delta, Delta_sup, F, G_r, L, a, bend, n, r, sigma2, sigma_sup2, slip, z_score

ROUNDING = 1e-9
# The planted fault: every minibatch gradient this share too long.
BIAS = {"": 1.0, "gradient 5 percent too long": 1.05}
AXES: tuple[Axis, ...] = (
    bundled(),
    Choice("hidden", ("tanh", "soft-clip")),
    Count("depth", 1, 3),
    Logarithmic("LC", 0.02, 4.0),
    Logarithmic("r", 0.5, 4.0),
    Linear("share", 0.05, 0.95),
    Logarithmic("sigma_x2", 1e-3, 1e3, usual=(0.2, 5.0)),
    Linear("beta", 0.0, 4.0),
    Count("seed", 0, 2**16),
    Choice("gain", (1.0, 0.01), usual=4),
)


@dataclass(frozen=True)
class DeepProblem:
    """A deep Gaussian VAE, the clip's radius, the start inside it, and the run."""

    problem: DeepVAE
    objective: Objective
    radius: float
    sgd: Sgd
    start: Tensor

    @staticmethod
    def of(configuration: Configuration, context: Context) -> "DeepProblem":
        c: Any = configuration
        problem, rule, radius = problem_of(configuration, context), three_point_rule(c["k"]), float(c["r"])
        step_size = c["LC"] / clipped_smoothness(problem, rule, radius)
        shape: Any = {"steps": c["n"], "batch_size": c.get("B", 1), "gain": c["gain"]}
        sgd = Sgd(step_size=step_size, law=THREE_POINT, clip_radius=radius, **shape)
        drawn = gaussian_parameters(problem.architecture, c["seed"])
        weights = drawn / drawn.norm() * c["share"] * radius
        return DeepProblem(problem, Objective(problem, rule, radius), radius, sgd, unclip(weights[:, None], radius))

    @cached_property
    def constants(self) -> Constants:
        return layerwise(self.problem, self.objective.rule, norms_on_ball(self.problem, self.radius))

    @cached_property
    def gradient_bound(self) -> float:
        return self.constants.gradient_bound(self.problem.noise_variance, self.problem.beta)

    @property
    def smoothness(self) -> float:
        return clipped_smoothness(self.problem, self.objective.rule, self.radius)

    @cached_property
    def first_value(self) -> float:
        return float(self.objective.value(self.start)[0])

    @property
    def floor(self) -> float:
        """A lower bound on the objective: reconstruction and divergence are non-negative."""
        return self.problem.architecture.data_dim / 2 * math.log(2 * math.pi * self.problem.noise_variance)

    @property
    def situation(self) -> Situation:
        values = {
            n: self.sgd.steps,
            C: self.sgd.step_size,
            L: self.smoothness,
            Delta: self.first_value - self.floor,
            Delta_sup: self.first_value + 2 * self.radius * self.gradient_bound - self.floor,
            sigma_sup2: self.gradient_bound**2,
            r: self.radius,
            G_r: self.gradient_bound,
            **constants_of(self.constants, self.problem),
        }
        # The recursion's constants come rounded up by 1e-12, so L holds them only to that.
        return Situation(values, self.facts | {SMOOTH}, precision=4e-12)

    @property
    def facts(self) -> frozenset[Fact]:
        """Whether sample gradients have the gradient as their mean."""
        return frozenset({UNBIASED} if self.sgd.gain == 1 else set())

    def ranges(self) -> dict[Any, Any]:
        """What no run can leave: every sample gradient is at most G_r long, the clip's derivative at most one."""
        bound, slack = self.gradient_bound**2 * (1 + ROUNDING), ROUNDING * (1 + abs(self.first_value))
        # Along the segment from the start the objective changes by at most the gradient's bound times its length.
        highest = self.first_value + 2 * self.radius * self.gradient_bound
        return {
            a: Everywhere(Interval.between(0.0, bound), self.sgd.steps),
            sigma2: Everywhere(Interval.between(0.0, bound), self.sgd.steps),
            slip: Everywhere(Interval.between(-2 * bound, 2 * bound), self.sgd.steps),
            bend: Everywhere(Interval.between(-self.smoothness * bound, self.smoothness * bound), self.sgd.steps),
            z_score: Interval.between(-math.inf, math.inf),
            F: At(
                {
                    1: Interval.around(self.first_value, slack),
                    self.sgd.steps + 1: Interval.between(self.floor - slack, highest + slack),
                }
            ),
        }


class Level(NamedTuple):
    """One step of the tree: chances of its nodes and children, the exact record at the nodes, gradients to children."""

    chances: Tensor
    record: Record
    theta: Tensor
    slopes: Tensor
    branch: Tensor


def tree(run: DeepProblem, bias: float) -> Iterator[Level]:
    """The levels t = 1, ..., n, then the leaves with their record; B = K = 1, every datum and noise a branch."""
    branch = (run.objective.rule.weights / run.problem.data_count).repeat(run.problem.data_count)
    theta, chances = run.start, torch.ones(1, dtype=torch.float64)
    for gamma in (*run.sgd.step_sizes(), 0.0):
        record = run.objective.record(theta, run.sgd)
        slopes = run.objective.outcomes(theta).flatten(1, 2) * (bias * run.sgd.gain)
        yield Level(chances, record, theta, slopes, branch)
        theta = (theta[:, None] - gamma * slopes).flatten(1)
        chances = (branch[:, None] * chances).flatten()


def measured(run: DeepProblem, bias: float) -> dict[Any, list[tuple[float, float]]]:
    """Expected observables of the tree, level by level, each with its error."""
    found: dict[Any, list[tuple[float, float]]] = {x: [] for x in (a, sigma2, slip, bend, z_score)}
    gammas = run.sgd.step_sizes()
    levels = tree(run, bias)
    for gamma in gammas:
        level = next(levels)
        gradient, squares = level.record.gradient, level.record.gradient.square().sum(0)
        steep = level.slopes.norm(dim=0)
        means = level.branch @ (gradient[:, None] * level.slopes).sum(0)
        sizes = squares + squares.sqrt() * (level.branch @ steep)
        bent, moved = _bent(run, level, gamma)
        deviation = level.record.along.sqrt()
        rows = {
            a: (squares, squares),
            sigma2: (level.record.variance, level.record.variance + squares),
            slip: (squares - means, sizes),
            z_score: ((squares - means) / deviation, sizes / deviation),
        }
        for name, (value, size) in rows.items():
            found[name].append((float(level.chances @ value), PASS * float(level.chances @ size)))
        # A difference of gradients over a step of length gamma |g| keeps the gradients' absolute error.
        lost = 4 * PASS * float(level.chances @ (squares.sqrt() * (level.branch @ steep))) / gamma
        found[bend].append((float(level.chances @ bent), lost + float(level.chances @ moved)))
    last = next(levels)
    values = run.objective.value(last.theta)
    found[F] = [_objective(run.first_value, 1.0), _objective(float(last.chances @ values), float(values.abs().max()))]
    return found


def _objective(value: float, size: float) -> tuple[float, float]:
    return value, PASS * (1 + abs(size) + abs(value))


def _bent(run: DeepProblem, level: Level, gamma: float) -> tuple[Tensor, Tensor]:
    """Expected L_t |g_t|^2 at each node, and what the quadrature may miss of it."""
    branches = level.slopes.shape[1]
    points = level.theta[:, None].expand(-1, branches, -1).flatten(1)
    both = run.objective.bend(points, -gamma * level.slopes.flatten(1))
    bent, moved = (level.branch @ x.unflatten(0, (branches, -1)) / gamma**2 for x in both)
    return bent, moved


class DeepTree(Experiment):
    """All paths of one or two steps with B = K = 1 and one latent coordinate: expectations are finite sums."""

    key = "descent/deep-tree"
    title = "every path enumerated"
    setting = DEEP_RUN
    share = 0.3
    space = Space((*AXES, Count("N", 3, 4), Count("d", 1, 3), Count("width", 1, 3), Count("n", 1, 2)))
    _base: ClassVar[dict[str, Scalar]] = {
        "data": "digits",
        "hidden": "tanh",
        "depth": 1,
        "LC": 0.05,
        "r": 1.0,
        "share": 0.6,
        "sigma_x2": 1.0,
        "beta": 1.0,
        "seed": 4,
        "gain": 1.0,
    }
    _base |= {"N": 4, "d": 3, "width": 3, "n": 2}
    instances = {
        "digits, one hidden layer, short steps": _base,
        "digits, two hidden layers": _base | {"depth": 2},
        "digits, three hidden layers, soft-clips throughout": _base | {"depth": 3, "hidden": "soft-clip"},
        "digits, long steps": _base | {"LC": 30.0},
        "two-valued, beta = 4": _base | {"data": "two-valued", "beta": 4.0},
        "digits, gradients a hundredth as long": _base | {"gain": 0.01},
    }
    faults = {"gradient 5 percent too long": "digits, one hidden layer, short steps"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        return DeepProblem.of({**configuration, "k": 1}, context).situation

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        run = DeepProblem.of({**configuration, "k": 1}, context)
        found = measured(run, BIAS[fault])
        around = {name: [Interval.around(*pair) for pair in pairs] for name, pairs in found.items()}
        curves = {x: Steps(_column(found[x])) for x in (a, sigma2, slip, bend)}
        score = sum(around[z_score][1:], around[z_score][0]) / run.sgd.steps**0.5
        objectives = At({1: around[F][0], run.sgd.steps + 1: around[F][1]})
        return Exact({**curves, F: objectives, z_score: score}, basis=f"exact, {run.objective.rule.name}")


def _column(pairs: list[tuple[float, float]]) -> Interval:
    values, errors = np.array(pairs).T[..., None]
    return Interval.around(values, errors)


@dataclass(frozen=True, eq=False)
class Lengthened(Objective):
    """The objective with its minibatch gradients multiplied by a gain: one, or the planted fault's."""

    gain: float = 1.0

    def batch_gradient(self, theta: Tensor, batch: Batch) -> Tensor:
        return super().batch_gradient(theta, batch) * self.gain


class DeepSample(Experiment):
    """Simulated runs, every run counted; gradient, its noise along itself, and the objective exact at each iterate."""

    key = "descent/deep-sample"
    title = "simulated runs, exact quantities along each"
    setting = DEEP_RUN
    share = 0.1
    space = Space(
        (
            *(*AXES, Count("N", 4, 8), Count("d", 1, 4), Count("width", 1, 3), Count("n", 1, 3)),
            *(Count("k", 1, 2), LogarithmicCount("B", 1, 8)),
        )
    )
    _base: ClassVar[dict[str, Scalar]] = {
        name: value for name, value in DeepTree._base.items() if name not in {"N", "d", "width", "n"}
    }
    _base |= {"N": 8, "d": 4, "width": 3, "n": 3, "k": 1, "B": 8, "LC": 1.0}
    instances = {
        "digits, B=8": _base,
        "digits, two latents, two hidden layers": _base | {"depth": 2, "k": 2, "n": 2, "N": 6},
    }
    faults = {"gradient 5 percent too long": "digits, B=8"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        return DeepProblem.of(configuration, context).situation

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Sample:
        run = DeepProblem.of(configuration, context)

        def draw(stage: str, first: int, count: int) -> dict[Any, Any]:
            stream = context.stream(self.key, configuration, stage)
            sampled = Lengthened(run.problem, run.objective.rule, run.radius, BIAS[fault])
            path = steps(sampled, run.start[:, 0], run.sgd, stream, replicate_range(first, count))
            return _recorded(run, path)

        return Sample(draw, run.ranges(), variances={z_score: 1.0})


def _recorded(run: DeepProblem, path: Iterator[Step]) -> dict[Any, Any]:
    """The observables of simulated replicates."""
    rows: dict[Any, list[NDArray[np.float64]]] = {x: [] for x in (a, sigma2, slip, bend)}
    values: list[NDArray[np.float64]] = []
    score = np.zeros(())
    for t, step in enumerate(path):
        if t in (0, run.sgd.steps):
            values.append(run.objective.value(step.theta).numpy())
        if t < run.sgd.steps:
            record, slope = run.objective.record(step.theta, run.sgd), step.slope
            square = record.gradient.square().sum(0)
            error = square - (record.gradient * slope).sum(0)
            bent, _ = run.objective.bend(step.theta, -step.gamma * slope)
            score = score + (error / record.along.sqrt()).numpy()
            found = (square, record.variance, error, bent / step.gamma**2)
            for name, value in zip(rows, found, strict=True):
                rows[name].append(value.numpy())
    curves = {name: Steps(np.stack(column)) for name, column in rows.items()}
    return {**curves, F: At({1: values[0], run.sgd.steps + 1: values[1]}), z_score: score / run.sgd.steps**0.5}


DEEP_TREE = DeepTree()
DEEP_SAMPLE = DeepSample()
