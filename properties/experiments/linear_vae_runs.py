"""What simulated runs on a Linear VAE share: their configurations, the start, the ball, and what no run can exceed."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from elbound.impl.linear_vae import LinearVAE, Weights, inner
from elbound.impl.noise import RADEMACHER, THREE_POINT, TRUNCATED_GAUSSIAN, UNIFORM, Law
from elbound.impl.trajectories import Run, Sgd
from elbound.properties.datasets import bundled
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Everywhere
from elbound.properties.experiments.linear_vae_ball import gaussian_weights, problem_of
from elbound.properties.sizes import sizes_of
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, LogarithmicCount, Scalar, Space
from elbound.theory.claim import Fact
from elbound.theory.settings import UNBIASED
from elbound.theory.symbols import D_max, beta, lam, r, sigma_x2

LAWS: dict[str, Law] = {
    "three-point": THREE_POINT,
    "random signs": RADEMACHER,
    "uniform": UNIFORM,
    "Gaussian cut at 4": TRUNCATED_GAUSSIAN(4.0),
}
# A run of n steps adds fewer than 1e4 n terms; their rounding is far below this share of a sure bound.
ROUNDING = 1e-9
# The space draws random starts only: from the least value noise is all there is, and the rates are at their loosest.
SMALL: dict[str, Scalar] = {
    "data": "spiked",
    "law": "three-point",
    "replacement": True,
    "N": 16,
    "d": 3,
    "k": 1,
    "B": 1,
    "K": 1,
    "n": 100,
    "LC": 1.0,
    "norm": 0.5,
    "factor": 2.0,
    "sigma_x2": 1.0,
    "beta": 1.0,
    "D": 1.0,
    "spread": 0.0,
    "seed": 5,
    "gain": 1.0,
}
# Nearly quadratic along the start, which gradients a hundredth as long hardly leave.
SHORT_GRADIENTS = SMALL | {"d": 1, "beta": 4.0, "sigma_x2": 3.0, "B": 8, "K": 4, "norm": 1.5, "factor": 1.05}
SHORT_GRADIENTS |= {"n": 50, "gain": 0.01}
# beta sigma_x2 > 1 and D = beta lam sigma_x2: the least value lies at the origin.
LEAST = SMALL | {"start": "least value", "matched": True, "B": 8, "beta": 1.2, "norm": 0.1}


def run_space(steps: int, lowest: float, highest: float) -> Space:
    """Configurations of runs of up to so many steps, with L C evenly spread between two ends."""
    return Space(
        (
            bundled(),
            Choice("law", tuple(LAWS)),
            Choice("replacement", (True, False)),
            Count("N", 8, 40),
            Count("d", 1, 6),
            Count("k", 1, 3),
            LogarithmicCount("B", 1, 8),
            Count("K", 1, 4),
            Count("n", 1, steps),
            Linear("LC", lowest, highest),
            Linear("norm", 0.1, 2.0),
            Linear("factor", 1.05, 2.0),
            Logarithmic("sigma_x2", 1e-3, 1e3, usual=(0.1, 3.0)),
            Linear("beta", 0.1, 4.0),
            Logarithmic("D", 1e-3, 1e3, usual=(0.1, 3.0)),
            Linear("spread", 0.0, 2.0),
            Count("seed", 0, 2**16),
            Choice("gain", (1.0, 0.01), usual=4),
        )
    )


@dataclass(frozen=True)
class RunProblem:
    """A Linear VAE, a start, a ball around both start and minimiser, and how steps are drawn."""

    problem: LinearVAE
    start: Weights
    radius: float
    configuration: Configuration

    @staticmethod
    def of(configuration: Configuration, context: Context) -> "RunProblem":
        """The radius is "factor" times the larger of the norm of random starts and the minimiser's norm."""
        c: Any = configuration
        problem = problem_of(configuration, context)
        least = problem.minimiser()
        radius = c["factor"] * max(c["norm"], float(inner(least, least)[0]) ** 0.5)
        if c.get("start") == "least value":
            return RunProblem(problem, Weights(least.encoder[..., 0], least.decoder[..., 0]), radius, configuration)
        drawn = gaussian_weights(problem, c["seed"])
        pair = Weights(drawn.encoder[..., None], drawn.decoder[..., None])
        scale = c["norm"] / float(inner(pair, pair)[0]) ** 0.5
        return RunProblem(problem, Weights(drawn.encoder * scale, drawn.decoder * scale), radius, configuration)

    def sgd(self, smoothness: float, *, clip: float | None = None, ball: float | None = None) -> Sgd:
        """The run at step size LC / smoothness, clipped or projected or neither.

        A table of fewer data than the batch size is drawn as a whole without replacement.
        """
        c: Any = self.configuration
        most = c["B"] if c["replacement"] else self.problem.data_count
        return Sgd(
            steps=c["n"],
            step_size=c["LC"] / smoothness,
            batch_size=min(c["B"], most),
            importance_samples=c["K"],
            law=LAWS[c["law"]],
            with_replacement=c["replacement"],
            clip_radius=clip,
            ball_radius=ball,
            gain=c["gain"],
        )

    @property
    def facts(self) -> frozenset[Fact]:
        """Whether minibatch gradients have the gradient as their mean."""
        return frozenset({UNBIASED} if self.configuration["gain"] == 1 else set())

    @property
    def parameters(self) -> dict[Any, float]:
        """What the smoothness constant on the ball depends on."""
        return {
            **sizes_of(self.problem),
            lam: self.problem.largest_moment,
            sigma_x2: self.problem.noise_variance,
            beta: self.problem.beta,
            D_max: float(self.problem.posterior_variance.max()),
            r: self.radius,
        }

    @cached_property
    def first_value(self) -> float:
        start = Weights(self.start.encoder[..., None], self.start.decoder[..., None])
        return float(self.problem.objective(start)[0])

    @cached_property
    def infimum(self) -> float:
        """The least value over all weights, at most the least value on the ball."""
        return self.problem.infimum()

    @cached_property
    def gradient(self) -> float:
        """A bound on the gradient's norm on the ball."""
        return self.problem.gradient_bound(self.radius)

    def highest(self, radius: float) -> float:
        """A bound on the objective on a ball around the origin: |I - VW| <= 1 + r^2 / 2, |V|, |W| <= r."""
        problem = self.problem
        trace, widest = float(problem.second_moment.trace()), float(problem.posterior_variance.max())
        fit = ((1 + radius**2 / 2) ** 2 * trace + radius**2 * widest) / (2 * problem.noise_variance)
        divergence = problem.beta / 2 * radius**2 * problem.largest_moment
        return fit + divergence + problem.likelihood_offset() + problem.divergence_offset()

    @cached_property
    def highest_on_ball(self) -> float:
        """Along the segment from the start the objective changes by at most the gradient's bound times its length."""
        return min(self.first_value + 2 * self.radius * self.gradient, self.highest(self.radius))

    def noise(self, sgd: Sgd) -> float:
        """A bound on the variance of the sample gradient on the ball."""
        data, latent = self.problem.noise_bounds(self.radius, sgd.law.kurtosis)
        shares = sgd.shares(self.problem.data_count)
        return data * shares[0] + latent * shares[1]

    def values_between(self, highest: float) -> tuple[Interval, Interval]:
        """Sure ranges of the first and the last value of the objective."""
        slack = ROUNDING * (1 + abs(self.infimum) + abs(highest))
        last = Interval.between(self.infimum - slack, highest + slack)
        return Interval.around(self.first_value, slack), last


def up_to(bound: float, steps: int) -> Everywhere:
    """A curve between zero and a sure bound."""
    return Everywhere(Interval.between(0.0, bound * (1 + ROUNDING)), steps)


class Planned(NamedTuple):
    """A problem and how its steps are drawn."""

    run: RunProblem
    sgd: Sgd

    @property
    def shape(self) -> tuple[int, ...]:
        """Latent and data dimension, batch size, importance samples."""
        problem, sgd = self.run.problem, self.sgd
        return problem.latent_dim, problem.data_dim, sgd.batch_size, sgd.importance_samples

    def noisy(self, key: str, context: Context, stage: str) -> Run:
        """The run with the noise of one stage."""
        return Run(self.run.problem, self.run.start, self.sgd, context.stream(key, self.run.configuration, stage))
