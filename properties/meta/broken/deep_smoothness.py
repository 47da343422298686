"""Mistakes in deep Gaussian VAEs, in soft-clips, in Linear VAEs at points, and in optimisers on enumerated paths."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from elbound.impl import clipping, deep_descent, deep_vae, full_linear_vae, optimisers, soft_clipping
from elbound.impl.deep_vae import Activation, Affine, Batch, DeepVAE, Heads, LatentSample, NoiseRule, Trace
from elbound.impl.linear_vae import LinearVAE, Weights
from elbound.impl.noise import Stream
from elbound.impl.optimisers import Adam, Moments
from elbound.impl.soft_clipping import SoftClip
from elbound.impl.trajectories import Sgd
from elbound.properties.meta.broken.model_break import Break

HESSIAN, LAYER, LATENT = "smoothness/deep-hessian", "smoothness/deep-layer", "smoothness/deep-latent"
TREE, SAMPLE = "descent/deep-tree", "descent/deep-sample"
SHORT = "digits, one hidden layer, short steps"
CHAIN = "chain of width one, large residual"
LIKELIHOOD = "the reconstruction counted twice"

DEEP_GRADIENT, DEEP_VALUES = DeepVAE.gradient, DeepVAE.sample_values
OUTCOMES, BATCH_GRADIENT = deep_descent.Objective.outcomes, deep_descent.Objective.batch_gradient
MINIBATCH, MINIBATCHES, SLOPE = deep_descent.minibatch, deep_descent.minibatches, SoftClip.slope
LINEAR_HESSIAN, LINEAR_SAMPLE = LinearVAE.hessian, LinearVAE.sample_gradient


# The deep model.
def sharper(problem: DeepVAE) -> DeepVAE:
    """With the reconstruction counted twice."""
    return replace(problem, noise_variance=problem.noise_variance / 2)


def gradient_with_the_fit_doubled(problem: DeepVAE, theta: Tensor, batch: Batch) -> Tensor:
    return DEEP_GRADIENT(sharper(problem), theta, batch)


def gradient_with_beta_doubled(problem: DeepVAE, theta: Tensor, batch: Batch) -> Tensor:
    return DEEP_GRADIENT(replace(problem, beta=2 * problem.beta), theta, batch)


def steeper(clip: SoftClip, x: Tensor) -> Tensor:
    """Twice the slope."""
    return 2 * SLOPE(clip, x)


def with_beta_doubled(maps: Sequence[Affine], activations: Sequence[Activation | Heads], a: Tensor) -> Trace:
    return deep_vae.forward([Affine(m.weight, 2 * m.bias) for m in maps], activations, a)


def with_matrices_doubled(maps: Sequence[Affine], activations: Sequence[Activation | Heads], a: Tensor) -> Trace:
    return deep_vae.forward([Affine(2 * m.weight, m.bias) for m in maps], activations, a)


def with_a_square_added(maps: Sequence[Affine], activations: Sequence[Activation | Heads], a: Tensor) -> Trace:
    """A (a + a^2) for A a."""
    return deep_vae.forward(maps, activations, a + a.square())


def variance_for_deviation(mean: Tensor, log_variance: Tensor, noise: Tensor) -> LatentSample:
    """e^l in place of e^(l/2)."""
    deviation = torch.exp(log_variance)
    return LatentSample(mean[..., None] + deviation[..., None] * noise, deviation)


def mean_taken_twice(mean: Tensor, log_variance: Tensor, noise: Tensor) -> LatentSample:
    return deep_vae.latent_sample(2 * mean, log_variance, noise)


# Runs of the deep model.
def outcomes_under(change: Callable[[Any], Any]) -> Callable[..., Tensor]:
    """The sample gradients of a changed objective."""
    return lambda objective, theta: OUTCOMES(change(objective), theta)


def wider_noise(objective: Any) -> Any:
    rule = objective.rule
    return replace(objective, rule=NoiseRule(rule.name, 1.5 * rule.nodes, rule.weights))


def positive_noise(objective: Any) -> Any:
    rule = objective.rule
    return replace(objective, rule=NoiseRule(rule.name, rule.nodes.abs(), rule.weights))


def first_datum_for_all(objective: Any) -> Any:
    data = objective.problem.data
    return replace(objective, problem=replace(objective.problem, data=data[:1].expand_as(data).contiguous()))


def fit_left_out(objective: Any) -> Any:
    return replace(objective, problem=replace(objective.problem, noise_variance=1e6))


def fit_doubled(objective: Any) -> Any:
    return replace(objective, problem=sharper(objective.problem))


def without_clip(theta: Tensor, vector: Tensor, radius: float | None) -> Tensor:  # noqa: ARG001
    """The chain rule of the clip forgotten."""
    return vector


def uphill(objective: Any, theta: Tensor) -> Tensor:
    return -OUTCOMES(objective, theta)


def downhill_reversed(objective: Any, theta: Tensor, batch: Batch) -> Tensor:
    return -BATCH_GRADIENT(objective, theta, batch)


def always_the_first(problem: DeepVAE, indices: Tensor, noise: Tensor) -> Batch:
    return MINIBATCH(problem, torch.zeros_like(indices), noise)


def noise_drawn_once(problem: DeepVAE, sgd: Sgd, stream: Stream, replicates: Tensor, count: int) -> Iterator[Batch]:
    """The same minibatch at every step, for all replicates."""
    first = next(MINIBATCHES(problem, sgd, stream, torch.zeros_like(replicates), 1))
    return itertools.repeat(first, count)


# Adam.
def adam_uphill(adam: Adam, theta: Tensor, gradient: Tensor, before: Moments) -> tuple[Tensor, Moments]:
    return optimisers.adam_step(adam, theta, -gradient, before)


def adam_without_memory(adam: Adam, theta: Tensor, gradient: Tensor, before: Moments) -> tuple[Tensor, Moments]:
    """Both moments start from zero at every step."""
    rest = before._replace(first=torch.zeros_like(before.first), second=torch.zeros_like(before.second))
    return optimisers.adam_step(adam, theta, gradient, rest)


def adam_at_half_speed(adam: Adam, theta: Tensor, gradient: Tensor, before: Moments) -> tuple[Tensor, Moments]:
    return optimisers.adam_step(replace(adam, step_size=adam.step_size / 2), theta, gradient, before)


def without_root(adam: Adam, seen: Moments) -> Tensor:
    """The preconditioner with v in place of its root."""
    return 1 / (seen.second + adam.regulariser)


def less_regular(adam: Adam, seen: Moments) -> Tensor:
    """The preconditioner with a tenth off its regulariser."""
    return optimisers.preconditioner(replace(adam, regulariser=0.9 * adam.regulariser), seen)


# Soft-clips.
STABLE, LOGISTIC, BENT = soft_clipping.stable_value, soft_clipping.logistic_derivatives, clipping.squared_bend


def correction_reversed(x: Tensor, clip: SoftClip) -> Tensor:
    """The correction with the other sign: beyond the range the values come back."""
    return 2 * x.clamp(clip.low, clip.high) - STABLE(x, clip)


def leaning(clip: SoftClip, x: Tensor) -> Tensor:
    """Not odd about the middle."""
    return STABLE(x, clip) + torch.exp(-clip.sharpness * (x - clip.high).abs()) / clip.sharpness


def twice_as_sharp(clip: SoftClip, exp: Callable[[Any], Any], x: Any) -> tuple[Any, Any, Any]:
    return LOGISTIC(replace(clip, sharpness=2 * clip.sharpness), exp, x)


def bent_more_along_the_radius(t: Any, p: Any) -> tuple[Any, Any, Any]:
    """The second derivative along the radius taken one and a half times: 1.25 of its square more."""
    value, by_t, by_p = BENT(t, p)
    along, weight = 1 + 2 * p - 3 * t * p, t * (1 - t) ** 2
    more = 1.25 * weight * along * along
    return (
        value + more,
        by_t + 1.25 * ((1 - t) * (1 - 3 * t) * along * along - weight * 6 * p * along),
        by_p + 2.5 * weight * along * (2 - 3 * t),
    )


# The Linear VAE.
def doubled(problem: LinearVAE) -> LinearVAE:
    """With the reconstruction counted twice."""
    return replace(problem, noise_variance=problem.noise_variance / 2)


def hessian_with_the_fit_doubled(problem: LinearVAE, encoder: Tensor, decoder: Tensor) -> Tensor:
    return LINEAR_HESSIAN(doubled(problem), encoder, decoder)


def hessian_with_beta_doubled(problem: LinearVAE, encoder: Tensor, decoder: Tensor) -> Tensor:
    return LINEAR_HESSIAN(replace(problem, beta=2 * problem.beta), encoder, decoder)


def unclipped(problem: LinearVAE, theta: Weights, radius: float) -> Tensor:  # noqa: ARG001
    """The Hessian of F at theta itself."""
    return LINEAR_HESSIAN(problem, theta.encoder[..., 0], theta.decoder[..., 0])


CLIPPED_HESSIAN, OBJECTIVE = clipping.hessian, full_linear_vae.objective


def clipped_with_the_fit_doubled(problem: LinearVAE, theta: Weights, radius: float) -> Tensor:
    return CLIPPED_HESSIAN(replace(problem, noise_variance=problem.noise_variance / 4), theta, radius)


def objective_with_the_fit_doubled(problem: LinearVAE, at: Any) -> Tensor:
    return OBJECTIVE(doubled(problem), at)


def deviation_for_variance(problem: LinearVAE, at: Any) -> Tensor:
    """Log-variances taken for log-deviations."""
    return OBJECTIVE(problem, at._replace(log_variance=2 * at.log_variance))


def sample_uphill(problem: LinearVAE, weights: Weights, *drawn: Tensor) -> Weights:
    found = LINEAR_SAMPLE(problem, weights, *drawn)
    return Weights(-found.encoder, -found.decoder)


def sample_halved(problem: LinearVAE, weights: Weights, *drawn: Tensor) -> Weights:
    found = LINEAR_SAMPLE(problem, weights, *drawn)
    return Weights(found.encoder / 2, found.decoder / 2)


IMPL, HERE = "elbound.impl", "elbound.properties.experiments"
OUTCOME = f"{IMPL}.deep_descent.Objective.outcomes"
GRADIENT, DRAWN = f"{IMPL}.deep_vae.DeepVAE.gradient", f"{IMPL}.deep_descent.minibatch"
MOMENTUM, PAST, ADAM = "descent/deep-adam-momentum", "descent/deep-adam-predictable", "descent/adam-tree"
CLIP, BALL, EDGE = "smoothness/soft-clip", "smoothness/linear-vae-ball", "descent/edge-of-ball"
CLIPPED, OFFSETS = "smoothness/clipped-linear-vae", "smoothness/linear-vae-offsets"
LEARNED = "smoothness/linear-vae-learned-variance"
SHORTER = "digits, one hidden layer, short steps"

BREAKS = (
    Break(HESSIAN, CHAIN, LIKELIHOOD, {GRADIENT: gradient_with_the_fit_doubled}),
    Break(HESSIAN, CHAIN, "activations of twice the slope", {f"{IMPL}.soft_clipping.SoftClip.slope": steeper}),
    Break(HESSIAN, "sixteen latents, divergence alone", "beta doubled", {GRADIENT: gradient_with_beta_doubled}),
    Break(
        LAYER,
        "slope of the offset",
        "the offset added twice",
        {f"{IMPL}.deep_layers.forward": with_beta_doubled},
    ),
    Break(LAYER, "linear below", "the matrix applied twice", {f"{IMPL}.deep_layers.forward": with_matrices_doubled}),
    Break(
        LAYER,
        "activation at its sharpest bend",
        "an activation of twice the slope",
        {f"{IMPL}.soft_clipping.SoftClip.slope": steeper},
    ),
    Break(
        LAYER, "curvature from below", "the input's square added", {f"{IMPL}.deep_layers.forward": with_a_square_added}
    ),
    Break(
        LATENT,
        "log-variance alone",
        "the variance for the deviation",
        {f"{IMPL}.deep_layers.latent_sample": variance_for_deviation},
    ),
    Break(LATENT, "all aligned", "the mean taken twice", {f"{IMPL}.deep_layers.latent_sample": mean_taken_twice}),
    Break(TREE, SHORT, "noise of the wrong scale", {OUTCOME: outcomes_under(wider_noise)}),
    Break(TREE, SHORT, "noise of one sign", {OUTCOME: outcomes_under(positive_noise)}),
    Break(TREE, SHORT, "the first datum drawn alone", {OUTCOME: outcomes_under(first_datum_for_all)}),
    Break(TREE, SHORT, "the reconstruction counted twice in the steps", {OUTCOME: outcomes_under(fit_doubled)}),
    Break(TREE, SHORT, "the steps uphill", {OUTCOME: uphill}),
    Break(TREE, SHORT, "the clip's chain rule forgotten", {f"{IMPL}.deep_descent.pull_back": without_clip}),
    Break(TREE, SHORT, LIKELIHOOD, {GRADIENT: gradient_with_the_fit_doubled}),
    Break(SAMPLE, "digits, B=8", "the first datum drawn alone", {DRAWN: always_the_first}),
    Break(SAMPLE, "digits, B=8", "one minibatch for all", {f"{IMPL}.deep_descent.minibatches": noise_drawn_once}),
    Break(
        SAMPLE,
        "digits, B=8",
        "gradients of the wrong sign",
        {f"{IMPL}.deep_descent.Objective.batch_gradient": downhill_reversed},
    ),
    Break(SAMPLE, "digits, B=8", "the clip's chain rule forgotten", {f"{IMPL}.deep_descent.pull_back": without_clip}),
    *(
        Break(experiment, instance, mistake, {path: wrong})
        for experiment, instance in ((PAST, "digits, one hidden layer"), (MOMENTUM, SHORTER))
        for mistake, path, wrong in (
            ("the steps uphill", f"{HERE}.deep_adam.adam_step", adam_uphill),
            ("steps of half the size", f"{HERE}.deep_adam.adam_step", adam_at_half_speed),
            ("the reconstruction left out of the steps", OUTCOME, outcomes_under(fit_left_out)),
        )
    ),
    Break(
        PAST, "digits, one hidden layer", "a smaller regulariser", {f"{HERE}.deep_adam.preconditioner": less_regular}
    ),
    Break(MOMENTUM, SHORTER, "moments forgotten", {f"{HERE}.deep_adam.adam_step": adam_without_memory}),
    Break(ADAM, "from afar, L C = reg", "the steps uphill", {f"{HERE}.adam_tree.adam_step": adam_uphill}),
    Break(ADAM, "from afar, L C = reg", "moments forgotten", {f"{HERE}.adam_tree.adam_step": adam_without_memory}),
    Break(ADAM, "from afar, L C = reg", "v for its root", {f"{HERE}.adam_tree.preconditioner": without_root}),
    Break(CLIP, "sT = 4", "twice the sharpness", {f"{HERE}.soft_clip.logistic_derivatives": twice_as_sharp}),
    Break(CLIP, "sT = 4", "the slope doubled", {f"{IMPL}.soft_clipping.SoftClip.slope": steeper}),
    Break(CLIP, "sT = 4", "the correction reversed", {f"{HERE}.soft_clip.stable_value": correction_reversed}),
    Break(CLIP, "sT = 4", "values not odd", {f"{IMPL}.soft_clipping.SoftClip.value": leaning}),
    Break(
        "smoothness/radial-clip", "r = 1", "bent more", {f"{HERE}.radial_clip.squared_bend": bent_more_along_the_radius}
    ),
    Break(CLIPPED, "origin, small ball", LIKELIHOOD, {f"{HERE}.radial_clip.hessian": clipped_with_the_fit_doubled}),
    Break(CLIPPED, "far outside, two-valued", "no clip", {f"{HERE}.radial_clip.hessian": unclipped}),
    Break(
        OFFSETS,
        "searched, spiked, r = 20",
        LIKELIHOOD,
        {f"{IMPL}.full_linear_vae.objective": objective_with_the_fit_doubled},
    ),
    Break(
        LEARNED,
        "searched, near-degenerate, ell = 3",
        LIKELIHOOD,
        {f"{IMPL}.full_linear_vae.objective": objective_with_the_fit_doubled},
    ),
    Break(
        LEARNED,
        "searched, near-degenerate, ell = 3",
        "log-variances for log-deviations",
        {f"{IMPL}.full_linear_vae.objective": deviation_for_variance},
    ),
    Break(
        BALL,
        "matched: beta lam = D / sigma_x2",
        LIKELIHOOD,
        {f"{IMPL}.linear_vae.LinearVAE.hessian": hessian_with_the_fit_doubled},
    ),
    Break(
        BALL,
        "one dimension, decoder against encoder",
        "beta doubled",
        {f"{IMPL}.linear_vae.LinearVAE.hessian": hessian_with_beta_doubled},
    ),
    Break(
        EDGE,
        "a step that takes half the gap",
        "the step uphill",
        {f"{IMPL}.linear_vae.LinearVAE.sample_gradient": sample_uphill},
    ),
    Break(
        EDGE,
        "a step that takes half the gap",
        "half a step",
        {f"{IMPL}.linear_vae.LinearVAE.sample_gradient": sample_halved},
    ),
)
