"""Generalised soft-clipping: a smooth, strictly increasing map of the line into an open interval."""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, expm1, isfinite, sqrt, tanh
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class SoftClip:
    """f(x) = (1/s) log((1 + e^{s (x - low)}) / (1 + e^{s (x - high)})) + low, with sharpness s.

    The range is the open interval (low, high); f is odd about its midpoint. Every method maps a floating
    tensor of any shape to one of the same shape. ValueError unless low < high and 0 < sharpness, all finite.
    Own derivation of the stable forms below; with T = high - low, p = s (x - low), q = s (x - high):
    f' = (1 - e^{-sT}) sigmoid(p) sigmoid(-q) and f'' = -(s/2) (tanh(p/2) + tanh(q/2)) f'.
    """

    low: float
    high: float
    sharpness: float

    def __post_init__(self) -> None:
        if not (isfinite(self.low) and isfinite(self.high) and self.low < self.high):
            raise ValueError(f"soft-clip interval ({self.low}, {self.high}) must be finite with low < high")
        if not (isfinite(self.sharpness) and self.sharpness > 0):
            raise ValueError(f"soft-clip sharpness {self.sharpness} must be finite and above 0")

    def value(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """f(x), within 4 eps max(|low|, |high|, 1/s) of exact; its autograd derivative is `slope`."""
        apply = cast(Callable[[Tensor, SoftClip], Tensor], _Value.apply)
        return apply(x, self)

    def slope(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """f'(x), in (0, tanh(sT/4)]; made of smooth operations, so autograd may go on to any order."""
        s = self.sharpness
        height = -expm1(-s * (self.high - self.low))
        return height * torch.sigmoid(s * (x - self.low)) * torch.sigmoid(s * (self.high - x))

    def curvature(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """f''(x), at most `curvature_bound` in absolute value."""
        s = self.sharpness
        tilt = torch.tanh(s * (x - self.low) / 2) + torch.tanh(s * (x - self.high) / 2)
        return -s / 2 * tilt * self.slope(x)

    @property
    def slope_bound(self) -> float:
        """Supremum of f', tanh(sT/4), attained at the midpoint."""
        return tanh(self.sharpness * (self.high - self.low) / 4)

    @property
    def curvature_bound(self) -> float:
        """Supremum of |f''|, s sinh(a) sqrt(c^2 - 1) / (c + A)^2 with a = sT/2, A = cosh a.

        Here c = (A + sqrt(A^2 + 8)) / 2; attained where cosh u = c, u = s (x - midpoint). Own derivation.
        """
        a = self.sharpness * (self.high - self.low) / 2
        sech = 2 * exp(-a) / (1 + exp(-2 * a))
        # Everything over A, since cosh overflows where the answer is s/4.
        r = (1 + sqrt(1 + 8 * sech**2)) / 2
        return self.sharpness * tanh(a) * sqrt(r**2 - sech**2) / (1 + r) ** 2


def stable_value(x: Float[Tensor, "..."], clip: SoftClip) -> Float[Tensor, "..."]:
    """f(x) as a clip plus a correction below log 2 / s: neither overflow nor a difference of large numbers.

    Left to autograd, its derivative is that of these operations: true except at the two edges, where it has kinks.
    """
    s = clip.sharpness
    below, above = (1 + torch.exp(-s * (x - edge).abs()) for edge in (clip.low, clip.high))
    return x.clamp(clip.low, clip.high) + torch.log(below / above) / s


def logistic_derivatives(clip: SoftClip, exp: Callable[[Any], Any], x: Any) -> tuple[Any, Any, Any]:
    """The first three derivatives at x, by f' = S(s (x - low)) - S(s (x - high)) with S the logistic function.

    In any arithmetic that has the given exponential: x may be a number, a tensor or a ball.
    """
    s = clip.sharpness
    p, q = (1 / (1 + exp((edge - x) * s)) for edge in (clip.low, clip.high))
    bends = [y * (1 - y) for y in (p, q)]
    twists = [bend * (1 - 2 * y) for bend, y in zip(bends, (p, q), strict=True)]
    return p - q, (bends[0] - bends[1]) * s, (twists[0] - twists[1]) * s * s


class _Value(torch.autograd.Function):
    """f with its derivative given: autograd through |x - low| would put a kink where there is none."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, clip: SoftClip) -> Tensor:
        return stable_value(x, clip)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, SoftClip], output: Tensor) -> None:  # noqa: ARG004
        x, ctx.clip = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return gradients[0] * ctx.clip.slope(x), None
