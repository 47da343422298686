"""A wide network in training stays as near its linear model as its tangent kernel stays near its start.

For the gradient flow of (1/2) |f - y|^2, with kappa the largest change of the kernel up to time tau, lambda the lowest
of its least eigenvalues up to then and f_lin the same flow with the first kernel,

    e lambda |f - f_lin|  <=  kappa |r_0|    and    |f - f_lin|  <=  |r_0| e^{-lambda tau} int_0^tau |change|,

the second an equality to first order in the residual for one neuron. Over the width m, kappa and the distance are
measured to be of order 1 / m where the noise makes the activation smooth, while the first kernel is off its limit by
1 / sqrt m. That a model may behave as its linearisation: Chizat, Oyallon and Bach (2019). That the kernel moves by
order 1 / m: Dyer and Gur-Ari (2020), Huang and Yau (2020), as we recall them. The bounds here are our own.

Units: those of the outputs.
"""

from sympy import E, Eq, Ge, Le, Rational, exp

from elbound.theory.claim import Claim, Standing
from elbound.theory.evaluate import Slope
from elbound.theory.settings import LINEARISATION as BESIDE
from elbound.theory.settings import WIDTHS
from elbound.theory.symbols import (
    drift_int,
    drift_m,
    drift_tau,
    gap_m,
    gap_tau,
    least_eigenvalue,
    lowest,
    m,
    r_0,
    start_m,
    tau,
)

PAPERS = {"B-linear-convergence": "carries"}
DUHAMEL = """u = f - f_lin has u' = -Theta_0 u + (Theta - Theta_0) r, and |r(t)| <= e^{-lambda t} |r_0|, so |u(tau)| is
at most |r_0| e^{-lambda tau} times the integral of |Theta - Theta_0|"""
SIGNS = """Measured, with a reason and no proof: at the start the kernel's entries change by m^(-3/2) times a sum over
neurons of random sign, of order 1 / m, as are the coherent terms. Proved is order 1 / sqrt m."""

LINEARISATION = Claim(
    BESIDE,
    Le(E * lowest * gap_tau, drift_tau * r_0),
    standing=Standing.PROVED,
    source="chizat-2019",
    proof=DUHAMEL + ", at most kappa tau; and tau e^{-lambda tau} <= 1 / (e lambda).",
    wrong={
        "2 lambda": Le(2 * E * lowest * gap_tau, drift_tau * r_0),
        "first eigenvalue": Le(E * least_eigenvalue * gap_tau, drift_tau * r_0),
    },
    papers=PAPERS,
    attained=0.5,
)

INTEGRATED = Claim(
    BESIDE,
    Le(gap_tau, r_0 * exp(-lowest * tau) * drift_int),
    title="A network's distance from its linear model is at most the integrated change of its kernel.",
    standing=Standing.PROVED,
    source="chizat-2019",
    proof=DUHAMEL + ".",
    wrong={
        "change/1.01": Le(gap_tau, r_0 * exp(-lowest * tau) * drift_int / Rational(101, 100)),
        "2 lambda": Le(gap_tau, r_0 * exp(-2 * lowest * tau) * drift_int),
    },
    papers=PAPERS,
    attained=0.99,
)

KERNEL_START = Claim(
    WIDTHS,
    Eq(Slope(start_m[m], m), -Rational(1, 2)),
    title="The first tangent kernel is off its limit by order 1 / sqrt m.",
    standing=Standing.ASYMPTOTIC,
    proof="Its entries are means over m independent neurons (central limit theorem).",
    wrong={"1/m: at most a tenth of it at 16 times the width": Le(start_m[2048], start_m[128] / 10)},
    papers={"B-kernel-limit": "carries"},
)

KERNEL_DRIFT = Claim(
    WIDTHS,
    Eq(Slope(drift_m[m], m), -1),
    title="In training the tangent kernel of a smooth network moves by order 1 / m.",
    standing=Standing.MEASURED,
    source="dyer-gur-ari-2020",
    proof=SIGNS,
    wrong={
        "1/sqrt m as sharp: at least a fifth of it at 16 times the width": Ge(drift_m[2048], drift_m[128] / 5),
        "m^(-3/2): at most a fortieth of it at 16 times the width": Le(drift_m[2048], drift_m[128] / 40),
    },
    papers=PAPERS,
)

OUTPUT_GAP = Claim(
    WIDTHS,
    Eq(Slope(gap_m[m], m), -1),
    title="In training a smooth network leaves its linear model by order 1 / m.",
    standing=Standing.MEASURED,
    source="huang-yau-2020",
    proof="By the integrated bound the distance is at most of the order of the kernel's change. " + SIGNS,
    wrong={"1/sqrt m as sharp: at least a fifth of it at 16 times the width": Ge(gap_m[2048], gap_m[128] / 5)},
    papers=PAPERS,
)

FINITE = Claim(
    WIDTHS,
    Le(drift_m[2048], drift_m[128] / 5),
    title="At 16 times the width a smooth network's tangent kernel moves by less than a fifth as much in training.",
    standing=Standing.MEASURED,
    source="dyer-gur-ari-2020",
    proof=SIGNS + " A fifth lies between the sixteenth of 1 / m and the quarter of 1 / sqrt m; chosen, not proved.",
    wrong={"a fortieth": Le(drift_m[2048], drift_m[128] / 40)},
    papers=PAPERS,
)

CHOSEN = "{} is chosen, not proved: it lies between {} and no decay. "

START_FINITE = Claim(
    WIDTHS,
    Le(start_m[2048], start_m[128] / 2),
    title="At 16 times the width the first tangent kernel is at least twice as near to its limit.",
    standing=Standing.MEASURED,
    proof=CHOSEN.format("A half", "the quarter of 1 / sqrt m") + "The order is the central limit theorem's.",
    wrong={"a tenth": Le(start_m[2048], start_m[128] / 10)},
    papers={"B-kernel-limit": "carries"},
)

GAP_FINITE = Claim(
    WIDTHS,
    Le(gap_m[2048], gap_m[128] / 5),
    title="At 16 times the width a smooth network leaves its linear model by less than a fifth as much.",
    standing=Standing.MEASURED,
    source="huang-yau-2020",
    proof=CHOSEN.format("A fifth", "the sixteenth of 1 / m") + SIGNS,
    wrong={"a fortieth": Le(gap_m[2048], gap_m[128] / 40)},
    papers=PAPERS,
)
