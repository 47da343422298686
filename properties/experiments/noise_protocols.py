"""Trained noisy networks beside the linear predictions of the three kernels."""

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from elbound.impl.kernels import ERF, fresh_noise_kernel, frozen_noise_kernel, shared_noise_kernel
from elbound.impl.noise import GAUSSIAN, RADEMACHER, Law, Stream, words
from elbound.impl.noise_protocols import NoisyTraining, flow, predicted
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Scalar, Space
from elbound.theory import settings, symbols

TIME, OUTPUTS, INPUT_DIM, NETWORKS = 4.0, 2, 4, 4
# Runge-Kutta steps h with h |K| <= 1/4 err by |K| t (h |K|)^4 / 120, below 1e-3 of what moves for |K| t <= 20.
STEP, INTEGRATION = 0.25, 1e-3
FACTS = {"fresh": settings.FRESH_NOISE, "shared": settings.SHARED_NOISE, "frozen": settings.FROZEN_NOISE}


def drawn(name: str, seed: int, shape: tuple[int, int], law: Law = GAUSSIAN) -> Tensor:
    """Draws [*shape], a function of the name and the seed alone."""
    size = math.prod(shape)
    found = law.sample(words(Stream.named("protocol", name, seed), (0, 1), 0, -(-size // 4)), torch.float64)
    return found[:size, 0].reshape(shape)


def training_of(configuration: Configuration, network: int = 0) -> tuple[NoisyTraining, Tensor]:
    """Unit inputs, normal targets, +-1 signs and the start of the weights; the last two are the network's own."""
    c: Any = configuration
    X = drawn("inputs", c["seed"], (c["N"], INPUT_DIM))
    y = drawn("targets", c["seed"], (c["N"], OUTPUTS))
    signs = drawn(f"signs {network}", c["seed"], (OUTPUTS, c["m"]), RADEMACHER)
    training = NoisyTraining(X / X.norm(dim=1, keepdim=True), y, signs, c["s_z"], ERF)
    return training, drawn(f"weights {network}", c["seed"], (c["m"], INPUT_DIM))


def trained(
    training: NoisyTraining, start: Tensor, protocol: str, seed: int, step: float, network: int = 0
) -> tuple[Tensor, Tensor]:
    """Outputs before and after training."""
    if protocol == "fresh":
        return training.averaged(start), training.averaged(flow(training.expected_gradient, start, TIME, step))
    rows = len(training.X) if protocol == "frozen" else 1
    noise = drawn(f"noise {network}", seed, (rows, len(start)))
    end = flow(lambda W: training.sampled_gradient(W, noise), start, TIME, step)
    return training.sampled(start, noise), training.sampled(end, noise)


class NoiseProtocols(Experiment):
    """One training under one protocol, compared with K1, K2 and K3."""

    key = "tangent/noise-protocols"
    title = "trainings beside three linear predictions"
    setting = settings.NOISE_PROTOCOL
    share = 0.25
    space = Space(
        (
            Choice("protocol", ("fresh", "shared", "frozen")),
            Count("N", 2, 6),
            Choice("m", (1024, 2048, 4096)),
            Linear("s_z", 0.5, 1.5),
            Count("seed", 0, 2**16),
        )
    )
    _six: ClassVar[dict[str, Scalar]] = {"protocol": "fresh", "N": 6, "m": 4096, "s_z": 1.0, "seed": 1}
    instances = {
        "fresh noise, width 4096": _six,
        "shared noise, width 4096": _six | {"protocol": "shared"},
        "noise frozen to each input, width 4096": _six | {"protocol": "frozen"},
    }
    faults = {"noise shared after all": "fresh noise, width 4096"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        c: Any = configuration
        values = {symbols.N: c["N"], symbols.m: c["m"], symbols.s_z: c["s_z"]}
        return Situation(values, frozenset({FACTS[str(c["protocol"])]}))

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        c: Any = configuration
        training, _ = training_of(configuration)
        X, s = training.X, training.s
        kernels = {
            symbols.far_fresh: fresh_noise_kernel(X, X, s, ERF),
            symbols.far_shared: shared_noise_kernel(X, X, s, ERF),
            symbols.far_frozen: frozen_noise_kernel(X, s, ERF),
        }
        step = STEP / max(float(torch.linalg.eigvalsh(K)[-1]) for K in kernels.values())
        far = dict.fromkeys(kernels, 0.0)
        for network in range(NETWORKS):
            training, start = training_of(configuration, network)
            before, after = trained(training, start, "shared" if fault else c["protocol"], c["seed"], step, network)
            for k, K in kernels.items():
                away = after - predicted(K, before, training.y, TIME)
                far[k] += float(away.norm() / (before - training.y).norm()) / NETWORKS
        sides = {k: Interval.between(max(x - INTEGRATION, 0.0), x + INTEGRATION) for k, x in far.items()}
        return Exact(sides, basis="exact, up to integration")


NOISE_PROTOCOLS = NoiseProtocols()
