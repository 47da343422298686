"""The kernel of fresh noise lies below those of shared and of frozen noise, and falls as the noise grows.

In Loewner order, for every activation, every noise and all inputs,

    K1 <= K2,      K1 <= K3,

so the least eigenvalue that governs training on the expected loss is the smallest of the three. The first says that the
largest eigenvalue of (K2 + c)^{-1} (K1 + c) is at most 1, whatever c > 0: a multiple of the identity on both sides
changes no order, and lets kernels be divided that may be singular. It is 1 without noise.

For inputs of one norm lambda_0(K1) falls as the noise grows; for inputs of several norms it may rise: noise separates
x from 2 x under ReLU. Where both are zero only rounding could be compared, so all below 10^(-40) counts as that.

Units: the orders are pure numbers; lambda_0 has those of the kernel.
"""

from sympy import Ge, Le, Max, Rational

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import EQUAL_NORMS, LIMIT_SPECTRUM
from elbound.theory.symbols import below_frozen, below_shared, lambda_0, lambda_noisier

PAPERS = {"B-kernel-limit": "qualifies"}
noise_less, noise_more = (Max(x, Rational(1, 10**40)) for x in (lambda_0, lambda_noisier))

SHARED = Claim(
    LIMIT_SPECTRUM,
    Le(below_shared, 1),
    title="K2 - K1 is positive semi-definite.",
    standing=Standing.PROVED,
    proof="It is the inputs' Gram matrix times, entry by entry, the mean over w of the slopes' covariance over the "
    "shared noise; Schur's product theorem.",
    wrong={"reversed order": Ge(below_shared, 1)},
    papers=PAPERS,
    attained=0.999,
)

FROZEN = Claim(
    LIMIT_SPECTRUM,
    Le(below_frozen, 1),
    title="K3 - K1 is positive semi-definite.",
    standing=Standing.PROVED,
    proof="It is diagonal, with entries |x|^2 times the slope's variance over the noise.",
    wrong={"reversed order": Ge(below_frozen, 1)},
    papers=PAPERS,
    attained=0.999,
)

NOISE = Claim(
    LIMIT_SPECTRUM,
    Le(noise_more, noise_less),
    assuming=(EQUAL_NORMS,),
    title="For inputs of one norm the least eigenvalue of K1 falls as the noise grows.",
    standing=Standing.PROVED,
    proof="K1 = sum_k c_k (entry-wise k-th power of the Gram matrix), powers are positive semi-definite, and every "
    "c_k >= 0 falls with the noise.",
    wrong={"rises with the noise": Ge(noise_more, noise_less)},
    papers=PAPERS,
)
