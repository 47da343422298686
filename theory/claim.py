"""Settings that theorems speak about, and claims: relations over a setting, with assumptions, standing and source."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any, Final

from sympy import Eq, Expr, Ge, Gt, Indexed, Le, Lt, Rational, Rel, Symbol, false, latex, sympify, true
from sympy.core.relational import Relational

from elbound.theory.evaluate import Floats, Slope, degree, evaluate, symbols_of
from elbound.theory.symbols import ALPHABET, LATEX, strangers


class Standing(enum.StrEnum):
    """What vouches for a claim.

    Proved: a proof stands beside it. Identity: an equality that follows from the definitions of the model as trained
    or sampled. Identity of the code: it holds at any weights by algebra, so it checks the implementation and is no
    evidence for a paper's sentence. Asymptotic: proved for a limit. Measured: a regularity that was observed and holds
    on what is searched here, without a proof. Recalled: known to us from the literature, not read again.
    Reconstructed: our best reading of a statement that we have not seen in full. Conjecture: none of these.
    """

    PROVED = "proved"
    IDENTITY = "identity"
    CODE = "identity of the code"
    ASYMPTOTIC = "asymptotic"
    MEASURED = "measured"
    RECALLED = "recalled"
    RECONSTRUCTED = "reconstructed"
    CONJECTURE = "conjecture"


class ClaimError(ValueError):
    """A claim that says nothing testable: not a relation, unknown symbols, unknown facts."""


class OutsideAssumptions(ValueError):
    """A bound was asked for where its theorem is silent."""


@dataclass(frozen=True)
class Fact:
    """A yes-or-no property of a situation, such as unbiased gradients."""

    name: str
    meaning: str

    def __str__(self) -> str:
        return self.meaning


@dataclass(frozen=True)
class Setting:
    """A situation that theorems speak about: parameters, observables and facts.

    Parameters are fixed by a configuration, observables are measured; either is scalar (Symbol) or indexed
    (IndexedBase).
    In a random setting the observables are random variables and both sides of a claim stand under an expectation.
    `units` names the changes of units that turn a situation into another one of the same setting, each with the powers
    of it by which letters change: letters that are not named do not, and of those at None it is not by a power.
    A setting that refines another has all of its parameters, observables and facts, so its experiments serve both.
    `strangers` are letters of a user's own that are only named like the catalogue's.
    """

    name: str
    title: str
    parameters: tuple[Any, ...]
    observables: tuple[Any, ...]
    facts: tuple[Fact, ...] = ()
    random: bool = False
    refines: "Setting | None" = None
    units: Mapping[str, Mapping[Any, float | None]] = field(default_factory=dict, hash=False, compare=False)
    strangers: frozenset[Any] = field(default=frozenset(), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.refines is not None:
            for part in ("parameters", "observables", "facts"):
                inherited, own = getattr(self.refines, part), getattr(self, part)
                object.__setattr__(self, part, inherited + tuple(x for x in own if x not in inherited))

        object.__setattr__(self, "strangers", strangers((*self.parameters, *self.observables)))

    def serves(self, other: "Setting") -> bool:
        """Whether experiments on this setting can judge claims about the other."""
        return self == other or (self.refines is not None and self.refines.serves(other))

    @cached_property
    def symbols(self) -> frozenset[Any]:
        return frozenset(self.parameters) | frozenset(self.observables)


OWN_DERIVATION: Final = "own-derivation"


@dataclass(frozen=True)
class Claim:
    """A relation (<=, >= or =) between two expressions over one setting, under assumptions.

    `where` defines letters of the relation, so that it reads as a person would write it. `wrong` names versions of
    the relation that a fair search must refute; `papers` says which sentences of the two papers the claim carries,
    qualifies or contradicts; `attained` is a ratio of the smaller to the larger side of an inequality that some
    configuration is known to exceed, so that a bound loosened in silence is noticed.
    A claim with `repaired_by` is a finding: as commonly stated, and to be refuted.
    `title` is one sentence of its own where a module holds several claims.
    Raises ClaimError when the relation is decided by sympy alone, or speaks of what the setting does not have.
    """

    setting: Setting
    relation: Relational
    assuming: tuple[Relational | Fact, ...] = ()
    where: Mapping[Symbol, Expr] = field(default_factory=dict)
    standing: Standing = Standing.CONJECTURE
    source: str = OWN_DERIVATION
    proof: str = ""
    wrong: Mapping[str, Relational] = field(default_factory=dict)
    papers: Mapping[str, str] = field(default_factory=dict)
    attained: float = 0.0
    repaired_by: str = ""
    title: str = ""

    def __post_init__(self) -> None:
        for name, relation in {"": self.relation, **self.wrong}.items():
            where = f"wrong version '{name}'" if name else "relation"
            if not isinstance(relation, Le | Ge | Eq):
                said = f"{relation!r} is not a relation <=, >= or = left open by sympy{_why(relation)}"
                raise ClaimError(f"{where}: {said}")
            self._check_symbols(where, relation)
        if self.standing is Standing.CODE and self.papers:
            sentence = next(iter(self.papers))
            raise ClaimError(f"papers: {sentence!r} beside an identity of the code, which holds at any weights")
        if self.attained and isinstance(self.relation, Eq):
            raise ClaimError(f"attained: {self.attained} beside an equality; only inequalities have a ratio to attain")
        for definition in self.where.values():
            self._check_symbols("definition", Eq(definition, 0, evaluate=False))
        if not isinstance(self.assuming, tuple | list):
            raise ClaimError("assuming: expected a tuple of relations and facts; write assuming=(FACT,) with the comma")
        for assumption in self.assuming:
            if isinstance(assumption, Fact):
                if assumption not in self.setting.facts:
                    known = ", ".join(fact.name for fact in self.setting.facts) or "none"
                    raise ClaimError(f"fact {assumption.name}: not one of setting {self.setting.name}; known: {known}")
            elif isinstance(assumption, Rel):
                self._check_symbols("assumption", assumption)
            else:
                said = "is neither a relation left open by sympy nor a fact"
                raise ClaimError(f"assumption: {assumption!r} {said}{_why(assumption)}")

    def _check_symbols(self, where: str, relation: Relational) -> None:
        unknown = (symbols_of(relation.lhs) | symbols_of(relation.rhs)) - self.setting.symbols - self.where.keys()
        if unknown:
            symbol, names = min(unknown, key=str), sorted(map(str, self.setting.symbols))
            curves = {str(x) for x in self.setting.symbols if not isinstance(x, Symbol)}
            twin = " (another symbol of that name: import it from elbound.theory.symbols)" * (str(symbol) in names)
            twin = f" (a curve, which stands with its index, as in {symbol}[1])" if str(symbol) in curves else twin
            known = ", ".join(names)
            raise ClaimError(f"{where}: unknown symbol {symbol}{twin}; setting {self.setting.name} has {known}")

    def expanded(self, expression: Any) -> Any:
        """An expression or relation with the definitions of `where` put in."""
        return expression.xreplace(dict(self.where))

    @cached_property
    def left(self) -> Expr:
        return self.expanded(self.relation.lhs)

    @cached_property
    def right(self) -> Expr:
        return self.expanded(self.relation.rhs)

    @property
    def versions(self) -> Mapping[str, Relational]:
        """All wrong versions: the named ones, and the bound tightened to the ratio that is attained."""
        if not self.attained:
            return self.wrong
        left, right = self.relation.lhs, self.relation.rhs
        share = Rational(str(self.attained))
        tightened = Le(left, share * right) if isinstance(self.relation, Le) else Ge(share * left, right)
        return {**self.wrong, f"tightened to the attained {self.attained:g}": tightened}

    def version(self, name: str) -> "Claim":
        """The claim with one of its wrong versions in place of its relation."""
        return replace(self, relation=self.versions[name], wrong={}, attained=0.0)

    @property
    def is_rate(self) -> bool:
        """Whether the relation speaks of a limit of slopes, which finite data can neither refute nor support."""
        return bool(self.relation.atoms(Slope))

    @property
    def is_finding(self) -> bool:
        return bool(self.repaired_by)

    def observed(self, expression: Expr) -> bool:
        """Whether an expression depends on what is measured, not on the configuration alone."""
        return bool(symbols_of(expression) & frozenset(self.setting.observables))

    def affine(self, expression: Expr) -> bool:
        """Whether the expectation of the expression is its value at the expected observables."""
        return _degree(expression, frozenset(self.setting.observables)) <= 1

    def broken_assumption(self, values: Mapping[Any, Any], facts: frozenset[Fact]) -> str:
        """The first assumption that does not hold at these values, in words; empty when all hold."""
        for assumption in self.assuming:
            if isinstance(assumption, Fact):
                if assumption not in facts:
                    return assumption.meaning
            else:
                sides = (evaluate(self.expanded(side), values, Floats()) for side in (assumption.lhs, assumption.rhs))
                if not bool(assumption.func(*map(sympify, sides))):
                    return str(assumption)
        return ""

    def bound_at(self, values: Mapping[Any, Any], facts: frozenset[Fact] = frozenset()) -> float:
        """The right side at these values. Raises OutsideAssumptions, naming the broken assumption.

        >>> from elbound.theory.smoothness.soft_clipping import BELOW
        >>> from elbound.theory.symbols import T, s
        >>> BELOW.bound_at({s: 2.0, T: 3.0})
        0.5
        """
        return self._side_at(self.right, values, facts)

    def left_at(self, values: Mapping[Any, Any], facts: frozenset[Fact] = frozenset()) -> float:
        """The left side at these values. Raises OutsideAssumptions, naming the broken assumption."""
        return self._side_at(self.left, values, facts)

    def _side_at(self, side: Expr, values: Mapping[Any, Any], facts: frozenset[Fact]) -> float:
        if broken := self.broken_assumption(values, facts):
            raise OutsideAssumptions(f"outside the assumption {broken} of {self.relation}")
        return float(evaluate(side, values))

    @property
    def statement(self) -> str:
        """The relation as plain text."""
        sign = {"<=": "<=", ">=": ">=", "==": "="}[self.relation.rel_op]
        text = f" {sign} ".join(self._expected(str(side), side) for side in (self.relation.lhs, self.relation.rhs))
        return ", ".join([text, *(f"where {letter} = {definition}" for letter, definition in self.where.items())])

    def _expected(self, text: str, side: Expr) -> str:
        return f"E[ {text} ]" if self.setting.random and self.observed(side) else text

    @property
    def latex(self) -> str:
        """The relation in LaTeX, with expectations where the setting is random."""
        sign = {"<=": r"\le", ">=": r"\ge", "==": "="}[self.relation.rel_op]
        text = f" {sign} ".join(self._latex(side) for side in (self.relation.lhs, self.relation.rhs))
        strange = self.setting.strangers
        definitions = (to_latex(Eq(x, definition, evaluate=False), strange) for x, definition in self.where.items())
        return r",\quad ".join([text, *definitions])

    def _latex(self, side: Expr) -> str:
        text = to_latex(side, self.setting.strangers)
        return rf"\mathbb{{E}}\left[{text}\right]" if self.setting.random and self.observed(side) else text


def _why(given: Any) -> str:
    """What was probably meant by something that is no relation between letters, as the end of a line."""
    if given in (True, False) or given in (true, false):
        return (
            "; == compares how two sides are written, so write Eq(left, right); and a relation between numbers alone is"
            " decided before anything is measured: one side needs a letter of the setting"
        )
    if isinstance(given, Lt | Gt):
        return "; measured numbers cannot tell < from <=: write Le or Ge"
    if isinstance(given, Expr):
        return "; write Le(left, right), Ge(left, right) or Eq(left, right)"
    return ""


@cache
def _degree(expression: Expr, observables: frozenset[Any]) -> float:
    return degree(expression, lambda e: e in observables or (isinstance(e, Indexed) and e.base in observables))


def to_latex(expression: Any, strange: frozenset[Any] = frozenset()) -> str:
    """An expression or relation in LaTeX, with the alphabet's letters, but for those that are strange to it."""
    labels = {getattr(x, "label", x) for x in strange}
    return str(latex(expression, symbol_names={x: text for x, text in LATEX.items() if x not in labels}))


def meaning(symbol: Any) -> str:
    """What a symbol stands for."""
    return ALPHABET[symbol]
