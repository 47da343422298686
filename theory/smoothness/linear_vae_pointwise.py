"""At each point of a Linear VAE the Hessian is bounded by the larger eigenvalue of a two by two matrix.

With fixed encoder variances, S the data's second moment, v = |V|, m = |W S^(1/2)| and rho = |(I - V W) S|,

    |Hess F(W, V)|  <=  L_loc,  the larger eigenvalue of
    [[v^2 lam / sigma_x2 + beta lam, (v m sqrt(lam) + rho) / sigma_x2], [same, (m^2 + D_max) / sigma_x2]].

Close to the truth at typical points, where the ball's constant is two to three times too large; an equality in one
dimension when encoder and decoder have opposite signs.

Units: nats per squared unit of the weights.
"""

from sympy import Expr, Le, Rational, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import LINEAR_VAE_POINT
from elbound.theory.symbols import L_V, L_W, L_WV, D_max, V_norm, beta, code_norm, hessian, lam, misfit, sigma_x2

fold = V_norm * code_norm * sqrt(lam) / sigma_x2


def larger(corner: Expr) -> Expr:
    """The larger eigenvalue of [[L_W, corner], [corner, L_V]]."""
    return (L_W + L_V) / 2 + sqrt((L_W - L_V) ** 2 / 4 + corner**2)


POINT = Claim(
    LINEAR_VAE_POINT,
    Le(hessian, larger(L_WV)),
    where={
        L_W: lam * (V_norm**2 / sigma_x2 + beta),
        L_V: (code_norm**2 + D_max) / sigma_x2,
        L_WV: fold + misfit / sigma_x2,
    },
    standing=Standing.PROVED,
    proof="""Along a direction (W', V') of norms (a, b) the second derivative is the mean of |V'Wx + VW'x|^2 / sigma_x2
less 2 tr(V'W' S (I - VW)^T) / sigma_x2, plus tr(V' D V'^T) / sigma_x2 + beta mean |W'x|^2. The square is at most
(m b + v sqrt(lam) a)^2, the trace at most rho a b, the rest beta lam a^2 + D_max b^2 / sigma_x2: together the quadratic
form of the matrix at (a, b). From below only the trace counts, and rho / sigma_x2 is at most the larger eigenvalue.""",
    wrong={
        "/1.05": Le(hessian, larger(L_WV) / Rational(21, 20)),
        "misfit forgotten": Le(hessian, larger(fold)),
    },
    papers={"A-explicit-dependence": "carries"},
    attained=0.999999,
)
