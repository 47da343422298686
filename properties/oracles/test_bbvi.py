"""Gaussian variational inference: enumerated objective, gradients and bounds against automatic differentiation."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from elbound.impl.bbvi import GaussianInference, full_rank, noise_split, run_inference
from elbound.impl.noise import GAUSSIAN, THREE_POINT, Stream
from elbound.impl.soft_clipping import SoftClip
from elbound.impl.trajectories import Draw, Sgd, draw

EPS = 2.0**-53
REPLICATES = 3


def problem(seed: int, size: int = 2, *, below: bool = True) -> GaussianInference:
    draws = torch.Generator().manual_seed(seed)
    inputs = torch.randn(4, size, generator=draws, dtype=torch.float64)
    labels = torch.randn(4, 2, generator=draws, dtype=torch.float64) * 1.5
    entries = full_rank(size) if below else ()
    return GaussianInference(inputs, labels, 0.6, 0.4, SoftClip(-1.0, 1.5, 3.0), SoftClip(-0.7, 0.7, 2.0), entries)


def points(inference: GaussianInference, seed: int, count: int = REPLICATES) -> Tensor:
    draws = torch.Generator().manual_seed(50 + seed)
    return torch.randn(inference.parameter_count, count, generator=draws, dtype=torch.float64) * 1.5


def factor(inference: GaussianInference, theta: Tensor) -> Tensor:
    """S of one replicate, entry by entry."""
    size = inference.latent_dim
    matrix = torch.diag(torch.exp(inference.log_scale.value(theta[size : 2 * size])))
    for value, (row, column) in zip(theta[2 * size :], inference.below, strict=True):
        place = torch.zeros(size, size, dtype=theta.dtype)
        place[row, column] = 1.0
        matrix = matrix + value * place
    return matrix


def sampled(inference: GaussianInference, theta: Tensor, noise: Tensor, place: int, label: int) -> Tensor:
    """The loss of one label at one noise vector."""
    z = theta[: inference.latent_dim] + factor(inference, theta) @ noise
    fitted = inference.predictor.value(inference.inputs[place] @ z)
    return (inference.labels[place, label] - fitted).square() / (2 * inference.noise_variance)


def divergence(inference: GaussianInference, theta: Tensor) -> Tensor:
    """Between multivariate normals, by torch."""
    size = inference.latent_dim
    q = torch.distributions.MultivariateNormal(theta[:size], scale_tril=factor(inference, theta))
    identity = torch.eye(size, dtype=theta.dtype)
    prior = torch.distributions.MultivariateNormal(torch.zeros(size, dtype=theta.dtype), scale_tril=identity)
    return torch.distributions.kl_divergence(q, prior)


def objective(inference: GaussianInference, theta: Tensor) -> Tensor:
    """F of one replicate, outcome by outcome."""
    total = inference.beta * divergence(inference, theta)
    pairs = list(zip(THREE_POINT.support, THREE_POINT.weights, strict=True))
    for outcome in itertools.product(pairs, repeat=inference.latent_dim):
        noise = torch.tensor([value for value, _ in outcome], dtype=theta.dtype)
        chance = math.prod(weight for _, weight in outcome) / inference.labels.numel()
        for place, label in itertools.product(*map(range, inference.labels.shape)):
            total = total + chance * sampled(inference, theta, noise, place, label)
    return total


CASES = [(0, 1, True), (1, 2, True), (2, 2, False), (3, 3, True)]


@pytest.mark.parametrize(("seed", "size", "below"), CASES)
def test_objective_and_gradient_are_those_of_the_outcomes_one_by_one(seed: int, size: int, below: bool) -> None:
    inference = problem(seed, size, below=below)
    theta = points(inference, seed)
    values, slopes = inference.objective(theta), inference.gradient(theta)
    for r in range(REPLICATES):
        single = theta[:, r].clone().requires_grad_()
        expected = objective(inference, single)
        (slope,) = torch.autograd.grad(expected, single)
        expected = expected.detach()
        # At most 27 * 8 outcomes of about fifty operations, every term below the largest loss and its slope.
        scale = 256 * EPS * (1 + float(expected))
        assert abs(float(values[r] - expected)) <= scale
        assert float((slopes[:, r] - slope).abs().max()) <= 16 * scale


@pytest.mark.parametrize(("seed", "size", "below"), CASES)
def test_an_outcome_is_the_derivative_of_its_loss(seed: int, size: int, below: bool) -> None:
    inference = problem(seed, size, below=below)
    theta = points(inference, seed, 1)
    table = inference.outcomes(theta)[..., 0]
    for place, label in ((0, 0), (2, 1), (3, 0)):
        for number in (0, len(inference.noise) // 2, len(inference.noise) - 1):
            single = theta[:, 0].clone().requires_grad_()
            (slope,) = torch.autograd.grad(
                sampled(inference, single, inference.noise[number], place, label), single, allow_unused=True
            )
            found = table[place * inference.labels.shape[1] + label, number]
            assert float((found - slope).abs().max()) <= 256 * EPS * (1 + float(slope.abs().max()))


@pytest.mark.parametrize(
    ("low", "high", "share"),
    [(-3.0, -1.0, 0.9), (-4.0, -0.5, 0.9), (-0.5, 2.0, 0.7), (0.5, 1.0, 0.7), (-1.0, 1.0, 0.7)],
)
def test_the_smoothness_bound_holds_on_any_range_of_log_scales_and_is_met(
    low: float, high: float, share: float
) -> None:
    """All but no data, sharp ends: the divergence alone bends, and of its two terms one has a sign above scale one.

    There they are largest at different places, so less of their sum is met.
    """
    inputs, labels = torch.full((2, 1), 1e-6, dtype=torch.float64), torch.zeros(2, 1, dtype=torch.float64)
    inference = GaussianInference(inputs, labels, 1.0, 1.0, SoftClip(-1.0, 1.0, 1.0), SoftClip(low, high, 40.0))
    norms = []
    for place in torch.linspace(low - 0.2, high + 0.2, 401, dtype=torch.float64):
        theta = torch.stack((torch.zeros_like(place), place))
        matrix = torch.autograd.functional.hessian(lambda x: inference.objective(x[:, None])[0], theta)
        norms.append(float(torch.linalg.eigvalsh(matrix).abs().max()))
    assert share * inference.smoothness() <= max(norms) <= inference.smoothness()


@pytest.mark.parametrize(("seed", "size", "below"), CASES[:3])
def test_the_bounds_hold_at_random_points_and_the_smoothness_one_is_not_idle(seed: int, size: int, below: bool) -> None:
    inference = problem(seed, size, below=below)
    theta, constant = points(inference, seed, 20), inference.smoothness()
    sgd = Sgd(steps=1, step_size=0.1, batch_size=1, law=THREE_POINT)
    norms = []
    for r in range(theta.shape[1]):
        matrix = torch.autograd.functional.hessian(lambda x: inference.objective(x[:, None])[0], theta[:, r])
        norms.append(float(torch.linalg.eigvalsh(matrix).abs().max()))
    # No more than the bound, and within a factor 50 of it: the constant is crude in the misfit, not in its order.
    assert constant / 50 <= max(norms) <= constant
    reach = max(float(theta[:size].norm(dim=0).max()), float(theta[2 * size :].norm(dim=0).max())) * math.sqrt(2)
    assert float(inference.gradient(theta).norm(dim=0).max()) <= inference.gradient_bound(reach)
    between, within = noise_split(inference, inference.outcomes(theta))
    assert float((between + within).max()) <= inference.noise_bound(sgd)
    values = inference.objective(theta)
    assert inference.infimum() <= float(values.min())
    assert float(values.max()) <= inference.highest(reach)


def test_without_contrast_and_labels_out_of_range_the_infimum_is_the_distance_to_the_range() -> None:
    inputs = torch.ones(2, 1, dtype=torch.float64)
    labels = torch.tensor([[2.0, 2.0], [0.3, 0.7]], dtype=torch.float64)
    inference = GaussianInference(inputs, labels, 0.5, 1.0, SoftClip(-1.0, 1.0, 1.0), SoftClip(-0.5, 0.5, 1.0))
    # ((2 - 1)^2 + 0.2^2) / 2 inputs / (2 * 0.5)
    assert inference.infimum() == pytest.approx((1.0 + 0.04) / 2, rel=8 * EPS)


def test_the_noise_split_gives_the_variance_of_every_joint_draw() -> None:
    inference = problem(1)
    outcomes = inference.outcomes(points(inference, 1, 1))[..., 0]
    chances = (inference.chances / len(outcomes)).repeat(len(outcomes))
    single = outcomes.flatten(0, 1)
    mean = chances @ single
    between, within = noise_split(inference, outcomes[..., None])
    # One label, one noise: s1 + s2.
    whole = float(chances @ (single - mean).square().sum(1))
    assert float(between[0] + within[0]) == pytest.approx(whole, rel=512 * EPS)


@pytest.mark.parametrize("gain", [1.0, 0.25])
def test_a_run_steps_along_the_gradient_of_the_drawn_labels_and_noises(gain: float) -> None:
    inference, stream = problem(2, below=True), Stream.named("test", 1)
    start = points(inference, 2, 1)
    sgd = Sgd(steps=2, step_size=0.05, batch_size=2, importance_samples=2, law=THREE_POINT, gain=gain)
    found = run_inference(inference, start, sgd, stream, (4, REPLICATES))
    plan = Draw(THREE_POINT, 2, 2, inference.latent_dim, None, torch.float64)
    for r in range(REPLICATES):
        theta = start[:, 0].clone()
        for t, gamma in enumerate(sgd.step_sizes(), 1):
            labels, noise = draw(plan, stream.schedule(), torch.tensor([4 + r]), torch.tensor(t), torch.tensor(8))
            single = theta.clone().requires_grad_()
            loss = inference.beta * divergence(inference, single)
            for b, k in itertools.product(range(2), range(2)):
                place, label = divmod(int(labels[b, 0]), 2)
                loss = loss + sampled(inference, single, noise[b, k, :, 0], place, label) / 4
            (slope,) = torch.autograd.grad(loss, single)
            square = float(inference.gradient(theta[:, None]).square().sum())
            assert float(found.squared_gradient[t - 1, r]) == pytest.approx(square, rel=1024 * EPS)
            between, within = noise_split(inference, inference.outcomes(theta[:, None]))
            variance = gain**2 * float(between[0] / 2 + within[0] / 4)
            assert float(found.noise_variance[t - 1, r]) == pytest.approx(variance, rel=1024 * EPS)
            theta = theta - gamma * gain * slope
        assert float(found.last_value[r]) == pytest.approx(
            float(inference.objective(theta[:, None])[0]), rel=1024 * EPS
        )


def test_a_replicate_does_not_depend_on_which_others_are_run() -> None:
    inference, stream = problem(3), Stream.named("test", 2)
    start, sgd = points(inference, 3, 1), Sgd(steps=5, step_size=0.05, batch_size=1, law=THREE_POINT)
    whole = run_inference(inference, start, sgd, stream, (0, 6))
    part = run_inference(inference, start, sgd, stream, (2, 3))
    for ours, theirs in zip(part, whole, strict=True):
        # Matrix products may sum in another order: a few roundings a step, amplified by nothing as steps contract.
        assert float((ours - theirs[..., 2:5]).abs().max()) <= 4096 * EPS * (1 + float(theirs.abs().max()))


def test_bad_input_is_named() -> None:
    inputs, labels = torch.ones(2, 2, dtype=torch.float64), torch.zeros(2, 1, dtype=torch.float64)
    clip = SoftClip(-1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="beta is 0"):
        GaussianInference(inputs, labels, 1.0, 0.0, clip, clip)
    with pytest.raises(ValueError, match="noise_variance is -1"):
        GaussianInference(inputs, labels, -1.0, 1.0, clip, clip)
    with pytest.raises(ValueError, match="row > column"):
        GaussianInference(inputs, labels, 1.0, 1.0, clip, clip, ((0, 1),))
    inference = GaussianInference(inputs, labels, 1.0, 1.0, clip, clip)
    sgd = Sgd(steps=1, step_size=0.1, batch_size=1, law=GAUSSIAN)
    with pytest.raises(ValueError, match="three-point noise"):
        run_inference(inference, torch.zeros(4, 1, dtype=torch.float64), sgd, Stream.named("test"), (0, 1))
