"""Commonly stated: the Linear VAE's objective has a Lipschitz gradient.

In a finite form: the constant L(r) of the ball of radius r still bounds the Hessian at a point of norm 2 r. False: the
objective is quartic, its curvature grows with the square of the radius, and no constant serves all weights.

Units: nats per squared unit of the weights.
"""

from sympy import Le

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import LINEAR_VAE_POINT
from elbound.theory.smoothness.linear_vae_ball import ball_smoothness
from elbound.theory.symbols import hessian_2r

SMOOTH_LINEAR_VAE = Claim(
    LINEAR_VAE_POINT,
    Le(hessian_2r, ball_smoothness),
    standing=Standing.CONJECTURE,
    proof="Refuted: at V = -W^T of rank one the curvature is (lam / sigma_x2) (1 + 3 |w|^2 / 2) and more.",
    papers={"A-bounded-iterates": "qualifies"},
    repaired_by="a ball that holds the weights, or the radial soft-clip",
)
