"""The alphabet: one sympy symbol per quantity, one meaning per letter."""

from typing import Final, TypeVar

from sympy import IndexedBase, Symbol

Letter = TypeVar("Letter", Symbol, IndexedBase)

ALPHABET: Final[dict[Symbol | IndexedBase, str]] = {}
LATEX: Final[dict[Symbol, str]] = {}


def quantity(name: str, meaning: str, latex: str = "", **assumptions: bool) -> Symbol:
    """A scalar with its meaning; positive unless assumptions say otherwise. ValueError for a letter already taken."""
    return _enter(Symbol(name, **(assumptions or {"positive": True})), name, meaning, latex)


def curve(name: str, meaning: str, latex: str = "", **assumptions: bool) -> IndexedBase:
    """A quantity with one index (step, sample count, width). ValueError for a letter already taken."""
    return _enter(IndexedBase(name, **(assumptions or {"nonnegative": True})), name, meaning, latex)


def _enter(letter: Letter, name: str, meaning: str, latex: str) -> Letter:
    taken = {str(known): text for known, text in ALPHABET.items()}
    if taken.get(name, meaning) != meaning:
        raise ValueError(f"symbol {name}: already means “{taken[name]}”; choose another letter")
    ALPHABET[letter] = meaning
    if latex:
        LATEX[letter.label if isinstance(letter, IndexedBase) else letter] = latex
    return letter


# Models and data
d = quantity("d", "data dimension", integer=True, positive=True)
k = quantity("k", "latent dimension", integer=True, positive=True)
N = quantity("N", "number of data points", integer=True, positive=True)
beta = quantity("beta", "weight of the KL term", r"\beta", nonnegative=True)
sigma_x2 = quantity("sigma_x2", "variance of the decoder's observation noise", r"\sigma_x^2")
lam = quantity("lam", "largest eigenvalue of the data's second moment", r"\lambda", nonnegative=True)
D_max = quantity("D_max", "largest variance of the Gaussian encoder", r"D_{\max}")
r = quantity("r", "radius of the ball that holds all weights")
G_r = quantity("G_r", "a sure bound on the gradient norm on the ball", nonnegative=True)
hessian = quantity("hessian", "spectral norm of the Hessian at a point of the ball", r"\|\nabla^2F\|", nonnegative=True)

# Stochastic gradients of the Linear VAE, encoder N(Wx + b, D), decoder N(Vz + c, sigma_x2 I)
B = quantity("B", "batch size", integer=True, positive=True)
K = quantity("K", "number of latent samples per datum", integer=True, positive=True)
s1 = quantity("s1", "gradient noise due to the choice of one datum", "s_1", nonnegative=True)
s2 = quantity("s2", "gradient noise due to one latent sample, weights W and V", "s_2", nonnegative=True)
s2_l = quantity(
    "s2_l",
    "gradient noise due to one latent sample, log-variances of the encoder",
    r"s_2^{\ell}",
    nonnegative=True,
)
s2_c = quantity("s2_c", "gradient noise due to one latent sample, decoder offset", "s_2^{c}", nonnegative=True)
v = quantity("v", "trace of the stochastic gradient's covariance, weights W and V", nonnegative=True)
kurt = quantity("kurt", "fourth moment of one coordinate of the latent noise", r"\kappa")
tr_S = quantity("tr_S", "mean squared norm of the data", r"\mathrm{tr}S", nonnegative=True)
tr_D = quantity("tr_D", "trace of the encoder's covariance", r"\mathrm{tr}D", nonnegative=True)
tr_GD = quantity("tr_GD", "trace of G D with G = V^T V", r"\mathrm{tr}(GD)", nonnegative=True)
tr_GDG = quantity("tr_GDG", "trace of G D G", r"\mathrm{tr}(GDG)", nonnegative=True)
mean2 = quantity("mean2", "mean squared norm of the encoder's mean", r"E\|\mu\|^2", nonnegative=True)
residual2 = quantity(
    "residual2",
    "mean squared reconstruction residual at the encoder's mean",
    r"E\|\rho\|^2",
    nonnegative=True,
)
cross = quantity("cross", "mean of residual^T V D mu", r"E[\rho^\top VD\mu]", real=True)
g_DD = quantity("g_DD", "sum of G_jj D_j^2", r"\sum_jG_{jj}D_j^2", nonnegative=True)
gg_DD = quantity("gg_DD", "sum of G_jj^2 D_j^2", r"\sum_jG_{jj}^2D_j^2", nonnegative=True)
d_GDG = quantity("d_GDG", "sum of D_j (G D G)_jj", r"\sum_jD_j(GDG)_{jj}", nonnegative=True)
residual_D = quantity(
    "residual_D",
    "sum of D_j times the mean square of (V^T residual)_j",
    r"\sum_jD_jE(V^\top\rho)_j^2",
    nonnegative=True,
)

# Training runs
n = quantity("n", "number of steps", integer=True, positive=True)
t = quantity("t", "index of a step", integer=True, positive=True)
C = quantity("C", "constant of the step size C / sqrt(t)")
L = quantity("L", "smoothness constant of the objective")
Delta = quantity("Delta", "initial gap: objective at the start less its infimum", r"\Delta", nonnegative=True)
a = curve("a", "squared gradient norm at step t")
sigma2 = curve("sigma2", "variance of the stochastic gradient at step t, given the past", r"\sigma^2")
F = curve("F", "objective at step t", real=True)
average = curve("average", "expected squared gradient at the random output index, horizon n", r"\bar a")

# Importance weighting
chi2 = quantity("chi2", "variance of the normalised importance weight", r"\chi^2", nonnegative=True)
w_min = quantity("w_min", "infimum of the normalised importance weight", r"w_{\min}", nonnegative=True)
w_max = quantity("w_max", "supremum of the normalised importance weight", r"w_{\max}", nonnegative=True)
gap = curve("gap", "log-evidence less the importance-weighted bound with K samples", r"\mathrm{gap}")

# Soft-clipping
s = quantity("s", "sharpness of the soft-clip")
T = quantity("T", "width of the soft-clip's range")
slope_sup = quantity("slope_sup", "supremum of the soft-clip's slope", r"\sup f'", nonnegative=True)
slope_inf = quantity("slope_inf", "least slope of the soft-clip on a bounded interval", r"\inf f'", real=True)
curvature_sup = quantity(
    "curvature_sup", "supremum of the soft-clip's absolute second derivative", r"\sup|f''|", nonnegative=True
)
reach = quantity(
    "reach",
    "largest distance of the soft-clip from the middle of its range",
    r"\sup|f-\bar x|",
    nonnegative=True,
)
rise = quantity("rise", "rise above the lower end at some distance right of the middle", nonnegative=True)
drop = quantity("drop", "distance to the upper end at the same distance left of the middle", nonnegative=True)

# Wide stochastic networks
m = quantity("m", "width of the network", integer=True, positive=True)
s_z = quantity("s_z", "standard deviation of the latent noise", nonnegative=True)
g = quantity("g", "inner product of two inputs", r"x^\top x'", real=True)
x2 = quantity("x2", "squared norm of the first input", r"\|x\|^2")
y2 = quantity("y2", "squared norm of the second input", r"\|x'\|^2")
k_fresh = quantity("k_fresh", "tangent kernel entry with a fresh noise draw for each input", r"\hat k_1", real=True)
k_shared = quantity("k_shared", "tangent kernel entry with one noise draw shared by all inputs", r"\hat k_2", real=True)
k_frozen = quantity("k_frozen", "tangent kernel entry with a noise draw frozen to each input", r"\hat k_3", real=True)
k_output = quantity("k_output", "kernel entry of the output weights, trained too", r"\hat k_V", real=True)
V_s = quantity("V_s", "variance of a neuron's output over the latent noise", "V_s", nonnegative=True)
order_shared = quantity("order_shared", "least eigenvalue of K2 - K1", r"\lambda_{\min}(K_2-K_1)", real=True)
order_frozen = quantity("order_frozen", "least eigenvalue of K3 - K1", r"\lambda_{\min}(K_3-K_1)", real=True)
lambda_noisier = quantity(
    "lambda_noisier", "least eigenvalue of the limit kernel at more noise", r"\lambda_0^+", real=True
)
n_equal = quantity("n_equal", "pairs of equal inputs", r"n_{=}", integer=True, nonnegative=True)
n_sign = quantity("n_sign", "pairs of inputs equal up to sign", r"n_{\pm}", integer=True, nonnegative=True)
n_parallel = quantity("n_parallel", "pairs of parallel inputs", r"n_{\parallel}", integer=True, nonnegative=True)
n_along = quantity(
    "n_along", "pairs of inputs that are positive multiples of one another", r"n_{+}", integer=True, nonnegative=True
)
n_antipodes = quantity(
    "n_antipodes",
    "antipodal pairs {x, -x} beyond the rank of their lines",
    r"n_{\pm}-\mathrm{rank}",
    integer=True,
    nonnegative=True,
)
n_opposite = quantity(
    "n_opposite",
    "lines with inputs in both directions, beyond the rank of these lines",
    r"n_{-}-\mathrm{rank}",
    integer=True,
    nonnegative=True,
)
n_layers = quantity("n_layers", "number of layers of weights", r"\ell", integer=True, positive=True)
k_layers = quantity("k_layers", "tangent kernel entry summed over layers", r"\hat k_{\mathrm{layers}}", real=True)
k_jacobian = quantity("k_jacobian", "the same entry from the Jacobian", r"(JJ^\top)_{ij}", real=True)
k_first = quantity("k_first", "the first layer's share of that entry", r"(J_1J_1^\top)_{ij}", real=True)
k_last = quantity("k_last", "the output layer's share of that entry", r"(J_\ell J_\ell^\top)_{ij}", real=True)
far_fresh = quantity(
    "far_fresh",
    "relative distance of trained outputs from K1's prediction, mean of four networks",
    r"\rho_1",
    nonnegative=True,
)
far_shared = quantity(
    "far_shared",
    "relative distance of trained outputs from K2's prediction, mean of four networks",
    r"\rho_2",
    nonnegative=True,
)
far_frozen = quantity(
    "far_frozen",
    "relative distance of trained outputs from K3's prediction, mean of four networks",
    r"\rho_3",
    nonnegative=True,
)
floor = quantity("floor", "half the data dimension times the summed noise variance", r"\frac d2\sum_iV_s(x_i)")
loss_noisy = quantity("loss_noisy", "expected reconstruction loss over the latent noise", r"\ell", nonnegative=True)
loss_mean = quantity("loss_mean", "reconstruction loss of the noise-averaged output", r"\bar\ell", nonnegative=True)
loss_spread = quantity(
    "loss_spread", "half the summed variance of the outputs over the latent noise", r"v_\ell", nonnegative=True
)
loss_start = quantity("loss_start", "expected reconstruction loss at initialisation", r"\ell_0", nonnegative=True)
loss_trained = quantity("loss_trained", "expected reconstruction loss after training", r"\ell_\tau", nonnegative=True)
delta = quantity("delta", "allowed probability of failure", r"\delta")
zeta = quantity("zeta", "fraction of the least eigenvalue that may be lost", r"\zeta")
phi_1 = quantity("phi_1", "supremum of the smoothed activation's slope", r"\phi_1")
G_norm = quantity("G_norm", "largest eigenvalue of the inputs' Gram matrix", r"\|G\|")
theta_norm = quantity("theta_norm", "largest eigenvalue of the limit kernel", r"\|\Theta\|")
lambda_0 = quantity("lambda_0", "least eigenvalue of the limit kernel", r"\lambda_0", nonnegative=True)
V_0 = quantity("V_0", "summed variance of one neuron's kernel matrix", nonnegative=True)
entry_deviation = quantity(
    "entry_deviation",
    "largest kernel deviation relative to its inner product",
    r"\max_{ij}|\hat\Theta-\Theta|_{ij}/|x_i^\top x_j|",
    nonnegative=True,
)
operator_deviation = quantity(
    "operator_deviation", "operator norm of the kernel deviation", r"\|\hat\Theta-\Theta\|", nonnegative=True
)
squared_deviation = quantity(
    "squared_deviation",
    "squared Frobenius norm of the kernel deviation",
    r"\|\hat\Theta-\Theta\|_F^2",
    nonnegative=True,
)
least_eigenvalue = quantity(
    "least_eigenvalue",
    "least eigenvalue of the kernel at initialisation",
    r"\lambda_{\min}(\hat\Theta)",
    real=True,
)

# Training wide networks
tau = quantity("tau", "time of the gradient flow", r"\tau", nonnegative=True)
eta = quantity("eta", "step size of one gradient descent step", r"\eta")
ridge = quantity("ridge", "weight of half the squared distance from the start in the loss", r"\varrho")
phi_2 = quantity("phi_2", "supremum of the smoothed activation's absolute second derivative", r"\phi_2")
x_max = quantity("x_max", "largest norm of an input", r"\max_i\|x_i\|")
J_lip = quantity("J_lip", "Lipschitz constant of the network's Jacobian in the weights", "L_J")
theta_top = quantity("theta_top", "largest eigenvalue of the kernel at initialisation", r"\lambda_{\max}(\hat\Theta)")
theta_mode = quantity("theta_mode", "an eigenvalue of the kernel at initialisation", r"\theta")
r_0 = quantity("r_0", "norm of the residual y - f at the start", r"\|r_0\|")
delta_W = quantity("delta_W", "distance between two points in the weights", r"\|\Delta\|")
residual_1 = quantity("residual_1", "norm of the residual after one step", r"\|r_1\|", nonnegative=True)
taylor = quantity(
    "taylor",
    "distance of the network from its linear part over that move",
    r"\|f(W+\Delta)-f-J\Delta\|",
    nonnegative=True,
)
jacobian_change = quantity(
    "jacobian_change",
    "operator norm of the Jacobian's change over that move",
    r"\|J(W+\Delta)-J(W)\|",
    nonnegative=True,
)
kernel_change = quantity(
    "kernel_change",
    "operator norm of the tangent kernel's change over that move",
    r"\|\hat\Theta(W+\Delta)-\hat\Theta(W)\|",
    nonnegative=True,
)
residual_tau = quantity("residual_tau", "norm of the residual at time tau", r"\|r(\tau)\|", nonnegative=True)
int_low = quantity(
    "int_low", "integral over time of the kernel's least eigenvalue", r"\int_0^\tau\lambda_{\min}", real=True
)
int_high = quantity(
    "int_high", "integral over time of the kernel's largest eigenvalue", r"\int_0^\tau\lambda_{\max}", nonnegative=True
)
displacement = quantity(
    "displacement", "distance of the trained weights from their start", r"\|W-W_0\|_F", nonnegative=True
)
pulled = quantity(
    "pulled", "norm of the residual under the transposed Jacobian", r"\|J^\top(y-f)\|_F", nonnegative=True
)
work = quantity(
    "work", "inner product of the displacement and the pulled residual", r"\langle W-W_0,J^\top(y-f)\rangle", real=True
)
residual_end = quantity("residual_end", "norm of the residual where training stopped", r"\|y-f^*\|", nonnegative=True)
gradient_end = quantity(
    "gradient_end", "norm of the loss's gradient where training stopped", r"\|\nabla L\|", nonnegative=True
)
gradient_start = quantity("gradient_start", "norm of the loss's gradient at the start", r"\|\nabla L_0\|")
mode_residual = quantity("mode_residual", "share of the residual left at time tau", r"r(\tau)/r_0", nonnegative=True)
mode_limit = quantity("mode_limit", "share of the residual left in the end", r"r(\infty)/r_0", nonnegative=True)
limit_distance = quantity(
    "limit_distance",
    "distance from the limit at time tau relative to that at the start",
    r"\|f(\tau)-f(\infty)\|/\|f_0-f(\infty)\|",
    nonnegative=True,
)
kernel_drift = quantity(
    "kernel_drift",
    "operator norm of mean Jacobian times final transposed Jacobian, less the first kernel",
    r"\|\bar JJ_*^\top-\hat\Theta\|",
    nonnegative=True,
)
mean_jacobian = quantity(
    "mean_jacobian", "operator norm of the Jacobian's mean between start and end", r"\|\bar J\|", nonnegative=True
)
krr_distance = quantity(
    "krr_distance",
    "distance from kernel ridge regression, training points",
    r"\|f^*-f_{\mathrm{KRR}}\|",
    nonnegative=True,
)
krr_double = quantity(
    "krr_double",
    "distance from kernel ridge regression with twice the ridge, training points",
    r"\|f^*-f_{\mathrm{KRR},2\varrho}\|",
    nonnegative=True,
)
test_drift = quantity(
    "test_drift",
    "kernel drift with the mean Jacobian at the test points",
    r"\|\bar J_xJ_*^\top-\hat\Theta_x\|",
    nonnegative=True,
)
test_jacobian = quantity(
    "test_jacobian",
    "operator norm of the Jacobian's mean at the test points",
    r"\|\bar J_x\|",
    nonnegative=True,
)
test_kernel = quantity(
    "test_kernel",
    "operator norm of the first kernel between test and training points",
    r"\|\hat\Theta_x\|",
    nonnegative=True,
)
test_distance = quantity(
    "test_distance",
    "distance from kernel ridge regression, test points",
    r"\|f^*_x-f_{\mathrm{KRR},x}\|",
    nonnegative=True,
)
test_double = quantity(
    "test_double",
    "distance from kernel ridge regression with twice the ridge, test points",
    r"\|f^*_x-f_{\mathrm{KRR},2\varrho,x}\|",
    nonnegative=True,
)
b_kl = quantity("b_kl", "weight of half the latent means' squares in the loss", "b")
kappa_0 = quantity("kappa_0", "squared slope of the smoothed activation at zero", r"\kappa")
mean_gain = quantity("mean_gain", "regression coefficient of the reconstruction on the data", r"\hat\rho", real=True)
latent_mean2 = quantity(
    "latent_mean2", "largest sum over the data of one latent's squared means", r"\max_r|Xw_r|^2", nonnegative=True
)
kernel_moved = quantity(
    "kernel_moved",
    "change of the tangent kernel in training relative to its start",
    r"\|\hat\Theta_*-\hat\Theta\|/\|\hat\Theta\|",
    nonnegative=True,
)
