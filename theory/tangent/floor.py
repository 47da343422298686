"""Trained on the expected reconstruction loss, a noisy network keeps the loss that its latent noise makes.

At any weights and width the expected loss, with its 1/2, is that of the averaged output plus half its variance,

    E (1/2) |f - y|^2  =  (1/2) |E f - y|^2  +  (d / 2 m) sum_{i, r} v_s(w_r . x_i),     v_s(u) = Var phi(u + s_z e).

Flow removes the first part at the rate of K1 while the second stays at its start up to O(tau / m): as m grows at a
fixed time tau, and tau then grows, the loss tends to the floor (d / 2) sum_i V_s(x_i) > 0, not to 0.

Units: squared output.
"""

from sympy import Abs, Eq, Le, Rational, exp, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import NOISE_FLOOR, NOISY_LOSS
from elbound.theory.symbols import floor, lambda_0, loss_mean, loss_noisy, loss_spread, loss_start, loss_trained, m, tau

# An allowance, chosen and not proved: the first part at half its rate, because at finite width the kernel is not its
# limit, and 5 / sqrt(m) for the mean over m neurons, whose variances spread about as much as their mean.
left_over = exp(-lambda_0 * tau) * loss_start + (5 / sqrt(m) + tau / m) * floor
PAPERS = {"B-linear-convergence": "qualifies"}

SPLIT = Claim(
    NOISY_LOSS,
    Eq(loss_noisy, loss_mean + loss_spread),
    title="The expected loss is that of the averaged output plus half the output's variance.",
    standing=Standing.IDENTITY,
    proof="E|f - y|^2 = |E f - y|^2 + E|f - E f|^2, and the neurons' noises are independent, with a_r^2 = 1.",
    wrong={
        "missing variance term": Eq(loss_noisy, loss_mean),
        "variance without the half": Eq(loss_noisy, loss_mean + 2 * loss_spread),
    },
    papers=PAPERS,
)

FLOOR = Claim(
    NOISE_FLOOR,
    Le(Abs(loss_trained - floor), left_over),
    assuming=(lambda_0 * tau >= 1,),
    title="The trained expected loss tends to half the data dimension times the summed noise variance.",
    standing=Standing.CONJECTURE,
    proof="Bias and variance split; the averaged output converges at the rate of K1, at least lambda_0, and "
    "no weight moves by more than O(1 / sqrt m), so the variance stays at its mean at the start up to O(1 / sqrt m).",
    wrong={
        "missing variance term": Le(loss_trained, left_over),
        "without the half": Le(Abs(loss_trained - 2 * floor), left_over),
        "half once more": Le(Abs(loss_trained - Rational(1, 2) * floor), left_over),
    },
    papers=PAPERS,
)
