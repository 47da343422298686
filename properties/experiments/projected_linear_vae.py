"""SGD on a Linear VAE, projected onto a ball after each step, simulated; gradient mappings exact along each run."""

from typing import Any

from elbound.impl.trajectories import run_sgd
from elbound.properties.experiment import Context, Experiment, Sample, Situation, Steps
from elbound.properties.experiments.linear_vae_runs import LEAST, SHORT_GRADIENTS, SMALL, RunProblem, run_space, up_to
from elbound.properties.spaces import Configuration
from elbound.theory.settings import PROJECTED_LINEAR_VAE_RUN
from elbound.theory.symbols import C, Delta, L, mapping2, n, sigma2


class ProjectedRun(Experiment):
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

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        run = RunProblem.of(configuration, context)
        constant = run.problem.smoothness_on_ball(run.radius)
        sgd = run.sgd(constant, ball=run.radius)
        values = {n: sgd.steps, C: sgd.step_size, L: constant, Delta: run.first_value - run.infimum}
        return Situation(values | run.parameters, run.facts)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Sample:
        run = RunProblem.of(configuration, context)
        sgd = run.sgd(run.problem.smoothness_on_ball(run.radius), ball=run.radius)
        recorded = 0.0 if fault else 1.0

        def draw(stage: str, first: int, count: int) -> dict[Any, Any]:
            stream = context.stream(self.key, configuration, stage)
            where: Any = {"device": context.device, "block": context.block}
            found = run_sgd(run.problem, run.start, sgd, stream, (first, count), **where)
            square, noise = (x.cpu().numpy() for x in (found.squared_gradient, found.noise_variance))
            return {mapping2: Steps(square), sigma2: Steps(noise * recorded)}

        return Sample(draw, {mapping2: up_to(run.gradient**2), sigma2: up_to(run.noise(sgd))})


PROJECTED_RUN = ProjectedRun()
