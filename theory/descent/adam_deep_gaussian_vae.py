"""Adam on a radially clipped deep Gaussian VAE descends at an explicit rate, with momentum or with past gradients.

The objective of theta, w = theta / sqrt(1 + |theta|^2 / r^2), is smooth with the layerwise constant
L = L(r) + 48 / (25 sqrt 5) G_r / r, and with three-valued latent noise every sample gradient is at most G_r long. So
the rates of Adam hold with nothing assumed about the run: R, which bounds each coordinate of each sample gradient, is
at most G_r, and at most the largest coordinate at the start plus the sample gradients' own smoothness constant times
the way that the steps can lead. Both rates are stated with the last objective F_(n+1) in place of its infimum, because
L is vacuous in depth: the steps it allows are short, and what they gain is all that such a bound can be held against.

Units: with momentum squared gradients, with past gradients nats.
"""

from sympy import Le, Rational

from elbound.theory.claim import Claim, Standing
from elbound.theory.descent import adam_momentum, adam_predictable
from elbound.theory.descent.sgd_deep_gaussian_vae import clipped_smoothness
from elbound.theory.settings import DEEP_ADAM_PREDICTABLE_RUN, DEEP_ADAM_RUN, UNBIASED
from elbound.theory.symbols import Delta, F, L, n

gained = F[1] - F[n + 1]
momentum_bound = adam_momentum.bound.subs(Delta, gained)
CLIP = """The clip makes the objective of theta smooth with the stated constant, and sample gradients at most G_r long.
Up to step n the parameters move by at most the sum of gamma_t E_t / reg, E_t a bound on the lengths of the gradients
before it, and each sample gradient by its smoothness constant times that. """

MOMENTUM = Claim(
    DEEP_ADAM_RUN,
    Le(adam_momentum.mean_square, momentum_bound),
    assuming=(UNBIASED,),
    where={L: clipped_smoothness},
    title="Adam with momentum on a deep Gaussian VAE, any depth and beta.",
    standing=Standing.PROVED,
    proof=CLIP + adam_momentum.ADAM_MOMENTUM.proof,
    wrong={
        "a hundredth": Le(adam_momentum.mean_square, momentum_bound / 100),
        "halved": Le(adam_momentum.mean_square, momentum_bound / 2),
    },
    papers={"A-sgd-adam-rate": "qualifies", "A-explicit-dependence": "qualifies"},
    attained=0.9,
)

PREDICTABLE = Claim(
    DEEP_ADAM_PREDICTABLE_RUN,
    Le(adam_predictable.progress, gained + adam_predictable.noise),
    assuming=(UNBIASED,),
    where={L: clipped_smoothness},
    title="Adam preconditioned by past gradients on a deep Gaussian VAE, any depth and beta.",
    standing=Standing.PROVED,
    proof=CLIP + adam_predictable.LAST_VALUE.proof,
    wrong={
        "a hundredth": Le(adam_predictable.progress, (gained + adam_predictable.noise) / 100),
        "halved": Le(adam_predictable.progress, (gained + adam_predictable.noise) / 2),
        "five percent less": Le(adam_predictable.progress, Rational(95, 100) * (gained + adam_predictable.noise)),
    },
    papers={"A-sgd-adam-rate": "qualifies", "A-explicit-dependence": "qualifies"},
    attained=0.95,
)
