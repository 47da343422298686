"""The gap of the importance-weighted bound lies between h(w_max) chi2 / K and h(w_min) chi2 / K, for every K.

With normalised weights w, chi2 their variance, w_min and w_max their range, and h(y) = (y - 1 - log y) / (y - 1)^2,
h(1) = 1/2,

    h(w_max) chi2 / K  <=  log p - L_K  <=  h(w_min) chi2 / K.

For a Gaussian encoder and posterior the weight is bounded, and the lower side speaks, exactly where the encoder is
wider than the posterior; it stays away from zero, and the upper side speaks, exactly where the encoder is narrower.
With equal widths and other means it does neither; where the two agree every weight is one, and both sides are zero.
Close to the posterior all weights are near one, where h is 1/2, and both are sharp.

Units: nats.
"""

from sympy import Ge, Le

from elbound.theory.claim import Claim, Standing
from elbound.theory.evaluate import LogGap
from elbound.theory.settings import IWAE, WEIGHT_AWAY_FROM_ZERO, WEIGHT_BOUNDED
from elbound.theory.symbols import K, chi2, gap, w_max, w_min

TAYLOR = """h(y) is the integral of (1 - t) / (1 + t (y - 1))^2 over t in (0, 1), so it decreases, and
log p - L_K = E[(Y - 1)^2 h(Y)] for the mean Y of K independent weights, of variance chi2 / K and the same range.
"""

UPPER = Claim(
    IWAE,
    Le(gap[K], LogGap(w_min) * chi2 / K),
    assuming=(WEIGHT_AWAY_FROM_ZERO,),
    title="The gap is at most h(w_min) chi2 / K where weights stay away from zero.",
    standing=Standing.PROVED,
    proof=TAYLOR + "Without a variance the right side is infinite.",
    wrong={
        "halved": Le(gap[K], LogGap(w_min) * chi2 / K / 2),
        "1/K^2": Le(gap[K], LogGap(w_min) * chi2 / K**2),
    },
    papers={"A-iwae": "carries"},
    attained=0.99,
)

LOWER = Claim(
    IWAE,
    Ge(gap[K], LogGap(w_max) * chi2 / K),
    assuming=(WEIGHT_BOUNDED,),
    title="The gap is at least h(w_max) chi2 / K where weights are bounded.",
    standing=Standing.PROVED,
    proof=TAYLOR,
    wrong={
        "doubled": Ge(gap[K], 2 * LogGap(w_max) * chi2 / K),
        "weights as if near one": Ge(gap[K], chi2 / (2 * K)),
    },
    papers={"A-iwae": "carries"},
    attained=0.99,
)
