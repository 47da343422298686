"""The landscape of a Linear VAE: closed-form minimiser, descents from many starts, Hessian at the origin."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import torch

from elbound.impl.landscape import Descent, Optimum, learned_optimum
from elbound.impl.linear_vae import LinearVAE
from elbound.impl.noise import GAUSSIAN, Stream, words
from elbound.properties.datasets import bundled
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Exact, Experiment, Situation, Spectrum
from elbound.properties.experiments.linear_vae_ball import problem_of
from elbound.properties.sizes import sizes_of
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, LogarithmicCount, Scalar, Space
from elbound.theory.settings import FIXED_VARIANCES, LEARNED_VARIANCES, LINEAR_VAE_LANDSCAPE
from elbound.theory.symbols import D_i, F_argmin, F_found, beta, lam_i, least_curvature, sigma_x2

EPS = 2.0**-53
STARTS = 3


def landscape_of(configuration: Configuration, context: Context) -> LinearVAE:
    """The Linear VAE of a configuration; a beta drawn below zero stands for no KL term at all."""
    weight = max(0.0, float(configuration["beta"]))
    return problem_of({**configuration, "beta": weight}, context)


class Landscape(Experiment):
    """Objectives at the closed-form minimiser and at the best of a few descents; the spectrum at W = V = 0."""

    key = "landscape/linear-vae"
    title = "closed-form minimiser, descent from many starts, dense Hessian at the origin"
    setting = LINEAR_VAE_LANDSCAPE
    share = 0.2
    space = Space(
        (
            bundled(),
            Choice("variances", ("fixed", "learned")),
            LogarithmicCount("N", 5, 40),
            Count("d", 1, 5),
            Count("k", 1, 4),
            Logarithmic("sigma_x2", 1e-3, 1e3, usual=(0.05, 5.0)),
            Linear("beta", -0.8, 4.0),
            Logarithmic("D", 1e-3, 1e3, usual=(0.05, 5.0)),
            Linear("spread", 0.0, 2.0),
            Count("seed", 0, 2**16),
        )
    )
    _spiked: ClassVar[dict[str, Scalar]] = {"data": "spiked", "variances": "fixed", "N": 32, "d": 4, "k": 2}
    _spiked |= {"sigma_x2": 0.5, "beta": 1.0, "D": 1.0, "spread": 0.0, "seed": 1}
    # Second moment one in the only dimension, so thresholds are met or missed by beta sigma_x2 D alone.
    _unit: ClassVar[dict[str, Scalar]] = _spiked | {"data": "two-valued", "d": 1, "k": 1, "sigma_x2": 1.0}
    instances = {
        "fixed, D = 1": _spiked,
        "fixed, D = 0.3, beta = 2": _spiked | {"D": 0.3, "beta": 2.0},
        "fixed, unequal variances, digits": _spiked
        | {"data": "digits", "N": 200, "d": 12, "k": 3, "sigma_x2": 0.1, "D": 0.5, "spread": 1.0},
        "fixed, collapsed by D = 3 at beta = 0.5": _unit | {"D": 3.0, "beta": 0.5},
        "fixed, collapsed by beta = 3": _unit | {"beta": 3.0, "sigma_x2": 0.5},
        "fixed, kept by beta = 0.2, D = 2": _unit | {"beta": 0.2, "D": 2.0},
        "fixed, near-degenerate": _spiked | {"data": "near-degenerate", "sigma_x2": 0.1},
        "fixed, no KL term": _spiked | {"beta": 0.0},
        "fixed, collapsed, two pixels of digits": _spiked
        | {"data": "digits", "N": 200, "d": 2, "sigma_x2": 1.0, "beta": 3.0},
        "learned, beta = 1": _spiked | {"variances": "learned"},
        "learned, digits": _spiked
        | {"variances": "learned", "data": "digits", "N": 200, "d": 12, "k": 3, "sigma_x2": 0.1, "beta": 0.5},
        "learned, collapsed by beta = 3": _unit | {"variances": "learned", "beta": 3.0, "sigma_x2": 0.5},
        "learned, kept by beta = 0.2": _unit | {"variances": "learned", "beta": 0.2, "sigma_x2": 2.0},
        "learned, near-degenerate, more latent than data": _spiked
        | {"variances": "learned", "data": "near-degenerate", "d": 2, "k": 3, "sigma_x2": 0.1},
    }
    faults = {
        "minimiser with its decoder halved": "fixed, D = 1",
        "largest variance beside the largest eigenvalue": "fixed, unequal variances, digits",
        "Hessian at the origin without the KL term": "fixed, collapsed by beta = 3",
    }

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        problem = landscape_of(configuration, context)
        spectrum = torch.linalg.eigvalsh(problem.second_moment).flip(0).clamp_min(0)
        # Backward stability of the symmetric eigensolver moves every eigenvalue by a multiple of the largest.
        error = 8 * (problem.data_dim + 8) * EPS * float(spectrum[0])
        values = {
            **sizes_of(problem),
            sigma_x2: problem.noise_variance,
            beta: problem.beta,
            lam_i: Spectrum(tuple(spectrum.tolist()), error),
            D_i: Spectrum(tuple(problem.posterior_variance.sort().values.tolist())),
        }
        fact = FIXED_VARIANCES if configuration["variances"] == "fixed" else LEARNED_VARIANCES
        return Situation(values, frozenset({fact}))

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        problem, learned = landscape_of(configuration, context), configuration["variances"] == "learned"
        size = 2 * problem.latent_dim * problem.data_dim + learned * problem.latent_dim
        begun = starts(size, int(configuration["seed"]))
        values = {F_found: _value(Descent(problem, learned).least(begun))}
        if problem.beta > 0:
            least = learned_optimum(problem) if learned else Optimum(problem, problem.minimiser())
            values[F_argmin] = _value(_spoilt(least, fault))
        return Exact(values | {least_curvature: _edge_of_origin(problem, fault)})


def starts(size: int, seed: int) -> list[np.ndarray]:
    """Independent standard normal starting points, a function of the seed."""
    drawn = GAUSSIAN.sample(words(Stream.named("starts", seed), (0, STARTS), 0, -(-size // 4)), torch.float64)
    return [column[:size] for column in drawn.T.numpy().copy()]


def _value(optimum: Optimum) -> Interval:
    """The objective with its rounding error."""
    problem, (encoder, decoder) = optimum.problem, optimum.weights
    variance, s = problem.posterior_variance, problem.noise_variance
    length, reach = float(decoder.square().sum()), float(encoder.norm() * decoder.norm())
    fit = float(problem.second_moment.trace()) * (1 + reach) ** 2 + length * float(variance.max())
    code = float(encoder.square().sum()) * problem.largest_moment
    offsets = abs(problem.likelihood_offset()) + problem.beta / 2 * float((variance + 1 + variance.log().abs()).sum())
    # Each term is a sum of products over d, k and d again; terms are at most as large as the norms above say.
    error = 8 * EPS * (2 * problem.data_dim + 2 * problem.latent_dim + 16)
    return Interval.around(optimum.value, error * (fit / (2 * s) + problem.beta / 2 * code + offsets))


def _spoilt(optimum: Optimum, fault: str) -> Optimum:
    """The optimum with a planted mistake in it."""
    if fault.startswith("minimiser"):
        weights = optimum.weights
        return Optimum(optimum.problem, weights._replace(decoder=weights.decoder / 2))
    if fault.startswith("largest"):
        problem = replace(optimum.problem, posterior_variance=optimum.problem.posterior_variance.flip(0))
        return Optimum(problem, optimum.weights)
    return optimum


def _edge_of_origin(problem: LinearVAE, fault: str) -> Interval:
    """The least eigenvalue of the dense Hessian at W = V = 0."""
    if fault.startswith("Hessian"):
        problem = replace(problem, beta=0.0)
    encoder = problem.data.new_zeros(problem.latent_dim, problem.data_dim)
    matrix = problem.hessian(encoder, encoder.T.contiguous())
    # Backward stability of the symmetric eigensolver; entries take a few operations each.
    error = 8 * EPS * (len(matrix) + 8) * float(matrix.norm())
    return Interval.around(float(torch.linalg.eigvalsh(matrix)[0]), error)


LANDSCAPE = Landscape()
