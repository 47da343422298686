"""The error budget: its thresholds, what it refuses, and the bound on false refutations that a run achieved."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError
from functools import partial

import pytest

from elbound.properties.evidence.budget import Budget
from elbound.properties.meta.boundary_laws import UNIT

BUDGET = Budget()


def test_the_refuting_threshold_spends_the_whole_budget_and_no_more() -> None:
    # One product and one quotient, rounded.
    assert BUDGET.refute == pytest.approx(1e13, rel=4 * UNIT)
    assert Budget(alpha_suite=0.3, max_claims=2, max_executions=1).refute == pytest.approx(2 / 0.3, rel=4 * UNIT)
    every = BUDGET.max_claims * BUDGET.max_executions
    assert BUDGET.achieved(every, every) == pytest.approx(BUDGET.alpha_suite, rel=4 * UNIT, abs=0.0)


def test_the_achieved_bound_counts_confirmations_and_is_never_zero_for_work_done() -> None:
    assert BUDGET.achieved(0, 0) == 0
    # These are far below pytest's absolute tolerance.
    close = partial(pytest.approx, rel=4 * UNIT, abs=0.0)
    assert BUDGET.achieved(0, 5000) == close(5 / BUDGET.refute)
    assert BUDGET.achieved(0, 1500) == close(1.5 / BUDGET.refute)
    assert BUDGET.achieved(70, 5000) == close(70 / BUDGET.refute)
    assert Budget(alpha_suite=0.5, max_claims=1, max_executions=1).achieved(100, 100) == 1


def test_the_thresholds_are_what_the_guarantee_was_derived_for() -> None:
    assert (BUDGET.screen, BUDGET.support, BUDGET.alpha_suite) == (1e3, 1e6, 1e-6)
    assert (BUDGET.max_claims, BUDGET.max_executions) == (1_000, 10_000)
    assert (BUDGET.screen_replicates, BUDGET.confirm_replicates, BUDGET.chunk) == (256, 4096, 32)


@pytest.mark.parametrize(
    ("name", "allowed", "refused"),
    [
        ("alpha_suite", (1e-300, 0.5, 1 - 1e-9), (-0.5, 0.0, 1.0, 2.0, math.nan)),
        ("screen", (1.001, 1e300), (-2.0, 0.5, 1.0, float("inf"), math.nan)),
        ("support", (1.001, 1e300), (-2.0, 0.5, 1.0, float("inf"), math.nan)),
        ("max_claims", (1, 7), (0, -1)),
        ("max_executions", (1, 7), (0, -1)),
        ("screen_replicates", (32, 320), (0, -32, 31, 33)),
        ("confirm_replicates", (32, 320), (0, -32, 31, 33)),
        ("chunk", (1, 256), (0, -1, 3, 512)),
    ],
)
def test_a_budget_takes_what_makes_sense_and_names_what_does_not(
    name: str, allowed: tuple[float, ...], refused: tuple[float, ...]
) -> None:
    for value in allowed:
        assert getattr(Budget(**{name: value}), name) == value  # type: ignore[arg-type]
    for value in refused:
        with pytest.raises(ValueError, match="chunk" if name == "chunk" else name):
            Budget(**{name: value})  # type: ignore[arg-type]


def test_a_budget_is_not_changed_in_a_run() -> None:
    budget = Budget()
    with pytest.raises(FrozenInstanceError):
        budget.screen = 2.0  # type: ignore[misc]
    assert budget == Budget()


def test_confirmations_are_counted_from_none_to_all_executions() -> None:
    assert BUDGET.achieved(3, 3) == pytest.approx(3 / BUDGET.refute, rel=4 * UNIT, abs=0.0)
    assert BUDGET.achieved(1, 3) == pytest.approx(1 / BUDGET.refute, rel=4 * UNIT, abs=0.0)
    for confirmations, executions in ((-1, 3), (4, 3), (1, 0)):
        with pytest.raises(ValueError, match=f"confirmations is {confirmations}"):
            BUDGET.achieved(confirmations, executions)
