"""One judgement for every relation: exact values first, evidence second, rates last.

Exact:  the enclosures of left and right are compared.
Sample: y = 1 + (left - right) / top is surely >= 0 and has mean <= 1 under the claim, so betting on y weighs the
        evidence; screen first, then confirm on fresh noise. A random right side stands inside the expectation.
Series: local slopes, reported, never counted as refuted.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from traceback import walk_tb
from typing import Any, Final

import numpy as np
from sympy import Eq, Expr, Ge, IndexedBase, Le
from sympy.core.relational import Relational

from elbound.properties.analysis import FAILURES, OWN_MODULE, line_in, one_line
from elbound.properties.arithmetics import Enclosures, Floats, Replicates
from elbound.properties.bets import EVIDENCE, ROUNDING_SHARE, Bet
from elbound.properties.evidence.betting import MeanAtLeast
from elbound.properties.evidence.budget import Budget
from elbound.properties.evidence.intervals import Interval
from elbound.properties.evidence.rates import Means, verdict_of_rate
from elbound.properties.experiment import Along, Curve, Everywhere, Exact, Measurement, Sample, Series, Situation
from elbound.properties.judgement import (
    AGREEMENT,
    Judgement,
    compare,
    middle,
    part,
    ratios,
    relative_error,
    single,
)
from elbound.properties.place import Rival
from elbound.reports.row import UNDECIDED, Verdict
from elbound.theory.claim import Claim
from elbound.theory.evaluate import Evaluation, Slope, symbols_of
from elbound.theory.symbols import n

# A slope is called inconsistent only when it misses the claimed exponent by more than this.
SLOPE_BAND: Final = 0.05
CURVE_POINTS: Final = 16
# A mean nearer to zero than so many standard errors seldom passes the screen, whose evidence grows as exp(z^2 / 2): it
# is not weighed. That can only spare a mutant, never refute one.
WEIGHED: Final = 3.0
NOT_MEASURED: Final = "nothing was measured here"
NO_STRONGER: Final = "no stronger than the claim here"


def failed(failure: BaseException) -> Judgement:
    """The judgement of what raised an exception; with file and line where it came through a user's own file."""
    frames = (frame for frame, _ in walk_tb(failure.__traceback__))
    own = [x for x in frames if str(x.f_globals.get("__name__", "")).startswith(OWN_MODULE)]
    where = f"{Path(own[-1].f_code.co_filename).name}:{line_in(own[-1].f_code.co_filename, failure)}: " if own else ""
    return Judgement(Verdict.ERROR, reason=f"{where}{type(failure).__name__}: {one_line(failure)}")


class Trial:
    """One measurement at one configuration, on which any number of claims and wrong versions are judged.

    All of them read the same replicates; equal subexpressions are computed once.
    """

    def __init__(self, situation: Situation, measurement: Measurement | None, budget: Budget) -> None:
        self.situation, self.measurement, self.budget = situation, measurement, budget
        self._stages: dict[str, list[Evaluation]] = {"screen": [], "confirm": []}
        self._looks: dict[Any, _Look] = {}

    @property
    def device(self) -> str:
        """Where the measurement was computed; the CPU where there is none."""
        return "cpu" if self.measurement is None else self.measurement.device

    def judge(self, claim: Claim) -> Judgement:
        """The verdict on the claim here. What cannot be evaluated is an error, never evidence."""
        if broken := claim.broken_assumption(self.situation.values, self.situation.facts):
            return Judgement(Verdict.ASSUMPTION_NOT_MET, reason=broken)
        try:
            if isinstance(self.measurement, Sample):
                return self._sample(claim)
            if isinstance(self.measurement, Series) and claim.is_rate:
                return self._rate(claim, self.measurement)
            return self._exact(claim)
        except FAILURES as failure:  # a user's experiment, drawing only now, may raise anything
            return failed(failure)

    def bound(self, rival: Rival) -> float | None:
        """What a known claim allows the left side it is compared on; None where it says nothing, or no number."""
        if rival.claim.broken_assumption(self.situation.values, self.situation.facts):
            return None
        try:
            if not bool(single(self._enclosed(rival.factor)).low > 0):
                return None
            if not isinstance(self.measurement, Sample):
                return middle(single(self._enclosed(rival.bound)))
            drawn = [replicates(rival.bound) for replicates in self._draws("screen", self.budget.screen_replicates)]
        except FAILURES:  # whatever stands in the way, there is nothing to compare with
            return None
        return float(np.mean(drawn))

    def challenge(self, mutant: Claim, claim: Claim | None, doubt: float = WEIGHED) -> Judgement:
        """The verdict on a mutant at the least cost: looked at first, weighed where it looks more broken than ever.

        A look compares middles of enclosures, or means of the screened replicates. `claim` is what the mutant was made
        of, where that speaks; "assumption not met" where the mutant says nothing here that the claim does not, and
        where nothing was measured; consistent where it looks true. `doubt` is the largest that was weighed
        before.
        """
        if self.measurement is None:
            return Judgement(Verdict.ASSUMPTION_NOT_MET, reason=NOT_MEASURED)
        if claim is None and (broken := mutant.broken_assumption(self.situation.values, self.situation.facts)):
            return Judgement(Verdict.ASSUMPTION_NOT_MET, reason=broken)
        try:
            look = self._look(mutant)
            if claim is not None and look.no_stronger_than(self._known_look(claim)):
                return Judgement(Verdict.ASSUMPTION_NOT_MET, reason=NO_STRONGER)
            if not look.broken:
                return look.judgement(0.0)
            seen = self._doubt(mutant)
        except FAILURES as failure:  # a user's experiment, drawing only now, may raise anything
            return failed(failure)
        judgement = replace(self.judge(mutant), doubt=seen) if seen > max(doubt, WEIGHED) else look.judgement(seen)
        return judgement if judgement.verdict is Verdict.REFUTED else replace(judgement, reason=UNDECIDED)

    def close(self, mutant: Claim) -> bool:
        """Whether the sides are so near that replicates cannot tell which is larger."""
        return isinstance(self.measurement, Sample) and self._doubt(mutant) <= WEIGHED

    def _look(self, claim: Claim) -> "_Look":
        plain = self._plain
        if isinstance(self.measurement, Sample) and not (claim.affine(claim.left) and claim.affine(claim.right)):
            plain = self._screened
        with np.errstate(all="ignore"):
            return _Look.of(claim.relation, *(float(np.mean(plain(side))) for side in (claim.left, claim.right)))

    def _known_look(self, claim: Claim) -> "_Look":
        key = (claim.relation.func, claim.left, claim.right)
        if key not in self._looks:
            self._looks[key] = self._look(claim)
        return self._looks[key]

    def _doubt(self, claim: Claim) -> float:
        """By how many standard errors the sides differ; infinite where nothing is random."""
        if not isinstance(self.measurement, Sample):
            return math.inf
        difference = np.atleast_1d(self._screened(claim.left) - self._screened(claim.right))
        error = float(np.std(difference)) / math.sqrt(difference.size)
        return abs(float(np.mean(difference))) / error if error else math.inf

    @property
    def _screened(self) -> Evaluation:
        return next(self._draws("screen", self.budget.screen_replicates))

    @cached_property
    def _plain(self) -> Evaluation:
        """Plain numbers: the screened replicates' means, or the middles of what is enclosed."""
        assert self.measurement is not None
        if isinstance(self.measurement, Sample):
            measured, observables = self._screened.values, self.measurement.ranges
            means = {symbol: _means(measured[symbol]) for symbol in observables}
            return Evaluation(measured | means, Replicates())
        middles = {symbol: _middles(value) for symbol, value in self.measurement.values.items()}
        return Evaluation(dict(self.situation.values) | middles, Replicates())

    @cached_property
    def _enclosed(self) -> Evaluation:
        assert self.measurement is not None
        measured = self.measurement.ranges if isinstance(self.measurement, Sample) else self.measurement.values
        return Evaluation(self.situation.enclosed | dict(measured), Enclosures())

    # Exact

    def _exact(self, claim: Claim) -> Judgement:
        if claim.setting.random and not (claim.affine(claim.left) and claim.affine(claim.right)):
            reason = "the relation is not affine in what is random, and expectations alone were computed"
            return Judgement(Verdict.ASSUMPTION_NOT_MET, reason=reason)
        left, right = single(self._enclosed(claim.left)), single(self._enclosed(claim.right))
        for name, side in (("left", left), ("right", right)):
            if math.isnan(middle(side)):
                raise ValueError(f"the {name} side is anything between -inf and inf: not a number")
        verdict, reason = compare(claim.relation, left, right)
        basis = self.measurement.basis if isinstance(self.measurement, Exact) else "exact"
        small, large = (right, left) if isinstance(claim.relation, Ge) else (left, right)
        ratio, certified = ratios(small, large)
        # A lower bound that is not even positive says nothing of what cannot be negative.
        empty = isinstance(claim.relation, Ge) and bool(right.high <= 0) and bool(claim.left.is_nonnegative)
        return Judgement(
            verdict,
            basis=basis if verdict in {Verdict.SUPPORTED, Verdict.REFUTED} else "",
            reason=reason,
            left=middle(left),
            right=middle(right),
            error=float(left.width + right.width) / 2,
            ratio=ratio,
            certified_ratio=certified,
            resolution=1.0 + relative_error(left, right),
            vacuous=empty,
        )

    # Evidence

    def _sample(self, claim: Claim) -> Judgement:
        assert isinstance(self.measurement, Sample)
        bet = Bet.on(claim, self._enclosed, self.measurement.variances.get(claim.left))
        if bet.decided is not None:
            return bet.decided
        screen = list(self._draws("screen", self.budget.screen_replicates))
        process, differences = bet.run(screen, self.budget.screen)
        confirmed = process.peak >= math.log(self.budget.screen)
        if confirmed:
            process, differences = bet.run(self._draws("confirm", self.budget.confirm_replicates), self.budget.refute)
        refuted = confirmed and process.peak >= math.log(self.budget.refute)
        left, right = differences
        basis = EVIDENCE if refuted else self._support(claim, bet, left, right)
        verdict = Verdict.REFUTED if refuted else Verdict.SUPPORTED if basis else Verdict.CONSISTENT
        ratio = part(*(float(np.mean(side)) for side in (left, right)))
        certified, resolution = bet.certify(left, right, ratio, self.budget.refute)
        mean_left, mean_right = (float(np.mean(side)) for side in (left, right))
        if bet.swapped:
            mean_left, mean_right = mean_right, mean_left
        return Judgement(
            verdict,
            basis=basis,
            left=mean_left,
            right=mean_right,
            error=float(np.std(left - right) / math.sqrt(left.size)),
            ratio=ratio,
            certified_ratio=certified,
            resolution=resolution,
            log_e=process.peak,
            replicates=left.size,
            vacuous=bet.certain,
            confirmed=confirmed,
        )

    def _draws(self, stage: str, replicates: int) -> Iterator[Evaluation]:
        assert isinstance(self.measurement, Sample)
        sample, size, parts = self.measurement, self.budget.screen_replicates, self._stages[stage]
        for j in range(replicates // size):
            if not parts[j:]:
                drawn = sample.draw(stage, j * size, size)
                parts.append(Evaluation(dict(self.situation.values) | dict(drawn), Replicates()))
            yield parts[j]

    def _support(self, claim: Claim, bet: Bet, left: Floats, right: Floats) -> str:
        if isinstance(claim.relation, Eq):
            return ""
        reverse = bet.reversed
        if reverse is not None and math.isfinite(reverse.top):
            process, _ = reverse.run([(right, left)], self.budget.support)
            if process.peak >= math.log(self.budget.support):
                return EVIDENCE
        return self._support_by_tail(claim, left, right)

    def _support_by_tail(self, claim: Claim, left: Floats, right: Floats) -> str:
        assert isinstance(self.measurement, Sample)
        observed = symbols_of(claim.left) & frozenset(claim.setting.observables)
        if claim.observed(claim.right) or isinstance(claim.relation, Ge) or len(observed) != 1:
            return ""
        tail = self.measurement.tails.get(next(iter(observed)))
        if tail is None or not self._nonnegative_combination(claim, next(iter(observed))):
            return ""
        process = MeanAtLeast(float(np.mean(right)), kappa=tail.kappa)
        process.update(left)
        return f"declared tail: {tail.why}" if process.peak >= math.log(self.budget.support) else ""

    def _nonnegative_combination(self, claim: Claim, observable: Any) -> bool:
        if not claim.affine(claim.left):
            return False
        # With the observable anywhere in [0, 1], a negative coefficient would reach below the value at zero.
        floor, reach = (self._left_within(claim, observable, top) for top in (0.0, 1.0))
        return bool(reach.low >= max(float(floor.low), 0.0) - ROUNDING_SHARE * float(reach.width))

    def _left_within(self, claim: Claim, observable: Any, top: float) -> Interval:
        held = Interval.between(0.0, top)
        value = Everywhere(held) if isinstance(observable, IndexedBase) else held
        return single(Evaluation(self.situation.enclosed | {observable: value}, Enclosures())(claim.left))

    def curves(self, claim: Claim) -> dict[str, list[float]]:
        """Both sides along an index, for pictures; empty where there is none.

        The index is that of a series, one that the measurement names, or else the steps of the run.
        """
        match self.measurement:
            case Series():
                return self._rate_curve(claim, self.measurement) if claim.is_rate else {}
            case Exact(along=Along() as along):
                return _columns(self._sides_along(claim, along, place) for place in along.places)
            case Exact() | Sample() if n in self.situation.values:
                horizons = np.unique(np.geomspace(1, self.situation.values[n], CURVE_POINTS).round().astype(int))
                return _columns(self._sides_at(claim, horizon) for horizon in horizons.tolist())
        return {}

    def _sides_along(self, claim: Claim, along: Along, place: float) -> dict[str, float]:
        if claim.broken_assumption({**self.situation.values, along.index: place}, self.situation.facts):
            return {}
        at = {**self.situation.enclosed, along.index: Interval.of(place), **along.measured(place)}
        left, right = (middle(single(Evaluation(at, Enclosures())(side))) for side in (claim.left, claim.right))
        return {"x": place, "observed": left, "bound": right}

    def _sides_at(self, claim: Claim, horizon: int) -> dict[str, float]:
        """Both sides at a shorter horizon, for replicates their means and the middle four fifths of the left side.

        Empty where something was not measured there.
        """
        if isinstance(self.measurement, Sample):
            shorter = Evaluation({**self._screened.values, n: horizon}, Replicates())
        else:
            shorter = Evaluation({**self._enclosed.values, n: Interval.of(horizon)}, Enclosures())
        try:
            left, right = (shorter(side) for side in (claim.left, claim.right))
        except KeyError:
            return {}
        if isinstance(left, Interval):
            return {"x": horizon, "observed": middle(single(left)), "bound": middle(single(right))}
        low, high = np.quantile(left, (0.1, 0.9)).tolist()
        return {
            "x": horizon,
            "observed": float(np.mean(left)),
            "bound": float(np.mean(right)),
            "low": low,
            "high": high,
        }

    # Rates

    def _rate(self, claim: Claim, series: Series) -> Judgement:
        side, other = (claim.left, claim.right) if claim.left.atoms(Slope) else (claim.right, claim.left)
        if not isinstance(side, Slope):
            raise ValueError(f"slope {side}: a rate is one slope against one number")
        exponent = -middle(single(self._enclosed(other)))
        grid = np.asarray(series.grid, dtype=np.float64)
        values = np.array([self._at_index(side.args[0], series, j) for j in series.grid])
        # The evidence core speaks of the exponent a in m^-a, the claim of the slope -a.
        rising = isinstance(claim.relation, Ge if side is claim.left else Le)
        verdict = verdict_of_rate(
            *_halves(grid, values, series.scatter), band=_band(claim.relation, exponent, rising=rising)
        )
        slopes = [-slope for slope in verdict.slopes]
        word = Verdict.INCONSISTENT if verdict.inconsistent else Verdict.CONSISTENT
        return Judgement(
            word,
            reason=f"slope {word} (approximate), local slopes {', '.join(f'{slope:.3f}' for slope in slopes)}",
            left=slopes[-1],
            right=-exponent,
            error=abs(slopes[-1] - slopes[-2]),
        )

    def _rate_curve(self, claim: Claim, series: Series) -> dict[str, list[float]]:
        side, other = (claim.left, claim.right) if claim.left.atoms(Slope) else (claim.right, claim.left)
        exponent = middle(single(self._enclosed(other)))
        values = [self._at_index(side.args[0], series, j) for j in series.grid]
        last = series.grid[-1]
        # The claimed power through the last point: only its slope means anything.
        power = [values[-1] * (j / last) ** exponent for j in series.grid]
        return {"x": [float(j) for j in series.grid], "observed": values, "bound": power}

    def _at_index(self, expression: Expr, series: Series, index: int) -> float:
        values = self.situation.enclosed | dict(series.values) | {series.index: Interval.of(float(index))}
        return middle(single(Evaluation(values, Enclosures())(expression)))


def _columns(places: Iterable[dict[str, float]]) -> dict[str, list[float]]:
    """One list for each name from what was found place by place; empty for less than two places."""
    found: dict[str, list[float]] = {}
    for place in places:
        for name, value in place.items():
            found.setdefault(name, []).append(value)
    return found if found.get("x", [])[1:] else {}


@dataclass(frozen=True)
class _Look:
    """Both sides of a relation at first sight: the values, or the means, of two numbers that are to be compared."""

    left: float
    right: float
    swapped: bool
    two_sided: bool

    @classmethod
    def of(cls, relation: Relational, left: float, right: float) -> "_Look":
        if not (math.isfinite(left) and math.isfinite(right)):
            raise ValueError(f"the sides are {left:.6g} and {right:.6g}; finite numbers are needed")
        return cls(left, right, isinstance(relation, Ge), isinstance(relation, Eq))

    @property
    def excess(self) -> float:
        """How far the side claimed to be smaller lies above the other."""
        return self.right - self.left if self.swapped else self.left - self.right

    @property
    def broken(self) -> bool:
        return self.excess != 0 if self.two_sided else self.excess > 0

    def no_stronger_than(self, other: "_Look") -> bool:
        """Whether the other implies this here; for an equality, whether it says the same."""
        if (self.swapped, self.two_sided) != (other.swapped, other.two_sided):
            return False
        gained, scale = self.excess - other.excess, max(map(abs, (self.left, self.right, other.left, other.right)))
        return (abs(gained) if self.two_sided else gained) <= AGREEMENT * scale

    def judgement(self, doubt: float) -> Judgement:
        sides = (self.right, self.left) if self.swapped else (self.left, self.right)
        return Judgement(Verdict.CONSISTENT, left=self.left, right=self.right, ratio=part(*sides), doubt=doubt)


def _means(value: Any) -> Any:
    """The mean over replicates, or the curve of means."""
    if callable(value):
        return lambda index: np.mean(value(index), axis=-1, keepdims=True)
    return np.mean(value, axis=-1, keepdims=True)


def _middles(value: Interval | Curve) -> Any:
    """The middle of an enclosure, or the curve of middles."""
    if isinstance(value, Interval):
        return value.middle
    return lambda index: Interval.of(value(Interval.of(index))).middle


def _band(relation: Relational, exponent: float, *, rising: bool) -> tuple[float, float]:
    """Where the exponent a of m^-a must lie; a slope claimed to be at least something bounds a from above."""
    if isinstance(relation, Eq):
        return exponent - SLOPE_BAND, exponent + SLOPE_BAND
    return (-math.inf, exponent + SLOPE_BAND) if rising else (exponent - SLOPE_BAND, math.inf)


def _halves(grid: Floats, values: Floats, scatter: float) -> tuple[Means, Means]:
    """Two grids of values, the second reaching four times as far or more: the shorter is the first two thirds."""
    short = max(4, 2 * len(grid) // 3)
    errors = np.full(len(grid), scatter)
    return Means(grid[:short], values[:short], errors[:short]), Means(grid, values, errors)
