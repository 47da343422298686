"""A common reading: 1 / sqrt m is the sharp order of what a network of width m does beyond its linear model.

Lee et al. (2019) prove order 1 / sqrt m as an upper bound, as we recall. That it is sharp is a reading of such bounds
that we met often and can pin on no theorem. In a finite form: from width 128 to width 2048 the change of the tangent
kernel in training keeps at least a fifth,

    drift(2048) / drift(128)  >=  1/5,

where 1 / sqrt m would keep a quarter and 1 / m keeps a sixteenth. As measured it is false where the latent noise makes
the activation smooth: the change is of order 1 / m.

Units: pure numbers.
"""

from sympy import Ge

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import WIDTHS
from elbound.theory.symbols import drift_m

FINITE_WIDTH_ONE_OVER_SQRT_M = Claim(
    WIDTHS,
    Ge(drift_m[2048], drift_m[128] / 5),
    standing=Standing.CONJECTURE,
    source="lee-2019",
    proof="""Refuted: random signs cancel, and the change is measured to be of order 1 / m; 1 / sqrt m is the upper
bound that proofs give.""",
    papers={"B-linear-convergence": "qualifies"},
    repaired_by="1 / sqrt m as the sharp order of the initial kernel's distance from its limit (tangent/linearisation)",
)
