"""The radial soft-clip: the norm of its second derivative, and Hessians of the clipped Linear VAE."""

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from elbound.impl import clipping
from elbound.impl.clipping import hessian, scaled
from elbound.impl.deep_layers import derivatives
from elbound.impl.linear_vae import LinearVAE, Weights
from elbound.properties.datasets import bundled
from elbound.properties.evidence.bilinear import bilinear_norm
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.experiments.deep_layerwise import PASS
from elbound.properties.experiments.linear_vae_ball import gaussian_weights, norm_of, problem_of
from elbound.properties.sizes import sizes_of
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, LogarithmicCount, Scalar, Space
from elbound.theory.settings import CLIPPED_LINEAR_VAE, RADIAL_CLIP
from elbound.theory.symbols import D_max, G_r, bend_theta, beta, hessian_theta, lam, r, sigma_x2


class Bend(Experiment):
    """|D^2 Phi| at points of the plane, from the origin to far outside, by automatic derivatives of the clip itself.

    The weights of one datum entry and one latent are a plane, on which the norm is enclosed. No other point has more:
    D^2 Phi[v, v] at theta depends on the plane of theta and v alone, on which every clip by its norm is this one.
    """

    key = "smoothness/radial-clip"
    title = "automatic second derivatives, their norm enclosed over all directions"
    setting = RADIAL_CLIP
    share = 0.5
    space = Space(
        (Logarithmic("r", 1e-3, 1e3), Logarithmic("reach", 1e-3, 1e3, usual=(0.1, 4.0)), Linear("angle", 0.0, 6.25))
    )
    instances = {
        "half the radius, decoder alone": {"r": 1.0, "reach": 0.5, "angle": 0.0},
        "half the radius, oblique, r = 1/4": {"r": 0.25, "reach": 0.5, "angle": 2.0},
        "at the radius": {"r": 3.0, "reach": 1.0, "angle": 1.0},
        "far outside": {"r": 1.0, "reach": 100.0, "angle": 4.0},
    }
    faults = {"clipped to half the radius": "half the radius, decoder alone"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        return Situation({r: float(configuration["r"])}, precision=0.0)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        c: Any = configuration
        distance, radius = c["reach"] * c["r"], c["r"] / 2 if fault else c["r"]
        theta = distance * torch.tensor([math.sin(c["angle"]), math.cos(c["angle"])], dtype=torch.float64)

        def image(point: Tensor) -> Tensor:
            clipped = clipping.clip(Weights(*point.view(2, 1, 1, 1)), radius)
            return torch.cat([clipped.encoder.flatten(), clipped.decoder.flatten()])

        form = derivatives(image, theta).second
        # Entries are sums of few terms, each of at most 3 / r times a number below one.
        error = PASS * (float(form.norm()) + 12 / radius)
        symmetric = ((form + form.mT) / 2).numpy()
        return Exact({bend_theta: bilinear_norm(symmetric, error)})


def theta_of(problem: LinearVAE, configuration: Configuration) -> Weights:
    """A point theta of norm reach times r, along a random direction or the extremal one; one replicate."""
    c: Any = configuration
    if c["direction"] == "extremal":
        return scaled(problem.extremal_point(c["r"]), torch.tensor([c["reach"]], dtype=torch.float64))
    drawn = gaussian_weights(problem, c["seed"])
    scale = c["reach"] * c["r"] / float(torch.cat([part.flatten() for part in drawn]).norm())
    return Weights(drawn.encoder[..., None] * scale, drawn.decoder[..., None] * scale)


class ClippedHessian(Experiment):
    """|Hess (F o Phi)| at random points and along the ball's extremal direction, from the origin to far outside."""

    key = "smoothness/clipped-linear-vae"
    title = "dense Hessians of the composition in closed form"
    setting = CLIPPED_LINEAR_VAE
    share = 0.5
    space = Space(
        (
            bundled(),
            Choice("direction", ("extremal", "random")),
            Choice("matched", (False, True)),
            LogarithmicCount("N", 5, 40),
            Count("d", 1, 6),
            Count("k", 1, 3),
            Logarithmic("sigma_x2", 1e-3, 1e3, usual=(0.05, 5.0)),
            Linear("beta", 0.05, 4.0),
            Logarithmic("D", 1e-3, 1e3, usual=(0.05, 5.0)),
            Linear("spread", 0.0, 2.0),
            Logarithmic("r", 1e-3, 1e3, usual=(0.05, 5.0)),
            Linear("reach", 0.0, 4.0),
            Count("seed", 0, 2**16),
        )
    )
    _spiked: ClassVar[dict[str, Scalar]] = {"data": "spiked", "direction": "extremal", "N": 32, "d": 4, "k": 2}
    _spiked |= {"sigma_x2": 0.5, "beta": 1.0, "D": 1.0, "spread": 0.0, "matched": True}
    _spiked |= {"r": 1.5, "reach": 1.0, "seed": 1}
    instances = {
        "origin, small ball": _spiked | {"r": 0.05, "reach": 0.0},
        "origin, small ball, digits": _spiked | {"r": 0.05, "reach": 0.0, "data": "digits", "N": 200, "d": 12},
        "at the radius, spiked": _spiked,
        "far outside, two-valued": _spiked | {"data": "two-valued", "reach": 4.0},
        "random, near-degenerate": _spiked | {"data": "near-degenerate", "direction": "random", "reach": 0.5},
    }
    faults = {"reconstruction counted twice": "origin, small ball"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        problem, radius = problem_of(configuration, context), float(configuration["r"])
        values = {
            **sizes_of(problem),
            lam: problem.largest_moment,
            sigma_x2: problem.noise_variance,
            beta: problem.beta,
            D_max: float(problem.posterior_variance.max()),
            r: radius,
            G_r: problem.gradient_bound(radius),
        }
        return Situation(values)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        problem, radius = problem_of(configuration, context), float(configuration["r"])
        theta = theta_of(problem, configuration)
        if fault:
            problem = LinearVAE(problem.data, problem.noise_variance / 4, problem.beta, problem.posterior_variance)
        matrix = hessian(problem, theta, radius)
        # Products with DPhi, of norm one, take sums over all weights; the gradient's part is at most 3 G_r / r.
        scale = problem.smoothness_on_ball(radius) + 3 * problem.gradient_bound(radius) / radius
        return Exact({hessian_theta: norm_of(matrix, 2 * len(matrix) + problem.data_dim, scale * len(matrix) ** 0.5)})


BEND = Bend()
CLIPPED_HESSIAN = ClippedHessian()
