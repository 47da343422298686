"""The pathwise gradient's covariance by enumeration: every batch and every value of a finite latent noise."""

from dataclasses import dataclass
from itertools import permutations, product
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.func import grad, vmap

from elbound.impl.linear_vae import LinearVAE, Weights
from elbound.impl.noise import RADEMACHER, THREE_POINT, Law
from elbound.properties.datasets import bundled
from elbound.properties.evidence.intervals import Interval, maximum
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.experiments.linear_vae_ball import gaussian_weights, problem_of
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, Scalar, Space
from elbound.theory import symbols
from elbound.theory.settings import GRADIENT_NOISE, WITH_REPLACEMENT, WITHOUT_REPLACEMENT
from elbound.theory.symbols import s1, s2, s2_c, s2_l, v, v_K

EPS = 2.0**-53
LAWS: dict[str, Law] = {"three-point": THREE_POINT, "random signs": RADEMACHER}


def sampled_objective(
    parameters: dict[str, Tensor], x: Tensor, noise: Tensor, noise_variance: float, beta: float
) -> Tensor:
    """Negative beta-ELBO of one datum and one latent sample; encoder, decoder, log-variance, offset free."""
    mean, variance = parameters["encoder"] @ x, parameters["log_variance"].exp()
    z = mean + variance.sqrt() * noise
    residual = x - parameters["decoder"] @ z - parameters["offset"]
    divergence = (mean.square() + variance - 1 - parameters["log_variance"]).sum() / 2
    return residual.square().sum() / (2 * noise_variance) + beta * divergence


def sampled_divergence(
    parameters: dict[str, Tensor], x: Tensor, noise: Tensor, noise_variance: float, beta: float
) -> Tensor:
    """The same with log q - log p at the latent sample in place of the analytic KL."""
    mean, variance = parameters["encoder"] @ x, parameters["log_variance"].exp()
    z = mean + variance.sqrt() * noise
    residual = x - parameters["decoder"] @ z - parameters["offset"]
    divergence = (z.square() - noise.square() - parameters["log_variance"]).sum() / 2
    return residual.square().sum() / (2 * noise_variance) + beta * divergence


@dataclass(frozen=True)
class Outcomes:
    """Gradients g[i, e, :] for every datum i and every noise value e, with the noise's probabilities."""

    gradients: Tensor  # [N, E, P]
    probabilities: Tensor  # [E]

    def beside(self, other: "Outcomes") -> "Outcomes":
        """Both blocks of parameters as one."""
        return Outcomes(torch.cat([self.gradients, other.gradients], -1), self.probabilities)

    def parts(self) -> tuple[float, float]:
        """Variance of the conditional mean given the datum, and mean of the conditional variance."""
        mean = torch.einsum("e,iep->ip", self.probabilities, self.gradients)
        between = (mean - mean.mean(0)).square().sum(1).mean()
        within = torch.einsum("e,iep->i", self.probabilities, (self.gradients - mean[:, None]).square()).mean()
        return float(between), float(within)

    def enclosed(self, variance: float) -> Interval:
        """The variance with its rounding error: gradients after a few dozen operations, sums with weights of sum one.

        A gradient off by 64 units in the last place moves a centred square by twice the deviation times that.
        """
        slip = 64 * EPS * float(self.gradients.square().sum(-1).max()) ** 0.5
        error = 2 * slip * variance**0.5 + slip**2 + 64 * EPS * variance
        return maximum(Interval.around(variance, error), 0.0)

    def minibatch_variance(self, batch: int, samples: int, *, replacement: bool) -> float:
        """Trace of the covariance of the mean over a batch and its samples, over every joint outcome."""
        count, size = self.gradients.shape[:2]
        inner = torch.tensor(list(product(range(size), repeat=samples)))  # [E^K, K]
        per_datum = self.gradients[:, inner].mean(2)  # [N, E^K, P]
        weight = self.probabilities[inner].prod(1)  # [E^K]
        indices = product(range(count), repeat=batch) if replacement else permutations(range(count), batch)
        batches = torch.tensor(list(indices))  # [A, B]
        total, share = per_datum[batches[:, 0]], weight  # [A, E^K, P], [E^K]
        for b in range(1, batch):
            total = (total[:, :, None] + per_datum[batches[:, b]][:, None]).flatten(1, 2)
            share = (share[:, None] * weight).flatten()
        means = total / batch
        centre = torch.einsum("o,aop->p", share, means) / len(batches)
        return float(torch.einsum("o,aop->", share, (means - centre).square()) / len(batches))


class NoiseByEnumeration(Experiment):
    """Every joint outcome of B data and K latent samples each, gradients by automatic differentiation."""

    key = "estimators/gradient-noise"
    title = "full enumeration with finite latent noise"
    setting = GRADIENT_NOISE
    space = Space(
        (
            bundled(),
            Choice("law", tuple(LAWS)),
            Choice("replacement", (True, False)),
            Count("N", 5, 6),
            Count("d", 1, 3),
            Count("k", 1, 2),
            Count("B", 1, 2),
            Count("K", 1, 2),
            Logarithmic("sigma_x2", 0.1, 3.0),
            Linear("beta", 0.0, 3.0),
            Logarithmic("D", 0.1, 3.0),
            Linear("spread", 0.0, 2.0),
            Linear("scale", 0.0, 1.5),
            Count("seed", 0, 2**16),
        )
    )
    _small: ClassVar[dict[str, Scalar]] = {
        "data": "spiked",
        "law": "three-point",
        "replacement": True,
        "N": 5,
        "d": 2,
        "k": 2,
        "B": 2,
        "K": 2,
    }
    _small |= {"sigma_x2": 0.7, "beta": 1.3, "D": 0.8, "spread": 0.5, "scale": 0.8, "seed": 3}
    instances = {
        "B = K = 2": _small,
        "B = K = 2, random signs": _small | {"law": "random signs"},
        "B = K = 2, without replacement": _small | {"replacement": False},
        "one datum, without replacement": _small | {"N": 1, "B": 1, "replacement": False},
        "two-valued data": _small | {"data": "two-valued", "N": 5, "k": 1},
        "digits": _small | {"data": "digits", "N": 6, "d": 3, "k": 1},
    }
    faults = {
        "one latent sample shared by the batch": "B = K = 2",
        "noise of standard deviation 1.01": "B = K = 2",
    }

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        c: Any = configuration
        problem, law = problem_of(configuration, context), LAWS[c["law"]]
        (W, V), D = gaussian_weights(problem, c["seed"], c["scale"]), problem.posterior_variance
        mean = problem.data @ W.T
        residual, G = problem.data - mean @ V.T, V.T @ V
        values = {
            "B": c["B"],
            "K": c["K"],
            "N": len(problem.data),
            "d": problem.data_dim,
            "k": problem.latent_dim,
            "beta": problem.beta,
            "sigma_x2": c["sigma_x2"],
            "kurt": law.kurtosis,
            "tr_S": problem.data.square().sum(1).mean(),
            "tr_D": D.sum(),
            "tr_GD": (G.diagonal() * D).sum(),
            "tr_GDG": ((G * D) @ G).trace(),
            "mean2": mean.square().sum(1).mean(),
            "residual2": residual.square().sum(1).mean(),
            "cross": (residual * ((mean * D) @ V.T)).sum(1).mean(),
            "g_DD": (G.diagonal() * D.square()).sum(),
            "gg_DD": (G.diagonal().square() * D.square()).sum(),
            "d_GDG": (D * ((G * D) @ G).diagonal()).sum(),
            "residual_D": (D * (residual @ V).square().mean(0)).sum(),
        }
        facts = frozenset({WITH_REPLACEMENT if c["replacement"] else WITHOUT_REPLACEMENT})
        return Situation(
            {getattr(symbols, name): float(value) for name, value in values.items()}, facts, precision=1e-13
        )

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        c: Any = configuration
        problem, law = problem_of(configuration, context), LAWS[c["law"]]
        stretch = 1.01 if fault.startswith("noise") else 1.0
        blocks = outcomes(problem, law, gaussian_weights(problem, c["seed"], c["scale"]), stretch=stretch)
        weights = blocks["encoder"].beside(blocks["decoder"])
        between, within = weights.parts()
        batch = 1 if fault.startswith("one") else c["B"]
        count = problem.data_count
        left = 1.0 if c["replacement"] else (count - batch) / max(count - 1, 1)
        # With 4096 samples the joint outcomes are past counting: the split, itself judged here, gives the variance.
        shares = (left / batch, 1 / batch)
        joint = weights.minibatch_variance(batch, c["K"], replacement=c["replacement"])
        return Exact(
            {
                v: weights.enclosed(joint),
                v_K: lambda samples: (
                    weights.enclosed(between) * shares[0] + weights.enclosed(within) * shares[1] / samples
                ),
                s1: weights.enclosed(between),
                s2: weights.enclosed(within),
                s2_l: blocks["log_variance"].enclosed(blocks["log_variance"].parts()[1]),
                s2_c: blocks["offset"].enclosed(blocks["offset"].parts()[1]),
            }
        )


def outcomes(
    problem: LinearVAE, law: Law, weights: Weights, *, stretch: float = 1.0, objective: Any = sampled_objective
) -> dict[str, Outcomes]:
    """Gradients of a sampled objective for every datum and every value of a finite noise, block by block."""
    noise = torch.tensor(list(product(law.support, repeat=problem.latent_dim)), dtype=torch.float64) * stretch
    chances = torch.tensor(list(product(law.weights, repeat=problem.latent_dim)), dtype=torch.float64).prod(1)
    parameters = {
        "encoder": weights.encoder,
        "decoder": weights.decoder,
        "log_variance": problem.posterior_variance.log(),
        "offset": torch.zeros(problem.data_dim, dtype=torch.float64),
    }
    slope = vmap(vmap(grad(objective), (None, None, 0, None, None)), (None, 0, None, None, None))
    found = slope(parameters, problem.data, noise, problem.noise_variance, problem.beta)
    return {name: Outcomes(value.flatten(2), chances) for name, value in found.items()}


NOISE_BY_ENUMERATION = NoiseByEnumeration()
