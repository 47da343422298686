"""Identities that the proofs about importance weights rest on, by sympy and quadrature to many digits."""

import mpmath
import sympy
from sympy import Rational, Symbol, exp, log, pi, simplify, sqrt

from elbound.theory.importance import leading_order, moments, sgd, signal_to_noise
from elbound.theory.smoothness import iwae_bounded_noise
from elbound.theory.symbols import A_1, A_2, Q, chi2, ratio, shift2
from elbound.theory.symbols import r as radius

z, x = Symbol("z", real=True), Symbol("x", positive=True)


def weight(narrow: Rational, apart: Rational) -> sympy.Expr:
    """p/q for p = N(apart, 1), q = N(0, 1/narrow)."""
    return exp(-((z - apart) ** 2) / 2 + narrow * z**2 / 2) / sqrt(narrow)


def expectation(function: sympy.Expr, narrow: Rational) -> sympy.Expr:
    """Under q = N(0, 1/narrow), by quadrature to thirty digits; every integrand here is below e^-50 beyond 25."""
    density = sqrt(narrow / (2 * pi)) * exp(-narrow * z**2 / 2)
    with mpmath.workdps(34):
        value = mpmath.quad(sympy.lambdify(z, function * density, "mpmath"), list(range(-25, 26, 5)))
        return sympy.Float(value, 34)


CASES = [(Rational(9, 10), Rational(1, 3)), (Rational(11, 10), Rational(1, 2)), (Rational(6, 5), Rational(0))]


def test_the_closed_moments_are_gaussian_integrals() -> None:
    for narrow, apart in CASES:
        for order in (1, 2, 3, -1):
            stated = moments.moment(sympy.Integer(order)).subs({ratio: narrow, shift2: apart**2})
            assert abs(sympy.N(expectation(weight(narrow, apart) ** order, narrow) - stated, 30)) < 1e-20


def test_the_limit_of_the_plain_estimators_variance_is_the_second_moment_of_the_weights_slope() -> None:
    """dw/dm = -w (z - apart) along the path, in units of the posterior's deviation."""
    for narrow, apart in CASES:
        found = expectation(weight(narrow, apart) ** 2 * (z - apart) ** 2, narrow)
        stated = signal_to_noise.limit.subs({ratio: narrow, shift2: apart**2, Q: narrow})
        assert abs(sympy.N(found - stated, 30)) < 1e-20


def test_the_third_central_moment_and_the_taylor_remainder_have_the_stated_form() -> None:
    narrow, apart = CASES[1]
    w = weight(narrow, apart)
    third = leading_order.mu3.subs({ratio: narrow, shift2: apart**2})
    assert abs(sympy.N(expectation(sympy.expand((w - 1) ** 3), narrow) - third, 30)) < 1e-20
    # -log(1 + x) less its cubic Taylor polynomial is the integral of u^3 / (1 + u), of the sign of x^4.
    remainder = -log(1 + x) + x - x**2 / 2 + x**3 / 3
    assert simplify(sympy.diff(remainder, x) - x**3 / (1 + x)) == 0
    assert remainder.subs(x, 0) == 0


def test_the_next_order_is_that_of_the_moments_of_a_mean() -> None:
    """E of the first four Taylor terms at the mean of K weights, up to K^-2."""
    inverse, third, fourth = Symbol("inverse"), Symbol("third"), Symbol("fourth")
    means = (chi2 * inverse, third * inverse**2, 3 * chi2**2 * inverse**2 + (fourth - 3 * chi2**2) * inverse**3)
    gap = means[0] / 2 - means[1] / 3 + means[2] / 4
    stated = chi2 / 2 * inverse + (Rational(3, 4) * chi2**2 - third / 3) * inverse**2
    assert sympy.series(gap - stated, inverse, 0, 3).removeO() == 0


def test_the_clipped_smoothness_adds_the_clips_curvature() -> None:
    extra = sgd.clipped_smoothness - iwae_bounded_noise.weighted_smoothness
    assert simplify(extra - 48 * A_1 / (25 * sqrt(5) * radius)) == 0
    assert iwae_bounded_noise.weighted_smoothness == A_2 + A_1**2
