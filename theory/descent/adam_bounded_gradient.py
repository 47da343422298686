"""Adam with a tiny regulariser and bounded gradients: an explicit rate with a floor, vacuous at practical sizes.

With v corrected, m not, the regulariser's square beside the sum of weighted squares, constant steps alpha, every
|g| at most R - reg, and the output drawn with chances proportional to 1 - beta_1^(n - t + 1),

    E |grad F(w_I)|^2  <=  2 R Delta / (alpha n)
                           + [4 p R^2 / sqrt(1 - beta_2) + alpha p R L / (1 - beta_2)]
                             [log(1 + R^2 / ((1 - beta_2) reg^2)) / n - log beta_2]          for beta_1 = 0.

With alpha of order n^-1/2 and 1 - beta_2 of order 1/n this is O(p log n / sqrt n). It says something only once it is
below the trivial p R^2. With L Delta = p R^2, reg = R / 10^4 and the alpha and beta_2 that make it least, that is from
n = 1,800 on, and with beta_1 = 0.9 from n = 1,720,000 on; with beta_1 = 0.9 and beta_2 = 0.999 it never is, whatever
alpha.

Units: squared gradients.
"""

from sympy import Le, log, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import ADAM_CONSTANT_STEP, UNBIASED, total
from elbound.theory.symbols import Delta, L, R, a, alpha, beta_1, beta_2, n, p, reg, t

memory = log(1 + R**2 / ((1 - beta_2) * reg**2))
start = 2 * R * Delta / alpha
uniform = total(a[t]) / n
noise = 4 * p * R**2 / sqrt(1 - beta_2) + alpha * p * R * L / (1 - beta_2)
plain = start / n + noise * (memory / n - log(beta_2))

chance = 1 - beta_1 ** (n - t + 1)
drawn = total(chance * a[t]) / total(chance)
effective = n - beta_1 / (1 - beta_1)
lag = 1 - beta_1 / beta_2
heavy = (
    alpha * p * R * L * (1 - beta_1) / (lag * (1 - beta_2))
    + 12 * p * R**2 * sqrt(1 - beta_1) / (lag * sqrt(lag) * sqrt(1 - beta_2))
    + 2 * alpha**2 * p * L**2 * beta_1 / (lag * (1 - beta_2) * sqrt(1 - beta_2))
)
momentum = start + heavy * (memory - n * log(beta_2))

ADAM_BOUNDED_GRADIENT = Claim(
    ADAM_CONSTANT_STEP,
    Le(uniform, plain),
    assuming=(beta_1 <= 0, UNBIASED),
    standing=Standing.PROVED,
    source="defossez-2022",
    proof="""With v the plain sum of weighted squares, vt the same with E g_t^2 for g_t^2, e = reg^2 and G the gradient,
E[G g / sqrt(e + v)] >= G^2 / (2 sqrt(e + vt)) - 2 R E[g^2 / (e + v)] by |v - vt| <= g^2 + E g^2 and two Young steps;
sqrt(e + vt) <= R sqrt((1 - beta_2^t) / (1 - beta_2)), and sum g_t^2 / (e + v_t) <= log(1 + v_n / e) - n log beta_2.""",
    wrong={
        "a thousandth": Le(uniform, plain / 1000),
        "a tenth": Le(uniform, plain / 10),
    },
    papers={"A-sgd-adam-rate": "qualifies"},
)

MOMENTUM = Claim(
    ADAM_CONSTANT_STEP,
    Le(effective * drawn, momentum),
    assuming=(beta_1 < beta_2, n * (1 - beta_1) > beta_1, UNBIASED),
    title="Adam with momentum and bounded gradients as published, vacuous at practical sizes.",
    standing=Standing.RECALLED,
    source="defossez-2022",
    proof="""As published, times the effective number of steps n - beta_1 / (1 - beta_1); not derived again here. At
beta_1 = 0 it is the bound without momentum with 12 p R^2 for 4 p R^2.""",
    wrong={
        "a thousandth": Le(effective * drawn, momentum / 1000),
        "a hundredth": Le(effective * drawn, momentum / 100),
    },
    papers={"A-sgd-adam-rate": "qualifies"},
)
