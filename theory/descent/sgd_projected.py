"""Projected SGD on a Linear VAE: the weighted gradient mapping is at most 9/2 times the gap plus twice the noise.

After each step the weights are projected onto the ball of radius r. With steps gamma_t = C / sqrt(t), C <= 1 / (2 L),
L = L(r), and the gradient mapping G(w) = 2 L (w - P(w - grad F(w) / (2 L))), which is the gradient inside the ball,

    sum gamma_t (1 - L gamma_t / 2) E |G(w_t)|^2  <=  (9/2) [ Delta + L sum gamma_t^2 E sigma_t^2 ].

A factor 9/2 to 9 looser than without projection, because the proof goes through the Moreau envelope; the direct
analysis keeps a noise term that does not vanish.

Units: nats.
"""

from sympy import Le, Rational

from elbound.theory.claim import Claim, Standing
from elbound.theory.descent.sgd_sharp import noise, weight
from elbound.theory.settings import PROJECTED_LINEAR_VAE_RUN, UNBIASED, total
from elbound.theory.smoothness.linear_vae_ball import ball_smoothness
from elbound.theory.symbols import C, Delta, L, mapping2, t

squares = total(weight * mapping2[t])
bound = Rational(9, 2) * (Delta + 2 * noise)

SGD_PROJECTED = Claim(
    PROJECTED_LINEAR_VAE_RUN,
    Le(squares, bound),
    assuming=(2 * L * C <= 1, UNBIASED),
    where={L: ball_smoothness},
    standing=Standing.PROVED,
    proof="""Let w' minimise F + L |. - w|^2 over the ball: a fixed point of the projected gradient step of that sum. As
the projection is nonexpansive, E |w_{t+1} - w'|^2 <= (1 - L gamma_t)^2 |w_t - w'|^2 + gamma_t^2 sigma_t^2, so the
envelope falls by gamma_t (1 - L gamma_t / 2) / 2 times its squared gradient, up to L gamma_t^2 sigma_t^2; its gradient
is 2 L (w - w'), and the gradient mapping is at most 3/2 of that.""",
    wrong={
        "a twentieth": Le(squares, bound / 20),
        "an eighth": Le(squares, bound / 8),
    },
    papers={
        "A-sgd-adam-rate": "carries",
        "A-explicit-dependence": "carries",
        "A-bounded-iterates": "qualifies",
    },
)
