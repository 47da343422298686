"""Under a uniform output index the logarithm of the SGD rate is the price of not knowing a bound on the objective.

With steps gamma_t = C / sqrt(t), C <= 1 / L, noise of variance at most sigma_sup2 and an index R uniform on 1, ..., n,

    E |grad F(w_R)|^2  <=  [2 Delta + L C^2 sigma_sup2 (1 + log n)] / (C sqrt n),        and without a logarithm
    E |grad F(w_R)|^2  <=  [2 Delta_sup + 2 L C^2 sigma_sup2] / (C sqrt n),   E F(w_t) - inf F <= Delta_sup for t <= n.

Both are nearly attained by one step from far away, on a quadratic. Over many steps the first loses a factor of about
log n, the second of about two.

Units: F in nats, so both sides are nats^2 per squared unit of the weights.
"""

from sympy import Le, log, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.descent.sgd_sharp import DESCENT
from elbound.theory.settings import SGD_RUN, SMOOTH, UNBIASED, total
from elbound.theory.symbols import C, Delta, Delta_sup, L, a, n, sigma_sup2, t

mean_square = total(a[t]) / n
noise = L * C**2 * sigma_sup2
scale = C * sqrt(n)

WITH_LOG = Claim(
    SGD_RUN,
    Le(mean_square, (2 * Delta + noise * (1 + log(n))) / scale),
    assuming=(L * C <= 1, UNBIASED, SMOOTH),
    title="Under a uniform output index SGD converges at rate log n / sqrt n.",
    standing=Standing.PROVED,
    proof=DESCENT
    + """ As L gamma_t <= 1 and gamma_t >= gamma_n, every weight is at least gamma_n / 2; the sum of 1/t is at most
1 + log n, and the last value of F at least its infimum.""",
    wrong={
        "halved": Le(mean_square, (2 * Delta + noise * (1 + log(n))) / 2 / scale),
        "a quarter of the noise": Le(mean_square, (2 * Delta + noise / 4 * (1 + log(n))) / scale),
        "log n / n": Le(mean_square, (2 * Delta + noise * (1 + log(n))) / (C * n)),
    },
    papers={"A-sgd-adam-rate": "carries", "A-explicit-dependence": "carries"},
    attained=0.99,
)

BOUNDED_OBJECTIVE = Claim(
    SGD_RUN,
    Le(mean_square, (2 * Delta_sup + 2 * noise) / scale),
    assuming=(L * C <= 1, UNBIASED, SMOOTH),
    title="Under a uniform output index and with a bounded objective SGD converges at rate 1 / sqrt n, without a log.",
    standing=Standing.PROVED,
    proof="""The descent lemma at w_t, divided by gamma_t, bounds E a_t / 2 by E [F(w_t) - F(w_{t+1})] / gamma_t plus
(L/2) gamma_t sigma_sup2. Summed by parts, with 1 / gamma_t increasing and gaps in [0, Delta_sup], the first terms are
at most Delta_sup / gamma_n; the sum of gamma_t is at most 2 C sqrt n.""",
    wrong={
        "halved": Le(mean_square, (Delta_sup + noise) / scale),
        "without the noise": Le(mean_square, 2 * Delta_sup / scale),
        "1/n": Le(mean_square, (2 * Delta_sup + 2 * noise) / (C * n)),
    },
    papers={"A-sgd-adam-rate": "qualifies", "A-explicit-dependence": "carries"},
    attained=0.99,
)
