"""On the ball of radius r the Linear VAE's negative ELBO has a Hessian of norm at most L(r).

With fixed encoder variances and |W|_F^2 + |V|_F^2 <= r^2,

    |Hess F(W, V)|  <=  L(r) = (lam / sigma_x2) (1 + 3 r^2 / 2) + max(beta lam, D_max / sigma_x2).

Attained at V = (r / sqrt 2) u e^T = -W^T, u the leading eigenvector of the data, when every encoder variance equals
D_max and beta lam = D_max / sigma_x2. L(r) grows like r^2: without a ball or a clip there is no smoothness constant.

Units: nats per squared unit of the weights.
"""

from sympy import Le, Max, Min, Rational

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import LINEAR_VAE_BALL
from elbound.theory.symbols import D_max, beta, hessian, lam, r, sigma_x2

largest = Max(beta * lam, D_max / sigma_x2)
ball_smoothness = lam / sigma_x2 * (1 + Rational(3, 2) * r**2) + largest

BALL = Claim(
    LINEAR_VAE_BALL,
    Le(hessian, ball_smoothness),
    standing=Standing.PROVED,
    proof="""Along a direction (W', V') of norms (a, b) the second derivative is the mean of |V'Wx + VW'x|^2 / sigma_x2
less twice the mean of residual . V'W'x / sigma_x2, plus tr(V' D V'^T) / sigma_x2 + beta mean |W'x|^2. The first is at
most lam r^2 (a^2 + b^2) / sigma_x2, the second lam (1 + r^2 / 2) (a^2 + b^2) / sigma_x2, the rest the maximum.""",
    wrong={
        "L/1.25": Le(hessian, ball_smoothness / Rational(5, 4)),
        "L/2": Le(hessian, ball_smoothness / 2),
        "r^2 for 3/2 r^2": Le(hessian, lam / sigma_x2 * (1 + r**2) + largest),
        "min for max": Le(hessian, lam / sigma_x2 * (1 + Rational(3, 2) * r**2) + Min(beta * lam, D_max / sigma_x2)),
    },
    papers={"A-explicit-dependence": "carries", "A-bounded-iterates": "qualifies"},
    attained=0.999,
)
