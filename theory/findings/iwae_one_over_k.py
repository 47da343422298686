"""Commonly stated: the gap of the importance-weighted bound is O(1/K).

So says the abstract of Nowozin 2018, whose expansion asks for finite moments of the weight; it is commonly read
without that condition. In a finite form: K gap_K at K = 2^20 is at most four times its value at K = 2^10. False when
the encoder's variance is below half of the posterior's: the weights then have no variance and the gap decays like
K^(-P/(Q - P)) up to logs, with P and Q the precisions of posterior and encoder.

Units: nats.
"""

from sympy import Integer, Le

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import IWAE
from elbound.theory.symbols import gap

few, many = Integer(2) ** 10, Integer(2) ** 20

ONE_OVER_K = Claim(
    IWAE,
    Le(many * gap[many], 4 * few * gap[few]),
    standing=Standing.CONJECTURE,
    source="nowozin-2018",
    proof="Refuted: the normalised weight has tail index Q/(Q - P), below two when the encoder is too narrow.",
    papers={"A-iwae": "qualifies"},
    repaired_by="an encoder variance above half of the posterior's",
)
