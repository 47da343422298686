"""Breaks of wide networks in training: weights that nobody trained, other losses, other dynamics, other kernels."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from elbound.impl.gaussian_weights import GaussianWeights
from elbound.impl.kernels import Activation, fresh_noise_kernel
from elbound.impl.linearised import Departure, descent_beside_linear
from elbound.impl.output_variance import output_variance
from elbound.impl.ridge import KernelFlow
from elbound.impl.wide_training import Stationary, Training, WideNetwork, random_start, stationary_point
from elbound.properties.meta.broken.model_break import Break

EXPERIMENTS, MODEL = "elbound.properties.experiments", "elbound.impl.wide_training"
RIGHT_GRADIENT, RIGHT_LOSS = Training.gradient, Training.loss
RIGHT_KERNEL, RIGHT_TANGENT, RIGHT_OUTPUT = WideNetwork.kernel, WideNetwork.tangent, WideNetwork.output
RIGHT_PULL, RIGHT_COEFFICIENTS, RIGHT_DUAL_RESIDUAL = WideNetwork.pull, KernelFlow.coefficients, KernelFlow.residual


# Training


def untrained(training: Training, *_: Any, **__: Any) -> Stationary:
    """Random weights about the start, said to be at rest."""
    noise = torch.randn(training.start.shape, dtype=training.start.dtype, generator=torch.Generator().manual_seed(7))
    return Stationary(training.start + noise / len(training.start) ** 0.5, 0.0)


def shuffled(training: Training, *rest: Any, **named: Any) -> Stationary:
    """Training on the targets of other inputs."""
    return stationary_point(replace(training, y=training.y.roll(1, 0).roll(1, 1) * -1), *rest, **named)


def ridged(factor: float) -> dict[str, Callable[..., Any]]:
    """Training with another ridge: loss and gradient agree with one another, not with the problem."""

    def loss(self: Training, W: Tensor) -> Tensor:
        return RIGHT_LOSS(replace(self, ridge=factor * self.ridge), W)

    def gradient(self: Training, W: Tensor) -> Tensor:
        return RIGHT_GRADIENT(replace(self, ridge=factor * self.ridge), W)

    return {f"{MODEL}.Training.loss": loss, f"{MODEL}.Training.gradient": gradient}


def scaled_gradient(factor: float) -> dict[str, Callable[..., Any]]:
    """Another speed: the gradient of the loss times a factor."""
    return {f"{MODEL}.Training.gradient": lambda self, W: factor * RIGHT_GRADIENT(self, W)}


def towards_zero(self: Training, W: Tensor) -> Tensor:
    """The ridge pulls the weights towards zero."""
    return RIGHT_GRADIENT(self, W) + self.ridge * self.start


# Networks and kernels


def doubled_pull(self: WideNetwork, W: Tensor, X: Tensor, values: Tensor) -> Tensor:
    """A backward pass of the squared error without its half."""
    return 2 * RIGHT_PULL(self, W, X, values)


def forward_without_slopes(self: WideNetwork, W: Tensor, X: Tensor, direction: Tensor) -> Tensor:
    """A forward pass of tangents that forgets the activation's slope."""
    pushed: Tensor = (X @ direction.T) @ self.signs.T / len(W) ** 0.5
    return pushed


def averaged_twice(self: WideNetwork, W: Tensor, X: Tensor) -> Tensor:
    """Outputs scaled by 1 / m in place of 1 / sqrt m."""
    output: Tensor = RIGHT_OUTPUT(self, W, X) / len(W) ** 0.5
    return output


def doubled_kernel(self: WideNetwork, *arguments: Tensor) -> Tensor:
    """Each neuron is counted twice."""
    return 2 * RIGHT_KERNEL(self, *arguments)


def doubled_tangent(self: WideNetwork, W: Tensor, X: Tensor) -> Tensor:
    """The tangent kernel with the factor 2 of a loss without its half."""
    return 2 * RIGHT_TANGENT(self, W, X)


def without_noise(X: Tensor, Y: Tensor, s: float, activation: Activation) -> Tensor:
    """The limit kernel of a network without noise."""
    return fresh_noise_kernel(X, Y, 0 * s, activation)


def steeper(signs: Tensor, s: float, activation: Activation) -> WideNetwork:
    """An activation of twice the slope and the same values."""
    slope = activation.smoothed_slope
    return WideNetwork(signs, s, replace(activation, smoothed_slope=lambda u, s: 2 * slope(u, s)))


def noisier(X: Tensor, Y: Tensor, s: float, activation: Activation) -> Tensor:
    """The limit kernel of noise of twice the standard deviation."""
    return fresh_noise_kernel(X, Y, 2 * s, activation)


def mean_loss(self: KernelFlow, initial: Tensor, *rest: Any) -> Tensor:
    """Kernel ridge regression of the mean squared error: the ridge counts once for each value."""
    return RIGHT_COEFFICIENTS(replace(self, ridge=len(initial) * self.ridge), initial, *rest)


def mean_loss_residual(self: KernelFlow, initial: Tensor, *rest: Any) -> Tensor:
    """The same, of its residual."""
    return RIGHT_DUAL_RESIDUAL(replace(self, ridge=len(initial) * self.ridge), initial, *rest)


def late(self: KernelFlow, initial: Tensor, time: float) -> Tensor:
    """The linear model at another time."""
    return RIGHT_DUAL_RESIDUAL(self, initial, 1.2 * time)


REGRESSION = {
    "elbound.impl.ridge.KernelFlow.coefficients": mean_loss,
    "elbound.impl.ridge.KernelFlow.residual": mean_loss_residual,
}


# The negative ELBO


def elbo(fit: float, spread: float, divergence: float, *, prior_at_zero: bool = False) -> dict[str, Callable[..., Any]]:
    """The negative ELBO with other factors of its terms, or with the prior's mean at zero."""

    def negative_elbo(self: GaussianWeights, W: Tensor) -> Tensor:
        d, m = self.network.signs.shape
        variance = d / m * output_variance(self.X @ W.T, self.network.s, self.network.activation).sum()
        bias = (self.y - self.network.output(W, self.X)).square().sum()
        moved = W if prior_at_zero else W - self.start
        penalty = self.beta * moved.square().sum() / (2 * self.s_w**2)
        return fit * (bias + spread * variance) / (2 * self.sigma_x2) + divergence * penalty

    return {"elbound.impl.gaussian_weights.GaussianWeights.negative_elbo": negative_elbo}


# Widths and the linear model


def other_network(training: Training, *rest: Any, **named: Any) -> Departure:
    """Descent beside the linear model of another network, drawn anew."""
    found, net = descent_beside_linear(training, *rest, **named), training.network
    assert isinstance(net, WideNetwork)
    other, W = random_start((*net.signs.shape, training.X.shape[1]), net.s, net.activation, 99)
    off = other.tangent(W, training.X) - net.tangent(training.start, training.X)
    return Departure(found.kernel + float(torch.linalg.matrix_norm(off, 2)), found.output)


def kernel_of_pairs(training: Training, *rest: Any, **named: Any) -> Departure:
    """The change of the kernel is summed over pairs of neurons in place of averaged over neurons."""
    found = descent_beside_linear(training, *rest, **named)
    return Departure(found.kernel * len(training.start) ** 2, found.output)


def summed_tangent(self: WideNetwork, W: Tensor, X: Tensor) -> Tensor:
    """The tangent kernel summed over the neurons."""
    return len(W) * RIGHT_TANGENT(self, W, X)


def slow_linear_model(training: Training, step_size: float, steps: int, every: int = 1) -> Departure:
    """The linear model takes one step less."""
    net, X = training.network, training.X
    found = descent_beside_linear(training, step_size, steps, every)
    first = net.tangent(training.start, X) @ training.residual(training.start).flatten()
    return Departure(found.kernel, found.output + step_size * float(first.norm()))


def without_ridge_on_the_way(
    J: Tensor, residual: Tensor, ridge: float, time: float, centre: Tensor
) -> tuple[Tensor, Tensor]:
    """The ridge is left out of the dynamics, not of the limit."""
    matrix = J.T @ J
    end = torch.linalg.solve(matrix + ridge * torch.eye(len(matrix), dtype=J.dtype), J.T @ residual + ridge * centre)
    return end - torch.linalg.matrix_exp(-time * matrix) @ end, end


def without_ridge_at_rest(J: Tensor, residual: Tensor, ridge: float, time: float, *_: Tensor) -> tuple[Tensor, Tensor]:
    """The limit is the least-squares fit."""
    matrix = J.T @ J + ridge * torch.eye(J.shape[1], dtype=J.dtype)
    end = torch.linalg.lstsq(J, residual[:, None], driver="gelsd").solution[:, 0]
    return end - torch.linalg.matrix_exp(-time * matrix) @ end, end


def _of_solver(module: str, wrong: Callable[..., Stationary]) -> dict[str, Callable[..., Any]]:
    return {f"{EXPERIMENTS}.{module}.stationary_point": wrong}


def _trained(experiment: str, instance: str, module: str) -> tuple[Break, ...]:
    """The breaks that every experiment with a trained network has."""
    return (
        Break(experiment, instance, "random weights for the trained ones", _of_solver(module, untrained)),
        Break(experiment, instance, "trained on shuffled targets", _of_solver(module, shuffled)),
        Break(experiment, instance, "trained with the ridge doubled", ridged(2)),
    )


BREAKS = (
    *_trained("tangent/wide-ridge", "width 512", "wide_training"),
    Break("tangent/wide-ridge", "width 512", "regression of the mean squared error", REGRESSION),
    Break("tangent/wide-ridge", "width 512", "neurons counted twice", {f"{MODEL}.WideNetwork.kernel": doubled_kernel}),
    *_trained("tangent/wide-amortised", "width 4096", "wide_training"),
    Break("tangent/wide-amortised", "width 4096", "regression of the mean squared error", REGRESSION),
    *_trained("tangent/trained-variances", "width 4096", "trained_variances"),
    Break("tangent/trained-variances", "width 4096", "regression of the mean squared error", REGRESSION),
    *(
        Break("tangent/gaussian-weights", "width 512", mistake, patches)
        for mistake, patches in {
            "KL term without its half": elbo(1, 1, 2),
            "squared error without its half": elbo(2, 1, 1),
            "variance of the outputs dropped": elbo(1, 0, 1),
            "prior around zero": elbo(1, 1, 1, prior_at_zero=True),
            "regression of the mean squared error": REGRESSION,
        }.items()
    ),
    *_trained("tangent/literal-kl", "width 4096", "literal_kl"),
    *(
        Break("tangent/one-step", instance, mistake, {f"{MODEL}.WideNetwork.{name}": wrong})
        for instance, mistake, name, wrong in (
            ("one erf neuron at its steepest curvature", "step of a loss without its half", "pull", doubled_pull),
            ("random ReLU network", "linear part without the activation's slope", "push", forward_without_slopes),
            ("one erf neuron, kernel rising", "neurons counted twice", "kernel", doubled_kernel),
        )
    ),
    Break("tangent/wide-flow", "slowest mode", "half the speed", scaled_gradient(0.5)),
    Break("tangent/wide-flow", "fastest mode", "loss without its half", scaled_gradient(2)),
    Break(
        "tangent/wide-flow", "slowest mode", "tangent kernel doubled", {f"{MODEL}.WideNetwork.tangent": doubled_tangent}
    ),
    Break("tangent/linearisation", "one erf neuron with small residual", "another speed", scaled_gradient(1.2)),
    Break(
        "tangent/linearisation",
        "one erf neuron with small residual",
        "linear model at another time",
        {"elbound.impl.ridge.KernelFlow.residual": late},
    ),
    Break(
        "tangent/linear-ridge-flow",
        "slow mode, ridge above its eigenvalue",
        "no ridge in the dynamics",
        {f"{EXPERIMENTS}.wide_training.linear_ridge_flow": without_ridge_on_the_way},
    ),
    Break(
        "tangent/linear-ridge-flow",
        "slow mode, ridge above its eigenvalue",
        "least squares in the end",
        {f"{EXPERIMENTS}.wide_training.linear_ridge_flow": without_ridge_at_rest},
    ),
    Break(
        "tangent/linear-ridge-flow",
        "any target",
        "outputs averaged twice",
        {f"{MODEL}.WideNetwork.output": averaged_twice},
    ),
    Break("tangent/wide-ridge-flow", "ReLU", "ridge pulls towards zero", {f"{MODEL}.Training.gradient": towards_zero}),
    Break("tangent/wide-ridge-flow", "ReLU", "a tenth of the speed", scaled_gradient(0.1)),
    Break(
        "tangent/widths",
        "random targets, ReLU",
        "linear model of another network",
        {f"{EXPERIMENTS}.widths.descent_beside_linear": other_network},
    ),
    Break(
        "tangent/widths",
        "random targets, ReLU",
        "linear model one step behind",
        {f"{EXPERIMENTS}.widths.descent_beside_linear": slow_linear_model},
    ),
    Break(
        "tangent/widths",
        "random targets, ReLU",
        "limit kernel of other noise",
        {f"{EXPERIMENTS}.widths.fresh_noise_kernel": noisier},
    ),
    Break(
        "tangent/widths",
        "digits autoencoded",
        "limit kernel without noise",
        {f"{EXPERIMENTS}.widths.fresh_noise_kernel": without_noise},
    ),
    Break(
        "tangent/widths",
        "random targets, ReLU",
        "kernel of pairs of neurons",
        {f"{EXPERIMENTS}.widths.descent_beside_linear": kernel_of_pairs},
    ),
    Break(
        "tangent/widths",
        "random targets, ReLU",
        "kernel summed over the neurons",
        {f"{MODEL}.WideNetwork.tangent": summed_tangent},
    ),
    Break("tangent/widths", "random targets, ReLU", "trained with the ridge doubled", ridged(2)),
    Break(
        "tangent/one-step",
        "one erf neuron at its steepest curvature",
        "an activation of twice the slope",
        {f"{EXPERIMENTS}.wide_training.WideNetwork": steeper},
    ),
)
