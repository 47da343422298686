"""With constant beta_2 Adam comes to rest at a gradient that skewness, 1 - beta_2 and beta_1 fix to leading order.

With vanishing steps the resting point is where the mean step at a frozen parameter vanishes. To leading order in
1 - beta_2 the gradient there is

    F'  =  kappa E g^3 / (2 (E g^2 + reg^2)),   kappa = (1 - beta_1) (1 - beta_2) / (1 - beta_1 beta_2),

with moments at the minimiser and the regulariser inside the root. A preconditioner of past gradients multiplies this
by beta_1: momentum lets past gradients meet themselves again, and only without it does the bias go.

Skewness has to lead. The next order is -(3/8) (1 - beta_2)^2 E g^5 / (E g^2)^2 without momentum: on -9, -5, -1, 7, 8,
where E g^3 = 0 and E g^5 = -2520, all there is.

Units: those of the gradient.
"""

from sympy import Abs, Le, Rational

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import ADAM_DRIFT
from elbound.theory.symbols import beta_1, beta_2, g_2, g_3, g_4, g_5, reg, rest, rest_past

kappa = (1 - beta_1) * (1 - beta_2) / (1 - beta_1 * beta_2)
leading = kappa * g_3 / (2 * (g_2 + reg**2))
tenth = Rational(1, 10)
LONG_MEMORY = (
    g_2 > 0,
    beta_2 >= Rational(99, 100),
    (1 - beta_2) * g_4 <= g_2**2 / 10,
    (1 - beta_2) * g_5 <= Abs(g_3) * g_2 / 10,
)
EXPANSION = """Expand (v + reg^2)^(-1/2) about v = E g^2 to first order: E[m A] = F' phi + phi' sum_j c_j w_j E g^3 with
phi' / phi = -1 / (2 (E g^2 + reg^2)), and c_j, w_j the weights of the gradient j steps ago in m and v;
sum c_j w_j = (1 - beta_1) (1 - beta_2) sum (beta_1 beta_2)^j = kappa. The remainder of the fresh square's share is at
most (3/8) (1 - beta_2) kappa E|g|^5 / (E g^2)^(5/2), which is 3/4 (1 - beta_2) E|g|^5 / (E g^2 |E g^3|) of the leading
order, and v varies by (1 - beta_2) (E g^4 - (E g^2)^2) / 2. That both stay within a tenth together was measured"""


def within(observed: object, stated: object) -> Le:
    """Observed and stated differ by at most a tenth of the leading order."""
    return Le(Abs(observed - stated), tenth * Abs(leading))  # type: ignore[operator]


ADAM_BIAS = Claim(
    ADAM_DRIFT,
    within(rest, leading),
    assuming=LONG_MEMORY,
    standing=Standing.MEASURED,
    proof=EXPANSION + ". The mean step vanishes where F' phi = -phi' kappa E g^3.",
    wrong={
        "momentum forgotten: kappa = 1 - beta_2": within(rest, (1 - beta_2) * g_3 / (2 * (g_2 + reg**2))),
        "no bias": within(rest, 0),
        "twice the bias": within(rest, 2 * leading),
        "the other sign": within(rest, -leading),
        "regulariser forgotten": within(rest, kappa * g_3 / (2 * g_2)),
    },
    papers={"A-sgd-adam-rate": "qualifies"},
)

PAST = Claim(
    ADAM_DRIFT,
    within(rest_past, beta_1 * leading),
    assuming=LONG_MEMORY,
    title="A preconditioner of past gradients multiplies Adam's bias by beta_1, so without momentum there is none.",
    standing=Standing.MEASURED,
    proof=EXPANSION
    + """; one step later every w_j moves to j + 1, which leaves
sum c_(j+1) w_j = beta_1 kappa. Without momentum the two factors are independent and the mean step is F' E[A].""",
    wrong={
        "the same bias": within(rest_past, leading),
        "no bias, with momentum too": within(rest_past, 0),
    },
    papers={"A-sgd-adam-rate": "qualifies"},
)
