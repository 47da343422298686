"""The importance-weighted objective with finite noise against autograd, ordered enumeration and its stated bounds."""

from collections.abc import Callable
from itertools import product
from math import log, prod

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.func import grad, jacrev

from elbound.impl.importance_finite import ClippedIWAE, FiniteIWAE
from elbound.impl.noise import GAUSSIAN, RADEMACHER, THREE_POINT, Law

EPS = 2.0**-53
quiet = settings(deadline=None, derandomize=True, database=None, max_examples=20)
DATA = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)


def hessian_of(function: Callable[[Tensor], Tensor], point: Tensor) -> Tensor:
    found: Tensor = jacrev(grad(function))(point)
    return found


def on_grid(low: float, high: float) -> st.SearchStrategy[float]:
    return st.integers(0, 2**20).map(lambda k: low + (high - low) * k / 2**20)


problems = st.builds(
    lambda s, d, samples, law: FiniteIWAE(DATA, s, d, samples, law),
    on_grid(0.2, 3),
    on_grid(0.1, 3),
    st.integers(1, 4),
    st.sampled_from([THREE_POINT, RADEMACHER]),
)
points = st.tuples(on_grid(-1.5, 1.5), on_grid(-1.5, 1.5)).map(
    lambda pair: torch.tensor([[pair[0]], [pair[1]]], dtype=torch.float64)
)


def objective(problem: FiniteIWAE, theta: Tensor) -> Tensor:
    """F_K of one pair of weights over every ordered draw, from torch's densities."""
    normal, support, law = (
        torch.distributions.Normal,
        torch.tensor(problem.law.support, dtype=torch.float64),
        problem.law,
    )
    draws = list(product(range(len(support)), repeat=problem.importance_samples))
    eps = support[torch.tensor(draws)][..., None]
    mean = theta[0] * problem.data
    z = mean + problem.encoder_variance**0.5 * eps
    logs = normal(0.0, 1.0).log_prob(z) + normal(theta[1] * z, problem.noise_variance**0.5).log_prob(problem.data)
    logs = logs - normal(mean, problem.encoder_variance**0.5).log_prob(z)
    bound = torch.logsumexp(logs, 1).mean(-1) - log(problem.importance_samples)
    chances = torch.tensor([prod(law.weights[j] for j in draw) for draw in draws], dtype=torch.float64)
    return -(chances * bound).sum()


def decomposed(problem: FiniteIWAE, theta: Tensor) -> Tensor:
    """The Hessian of F_K as the proof takes it apart: minus mean Hessian plus covariance of gradients, under w~."""
    share = torch.softmax(problem.log_weights(theta)[problem.draws], 1)[..., 0]  # [E, K, N]
    slopes = problem.log_weight_slopes(theta)[:, problem.draws][..., 0]  # [2, E, K, N]
    bends = problem.log_weight_curvatures(theta)[:, :, problem.draws][..., 0]
    centred = slopes - (share * slopes).sum(2, keepdim=True)
    whole = torch.einsum("ekn,aekn,bekn->aben", share, centred, centred) + (share * bends).sum(3)
    return -torch.einsum("e,aben->ab", problem.chances, whole) / len(problem.data)


@quiet
@given(problems, points)
def test_objective_gradient_and_hessian_are_those_of_the_enumerated_objective(
    problem: FiniteIWAE, theta: Tensor
) -> None:
    one = theta[:, 0]
    # Log-weights of size up to 500 at the far corner, Hessians of squared slopes: relative to the largest of each.
    logs = float(problem.log_weights(theta).abs().max())
    slope = float(problem.log_weight_slopes(theta).square().max()) + 1
    assert float(problem.objective(theta)[0]) == pytest.approx(
        float(objective(problem, one)), abs=64 * EPS * (1 + logs)
    )
    found = problem.mean(problem.gradients(theta))[:, 0]
    exact = grad(lambda w: objective(problem, w))(one)
    assert float((found - exact).abs().max()) <= 256 * EPS * (1 + logs) * slope
    bent = hessian_of(lambda w: objective(problem, w), one)
    curved = float(problem.log_weight_curvatures(theta).abs().max()) + slope
    for found in (problem.hessian(theta)[..., 0], decomposed(problem, theta)):
        assert float((found - bent).abs().max()) <= 256 * EPS * (1 + logs) * curved


@quiet
@given(problems, points)
def test_the_clipped_gradient_is_the_chain_rules_and_the_noise_splits(problem: FiniteIWAE, theta: Tensor) -> None:
    clipped = ClippedIWAE(problem, 1.2)
    found = problem.mean(clipped.gradients(theta))[:, 0]
    exact = grad(lambda w: clipped.objective(w[:, None])[0])(theta[:, 0])
    size = float(problem.log_weight_slopes(clipped.clip(theta)).abs().max()) + 1
    logs = float(problem.log_weights(clipped.clip(theta)).abs().max())
    assert float((found - exact).abs().max()) <= 256 * EPS * (1 + logs) * size
    assert float(clipped.clip(theta).norm()) < 1.2
    gradients = problem.gradients(theta)
    mean = problem.mean(gradients)
    whole = problem.mean((gradients - mean[:, None, None]).square()).sum()
    parts = problem.noise_parts(theta)
    assert float(parts[0] + parts[1]) == pytest.approx(float(whole), rel=1e-12, abs=1e-13)


@quiet
@given(problems, points)
def test_gradients_hessians_and_values_keep_their_stated_bounds(problem: FiniteIWAE, theta: Tensor) -> None:
    radius = float(theta.norm())
    slope, bend = problem.suprema(radius)
    slack = 1 + 1e-12
    assert float(problem.log_weight_slopes(theta).square().sum(0).max()) ** 0.5 <= slope * slack
    bends = problem.log_weight_curvatures(theta).flatten(2).permute(2, 0, 1)
    assert float(torch.linalg.matrix_norm(bends, 2).max()) <= bend * slack
    assert float(problem.objective(theta)[0]) >= problem.lowest() - 1e-12
    clipped = ClippedIWAE(problem, 1.0)
    bent = hessian_of(lambda w: clipped.objective(w[:, None])[0], theta[:, 0])
    assert float(torch.linalg.matrix_norm(bent, 2)) <= clipped.smoothness
    # The bounds are those of the ball, not of its centre: half the radius is too little at its edge.
    if abs(float(theta[1])) < 1e-2 and radius > 0.5:
        assert problem.suprema(radius / 4)[1] < bend


@quiet
@given(problems, points)
def test_a_log_weights_slopes_and_curvatures_are_its_derivatives(problem: FiniteIWAE, theta: Tensor) -> None:
    """The bounds A_1 and A_2 of a point are their largest norms."""
    at = theta[:, 0]
    first = jacrev(lambda w: problem.log_weights(w[:, None])[..., 0])(at)  # [S, N, 2]
    second = jacrev(jacrev(lambda w: problem.log_weights(w[:, None])[..., 0]))(at)
    size = 1 + float(problem.log_weights(theta).abs().max())
    slopes, bends = problem.log_weight_slopes(theta)[..., 0], problem.log_weight_curvatures(theta)[..., 0]
    assert float((slopes - first.permute(2, 0, 1)).abs().max()) <= 64 * EPS * size * (1 + float(slopes.abs().max()))
    assert float((bends - second.permute(2, 3, 0, 1)).abs().max()) <= 64 * EPS * size * (1 + float(bends.abs().max()))


@quiet
@given(problems, points)
def test_a_minibatch_gradient_is_the_mean_of_its_datas_and_the_objectives_slope_their_expectation(
    problem: FiniteIWAE, theta: Tensor
) -> None:
    indices = torch.tensor([[0, 1], [2, 2]])
    choice = torch.arange(4).reshape(2, 2) % len(problem.draws)
    noise = problem.noise[problem.draws[choice]].permute(0, 2, 1)
    found, every = problem.minibatch_gradients(theta, indices, noise), problem.gradients(theta)[..., 0]
    logs = 1 + float(problem.log_weights(theta).abs().max())
    scale = 256 * EPS * logs * (1 + float(problem.log_weight_slopes(theta).abs().max()))
    expected = (every[:, choice[0], indices[0]] + every[:, choice[1], indices[1]]) / 2
    assert float((found - expected).abs().max()) <= scale
    run = ClippedIWAE(problem, 1.2)
    assert float((run.slope(theta) - problem.mean(run.gradients(theta))).abs().max()) <= scale


def test_unordered_draws_carry_the_whole_probability() -> None:
    for law, samples, count in ((THREE_POINT, 3, 10), (RADEMACHER, 5, 6), (THREE_POINT, 1, 3)):
        problem = FiniteIWAE(DATA, 1.0, 1.0, samples, law)
        assert problem.draws.shape == (count, samples)
        assert float(problem.chances.sum()) == pytest.approx(1.0, abs=8 * EPS)


@pytest.mark.parametrize(
    ("data", "noise", "encoder", "samples", "law", "named"),
    [
        (DATA[:, None], 1.0, 1.0, 1, THREE_POINT, "data"),
        (DATA * float("inf"), 1.0, 1.0, 1, THREE_POINT, "data"),
        (DATA, 0.0, 1.0, 1, THREE_POINT, "noise_variance"),
        (DATA, 1.0, -1.0, 1, THREE_POINT, "encoder_variance"),
        (DATA, 1.0, 1.0, 0, THREE_POINT, "importance_samples is 0"),
        (DATA, 1.0, 1.0, 1, GAUSSIAN, "finite support"),
    ],
)
def test_a_bad_problem_is_refused(
    data: Tensor, noise: float, encoder: float, samples: int, law: Law, named: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=named):
        FiniteIWAE(data, noise, encoder, samples, law)
