"""SGD on a radially clipped Linear VAE obeys the sharp rate with an explicit smoothness constant.

The weights are w = theta / sqrt(1 + |theta|^2 / r^2), so the objective of theta is smooth everywhere, with constant

    L = (lam / sigma_x2) (1 + 3 r^2 / 2) + max(beta lam, D_max / sigma_x2) + 48 / (25 sqrt 5) G_r / r,

and the noise that enters is the one met along the run: no event, no discarded run, no bounded iterates assumed.
Loose by a factor two to three on generic problems, because L is the worst curvature of the whole ball.

Units: nats^2 per squared unit of theta.
"""

from sympy import Le, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.descent.sgd_sharp import DESCENT
from elbound.theory.settings import CLIPPED_LINEAR_VAE_RUN, UNBIASED, total
from elbound.theory.smoothness.radial_clip import clipped_smoothness
from elbound.theory.symbols import C, Delta, F, L, a, n, sigma2, t

step = C / sqrt(t)
weight = step * (1 - L * step / 2)
noise = L / 2 * total(step**2 * sigma2[t])
mean_square = total(weight * a[t]) / total(weight)
CLIP = """The clip Phi has |DPhi| <= 1 and |D^2 Phi| <= 48 / (25 sqrt 5 r), so the Hessian of F(Phi(theta)) is at most
that of F on the ball plus |D^2 Phi| times the gradient. """

GAP = Claim(
    CLIPPED_LINEAR_VAE_RUN,
    Le(mean_square, (Delta + noise) / total(weight)),
    assuming=(L * C < 2, UNBIASED),
    where={L: clipped_smoothness},
    title="The sharp rate on the radially clipped Linear VAE, with the initial gap.",
    standing=Standing.PROVED,
    proof=CLIP + DESCENT + " The last value of F is at least its infimum.",
    wrong={"an eighth": Le(mean_square, (Delta + noise) / 8 / total(weight))},
    papers={
        "A-sgd-adam-rate": "carries",
        "A-explicit-dependence": "carries",
        "A-bounded-iterates": "qualifies",
    },
)

LAST_VALUE = Claim(
    CLIPPED_LINEAR_VAE_RUN,
    Le(mean_square, (F[1] - F[n + 1] + noise) / total(weight)),
    assuming=(L * C < 2, UNBIASED),
    where={L: clipped_smoothness},
    title="The sharp rate on the radially clipped Linear VAE, with the last value of the objective.",
    standing=Standing.PROVED,
    proof=CLIP + DESCENT,
    wrong={"an eighth": Le(mean_square, (F[1] - F[n + 1] + noise) / 8 / total(weight))},
    papers={"A-sgd-adam-rate": "carries"},
)
