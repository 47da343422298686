"""The residual of the gradient flow falls at least as fast as exp of minus the integrated least eigenvalue, constant 1.

With the tangent kernel followed along the path, for (1/2) |f - y|^2,

    exp(- integral lambda_max)  <=  |r(tau)| / |r(0)|  <=  exp(- integral lambda_min),

an equality to first order where the first residual is the slowest (fastest) eigenvector. Random targets are faster
and cannot tell the rate from its double.

Units: the integrals are pure numbers.
"""

from sympy import Ge, Le, Rational, exp

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import WIDE_FLOW
from elbound.theory.symbols import int_high, int_low, r_0, residual_tau

PAPERS = {"B-linear-convergence": "carries"}
FLOW = "d|r|^2/dt = -2 r^T J J^T r lies between -2 lambda_max |r|^2 and -2 lambda_min |r|^2 (Gronwall)."

RATE_A_POSTERIORI = Claim(
    WIDE_FLOW,
    Le(residual_tau, r_0 * exp(-int_low)),
    standing=Standing.PROVED,
    proof=FLOW,
    wrong={
        "2 lambda": Le(residual_tau, r_0 * exp(-2 * int_low)),
        "1.01 lambda": Le(residual_tau, r_0 * exp(-Rational(101, 100) * int_low)),
    },
    papers=PAPERS,
    attained=0.999,
)

FASTEST = Claim(
    WIDE_FLOW,
    Ge(residual_tau, r_0 * exp(-int_high)),
    title="The residual of the gradient flow falls no faster than exp of minus the integrated largest eigenvalue.",
    standing=Standing.PROVED,
    proof=FLOW,
    wrong={"lambda/2": Ge(residual_tau, r_0 * exp(-int_high / 2))},
    papers=PAPERS,
    attained=0.999,
)
