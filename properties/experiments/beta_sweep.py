"""One Linear VAE at four values of beta: noise by enumeration, Hessians, and the optimum that descents find."""

from dataclasses import replace
from typing import Any, ClassVar

import torch

from elbound.impl import full_linear_vae
from elbound.impl.landscape import Descent, certified
from elbound.impl.linear_vae import LinearVAE, Weights
from elbound.impl.noise import THREE_POINT
from elbound.impl.sampled_elbo import sampled_divergence
from elbound.properties.datasets import bundled
from elbound.properties.evidence.intervals import Interval, maximum, minimum
from elbound.properties.experiment import At, Context, Exact, Experiment, Situation, Spectrum, Steps
from elbound.properties.experiments.gradient_noise import outcomes, single_draws
from elbound.properties.experiments.linear_vae_ball import gaussian_weights, problem_of
from elbound.properties.experiments.linear_vae_landscape import starts
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, Scalar, Space
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
            Choice("spectrum", ("of the data", "4 and 1"), usual=4),
            Count("N", 5, 8),
            Count("d", 1, 3),
            Count("k", 1, 2),
            Logarithmic("sigma_x2", 1e-3, 1e3, usual=(0.1, 3.0)),
            Linear("beta", 0.0, 3.0),
            Logarithmic("D", 1e-3, 1e3, usual=(0.1, 3.0)),
            Linear("spread", 0.0, 7.0),
            Linear("scale", 0.1, 1.5),
            Count("seed", 0, 2**16),
        )
    )
    _small: ClassVar[dict[str, Scalar]] = {"data": "spiked", "N": 6, "d": 2, "k": 2, "sigma_x2": 0.7, "beta": 1.8}
    _small |= {"D": 0.8, "spread": 0.0, "spectrum": "of the data", "scale": 0.8, "seed": 3}
    instances = {
        "above the collapse threshold": _small,
        "below the collapse threshold": _small | {"data": "two-valued", "sigma_x2": 3.0, "beta": 3.0},
        "second moments 4 and 1, variances 0.2 and 1.5": _small
        | {"spectrum": "4 and 1", "sigma_x2": 0.5, "beta": 0.8, "D": 1.5, "spread": 6.5},
        "unequal variances, both latents used": _small | {"sigma_x2": 0.1, "beta": 0.5, "D": 0.6, "spread": 1.0},
        "digits": _small | {"data": "digits", "N": 8, "d": 3, "sigma_x2": 0.05, "D": 0.4},
    }
    faults = {"KL term halved": "above the collapse threshold"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        problem = _problem(configuration, context)
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
        spectrum = torch.linalg.eigvalsh(problem.second_moment).flip(0).clamp_min(0)
        # Backward stability of the symmetric eigensolver moves every eigenvalue by a multiple of the largest.
        error = 8 * (problem.data_dim + 8) * EPS * float(spectrum[0])
        curves = {
            symbols.lam_i: Spectrum(tuple(spectrum.tolist()), error),
            symbols.D_i: Spectrum(tuple(D.sort().values.tolist())),
        }
        scalars = {getattr(symbols, name): float(value) for name, value in values.items()}
        return Situation(scalars | curves, precision=1e-13)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        c: Any = configuration
        problem = _problem(configuration, context)
        weights = gaussian_weights(problem, c["seed"], c["scale"])
        sweep = [_with(problem, beta=problem.beta * j / 3) for j in range(4)]
        splits = [_split(each, weights) for each in sweep]
        sampled = outcomes(problem, THREE_POINT, weights, divergence=sampled_divergence)["encoder"]
        unit = _with(problem, beta=1.0, noise_variance=(problem.beta or 1.0) * problem.noise_variance)
        judged = _with(problem, beta=problem.beta / 2) if fault else problem
        values: dict[Any, Any] = {
            symbols.s1_beta: At({j: split[0] for j, split in enumerate(splits)}),
            symbols.s2_beta: At({j: split[1] for j, split in enumerate(splits)}),
            symbols.s2_sampled: sampled.enclosed(sampled.parts()[1]),
            symbols.hessian_beta: At({j: _hessian_norm(each, weights) for j, each in enumerate(sweep)}),
            symbols.F_beta: _objective(judged, weights),
            symbols.F_unit: _objective(unit, weights),
        }
        # At beta = 0 no weights attain the infimum.
        if problem.beta > 0:
            gains = _gains(problem, c["seed"])
            values |= {symbols.gain_i: gains, symbols.gain: gains(1)}
        return Exact(values)


# Second moments 4 and 1 along the axes.
AXES = torch.tensor([[8.0, 0.0], [-8.0, 0.0], [0.0, 2.0], [0.0, -2.0]], dtype=torch.float64)
AXES = AXES.sign() * AXES.abs().sqrt()


def _problem(configuration: Configuration, context: Context) -> LinearVAE:
    problem = problem_of(configuration, context)
    return replace(problem, data=AXES) if configuration["spectrum"] == "4 and 1" else problem


def _with(problem: LinearVAE, *, beta: float, noise_variance: float | None = None) -> LinearVAE:
    return LinearVAE(problem.data, noise_variance or problem.noise_variance, beta, problem.posterior_variance)


def _split(problem: LinearVAE, weights: Weights) -> tuple[Interval, Interval]:
    """(s1, s2) of encoder and decoder: the gradient that training takes, on every datum with every latent sample."""
    every = single_draws(problem, THREE_POINT, weights)
    between, within = every.parts()
    return every.enclosed(between), every.enclosed(within)


def _hessian_norm(problem: LinearVAE, weights: Weights) -> Interval:
    """Spectral norm of the objective's second derivatives, by automatic differentiation."""
    at = full_linear_vae.at_weights(problem, weights.encoder, weights.decoder)
    matrix = full_linear_vae.hessian(problem, at, full_linear_vae.Region(full_linear_vae.WEIGHTS, 1.0))
    error = 8 * (len(matrix) + problem.data_count + 16) * EPS * float(matrix.norm())
    return maximum(Interval.around(float(torch.linalg.eigvalsh(matrix).abs().max()), error), 0.0)


def _objective(problem: LinearVAE, weights: Weights) -> Interval:
    value = float(problem.objective(Weights(weights.encoder[..., None], weights.decoder[..., None]))[0])
    # Traces of products of matrices with at most a few dozen terms each, and the constants beside them.
    size = abs(problem.likelihood_offset()) + abs(problem.divergence_offset())
    reach = 1 + float(weights.decoder.norm() * weights.encoder.norm())
    terms = float(problem.second_moment.trace()) / problem.noise_variance * reach**2
    spread = float(weights.decoder.norm() ** 2 * problem.posterior_variance.max()) / problem.noise_variance
    return Interval.around(value, 256 * EPS * (abs(value) + size + terms + spread + problem.beta * terms))


def _gains(problem: LinearVAE, seed: int) -> Steps:
    """Squared singular values of the decoder at the lowest point that descents of the objective reach."""
    found = certified(Descent(problem, learned=False).least(starts(2 * problem.latent_dim * problem.data_dim, seed)))
    sizes = torch.linalg.svdvals(found.optimum.weights.decoder[..., 0]).numpy()[:, None]
    # No singular value moves by more than the decoder does; the algorithm itself is backward stable.
    slip = found.distance + 8 * EPS * (problem.data_dim + problem.latent_dim) * float(sizes[0, 0])
    # Where nothing is certified: no point as low as the origin has tr(V D V^T) above tr S.
    most = float(problem.second_moment.trace() / problem.posterior_variance.min())
    return Steps(minimum(maximum(Interval.around(sizes**2, 2 * sizes * slip + slip**2), 0.0), most))


BETA_SWEEP_EXPERIMENT = BetaSweep()
