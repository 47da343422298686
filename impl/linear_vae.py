"""The linear variational autoencoder with Gaussian posterior N(W x, D), in closed form.

Data x in R^d, latent z = W x + D^(1/2) eps in R^k, likelihood N(V z, sigma_x2 I), prior N(0, I). D is fixed.
The replicate axis R comes last and is contiguous: every operation on a small model is one long vector
operation, and no reduction runs along or depends on R.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

# Upward factor that turns a maximum computed in float64 into a bound: the functions bounded below are sums
# and products of fewer than 100 non-negative terms, whose relative error stays under 100 * 2^-53.
ROUND_UP = 1 + 1e-12


def product(left: Float[Tensor, "m n #R"], right: Float[Tensor, "n p #R"]) -> Float[Tensor, "m p R"]:
    """Matrix product in each replicate, in one fixed order of summation; an axis R of size 1 broadcasts.

    A library product may choose its order by R, and then a replicate's bits depend on its neighbours.
    """
    total = left[:, 0, None] * right[0]
    for j in range(1, right.shape[0]):
        total.addcmul_(left[:, j, None], right[j])
    return total


def tree_sum(terms: Float[Tensor, " n *rest"]) -> Float[Tensor, "*rest"]:
    """Sum over the first axis by halving: rounding error grows with log2 n, order independent of the rest."""
    while (n := terms.shape[0]) > 1:
        half = n // 2
        folded = terms[:half] + terms[half : 2 * half]
        terms = folded if n % 2 == 0 else torch.cat((folded, terms[2 * half :]))
    return terms[0]


class Weights(NamedTuple):
    """Encoder W and decoder V of R replicates, or any vector of that space (a gradient, a direction)."""

    encoder: Float[Tensor, "k d R"]
    decoder: Float[Tensor, "d k R"]


def inner(left: Weights, right: Weights) -> Float[Tensor, " R"]:
    """Euclidean inner product over encoder and decoder jointly, in each replicate."""
    return tree_sum((left.encoder * right.encoder).flatten(0, 1)) + tree_sum(
        (left.decoder * right.decoder).flatten(0, 1)
    )


def transpose(matrix: Float[Tensor, "m n R"]) -> Float[Tensor, "n m R"]:
    """Transpose in each replicate (a view)."""
    return matrix.transpose(0, 1)


class Constants(NamedTuple):
    """D^(1/2), 1/sigma_x2 and beta as tensors, of one problem or of each replicate's own: compiled code then serves
    every problem of one shape.
    """

    deviation: Float[Tensor, " k #R"]
    precision: Float[Tensor, " #R"]
    beta: Float[Tensor, " #R"]


class Moments(NamedTuple):
    """Second moments at given weights that the closed forms share: WS, V^T S, V^T V and W S W^T."""

    encoded: Float[Tensor, "k d R"]
    decoded: Float[Tensor, "k d R"]
    gram: Float[Tensor, "k k R"]
    code: Float[Tensor, "k k R"]


def gather(columns: Float[Tensor, "d N"], indices: Int64[Tensor, "B R"]) -> Float[Tensor, "d B R"]:
    """The minibatch of each replicate."""
    return columns.index_select(1, indices.reshape(-1)).reshape(-1, *indices.shape)


def pathwise_gradient(
    constants: Constants, weights: Weights, x: Float[Tensor, "d B R"], noise: Float[Tensor, "B K k R"]
) -> Weights:
    """Reparameterised gradient of the minibatch objective with analytic Kullback-Leibler term.

    Through the Gram matrix V^T V no residual is formed: four passes over the batch instead of five.
    """
    encoder, decoder = weights
    batch_size, samples = noise.shape[:2]
    mean = product(encoder, x)
    z = torch.addcmul(mean[:, :, None], constants.deviation[:, None, None], noise.permute(2, 0, 1, 3))
    centre = z[:, :, 0] if samples == 1 else tree_sum(z.movedim(2, 0)) / samples
    z = z.flatten(1, 2)
    up, scale = transpose(decoder), constants.precision / batch_size
    residual = product(up, x) - product(product(up, decoder), centre)
    slope = mean * (constants.beta / batch_size) - residual * scale
    spread = product(decoder, product(z, transpose(z)) / samples)
    return Weights(product(slope, transpose(x)), (spread - product(x, transpose(centre))) * scale)


@dataclass(frozen=True, eq=False)
class LinearVAE:
    """The problem: data [N, d], decoder noise variance sigma_x2 > 0, beta >= 0, posterior variance D [k] > 0.

    Raises ValueError on other values, on non-finite data, and on dtypes or devices that disagree.
    """

    data: Float[Tensor, "N d"]
    noise_variance: float
    beta: float
    posterior_variance: Float[Tensor, " k"]

    def __post_init__(self) -> None:
        if self.data.ndim != 2 or 0 in self.data.shape or not bool(torch.isfinite(self.data).all()):
            raise ValueError(f"data has shape {tuple(self.data.shape)}; allowed: a finite [N, d] with N, d >= 1")
        if not 0 < self.noise_variance < math.inf:
            raise ValueError(f"noise_variance is {self.noise_variance}; allowed: positive and finite")
        if not 0 <= self.beta < math.inf:
            raise ValueError(f"beta is {self.beta}; allowed: finite, at least 0")
        variance = self.posterior_variance
        if variance.ndim != 1 or len(variance) == 0 or not bool(((variance > 0) & torch.isfinite(variance)).all()):
            raise ValueError(f"posterior_variance is {variance.tolist()}; allowed: k >= 1 positive finite values")
        if (variance.dtype, variance.device) != (self.data.dtype, self.data.device):
            raise ValueError(f"posterior_variance is {variance.dtype} on {variance.device}; allowed: as the data")

    @property
    def data_count(self) -> int:
        return self.data.shape[0]

    @property
    def data_dim(self) -> int:
        return self.data.shape[1]

    @property
    def latent_dim(self) -> int:
        return self.posterior_variance.shape[0]

    def to(self, device: torch.device | str, dtype: torch.dtype) -> "LinearVAE":
        """The same problem on another device or in another dtype."""
        return LinearVAE(
            self.data.to(device, dtype),
            self.noise_variance,
            self.beta,
            self.posterior_variance.to(device, dtype),
        )

    @cached_property
    def second_moment(self) -> Float[Tensor, "d d"]:
        """S = mean of x x^T."""
        return self.data.T @ self.data / self.data_count

    @cached_property
    def largest_moment(self) -> float:
        """Lambda = operator norm of S."""
        return max(float(torch.linalg.eigvalsh(self.second_moment)[-1]), 0.0)

    @cached_property
    def constants(self) -> Constants:
        """The parameters as ``pathwise_gradient`` takes them."""
        numbers = self.data.new_tensor([1 / self.noise_variance]), self.data.new_tensor([self.beta])
        return Constants(self.posterior_variance.sqrt()[:, None], *numbers)

    @cached_property
    def columns(self) -> Float[Tensor, "d N"]:
        """The data, one row per feature, as ``gather`` takes them."""
        return self.data.T.contiguous()

    def moments(self, weights: Weights) -> Moments:
        """The shared second moments at the weights."""
        encoder, decoder = weights
        second, up = self.second_moment[..., None], transpose(decoder)
        encoded = product(encoder, second)
        return Moments(encoded, product(up, second), product(up, decoder), product(encoded, transpose(encoder)))

    def divergence_offset(self) -> float:
        """The part of beta KL that no weight moves: (beta/2) sum(D - 1 - log D)."""
        variance = self.posterior_variance
        return self.beta / 2 * float((variance - 1 - variance.log()).sum())

    def likelihood_offset(self) -> float:
        """The part of the negative log-likelihood that no weight moves: (d/2) log(2 pi sigma_x2)."""
        return self.data_dim / 2 * math.log(2 * math.pi * self.noise_variance)

    def objective(self, weights: Weights) -> Float[Tensor, " R"]:
        """Negative beta-ELBO F(W, V), averaged over the data, exact."""
        m = self.moments(weights)
        trace = self.second_moment.trace() + diagonal_sum(m.gram, self.posterior_variance)
        fit = trace - 2 * sum_entries(m.encoded * transpose(weights.decoder)) + sum_entries(m.gram * m.code)
        offset = self.likelihood_offset() + self.divergence_offset()
        return fit / (2 * self.noise_variance) + self.beta / 2 * diagonal_sum(m.code) + offset

    def gradient(self, weights: Weights) -> Weights:
        """Exact gradient: -V^T (I - VW) S / sigma_x2 + beta W S and -((I - VW) S W^T - V D) / sigma_x2."""
        m, s = self.moments(weights), self.noise_variance
        spread = m.code + torch.diag(self.posterior_variance)[..., None]
        return Weights(
            (product(m.gram, m.encoded) - m.decoded) / s + self.beta * m.encoded,
            (product(weights.decoder, spread) - transpose(m.encoded)) / s,
        )

    def sample_gradient(
        self, weights: Weights, indices: Int64[Tensor, "B R"], noise: Float[Tensor, "B K k R"]
    ) -> Weights:
        """Pathwise gradient on data ``indices`` with K noises each, analytic Kullback-Leibler term.

        Unbiased for ``gradient`` if indices are uniform and noise has mean 0 and covariance I.
        """
        return pathwise_gradient(self.constants, weights, gather(self.columns, indices), noise)

    def codes(self, weights: Weights) -> tuple[Float[Tensor, "k N R"], Float[Tensor, "k N R"]]:
        """Posterior means mu = W x of every datum, and the residuals seen by the decoder, V^T (x - V mu)."""
        x, up = self.columns[..., None], transpose(weights.decoder)
        code = product(weights.encoder, x)
        return code, product(up, x) - product(product(up, weights.decoder), code)

    def noise_split(self, weights: Weights, kurtosis: float) -> tuple[Float[Tensor, " R"], Float[Tensor, " R"]]:
        """(s1, s2) with trace Cov(sample gradient) = s1/B + s2/(BK), indices drawn with replacement.

        Exact for independent symmetric noise coordinates with unit variance and the given kurtosis.
        Without replacement s1/B becomes s1 (N - B) / (B (N - 1)).
        """
        return self._data_part(weights), self._noise_part(weights, kurtosis)

    def _data_part(self, weights: Weights) -> Float[Tensor, " R"]:
        # Deviations from the mean are squared term by term: the shorter E|g|^2 - |E g|^2 can come out
        # negative where the data agree.
        s, mean = self.noise_variance, self.gradient(weights)
        code, pull = self.codes(weights)
        x, slope = self.columns[..., None], self.beta * code - pull / s
        outer = mean.decoder - weights.decoder * self.posterior_variance[:, None] / s
        total = torch.zeros_like(slope)
        for row in range(self.data_dim):
            deviation = slope * x[row] - mean.encoder[:, row, None]
            total.addcmul_(deviation, deviation)
            residual = x[row] - product(weights.decoder[row : row + 1], code)[0]
            deviation = code * (residual / -s) - outer[row, :, None]
            total.addcmul_(deviation, deviation)
        return tree_sum(tree_sum(total)) / self.data_count

    def _noise_part(self, weights: Weights, kurtosis: float) -> Float[Tensor, " R"]:
        m, variance = self.moments(weights), self.posterior_variance
        total, size = self.second_moment.trace(), variance.sum()
        fold = sum_entries(m.encoded * transpose(weights.decoder))
        residual = total - 2 * fold + sum_entries(m.gram * m.code)
        spread = diagonal_sum(m.gram, variance)
        # E[r^T V D mu] = tr(D W S V) - tr(D W S W^T V^T V)
        aligned = sum_entries(m.encoded * transpose(weights.decoder) * variance[:, None, None])
        aligned = aligned - sum_entries(m.gram * m.code * variance[:, None, None])
        gram_square = sum_entries(m.gram.square() * variance[:, None, None])
        return (
            total * gram_square
            + residual * size
            + diagonal_sum(m.code) * spread
            - 2 * aligned
            + spread * size
            + (kurtosis - 2) * diagonal_sum(m.gram, variance.square())
        ) / self.noise_variance**2

    def _modes(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Top min(k, d) eigenvalues, their eigenvectors, the latent axes they use, and the squared gains.

        Own derivation: with W eliminated by least squares the objective is, up to constants,
        beta/2 tr(S (V V^T + beta sigma_x2 I)^-1) + tr(V D V^T) / (2 sigma_x2). By von Neumann's trace
        inequality, twice, its least value over V with given singular values aligns them with S and pairs
        the largest with the smallest D; mode by mode the best squared gain is then
        sqrt(beta lambda_i sigma_x2 / D_i) - beta sigma_x2, or 0, which decreases in i as the pairing needs.
        """
        values, vectors = torch.linalg.eigh(self.second_moment)
        count = min(self.latent_dim, self.data_dim)
        values, vectors = values.flip(0)[:count].clamp_min(0), vectors.flip(1)[:, :count]
        axes = self.posterior_variance.argsort()[:count]
        floor = self.beta * self.noise_variance
        gains = (floor * values / self.posterior_variance[axes]).sqrt() - floor
        return values, vectors, axes, gains.clamp_min(0)

    def infimum(self) -> float:
        """Least value of the objective over all weights, for any fixed diagonal D.

        At beta = 0 it is not attained.
        """
        values, _, axes, gains = self._modes()
        s, variance = self.noise_variance, self.posterior_variance[axes]
        active = (self.beta * values * variance / s).sqrt() - self.beta * variance / 2
        kept = torch.where((gains > 0) | (self.beta == 0), active, values / (2 * s))
        rest = torch.linalg.eigvalsh(self.second_moment).flip(0)[len(values) :].clamp_min(0) / (2 * s)
        return float(kept.sum() + rest.sum()) + self.likelihood_offset() + self.divergence_offset()

    def minimiser(self) -> Weights:
        """Weights, one replicate, where the objective attains ``infimum``. Raises ValueError at beta = 0."""
        if self.beta == 0:
            raise ValueError("beta is 0; allowed: positive, since at 0 the infimum is not attained")
        _, vectors, axes, gains = self._modes()
        decoder = self.data.new_zeros(self.data_dim, self.latent_dim)
        decoder[:, axes] = vectors * gains.sqrt()
        encoder = decoder.new_zeros(self.latent_dim, self.data_dim)
        encoder[axes] = (vectors * (gains.sqrt() / (gains + self.beta * self.noise_variance))).T
        return Weights(encoder[..., None], decoder[..., None])

    def directional_gradient(self, weights: Weights, direction: Weights) -> Weights:
        """Derivative of the exact gradient along ``direction`` (the Hessian applied to it)."""
        (encoder, decoder), (de, dd) = weights, direction
        m, s = self.moments(weights), self.noise_variance
        second = self.second_moment[..., None]
        moved = product(de, second)
        gram = product(transpose(dd), decoder)
        code = product(moved, transpose(encoder))
        spread = m.code + torch.diag(self.posterior_variance)[..., None]
        return Weights(
            (product(gram + transpose(gram), m.encoded) + product(m.gram, moved) - product(transpose(dd), second)) / s
            + self.beta * moved,
            (product(dd, spread) + product(decoder, code + transpose(code)) - transpose(moved)) / s,
        )

    def hessian(self, encoder: Float[Tensor, "k d"], decoder: Float[Tensor, "d k"]) -> Float[Tensor, "P P"]:
        """Dense Hessian at one point, P = 2 d k: encoder entries row by row, then decoder entries."""
        size = encoder.numel()
        basis = torch.eye(2 * size, dtype=encoder.dtype, device=encoder.device)
        direction = Weights(basis[:size].reshape(*encoder.shape, -1), basis[size:].reshape(*decoder.shape, -1))
        columns = self.directional_gradient(Weights(encoder[..., None], decoder[..., None]), direction)
        return torch.cat((columns.encoder.flatten(0, 1), columns.decoder.flatten(0, 1)))

    def smoothness_on_ball(self, radius: float) -> float:
        """L(r) = (lambda / sigma_x2)(1 + 3 r^2 / 2) + max(beta lambda, max D / sigma_x2).

        Bounds the Hessian's operator norm where |W|^2 + |V|^2 <= r^2 (Frobenius). Own derivation.
        Equality at ``extremal_point`` if D is a multiple of I and beta lambda = D / sigma_x2.
        """
        _check_radius(radius)
        top, s = self.largest_moment, self.noise_variance
        return top / s * (1 + 1.5 * radius**2) + max(self.beta * top, float(self.posterior_variance.max()) / s)

    def extremal_point(self, radius: float) -> Weights:
        """V = (r / sqrt 2) u e^T and W = -(r / sqrt 2) e u^T, one replicate: u leads S, e has the largest D.

        The radial curvature there is (lambda / sigma_x2)(1 + 3 r^2 / 2) + (beta lambda + D / sigma_x2) / 2.
        """
        _check_radius(radius)
        lead = torch.linalg.eigh(self.second_moment).eigenvectors[:, -1] * (radius / math.sqrt(2))
        decoder = lead.new_zeros(self.data_dim, self.latent_dim)
        decoder[:, int(self.posterior_variance.argmax())] = lead
        return Weights(-decoder.T.contiguous()[..., None], decoder[..., None])

    def gradient_bound(self, radius: float) -> float:
        """Bound on the exact gradient's norm over the ball of radius r.

        With v = |V|, w = |W|: |dF/dW| <= lambda (v (1 + v w) / sigma_x2 + beta w) and
        |dF/dV| <= ((1 + v w) w lambda + max D v) / sigma_x2. Own derivation.
        """
        top, s = self.largest_moment, self.noise_variance
        widest = float(self.posterior_variance.max())

        def square(v: Tensor, w: Tensor) -> Tensor:
            encoder = top * (v * (1 + v * w) / s + self.beta * w)
            decoder = ((1 + v * w) * w * top + widest * v) / s
            return encoder**2 + decoder**2

        return math.sqrt(circle_bound(square, radius))

    def sample_gradient_bound(self, radius: float, noise_bound: float) -> float:
        """Bound on the sample gradient's norm over the ball of radius r, any batch, noises of modulus at most a bound.

        Per datum and noise |z| <= w |x| + bound sqrt(tr D) and |x - V z| <= |x| + v |z|; a batch's mean is no longer
        than its longest part. Equality in one dimension. Own derivation.
        """
        s, longest = self.noise_variance, float(self.data.square().sum(1).max()) ** 0.5
        spread = noise_bound * float(self.posterior_variance.sum()) ** 0.5

        def square(v: Tensor, w: Tensor) -> Tensor:
            latent = w * longest + spread
            residual = (longest + v * latent) / s
            encoder = (v * residual + self.beta * w * longest) * longest
            return torch.square(encoder) + torch.square(residual * latent)

        return math.sqrt(circle_bound(square, radius))

    def noise_bounds(self, radius: float, kurtosis: float) -> tuple[float, float]:
        """Bounds on s1 and s2 of ``noise_split`` over the ball of radius r. Own derivation.

        Per datum |r| <= (1 + v w) |x| and |mu| <= w |x|; traces of products by norms of the factors.
        """
        s, fourth = self.noise_variance, float(self.data.square().sum(1).square().mean())
        total, size = float(self.data.square().sum(1).mean()), float(self.posterior_variance.sum())
        widest = float(self.posterior_variance.max())
        excess = max(0.0, kurtosis - 2)

        def data_part(v: Tensor, w: Tensor) -> Tensor:
            return fourth * ((w * (1 + v * w) / s) ** 2 + (v * (1 + v * w) / s + self.beta * w) ** 2)

        def noise_part(v: Tensor, w: Tensor) -> Tensor:
            reach = 1 + v * w
            pulled = widest * (v**4 + v**2 * w**2 + 2 * v * w * reach) + size * reach**2
            return (total * pulled + widest * v**2 * (size + excess * widest)) / s**2

        return circle_bound(data_part, radius), circle_bound(noise_part, radius)


def circle_bound(function: Callable[[Tensor, Tensor], Tensor], radius: float, cells: int = 4096) -> float:
    """Upper bound on the largest f(v, w) over v, w >= 0, v^2 + w^2 <= r^2, for f increasing in v and in w.

    On the arc between two angles v is at most its value at the first and w at most its value at the second,
    so the largest corner value bounds the arc: sure at any number of cells, tight to first order in 1/cells.
    """
    _check_radius(radius)
    angles = torch.linspace(0, math.pi / 2, cells + 1, dtype=torch.float64)
    corners = function(radius * angles[:-1].cos(), radius * angles[1:].sin())
    return float(corners.max()) * ROUND_UP


def _check_radius(radius: float) -> None:
    if not 0 < radius < math.inf:
        raise ValueError(f"radius is {radius}; allowed: positive and finite")


def sum_entries(matrix: Float[Tensor, "m n R"]) -> Float[Tensor, " R"]:
    """Sum of all entries, in each replicate."""
    return tree_sum(matrix.flatten(0, 1))


def diagonal_sum(matrix: Float[Tensor, "k k R"], scale: Tensor | None = None) -> Float[Tensor, " R"]:
    """Trace in each replicate, with entry j times ``scale[j]`` where given."""
    entries = [matrix[j, j] if scale is None else matrix[j, j] * scale[j] for j in range(matrix.shape[0])]
    return tree_sum(torch.stack(entries))
