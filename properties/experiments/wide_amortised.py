"""Wide networks trained with a KL term around the encoder's first means: a ridge in the weights on whitened inputs."""

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from elbound.impl.wide_training import whitened
from elbound.properties.evidence.intervals import Interval, maximum
from elbound.properties.experiment import Context, Exact, Situation
from elbound.properties.experiments.wide_training import BASE, DIGITS, Ridge, Start
from elbound.properties.spaces import Configuration, Scalar
from elbound.theory import settings, symbols


class Amortised(Ridge):
    """Training to a stationary point in whitened weights; test points are midpoints of training inputs."""

    key = "tangent/wide-amortised"
    title = "wide network with an amortised encoder"
    setting = settings.AMORTISED
    share = 0.3
    _wide: ClassVar[dict[str, Scalar]] = {k: v for k, v in BASE.items() if k != "net"} | {
        "half m": 2048,
        "N": 6,
        "d": 1,
        "ridge": 0.2,
        "residual": 1.0,
    }
    instances = {
        "width 4096": _wide,
        "width 256, two outputs": _wide | {"half m": 128, "d": 2},
        "width 4096, independent inputs": _wide | {"N": 3},
        "width 4096, small residual": _wide | {"residual": 0.3},
        "width 4096, digits": _wide | DIGITS | {"N": 12},
        "width 4, one datum": _wide | {"half m": 2, "N": 1, "norm": 2.0, "residual": 0.3, "twins": False},
    }
    faults = {"ridge pulls towards zero": "width 256, two outputs", "ridge doubled in training": "width 4096"}

    @staticmethod
    def _start(configuration: Configuration, context: Context) -> Start:
        plain = Ridge._start(configuration, context)
        white = whitened(plain.X)
        weights, between = plain.weights @ white.map, (white.inputs + white.inputs.roll(1, 0)) / 2
        tangent = plain.network.tangent(weights, white.inputs)
        return replace(plain, weights=weights, X=white.inputs, X_test=between, tangent=tangent)

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        found = super().situation(configuration, context)
        inputs = self._start(configuration, context).X
        facts = {settings.INDEPENDENT} if inputs.shape[0] == inputs.shape[1] else set()
        return replace(found, facts=frozenset(facts))

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        point, plain = self._trained(configuration, context, fault), Ridge._start(configuration, context)
        kernels = {symbols.krr_plain: plain.tangent, symbols.krr_alone: _own_blocks(plain)}
        distances = {
            symbol: maximum(Interval.around(point.distance(kernel), point.regression_error), 0.0)
            for symbol, kernel in kernels.items()
        }
        return Exact(point.observables | distances)


def _own_blocks(start: Start) -> Tensor:
    """The tangent kernel's diagonal blocks [d, d], each over the squared norm of its datum."""
    lengths = start.X.norm(dim=1, keepdim=True)
    units = start.X / torch.where(lengths > 0, lengths, 1.0)
    kernels = [
        start.network.kernel(start.weights * float(length), unit[None], start.weights * float(length), unit[None])
        for unit, length in zip(units, lengths, strict=True)
    ]
    blocks: Tensor = torch.block_diag(*kernels)
    return blocks


AMORTISED = Amortised()
