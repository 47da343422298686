"""Commonly stated: with steps C / sqrt(t), constant beta_2 and beta_1 < sqrt(beta_2), Adam's gradient tends to zero.

In a finite form: held at the minimiser, where the mean gradient is zero, Adam's mean step is zero,

    E[m / sqrt(v + reg^2)]  =  0,

because with vanishing steps Adam can only settle where its mean step vanishes. False for smooth problems with bounded,
unbiased gradients: the preconditioner has seen the gradient that it scales, so rare large gradients count for less.

Units: dimensionless, steps per step size.
"""

from sympy import Eq

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import ADAM_DRIFT
from elbound.theory.symbols import beta_1, beta_2, drift

CONSTANT_BETA2 = Claim(
    ADAM_DRIFT,
    Eq(drift, 0),
    assuming=(beta_1**2 < beta_2,),
    standing=Standing.CONJECTURE,
    proof="""Refuted: for gradients p with chance 1 - p and p - 1 with chance p, and no momentum, the mean step is
p (1 - p) [phi(p) - phi(1 - p)] with phi(t) = E(beta_2 v' + (1 - beta_2) t^2 + reg^2)^(-1/2), v' the second moment
before, and phi is strictly decreasing: the mean step vanishes at p = 1/2 alone.""",
    papers={"A-sgd-adam-rate": "qualifies"},
    repaired_by="beta_2 tending to 1, or a preconditioner of past gradients without momentum",
)
