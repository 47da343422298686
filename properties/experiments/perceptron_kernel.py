"""Layerwise tangent kernels of multilayer perceptrons beside the contraction of their Jacobian from torch.func."""

from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from elbound.impl.kernels import ERF, RELU, Activation
from elbound.impl.noise import GAUSSIAN, Stream, words
from elbound.impl.tangent_gram import layer_grams, output, tangent_gram
from elbound.properties.datasets import table
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.spaces import Choice, Configuration, Count, LogarithmicCount, Scalar, Space
from elbound.theory import settings, symbols

EPS = 2.0**-53
ACTIVATIONS: dict[str, Activation] = {"ReLU": RELU, "erf": ERF}


def network(configuration: Configuration, context: Context) -> tuple[list[Tensor], Tensor]:
    """Standard normal weights, first to last, and inputs, a function of the configuration alone."""
    c: Any = configuration
    fans = [c["p"], *([c["m"]] * (c["layers"] - 1)), c["d"]]
    weights = [_normals(c["seed"], j, (out, into)) for j, (into, out) in enumerate(pairwise(fans))]
    X = table(context, "digits", c["N"], c["p"], c["seed"]) if c["inputs"] == "digits" else None
    return weights, _normals(c["seed"], len(fans), (c["N"], c["p"])) if X is None else X


def _normals(seed: int, part: int, shape: tuple[int, int]) -> Tensor:
    size = shape[0] * shape[1]
    drawn = GAUSSIAN.sample(words(Stream.named("perceptron", seed), (0, 1), part, -(-size // 4)), torch.float64)
    return drawn[:size, 0].reshape(shape)


def jacobian_shares(weights: list[Tensor], X: Tensor, activation: Activation) -> list[Tensor]:
    """Each layer's J J^T, first layer first, by reverse differentiation of one output at a time."""
    jacobians = vmap(jacrev(lambda w, x: output(w, x[None], activation)[0]), in_dims=(None, 0))(weights, X)
    flat = [part.flatten(0, 1).flatten(1) for part in jacobians]
    return [part @ part.T for part in flat]


def rounding(weights: list[Tensor], X: Tensor, activation: Activation) -> Tensor:
    """A bound on the rounding error of every entry, layerwise or by the Jacobian: first-order errors, doubled.

    An inner product of length l errs by (l + 8) eps of its absolute terms, the last bits of phi and phi' included.
    Errors pass through phi and phi' with slopes of at most b = sup |phi'| (erf: |phi''| <= 0.98 < b); a step near its
    jump errs by 1.
    """
    b, back = activation.slope_bound(0.0), torch.eye(len(weights[-1]), dtype=X.dtype).repeat(len(X), 1)
    entering, slopes = [(X, torch.zeros_like(X))], []
    for W in weights[:-1]:
        pre, away = _product(*entering[-1], W / W.shape[1] ** 0.5)
        slope = activation.slope(pre)
        slopes.append((slope, b * away if activation is ERF else (pre.abs() <= away).to(pre.dtype)))
        entering.append((activation.value(pre), b * away))
    pulled = back, torch.zeros_like(back)
    total = torch.zeros(len(back), len(back), dtype=X.dtype)
    for W in reversed(weights):
        d = len(back) // len(X)
        grams = [_product(*x, *x) for x in (entering.pop(), pulled)]
        (G, dG), (P, dP) = [x.repeat_interleave(d, 0).repeat_interleave(d, 1) for x in grams[0]], grams[1]
        total += (dG * P.abs() + G.abs() * dP) / W.shape[1]
        if slopes:
            signal, away = _product(*pulled, W.T / W.shape[1] ** 0.5)
            slope, off = (x.repeat_interleave(d, 0) for x in slopes.pop())
            pulled = signal * slope, away * slope + signal.abs() * off
    return 2 * total


def _product(A: Tensor, dA: Tensor, B: Tensor, dB: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """A B^T and the error it has from those of A and B and its own rounding."""
    longest = (B.shape[1] + 8) * 2 * EPS
    error = dA @ B.abs().T + longest * A.abs() @ B.abs().T
    return A @ B.T, error if dB is None else error + A.abs() @ dB.T


class PerceptronKernel(Experiment):
    """The entry where layerwise sum and Jacobian contraction differ most, from both, with each layer's share."""

    key = "tangent/perceptron-kernel"
    title = "torch.func as oracle"
    setting = settings.PERCEPTRON_KERNEL
    share = 0.3
    space = Space(
        (
            Choice("activation", ("erf", "ReLU")),
            Choice("inputs", ("Gaussian", "digits")),
            Count("layers", 1, 5),
            Count("N", 1, 6),
            LogarithmicCount("p", 1, 8),
            LogarithmicCount("m", 1, 24),
            Count("d", 1, 3),
            Count("seed", 0, 2**16),
        )
    )
    _deep: ClassVar[dict[str, Scalar]] = {
        "activation": "erf",
        "inputs": "Gaussian",
        "layers": 4,
        "N": 4,
        "p": 5,
        "m": 16,
        "d": 2,
        "seed": 1,
    }
    instances = {
        "erf, four layers, two outputs": _deep,
        "ReLU, four layers, two outputs": _deep | {"activation": "ReLU"},
        "ReLU, two layers, one output": _deep | {"activation": "ReLU", "layers": 2, "d": 1},
        "erf, three layers on digits": _deep | {"inputs": "digits", "layers": 3, "p": 8, "d": 3},
        "one layer": _deep | {"layers": 1},
    }
    faults = {
        "first layer missing": "erf, four layers, two outputs",
        "hidden layer missing": "ReLU, four layers, two outputs",
        "output layer missing": "erf, three layers on digits",
    }

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        c: Any = configuration
        return Situation(
            {symbols.N: c["N"], symbols.d: c["d"], symbols.m: c["m"], symbols.n_layers: c["layers"]}, precision=0.0
        )

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        weights, X = network(configuration, context)
        activation = ACTIVATIONS[str(configuration["activation"])]
        found = tangent_gram(weights, X, activation)
        if fault:
            place = {"output": 0, "hidden": 1, "first": len(weights) - 1}[fault.split()[0]]
            found = found - list(layer_grams(weights, X, activation))[place]
        shares = jacobian_shares(weights, X, activation)
        whole, error = sum(shares, torch.zeros_like(found)), rounding(weights, X, activation).flatten()
        worst = int((found - whole).abs().argmax())
        entries = {
            symbols.k_layers: found,
            symbols.k_jacobian: whole,
            symbols.k_first: shares[0],
            symbols.k_last: shares[-1],
        }
        return Exact({k: Interval.around(float(x.flatten()[worst]), float(error[worst])) for k, x in entries.items()})


PERCEPTRON_KERNEL = PerceptronKernel()
