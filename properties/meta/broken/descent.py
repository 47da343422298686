"""Mistakes in what descends: gradients, noise, steps, projections, stops, second moments, divergences."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from elbound.impl import bbvi, frozen_drift, full_linear_vae, linear_vae, optimisers, piecewise, projection, trajectories
from elbound.impl.linear_vae import Constants, LinearVAE, Weights
from elbound.impl.soft_clipping import SoftClip
from elbound.impl.trajectories import Run, Sgd
from elbound.properties.meta.broken.model_break import Break

PATHWISE = "elbound.impl.trajectories.pathwise_gradient"
pathwise = linear_vae.pathwise_gradient


def scaled_gradient(factor: float) -> Callable[..., Weights]:
    """The stochastic gradient times a factor."""

    def wrong(constants: Constants, weights: Weights, x: Tensor, noise: Tensor) -> Weights:
        return Weights(*(factor * part for part in pathwise(constants, weights, x, noise)))

    return wrong


def scaled_noise(factor: float) -> Callable[..., Weights]:
    """The stochastic gradient with noise of another standard deviation."""

    def wrong(constants: Constants, weights: Weights, x: Tensor, noise: Tensor) -> Weights:
        return pathwise(constants, weights, x, factor * noise)

    return wrong


def summed(constants: Constants, weights: Weights, x: Tensor, noise: Tensor) -> Weights:
    """The sum over the batch for its mean."""
    return Weights(*(len(noise) * part for part in pathwise(constants, weights, x, noise)))


def one_datum(constants: Constants, weights: Weights, x: Tensor, noise: Tensor) -> Weights:
    """The batch's first datum in every place."""
    return pathwise(constants, weights, x[:, :1].expand_as(x).contiguous(), noise)


def one_noise(constants: Constants, weights: Weights, x: Tensor, noise: Tensor) -> Weights:
    """One latent noise for the whole batch."""
    return pathwise(constants, weights, x, noise[:1, :1].expand_as(noise).contiguous())


def unit_deviation(constants: Constants, weights: Weights, x: Tensor, noise: Tensor) -> Weights:
    """Latents drawn with variance one in place of D."""
    deviation = constants.deviation
    return pathwise(constants._replace(deviation=torch.where(deviation > 0, 1.0, deviation)), weights, x, noise)


def frozen_draws(run: Run, replicates: Tensor, *, compiled: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """Minibatch and noise of the first step at every step."""
    first = next(draws(run, replicates, compiled=compiled))
    for _ in range(run.sgd.steps):
        yield first


draws = Run.draws


def constant_steps(sgd: Sgd) -> list[float]:
    """C for C / sqrt(t)."""
    return [sgd.step_size] * sgd.steps


objective = full_linear_vae.objective


def twice_the_fit(problem: LinearVAE, at: full_linear_vae.Parameters) -> Tensor:
    """|x - V z - c|^2 / sigma_x2, the half forgotten."""
    return objective(replace(problem, noise_variance=problem.noise_variance / 2), at)


def without_code(problem: LinearVAE, at: full_linear_vae.Parameters) -> Tensor:
    """The reconstruction V D^(1/2) e + c, the encoder's mean forgotten."""
    return objective(problem, at._replace(encoder=0 * at.encoder))


# The Linear VAE's runs

PROBLEM = "elbound.impl.linear_vae.LinearVAE"
gradient, noise_split, value = LinearVAE.gradient, LinearVAE.noise_split, LinearVAE.objective


def scaled_mean_gradient(factor: float) -> Callable[..., Weights]:
    """The recorded gradient times a factor."""
    return lambda problem, weights: Weights(*(factor * part for part in gradient(problem, weights)))


def part_of_noise(factor: float) -> Callable[..., tuple[Tensor, Tensor]]:
    """The recorded noise times a factor."""

    def wrong(problem: LinearVAE, weights: Weights, kurtosis: float) -> tuple[Tensor, Tensor]:
        data, latent = noise_split(problem, weights, kurtosis)
        return factor * data, factor * latent

    return wrong


def weak_divergence(problem: LinearVAE, weights: Weights) -> Tensor:
    """The objective without its KL term."""
    return value(replace(problem, beta=0.0), weights)


OFFSETS = tuple(
    Break(experiment, instance, mistake, {path: wrong})
    for experiment, instance in (
        ("descent/decoder-offset", "offset, nu=1, n=1000"),
        ("descent/offset-paths", "offset, nu=1, B=2, n=2"),
    )
    for mistake, path, wrong in (
        ("a gradient 5 percent too long", PATHWISE, scaled_gradient(1.05)),
        ("ascent", PATHWISE, scaled_gradient(-1.0)),
        ("latent noise of twice the variance", PATHWISE, scaled_noise(2.0**0.5)),
        ("the batch summed", PATHWISE, summed),
        ("one datum in all places of the batch", PATHWISE, one_datum),
        ("one latent noise for the batch", PATHWISE, one_noise),
        ("latents of variance one", PATHWISE, unit_deviation),
        ("steps that do not shrink", "elbound.impl.trajectories.Sgd.step_sizes", constant_steps),
        ("the half of the squared error forgotten", "elbound.impl.full_linear_vae.objective", twice_the_fit),
        ("the encoder forgotten in the objective", "elbound.impl.full_linear_vae.objective", without_code),
    )
)
MISTAKES = (
    ("a gradient twice as long", PATHWISE, scaled_gradient(2.0)),
    ("ascent", PATHWISE, scaled_gradient(-1.0)),
    ("the batch summed", PATHWISE, summed),
    ("one datum in all places of the batch", PATHWISE, one_datum),
    ("one latent noise for the batch", PATHWISE, one_noise),
    ("latent noise of three times the deviation", PATHWISE, scaled_noise(3.0)),
    ("the noise of the first step at every step", "elbound.impl.trajectories.Run.draws", frozen_draws),
    ("steps that do not shrink", "elbound.impl.trajectories.Sgd.step_sizes", constant_steps),
    ("a recorded gradient four times as long", f"{PROBLEM}.gradient", scaled_mean_gradient(4.0)),
    ("a tenth of the noise recorded", f"{PROBLEM}.noise_split", part_of_noise(0.1)),
    ("an objective without its divergence", f"{PROBLEM}.objective", weak_divergence),
)
RUNS = tuple(
    Break(experiment, instance, mistake + " at " + instance, {path: wrong})
    for experiment, instances in (
        ("descent/clipped-linear-vae", ("from the least value, B=8","spiked, B=K=1","digits, B=8")),
        ("descent/projected-linear-vae", ("from the least value, B=8","spiked, B=8","spiked, one step")),
        ("descent/stopped-linear-vae", ("from the least value, B=8","a ball that many runs leave","spiked, B=4")),
    )
    for instance in instances
    for mistake, path, wrong in MISTAKES
)
BREAKS: tuple[Break, ...] = OFFSETS + RUNS
