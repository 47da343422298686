"""Stochastic gradient descent on the linear VAE, thousands of replicates side by side.

The noise of replicate i at step t is a pure function of (stream, i, t), so any block size, and any split of
the replicates over workers, runs the same trajectories.
"""

import importlib.util
import math
import shutil
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from elbound.impl.clipping import clip, noise_trace, pull_back, radial_split, unclip
from elbound.impl.linear_vae import Constants, LinearVAE, Weights, gather, inner, pathwise_gradient
from elbound.impl.noise import (
    GAUSSIAN,
    Law,
    Stream,
    below,
    check_range,
    replicate_range,
    scheduled_words,
    without_replacement,
)
from elbound.impl.projection import gradient_mapping, norms, project

DTYPES = (torch.float32, torch.float64)
# Exact quantities of a few iterates are computed in one go, as many as keep the work on data within the cache.
CACHED = 1 << 17
# Noise of several steps is drawn at once: so many words, of which ten rounds make a few copies.
DRAWN = 1 << 15


@dataclass(frozen=True, kw_only=True)
class Sgd:
    """SGD with steps gamma_t = step_size / sqrt(t), t = 1, ..., steps, on minibatches of data and noise.

    ``clip_radius`` None descends on the objective F, a radius r on F o Phi with the radial soft-clip Phi;
    ``ball_radius`` projects every iterate onto the ball of that radius.
    ``importance_samples`` latent samples are drawn for each datum and their gradients of the plain ELBO averaged: it is
    the number of Monte Carlo samples, and no importance weight is involved.
    ``gain`` multiplies every sample gradient, as a batch's sum over another count does: below one they are biased.
    Raises ValueError for counts below 1, for a step size or radius that is not positive and finite, for both
    radii at once, and for a gain outside (0, 1].
    """

    steps: int
    step_size: float
    batch_size: int
    importance_samples: int = 1
    law: Law = GAUSSIAN
    with_replacement: bool = True
    clip_radius: float | None = None
    ball_radius: float | None = None
    gain: float = 1.0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "importance_samples"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; allowed: at least 1")
        for name in ("step_size", "clip_radius", "ball_radius"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} is {value}; allowed: positive and finite")
        if self.clip_radius is not None and self.ball_radius is not None:
            raise ValueError(
                f"clip_radius is {self.clip_radius} and ball_radius {self.ball_radius}; allowed: one of them"
            )
        if not 0 < self.gain <= 1:
            raise ValueError(f"gain is {self.gain}; allowed: above 0, at most 1")

    def step_sizes(self) -> list[float]:
        """gamma_1, ..., gamma_n."""
        found: list[float] = (self.step_size / np.sqrt(np.arange(1, self.steps + 1))).tolist()
        return found

    def shares(self, data_count: int) -> tuple[float, float]:
        """Factors of the data and the noise part in every variance of the sample gradient.

        (1/B, 1/(BK)) times gain^2, the first times (N - B)/(N - 1) without replacement.
        Raises ValueError where B > N without replacement, or N is out of the index range.
        """
        check_range(data_count)
        size = self.batch_size
        noise = self.gain**2 / (size * self.importance_samples)
        if self.with_replacement:
            return self.gain**2 / size, noise
        if size > data_count:
            raise ValueError(f"batch_size is {size}; allowed without replacement: 1 to data_count {data_count}")
        return self.gain**2 * (data_count - size) / (size * max(data_count - 1, 1)), noise


@dataclass(frozen=True, eq=False)
class Trajectory:
    """What R replicates of n steps went through, exact at every iterate theta_1, ..., theta_n.

    ``squared_gradient`` is |grad|^2 of the objective descended on, or of its gradient mapping where iterates are
    projected, ``noise_variance`` the trace of the sample gradient's covariance given the iterate,
    ``squared_norm`` |theta|^2. ``first_value`` and ``last_value`` are the objective at theta_1 and theta_(n+1),
    ``last`` the final weights (in the ball where clipped or projected).
    """

    squared_gradient: Float[Tensor, "n R"]
    noise_variance: Float[Tensor, "n R"]
    squared_norm: Float[Tensor, "n R"]
    first_value: Float[Tensor, " R"]
    last_value: Float[Tensor, " R"]
    last: Weights


@dataclass(frozen=True, eq=False)
class StoppedTrajectory:
    """What R replicates of n steps went through until they left a ball: rows of iterates inside it, then zeros.

    ``squared_gradient`` and ``noise_variance`` are exact at theta_t, ``sample_norm`` is |g_t|, the norm of the
    gradient that was drawn there. ``steps_inside`` counts the rows that are not zero by force. ``first_value`` and
    ``last_value`` are the objective at the start and where the run stopped: at its first iterate outside, or after
    step n.
    """

    squared_gradient: Float[Tensor, "n R"]
    noise_variance: Float[Tensor, "n R"]
    sample_norm: Float[Tensor, "n R"]
    steps_inside: Int64[Tensor, " R"]
    first_value: Float[Tensor, " R"]
    last_value: Float[Tensor, " R"]
    last: Weights


class Draw(NamedTuple):
    """Shapes and laws of one step's noise: all that the compiled drawing is specialised on."""

    law: Law
    batch_size: int
    importance_samples: int
    latent_dim: int
    distinct_of: int | None
    dtype: torch.dtype


def draw(
    plan: Draw,
    schedule: Int64[Tensor, "21"],
    replicates: Int64[Tensor, " R"],
    step: Int64[Tensor, "*R"],
    data_count: Int64[Tensor, ""],
) -> tuple[Int64[Tensor, "B R"], Float[Tensor, "B K k R"]]:
    """Indices and noise of one step; the indices' words come first, each part padded to whole slots of four.

    ``step`` may differ from replicate to replicate. ``plan.distinct_of`` is None with replacement, N without.
    """
    size = plan.batch_size
    draws = size * plan.importance_samples * plan.latent_dim
    start = 4 * -(-size // 4)
    found = scheduled_words(schedule, replicates, step, (start + draws + 3) // 4)
    noise = plan.law.sample(found[start:], plan.dtype)[:draws]
    if plan.distinct_of is None:
        indices = below(found[:size], data_count)
    else:
        indices = without_replacement(found[:size], plan.distinct_of)
    return indices, noise.reshape(size, plan.importance_samples, plan.latent_dim, -1)


def sgd_step(
    constants: Constants,
    theta: Weights,
    x: Float[Tensor, "d B R"],
    noise: Float[Tensor, "B K k R"],
    gamma: Float[Tensor, " #R"],
    clip_radius: Float[Tensor, " #R"] | None,
) -> Weights:
    """One step of every replicate: theta - gamma g, with g the (pulled back) pathwise gradient."""
    if clip_radius is None:
        slope = pathwise_gradient(constants, theta, x, noise)
    else:
        slope = pathwise_gradient(constants, clip(theta, clip_radius), x, noise)
        slope = pull_back(theta, slope, clip_radius)
    return Weights(theta.encoder - gamma * slope.encoder, theta.decoder - gamma * slope.decoder)


def can_compile(device: torch.device) -> bool:
    """Whether torch.compile has what it needs here: a C++ compiler, and Triton for CUDA."""
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        return False
    return any(shutil.which(name) for name in ("c++", "g++", "clang++"))


@cache
def _functions(*, compiled: bool) -> tuple[Callable[..., tuple[Tensor, Tensor]], Callable[..., Weights]]:
    # Two compiled calls with the gather between them: fused into the step, integer noise and gathered data
    # would be computed again at every place that reads them.
    if not compiled:
        return draw, sgd_step
    with warnings.catch_warnings():
        # Torch loads its compiler here, which trips torch's own deprecations: an error under -W error.
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.compile(draw, dynamic=False), torch.compile(sgd_step, dynamic=False)


class Run(NamedTuple):
    """One problem with the start, the steps and the noise of its runs."""

    problem: LinearVAE
    start: Weights
    sgd: Sgd
    stream: Stream

    def draws(
        self, replicates: Int64[Tensor, " R"], *, compiled: bool
    ) -> Iterator[tuple[Float[Tensor, "d B R"], Float[Tensor, "B K k R"]]]:
        """Minibatch and noise of each step: no iterate moves them, so of many steps at once if nothing is compiled."""
        data, sgd, count = self.problem.data, self.sgd, self.problem.data_count
        distinct = None if sgd.with_replacement else count
        plan = Draw(sgd.law, sgd.batch_size, sgd.importance_samples, self.problem.latent_dim, distinct, data.dtype)
        schedule, total = self.stream.schedule(data.device), torch.tensor(count, device=data.device)
        if compiled:
            for t in torch.arange(1, sgd.steps + 1, device=data.device):
                indices, noise = _functions(compiled=True)[0](plan, schedule, replicates, t, total)
                yield gather(self.problem.columns, indices), noise
            return
        words = plan.batch_size * (1 + plan.importance_samples * plan.latent_dim) + (distinct or 0)
        at_once = max(1, DRAWN // (words * len(replicates)))
        for times in torch.split(torch.arange(1, sgd.steps + 1, device=data.device), at_once):
            steps = times.repeat_interleave(len(replicates))
            indices, noise = draw(plan, schedule, replicates.repeat(len(times)), steps, total)
            each = (x.unflatten(-1, (len(times), -1)) for x in (gather(self.problem.columns, indices), noise))
            yield from zip(*(x.movedim(-2, 0).contiguous().unbind() for x in each), strict=True)


def iterates(
    problem: LinearVAE,
    start: Weights,
    sgd: Sgd,
    stream: Stream,
    replicates: Int64[Tensor, " R"],
    *,
    compiled: bool = False,
) -> Iterator[Weights]:
    """theta_1, ..., theta_(n+1) of the given replicates, all from one start: bare training.

    ``start`` holds weights W [k, d] and V [d, k], with |w| < clip_radius where clipped, then theta_1 is the
    point that the soft-clip maps there. ``compiled`` runs the same functions through torch.compile, once per
    shape, and is ignored where ``can_compile`` is false. Raises ValueError for weights of other shapes, or
    outside the ball that iterates are projected onto.
    """
    return (found[0] for found in walk((Run(problem, start, sgd, stream),), replicates, compiled=compiled))


def walk(
    runs: Sequence[Run], replicates: Int64[Tensor, " R"], *, compiled: bool = False
) -> Iterator[tuple[Weights, ...]]:
    """``iterates`` of several runs as one, side by side along the replicate axis, the longest first.

    Problems share latent and data dimension, batch size and importance samples, and are all clipped, all projected, or
    neither; data, numbers of steps and laws may differ. A run that has ended is left out of what follows. No bit
    depends on the company. Raises ValueError as ``iterates``, for other shapes, and for a shorter run before a longer.
    """
    device = runs[0].problem.data.device
    _check_alike(runs)
    compiled = compiled and can_compile(device)
    thetas = [_replicated(x.problem, x.start, x.sgd.clip_radius, len(replicates)) for x in runs]
    for run, theta in zip(runs, thetas, strict=True):
        if run.sgd.ball_radius is not None:
            _check_inside(theta, run.sgd.ball_radius)
    draws = [x.draws(replicates, compiled=compiled) for x in runs]
    step_of, beside = _functions(compiled=compiled)[1], _Beside.of(runs, len(replicates))
    yield tuple(thetas)
    theta = _joined(thetas)
    for t in range(runs[0].sgd.steps):
        if (going := sum(x.sgd.steps > t for x in runs)) < len(beside.runs):
            beside = _Beside.of(runs[:going], len(replicates))
            theta = Weights(*(part[..., : going * len(replicates)] for part in theta))
        x, noise = (torch.cat(parts, -1) for parts in zip(*map(next, draws[:going]), strict=True))
        theta = step_of(beside.constants, theta, x, noise, beside.gammas[t], beside.clip)
        if beside.ball is not None:
            theta = project(theta, beside.ball)
        parts = zip(*(part.split(len(replicates), -1) for part in theta), strict=True)
        yield tuple(Weights(*pair) for pair in parts)


def _check_alike(runs: Sequence[Run]) -> None:
    for run in runs:
        run.sgd.shares(run.problem.data_count)
    kinds = {
        (
            (x.problem.latent_dim, x.problem.data_dim, x.sgd.batch_size, x.sgd.importance_samples),
            (x.sgd.clip_radius is None, x.sgd.ball_radius is None),
        )
        for x in runs
    }
    lengths = [x.sgd.steps for x in runs]
    if len(kinds) != 1 or lengths != sorted(lengths, reverse=True):
        raise ValueError(f"runs of shapes {sorted(kinds)} and lengths {lengths}; allowed: one shape, the longest first")


def _joined(parts: Sequence[Weights]) -> Weights:
    return Weights(*(torch.cat(x, -1) for x in zip(*parts, strict=True)))


@dataclass(frozen=True, eq=False)
class _Beside:
    """What differs between runs side by side, for each replicate of each run; of a single one, once."""

    runs: Sequence[Run]
    constants: Constants
    gammas: Float[Tensor, " n #R"]
    clip: Float[Tensor, " #R"] | None
    ball: Float[Tensor, " #R"] | None

    @staticmethod
    def of(runs: Sequence[Run], replicates: int) -> "_Beside":
        data, steps = runs[0].problem.data, min(x.sgd.steps for x in runs)

        def spread(columns: Tensor) -> Tensor:
            return columns if len(runs) == 1 else columns.repeat_interleave(replicates, -1)

        def radii(found: Sequence[float | None]) -> Tensor | None:
            return None if found[0] is None else spread(data.new_tensor(found))

        constants = (torch.cat(parts, -1) for parts in zip(*(x.problem.constants for x in runs), strict=True))
        # A longer gradient or a longer step: the parameters cannot tell.
        lengths = [x.sgd.gain * data.new_tensor(x.sgd.step_sizes()[:steps]) for x in runs]
        clips, balls = [x.sgd.clip_radius for x in runs], [x.sgd.ball_radius for x in runs]
        return _Beside(
            runs, Constants(*map(spread, constants)), spread(torch.stack(lengths, dim=-1)), radii(clips), radii(balls)
        )


def _check_inside(theta: Weights, radius: float) -> None:
    if not bool((norms(theta) <= radius).all()):
        raise ValueError(f"start has norm {float(norms(theta).max())}; allowed: at most the radius {radius}")


def _replicated(problem: LinearVAE, start: Weights, radius: float | None, count: int) -> Weights:
    shapes = ((problem.latent_dim, problem.data_dim), (problem.data_dim, problem.latent_dim))
    if (tuple(start.encoder.shape), tuple(start.decoder.shape)) != shapes:
        raise ValueError(
            f"start has shapes {tuple(start.encoder.shape)}, {tuple(start.decoder.shape)}; allowed: {shapes}"
        )
    # In float64 whatever the run's dtype, so that the start is the same point up to one rounding.
    theta = Weights(start.encoder[..., None].double(), start.decoder[..., None].double())
    if radius is not None:
        theta = unclip(theta, radius)
    encoder, decoder = (part.to(problem.data).repeat(1, 1, count) for part in theta)
    return Weights(encoder, decoder)


def run_sgd(
    problem: LinearVAE,
    start: Weights,
    sgd: Sgd,
    stream: Stream,
    replicates: tuple[int, int],
    *,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
    block: int = 1024,
    compiled: bool = False,
) -> Trajectory:
    """Trajectories of ``replicates`` = (first, count), run ``block`` at a time, with their exact quantities.

    ``start`` and ``compiled`` as in ``iterates``; compiled blocks are all of size ``block``, the last one
    running replicates that are not kept. Raises ValueError for a dtype other than float32 and float64, a
    block below 1, replicates outside [0, 2^32), and what ``iterates`` refuses.
    """
    where: Any = {"dtype": dtype, "device": device, "block": block, "compiled": compiled}
    return run_together([Run(problem, start, sgd, stream)], replicates, **where)[0]


def run_together(
    runs: Sequence[Run],
    replicates: tuple[int, int],
    *,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
    block: int = 1024,
    compiled: bool = False,
) -> list[Trajectory]:
    """``run_sgd`` of several runs as one, in any order, each to the bit what it is alone.

    Raises ValueError as ``run_sgd``, and for runs whose shapes differ.
    """
    if dtype not in DTYPES or block < 1:
        raise ValueError(f"dtype is {dtype} and block {block}; allowed: float32 or float64, block at least 1")

    def piece(run: Run, path: Iterator[Weights], kept: int) -> tuple[Tensor, ...]:
        return _run_block(run.problem, path, run.sgd, kept)

    runs = [run._replace(problem=run.problem.to(device, dtype)) for run in runs]
    found = _in_blocks(runs, replicate_range(*replicates, device=device), block, piece, compiled=compiled)
    return [Trajectory(x[0], x[1], x[2], x[3], x[4], Weights(x[5], x[6])) for x in found]


def _in_blocks(
    runs: Sequence[Run],
    replicates: Int64[Tensor, " R"],
    block: int,
    piece: Callable[[Run, Iterator[Weights], int], tuple[Tensor, ...]],
    *,
    compiled: bool = False,
) -> list[list[Tensor]]:
    """The columns of each run, from those that ``piece`` makes of its path through one block of replicates."""
    ordered = sorted(range(len(runs)), key=lambda j: -runs[j].sgd.steps)
    pieces: list[list[tuple[Tensor, ...]]] = [[] for _ in runs]
    for part in torch.split(replicates, block):
        walked = replicate_range(int(part[0]), block, part.device) if compiled else part
        paths = _apart(walk([runs[j] for j in ordered], walked, compiled=compiled), len(runs))
        for j, path in zip(ordered, paths, strict=True):
            pieces[j].append(piece(runs[j], path, len(part)))
    return [[torch.cat(column, dim=-1) for column in zip(*found, strict=True)] for found in pieces]


def _apart(together: Iterator[tuple[Weights, ...]], count: int) -> list[Iterator[Weights]]:
    """The path of each run, to be read one after the other; what the others still have to read is kept."""
    waiting: list[deque[Weights]] = [deque() for _ in range(count)]

    def path(own: deque[Weights]) -> Iterator[Weights]:
        while True:
            if not own:
                if (found := next(together, None)) is None:
                    return
                for queue, theta in zip(waiting, found, strict=False):
                    queue.append(theta)
                continue
            yield own.popleft()

    return [path(own) for own in waiting]


def _run_block(problem: LinearVAE, path: Iterator[Weights], sgd: Sgd, kept: int) -> tuple[Tensor, ...]:
    """The columns of a Trajectory for one block, its first ``kept`` replicates."""
    radius, values = sgd.clip_radius, []

    def first_columns() -> Iterator[Weights]:
        for t, whole in enumerate(path):
            theta = Weights(whole.encoder[..., :kept], whole.decoder[..., :kept])
            if t in (0, sgd.steps):
                values.append(theta if radius is None else clip(theta, radius))
            yield theta

    columns = exact_records(problem, first_columns(), sgd)
    first, last = values
    return *columns, problem.objective(first), problem.objective(last), last.encoder, last.decoder


def exact_records(problem: LinearVAE, path: Iterator[Weights], sgd: Sgd) -> tuple[Tensor, Tensor, Tensor]:
    """``exact_record`` along a path theta_1, ..., theta_(n+1), each [n, R]; the last iterate has no record."""
    records, group = [], []
    for t, theta in enumerate(path):
        if t < sgd.steps:
            group.append(theta)
        size = problem.data_count * problem.latent_dim * theta.encoder.shape[-1]
        if group and (t >= sgd.steps - 1 or (len(group) + 1) * size > CACHED):
            joined = Weights(*(torch.cat(parts, dim=-1) for parts in zip(*group, strict=True)))
            records.append([row.unflatten(0, (len(group), -1)) for row in exact_record(problem, joined, sgd)])
            group = []
    square, noise, norm = (torch.cat(rows) for rows in zip(*records, strict=True))
    return square, noise, norm


def exact_record(problem: LinearVAE, theta: Weights, sgd: Sgd) -> tuple[Tensor, Tensor, Tensor]:
    """Squared gradient (mapping), conditional noise variance and |theta|^2 at the iterates, each [R]; closed forms."""
    radius, kurtosis = sgd.clip_radius, sgd.law.kurtosis
    shares, norm = sgd.shares(problem.data_count), inner(theta, theta)
    weights = theta if radius is None else clip(theta, radius)
    split = problem.noise_split(weights, kurtosis)
    if radius is None:
        ball = sgd.ball_radius
        slope = problem.gradient(weights) if ball is None else gradient_mapping(problem, weights, ball)
        return inner(slope, slope), split[0] * shares[0] + split[1] * shares[1], norm
    gradient = pull_back(theta, problem.gradient(weights), radius)
    radial = radial_split(problem, weights, kurtosis)
    return inner(gradient, gradient), noise_trace(theta, radius, split, radial, shares), norm


def stopped(path: Iterator[Weights], radius: float) -> Iterator[tuple[Weights, Bool[Tensor, " R"]]]:
    """A path up to and with its first iterate outside the ball, which is then repeated; and whether it is still inside.

    The step that leaves the ball is taken, for it is no part of the event that the run was inside before it.
    """
    theta = next(path)
    inside = norms(theta) <= radius
    yield theta, inside
    for after in path:
        theta = Weights(*(torch.where(inside, new, old) for new, old in zip(after, theta, strict=True)))
        inside = inside & (norms(theta) <= radius)
        yield theta, inside


def run_stopped(
    problem: LinearVAE,
    start: Weights,
    sgd: Sgd,
    radius: float,
    stream: Stream,
    replicates: tuple[int, int],
    *,
    device: torch.device | str = "cpu",
    block: int = 1024,
) -> StoppedTrajectory:
    """Trajectories of ``replicates`` = (first, count) until they leave the ball of a radius; no run is discarded.

    Runs are those of ``run_sgd``, step by step, up to their exit. Raises ValueError for a radius that is not
    positive and finite, a start outside its ball, a clipped or projected run, and what ``run_sgd`` refuses.
    """
    return stop_together([Run(problem, start, sgd, stream)], [radius], replicates, device=device, block=block)[0]


def stop_together(
    runs: Sequence[Run],
    radii: Sequence[float],
    replicates: tuple[int, int],
    *,
    device: torch.device | str = "cpu",
    block: int = 1024,
) -> list[StoppedTrajectory]:
    """``run_stopped`` of several runs as one, each with its radius, in any order and to the bit what it is alone."""
    for run, radius in zip(runs, radii, strict=True):
        if not 0 < radius < math.inf or block < 1:
            raise ValueError(f"radius is {radius} and block {block}; allowed: positive and finite, block at least 1")
        if run.sgd.clip_radius is not None or run.sgd.ball_radius is not None:
            raise ValueError("the run is clipped or projected; allowed until an exit: neither")
    runs = [run._replace(problem=run.problem.to(device, torch.float64)) for run in runs]
    reach = {id(run): radius for run, radius in zip(runs, radii, strict=True)}

    def piece(run: Run, path: Iterator[Weights], _kept: int) -> tuple[Tensor, ...]:
        return _run_stopped(run.problem, path, run.sgd, reach[id(run)])

    found = _in_blocks(runs, replicate_range(*replicates, device=device), block, piece)
    return [StoppedTrajectory(x[0], x[1], x[2], x[3], x[4], x[5], Weights(x[6], x[7])) for x in found]


def _run_stopped(problem: LinearVAE, path: Iterator[Weights], sgd: Sgd, radius: float) -> tuple[Tensor, ...]:
    """The columns of a StoppedTrajectory for one block."""
    ends: list[Weights] = []
    masks: list[Tensor] = []
    lengths: list[Tensor] = []

    def watched() -> Iterator[Weights]:
        for theta, inside in stopped(path, radius):
            if not ends:
                _check_inside(theta, radius)
                ends.append(theta)
            else:
                # A stopped run does not move, so its length here is zero.
                lengths.append(norms(Weights(*(new - old for new, old in zip(theta, ends[-1], strict=True)))))
            ends[1:] = [theta]
            masks.append(inside)
            yield theta

    square, noise, _ = exact_records(problem, watched(), sgd)
    inside = torch.stack(masks[:-1])
    steps = problem.data.new_tensor(sgd.step_sizes())[:, None]
    values = [problem.objective(end) for end in (ends[0], ends[-1])]
    return square * inside, noise * inside, torch.stack(lengths) / steps, inside.sum(0), *values, *ends[-1]
