"""A common reading: SGD under a uniform output index needs the logarithm, even where the expected objective is bounded.

Rates for steps C / sqrt(t) are published as O(log n / sqrt n), often without saying how the output index is drawn. We
know of no one who states that the logarithm is needed under a uniform one; it is how such a rate is easily read.
In a finite form: with the constant read off at horizon 10, the average at horizon 10^6 is at least c log n / sqrt n.
False wherever the expected objective stays bounded: the logarithm belongs to an index weighted by step sizes.

Units: nats^2 per squared unit of the weights.
"""

from sympy import Ge, Integer, log, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import SGD_HORIZONS, SMOOTH, UNBIASED
from elbound.theory.symbols import C, L, uniform_average

few, many = Integer(10), Integer(10) ** 6

LOG_UNDER_UNIFORM_INDEX = Claim(
    SGD_HORIZONS,
    Ge(sqrt(many) / log(many) * uniform_average[many], sqrt(few) / log(few) * uniform_average[few]),
    assuming=(L * C < 2, UNBIASED, SMOOTH),
    standing=Standing.CONJECTURE,
    proof="""Refuted: the descent lemma divided by the step size and summed by parts bounds the average by a constant
over sqrt n as long as E F(w_t) is bounded, which it is on a quadratic.""",
    papers={"A-sgd-adam-rate": "qualifies"},
    repaired_by="no logarithm at all: a uniform output index and a bounded objective give 1 / sqrt n",
)
