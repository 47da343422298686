"""A standard normal prior on a latent of large width empties every latent and leaves a shrunk linear autoencoder.

With the KL term b |W x_i|^2 / 2 for each datum (b = beta sigma_x^2), at every stationary point each latent's means have

    sum_i (w_r . x_i)^2  <=  d phi_1^2 |y - f|^2 / (b^2 m).

Where they are small phi_s is linear. With kappa = phi_s'(0)^2, A A^T = m I and |X| the root of the sum of the squared
data, the regression coefficient of the erf network's reconstruction on the data is

    kappa / (kappa + b)    up to the share    pi d kappa^2 |y - f|^3 / (3 b^2 m |X|)    of it,

at most a share pi d kappa^2 |X|^2 / (3 b^2 m) below the loss of the empty latent: the width needed grows with the
squared norm of the data. One number autoencoded attains the share as the width grows. The end is no kernel regression
with the tangent kernel.

Units: the gain is a pure number.
"""

from sympy import Abs, Le, pi, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import LITERAL_KL
from elbound.theory.symbols import N, b_kl, d, kappa_0, latent_mean2, m, mean_gain, phi_1, residual_end, tr_S

gain = kappa_0 / (kappa_0 + b_kl)
largest = d * phi_1**2 * residual_end**2 / (b_kl**2 * m)
share = pi * d * kappa_0**2 * residual_end**3 / (3 * b_kl**2 * m * sqrt(N * tr_S))
PAPERS = {"B-krr": "qualifies"}

LITERAL_KL_COLLAPSE = Claim(
    LITERAL_KL,
    Le(Abs(mean_gain - gain), gain * share),
    standing=Standing.PROVED,
    proof="""In whitened inputs U with latents P = V U^T and phi_s(u) = c u + h, phi_s' = c + g, stationarity reads
b P = (1 / sqrt m) (A^T R^T * phi_s') U U^T. Apply A / sqrt m: (1 + kappa / b) F^T U U^T = (kappa / b) X^T + (c / b) G
+ H with G = (1 / m) A (A^T R^T * g) U U^T and H = A h U U^T / sqrt m. For erf 0 <= c - phi_s' <= c a u^2 and |c u -
phi_s| <= c a |u|^3 / 3 with a = pi kappa / 4; so by the bound on the latents |G| <= c a l^2 |R| and |H| <= c^2 a l^2
|R| / (3 b), l^2 = d kappa |R|^2 / (b^2 m). Take the inner product with X.""",
    wrong={
        "kappa dropped": Le(Abs(mean_gain - 1 / (1 + b_kl)), share / (1 + b_kl)),
        "no shrinkage": Le(Abs(mean_gain - 1), share),
        "2 percent at any scale of the data": Le(Abs(mean_gain - gain), gain / 50),
    },
    papers=PAPERS,
    attained=0.999,
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
