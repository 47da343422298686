"""The tangent kernels of a noisy two-layer network have closed forms, one for each way of drawing the latent noise.

f(x, eps) = m^(-1/2) sum_r a_r phi(w_r . x + s_z eps_r), w_r ~ N(0, I) trained, a_r = +-1. Fresh noise for each
input and step gives K1 = x.x' E[phi'(u + s_z e) phi'(u' + s_z e')] with independent e, e'; noise shared by all inputs
gives K2 (e = e'); noise frozen to each input gives K3, which is K1 off the diagonal and K2 on it. For ReLU and erf:

    K1 = g (pi - arccos(g / sqrt(q q'))) / (2 pi)                       (ReLU),   q = |x|^2 + s_z^2,
    K1 = g (4 / pi) / sqrt((1 + 2 q)(1 + 2 q') - 4 g^2)                 (erf),
    K2 = the same with g replaced by g + s_z^2 under arccos and under the root.

Training on the expected loss follows K1, not K2. Output weights that are trained too add KV = E[phi phi'] over the same
pair as K1; the noise leaves the variance V_s = E[phi^2] - KV(x, x) in every neuron's output:

    KV = (sqrt(q q' - g^2) + g (pi - arccos(g / sqrt(q q')))) / (2 pi),  E[phi^2] = q / 2                       (ReLU),
    KV = (2 / pi) arcsin(2 g / sqrt((1 + 2 q)(1 + 2 q'))),  E[phi^2] = (2 / pi) arcsin(2 q / (1 + 2 q))           (erf).

Units: squared output per squared unit of the weights.
"""

from sympy import Eq, Expr, Max, Rational, acos, asin, pi, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import ERF, RELU, SAME_INPUT, TANGENT_ENTRY, TWO_INPUTS
from elbound.theory.symbols import V_s, g, k_fresh, k_frozen, k_output, k_shared, s_z, x2, y2

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


def relu_values(covariance: Expr, noise: Expr = s_z, first_term: int = 1) -> Expr:
    """E[ReLU(U) ReLU(U')] for Gaussians with that covariance; first_term = 0 drops the term without arccos."""
    q, p = x2 + noise**2, y2 + noise**2
    angle = pi - acos(covariance / sqrt(q * p))
    # Never negative, but for rounding at parallel inputs without noise.
    determinant = Max(q * p - covariance**2, 0)
    return (first_term * sqrt(determinant) + angle * covariance) / (2 * pi)


def erf_values(covariance: Expr, noise: Expr = s_z) -> Expr:
    """E[erf(U) erf(U')] for Gaussians with that covariance."""
    return 2 / pi * asin(2 * covariance / sqrt((1 + 2 * (x2 + noise**2)) * (1 + 2 * (y2 + noise**2))))


off = Rational(11, 10) * s_z
# q / 2 - KV(x, x) with q = g + s_z^2, without the cancellation that q^2 - g^2 and arccos near 1 have at little noise.
relu_root = s_z * sqrt(2 * g + s_z**2)
relu_lost = g * asin(relu_root / (g + s_z**2)) / (2 * pi)
relu_floor = s_z**2 / 2 + relu_lost - relu_root / (2 * pi)
erf_square = 2 / pi * asin(2 * (g + s_z**2) / (1 + 2 * (g + s_z**2)))

RELU_FRESH = Claim(
    TANGENT_ENTRY,
    Eq(k_fresh, relu(g)),
    assuming=(RELU,),
    title="K1 for ReLU: fresh noise for each input and step.",
    standing=Standing.IDENTITY,
    source="cho-saul-2009",
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
    source="cho-saul-2009",
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
    source="cho-saul-2009",
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

RELU_OUTPUT = Claim(
    TANGENT_ENTRY,
    Eq(k_output, relu_values(g)),
    assuming=(RELU,),
    title="KV for ReLU: the kernel that trained output weights add.",
    standing=Standing.IDENTITY,
    source="cho-saul-2009",
    proof=GAUSSIAN + "g; the arc-cosine kernel of degree 1 for a pair of those variances.",
    wrong={
        "no noise": Eq(k_output, relu_values(g, 0 * s_z)),
        "noise shared": Eq(k_output, relu_values(g + s_z**2)),
        "doubled": Eq(k_output, 2 * relu_values(g)),
        "noise off by 10 percent": Eq(k_output, relu_values(g, off)),
        "square root term missing": Eq(k_output, relu_values(g, s_z, 0)),
    },
    papers=PAPERS,
)

ERF_OUTPUT = Claim(
    TANGENT_ENTRY,
    Eq(k_output, erf_values(g)),
    assuming=(ERF,),
    title="KV for erf: the kernel that trained output weights add.",
    standing=Standing.IDENTITY,
    source="williams-1996",
    proof=GAUSSIAN + "g; the arcsine kernel for a pair of those variances.",
    wrong={
        "no noise": Eq(k_output, erf_values(g, 0 * s_z)),
        "noise shared": Eq(k_output, erf_values(g + s_z**2)),
        "doubled": Eq(k_output, 2 * erf_values(g)),
        "noise off by 10 percent": Eq(k_output, erf_values(g, off)),
    },
    papers=PAPERS,
)

FLOOR = "The law of total variance: V_s = E[phi(u + s_z e)^2] - E[phi(u + s_z e) phi(u + s_z e')], the latter KV(x, x)."

RELU_FLOOR = Claim(
    TANGENT_ENTRY,
    Eq(V_s, relu_floor),
    assuming=(RELU, SAME_INPUT),
    title="V_s for ReLU: the output variance that latent noise leaves.",
    standing=Standing.IDENTITY,
    proof=FLOOR,
    wrong={
        "no floor": Eq(V_s, 0),
        "doubled": Eq(V_s, 2 * relu_floor),
        "square root term missing": Eq(V_s, s_z**2 / 2 + relu_lost),
        "noise missing in KV": Eq(V_s, s_z**2 / 2),
        "noise off by 10 percent": Eq(V_s, relu_floor.subs(s_z, off)),
    },
    papers={"B-linear-convergence": "qualifies"},
)

ERF_FLOOR = Claim(
    TANGENT_ENTRY,
    Eq(V_s, erf_square - erf_values(g)),
    assuming=(ERF, SAME_INPUT),
    title="V_s for erf: the output variance that latent noise leaves.",
    standing=Standing.IDENTITY,
    proof=FLOOR,
    wrong={
        "no floor": Eq(V_s, 0),
        "doubled": Eq(V_s, 2 * (erf_square - erf_values(g))),
        "noise missing in KV": Eq(V_s, erf_square - 2 / pi * asin(2 * g / (1 + 2 * g))),
        "noise off by 10 percent": Eq(V_s, (erf_square - erf_values(g)).subs(s_z, off)),
    },
    papers={"B-linear-convergence": "qualifies"},
)
