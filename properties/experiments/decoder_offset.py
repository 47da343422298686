"""SGD on the decoder offset of a Linear VAE, all else frozen: real steps, their expectations without simulation.

Short runs are enumerated: every batch and every value of a finite latent noise at every step. For long ones the law of
one step is taken from the step itself, at chosen outcomes: it moves the offset by an affine map and adds independent
contributions of every datum drawn and every latent sample. From that law the mean and the covariance of the iterates
follow exactly, and from the automatic derivatives of the objective the expected squared gradient and objective.
A gain below one multiplies every stochastic gradient, which is then biased; with another L than the curvature
1 / sigma_x2 the objective is not L-smooth.
"""

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from elbound.impl.linear_vae import Weights
from elbound.impl.noise import RADEMACHER, THREE_POINT, Law, Stream, replicate_range
from elbound.impl.offset_descent import OffsetDescent
from elbound.impl.trajectories import Draw, Sgd, draw
from elbound.properties.datasets import bundled
from elbound.properties.evidence.intervals import Interval, maximum
from elbound.properties.experiment import At, Context, Exact, Experiment, Series, Situation, Steps
from elbound.properties.experiments.linear_vae_ball import gaussian_weights, problem_of
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, LogarithmicCount, Scalar, Space
from elbound.theory.claim import Fact
from elbound.theory.settings import SGD_HORIZONS, SGD_RUN, SMOOTH, SMOOTH_ON_BALL, UNBIASED
from elbound.theory.symbols import (
    C,
    Delta,
    Delta_sup,
    F,
    L,
    a,
    average,
    n,
    sigma2,
    sigma_inf2,
    sigma_sup2,
    uniform_average,
)

EPS = 2.0**-53
HORIZONS = (100, 316, 1_000, 3_162, 10_000, 31_623, 100_000, 316_228, 1_000_000)
LAWS: dict[str, Law] = {"three-point": THREE_POINT, "random signs": RADEMACHER}
# The step is asked at so many drawn outcomes and offsets whether it is what its law says.
CHECKED = 8
# Paths of an enumerated run, at most.
PATHS = 1 << 15


def stretched(law: Law, factor: float) -> Law:
    """The law of a multiple, for planted faults."""
    return replace(law, support=tuple(factor * x for x in law.support))


@dataclass(frozen=True, eq=False)
class OffsetProblem:
    """The descent, how its steps are drawn, where it starts relative to the optimum, and what is said to be L."""

    descent: OffsetDescent
    sgd: Sgd
    away: Tensor  # [d]
    smoothness: float

    @staticmethod
    def of(configuration: Configuration, context: Context, steps: int) -> "OffsetProblem":
        """The start is "start" noises of F above its least value, of L's square where there is no noise."""
        c: Any = configuration
        silent = not c.get("noise", True)
        problem = problem_of({**c, "beta": 1.0}, context)  # beta moves nothing here
        if silent:  # one datum and no decoder weights: nothing is left to draw
            problem = replace(problem, data=problem.data[:1])
        drawn, scale = gaussian_weights(problem, c["seed"]), 0.0 if silent else c["scale"]
        descent = OffsetDescent(problem, Weights(drawn.encoder * scale, drawn.decoder * scale))
        smoothness = 1 / c["sigma_x2"] / c["curvature / L"]
        sgd = Sgd(
            steps=steps,
            step_size=c["LC"] / smoothness,
            batch_size=c["B"],
            importance_samples=c["K"],
            law=LAWS[c["law"]],
            gain=c["gain"],
        )
        # nu = sigma^2 / (L Delta) and Delta = L |c - c*|^2 / 2 make the squared distance 2 start sigma^2 / L^2.
        unit = 1.0 if silent else descent.noise_variance(replace(sgd, gain=1.0)) ** 0.5 * c["sigma_x2"]
        size = len(descent.optimum)
        away = torch.full((size,), (2 * c["start"] / size) ** 0.5 * unit, dtype=torch.float64)
        return OffsetProblem(descent, sgd, away, smoothness)

    @property
    def curvature(self) -> float:
        return 1 / self.descent.problem.noise_variance

    @property
    def first_gap(self) -> float:
        return self.curvature * float(self.away.square().sum()) / 2

    @cached_property
    def noise_variance(self) -> float:
        return self.descent.noise_variance(self.sgd)

    @property
    def facts(self) -> frozenset[Fact]:
        smooth = {SMOOTH, SMOOTH_ON_BALL} if self.smoothness >= self.curvature else set()
        return frozenset({UNBIASED} if self.sgd.gain == 1 else set()) | smooth

    @property
    def values(self) -> dict[Any, float]:
        return {C: self.sgd.step_size, L: self.smoothness, Delta: self.first_gap}

    def squares(self, steps: int) -> np.ndarray:
        """What E a_1, ..., E a_(steps + 1) must be: a_(t+1) = (1 - L gamma_t)^2 a_t + (L gamma_t)^2 sigma^2."""
        moved = self.curvature * self.sgd.step_size / np.sqrt(np.arange(1, steps + 1))
        keep, fresh = (1 - self.sgd.gain * moved) ** 2, moved**2 * self.noise_variance
        return walk(keep, fresh, 2 * self.curvature * self.first_gap)

    def broken(self, fault: str) -> "OffsetProblem":
        """The same with a planted fault in what is simulated; the recorded noise stays that of the problem."""
        if not fault or fault.startswith("ascent"):
            return self
        strength = 2.0**0.5 if "twice" in fault else 1.02**0.5
        return replace(self, sgd=replace(self.sgd, law=stretched(self.sgd.law, strength)))

    @cached_property
    def scale(self) -> float:
        """A bound on what is added up in one sample's step of size one, in each coordinate."""
        descent, problem = self.descent, self.descent.problem
        latent = float(descent.weights.encoder.abs().sum(1).max()) * float(problem.data.abs().max())
        latent += self.sgd.law.bound * float(problem.posterior_variance.max()) ** 0.5
        decoded = float(descent.weights.decoder.abs().sum(1).max()) * latent
        place = float((descent.optimum.abs() + self.away.abs()).max())
        total: float = (float(problem.data.abs().max()) + decoded + place) * (1 + self.curvature)
        return total

    @property
    def rounding(self) -> float:
        """A bound on the relative rounding error of one sample's terms through a step: sums over batch and latents."""
        sgd, problem = self.sgd, self.descent.problem
        return EPS * (sgd.batch_size * sgd.importance_samples + problem.latent_dim + problem.data_dim + 16)


def walk(keep: np.ndarray, add: np.ndarray, first: float) -> np.ndarray:
    """x_1 = first and x_(t+1) = keep_t x_t + add_t, by blocks of about the square root of their number side by side.

    A value is a sum of products that met at most 4 sqrt(n) + 8 roundings each.
    """
    count = len(keep)
    size = math.isqrt(count) + 1
    kept, added = np.ones(size * size), np.zeros(size * size)
    kept[:count], added[:count] = keep, add
    # Rows are places within a block, columns the blocks.
    kept, added = (np.ascontiguousarray(x.reshape(size, size).T) for x in (kept, added))
    for j in range(1, size):
        added[j] += kept[j] * added[j - 1]
        kept[j] *= kept[j - 1]
    starts, x = np.empty(size), float(first)
    for b, (factor, term) in enumerate(zip(kept[-1].tolist(), added[-1].tolist(), strict=True)):
        starts[b] = x
        x = factor * x + term
    return np.concatenate(([first], (kept * starts + added).T.ravel()[:count]))


@dataclass(frozen=True)
class Walked:
    """A sequence and a sure bound on its error."""

    values: np.ndarray
    errors: np.ndarray

    @staticmethod
    def of(keep: np.ndarray, slip: np.ndarray, add: np.ndarray, first: float) -> "Walked":
        """``walk`` with factors known up to `slip` and terms up to 8 EPS, relative."""
        largest = walk(np.abs(keep), np.abs(add), abs(first))
        sources = slip * largest[:-1] + 8 * EPS * np.abs(add)
        errors = walk(np.abs(keep) + slip, sources, 0.0) + EPS * (4 * len(keep) ** 0.5 + 12) * largest
        return Walked(walk(keep, add, first), errors)


@dataclass(frozen=True, eq=False)
class Update:
    """The law of a step of size gamma from c: c less gamma times [slope (c - c*) + push], push of this mean and spread.

    `slope_error`, `mean_error` and `spread_error` bound the errors of their entries.
    """

    slope: np.ndarray  # [d, d]
    mean: np.ndarray  # [d]
    spread: np.ndarray  # [d, d]
    slope_error: float
    mean_error: float
    spread_error: float

    @staticmethod
    def of(problem: OffsetProblem) -> "Update":
        """From steps at the optimum and beside it in every direction, and with each datum and noise in each place.

        ValueError where drawn steps of other sizes from other offsets are not what these add up to, or where the slope
        is no Hessian.
        """
        probes = _Probes.of(problem)
        probes.check(problem)
        by_datum, by_noise, chances = probes.by_datum, probes.by_noise, np.array(problem.sgd.law.weights)
        even = np.full(by_datum.shape[2], 1 / by_datum.shape[2])
        # What a place adds is a difference of two answers, each off by one sample's rounding.
        slip = 2 * problem.rounding * problem.scale
        size = len(probes.base)
        mean, spread, width = probes.base.copy(), np.zeros((size, size)), 0.0
        for parts, weights in ((by_datum, even), (by_noise, chances)):
            means = parts @ weights
            mean += means.sum(1)
            centred = parts - means[..., None]
            spread += ((centred * weights).reshape(size, -1)) @ centred.reshape(size, -1).T
            deviations = np.sqrt((centred**2 * weights).sum(2))
            # An entry off by `slip` moves a covariance by twice a deviation times that.
            width += float((2 * slip * deviations + slip**2).sum(1).max())
        slope_error = 8 * problem.rounding * (1 + problem.curvature)
        if np.abs(probes.slope - probes.slope.T).max() > 2 * slope_error:
            raise ValueError("slope of the step is not symmetric; allowed: the Hessian of an objective")
        places = by_datum.shape[1] + by_noise.shape[1]
        return Update(
            (probes.slope + probes.slope.T) / 2,
            mean,
            spread,
            slope_error,
            slip * (1 + places),
            width + 64 * EPS * float(np.trace(spread)),
        )


@dataclass(frozen=True, eq=False)
class _Probes:
    """What steps of size one from the optimum answer.

    `base` is the push of the first datum without noise in every place, `slope` what another offset adds, `by_datum`
    [d, B, N] and `by_noise` [d, BKk, values] what another datum or noise in one place adds.
    """

    base: np.ndarray
    slope: np.ndarray
    by_datum: np.ndarray
    by_noise: np.ndarray

    @staticmethod
    def of(problem: OffsetProblem) -> "_Probes":
        descent, sgd = problem.descent, problem.sgd
        count, k = descent.problem.data_count, descent.problem.latent_dim
        optimum, size = descent.optimum, len(descent.optimum)
        places, values = sgd.batch_size * sgd.importance_samples * k, torch.tensor(sgd.law.support, dtype=torch.float64)
        sections = [1, size, count * sgd.batch_size, places * len(values)]
        first = np.cumsum([0, *sections]).tolist()
        offset = optimum[:, None].repeat(1, first[-1])
        reach = 2.0 ** math.ceil(math.log2(problem.scale))
        offset[:, first[1] : first[2]] += reach * torch.eye(size, dtype=torch.float64)
        indices = torch.zeros(sgd.batch_size, first[-1], dtype=torch.long)
        every = torch.eye(sgd.batch_size, dtype=torch.long)[..., None] * torch.arange(count)
        indices[:, first[2] : first[3]] = every.flatten(1)
        noise = torch.zeros(places, first[-1], dtype=torch.float64)
        noise[:, first[3] :] = (torch.eye(places, dtype=torch.float64)[..., None] * values).flatten(1)
        noise = noise.unflatten(0, (sgd.batch_size, sgd.importance_samples, k))
        after = descent.step(offset, indices, noise, torch.ones(1, dtype=torch.float64))
        push = (offset - after).numpy()
        base = push[:, 0]
        _, slope, by_datum, by_noise = np.split(push - base[:, None], first[1:-1], axis=1)
        return _Probes(
            base,
            slope / reach,
            by_datum.reshape(size, sgd.batch_size, count),
            by_noise.reshape(size, places, len(values)),
        )

    def check(self, problem: OffsetProblem) -> None:
        """ValueError unless drawn steps of other sizes from other offsets are what the parts add up to."""
        descent, sgd = problem.descent, problem.sgd
        count, k = descent.problem.data_count, descent.problem.latent_dim
        plan = Draw(sgd.law, sgd.batch_size, sgd.importance_samples, k, None, torch.float64)
        times, total = torch.arange(1, CHECKED + 1), torch.tensor(count)
        indices, noise = draw(plan, Stream.named("offset").schedule(), replicate_range(0, CHECKED), times, total)
        support = torch.tensor(sgd.law.support, dtype=torch.float64)
        nearest = (noise[..., None] - support).abs().argmin(-1)
        beside = problem.scale * torch.linspace(-1, 1, CHECKED, dtype=torch.float64)
        offset = descent.optimum[:, None] + beside
        gamma = torch.linspace(0.5, 1.0, CHECKED, dtype=torch.float64) * sgd.step_size
        moved = ((offset - descent.step(offset, indices, support[nearest], gamma)) / gamma).numpy()
        told = self.base[:, None] + self.slope.sum(1)[:, None] * beside.numpy()
        for b, row in enumerate(indices.numpy()):
            told = told + self.by_datum[:, b, row]
        for place, row in enumerate(nearest.flatten(0, 2).numpy()):
            told = told + self.by_noise[:, place, row]
        terms = 8 + sgd.batch_size * (1 + sgd.importance_samples * k)
        allowed = 8 * terms * problem.rounding * problem.scale * (1 + 1 / float(gamma.min()))
        if not np.abs(moved - told).max() <= allowed:
            off = float(np.abs(moved - told).max())
            raise ValueError(f"drawn steps differ by {off:.3g} from what their parts add up to; allowed: {allowed:.3g}")


@dataclass(frozen=True, eq=False)
class Quadratic:
    """A quadratic of the offset, at + 2 slope.(c - c*) + (c - c*).bend (c - c*)."""

    at: float
    slope: np.ndarray
    bend: np.ndarray


def quadratics(descent: OffsetDescent) -> tuple[Quadratic, Quadratic]:
    """|grad F|^2 and F less its value at the optimum, by automatic derivatives there."""
    optimum = descent.optimum
    hessian, gradient = descent.hessian(optimum).numpy(), descent.gradients(optimum[:, None])[:, 0].numpy()
    square = Quadratic(float(gradient @ gradient), hessian @ gradient, hessian @ hessian)
    return square, Quadratic(0.0, gradient / 2, hessian / 2)


class Moments:
    """Mean and covariance of theta_1, ..., theta_(n+1), in the eigenvectors of the step's slope."""

    def __init__(self, problem: OffsetProblem, gammas: np.ndarray) -> None:
        self._update = Update.of(problem)
        values, vectors = np.linalg.eigh(self._update.slope)
        # Eigenvalues that rounding cannot tell apart are one.
        self._off = 2 * len(values) * self._update.slope_error + 64 * EPS * float(np.abs(values).max())
        groups = np.split(np.arange(len(values)), np.flatnonzero(np.diff(values) > 2 * self._off) + 1)
        self._rates = [float(values[group].mean()) for group in groups]
        self._projectors = [vectors[:, group] @ vectors[:, group].T for group in groups]
        self._gammas = gammas
        # Of each group the share of the start that is left, and what a constant push of one adds up to.
        self._series = [self._walked((rate,), np.zeros_like(gammas), 1.0) for rate in self._rates]
        self._series += [self._walked((rate,), gammas, 0.0) for rate in self._rates]
        away = [p @ problem.away.numpy() for p in self._projectors]
        self._columns = np.stack([*away, *(-p @ self._update.mean for p in self._projectors)], axis=1)
        self._spreads = {
            (g, h): self._walked((self._rates[g], self._rates[h]), gammas**2, 0.0)
            for g in range(len(groups))
            for h in range(g + 1)
        }

    def _walked(self, rates: tuple[float, ...], add: np.ndarray, first: float) -> Walked:
        moved = [self._gammas * rate for rate in rates]
        keep, reach = np.prod([1 - x for x in moved], axis=0), np.prod([1 + np.abs(x) for x in moved], axis=0)
        slip = len(rates) * (reach * 8 * EPS + np.abs(self._gammas) * self._off * np.sqrt(reach) ** (len(rates) - 1))
        return Walked.of(keep, slip, add, first)

    def expected(self, of: Quadratic) -> tuple[np.ndarray, np.ndarray]:
        """Its expectation at every iterate, and a bound on the error."""
        update, columns = self._update, self._columns
        linear, gram = columns.T @ of.slope, columns.T @ of.bend @ columns
        lengths, stiffness = np.linalg.norm(columns, axis=0), float(np.linalg.norm(of.bend))
        # The start is known to rounding, a push to that of its many parts.
        known = np.where(np.arange(len(lengths)) < len(self._rates), 0.0, update.mean_error * len(columns) ** 0.5)
        slips = 64 * EPS * lengths + known
        value, error = np.full(len(self._gammas) + 1, of.at), np.zeros(len(self._gammas) + 1)
        for i, row in enumerate(self._series):
            size = np.abs(row.values) + row.errors
            value += 2 * linear[i] * row.values
            error += 2 * abs(linear[i]) * row.errors + 2 * float(np.linalg.norm(of.slope)) * slips[i] * size
            for j, column in enumerate(self._series):
                value += gram[i, j] * row.values * column.values
                off = stiffness * (2 * slips[i] * lengths[j] + slips[i] * slips[j])
                other = np.abs(column.values) + column.errors
                error += 2 * abs(gram[i, j]) * size * column.errors + off * size * other
        for (g, h), spread in self._spreads.items():
            between = self._projectors[g] @ update.spread @ self._projectors[h]
            share = float((of.bend * between).sum()) * (1 if g == h else 2)
            value += share * spread.values
            wrong = update.spread_error * float(np.abs(of.bend).sum()) + 64 * EPS * abs(share)
            error += abs(share) * spread.errors + wrong * (np.abs(spread.values) + spread.errors)
        return value, error + 64 * EPS * (abs(of.at) + np.abs(value))


AXES = (
    bundled(),
    LogarithmicCount("N", 5, 60),
    Count("d", 1, 6),
    Count("k", 1, 3),
    LogarithmicCount("B", 1, 16),
    LogarithmicCount("K", 1, 8),
    Choice("law", tuple(LAWS)),
    Logarithmic("start", 1e-3, 1e3),
    Logarithmic("LC", 0.05, 3.0),
    Logarithmic("sigma_x2", 1e-3, 1e3, usual=(0.05, 5.0)),
    Logarithmic("D", 1e-3, 1e3, usual=(0.05, 5.0)),
    Linear("spread", 0.0, 2.0),
    Linear("scale", 0.0, 1.5),
    Count("seed", 0, 2**16),
    Choice("gain", (1.0, 0.01), usual=4),
    Choice("curvature / L", (1.0, 2.0), usual=4),
)
BASE: dict[str, Scalar] = {
    "data": "spiked",
    "N": 32,
    "d": 4,
    "k": 2,
    "B": 4,
    "K": 2,
    "law": "three-point",
    "start": 0.0,
    "LC": 1.0,
    "sigma_x2": 0.5,
    "D": 0.8,
    "spread": 0.5,
    "scale": 0.6,
    "seed": 2,
    "gain": 1.0,
    "curvature / L": 1.0,
}


class OffsetRun(Experiment):
    """What both ways of measuring share: the problem, its parameters, and the noise of each step in closed form."""

    setting = SGD_RUN

    @abstractmethod
    def problem(self, configuration: Configuration, context: Context) -> OffsetProblem:
        """What is run."""

    @abstractmethod
    def expected(self, problem: OffsetProblem, gammas: np.ndarray) -> tuple[Interval, Interval]:
        """E a_t and E F_t less the least value, t = 1, ..., n + 1, of steps of these sizes."""

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        problem = self.problem(configuration, context)
        steps = problem.sgd.steps
        # The recursion's rounding is far below the share by which its largest value is raised.
        highest = float(problem.squares(steps)[:steps].max()) * (1 + 1e-12)
        bounds = {Delta_sup: highest / (2 * problem.curvature), sigma_sup2: problem.noise_variance}
        return Situation({n: float(steps), **problem.values, **bounds}, problem.facts, precision=2.0**-49)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        problem = self.problem(configuration, context)
        steps, variance = problem.sgd.steps, problem.noise_variance
        direction = -1.0 if fault.startswith("ascent") else 1.0
        # A gain scales the gradient, not the step: the parameters cannot tell. Steps uphill are negative ones.
        gammas = direction * problem.sgd.gain * np.array(problem.sgd.step_sizes())
        square, objective = self.expected(problem.broken(fault), gammas)
        noise = Interval.around(np.full((steps, 1), variance), 64 * EPS * variance)
        return Exact(
            {
                a: Steps(maximum(square[:steps, None], 0.0)),
                sigma2: Steps(noise),
                # The least objective is left out: it cancels in every difference of objectives.
                F: Steps(objective),
            }
        )


class OffsetMoments(OffsetRun):
    """Expected squared gradients and objectives from the law of one step, as the step itself gives it."""

    key = "descent/decoder-offset"
    title = "exact moments of real steps, decoder offset"
    space = Space((*AXES[:6], LogarithmicCount("n", 1, 2_000), *AXES[6:]))
    instances = {
        "offset at optimum, n=1000": {**BASE, "n": 1_000},
        "offset at optimum, n=100": {**BASE, "n": 100},
        "offset, nu=1, n=1000": {**BASE, "start": 1.0, "n": 1_000},
        "offset, digits, n=1000": {**BASE, "data": "digits", "N": 200, "d": 16, "start": 0.1, "n": 1_000},
        "offset, two-valued data, B=K=1": {**BASE, "data": "two-valued", "B": 1, "K": 1, "n": 1_000},
        "offset at optimum, n=3": {**BASE, "n": 3},
        "offset, nu=1, n=3": {**BASE, "start": 1.0, "n": 3},
        "offset far away, n=1": {**BASE, "start": 1_000.0, "n": 1},
        "offset far away, L C = 3/2, n=1": {**BASE, "start": 1_000.0, "LC": 1.5, "n": 1},
        "offset far away, n=1000": {**BASE, "start": 1_000.0, "n": 1_000},
        "offset farther away, n=4000": {**BASE, "start": 1e6, "n": 4_000},
        "offset far away, gradients a hundredth as long, n=100": {**BASE, "start": 1_000.0, "gain": 0.01, "n": 100},
        "offset far away, L half the curvature, n=1": {**BASE, "start": 100.0, "curvature / L": 2.0, "n": 1},
    }
    faults = {
        "ascent instead of descent": "offset, nu=1, n=1000",
        "noise of twice the variance": "offset at optimum, n=1000",
        "noise 2 percent too strong": "offset at optimum, n=1000",
    }

    def problem(self, configuration: Configuration, context: Context) -> OffsetProblem:
        c: Any = configuration
        return OffsetProblem.of(configuration, context, c["n"])

    def expected(self, problem: OffsetProblem, gammas: np.ndarray) -> tuple[Interval, Interval]:
        moments = Moments(problem, gammas)
        square, objective = (Interval.around(*moments.expected(x)) for x in quadratics(problem.descent))
        return square, objective


class OffsetPaths(OffsetRun):
    """Expected squared gradients and objectives over every batch and every latent noise of a few steps."""

    key = "descent/offset-paths"
    title = "all paths of a few real steps, decoder offset"
    share = 0.3
    space = Space(
        (
            AXES[0],
            Count("N", 2, 4),
            Count("d", 1, 3),
            Count("k", 1, 2),
            Count("B", 1, 2),
            Count("K", 1, 2),
            Count("n", 1, 4),
            *AXES[6:],
        )
    )
    _small: ClassVar[dict[str, Scalar]] = BASE | {"N": 3, "d": 2, "k": 1, "B": 1, "K": 1, "n": 4}
    instances = {
        "offset at optimum, n=4": _small | {"law": "random signs", "n": 4},
        "offset, nu=1, B=2, n=2": _small | {"start": 1.0, "B": 2, "n": 2},
        "offset, nu=1, K=2, n=2": _small | {"start": 1.0, "K": 2, "n": 2, "data": "two-valued"},
        "offset far away, n=1": _small | {"start": 1_000.0, "n": 1},
        "offset far away, gradients a hundredth as long, n=3": _small | {"start": 1_000.0, "gain": 0.01, "n": 3},
    }
    faults = {
        "ascent instead of descent": "offset, nu=1, B=2, n=2",
        "noise of twice the variance": "offset at optimum, n=4",
        "noise 2 percent too strong": "offset at optimum, n=4",
    }

    def problem(self, configuration: Configuration, context: Context) -> OffsetProblem:
        """As many of the n steps as can be enumerated."""
        c: Any = configuration
        outcomes = (c["N"] * len(LAWS[c["law"]].support) ** (c["K"] * c["k"])) ** c["B"]
        return OffsetProblem.of(configuration, context, max(1, min(c["n"], int(math.log(PATHS, outcomes)))))

    def expected(self, problem: OffsetProblem, gammas: np.ndarray) -> tuple[Interval, Interval]:
        descent, curvature = problem.descent, problem.curvature
        least = float(descent.objective(descent.optimum))
        squares, objectives, reach = [], [], problem.rounding * problem.scale
        error = EPS * problem.scale
        for t, (offset, chances) in enumerate(paths(problem, gammas)):
            found = (descent.gradients(offset).square().sum(0), descent.objectives(offset) - least)
            largest = float(found[0].max()) ** 0.5
            slip = len(offset) ** 0.5 * curvature * error + 4 * reach
            values = [float((chances * x).sum()) for x in found]
            squares.append((values[0], 2 * largest * slip + slip**2 + 64 * EPS * values[0]))
            level = abs(least) + largest**2 / curvature
            objectives.append((values[1], largest * slip / curvature + slip**2 + 64 * EPS * (level + 1)))
            if t < len(gammas):
                moved = abs(float(gammas[t]))
                error = error * (1 + moved * curvature) + (1 + moved) * reach
        return tuple(Interval.around(*np.array(rows).T) for rows in (squares, objectives))  # type: ignore[return-value]


def paths(problem: OffsetProblem, gammas: np.ndarray) -> Iterator[tuple[Tensor, Tensor]]:
    """The offsets [d, paths] at every step with their chances: each is followed by every batch and every noise."""
    descent, sgd, count = problem.descent, problem.sgd, problem.descent.problem.data_count
    places = sgd.batch_size * sgd.importance_samples * descent.problem.latent_dim
    batches = torch.tensor(list(product(range(count), repeat=sgd.batch_size)))
    noises = torch.tensor(list(product(sgd.law.support, repeat=places)), dtype=torch.float64)
    weights = torch.tensor(list(product(sgd.law.weights, repeat=places)), dtype=torch.float64).prod(1)
    indices = batches.repeat_interleave(len(noises), 0).T
    shape = (sgd.batch_size, sgd.importance_samples, -1, indices.shape[1])
    noise = noises.repeat(len(batches), 1).T.reshape(shape)
    chance = weights.repeat(len(batches)) / len(batches)
    offset, chances = (descent.optimum + problem.away)[:, None], torch.ones(1, dtype=torch.float64)
    yield offset, chances
    for gamma in gammas.tolist():
        before = offset.shape[1]
        offset = descent.step(
            offset.repeat_interleave(len(chance), 1),
            indices.repeat(1, before),
            noise.repeat(1, 1, 1, before),
            torch.tensor([gamma], dtype=torch.float64),
        )
        chances = (chances[:, None] * chance).flatten()
        yield offset, chances


# Few noises away: far away no horizon is long enough for the noise to lead.
NEAR = {"start": Logarithmic("start", 1e-6, 1e3, usual=(1e-4, 0.1))}


class OffsetHorizons(Experiment):
    """The weighted mean square at horizons up to a million steps, from the same moments."""

    key = "descent/offset-horizons"
    title = "exact moments of real steps at growing horizons"
    setting = SGD_HORIZONS
    share = 0.2
    space = Space((*(NEAR.get(axis.name, axis) for axis in AXES), Choice("noise", (True, False), usual=4)))
    instances = {
        "offset at optimum": {**BASE, "noise": True},
        "offset, nu=1": {**BASE, "noise": True, "start": 1.0},
        "one datum, no noise": {**BASE, "noise": False, "start": 1.0, "LC": 0.05},
        "one datum of two-valued data, no noise": {**BASE, "noise": False, "start": 1.0, "data": "two-valued"},
        "offset far away": {**BASE, "noise": True, "start": 1_000.0},
        "offset at optimum, L half the curvature": {**BASE, "noise": True, "LC": 1.9, "curvature / L": 2.0},
        "noise leads late, L C nearly 2": {**BASE, "noise": True, "start": 7.9, "LC": 1.99},
    }

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        problem = OffsetProblem.of(configuration, context, HORIZONS[-1])
        values = {**problem.values, sigma_inf2: problem.noise_variance}
        return Situation(values, problem.facts - {SMOOTH_ON_BALL})

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Series:
        problem = OffsetProblem.of(configuration, context, HORIZONS[-1])
        gamma = np.array(problem.sgd.step_sizes())
        square, _ = quadratics(problem.descent)
        values, errors = (x[:-1] for x in Moments(problem, problem.sgd.gain * gamma).expected(square))
        # The weights that the theorems speak of; they are non-negative while L C < 2.
        curves = {average: gamma * (1 - problem.smoothness * gamma / 2), uniform_average: np.ones_like(gamma)}
        return Series(n, HORIZONS, {x: _weighted_means(values, errors, weight) for x, weight in curves.items()})


def _weighted_means(squares: np.ndarray, errors: np.ndarray, weight: np.ndarray) -> At:
    """sum w_t E a_t / sum w_t at the horizons and at ten."""
    above, below = np.cumsum(weight * squares), np.cumsum(weight)
    wide, total = np.cumsum(np.abs(weight) * errors), np.cumsum(np.abs(weight) * np.abs(squares))
    found = {}
    for j in (10, *HORIZONS):
        # Sums of j terms: a few roundings each.
        error = (wide[j - 1] + 4 * j * EPS * total[j - 1]) / abs(below[j - 1])
        ratio = above[j - 1] / below[j - 1]
        found[j] = Interval.around(ratio, error + 8 * j * EPS * abs(ratio))
    return At(found)


OFFSET_MOMENTS = OffsetMoments()
OFFSET_PATHS = OffsetPaths()
OFFSET_HORIZONS = OffsetHorizons()
