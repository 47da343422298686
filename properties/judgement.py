"""What one configuration says of one relation, and how two enclosed numbers compare."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from sympy import Eq, Ge
from sympy.core.relational import Relational

from elbound.properties.evidence.intervals import Interval
from elbound.reports.row import Verdict

# Sides that agree to this relative error cannot be told apart by any configuration: equality counts as support.
AGREEMENT: Final = 1e-9


@dataclass(frozen=True)
class Judgement:
    """What one configuration says of one relation.

    `ratio` is left over right as observed (for >=, right over left; turned over where both are negative, so that above
    one means violated), `certified_ratio` what is certain of it, `resolution` the factor of violation that this
    evidence would have refuted, `doubt` by how many standard errors a mutant was seen broken. Of a rate left is the
    measured slope, right the claimed one, `slopes` the local ones. Of two statements said to be equivalent `ratio` is
    below one while they agree, nearer to it the nearer one of them is to changing, and above one where they do not.
    """

    verdict: Verdict
    basis: str = ""
    reason: str = ""
    left: float | None = None
    right: float | None = None
    error: float | None = None
    ratio: float | None = None
    certified_ratio: float | None = None
    resolution: float | None = None
    log_e: float | None = None
    replicates: int = 0
    vacuous: bool = False
    confirmed: bool = False
    doubt: float = 0.0
    slopes: tuple[float, ...] = ()


def compare(relation: Relational, left: Interval, right: Interval) -> tuple[Verdict, str]:
    if isinstance(relation, Ge):
        left, right = right, left
    agree = relative_error(left, right) <= AGREEMENT
    if bool(left.low > right.high) or (isinstance(relation, Eq) and bool(right.low > left.high)):
        return Verdict.REFUTED, ""
    if not isinstance(relation, Eq) and bool(left.high <= right.low):
        return Verdict.SUPPORTED, ""
    return (Verdict.SUPPORTED, f"sides equal to {AGREEMENT:g}") if agree else (Verdict.CONSISTENT, "")


def relative_error(left: Interval, right: Interval) -> float:
    scale = max(abs(middle(left)), abs(middle(right)))
    return float(left.width + right.width) / scale if scale else 0.0


def single(interval: Interval) -> Interval:
    """One number out of a sum's single column; the replicates of an exact measurement are its expectations."""
    if interval.low.size != 1:
        raise ValueError(f"a side has shape {interval.shape}; an index was left free")
    return Interval(interval.low.reshape(()), interval.high.reshape(()))


def middle(interval: Interval) -> float:
    """A number in the interval, near its middle; NaN for the whole line."""
    return math.nan if math.isinf(interval.low) and math.isinf(interval.high) else float(interval.middle)


def ratios(small: Interval, large: Interval) -> tuple[float | None, float | None]:
    """The smaller side over the larger, in the middle and at least, turned over as in `part`; None with zero near."""
    below = bool(np.signbit(large.high))
    if large.contains(0.0) or (below and small.contains(0.0)):
        return None, None
    if below and bool(np.signbit(small.high)):
        return quotient(middle(large), middle(small)), quotient(float(large.high), float(small.low))
    return quotient(middle(small), middle(large)), quotient(float(small.low), float(large.high))


def part(small: float, large: float) -> float | None:
    """The smaller side over the larger, above one exactly where they are the wrong way round.

    Of two negative sides the smaller is the one farther from zero, so the quotient is turned over.
    """
    return quotient(large, small) if small < 0 and large < 0 else quotient(small, large)


def quotient(small: float, large: float) -> float | None:
    return small / large if large != 0 and math.isfinite(small) and math.isfinite(large) else None
