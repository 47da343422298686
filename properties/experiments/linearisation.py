"""Gradient flow of a wide network beside its linear model."""

import math
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from elbound.impl.ridge import KernelFlow
from elbound.properties.evidence.intervals import Interval, maximum
from elbound.properties.experiment import Along, Context, Exact
from elbound.properties.experiments.wide_training import BASE, DIGITS, EPS, ERF_NEURON, Flow, Start
from elbound.properties.spaces import Configuration, Scalar
from elbound.theory import settings, symbols

# The path is looked at this often and followed this finely: one neuron leaves its linear model by 1e-4 of its residual.
PLACES, TOLERANCE = 16, 1e-11


class Linearisation(Flow):
    """The flow of tangent/wide-flow, looked at along its way, with the flow of the network's linear part."""

    key = "tangent/linearisation"
    title = "gradient flow beside the linear model"
    setting = settings.LINEARISATION
    share = 0.05
    _net: ClassVar[dict[str, Scalar]] = BASE | {"target": "slowest", "q": 0.3, "lifetimes": 2.0}
    _neuron: ClassVar[dict[str, Scalar]] = _net | ERF_NEURON
    instances = {
        "slowest mode": _net,
        "random target, erf": _net | {"activation": "erf", "s_z": 0.5, "target": "random", "lifetimes": 1.0},
        "digits": _net | DIGITS | {"d": 1, "target": "random", "q": 0.4, "lifetimes": 0.1, "norm": 0.5},
        "one erf neuron with small residual": _neuron | {"q": 2e-3, "lifetimes": 1.15},
        "one erf neuron far from its target": _neuron | {"q": 2.0, "z": 0.43, "lifetimes": 4.0},
    }
    faults = {"linear model with 1 percent more kernel": "one erf neuron with small residual"}

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        start, c = Start.of(configuration, context), dict(configuration)
        values = self.situation(configuration, context).values
        residual = values[symbols.r_0] * start.direction(str(c["target"]), int(c["seed"]))
        times = tuple(values[symbols.tau] * k / PLACES for k in range(1, PLACES + 1))
        linear = KernelFlow.of((1.01 if fault else 1.0) * start.tangent, 0.0)
        found = dict(zip(times, _along(start, residual, linear, times), strict=True))
        return Exact(found[times[-1]], basis="integrated", along=Along(symbols.tau, times, found.__getitem__))


def _along(start: Start, residual: Tensor, linear: KernelFlow, times: tuple[float, ...]) -> list[dict[Any, Interval]]:
    """The observables at each of the times, and their errors."""
    training, size = start.training(residual), float(residual.norm())

    def along(W: Tensor) -> Tensor:
        tangent = start.network.tangent(W, start.X)
        spectrum, change = torch.linalg.eigvalsh(tangent), torch.linalg.eigvalsh(tangent - start.tangent).abs().max()
        return torch.stack((spectrum[0], spectrum[-1], training.residual(W).norm(), change))

    paths, integrals, errors = training.flow(times, along, TOLERANCE)
    reach, lipschitz = start.jacobian_bound, start.lipschitz
    # |dTheta/dt| <= 2 |J| L_J |J^T r|, and no time is farther than half their distance from one that was looked at.
    unseen = times[0] * reach**2 * lipschitz * size
    lowest, highest, found = float(start.spectrum[0][0]), 0.0, []
    for time, W, integral, error in zip(times, paths, integrals.tolist(), errors.tolist(), strict=True):
        low, high, path, change = integral
        now = along(W).tolist()
        lowest, highest = min(lowest, now[0]), max(highest, now[3])
        # As in tangent/wide-flow: local errors grow by no more than the exponential of L_J times the path of |r|.
        miss = error * math.exp(min(lipschitz * path, 600.0)) + start.rounding
        spectral = 64 * EPS * len(start.tangent) * start.top + 2 * reach * lipschitz * miss
        apart = float((training.residual(W).flatten() - linear.residual(residual.flatten(), time)).norm())
        # Eigenvalues err by n units of the largest, their exponentials by that times the time.
        exponential = 64 * EPS * len(start.tangent) * size * (1 + time * start.top)
        moved = float((W - start.weights).norm())
        found.append(
            {
                symbols.residual_tau: _near(now[2], reach * miss + start.rounding),
                symbols.int_low: Interval.around(low, error + time * spectral),
                symbols.int_high: _near(high, error + time * spectral),
                symbols.displacement: _near(moved, miss),
                symbols.gap_tau: _near(apart, reach * miss + start.rounding + exponential),
                symbols.drift_int: _near(change, error + time * spectral),
                symbols.drift_tau: _clipped(highest - spectral, highest + unseen + spectral),
                symbols.lowest: _clipped(lowest - unseen - spectral, lowest + spectral),
            }
        )
    return found


def _near(value: float, error: float) -> Interval:
    return maximum(Interval.around(value, error), 0.0)


def _clipped(low: float, high: float) -> Interval:
    return maximum(Interval.between(low, np.nextafter(high, math.inf)), 0.0)


LINEARISATION = Linearisation()
