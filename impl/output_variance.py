"""Variance v_s(u) of a noisy neuron's output phi(u + s e), e ~ N(0, 1), its slope, and how steep both are.

Half its sum over neurons and outputs is what the expected loss has beyond the loss of the noise-averaged network.
"""

from functools import cache
from math import pi, sqrt
from typing import Any

import torch
from jaxtyping import Float
from scipy.special import owens_t
from torch import Tensor

from elbound.impl.kernels import ERF, RELU, Activation


class OwensT(torch.autograd.Function):
    """Owen's T(h, a), differentiable in h: its slope is -e^{-h^2 / 2} erf(a h / sqrt 2) / sqrt(8 pi). No second one."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, a: float) -> Tensor:
        """T entry by entry, for one a."""
        ctx.save_for_backward(h)
        ctx.a = a
        return torch.as_tensor(owens_t(h.detach().cpu().numpy(), a), dtype=h.dtype, device=h.device)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """The gradient in h."""
        (h,) = ctx.saved_tensors
        slope = -torch.exp(-(h**2) / 2) * torch.erf(ctx.a / sqrt(2) * h) / sqrt(8 * pi)
        return gradients[0] * slope, None


def output_variance(u: Float[Tensor, "*shape"], s: float, activation: Activation) -> Float[Tensor, "*shape"]:
    """Variance v_s(u) of phi(u + s e), e ~ N(0, 1), for ReLU and erf; the latter by Owen's T (1980).

    Its automatic gradient is right too. ValueError for another activation.
    """
    if s == 0:
        return torch.zeros_like(u)
    if activation is RELU:
        z = u / s
        square = (u**2 + s**2) * torch.special.ndtr(z) + u * s * torch.exp(-(z**2) / 2) / sqrt(2 * pi)
    elif activation is ERF:
        square = 1 - 8 * _owens_t(u * sqrt(2 / (1 + 2 * s**2)), 1 / sqrt(1 + 4 * s**2))
    else:
        raise ValueError(f"activation {activation.name!r} has no known output variance; known are relu, erf")
    variance: Tensor = (square - activation.smoothed(u, s) ** 2).clamp(min=0)
    return variance


def _owens_t(h: Tensor, a: float) -> Tensor:
    found: Tensor = OwensT.apply(h, a)  # type: ignore[no-untyped-call]
    return found


def variance_slope(u: Float[Tensor, "*shape"], s: float, activation: Activation) -> Float[Tensor, "*shape"]:
    """Derivative of v_s at u, twice the covariance of phi and phi' over the noise. ValueError as for v_s."""
    if s == 0:
        return torch.zeros_like(u)
    if activation is RELU:
        slope: Tensor = 2 * activation.smoothed(u, s) * torch.special.ndtr(-u / s)
        return slope
    if activation is ERF:
        c = 1 / (1 + 2 * s**2)
        # exp(-(u + s e)^2) tilts the noise: E erf(u + s e) under the tilted law is the first term.
        tilted = torch.erf(u * (c / sqrt(1 + 2 * s**2 * c)))
        return 2 * activation.smoothed_slope(u, s) * (tilted - activation.smoothed(u, s))
    raise ValueError(f"activation {activation.name!r} has no known output variance; known are relu, erf")


@cache
def variance_steepness(s: float, activation: Activation) -> tuple[float, float]:
    """Suprema of |v_s'| and |v_s''|, to a relative 1e-4 from above. ValueError as for v_s."""
    if s == 0:
        return 0.0, 0.0
    # Both are functions of u over s (ReLU) or over sqrt(1 + 2 s^2) (erf) that vary on the scale 1 and die out beyond 12
    # of them: a grid of spacing 1e-3 misses a smooth maximum by 1e-6 / 8 of its curvature, which is below 100 of it.
    scale = s if activation is RELU else sqrt(1 + 2 * s**2)
    u = scale * torch.linspace(-12, 12, 24_001, dtype=torch.float64, device="cpu")
    u.requires_grad_()
    slope = variance_slope(u, s, activation)
    (curvature,) = torch.autograd.grad(slope.sum(), u)
    return float(slope.detach().abs().max()) * 1.0001, float(curvature.abs().max()) * 1.0001
