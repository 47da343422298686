"""Noisy networks under three noise protocols: their kernels at random starts, and trained beside three predictions."""

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from elbound.impl.kernels import (
    ERF,
    RELU,
    Activation,
    fresh_noise_kernel,
    frozen_noise_kernel,
    frozen_second_moment,
    shared_noise_kernel,
    shared_second_moment,
    summand_second_moment,
    variance_floor,
)
from elbound.impl.noise import GAUSSIAN, RADEMACHER, Stream, words
from elbound.impl.output_variance import output_variance, variance_steepness
from elbound.impl.ridge import KernelFlow
from elbound.impl.wide_network import tangent_blocks
from elbound.impl.wide_training import NoisyTraining, WideTraining, curvature_bound, random_start
from elbound.properties.evidence.intervals import Interval, maximum
from elbound.properties.experiment import Context, Exact, Experiment, Sample, Situation
from elbound.properties.experiments.wide_training import EPS, normals
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, LogarithmicCount, Scalar, Space
from elbound.theory import settings, symbols

OUTPUTS, INPUT_DIM = 2, 4
ACTIVATIONS: dict[str, Activation] = {"erf": ERF, "ReLU": RELU}
# ReLU needs its noise averaged: with one draw its slope jumps, and every jump that training meets stops the integrator.
PROTOCOLS: dict[str, tuple[str, Activation]] = {
    "fresh": ("fresh", ERF),
    "shared": ("shared", ERF),
    "frozen": ("frozen", ERF),
    "fresh, ReLU": ("fresh", RELU),
}
FACTS = {"fresh": settings.FRESH_NOISE, "shared": settings.SHARED_NOISE, "frozen": settings.FROZEN_NOISE}
LIMITS = {
    "fresh": lambda X, s, activation: fresh_noise_kernel(X, X, s, activation),
    "shared": lambda X, s, activation: shared_noise_kernel(X, X, s, activation),
    "frozen": frozen_noise_kernel,
}
SECOND_MOMENTS = {
    "fresh": lambda X, s, activation: summand_second_moment(X, X, s, activation),
    "shared": shared_second_moment,
    "frozen": frozen_second_moment,
}
FAR = {"fresh": symbols.far_fresh, "shared": symbols.far_shared, "frozen": symbols.far_frozen}
# Closed forms and sums of a few thousand terms; eigenvectors of kernels of at most twelve rows.
PRECISION = 1e-10
# Integrated to this much per step: far below every margin.
TOLERANCE = 1e-9


def inputs(configuration: Configuration) -> Tensor:
    """Unit inputs [N, p]."""
    X = normals(int(configuration["seed"]), "protocol inputs", (int(configuration["N"]), INPUT_DIM))
    unit: Tensor = X / X.norm(dim=1, keepdim=True)
    return unit


def all_outputs(kernel: Tensor, outputs: int) -> Tensor:
    """The limit kernel of several outputs, datum major: they do not mix."""
    whole: Tensor = torch.kron(kernel, torch.eye(outputs, dtype=kernel.dtype, device=kernel.device))
    return whole


def offset_squared(difference: Tensor, limit: Tensor, unit: Tensor, time: float) -> Tensor:
    """tau int_0^tau |M exp(-K s) v|^2 ds for M [n, n, ...], the limit kernel K [n, n], a vector v [n] and the time.

    In K's eigenvectors the integral is a quadratic form in the images of v's modes, whose entries are integrals of
    exponentials.
    """
    rates, vectors = torch.linalg.eigh(limit)
    images = torch.tensordot(vectors * (vectors.T @ unit), difference, dims=([0], [1]))
    total = (rates[:, None] + rates).clamp(min=0)
    safe = torch.where(total > 0, total, torch.ones_like(total))
    integrals = torch.where(total > 0, -torch.expm1(-safe * time) / safe, torch.full_like(total, time))
    form = torch.tensordot(integrals, images, dims=([1], [0]))
    squared: Tensor = time * (form * images).sum((0, 1))
    return squared


@dataclass(frozen=True)
class Protocol:
    """One training problem under one protocol: first residual f_0 - y [N, d], kernels of limit and start."""

    training: WideTraining
    residual: Tensor
    time: float

    @staticmethod
    def of(configuration: Configuration, noise: str, activation: Activation) -> "Protocol":
        c: Any = configuration
        X = inputs(configuration)
        network, W = random_start((OUTPUTS, c["m"], INPUT_DIM), c["s_z"], activation, c["seed"])
        if noise != "fresh":
            rows = len(X) if noise == "frozen" else 1
            network = replace(network, frozen=normals(c["seed"], "protocol noise", (rows, c["m"])))
        drawn = normals(c["seed"], "protocol residual", (len(X), OUTPUTS))
        residual = c["residual"] * drawn / drawn.norm()
        kind = NoisyTraining if noise == "fresh" else WideTraining
        return Protocol(kind(network, X, network.output(W, X) - residual, W), residual, c["time"])

    @property
    def tangent(self) -> Tensor:
        return self.training.network.tangent(self.training.start, self.training.X)

    def after(self) -> tuple[Tensor, float]:
        """Outputs at the end, and how far off the integrator may have left them."""
        W, error = trained(self.training, self.time)
        net, X = self.training.network, self.training.X
        rounding = 64 * EPS * math.sqrt(len(W) * self.residual.numel())
        return net.output(W, X), net.jacobian_bound(X) * error + rounding


def trained(training: WideTraining, time: float) -> tuple[Tensor, float]:
    """Weights after gradient flow, and the integrator's error in them."""
    paths, _, errors = training.flow([time], tolerance=TOLERANCE)
    net, X = training.network, training.X
    # The Hessian is at least -(L_J |r| + sup |v''| d |G| / (2 m)), and |r| rises by at most tau |J| |grad P|.
    first, second = variance_steepness(net.s, net.activation) if isinstance(training, NoisyTraining) else (0.0, 0.0)
    d, m = net.signs.shape
    gram = float(torch.linalg.matrix_norm(X, 2)) ** 2
    rise = time * net.jacobian_bound(X) * d * first * math.sqrt(len(X) * gram / m) / 2
    reach = float(training.residual(training.start).norm()) + rise
    rate = net.jacobian_lipschitz(X) * reach + second * d * gram / (2 * m)
    return paths[-1], float(errors[-1]) * math.exp(min(rate * time, 600.0))


class NoiseProtocols(Experiment):
    """One training under one protocol, compared with K1, K2 and K3."""

    key = "tangent/noise-protocols"
    title = "training beside three linear predictions"
    setting = settings.NOISE_PROTOCOL
    share = 0.25
    space = Space(
        (
            Choice("protocol", tuple(PROTOCOLS)),
            Count("N", 1, 6),
            Choice("m", (2, 8, 1024, 2048, 4096)),
            Linear("s_z", 0.5, 4.0),
            Linear("time", 0.5, 4.0),
            Logarithmic("residual", 1e-3, 4.0),
            Count("seed", 0, 2**16),
        )
    )
    _six: ClassVar[dict[str, Scalar]] = {
        "protocol": "fresh",
        "N": 6,
        "m": 4096,
        "s_z": 1.0,
        "time": 4.0,
        "residual": 0.2,
        "seed": 1,
    }
    _small: ClassVar[dict[str, Scalar]] = {"residual": 1e-3}
    _two: ClassVar[dict[str, Scalar]] = _six | {"N": 1, "m": 2, "time": 0.5, "residual": 2.0}
    instances = {
        "two neurons that much shared noise leaves steep": _two | {"protocol": "shared", "s_z": 3.0, "seed": 2000},
        "two neurons that much frozen noise leaves steep": _two | {"protocol": "frozen", "s_z": 4.0, "seed": 2603},
        "fresh noise, width 2048": _six | {"m": 2048},
        "shared noise, width 4096": _six | {"protocol": "shared", "residual": 0.02},
        "noise frozen to each input, width 4096": _six | {"protocol": "frozen", "residual": 0.02},
        "fresh noise, ReLU": _six | {"protocol": "fresh, ReLU", "m": 2048},
        "fresh noise, tiny residual": _six | _small | {"m": 1024},
        "shared noise, tiny residual": _six | {"protocol": "shared"} | _small,
        "noise frozen to each input, tiny residual": _six | {"protocol": "frozen"} | _small,
    }
    faults = {"noise shared after all": "fresh noise, width 2048"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        c: Any = configuration
        noise, activation = PROTOCOLS[c["protocol"]]
        problem = Protocol.of(configuration, noise, activation)
        training, net, X = problem.training, problem.training.network, problem.training.X
        size, tangent = float(problem.residual.norm()), problem.tangent
        limit = all_outputs(LIMITS[noise](X, net.s, activation), OUTPUTS)
        unit = (problem.residual / size).flatten()
        pull, steepness = 0.0, (0.0, 0.0)
        if isinstance(training, NoisyTraining):
            steepness = variance_steepness(net.s, activation)
            pull = float(net.push(training.start, X, training.spread_gradient(training.start)).norm())
        values = {
            symbols.N: len(X),
            symbols.d: OUTPUTS,
            symbols.m: c["m"],
            symbols.s_z: net.s,
            symbols.tau: problem.time,
            symbols.r_0: size,
            symbols.phi_2: curvature_bound(activation, net.s),
            symbols.phi_2_plain: curvature_bound(activation, 0.0),
            symbols.x_max: float(X.norm(dim=1).max()),
            symbols.G_norm: float(torch.linalg.matrix_norm(X, 2)) ** 2,
            symbols.theta_top: float(torch.linalg.eigvalsh(tangent)[-1]),
            symbols.v_1: steepness[0],
            symbols.v_2: steepness[1],
            symbols.spread_pull: pull,
            symbols.offset: math.sqrt(float(offset_squared(tangent - limit, limit, unit, problem.time))),
        }
        facts = {FACTS[noise], *([settings.ERF] if activation is ERF else [])}
        return Situation(values, frozenset(facts), precision=PRECISION)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        noise, activation = PROTOCOLS[str(configuration["protocol"])]
        problem = Protocol.of(configuration, "shared" if fault else noise, activation)
        training, size = problem.training, float(problem.residual.norm())
        after, error = problem.after()
        far = {}
        for protocol, limit in LIMITS.items():
            kernel = all_outputs(limit(training.X, training.network.s, training.network.activation), OUTPUTS)
            left = KernelFlow.of(kernel, 0.0).residual(problem.residual.flatten(), problem.time)
            distance = float((after - training.y - left.view_as(after)).norm())
            far[FAR[protocol]] = maximum(Interval.around(distance / size, (error + PRECISION * size) / size), 0.0)
        return Exact(far, basis="integrated")


class NoisyStart(Experiment):
    """Random starts of narrow noisy networks: kernels beside their limit, their outputs' variance beside the floor."""

    key = "tangent/noisy-start"
    title = "random starts of noisy networks"
    setting = settings.NOISY_START
    space = Space(
        (
            Choice("protocol", ("fresh", "shared", "frozen")),
            Choice("activation", ("erf", "ReLU")),
            Count("N", 1, 4),
            Count("d", 1, 3),
            LogarithmicCount("m", 1, 64),
            Linear("s_z", 0.1, 1.5),
            Linear("time", 0.1, 4.0),
            Count("seed", 0, 2**16),
        )
    )
    _one: ClassVar[dict[str, Scalar]] = {
        "protocol": "fresh",
        "activation": "erf",
        "N": 1,
        "d": 1,
        "m": 2,
        "s_z": 0.5,
        "time": 0.05,
        "seed": 1,
    }
    _three: ClassVar[dict[str, Scalar]] = _one | {"N": 3, "d": 2, "m": 32, "s_z": 1.0, "time": 2.0}
    instances = {
        "one input for a short time": _one,
        "one input for a short time, shared noise": _one | {"protocol": "shared"},
        "one input for a short time, ReLU": _one | {"activation": "ReLU"},
        "one input for a short time, much noise, width 64": _one | {"m": 64, "s_z": 1.5},
        "three inputs, fresh noise": _three,
        "three inputs, shared noise": _three | {"protocol": "shared"},
        "three inputs, frozen noise": _three | {"protocol": "frozen"},
    }
    faults = {"kernel of another protocol": "one input for a short time, much noise, width 64"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        c: Any = configuration
        X, activation = inputs(configuration), ACTIVATIONS[c["activation"]]
        second = SECOND_MOMENTS[c["protocol"]](X, c["s_z"], activation)
        limit = LIMITS[c["protocol"]](X, c["s_z"], activation)
        # Signs of two outputs have mean 0, so between them nothing is subtracted.
        spread = c["d"] * float((second - limit**2).sum()) + c["d"] * (c["d"] - 1) * float(second.sum())
        values = {
            symbols.N: c["N"],
            symbols.d: c["d"],
            symbols.m: c["m"],
            symbols.s_z: c["s_z"],
            symbols.tau: c["time"],
            symbols.V_d: max(spread, 0.0),
            symbols.floor: c["d"] / 2 * float(variance_floor(X, c["s_z"], activation).sum()),
        }
        return Situation(values, frozenset({FACTS[c["protocol"]]}), precision=PRECISION)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Sample:
        c: Any = configuration
        X, activation = inputs(configuration), ACTIVATIONS[c["activation"]]
        limit = all_outputs(LIMITS["shared" if fault else c["protocol"]](X, c["s_z"], activation), c["d"])
        unit = normals(c["seed"], "start residual", (len(limit),))
        device = context.torch_device
        Y, K, v = (x.to(device) for x in (X, limit, unit / unit.norm()))

        def draw(stage: str, first: int, count: int) -> dict[Any, Any]:
            replicates = torch.arange(first, first + count, device=device)
            u, slopes, signs = _start(context.stream(self.key, configuration, stage), replicates, Y, c)
            difference = tangent_blocks(slopes, signs, Y) - K[..., None]
            spread = c["d"] / (2 * c["m"]) * output_variance(u, c["s_z"], activation).sum((0, 1))
            found = {symbols.offset2: offset_squared(difference, K, v, c["time"]), symbols.spread_start: spread}
            return {symbol: value.cpu().numpy() for symbol, value in found.items()}

        slope = activation.slope_bound(0.0)
        # Kernels lie between 0 and d phi_1^2 |G|; a neuron's variance is at most (phi_1 s)^2 (Poincare), or 1 for erf.
        largest = c["d"] * slope**2 * float(torch.linalg.matrix_norm(X, 2)) ** 2
        most = (slope * c["s_z"]) ** 2 if activation is RELU else min((slope * c["s_z"]) ** 2, 1.0)
        tops = {symbols.offset2: (c["time"] * largest) ** 2, symbols.spread_start: c["d"] * len(X) / 2 * most}
        ranges = {symbol: Interval.between(0.0, top * (1 + 1e-9)) for symbol, top in tops.items()}
        return Sample(draw, ranges, device=context.device)


def _start(stream: Stream, replicates: Tensor, X: Tensor, c: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Preactivations without noise and slopes [N, m, R], and output signs [d, m, R], of random networks."""
    rows, (width, outputs) = {"fresh": 0, "shared": 1, "frozen": len(X)}[c["protocol"]], (c["m"], c["d"])
    size = width * (INPUT_DIM + rows)
    normal = GAUSSIAN.sample(words(stream, replicates, 0, -(-size // 4)), torch.float64)[:size]
    signs = RADEMACHER.sample(words(stream, replicates, 1, -(-width * outputs // 4)), torch.float64)
    W, noise = normal.unflatten(0, (width, -1)).split((INPUT_DIM, rows), dim=1)
    u, activation = torch.einsum("np,mpr->nmr", X, W), ACTIVATIONS[c["activation"]]
    slopes = activation.slope(u + c["s_z"] * noise.movedim(1, 0)) if rows else activation.smoothed_slope(u, c["s_z"])
    return u, slopes, signs[: width * outputs].unflatten(0, (outputs, width))


NOISE_PROTOCOLS = NoiseProtocols()
NOISY_START = NoisyStart()
