"""Commonly stated: the noise of the stochastic gradient is of order 1/(BK) in batch size B and latent samples K.

A common reading of bounds that divide one variance by BK; whoever names the variance of one datum's gradient as well
does not state it. In a finite form, for one datum: the variance with K = 16 latent samples is at most four times 1/16
of the variance with one. False: latent samples average out only the part s2/(BK); the part s1/B from the choice of
data stays.

Units: nats^2 per squared unit of the weights.
"""

from sympy import Integer, Le

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import GRADIENT_NOISE
from elbound.theory.symbols import v_K

few, many = Integer(1), Integer(16)

ONE_OVER_BK = Claim(
    GRADIENT_NOISE,
    Le(many * v_K[many], 4 * few * v_K[few]),
    standing=Standing.CONJECTURE,
    proof="Refuted: the variance is s1/B + s2/(BK), and s1 is positive unless all data give one gradient.",
    papers={"A-explicit-dependence": "qualifies"},
    repaired_by="the split s1/B + s2/(BK)",
)
