"""Wide networks with Gaussian weights N(W, s_w^2 I) and prior N(W_0, s_w^2 I): the negative ELBO and its minimiser.

Inputs have one norm |x|, so that the weights' noise is latent noise of standard deviation s_w |x| for each of them.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from elbound.impl.output_variance import output_variance, variance_slope
from elbound.impl.wide_training import Stationary, Training, WideNetwork, stationary_point


@dataclass(frozen=True)
class GaussianWeights:
    """Negative ELBO of a network of noise s = s_w |x|: data X [N, p] of one norm, targets y [N, d], prior mean [m, p].

    ValueError unless beta, sigma_x2 and s_w exceed 0 and the network's noise is s_w times the norm of every input.
    """

    network: WideNetwork
    X: Float[Tensor, "N p"]
    y: Float[Tensor, "N d"]
    start: Float[Tensor, "m p"]
    beta: float
    sigma_x2: float
    s_w: float

    def __post_init__(self) -> None:
        if not min(self.beta, self.sigma_x2, self.s_w) > 0:
            raise ValueError(f"beta, sigma_x2, s_w = {self.beta}, {self.sigma_x2}, {self.s_w} must exceed 0")
        norms = self.X.norm(dim=1)
        if not torch.allclose(self.s_w * norms, torch.full_like(norms, self.network.s), rtol=1e-12, atol=0):
            raise ValueError(f"noise s = {self.network.s} must be s_w = {self.s_w} times the norm of every input")

    @property
    def ridged(self) -> Training:
        """sigma_x^2 times the negative ELBO without the outputs' variance: a ridge of beta sigma_x^2 / s_w^2."""
        return Training(self.network, self.X, self.y, self.start, self.beta * self.sigma_x2 / self.s_w**2)

    def negative_elbo(self, W: Float[Tensor, "m p"]) -> Float[Tensor, ""]:
        """sum_i E|f(x_i) - y_i|^2 / (2 sigma_x^2) + beta KL, up to a constant."""
        d, m = self.network.signs.shape
        # The neurons' noises are independent, and squared signs are one.
        variance = d / m * output_variance(self.X @ W.T, self.network.s, self.network.activation).sum()
        bias = self.ridged.residual(W).square().sum()
        divergence = (W - self.start).square().sum() / (2 * self.s_w**2)
        return (bias + variance) / (2 * self.sigma_x2) + self.beta * divergence

    def variance_gradient(self, W: Float[Tensor, "m p"]) -> Float[Tensor, "m p"]:
        """Gradient of half the outputs' summed variance, (d / 2m) sum v_s(w_r . x_i)."""
        d, m = self.network.signs.shape
        return d / (2 * m) * variance_slope(self.X @ W.T, self.network.s, self.network.activation).T @ self.X

    def trained(self, tolerance: float = 1e-12) -> Stationary:
        """Weights that minimise the negative ELBO by its automatic gradient, and sigma_x^2 times the gradient left.

        Read that norm: the search also stops where rounding stops progress.
        """
        objective = _NegativeELBO(**vars(self.ridged), model=self)
        return stationary_point(objective, tolerance)


@dataclass(frozen=True, kw_only=True)
class _NegativeELBO(Training):
    """sigma_x^2 times a negative ELBO, for the solver; network, data and ridge only precondition its steps."""

    model: GaussianWeights

    def loss(self, W: Tensor) -> Tensor:
        return self.model.sigma_x2 * self.model.negative_elbo(W)

    def gradient(self, W: Tensor) -> Tensor:
        free = W.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(self.loss(free), free)
        return gradient
