"""Identities that the proofs about the Linear VAE's landscape and curvature rest on, by sympy."""

from sympy import Expr, Max, Rational, Symbol, diff, expand, log, simplify, solve, sqrt, symbols

from elbound.impl.clipping import squared_bend
from elbound.theory.landscape import infimum, origin_saddle
from elbound.theory.smoothness import linear_vae_learned_variance, linear_vae_pointwise, radial_clip
from elbound.theory.symbols import L_V, L_W, L_WV, D_i, L_Vl, beta, i, lam_i, r, sigma_x2

g, x, D = symbols("g x D", positive=True)
floor = beta * sigma_x2


def at_mode(e: Expr) -> Expr:
    return e.xreplace({lam_i[i]: x, D_i[i]: D})


def test_the_best_gain_of_a_mode_gives_the_term_of_the_infimum() -> None:
    """Fixed variance: the cost at gain g, stationary at the stated gain, and its value there."""
    cost = beta * x / (2 * (g + floor)) + D * g / (2 * sigma_x2)
    best = sqrt(beta * x * sigma_x2 / D) - floor
    assert simplify(diff(cost, g).subs(g, best)) == 0
    assert simplify(diff(cost, g, 2) - beta * x / (g + floor) ** 3) == 0
    term = x / (2 * sigma_x2) - at_mode(infimum.root_gap(D_i[i])) ** 2 / 2
    assert simplify(cost.subs(g, best) - term) == 0
    assert simplify(cost.subs(g, 0) - x / (2 * sigma_x2)) == 0
    # The gain is positive exactly where the two roots differ the right way.
    assert simplify(best.subs(x, floor * D)) == 0
    assert simplify(at_mode(infimum.root_gap(D_i[i])).subs(x, floor * D)) == 0


def test_the_best_variance_and_gain_of_a_mode_give_the_learned_term() -> None:
    whole = beta * x / (2 * (g + floor)) + D * g / (2 * sigma_x2) + beta / 2 * (D - 1 - log(D))
    best = floor / (g + floor)
    assert simplify(diff(whole, D).subs(D, best)) == 0
    cost = beta * x / (2 * (g + floor)) + beta / 2 * log(1 + g / floor)
    assert simplify((whole.subs(D, best) - cost).rewrite(log).subs(g, floor * (D - 1))) == 0
    assert simplify(diff(cost, g).subs(g, x - floor)) == 0
    term = x / (2 * sigma_x2) - beta / 2 * at_mode(infimum.relative_gap(infimum.ratio))
    assert simplify((cost.subs(g, x - floor) - term).subs(x, floor * D)) == 0
    # With unused coordinates the term is the empty one: at ratio one the gain vanishes to second order.
    gap = infimum.relative_gap(g)
    assert (gap.subs(g, 1), diff(gap, g).subs(g, 1)) == (0, 0)
    assert infimum.learned.has(Max)


def test_the_blocks_least_eigenvalue_is_concave_and_vanishes_at_zero_and_at_the_threshold() -> None:
    edge = origin_saddle.edge(x, variance=D)
    trace, determinant = beta * x + D / sigma_x2, beta * x * D / sigma_x2 - x**2 / sigma_x2**2
    assert simplify(edge**2 - trace * edge + determinant) == 0
    assert simplify(determinant.subs(x, floor * D)) == 0
    assert edge.subs(x, 0) == 0
    b, s, v = (Rational(3, 2), Rational(1, 3), Rational(2, 5))
    numbers = {beta: b, sigma_x2: s, D: v}
    assert simplify(edge.subs(x, b * s * v).subs(numbers)) == 0
    # Concave: the least of linear functions of x. Its second derivative is a negative number over a positive one.
    second = simplify(diff(edge, x, 2) * ((beta * x - D / sigma_x2) ** 2 + 4 * x**2 / sigma_x2**2) ** Rational(3, 2))
    assert simplify(second + 2 * D**2 / sigma_x2**4) == 0


def test_the_larger_eigenvalues_in_the_bounds_solve_their_characteristic_equations() -> None:
    value = linear_vae_pointwise.larger(L_WV)
    assert expand(simplify((value - L_W) * (value - L_V) - L_WV**2)) == 0
    kappa = linear_vae_learned_variance.LEARNED_VARIANCE.where[L_Vl]
    corner, side = 1 / sigma_x2, r / sigma_x2
    assert simplify((kappa - corner) * (kappa - r**2 / (2 * sigma_x2) - beta / 2) - side**2) == 0


def test_the_radial_clips_second_derivative_is_largest_where_its_proof_says() -> None:
    t, p = Symbol("t", positive=True), Symbol("p", positive=True)
    value, by_t, by_p = squared_bend(t, p)
    stated = t * (1 - t) ** 2 * (1 + p * (8 - 6 * t) - 3 * t * (4 - 3 * t) * p**2)
    assert expand(value - stated) == 0
    assert expand(diff(value, t) - by_t) == 0
    assert expand(diff(value, p) - by_p) == 0
    assert expand(value.subs(p, 1) - 9 * t * (1 - t) ** 4) == 0
    # The slope at p = 1 is positive below t = 1/3 and negative from there to t = 1.
    assert set(solve(diff(value, p).subs(p, 1) / (t * (1 - t) ** 2), t)) == {Rational(1, 3), Rational(4, 3)}
    assert simplify(diff(value, p).subs(p, 1 / (3 * t))) == 0
    assert simplify(value.subs(p, 1 / (3 * t)) - 4 * (1 - t) ** 2 / 3) == 0
    assert set(solve(diff(9 * t * (1 - t) ** 4, t), t)) == {Rational(1, 5), 1}
    assert value.subs({p: 1, t: Rational(1, 5)}) == radial_clip.bend**2 == Rational(2304, 3125)
    assert Rational(4, 3) * Rational(2, 3) ** 2 == Rational(16, 27) < Rational(2304, 3125)
