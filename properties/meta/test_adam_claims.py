"""Adam's bounds as formulas: orders in n, and where they say more than the trivial bound."""

from typing import Any

import numpy as np
import pytest
from sympy import Symbol, simplify

from elbound.properties.arithmetics import Replicates
from elbound.theory.descent import adam_bias
from elbound.theory.descent.adam_bounded_gradient import ADAM_BOUNDED_GRADIENT, MOMENTUM
from elbound.theory.descent.adam_momentum import ADAM_MOMENTUM
from elbound.theory.evaluate import evaluate
from elbound.theory.settings import UNBIASED
from elbound.theory.symbols import C, Delta, L, R, alpha, beta_1, beta_2, n, p, reg

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


def test_the_biass_constant_is_the_overlap_of_the_two_memories() -> None:
    x, y = Symbol("x", positive=True), Symbol("y", positive=True)
    # sum_j (1 - x) x^j (1 - y) y^j as a geometric series, and one step later.
    overlap = (1 - x) * (1 - y) / (1 - x * y)
    kappa = adam_bias.kappa.subs({beta_1: x, beta_2: y})
    assert simplify(kappa - overlap) == 0
    first = (1 - x) * (1 - y)
    assert simplify(overlap * x * y + first - overlap) == 0
    assert simplify(kappa.subs(x, 0) - (1 - y)) == 0
