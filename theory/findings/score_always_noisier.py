"""Commonly stated: the score-function gradient has more variance than the pathwise one.

A common reading, as of course notes; careful texts say "typically". False for oscillating integrands: with h =
cos(omega e) and e standard Gaussian

    Var(score) = (1 + (1 - 4 omega^2) e^(-2 omega^2)) / 2   and   Var(path) = omega^2 (1 - e^(-2 omega^2)) / 2,

and the second is the larger one from omega = 0.8512 on: the derivative grows with the frequency, the integrand
does not.

Units: squared units of h per squared unit of the mean.
"""

from sympy import Ge

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import SCORE_AND_PATHWISE
from elbound.theory.symbols import v_path, v_score

ALWAYS_NOISIER = Claim(
    SCORE_AND_PATHWISE,
    Ge(v_score, v_path),
    standing=Standing.CONJECTURE,
    proof="Refuted: a bounded integrand of high frequency has a large derivative, and the pathwise gradient is that.",
    papers={"A-explicit-dependence": "qualifies"},
    repaired_by="quadratic integrands",
)
