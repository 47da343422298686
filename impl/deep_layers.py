"""One layer, and the latent sample, on top of quadratic maps of the parameters, differentiated automatically.

What is differentiated is the model's own code: `forward` and `latent_sample` of ``deep_vae``. The quadratic maps stand
for all that lies below; their sizes, slopes and curvatures are known exactly, so bounds can be held against them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from elbound.impl.deep_vae import Activation, Affine, Identity, forward, latent_sample


@dataclass(frozen=True, eq=False)
class Quadratic:
    """The map t -> constant + linear t + (curvature / 2) (form . t)^2 outward, its Hessian of norm ``curvature``.

    ``form`` and ``outward`` are unit vectors; at t = 0 the map has size |constant| and slope |linear|.
    """

    constant: Float[Tensor, " n"]
    linear: Float[Tensor, "n p"]
    curvature: float
    form: Float[Tensor, " p"]
    outward: Float[Tensor, " n"]

    def __call__(self, t: Float[Tensor, " p"]) -> Float[Tensor, " n"]:
        return self.constant + self.linear @ t + self.curvature / 2 * (self.form @ t).square() * self.outward


@dataclass(frozen=True, eq=False)
class Derivatives:
    """First and second derivatives of a map of P parameters at one point."""

    first: Float[Tensor, "n P"]
    second: Float[Tensor, "n P P"]


def derivatives(function: Callable[[Tensor], Tensor], at: Float[Tensor, " P"]) -> Derivatives:
    """Jacobian and Hessian of a vector map by reverse mode, once and twice."""

    def first(point: Tensor) -> tuple[Tensor, Tensor]:
        found: Tensor = torch.func.jacrev(function)(point)
        return found, found

    # Forward mode would load a compiler first.
    second, jacobian = torch.func.jacrev(first, has_aux=True)(at)
    return Derivatives(jacobian, second)


def layer_derivatives(below: Quadratic, affine: Affine, activation: Activation) -> tuple[Derivatives, Derivatives]:
    """Of u = A a(t) + b and of f(u) in all of (A, b, t) at t = 0; the affine map is that of a single replicate."""
    rows, columns = affine.weight.shape[1:]
    sizes = [rows * columns, rows, len(below.form)]

    def layer(point: Tensor) -> Tensor:
        weight, bias, t = point.split(sizes)
        maps, inputs = [Affine(weight.view(1, rows, columns), bias[None])], below(t)[None, :, None]
        return torch.cat([forward(maps, [f], inputs).output.flatten() for f in (Identity(), activation)])

    at = torch.cat([affine.weight.flatten(), affine.bias.flatten(), torch.zeros_like(below.form)])
    both = derivatives(layer, at)
    raised, bent = (Derivatives(*parts) for parts in zip(both.first.split(rows), both.second.split(rows), strict=True))
    return raised, bent


def latent_derivatives(mean: Quadratic, log_variance: Quadratic, noise: Float[Tensor, " k"]) -> Derivatives:
    """Of the latent sample in the parameters t of its mean and log-variance, at t = 0 and for one noise."""

    def sample(t: Tensor) -> Tensor:
        found = latent_sample(mean(t)[None, :, None], log_variance(t)[None, :, None], noise[None, :, None, None])
        return found.latent.flatten()

    return derivatives(sample, torch.zeros_like(mean.form))
