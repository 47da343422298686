"""The pathwise gradient's covariance by enumeration: every batch and every value of a finite latent noise.

The minibatch gradient is the one that training takes, with B data and K latent samples each; its parts s1 and s2 come
from automatic derivatives of the objective of one datum and one latent sample.
"""

from dataclasses import dataclass
from functools import partial
from itertools import permutations, product
from typing import Any, ClassVar

import torch
from torch import Tensor

from elbound.impl import draws, sampled_elbo
from elbound.impl.full_linear_vae import at_weights
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


@dataclass(frozen=True)
class Outcomes:
    """Gradients g[i, e, :] for every datum i and every noise value e, with the noise's probabilities."""

    gradients: Tensor  # [N, E, P]
    chances: Tensor  # [E]

    def parts(self) -> tuple[float, float]:
        """Variance of the conditional mean given the datum, and mean of the conditional variance."""
        mean = torch.einsum("e,iep->ip", self.chances, self.gradients)
        between = (mean - mean.mean(0)).square().sum(1).mean()
        within = torch.einsum("e,iep->i", self.chances, (self.gradients - mean[:, None]).square()).mean()
        return float(between), float(within)

    def enclosed(self, variance: float) -> Interval:
        """The variance with its rounding error: gradients after a few dozen operations, sums with weights of sum one.

        Each gradient is off by 64 units in the last place of what it is put together from, and the noise's two signs
        hold the same terms, so that the mean square of all gradients bounds that of these errors. By Cauchy and Schwarz
        a mean of centred squares then moves by twice the deviation times the root of that, and by its square.
        """
        square = torch.einsum("e,iep->i", self.chances, self.gradients.square()).mean()
        slip = 64 * EPS * float(square) ** 0.5
        error = 2 * slip * variance**0.5 + slip**2 + 64 * EPS * variance
        return maximum(Interval.around(variance, error), 0.0)


@dataclass(frozen=True)
class Minibatches:
    """What a minibatch gradient can be given: data indices and noises of every joint outcome, and its probability."""

    indices: Tensor  # [B, R]
    noise: Tensor  # [B, K, k, R]
    chances: Tensor  # [R]

    @staticmethod
    def of(batches: Tensor, noise: Tensor, chances: Tensor) -> "Minibatches":
        """Every batch [A, B], equally likely, with every choice of latent samples [E, K, k] for each of its data."""
        count, size = batches.shape
        choice, share = draws.ordered(chances, size)  # [E^B, B]
        samples = noise[choice].permute(1, 2, 3, 0)  # [B, K, k, E^B]
        return Minibatches(
            batches.T.repeat_interleave(len(choice), 1), samples.repeat(1, 1, 1, count), share.repeat(count) / count
        )

    def gradients(self, problem: LinearVAE, weights: Weights) -> Tensor:
        """The gradient that training takes, in encoder and decoder together, [R, P]."""
        at = Weights(weights.encoder[..., None], weights.decoder[..., None])
        found = problem.sample_gradient(at, self.indices, self.noise)
        return torch.cat([found.encoder.flatten(0, 1), found.decoder.flatten(0, 1)]).T

    def variance(self, problem: LinearVAE, weights: Weights) -> float:
        """Trace of the gradient's covariance."""
        found, share = self.gradients(problem, weights), self.chances[:, None]
        # Products summed by halves, not in turn: rounding does not grow with the number of outcomes.
        return float((share * (found - (share * found).sum(0)).square()).sum())


def single_draws(problem: LinearVAE, law: Law, weights: Weights) -> Outcomes:
    """The gradient that training takes on every single datum with every single latent sample."""
    noise, chances = draws.noises(law, problem.latent_dim)
    every = Minibatches.of(torch.arange(problem.data_count)[:, None], noise[:, None], chances)
    return Outcomes(every.gradients(problem, weights).unflatten(0, (problem.data_count, len(noise))), chances)


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
            Logarithmic("sigma_x2", 1e-3, 1e3, usual=(0.1, 3.0)),
            Linear("beta", 0.0, 3.0),
            Logarithmic("D", 1e-3, 1e3, usual=(0.1, 3.0)),
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
        weights = gaussian_weights(problem, c["seed"], c["scale"])
        blocks = outcomes(problem, law, weights, stretch=1.01 if fault.startswith("noise") else 1.0)
        both = Outcomes(
            torch.cat([blocks["encoder"].gradients, blocks["decoder"].gradients], -1), blocks["encoder"].chances
        )
        between, within = both.parts()
        every = _minibatches(problem, law, c["B"], c["K"], replacement=c["replacement"])
        if fault.startswith("one"):
            every = Minibatches(every.indices, every.noise[:1].expand_as(every.noise), every.chances)
        return Exact(
            {
                v: both.enclosed(every.variance(problem, weights)),
                v_K: partial(_with_samples, problem, weights),
                s1: both.enclosed(between),
                s2: both.enclosed(within),
                s2_l: blocks["log_variance"].enclosed(blocks["log_variance"].parts()[1]),
                s2_c: blocks["decoder_offset"].enclosed(blocks["decoder_offset"].parts()[1]),
            }
        )


def _minibatches(problem: LinearVAE, law: Law, batch: int, samples: int, *, replacement: bool) -> Minibatches:
    """Every batch and every sequence of latent samples for each of its data."""
    values, chances = draws.noises(law, problem.latent_dim)
    choice, share = draws.ordered(chances, samples)
    data = range(problem.data_count)
    batches = product(data, repeat=batch) if replacement else permutations(data, batch)
    return Minibatches.of(torch.tensor(list(batches)), values[choice], share)


def _with_samples(problem: LinearVAE, weights: Weights, samples: int) -> Interval:
    """The variance of the gradient of one datum with several latent samples, random signs for noise.

    As the samples are independent with one law, each multiset stands for all its orders.
    """
    values, chances = draws.noises(RADEMACHER, problem.latent_dim)
    choice, share = draws.unordered(chances.tolist(), samples)
    every = Minibatches.of(torch.arange(problem.data_count)[:, None], values[choice], share)
    # No gradient of several samples is longer than the longest of one sample.
    return single_draws(problem, RADEMACHER, weights).enclosed(every.variance(problem, weights))


def outcomes(
    problem: LinearVAE,
    law: Law,
    weights: Weights,
    *,
    stretch: float = 1.0,
    divergence: sampled_elbo.Divergence = sampled_elbo.analytic_divergence,
) -> dict[str, Outcomes]:
    """Automatic gradients for every datum and every value of a finite noise, block by block."""
    noise, chances = draws.noises(law, problem.latent_dim)
    at = at_weights(problem, weights.encoder, weights.decoder)
    found = sampled_elbo.gradients(problem, at, noise * stretch, divergence)
    return {name: Outcomes(value.flatten(2), chances) for name, value in found._asdict().items()}


NOISE_BY_ENUMERATION = NoiseByEnumeration()
