"""Functions of a Gaussian encoder's noise, and two estimators of their mean's gradient in one coordinate of the mean.

z = mean + sd e with e standard normal; h is a function of the noise e. The derivative of E h in the first coordinate of
the mean is E h e_1 / sd (score function, Williams 1992) and E d_1 h / sd (pathwise, Kingma and Welling 2014).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import grad

Integrand = Callable[[Float[Tensor, "R k"]], Float[Tensor, " R"]]


@dataclass(frozen=True, eq=False)
class Quadratic:
    """h(e) = c_0 + b.e + e^T A e - tr A with A symmetric: of mean c_0."""

    mean: float
    linear: Float[Tensor, " k"]
    quadratic: Float[Tensor, "k k"]

    def __call__(self, noise: Float[Tensor, "R k"]) -> Float[Tensor, " R"]:
        square: Tensor = ((noise @ self.quadratic) * noise).sum(1) - self.quadratic.trace()
        return self.mean + noise @ self.linear + square


@dataclass(frozen=True)
class Wave:
    """h(e) = cos(omega e_1 + phase)."""

    omega: float
    phase: float

    def __call__(self, noise: Float[Tensor, "R k"]) -> Float[Tensor, " R"]:
        return torch.cos(self.omega * noise[:, 0] + self.phase)


def score_gradient(integrand: Integrand, noise: Float[Tensor, "R k"], deviation: float) -> Float[Tensor, " R"]:
    """The integrand times the score of the encoder, in the first coordinate of the mean."""
    return integrand(noise) * noise[:, 0] / deviation


def path_gradient(integrand: Integrand, noise: Float[Tensor, "R k"], deviation: float) -> Float[Tensor, " R"]:
    """The integrand's automatic derivative along the path, in the first coordinate of the mean."""
    found: Tensor = grad(lambda each: integrand(each).sum())(noise)
    return found[:, 0] / deviation
