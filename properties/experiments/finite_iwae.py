"""The importance-weighted objective with finite latent noise: curvature, noise and short SGD runs by enumeration."""

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from elbound.impl.draws import ordered
from elbound.impl.importance_finite import ClippedIWAE, FiniteIWAE
from elbound.impl.noise import RADEMACHER, THREE_POINT, Law
from elbound.properties.datasets import bundled, table
from elbound.properties.evidence.intervals import Interval, maximum
from elbound.properties.experiment import At, Context, Exact, Experiment, Situation, Steps
from elbound.properties.spaces import Axis, Choice, Configuration, Count, Linear, Logarithmic, Scalar, Space
from elbound.theory.settings import CLIPPED_IWAE_RUN, IWAE_NOISE, IWAE_POINT, SMOOTH, UNBIASED
from elbound.theory.symbols import (
    A_1,
    A_2,
    B,
    C,
    Delta,
    Delta_sup,
    F,
    K,
    L,
    N,
    a,
    hessian_K,
    n,
    r,
    s1_iw,
    s2_iw,
    sigma2,
    sigma_sup2,
    sigma_x2,
    v_iw,
)

EPS = 2.0**-53
LAWS: dict[str, Law] = {"three-point": THREE_POINT, "random signs": RADEMACHER}


def finite_iwae(configuration: Configuration, context: Context, samples: int) -> FiniteIWAE:
    """One column of a data set, with the configuration's variances and law."""
    c: Any = configuration
    data = table(context, c["data"], c["N"], 1, c["seed"])
    return FiniteIWAE(data[:, 0], c["sigma_x2"], c["D"], samples, LAWS[c["law"]])


def _axes(most_data: int, most_samples: int) -> tuple[Axis, ...]:
    return (
        bundled(),
        Choice("law", tuple(LAWS)),
        Count("N", 2, most_data),
        Count("K", 1, most_samples),
        Logarithmic("sigma_x2", 0.05, 3.0),
        Logarithmic("D", 0.1, 3.0),
        Linear("W", -1.5, 1.5),
        Linear("V", -1.5, 1.5),
        Count("seed", 0, 2**16),
    )


BASE: Configuration = {"data": "spiked", "law": "three-point", "N": 3, "K": 3, "sigma_x2": 0.7, "D": 0.8}
BASE = {**BASE, "W": 0.4, "V": 0.7, "seed": 0}


def _point(configuration: Configuration) -> Tensor:
    c: Any = configuration
    return torch.tensor([[c["W"]], [c["V"]]], dtype=torch.float64)


class IwaePoint(Experiment):
    """Hessian norm at a point, every joint draw of K noise values enumerated; A1 and A2 are maxima at that point."""

    key = "smoothness/iwae-point"
    title = "enumerated Hessian"
    setting = IWAE_POINT
    space = Space(_axes(8, 5))
    _signs: ClassVar[dict[str, Scalar]] = {"data": "digits", "law": "random signs"}
    instances = {
        "K = 1": {**BASE, "K": 1},
        "K = 5": {**BASE, "K": 5},
        "digits, slopes far apart": _signs
        | {"N": 2, "K": 4, "sigma_x2": 0.065, "D": 1.9, "W": -0.48, "V": -0.033, "seed": 3708},
        "digits, slopes near zero": _signs
        | {"N": 3, "K": 5, "sigma_x2": 1.9, "D": 1.03, "W": -0.564, "V": -0.172, "seed": 1523},
        "one datum, slopes opposed, K = 400": {**BASE, "law": "random signs", "N": 1, "K": 400, "W": 0.0, "V": 0.0}
        | {"D": 1e3, "sigma_x2": 1e3},
    }
    faults = {"sum over the data for their mean": "digits, slopes near zero"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        problem = finite_iwae(configuration, context, int(configuration["K"]))
        theta = _point(configuration)
        slopes, bends = problem.log_weight_slopes(theta), problem.log_weight_curvatures(theta)
        steepest = float(slopes.square().sum(0).max()) ** 0.5
        bent = float(torch.linalg.matrix_norm(bends.flatten(2).permute(2, 0, 1), 2).max())
        return Situation({**_sizes(problem), A_1: steepest, A_2: bent}, precision=2.0**-40)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        problem = finite_iwae(configuration, context, int(configuration["K"]))
        theta = _point(configuration)
        norm = float(torch.linalg.matrix_norm(problem.hessian(theta)[..., 0], 2)) * (len(problem.data) if fault else 1)
        # Some dozens of operations for each entry of w~-means of Hessians and squared slopes of at most this size; the
        # weights are exponentials, whose relative error is that of a logarithm of at most this size.
        size = float(problem.log_weight_curvatures(theta).abs().max() + problem.log_weight_slopes(theta).square().max())
        size = (1 + float(problem.log_weights(theta).abs().max())) * (1 + size)
        return Exact({hessian_K: maximum(Interval.around(norm, 256 * EPS * size), 0.0)}, basis="enumeration")


class IwaeNoise(Experiment):
    """The variance of a sampled minibatch's automatic gradient, and its two parts from one datum's, at K and one."""

    key = "importance/finite-noise"
    title = "enumerated batches and draws"
    setting = IWAE_NOISE
    space = Space((*_axes(4, 3), Count("B", 1, 2)))
    instances = {
        "B = K = 2": {**BASE, "B": 2, "K": 2},
        "B = 1, K = 3": {**BASE, "B": 1, "K": 3},
        "B = K = 2, random signs": {**BASE, "law": "random signs", "B": 2, "K": 2},
        "B = K = 2, digits": {**BASE, "data": "digits", "B": 2, "K": 2},
    }
    faults = {"one latent draw shared by the batch": "B = K = 2"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        problem = finite_iwae(configuration, context, int(configuration["K"]))
        return Situation({**_sizes(problem), B: float(configuration["B"])})

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        theta, samples = _point(configuration), int(configuration["K"])
        problem = finite_iwae(configuration, context, samples)
        several, single = problem.noise_parts(theta), finite_iwae(configuration, context, 1).noise_parts(theta)
        joint = _minibatch_variance(problem, theta, int(configuration["B"]), shared=bool(fault))
        # At one sample the gradient is a log-weight's, which the others' are means of: the same sure size.
        size = float(finite_iwae(configuration, context, 1).gradients(theta).square().sum(0).max())
        between, within = (
            At({1: _around(one, size), samples: _around(many, size)}) for one, many in zip(single, several, strict=True)
        )
        return Exact({v_iw: _around(joint, size), s1_iw: between, s2_iw: within}, basis="enumeration")


def _minibatch_variance(problem: FiniteIWAE, theta: Tensor, batch: int, *, shared: bool) -> float:
    """Trace of the covariance of the sampled minibatch's automatic gradient, over all joint outcomes.

    `shared` plants a fault: the batch shares one draw of the K noises.
    """
    choice, chances = ordered(problem.chances, batch)
    batches = torch.cartesian_prod(*[torch.arange(len(problem.data))] * batch).reshape(-1, batch)
    used = choice[:, :1].expand_as(choice) if shared else choice
    noise = problem.noise[problem.draws[used]].permute(1, 2, 0)  # [B, K, E^B]
    indices = batches.T.repeat_interleave(len(choice), 1)
    found = problem.minibatch_gradients(theta, indices, noise.repeat(1, 1, len(batches)))
    weight = chances.repeat(len(batches)) / len(batches)
    centred = found - (found * weight).sum(1, keepdim=True)
    return float((centred.square().sum(0) * weight).sum())


def _sizes(problem: FiniteIWAE) -> dict[Any, float]:
    return {N: len(problem.data), K: problem.importance_samples, sigma_x2: problem.noise_variance}


def _around(value: Any, size: float) -> Interval:
    # Gradients after some dozens of operations, squares of at most this size; sums with weights of sum one.
    return maximum(Interval.around(float(value), 512 * EPS * (1 + size)), 0.0)


class ClippedIwaeRun(Experiment):
    """SGD from a point, B = 1, every outcome of every step enumerated; nothing sampled, no run left out."""

    key = "importance/clipped-run"
    title = "enumerated runs"
    setting = CLIPPED_IWAE_RUN
    share = 0.5
    space = Space(
        (
            *(*_axes(3, 3), Count("n", 1, 3), Logarithmic("r", 0.2, 2.0), Logarithmic("LC", 0.01, 4.0)),
            Choice("gain", (1.0, 0.01), usual=4),
        )
    )
    _base: ClassVar[Configuration] = {**BASE, "gain": 1.0}
    instances = {
        "K = 3, two steps": {**_base, "n": 2, "r": 1.0, "LC": 1.0},
        "K = 3, three steps": {**_base, "N": 2, "n": 3, "r": 1.0, "LC": 0.5},
        "K = 2, three short steps": {**_base, "K": 2, "n": 3, "r": 1.0, "LC": 0.01},
        "K = 2, at the origin": {**_base, "K": 2, "n": 3, "r": 0.5, "LC": 1.0, "W": 0.0, "V": 0.0},
        "K = 2, digits": {**_base, "data": "digits", "K": 2, "n": 2, "r": 1.0, "LC": 1.0},
        "gradients a hundredth as long": {**_base, "K": 2, "n": 3, "r": 1.0, "LC": 0.01, "gain": 0.01},
    }
    faults = {"ascent instead of descent": "K = 2, three short steps"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        run = _clipped(configuration, context)
        steepest, bent = run.problem.suprema(run.radius)
        # The infimum is bounded below, not known: the gap is at most this, and bounds that grow with it stay true.
        start = float(run.objective(_point(configuration))[0]) - run.problem.lowest()
        values = {n: float(configuration["n"]), C: float(configuration["LC"]) / run.smoothness, L: run.smoothness}
        # No gradient is longer than A_1, and no two points of the ball are farther apart than 2 r.
        values |= {Delta: start, Delta_sup: start + 2 * run.radius * steepest, sigma_sup2: steepest**2}
        values |= {**_sizes(run.problem), A_1: steepest, A_2: bent, r: run.radius}
        return Situation(values, frozenset({SMOOTH, UNBIASED} if configuration["gain"] == 1 else {SMOOTH}))

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        run, steps = _clipped(configuration, context), int(configuration["n"])
        gain = float(configuration["gain"])
        length = float(configuration["LC"]) / run.smoothness * (-1 if fault else 1)
        theta, weight = _point(configuration), torch.ones(1, dtype=torch.float64)
        squares, noises, values = [], [], [float(run.objective(theta)[0])]
        for t in range(1, steps + 1):
            found = run.gradients(theta)
            mean = run.problem.mean(found)
            away = torch.einsum("e,cenr->r", run.problem.chances, (found - mean[:, None, None]).square())
            squares.append(float((run.slope(theta).square().sum(0) * weight).sum()))
            noises.append(gain**2 * float((away * weight).sum()) / len(run.problem.data))
            shares = (run.problem.chances[:, None, None] / len(run.problem.data) * weight).expand(found.shape[1:])
            theta, weight = (theta[:, None, None] - length * gain / t**0.5 * found).flatten(1), shares.flatten()
            values.append(float((run.objective(theta) * weight).sum()))
        return Exact(
            {a: _steps(squares, column=True), sigma2: _steps(noises, column=True), F: _steps(values)}, "enumeration"
        )


def _clipped(configuration: Configuration, context: Context) -> ClippedIWAE:
    return ClippedIWAE(finite_iwae(configuration, context, int(configuration["K"])), float(configuration["r"]))


def _steps(values: list[float], *, column: bool = False) -> Steps:
    # Expectations over outcomes with weights of sum one, each after some hundreds of operations on this scale.
    found = np.array(values)[:, None] if column else np.array(values)
    return Steps(Interval.around(found, 1024 * EPS * (1 + np.abs(found).max())))


IWAE_AT_POINT = IwaePoint()
NOISE_OF_IWAE = IwaeNoise()
CLIPPED_IWAE = ClippedIwaeRun()
