"""One gradient descent step multiplies the residual by at most 1 - eta lambda_min + eta L_J |r| / 2.

For f(x) = (1/sqrt m) A phi(W x), A = +-1, the Jacobian in W has the Lipschitz constant

    L_J = sup |phi''| max |x_i| sqrt(d |G| / m),

and a step of size eta <= 1 / lambda_max on (1/2) |f - y|^2 gives

    |r_1|  <=  (1 - eta lambda_min + eta L_J |r_0| / 2) |r_0|.

One neuron at the steepest curvature of phi attains every constant. The latent noise is what makes sup |phi''| finite
for ReLU.

Units: residuals in those of the outputs, eta in the inverse units of the kernel.
"""

from sympy import Le, Rational, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import WIDE_STEP
from elbound.theory.symbols import (
    G_norm,
    J_lip,
    d,
    delta_W,
    eta,
    jacobian_change,
    kernel_change,
    least_eigenvalue,
    m,
    phi_2,
    r_0,
    residual_1,
    taylor,
    theta_top,
    x_max,
)

jacobian_lipschitz = {J_lip: phi_2 * x_max * sqrt(d * G_norm / m)}
SHORT = Rational(100, 102)
PAPERS = {"B-linear-convergence": "carries"}

GD_STEP = Claim(
    WIDE_STEP,
    Le(residual_1, (1 - eta * least_eigenvalue + eta * J_lip * r_0 / 2) * r_0),
    assuming=(Le(eta * theta_top, 1),),
    where=jacobian_lipschitz,
    standing=Standing.PROVED,
    proof="""The step moves by eta J^T r, so r_1 = (1 - eta J J^T) r_0 less a Taylor remainder of at most
L_J eta^2 |J^T r_0|^2 / 2, which eta <= 1 / lambda_max bounds by eta L_J |r_0|^2 / 2.""",
    wrong={
        "L_J/1.02": Le(residual_1, (1 - eta * least_eigenvalue + eta * SHORT * J_lip * r_0 / 2) * r_0),
        "no remainder": Le(residual_1, (1 - eta * least_eigenvalue) * r_0),
    },
    papers=PAPERS,
    attained=0.99,
)

JACOBIAN = Claim(
    WIDE_STEP,
    Le(jacobian_change, J_lip * delta_W),
    where=jacobian_lipschitz,
    title="The Jacobian is Lipschitz in the weights with an explicit constant that one neuron attains.",
    standing=Standing.PROVED,
    proof="""For a unit residual Q the change of J^T Q has rows X^T (gamma_r * Q a_r) / sqrt m with
|gamma_ri| <= sup |phi''| |Delta_r . x_i|; so its square is at most (|G| / m) sum_i d |q_i|^2 sum_r gamma_ri^2.""",
    wrong={"L_J/1.02": Le(jacobian_change, SHORT * J_lip * delta_W)},
    papers=PAPERS,
    attained=0.999,
)

TAYLOR = Claim(
    WIDE_STEP,
    Le(taylor, J_lip * delta_W**2 / 2),
    where=jacobian_lipschitz,
    title="The network leaves its linear part by at most half the Lipschitz constant times the squared move.",
    standing=Standing.PROVED,
    proof="Integrate the Lipschitz bound of the Jacobian along the segment.",
    wrong={"L_J/1.02": Le(taylor, SHORT * J_lip * delta_W**2 / 2)},
    papers=PAPERS,
    attained=0.999,
)

KERNEL = Claim(
    WIDE_STEP,
    Le(kernel_change, J_lip * delta_W * (2 * sqrt(theta_top) + J_lip * delta_W)),
    where=jacobian_lipschitz,
    title="The tangent kernel is Lipschitz in the weights near the start.",
    standing=Standing.PROVED,
    proof="Write the change of J J^T as a sum of three products with the change of J, and |J|^2 = lambda_max.",
    wrong={
        "one of the two first-order terms": Le(kernel_change, J_lip * delta_W * (sqrt(theta_top) + J_lip * delta_W))
    },
    papers=PAPERS,
)
