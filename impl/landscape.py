"""Least value of the linear VAE's objective with learned encoder variances, and descent from many starts.

Notation as in ``linear_vae``; log-variances l = log D are learned beside W and V, one for each latent axis.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from scipy import optimize
from torch import Tensor

from elbound.impl.linear_vae import LinearVAE, Weights

Vector = Float[np.ndarray, " P"]


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
