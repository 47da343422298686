"""Expectations over pairs of preactivations, against integrals over one of the pair given the other's distribution."""

import math

import mpmath
import numpy as np
import pytest
import torch
from scipy.integrate import dblquad, quad
from scipy.stats import norm

from elbound.impl.kernels import ERF, RELU
from elbound.impl.wide_network import fresh_inputs, frozen_inputs, neuron_outputs, shared_inputs
from elbound.properties.gaussian_plane import EPS, Pairs, angular_mean, lattice_error, lattice_mean

PAIRS = {
    "apart": ([2.0, 0.0, 1.0, 0.0], [0.8, 1.1, 0.0, 1.0]),
    "orthogonal": ([1.0, 0.0], [0.0, 3.0]),
    "one noise": ([2.0, 0.0, 0.1, 0.0], [2.0, 0.0, 0.0, 0.1]),
    "nearly opposed": ([1.0, 0.0], [math.cos(3.0), math.sin(3.0)]),
}


def row(vector: object) -> torch.Tensor:
    return torch.tensor(np.array([vector]), dtype=torch.float64)


def angle(a: object, b: object) -> float:
    return float(Pairs.of(row(a), row(b)).angle)


def both_positive(a: object, b: object) -> float:
    return float(angular_mean(RELU.slope, row(a), row(b), 0))


def product_mean(a: object, b: object) -> float:
    return float(angular_mean(RELU.value, row(a), row(b), 1))


@pytest.mark.parametrize("name", PAIRS)
def test_expectations_are_those_of_one_preactivation_given_the_other(name: str) -> None:
    """Given u = a . w, v = b . w is normal with mean c u / |a|^2 and the rest of its variance."""
    a, b = (np.array(x) for x in PAIRS[name])
    first, cross = math.sqrt(a @ a), float(a @ b)
    spread = math.sqrt(b @ b - cross**2 / first**2)

    def density(u: float) -> float:
        return math.exp(-((u / first) ** 2) / 2) / math.sqrt(2 * math.pi) / first

    def positive(u: float) -> float:
        return density(u) * float(norm.cdf(cross * u / first**2 / spread))

    def product(u: float) -> float:
        mean = cross * u / first**2
        return density(u) * u * (mean * float(norm.cdf(mean / spread)) + spread * float(norm.pdf(mean / spread)))

    # Beyond 12 deviations a normal variable has less than 1e-32 of its mass; quad reports its own error.
    for integrand, found in ((positive, both_positive(a, b)), (product, product_mean(a, b))):
        whole, error = quad(integrand, 0, 12 * first, epsabs=1e-13, epsrel=1e-12, limit=200)
        assert found == pytest.approx(whole, rel=1e-11, abs=error + 1e-13)


@pytest.mark.parametrize("apart", [0.0, 1e-12, 1e-8, 1e-3, 1.5, math.pi - 1e-9, math.pi])
def test_an_angle_keeps_its_digits_where_vectors_are_nearly_parallel(apart: float) -> None:
    with mpmath.workdps(40):
        turned = np.array([float(3 * mpmath.cos(apart)), float(3 * mpmath.sin(apart))])
    # Coordinates are rounded, which turns the vector by a unit in the last place; so is each operation.
    assert angle(np.array([2.0, 0.0]), turned) == pytest.approx(apart, abs=16 * EPS)


def test_a_square_has_half_the_variance_as_its_mean() -> None:
    a = np.array([0.6, 0.8, 1.0])
    assert product_mean(a, a) == pytest.approx(1.0, rel=64 * EPS)
    assert both_positive(a, a) == 0.5


@pytest.mark.parametrize("name", PAIRS)
def test_a_mean_of_two_bells_is_that_of_an_adaptive_rule(name: str) -> None:
    a, b = (np.array(x) for x in PAIRS[name])
    first = math.sqrt(a @ a)
    along = float(a @ b) / first
    across = math.sqrt(b @ b - along**2)

    def integrand(v: float, u: float) -> float:
        bells = math.exp(-((first * u) ** 2) - (along * u + across * v) ** 2)
        return 4 / math.pi * bells * math.exp(-(u**2 + v**2) / 2) / (2 * math.pi)

    whole, error = dblquad(integrand, -9, 9, -9, 9, epsabs=1e-11)
    found = float(lattice_mean(ERF.slope, row(a), row(b)))
    assert found == pytest.approx(whole, abs=error + found * float(lattice_error(row(a), row(b))))
    assert float(lattice_error(row(a), row(b))) <= 1e-11


@pytest.mark.parametrize("in_weights", [False, True])
def test_inputs_that_hold_the_noise_give_the_preactivations_of_the_noisy_network(in_weights: bool) -> None:
    generator = torch.Generator().manual_seed(5)
    X, w = (torch.randn(shape, dtype=torch.float64, generator=generator) for shape in ((3, 2), (2,)))
    spread = 0.7 * (X if in_weights else torch.ones(3, 1, dtype=torch.float64))
    draws = torch.randn((6, spread.shape[1]), dtype=torch.float64, generator=generator)

    def preactivations(held: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = held @ torch.cat((w, rows.flatten()))
        return found

    one, other = fresh_inputs(X, spread)
    expected = {
        "fresh": (preactivations(one, draws), draws[:3]),
        "fresh again": (preactivations(other, draws), draws[3:]),
        "frozen": (preactivations(frozen_inputs(X, spread), draws[:3]), draws[:3]),
        "shared": (preactivations(shared_inputs(X, spread), draws[:1]), draws[:1].expand(3, -1)),
    }
    for found, noise in expected.values():
        torch.testing.assert_close(found, X @ w + (spread * noise).sum(1), rtol=1e-13, atol=1e-13)


def test_a_neurons_output_is_the_activation_at_its_noisy_preactivation() -> None:
    W = torch.tensor([[[2.0], [-1.0]]], dtype=torch.float64)
    X = torch.tensor([[1.0, 0.5], [0.0, 3.0]], dtype=torch.float64)
    noise = torch.tensor([[[1.0]], [[2.0]]], dtype=torch.float64)
    assert neuron_outputs(W, X, noise, 0.25, RELU).flatten().tolist() == [1.75, 0.0]
