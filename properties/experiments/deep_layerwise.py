"""Hessians of deep Gaussian VAEs at points, with the layerwise constants there."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from elbound.impl.deep_smoothness import Constants, layerwise, norms_at
from elbound.impl.deep_vae import (
    Activation,
    Architecture,
    DeepVAE,
    NoiseRule,
    Tanh,
    no_noise,
    pack,
    three_point_rule,
    trapezoid_rule,
    unpack,
)
from elbound.impl.noise import GAUSSIAN, Stream, words
from elbound.impl.soft_clipping import SoftClip
from elbound.properties.datasets import bundled, table
from elbound.properties.evidence.intervals import Interval, maximum
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.sizes import deep_sizes_of
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, Scalar, Space
from elbound.theory.settings import DEEP_POINT, UNIT_SCALE
from elbound.theory.symbols import (
    D_max,
    H_g,
    H_l,
    H_mu,
    J_g2,
    J_l,
    J_mu,
    beta,
    depth,
    expm1_max,
    expm1_norm,
    hessian_deep,
    m_g,
    m_mu,
    sigma_x2,
    x_max,
)

EPS = 2.0**-53
# Rounding of a quantity that one pass through the model and back computes: fewer than 2^12 operations on any path to
# it, each relative to the sum of what it adds up.
PASS = 2.0**12 * EPS
TRAPEZOID = 200
# A soft-clip so wide that it is the identity to 1e-3 at any size met here.
WIDE = SoftClip(-2e4, 2e4, 1e-3)
OUTPUT_RANGE = 4.0


def hidden_activation(name: str) -> Activation:
    """The hidden layers' activation of a configuration."""
    return Tanh() if name == "tanh" else SoftClip(-2.0, 2.0, 2.0)


def problem_of(configuration: Configuration, context: Context) -> DeepVAE:
    """A deep Gaussian VAE with soft-clipped heads: depth, width, data, sigma_x2 and beta of the configuration."""
    c: Any = configuration
    data = table(context, c["data"], c["N"], c["d"], c["seed"])
    reach = max(OUTPUT_RANGE, float(data.abs().max()))
    shape = Architecture(
        data.shape[1],
        c["k"],
        c["depth"] * (c["width"],),
        hidden_activation(c["hidden"]),
        SoftClip(-3.0, 3.0, 2.0),
        SoftClip(-3.0, 1.0, 2.0),
        SoftClip(-reach, reach, 2.0),
    )
    return DeepVAE(data, c["sigma_x2"], c["beta"], shape)


def gaussian_parameters(shape: Architecture, seed: int) -> Tensor:
    """Matrices with normal entries of variance one over the fan-in, offsets of variance 1/4; by the seed alone."""
    count = shape.parameter_count
    drawn = GAUSSIAN.sample(words(Stream.named("deep weights", seed), (0, 1), 0, (count + 3) // 4), torch.float64)
    maps = unpack(shape.shapes, drawn[:count])
    return pack([type(m)(m.weight / m.weight.shape[2] ** 0.5, m.bias / 2) for m in maps])[:, 0]


def constants_of(found: Constants, problem: DeepVAE) -> dict[Any, float]:
    """The recursion's results as the parameters of a setting."""
    return {
        **deep_sizes_of(problem),
        beta: problem.beta,
        sigma_x2: problem.noise_variance,
        x_max: found.data_norm,
        D_max: found.variance,
        m_mu: float(found.mean.size.item()),
        J_mu: float(found.mean.slope.item()),
        H_mu: float(found.mean.curvature.item()),
        J_l: float(found.spread.slope.item()),
        H_l: float(found.spread.curvature.item()),
        expm1_max: found.expm1_max,
        expm1_norm: found.expm1_norm,
        m_g: found.output_size,
        J_g2: found.slope_square,
        H_g: found.mean_curvature,
    }


def chain(configuration: Configuration) -> tuple[DeepVAE, Tensor]:
    """Width one, equal data, all but two maps at rest: what the layers multiply is all there is to the Hessian.

    The first and the last map are the identity, so decoder and mean head bend against a large residual.
    """
    c: Any = configuration
    shape = Architecture(1, 1, (1,), WIDE, WIDE, SoftClip(-16.0, -8.0, 1.0), WIDE)
    data = torch.full((c["N"], 1), 30.0 * c["scale"], dtype=torch.float64)
    theta = torch.zeros(shape.parameter_count, dtype=torch.float64)
    theta[[0, len(theta) - 2]] = 1.0
    return DeepVAE(data, c["sigma_x2"], c["beta"], shape), theta


def wide_code(configuration: Configuration) -> tuple[DeepVAE, Tensor]:
    """Sixteen log-variances near the upper end of their range, all moved together by one hidden unit."""
    c: Any = configuration
    clip = SoftClip(-3.0, 3.0, 100.0)
    shape = Architecture(1, 16, (1,), WIDE, WIDE, clip, WIDE)
    data = torch.full((c["N"], 1), 1e3 * c["scale"], dtype=torch.float64)
    maps = list(unpack(shape.shapes, torch.zeros(shape.parameter_count, 1, dtype=torch.float64)))
    maps[2] = maps[2]._replace(bias=torch.full((1, 16), 2.9, dtype=torch.float64))
    return DeepVAE(data, 1e10, c["beta"], shape), pack(maps)[:, 0]


class DeepHessian(Experiment):
    """|Hess F| at random weights or on a chain of width one; the noise enumerated, Gaussian for one latent, or none."""

    key = "smoothness/deep-hessian"
    title = "dense Hessians, explicit gradients differentiated once"
    setting = DEEP_POINT
    share = 0.4
    space = Space(
        (
            bundled(),
            Choice("point", ("random", "chain", "sixteen latents")),
            Choice("law", ("three-point", "Gaussian")),
            Choice("hidden", ("tanh", "soft-clip")),
            Count("N", 3, 6),
            Count("d", 1, 5),
            Count("k", 1, 2),
            Count("depth", 1, 3),
            Count("width", 2, 5),
            Linear("scale", 0.5, 2.0),
            Logarithmic("sigma_x2", 1e-3, 1e3, usual=(0.1, 5.0)),
            Linear("beta", 0.0, 4.0),
            Count("seed", 0, 2**16),
        )
    )
    _base: ClassVar[dict[str, Scalar]] = {
        "data": "digits",
        "point": "random",
        "law": "three-point",
        "hidden": "tanh",
        "N": 6,
        "d": 5,
        "k": 2,
        "depth": 1,
        "width": 4,
    }
    _base |= {"scale": 1.0, "sigma_x2": 0.5, "beta": 1.0, "seed": 3}
    instances = {
        "chain of width one, large residual": _base | {"point": "chain", "beta": 0.0},
        "sixteen latents, divergence alone": _base | {"point": "sixteen latents"},
        "digits, one hidden layer": _base,
        "digits, two hidden layers": _base | {"depth": 2},
        "digits, three hidden layers": _base | {"depth": 3},
        "digits, Gaussian noise, soft-clips throughout": _base | {"law": "Gaussian", "hidden": "soft-clip"},
    }
    faults = {"reconstruction counted twice": "chain of width one, large residual"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        problem, theta, rule = self._point(configuration, context)
        values = constants_of(layerwise(problem, rule, norms_at(problem, theta)), problem)
        c: Any = configuration
        unit = c["point"] == "random" and c["scale"] >= 1 and c["width"] >= 3
        return Situation({depth: problem.architecture.depth, **values}, frozenset({UNIT_SCALE} if unit else ()))

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        problem, theta, rule = self._point(configuration, context)
        if fault:
            problem = DeepVAE(problem.data, problem.noise_variance / 2, problem.beta, problem.architecture)
        matrix = problem.hessian(theta, problem.whole(rule))
        error = 8 * (len(matrix) * EPS + PASS) * float(matrix.norm())
        if configuration["law"] == "Gaussian" and configuration["point"] == "random":
            # The trapezoid rule's error is at most what a doubling moves: it converges geometrically.
            finer = problem.hessian(theta, problem.whole(trapezoid_rule(2 * TRAPEZOID)))
            error, matrix = error + float((finer - matrix).norm()), finer
        return Exact({hessian_deep: maximum(Interval.around(_norm(matrix), error), 0.0)}, basis=f"exact, {rule.name}")

    @staticmethod
    def _point(configuration: Configuration, context: Context) -> tuple[DeepVAE, Tensor, NoiseRule]:
        c: Any = configuration
        if c["point"] == "chain":
            return *chain(configuration), three_point_rule(1)
        if c["point"] == "sixteen latents":
            return *wide_code(configuration), no_noise(16)
        gaussian = c["law"] == "Gaussian"
        problem = problem_of({**c, "k": 1, "N": 3} if gaussian else configuration, context)
        theta = gaussian_parameters(problem.architecture, c["seed"]) * c["scale"]
        return problem, theta, trapezoid_rule(TRAPEZOID) if gaussian else three_point_rule(c["k"])


def _norm(matrix: Tensor) -> float:
    return float(torch.linalg.eigvalsh(matrix).abs().max())


DEEP_HESSIAN = DeepHessian()
