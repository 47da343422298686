"""The negative ELBO of Gaussian weights, against quadrature over the weights' noise and torch's KL divergence."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from elbound.impl.gaussian_weights import GaussianWeights
from elbound.impl.kernels import ERF, RELU, Activation
from elbound.impl.output_variance import output_variance, variance_slope
from elbound.impl.wide_training import random_start
from elbound.properties.experiments.gaussian_weights import fit_pull

EPS = torch.finfo(torch.float64).eps
ACTIVATIONS = pytest.mark.parametrize("activation", [RELU, ERF], ids=lambda x: x.name)
NORM, S_W = 1.5, 0.6
DIRECTIONS = torch.tensor([[0.5, -1.0, 0.2], [1.5, 0.3, -0.7], [-0.4, 0.8, 1.1]], dtype=torch.float64)
X = NORM * DIRECTIONS / DIRECTIONS.norm(dim=1, keepdim=True)
Y = torch.tensor([[1.0, -0.5], [0.3, 0.8], [-1.2, 0.4]], dtype=torch.float64)


def model(activation: Activation, width: int = 6) -> GaussianWeights:
    network, W = random_start((2, width, 3), S_W * NORM, activation, seed=3)
    return GaussianWeights(network, X, Y, W, beta=0.7, sigma_x2=0.4, s_w=S_W)


def defined(problem: GaussianWeights, W: Tensor) -> Tensor:
    """-ELBO with weights w + s_w e: a preactivation is N(w.x, s_w^2 |x|^2), integrated by the trapezoid rule."""
    e = torch.linspace(-9, 9, 6_001, dtype=torch.float64)
    density = float(e[1] - e[0]) * torch.exp(-(e**2) / 2) / math.sqrt(2 * math.pi)
    u = (X @ W.T)[..., None] + S_W * X.norm(dim=1)[:, None, None] * e
    values = problem.network.activation.value(u)
    mean, square = values @ density, values**2 @ density
    A = problem.network.signs / math.sqrt(len(W))
    misfit = (mean @ A.T - Y).square().sum() + ((square - mean**2) @ A.square().T).sum()
    prior = Normal(problem.start, torch.full_like(problem.start, S_W))
    divergence = kl_divergence(Normal(W, torch.full_like(W, S_W)), prior).sum()
    return misfit / (2 * problem.sigma_x2) + problem.beta * divergence


@ACTIVATIONS
def test_the_negative_elbo_is_its_definition(activation: Activation) -> None:
    problem = model(activation)
    W = problem.start + 0.3
    # A spacing of 3e-3 errs by its square over 8 times the slope's jump at the kink, and by e^{-2 pi / 3e-3} else.
    tolerance = 1e-5 if activation is RELU else 1e-11
    assert float(problem.negative_elbo(W)) == pytest.approx(float(defined(problem, W)), abs=tolerance)


@ACTIVATIONS
def test_training_ends_where_the_negative_elbo_is_level(activation: Activation) -> None:
    """By central differences, which know no gradient of ours."""
    problem, h = model(activation), 1e-5
    ways = [torch.eye(18, dtype=torch.float64)[k].view(6, 3) for k in range(18)]

    def steepness(W: Tensor) -> float:
        rises = [
            float(problem.negative_elbo(W + h * way) - problem.negative_elbo(W - h * way)) / (2 * h) for way in ways
        ]
        return max(map(abs, rises))

    # h^2 times third derivatives below 10, and 64 roundings of a value below 10 over h.
    tolerance = 10 * h**2 + 64 * 10 * EPS / h
    assert steepness(problem.trained().weights) <= tolerance
    assert steepness(problem.start) > 1e3 * tolerance


@ACTIVATIONS
def test_training_reports_the_gradient_that_it_left(activation: Activation) -> None:
    problem = model(activation)
    end = problem.trained()
    free = end.weights.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(problem.sigma_x2 * problem.negative_elbo(free), free)
    # Sums of at most 18 terms below 10, a few roundings each.
    assert end.gradient_norm == pytest.approx(float(gradient.norm()), abs=18 * 64 * EPS)
    assert end.gradient_norm <= 1e-11


@ACTIVATIONS
def test_the_automatic_gradient_of_the_outputs_variance_is_its_closed_form(activation: Activation) -> None:
    """The one differentiates Owen's T or a difference of moments, the other is a covariance."""
    u = torch.linspace(-4, 4, 81, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(output_variance(u, 0.7, activation).sum(), u)
    # Differences of moments below 20, a few roundings each.
    assert torch.allclose(slope, variance_slope(u.detach(), 0.7, activation), rtol=0, atol=20 * 16 * EPS)
    assert float(slope.abs().max()) > 0.1


@ACTIVATIONS
def test_the_pull_of_the_data_by_quadrature_is_that_of_the_closed_forms(activation: Activation) -> None:
    problem = model(activation)
    W = problem.start + 0.3
    closed = problem.network.pull(W, X, problem.ridged.residual(W)) - problem.variance_gradient(W)
    # As the experiment says of its nodes: roundings of sums of 256 terms.
    assert fit_pull(problem, W) == pytest.approx(float(closed.norm()), abs=256 * 16 * EPS)


def test_the_ridge_is_beta_times_the_observation_variance_over_the_weights_variance() -> None:
    assert model(ERF).ridged.ridge == pytest.approx(0.7 * 0.4 / 0.6**2, rel=4 * EPS)


@pytest.mark.parametrize(("change", "message"), [({"beta": 0.0}, "must exceed 0"), ({"s_w": 0.5}, "times the norm")])
def test_bad_input_is_refused_in_one_line(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GaussianWeights(**{**vars(model(RELU)), **change})


def test_inputs_of_two_norms_are_refused() -> None:
    problem = model(RELU)
    scaled = X * torch.from_numpy(np.array([[1.0], [1.0], [1.1]]))
    with pytest.raises(ValueError, match="times the norm"):
        GaussianWeights(**{**vars(problem), "X": scaled})
