"""With trained weight variances kernel ridge regression has the means' kernel plus half the standard deviations'.

Weights w ~ N(mu, sigma^2), prior N(mu_0, s^2), every mean and standard deviation trained on the output averaged over
them; the KL term is the penalty

    (ridge/2) (|mu - mu_0|^2 + sum (sigma^2 - s^2 - s^2 log(sigma^2 / s^2))),    ridge = beta sigma_x^2 / s^2.

Its slope in sigma is ridge (1 + s / sigma)(sigma - s), so a standard deviation moves as under a ridge of twice the size
near the prior. With J the Jacobian in (mu, sigma), Jbar its mean on the segment from the prior to where training rests,
M = diag(1, sigma / (sigma + s)) and E = Jbar M J*^T - (Theta^mu + Theta^sigma / 2),

    |f* - f_KRR|  <=  |E| |y - f*| / (ridge + lambda_min).

Equality for one datum and one output. E is at most of order 1/sqrt m: |(mu, sigma) - start| is
at most |r_0| / sqrt(ridge) wherever the loss is below its start. The sum of both kernels under one ridge would be right
for a penalty with the same curvature in sigma as in mu.

Units: those of the outputs.
"""

from sympy import Eq, Le, Rational, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import TRAINED_VARIANCES as GAUSSIAN_WEIGHTS
from elbound.theory.symbols import (
    J_lip,
    d,
    displacement,
    half_drift,
    krr_distance,
    krr_means,
    krr_sum,
    least_eigenvalue,
    m,
    phi_h,
    residual_end,
    ridge,
    sigma_moved,
    sigma_pull,
    sigma_pulled,
    theta_sigma,
    theta_sum,
    v_low,
)

PAPERS = {"B-krr": "carries"}
distance = half_drift * residual_end / (ridge + least_eigenvalue)
second = (J_lip * displacement) ** 2 / 2
moved = Rational(3, 2) * sqrt(theta_sum) * J_lip * displacement + second
tilted = theta_sigma * J_lip * residual_end / (2 * ridge)

TRAINED_VARIANCES = Claim(
    GAUSSIAN_WEIGHTS,
    Le(krr_distance, distance),
    standing=Standing.PROVED,
    proof="""At rest (mu* - mu_0, sigma* - s) = M J*^T (y - f*) / ridge and f* - f_0 = Jbar times that. With
ridge alpha = y - f* this is (Theta^mu + Theta^sigma / 2 + ridge) alpha = y - f_0 - E alpha; subtract the same for
kernel ridge regression.""",
    wrong={"full sum": Le(krr_sum, distance), "mean only": Le(krr_means, distance)},
    papers=PAPERS,
    attained=0.999999,
)

DUAL = Claim(
    GAUSSIAN_WEIGHTS,
    Eq(sigma_pull, sigma_pulled / ridge),
    title="Where training with the KL term rests, (1 + s/sigma)(sigma - s) is the pulled residual over the ridge.",
    standing=Standing.IDENTITY,
    proof="The gradient in sigma, ridge (sigma - s^2 / sigma) - J_sigma^T (y - f), vanishes.",
    wrong={
        "curvature of the means": Eq(sigma_moved, sigma_pulled / ridge),
        "twice the ridge at any distance": Eq(2 * sigma_moved, sigma_pulled / ridge),
    },
    papers=PAPERS,
)

DRIFT = Claim(
    GAUSSIAN_WEIGHTS,
    Le(half_drift, moved + tilted),
    where={J_lip: phi_h * sqrt(d / m) / v_low},
    title="The drift that separates trained variances from their kernel ridge regression is of order 1/sqrt m.",
    standing=Standing.PROVED,
    proof="""One neuron's Hessian in (mu, sigma) is E[phi''(U) v v^T] with v = (x, x * e) and U = (mu + sigma * e) . x:
at most sup |phi''| |x|^2 for erf and sqrt(2 / (pi e)) |x|^2 / std(U) for ReLU. So J has the Lipschitz constant L_J on
the segment, which bounds the first two of the three terms of E = (Jbar - J_0) M J*^T + J_0 M (J* - J_0)^T
+ J_0 (M - M_0) J_0^T. For v = sigma / s, |v / (1 + v) - 1/2| <= |1 - 1/v^2| / 2, and ridge s v (1 - 1/v^2) is the
entry of J_sigma^T (y - f*): at most s v L_J |y - f*| by the same bound on the Hessian's diagonal.""",
    wrong={"second order only": Le(half_drift, second)},
    papers=PAPERS,
)
