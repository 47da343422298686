"""The origin of a Linear VAE is a strict saddle exactly when lam_1 > beta sigma_x2 min_j D_j.

At W = V = 0 the gradient vanishes and the Hessian splits, along eigenvectors of the data's second moment and latent
axes, into blocks [[beta lam_i, -lam_i / sigma_x2], [-lam_i / sigma_x2, D_j / sigma_x2]], so its least eigenvalue is

    min(e(lam_1), e(lam_d)),  e(x) = (beta x + D / sigma_x2 - sqrt((beta x - D / sigma_x2)^2 + 4 x^2 / sigma_x2^2)) / 2,

with D = min_j D_j; in the saddle case it is e(lam_1). A bound on the squared gradient says nothing about leaving this
point of full posterior collapse. With learned variances the same holds at their stationary value D = 1.

Lucas et al. 2019 tell by the data's eigenvalues which stationary points of the linear VAE are saddles; the constants
here are derived.

Units: nats per squared unit of the weights.
"""

from sympy import Eq, Expr, Integer, Min, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.evaluate import Exceeds
from elbound.theory.settings import FIXED_VARIANCES, LINEAR_VAE_LANDSCAPE
from elbound.theory.symbols import D_i, beta, d, lam_i, least_curvature, sigma_x2


def edge(x: Expr, weight: Expr = beta, variance: Expr = D_i[1], coupling: Expr = 4 / sigma_x2**2) -> Expr:
    """The least eigenvalue of the block of an eigenvalue x of the data and an encoder variance."""
    trace, difference = weight * x + variance / sigma_x2, weight * x - variance / sigma_x2
    return (trace - sqrt(difference**2 + coupling * x**2)) / 2


def least(**changes: Expr) -> Expr:
    """The least eigenvalue over the blocks of the largest and of the smallest eigenvalue."""
    return Min(edge(lam_i[1], **changes), edge(lam_i[d], **changes))


BLOCKS = """Along an eigenvector of S and a latent axis the Hessian at the origin is the block above, of determinant
(lam_i / sigma_x2) (beta D_j - lam_i / sigma_x2), and a block grows with D_j, so min_j D_j counts. """

SADDLE = Claim(
    LINEAR_VAE_LANDSCAPE,
    Eq(Exceeds(Integer(0), least_curvature), Exceeds(lam_i[1], beta * sigma_x2 * D_i[1])),
    assuming=(FIXED_VARIANCES,),
    title="The origin has a direction of descent exactly when the largest eigenvalue exceeds beta sigma_x2 min D.",
    standing=Standing.PROVED,
    source="lucas-2019",
    proof=BLOCKS + "The trace is positive, so a negative eigenvalue exists iff some determinant is negative.",
    wrong={
        "condition without beta": Eq(Exceeds(Integer(0), least_curvature), Exceeds(lam_i[1], sigma_x2 * D_i[1])),
        "condition without D": Eq(Exceeds(Integer(0), least_curvature), Exceeds(lam_i[1], beta * sigma_x2)),
    },
)

LEAST = Claim(
    LINEAR_VAE_LANDSCAPE,
    Eq(least_curvature, least()),
    assuming=(FIXED_VARIANCES,),
    title="The least curvature at the origin is in closed form, on both sides of the saddle condition.",
    standing=Standing.PROVED,
    source="lucas-2019",
    proof=BLOCKS
    + """A block is linear in lam_i, so its least eigenvalue e is concave in lam_i and least over an interval at one of
its ends. As e vanishes at 0 and at beta sigma_x2 D, it is non-negative between and decreases beyond, so in the saddle
case the largest eigenvalue gives the least.""",
    wrong={
        "without beta": Eq(least_curvature, least(weight=Integer(1))),
        "without D": Eq(least_curvature, least(variance=Integer(1))),
        "half the coupling": Eq(least_curvature, least(coupling=1 / sigma_x2**2)),
        "largest eigenvalue only": Eq(least_curvature, edge(lam_i[1])),
    },
)
