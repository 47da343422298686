"""Noisy training: variances and their slopes against quadrature, gradients against autograd and differences."""

from dataclasses import replace
from math import pi, sqrt

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from elbound.impl.kernels import ERF, RELU, Activation
from elbound.impl.output_variance import output_variance, variance_slope, variance_steepness
from elbound.impl.wide_network import tangent_blocks
from elbound.impl.wide_training import NoisyTraining, Training, WideNetwork, WideTraining, curvature_bound
from elbound.properties.experiments.noise_floor import expected_loss, noise_rule
from elbound.properties.experiments.noise_protocols import SECOND_MOMENTS, offset_squared
from elbound.theory import symbols
from elbound.theory.claim import OutsideAssumptions
from elbound.theory.settings import ERF as IS_ERF
from elbound.theory.settings import SHARED_NOISE
from elbound.theory.tangent.protocols import SHARED

ACTIVATIONS = pytest.mark.parametrize("activation", [RELU, ERF], ids=lambda a: a.name)
POINTS = torch.tensor([-3.0, -0.4, 0.0, 0.7, 2.5], dtype=torch.float64)


def problem(activation: Activation, s: float = 0.8) -> NoisyTraining:
    generator = torch.Generator().manual_seed(3)
    X, y, W = (torch.randn(shape, dtype=torch.float64, generator=generator) for shape in ((3, 2), (3, 2), (2, 2)))
    signs = torch.tensor([[1.0, -1.0], [1.0, 1.0]], dtype=torch.float64)
    return NoisyTraining(WideNetwork(signs, s, activation), X, y, W)


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
@pytest.mark.parametrize("s", [0.3, 1.5])
def test_the_steepness_bounds_slope_and_curvature_closely(activation: Activation, s: float) -> None:
    u = torch.linspace(-7, 7, 70_001, dtype=torch.float64)
    slope = variance_slope(u, s, activation)
    curvature = (slope[2:] - slope[:-2]) / (u[2:] - u[:-2])
    for bound, values in zip(variance_steepness(s, activation), (slope, curvature), strict=True):
        # A share of 1e-4 above the maximum; this grid misses less, and its difference quotients err by 1e-8.
        assert bound * 0.9998 <= float(values.abs().max()) <= bound
    assert variance_steepness(0.0, activation) == (0.0, 0.0)


@ACTIVATIONS
def test_the_expected_loss_is_its_two_parts_and_its_gradient_is_theirs(activation: Activation) -> None:
    training = problem(activation)
    W = training.start
    whole = expected_loss(training, W)
    assert abs(whole - float(training.loss(W))) <= 1e-10 * whole
    assert abs(whole - float(training.loss(W) - training.spread(W))) > 1e-2
    gradient, h = training.gradient(W), 1e-4
    for place in ((0, 0), (1, 1)):
        moved = W.clone(), W.clone()
        moved[0][place] += h
        moved[1][place] -= h
        quotient = (expected_loss(training, moved[0]) - expected_loss(training, moved[1])) / (2 * h)
        # Central differences: h^2 times third derivatives of order ten, and 1e-12 / h from the quadrature.
        assert abs(float(gradient[place]) - quotient) <= 1e-6


@ACTIVATIONS
@pytest.mark.parametrize("rows", [1, 3])
def test_at_frozen_noise_output_gradient_and_kernel_are_autograds(activation: Activation, rows: int) -> None:
    averaged = problem(activation)
    noise = torch.linspace(-1, 1, 2 * rows, dtype=torch.float64).view(rows, 2)
    net = replace(averaged.network, frozen=noise)
    training = Training(net, averaged.X, averaged.y, averaged.start)
    leaf = averaged.start.clone().requires_grad_()
    output = activation.value(averaged.X @ leaf.T + net.s * noise) @ net.signs.T / sqrt(2)
    # Sums of a few products below 10.
    assert (training.network.output(averaged.start, averaged.X) - output).abs().max() <= 1e-12
    rows_of = [torch.autograd.grad(value, leaf, retain_graph=True)[0].flatten() for value in output.flatten()]
    jacobian = torch.stack(rows_of)
    assert (net.tangent(averaged.start, averaged.X) - jacobian @ jacobian.T).abs().max() <= 1e-12
    ((output - averaged.y).square().sum() / 2).backward()
    assert leaf.grad is not None
    assert (training.gradient(averaged.start) - leaf.grad).abs().max() <= 1e-12


@ACTIVATIONS
def test_the_blocks_of_a_replicate_are_the_networks_own_kernel(activation: Activation) -> None:
    training = problem(activation)
    net, X, W = training.network, training.X, training.start
    slopes = activation.smoothed_slope(X @ W.T, net.s)[..., None].repeat(1, 1, 2)
    found = tangent_blocks(slopes, net.signs[..., None].repeat(1, 1, 2), X)
    for replicate in (0, 1):
        assert (found[..., replicate] - net.tangent(W, X)).abs().max() <= 1e-14  # two products below 10, in one order


def test_frozen_noise_is_bent_like_the_activation_itself() -> None:
    averaged = problem(ERF).network
    frozen = replace(averaged, frozen=torch.zeros(1, 2, dtype=torch.float64))
    X = problem(ERF).X
    plain = replace(averaged, s=0.0)
    assert frozen.jacobian_lipschitz(X) == plain.jacobian_lipschitz(X) > averaged.jacobian_lipschitz(X)


@pytest.mark.parametrize("protocol", ["fresh", "shared", "frozen"])
@ACTIVATIONS
def test_one_neurons_second_moment_is_its_average_over_many(activation: Activation, protocol: str) -> None:
    generator = torch.Generator().manual_seed(5)
    X = torch.tensor([[1.0, 0.2], [0.4, -0.9], [1.0, 0.2]], dtype=torch.float64)
    W = torch.randn((400_000, 2), dtype=torch.float64, generator=generator)
    noise = torch.randn((3 if protocol == "frozen" else 1, len(W)), dtype=torch.float64, generator=generator)
    u = X @ W.T
    slopes = activation.smoothed_slope(u, 0.7) if protocol == "fresh" else activation.slope(u + 0.7 * noise)
    shares = (X @ X.T)[..., None] ** 2 * (slopes[:, None] * slopes) ** 2
    # Means of 4e5 terms in [0, 1.04^2 (4 / pi)^2]: six standard errors, at most half that range over the root each.
    assert (shares.mean(-1) - SECOND_MOMENTS[protocol](X, 0.7, activation)).abs().max() <= 6 * 0.88 / sqrt(len(W))


def test_the_offset_is_its_integral_over_time() -> None:
    generator = torch.Generator().manual_seed(7)
    root, M, v = (torch.randn(shape, dtype=torch.float64, generator=generator) for shape in ((4, 2), (4, 4), (4,)))
    K = root @ root.T  # of rank two, so that some modes do not decay
    grid, weights = (torch.from_numpy(x) for x in np.polynomial.legendre.leggauss(40))
    moved = torch.stack([(M @ torch.linalg.matrix_exp(-K * t) @ v).square().sum() for t in 1.5 * (grid + 1)])
    found = offset_squared(torch.stack((M, 2 * M), dim=-1), K, v, 3.0)
    # Forty nodes integrate these exponentials to rounding.
    assert found.tolist() == pytest.approx([float(4.5 * weights @ moved), float(18 * weights @ moved)], rel=1e-11)


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


def test_relu_with_frozen_noise_leaves_the_band_of_its_smoothed_curvature() -> None:
    """One of two neurons is active and its gate closes at once, so that the residual stays while K2 would shrink it."""
    s, time, size, height = 1.5, 2.0, 0.2, 0.005
    X = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    noise = torch.tensor([[0.3, -0.4]], dtype=torch.float64)
    W = torch.tensor([[height - 0.3 * s, 0.0], [-1.0 + 0.4 * s, 0.0]], dtype=torch.float64)
    net = WideNetwork(torch.ones(1, 2, dtype=torch.float64), s, RELU, noise)
    training = WideTraining(net, X, net.output(W, X) - size, W)
    # The kernel at the start is its limit: half of |x|^2, from one neuron of two, or from both half of the time.
    assert net.tangent(W, X).item() == pytest.approx(0.5, rel=1e-15)
    # u' = (y - f) / sqrt 2: the gate closes once f has fallen by height / sqrt 2, or less than a step beyond.
    step = 1e-4
    left = float((net.output(training.descent(step, round(time / step)), X) - training.y).item())
    assert left == pytest.approx(size - height / sqrt(2), abs=step * size)
    far = abs(left / size - np.exp(-time / 2))
    values = {
        symbols.d: 1,
        symbols.m: 2,
        symbols.N: 1,
        symbols.s_z: s,
        symbols.tau: time,
        symbols.r_0: size,
        symbols.phi_2: curvature_bound(RELU, s),
        symbols.x_max: 1.0,
        symbols.G_norm: 1.0,
        symbols.theta_top: 0.5,
        symbols.v_1: 0.0,
        symbols.v_2: 0.0,
        symbols.spread_pull: 0.0,
        symbols.offset: 0.0,
    }
    smoothed = SHARED.version("curvature of the smoothed activation")
    assert far > 5 * smoothed.bound_at(values, frozenset({SHARED_NOISE, IS_ERF}))
    with pytest.raises(OutsideAssumptions, match="erf"):
        smoothed.bound_at(values, frozenset({SHARED_NOISE}))
