"""The importance-weighted bound L_K of a deep Gaussian VAE, sampled as in training and exact for one latent coordinate.

    F_K = -L_K = -mean_x E log(1/K sum_i w_i),   w_i = p(x, z_i) / q(z_i | x),   z_i = mu + e^(l/2) eps_i,

with K independent eps_i. Along the path log q moves with l alone, so
-log w = |x - g(z)|^2 / (2 sigma_x2) + (d/2) log(2 pi sigma_x2) + (|z|^2 - |eps|^2 - sum l) / 2.
The gradient of F_K is that of -sum w~ log w with self-normalised weights w~ held fixed; the values differ.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from elbound.impl.deep_vae import Batch, DeepVAE, NoiseRule, Pass

# Step and ends of the trapezoid rule over v = log s; see `Mixture`.
STEP, LEAST, GREATEST, NEGLIGIBLE = 0.5, -28.0, 700.0, 1e-18


def log_weights(problem: DeepVAE, found: Pass) -> Float[Tensor, "B Q R"]:
    """log p(x, z) - log q(z | x) for each datum and noise, in nats."""
    offset = problem.architecture.data_dim / 2 * math.log(2 * math.pi * problem.noise_variance)
    fit = found.residual.square().sum(1) / (2 * problem.noise_variance) + offset
    ratio = (found.latent.square() - found.noise.square() - found.spread[..., None]).sum(1) / 2
    return -(fit + ratio).permute(1, 2, 0)


def weighted_gradient(problem: DeepVAE, found: Pass, shares: Float[Tensor, "B Q R"]) -> Float[Tensor, "P R"]:
    """Gradient of the batch mean of -sum_q shares_q log w_q, the shares held fixed."""
    weights = shares.permute(2, 0, 1)[:, None] / shares.shape[0]
    return problem.pulled_back(
        found,
        output=found.residual * (weights / problem.noise_variance),
        latent=weights * found.latent,
        spread=(-weights.sum(3) / 2).expand_as(found.spread),
    )


def sampled_gradient(problem: DeepVAE, theta: Float[Tensor, "P R"], batch: Batch, samples: int) -> Float[Tensor, "P R"]:
    """The minibatch estimate of grad F_K: each K = ``samples`` successive noises of a datum make one estimate of L_K.

    Raises ValueError unless K divides the number of noises.
    """
    count = len(batch.weights)
    if samples < 1 or count % samples:
        raise ValueError(f"samples is {samples}; allowed: a divisor of the {count} noises of a datum")
    found = problem.run_through(theta, batch)
    groups = log_weights(problem, found).unflatten(1, (-1, samples))
    return weighted_gradient(problem, found, torch.softmax(groups, 2).flatten(1, 2) * (samples / count))


class Mixture(NamedTuple):
    """For every datum: E log of the mean of K weights, and K times what each noise's own weight shares on average.

    With Laplace transform M(s) = E e^(-s w), Frullani's integral log y = int_0^inf (e^-s - e^(-sy)) / s ds and
    1/y = int_0^inf e^(-sy) ds give, over v = log s,
    E log mean w = int e^(-K s) - M(s)^K dv,   K E[w~_1 | eps_1] = int K s w_1 e^(-s w_1) M(s)^(K-1) dv.
    Both integrands are analytic in |Im v| < pi/2, so the trapezoid rule with step 1/2 errs by about e^(-2 pi^2) = 3e-9;
    below v = -28 lies at most K e^-28 = 7e-13 K of either, and the upper end is where M^K has fallen below 1e-18.
    """

    bound: Float[Tensor, "N R"]
    shares: Float[Tensor, "N Q R"]

    @classmethod
    def of(cls, logarithms: Float[Tensor, "N Q R"], chances: Float[Tensor, " Q"], samples: int) -> "Mixture":
        """From log-weights at noise nodes of the given chances. ValueError for samples below 1.

        Raises ArithmeticError where weights are so uneven that the upper end lies beyond e^700.
        """
        if samples < 1:
            raise ValueError(f"samples is {samples}; allowed: at least 1")
        # Weights of mean one: the integrals' ends are then the same for every datum.
        size = torch.logsumexp(logarithms + chances.log()[:, None], 1)
        weights = torch.exp(logarithms - size[:, None])
        bound, shares = torch.zeros_like(size), torch.zeros_like(weights)
        v, power = LEAST, size.new_ones(())
        while float(power.detach().max()) > NEGLIGIBLE:
            if not v < GREATEST:
                raise ArithmeticError(f"weights fall below e^-{GREATEST:g} of their mean; allowed: less uneven ones")
            s = math.exp(v)
            decay = (-s * weights).exp_()
            laplace = torch.einsum("q,nqr->nr", chances, decay)
            power = laplace**samples
            bound += STEP * (math.exp(-samples * s) - power)
            shares.addcmul_((STEP * samples * s * laplace ** (samples - 1))[:, None], decay)
            v += STEP
        return cls(bound + size, shares * weights)


@dataclass(frozen=True, eq=False)
class Exact:
    """F_K over all data at theta, the noise under ``rule``, K = ``samples``. Raises as ``Mixture.of`` does."""

    problem: DeepVAE
    theta: Float[Tensor, "P R"]
    rule: NoiseRule
    samples: int

    @cached_property
    def batch(self) -> Batch:
        return self.problem.whole(self.rule)

    @cached_property
    def found(self) -> Pass:
        return self.problem.run_through(self.theta, self.batch)

    @cached_property
    def logarithms(self) -> Float[Tensor, "N Q R"]:
        return log_weights(self.problem, self.found)

    @cached_property
    def mixture(self) -> Mixture:
        return Mixture.of(self.logarithms, self.batch.weights, self.samples)

    @property
    def shares(self) -> Float[Tensor, "N Q R"]:
        """Of each noise node in the self-normalised weights: E sum_i w~_i 1(eps_i = node), of sum one."""
        return self.mixture.shares * self.batch.weights[:, None]

    def value(self) -> Float[Tensor, " R"]:
        """F_K = -L_K, in nats."""
        return -self.mixture.bound.mean(0)

    def negative_elbo(self) -> Float[Tensor, " R"]:
        """F_1, the log-ratio integrated as a whole, in nats."""
        return -(self.batch.weights[:, None] * self.logarithms).sum(1).mean(0)

    def logged(self) -> Float[Tensor, " R"]:
        """The expectation of -sum w~ log w, which paper A's code logs: below F_K by log K - H(w~) on average."""
        return -(self.shares * self.logarithms).sum(1).mean(0)

    def gradient(self) -> Float[Tensor, "P R"]:
        """Of F_K by theta."""
        return weighted_gradient(self.problem, self.found, self.shares)
