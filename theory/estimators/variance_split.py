"""The stochastic gradient's variance splits into s1/B from the choice of data and s2/(BK) from the latent samples.

For B data drawn with replacement and K latent samples for each, the trace of the covariance is s1/B + s2/(BK);
without replacement the first term is s1 (N - B) / (B (N - 1)), and nothing for a single datum. For a Linear VAE with
analytic KL and symmetric noise of unit variance the latent parts of all blocks have closed forms. A bare 1/(BK) is
wrong: more latent samples leave s1/B untouched.

Units: nats^2 per squared unit of the weights.
"""

from sympy import Eq, Max

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import GRADIENT_NOISE, WITH_REPLACEMENT, WITHOUT_REPLACEMENT
from elbound.theory.symbols import (
    B,
    K,
    N,
    cross,
    d_GDG,
    g_DD,
    gg_DD,
    kurt,
    mean2,
    residual2,
    residual_D,
    s1,
    s2,
    s2_c,
    s2_l,
    sigma_x2,
    tr_D,
    tr_GD,
    tr_GDG,
    tr_S,
    v,
)

TOTAL_VARIANCE = "Condition on the batch; the latent samples are independent given the data. "
latent = tr_S * tr_GDG + residual2 * tr_D + mean2 * tr_GD - 2 * cross + tr_GD * tr_D

WITH = Claim(
    GRADIENT_NOISE,
    Eq(v, s1 / B + s2 / (B * K)),
    assuming=(WITH_REPLACEMENT,),
    title="With replacement the variance is s1/B + s2/(BK).",
    standing=Standing.IDENTITY,
    proof=TOTAL_VARIANCE + "Data drawn with replacement are independent too.",
    wrong={
        "s1 and s2 swapped": Eq(v, s2 / B + s1 / (B * K)),
        "1/K^2": Eq(v, s1 / B + s2 / (B * K**2)),
        "all over BK": Eq(v, (s1 + s2) / (B * K)),
        "no 1/B": Eq(v, s1 + s2 / K),
    },
    papers={"A-explicit-dependence": "carries"},
)

WITHOUT = Claim(
    GRADIENT_NOISE,
    Eq(v, s1 * (N - B) / (B * Max(1, N - 1)) + s2 / (B * K)),
    assuming=(WITHOUT_REPLACEMENT,),
    title="Without replacement the data part shrinks by (N - B)/(N - 1).",
    standing=Standing.IDENTITY,
    proof=TOTAL_VARIANCE
    + "The mean of B of N values drawn without replacement has variance (N - B)/(B (N - 1)) times theirs;"
    " a single datum has no variance at all.",
    wrong={"as if drawn with replacement": Eq(v, s1 / B + s2 / (B * K))},
    papers={"A-explicit-dependence": "qualifies"},
)

LATENT = Claim(
    GRADIENT_NOISE,
    Eq(s2, (latent + (kurt - 2) * g_DD) / sigma_x2**2),
    title="The latent part of the weights has a closed form in second and fourth moments.",
    standing=Standing.IDENTITY,
    proof="The gradient is a quadratic polynomial of the noise; odd moments vanish and the fourth is kurt.",
    wrong={
        "Gaussian kurtosis always": Eq(s2, (latent + g_DD) / sigma_x2**2),
        "kurt - 1": Eq(s2, (latent + (kurt - 1) * g_DD) / sigma_x2**2),
        "cross term dropped": Eq(s2, (latent + 2 * cross + (kurt - 2) * g_DD) / sigma_x2**2),
    },
    papers={"A-explicit-dependence": "carries"},
)

LOG_VARIANCE = Claim(
    GRADIENT_NOISE,
    Eq(s2_l, (residual_D + d_GDG + (kurt - 2) * gg_DD) / (4 * sigma_x2**2)),
    title="The latent part of the log-variances has a closed form.",
    standing=Standing.IDENTITY,
    proof="The gradient is a quadratic polynomial of the noise; odd moments vanish and the fourth is kurt.",
    wrong={
        "kurt - 1": Eq(s2_l, (residual_D + d_GDG + (kurt - 1) * gg_DD) / (4 * sigma_x2**2)),
        "1/2 for 1/4": Eq(s2_l, (residual_D + d_GDG + (kurt - 2) * gg_DD) / (2 * sigma_x2**2)),
    },
    papers={"A-explicit-dependence": "carries"},
)

OFFSET = Claim(
    GRADIENT_NOISE,
    Eq(s2_c, tr_GD / sigma_x2**2),
    title="The latent part of the decoder offset is tr(V D V^T) / sigma_x2^2.",
    standing=Standing.IDENTITY,
    proof="The offset's gradient is affine in the noise, with covariance V D V^T / sigma_x2^2.",
    wrong={"one power of sigma_x2": Eq(s2_c, tr_GD / sigma_x2)},
    papers={"A-explicit-dependence": "carries"},
)
