"""The radial soft-clip's derivatives and the enclosed norm of the second, against automatic differentiation."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from elbound.impl import clipping
from elbound.impl.clipping import squared_bend
from elbound.impl.full_linear_vae import at_weights, objective
from elbound.impl.linear_vae import LinearVAE, Weights
from elbound.properties.evidence.enclosure import Arithmetic, best, mpmath_intervals
from elbound.properties.experiments.radial_clip import largest_square

EXAMPLES = settings(deadline=None, derandomize=True, database=None, max_examples=20)
shares = st.integers(1, 99).map(lambda j: j / 100)


@EXAMPLES
@given(seed=st.integers(0, 2**16), radius=st.integers(1, 30).map(lambda j: j / 10))
def test_the_composed_hessian_is_the_one_of_automatic_differentiation(seed: int, radius: float) -> None:
    rng = np.random.default_rng(seed)
    d, k = 1 + seed % 3, 1 + seed % 2
    data, variance = torch.tensor(rng.normal(size=(6, d))), torch.tensor(np.exp(rng.normal(size=k)))
    problem = LinearVAE(data, 0.7, 0.9, variance)
    theta = torch.tensor(rng.normal(size=2 * d * k))

    def composed(point: Tensor) -> Tensor:
        weights = point / torch.sqrt(1 + point.square().sum() / radius**2)
        return objective(problem, at_weights(problem, weights[: d * k].reshape(k, d), weights[d * k :].reshape(d, k)))

    expected = torch.func.jacrev(torch.func.grad(composed))(theta)
    pair = Weights(theta[: d * k].reshape(k, d, 1), theta[d * k :].reshape(d, k, 1))
    found = clipping.hessian(problem, pair, radius)
    # Radii from 0.1 on: the pieces that cancel grow like the gradient over the radius.
    assert float((found - expected).abs().max()) <= 1e-11 * (1 + float(expected.abs().max())) / min(radius, 1.0)


@EXAMPLES
@given(t=shares, p=shares, radius=st.sampled_from([0.5, 2.0]))
def test_the_polynomial_is_the_squared_second_derivative(t: float, p: float, radius: float) -> None:
    theta = torch.tensor([radius * math.sqrt(t / (1 - t)), 0.0, 0.0], dtype=torch.float64)
    direction = torch.tensor([math.sqrt(p), 0.0, math.sqrt(1 - p)], dtype=torch.float64)

    def along(step: Tensor) -> Tensor:
        point = theta + step * direction
        return point / torch.sqrt(1 + point.square().sum() / radius**2)

    zero = torch.zeros((), dtype=torch.float64)
    second = torch.func.jacrev(torch.func.jacrev(along))(zero)
    value, by_t, by_p = squared_bend(t, p)
    # Values below one, a few operations each: a hundred units of rounding.
    assert value == pytest.approx(float(second.square().sum()) * radius**2, abs=1e-14)
    step = 1e-6
    assert by_t == pytest.approx((squared_bend(t + step, p)[0] - squared_bend(t - step, p)[0]) / (2 * step), abs=1e-7)
    assert by_p == pytest.approx((squared_bend(t, p + step)[0] - squared_bend(t, p - step)[0]) / (2 * step), abs=1e-7)


@pytest.mark.parametrize("arithmetic", [best(), mpmath_intervals(64)], ids=lambda x: x.basis)
def test_the_supremum_over_points_and_directions_is_enclosed_and_is_the_stated_constant(arithmetic: Arithmetic) -> None:
    found = largest_square(arithmetic)
    assert found.contains(2304 / 3125)
    assert float(found.width) <= 1e-10
    assert found.contains(clipping.CURVATURE**2)
    assert not found.contains(0.8**2)
    assert float(largest_square(arithmetic, last_share=0.5).high) < 0.7
