"""Descent beside its linear model, against the dense Jacobian; regressions over width, against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.kernel_ridge import KernelRidge
from torch import Tensor

from elbound.impl.kernels import ERF, RELU, Activation, fresh_noise_kernel
from elbound.impl.linearised import descent_beside_linear
from elbound.impl.wide_training import Training, random_start, stationary_point
from elbound.properties.experiment import Context
from elbound.properties.experiments.widths import GRADIENT, WIDTHS, Task
from elbound.theory import symbols

EPS = torch.finfo(torch.float64).eps
ACTIVATIONS = pytest.mark.parametrize("activation", [RELU, ERF], ids=lambda x: x.name)
X = torch.tensor([[0.5, -1.0, 0.2], [1.5, 0.3, -0.7], [-0.4, 0.8, 1.1]], dtype=torch.float64)
Y = torch.tensor([[1.0, -0.5], [0.3, 0.8], [-1.2, 0.4]], dtype=torch.float64)


@ACTIVATIONS
def test_departures_are_those_of_descent_with_a_frozen_jacobian(activation: Activation) -> None:
    """Both descents in weight space, the linear one with the Jacobian by automatic differentiation."""
    network, W = random_start((2, 12, 3), 0.7, activation, seed=4)
    training, step = Training(network, X, Y, W), 0.2

    def flat(V: Tensor) -> Tensor:
        return network.output(V, X).flatten()

    def jacobian(V: Tensor) -> Tensor:
        dense: Tensor = torch.func.jacrev(flat)(V)
        return dense.flatten(1)

    J = jacobian(W)
    linear, now, gap, drift = torch.zeros_like(W).flatten(), W, 0.0, 0.0
    for k in range(1, 9):
        dense = jacobian(now)
        now = now + step * (dense.T @ (Y.flatten() - flat(now))).view_as(W)
        linear = linear + step * J.T @ (Y.flatten() - flat(W) - J @ linear)
        gap = max(gap, float((flat(now) - flat(W) - J @ linear).norm()))
        moved = jacobian(now)
        drift = max(drift, float(torch.linalg.matrix_norm(moved @ moved.T - J @ J.T, 2))) if k % 2 == 0 else drift
    found = descent_beside_linear(training, step, 8, every=2)
    # Eight steps of sums of at most 36 products of numbers below 10.
    tolerance = 8 * 36 * 100 * 8 * EPS
    assert abs(found.output - gap) <= tolerance
    assert abs(found.kernel - drift) <= tolerance
    assert min(gap, drift) > 1e-3


@pytest.mark.parametrize("bad", [(0.0, 3, 1), (0.1, 0, 1), (0.1, 3, 0)])
def test_bad_input_to_the_descent_is_refused_in_one_line(bad: tuple[float, int, int]) -> None:
    network, W = random_start((2, 4, 3), 0.7, ERF, seed=4)
    with pytest.raises(ValueError, match="must exceed 0"):
        descent_beside_linear(Training(network, X, Y, W), *bad)


def test_autoencoded_digits_are_as_far_from_scikit_learns_kernel_ridge_regression_as_the_rows_say() -> None:
    """With the limit kernel, at training and test images; no other code of ours predicts here."""
    task, width, seed = Task.of(WIDTHS.instances["digits autoencoded"], Context()), 256, 7
    network, W = random_start((task.outputs, width, task.X.shape[1]), task.s, task.activation, seed)
    training = Training(network, task.X, network.output(W, task.X) + task.residual, W, task.ridge)
    end = stationary_point(training, GRADIENT).weights
    regression = KernelRidge(alpha=task.ridge, kernel="precomputed")
    regression.fit(fresh_noise_kernel(task.X, task.X, task.s, task.activation).numpy(), task.residual.numpy())
    found = task.distances(width, seed)
    for symbol, inputs in ((symbols.krr_inf, task.X), (symbols.test_inf, task.X_test)):
        between = fresh_noise_kernel(inputs, task.X, task.s, task.activation).numpy()
        predicted = network.output(W, inputs).numpy() + regression.predict(between)
        apart = np.linalg.norm(network.output(end, inputs).numpy() - predicted) / float(task.residual.norm())
        # Two solves of systems of condition |Theta| / ridge, and the gradient that training left, over the ridge.
        tolerance = 64 * EPS * task.size / task.ridge + 4 * GRADIENT / task.ridge
        assert abs(apart - found[symbol]) <= tolerance
        assert found[symbol] > 100 * tolerance
