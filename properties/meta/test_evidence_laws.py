"""E-processes against hypotheses on a whole law: exact validity, level on the boundary, power where it is due."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elbound.properties.evidence.betting import EProcess, MeanAtMostOne
from elbound.properties.evidence.budget import Budget
from elbound.properties.evidence.laws import (
    CurveAtMostOne,
    SubGaussianMeanZero,
    SuperUniform,
    Symmetric,
    normalised,
)
from elbound.properties.meta.boundary_laws import (
    FACTOR_ROUNDING,
    Floats,
    assert_no_number_changes_nothing,
    assert_the_same_to_the_bit,
    crossings,
    excess,
    generator,
    is_e_variable,
    path_mean,
    quiet,
)

BUDGET = Budget()


def growing_curve(rng: np.random.Generator, size: int) -> Floats:
    return np.asarray(np.cumprod(rng.exponential(size=(size, 4)), axis=1), dtype=np.float64)


LEVELS: list[tuple[str, Callable[[], EProcess], Callable[[np.random.Generator, int], Floats]]] = [
    ("Cauchy", lambda: Symmetric(1.0), lambda rng, n: rng.standard_cauchy(n)),
    ("normal", lambda: SubGaussianMeanZero(1.0), lambda rng, n: rng.standard_normal(n)),
    ("normal vector", lambda: SubGaussianMeanZero(1.0, 3), lambda rng, n: rng.standard_normal((n, 3))),
    ("uniform", SuperUniform, lambda rng, n: rng.random(n)),
    ("curve", lambda: CurveAtMostOne(4), growing_curve),
]


@pytest.mark.parametrize(("name", "make", "draw"), LEVELS, ids=[name for name, _, _ in LEVELS])
def test_the_measured_level_on_the_boundary_does_not_contradict_ville(
    name: str, make: Callable[[], EProcess], draw: Callable[[np.random.Generator, int], Floats]
) -> None:
    # One-sided Clopper-Pearson: for a valid process each comparison fails with probability at most 1e-6.
    peaks = crossings(make, draw, name)
    assert not excess(peaks, 20.0)
    assert not excess(peaks, 100.0)


@quiet
@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_each_bet_on_symmetry_is_an_e_variable_on_two_signs(scale: float, size: float) -> None:
    assert is_e_variable(Symmetric(scale), [-size, size], [Fraction(1, 2)] * 2)


@quiet
@given(st.floats(1e-9, 1))
def test_each_bet_on_a_super_uniform_law_is_an_e_variable_on_extremal_laws(u: float) -> None:
    assert is_e_variable(SuperUniform(), [u, 1.0], [Fraction(u), 1 - Fraction(u)])


@pytest.mark.parametrize(
    ("make", "points", "masses", "exactly_one"),
    [
        (lambda: SubGaussianMeanZero(1.0), [-1.0, 1.0], [0.5, 0.5], False),
        (
            lambda: SubGaussianMeanZero(1.0, 2),
            [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]],
            [0.25] * 4,
            False,
        ),
        (lambda: CurveAtMostOne(2), [[0.0, 0.5], [3.0, 2.0]], [2 / 3, 1 / 3], True),
    ],
)
def test_the_mixture_has_mean_at_most_one_over_all_paths(
    make: Callable[[], EProcess], points: list[Any], masses: list[float], *, exactly_one: bool
) -> None:
    n = 5 if len(points) > 2 else 8
    # Each e-value is a product of n factors (FACTOR_ROUNDING each) turned to a logarithm and back (a few
    # units more).
    slack = (n + 2) * FACTOR_ROUNDING
    mean = path_mean(make, points, masses, n)
    assert mean <= 1 + slack
    assert not exactly_one or mean >= 1 - slack


PROCESSES: list[Callable[[], EProcess]] = [lambda: Symmetric(1.0), SuperUniform, lambda: SubGaussianMeanZero(1.0)]


@quiet
@given(st.lists(st.floats(0, 1), min_size=1, max_size=70), st.data())
def test_the_evidence_is_the_same_to_the_bit_however_the_draws_are_cut(draws: list[float], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(draws)), max_size=5)))
    for make in PROCESSES:
        assert_the_same_to_the_bit(make, draws, cuts)


def test_a_large_update_equals_many_small_ones() -> None:
    y, pieces = generator("large").exponential(size=(2000, 3)), CurveAtMostOne(3)
    for part in np.array_split(y, 77):
        pieces.update(part)
    assert CurveAtMostOne(3).update(y) == pieces.log_e


@pytest.mark.parametrize("make", PROCESSES)
def test_a_draw_that_is_not_a_number_is_an_error_and_changes_nothing(make: Callable[[], EProcess]) -> None:
    assert_no_number_changes_nothing(make)


def test_a_normalised_inequality_checks_the_sure_bound() -> None:
    assert normalised([1.0, 3.0], [2.0, 1.0], 2.0).tolist() == [0.5, 2.0]
    assert normalised([math.inf], [1.0], 2.0).tolist() == [math.inf]
    with pytest.raises(ValueError, match="must be at least 0"):
        normalised([0.0], [2.1], 2.0)
    with pytest.raises(FloatingPointError, match="not a number"):
        normalised([math.inf], [math.inf], 2.0)
    with pytest.raises(ValueError, match="top is 0"):
        normalised([1.0], [1.0], 0.0)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Symmetric(-1.0),
        lambda: SuperUniform(1.0),
        lambda: SuperUniform().update([1.1]),
        lambda: SubGaussianMeanZero(1.0, 2).update([1.0]),
        lambda: CurveAtMostOne(2).update([[1.0]]),
        lambda: CurveAtMostOne(0),
    ],
)
def test_bad_input_is_refused_with_one_line(wrong: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"\A.+(must|needed).*\Z"):
        wrong()


def test_curves_find_one_bad_point_and_a_slight_violation_everywhere() -> None:
    rng = generator("curves")
    common = rng.lognormal(-0.02, 0.2, size=(256, 1)) * np.ones((1, 32))
    one_point = common * np.where(np.arange(32) == 5, 3.0, 0.5)
    noisy = rng.exponential(size=(256, 32)) * 1.3
    assert CurveAtMostOne(32).update(one_point) > math.log(BUDGET.refute)
    assert MeanAtMostOne().update(one_point.mean(axis=1)) < 0
    assert CurveAtMostOne(32).update(noisy) > math.log(BUDGET.refute)
    assert CurveAtMostOne(32).update(np.minimum(common, 1.0)) < 0


def test_each_process_finds_a_plain_violation() -> None:
    # For each, the best bet grows by at least 0.08 a draw with deviation at most 0.55: after 2000 draws 160,
    # less 5 for the mixture, is 125 above the goal, five deviations of 25; for the
    # whole tail growth is 0.87 with deviation 2.3.
    rng = generator("found")
    x = rng.standard_normal(2000) + 0.5
    assert Symmetric(1.0).update(x) > 30
    assert SubGaussianMeanZero(1.0).update(x) > 30
    assert SubGaussianMeanZero(1.0, 2).update(np.column_stack([x, rng.standard_normal(2000)])) > 30
    assert SuperUniform().update(rng.random(2000) ** 3) > 30
