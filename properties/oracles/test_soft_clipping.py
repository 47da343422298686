"""Soft-clipping against 60-digit arithmetic, finite differences and its own suprema."""

from collections.abc import Callable
from math import inf, nan

import hypothesis
import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from elbound.impl.soft_clipping import SoftClip, logistic_derivatives, stable_value

EPS = torch.finfo(torch.float64).eps
GRID = 2**20


def on_grid(low: float, high: float) -> st.SearchStrategy[float]:
    return st.integers(0, GRID).map(lambda k: low + (high - low) * k / GRID)


clips = st.builds(
    lambda low, width, sharpness: SoftClip(low, low + 10**width, 10**sharpness),
    on_grid(-20, 20),
    on_grid(-2, 2),
    on_grid(-2, 2),
)
points = st.one_of(
    on_grid(-50, 50),
    st.sampled_from([-1e6, 1e6]),
    st.tuples(on_grid(-6, 6), st.sampled_from([-1, 1])).map(lambda pair: pair[1] * 10 ** pair[0]),
)


def exact_value(clip: SoftClip, x: float) -> mpmath.mpf:
    s, low, high, at = (mpmath.mpf(v) for v in (clip.sharpness, clip.low, clip.high, x))
    return (mpmath.log1p(mpmath.exp(s * (at - low))) - mpmath.log1p(mpmath.exp(s * (at - high)))) / s + low


def softplus_difference(clip: SoftClip, x: Tensor) -> Tensor:
    s = clip.sharpness
    softplus = torch.nn.functional.softplus
    return (softplus(s * (x - clip.low)) - softplus(s * (x - clip.high))) / s + clip.low


def literal(clip: SoftClip, x: Tensor) -> Tensor:
    s = clip.sharpness
    return torch.log((1 + torch.exp(s * (x - clip.low))) / (1 + torch.exp(s * (x - clip.high)))) / s + clip.low


def error_in_units(clip: SoftClip, x: float, value: Callable[[Tensor], Tensor]) -> float:
    """|value - exact| over eps max(|low|, |high|, 1/s)."""
    with mpmath.workdps(60):
        computed = mpmath.mpf(value(torch.tensor(x, dtype=torch.float64)).item())
        scale = EPS * max(abs(clip.low), abs(clip.high), 1 / clip.sharpness)
        return float(abs(computed - exact_value(clip, x)) / scale)


@settings(deadline=None, derandomize=True, database=None, max_examples=400)
@given(clips, points)
def test_value_is_within_four_units_of_sixty_digits(clip: SoftClip, x: float) -> None:
    # In units eps/s: each 1 + e^{-y} carries relatively at most (1 + y)/(1 + e^y) <= 0.57 from the roundings of y
    # and exp, 1/2 from the sum; two of them, 1/2 from their quotient, 3/4 from the logarithm and its division by s,
    # and half a unit of the interval's scale for the last sum: below 4.
    assert error_in_units(clip, x, clip.value) <= 4


def test_the_unstable_forms_miss_the_same_bound() -> None:
    clip = SoftClip(-1.1, 2.3, 0.7)
    assert error_in_units(clip, 1e6, lambda x: softplus_difference(clip, x)) > 1e4
    assert not error_in_units(clip, 1e6, lambda x: literal(clip, x)) <= 4


@settings(deadline=None, derandomize=True, database=None, max_examples=200)
@given(clips, points)
def test_slope_and_curvature_are_the_derivatives_of_sixty_digits(clip: SoftClip, x: float) -> None:
    with mpmath.workdps(60):
        s, low, high, at = (mpmath.mpf(v) for v in (clip.sharpness, clip.low, clip.high, x))
        a, u = s * (high - low) / 2, s * (at - (low + high) / 2)
        slope = mpmath.sinh(a) / (mpmath.cosh(u) + mpmath.cosh(a))
        curvature = -s * mpmath.sinh(a) * mpmath.sinh(u) / (mpmath.cosh(u) + mpmath.cosh(a)) ** 2
        point = torch.tensor(x, dtype=torch.float64)
        # p, q, sT are rounded relatively, t sigmoid'(t) <= 0.23, t sech^2(t) <= 0.45: 8 units cover the rest.
        # T itself is a rounded difference: its error over T adds relatively to the slope when sT is small.
        unit = 8 * EPS * (1 + max(abs(clip.low), abs(clip.high)) / (clip.high - clip.low))
        assert abs(mpmath.mpf(clip.slope(point).item()) - slope) <= unit * clip.slope_bound
        assert abs(mpmath.mpf(clip.curvature(point).item()) - curvature) <= unit * clip.sharpness


@settings(deadline=None, derandomize=True, database=None, max_examples=50)
@given(clips, on_grid(-5, 5))
def test_autograd_gives_the_explicit_derivatives(clip: SoftClip, u: float) -> None:
    x = torch.tensor((clip.low + clip.high) / 2 + u / clip.sharpness, dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(clip.value(x), x, create_graph=True)
    (second,) = torch.autograd.grad(first, x)
    assert torch.equal(first, clip.slope(x))
    # sigmoid' = sigmoid (1 - sigmoid) against the tanh form: a handful of roundings, on the scale s sup f'.
    assert abs(second - clip.curvature(x)) <= 16 * EPS * clip.sharpness * clip.slope_bound


@settings(deadline=None, derandomize=True, database=None, max_examples=50)
@given(clips, on_grid(-5, 5))
def test_values_have_the_slope_and_the_logistic_forms_the_curvature(clip: SoftClip, u: float) -> None:
    x = torch.tensor((clip.low + clip.high) / 2 + u / clip.sharpness, dtype=torch.float64, requires_grad=True)
    # At an edge autograd sees a kink; where exponentials overflow, and balls do not, its second derivatives are NaN.
    hypothesis.assume(float(x.detach()) not in {clip.low, clip.high} and clip.sharpness * (clip.high - clip.low) < 600)
    (first,) = torch.autograd.grad(stable_value(x, clip), x)
    slope, curvature, twist = logistic_derivatives(clip, torch.exp, x)
    (bend,) = torch.autograd.grad(slope, x, retain_graph=True)
    (turn,) = torch.autograd.grad(curvature, x)
    s, at = clip.sharpness, x.detach()
    # Logistic values below one, of arguments rounded relatively, and t S'(t) <= 0.23: some units of one.
    unit = 32 * EPS * (1 + s * max(abs(clip.low), abs(clip.high)))
    assert abs(first - clip.slope(at)) <= unit
    assert abs(slope - clip.slope(at)) <= unit
    assert abs(curvature - clip.curvature(at)) <= unit * s
    assert abs(bend - curvature) <= unit * s
    assert abs(turn - twist) <= unit * s**2


def test_derivatives_agree_with_finite_differences_and_under_vmap() -> None:
    clip = SoftClip(-1.0, 2.0, 3.0)
    x = torch.linspace(-4, 4, 33, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(clip.value, (x,))
    assert torch.autograd.gradgradcheck(clip.value, (x,))
    assert torch.equal(torch.func.vmap(torch.func.grad(clip.value))(x.detach()), clip.slope(x.detach()))


@pytest.mark.parametrize("reach", [0.1, 1.0, 2.0, 4.0, 8.0, 16.0])
def test_suprema_of_slope_and_curvature_are_attained_and_not_passed(reach: float) -> None:
    clip = SoftClip(-0.5, 0.5, reach)
    x = torch.linspace(-40 / reach, 40 / reach, 400_001, dtype=torch.float64)
    slope, curvature = clip.slope(x).max().item(), clip.curvature(x).abs().max().item()
    assert slope == pytest.approx(clip.slope_bound, rel=8 * EPS)  # the midpoint is on the grid
    assert slope < 1
    # Between two grid points at most s h apart near a maximum the loss is |f''''| h^2 / 8 <= s^3 h^2 / 8.
    loss = reach**3 * (80 / reach / 400_000) ** 2 / 8
    assert clip.curvature_bound - loss <= curvature <= clip.curvature_bound * (1 + 16 * EPS)
    assert clip.curvature_bound < reach / 4


def test_curvature_bound_survives_extreme_sharpness() -> None:
    assert SoftClip(-1.0, 1.0, 1e5).curvature_bound == pytest.approx(25_000, rel=1e-12)
    tiny = SoftClip(-1.0, 1.0, 1e-6)
    assert tiny.curvature_bound == pytest.approx(tiny.sharpness**2 * 2 * 3**0.5 / 18, rel=1e-9)


@pytest.mark.parametrize(
    ("low", "high", "sharpness", "named"),
    [
        (1.0, 1.0, 1.0, "interval"),
        (2.0, 1.0, 1.0, "interval"),
        (nan, 1.0, 1.0, "interval"),
        (-inf, 1.0, 1.0, "interval"),
        (0.0, 1.0, 0.0, "sharpness 0.0 must be finite and above 0"),
        (0.0, 1.0, -2.0, "sharpness -2.0"),
        (0.0, 1.0, nan, "sharpness"),
    ],
)
def test_a_bad_clip_is_refused_in_one_line(low: float, high: float, sharpness: float, named: str) -> None:
    with pytest.raises(ValueError, match=named) as refusal:
        SoftClip(low, high, sharpness)
    assert "\n" not in str(refusal.value)
