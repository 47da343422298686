"""What is computed from tensors stays on their device: nothing is created elsewhere and mixed in.

Under a default device without storage every tensor that does not take its device from an input lands there, and the
first operation that mixes it with the inputs fails; so a CPU machine finds what a CUDA machine would trip over.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from elbound.impl import kernels, wide_network
from elbound.impl.flow import solve
from elbound.impl.kernels import ERF, RELU, Activation
from elbound.impl.output_variance import output_variance, variance_slope
from elbound.impl.ridge import KernelFlow
from elbound.impl.tangent_gram import tangent_gram
from elbound.impl.wide_training import NoisyTraining, WideTraining, random_start, stationary_point
from elbound.properties.experiments.noise_protocols import all_outputs, offset_squared

X = torch.linspace(-1, 1, 12, dtype=torch.float64).view(4, 3) + 0.1
Y = X[:, :2].clone()
S = 0.7


def problem(activation: Activation, ridge: float = 0.0) -> WideTraining:
    network, W = random_start((2, 6, 3), S, activation, seed=5)
    return WideTraining(network, X, Y, W, ridge)


def noisy(activation: Activation) -> NoisyTraining:
    plain = problem(activation)
    return NoisyTraining(plain.network, X, Y, plain.start)


def frozen(activation: Activation, rows: int) -> WideTraining:
    plain = problem(activation)
    return replace(plain, network=replace(plain.network, frozen=torch.linspace(-1, 1, 6 * rows).double().view(rows, 6)))


def networks(activation: Activation) -> dict[str, Callable[[], Tensor]]:
    averaged, drawn = problem(activation, 0.5), frozen(activation, 4)
    expected, W = noisy(activation), averaged.start
    batch, noise = W[..., None].repeat(1, 1, 2), torch.linspace(-1, 1, 48, dtype=torch.float64).view(4, 6, 2)
    return {
        "output": lambda: averaged.network.output(W, X),
        "push": lambda: averaged.network.push(W, X, W),
        "kernel at frozen noise": lambda: drawn.network.tangent(W, X),
        "gradient at frozen noise": lambda: drawn.gradient(W),
        "expected loss": lambda: expected.loss(W),
        "expected gradient": lambda: expected.gradient(W),
        "descent": lambda: averaged.descent(0.1, 2),
        "flow": lambda: averaged.flow([0.3], lambda V: averaged.residual(V).norm()[None], 1e-6)[0],
        "expected flow": lambda: expected.flow([0.3], tolerance=1e-6)[0],
        "stationary point": lambda: stationary_point(averaged, iterations=5).weights,
        "kernels of replicates": lambda: wide_network.tangent_kernel(batch, X, S, activation),
        "entries of replicates": lambda: wide_network.tangent_entries(batch, X, noise, noise, S, activation),
        "blocks of replicates": lambda: wide_network.tangent_blocks(noise, noise[:2], X),
        "output variance": lambda: output_variance(X, S, activation),
        "variance slope": lambda: variance_slope(X, S, activation),
    }


def limits(activation: Activation) -> dict[str, Callable[[], Tensor]]:
    K = kernels.fresh_noise_kernel(X, X, S, activation)
    return {
        "fresh": lambda: kernels.fresh_noise_kernel(X, X[:2], S, activation),
        "shared": lambda: kernels.shared_noise_kernel(X, X, S, activation),
        "frozen": lambda: kernels.frozen_noise_kernel(X, S, activation),
        "output layer": lambda: kernels.output_layer_kernel(X, X, S, activation),
        "floor": lambda: kernels.variance_floor(X, S, activation),
        "fluctuation": lambda: kernels.tangent_fluctuation(X, S, activation),
        "shared second moment": lambda: kernels.shared_second_moment(X, S, activation),
        "frozen second moment": lambda: kernels.frozen_second_moment(X, S, activation),
        "several outputs": lambda: all_outputs(K, 2),
        "offset": lambda: offset_squared(K[..., None], K, Y[:, 0], 2.0),
        "ridge flow": lambda: KernelFlow.of(K, 0.3).residual(Y[:, 0], 2.0),
        "ridge regression": lambda: KernelFlow.of(K, 0.3).coefficients(Y[:, 0]),
    }


def others() -> dict[str, Callable[[], Tensor]]:
    layers = [X.T @ X, X[:2]]
    return {
        "solver": lambda: solve(lambda x: -x, Y[:, 0], [0.5], step=0.1).states,
        "layerwise kernel": lambda: tangent_gram(layers, X, RELU),
    }


CASES: Mapping[str, Callable[[], Tensor]] = {
    f"{activation.name}: {name}": case
    for activation in (RELU, ERF)
    for name, case in (networks(activation) | limits(activation)).items()
} | others()


@pytest.mark.parametrize("name", CASES)
def test_results_stay_on_the_device_of_what_they_are_made_of(name: str) -> None:
    known = CASES[name]()
    with torch.device("meta"):
        found = CASES[name]()
    assert found.device == X.device
    assert torch.equal(found, known)


def test_a_tensor_created_elsewhere_is_noticed() -> None:
    with torch.device("meta"), pytest.raises(RuntimeError, match="meta"):
        (X + torch.ones(3, dtype=torch.float64)).sum().item()
