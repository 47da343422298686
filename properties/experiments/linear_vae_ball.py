"""Hessians of a Linear VAE at points of a ball, the extremal point among them."""

from typing import Any, ClassVar

import torch

from elbound.impl.linear_vae import LinearVAE, Weights, inner
from elbound.impl.noise import GAUSSIAN, Stream, words
from elbound.properties.datasets import bundled, table
from elbound.properties.evidence.intervals import Interval, maximum
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, Scalar, Space
from elbound.theory.settings import LINEAR_VAE_BALL
from elbound.theory.symbols import D_max, beta, hessian, lam, r, sigma_x2

EPS = 2.0**-53


def gaussian_weights(problem: LinearVAE, seed: int) -> Weights:
    """Weights of independent standard normal entries, a function of the seed alone; one replicate."""
    size = problem.latent_dim * problem.data_dim
    drawn = GAUSSIAN.sample(words(Stream.named("weights", seed), (0, 1), 0, (2 * size + 3) // 4), torch.float64)
    encoder, decoder = drawn[:size, 0], drawn[size : 2 * size, 0]
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
    falling = 1 + c["spread"] * torch.arange(c["k"], dtype=data.dtype, device=data.device)
    return LinearVAE(data, c["sigma_x2"], c["beta"], largest * ones / falling)


class BallHessian(Experiment):
    """|Hess F| at the extremal point of the ball, or at a random point at some share of the radius."""

    key = "smoothness/linear-vae-ball"
    title = "dense Hessians in closed form"
    setting = LINEAR_VAE_BALL
    space = Space(
        (
            bundled(),
            Choice("point", ("extremal", "random")),
            Choice("matched", (False, True)),
            Count("N", 5, 40),
            Count("d", 1, 6),
            Count("k", 1, 3),
            Logarithmic("sigma_x2", 0.05, 5.0),
            Linear("beta", 0.05, 4.0),
            Logarithmic("D", 0.05, 5.0),
            Linear("spread", 0.0, 2.0),
            Logarithmic("r", 0.05, 5.0),
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
    }
    faults = {"reconstruction counted twice": "matched: beta lam = D / sigma_x2"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        problem = problem_of(configuration, context)
        values = {
            lam: problem.largest_moment,
            sigma_x2: problem.noise_variance,
            beta: problem.beta,
            D_max: float(problem.posterior_variance.max()),
            r: float(configuration["r"]),
        }
        return Situation(values)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        problem, radius = problem_of(configuration, context), float(configuration["r"])
        if fault:
            problem = LinearVAE(problem.data, problem.noise_variance / 2, problem.beta, problem.posterior_variance)
        if configuration["point"] == "extremal":
            weights = problem.extremal_point(radius)
        else:
            drawn = gaussian_weights(problem, int(configuration["seed"]))
            norm = (
                float(inner(*(Weights(w.encoder[..., None], w.decoder[..., None]) for w in (drawn, drawn)))[0]) ** 0.5
            )
            scale = float(configuration["share"]) * radius / norm
            weights = Weights(drawn.encoder[..., None] * scale, drawn.decoder[..., None] * scale)
        matrix = problem.hessian(weights.encoder[..., 0], weights.decoder[..., 0])
        norm = float(torch.linalg.eigvalsh(matrix).abs().max())
        # Backward stability of the symmetric eigensolver, and d + k products in each entry of the Hessian.
        error = 8 * (len(matrix) + problem.data_dim + problem.latent_dim + 8) * EPS * float(matrix.norm())
        return Exact({hessian: maximum(Interval.around(norm, error), 0.0)})


BALL_HESSIAN = BallHessian()
