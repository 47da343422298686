"""What the right side of a user's claim looks like: sign, monotonicity, ends of the assumptions, order.

Every question is put to sympy for at most `SECONDS`; what sympy leaves open is answered by floating-point evaluation at
the parameters of configurations that were judged, with every curve and observable held at one, and marked as numeric.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from sympy import Dummy, Expr, IndexedBase, Le, Sum, Symbol, diff, limit, log, nan, oo, solve, zoo

from elbound.properties.arithmetics import Replicates
from elbound.properties.limits import TimeLimit, stopped_after
from elbound.theory.catalogue import Listed
from elbound.theory.claim import Claim, Fact, meaning
from elbound.theory.evaluate import evaluate, symbols_of
from elbound.theory.symbols import ALPHABET
from elbound.theory.units import changes

SECONDS = 2.0
POINTS = 12  # judged configurations at which a numeric answer is read off
NEARER = (1e-2, 1e-4, 1e-6)  # distances to an end of an assumption, as shares of the symbol's value there
LATE = (2**12, 2**14)  # where a local slope is read off
POWERS = (0, 1, -1, 2, -2)  # of the logarithm, in an order
STEP = 1e-3  # relative, for a real symbol; whole numbers move by one
# Differences below this share of the value may be rounding of a few hundred operations.
ROUNDING = 1e-12

Answer = dict[str, str]
Values = Mapping[Any, Any]


@dataclass(frozen=True)
class Point:
    """A judged configuration: the parameters by name, and what both sides were there."""

    parameters: Mapping[str, float]
    left: float | None
    right: float | None


@dataclass(frozen=True)
class Question:
    """A question in words, how sympy would answer it, and how numbers would; an empty answer is none."""

    words: str
    symbolic: Callable[[], str]
    numeric: Callable[[], str]

    def answered(self) -> Answer:
        for how, ask in (("symbolic", self.symbolic), ("numeric", self.numeric)):
            if found := _within(ask):
                return {"question": self.words, "answer": found, "how": how}
        return {"question": self.words, "answer": "open", "how": "open"}


def _within(ask: Callable[[], str]) -> str:
    try:
        with stopped_after(SECONDS):
            return ask()
    except TimeLimit:
        return ""
    except Exception:  # sympy raises many kinds where it does not know, NotImplementedError and TypeError among them
        return ""


@dataclass(frozen=True)
class Bound:
    """The right side of a claim, and points at which it was judged."""

    claim: Claim
    judged: Sequence[Point] = ()

    @property
    def right(self) -> Expr:
        return self.claim.right

    @cached_property
    def symbols(self) -> list[Any]:
        return sorted(symbols_of(self.right), key=str)

    @cached_property
    def scalars(self) -> list[Symbol]:
        """The scalar parameters of the right side; what is measured is no variable of a bound."""
        return [x for x in self.symbols if isinstance(x, Symbol) and x in self.claim.setting.parameters]

    @cached_property
    def points(self) -> list[Values]:
        """The judged points, every curve and observable replaced by one."""
        asked = set(self.symbols).union(*(symbols_of(side) for edge in self._relations for side in edge.args))
        found = []
        for judged in self.judged[:: max(1, len(self.judged) // POINTS)][:POINTS]:
            known = judged.parameters
            values: Values = {x: known.get(str(x), 1.0) if isinstance(x, Symbol) else _one for x in asked}
            finite = all(map(math.isfinite, (v for v in values.values() if isinstance(v, float))))
            if finite and self._resembles(judged, values):
                found.append(values)
        return found

    def _resembles(self, judged: Point, values: Values) -> bool:
        """Whether the right side has its judged sign though curves are held at one: else that is out of their range."""
        try:
            return judged.right is None or judged.right * self.at(values) > 0
        except (ValueError, ArithmeticError, LookupError):
            return False

    @cached_property
    def _relations(self) -> list[Any]:
        return [self.claim.expanded(x) for x in self.claim.assuming if not isinstance(x, Fact)]

    def at(self, point: Values) -> float:
        # As arrays, because a sum over thousands of steps is one operation there.
        with np.errstate(all="ignore"):
            value = float(evaluate(self.right, point, Replicates()).item())
        if math.isnan(value):
            raise ValueError(f"no number at {point}")
        return value

    def inside(self, point: Values) -> bool:
        """Whether a point meets the relations among the assumptions."""
        return all(bool(x.func(evaluate(x.lhs, point), evaluate(x.rhs, point))) for x in self._relations)

    def questions(self) -> Iterator[Question]:
        yield Question("sign", partial(sign_of, self.right), self._sign)
        for x in self.scalars:
            yield Question(f"in {x}", partial(self._slope, x), partial(self._trend, x))
        for edge in self._relations:
            name = f"where {edge.lhs} comes to {edge.rhs}"
            yield Question(name, partial(self._limit, edge), partial(self._nearing, edge))
        for change in changes(self.claim):
            yield Question(f"in another unit of the {change.unit}", partial(str, change), str)
        for x in self.scalars:
            if x.is_integer:
                yield Question(f"order in {x}", partial(order_of, self.right, x), partial(self._local_order, x))

    # Sign and monotonicity

    def _sign(self) -> str:
        values = [point.right for point in self.judged if point.right is not None]
        return _sign_word(values) if values else ""

    def _slope(self, x: Symbol) -> str:
        # Between whole numbers a bound that rises as a function of a real variable rises as well.
        real = Dummy(str(x), positive=True) if x.is_positive else Dummy(str(x), real=True)
        found = sign_of(diff(self.right.subs(x, real), real)) if x not in self._limits else ""
        words = {"positive": "increasing", "negative": "decreasing", "zero": "constant"}
        return {"not negative": "nondecreasing", "not positive": "nonincreasing", **words}.get(found, "")

    @cached_property
    def _limits(self) -> frozenset[Any]:
        """The symbols in the limits of sums, in which sympy knows no derivative."""
        bounds = (end for total in self.right.atoms(Sum) for _, *ends in total.limits for end in ends)
        return frozenset(itertools.chain.from_iterable(end.free_symbols for end in bounds))

    def _trend(self, x: Symbol) -> str:
        moves = []
        for point in self.points:
            further = {**point, x: point[x] + 1 if x.is_integer else point[x] * (1 + STEP)}
            if self.inside(point) and self.inside(further):
                here, there = self.at(point), self.at(further)
                moves.append(0.0 if abs(there - here) <= ROUNDING * abs(here) else there - here)
        if not moves:
            return ""
        if all(move == 0 for move in moves):
            return "constant"
        if min(moves) >= 0:
            return "increasing" if min(moves) > 0 else "nondecreasing"
        if max(moves) <= 0:
            return "decreasing" if max(moves) < 0 else "nonincreasing"
        return "increasing here, decreasing there"

    # Ends of the assumptions

    def _towards(self, edge: Any) -> tuple[Symbol, Expr] | None:
        """A symbol of the right side in which the end of an assumption can be reached, and its value there."""
        for x in sorted(symbols_of(edge.lhs - edge.rhs), key=str):
            if isinstance(x, Symbol) and x in self.scalars and not x.is_integer:
                found = solve(edge.lhs - edge.rhs, x)
                if len(found) == 1:
                    return x, found[0]
        return None

    def _limit(self, edge: Any) -> str:
        reached = self._towards(edge)
        if reached is None:
            return ""
        x, end = reached
        side = "-" if edge.rel_op.startswith("<") == bool((edge.lhs - edge.rhs).coeff(x).is_nonnegative) else "+"
        # A letter that may be zero leaves sympy undecided; what is asked is how the bound behaves where it is not.
        positive = {y: Dummy(str(y), positive=True) for y in self.right.free_symbols if y.is_nonnegative and y != x}
        return _end_word(limit(self.right.xreplace(positive), x, end.xreplace(positive), side))

    def _nearing(self, edge: Any) -> str:
        reached = self._towards(edge)
        if reached is None:
            return ""
        x, end = reached
        words = set()
        for point in self.points:
            there = float(evaluate(end, point))
            for side in (-1, 1):
                near = [{**point, x: there * (1 + side * share)} for share in NEARER]
                if all(self.inside(p) for p in near):
                    words.add(_tendency([self.at(p) for p in near]))
        return " or ".join(sorted(words))

    # Order

    def _local_order(self, x: Symbol) -> str:
        slopes = []
        for point in self.points[:3]:
            late = [{**point, x: float(m)} for m in LATE]
            if all(self.inside(p) for p in late):
                values = [self.at(p) for p in late]
                if min(values) > 0:
                    slopes.append(math.log(values[1] / values[0]) / math.log(LATE[1] / LATE[0]))
        if not slopes:
            return ""
        low, high = min(slopes), max(slopes)
        power = f"{low:.2f}" if high - low < 5e-3 else f"{low:.2f} to {high:.2f}"
        return f"about {x}^({power}) between {LATE[0]:,} and {LATE[1]:,}"


def _one(index: Any) -> Any:
    return index * 0 + 1.0


def sign_of(expression: Expr) -> str:
    """The sign of an expression by the assumptions on its letters; empty where sympy leaves it open."""
    for simpler in (expression, expression.factor()):
        told = (
            (simpler.is_zero, "zero"),
            (simpler.is_positive, "positive"),
            (simpler.is_negative, "negative"),
            (simpler.is_nonnegative, "not negative"),
            (simpler.is_nonpositive, "not positive"),
        )
        if found := next((word for known, word in told if known), ""):
            return found
    return ""


def _sign_word(values: Sequence[float]) -> str:
    if min(values) > 0:
        return "positive"
    if max(values) < 0:
        return "negative"
    return (
        "not negative" if min(values) >= 0 else "not positive" if max(values) <= 0 else "positive here, negative there"
    )


def _end_word(end: Expr) -> str:
    if end in (oo, -oo):
        return "grows without limit" if end == oo else "falls without limit"
    if end in (zoo, nan) or end.has(limit, oo, -oo, zoo, nan):
        return ""
    return "falls to zero" if end == 0 else "stays finite" if end.is_finite or end.is_number else ""


def _tendency(values: Sequence[float]) -> str:
    first, second, third = map(abs, values)
    if not math.isfinite(third):
        return "grows without limit"
    if third > 5 * second > 25 * first:
        return "grows without limit" if values[-1] > 0 else "falls without limit"
    return "falls to zero" if 25 * third < 5 * second < first else "stays finite"


def order_of(expression: Expr, x: Symbol) -> str:
    """The order x^a log(x)^b of an expression for large x, by limits; empty where sympy leaves it open."""
    m = Dummy(str(x), positive=True)
    # A factor without x moves no order.
    real = expression.subs(x, m).as_independent(m, as_Add=False)[1]
    power = limit(log(real) / log(m), m, oo)
    if not power.is_number or not power.is_finite:
        return "faster than every power of " + str(x) if power == oo else ""
    for logs in POWERS:
        constant = limit(real / m**power / log(m) ** logs, m, oo)
        if constant.is_finite and constant.is_zero is False:
            parts = [f"{x}^({power})"] if power != 0 else []
            parts += [f"log({x})^({logs})"] if logs else []
            return " ".join(parts) or "constant"
    return ""


def impossible(listed: Listed, judged: Sequence[Point]) -> str:
    """The problem, in words, of an upper bound that is negative wherever it was judged, on what never is."""
    sides = [(point.left, point.right) for point in judged if point.left is not None and point.right is not None]
    if not isinstance(listed.claim.relation, Le) or not all(left >= 0 > right for left, right in sides) or not sides:
        return ""
    largest = max(right for _, right in sides)
    said = f"its right side is negative wherever it was judged, {largest:.4g} at most, and its left side never is"
    return f"{listed.where}: claim {listed.name}: {said}"


def symbolic_checks(claim: Claim, judged: Sequence[Point]) -> list[Answer]:
    """What can be said of the right side of a claim, question by question.

    Numbers are read off at configurations on which the claim was judged.
    """
    bound = Bound(claim, judged)
    letters = ", ".join(f"{x} ({_role(claim, x)})" for x in bound.symbols) or "none"
    known = {"question": "letters", "answer": letters, "how": "symbolic"}
    return [known, *(question.answered() for question in bound.questions())]


def _role(claim: Claim, x: Any) -> str:
    kind = "measured" if x in claim.setting.observables else "curve" if isinstance(x, IndexedBase) else "parameter"
    return f"{kind}: {meaning(x)}" if x in ALPHABET and x not in claim.setting.strangers else kind
