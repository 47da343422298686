"""The radial soft-clip: its second derivative's norm enclosed, and Hessians of the clipped Linear VAE."""

import math
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from elbound.impl.clipping import clip, hessian, scaled
from elbound.impl.linear_vae import LinearVAE, Weights
from elbound.properties.datasets import bundled
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.experiments.linear_vae_ball import EPS, gaussian_weights, norm_of, problem_of
from elbound.properties.sizes import sizes_of
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, LogarithmicCount, Scalar, Space
from elbound.theory.settings import CLIPPED_LINEAR_VAE, RADIAL_CLIP
from elbound.theory.symbols import D_max, G_r, bend_sup, beta, hessian_theta, lam, r, sigma_x2

# Nodes of the first grid around the circle and among directions of the image; halvings; the width at which they end.
AROUND, AMONG, HALVINGS, WIDTH = 128, 64, 40, 1e-11
# An entry of r D^2 Phi is a sum of fewer than ten products of at most six factors, each product at most 6: it errs by
# at most 10 * 6 * (6 + 10) roundings. Two such by two, along a unit vector, have four times that in norm.
ENTRY = 2**10 * EPS
NORM = 4 * ENTRY
# Encoder and decoder take these shares of the point: the clip acts on both together, and commutes with rotations.
POINT = (0.6, 0.8)


def second_derivatives(places: np.ndarray, radius: float) -> np.ndarray:
    """r D^2 Phi of the clip at norms r tan(psi) along POINT, in the plane of encoder and decoder: [n, 2, 2, 2]."""

    def clipped(theta: Tensor) -> Tensor:
        image = clip(Weights(theta[:1, None, None], theta[1:, None, None]), radius)
        return torch.cat([image.encoder.flatten(), image.decoder.flatten()])

    points = radius * torch.tan(torch.as_tensor(places))[:, None] * torch.tensor(POINT, dtype=torch.float64)
    found: np.ndarray = radius * torch.func.vmap(torch.func.jacrev(torch.func.jacrev(clipped)))(points).numpy()
    return found


def largest_bend(radius: float) -> Interval:
    """r sup |D^2 Phi[v, v]| over all points and unit v, enclosed.

    Along a line through the origin r D^2 Phi is a trigonometric polynomial in psi, |theta| = r tan(psi), that changes
    sign after half the circle; its degree m is read off the Fourier coefficients. Where such a polynomial is largest,
    at psi*, it is at least cos(m delta) of that within delta (M. Riesz). There the image is no longer than at psi* and
    leans from the best direction y by m delta at most, hence |y . D^2 Phi| is at least cos(m delta + lean) of the
    largest within delta and lean of both. Cells where it cannot exceed what is attained are left out, the others
    halved.
    """
    reach, lean = math.pi / (2 * AROUND), math.pi / (2 * AMONG)
    places = reach * (2 * np.arange(AROUND) + 1 - AROUND)
    form = second_derivatives(places, radius)
    degree, rest = _degree(form)
    angles = lean * (2 * np.arange(AMONG) + 1)
    cells = np.array([(psi, y) for psi in places for y in angles])
    sizes = _sizes(np.repeat(form, AMONG, axis=0), cells[:, 1])
    attained = highest = float(sizes.max())
    for _ in range(HALVINGS):
        bounds, attained = sizes / math.cos(degree * reach + lean), max(attained, float(sizes.max()))
        enough = attained * (1 + WIDTH)  # a bound on every cell that is left out
        highest = max(float(bounds.max()), enough)
        if highest == enough:
            break
        kept = cells[bounds > enough]
        reach, lean = reach / 2, lean / 2
        corners = np.array([(a * reach, b * lean) for a in (-1, 1) for b in (-1, 1)])
        cells = (kept[:, None] + corners).reshape(-1, 2)
        sizes = _sizes(second_derivatives(cells[:, 0], radius), cells[:, 1])
    # What lies beyond the degree moves nodes and supremum; the cosine is above one half.
    return Interval.between(attained - NORM, highest + 2 * NORM + 3 * rest)


def _sizes(form: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """The spectral norms of y . D^2 Phi at the unit vectors y of these angles."""
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    found: np.ndarray = np.abs(np.linalg.eigvalsh(np.einsum("ni,nivw->nvw", directions, form))).max(1)
    return found


def _degree(form: np.ndarray) -> tuple[int, float]:
    """The degree beyond which Fourier coefficients of all entries are rounding, and the sum of those beyond it.

    ValueError where a third of the frequencies that the grid resolves does not hold them: it is no such polynomial.
    """
    whole = np.concatenate([form, -form])
    sizes = np.abs(np.fft.rfft(whole, axis=0)).reshape(AROUND + 1, -1).max(1) * 2 / len(whole)
    above = np.flatnonzero(sizes > ENTRY)
    degree = int(above[-1]) if len(above) else 1
    if 3 * degree > AROUND:
        raise ValueError(f"second derivative of the clip has frequency {degree} in psi; allowed: at most {AROUND // 3}")
    return degree, 4 * float(sizes[degree + 1 :].sum())


class Bend(Experiment):
    """sup |D^2 Phi| over all points and directions, by automatic second derivatives of the clip that training uses."""

    key = "smoothness/radial-clip"
    title = "supremum over all points and directions by automatic derivatives"
    setting = RADIAL_CLIP
    share = 0.25
    space = Space((Logarithmic("r", 0.01, 100.0),))
    instances = {"r = 1": {"r": 1.0}, "r = 1/4": {"r": 0.25}}
    faults = {"a ball of nine tenths of the radius": "r = 1"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        return Situation({r: float(configuration["r"])}, precision=0.0)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        radius = float(configuration["r"]) * (0.9 if fault else 1.0)
        return Exact({bend_sup: largest_bend(radius) / radius})


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
