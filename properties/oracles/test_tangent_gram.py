"""Layerwise tangent kernels against the Jacobian of torch.func, a small step, and the wide network's kernel."""

from math import sqrt

import pytest
import torch

from elbound.impl.kernels import ERF, RELU, Activation
from elbound.impl.tangent_gram import layer_grams, output, tangent_gram
from elbound.impl.wide_network import tangent_kernel
from elbound.properties.experiments.perceptron_kernel import jacobian_shares, rounding

ACTIVATIONS = pytest.mark.parametrize("activation", [RELU, ERF], ids=lambda a: a.name)


def random_network(sizes: list[int], count: int) -> tuple[list[torch.Tensor], torch.Tensor]:
    generator = torch.Generator().manual_seed(len(sizes))
    shapes = list(zip(sizes[1:], sizes, strict=False))
    weights = [torch.randn(shape, dtype=torch.float64, generator=generator) for shape in shapes]
    return weights, torch.randn(count, sizes[0], dtype=torch.float64, generator=generator)


@ACTIVATIONS
@pytest.mark.parametrize("sizes", [[3, 2], [2, 7, 1], [3, 5, 4, 2], [4, 6, 5, 4, 3, 2]], ids=str)
def test_every_layers_share_is_its_jacobians_contraction(activation: Activation, sizes: list[int]) -> None:
    weights, X = random_network(sizes, 5)
    shares = list(layer_grams(weights, X, activation))
    expected = jacobian_shares(weights, X, activation)
    room = rounding(weights, X, activation)
    for share, known in zip(reversed(shares), expected, strict=True):
        assert bool(((share - known).abs() <= 2 * room).all())
    whole = tangent_gram(weights, X, activation)
    assert bool(((whole - sum(expected)).abs() <= 2 * room).all())
    assert float(room.max()) <= 1e-9 * float(whole.abs().max())
    for share in shares if len(shares) > 1 else []:
        assert float((whole - share - sum(expected)).abs().max()) > 1e6 * float(room.max())


@ACTIVATIONS
def test_two_layers_with_sign_outputs_add_the_wide_networks_kernel(activation: Activation) -> None:
    # f = a . phi(W x) / sqrt m: the first layer here divides by sqrt p, so W is given times sqrt p.
    (W, _), X = random_network([3, 64, 1], 5)
    signs = torch.where(W[:, 0] > 0, 1.0, -1.0).to(torch.float64)[None]
    first = list(layer_grams([sqrt(3) * W, signs], X, activation))[-1]
    expected = tangent_kernel(W[..., None], X, 0.0, activation)[..., 0]
    # Sums of 64 products, relative to entries below 30.
    assert (3 * first - expected).abs().max() <= 64 * 30 * torch.finfo(torch.float64).eps


def test_a_small_gradient_step_moves_the_outputs_by_the_kernel() -> None:
    weights, X = random_network([3, 6, 5, 2], 4)
    pull = torch.linspace(-1, 1, 8, dtype=torch.float64).view(4, 2)
    leaves = [W.clone().requires_grad_() for W in weights]
    (output(leaves, X, ERF) * pull).sum().backward()
    step = 1e-5
    gradients = [leaf.grad for leaf in leaves if leaf.grad is not None]
    ends = [output([W + sign * step * G for W, G in zip(weights, gradients, strict=True)], X, ERF) for sign in (1, -1)]
    moved = ((ends[0] - ends[1]) / (2 * step)).flatten()
    # Central differences err by step^2 times third derivatives, a few hundred here, and by eps / step.
    assert (moved - tangent_gram(weights, X, ERF) @ pull.flatten()).abs().max() <= 1e-6


def test_float32_stays_float32() -> None:
    weights, X = random_network([3, 8, 2], 4)
    single = tangent_gram([W.float() for W in weights], X.float(), RELU)
    assert single.dtype == torch.float32
    assert (single - tangent_gram(weights, X, RELU)).abs().max() < 1e-4


@pytest.mark.usefixtures("no_shape_checks")
def test_weights_that_do_not_fit_are_refused() -> None:
    weights, X = random_network([3, 8, 2], 4)
    with pytest.raises(ValueError, match="must fit"):
        tangent_gram(weights[::-1], X, ERF)
    with pytest.raises(ValueError, match="must be matrices"):
        output([], X, ERF)
