"""The least gradient along n gradient steps on a smooth objective has a worst case in closed form.

For steps gamma_t <= sqrt(3) / L without noise, over the start and the n points reached,

    min |grad F(w_t)|^2  <=  4 Delta / [ sum min(4 gamma_t - L gamma_t^2, 4 gamma_t - L^2 gamma_t^3) + 2 / L ].

Attained for steps up to 1 / L by a function of one variable whose derivative falls with slope -L and rises with slope L
between one point and the next, and falls to zero behind the last. Beyond sqrt(3) / L the bound is false.

Units: F in nats, so both sides are nats^2 per squared unit of the weights.
"""

from sympy import Le, Min, Rational, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import GRADIENT_DESCENT_RUN, SMOOTH, total
from elbound.theory.symbols import Delta, L, gamma, gamma_max, least_square, n, t

short, long = 4 * gamma[t] - L * gamma[t] ** 2, 4 * gamma[t] - L**2 * gamma[t] ** 3
least = least_square[n]
worst = 4 * Delta / (total(Min(short, long)) + 2 / L)

SMALLEST_GRADIENT = Claim(
    GRADIENT_DESCENT_RUN,
    Le(least, worst),
    assuming=(L * gamma_max <= sqrt(3), SMOOTH),
    standing=Standing.RECALLED,
    source="abbaszadehpeivasti-2022",
    proof="""Interpolation inequalities of smooth functions between consecutive points bound the fall of F along a step
from below by min(...)/4 times the least squared gradient; behind the last point F still falls by 1 / (2 L)
of it.""",
    wrong={
        "1 percent less": Le(least, worst / Rational(101, 100)),
        "curvature within a step forgotten": Le(least, 4 * Delta / (total(4 * gamma[t]) + 2 / L)),
        "twice the fall behind the last point": Le(least, 4 * Delta / (total(Min(short, long)) + 4 / L)),
    },
    attained=0.999999,
)
