"""The situations that claims speak about; an experiment and a claim meet at one of these."""

from typing import Any

from sympy import Expr, Sum

from elbound.theory.claim import Fact, Setting
from elbound.theory.symbols import (
    V_0,
    B,
    C,
    D_max,
    Delta,
    F,
    G_norm,
    G_r,
    K,
    L,
    N,
    T,
    V_s,
    a,
    average,
    b_kl,
    beta,
    chi2,
    cross,
    curvature_sup,
    d,
    d_GDG,
    delta,
    delta_W,
    displacement,
    drop,
    entry_deviation,
    eta,
    far_fresh,
    far_frozen,
    far_shared,
    floor,
    g,
    g_DD,
    gap,
    gg_DD,
    gradient_end,
    gradient_start,
    hessian,
    int_high,
    int_low,
    jacobian_change,
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
    krr_distance,
    krr_double,
    kurt,
    lam,
    lambda_0,
    lambda_noisier,
    latent_mean2,
    least_eigenvalue,
    limit_distance,
    loss_mean,
    loss_noisy,
    loss_spread,
    loss_start,
    loss_trained,
    m,
    mean2,
    mean_gain,
    mean_jacobian,
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
    operator_deviation,
    order_frozen,
    order_shared,
    phi_1,
    phi_2,
    pulled,
    r,
    r_0,
    reach,
    residual2,
    residual_1,
    residual_D,
    residual_end,
    residual_tau,
    ridge,
    rise,
    s,
    s1,
    s2,
    s2_c,
    s2_l,
    s_z,
    sigma2,
    sigma_x2,
    slope_inf,
    slope_sup,
    squared_deviation,
    t,
    tau,
    taylor,
    test_distance,
    test_double,
    test_drift,
    test_jacobian,
    test_kernel,
    theta_mode,
    theta_norm,
    theta_top,
    tr_D,
    tr_GD,
    tr_GDG,
    tr_S,
    v,
    w_max,
    w_min,
    work,
    x2,
    x_max,
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

WITH_REPLACEMENT = Fact("with replacement", "the batch is drawn with replacement")
WITHOUT_REPLACEMENT = Fact("without replacement", "the batch is drawn without replacement")

GRADIENT_NOISE = Setting(
    "gradient-noise",
    "the pathwise gradient of a Linear VAE, B data and K latent samples each, analytic KL",
    parameters=(
        *(B, K, N, sigma_x2, kurt, tr_S, tr_D, tr_GD, tr_GDG),
        *(mean2, residual2, cross, g_DD, gg_DD, d_GDG, residual_D),
    ),
    observables=(v, s1, s2, s2_l, s2_c),
    facts=(WITH_REPLACEMENT, WITHOUT_REPLACEMENT),
)

UNBIASED = Fact("unbiased", "the stochastic gradient has the gradient as its mean, given the past")
SMOOTH = Fact("smooth", "the gradient of the objective is L-Lipschitz")
SMOOTH_ON_BALL = Fact(
    "smooth on the ball", "the gradient of the objective is L-Lipschitz on the ball where the run starts"
)

SGD_RUN = Setting(
    "sgd-run",
    "n steps of SGD with step size C / sqrt(t)",
    parameters=(n, C, L, Delta),
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

SGD_HORIZONS = Setting(
    "sgd-horizons",
    "SGD with step size C / sqrt(t), watched at growing horizons n",
    parameters=(C, L, Delta),
    observables=(average,),
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
    observables=(k_fresh, k_shared, k_frozen, k_output, V_s),
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

NETWORK = (d, m, phi_2, x_max, G_norm)

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
    parameters=(tau, ridge, theta_mode, least_eigenvalue),
    observables=(mode_residual, mode_limit, limit_distance),
    facts=(SINGLE_MODE,),
)

WIDE_RIDGE = Setting(
    "wide-ridge",
    "a noise-averaged two-layer network trained with a ridge around its start",
    parameters=(*NETWORK, ridge, least_eigenvalue, theta_top, r_0),
    observables=(
        *(displacement, pulled, work, residual_end, gradient_end, kernel_drift, mean_jacobian),
        *(krr_distance, krr_double, test_drift, test_jacobian, test_kernel, test_distance, test_double),
    ),
)

WIDE_RIDGE_FLOW = Setting(
    "wide-ridge-flow",
    "gradient flow with a ridge around the start of a noise-averaged two-layer network",
    parameters=(*NETWORK, tau, ridge, r_0, gradient_start),
    observables=(gradient_end,),
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
    "gradient flow up to time 4 of a noisy erf network of width m, up to six inputs of unit norm",
    parameters=(N, m, s_z),
    observables=(far_fresh, far_shared, far_frozen),
    facts=(FRESH_NOISE, SHARED_NOISE, FROZEN_NOISE),
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
    parameters=(N, d, m, s_z, lambda_0, tau, floor),
    observables=(loss_start, loss_trained),
)

LITERAL_KL = Setting(
    "literal-kl",
    "a wide autoencoder at rest under the KL term to a standard normal latent, erf, orthogonal output signs",
    parameters=(d, m, b_kl, kappa_0, phi_1),
    observables=(mean_gain, latent_mean2, residual_end, kernel_moved),
)
