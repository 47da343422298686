"""The importance-weighted objective of a one-dimensional Linear VAE with finite latent noise, by finite sums.

Data x_i on the line, z = W x + sqrt(D) eps, likelihood N(V z, sigma_x2), prior N(0, 1), eps of a finite law with mean 0
and variance 1. The objective F_K is minus the mean over data of E log (1/K) sum_k w_k with w = p(x, z) / N(z; W x, D):
a surrogate of the Gaussian bound, bounded gradients included. Weights theta = (W, V) are the first axis, replicates
the last.
"""

from dataclasses import dataclass
from functools import cached_property
from math import inf, log, pi

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.func import grad, jacrev, vmap

from elbound.impl.draws import unordered
from elbound.impl.noise import Law

CURVATURE = 48 / (25 * 5**0.5)


@dataclass(frozen=True, eq=False)
class FiniteIWAE:
    """Data [N], noise variance and encoder variance D > 0, K >= 1 samples of a law with finite support.

    ValueError on other values.
    """

    data: Float[Tensor, " N"]
    noise_variance: float
    encoder_variance: float
    importance_samples: int
    law: Law

    def __post_init__(self) -> None:
        if self.data.ndim != 1 or len(self.data) == 0 or not bool(torch.isfinite(self.data).all()):
            raise ValueError(f"data has shape {tuple(self.data.shape)}; allowed: a finite [N] with N >= 1")
        for name in ("noise_variance", "encoder_variance"):
            if not 0 < getattr(self, name) < inf:
                raise ValueError(f"{name} is {getattr(self, name)}; allowed: positive and finite")
        if self.importance_samples < 1:
            raise ValueError(f"importance_samples is {self.importance_samples}; allowed: at least 1")
        if not self.law.support:
            raise ValueError(f"law is {self.law.name}; allowed: one of finite support")

    @cached_property
    def _unordered(self) -> tuple[Int64[Tensor, "E K"], Float[Tensor, " E"]]:
        return unordered(self.law.weights, self.importance_samples)

    @property
    def draws(self) -> Int64[Tensor, "E K"]:
        """Every unordered draw of K noise values, by index into the support."""
        return self._unordered[0]

    @property
    def chances(self) -> Float[Tensor, " E"]:
        """Probabilities of the unordered draws: multinomial."""
        return self._unordered[1]

    @property
    def noise(self) -> Float[Tensor, " S"]:
        return torch.tensor(self.law.support, dtype=torch.float64)

    def _latent(self, theta: Float[Tensor, "2 R"]) -> tuple[Tensor, Tensor]:
        """z and the residual x - V z for each noise value, datum and replicate."""
        z = theta[0] * self.data[:, None] + self.encoder_variance**0.5 * self.noise[:, None, None]
        return z, self.data[:, None] - theta[1] * z

    def log_weights(self, theta: Float[Tensor, "2 R"]) -> Float[Tensor, "S N R"]:
        """log w for each noise value, datum and replicate."""
        return self._log_weight(theta, self.data[:, None], self.noise[:, None, None])

    def _log_weight(self, theta: Tensor, x: Tensor, noise: Tensor) -> Tensor:
        """log p(x, z) - log N(z; W x, D) at z = W x + sqrt(D) eps; the shapes broadcast."""
        z = theta[0] * x + self.encoder_variance**0.5 * noise
        constant = log(self.encoder_variance / (2 * pi * self.noise_variance))
        fit: Tensor = (x - theta[1] * z).square() / self.noise_variance
        log_weight: Tensor = (noise.square() + constant - z.square() - fit) / 2
        return log_weight

    def log_weight_slopes(self, theta: Float[Tensor, "2 R"]) -> Float[Tensor, "2 S N R"]:
        """Gradient of log w by (W, V)."""
        z, residual = self._latent(theta)
        by_latent = theta[1] * residual / self.noise_variance - z
        return torch.stack((by_latent * self.data[:, None], residual * z / self.noise_variance))

    def log_weight_curvatures(self, theta: Float[Tensor, "2 R"]) -> Float[Tensor, "2 2 S N R"]:
        """Hessian of log w by (W, V)."""
        z, residual = self._latent(theta)
        encoder = (-(theta[1] ** 2 / self.noise_variance + 1) * self.data[:, None] ** 2).expand_as(z)
        mixed = (residual - theta[1] * z) * self.data[:, None] / self.noise_variance
        decoder = -z.square() / self.noise_variance
        return torch.stack((torch.stack((encoder, mixed)), torch.stack((mixed, decoder))))

    def _normalised(self, theta: Float[Tensor, "2 R"]) -> Float[Tensor, "E K N R"]:
        return torch.softmax(self.log_weights(theta)[self.draws], 1)

    def objective(self, theta: Float[Tensor, "2 R"]) -> Float[Tensor, " R"]:
        """F_K, in nats."""
        bound = torch.logsumexp(self.log_weights(theta)[self.draws], 1) - log(self.importance_samples)
        return -torch.einsum("e,enr->r", self.chances, bound) / len(self.data)

    def gradients(self, theta: Float[Tensor, "2 R"]) -> Float[Tensor, "2 E N R"]:
        """The stochastic gradient of F_K for every draw and datum."""
        slopes = self.log_weight_slopes(theta)[:, self.draws]
        return -(self._normalised(theta) * slopes).sum(2)

    def mean(self, values: Float[Tensor, "2 E N R"]) -> Float[Tensor, "2 R"]:
        """Expectation over draw and datum."""
        return torch.einsum("e,cenr->cr", self.chances, values) / len(self.data)

    def minibatch_gradients(
        self, theta: Float[Tensor, "2 1"], indices: Int64[Tensor, "B R"], noise: Float[Tensor, "B K R"]
    ) -> Float[Tensor, "2 R"]:
        """Gradient of minus the batch mean of log (1/K) sum_k w_k: automatic, one minibatch for each replicate."""

        def loss(each: Tensor) -> Tensor:
            logs = self._log_weight(each, self.data[indices][:, None], noise)
            return -torch.logsumexp(logs, 1).mean(0).sum()

        found: Tensor = grad(loss)(theta.expand(-1, indices.shape[1]))
        return found

    def hessian(self, theta: Float[Tensor, "2 R"]) -> Float[Tensor, "2 2 R"]:
        """Hessian of F_K, by automatic differentiation of the objective, twice."""

        # Reverse mode twice: forward mode loads a compiler first.
        def at(point: Tensor) -> Tensor:
            return self.objective(point[:, None])[0]

        found: Tensor = vmap(jacrev(grad(at)), 1, 2)(theta)
        return found

    def noise_parts(self, theta: Float[Tensor, "2 R"]) -> tuple[Float[Tensor, " R"], Float[Tensor, " R"]]:
        """(s1(K), s2(K)): variance due to the choice of one datum, and due to its K latent samples."""
        found = self.gradients(theta)
        given = torch.einsum("e,cenr->cnr", self.chances, found)
        between = (given - given.mean(1, keepdim=True)).square().sum(0).mean(0)
        within = torch.einsum("e,cenr->nr", self.chances, (found - given[:, None]).square()).mean(0)
        return between, within

    def suprema(self, radius: float) -> tuple[float, float]:
        """(A1, A2): bounds on the gradient and Hessian norm of log w where |W|, |V| <= radius, own derivation.

        |z| <= Z = r |x| + sqrt(D) max |eps| and |x - V z| <= |x| + r Z; a symmetric 2 x 2 matrix has a norm of at most
        its larger diagonal entry plus the other one, in absolute values.
        """
        x, s = float(self.data.abs().max()), self.noise_variance
        z = radius * x + self.encoder_variance**0.5 * max(map(abs, self.law.support))
        residual = x + radius * z
        slope = ((radius * residual / s + z) * x) ** 2 + (residual * z / s) ** 2
        bend = max((radius**2 / s + 1) * x**2, z**2 / s) + (residual + radius * z) * x / s
        return slope**0.5, bend

    def lowest(self) -> float:
        """A bound below F_K: log w is at most half of max eps^2 + log D - log(2 pi sigma_x2)."""
        greatest = max(value**2 for value in self.law.support)
        return -(greatest + log(self.encoder_variance / (2 * pi * self.noise_variance))) / 2


@dataclass(frozen=True, eq=False)
class ClippedIWAE:
    """F_K(Phi(theta)) with the radial soft-clip Phi onto the ball of radius r: globally smooth, whatever K.

    Hess log-mean-exp is the mean Hessian of log w plus the covariance of its gradient, at most A2 + A1^2; the clip adds
    CURVATURE A1 / r.
    """

    problem: FiniteIWAE
    radius: float

    @property
    def smoothness(self) -> float:
        """A2 + A1^2 + CURVATURE A1 / r, free of K."""
        slope, bend = self.problem.suprema(self.radius)
        return bend + slope**2 + CURVATURE * slope / self.radius

    def clip(self, theta: Float[Tensor, "2 R"]) -> Float[Tensor, "2 R"]:
        """Phi(theta) = theta / sqrt(1 + |theta|^2 / r^2)."""
        return theta / self._stretch(theta)

    def objective(self, theta: Float[Tensor, "2 R"]) -> Float[Tensor, " R"]:
        """F_K(Phi(theta)), in nats."""
        return self.problem.objective(self.clip(theta))

    def gradients(self, theta: Float[Tensor, "2 R"]) -> Float[Tensor, "2 E N R"]:
        """The stochastic gradient by theta for every draw and datum: D Phi is symmetric."""
        weights, found = self.clip(theta), self.problem.gradients(self.clip(theta))
        along = (found * weights[:, None, None]).sum(0) / self.radius**2
        return (found - weights[:, None, None] * along) / self._stretch(theta)

    def slope(self, theta: Float[Tensor, "2 R"]) -> Float[Tensor, "2 R"]:
        """Gradient of F_K(Phi(theta)), by automatic differentiation of the objective."""
        found: Tensor = grad(lambda each: self.objective(each).sum())(theta)
        return found

    def _stretch(self, theta: Float[Tensor, "2 R"]) -> Float[Tensor, " R"]:
        return torch.sqrt(1 + theta.square().sum(0) / self.radius**2)
