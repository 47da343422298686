"""Commonly stated: the expected reconstruction loss of an over-parameterised noisy network converges to 0.

    E (1/2) |f - y|^2  ->  0,   in finite form down to a tenth of the floor and what is left of the bias.

False under latent noise: what the noise adds to the loss is frozen in the wide limit. The width grows first, then time;
at fixed width the noise is trained away, but only over times of order m.

Units: squared output.
"""

from sympy import Le, exp

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import NOISE_FLOOR
from elbound.theory.symbols import floor, lambda_0, loss_start, loss_trained, tau

LOSS_TO_ZERO = Claim(
    NOISE_FLOOR,
    Le(loss_trained, exp(-lambda_0 * tau) * loss_start + floor / 10),
    assuming=(lambda_0 * tau >= 1,),
    standing=Standing.CONJECTURE,
    proof="Refuted: at width 4096 the loss stays at (d / 2) sum V_s.",
    papers={"B-linear-convergence": "qualifies"},
    repaired_by="the noise-averaged output, whose loss does fall to O(1/m) of zero, or noise that vanishes",
)
