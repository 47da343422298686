"""SGD on the unmodified Linear VAE until it leaves a ball, simulated; runs that leave contribute what they had."""

from collections.abc import Sequence
from typing import Any

from elbound.impl.trajectories import Sgd, stop_together
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
from elbound.theory.settings import SMOOTH_ON_BALL, STOPPED_LINEAR_VAE_RUN
from elbound.theory.symbols import C, Delta, Delta_sup, F, L, a, g3, g4, n, sigma2, sigma_sup2


class StoppedRun(Simulated[Planned]):
    """Runs that stop at their first weights outside the ball; the drawn |g|^3 and |g|^4 stand for their means."""

    key = "descent/stopped-linear-vae"
    title = "simulated runs until an exit, none discarded"
    setting = STOPPED_LINEAR_VAE_RUN
    share = 0.15
    space = run_space(400, 0.3, 2.6)
    instances = {
        "spiked, B=4": SMALL | {"B": 4},
        "digits, B=8": SMALL | {"data": "digits", "N": 64, "d": 8, "k": 2, "B": 8, "sigma_x2": 0.2},
        "a ball that many runs leave": SMALL | {"factor": 1.05, "K": 4, "sigma_x2": 0.5, "n": 50},
        "from the least value, B=8": LEAST | {"law": "random signs", "LC": 0.2},
        "gradients a hundredth as long": SHORT_GRADIENTS,
    }
    faults = {"noise forgotten in the record": "from the least value, B=8"}

    def plan(self, configuration: Configuration, context: Context) -> Planned:
        run = RunProblem.of(configuration, context)
        return Planned(run, run.sgd(run.problem.smoothness_on_ball(run.radius)))

    def shape(self, plan: Planned) -> tuple[int, ...]:
        return plan.shape

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        run, sgd = self.plan(configuration, context)
        constant = run.problem.smoothness_on_ball(run.radius)
        values = {
            n: sgd.steps,
            C: sgd.step_size,
            L: constant,
            Delta: run.first_value - run.infimum,
            Delta_sup: run.highest(_farthest(run, sgd)) - run.infimum,
            sigma_sup2: run.noise(sgd),
        }
        return Situation(values | run.parameters | draws_of(sgd), run.facts | {SMOOTH_ON_BALL})

    def draw(
        self, plans: Sequence[Planned], context: Context, stage: str, replicates: tuple[int, int], fault: str = ""
    ) -> list[dict[Any, Any]]:
        runs, radii = [x.noisy(self.key, context, stage) for x in plans], [x.run.radius for x in plans]
        found, recorded = [], 0.0 if fault else 1.0
        for x in stop_together(runs, radii, replicates, device=context.device, block=context.block):
            rows = (x.squared_gradient, x.noise_variance, x.sample_norm, x.first_value, x.last_value)
            square, noise, drawn, begin, end = (row.cpu().numpy() for row in rows)
            seen = {a: Steps(square), sigma2: Steps(noise * recorded), F: At({1: begin, len(square) + 1: end})}
            found.append(seen | {g3: Steps(drawn**3 * recorded), g4: Steps(drawn**4 * recorded)})
        return found

    def sample(self, plan: Planned, draw: Draw) -> Sample:
        run, sgd = plan
        longest = _longest(run, sgd)
        begin, end = run.values_between(run.highest(_farthest(run, sgd)))
        ranges: dict[Any, Any] = {a: up_to(run.gradient**2, sgd.steps), sigma2: up_to(run.noise(sgd), sgd.steps)}
        ranges |= {
            g3: up_to(longest**3, sgd.steps),
            g4: up_to(longest**4, sgd.steps),
            F: At({1: begin, sgd.steps + 1: end}),
        }
        return Sample(draw, ranges)


def _farthest(run: RunProblem, sgd: Sgd) -> float:
    """A bound on the norm of stopped weights: the first, largest step from the ball's edge."""
    return run.radius + sgd.step_size * _longest(run, sgd)


def _longest(run: RunProblem, sgd: Sgd) -> float:
    """A bound on the length of what is stepped along."""
    return sgd.gain * run.problem.sample_gradient_bound(run.radius, sgd.law.bound)


STOPPED_RUN = StoppedRun()
