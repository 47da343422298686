"""SGD on a radially clipped deep Gaussian VAE obeys the sharp rate with a layerwise smoothness constant, any beta.

The weights are w = theta / sqrt(1 + |theta|^2 / r^2), so that no spectral norm exceeds r, and the objective of theta
is smooth with L = L(r) + 48 / (25 sqrt 5) G_r / r, L(r) the layerwise bound on the ball. The constant is vacuous in
depth, hence the steps it allows are short; with the directional constants of the run itself,

    sum gamma_t a_t = F_1 - F_(n+1) + sum gamma_t <grad F_t, grad F_t - g_t> + (1/2) sum L_t gamma_t^2 |g_t|^2,

an identity whose middle term has mean zero. The reconstruction term's noise is three-valued with the Gaussian's first
five moments, so every expectation given the weights is a finite sum: a surrogate of the Gaussian ELBO, said so.

Units: nats^2 per squared unit of theta.
"""

from sympy import Eq, Le, Rational, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.descent.sgd_sharp import DESCENT
from elbound.theory.settings import DEEP_RUN, UNBIASED, total
from elbound.theory.smoothness.deep_layerwise import layerwise_smoothness
from elbound.theory.symbols import C, F, G_r, L, a, bend, n, r, sigma2, slip, t, z_score

clipped_smoothness = layerwise_smoothness + Rational(48, 25) / sqrt(5) * G_r / r
step = C / sqrt(t)
weight = step * (1 - L * step / 2)
noise = L / 2 * total(step**2 * sigma2[t])
mean_square = total(weight * a[t]) / total(weight)
slipped = total(step * slip[t])
bent = total(step**2 * bend[t]) / 2

SGD_DEEP_GAUSSIAN_VAE = Claim(
    DEEP_RUN,
    Le(mean_square, (F[1] - F[n + 1] + noise) / total(weight)),
    assuming=(L * C < 2, UNBIASED),
    where={L: clipped_smoothness},
    standing=Standing.PROVED,
    source="ghadimi-lan-2013",
    proof="""The clip Phi has |DPhi| <= 1 and |D^2 Phi| <= 48 / (25 sqrt 5 r), so the Hessian of F(Phi(theta)) is at
most the layerwise bound on the ball plus |D^2 Phi| times the gradient. """
    + DESCENT,
    wrong={
        "halved": Le(mean_square, (F[1] - F[n + 1] + noise) / 2 / total(weight)),
        "noise and descent exchanged": Le(mean_square, (F[n + 1] - F[1] + noise) / total(weight)),
    },
    papers={"A-sgd-adam-rate": "carries", "A-explicit-dependence": "qualifies", "A-bounded-iterates": "qualifies"},
    attained=0.9,
)

IDENTITY = Claim(
    DEEP_RUN,
    Eq(total(step * a[t]), F[1] - F[n + 1] + slipped + bent),
    title="Descent is an identity with the smoothness constants met along each step.",
    standing=Standing.IDENTITY,
    proof="""L_t is 2 (F_(t+1) - F_t - <grad F_t, w_(t+1) - w_t>) / |w_(t+1) - w_t|^2, here computed as an integral of
gradients along the step; the sum over t telescopes in F.""",
    wrong={
        "no curvature": Eq(total(step * a[t]), F[1] - F[n + 1] + slipped),
        "curvature halved": Eq(total(step * a[t]), F[1] - F[n + 1] + slipped + bent / 2),
    },
)

MARTINGALE = Claim(
    DEEP_RUN,
    Eq(total(step * (a[t] - slip[t])), total(step * a[t])),
    assuming=(UNBIASED,),
    title="The error of the stochastic gradient adds nothing to the descent on average.",
    standing=Standing.PROVED,
    proof="""a_t - slip_t is the inner product of gradient and stochastic gradient. Given the past, the latter has the
former as its mean.""",
    wrong={"2 percent less": Eq(total(step * (a[t] - slip[t])), Rational(98, 100) * total(step * a[t]))},
)

STANDARDISED = Claim(
    DEEP_RUN,
    Eq(z_score, 0),
    assuming=(UNBIASED,),
    title="In units of its own conditional deviation the gradient's error has mean zero and variance one.",
    standing=Standing.PROVED,
    proof="""Each slip over its conditional standard deviation has conditional mean zero and conditional variance one,
and martingale differences are uncorrelated.""",
    wrong={"a tenth of a deviation": Eq(z_score, Rational(1, 10))},
)
