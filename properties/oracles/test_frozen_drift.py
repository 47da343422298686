"""The frozen mean drift against enumeration of all short memories, draws of stationary moments, and symmetry."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elbound.impl.frozen_drift import GradientLaw, drift_root, frozen_drift
from elbound.impl.optimisers import Adam, Place, Timing

SKEWED = GradientLaw((-0.9, 0.1), (0.1, 0.9))


def adam_of(beta_1: float, beta_2: float, regulariser: float, timing: Timing = Timing.CURRENT) -> Adam:
    return Adam(step_size=1.0, beta_1=beta_1, beta_2=beta_2, regulariser=regulariser, timing=timing)


def enumerated(adam: Adam, law: GradientLaw, memory: int) -> tuple[float, float]:
    """E[A m] over all gradients of a memory, and a bound on what older gradients add."""
    late = int(adam.timing is Timing.PAST)
    first = (1 - adam.beta_1) * adam.beta_1 ** np.arange(memory)
    second = np.zeros(memory)
    second[late:] = (1 - adam.beta_2) * adam.beta_2 ** np.arange(memory - late)
    r, reach = adam.regulariser, max(map(abs, law.values))
    total = 0.0
    for path in itertools.product(range(len(law.values)), repeat=memory):
        g = np.array([law.values[k] for k in path])
        chance = math.prod(law.chances[k] for k in path)
        total += chance * (first @ g) / math.sqrt(second @ g**2 + r**2)
    # Older gradients move m by at most beta_1^J reach and v by beta_2^(J - late) reach^2; |d v^(-1/2)| <= dv / (2 r^3).
    older = adam.beta_1**memory * reach / r + adam.beta_2 ** (memory - late) * reach**3 / (2 * r**3)
    return total, older + 64 * memory * 2.0**-53 * reach / r


@pytest.mark.parametrize("timing", list(Timing))
@pytest.mark.parametrize(("beta_1", "beta_2"), [(0.0, 0.0), (0.0, 0.2), (0.1, 0.05), (0.0, 0.05)])
@pytest.mark.parametrize("law", [SKEWED, GradientLaw((-1.0, 0.2, 0.7), (0.3, 0.3, 0.4))])
def test_the_drift_is_the_sum_over_all_memories(timing: Timing, beta_1: float, beta_2: float, law: GradientLaw) -> None:
    adam = adam_of(beta_1, beta_2, 0.5, timing)
    expected, error = enumerated(adam, law, 11 if len(law.values) == 2 else 7)
    found = frozen_drift(adam, law)
    assert abs(found.value - expected) <= found.error + error
    assert found.error < 1e-11


def test_without_memory_the_drift_is_that_of_normalised_gradients() -> None:
    found = frozen_drift(adam_of(0.0, 0.0, 0.3), SKEWED)
    expected = sum(p * g / math.hypot(g, 0.3) for g, p in zip(SKEWED.values, SKEWED.chances, strict=True))
    assert abs(found.value - expected) <= found.error + 8 * 2.0**-53


@settings(deadline=None, derandomize=True, database=None, max_examples=15)
@given(st.floats(0.1, 0.9), st.floats(0.0, 0.95), st.floats(0.0, 0.98), st.floats(0.05, 1.0))
def test_a_mirrored_law_drifts_the_other_way(share: float, beta_1: float, beta_2: float, regulariser: float) -> None:
    law = GradientLaw((-share, 1 - share), (1 - share, share))
    mirrored = GradientLaw((share, share - 1), (1 - share, share))
    adam = adam_of(beta_1, beta_2, regulariser)
    one, other = frozen_drift(adam, law), frozen_drift(adam, mirrored)
    assert abs(one.value + other.value) <= one.error + other.error


@pytest.mark.parametrize(("beta_1", "beta_2"), [(0.9, 0.9), (0.0, 0.99), (0.9, 0.99)])
def test_the_drift_agrees_with_moments_drawn_from_their_stationary_law(beta_1: float, beta_2: float) -> None:
    adam, count, memory = adam_of(beta_1, beta_2, 0.2), 4_000, 2_000
    drawn = np.random.default_rng(4).random((memory, count)) < SKEWED.chances[0]
    g = np.where(drawn, SKEWED.values[0], SKEWED.values[1])
    m = (1 - beta_1) * beta_1 ** np.arange(memory) @ g
    v = (1 - beta_2) * beta_2 ** np.arange(memory) @ g**2
    steps = m / np.sqrt(v + 0.2**2)
    # Hoeffding over independent columns, each step within reach / r = 4.5 of zero: failure below 1e-6.
    allowed = 4.5 * 2 * math.sqrt(math.log(2e6) / (2 * count))
    assert abs(frozen_drift(adam, SKEWED).value - steps.mean()) <= allowed


def test_past_gradients_without_momentum_come_to_rest_where_the_gradient_vanishes() -> None:
    found = drift_root(adam_of(0.0, 0.9, 0.1, Timing.PAST), SKEWED)
    assert abs(found.value) <= found.error <= 1e-7


def test_at_the_root_a_finer_evaluation_sees_no_drift() -> None:
    adam = adam_of(0.5, 0.9, 0.1)
    found = drift_root(adam, SKEWED)
    assert found.error <= 1e-7
    at = [frozen_drift(adam, SKEWED.shifted(found.value + side)).value for side in (-1e-3, 0.0, 1e-3)]
    assert at[0] < 0 < at[2]
    assert abs(at[1]) < 1e-6 * (at[2] - at[0])


def test_unusable_laws_and_variants_are_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match=r"^chances are \(0.5, 0.6\); allowed: [^\n]+$"):
        GradientLaw((0.0, 1.0), (0.5, 0.6))
    with pytest.raises(ValueError, match=r"^law has 2 values, 1 chances; [^\n]+$"):
        GradientLaw((0.0, 1.0), (1.0,))
    outside = Adam(step_size=1.0, beta_1=0.0, beta_2=0.9, regulariser=0.1, place=Place.OUTSIDE)
    with pytest.raises(ValueError, match=r"^place is OUTSIDE, [^\n]+$"):
        frozen_drift(outside, SKEWED)


@pytest.mark.parametrize("value", [0.0, 0.1, -3.0])
def test_a_certain_gradient_comes_to_rest_at_zero(value: float) -> None:
    certain, adam = GradientLaw((value,), (1.0,)), adam_of(0.5, 0.9, 0.1, Timing.CURRENT)
    found = drift_root(adam, certain)
    assert (found.value, found.error) == (0.0, 0.0)
    for shift in (-0.2, 0.2):
        assert frozen_drift(adam, GradientLaw((shift,), (1.0,))).value * shift > 0
