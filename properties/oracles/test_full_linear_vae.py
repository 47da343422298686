"""The linear VAE with offsets and log-variances against the closed forms without them, and the search for curvature."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from elbound.impl.full_linear_vae import (
    WEIGHTS,
    WEIGHTS_AND_OFFSETS,
    Parameters,
    Region,
    at_weights,
    hessian,
    objective,
    sharpest,
)
from elbound.impl.linear_vae import LinearVAE, Weights

EXAMPLES = settings(deadline=None, derandomize=True, database=None, max_examples=20)


def case(seed: int) -> tuple[LinearVAE, Parameters]:
    rng = np.random.default_rng(seed)
    d, k = 1 + seed % 4, 1 + seed % 3

    def draw(*shape: int) -> Tensor:
        return torch.tensor(rng.normal(size=shape))

    problem = LinearVAE(draw(7, d) + 1, float(np.exp(rng.normal())), float(rng.uniform(0, 2)), draw(k).exp())
    return problem, Parameters(draw(k, d), draw(d, k), draw(k), draw(d), draw(k))


cases = st.integers(0, 2**16).map(case)


@EXAMPLES
@given(found=cases)
def test_without_offsets_objective_and_hessian_are_the_closed_forms(found: tuple[LinearVAE, Parameters]) -> None:
    problem, at = found
    plain = at_weights(problem, at.encoder, at.decoder)
    closed = problem.objective(Weights(at.encoder[..., None], at.decoder[..., None]))
    # Sums over seven data of fewer than a hundred products.
    assert float(objective(problem, plain)) == pytest.approx(float(closed[0]), rel=1e-12, abs=1e-12)
    expected = problem.hessian(at.encoder, at.decoder)
    difference = hessian(problem, plain, Region(WEIGHTS, 1.0)) - expected
    assert float(difference.abs().max()) <= 1e-12 * (1 + float(expected.abs().max()))


@EXAMPLES
@given(found=cases)
def test_along_a_ray_every_entry_of_the_hessian_is_a_constant_plus_a_square(
    found: tuple[LinearVAE, Parameters],
) -> None:
    problem, at = found
    plain = at_weights(problem, at.encoder, at.decoder)

    def at_scale(s: float) -> Tensor:
        moved = plain._replace(encoder=s * at.encoder, decoder=s * at.decoder)
        return hessian(problem, moved, Region(WEIGHTS, 1.0))

    origin, one = at_scale(0.0), at_scale(1.0)
    for s in (-1.0, 2.0, 5.0):
        expected = origin + s**2 * (one - origin)
        assert float((at_scale(s) - expected).abs().max()) <= 1e-12 * (1 + s**2 * float(one.abs().max()))
    assert float((one - origin).abs().max()) > 0


@EXAMPLES
@given(found=cases)
def test_offsets_follow_a_shift_of_the_data_and_log_variances_are_those_of_the_problem(
    found: tuple[LinearVAE, Parameters],
) -> None:
    problem, at = found
    shift = torch.arange(1.0, problem.data_dim + 1, dtype=torch.float64)
    moved = replace(problem, data=problem.data + shift)
    follows = at._replace(
        encoder_offset=at.encoder_offset - at.encoder @ shift, decoder_offset=at.decoder_offset + shift
    )
    assert float(objective(moved, follows)) == pytest.approx(float(objective(problem, at)), rel=1e-10)
    other = replace(problem, posterior_variance=at.log_variance.exp())
    zeros = at_weights(other, at.encoder, at.decoder)
    closed = other.objective(Weights(at.encoder[..., None], at.decoder[..., None]))
    assert float(objective(problem, zeros)) == pytest.approx(float(closed[0]), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("region", [Region(WEIGHTS, 1.3), Region(WEIGHTS_AND_OFFSETS, 0.7), Region(WEIGHTS, 1.0, 0.5)])
@pytest.mark.parametrize("seed", range(4))
def test_the_search_stays_in_its_region_and_ends_no_lower_than_it_starts(region: Region, seed: int) -> None:
    problem, start = case(seed)
    found = sharpest(problem, start, region)
    norm = math.sqrt(sum(float(getattr(found, name).square().sum()) for name in region.ball))
    assert norm == pytest.approx(region.radius, rel=1e-12)
    for name in set(Parameters._fields) - set(region.free):
        assert torch.equal(getattr(found, name), getattr(start, name))
    if region.reach > 0:
        assert float(found.log_variance.abs().max()) <= region.reach
    first, last = (
        float(torch.linalg.eigvalsh(hessian(problem, at, region)).abs().max()) for at in (region.inside(start), found)
    )
    assert last >= first
    assert torch.equal(region.unflatten(region.flat(found), start).encoder, found.encoder)


def test_the_search_finds_the_extremal_curvature_of_the_ball() -> None:
    problem, _ = case(5)
    one = torch.ones(2, dtype=torch.float64)
    problem = LinearVAE(problem.data, 0.5, 1 / (0.5 * problem.largest_moment), one)
    rng = np.random.default_rng(1)
    weights = [torch.tensor(rng.normal(size=shape)) for shape in ((2, problem.data_dim), (problem.data_dim, 2))]
    found = sharpest(problem, at_weights(problem, *weights), Region(WEIGHTS, 2.0), rounds=40)
    reached = float(torch.linalg.eigvalsh(problem.hessian(found.encoder, found.decoder))[-1])
    assert 0.98 * problem.smoothness_on_ball(2.0) < reached <= problem.smoothness_on_ball(2.0) * (1 + 1e-12)
