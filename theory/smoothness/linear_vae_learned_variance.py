"""With learned log-variances in [-ell, ell] the Linear VAE's Hessian on the ball is bounded in closed form.

The ball holds the weights, |W|_F^2 + |V|_F^2 <= r^2; the encoder's variances are exp(l_j) with |l_j| <= ell:

    |Hess F(W, V, l)|  <=  (lam / sigma_x2) (1 + 3 r^2 / 2) + max(beta lam, e^ell kappa),
    kappa the larger eigenvalue of [[1 / sigma_x2, r / sigma_x2], [r / sigma_x2, r^2 / (2 sigma_x2) + beta / 2]].

The log-variances must be bounded too: the bound grows like e^ell, and is nearly reached when that term leads.

Units: nats per squared unit of the parameters.
"""

from sympy import Expr, Le, Max, Rational, exp, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import LINEAR_VAE_LEARNED_VARIANCE
from elbound.theory.symbols import L_Vl, beta, ell, hessian, lam, r, sigma_x2

widest = r**2 / (2 * sigma_x2) + beta / 2


def learned_smoothness(spread: Expr) -> Expr:
    """The bound with a given curvature in decoder and log-variances."""
    return lam / sigma_x2 * (1 + Rational(3, 2) * r**2) + Max(beta * lam, spread)


LEARNED_VARIANCE = Claim(
    LINEAR_VAE_LEARNED_VARIANCE,
    Le(hessian, learned_smoothness(exp(ell) * L_Vl)),
    where={L_Vl: (1 / sigma_x2 + widest) / 2 + sqrt((1 / sigma_x2 - widest) ** 2 / 4 + r**2 / sigma_x2**2)},
    standing=Standing.PROVED,
    proof="""Take tr(V' D V'^T) / sigma_x2 out of the second derivative along (W', V') with fixed variances; the
direction l' puts in its place the sum over j of
e^(l_j) [(|V'_j|^2 + 2 (V_j . V'_j) l'_j + |V_j|^2 l'_j^2 / 2) / sigma_x2 + beta l'_j^2 / 2].
With |V_j| <= r and |l_j| <= ell each term is at most e^ell kappa (|V'_j|^2 + l'_j^2) in size, as the matrix has
non-negative entries that grow with |V_j|. The rest is as with fixed variances.""",
    wrong={
        "L/2": Le(hessian, learned_smoothness(exp(ell) * L_Vl) / 2),
        "decoder and log-variances uncoupled": Le(hessian, learned_smoothness(exp(ell) * Max(1 / sigma_x2, widest))),
        "ell forgotten": Le(hessian, learned_smoothness(L_Vl)),
    },
    papers={"A-explicit-dependence": "carries", "A-bounded-iterates": "qualifies"},
    attained=0.95,
)
