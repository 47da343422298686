"""Betting on a relation between two means: which sides, at which stakes, and what the sure ranges alone decide."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from sympy import Eq, Ge

from elbound.properties.arithmetics import Floats
from elbound.properties.evidence.betting import BoundedMeanZero, EProcess, MeanAtMostOne, MeanAtMostZero, MeanZero
from elbound.properties.evidence.budget import Budget
from elbound.properties.evidence.intervals import Interval
from elbound.properties.judgement import Judgement, middle, part, single
from elbound.reports.row import Verdict
from elbound.theory.claim import Claim
from elbound.theory.evaluate import Evaluation

# A sure bound is widened by this share before betting, so that rounding never makes a bet negative.
ROUNDING_SHARE: Final = 1e-9
TINY: Final = 1e-300
# What evidence rests on: replicates with declared sure ranges or variances, or the ranges alone.
EVIDENCE: Final = "sure range"
VARIANCE: Final = "declared variance"
SURE: Final = "sure range alone"


@dataclass(frozen=True)
class Noise:
    """A random product of observables: its deviation at most, its coefficients in the smaller side and the larger."""

    deviation: float
    small: Interval
    large: Interval

    @property
    def turned(self) -> "Noise":
        """With the sides exchanged."""
        return Noise(self.deviation, self.large, self.small)

    def left(self, factor: float) -> float:
        """A bound on its deviation in the smaller side less a factor times the larger."""
        return float(abs(self.small - self.large * factor).high) * self.deviation


@dataclass(frozen=True)
class Bet:
    """A relation ready for betting: which sides, which sure ranges, what the ranges alone decide.

    `noise` is what varies in the two sides, where the bet rests on declared variances and not on the ranges.
    """

    claim: Claim
    low: Interval  # sure range of the side claimed to be smaller
    high: Interval
    swapped: bool = False
    noise: tuple[Noise, ...] | None = None

    @classmethod
    def on(cls, claim: Claim, enclosed: Evaluation, noise: tuple[Noise, ...], *, declared: bool) -> "Bet":
        """The bet on a claim; `noise` is that of its left side and its right one, `declared` where by variances alone.

        An equality is bet on by its variance where that is declared; all else only where no sure range will do.
        """
        left, right = single(enclosed(claim.left)), single(enclosed(claim.right))
        swapped = isinstance(claim.relation, Ge)
        bet = cls(claim, right, left, swapped=True) if swapped else cls(claim, left, right)
        useful = 0 < deviation(noise) < math.inf
        if useful and ((bet.two_sided and declared) or not bet.bounded):
            return replace(bet, noise=tuple(x.turned for x in noise) if swapped else noise)
        return bet

    @property
    def two_sided(self) -> bool:
        return isinstance(self.claim.relation, Eq)

    @property
    def top(self) -> float:
        """A sure bound on the larger side less the smaller; positive also where that is never positive."""
        return widened(float(self.high.high), float(self.low.low))

    @property
    def bounded(self) -> bool:
        """Whether the sure ranges give a bound to bet on."""
        return math.isfinite(self.top) and (
            not self.two_sided or (math.isfinite(float(self.low.high)) and math.isfinite(float(self.high.low)))
        )

    @property
    def open(self) -> bool:
        """Whether neither ranges nor variances are known, so that no evidence can be had."""
        return not self.bounded and self.noise is None

    @property
    def basis(self) -> str:
        """What evidence on this bet rests on."""
        return EVIDENCE if self.noise is None else VARIANCE

    @property
    def certain(self) -> bool:
        """Whether the ranges alone make the relation true, so that it says nothing here."""
        return not self.two_sided and bool(self.low.high <= self.high.low)

    @property
    def reversed(self) -> "Bet | None":
        """The bet against the opposite inequality; None for an equality, and where the ranges rule the opposite out."""
        if self.two_sided or bool(self.low.high < self.high.low):
            return None
        noise = None if self.noise is None else tuple(x.turned for x in self.noise)
        return Bet(self.claim, self.high, self.low, swapped=not self.swapped, noise=noise)

    @property
    def decided(self) -> Judgement | None:
        """What no replicate can change: a relation false by the sure ranges."""
        if bool(self.low.low > self.high.high) or (self.two_sided and bool(self.low.high < self.high.low)):
            sides = (middle(self.low), middle(self.high))
            left, right = reversed(sides) if self.swapped else sides
            return Judgement(Verdict.REFUTED, SURE, left=left, right=right, ratio=part(*sides))
        return None

    def sides(self, drawn: Any) -> tuple[Floats, Floats]:
        if isinstance(drawn, tuple):
            return drawn
        sides = (self.claim.right, self.claim.left) if self.swapped else (self.claim.left, self.claim.right)
        smaller, larger = (np.atleast_1d(drawn(side)) for side in sides)
        smaller, larger = np.broadcast_arrays(smaller, larger)
        return smaller, larger

    def process(self, factor: float = 1.0) -> EProcess:
        """Evidence against E[smaller] <= factor E[larger], or against equality."""
        if self.noise is not None:
            variance = deviation(self.noise, factor) ** 2
            return MeanZero(variance) if self.two_sided else MeanAtMostZero(variance)
        if not self.two_sided:
            return MeanAtMostOne()
        between = (self.low - self.high * factor) * (1 + ROUNDING_SHARE)
        return BoundedMeanZero(min(float(between.low), -TINY), max(float(between.high), TINY))

    def stakes(self, smaller: Floats, larger: Floats, factor: float = 1.0) -> Floats:
        difference = smaller - factor * larger
        if self.two_sided or self.noise is not None:
            return difference
        return 1.0 + difference / widened(factor * float(self.high.high), float(self.low.low))

    def run(self, parts: Any, threshold: float) -> tuple[EProcess, tuple[Floats, Floats]]:
        """Bet until the threshold is passed at the end of a chunk, or no part is left; what was read, both sides."""
        process, seen, goal = self.process(), [], math.log(threshold)
        for drawn in parts:
            smaller, larger = self.sides(drawn)
            seen.append((smaller, larger))
            stakes = self.stakes(smaller, larger)
            for first in range(0, stakes.size, Budget().chunk):
                process.update(stakes[first : first + Budget().chunk])
            if process.peak >= goal:
                break
        smaller, larger = np.concatenate(seen, axis=1)
        return process, (smaller, larger)

    def certify(
        self, smaller: Floats, larger: Floats, ratio: float | None, threshold: float
    ) -> tuple[float | None, float | None]:
        """The largest factor certainly exceeded by E[smaller] / E[larger], and the violation that would be refuted.

        None unless both sides are above zero: below it a factor on the larger one would tighten the bound.
        """
        if ratio is None or not math.isfinite(ratio) or min(float(np.mean(side)) for side in (smaller, larger)) <= 0:
            return None, None
        goal = math.log(threshold)

        def refuted(factor: float) -> bool:
            if not self.two_sided and self.noise is None and factor * float(self.high.high) <= float(self.low.low):
                return True
            process = self.process(factor)
            process.update(self.stakes(smaller, larger, factor))
            return process.log_e >= goal

        certified = last_true(refuted, ratio * 1e-6, ratio)
        return certified, ratio / certified if certified else math.inf


def deviation(noise: Iterable[Noise], factor: float = 1.0) -> float:
    """A bound on the deviation of the smaller side less a factor times the larger: those of products add up at most."""
    return math.fsum(x.left(factor) for x in noise) * (1 + ROUNDING_SHARE)


def widened(high: float, low: float) -> float:
    """High - low and a little more, so that rounding never makes a bet negative, nor the bound zero."""
    return (high - low) * (1 + ROUNDING_SHARE) + ROUNDING_SHARE**2 * (abs(high) + abs(low)) + TINY


def last_true(test: Any, low: float, high: float) -> float:
    """The end of a monotone test, true below it, to 2^-30 of the range on a logarithmic scale.

    Zero where it is false at the low end.
    """
    if not test(low):
        return 0.0
    a, b = math.log(low), math.log(high)
    for _ in range(30):
        half = (a + b) / 2
        a, b = (half, b) if test(math.exp(half)) else (a, half)
    return math.exp(a)
