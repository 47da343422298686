"""A relation with everything brought to one side: what counts towards a violation, and what counts against one.

`left - right` is a sum over products of observables, each with a coefficient that the configuration fixes. That sum
does not depend on how the relation is written: on which side a term stands, or whether a bound or its negative is
meant. At a configuration the terms that are positive count towards a violation of `<=`, the others against one, and the
quotient of the two totals is 1 exactly where the relation is attained.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, Final

from sympy import Abs, Add, Eq, Expr, Ge, Integer, Max, Min, Mul, Pow, Sum

from elbound.theory.claim import Claim
from elbound.theory.evaluate import Exceeds, symbols_of

# A sum that multiplies out into more terms than this is left as it is written: one term for each side.
LARGEST: Final = 64
HIGHEST_POWER: Final = 4

Terms = dict[Expr, Expr]  # a product of observables, and its coefficient


class _TooMany(Exception):
    """A sum has more terms than are written out."""


def excess_terms(claim: Claim) -> tuple[Expr, ...]:
    """The summands of the side claimed to be smaller less the other, like ones taken together."""
    small, large = (claim.right, claim.left) if isinstance(claim.relation, Ge) else (claim.left, claim.right)
    return _excess(small, large, frozenset(claim.setting.observables))


def reduced(claim: Claim) -> Claim:
    """The claim without what its sides have in common: `3 b + 1 <= 2 b + a` becomes `b + 1 <= a`.

    Each product of observables that stands on both sides is left on one of them, with the difference of its
    coefficients. The claim itself where there is none, or where no observable would be left.
    """
    found = _reduced(claim.left, claim.right, frozenset(claim.setting.observables))
    if found is None:
        return claim
    relation = claim.relation.func(*found, evaluate=False)
    return replace(claim, relation=relation, where={}, wrong={}, attained=0.0)


def terms_of(claim: Claim, side: Expr) -> Terms:
    """One side as a sum over products of observables, each with its coefficient."""
    return _terms(side, frozenset(claim.setting.observables))


def indicators_of(claim: Claim) -> tuple[Exceeds, ...]:
    """The indicators of an equality between two statements, such as `a > b` if and only if `c > d`; else nothing."""
    if not isinstance(claim.relation, Eq):
        return ()
    found = claim.left.atoms(Exceeds) | claim.right.atoms(Exceeds)
    blank = {indicator: Integer(0) for indicator in found}
    alone = not any(symbols_of(side.xreplace(blank)) for side in (claim.left, claim.right))
    return tuple(sorted(found, key=str)) if alone else ()


@cache
def _terms(side: Expr, observables: frozenset[Any]) -> Terms:
    try:
        return _collected(side, observables)
    except _TooMany:
        return {side: Integer(1)}


@cache
def _excess(small: Expr, large: Expr, observables: frozenset[Any]) -> tuple[Expr, ...]:
    try:
        found = _added(_collected(small, observables), _collected(large, observables), -1)
    except _TooMany:
        found = {small: Integer(1), large: Integer(-1)}
    return tuple(coefficient * product for product, coefficient in found.items() if coefficient != 0)


@cache
def _reduced(left: Expr, right: Expr, observables: frozenset[Any]) -> tuple[Expr, Expr] | None:
    one, other = _terms(left, observables), _terms(right, observables)
    common = [product for product in one if product != 1 and product in other]
    if not common:
        return None
    sides = [{x: c for x, c in side.items() if x not in common} for side in (one, other)]
    for product in common:
        net = one[product] - other[product]
        away = net.could_extract_minus_sign()
        sides[away][product] = -net if away else net
    if all(x == 1 or c == 0 for side in sides for x, c in side.items()):
        return None
    found = (Add(*(c * x for x, c in side.items())) for side in sides)
    return next(found), next(found)


def _collected(e: Expr, observables: frozenset[Any]) -> Terms:
    if not symbols_of(e) & observables:
        return {Integer(1): e}
    if isinstance(e, Add):
        found: Terms = {}
        for part in e.args:
            found = _added(found, _collected(part, observables))
        return found
    if isinstance(e, Mul):
        found = {Integer(1): Integer(1)}
        for part in e.args:
            found = _multiplied(found, _collected(part, observables))
        return found
    if isinstance(e, Pow) and isinstance(e.exp, Integer) and 1 < e.exp <= HIGHEST_POWER:
        return _collected(Mul(*[e.base] * int(e.exp), evaluate=False), observables)
    if isinstance(e, Sum):
        found = {}
        for product, factor in _collected(e.function, observables).items():
            fixed, moving = factor.as_independent(*(limit[0] for limit in e.limits), as_Add=False)
            total = Sum(moving * product, *e.limits)
            found = _added(found, {Integer(1): fixed * total} if product == 1 else {total: fixed})
        return found
    return {e: Integer(1)}


def _added(first: Terms, second: Terms, sign: int = 1) -> Terms:
    found = dict(first)
    for product, coefficient in second.items():
        found[product] = found.get(product, Integer(0)) + sign * coefficient
    return _few(found)


def _multiplied(first: Terms, second: Terms) -> Terms:
    found: Terms = {}
    for p, a in first.items():
        for q, b in second.items():
            found[p * q] = found.get(p * q, Integer(0)) + a * b
    return _few(found)


def _few(terms: Terms) -> Terms:
    if len(terms) > LARGEST:
        raise _TooMany
    return terms


def magnitude(e: Expr, value: Callable[[Expr], float]) -> float:
    """How large the numbers are that an expression is put together from: terms that cancel count with their sizes.

    `value` gives the value of an expression. Of a sum over an index the sizes of its terms are added.
    """
    if isinstance(e, Add | Max | Min):
        return max(magnitude(part, value) for part in e.args)
    if isinstance(e, Mul):
        return math.prod(magnitude(part, value) for part in e.args)
    if isinstance(e, Abs):
        return magnitude(e.args[0], value)
    if isinstance(e, Pow) and e.exp.is_Rational and e.exp.is_positive:
        return float(magnitude(e.base, value) ** float(e.exp))
    return abs(value(Sum(Abs(e.function), *e.limits) if isinstance(e, Sum) else e))
