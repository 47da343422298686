"""The negative beta-ELBO of one datum with one latent sample, and its gradients by automatic differentiation.

    |x - V z - c|^2 / (2 sigma_x2) + beta KL,   z = W x + b + e^(l/2) eps,

without the likelihood's constant. The KL term is analytic, sampled, or sampled with the encoder's parameters held fixed
in its density, which leaves out the score term ("sticking the landing": Roeder, Wu, Duvenaud 2017).
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor
from torch.func import grad, vmap

from elbound.impl.full_linear_vae import Parameters
from elbound.impl.linear_vae import LinearVAE

Divergence = Callable[[Tensor, Tensor, Tensor], Tensor]


def analytic_divergence(
    mean: Float[Tensor, " k"], log_variance: Float[Tensor, " k"], _: Float[Tensor, " k"]
) -> Float[Tensor, ""]:
    """KL(N(mean, diag e^l) || N(0, I)), free of the latent sample."""
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum() / 2


def sampled_divergence(
    mean: Float[Tensor, " k"], log_variance: Float[Tensor, " k"], z: Float[Tensor, " k"]
) -> Float[Tensor, ""]:
    """log q(z) - log p(z) at the latent sample."""
    return (z.square() - (z - mean).square() / log_variance.exp() - log_variance).sum() / 2


def landing_divergence(
    mean: Float[Tensor, " k"], log_variance: Float[Tensor, " k"], z: Float[Tensor, " k"]
) -> Float[Tensor, ""]:
    """The same with the encoder's parameters held fixed in log q: its gradient lacks the score term."""
    return sampled_divergence(mean.detach(), log_variance.detach(), z)


def sampled_objective(
    at: Parameters, x: Float[Tensor, " d"], noise: Float[Tensor, " k"], problem: LinearVAE, divergence: Divergence
) -> Float[Tensor, ""]:
    """Negative beta-ELBO of one datum and one latent sample; the variances are those of the parameters."""
    mean = at.encoder @ x + at.encoder_offset
    z = mean + (at.log_variance / 2).exp() * noise
    residual = x - at.decoder @ z - at.decoder_offset
    fit = residual.square().sum() / (2 * problem.noise_variance)
    return fit + problem.beta * divergence(mean, at.log_variance, z)


def gradients(
    problem: LinearVAE, at: Parameters, noise: Float[Tensor, "E k"], divergence: Divergence = analytic_divergence
) -> Parameters:
    """The gradient for every datum and every noise value: blocks of shape [N, E, ...]."""

    def loss(at: Parameters, x: Tensor, noise: Tensor) -> Tensor:
        return sampled_objective(at, x, noise, problem, divergence)

    slope = vmap(vmap(grad(loss), (None, None, 0)), (None, 0, None))
    return Parameters(*slope(at, problem.data, noise))
