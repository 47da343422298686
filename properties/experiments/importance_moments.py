"""Moments of the normalised importance weight by quadrature of w^t q, and whether they diverge."""

import math

import numpy as np
from scipy.special import logsumexp

from elbound.impl.importance import log_weight_at
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.spaces import Configuration, Linear, Logarithmic, Space
from elbound.theory.settings import IWAE_MOMENT
from elbound.theory.symbols import growth, log_moment, order, ratio, shift2

EPS = 2.0**-53
# Half the wide range, in standard deviations of the encoder: at A = 1/10 the smallest moment has spread below 7.
RANGE = 128.0
NODES = 2**14


class MomentByQuadrature(Experiment):
    """log E w^t by the trapezoid rule over the integrand's own width, and its growth over two wide ranges."""

    key = "importance/moments"
    title = "quadrature of the density ratio"
    setting = IWAE_MOMENT
    space = Space((Linear("order", -4.0, 4.0), Logarithmic("Q/P", 0.25, 4.0), Linear("shift", 0.0, 1.5)))
    instances = {
        "variance, Q/P = 1.3": {"order": 2.0, "Q/P": 1.3, "shift": 0.5},
        "variance, Q/P = 2.5": {"order": 2.0, "Q/P": 2.5, "shift": 0.5},
        "fourth moment, Q/P = 1.3": {"order": 4.0, "Q/P": 1.3, "shift": 0.5},
        "fourth moment, Q/P = 1.4": {"order": 4.0, "Q/P": 1.4, "shift": 0.0},
        "order -4, Q/P = 0.85": {"order": -4.0, "Q/P": 0.85, "shift": 0.5},
        "order -4, Q/P = 0.7": {"order": -4.0, "Q/P": 0.7, "shift": 0.5},
    }
    faults = {"proposal of precision 1.01 Q": "variance, Q/P = 1.3"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        t, narrow, apart = (float(configuration[name]) for name in ("order", "Q/P", "shift"))
        return Situation({order: t, ratio: narrow, shift2: apart**2}, precision=2.0**-51)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        t, narrow, apart = (float(configuration[name]) for name in ("order", "Q/P", "shift"))
        narrow *= 1.01 if fault else 1.0
        ends = [_log_integral(t, narrow, apart, 0.0, RANGE * j / math.sqrt(narrow), NODES * j) for j in (1, 2)]
        # Both by the same rule at the same spacing, far below the integrand's width where that is bounded.
        grown = math.exp(min(ends[1] - ends[0], 100.0))
        measured = {growth: Interval.around(grown, 1e-3 * grown)}
        precision = t + (1 - t) * narrow
        if precision > 0:
            centre, width = t * apart / precision, 10 / math.sqrt(precision)
            value = _log_integral(t, narrow, apart, centre, width, 400)
            # Twenty widths: 2e-23 cut off and less from the rule; logarithms of this size, of a few operations each.
            reach = abs(centre) + width
            size = 1 + abs(t) * (reach + apart) ** 2 + (1 + abs(t)) * narrow * reach**2 + abs(value)
            measured[log_moment] = Interval.around(value, 16 * EPS * size)
        return Exact(measured)


def _log_integral(t: float, narrow: float, apart: float, centre: float, width: float, nodes: int) -> float:
    """Logarithm of the integral of w^t q over centre -+ width, P = 1, trapezoid rule with nodes + 1 points."""
    noise = (centre + np.linspace(-width, width, nodes + 1)) * math.sqrt(narrow)
    log_weight = log_weight_at(noise, narrow, apart * math.sqrt(narrow))
    share = np.full(nodes + 1, 2 * width * math.sqrt(narrow) / nodes)
    share[[0, -1]] /= 2
    return float(logsumexp(t * log_weight - (noise**2 + math.log(2 * math.pi)) / 2, b=share))


MOMENT_BY_QUADRATURE = MomentByQuadrature()
