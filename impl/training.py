"""Training a deep Gaussian VAE by SGD or Adam, watched as a practitioner would and as a theorem would."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from elbound.impl.deep_descent import minibatch
from elbound.impl.deep_importance import Exact, sampled_gradient
from elbound.impl.deep_vae import Batch, DeepVAE, NoiseRule, trapezoid_rule
from elbound.impl.noise import GAUSSIAN, Stream, replicate_range
from elbound.impl.optimisers import Adam, adam_step, at_rest
from elbound.impl.trajectories import Draw, draw

# Of the quadrature over the latent noise, in deviations: 2e-9 of the mass lies beyond.
REACH = 6.0


@dataclass(frozen=True)
class Descent:
    """Gradient steps of size step_size / sqrt(t). Raises ValueError unless step_size is positive and finite."""

    step_size: float

    def __post_init__(self) -> None:
        if not 0 < self.step_size < math.inf:
            raise ValueError(f"step_size is {self.step_size}; allowed: positive and finite")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Optimiser, steps, batch size B, number of records, quadrature intervals, and what the objective is.

    With ``samples`` None it is the negative ELBO with its analytic Kullback-Leibler term; with K >= 1 the
    importance-weighted -L_K, where K noises make one estimate. ``draws`` such estimates, or ELBO samples, are averaged
    for each datum. Raises ValueError for counts below 1.
    """

    optimiser: Descent | Adam
    steps: int
    batch_size: int
    draws: int = 1
    samples: int | None = None
    records: int = 12
    intervals: int = 64

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "draws", "samples", "records"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; allowed: at least 1")

    @cached_property
    def recorded(self) -> tuple[int, ...]:
        """Steps after which something is recorded: evenly spread over log t, the last among them."""
        last = max(self.records - 1, 1)
        return tuple(sorted({round(self.steps ** (i / last)) for i in range(self.records)} | {self.steps}))

    @property
    def noises(self) -> int:
        """Noises of one datum in a step."""
        return self.draws * (self.samples or 1)


class Trace(NamedTuple):
    """At the recorded iterates: |grad F|^2, what paper A's code logs for it over the steps since the last record, the
    negative ELBO of held-out data and, where F = -L_K, -L_K of held-out data with the mean of what is logged for it.

    ``moved``: the largest relative change of |grad F|^2 at the first and the last record when the quadrature over the
    latent noise takes twice as many intervals.
    """

    steps: tuple[int, ...]
    squared_gradient: Float[Tensor, "T R"]
    logged_square: Float[Tensor, "T R"]
    test_loss: Float[Tensor, "T R"]
    test_bound: Float[Tensor, "T R"] | None
    logged_bound: Float[Tensor, "T R"] | None
    moved: float


def logged_square(gradient: Float[Tensor, "P R"], batch_size: int) -> Float[Tensor, " R"]:
    """(B / P) |g_B|^2 of one batch's mean gradient.

    The published code of Surendran, Godichon-Baggioni and Le Corff 2025 sums squared norms of summed batch gradients
    over an epoch and divides by N P; an epoch has N / B batches. It holds the noise's variance and grows with B.
    """
    return gradient.square().sum(0) * (batch_size / gradient.shape[0])


def exact_gradient(
    problem: DeepVAE, theta: Float[Tensor, "P R"], rule: NoiseRule, samples: int | None
) -> Float[Tensor, "P R"]:
    """Gradient of the negative ELBO (None) or of -L_K over all data, the noise under ``rule``."""
    if samples is None:
        return problem.gradient(theta, problem.whole(rule))
    return Exact(problem, theta, rule, samples).gradient()


def batch_gradient(
    problem: DeepVAE, theta: Float[Tensor, "P R"], batch: Batch, samples: int | None
) -> Float[Tensor, "P R"]:
    """The estimate of the same gradient that a minibatch gives."""
    if samples is None:
        return problem.gradient(theta, batch)
    return sampled_gradient(problem, theta, batch, samples)


def check(problem: DeepVAE, plan: Plan) -> None:
    """Raises ValueError where the plan does not fit: batches beyond the data, more latent coordinates than one,
    importance samples beside beta other than 1, for which there is no bound.
    """
    if plan.batch_size > problem.data_count:
        raise ValueError(f"batch_size is {plan.batch_size}; allowed: 1 to {problem.data_count}, the rows to train on")
    if problem.architecture.latent_dim != 1:
        raise ValueError(f"latent_dim is {problem.architecture.latent_dim}; allowed for the exact gradient: 1")
    if plan.samples is not None and problem.beta != 1:
        raise ValueError(f"beta is {problem.beta} with importance samples; allowed: 1")


def iterates(
    problem: DeepVAE, start: Float[Tensor, " P"], plan: Plan, stream: Stream, replicates: Int64[Tensor, " R"]
) -> Iterator[tuple[Float[Tensor, "P R"], Float[Tensor, "P R"]]]:
    """theta_(t+1) and the minibatch gradient that led there, t = 1, ..., n, from one start with Gaussian noise."""
    data = problem.data
    shape = Draw(GAUSSIAN, plan.batch_size, plan.noises, 1, None, data.dtype)
    schedule, count = stream.schedule(data.device), torch.tensor(problem.data_count, device=data.device)
    theta = start.to(data)[None].repeat(len(replicates), 1).T
    moments = at_rest(theta)
    for t in range(1, plan.steps + 1):
        labels, noise = draw(shape, schedule, replicates, torch.tensor(t, device=data.device), count)
        slope = batch_gradient(problem, theta, minibatch(problem, labels, noise), plan.samples)
        if isinstance(plan.optimiser, Adam):
            theta, moments = adam_step(plan.optimiser, theta, slope, moments)
        else:
            theta = theta - plan.optimiser.step_size / math.sqrt(t) * slope
        yield theta, slope


def train(
    problem: DeepVAE,
    held_out: DeepVAE,
    start: Float[Tensor, " P"],
    plan: Plan,
    stream: Stream,
    replicates: tuple[int, int],
) -> Trace:
    """Trains ``replicates`` = (first, count) at once, on the data's device.

    Raises ValueError as ``check`` does, and where a recorded quantity leaves the finite numbers.
    """
    check(problem, plan)
    rule, finer = trapezoid_rule(plan.intervals, REACH), trapezoid_rule(2 * plan.intervals, REACH)
    indices = replicate_range(*replicates, problem.data.device)
    window: list[Tensor] = []
    rows: list[tuple[Tensor, ...]] = []
    moved: list[Tensor] = []
    for t, (theta, slope) in enumerate(iterates(problem, start, plan, stream, indices), 1):
        window.append(logged_square(slope, plan.batch_size))
        if t not in plan.recorded:
            continue
        square = exact_gradient(problem, theta, rule, plan.samples).square().sum(0)
        rows.append((square, torch.stack(window).mean(0), *_on(held_out, theta, rule, plan.samples)))
        window.clear()
        if not all(bool(torch.isfinite(value).all()) for value in rows[-1]):
            size = plan.optimiser.step_size
            raise ValueError(
                f"step_size is {size}: training left the finite numbers by step {t}; allowed: a smaller one"
            )
        if t in (plan.recorded[0], plan.steps):
            again = exact_gradient(problem, theta, finer, plan.samples).square().sum(0)
            # Of the larger one, and none where both are zero.
            moved.append(((again - square).abs() / torch.maximum(again, square)).nan_to_num(0.0).max())
    squares, logged, losses, *bounds = (torch.stack(column).cpu() for column in zip(*rows, strict=True))
    value, logged_value = bounds or (None, None)
    return Trace(plan.recorded, squares, logged, losses, value, logged_value, max(map(float, moved)))


def _on(held_out: DeepVAE, theta: Float[Tensor, "P R"], rule: NoiseRule, samples: int | None) -> tuple[Tensor, ...]:
    if samples is None:
        return (held_out.objective(theta, held_out.whole(rule)),)
    found = Exact(held_out, theta, rule, samples)
    return found.negative_elbo(), found.value(), found.logged()
