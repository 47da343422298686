"""Where training with a ridge comes to rest, the displacement is the pulled residual divided by the ridge.

At every stationary point of (1/2) |y - f|^2 + (ridge/2) |W - W_0|^2, at any width,

    W* - W_0 = J(W*)^T (y - f*) / ridge.

The norms of both sides and their inner product agree, which together are the vector identity (Cauchy-Schwarz). Both
sides are measured where a solver came to rest, the right one by automatic differentiation, which the solver does not
use. A KL term between N(W, s^2 I) and a prior N(W_0, s^2 I), weight beta, is such a ridge: beta sigma_x^2 / s^2.

Units: squared outputs per weight.
"""

from sympy import Eq

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import WIDE_RIDGE
from elbound.theory.symbols import displacement, pulled, ridge, work

PAPERS = {"B-krr": "carries"}
SOURCE = "hu-li-yu-2020"
STATIONARY = "The gradient ridge (W - W_0) - J^T (y - f) vanishes."

RIDGE_DUAL = Claim(
    WIDE_RIDGE,
    Eq(displacement, pulled / ridge),
    standing=Standing.IDENTITY,
    source=SOURCE,
    proof=STATIONARY,
    wrong={"ridge x 2": Eq(displacement, pulled / (2 * ridge)), "ridge / 2": Eq(displacement, 2 * pulled / ridge)},
    papers=PAPERS,
)

DIRECTION = Claim(
    WIDE_RIDGE,
    Eq(displacement**2, work / ridge),
    title="Displacement and pulled residual point the same way where training with a ridge comes to rest.",
    standing=Standing.IDENTITY,
    source=SOURCE,
    proof=STATIONARY,
    wrong={"ridge x 2": Eq(displacement**2, work / (2 * ridge)), "ridge / 2": Eq(displacement**2, 2 * work / ridge)},
    papers=PAPERS,
)
