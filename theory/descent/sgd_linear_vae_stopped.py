"""SGD on the unmodified Linear VAE obeys the sharp rate until it leaves a ball, with two more terms for the step out.

With tau the first step outside the ball of radius r and b = 3 lam / (2 sigma_x2), no run discarded,

    E sum_{t < tau} gamma_t (1 - L gamma_t / 2) a_t  <=  F(w_1) - E F(w at min(n + 1, tau))
        + E sum_{t < tau} [ (L/2) gamma_t^2 sigma_t^2 + (b r / 3) gamma_t^3 |g_t|^3 + (b / 12) gamma_t^4 |g_t|^4 ],

where L = L(r) is the smoothness constant on the ball. The last two terms pay for the step that leaves it, beyond which
L(r) is no smoothness constant; without them the inequality is false. They are a few percent of the right
side on ordinary runs, and nearly all of it on data with far outliers. Steps may be of any length: where L gamma_t > 2 a
weight is negative, and the inequality still true.

Units: nats.
"""

from sympy import Le, Rational

from elbound.theory.claim import Claim, Standing
from elbound.theory.descent.sgd_sharp import noise, step, weight
from elbound.theory.settings import STOPPED_LINEAR_VAE_RUN, UNBIASED, total
from elbound.theory.smoothness.linear_vae_ball import ball_smoothness
from elbound.theory.symbols import Delta, F, L, a, g3, g4, lam, n, r, sigma_x2, t

squares = total(weight * a[t])
growth = Rational(3, 2) * lam / sigma_x2
cubic = growth * r / 3 * total(step**3 * g3[t])
quartic = growth / 12 * total(step**4 * g4[t])
QUARTIC = """The objective is quartic: from a point of the ball and for every displacement of length h, whether or not
it leads out, F grows by at most its linear part, L(r) h^2 / 2, b r h^3 / 3 and b h^4 / 12, because the Hessian at
distance s from there is at most L(r + s). Take the displacement of one step, given the past, while the run is inside;
the sum over t < tau telescopes to the value at which the run stopped. """

LAST_VALUE = Claim(
    STOPPED_LINEAR_VAE_RUN,
    Le(squares, F[1] - F[n + 1] + noise + cubic + quartic),
    assuming=(UNBIASED,),
    where={L: ball_smoothness},
    title="The sharp rate on the Linear VAE until it leaves a ball, with the last value of the objective.",
    standing=Standing.PROVED,
    proof=QUARTIC,
    wrong={
        "without cubic and quartic terms": Le(squares, F[1] - F[n + 1] + noise),
        "without the quartic term": Le(squares, F[1] - F[n + 1] + noise + cubic),
        "halved": Le(squares, (F[1] - F[n + 1] + noise + cubic + quartic) / 2),
    },
    papers={
        "A-sgd-adam-rate": "carries",
        "A-explicit-dependence": "carries",
        "A-bounded-iterates": "qualifies",
    },
    attained=0.99,
)

GAP = Claim(
    STOPPED_LINEAR_VAE_RUN,
    Le(squares, Delta + noise + cubic + quartic),
    assuming=(UNBIASED,),
    where={L: ball_smoothness},
    title="The sharp rate on the Linear VAE until it leaves a ball, with the initial gap.",
    standing=Standing.PROVED,
    proof=QUARTIC + "The last value of F is at least its infimum.",
    wrong={"halved": Le(squares, (Delta + noise + cubic + quartic) / 2)},
    papers={"A-sgd-adam-rate": "carries", "A-bounded-iterates": "qualifies"},
    attained=0.54,
)
