"""Commonly stated: the Linear VAE's objective has a Lipschitz gradient.

It is the assumption of most theorems on SGD, read as one constant L for all weights; no source that we know states it
of this model. In a finite form: the Hessian is no larger at (2W, 2V) than at (W, V). That is what one constant would
imply: the objective is quartic and even, so along the ray s (W, V) every entry of the Hessian is A + s^2 B, bounded in
s only where B = 0, and then the Hessian is the same at every s. One point at which the norm grows refutes every L. The
abstract of Herrera, Krach and Teichmann (2020) says the same of feed-forward networks: no constant serves all weights.

Units: nats per squared unit of the weights.
"""

from sympy import Le

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import LINEAR_VAE_POINT
from elbound.theory.symbols import hessian, hessian_2r

SMOOTH_LINEAR_VAE = Claim(
    LINEAR_VAE_POINT,
    Le(hessian_2r, hessian),
    standing=Standing.CONJECTURE,
    proof="Refuted: at V = -W^T of rank one the curvature is (lam / sigma_x2) (1 + 3 |w|^2 / 2) and more.",
    papers={"A-bounded-iterates": "qualifies"},
    repaired_by="a ball that holds the weights, or the radial soft-clip",
)
