"""Training of the noisy wide network f(x, e) = (1/sqrt m) A phi(W x + s e) when its noise is fresh, shared or frozen.

Loss (1/2) sum |f - y|^2 over data and outputs; only W is trained, A = +-1. Fresh noise in small steps follows the flow
of the expected loss, which is the loss of the noise-averaged network plus the variance (d / 2m) sum v_s(w_r . x_i).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, pi, sqrt

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import owens_t
from torch import Tensor

from elbound.impl.kernels import ERF, RELU, Activation, Map


def output_variance(u: Float[Tensor, "*shape"], s: float, activation: Activation) -> Float[Tensor, "*shape"]:
    """Variance v_s(u) of phi(u + s e), e ~ N(0, 1), for ReLU and erf; the latter by Owen's T (1980).

    ValueError for another activation.
    """
    if s == 0:
        return torch.zeros_like(u)
    if activation is RELU:
        z = u / s
        square = (u**2 + s**2) * torch.special.ndtr(z) + u * s * torch.exp(-(z**2) / 2) / sqrt(2 * pi)
    elif activation is ERF:
        h = np.asarray(u.detach().cpu()) * sqrt(2 / (1 + 2 * s**2))
        square = 1 - 8 * torch.as_tensor(owens_t(h, 1 / sqrt(1 + 4 * s**2))).to(u)
    else:
        raise ValueError(f"activation {activation.name!r} has no known output variance; known are relu, erf")
    variance: Tensor = (square - activation.smoothed(u, s) ** 2).clamp(min=0)
    return variance


def variance_slope(u: Float[Tensor, "*shape"], s: float, activation: Activation) -> Float[Tensor, "*shape"]:
    """Derivative of v_s at u, twice the covariance of phi and phi' over the noise. ValueError as for v_s."""
    if s == 0:
        return torch.zeros_like(u)
    if activation is RELU:
        slope: Tensor = 2 * activation.smoothed(u, s) * torch.special.ndtr(-u / s)
        return slope
    if activation is ERF:
        c = 1 / (1 + 2 * s**2)
        # exp(-(u + s e)^2) tilts the noise: E erf(u + s e) under the tilted law is the first term.
        tilted = torch.erf(u * (c / sqrt(1 + 2 * s**2 * c)))
        return 2 * activation.smoothed_slope(u, s) * (tilted - activation.smoothed(u, s))
    raise ValueError(f"activation {activation.name!r} has no known output variance; known are relu, erf")


@dataclass(frozen=True)
class NoisyTraining:
    """Data X [N, p], targets y [N, d], output signs A [d, m], noise s, activation.

    Weights are [m, p], noise is [N, m] or [1, m], values on the data [N, d].
    """

    X: Float[Tensor, "N p"]
    y: Float[Tensor, "N d"]
    signs: Float[Tensor, "d m"]
    s: float
    activation: Activation

    def averaged(self, W: Float[Tensor, "m p"]) -> Float[Tensor, "N d"]:
        """Outputs averaged over the noise."""
        return self._read(self.activation.smoothed(self.X @ W.T, self.s))

    def sampled(self, W: Float[Tensor, "m p"], noise: Float[Tensor, "#N m"]) -> Float[Tensor, "N d"]:
        """Outputs at given noise; one row for all data is noise shared by them."""
        return self._read(self.activation.value(self.X @ W.T + self.s * noise))

    def variance(self, W: Float[Tensor, "m p"]) -> Float[Tensor, ""]:
        """Variance part (d / 2m) sum v_s(w_r . x_i) of the expected loss."""
        d, m = self.signs.shape
        return d / (2 * m) * output_variance(self.X @ W.T, self.s, self.activation).sum()

    def bias(self, W: Float[Tensor, "m p"]) -> Float[Tensor, ""]:
        """Loss of the averaged outputs, half their squared distance to y."""
        return (self.averaged(W) - self.y).square().sum() / 2

    def expected_gradient(self, W: Float[Tensor, "m p"]) -> Float[Tensor, "m p"]:
        """Gradient of the expected loss, bias and variance."""
        d, m = self.signs.shape
        u = self.X @ W.T
        residual = self._read(self.activation.smoothed(u, self.s)) - self.y
        pulled = self._pull(residual, self.activation.smoothed_slope(u, self.s))
        return pulled + d / (2 * m) * variance_slope(u, self.s, self.activation).T @ self.X

    def sampled_gradient(self, W: Float[Tensor, "m p"], noise: Float[Tensor, "#N m"]) -> Float[Tensor, "m p"]:
        """Gradient of the loss at given noise."""
        u = self.X @ W.T + self.s * noise
        return self._pull(self._read(self.activation.value(u)) - self.y, self.activation.slope(u))

    def _read(self, hidden: Tensor) -> Tensor:
        return hidden @ self.signs.T / sqrt(self.signs.shape[1])

    def _pull(self, residual: Tensor, slopes: Tensor) -> Tensor:
        return ((residual @ self.signs) * slopes).T @ self.X / sqrt(self.signs.shape[1])


def flow(gradient: Map, start: Float[Tensor, "m p"], time: float, step: float) -> Float[Tensor, "m p"]:
    """Weights after gradient flow for a time, by equal Runge-Kutta steps of order four, none longer than `step`.

    ValueError unless time >= 0 and step > 0.
    """
    if not (time >= 0 and step > 0):
        raise ValueError(f"time = {time} must be at least 0 and step = {step} positive")
    steps = ceil(time / step)
    W = start
    for _ in range(steps):
        W = W - time / steps * _slope(gradient, W, time / steps)
    return W


def _slope(gradient: Callable[[Tensor], Tensor], W: Tensor, h: float) -> Tensor:
    one = gradient(W)
    two = gradient(W - h / 2 * one)
    three = gradient(W - h / 2 * two)
    return (one + 2 * two + 2 * three + gradient(W - h * three)) / 6


def predicted(
    kernel: Float[Tensor, "N N"], start: Float[Tensor, "N d"], y: Float[Tensor, "N d"], time: float
) -> Float[Tensor, "N d"]:
    """Linear prediction y + exp(-K t)(f_0 - y) of the outputs at a time, by the kernel's eigenvectors."""
    rates, vectors = torch.linalg.eigh(kernel)
    moved: Tensor = y + vectors @ (torch.exp(-rates * time)[:, None] * (vectors.T @ (start - y)))
    return moved
