"""Training of the noisy wide network f(x, e) = (1/sqrt m) A phi(W x + s e), A = +-1 fixed, latent dimension m.

Averaged over the noise it is (1/sqrt m) A phi_s(W x); at one frozen draw it is a network without noise.
Loss (1/2) |f - y|^2 + (ridge/2) |W - W_0|^2, sums over data and outputs. Residuals are y - f. Values on data are
[N, d]; kernels index (datum, output) with the datum major. dtype and device are those of the weights given.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import e, inf, pi, sqrt
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from elbound.impl.flow import Path, solve
from elbound.impl.kernels import ERF, RELU, Activation, require_finite
from elbound.impl.noise import GAUSSIAN, RADEMACHER, Stream, words
from elbound.impl.output_variance import output_variance, variance_slope


def curvature_bound(activation: Activation, s: float) -> float:
    """Supremum of |phi_s''|: 1 / (s sqrt(2 pi)) for ReLU, 2c sqrt(2 / (pi e)) with c = 1 / (1 + 2 s^2) for erf.

    Infinite for ReLU without noise. ValueError for another activation, or s outside [0, inf).
    """
    if not 0 <= s < inf:
        raise ValueError(f"noise standard deviation s = {s} must be finite and at least 0")
    if activation is RELU:
        return 1 / (s * sqrt(2 * pi)) if s > 0 else inf
    if activation is ERF:
        return 2 / (1 + 2 * s**2) * sqrt(2 / (pi * e))
    raise ValueError(f"activation {activation.name!r} has no known curvature bound; known are relu, erf")


@runtime_checkable
class Network(Protocol):
    """What training asks of a model: values on the data, products with its Jacobian, and its tangent kernel."""

    def output(self, W: Float[Tensor, "m q"], X: Float[Tensor, "N p"]) -> Float[Tensor, "N d"]: ...
    def pull(
        self, W: Float[Tensor, "m q"], X: Float[Tensor, "N p"], values: Float[Tensor, "N d"]
    ) -> Float[Tensor, "m q"]: ...
    def push(
        self, W: Float[Tensor, "m q"], X: Float[Tensor, "N p"], direction: Float[Tensor, "m q"]
    ) -> Float[Tensor, "N d"]: ...
    def tangent(self, W: Float[Tensor, "m q"], X: Float[Tensor, "N p"]) -> Float[Tensor, "Nd Nd"]: ...


@dataclass(frozen=True)
class WideNetwork:
    """Map W -> (1/sqrt m) A phi_s(W x): output signs A [d, m], noise standard deviation s >= 0, activation.

    With a frozen standard normal draw it is W -> (1/sqrt m) A phi(W x + s e) instead: [1, m] is shared by all inputs,
    [N, m] belongs to the N inputs it is then given.
    ValueError unless d and m are at least 1 and 0 <= s < inf; from its methods unless inputs are finite.
    """

    signs: Float[Tensor, "d m"]
    s: float
    activation: Activation
    frozen: Float[Tensor, "#N m"] | None = None

    @property
    def smoothing(self) -> float:
        """Standard deviation of the noise that is averaged over: s, or 0 once a draw is frozen."""
        return self.s if self.frozen is None else 0.0

    def __post_init__(self) -> None:
        require_network(self.signs, self.s)

    def output(self, W: Float[Tensor, "m p"], X: Float[Tensor, "N p"]) -> Float[Tensor, "N d"]:
        """Values f(X), averaged over the noise or at its frozen draw."""
        return self.activation.smoothed(self._preactivation(W, X), self.smoothing) @ self.signs.T / sqrt(len(W))

    def pull(
        self, W: Float[Tensor, "m p"], X: Float[Tensor, "N p"], values: Float[Tensor, "N d"]
    ) -> Float[Tensor, "m p"]:
        """Transposed Jacobian times values, J^T q, without the Jacobian."""
        return ((values @ self.signs) * self._slopes(W, X)).T @ X / sqrt(len(W))

    def push(
        self, W: Float[Tensor, "m p"], X: Float[Tensor, "N p"], direction: Float[Tensor, "m p"]
    ) -> Float[Tensor, "N d"]:
        """Jacobian times a direction in the weights, J delta, without the Jacobian."""
        return ((X @ direction.T) * self._slopes(W, X)) @ self.signs.T / sqrt(len(W))

    def kernel(
        self,
        W: Float[Tensor, "m p"],
        X: Float[Tensor, "N p"],
        other_W: Float[Tensor, "m p"],
        other_X: Float[Tensor, "M p"],
    ) -> Float[Tensor, "Nd Md"]:
        """J(W; X) J(W'; X')^T as one Gram product of slopes and signs: the tangent kernel where W = W'."""
        one, other = self._features(W, X), self._features(other_W, other_X)
        d = len(self.signs)
        inner = (X @ other_X.T).repeat_interleave(d, 0).repeat_interleave(d, 1)
        return inner * (one @ other.T) / len(W)

    def tangent(self, W: Float[Tensor, "m p"], X: Float[Tensor, "N p"]) -> Float[Tensor, "Nd Nd"]:
        """Tangent kernel J J^T on the data."""
        return self.kernel(W, X, W, X)

    def jacobian_lipschitz(self, X: Float[Tensor, "N p"]) -> float:
        """L_J = sup |phi_s''| max |x_i| sqrt(d |X X^T| / m): |J(W) - J(W')| <= L_J |W - W'| (own derivation).

        ValueError unless there is an input.
        """
        require_finite(X)
        if not X.numel():
            raise ValueError(f"inputs of shape {tuple(X.shape)} must be at least [1, 1]")
        d, m = self.signs.shape
        longest, gram = float(X.norm(dim=1).max()), float(torch.linalg.matrix_norm(X, 2)) ** 2
        return curvature_bound(self.activation, self.smoothing) * longest * sqrt(d * gram / m)

    def jacobian_bound(self, X: Float[Tensor, "N p"]) -> float:
        """sup phi_s' sqrt(d |X X^T|), which no Jacobian's norm exceeds."""
        slope = self.activation.slope_bound(self.smoothing)
        return slope * sqrt(len(self.signs)) * float(torch.linalg.matrix_norm(X, 2))

    def _preactivation(self, W: Tensor, X: Tensor) -> Tensor:
        require_finite(X)
        return X @ W.T if self.frozen is None else X @ W.T + self.s * self.frozen

    def _slopes(self, W: Tensor, X: Tensor) -> Tensor:
        return self.activation.smoothed_slope(self._preactivation(W, X), self.smoothing)

    def _features(self, W: Tensor, X: Tensor) -> Tensor:
        return (self._slopes(W, X)[:, None] * self.signs).flatten(0, 1)


def require_network(signs: Tensor, s: float) -> None:
    """ValueError unless signs are a matrix [d, m] of at least one row and column, and 0 <= s < inf."""
    if signs.ndim != 2 or not signs.numel():
        raise ValueError(f"output signs of shape {tuple(signs.shape)} must be [d, m], outputs d and width m at least 1")
    if not 0 <= s < inf:
        raise ValueError(f"noise standard deviation s = {s} must be finite and at least 0")


def random_start(
    shape: tuple[int, int, int],
    s: float,
    activation: Activation,
    seed: int,
    *,
    antisymmetric: bool = False,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float64,
) -> tuple[WideNetwork, Float[Tensor, "m p"]]:
    """Network and weights W ~ N(0, 1), A = +-1, for shape (d, m, p), a function of the seed alone.

    Antisymmetric: each neuron has a twin of opposite sign, so that f vanishes at the start; the width must be even.
    ValueError for sizes below 1, an odd width with twins, or s outside [0, inf).
    """
    d, m, p = shape
    if min(shape) < 1 or (antisymmetric and m % 2) or not 0 <= s < inf:
        raise ValueError(f"shape (d, m, p) = {shape} must be at least 1, m even with twins, s = {s} in [0, inf)")
    own = m // 2 if antisymmetric else m
    W, A = (
        law.sample(words(Stream.named(part, seed), (0, 1), 0, -(-size * own // 4)), dtype)[: size * own, 0]
        for law, part, size in ((GAUSSIAN, "weights", p), (RADEMACHER, "signs", d))
    )
    W, A = W.reshape(own, p).to(device), A.reshape(d, own).to(device)
    if antisymmetric:
        W, A = torch.cat((W, W)), torch.cat((A, -A), dim=1)
    return WideNetwork(A, s, activation), W


@dataclass(frozen=True)
class Training:
    """A training problem: network, data X [N, p], targets y [N, d], start W_0 [m, q], ridge >= 0; q = p if wide.

    ValueError unless there is a datum, all entries are finite, and 0 <= ridge < inf.
    """

    network: Network
    X: Float[Tensor, "N p"]
    y: Float[Tensor, "N d"]
    start: Float[Tensor, "m q"]
    ridge: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.ridge < inf:
            raise ValueError(f"ridge = {self.ridge} must be finite and at least 0")
        if not self.X.numel():
            raise ValueError(f"inputs of shape {tuple(self.X.shape)} must be at least [1, 1]")
        require_finite(self.X)
        for name, values in (("targets", self.y), ("first weights", self.start)):
            if not bool(values.isfinite().all()):
                raise ValueError(f"{name} of shape {tuple(values.shape)} have entries that are not finite; all must be")

    def residual(self, W: Float[Tensor, "m p"]) -> Float[Tensor, "N d"]:
        """y - f(W)."""
        return self.y - self.network.output(W, self.X)

    def loss(self, W: Float[Tensor, "m p"]) -> Float[Tensor, ""]:
        """(1/2) |y - f|^2 + (ridge/2) |W - W_0|^2."""
        return (self.residual(W).square().sum() + self.ridge * (W - self.start).square().sum()) / 2

    def gradient(self, W: Float[Tensor, "m p"]) -> Float[Tensor, "m p"]:
        """Gradient of the loss: ridge (W - W_0) - J^T (y - f)."""
        return self.ridge * (W - self.start) - self.network.pull(W, self.X, self.residual(W))

    def descent(self, step_size: float, steps: int) -> Float[Tensor, "m p"]:
        """Weights after gradient descent with a constant step size. ValueError unless step_size > 0, steps >= 0."""
        if not step_size > 0 or steps < 0:
            raise ValueError(f"step_size = {step_size} must exceed 0 and steps = {steps} be at least 0")
        W = self.start
        for _ in range(steps):
            W = W - step_size * self.gradient(W)
        return W

    def flow(
        self, times: Sequence[float], along: Callable[[Tensor], Tensor] | None = None, tolerance: float = 1e-12
    ) -> tuple[Float[Tensor, "T m p"], Float[Tensor, "T k"], Float[Tensor, " T"]]:
        """Weights of the gradient flow at the times, integrals of `along(W)` [k] up to them, and error estimates.

        No integrator floor: the summed estimates of all steps are returned (see `solve`); multiply by
        exp(integral of (L_J |y - f| - ridge)_+) to bound the weights' error, the flow's worst expansion.
        """
        size, like = self.start.numel(), self.start

        def velocity(state: Tensor) -> Tensor:
            W = state[:size].view_as(like)
            moving = -self.gradient(W).flatten()
            return moving if along is None else torch.cat((moving, along(W)))

        extra = 0 if along is None else len(along(like))
        state = torch.cat((like.flatten(), like.new_zeros(extra)))
        spectral = float(torch.linalg.eigvalsh(self.network.tangent(like, self.X))[-1])
        path: Path = solve(velocity, state, times, step=1 / (spectral + self.ridge + 1e-9), tolerance=tolerance)
        return path.states[:, :size].unflatten(1, like.shape), path.states[:, size:], path.errors


class Whitened(NamedTuple):
    """Inputs U [N, k] with U^T U = I, k the rank of X, and the map [p, k] with X = U map^T: W X^T = (W map) U^T."""

    inputs: Float[Tensor, "N k"]
    map: Float[Tensor, "p k"]


def whitened(X: Float[Tensor, "N p"]) -> Whitened:
    """Whitened inputs X G^{+1/2} up to a rotation, G = X^T X: their inner products are x^T G^+ x'.

    |(W - W') map| = |(W - W') X^T|. Singular values below max(N, p) roundings of the largest count as zero.
    ValueError where no singular value is left: inputs all zero, none at all, or not finite.
    """
    require_finite(X)
    if not bool((X != 0).any()):
        raise ValueError(f"inputs of shape {tuple(X.shape)} have no singular value to whiten; one must exceed 0")
    U, S, V = torch.linalg.svd(X, full_matrices=False)
    kept = max(X.shape) * torch.finfo(X.dtype).eps * S[0] < S
    return Whitened(U[:, kept], V[kept].T * S[kept])


@dataclass(frozen=True)
class WideTraining(Training):
    """A training problem of a wide network, whose Jacobian is bounded and Lipschitz."""

    network: WideNetwork


@dataclass(frozen=True)
class NoisyTraining(WideTraining):
    """Training on the expected loss over fresh noise: the averaged network's loss plus (d / 2m) sum v_s(w_r . x_i)."""

    def spread(self, W: Float[Tensor, "m p"]) -> Float[Tensor, ""]:
        """Half the summed variance of the outputs over the noise."""
        d, m = self.network.signs.shape
        return d / (2 * m) * output_variance(self.X @ W.T, self.network.s, self.network.activation).sum()

    def spread_gradient(self, W: Float[Tensor, "m p"]) -> Float[Tensor, "m p"]:
        """Gradient of the variance part."""
        d, m = self.network.signs.shape
        return d / (2 * m) * variance_slope(self.X @ W.T, self.network.s, self.network.activation).T @ self.X

    def loss(self, W: Float[Tensor, "m p"]) -> Float[Tensor, ""]:
        """The expected loss, and the ridge."""
        return super().loss(W) + self.spread(W)

    def gradient(self, W: Float[Tensor, "m p"]) -> Float[Tensor, "m p"]:
        """Gradient of the expected loss, and of the ridge."""
        return super().gradient(W) + self.spread_gradient(W)


# Moves whose change of the gradient a step remembers.
MEMORY = 8


class Stationary(NamedTuple):
    """Weights where the solver stopped, and the norm of the loss's gradient there."""

    weights: Float[Tensor, "m p"]
    gradient_norm: float


def stationary_point(
    training: Training, tolerance: float = 1e-12, iterations: int = 500, begin: Float[Tensor, "m p"] | None = None
) -> Stationary:
    """A stationary point of the training's loss by damped Gauss-Newton steps solved in the N d dual variables.

    A step is -(J^T J + ridge + damping)^{-1} gradient (Levenberg 1944; Marquardt 1963), corrected by the curvature seen
    over the last moves (L-BFGS; Liu and Nocedal 1989) and damped more where the loss falls by less than a quarter of
    what it predicts. It comes to rest where `training.gradient` vanishes, also where that has terms beyond the ridge
    loss's. Begins at W_0 unless told otherwise. Stops at a gradient norm of `tolerance` or where rounding stops
    progress; read the norm returned.
    ValueError unless the ridge exceeds 0.
    """
    if not training.ridge > 0:
        raise ValueError(f"ridge = {training.ridge} must exceed 0: without it no dual solution is unique")
    W, damping = training.start if begin is None else begin, 0.0
    loss, gradient, pairs = training.loss(W), training.gradient(W), list[tuple[Tensor, Tensor]]()
    size = float(gradient.norm())
    for _ in range(iterations):
        if size <= tolerance:
            break
        move = _step(training, W, gradient, damping, pairs)
        new_loss, new_gradient = training.loss(W + move), training.gradient(W + move)
        new_size = float(new_gradient.norm())
        predicted = (damping * move.square().sum() - (gradient * move).sum()) / 2
        # Close to the minimum the loss no longer resolves progress, but the gradient does.
        level = bool(predicted <= 1e-14 * loss.abs())
        gain = 1 - new_size / size if level else float((loss - new_loss) / predicted)
        if gain > 0:
            risen = new_gradient - gradient
            pairs = [*pairs, (move, risen)][-MEMORY:] if bool((move * risen).sum() > 0) else []
            W, loss, gradient, size = W + move, new_loss, new_gradient, new_size
        else:
            pairs = []
        if gain < (0 if level else 0.25):
            damping = max(4 * damping, training.ridge / 16)
        elif level or gain > 0.75:
            damping = damping / 4
        if damping > 1e12 * (1 + training.ridge):
            break
    return Stationary(W, size)


def _step(
    training: Training, W: Tensor, gradient: Tensor, damping: float, pairs: Sequence[tuple[Tensor, Tensor]]
) -> Tensor:
    """A Gauss-Newton step, corrected to the changes of the gradient seen over the last moves (two loops of L-BFGS)."""
    left, weights, damped = gradient, list[Tensor](), [(move, risen + damping * move) for move, risen in pairs]
    for move, risen in reversed(damped):
        weights.append((move * left).sum() / (move * risen).sum())
        left = left - weights[-1] * risen
    step = _gauss_newton(training, W, left, damping)
    for (move, risen), weight in zip(damped, reversed(weights), strict=True):
        step = step - (weight + (risen * step).sum() / (move * risen).sum()) * move
    return step


def _gauss_newton(training: Training, W: Tensor, gradient: Tensor, damping: float) -> Tensor:
    """-(J^T J + total)^{-1} gradient, total = ridge + damping: (J^T b - gradient) / total, b from an N d system."""
    net, X, total = training.network, training.X, training.ridge + damping
    kernel, right = net.tangent(W, X), net.push(W, X, gradient)
    shifted = kernel + total * torch.eye(len(kernel), dtype=kernel.dtype, device=kernel.device)
    dual = torch.linalg.solve(shifted, right.flatten()).view_as(right)
    return (net.pull(W, X, dual) - gradient) / total
