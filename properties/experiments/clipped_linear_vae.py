"""SGD on a radially clipped Linear VAE, simulated; gradients, noise variances and objectives exact along each run."""

from typing import Any

from elbound.impl.clipping import smoothness
from elbound.impl.trajectories import run_sgd
from elbound.properties.experiment import At, Context, Experiment, Sample, Situation, Steps
from elbound.properties.experiments.linear_vae_runs import LEAST, SHORT_GRADIENTS, SMALL, RunProblem, run_space, up_to
from elbound.properties.spaces import Configuration
from elbound.theory.settings import CLIPPED_LINEAR_VAE_RUN, SMOOTH
from elbound.theory.symbols import C, Delta, Delta_sup, F, G_r, L, a, n, sigma2, sigma_sup2


class ClippedRun(Experiment):
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
        "one step, L C = 5/2": SHORT_GRADIENTS | {"factor": 2.0, "gain": 1.0, "LC": 2.5, "n": 1},
        "gradients a hundredth as long": SHORT_GRADIENTS | {"factor": 2.0},
    }
    faults = {"noise forgotten in the record": "from the least value, B=8"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        run = RunProblem.of(configuration, context)
        constant = smoothness(run.problem, run.radius)
        sgd = run.sgd(constant, clip=run.radius)
        values = {
            n: sgd.steps,
            C: sgd.step_size,
            L: constant,
            Delta: run.first_value - run.infimum,
            Delta_sup: run.highest_on_ball - run.infimum,
            sigma_sup2: run.noise(sgd),
            G_r: run.gradient,
        }
        return Situation(values | run.parameters, run.facts | {SMOOTH})

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Sample:
        run = RunProblem.of(configuration, context)
        sgd = run.sgd(smoothness(run.problem, run.radius), clip=run.radius)
        recorded = 0.0 if fault else 1.0

        def draw(stage: str, first: int, count: int) -> dict[Any, Any]:
            stream = context.stream(self.key, configuration, stage)
            found = run_sgd(
                run.problem, run.start, sgd, stream, (first, count), device=context.device, block=context.block
            )
            rows = (found.squared_gradient, found.noise_variance, found.first_value, found.last_value)
            square, noise, begin, end = (x.cpu().numpy() for x in rows)
            return {a: Steps(square), sigma2: Steps(noise * recorded), F: At({1: begin, sgd.steps + 1: end})}

        # The clip's derivative has norm at most one, so what holds on the ball holds for the clipped objective.
        begin, end = run.values_between(run.highest_on_ball)
        last = sgd.steps + 1
        ranges: dict[Any, Any] = {a: up_to(run.gradient**2), sigma2: up_to(run.noise(sgd))}
        return Sample(draw, ranges | {F: At({1: begin, last: end})})


CLIPPED_RUN = ClippedRun()
