"""A network's linear model, its first-order expansion at the start: descent beside it, and its flow with a ridge."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from elbound.impl.wide_training import Training


class Departure(NamedTuple):
    """Largest departures along a run: |Theta_k - Theta_0| in operator norm, and |f_k - f_lin,k| on the data."""

    kernel: float
    output: float


def descent_beside_linear(training: Training, step_size: float, steps: int, every: int = 1) -> Departure:
    """Departures of gradient descent from the same descent on the linear model, seen after each `every` steps.

    Both take the same discrete steps, so that no integrator stands between them. The ridge counts on neither side.
    ValueError unless step_size > 0, steps >= 1 and every >= 1.
    """
    if not step_size > 0 or steps < 1 or every < 1:
        raise ValueError(f"step_size = {step_size} must exceed 0, steps = {steps} and every = {every} be at least 1")
    net, X, W = training.network, training.X, training.start
    first, residual = net.tangent(W, X), training.residual(W)
    linear, kernel, output = residual.flatten(), 0.0, 0.0
    for k in range(1, steps + 1):
        W = W + step_size * net.pull(W, X, residual)
        linear = linear - step_size * (first @ linear)
        residual = training.residual(W)
        output = max(output, float((residual.flatten() - linear).norm()))
        if k % every == 0:
            kernel = max(kernel, float(torch.linalg.eigvalsh(net.tangent(W, X) - first).abs().max()))
    return Departure(kernel, output)


def linear_ridge_flow(
    J: Float[Tensor, "n q"],
    residual: Float[Tensor, " n"],
    ridge: float,
    time: float,
    centre: Float[Tensor, " q"],
) -> tuple[Float[Tensor, " q"], Float[Tensor, " q"]]:
    """Displacements v(time) and v(inf) of v' = J^T (residual - J v) - ridge (v - centre), v(0) = 0, in weight space.

    By a dense solve and the exponential of the q x q matrix, which know no eigenvector of the kernel.
    """
    matrix = J.T @ J + ridge * torch.eye(J.shape[1], dtype=J.dtype, device=J.device)
    end = torch.linalg.solve(matrix, J.T @ residual + ridge * centre)
    return end - torch.linalg.matrix_exp(-time * matrix) @ end, end
