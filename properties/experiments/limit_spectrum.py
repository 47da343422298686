"""Limit kernels of exact inputs in ball arithmetic: enclosed least eigenvalues, and how the inputs lie."""

from collections.abc import Callable, Collection, Sequence
from fractions import Fraction
from itertools import combinations, product
from typing import Any, ClassVar

import scipy.linalg
import torch
from sympy import Matrix, Rational
from torch import Tensor

from elbound.impl.exact_kernels import Balls, Kernels, Vector
from elbound.impl.kernels import ERF, RELU
from elbound.impl.noise import Stream, words
from elbound.impl.wide_network import frozen_inputs, shared_inputs
from elbound.properties.datasets import table
from elbound.properties.evidence.enclosure import Arithmetic, best
from elbound.properties.evidence.intervals import Interval
from elbound.properties.evidence.spectrum import least_eigenvalue
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.gaussian_plane import EPS, angular_mean, lattice_error, lattice_mean
from elbound.properties.spaces import Choice, Configuration, Count, LogarithmicCount, Scalar, Space
from elbound.theory import settings, symbols

# Enough to enclose singular sets below 1e-60; positive eigenvalues found here are above 1e-10.
BITS = 256
DIGITS_DIM = 8
# The multiple of the identity that is added to both of two kernels, over the larger one's largest eigenvalue; stated
# with the letters.
SHIFT = 2.0**-7
NORM_THREE = [x for x in product(range(-3, 4), repeat=3) if sum(c * c for c in x) == 9]


def dot(x: Vector, y: Vector) -> Fraction:
    return sum((a * b for a, b in zip(x, y, strict=True)), Fraction(0))


def _whole(seed: int, count: int, top: int) -> list[int]:
    """Whole numbers in 0, ..., top - 1, a function of the seed."""
    return [int(x) % top for x in words(Stream.named("exact inputs", seed), (0, 1), 0, -(-count // 4))[:count, 0]]


def _anywhere(count: int, seed: int) -> list[tuple[int, ...]]:
    drawn = [x - 2 for x in _whole(seed, 3 * count, 5)]
    found = [tuple(drawn[3 * j : 3 * j + 3]) for j in range(count)]
    return [x if any(x) else (1, 0, 0) for x in found]


def _two_lines(count: int, seed: int) -> list[tuple[int, ...]]:
    bases, multiples = ((1, 2, 0), (0, -1, 1)), (1, -1, 2, -2, 3)
    drawn = _whole(seed, 2 * count, 10)
    return [tuple(multiples[drawn[j] % 5] * c for c in bases[drawn[count + j] % 2]) for j in range(count)]


def _antipodes(count: int, seed: int) -> list[tuple[int, ...]]:
    """Pairs {x, -x}; every third seed in general position, else in a plane."""
    bases = ((1, 0, 0), (0, 1, 0), (0, 0, 1) if seed % 3 == 0 else (1, 1, 0))
    return [tuple(s * c for c in x) for x in bases for s in (1, -1)][:count]


PATTERNS: dict[str, Callable[[int, int], list[tuple[int, ...]]]] = {
    "anywhere": _anywhere,
    "one norm": lambda count, seed: [NORM_THREE[j] for j in _whole(seed, count, len(NORM_THREE))],
    "two lines": _two_lines,
    "antipodal pairs": _antipodes,
    "x, 2x": lambda *_: [(1, 2, 0), (2, 4, 0)],
    "x, -x": lambda *_: [(1, 2, 0), (-1, -2, 0)],
}


def inputs_of(configuration: Configuration, context: Context) -> list[Vector]:
    """The inputs, exactly; digits are sixteenths."""
    c: Any = configuration
    if c["inputs"] == "digits":
        rows = table(context, "digits", c["N"], DIGITS_DIM, c["seed"]).tolist()
        return [tuple(map(Fraction, row if any(row) else [1.0] * DIGITS_DIM)) for row in rows]
    return [tuple(map(Fraction, x)) for x in PATTERNS[c["inputs"]](c["N"], c["seed"])]


def kernel_of_draws(
    hold: Callable[[Tensor, Tensor], Tensor], X: Sequence[Vector], s: Fraction, noise: str, activation: str
) -> tuple[Tensor, Tensor]:
    """K2 or K3 [N, N] by its definition, as `hold` lets inputs hold their draws, and a bound on every entry's error.

    A network with frozen noise is one without noise whose inputs hold the draws: its kernel's mean is x . x' times the
    mean of phi' phi' over one normal vector, for all pairs of inputs alike.
    """
    points = torch.tensor([[float(c) for c in x] for x in X], dtype=torch.float64)
    spread = float(s) * (points if noise == "weights" else torch.ones(len(X), 1, dtype=torch.float64))
    held, gram = hold(points, spread), points @ points.T
    a, b = held.repeat_interleave(len(X), 0), held.repeat(len(X), 1)
    if activation == "erf":
        means = lattice_mean(ERF.slope, a, b)
        errors = means.abs() * lattice_error(a, b)
    else:
        # Four arcs, their ends a few roundings off, add up to at most a whole turn.
        means = angular_mean(RELU.slope, a, b, 0)
        errors = torch.full_like(means, 64 * EPS)
    # Inner products of small whole numbers, or of eight sixteenths, are exact.
    return gram * means.view_as(gram), gram.abs() * (errors + 2 * EPS).view_as(gram)


def largest_relative(lower: Balls, kernel: Tensor, error: Tensor, arithmetic: Arithmetic) -> Interval:
    """Largest eigenvalue of lower + c relative to kernel + c, kernels of balls and of floats with these errors.

    c is SHIFT of the kernel's largest eigenvalue. The quotient is 1 less the least eigenvalue mu of the difference
    D = kernel - lower relative to B = kernel + c. ArithmeticError where the kernel has an eigenvalue of -c.
    """
    ends = torch.tensor([[arithmetic.ends(x) for x in row] for row in lower], dtype=torch.float64)
    difference, top = kernel - ends.mean(2), float(torch.linalg.eigvalsh(kernel)[-1])
    shifted = kernel + SHIFT * top * torch.eye(len(kernel), dtype=kernel.dtype)
    # Both matrices are off by at most these Frobenius norms.
    apart = float((error + ends.diff(dim=2)[..., 0] + 4 * EPS * kernel.abs()).norm())
    off = float((error + 4 * EPS * shifted.abs()).norm())
    least = float(torch.linalg.eigvalsh(shifted)[0]) - 16 * EPS * len(kernel) * top - off
    if not least > 0:
        raise ArithmeticError(f"kernel of largest eigenvalue {top:g} has one below {-SHIFT * top:g}")
    mu = float(scipy.linalg.eigh(difference.numpy(), shifted.numpy(), eigvals_only=True)[0])
    # v^T B v is at least `least` times |v|^2, so that a form v^T D v that moves by `apart`, and mu v^T B v, which moves
    # by |mu| `off`, move the quotient by so much. The solver reduces B by Cholesky, and errs like N^2 roundings of
    # |D| |B^-1| + |B| |B^-1| |mu| (Davies, Higham and Tisseur 2001).
    solved = 16 * EPS * len(kernel) ** 2 * (float(difference.norm()) + float(shifted.norm()) * abs(mu))
    return 1.0 - Interval.around(mu, (apart + abs(mu) * off + solved) / least)


def _counts(X: Sequence[Vector]) -> dict[Any, int]:
    """How many pairs are equal, opposite, parallel, and how many lines of opposite inputs are too many."""
    pairs = [(x, y, dot(x, y)) for x, y in combinations(X, 2)]
    parallel = [(x, y, g) for x, y, g in pairs if g**2 == dot(x, x) * dot(y, y)]
    antipodes = {max(x, y) for x, y, _ in parallel if all(a == -b for a, b in zip(x, y, strict=True))}
    opposite = {_line(x) for x, y, g in parallel if g < 0}
    return {
        symbols.n_equal: sum(x == y for x, y, _ in pairs),
        symbols.n_sign: sum(dot(x, x) == dot(y, y) for x, y, _ in parallel),
        symbols.n_parallel: len(parallel),
        symbols.n_along: sum(g > 0 for _, _, g in parallel),
        symbols.n_antipodes: len(antipodes) - rank_of(antipodes),
        symbols.n_opposite: len(opposite) - rank_of(opposite),
    }


def _line(x: Vector) -> Vector:
    first = next(c for c in x if c)
    return tuple(c / first for c in x)


def rank_of(vectors: Collection[Vector]) -> int:
    rows = [[Rational(c.numerator, c.denominator) for c in x] for x in vectors]
    return int(Matrix(rows).rank()) if rows else 0


class LimitSpectrum(Experiment):
    """Least eigenvalues of K1, of K1 at more noise, and how far K1 comes up to K2 and K3, by their definitions."""

    key = "tangent/limit-spectrum"
    title = "ball arithmetic on exact inputs"
    setting = settings.LIMIT_SPECTRUM
    space = Space(
        (
            Choice("activation", ("ReLU", "erf")),
            Choice("noise", ("latent", "weights")),
            Choice("inputs", ("anywhere", "one norm", "two lines", "antipodal pairs", "digits")),
            Count("N", 1, 6),
            Count("eighths", 0, 12),
            LogarithmicCount("more", 1, 8),
            Count("seed", 0, 2**16),
        )
    )
    _base: ClassVar[dict[str, Scalar]] = {
        "activation": "ReLU",
        "noise": "latent",
        "inputs": "anywhere",
        "N": 4,
        "eighths": 8,
        "more": 4,
        "seed": 1,
    }
    _erf: ClassVar[dict[str, Scalar]] = _base | {"activation": "erf"}
    _free: ClassVar[dict[str, Scalar]] = _base | {"inputs": "antipodal pairs", "N": 6, "seed": 0}
    _plane: ClassVar[dict[str, Scalar]] = _free | {"seed": 1}
    _silent: ClassVar[dict[str, Scalar]] = _base | {"eighths": 0}
    instances = {
        "ReLU, four inputs": _base,
        "ReLU, four inputs of one norm": _base | {"inputs": "one norm"},
        "ReLU, x and 2x": _base | {"inputs": "x, 2x"},
        "ReLU, x and -x": _base | {"inputs": "x, -x"},
        "ReLU, three free antipodal pairs": _free,
        "ReLU, three antipodal pairs in a plane": _plane,
        "ReLU, noise in the weights, x and 2x": _base | {"noise": "weights", "inputs": "x, 2x"},
        "ReLU, noise in the weights, x and -x": _base | {"noise": "weights", "inputs": "x, -x"},
        "ReLU, noise in the weights, three antipodal pairs in a plane": _plane | {"noise": "weights"},
        "ReLU, no noise, four inputs of which no two are parallel": _silent,
        "ReLU, no noise, x and -x": _silent | {"inputs": "x, -x"},
        "ReLU, no noise, x and 2x": _silent | {"inputs": "x, 2x"},
        "ReLU, no noise, three antipodal pairs in a plane": _plane | {"eighths": 0},
        "ReLU, six digits": _base | {"inputs": "digits", "N": 6},
        "erf, x and 2x": _erf | {"inputs": "x, 2x"},
        "erf, x and -x": _erf | {"inputs": "x, -x"},
        "erf, four inputs of one norm": _erf | {"inputs": "one norm"},
        "erf, six digits": _erf | {"inputs": "digits", "N": 6},
    }
    faults = {
        "kernel without noise": "ReLU, x and 2x",
        "K2 in place of K1": "erf, x and -x",
        "noise missing in K2 and K3": "ReLU, x and 2x",
    }

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        X, s = inputs_of(configuration, context), _noise_of(configuration)
        facts = {
            settings.RELU: configuration["activation"] == "ReLU",
            settings.ERF: configuration["activation"] == "erf",
            settings.ADDED_NOISE: configuration["noise"] == "latent" and s > 0,
            settings.SCALED_NOISE: configuration["noise"] == "weights" or s == 0,
            settings.EQUAL_NORMS: len({dot(x, x) for x in X}) == 1,
        }
        values = {symbols.N: len(X), symbols.s_z: float(s), **_counts(X)}
        return Situation(values, frozenset(fact for fact, holds in facts.items() if holds), precision=0.0)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        X, s, arithmetic = inputs_of(configuration, context), _noise_of(configuration), best(BITS)
        kind = str(configuration["noise"]), str(configuration["activation"]), arithmetic
        kernels = Kernels(X, s, *kind)
        noisier = Kernels(X, s + Fraction(int(configuration["more"]), 8), *kind)
        K1 = Kernels(X, Fraction(0), *kind).fresh() if fault == "kernel without noise" else kernels.fresh()
        if fault == "K2 in place of K1":
            K1 = kernels.shared()
        holds = {symbols.below_shared: shared_inputs, symbols.below_frozen: frozen_inputs}
        if fault == "noise missing in K2 and K3":
            s = Fraction(0)
        kept = {symbol: kernel_of_draws(hold, X, s, *kind[:2]) for symbol, hold in holds.items()}
        least = {symbols.lambda_0: K1, symbols.lambda_noisier: noisier.fresh()}
        enclosed = {symbol: least_eigenvalue(matrix, arithmetic) for symbol, matrix in least.items()}
        orders = {symbol: largest_relative(K1, *kernel, arithmetic) for symbol, kernel in kept.items()}
        return Exact(enclosed | orders, basis="enclosure")


def _noise_of(configuration: Configuration) -> Fraction:
    return Fraction(int(configuration["eighths"]), 8)


LIMIT_SPECTRUM = LimitSpectrum()
