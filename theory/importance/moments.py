"""Every moment of the normalised importance weight has a closed form, finite exactly when tP + (1 - t)Q > 0.

With posterior precision P, encoder precision Q, means a distance dm apart, and A = t + (1 - t) Q/P,

    E w^t  =  (Q/P)^((1-t)/2) A^(-1/2) exp(t (t - 1) (Q/P) P dm^2 / (2 A)),   finite iff A > 0.

So the variance is finite exactly for Q < 2P: an encoder variance above half of the posterior's.

Units: none; w has mean one.
"""

from sympy import Eq, Expr, exp, log

from elbound.theory.claim import Claim, Standing
from elbound.theory.evaluate import Exceeds
from elbound.theory.settings import IWAE_MOMENT
from elbound.theory.symbols import growth, log_moment, order, ratio, shift2


def precision_of(t: Expr) -> Expr:
    """Precision of w^t q over the posterior's: the moment is finite where it is positive."""
    return t + (1 - t) * ratio


def log_of_moment(t: Expr) -> Expr:
    """Logarithm of E w^t where it is finite."""
    left = precision_of(t)
    return (1 - t) * log(ratio) / 2 - log(left) / 2 + t * (t - 1) * ratio * shift2 / (2 * left)


def moment(t: Expr) -> Expr:
    """E w^t where it is finite."""
    return exp(log_of_moment(t))


SQUARE = "The logarithm of w^t q is a parabola in z with leading coefficient -(tP + (1 - t)Q)/2. "

CLOSED = Claim(
    IWAE_MOMENT,
    Eq(log_moment, log_of_moment(order)),
    assuming=(precision_of(order) > 0,),
    title="The moments of the normalised importance weight have a closed form.",
    standing=Standing.IDENTITY,
    proof=SQUARE + "Completing the square leaves a Gaussian integral.",
    wrong={
        "P/Q for Q/P": Eq(log_moment, log_of_moment(order) - (1 - order) * log(ratio)),
        "means equal": Eq(log_moment, (1 - order) * log(ratio) / 2 - log(precision_of(order)) / 2),
        "t^2 for t(t - 1)": Eq(log_moment, log_of_moment(order) + order * ratio * shift2 / (2 * precision_of(order))),
    },
    papers={"A-iwae": "qualifies"},
)

FINITE = Claim(
    IWAE_MOMENT,
    Eq(Exceeds(2, growth), Exceeds(precision_of(order), 0)),
    assuming=(precision_of(order) ** 2 * 100 >= 1,),
    title="A moment of the normalised importance weight is finite exactly when tP + (1 - t)Q > 0.",
    standing=Standing.IDENTITY,
    proof=SQUARE
    + """Where it is negative or zero the integrand is convex, so over [-2R, 2R] it integrates to at least twice as much
as over [-R, R]; where it is at least 1/10 both hold all but a vanishing part of the whole.""",
    wrong={
        "variance finite for Q < P only": Eq(Exceeds(2, growth), Exceeds(order + 2 * (1 - order) * ratio, 0)),
        "variance finite up to Q < 4P": Eq(Exceeds(2, growth), Exceeds(order + (1 - order) * ratio / 2, 0)),
        "always finite": Eq(Exceeds(2, growth), 1),
    },
    papers={"A-iwae": "qualifies"},
)
