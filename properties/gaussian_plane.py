"""Means of f(a . w) f(b . w) over a standard normal vector w, by integrals over the plane of a and b.

w enters through its part in that plane alone, which is standard normal in two dimensions. For f homogeneous on either
side of 0 the polar radius R integrates out, E R^(2 k) = 2^k k!, and the uniform angle is integrated from kink to kink;
for f a multiple of exp(-u^2) the trapezoid rule on a lattice is at rounding.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

EPS = 2.0**-53
# Gauss-Legendre on cos t cos(t - angle) over an arc of at most pi errs by less than
# pi^33 16!^4 / (33 (32!)^3) 2^31 < 1e-25 of the largest value.
NODES = 16
# Over a standard normal variable the trapezoid rule of step h errs by 2.1 e^(-2 pi^2 / h^2) < 1e-17 of the mean of a
# Gaussian of deviation 1, and what lies beyond h SIDE = 9.1 deviations is below 1e-18 of it.
STEP, SIDE = 0.7, 13


class Pairs(NamedTuple):
    """Lengths of the vectors of each pair, and the angle between them in [0, pi]."""

    first: Float[Tensor, " M"]
    second: Float[Tensor, " M"]
    angle: Float[Tensor, " M"]

    @staticmethod
    def of(a: Float[Tensor, "M q"], b: Float[Tensor, "M q"]) -> "Pairs":
        """Of non-zero vectors, row by row; the angle to a few roundings also where they are nearly parallel."""
        first, second = a.norm(dim=1), b.norm(dim=1)
        one, other = a / first[:, None], b / second[:, None]
        return Pairs(first, second, 2 * torch.atan2((one - other).norm(dim=1), (one + other).norm(dim=1)))


def angular_mean(
    f: Callable[[Tensor], Tensor], a: Float[Tensor, "M q"], b: Float[Tensor, "M q"], degree: int
) -> Float[Tensor, " M"]:
    """E f(a . w) f(b . w), row by row, for f(r u) = r^degree f(u) at every r > 0, smooth but for 0.

    The error is a few roundings of |a|^degree |b|^degree times the supremum of f(cos t)^2.
    """
    pairs = Pairs.of(a, b)
    rule = np.polynomial.legendre.leggauss(NODES)
    nodes, weights = (torch.from_numpy(x) for x in rule)
    # f(a . w) has its kink at t = -pi/2 and pi/2, f(b . w) at those angles later.
    right = math.pi / 2
    ends = torch.stack([pairs.angle * turned + turn * right for turn, turned in ((-1, 0), (-1, 1), (1, 0), (1, 1))], 1)
    ends = torch.cat((ends, torch.full_like(ends[:, :1], 3 * right)), 1)
    half = ends.diff(dim=1)[..., None] / 2
    t = ends[:, :-1, None] + half * (1 + nodes)
    values = f(pairs.first[:, None, None] * t.cos()) * f(
        pairs.second[:, None, None] * (t - pairs.angle[:, None, None]).cos()
    )
    mean: Tensor = 2**degree * math.factorial(degree) * (half * weights * values).sum((1, 2)) / (2 * math.pi)
    return mean


def lattice_mean(
    f: Callable[[Tensor], Tensor], a: Float[Tensor, "M q"], b: Float[Tensor, "M q"]
) -> Float[Tensor, " M"]:
    """E f(a . w) f(b . w), row by row, for f a multiple of exp(-u^2): see `lattice_error` for its relative error."""
    pairs = Pairs.of(a, b)
    zero = torch.zeros_like(pairs.first)
    planar = torch.stack(
        (
            torch.stack((pairs.first, zero), 1),
            pairs.second[:, None] * torch.stack((pairs.angle.cos(), pairs.angle.sin()), 1),
        ),
        1,
    )
    # Along the principal axes of f f the integrand is a product of two Gaussians: a lattice in their deviations.
    rates, axes = torch.linalg.eigh(planar.mT @ planar)
    scale = (1 + 2 * rates.clamp(min=0)).rsqrt()
    ticks = STEP * torch.arange(-SIDE, SIDE + 1, dtype=a.dtype)
    points = torch.cartesian_prod(ticks, ticks) * scale[:, None]
    u = points @ (planar @ axes).mT
    weights = STEP**2 * scale.prod(1)[:, None] * torch.exp(-points.square().sum(2) / 2) / (2 * math.pi)
    mean: Tensor = (weights * f(u[..., 0]) * f(u[..., 1])).sum(1)
    return mean


def lattice_error(a: Float[Tensor, "M q"], b: Float[Tensor, "M q"]) -> Float[Tensor, " M"]:
    """Relative error of `lattice_mean`: a . w errs by 8 EPS |a| |w|, |w| < 13, and f by 13 times that where it counts.

    Where |u| > 6.5, f is below 1e-18 of its largest value. The sum has 729 positive terms, their exponents below 100.
    """
    error: Tensor = EPS * (1024 + 8 * 13 * 13 * (a.norm(dim=1) + b.norm(dim=1)))
    return error
