"""For h = cos(omega e + phase) and standard normal e both gradients' variances have closed forms.

With c = cos(2 phase) and the mean's square m = omega^2 (1 - c) e^(-omega^2) / 2,

    Var(score) = (1 + c (1 - 4 omega^2) e^(-2 omega^2)) / 2 - m,
    Var(path)  = omega^2 (1 - c e^(-2 omega^2)) / 2 - m.

The derivative grows with the frequency and the integrand does not, so there is no order between the two.

Units: squared units of h per squared unit of the mean.
"""

from sympy import Eq, exp

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import OSCILLATING_INTEGRAND
from elbound.theory.symbols import omega_e, phase_c, v_path, v_score

mean_square = omega_e**2 * (1 - phase_c) * exp(-(omega_e**2)) / 2
decay = exp(-2 * omega_e**2)
DOUBLED = "cos^2 = (1 + cos of twice the angle) / 2, and E e^(i t e) = e^(-t^2 / 2) with its second derivative in t. "

SCORE = Claim(
    OSCILLATING_INTEGRAND,
    Eq(v_score + mean_square, (1 + phase_c * (1 - 4 * omega_e**2) * decay) / 2),
    title="For an oscillating integrand the score-function gradient's variance stays bounded as the frequency grows.",
    standing=Standing.IDENTITY,
    proof=DOUBLED + "Var = E h^2 e^2 - (E h e)^2.",
    wrong={
        "2 omega^2 for 4 omega^2": Eq(v_score + mean_square, (1 + phase_c * (1 - 2 * omega_e**2) * decay) / 2),
        "mean left out": Eq(v_score, (1 + phase_c * (1 - 4 * omega_e**2) * decay) / 2),
    },
    papers={"A-explicit-dependence": "qualifies"},
)

PATH = Claim(
    OSCILLATING_INTEGRAND,
    Eq(v_path + mean_square, omega_e**2 * (1 - phase_c * decay) / 2),
    title="For an oscillating integrand the pathwise gradient's variance grows like the frequency's square.",
    standing=Standing.IDENTITY,
    proof=DOUBLED + "Var = E h'^2 - (E h')^2.",
    wrong={
        "no growth": Eq(v_path + mean_square, (1 - phase_c * decay) / 2),
        "mean left out": Eq(v_path, omega_e**2 * (1 - phase_c * decay) / 2),
    },
    papers={"A-explicit-dependence": "qualifies"},
)
