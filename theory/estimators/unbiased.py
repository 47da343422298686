"""Pathwise, score-function, importance-weighted and doubly reparameterised gradients have the bound's gradient as mean.

For an encoder q = N(mean, D) and the negative bound with K latent samples each estimator's mean is the gradient, in the
mean and in the log-variance alike. The pathwise one asks of the noise only mean zero and variance one where the
integrand is quadratic; the others need the Gaussian itself.

Units: nats per unit of the encoder's mean, nats for a log-variance.
"""

from sympy import Eq

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import ENCODER_GRADIENT
from elbound.theory.symbols import K, beta, elbo_mu, est_l, est_mu, slope_l, slope_mu

PROOF = """Pathwise and importance-weighted: derivative and expectation change places, the noise's law being free of the
encoder. Score function: the derivative of q is q times its score. Doubly reparameterised: in the importance-weighted
gradient the score of q at z_k appears times the normalised weight w_k; integration by parts along z_k turns its mean
into that of (w_k - w_k^2) times the path derivative with the opposite sign, and w_k^2 remains."""

MEAN = Claim(
    ENCODER_GRADIENT,
    Eq(est_mu, slope_mu),
    title="Pathwise, score-function, importance-weighted and DReG gradients are unbiased in the encoder's mean.",
    standing=Standing.PROVED,
    proof=PROOF,
    wrong={
        "the ELBO's gradient, whatever K": Eq(est_mu, elbo_mu),
        "1/K of the gradient": Eq(est_mu, slope_mu / K),
        "opposite sign": Eq(est_mu, -slope_mu),
    },
    papers={"A-iwae": "carries"},
)

LOG_VARIANCE = Claim(
    ENCODER_GRADIENT,
    Eq(est_l, slope_l),
    title="Pathwise, score-function, importance-weighted and DReG gradients are unbiased in the log-variance.",
    standing=Standing.PROVED,
    proof=PROOF,
    wrong={
        "entropy term missing": Eq(est_l, slope_l + beta / 2),
        "derivative in the log-deviation": Eq(est_l, 2 * slope_l),
        "1/K of the gradient": Eq(est_l, slope_l / K),
    },
    papers={"A-iwae": "carries"},
)
