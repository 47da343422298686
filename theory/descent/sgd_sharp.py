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


ORDER = Claim(
    SGD_HORIZONS,
    Eq(Slope(average[n] / log(n), n), -Rational(1, 2)),
    assuming=(L * C < 2, UNBIASED, SMOOTH, sigma_inf2 > 0),
    title="With noise the weighted mean square on a quadratic, divided by log n, falls like n^(-1/2).",
    standing=Standing.ASYMPTOTIC,
    proof="""On quadratics E a_t is L gamma_t sigma^2 / 2 to leading order where sigma^2 > 0, so the sum of
gamma_t E a_t is of order log n. What is compared is the slope of the mean over log n with -1/2. Without noise the sum
of gamma_t E a_t stays bounded, the mean is of order 1 / sqrt n, and over log n its slope is -1/2 - 1 / log n.""",
    wrong={
        "1/n: no more than doubled after a thousandfold n": Le(growth(1), 2),
        "n^-1/4: at least halved after a thousandfold n": Ge(growth(Rational(1, 4)), Rational(1, 2)),
        "no log: no more than 3/2 after a thousandfold n": Le(growth(Rational(1, 2)) * 2, Rational(3, 2)),
    },
    papers={"A-sgd-adam-rate": "carries"},
)
