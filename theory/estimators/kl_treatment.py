"""The encoder's latent noise is tr S |M D^(1/2)|_F^2, with a matrix M that the treatment of the KL decides.

The encoder-weight gradient of one datum x and one latent sample is affine in the noise, with linear part M D^(1/2):

    analytic KL:              M = G / sigma_x2,
    sampled KL:               M = G / sigma_x2 + beta I,
    sampled, no score term:   M = G / sigma_x2 + beta I - beta D^-1  =  beta (Sigma^-1 - D^-1),

with Sigma the tempered posterior covariance (I + G / (beta sigma_x2))^-1. The last ("sticking the landing", Roeder et
al. 2017) is noiseless if and only if D = Sigma; the first never is unless the decoder is zero.

Units: nats^2 per squared unit of the weights.
"""

from sympy import Eq, Ge, Le

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import KL_TREATMENTS
from elbound.theory.symbols import (
    D_max,
    D_min,
    beta,
    k,
    mismatch2,
    s2_analytic,
    s2_landing,
    s2_sampled,
    sigma_x2,
    tr_D,
    tr_D_inv,
    tr_G,
    tr_GD,
    tr_GDG,
    tr_S,
)

analytic = tr_GDG / sigma_x2**2
sampled = analytic + 2 * beta * tr_GD / sigma_x2 + beta**2 * tr_D
AFFINE = "The gradient is (M D^(1/2) e + a vector free of e) x^T, and E e e^T = I. "

ANALYTIC = Claim(
    KL_TREATMENTS,
    Eq(s2_analytic, tr_S * analytic),
    title="With an analytic KL the encoder's latent noise is tr S tr(GDG) / sigma_x2^2, free of beta.",
    standing=Standing.IDENTITY,
    proof=AFFINE + "The analytic KL adds beta times the mean, free of e.",
    wrong={
        "beta^2 factor": Eq(s2_analytic, beta**2 * tr_S * analytic),
        "one power of sigma_x2": Eq(s2_analytic, tr_S * tr_GDG / sigma_x2),
    },
    papers={"A-explicit-dependence": "qualifies"},
)

SAMPLED = Claim(
    KL_TREATMENTS,
    Eq(s2_sampled, tr_S * sampled),
    title="A sampled KL adds 2 beta tr(GD) / sigma_x2 + beta^2 tr D to the encoder's latent noise.",
    standing=Standing.IDENTITY,
    proof=AFFINE + "log q - log p is |z|^2 / 2 - |e|^2 / 2 along the path, which adds beta z.",
    wrong={
        "beta missing": Eq(s2_sampled, tr_S * (analytic + 2 * tr_GD / sigma_x2 + tr_D)),
        "as with an analytic KL": Eq(s2_sampled, tr_S * analytic),
        "no cross term": Eq(s2_sampled, tr_S * (analytic + beta**2 * tr_D)),
    },
    papers={"A-explicit-dependence": "carries"},
)

LANDING = Claim(
    KL_TREATMENTS,
    Eq(
        s2_landing,
        tr_S * (sampled - 2 * beta * tr_G / sigma_x2 + beta**2 * (tr_D_inv - 2 * k)),
    ),
    title="Without the score term the encoder's latent noise has M = G / sigma_x2 + beta I - beta D^-1.",
    standing=Standing.IDENTITY,
    source="roeder-2017",
    proof=AFFINE + "Held in q, the encoder's parameters leave beta (z - D^(-1/2) e) as the KL's part.",
    wrong={
        "beta missing": Eq(
            s2_landing,
            tr_S * (analytic + 2 * tr_GD / sigma_x2 + tr_D - 2 * tr_G / sigma_x2 + tr_D_inv - 2 * k),
        ),
        "score term kept": Eq(s2_landing, tr_S * sampled),
    },
    papers={"A-explicit-dependence": "carries"},
)

AT_LEAST = Claim(
    KL_TREATMENTS,
    Ge(s2_landing, beta**2 * tr_S * D_min * mismatch2),
    assuming=(beta > 0,),
    title="Without the score term the noise vanishes only if D is the tempered posterior covariance.",
    standing=Standing.PROVED,
    source="roeder-2017",
    proof="M = beta (Sigma^-1 - D^-1), and |M D^(1/2)|_F^2 is at least D_min |M|_F^2.",
    wrong={
        "beta missing": Ge(s2_landing, tr_S * D_min * mismatch2),
        "D_max for D_min": Ge(s2_landing, beta**2 * tr_S * D_max * mismatch2),
    },
    papers={"A-explicit-dependence": "carries"},
    attained=0.999,
)

AT_MOST = Claim(
    KL_TREATMENTS,
    Le(s2_landing, beta**2 * tr_S * D_max * mismatch2),
    assuming=(beta > 0,),
    title="Without the score term the noise vanishes if D is the tempered posterior covariance.",
    standing=Standing.PROVED,
    source="roeder-2017",
    proof="M = beta (Sigma^-1 - D^-1), and |M D^(1/2)|_F^2 is at most D_max |M|_F^2.",
    wrong={
        "beta missing": Le(s2_landing, tr_S * D_max * mismatch2),
        "D_min for D_max": Le(s2_landing, beta**2 * tr_S * D_min * mismatch2),
    },
    papers={"A-explicit-dependence": "carries"},
    attained=0.999,
)
