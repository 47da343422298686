"""Breaks of the noisy wide network's kernels: at their limit, at random starts, and along training."""

from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor

from elbound.impl.exact_kernels import Kernels
from elbound.impl.kernels import ERF, RELU
from elbound.impl.output_variance import output_variance
from elbound.impl.tangent_gram import layer_grams, output, tangent_gram
from elbound.impl.wide_network import (
    fresh_inputs,
    frozen_inputs,
    neuron_outputs,
    shared_inputs,
    tangent_blocks,
    tangent_entries,
    tangent_kernel,
)
from elbound.impl.wide_training import WideNetwork, WideTraining, random_start
from elbound.properties.meta.broken.model_break import Break

EXPERIMENTS: Final = "elbound.properties.experiments"
QUADRATURE: Final = f"{EXPERIMENTS}.kernel_quadrature"
SPECTRUM: Final = f"{EXPERIMENTS}.limit_spectrum"
NETWORK: Final = f"{EXPERIMENTS}.wide_network"
FLOOR: Final = f"{EXPERIMENTS}.noise_floor"
PROTOCOLS: Final = f"{EXPERIMENTS}.noise_protocols"
PERCEPTRON: Final = f"{EXPERIMENTS}.perceptron_kernel"
TRAINING: Final = "elbound.impl.wide_training"
EXACT: Final = "elbound.impl.exact_kernels.Kernels"


# Taken here, since a break may put another function in their place.
FRESH, SHARED = Kernels.fresh, Kernels.shared


def without_noise(kernels: Kernels) -> Any:
    """Fresh and shared noise are the same where there is none."""
    return FRESH(silent(kernels))


def silent(kernels: Kernels) -> Kernels:
    found = object.__new__(Kernels)
    found.__dict__ |= vars(kernels) | {"s": 0 * kernels.s}
    return found


def inverse_noise(kernels: Kernels, i: int, j: int) -> Any:
    return (kernels.gram[i][j] if kernels.weight else 1) / kernels.s**2


def untrained(training: WideTraining, W: Tensor) -> Tensor:
    return torch.zeros_like(training.start) * W


def first_row_for_all(net: WideNetwork, W: Tensor, X: Tensor) -> Tensor:
    return X @ W.T if net.frozen is None else X @ W.T + net.s * net.frozen[:1]


def noise_dropped(_: WideNetwork, W: Tensor, X: Tensor) -> Tensor:
    return X @ W.T


def slopes_without_noise(net: WideNetwork, W: Tensor, X: Tensor) -> Tensor:
    return net.activation.slope(X @ W.T)


def plain_output(net: WideNetwork, W: Tensor, X: Tensor) -> Tensor:
    values: Tensor = net.activation.value(X @ W.T) @ net.signs.T / len(W) ** 0.5
    return values


def doubled_signs(*arguments: Any, **options: Any) -> Any:
    network, W = random_start(*arguments, **options)
    return replace(network, signs=2 * network.signs), W


def without_first_layer(weights: Any, X: Tensor, activation: Any) -> Tensor:
    return tangent_gram(weights, X, activation) - list(layer_grams(weights, X, activation))[-1]


BREAKS: Final = (
    Break(
        "tangent/kernel-quadrature",
        "ReLU, two inputs",
        "fresh noise is shared",
        {f"{QUADRATURE}.fresh_inputs": lambda X, spread: (shared_inputs(X, spread), shared_inputs(X, spread))},
    ),
    Break(
        "tangent/kernel-quadrature",
        "ReLU, two inputs",
        "shared noise is drawn for each input",
        {f"{QUADRATURE}.shared_inputs": frozen_inputs},
    ),
    Break(
        "tangent/kernel-quadrature",
        "ReLU, two inputs",
        "frozen noise is shared",
        {f"{QUADRATURE}.frozen_inputs": shared_inputs},
    ),
    Break(
        "tangent/kernel-quadrature",
        "ReLU, one input",
        "a tenth more noise",
        {f"{QUADRATURE}.fresh_inputs": lambda X, spread: fresh_inputs(X, 1.1 * spread)},
    ),
    Break(
        "tangent/limit-spectrum",
        "ReLU, x and 2x",
        "noise missing in the network of frozen noise",
        {f"{SPECTRUM}.frozen_inputs": lambda X, spread: frozen_inputs(X, 0 * spread)},
    ),
    Break(
        "tangent/limit-spectrum",
        "erf, six digits",
        "three times the noise in the network of frozen noise",
        {f"{SPECTRUM}.frozen_inputs": lambda X, spread: frozen_inputs(X, 3 * spread)},
    ),
    Break(
        "tangent/limit-spectrum",
        "ReLU, noise in the weights, x and 2x",
        "noise of one scale for all inputs",
        {f"{EXACT}._noise": lambda kernels, *_: kernels.s**2},
    ),
    Break(
        "tangent/kernel-quadrature",
        "ReLU, one input",
        "a leaky activation",
        {f"{QUADRATURE}.RELU": replace(RELU, slope=lambda u: torch.where(u > 0, 1.0, 0.1))},
    ),
    Break(
        "tangent/limit-spectrum",
        "ReLU, x and 2x",
        "noise missing in K1",
        {f"{EXACT}.fresh": without_noise},
    ),
    Break(
        "tangent/limit-spectrum",
        "erf, x and -x",
        "K2 in place of K1",
        {f"{EXACT}.fresh": SHARED},
    ),
    Break(
        "tangent/limit-spectrum",
        "ReLU, x and 2x",
        "noise missing in the network of shared noise",
        {f"{SPECTRUM}.shared_inputs": lambda X, spread: shared_inputs(X, 0 * spread)},
    ),
    Break(
        "tangent/limit-spectrum",
        "erf, four inputs of one norm",
        "precision in place of variance",
        {f"{EXACT}._noise": inverse_noise},
    ),
    Break(
        "tangent/kernel-entry",
        "erf, two inputs",
        "fresh noise is frozen to each input, and the frozen one shared",
        {f"{NETWORK}.tangent_entries": lambda W, X, one, _, s, phi: tangent_entries(W, X, one[:1], one[:1], s, phi)},
    ),
    Break(
        "tangent/kernel-entry",
        "ReLU, two inputs",
        "weights of random signs",
        {f"{NETWORK}.tangent_entries": lambda W, X, *rest: tangent_entries(W.sign(), X, *rest)},
    ),
    Break(
        "tangent/kernel-entry",
        "erf, one input",
        "weights of variance 1.2",
        {f"{NETWORK}.tangent_entries": lambda W, X, *rest: tangent_entries(1.2**0.5 * W, X, *rest)},
    ),
    Break(
        "tangent/kernel-entry",
        "erf, one input",
        "noise missing in the outputs",
        {f"{NETWORK}.neuron_outputs": lambda W, X, noise, s, phi: neuron_outputs(W, X, 0 * noise, s, phi)},
    ),
    Break(
        "tangent/kernel-entry",
        "ReLU, one input",
        "half as much noise again in the outputs",
        {f"{NETWORK}.neuron_outputs": lambda W, X, noise, s, phi: neuron_outputs(W, X, 1.5 * noise, s, phi)},
    ),
    Break(
        "tangent/kernel-matrix",
        "ReLU, 16 neurons, no noise",
        "all neurons are copies of one",
        {f"{NETWORK}.tangent_kernel": lambda W, X, s, phi: tangent_kernel(W[:1], X, s, phi)},
    ),
    Break(
        "tangent/kernel-matrix",
        "ReLU, width 256, orthogonal-ish inputs",
        "one neuron, 256 times",
        {f"{NETWORK}.tangent_kernel": lambda W, X, s, phi: tangent_kernel(W[:1], X, s, phi)},
    ),
    Break(
        "tangent/kernel-matrix",
        "erf, width 64",
        "slopes not averaged over the noise",
        {f"{NETWORK}.tangent_kernel": lambda W, X, s, phi: tangent_kernel(W, X, 0 * s, phi)},
    ),
    Break(
        "tangent/kernel-matrix",
        "ReLU, width 256, orthogonal-ish inputs",
        "slopes of erf",
        {f"{NETWORK}.tangent_kernel": lambda W, X, s, _: tangent_kernel(W, X, s, ERF)},
    ),
    Break(
        "tangent/noisy-loss",
        "erf, two neurons",
        "output weights of variance four",
        {f"{FLOOR}.random_start": doubled_signs},
    ),
    Break(
        "tangent/noisy-loss",
        "ReLU, two neurons",
        "the averaged output takes the noise for absent",
        {f"{TRAINING}.WideNetwork.output": plain_output},
    ),
    Break(
        "tangent/noisy-loss",
        "ReLU, one neuron on digits",
        "deviation in place of variance",
        {f"{TRAINING}.output_variance": lambda u, s, phi: output_variance(u, s, phi).sqrt()},
    ),
    Break(
        "tangent/noise-floor",
        "erf, width 2048",
        "not trained",
        {f"{TRAINING}.NoisyTraining.gradient": untrained},
    ),
    Break(
        "tangent/noise-floor",
        "ReLU, width 2048",
        "outputs without noise while the loss has it",
        {f"{TRAINING}.WideNetwork.output": plain_output, f"{TRAINING}.NoisyTraining.gradient": untrained},
    ),
    Break(
        "tangent/noise-protocols",
        "fresh noise, width 2048",
        "no noise in training",
        {f"{TRAINING}.WideNetwork._slopes": slopes_without_noise, f"{TRAINING}.WideNetwork.output": plain_output},
    ),
    Break(
        "tangent/noise-protocols",
        "shared noise, tiny residual",
        "noise dropped from the frozen network",
        {f"{TRAINING}.WideNetwork._preactivation": noise_dropped},
    ),
    Break(
        "tangent/noise-protocols",
        "noise frozen to each input, tiny residual",
        "one draw for all inputs",
        {f"{TRAINING}.WideNetwork._preactivation": first_row_for_all},
    ),
    Break(
        "tangent/noise-protocols",
        "fresh noise, width 2048",
        "not trained",
        {f"{TRAINING}.NoisyTraining.gradient": untrained},
    ),
    Break(
        "tangent/noisy-start",
        "one input for a short time",
        "all neurons are copies of one",
        {
            f"{PROTOCOLS}.tangent_blocks": lambda slopes, signs, X: tangent_blocks(
                slopes[:, :1].expand_as(slopes), signs[:, :1].expand_as(signs), X
            )
        },
    ),
    Break(
        "tangent/noisy-start",
        "three inputs, fresh noise",
        "half the noise in the outputs' variance",
        {f"{PROTOCOLS}.output_variance": lambda u, s, phi: output_variance(u, s / 2, phi)},
    ),
    Break(
        "tangent/perceptron-kernel",
        "erf, four layers, two outputs",
        "first layer left out",
        {f"{PERCEPTRON}.tangent_gram": without_first_layer},
    ),
    Break(
        "tangent/perceptron-kernel",
        "ReLU, two layers, one output",
        "slope of another activation in the layerwise sum",
        {f"{PERCEPTRON}.tangent_gram": lambda W, X, _: tangent_gram(W, X, replace(RELU, slope=ERF.slope))},
    ),
    Break(
        "tangent/perceptron-kernel",
        "erf, three layers on digits",
        "outputs of another activation",
        {f"{PERCEPTRON}.output": lambda W, X, _: output(W, X, RELU)},
    ),
)
