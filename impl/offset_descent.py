"""SGD on the decoder offset of a Linear VAE, all else frozen: the training step itself, on a quadratic objective.

The decoder is N(V z + c, sigma_x2 I). The offset c is one more column of the decoder, behind a latent coordinate of
posterior variance zero whose code is the constant 1, so a step is one of ``trajectories.sgd_step`` of which that column
is kept. Offsets of R replicates are columns [d, R].
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from elbound.impl import full_linear_vae
from elbound.impl.linear_vae import Constants, LinearVAE, Weights, gather
from elbound.impl.trajectories import Sgd, sgd_step


@dataclass(frozen=True, eq=False)
class OffsetDescent:
    """A Linear VAE and its frozen weights W [k, d] and V [d, k]."""

    problem: LinearVAE
    weights: Weights

    @cached_property
    def _constants(self) -> Constants:
        deviation, precision, beta = self.problem.constants
        return Constants(torch.cat((deviation, torch.zeros_like(deviation[:1]))), precision, beta)

    @cached_property
    def _columns(self) -> Float[Tensor, "larger N"]:
        """The data and a last feature that is always 1."""
        columns = self.problem.columns
        return torch.cat((columns, torch.ones_like(columns[:1])))

    def _beside(self, offset: Float[Tensor, "d R"]) -> Weights:
        """The frozen weights and the offset as weights of the larger Linear VAE."""
        encoder, decoder = self.weights
        (k, d), count = encoder.shape, offset.shape[1]
        larger = offset.new_zeros(k + 1, d + 1, 1)
        larger[:k, :d, 0], larger[k, d, 0] = encoder, 1.0
        column = torch.cat((offset, torch.zeros_like(offset[:1])))[:, None]
        rest = torch.cat((decoder, torch.zeros_like(decoder[:1])))[..., None]
        return Weights(larger.expand(-1, -1, count), torch.cat((rest.expand(-1, -1, count), column), dim=1))

    def step(
        self,
        offset: Float[Tensor, "d R"],
        indices: Int64[Tensor, "B R"],
        noise: Float[Tensor, "B K k R"],
        gamma: Float[Tensor, " #R"],
    ) -> Float[Tensor, "d R"]:
        """The offsets after one step of these sizes on the data ``indices`` with K noises each."""
        silent = torch.cat((noise, torch.zeros_like(noise[:, :, :1])), dim=2)
        after = sgd_step(
            self._constants, self._beside(offset), gather(self._columns, indices), silent, gamma, clip_radius=None
        )
        return after.decoder[:-1, -1]

    def objective(self, offset: Float[Tensor, " d"]) -> Float[Tensor, ""]:
        """Negative beta-ELBO at one offset, differentiable."""
        at = full_linear_vae.at_weights(self.problem, *self.weights)
        return full_linear_vae.objective(self.problem, at._replace(decoder_offset=offset))

    def objectives(self, offset: Float[Tensor, "d R"]) -> Float[Tensor, " R"]:
        """Negative beta-ELBO at each offset."""
        found: Tensor = torch.func.vmap(self.objective, in_dims=1)(offset)
        return found

    def gradients(self, offset: Float[Tensor, "d R"]) -> Float[Tensor, "d R"]:
        """The automatic gradient at each offset."""
        found: Tensor = torch.func.vmap(torch.func.grad(self.objective), in_dims=1, out_dims=1)(offset)
        return found

    def hessian(self, offset: Float[Tensor, " d"]) -> Float[Tensor, "d d"]:
        """The automatic Hessian at one offset."""
        # Reverse mode twice: forward mode loads a compiler first.
        found: Tensor = torch.func.jacrev(torch.func.grad(self.objective))(offset)
        return found

    @cached_property
    def _residual(self) -> Float[Tensor, "N d"]:
        return self._residual_of(self.problem.data)

    def _residual_of(self, x: Float[Tensor, "N d"]) -> Float[Tensor, "N d"]:
        encoder, decoder = self.weights
        return x - x @ encoder.T @ decoder.T

    @property
    def optimum(self) -> Float[Tensor, " d"]:
        """The best offset, the mean of x - V W x."""
        return self._residual.mean(0)

    def noise_variance(self, sgd: Sgd) -> float:
        """Trace of the step's gradient's covariance, in closed form, free of the offset.

        s1 = tr((I - VW) Cov(x) (I - VW)^T) / sigma_x2^2 by the choice of a datum and s2 = tr(V D V^T) / sigma_x2^2 by a
        latent sample of unit variance. Exactly 0 where all data are equal and the decoder's weights are 0. ValueError
        as ``Sgd.shares``.
        """
        precision, shares = self.problem.noise_variance**-2, sgd.shares(self.problem.data_count)
        # Data less the first of them are exactly 0 where all are equal; residuals less their mean would be rounding.
        beside = self._residual_of(self.problem.data - self.problem.data[0])
        between = float((beside - beside.mean(0)).square().sum(1).mean()) * precision
        within = float((self.weights.decoder.square() * self.problem.posterior_variance).sum()) * precision
        return between * shares[0] + within * shares[1]
