"""The plain encoder gradient drowns in its noise like K^(-1/2); DReG and the decoder's gain like K^(1/2).

The encoder's gradient itself is of order 1/K. The plain estimator's variance is of order 1/K, the doubly
reparameterised one's K^-3 (Q < 4P/3), the decoder's 1/K around a mean of order one. With slopes of log against log K,

    plain encoder -1/2,      doubly reparameterised encoder +1/2,      decoder +1/2,

and K times the plain variance tends to E (dw/dm)^2: it is no variance of a single draw divided by K. That it is there
within a share 3/K near the posterior is measured.

Units: signal to noise has none; variances in nats^2 per squared unit of the latent.
"""

from sympy import Abs, Eq, Expr, Ge, Integer, Le, Rational, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.evaluate import Slope
from elbound.theory.importance.moments import moment
from elbound.theory.settings import IWAE_GRADIENT
from elbound.theory.symbols import (
    K,
    Q,
    bound_slope,
    decoder_mean,
    decoder_var,
    dreg_mean,
    dreg_var,
    evidence_slope,
    plain_mean,
    plain_var,
    ratio,
    shift2,
    stl_mean,
)

few, many = Integer(16), Integer(1024)
NEAR = (ratio >= Rational(4, 5), ratio <= Rational(11, 10))
APART = shift2 >= Rational(1, 100)


def signal(mean: Expr, variance: Expr) -> Expr:
    """Absolute mean over standard deviation."""
    return Abs(mean) / sqrt(variance)


def plain(count: Expr) -> Expr:
    return signal(plain_mean[count], plain_var[count])


def dreg(count: Expr) -> Expr:
    return signal(dreg_mean[count], dreg_var[count])


def decoder(count: Expr) -> Expr:
    return signal(decoder_mean[count], decoder_var[count])


PLAIN = Claim(
    IWAE_GRADIENT,
    Eq(Slope(plain(K), K), -Rational(1, 2)),
    assuming=(*NEAR, APART),
    title="The plain encoder gradient's signal to noise falls like K^(-1/2).",
    standing=Standing.ASYMPTOTIC,
    source="rainforth-2018",
    proof="The mean is -(d chi2/dm)/(2K) to leading order, the variance E (dw/dm)^2 / K.",
    wrong={
        "constant: at least halved after 64 times the samples": Ge(plain(many), plain(few) / 2),
        "K^(1/2): grown after 64 times the samples": Ge(plain(many), plain(few)),
        "1/K: down to a thirty-second after 64 times the samples": Le(plain(many), plain(few) / 32),
    },
    papers={"A-iwae": "qualifies"},
)

DREG = Claim(
    IWAE_GRADIENT,
    Eq(Slope(dreg(K), K), Rational(1, 2)),
    assuming=(*NEAR, APART),
    title="The doubly reparameterised encoder gradient's signal to noise grows like K^(1/2).",
    standing=Standing.ASYMPTOTIC,
    source="tucker-2019",
    proof="The mean is that of the plain estimator; the variance is of order K^-3 where E w^4 is finite, Q < 4P/3.",
    wrong={
        "K^(-1/2): fallen after 64 times the samples": Le(dreg(many), dreg(few)),
        "constant: at most doubled after 64 times the samples": Le(dreg(many), 2 * dreg(few)),
    },
    papers={"A-iwae": "qualifies"},
)

DECODER = Claim(
    IWAE_GRADIENT,
    Eq(Slope(decoder(K), K), Rational(1, 2)),
    assuming=(*NEAR, evidence_slope**2 >= Rational(1, 100)),
    title="The decoder gradient's signal to noise grows like K^(1/2).",
    standing=Standing.ASYMPTOTIC,
    source="rainforth-2018",
    proof="The mean tends to the derivative of the log-evidence, the variance is of order 1/K.",
    wrong={
        "constant: at most doubled after 64 times the samples": Le(decoder(many), 2 * decoder(few)),
        "K: grown 32-fold after 64 times the samples": Ge(decoder(many), 32 * decoder(few)),
    },
    papers={"A-iwae": "carries"},
)

scale = Q / ratio
limit = moment(Integer(2)) * scale * (1 / (2 - ratio) + shift2 * ratio**2 / (2 - ratio) ** 2)

PLAIN_VARIANCE = Claim(
    IWAE_GRADIENT,
    Le(Abs(K * plain_var[K] - limit), 3 * limit / K),
    assuming=(K >= 64, *NEAR, shift2 <= Rational(1, 5)),
    title="Near the posterior K times the plain encoder gradient's variance is E (dw/dm)^2 within a share 3/K.",
    standing=Standing.MEASURED,
    source="rainforth-2018",
    proof="Delta method for the ratio of sums; a Gaussian integral. The share is checked, not derived.",
    wrong={
        "a single draw's variance over K": Le(Abs(K * plain_var[K] - plain_var[1]), 3 * limit / K),
        "the same at 1 and 20 samples": Eq(20 * plain_var[20], plain_var[1]),
        "variance 1/K^2": Le(Abs(K**2 * plain_var[K] - limit), 3 * limit / K),
        "second moment of w dropped": Le(Abs(K * plain_var[K] - limit / moment(Integer(2))), 3 * limit / K),
    },
    papers={"A-iwae": "qualifies"},
)

UNBIASED = Claim(
    IWAE_GRADIENT,
    Eq(plain_mean[K], bound_slope[K]),
    title="The plain estimator has the derivative of the bound as its mean.",
    standing=Standing.IDENTITY,
    source="burda-2016",
    proof="The law of the noise does not depend on the encoder; derivative and expectation change places.",
    wrong={
        "sticking the landing": Eq(stl_mean[K], bound_slope[K]),
        "as with one sample": Eq(plain_mean[1], bound_slope[K]),
    },
    papers={"A-iwae": "carries"},
)

DREG_UNBIASED = Claim(
    IWAE_GRADIENT,
    Eq(dreg_mean[K], plain_mean[K]),
    title="The doubly reparameterised estimator has the same mean as the plain one.",
    standing=Standing.IDENTITY,
    source="tucker-2019",
    proof="Integration by parts turns the score's part of the plain estimator into sum (w~^2 - w~) d log w.",
    wrong={
        "weights not squared": Eq(stl_mean[K], plain_mean[K]),
        "half": Eq(dreg_mean[K] / 2, plain_mean[K]),
    },
    papers={"A-iwae": "carries"},
)
