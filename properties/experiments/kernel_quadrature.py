"""Expected ReLU tangent kernel entries and noise floors, by integrals over an angle.

A pair of preactivations is a pair of linear functions a . w, b . w of one standard normal vector w, so it depends on w
in the plane of a and b alone, where w = R (cos t, sin t) with a uniform angle t and E R^2 = 2. Both are positive on one
arc of length pi less the angle between a and b, and the expectations are integrals of trigonometric functions over it.
"""

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.experiments.wide_network import KernelEntry, inputs_of
from elbound.properties.spaces import Configuration, Scalar, Space
from elbound.theory import settings, symbols

EPS = 2.0**-53
# The rule's error on cos t cos(t - angle) over an arc of at most pi is below
# pi^33 16!^4 / (33 (32!)^3) 2^31 < 1e-25 of the largest value.
NODES = 16
Vector = NDArray[np.float64]


def angle(a: Vector, b: Vector) -> float:
    """Between two vectors, in [0, pi], to a few roundings also where they are nearly parallel."""
    first, second = a / np.linalg.norm(a), b / np.linalg.norm(b)
    return 2 * math.atan2(float(np.linalg.norm(first - second)), float(np.linalg.norm(first + second)))


def both_positive(a: Vector, b: Vector) -> float:
    """The chance that a . w and b . w are both positive."""
    return (math.pi - angle(a, b)) / (2 * math.pi)


def product_mean(a: Vector, b: Vector) -> float:
    """E relu(a . w) relu(b . w) = |a| |b| / pi times the integral of cos t cos(t - angle) where both are positive."""
    between = angle(a, b)
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    half = (math.pi - between) / 2
    t = between / 2 + half * nodes
    integral = half * float(weights @ (np.cos(t) * np.cos(t - between)))
    return float(np.linalg.norm(a) * np.linalg.norm(b)) / math.pi * integral


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
        X, s = inputs_of(configuration).numpy(), float(configuration["s_z"]) * (1.01 if fault else 1.0)
        x, y, same = X[0], X[-1], len(X) == 1
        # A coordinate of w for each independent noise behind those of the weights.
        one, other, again = (np.append(x, (s, 0.0)), np.append(y, (0.0, s)), np.append(y, (s, 0.0)))
        size = float(np.linalg.norm(one) * np.linalg.norm(other))
        entries = {
            symbols.k_fresh: float(x @ y) * both_positive(one, other),
            symbols.k_shared: float(x @ y) * both_positive(one, again),
            symbols.k_frozen: float(x @ y) * both_positive(one, again if same else other),
            symbols.k_output: product_mean(one, other),
            symbols.V_s: product_mean(one, one) - product_mean(one, np.append(x, (0.0, s))),
        }
        # Some thirty operations on numbers of at most this size, an angle of a few roundings among them.
        error = 128 * EPS * max(size, float(one @ one))
        return Exact({symbol: Interval.around(value, error) for symbol, value in entries.items()})


KERNEL_QUADRATURE = KernelQuadrature()
