"""Gradient estimators of a (importance-weighted) negative ELBO in the mean and log-variance of a Gaussian encoder.

One datum; q(z) = N(mean, diag e^l), prior N(0, I), z = mean + e^(l/2) eps. Every estimator is a function of K noises
eps, replicates last, and estimates the gradient of the negative bound, which a descent can follow.
"""

from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class Gradient(NamedTuple):
    """A gradient in the encoder's mean and log-variance, one per replicate."""

    mean: Float[Tensor, "k R"]
    log_variance: Float[Tensor, "k R"]


@dataclass(frozen=True, eq=False)
class GaussianLikelihood:
    """log N(x; V z, sigma_x2 I) without its constant. ValueError unless 0 < sigma_x2 < infinity."""

    datum: Float[Tensor, " d"]
    decoder: Float[Tensor, "d k"]
    noise_variance: float

    def __post_init__(self) -> None:
        if not 0 < self.noise_variance < inf:
            raise ValueError(f"noise_variance is {self.noise_variance}; allowed: positive and finite")

    def value(self, z: Float[Tensor, "K k R"]) -> Float[Tensor, "K R"]:
        """-|x - V z|^2 / (2 sigma_x2)."""
        return -self._residual(z).square().sum(-2) / (2 * self.noise_variance)

    def slope(self, z: Float[Tensor, "K k R"]) -> Float[Tensor, "K k R"]:
        """V^T (x - V z) / sigma_x2."""
        return self.decoder.T @ self._residual(z) / self.noise_variance

    def _residual(self, z: Tensor) -> Tensor:
        return self.datum[:, None] - self.decoder @ z


@dataclass(frozen=True, eq=False)
class Encoder:
    """q(z) = N(mean, diag e^l). ValueError unless both are finite."""

    mean: Float[Tensor, " k"]
    log_variance: Float[Tensor, " k"]

    def __post_init__(self) -> None:
        for name, part in (("mean", self.mean), ("log_variance", self.log_variance)):
            if not bool(torch.isfinite(part).all()):
                raise ValueError(f"{name} is {part.tolist()}; allowed: finite values")

    @property
    def deviation(self) -> Float[Tensor, "k 1"]:
        return (self.log_variance / 2).exp()[:, None]

    def sample(self, noise: Float[Tensor, "K k R"]) -> Float[Tensor, "K k R"]:
        """z = mean + e^(l/2) eps."""
        return self.mean[:, None] + self.deviation * noise

    def chain(self, slope: Float[Tensor, "K k R"], noise: Float[Tensor, "K k R"]) -> Gradient:
        """Sum over the samples of slope times dz/dmean = 1 and dz/dl = e^(l/2) eps / 2."""
        return Gradient(slope.sum(0), (slope * noise).sum(0) * self.deviation / 2)

    def divergence_gradient(self) -> Gradient:
        """Gradient of KL(q || N(0, I)): mean and (e^l - 1) / 2, one column."""
        return Gradient(self.mean[:, None], (self.log_variance.exp()[:, None] - 1) / 2)


def _plus(left: Gradient, right: Gradient, factor: float) -> Gradient:
    return Gradient(left.mean + factor * right.mean, left.log_variance + factor * right.log_variance)


def pathwise(
    encoder: Encoder, likelihood: GaussianLikelihood, noise: Float[Tensor, "K k R"], beta: float = 1.0
) -> Gradient:
    """Path gradient of E_q[-log p(x|z)] + beta KL, KL analytic, mean over K samples (Kingma, Welling 2014)."""
    found = encoder.chain(-likelihood.slope(encoder.sample(noise)) / len(noise), noise)
    return _plus(found, encoder.divergence_gradient(), beta)


def score_function(
    encoder: Encoder, likelihood: GaussianLikelihood, noise: Float[Tensor, "K k R"], beta: float = 1.0
) -> Gradient:
    """-log p(x|z) times the score of q at z, mean over K samples, KL analytic (Williams 1992).

    The score is eps e^(-l/2) in the mean and (eps^2 - 1) / 2 in the log-variance.
    """
    loss = -likelihood.value(encoder.sample(noise))[:, None] / len(noise)
    found = Gradient((loss * noise).sum(0) / encoder.deviation, (loss * (noise.square() - 1)).sum(0) / 2)
    return _plus(found, encoder.divergence_gradient(), beta)


def normalised_weights(
    encoder: Encoder, likelihood: GaussianLikelihood, noise: Float[Tensor, "K k R"]
) -> Float[Tensor, "K 1 R"]:
    """Importance weights p(x, z) / q(z) of the K samples, divided by their sum."""
    z = encoder.sample(noise)
    # log p(z) - log q(z) up to the constant sum(l) / 2, which the normalisation removes.
    log_weights = likelihood.value(z) + (noise.square() - z.square()).sum(1) / 2
    return log_weights.softmax(0)[:, None]


def path_slope(
    encoder: Encoder, likelihood: GaussianLikelihood, noise: Float[Tensor, "K k R"]
) -> Float[Tensor, "K k R"]:
    """d/dz of log p(x, z) - log q(z), the encoder's parameters held in q."""
    return likelihood.slope(encoder.sample(noise)) - encoder.sample(noise) + noise / encoder.deviation


def importance_weighted(encoder: Encoder, likelihood: GaussianLikelihood, noise: Float[Tensor, "K k R"]) -> Gradient:
    """Reparameterised gradient of -log mean of K weights p(x, z) / q(z) (Burda, Grosse, Salakhutdinov 2016).

    The total derivative of log q along the path is -1/2 in each log-variance and 0 in the mean: the entropy term.
    """
    share, z = normalised_weights(encoder, likelihood, noise), encoder.sample(noise)
    found = encoder.chain(-share * (likelihood.slope(z) - z), noise)
    return Gradient(found.mean, found.log_variance - 0.5)


def doubly_reparameterised(encoder: Encoder, likelihood: GaussianLikelihood, noise: Float[Tensor, "K k R"]) -> Gradient:
    """DReG: squared normalised weights times the path derivative alone (Tucker, Lawson, Gu, Maddison 2019).

    Same mean as ``importance_weighted`` under Gaussian noise, by reparameterising the score term once more.
    """
    share = normalised_weights(encoder, likelihood, noise)
    return encoder.chain(-share.square() * path_slope(encoder, likelihood, noise), noise)
