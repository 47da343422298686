"""Mistakes in what descends: gradients, noise, steps, projections, stops, second moments, divergences."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from elbound.impl import (
    bbvi,
    frozen_drift,
    full_linear_vae,
    linear_vae,
    optimisers,
    piecewise,
    projection,
)
from elbound.impl.linear_vae import Constants, LinearVAE, Weights
from elbound.impl.offset_descent import OffsetDescent
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


def half_objective(problem: LinearVAE, weights: Weights) -> Tensor:
    """Half the objective."""
    return value(problem, weights) / 2


def weak_divergence(problem: LinearVAE, weights: Weights) -> Tensor:
    """The objective without its KL term."""
    return value(replace(problem, beta=0.0), weights)


def silent_step(descent: OffsetDescent, offset: Tensor, indices: Tensor, noise: Tensor, gamma: Tensor) -> Tensor:  # noqa: ARG001
    """The full gradient for the sampled one."""
    return offset - gamma * descent.gradients(offset)


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
GRADIENT, NOISE = f"{PROBLEM}.gradient", f"{PROBLEM}.noise_split"
LEAST = "from the least value, B=8"


def half_mapping(problem: LinearVAE, weights: Weights, radius: float) -> Weights:
    """The gradient mapping before its steps are divided by the rate: longer by the rate."""
    rate = problem.smoothness_on_ball(radius)
    return Weights(*(2 * rate * x for x in mapping(problem, weights, radius)))


mapping = projection.gradient_mapping

RUNS = (
    *(
        Break("descent/clipped-linear-vae", "downhill, all but quadratic, B=8", mistake, {path: wrong})
        for mistake, path, wrong in (
            ("ascent", PATHWISE, scaled_gradient(-1.0)),
            ("gradients a hundredth as long", PATHWISE, scaled_gradient(0.01)),
            ("a recorded gradient four times as long", GRADIENT, scaled_mean_gradient(4.0)),
            ("half the objective", f"{PROBLEM}.objective", half_objective),
        )
    ),
    Break("descent/clipped-linear-vae", LEAST, "a tenth of the noise recorded", {NOISE: part_of_noise(0.1)}),
    *(
        Break("descent/projected-linear-vae", "spiked, B=8", mistake, {path: wrong})
        for mistake, path, wrong in (
            ("ascent", PATHWISE, scaled_gradient(-1.0)),
            ("a recorded gradient four times as long", GRADIENT, scaled_mean_gradient(4.0)),
            ("a mapping longer by the rate", "elbound.impl.trajectories.gradient_mapping", half_mapping),
        )
    ),
    Break("descent/projected-linear-vae", LEAST, "no noise recorded", {NOISE: part_of_noise(0.0)}),
    *(
        Break("descent/stopped-linear-vae", LEAST, mistake, {path: wrong})
        for mistake, path, wrong in (
            ("a gradient twice as long", PATHWISE, scaled_gradient(2.0)),
            ("ascent", PATHWISE, scaled_gradient(-1.0)),
            ("the batch summed", PATHWISE, summed),
            ("the noise of the first step at every step", "elbound.impl.trajectories.Run.draws", frozen_draws),
            ("steps that do not shrink", "elbound.impl.trajectories.Sgd.step_sizes", constant_steps),
            ("a recorded gradient four times as long", GRADIENT, scaled_mean_gradient(4.0)),
            ("a tenth of the noise recorded", NOISE, part_of_noise(0.1)),
            ("an objective without its divergence", f"{PROBLEM}.objective", weak_divergence),
        )
    ),
)

# Adam

take = optimisers.adam_step


def adam_ascent(adam: optimisers.Adam, theta: Tensor, gradient: Tensor, before: Any) -> Any:
    """Up the gradient."""
    return take(adam, theta, -gradient, before)


def short_gradients(adam: optimisers.Adam, theta: Tensor, gradient: Tensor, before: Any) -> Any:
    """Gradients a hundred thousandth as long."""
    return take(adam, theta, 1e-5 * gradient, before)


def slow(adam: optimisers.Adam, theta: Tensor, gradient: Tensor, before: Any) -> Any:
    """Steps that shrink like 1 / t."""
    return take(replace(adam, step_decay=1.0), theta, gradient, before)


def stale(adam: optimisers.Adam) -> Any:
    """The weights of a preconditioner that sees past gradients only."""
    return weights_of(replace(adam, timing=optimisers.Timing.PAST))


weights_of = frozen_drift._weights


def no_momentum(adam: optimisers.Adam) -> Any:
    """The weights without momentum."""
    return weights_of(replace(adam, beta_1=0.0))


def current(adam: optimisers.Adam) -> Any:
    """The weights of a preconditioner that sees the current gradient."""
    return weights_of(replace(adam, timing=optimisers.Timing.CURRENT))


slope = SoftClip.slope


def steep(clip: SoftClip, x: Tensor) -> Tensor:
    """A derivative ten times as large."""
    return 10 * slope(clip, x)


CLIP_SLOPE = "elbound.impl.soft_clipping.SoftClip.slope"
STEP = "elbound.properties.experiments.adam_clipped_offset.adam_step"
MEMORY = "elbound.impl.frozen_drift._weights"
ADAM = (
    *(
        Break("descent/adam-clipped-offset", instance, mistake, {path: wrong})
        for instance, mistake, path, wrong in (
            ("minibatch of one", "ascent", STEP, adam_ascent),
            ("minibatch of one", "gradients nearly zero", STEP, short_gradients),
            ("down a long slope", "a steep clip", CLIP_SLOPE, steep),
        )
    ),
    *(
        Break("descent/adam-constant-step", "far below the trivial bound", mistake, {path: wrong})
        for mistake, path, wrong in (
            ("steps like 1 / t", STEP, slow),
            ("gradients nearly zero", STEP, short_gradients),
            ("a steep clip", CLIP_SLOPE, steep),
        )
    ),
    Break("descent/frozen-adam", "one in ten, beta_2 = 0.99", "a stale second moment", {MEMORY: stale}),
    Break("descent/frozen-adam", "one in four, beta = (0.99, 0.99)", "momentum left out", {MEMORY: no_momentum}),
    Break(
        "descent/frozen-adam",
        "one in four, regulariser as large as the gradients",
        "current gradients in the past preconditioner",
        {MEMORY: current},
    ),
)

# Gradient descent and variational inference

derivative = piecewise.PiecewiseQuadratic.derivative


def scaled_derivative(factor: Fraction) -> Callable[..., Fraction]:
    """The derivative times a factor."""
    return lambda function, x: factor * derivative(function, x)


def overshooting(parts: Any, start: Any, steps: Any) -> Any:
    """Steps of three times their size."""
    return downhill(parts, start, [3 * step for step in steps])


def idle(parts: Any, start: Any, steps: Any) -> Any:
    """Steps of a tenth of their size."""
    return downhill(parts, start, [step / 10 for step in steps])


def uphill(parts: Any, start: Any, steps: Any) -> Any:
    """Ascent."""
    return downhill(parts, start, [-step for step in steps])


downhill = piecewise.descend
DESCEND = "elbound.properties.experiments.gradient_descent.descend"
DERIVATIVE = "elbound.impl.piecewise.PiecewiseQuadratic.derivative"
INFERENCE = "elbound.impl.bbvi.GaussianInference"
divergence_gradient, loss = bbvi.GaussianInference.divergence_gradient, bbvi.GaussianInference.objective


def backwards(problem: bbvi.GaussianInference, theta: Tensor) -> Tensor:
    """The gradient of minus the divergence."""
    return -divergence_gradient(problem, theta)


def tripled_divergence(problem: bbvi.GaussianInference, theta: Tensor) -> Tensor:
    """Three times the divergence's gradient."""
    return 3 * divergence_gradient(problem, theta)


def first_outcomes(problem: bbvi.GaussianInference, sgd: Any, stream: Any, replicates: Any) -> Iterator[Tensor]:
    """The outcomes of the first step at every step."""
    first = next(picks(problem, sgd, stream, replicates))
    for _ in range(sgd.steps):
        yield first


picks = bbvi._picks
split = bbvi.noise_split


def tenth_split(problem: Any, table: Any) -> Any:
    """A tenth of the noise."""
    return tuple(x / 10 for x in split(problem, table))


def without_divergence(problem: bbvi.GaussianInference, theta: Tensor) -> Tensor:
    """The loss less the divergence."""
    return loss(problem, theta) - 2 * problem.beta * problem.divergence(theta)


CONTRARY = "from the prior, contrary labels, mean-field"
REST = (
    *(
        Break("descent/gradient-descent", "quadratic, n=5", mistake, {path: wrong})
        for mistake, path, wrong in (
            ("steps of a tenth of their size", DESCEND, idle),
            ("steps of three times their size", DESCEND, overshooting),
            ("a derivative half as large again", DERIVATIVE, scaled_derivative(Fraction(3, 2))),
            ("ascent", DESCEND, uphill),
        )
    ),
    *(
        Break("descent/variational-inference", CONTRARY, mistake, {path: wrong})
        for mistake, path, wrong in (
            ("the divergence with the other sign", f"{INFERENCE}.divergence_gradient", backwards),
            ("three times the divergence", f"{INFERENCE}.divergence_gradient", tripled_divergence),
            ("the outcomes of the first step at every step", "elbound.impl.bbvi._picks", first_outcomes),
            ("a tenth of the noise recorded", "elbound.impl.bbvi.noise_split", tenth_split),
            ("steps that do not shrink", "elbound.impl.trajectories.Sgd.step_sizes", constant_steps),
        )
    ),
    Break(
        "descent/variational-inference",
        "log-scales far below zero, one step",
        "the divergence negated in the objective",
        {f"{INFERENCE}.objective": without_divergence},
    ),
    Break(
        "descent/offset-horizons",
        "offset at optimum",
        "steps that do not shrink",
        {"elbound.impl.trajectories.Sgd.step_sizes": constant_steps},
    ),
    Break(
        "descent/offset-horizons",
        "offset, nu=1",
        "steps without noise",
        {"elbound.impl.offset_descent.OffsetDescent.step": silent_step},
    ),
    Break(
        "descent/offset-horizons",
        "offset at optimum",
        "the encoder forgotten in the objective",
        {"elbound.impl.full_linear_vae.objective": without_code},
    ),
)
BREAKS: tuple[Break, ...] = OFFSETS + RUNS + ADAM + REST
