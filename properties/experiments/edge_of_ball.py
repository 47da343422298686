"""One SGD step from the edge of a ball, on one-dimensional data with two outliers: every outcome enumerated."""

from typing import Any

import numpy as np
import torch

from elbound.impl.linear_vae import LinearVAE, Weights, inner
from elbound.impl.noise import THREE_POINT
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Exact, Experiment, Situation, Steps
from elbound.properties.spaces import Configuration, Count, Linear, Logarithmic, Space
from elbound.theory.settings import SGD_RUN, SMOOTH_ON_BALL, UNBIASED
from elbound.theory.symbols import C, Delta, F, L, a, n, sigma2

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
    setting = SGD_RUN
    space = Space(
        (
            Count("N", 4, 256),
            Logarithmic("r", 0.1, 3.0),
            Linear("beta", 0.0, 3.0),
            Logarithmic("D", 0.2, 3.0),
            Logarithmic("sigma_x2", 0.2, 3.0),
            Logarithmic("LC", 0.05, 3.0),
        )
    )
    instances = {
        "two outliers among 32": {"N": 32, "r": 0.5, "beta": 1.0, "D": 1.0, "sigma_x2": 1.0, "LC": 1.0},
        "two outliers among 128": {"N": 128, "r": 0.5, "beta": 1.0, "D": 1.0, "sigma_x2": 1.0, "LC": 1.0},
    }

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        problem, start = problem_of(configuration)
        smoothness = problem.smoothness_on_ball(float(configuration["r"]))
        gap = float(problem.objective(start)[0]) - problem.infimum()
        values = {n: 1, C: float(configuration["LC"]) / smoothness, L: smoothness, Delta: gap}
        return Situation(values, frozenset({UNBIASED, SMOOTH_ON_BALL}))

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        problem, start = problem_of(configuration)
        gamma = float(configuration["LC"]) / problem.smoothness_on_ball(float(configuration["r"]))
        count, values = problem.data_count, torch.tensor(THREE_POINT.support, dtype=torch.float64)
        indices = torch.arange(count).repeat_interleave(len(values))[None]
        chances = torch.tensor(THREE_POINT.weights, dtype=torch.float64).repeat(count) / count
        weights = Weights(*(part.expand(-1, -1, indices.shape[1]).contiguous() for part in start))
        slope = problem.sample_gradient(weights, indices, values.repeat(count)[None, None, None])
        after = problem.objective(Weights(*(w - gamma * g for w, g in zip(weights, slope, strict=True))))
        mean = problem.gradient(start)
        away = Weights(*(g - m for g, m in zip(slope, mean, strict=True)))
        return Exact(
            {
                a: _step(inner(mean, mean)[0], 1.0),
                sigma2: _step((chances * inner(away, away)).sum(), 1.0),
                F: Steps(
                    _around(
                        np.array([float(problem.objective(start)[0]), float((chances * after).sum())]),
                        after.abs().max(),
                    )
                ),
            }
        )


def _step(value: Any, scale: float) -> Steps:
    return Steps(_around(np.array([[float(value)]]), scale * float(value)))


def _around(values: np.ndarray, scale: Any) -> Interval:
    # About a hundred operations in each outcome, sums with weights that add to one.
    error = 512 * EPS * (1 + float(scale))
    return Interval.around(values, error)


EDGE_OF_BALL = EdgeOfBall()
