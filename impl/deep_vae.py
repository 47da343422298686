"""The deep Gaussian variational autoencoder: any depth, width and smooth activation, explicit backpropagation.

Encoder: hidden layers h(x), then mean mu = f_mu(A h + a) and log-variance l = f_l(C h + c), each through its own
activation. Latent z = mu + e^(l/2) eps. Decoder: hidden layers in the reverse order of widths, then mean
g(z) = f_g(.). Likelihood N(g(z), sigma_x2 I), prior N(0, I), analytic Kullback-Leibler term with weight beta:

    F = mean_x [E_eps |x - g(z)|^2 / (2 sigma_x2) + (beta/2) sum_j (mu^2 + e^l - 1 - l)] + (d/2) log(2 pi sigma_x2).

All parameters of R replicates are the columns of one matrix [P, R]; no loop runs over replicates. Inside, replicates
are the first axis, as batched matrix products want them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product as cartesian
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from elbound.impl.noise import THREE_POINT


@runtime_checkable
class Activation(Protocol):
    """A smooth scalar function with its first two derivatives, sup |f'|, sup |f''| and sup |f|."""

    def value(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]: ...
    def slope(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]: ...
    def curvature(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]: ...
    @property
    def slope_bound(self) -> float: ...
    @property
    def curvature_bound(self) -> float: ...


@dataclass(frozen=True)
class Tanh:
    """The hyperbolic tangent; sup |f''| = 4 / (3 sqrt 3), where tanh^2 = 1/3."""

    slope_bound: float = 1.0
    curvature_bound: float = 4 / (3 * math.sqrt(3))

    def value(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return linearised(self, x)[0]

    def slope(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return linearised(self, x)[1]

    def curvature(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        height, slope = linearised(self, x)
        return -2 * height * slope


@dataclass(frozen=True)
class Heads:
    """The encoder's last activation: ``mean`` on the first half of the rows, ``log_variance`` on the second."""

    mean: Activation
    log_variance: Activation


@dataclass(frozen=True)
class Logistic:
    """1 / (1 + e^-x), into (0, 1); |f''| = |1 - 2f| f (1 - f) is largest where f = (1 +- 1/sqrt 3) / 2."""

    slope_bound: float = 0.25
    curvature_bound: float = 1 / (6 * math.sqrt(3))

    def value(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return torch.sigmoid(x)

    def slope(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return torch.sigmoid(x) * torch.sigmoid(-x)

    def curvature(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return -torch.tanh(x / 2) * self.slope(x)


@dataclass(frozen=True)
class Rectifier:
    """max(x, 0), what practice uses and no smoothness theorem covers; slope 0 at the kink, curvature 0 beside it."""

    slope_bound: float = 1.0
    curvature_bound: float = math.inf

    def value(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return torch.relu(x)

    def slope(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return (x > 0).to(x.dtype)

    def curvature(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return torch.zeros_like(x)


@dataclass(frozen=True)
class Identity:
    """x itself: an unbounded head."""

    slope_bound: float = 1.0
    curvature_bound: float = 0.0

    def value(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return x

    def slope(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return torch.ones_like(x)

    def curvature(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return torch.zeros_like(x)


def linearised(
    activation: Activation | Heads, x: Float[Tensor, "*shape"]
) -> tuple[Float[Tensor, "*shape"], Float[Tensor, "*shape"]]:
    """f(x) and f'(x), the hyperbolic tangent's slope from its value.

    The tangent is 1 - 2 sigmoid(-2 x), within 4 eps of exact: several times as fast as the library's.
    """
    if isinstance(activation, Tanh):
        height = torch.rsub(torch.sigmoid(-2 * x), 1, alpha=2)
        return height, torch.addcmul(height.new_ones(()), height, height, value=-1)
    if isinstance(activation, Heads):
        mean, spread = x.chunk(2, dim=1)
        parts = zip(linearised(activation.mean, mean), linearised(activation.log_variance, spread), strict=True)
        height, slope = (torch.cat(pair, dim=1) for pair in parts)
        return height, slope
    return activation.value(x), activation.slope(x)


@dataclass(frozen=True)
class Architecture:
    """Sizes and activations: hidden ``widths`` of the encoder, reversed in the decoder; P parameters in all.

    ``mean``, ``log_variance`` and ``output`` act on the heads mu, l and g. Raises ValueError for an empty
    architecture (no hidden layer) and for sizes below 1.
    """

    data_dim: int
    latent_dim: int
    widths: tuple[int, ...]
    hidden: Activation
    mean: Activation
    log_variance: Activation
    output: Activation

    def __post_init__(self) -> None:
        if not self.widths:
            raise ValueError("widths is (), an empty architecture; allowed: at least one hidden layer")
        for name, size in (("data_dim", self.data_dim), ("latent_dim", self.latent_dim)):
            if size < 1:
                raise ValueError(f"{name} is {size}; allowed: at least 1")
        if min(self.widths) < 1:
            raise ValueError(f"widths is {self.widths}; allowed: every width at least 1")

    @property
    def depth(self) -> int:
        """Hidden layers on each side."""
        return len(self.widths)

    @cached_property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """(outputs, inputs) of every affine map: encoder's hidden, mean head, log-variance head, decoder's, output."""
        down = (self.data_dim, *self.widths)
        up = (self.latent_dim, *self.widths[::-1], self.data_dim)
        heads = 2 * ((self.latent_dim, self.widths[-1]),)
        return (*_pairs(down), *heads, *_pairs(up))

    @cached_property
    def parameter_count(self) -> int:
        return sum(rows * (columns + 1) for rows, columns in self.shapes)


def _pairs(sizes: Sequence[int]) -> tuple[tuple[int, int], ...]:
    return tuple(zip(sizes[1:], sizes[:-1], strict=True))


class Affine(NamedTuple):
    """The map a -> A a + b of every replicate."""

    weight: Float[Tensor, "R rows cols"]
    bias: Float[Tensor, "R rows"]


def unpack(shapes: Sequence[tuple[int, int]], theta: Float[Tensor, "P R"]) -> tuple[Affine, ...]:
    """The affine maps in a parameter matrix: for each map its matrix by rows, then its offset; views where possible."""
    sizes = [size for outputs, inputs in shapes for size in (outputs * inputs, outputs)]
    parts = theta.T.contiguous().split(sizes, dim=1)
    pairs = zip(shapes, parts[::2], parts[1::2], strict=True)
    return tuple(Affine(weight.unflatten(1, shape), bias) for shape, weight, bias in pairs)


def pack(maps: Sequence[Affine]) -> Float[Tensor, "P R"]:
    """The parameter matrix of affine maps; inverse of ``unpack``."""
    return torch.cat([part.flatten(1) for affine in maps for part in affine], dim=1).T


class Trace(NamedTuple):
    """What a chain of layers saw: inputs and activation slopes layer by layer, and the last activation."""

    inputs: list[Float[Tensor, "R _in M"]]
    slopes: list[Float[Tensor, "R _out M"]]
    output: Float[Tensor, "R out M"]


def forward(maps: Sequence[Affine], activations: Sequence[Activation | Heads], a: Float[Tensor, "R _ M"]) -> Trace:
    """The layers one after another on M columns."""
    inputs, slopes = [], []
    for (weight, bias), activation in zip(maps, activations, strict=True):
        inputs.append(a)
        a, slope = linearised(activation, torch.baddbmm(bias[..., None], weight, a))
        slopes.append(slope)
    return Trace(inputs, slopes, a)


def backward(
    maps: Sequence[Affine], trace: Trace, pull: Float[Tensor, "R out M"]
) -> tuple[list[Affine], Float[Tensor, "R first M"]]:
    """Gradients of sum pull . output with respect to every map, and to what the first of them returns."""
    found = []
    for j in reversed(range(len(maps))):
        pull = trace.slopes[j] * pull
        found.append(Affine(torch.bmm(pull, trace.inputs[j].mT), pull.sum(2)))
        if j:
            pull = torch.bmm(maps[j].weight.mT, pull)
    return found[::-1], pull


class LatentSample(NamedTuple):
    """The latent sample for each datum and noise, and the encoder's standard deviations."""

    latent: Float[Tensor, "R k B Q"]
    deviation: Float[Tensor, "R k B"]


def latent_sample(
    mean: Float[Tensor, "R k B"], log_variance: Float[Tensor, "R k B"], noise: Float[Tensor, "#R k #B Q"]
) -> LatentSample:
    """z = mu + e^(l/2) eps: the encoder's Gaussian written in its own noise."""
    deviation = torch.exp(log_variance / 2)
    return LatentSample(mean[..., None] + deviation[..., None] * noise, deviation)


@dataclass(frozen=True, eq=False)
class NoiseRule:
    """Nodes eps [Q, k] and weights [Q] that stand for the law of the latent noise: E h(eps) = sum_q w_q h(eps_q).

    ``name`` says what the expectation then is: exact for a finite law, which is a surrogate of the Gaussian one.
    """

    name: str
    nodes: Float[Tensor, "Q k"]
    weights: Float[Tensor, " Q"]

    @property
    def norms(self) -> Float[Tensor, " Q"]:
        """|eps_q|."""
        return self.nodes.square().sum(1).sqrt()


def three_point_rule(latent_dim: int) -> NoiseRule:
    """All 3^k outcomes of three-point noise: F and its gradient are then finite sums, of a surrogate of the Gaussian.

    The surrogate replaces the law of eps in the reconstruction term by {-sqrt 3, 0, sqrt 3} with chances 1/6, 2/3, 1/6,
    which has the Gaussian's moments up to order five; the Kullback-Leibler term stays analytic.
    Raises ValueError unless 1 <= latent_dim <= 8 (6561 nodes).
    """
    if not 1 <= latent_dim <= 8:
        raise ValueError(f"latent_dim is {latent_dim}; allowed for enumerated noise: 1 to 8")
    nodes = torch.tensor(list(cartesian(THREE_POINT.support, repeat=latent_dim)), dtype=torch.float64)
    chances = torch.tensor(list(cartesian(THREE_POINT.weights, repeat=latent_dim)), dtype=torch.float64)
    return NoiseRule("three-point noise, enumerated (surrogate)", nodes, chances.prod(1))


def no_noise(latent_dim: int) -> NoiseRule:
    """The law concentrated at eps = 0: an autoencoder that keeps the Kullback-Leibler term."""
    one = torch.ones(1, dtype=torch.float64)
    return NoiseRule("no noise", torch.zeros(1, latent_dim, dtype=torch.float64), one)


def trapezoid_rule(intervals: int, reach: float = 9.0) -> NoiseRule:
    """Trapezoid rule on [-reach, reach] for Gaussian noise in one dimension, weights scaled to sum to one.

    Converges geometrically for integrands analytic near the real axis; the tails beyond 9 hold 2e-19 of the mass, those
    beyond 6 hold 2e-9. Raises ValueError for fewer than 2 intervals or a reach that is not positive and finite.
    """
    if intervals < 2:
        raise ValueError(f"intervals is {intervals}; allowed: at least 2")
    if not 0 < reach < math.inf:
        raise ValueError(f"reach is {reach}; allowed: positive and finite")
    nodes = torch.linspace(-reach, reach, intervals + 1, dtype=torch.float64)
    weights = torch.exp(-nodes.square() / 2)
    return NoiseRule(f"trapezoid rule, {intervals} intervals", nodes[:, None], weights / weights.sum())


class Batch(NamedTuple):
    """Data and noise of a minibatch: B data, Q noise nodes with weights for each; axes of size 1 broadcast over R."""

    x: Float[Tensor, "d B #R"]
    noise: Float[Tensor, " k #B Q #R"]
    weights: Float[Tensor, " Q"]


@dataclass(frozen=True, eq=False)
class DeepVAE:
    """The problem: data [N, d], decoder noise variance sigma_x2 > 0, beta >= 0, and an architecture.

    Raises ValueError on other values, on non-finite data, and where the data's dimension is not the architecture's.
    """

    data: Float[Tensor, "N d"]
    noise_variance: float
    beta: float
    architecture: Architecture

    def __post_init__(self) -> None:
        if self.data.ndim != 2 or 0 in self.data.shape or not bool(torch.isfinite(self.data).all()):
            raise ValueError(f"data has shape {tuple(self.data.shape)}; allowed: a finite [N, d] with N, d >= 1")
        if self.data.shape[1] != self.architecture.data_dim:
            raise ValueError(f"data has dimension {self.data.shape[1]}; allowed: data_dim {self.architecture.data_dim}")
        if not 0 < self.noise_variance < math.inf:
            raise ValueError(f"noise_variance is {self.noise_variance}; allowed: positive and finite")
        if not 0 <= self.beta < math.inf:
            raise ValueError(f"beta is {self.beta}; allowed: finite, at least 0")

    def to(self, device: torch.device | str, dtype: torch.dtype) -> "DeepVAE":
        """The same problem on another device or in another dtype."""
        return replace(self, data=self.data.to(device, dtype))

    @property
    def data_count(self) -> int:
        return self.data.shape[0]

    def whole(self, rule: NoiseRule) -> Batch:
        """All data under a rule for the noise: the batch whose mean is F."""
        nodes, weights = rule.nodes.to(self.data), rule.weights.to(self.data)
        return Batch(self.data.T[..., None], nodes.T[:, None, :, None], weights)

    def minibatch(self, x: Float[Tensor, "d B R"], noise: Float[Tensor, "B K k R"]) -> Batch:
        """A drawn minibatch: K equally weighted noises for each datum."""
        samples = noise.shape[1]
        return Batch(x, noise.permute(2, 0, 1, 3), x.new_full((samples,), 1 / samples))

    def _check(self, theta: Tensor) -> None:
        count = self.architecture.parameter_count
        if theta.ndim != 2 or theta.shape[0] != count:
            raise ValueError(f"theta has shape {tuple(theta.shape)}; allowed: [{count}, R]")

    def run_through(self, theta: Float[Tensor, "P R"], batch: Batch) -> "Pass":
        """Encoder, reparametrisation and decoder on a batch. Raises ValueError for theta of another shape."""
        self._check(theta)
        shape, replicates = self.architecture, theta.shape[1]
        maps, hidden = unpack(shape.shapes, theta), shape.depth * (shape.hidden,)
        trunk, heads, decoder_maps = maps[: shape.depth], maps[shape.depth : shape.depth + 2], maps[shape.depth + 2 :]
        # One product for both heads.
        encoder_maps = (*trunk, Affine(*(torch.cat(parts, dim=1) for parts in zip(*heads, strict=True))))
        x, noise = batch.x.permute(2, 0, 1).expand(replicates, -1, -1), batch.noise.permute(3, 0, 1, 2)
        encoder = forward(encoder_maps, (*hidden, Heads(shape.mean, shape.log_variance)), x)
        mean, spread = encoder.output.chunk(2, dim=1)
        z, deviation = latent_sample(mean, spread, noise)
        decoder = forward(decoder_maps, (*hidden, shape.output), z.flatten(2))
        residual = decoder.output.unflatten(2, z.shape[2:]) - x[..., None]
        return Pass(encoder_maps, encoder, decoder_maps, decoder, mean, spread, deviation, noise, z, residual)

    def sample_values(self, theta: Float[Tensor, "P R"], batch: Batch) -> Float[Tensor, "B Q R"]:
        """The integrand for each datum and noise: reconstruction plus constant plus beta times the KL term."""
        found = self.run_through(theta, batch)
        divergence = (found.mean.square() + torch.expm1(found.spread) - found.spread).sum(1) / 2
        offset = self.data.shape[1] / 2 * math.log(2 * math.pi * self.noise_variance)
        fit = found.residual.square().sum(1) / (2 * self.noise_variance)
        return (fit + (self.beta * divergence + offset)[..., None]).permute(1, 2, 0)

    def objective(self, theta: Float[Tensor, "P R"], batch: Batch) -> Float[Tensor, " R"]:
        """The batch's mean of the integrand: F itself for ``whole(rule)``, in nats."""
        values = self.sample_values(theta, batch)
        return (values * batch.weights[:, None]).sum(1).mean(0)

    def gradient(self, theta: Float[Tensor, "P R"], batch: Batch) -> Float[Tensor, "P R"]:
        """Gradient of ``objective``: pathwise, with analytic Kullback-Leibler term, by explicit backpropagation."""
        found, size = self.run_through(theta, batch), batch.x.shape[1]
        share = self.beta / size
        return self.pulled_back(
            found,
            output=found.residual * (batch.weights / (size * self.noise_variance)),
            mean=share * found.mean,
            spread=share / 2 * torch.expm1(found.spread),
        )

    def pulled_back(
        self,
        found: "Pass",
        *,
        output: Float[Tensor, "R d B Q"],
        latent: Float[Tensor, "R k B Q"] | None = None,
        mean: Float[Tensor, "R k B"] | None = None,
        spread: Float[Tensor, "R k B"],
    ) -> Float[Tensor, "P R"]:
        """Gradient by theta of a function with the given partial derivatives by g(z), z, mu and l, each held apart."""
        decoder, pull = backward(found.decoder_maps, found.decoder, output.flatten(2))
        pull_z = torch.bmm(found.decoder_maps[0].weight.mT, pull).unflatten(2, found.latent.shape[2:])
        pull_z = pull_z if latent is None else pull_z + latent
        pull_mean = pull_z.sum(3) if mean is None else pull_z.sum(3) + mean
        pull_spread = (pull_z * found.noise).sum(3) * found.deviation / 2 + spread
        (*trunk, heads), _ = backward(found.encoder_maps, found.encoder, torch.cat((pull_mean, pull_spread), dim=1))
        halves = (Affine(*parts) for parts in zip(*(part.chunk(2, dim=1) for part in heads), strict=True))
        return pack((*trunk, *halves, *decoder))

    def hessian(self, theta: Float[Tensor, " P"], batch: Batch) -> Float[Tensor, "P P"]:
        """Hessian of ``objective`` at one point: the explicit gradient at P copies, differentiated by autograd."""
        copies = theta[:, None].repeat(1, len(theta)).requires_grad_()
        # Copy r carries entry r of the gradient, so its derivative is row r of the Hessian.
        (found,) = torch.autograd.grad(self.gradient(copies, batch).diagonal().sum(), copies)
        return (found + found.T) / 2


class Pass(NamedTuple):
    """All that one run through the model leaves for the way back; residual g(z) - x for each datum and noise."""

    encoder_maps: tuple[Affine, ...]
    encoder: Trace
    decoder_maps: tuple[Affine, ...]
    decoder: Trace
    mean: Float[Tensor, "R k B"]
    spread: Float[Tensor, "R k B"]
    deviation: Float[Tensor, "R k B"]
    noise: Float[Tensor, "#R k #B Q"]
    latent: Float[Tensor, "R k B Q"]
    residual: Float[Tensor, "R d B Q"]


def trapezoid_gradient(
    problem: DeepVAE, theta: Float[Tensor, "P R"], intervals: int = 200, tolerance: float = 1e-12
) -> tuple[Float[Tensor, " R"], Float[Tensor, "P R"]]:
    """F and its gradient under Gaussian noise for latent_dim 1, the trapezoid rule doubled until both settle.

    Settled: a doubling moves F and every entry of the gradient by at most ``tolerance`` (1 + the largest in size).
    Raises ValueError for another latent_dim, ArithmeticError where 16 times ``intervals`` do not settle.
    """
    if problem.architecture.latent_dim != 1:
        raise ValueError(f"latent_dim is {problem.architecture.latent_dim}; allowed for the trapezoid rule: 1")
    known: tuple[Tensor, Tensor] | None = None
    for doublings in range(5):
        batch = problem.whole(trapezoid_rule(intervals * 2**doublings))
        found = problem.objective(theta, batch), problem.gradient(theta, batch)
        if known is not None and all(_settled(*pair, tolerance) for pair in zip(found, known, strict=True)):
            return found
        known = found
    raise ArithmeticError(f"trapezoid rule: not settled to {tolerance:g} with {16 * intervals} intervals on [-9, 9]")


def _settled(new: Tensor, old: Tensor, tolerance: float) -> bool:
    return bool((new - old).abs().max() <= tolerance * (1 + new.abs().max()))
