"""Layerwise bounds on gradient and Hessian of a deep Gaussian VAE, from norms of its weights.

A map a(theta) has size |a| <= m, slope |Da| <= J and curvature |D^2 a| <= H, with respect to all parameters jointly.
An affine layer of spectral norm rho on top of it, then an activation with |f'| <= c_1, |f''| <= c_2, give

    J_u^2 = m^2 + 1 + rho^2 J^2,   H_u = J + rho H;      J_f = c_1 J_u,   H_f = c_2 J_u^2 + c_1 H_u.

True and far too large: about a decade is lost in every layer. Own derivation, by the chain rule.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from elbound.impl.clipping import CURVATURE
from elbound.impl.deep_vae import Activation, DeepVAE, NoiseRule, Tanh, unpack
from elbound.impl.linear_vae import ROUND_UP
from elbound.impl.soft_clipping import SoftClip

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bounds:
    """Size m, slope J and curvature H of a map of the parameters, one entry per noise node."""

    size: Floats
    slope: Floats
    curvature: Floats


def affine(inner: Bounds, norm: float, offset: float) -> Bounds:
    """u = A a + b with |A| <= norm in the spectral norm and |b| <= offset, A and b among the parameters."""
    slope = np.sqrt(inner.size**2 + 1 + norm**2 * inner.slope**2)
    return Bounds(norm * inner.size + offset, slope, inner.slope + norm * inner.curvature)


def activated(raised: Bounds, activation: Activation, width: int) -> Bounds:
    """f(u), coordinate by coordinate; |f| <= min(sqrt(w) sup |f|, sqrt(w) |f(0)| + c_1 |u|)."""
    steep, bent = activation.slope_bound, activation.curvature_bound
    at_zero = abs(float(activation.value(torch.zeros((), dtype=torch.float64))))
    size = np.minimum(math.sqrt(width) * reach(activation), math.sqrt(width) * at_zero + steep * raised.size)
    return Bounds(size, steep * raised.slope, bent * raised.slope**2 + steep * raised.curvature)


def reach(activation: Activation) -> float:
    """Supremum of |f|; infinite where the activation has none that is known here."""
    if isinstance(activation, SoftClip):
        return max(abs(activation.low), abs(activation.high))
    return 1.0 if isinstance(activation, Tanh) else math.inf


def reparametrised(mean: Bounds, spread: Bounds, deviation: float, noise: Floats) -> Bounds:
    """z = mu + e^(l/2) eps with e^(l/2) <= deviation, at noise of the given norms."""
    scale = deviation * noise
    bent = scale * (spread.curvature / 2 + spread.slope**2 / 4)
    return Bounds(mean.size + scale, mean.slope + scale * spread.slope / 2, mean.curvature + bent)


@dataclass(frozen=True)
class Constants:
    """What the recursion comes to: bounds on mu and l, on g at each noise node, and on the objective.

    ``expm1_max`` bounds every |e^l - 1|, ``expm1_norm`` its norm over the latent coordinates; ``slope_square`` and
    ``mean_curvature`` are E J_g^2 and E H_g over the noise, ``mean_slope`` is E J_g.
    """

    mean: Bounds
    spread: Bounds
    output: Bounds
    data_norm: float
    variance: float
    expm1_max: float
    expm1_norm: float
    slope_square: float
    mean_curvature: float
    mean_slope: float
    largest_slope: float

    @property
    def output_size(self) -> float:
        return float(self.output.size.max())

    def smoothness(self, noise_variance: float, beta: float) -> float:
        """A bound on |Hess F| wherever the norms hold."""
        residual = self.data_norm + self.output_size
        return self._with_divergence((self.slope_square + residual * self.mean_curvature) / noise_variance, beta)

    def sample_smoothness(self, noise_variance: float, beta: float) -> float:
        """A bound on the Hessian of the integrand for one datum and one noise node, wherever the norms hold."""
        residual = self.data_norm + self.output_size
        fit = float((self.output.slope**2 + residual * self.output.curvature).max())
        return self._with_divergence(fit / noise_variance, beta)

    def _with_divergence(self, fit: float, beta: float) -> float:
        mean, spread = self.mean, self.spread
        code = float((mean.slope**2 + mean.size * mean.curvature).item())
        width = float((self.variance * spread.slope**2 + self.expm1_norm * spread.curvature).item())
        return (fit + beta * (code + width / 2)) * ROUND_UP

    def gradient_bound(self, noise_variance: float, beta: float) -> float:
        """A bound on the gradient for one datum and one noise node, hence on |grad F| and every sample gradient."""
        fit = (self.data_norm + self.output_size) * self.largest_slope / noise_variance
        mean, spread = self.mean, self.spread
        divergence = float((mean.size * mean.slope + self.expm1_norm * spread.slope / 2).item())
        return (fit + beta * divergence) * ROUND_UP


def layerwise(problem: DeepVAE, rule: NoiseRule, norms: Sequence[tuple[float, float]]) -> Constants:
    """The recursion from (spectral norm, offset norm) of every affine map, in the order of the architecture's shapes.

    Raises ValueError for a log-variance activation without a range, a soft-clip alone having one here.
    """
    shape, depth = problem.architecture, problem.architecture.depth
    if not isinstance(shape.log_variance, SoftClip):
        raise ValueError(f"log_variance is {shape.log_variance}; allowed: a soft-clip, whose range bounds e^l")
    data_norm = float(problem.data.norm(dim=1).max())
    hidden = Bounds(np.array([data_norm]), np.zeros(1), np.zeros(1))
    for (norm, offset), width in zip(norms[:depth], shape.widths, strict=True):
        hidden = activated(affine(hidden, norm, offset), shape.hidden, width)
    mean = activated(affine(hidden, *norms[depth]), shape.mean, shape.latent_dim)
    spread = activated(affine(hidden, *norms[depth + 1]), shape.log_variance, shape.latent_dim)
    variance = math.exp(shape.log_variance.high)
    output = reparametrised(mean, spread, math.sqrt(variance), rule.norms.numpy())
    for (norm, offset), width in zip(norms[depth + 2 : -1], shape.widths[::-1], strict=True):
        output = activated(affine(output, norm, offset), shape.hidden, width)
    output = activated(affine(output, *norms[-1]), shape.output, shape.data_dim)
    largest = max(variance - 1, 1 - math.exp(shape.log_variance.low))
    weights = rule.weights.numpy()
    return Constants(
        mean,
        spread,
        output,
        data_norm,
        variance,
        largest,
        math.sqrt(shape.latent_dim) * largest,
        float(weights @ output.slope**2),
        float(weights @ output.curvature),
        float(weights @ output.slope),
        float(output.slope.max()),
    )


def norms_at(problem: DeepVAE, theta: Float[Tensor, " P"]) -> list[tuple[float, float]]:
    """(spectral norm, offset norm) of every affine map at one point."""
    maps = unpack(problem.architecture.shapes, theta[:, None])
    norms = ((torch.linalg.matrix_norm(weight[0], 2), bias[0].norm()) for weight, bias in maps)
    return [(float(spectral) * ROUND_UP, float(offset) * ROUND_UP) for spectral, offset in norms]


def norms_on_ball(problem: DeepVAE, radius: float) -> list[tuple[float, float]]:
    """Bounds on the same norms wherever |theta| <= r: no map can have more than r of either."""
    return [(radius, radius)] * len(problem.architecture.shapes)


def clipped_smoothness(problem: DeepVAE, rule: NoiseRule, radius: float) -> float:
    """Smoothness constant on all of parameter space of F(Phi(theta)), Phi the radial soft-clip onto the ball.

    L(r) + 48 / (25 sqrt 5) G(r) / r with the layerwise bounds on Hessian and gradient on the ball.
    """
    constants = layerwise(problem, rule, norms_on_ball(problem, radius))
    on_ball = constants.smoothness(problem.noise_variance, problem.beta)
    return on_ball + CURVATURE * constants.gradient_bound(problem.noise_variance, problem.beta) / radius


def clipped_sample_smoothness(problem: DeepVAE, rule: NoiseRule, radius: float) -> float:
    """The same for every sample gradient: of the integrand for one datum and one noise node, composed with the clip."""
    constants = layerwise(problem, rule, norms_on_ball(problem, radius))
    on_ball = constants.sample_smoothness(problem.noise_variance, problem.beta)
    return on_ball + CURVATURE * constants.gradient_bound(problem.noise_variance, problem.beta) / radius
