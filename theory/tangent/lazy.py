"""If L_J |r_0| < lambda / 2, a network of finite width trains at rate lambda - 2 L_J |r_0| and hardly moves.

With lambda the kernel's least eigenvalue at the start, L_J the Jacobian's Lipschitz constant, q = L_J |r_0| / lambda,

    |r(tau)| <= exp(-(1 - 2q) lambda tau) |r_0|,    |W(tau) - W_0| <= (sqrt lambda / L_J) (1 - sqrt(1 - 2q)),   q < 1/2.

In arclength s of the path d|r|/ds <= -(sqrt lambda - L_J s); the least root of |r_0| - sqrt(lambda) s + L_J s^2 / 2
bounds s. One erf neuron at its steepest curvature attains the displacement; one with q = 0.63 never fits its target.
From an antisymmetric start, f_0 = 0 and |r_0| = |y|, q < 1/2 except with probability delta once

    m  >=  (sqrt(C) + sqrt(L))^2,   C = 4 d phi_1^2 |G| log(N d / delta) / lambda_0,
                                    L = 4 phi_2^2 x_max^2 d |G| |y|^2 / lambda_0^2,

quantities of the data and of the limit kernel alone; the share zeta of lambda_0 given up to chance is the best one.
Geometric convergence along a short path under such a condition: Oymak and Soltanolkotabi (2019), of whom we have read
the abstract; the constants are our own.

Units: lambda in those of the kernel, residuals in those of the outputs.
"""

from sympy import Le, Max, Rational, exp, log, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import WIDE_FLOW
from elbound.theory.symbols import (
    G_norm,
    J_lip,
    N,
    d,
    delta,
    displacement,
    lambda_0,
    least_eigenvalue,
    phi_1,
    phi_2,
    r_0,
    residual_tau,
    tau,
    x_max,
)
from elbound.theory.tangent.gd_step import jacobian_lipschitz

PAPERS = {"B-linear-convergence": "carries"}
share = sqrt(least_eigenvalue) - sqrt(least_eigenvalue - 2 * J_lip * r_0)
ARCLENGTH = """Along the path d|r| = -|J^T r| / |r| |dW|, and the least singular value of J^T is at least
sqrt(lambda) - L_J s after arclength s; so |r| <= |r_0| - sqrt(lambda) s + L_J s^2 / 2, whose least root bounds s."""


# Chernoff: lambda >= (1 - zeta) lambda_0 from this over zeta^2 on; q < 1/2 then, from that over (1 - zeta)^2 on.
concentrated = 4 * d * phi_1**2 * G_norm / lambda_0 * log(N * d / delta)
lazy = 4 * phi_2**2 * x_max**2 * d * G_norm * r_0**2 / lambda_0**2
given_up = sqrt(concentrated) / (sqrt(concentrated) + sqrt(lazy))
width = (sqrt(concentrated) + sqrt(lazy)) ** 2
AT_DATA = {"zeta": given_up, "width m": width}

LAZY = Claim(
    WIDE_FLOW,
    Le(residual_tau, r_0 * exp(-Max(least_eigenvalue - 2 * J_lip * r_0, 0) * tau)),
    where=jacobian_lipschitz,
    standing=Standing.PROVED,
    source="oymak-soltanolkotabi-2019",
    proof=ARCLENGTH + " Then the kernel's least eigenvalue stays above lambda - 2 L_J |r_0|. Else |r| does not rise.",
    wrong={
        "threshold q <= .65": Le(
            residual_tau, r_0 * exp(-Max(least_eigenvalue - J_lip * r_0 / Rational(65, 100), 0) * tau)
        ),
        "2 lambda": Le(residual_tau, r_0 * exp(-2 * Max(least_eigenvalue - 2 * J_lip * r_0, 0) * tau)),
    },
    papers=PAPERS,
)

DISPLACEMENT = Claim(
    WIDE_FLOW,
    Le(displacement, share / J_lip),
    assuming=(2 * J_lip * r_0 < least_eigenvalue,),
    where=jacobian_lipschitz,
    title="A certified path never leaves a ball around its start, whose radius one neuron attains.",
    standing=Standing.PROVED,
    source="oymak-soltanolkotabi-2019",
    proof=ARCLENGTH,
    wrong={
        "displacement/1.01": Le(displacement, share / J_lip / Rational(101, 100)),
        "linear model": Le(displacement, r_0 / sqrt(least_eigenvalue)),
    },
    papers=PAPERS,
    attained=0.999,
)
