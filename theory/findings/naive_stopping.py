"""Commonly stated: until a run leaves the ball, the descent inequality holds with the ball's smoothness constant alone.

    E F(w_{n+1})  <=  F(w_1) - sum gamma_t (1 - L gamma_t / 2) a_t + (L/2) sum gamma_t^2 sigma_t^2,   L = L(r).

False: the step that leaves the ball passes through a region where L(r) is no smoothness constant, and the exit cannot
be conditioned away. One step from the ball's edge on data with two outliers is enough.

Units: nats.
"""

from sympy import Le, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import SGD_RUN, SMOOTH_ON_BALL, UNBIASED, total
from elbound.theory.symbols import C, F, L, a, n, sigma2, t

step = C / sqrt(t)

NAIVE = Claim(
    SGD_RUN,
    Le(F[n + 1], F[1] - total(step * (1 - L * step / 2) * a[t]) + L / 2 * total(step**2 * sigma2[t])),
    assuming=(L * C < 2, UNBIASED, SMOOTH_ON_BALL),
    standing=Standing.CONJECTURE,
    proof="Refuted: the objective is quartic; the cubic and quartic parts of a step out of the ball are missing.",
    papers={"A-bounded-iterates": "qualifies"},
    repaired_by="cubic and quartic terms of the step in the descent lemma, or a radial clip",
)
