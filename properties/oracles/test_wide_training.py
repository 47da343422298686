"""Wide networks in training, against automatic differentiation, dense linear algebra, quadrature and scikit-learn."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from sklearn.kernel_ridge import KernelRidge
from torch import Tensor

from elbound.impl.flow import solve
from elbound.impl.kernels import ERF, RELU, Activation
from elbound.impl.ridge import KernelFlow
from elbound.impl.wide_training import Training, WideNetwork, curvature_bound, random_start, stationary_point

EPS = torch.finfo(torch.float64).eps
CASES = pytest.mark.parametrize(("activation", "s"), [(RELU, 1.0), (RELU, 0.4), (ERF, 0.0), (ERF, 0.7)])
X = torch.tensor([[0.5, -1.0, 0.2], [1.5, 0.3, -0.7], [-0.4, 0.8, 1.1], [0.1, 0.2, -0.9]], dtype=torch.float64)
Y = torch.tensor([[1.0, -0.5], [0.3, 0.8], [-1.2, 0.4], [0.6, -0.1]], dtype=torch.float64)


def training(activation: Activation, s: float, ridge: float = 0.0, width: int = 8) -> Training:
    network, W = random_start((2, width, 3), s, activation, seed=5)
    return Training(network, X, Y, W, ridge)


def network_of(problem: Training) -> WideNetwork:
    assert isinstance(problem.network, WideNetwork)
    return problem.network


def jacobian(problem: Training) -> Tensor:
    dense: Tensor = torch.func.jacrev(lambda W: problem.network.output(W, X).flatten())(problem.start)
    return dense.flatten(1)


@CASES
def test_jacobian_products_and_the_kernel_agree_with_automatic_differentiation(
    activation: Activation, s: float
) -> None:
    problem = training(activation, s)
    J, W, net = jacobian(problem), problem.start, problem.network
    # Sums of at most 24 products of numbers below 10, a few roundings each.
    tolerance = 24 * 100 * 8 * EPS
    assert torch.allclose(net.tangent(W, X), J @ J.T, rtol=0, atol=tolerance)
    assert torch.allclose(net.pull(W, X, Y).flatten(), J.T @ Y.flatten(), rtol=0, atol=tolerance)
    assert torch.allclose(net.push(W, X, W).flatten(), J @ W.flatten(), rtol=0, atol=tolerance)
    free = W.clone().requires_grad_()
    ridged = Training(net, X, Y, 0.5 * W, 0.3)
    (gradient,) = torch.autograd.grad(ridged.loss(free), free)
    assert torch.allclose(ridged.gradient(W), gradient, rtol=0, atol=tolerance)


@CASES
def test_the_output_is_the_noise_average_of_the_sampled_network(activation: Activation, s: float) -> None:
    """By the trapezoid rule on +-9 deviations."""
    problem = training(activation, s)
    e = np.linspace(-9, 9, 20_001)
    density = (e[1] - e[0]) * np.exp(-(e**2) / 2) / math.sqrt(2 * math.pi)
    u = X @ problem.start.T
    sampled = activation.value(u[..., None] + s * torch.from_numpy(e)) @ torch.from_numpy(density)
    expected = sampled @ network_of(problem).signs.T / math.sqrt(len(problem.start))
    # Spacing h = 9e-4 errs by h^2 s / 8 at the kink; on analytic integrands by e^{-2 pi / h} and the tails' e^{-40}.
    tolerance = 1e-6 if activation is RELU else 1e-12
    assert torch.allclose(problem.network.output(problem.start, X), expected, rtol=0, atol=tolerance)


@CASES
def test_the_curvature_bound_is_the_steepest_slope_of_the_slope(activation: Activation, s: float) -> None:
    u = torch.linspace(-4, 4, 40_001, dtype=torch.float64, requires_grad=True)
    (second,) = torch.autograd.grad(activation.smoothed_slope(u, s).sum(), u)
    steepest, bound = float(second.abs().max()), curvature_bound(activation, s)
    # On a grid of spacing 2e-4 a smooth maximum is missed by a relative (2e-4)^2 times its curvature.
    assert bound * (1 - 1e-7) <= steepest <= bound * (1 + 8 * EPS)


def test_an_antisymmetric_start_has_output_zero() -> None:
    network, W = random_start((2, 10, 3), 0.7, RELU, seed=9, antisymmetric=True)
    assert network.output(W, X).abs().max() <= 10 * 8 * EPS
    assert float(network.tangent(W, X).diagonal().min()) > 0


def test_devices_and_dtypes_are_those_asked_for() -> None:
    network, W = random_start((2, 6, 3), 0.7, ERF, seed=9, dtype=torch.float32, device="cpu")
    assert W.dtype == network.signs.dtype == network.output(W, X.float()).dtype == torch.float32


def test_gradient_descent_takes_the_steps_of_its_definition() -> None:
    problem = training(ERF, 0.5, ridge=0.2)
    W = problem.start
    for _ in range(3):
        free = W.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(problem.loss(free), free)
        W = W - 0.1 * gradient
    assert torch.allclose(problem.descent(0.1, 3), W, rtol=0, atol=3 * 24 * 64 * EPS)


@CASES
def test_gradient_flow_agrees_with_an_independent_integrator(activation: Activation, s: float) -> None:
    problem = training(activation, s, ridge=0.1)

    def velocity(_: float, w: np.ndarray) -> np.ndarray:
        return -problem.gradient(torch.from_numpy(w).view(8, 3)).flatten().numpy()

    found = solve_ivp(
        velocity, (0, 3), problem.start.flatten().numpy(), "DOP853", rtol=1e-12, atol=1e-12, t_eval=[1, 3]
    )
    paths, integrals, errors = problem.flow((1.0, 3.0), lambda W: problem.loss(W)[None])
    # Their local tolerance times some hundred steps bounds what is left; ours reports below it.
    assert np.abs(paths.flatten(1).numpy() - found.y.T).max() <= 1e-9
    assert float(errors[-1]) <= 1e-10
    assert float(integrals[0]) < float(integrals[1]) < 3 * float(problem.loss(problem.start))


def test_the_integrators_summed_estimate_covers_its_true_error() -> None:
    """x' = x (1 - x) contracts beyond 1/2, so local errors do not grow there."""
    start = torch.tensor([0.6], dtype=torch.float64)
    times = (0.5, 2.0, 8.0)
    path = solve(lambda x: x * (1 - x), start, times, step=3.0, tolerance=1e-9)
    for state, error, t in zip(path.states, path.errors, times, strict=True):
        assert abs(float(state) - 1 / (1 + math.exp(-t) * 0.4 / 0.6)) <= float(error) + 64 * EPS
    assert float(path.errors[-1]) <= 1e-8


@pytest.mark.parametrize("bad", [{"step": 0.0}, {"step": 1.0, "tolerance": 0.0}])
def test_the_integrator_refuses_bad_input_in_one_line(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must increase from 0"):
        solve(lambda x: -x, torch.ones(1), (1.0,), **bad)
    with pytest.raises(ValueError, match="must increase from 0"):
        solve(lambda x: -x, torch.ones(1), (2.0, 1.0), step=1.0)


@CASES
@pytest.mark.parametrize("ridge", [1.0, 2.0])
def test_the_dual_solver_ends_where_the_automatic_gradient_vanishes(
    activation: Activation, s: float, ridge: float
) -> None:
    problem = training(activation, s, ridge)
    point = stationary_point(problem)
    free = point.weights.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(problem.loss(free), free)
    assert float(gradient.norm()) <= point.gradient_norm + 24 * 64 * EPS
    assert point.gradient_norm <= 1e-10
    assert float(problem.loss(point.weights)) < float(problem.loss(problem.start))


def kernel() -> Tensor:
    problem = training(ERF, 0.5)
    return problem.network.tangent(problem.start, X)


@pytest.mark.parametrize("ridge", [0.05, 1.0])
def test_the_limit_is_scikit_learns_kernel_ridge_regression_at_training_and_test_points(ridge: float) -> None:
    problem = training(ERF, 0.5)
    X_test = torch.tensor([[0.3, 0.3, 0.3], [-1.0, 0.5, 0.0]], dtype=torch.float64)
    K, K_test = kernel(), network_of(problem).kernel(problem.start, X_test, problem.start, X)
    oracle = KernelRidge(alpha=ridge, kernel="precomputed").fit(K.numpy(), Y.flatten().numpy())
    flow = KernelFlow.of(K, ridge)
    dual = flow.coefficients(Y.flatten())
    # Two backward stable solves of an 8 x 8 system.
    tolerance = 8 * 64 * EPS * (1 + float(torch.linalg.matrix_norm(K, 2)) / ridge)
    assert np.abs((K_test @ dual).numpy() - oracle.predict(K_test.numpy())).max() <= tolerance
    assert np.abs((Y.flatten() - flow.residual(Y.flatten())).numpy() - oracle.predict(K.numpy())).max() <= tolerance


@pytest.mark.parametrize("ridge", [0.0, 0.7])
@pytest.mark.parametrize("time", [0.0, 0.3, 5.0])
def test_the_flow_is_the_matrix_exponentials(ridge: float, time: float) -> None:
    K, y = kernel(), Y.flatten()
    matrix = K + ridge * torch.eye(8, dtype=K.dtype)
    decayed = torch.linalg.matrix_exp(-time * matrix) @ y
    # r = y - K alpha with (K + ridge) alpha = y - e^{-(K + ridge) t} y.
    expected = y - K @ torch.linalg.solve(matrix, y - decayed)
    condition = float(torch.linalg.cond(matrix))
    found = KernelFlow.of(K, ridge).residual(y, time)
    assert torch.allclose(found, expected, rtol=0, atol=8 * 64 * EPS * condition)


def test_a_mode_without_rate_grows_linearly_in_its_dual_coefficient() -> None:
    flow = KernelFlow.of(torch.zeros(2, 2, dtype=torch.float64), 0.0)
    y = torch.tensor([1.0, -2.0], dtype=torch.float64)
    assert torch.equal(flow.coefficients(y, 3.0).abs(), 3 * y.abs())
    with pytest.raises(ValueError, match="no limit unless it exceeds 0"):
        flow.coefficients(y)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: random_start((1, 3, 2), 0.5, RELU, 1, antisymmetric=True), "even with twins"),
        (lambda: random_start((0, 4, 2), 0.5, RELU, 1), "at least 1"),
        (lambda: stationary_point(training(ERF, 0.5)), "ridge = 0.0 must exceed 0"),
        (lambda: training(ERF, 0.5).descent(0.0, 3), "step_size = 0.0 must exceed 0"),
        (lambda: KernelFlow.of(torch.eye(2), -1.0), "at least 0"),
        (lambda: KernelFlow.of(torch.eye(2), 1.0).residual(torch.ones(2), -1.0), "time = -1.0"),
    ],
)
def test_bad_input_is_refused_in_one_line(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        call()
