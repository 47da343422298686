"""Adam on radially clipped deep Gaussian VAEs: every path of one or two steps enumerated, B = K = 1.

As for SGD the latent noise is three-valued, so expectations given the weights are finite sums. The bound on gradients
is known before the run: from the sample gradients at the start, and from how far the steps can lead.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from elbound.impl.deep_smoothness import clipped_sample_smoothness
from elbound.impl.optimisers import Adam, Moments, Place, Timing, adam_step, at_rest, preconditioner
from elbound.properties.evidence.intervals import Interval, maximum
from elbound.properties.experiment import At, Context, Exact, Experiment, Situation, Steps
from elbound.properties.experiments.deep_descent import AXES, DeepProblem, DeepTree
from elbound.properties.experiments.deep_layerwise import PASS, constants_of
from elbound.properties.spaces import Configuration, Count, Linear, Logarithmic, Scalar, Space
from elbound.theory.settings import DEEP_ADAM_PREDICTABLE_RUN, DEEP_ADAM_RUN
from elbound.theory.symbols import (
    B,
    C,
    Delta,
    F,
    G_r,
    L,
    R,
    a,
    a_A,
    a_AA,
    a_m,
    beta_1,
    beta_2,
    n,
    p,
    r,
    reg,
    sigma2,
    sigma2_A,
)

# The planted fault: every gradient enters the optimiser with the other sign.
FAULT = "step taken uphill"


class Node(NamedTuple):
    """All paths at one step: chances, parameters, moments before the step, and the gradients they may draw."""

    chances: Tensor
    theta: Tensor
    before: Moments
    slopes: Tensor


@dataclass(frozen=True)
class DeepAdam:
    """The problem, the optimiser, and the chances of each datum and noise."""

    run: DeepProblem
    adam: Adam

    @staticmethod
    def of(configuration: Configuration, context: Context, timing: Timing) -> "DeepAdam":
        c: Any = configuration
        run = DeepProblem.of({**configuration, "k": 1, "LC": 1.0}, context)
        steep = float(run.objective.outcomes(run.start).abs().max())
        past = timing is Timing.PAST
        adam = Adam(
            step_size=c["LC/reg"] * c["reg"] * steep / run.smoothness,
            beta_1=0.0 if past else c["beta_1"],
            beta_2=c["beta_2"],
            regulariser=c["reg"] * steep,
            place=Place.OUTSIDE if past else Place.INSIDE,
            timing=timing,
        )
        return DeepAdam(run, adam)

    @cached_property
    def branch(self) -> Tensor:
        count = self.run.problem.data_count
        return (self.run.objective.rule.weights / count).repeat(count)

    @cached_property
    def gradient_bound(self) -> float:
        """A bound on every coordinate of every sample gradient that a path may meet, by the start alone.

        A step is at most gamma E / reg long where no gradient before it is longer than E, since A is at most 1 / reg
        and the momentum an average; a sample gradient moves by at most its own smoothness constant times the way.
        """
        run, gain = self.run, self.run.sgd.gain
        smoothness = gain * clipped_sample_smoothness(run.problem, run.objective.rule, run.radius)
        longest, outcomes = gain * run.gradient_bound, gain * run.objective.outcomes(run.start)
        coordinate, length = float(outcomes.abs().max()), float(outcomes.norm(dim=0).max())
        way, steepest = 0.0, length
        for t in range(1, run.sgd.steps):
            way += self.adam.step_at(t) * steepest / self.adam.regulariser
            steepest = min(length + smoothness * way, longest)
        return min(coordinate + smoothness * way, longest) * (1 + PASS)

    def nodes(self, sign: float = 1.0) -> Iterator[Node]:
        """The levels t = 1, ..., n, then the leaves without gradients."""
        theta, chances = self.run.start, torch.ones(1, dtype=torch.float64)
        moments = at_rest(theta)
        for _ in range(self.run.sgd.steps):
            slopes = self.run.sgd.gain * self.run.objective.outcomes(theta).flatten(1, 2)
            yield Node(chances, theta, moments, slopes)
            branches = len(self.branch)
            wide, first, second = (
                x[:, None].expand(-1, branches, -1).flatten(1) for x in (theta, moments.first, moments.second)
            )
            theta, moments = adam_step(
                self.adam, wide, sign * slopes.flatten(1), moments._replace(first=first, second=second)
            )
            chances = (self.branch[:, None] * chances).flatten()
        yield Node(chances, theta, moments, theta[:, None, :0])

    def situation(self) -> dict[Any, float]:
        run = self.run
        return {
            B: run.sgd.batch_size,
            p: run.problem.architecture.parameter_count,
            n: run.sgd.steps,
            C: self.adam.step_size,
            L: run.smoothness,
            Delta: run.first_value - run.floor,
            R: self.gradient_bound,
            beta_2: self.adam.beta_2,
            reg: self.adam.regulariser,
            r: run.radius,
            G_r: run.gradient_bound,
            **constants_of(run.constants, run.problem),
        }

    def objectives(self, leaves: Node) -> At:
        """F at the start and its mean at the leaves."""
        values = self.run.objective.value(leaves.theta)
        pairs = (self.run.first_value, 1.0), (float(leaves.chances @ values), float(values.abs().max()))
        first, last = (Interval.around(value, PASS * (1 + abs(value) + size)) for value, size in pairs)
        return At({1: first, self.run.sgd.steps + 1: last})


def _expected(chances: Tensor, value: Tensor, size: Tensor) -> tuple[float, float]:
    return float(chances @ value), 8 * PASS * float(chances @ size)


def _curve(pairs: list[tuple[float, float]]) -> Steps:
    values, errors = np.array(pairs).T[..., None]
    return Steps(maximum(Interval.around(values, errors), 0.0))


SPACE = Space(
    (
        *(axis for axis in AXES if axis.name != "LC"),
        *(Count("N", 3, 4), Count("d", 1, 3), Count("width", 1, 3), Count("n", 1, 2)),
        Logarithmic("LC/reg", 1e-4, 3.0),
        Logarithmic("reg", 1e-3, 1e3, usual=(0.2, 20.0)),
        Linear("beta_1", 0.0, 0.95),
        Linear("beta_2", 0.0, 0.9999),
    )
)
OPTIMISER: dict[str, Scalar] = {"LC/reg": 0.02, "reg": 10.0, "beta_1": 0.9, "beta_2": 0.999}
BASE: dict[str, Scalar] = {**DeepTree.instances["digits, one hidden layer, short steps"], **OPTIMISER}
SHARED: dict[str, Configuration] = {
    "digits, one hidden layer": BASE,
    "digits, two hidden layers, one step": BASE | {"depth": 2, "n": 1},
    "digits, three hidden layers, soft-clips throughout": BASE | {"depth": 3, "hidden": "soft-clip"},
    "digits, gradients a hundredth as long": BASE | {"gain": 0.01},
}


class DeepAdamPast(Experiment):
    """Expected gradients, preconditioned gradients and objectives over all paths, preconditioned by past gradients."""

    key = "descent/deep-adam-predictable"
    title = "every path enumerated, past gradients"
    setting = DEEP_ADAM_PREDICTABLE_RUN
    share = 0.3
    space = SPACE
    instances = SHARED
    faults = {FAULT: "digits, one hidden layer"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        problem = DeepAdam.of(configuration, context, Timing.PAST)
        return Situation(problem.situation(), problem.run.facts, precision=4e-12)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        problem = DeepAdam.of(configuration, context, Timing.PAST)
        found: dict[Any, list[tuple[float, float]]] = {x: [] for x in (a, sigma2, a_A, a_AA, sigma2_A)}
        *levels, leaves = problem.nodes(-1.0 if fault else 1.0)
        for node in levels:
            diagonal = preconditioner(problem.adam, node.before)
            gradient = problem.run.objective.automatic_gradient(node.theta)
            mean = torch.einsum("j,pjr->pr", problem.branch, node.slopes)
            away = (node.slopes - mean[:, None]).square()
            square, spread = gradient.square(), torch.einsum("j,pjr->pr", problem.branch, away)
            sizes = torch.einsum("j,pjr->pr", problem.branch, node.slopes.square()) + square
            rows = {
                a: (square, sizes),
                sigma2: (spread, sizes),
                a_A: (diagonal * square, diagonal * sizes),
                a_AA: (diagonal**2 * square, diagonal**2 * sizes),
                sigma2_A: (diagonal**2 * spread, diagonal**2 * sizes),
            }
            for name, (value, size) in rows.items():
                found[name].append(_expected(node.chances, value.sum(0), size.sum(0)))
        return Exact(
            {**{name: _curve(pairs) for name, pairs in found.items()}, F: problem.objectives(leaves)},
            basis=f"exact, {problem.run.objective.rule.name}",
        )


# Momentum's bound holds the squared gradient of every parameter against the steps: only short ones come near it.
SHORT: dict[str, Scalar] = {"LC/reg": 1e-4, "beta_1": 0.5}


class DeepAdamMomentum(Experiment):
    """Expected squared gradients, averaged with the momentum's weights, and objectives over all paths."""

    key = "descent/deep-adam-momentum"
    title = "every path enumerated, momentum"
    setting = DEEP_ADAM_RUN
    share = 0.3
    space = SPACE
    instances = {
        **{f"{name}, short steps": {**configuration, **SHORT} for name, configuration in SHARED.items()},
        "digits, momentum 0.9": BASE,
    }
    faults = {FAULT: "digits, one hidden layer, short steps"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        problem = DeepAdam.of(configuration, context, Timing.CURRENT)
        return Situation({**problem.situation(), beta_1: problem.adam.beta_1}, problem.run.facts, precision=4e-12)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        problem = DeepAdam.of(configuration, context, Timing.CURRENT)
        *levels, leaves = problem.nodes(-1.0 if fault else 1.0)
        kept, average, pairs = problem.adam.beta_1, (0.0, 0.0), []
        for node in levels:
            square = problem.run.objective.automatic_gradient(node.theta).square().sum(0)
            found = _expected(node.chances, square, square)
            average = kept * average[0] + (1 - kept) * found[0], kept * average[1] + (1 - kept) * found[1]
            pairs.append(average)
        return Exact(
            {a_m: _curve(pairs), F: problem.objectives(leaves)}, basis=f"exact, {problem.run.objective.rule.name}"
        )


DEEP_ADAM_PAST = DeepAdamPast()
DEEP_ADAM_MOMENTUM = DeepAdamMomentum()
