"""SGD on a Gaussian family for a soft-clipped regression, simulated; gradients and noise variances by enumeration."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from elbound.impl.bbvi import GaussianInference, full_rank, run_inference
from elbound.impl.noise import GAUSSIAN, THREE_POINT, Stream, words
from elbound.impl.soft_clipping import SoftClip
from elbound.impl.trajectories import Sgd
from elbound.properties.datasets import bundled, table
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import At, Context, Everywhere, Experiment, Sample, Situation, Steps
from elbound.properties.sizes import draws_of
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, LogarithmicCount, Scalar, Space
from elbound.theory.settings import BBVI_RUN, SMOOTH, UNBIASED
from elbound.theory.symbols import (
    C,
    Delta,
    Delta_sup,
    F,
    L,
    N,
    a,
    beta,
    curvature_sup,
    k,
    lam,
    misfit_sup,
    n,
    s_max,
    s_min,
    sigma2,
    sigma_sup2,
    sigma_x2,
    slope_sup,
    tau_1,
    tau_2,
    x_abs,
)

# Bounds are sums and products of a few hundred rounded terms; what is measured is so as well.
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class InferenceProblem:
    """A problem, the start, and the run."""

    problem: GaussianInference
    start: Tensor
    sgd: Sgd

    @staticmethod
    def of(configuration: Configuration, context: Context) -> "InferenceProblem":
        """Two labels for each input, `contrast` above and below a random centre; `start` scales a random start, "bent"
        puts the log-scales where their soft-clip bends most, at the upper end of the range.
        """
        c: Any = configuration
        inputs = table(context, c["data"], c["N"], c["k"], c["seed"]) * c["scale"]
        count, size = inputs.shape
        below = full_rank(size) if c["family"] == "full-rank" else ()
        drawn = GAUSSIAN.sample(
            words(Stream.named("inference", c["seed"]), (0, 1), 0, count + 2 * size + len(below)), torch.float64
        )
        centre = drawn[:count] * c["centre"]
        labels = torch.cat((centre + c["contrast"], centre - c["contrast"]), dim=1)
        problem = GaussianInference(
            inputs,
            labels,
            c["sigma_x2"],
            c["beta"],
            SoftClip(-1.0, 1.0, c["s"]),
            SoftClip(c["shift"] - c["ell"], c["shift"] + c["ell"], c["s"]),
            below,
        )
        start = drawn[count : count + problem.parameter_count] * c["start"]
        if c.get("bent"):
            start[size : 2 * size] = problem.log_scale.high
        sgd = Sgd(
            steps=c["n"],
            step_size=c["LC"] / problem.smoothness(),
            batch_size=c["B"],
            importance_samples=c["K"],
            law=THREE_POINT,
            gain=c["gain"],
        )
        return InferenceProblem(problem, start, sgd)

    @cached_property
    def first_value(self) -> float:
        return float(self.problem.objective(self.start)[0])

    def ranges(self) -> dict[Any, Any]:
        """What no run can leave, by the sure bound on the mean and the entries below the diagonal."""
        reach, least = self.problem.reach(self.start, self.sgd), self.problem.infimum()
        highest = self.problem.highest(reach)
        slack = ROUNDING * (1 + abs(least) + abs(highest))
        first = Interval.around(self.first_value, slack)
        last = Interval.between(least - slack, highest + slack)
        gradient, noise = self.problem.gradient_bound(reach), self.problem.noise_bound(self.sgd)
        return {
            a: Everywhere(Interval.between(0.0, gradient**2 * (1 + ROUNDING)), self.sgd.steps),
            sigma2: Everywhere(Interval.between(0.0, noise * (1 + ROUNDING)), self.sgd.steps),
            F: At({1: first, self.sgd.steps + 1: last}),
        }


class InferenceRuns(Experiment):
    """Many runs at once, every run counted; gradient and noise variance at the iterate are finite sums."""

    key = "descent/variational-inference"
    title = "simulated runs, exact quantities along each"
    setting = BBVI_RUN
    share = 0.3
    space = Space(
        (
            bundled(),
            Choice("family", ("mean-field", "full-rank")),
            Count("N", 5, 10),
            Count("k", 1, 2),
            Count("B", 1, 4),
            Count("K", 1, 3),
            LogarithmicCount("n", 1, 60),
            Logarithmic("LC", 0.2, 3.0),
            Linear("start", 0.0, 2.0),
            Logarithmic("scale", 0.2, 2.0),
            Linear("centre", 0.0, 1.5),
            Linear("contrast", 0.0, 3.0),
            Logarithmic("sigma_x2", 1e-3, 1e3, usual=(0.1, 3.0)),
            Logarithmic("beta", 0.05, 5.0),
            Logarithmic("s", 0.5, 5.0),
            Linear("ell", 0.1, 1.0),
            Choice("shift", (0.0, -2.0, 1.0), usual=2),
            Count("seed", 0, 2**16),
            Choice("gain", (1.0, 0.01), usual=4),
        )
    )
    _noisy: ClassVar[dict[str, Scalar]] = {
        "data": "spiked",
        "family": "mean-field",
        "N": 8,
        "k": 1,
        "B": 1,
        "K": 1,
        "n": 60,
        "LC": 1.0,
        "start": 0.0,
        "scale": 0.5,
    }
    _noisy |= {
        "centre": 0.0,
        "contrast": 3.0,
        "sigma_x2": 0.5,
        "beta": 6.0,
        "s": 0.6,
        "ell": 0.3,
        "shift": 0.0,
        "seed": 5,
        "gain": 1.0,
    }
    _quadratic: ClassVar[dict[str, Scalar]] = _noisy | {"start": 2.0, "contrast": 0.0, "beta": 4.0, "sigma_x2": 3.0}
    _quadratic |= {"scale": 0.2, "s": 0.5, "ell": 0.1, "seed": 3}
    instances = {
        "from the prior, contrary labels, mean-field": _noisy,
        "from the prior, contrary labels, full-rank": _noisy | {"family": "full-rank", "k": 2},
        "two-dimensional, far start": _noisy
        | {"family": "full-rank", "k": 2, "start": 1.5, "contrast": 0.5, "centre": 1.0, "beta": 0.1, "s": 4.0},
        "digits, full-rank, B = 4": _noisy
        | {"data": "digits", "family": "full-rank", "k": 2, "B": 4, "K": 2, "centre": 0.7, "contrast": 0.3},
        "one step, L C = 5/2": _quadratic | {"LC": 2.5, "n": 1, "s": 2.0, "ell": 0.5},
        "log-scales far below zero, one step": _noisy
        | {"n": 1, "LC": 1.9, "contrast": 0.0, "scale": 1e-3, "beta": 1.0, "s": 20.0, "ell": 1.0, "shift": -2.0}
        | {"bent": True},
        "far start, all but quadratic, gradients a hundredth as long": _quadratic | {"gain": 0.01},
    }
    faults = {"noise forgotten in the record": "from the prior, contrary labels, mean-field"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        run = InferenceProblem.of(configuration, context)
        problem = run.problem
        values = {
            n: run.sgd.steps,
            C: run.sgd.step_size,
            L: problem.smoothness(),
            Delta: run.first_value - problem.infimum(),
            Delta_sup: problem.highest(problem.reach(run.start, run.sgd)) - problem.infimum(),
            sigma_sup2: problem.noise_bound(run.sgd),
            N: len(problem.inputs),
            k: problem.latent_dim,
            **draws_of(run.sgd),
            lam: problem.largest_moment,
            sigma_x2: problem.noise_variance,
            beta: problem.beta,
            slope_sup: problem.predictor.slope_bound,
            curvature_sup: problem.predictor.curvature_bound,
            misfit_sup: problem.largest_misfit,
            x_abs: problem.mean_absolute_input,
            s_min: problem.least_scale,
            s_max: problem.largest_scale,
            tau_1: problem.log_scale.slope_bound,
            tau_2: problem.log_scale.curvature_bound,
        }
        return Situation(values, frozenset({SMOOTH, UNBIASED} if run.sgd.gain == 1 else {SMOOTH}))

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Sample:
        run = InferenceProblem.of(configuration, context)
        recorded = 0.0 if fault else 1.0

        def draw(stage: str, first: int, count: int) -> dict[Any, Any]:
            stream = context.stream(self.key, configuration, stage)
            found = run_inference(run.problem, run.start, run.sgd, stream, (first, count))
            square, noise, begin, end = (x.numpy() for x in found)
            return {a: Steps(square), sigma2: Steps(noise * recorded), F: At({1: begin, run.sgd.steps + 1: end})}

        return Sample(draw, run.ranges())


INFERENCE_RUNS = InferenceRuns()
