"""The clipped Hessian against automatic differentiation, and the clip's second derivative in more dimensions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from elbound.impl import clipping
from elbound.impl.deep_layers import derivatives
from elbound.impl.full_linear_vae import at_weights, objective
from elbound.impl.linear_vae import LinearVAE, Weights
from elbound.properties.experiment import Context
from elbound.properties.experiments.radial_clip import BEND
from elbound.theory.symbols import bend_theta

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


@EXAMPLES
@given(seed=st.integers(0, 2**16), reach=st.integers(0, 40).map(lambda j: j / 10))
def test_in_more_dimensions_no_pair_of_directions_bends_more_than_in_the_plane(seed: int, reach: float) -> None:
    rng, radius = np.random.default_rng(seed), 0.7
    theta, first, second = (torch.tensor(x / np.linalg.norm(x)) for x in rng.normal(size=(3, 6)))

    def image(point: Tensor) -> Tensor:
        clipped = clipping.clip(Weights(point[:3].view(1, 3, 1), point[3:].view(3, 1, 1)), radius)
        return torch.cat([part.flatten() for part in clipped])

    form = derivatives(image, reach * radius * theta).second
    found = BEND.measure({"r": radius, "reach": reach, "angle": 1.3}, Context()).values[bend_theta]
    along = [torch.einsum("ipq,p,q->i", form, *pair).norm() for pair in ((first, second), (theta, first))]
    assert max(along) <= float(found.high)
    # The radial direction alone reaches 3 u / (1 + u^2)^(5/2) over r, which is the norm up to u = 1 / sqrt 2.
    radial = float(torch.einsum("ipq,p,q->i", form, theta, theta).norm())
    assert radial <= float(found.high)
    if reach <= 0.7:
        assert radial == pytest.approx(float(found.low), rel=1e-9, abs=1e-10)


def test_the_norm_is_the_stated_constant_at_half_the_radius_and_zero_at_the_origin() -> None:
    for angle in (0.0, 1.0, 4.0):
        found = BEND.measure({"r": 2.0, "reach": 0.5, "angle": angle}, Context()).values[bend_theta]
        assert found.contains(clipping.CURVATURE / 2)
        assert float(found.width) <= 1e-9
        origin = BEND.measure({"r": 2.0, "reach": 0.0, "angle": angle}, Context()).values[bend_theta]
        assert origin.contains(0.0)
        assert float(origin.high) <= 1e-9
