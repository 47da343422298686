"""Importance weighting of a Gaussian encoder against a Gaussian posterior, one latent coordinate: the exact gap."""

import math
from functools import cache
from typing import Any

from elbound.impl.importance import PosteriorPair
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.spaces import Configuration, Linear, Logarithmic, LogarithmicCount, Space
from elbound.theory.settings import IWAE, WEIGHT_AWAY_FROM_ZERO, WEIGHT_BOUNDED, WEIGHT_VARIANCE
from elbound.theory.symbols import K, N, chi2, gap, k, logged, ratio, shift2, w_max, w_min

FEWER = "one sample fewer"


def pair_of(configuration: Configuration) -> PosteriorPair:
    """Posterior precision P, encoder precision (Q/P) P, and the distance of the means in posterior deviations."""
    c: Any = configuration
    return PosteriorPair(c["P"], c["Q/P"] * c["P"], c["shift"] / math.sqrt(c["P"]))


class ExactGap(Experiment):
    """log p - L_K for every K by two quadratures with a doubling check."""

    key = "importance/gaussian-posterior"
    title = "quadrature oracle for every K"
    setting = IWAE
    share = 0.5
    space = Space(
        (
            LogarithmicCount("K", 1, 4096),
            Logarithmic("Q/P", 0.25, 4.0),
            Linear("shift", 0.0, 1.5),
            Logarithmic("P", 0.5, 20.0),
        )
    )
    instances = {
        "Q/P = 0.95, K = 64": {"K": 64, "Q/P": 0.95, "shift": 0.0, "P": 2.0},
        "Q/P = 0.99, K = 64": {"K": 64, "Q/P": 0.99, "shift": 0.0, "P": 2.0},
        "Q/P = 1.01, K = 64": {"K": 64, "Q/P": 1.01, "shift": 0.0, "P": 2.0},
        "Q/P = 1.05, K = 64": {"K": 64, "Q/P": 1.05, "shift": 0.0, "P": 2.0},
        "Q/P = 1.05, K = 8": {"K": 8, "Q/P": 1.05, "shift": 0.0, "P": 2.0},
        "Q/P = 0.95, K = 1": {"K": 1, "Q/P": 0.95, "shift": 0.0, "P": 2.0},
        "Q/P = 1.1, K = 64": {"K": 64, "Q/P": 1.1, "shift": 0.0, "P": 2.0},
        "the posterior itself, K = 8": {"K": 8, "Q/P": 1.0, "shift": 0.0, "P": 2.0},
        "equal widths, other mean": {"K": 8, "Q/P": 1.0, "shift": 0.5, "P": 2.0},
        "Q/P = 1.8, K = 4": {"K": 4, "Q/P": 1.8, "shift": 0.5, "P": 2.0},
        "large weights, seldom, K = 1": {"K": 1, "Q/P": 0.95, "shift": 0.7, "P": 2.0},
        "very large weights, very seldom, K = 16": {"K": 16, "Q/P": 0.95, "shift": 1.5, "P": 2.0},
        "Q/P = 4": {"K": 64, "Q/P": 4.0, "shift": 0.0, "P": 2.0},
    }
    faults = {FEWER: "Q/P = 1.05, K = 8"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        pair = pair_of(configuration)
        supremum, infimum = pair.weight_supremum, pair.weight_infimum
        facts = {
            WEIGHT_BOUNDED: math.isfinite(supremum),
            WEIGHT_AWAY_FROM_ZERO: infimum > 0,
            WEIGHT_VARIANCE: math.isfinite(pair.chi2),
        }
        values = {K: float(configuration["K"]), chi2: pair.chi2, w_min: infimum, w_max: supremum}
        values |= {N: 1, k: 1, ratio: float(configuration["Q/P"]), shift2: float(configuration["shift"]) ** 2}
        return Situation(values, frozenset(fact for fact, holds in facts.items() if holds), precision=1e-14)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        pair = pair_of(configuration)
        curve, surrogate = cache(pair.gap_curve), cache(pair.surrogate_curve)

        def at(samples: int) -> Interval:
            found = curve()(max(1, samples - (fault == FEWER)))
            return Interval.around(found.value, found.error)

        def logged_at(samples: int) -> Interval:
            found = surrogate()(samples)
            return Interval.around(-found.mean, found.mean_error)

        return Exact({gap: at, logged: logged_at})


class NearPosterior(ExactGap):
    """The same near the posterior, where the expansion in 1/K is accurate from some tens of samples on."""

    key = "importance/near-posterior"
    title = "quadrature oracle near the posterior"
    space = Space(
        (
            LogarithmicCount("K", 16, 1100),
            Logarithmic("Q/P", 0.75, 1.15),
            Linear("shift", 0.0, 0.5),
            Logarithmic("P", 0.5, 20.0),
        )
    )
    instances = {
        "Q/P = 0.85, K = 64": {"K": 64, "Q/P": 0.85, "shift": 0.0, "P": 2.0},
        "Q/P = 0.85, K = 1024": {"K": 1024, "Q/P": 0.85, "shift": 0.0, "P": 2.0},
        "Q/P = 0.8, K = 64": {"K": 64, "Q/P": 0.8, "shift": 0.0, "P": 2.0},
        "large weights, seldom": {"K": 16, "Q/P": 0.95, "shift": 0.5, "P": 2.0},
        "Q/P = 1.1, shift at the end": {"K": 64, "Q/P": 1.1, "shift": 0.4472, "P": 2.0},
        "Q/P = 1.1, shift at the end, K = 1024": {"K": 1024, "Q/P": 1.1, "shift": 0.4472, "P": 2.0},
    }
    faults = {FEWER: "Q/P = 0.85, K = 64"}


EXACT_GAP = ExactGap()
NEAR_POSTERIOR = NearPosterior()
