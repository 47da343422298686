"""The KL weight beta enters the data noise as a quadratic, not the latent noise, and sets the collapse threshold.

For a Linear VAE with analytic KL, at weights and data held fixed: the noise s1 due to the choice of data is a quadratic
polynomial of beta, so three betas predict a fourth; the noise s2 due to the latent samples does not move with beta;
the norm of the Hessian is convex in beta; and the objective with weight beta and decoder noise sigma_x2 is, up to a
constant, beta times the objective with weight one and decoder noise beta sigma_x2.

At the optimum over all weights, encoder variances fixed, the i-th direction of the data, of second moment lam_i in
falling order, is decoded by the latent of the i-th smallest variance D_i, with squared gain (singular value of V)

    gain_i  =  max(0, sqrt(beta lam_i sigma_x2 / D_i) - beta sigma_x2),    i <= min(k, d),

so it collapses unless lam_i > beta sigma_x2 D_i.

The betas are beta_j = j beta / 3 for j = 0, 1, 2, 3.

Units: nats^2 per squared unit of the weights for s1 and s2.
"""

from sympy import Eq, Expr, Integer, Le, Max, Min, Rational, Sum, log, pi, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import BETA_SWEEP
from elbound.theory.symbols import (
    D_i,
    F_beta,
    F_unit,
    beta,
    d,
    gain,
    gain_i,
    hessian_beta,
    i,
    k,
    lam_i,
    s1_beta,
    s2_beta,
    s2_sampled,
    sigma_x2,
    tr_D,
    tr_GD,
    tr_GDG,
    tr_S,
)

PAPERS = {"A-explicit-dependence": "qualifies"}
likelihood = Rational(1, 2) * d * log(2 * pi * sigma_x2)
unit_likelihood = Rational(1, 2) * d * log(2 * pi * beta * sigma_x2)

DATA_NOISE = Claim(
    BETA_SWEEP,
    Eq(s1_beta[3] + 3 * s1_beta[1], 3 * s1_beta[2] + s1_beta[0]),
    title="The data part of the noise is a quadratic polynomial of beta: its third difference vanishes.",
    standing=Standing.IDENTITY,
    proof="The gradient of one datum is affine in beta, and s1 is the mean square of its deviation.",
    wrong={
        "linear in beta": Eq(s1_beta[2] + s1_beta[0], 2 * s1_beta[1]),
        "proportional to beta^2": Eq(s1_beta[3] * 4, s1_beta[2] * 9),
    },
    papers=PAPERS,
)

LATENT_NOISE = Claim(
    BETA_SWEEP,
    Eq(s2_beta[3], s2_beta[1]),
    title="With analytic KL the latent part of the noise does not move with beta.",
    standing=Standing.IDENTITY,
    proof="The analytic KL term has no latent sample in it.",
    wrong={"proportional to beta^2": Eq(s2_beta[3], 9 * s2_beta[1])},
    papers=PAPERS,
)

SAMPLED_KL = Claim(
    BETA_SWEEP,
    Eq(s2_sampled, tr_S * (tr_GDG / sigma_x2**2 + 2 * beta * tr_GD / sigma_x2 + beta**2 * tr_D)),
    title="With a sampled KL the encoder's latent noise is a quadratic of beta with closed-form coefficients.",
    standing=Standing.IDENTITY,
    proof="""The encoder's gradient of log q(z|x) - log p(z) at z = Wx + D^(1/2) eps is z x^T; its noise adds beta I
to the matrix G / sigma_x2 that multiplies D^(1/2) eps.""",
    wrong={
        "beta missing": Eq(s2_sampled, tr_S * tr_GDG / sigma_x2**2),
        "no cross term": Eq(s2_sampled, tr_S * (tr_GDG / sigma_x2**2 + beta**2 * tr_D)),
    },
    papers=PAPERS,
)

CONVEX = Claim(
    BETA_SWEEP,
    Le(2 * hessian_beta[2], hessian_beta[1] + hessian_beta[3]),
    title="The norm of the Hessian is convex in beta.",
    standing=Standing.PROVED,
    proof="The Hessian is affine in beta, and a norm is convex.",
    wrong={"concave": Le(hessian_beta[1] + hessian_beta[3], Rational(199, 100) * hessian_beta[2])},
    papers={"A-explicit-dependence": "carries"},
    attained=0.999,
)

RESCALING = Claim(
    BETA_SWEEP,
    Eq(F_beta - likelihood, beta * (F_unit - unit_likelihood)),
    assuming=(beta > 0,),
    title="A weight beta is a decoder noise beta times as large: the objectives agree up to factor and constant.",
    standing=Standing.CODE,
    proof="Divide the objective by beta: the squared error is over 2 beta sigma_x2, and the KL term has weight one.",
    wrong={
        "constant forgotten": Eq(F_beta, beta * F_unit),
        "factor forgotten": Eq(F_beta - likelihood, F_unit - unit_likelihood),
    },
)

floor = beta * sigma_x2
used = Min(k, d)


def root(j: Expr, variance: Expr, weight: Expr = beta) -> Expr:
    """The gain of the j-th direction plus the floor, if it is decoded by a latent of this variance."""
    return sqrt(weight * lam_i[j] * sigma_x2 / variance)


def every(gain_and_floor: Expr) -> Expr:
    """The sum over the directions that have a latent."""
    return Sum(gain_and_floor, (i, 1, used))


PAIRED = """Least squares eliminates the encoder. By von Neumann's trace inequality, applied to what the likelihood and
what the encoder's variance then ask, the decoder is best aligned with the leading eigenvectors of the data's second
moment, the largest gain beside the smallest variance. A direction of squared gain g costs
beta lam_i / (2 (g + beta sigma_x2)) + D_i g / (2 sigma_x2), which is convex and least at the stated gain; that falls in
i, as the pairing needs."""

COLLAPSE = Claim(
    BETA_SWEEP,
    Eq(gain + floor, Max(floor, root(Integer(1), D_i[1]))),
    assuming=(beta > 0,),
    title="The largest gain is that of the data's leading direction with the least variance; below, all collapses.",
    standing=Standing.PROVED,
    source="lucas-2019",
    proof=PAIRED,
    wrong={
        "threshold without beta": Eq(gain + sigma_x2, Max(sigma_x2, root(Integer(1), D_i[1], Integer(1)))),
        "threshold without D": Eq(gain + floor, Max(floor, root(Integer(1), Integer(1)))),
        "largest variance beside the largest moment": Eq(gain + floor, Max(floor, root(Integer(1), D_i[k]))),
    },
    papers={"A-explicit-dependence": "carries"},
)

COLLAPSE_OF_EACH = Claim(
    BETA_SWEEP,
    Eq(every(gain_i[i] + floor), every(Max(floor, root(i, D_i[i])))),
    assuming=(beta > 0,),
    title="The i-th direction of the data is decoded with the i-th smallest encoder variance, or collapses.",
    standing=Standing.PROVED,
    source="lucas-2019",
    proof=PAIRED,
    wrong={
        "largest variance beside the largest moment": Eq(
            every(gain_i[i] + floor), every(Max(floor, root(i, D_i[k + 1 - i])))
        ),
        "no collapse": Eq(every(gain_i[i] + floor), every(root(i, D_i[i]))),
        "all by the latent of least variance": Eq(every(gain_i[i] + floor), every(Max(floor, root(i, D_i[1])))),
    },
    papers={"A-explicit-dependence": "carries"},
)
