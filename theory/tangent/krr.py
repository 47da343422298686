"""A wide network trained with a ridge around its start is kernel ridge regression up to a computable distance.

At any point f* of weights W*, with g the gradient's norm of the ridge loss, Jbar the Jacobian's mean on the segment
from W_0 to W*, and E = Jbar J(W*)^T - Theta(W_0), on the training points

    |f* - f_KRR|  <=  (|E| |y - f*| + |Jbar| g) / (ridge + lambda_min),

and elsewhere the same with the kernel between points in place of its inverse. E is of order L_J |W* - W_0|.
Equality for one datum and one output at a stationary point.
For Gaussian weights N(W, s^2 I) with prior N(W_0, s^2 I) the ridge is beta sigma_x^2 / s^2.

Units: those of the outputs.
"""

from sympy import Le, Rational, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import WIDE_RIDGE
from elbound.theory.symbols import (
    J_lip,
    displacement,
    gradient_end,
    kernel_drift,
    krr_distance,
    krr_double,
    least_eigenvalue,
    mean_jacobian,
    residual_end,
    ridge,
    test_distance,
    test_double,
    test_drift,
    test_jacobian,
    test_kernel,
    theta_top,
)
from elbound.theory.tangent.gd_step import jacobian_lipschitz

PAPERS = {"B-krr": "carries"}
distance = (kernel_drift * residual_end + mean_jacobian * gradient_end) / (ridge + least_eigenvalue)
elsewhere = (test_drift * residual_end + test_kernel * krr_distance + test_jacobian * gradient_end) / ridge
drift = J_lip * displacement * (Rational(3, 2) * sqrt(theta_top) + J_lip * displacement / 2)

KRR = Claim(
    WIDE_RIDGE,
    Le(krr_distance, distance),
    standing=Standing.PROVED,
    proof="""f* = f_0 + Jbar (W* - W_0), and ridge (W* - W_0) = J*^T (y - f*) + grad. With ridge alpha = y - f* this is
(Theta + ridge) alpha = y - f_0 - E alpha - Jbar grad / ridge; subtract the same for kernel ridge regression.""",
    wrong={"ridge x 2": Le(krr_double, distance)},
    papers=PAPERS,
    attained=0.999999,
)

DRIFT = Claim(
    WIDE_RIDGE,
    Le(kernel_drift, drift),
    where=jacobian_lipschitz,
    title="The drift that separates training from kernel ridge regression is bounded by the displacement.",
    standing=Standing.PROVED,
    proof="""|Jbar - J_0| <= L_J |delta| / 2 and |J* - J_0| <= L_J |delta|, so E is at most
|J_0| (1/2 + 1) L_J |delta| + L_J^2 |delta|^2 / 2.""",
    wrong={"second order only": Le(kernel_drift, (J_lip * displacement) ** 2 / 2)},
    papers=PAPERS,
)

TEST_POINTS = Claim(
    WIDE_RIDGE,
    Le(test_distance, elsewhere),
    title="At test points too the trained network is kernel ridge regression up to a computable distance.",
    standing=Standing.PROVED,
    proof="""f*(x) = f_0(x) + Jbar_x (J*^T alpha + grad / ridge), and the dual coefficients differ from those of kernel
ridge regression by minus the training distance over the ridge.""",
    wrong={"ridge x 2": Le(test_double, elsewhere)},
    papers=PAPERS,
)
