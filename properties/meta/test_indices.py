"""Where curves were measured and where not: every curve of every experiment, and the indices that claims ask for."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from sympy import Eq, Expr, IndexedBase, Le, Max, Min, Rational, Sum, Symbol, sqrt

from elbound.properties.arithmetics import Enclosures, Replicates, wholes
from elbound.properties.curves import At, Computed, Curve, Everywhere, Spectrum, Steps
from elbound.properties.evidence.budget import Budget
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Exact, Experiment, Sample, Series, Situation, Tail, experiments
from elbound.properties.trial import Trial
from elbound.reports.row import Verdict
from elbound.theory.claim import Claim, Setting
from elbound.theory.evaluate import CannotEvaluate, Floats, NotMeasured, Slope, evaluate
from elbound.theory.symbols import F, K, a, gap, lam_i, n, t, tau

CONTEXT = Context()
# By quadrature, which is exact at every number of samples: these curves begin at one and do not end.
ENDLESS = {
    "estimators/gradient-noise",
    "importance/at-posterior",
    "importance/gaussian-posterior",
    "importance/gradients",
    "importance/near-posterior",
}


def curves_of(experiment: Experiment) -> Iterator[tuple[Any, Any, Mapping[Any, Any]]]:
    """Each curve of the first named instance: its letter, the curve, and all else that is known there."""
    configuration = next(iter(experiment.instances.values()))
    situation, measured = experiment.situation(configuration, CONTEXT), experiment.measure(configuration, CONTEXT)
    sources = [situation.values, situation.enclosed]
    if isinstance(measured, Sample):
        sources += [measured.ranges, measured.draw("screen", 0, 4)]
    else:
        sources.append(measured.values)
    for source in sources:
        yield from ((x, value, source) for x, value in source.items() if isinstance(x, IndexedBase))


@pytest.mark.parametrize("experiment", experiments(), ids=lambda x: x.key)
def test_no_curve_of_any_experiment_has_a_value_where_it_was_not_measured(experiment: Experiment) -> None:
    found = list(curves_of(experiment))
    indexed = {x for x in experiment.setting.symbols if isinstance(x, IndexedBase)}
    assert {letter for letter, *_ in found} == indexed
    for letter, curve, _ in found:
        assert isinstance(curve, Curve), letter
        held = [j for j in range(-1, 5000) if curve.holds(j)]
        held = held or sorted(curve.values)  # type: ignore[attr-defined]
        last = getattr(curve, "ends", (0, 0))[1]
        outside = [held[0] - 1, held[0] - 7, -1]
        if last is None:
            assert experiment.key in ENDLESS, f"{letter} of {experiment.key} has no last index"
        else:
            end = last if isinstance(curve, Steps | Everywhere | Spectrum) else max(curve.values)  # type: ignore[attr-defined]
            outside += [end + 1, end + 40, 10**9]
        for arithmetic in (Enclosures(), Replicates(), Floats()):
            for j in outside:
                with pytest.raises(NotMeasured) as failure:
                    evaluate(letter[j], {letter: curve}, arithmetic)
                said = str(failure.value)
                assert said.startswith(f"{letter}[{j}]: index {j}; measured: ")
                assert curve.range in said
                assert "\n" not in said
        for index in (held[0] + Rational(1, 2), Symbol("x") + held[0]):
            with pytest.raises(CannotEvaluate, match=r"whole number|only known to lie"):
                evaluate(letter[index], {letter: curve, Symbol("x"): Interval.between(0.0, 1.0)}, Enclosures())


STEPS = Steps(Interval.of(np.arange(6.0)[:, None]))
CASES = [
    (F[0], "F[0]: index 0; measured: 1 to 6"),
    (F[-2], "F[-2]: index -2; measured: 1 to 6"),
    (F[n + 3], "F[n + 3]: index 8; measured: 1 to 6"),
    (F[n / 2], "index of F[n/2]: 2.5 is no whole number"),
    (F[tau], "index of F[tau]: it is only known to lie in [2, 2.25]"),
    (F[sqrt(n)], "sqrt(n) is not made of whole numbers"),
    (Sum(F[t - 1], (t, 1, n)), "F[t - 1]: index 0; measured: 1 to 6"),
    (Sum(F[2 * t], (t, 1, n)), "F[2*t]: index 8; measured: 1 to 6"),
    (Sum(F[t / 2], (t, 1, n)), "0.5 is no whole number"),
    (Sum(F[t], (t, 1, n / 2)), "limit of a sum over t: 2.5 is no whole number"),
]


@pytest.mark.parametrize(("expression", "said"), CASES, ids=str)
def test_an_index_is_one_whole_number_inside(expression: Expr, said: str) -> None:
    for arithmetic, curve in ((Enclosures(), STEPS), (Replicates(), Steps(np.arange(12.0).reshape(6, 2)))):
        values = {F: curve, n: Interval.of(5) if curve is STEPS else 5, tau: Interval.between(2.0, 2.25)}
        with pytest.raises(CannotEvaluate) as failure:
            evaluate(expression, values, arithmetic)
        assert said in str(failure.value)
        assert str(failure.value).count("\n") == 0


@pytest.mark.parametrize(
    ("index", "place"),
    [(n, 5), (n + 1, 6), ((n + 1) / 2, 3), (n**2 - 20, 5), (Max(n, 6), 6), (Min(n, 2 * n - 7), 3)],
    ids=str,
)
def test_an_index_is_computed_exactly(index: Expr, place: int) -> None:
    assert evaluate(F[index], {F: STEPS, n: Interval.of(5)}, Enclosures()).contains(place - 1.0)
    assert evaluate(F[index], {F: Steps(np.arange(12.0).reshape(6, 2)), n: 5}, Replicates()).tolist() == [
        2.0 * place - 2,
        2.0 * place - 1,
    ]
    assert evaluate(F[index], {F: lambda j: 10 * j, n: 5}) == 10 * place


def test_a_power_of_a_column_does_not_overflow() -> None:
    with pytest.raises(CannotEvaluate, match=f"{10**30} is beyond every index"):
        evaluate(Sum(F[t**10], (t, 1000, 1000)), {F: At({1: Interval.of(0.0)})}, Enclosures())


def test_a_column_of_any_curve_has_one_row_for_each_index() -> None:
    total = Sum(F[t] * t, (t, 2, n))
    rows = np.arange(5.0) ** 2
    known: list[Curve] = [
        Steps(Interval.of(rows)),
        At({j + 1: Interval.of(rows[j]) for j in range(5)}),
        Computed(lambda j: Interval.of(rows[j - 1]), 5),
    ]
    expected = sum((j + 1) * rows[j] for j in range(1, 5))
    for curve in known:
        assert float(evaluate(total, {F: curve, n: Interval.of(5)}, Enclosures()).middle.item()) == expected
    drawn = {j + 1: np.array([rows[j], 2 * rows[j]]) for j in range(5)}
    assert evaluate(total, {F: At(drawn), n: 5}, Replicates()).tolist() == [expected, 2 * expected]


def test_a_function_gets_ints_and_each_once() -> None:
    asked: list[Any] = []

    def table(index: int) -> Interval:
        asked.append(index)
        return Interval.of([7.0, 8.0, 9.0][index - 1])

    curve = Exact({gap: table}).values[gap]
    values = {gap: curve, K: Interval.of(2)}
    for expression, value in ((gap[K + 1], 9.0), (gap[1], 7.0), (Sum(gap[t], (t, 1, K)), 15.0)):
        assert float(evaluate(expression, values, Enclosures()).middle.item()) == value
    assert asked == [3, 1, 2]
    assert {type(x) for x in asked} == {int}
    # Below the first a list would wrap; beyond the last it says so itself.
    for index, said in (
        (0, "measured: 1 or more"),
        (4, "the function of this curve has none: list index out of range"),
    ):
        with pytest.raises(NotMeasured, match=f"gap\\[{index}\\]: index {index}.*{said}"):
            evaluate(gap[index], values, Enclosures())


def test_a_function_from_zero_has_its_zeroth_value() -> None:
    curve = Exact({F: Computed(lambda j: Interval.of(float(j)), last=3, first=0)}).values[F]
    assert evaluate(F[0], {F: curve}, Enclosures()).contains(0.0)
    with pytest.raises(NotMeasured, match="index 4; measured: 0 to 3"):
        evaluate(F[4], {F: curve}, Enclosures())


@pytest.mark.parametrize(
    "value", [2.5, np.nan, np.inf, Fraction(1, 3), "2", None, np.array([1, 2]), Interval.between(1, 2)]
)
def test_what_is_no_whole_number_is_never_rounded_to_one(value: Any) -> None:
    with pytest.raises(ValueError, match=r"no whole number|no finite number|no single number|only known to lie"):
        wholes(value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({gap: 0.5}, "gap is 0.5, a float; expected a curve"),
        ({F: lambda _: 0.5}, ""),
        ({a: [1.0, 2.0]}, "a is [1.0, 2.0], a list; expected a curve"),
        ({a: Steps(np.ones((3, 1)))}, "a has rows that are a ndarray of shape (3, 1); expected an Interval"),
        ({a: Interval.of(1.0)}, "a is a Interval of shape (); expected a curve"),
        ({a: At({1: 2.0})}, "a at index 1 is 2.0, a float; expected an Interval"),
        ({tau: 0.25}, "tau is 0.25, a float; expected an Interval, such as Interval.around(value, error)"),
        ({tau: None}, "tau is None; expected an Interval"),
        ({tau: torch.ones(2)}, "tau is a Tensor of shape (2,); expected an Interval"),
        ({tau: Interval.of([1.0, 2.0])}, "tau is a Interval of shape (2,); expected an Interval"),
        ({"tau": Interval.of(1.0)}, "the key 'tau' is a str; expected a letter"),
        ([Interval.of(1.0)], "a list; expected a mapping"),
        (None, "None; expected a mapping"),
    ],
)
def test_what_is_no_measurement_is_told_with_what_is_expected(given: Any, said: str) -> None:
    if not said:  # a function is asked only when a claim asks
        curve = Exact(given).values[F]
        with pytest.raises(
            TypeError, match=r"F \(test_indices.py:\d+\) at index 1 is 0.5, a float; expected an Interval"
        ):
            curve(1)
        return
    with pytest.raises(TypeError) as failure:
        Exact(given)
    assert said in str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    ("drawn", "said"),
    [
        ({tau: np.ones(3)}, "tau is a ndarray of shape (3,); expected a numpy array with one number for each of the 4"),
        ({tau: torch.ones(4)}, "tau is a Tensor of shape (4,); expected a numpy array"),
        ({tau: [1.0] * 4}, "expected a numpy array"),
        ({tau: np.ones(1)}, "tau is a ndarray of shape (1,); expected a numpy array with one number for each of the 4"),
        ({tau: np.ones((2, 4))}, "a ndarray of shape (2, 4); expected a numpy array of the 4 replicates' numbers"),
        ({tau: np.array([None] * 4)}, "tau is a ndarray of shape (4,) of dtype object; expected a numpy array"),
        ({tau: np.array(["1"] * 4)}, "tau is a ndarray of shape (4,) of dtype <U1; expected a numpy array"),
        ({a: Steps(np.ones(4))}, "a has rows that are a ndarray of shape (4, 1); expected a numpy array"),
        ({a: Steps(np.ones((5, 3)))}, "a has rows that are a ndarray of shape (5, 3); expected a numpy array"),
        ({"a": 1.0}, "the key 'a' is a str"),
        (None, "None; expected a mapping"),
    ],
    ids=str,
)
def test_what_is_drawn_is_checked_as_it_comes(drawn: Any, said: str) -> None:
    sample = Sample(lambda *_: drawn, {tau: Interval.between(0.0, 1.0)})
    with pytest.raises(TypeError) as failure:
        sample.draw("screen", 0, 4)
    assert said in str(failure.value)
    assert "draw (test_indices.py:" in str(failure.value)


@pytest.mark.parametrize("value", [-0.5, 1.5])
def test_a_replicate_outside_its_sure_range_is_told_and_rounding_is_not(value: float) -> None:
    drawn = np.array([0.0, 1.0 + 1e-12, value, 0.5])
    sample = Sample(lambda *_: {tau: drawn}, {tau: Interval.between(0.0, 1.0)})
    with pytest.raises(ValueError, match=rf"tau is {value:g} at a replicate; its declared sure range is \[0, 1\]"):
        sample.draw("screen", 0, 4)
    drawn[2] = 1.0
    assert sample.draw("screen", 0, 4)[tau] is drawn


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"variances": {"tau": 1.0}}, "Sample, variances: the key 'tau' is a str; expected a letter"),
        ({"variances": {tau: -1.0}}, "Sample, variances: tau is -1.0, a float; expected one number >= 0"),
        ({"variances": {tau: float("nan")}}, "tau is nan, a float; expected one number >= 0"),
        ({"variances": {tau: None}}, "tau is None; expected one number >= 0"),
        ({"variances": None}, "Sample, variances: None; expected a mapping"),
        ({"tails": {tau: 2.0}}, "Sample, tails: tau is 2.0, a float; expected Tail(kappa, why)"),
        ({"tails": {"tau": Tail(2.0, "a reason")}}, "Sample, tails: the key 'tau' is a str"),
    ],
    ids=str,
)
def test_what_is_declared_of_a_sample_is_checked_at_once(declared: dict[str, Any], said: str) -> None:
    Sample(lambda *_: {}, {tau: Interval.between(0.0, 1.0)}, variances={tau: 0.0}, tails={tau: Tail(2.0, "a reason")})
    with pytest.raises(TypeError) as failure:
        Sample(lambda *_: {}, {tau: Interval.between(0.0, 1.0)}, **declared)
    assert said in str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"index": None}, "Series: index is None; expected the letter that its curves are indexed by"),
        ({"index": a}, "Series: index is a, a IndexedBase; expected the letter"),
        ({"grid": 5}, "Series: grid is 5, a int; expected a tuple of growing whole numbers above zero"),
        ({"grid": (4, 2)}, "Series: grid is (4, 2), a tuple; expected a tuple of growing whole numbers"),
        ({"grid": (0, 1)}, "expected a tuple of growing whole numbers above zero"),
        ({"grid": (1.0, 2.0)}, "expected a tuple of growing whole numbers above zero"),
        ({"scatter": 0.1}, "Series, scatter: 0.1, a float; expected a mapping"),
        ({"scatter": {"a": (0.1, 0.1)}}, "Series, scatter: the key 'a' is a str"),
        ({"scatter": {F: (0.1, 0.1)}}, "Series, scatter: F is not among the values"),
        ({"scatter": {a: None}}, "scatter of a is None; allowed: a positive relative standard error for each of the 2"),
        ({"scatter": {a: (0.1, "0.1")}}, "allowed: a positive relative standard error for each of the 2 places"),
    ],
    ids=str,
)
def test_what_is_no_series_is_told_with_what_is_expected(given: dict[str, Any], said: str) -> None:
    values = {a: At({1: Interval.of(1.0), 2: Interval.of(0.5)})}
    parts = {"index": n, "grid": (1, 2), "values": values, "scatter": {a: (0.1, 0.2)}}
    assert Series(**parts).grid == (1, 2)
    with pytest.raises((TypeError, ValueError)) as failure:
        Series(**(parts | given))
    assert said in str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    ("grid", "index", "value", "said"),
    [
        ((1, 2), n, 1.0, "the index was measured at 1, 2; a rate needs 5 places or more"),
        ((8, 9, 10, 11, 12, 13), n, 1.0, "the index was measured at 8, 9, 10, 11, 12, 13; a rate needs"),
        ((1, 2, 4, 8, 16, 32), n, -1.0, "its values must be positive, and one is -1"),
        ((1, 2, 4, 8, 16, 32), t, 1.0, "a slope along n; the series was measured along t"),
    ],
)
def test_a_slope_that_cannot_be_read_off_a_series_is_an_error(
    grid: tuple[int, ...], index: Any, value: float, said: str
) -> None:
    series = Series(index, grid, {a: lambda j: Interval.of(value / j)})
    judged = Trial(Situation({n: 4}), series, Budget()).judge(Claim(RUN, Eq(Slope(a[n], n), -1)))
    assert judged.verdict is Verdict.ERROR
    assert said in judged.reason


@pytest.mark.parametrize("value", [np.ones(3), np.ones((3, 4))], ids=str)
def test_a_curve_of_intervals_has_one_for_each_index(value: Any) -> None:
    given = {a: Steps(Interval.of(value))} if value.ndim == 2 else {a: At({1: Interval.of(value)})}
    with pytest.raises(TypeError, match=r"a .* is|are a Interval of shape .*; expected an Interval, .* for each index"):
        Exact(given)
    assert Exact({a: Steps(Interval.of(np.array([1.0, 2.0, 3.0])))}).values[a](3).middle.tolist() == [3.0]


@pytest.mark.parametrize(
    ("values", "facts", "said"),
    [
        ({tau: None}, frozenset(), "tau is None; expected one number"),
        ({tau: np.ones(2)}, frozenset(), "tau is a ndarray of shape (2,); expected one number"),
        ({lam_i: [1.0, 2.0]}, frozenset(), "lam_i is [1.0, 2.0], a list; expected Spectrum"),
        ({"tau": 1.0}, frozenset(), "the key 'tau' is a str"),
        ({tau: 1.0}, "unbiased", "expected frozenset of facts"),
    ],
    ids=str,
)
def test_what_is_no_situation_is_told_with_what_is_expected(values: Any, facts: Any, said: str) -> None:
    with pytest.raises(TypeError) as failure:
        Situation(values, facts)
    assert said in str(failure.value)


RUN = Setting("run", "a run", (n,), (F, a, gap, tau))


@pytest.mark.parametrize(
    "relation", [Eq(F[0], F[n + 1]), Le(Sum(a[t - 1], (t, 1, n)), F[1]), Le(a[n + 1], F[1])], ids=str
)
def test_outside_what_was_measured_there_is_no_verdict(relation: Any) -> None:
    measured = Exact({F: Steps(Interval.of(np.ones((5, 1)))), a: Steps(Interval.of(np.ones((4, 1))))})
    sample = Sample(
        lambda *asked: {F: Steps(np.ones((5, asked[-1]))), a: Steps(np.ones((4, asked[-1])))},
        # The ranges alone would decide it, were they asked beyond the last index.
        {F: Everywhere(Interval.between(0.0, 1.0), 5), a: Everywhere(Interval.between(2.0, 3.0), 4)},
    )
    for found in (measured, sample, Series(n, (1, 2), measured.values)):
        judged = Trial(Situation({n: 4}), found, Budget()).judge(Claim(RUN, relation))
        assert judged.verdict is Verdict.ERROR
        assert "measured: 1 to" in judged.reason


def test_an_assumption_outside_a_spectrum_is_an_error_of_its_claim_alone() -> None:
    setting = Setting("spectrum", "eigenvalues", (lam_i,), (tau,))
    trial = Trial(Situation({lam_i: Spectrum((2.0, 1.0))}), Exact({tau: Interval.of(1.0)}), Budget())
    judged = trial.judge(Claim(setting, Le(tau, 2), assuming=(lam_i[3] > 0,)))
    assert (judged.verdict, judged.reason) == (Verdict.ERROR, "NotMeasured: lam_i[3]: index 3; measured: 1 to 2")
    assert trial.judge(Claim(setting, Le(tau, 2), assuming=(lam_i[2] > 0,))).verdict is Verdict.SUPPORTED


def test_a_scalar_is_drawn_over_no_horizon_that_it_was_not_measured_at() -> None:
    values = {F: Steps(Interval.of(np.ones((5, 1)))), tau: Interval.of(0.5)}
    trial = Trial(Situation({n: 4}), Exact(values), Budget())
    assert trial.curves(Claim(RUN, Le(tau, 8 / n))) == {}
    assert trial.curves(Claim(RUN, Le(tau * F[n], 8 / n))) == {}
    assert trial.curves(Claim(RUN, Le(F[n], 8 / n)))["x"] == [1.0, 2.0, 3.0, 4.0]
