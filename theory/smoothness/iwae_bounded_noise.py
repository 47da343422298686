"""With bounded noise the importance-weighted objective is smooth with A2 + A1^2, whatever the number of samples.

A1 and A2 bound the norms of the gradient and the Hessian of log w over data, noise and the region in question:

    |Hess F_K|  <=  A2 + A1^2     for every K.

The square is the price of the weights' own movement: from two samples on A2 alone is too little. Where the gradients
of one datum are opposed and equally likely their covariance is (1 - 1/K) A1^2, so with A2 far below A1^2 the bound is
sharp for many samples.

Units: nats per squared unit of the weights.
"""

from sympy import Le

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import IWAE_POINT
from elbound.theory.symbols import A_1, A_2, hessian_K

weighted_smoothness = A_2 + A_1**2
LOG_MEAN_EXP = """The Hessian of the logarithm of a mean of exponentials is the mean of the exponents' Hessians plus the
covariance of their gradients, both under the normalised weights; the covariance is at most the mean square. """

IWAE_BOUNDED_NOISE = Claim(
    IWAE_POINT,
    Le(hessian_K, weighted_smoothness),
    standing=Standing.PROVED,
    proof=LOG_MEAN_EXP + "Expectations over data and noise keep the bound.",
    wrong={
        "A1^2 dropped": Le(hessian_K, A_2),
        "A1^2 alone": Le(hessian_K, A_1**2),
        "A1 for A1^2": Le(hessian_K, A_2 + A_1),
    },
    papers={"A-iwae": "carries", "A-explicit-dependence": "carries"},
    attained=0.99,
)
