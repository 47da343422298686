"""The situations that claims speak about; an experiment and a claim meet at one of these."""

from collections.abc import Mapping
from typing import (
    Any,
    Final,
)

from sympy import (
    Expr,
    Sum,
)

from elbound.theory.claim import (
    Fact,
    Setting,
)
from elbound.theory.symbols import (
    A_1,
    A_2,
    V_0,
    A_jj,
    B,
    C,
    D_i,
    D_j,
    D_max,
    D_min,
    Delta,
    Delta_sup,
    F,
    F_argmin,
    F_beta,
    F_found,
    F_unit,
    G_norm,
    G_r,
    H_a,
    H_f,
    H_g,
    H_l,
    H_mu,
    H_u,
    H_z,
    J_a,
    J_g2,
    J_l,
    J_mu,
    J_u,
    J_z,
    K,
    L,
    N,
    Q,
    R,
    T,
    V_d,
    V_norm,
    V_s,
    a,
    a_A,
    a_AA,
    a_m,
    alpha,
    average,
    b_j,
    b_kl,
    bend,
    bend_sup,
    beta,
    beta_1,
    beta_2,
    bound_slope,
    c_0,
    c_1,
    c_2,
    chi2,
    code_norm,
    cross,
    curvature_sup,
    d,
    d_GDG,
    decoder_mean,
    decoder_var,
    delta,
    delta_W,
    depth,
    dh2,
    displacement,
    dreg_mean,
    dreg_var,
    drift,
    drift_int,
    drift_m,
    drift_tau,
    drop,
    elbo_mu,
    elbo_pulled,
    ell,
    entry_deviation,
    eps_norm,
    est_l,
    est_mu,
    eta,
    evidence_slope,
    expm1_max,
    expm1_norm,
    far_fresh,
    far_frozen,
    far_shared,
    floor,
    g,
    g3,
    g4,
    g_2,
    g_3,
    g_4,
    g_5,
    g_DD,
    gain,
    gain_i,
    gamma,
    gamma_max,
    gap,
    gap_m,
    gap_tau,
    gg_DD,
    gradient_end,
    gradient_start,
    growth,
    h2,
    half_drift,
    hessian,
    hessian_2r,
    hessian_beta,
    hessian_deep,
    hessian_K,
    hessian_theta,
    int_high,
    int_low,
    jacobian_change,
    k,
    k_first,
    k_fresh,
    k_frozen,
    k_jacobian,
    k_last,
    k_layers,
    k_output,
    k_shared,
    kappa_0,
    kernel_change,
    kernel_drift,
    kernel_moved,
    krr_alone,
    krr_distance,
    krr_double,
    krr_inf,
    krr_m,
    krr_means,
    krr_plain,
    krr_sum,
    kurt,
    lam,
    lam_1x,
    lam_i,
    lambda_0,
    lambda_noisier,
    latent_mean2,
    least_curvature,
    least_eigenvalue,
    least_square,
    limit_distance,
    log_moment,
    logged,
    loss_mean,
    loss_noisy,
    loss_spread,
    loss_start,
    loss_trained,
    lowest,
    m,
    m_a,
    m_g,
    m_mu,
    mapping2,
    mean2,
    mean_gain,
    mean_jacobian,
    misfit,
    misfit_sup,
    mismatch2,
    mode_limit,
    mode_residual,
    n,
    n_along,
    n_antipodes,
    n_equal,
    n_layers,
    n_opposite,
    n_parallel,
    n_sign,
    offset,
    offset2,
    omega_e,
    operator_deviation,
    order,
    order_frozen,
    order_shared,
    p,
    phase_c,
    phi_1,
    phi_2,
    phi_2_plain,
    phi_h,
    plain_mean,
    plain_var,
    pulled,
    r,
    r_0,
    ratio,
    reach,
    reg,
    residual2,
    residual_1,
    residual_D,
    residual_end,
    residual_tau,
    rest,
    rest_past,
    rho,
    ridge,
    rise,
    s,
    s1,
    s1_beta,
    s1_iw,
    s2,
    s2_analytic,
    s2_beta,
    s2_c,
    s2_iw,
    s2_l,
    s2_landing,
    s2_sampled,
    s_max,
    s_min,
    s_w,
    s_z,
    shift2,
    sigma2,
    sigma2_A,
    sigma_inf2,
    sigma_moved,
    sigma_pull,
    sigma_pulled,
    sigma_sup2,
    sigma_x2,
    slip,
    slope_inf,
    slope_l,
    slope_mu,
    slope_sup,
    spread_pull,
    spread_start,
    squared_deviation,
    start_m,
    stl_mean,
    stl_var,
    t,
    tau,
    tau_1,
    tau_2,
    taylor,
    test_distance,
    test_double,
    test_drift,
    test_inf,
    test_kernel,
    test_m,
    theta_mode,
    theta_norm,
    theta_sigma,
    theta_sum,
    theta_top,
    tr_D,
    tr_D_inv,
    tr_G,
    tr_GD,
    tr_GDG,
    tr_S,
    uniform_average,
    v,
    v_1,
    v_2,
    v_iw,
    v_K,
    v_low,
    v_path,
    v_score,
    variance_pull,
    w_max,
    w_min,
    work,
    x2,
    x_abs,
    x_max,
    y2,
    z_score,
    zeta,
)


def total(term: Any) -> Expr:
    """The sum of a term over the steps t = 1, ..., n."""
    return Sum(term, (t, 1, n))


# The units in which a situation may be measured; a letter changes by the power that its setting names for it.
OBJECTIVE: Final = "objective"
PARAMETERS: Final = "parameters"
DATA: Final = "data"
# The objective in another unit is a likelihood of another noise and another weight of the KL term.
LIKELIHOOD: Final[Mapping[Any, float | None]] = {sigma_x2: -1, beta: 1}
# Data and latents in another unit, weights as they were: of the KL term |W x|^2 and the trace of D change like data.
LATENT_DATA: Final[Mapping[Any, float | None]] = {lam: 2, sigma_x2: 2, D_max: 2, beta: -2}

SOFT_CLIP = Setting(
    "soft-clip",
    "a generalised soft-clip of sharpness s with a range of width T",
    parameters=(s, T),
    observables=(slope_sup, slope_inf, curvature_sup, reach, rise, drop),
    units={DATA: {s: -1, T: 1, curvature_sup: -1, reach: 1, rise: 1, drop: 1}},
)

LINEAR_VAE_BALL = Setting(
    "linear-vae-ball",
    "a point of the ball of radius r in the weights (W, V) of a Linear VAE with fixed encoder variances",
    parameters=(N, d, k, lam, sigma_x2, beta, D_max, r),
    observables=(hessian,),
    units={OBJECTIVE: {**LIKELIHOOD, hessian: 1}, DATA: LATENT_DATA},
)

LINEAR_VAE_POINT = Setting(
    "linear-vae-point",
    "a point (W, V) of the ball of radius r of a Linear VAE with fixed encoder variances, and the point (2W, 2V)",
    parameters=(),
    observables=(V_norm, code_norm, misfit, hessian_2r),
    refines=LINEAR_VAE_BALL,
    units={OBJECTIVE: {hessian_2r: 1}, DATA: {code_norm: 1, misfit: 2}},
)

LINEAR_VAE_OFFSETS = Setting(
    "linear-vae-offsets",
    "a point of the ball of radius r in the weights and offsets (W, V, b, c) of a Linear VAE, encoder variances fixed",
    parameters=(N, d, k, lam, lam_1x, sigma_x2, beta, D_max, r),
    observables=(hessian,),
    units={OBJECTIVE: {**LIKELIHOOD, hessian: 1}},
)

LINEAR_VAE_LEARNED_VARIANCE = Setting(
    "linear-vae-learned-variance",
    "a point of the ball of radius r in the weights (W, V) of a Linear VAE, log-variances learned within [-ell, ell]",
    parameters=(N, d, k, lam, sigma_x2, beta, r, ell),
    observables=(hessian,),
    units={OBJECTIVE: {**LIKELIHOOD, hessian: 1}},
)

RADIAL_CLIP = Setting(
    "radial-clip",
    "the radial soft-clip theta / sqrt(1 + |theta|^2 / r^2) onto the ball of radius r",
    parameters=(r,),
    observables=(bend_sup,),
    units={PARAMETERS: {r: 1, bend_sup: -1}},
)

CLIPPED_LINEAR_VAE = Setting(
    "clipped-linear-vae",
    "a point theta of a Linear VAE whose weights are a radial soft-clip of theta onto the ball of radius r",
    parameters=(N, d, k, lam, sigma_x2, beta, D_max, r, G_r),
    observables=(hessian_theta,),
    units={OBJECTIVE: {**LIKELIHOOD, hessian_theta: 1, G_r: 1}, DATA: LATENT_DATA},
)

FIXED_VARIANCES = Fact("fixed variances", "the encoder's variances are fixed")
LEARNED_VARIANCES = Fact("learned variances", "the encoder's variances are learned")

LINEAR_VAE_LANDSCAPE = Setting(
    "linear-vae-landscape",
    "a Linear VAE over all its weights (W, V), encoder variances fixed or learned",
    parameters=(N, d, k, sigma_x2, beta, lam_i, D_i),
    observables=(F_argmin, F_found, least_curvature),
    facts=(FIXED_VARIANCES, LEARNED_VARIANCES),
    units={OBJECTIVE: {**LIKELIHOOD, least_curvature: 1, F_argmin: None, F_found: None}},
)

WITH_REPLACEMENT = Fact("with replacement", "the batch is drawn with replacement")
WITHOUT_REPLACEMENT = Fact("without replacement", "the batch is drawn without replacement")

GRADIENT_NOISE = Setting(
    "gradient-noise",
    "the pathwise gradient of a Linear VAE, B data and K latent samples each, analytic KL",
    parameters=(
        *(B, K, N, d, k, sigma_x2, beta, kurt, tr_S, tr_D, tr_GD, tr_GDG),
        *(mean2, residual2, cross, g_DD, gg_DD, d_GDG, residual_D),
    ),
    observables=(v, s1, s2, s2_l, s2_c, v_K),
    facts=(WITH_REPLACEMENT, WITHOUT_REPLACEMENT),
    units={
        OBJECTIVE: {**LIKELIHOOD, v: 2, s1: 2, s2: 2, s2_l: 2, s2_c: 2, v_K: 2},
        DATA: {
            sigma_x2: 2,
            beta: -2,
            s2_c: -2,
            tr_S: 2,
            tr_D: 2,
            tr_GD: 2,
            tr_GDG: 2,
            mean2: 2,
            residual2: 2,
            cross: 4,
            g_DD: 4,
            gg_DD: 4,
            d_GDG: 4,
            residual_D: 4,
        },
    },
)

ENCODER_GRADIENT = Setting(
    "encoder-gradient",
    "the mean of a gradient estimator with K latent samples of one datum, encoder and decoder Gaussian",
    parameters=(d, K, sigma_x2, beta),
    observables=(est_mu, est_l, slope_mu, slope_l, elbo_mu),
)

KL_TREATMENTS = Setting(
    "kl-treatments",
    "the encoder's pathwise gradient of a Linear VAE, KL analytic, sampled, or sampled without its score term",
    parameters=(N, d, k, sigma_x2, beta, tr_S, tr_D, tr_G, tr_GD, tr_GDG, tr_D_inv, D_min, D_max, mismatch2),
    observables=(s2_analytic, s2_sampled, s2_landing),
    units={OBJECTIVE: {**LIKELIHOOD, s2_analytic: 2, s2_sampled: 2, s2_landing: 2}},
)

SCORE_AND_PATHWISE = Setting(
    "score-and-pathwise",
    "score-function and pathwise gradient of one integrand in one coordinate of a Gaussian encoder's mean",
    parameters=(),
    observables=(v_score, v_path),
)

QUADRATIC_INTEGRAND = Setting(
    "quadratic-integrand",
    "the same for a quadratic integrand c_0 + b.e + e^T A e - tr A of the noise e",
    parameters=(D_j, c_0, b_j, A_jj, h2, dh2),
    observables=(),
    refines=SCORE_AND_PATHWISE,
)

OSCILLATING_INTEGRAND = Setting(
    "oscillating-integrand",
    "the same for h = cos(omega e + phase), encoder variance one",
    parameters=(omega_e, phase_c),
    observables=(),
    refines=SCORE_AND_PATHWISE,
)

BETA_SWEEP = Setting(
    "beta-sweep",
    "one Linear VAE, its weights and data, at the betas j beta / 3 for j = 0, 1, 2, 3",
    parameters=(N, d, k, beta, sigma_x2, lam, D_max, lam_i, D_i, tr_S, tr_D, tr_GD, tr_GDG),
    observables=(s1_beta, s2_beta, s2_sampled, hessian_beta, F_beta, F_unit, gain, gain_i),
    units={
        OBJECTIVE: {
            **LIKELIHOOD,
            s1_beta: 2,
            s2_beta: 2,
            s2_sampled: 2,
            hessian_beta: 1,
            F_beta: None,
            F_unit: None,
            gain: None,
            gain_i: None,
        }
    },
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
    units={
        OBJECTIVE: {C: -1, L: 1, Delta: 1, Delta_sup: 1, sigma_sup2: 2, a: 2, sigma2: 2, F: 1},
        PARAMETERS: {C: 2, L: -2, sigma_sup2: -2, a: -2, sigma2: -2},
    },
)

CLIPPED_LINEAR_VAE_RUN = Setting(
    "clipped-linear-vae-run",
    "SGD on a Linear VAE whose weights are a radial soft-clip of the trained ones",
    parameters=(N, d, k, B, K, lam, sigma_x2, beta, D_max, r, G_r),
    observables=(),
    random=True,
    refines=SGD_RUN,
    units={OBJECTIVE: {**LIKELIHOOD, G_r: 1}, DATA: LATENT_DATA},
)

DEEP_CONSTANTS = (
    *(N, d, k),
    *(beta, sigma_x2, x_max, D_max, m_mu, J_mu, H_mu, J_l, H_l, expm1_max, expm1_norm),
    *(m_g, J_g2, H_g),
)

DEEP_RUN = Setting(
    "deep-gaussian-vae-run",
    "SGD on a deep Gaussian VAE whose weights are a radial soft-clip of the trained ones",
    parameters=(*DEEP_CONSTANTS, r, G_r),
    observables=(slip, bend, z_score),
    random=True,
    refines=SGD_RUN,
    units={OBJECTIVE: {**LIKELIHOOD, G_r: 1, slip: 2, bend: 3}},
)

STOPPED_LINEAR_VAE_RUN = Setting(
    "stopped-linear-vae-run",
    "SGD on a Linear VAE until its weights leave the ball of radius r; from then on all but the objective is zero",
    parameters=(N, d, k, B, K, lam, sigma_x2, beta, D_max, r),
    observables=(g3, g4),
    random=True,
    refines=SGD_RUN,
    units={OBJECTIVE: {**LIKELIHOOD, g3: 3, g4: 4}, DATA: LATENT_DATA},
)

UNIT_SCALE = Fact("unit scale", "layers of width 3 or more with weights drawn at unit scale or above")

DEEP_POINT = Setting(
    "deep-gaussian-vae-point",
    "a point in the parameter space of a deep Gaussian VAE, with the layerwise bounds there",
    parameters=(depth, *DEEP_CONSTANTS),
    observables=(hessian_deep,),
    facts=(UNIT_SCALE,),
    units={OBJECTIVE: {**LIKELIHOOD, hessian_deep: 1}},
)

DEEP_LAYER = Setting(
    "deep-layer",
    "one layer on top of a map of given size, slope and curvature",
    parameters=(m_a, J_a, H_a, rho, c_1, c_2),
    observables=(J_u, H_u, H_f),
)

DEEP_LATENT = Setting(
    "deep-latent",
    "the latent sample mu + e^(l/2) eps as a map of the encoder's parameters",
    parameters=(J_mu, H_mu, J_l, H_l, D_max, eps_norm),
    observables=(J_z, H_z),
)

BBVI_RUN = Setting(
    "bbvi-run",
    "SGD on a Gaussian family, mean-field or full-rank, for a regression with a soft-clipped predictor",
    parameters=(
        *(N, k, B, K, lam, sigma_x2, beta, slope_sup, curvature_sup, misfit_sup, x_abs, s_min, s_max, tau_1, tau_2),
    ),
    observables=(),
    random=True,
    refines=SGD_RUN,
    units={OBJECTIVE: LIKELIHOOD},
)

PROJECTED_LINEAR_VAE_RUN = Setting(
    "projected-linear-vae-run",
    "SGD with step size C / sqrt(t) on a Linear VAE, projected onto the ball of radius r after each step",
    parameters=(N, d, k, B, K, n, C, L, Delta, lam, sigma_x2, beta, D_max, r),
    observables=(mapping2, sigma2),
    facts=(UNBIASED,),
    random=True,
    units={OBJECTIVE: {**LIKELIHOOD, C: -1, L: 1, Delta: 1, mapping2: 2, sigma2: 2}, DATA: LATENT_DATA},
)

GRADIENT_DESCENT_RUN = Setting(
    "gradient-descent-run",
    "n gradient steps without noise, of any sizes",
    parameters=(n, L, Delta, gamma_max),
    observables=(gamma, least_square),
    facts=(SMOOTH,),
    units={
        OBJECTIVE: {L: 1, Delta: 1, gamma: -1, gamma_max: -1, least_square: 2},
        PARAMETERS: {L: -2, gamma: 2, gamma_max: 2, least_square: -2},
    },
)

SGD_HORIZONS = Setting(
    "sgd-horizons",
    "SGD with step size C / sqrt(t), watched at growing horizons n",
    parameters=(C, L, Delta, sigma_inf2),
    observables=(average, uniform_average),
    facts=(UNBIASED, SMOOTH),
    units={
        OBJECTIVE: {C: -1, L: 1, Delta: 1, sigma_inf2: 2, average: 2, uniform_average: 2},
        PARAMETERS: {C: 2, L: -2, sigma_inf2: -2, average: -2, uniform_average: -2},
    },
)

WEIGHT_BOUNDED = Fact("weights bounded", "the normalised importance weight is bounded")
WEIGHT_AWAY_FROM_ZERO = Fact("weights away from zero", "the normalised importance weight is bounded away from zero")
WEIGHT_VARIANCE = Fact("finite variance", "the normalised importance weight has a finite variance")

IWAE = Setting(
    "iwae",
    "the importance-weighted bound with K samples from a Gaussian encoder, Gaussian posterior",
    parameters=(K, chi2, w_min, w_max, ratio, shift2, N, k),
    observables=(gap, logged),
    facts=(WEIGHT_BOUNDED, WEIGHT_AWAY_FROM_ZERO, WEIGHT_VARIANCE),
)

IWAE_MOMENT = Setting(
    "iwae-moment",
    "a moment of the normalised importance weight, Gaussian encoder and Gaussian posterior",
    parameters=(order, ratio, shift2),
    observables=(log_moment, growth),
)

IWAE_GRADIENT = Setting(
    "iwae-gradient",
    "estimators of the importance-weighted bound's gradient, one datum, one latent coordinate, Gaussian noise",
    parameters=(K, sigma_x2, Q, ratio, shift2, evidence_slope),
    observables=(
        *(bound_slope, plain_mean, plain_var, dreg_mean, dreg_var),
        *(stl_mean, stl_var, decoder_mean, decoder_var),
    ),
)

IWAE_AT_POSTERIOR = Setting(
    "iwae-at-posterior",
    "the importance-weighted bound and its gradient estimators where the encoder is the posterior",
    parameters=(K, sigma_x2, Q),
    observables=(gap, plain_var, dreg_var, stl_var),
)

IWAE_POINT = Setting(
    "iwae-point",
    "a point of the importance-weighted objective of a Linear VAE with K samples of finite latent noise",
    parameters=(N, K, sigma_x2, A_1, A_2),
    observables=(hessian_K,),
)

IWAE_NOISE = Setting(
    "iwae-noise",
    "the importance-weighted gradient of a Linear VAE, B data with replacement, K samples of finite latent noise",
    parameters=(N, B, K, sigma_x2),
    observables=(v_iw, s1_iw, s2_iw),
)

CLIPPED_IWAE_RUN = Setting(
    "clipped-iwae-run",
    "SGD on the importance-weighted objective of a Linear VAE, radially clipped weights, bounded latent noise",
    parameters=(N, K, sigma_x2, A_1, A_2, r),
    observables=(),
    random=True,
    refines=SGD_RUN,
)

RELU = Fact("ReLU", "the activation is ReLU")
ERF = Fact("erf", "the activation is erf")
SAME_INPUT = Fact("same input", "the kernel entry is on the diagonal")
TWO_INPUTS = Fact("two inputs", "the kernel entry is off the diagonal")

TANGENT_ENTRY = Setting(
    "tangent-entry",
    "one entry of the tangent kernel of a noisy two-layer network at initialisation",
    parameters=(N, m, p, s_z, g, x2, y2),
    observables=(k_fresh, k_shared, k_frozen, k_output, V_s),
    facts=(RELU, ERF, SAME_INPUT, TWO_INPUTS),
    random=True,
)

TANGENT_KERNEL = Setting(
    "tangent-kernel",
    "the tangent kernel of a noise-averaged two-layer network of width m at initialisation, N inputs",
    parameters=(N, m, p, delta, zeta, phi_1, G_norm, theta_norm, lambda_0, V_0),
    observables=(entry_deviation, operator_deviation, squared_deviation, least_eigenvalue),
    facts=(),
    random=True,
)

NETWORK = (N, d, m, phi_2, x_max, G_norm)

WIDE_STEP = Setting(
    "wide-step",
    "a noise-averaged two-layer network at initialisation: one gradient descent step, and one random move",
    parameters=(*NETWORK, eta, delta_W, least_eigenvalue, theta_top, r_0),
    observables=(residual_1, taylor, jacobian_change, kernel_change),
)

WIDE_FLOW = Setting(
    "wide-flow",
    "gradient flow of a noise-averaged two-layer network on the squared error",
    parameters=(*NETWORK, tau, least_eigenvalue, r_0),
    observables=(residual_tau, int_low, int_high, displacement),
)

SINGLE_MODE = Fact("single mode", "the first residual is an eigenvector of the kernel")

LINEAR_RIDGE_FLOW = Setting(
    "linear-ridge-flow",
    "gradient flow with a ridge of a network linear in its weights",
    parameters=(N, d, m, p, tau, ridge, theta_mode, least_eigenvalue),
    observables=(mode_residual, mode_limit, limit_distance),
    facts=(SINGLE_MODE,),
)

WIDE_RIDGE = Setting(
    "wide-ridge",
    "a noise-averaged two-layer network trained with a ridge around its start",
    parameters=(*NETWORK, ridge, least_eigenvalue, theta_top, r_0),
    observables=(
        *(displacement, pulled, work, residual_end, kernel_drift),
        *(krr_distance, krr_double, test_drift, test_kernel, test_distance, test_double),
    ),
)

WIDE_RIDGE_FLOW = Setting(
    "wide-ridge-flow",
    "gradient flow with a ridge around the start of a noise-averaged two-layer network",
    parameters=(*NETWORK, tau, ridge, r_0, gradient_start),
    observables=(gradient_end,),
)

INDEPENDENT = Fact("independent inputs", "the inputs are linearly independent")

AMORTISED = Setting(
    "wide-amortised",
    "a noise-averaged two-layer network trained with a KL term around its encoder's first means, inputs whitened",
    parameters=(),
    observables=(krr_plain, krr_alone),
    facts=(INDEPENDENT,),
    refines=WIDE_RIDGE,
)

TRAINED_VARIANCES = Setting(
    "wide-variances",
    "a wide two-layer network with Gaussian weights, means and standard deviations trained with a KL term",
    parameters=(N, d, m, p, s_w, ridge, least_eigenvalue, theta_sum, theta_sigma, phi_h),
    observables=(
        *(krr_distance, krr_sum, krr_means, half_drift, residual_end, displacement),
        *(v_low, sigma_moved, sigma_pull, sigma_pulled),
    ),
)

ADDED_NOISE = Fact("noise of its own scale", "noise of the same positive variance is added for every input")
SCALED_NOISE = Fact("noise in proportion", "the noise is in the weights, so in proportion to the input, or absent")
EQUAL_NORMS = Fact("equal norms", "all inputs have one norm")

LIMIT_SPECTRUM = Setting(
    "limit-spectrum",
    "limit kernels of a few non-zero inputs, whole numbers as coordinates or sixteenths, noise at most 5/2",
    parameters=(N, s_z, n_equal, n_sign, n_parallel, n_along, n_antipodes, n_opposite),
    observables=(lambda_0, lambda_noisier, order_shared, order_frozen),
    facts=(RELU, ERF, ADDED_NOISE, SCALED_NOISE, EQUAL_NORMS),
)

PERCEPTRON_KERNEL = Setting(
    "perceptron-kernel",
    "one tangent kernel entry of a multilayer perceptron, all weights trained",
    parameters=(N, d, m, n_layers),
    observables=(k_layers, k_jacobian, k_first, k_last),
)

FRESH_NOISE = Fact("fresh noise", "the latent noise is drawn anew for every input and step")
SHARED_NOISE = Fact("shared noise", "one draw of the latent noise is frozen and shared by all inputs")
FROZEN_NOISE = Fact("frozen noise", "one draw of the latent noise is frozen to each input")

NOISE_PROTOCOL = Setting(
    "noise-protocol",
    "gradient flow up to time tau of a noisy network of width m towards targets at distance r_0 from its start",
    parameters=(*NETWORK, phi_2_plain, s_z, tau, r_0, theta_top, v_1, v_2, spread_pull, offset),
    observables=(far_fresh, far_shared, far_frozen),
    facts=(FRESH_NOISE, SHARED_NOISE, FROZEN_NOISE, ERF),
)

NOISY_START = Setting(
    "noisy-start",
    "a noisy network of width m at its random start, before it is trained for a time tau",
    parameters=(N, d, m, s_z, tau, V_d, floor),
    observables=(offset2, spread_start),
    facts=(FRESH_NOISE, SHARED_NOISE, FROZEN_NOISE),
    random=True,
)

NOISY_LOSS = Setting(
    "noisy-loss",
    "the expected reconstruction loss of a noisy network of width m at some weights",
    parameters=(N, d, m, s_z),
    observables=(loss_noisy, loss_mean, loss_spread),
)

NOISE_FLOOR = Setting(
    "noise-floor",
    "gradient flow up to time tau on the expected loss of a noisy network of width m, N orthogonal inputs",
    parameters=(
        *(*NETWORK, s_z, lambda_0, tau, floor),
        *(r_0, least_eigenvalue, theta_top, v_1, spread_start),
    ),
    observables=(loss_start, loss_trained),
)

LITERAL_KL = Setting(
    "literal-kl",
    "a wide autoencoder at rest under the KL term to a standard normal latent, erf, orthogonal output signs",
    parameters=(N, d, m, p, tr_S, b_kl, kappa_0, phi_1),
    observables=(mean_gain, latent_mean2, residual_end, kernel_moved),
)

LINEARISATION = Setting(
    "linearisation",
    "gradient flow of a noise-averaged two-layer network beside its linear model",
    parameters=(),
    observables=(gap_tau, drift_tau, drift_int, lowest),
    refines=WIDE_FLOW,
)

WIDTHS = Setting(
    "widths",
    "noisy two-layer networks of widths 64 to m, trained by descent and with a ridge, latent noise at least 1/2",
    parameters=(N, d, m, s_z, ridge),
    observables=(start_m, drift_m, gap_m, krr_m, krr_inf, test_m, test_inf),
)

GAUSSIAN_WEIGHTS = Setting(
    "gaussian-weights",
    "a wide network whose weights are Gaussian around W, trained on its negative ELBO, prior around the start",
    parameters=(*NETWORK, beta, sigma_x2, s_w, least_eigenvalue),
    observables=(
        *(displacement, elbo_pulled, variance_pull, residual_end, kernel_drift, mean_jacobian),
        *(krr_distance, krr_double),
    ),
)

ADAM_DRIFT = Setting(
    "adam-drift",
    "Adam held at one parameter, independent gradients of a scalar quadratic, regulariser inside the root",
    parameters=(beta_1, beta_2, reg, g_2, g_3, g_4, g_5),
    observables=(drift, rest, rest_past),
    units={OBJECTIVE: {reg: 1, g_2: 2, g_3: 3, g_4: 4, g_5: 5, rest: 1, rest_past: 1}},
)

ADAM_RUN = Setting(
    "adam-run",
    "n steps C / sqrt(t) of Adam, regulariser inside the root, on an L-smooth objective with gradients bounded by R",
    parameters=(N, d, B, n, C, L, Delta, p, R, beta_1, beta_2, reg),
    observables=(a_m,),
    facts=(UNBIASED,),
    random=True,
    units={
        OBJECTIVE: {L: 1, Delta: 1, R: 1, reg: 1, a_m: 2},
        PARAMETERS: {C: 1, L: -2, R: -1, reg: -1, a_m: -2},
    },
)

ADAM_CONSTANT_STEP = Setting(
    "adam-constant-step",
    "n steps alpha of Adam, second moment corrected, on an L-smooth objective with gradients bounded by R - reg",
    parameters=(N, d, B, n, alpha, L, Delta, p, R, beta_1, beta_2, reg),
    observables=(a,),
    facts=(UNBIASED,),
    random=True,
    units={
        OBJECTIVE: {L: 1, Delta: 1, R: 1, reg: 1, a: 2},
        PARAMETERS: {alpha: 1, L: -2, R: -1, reg: -1, a: -2},
    },
)

ADAM_PREDICTABLE_RUN = Setting(
    "adam-predictable-run",
    "n steps C / sqrt(t) of Adam without momentum, preconditioned by past gradients, on an L-smooth objective",
    parameters=(d, B, n, C, L, Delta, p, R, beta_2, reg),
    observables=(a, sigma2, a_A, a_AA, sigma2_A, F),
    facts=(UNBIASED,),
    random=True,
    units={
        OBJECTIVE: {L: 1, Delta: 1, R: 1, reg: 1, F: 1, a: 2, sigma2: 2, a_A: 1},
        PARAMETERS: {C: 1, L: -2, R: -1, reg: -1, a: -2, sigma2: -2, a_A: -1},
    },
)

DEEP_ADAM_RUN = Setting(
    "deep-gaussian-vae-adam-run",
    "Adam with momentum on a radially clipped deep Gaussian VAE",
    parameters=(*DEEP_CONSTANTS, r, G_r),
    observables=(F,),
    random=True,
    refines=ADAM_RUN,
    units={OBJECTIVE: {**LIKELIHOOD, G_r: 1, F: 1}},
)

DEEP_ADAM_PREDICTABLE_RUN = Setting(
    "deep-gaussian-vae-adam-predictable-run",
    "Adam without momentum, preconditioned by past gradients, on a radially clipped deep Gaussian VAE",
    parameters=(*DEEP_CONSTANTS, r, G_r),
    observables=(),
    random=True,
    refines=ADAM_PREDICTABLE_RUN,
    units={OBJECTIVE: {**LIKELIHOOD, G_r: 1}},
)
