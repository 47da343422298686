"""SGD on a smooth objective: the weighted squared gradient is at most gap plus noise over total weight.

With steps gamma_t = C / sqrt(t), C < 2 / L, and the output index drawn with weight gamma_t (1 - L gamma_t / 2),

    E |grad F(w_R)|^2  <=  [Delta + (L/2) sum gamma_t^2 E sigma_t^2] / sum gamma_t (1 - L gamma_t / 2),

which is O(log n / sqrt n) for bounded noise. Training only the decoder offset of a Linear VAE makes the objective
quadratic with curvature L in every direction, and every inequality of the proof an equality.

Units: F in nats, so both sides are nats^2 per squared unit of the weights.
"""

from sympy import Eq, Expr, Ge, Integer, Le, Rational, log, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.evaluate import Slope
from elbound.theory.settings import SGD_HORIZONS, SGD_RUN, SMOOTH, UNBIASED, total
from elbound.theory.symbols import C, Delta, F, L, a, average, n, sigma2, sigma_inf2, t

step = C / sqrt(t)
weight = step * (1 - L * step / 2)
noise = L / 2 * total(step**2 * sigma2[t])
mean_square = total(weight * a[t]) / total(weight)

DESCENT = """The descent lemma at w_t with an unbiased gradient gives
E F(w_{t+1}) <= E F(w_t) - gamma_t (1 - L gamma_t / 2) E a_t + (L/2) gamma_t^2 E sigma_t^2;
the sum over t telescopes in F."""

SGD_SHARP = Claim(
    SGD_RUN,
    Le(mean_square, (Delta + noise) / total(weight)),
    assuming=(L * C < 2, UNBIASED, SMOOTH),
    standing=Standing.PROVED,
    source="ghadimi-lan-2013",
    proof=DESCENT + " The last value of F is at least its infimum.",
    wrong={
        "2 percent less": Le(mean_square, Rational(98, 100) * (Delta + noise) / total(weight)),
        "halved": Le(mean_square, (Delta + noise) / 2 / total(weight)),
        "L/10": Le(mean_square, (Delta + noise / 10) / total(weight)),
        "no log": Le(mean_square, (Delta + noise / total(1 / t)) / total(weight)),
    },
    papers={"A-sgd-adam-rate": "carries", "A-explicit-dependence": "carries"},
    attained=0.99,
)

TELESCOPED = Claim(
    SGD_RUN,
    Le(mean_square, (F[1] - F[n + 1] + noise) / total(weight)),
    assuming=(L * C < 2, UNBIASED, SMOOTH),
    title="The sharp rate with the last value of the objective: an equality on quadratics.",
    standing=Standing.PROVED,
    source="ghadimi-lan-2013",
    proof=DESCENT,
    wrong={
        "1 percent less noise": Le(mean_square, (F[1] - F[n + 1] + Rational(99, 100) * noise) / total(weight)),
        "half the noise": Le(mean_square, (F[1] - F[n + 1] + noise / 2) / total(weight)),
    },
    papers={"A-sgd-adam-rate": "carries"},
    attained=0.999999,
)


def growth(exponent: Expr | int) -> Expr:
    """n^exponent average / log n at n = 10^6 over the same at n = 10^3: the finite form of a wrong order."""
    few, many = Integer(10) ** 3, Integer(10) ** 6
    return (many / few) ** exponent * average[many] / average[few] * log(few) / log(many)


rise = 2 * growth(Rational(1, 2))  # of sqrt n average, as log 10^6 is twice log 10^3

ORDER = Claim(
    SGD_HORIZONS,
    Eq(Slope(average[n] / log(n), n), -Rational(1, 2)),
    assuming=(L * C < 2, UNBIASED, SMOOTH, sigma_inf2 > 0, Delta <= 2 * L * C**2 * sigma_inf2),
    title="Where noise leads, the weighted mean square on a quadratic, divided by log n, falls like n^(-1/2).",
    standing=Standing.ASYMPTOTIC,
    proof="""On quadratics the descent lemma is an equality, so the mean is Delta - (E F_{n+1} - inf F) +
(L C^2 sigma^2 / 2) H_n over 2 C sqrt n to leading order, H_n = 1 + 1/2 + ... + 1/n; E F_{n+1} - inf F vanishes. With
A = 2 Delta / (L C^2 sigma^2) the slope of the mean over log n is thus -1/2 - A / ((A + log n) log n) to leading order:
its limit is -1/2 whatever A is: in the limit a slope cannot tell log n from a constant. So the assumption is A <= 4:
from n = e^4 = 55 on most of the mean is the logarithm, and slopes from n = 10^4 on are within 0.06 of -1/2. Without
noise, or far away, the mean is of order 1 / sqrt n as far as it is measured, and over log n its slope -1/2 - 1 / log n
would agree with the claim by extrapolation alone. That there is a logarithm is the next claim.""",
    wrong={
        "1/n: no more than doubled after a thousandfold n": Le(growth(1), 2),
        "n^-1/4: at least halved after a thousandfold n": Ge(growth(Rational(1, 4)), Rational(1, 2)),
        "no log: no more than 3/2 after a thousandfold n": Le(rise, Rational(3, 2)),
    },
    papers={"A-sgd-adam-rate": "carries"},
)

LOGARITHM = Claim(
    SGD_HORIZONS,
    Ge(rise, Rational(4, 3)),
    assuming=(L * C < 2, SMOOTH, sigma_inf2 > 0, Delta <= 2 * L * C**2 * sigma_inf2),
    title="Where noise leads, sqrt n times the mean square rises by a third from n = 10^3 to 10^6: the logarithm.",
    standing=Standing.MEASURED,
    proof="""By the equality above the rise is to leading order (A + log 10^6) / (A + log 10^3), above 1.6 where A <= 4.
The total weight 2 C sqrt n - (L C^2 / 2) log n falls short of 2 C sqrt n by more at n = 10^3, for L C near 2 by a
seventh; that 4/3 remain there was measured. Without noise it does not rise. A gradient that is too short is one of
smaller steps with more noise, for which the mean square rises for longer.""",
    wrong={"doubled, as log n alone": Ge(rise, 2)},
    papers={"A-sgd-adam-rate": "carries"},
    attained=0.96,
)
