"""Gaussian weights and whitened inputs against quadrature, automatic differentiation and the written KL divergence."""

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from elbound.impl.kernels import ERF, RELU, Activation
from elbound.impl.trained_variances import GaussianNetwork, RidgeCoordinates, hessian_bound, log_ratio, smoothed
from elbound.impl.wide_training import Training, random_start, stationary_point, whitened
from elbound.properties.experiment import Context, Exact
from elbound.properties.experiments.trained_variances import TRAINED_VARIANCES
from elbound.properties.experiments.wide_amortised import AMORTISED
from elbound.theory import symbols

EPS = torch.finfo(torch.float64).eps
BOTH = pytest.mark.parametrize("activation", [RELU, ERF], ids=lambda x: x.name)
X = torch.tensor([[0.5, -1.0, 0.2], [1.5, 0.3, -0.7], [-0.4, 0.8, 1.1], [0.1, 0.2, -0.9]], dtype=torch.float64)
Y = torch.tensor([[1.0, -0.5], [0.3, 0.8], [-1.2, 0.4], [0.6, -0.1]], dtype=torch.float64)
S = 0.7


def network(activation: Activation, width: int = 6) -> tuple[GaussianNetwork, Tensor]:
    """With standard deviations that differ between weights, by 0.3 to 0.9 in their logarithm from S, both ways."""
    wide, means = random_start((2, width, 3), S, activation, seed=4)
    away = torch.linspace(0.3, 0.9, means.numel(), dtype=means.dtype) * (-1) ** torch.arange(means.numel())
    deviations = S * torch.exp(away).view_as(means)
    return GaussianNetwork(wide.signs, activation), torch.cat((means, deviations), dim=1)


@BOTH
def test_the_output_is_the_average_over_the_weights(activation: Activation) -> None:
    """By the trapezoid rule on +-9 deviations of w . x, which is Gaussian."""
    net, W = network(activation)
    nodes = torch.linspace(-9, 9, 20_001, dtype=torch.float64)
    density = float(nodes[1] - nodes[0]) * torch.exp(-(nodes**2) / 2) / math.sqrt(2 * math.pi)
    covariance = torch.stack([torch.diag(row**2) for row in W[:, 3:]])
    spread = torch.einsum("np,mpq,nq->nm", X, covariance, X).sqrt()
    values = activation.value((X @ W[:, :3].T)[..., None] + spread[..., None] * nodes) @ density
    expected = values @ net.signs.T / math.sqrt(len(W))
    # Spacing h = 9e-4 errs by h^2 spread / 8 at the kink; on analytic integrands by e^{-2 pi / h} and e^{-40} in tails.
    tolerance = 1e-6 if activation is RELU else 1e-12
    assert torch.allclose(net.output(W, X), expected, rtol=0, atol=tolerance)


@BOTH
def test_the_jacobian_in_means_and_deviations_agrees_with_automatic_differentiation(activation: Activation) -> None:
    net, W = network(activation)
    dense: Tensor = torch.func.jacrev(lambda w: net.output(w, X).flatten())(W)
    # A few dozen roundings of numbers below 10.
    assert torch.allclose(net.jacobian(W, X), dense, rtol=0, atol=64 * 10 * EPS)


@BOTH
def test_the_hessian_of_one_neuron_keeps_its_bound(activation: Activation) -> None:
    net = GaussianNetwork(torch.ones(1, 1, dtype=torch.float64), activation)

    def summed(W: Tensor, X: Tensor) -> Tensor:
        return net.output(W, X).sum()

    reached = 0.0
    for x in (*X, torch.tensor([1.3, 0.0, 0.0], dtype=torch.float64)):
        bound = float(hessian_bound(activation, x[None], S))
        for shift in torch.linspace(-2.5, 2.5, 21).tolist():
            W = torch.cat((shift * S * x / x.norm(), torch.full((3,), S, dtype=x.dtype)))[None]
            curved = torch.func.jacrev(torch.func.jacrev(partial(summed, X=x[None])))(W)
            hessian: Tensor = curved.reshape(6, 6)
            norm = float(torch.linalg.matrix_norm(hessian, 2))
            assert norm <= bound * (1 + 64 * EPS)
            reached = max(reached, norm / bound)
    # ReLU attains it one deviation from zero along an axis, which is on the grid; for erf it is an average's bound.
    assert reached >= (1 - 1e-12 if activation is RELU else 0.25)


def test_the_logarithm_of_the_ratio_solves_its_equation_far_from_and_close_to_the_prior() -> None:
    x = torch.tensor([-30.0, -3.0, -0.3, -1e-3, -1e-8, 0.0, 1e-8, 1e-3, 0.3, 3.0, 30.0], dtype=torch.float64)
    # e^{2x} - 1 - 2x from its series where it would cancel; three terms leave 2 x^3 / 5 of it.
    near = 2 * x**2 * (1 + 2 * x / 3 + x**2 / 3)
    y = torch.sign(x) * torch.where(x.abs() <= 1e-3, near, torch.expm1(2 * x) - 2 * x).sqrt()
    allowed = torch.where(x.abs() <= 1e-3, x.abs() ** 4, 0.0) + 64 * EPS * (1 + x.abs())
    assert bool(((log_ratio(y) - x).abs() <= allowed).all())


@BOTH
def test_in_ridge_coordinates_the_ridge_is_the_kl_divergence_and_the_jacobian_follows(activation: Activation) -> None:
    net, W = network(activation)
    coordinates, (means, deviations) = RidgeCoordinates(net, S), W.tensor_split(2, dim=1)

    def rho(sigma: Tensor) -> Tensor:
        return torch.sign(sigma - S) * (sigma**2 - S**2 - S**2 * torch.log(sigma**2 / S**2)).sqrt()

    at = torch.cat((means, rho(deviations)), dim=1)
    # A few roundings, times 10 where rho^2 > 0.1 s^2 is a difference.
    assert torch.allclose(coordinates.natural(at), W, rtol=0, atol=256 * EPS)
    divergence = kl_divergence(Normal(means, deviations), Normal(means, torch.full_like(means, S)))
    assert torch.allclose(at[:, 3:] ** 2 / (2 * S**2), divergence, rtol=0, atol=64 * EPS)
    free = deviations.clone().requires_grad_()
    (steep,) = torch.autograd.grad(rho(free).sum(), free)
    J = net.jacobian(W, X) / torch.cat((torch.ones_like(steep), steep), dim=1)
    assert torch.allclose(coordinates.pull(at, X, Y), torch.tensordot(Y.flatten(), J, 1), rtol=0, atol=1024 * EPS)
    assert torch.allclose(coordinates.push(at, X, at).flatten(), torch.tensordot(J, at, 2), rtol=0, atol=1024 * EPS)
    assert torch.allclose(coordinates.tangent(at, X), J.flatten(1) @ J.flatten(1).T, rtol=0, atol=4096 * EPS)


@BOTH
def test_at_the_prior_the_tangent_kernel_counts_the_deviations_by_half(activation: Activation) -> None:
    net, W = network(activation)
    means = W[:, :3]
    mean, deviation = net.jacobian(torch.cat((means, torch.full_like(means, S)), dim=1), X).tensor_split(2, dim=2)
    half = mean.flatten(1) @ mean.flatten(1).T + deviation.flatten(1) @ deviation.flatten(1).T / 2
    found = RidgeCoordinates(net, S).tangent(torch.cat((means, 0 * means), dim=1), X)
    assert torch.allclose(found, half, rtol=0, atol=1024 * EPS)
    assert float(deviation.abs().max()) > 0.01


@BOTH
def test_a_zero_input_has_output_phi_of_zero_and_no_slope(activation: Activation) -> None:
    net, W = network(activation)
    zero = torch.zeros(1, 3, dtype=torch.float64)
    assert float(net.output(W, zero).abs().max()) <= 1e-140
    assert torch.equal(net.jacobian(W, zero), torch.zeros(2, 6, 6, dtype=torch.float64))


def test_at_width_4096_half_the_deviations_kernel_is_right_and_the_full_sum_is_not() -> None:
    measured = TRAINED_VARIANCES.measure(TRAINED_VARIANCES.instances["width 4096"], Context())
    assert isinstance(measured, Exact)
    assert float(measured.values[symbols.krr_distance].high) <= 1e-3
    for wrong in (symbols.krr_sum, symbols.krr_means):
        assert float(measured.values[wrong].low) >= 1e-2


@pytest.mark.parametrize(
    "inputs", [X, X[:2], torch.cat((X[:1], X[:1], -X[:1], 0 * X[:1], 2 * X[1:2]))], ids=["tall", "wide", "degenerate"]
)
def test_whitened_inputs_have_the_hat_matrix_as_inner_products(inputs: Tensor) -> None:
    white = whitened(inputs)
    hat = inputs @ torch.linalg.pinv(inputs)
    # Condition numbers below 100.
    assert torch.allclose(white.inputs @ white.inputs.T, hat, rtol=0, atol=100 * 64 * EPS)
    assert torch.allclose(white.inputs @ white.map.T, inputs, rtol=0, atol=64 * EPS)
    assert white.inputs.shape[1] == int(torch.linalg.matrix_rank(inputs))


@BOTH
@pytest.mark.parametrize("count", [2, 4])
def test_training_on_whitened_inputs_rests_where_the_function_space_gradient_vanishes(
    activation: Activation, count: int
) -> None:
    inputs, ridge = X[:count], 0.4
    net, W = random_start((2, 8, 3), S, activation, seed=5)
    white = whitened(inputs)
    end = stationary_point(Training(net, white.inputs, Y[:count], W @ white.map, ridge))
    free = (W + (end.weights - W @ white.map) @ torch.linalg.pinv(white.map)).requires_grad_()
    squares = (Y[:count] - net.output(free, inputs)).square().sum()
    (gradient,) = torch.autograd.grad((squares + ridge * ((free - W) @ inputs.T).square().sum()) / 2, free)
    assert float(gradient.norm()) <= (1e-12 + 64 * 24 * EPS) * 10 * float(inputs.norm())


def test_at_width_4096_the_plain_kernel_is_not_the_amortised_encoders() -> None:
    for name in ("width 4096", "width 4096, independent inputs"):
        measured = AMORTISED.measure(AMORTISED.instances[name], Context())
        assert isinstance(measured, Exact)
        assert float(measured.values[symbols.krr_distance].high) <= 1e-3
        assert float(measured.values[symbols.krr_plain].low) >= 0.1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RidgeCoordinates(network(ERF)[0], 0.0), "s = 0.0 must be finite and exceed 0"),
        (lambda: RidgeCoordinates(network(ERF)[0], math.inf), "s = inf must be finite"),
        (lambda: hessian_bound(RELU, X, 0.0), "s = 0.0 must be finite and exceed 0"),
        (lambda: network(ERF)[0].output(torch.ones(6, 5, dtype=torch.float64), X), r"must be \[m, 2p\]"),
        (lambda: smoothed(replace(ERF, name="other"), X, X), "known are relu, erf"),
        (lambda: whitened(torch.zeros(3, 2, dtype=torch.float64)), "one must exceed 0"),
        (lambda: whitened(torch.tensor([[1.0, math.nan]], dtype=torch.float64)), "must be finite"),
    ],
)
def test_bad_input_is_refused_in_one_line(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        call()
