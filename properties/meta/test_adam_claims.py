"""Adam's bounds as formulas: orders in n, and where they say more than the trivial bound."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sympy import Symbol, lambdify, simplify

from elbound.properties.arithmetics import Replicates
from elbound.properties.evidence.budget import Budget
from elbound.properties.experiment import Context
from elbound.properties.experiments.frozen_adam import FROZEN_ADAM
from elbound.properties.trial import Trial
from elbound.reports.row import Verdict
from elbound.theory.descent import adam_bias
from elbound.theory.descent.adam_bounded_gradient import ADAM_BOUNDED_GRADIENT, MOMENTUM
from elbound.theory.descent.adam_momentum import ADAM_MOMENTUM
from elbound.theory.evaluate import evaluate
from elbound.theory.settings import UNBIASED
from elbound.theory.symbols import C, Delta, L, R, alpha, beta_1, beta_2, n, p, reg, rest

FACTS = frozenset({UNBIASED})


def rate(steps: int, forgetting: float) -> float:
    values = {n: steps, C: 0.1, L: 1.0, Delta: 1.0, p: 1, R: 1.0, reg: 1.0, beta_1: 0.5, beta_2: 1 - forgetting}
    return float(np.squeeze(evaluate(ADAM_MOMENTUM.right, values, Replicates())))


def test_the_bound_with_momentum_falls_when_beta_2_tends_to_one_and_not_else() -> None:
    few, many = 10**2, 10**6
    # The order n^-1/2 log n falls by 100 log(10^2) / log(10^6) = 33 from the one to the other.
    assert rate(few, few**-0.5) / rate(many, many**-0.5) > 33
    # With beta_2 = 1/2, R = reg = 1 and beta_1 = 1/2 the plateau is sqrt 2 / 2.
    assert 0.5**0.5 < rate(many, 0.5) < 0.5**0.5 + rate(many, many**-0.5)


def least_bound(steps: float, momentum: float, forgetting: float) -> float:
    """The published bound over the trivial p R^2, for reg = R / 10^4, without what the start and steps add."""
    values: dict[Any, float] = {n: steps, alpha: 1e-12, L: 1.0, Delta: 0.0, p: 1, R: 1.0, reg: 1e-4}
    values |= {beta_1: momentum, beta_2: 1 - forgetting}
    if momentum:
        return MOMENTUM.bound_at(values, FACTS) / (steps - momentum / (1 - momentum))
    return ADAM_BOUNDED_GRADIENT.bound_at(values, FACTS)


@pytest.mark.parametrize(
    ("steps", "momentum", "forgetting", "vacuous"),
    [
        (1e4, 0.0, 1e-4, True),
        (1e5, 0.0, 1e-5, False),
        (1e6, 0.9, 1e-6, True),
        (1e8, 0.9, 1e-8, False),
        (1e12, 0.9, 1e-3, True),
        (1e12, 0.0, 1e-3, False),
    ],
)
def test_the_bounded_gradient_bounds_are_vacuous_where_they_are_said_to_be(
    steps: float, momentum: float, forgetting: float, *, vacuous: bool
) -> None:
    assert (least_bound(steps, momentum, forgetting) >= 1) == vacuous


@pytest.mark.parametrize(("momentum", "horizon"), [(0.0, 1_800), (0.9, 1_720_000)])
def test_the_bounded_gradient_bounds_say_something_from_the_horizons_that_are_named(
    momentum: float, horizon: int
) -> None:
    """L Delta = p R^2 and reg = R / 10^4; the best of a grid of steps and memories, each to half a percent."""
    claim = MOMENTUM if momentum else ADAM_BOUNDED_GRADIENT
    known = {L: 1.0, Delta: 1.0, p: 1, R: 1.0, reg: 1e-4, beta_1: momentum}
    shares, steps = np.geomspace(0.03, 30, 1_400), np.geomspace(1e-5, 1, 2_400)[:, None]

    def least(count: float) -> float:
        memory = 1 - np.minimum(shares / count, 0.09 if momentum else 0.9)
        bound = lambdify((alpha, beta_2), claim.right.subs(known | {n: count}))(steps, memory)
        return float(np.min(bound)) / (count - momentum / (1 - momentum) if momentum else 1.0)

    assert least(horizon) < 1 < least(horizon * 0.98)


@pytest.mark.parametrize("beta", [0.0, 0.9])
def test_without_skewness_the_next_order_is_the_bias_and_the_leading_one_alone_is_false(beta: float) -> None:
    instance = {0.0: "no skewness, not balanced, beta_2 = 0.99", 0.9: "no skewness, momentum"}[beta]
    configuration = FROZEN_ADAM.instances[instance]
    measured = FROZEN_ADAM.measure(configuration, Context())
    trial = Trial(FROZEN_ADAM.situation(configuration, Context()), measured, Budget())
    for claim, falls in ((adam_bias.ADAM_BIAS, True), (adam_bias.PAST, beta > 0)):
        assert trial.judge(claim).verdict is Verdict.ASSUMPTION_NOT_MET
        old = replace(claim, assuming=adam_bias.LONG_MEMORY[:2])
        assert (trial.judge(old).verdict is Verdict.REFUTED) == falls
    # -(3/8) (1 - beta_2)^2 E g^5 / (E g^2)^2 with E g^5 = -2520 and E g^2 = 44, to the next order in 1 - beta_2.
    if not beta:
        found: Any = measured.values[rest]
        assert found.middle == pytest.approx(0.375 * 1e-4 * 2520 / 44**2, rel=0.03)


def test_the_biass_constant_is_the_overlap_of_the_two_memories() -> None:
    x, y = Symbol("x", positive=True), Symbol("y", positive=True)
    # sum_j (1 - x) x^j (1 - y) y^j as a geometric series, and one step later.
    overlap = (1 - x) * (1 - y) / (1 - x * y)
    kappa = adam_bias.kappa.subs({beta_1: x, beta_2: y})
    assert simplify(kappa - overlap) == 0
    first = (1 - x) * (1 - y)
    assert simplify(overlap * x * y + first - overlap) == 0
    assert simplify(kappa.subs(x, 0) - (1 - y)) == 0
