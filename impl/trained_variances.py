"""The wide network with Gaussian weights w_rj ~ N(mu_rj, sigma_rj^2), averaged over them; means and deviations trained.

f(x) = (1/sqrt m) sum_r a_r E phi(w_r . x), where w_r . x has mean mu_r . x and variance sum_j sigma_rj^2 x_j^2. Weights
are [m, 2p]: means, then standard deviations. The penalty is the KL divergence from N(mu_0, s^2) times s^2 ridge,
(ridge/2) (|mu - mu_0|^2 + sum (sigma^2 - s^2 - s^2 log(sigma^2 / s^2))).
"""

from dataclasses import dataclass
from math import e, inf, pi, sqrt
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from elbound.impl.kernels import ERF, RELU, Activation, require_finite
from elbound.impl.wide_training import require_network

# Below it a standard deviation of w . x counts as this, so that the zero input has slope times input zero, not NaN.
LEAST_SPREAD = 1e-150
EPS = 2.0**-53


class Smoothed(NamedTuple):
    """phi smoothed by noise of its own standard deviation at every entry, with its first two derivatives."""

    value: Float[Tensor, "N m"]
    slope: Float[Tensor, "N m"]
    curvature: Float[Tensor, "N m"]


def smoothed(activation: Activation, u: Float[Tensor, "N m"], spread: Float[Tensor, "N m"]) -> Smoothed:
    """E phi(u + spread e), e ~ N(0, 1), and its derivatives in u. ValueError for an activation other than relu, erf."""
    if activation is RELU:
        spread = spread.clamp(min=LEAST_SPREAD)
        z = u / spread
        density, slope = torch.exp(-(z**2) / 2) / sqrt(2 * pi), torch.special.ndtr(z)
        return Smoothed(u * slope + spread * density, slope, density / spread)
    if activation is ERF:
        shrink = 1 / (1 + 2 * spread**2)
        slope = 2 * (shrink / pi).sqrt() * torch.exp(-shrink * u**2)
        return Smoothed(torch.erf(u * shrink.sqrt()), slope, -2 * shrink * u * slope)
    raise ValueError(f"activation {activation.name!r} has no known smoothed curvature; known are relu, erf")


def hessian_bound(activation: Activation, X: Float[Tensor, "N p"], s: float) -> Float[Tensor, " N"]:
    """For each input a bound on the Hessian of E phi(w . x) in means and standard deviations, all of the latter >= s.

    sqrt(2 / (pi e)) |x| / s for ReLU, attained; 2 sqrt(2 / (pi e)) |x|^2 for erf (own derivation: the Hessian is
    E[phi''(w . x) v v^T], v = (x, x * noise)). ValueError unless inputs are finite and 0 < s < inf, or for another
    activation.
    """
    require_finite(X)
    if not 0 < s < inf:
        raise ValueError(f"least standard deviation s = {s} must be finite and exceed 0")
    if activation not in (RELU, ERF):
        raise ValueError(f"activation {activation.name!r} has no known bound; known are relu, erf")
    norms, steepest = X.norm(dim=1), sqrt(2 / (pi * e))
    bound: Tensor = steepest * norms / s if activation is RELU else 2 * steepest * norms**2
    return bound


@dataclass(frozen=True)
class GaussianNetwork:
    """Map (mu, sigma) -> (1/sqrt m) A E phi(w x), w ~ N(mu, sigma^2): output signs A [d, m], activation.

    ValueError unless d and m are at least 1; from its methods unless inputs are finite.
    """

    signs: Float[Tensor, "d m"]
    activation: Activation

    def __post_init__(self) -> None:
        require_network(self.signs, 0.0)

    def output(self, W: Float[Tensor, "m q"], X: Float[Tensor, "N p"]) -> Float[Tensor, "N d"]:
        """Averages f(X) over the weights."""
        return self._smoothed(W, X).value @ self.signs.T / sqrt(len(W))

    def jacobian(self, W: Float[Tensor, "m q"], X: Float[Tensor, "N p"]) -> Float[Tensor, "Nd m q"]:
        """Derivatives of f(X) by means and standard deviations, rows (datum, output) with the datum major."""
        p = X.shape[1]
        _, slope, curvature = self._smoothed(W, X)
        # d/d(spread) of a smoothed function is spread times its second derivative (heat equation).
        means = slope[:, :, None] * X[:, None]
        deviations = curvature[:, :, None] * X[:, None] ** 2 * W[:, p:]
        features = torch.cat((means, deviations), dim=2)
        return (features[:, None] * self.signs[:, :, None]).flatten(0, 1) / sqrt(len(W))

    def _smoothed(self, W: Tensor, X: Tensor) -> Smoothed:
        p = X.shape[1]
        if W.shape[1] != 2 * p:
            raise ValueError(f"weights of shape {tuple(W.shape)} must be [m, 2p] for inputs with p = {p} columns")
        require_finite(X)
        return smoothed(self.activation, X @ W[:, :p].T, (X**2 @ W[:, p:].T ** 2).sqrt())


@dataclass(frozen=True)
class RidgeCoordinates:
    """A Gaussian network in the coordinates (mu, rho) where its penalty is (ridge/2) (|mu - mu_0|^2 + |rho|^2) exactly.

    rho has the sign of sigma - s and rho^2 = sigma^2 - s^2 - s^2 log(sigma^2 / s^2); d sigma / d rho = 1/sqrt 2 at
    sigma = s. Fits `elbound.impl.wide_training.Training`, whose solver wants a ridge. Prior's deviation s > 0.
    """

    network: GaussianNetwork
    s: float

    def __post_init__(self) -> None:
        if not 0 < self.s < inf:
            raise ValueError(f"prior's standard deviation s = {self.s} must be finite and exceed 0")

    def natural(self, W: Float[Tensor, "m q"]) -> Float[Tensor, "m q"]:
        """Means and standard deviations of the weights W = (mu, rho)."""
        mu, rho = W.tensor_split(2, dim=1)
        return torch.cat((mu, self.s * torch.exp(log_ratio(rho / self.s))), dim=1)

    def output(self, W: Float[Tensor, "m q"], X: Float[Tensor, "N p"]) -> Float[Tensor, "N d"]:
        """Averages f(X) over the weights."""
        return self.network.output(self.natural(W), X)

    def pull(
        self, W: Float[Tensor, "m q"], X: Float[Tensor, "N p"], values: Float[Tensor, "N d"]
    ) -> Float[Tensor, "m q"]:
        """Transposed Jacobian times values."""
        pulled: Tensor = torch.tensordot(values.flatten(), self._jacobian(W, X), 1)
        return pulled

    def push(
        self, W: Float[Tensor, "m q"], X: Float[Tensor, "N p"], direction: Float[Tensor, "m q"]
    ) -> Float[Tensor, "N d"]:
        """Jacobian times a direction in the weights."""
        pushed: Tensor = torch.tensordot(self._jacobian(W, X), direction, 2)
        return pushed.view(len(X), -1)

    def tangent(self, W: Float[Tensor, "m q"], X: Float[Tensor, "N p"]) -> Float[Tensor, "Nd Nd"]:
        """Tangent kernel J J^T; at the prior the means' kernel plus half the deviations'."""
        J = self._jacobian(W, X).flatten(1)
        return J @ J.T

    def _jacobian(self, W: Tensor, X: Tensor) -> Tensor:
        mu, rho = W.tensor_split(2, dim=1)
        x = log_ratio(rho / self.s)
        # rho d rho = s (v - 1/v) d sigma with v = e^x.
        stretch = torch.where(x == 0, 1.0, x / torch.sinh(x)) * _doubled(x).sqrt() / 2
        J: Tensor = self.network.jacobian(torch.cat((mu, self.s * torch.exp(x)), dim=1), X)
        return J * torch.cat((torch.ones_like(mu), stretch), dim=1)


def log_ratio(y: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The x of y's sign with e^{2x} - 1 - 2x = y^2, to a few roundings of 1 + |x|, by Newton's method.

    The left side is convex and the iteration starts beyond the root, so it only descends to it. For y >= 0 the root is
    at most y / sqrt 2 and 1 + log(1 + y^2) / 2; for y < 0 it is at least -(q + q^2), q = |y| / sqrt 2.
    """
    q = y.abs() / sqrt(2)
    x = torch.where(y < 0, -(q + q**2), torch.minimum(q, 1 + torch.log1p(y**2) / 2))
    settled = False
    while not settled:
        rise = torch.expm1(2 * x)
        step = torch.where(x == 0, 0.0, (rise - 2 * x - y**2) / (2 * rise))
        x = x - step
        settled = not bool((step.abs() > 16 * EPS * (1 + x.abs())).any())
    return x


def _doubled(x: Tensor) -> Tensor:
    """(e^{2x} - 1 - 2x) / x^2, near 0 by its series: 12 terms leave 2^14 x^12 / 14! < 1e-18 of it."""
    series = torch.zeros_like(x)
    for j in reversed(range(12)):
        series = 1 + series * 2 * x / (j + 3)
    near = x.abs() < 0.1
    safe = torch.where(near, 1.0, x)
    return torch.where(near, 2 * series, (torch.expm1(2 * safe) - 2 * safe) / safe**2)
