"""If L_J |r_0| is below the ridge, training converges linearly, with no condition on the kernel's least eigenvalue.

Along the gradient flow of (1/2) |y - f|^2 + (ridge/2) |W - W_0|^2 the Hessian is at least ridge - L_J |r_0|, so

    |grad(tau)|  <=  |grad(0)| exp(-(ridge - L_J |r_0|) tau).

The ridge replaces the assumption that no two inputs are parallel.

Units: ridge and L_J |r_0| in inverse time.
"""

from sympy import Le, exp

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import WIDE_RIDGE_FLOW
from elbound.theory.symbols import J_lip, gradient_end, gradient_start, r_0, ridge, tau
from elbound.theory.tangent.gd_step import jacobian_lipschitz

RIDGE_CONVERGENCE = Claim(
    WIDE_RIDGE_FLOW,
    Le(gradient_end, gradient_start * exp(-(ridge - J_lip * r_0) * tau)),
    assuming=(J_lip * r_0 < ridge,),
    where=jacobian_lipschitz,
    standing=Standing.PROVED,
    proof="""The Hessian is J^T J + ridge less the residual times second derivatives, of norm at most L_J |r|; the loss
falls, so |r| <= |r_0|; and d|grad|/dt = -grad^T H grad / |grad|.""",
    wrong={"rate lambda": Le(gradient_end, gradient_start * exp(-ridge * tau))},
    papers={"B-linear-convergence": "carries", "B-krr": "carries"},
)
