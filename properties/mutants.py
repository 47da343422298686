"""The ladder of a claim: wrong versions of its relation that nobody wrote by hand.

A mutant is a claim over the same setting that differs in one place: the bound divided by a constant, one number, one
exponent, one summand, the power of one symbol, one assumption, or the direction. Most are false, some are merely
weaker, and a loose bound has true ones that are stronger; which is which the measurements tell, not this module.
"""

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from sympy import Abs, Add, Eq, Expr, Ge, Indexed, Le, Number, NumberSymbol, Pow, Rational, Sum, Symbol
from sympy.core.relational import Relational

from elbound.theory.claim import Claim

CONSTANTS: Final = tuple(map(Rational, ("1.01", "1.05", "1.1", "1.2", "1.5", "2", "4", "10")))
FACTORS: Final = tuple(map(Rational, ("1/2", "9/10", "11/10", "2")))
STEPS: Final = tuple(map(Rational, ("-1/2", "-1/10", "1/10", "1/2")))
POWERS: Final = (Rational(1, 2), Rational(3, 2))
LONGEST_NAME: Final = 120


class Family(enum.StrEnum):
    """What a mutant changes."""

    CONSTANT = "constant"
    COEFFICIENT = "coefficient"
    EXPONENT = "exponent"
    TERM = "dropped term"
    POWER = "power"
    ASSUMPTION = "dropped assumption"
    REVERSED = "reversed"


Changes = Iterator[tuple[str, Mapping[str, Any]]]  # what is done, and the claim's fields it changes
Variants = Iterator[tuple[str, Expr]]  # what is done to an expression, and what becomes of it


@dataclass(frozen=True)
class Mutant:
    """A claim with one thing changed; `claim.statement` and `claim.latex` print it."""

    name: str
    family: Family
    claim: Claim


def ladder(claim: Claim) -> tuple[Mutant, ...]:
    """The mutants of a claim, family by family, each once and none equal to the claim; the same for the same claim.

    Empty for a rate, which finite data cannot refute, and for a finding, which must fall as it stands.
    """
    if claim.is_rate or claim.is_finding:
        return ()
    seen, names, found = {_essence(claim)}, set[str](), []
    for mutant in _all(claim):
        if (essence := _essence(mutant.claim)) not in seen:
            seen.add(essence)
            found.append(replace(mutant, name=_unused(mutant.name, names)))
    return tuple(found)


def _all(claim: Claim) -> Iterator[Mutant]:
    bare = replace(claim, wrong={}, attained=0.0, papers={})
    for family, changes in _FAMILIES.items():
        for name, fields in changes(claim):
            yield Mutant(name, family, replace(bare, **fields))


def _essence(claim: Claim) -> Any:
    small, large = claim.relation.lhs, claim.relation.rhs
    if isinstance(claim.relation, Ge):
        small, large = large, small
    return (isinstance(claim.relation, Eq), small, large, tuple(claim.where.items()), claim.assuming)


def _unused(name: str, names: set[str]) -> str:
    short = name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 3] + "..."
    unused, count = short, 1
    while unused in names:
        count += 1
        unused = f"{short} ({count})"
    names.add(unused)
    return unused


# The families


def _constants(claim: Claim) -> Changes:
    """The bound made stricter by a factor: on the right, where it stands in every claim."""
    relation = claim.relation
    for c in CONSTANTS:
        if isinstance(relation, Ge):
            yield f"the bound times {float(c):g}", _related(Ge, relation.lhs, c * relation.rhs)
        else:
            yield f"the bound over {float(c):g}", _related(relation.func, relation.lhs, relation.rhs / c)


def _reversed(claim: Claim) -> Changes:
    """The other direction; an equality holds in both."""
    if not isinstance(claim.relation, Eq):
        other = Ge if isinstance(claim.relation, Le) else Le
        yield "the other direction", _related(other, claim.relation.lhs, claim.relation.rhs)


def _assumptions(claim: Claim) -> Changes:
    for j, assumption in enumerate(claim.assuming):
        yield f"without: {assumption}", {"assuming": claim.assuming[:j] + claim.assuming[j + 1 :]}


def _powers(claim: Claim) -> Changes:
    """Each letter raised throughout one side; not an index or a sum's limit, and where it is random no observable."""
    for side, expression in _sides(claim).items():
        for symbol in (x for x in _nodes(expression) if isinstance(x, Symbol | Indexed)):
            if not (claim.setting.random and claim.observed(claim.expanded(symbol))):
                for power in POWERS if symbol.is_nonnegative else (Rational(2),):
                    new = _replaced(expression, symbol, symbol**power)
                    yield f"{symbol} to the power {float(power):g} on the {side}", _with_side(claim, side, new)


def _rewritten(rule: Callable[[Expr], Variants], claim: Claim) -> Changes:
    """A rule applied to one part at a time, wherever that part stands: on the left, on the right, in a definition."""
    for side, expression in _sides(claim).items():
        for name, new in _variants(rule, expression):
            yield f"{name} on the {side}", _with_side(claim, side, new)
    for letter, definition in claim.where.items():
        for name, new in _variants(rule, definition):
            # The assumptions keep the letter's old meaning: only the relation changes.
            assuming = tuple(claim.expanded(x) if isinstance(x, Relational) else x for x in claim.assuming)
            yield f"{name} in {letter}", {"where": {**claim.where, letter: new}, "assuming": assuming}


def _coefficients(e: Expr) -> Variants:
    """Each number, and the unwritten one before each summand, times a factor."""
    for j in _inner(e):
        part = e.args[j]
        if isinstance(part, Number | NumberSymbol) and part != 0:
            whole = str(e)
            yield from ((f"{part} as {factor * part} in {whole}", _with(e, j, factor * part)) for factor in FACTORS)
        elif isinstance(e, Add) and part.as_coeff_Mul()[0] == 1:
            term = str(part)
            yield from ((f"{term} times {float(factor):g}", _with(e, j, factor * part)) for factor in FACTORS)


def _exponents(e: Expr) -> Variants:
    """Each written exponent a little or half a step up and down."""
    if isinstance(e, Pow) and isinstance(e.exp, Number):
        known = str(e)
        for step in STEPS:
            yield f"{known} with exponent {float(e.exp + step):g}", _power(e.base, e.exp, e.exp + step)


def _power(base: Expr, before: Expr, exponent: Expr) -> Expr:
    """The base to another exponent; what had a whole one may be negative, keeps its sign or loses it as before."""
    if base.is_nonnegative or not before.is_integer:
        return base**exponent
    return Abs(base) ** exponent if before.is_even else base * Abs(base) ** (exponent - 1)


def _terms(e: Expr) -> Variants:
    if isinstance(e, Add):
        whole = str(e)
        yield from ((f"without {part} in {whole}", _with(e, j, Rational(0))) for j, part in enumerate(e.args))


_FAMILIES: Final[Mapping[Family, Callable[[Claim], Changes]]] = {
    Family.CONSTANT: _constants,
    Family.COEFFICIENT: partial(_rewritten, _coefficients),
    Family.EXPONENT: partial(_rewritten, _exponents),
    Family.TERM: partial(_rewritten, _terms),
    Family.POWER: _powers,
    Family.ASSUMPTION: _assumptions,
    Family.REVERSED: _reversed,
}


# Rewriting. Nothing is simplified on the way: that would take most of the time, and hide what was changed.


def _sides(claim: Claim) -> Mapping[str, Expr]:
    return {"left": claim.relation.lhs, "right": claim.relation.rhs}


def _related(func: type[Relational], left: Expr, right: Expr) -> Mapping[str, Any]:
    return {"relation": func(left, right, evaluate=False)}


def _with_side(claim: Claim, side: str, new: Expr) -> Mapping[str, Any]:
    return _related(claim.relation.func, *({**_sides(claim), side: new}).values())


def _inner(e: Expr) -> range:
    """Which arguments are quantities: not the index of a curve, a sum's limits, or a written exponent."""
    if isinstance(e, Indexed):
        return range(0)
    if isinstance(e, Sum) or (isinstance(e, Pow) and isinstance(e.exp, Number)):
        return range(1)
    return range(len(e.args))


def _with(e: Expr, place: int, new: Expr) -> Expr:
    return _rebuilt(e, (*e.args[:place], new, *e.args[place + 1 :]))


def _rebuilt(e: Expr, arguments: Iterable[Expr]) -> Expr:
    return e.func(*arguments) if isinstance(e, Sum) else e.func(*arguments, evaluate=False)


def _nodes(e: Expr) -> Iterator[Expr]:
    """Every part of an expression that is a quantity, once each, without the indices of sums."""
    seen: dict[Expr, None] = {}
    waiting = [e]
    while waiting:
        part = waiting.pop()
        if part not in seen:
            seen[part] = None
            waiting += [part.args[j] for j in reversed(_inner(part))]
    indices = {limit[0] for total in seen if isinstance(total, Sum) for limit in total.limits}
    return (part for part in seen if part not in indices)


def _variants(rule: Callable[[Expr], Variants], e: Expr) -> Variants:
    for part in _nodes(e):
        yield from ((name, _replaced(e, part, new)) for name, new in rule(part))


def _replaced(e: Expr, old: Expr, new: Expr) -> Expr:
    if e == old:
        return new
    arguments = list(e.args)
    for j in _inner(e):
        arguments[j] = _replaced(e.args[j], old, new)
    return e if all(x is y for x, y in zip(arguments, e.args, strict=True)) else _rebuilt(e, arguments)
