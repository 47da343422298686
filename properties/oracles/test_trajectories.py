"""SGD trajectories against plain loops, enumeration and other block sizes."""

import itertools
import math
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from elbound.impl import device as devices
from elbound.impl import noise, trajectories
from elbound.impl.clipping import clip, pull_back, unclip
from elbound.impl.linear_vae import LinearVAE, Weights, inner
from elbound.impl.trajectories import (
    Run,
    Sgd,
    StoppedTrajectory,
    Trajectory,
    iterates,
    run_sgd,
    run_stopped,
    run_together,
    stop_together,
)

STREAM = noise.Stream.named("trajectories", 3)
DATA = torch.tensor([[1.0, -0.5, 0.2], [0.3, 0.8, -1.1], [-0.7, 0.1, 0.4], [0.2, 0.2, 0.9]], dtype=torch.float64)
PROBLEM = LinearVAE(DATA, 0.6, 0.8, torch.tensor([0.5, 0.9], dtype=torch.float64))
START = Weights(
    torch.tensor([[0.4, -0.2, 0.1], [0.0, 0.3, 0.2]], dtype=torch.float64),
    torch.tensor([[0.3, 0.1], [-0.2, 0.4], [0.1, 0.0]], dtype=torch.float64),
)
PLAIN = Sgd(steps=6, step_size=0.05, batch_size=2, importance_samples=3, law=noise.THREE_POINT)
VARIANTS = {
    "plain": PLAIN,
    "clipped": replace(PLAIN, clip_radius=1.5),
    "without replacement": replace(PLAIN, batch_size=3, with_replacement=False),
    "Gaussian": replace(PLAIN, law=noise.GAUSSIAN),
    # The start has norm 0.81, and steps of this size reach the edge.
    "projected": replace(PLAIN, step_size=0.3, ball_radius=0.9),
    "short gradients": replace(PLAIN, gain=0.25),
}
FREE = replace(PLAIN, step_size=0.3)


def columns(found: Trajectory) -> list[Tensor]:
    return [
        found.squared_gradient,
        found.noise_variance,
        found.squared_norm,
        found.first_value,
        found.last_value,
        found.last.encoder,
        found.last.decoder,
    ]


def plain_trajectory(sgd: Sgd, replicate: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Iterates of one replicate by numpy loops over data and noises: every theta, and every weight w."""
    x, d = DATA.numpy(), PROBLEM.posterior_variance.numpy()
    s, beta, k = PROBLEM.noise_variance, PROBLEM.beta, len(d)
    theta = np.concatenate([part.numpy().ravel() for part in START])
    radius = sgd.clip_radius
    if radius is not None:
        theta = theta / math.sqrt(1 - theta @ theta / radius**2)
    seen, mapped = [], []
    for t in range(1, sgd.steps + 2):
        shrink = 1.0 if radius is None else math.sqrt(1 + theta @ theta / radius**2)
        w = theta / shrink
        seen.append(theta)
        mapped.append(w)
        encoder, decoder = w[: 3 * k].reshape(k, 3), w[3 * k :].reshape(3, k)
        index_slots = -(-sgd.batch_size // 4)
        draws = sgd.batch_size * sgd.importance_samples * k
        found = noise.words(STREAM, (replicate, 1), t, index_slots + -(-draws // 4))
        choose = noise.with_replacement if sgd.with_replacement else noise.without_replacement
        indices = choose(found[: sgd.batch_size], len(x))[:, 0].tolist()
        eps = sgd.law.sample(found[4 * index_slots :], torch.float64)[:draws, 0].numpy()
        eps = eps.reshape(sgd.batch_size, sgd.importance_samples, k)
        grad_w, grad_v = np.zeros((k, 3)), np.zeros((3, k))
        for b, i in enumerate(indices):
            for sample in eps[b]:
                z = encoder @ x[i] + np.sqrt(d) * sample
                residual = x[i] - decoder @ z
                share = 1 / (sgd.batch_size * sgd.importance_samples)
                grad_w += share * np.outer(-decoder.T @ residual / s + beta * encoder @ x[i], x[i])
                grad_v += share * np.outer(-residual / s, z)
        g = np.concatenate([grad_w.ravel(), grad_v.ravel()])
        if radius is not None:
            g = (np.eye(len(w)) - np.outer(w, w) / radius**2) @ g / shrink
        theta = theta - sgd.step_size / math.sqrt(t) * (sgd.gain * g)
        if sgd.ball_radius is not None:
            theta = theta * min(1.0, sgd.ball_radius / math.sqrt(theta @ theta))
    return seen, mapped


def mapping_square(w: np.ndarray, gradient: np.ndarray, radius: float) -> float:
    """The squared gradient mapping by its definition, with rate 2 L(r)."""
    rate = 2 * PROBLEM.smoothness_on_ball(radius)
    after = w - gradient / rate
    after = after * min(1.0, radius / math.sqrt(after @ after))
    return float((w - after) @ (w - after)) * rate**2


@pytest.mark.parametrize("name", VARIANTS)
def test_a_run_is_the_plain_loop_with_the_same_noise(name: str) -> None:
    sgd = VARIANTS[name]
    found = run_sgd(PROBLEM, START, sgd, STREAM, (40, 3))
    for column, replicate in enumerate((40, 41, 42)):
        seen, mapped = plain_trajectory(sgd, replicate)
        for t in range(sgd.steps):
            # Six contracting steps of fewer than 1000 operations on numbers below 10.
            assert float(found.squared_norm[t, column]) == pytest.approx(seen[t] @ seen[t], rel=1e-12)
            w = torch.from_numpy(mapped[t])[:, None]
            point = Weights(w[:6].reshape(2, 3, 1), w[6:].reshape(3, 2, 1))
            slope = PROBLEM.gradient(point)
            if sgd.clip_radius is not None:
                slope = pull_back(unclip(point, sgd.clip_radius), slope, sgd.clip_radius)
            square = float(inner(slope, slope)[0])
            if sgd.ball_radius is not None:
                flat = torch.cat([part.flatten() for part in slope]).numpy()
                square = mapping_square(mapped[t], flat, sgd.ball_radius)
            assert float(found.squared_gradient[t, column]) == pytest.approx(square, rel=1e-10)
        last = torch.cat([part[..., column].flatten() for part in found.last]).numpy()
        np.testing.assert_allclose(last, mapped[-1], rtol=0, atol=1e-13)


def test_projected_runs_reach_the_edge_and_never_leave_the_ball() -> None:
    radius = 0.9
    norms = run_sgd(PROBLEM, START, VARIANTS["projected"], STREAM, (0, 40)).squared_norm.sqrt()
    # The scaled vector's norm is the radius up to a rounding of each entry and of the sum of twelve squares.
    assert float(norms.max()) == pytest.approx(radius, rel=16 * 2.0**-53)
    assert float(norms[1:].min()) < radius * 0.999


def stopped_columns(found: StoppedTrajectory) -> list[Tensor]:
    return [
        *(found.squared_gradient, found.noise_variance, found.sample_norm, found.steps_inside),
        *(found.first_value, found.last_value, found.last.encoder, found.last.decoder),
    ]


def radius_between(first: int, count: int) -> float:
    """A radius that some free runs leave and others do not: the median of their largest norms."""
    farthest = [max(math.sqrt(w @ w) for w in plain_trajectory(FREE, i)[0]) for i in range(first, first + count)]
    return float(np.median(farthest))


def test_a_stopped_run_is_the_plain_loop_up_to_and_with_its_first_step_outside() -> None:
    radius = radius_between(40, 8)
    found, free = (
        run_stopped(PROBLEM, START, FREE, radius, STREAM, (40, 8)),
        run_sgd(PROBLEM, START, FREE, STREAM, (40, 8)),
    )
    assert set(found.steps_inside.lt(FREE.steps).tolist()) == {True, False}
    for column in range(8):
        seen, _ = plain_trajectory(FREE, 40 + column)
        inside = [w @ w <= radius**2 for w in seen]
        exit_at = inside.index(False) if False in inside else FREE.steps
        assert int(found.steps_inside[column]) == exit_at
        for t in range(FREE.steps):
            alive = float(t < exit_at)
            assert found.squared_gradient[t, column] == free.squared_gradient[t, column] * alive
            assert found.noise_variance[t, column] == free.noise_variance[t, column] * alive
            length = math.sqrt((seen[t + 1] - seen[t]) @ (seen[t + 1] - seen[t])) / FREE.step_sizes()[t]
            # Six steps of fewer than 1000 operations, and a difference of numbers below 10 over a step of 0.12.
            assert float(found.sample_norm[t, column]) == pytest.approx(length * alive, rel=1e-11, abs=0)
        last = torch.cat([part[..., column].flatten() for part in found.last]).numpy()
        np.testing.assert_allclose(last, seen[exit_at], rtol=0, atol=1e-12)
    assert torch.equal(found.first_value, free.first_value)
    assert torch.equal(found.last_value, PROBLEM.objective(found.last))


@pytest.mark.parametrize("block", [1, 5, 32])
def test_block_size_changes_nothing_in_stopped_runs(block: int) -> None:
    radius = radius_between(3, 8)
    whole, split = (run_stopped(PROBLEM, START, FREE, radius, STREAM, (3, 37), block=size) for size in (64, block))
    assert all(
        torch.equal(left, right) for left, right in zip(stopped_columns(whole), stopped_columns(split), strict=True)
    )


@pytest.mark.parametrize("name", VARIANTS)
def test_exact_quantities_are_the_same_however_many_iterates_are_taken_at_once(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = run_sgd(PROBLEM, START, VARIANTS[name], STREAM, (0, 9))
    monkeypatch.setattr(trajectories, "CACHED", 1)
    one_by_one = run_sgd(PROBLEM, START, VARIANTS[name], STREAM, (0, 9))
    for left, right in zip(columns(together), columns(one_by_one), strict=True):
        # Square roots and sums are rounded once each, wherever they stand.
        assert torch.equal(left, right)


def company(name: str) -> list[Run]:
    """Runs of one shape that differ in all else: data and their number, start, steps, law, sampling, radii."""
    first = VARIANTS[name]
    few = LinearVAE(DATA[:3], 0.7, 1.4, torch.tensor([0.2, 0.9], dtype=torch.float64))
    start = Weights(START.encoder * 0.5, -START.decoder)
    clip, ball = (None if x is None else 1.3 * x for x in (first.clip_radius, first.ball_radius))
    other = replace(
        first, steps=first.steps + 9, step_size=0.07, law=noise.RADEMACHER, clip_radius=clip, ball_radius=ball
    )
    return [
        Run(PROBLEM, START, first, STREAM),
        Run(few, start, replace(other, with_replacement=not first.with_replacement), noise.Stream(11)),
        Run(PROBLEM, start, replace(first, steps=1), noise.Stream(12)),
        Run(few, START, other, STREAM),
    ]


@pytest.mark.parametrize("name", VARIANTS)
def test_runs_side_by_side_are_each_to_the_bit_what_they_are_alone(name: str) -> None:
    runs = company(name)
    for run, found in zip(runs, run_together(runs, (5, 21), block=8), strict=True):
        alone = run_sgd(*run, (5, 21), block=8)
        for left, right in zip(columns(found), columns(alone), strict=True):
            assert torch.equal(left, right)


def test_runs_side_by_side_leave_their_balls_as_they_do_alone() -> None:
    runs = [x._replace(sgd=replace(x.sgd, step_size=0.3)) for x in company("plain")]
    radii = [0.9, 1.2, 0.85, 1.0]
    left = 0
    for run, radius, found in zip(runs, radii, stop_together(runs, radii, (5, 21), block=8), strict=True):
        alone = run_stopped(*run[:3], radius, run.stream, (5, 21), block=8)
        left += int((found.steps_inside < run.sgd.steps).sum())
        for name, value in vars(found).items():
            pairs = zip(value, getattr(alone, name), strict=True)
            assert all(torch.equal(one, other) for one, other in pairs), name
    assert left > 0, "some runs leave"


@pytest.mark.parametrize("changed", [{"batch_size": 3}, {"importance_samples": 5}, {"clip_radius": 2.0}])
def test_runs_of_other_shapes_do_not_go_side_by_side(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="allowed: one shape"):
        run_together([Run(PROBLEM, START, x, STREAM) for x in (PLAIN, replace(PLAIN, **changed))], (0, 2))


def test_noise_is_the_same_however_many_steps_are_drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for sgd in VARIANTS.values():
        monkeypatch.undo()
        together = run_sgd(PROBLEM, START, sgd, STREAM, (0, 9))
        monkeypatch.setattr(trajectories, "DRAWN", 1)
        one_by_one = run_sgd(PROBLEM, START, sgd, STREAM, (0, 9))
        for left, right in zip(columns(together), columns(one_by_one), strict=True):
            assert torch.equal(left, right)


def test_a_run_of_single_draws_is_the_plain_loop() -> None:
    sgd = replace(PLAIN, steps=30, batch_size=1, importance_samples=1)
    found = run_sgd(PROBLEM, START, sgd, STREAM, (0, 2))
    for column in range(2):
        last = torch.cat([part[..., column].flatten() for part in found.last]).numpy()
        np.testing.assert_allclose(last, plain_trajectory(sgd, column)[1][-1], rtol=0, atol=1e-12)


def test_one_step_in_one_dimension_by_hand() -> None:
    two, quarter, encoder, decoder = torch.tensor([2.0, 0.25, 0.3, 0.6], dtype=torch.float64)
    problem = LinearVAE(two[None, None], 0.5, 1.0, quarter[None])
    start = Weights(encoder[None, None], decoder[None, None])
    sgd = Sgd(steps=1, step_size=0.1, batch_size=1, law=noise.RADEMACHER)
    found = run_sgd(problem, start, sgd, STREAM, (0, 64))
    # x = 2, mu = 0.6, z = 0.6 +- 0.5, r = 1.34 or 1.94: dW = 2 (0.6 - 0.6 r / 0.5), dV = -r z / 0.5.
    up = (0.3 - 0.1 * 2 * (-1.2 * 1.34 + 0.6), 0.6 + 0.1 * 1.34 * 1.1 / 0.5)
    down = (0.3 - 0.1 * 2 * (-1.2 * 1.94 + 0.6), 0.6 + 0.1 * 1.94 * 0.1 / 0.5)
    ends = {(round(float(w), 13), round(float(v), 13)) for w, v in zip(*(p[0, 0] for p in found.last), strict=True)}
    assert ends == {tuple(round(value, 13) for value in end) for end in (up, down)}


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("block", [1, 5, 32])
def test_block_size_changes_nothing(name: str, block: int) -> None:
    sgd = VARIANTS[name]
    whole, split = (run_sgd(PROBLEM, START, sgd, STREAM, (3, 37), block=size) for size in (64, block))
    for left, right in zip(columns(whole), columns(split), strict=True):
        torch.testing.assert_close(left, right, rtol=1e-12, atol=1e-13)
    if sgd.law is noise.THREE_POINT:
        # No transcendental function, and every sum in a fixed order: the same bits.
        assert all(torch.equal(left, right) for left, right in zip(columns(whole), columns(split), strict=True))


def test_replicates_differ_and_ranges_continue_one_another() -> None:
    whole = run_sgd(PROBLEM, START, PLAIN, STREAM, (0, 20))
    tail = run_sgd(PROBLEM, START, PLAIN, STREAM, (12, 8))
    assert torch.equal(whole.squared_norm[:, 12:], tail.squared_norm)
    assert len(set(whole.squared_norm[-1].tolist())) == 20


@pytest.mark.parametrize("gain", [1.0, 0.3])
@pytest.mark.parametrize("with_replacement", [True, False])
@pytest.mark.parametrize("radius", [None, 1.2])
def test_recorded_moments_are_those_of_the_enumerated_gradient(
    radius: float | None, with_replacement: bool, gain: float
) -> None:
    sgd = replace(PLAIN, law=noise.RADEMACHER, importance_samples=1, clip_radius=radius, steps=1, gain=gain)
    sgd = replace(sgd, with_replacement=with_replacement)
    pairs = (
        list(itertools.product(range(4), repeat=2)) if with_replacement else list(itertools.permutations(range(4), 2))
    )
    signs = list(itertools.product((-1.0, 1.0), repeat=4))
    outcomes = list(itertools.product(pairs, signs))
    indices = torch.tensor([pair for pair, _ in outcomes]).T
    eps = torch.tensor([sign for _, sign in outcomes]).double().T.reshape(2, 1, 2, -1)
    theta = Weights(*(part[..., None].repeat(1, 1, len(outcomes)) for part in START))
    if radius is None:
        gradient = PROBLEM.sample_gradient(theta, indices, eps)
    else:
        theta = unclip(theta, radius)
        gradient = pull_back(theta, PROBLEM.sample_gradient(clip(theta, radius), indices, eps), radius)
    rows = torch.cat([part.flatten(0, 1) for part in gradient])
    mean = rows.mean(1)
    # The gradient is the objective's, the variance that of what is stepped along.
    variance = float((gain * (rows - mean[:, None])).square().sum(0).mean())
    found = run_sgd(PROBLEM, START, sgd, STREAM, (0, 1))
    assert float(found.squared_gradient[0, 0]) == pytest.approx(float(mean @ mean), rel=1e-12)
    assert float(found.noise_variance[0, 0]) == pytest.approx(variance, rel=1e-12)
    # The other way of sampling, and the other share of data noise, are told apart.
    other = run_sgd(PROBLEM, START, replace(sgd, with_replacement=not with_replacement), STREAM, (0, 1))
    assert abs(float(other.noise_variance[0, 0]) / variance - 1) > 1e-3


def test_a_stopped_run_records_the_length_of_what_it_steps_along() -> None:
    sgd = replace(FREE, steps=1)
    short, whole = (run_stopped(PROBLEM, START, x, 10.0, STREAM, (0, 8)) for x in (replace(sgd, gain=0.25), sgd))
    torch.testing.assert_close(short.sample_norm, whole.sample_norm / 4, rtol=1e-12, atol=0)
    torch.testing.assert_close(short.noise_variance, whole.noise_variance / 16, rtol=1e-12, atol=0)
    assert torch.equal(short.squared_gradient, whole.squared_gradient)


@pytest.mark.parametrize("gain", [0.0, -1.0, 1.5, math.nan])
def test_a_gain_outside_its_range_is_named(gain: float) -> None:
    with pytest.raises(ValueError, match=f"gain is {gain}; allowed: above 0, at most 1"):
        replace(PLAIN, gain=gain)


def test_values_are_those_of_the_objective_at_both_ends() -> None:
    sgd = VARIANTS["clipped"]
    found = run_sgd(PROBLEM, START, sgd, STREAM, (0, 4))
    first = PROBLEM.objective(Weights(START.encoder[..., None], START.decoder[..., None]))
    torch.testing.assert_close(found.first_value, first.expand(4), rtol=1e-13, atol=0)
    assert torch.equal(found.last_value, PROBLEM.objective(found.last))
    assert float(inner(found.last, found.last).max()) < 1.5**2


def test_float32_follows_float64_for_a_few_steps() -> None:
    single, double = (run_sgd(PROBLEM, START, PLAIN, STREAM, (0, 16), dtype=t) for t in trajectories.DTYPES)
    for left, right in zip(columns(single), columns(double), strict=True):
        assert left.dtype == torch.float32
        # Six contracting steps, fewer than 1000 operations each: 1000 * 2^-24 of numbers up to 10.
        torch.testing.assert_close(left.double(), right, rtol=6e-4, atol=6e-4)


@pytest.mark.usefixtures("no_shape_checks")
def test_compiled_runs_follow_eager_ones() -> None:
    if not trajectories.can_compile(torch.device("cpu")):
        pytest.skip("no C++ compiler here")
    sgd = replace(PLAIN, clip_radius=1.5, law=noise.GAUSSIAN, batch_size=1, importance_samples=1)
    eager, compiled = (run_sgd(PROBLEM, START, sgd, STREAM, (0, 11), block=8, compiled=flag) for flag in (False, True))
    for left, right in zip(columns(eager), columns(compiled), strict=True):
        torch.testing.assert_close(left, right, rtol=1e-12, atol=1e-13)
    # All but the shapes is data: another problem, stream, step size and radius compile nothing new.
    other = LinearVAE(DATA[:3], 0.5, 1.1, torch.tensor([0.3, 0.2], dtype=torch.float64))
    sgd = replace(sgd, step_size=0.03, clip_radius=1.7, steps=4)
    with torch._dynamo.config.patch(error_on_recompile=True):
        again = run_sgd(other, START, sgd, noise.Stream(8), (5, 8), block=8, compiled=True)
    eager = run_sgd(other, START, sgd, noise.Stream(8), (5, 8))
    torch.testing.assert_close(again.last_value, eager.last_value, rtol=1e-12, atol=0)


def test_without_a_compiler_a_compiled_run_is_the_eager_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert not trajectories.can_compile(torch.device("cpu"))
    eager, fallen = (run_sgd(PROBLEM, START, PLAIN, STREAM, (0, 5), compiled=flag) for flag in (False, True))
    assert torch.equal(eager.last_value, fallen.last_value)


def test_bare_training_passes_through_the_recorded_iterates() -> None:
    found = run_sgd(PROBLEM, START, PLAIN, STREAM, (0, 8))
    path = list(iterates(PROBLEM, START, PLAIN, STREAM, torch.arange(8)))
    assert len(path) == PLAIN.steps + 1
    assert torch.equal(torch.stack([inner(theta, theta) for theta in path[:-1]]), found.squared_norm)
    assert torch.equal(path[-1].encoder, found.last.encoder)


@pytest.mark.cuda
@pytest.mark.parametrize("name", VARIANTS)
def test_cuda_follows_the_cpu(name: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device")
    here, there = (run_sgd(PROBLEM, START, VARIANTS[name], STREAM, (0, 33), device=d) for d in ("cpu", "cuda"))
    for left, right in zip(columns(here), columns(there), strict=True):
        # Fused multiply-adds and the last places of log, sin and cos: a few units per operation.
        torch.testing.assert_close(left, right.cpu(), rtol=1e-11, atol=1e-12)


def test_bad_requests_are_refused_in_one_line() -> None:
    outside = Weights(START.encoder * 10, START.decoder * 10)
    calls: list[Callable[[], object]] = [
        lambda: replace(PLAIN, steps=0),
        lambda: replace(PLAIN, importance_samples=0),
        lambda: replace(PLAIN, step_size=0.0),
        lambda: replace(PLAIN, clip_radius=-1.0),
        lambda: run_sgd(PROBLEM, START, PLAIN, STREAM, (0, 0)),
        lambda: run_sgd(PROBLEM, START, PLAIN, STREAM, (0, 1), block=0),
        lambda: run_sgd(PROBLEM, START, PLAIN, STREAM, (0, 1), dtype=torch.float16),
        lambda: run_sgd(PROBLEM, Weights(START.decoder, START.encoder), PLAIN, STREAM, (0, 1)),
        lambda: run_sgd(PROBLEM, outside, VARIANTS["clipped"], STREAM, (0, 1)),
        lambda: run_sgd(PROBLEM, START, replace(PLAIN, batch_size=5, with_replacement=False), STREAM, (0, 1)),
        lambda: devices.resolve("tpu"),
        lambda: replace(PLAIN, ball_radius=0.0),
        lambda: replace(PLAIN, clip_radius=1.5, ball_radius=1.5),
        lambda: run_sgd(PROBLEM, outside, VARIANTS["projected"], STREAM, (0, 1)),
        lambda: run_stopped(PROBLEM, outside, PLAIN, 1.0, STREAM, (0, 1)),
        lambda: run_stopped(PROBLEM, START, PLAIN, -1.0, STREAM, (0, 1)),
        lambda: run_stopped(PROBLEM, START, PLAIN, 1.0, STREAM, (0, 1), block=0),
        lambda: run_stopped(PROBLEM, START, VARIANTS["clipped"], 1.5, STREAM, (0, 1)),
        lambda: run_stopped(PROBLEM, START, VARIANTS["projected"], 1.5, STREAM, (0, 1)),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="allowed") as caught:
            call()
        assert "\n" not in str(caught.value)


def test_device_names_resolve_and_an_absent_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.resolve("cpu").type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.resolve("auto").type == "cpu"
    with pytest.raises(ValueError, match="allowed here: auto, cpu"):
        devices.resolve("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert devices.resolve("auto").type == devices.resolve("cuda").type == "cuda"


def test_deterministic_sets_every_switch_and_describe_names_what_results_depend_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    try:
        devices.deterministic(torch.device("cpu"))
        assert torch.are_deterministic_algorithms_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        assert devices.describe(torch.device("cpu")) == {
            "torch": torch.__version__,
            "device": "cpu",
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "threads": 1,
        }
        # Determinism must not refuse, nor change, what a run does.
        sgd = VARIANTS["without replacement"]
        strict = run_sgd(PROBLEM, START, sgd, STREAM, (0, 4))
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.set_num_threads(before[1])
    assert torch.equal(strict.last_value, run_sgd(PROBLEM, START, sgd, STREAM, (0, 4)).last_value)


def test_the_c_library_takes_the_request_to_keep_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.keep_memory() == (platform.libc_ver()[0] == "glibc")
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    assert not devices.keep_memory()
