"""An amortised encoder with a prior around its first means is ridge regression with x^T G^+ x' in place of x.x'.

Encoder N(W x_i, s_z^2), prior N(W_0 x_i, s_z^2) for each datum: the KL term is (ridge/2) |(W - W_0) X^T|^2, a distance
of functions. With G = X^T X and whitened inputs G^{+1/2} x it is a ridge on the weights (W - W_0) G^{1/2}, so every
statement about a ridge (tangent/krr, tangent/ridge-dual) holds with the whitened inputs, and the kernel is

    (x^T G^+ x') E[phi_s'(w.x) phi_s'(w.x')],    at width m its average over the neurons.

Jacobians, drift and displacement here are in the whitened weights; the displacement is that of the encoder's
means over the data. Whitened, |G| = 1 and |x| <= 1: the Lipschitz constant needs nothing of the data's scale. Linearly
independent inputs have the identity as their hat matrix: no datum then learns from another.

Units: those of the outputs.
"""

from sympy import Le, Rational, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import AMORTISED as WHITENED
from elbound.theory.settings import INDEPENDENT
from elbound.theory.symbols import (
    J_lip,
    krr_alone,
    krr_distance,
    krr_double,
    krr_plain,
    least_eigenvalue,
    r_0,
    ridge,
    theta_top,
)
from elbound.theory.tangent.gd_step import jacobian_lipschitz
from elbound.theory.tangent.krr import distance

PAPERS = {"B-krr": "qualifies"}
reach = J_lip * r_0 / sqrt(ridge)
first_order = (reach * Rational(3, 2) * sqrt(theta_top) + reach**2 / 2) * r_0
before_training = first_order / (ridge + least_eigenvalue)

AMORTISED = Claim(
    WHITENED,
    Le(krr_distance, distance),
    standing=Standing.PROVED,
    proof="""|(W - W_0) X^T| = |(W - W_0) G^{1/2}|, and outputs on the data depend on W G^{1/2} alone; so this is a
ridge problem in W G^{1/2} with inputs G^{+1/2} x, whose inner products are x^T G^+ x', and where it rests tangent/krr
applies.""",
    wrong={"plain Theta": Le(krr_plain, distance), "ridge x 2": Le(krr_double, distance)},
    papers=PAPERS,
    attained=0.999999,
)

BEFORE_TRAINING = Claim(
    WHITENED,
    Le(krr_distance, before_training),
    where=jacobian_lipschitz,
    title="How far an amortised encoder ends from its ridge regression is of order 1/sqrt m, with a known constant.",
    standing=Standing.PROVED,
    proof="""The loss ends below its start, so |y - f*| <= |r_0| and the displacement is at most |r_0| / sqrt(ridge);
put both into the drift's bound of tangent/krr.""",
    wrong={"plain Theta": Le(krr_plain, before_training)},
    papers=PAPERS,
)

ALONE = Claim(
    WHITENED,
    Le(krr_alone, distance),
    assuming=(INDEPENDENT,),
    title="With linearly independent inputs an amortised encoder shrinks every datum by itself.",
    standing=Standing.PROVED,
    proof="The hat matrix X G^+ X^T is the identity, so the kernel has one block for each datum.",
    wrong={"plain Theta": Le(krr_plain, distance)},
    papers=PAPERS,
)
