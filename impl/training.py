"""Training a Linear VAE by SGD or Adam, watched as a practitioner would and as a theorem would."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from elbound.impl.linear_vae import LinearVAE, Weights, gather, inner, pathwise_gradient
from elbound.impl.noise import GAUSSIAN, Stream, replicate_range
from elbound.impl.optimisers import Adam, adam_step, at_rest
from elbound.impl.trajectories import Draw, draw


@dataclass(frozen=True)
class Descent:
    """Gradient steps of size step_size / sqrt(t). Raises ValueError unless step_size is positive and finite."""

    step_size: float

    def __post_init__(self) -> None:
        if not 0 < self.step_size < math.inf:
            raise ValueError(f"step_size is {self.step_size}; allowed: positive and finite")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Optimiser, number of steps, batch, latent samples, and how many steps lie between two records.

    Raises ValueError for counts below 1 or steps that `every` does not divide.
    """

    optimiser: Descent | Adam
    steps: int
    batch_size: int
    importance_samples: int
    every: int

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "importance_samples", "every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; allowed: at least 1")
        if self.steps % self.every:
            raise ValueError(f"every is {self.every}; allowed: a divisor of steps {self.steps}")


class Trace(NamedTuple):
    """After every, 2 every, ..., steps steps: the mean of |grad F|^2 over the steps since the last record, what paper
    A's code logs for the same steps, and F on held-out data at the last iterate.
    """

    steps: tuple[int, ...]
    squared_gradient: Float[Tensor, "T R"]
    logged: Float[Tensor, "T R"]
    test_loss: Float[Tensor, "T R"]


def logged_square(gradient: Float[Tensor, "P R"], batch_size: int) -> Float[Tensor, " R"]:
    """(B / P) |g_B|^2 of one batch's mean gradient.

    The published code of Surendran, Godichon-Baggioni and Le Corff 2025 sums squared norms of summed batch gradients
    over an epoch and divides by N P; an epoch has N / B batches. It holds the noise's variance and grows with B.
    """
    return gradient.square().sum(0) * (batch_size / gradient.shape[0])


def train(
    problem: LinearVAE, held_out: LinearVAE, start: Weights, plan: Plan, stream: Stream, replicates: tuple[int, int]
) -> Trace:
    """Trains ``replicates`` = (first, count) from one start [k, d, 1], [d, k, 1] with Gaussian noise."""
    indices, count = replicate_range(*replicates), torch.tensor(problem.data_count)
    size = (plan.batch_size, plan.importance_samples)
    shape = Draw(GAUSSIAN, *size, problem.latent_dim, None, problem.data.dtype)
    theta = _flat(start).repeat(1, replicates[1])
    moments, schedule = at_rest(theta), stream.schedule()
    squares, logged, records = torch.zeros(replicates[1]), torch.zeros(replicates[1]), []
    for t in range(1, plan.steps + 1):
        weights = _weights(problem, theta)
        labels, noise = draw(shape, schedule, indices, torch.tensor(t), count)
        found = _flat(pathwise_gradient(problem.constants, weights, gather(problem.columns, labels), noise))
        exact = problem.gradient(weights)
        squares, logged = squares + inner(exact, exact), logged + logged_square(found, plan.batch_size)
        if isinstance(plan.optimiser, Adam):
            theta, moments = adam_step(plan.optimiser, theta, found, moments)
        else:
            theta = theta - plan.optimiser.step_size / math.sqrt(t) * found
        if t % plan.every == 0:
            loss = held_out.objective(_weights(problem, theta))
            records.append((squares / plan.every, logged / plan.every, loss))
            squares, logged = torch.zeros_like(squares), torch.zeros_like(logged)
    steps = tuple(range(plan.every, plan.steps + 1, plan.every))
    return Trace(steps, *(torch.stack(column) for column in zip(*records, strict=True)))


def _flat(weights: Weights) -> Float[Tensor, "P R"]:
    return torch.cat((weights.encoder.flatten(0, 1), weights.decoder.flatten(0, 1)))


def _weights(problem: LinearVAE, theta: Float[Tensor, "P R"]) -> Weights:
    k, d = problem.latent_dim, problem.data_dim
    return Weights(theta[: k * d].unflatten(0, (k, d)), theta[k * d :].unflatten(0, (d, k)))
