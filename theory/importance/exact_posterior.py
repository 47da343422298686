"""Where the encoder is the posterior the bound is the log-evidence, and two estimators have no noise at all.

All weights are equal then, so gap_K = 0 for every K. The doubly reparameterised and the sticking-the-landing estimators
are zero draw by draw; the plain estimator keeps the score of the encoder, whose mean is zero and whose variance, for
the encoder's mean, is Q/K with the encoder's precision Q.

Units: the gap in nats, variances in nats^2 per squared unit of the latent.
"""

from sympy import Eq, Integer, exp

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import IWAE_AT_POSTERIOR
from elbound.theory.symbols import K, Q, dreg_var, gap, plain_var, stl_var

score = Q / K
EQUAL_WEIGHTS = "w = p(x) at every z. "

EXACT_POSTERIOR = Claim(
    IWAE_AT_POSTERIOR,
    Eq(exp(-gap[K]), Integer(1)),
    title="Where the encoder is the posterior, exp L_K is the evidence for every K.",
    standing=Standing.IDENTITY,
    source="burda-2016",
    proof=EQUAL_WEIGHTS + "So is their mean.",
    wrong={"a gap of 1/(2K)": Eq(exp(-gap[K]), exp(-1 / (2 * K)))},
    papers={"A-iwae": "carries"},
)

PLAIN = Claim(
    IWAE_AT_POSTERIOR,
    Eq(plain_var[K], score),
    title="Where the encoder is the posterior, the plain estimator keeps the score's variance Q/K.",
    standing=Standing.IDENTITY,
    source="roeder-2017",
    proof=EQUAL_WEIGHTS + "Of the slope of log w along the path the score alone is left, of variance Q for each draw.",
    wrong={"no noise": Eq(plain_var[K] + score, score), "no 1/K": Eq(plain_var[K], Q)},
    papers={"A-iwae": "carries"},
)

DREG = Claim(
    IWAE_AT_POSTERIOR,
    Eq(score + dreg_var[K], score),
    title="Where the encoder is the posterior, the doubly reparameterised estimator has no noise beside the score's.",
    standing=Standing.IDENTITY,
    source="tucker-2019",
    proof=EQUAL_WEIGHTS + "The slope of log w by z is zero.",
    wrong={"score term kept": Eq(score + dreg_var[K], 2 * score)},
    papers={"A-iwae": "carries"},
)

STICKING_THE_LANDING = Claim(
    IWAE_AT_POSTERIOR,
    Eq(score + stl_var[K], score),
    title="Where the encoder is the posterior, sticking the landing has no noise beside the score's.",
    standing=Standing.IDENTITY,
    source="roeder-2017",
    proof=EQUAL_WEIGHTS + "The slope of log w by z is zero.",
    wrong={"score term kept": Eq(score + stl_var[K], 2 * score)},
    papers={"A-iwae": "carries"},
)
