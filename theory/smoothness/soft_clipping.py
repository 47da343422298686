"""The generalised soft-clip of sharpness s and range width T has slope at most tanh(sT/4) and curvature below s/4.

f(x) = (1/s) log((1 + e^{s (x - x_low)}) / (1 + e^{s (x - x_high)})) + x_low, T = x_high - x_low. Its values stay
within T/2 of the middle of the range, it increases, it is point symmetric about the middle, and

    sup f' = tanh(sT/4) < 1,
    sup |f''| = s sinh(A) sqrt(c^2 - 1) / (c + cosh A)^2 < s/4,  A = sT/2,  c = (cosh A + sqrt(cosh(A)^2 + 8)) / 2.

So no soft-clip has slope one, and the curvature bound s/4 is only reached as sT grows.

Units: slope without unit, curvature per unit of x.
"""

from sympy import Eq, Ge, Integer, Le, Rational, cosh, sinh, sqrt, tanh

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import SOFT_CLIP
from elbound.theory.symbols import T, curvature_sup, drop, reach, rise, s, slope_inf, slope_sup

half = s * T / 2
turning = (cosh(half) + sqrt(cosh(half) ** 2 + 8)) / 2
steepest = s * sinh(half) * sqrt(turning**2 - 1) / (turning + cosh(half)) ** 2
DERIVATIVES = """With u = s (x - middle), f' = sinh A / (cosh u + cosh A) and
f'' = -s sinh A sinh u / (cosh u + cosh A)^2. """

SLOPE = Claim(
    SOFT_CLIP,
    Eq(slope_sup, tanh(s * T / 4)),
    title="The steepest slope of the soft-clip is tanh(sT/4), below one.",
    standing=Standing.IDENTITY,
    proof=DERIVATIVES + "The slope is largest at u = 0, where it is sinh A / (1 + cosh A) = tanh(A/2).",
    wrong={"tanh(sT/8)": Eq(slope_sup, tanh(s * T / 8))},
    papers={"A-soft-clipping": "carries"},
)

CURVATURE = Claim(
    SOFT_CLIP,
    Eq(curvature_sup, steepest),
    title="The largest curvature of the soft-clip has a closed form.",
    standing=Standing.IDENTITY,
    proof=DERIVATIVES + "f'' is stationary where cosh u solves c^2 - c cosh A - 2 = 0.",
    wrong={"largest at u = 0": Eq(curvature_sup, Integer(0))},
    papers={"A-soft-clipping": "carries"},
)

BELOW = Claim(
    SOFT_CLIP,
    Le(curvature_sup, s / 4),
    title="The curvature of the soft-clip stays below s/4.",
    standing=Standing.PROVED,
    proof=DERIVATIVES + "f'' / s is a difference of two logistic slopes, each in (0, 1/4].",
    wrong={
        "0.99 s/4": Le(curvature_sup, Rational(99, 100) * s / 4),
        "s/5": Le(curvature_sup, s / 5),
    },
    papers={"A-soft-clipping": "carries"},
    attained=0.999,
)

RANGE = Claim(
    SOFT_CLIP,
    Le(reach, T / 2),
    title="The soft-clip stays within T/2 of its middle.",
    standing=Standing.PROVED,
    proof="The slope is positive and integrates to T over the line.",
    wrong={"T/4": Le(reach, T / 4)},
    papers={"A-soft-clipping": "carries"},
    attained=0.999,
)

MONOTONE = Claim(
    SOFT_CLIP,
    Ge(slope_inf, 0),
    title="The soft-clip increases everywhere.",
    standing=Standing.PROVED,
    proof=DERIVATIVES + "sinh A is positive.",
    wrong={"slope at least 1/10 everywhere": Ge(slope_inf, Rational(1, 10))},
    papers={"A-soft-clipping": "carries"},
)

SYMMETRIC = Claim(
    SOFT_CLIP,
    Eq(rise, drop),
    title="The soft-clip is point symmetric about its middle.",
    standing=Standing.IDENTITY,
    proof=DERIVATIVES + "f' is even in u.",
    wrong={"even about the middle": Eq(rise, T - drop)},
    papers={"A-soft-clipping": "carries"},
)
