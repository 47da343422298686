"""E-processes against hypotheses on a whole law rather than one mean: a curve, symmetry, a tail, sub-Gaussian tails.

No verdict of a run rests on these; they serve who asks more of a sample than a relation between two means.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from elbound.properties.evidence.betting import (
    NODES,
    EProcess,
    Floats,
    MixtureOfProducts,
    arcsine_bets,
    ceiled,
    equal_weights,
    floored,
    log_sum_exp,
    positive,
)


def normalised(left: ArrayLike, right: ArrayLike, top: float) -> Float[np.ndarray, " ..."]:
    """Replicates y = 1 + (left - right) / top, so that E[left] <= E[right] says E[y] <= 1, with y >= 0 a sure
    fact.

    `top` is the declared sure bound on right - left, in the same units. Raises ValueError unless top is
    finite and positive and every y >= -ROUNDING; FloatingPointError when a difference is not a number.
    """
    scale = positive("top", top)
    with np.errstate(invalid="ignore", over="ignore"):
        y = np.asarray(1.0 + (np.asarray(left, dtype=np.float64) - np.asarray(right, dtype=np.float64)) / scale)
    if np.isnan(y).any():
        raise FloatingPointError("left - right is not a number in some replicate")
    return floored(y, "1 + (left - right) / top")


class CurveAtMostOne(MixtureOfProducts):
    """Evidence against "E[Y_j] <= 1 for every j", Y_j >= 0: half on the points one by one, half on their
    mean.

    Draws [R, J], J = points. The mean over j of the pointwise e-processes finds a violation at a few points
    (never worse than a union bound); the e-process of mean_j Y_j finds a slight one everywhere. Raises
    ValueError for another shape or a draw below -ROUNDING.
    """

    def __init__(self, points: int, nodes: int = NODES) -> None:
        if points < 1:
            raise ValueError(f"points is {points}; it must be at least 1")
        self._points, self._bets = points, arcsine_bets(nodes)
        per_curve = np.append(np.full(points, 0.5 / points), 0.5)
        super().__init__(np.repeat(per_curve / nodes, nodes))

    def factors(self, draws: Float[np.ndarray, "R J"]) -> Float[np.ndarray, "R G"]:
        if draws.ndim != 2 or draws.shape[1] != self._points:
            raise ValueError(f"draws have shape {draws.shape}; it must be [R, {self._points}]")
        y = floored(draws, "a replicate")
        gains: Floats = np.multiply.outer(np.column_stack([y, y.mean(axis=1)]) - 1.0, self._bets)
        gains += 1.0
        return np.asarray(gains.reshape(len(draws), -1))


class Symmetric(MixtureOfProducts):
    """Evidence against "Z and -Z have one law": mixture of 1 + tanh(lambda Z), lambda of both signs.

    An odd function of a symmetric variable has mean zero, so no moment is needed; and it is symmetry that is
    refuted, not E[Z] = 0. Draws [R]; `scale` is the size of Z the bets are tuned to. Raises ValueError unless
    scale is finite and positive.
    """

    def __init__(self, scale: float, nodes: int = 12) -> None:
        rate = np.geomspace(0.005, 0.8, nodes) / positive("scale", scale)
        self._rates = np.concatenate([rate, -rate])
        super().__init__(equal_weights(self._rates.size))

    def factors(self, draws: Float[np.ndarray, " R"]) -> Float[np.ndarray, "R G"]:
        # 1 + tanh(a) = 2 / (1 + exp(-2a)): no cancellation as a -> -infinity.
        return np.asarray(2.0 / (1.0 + np.exp(-2.0 * np.multiply.outer(draws, self._rates))))


class SuperUniform(MixtureOfProducts):
    """Evidence against "P(U <= u) <= u for every u in [0, 1]": mixture of 1 - w + w k U^(k-1) over k in (0,
    1) and w.

    With U = inf{delta : X > q(delta)} it judges a whole tail claim "P(X > q(delta)) <= delta for all delta"
    at once: k U^(k-1) decreases in U and has mean one when U is uniform. Draws [R]. Raises ValueError unless
    each power k is in (0, 1) and each draw in [0, 1].
    """

    def __init__(self, power: float | Sequence[float] = (0.1, 0.25, 0.5, 0.75, 0.9)) -> None:
        powers = np.atleast_1d(np.asarray(power, dtype=np.float64))
        if not (powers.size and np.all((powers > 0.0) & (powers < 1.0))):
            raise ValueError(f"power is {power!r}; every value must lie strictly between 0 and 1")
        self._k, self._w = (a.ravel() for a in np.meshgrid(powers, [0.25, 0.5, 1.0]))
        super().__init__(equal_weights(self._k.size))

    def factors(self, draws: Float[np.ndarray, " R"]) -> Float[np.ndarray, "R G"]:
        u = floored(ceiled(draws, 1.0, "a replicate"), "a replicate")[:, None]
        return np.asarray(1.0 - self._w + self._w * self._k * u ** (self._k - 1.0))


class SubGaussianMeanZero(EProcess):
    """Evidence against "E[exp(<u, Z>)] <= exp(proxy |u|^2 / 2) for every u", which forces E[Z] = 0; Z in
    R^dim.

    A Gaussian of variance t / proxy over u gives (1 + n t)^(-dim/2) exp(t |S|^2 / (2 proxy (1 + n t))), S the
    sum of n draws (Robbins 1970); mixed over t = 1, 1/4, ..., 4^-9. Draws [R] when dim is 1, else [R, dim].
    Raises ValueError unless proxy is finite and positive and dim >= 1, FloatingPointError for an infinite
    draw, which no such law gives.
    """

    def __init__(self, proxy: float, dim: int = 1) -> None:
        if dim < 1:
            raise ValueError(f"dim is {dim}; it must be at least 1")
        super().__init__()
        self._deviation, self._dim = math.sqrt(positive("proxy", proxy)), dim
        self._sum: Floats = np.zeros(dim)
        self._t = 0.25 ** np.arange(10)

    def _absorb(self, draws: Floats) -> float:
        x = draws[:, None] if draws.ndim == 1 else draws
        if x.ndim != 2 or x.shape[1] != self._dim:
            raise ValueError(f"draws have shape {draws.shape}; it must be [R, {self._dim}]")
        if not np.isfinite(x).all():
            raise FloatingPointError("a replicate is infinite, which no sub-Gaussian law gives")
        # cumsum adds one draw after another, whatever the memory layout; sum would regroup them.
        self._sum = np.cumsum(np.concatenate([self._sum[None], x / self._deviation]), axis=0)[-1]
        spread = 1.0 + (self.n + len(x)) * self._t
        square = float(self._sum @ self._sum)
        return log_sum_exp(self._t / spread * (square / 2) - self._dim / 2 * np.log(spread) - math.log(self._t.size))
