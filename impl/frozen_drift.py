"""Adam's mean step at frozen parameters, E[A m] under the stationary law of both moments, with an error bound.

With independent gradients g_0, g_(-1), ... the moments are m = sum c_j g_(-j) and v = sum w_j g_(-j)^2 with
c_j = (1 - beta_1) beta_1^j and w_j = (1 - beta_2) beta_2^j (one later for past gradients). For the regulariser r
inside the root, (v + r^2)^(-1/2) = pi^(-1/2) integral of exp(-u^2 (v + r^2)) over the line, so

    E[m / sqrt(v + r^2)]
        = pi^(-1/2) int e^(-u^2 r^2) sum_j c_j E[g e^(-u^2 w_j g^2)] prod_(i != j) E[e^(-u^2 w_i g^2)] du:

an even entire integrand, for which the trapezoid rule converges like a Gaussian. Own derivation.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from elbound.impl.optimisers import Adam, Place, Timing

EPS = 2.0**-53
# Natural logarithms of what is neglected: of a Gaussian's tail, of the squares' memory (which enters squared).
NEGLECTED = 40.0
FORGOTTEN = 14.0


class Enclosed(NamedTuple):
    """A number and a bound on its distance from the exact one."""

    value: float
    error: float


@dataclass(frozen=True)
class GradientLaw:
    """Finitely many gradient values with their probabilities. ValueError unless these are positive and add to one."""

    values: tuple[float, ...]
    chances: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.values) != len(self.chances) or not self.values:
            raise ValueError(f"law has {len(self.values)} values, {len(self.chances)} chances; allowed: as many, some")
        if not (min(self.chances) > 0 and abs(math.fsum(self.chances) - 1) <= len(self.chances) * EPS):
            raise ValueError(f"chances are {self.chances}; allowed: positive, of sum one")

    def moment(self, order: int) -> float:
        """E g^order."""
        return math.fsum(p * g**order for g, p in zip(self.values, self.chances, strict=True))

    def shifted(self, by: float) -> "GradientLaw":
        """The law of g + by."""
        return GradientLaw(tuple(g + by for g in self.values), self.chances)


class _Weights(NamedTuple):
    first: Float[np.ndarray, " J"]  # c_j
    second: Float[np.ndarray, " J"]  # w_j
    first_left: float  # sum of c_j from J on
    second_left: float  # sum of w_j from J on


def _weights(adam: Adam) -> _Weights:
    memories = ((adam.beta_1, NEGLECTED), (adam.beta_2, FORGOTTEN))
    length = 2 + max(math.ceil(depth / -math.log(beta)) if beta > 0 else 0 for beta, depth in memories)
    j, late = np.arange(length), int(adam.timing is Timing.PAST)
    second = (1 - adam.beta_2) * adam.beta_2 ** np.maximum(j - late, 0.0)
    second[:late] = 0.0
    first = (1 - adam.beta_1) * adam.beta_1**j
    return _Weights(first, second, adam.beta_1**length, adam.beta_2 ** (length - late))


def frozen_drift(adam: Adam, law: GradientLaw) -> Enclosed:
    """E[A m] for independent gradients of this law, moments without correction, beta_2 and regulariser constant.

    Raises ValueError for variants of Adam other than the regulariser inside the root and a constant beta_2.
    """
    if adam.place is not Place.INSIDE or adam.beta_2_decay:
        raise ValueError(f"place is {adam.place.name}, beta_2_decay {adam.beta_2_decay}; allowed: INSIDE and 0")
    g, chances, weights = np.array(law.values), np.array(law.chances), _weights(adam)
    squares = g**2
    largest, least = float(squares.max()), float(squares.min())
    decay, growth, reach = least + adam.regulariser**2, largest + adam.regulariser**2, math.sqrt(largest)
    # The strip |Im u| < a in which the trapezoid rule's error is bounded; a is best at pi / (step growth).
    step = math.pi / math.sqrt(growth * NEGLECTED)
    strip = math.pi / (step * growth)
    u = step * np.arange(math.ceil(math.sqrt(NEGLECTED / decay) / step) + 1)
    integrand = _integrand(u, g, chances, weights, least) * np.exp(-(u**2) * decay)
    value = step * (integrand[0] + 2 * integrand[1:].sum()) / math.sqrt(math.pi)
    # |f(x + iy)| is at most reach e^(a^2 growth) for |x| < a, and reach e^(-(x^2 - a^2) decay) beyond.
    over_strip = 2 * strip * math.exp(strip**2 * growth) + math.exp(strip**2 * decay) * math.sqrt(math.pi / decay)
    trapezoid = 2 * over_strip / math.expm1(2 * math.pi * strip / step)
    end = float(u[-1])
    cut = math.exp(-(end**2) * decay) * (1 / (end * decay) + 2 * step)
    # E e^(-z h) lies between e^(-z E h) and e^(-z E h + z^2 h_max^2 / 8), here with z = u^2 w_j, summed over j >= J.
    second = (largest - least) ** 2 / 8 * (1 - adam.beta_2) / (1 + adam.beta_2) * weights.second_left**2
    forgotten = math.exp(end**4 * second) * second * 0.75 * math.sqrt(math.pi) * decay**-2.5
    # Each factor has a relative error of some 8 EPS / (least chance), and J of them are multiplied.
    rounding = 16 * EPS * (len(weights.first) + 64) / float(chances.min())
    total = (forgotten + (weights.first_left + rounding) * math.sqrt(math.pi / decay) + trapezoid + cut) * reach
    return Enclosed(float(value), total / math.sqrt(math.pi))


def _integrand(
    u: Float[np.ndarray, " U"],
    g: Float[np.ndarray, " A"],
    chances: Float[np.ndarray, " A"],
    weights: _Weights,
    least: float,
) -> Float[np.ndarray, " U"]:
    """The integrand without e^(-u^2 (r^2 + least)): squares less their least, so that no factor underflows."""
    excess = g**2 - least
    factors = np.zeros((len(u), len(weights.first)))
    leaning = np.zeros_like(factors)
    exponents = np.outer(u**2, weights.second)
    for value, chance, over in zip(g, chances, excess, strict=True):
        term = chance * np.exp(-exponents * over)
        factors += term
        leaning += value * term
    remaining = np.exp(-(u**2) * weights.second_left * (chances @ excess))
    return np.asarray((leaning / factors) @ weights.first * np.exp(np.log(factors).sum(1)) * remaining)


def drift_root(adam: Adam, law: GradientLaw) -> Enclosed:
    """The gradient at which Adam comes to rest: the shift s at which g - E g + s has no frozen drift.

    Found on float values, then enclosed by two certain signs; ValueError where the error bounds leave none.
    """
    centred = law.shifted(-law.moment(1))
    scale = max(centred.values) - min(centred.values)
    if scale == 0:  # a gradient that is certain has a drift of its own sign
        return Enclosed(0.0, 0.0)

    def drift(shift: float) -> Enclosed:
        return frozen_drift(adam, centred.shifted(shift))

    # Beyond the whole range all gradients have one sign, and so has the drift: the bracket need not grow past it.
    width = 0.05 * scale
    while width < scale and not drift(-width).value < 0 < drift(width).value:
        width *= 2
    width = min(width, scale)
    found = float(brentq(lambda shift: drift(shift).value, -width, width, xtol=1e-12 * scale))
    return Enclosed(found, _certain(drift, found, scale))


def _certain(drift: Callable[[float], Enclosed], found: float, scale: float) -> float:
    for radius in (1e-9 * scale, 1e-7 * scale, 1e-5 * scale):
        below, above = drift(found - radius), drift(found + radius)
        if below.value + below.error < 0 < above.value - above.error:
            return radius
    raise ValueError(f"drift near {found} is {below} and {above}; allowed: of certain and opposite signs")
