"""The tangent kernel at initialisation concentrates around its limit at rate m^(-1/2), with explicit constants.

For N inputs, width m and smoothed activation slopes in [0, phi_1], with probability at least 1 - delta,

    |Theta_m - Theta|_ij <= |x_i . x_j| phi_1^2 sqrt(log(N (N + 1) / delta) / (2 m))  for all i <= j        (Hoeffding),
    |Theta_m - Theta|    <= R l / 3 + sqrt((R l / 3)^2 + 2 R |Theta| l),  R = phi_1^2 |G| / m,  l = log(2 N / delta)
                                                                                                     (matrix Bernstein),
    lambda_min(Theta_m) > (1 - zeta) lambda_0  up to probability N exp(-zeta^2 m lambda_0 / (2 phi_1^2 |G|)) (Chernoff),

and at every width m E |Theta_m - Theta|_F^2 = V_0, the summed variance of one neuron's kernel: the sharp statement.

Units: those of the kernel.
"""

from sympy import Eq, Le, Rational, exp, log, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.evaluate import Exceeds
from elbound.theory.settings import TANGENT_KERNEL
from elbound.theory.symbols import (
    V_0,
    G_norm,
    N,
    delta,
    entry_deviation,
    lambda_0,
    least_eigenvalue,
    m,
    operator_deviation,
    phi_1,
    squared_deviation,
    theta_norm,
    zeta,
)

hoeffding = phi_1**2 * sqrt(log(N * (N + 1) / delta) / (2 * m))
reach = phi_1**2 * G_norm / m * log(2 * N / delta)
bernstein = reach / 3 + sqrt((reach / 3) ** 2 + 2 * reach * theta_norm)
chernoff = N * exp(-(zeta**2) * m * lambda_0 / (2 * phi_1**2 * G_norm))
PAPERS = {"B-kernel-limit": "carries"}

ENTRIES = Claim(
    TANGENT_KERNEL,
    Le(Exceeds(entry_deviation, hoeffding), delta),
    title="Every kernel entry stays within the Hoeffding bound.",
    standing=Standing.PROVED,
    source="hoeffding-1963",
    proof="An entry is a mean of m independent terms in an interval of length |x_i . x_j| phi_1^2; union over i <= j.",
    wrong={
        "1/m": Le(Exceeds(entry_deviation, hoeffding / sqrt(m)), delta),
        "a quarter": Le(Exceeds(entry_deviation, hoeffding / 4), delta),
    },
    papers=PAPERS,
)

OPERATOR = Claim(
    TANGENT_KERNEL,
    Le(Exceeds(operator_deviation, bernstein), delta),
    title="The kernel's deviation in operator norm stays within the matrix Bernstein bound.",
    standing=Standing.PROVED,
    source="tropp-2012",
    proof="Theta_m sums independent positive semi-definite terms of norm at most R, their variance at most R Theta.",
    wrong={"1/m": Le(Exceeds(operator_deviation, bernstein / sqrt(m)), delta)},
    papers=PAPERS,
)

LOWER_TAIL = Claim(
    TANGENT_KERNEL,
    Le(Exceeds((1 - zeta) * lambda_0, least_eigenvalue), chernoff),
    assuming=(zeta < 1, lambda_0 > 0),
    title="The least eigenvalue keeps a share of its limit, up to a matrix Chernoff tail.",
    standing=Standing.PROVED,
    source="tropp-2012",
    proof="Matrix Chernoff bound for a sum of independent positive semi-definite terms of norm at most R.",
    wrong={"no loss at all": Le(Exceeds(lambda_0, least_eigenvalue), chernoff)},
    papers=PAPERS,
)

SECOND_MOMENT = Claim(
    TANGENT_KERNEL,
    Eq(m * squared_deviation, V_0),
    title="At every width m E|Theta_m - Theta|_F^2 is one neuron's summed variance.",
    standing=Standing.IDENTITY,
    proof="Theta_m is a mean of m independent copies of one neuron's kernel matrix.",
    wrong={
        "exponent 1": Eq(m**2 * squared_deviation, V_0),
        "5 percent more": Eq(m * squared_deviation, Rational(105, 100) * V_0),
        "5 percent less": Eq(m * squared_deviation, Rational(95, 100) * V_0),
    },
    papers=PAPERS,
)
