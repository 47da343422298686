"""Projection onto a ball of weights, and the gradient mapping that takes the gradient's place there."""

import torch
from jaxtyping import Float
from torch import Tensor

from elbound.impl.clipping import scaled
from elbound.impl.linear_vae import LinearVAE, Weights, inner


def norms(weights: Weights) -> Float[Tensor, " R"]:
    """|w| = sqrt(|W|^2 + |V|^2) in each replicate (Frobenius)."""
    return torch.sqrt(inner(weights, weights))


def project(weights: Weights, radius: float | Float[Tensor, " #R"]) -> Weights:
    """The nearest point of the ball of radius r > 0: w min(1, r / |w|), in each replicate."""
    length = norms(weights)
    # Torch divides a number by a tensor through a reciprocal; two tensors give exactly one inside the ball.
    reach = torch.zeros_like(length) + radius
    return scaled(weights, reach / torch.maximum(length, reach))


def gradient_mapping(problem: LinearVAE, weights: Weights, radius: float) -> Weights:
    """2 L (w - P(w - grad F(w) / (2 L))), P the projection and L = L(r) the smoothness constant on the ball.

    Equals the gradient where that step stays inside, and is never longer than it at a point of the ball.
    """
    rate, gradient = 2 * problem.smoothness_on_ball(radius), problem.gradient(weights)
    after = project(Weights(*(w - g / rate for w, g in zip(weights, gradient, strict=True))), radius)
    return Weights(*((w - p) * rate for w, p in zip(weights, after, strict=True)))
