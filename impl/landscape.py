"""Least value of the linear VAE's objective with learned encoder variances, and descent, certified, from many starts.

Notation as in ``linear_vae``; log-variances l = log D are learned beside W and V, one for each latent axis.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float
from scipy import optimize
from torch import Tensor

from elbound.impl.linear_vae import LinearVAE, Weights

Vector = Float[np.ndarray, " P"]

EPS = 2.0**-53
NEWTON_STEPS = 4


@dataclass(frozen=True)
class Optimum:
    """Weights, one replicate, and the problem with the encoder variances that go with them."""

    problem: LinearVAE
    weights: Weights

    @property
    def value(self) -> float:
        """The objective there."""
        return float(self.problem.objective(self.weights)[0])

    def gradient_norm(self) -> float:
        """Norm of the gradient in weights and l: dF/dl_j = (D_j |V_j|^2 / sigma_x2 + beta (D_j - 1)) / 2."""
        found = self.problem.gradient(self.weights)
        variance, s = self.problem.posterior_variance, self.problem.noise_variance
        length = self.weights.decoder[..., 0].square().sum(0)
        slope = (variance * length / s + self.problem.beta * (variance - 1)) / 2
        return float(torch.cat([found.encoder.flatten(), found.decoder.flatten(), slope]).norm())


@dataclass(frozen=True)
class Certified:
    """A point, and a distance within which a local minimiser surely has its decoder.

    The distance is infinite where nothing was certified: at a saddle, or where curvature is too small for its error.
    """

    optimum: Optimum
    distance: float


def certified(optimum: Optimum) -> Certified:
    """The point after a few Newton steps in the weights, with its decoder's distance to a local minimiser's.

    In U = W S^(1/2) and V the fit is |S^(1/2) - V U|^2, so the third derivative along a unit direction is 6 <A, B> /
    sigma_x2 with A = dV U + V dU and B = dV dU: at most M = 3 r / sigma_x2 where (U, V) has norm r. Let g be the
    gradient's norm and mu the least curvature. If M rho <= mu / 2 in a ball of radius rho = 4 g / mu, the curvature
    there is mu / 2 and the least point lies within 2 g / mu. All this holds as well on what is orthogonal to motions
    that leave the objective as it is: rotations of latent axes with equal encoder variances, and of the data's
    eigenvectors with equal eigenvalues. The gradient is orthogonal to these motions everywhere, so a stationary point
    there is one of the whole if the motions' directions turn by less than a right angle in between. Own derivation.
    """
    view = _Scaled.of(optimum.problem)
    point = view.inside(optimum.weights)
    for _ in range(NEWTON_STEPS):
        values, vectors = torch.linalg.eigh(view.hessian(point))
        inverse = torch.where(values > 1e-9 * values[-1], 1 / values, 0.0)
        point = point - vectors @ (inverse * (vectors.T @ view.gradient(point)))
    return Certified(Optimum(view.problem, view.weights(point)), view.distance(point))


@dataclass(frozen=True)
class _Scaled:
    """The objective in (U, V), U = W S^(1/2) in the eigenbasis of S, without the directions that no datum sees."""

    problem: LinearVAE
    roots: Float[Tensor, " rank"]  # of the positive eigenvalues
    vectors: Float[Tensor, "d rank"]

    @staticmethod
    def of(problem: LinearVAE) -> "_Scaled":
        values, vectors = torch.linalg.eigh(problem.second_moment)
        seen = values > 64 * problem.data_dim * EPS * values[-1]
        return _Scaled(problem, values[seen].sqrt(), vectors[:, seen])

    def inside(self, weights: Weights) -> Tensor:
        """(U, V) of weights."""
        encoder, decoder = (part[..., 0] for part in weights)
        return torch.cat([(encoder @ self.vectors * self.roots).flatten(), decoder.flatten()])

    def parts(self, point: Tensor) -> tuple[Tensor, Tensor]:
        """U [k, rank] and V [d, k]."""
        k, size = self.problem.latent_dim, self.problem.latent_dim * len(self.roots)
        return point[:size].reshape(k, -1), point[size:].reshape(-1, k)

    def weights(self, point: Tensor) -> Weights:
        """Weights, one replicate, with nothing in the encoder that no datum sees."""
        scaled, decoder = self.parts(point)
        return Weights((scaled / self.roots @ self.vectors.T)[..., None], decoder[..., None].contiguous())

    @cached_property
    def _chain(self) -> Float[Tensor, "P Q"]:
        """The weights' derivative by (U, V): encoder entries row by row, then decoder entries."""
        k, d = self.problem.latent_dim, self.problem.data_dim
        encoder = torch.kron(torch.eye(k, dtype=self.roots.dtype), self.vectors / self.roots)
        whole: Tensor = torch.block_diag(encoder, torch.eye(d * k, dtype=self.roots.dtype))
        return whole

    def gradient(self, point: Tensor) -> Tensor:
        found = self.problem.gradient(self.weights(point))
        flat: Tensor = torch.cat([part.flatten() for part in found])
        scaled: Tensor = self._chain.T @ flat
        return scaled

    def hessian(self, point: Tensor) -> Tensor:
        encoder, decoder = self.weights(point)
        whole: Tensor = self._chain.T @ self.problem.hessian(encoder[..., 0], decoder[..., 0]) @ self._chain
        return whole

    def distance(self, point: Tensor) -> float:
        """To the nearest local minimiser, as `certified` derives it; infinite where it derives none."""
        slope = float(self.gradient(point).norm()) + self._rounding(point)
        matrix, motions = self.hessian(point), self._motions(point)
        found = self._within(point, matrix, slope)
        if not motions:
            return found
        left, sizes, _ = torch.linalg.svd(torch.stack(motions, 1))
        rank = int((sizes > 1e-6 * sizes[0]).sum())
        others = left[:, rank:]
        slid = self._within(point, others.T @ matrix @ others, slope)
        # A motion's direction is linear in the point, of norm at most one: it turns by at most the distance.
        return min(found, slid if rank and slid < float(sizes[rank - 1]) else math.inf)

    def _within(self, point: Tensor, matrix: Tensor, slope: float) -> float:
        # Backward stability of the symmetric eigensolver; entries of some dozens of operations.
        error = 8 * EPS * (len(matrix) + 32) * float(matrix.norm())
        least = float(torch.linalg.eigvalsh(matrix)[0]) - error
        if least <= 0:
            return math.inf
        radius = 4 * slope / least
        change = 3 * (float(point.norm()) + radius) / self.problem.noise_variance
        return radius / 2 if change * radius <= least / 2 else math.inf

    def _motions(self, point: Tensor) -> list[Tensor]:
        """Directions of the rotations that leave the objective as it is."""
        scaled, decoder = self.parts(point)
        variance, found = self.problem.posterior_variance, []
        for turn in _turns(variance, 0.0):
            found.append(torch.cat([(-turn @ scaled).flatten(), (decoder @ turn).flatten()]))
        # Eigenvalues that rounding cannot tell apart: the objective moves by rounding alone.
        for turn in _turns(self.roots, 64 * self.problem.data_dim * EPS):
            data_turn = self.vectors @ turn @ self.vectors.T
            found.append(torch.cat([(scaled @ turn).flatten(), (-data_turn @ decoder).flatten()]))
        return found

    def _rounding(self, point: Tensor) -> float:
        """A bound on the gradient's rounding: terms are products of norms, sums run over N data, d and k."""
        encoder, decoder = (float(part.norm()) for part in self.weights(point))
        top, s, wide = self.problem.largest_moment, self.problem.noise_variance, self.problem.posterior_variance.max()
        encoder_terms = top * (decoder * (1 + decoder * encoder) / s + self.problem.beta * encoder)
        decoder_terms = ((1 + decoder * encoder) * encoder * top + float(wide) * decoder) / s
        smallest = float(self.roots.min()) if len(self.roots) else 1.0
        operations = self.problem.data_count + 2 * (self.problem.data_dim + self.problem.latent_dim) + 16
        return EPS * operations * math.sqrt(self.problem.data_dim) * (encoder_terms / smallest + decoder_terms)


def _turns(values: Float[Tensor, " n"], tolerance: float) -> list[Float[Tensor, "n n"]]:
    """Generators of the rotations among positive entries of a diagonal matrix that agree up to a relative tolerance."""
    found = []
    for i, j in combinations(range(len(values)), 2):
        if abs(float(values[i] - values[j])) <= tolerance * float(values[i]):
            turn = values.new_zeros(len(values), len(values))
            turn[i, j], turn[j, i] = 1.0, -1.0
            found.append(turn)
    return found


def learned_optimum(problem: LinearVAE) -> Optimum:
    """The minimiser over weights and diagonal variances; the problem's own variances are replaced.

    Leading eigenpairs (lam_i, u_i) of the data's second moment with lam_i > beta sigma_x2 get
    V_i = sqrt(lam_i - beta sigma_x2) u_i, D_i = beta sigma_x2 / lam_i, W_i = V_i^T / lam_i; other latent axes get the
    prior. Own derivation; for beta = 1 the probabilistic PCA of Tipping and Bishop 1999. ValueError at beta = 0.
    """
    if problem.beta == 0:
        raise ValueError("beta is 0; allowed: positive, since at 0 the infimum is not attained")
    floor, count = problem.beta * problem.noise_variance, min(problem.latent_dim, problem.data_dim)
    values, vectors = torch.linalg.eigh(problem.second_moment)
    values, vectors = values.flip(0)[:count].clamp_min(floor), vectors.flip(1)[:, :count]
    decoder = problem.data.new_zeros(problem.data_dim, problem.latent_dim)
    decoder[:, :count] = vectors * (values - floor).sqrt()
    variance = torch.ones_like(problem.posterior_variance)
    variance[:count] = floor / values
    encoder = torch.zeros_like(decoder)
    encoder[:, :count] = decoder[:, :count] / values
    learned = replace(problem, posterior_variance=variance)
    return Optimum(learned, Weights(encoder.T.contiguous()[..., None], decoder[..., None]))


def learned_infimum(problem: LinearVAE) -> float:
    """Least value of the objective over weights and diagonal variances, whatever the problem's own; beta > 0.

    (d/2) log(2 pi sigma_x2) plus, for each eigenvalue lam of the data's second moment, (beta/2) (log rho + 1) with
    rho = lam / (beta sigma_x2) where rho > 1 and one of the k latent axes is free, else lam / (2 sigma_x2).
    """
    floor = problem.beta * problem.noise_variance
    if floor == 0:
        raise ValueError("beta is 0; allowed: positive")
    values = torch.linalg.eigvalsh(problem.second_moment).flip(0).clamp_min(0).tolist()
    used = [value for value in values[: problem.latent_dim] if value > floor]
    rest = math.fsum(values) - math.fsum(used)
    gained = math.fsum(problem.beta / 2 * (math.log(value / floor) + 1) for value in used)
    return problem.likelihood_offset() + gained + rest / (2 * problem.noise_variance)


@dataclass(frozen=True)
class Descent:
    """The objective and its gradient as functions of one vector: encoder, decoder, then log-variances if learned."""

    problem: LinearVAE
    learned: bool

    def parts(
        self, point: Vector
    ) -> tuple[Float[np.ndarray, "k d"], Float[np.ndarray, "d k"], Float[np.ndarray, " k"]]:
        """Encoder, decoder and log-variances at a point."""
        k, d = self.problem.latent_dim, self.problem.data_dim
        encoder, decoder = point[: k * d].reshape(k, d), point[k * d : 2 * k * d].reshape(d, k)
        return encoder, decoder, point[2 * k * d :] if self.learned else self.problem.posterior_variance.log().numpy()

    def __call__(self, point: Vector) -> tuple[float, Vector]:
        """Value and exact gradient."""
        encoder, decoder, log_variance = self.parts(point)
        s, beta, second = self.problem.noise_variance, self.problem.beta, self.problem.second_moment.numpy()
        # Overflow at wild trial points of a line search means: not there.
        with np.errstate(over="ignore", invalid="ignore"):
            variance, gram, encoded = np.exp(log_variance), decoder.T @ decoder, encoder @ second
            code = encoded @ encoder.T
            fit = second.trace() - 2 * (encoded * decoder.T).sum() + (gram * code).sum() + gram.diagonal() @ variance
            value = fit / (2 * s) + beta / 2 * (code.trace() + (variance - 1 - log_variance).sum())
            slopes = [
                (gram @ encoded - decoder.T @ second) / s + beta * encoded,
                (decoder @ (code + np.diag(variance)) - encoded.T) / s,
                (variance * gram.diagonal() / s + beta * (variance - 1)) / 2,
            ]
        return value + self.problem.likelihood_offset(), np.concatenate([x.ravel() for x in slopes[: 2 + self.learned]])

    def least(self, starts: Sequence[Vector]) -> Optimum:
        """The lowest point that L-BFGS reaches from the starts; its value is the model's own, not the optimiser's."""
        options = {"maxiter": 2_000, "maxfun": 4_000, "ftol": 1e-16, "gtol": 1e-11}
        found = [optimize.minimize(self, x, jac=True, method="L-BFGS-B", options=options) for x in starts]
        return self.at(min(found, key=lambda result: float(result.fun)).x)

    def at(self, point: Vector) -> Optimum:
        """The model at a point."""
        encoder, decoder, log_variance = (self._tensor(x) for x in self.parts(point))
        problem = replace(self.problem, posterior_variance=log_variance.exp()) if self.learned else self.problem
        return Optimum(problem, Weights(encoder[..., None], decoder[..., None]))

    def _tensor(self, values: Float[np.ndarray, "..."]) -> Tensor:
        return torch.tensor(values, dtype=self.problem.data.dtype)
