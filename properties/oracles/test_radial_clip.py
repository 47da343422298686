"""The radial soft-clip's derivatives and the enclosed norm of the second, against automatic differentiation."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from elbound.impl import clipping
from elbound.impl.full_linear_vae import at_weights, objective
from elbound.impl.linear_vae import LinearVAE, Weights, inner
from elbound.properties.experiments import radial_clip
from elbound.properties.experiments.radial_clip import POINT, largest_bend, second_derivatives

EXAMPLES = settings(deadline=None, derandomize=True, database=None, max_examples=20)


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


def test_the_largest_second_derivative_over_points_and_directions_is_the_stated_constant() -> None:
    for radius in (0.01, 1.0, 3.7):
        found = largest_bend(radius)
        assert found.contains(clipping.CURVATURE)
        assert found.width.item() <= 1e-10
        assert not found.contains(0.8)


@EXAMPLES
@given(seed=st.integers(0, 2**16), radius=st.floats(0.1, 10.0), size=st.integers(1, 3))
def test_the_clip_commutes_with_rotations_of_all_weights_together(seed: int, radius: float, size: int) -> None:
    """So the plane of one encoder and one decoder weight holds what any two of any number of weights do."""
    rng = np.random.default_rng(seed)
    count = 2 * size
    theta, turn = torch.tensor(rng.normal(size=count)), torch.tensor(np.linalg.qr(rng.normal(size=(count, count)))[0])

    def clipped(point: Tensor) -> Tensor:
        pair = clipping.clip(Weights(point[:size, None, None], point[size:, None, None]), radius)
        return torch.cat([pair.encoder.flatten(), pair.decoder.flatten()])

    torch.testing.assert_close(clipped(turn @ theta), turn @ clipped(theta), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("power", [2, 1 / 3], ids=str)
def test_a_clip_whose_second_derivative_is_no_such_polynomial_is_refused(
    power: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(theta: Weights, radius: float) -> Weights:
        square = (inner(theta, theta) / radius**2) ** power
        return clipping.scaled(theta, (1 + square) ** (-1 / (2 * power)))

    monkeypatch.setattr(radial_clip, "clip", other)
    with pytest.raises(ValueError, match="frequency"):
        largest_bend(1.0)


@pytest.mark.parametrize("places", [[0.3, -1.2, 1.5]])
def test_second_derivatives_are_those_of_the_formula(places: list[float]) -> None:
    for place, form in zip(places, second_derivatives(np.array(places), 2.0), strict=True):
        theta = torch.tensor(POINT, dtype=torch.float64) * 2.0 * math.tan(place)

        def clipped(point: Tensor) -> Tensor:
            return point / torch.sqrt(1 + point.square().sum() / 4)

        expected = 2.0 * torch.func.jacrev(torch.func.jacrev(clipped))(theta)
        torch.testing.assert_close(torch.tensor(form), expected, rtol=1e-12, atol=1e-13)
