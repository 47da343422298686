"""Laws on the boundary of a hypothesis, and what is asked of every e-process: exact validity, level, conduct.

Where chance enters, the argument is written beside the number: a valid process fails a check with probability below
1e-6, whatever the key, and keys are hashes of names.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray
from scipy import stats

from elbound.properties.evidence.betting import EProcess, MixtureOfProducts
from elbound.properties.evidence.laws import normalised

Floats = NDArray[np.float64]
quiet = settings(deadline=None, derandomize=True, database=None, max_examples=60)
UNIT = 2.0**-53

# An e-variable here is 1 + lambda (y - 1), w k u^(k-1) or a square: at most eight rounded operations, two of
# them a library power or tanh within 4 units each, on intermediate sizes whose mean under a law on the
# boundary is at most E[1 + lambda (y + 1)] <= 3. So a mean computed from them errs by less than 3 (8 + 8) u <
# 64 u.
FACTOR_ROUNDING = 64 * UNIT


def generator(*name: object) -> np.random.Generator:
    digest = hashlib.blake2b(repr(name).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "big")))


@dataclass(frozen=True)
class Law:
    """Y with mean one at factor 1, as y(left, right): `left` a quantile function, `right` another or none.

    With a right side y = 1 + (factor left - right) / top; without, y = factor left.
    """

    name: str
    left: Callable[[Floats], Floats]
    right: Callable[[Floats], Floats] | None = None
    top: float = 1.0

    def y(self, left: Floats, right: Floats, factor: float) -> Floats:
        return factor * left if self.right is None else normalised(factor * left, right, self.top)

    def sample(self, rng: np.random.Generator, size: int, factor: float = 1.0) -> Floats:
        left = self.left(rng.random(size))
        return self.y(left, np.zeros(size) if self.right is None else self.right(rng.random(size)), factor)

    def below(self, factor: float) -> Floats:
        """Equally likely points stochastically below Y: quantiles at the lower (right side: upper) ends of
        cells.
        """
        if self.right is None:
            return self.y(self.left(np.arange(1 << 15) / (1 << 15)), np.zeros(1), factor)
        cells = np.arange(256) / 256
        left, right = np.meshgrid(self.left(cells), self.right(cells + 1 / 256))
        return self.y(left.ravel(), right.ravel(), factor)


def lognormal(sigma: float) -> Law:
    return Law(f"lognormal {sigma}", lambda u: np.exp(sigma * stats.norm.ppf(u) - sigma**2 / 2))


def pareto(a: float) -> Law:
    return Law(f"Pareto {a}", lambda u: np.asarray((a - 1) / a * (1 - u) ** (-1 / a)))


def two_point(high: float) -> Law:
    return Law(f"two-point 0, {high:g}", lambda u: np.where(u >= 1 - 1 / high, high, 0.0))


def fair_sign(u: Floats) -> Floats:
    return np.where(u >= 0.5, 2.0, 0.0)


LAWS = [
    *(lognormal(s) for s in (0.25, 1.0, 2.0)),
    Law("exponential", lambda u: -np.log1p(-u)),
    Law("chi2 20", lambda u: np.asarray(stats.chi2.ppf(u, 20) / 20)),
    *(pareto(a) for a in (1.5, 2.1, 3.0)),
    *(two_point(high) for high in (2.0, 50.0)),
    two_point(10.0),  # an event of probability 0.1, over 0.1
    Law("exponential left, uniform right", lambda u: -np.log1p(-u), lambda u: 2 * u, 2.0),
    Law("signs left and right, loose top", fair_sign, fair_sign, 3.0),
]


def clopper_pearson_below(count: int, runs: int, doubt: float = 1e-6) -> float:
    """Lower confidence limit of a proportion: P(limit > truth) <= doubt for every truth."""
    return float(stats.beta.ppf(doubt, count, runs - count + 1)) if count else 0.0


def crossings(
    make: Callable[[], EProcess],
    draw: Callable[[np.random.Generator, int], Floats],
    name: str,
    runs: int = 1000,
) -> Floats:
    """Peaks at batch ends, 192 draws in batches of 32, one per run."""
    peaks, rng = [], generator("level", name)
    for _ in range(runs):
        process = make()
        for _ in range(6):
            process.update(draw(rng, 32))
        peaks.append(process.peak)
    return np.array(peaks)


def excess(peaks: Floats, threshold: float) -> bool:
    """Whether the count of crossings contradicts Ville's 1/threshold, with doubt at most 1e-6."""
    return clopper_pearson_below(int((peaks >= math.log(threshold)).sum()), len(peaks)) > 1 / threshold


def is_e_variable(process: MixtureOfProducts, points: list[float], masses: list[Fraction]) -> bool:
    """Non-negative with mean at most one up to rounding, each bet; the means are exact in the computed
    factors.
    """
    with np.errstate(over="ignore"):
        factors = process.factors(np.array(points))
    means = [sum(m * Fraction(float(f)) for m, f in zip(masses, bet, strict=True)) for bet in factors.T]
    return bool((factors >= 0).all()) and max(means) <= 1 + Fraction(FACTOR_ROUNDING)


def centred(low: float, high: float, mean: float) -> list[Fraction]:
    """Masses on (low, high) with the mean exactly."""
    p = (Fraction(mean) - Fraction(low)) / (Fraction(high) - Fraction(low))
    return [1 - p, p]


def path_mean(make: Callable[[], EProcess], points: list[Any], masses: list[float], n: int) -> float:
    """E[e_n] by enumeration of all paths."""
    total = 0.0
    for path in itertools.product(range(len(points)), repeat=n):
        process = make()
        process.update(np.array([points[i] for i in path]))
        total += math.exp(process.log_e) * math.prod(masses[i] for i in path)
    return total


def assert_the_same_to_the_bit(make: Callable[[], EProcess], draws: Sequence[float], cuts: Sequence[int]) -> None:
    """However the draws are cut into updates, one process comes of them."""
    whole, pieces = make(), make()
    whole.update(draws)
    for first, last in itertools.pairwise([0, *cuts, len(draws)]):
        pieces.update(draws[first:last])
    assert pieces.log_e == whole.log_e
    assert pieces.n == whole.n == len(draws)
    assert pieces.peak >= whole.peak >= max(0.0, whole.log_e)


def assert_no_number_changes_nothing(make: Callable[[], EProcess]) -> None:
    """A draw that is not a number is refused before anything is bet on those beside it."""
    process = make()
    before = process.update([0.5])
    with pytest.raises(FloatingPointError, match="not a number"):
        process.update([0.5, math.nan])
    assert (process.log_e, process.n) == (before, 1)
