"""How the noise is drawn decides the kernel: fresh noise follows K1, shared frozen noise K2, frozen noise K3.

Trained for a time tau, the outputs of a wide network come to

    f(tau) = y + exp(-K tau) (f(0) - y)  up to  2 / sqrt m  of |f(0) - y|,

with K = K1 for the flow of the expected loss (and so for small steps with fresh noise), K2 when one draw is frozen for
all inputs, K3 when each input keeps its own. The band, for the mean of four networks, is chosen and not proved: at
width 4096 three to eight times what the right kernel leaves, less than half of what a wrong one does.

Units: none; distances are relative to |f(0) - y|.
"""

from sympy import Le, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import FRESH_NOISE, FROZEN_NOISE, NOISE_PROTOCOL, SHARED_NOISE
from elbound.theory.symbols import far_fresh, far_frozen, far_shared, m

band = 2 / sqrt(m)
PAPERS = {"B-linear-convergence": "carries"}
LAZY = "The weights move by O(1) in all and by O(1 / sqrt m) each, so the kernel stays near its limit at initialisation"

FRESH = Claim(
    NOISE_PROTOCOL,
    Le(far_fresh, band),
    assuming=(FRESH_NOISE,),
    title="Training with fresh noise follows K1.",
    standing=Standing.CONJECTURE,
    proof=LAZY
    + "; on the expected loss that is the kernel of the noise-averaged output, the variance's pull is O(1/m).",
    wrong={"follows K2": Le(far_shared, band), "follows K3": Le(far_frozen, band)},
    papers=PAPERS,
)

SHARED = Claim(
    NOISE_PROTOCOL,
    Le(far_shared, band),
    assuming=(SHARED_NOISE,),
    title="Training with one frozen noise shared by all inputs follows K2.",
    standing=Standing.CONJECTURE,
    proof=LAZY + "; a frozen shared draw is a random bias, whose kernel is K2.",
    wrong={"follows K1": Le(far_fresh, band), "follows K3": Le(far_frozen, band)},
    papers=PAPERS,
)

FROZEN = Claim(
    NOISE_PROTOCOL,
    Le(far_frozen, band),
    assuming=(FROZEN_NOISE,),
    title="Training with noise frozen to each input follows K3.",
    standing=Standing.CONJECTURE,
    proof=LAZY + "; two inputs have independent draws, one input has one, which is K3.",
    wrong={"follows K1": Le(far_fresh, band), "follows K2": Le(far_shared, band)},
    papers=PAPERS,
)
