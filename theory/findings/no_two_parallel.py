"""Commonly read: the least eigenvalue of the limit kernel is positive exactly when no two inputs are parallel.

    lambda_0 > 0   if and only if   no x_i is a multiple of x_j.

Du et al. 2019, theorem 3.1, state one half, for ReLU without noise and inputs of norm one: that no two are parallel is
sufficient. We know of no text that states the other half; the condition is often read as if it were exact. It is not
necessary: latent noise separates x from 2 x, under ReLU and under erf alike, and ReLU separates x from -x. Read as "no
positive multiple" it is not even sufficient: erf cannot tell x from -x, nor ReLU three antipodal pairs in a plane.

Units: those of the kernel.
"""

from sympy import Eq

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import LIMIT_SPECTRUM
from elbound.theory.symbols import n_along, n_parallel
from elbound.theory.tangent.positivity import none, positive

PAPERS = {"B-linear-convergence": "qualifies"}
REPAIR = "no antipodes, or free lines of them, and no equal inputs; no shared ray where the noise is in the weights"

NO_TWO_PARALLEL = Claim(
    LIMIT_SPECTRUM,
    Eq(positive, none(n_parallel)),
    standing=Standing.CONJECTURE,
    source="du-2019",
    proof="Refuted: under latent noise {x, 2 x} has lambda_0 enclosed above 0.",
    papers=PAPERS,
    repaired_by=REPAIR,
)

NO_TWO_ALONG = Claim(
    LIMIT_SPECTRUM,
    Eq(positive, none(n_along)),
    title="Commonly read: lambda_0 > 0 exactly when no input is a positive multiple of another.",
    standing=Standing.CONJECTURE,
    proof="Refuted: under erf {x, -x} has lambda_0 = 0, as have three antipodal pairs of a plane under ReLU.",
    papers=PAPERS,
    repaired_by=REPAIR,
)
