"""The encoder gradient's latent noise under three treatments of the KL: enumeration, automatic differentiation."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from elbound.impl.linear_vae import LinearVAE, Weights
from elbound.impl.noise import THREE_POINT
from elbound.impl.sampled_elbo import analytic_divergence, landing_divergence, sampled_divergence
from elbound.properties.datasets import bundled, table
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.experiments.gradient_noise import outcomes
from elbound.properties.experiments.linear_vae_ball import gaussian_weights
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, Scalar, Space
from elbound.theory import symbols
from elbound.theory.settings import KL_TREATMENTS
from elbound.theory.symbols import s2_analytic, s2_landing, s2_sampled

EPS = 2.0**-53
TREATMENTS = {
    s2_analytic: analytic_divergence,
    s2_sampled: sampled_divergence,
    s2_landing: landing_divergence,
}


class LatentNoise(Experiment):
    """Every datum and every value of three-point noise, for each treatment of the KL."""

    key = "estimators/kl-treatments"
    title = "full enumeration with three-point noise"
    setting = KL_TREATMENTS
    space = Space(
        (
            bundled(),
            Choice("encoder", ("given D", "tempered posterior")),
            Count("N", 5, 8),
            Count("d", 2, 4),
            Count("k", 1, 2),
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
        "encoder": "given D",
        "N": 6,
        "d": 3,
        "k": 2,
        "sigma_x2": 0.7,
        "beta": 1.6,
        "D": 0.8,
        "spread": 1.0,
        "scale": 0.8,
        "seed": 3,
    }
    instances = {
        "beta = 1.6": _small,
        "beta = 0.5": _small | {"beta": 0.5},
        "equal variances, digits": _small | {"data": "digits", "N": 8, "d": 4, "spread": 0.0},
        "D is the tempered posterior covariance": _small | {"encoder": "tempered posterior"},
    }
    faults = {
        "score term kept": "D is the tempered posterior covariance",
        "noise of standard deviation 1.01": "beta = 1.6",
    }

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        problem, _, decoder = _problem(configuration, context)
        D, G = problem.posterior_variance, decoder.T @ decoder
        values: dict[str, Any] = {
            "N": problem.data_count,
            "d": problem.data_dim,
            "k": problem.latent_dim,
            "sigma_x2": problem.noise_variance,
            "beta": problem.beta,
            "tr_S": problem.data.square().sum(1).mean(),
            "tr_D": D.sum(),
            "tr_G": G.trace(),
            "tr_GD": (G.diagonal() * D).sum(),
            "tr_GDG": ((G * D) @ G).trace(),
            "tr_D_inv": (1 / D).sum(),
            "D_min": D.min(),
            "D_max": D.max(),
            "mismatch2": _mismatch(problem, G, str(configuration["encoder"])),
        }
        known = {getattr(symbols, name): float(value) for name, value in values.items()}
        return Situation(
            known, precision=1e-12, errors={symbols.mismatch2: _slip(problem, G, known[symbols.mismatch2])}
        )

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        problem, encoder, decoder = _problem(configuration, context)
        stretch = 1.01 if fault.startswith("noise") else 1.0
        weights = Weights(encoder, decoder)
        found = {}
        for letter, divergence in TREATMENTS.items():
            used = sampled_divergence if fault.startswith("score") and letter == s2_landing else divergence
            every = outcomes(problem, THREE_POINT, weights, stretch=stretch, divergence=used)["encoder"]
            found[letter] = every.enclosed(every.parts()[1])
        return Exact(found)


def _problem(configuration: Configuration, context: Context) -> tuple[LinearVAE, Tensor, Tensor]:
    """The Linear VAE with its encoder and decoder.

    For the tempered posterior the decoder's columns are made orthogonal, which makes that posterior's precision
    diagonal, and D is its inverse.
    """
    c: Any = configuration
    data = table(context, c["data"], c["N"], c["d"], c["seed"])
    size = min(c["k"], data.shape[1]) if c["encoder"] != "given D" else c["k"]
    variance = c["D"] / (1 + c["spread"] * torch.arange(size, dtype=torch.float64))
    problem = LinearVAE(data, c["sigma_x2"], c["beta"], variance)
    drawn = gaussian_weights(problem, c["seed"])
    encoder, decoder = drawn.encoder * c["scale"], drawn.decoder * c["scale"]
    if c["encoder"] == "given D":
        return problem, encoder, decoder
    decoder = torch.linalg.qr(decoder)[0] * decoder.norm(dim=0)
    # Without a KL there is no such posterior; any D will do.
    precision = 1 + decoder.square().sum(0) / ((c["beta"] or 1.0) * c["sigma_x2"])
    return LinearVAE(data, c["sigma_x2"], c["beta"], 1 / precision), encoder, decoder


def _mismatch(problem: LinearVAE, gram: Tensor, encoder: str) -> float:
    """|D^-1 - I - G / (beta sigma_x2)|_F^2: zero by construction for the tempered posterior, and not computed there."""
    if encoder != "given D" or problem.beta == 0:
        return 0.0
    wanted = torch.eye(len(gram), dtype=gram.dtype) + gram / (problem.beta * problem.noise_variance)
    return float((torch.diag(1 / problem.posterior_variance) - wanted).square().sum())


def _slip(problem: LinearVAE, gram: Tensor, mismatch2: float) -> float:
    """What rounding can do to the mismatch: also variances meant to fit the tempered posterior are rounded numbers."""
    size = float((1 / problem.posterior_variance).norm()) + len(gram) ** 0.5
    size += float(gram.norm()) / (problem.beta * problem.noise_variance) if problem.beta else 0.0
    entry = 64 * EPS * size
    return float(2 * mismatch2**0.5 * entry + entry**2)


LATENT_NOISE = LatentNoise()
