"""One SGD step from the edge of a ball, on one-dimensional data with two outliers: every outcome enumerated."""

from typing import Any, ClassVar

import numpy as np
import torch

from elbound.impl.linear_vae import LinearVAE, Weights, inner
from elbound.impl.noise import THREE_POINT
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Exact, Experiment, Situation, Steps
from elbound.properties.sizes import sizes_of
from elbound.properties.spaces import Choice, Configuration, Linear, Logarithmic, LogarithmicCount, Scalar, Space
from elbound.theory.settings import SMOOTH_ON_BALL, STOPPED_LINEAR_VAE_RUN, UNBIASED
from elbound.theory.symbols import (
    B,
    C,
    D_max,
    Delta,
    Delta_sup,
    F,
    K,
    L,
    a,
    beta,
    g3,
    g4,
    lam,
    n,
    r,
    sigma2,
    sigma_sup2,
    sigma_x2,
)

EPS = 2.0**-53


def problem_of(configuration: Configuration) -> tuple[LinearVAE, Weights]:
    """Data 0, ..., 0, sqrt(N/2), -sqrt(N/2), of second moment one; V = -W at the edge of the ball of radius r."""
    c: Any = configuration
    data = torch.zeros(c["N"], 1, dtype=torch.float64)
    data[:2, 0] = torch.tensor([1.0, -1.0]) * (c["N"] / 2) ** 0.5
    problem = LinearVAE(data, c["sigma_x2"], c["beta"], torch.tensor([c["D"]], dtype=torch.float64))
    return problem, problem.extremal_point(c["r"])


class EdgeOfBall(Experiment):
    """The expected objective after one step that may leave the ball; B = K = 1, three-point latent noise."""

    key = "descent/edge-of-ball"
    title = "one step, enumerated"
    setting = STOPPED_LINEAR_VAE_RUN
    space = Space(
        (
            LogarithmicCount("N", 4, 256),
            Logarithmic("r", 0.1, 3.0),
            Linear("beta", 0.0, 3.0),
            Logarithmic("D", 1e-3, 1e3, usual=(0.2, 3.0)),
            Logarithmic("sigma_x2", 1e-3, 1e3, usual=(0.2, 3.0)),
            Logarithmic("LC", 0.05, 3.0),
            Choice("gain", (1.0, 0.01), usual=4),
        )
    )
    _half: ClassVar[dict[str, Scalar]] = {"N": 4, "r": 0.35, "beta": 2.75, "D": 0.32, "sigma_x2": 3.0, "LC": 0.65}
    _half |= {"gain": 1.0}
    instances = {
        "two outliers among 32": {"N": 32, "r": 0.5, "beta": 1.0, "D": 1.0, "sigma_x2": 1.0, "LC": 1.0, "gain": 1.0},
        "two outliers among 128": {"N": 128, "r": 0.5, "beta": 1.0, "D": 1.0, "sigma_x2": 1.0, "LC": 1.0, "gain": 1.0},
        "a small step, little noise": {
            "N": 4,
            "r": 0.425,
            "beta": 3.0,
            "D": 0.2,
            "sigma_x2": 3.0,
            "LC": 0.05,
            "gain": 1.0,
        },
        "a step that takes half the gap": _half,
        "a hundredth of a step that takes half the gap": _half | {"gain": 0.01},
    }
    faults = {"third and fourth moments forgotten": "two outliers among 32"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        problem, start = problem_of(configuration)
        smoothness = problem.smoothness_on_ball(float(configuration["r"]))
        gap = float(problem.objective(start)[0]) - problem.infimum()
        data_noise, latent_noise = problem.noise_split(start, THREE_POINT.kurtosis)
        values = {n: 1, C: float(configuration["LC"]) / smoothness, L: smoothness, Delta: gap, Delta_sup: gap}
        values |= {**sizes_of(problem), B: 1, K: 1}
        values |= {lam: problem.largest_moment, sigma_x2: problem.noise_variance, beta: problem.beta}
        values |= {
            D_max: float(configuration["D"]),
            r: float(configuration["r"]),
            sigma_sup2: float(data_noise + latent_noise) * float(configuration["gain"]) ** 2,
        }
        facts = {SMOOTH_ON_BALL, UNBIASED} if configuration["gain"] == 1 else {SMOOTH_ON_BALL}
        return Situation(values, frozenset(facts))

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        problem, start = problem_of(configuration)
        gamma = float(configuration["LC"]) / problem.smoothness_on_ball(float(configuration["r"]))
        count, values = problem.data_count, torch.tensor(THREE_POINT.support, dtype=torch.float64)
        indices = torch.arange(count).repeat_interleave(len(values))[None]
        chances = torch.tensor(THREE_POINT.weights, dtype=torch.float64).repeat(count) / count
        weights = Weights(*(part.expand(-1, -1, indices.shape[1]).contiguous() for part in start))
        slope = problem.sample_gradient(weights, indices, values.repeat(count)[None, None, None])
        slope = Weights(*(float(configuration["gain"]) * part for part in slope))
        after = problem.objective(Weights(*(w - gamma * g for w, g in zip(weights, slope, strict=True))))
        gradient, length = problem.gradient(start), inner(slope, slope).sqrt() * (0.0 if fault else 1.0)
        away = Weights(*(g - g @ chances[:, None] for g in slope))
        ends = np.array([float(problem.objective(start)[0]), float((chances * after).sum())])
        return Exact(
            {
                a: _step(inner(gradient, gradient)[0]),
                sigma2: _step((chances * inner(away, away)).sum()),
                g3: _step((chances * length**3).sum()),
                g4: _step((chances * length**4).sum()),
                F: Steps(_around(ends, after.abs().max())),
            }
        )


def _step(value: Any) -> Steps:
    return Steps(_around(np.array([[float(value)]]), float(value)))


def _around(values: np.ndarray, scale: Any) -> Interval:
    # About a hundred operations in each outcome, sums with weights that add to one.
    error = 512 * EPS * (1 + float(scale))
    return Interval.around(values, error)


EDGE_OF_BALL = EdgeOfBall()
