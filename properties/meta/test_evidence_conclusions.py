"""Certified bounds, averages and false discovery rates, each held to its definition or to the level it keeps."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elbound.properties.evidence.betting import MeanAtLeast, MeanAtMostOne
from elbound.properties.evidence.conclusions import average, e_bh, lower_bound, upper_bound
from elbound.properties.meta.boundary_laws import LAWS, UNIT, crossings, excess, quiet


@quiet
@given(st.lists(st.floats(1e-3, 1e3), min_size=5, max_size=60), st.sampled_from([20.0, 1e3, 1e6]))
def test_the_lower_bound_is_where_the_evidence_crosses_the_threshold(draws: list[float], threshold: float) -> None:
    x, goal = np.array(draws), math.log(threshold)
    bound = lower_bound(x, threshold)
    assert MeanAtMostOne().update(x / (bound * (1 - 1e-9))) >= goal - 1e-9
    assert MeanAtMostOne().update(x / (bound * (1 + 1e-9))) < goal + 1e-9
    assert 0 < bound < x.mean()


@quiet
@given(st.lists(st.floats(0, 1), min_size=80, max_size=100), st.sampled_from([20.0, 1e3]))
def test_the_upper_bound_is_where_the_opposite_evidence_crosses_the_threshold(
    draws: list[float], threshold: float
) -> None:
    x, goal = np.array(draws), math.log(threshold)
    facts: list[dict[str, float]] = [{"kappa": 2.0}, {"top": 1.5}]
    for fact in facts:
        bound = upper_bound(x, threshold, **fact)
        if math.isfinite(bound) and bound > 1e-200 and bound < 1.5:
            assert MeanAtLeast(bound * (1 + 1e-9), **fact).update(x) >= goal - 1e-6
            assert MeanAtLeast(bound * (1 - 1e-9), **fact).update(x) < goal + 1e-6
            assert bound > x.mean()


def test_the_bounds_degrade_to_the_trivial_ones() -> None:
    assert lower_bound(np.zeros(50), 10.0) == 0.0
    assert upper_bound(np.ones(3), 1e6, kappa=2.0) == math.inf
    assert upper_bound(np.full(300, 2.0), 1e6, top=2.0) == 2.0
    assert lower_bound(np.array([1.0, math.inf]), 10.0) < math.inf


def test_an_average_of_evidence_is_weighted_and_overflows_nowhere() -> None:
    # exp, sum of two and log of numbers near 1, 2000 carried exactly into a rounding of size 2000 u.
    assert average([2000.0, 2000.0]) == pytest.approx(2000.0, abs=4 * 2000 * UNIT)
    assert average([math.log(4.0), -math.inf], [0.25, 0.75]) == pytest.approx(0.0, abs=8 * UNIT)


def test_products_of_dependent_evidence_break_the_level_where_averages_keep_it() -> None:
    singles = crossings(MeanAtMostOne, LAWS[3].sample, "common noise")
    assert not excess(np.array([average([s] * 20) for s in singles]), 20.0)
    assert excess(20 * singles, 20.0)


def test_e_bh_reports_by_rank() -> None:
    values = [math.log(v) for v in (1.0, 45.0, 25.0, 100.0)]  # K / q = 40: ranks ask for 40, 20, 13.3, 10
    assert e_bh(values, 0.1) == [3, 1, 2]
    assert e_bh([math.log(15.0)] * 4, 0.1) == [0, 1, 2, 3]
    assert e_bh([math.log(9.0)] * 4, 0.1) == []
    assert e_bh([], 0.1) == []


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: lower_bound(np.ones(3), 1.0),
        lambda: lower_bound(-np.ones(3), 10.0),
        lambda: average([]),
        lambda: average([0.0], [1.1]),
        lambda: e_bh([0.0], 0.0),
    ],
)
def test_bad_input_is_refused_with_one_line(wrong: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"\A.+(must|needed).*\Z"):
        wrong()
