"""The catalogue: every claim is complete and meets an experiment; identities that its proofs rest on, by sympy."""

import importlib
import re
from functools import cache

import pytest
import sympy
from sympy import (
    Expr,
    IndexedBase,
    Integer,
    Rational,
    Symbol,
    cosh,
    diff,
    exp,
    integrate,
    log,
    oo,
    simplify,
    sinh,
    tanh,
)

from elbound.properties.experiment import Experiment, experiments
from elbound.theory import settings, symbols
from elbound.theory.catalogue import ROOMS, Listed, catalogue, references
from elbound.theory.claim import OWN_DERIVATION, Setting, meaning
from elbound.theory.descent import sgd_sharp
from elbound.theory.evaluate import LogGap, Slope
from elbound.theory.papers import SENTENCES
from elbound.theory.smoothness import soft_clipping
from elbound.theory.symbols import ALPHABET, LATEX, C, Delta, L, T, a, n, s, sigma2, t
from elbound.theory.tangent import kernels

LISTED = pytest.mark.parametrize("listed", catalogue(), ids=lambda x: x.name)
RELATIONS = {"carries", "qualifies", "contradicts"}


@cache
def known_settings() -> tuple[Setting, ...]:
    return tuple(x for x in vars(settings).values() if isinstance(x, Setting))


@LISTED
def test_a_claim_says_where_it_comes_from_and_why_it_is_true(listed: Listed) -> None:
    claim = listed.claim
    assert references()[claim.source]
    assert claim.proof.strip()
    assert set(claim.papers) <= set(SENTENCES)
    assert set(claim.papers.values()) <= RELATIONS
    assert (claim.source == OWN_DERIVATION) == (references()[claim.source].startswith("Derived in this project"))


@LISTED
def test_claims_and_modules_say_their_theorem_in_one_sentence(listed: Listed) -> None:
    for sentence in (listed.title, listed.doc.splitlines()[0]):
        assert re.fullmatch(r"[A-Z].*\.", sentence)


def test_titles_tell_claims_apart() -> None:
    titles = [x.title for x in catalogue()]
    assert len(set(titles)) == len(titles)


@LISTED
def test_the_key_is_the_path_of_a_module_that_holds_the_claim(listed: Listed) -> None:
    room, _, name = listed.key.partition("/")
    assert room in ROOMS
    module = importlib.import_module(f"elbound.theory.{room}.{name.replace('-', '_')}")
    holding = [x for x in vars(module).values() if x is listed.claim]
    assert len(holding) == 1
    assert listed.doc == module.__doc__
    assert listed.claim.is_finding == (room == "findings")


def test_names_are_unique_and_parts_tell_claims_of_one_module_apart() -> None:
    names = [x.name for x in catalogue()]
    assert len(set(names)) == len(names)
    for listed in catalogue():
        siblings = [x for x in catalogue() if x.key == listed.key]
        alone = len(siblings) == 1
        module = listed.key.rpartition("/")[2]
        assert listed.part is None if alone else listed.part is None or re.fullmatch(r"[a-z0-9-]+", listed.part)
        assert len([x for x in siblings if x.part is None]) <= 1
        assert listed.name == (listed.key if listed.part is None else f"{listed.key}/{listed.part}")
        assert listed.part != module


@LISTED
def test_a_claim_has_a_wrong_version_and_a_finding_has_a_repair(listed: Listed) -> None:
    claim = listed.claim
    if claim.is_finding:
        assert claim.repaired_by.strip()
        assert not claim.versions
    else:
        assert claim.wrong
    assert 0 <= claim.attained < 1


@LISTED
def test_some_experiment_can_judge_the_claim(listed: Listed) -> None:
    serving = [x for x in experiments() if x.setting.serves(listed.claim.setting)]
    assert serving
    measurable = set(listed.claim.setting.observables)
    assert any(set(x.setting.observables) >= measurable for x in serving)


@pytest.mark.parametrize("experiment", experiments(), ids=lambda x: x.key)
def test_an_experiment_stands_at_a_known_setting_and_says_what_it_is(experiment: Experiment) -> None:
    assert experiment.setting in known_settings()
    assert experiment.title
    assert (type(experiment).__doc__ or "").strip()
    assert set(experiment.faults.values()) <= set(experiment.instances)
    assert 0 < experiment.share <= 1


def test_keys_of_experiments_are_unique() -> None:
    keys = [x.key for x in experiments()]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("setting", known_settings(), ids=lambda x: x.name)
def test_every_symbol_of_a_setting_is_in_the_alphabet(setting: Setting) -> None:
    assert setting.symbols
    for symbol in setting.symbols:
        assert meaning(symbol).strip()
        assert getattr(symbols, str(symbol)) is symbol
        assert isinstance(symbol, Symbol | IndexedBase)
    assert not set(setting.parameters) & set(setting.observables)
    named = [fact.name for fact in setting.facts]
    assert len(set(named)) == len(named)
    assert all(fact.meaning.strip() for fact in setting.facts)
    assert setting.title.strip()


def test_settings_have_unique_names_and_someone_speaks_at_each() -> None:
    names = [x.name for x in known_settings()]
    assert len(set(names)) == len(names)
    assert {x.claim.setting.name for x in catalogue()} == set(names)


def test_the_alphabet_has_one_letter_for_each_name() -> None:
    names = [str(letter) for letter in ALPHABET]
    assert len(set(names)) == len(names)
    assert all(text.strip() for text in ALPHABET.values())
    assert all(letter in {x.label if isinstance(x, IndexedBase) else x for x in ALPHABET} for letter in LATEX)


def test_every_entry_of_the_bibliography_and_every_sentence_is_used() -> None:
    sentences = {x.paper for x in SENTENCES.values()}
    assert set(references()) == {x.claim.source for x in catalogue()} | sentences
    assert all(x.text.endswith(".") for x in SENTENCES.values())


# Identities behind the claims


def vanishes(e: Expr) -> bool:
    """Whether an expression is zero, once written in exponentials."""
    return bool(sympy.powsimp(sympy.expand(sympy.numer(sympy.together(e.rewrite(exp))))) == 0)


x = Symbol("x", real=True)


def test_the_soft_clips_slope_is_what_its_proof_says() -> None:
    """f from its definition on (-T/2, T/2); u = s x, A = sT/2."""
    f = log((1 + exp(s * (x + T / 2))) / (1 + exp(s * (x - T / 2)))) / s - T / 2
    A, u = s * T / 2, s * x
    stated = sinh(A) / (cosh(u) + cosh(A))
    assert vanishes(diff(f, x) - stated)
    assert vanishes(diff(stated, x) + s * sinh(A) * sinh(u) / (cosh(u) + cosh(A)) ** 2)
    assert vanishes(stated.subs(x, 0) - tanh(s * T / 4))


def test_the_soft_clips_curvature_is_stationary_at_the_stated_root() -> None:
    """With c = cosh u and b = cosh A the squared curvature is proportional to (c^2 - 1) / (c + b)^4."""
    c, b = Symbol("c", positive=True), Symbol("b", positive=True)
    numerator = sympy.factor(sympy.numer(sympy.together(diff((c**2 - 1) / (c + b) ** 4, c))))
    assert sympy.rem(numerator, c**2 - b * c - 2, c) == 0
    root = soft_clipping.turning.subs(cosh(soft_clipping.half), b)
    assert sympy.expand(root**2 - b * root - 2) == 0
    # It lies beyond c = 1, so at some u: (root - 1) solves an equation whose product of roots is -(b + 1) < 0.
    assert sympy.expand((c + 1) ** 2 - b * (c + 1) - 2).subs(c, 0).equals(-(b + 1))
    stated = soft_clipping.steepest / s / sinh(soft_clipping.half)
    assert simplify(stated.subs(cosh(soft_clipping.half), b) ** 2 - (root**2 - 1) / (root + b) ** 4) == 0


def test_the_sharp_rates_weights_are_positive_below_two_over_the_smoothness() -> None:
    share = Symbol("share", positive=True)
    below = sgd_sharp.weight.subs(C, (2 - share) / L)
    # gamma (1 - L gamma / 2) with L C = 2 - share: a product of positive factors for t >= 1 and 0 < share < 2.
    factors = (2 - share) / (L * sympy.sqrt(t)) * (1 - (2 - share) / (2 * sympy.sqrt(t)))
    assert simplify(below - factors) == 0
    first = factors.subs(t, 1)
    assert simplify(first - (2 - share) * share / (2 * L)) == 0
    assert diff(1 - (2 - share) / (2 * sympy.sqrt(t)), t).equals((2 - share) / (4 * t ** Rational(3, 2)))


def test_the_sharp_rates_bound_grows_with_the_gap_and_the_noise() -> None:
    """The bound is affine in Delta and in the noise, with slopes 1 / weight and gamma^2 L / 2 / weight."""
    few = sgd_sharp.SGD_SHARP.right.subs(n, 3).doit()
    total = settings.total(sgd_sharp.weight).subs(n, 3).doit()
    assert simplify(diff(few, Delta) * total) == 1
    for step in (1, 2, 3):
        slope = diff(few.xreplace({sigma2[step]: x}), x)
        assert simplify(slope * total - L / 2 * C**2 / step) == 0
    left = sgd_sharp.SGD_SHARP.left.subs(n, 3).doit()
    assert simplify(left.xreplace({a[1]: x, a[2]: x, a[3]: x}) - x) == 0


def test_the_descent_lemmas_sum_telescopes_to_the_sharp_bound() -> None:
    """On a quadratic of curvature L the step's recursion times 1 / (2 L) is the descent lemma with equality."""
    square, noise = Symbol("square", positive=True), Symbol("noise", positive=True)
    gamma = sgd_sharp.step
    after = (1 - L * gamma) ** 2 * square + L**2 * gamma**2 * noise
    descent = square / (2 * L) - sgd_sharp.weight * square + L / 2 * gamma**2 * noise
    assert sympy.expand(after / (2 * L) - descent) == 0


def test_the_finite_form_of_the_order_is_constant_on_the_order_itself() -> None:
    """n^(-1/2) log n neither grows nor falls in the right normalisation, and misses every wrong version by far."""
    few, many = Integer(10) ** 3, Integer(10) ** 6
    order = {many: log(many) / many ** Rational(1, 2), few: log(few) / few ** Rational(1, 2)}
    found = {k: v.lhs.subs({symbols.average[j]: order[j] for j in order}) for k, v in sgd_sharp.ORDER.wrong.items()}
    assert simplify(sgd_sharp.growth(Rational(1, 2)).subs({symbols.average[j]: order[j] for j in order})) == 1
    for name, version in sgd_sharp.ORDER.wrong.items():
        assert not bool(version.func(sympy.N(found[name]), version.rhs))
    (slope,) = sgd_sharp.ORDER.relation.atoms(Slope)
    assert slope.args[1] == n


def test_the_importance_weighted_gaps_weight_is_the_integral_in_its_proof() -> None:
    y, z = Symbol("y", positive=True), Symbol("z", positive=True)
    closed = LogGap.quotient(1 + y)
    antiderivative = integrate((1 - z) / (1 + z * y) ** 2, z)
    assert simplify(sympy.logcombine(antiderivative.subs(z, 1) - antiderivative.subs(z, 0) - closed, force=True)) == 0
    assert sympy.limit(closed, y, 0) == Rational(1, 2)
    assert sympy.limit(closed, y, oo) == 0
    for low, high in ((Rational(1, 10), Rational(1, 2)), (Rational(1, 2), 2), (2, 10)):
        assert bool(sympy.N(LogGap.quotient(low) - LogGap.quotient(high)) > 0)


def test_the_tangent_kernels_agree_without_noise_and_on_the_diagonal() -> None:
    g, s_z, x2, y2 = symbols.g, symbols.s_z, symbols.x2, symbols.y2
    for kernel in (kernels.relu, kernels.erf):
        assert simplify((kernel(g) - kernel(g + s_z**2)).subs(s_z, 0)) == 0
        swapped = kernel(g).subs({x2: y2, y2: x2}, simultaneous=True)
        assert simplify(kernel(g) - swapped) == 0
    diagonal = kernels.relu(g + s_z**2).subs({x2: g, y2: g})
    assert simplify(diagonal - g / 2) == 0


# The counts and weights of each model: what a user of one of its settings expects, besides the setting's own constants.
LINEAR = "N d k sigma_x2 beta"
MODELS = {
    LINEAR: "linear-vae-ball linear-vae-point linear-vae-offsets linear-vae-learned-variance clipped-linear-vae"
    " linear-vae-landscape kl-treatments beta-sweep",
    f"{LINEAR} B K": "gradient-noise clipped-linear-vae-run stopped-linear-vae-run projected-linear-vae-run",
    "d K sigma_x2 beta": "encoder-gradient",
    f"{LINEAR} depth": "deep-gaussian-vae-point",
    f"{LINEAR} n": "deep-gaussian-vae-run deep-gaussian-vae-adam-run deep-gaussian-vae-adam-predictable-run",
    "N k B K sigma_x2 beta": "bbvi-run",
    "K sigma_x2": "iwae-gradient iwae-at-posterior",
    "N K sigma_x2": "iwae-point iwae-noise clipped-iwae-run",
    "N k K": "iwae",
    "N m p": "tangent-entry tangent-kernel",
    "N d m p": "linear-ridge-flow wide-variances literal-kl",
    "N d B n p": "adam-run adam-constant-step",
    "d B n p": "adam-predictable-run",
    f"{LINEAR} B p": "deep-gaussian-vae-adam-run deep-gaussian-vae-adam-predictable-run",
    "N d m": "wide-step wide-flow wide-ridge wide-ridge-flow wide-amortised linearisation noise-protocol noisy-start"
    " noisy-loss noise-floor widths gaussian-weights perceptron-kernel",
}


@pytest.mark.parametrize("letters", MODELS)
def test_a_setting_has_the_plain_letters_of_its_model(letters: str) -> None:
    known = {x.name: x for x in vars(settings).values() if isinstance(x, Setting)}
    for name in MODELS[letters].split():
        assert set(letters.split()) <= {str(x) for x in known[name].parameters}, name
        assert len(known[name].parameters) == len(set(known[name].parameters)), name
