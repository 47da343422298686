"""Automatic derivatives of a layer and of the latent sample against the chain rule, and norms of bilinear maps."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from elbound.impl.deep_layers import Quadratic, derivatives, latent_derivatives, layer_derivatives
from elbound.impl.deep_vae import Affine
from elbound.impl.soft_clipping import SoftClip
from elbound.properties.evidence.bilinear import DIRECTIONS, _linear_in_first, bilinear_norm
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Curve
from elbound.properties.experiments.deep_layers import DEEP_LATENT_MAP, DEEP_LAYER_MAP, Directions
from elbound.theory.symbols import H_u, H_z, J_u, J_z

EXAMPLES = settings(deadline=None, derandomize=True, database=None, max_examples=30)
SEEDS = st.integers(0, 2**16)
EPS = 2.0**-53
# Two computations of one number of size s: under 2^10 operations, each relative to sums of size s.
SAME = 2.0**10 * EPS
GAP = 1 / math.cos(math.pi / (2 * DIRECTIONS)) - 1


def normal(seed: int, *shape: int) -> Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(size=shape))


def quadratic(seed: int, size: int, parameters: int) -> Quadratic:
    form, outward = normal(seed + 1, parameters), normal(seed + 2, size)
    return Quadratic(
        normal(seed, size), normal(seed + 3, size, parameters), 0.7, form / form.norm(), outward / outward.norm()
    )


@EXAMPLES
@given(SEEDS)
def test_a_quadratic_map_has_the_size_slope_and_curvature_it_is_given(seed: int) -> None:
    a = quadratic(seed, 3, 2)
    zero = torch.zeros(2, dtype=torch.float64)
    found = derivatives(a, zero)
    assert torch.equal(a(zero), a.constant)
    torch.testing.assert_close(found.first, a.linear, rtol=SAME, atol=0)
    by_hand = 0.7 * torch.einsum("i,p,q->ipq", a.outward, a.form, a.form)
    torch.testing.assert_close(found.second, by_hand, rtol=SAME, atol=SAME)


@EXAMPLES
@given(SEEDS)
def test_layers_have_the_second_derivatives_of_the_chain_rule(seed: int) -> None:
    rows, columns, parameters = 2, 3, 2
    below, clip = quadratic(seed, columns, parameters), SoftClip(-1.5, 1.5, 2.0)
    affine = Affine(normal(seed + 4, 1, rows, columns), normal(seed + 5, 1, rows))
    raised, bent = layer_derivatives(below, affine, clip)
    way = normal(seed + 6, rows * columns + rows + parameters)
    weight, bias, t = way.split([rows * columns, rows, parameters])
    moved, constant = below.linear @ t, below.constant
    first = weight.view(rows, columns) @ constant + bias + affine.weight[0] @ moved
    second = 2 * weight.view(rows, columns) @ moved
    second = second + 0.7 * (below.form @ t).square() * affine.weight[0] @ below.outward
    u = affine.weight[0] @ constant + affine.bias[0]
    after = clip.curvature(u) * first.square() + clip.slope(u) * second
    scale = 1 + float(way.square().sum()) * float(affine.weight.norm() + constant.norm() + below.linear.norm() + 2) ** 2
    torch.testing.assert_close(raised.first @ way, first, rtol=0, atol=SAME * scale)
    torch.testing.assert_close(bent.first @ way, clip.slope(u) * first, rtol=0, atol=SAME * scale)
    torch.testing.assert_close(raised.second @ way @ way, second, rtol=0, atol=SAME * scale)
    torch.testing.assert_close(bent.second @ way @ way, after, rtol=0, atol=SAME * scale)


@EXAMPLES
@given(SEEDS)
def test_the_latent_sample_has_the_derivatives_of_the_chain_rule(seed: int) -> None:
    mean, spread, noise = quadratic(seed, 2, 3), quadratic(seed + 10, 2, 3), normal(seed + 20, 2)
    found, t = latent_derivatives(mean, spread, noise), normal(seed + 21, 3)
    scaled = torch.exp(spread.constant / 2) * noise
    wide = spread.linear @ t
    first = mean.linear @ t + scaled * wide / 2
    bends = [0.7 * (x.form @ t).square() * x.outward for x in (mean, spread)]
    second = bends[0] + scaled * (bends[1] / 2 + wide.square() / 4)
    scale = (1 + float(scaled.norm())) * (1 + float(t.norm()) * float(mean.linear.norm() + spread.linear.norm())) ** 2
    torch.testing.assert_close(found.first @ t, first, rtol=0, atol=SAME * scale)
    torch.testing.assert_close(found.second @ t @ t, second, rtol=0, atol=SAME * scale)


@EXAMPLES
@given(SEEDS, st.integers(1, 6))
def test_a_bilinear_norm_is_passed_by_no_direction_and_nearly_reached(seed: int, size: int) -> None:
    drawn = normal(seed, 2, size, size).numpy()
    form = drawn + drawn.transpose(0, 2, 1)
    found = bilinear_norm(form, 0.0)
    vectors = normal(seed + 1, 400, size).numpy()
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    reached = np.linalg.norm(np.einsum("ipq,np,nq->ni", form, vectors, vectors), axis=1).max()
    assert reached <= found.high
    assert float(found.width) <= (GAP + 64 * size * EPS) * float(found.high)
    # What is attained is attained by a vector: the largest of an ascent from many starts is no larger.
    for vector in vectors[:40]:
        v = vector
        for _ in range(100):
            image = np.einsum("ipq,p,q->i", form, v, v)
            values, candidates = np.linalg.eigh(np.tensordot(image / np.linalg.norm(image), form, 1))
            v = candidates[:, np.abs(values).argmax()]
        assert np.linalg.norm(np.einsum("ipq,p,q->i", form, v, v)) <= float(found.high)


@EXAMPLES
@given(SEEDS, st.integers(1, 4), st.integers(1, 3))
def test_the_bound_for_maps_linear_in_some_coordinates_is_not_below_what_is_attained(
    seed: int, first: int, rest: int
) -> None:
    drawn = normal(seed, 2, first + rest, first + rest).numpy()
    form = drawn + drawn.transpose(0, 2, 1)
    form[:, :first, :first] = 0
    found, plain = bilinear_norm(form, 0.0, first), bilinear_norm(form, 0.0)
    assert float(found.low) == float(plain.low)
    bound = _linear_in_first(form[:, :first, first:], form[:, first:, first:])
    assert float(plain.low) <= bound * (1 + 64 * EPS)
    assert float(found.high) <= float(plain.high)


def test_bilinear_norms_by_hand() -> None:
    diagonal = np.array([np.diag([3.0, 0.0]), np.diag([0.0, 2.0])])
    assert bilinear_norm(diagonal, 0.0).contains(3.0)
    # B[v, v] = (v_1^2 - v_2^2, 2 v_1 v_2): the square of a complex number, of norm one in every direction.
    square = np.array([[[1.0, 0.0], [0.0, -1.0]], [[0.0, 1.0], [1.0, 0.0]]])
    found = bilinear_norm(square, 1e-12)
    assert found.contains(1.0)
    assert not found.contains(1.0 + 2 * GAP)
    assert not found.contains(1.0 - 2e-12)
    for bad in (square[:1], np.full((2, 2, 2), math.nan), np.zeros((2, 2, 3))):
        with pytest.raises(ValueError, match=r"form has shape .*; allowed: a finite \[2, p, p\]"):
            bilinear_norm(bad, 0.0)


@EXAMPLES
@given(SEEDS)
def test_directions_are_unit_and_matrices_have_their_norm(seed: int) -> None:
    for directions in (Directions(True, seed, 0.3), Directions(False, seed, 0.3)):
        assert float(directions.unit("x", 3).norm()) == pytest.approx(1.0, abs=16 * EPS)
        values = torch.linalg.svdvals(directions.matrix("x", 2, 3, 1.7))
        torch.testing.assert_close(values, torch.tensor([1.7, 0.51], dtype=torch.float64), rtol=32 * EPS, atol=0)


def test_the_lines_of_the_recursion_are_equalities_where_all_is_aligned() -> None:
    layer = DEEP_LAYER_MAP.measure(DEEP_LAYER_MAP.instances["linear below"], Context()).values
    assert enclosed(layer[J_u]).contains(math.sqrt(1 + 0.04))
    assert enclosed(layer[H_u]).contains(2.0)
    assert float(enclosed(layer[H_u]).width) < 1e-10
    latent = DEEP_LATENT_MAP.measure(DEEP_LATENT_MAP.instances["all aligned"], Context()).values
    assert enclosed(latent[J_z]).contains(1.5)
    assert enclosed(latent[H_z]).contains(1.75)


def enclosed(value: Interval | Curve) -> Interval:
    assert isinstance(value, Interval)
    return value
