"""The radial clip, records, directional constants and steps of deep SGD, and the layerwise bounds, each recomputed."""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from elbound.impl.deep_descent import Objective, clip, pull_back, steps, unclip
from elbound.impl.deep_smoothness import (
    clipped_sample_smoothness,
    clipped_smoothness,
    layerwise,
    norms_at,
    norms_on_ball,
    reach,
)
from elbound.impl.deep_vae import Architecture, DeepVAE, Tanh, three_point_rule
from elbound.impl.noise import THREE_POINT, Stream, replicate_range
from elbound.impl.optimisers import Timing
from elbound.impl.soft_clipping import SoftClip
from elbound.impl.trajectories import Draw, Sgd, draw
from elbound.properties.experiment import Context
from elbound.properties.experiments.deep_adam import DEEP_ADAM_PAST, DeepAdam
from elbound.properties.experiments.deep_layerwise import constants_of
from elbound.theory.evaluate import evaluate
from elbound.theory.smoothness.deep_layerwise import layerwise_smoothness

CLIP = SoftClip(-2.0, 2.0, 2.0)
SHAPE = Architecture(3, 1, (4, 3), Tanh(), CLIP, SoftClip(-3.0, 1.0, 2.0), CLIP)
DATA = torch.randn(3, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
PROBLEM = DeepVAE(DATA, 0.5, 0.8, SHAPE)
RULE, RADIUS = three_point_rule(1), 2.0
OBJECTIVE = Objective(PROBLEM, RULE, RADIUS)
SGD = Sgd(steps=3, step_size=0.05, batch_size=2, law=THREE_POINT, clip_radius=RADIUS)
# Two computations of one number of size s differ by rounding: under 2^12 operations, each relative to sums of size s.
SAME = 2.0**12 * 2.0**-53


def points(count: int, norm: float, seed: int = 4) -> Tensor:
    drawn = torch.randn(
        SHAPE.parameter_count, count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    return drawn / drawn.square().sum(0).sqrt() * norm


def close(found: Tensor, plain: Tensor) -> None:
    torch.testing.assert_close(found, plain, rtol=0, atol=SAME * (1 + float(plain.abs().max())))


def test_unclipping_undoes_the_clip_which_stays_in_the_ball() -> None:
    theta = points(5, 7.0)
    assert bool((clip(theta, RADIUS).norm(dim=0) < RADIUS).all())
    # Near the edge the inverse divides by 1 - |w|^2 / r^2 = 1 / rho^2, here above 1/16.
    torch.testing.assert_close(unclip(clip(theta, RADIUS), RADIUS), theta, rtol=16 * SAME, atol=16 * SAME)
    assert torch.equal(clip(theta, None), theta)
    assert torch.equal(unclip(theta, None), theta)


@pytest.mark.parametrize("radius", [None, RADIUS])
def test_the_gradient_of_the_clipped_objective_is_that_of_autograd(radius: float | None) -> None:
    theta, objective = points(4, 1.5).requires_grad_(), Objective(PROBLEM, RULE, radius)
    (plain,) = torch.autograd.grad(objective.value(theta).sum(), theta)
    close(objective.gradient(theta.detach()), plain)
    assert torch.equal(objective.automatic_gradient(theta), plain)


def test_pulling_back_is_the_jacobian_of_the_clip() -> None:
    theta, vector = points(1, 3.0)[:, 0], points(1, 1.0, 5)
    jacobian = torch.autograd.functional.jacobian(lambda w: clip(w[:, None], RADIUS)[:, 0], theta)
    assert isinstance(jacobian, Tensor)
    close(pull_back(theta[:, None], vector, RADIUS), jacobian.T @ vector)


@pytest.mark.parametrize("replacement", [True, False])
def test_records_are_the_moments_of_all_minibatches_of_two(*, replacement: bool) -> None:
    theta = points(1, 1.5)
    outcomes = OBJECTIVE.outcomes(theta)[..., 0]
    chances, count = RULE.weights, PROBLEM.data_count
    pairs = itertools.product(range(count), repeat=2) if replacement else itertools.permutations(range(count), 2)
    means, weights = [], []
    for i, j in pairs:
        for q, p in itertools.product(range(3), repeat=2):
            means.append((outcomes[:, i, q] + outcomes[:, j, p]) / 2)
            weights.append(float(chances[q] * chances[p]))
    table, weight = torch.stack(means), torch.tensor(weights, dtype=torch.float64)
    weight /= weight.sum()
    mean = weight @ table
    record = OBJECTIVE.record(theta, replace(SGD, with_replacement=replacement))
    close(record.gradient[:, 0], mean)
    close(record.gradient, OBJECTIVE.gradient(theta))
    close(record.variance[0], weight @ (table - mean).square().sum(1))
    close(record.along[0], weight @ ((table - mean) @ mean).square())
    short = OBJECTIVE.record(theta, replace(SGD, with_replacement=replacement, gain=0.5))
    assert torch.equal(short.gradient, record.gradient)
    close(4 * short.variance, record.variance)
    close(4 * short.along, record.along)


def test_the_directional_constant_is_that_of_its_definition() -> None:
    theta, step = points(4, 1.5), points(4, 0.05, 6)
    found, moved = OBJECTIVE.bend(theta, step)
    rise = OBJECTIVE.value(theta + step) - OBJECTIVE.value(theta)
    plain = 2 * (rise - (OBJECTIVE.gradient(theta) * step).sum(0))
    # The definition's cancellation keeps the absolute rounding of F.
    allowed = SAME * 4 * float(OBJECTIVE.value(theta).abs().max())
    torch.testing.assert_close(found, plain, rtol=0, atol=allowed + float(moved.max()))
    assert float(moved.max()) < 1e-6 * float(found.abs().max())


@pytest.mark.parametrize("gain", [1.0, 0.25])
def test_steps_follow_a_plain_loop_on_the_same_noise(gain: float) -> None:
    stream, start, sgd = Stream(9), points(1, 1.0)[:, 0], replace(SGD, gain=gain)
    path = [
        step._replace(theta=step.theta.clone()) for step in steps(OBJECTIVE, start, sgd, stream, replicate_range(5, 3))
    ]
    assert [step.gamma for step in path] == [*SGD.step_sizes(), 0.0]
    plan = Draw(THREE_POINT, 2, 1, 1, None, torch.float64)
    for j in range(3):
        theta = start.clone()
        for t, step in enumerate(path, 1):
            torch.testing.assert_close(step.theta[:, j], theta, rtol=0, atol=4 * SAME)
            one = replicate_range(5 + j, 1)
            indices, noise = draw(plan, stream.schedule(), one, torch.tensor(t), torch.tensor(PROBLEM.data_count))
            leaf = theta.clone().requires_grad_()
            batch = PROBLEM.minibatch(DATA.T[:, indices], noise)
            (slope,) = torch.autograd.grad(gain * PROBLEM.objective(clip(leaf[:, None], RADIUS), batch)[0], leaf)
            torch.testing.assert_close(step.slope[:, j], slope, rtol=0, atol=8 * SAME * (1 + float(slope.abs().max())))
            theta = theta - step.gamma * slope


def test_blocks_of_replicates_run_the_same_trajectories() -> None:
    stream, start = Stream(9), points(1, 1.0)[:, 0]
    *_, whole = steps(OBJECTIVE, start, SGD, stream, replicate_range(0, 6))
    *_, part = steps(OBJECTIVE, start, SGD, stream, replicate_range(4, 2))
    torch.testing.assert_close(whole.theta[:, 4:], part.theta, rtol=0, atol=4 * SAME)


@pytest.mark.parametrize("scale", [0.5, 2.0, 6.0])
def test_layerwise_bounds_hold_for_means_variances_gradients_and_hessians(scale: float) -> None:
    for seed in range(4):
        theta = points(1, scale, seed)
        for norms in (norms_at(PROBLEM, theta[:, 0]), norms_on_ball(PROBLEM, scale)):
            found = layerwise(PROBLEM, RULE, norms)
            traces = PROBLEM.run_through(theta, PROBLEM.whole(RULE))
            assert float(traces.mean.norm(dim=1).max()) <= float(found.mean.size.item())
            hessian = PROBLEM.hessian(theta[:, 0], PROBLEM.whole(RULE))
            assert float(torch.linalg.matrix_norm(hessian, 2)) <= found.smoothness(0.5, 0.8)
            steepest = Objective(PROBLEM, RULE).outcomes(theta).norm(dim=0).max()
            assert float(steepest) <= found.gradient_bound(0.5, 0.8)
            for part, bounds in (("mean", found.mean), ("spread", found.spread)):
                assert _steepest(theta[:, 0], part) <= float(bounds.slope.item())


def _steepest(theta: Tensor, part: str) -> float:
    """The largest spectral norm over data of the Jacobian of mu or l in all parameters, by autograd."""

    def heads(weights: Tensor) -> Tensor:
        found: Tensor = getattr(PROBLEM.run_through(weights[:, None], PROBLEM.whole(RULE)), part)[0]
        return found

    jacobian = torch.autograd.functional.jacobian(heads, theta)
    assert isinstance(jacobian, Tensor)
    return float(torch.linalg.matrix_norm(jacobian.transpose(0, 1), 2).max())


def test_the_clipped_objective_is_smooth_with_its_constant() -> None:
    bound = clipped_smoothness(PROBLEM, RULE, RADIUS)
    for norm in (0.1, 1.0, 5.0):
        theta = points(1, norm)[:, 0]
        hessian = torch.autograd.functional.hessian(lambda w: OBJECTIVE.value(w[:, None])[0], theta)
        assert isinstance(hessian, Tensor)
        assert float(torch.linalg.matrix_norm(hessian, 2)) <= bound


def test_every_sample_gradient_of_the_clipped_objective_is_smooth_with_its_constant() -> None:
    bound = clipped_sample_smoothness(PROBLEM, RULE, RADIUS)
    assert bound >= clipped_smoothness(PROBLEM, RULE, RADIUS)
    for norm in (0.1, 1.0, 5.0):
        theta, way = points(1, norm), points(1, 0.01, 6)
        rise = OBJECTIVE.outcomes(theta + way) - OBJECTIVE.outcomes(theta)
        assert float(rise.norm(dim=0).max()) <= bound * float(way.norm())


@pytest.mark.parametrize("timing", list(Timing))
@pytest.mark.parametrize("size", [0.02, 3.0])
def test_no_sample_gradient_on_an_enumerated_path_of_adam_passes_its_bound(timing: Timing, size: float) -> None:
    for instance in DEEP_ADAM_PAST.instances.values():
        problem = DeepAdam.of({**instance, "LC/reg": size}, Context(), timing)
        met = max(float(node.slopes.abs().max()) for node in list(problem.nodes())[:-1])
        assert met <= problem.gradient_bound


def test_the_constant_is_that_of_the_claim() -> None:
    found = layerwise(PROBLEM, RULE, norms_on_ball(PROBLEM, RADIUS))
    expression = float(evaluate(layerwise_smoothness, constants_of(found, PROBLEM)))
    # Rounded up by 1e-12 where it is computed.
    assert expression <= found.smoothness(0.5, 0.8) <= expression * (1 + 2e-12)


def test_bad_requests_are_refused_in_one_line() -> None:
    start = points(1, 1.0)[:, 0]
    replicates = replicate_range(0, 2)
    unclipped = DeepVAE(DATA, 0.5, 0.8, replace(SHAPE, log_variance=Tanh()))
    calls: list[Callable[[], object]] = [
        lambda: unclip(points(1, 3.0), RADIUS),
        lambda: next(steps(OBJECTIVE, start[1:], SGD, Stream(1), replicates)),
        lambda: next(steps(OBJECTIVE, start, replace(SGD, clip_radius=None), Stream(1), replicates)),
        lambda: next(
            steps(OBJECTIVE, start, replace(SGD, batch_size=9, with_replacement=False), Stream(1), replicates)
        ),
        lambda: layerwise(unclipped, RULE, norms_on_ball(unclipped, 1.0)),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="allowed") as caught:
            call()
        assert "\n" not in str(caught.value)
    assert (reach(Tanh()), reach(CLIP)) == (1.0, 2.0)
    assert math.isinf(reach(_Line()))


class _Line:
    """The identity, without a range."""

    slope_bound, curvature_bound = 1.0, 0.0

    def value(self, x: Tensor) -> Tensor:
        return x

    def slope(self, x: Tensor) -> Tensor:
        return torch.ones_like(x)

    def curvature(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)
