"""Score-function and pathwise variances of one coordinate, by quadrature: quadratic and oscillating integrands."""

from itertools import product
from math import cos, pi, sqrt
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import NDArray

from elbound.impl.integrands import Integrand, Quadratic, Wave, path_gradient, score_gradient
from elbound.impl.linear_vae import LinearVAE
from elbound.impl.noise import GAUSSIAN, Stream, words
from elbound.properties.datasets import bundled, table
from elbound.properties.evidence.intervals import Interval, maximum
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.experiments.linear_vae_ball import gaussian_weights
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, Scalar, Space
from elbound.theory.settings import OSCILLATING_INTEGRAND, QUADRATIC_INTEGRAND
from elbound.theory.symbols import A_jj, D_j, b_j, c_0, dh2, h2, omega_e, phase_c, v_path, v_score

EPS = 2.0**-53
Floats = NDArray[np.float64]


def variance(values: Floats, chances: Floats) -> tuple[float, float]:
    """The variance of values with chances of sum one, squares of deviations added, and its rounding error."""
    mean = float(values @ chances)
    square = float((values - mean) ** 2 @ chances)
    # A few dozen operations in each value, sums of up to a thousand terms in pairs.
    slip = 128 * EPS * float(np.abs(values).max())
    return square, 2 * slip * sqrt(square) + slip**2 + 128 * EPS * square


class Quadratics(Experiment):
    """Random quadratics, and the Linear VAE's loss of one datum less a constant baseline."""

    key = "estimators/quadratic-integrand"
    title = "Gauss-Hermite quadrature, exact for polynomials"
    setting = QUADRATIC_INTEGRAND
    space = Space(
        (
            Choice("integrand", ("random", "Linear VAE")),
            bundled(),
            Count("d", 1, 6),
            Count("k", 1, 3),
            Logarithmic("D", 1e-3, 1e3, usual=(0.05, 5.0)),
            Linear("mean", -3.0, 3.0),
            Linear("linear", 0.0, 2.0),
            Linear("quadratic", 0.0, 2.0),
            Logarithmic("sigma_x2", 1e-3, 1e3, usual=(0.1, 3.0)),
            Count("seed", 0, 2**16),
        )
    )
    _one: ClassVar[dict[str, Scalar]] = {
        "integrand": "random",
        "data": "spiked",
        "d": 4,
        "k": 1,
        "D": 0.6,
        "mean": 1.0,
        "linear": 0.5,
        "quadratic": 1.0,
        "sigma_x2": 0.5,
        "seed": 4,
    }
    instances = {
        "one latent coordinate": _one,
        "one latent coordinate, mean against curvature": _one | {"mean": -3.0},
        "three latent coordinates": _one | {"k": 3},
        "one latent coordinate, pure quadratic": _one | {"mean": 0.0, "linear": 0.0},
        "Linear VAE, digits": _one | {"integrand": "Linear VAE", "data": "digits", "d": 6, "k": 2},
    }
    faults = {"noise of standard deviation 1.01": "three latent coordinates"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        mean, linear, quadratic = coefficients(configuration, context)
        own = float(quadratic[0, 0])
        values = {
            D_j: float(configuration["D"]),
            c_0: mean,
            b_j: float(linear[0]),
            A_jj: own,
            h2: mean**2 + float(linear @ linear) + 2 * float((quadratic**2).sum()),
            dh2: float(linear[0]) ** 2 + 4 * float(quadratic[0] @ quadratic[0]),
        }
        return Situation(values)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        mean, linear, quadratic = coefficients(configuration, context)
        # Five nodes integrate polynomials up to degree nine; the squared score gradient has degree six.
        points, weights = hermegauss(5)
        noise = np.array(list(product(points, repeat=len(linear)))) * (1.01 if fault else 1.0)
        chances = np.array(list(product(weights / sqrt(2 * pi), repeat=len(linear)))).prod(1)
        integrand = Quadratic(mean, torch.from_numpy(linear), torch.from_numpy(quadratic))
        return _variances(integrand, noise, chances, sqrt(float(configuration["D"])))


def coefficients(configuration: Configuration, context: Context) -> tuple[float, Floats, Floats]:
    """Mean, linear and symmetric quadratic coefficients of the integrand in the noise."""
    c: Any = configuration
    if c["integrand"] == "random":
        size = c["k"]
        drawn = GAUSSIAN.sample(
            words(Stream.named("quadratic", c["seed"]), (0, 1), 0, size * (size + 1)), torch.float64
        )
        values = drawn[:, 0].numpy()
        square = values[size : size * (size + 1)].reshape(size, size) * c["quadratic"]
        return c["mean"], values[:size] * c["linear"], (square + square.T) / 2
    data = table(context, c["data"], 5, c["d"], c["seed"])
    problem = LinearVAE(data, c["sigma_x2"], 1.0, torch.ones(c["k"], dtype=torch.float64))
    drawn_weights = gaussian_weights(problem, c["seed"])
    deviation = c["D"] ** 0.5
    decoder = (drawn_weights.decoder * deviation * c["quadratic"]).numpy()
    residual = (data[0] - drawn_weights.decoder @ (drawn_weights.encoder @ data[0]) * c["quadratic"]).numpy()
    # |r - V D^(1/2) e|^2 / (2 sigma_x2), less its mean, plus what a constant baseline leaves of it.
    return c["mean"], -decoder.T @ residual / c["sigma_x2"], decoder.T @ decoder / (2 * c["sigma_x2"])


def _variances(integrand: Integrand, noise: Floats, chances: Floats, deviation: float) -> Exact:
    """Of both gradients, over noises [R, k] with these chances."""
    found, at = {}, torch.from_numpy(noise)
    for letter, estimator in ((v_score, score_gradient), (v_path, path_gradient)):
        square, error = variance(estimator(integrand, at, deviation).numpy(), chances)
        found[letter] = maximum(Interval.around(square, error), 0.0)
    return Exact(found)


class Oscillations(Experiment):
    """h(e) = cos(omega e + phase) and standard noise, by a trapezoid rule."""

    key = "estimators/oscillating-integrand"
    title = "trapezoid rule for an oscillating integrand"
    setting = OSCILLATING_INTEGRAND
    space = Space((Linear("omega", 0.0, 3.0), Linear("phase", 0.0, 1.6)))
    instances = {
        "cos(1.2 e)": {"omega": 1.2, "phase": 0.0},
        "sin(1.2 e)": {"omega": 1.2, "phase": -pi / 2},
        "cos(1.2 e + 0.7)": {"omega": 1.2, "phase": 0.7},
        "cos(0.7 e)": {"omega": 0.7, "phase": 0.0},
    }

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        frequency, phase = float(configuration["omega"]), float(configuration["phase"])
        return Situation({omega_e: frequency, phase_c: cos(2 * phase)}, errors={phase_c: 4 * EPS})

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        c: Any = configuration
        # Entire integrands: at step 1/8 the rule errs by exp(-2 pi^2 64 + 4 pi omega 8), and 10 leaves out 1e-22.
        noise = np.arange(-80, 81) / 8
        chances = np.exp(-(noise**2) / 2) / (8 * sqrt(2 * pi))
        return _variances(Wave(c["omega"], c["phase"]), noise[:, None], chances, 1.0)


QUADRATICS = Quadratics()
OSCILLATIONS = Oscillations()
