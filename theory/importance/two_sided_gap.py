"""The gap of the importance-weighted bound lies between h(w_max) chi2 / K and h(w_min) chi2 / K, for every K.

With normalised weights w, chi2 their variance, w_min and w_max their range, and h(y) = (y - 1 - log y) / (y - 1)^2,

    h(w_max) chi2 / K  <=  log p - L_K  <=  h(w_min) chi2 / K.

A Gaussian encoder narrower than twice the posterior's precision always has one of the two sides: wider than the
posterior, bounded weights and the lower one; narrower, weights away from zero and the upper one. Close to the posterior
all weights are near one, where h is 1/2, and both are sharp.

Units: nats.
"""

from sympy import Expr, Ge, Le, log

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import IWAE, WEIGHT_AWAY_FROM_ZERO, WEIGHT_BOUNDED, WEIGHT_VARIANCE
from elbound.theory.symbols import K, chi2, gap, w_max, w_min


def h(y: Expr) -> Expr:
    """(y - 1 - log y) / (y - 1)^2, decreasing, with h(1) = 1/2."""
    return (y - 1 - log(y)) / (y - 1) ** 2


TAYLOR = """h(y) is the integral of (1 - t) / (1 + t (y - 1))^2 over t in (0, 1), so it decreases, and
log p - L_K = E[(Y - 1)^2 h(Y)] for the mean Y of K independent weights, of variance chi2 / K and the same range."""

UPPER = Claim(
    IWAE,
    Le(gap[K], h(w_min) * chi2 / K),
    assuming=(WEIGHT_AWAY_FROM_ZERO, WEIGHT_VARIANCE),
    title="The gap is at most h(w_min) chi2 / K where weights stay away from zero.",
    standing=Standing.PROVED,
    proof=TAYLOR,
    wrong={"halved": Le(gap[K], h(w_min) * chi2 / K / 2)},
    papers={"A-iwae": "carries"},
    attained=0.99,
)

LOWER = Claim(
    IWAE,
    Ge(gap[K], h(w_max) * chi2 / K),
    assuming=(WEIGHT_BOUNDED,),
    title="The gap is at least h(w_max) chi2 / K where weights are bounded.",
    standing=Standing.PROVED,
    proof=TAYLOR,
    wrong={"doubled": Ge(gap[K], 2 * h(w_max) * chi2 / K)},
    papers={"A-iwae": "carries"},
    attained=0.99,
)
