"""Means of gradient estimators of one datum's bound, by enumeration or quadrature, beside the bound's own gradient."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from math import log, pi, sqrt
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from elbound.impl.estimators import (
    Encoder,
    GaussianLikelihood,
    Gradient,
    doubly_reparameterised,
    importance_weighted,
    normalised_weights,
    path_slope,
    pathwise,
    score_function,
)
from elbound.impl.linear_vae import LinearVAE
from elbound.impl.noise import THREE_POINT
from elbound.properties.datasets import bundled, table
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.experiments.linear_vae_ball import gaussian_weights
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, Scalar, Space
from elbound.theory.settings import ENCODER_GRADIENT
from elbound.theory.symbols import K, beta, d, elbo_mu, est_l, est_mu, sigma_x2, slope_l, slope_mu

EPS = 2.0**-53
REACH = 9.0
# Nodes on each side of zero for K samples; even, so that every second node is a rule of its own.
HALF = {1: 120, 2: 60, 3: 30}
WEIGHTED = ("importance weighted", "doubly reparameterised")

Estimator = Callable[[Encoder, GaussianLikelihood, Tensor, float], Gradient]
ESTIMATORS: dict[str, Estimator] = {
    "pathwise": pathwise,
    "score function": score_function,
    "importance weighted": lambda q, likelihood, noise, _: importance_weighted(q, likelihood, noise),
    "doubly reparameterised": lambda q, likelihood, noise, _: doubly_reparameterised(q, likelihood, noise),
}


def stopped_in_q(q: Encoder, likelihood: GaussianLikelihood, noise: Tensor, _: float) -> Gradient:
    """The planted mistake: q's parameters held in the weights, the weights not squared; right at K = 1 only."""
    return q.chain(-normalised_weights(q, likelihood, noise) * path_slope(q, likelihood, noise), noise)


@dataclass(frozen=True, eq=False)
class Datum:
    """One datum with one latent coordinate: likelihood, encoder, posterior precision and mean."""

    likelihood: GaussianLikelihood
    encoder: Encoder
    precision: float
    centre: float
    beta: float

    @staticmethod
    def of(configuration: Configuration, context: Context) -> "Datum":
        """The encoder has Q/P times the posterior's precision P, its mean lies `shift` posterior deviations away."""
        c: Any = configuration
        data = table(context, c["data"], 5, c["d"], c["seed"])
        problem = LinearVAE(data, c["sigma_x2"], 1.0, torch.ones(1, dtype=torch.float64))
        likelihood = GaussianLikelihood(
            data[0], gaussian_weights(problem, c["seed"]).decoder * c["scale"], c["sigma_x2"]
        )
        precision = 1 + float(likelihood.decoder.square().sum()) / c["sigma_x2"]
        centre = float(likelihood.decoder[:, 0] @ data[0]) / c["sigma_x2"] / precision
        mean = torch.tensor([centre + c["shift"] / sqrt(precision)], dtype=torch.float64)
        encoder = Encoder(mean, torch.tensor([-log(c["Q/P"] * precision)], dtype=torch.float64))
        return Datum(likelihood, encoder, precision, centre, 1.0 if c["estimator"] in WEIGHTED else c["beta"])

    def elbo_gradient(self) -> tuple[Interval, Interval]:
        """Closed form: the likelihood is a parabola of curvature P - 1 with slope P centre at z = 0."""
        mean, variance = float(self.encoder.mean), float(self.encoder.log_variance.exp())
        pull, curvature = self.precision * self.centre, self.precision - 1
        scale = abs(curvature * mean) + abs(pull) + self.beta * abs(mean)
        in_mean = Interval.around(curvature * mean - pull + self.beta * mean, 64 * EPS * scale)
        in_log = (curvature * variance + self.beta * (variance - 1)) / 2
        return in_mean, Interval.around(in_log, 64 * EPS * (curvature * variance + self.beta * (variance + 1)))

    def bound_gradient(self, samples: int) -> tuple[Interval, Interval]:
        """Gradient of log p - L_K = int M(e^v)^K - exp(-K e^v) dv, M(s) = E e^{-s w}, by two trapezoid rules.

        Differentiating q at fixed z turns dM into E (1 + s w) e^{-s w} score. Own derivation; no estimator enters.
        """
        noise = np.linspace(-REACH, REACH, 241)
        chances = noise[1:2] - noise[0:1]
        chances = chances / sqrt(2 * pi) * np.exp(-(noise**2) / 2)
        deviation = sqrt(float(self.encoder.log_variance.exp()))
        z = float(self.encoder.mean) + deviation * noise - self.centre
        log_weight = (log(self.precision) + 2 * log(deviation) + noise**2 - self.precision * z**2) / 2
        exponent = np.arange(-320, 640)[:, None] / 8
        weighted = np.exp(np.minimum(exponent + log_weight, 600.0))
        laplace = np.exp(-weighted)
        # E score = 0: subtracting one keeps the integrand small where s is.
        inner = (1 + weighted) * laplace - 1
        scores = {"mean": noise / deviation, "log_variance": (noise**2 - 1) / 2}
        return tuple(_integral(samples, laplace, inner * score, chances) for score in scores.values())  # type: ignore[return-value]


def _integral(samples: int, laplace: Any, slope: Any, chances: Any) -> Interval:
    """int K M^(K-1) dM dv; its error is what half the nodes, in the noise or in v, would change, and rounding."""

    def rule(step: int, every: int) -> float:
        mass = (laplace[::every, ::step] * chances[::step] * step).sum(1)
        change = (slope[::every, ::step] * chances[::step] * step).sum(1)
        return float((samples * mass ** (samples - 1) * change).sum()) * every / 8

    value = rule(1, 1)
    error = abs(value - rule(2, 1)) + abs(value - rule(1, 2))
    # 960 nodes in v, each a sum over 241 of terms of size at most the scores', all weights below one.
    return Interval.around(value, error + 64 * EPS * samples * 960 / 8 * float(np.abs(slope * chances).sum(1).max()))


def _outcomes(name: str, samples: int) -> tuple[Tensor, Tensor, Tensor | None]:
    """Noises [K, 1, R], their chances, and those of the rule with every second node (none where the law is finite)."""
    law = THREE_POINT
    if name == "pathwise":
        grids = (
            torch.tensor(list(product(x, repeat=samples)), dtype=torch.float64) for x in (law.support, law.weights)
        )
        noise, chances = grids
        return noise.T[:, None], chances.prod(1), None
    half = HALF[samples]
    places = torch.arange(-half, half + 1, dtype=torch.float64)
    step = REACH / half
    fine = step / sqrt(2 * pi) * torch.exp(-((places * step) ** 2) / 2)
    coarse = torch.where(places % 2 == 0, 2 * fine, 0.0)
    noise = torch.cartesian_prod(*[places * step] * samples).reshape(-1, samples)
    weights = [torch.cartesian_prod(*[x] * samples).reshape(-1, samples).prod(1) for x in (fine, coarse)]
    return noise.T[:, None], weights[0], weights[1]


def _mean(values: Tensor, chances: Tensor, coarse: Tensor | None) -> Interval:
    found, size = float((values * chances).sum()), float((values.abs() * chances).sum())
    doubling = 0.0 if coarse is None else abs(found - float((values * coarse).sum()))
    # About a hundred operations in each value, of terms a few times larger than it; REACH leaves out 1e-18.
    return Interval.around(found, doubling + 512 * EPS * size)


class EstimatorMeans(Experiment):
    """The mean over every outcome of K noises: three-point noise for pathwise, a Gaussian trapezoid rule for others."""

    key = "estimators/encoder-gradient"
    title = "enumeration and quadrature over the noise of K samples"
    setting = ENCODER_GRADIENT
    share = 0.3
    space = Space(
        (
            Choice("estimator", tuple(ESTIMATORS)),
            bundled(),
            Count("K", 1, 3),
            Count("d", 1, 4),
            Logarithmic("sigma_x2", 1e-3, 1e3, usual=(0.3, 3.0)),
            Linear("scale", 0.1, 1.2),
            Logarithmic("Q/P", 0.75, 1.4),
            Linear("shift", 0.0, 1.0),
            Linear("beta", 0.0, 3.0),
            Count("seed", 0, 2**16),
        )
    )
    _small: ClassVar[dict[str, Scalar]] = {
        "data": "spiked",
        "K": 2,
        "d": 2,
        "sigma_x2": 0.7,
        "scale": 0.8,
        "Q/P": 1.2,
        "shift": 0.7,
        "beta": 1.3,
        "seed": 3,
    }
    instances = {
        "pathwise, K = 2": _small | {"estimator": "pathwise"},
        "score function, K = 2": _small | {"estimator": "score function"},
        "importance weighted, K = 2": _small | {"estimator": "importance weighted"},
        "importance weighted, K = 3, digits": _small
        | {"estimator": "importance weighted", "K": 3, "data": "digits", "d": 4},
        "doubly reparameterised, K = 2": _small | {"estimator": "doubly reparameterised"},
        "doubly reparameterised, K = 3": _small | {"estimator": "doubly reparameterised", "K": 3},
    }
    faults = {
        "stop-gradient in the wrong place": "doubly reparameterised, K = 2",
        "entropy term missing": "importance weighted, K = 2",
    }

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        datum = Datum.of(configuration, context)
        sizes = {K: int(configuration["K"]), d: len(datum.likelihood.decoder)}
        return Situation({**sizes, beta: datum.beta, sigma_x2: float(configuration["sigma_x2"])})

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        name, samples = str(configuration["estimator"]), int(configuration["K"])
        datum = Datum.of(configuration, context)
        noise, chances, coarse = _outcomes(name, samples)
        estimator = stopped_in_q if fault.startswith("stop") else ESTIMATORS[name]
        found = estimator(datum.encoder, datum.likelihood, noise, datum.beta)
        dropped = datum.beta / 2 if fault.startswith("entropy") else 0.0
        elbo = datum.elbo_gradient()
        truth = datum.bound_gradient(samples) if name in WEIGHTED else elbo
        return Exact(
            {
                est_mu: _mean(found.mean[0], chances, coarse),
                est_l: _mean(found.log_variance[0] + dropped, chances, coarse),
                slope_mu: truth[0],
                slope_l: truth[1],
                elbo_mu: elbo[0],
            }
        )


ESTIMATOR_MEANS = EstimatorMeans()
