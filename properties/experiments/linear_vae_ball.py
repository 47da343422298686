"""Hessians of a Linear VAE at points of a ball and at twice these points, the extremal point among them."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from elbound.impl.linear_vae import LinearVAE, Weights
from elbound.impl.noise import GAUSSIAN, Stream, words
from elbound.properties.datasets import bundled, table
from elbound.properties.evidence.intervals import Interval, maximum, sqrt
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.sizes import sizes_of
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, LogarithmicCount, Scalar, Space
from elbound.theory.settings import LINEAR_VAE_POINT
from elbound.theory.symbols import D_max, V_norm, beta, code_norm, hessian, hessian_2r, lam, misfit, r, sigma_x2

EPS = 2.0**-53


def gaussian_weights(problem: LinearVAE, seed: int, scale: float = 1.0) -> Weights:
    """Weights [k, d], [d, k] of independent normal entries with standard deviation scale, a function of the seed."""
    size = problem.latent_dim * problem.data_dim
    drawn = GAUSSIAN.sample(words(Stream.named("weights", seed), (0, 1), 0, (2 * size + 3) // 4), torch.float64)
    encoder, decoder = scale * drawn[:size, 0], scale * drawn[size : 2 * size, 0]
    shape = (problem.latent_dim, problem.data_dim)
    return Weights(encoder.unflatten(0, shape), decoder.unflatten(0, shape[::-1]))


def problem_of(configuration: Configuration, context: Context) -> LinearVAE:
    """The Linear VAE of a configuration: data, sigma_x2, beta and the encoder's variances.

    Encoder variances are D, D/(1 + spread), D/(1 + 2 spread), ...; "matched" sets D = beta lam sigma_x2.
    """
    c: Any = configuration
    data = table(context, c["data"], c["N"], c["d"], c["seed"])
    ones = torch.ones(c["k"], dtype=data.dtype, device=data.device)
    largest = c["D"]
    if c.get("matched"):
        largest = c["beta"] * LinearVAE(data, c["sigma_x2"], c["beta"], ones).largest_moment * c["sigma_x2"]
    falling = 1 + c.get("spread", 0.0) * torch.arange(c["k"], dtype=data.dtype, device=data.device)
    return LinearVAE(data, c["sigma_x2"], c["beta"], largest * ones / falling)


def point_of(problem: LinearVAE, configuration: Configuration) -> Weights:
    """The extremal point of the ball of radius r, or a random point at some share of the radius; one replicate."""
    c: Any = configuration
    if c["point"] == "extremal":
        return problem.extremal_point(c["r"])
    drawn = gaussian_weights(problem, c["seed"])
    scale = c["share"] * c["r"] / float(torch.cat([part.flatten() for part in drawn]).norm())
    return Weights(drawn.encoder[..., None] * scale, drawn.decoder[..., None] * scale)


def norm_of(matrix: Tensor, operations: int, scale: float = 0.0) -> Interval:
    """The spectral norm of a symmetric matrix whose entries took some operations on terms up to a scale."""
    norm = float(torch.linalg.eigvalsh(matrix).abs().max())
    # Backward stability of the symmetric eigensolver, and the entries' own rounding.
    error = 8 * EPS * (len(matrix) + operations + 8) * max(float(matrix.norm()), scale)
    return maximum(Interval.around(norm, error), 0.0)


class BallHessian(Experiment):
    """|Hess F| at the extremal point of the ball, or at a random point at some share of the radius."""

    key = "smoothness/linear-vae-ball"
    title = "dense Hessians in closed form"
    setting = LINEAR_VAE_POINT
    space = Space(
        (
            bundled(),
            Choice("point", ("extremal", "random")),
            Choice("matched", (False, True)),
            LogarithmicCount("N", 5, 40),
            Count("d", 1, 6),
            Count("k", 1, 3),
            Logarithmic("sigma_x2", 1e-3, 1e3, usual=(0.05, 5.0)),
            Linear("beta", 0.05, 4.0),
            Logarithmic("D", 1e-3, 1e3, usual=(0.05, 5.0)),
            Linear("spread", 0.0, 2.0),
            Logarithmic("r", 1e-3, 1e3, usual=(0.05, 5.0)),
            Linear("share", 0.0, 1.0),
            Count("seed", 0, 2**16),
        )
    )
    _spiked: ClassVar[dict[str, Scalar]] = {
        "data": "spiked",
        "point": "extremal",
        "N": 32,
        "d": 4,
        "k": 2,
        "sigma_x2": 0.5,
        "beta": 1.0,
        "D": 1.0,
    }
    _spiked |= {"spread": 0.0, "r": 1.5, "share": 1.0, "seed": 1}
    instances = {
        "matched: beta lam = D / sigma_x2": _spiked | {"matched": True},
        "matched, digits": _spiked | {"matched": True, "data": "digits", "N": 200, "d": 12},
        "unmatched: beta lam far above D / sigma_x2": _spiked | {"matched": False, "D": 0.05, "beta": 4.0, "r": 0.3},
        "one dimension, decoder against encoder": _spiked
        | {"point": "random", "d": 1, "k": 1, "matched": False, "seed": 2},
        "random point, digits": _spiked
        | {"point": "random", "matched": False, "data": "digits", "N": 200, "d": 12, "spread": 0.5},
        "random point, near-degenerate": _spiked | {"point": "random", "matched": False, "data": "near-degenerate"},
        "random point, two-valued": _spiked | {"point": "random", "matched": False, "data": "two-valued", "share": 0.5},
    }
    faults = {"reconstruction counted twice": "matched: beta lam = D / sigma_x2"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        problem = problem_of(configuration, context)
        values = {
            **sizes_of(problem),
            lam: problem.largest_moment,
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
        weights = point_of(problem, configuration)
        encoder, decoder = weights.encoder[..., 0], weights.decoder[..., 0]
        sizes = problem.data_dim + problem.latent_dim
        return Exact(
            {
                hessian: norm_of(problem.hessian(encoder, decoder), sizes),
                hessian_2r: norm_of(problem.hessian(2 * encoder, 2 * decoder), sizes),
                **_local_norms(problem, encoder, decoder),
            }
        )


def _local_norms(problem: LinearVAE, encoder: Tensor, decoder: Tensor) -> dict[Any, Interval]:
    """|V|, |W S^(1/2)| and |(I - VW) S|."""
    second, identity = problem.second_moment, torch.eye(problem.data_dim, dtype=encoder.dtype)
    code, rest = encoder @ second @ encoder.T, (identity - decoder @ encoder) @ second
    # Singular values to the solver's backward error, and sums of d + k products in each entry.
    unit = 16 * EPS * (problem.data_dim + problem.latent_dim + 8)
    scale = float(second.norm())
    reach = scale * (1 + float(decoder.norm() * encoder.norm()))
    code_error = unit * scale * float(encoder.square().sum())
    return {
        V_norm: Interval.around(float(torch.linalg.matrix_norm(decoder, 2)), unit * float(decoder.norm())),
        code_norm: sqrt(Interval.around(float(torch.linalg.matrix_norm(code, 2)), code_error)),
        misfit: maximum(Interval.around(float(torch.linalg.matrix_norm(rest, 2)), unit * reach), 0.0),
    }


BALL_HESSIAN = BallHessian()
