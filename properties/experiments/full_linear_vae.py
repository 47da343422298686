"""Hessians of a Linear VAE with offsets, or with learned log-variances, at random and at searched points."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from elbound.impl.full_linear_vae import (
    WEIGHTS,
    WEIGHTS_AND_OFFSETS,
    Parameters,
    Region,
    at_weights,
    hessian,
    sharpest,
)
from elbound.impl.linear_vae import LinearVAE
from elbound.impl.noise import GAUSSIAN, Stream, words
from elbound.properties.datasets import bundled
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.experiments.linear_vae_ball import norm_of, problem_of
from elbound.properties.sizes import sizes_of
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, LogarithmicCount, Scalar, Space
from elbound.theory import symbols
from elbound.theory.settings import LINEAR_VAE_LEARNED_VARIANCE, LINEAR_VAE_OFFSETS
from elbound.theory.symbols import D_max, beta, ell, lam, lam_1x, r, sigma_x2


def extended_moment(problem: LinearVAE) -> float:
    """The largest eigenvalue of the second moment of (x, 1)."""
    ones = problem.data.new_ones(problem.data_count, 1)
    extended = torch.cat([problem.data, ones], 1)
    return float(torch.linalg.eigvalsh(extended.T @ extended / problem.data_count)[-1])


def random_parameters(problem: LinearVAE, region: Region, seed: int) -> Parameters:
    """Independent standard normal entries in the region's free blocks, a function of the seed.

    Other offsets are zero, other log-variances the problem's.
    """
    weights = problem.data.new_zeros(problem.latent_dim, problem.data_dim)
    rest = at_weights(problem, weights, weights.T)
    count = sum(part.numel() for part in rest)
    drawn = GAUSSIAN.sample(words(Stream.named("parameters", seed), (0, 1), 0, -(-count // 4)), torch.float64)
    return region.unflatten(drawn[: len(region.flat(rest)), 0], rest)


def steepness(problem: LinearVAE, region: Region, configuration: Configuration) -> Interval:
    """The Hessian's spectral norm at a random point inside the region, or at a searched one on its boundary."""
    c: Any = configuration
    start = random_parameters(problem, region, c["seed"])
    at = sharpest(problem, start, region) if c["point"] == "searched" else _shrunk(start, region, c["share"])
    # Entries are means over data of sums of a few products; the largest lie below the norms in `scale`.
    norms = sum(float(getattr(at, name).square().sum()) for name in region.ball)
    widest = float(at.log_variance.exp().max())
    square = float(problem.data.square().sum(1).mean()) + 1
    scale = (square / problem.noise_variance) * (2 + 2 * norms) + problem.beta * square
    scale += widest * (1 + norms) * (1 / problem.noise_variance + problem.beta)
    return norm_of(hessian(problem, at, region), problem.data_count + problem.data_dim + problem.latent_dim, scale)


def _shrunk(at: Parameters, region: Region, share: float) -> Parameters:
    boundary = region.inside(at)
    scaled: dict[str, Tensor] = {name: share * getattr(boundary, name) for name in region.free}
    return boundary._replace(**scaled)


AXES = (
    bundled(),
    Choice("point", ("random", "searched")),
    LogarithmicCount("N", 5, 40),
    Count("d", 1, 4),
    Count("k", 1, 3),
    Logarithmic("sigma_x2", 1e-3, 1e3, usual=(0.05, 5.0)),
    Linear("beta", 0.05, 4.0),
    Logarithmic("r", 1e-3, 1e3, usual=(0.05, 5.0)),
    Linear("share", 0.0, 1.0),
    Count("seed", 0, 2**16),
)
BASE: dict[str, Scalar] = {"data": "spiked", "point": "searched", "N": 32, "d": 3, "k": 2, "sigma_x2": 0.5}
BASE |= {"beta": 1.0, "r": 1.5, "share": 1.0, "seed": 1}
VARIANCES: dict[str, Scalar] = {"D": 1.0, "spread": 0.0}


class OffsetHessian(Experiment):
    """|Hess F| in weights and offsets, encoder variances fixed."""

    key = "smoothness/linear-vae-offsets"
    title = "Hessians by automatic differentiation, offsets included, at searched points"
    setting = LINEAR_VAE_OFFSETS
    share = 0.5
    space = Space((*AXES, Logarithmic("D", 1e-3, 1e3, usual=(0.05, 5.0)), Linear("spread", 0.0, 2.0)))
    _base: ClassVar[dict[str, Scalar]] = BASE | VARIANCES
    instances = {
        "searched, spiked, r = 4": _base | {"r": 4.0},
        "searched, spiked, r = 20": _base | {"r": 20.0},
        "searched, digits": _base | {"data": "digits", "N": 100, "d": 8},
        "searched, two-valued": _base | {"data": "two-valued"},
        "searched, near-degenerate": _base | {"data": "near-degenerate"},
        "searched, one pixel, beta sigma_x2 = 20": _base
        | {"data": "digits", "d": 1, "k": 1, "beta": 4.0, "sigma_x2": 5.0, "r": 0.3},
        "random, digits": _base | {"data": "digits", "N": 100, "d": 8, "point": "random"},
    }
    faults = {"reconstruction counted twice": "searched, spiked, r = 4"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        problem = problem_of(configuration, context)
        values = {
            **sizes_of(problem),
            lam: problem.largest_moment,
            lam_1x: extended_moment(problem),
            sigma_x2: problem.noise_variance,
            beta: problem.beta,
            D_max: float(problem.posterior_variance.max()),
            r: float(configuration["r"]),
        }
        return Situation(values)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        problem = problem_of(configuration, context)
        if fault:
            problem = LinearVAE(problem.data, problem.noise_variance / 2, problem.beta, problem.posterior_variance)
        region = Region(WEIGHTS_AND_OFFSETS, float(configuration["r"]))
        return Exact({symbols.hessian: steepness(problem, region, configuration)})


class LearnedVarianceHessian(Experiment):
    """|Hess F| in weights and log-variances."""

    key = "smoothness/linear-vae-learned-variance"
    title = "Hessians by automatic differentiation, log-variances included, at searched points"
    setting = LINEAR_VAE_LEARNED_VARIANCE
    share = 0.5
    space = Space((*AXES, Logarithmic("ell", 0.05, 3.0)))
    _base: ClassVar[dict[str, Scalar]] = BASE | {"ell": 1.0}
    instances = {
        "searched, spiked": _base,
        "searched, digits": _base | {"data": "digits", "N": 100, "d": 8},
        "searched, two-valued, ell = 3": _base | {"data": "two-valued", "ell": 3.0},
        "searched, near-degenerate, ell = 3": _base | {"data": "near-degenerate", "d": 2, "k": 1, "ell": 3.0},
        "searched, spiked, ell = 0.1": _base | {"ell": 0.1},
        "random, digits": _base | {"data": "digits", "N": 100, "d": 8, "point": "random"},
    }
    faults = {"reconstruction counted twice": "searched, near-degenerate, ell = 3"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        problem = _learned(configuration, context)
        values = {
            **sizes_of(problem),
            lam: problem.largest_moment,
            sigma_x2: problem.noise_variance,
            beta: problem.beta,
            r: float(configuration["r"]),
            ell: float(configuration["ell"]),
        }
        return Situation(values)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        problem = _learned(configuration, context)
        if fault:
            problem = LinearVAE(problem.data, problem.noise_variance / 2, problem.beta, problem.posterior_variance)
        region = Region(WEIGHTS, float(configuration["r"]), float(configuration["ell"]))
        return Exact({symbols.hessian: steepness(problem, region, configuration)})


def _learned(configuration: Configuration, context: Context) -> LinearVAE:
    return problem_of({**configuration, "D": 1.0, "spread": 0.0}, context)


OFFSET_HESSIAN = OffsetHessian()
LEARNED_VARIANCE_HESSIAN = LearnedVarianceHessian()
