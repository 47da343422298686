"""Empirical tangent kernel of a multilayer perceptron as a sum over layers of Gram products, without any Jacobian.

f(x) = W_L h_{L-1} / sqrt(m_{L-1}), h_l = phi(W_l h_{l-1} / sqrt(m_{l-1})), h_0 = x, m_0 the input dimension, all
weights trained. With backward signals B_l[(i, k)] = d f_k(x_i) / d (pre-activation l) the kernel is

    Theta[(i, k), (j, l)] = sum over layers of (h . h')(B . B') / fan-in,

which costs the forward and backward products and two Gram products per layer, where the Jacobian has as many columns as
there are weights. Novak, Sohl-Dickstein and Schoenholz 2022 compare such ways.
"""

from collections.abc import Iterator, Sequence
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor

from elbound.impl.kernels import Activation, require_finite

Weights = Sequence[Float[Tensor, "..."]]


def output(weights: Weights, X: Float[Tensor, "N p"], activation: Activation) -> Float[Tensor, "N d"]:
    """Values f(X) of the network; weights [fan-out, fan-in], first to last. ValueError as for `tangent_gram`."""
    return _preactivations(weights, X, activation)[-1]


def tangent_gram(weights: Weights, X: Float[Tensor, "N p"], activation: Activation) -> Float[Tensor, "Nd Nd"]:
    """Tangent kernel of all weights, rows (datum, output) with the datum major; of the weights' dtype and device.

    Memory beside the result is that of the pre-activations, N times the sum of the widths, and of d backward signals.
    ValueError unless weights are matrices of width 1 or more that fit one another and X; here, unless X is finite.
    """
    shares = layer_grams(weights, X, activation)
    total = next(shares)
    for share in shares:
        total += share
    return total


def layer_grams(weights: Weights, X: Float[Tensor, "N p"], activation: Activation) -> Iterator[Float[Tensor, "Nd Nd"]]:
    """Each layer's share of the tangent kernel, last layer first; as for `tangent_gram`."""
    # Not in what the values share with this: automatic differentiation may batch over the inputs there.
    require_finite(X)
    before = _preactivations(weights, X, activation)
    N, d = before.pop().shape
    back = torch.eye(d, dtype=X.dtype, device=X.device).repeat(N, 1)
    for W in reversed(weights):
        root = sqrt(W.shape[1])
        hidden = (activation.value(before[-1]) if before else X) / root
        yield _spread(hidden @ hidden.T, d).mul_(back @ back.T)
        if before:
            signals = (back @ W).div_(root).view(N, d, -1)
            back = signals.mul_(activation.slope(before.pop())[:, None]).flatten(0, 1)


def _spread(gram: Tensor, d: int) -> Tensor:
    """Every entry as a block [d, d]."""
    return gram if d == 1 else gram.repeat_interleave(d, 0).repeat_interleave(d, 1)


def _preactivations(weights: Weights, X: Tensor, activation: Activation) -> list[Tensor]:
    _check(weights, X)
    found: list[Tensor] = []
    for W in weights:
        hidden = activation.value(found[-1]) if found else X
        found.append(hidden @ W.T / sqrt(W.shape[1]))
    return found


def _check(weights: Weights, X: Tensor) -> None:
    sizes = [tuple(W.shape) for W in weights]
    if not sizes or X.ndim != 2 or any(len(size) != 2 for size in sizes):
        raise ValueError(f"weights of shapes {sizes} and inputs {tuple(X.shape)} must be matrices, one weight or more")
    fans = [X.shape[1], *(size[0] for size in sizes)]
    if any(size[1] != fan for size, fan in zip(sizes, fans, strict=False)):
        raise ValueError(
            f"weights of shapes {sizes} and inputs {tuple(X.shape)} must fit: each fan-in the last fan-out"
        )
    if not all(min(size) for size in sizes):
        raise ValueError(f"weights of shapes {sizes} must have widths of at least 1")
