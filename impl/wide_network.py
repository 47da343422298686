"""Empirical tangent kernels of the noisy wide network (1/sqrt m) sum_r a_r phi(w_r.x + s eps_r), a_r = +-1.

Only W is trained, so a_r^2 = 1 drops out of one output's kernel. Weights are given [m, p, R]: R replicates on the last,
contiguous axis.
"""

from math import inf

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from elbound.impl.kernels import Activation, require_finite


def tangent_kernel(
    W: Float[Tensor, "m p R"], X: Float[Tensor, "N p"], s: float, activation: Activation
) -> Float[Tensor, "N N R"]:
    """Theta_m = x.x' (1/m) sum_r phi_s'(w_r.x) phi_s'(w_r.x'), of the noise-averaged network, per replicate.

    ValueError unless W is [m, p, R] with m >= 1, X is [N, p] with the same p and finite, and 0 <= s < inf.
    """
    slopes = activation.smoothed_slope(_preactivation(W, X, s), s)
    return _average(slopes, slopes, X)


def tangent_entries(
    W: Float[Tensor, "m p R"],
    X: Float[Tensor, "N p"],
    noise: Float[Tensor, "#N m R"],
    other_noise: Float[Tensor, "#N m R"],
    s: float,
    activation: Activation,
) -> Float[Tensor, "N N R"]:
    """x.x' (1/m) sum_r phi'(w_r.x + s e_r(x)) phi'(w_r.x' + s e'_r(x')): a sampled network's kernel.

    The expectation follows from the standard normal noises given: independent [N, m, R] give K1 (fresh
    noise), the same [1, m, R] twice K2 (shared), the same [N, m, R] twice K3 (frozen for each input). Not
    symmetric if they differ. ValueError as for `tangent_kernel`, and on other shapes of the noises.
    """
    u = _preactivation(W, X, s)
    for each in (noise, other_noise):
        if each.ndim != 3 or each.shape[0] not in (1, u.shape[0]) or each.shape[1:] != u.shape[1:]:
            raise ValueError(
                f"noise of shape {tuple(each.shape)} must be [N or 1, m, R] with [N, m, R] = {tuple(u.shape)}"
            )
    return _average(activation.slope(u + s * noise), activation.slope(u + s * other_noise), X)


def noiseless_inputs(
    X: Float[Tensor, "N p"], spread: Float[Tensor, "N q"], draw: Shaped[Tensor, " N"], draws: int
) -> Float[Tensor, "N extended"]:
    """Inputs [N, p + q draws] with which a network without noise is the noisy one: the noise becomes weights.

    Input i meets the noise e_j . spread_i of its draw j = draw[i], so w . x_i + e_j . spread_i is the product of
    (w, e_1, ..., e_draws) with row i. The spread is s for noise of its own scale, s x_i for noise in the weights.
    """
    own = (torch.arange(draws, device=X.device) == draw[:, None]).to(X.dtype)
    return torch.cat((X, (own[..., None] * spread[:, None]).flatten(1)), dim=1)


def fresh_inputs(
    X: Float[Tensor, "N p"], spread: Float[Tensor, "N q"]
) -> tuple[Float[Tensor, "N extended"], Float[Tensor, "N extended"]]:
    """Two sets of such inputs that share no draw, every input with draws of its own: K1 is the kernel between them."""
    rows = torch.arange(len(X), device=X.device)
    one, other = (noiseless_inputs(X, spread, draw, 2 * len(X)) for draw in (rows, rows + len(X)))
    return one, other


def shared_inputs(X: Float[Tensor, "N p"], spread: Float[Tensor, "N q"]) -> Float[Tensor, "N extended"]:
    """Such inputs with one draw for all of them: their kernel is K2."""
    return noiseless_inputs(X, spread, torch.zeros(len(X), device=X.device), 1)


def frozen_inputs(X: Float[Tensor, "N p"], spread: Float[Tensor, "N q"]) -> Float[Tensor, "N extended"]:
    """Such inputs with one draw for each of them: their kernel is K3."""
    return noiseless_inputs(X, spread, torch.arange(len(X), device=X.device), len(X))


def neuron_outputs(
    W: Float[Tensor, "m p R"], X: Float[Tensor, "N p"], noise: Float[Tensor, "#N m R"], s: float, activation: Activation
) -> Float[Tensor, "N m R"]:
    """Outputs phi(w_r . x + s e_r(x)) of every neuron. ValueError as for `tangent_kernel`."""
    return activation.value(_preactivation(W, X, s) + s * noise)


def tangent_blocks(
    slopes: Float[Tensor, "N m R"], signs: Float[Tensor, "d m R"], X: Float[Tensor, "N p"]
) -> Float[Tensor, "Nd Nd R"]:
    """The kernel of d outputs with their signs +-1, from every neuron's slope; rows (datum, output), datum major."""
    d = len(signs)
    features = (slopes[:, None] * signs).flatten(0, 1)
    inner = (X @ X.T).repeat_interleave(d, 0).repeat_interleave(d, 1)
    return inner[..., None] * torch.einsum("imr,jmr->ijr", features, features) / slopes.shape[1]


def _preactivation(W: Tensor, X: Tensor, s: float) -> Tensor:
    if W.ndim != 3 or X.ndim != 2 or W.shape[1] != X.shape[1] or not len(W):
        raise ValueError(
            f"weights of shape {tuple(W.shape)} and inputs {tuple(X.shape)} must be [m, p, R], m at least 1, and [N, p]"
        )
    if not 0 <= s < inf:
        raise ValueError(f"noise standard deviation s = {s} must be finite and at least 0")
    require_finite(X)
    return torch.einsum("np,mpr->nmr", X, W)


def _average(slopes: Tensor, others: Tensor, X: Tensor) -> Tensor:
    return (X @ X.T)[..., None] * torch.einsum("imr,jmr->ijr", slopes, others) / slopes.shape[1]
