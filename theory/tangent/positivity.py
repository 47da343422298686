"""The least eigenvalue of K1 is positive exactly when the inputs hold no antipodes, or none with dependent lines.

For inputs other than 0, lambda_0 > 0 if and only if

    erf, any noise:                    no two inputs are equal up to sign,
    ReLU, noise of its own scale:      all inputs differ, and the lines of the pairs {x, -x} are linearly independent,
    ReLU, noise in the weights or none:  no input is a positive multiple of another, and the lines with inputs in both
                                       directions are linearly independent.

K1 is the Gram matrix of the functions h_i(w) = phi_s'(w . x_i) x_i; it is singular when they are linearly dependent.
That no two parallel inputs suffice, for ReLU without noise and inputs of norm one, is theorem 3.1 of Du et al. 2019.
In the finite form below "positive" means above 10^(-40): lambda_0 is enclosed, far above that or within 10^(-55) of 0.

Units: those of the kernel.
"""

from sympy import Eq, Expr, Rational

from elbound.theory.claim import Claim, Standing
from elbound.theory.evaluate import Exceeds
from elbound.theory.settings import ADDED_NOISE, ERF, LIMIT_SPECTRUM, RELU, SCALED_NOISE
from elbound.theory.symbols import lambda_0, n_along, n_antipodes, n_equal, n_opposite, n_parallel, n_sign

positive = Exceeds(lambda_0, Rational(1, 10**40))
PAPERS = {"B-linear-convergence": "qualifies"}


def none(count: Expr) -> Expr:
    """1 where a count is 0, else 0."""
    return Exceeds(Rational(1, 2), count)


ALONG_A_RAY = "Let w = tau v with v in general position and b_i = v . x_i. "

ERF_POSITIVE = Claim(
    LIMIT_SPECTRUM,
    Eq(positive, none(n_sign)),
    assuming=(ERF,),
    title="For erf lambda_0 > 0 exactly when no two inputs are equal up to sign.",
    standing=Standing.PROVED,
    proof=ALONG_A_RAY + "h_i is x_i times exp(-c_i b_i^2 tau^2); the rates c_i b_i^2 differ unless x_i = +-x_j, and "
    "exponentials of different rates are independent.",
    wrong={
        "no two parallel": Eq(positive, none(n_parallel)),
        "no two positively parallel": Eq(positive, none(n_along)),
        "no two equal": Eq(positive, none(n_equal)),
    },
    papers=PAPERS,
)

RELU_ADDED = Claim(
    LIMIT_SPECTRUM,
    Eq(positive, none(n_equal + n_antipodes)),
    assuming=(RELU, ADDED_NOISE),
    title="For ReLU with noise of its own scale lambda_0 > 0 exactly when inputs differ and antipodes have free lines.",
    standing=Standing.PROVED,
    proof=ALONG_A_RAY + "The derivative in tau of sum_i alpha_i h_i has exponentials of rates b_i^2, equal for x and "
    "-x alone, which leaves alpha_i + alpha_j = 0 there; at tau = 0 then sum alpha_i x_i = 0 over the pairs.",
    wrong={
        "no two parallel": Eq(positive, none(n_parallel)),
        "no two positively parallel": Eq(positive, none(n_along)),
        "no two equal": Eq(positive, none(n_equal)),
        "no two equal up to sign": Eq(positive, none(n_sign)),
    },
    papers=PAPERS,
)

RELU_SCALED = Claim(
    LIMIT_SPECTRUM,
    Eq(positive, none(n_along + n_opposite)),
    assuming=(RELU, SCALED_NOISE),
    title="For ReLU with noise in the weights lambda_0 > 0 exactly when no ray is shared and two-sided lines are free.",
    standing=Standing.PROVED,
    source="du-2019",
    proof="""h_i is x_i times a function of the direction of x_i alone, so inputs on one ray are dependent; let each ray
hold one. Noise of scale s |x|: along w = tau v as with noise of its own scale, the derivative in tau has exponentials
of rates (v . x_i)^2 / |x_i|^2, equal for opposite directions alone, which leaves alpha_i |x_i| + alpha_j |x_j| = 0
there, and sum alpha_i x_i = 0 at tau = 0. No noise: h_i is x_i times the indicator of w . x_i > 0, and jumps by x_i
across the hyperplane orthogonal to x_i alone. Different lines have different hyperplanes, so a sum of alpha_i h_i that
vanishes almost everywhere jumps across none: alpha_i = 0 for an input alone on its line, and for two in opposite
directions alpha_i |x_i| + alpha_j |x_j| = 0, which together add the constant alpha_i x_i. In either case all alpha
vanish if and only if the two-sided lines are linearly independent.""",
    wrong={
        "no two parallel": Eq(positive, none(n_parallel)),
        "no two positively parallel": Eq(positive, none(n_along)),
        "no two equal": Eq(positive, none(n_equal)),
    },
    papers=PAPERS,
)
