"""The value of an expression in any arithmetic: floats, intervals, balls, arrays of replicates.

sympy prints some finite sums wrongly for numpy, so expressions are walked, not printed: a sum becomes one vector
operation over its index, and every number reaches the arithmetic exactly.
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import cache, reduce
from math import fsum, inf, nan
from math import log as ln
from operator import add, mul
from typing import Any, Final, Protocol

import mpmath
from sympy import (
    Abs,
    Add,
    Expr,
    Indexed,
    Integer,
    Max,
    Min,
    Mul,
    NumberSymbol,
    Pow,
    Rational,
    Sum,
    Symbol,
    acos,
    asin,
    cosh,
    erf,
    exp,
    harmonic,
    log,
    sinh,
    tanh,
)
from sympy import Float as SympyFloat
from sympy.core.function import AppliedUndef, Function
from sympy.core.numbers import Infinity


class LogGap(Function):  # type: ignore[misc]
    """h(y) = (y - 1 - log y) / (y - 1)^2 for y > 0, with its limit 1/2 at y = 1: decreasing, from infinity to zero."""

    nargs = 1
    is_extended_positive = True

    @classmethod
    def eval(cls, y: Expr) -> Expr | None:
        """The limit, where the argument is one."""
        return Rational(1, 2) if y == 1 else None

    def _eval_evalf(self, prec: int) -> Expr:
        return self.quotient(self.args[0])._eval_evalf(prec)

    @staticmethod
    def quotient(y: Expr) -> Expr:
        """The form that holds away from y = 1."""
        return (y - 1 - log(y)) / (y - 1) ** 2

    def fdiff(self, _: int = 1) -> Expr:
        """h'(y), by the quotient rule; it has no form without a quotient of zeros at y = 1."""
        (y,) = self.args
        return ((1 - 1 / y) * (y - 1) - 2 * (y - 1 - log(y))) / (y - 1) ** 3

    def _latex(self, printer: Any) -> str:
        return rf"h\left({printer._print(self.args[0])}\right)"


def log_gap(y: float) -> float:
    """h(y) of LogGap to 32 units in the last place; infinite at zero.

    Below distance 1/4 from one, the series 1/2 - x/3 + x^2/4 - ... in x = y - 1, whose first 32 terms leave out 4^-32;
    beyond, the difference x - log y is at least a tenth of either term.
    """
    if y <= 0:
        return inf if y == 0 else nan
    x = y - 1
    if abs(x) < 0.25:
        return fsum((-x) ** j / (j + 2) for j in range(32))
    return (x - ln(y)) / x / x if y < inf else 0.0


FUNCTIONS: Final = {
    exp: "exp",
    log: "log",
    tanh: "tanh",
    sinh: "sinh",
    cosh: "cosh",
    erf: "erf",
    asin: "asin",
    acos: "acos",
    Abs: "absolute",
    LogGap: "log_gap",
}

# A cosine this far beyond [-1, 1] got there by rounding.
ROUNDING: Final = 1e-12


class Exceeds(Function):  # type: ignore[misc]
    """The indicator of x > y; its expectation is a probability."""

    nargs = 2

    def _latex(self, printer: Any) -> str:
        return rf"\mathbf 1\left[{printer._print(self.args[0])} > {printer._print(self.args[1])}\right]"


class Slope(Function):  # type: ignore[misc]
    """The limit, as the index grows, of the slope of log y against log index."""

    nargs = 2

    def _latex(self, printer: Any) -> str:
        value, index = (printer._print(argument) for argument in self.args)
        return rf"\lim_{{{index}\to\infty}} \frac{{\mathrm d\log\,\left({value}\right)}}{{\mathrm d\log {index}}}"


class CannotEvaluate(ValueError):
    """An expression holds something that has no value: an unknown symbol or an unsupported function."""


class NotMeasured(CannotEvaluate):
    """A curve has no value at an index; the message names the index and those at which it has one."""


class Arithmetic(Protocol):
    """What a number system offers; `function` is asked for the names in FUNCTIONS, "sqrt", "maximum", "minimum".

    `exact` turns a value without any error into integers and fractions, which Python computes with exactly, and `whole`
    such a number or a column of them into integers; both raise ValueError for what is not known exactly or not whole.
    """

    def rational(self, numerator: int, denominator: int) -> Any: ...
    def constant(self, number: NumberSymbol) -> Any: ...
    def function(self, name: str, *arguments: Any) -> Any: ...
    def power(self, base: Any, exponent: Any) -> Any: ...
    def exceeds(self, left: Any, right: Any) -> Any: ...
    def exact(self, value: Any) -> Any: ...
    def whole(self, value: Any) -> Any: ...
    def indices(self, first: int, last: int) -> Any: ...
    def total(self, terms: Any) -> Any: ...


def exact(value: Any) -> Fraction:
    """The number itself. ValueError for infinities, and for what is no number."""
    try:
        if isinstance(value, str):
            raise TypeError
        return Fraction(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{value!r} is no finite number") from None


def whole(value: Any) -> int:
    """The whole number itself. ValueError for any other number; nothing is rounded."""
    found = exact(value)
    if found.denominator != 1:
        raise ValueError(f"{float(found):.17g} is no whole number")
    return found.numerator


class Floats:
    """Python floats, with sums rounded once."""

    def rational(self, numerator: int, denominator: int) -> float:
        return numerator / denominator

    def constant(self, number: NumberSymbol) -> float:
        return float(number)

    def function(self, name: str, *arguments: float) -> float:
        if name in {"maximum", "minimum"}:
            return (max if name == "maximum" else min)(arguments)
        if name in {"acos", "asin"} and abs(arguments[0]) <= 1 + ROUNDING:
            arguments = (max(-1.0, min(1.0, arguments[0])),)
        if name == "log_gap":
            return log_gap(*arguments)
        value = abs(*arguments) if name == "absolute" else getattr(mpmath.fp, name)(*arguments)
        return self._real(value, name, arguments)

    def power(self, base: float, exponent: float) -> float:
        return self._real(base**exponent, "power", (base, exponent))

    def _real(self, value: Any, name: str, arguments: tuple[float, ...]) -> float:
        if isinstance(value, complex):
            raise CannotEvaluate(f"{name} of {', '.join(map(str, arguments))}: not a real number")
        return float(value)

    def exceeds(self, left: float, right: float) -> float:
        return float(left > right)

    def exact(self, value: Any) -> Fraction:
        return exact(value)

    def whole(self, value: Any) -> int:
        return whole(value)

    def indices(self, first: int, last: int) -> Sequence[int]:
        return range(first, last + 1)

    def total(self, terms: Sequence[float]) -> float:
        return fsum(terms)


Values = Mapping[Any, Any]


class Evaluation:
    """The values of expressions under one assignment; equal subexpressions are computed once.

    `values` maps symbols to numbers of the arithmetic and curves to functions of their index.
    Raises CannotEvaluate for anything that has no value there.
    """

    def __init__(self, values: Values, arithmetic: Arithmetic) -> None:
        self.values = dict(values)
        self._arithmetic = arithmetic
        self._known: dict[Expr, Any] = {}
        self._outer: tuple[Symbol, Evaluation] | None = None

    def __call__(self, expression: Expr) -> Any:
        if expression not in self._known:
            self._known[expression] = self._value(expression)
        return self._known[expression]

    def _value(self, e: Expr) -> Any:
        # What does not move with the index of a sum is known outside it, or will be.
        if self._outer is not None and self._outer[0] not in symbols_of(e):
            return self._outer[1](e)
        if isinstance(e, Symbol):
            return self._lookup(e)
        if isinstance(e, Rational):
            return self._arithmetic.rational(int(e.p), int(e.q))
        if isinstance(e, SympyFloat):
            return self._arithmetic.rational(*float(e).as_integer_ratio())
        if isinstance(e, NumberSymbol):
            return self._arithmetic.constant(e)
        if isinstance(e, Indexed):
            return self._indexed(e)
        if isinstance(e, Sum):
            return self._sum(e)
        if isinstance(e, harmonic) and len(e.args) == 1:
            index = Symbol("_j", integer=True, positive=True)
            return self(Sum(1 / index, (index, 1, e.args[0])))
        return self._operation(e)

    def _operation(self, e: Expr) -> Any:
        if isinstance(e, Add):
            return reduce(lambda x, y: x + y, map(self, e.args))
        if isinstance(e, Mul):
            return reduce(lambda x, y: x * y, map(self, e.args))
        if isinstance(e, Pow):
            return self._power(*e.args)
        if isinstance(e, Max | Min):
            return self._arithmetic.function("maximum" if isinstance(e, Max) else "minimum", *map(self, e.args))
        if isinstance(e, Exceeds):
            return self._arithmetic.exceeds(*map(self, e.args))
        if type(e) in FUNCTIONS:
            return self._arithmetic.function(FUNCTIONS[type(e)], *map(self, e.args))
        what = "limit" if isinstance(e, Slope | Infinity) else "unsupported function"
        name = e.func.__name__ if not isinstance(e, AppliedUndef) else str(e.func)
        raise CannotEvaluate(f"{name}: {what} in {e}; allowed: + - * / ** Sum {' '.join(FUNCTIONS.values())} Max Min")

    def _power(self, base: Expr, exponent: Expr) -> Any:
        if exponent == Rational(1, 2):
            return self._arithmetic.function("sqrt", self(base))
        if exponent == Rational(-1, 2):
            return self._arithmetic.rational(1, 1) / self._arithmetic.function("sqrt", self(base))
        if isinstance(exponent, Integer):
            return self._arithmetic.power(self(base), int(exponent))
        return self._arithmetic.power(self(base), self(exponent))

    def _lookup(self, symbol: Symbol) -> Any:
        if symbol not in self.values:
            raise CannotEvaluate(
                f"{symbol}: symbol without a value here; known: {' '.join(sorted(map(str, self.values)))}"
            )
        return self.values[symbol]

    def _indexed(self, e: Indexed) -> Any:
        if len(e.indices) != 1:
            raise CannotEvaluate(f"{e}: a curve has exactly one index")
        curve, index = self._lookup(e.base), self._whole(e.indices[0], f"index of {e}")
        try:
            return curve(index)
        except NotMeasured as failure:
            raise NotMeasured(f"{e}: {failure}") from None

    def _whole(self, e: Expr, what: str) -> Any:
        """The value of an index or of a limit of a sum: whole numbers, computed exactly, never rounded to one."""
        try:
            return self._arithmetic.whole(self._lookup(e) if isinstance(e, Symbol) else self._exactly(e))
        except CannotEvaluate:
            raise
        except (ValueError, ArithmeticError) as failure:
            raise CannotEvaluate(f"{what}: {failure}; allowed: whole numbers known exactly") from None

    def _exactly(self, e: Expr) -> Any:
        if isinstance(e, Rational):
            return Fraction(int(e.p), int(e.q))
        if isinstance(e, Symbol):
            return self._arithmetic.exact(self._lookup(e))
        if isinstance(e, Add | Mul):
            return reduce(add if isinstance(e, Add) else mul, map(self._exactly, e.args))
        if isinstance(e, Pow) and isinstance(e.exp, Integer):
            return self._exactly(e.base) ** int(e.exp)
        if isinstance(e, Max | Min):
            sign = 1 if isinstance(e, Max) else -1
            return reduce(lambda x, y: (x + y + sign * abs(x - y)) * Fraction(1, 2), map(self._exactly, e.args))
        raise ValueError(f"{e} is not made of whole numbers by + - * / Max Min and whole powers")

    def _sum(self, e: Sum) -> Any:
        # The last limit is the outermost; sympy would flatten a sum of sums again, so the inner ones stay a sum.
        index, low, high = e.limits[-1]
        term = Sum(e.function, *e.limits[:-1]) if e.limits[1:] else e.function
        first, last = (self._whole(limit, f"limit of a sum over {index}") for limit in (low, high))
        if last < first:
            return self._arithmetic.rational(0, 1)
        indices = self._arithmetic.indices(first, last)
        # An inner sum that moves with this index has ragged limits: its terms are taken one by one.
        if _ragged(term, index) or isinstance(indices, range):
            one_by_one = range(first, last + 1)
            places = one_by_one if isinstance(indices, range) else [self._arithmetic.rational(j, 1) for j in one_by_one]
            return self._arithmetic.total([self._at(index, place)(term) for place in places])
        # A term that does not move with the index is repeated, not taken for the whole vector.
        return self._arithmetic.total(self._at(index, indices)(term) + indices * 0)

    def _at(self, index: Symbol, value: Any) -> "Evaluation":
        inner = Evaluation(self.values | {index: value}, self._arithmetic)
        inner._outer = (index, self)
        return inner


def evaluate(expression: Expr, values: Values, arithmetic: Arithmetic | None = None) -> Any:
    """The value of the expression; see Evaluation. Plain floats unless an arithmetic is given.

    >>> from elbound.theory.symbols import n, t
    >>> evaluate(Sum(1 / t, (t, 1, n)), {n: 4})
    2.0833333333333335
    """
    return Evaluation(values, arithmetic or Floats())(expression)


@cache
def _ragged(term: Expr, index: Symbol) -> bool:
    return any(index in symbols_of(inner) for inner in term.atoms(Sum, harmonic))


@cache
def symbols_of(expression: Expr) -> frozenset[Any]:
    """The symbols and curves an expression asks for, without the indices of its sums."""
    if isinstance(expression, Symbol):
        return frozenset({expression})
    if isinstance(expression, Indexed):
        return frozenset({expression.base}).union(*map(symbols_of, expression.indices))
    if isinstance(expression, Sum):
        bounds = (bound for limit in expression.limits for bound in limit[1:])
        inside = symbols_of(expression.function).union(*map(symbols_of, bounds))
        return inside - {limit[0] for limit in expression.limits}
    found = frozenset[Any]().union(*map(symbols_of, expression.args))
    return found - {expression.args[1]} if isinstance(expression, Slope) else found


def degree(expression: Expr, of: Callable[[Expr], bool]) -> float:
    """The polynomial degree in the chosen quantities; infinite where they enter other than by + and *."""
    if of(expression):
        return 1
    if not any(of(part) for part in expression.atoms(Symbol, Indexed)):
        return 0
    if isinstance(expression, Add):
        return max(degree(term, of) for term in expression.args)
    if isinstance(expression, Mul):
        return sum(degree(factor, of) for factor in expression.args)
    if isinstance(expression, Sum):
        return degree(expression.function, of)
    if isinstance(expression, Pow) and isinstance(expression.exp, Integer) and expression.exp > 0:
        return int(expression.exp) * degree(expression.base, of)
    return float("inf")
