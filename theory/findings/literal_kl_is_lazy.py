"""The textbook prior of a VAE keeps a wide network's tangent kernel at its start, so training is kernel regression.

Finite form that falls: at width m = 16384 the kernel of the trained network lies within a tenth of the first one,

    |Theta_m(end) - Theta_m(0)|  <=  |Theta_m(0)| / 10.

The KL term to N(0, I) acts on every latent at order 1, the data only at order 1 / sqrt m: the means collapse.

Units: pure numbers.
"""

from sympy import Le, Rational

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import LITERAL_KL
from elbound.theory.symbols import kernel_moved, m

LITERAL_KL_IS_LAZY = Claim(
    LITERAL_KL,
    Le(kernel_moved, Rational(1, 10)),
    assuming=(m >= 1024,),
    standing=Standing.CONJECTURE,
    proof="Wide networks are said to train with a frozen tangent kernel.",
    papers={"B-krr": "qualifies"},
    repaired_by="a prior centred at the initialisation (tangent/krr)",
)
