"""The situations that claims speak about; an experiment and a claim meet at one of these."""

from typing import Any

from sympy import Expr, Sum

from elbound.theory.claim import Fact, Setting
from elbound.theory.symbols import (
    V_0,
    B,
    C,
    D_i,
    D_max,
    Delta,
    Delta_sup,
    F,
    F_argmin,
    F_beta,
    F_found,
    F_unit,
    G_norm,
    G_r,
    K,
    L,
    N,
    T,
    V_norm,
    a,
    average,
    bend_sup,
    beta,
    chi2,
    code_norm,
    cross,
    curvature_sup,
    d,
    d_GDG,
    delta,
    drop,
    ell,
    entry_deviation,
    g,
    g3,
    g4,
    g_DD,
    gain,
    gamma,
    gamma_max,
    gap,
    gg_DD,
    hessian,
    hessian_2r,
    hessian_beta,
    hessian_theta,
    k,
    k_fresh,
    k_frozen,
    k_shared,
    kurt,
    lam,
    lam_1x,
    lam_i,
    lambda_0,
    least_curvature,
    least_eigenvalue,
    least_square,
    m,
    mapping2,
    mean2,
    misfit,
    n,
    operator_deviation,
    phi_1,
    r,
    reach,
    residual2,
    residual_D,
    rise,
    s,
    s1,
    s1_beta,
    s2,
    s2_beta,
    s2_c,
    s2_l,
    s2_sampled,
    s_z,
    sigma2,
    sigma_sup2,
    sigma_x2,
    slope_inf,
    slope_sup,
    squared_deviation,
    t,
    theta_norm,
    tr_D,
    tr_GD,
    tr_GDG,
    tr_S,
    uniform_average,
    v,
    v_K,
    w_max,
    w_min,
    x2,
    y2,
    zeta,
)


def total(term: Any) -> Expr:
    """The sum of a term over the steps t = 1, ..., n."""
    return Sum(term, (t, 1, n))


SOFT_CLIP = Setting(
    "soft-clip",
    "a generalised soft-clip of sharpness s with a range of width T",
    parameters=(s, T),
    observables=(slope_sup, slope_inf, curvature_sup, reach, rise, drop),
)

LINEAR_VAE_BALL = Setting(
    "linear-vae-ball",
    "a point of the ball of radius r in the weights (W, V) of a Linear VAE with fixed encoder variances",
    parameters=(lam, sigma_x2, beta, D_max, r),
    observables=(hessian,),
)

LINEAR_VAE_POINT = Setting(
    "linear-vae-point",
    "a point (W, V) of the ball of radius r of a Linear VAE with fixed encoder variances, and the point (2W, 2V)",
    parameters=(),
    observables=(V_norm, code_norm, misfit, hessian_2r),
    refines=LINEAR_VAE_BALL,
)

LINEAR_VAE_OFFSETS = Setting(
    "linear-vae-offsets",
    "a point of the ball of radius r in the weights and offsets (W, V, b, c) of a Linear VAE, encoder variances fixed",
    parameters=(lam, lam_1x, sigma_x2, beta, D_max, r),
    observables=(hessian,),
)

LINEAR_VAE_LEARNED_VARIANCE = Setting(
    "linear-vae-learned-variance",
    "a point of the ball of radius r in the weights (W, V) of a Linear VAE, log-variances learned within [-ell, ell]",
    parameters=(lam, sigma_x2, beta, r, ell),
    observables=(hessian,),
)

RADIAL_CLIP = Setting(
    "radial-clip",
    "the radial soft-clip theta / sqrt(1 + |theta|^2 / r^2) onto the ball of radius r",
    parameters=(r,),
    observables=(bend_sup,),
)

CLIPPED_LINEAR_VAE = Setting(
    "clipped-linear-vae",
    "a point theta of a Linear VAE whose weights are a radial soft-clip of theta onto the ball of radius r",
    parameters=(lam, sigma_x2, beta, D_max, r, G_r),
    observables=(hessian_theta,),
)

FIXED_VARIANCES = Fact("fixed variances", "the encoder's variances are fixed")
LEARNED_VARIANCES = Fact("learned variances", "the encoder's variances are learned")

LINEAR_VAE_LANDSCAPE = Setting(
    "linear-vae-landscape",
    "a Linear VAE over all its weights (W, V), encoder variances fixed or learned",
    parameters=(d, k, sigma_x2, beta, lam_i, D_i),
    observables=(F_argmin, F_found, least_curvature),
    facts=(FIXED_VARIANCES, LEARNED_VARIANCES),
)

WITH_REPLACEMENT = Fact("with replacement", "the batch is drawn with replacement")
WITHOUT_REPLACEMENT = Fact("without replacement", "the batch is drawn without replacement")

GRADIENT_NOISE = Setting(
    "gradient-noise",
    "the pathwise gradient of a Linear VAE, B data and K latent samples each, analytic KL",
    parameters=(
        *(B, K, N, sigma_x2, kurt, tr_S, tr_D, tr_GD, tr_GDG),
        *(mean2, residual2, cross, g_DD, gg_DD, d_GDG, residual_D),
    ),
    observables=(v, s1, s2, s2_l, s2_c, v_K),
    facts=(WITH_REPLACEMENT, WITHOUT_REPLACEMENT),
)

BETA_SWEEP = Setting(
    "beta-sweep",
    "one Linear VAE, its weights and data, at the betas j beta / 3 for j = 0, 1, 2, 3",
    parameters=(d, beta, sigma_x2, lam, D_max, tr_S, tr_D, tr_GD, tr_GDG),
    observables=(s1_beta, s2_beta, s2_sampled, hessian_beta, F_beta, F_unit, gain),
)

UNBIASED = Fact("unbiased", "the stochastic gradient has the gradient as its mean, given the past")
SMOOTH = Fact("smooth", "the gradient of the objective is L-Lipschitz")
SMOOTH_ON_BALL = Fact(
    "smooth on the ball", "the gradient of the objective is L-Lipschitz on the ball where the run starts"
)

SGD_RUN = Setting(
    "sgd-run",
    "n steps of SGD with step size C / sqrt(t)",
    parameters=(n, C, L, Delta, Delta_sup, sigma_sup2),
    observables=(a, sigma2, F),
    facts=(UNBIASED, SMOOTH, SMOOTH_ON_BALL),
    random=True,
)

CLIPPED_LINEAR_VAE_RUN = Setting(
    "clipped-linear-vae-run",
    "SGD on a Linear VAE whose weights are a radial soft-clip of the trained ones",
    parameters=(lam, sigma_x2, beta, D_max, r, G_r),
    observables=(),
    random=True,
    refines=SGD_RUN,
)

STOPPED_LINEAR_VAE_RUN = Setting(
    "stopped-linear-vae-run",
    "SGD on a Linear VAE until its weights leave the ball of radius r; from then on all but the objective is zero",
    parameters=(lam, sigma_x2, beta, D_max, r),
    observables=(g3, g4),
    random=True,
    refines=SGD_RUN,
)

PROJECTED_LINEAR_VAE_RUN = Setting(
    "projected-linear-vae-run",
    "SGD with step size C / sqrt(t) on a Linear VAE, projected onto the ball of radius r after each step",
    parameters=(n, C, L, Delta, lam, sigma_x2, beta, D_max, r),
    observables=(mapping2, sigma2),
    facts=(UNBIASED,),
    random=True,
)

GRADIENT_DESCENT_RUN = Setting(
    "gradient-descent-run",
    "n gradient steps without noise, of any sizes",
    parameters=(n, L, Delta, gamma_max),
    observables=(gamma, least_square),
    facts=(SMOOTH,),
)

SGD_HORIZONS = Setting(
    "sgd-horizons",
    "SGD with step size C / sqrt(t), watched at growing horizons n",
    parameters=(C, L, Delta),
    observables=(average, uniform_average),
    facts=(UNBIASED, SMOOTH),
)

WEIGHT_BOUNDED = Fact("weights bounded", "the normalised importance weight is bounded")
WEIGHT_AWAY_FROM_ZERO = Fact("weights away from zero", "the normalised importance weight is bounded away from zero")
WEIGHT_VARIANCE = Fact("finite variance", "the normalised importance weight has a finite variance")

IWAE = Setting(
    "iwae",
    "the importance-weighted bound with K samples from a Gaussian encoder, Gaussian posterior",
    parameters=(K, chi2, w_min, w_max),
    observables=(gap,),
    facts=(WEIGHT_BOUNDED, WEIGHT_AWAY_FROM_ZERO, WEIGHT_VARIANCE),
)

RELU = Fact("ReLU", "the activation is ReLU")
ERF = Fact("erf", "the activation is erf")
SAME_INPUT = Fact("same input", "the kernel entry is on the diagonal")
TWO_INPUTS = Fact("two inputs", "the kernel entry is off the diagonal")

TANGENT_ENTRY = Setting(
    "tangent-entry",
    "one entry of the tangent kernel of a noisy two-layer network at initialisation",
    parameters=(m, s_z, g, x2, y2),
    observables=(k_fresh, k_shared, k_frozen),
    facts=(RELU, ERF, SAME_INPUT, TWO_INPUTS),
    random=True,
)

TANGENT_KERNEL = Setting(
    "tangent-kernel",
    "the tangent kernel of a noise-averaged two-layer network of width m at initialisation, N inputs",
    parameters=(N, m, delta, zeta, phi_1, G_norm, theta_norm, lambda_0, V_0),
    observables=(entry_deviation, operator_deviation, squared_deviation, least_eigenvalue),
    facts=(),
    random=True,
)
