"""Expected losses of noisy networks: by quadrature over the noise at widths 1 and 2, and after training wide ones."""

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from elbound.impl.kernels import fresh_noise_kernel, variance_floor
from elbound.impl.output_variance import variance_steepness
from elbound.impl.wide_training import NoisyTraining, curvature_bound, random_start
from elbound.properties.datasets import table
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.experiments.noise_protocols import ACTIVATIONS, trained
from elbound.properties.experiments.wide_training import EPS, normals
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Scalar, Space
from elbound.theory import settings, symbols

# Beyond 12 deviations 1e-32 is cut off; on each side of the kink Gauss-Legendre with 100 nodes is at rounding, which
# in sums of 4e4 terms stays below 1e-11 of the value.
REACH, NODES, QUADRATURE = 12.0, 100, 1e-10
# Closed forms by erf, Phi and Owen's T: a few dozen roundings, and cancellation in E phi^2 - phi_s^2.
CLOSED = 1e-12


def narrow(configuration: Configuration, X: Tensor) -> NoisyTraining:
    """A random start of a network that is to return these data."""
    c: Any = configuration
    shape = (X.shape[1], c["m"], X.shape[1])
    network, W = random_start(shape, c["s_z"], ACTIVATIONS[c["activation"]], c["seed"])
    return NoisyTraining(network, X, X, W)


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
    total, net = 0.0, training.network
    for x, y in zip(training.X, training.y, strict=True):
        rules = [noise_rule(-float(u) / net.s if net.s else 0.0) for u in W @ x]
        grid = torch.cartesian_prod(*(z for z, _ in rules)).reshape(-1, len(W))
        weight = torch.cartesian_prod(*(w for _, w in rules)).reshape(-1, len(W)).prod(1)
        hidden = net.activation.value(W @ x + net.s * grid)
        residual = hidden @ net.signs.T / math.sqrt(len(W)) - y
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
        X = normals(c["seed"], "floor data", shape) if gaussian else table(context, c["data"], *shape, c["seed"])
        training = narrow(configuration, X)
        W, quiet = training.start, replace(training.network, s=0.0) if fault else training.network
        size = 1 + float(X.square().sum() + (X @ W.T).square().sum()) + len(X) * c["s_z"] ** 2
        parts = {
            symbols.loss_mean: float((quiet.output(W, X) - X).square().sum()) / 2,
            symbols.loss_spread: float(training.spread(W)),
        }
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
            Choice("m", (256, 1024, 2048)),
            Linear("s_z", 0.3, 1.5),
            Linear("norm", 0.6, 1.6),
            Linear("rate times time", 0.5, 6.0),
            Count("seed", 0, 2**16),
        )
    )
    _wide: ClassVar[dict[str, Scalar]] = {
        "activation": "erf",
        "N": 3,
        "m": 2048,
        "s_z": 1.0,
        "norm": 1.0,
        "rate times time": 3.0,
        "seed": 1,
    }
    instances = {
        "erf, width 2048": _wide,
        "ReLU, width 2048": _wide | {"activation": "ReLU"},
    }
    faults = {"averaged output's loss alone": "erf, width 2048"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        training, s = _autoencoder(configuration), float(configuration["s_z"])
        net, X, W = training.network, training.X, training.start
        least = float(torch.linalg.eigvalsh(fresh_noise_kernel(X, X, s, net.activation))[0])
        spectrum = torch.linalg.eigvalsh(net.tangent(W, X))
        values = {
            symbols.N: len(X),
            symbols.d: X.shape[1],
            symbols.m: len(W),
            symbols.s_z: s,
            symbols.phi_2: curvature_bound(net.activation, s),
            symbols.x_max: float(X.norm(dim=1).max()),
            symbols.G_norm: float(torch.linalg.matrix_norm(X, 2)) ** 2,
            symbols.lambda_0: least,
            symbols.tau: float(configuration["rate times time"]) / least,
            symbols.floor: X.shape[1] / 2 * float(variance_floor(X, s, net.activation).sum()),
            symbols.r_0: float(training.residual(W).norm()),
            symbols.least_eigenvalue: float(spectrum[0]) - 16 * len(spectrum) * EPS * float(spectrum[-1]),
            symbols.theta_top: float(spectrum[-1]),
            symbols.v_1: variance_steepness(s, net.activation)[0],
            symbols.spread_start: float(training.spread(W)),
        }
        return Situation(values, precision=1e-12)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        training = _autoencoder(configuration)
        time = self.situation(configuration, context).values[symbols.tau]
        end, miss = trained(training, time)

        # The loss moves by its gradient times the weights' error, and rounds like a sum of its terms.
        def loss(W: Tensor, error: float) -> Interval:
            value = float(training.loss(W) - (training.spread(W) if fault else 0.0))
            return Interval.around(value, (float(training.gradient(W).norm()) + error) * error + CLOSED * (1 + value))

        return Exact(
            {symbols.loss_start: loss(training.start, 0.0), symbols.loss_trained: loss(end, miss)}, basis="integrated"
        )


def _autoencoder(configuration: Configuration) -> NoisyTraining:
    """N orthogonal inputs of one norm in four dimensions, their own targets, and an antisymmetric start."""
    c: Any = configuration
    rotation, _ = torch.linalg.qr(normals(c["seed"], "floor inputs", (4, 4)))
    X: Tensor = c["norm"] * rotation[: c["N"]]
    start = random_start((4, c["m"], 4), c["s_z"], ACTIVATIONS[c["activation"]], c["seed"], antisymmetric=True)
    return NoisyTraining(start[0], X, X, start[1])


NOISY_LOSS = NoisyLoss()
NOISE_FLOOR = NoiseFloor()
