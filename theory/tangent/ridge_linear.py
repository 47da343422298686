"""With a ridge the linear model's distance from its limit decays at rate theta + ridge, and a residual stays.

For weights moving by w' = J^T r - ridge (w - w_0), r = y - f, the mode of the kernel's eigenvalue theta has

    r(tau) / r_0 = (ridge + theta e^{-(theta + ridge) tau}) / (theta + ridge)   ->   ridge / (theta + ridge),

so for any target the distance from the limit falls at least as fast as e^{-(lambda_min + ridge) tau}.

Units: pure numbers.
"""

from sympy import Eq, Le, Rational, exp

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import LINEAR_RIDGE_FLOW, SINGLE_MODE
from elbound.theory.symbols import least_eigenvalue, limit_distance, mode_limit, mode_residual, ridge, tau, theta_mode

PAPERS = {"B-krr": "carries"}
left = exp(-(theta_mode + ridge) * tau)
slowest = exp(-(least_eigenvalue + ridge) * tau)
DUAL = "w - w_0 = J^T alpha with alpha' = r_0 - (Theta + ridge) alpha, which the kernel's eigenvectors decouple."

RIDGE_LINEAR = Claim(
    LINEAR_RIDGE_FLOW,
    Eq(limit_distance, left),
    assuming=(SINGLE_MODE,),
    standing=Standing.IDENTITY,
    proof=DUAL,
    wrong={
        "rate lambda_0": Eq(limit_distance, exp(-theta_mode * tau)),
        "rate doubled": Eq(limit_distance, left**2),
    },
    papers=PAPERS,
)

RESIDUAL = Claim(
    LINEAR_RIDGE_FLOW,
    Eq(mode_residual, (ridge + theta_mode * left) / (theta_mode + ridge)),
    assuming=(SINGLE_MODE,),
    title="One mode's residual under the linearised flow with a ridge is known at every time.",
    standing=Standing.IDENTITY,
    proof=DUAL,
    wrong={
        "e^{-Theta t} filter": Eq(mode_residual, exp(-theta_mode * tau)),
        "e^{-(Theta + ridge) t} filter": Eq(mode_residual, left),
    },
    papers=PAPERS,
)

LIMIT = Claim(
    LINEAR_RIDGE_FLOW,
    Eq(mode_limit, ridge / (theta_mode + ridge)),
    assuming=(SINGLE_MODE,),
    title="With a ridge the residual of a mode does not vanish in the end.",
    standing=Standing.IDENTITY,
    proof=DUAL,
    wrong={
        "no residual": Eq(mode_limit, 0),
        "ridge x 2": Eq(mode_limit, 2 * ridge / (theta_mode + 2 * ridge)),
        "ridge / 2": Eq(mode_limit, ridge / (2 * theta_mode + ridge)),
    },
    papers=PAPERS,
)

ANY_TARGET = Claim(
    LINEAR_RIDGE_FLOW,
    Le(limit_distance, slowest),
    title="For any target the linearised flow with a ridge reaches its limit at the least eigenvalue plus the ridge.",
    standing=Standing.PROVED,
    proof=DUAL + " The slowest mode decides.",
    wrong={"2 percent faster": Le(limit_distance, slowest ** Rational(102, 100))},
    papers=PAPERS,
    attained=0.999999,
)
