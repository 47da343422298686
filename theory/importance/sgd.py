"""SGD on the importance-weighted objective obeys the sharp rate; its smoothness is free of K, its noise is not.

With bounded latent noise and weights radially clipped to the ball of radius r,

    L = A2 + A1^2 + 48 / (25 sqrt 5) A1 / r,

with A1, A2 bounds on the gradient and Hessian of log w on the ball. The noise of a batch of B data drawn with
replacement is (s1(K) + s2(K)) / B, each measured at its own K: the ratio of sums is no mean of K terms, so s2(K) is
not s2(1) / K, and s1 moves with K as well.

Units: nats^2 per squared unit of the weights.
"""

from sympy import Eq, Le, Rational, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.descent.sgd_sharp import DESCENT
from elbound.theory.settings import CLIPPED_IWAE_RUN, IWAE_NOISE, UNBIASED, total
from elbound.theory.smoothness.iwae_bounded_noise import LOG_MEAN_EXP, weighted_smoothness
from elbound.theory.symbols import A_1, B, C, F, K, L, a, n, r, s1_iw, s2_iw, sigma2, t, v_iw

clipped_smoothness = weighted_smoothness + Rational(48, 25) / sqrt(5) * A_1 / r
step = C / sqrt(t)
weight = step * (1 - L * step / 2)
noise = L / 2 * total(step**2 * sigma2[t])
mean_square = total(weight * a[t]) / total(weight)
CLIP = LOG_MEAN_EXP + "The clip has |DPhi| <= 1 and |D^2 Phi| <= 48 / (25 sqrt 5 r). "

LAST_VALUE = Claim(
    CLIPPED_IWAE_RUN,
    Le(mean_square, (F[1] - F[n + 1] + noise) / total(weight)),
    assuming=(L * C < 2, UNBIASED),
    where={L: clipped_smoothness},
    title="The sharp rate on the clipped importance-weighted objective, with the last value of the objective.",
    standing=Standing.PROVED,
    proof=CLIP + DESCENT,
    wrong={
        "halved": Le(mean_square, (F[1] - F[n + 1] + noise) / 2 / total(weight)),
        "noise dropped": Le(mean_square, (F[1] - F[n + 1]) / total(weight)),
    },
    papers={"A-iwae": "qualifies", "A-sgd-adam-rate": "carries"},
    attained=0.95,
)

NOISE = Claim(
    IWAE_NOISE,
    Eq(v_iw, (s1_iw[K] + s2_iw[K]) / B),
    title="The importance-weighted gradient's variance is (s1(K) + s2(K)) / B.",
    standing=Standing.IDENTITY,
    proof="Condition on the batch: data drawn with replacement are independent, and so are their samples.",
    wrong={
        "s2(1)/K for s2(K)": Eq(v_iw, (s1_iw[K] + s2_iw[1] / K) / B),
        "all from one sample": Eq(v_iw, s1_iw[1] / B + s2_iw[1] / (B * K)),
        "s1(1) for s1(K)": Eq(v_iw, (s1_iw[1] + s2_iw[K]) / B),
        "no 1/B": Eq(v_iw, s1_iw[K] + s2_iw[K]),
    },
    papers={"A-iwae": "qualifies", "A-explicit-dependence": "qualifies"},
)
