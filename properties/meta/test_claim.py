"""A claim says something testable or is refused in one line; it knows where it is silent and how to write itself."""

from typing import Any

import pytest
from sympy import Abs, Eq, Expr, Ge, Gt, IndexedBase, Le, Lt, Ne, Rational, Sum, Symbol, log, sqrt, tanh
from sympy import S as Singletons

from elbound.theory import symbols
from elbound.theory.catalogue import catalogue
from elbound.theory.claim import Claim, ClaimError, Fact, OutsideAssumptions, Setting
from elbound.theory.descent.sgd_sharp import SGD_SHARP, TELESCOPED
from elbound.theory.evaluate import Exceeds, Slope
from elbound.theory.settings import SGD_RUN, SMOOTH, UNBIASED
from elbound.theory.smoothness.soft_clipping import BELOW
from elbound.theory.symbols import C, Delta, F, L, a, n, sigma2, t

CERTAIN, OTHER = Fact("certain", "the thing is certain"), Fact("other", "another thing holds")
p, q = Symbol("p", positive=True), Symbol("q", real=True)
X, Y = Symbol("X", nonnegative=True), Symbol("Y", real=True)
Z = IndexedBase("Z", nonnegative=True)
STILL = Setting("still", "a thing at rest", parameters=(p, q), observables=(X, Y, Z), facts=(CERTAIN,))
RANDOM = Setting("moving", "a thing at random", parameters=(p, q), observables=(X, Y, Z), facts=(CERTAIN,), random=True)


def refusal(relation: Any, **others: Any) -> str:
    """The one line in which a claim is refused."""
    with pytest.raises(ClaimError) as caught:
        Claim(STILL, relation, **others)
    message = str(caught.value)
    assert message
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "decided", [Le(X, X), Ge(1, 2), Eq(p, p), Le(-X, 0), Singletons.true, X + Y, "X <= Y"], ids=str
)
def test_what_sympy_decides_or_cannot_weigh_is_no_relation(decided: Any) -> None:
    assert "not a relation <=, >= or = left open" in refusal(decided)
    assert "wrong version 'odd'" in refusal(Le(X, p), wrong={"odd": decided})


@pytest.mark.parametrize("strict", [Lt(X, p), Gt(X, p), Ne(X, p)], ids=str)
def test_strict_relations_cannot_be_weighed(strict: Any) -> None:
    assert "not a relation" in refusal(strict)


def test_an_unknown_symbol_is_named_with_what_is_known() -> None:
    odd, curve = Symbol("odd", positive=True), IndexedBase("curve")
    for relation in (Le(X, odd), Le(odd, X), Le(X, Sum(odd * t, (t, 1, 3))), Eq(X, tanh(odd))):
        message = refusal(relation)
        assert "unknown symbol odd;" in message
        assert "setting still has X, Y, Z, p, q" in message
    assert "unknown symbol curve;" in refusal(Le(curve[1], p))
    assert "wrong version 'w': unknown symbol odd" in refusal(Le(X, p), wrong={"w": Le(X, odd)})
    assert "assumption: unknown symbol odd" in refusal(Le(X, p), assuming=(odd < 1,))
    assert "definition: unknown symbol odd" in refusal(Le(X, p), where={p: odd + 1})


def test_a_twin_of_the_same_name_is_told_from_the_letter_itself() -> None:
    for twin in (Symbol("p"), Symbol("p", real=True)):
        message = refusal(Le(X, twin))
        assert "unknown symbol p (another symbol of that name" in message
        assert "elbound.theory.symbols" in message


def test_unknown_facts_and_decided_assumptions_are_refused() -> None:
    assert "fact other: not one of setting still; known: certain" in refusal(Le(X, p), assuming=(OTHER,))
    message = refusal(Le(X, p), assuming=(p > 0,))
    assert "neither a relation left open by sympy nor a fact" in message
    bare = Setting("bare", "nothing known", parameters=(p,), observables=(X,))
    with pytest.raises(ClaimError, match="known: none"):
        Claim(bare, Le(X, p), assuming=(CERTAIN,))


def test_an_equality_has_no_ratio_to_attain() -> None:
    assert "attained: 0.9 beside an equality" in refusal(Eq(X, p), attained=0.9)
    assert Claim(STILL, Eq(X, p)).versions == {}


def test_indices_and_defined_letters_are_no_unknown_symbols() -> None:
    letter = Symbol("letter", positive=True)
    claim = Claim(STILL, Le(Sum(Z[t], (t, 1, 3)), letter), assuming=(letter < 5,), where={letter: 2 * p})
    assert (claim.left, claim.right) == (Sum(Z[t], (t, 1, 3)), 2 * p)
    assert claim.broken_assumption({p: 2.0}, frozenset()) == ""
    assert claim.broken_assumption({p: 2.5}, frozenset()) == "letter < 5"
    assert claim.bound_at({p: 2.0}) == 4.0
    slope = Claim(STILL, Eq(Slope(Z[t], t), -Rational(1, 2)))
    assert slope.is_rate
    assert not claim.is_rate


def test_a_setting_has_all_of_the_setting_it_refines_and_serves_both() -> None:
    extra = Symbol("extra", positive=True)
    finer = Setting("finer", "more", parameters=(p, extra), observables=(), facts=(OTHER,), random=True, refines=RANDOM)
    finest = Setting("finest", "most", parameters=(), observables=(), random=True, refines=finer)
    for setting in (finer, finest):
        assert setting.parameters == (p, q, extra)
        assert setting.observables == RANDOM.observables
        assert setting.facts == (CERTAIN, OTHER)
    serving = {(x.name, y.name) for x in (RANDOM, finer, finest) for y in (RANDOM, finer, finest) if x.serves(y)}
    diagonal = {(name, name) for name in ("moving", "finer", "finest")}
    assert serving == diagonal | {("finer", "moving"), ("finest", "moving"), ("finest", "finer")}
    assert not STILL.serves(RANDOM)
    Claim(finest, Le(X, extra), assuming=(CERTAIN, OTHER))


RUN = {n: 4, C: 0.5, L: 2.0, Delta: 1.0, sigma2: lambda _: 3.0, a: lambda _: 0.25}
BOTH = frozenset({UNBIASED, SMOOTH})


def test_a_bound_is_refused_outside_its_assumptions_and_the_broken_one_is_named() -> None:
    steps = [0.5 / step**0.5 for step in (1, 2, 3, 4)]
    weight = sum(gamma * (1 - gamma) for gamma in steps)
    noise = sum(gamma**2 * 3.0 for gamma in steps)
    # About thirty operations on positive numbers.
    assert SGD_SHARP.bound_at(RUN, BOTH) == pytest.approx((1.0 + noise) / weight, rel=64 * 2.0**-53)
    assert SGD_SHARP.left_at(RUN, BOTH) == pytest.approx(0.25, rel=64 * 2.0**-53)
    cases: list[tuple[dict[Any, Any], frozenset[Fact], str]] = [
        ({**RUN, C: 1.0}, BOTH, "C*L < 2"),
        (RUN, frozenset({SMOOTH}), UNBIASED.meaning),
        (RUN, frozenset({UNBIASED}), SMOOTH.meaning),
        (RUN, frozenset(), UNBIASED.meaning),
    ]
    for values, facts, broken in cases:
        assert SGD_SHARP.broken_assumption(values, facts) == broken
        for side in (SGD_SHARP.bound_at, SGD_SHARP.left_at):
            with pytest.raises(OutsideAssumptions) as caught:
                side(values, facts)
            assert broken in str(caught.value)
            assert "\n" not in str(caught.value)


def test_a_version_keeps_everything_but_the_relation() -> None:
    for listed in catalogue():
        claim = listed.claim
        for name, relation in claim.versions.items():
            version = claim.version(name)
            assert version.relation == relation != claim.relation
            assert (version.setting, version.assuming, version.where) == (claim.setting, claim.assuming, claim.where)
            assert version.versions == {}
    with pytest.raises(KeyError):
        SGD_SHARP.version("no such version")


@pytest.mark.parametrize("claim", [SGD_SHARP, TELESCOPED, BELOW])
def test_the_attained_ratio_is_one_more_wrong_version(claim: Claim) -> None:
    (name,) = set(claim.versions) - set(claim.wrong)
    assert name == f"tightened to the attained {claim.attained:g}"
    assert claim.versions[name] == Le(claim.left, Rational(str(claim.attained)) * claim.right)


def test_a_tightened_lower_bound_asks_for_more() -> None:
    claim = Claim(STILL, Ge(X, p), attained=0.5)
    (tightened,) = claim.versions.values()
    assert tightened == Ge(X / 2, p)


@pytest.mark.parametrize(
    ("side", "observed", "affine"),
    [
        (p + q, False, True),
        (3 * X - p * Y, True, True),
        (Sum(t * Z[t], (t, 1, 3)) / p, True, True),
        (X**2, True, False),
        (X * Y, True, False),
        (log(1 + X), True, False),
        (Exceeds(X, p), True, False),
        (1 / (1 + X), True, False),
    ],
    ids=str,
)
def test_expectations_stand_around_what_is_observed(side: Expr, observed: bool, affine: bool) -> None:
    claim = Claim(RANDOM, Le(side, p * q + 7))
    assert claim.observed(side) == observed
    assert claim.affine(side) == affine
    text, latex = claim.statement, claim.latex
    assert text.startswith("E[ ") == latex.startswith(r"\mathbb{E}") == observed
    assert text.count("E[ ") == latex.count(r"\mathbb{E}") == observed
    both = Claim(RANDOM, Ge(X, side)) if side != X else claim
    assert both.statement.count("E[ ") == both.latex.count(r"\mathbb{E}") == 1 + observed
    still = Claim(STILL, Le(side, p * q + 7))
    assert "E[ " not in still.statement
    assert r"\mathbb{E}" not in still.latex


@pytest.mark.parametrize("listed", catalogue(), ids=lambda x: x.name)
def test_every_claim_writes_itself_with_its_sign_its_definitions_and_its_expectations(listed: Any) -> None:
    claim = listed.claim
    sides = (claim.relation.lhs, claim.relation.rhs)
    expected = claim.setting.random * sum(claim.observed(side) for side in sides)
    for text, mark in ((claim.statement, "E[ "), (claim.latex, r"\mathbb{E}")):
        assert text.count(mark) == expected
        assert "\n" not in text
    sign, letters = {"<=": (" <= ", r" \le "), ">=": (" >= ", r" \ge "), "==": (" = ", " = ")}[claim.relation.rel_op]
    assert sign in claim.statement
    assert letters in claim.latex
    for letter, definition in claim.where.items():
        assert f"where {letter} = {definition}" in claim.statement


def test_the_alphabet_refuses_a_letter_with_two_meanings() -> None:
    with pytest.raises(ValueError, match="symbol n: already means") as caught:
        symbols.quantity("n", "number of something else")
    assert "\n" not in str(caught.value)
    assert symbols.ALPHABET[symbols.n] == "number of steps"


def test_settings_are_random_where_their_observables_are() -> None:
    assert SGD_RUN.random
    claim = Claim(SGD_RUN, Le(F[n + 1], F[1] + Abs(L)))
    assert claim.statement.count("E[ ") == 2
    assert Claim(SGD_RUN, Le(a[n], sqrt(L))).statement.count("E[ ") == 1
