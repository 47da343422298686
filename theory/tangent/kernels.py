"""The tangent kernels of a noisy two-layer network have closed forms, one for each way of drawing the latent noise.

f(x, eps) = m^(-1/2) sum_r a_r phi(w_r . x + s_z eps_r), w_r ~ N(0, I) trained, a_r = +-1. Fresh noise for each
input and step gives K1 = x.x' E[phi'(u + s_z e) phi'(u' + s_z e')] with independent e, e'; noise shared by all inputs
gives K2 (e = e'); noise frozen to each input gives K3, which is K1 off the diagonal and K2 on it. For ReLU and erf:

    K1 = g (pi - arccos(g / sqrt(q q'))) / (2 pi)                       (ReLU),   q = |x|^2 + s_z^2,
    K1 = g (4 / pi) / sqrt((1 + 2 q)(1 + 2 q') - 4 g^2)                 (erf),
    K2 = the same with g replaced by g + s_z^2 under arccos and under the root.

Training on the expected loss follows K1, not K2.

Units: squared output per squared unit of the weights.
"""

from sympy import Eq, Expr, Rational, acos, pi, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import ERF, RELU, SAME_INPUT, TANGENT_ENTRY, TWO_INPUTS
from elbound.theory.symbols import g, k_fresh, k_frozen, k_shared, s_z, x2, y2

GAUSSIAN = "u + s_z e and u' + s_z e' are jointly Gaussian with variances q, q' and covariance "
ORTHANT = "; two such variables are both positive with probability (pi - arccos(correlation)) / (2 pi)."
DETERMINANT = "; erf' is Gaussian and the expectation is a Gaussian integral, det(I + 2 Cov)^(-1/2)."
PAPERS = {"B-kernel-limit": "carries"}


def relu(covariance: Expr, noise: Expr = s_z) -> Expr:
    """g times the probability that two Gaussians with that covariance are both positive."""
    return g * (pi - acos(covariance / sqrt((x2 + noise**2) * (y2 + noise**2)))) / (2 * pi)


def erf(covariance: Expr, noise: Expr = s_z) -> Expr:
    """g times E[erf'(U) erf'(U')] for Gaussians with that covariance."""
    return g * (4 / pi) / sqrt((1 + 2 * (x2 + noise**2)) * (1 + 2 * (y2 + noise**2)) - 4 * covariance**2)


off = Rational(11, 10) * s_z

RELU_FRESH = Claim(
    TANGENT_ENTRY,
    Eq(k_fresh, relu(g)),
    assuming=(RELU,),
    title="K1 for ReLU: fresh noise for each input and step.",
    standing=Standing.IDENTITY,
    proof=GAUSSIAN + "g" + ORTHANT,
    wrong={
        "no noise": Eq(k_fresh, relu(g, 0 * s_z)),
        "K2 for K1": Eq(k_fresh, relu(g + s_z**2)),
        "doubled": Eq(k_fresh, 2 * relu(g)),
        "noise off by 10 percent": Eq(k_fresh, relu(g, off)),
    },
    papers=PAPERS,
)

RELU_SHARED = Claim(
    TANGENT_ENTRY,
    Eq(k_shared, relu(g + s_z**2)),
    assuming=(RELU,),
    title="K2 for ReLU: one noise draw shared by all inputs.",
    standing=Standing.IDENTITY,
    proof=GAUSSIAN + "g + s_z^2" + ORTHANT,
    wrong={"K1 for K2": Eq(k_shared, relu(g)), "halved": Eq(k_shared, relu(g + s_z**2) / 2)},
    papers=PAPERS,
)

RELU_FROZEN_DIAGONAL = Claim(
    TANGENT_ENTRY,
    Eq(k_frozen, g / 2),
    assuming=(RELU, SAME_INPUT),
    title="K3 for ReLU on the diagonal: half the squared norm.",
    standing=Standing.IDENTITY,
    proof="On the diagonal the two noise draws are one, and phi'(u)^2 is the indicator of a symmetric event.",
    wrong={"K1 on the diagonal": Eq(k_frozen, relu(g)), "g": Eq(k_frozen, g)},
    papers=PAPERS,
)

RELU_FROZEN = Claim(
    TANGENT_ENTRY,
    Eq(k_frozen, relu(g)),
    assuming=(RELU, TWO_INPUTS),
    title="K3 for ReLU off the diagonal is K1.",
    standing=Standing.IDENTITY,
    proof=GAUSSIAN + "g" + ORTHANT,
    wrong={"K2 off the diagonal": Eq(k_frozen, relu(g + s_z**2))},
    papers=PAPERS,
)

ERF_FRESH = Claim(
    TANGENT_ENTRY,
    Eq(k_fresh, erf(g)),
    assuming=(ERF,),
    title="K1 for erf: fresh noise for each input and step.",
    standing=Standing.IDENTITY,
    proof=GAUSSIAN + "g" + DETERMINANT,
    wrong={
        "no noise": Eq(k_fresh, erf(g, 0 * s_z)),
        "K2 for K1": Eq(k_fresh, erf(g + s_z**2)),
        "doubled": Eq(k_fresh, 2 * erf(g)),
        "noise off by 10 percent": Eq(k_fresh, erf(g, off)),
    },
    papers=PAPERS,
)

ERF_SHARED = Claim(
    TANGENT_ENTRY,
    Eq(k_shared, erf(g + s_z**2)),
    assuming=(ERF,),
    title="K2 for erf: one noise draw shared by all inputs.",
    standing=Standing.IDENTITY,
    proof=GAUSSIAN + "g + s_z^2" + DETERMINANT,
    wrong={"K1 for K2": Eq(k_shared, erf(g)), "halved": Eq(k_shared, erf(g + s_z**2) / 2)},
    papers=PAPERS,
)

ERF_FROZEN_DIAGONAL = Claim(
    TANGENT_ENTRY,
    Eq(k_frozen, erf(g + s_z**2)),
    assuming=(ERF, SAME_INPUT),
    title="K3 for erf on the diagonal is K2.",
    standing=Standing.IDENTITY,
    proof=GAUSSIAN + "g + s_z^2" + DETERMINANT,
    wrong={"K1 on the diagonal": Eq(k_frozen, erf(g))},
    papers=PAPERS,
)

ERF_FROZEN = Claim(
    TANGENT_ENTRY,
    Eq(k_frozen, erf(g)),
    assuming=(ERF, TWO_INPUTS),
    title="K3 for erf off the diagonal is K1.",
    standing=Standing.IDENTITY,
    proof=GAUSSIAN + "g" + DETERMINANT,
    wrong={"K2 off the diagonal": Eq(k_frozen, erf(g + s_z**2))},
    papers=PAPERS,
)
