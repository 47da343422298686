"""Trained on the expected reconstruction loss, a noisy network keeps the loss that its latent noise makes.

At any weights and width the expected loss, with its 1/2, is that of the averaged output plus half its variance,

    E (1/2) |f - y|^2  =  (1/2) |E f - y|^2  +  P,     P = (d / 2m) sum_{i, r} v_s(w_r . x_i),

v_s(u) = Var phi(u + s_z e). At the start P has the mean (d / 2) sum_i V_s(x_i), the floor, at every width. Up to time
tau the weights travel at most D = |r_0| sqrt(tau / 2) + tau |grad P|. While L_J D < sqrt lambda_min the averaged
output's residual falls at the rate kept = (sqrt lambda_min - L_J D)^2, down to what the variance's pull makes of it, so

    |loss - floor|  <=  |P_0 - floor| + |grad P| D + R^2 / 2,
    R = exp(-kept tau) |r_0| + (sqrt Lambda + L_J D) |grad P| / kept,     Lambda = lambda_max.

As m grows at a fixed tau, L_J, |grad P| and |P_0 - floor| vanish like 1 / sqrt m; as tau then grows, the loss tends to
the floor, which is not 0.

Units: squared output.
"""

from sympy import Abs, Eq, Le, Rational, exp, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import NOISE_FLOOR, NOISY_LOSS, NOISY_START
from elbound.theory.symbols import (
    J_lip,
    floor,
    kept_rate,
    least_eigenvalue,
    loss_mean,
    loss_noisy,
    loss_spread,
    loss_trained,
    r_0,
    spread_slope,
    spread_start,
    tau,
    theta_top,
    way,
)
from elbound.theory.tangent.protocols import travel

kept = (sqrt(least_eigenvalue) - travel[J_lip] * travel[way]) ** 2
residual = exp(-kept_rate * tau) * r_0 + (sqrt(theta_top) + J_lip * way) * spread_slope / kept_rate
left_over = spread_slope * way + residual**2 / 2
PAPERS = {"B-linear-convergence": "qualifies"}

SPLIT = Claim(
    NOISY_LOSS,
    Eq(loss_noisy, loss_mean + loss_spread),
    title="The expected loss is that of the averaged output plus half the output's variance.",
    standing=Standing.CODE,
    proof="E|f - y|^2 = |E f - y|^2 + E|f - E f|^2, and the neurons' noises are independent, with a_r^2 = 1.",
    wrong={
        "missing variance term": Eq(loss_noisy, loss_mean),
        "variance without the half": Eq(loss_noisy, loss_mean + 2 * loss_spread),
    },
)

START = Claim(
    NOISY_START,
    Eq(spread_start, floor),
    title="At the start the variance's part of the loss has the floor as its mean, at every width.",
    standing=Standing.IDENTITY,
    proof="P is a mean over m neurons of (d / 2) sum_i v_s(w . x_i), and V_s(x) is the mean of v_s(w . x).",
    wrong={
        "without the half": Eq(spread_start, 2 * floor),
        "half once more": Eq(spread_start, Rational(1, 2) * floor),
    },
    papers=PAPERS,
)

FLOOR = Claim(
    NOISE_FLOOR,
    Le(Abs(loss_trained - floor), Abs(spread_start - floor) + left_over),
    assuming=(J_lip * way < sqrt(least_eigenvalue),),
    where={**travel, kept_rate: kept},
    title="The trained expected loss tends to half the data dimension times the summed noise variance.",
    standing=Standing.PROVED,
    proof="""Bias and variance split. The loss falls by |W'|^2, so the way D of the weights has
D^2 <= tau (|r_0|^2 / 2 + |grad P| D), P changes by at most |grad P| D, and the least singular value of J stays above
sqrt(lambda_min) - L_J D: the residual's norm obeys |r|' <= -kept |r| + |J| |grad P|.""",
    wrong={
        "missing variance term": Le(loss_trained, Abs(spread_start - floor) + left_over),
        "without the half": Le(Abs(loss_trained - 2 * floor), Abs(spread_start - floor) + left_over),
        "half once more": Le(Abs(loss_trained - Rational(1, 2) * floor), Abs(spread_start - floor) + left_over),
    },
    papers=PAPERS,
)
