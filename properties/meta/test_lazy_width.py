"""The explicit width of the lazy theorem is where its two conditions hold with equality."""

import sympy
from sympy import Rational, simplify, sqrt

from elbound.theory.symbols import G_norm, N, d, delta, lambda_0, m, phi_1, phi_2, r_0, x_max, zeta
from elbound.theory.tangent.gd_step import jacobian_lipschitz
from elbound.theory.tangent.lazy import width


def test_at_the_explicit_width_the_tail_is_delta_and_the_laziness_one_half() -> None:
    concentrated, lazy = width(d, N, (phi_1, phi_2), (x_max, G_norm, r_0), (lambda_0, delta, zeta)).args
    tail = N * d * sympy.exp(-(zeta**2) * m / 2 * lambda_0 / (2 * d * phi_1**2 * G_norm))
    (lipschitz,) = jacobian_lipschitz.values()
    # sqrt of squares needs 0 < zeta < 1, so it is compared squared.
    q_squared = (lipschitz * r_0 / ((1 - zeta) * lambda_0)) ** 2
    found = {
        "tail": [x for x in (concentrated, lazy) if simplify(tail.subs(m, x) - delta) == 0],
        "q": [x for x in (concentrated, lazy) if simplify(q_squared.subs(m, x) - Rational(1, 4)) == 0],
    }
    assert len(found["tail"]) == len(found["q"]) == 1
    assert found["tail"] != found["q"]
    assert simplify(lipschitz**2 * m / (phi_2 * x_max * sqrt(d * G_norm)) ** 2) == 1
