"""A wide network trained to rest with a ridge around its start is kernel ridge regression up to a computable distance.

With W* where training rests, Jbar the Jacobian's mean on the segment from W_0 to W*, and E = Jbar J(W*)^T - Theta(W_0),
on the training points

    |f* - f_KRR|  <=  |E| |y - f*| / (ridge + lambda_min),

and elsewhere the same with the kernel between points in place of its inverse. E is of order L_J |W* - W_0|.
Equality for one datum and one output. Gaussian weights N(W, s_w^2 I) with prior N(W_0, s_w^2 I) trained on the negative
ELBO are such a network, with ridge = beta sigma_x^2 / s_w^2 and |Jbar| times the gradient of half the outputs' variance
beside |E| |y - f*|. Over the width m the distance from regression with the network's own first kernel is of order 1 /
m, from that with the limit kernel of order 1 / sqrt m, which is what the first kernel itself is off.

A penalty on the distance to the start and the kernel limit of training with it: Hu, Li and Yu (2020), of whom we have
read the abstract; the distances at finite width are derived here.

Units: those of the outputs.
"""

from sympy import Eq, Ge, Le, Rational, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.evaluate import Slope
from elbound.theory.settings import GAUSSIAN_WEIGHTS, WIDE_RIDGE, WIDTHS
from elbound.theory.symbols import (
    J_lip,
    beta,
    displacement,
    elbo_pulled,
    kernel_drift,
    krr_distance,
    krr_double,
    krr_inf,
    krr_m,
    least_eigenvalue,
    m,
    mean_jacobian,
    residual_end,
    ridge,
    s_w,
    sigma_x2,
    test_distance,
    test_double,
    test_drift,
    test_inf,
    test_kernel,
    test_m,
    theta_top,
    variance_pull,
)
from elbound.theory.tangent.gd_step import jacobian_lipschitz

PAPERS = {"B-krr": "carries"}
SOURCE = "hu-li-yu-2020"
distance = kernel_drift * residual_end / (ridge + least_eigenvalue)
elsewhere = (test_drift * residual_end + test_kernel * krr_distance) / ridge
of_elbo = (kernel_drift * residual_end + mean_jacobian * variance_pull) / (ridge + least_eigenvalue)
drift = J_lip * displacement * (Rational(3, 2) * sqrt(theta_top) + J_lip * displacement / 2)

KRR = Claim(
    WIDE_RIDGE,
    Le(krr_distance, distance),
    standing=Standing.PROVED,
    source=SOURCE,
    proof="""f* = f_0 + Jbar (W* - W_0), and at rest ridge (W* - W_0) = J*^T (y - f*). With ridge alpha = y - f* this is
(Theta + ridge) alpha = y - f_0 - E alpha; subtract the same for kernel ridge regression.""",
    wrong={"ridge x 2": Le(krr_double, distance)},
    papers=PAPERS,
    attained=0.999999,
)

DRIFT = Claim(
    WIDE_RIDGE,
    Le(kernel_drift, drift),
    where=jacobian_lipschitz,
    title="The drift that separates training from kernel ridge regression is bounded by the displacement.",
    standing=Standing.PROVED,
    proof="""|Jbar - J_0| <= L_J |delta| / 2 and |J* - J_0| <= L_J |delta|, so E is at most
|J_0| (1/2 + 1) L_J |delta| + L_J^2 |delta|^2 / 2.""",
    wrong={"second order only": Le(kernel_drift, (J_lip * displacement) ** 2 / 2)},
    papers=PAPERS,
)

TEST_POINTS = Claim(
    WIDE_RIDGE,
    Le(test_distance, elsewhere),
    title="At test points too the trained network is kernel ridge regression up to a computable distance.",
    standing=Standing.PROVED,
    source=SOURCE,
    proof="""f*(x) = f_0(x) + Jbar_x J*^T alpha, and the dual coefficients differ from those of kernel ridge regression
by minus the training distance over the ridge.""",
    wrong={"ridge x 2": Le(test_double, elsewhere)},
    papers=PAPERS,
)

ELBO = Claim(
    GAUSSIAN_WEIGHTS,
    Le(krr_distance, of_elbo),
    where={ridge: beta * sigma_x2 / s_w**2},
    title="Gaussian weights trained on the negative ELBO are kernel ridge regression up to a computable distance.",
    standing=Standing.PROVED,
    proof="""The KL term is beta |W - W_0|^2 / (2 s_w^2), so sigma_x^2 times the negative ELBO is the ridge loss of the
averaged outputs plus half their summed variance P; at rest ridge (W* - W_0) = J*^T (y - f*) - grad P, and the proof
for a ridge goes through with Jbar grad P beside E alpha.""",
    wrong={"ridge x 2": Le(krr_double, of_elbo), "variance dropped": Le(krr_distance, distance)},
    papers=PAPERS,
)

RIDGE_OF_KL = Claim(
    GAUSSIAN_WEIGHTS,
    Eq(displacement, elbo_pulled / ridge),
    where={ridge: beta * sigma_x2 / s_w**2},
    title="The KL term of Gaussian weights around their start is a ridge of beta sigma_x^2 / s_w^2.",
    standing=Standing.IDENTITY,
    proof="""The negative ELBO's gradient vanishes: beta (W - W_0) / s_w^2 is minus the gradient of the expected squared
error over 2 sigma_x^2.""",
    wrong={
        "sigma_x dropped": Eq(displacement, elbo_pulled * s_w**2 / beta),
        "beta dropped": Eq(displacement, elbo_pulled * s_w**2 / sigma_x2),
        "s_w for its square": Eq(displacement, elbo_pulled * s_w / (beta * sigma_x2)),
        "KL without its half": Eq(displacement, elbo_pulled / ridge / 2),
    },
    papers=PAPERS,
)

MEASURED = """measured, with a reason and no proof: the kernel's first change in training is m^(-3/2) times a sum of m
terms of random sign, and its coherent terms are of order 1 / m; the proved bound above gives 1 / sqrt m only."""
DRIFT_SOURCE = "dyer-gur-ari-2020"

TO_FIRST = Claim(
    WIDTHS,
    Eq(Slope(krr_m[m], m), -1),
    title="The distance of a trained network from regression with its first kernel is of order 1 / m.",
    standing=Standing.MEASURED,
    source=DRIFT_SOURCE,
    proof=f"The distance is that of the kernel in training from its start; its order is {MEASURED}",
    wrong={"1/sqrt m as sharp: at least a fifth of it at 16 times the width": Ge(krr_m[2048], krr_m[128] / 5)},
    papers=PAPERS,
)

TO_LIMIT = Claim(
    WIDTHS,
    Eq(Slope(krr_inf[m], m), -Rational(1, 2)),
    title="The distance of a trained network from regression with the limit kernel is of order 1 / sqrt m.",
    standing=Standing.ASYMPTOTIC,
    proof="""The two regressions differ by at most ridge |Theta_m - Theta| |y - f_0| / ((ridge + lambda_m) (ridge +
lambda_0)), the resolvent identity; the kernels by order 1 / sqrt m; the network is nearer to the first of them.""",
    wrong={"1/m: at most a tenth of it at 16 times the width": Le(krr_inf[2048], krr_inf[128] / 10)},
    papers=PAPERS,
)

TEST_TO_FIRST = Claim(
    WIDTHS,
    Eq(Slope(test_m[m], m), -1),
    title="At test points too the distance from regression with the first kernel is of order 1 / m.",
    standing=Standing.MEASURED,
    source=DRIFT_SOURCE,
    proof=f"As on the training points: {MEASURED}",
    wrong={"1/sqrt m as sharp: at least a fifth of it at 16 times the width": Ge(test_m[2048], test_m[128] / 5)},
    papers=PAPERS,
)

TEST_TO_LIMIT = Claim(
    WIDTHS,
    Eq(Slope(test_inf[m], m), -Rational(1, 2)),
    title="At test points too the distance from regression with the limit kernel is of order 1 / sqrt m.",
    standing=Standing.ASYMPTOTIC,
    proof="As on the training points, with the kernels between test and training points off by order 1 / sqrt m too.",
    wrong={"1/m: at most a tenth of it at 16 times the width": Le(test_inf[2048], test_inf[128] / 10)},
    papers=PAPERS,
)

FINITE = Claim(
    WIDTHS,
    Le(krr_m[2048], krr_m[128] / 5),
    title="At 16 times the width a trained network is at least five times nearer to regression with its first kernel.",
    standing=Standing.MEASURED,
    source=DRIFT_SOURCE,
    proof=f"""A fifth is chosen: it lies between the sixteenth of 1 / m and the quarter of 1 / sqrt m. The order 1 / m
is {MEASURED}""",
    wrong={"a fortieth": Le(krr_m[2048], krr_m[128] / 40)},
    papers=PAPERS,
)

LIMIT_FINITE = Claim(
    WIDTHS,
    Le(krr_inf[2048], krr_inf[128] / 2),
    title="At 16 times the width a trained network is at least twice as near to regression with the limit kernel.",
    standing=Standing.MEASURED,
    proof="A half is chosen, not proved: it lies between the quarter of 1 / sqrt m and no decay.",
    wrong={"a tenth": Le(krr_inf[2048], krr_inf[128] / 10)},
    papers=PAPERS,
)
