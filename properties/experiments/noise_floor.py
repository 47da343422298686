"""Expected losses of noisy networks: by quadrature over the noise at widths 1 and 2, and after training wide ones."""

import math
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from elbound.impl.kernels import ERF, RELU, Activation, fresh_noise_kernel, variance_floor
from elbound.impl.noise import RADEMACHER
from elbound.impl.noise_protocols import NoisyTraining, flow
from elbound.properties.datasets import table
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.experiments.noise_protocols import INTEGRATION, STEP, drawn
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Scalar, Space
from elbound.theory import settings, symbols

ACTIVATIONS: dict[str, Activation] = {"erf": ERF, "ReLU": RELU}
# Beyond 12 deviations 1e-32 is cut off; on each side of the kink Gauss-Legendre with 100 nodes is at rounding, which
# in sums of 4e4 terms stays below 1e-11 of the value.
REACH, NODES, QUADRATURE = 12.0, 100, 1e-10
# Closed forms by erf, Phi and Owen's T: a few dozen roundings, and cancellation in E phi^2 - phi_s^2.
CLOSED = 1e-12


def noisy(configuration: Configuration, X: Tensor, y: Tensor) -> tuple[NoisyTraining, Tensor]:
    """A network of +-1 output weights on these data, and its standard normal weights."""
    c: Any = configuration
    signs = drawn("floor signs", c["seed"], (y.shape[1], c["m"]), RADEMACHER)
    training = NoisyTraining(X, y, signs, c["s_z"], ACTIVATIONS[c["activation"]])
    return training, drawn("floor weights", c["seed"], (c["m"], X.shape[1]))


def noise_rule(kink: float) -> tuple[Tensor, Tensor]:
    """Nodes and weights for the standard normal law, the interval split at a kink."""
    nodes, weights = (torch.from_numpy(x) for x in np.polynomial.legendre.leggauss(NODES))
    ends = (-REACH, min(max(kink, -REACH), REACH), REACH)
    halves = [((b - a) / 2, (a + b) / 2) for a, b in pairwise(ends)]
    z = torch.cat([half * nodes + middle for half, middle in halves])
    density = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return z, density * torch.cat([half * weights for half, _ in halves])


def expected_loss(training: NoisyTraining, W: Tensor) -> float:
    """Half the mean squared residual over the noise of every neuron, input by input: the definition."""
    total = 0.0
    for x, y in zip(training.X, training.y, strict=True):
        rules = [noise_rule(-float(u) / training.s if training.s else 0.0) for u in W @ x]
        grid = torch.cartesian_prod(*(z for z, _ in rules)).reshape(-1, len(W))
        weight = torch.cartesian_prod(*(w for _, w in rules)).reshape(-1, len(W)).prod(1)
        hidden = training.activation.value(W @ x + training.s * grid)
        residual = hidden @ training.signs.T / math.sqrt(len(W)) - y
        total += float(weight @ residual.square().sum(1)) / 2
    return total


class NoisyLoss(Experiment):
    """The expected loss at random weights by quadrature, beside its two parts in closed form."""

    key = "tangent/noisy-loss"
    title = "quadrature over the noise"
    setting = settings.NOISY_LOSS
    space = Space(
        (
            Choice("activation", ("erf", "ReLU")),
            Choice("data", ("Gaussian", "digits")),
            Count("N", 1, 3),
            Count("d", 1, 4),
            Count("m", 1, 2),
            Linear("s_z", 0.0, 2.0),
            Count("seed", 0, 2**16),
        )
    )
    _two: ClassVar[dict[str, Scalar]] = {
        "activation": "erf",
        "data": "Gaussian",
        "N": 2,
        "d": 3,
        "m": 2,
        "s_z": 1.0,
        "seed": 1,
    }
    instances = {
        "erf, two neurons": _two,
        "ReLU, two neurons": _two | {"activation": "ReLU"},
        "ReLU, one neuron on digits": _two | {"activation": "ReLU", "data": "digits", "m": 1, "d": 4},
    }
    faults = {"noise left out of the averaged output": "erf, two neurons"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        c: Any = configuration
        values = {symbols.N: c["N"], symbols.d: c["d"], symbols.m: c["m"], symbols.s_z: c["s_z"]}
        return Situation(values)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        c: Any = configuration
        gaussian = c["data"] == "Gaussian"
        shape = (c["N"], c["d"])
        X = drawn("floor data", c["seed"], shape) if gaussian else table(context, c["data"], *shape, c["seed"])
        training, W = noisy(configuration, X, X)
        quiet = NoisyTraining(X, X, training.signs, 0.0, training.activation) if fault else training
        size = 1 + float(X.square().sum() + (X @ W.T).square().sum()) + len(X) * c["s_z"] ** 2
        parts = {symbols.loss_mean: float(quiet.bias(W)), symbols.loss_spread: float(training.variance(W))}
        closed = {k: Interval.around(x, CLOSED * size) for k, x in parts.items()}
        whole = expected_loss(training, W)
        return Exact(closed | {symbols.loss_noisy: Interval.around(whole, QUADRATURE * whole + CLOSED * size)})


class NoiseFloor(Experiment):
    """Gradient flow on the expected loss of an autoencoder of orthogonal inputs, its loss before and after."""

    key = "tangent/noise-floor"
    title = "training wide networks"
    setting = settings.NOISE_FLOOR
    share = 0.25
    space = Space(
        (
            Choice("activation", ("erf", "ReLU")),
            Count("N", 1, 3),
            Choice("m", (1024, 2048, 4096)),
            Linear("s_z", 0.3, 1.5),
            Linear("norm", 0.8, 1.6),
            Linear("rate times time", 0.5, 6.0),
            Count("seed", 0, 2**16),
        )
    )
    _wide: ClassVar[dict[str, Scalar]] = {
        "activation": "erf",
        "N": 3,
        "m": 4096,
        "s_z": 1.0,
        "norm": 1.5,
        "rate times time": 5.0,
        "seed": 1,
    }
    instances = {
        "erf, width 4096": _wide,
        "ReLU, width 4096": _wide | {"activation": "ReLU"},
    }
    faults = {"averaged output's loss alone": "erf, width 4096"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        c: Any = configuration
        X, activation = _orthogonal(configuration), ACTIVATIONS[str(c["activation"])]
        least = float(torch.linalg.eigvalsh(fresh_noise_kernel(X, X, c["s_z"], activation))[0])
        values = {
            symbols.N: len(X),
            symbols.d: X.shape[1],
            symbols.m: c["m"],
            symbols.s_z: c["s_z"],
            symbols.lambda_0: least,
            symbols.tau: c["rate times time"] / least,
            symbols.floor: X.shape[1] / 2 * float(variance_floor(X, c["s_z"], activation).sum()),
        }
        return Situation(values, precision=1e-12)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        c: Any = configuration
        X = _orthogonal(configuration)
        training, start = noisy(configuration, X, X)
        kernel = fresh_noise_kernel(X, X, c["s_z"], training.activation)
        rates = torch.linalg.eigvalsh(kernel)
        end = flow(training.expected_gradient, start, c["rate times time"] / float(rates[0]), STEP / float(rates[-1]))

        def loss(W: Tensor) -> Interval:
            value = float(training.bias(W) + (0.0 if fault else training.variance(W)))
            return Interval.around(value, INTEGRATION * value)

        return Exact(
            {symbols.loss_start: loss(start), symbols.loss_trained: loss(end)}, basis="exact, up to integration"
        )


def _orthogonal(configuration: Configuration) -> Tensor:
    """N orthogonal inputs of one norm in four dimensions."""
    c: Any = configuration
    rotation, _ = torch.linalg.qr(drawn("floor inputs", c["seed"], (4, 4)))
    inputs: Tensor = c["norm"] * rotation[: c["N"]]
    return inputs


NOISY_LOSS = NoisyLoss()
NOISE_FLOOR = NoiseFloor()
