"""Hyperparameter sweeps on the digits: what training shows beside what the theorems speak of."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from elbound.impl.data import centred_digits
from elbound.impl.linear_vae import LinearVAE, Weights, inner
from elbound.impl.noise import Stream
from elbound.impl.optimisers import Adam, Correction, Place
from elbound.impl.training import Descent, Plan, train
from elbound.properties.docket import BadInput
from elbound.properties.experiments.linear_vae_ball import gaussian_weights
from elbound.reports.sweep import Band, Line

ADAM = Adam(step_size=0.02, beta_1=0.9, beta_2=0.999, regulariser=1e-8, place=Place.OUTSIDE, correction=Correction.BOTH)


@dataclass(frozen=True)
class Choice:
    """One setting of a sweep."""

    batch_size: int = 16
    importance_samples: int = 1
    beta: float = 1.0
    adam: bool = False


SWEEPS: Mapping[str, Mapping[str, Choice]] = {
    "batch-size": {f"B = {size}": Choice(batch_size=size) for size in (4, 16, 64)},
    "samples": {f"K = {count}": Choice(importance_samples=count) for count in (1, 4, 16)},
    "beta": {f"beta = {weight:g}": Choice(beta=weight) for weight in (0.25, 1.0, 4.0)},
    "optimiser": {"SGD": Choice(), "Adam": Choice(adam=True)},
}


@dataclass(frozen=True)
class Size:
    """Data and latent dimension, rows for training and for testing each, steps, records, replicates."""

    data_dim: int = 16
    latent_dim: int = 4
    rows: int = 256
    steps: int = 600
    records: int = 30
    replicates: int = 16


def sweep(name: str, size: Size | None = None) -> tuple[Line, ...]:
    """Every setting of a sweep, trained from the same start. BadInput for an unknown name."""
    if name not in SWEEPS:
        raise BadInput(f"sweep {name!r}: unknown; allowed: {', '.join(SWEEPS)}")
    return tuple(_line(title, choice, size or Size()) for title, choice in SWEEPS[name].items())


def _line(title: str, choice: Choice, size: Size) -> Line:
    rows = torch.tensor(centred_digits(2 * size.rows, size.data_dim), dtype=torch.float64)
    variance = torch.full((size.latent_dim,), 0.2, dtype=torch.float64)
    problem = LinearVAE(rows[: size.rows], 0.1, choice.beta, variance)
    held_out = LinearVAE(rows[size.rows :], 0.1, choice.beta, variance)
    drawn, least = gaussian_weights(problem, 1), problem.minimiser()
    start = Weights(drawn.encoder[..., None] * 0.1, drawn.decoder[..., None] * 0.1)
    # 1 / L(r) on the ball that reaches the minimiser: the largest step the theorem allows where it will be needed.
    radius = float(torch.maximum(inner(least, least), inner(start, start))[0]) ** 0.5
    optimiser = ADAM if choice.adam else Descent(1 / problem.smoothness_on_ball(radius))
    plan = Plan(
        optimiser=optimiser,
        steps=size.steps,
        batch_size=choice.batch_size,
        importance_samples=choice.importance_samples,
        every=size.steps // size.records,
    )
    trace = train(problem, held_out, start, plan, Stream.named("sweep", title), (0, size.replicates))
    bands = (_band(x) for x in (trace.squared_gradient, trace.logged, trace.test_loss))
    return Line(title, trace.steps, *bands)


def _band(values: torch.Tensor) -> Band:
    levels = torch.tensor((0.1, 0.9), dtype=values.dtype)
    low, high = torch.quantile(values, levels, dim=1)
    return Band(tuple(values.mean(1).tolist()), tuple(low.tolist()), tuple(high.tolist()))
