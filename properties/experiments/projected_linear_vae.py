"""SGD on a Linear VAE, projected onto a ball after each step, simulated; gradient mappings exact along each run."""

from collections.abc import Sequence
from typing import Any

from elbound.impl.trajectories import run_together
from elbound.properties.experiment import Context, Sample, Situation, Steps
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
from elbound.theory.settings import PROJECTED_LINEAR_VAE_RUN
from elbound.theory.symbols import C, Delta, L, mapping2, n, sigma2


class ProjectedRun(Simulated[Planned]):
    """Projected runs; at a point of the ball the gradient mapping is no longer than the gradient."""

    key = "descent/projected-linear-vae"
    title = "simulated projected runs, exact quantities along each"
    setting = PROJECTED_LINEAR_VAE_RUN
    share = 0.25
    space = run_space(200, 0.05, 0.65)
    instances = {
        "spiked, one step": SMALL | {"LC": 0.5, "n": 1, "B": 8, "norm": 2.0, "factor": 1.05},
        "spiked, B=8": SMALL | {"LC": 0.5, "B": 8, "norm": 2.0, "factor": 1.05},
        "digits, B=8": SMALL | {"data": "digits", "N": 64, "d": 8, "k": 2, "B": 8, "sigma_x2": 0.2, "LC": 0.4},
        "from the least value, B=8": LEAST | {"LC": 0.5},
        "gradients a hundredth as long": SHORT_GRADIENTS | {"LC": 0.5, "n": 100},
    }
    faults = {"noise forgotten in the record": "from the least value, B=8"}

    def plan(self, configuration: Configuration, context: Context) -> Planned:
        run = RunProblem.of(configuration, context)
        return Planned(run, run.sgd(run.problem.smoothness_on_ball(run.radius), ball=run.radius))

    def shape(self, plan: Planned) -> tuple[int, ...]:
        return plan.shape

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        run, sgd = self.plan(configuration, context)
        constant = run.problem.smoothness_on_ball(run.radius)
        values = {n: sgd.steps, C: sgd.step_size, L: constant, Delta: run.first_value - run.infimum}
        return Situation(values | run.parameters | draws_of(sgd), run.facts)

    def draw(
        self, plans: Sequence[Planned], context: Context, stage: str, replicates: tuple[int, int], fault: str = ""
    ) -> list[dict[Any, Any]]:
        runs = [x.noisy(self.key, context, stage) for x in plans]
        found, recorded = [], 0.0 if fault else 1.0
        for x in run_together(runs, replicates, device=context.device, block=context.block):
            square, noise = (row.cpu().numpy() for row in (x.squared_gradient, x.noise_variance))
            found.append({mapping2: Steps(square), sigma2: Steps(noise * recorded)})
        return found

    def sample(self, plan: Planned, draw: Draw) -> Sample:
        run, sgd = plan
        return Sample(draw, {mapping2: up_to(run.gradient**2, sgd.steps), sigma2: up_to(run.noise(sgd), sgd.steps)})


PROJECTED_RUN = ProjectedRun()
