"""The least negative ELBO of a Linear VAE is a sum over the eigenvalues of the data, for every beta.

With lam_1 >= lam_2 >= ... the eigenvalues of the data's second moment, and encoder variances D_1 <= D_2 <= ... fixed,

    inf F = (d/2) log(2 pi sigma_x2) + sum_{i <= d} lam_i / (2 sigma_x2)
            - (1/2) sum_{i <= min(k, d)} max(0, sqrt(lam_i / sigma_x2) - sqrt(beta D_i))^2
            + (beta/2) sum_{j <= k} (D_j - 1 - log D_j).

With the variances learned, the last two sums become (beta/2) sum_{i <= min(k, d)} (rho_i - 1 - log rho_i) with
rho_i = max(1, lam_i / (beta sigma_x2)). A latent coordinate is used only above a threshold that grows with beta: what
falls below is posterior collapse. For beta > 0 the infimum is attained.

At beta = 1 with learned variances this is the likelihood of probabilistic PCA (Tipping and Bishop 1999), which the
linear VAE attains (Lucas et al. 2019); fixed variances and other beta are derived here.

Units: nats.
"""

from sympy import Eq, Expr, Ge, Integer, Max, Min, Rational, Sum, log, pi, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.evaluate import Exceeds
from elbound.theory.settings import FIXED_VARIANCES, LEARNED_VARIANCES, LINEAR_VAE_LANDSCAPE
from elbound.theory.symbols import D_i, F_argmin, F_found, beta, d, i, k, lam_i, sigma_x2

half = Rational(1, 2)
empty = d / 2 * log(2 * pi * sigma_x2) + Sum(lam_i[i] / (2 * sigma_x2), (i, 1, d))
divergence = beta / 2 * Sum(D_i[i] - 1 - log(D_i[i]), (i, 1, k))


def per_mode(gain: Expr) -> Expr:
    """The sum of what each used latent coordinate gains."""
    return Sum(gain, (i, 1, Min(k, d)))


def root_gap(variance: Expr) -> Expr:
    """By how much an eigenvalue's root exceeds its threshold's."""
    return sqrt(lam_i[i] / sigma_x2) - sqrt(beta * variance)


def relative_gap(ratio: Expr) -> Expr:
    """The gain of one coordinate with learned variance, per beta / 2."""
    return ratio - 1 - log(ratio)


ratio = lam_i[i] / (beta * sigma_x2)
fixed = empty + divergence - half * per_mode(Max(0, root_gap(D_i[i])) ** 2)
learned = empty - beta / 2 * per_mode(relative_gap(Max(1, ratio)))

fixed_wrong = {
    "threshold without beta": empty
    + divergence
    - half * per_mode(Exceeds(lam_i[i], sigma_x2 * D_i[i]) * root_gap(D_i[i]) ** 2),
    "delta = 1 assumed": empty + divergence - half * per_mode(Max(0, root_gap(Integer(1))) ** 2),
}
learned_wrong = {
    "threshold without beta": empty - beta / 2 * per_mode(Exceeds(lam_i[i], sigma_x2) * relative_gap(ratio)),
    "delta = 1 assumed": empty - half * per_mode(Max(0, root_gap(Integer(1))) ** 2),
}

ELIMINATED = """Least squares eliminates W and leaves, up to constants,
(beta/2) tr S (V V^T + beta sigma_x2 I)^-1 + tr(V D V^T) / (2 sigma_x2). By von Neumann's trace inequality, applied to
both terms, V is best aligned with the leading eigenvectors of S and its largest gains with the smallest variances; """
FIXED_PROOF = (
    ELIMINATED
    + """mode by mode a gain g costs beta lam_i / (2 (g + beta sigma_x2)) + D_i g / (2 sigma_x2), least at
g = max(0, sqrt(beta lam_i sigma_x2 / D_i) - beta sigma_x2), which falls in i as the pairing needs."""
)
LEARNED_PROOF = (
    ELIMINATED
    + """this holds for each D, so D may be chosen last: with D_i = beta sigma_x2 / (g + beta sigma_x2), the best at
gain g, a mode costs beta lam_i / (2 (g + beta sigma_x2)) + (beta/2) log(1 + g / (beta sigma_x2)), least at
g = max(0, lam_i - beta sigma_x2)."""
)
PAPERS = {"A-explicit-dependence": "carries"}

FIXED = Claim(
    LINEAR_VAE_LANDSCAPE,
    Eq(F_argmin, fixed),
    assuming=(FIXED_VARIANCES, beta > 0),
    title="With fixed encoder variances the closed-form minimiser has the closed-form least value.",
    standing=Standing.PROVED,
    source="lucas-2019",
    proof=FIXED_PROOF,
    wrong={name: Eq(F_argmin, value) for name, value in fixed_wrong.items()},
    papers=PAPERS,
)

FIXED_LEAST = Claim(
    LINEAR_VAE_LANDSCAPE,
    Ge(F_found, fixed),
    assuming=(FIXED_VARIANCES,),
    title="With fixed encoder variances no descent goes below the closed-form least value.",
    standing=Standing.PROVED,
    source="lucas-2019",
    proof=FIXED_PROOF + " At beta = 0 it is a limit that no weights attain.",
    wrong={name: Ge(F_found, value) for name, value in fixed_wrong.items()},
    papers=PAPERS,
    attained=0.999999,
)

LEARNED = Claim(
    LINEAR_VAE_LANDSCAPE,
    Eq(F_argmin, learned),
    assuming=(LEARNED_VARIANCES, beta > 0),
    title="With learned encoder variances the closed-form minimiser has the closed-form least value.",
    standing=Standing.PROVED,
    source="tipping-bishop-1999",
    proof=LEARNED_PROOF,
    wrong={name: Eq(F_argmin, value) for name, value in learned_wrong.items()},
    papers=PAPERS,
)

LEARNED_LEAST = Claim(
    LINEAR_VAE_LANDSCAPE,
    Ge(F_found, learned),
    assuming=(LEARNED_VARIANCES, beta > 0),
    title="With learned encoder variances no descent goes below the closed-form least value.",
    standing=Standing.PROVED,
    source="tipping-bishop-1999",
    proof=LEARNED_PROOF,
    wrong={name: Ge(F_found, value) for name, value in learned_wrong.items()},
    papers=PAPERS,
    attained=0.999999,
)
