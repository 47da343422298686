"""The gap is chi2/(2K) - mu3/(3K^2) + 3 chi2^2/(4K^2) up to third order, and chi2/(2K) - mu3/(3K^2) is below it always.

chi2 and mu3 are the second and third central moments of the normalised weight. The two-term lower bound holds for every
K; that the expansion is accurate is stated for encoders near the posterior, where its constants are moderate:

    |2K gap_K / chi2 - 1|  <=  3/(4K),      |2K gap_K / chi2 - 1 - c/K|  <=  9/(4K^2),
    c = 3 chi2/2 - 2 mu3/(3 chi2),          K >= 64,  0.8 <= Q/P <= 1.1,  P dm^2 <= 0.2.

The expansion is known (Maddison et al. 2017 relate a bound's tightness to the variance of its likelihood estimator,
Nowozin 2018 gives the bias in powers of 1/K); that these constants hold over the stated range is measured, not proved.
A finite variance alone does not make the constant visible: near Q = 2P it takes millions of samples.

Units: nats.
"""

from sympy import Abs, Ge, Le, Rational

from elbound.theory.claim import Claim, Standing
from elbound.theory.importance.moments import moment
from elbound.theory.settings import IWAE
from elbound.theory.symbols import K, chi2, gap, ratio, shift2

mu3 = moment(3) - 3 * moment(2) + 2
NEAR = (K >= 64, ratio >= Rational(4, 5), ratio <= Rational(11, 10), shift2 <= Rational(1, 5))
EXPANSION = """Taylor's expansion of -log at the mean of the weights; its central moments of order three and four are
mu3/K^2 and 3 chi2^2/K^2 up to K^-3. """

BELOW = Claim(
    IWAE,
    Ge(gap[K], chi2 / (2 * K) - mu3 / (3 * K**2)),
    assuming=(ratio < Rational(3, 2),),
    title="The gap is at least chi2/(2K) - mu3/(3K^2) for every K.",
    standing=Standing.PROVED,
    proof="""-log(1 + x) is at least -x + x^2/2 - x^3/3, since the remainder has the sign of x^4; the mean of K weights
has central moments chi2/K and mu3/K^2.""",
    wrong={
        "chi2/K": Ge(gap[K], chi2 / K - mu3 / (3 * K**2)),
        "mu3 added": Ge(gap[K], chi2 / (2 * K) + mu3 / (3 * K**2)),
        "mu3 dropped": Ge(gap[K], chi2 / (2 * K)),
        "two percent more": Ge(gap[K], Rational(51, 50) * (chi2 / (2 * K) - mu3 / (3 * K**2))),
    },
    papers={"A-iwae": "carries"},
    attained=0.99,
)

LEADING = Claim(
    IWAE,
    Le(Abs(2 * K * gap[K] - chi2), Rational(3, 4) * chi2 / K),
    assuming=NEAR,
    title="Near the posterior the gap is chi2/(2K) within a share 3/(4K).",
    standing=Standing.MEASURED,
    source="maddison-2017",
    proof=EXPANSION + "The share is checked over the stated range, not derived.",
    wrong={
        "chi2/K": Le(Abs(K * gap[K] - chi2), Rational(3, 4) * chi2 / K),
        "1/K^2": Le(Abs(2 * K**2 * gap[K] - chi2), Rational(3, 4) * chi2 / K),
        "1/sqrt(K)": Le(Abs(2 * K ** Rational(1, 2) * gap[K] - chi2), Rational(3, 4) * chi2 / K),
        "share 1/(4K)": Le(Abs(2 * K * gap[K] - chi2), chi2 / (4 * K)),
    },
    papers={"A-iwae": "carries"},
    attained=0.75,
)


def _within(next_order: object) -> Le:
    return Le(Abs(2 * K * gap[K] - chi2 - next_order / K), Rational(9, 4) * chi2 / K**2)


NEXT_ORDER = Claim(
    IWAE,
    _within(Rational(3, 2) * chi2**2 - Rational(2, 3) * mu3),
    assuming=NEAR,
    title="Near the posterior the next order of the gap is 3 chi2^2/4 - mu3/3 over K^2.",
    standing=Standing.MEASURED,
    source="nowozin-2018",
    proof=EXPANSION + "The remainder is checked over the stated range, not derived.",
    wrong={
        "mu3 added": _within(Rational(3, 2) * chi2**2 + Rational(2, 3) * mu3),
        "3/2 chi2^2 for 3/4": _within(3 * chi2**2 - Rational(2, 3) * mu3),
        "chi2^2 dropped": _within(-Rational(2, 3) * mu3),
        "no next order": _within(0),
    },
    papers={"A-iwae": "carries"},
)
