"""More importance samples never loosen the bound, and no number of them passes the log-evidence.

    L_K  <=  L_{K+1}  <=  log p(x),

for every K and any law of the weights, also where they have no variance. The gap does not fall as fast as 1/K from its
first value: gap_1 / K is no upper bound.

Units: nats.
"""

from sympy import Ge, Le

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import IWAE
from elbound.theory.symbols import K, gap

MONOTONE = Claim(
    IWAE,
    Le(gap[K + 1], gap[K]),
    standing=Standing.PROVED,
    source="burda-2016",
    proof="""A mean of K + 1 weights is the mean, over the K + 1 ways to leave one out, of means of K weights;
Jensen's inequality for the logarithm.""",
    wrong={
        "reversed": Ge(gap[K + 1], gap[K]),
        "gap_1 / K": Le(gap[K], gap[1] / K),
        "1/K from each to the next": Le((K + 1) * gap[K + 1], K * gap[K]),
    },
    papers={"A-iwae": "carries"},
    attained=0.99,
)

BELOW_EVIDENCE = Claim(
    IWAE,
    Ge(gap[K], 0),
    title="The importance-weighted bound never exceeds the log-evidence.",
    standing=Standing.PROVED,
    source="burda-2016",
    proof="Jensen's inequality: the mean of the normalised weights has mean one.",
    wrong={"above the evidence": Le(gap[K], 0)},
    papers={"A-iwae": "carries"},
)
