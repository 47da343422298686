"""A radial soft-clip makes the Linear VAE's objective smooth everywhere, with a constant free of dimensions.

Phi(theta) = theta / sqrt(1 + |theta|^2 / r^2) maps all weights into the ball of radius r. |DPhi| <= 1 and

    sup |D^2 Phi| = 48 / (25 sqrt 5 r),  so  |Hess (F o Phi)| <= L(r) + 48 / (25 sqrt 5) G_r / r,

with L(r) the smoothness constant on the ball and G_r the largest gradient there. No event, no bounded iterates assumed.
The constant of the clip is sharp; the sum is not, as curvature and gradient are not largest at one point.

Units: nats per squared unit of theta.
"""

from sympy import Eq, Le, Rational, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import CLIPPED_LINEAR_VAE, RADIAL_CLIP
from elbound.theory.smoothness.linear_vae_ball import ball_smoothness
from elbound.theory.symbols import G_r, bend_sup, hessian_theta, r

bend = Rational(48, 25) / sqrt(5)
clipped_smoothness = ball_smoothness + bend * G_r / r

BEND = Claim(
    RADIAL_CLIP,
    Eq(bend_sup, bend / r),
    title="The radial soft-clip's second derivative has largest norm 48 / (25 sqrt 5 r).",
    standing=Standing.PROVED,
    proof="""A symmetric bilinear map has its norm on the diagonal, |D^2 Phi[v, v]| for unit v. With u = |theta| / r,
t = u^2 / (1 + u^2) and p the radial share of v, r^2 |D^2 Phi[v, v]|^2 is
t (1 - t)^2 (1 + p (8 - 6 t) - 3 t (4 - 3 t) p^2), concave in p. For t <= 1/3 it is largest at p = 1, where it is
9 t (1 - t)^4, at most its value 2304 / 3125 at t = 1/5. For t > 1/3 it is largest at p = 1 / (3 t), where it is
4 (1 - t)^2 / 3 < 16/27.""",
    wrong={
        "0.8": Eq(bend_sup, Rational(4, 5) / r),
        "directions across the radius only": Eq(bend_sup, 2 / (3 * sqrt(3)) / r),
    },
    papers={"A-soft-clipping": "carries"},
)

SMOOTHNESS = Claim(
    CLIPPED_LINEAR_VAE,
    Le(hessian_theta, clipped_smoothness),
    title="The radially clipped Linear VAE is smooth with constant L(r) + 48 / (25 sqrt 5) G_r / r.",
    standing=Standing.PROVED,
    proof="""The second derivative of F o Phi along v is that of F along DPhi v, at most L(r) |v|^2 as |DPhi| <= 1, plus
the gradient of F applied to D^2 Phi[v, v].""",
    wrong={
        "half": Le(hessian_theta, clipped_smoothness / 2),
        "gradient term alone": Le(hessian_theta, bend * G_r / r),
    },
    papers={"A-soft-clipping": "carries", "A-bounded-iterates": "qualifies"},
    attained=0.53,
)
