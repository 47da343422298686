"""SGD on a deep Gaussian VAE, all replicates at once, with exact gradients and noise variances along each run.

The noise of replicate i at step t is a function of (stream, i, t), drawn as for the linear model. Where a radius is
given, the weights are w = Phi(theta) = theta / sqrt(1 + |theta|^2 / r^2), the radial soft-clip of the parameters.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from elbound.impl.deep_vae import Batch, DeepVAE, NoiseRule
from elbound.impl.noise import Stream
from elbound.impl.trajectories import Draw, Sgd, draw

# Gauss-Legendre nodes for the integral of the gradient along one step, whose integrand is analytic.
FEW_NODES, MANY_NODES = 5, 8
# Noise is drawn for as many steps in one call as keep it within the cache.
DRAWN = 1 << 12


def stretch(theta: Float[Tensor, "P R"], radius: float) -> Float[Tensor, " R"]:
    """Rho = sqrt(1 + |theta|^2 / r^2)."""
    return torch.sqrt(1 + theta.square().sum(0) / radius**2)


def clip(theta: Float[Tensor, "P R"], radius: float | None) -> Float[Tensor, "P R"]:
    """Phi(theta), inside the open ball of radius r; theta itself without a radius."""
    return theta if radius is None else theta / stretch(theta, radius)


def unclip(weights: Float[Tensor, "P R"], radius: float | None) -> Float[Tensor, "P R"]:
    """Inverse of ``clip``. Raises ValueError unless |w| < r in every replicate."""
    if radius is None:
        return weights
    norm = float(weights.norm(dim=0).max())
    if not norm < radius:
        raise ValueError(f"weights have norm {norm}; allowed: below radius {radius}")
    return weights / torch.sqrt(1 - weights.square().sum(0) / radius**2)


def pull_back(theta: Float[Tensor, "P R"], vector: Float[Tensor, "P R"], radius: float | None) -> Float[Tensor, "P R"]:
    """D Phi(theta) times a vector, symmetric: grad F(Phi(theta)) = D Phi grad F."""
    if radius is None:
        return vector
    rho = stretch(theta, radius)
    weights = theta / rho
    return (vector - weights * ((weights * vector).sum(0) / radius**2)) / rho


@dataclass(frozen=True, eq=False)
class Objective:
    """F(Phi(theta)) under a rule for the noise, with its exact gradient and the sample gradients."""

    problem: DeepVAE
    rule: NoiseRule
    radius: float | None = None

    def value(self, theta: Float[Tensor, "P R"]) -> Float[Tensor, " R"]:
        """In nats."""
        return self.problem.objective(clip(theta, self.radius), self.problem.whole(self.rule))

    def gradient(self, theta: Float[Tensor, "P R"]) -> Float[Tensor, "P R"]:
        """Of F(Phi(theta)), explicitly."""
        return self.batch_gradient(theta, self.problem.whole(self.rule))

    def automatic_gradient(self, theta: Float[Tensor, "P R"]) -> Float[Tensor, "P R"]:
        """The same by automatic differentiation of ``value``: it shares nothing with the sample gradients."""
        leaf = theta.detach().requires_grad_()
        # Point r enters the r-th value alone.
        (found,) = torch.autograd.grad(self.value(leaf).sum(), leaf)
        return found

    def batch_gradient(self, theta: Float[Tensor, "P R"], batch: Batch) -> Float[Tensor, "P R"]:
        """Of a minibatch: a function of parameters and batch alone, for any optimiser to call."""
        return pull_back(theta, self.problem.gradient(clip(theta, self.radius), batch), self.radius)

    def outcomes(self, theta: Float[Tensor, "P R"]) -> Float[Tensor, "P N Q R"]:
        """The sample gradient for every datum and noise node, at each of R points."""
        count, nodes = self.problem.data_count, len(self.rule.weights)
        points = theta[:, None, None].expand(-1, count, nodes, -1).flatten(1)
        shape = (-1, count, nodes, theta.shape[1])
        x = self.problem.data.T[:, :, None, None].expand(shape).flatten(1)
        noise = self.rule.nodes.to(theta).T[:, None, :, None].expand(shape).flatten(1)
        batch = Batch(x[:, None], noise[:, None, None], theta.new_ones(1))
        found: Tensor = self.batch_gradient(points, batch).unflatten(1, shape[1:])
        return found

    def record(self, theta: Float[Tensor, "P R"], sgd: Sgd) -> "Record":
        """The gradient, the sample gradient's variance, and its variance along the gradient, at each of R points.

        The gradient is the automatic one of the objective, whatever the sample gradients have as their mean.
        """
        outcomes, weights = self.outcomes(theta), self.rule.weights.to(theta)[:, None]
        gradient, of_datum = self.automatic_gradient(theta), (outcomes * weights).sum(2)
        between, within = of_datum - of_datum.mean(1, keepdim=True), outcomes - of_datum[:, :, None]
        shares = sgd.shares(self.problem.data_count)

        def split(data: Tensor, noise: Tensor) -> Tensor:
            return data.mean(0) * shares[0] + (noise * weights).sum(1).mean(0) * shares[1]

        along = ((between * gradient[:, None]).sum(0), (within * gradient[:, None, None]).sum(0))
        total = split(between.square().sum(0), within.square().sum(0))
        return Record(gradient, total, split(along[0].square(), along[1].square()))

    def bend(
        self, theta: Float[Tensor, "P R"], step: Float[Tensor, "P R"]
    ) -> tuple[Float[Tensor, " R"], Float[Tensor, " R"]]:
        """L |step|^2 with the directional constant L = 2 (F(theta + step) - F(theta) - <grad F, step>) / |step|^2.

        As 2 int <grad F(theta + s step) - grad F(theta), step> ds over [0, 1], by a Gauss-Legendre rule: from
        gradients alone. Beside it, what the value moves from few nodes to many: more than the remaining error.
        """
        start = self.gradient(theta)

        def integral(nodes: int) -> Tensor:
            total = theta.new_zeros(theta.shape[1])
            for place, weight in zip(*(x.tolist() for x in np.polynomial.legendre.leggauss(nodes)), strict=True):
                rise = self.gradient(theta + (place + 1) / 2 * step) - start
                total += weight * (rise * step).sum(0)
            return total

        found = integral(MANY_NODES)
        return found, (found - integral(FEW_NODES)).abs()


class Record(NamedTuple):
    """At each point: grad F by automatic differentiation, the trace of Cov g, and Var <grad F, g>."""

    gradient: Float[Tensor, "P R"]
    variance: Float[Tensor, " R"]
    along: Float[Tensor, " R"]


class Step(NamedTuple):
    """Parameters theta_t, the minibatch gradient taken there, and the step size."""

    theta: Float[Tensor, "P R"]
    slope: Float[Tensor, "P R"]
    gamma: float


def minibatch(problem: DeepVAE, indices: Int64[Tensor, "B R"], noise: Float[Tensor, "B K k R"]) -> Batch:
    """The drawn data with their noise, replicates outermost in memory."""
    x = problem.data.index_select(0, indices.T.reshape(-1)).unflatten(0, indices.T.shape)
    return problem.minibatch(x.permute(2, 1, 0), noise.permute(3, 2, 0, 1).contiguous().permute(2, 3, 1, 0))


def minibatches(
    problem: DeepVAE, sgd: Sgd, stream: Stream, replicates: Int64[Tensor, " R"], count: int
) -> Iterator[Batch]:
    """The minibatches of steps 1, ..., count, drawn many steps at a time: the integers are the same either way."""
    data, size = problem.data, len(replicates)
    distinct = None if sgd.with_replacement else problem.data_count
    sgd.shares(problem.data_count)
    latent = problem.architecture.latent_dim
    plan = Draw(sgd.law, sgd.batch_size, sgd.importance_samples, latent, distinct, data.dtype)
    schedule, total = stream.schedule(data.device), torch.tensor(problem.data_count, device=data.device)
    for times in torch.arange(1, count + 1, device=data.device).split(max(1, DRAWN // size)):
        # One column for each replicate and step.
        drawn = draw(plan, schedule, replicates.repeat(len(times)), times.repeat_interleave(size), total)
        for indices, noise in zip(*(part.split(size, dim=-1) for part in drawn), strict=True):
            yield minibatch(problem, indices, noise)


def steps(
    objective: Objective, start: Float[Tensor, " P"], sgd: Sgd, stream: Stream, replicates: Int64[Tensor, " R"]
) -> Iterator[Step]:
    """theta_t and the gradient there for t = 1, ..., n, then theta_(n+1) with a gradient that is not taken.

    ``start`` is the point theta_1 of every replicate. The next step overwrites theta_t: who keeps it copies it.
    Raises ValueError for ``start`` of another shape, and where ``sgd`` asks for another clip radius than the
    objective's.
    """
    problem, size = objective.problem, objective.problem.architecture.parameter_count
    if tuple(start.shape) != (size,):
        raise ValueError(f"start has shape {tuple(start.shape)}; allowed: ({size},)")
    if sgd.clip_radius != objective.radius:
        raise ValueError(f"clip_radius is {sgd.clip_radius}; allowed: the objective's {objective.radius}")
    gammas = (*sgd.step_sizes(), 0.0)
    theta = start.to(problem.data)[None].repeat(len(replicates), 1).T
    for gamma, batch in zip(gammas, minibatches(problem, sgd, stream, replicates, len(gammas)), strict=True):
        slope = objective.batch_gradient(theta, batch).mul_(sgd.gain)
        yield Step(theta, slope, gamma)
        if gamma:
            theta.sub_(slope, alpha=gamma)
