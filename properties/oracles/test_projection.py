"""Projection onto a ball and the gradient mapping, against their definitions."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elbound.impl.linear_vae import LinearVAE, Weights, inner
from elbound.impl.projection import gradient_mapping, norms, project

DATA = torch.tensor([[1.0, -0.5], [0.3, 0.8], [-0.7, 0.1]], dtype=torch.float64)
PROBLEM = LinearVAE(DATA, 0.6, 0.8, torch.tensor([0.5], dtype=torch.float64))
EPS = 2.0**-53
WEIGHTS = st.lists(st.floats(-3, 3), min_size=4, max_size=4)
QUIET = settings(deadline=None, derandomize=True, database=None, max_examples=60)


def weights(entries: list[float]) -> Weights:
    flat = torch.tensor(entries, dtype=torch.float64)
    return Weights(flat[:2].reshape(1, 2, 1), flat[2:].reshape(2, 1, 1))


def difference(left: Weights, right: Weights) -> Weights:
    return Weights(left.encoder - right.encoder, left.decoder - right.decoder)


@QUIET
@given(WEIGHTS, WEIGHTS, st.floats(0.1, 3.0))
def test_the_projection_is_the_nearest_point_of_the_ball(
    given_: list[float], other: list[float], radius: float
) -> None:
    point, nearest, rival = weights(given_), project(weights(given_), radius), project(weights(other), radius)
    # Four entries rounded once, a norm of four squares: a few units in the last place.
    assert float(norms(nearest)) <= radius * (1 + 8 * EPS)
    away, obtuse = difference(point, nearest), difference(rival, nearest)
    # No point of the ball lies beyond the tangent plane; products of numbers below 10.
    assert float(inner(away, obtuse)) <= 1000 * EPS
    if float(norms(point)) <= radius:
        assert torch.equal(nearest.encoder, point.encoder)
        assert torch.equal(nearest.decoder, point.decoder)


@QUIET
@given(WEIGHTS, st.floats(0.1, 3.0))
def test_the_gradient_mapping_is_no_longer_than_the_gradient_and_equals_it_inside(
    entries: list[float], radius: float
) -> None:
    point = project(weights(entries), radius)
    slope, rate = PROBLEM.gradient(point), 2 * PROBLEM.smoothness_on_ball(radius)
    mapping = gradient_mapping(PROBLEM, point, radius)
    # The rate times a difference of weights below 3, each rounded a few times.
    slack = 64 * EPS * rate * 3
    assert float(norms(mapping)) <= float(norms(slope)) + slack
    after = Weights(*(w - g / rate for w, g in zip(point, slope, strict=True)))
    if float(norms(after)) < radius:
        assert float(norms(difference(mapping, slope))) <= slack
    else:
        moved = project(after, radius)
        again = Weights(*((w - p) * rate for w, p in zip(point, moved, strict=True)))
        assert float(norms(difference(mapping, again))) <= slack
        assert float(norms(difference(mapping, slope))) > 0
