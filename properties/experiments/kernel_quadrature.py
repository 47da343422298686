"""Expected ReLU tangent kernel entries and noise floors, by integrals over an angle.

A pair of preactivations is a pair of linear functions a . w, b . w of one standard normal vector w, a coordinate of
which stands for each independent draw of the noise.
"""

from typing import ClassVar

import torch

from elbound.impl.kernels import RELU
from elbound.impl.wide_network import fresh_inputs, frozen_inputs, shared_inputs
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.experiments.wide_network import KernelEntry, inputs_of
from elbound.properties.gaussian_plane import EPS, angular_mean
from elbound.properties.spaces import Configuration, Scalar, Space
from elbound.theory import settings, symbols


class KernelQuadrature(Experiment):
    """The same entries as the sampled ones, ReLU only."""

    key = "tangent/kernel-quadrature"
    title = "integrals over an angle"
    setting = settings.TANGENT_ENTRY
    share = 0.5
    space = Space(tuple(axis for axis in KernelEntry.space.axes if axis.name != "activation"))
    _two: ClassVar[dict[str, Scalar]] = {name: x for name, x in KernelEntry._two.items() if name != "activation"}
    instances = {
        "ReLU, two inputs": _two,
        "ReLU, one input": _two | {"inputs": "same"},
        "ReLU, one input, little noise": _two | {"inputs": "same", "s_z": 0.1},
        "ReLU, close inputs of small norm": _two | {"norm": 0.7, "other norm": 0.7, "angle": 0.1, "m": 512},
        "ReLU, inputs nearly opposed": _two | {"angle": 3.0},
    }
    faults = {"noise 1 percent too strong": "ReLU, one input"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        return KernelEntry().situation({**configuration, "activation": "ReLU"}, context)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        X, s = inputs_of(configuration), float(configuration["s_z"]) * (1.01 if fault else 1.0)
        spread = torch.full((len(X), 1), s, dtype=X.dtype)
        one, other = fresh_inputs(X, spread)
        shared, frozen = shared_inputs(X, spread), frozen_inputs(X, spread)
        # The first input with the last: two inputs, or one with itself.
        pairs = {
            symbols.k_fresh: (one[:1], other[-1:]),
            symbols.k_shared: (shared[:1], shared[-1:]),
            symbols.k_frozen: (frozen[:1], frozen[-1:]),
        }
        entries = {k: float(X[0] @ X[-1] * angular_mean(RELU.slope, *pair, 0)) for k, pair in pairs.items()}
        products = ((one[:1], other[-1:]), (one[:1], one[:1]), (one[:1], other[:1]))
        output, square, product = (float(angular_mean(RELU.value, *pair, 1)) for pair in products)
        entries |= {symbols.k_output: output, symbols.V_s: square - product}
        # Some thirty operations on numbers of at most this size, an angle of a few roundings among them.
        size = float(max((one[0].norm() * other[-1].norm(), one[0].square().sum())))
        return Exact({symbol: Interval.around(value, 128 * EPS * size) for symbol, value in entries.items()})


KERNEL_QUADRATURE = KernelQuadrature()
