"""Changes of units under which a setting stays what it is, and how the two sides of a claim change with them.

Measuring the objective, the parameters or the data in another unit multiplies every letter by a power of the unit. A
situation is then turned into another one of the same setting, so a claim whose sides take different powers is false in
some unit, however well it does in the one that was measured.
"""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sympy import Expr, IndexedBase

from elbound.theory.claim import Claim, Fact, Setting
from elbound.theory.evaluate import CannotEvaluate, Exceeds, Slope, evaluate, symbols_of

# Random letters and units at which powers are read off; agreement to this share is what rounding leaves of it.
TRIALS: Final = 12
FEWEST: Final = 3
UNITS: Final = (2.0, 16.0)
ROUNDING: Final = 1e-9


@dataclass(frozen=True)
class Mixed:
    """No single power: the terms of an expression change differently."""

    def __str__(self) -> str:
        return "terms of different powers"


MIXED: Final = Mixed()


@dataclass(frozen=True)
class Change:
    """What a change of one unit does to both sides of a claim: their powers of it, None where nothing is known.

    `unknown` are the letters of which no power is declared.
    """

    unit: str
    left: float | Mixed | None
    right: float | Mixed | None
    unknown: tuple[str, ...] = ()

    @property
    def homogeneous(self) -> bool | None:
        """Whether both sides change alike; None where that is not known."""
        if self.unknown or (self.left is None and self.right is None):
            return None
        if None in (self.left, self.right):  # zero changes like anything
            return self.left is not MIXED and self.right is not MIXED
        return self.left == self.right and self.left is not MIXED

    def __str__(self) -> str:
        if self.unknown:
            return f"not known of {', '.join(self.unknown)}"
        if self.homogeneous is None:
            return "could not be read off"
        if self.homogeneous:
            return "both sides change alike"
        left, right = (_power(side) for side in (self.left, self.right))
        return f"left changes by {left}, right by {right}: false in some unit"


def _power(side: float | Mixed | None) -> str:
    return str(side) if isinstance(side, Mixed) else f"the unit to the power {side or 0:g}"


def changes(claim: Claim) -> tuple[Change, ...]:
    """How both sides of a claim change with every unit of its setting; empty for a rate, whose slopes have none.

    An indicator takes part as its two arguments, which must change alike.

    >>> from sympy import Le
    >>> from elbound.theory.settings import SGD_RUN
    >>> from elbound.theory.symbols import Delta, L, a
    >>> [str(change) for change in changes(Claim(SGD_RUN, Le(a[1], 2 * L * Delta)))]
    ['both sides change alike', 'both sides change alike']
    >>> str(changes(Claim(SGD_RUN, Le(a[1], 2 * Delta)))[0])
    'left changes by the unit to the power 2, right by the unit to the power 1: false in some unit'
    """
    if claim.is_rate:
        return ()
    return tuple(_change(claim, unit, powers) for unit, powers in units_of(claim.setting).items())


def units_of(setting: Setting) -> Mapping[str, Mapping[Any, float]]:
    """The powers of each unit by letter; a setting that refines another knows its units, and adds its letters."""
    inherited = units_of(setting.refines) if setting.refines is not None else {}
    found = dict(inherited)
    for unit, powers in setting.units.items():
        old = setting.refines.symbols if setting.refines is not None and unit in inherited else frozenset[Any]()
        named = {**dict.fromkeys(setting.symbols - old, 0.0), **inherited.get(unit, {}), **powers}
        found[unit] = {letter: power for letter, power in named.items() if power is not None}
    return found


def _change(claim: Claim, unit: str, powers: Mapping[Any, float]) -> Change:
    asked = symbols_of(claim.left) | symbols_of(claim.right)
    if unknown := sorted(str(letter) for letter in asked - powers.keys()):
        return Change(unit, None, None, tuple(unknown))
    left, right = (_side(side, powers) for side in (claim.left, claim.right))
    for assumption in claim.assuming:
        if isinstance(assumption, Fact) or (symbols_of(assumption.lhs) | symbols_of(assumption.rhs)) - powers.keys():
            continue
        ends = [_side(claim.expanded(end), powers) for end in (assumption.lhs, assumption.rhs)]
        if MIXED in ends or (None not in ends and ends[0] != ends[1]):
            return Change(unit, None, None, (f"the assumption {assumption}",))
    return Change(unit, left, right)


def _side(side: Expr, powers: Mapping[Any, float]) -> float | Mixed | None:
    for indicator in side.atoms(Exceeds):
        first, second = (power_of(argument, powers) for argument in indicator.args)
        if MIXED in (first, second) or (None not in (first, second) and first != second):
            return MIXED
    return power_of(side, powers)


def power_of(expression: Expr, powers: Mapping[Any, float]) -> float | Mixed | None:
    """The power of the unit that an expression changes by; MIXED where its terms differ, None where it is zero.

    Read off numbers: the expression at random letters, and at the same ones in other units.
    """
    if expression.atoms(Slope) or expression == 0:
        return None
    found = []
    for trial in range(TRIALS):
        values = _letters(expression, random.Random(trial))
        try:
            here = float(evaluate(expression, values))
            there = [float(evaluate(expression, _changed(values, powers, unit))) for unit in UNITS]
        except (CannotEvaluate, ArithmeticError, ValueError, LookupError):
            continue
        if here == 0 or not all(map(math.isfinite, (here, *there))):
            continue
        if any(value / here <= 0 for value in there):
            return MIXED
        found += [math.log(value / here) / math.log(unit) for value, unit in zip(there, UNITS, strict=True)]
    if len(found) < FEWEST * len(UNITS):
        return None
    power = round(2 * found[0]) / 2
    return power if all(abs(x - power) <= ROUNDING for x in found) else MIXED


def _letters(expression: Expr, drawn: random.Random) -> dict[Any, Any]:
    """A value for every letter of an expression, by its name: small whole numbers, numbers below one, curves."""
    values: dict[Any, Any] = {}
    for letter in sorted(symbols_of(expression), key=str):
        if isinstance(letter, IndexedBase):
            values[letter] = _curve(drawn.uniform(0.5, 2.0), drawn.uniform(0.1, 3.0))
        elif letter.is_integer:
            values[letter] = drawn.randint(2, 5)
        else:
            # Most letters with a bound of one, such as beta_2, stay below it.
            values[letter] = drawn.uniform(0.1, 0.9)
    return values


def _curve(size: float, pace: float) -> Callable[[float], float]:
    return lambda index: size * (1.2 + math.sin(pace * index))


def _changed(values: Mapping[Any, Any], powers: Mapping[Any, float], unit: float) -> dict[Any, Any]:
    return {letter: _scaled(value, unit ** powers[letter]) for letter, value in values.items()}


def _scaled(value: Any, factor: float) -> Any:
    if callable(value):
        return lambda index: factor * value(index)
    return value * factor if factor != 1 else value
