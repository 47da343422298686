"""The linear VAE with offsets and log-variances: its objective, differentiable in all parameters, and its curvature.

Encoder N(W x + b, diag e^l), decoder N(V z + c, sigma_x2 I). Hessians by automatic differentiation of the objective
written as a mean over data, so they share nothing with the closed forms of ``linear_vae``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from elbound.impl.linear_vae import LinearVAE

Vector = Float[Tensor, " P"]


class Parameters(NamedTuple):
    """Encoder W, decoder V, offsets b and c, log-variances l."""

    encoder: Float[Tensor, "k d"]
    decoder: Float[Tensor, "d k"]
    encoder_offset: Float[Tensor, " k"]
    decoder_offset: Float[Tensor, " d"]
    log_variance: Float[Tensor, " k"]


WEIGHTS = ("encoder", "decoder")
WEIGHTS_AND_OFFSETS = (*WEIGHTS, "encoder_offset", "decoder_offset")


def at_weights(problem: LinearVAE, encoder: Float[Tensor, "k d"], decoder: Float[Tensor, "d k"]) -> Parameters:
    """The parameters with these weights, no offsets and the problem's variances."""
    zeros = encoder.new_zeros(sum(decoder.shape))
    latent_dim = problem.latent_dim
    return Parameters(encoder, decoder, zeros[:latent_dim], zeros[latent_dim:], problem.posterior_variance.log())


def objective(problem: LinearVAE, at: Parameters) -> Float[Tensor, ""]:
    """Negative beta-ELBO averaged over the data; the variances are those of the parameters."""
    mean = problem.data @ at.encoder.T + at.encoder_offset
    residual = problem.data - mean @ at.decoder.T - at.decoder_offset
    variance = at.log_variance.exp()
    fit = residual.square().sum(1).mean() + (at.decoder.square() * variance).sum()
    divergence = mean.square().sum(1).mean() + (variance - 1 - at.log_variance).sum()
    return fit / (2 * problem.noise_variance) + problem.beta / 2 * divergence + problem.likelihood_offset()


@dataclass(frozen=True)
class Region:
    """Parameters of which the blocks `ball` have joint norm at most `radius`, log-variances within [-reach, reach].

    With reach 0 the log-variances are those of the problem and held fixed.
    """

    ball: tuple[str, ...]
    radius: float
    reach: float = 0.0

    @property
    def free(self) -> tuple[str, ...]:
        """The blocks that move."""
        return (*self.ball, "log_variance") if self.reach > 0 else self.ball

    def flat(self, at: Parameters) -> Vector:
        """The free blocks as one vector."""
        return torch.cat([getattr(at, name).flatten() for name in self.free])

    def unflatten(self, values: Vector, like: Parameters) -> Parameters:
        """Inverse of ``flat``; the other blocks are those of `like`."""
        sizes = [getattr(like, name).numel() for name in self.free]
        parts = zip(self.free, values.split(sizes), strict=True)
        return like._replace(**{name: part.reshape(getattr(like, name).shape) for name, part in parts})

    def farthest(self, slope: Parameters) -> Parameters:
        """The point of the region where a linear function with this slope is largest."""
        norm = torch.cat([getattr(slope, name).flatten() for name in self.ball]).norm().clamp_min(1e-300)
        moved = {name: getattr(slope, name) * (self.radius / norm) for name in self.ball}
        if self.reach > 0:
            moved["log_variance"] = self.reach * torch.where(slope.log_variance < 0, -1.0, 1.0)
        return slope._replace(
            **{name: moved.get(name, torch.zeros_like(part)) for name, part in slope._asdict().items()}
        )

    def inside(self, at: Parameters) -> Parameters:
        """The same point with its free blocks brought to the boundary of the region, others unchanged."""
        farthest = self.farthest(at)
        return at._replace(**{name: getattr(farthest, name) for name in self.free})


def _along(problem: LinearVAE, like: Parameters, region: Region) -> Callable[[Tensor], Tensor]:
    return lambda values: objective(problem, region.unflatten(values, like))


def hessian(problem: LinearVAE, at: Parameters, region: Region) -> Float[Tensor, "P P"]:
    """Dense Hessian in the region's free blocks, in the order of ``Region.free``."""
    # Reverse mode twice: forward mode loads a compiler first.
    found: Tensor = torch.func.jacrev(torch.func.grad(_along(problem, at, region)))(region.flat(at))
    return found


def sharpest(problem: LinearVAE, start: Parameters, region: Region, rounds: int = 12) -> Parameters:
    """A point of large Hessian norm: the best of `rounds` conditional-gradient steps from the start's boundary point.

    With u the eigenvector of the largest absolute eigenvalue, the next point maximises the linearised u . Hess u over
    the region. A search, not a maximum.
    """
    at = region.inside(start)
    best, record = at, -1.0
    for _ in range(rounds):
        values, vectors = torch.linalg.eigh(hessian(problem, at, region))
        place = int(values.abs().argmax())
        if float(values.abs()[place]) > record:
            best, record = at, float(values.abs()[place])
        curvature = _curvature_along(_along(problem, at, region), vectors[:, place], float(values[place].sign()))
        slope = torch.func.grad(curvature)(region.flat(at))
        empty = Parameters(*(torch.zeros_like(part) for part in at))
        farthest = region.farthest(region.unflatten(slope, empty))
        at = at._replace(**{name: getattr(farthest, name) for name in region.free})
    return best


def _curvature_along(function: Callable[[Tensor], Tensor], unit: Tensor, sign: float) -> Callable[[Tensor], Tensor]:
    def curvature(values: Tensor) -> Tensor:
        along: Tensor = torch.func.grad(lambda at: torch.func.grad(function)(at) @ unit)(values)
        return sign * (along @ unit)

    return curvature
