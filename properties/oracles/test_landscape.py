"""Least values of the linear VAE against its likelihood, automatic differentiation and descent."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elbound.impl import full_linear_vae
from elbound.impl.data import load
from elbound.impl.full_linear_vae import Parameters
from elbound.impl.landscape import Descent, Optimum, certified, learned_infimum, learned_optimum
from elbound.impl.linear_vae import LinearVAE, Weights

EXAMPLES = settings(deadline=None, derandomize=True, database=None, max_examples=30)
EPS = 2.0**-53


def problem_from(seed: int) -> LinearVAE:
    rng = np.random.default_rng(seed)
    name = ["digits", "spiked", "two-valued", "near-degenerate"][seed % 4]
    data = torch.tensor(load(name, 30, 1 + seed % 5, seed), dtype=torch.float64)
    variance = torch.tensor(np.exp(rng.normal(size=1 + seed % 3)))
    return LinearVAE(data, float(np.exp(rng.uniform(-2, 1))), float(rng.uniform(0.1, 3.0)), variance)


problems = st.integers(0, 2**16).map(problem_from)


def scale(optimum: Optimum) -> float:
    """Size of the terms that cancel in the gradient, and the number of operations on each in units of rounding."""
    problem, (encoder, decoder) = optimum.problem, optimum.weights
    length = 1 + float(encoder.norm() + decoder.norm())
    largest = max(problem.largest_moment, float(problem.posterior_variance.max()), 1.0)
    return length**3 * largest * (1 / problem.noise_variance + problem.beta + 1)


@EXAMPLES
@given(problem=problems)
def test_both_minimisers_attain_their_infimum_with_zero_gradient(problem: LinearVAE) -> None:
    learned = learned_optimum(problem)
    fixed = Optimum(problem, problem.minimiser())
    # Sums of at most a hundred terms of the objective's size; the gradient cancels terms of size `scale`.
    assert learned.value == pytest.approx(learned_infimum(problem), rel=1e-12, abs=1e-12)
    assert fixed.value == pytest.approx(problem.infimum(), rel=1e-12, abs=1e-12)
    assert learned.gradient_norm() <= 1e-12 * scale(learned)
    weights = problem.gradient(fixed.weights)
    assert math.hypot(float(weights.encoder.norm()), float(weights.decoder.norm())) <= 1e-12 * scale(fixed)


@EXAMPLES
@given(problem=problems)
def test_the_gradient_norm_is_the_one_of_automatic_differentiation(problem: LinearVAE) -> None:
    rng = np.random.default_rng(problem.data_count)
    shape = problem.latent_dim, problem.data_dim
    encoder, decoder = (torch.tensor(rng.normal(size=size), requires_grad=True) for size in (shape, shape[::-1]))
    log_variance = problem.posterior_variance.log().requires_grad_()
    rest = full_linear_vae.at_weights(problem, encoder, decoder)
    value = full_linear_vae.objective(problem, rest._replace(log_variance=log_variance))
    expected = torch.cat([x.flatten() for x in torch.autograd.grad(value, [encoder, decoder, log_variance])]).norm()
    here = Optimum(problem, Weights(encoder.detach()[..., None], decoder.detach()[..., None]))
    assert here.gradient_norm() == pytest.approx(float(expected), rel=1e-11)
    assert here.value == pytest.approx(float(value.detach()), rel=1e-12, abs=1e-12)


@EXAMPLES
@given(problem=problems)
def test_at_beta_one_the_learned_infimum_is_the_best_probabilistic_pca(problem: LinearVAE) -> None:
    """The ELBO is tight there: the value is the negative log-likelihood of N(0, V V^T + sigma_x2 I)."""
    problem = replace(problem, beta=1.0)
    decoder = learned_optimum(problem).weights.decoder[..., 0]
    covariance = decoder @ decoder.T + problem.noise_variance * torch.eye(problem.data_dim, dtype=torch.float64)
    surprise = torch.logdet(2 * math.pi * covariance) + torch.linalg.solve(covariance, problem.second_moment).trace()
    assert learned_infimum(problem) == pytest.approx(float(surprise) / 2, rel=1e-11, abs=1e-11)


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_no_descent_goes_below_the_infimum_and_the_best_comes_close(seed: int, learned: bool) -> None:
    problem = problem_from(seed)
    rng = np.random.default_rng(seed)
    size = 2 * problem.latent_dim * problem.data_dim + learned * problem.latent_dim
    found = Descent(problem, learned).least([rng.normal(size=size) for _ in range(3)])
    least = learned_infimum(problem) if learned else problem.infimum()
    assert found.value >= least - 1e-12 * (1 + abs(least))
    assert found.value <= least + 1e-6 * (1 + abs(least))


@pytest.mark.parametrize("learned", [False, True])
@EXAMPLES
@given(problem=problems, seed=st.integers(0, 2**16))
def test_the_descents_value_and_gradient_are_those_of_the_definition(
    learned: bool, problem: LinearVAE, seed: int
) -> None:
    size = 2 * problem.latent_dim * problem.data_dim + learned * problem.latent_dim
    descent, point = Descent(problem, learned), np.random.default_rng(seed).normal(size=size)
    value, slope = descent(point)
    flat = torch.tensor(point, requires_grad=True)
    k, d = problem.latent_dim, problem.data_dim
    log_variance = flat[2 * k * d :] if learned else problem.posterior_variance.log()
    zeros = torch.zeros(k + d, dtype=torch.float64)
    at = Parameters(
        flat[: k * d].reshape(k, d), flat[k * d : 2 * k * d].reshape(d, k), zeros[:k], zeros[k:], log_variance
    )
    expected = full_linear_vae.objective(problem, at)
    (gradient,) = torch.autograd.grad(expected, flat)
    assert value == pytest.approx(float(expected.detach()), rel=1e-11, abs=1e-11)
    assert np.abs(slope - gradient.numpy()).max() <= 1e-11 * (1 + float(gradient.abs().max()))
    assert descent.at(point).value == pytest.approx(value, rel=1e-11, abs=1e-11)


def test_a_threshold_without_beta_leaves_a_gradient() -> None:
    problem = problem_from(1)
    problem = replace(problem, noise_variance=0.5, beta=0.2)
    as_if = learned_optimum(replace(problem, beta=1.0))
    assert Optimum(replace(as_if.problem, beta=0.2), as_if.weights).gradient_norm() > 1e-3


def test_without_a_kl_term_there_is_no_minimiser_with_learned_variances() -> None:
    problem = replace(problem_from(3), beta=0.0)
    calls: list[Callable[[LinearVAE], object]] = [learned_optimum, learned_infimum]
    for call in calls:
        with pytest.raises(ValueError, match="beta is 0; allowed: positive"):
            call(problem)


def found_by_descent(problem: LinearVAE, seed: int) -> Optimum:
    rng = np.random.default_rng(seed)
    size = 2 * problem.latent_dim * problem.data_dim
    return Descent(problem, learned=False).least([rng.normal(size=size) for _ in range(3)])


@EXAMPLES
@given(problem=problems)
def test_the_certified_distance_reaches_the_closed_minimiser(problem: LinearVAE) -> None:
    """Singular values of the decoder move by no more than the decoder: those of the closed form lie within."""
    found = certified(found_by_descent(problem, 3))
    sizes = torch.linalg.svdvals(found.optimum.weights.decoder[..., 0])
    exact = torch.linalg.svdvals(problem.minimiser().decoder[..., 0])
    # The closed gain is a difference of two numbers of at most this size, and the singular value its root.
    size = 2 * problem.beta * problem.noise_variance + float(exact.max()) ** 2
    used = exact[exact > 0]
    closed = 8 * EPS * size / float(used.min()) if len(used) else 0.0
    assert float((sizes - exact).abs().max()) <= found.distance + 64 * EPS * float(sizes.max()) + closed


def test_a_generic_optimum_is_certified_and_a_saddle_or_the_midst_of_a_descent_is_not() -> None:
    problem = LinearVAE(
        torch.tensor(load("spiked", 30, 4, 1), dtype=torch.float64), 0.3, 0.8, torch.tensor([0.7, 0.2]).double()
    )
    assert certified(found_by_descent(problem, 0)).distance < 1e-9
    origin = Weights(torch.zeros(2, 4, 1, dtype=torch.float64), torch.zeros(4, 2, 1, dtype=torch.float64))
    assert certified(Optimum(problem, origin)).distance == math.inf


@pytest.mark.parametrize("variance", [[0.5, 0.5], [0.5, 0.5, 0.5]], ids=["two alike", "three alike"])
def test_latents_that_can_be_rotated_into_one_another_are_certified(variance: list[float]) -> None:
    problem = LinearVAE(
        torch.tensor(load("spiked", 30, 4, 1), dtype=torch.float64), 0.3, 0.8, torch.tensor(variance).double()
    )
    assert certified(found_by_descent(problem, 1)).distance < 1e-9


def test_data_of_lower_rank_and_equal_moments_are_certified() -> None:
    axes = torch.tensor([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1.0, 0.0]]).double()
    problem = LinearVAE(axes, 0.1, 0.5, torch.tensor([0.9, 0.4]).double())
    found = certified(found_by_descent(problem, 2))
    assert found.distance < 1e-9
    exact = (problem.beta * 0.5 * 0.1 / torch.tensor([0.4, 0.9]).double()).sqrt() - problem.beta * 0.1
    sizes = torch.linalg.svdvals(found.optimum.weights.decoder[..., 0])
    assert float((sizes.square() - exact).abs().max()) <= 1e-9
