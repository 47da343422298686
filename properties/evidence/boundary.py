"""A boundary campaign: claims that hold with equality, where a false refutation is likeliest, judged by the thousand.

Every law gives a stake z of mean exactly zero from two uniform numbers [2, ...] and a shape in (0, 1): z >= -1 for the
one-sided bets on y = 1 + z, and within sure ends for the two-sided ones. The evidence is looked at after every single
replicate, which no honest stopping can outdo.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.special import ndtri

from elbound.properties.evidence.betting import NODES, arcsine_bets
from elbound.properties.evidence.budget import Budget

Floats = NDArray[np.float64]
Law = Callable[[Floats, Floats], Floats]

# Wealth is not followed beyond this; the thresholds lie far below, and lowering an e-process keeps it one.
CEILING: Final = 1e200


def two_point(u: Floats, shape: Floats) -> Floats:
    """y = c with probability 1 / c, else 0; c from 1.001 to 1001."""
    top = 1 + 10 ** (6 * shape - 3)
    return np.asarray(np.where(u[0] < 1 / top, top - 1, -1.0))


def exponential(u: Floats, shape: Floats) -> Floats:
    """y exponential, mixed with the constant 1."""
    return np.asarray(shape * (-np.log1p(-u[0]) - 1))


def lognormal(u: Floats, shape: Floats) -> Floats:
    """log y normal, of standard deviation 0.1 to 2.1."""
    deviation = 0.1 + 2 * shape
    return np.asarray(np.expm1(deviation * ndtri(u[0]) - deviation**2 / 2))


def heavy_within_range(u: Floats, shape: Floats) -> Floats:
    """y Pareto of index 1.1 to 3.1, cut at a thousand times its least value: E min(X, c) = (a - c^(1-a)) / (a - 1)."""
    index, cut = 1.1 + 2 * shape, 1e3
    mean = (index - cut ** (1 - index)) / (index - 1)
    return np.asarray(np.minimum(u[0] ** (-1 / index), cut) / mean - 1)


def random_right_side(u: Floats, shape: Floats) -> Floats:
    """left - right over its sure bound 1: an exponential left against a two-valued right of the same mean."""
    mean = 0.01 + 0.98 * shape
    return np.asarray(-mean * np.log1p(-u[0]) - (u[1] < mean))


def symmetric(u: Floats, shape: Floats) -> Floats:
    """Uniform on [-c, c], of sure ends -1 and 1."""
    return np.asarray((0.01 + 0.99 * shape) * (2 * u[0] - 1))


def skewed(u: Floats, shape: Floats) -> Floats:
    """Two values with mean zero, the one above up to a thousand times rarer, of sure ends -1 and 1."""
    rare = 10 ** -(0.31 + 2.7 * shape)
    return np.asarray(np.where(u[0] < rare, 1.0, -rare / (1 - rare)))


ONE_SIDED: Final[tuple[Law, ...]] = (two_point, exponential, lognormal, heavy_within_range, random_right_side)
TWO_SIDED: Final[tuple[Law, ...]] = (symmetric, skewed)


@dataclass(frozen=True)
class Tally:
    """Claims judged, how many passed the screen, how many were refuted, and the largest log e of a confirmation."""

    judged: int
    screened: int
    refuted: int
    largest: float


def slopes(law: Law) -> Float[np.ndarray, " G"]:
    """The bets on a law's stakes: arcsine on one side, on both for an equality with ends -1 and 1."""
    bets = arcsine_bets(NODES)
    return np.concatenate([bets, -bets]) if law in TWO_SIDED else bets


def peaks(stakes: Float[np.ndarray, "C R"], bets: Float[np.ndarray, " G"]) -> Float[np.ndarray, " C"]:
    """The logarithm of the largest e-value along each row, looked at after every replicate."""
    wealth, highest = np.ones((len(stakes), bets.size)), np.ones(len(stakes))
    for column in stakes.T:
        wealth *= 1 + np.multiply.outer(column, bets)
        np.minimum(wealth, CEILING, out=wealth)
        np.maximum(highest, wealth.mean(axis=1), out=highest)
    return np.asarray(np.log(highest))


def campaign(claims: int, seeds: int, budget: Budget | None = None, *, shift: float = 0.0) -> Tally:
    """Judges that many boundary claims with each seed, the shapes of every law spread evenly.

    `shift` adds to the mean of every stake, to see truly false claims fall. Raises ValueError unless there is a claim
    for every law and a seed.
    """
    laws = (*ONE_SIDED, *TWO_SIDED)
    if claims < len(laws) or seeds < 1:
        raise ValueError(f"{claims} claims and {seeds} seeds; at least {len(laws)} claims and one seed are needed")
    judged, screened, refuted, largest = 0, 0, 0, 0.0
    for seed in range(seeds):
        for j, law in enumerate(laws):
            shapes = (np.arange(j, claims, len(laws)) + 0.5) / claims
            found = _judged(law, shapes, (seed, j), budget or Budget(), shift)
            judged, screened, refuted = judged + len(shapes), screened + found[0], refuted + found[1]
            largest = max(largest, found[2])
    return Tally(judged, screened, refuted, largest)


def _judged(law: Law, shapes: Floats, seed: tuple[int, int], budget: Budget, shift: float) -> tuple[int, int, float]:
    """Claims of one law past the screen, those refuted, and the largest log e of their confirmations."""
    first = peaks(_stakes(law, shapes, budget.screen_replicates, (*seed, 0)) + shift, slopes(law))
    passed = shapes[first >= math.log(budget.screen)]
    if not passed.size:
        return 0, 0, 0.0
    second = peaks(_stakes(law, passed, budget.confirm_replicates, (*seed, 1)) + shift, slopes(law))
    return passed.size, int((second >= math.log(budget.refute)).sum()), float(second.max())


def _stakes(law: Law, shapes: Floats, replicates: int, seed: tuple[int, int, int]) -> Floats:
    return law(np.random.default_rng(seed).random((2, shapes.size, replicates)), shapes[:, None])
