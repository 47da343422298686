"""Limit kernels of the noisy wide network f(x, eps) = (1/sqrt m) A phi(W x + s eps), W ~ N(0, 1), A = +-1.

Every kernel is a moment of phi or phi' over a Gaussian pair (Cho and Saul 2009; Williams 1996), so they
differ only in the pair's covariance. Results keep the inputs' dtype and device; float64 is meant.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, pi, sqrt
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import ndtr, owens_t
from torch import Tensor

Map = Callable[[Tensor], Tensor]
SmoothedMap = Callable[[Tensor, float], Tensor]


class Covariance(NamedTuple):
    """Covariances of the Gaussian pairs (u_i, u'_j): variances, covariance and determinant.

    Near parallel inputs q q' - c^2 cancels and arccos of the correlation loses half the digits; the
    determinant is carried along instead, summed from positive terms.
    """

    q: Float[Tensor, "N 1"]
    q_other: Float[Tensor, "1 M"]
    c: Float[Tensor, "N M"]
    determinant: Float[Tensor, "N M"]


@dataclass(frozen=True)
class Activation:
    """phi with its slope, both smoothed by noise of standard deviation s, and its Gaussian moments.

    smoothed(u, s) = E phi(u + s e), smoothed_slope(u, s) = E phi'(u + s e), e ~ N(0, 1), any shape;
    slope_bound(s) = sup |smoothed_slope|. Over a Gaussian pair (a, b): value_moment = E phi(a) phi(b),
    slope_moment = E phi'(a) phi'(b), squared_slope_moment = E (smoothed_slope(a, s) smoothed_slope(b, s))^2.
    """

    name: str
    value: Map
    slope: Map
    smoothed: SmoothedMap
    smoothed_slope: SmoothedMap
    slope_bound: Callable[[float], float]
    value_moment: Callable[[Covariance], Tensor]
    slope_moment: Callable[[Covariance], Tensor]
    squared_slope_moment: Callable[[Covariance, float], Tensor]


def fresh_noise_kernel(
    X: Float[Tensor, "N p"], Y: Float[Tensor, "M p"], s: float, activation: Activation
) -> Float[Tensor, "N M"]:
    """K1 = x.x' E phi_s'(w.x) phi_s'(w.x'): governs training on the noise-averaged loss.

    ValueError unless X and Y are finite floating matrices of equal width and 0 <= s < inf; so for every kernel here.
    """
    covariance = _covariance(X, Y, s)
    return covariance.c * activation.slope_moment(covariance)


def shared_noise_kernel(
    X: Float[Tensor, "N p"], Y: Float[Tensor, "M p"], s: float, activation: Activation
) -> Float[Tensor, "N M"]:
    """K2 = x.x' E phi'(w.x + s e) phi'(w.x' + s e): the noise is drawn once, for all inputs, and frozen."""
    covariance = _shared_covariance(X, Y, s)
    return X @ Y.T * activation.slope_moment(covariance)


def frozen_noise_kernel(X: Float[Tensor, "N p"], s: float, activation: Activation) -> Float[Tensor, "N N"]:
    """K3: the noise is drawn once for each input and frozen: K1 off the diagonal, K2 on it."""
    kernel = fresh_noise_kernel(X, X, s, activation)
    return kernel.diagonal_scatter((X**2).sum(dim=1) * activation.slope_moment(_same(X, s)))


def output_layer_kernel(
    X: Float[Tensor, "N p"], Y: Float[Tensor, "M p"], s: float, activation: Activation
) -> Float[Tensor, "N M"]:
    """KV = E phi_s(w.x) phi_s(w.x'): the share of the output weights when they are trained too."""
    return activation.value_moment(_covariance(X, Y, s))


def variance_floor(X: Float[Tensor, "N p"], s: float, activation: Activation) -> Float[Tensor, " N"]:
    """V_s = E Var_e phi(w.x + s e) for each input: the loss left by noise as m, then t, grows."""
    _check(X, X, s)
    square = (X**2).sum(dim=1)
    q = square + s**2
    whole = activation.value_moment(_same(X, s))
    return whole - activation.value_moment(Covariance(q, q, square, s**2 * (2 * square + s**2)))


def summand_second_moment(
    X: Float[Tensor, "N p"], Y: Float[Tensor, "M p"], s: float, activation: Activation
) -> Float[Tensor, "N M"]:
    """E (x.x' phi_s'(w.x) phi_s'(w.x'))^2, the second moment of one neuron's share of the tangent kernel."""
    _check(X, Y, s)
    covariance = _covariance(X, Y, 0.0)
    return covariance.c**2 * activation.squared_slope_moment(covariance, s)


def shared_second_moment(X: Float[Tensor, "N p"], s: float, activation: Activation) -> Float[Tensor, "N N"]:
    """E (x.x' phi'(w.x + s e) phi'(w.x' + s e))^2, one neuron's share where one noise draw is frozen for all inputs."""
    return (X @ X.T) ** 2 * activation.squared_slope_moment(_shared_covariance(X, X, s), 0.0)


def frozen_second_moment(X: Float[Tensor, "N p"], s: float, activation: Activation) -> Float[Tensor, "N N"]:
    """The same where each input keeps its own draw."""
    moment = (X @ X.T) ** 2 * activation.squared_slope_moment(_covariance(X, X, s), 0.0)
    return moment.diagonal_scatter((X**2).sum(dim=1) ** 2 * activation.squared_slope_moment(_same(X, s), 0.0))


def tangent_fluctuation(X: Float[Tensor, "N p"], s: float, activation: Activation) -> Float[Tensor, ""]:
    """Fluctuation m E |Theta_m - K1|_F^2 for scalar output, the same number at every width m."""
    return (summand_second_moment(X, X, s, activation) - fresh_noise_kernel(X, X, s, activation) ** 2).sum()


def require_finite(X: Tensor) -> None:
    """ValueError that names the first entry of a matrix of inputs, if one is not finite."""
    for i, j in (~X.isfinite()).nonzero()[:1].tolist():
        raise ValueError(f"inputs of shape {tuple(X.shape)}: entry [{i}, {j}] is {float(X[i, j])}; it must be finite")


def _check(X: Tensor, Y: Tensor, s: float) -> None:
    if X.ndim != 2 or Y.ndim != 2 or X.shape[1] != Y.shape[1]:
        raise ValueError(f"inputs of shapes {tuple(X.shape)} and {tuple(Y.shape)} must be [N, p] and [M, p]")
    if not (X.is_floating_point() and Y.is_floating_point()):
        raise ValueError(f"inputs of types {X.dtype} and {Y.dtype} must be floating")
    for each in (X, Y):
        require_finite(each)
    if not 0 <= s < inf:
        raise ValueError(f"noise standard deviation s = {s} must be finite and at least 0")


def _covariance(X: Tensor, Y: Tensor, s: float) -> Covariance:
    """Of (w.x + s e, w.x' + s e') with independent e, e'."""
    _check(X, Y, s)
    square, square_other = (X**2).sum(dim=1, keepdim=True), (Y**2).sum(dim=1)[None]
    # |x|^2 |x'|^2 - (x.x')^2 = |x|^2 |x'|^2 |a - b|^2 |a + b|^2 / 4 with a, b the unit vectors (Kahan).
    a, b = (torch.nn.functional.normalize(each, eps=torch.finfo(each.dtype).tiny) for each in (X, Y))
    wedge = square * square_other * (_distance(a, b) * _distance(a, -b)) ** 2 / 4
    determinant = wedge + s**2 * (square + square_other + s**2)
    return Covariance(square + s**2, square_other + s**2, X @ Y.T, determinant)


def _shared_covariance(X: Tensor, Y: Tensor, s: float) -> Covariance:
    """Of (w.x + s e, w.x' + s e) with one e."""
    _check(X, Y, s)
    q, q_other, gram, wedge = _covariance(X, Y, 0.0)
    determinant = wedge + s**2 * _distance(X, Y) ** 2
    return Covariance(q + s**2, q_other + s**2, gram + s**2, determinant)


def _same(X: Tensor, s: float) -> Covariance:
    """Of (w.x + s e) with itself, for each input."""
    q = (X**2).sum(dim=1) + s**2
    return Covariance(q, q, q, torch.zeros_like(q))


def _distance(X: Tensor, Y: Tensor) -> Tensor:
    return torch.cdist(X, Y, compute_mode="donot_use_mm_for_euclid_dist")


def _relu_smoothed(u: Tensor, s: float) -> Tensor:
    if s == 0:
        return u.clamp(min=0)
    z = u / s
    smoothed: Tensor = u * torch.special.ndtr(z) + s / sqrt(2 * pi) * torch.exp(-(z**2) / 2)
    return smoothed


def _step(u: Tensor) -> Tensor:
    return (u > 0).to(u.dtype)


def _relu_smoothed_slope(u: Tensor, s: float) -> Tensor:
    return _step(u) if s == 0 else torch.special.ndtr(u / s)


def _obtuse(covariance: Covariance) -> Tensor:
    # pi less the angle whose cosine is the correlation.
    return pi - torch.atan2(covariance.determinant.sqrt(), covariance.c)


def _relu_value_moment(covariance: Covariance) -> Tensor:
    return (covariance.determinant.sqrt() + _obtuse(covariance) * covariance.c) / (2 * pi)


def _relu_slope_moment(covariance: Covariance) -> Tensor:
    return _obtuse(covariance) / (2 * pi)


def _relu_squared_slope_moment(covariance: Covariance, s: float) -> Tensor:
    """E Phi(u/s)^2 Phi(u'/s)^2: Owen's T (1980) integrates over u' given u, the trapezoid rule over u.

    u / sd = delta sinh t with delta = min(1, s / size) puts the narrow step at 0 and the wide Gaussian on one
    scale: all factors stay bounded for |Im t| < pi/4, so step 1/16 errs by e^{-pi^2 8} whatever s is.
    """
    if s == 0:
        return _relu_slope_moment(covariance)
    q, q_other, c, determinant = (np.asarray(part.detach().cpu(), dtype=np.float64) for part in covariance)
    delta = min(1.0, s / sqrt(q.max() + q_other.max())) if q.max() + q_other.max() > 0 else 1.0
    reach = int(np.arcsinh(9 / delta) * 16) + 1
    t = np.arange(-reach, reach + 1) / 16
    z = delta * np.sinh(t)
    weight = delta * np.cosh(t) / 16 * np.exp(-(z**2) / 2) / sqrt(2 * pi)
    safe = np.where(q > 0, q, 1.0)  # u = 0 has no regression of u' on it: c and the determinant vanish with it
    spread = np.where(q > 0, determinant / safe, q_other) / s**2
    slope = c / np.sqrt(safe) / s / np.sqrt(1 + spread)
    mean = slope[..., None] * z
    inner = ndtr(mean) - 2 * owens_t(mean, 1 / np.sqrt(1 + 2 * spread)[..., None])
    outer = ndtr(np.sqrt(q)[..., None] * z / s) ** 2
    moment = (weight * outer * inner).sum(axis=-1)
    return torch.as_tensor(moment, dtype=covariance.c.dtype, device=covariance.c.device)


RELU = Activation(
    name="relu",
    value=lambda u: u.clamp(min=0),
    slope=_step,
    smoothed=_relu_smoothed,
    smoothed_slope=_relu_smoothed_slope,
    slope_bound=lambda s: 1.0,  # noqa: ARG005
    value_moment=_relu_value_moment,
    slope_moment=_relu_slope_moment,
    squared_slope_moment=_relu_squared_slope_moment,
)


def _shrink(s: float) -> float:
    return 1 / (1 + 2 * s**2)


def _erf_smoothed_slope(u: Tensor, s: float) -> Tensor:
    return 2 * sqrt(_shrink(s) / pi) * torch.exp(-_shrink(s) * u**2)


def _erf_root(covariance: Covariance) -> Tensor:
    # sqrt((1 + 2q)(1 + 2q') - 4c^2)
    return (1 + 2 * (covariance.q + covariance.q_other) + 4 * covariance.determinant).sqrt()


def _erf_squared_slope_moment(covariance: Covariance, s: float) -> Tensor:
    rate = 4 * _shrink(s)
    root = (1 + rate * (covariance.q + covariance.q_other) + rate**2 * covariance.determinant).sqrt()
    return (rate / pi) ** 2 / root


ERF = Activation(
    name="erf",
    value=torch.erf,
    slope=lambda u: _erf_smoothed_slope(u, 0.0),
    smoothed=lambda u, s: torch.erf(u * sqrt(_shrink(s))),
    smoothed_slope=_erf_smoothed_slope,
    slope_bound=lambda s: 2 * sqrt(_shrink(s) / pi),
    value_moment=lambda covariance: 2 / pi * torch.atan2(2 * covariance.c, _erf_root(covariance)),
    slope_moment=lambda covariance: 4 / pi / _erf_root(covariance),
    squared_slope_moment=_erf_squared_slope_moment,
)
