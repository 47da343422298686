"""The kernel of fresh noise lies below those of shared and of frozen noise, and falls as the noise grows.

In Loewner order, for every activation, every noise and all inputs,

    K1 <= K2,      K1 <= K3,

so the least eigenvalue that governs training on the expected loss is the smallest of the three. For inputs of one norm
lambda_0(K1) falls as the noise grows; for inputs of several norms it may rise: noise separates x from 2 x under ReLU.

Units: those of the kernel.
"""

from sympy import Ge, Le

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import EQUAL_NORMS, LIMIT_SPECTRUM
from elbound.theory.symbols import lambda_0, lambda_noisier, order_frozen, order_shared

PAPERS = {"B-kernel-limit": "qualifies"}

SHARED = Claim(
    LIMIT_SPECTRUM,
    Ge(order_shared, 0),
    title="K2 - K1 is positive semi-definite.",
    standing=Standing.PROVED,
    proof="It is the inputs' Gram matrix times, entry by entry, the mean over w of the slopes' covariance over the "
    "shared noise; Schur's product theorem.",
    wrong={"reversed order": Le(order_shared, 0)},
    papers=PAPERS,
)

FROZEN = Claim(
    LIMIT_SPECTRUM,
    Ge(order_frozen, 0),
    title="K3 - K1 is positive semi-definite.",
    standing=Standing.PROVED,
    proof="It is diagonal, with entries |x|^2 times the slope's variance over the noise.",
    wrong={"reversed order": Le(order_frozen, 0)},
    papers=PAPERS,
)

NOISE = Claim(
    LIMIT_SPECTRUM,
    Le(lambda_noisier, lambda_0),
    assuming=(EQUAL_NORMS,),
    title="For inputs of one norm the least eigenvalue of K1 falls as the noise grows.",
    standing=Standing.PROVED,
    proof="K1 = sum_k c_k (entry-wise k-th power of the Gram matrix), powers are positive semi-definite, and every "
    "c_k >= 0 falls with the noise.",
    wrong={"rises with the noise": Ge(lambda_noisier, lambda_0)},
    papers=PAPERS,
)
