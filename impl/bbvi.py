"""Gaussian variational inference without amortisation for a regression with a soft-clipped predictor.

Weights z ~ N(0, I), labels y ~ N(f(x.z), sigma_x2) with a soft-clip f: log p(y|z) is smooth and not concave. The family
is q = N(m, S S^T), S lower triangular with diagonal exp(g(u)), g a soft-clip onto an interval; the noise has three
points, so that every expectation is a finite sum. Parameters are one column theta = (m, u, entries below the diagonal)
for each replicate, replicates last.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from elbound.impl.noise import THREE_POINT, Stream, replicate_range
from elbound.impl.soft_clipping import SoftClip
from elbound.impl.trajectories import DRAWN, Draw, Sgd, draw


def full_rank(latent_dim: int) -> tuple[tuple[int, int], ...]:
    """All entries below the diagonal of S; the empty tuple is the mean-field family."""
    return tuple((row, column) for row in range(latent_dim) for column in range(row))


class InferenceRun(NamedTuple):
    """Exact quantities along n steps of R runs: |grad F|^2 and noise variance at each step, F at both ends."""

    squared_gradient: Float[Tensor, "n R"]
    noise_variance: Float[Tensor, "n R"]
    first_value: Float[Tensor, " R"]
    last_value: Float[Tensor, " R"]


@dataclass(frozen=True, eq=False)
class GaussianInference:
    """F(theta) = mean over labels of E_q (y - f(x.z))^2 / (2 sigma_x2) + beta KL(q || N(0, I)), constants left out.

    Inputs [N, k] with J labels each, sigma_x2 > 0, beta > 0, f = `predictor`, g = `log_scale`,
    `below` the free entries of S below its diagonal. Raises ValueError on other values.
    """

    inputs: Float[Tensor, "N k"]
    labels: Float[Tensor, "N J"]
    noise_variance: float
    beta: float
    predictor: SoftClip
    log_scale: SoftClip
    below: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        for name in ("noise_variance", "beta"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; allowed: positive and finite")
        size = self.inputs.shape[1]
        if not all(0 <= column < row < size for row, column in self.below):
            raise ValueError(f"below is {self.below}; allowed: pairs row > column within 0 to {size - 1}")

    @property
    def latent_dim(self) -> int:
        return self.inputs.shape[1]

    @property
    def parameter_count(self) -> int:
        return 2 * self.latent_dim + len(self.below)

    @cached_property
    def noise(self) -> Float[Tensor, "E k"]:
        """Every value of the noise vector."""
        return self.inputs.new_tensor(list(product(THREE_POINT.support, repeat=self.latent_dim)))

    @cached_property
    def chances(self) -> Float[Tensor, " E"]:
        """Their probabilities."""
        return self.inputs.new_tensor(list(product(THREE_POINT.weights, repeat=self.latent_dim))).prod(1)

    @cached_property
    def _entries(self) -> tuple[list[int], list[int]]:
        return [row for row, _ in self.below], [column for _, column in self.below]

    def scales(self, theta: Float[Tensor, "P R"]) -> Float[Tensor, "k R"]:
        """The diagonal of S, exp(g(u))."""
        return self.log_scale.value(theta[self.latent_dim : 2 * self.latent_dim]).exp()

    def latents(self, theta: Float[Tensor, "P R"]) -> Float[Tensor, "E k R"]:
        """z = m + S e for every value of the noise."""
        size, (rows, columns) = self.latent_dim, self._entries
        z = theta[:size] + self.scales(theta) * self.noise[:, :, None]
        return z.index_add(1, torch.tensor(rows, dtype=torch.long), theta[2 * size :] * self.noise[:, columns, None])

    def divergence(self, theta: Float[Tensor, "P R"]) -> Float[Tensor, " R"]:
        """KL(q || N(0, I)) = (|m|^2 + |S|_F^2 - k) / 2 - sum g(u)."""
        size, scales = self.latent_dim, self.scales(theta)
        squares = theta[:size].square().sum(0) + theta[2 * size :].square().sum(0) + scales.square().sum(0)
        return (squares - size) / 2 - scales.log().sum(0)

    def divergence_gradient(self, theta: Float[Tensor, "P R"]) -> Float[Tensor, "P R"]:
        """(m, (exp(2 g(u)) - 1) g'(u), entries below the diagonal)."""
        size = self.latent_dim
        log_scale = theta[size : 2 * size]
        bent = (self.scales(theta).square() - 1) * self.log_scale.slope(log_scale)
        return torch.cat((theta[:size], bent, theta[2 * size :]))

    def objective(self, theta: Float[Tensor, "P R"]) -> Float[Tensor, " R"]:
        """F, by enumeration of the noise."""
        fitted = self.predictor.value(torch.einsum("nk,ekr->ner", self.inputs, self.latents(theta)))
        losses = (self.labels[:, :, None, None] - fitted[:, None]).square().mean((0, 1)) / (2 * self.noise_variance)
        return torch.einsum("e,er->r", self.chances, losses) + self.beta * self.divergence(theta)

    def outcomes(self, theta: Float[Tensor, "P R"]) -> Float[Tensor, "A E P R"]:
        """Pathwise gradient of one label's loss for each of A = N J labels and each noise; without the divergence."""
        size, (rows, columns) = self.latent_dim, self._entries
        latents = self.latents(theta)
        place = torch.einsum("nk,ekr->ner", self.inputs, latents)
        misfit = self.labels[:, :, None, None] - self.predictor.value(place)[:, None]
        slope = -misfit * self.predictor.slope(place)[:, None] / self.noise_variance
        stretch = self.scales(theta) * self.log_scale.slope(theta[size : 2 * size])
        x, e = self.inputs[:, None, :, None], self.noise[None, :, :, None]
        wide = (len(self.inputs), len(self.noise), -1, theta.shape[1])
        factors = torch.cat((x.expand(wide), x * e * stretch, (x[:, :, rows] * e[:, :, columns]).expand(wide)), dim=2)
        return (slope[:, :, :, None] * factors[:, None]).flatten(0, 1)

    def gradient(self, theta: Float[Tensor, "P R"]) -> Float[Tensor, "P R"]:
        """Exact gradient of F."""
        mean = torch.einsum("e,aepr->pr", self.chances, self.outcomes(theta)) / self.labels.numel()
        return mean + self.beta * self.divergence_gradient(theta)

    # Bounds that hold for every theta

    @cached_property
    def largest_moment(self) -> float:
        """Largest eigenvalue of the mean of x x^T."""
        return max(float(torch.linalg.eigvalsh(self.inputs.T @ self.inputs / len(self.inputs))[-1]), 0.0)

    @cached_property
    def largest_misfit(self) -> float:
        """Largest distance of a label from the far end of the predictor's range."""
        ends = (self.labels - self.predictor.low).abs(), (self.labels - self.predictor.high).abs()
        return float(torch.maximum(*ends).max())

    @cached_property
    def mean_absolute_input(self) -> float:
        """Largest coordinate of the mean of |x|."""
        return float(self.inputs.abs().mean(0).max())

    @property
    def largest_scale(self) -> float:
        return math.exp(self.log_scale.high)

    @property
    def least_scale(self) -> float:
        return math.exp(self.log_scale.low)

    @property
    def _largest_excess(self) -> float:
        """The largest |exp(2 g(u)) - 1|, at one of the ends of the log-scales' range."""
        return max(abs(self.largest_scale**2 - 1), abs(self.least_scale**2 - 1))

    def smoothness(self) -> float:
        """A bound on |Hess F| everywhere. Own derivation.

        The loss of one label has slope at most R f'/sigma_x2 and curvature at most (f'^2 + R |f''|)/sigma_x2 in x.z.
        Along theta' = (m', u', T') the noise's unit covariance gives E|z'|^2 <= |m'|^2 + |T'|^2 + (S g' u')^2, and
        z'' = S (g'^2 + g'') u'^2 e has E|e| = 1/sqrt 3; the divergence adds 2 e^(2 g) g'^2 + (e^(2 g) - 1) g''.
        """
        f1, f2, g1, g2 = *_suprema(self.predictor), *_suprema(self.log_scale)
        top, precision = self.largest_scale, 1 / self.noise_variance
        curvature = self.largest_moment * (f1**2 + self.largest_misfit * f2) * precision
        bend = self.mean_absolute_input * self.largest_misfit * f1 * precision * top * (g1**2 + g2) / math.sqrt(3)
        divergence = 2 * top**2 * g1**2 + g2 * self._largest_excess
        return max(curvature + self.beta, curvature * top**2 * g1**2 + bend + self.beta * divergence)

    def infimum(self) -> float:
        """A value F never falls below: no divergence, and for each input the best prediction in the clip's range."""
        centre = self.labels.mean(1)
        away = centre - centre.clamp(self.predictor.low, self.predictor.high)
        spread = (self.labels - centre[:, None]).square().mean(1)
        return float((spread + away.square()).mean()) / (2 * self.noise_variance)

    def noise_bound(self, sgd: Sgd) -> float:
        """A bound on the variance of the minibatch gradient: the mean square of one outcome's, over B."""
        return self._outcome_square / sgd.batch_size

    @cached_property
    def _outcome_square(self) -> float:
        f1, g1 = _suprema(self.predictor)[0], _suprema(self.log_scale)[0]
        slope = self.largest_misfit * f1 / self.noise_variance
        moment = float(self.inputs.square().sum(1).mean())
        return slope**2 * moment * (1 + self._row + (self.largest_scale * g1) ** 2)

    @cached_property
    def _row(self) -> int:
        return max((self._entries[0].count(row) for row in range(self.latent_dim)), default=0)

    def reach(self, start: Float[Tensor, "P 1"], sgd: Sgd) -> float:
        """What no run of these steps can exceed in |(m, T)|: each step shrinks it by |1 - gamma beta|, adds gamma g."""
        f1 = _suprema(self.predictor)[0]
        slope = self.largest_misfit * f1 / self.noise_variance * float(self.inputs.norm(dim=1).max())
        push, size = slope * math.sqrt(1 + 3 * self._row), self.latent_dim
        place = math.sqrt(float(start[:size].square().sum() + start[2 * size :].square().sum()))
        farthest = place
        for gamma in sgd.step_sizes():
            move = gamma * sgd.gain
            place = abs(1 - move * self.beta) * place + move * push
            farthest = max(farthest, place)
        return farthest

    def gradient_bound(self, reach: float) -> float:
        """A bound on |grad F| where |(m, T)| <= reach."""
        g1 = _suprema(self.log_scale)[0]
        divergence = math.hypot(reach, math.sqrt(self.latent_dim) * g1 * self._largest_excess)
        return math.sqrt(self._outcome_square) + self.beta * divergence

    def highest(self, reach: float) -> float:
        """A bound on F where |(m, T)| <= reach."""
        ends = ((math.exp(2 * g) - 1) / 2 - g for g in (self.log_scale.low, self.log_scale.high))
        divergence = reach**2 / 2 + self.latent_dim * max(ends)
        return self.largest_misfit**2 / (2 * self.noise_variance) + self.beta * divergence


def _suprema(clip: SoftClip) -> tuple[float, float]:
    return clip.slope_bound, clip.curvature_bound


def noise_split(
    problem: GaussianInference, outcomes: Float[Tensor, "A E P R"]
) -> tuple[Float[Tensor, " R"], Float[Tensor, " R"]]:
    """(s1, s2): trace covariance of the gradient is s1/B + s2/(BK), labels drawn with replacement."""
    means = torch.einsum("e,aepr->apr", problem.chances, outcomes)
    between = (means - means.mean(0)).square().sum(1).mean(0)
    within = torch.einsum("e,aepr->r", problem.chances, (outcomes - means[:, None]).square()) / len(outcomes)
    return between, within


def run_inference(
    problem: GaussianInference, start: Float[Tensor, "P 1"], sgd: Sgd, stream: Stream, replicates: tuple[int, int]
) -> InferenceRun:
    """SGD from one start on ``replicates`` = (first, count), with exact gradients and noise variances along each run.

    Raises ValueError for an Sgd with another noise than the three-point law, without replacement, or with a clip.
    """
    if sgd.law is not THREE_POINT or not sgd.with_replacement or sgd.clip_radius is not None:
        raise ValueError(f"sgd is {sgd}; allowed: three-point noise, with replacement, no clip")
    shares = sgd.shares(problem.labels.numel())
    theta = start.expand(-1, replicates[1]).clone()
    first, rows = problem.objective(theta), []
    for gamma, picked in zip(sgd.step_sizes(), _picks(problem, sgd, stream, replicates), strict=True):
        outcomes, known = problem.outcomes(theta), problem.beta * problem.divergence_gradient(theta)
        mean = torch.einsum("e,aepr->pr", problem.chances, outcomes) / len(outcomes) + known
        between, within = noise_split(problem, outcomes)
        rows.append((mean.square().sum(0), shares[0] * between + shares[1] * within))
        chosen = outcomes.flatten(0, 1).gather(0, picked[:, None].expand(-1, len(theta), -1))
        theta = theta - gamma * sgd.gain * (chosen.mean(0) + known)
    squares, noises = zip(*rows, strict=True)
    return InferenceRun(torch.stack(squares), torch.stack(noises), first, problem.objective(theta))


def _picks(
    problem: GaussianInference, sgd: Sgd, stream: Stream, replicates: tuple[int, int]
) -> Iterator[Int64[Tensor, "BK R"]]:
    """For each step the outcomes drawn, as places in the flattened table of labels and noises; many steps at once."""
    plan = Draw(sgd.law, sgd.batch_size, sgd.importance_samples, problem.latent_dim, None, torch.float64)
    count, indices = torch.tensor(problem.labels.numel()), replicate_range(*replicates)
    powers = 3 ** torch.arange(problem.latent_dim - 1, -1, -1)[:, None]
    words = sgd.batch_size * (1 + sgd.importance_samples * problem.latent_dim)
    for times in torch.split(torch.arange(1, sgd.steps + 1), max(1, DRAWN // (words * len(indices)))):
        steps = times.repeat_interleave(len(indices))
        labels, noise = draw(plan, stream.schedule(), indices.repeat(len(times)), steps, count)
        digits = (noise / math.sqrt(3)).round().long() + 1
        places = (labels[:, None] * len(problem.chances) + (digits * powers).sum(2)).flatten(0, 1)
        yield from places.unflatten(-1, (len(times), -1)).movedim(-2, 0).contiguous().unbind()
