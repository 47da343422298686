"""The radial soft-clip: its second derivative's norm enclosed, and Hessians of the clipped Linear VAE."""

import heapq
from typing import Any, ClassVar

import torch

from elbound.impl.clipping import hessian, scaled, squared_bend
from elbound.impl.linear_vae import LinearVAE, Weights
from elbound.properties.datasets import bundled
from elbound.properties.evidence.enclosure import Arithmetic, best
from elbound.properties.evidence.intervals import Interval, sqrt
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.experiments.linear_vae_ball import gaussian_weights, norm_of, problem_of
from elbound.properties.sizes import sizes_of
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, LogarithmicCount, Scalar, Space
from elbound.theory.settings import CLIPPED_LINEAR_VAE, RADIAL_CLIP
from elbound.theory.symbols import D_max, G_r, bend_sup, beta, hessian_theta, lam, r, sigma_x2

WIDTH = 1e-11
Box = tuple[float, float, float, float]


def largest_square(arithmetic: Arithmetic, last_share: float = 1.0) -> Interval:
    """The supremum of `squared_bend` over 0 <= t <= 1, 0 <= p <= last_share, by branch and bound in ball arithmetic."""
    with arithmetic.working():
        boxes, certain = [_bounded(arithmetic, (0.0, 1.0, 0.0, last_share))], 0.0
        while -boxes[0][0] - certain > WIDTH * certain:
            for part in _halves(heapq.heappop(boxes)[2]):
                found = _bounded(arithmetic, part)
                certain = max(certain, found[1])
                heapq.heappush(boxes, found)
    return Interval.between(certain, max(certain, -boxes[0][0]))


def _bounded(arithmetic: Arithmetic, box: Box) -> tuple[float, float, Box]:
    """Minus an upper bound on the box, a value attained in it, and the box cut to where its supremum lies."""
    t0, t1, p0, p1 = box
    hull, ends = arithmetic.hull, arithmetic.ends
    _, by_t, by_p = squared_bend(hull(t0, t1), hull(p0, p1))
    # Where the function is monotone in a coordinate over the whole box, its supremum lies at that end.
    t0, t1 = _cut(ends(by_t), t0, t1)
    p0, p1 = _cut(ends(by_p), p0, p1)
    value, by_t, by_p = squared_bend(hull(t0, t1), hull(p0, p1))
    t, p = t0 / 2 + t1 / 2, p0 / 2 + p1 / 2
    centre = squared_bend(hull(t, t), hull(p, p))[0]
    near = centre + by_t * (hull(t0, t1) - hull(t, t)) + by_p * (hull(p0, p1) - hull(p, p))
    return -min(ends(value)[1], ends(near)[1]), ends(centre)[0], (t0, t1, p0, p1)


def _cut(slope: tuple[float, float], low: float, high: float) -> tuple[float, float]:
    return (high, high) if slope[0] >= 0 else (low, low) if slope[1] <= 0 else (low, high)


def _halves(box: Box) -> tuple[Box, Box]:
    t0, t1, p0, p1 = box
    if t1 - t0 >= p1 - p0:
        t = t0 / 2 + t1 / 2
        return (t0, t, p0, p1), (t, t1, p0, p1)
    p = p0 / 2 + p1 / 2
    return (t0, t1, p0, p), (t0, t1, p, p1)


class Bend(Experiment):
    """sup |D^2 Phi| over all points and directions: a polynomial's supremum on the unit square, enclosed."""

    key = "smoothness/radial-clip"
    title = "supremum over all points and directions by ball arithmetic"
    setting = RADIAL_CLIP
    share = 0.25
    space = Space((Logarithmic("r", 0.01, 100.0),))
    instances = {"r = 1": {"r": 1.0}, "r = 1/4": {"r": 0.25}}
    faults = {"directions along the radius left out": "r = 1"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        return Situation({r: float(configuration["r"])}, precision=0.0)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        root = sqrt(largest_square(best(), last_share=0.5 if fault else 1.0))
        return Exact({bend_sup: root / float(configuration["r"])}, basis="enclosure")


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
