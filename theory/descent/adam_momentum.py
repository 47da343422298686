"""Adam with any momentum and the regulariser inside the root: an explicit rate, and a plateau of order 1 - beta_2.

With m and v started at zero, no correction, steps gamma_t = C / sqrt(t), every |g| at most R, p parameters,
S = sqrt(R^2 + reg^2) and Gamma = sum gamma_t (1 - beta_1^t), the squared gradient averaged with the momentum's weights,
a^m_t = (1 - beta_1) sum_j beta_1^j a_{t-j}, obeys

    E sum gamma_t a^m_t / Gamma  <=  (S / Gamma) [Delta + (L p R^2 / reg^2) (1/2 + beta_1 / (1 - beta_1)) sum gamma_t^2]
                                     + (sum gamma_t / Gamma) S (1 - beta_2) p R^4 / (2 reg^3 (1 - beta_1)).

The left side is the squared gradient at a random step. With 1 - beta_2 = O(n^-1/2) this is O(log n / sqrt n); with a
fixed beta_2 the last term stays. Nearly attained by a long way down a constant slope without noise.

Units: squared gradients.
"""

from sympy import Le, Rational, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import ADAM_RUN, UNBIASED, total
from elbound.theory.symbols import C, Delta, L, R, a_m, beta_1, beta_2, p, reg, t

step = C / sqrt(t)
weight = total(step * (1 - beta_1**t))
mean_square = total(step * a_m[t]) / weight
delayed = Rational(1, 2) + beta_1 / (1 - beta_1)
curved = L * p * R**2 / reg**2 * delayed * total(step**2)
largest = sqrt(R**2 + reg**2)
plateau = total(step) / weight * largest * (1 - beta_2) * p * R**4 / (2 * reg**3 * (1 - beta_1))
bound = largest / weight * (Delta + curved) + plateau

ADAM_MOMENTUM = Claim(
    ADAM_RUN,
    Le(mean_square, bound),
    assuming=(UNBIASED,),
    standing=Standing.PROVED,
    proof="""Descent lemma with |A m|^2 <= p R^2 / reg^2. With m_t written out over lags j, <grad F_t, A_t g_{t-j}> is
<grad F_{t-j}, A_{t-j-1} g_{t-j}>, of conditional mean at least a_{t-j} / S; plus a change of gradient, at least
-L p R^2 / reg^2 times j gamma_{t-j}; plus a change of A, at least -(j + 1) (1 - beta_2) p R^4 / (2 reg^3), because
v moves by (1 - beta_2) R^2 a step and |d(v + reg^2)^(-1/2) / dv| <= 1 / (2 reg^3). The weights (1 - beta_1) beta_1^j
and gamma_t gamma_{t-j} <= (gamma_t^2 + gamma_{t-j}^2) / 2 give the stated sums.""",
    wrong={
        "a quarter": Le(mean_square, bound / 4),
        "halved": Le(mean_square, bound / 2),
        "reg for sqrt(R^2 + reg^2)": Le(mean_square, bound * reg / largest),
    },
    papers={"A-sgd-adam-rate": "qualifies", "A-explicit-dependence": "carries"},
    attained=0.75,
)
