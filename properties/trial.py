"""One judgement for every relation: exact values first, evidence second, rates last.

Exact:  the enclosures of left and right are compared; an undecided one whose tolerance exceeds a share of what was
        measured is an error, because such a tolerance would excuse anything.
Sample: y = 1 + (left - right) / top is surely >= 0 and has mean <= 1 under the claim, so betting on y weighs the
        evidence; screen first, then confirm on fresh noise. A random right side stands inside the expectation. Without
        a sure range the bet rests on declared variances; without these it is undecided, hence consistent.
Series: the measured slope beside the claimed one; inconsistent where they contradict, never refuted.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from traceback import walk_tb
from typing import Any, Final

import numpy as np
from sympy import Eq, Expr, Ge, IndexedBase, Integer, Le, log
from sympy.core.relational import Relational

from elbound.properties.analysis import FAILURES, OWN_MODULE, line_in
from elbound.properties.arithmetics import Enclosures, Floats, Replicates
from elbound.properties.bets import ROUNDING_SHARE, Bet, Noise
from elbound.properties.evidence.betting import MeanAtLeast
from elbound.properties.evidence.budget import Budget
from elbound.properties.evidence.intervals import Interval
from elbound.properties.evidence.rates import Means, verdict_of_rate
from elbound.properties.experiment import Along, Everywhere, Exact, Measurement, Sample, Series, Situation, Steps
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
from elbound.properties.slips import raised
from elbound.properties.terms import excess_terms, indicators_of, magnitude, reduced, terms_of
from elbound.reports.row import UNDECIDED, Verdict
from elbound.theory.claim import Claim
from elbound.theory.evaluate import Evaluation, NotMeasured, Slope, symbols_of
from elbound.theory.symbols import n

# A slope is called inconsistent only when it misses the claimed exponent by more than this.
SLOPE_BAND: Final = 0.05
SHORTEST: Final = 5
NEEDED: Final = "5 places or more, the last at 4 times the index at two thirds of them, or beyond"
CURVE_POINTS: Final = 16
# A mean nearer to zero than so many standard errors seldom passes the screen, whose evidence grows as exp(z^2 / 2): it
# is not weighed. That can only spare a mutant, never refute one.
WEIGHED: Final = 3.0
# The largest tolerance of an exact comparison, as a share of what is compared: within it the ladder's bound over 1.1
# could not be told from the bound. A comparison that is undecided at a wider one cannot fail, and is an error.
WIDEST: Final = 0.1
# Sides that vanish have no size of their own. Then a tolerance is rounding's, and excuses nothing, where it is below
# half the digits of float64 of the largest number that was measured or fixed here.
HALF_THE_DIGITS: Final = 2.0**-26
# How far the mean of replicates may lie from the expectation, in standard errors, where looseness is weighed.
STANDARD_ERRORS: Final = 6.0
TO_DECLARE: Final = "declare a finite range, or a variance in Sample(variances=...)"
NOT_MEASURED: Final = "nothing was measured here"
NO_STRONGER: Final = "no stronger than the claim here"
NO_NUMBER: Final = "one of its sides is no finite number here"


class NoNumber(ValueError):
    """A side of a relation is no finite number."""


def failed(failure: BaseException) -> Judgement:
    """The judgement of what raised an exception; with file and line where it came through a user's own file."""
    frames = (frame for frame, _ in walk_tb(failure.__traceback__))
    own = [x for x in frames if str(x.f_globals.get("__name__", "")).startswith(OWN_MODULE)]
    where = f"{Path(own[-1].f_code.co_filename).name}:{line_in(own[-1].f_code.co_filename, failure)}: " if own else ""
    return Judgement(Verdict.ERROR, reason=f"{where}{raised(failure)}")


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

    # A bound may overflow, or divide by zero: what is no number in the end is an error, not a warning.
    @np.errstate(all="ignore")
    def judge(self, claim: Claim) -> Judgement:
        """The verdict on the claim here. What cannot be evaluated is an error, never evidence."""
        judgement = self.weigh(claim)
        if judgement.verdict is not Verdict.CONSISTENT or isinstance(self.measurement, Sample) or claim.is_rate:
            return judgement
        excuse = self._excuse(claim)
        return replace(judgement, verdict=Verdict.ERROR, reason=excuse) if excuse else judgement

    # A bound may overflow, or divide by zero: what is no number in the end is an error, not a warning.
    @np.errstate(all="ignore")
    def weigh(self, claim: Claim) -> Judgement:
        """The verdict without the question whether the tolerance is so wide that nothing could have failed."""
        try:
            if broken := claim.broken_assumption(self.situation.values, self.situation.facts):
                return Judgement(Verdict.ASSUMPTION_NOT_MET, reason=broken)
            if isinstance(self.measurement, Sample):
                # A variance that is declared of a whole side is that of the side as it is written.
                whole = not self.measurement.variances.keys().isdisjoint((claim.left, claim.right))
                return self._sample(claim if whole else reduced(claim))
            if isinstance(self.measurement, Series) and claim.is_rate:
                return self._rate(claim, self.measurement)
            return self._exact_or_reduced(claim)
        except FAILURES as failure:  # a user's experiment, drawing only now, may raise anything
            return failed(failure)

    def sides(self, claim: Claim) -> tuple[float, ...]:
        """Both sides at first sight, for comparing two measurements: of replicates from the first block, of a rate the
        slopes.
        """
        if isinstance(self.measurement, Series) and claim.is_rate:
            return self._rate(claim, self.measurement).slopes
        plain = self._screened if isinstance(self.measurement, Sample) else self._plain
        return tuple(float(np.mean(plain(side))) for side in (claim.left, claim.right))

    def reach(self, claim: Claim) -> float | None:
        """How near the claim is to being attained, at most, however it is written; see `terms`.

        None for an equality or a rate, where no two terms stand against each other, and where the terms that count
        against a violation may vanish.
        """
        if isinstance(claim.relation, Eq) or claim.is_rate or self.measurement is None:
            return None
        terms = [self._likely(term) for term in excess_terms(claim)]
        towards = math.fsum(max(0.0, float(term.high)) for term in terms)
        against = math.fsum(max(0.0, -float(term.high)) for term in terms)
        if len(terms) < 2 or not against > 0 or not math.isfinite(towards):
            return None
        return None if towards == 0 and any(float(term.high) == 0 for term in terms) else towards / against

    def _likely(self, term: Expr) -> Interval:
        """Where a term's expectation lies: enclosed, or within several standard errors of its mean."""
        if not isinstance(self.measurement, Sample):
            return single(self._enclosed(term))
        drawn = np.atleast_1d(self._screened(term))
        error = STANDARD_ERRORS * float(np.std(drawn)) / math.sqrt(drawn.size)
        return Interval.around(float(np.mean(drawn)), error)

    @np.errstate(all="ignore")
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

    @np.errstate(all="ignore")
    def challenge(self, mutant: Claim, claim: Claim | None, doubt: float = WEIGHED) -> Judgement:
        """The verdict on a mutant at the least cost: looked at first, weighed where it looks more broken than ever.

        A look compares middles of enclosures, or means of the screened replicates. `claim` is what the mutant was made
        of, where that speaks; "assumption not met" where the mutant says nothing here that the claim does not, where
        nothing was measured and where the change leaves a side without a number, as the logarithm of a negative one;
        consistent where it looks true. `doubt` is the largest that was weighed before.
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
        except NoNumber:
            return Judgement(Verdict.ASSUMPTION_NOT_MET, reason=NO_NUMBER)
        except FAILURES as failure:  # a user's experiment, drawing only now, may raise anything
            return failed(failure)
        judgement = replace(self.weigh(mutant), doubt=seen) if seen > max(doubt, WEIGHED) else look.judgement(seen)
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

    def _exact_or_reduced(self, claim: Claim) -> Judgement:
        """As the claim is written where that is supported, or has nothing in common on its sides; else reduced.

        What is common gives both sides their size, by which they may agree, and widens both enclosures.
        """
        written, short = self._exact(claim), reduced(claim)
        if short is claim:
            return written
        found = self._exact(short)
        return written if written.verdict is Verdict.SUPPORTED and found.verdict is not Verdict.REFUTED else found

    def _exact(self, claim: Claim) -> Judgement:
        if claim.setting.random and not (claim.affine(claim.left) and claim.affine(claim.right)):
            reason = "the relation is not affine in what is random, and expectations alone were computed"
            return Judgement(Verdict.ASSUMPTION_NOT_MET, reason=reason)
        left, right = single(self._enclosed(claim.left)), single(self._enclosed(claim.right))
        for name, side in (("left", left), ("right", right)):
            if math.isnan(middle(side)):
                raise ValueError(f"the {name} side is anything between -inf and inf: not a number")
        verdict, reason = compare(claim.relation, left, right)
        error = float(left.width + right.width) / 2
        basis = self.measurement.basis if isinstance(self.measurement, Exact) else "exact"
        small, large = (right, left) if isinstance(claim.relation, Ge) else (left, right)
        ratio, certified = ratios(small, large)
        if 0 in (claim.left, claim.right):
            ratio, certified = self._ratios_of_terms(claim)
        if nearness := self._nearness(claim):
            ratio = certified = nearness
        if verdict is Verdict.CONSISTENT and ratio is not None and ratio > 1:
            reason = f"undecided: the sides differ by {abs(middle(left) - middle(right)):.3g} +- {error:.3g}"
        return Judgement(
            verdict,
            basis=basis if verdict in {Verdict.SUPPORTED, Verdict.REFUTED} else "",
            reason=reason,
            left=middle(left),
            right=middle(right),
            error=error,
            ratio=ratio,
            certified_ratio=certified,
            resolution=1.0 + relative_error(left, right),
            vacuous=self._says_nothing(claim),
        )

    def _says_nothing(self, claim: Claim) -> bool:
        """Whether an inequality is true by the declared signs of observables: no term counts towards a violation.

        At least one term has that sign by declaration, the others may have it here alone: a lower bound that is not
        even positive says nothing of what cannot be negative.
        """
        if isinstance(claim.relation, Eq):
            return False
        terms = excess_terms(claim)
        negative = all(bool(single(self._enclosed(term)).high <= 0) for term in terms)
        return negative and any(self._negative_by_declaration(claim, term) for term in terms)

    def _negative_by_declaration(self, claim: Claim, term: Expr) -> bool:
        parts = terms_of(claim, term).items()
        return all(
            product != 1 and product.is_nonnegative and bool(single(self._enclosed(coefficient)).high < 0)
            for product, coefficient in parts
        )

    def _ratios_of_terms(self, claim: Claim) -> tuple[float | None, float | None]:
        """The ratio of a relation with everything on one side: its terms towards a violation over those against."""
        terms = [single(self._enclosed(term)) for term in excess_terms(claim)]
        zero = Interval.of(0.0)
        small = sum((term for term in terms if middle(term) > 0), zero)
        large = sum((-term for term in terms if middle(term) < 0), zero)
        return ratios(small, large)

    def _nearness(self, claim: Claim) -> float | None:
        """Of two statements said to be equivalent: exp(-m) while they agree, exp(m) where they do not.

        Each is an indicator of a > b, and m is the least of their margins |a - b| / (|a| + |b|): how far one of them is
        from changing. It gives a search something to climb where both sides are zero or one. None for other relations.
        """
        margins = [self._margin(*indicator.args) for indicator in indicators_of(claim)]
        if not margins:
            return None
        left, right = (self._value(side) for side in (claim.left, claim.right))
        return math.exp(min(margins) if abs(left - right) > AGREEMENT else -min(margins))

    def _margin(self, a: Expr, b: Expr) -> float:
        x, y = self._value(a), self._value(b)
        return abs(x - y) / (abs(x) + abs(y)) if x != y else 0.0

    def _value(self, expression: Expr) -> float:
        if isinstance(self.measurement, Sample):
            return float(np.mean(self._screened(expression)))
        return middle(single(self._enclosed(expression)))

    # Tolerances

    def _excuse(self, claim: Claim) -> str:
        """What is wrong with an undecided exact comparison whose tolerance would excuse anything; else nothing."""
        pairs = [tuple(indicator.args) for indicator in indicators_of(claim)] or [(claim.left, claim.right)]
        return next((excuse for pair in pairs if (excuse := self._excuse_of(*pair))), "")

    def _excuse_of(self, left: Expr, right: Expr) -> str:
        one, other = (single(self._enclosed(side)) for side in (left, right))
        tolerance = float(one.width + other.width) / 2
        compared = max(magnitude(side, self._size) for side in (left, right))
        if tolerance <= WIDEST * compared or tolerance <= HALF_THE_DIGITS * self._largest:
            return ""
        share = tolerance / compared if compared else math.inf
        return (
            f"the tolerance {tolerance:.3g} is {share:.3g} of what is measured, {compared:.3g}; "
            f"at most {WIDEST:g} of it is allowed, since a wider one would excuse anything"
        )

    def _size(self, expression: Expr) -> float:
        return middle(single(self._enclosed(expression)))

    @cached_property
    def _largest(self) -> float:
        """The largest number that was measured, or that the configuration fixes and is no count."""
        assert self.measurement is not None
        measured = self.measurement.ranges if isinstance(self.measurement, Sample) else self.measurement.values
        fixed = [value for symbol, value in self.situation.enclosed.items() if not symbol.is_integer]
        sizes = [0.0]
        for value in (*measured.values(), *fixed):
            held = value.rows if isinstance(value, Steps) else value
            if isinstance(held, Interval | np.ndarray | float | int):
                sizes.append(float(np.max(np.abs(Interval.of(held).middle), initial=0.0)))
        return max(filter(math.isfinite, sizes))

    # Evidence

    def _sample(self, claim: Claim) -> Judgement:
        assert isinstance(self.measurement, Sample)
        known = all(self._declared(claim, side) for side in (claim.left, claim.right))
        bet = Bet.on(claim, self._enclosed, tuple(self._noise(claim).values()), declared=known)
        if bet.decided is not None:
            return bet.decided
        if bet.open:
            return self._undecided(claim, bet)
        screen = list(self._draws("screen", self.budget.screen_replicates))
        process, differences = bet.run(screen, self.budget.screen)
        confirmed = process.peak >= math.log(self.budget.screen)
        if confirmed:
            process, differences = bet.run(self._draws("confirm", self.budget.confirm_replicates), self.budget.refute)
        refuted = confirmed and process.peak >= math.log(self.budget.refute)
        left, right = differences
        basis = bet.basis if refuted else self._support(claim, bet, left, right)
        verdict = Verdict.REFUTED if refuted else Verdict.SUPPORTED if basis else Verdict.CONSISTENT
        ratio = self._ratio_of_means(claim, left, right)
        certified, resolution = bet.certify(left, right, ratio, self.budget.refute)
        mean_left, mean_right = (float(np.mean(side)) for side in (left, right))
        error = float(np.std(left - right) / math.sqrt(left.size))
        reason = ""
        if verdict is Verdict.CONSISTENT and ratio is not None and ratio > 1:
            away = f"{abs(mean_left - mean_right) / error:.2g} standard errors" if error else "less than is decided"
            reason = f"undecided: the means differ by {away}; log evidence {process.peak:.3g}"
        if bet.swapped:
            mean_left, mean_right = mean_right, mean_left
        return Judgement(
            verdict,
            basis=basis,
            reason=reason,
            left=mean_left,
            right=mean_right,
            error=error,
            ratio=ratio,
            certified_ratio=certified,
            resolution=resolution,
            log_e=process.peak,
            replicates=left.size,
            vacuous=bet.certain or self._says_nothing(claim),
            confirmed=confirmed,
        )

    def _ratio_of_means(self, claim: Claim, small: Floats, large: Floats) -> float | None:
        """The ratio of the two sides' means; of a relation with everything on one side, that of its terms."""
        if (nearness := self._nearness(claim)) is not None:
            return nearness
        if 0 not in (claim.left, claim.right):
            return part(float(np.mean(small)), float(np.mean(large)))
        terms = [self._value(term) for term in excess_terms(claim)]
        return part(math.fsum(x for x in terms if x > 0), -math.fsum(x for x in terms if x < 0))

    def _undecided(self, claim: Claim, bet: Bet) -> Judgement:
        """What is seen where no evidence can be had, and what would have to be declared."""
        left, right = bet.sides(self._screened)
        if not (np.isfinite(left).all() and np.isfinite(right).all()):
            raise ValueError("a replicate is not a finite number")
        means = (float(np.mean(left)), float(np.mean(right)))
        loose = sorted(str(x) for x, noise in self._noise(claim).items() if math.isinf(noise.left(1.0)))
        names = ", ".join(loose)
        return Judgement(
            Verdict.CONSISTENT,
            reason=f"undecided: {names} may be anything; {TO_DECLARE}",
            left=means[bet.swapped],
            right=means[not bet.swapped],
            error=float(np.std(left - right) / math.sqrt(left.size)),
            ratio=self._ratio_of_means(claim, left, right),
            replicates=left.size,
        )

    def _declared(self, claim: Claim, side: Expr) -> bool:
        assert isinstance(self.measurement, Sample)
        known = self.measurement.variances
        return side in known or all(x == 1 or x in known for x in terms_of(claim, side))

    def _noise(self, claim: Claim) -> dict[Expr, Noise]:
        """What varies in either side, with its coefficient in both: a side of declared variance, else its products."""
        assert isinstance(self.measurement, Sample)
        known = self.measurement.variances
        left, right = (
            {side: Integer(1)} if side in known else terms_of(claim, side) for side in (claim.left, claim.right)
        )
        found = {}
        for product in (x for x in left | right if x != 1):
            small, large = (terms.get(product, Integer(0)) for terms in (left, right))
            found[product] = Noise(self._spread_of(product), *(single(self._enclosed(x)) for x in (small, large)))
        return found

    def _spread_of(self, product: Expr) -> float:
        """The declared standard deviation, else half the width of the sure range, which bounds it (Popoviciu)."""
        assert isinstance(self.measurement, Sample)
        if product in self.measurement.variances:
            return math.sqrt(self.measurement.variances[product])
        return float(single(self._enclosed(product)).width) / 2

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
        if reverse is not None and not reverse.open:
            process, _ = reverse.run([(right, left)], self.budget.support)
            if process.peak >= math.log(self.budget.support):
                return reverse.basis
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

    @np.errstate(all="ignore")
    def curves(self, claim: Claim) -> dict[str, list[float]]:
        """Both sides along an index, for pictures; empty where there is none.

        The index is that of a series, one that the measurement names, or else the steps of the run.
        """
        match self.measurement:
            case Series():
                return self._rate_curve(claim, self.measurement) if claim.is_rate else {}
            case Exact(along=Along() as along):
                return _columns(self._sides_along(claim, along, place) for place in along.places)
            case Exact() | Sample() if n in self.situation.values and _stepwise(claim):
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
        except NotMeasured:
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
        if side.args[1] != series.index:
            raise ValueError(
                f"slope {side}: a slope along {side.args[1]}; the series was measured along {series.index}"
            )
        exponent = -middle(single(self._enclosed(other)))
        grid = np.asarray(series.grid, dtype=np.float64)
        values = np.array([self._at_index(side.args[0], series, j) for j in series.grid])
        if len(grid) < SHORTEST or grid[-1] < 4 * grid[max(4, 2 * len(grid) // 3) - 1]:
            known = ", ".join(f"{j:g}" for j in grid)
            raise ValueError(f"the index was measured at {known}; a rate needs {NEEDED}")
        if not (np.isfinite(values) & (values > 0)).all():
            raise ValueError(f"slope {side}: its values must be positive, and one is {values.min():.6g}")
        # The evidence core speaks of the exponent a in m^-a, the claim of the slope -a.
        rising = isinstance(claim.relation, Ge if side is claim.left else Le)
        found = verdict_of_rate(
            *_halves(grid, values, self._scatter(side.args[0], series)),
            band=_band(claim.relation, exponent, rising=rising),
            logarithms=bool(side.args[0].has(log(side.args[1]))),
        )
        word = Verdict.INCONSISTENT if found.inconsistent else Verdict.CONSISTENT
        slopes = tuple(-slope for slope in found.slopes)
        last, *limits = (f"{-slope.estimate:.3f} +- {slope.half_width:.2g}" for slope in found.far)
        told = f"undecided: {found.undecided}" if found.undecided else f"slope {word} (approximate)"
        known = f"{last} measured, {' or '.join(limits)} in the limit, {-exponent:g} claimed"
        return Judgement(
            word,
            reason=f"{told}: {known}; local slopes {', '.join(f'{slope:.3f}' for slope in slopes)}",
            left=-found.far[0].estimate,
            right=-exponent,
            # By how much the limit is uncertain: the scatter, and how far the extrapolated limits lie.
            error=max(found.far[0].half_width, *(abs(x.estimate - found.far[0].estimate) for x in found.far)),
            slopes=slopes,
        )

    def _rate_curve(self, claim: Claim, series: Series) -> dict[str, list[float]]:
        side, other = (claim.left, claim.right) if claim.left.atoms(Slope) else (claim.right, claim.left)
        exponent = middle(single(self._enclosed(other)))
        values = [self._at_index(side.args[0], series, j) for j in series.grid]
        last = series.grid[-1]
        # The claimed power through the last point: only its slope means anything.
        power = [values[-1] * (j / last) ** exponent for j in series.grid]
        return {"x": [float(j) for j in series.grid], "observed": values, "bound": power}

    def _scatter(self, expression: Expr, series: Series) -> Floats:
        """The relative standard errors of an expression in curves, along the grid: at most those of its curves in all.

        By how much one standard error of each widens its enclosure; what is exact has rounding alone.
        """
        found = []
        for place, index in enumerate(series.grid):
            fixed = self.situation.enclosed | dict(series.values) | {series.index: Interval.of(float(index))}
            drawn = {x: _scattered(series.values[x], float(errors[place])) for x, errors in series.scatter.items()}
            sure, both = (single(Evaluation(fixed | known, Enclosures())(expression)) for known in ({}, drawn))
            found.append(float(both.width - sure.width) / 2 / abs(middle(sure)))
        return np.asarray(found) + float(np.finfo(np.float64).eps)

    def _at_index(self, expression: Expr, series: Series, index: int) -> float:
        values = self.situation.enclosed | dict(series.values) | {series.index: Interval.of(float(index))}
        return middle(single(Evaluation(values, Enclosures())(expression)))


def _stepwise(claim: Claim) -> bool:
    """Whether all that a claim observes was measured step by step, so that it is known at shorter horizons too."""
    observed = (symbols_of(claim.left) | symbols_of(claim.right)) & frozenset(claim.setting.observables)
    return bool(observed) and all(isinstance(x, IndexedBase) for x in observed)


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
            raise NoNumber(f"the sides are {left:.6g} and {right:.6g}; finite numbers are needed")
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


def _middles(value: Any) -> Any:
    """The middle of an enclosure, or the curve of middles."""
    if isinstance(value, Interval):
        return value.middle
    return lambda index: Interval.of(value(index)).middle


def _band(relation: Relational, exponent: float, *, rising: bool) -> tuple[float, float]:
    """Where the exponent a of m^-a must lie; a slope claimed to be at least something bounds a from above."""
    if isinstance(relation, Eq):
        return exponent - SLOPE_BAND, exponent + SLOPE_BAND
    return (-math.inf, exponent + SLOPE_BAND) if rising else (exponent - SLOPE_BAND, math.inf)


def _scattered(value: Any, error: float) -> Any:
    """A number, or a curve, known up to one relative standard error."""
    if isinstance(value, Interval):
        return value * Interval.around(1.0, error)
    return lambda index: value(index) * Interval.around(1.0, error)


def _halves(grid: Floats, values: Floats, errors: Floats) -> tuple[Means, Means]:
    """Two grids of values, the second reaching four times as far or more: the shorter is the first two thirds."""
    short = max(4, 2 * len(grid) // 3)
    return Means(grid[:short], values[:short], errors[:short]), Means(grid, values, errors)
