"""At the explicit width of the lazy theorem its two conditions hold with equality, for the best share given up."""

import sympy
from sympy import Rational, Symbol, simplify

from elbound.theory.symbols import G_norm, N, d, delta, lambda_0, m, phi_1, phi_2, r_0, x_max
from elbound.theory.tangent.gd_step import jacobian_lipschitz
from elbound.theory.tangent.lazy import concentrated, given_up, lazy, width


def test_at_the_explicit_width_the_tail_is_delta_and_the_laziness_one_half() -> None:
    # Chernoff over m / 2 pairs of twins, solved for its exponent; q^2 = 1/4 at the eigenvalue that is left.
    exponent = given_up**2 * width / 2 * lambda_0 / (2 * d * phi_1**2 * G_norm)
    assert simplify(exponent - sympy.log(N * d / delta)) == 0
    (lipschitz,) = jacobian_lipschitz.values()
    root = Symbol("root", positive=True)
    q = (lipschitz * r_0 / ((1 - given_up) * lambda_0)).subs(m, root**2).subs(root, sympy.sqrt(width))
    assert simplify(q**2 - Rational(1, 4)) == 0


def test_no_other_share_of_the_eigenvalue_asks_for_less_width() -> None:
    for size in (0.1, 1.0, 10.0):
        point = {d: 3, N: 5, phi_1: 0.8, phi_2: 0.4, x_max: 1.1, G_norm: 2.0, delta: 0.01, lambda_0: 0.2, r_0: size}
        for share in (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99):
            asked = max(float((concentrated / share**2).subs(point)), float((lazy / (1 - share) ** 2).subs(point)))
            # Equal where the share is the best one; a few dozen roundings.
            assert asked >= float(width.subs(point)) * (1 - 1e-12)
