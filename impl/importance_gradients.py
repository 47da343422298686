"""Importance-weighted bounds of a linear VAE with one latent coordinate, and estimators of their gradients.

p(z) = N(0, 1), p(x|z) = N(v z, sigma_x2), q(z|x) = N(m, D), z = m + sqrt(D) eps; weights w = p(x, z) / q(z|x). With
self-normalised weights w~ every estimator is sum_i w~_i^p h(eps_i), so one class says them all, sampled or exact.
Burda et al. 2016 (plain), Roeder et al. 2017 (sticking the landing), Tucker et al. 2019 (doubly reparameterised, DReG).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf, isfinite, log, pi
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from elbound.impl.importance import EPS, Gap, PosteriorPair, RatioCurve


def iwae_bound(log_weights: Float[Tensor, " K *rest"]) -> Float[Tensor, "*rest"]:
    """log of the mean of K weights: one sample of the importance-weighted bound, in nats."""
    return torch.logsumexp(log_weights, 0) - log(log_weights.shape[0])


def iwae_surrogate(log_weights: Float[Tensor, " K *rest"]) -> Float[Tensor, "*rest"]:
    """sum of w~ log w, w~ self-normalised and held fixed: its gradient is that of the bound, its value is not.

    The value exceeds the bound by log K - H(w~), H the entropy of the normalised weights, in nats.
    """
    normalised = torch.softmax(log_weights, 0).detach()
    return (normalised * log_weights).sum(0)


@dataclass(frozen=True)
class ScalarVAE:
    """One datum x, decoder v, noise variance sigma_x2 > 0, encoder mean m and variance D > 0.

    ValueError unless all are finite and the variances positive.
    """

    datum: float
    decoder: float
    noise_variance: float
    encoder_mean: float
    encoder_variance: float

    def __post_init__(self) -> None:
        for name in ("datum", "decoder", "encoder_mean"):
            if not isfinite(getattr(self, name)):
                raise ValueError(f"{name} {getattr(self, name)} must be finite")
        for name in ("noise_variance", "encoder_variance"):
            if not 0 < getattr(self, name) < inf:
                raise ValueError(f"{name} {getattr(self, name)} must be finite and above 0")

    @property
    def posterior_precision(self) -> float:
        """P = 1 + v^2 / sigma_x2."""
        return 1 + self.decoder**2 / self.noise_variance

    @property
    def posterior_mean(self) -> float:
        """v x / (sigma_x2 P)."""
        return self.decoder * self.datum / (self.noise_variance + self.decoder**2)

    @property
    def log_evidence(self) -> float:
        """log N(x; 0, v^2 + sigma_x2), in nats."""
        variance = self.noise_variance + self.decoder**2
        return -(log(2 * pi * variance) + self.datum**2 / variance) / 2

    @property
    def evidence_slope(self) -> float:
        """Derivative of log p(x) by the decoder v."""
        variance = self.noise_variance + self.decoder**2
        return self.decoder * (self.datum**2 - variance) / variance**2

    @property
    def pair(self) -> PosteriorPair:
        """Posterior and encoder as a pair of Gaussians."""
        return PosteriorPair(
            self.posterior_precision, 1 / self.encoder_variance, self.posterior_mean - self.encoder_mean
        )

    def log_weights(self, noise: Float[Tensor, "*K"]) -> Float[Tensor, "*K"]:
        """log p(x, z) - log q(z|x) at z = m + sqrt(D) noise."""
        z = self.latent(noise)
        joint = (self.datum - self.decoder * z) ** 2 / self.noise_variance + log(2 * pi * self.noise_variance) + z**2
        log_weights: Tensor = (noise**2 + log(self.encoder_variance) - joint) / 2
        return log_weights

    def latent(self, noise: Any) -> Any:
        """z = m + sqrt(D) noise."""
        return self.encoder_mean + self.encoder_variance**0.5 * noise

    def joint_slope(self, noise: Any) -> Any:
        """Derivative of log p(x, z) by z: along the path log q(z|x) does not move with m."""
        z = self.latent(noise)
        return (self.datum - self.decoder * z) * self.decoder / self.noise_variance - z

    def path_slope(self, noise: Any) -> Any:
        """Derivative of log w by z, the encoder's density fixed."""
        return self.joint_slope(noise) + noise / self.encoder_variance**0.5


@dataclass(frozen=True)
class Estimator:
    """sum_i w~_i^power slope(eps_i): an estimator of one derivative of the bound L_K."""

    power: int
    slope: Callable[[ScalarVAE, Any], Any]

    def sample(self, vae: ScalarVAE, noise: Float[Tensor, "K R"]) -> Float[Tensor, " R"]:
        """The estimator in each replicate."""
        normalised = torch.softmax(vae.log_weights(noise), 0)
        total: Tensor = (normalised**self.power * self.slope(vae, noise)).sum(0)
        return total

    def moments(self, vae: ScalarVAE) -> RatioCurve:
        """Its mean and variance under Gaussian noise, for every K. ValueError outside the range of the exact gap."""
        return RatioCurve(vae.pair, lambda noise: self.slope(vae, noise), self.power)


def _half_noise(vae: ScalarVAE, noise: Any) -> Any:
    # dz / d log D
    return vae.encoder_variance**0.5 * noise / 2


def _decoder_slope(vae: ScalarVAE, noise: Any) -> Any:
    z = vae.latent(noise)
    return (vae.datum - vae.decoder * z) * z / vae.noise_variance


# Along the path log q(z|x) moves with log D alone, by -1/2: the noise stands still.
PLAIN = Estimator(1, ScalarVAE.joint_slope)
PLAIN_LOG_VARIANCE = Estimator(1, lambda vae, noise: vae.joint_slope(noise) * _half_noise(vae, noise) + 0.5)
STICKING = Estimator(1, ScalarVAE.path_slope)
STICKING_LOG_VARIANCE = Estimator(1, lambda vae, noise: vae.path_slope(noise) * _half_noise(vae, noise))
DREG = Estimator(2, ScalarVAE.path_slope)
DREG_LOG_VARIANCE = Estimator(2, lambda vae, noise: vae.path_slope(noise) * _half_noise(vae, noise))
DECODER = Estimator(1, _decoder_slope)


def bound_slope(vae: ScalarVAE) -> Callable[[int], Gap]:
    """Derivative of L_K by the encoder's mean, for every K, by central differences of the exact gap.

    Fourth-order differences at steps h and 2h, h = 2^-9 posterior deviations, extrapolated to sixth order; the error
    adds the extrapolation's own step and the gaps' errors over h. ValueError as for the gap.
    """
    step = 2.0**-9 / vae.posterior_precision**0.5
    curves = {j: replace(vae, encoder_mean=vae.encoder_mean + j * step).pair.gap_curve() for j in (-4, -2, -1, 1, 2, 4)}

    def slope(importance_samples: int) -> Gap:
        gaps = {j: curve(importance_samples) for j, curve in curves.items()}
        near, middle, far = (gaps[-j].value - gaps[j].value for j in (1, 2, 4))
        fine, coarse = (8 * near - middle) / (12 * step), (8 * middle - far) / (24 * step)
        # The weights of the six gaps add up to at most two; the encoder's mean is itself rounded to a share of h.
        rounding = 2 * max(gap.error for gap in gaps.values()) / step
        moved = 4 * EPS * (abs(vae.encoder_mean) + abs(vae.posterior_mean)) / step * abs(fine)
        return Gap(fine + (fine - coarse) / 15, abs(fine - coarse) / 15 + rounding + moved)

    return slope
