"""Noisy training: variances and their slopes against quadrature, gradients against autograd, flow against itself."""

from math import pi, sqrt

import pytest
import torch
from scipy.integrate import quad

from elbound.impl.kernels import ERF, RELU, Activation
from elbound.impl.noise_protocols import NoisyTraining, flow, output_variance, predicted, variance_slope
from elbound.properties.experiments.noise_floor import expected_loss, noise_rule

ACTIVATIONS = pytest.mark.parametrize("activation", [RELU, ERF], ids=lambda a: a.name)
POINTS = torch.tensor([-3.0, -0.4, 0.0, 0.7, 2.5], dtype=torch.float64)


def problem(activation: Activation, s: float = 0.8) -> tuple[NoisyTraining, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    X, y, W = (torch.randn(shape, dtype=torch.float64, generator=generator) for shape in ((3, 2), (3, 2), (2, 2)))
    return NoisyTraining(X, y, torch.tensor([[1.0, -1.0], [1.0, 1.0]], dtype=torch.float64), s, activation), W


@ACTIVATIONS
@pytest.mark.parametrize("s", [0.3, 1.5])
def test_the_variance_over_the_noise_is_its_integral(activation: Activation, s: float) -> None:
    found = output_variance(POINTS, s, activation)
    for u, value in zip(POINTS.tolist(), found.tolist(), strict=True):

        def moment(power: int, u: float = u) -> float:
            def integrand(e: float) -> float:
                phi = activation.value(torch.tensor(u + s * e, dtype=torch.float64)).item()
                return phi**power * torch.exp(torch.tensor(-e * e / 2, dtype=torch.float64)).item() / sqrt(2 * pi)

            return float(quad(integrand, -12, 12, points=[-u / s], epsabs=1e-12, limit=200)[0])

        # Two adaptive integrals to 1e-12 and their difference of squares below 20.
        assert abs(value - (moment(2) - moment(1) ** 2)) <= 1e-10


@ACTIVATIONS
@pytest.mark.parametrize("s", [0.3, 1.5])
def test_the_variances_slope_is_its_difference_quotient(activation: Activation, s: float) -> None:
    h = 1e-4
    quotient = (output_variance(POINTS + h, s, activation) - output_variance(POINTS - h, s, activation)) / (2 * h)
    # Third derivatives below 40 s^-2 here times h^2 / 6, and 1e-14 / h.
    assert (variance_slope(POINTS, s, activation) - quotient).abs().max() <= 1e-6
    assert (2 * variance_slope(POINTS, s, activation) - quotient).abs().max() > 1e-2


@ACTIVATIONS
def test_the_expected_loss_is_its_two_parts_and_its_gradient_is_theirs(activation: Activation) -> None:
    training, W = problem(activation)
    whole = expected_loss(training, W)
    assert abs(whole - float(training.bias(W) + training.variance(W))) <= 1e-10 * whole
    assert abs(whole - float(training.bias(W))) > 1e-2
    gradient, h = training.expected_gradient(W), 1e-4
    for place in ((0, 0), (1, 1)):
        moved = W.clone(), W.clone()
        moved[0][place] += h
        moved[1][place] -= h
        quotient = (expected_loss(training, moved[0]) - expected_loss(training, moved[1])) / (2 * h)
        # Central differences: h^2 times third derivatives of order ten, and 1e-12 / h from the quadrature.
        assert abs(float(gradient[place]) - quotient) <= 1e-6


@ACTIVATIONS
@pytest.mark.parametrize("rows", [1, 3])
def test_the_gradient_at_given_noise_is_autograds(activation: Activation, rows: int) -> None:
    training, W = problem(activation)
    noise = torch.linspace(-1, 1, 2 * rows, dtype=torch.float64).view(rows, 2)
    leaf = W.clone().requires_grad_()
    ((training.sampled(leaf, noise) - training.y).square().sum() / 2).backward()
    assert leaf.grad is not None
    assert (training.sampled_gradient(W, noise) - leaf.grad).abs().max() <= 1e-12  # sums of a few products below 10


def test_the_flow_of_a_quadratic_is_exponential_to_fourth_order() -> None:
    start = torch.tensor([[1.0], [-2.0]], dtype=torch.float64)
    rates = torch.tensor([[0.5], [2.0]], dtype=torch.float64)
    exact = torch.exp(-3 * rates) * start
    errors = [float((flow(lambda W: rates * W, start, 3.0, step) - exact).norm()) for step in (0.1, 0.05)]
    # h^5 / 120 a step; halving the step divides the error by 16, give or take the next order.
    assert errors[0] <= 3 / 0.1 * (2 * 0.1) ** 5 / 120
    assert 14 <= errors[0] / errors[1] <= 20
    kernel = torch.diag(rates[:, 0])
    assert (predicted(kernel, start, torch.zeros_like(start), 3.0) - exact).norm() <= 1e-14
    with pytest.raises(ValueError, match="must be at least 0"):
        flow(lambda W: W, start, -1.0, 0.1)


@pytest.mark.parametrize("kink", [-20.0, 0.3, 5.0])
def test_the_noise_rule_integrates_moments_on_both_sides_of_its_kink(kink: float) -> None:
    nodes, weights = noise_rule(kink)
    for power, moment in ((0, 1.0), (2, 1.0), (4, 3.0), (8, 105.0)):
        assert float(weights @ nodes**power) == pytest.approx(moment, rel=1e-12)
    inside = min(max(kink, -12.0), 12.0)
    mass = float(weights[nodes > inside].sum())
    assert mass == pytest.approx(float(torch.special.ndtr(torch.tensor(-inside, dtype=torch.float64))), abs=1e-13)


@pytest.mark.usefixtures("no_shape_checks")
def test_activations_without_a_known_variance_are_refused() -> None:
    other = Activation("tanh", *([torch.tanh] * 4), *([None] * 4))  # type: ignore[arg-type]
    for function in (output_variance, variance_slope):
        with pytest.raises(ValueError, match="tanh"):
            function(POINTS, 1.0, other)
    assert output_variance(POINTS, 0.0, ERF).abs().max() == 0
