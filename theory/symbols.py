"""The alphabet: one sympy symbol per quantity, one meaning per letter."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import (
    Any,
    Final,
    TypeVar,
)

from sympy import (
    IndexedBase,
    Symbol,
)

Letter = TypeVar("Letter", Symbol, IndexedBase)


class OwnLetters:
    """The letters of a user's file: apart from the catalogue's even where they share a name, and from other files'.

    `imported` names those of the catalogue that the file imports, whose meaning therefore stands.
    """

    def __init__(self, imported: Iterable[str] = ()) -> None:
        self.imported = frozenset(imported)
        # Types of their own: sympy calls letters of one type, name and assumptions the same letter.
        self.symbol = type("Symbol", (Symbol,), {})
        self.base = type("IndexedBase", (IndexedBase,), {})
        self.meanings: dict[str, str] = {}


_file: OwnLetters | None = None


@contextmanager
def letters_of(file: OwnLetters) -> Iterator[None]:
    """While a user's file runs, quantity(...) and curve(...) make letters of that file."""
    global _file
    before, _file = _file, file
    try:
        yield
    finally:
        _file = before


def strangers(letters: Iterable[Any]) -> frozenset[Any]:
    """Which letters a user's file made itself though the catalogue has the same: their meaning there is another."""
    return frozenset(x for x in letters if _file is not None and str(x) not in _file.imported and x in CATALOGUE)


ALPHABET: Final[dict[Symbol | IndexedBase, str]] = {}
LATEX: Final[dict[Symbol, str]] = {}
_TAKEN: Final[dict[str, str]] = {}


def quantity(name: str, meaning: str, latex: str = "", **assumptions: bool) -> Symbol:
    """A scalar with its meaning; positive unless assumptions say otherwise. ValueError for a letter already taken."""
    given = assumptions or {"positive": True}
    return _own(Symbol, name, meaning, latex, given) or _enter(Symbol(name, **given), name, meaning, latex)


def curve(name: str, meaning: str, latex: str = "", **assumptions: bool) -> IndexedBase:
    """A quantity with one index (step, sample count, width). ValueError for a letter already taken."""
    given = assumptions or {"nonnegative": True}
    return _own(IndexedBase, name, meaning, latex, given) or _enter(IndexedBase(name, **given), name, meaning, latex)


def _own(kind: type[Letter], name: str, meaning: str, latex: str, given: dict[str, bool]) -> Letter | None:
    """The letter of a user's file; None where no such file runs, or where it is the catalogue's in name and meaning."""
    if _file is None or _TAKEN.get(name) == meaning:
        return None
    if name in _file.imported:
        raise ValueError(f"symbol {name}: imported as “{_TAKEN.get(name, '')}”; choose another letter, or import none")
    if (taken := _file.meanings.setdefault(name, meaning)) != meaning:
        raise ValueError(f"symbol {name}: already means “{taken}”; choose another letter")
    label: Symbol = _file.symbol(name, **given)
    letter: Letter = label if kind is Symbol else _file.base(label)
    ALPHABET[letter] = meaning
    if latex:
        LATEX[label] = latex
    return letter


def _enter(letter: Letter, name: str, meaning: str, latex: str) -> Letter:
    if (taken := _TAKEN.setdefault(name, meaning)) != meaning:
        raise ValueError(f"symbol {name}: already means “{taken}”; choose another letter")
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

# Gradient estimators of a Gaussian encoder
est_mu = quantity("est_mu", "mean of the estimated gradient, encoder's mean", r"E\hat g_\mu", real=True)
est_l = quantity("est_l", "mean of the estimated gradient, encoder's log-variance", r"E\hat g_\ell", real=True)
slope_mu = quantity("slope_mu", "gradient of the negative bound in the encoder's mean", r"\partial_\mu F", real=True)
slope_l = quantity(
    "slope_l", "gradient of the negative bound in the encoder's log-variance", r"\partial_\ell F", real=True
)
elbo_mu = quantity(
    "elbo_mu", "gradient of the negative ELBO in the encoder's mean, one sample", r"\partial_\mu F_1", real=True
)
tr_G = quantity("tr_G", "trace of G = V^T V", r"\mathrm{tr}G", nonnegative=True)
tr_D_inv = quantity("tr_D_inv", "trace of the inverse of the encoder's covariance", r"\mathrm{tr}(D^{-1})")
D_min = quantity("D_min", "smallest variance of the Gaussian encoder", r"D_{\min}")
mismatch2 = quantity(
    "mismatch2",
    "squared Frobenius norm of D^-1 less the tempered posterior's precision I + G / (beta sigma_x2)",
    r"\|D^{-1}-\Sigma_\beta^{-1}\|_F^2",
    nonnegative=True,
)
s2_analytic = quantity(
    "s2_analytic", "latent noise of the encoder's gradient with an analytic KL", r"s_2^{\mathrm{an}}", nonnegative=True
)
s2_sampled = quantity(
    "s2_sampled", "latent noise of the encoder's gradient with a sampled KL", r"s_2^{\mathrm{MC}}", nonnegative=True
)
s2_landing = quantity(
    "s2_landing",
    "latent noise of the encoder's gradient with a sampled KL, score term left out",
    r"s_2^{\mathrm{STL}}",
    nonnegative=True,
)
v_score = quantity("v_score", "variance of the score-function gradient in one mean coordinate", nonnegative=True)
v_path = quantity("v_path", "variance of the pathwise gradient in one mean coordinate", nonnegative=True)
omega_e = quantity("omega_e", "frequency of an oscillating integrand in the noise", r"\omega", nonnegative=True)
phase_c = quantity("phase_c", "cosine of twice the phase of an oscillating integrand", r"\cos2\varphi", real=True)
D_j = quantity("D_j", "encoder's variance in one latent coordinate")
c_0 = quantity("c_0", "mean of the integrand under the encoder", real=True)
b_j = quantity("b_j", "linear coefficient of the integrand in one noise coordinate", real=True)
A_jj = quantity("A_jj", "quadratic coefficient of the integrand in one noise coordinate", "A_{jj}", real=True)
h2 = quantity("h2", "mean square of the integrand under the encoder", "Eh^2", nonnegative=True)
dh2 = quantity(
    "dh2", "mean square of the integrand's derivative in one noise coordinate", r"E(\partial_jh)^2", nonnegative=True
)

# Landscape and curvature of the Linear VAE
i = quantity("i", "index of an eigenvalue of the data's second moment, the largest first", integer=True, positive=True)
lam_i = curve("lam_i", "i-th largest eigenvalue of the data's second moment", r"\lambda")
D_i = curve("D_i", "i-th smallest variance of the Gaussian encoder", "D")
F_argmin = quantity("F_argmin", "objective at the closed-form minimiser", r"F(\theta^*)", real=True)
F_found = quantity("F_found", "least objective that descents from many starts reach", r"\min_jF(\theta_j)", real=True)
least_curvature = quantity(
    "least_curvature", "least eigenvalue of the Hessian at W = V = 0", r"\lambda_{\min}(\nabla^2F(0))", real=True
)
V_norm = quantity("V_norm", "spectral norm of the decoder V", r"\|V\|", nonnegative=True)
code_norm = quantity(
    "code_norm",
    "root of the largest eigenvalue of W S W^T, S the data's second moment",
    r"\|WS^{1/2}\|",
    nonnegative=True,
)
misfit = quantity("misfit", "spectral norm of (I - VW) S, S the data's second moment", r"\|(I-VW)S\|", nonnegative=True)
L_W = quantity("L_W", "bound on the curvature in the encoder alone", nonnegative=True)
L_V = quantity("L_V", "bound on the curvature in the decoder alone")
L_WV = quantity("L_WV", "bound on the mixed curvature in encoder and decoder", "L_{WV}", nonnegative=True)
L_Vl = quantity("L_Vl", "bound on the curvature in decoder and log-variances, per largest variance", r"L_{V\ell}")
hessian_2r = quantity(
    "hessian_2r", "spectral norm of the Hessian at twice the point", r"\|\nabla^2F\|_{2r}", nonnegative=True
)
hessian_theta = quantity(
    "hessian_theta",
    "spectral norm of the Hessian of the objective composed with the radial soft-clip",
    r"\|\nabla^2(F\circ\Phi)\|",
    nonnegative=True,
)
bend_sup = quantity(
    "bend_sup", "supremum of the norm of the radial soft-clip's second derivative", r"\sup\|D^2\Phi\|", nonnegative=True
)
lam_1x = quantity("lam_1x", "largest eigenvalue of the second moment of (x, 1)", r"\tilde\lambda", nonnegative=True)
ell = quantity("ell", "largest absolute value allowed to the encoder's log-variances", r"\ell", nonnegative=True)

# The same problem at the betas j beta / 3, j = 0, 1, 2, 3
s1_beta = curve("s1_beta", "gradient noise due to the choice of one datum, at the j-th beta", r"s_1^{\beta}")
s2_beta = curve("s2_beta", "gradient noise due to one latent sample with analytic KL, at the j-th beta", r"s_2^{\beta}")
hessian_beta = curve("hessian_beta", "spectral norm of the Hessian at the j-th beta", r"\|\nabla^2F\|_{\beta}")
F_beta = quantity("F_beta", "objective with weight beta and decoder noise sigma_x2", r"F_\beta", real=True)
F_unit = quantity("F_unit", "objective with weight one and decoder noise beta sigma_x2", "F_1", real=True)
gain = quantity(
    "gain", "largest squared singular value of the decoder at the optimum over all weights", "G", nonnegative=True
)
gain_i = curve("gain_i", "i-th largest squared singular value of the decoder at the optimum over all weights", "G")
v_K = curve("v_K", "trace of the covariance of one datum's gradient with K latent samples, weights W and V")

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
uniform_average = curve(
    "uniform_average", "expected squared gradient at a uniform output index, horizon n", r"\bar a^{\mathrm{u}}"
)
sigma_sup2 = quantity(
    "sigma_sup2", "a sure bound on the variance of the stochastic gradient", r"\sigma_{\sup}^2", nonnegative=True
)
sigma_inf2 = quantity(
    "sigma_inf2",
    "the least variance of the stochastic gradient along the run",
    r"\sigma_{\inf}^2",
    nonnegative=True,
)
Delta_sup = quantity(
    "Delta_sup",
    "a bound on the expected objective at steps 1 to n, less its infimum",
    r"\Delta_{\sup}",
    nonnegative=True,
)
g3 = curve("g3", "third power of the stochastic gradient's norm at step t", r"\|g\|^3")
g4 = curve("g4", "fourth power of the stochastic gradient's norm at step t", r"\|g\|^4")
mapping2 = curve("mapping2", "squared norm of the projected gradient mapping at step t", r"\|G\|^2")
gamma = curve("gamma", "step size of step t", r"\gamma")
gamma_max = quantity("gamma_max", "largest step size", r"\gamma_{\max}")
least_square = curve("least_square", "least squared gradient norm at the start and after up to n steps", r"\min a")

# Deep Gaussian VAE: size m, slope J and curvature H of maps of the parameters, layer by layer
depth = quantity("depth", "hidden layers on each side of the deep model", integer=True, positive=True)
x_max = quantity("x_max", "largest norm of a data point", r"x_{\max}", nonnegative=True)
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
krr_sum = quantity(
    "krr_sum",
    "distance from kernel ridge regression with the unweighted sum of both kernels",
    r"\|f^*-f_{\mathrm{KRR},\Theta^\mu+\Theta^\sigma}\|",
    nonnegative=True,
)
krr_means = quantity(
    "krr_means",
    "distance from kernel ridge regression with the kernel of the means alone",
    r"\|f^*-f_{\mathrm{KRR},\Theta^\mu}\|",
    nonnegative=True,
)
s_w = quantity("s_w", "standard deviation of the weights' Gaussian prior, and of the weights where it is not trained")
half_drift = quantity(
    "half_drift",
    "norm of mean Jacobian times weighted final transposed Jacobian, less the means' kernel and half the deviations'",
    r"\|\bar JMJ_*^\top-\hat\Theta^\mu-\hat\Theta^\sigma/2\|",
    nonnegative=True,
)
theta_sum = quantity(
    "theta_sum", "largest eigenvalue of the means' kernel plus the deviations'", r"\|\hat\Theta^\mu+\hat\Theta^\sigma\|"
)
theta_sigma = quantity(
    "theta_sigma", "largest eigenvalue of the deviations' kernel", r"\|\hat\Theta^\sigma\|", nonnegative=True
)
phi_h = quantity(
    "phi_h", "root of the sum over the data of squared bounds on one neuron's Hessian at the prior", r"\phi_h"
)
v_low = quantity("v_low", "least ratio of a trained standard deviation to its prior's, at most 1", r"v_{\min}")
sigma_moved = quantity(
    "sigma_moved", "distance of the trained standard deviations from their prior's", r"\|\sigma-s\|", nonnegative=True
)
sigma_pull = quantity(
    "sigma_pull",
    "norm of (1 + s / sigma)(sigma - s), the KL term's pull per ridge",
    r"\|(1+s/\sigma)(\sigma-s)\|",
    nonnegative=True,
)
sigma_pulled = quantity(
    "sigma_pulled",
    "norm of the residual under the transposed Jacobian in the standard deviations",
    r"\|J_\sigma^\top(y-f)\|",
    nonnegative=True,
)
krr_plain = quantity(
    "krr_plain",
    "distance from kernel ridge regression with the plain tangent kernel",
    r"\|f^*-f_{\mathrm{KRR},\hat\Theta}\|",
    nonnegative=True,
)
krr_alone = quantity(
    "krr_alone",
    "distance from ridge regression on each datum's own block of the kernel",
    r"\|f^*-f_{\mathrm{alone}}\|",
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
m_a = quantity("m_a", "norm of a layer's input", nonnegative=True)
J_a = quantity("J_a", "slope of a layer's input in the parameters before it", nonnegative=True)
H_a = quantity("H_a", "curvature of a layer's input in the parameters before it", nonnegative=True)
rho = quantity("rho", "spectral norm of a layer's matrix", r"\varrho", nonnegative=True)
c_1 = quantity("c_1", "steepest slope of the activation", nonnegative=True)
c_2 = quantity("c_2", "largest curvature of the activation", nonnegative=True)
J_u = quantity("J_u", "slope of a layer's pre-activation in all parameters up to it", nonnegative=True)
H_u = quantity("H_u", "curvature of a layer's pre-activation in all parameters up to it", nonnegative=True)
H_f = quantity("H_f", "curvature of a layer's activation in all parameters up to it", nonnegative=True)
eps_norm = quantity("eps_norm", "norm of the latent noise", r"|\varepsilon|", nonnegative=True)
J_z = quantity("J_z", "slope of the latent sample in the encoder's parameters", nonnegative=True)
H_z = quantity("H_z", "curvature of the latent sample in the encoder's parameters", nonnegative=True)
m_mu = quantity("m_mu", "bound on the encoder's mean", r"m_\mu", nonnegative=True)
J_mu = quantity("J_mu", "bound on the slope of the encoder's mean", r"J_\mu", nonnegative=True)
H_mu = quantity("H_mu", "bound on the curvature of the encoder's mean", r"H_\mu", nonnegative=True)
J_l = quantity("J_l", "bound on the slope of the encoder's log-variance", r"J_\ell", nonnegative=True)
H_l = quantity("H_l", "bound on the curvature of the encoder's log-variance", r"H_\ell", nonnegative=True)
expm1_max = quantity(
    "expm1_max", "bound on e^l - 1 in every latent coordinate", r"\|e^\ell-1\|_\infty", nonnegative=True
)
expm1_norm = quantity(
    "expm1_norm", "bound on the norm of e^l - 1 over latent coordinates", r"\|e^\ell-1\|_2", nonnegative=True
)
m_g = quantity("m_g", "bound on the decoder's mean", nonnegative=True)
J_g2 = quantity("J_g2", "squared bound on the decoded mean's slope, averaged over noise", r"J_g^2", nonnegative=True)
H_g = quantity("H_g", "bound on the decoded mean's curvature, averaged over noise", nonnegative=True)
hessian_deep = quantity(
    "hessian_deep", "spectral norm of the deep model's Hessian at one point", r"\|\nabla^2F\|", nonnegative=True
)
slip = curve("slip", "inner product of the gradient with its own error at step t", r"\xi", real=True)
bend = curve("bend", "directional smoothness constant times the squared norm of step t's direction", real=True)
z_score = quantity(
    "z_score", "sum over steps of slip in units of its conditional standard deviation, over sqrt n", "Z", real=True
)
misfit_sup = quantity("misfit_sup", "largest distance of a label from the far end of the predictor's range", "R_y")
x_abs = quantity("x_abs", "largest mean absolute value of an input coordinate", r"\max_jE|x_j|", nonnegative=True)
s_max = quantity("s_max", "largest standard deviation the variational family allows, before correlation")
s_min = quantity("s_min", "least standard deviation the variational family allows, before correlation")
tau_1 = quantity("tau_1", "supremum of the slope of the log-scales' soft-clip", r"\tau_1")
tau_2 = quantity("tau_2", "supremum of the curvature of the log-scales' soft-clip", r"\tau_2")

# Importance weighting
chi2 = quantity("chi2", "variance of the normalised importance weight", r"\chi^2", nonnegative=True)
w_min = quantity("w_min", "infimum of the normalised importance weight", r"w_{\min}", nonnegative=True)
w_max = quantity("w_max", "supremum of the normalised importance weight", r"w_{\max}", nonnegative=True)
gap = curve("gap", "log-evidence less the importance-weighted bound with K samples", r"\mathrm{gap}", real=True)
logged = curve(
    "logged", "log-evidence less the expected self-normalised surrogate, K samples", r"\mathrm{logged}", real=True
)
ratio = quantity("ratio", "precision of the encoder over the posterior's", "Q/P")
shift2 = quantity(
    "shift2",
    "squared distance of the two means, in units of the posterior's variance",
    r"P\delta m^2",
    nonnegative=True,
)
order = quantity("order", "order of a moment of the normalised importance weight", r"\tau", real=True)
log_moment = quantity(
    "log_moment", "logarithm of a moment of the normalised importance weight", r"\log Ew^\tau", real=True
)
growth = quantity("growth", "the moment over twice a wide range of latents, relative to the range", r"M_{2R}/M_R")
Q = quantity("Q", "precision of the encoder")
evidence_slope = quantity(
    "evidence_slope", "derivative of the log-evidence by the decoder", r"\partial_v\log p(x)", real=True
)
bound_slope = curve(
    "bound_slope", "derivative of the bound by the encoder's mean, K samples", r"\partial_mL", real=True
)
plain_mean = curve(
    "plain_mean", "mean of the plain estimator, encoder's mean, K samples", r"E\,g^{\mathrm{plain}}", real=True
)
plain_var = curve(
    "plain_var", "variance of the plain estimator, encoder's mean, K samples", r"\mathrm{Var}\,g^{\mathrm{plain}}"
)
dreg_mean = curve(
    "dreg_mean", "mean of the doubly reparameterised estimator, encoder's mean", r"E\,g^{\mathrm{dreg}}", real=True
)
dreg_var = curve(
    "dreg_var",
    "variance of the doubly reparameterised estimator, encoder's mean",
    r"\mathrm{Var}\,g^{\mathrm{dreg}}",
    real=True,
)
stl_mean = curve(
    "stl_mean", "mean of the sticking-the-landing estimator, encoder's mean", r"E\,g^{\mathrm{stl}}", real=True
)
stl_var = curve(
    "stl_var",
    "variance of the sticking-the-landing estimator, encoder's mean",
    r"\mathrm{Var}\,g^{\mathrm{stl}}",
    real=True,
)
decoder_mean = curve("decoder_mean", "mean of the decoder's gradient, K samples", r"E\,g^{v}", real=True)
decoder_var = curve("decoder_var", "variance of the decoder's gradient, K samples", r"\mathrm{Var}\,g^{v}")
A_1 = quantity("A_1", "supremum of the log-weight's gradient norm over data, noise and the stated region", "A_1")
A_2 = quantity("A_2", "supremum of the log-weight's Hessian norm over data, noise and the stated region", "A_2")
hessian_K = quantity(
    "hessian_K", "spectral norm of the importance-weighted objective's Hessian", r"\|\nabla^2F_K\|", nonnegative=True
)
s1_iw = curve(
    "s1_iw", "importance-weighted gradient noise due to the choice of one datum, K samples", r"s_1^{\mathrm{iw}}"
)
s2_iw = curve("s2_iw", "importance-weighted gradient noise due to K latent samples of one datum", r"s_2^{\mathrm{iw}}")
v_iw = quantity(
    "v_iw", "trace of the importance-weighted minibatch gradient's covariance", r"v^{\mathrm{iw}}", nonnegative=True
)

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
below_shared = quantity(
    "below_shared",
    "largest eigenvalue of K1 + c relative to K2 + c, where c = |K2| / 128",
    r"\lambda_{\max}((K_2+c)^{-1}(K_1+c))",
    nonnegative=True,
)
below_frozen = quantity(
    "below_frozen",
    "largest eigenvalue of K1 + c relative to K3 + c, where c = |K3| / 128",
    r"\lambda_{\max}((K_3+c)^{-1}(K_1+c))",
    nonnegative=True,
)
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
    "distance of trained outputs from K1's prediction, relative to the first residual",
    r"\rho_1",
    nonnegative=True,
)
far_shared = quantity(
    "far_shared",
    "distance of trained outputs from K2's prediction, relative to the first residual",
    r"\rho_2",
    nonnegative=True,
)
far_frozen = quantity(
    "far_frozen",
    "distance of trained outputs from K3's prediction, relative to the first residual",
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
phi_2_plain = quantity(
    "phi_2_plain", "supremum of the activation's own absolute second derivative, without noise", r"\sup|\varphi''|"
)
v_1 = quantity("v_1", "supremum of the slope of a neuron's output variance", r"\sup|v_s'|", nonnegative=True)
v_2 = quantity("v_2", "supremum of the curvature of a neuron's output variance", r"\sup|v_s''|", nonnegative=True)
spread_slope = quantity(
    "spread_slope", "bound on the gradient of the outputs' variance in the loss", r"|\nabla P|", nonnegative=True
)
spread_bend = quantity(
    "spread_bend", "Lipschitz constant of the gradient of the outputs' variance in the loss", r"L_P", nonnegative=True
)
spread_pull = quantity(
    "spread_pull", "speed of the outputs at the start due to their variance", r"|J_0\nabla P_0|", nonnegative=True
)
spread_start = quantity(
    "spread_start", "half the summed variance of the outputs over the latent noise, at the start", r"P_0"
)
way = quantity("way", "bound on the distance that the weights travel up to time tau", r"D_\tau", nonnegative=True)
kept_rate = quantity("kept_rate", "rate of decay that is left along the whole path", r"\lambda_\tau", nonnegative=True)
offset = quantity(
    "offset",
    "bound on the outputs' move by the difference of the kernel at the start from its limit, relative to the residual",
    r"\omega",
    nonnegative=True,
)
offset2 = quantity("offset2", "square of that bound, over random starts", r"\omega^2", nonnegative=True)
V_d = quantity("V_d", "summed variance of one neuron's kernel matrix, all outputs", nonnegative=True)
gap_tau = quantity(
    "gap_tau", "distance of the network from its linear model at time tau", r"\|f-f_{\mathrm{lin}}\|", nonnegative=True
)
drift_tau = quantity(
    "drift_tau",
    "largest change of the tangent kernel up to time tau",
    r"\sup_{t\le\tau}\|\hat\Theta(t)-\hat\Theta\|",
    nonnegative=True,
)
drift_int = quantity(
    "drift_int",
    "change of the tangent kernel integrated up to time tau",
    r"\int_0^\tau\|\hat\Theta(t)-\hat\Theta\|",
    nonnegative=True,
)
lowest = quantity(
    "lowest",
    "lowest of the kernel's least eigenvalues up to time tau",
    r"\inf_{t\le\tau}\lambda_{\min}(\hat\Theta(t))",
    nonnegative=True,
)
start_m = curve("start_m", "distance of the first tangent kernel from its limit at width m, relative", r"e^{\Theta}")
drift_m = curve("drift_m", "largest change of the tangent kernel in training at width m, relative", r"e^{\Delta}")
gap_m = curve("gap_m", "largest distance from the linear model in training at width m, relative", r"e^{\mathrm{lin}}")
krr_m = curve(
    "krr_m",
    "distance of the network trained with a ridge from regression with its first kernel at width m, relative",
    r"e^{\mathrm{KRR}}",
)
krr_inf = curve(
    "krr_inf",
    "distance of the network trained with a ridge from regression with the limit kernel at width m, relative",
    r"e^{\infty}",
)
test_m = curve("test_m", "the distance from regression with the first kernel, at test points", r"e^{\mathrm{KRR}}_x")
test_inf = curve("test_inf", "the distance from regression with the limit kernel, at test points", r"e^{\infty}_x")
elbo_pulled = quantity(
    "elbo_pulled",
    "norm of the gradient of half the expected squared error, where training stopped",
    r"\|\nabla\tfrac12E\|y-f\|^2\|",
    nonnegative=True,
)
variance_pull = quantity(
    "variance_pull",
    "norm of the gradient of half the outputs' summed variance, where training stopped",
    r"\|\nabla P\|",
    nonnegative=True,
)

# Adam
alpha = quantity("alpha", "constant step size of Adam", r"\alpha")
beta_1 = quantity("beta_1", "Adam's momentum", r"\beta_1", nonnegative=True)
beta_2 = quantity("beta_2", "how much of its second moment Adam keeps in a step", r"\beta_2", nonnegative=True)
reg = quantity("reg", "Adam's regulariser, in units of a gradient", r"\epsilon")
R = quantity("R", "a sure bound on every coordinate of the stochastic gradient")
p = quantity("p", "number of trained parameters", integer=True, positive=True)
g_2 = quantity("g_2", "second moment of the stochastic gradient at the minimiser", r"\mathbb Eg^2", nonnegative=True)
g_3 = quantity("g_3", "third moment of the stochastic gradient at the minimiser", r"\mathbb Eg^3", real=True)
g_4 = quantity("g_4", "fourth moment of the stochastic gradient at the minimiser", r"\mathbb Eg^4", nonnegative=True)
g_5 = quantity(
    "g_5", "fifth absolute moment of the stochastic gradient at the minimiser", r"\mathbb E|g|^5", nonnegative=True
)
drift = quantity("drift", "Adam's mean step per step size, held at the minimiser", r"h", real=True)
rest = quantity("rest", "gradient at the point where Adam's mean step vanishes", r"F'_\infty", real=True)
rest_past = quantity(
    "rest_past",
    "gradient at the point where the mean step of Adam with past-gradient preconditioner vanishes",
    r"F'_{\infty,\mathrm{past}}",
    real=True,
)
a_m = curve("a_m", "squared gradient norm averaged over past steps with the momentum's weights, at step t", r"a^m")
a_A = curve("a_A", "squared gradient norm weighted by the preconditioner, at step t", r"a^A")
a_AA = curve("a_AA", "squared norm of the preconditioned gradient at step t", r"a^{AA}")
sigma2_A = curve("sigma2_A", "variance of the preconditioned stochastic gradient at step t", r"\sigma^2_A")

# The catalogue's own letters, without those that users' files add.
CATALOGUE: Final = frozenset(ALPHABET)
