"""Noisy networks of growing width, trained two ways: how far each is from its limits."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from elbound.impl.kernels import ERF, RELU, Activation, fresh_noise_kernel
from elbound.impl.linearised import descent_beside_linear
from elbound.impl.ridge import KernelFlow
from elbound.impl.wide_training import WideTraining, random_start, stationary_point
from elbound.properties.datasets import table
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import At, Context, Experiment, Series, Situation
from elbound.properties.experiments.wide_training import normals
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, Scalar, Space
from elbound.theory import settings, symbols

ACTIVATIONS: dict[str, Activation] = {"ReLU": RELU, "erf": ERF}
GRID, NETWORKS, TEST_POINTS = (64, 128, 256, 512, 1024, 2048), 64, 3
# Descent with step 1 / (2 |Theta|) for this many steps, its kernel looked at after every fifth.
STEPS, EVERY = 50, 5
# The stationary point is found up to this gradient. Times |J| <= 2 over half the ridge it moves the outputs by 2e-8,
# a thousandth of the smallest distance; roundings of sums of thousands of terms are far below that. On inputs far apart
# in size rounding stops progress earlier: what is left at SETTLED is still a tenth of that distance.
GRADIENT, SETTLED, PRECISION = 1e-9, 1e-7, 1e-3


@dataclass(frozen=True)
class Task:
    """Inputs X [N, p], test inputs, first residual [N, d], noise, activation, ridge.

    Targets are given by the first residual, so that the random first output does not scatter what is measured.
    """

    X: Tensor
    X_test: Tensor
    residual: Tensor
    s: float
    activation: Activation
    ridge: float

    @staticmethod
    def of(configuration: Configuration, context: Context) -> "Task":
        c: Any = configuration
        count = c["N"] + TEST_POINTS
        if c["data"] == "spherical":
            inputs = normals(c["seed"], "inputs", (count, 4))
            inputs = inputs / inputs.norm(dim=1, keepdim=True)
            drawn = normals(c["seed"], "targets", (c["N"], c["d"]))
            residual = 2 * drawn / drawn.norm()
        else:
            pixels = table(context, c["data"], count, c["d"], c["seed"])
            # A constant beside the pixels, as a blank image has no direction; what training adds is to be both.
            inputs = torch.cat((pixels, torch.ones_like(pixels[:, :1])), dim=1)
            inputs = inputs / inputs.norm(dim=1).mean()
            residual = inputs
        # A user's table may be short; one of its rows at least is kept for the test.
        kept = min(c["N"], len(inputs) - 1)
        return Task(inputs[:kept], inputs[kept:], residual[:kept], c["s_z"], ACTIVATIONS[c["activation"]], c["ridge"])

    @property
    def outputs(self) -> int:
        return self.residual.shape[1]

    def limit(self, X: Tensor) -> Tensor:
        """The limit kernel between X and the data, the same for each output."""
        kernel = fresh_noise_kernel(X, self.X, self.s, self.activation)
        return torch.kron(kernel, torch.eye(self.outputs, dtype=kernel.dtype))

    @cached_property
    def kernels(self) -> tuple[Tensor, Tensor]:
        return self.limit(self.X), self.limit(self.X_test)

    @cached_property
    def size(self) -> float:
        """Operator norm of the limit kernel."""
        return float(torch.linalg.matrix_norm(self.kernels[0], 2))

    def distances(self, width: int, seed: int, factor: float = 1.0) -> dict[Any, float]:
        """All observables of one network, relative to the limit kernel or to the first residual.

        The factor is a fault: the regressions' ridge over that of the training.
        """
        net, W = random_start((self.outputs, width, self.X.shape[1]), self.s, self.activation, seed)
        training = WideTraining(net, self.X, net.output(W, self.X) + self.residual, W, self.ridge)
        size = float(self.residual.norm())
        departure = descent_beside_linear(training, 1 / (2 * self.size), STEPS, EVERY)
        off = float(torch.linalg.matrix_norm(net.tangent(W, self.X) - self.kernels[0], 2))
        found = {
            symbols.start_m: off / self.size,
            symbols.drift_m: departure.kernel / self.size,
            symbols.gap_m: departure.output / size,
        }
        return found | {symbol: away / size for symbol, away in self._regressions(training, factor).items()}

    def _regressions(self, training: WideTraining, factor: float) -> dict[Any, float]:
        """Distances of the network trained with the ridge from both regressions, at training and test points."""
        net, W = training.network, training.start
        end, gradient = stationary_point(training, GRADIENT)
        if not gradient <= SETTLED:
            raise ArithmeticError(f"training stopped at a gradient of {gradient:g}, above {SETTLED:g}")
        moved = [(net.output(end, X) - net.output(W, X)).flatten() for X in (self.X, self.X_test)]
        residual = self.residual.flatten()
        own = net.tangent(W, self.X), net.kernel(W, self.X_test, W, self.X)
        names = ((symbols.krr_m, symbols.test_m), (symbols.krr_inf, symbols.test_inf))
        found: dict[Any, float] = {}
        for kernels, pair in zip((own, self.kernels), names, strict=True):
            dual = KernelFlow.of(kernels[0], factor * self.ridge).coefficients(residual)
            found |= {s: float((f - K @ dual).norm()) for s, f, K in zip(pair, moved, kernels, strict=True)}
        return found


class Widths(Experiment):
    """Means over many networks of each width, with their standard errors; most are about a twentieth of the mean."""

    key = "tangent/widths"
    title = "networks of growing width"
    setting = settings.WIDTHS
    share = 0.04
    space = Space(
        (
            Choice("data", ("spherical", "digits")),
            Choice("activation", ("ReLU", "erf")),
            Count("N", 3, 6),
            Count("d", 1, 3),
            Linear("s_z", 0.5, 1.5),
            Logarithmic("ridge", 0.2, 2.0),
            Count("seed", 0, 2**16),
        )
    )
    _random: ClassVar[dict[str, Scalar]] = {
        "data": "spherical",
        "activation": "ReLU",
        "N": 5,
        "d": 2,
        "s_z": 1.0,
        "ridge": 1.0,
        "seed": 1,
    }
    instances = {
        "random targets, ReLU": _random,
        "random targets, erf": _random | {"activation": "erf", "s_z": 0.7, "ridge": 0.3},
        "digits autoencoded": _random | {"data": "digits", "N": 6, "d": 3, "ridge": 0.3},
    }
    faults = {"regressions with twice the ridge": "digits autoencoded"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        c: Any = configuration
        task = Task.of(configuration, context)
        values = {symbols.N: len(task.X), symbols.d: task.outputs, symbols.m: GRID[-1]}
        return Situation(values | {symbols.s_z: c["s_z"], symbols.ridge: c["ridge"]})

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Series:
        task, seed = Task.of(configuration, context), int(configuration["seed"])
        drawn: dict[int, list[dict[Any, float]]] = {}
        for k, width in enumerate(GRID):
            # Networks of different widths and numbers are independent draws.
            seeds = (seed + 2**17 * (k * NETWORKS + j) for j in range(NETWORKS))
            drawn[width] = [task.distances(width, each, 2.0 if fault else 1.0) for each in seeds]
        curves, scatter = {}, {}
        for symbol in settings.WIDTHS.observables:
            columns = np.array([[each[symbol] for each in drawn[width]] for width in GRID])
            means = columns.mean(1)
            scatter[symbol] = columns.std(1, ddof=1) / math.sqrt(NETWORKS) / means
            curves[symbol] = At(
                {w: Interval.around(mean, PRECISION * mean) for w, mean in zip(GRID, means.tolist(), strict=True)}
            )
        return Series(symbols.m, GRID, curves, scatter)


WIDTHS = Widths()
