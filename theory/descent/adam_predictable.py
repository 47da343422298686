"""Adam without momentum and preconditioned by past gradients obeys the sharp rate of SGD in its own metric.

With steps gamma_t = C / sqrt(t), the diagonal A_t = 1 / (sqrt(v_(t-1)) + reg) known before g_t is drawn, and
a^A = grad^T A grad, a^AA = |A grad|^2, sigma^2_A the variance of A g given the past,

    E sum gamma_t a^A_t - (L/2) gamma_t^2 a^AA_t  <=  Delta + (L/2) sum gamma_t^2 E sigma^2_A,t.

With every |g| at most R, A lies between 1 / (R + reg) and 1 / reg, which gives an explicit O(log n / sqrt n) with the
noise of batch and latent samples inside. Training only the decoder offset makes every inequality of the first form an
equality up to the last objective.

Units: F in nats.
"""

from sympy import Le, Rational, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import ADAM_PREDICTABLE_RUN, UNBIASED, total
from elbound.theory.symbols import C, Delta, F, L, R, a, a_A, a_AA, n, reg, sigma2, sigma2_A, t

step = C / sqrt(t)
progress = total(step * a_A[t] - L / 2 * step**2 * a_AA[t])
noise = L / 2 * total(step**2 * sigma2_A[t])
weight = step * (1 - L * step / (2 * reg))
mean_square = total(weight * a[t]) / total(weight)
plain_noise = L / (2 * reg**2) * total(step**2 * sigma2[t])
DESCENT = """A_t is known before g_t is drawn, so E[A_t g_t] = A_t grad F and the descent lemma gives
E F(w_{t+1}) <= E F(w_t) - gamma_t a^A_t + (L/2) gamma_t^2 (a^AA_t + sigma^2_A,t), which telescopes in F."""

ADAM_PREDICTABLE = Claim(
    ADAM_PREDICTABLE_RUN,
    Le(progress, Delta + noise),
    assuming=(UNBIASED,),
    standing=Standing.PROVED,
    proof=DESCENT + " The last value of F is at least its infimum.",
    wrong={
        "1.1 times less": Le(progress, (Delta + noise) * Rational(10, 11)),
        "noise/10": Le(progress, Delta + noise / 10),
        "no log": Le(progress, Delta + noise / total(1 / t)),
    },
    papers={"A-sgd-adam-rate": "qualifies", "A-explicit-dependence": "carries"},
    attained=0.98,
)

LAST_VALUE = Claim(
    ADAM_PREDICTABLE_RUN,
    Le(progress, F[1] - F[n + 1] + noise),
    assuming=(UNBIASED,),
    title="The rate of Adam with past-gradient preconditioner and the last objective: an equality on quadratics.",
    standing=Standing.PROVED,
    proof=DESCENT,
    wrong={"1 percent less noise": Le(progress, F[1] - F[n + 1] + Rational(99, 100) * noise)},
    papers={"A-sgd-adam-rate": "qualifies"},
    attained=0.999999,
)

EXPLICIT = Claim(
    ADAM_PREDICTABLE_RUN,
    Le(mean_square, (R + reg) * (Delta + plain_noise) / total(weight)),
    assuming=(L * C / reg < 2, UNBIASED),
    title="The explicit rate of Adam with past-gradient preconditioner, no momentum, gradients bounded by R.",
    standing=Standing.PROVED,
    proof=DESCENT
    + """ Then a^AA <= a^A / reg, a^A >= a / (R + reg) and sigma^2_A <= sigma^2 / reg^2, and the last
value of F is at least its infimum.""",
    wrong={
        "A taken for 1 / reg on the left": Le(mean_square, reg * (Delta + plain_noise) / total(weight)),
        "an eighth": Le(mean_square, (R + reg) * (Delta + plain_noise) / 8 / total(weight)),
    },
    papers={"A-sgd-adam-rate": "qualifies", "A-explicit-dependence": "carries"},
    attained=0.9,
)
