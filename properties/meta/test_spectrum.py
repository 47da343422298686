"""Enclosed least eigenvalues against matrices whose spectrum is known, on both backends."""

from fractions import Fraction

import pytest
import torch

from elbound.impl.exact_kernels import Kernels
from elbound.impl.kernels import ERF, RELU, fresh_noise_kernel, shared_noise_kernel
from elbound.impl.wide_network import frozen_inputs, shared_inputs
from elbound.properties.evidence.budget import Budget
from elbound.properties.evidence.enclosure import Arithmetic, best, mpmath_intervals
from elbound.properties.evidence.intervals import Interval
from elbound.properties.evidence.spectrum import RESORT, least_eigenvalue
from elbound.properties.experiment import Context
from elbound.properties.experiments.limit_spectrum import (
    BITS,
    LIMIT_SPECTRUM,
    SHIFT,
    inputs_of,
    kernel_of_draws,
    largest_relative,
)
from elbound.properties.trial import Trial
from elbound.reports.row import Verdict
from elbound.theory.tangent.loewner import FROZEN, NOISE, SHARED

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


def test_the_largest_relative_eigenvalue_is_enclosed_with_the_errors_of_its_parts() -> None:
    arithmetic, larger = best(BITS), torch.diag(torch.tensor([3.0, 5.0], dtype=torch.float64))
    c = 5 * SHIFT

    def relative(first: Fraction, second: Fraction, kernel: torch.Tensor, error: float) -> Interval:
        lower = balls([[first, Fraction(0)], [Fraction(0), second]], arithmetic)
        return largest_relative(lower, kernel, torch.full_like(kernel, error), arithmetic)

    exact = relative(Fraction(1), Fraction(4), larger, 0.0)
    assert exact.contains((4 + c) / (5 + c))
    assert float(exact.width) <= 1e-12
    assert float(relative(Fraction(3), Fraction(1), larger, 0.0).low) == pytest.approx(1.0, abs=1e-12)
    assert float(relative(Fraction(4), Fraction(1), larger, 0.0).low) > 1.3
    # Entries that are off by a half may have been equal to those of the lower kernel.
    off = relative(Fraction(1), Fraction(9, 2), larger, 0.5)
    assert off.contains(1.0)
    singular = torch.diag(torch.tensor([0.0, 5.0], dtype=torch.float64))
    both = relative(Fraction(0), Fraction(5), singular, 0.0)
    assert both.contains(1.0)
    assert float(both.width) <= 1e-12
    assert float(relative(Fraction(1, 100), Fraction(5), singular, 0.0).low) > 1.25
    with pytest.raises(ArithmeticError, match="has one below"):
        relative(Fraction(0), Fraction(5), singular - larger / 10, 0.0)


@pytest.mark.parametrize("activation", ["ReLU", "erf"])
@pytest.mark.parametrize("inputs", ["anywhere", "antipodal pairs"])
def test_without_noise_the_three_kernels_are_one_and_the_order_is_attained(activation: str, inputs: str) -> None:
    configuration = LIMIT_SPECTRUM.instances["erf, four inputs of one norm"]
    silent = {**configuration, "activation": activation, "inputs": inputs, "eighths": 0, "N": 5, "seed": 2}
    trial = Trial(LIMIT_SPECTRUM.situation(silent, Context()), LIMIT_SPECTRUM.measure(silent, Context()), Budget())
    for claim in (SHARED, FROZEN):
        found = trial.judge(claim)
        assert found.verdict is Verdict.SUPPORTED
        assert found.ratio == pytest.approx(1.0, abs=1e-9)
        assert trial.judge(claim.version("tightened to the attained 0.999")).verdict is Verdict.REFUTED
    assert trial.judge(NOISE).verdict in {Verdict.SUPPORTED, Verdict.CONSISTENT, Verdict.ASSUMPTION_NOT_MET}


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
