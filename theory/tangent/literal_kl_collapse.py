"""A standard normal prior on an m-wide latent empties every latent and leaves a shrunk linear autoencoder.

With the KL term b |W x_i|^2 / 2 for each datum (b = beta sigma_x^2), at every stationary point each latent's means have

    sum_i (w_r . x_i)^2  <=  d phi_1^2 |y - f|^2 / (b^2 m),

so they are O(m^-1/2). There phi_s is linear, and with kappa = phi_s'(0)^2 and A A^T = m I the erf network tends to
kappa / (kappa + b) x: no kernel regression with the tangent kernel.

Units: the gain is a pure number.
"""

from sympy import Abs, Le, Rational

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import LITERAL_KL
from elbound.theory.symbols import b_kl, d, kappa_0, latent_mean2, m, mean_gain, phi_1, residual_end

gain = kappa_0 / (kappa_0 + b_kl)
largest = d * phi_1**2 * residual_end**2 / (b_kl**2 * m)
PAPERS = {"B-krr": "qualifies"}

LITERAL_KL_COLLAPSE = Claim(
    LITERAL_KL,
    Le(Abs(mean_gain - gain), gain / 50),
    assuming=(m >= 1024,),
    standing=Standing.ASYMPTOTIC,
    proof="""With latents of order m^-1/2 the network is sqrt(kappa) A W x / sqrt m up to order 1 / m; that linear
autoencoder with penalty b |W x|^2 and A A^T = m I
has the gain kappa / (kappa + b).""",
    wrong={
        "kappa dropped": Le(Abs(mean_gain - 1 / (1 + b_kl)), 1 / (1 + b_kl) / 50),
        "no shrinkage": Le(Abs(mean_gain - 1), Rational(1, 50)),
    },
    papers=PAPERS,
)

LATENTS = Claim(
    LITERAL_KL,
    Le(latent_mean2, largest),
    title="Under a standard normal prior the means of every latent are of order m^-1/2.",
    standing=Standing.PROVED,
    proof="""In whitened inputs stationarity reads b w_r = (1 / sqrt m) sum_i (A^T (y - f_i))_r phi_s'(w_r . x_i) x_i,
whose norm is at most phi_1 sqrt(d) |y - f| / sqrt m.""",
    wrong={"1/m^2": Le(latent_mean2, largest / m), "b dropped": Le(latent_mean2, largest * b_kl**2 / 4)},
    papers=PAPERS,
)
