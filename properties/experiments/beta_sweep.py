"""One Linear VAE at four values of beta: noise by enumeration of the data and moments, Hessians, and its optimum."""

from typing import Any, ClassVar

import torch
from scipy.optimize import brentq

from elbound.impl.linear_vae import LinearVAE, Weights
from elbound.impl.noise import THREE_POINT
from elbound.properties.datasets import bundled
from elbound.properties.evidence.intervals import Interval, maximum
from elbound.properties.experiment import At, Context, Exact, Experiment, Situation
from elbound.properties.experiments.gradient_noise import outcomes, sampled_divergence
from elbound.properties.experiments.linear_vae_ball import gaussian_weights, problem_of
from elbound.properties.spaces import Configuration, Count, Linear, Logarithmic, Scalar, Space
from elbound.theory import symbols
from elbound.theory.settings import BETA_SWEEP

EPS = 2.0**-53


class BetaSweep(Experiment):
    """The same weights and data at beta j / 3 for j = 0 to 3."""

    key = "estimators/beta-sweep"
    title = "enumeration at four betas"
    setting = BETA_SWEEP
    space = Space(
        (
            bundled(),
            Count("N", 5, 8),
            Count("d", 1, 3),
            Count("k", 1, 2),
            Logarithmic("sigma_x2", 0.1, 3.0),
            Linear("beta", 0.0, 3.0),
            Logarithmic("D", 0.1, 3.0),
            Linear("scale", 0.1, 1.5),
            Count("seed", 0, 2**16),
        )
    )
    _small: ClassVar[dict[str, Scalar]] = {"data": "spiked", "N": 6, "d": 2, "k": 2, "sigma_x2": 0.7, "beta": 1.8}
    _small |= {"D": 0.8, "scale": 0.8, "seed": 3}
    instances = {
        "above the collapse threshold": _small,
        "below the collapse threshold": _small | {"data": "two-valued", "sigma_x2": 3.0, "beta": 3.0},
        "digits": _small | {"data": "digits", "N": 8, "d": 3, "sigma_x2": 0.05, "D": 0.4},
    }
    faults = {"KL term halved": "above the collapse threshold"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        problem = problem_of(configuration, context)
        decoder = gaussian_weights(problem, int(configuration["seed"]), float(configuration["scale"])).decoder
        G, D = decoder.T @ decoder, problem.posterior_variance
        values: dict[str, Any] = {
            "N": problem.data_count,
            "d": problem.data_dim,
            "k": problem.latent_dim,
            "beta": problem.beta,
            "sigma_x2": problem.noise_variance,
            "lam": problem.largest_moment,
            "D_max": D.max(),
            "tr_S": problem.second_moment.trace(),
            "tr_D": D.sum(),
            "tr_GD": (G.diagonal() * D).sum(),
            "tr_GDG": ((G * D) @ G).trace(),
        }
        return Situation({getattr(symbols, name): float(value) for name, value in values.items()}, precision=1e-13)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        c: Any = configuration
        problem = problem_of(configuration, context)
        weights = gaussian_weights(problem, c["seed"], c["scale"])
        sweep = [_with(problem, beta=problem.beta * j / 3) for j in range(4)]
        splits = [_split(each, weights) for each in sweep]
        sampled = outcomes(problem, THREE_POINT, weights, objective=sampled_divergence)["encoder"]
        unit = _with(problem, beta=1.0, noise_variance=(problem.beta or 1.0) * problem.noise_variance)
        judged = _with(problem, beta=problem.beta / 2) if fault else problem
        return Exact(
            {
                symbols.s1_beta: At({j: split[0] for j, split in enumerate(splits)}),
                symbols.s2_beta: At({j: split[1] for j, split in enumerate(splits)}),
                symbols.s2_sampled: sampled.enclosed(sampled.parts()[1]),
                symbols.hessian_beta: At({j: _hessian_norm(each, weights) for j, each in enumerate(sweep)}),
                symbols.F_beta: _objective(judged, weights),
                symbols.F_unit: _objective(unit, weights),
                symbols.gain: _gain(problem),
            }
        )


def _with(problem: LinearVAE, *, beta: float, noise_variance: float | None = None) -> LinearVAE:
    return LinearVAE(problem.data, noise_variance or problem.noise_variance, beta, problem.posterior_variance)


def _split(problem: LinearVAE, weights: Weights) -> tuple[Interval, Interval]:
    """(s1, s2) of encoder and decoder, by enumeration."""
    blocks = outcomes(problem, THREE_POINT, weights)
    both = blocks["encoder"].beside(blocks["decoder"])
    between, within = both.parts()
    return both.enclosed(between), both.enclosed(within)


def _hessian_norm(problem: LinearVAE, weights: Weights) -> Interval:
    matrix = problem.hessian(weights.encoder, weights.decoder)
    error = 8 * (len(matrix) + 16) * EPS * float(matrix.norm())
    return maximum(Interval.around(float(torch.linalg.eigvalsh(matrix).abs().max()), error), 0.0)


def _objective(problem: LinearVAE, weights: Weights) -> Interval:
    value = float(problem.objective(Weights(weights.encoder[..., None], weights.decoder[..., None]))[0])
    # Traces of products of matrices with at most a few dozen terms each, and the constants beside them.
    size = abs(problem.likelihood_offset()) + abs(problem.divergence_offset())
    reach = 1 + float(weights.decoder.norm() * weights.encoder.norm())
    terms = float(problem.second_moment.trace()) / problem.noise_variance * reach**2
    spread = float(weights.decoder.norm() ** 2 * problem.posterior_variance.max()) / problem.noise_variance
    return Interval.around(value, 256 * EPS * (abs(value) + size + terms + spread + problem.beta * terms))


def _gain(problem: LinearVAE) -> Interval:
    """The squared gain of the optimum along the leading direction, bracketed by the sign of the objective's slope."""
    s, b, D = problem.noise_variance, problem.beta, float(problem.posterior_variance.max())
    if b == 0:
        return Interval.of(0.0)

    def slope(g: float) -> float:
        return _slope_along(problem, g)

    top = (b * problem.largest_moment * s / D) ** 0.5 + s * b + 1.0
    least = 1e-13 * top
    if slope(least) >= 0:
        return Interval.between(0.0, least)
    found = float(brentq(slope, least, top, xtol=1e-15 * top, rtol=1e-15))
    return maximum(Interval.around(found, 1e-10 * top), 0.0)


def _slope_along(problem: LinearVAE, g: float) -> float:
    """Derivative in g of the objective at V = sqrt(g) u, W = V^T / (g + beta sigma_x2), from its gradient."""
    lead = torch.linalg.eigh(problem.second_moment).eigenvectors[:, -1:]
    shrink = g + problem.beta * problem.noise_variance
    root = g**0.5
    single = LinearVAE(problem.data, problem.noise_variance, problem.beta, problem.posterior_variance.max()[None])
    gradient = single.gradient(Weights((root / shrink * lead.T)[..., None], (root * lead)[..., None]))
    along_decoder = float((gradient.decoder[..., 0] * lead).sum()) / (2 * root)
    along_encoder = float((gradient.encoder[..., 0] * lead.T).sum()) * (1 / (2 * root * shrink) - root / shrink**2)
    return float(along_decoder + along_encoder)


BETA_SWEEP_EXPERIMENT = BetaSweep()
