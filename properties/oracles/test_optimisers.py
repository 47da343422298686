"""Adam's variants against torch's optimiser where the definitions coincide, and against plain loops everywhere."""

import itertools
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from elbound.impl.optimisers import Adam, Correction, Place, Timing, adam_step, adam_step_, at_rest

EPS = 2.0**-53
STEPS = 12


def gradients(seed: int, steps: int = STEPS) -> Tensor:
    drawn = torch.randn(steps, 3, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return drawn * 2


def trained(adam: Adam, given: Tensor) -> Tensor:
    theta = torch.ones_like(given[0])
    moments = at_rest(theta)
    for gradient in given:
        theta, moments = adam_step(adam, theta, gradient, moments)
    return theta


@settings(deadline=None, derandomize=True, database=None, max_examples=20)
@given(
    st.integers(0, 99),
    st.sampled_from((0.0, 0.5, 0.9)),
    st.sampled_from((0.0, 0.9, 0.999)),
    st.floats(1e-8, 2.0),
)
def test_practised_adam_is_torchs(seed: int, beta_1: float, beta_2: float, regulariser: float) -> None:
    adam = Adam(
        step_size=0.1,
        step_decay=0.0,
        beta_1=beta_1,
        beta_2=beta_2,
        regulariser=regulariser,
        place=Place.OUTSIDE,
        correction=Correction.BOTH,
    )
    theta = torch.ones(3, 2, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([theta], lr=0.1, betas=(beta_1, beta_2), eps=regulariser)
    for gradient in gradients(seed):
        theta.grad = gradient.clone()
        optimiser.step()
    # Moments have non-negative weights for squares: relative error of some 4 operations a step. A step moves by at most
    # 0.1 (1 - beta_1) / sqrt(1 - beta_2) < 10, and 1 - beta_2^t loses three digits where beta_2 = 0.999.
    assert torch.allclose(trained(adam, gradients(seed)), theta.detach(), rtol=0, atol=STEPS**2 * 16 * EPS * 1e3)


def by_hand(adam: Adam, given: list[float]) -> float:
    """Sums over all past gradients instead of recursions; one coordinate, one replicate."""
    theta = 1.0
    for t in range(1, len(given) + 1):
        fresh = [(1 - adam.beta_2) * s**-adam.beta_2_decay for s in range(1, t + 1)]
        last = t if adam.timing is Timing.CURRENT else t - 1
        squares = sum(fresh[s] * math.prod(1 - f for f in fresh[s + 1 : last]) * given[s] ** 2 for s in range(last))
        mean = sum((1 - adam.beta_1) * adam.beta_1 ** (t - 1 - s) * given[s] for s in range(t))
        corrected = 1.0 if adam.correction is Correction.NONE else 1 - math.prod(1 - f for f in fresh[:last])
        mean /= 1 - adam.beta_1**t if adam.correction is Correction.BOTH else 1.0
        r = adam.regulariser
        root = {
            Place.INSIDE: math.sqrt(squares / corrected + r**2),
            Place.OUTSIDE: math.sqrt(squares / corrected) + r,
            Place.IN_SUM: math.sqrt((squares + (1 - adam.beta_2) * r**2) / corrected),
        }[adam.place]
        theta -= adam.step_size * t**-adam.step_decay * mean / root
    return theta


VARIANTS = [
    (place, timing, correction)
    for place, timing, correction in itertools.product(Place, Timing, Correction)
    if timing is Timing.CURRENT or correction is Correction.NONE
]


@pytest.mark.parametrize(("place", "timing", "correction"), VARIANTS)
@pytest.mark.parametrize(("beta_1", "beta_2", "beta_2_decay"), [(0.0, 0.9, 0.0), (0.9, 0.99, 0.0), (0.5, 0.5, 0.5)])
def test_every_variant_is_the_plain_sum_over_past_gradients(
    place: Place, timing: Timing, correction: Correction, beta_1: float, beta_2: float, beta_2_decay: float
) -> None:
    adam = Adam(
        step_size=0.3,
        beta_1=beta_1,
        beta_2=beta_2,
        beta_2_decay=beta_2_decay,
        regulariser=0.5,
        place=place,
        timing=timing,
        correction=correction,
    )
    given = gradients(7)
    found = trained(adam, given)
    for i, j in itertools.product(range(3), range(2)):
        expected = by_hand(adam, given[:, i, j].tolist())
        # Regulariser 0.5 (times 0.1 for IN_SUM at beta_2 = 0.99): steps of at most about 20 |g|, some 30 operations.
        assert abs(float(found[i, j]) - expected) <= STEPS**2 * 32 * EPS * 20


@pytest.mark.parametrize(("beta_1", "beta_2"), [(0.0, 0.999), (0.9, 0.99)])
def test_the_regulariser_in_the_sum_gives_the_published_form_with_plain_sums(beta_1: float, beta_2: float) -> None:
    """m = beta_1 m + g, v = beta_2 v + g^2, alpha_t = alpha (1 - beta_1) sqrt((1 - beta_2^t) / (1 - beta_2))."""
    adam = Adam(
        step_size=0.2,
        step_decay=0.0,
        beta_1=beta_1,
        beta_2=beta_2,
        regulariser=0.3,
        place=Place.IN_SUM,
        correction=Correction.SECOND,
    )
    given = gradients(11)
    theta, m, v = torch.ones_like(given[0]), torch.zeros_like(given[0]), torch.zeros_like(given[0])
    for t, gradient in enumerate(given, start=1):
        m, v = beta_1 * m + gradient, beta_2 * v + gradient**2
        alpha = 0.2 * (1 - beta_1) * math.sqrt((1 - beta_2**t) / (1 - beta_2))
        theta = theta - alpha * m / torch.sqrt(0.3**2 + v)
    # Steps of at most 0.2 / sqrt(1 - beta_2) < 10, some 30 operations each, 1 - beta_2^t to three digits fewer.
    assert torch.allclose(trained(adam, given), theta, rtol=0, atol=STEPS**2 * 32 * EPS * 10 * 1e3)


@pytest.mark.parametrize(("place", "timing", "correction"), VARIANTS)
def test_the_update_in_place_is_the_update(place: Place, timing: Timing, correction: Correction) -> None:
    adam = Adam(
        step_size=0.1, beta_1=0.9, beta_2=0.99, regulariser=0.1, place=place, timing=timing, correction=correction
    )
    given = gradients(13)
    theta = torch.ones_like(given[0])
    moments, places = at_rest(theta), {theta.data_ptr()}
    places |= {part.data_ptr() for part in moments[:2]}
    for gradient in given:
        before = theta.clone(), moments._replace(first=moments.first.clone(), second=moments.second.clone())
        expected, after = adam_step(adam, before[0], gradient, before[1])
        assert torch.equal(before[0], theta)
        assert torch.equal(before[1].first, moments.first)
        moments = adam_step_(adam, theta, gradient, moments)
        assert torch.equal(theta, expected)
        assert torch.equal(moments.second, after.second)
    assert {theta.data_ptr(), moments.first.data_ptr(), moments.second.data_ptr()} == places


def test_replicates_do_not_meet() -> None:
    adam = Adam(step_size=0.1, beta_1=0.9, beta_2=0.99, regulariser=0.1)
    given = gradients(3)
    assert torch.equal(trained(adam, given)[:, :1], trained(adam, given[:, :, :1]))


def test_without_memory_and_regulariser_the_step_is_the_gradients_sign() -> None:
    adam = Adam(step_size=0.25, step_decay=0.0, beta_1=0.0, beta_2=0.0, regulariser=1e-200)
    given = gradients(5, steps=1)
    assert torch.equal(trained(adam, given), 1 - 0.25 * torch.sign(given[0]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("beta_1", 1.0),
        ("beta_1", -0.1),
        ("beta_2", 1.0),
        ("beta_2", float("nan")),
        ("regulariser", 0.0),
        ("regulariser", -1e-8),
        ("regulariser", float("inf")),
        ("step_size", 0.0),
        ("step_size", -1.0),
        ("step_decay", 1.5),
        ("beta_2_decay", -0.5),
    ],
)
def test_a_value_out_of_range_is_named_with_its_range(name: str, value: float) -> None:
    plain = Adam(step_size=0.1, beta_1=0.9, beta_2=0.99, regulariser=0.1)
    changed: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=rf"^{name} is {value}; allowed: [^\n]+$"):
        replace(plain, **changed)


def test_past_gradients_cannot_be_corrected() -> None:
    with pytest.raises(ValueError, match=r"^correction is BOTH with timing PAST; allowed: NONE$"):
        Adam(
            step_size=0.1,
            beta_1=0.9,
            beta_2=0.99,
            regulariser=0.1,
            timing=Timing.PAST,
            correction=Correction.BOTH,
        )
