"""The generalised soft-clip: enclosed suprema of its derivatives, and its values and slopes as they are computed."""

import math
from typing import Any

import torch

from elbound.impl.soft_clipping import SoftClip, logistic_derivatives, stable_value
from elbound.properties.evidence.enclosure import Ball, best, supremum
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.spaces import Configuration, Logarithmic, Space
from elbound.theory.settings import SOFT_CLIP
from elbound.theory.symbols import T, curvature_sup, drop, reach, rise, s, slope_inf, slope_sup

# Beyond this many units of 1/s outside the range both derivatives fall monotonically, below e^-45 of their largest.
TAIL = 45.0
WIDTH = 1e-11
# impl.soft_clipping states 4 units in the last place of max(|low|, |high|, 1/s) for values.
EPS = 2.0**-53
VALUE_ERROR = 8 * EPS
# Arguments of exponentials and logistic functions are below 500, so each errs by fewer than 1000 relative units.
SLOPE_ERROR = 2.0**12 * EPS
# The grid's cells, in units of 1/s.
CELL = 0.25


class SoftClipShape(Experiment):
    """Soft-clips on (-T/2, T/2), sharpness s: suprema of the slope's logistic form, the least slope of the values.

    The ends of the values are each computed from the other by integrating the slope: the values alone are clamped.
    """

    key = "smoothness/soft-clip"
    title = "suprema by ball arithmetic"
    setting = SOFT_CLIP
    space = Space(
        (
            Logarithmic("s", 0.1, 20.0),
            Logarithmic("T", 0.1, 20.0),
            Logarithmic("distance", 1e-3, 100.0),
        )
    )
    instances = {
        "sT = 1": {"s": 1.0, "T": 1.0, "distance": 0.5},
        "sT = 4": {"s": 2.0, "T": 2.0, "distance": 0.5},
        "sT = 16": {"s": 4.0, "T": 4.0, "distance": 1.0},
        "paper A's code: s = 5 on (0, 50)": {"s": 5.0, "T": 50.0, "distance": 3.0},
    }
    faults = {"softplus of double sharpness": "sT = 4"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        return Situation({s: float(configuration["s"]), T: float(configuration["T"])}, precision=0.0)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        sharpness, width, x = (float(configuration[name]) for name in ("s", "T", "distance"))
        clip = SoftClip(-width / 2, width / 2, sharpness * (2 if fault else 1))
        error = VALUE_ERROR * max(width / 2, 1 / clip.sharpness)
        right, left = clip.value(torch.tensor([x, -x], dtype=torch.float64)).tolist()
        return Exact(
            {
                slope_sup: _supremum(clip, 0),
                curvature_sup: _supremum(clip, 1),
                slope_inf: _least_slope(clip),
                reach: _reach(clip, error),
                rise: Interval.around(right, error) + width / 2,
                drop: width / 2 - Interval.around(left, error),
            },
            basis="enclosure",
        )


def _supremum(clip: SoftClip, order: int) -> Interval:
    """Of the slope, which is even and falls away from 0, or of the curvature, odd and positive on the left."""
    arithmetic = best()

    def with_derivative(x: Ball) -> tuple[Any, Any]:
        found = logistic_derivatives(clip, arithmetic.exp, x)
        return found[order], found[order + 1]

    edge = clip.high + TAIL / clip.sharpness
    found = supremum(with_derivative, -edge, 0.0, WIDTH, arithmetic)
    return Interval.between(found.low, found.high)


def _least_slope(clip: SoftClip) -> Interval:
    """The least derivative of the values as they are computed, on the range and TAIL units of 1/s beyond it."""
    tail = TAIL / clip.sharpness
    sections = [(clip.low - tail, clip.low), (clip.low, clip.high), (clip.high, clip.high + tail)]
    nodes, cell = [], 0.0
    for low, high in sections:
        # Middles of cells, so that no node is an edge of the range, where autograd sees a kink.
        count = math.ceil(clip.sharpness * (high - low) / CELL)
        nodes.append(low + (torch.arange(count, dtype=torch.float64) + 0.5) * ((high - low) / count))
        cell = max(cell, (high - low) / count)
    x = torch.cat(nodes).requires_grad_()
    (slopes,) = torch.autograd.grad(stable_value(x, clip).sum(), x)
    least = float(slopes.min())
    # Within the range the slope is 1 less two logistic values, outside a difference of two, which is at least
    # 1 - e^(-sT) times the larger; within, at least (1 - e^(-sT)) / 4.
    unit = SLOPE_ERROR / -math.expm1(-clip.sharpness * (clip.high - clip.low))
    # |f''| <= s |f'|, so that over half a cell the slope falls by the factor e^(-s cell / 2) at most.
    ends = sorted((least * math.exp(-clip.sharpness * cell / 2), least))
    return Interval.between(*ends) * Interval.around(1.0, unit)


def _reach(clip: SoftClip, error: float) -> Interval:
    """The larger distance of an end of the values from the middle, each end from the other by integrating the slope."""
    far = clip.high + TAIL / clip.sharpness
    # The slope is analytic for |Im x| < pi / s, and along Im x = pi / (2 s) its size integrates to at most T pi / 2:
    # the trapezoid rule with step h errs by less than pi T / (e^(pi^2 / (s h)) - 1), below 1e-16 T for s h <= 1/4.
    count = math.ceil(far * clip.sharpness / CELL)
    step, width = far / count, clip.high - clip.low
    places = step * torch.arange(-count, count + 1, dtype=torch.float64)
    found = float(clip.slope(places).sum()) * step
    low, high = clip.value(places[[0, -1]]).tolist()
    distance = max(abs(low + found), abs(high - found))
    # Beside it a relative error of each slope and of the sum; both tails hold less than T e^-45.
    return Interval.around(distance, error + (SLOPE_ERROR + count * EPS) * abs(found) + 2e-16 * width)


SOFT_CLIP_SHAPE = SoftClipShape()
