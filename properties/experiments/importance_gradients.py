"""Estimators of the importance-weighted bound's gradient: exact means and variances for every K, Gaussian noise."""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

from elbound.impl.importance import RatioCurve
from elbound.impl.importance_gradients import DECODER, DREG, PLAIN, STICKING, ScalarVAE, bound_slope
from elbound.properties.evidence.intervals import Interval, maximum
from elbound.properties.experiment import Context, Exact, Experiment, Series, Situation
from elbound.properties.spaces import Configuration, Linear, Logarithmic, LogarithmicCount, Space
from elbound.theory import symbols
from elbound.theory.settings import IWAE_AT_POSTERIOR, IWAE_GRADIENT
from elbound.theory.symbols import (
    K,
    Q,
    dreg_var,
    evidence_slope,
    gap,
    plain_var,
    ratio,
    shift2,
    sigma_x2,
    stl_var,
)

GRID = (64, 128, 256, 512, 1024, 2048, 4096)


def vae_of(configuration: Configuration) -> ScalarVAE:
    """Decoder from posterior precision P and sigma_x2, encoder from Q/P and the distance in posterior deviations."""
    c: Any = configuration
    decoder = math.sqrt((c["P"] - 1) * c["sigma_x2"])
    posterior = decoder * c["x"] / (c["sigma_x2"] * c["P"])
    return ScalarVAE(
        c["x"], decoder, c["sigma_x2"], posterior - c["shift"] / math.sqrt(c["P"]), 1 / (c["Q/P"] * c["P"])
    )


def mean_and_variance(moments: Callable[[], RatioCurve]) -> tuple[Any, Any]:
    """The two as curves of enclosures over the number of samples."""

    def mean(samples: int) -> Interval:
        found = moments()(samples)
        return Interval.around(found.mean, found.mean_error)

    def variance(samples: int) -> Interval:
        found = moments()(samples)
        return maximum(Interval.around(found.variance, found.variance_error), 0.0)

    return mean, variance


class GradientMoments(Experiment):
    """Means and variances by quadrature over noise and a Laplace variable; the bound's slope by differences."""

    key = "importance/gradients"
    title = "exact moments of the estimators"
    setting = IWAE_GRADIENT
    share = 0.3
    space = Space(
        (
            LogarithmicCount("K", 1, 1024),
            Logarithmic("Q/P", 0.7, 1.25),
            Linear("shift", 0.0, 0.6),
            Logarithmic("P", 1.2, 8.0),
            Logarithmic("sigma_x2", 0.2, 2.0),
            Linear("x", -2.0, 2.0),
        )
    )
    instances = {
        "Q/P = 0.91": {"K": 64, "Q/P": 0.91, "shift": 0.3, "P": 2.0, "sigma_x2": 0.5, "x": 0.7},
        "Q/P = 1.06": {"K": 64, "Q/P": 1.06, "shift": 0.3, "P": 2.0, "sigma_x2": 0.5, "x": 0.7},
        "Q/P = 1.1, K = 20": {"K": 20, "Q/P": 1.1, "shift": 0.44, "P": 3.0, "sigma_x2": 0.5, "x": 1.5},
        "Q/P = 1.1, K = 64": {"K": 64, "Q/P": 1.1, "shift": 0.44, "P": 3.0, "sigma_x2": 0.5, "x": 1.5},
        "Q/P = 1.3, K = 20": {"K": 20, "Q/P": 1.3, "shift": 0.8, "P": 2.0, "sigma_x2": 0.5, "x": 0.7},
    }
    faults = {
        "weights of the doubly reparameterised estimator not squared": "Q/P = 1.06",
        "encoder's deviation 1.01 of its own": "Q/P = 1.06",
    }

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        vae = vae_of(configuration)
        narrow, apart = float(configuration["Q/P"]), float(configuration["shift"])
        values = {
            K: float(configuration["K"]),
            sigma_x2: vae.noise_variance,
            Q: 1 / vae.encoder_variance,
            ratio: narrow,
            shift2: apart**2,
            evidence_slope: vae.evidence_slope,
        }
        return Situation(values)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Series:
        vae = vae_of(configuration)
        wide = vae_of({**configuration, "Q/P": float(configuration["Q/P"]) / 1.01**2}) if fault[:1] == "e" else vae
        double = STICKING if fault[:1] == "w" else DREG
        curves: dict[Any, Any] = {}
        for name, estimator in {"plain": PLAIN, "dreg": double, "stl": STICKING, "decoder": DECODER}.items():
            of = wide if name == "plain" else vae
            moments = cache(lambda estimator=estimator, of=of: estimator.moments(of))
            mean, variance = mean_and_variance(moments)
            curves |= {getattr(symbols, f"{name}_mean"): mean, getattr(symbols, f"{name}_var"): variance}
        slope = cache(lambda: bound_slope(vae))

        def slope_at(samples: int) -> Interval:
            found = slope()(samples)
            return Interval.around(found.value, found.error)

        return Series(K, GRID, {**curves, symbols.bound_slope: slope_at})


class AtPosterior(Experiment):
    """Gap and variances where the encoder is the posterior, by the same quadratures."""

    key = "importance/at-posterior"
    title = "exact moments at the posterior"
    setting = IWAE_AT_POSTERIOR
    share = 0.3
    space = Space(
        (
            LogarithmicCount("K", 1, 4096),
            Logarithmic("P", 1.2, 8.0),
            Logarithmic("sigma_x2", 0.2, 2.0),
            Linear("x", -2.0, 2.0),
        )
    )
    instances = {
        "K = 1": {"K": 1, "P": 2.0, "sigma_x2": 0.5, "x": 0.7},
        "K = 8": {"K": 8, "P": 2.0, "sigma_x2": 0.5, "x": 0.7},
        "K = 1024": {"K": 1024, "P": 3.0, "sigma_x2": 1.0, "x": -1.0},
    }
    faults = {"score term kept": "K = 8", "encoder's deviation 1.1 of the posterior's": "K = 8"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        vae = _at_posterior(configuration)
        return Situation({K: float(configuration["K"]), sigma_x2: vae.noise_variance, Q: 1 / vae.encoder_variance})

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        vae = _at_posterior(configuration, 1 / 1.1**2 if fault[:1] == "e" else 1.0)
        kept = PLAIN if fault[:1] == "s" else None
        curve = cache(vae.pair.gap_curve)

        def gap_at(samples: int) -> Interval:
            found = curve()(samples)
            return Interval.around(found.value, found.error)

        measured: dict[Any, Any] = {gap: gap_at}
        for observable, estimator in ((plain_var, PLAIN), (dreg_var, kept or DREG), (stl_var, kept or STICKING)):
            moments = cache(lambda estimator=estimator: estimator.moments(vae))
            measured[observable] = mean_and_variance(moments)[1]
        return Exact(measured)


def _at_posterior(configuration: Configuration, narrow: float = 1.0) -> ScalarVAE:
    return vae_of({**configuration, "Q/P": narrow, "shift": 0.0})


GRADIENT_MOMENTS = GradientMoments()
AT_POSTERIOR = AtPosterior()
