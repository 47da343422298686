"""SGD on a radially clipped Linear VAE, simulated; gradients, noise variances and objectives exact along each run."""

from collections.abc import Sequence
from typing import Any

from elbound.impl.clipping import smoothness
from elbound.impl.trajectories import run_together
from elbound.properties.experiment import At, Context, Sample, Situation, Steps
from elbound.properties.experiments.linear_vae_runs import (
    LEAST,
    SHORT_GRADIENTS,
    SMALL,
    Planned,
    RunProblem,
    run_space,
    up_to,
)
from elbound.properties.simulated import Draw, Simulated
from elbound.properties.sizes import draws_of
from elbound.properties.spaces import Configuration
from elbound.theory.settings import CLIPPED_LINEAR_VAE_RUN, SMOOTH
from elbound.theory.symbols import C, Delta, Delta_sup, F, G_r, L, a, n, sigma2, sigma_sup2


class ClippedRun(Simulated[Planned]):
    """Thousands of runs at once, every run counted; sigma_t is the exact variance at the iterate."""

    key = "descent/clipped-linear-vae"
    title = "simulated runs, exact quantities along each"
    setting = CLIPPED_LINEAR_VAE_RUN
    share = 0.3
    space = run_space(200, 0.3, 2.6)
    instances = {
        "spiked, B=K=1": SMALL,
        "digits, B=8": SMALL | {"data": "digits", "N": 64, "d": 8, "k": 2, "B": 8, "sigma_x2": 0.2},
        "two-valued, without replacement": SMALL | {"data": "two-valued", "replacement": False, "B": 4, "K": 2},
        "from the least value, B=8": LEAST,
        "near-degenerate": SMALL | {"data": "near-degenerate", "law": "uniform"},
        "downhill, all but quadratic, B=8": SHORT_GRADIENTS | {"factor": 2.0, "gain": 1.0},
        "one step, L C = 5/2": SHORT_GRADIENTS | {"factor": 2.0, "gain": 1.0, "LC": 2.5, "n": 1},
        "gradients a hundredth as long": SHORT_GRADIENTS | {"factor": 2.0},
    }
    faults = {"noise forgotten in the record": "from the least value, B=8"}

    def plan(self, configuration: Configuration, context: Context) -> Planned:
        run = RunProblem.of(configuration, context)
        return Planned(run, run.sgd(smoothness(run.problem, run.radius), clip=run.radius))

    def shape(self, plan: Planned) -> tuple[int, ...]:
        return plan.shape

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        run, sgd = self.plan(configuration, context)
        values = {
            n: sgd.steps,
            C: sgd.step_size,
            L: smoothness(run.problem, run.radius),
            Delta: run.first_value - run.infimum,
            Delta_sup: run.highest_on_ball - run.infimum,
            sigma_sup2: run.noise(sgd),
            G_r: run.gradient,
        }
        return Situation(values | run.parameters | draws_of(sgd), run.facts | {SMOOTH})

    def draw(
        self, plans: Sequence[Planned], context: Context, stage: str, replicates: tuple[int, int], fault: str = ""
    ) -> list[dict[Any, Any]]:
        runs = [x.noisy(self.key, context, stage) for x in plans]
        found, recorded = [], 0.0 if fault else 1.0
        for x in run_together(runs, replicates, device=context.device, block=context.block):
            rows = (x.squared_gradient, x.noise_variance, x.first_value, x.last_value)
            square, noise, begin, end = (row.cpu().numpy() for row in rows)
            found.append({a: Steps(square), sigma2: Steps(noise * recorded), F: At({1: begin, len(square) + 1: end})})
        return found

    def sample(self, plan: Planned, draw: Draw) -> Sample:
        run, sgd = plan
        # The clip's derivative has norm at most one, so what holds on the ball holds for the clipped objective.
        begin, end = run.values_between(run.highest_on_ball)
        last = sgd.steps + 1
        ranges: dict[Any, Any] = {a: up_to(run.gradient**2, sgd.steps), sigma2: up_to(run.noise(sgd), sgd.steps)}
        return Sample(draw, ranges | {F: At({1: begin, last: end})})


CLIPPED_RUN = ClippedRun()
