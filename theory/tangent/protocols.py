"""How the noise is drawn decides the kernel: fresh noise follows K1, shared frozen noise K2, frozen noise K3.

Trained for a time tau from a first residual r_0 = f_0 - y, the outputs of a network of width m come to

    y + exp(-K tau) r_0   up to   |r_0| (omega + tau (L_J D (2 sqrt Lambda + L_J D) + (e_0 + e_1 D) / |r_0|)),

    omega^2 = tau int_0^tau |(Theta_0 - K) exp(-K s) r_0|^2 ds / |r_0|^2,   E omega^2 <= tau^2 V_d / m,

with K = K1 for the flow of the expected loss (and so for small steps with fresh noise), K2 when one draw is frozen for
all inputs, K3 when each input keeps its own. Theta_0 is the network's own kernel at the start, Lambda its largest
eigenvalue, D = |r_0| sqrt(tau / 2) + tau |grad P| what the weights travel at most, and P the outputs' variance in the
expected loss: it pulls the outputs by e_0 at the start and at most e_1 D more later; for frozen draws P = 0.

L_J = sup |phi''| max |x_i| sqrt(d |G| / m), phi as it is trained. The expected loss trains the smoothed activation, for
which fresh noise makes the supremum finite, under ReLU too. A frozen draw smooths nothing and leaves the activation
itself: there the statements are for erf. ReLU has no such constant, and with that of its smoothed slope they are false,
as for two neurons of which the active one soon switches off.

By Markov's inequality omega exceeds w with probability at most tau^2 V_d / (m w^2).

Units: none; distances are relative to |r_0|.
"""

from sympy import Le, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import ERF, FRESH_NOISE, FROZEN_NOISE, NOISE_PROTOCOL, NOISY_START, SHARED_NOISE
from elbound.theory.symbols import (
    G_norm,
    J_lip,
    N,
    V_d,
    d,
    far_fresh,
    far_frozen,
    far_shared,
    m,
    offset,
    offset2,
    phi_2,
    phi_2_plain,
    r_0,
    spread_bend,
    spread_pull,
    spread_slope,
    tau,
    theta_top,
    v_1,
    v_2,
    way,
)
from elbound.theory.tangent.gd_step import jacobian_lipschitz

steepness = d * v_1 * sqrt(N * G_norm / m) / 2
travel = {
    **jacobian_lipschitz,
    spread_slope: steepness,
    way: r_0 * sqrt(tau / 2) + tau * steepness,
}
definitions = {**travel, spread_bend: d * v_2 * G_norm / (2 * m)}
own = {J_lip: definitions[J_lip].subs(phi_2, phi_2_plain)}
drift = J_lip * way * (2 * sqrt(theta_top) + J_lip * way)
pull = spread_pull + (J_lip * spread_slope + sqrt(theta_top) * spread_bend) * way
band = offset + tau * (drift + pull / r_0)
smoothed = band.subs(J_lip, definitions[J_lip])
PAPERS = {"B-linear-convergence": "carries"}
DUHAMEL = """With u = r - exp(-K s) r_0 and J J^T = Theta: u' = -Theta u - (Theta - K) exp(-K s) r_0 - J grad P, so |u|
grows at most by the last two terms' norms. The loss falls by |W'|^2, so the way D of the weights has
D^2 <= tau (|r_0|^2 / 2 + |grad P| D); the Jacobian is L_J-Lipschitz, grad P by its own constant"""

FRESH = Claim(
    NOISE_PROTOCOL,
    Le(far_fresh, band),
    assuming=(FRESH_NOISE,),
    where=definitions,
    title="Training with fresh noise follows K1.",
    standing=Standing.PROVED,
    proof=DUHAMEL + "; on the expected loss Theta is the kernel of the noise-averaged output, whose mean is K1.",
    wrong={
        "follows K2": Le(far_shared, band),
        "follows K3": Le(far_frozen, band),
        "missing variance term": Le(far_fresh, offset + tau * drift),
    },
    papers=PAPERS,
)

SHARED = Claim(
    NOISE_PROTOCOL,
    Le(far_shared, band),
    assuming=(SHARED_NOISE, ERF),
    where=definitions | own,
    title="Training erf with one frozen noise shared by all inputs follows K2.",
    standing=Standing.PROVED,
    proof=DUHAMEL + "; a frozen shared draw is a random bias, whose kernel has mean K2, and P = 0.",
    wrong={
        "follows K1": Le(far_fresh, band),
        "follows K3": Le(far_frozen, band),
        "curvature of the smoothed activation": Le(far_shared, smoothed),
        "kernel at its limit from the start": Le(far_shared, band - offset),
    },
    papers=PAPERS,
)

FROZEN = Claim(
    NOISE_PROTOCOL,
    Le(far_frozen, band),
    assuming=(FROZEN_NOISE, ERF),
    where=definitions | own,
    title="Training erf with noise frozen to each input follows K3.",
    standing=Standing.PROVED,
    proof=DUHAMEL + "; two inputs have independent draws, one input has one, so the kernel has mean K3, and P = 0.",
    wrong={
        "follows K1": Le(far_fresh, band),
        "follows K2": Le(far_shared, band),
        "curvature of the smoothed activation": Le(far_frozen, smoothed),
        "kernel at its limit from the start": Le(far_frozen, band - offset),
    },
    papers=PAPERS,
)

START = Claim(
    NOISY_START,
    Le(offset2, tau**2 * V_d / m),
    title="A random start's kernel differs from its limit, along the limit's path, by 1 / sqrt m in mean square.",
    standing=Standing.PROVED,
    proof="Theta_0 - K is a mean of m independent matrices of mean 0, so E|(Theta_0 - K) v|^2 is at most "
    "E|Theta_0 - K|_F^2 |v|^2 = V_d |v|^2 / m, and |exp(-K s) r_0| <= |r_0|.",
    wrong={
        "1/m": Le(offset2, tau**2 * V_d / m**2),
        "half the variance": Le(offset2, tau**2 * V_d / (2 * m)),
    },
    papers={"B-kernel-limit": "carries"},
)
