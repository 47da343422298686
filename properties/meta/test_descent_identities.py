"""Identities that the proofs of the descent claims rest on, by sympy."""

from sympy import Integer, Rational, Sum, Symbol, expand, integrate, log, simplify, sqrt

from elbound.theory.descent import sgd_linear_vae_stopped, sgd_projected, smallest_gradient
from elbound.theory.findings import log_under_uniform_index
from elbound.theory.settings import total
from elbound.theory.smoothness.linear_vae_ball import ball_smoothness
from elbound.theory.symbols import (
    C,
    Delta,
    F,
    L,
    g3,
    g4,
    gamma,
    lam,
    mapping2,
    n,
    r,
    sigma2,
    sigma_x2,
    t,
    uniform_average,
)

h, x, gap = Symbol("h", positive=True), Symbol("x", positive=True), Symbol("gap", positive=True)


def test_the_cubic_and_quartic_terms_are_what_the_hessian_adds_outside_the_ball() -> None:
    """A step of length h grows F by the integral of (1 - x) times the Hessian's bound at r + x h, times h^2."""
    beyond = integrate(expand((1 - x) * (ball_smoothness.subs(r, r + x * h) - ball_smoothness) * h**2), (x, 0, 1))
    stated = sgd_linear_vae_stopped.cubic + sgd_linear_vae_stopped.quartic
    # One step of size C whose gradient has length h / C.
    one = stated.subs(n, 1).doit().xreplace({g3[1]: (h / C) ** 3, g4[1]: (h / C) ** 4})
    assert simplify(beyond - one) == 0
    assert simplify(beyond - lam / sigma_x2 * (r * h**3 / 2 + h**4 / 8)) == 0


def test_the_moreau_envelopes_fall_is_the_projected_bounds_weight() -> None:
    """With d = |w - w'| and |grad| = 2 L d of the envelope, the gradient mapping is at most 3 L d."""
    d, step = Symbol("d", positive=True), C
    fall = L * d**2 * (1 - (1 - L * step) ** 2)
    assert simplify(fall - step * (1 - L * step / 2) * (2 * L * d) ** 2 / 2) == 0
    left = sgd_projected.squares.subs(n, 1).doit().xreplace({mapping2[1]: (3 * L * d) ** 2})
    noise = L * C**2 * sigma2[1]
    assert simplify(left - Rational(9, 2) * fall) == 0
    assert simplify(sgd_projected.bound.subs(n, 1).doit() - Rational(9, 2) * (Delta + noise)) == 0


def test_gaps_over_step_sizes_sum_by_parts_to_the_largest_gap_over_the_last_step() -> None:
    steps = 5
    inverse = [sqrt(j) / C for j in range(1, steps + 1)]
    plain = sum((F[j] - F[j + 1]) * inverse[j - 1] for j in range(1, steps + 1))
    parts = F[1] * inverse[0] - F[steps + 1] * inverse[-1]
    parts += sum(F[j] * (inverse[j - 1] - inverse[j - 2]) for j in range(2, steps + 1))
    assert expand(plain - parts) == 0
    highest = {F[j]: gap for j in range(1, steps + 1)} | {F[steps + 1]: Integer(0)}
    assert simplify(parts.xreplace(highest) - gap * inverse[-1]) == 0


def test_the_zigzags_fall_is_the_worst_cases_denominator() -> None:
    """F' is 1 at every point, dips by L gamma / 2 between two of them, and falls to 0 within 1 / L behind the last."""
    step = Symbol("step", positive=True)
    dip = 2 * integrate(1 - L * x, (x, 0, step / 2))
    assert simplify(dip - smallest_gradient.short.xreplace({gamma[t]: step}) / 4) == 0
    assert integrate(1 - L * x, (x, 0, 1 / L)) == 1 / (2 * L)
    # The shorter of the two falls is the first exactly while L gamma <= 1.
    difference = smallest_gradient.long - smallest_gradient.short
    assert simplify(difference - L * gamma[t] ** 2 * (1 - L * gamma[t])) == 0


def test_the_finite_form_of_the_log_holds_with_equality_on_log_n_over_sqrt_n() -> None:
    relation = log_under_uniform_index.LOG_UNDER_UNIFORM_INDEX.relation
    order = {uniform_average[j]: log(j) / sqrt(j) for j in (Integer(10), Integer(10) ** 6)}
    assert simplify(relation.lhs.xreplace(order) - relation.rhs.xreplace(order)) == 0


def test_the_sums_behind_the_integral_bounds_lie_on_the_right_side_of_them() -> None:
    for horizon in (1, 2, 10, 1000):
        roots = float(sum(j**-0.5 for j in range(1, horizon + 1)))
        harmonic = float(Sum(1 / t, (t, 1, horizon)).doit())
        assert 2 * ((horizon + 1) ** 0.5 - 1) <= roots <= 2 * horizon**0.5
        assert harmonic <= 1 + float(log(horizon))
    assert total(1 / t).subs(n, 3).doit() == Rational(11, 6)
