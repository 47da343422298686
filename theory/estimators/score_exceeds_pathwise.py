"""For a quadratic integrand the score-function gradient has at least the variance of the pathwise one.

h(e) = c_0 + b.e + e^T A e - tr A, e standard Gaussian, A symmetric, gradient in one coordinate j of the encoder's mean:

    Var(score) - Var(path)  =  (E h^2 + E (d_j h)^2 + 4 c_0 A_jj) / D_j
                            >=  ((c_0 + 2 A_jj)^2 + 2 A_jj^2 + 2 b_j^2) / D_j  >=  0,

the first inequality an equality with one latent coordinate. So for the Linear VAE, encoder mean, KL analytic, and any
constant baseline, which only moves c_0. For other decoders there is no such theorem.

Units: squared units of h per squared unit of the mean.
"""

from sympy import Eq, Ge, Le

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import QUADRATIC_INTEGRAND
from elbound.theory.symbols import A_jj, D_j, b_j, c_0, dh2, h2, v_path, v_score

SECOND_MOMENTS = """Both have the mean E d_j h / sqrt(D_j). Gaussian integration by parts, twice, gives
E h^2 e_j^2 = E h^2 + 2 E (d_j h)^2 + 2 E h d_j^2 h, and d_j^2 h = 2 A_jj is constant, E h = c_0. """

DIFFERENCE = Claim(
    QUADRATIC_INTEGRAND,
    Eq(v_score - v_path, (h2 + dh2 + 4 * c_0 * A_jj) / D_j),
    title="For a quadratic integrand the score function's excess variance has a closed form.",
    standing=Standing.IDENTITY,
    proof=SECOND_MOMENTS,
    wrong={
        "2 c_0 A_jj for 4 c_0 A_jj": Eq(v_score - v_path, (h2 + dh2 + 2 * c_0 * A_jj) / D_j),
        "no mean square of the derivative": Eq(v_score - v_path, (h2 + 4 * c_0 * A_jj) / D_j),
        "no division by D_j": Eq(v_score - v_path, h2 + dh2 + 4 * c_0 * A_jj),
    },
    papers={"A-explicit-dependence": "qualifies"},
)

EXCEEDS = Claim(
    QUADRATIC_INTEGRAND,
    Ge(v_score, v_path + ((c_0 + 2 * A_jj) ** 2 + 2 * A_jj**2 + 2 * b_j**2) / D_j),
    title="For a quadratic integrand the score-function gradient varies at least as much as the pathwise one.",
    standing=Standing.PROVED,
    proof=SECOND_MOMENTS
    + "E h^2 >= c_0^2 + b_j^2 + 2 A_jj^2 and E (d_j h)^2 >= b_j^2 + 4 A_jj^2; complete the square in c_0 + 2 A_jj.",
    wrong={
        "4 A_jj^2 for 2 A_jj^2": Ge(v_score, v_path + ((c_0 + 2 * A_jj) ** 2 + 4 * A_jj**2 + 2 * b_j**2) / D_j),
        "(c_0 + A_jj)^2 for (c_0 + 2 A_jj)^2": Ge(
            v_score, v_path + ((c_0 + A_jj) ** 2 + 2 * A_jj**2 + 2 * b_j**2) / D_j
        ),
        "the reverse": Le(v_score, v_path),
    },
    papers={"A-explicit-dependence": "qualifies"},
    attained=0.999,
)
