"""One layer, and the latent sample, of the deep Gaussian VAE, on quadratic maps of known size, slope and curvature.

Both are differentiated automatically as the model runs them; the bounds are attained where all directions are aligned.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from elbound.impl.deep_layers import Derivatives, Quadratic, latent_derivatives, layer_derivatives
from elbound.impl.deep_vae import Affine
from elbound.impl.noise import GAUSSIAN, Stream, words
from elbound.impl.soft_clipping import SoftClip
from elbound.properties.evidence.bilinear import bilinear_norm
from elbound.properties.evidence.intervals import Interval, maximum
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.experiments.deep_layerwise import PASS
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, Scalar, Space
from elbound.theory.settings import DEEP_LATENT, DEEP_LAYER
from elbound.theory.symbols import (
    D_max,
    H_a,
    H_f,
    H_l,
    H_mu,
    H_u,
    H_z,
    J_a,
    J_l,
    J_mu,
    J_u,
    J_z,
    c_1,
    c_2,
    eps_norm,
    m_a,
    rho,
)

# Units of the layer, and coordinates of the latent: the norm of a second derivative is enclosed in the plane.
OUTPUTS = 2
DIRECTIONS = ("aligned", "opposed", "random")
SHAPE = (Linear("share", 0.0, 1.0), Count("seed", 0, 2**16))


@dataclass(frozen=True)
class Directions:
    """Unit vectors and matrices, the first axes all along or random by the seed; each name its own draw."""

    random: bool
    seed: int
    share: float

    @staticmethod
    def of(configuration: Configuration) -> "Directions":
        c: Any = configuration
        return Directions(c["directions"] == "random", c["seed"], c["share"])

    def frame(self, name: str, size: int) -> Tensor:
        """An orthogonal matrix."""
        if not self.random:
            return torch.eye(size, dtype=torch.float64)
        stream = Stream.named("directions", name, self.seed)
        drawn = GAUSSIAN.sample(words(stream, (0, 1), 0, (size * size + 3) // 4), torch.float64)
        found: Tensor = torch.linalg.qr(drawn[: size * size, 0].unflatten(0, (size, size)))[0]
        return found

    def unit(self, name: str, size: int) -> Tensor:
        return self.frame(name, size)[:, 0]

    def matrix(self, name: str, rows: int, columns: int, norm: float) -> Tensor:
        """A matrix with the given spectral norm, all other singular values the share of it."""
        rank = min(rows, columns)
        values = norm * torch.tensor([1.0, *[self.share] * (rank - 1)], dtype=torch.float64)
        left, right = self.frame(f"{name}, left", rows), self.frame(f"{name}, right", columns)
        return (left[:, :rank] * values) @ right[:, :rank].T

    def quadratic(
        self, name: str, constant: Tensor, parameters: int, bounds: tuple[float, float], sign: float = 1.0
    ) -> Quadratic:
        """A quadratic map of the given slope and curvature."""
        slope, curvature = bounds
        size = len(constant)
        return Quadratic(
            constant,
            sign * self.matrix(f"{name}, slope", size, parameters, slope),
            curvature,
            self.unit(f"{name}, form", parameters),
            sign * self.unit(f"{name}, outward", size),
        )


def first_norm(found: Derivatives) -> Interval:
    """The spectral norm of the Jacobian."""
    # Each entry is one pass, and the solver errs by a few units of the norm.
    norm, size = float(torch.linalg.matrix_norm(found.first, 2)), float(found.first.norm())
    return maximum(Interval.around(norm, 2 * PASS * size), 0.0)


def second_norm(found: Derivatives, terms: float, first: int = 0) -> Interval:
    """The norm of the second derivative, whose entries are sums of terms up to a size; see `bilinear_norm`."""
    symmetric = (found.second + found.second.mT) / 2
    # |y . B| is at most sqrt 2 times the Frobenius norm of the larger form; rounding of p^2 entries of that size.
    error = 2 * PASS * (float(found.second.norm()) + found.second.shape[-1] * terms)
    return bilinear_norm(symmetric.numpy(), error, first)


class DeepLayer(Experiment):
    """Two units u = A a(t) + b, then a soft-clip, on a quadratic map a(t), in all of (A, b, t)."""

    key = "smoothness/deep-layer"
    title = "one layer differentiated automatically"
    setting = DEEP_LAYER
    space = Space(
        (
            Choice("directions", ("aligned", "random")),
            Linear("m", 0.0, 3.0),
            Linear("J", 0.0, 3.0),
            Linear("H", 0.0, 3.0),
            Linear("rho", 0.0, 3.0),
            Logarithmic("sharpness", 0.1, 20.0),
            Logarithmic("range", 0.1, 20.0),
            # Where the first unit's pre-activation lies, in units of the place of largest curvature.
            Linear("place", 0.0, 2.0),
            Count("inputs", 1, 3),
            Count("below", 1, 3),
            *SHAPE,
        )
    )
    _flat: ClassVar[dict[str, Scalar]] = {"directions": "aligned", "m": 0.0, "J": 2.0, "H": 0.0, "rho": 0.1}
    _flat |= {"sharpness": 0.1, "range": 20.0, "place": 0.0, "inputs": 3, "below": 2, "share": 0.5, "seed": 1}
    instances = {
        "linear below": _flat,
        "slope of the layer's own matrix": _flat | {"m": 2.0, "J": 0.1},
        "slope of the offset": _flat | {"m": 0.1, "J": 0.1},
        "slope from below": _flat | {"J": 3.0, "rho": 3.0},
        "activation at its sharpest bend": _flat | {"m": 2.0, "J": 0.05, "rho": 1.0, "sharpness": 20.0, "place": 1.0},
        "curvature from below": _flat | {"J": 0.5, "H": 3.0, "rho": 3.0, "m": 0.0, "sharpness": 0.1, "range": 20.0},
        "random directions": _flat | {"directions": "random", "m": 1.0, "H": 1.0, "rho": 1.0, "sharpness": 2.0},
    }
    faults = {"input moves twice as far": "linear below"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        c: Any = configuration
        clip = _clip(configuration)
        return Situation(
            {m_a: c["m"], J_a: c["J"], H_a: c["H"], rho: c["rho"], c_1: clip.slope_bound, c_2: clip.curvature_bound}
        )

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        c: Any = configuration
        clip, directions, inputs = _clip(configuration), Directions.of(configuration), c["inputs"]
        bounds = c["J"] * (2.0 if fault else 1.0), c["H"]
        constant = c["m"] * directions.unit("input", inputs)
        below = directions.quadratic("input", constant, c["below"], bounds)
        matrix = directions.matrix("layer", OUTPUTS, inputs, c["rho"])
        # f'' peaks where cosh u = (A + sqrt(A^2 + 8)) / 2, A = cosh(sT/2), u in units of the sharpness.
        a = np.cosh(c["sharpness"] * c["range"] / 2)
        peak = np.arccosh((a + np.sqrt(a**2 + 8)) / 2) / c["sharpness"]
        wanted = torch.tensor([-c["place"] * peak, 0.0], dtype=torch.float64)
        raised, bent = layer_derivatives(below, Affine(matrix[None], (wanted - matrix @ constant)[None]), clip)
        slope, curvature = float(raised.first.norm()), float(raised.second.norm())
        terms = clip.sharpness * slope**2 + curvature
        return Exact(
            {
                J_u: first_norm(raised),
                H_u: second_norm(raised, curvature, OUTPUTS * (inputs + 1)),
                H_f: second_norm(bent, terms),
            },
            basis="exact, automatic derivatives",
        )


def _clip(configuration: Configuration) -> SoftClip:
    c: Any = configuration
    return SoftClip(-c["range"] / 2, c["range"] / 2, c["sharpness"])


class DeepLatent(Experiment):
    """Z = mu(t) + e^(l(t)/2) eps with two coordinates, mean and log-variance quadratic in the parameters t."""

    key = "smoothness/deep-latent"
    title = "the latent sample differentiated automatically"
    setting = DEEP_LATENT
    space = Space(
        (
            Choice("directions", DIRECTIONS),
            Linear("J_mu", 0.0, 3.0),
            Linear("H_mu", 0.0, 3.0),
            Linear("J_l", 0.0, 3.0),
            Linear("H_l", 0.0, 3.0),
            Logarithmic("D", 1e-3, 1e3, usual=(0.1, 5.0)),
            Linear("eps", 0.0, 4.0),
            Count("parameters", 1, 4),
            *SHAPE,
        )
    )
    _unit: ClassVar[dict[str, Scalar]] = {"directions": "aligned", "J_mu": 1.0, "H_mu": 1.0, "J_l": 1.0, "H_l": 1.0}
    _unit |= {"D": 1.0, "eps": 1.0, "parameters": 3, "share": 0.5, "seed": 1}
    instances = {
        "all aligned": _unit,
        "log-variance alone": _unit | {"J_mu": 0.1, "H_mu": 0.1, "H_l": 0.1, "J_l": 3.0, "eps": 3.0},
        "mean against log-variance": _unit | {"directions": "opposed"},
        "random directions": _unit | {"directions": "random", "D": 2.0},
    }
    faults = {"noise doubled": "log-variance alone"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        c: Any = configuration
        return Situation(
            {J_mu: c["J_mu"], H_mu: c["H_mu"], J_l: c["J_l"], H_l: c["H_l"], D_max: c["D"], eps_norm: c["eps"]}
        )

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        c: Any = configuration
        directions, count = Directions.of(configuration), c["parameters"]
        start = directions.unit("mean at zero", OUTPUTS)
        sign = -1.0 if c["directions"] == "opposed" else 1.0
        mean = directions.quadratic("mean", start, count, (c["J_mu"], c["H_mu"]), sign)
        # The largest variance is D, the other the share of it.
        variances = c["D"] * torch.tensor([1.0, max(c["share"], 1e-3)], dtype=torch.float64)
        spread = directions.quadratic("log-variance", variances.log(), count, (c["J_l"], c["H_l"]))
        noise = c["eps"] * (2.0 if fault else 1.0) * directions.unit("noise", OUTPUTS)
        found = latent_derivatives(mean, spread, noise)
        terms = c["H_mu"] + c["D"] ** 0.5 * float(noise.norm()) * (c["H_l"] + c["J_l"] ** 2)
        return Exact({J_z: first_norm(found), H_z: second_norm(found, terms)}, basis="exact, automatic derivatives")


DEEP_LAYER_MAP = DeepLayer()
DEEP_LATENT_MAP = DeepLatent()
