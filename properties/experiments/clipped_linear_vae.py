"""SGD on a radially clipped Linear VAE, simulated; gradients, noise variances and objectives exact along each run."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from elbound.impl.clipping import smoothness
from elbound.impl.linear_vae import LinearVAE, Weights, inner
from elbound.impl.noise import RADEMACHER, THREE_POINT, TRUNCATED_GAUSSIAN, UNIFORM, Law
from elbound.impl.trajectories import Sgd, run_sgd
from elbound.properties.datasets import bundled
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import At, Context, Everywhere, Experiment, Sample, Situation, Steps
from elbound.properties.experiments.linear_vae_ball import gaussian_weights, problem_of
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, Scalar, Space
from elbound.theory.settings import CLIPPED_LINEAR_VAE_RUN, SMOOTH, UNBIASED
from elbound.theory.symbols import C, D_max, Delta, F, G_r, L, a, beta, lam, n, r, sigma2, sigma_x2

LAWS: dict[str, Law] = {
    "three-point": THREE_POINT,
    "random signs": RADEMACHER,
    "uniform": UNIFORM,
    "Gaussian cut at 4": TRUNCATED_GAUSSIAN(4.0),
}
ROUNDING = 1e-9


@dataclass(frozen=True)
class ClippedProblem:
    """A Linear VAE, the clip's radius, the start inside it, and the run."""

    problem: LinearVAE
    start: Weights
    sgd: Sgd

    @staticmethod
    def of(configuration: Configuration, context: Context) -> "ClippedProblem":
        c: Any = configuration
        problem, radius = problem_of(configuration, context), float(c["r"])
        sgd = Sgd(
            steps=c["n"],
            step_size=c["LC"] / smoothness(problem, radius),
            batch_size=c["B"],
            importance_samples=c["K"],
            law=LAWS[c["law"]],
            with_replacement=c["replacement"],
            clip_radius=radius,
        )
        return ClippedProblem(problem, _start(problem, configuration), sgd)

    @property
    def radius(self) -> float:
        assert self.sgd.clip_radius is not None
        return self.sgd.clip_radius

    @cached_property
    def first_value(self) -> float:
        start = Weights(self.start.encoder[..., None], self.start.decoder[..., None])
        return float(self.problem.objective(start)[0])

    @cached_property
    def infimum(self) -> float:
        """The least value over all weights, at most the least value on the ball."""
        return self.problem.infimum()

    def ranges(self) -> dict[Any, Any]:
        """What no run can leave: the clip's derivative has norm at most one and the ball bounds everything else."""
        gradient = self.problem.gradient_bound(self.radius)
        data, latent = self.problem.noise_bounds(self.radius, self.sgd.law.kurtosis)
        shares = self.sgd.shares(self.problem.data_count)
        noise = data * shares[0] + latent * shares[1]
        # Along the segment from the start the objective changes by at most the gradient's bound times its length.
        highest = min(self.first_value + 2 * self.radius * gradient, _highest(self.problem, self.radius))
        slack = ROUNDING * (1 + abs(self.infimum) + abs(highest))
        first = Interval.around(self.first_value, slack)
        last = Interval.between(self.infimum - slack, highest + slack)
        return {
            a: Everywhere(Interval.between(0.0, gradient**2 * (1 + ROUNDING))),
            sigma2: Everywhere(Interval.between(0.0, noise * (1 + ROUNDING))),
            F: At({1: first, self.sgd.steps + 1: last}),
        }


def _start(problem: LinearVAE, configuration: Configuration) -> Weights:
    """Random weights at a share of the radius, or the minimiser, brought inside the ball where it lies outside."""
    c: Any = configuration
    if c["start"] == "random":
        drawn = gaussian_weights(problem, c["seed"])
    else:
        least = problem.minimiser()
        drawn = Weights(least.encoder[..., 0], least.decoder[..., 0])
    pair = Weights(drawn.encoder[..., None], drawn.decoder[..., None])
    norm, wanted = float(inner(pair, pair)[0]) ** 0.5, c["share"] * c["r"]
    scale = wanted / norm if c["start"] == "random" or norm > wanted else 1.0
    return Weights(drawn.encoder * scale, drawn.decoder * scale)


def _highest(problem: LinearVAE, radius: float) -> float:
    """A bound on the objective on the ball: |I - VW| <= 1 + r^2 / 2, |V|, |W| <= r, traces by norms."""
    trace, widest = float(problem.second_moment.trace()), float(problem.posterior_variance.max())
    fit = ((1 + radius**2 / 2) ** 2 * trace + radius**2 * widest) / (2 * problem.noise_variance)
    divergence = problem.beta / 2 * radius**2 * problem.largest_moment
    return fit + divergence + problem.likelihood_offset() + problem.divergence_offset()


class ClippedRun(Experiment):
    """Thousands of runs at once, every run counted; sigma_t is the exact variance at the iterate."""

    key = "descent/clipped-linear-vae"
    title = "simulated runs, exact quantities along each"
    setting = CLIPPED_LINEAR_VAE_RUN
    share = 0.5
    space = Space(
        (
            bundled(),
            Choice("law", tuple(LAWS)),
            Choice("replacement", (True, False)),
            Choice("start", ("random", "least value")),
            Count("N", 8, 40),
            Count("d", 1, 6),
            Count("k", 1, 3),
            Count("B", 1, 8),
            Count("K", 1, 4),
            Count("n", 1, 200),
            Logarithmic("LC", 0.1, 3.0),
            Logarithmic("r", 0.3, 3.0),
            Linear("share", 0.05, 0.95),
            Logarithmic("sigma_x2", 0.1, 3.0),
            Linear("beta", 0.1, 4.0),
            Logarithmic("D", 0.1, 3.0),
            Linear("spread", 0.0, 2.0),
            Count("seed", 0, 2**16),
        )
    )
    _small: ClassVar[dict[str, Scalar]] = {
        "data": "spiked",
        "law": "three-point",
        "replacement": True,
        "start": "random",
        "N": 16,
        "d": 3,
        "k": 1,
        "B": 1,
        "K": 1,
    }
    _small |= {
        "n": 100,
        "LC": 1.0,
        "r": 1.0,
        "share": 0.5,
        "sigma_x2": 1.0,
        "beta": 1.0,
        "D": 1.0,
        "spread": 0.0,
        "seed": 5,
    }
    instances = {
        "spiked, B=K=1": _small,
        "digits, B=8": _small | {"data": "digits", "N": 64, "d": 8, "k": 2, "B": 8, "sigma_x2": 0.2},
        "two-valued, without replacement": _small | {"data": "two-valued", "replacement": False, "B": 4, "K": 2},
        "from the least value, B=8": _small | {"start": "least value", "matched": True, "B": 8, "beta": 1.2, "r": 0.4},
        "near-degenerate": _small | {"data": "near-degenerate", "law": "uniform"},
    }
    faults = {"noise forgotten in the record": "from the least value, B=8"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        run = ClippedProblem.of(configuration, context)
        values = {
            n: run.sgd.steps,
            C: run.sgd.step_size,
            L: smoothness(run.problem, run.radius),
            Delta: run.first_value - run.infimum,
            lam: run.problem.largest_moment,
            sigma_x2: run.problem.noise_variance,
            beta: run.problem.beta,
            D_max: float(run.problem.posterior_variance.max()),
            r: run.radius,
            G_r: run.problem.gradient_bound(run.radius),
        }
        return Situation(values, frozenset({UNBIASED, SMOOTH}))

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Sample:
        run = ClippedProblem.of(configuration, context)
        sgd, problem, recorded = run.sgd, run.problem, 0.0 if fault else 1.0

        def draw(stage: str, first: int, count: int) -> dict[Any, Any]:
            stream = context.stream(self.key, configuration, stage)
            found = run_sgd(problem, run.start, sgd, stream, (first, count), device=context.device, block=context.block)
            rows = (found.squared_gradient, found.noise_variance, found.first_value, found.last_value)
            square, noise, begin, end = (x.cpu().numpy() for x in rows)
            return {a: Steps(square), sigma2: Steps(noise * recorded), F: At({1: begin, sgd.steps + 1: end})}

        return Sample(draw, run.ranges())


CLIPPED_RUN = ClippedRun()
