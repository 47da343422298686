"""Radial soft-clip: a smooth map of all weight space onto a ball, which makes the objective globally smooth.

Phi(theta) = theta / sqrt(1 + |theta|^2 / r^2), over encoder and decoder jointly. |D Phi| <= 1, and
|D^2 Phi| <= CURVATURE / r: for a direction with given radial share the squared second derivative is quadratic
in the share, largest for a radial direction at |theta| = r / 2. Own derivation.
"""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from elbound.impl.linear_vae import (
    LinearVAE,
    Weights,
    diagonal_sum,
    inner,
    product,
    sum_entries,
    transpose,
    tree_sum,
)

CURVATURE = 48 / (25 * math.sqrt(5))


def scaled(weights: Weights, factor: Float[Tensor, " R"]) -> Weights:
    """The weights times one factor per replicate."""
    return Weights(weights.encoder * factor, weights.decoder * factor)


def stretch(theta: Weights, radius: float | Tensor) -> Float[Tensor, " R"]:
    """Rho = sqrt(1 + |theta|^2 / r^2), the factor by which theta exceeds its image."""
    return torch.sqrt(1 + inner(theta, theta) / radius**2)


def clip(theta: Weights, radius: float | Tensor) -> Weights:
    """Phi(theta), inside the open ball of radius r."""
    return scaled(theta, 1 / stretch(theta, radius))


def unclip(weights: Weights, radius: float) -> Weights:
    """Inverse of ``clip``: w / sqrt(1 - |w|^2 / r^2). Raises ValueError unless |w| < r in every replicate."""
    share = inner(weights, weights) / radius**2
    if not bool((share < 1).all()):
        raise ValueError(f"weights have norm {float(share.max()) ** 0.5 * radius}; allowed: below radius {radius}")
    return scaled(weights, 1 / torch.sqrt(1 - share))


def pull_back(theta: Weights, vector: Weights, radius: float | Tensor) -> Weights:
    """D Phi(theta) applied to a vector: (u - w (w . u) / r^2) / rho with w = Phi(theta).

    D Phi is symmetric, so this is also the chain rule for gradients: grad (F o Phi) = D Phi grad F.
    """
    rho = stretch(theta, radius)
    weights = scaled(theta, 1 / rho)
    along = inner(weights, vector) / radius**2
    return Weights((vector.encoder - weights.encoder * along) / rho, (vector.decoder - weights.decoder * along) / rho)


def squared_bend(t: Any, p: Any) -> tuple[Any, Any, Any]:
    """(r |D^2 Phi[v, v]|)^2 for a unit direction v of radial share p where |theta|^2 / (r^2 + |theta|^2) = t.

    With its derivatives in t and in p. Along theta and across it D^2 Phi[v, v] has r^-1 sqrt(t) (1 - t) times
    3 t p - 1 - 2 p and -2 sqrt(p (1 - p)), so the square is a polynomial on the unit square: nothing lies beyond.
    """
    along = 1 + 2 * p - 3 * t * p
    value = along * along + 4 * p * (1 - p)
    weight, left = t * (1 - t) ** 2, 1 - t
    by_t = left * (1 - 3 * t) * value - weight * 6 * p * along
    by_p = weight * (2 * along * (2 - 3 * t) + 4 - 8 * p)
    return weight * value, by_t, by_p


def hessian(problem: LinearVAE, theta: Weights, radius: float) -> Float[Tensor, "P P"]:
    """Dense Hessian of F o Phi at one theta, one replicate; P = 2 d k, encoder entries row by row, then decoder's.

    DPhi Hess F DPhi plus the gradient g of F applied to D^2 Phi: with Phi = h theta, h = 1/rho and h' = -h^3 theta/r^2
    that is h' g^T + g h'^T + (g . theta) h'', h'' = -h^3 I/r^2 + 3 h^5 theta theta^T/r^4. Own derivation.
    """
    weights = clip(theta, radius)
    flat, slope = (torch.cat([part.flatten() for part in x]) for x in (theta, problem.gradient(weights)))
    h = 1 / stretch(theta, radius)
    identity, fall = torch.eye(len(flat), dtype=flat.dtype), -(h**3) / radius**2 * flat
    first = h * identity + torch.outer(flat, fall)
    second = -(h**3) / radius**2 * identity + 3 * h**5 / radius**4 * torch.outer(flat, flat)
    bent = torch.outer(fall, slope) + torch.outer(slope, fall) + (slope @ flat) * second
    return first @ problem.hessian(weights.encoder[..., 0], weights.decoder[..., 0]) @ first + bent


def smoothness(problem: LinearVAE, radius: float) -> float:
    """Smoothness constant of F o Phi on all of weight space: L(r) + CURVATURE G(r) / r."""
    return problem.smoothness_on_ball(radius) + CURVATURE * problem.gradient_bound(radius) / radius


def radial_split(
    problem: LinearVAE, weights: Weights, kurtosis: float
) -> tuple[Float[Tensor, " R"], Float[Tensor, " R"]]:
    """(q1, q2) with Var(w . g) = q1/B + q2/(BK) for the sample gradient g at w, drawn with replacement.

    For one datum and one noise e = D^(1/2) eps, with mu = W x, G = V^T V and h = V^T x - 3 G mu,
    w . g = -(2 mu . V^T (x - V mu) + e . h - e . G e) / sigma_x2 + beta |mu|^2.
    Odd moments vanish, and Var(e . G e) = 2 tr(G D G D) + (kurtosis - 3) sum G_jj^2 D_j^2. Own derivation.
    """
    s, variance = problem.noise_variance, problem.posterior_variance
    code, pull = problem.codes(weights)
    scores = tree_sum(code * (problem.beta * code - pull * (2 / s)))
    mean = tree_sum(scores) / problem.data_count
    between = tree_sum((scores - mean).square()) / problem.data_count

    m = problem.moments(weights)
    # E[h h^T] = V^T S V - 3 (G W S V + its transpose) + 9 G W S W^T G, of which D weighs the diagonal.
    seen = product(m.decoded, weights.decoder)
    crossed = product(m.gram, product(m.encoded, weights.decoder))
    coded = product(product(m.gram, m.code), m.gram)
    linear = diagonal_sum(seen - 6 * crossed + 9 * coded, variance)
    spread = m.gram * variance[:, None, None]
    quadratic = 2 * sum_entries(spread * transpose(spread))
    quadratic = quadratic + (kurtosis - 3) * diagonal_sum(m.gram.square(), variance.square())
    return between, (linear + quadratic) / s**2


def noise_trace(
    theta: Weights,
    radius: float,
    split: tuple[Float[Tensor, " R"], Float[Tensor, " R"]],
    radial: tuple[Float[Tensor, " R"], Float[Tensor, " R"]],
    shares: tuple[float, float],
) -> Float[Tensor, " R"]:
    """Trace of the covariance of D Phi g, for sample gradients g at w = Phi(theta).

    ``split`` is (s1, s2) and ``radial`` (q1, q2), both at w; ``shares`` are their factors, (1/B, 1/(BK)) with
    replacement. Equals (trace Cov g - (2/r^2 - |w|^2/r^4) Var(w . g)) / rho^2. Own derivation.
    """
    rho_square = 1 + inner(theta, theta) / radius**2
    # |w|^2 / r^2 = 1 - 1 / rho^2, so the bracket is (1 + 1/rho^2) / r^2.
    weight = (1 + 1 / rho_square) / radius**2
    trace = split[0] * shares[0] + split[1] * shares[1]
    along = radial[0] * shares[0] + radial[1] * shares[1]
    return (trace - weight * along) / rho_square
