"""Enclosed least eigenvalues against matrices whose spectrum is known, on both backends."""

from fractions import Fraction

import pytest
import torch

from elbound.impl.exact_kernels import Kernels
from elbound.impl.kernels import ERF, RELU, fresh_noise_kernel, shared_noise_kernel
from elbound.impl.wide_network import frozen_inputs, shared_inputs
from elbound.properties.evidence.enclosure import Arithmetic, best, mpmath_intervals
from elbound.properties.evidence.spectrum import RESORT, least_eigenvalue
from elbound.properties.experiment import Context
from elbound.properties.experiments.limit_spectrum import (
    BITS,
    LIMIT_SPECTRUM,
    RIDGE,
    inputs_of,
    kernel_of_draws,
    largest_share,
)

BACKENDS = pytest.mark.parametrize("arithmetic", [best(BITS), mpmath_intervals(BITS)], ids=lambda a: a.basis)
X = [tuple(map(Fraction, x.split())) for x in ("1 2 0", "2 4 0", "0 -1 3/4")]


def balls(rows: list[list[Fraction]], arithmetic: Arithmetic) -> list[list[object]]:
    return [[arithmetic.rational(x.numerator, x.denominator) for x in row] for row in rows]


@BACKENDS
def test_a_positive_definite_matrix_is_enclosed_to_relative_1e_12(arithmetic: Arithmetic) -> None:
    # Eigenvalues of [[2, 1], [1, 2]] t are t and 3 t, at any scale.
    for t in (Fraction(1), Fraction(1, 10**30), Fraction(10**20)):
        found = least_eigenvalue(balls([[2 * t, t], [t, 2 * t]], arithmetic), arithmetic)
        assert found.contains(float(t))
        assert float(found.high - found.low) <= 1.1e-12 * float(t)


@BACKENDS
def test_a_singular_matrix_is_enclosed_by_zero_and_next_to_nothing(arithmetic: Arithmetic) -> None:
    third = Fraction(1, 3)
    for rows in ([[third, third], [third, third]], [[Fraction(0)]]):
        found = least_eigenvalue(balls(rows, arithmetic), arithmetic)
        assert found.contains(0.0)
        assert -2 * RESORT <= float(found.low) <= float(found.high) <= 1e-70


@BACKENDS
def test_an_indefinite_matrix_has_a_negative_enclosure(arithmetic: Arithmetic) -> None:
    found = least_eigenvalue(balls([[Fraction(0), Fraction(1)], [Fraction(1), Fraction(0)]], arithmetic), arithmetic)
    assert found.contains(-1.0)
    assert float(found.high) < -0.999


def test_balls_too_wide_for_a_certificate_are_refused() -> None:
    arithmetic = best(BITS)
    wide = arithmetic.hull(-1.0, 1.0)
    with pytest.raises(ArithmeticError, match="no certificate"):
        least_eigenvalue([[wide, wide], [wide, wide]], arithmetic)


@BACKENDS
@pytest.mark.parametrize("activation", [RELU, ERF], ids=lambda a: a.name)
@pytest.mark.parametrize("eighths", [0, 5])
def test_kernels_of_balls_hold_the_kernels_of_floats(arithmetic: Arithmetic, activation: object, eighths: int) -> None:
    assert activation in (RELU, ERF)
    phi = RELU if activation is RELU else ERF
    s = Fraction(eighths, 8)
    kernels = Kernels(X, s, "latent", "ReLU" if phi is RELU else "erf", arithmetic)
    points = torch.tensor([[float(c) for c in x] for x in X], dtype=torch.float64)
    expected = {
        "fresh": fresh_noise_kernel(points, points, float(s), phi),
        "shared": shared_noise_kernel(points, points, float(s), phi),
    }
    for name, known in expected.items():
        found = [[sum(arithmetic.ends(x)) / 2 for x in row] for row in getattr(kernels, name)()]
        # Entries below 20 from a few dozen roundings.
        assert (torch.tensor(found, dtype=torch.float64) - known).abs().max() <= 1e-13


@pytest.mark.parametrize("activation", ["ReLU", "erf"])
@pytest.mark.parametrize("noise", ["latent", "weights"])
@pytest.mark.parametrize("eighths", [0, 1, 12])
def test_kernels_by_their_definition_are_k2_and_for_frozen_noise_k1_beside_the_diagonal(
    activation: str, noise: str, eighths: int
) -> None:
    arithmetic, s = best(BITS), Fraction(eighths, 8)
    inputs = [*X, tuple(map(Fraction, (-3, -6, 0)))]
    kernels = Kernels(inputs, s, noise, activation, arithmetic)
    fresh, shared = kernels.fresh(), kernels.shared()
    mixed = [[(shared if i == j else fresh)[i][j] for j in range(len(fresh))] for i in range(len(fresh))]
    for hold, expected in ((shared_inputs, shared), (frozen_inputs, mixed)):
        found, error = kernel_of_draws(hold, inputs, s, noise, activation)
        for i, row in enumerate(expected):
            for j, ball in enumerate(row):
                low, high = arithmetic.ends(ball)
                assert low - float(error[i, j]) <= float(found[i, j]) <= high + float(error[i, j])
        assert float(error.max()) <= 1e-10


def test_the_largest_share_of_one_kernel_in_another_is_enclosed_with_the_errors_of_both() -> None:
    arithmetic, two = best(BITS), torch.diag(torch.tensor([3.0, 5.0], dtype=torch.float64))
    lower = balls([[Fraction(1), Fraction(0)], [Fraction(0), Fraction(4)]], arithmetic)
    exact = largest_share(lower, two, torch.zeros_like(two), arithmetic)
    assert exact.contains(4 / (5 + 5 * RIDGE))
    assert float(exact.width) <= 1e-12
    assert largest_share(lower, two, torch.full_like(two, 0.5), arithmetic).contains(4 / 4.5)
    # In the null space of both there is no share, and of a singular kernel the ridge alone is left.
    singular = torch.diag(torch.tensor([3.0, 0.0], dtype=torch.float64))
    one = balls([[Fraction(1), Fraction(0)], [Fraction(0), Fraction(0)]], arithmetic)
    assert largest_share(one, singular, torch.zeros_like(two), arithmetic).contains(1 / (3 + 3 * RIDGE))
    assert largest_share(lower, singular, torch.zeros_like(two), arithmetic).contains(4 / (3 * RIDGE))
    with pytest.raises(ValueError, match="least eigenvalue"):
        largest_share(lower, singular, torch.full_like(two, 0.1), arithmetic)


def test_noise_in_the_weights_is_noise_of_the_inputs_norm() -> None:
    arithmetic, s = best(BITS), Fraction(3, 4)
    for x in X:
        norm_squared = sum(c * c for c in x)
        for activation, phi in (("ReLU", RELU), ("erf", ERF)):
            ball = Kernels([x], s, "weights", activation, arithmetic).fresh()[0][0]
            point = torch.tensor([[float(c) for c in x]], dtype=torch.float64)
            own = fresh_noise_kernel(point, point, float(s) * float(norm_squared) ** 0.5, phi)
            assert sum(arithmetic.ends(ball)) / 2 == pytest.approx(own.item(), rel=1e-13)


def test_inputs_are_never_zero_and_digits_are_sixteenths() -> None:
    axes = LIMIT_SPECTRUM.space.axes
    for point in (tuple(j % axis.size for axis in axes) for j in range(200)):
        configuration = LIMIT_SPECTRUM.space.configuration(point)
        inputs = inputs_of(configuration, Context())
        assert all(any(x) for x in inputs)
        assert all((16 * c).denominator == 1 for x in inputs for c in x)
