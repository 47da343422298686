"""Values of expressions: every arithmetic agrees with sympy's own 50 digits, and enclosures hold them.

The enclosure of an expression follows the rounding of each of its operations, so its width is the error bound that
floats must meet; EXTRA covers the last rounding of a library function, which no width shows.
"""

from collections.abc import Callable
from hashlib import blake2b
from math import pi as circle
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sympy import (
    Abs,
    Add,
    E,
    Expr,
    Float,
    Function,
    Indexed,
    IndexedBase,
    Integer,
    Max,
    Min,
    N,
    Poly,
    Rational,
    Sum,
    Symbol,
    acos,
    asin,
    cosh,
    erf,
    exp,
    gamma,
    harmonic,
    log,
    oo,
    pi,
    sinh,
    sqrt,
    tanh,
)

from elbound.properties.arithmetics import Enclosures, Replicates
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Steps
from elbound.theory.catalogue import Listed, catalogue
from elbound.theory.evaluate import CannotEvaluate, Exceeds, Floats, Slope, degree, evaluate, symbols_of

DIGITS = 50
EXTRA = 16 * 2.0**-53
INDICES = tuple(Symbol(name, integer=True, positive=True) for name in ("t", "i", "j"))
t, i, j = INDICES
n = Symbol("n", integer=True, positive=True)
x, y = Symbol("x", positive=True), Symbol("y", real=True)
a = IndexedBase("a", real=True)
STEPS, REPLICATES = 4, 2


def quiet(examples: int) -> settings:
    """The terms of every search here; no explanations, which take minutes with sympy."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


def written_out(e: Expr) -> Expr:
    """An expression with sums added up term by term and indicators decided, where no curve is left in them."""
    if isinstance(e, Sum):
        index, low, high = e.limits[-1]
        term = Sum(e.function, *e.limits[:-1]) if e.limits[1:] else e.function
        return Add(*(written_out(term.subs(index, place)) for place in range(int(low), int(high) + 1)))
    if isinstance(e, Exceeds) and not e.atoms(Indexed):
        left, right = (N(written_out(side), DIGITS) for side in e.args)
        return Integer(int(bool(left > right)))
    return e.func(*map(written_out, e.args)) if e.args and not isinstance(e, Indexed) else e


def exact(value: Any) -> Rational:
    return Rational(*float(value).as_integer_ratio())


def truth(e: Expr, numbers: dict[Any, Any], curve: Callable[[int], Any]) -> Expr:
    """The value to 50 digits; every float is taken as the rational number it is."""
    # A symbol inside a curve's index is replaced by subs alone, one inside a limit too.
    plain = written_out(e.subs({symbol: exact(value) for symbol, value in numbers.items()}))
    entries = {entry: exact(curve(int(entry.indices[0]))) for entry in plain.atoms(Indexed)}
    return N(written_out(plain.xreplace(entries)), DIGITS)


def agrees(found: Any, enclosure: Interval, value: Expr, place: int) -> None:
    """The enclosure holds the value, and the float lies within the enclosure's width of it."""
    low, high, near = (float(np.broadcast_to(part, (REPLICATES,))[place]) for part in _ends(enclosure, found))
    assert exact(low) <= value <= exact(high)
    assert abs(exact(near) - value) <= exact(high - low) + EXTRA * (abs(value) + abs(exact(high)))


def _ends(enclosure: Interval, found: Any) -> tuple[Any, Any, Any]:
    return tuple(np.squeeze(part) for part in (enclosure.low, enclosure.high, np.asarray(found)))  # type: ignore[return-value]


# Functions whose arguments are kept inside their domains.
MAPS: tuple[Callable[[Expr], Expr], ...] = (
    lambda e: log(1 + e**2),
    lambda e: exp(tanh(e)),
    lambda e: sinh(tanh(e)),
    lambda e: cosh(tanh(e)),
    lambda e: asin(tanh(e) / 2),
    lambda e: acos(tanh(e) / 2),
    lambda e: sqrt(1 + e**2),
    lambda e: 1 / sqrt(1 + e**2),
    lambda e: (1 + e**2) ** Rational(1, 3),
    lambda e: (1 + Abs(e)) ** tanh(e),
    erf,
    Abs,
    lambda e: e**2,
    lambda e: e**3,
    lambda e: 1 / (1 + e**2),
)
JOINS: tuple[Callable[[Expr, Expr], Expr], ...] = (Add, lambda p, q: p * q, lambda p, q: p - q, Max, Min)


def leaves(depth: int) -> st.SearchStrategy[Expr]:
    """Numbers, symbols, curve entries, harmonic numbers; indices of the sums around, and curves there."""
    inside = INDICES[:depth]
    known = [x, y, n, pi, E, a[1], a[n], harmonic(n), *inside, *(a[z] for z in inside), *(harmonic(z) for z in inside)]
    numbers = st.fractions(-3, 3, max_denominator=6).map(lambda q: Rational(q.numerator, q.denominator))
    return st.one_of(st.sampled_from(known), numbers)


def sums(depth: int) -> st.SearchStrategy[Expr]:
    """Sums over one more index, up to n, a number or the index outside: the last has ragged, at times empty, ranges."""
    outside = INDICES[:depth]
    tops = st.sampled_from([n, Integer(3), *outside, *(z - 1 for z in outside)])
    lows = st.sampled_from([Integer(1), Integer(2)])
    return st.builds(
        lambda body, low, top: Sum(body, (INDICES[depth], low, top)), expressions(depth + 1, size=4), lows, tops
    )


def expressions(depth: int = 0, size: int = 6) -> st.SearchStrategy[Expr]:
    base = st.one_of(leaves(depth), sums(depth)) if depth < len(INDICES) - 1 else leaves(depth)
    return st.recursive(
        base,
        lambda e: st.one_of(
            st.builds(lambda f, p: f(p), st.sampled_from(MAPS), e),
            st.builds(lambda f, p, q: f(p, q), st.sampled_from(JOINS), e, e),
        ),
        max_leaves=size,
    )


numbers = st.floats(-2.0, 2.0, width=32)
NAMED = [
    Sum(x, (t, 1, n)),
    Sum(a[n - t + 1] / sqrt(t), (t, 1, n)),
    Sum(harmonic(t), (t, 1, n)),
    Sum(t * Sum(1 / i, (i, 1, t - 1)), (t, 1, n)),
    Sum(log(t) * Sum(a[i] / i, (i, 1, t)), (t, 1, n)),
    Sum(a[i] * t, (i, 1, t), (t, 1, n)),
    Sum(x, (i, 1, 3), (t, 1, n)),
    Sum(Sum(Sum(a[j] / t, (j, 1, i)), (i, 1, t)), (t, 1, n)),
    Sum(1 / t, (t, 3, 2)),
    Max(x, y, Sum(a[t], (t, 1, n))) + Min(x, y, 1),
    Float("0.1") * x,
    x**y,
]


@quiet(80)
@given(
    st.one_of(expressions(), sums(0), st.sampled_from(NAMED)),
    st.integers(1, STEPS),
    st.tuples(st.floats(0.25, 2.0, width=32), st.floats(0.25, 2.0, width=32)),
    st.tuples(numbers, numbers),
    st.lists(st.tuples(numbers, numbers), min_size=STEPS, max_size=STEPS),
)
def test_every_arithmetic_gives_the_value_that_sympy_gives(
    e: Expr,
    steps: int,
    xs: tuple[float, float],
    ys: tuple[float, float],
    rows: list[tuple[float, float]],
) -> None:
    table = np.array(rows)
    replicates = {n: steps, x: np.array(xs), y: np.array(ys), a: Steps(table)}
    intervals = {n: Interval.of(steps), x: Interval.of(xs), y: Interval.of(ys), a: Steps(Interval.of(table))}
    found, enclosure = evaluate(e, replicates, Replicates()), evaluate(e, intervals, Enclosures())
    for place in range(REPLICATES):
        plain = {n: steps, x: xs[place], y: ys[place]}

        def curve(index: Any, place: int = place) -> float:
            return float(table[round(index) - 1, place])

        value = truth(e, plain, curve)
        near = float(np.broadcast_to(np.squeeze(found), (REPLICATES,))[place])
        agrees(near, enclosure, value, place)
        agrees(evaluate(e, {**plain, a: curve}), enclosure, value, place)


@pytest.mark.parametrize("e", NAMED, ids=str)
def test_sums_that_are_easy_to_get_wrong_have_their_value(e: Expr) -> None:
    table = np.array([0.5, -1.25, 2.0, 3.5])
    values = {n: 4, x: 1.5, y: -0.75, a: lambda index: table[round(index) - 1]}
    value = truth(e, {n: 4, x: 1.5, y: -0.75}, lambda index: table[index - 1])
    # Fewer than a hundred operations on numbers of one sign or of size below 64.
    assert evaluate(e, values) == pytest.approx(float(value), rel=100 * 2.0**-53, abs=6400 * 2.0**-53)


def test_an_indicator_is_zero_one_or_open() -> None:
    e = Exceeds(x, y)
    assert evaluate(e, {x: 2.0, y: 1.0}) == 1.0
    assert evaluate(e, {x: 1.0, y: 1.0}) == 0.0
    assert evaluate(e, {x: np.array([2.0, 1.0, 0.5]), y: 1.0}, Replicates()).tolist() == [1.0, 0.0, 0.0]
    wide = evaluate(e, {x: Interval.between([2.0, 0.0, 0.0], [3.0, 3.0, 1.0]), y: Interval.of(1.0)}, Enclosures())
    assert (wide.low.tolist(), wide.high.tolist()) == ([1.0, 0.0, 0.0], [1.0, 1.0, 0.0])


ARITHMETICS = [(Floats(), 0.5), (Replicates(), np.array([0.5, 0.25])), (Enclosures(), Interval.of(0.5))]


@pytest.mark.parametrize(("arithmetic", "value"), ARITHMETICS, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize(
    ("e", "named"),
    [
        (x + y, "y"),
        (Sum(a[t] * x, (t, 1, 3)), "a"),
        (a[y], "a"),
        (gamma(x), "gamma"),
        (Function("f")(x), "f"),
        (Sum(exp(-t * gamma(x)), (t, 1, 2)), "gamma"),
        (Sum(x**t, (t, 1, oo)), "oo"),
        (Slope(x, n), "Slope"),
        (IndexedBase("b")[1, 2], "b[1, 2]"),
    ],
    ids=str,
)
def test_what_has_no_value_is_named(e: Expr, named: str, arithmetic: Any, value: Any) -> None:
    with pytest.raises(CannotEvaluate) as caught:
        evaluate(e, {x: value}, arithmetic)
    message = str(caught.value)
    assert named in message
    assert "\n" not in message


@pytest.mark.parametrize("e", [log(x - 1), sqrt(x - 1), acos(x + 1), (x - 1) ** Rational(1, 3)], ids=str)
def test_a_plain_number_that_is_not_real_is_named(e: Expr) -> None:
    with pytest.raises(CannotEvaluate, match="not a real number"):
        evaluate(e, {x: 0.5})


def test_a_cosine_that_rounding_took_out_of_its_range_is_brought_back() -> None:
    beyond = 1.0 + 2.0**-52
    assert evaluate(acos(-x), {x: beyond}) == circle
    assert evaluate(acos(-x), {x: np.array([beyond])}, Replicates()).tolist() == [circle]
    assert evaluate(acos(-x), {x: Interval.around(beyond, 1e-15)}, Enclosures()).contains(circle)


def test_indices_of_sums_and_slopes_are_not_asked_for() -> None:
    assert symbols_of(Sum(a[t] * x, (t, 1, n)) + Slope(a[i], i)) == frozenset({a, x, n})


coefficients = st.lists(st.integers(-3, 3), min_size=1, max_size=4).filter(lambda c: c[-1] != 0)


@quiet(30)
@given(coefficients, coefficients)
def test_the_degree_is_that_of_the_polynomial(p: list[int], q: list[int]) -> None:
    def in_x(e: Expr) -> bool:
        return bool(e == x)

    one, other = (sum(c * x**power for power, c in enumerate(each)) for each in (p, q))
    assert degree(one * other * y, in_x) == Poly(one * other, x).degree() == len(p) + len(q) - 2
    assert degree((one * other).expand() * y + y**3, in_x) == len(p) + len(q) - 2
    assert degree(Sum(x * t, (t, 1, n)) + y**2, in_x) == 1
    assert degree(1 / x, in_x) == degree(exp(x), in_x) == degree(Exceeds(x, y), in_x) == float("inf")


def drawn(name: str, symbol: Any) -> float:
    """A number for a symbol, by name: a whole one below five, or one in the range where every bound is defined."""
    share = int.from_bytes(blake2b(f"{name}: {symbol}".encode(), digest_size=4).digest(), "big") / 2**32
    if symbol.is_integer:
        return 2 + int(3 * share)
    # The squared norms stay above the inner product, and so cosines within [-1, 1].
    return 1 + share / 2 if str(symbol) in {"x2", "y2"} else 0.25 + share / 2


SIDES = [(x, side) for x in catalogue() for side in (x.claim.left, x.claim.right)]


@pytest.mark.parametrize(
    ("listed", "side"), SIDES, ids=[f"{x.name}: {place % 2}" for place, (x, _) in enumerate(SIDES)]
)
def test_both_sides_of_every_claim_have_the_value_that_sympy_gives(listed: Listed, side: Expr) -> None:
    numbers: dict[Any, Any] = {}
    curves: dict[Any, Any] = {}
    intervals: dict[Any, Any] = {}
    for symbol in symbols_of(side):
        if isinstance(symbol, IndexedBase):
            # Exact in every arithmetic, whatever the index, which may be as large as 2^20.
            curves[symbol] = lambda index: 0.5 + 0.25 * np.mod(_plain(index), 7.0)
            intervals[symbol] = lambda index: Interval.of(0.5 + 0.25 * np.mod(_plain(index), 7.0))
        else:
            numbers[symbol] = drawn(listed.name, symbol)
            intervals[symbol] = Interval.of(numbers[symbol])
    if side.atoms(Slope):
        with pytest.raises(CannotEvaluate, match="limit"):
            evaluate(side, numbers | curves)
        return
    value = truth(side, numbers, lambda index: 0.5 + 0.25 * (index % 7))
    enclosure = evaluate(side, intervals, Enclosures())
    replicates = {symbol: np.full(REPLICATES, number) for symbol, number in numbers.items() if not symbol.is_integer}
    for found in (evaluate(side, numbers | curves), evaluate(side, {**numbers, **curves, **replicates}, Replicates())):
        agrees(np.squeeze(np.asarray(found)).flat[0], enclosure, value, 0)


def _plain(index: Any) -> NDArray[np.float64]:
    return np.asarray(index.low if isinstance(index, Interval) else index, dtype=np.float64)
