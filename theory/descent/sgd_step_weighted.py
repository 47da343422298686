"""With the output index drawn in proportion to the step sizes, SGD obeys log n / sqrt n with explicit constants.

With steps gamma_t = C / sqrt(t), C <= 1 / L, noise of variance at most sigma_sup2 and an index R of weight gamma_t,

    E |grad F(w_R)|^2  <=  [2 Delta + L C^2 sigma_sup2 (1 + log n)] / [2 C (sqrt(n + 1) - 1)].

Sums of the sharp rate are replaced by integrals: where the initial gap dominates nothing is lost over many steps, a
factor of two where the noise does. The logarithm is real: from the optimum of a quadratic the left side has one, too.

Units: F in nats, so both sides are nats^2 per squared unit of the weights.
"""

from sympy import Le, log, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.descent.sgd_sharp import DESCENT, step
from elbound.theory.settings import SGD_RUN, SMOOTH, UNBIASED, total
from elbound.theory.symbols import C, Delta, L, a, n, sigma_sup2, t

mean_square = total(step * a[t]) / total(step)
noise = L * C**2 * sigma_sup2
bound = (2 * Delta + noise * (1 + log(n))) / (2 * C * (sqrt(n + 1) - 1))

SGD_STEP_WEIGHTED = Claim(
    SGD_RUN,
    Le(mean_square, bound),
    assuming=(L * C <= 1, UNBIASED, SMOOTH),
    standing=Standing.PROVED,
    source="ghadimi-lan-2013",
    proof=DESCENT
    + """ As L gamma_t <= 1, the weights are at least gamma_t / 2. The sum of t^(-1/2) is at least 2 (sqrt(n + 1) - 1),
the sum of 1/t at most 1 + log n, and the last value of F at least its infimum.""",
    wrong={
        "halved": Le(mean_square, bound / 2),
        "no log": Le(mean_square, (2 * Delta + noise) / (2 * C * (sqrt(n + 1) - 1))),
    },
    papers={"A-sgd-adam-rate": "carries", "A-explicit-dependence": "carries"},
    attained=0.99,
)
