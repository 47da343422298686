"""With offsets the Linear VAE's Hessian on the ball is bounded with the second moment of (x, 1).

Encoder mean W x + b, decoder mean V z + c, encoder variances fixed, |W|_F^2 + |V|_F^2 + |b|^2 + |c|^2 <= r^2, and
lam_1x the largest eigenvalue of the second moment of (x, 1), which is at least 1 and at least lam:

    |Hess F(W, V, b, c)|  <=  (lam_1x / sigma_x2) (2 + 3 r^2 / 2) + max(beta lam_1x, D_max / sigma_x2).

Centring the data does not remove the added term: the decoder's offset alone has curvature 1 / sigma_x2. The bound is
sharp on large balls, where the term that weights alone attain outgrows it.

Units: nats per squared unit of the parameters.
"""

from sympy import Expr, Le, Max, Rational

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import LINEAR_VAE_OFFSETS
from elbound.theory.symbols import D_max, beta, hessian, lam, lam_1x, r, sigma_x2


def offset_smoothness(top: Expr) -> Expr:
    """The bound with a given largest eigenvalue."""
    return top / sigma_x2 * (2 + Rational(3, 2) * r**2) + Max(beta * top, D_max / sigma_x2)


OFFSETS = Claim(
    LINEAR_VAE_OFFSETS,
    Le(hessian, offset_smoothness(lam_1x)),
    standing=Standing.PROVED,
    proof="""Write y = (x, 1) and let the direction ([W' b'], [V' c']) have norms (a, b). The second derivative is the
mean of |V' mu + c' + V [W' b'] y|^2 / sigma_x2 less twice the mean of residual . V' [W' b'] y / sigma_x2, plus
tr(V' D V'^T) / sigma_x2 + beta mean |[W' b'] y|^2. As (mu, 1) is y under a matrix of squared norm at most w^2 + 1,
w = |[W b]|, the square is at most lam_1x (sqrt(w^2 + 1) b + v a)^2 <= lam_1x (r^2 + 1) (a^2 + b^2). The residual is
([I -c] - V [W b]) y, so the second term is at most 2 lam_1x (sqrt(1 + |c|^2) + v w) a b <=
lam_1x (1 + r^2 / 2) (a^2 + b^2); the rest is at most the maximum.""",
    wrong={
        "L/2": Le(hessian, offset_smoothness(lam_1x) / 2),
        "offsets forgotten in the second moment": Le(hessian, offset_smoothness(lam)),
    },
    papers={"A-explicit-dependence": "carries", "A-bounded-iterates": "qualifies"},
    attained=0.99,
)
