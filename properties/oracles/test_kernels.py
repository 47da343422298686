"""Limit kernels against quadrature and orthant probabilities; the finite network against its two moments."""

from collections.abc import Callable
from math import erf, exp, pi, sqrt

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import ndtr
from torch import Tensor

from elbound.impl.kernels import (
    ERF,
    RELU,
    Activation,
    fresh_noise_kernel,
    frozen_noise_kernel,
    output_layer_kernel,
    shared_noise_kernel,
    summand_second_moment,
    tangent_fluctuation,
    variance_floor,
)
from elbound.impl.wide_network import tangent_entries, tangent_kernel

EPS = torch.finfo(torch.float64).eps
ACTIVATIONS = pytest.mark.parametrize("activation", [RELU, ERF], ids=lambda a: a.name)
NOISES = pytest.mark.parametrize("s", [0.3, 1.0])

# Generic, nearly parallel, antipodal, parallel of another length, zero.
INPUTS = torch.tensor(
    [[1.0, 0.2], [-0.4, 0.9], [1.0, 0.2 + 1e-9], [0.4, -0.9], [2.0, 0.4], [0.0, 0.0]], dtype=torch.float64
)

Kernel = Callable[[Tensor, Tensor, float, Activation], Tensor]


def plane(step: float = 1 / 16, reach: float = 9.0) -> tuple[Tensor, Tensor]:
    """Nodes [2, n^2] and weights of the trapezoid rule for N(0, I_2); 2 Phi(-9) = 2e-19 is cut off."""
    z = torch.arange(-round(reach / step), round(reach / step) + 1, dtype=torch.float64) * step
    weight = step * torch.exp(-(z**2) / 2) / sqrt(2 * pi)
    return torch.stack(torch.meshgrid(z, z, indexing="ij")).flatten(1), torch.outer(weight, weight).flatten()


def over_weights(summand: Callable[[Tensor], Tensor], s: float) -> Tensor:
    """E_w summand(w), for summand [n, N, N] of nodes [2, n] made of phi_s and phi_s'.

    ReLU's factors Phi(w.x / s)^2 bend on the scale s / |x|: entire, growing at most by e^{8.4 y^2 / s^2} at
    height y, since |x|^2 <= 4.2, so the rule errs by exp(-(2 pi / step)^2 / (2 (1 + 16.8 / s^2))) < e^-40.
    """
    nodes, weights = plane(1 / 16 if s >= 1 else 1 / 20)
    return torch.einsum("n,nij->ij", weights, summand(nodes))


def products(f: Callable[[Tensor, float], Tensor], X: Tensor, s: float, power: int = 1) -> Callable[[Tensor], Tensor]:
    def summand(nodes: Tensor) -> Tensor:
        values = f(X @ nodes, s) ** power
        return torch.einsum("in,jn->nij", values, values)

    return summand


# Sums of 8e4 to 1.3e5 products below 10, positive or not, each rounded: 1e-12 is 50 times sqrt(n) eps.
SUM = 1e-12


@ACTIVATIONS
@NOISES
def test_fresh_noise_kernel_is_the_integral_of_smoothed_slopes(activation: Activation, s: float) -> None:
    gram = INPUTS @ INPUTS.T
    integral = gram * over_weights(products(activation.smoothed_slope, INPUTS, s), s)

    def deviation(kernel: Tensor) -> float:
        return (kernel - integral).abs().max().item()

    assert deviation(fresh_noise_kernel(INPUTS, INPUTS, s, activation)) <= SUM
    wrong = {
        "factor 2": 2 * fresh_noise_kernel(INPUTS, INPUTS, s, activation),
        "no noise": fresh_noise_kernel(INPUTS, INPUTS, 0.0, activation),
        "noise 10 percent off": fresh_noise_kernel(INPUTS, INPUTS, 1.1 * s, activation),
        "K2": shared_noise_kernel(INPUTS, INPUTS, s, activation),
        "K3": frozen_noise_kernel(INPUTS, s, activation),
        "both layers": fresh_noise_kernel(INPUTS, INPUTS, s, activation)
        + output_layer_kernel(INPUTS, INPUTS, s, activation),
    }
    assert all(deviation(kernel) > 100 * SUM for kernel in wrong.values())


@ACTIVATIONS
@NOISES
def test_output_layer_kernel_is_the_integral_of_smoothed_values(activation: Activation, s: float) -> None:
    integral = over_weights(products(activation.smoothed, INPUTS, s), s)
    assert (output_layer_kernel(INPUTS, INPUTS, s, activation) - integral).abs().max() <= SUM
    assert (output_layer_kernel(INPUTS, INPUTS, 0.0, activation) - integral).abs().max() > 100 * SUM


@ACTIVATIONS
@NOISES
def test_second_moment_of_a_summand_is_its_integral(activation: Activation, s: float) -> None:
    gram = INPUTS @ INPUTS.T
    integral = gram**2 * over_weights(products(activation.smoothed_slope, INPUTS, s, power=2), s)
    moment = summand_second_moment(INPUTS, INPUTS, s, activation)
    assert (moment - integral).abs().max() <= 20 * SUM  # gram^2 <= 17.3
    assert (moment - fresh_noise_kernel(INPUTS, INPUTS, s, activation) ** 2).abs().max() > 100 * SUM


@pytest.mark.parametrize("s", [1e-6, 1e-3, 0.05])
def test_relu_second_moment_survives_little_noise(s: float) -> None:
    # Conditioned on w.x and split at the kinks; both integrals adaptive, so nothing of Owen's is used.
    X = torch.tensor([[1.0, 0.0], [0.6, 0.8]], dtype=torch.float64)
    moment = summand_second_moment(X, X, s, RELU)[0, 1].item() / 0.36
    near = [k * s for k in (-8, -1, 0, 1, 8)]

    def inner(a: float) -> float:
        centre = -0.75 * a
        points = [centre + k * s for k in (-8, 0, 8)]
        value: float = quad(
            lambda b: ndtr((0.6 * a + 0.8 * b) / s) ** 2 * density(b), -9, 9, points=points, epsabs=1e-11
        )[0]
        return value

    outer = quad(lambda a: ndtr(a / s) ** 2 * density(a) * inner(a), -8 * s, 9, points=near[1:], epsabs=1e-9, limit=200)
    assert abs(moment - outer[0]) <= max(outer[1], 1e-9) + 1e-9


def density(z: float) -> float:
    return exp(-z * z / 2) / sqrt(2 * pi)


def orthant(q: float, r: float, c: float) -> float:
    """P(a > 0, b > 0), by an adaptive integral over a > 0 of the conditional probability."""
    if q * r - c * c <= 0:
        return 0.5 if c > 0 else 0.0
    slope = c / sqrt(q * r - c * c)
    return float(quad(lambda z: density(z) * ndtr(slope * z), 0, 12, epsabs=1e-14, epsrel=1e-13)[0])


@NOISES
def test_shared_noise_kernel_of_relu_is_an_orthant_probability(s: float) -> None:
    kernel = shared_noise_kernel(INPUTS, INPUTS, s, RELU)
    fresh = fresh_noise_kernel(INPUTS, INPUTS, s, RELU)
    separated = [(i, j) for i in range(6) for j in range(6) if i != j and {i, j} != {0, 2}]
    for i, j in separated:
        x, y = INPUTS[i].numpy(), INPUTS[j].numpy()
        g, q, r = float(x @ y), float(x @ x) + s * s, float(y @ y) + s * s
        assert abs(kernel[i, j] - g * orthant(q, r, g + s * s)) <= 1e-12
        assert abs(fresh[i, j] - g * orthant(q, r, g)) <= 1e-12
    # Inputs 1e-9 apart: the angle between them is known, and arccos would lose it.
    angle = 1e-9 * s_angle(s)
    assert kernel[0, 2] / (INPUTS[0] @ INPUTS[2]) == pytest.approx((pi - angle) / (2 * pi), abs=4 * EPS)


def s_angle(s: float) -> float:
    """Speed in h of the angle between (x, s) and (x + h e_2, s) at x = (1, 0.2)."""
    q = 1 + 0.04 + s * s
    return sqrt(1 - 0.04 / q) / sqrt(q)


@NOISES
def test_shared_noise_kernel_of_erf_is_the_integral_over_weights_and_noise(s: float) -> None:
    # One coordinate of input: weight and noise fill the plane.
    x = torch.tensor([[1.3], [-0.7], [0.2]], dtype=torch.float64)
    nodes, weights = plane()
    slopes = ERF.slope(x * nodes[0] + s * nodes[1])
    integral = (x @ x.T) * torch.einsum("n,in,jn->ij", weights, slopes, slopes)
    assert (shared_noise_kernel(x, x, s, ERF) - integral).abs().max() <= SUM
    assert (fresh_noise_kernel(x, x, s, ERF) - integral).abs().max() > 100 * SUM
    assert (frozen_noise_kernel(x, s, ERF) - integral).diagonal().abs().max() <= SUM


def test_the_diagonal_without_noise_is_exact_where_arccos_loses_half_the_digits() -> None:
    X = torch.tensor([[0.1, 0.7, 1.3], [3.0, 1.0, 1 / 3]], dtype=torch.float64)
    square = (X**2).sum(dim=1)
    assert (fresh_noise_kernel(X, X, 0.0, RELU).diagonal() / square - 0.5).abs().max() <= 4 * EPS
    correlation = torch.tensor(1 - EPS, dtype=torch.float64)
    assert torch.arccos(correlation) / (2 * pi) > 1e-9
    opposite = fresh_noise_kernel(X, -X, 0.0, RELU).diagonal()
    assert opposite.abs().max() <= 8 * EPS * square.max()
    assert variance_floor(X, 0.0, RELU).abs().max() <= 8 * EPS * square.max()
    assert variance_floor(X, 0.0, ERF).abs().max() <= 8 * EPS


@ACTIVATIONS
@NOISES
def test_the_variance_floor_is_the_mean_conditional_variance(activation: Activation, s: float) -> None:
    square = (INPUTS**2).sum(dim=1)
    floor = variance_floor(INPUTS, s, activation)
    for k, size in enumerate(square.sqrt().tolist()):
        # E phi(N(0, q))^2 - E phi_s(|x| z)^2, two integrals on the line; ReLU's first is q / 2 by symmetry.
        q = size**2 + s**2
        whole = (
            q / 2
            if activation is RELU
            else quad(lambda z, q=q: erf(sqrt(q) * z) ** 2 * density(z), -12, 12, epsabs=1e-13)[0]
        )
        smooth = quad(
            lambda z, size=size: (
                activation.smoothed(torch.tensor(size * z, dtype=torch.float64), s).item() ** 2 * density(z)
            ),
            -12,
            12,
            epsabs=1e-13,
            epsrel=1e-12,
        )[0]
        assert abs(floor[k].item() - (whole - smooth)) <= 1e-11
        assert floor[k] > 0


@ACTIVATIONS
@NOISES
def test_smoothed_maps_are_averages_over_the_noise(activation: Activation, s: float) -> None:
    for u in (-2.0, -0.1, 0.0, 0.4, 3.0):
        point = torch.tensor(u, dtype=torch.float64)
        # Split at ReLU's kink; adaptive to 1e-13.
        for smoothed, plain in (
            (activation.smoothed, activation.value),
            (activation.smoothed_slope, activation.slope),
        ):
            average = quad(
                lambda e, plain=plain, u=u: plain(torch.tensor(u + s * e, dtype=torch.float64)).item() * density(e),
                -12,
                12,
                points=[-u / s],
                epsabs=1e-13,
            )[0]
            assert abs(smoothed(point, s).item() - average) <= 1e-12
        assert torch.equal(activation.smoothed(point, 0.0), activation.value(point))
        assert torch.equal(activation.smoothed_slope(point, 0.0), activation.slope(point))


@ACTIVATIONS
@pytest.mark.parametrize("s", [0.0, 0.3, 2.0])
def test_smoothed_slopes_reach_their_bound_and_never_pass_it(activation: Activation, s: float) -> None:
    u = torch.linspace(-50, 50, 10_001, dtype=torch.float64)
    top = activation.smoothed_slope(u, s).max().item()
    assert top == pytest.approx(activation.slope_bound(s), rel=4 * EPS)


@st.composite
def inputs(draw: st.DrawFn) -> tuple[Tensor, float]:
    count, dim = draw(st.integers(2, 6)), draw(st.integers(1, 4))
    entries = draw(st.lists(st.integers(-(2**10), 2**10), min_size=count * dim, max_size=count * dim))
    X = torch.tensor(entries, dtype=torch.float64).reshape(count, dim) / 2**9
    return X, draw(st.integers(0, 2**10)) / 2**8


@ACTIVATIONS
@settings(deadline=None, derandomize=True, database=None, max_examples=60)
@given(case=inputs())
def test_the_fresh_noise_kernel_is_least_in_loewner_order(activation: Activation, case: tuple[Tensor, float]) -> None:
    X, s = case
    least = fresh_noise_kernel(X, X, s, activation)
    # Entries within a few units of |x|^2, times N for the operator norm; eigvalsh adds N units of the norm.
    room = 32 * len(X) * EPS * (1 + (X**2).sum(dim=1).max().item())
    for greater in (shared_noise_kernel(X, X, s, activation), frozen_noise_kernel(X, s, activation)):
        difference = greater - least
        assert torch.linalg.eigvalsh((difference + difference.T) / 2).min() >= -room
    assert torch.linalg.eigvalsh((least + least.T) / 2).min() >= -room


@ACTIVATIONS
def test_the_loewner_order_is_strict_so_it_cannot_be_reversed(activation: Activation) -> None:
    X, s = INPUTS[:2], 1.0
    least = fresh_noise_kernel(X, X, s, activation)
    for greater in (shared_noise_kernel(X, X, s, activation), frozen_noise_kernel(X, s, activation)):
        assert torch.linalg.eigvalsh(greater - least).min() > 1e-3


@ACTIVATIONS
@NOISES
def test_the_expected_empirical_kernel_is_the_fresh_noise_kernel(activation: Activation, s: float) -> None:
    # A neuron for each quadrature node, as a replicate of width one.
    nodes, weights = plane(1 / 16 if s >= 1 else 1 / 20)
    X = INPUTS[:3]
    expected = tangent_kernel(nodes[None], X, s, activation) @ weights
    assert (expected - fresh_noise_kernel(X, X, s, activation)).abs().max() <= SUM
    assert (expected - shared_noise_kernel(X, X, s, activation)).abs().max() > 100 * SUM


@ACTIVATIONS
@pytest.mark.parametrize("width", [1, 2])
def test_the_kernel_fluctuation_scales_exactly_as_one_over_the_width(activation: Activation, width: int) -> None:
    # One coordinate of input, so that the plane holds the weights of one or of two neurons.
    x, s = torch.tensor([[1.0], [-0.8], [0.5]], dtype=torch.float64), 0.7
    nodes, weights = plane()
    W = nodes[:width, None]
    limit = fresh_noise_kernel(x, x, s, activation)[..., None]
    second = ((tangent_kernel(W, x, s, activation) - limit) ** 2).sum(dim=(0, 1)) @ weights
    exact = tangent_fluctuation(x, s, activation).item()
    assert abs(width * second.item() - exact) <= SUM
    assert abs(2 * width * second.item() - exact) > 100 * SUM


@ACTIVATIONS
def test_sampled_entries_have_the_kernel_of_their_noise_and_no_other(activation: Activation) -> None:
    width, replicates, s = 4, 40_000, 1.0
    X = INPUTS[:2]
    generator = np.random.Generator(np.random.Philox(key=[4, 0]))

    def normals(*shape: int) -> Tensor:
        return torch.from_numpy(generator.standard_normal((*shape, replicates)))

    W, own, other, shared = normals(width, 2), normals(2, width), normals(2, width), normals(1, width)
    draws = {
        "K1": tangent_entries(W, X, own, other, s, activation),
        "K2": tangent_entries(W, X, shared, shared, s, activation),
        "K3": tangent_entries(W, X, own, own, s, activation),
    }
    kernels = {
        "K1": fresh_noise_kernel(X, X, s, activation),
        "K2": shared_noise_kernel(X, X, s, activation),
        "K3": frozen_noise_kernel(X, s, activation),
    }
    for protocol, draw in draws.items():
        error = draw.std(dim=-1) / sqrt(replicates)
        for name, kernel in kernels.items():
            z = ((draw.mean(dim=-1) - kernel).abs() / error).max().item()
            # Twelve right comparisons of four entries at 6 standard errors: one false alarm in 1e7.
            assert (z <= 6) == (name == protocol), (protocol, name, z)


@pytest.mark.usefixtures("no_shape_checks")
def test_dtype_is_kept_and_bad_inputs_are_refused() -> None:
    single = INPUTS.to(torch.float32)
    assert summand_second_moment(single, single, 0.5, RELU).dtype == torch.float32
    assert (
        fresh_noise_kernel(single, single, 0.5, RELU) - fresh_noise_kernel(INPUTS, INPUTS, 0.5, RELU)
    ).abs().max() < 1e-5
    with pytest.raises(ValueError, match="must be finite and at least 0"):
        fresh_noise_kernel(INPUTS, INPUTS, -1.0, RELU)
    with pytest.raises(ValueError, match=r"must be \[N, p\] and \[M, p\]"):
        shared_noise_kernel(INPUTS, INPUTS[:, :1], 1.0, ERF)
    with pytest.raises(ValueError, match="must be floating"):
        output_layer_kernel(INPUTS.to(torch.int64), INPUTS, 1.0, ERF)
    with pytest.raises(ValueError, match=r"must be \[m, p, R\]"):
        tangent_kernel(torch.zeros(3, 4, 5), INPUTS, 1.0, ERF)
    with pytest.raises(ValueError, match="noise of shape"):
        tangent_entries(torch.zeros(3, 2, 5).double(), INPUTS, torch.zeros(2, 3, 5), torch.zeros(6, 3, 5), 1.0, ERF)
