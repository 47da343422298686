"""Tangent kernels of noisy two-layer networks at initialisation, drawn by definition."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from elbound.impl.kernels import ERF, RELU, Activation, fresh_noise_kernel, tangent_fluctuation, variance_floor
from elbound.impl.noise import GAUSSIAN, Stream, words
from elbound.impl.wide_network import neuron_outputs, tangent_entries, tangent_kernel
from elbound.properties.evidence.intervals import Interval
from elbound.properties.experiment import Context, Experiment, Sample, Situation
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, LogarithmicCount, Scalar, Space
from elbound.theory import settings, symbols

ACTIVATIONS: dict[str, Activation] = {"ReLU": RELU, "erf": ERF}
FACTS = {"ReLU": settings.RELU, "erf": settings.ERF}
# The sure ranges hold up to rounding of sums of a few thousand terms.
ROUNDING = 1e-9
CACHED = 2**14


def normals(stream: Stream, first: int, count: int, shape: tuple[int, ...], context: Context, step: int = 0) -> Tensor:
    """Standard normal draws [*shape, count], replicate i a function of the stream, the step and i alone."""
    size = math.prod(shape)
    slots = -(-size // 4)
    # Blocks that stay in the cache; a replicate's draws do not depend on them.
    blocks = torch.arange(first, first + count, device=context.torch_device).split(max(1, CACHED // slots))
    drawn = [GAUSSIAN.sample(words(stream, block, step, slots), torch.float64)[:size] for block in blocks]
    result: Tensor = torch.cat(drawn, dim=1).unflatten(0, shape)
    return result


class KernelEntry(Experiment):
    """One kernel entry averaged over m neurons, under three ways of drawing the latent noise."""

    key = "tangent/kernel-entry"
    title = "Monte Carlo by definition"
    setting = settings.TANGENT_ENTRY
    space = Space(
        (
            Choice("activation", ("ReLU", "erf")),
            Choice("inputs", ("two", "same")),
            LogarithmicCount("m", 1, 128),
            Linear("s_z", 0.0, 2.0),
            Linear("angle", 0.0, 3.0),
            Logarithmic("norm", 1e-3, 1e3, usual=(0.2, 4.0)),
            Logarithmic("other norm", 1e-3, 1e3, usual=(0.2, 4.0)),
        )
    )
    _two: ClassVar[dict[str, Scalar]] = {
        "activation": "ReLU",
        "inputs": "two",
        "m": 128,
        "s_z": 1.0,
        "angle": 0.4,
        "norm": 2.0,
        "other norm": 2.0,
    }
    instances = {
        "ReLU, two inputs": _two,
        "ReLU, one input": _two | {"inputs": "same"},
        "ReLU, close inputs of small norm": _two | {"norm": 0.7, "other norm": 0.7, "angle": 0.1, "m": 512},
        "erf, two inputs": _two | {"activation": "erf"},
        "erf, one input": _two | {"activation": "erf", "inputs": "same"},
    }
    faults = {
        "slope taken before the noise is added": "erf, two inputs",
        "weights of variance 1.2": "erf, two inputs",
    }

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        X = inputs_of(configuration)
        gram = X @ X.T
        values = {
            symbols.N: len(X),
            symbols.m: int(configuration["m"]),
            symbols.p: int(configuration["m"]) * X.shape[1],
            symbols.s_z: float(configuration["s_z"]),
            symbols.g: float(gram[0, -1]),
            symbols.x2: float(gram[0, 0]),
            symbols.y2: float(gram[-1, -1]),
        }
        place = settings.SAME_INPUT if configuration["inputs"] == "same" else settings.TWO_INPUTS
        return Situation(values, frozenset({FACTS[str(configuration["activation"])], place}))

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Sample:
        X, width = inputs_of(configuration).to(context.torch_device), int(configuration["m"])
        activation, s = ACTIVATIONS[str(configuration["activation"])], float(configuration["s_z"])
        s, stretch = (
            (0.0 if fault.startswith("slope") else s),
            (1.2**0.5 if fault.startswith("weights") else 1.0),
        )
        steepest = activation.slope_bound(0.0) ** 2

        def draw(stage: str, first: int, count: int) -> dict[Any, Any]:
            stream, N = context.stream(self.key, configuration, stage), len(X)
            W = stretch * normals(stream, first, count, (width, X.shape[1]), context)
            one, other = (normals(stream, first, count, (N, width), context, step) for step in (1, 2))
            pairs = {
                symbols.k_fresh: (one, other),
                symbols.k_shared: (one[:1], one[:1]),
                symbols.k_frozen: (one, one),
            }
            entries = {k: tangent_entries(W, X, *noise, s, activation)[0, -1] for k, noise in pairs.items()}
            outputs, others = (neuron_outputs(W, X, noise, s, activation) for noise in (one, other))
            entries[symbols.k_output] = (outputs[0] * others[-1]).mean(0)
            # Half the squared difference of two draws has the variance as its mean.
            entries[symbols.V_s] = (outputs[0] - others[0]).square().mean(0) / 2
            return {symbol: entry.cpu().numpy() for symbol, entry in entries.items()}

        reach = float((X @ X.T)[0, -1]) * steepest * (1 + ROUNDING)
        sure = Interval.between(min(reach, 0.0), max(reach, 0.0))
        same = configuration["inputs"] == "same"
        shared = {symbols.k_fresh: 0.0, symbols.k_shared: s**2, symbols.k_frozen: s**2 if same else 0.0}
        variances = {k: _neuron_variance(X, s, activation, covariance) / width for k, covariance in shared.items()}
        variances |= {k: bound / width for k, bound in _output_variances(X, s, activation).items()}
        ranges = dict.fromkeys(shared, sure)
        least, most = (-math.inf, math.inf) if activation is RELU else (-1.0, 1.0)
        ranges |= {symbols.k_output: Interval.between(least, most), symbols.V_s: Interval.between(0.0, 2 * most)}
        return Sample(draw, ranges, variances=variances, device=context.device)


def _neuron_variance(X: Tensor, s: float, activation: Activation, noise_covariance: float) -> float:
    """Variance of g phi'(U) phi'(U') for Gaussians of variances q, q' and covariance c = g + noise covariance.

    ReLU slopes are indicators, equal to their squares; for erf the square is one more Gaussian integral.
    """
    g, q, p = float(X[0] @ X[-1]), float(X[0] @ X[0]) + s**2, float(X[-1] @ X[-1]) + s**2
    c = g + noise_covariance
    if activation is RELU:
        mean = (math.pi - math.acos(max(-1.0, min(1.0, c / math.sqrt(q * p))))) / (2 * math.pi)
        square = mean
    else:
        mean = 4 / math.pi / math.sqrt((1 + 2 * q) * (1 + 2 * p) - 4 * c**2)
        square = (4 / math.pi) ** 2 / math.sqrt((1 + 4 * q) * (1 + 4 * p) - 16 * c**2)
    return g**2 * (square - mean**2) * (1 + ROUNDING) + ROUNDING**2


def _output_variances(X: Tensor, s: float, activation: Activation) -> dict[Any, float]:
    """Bounds on the second moments of phi(U) phi(U') and of D = (phi(U) - phi(U''))^2 / 2, one neuron each.

    ReLU: Cauchy-Schwarz with E phi(U)^4 = 3 q^2 / 2, and D <= s^2 (e - e')^2 / 2 with E(e - e')^4 = 12. erf: both are
    bounded, the products by 1, D by 2, so that E D^2 <= 2 E D.
    """
    q, p = float(X[0] @ X[0]) + s**2, float(X[-1] @ X[-1]) + s**2
    floor = float(variance_floor(X, s, activation)[0])
    products, difference = (1.5 * q * p, 3 * s**4) if activation is RELU else (1.0, 2 * floor)
    widened = ((symbols.k_output, products), (symbols.V_s, difference))
    return {k: bound * (1 + ROUNDING) + ROUNDING**2 for k, bound in widened}


def inputs_of(configuration: Configuration) -> Tensor:
    """One input or two in the plane, [1 or 2, 2], at an angle."""
    c: Any = configuration
    first = [c["norm"], 0.0]
    second = [c["other norm"] * math.cos(c["angle"]), c["other norm"] * math.sin(c["angle"])]
    return torch.tensor([first] if c["inputs"] == "same" else [first, second], dtype=torch.float64)


@dataclass(frozen=True)
class Initialisation:
    """Inputs X [N, p], width, activation and noise, and the limit kernel."""

    X: Tensor
    width: int
    s: float
    activation: Activation

    @staticmethod
    def of(configuration: Configuration) -> "Initialisation":
        c: Any = configuration
        drawn = GAUSSIAN.sample(
            words(Stream.named("inputs", c["seed"]), (0, 1), 0, -(-c["N"] * c["p"] // 4)), torch.float64
        )
        X = drawn[: c["N"] * c["p"], 0].reshape(c["N"], c["p"])
        return Initialisation(
            c["norm"] * X / X.norm(dim=1, keepdim=True), c["m"], c["s_z"], ACTIVATIONS[c["activation"]]
        )

    @property
    def limit(self) -> Tensor:
        return fresh_noise_kernel(self.X, self.X, self.s, self.activation)

    @property
    def networks(self) -> int:
        """Networks whose squared deviations are averaged within one replicate: narrow ones are cheap."""
        return max(1, 64 // self.width)


class KernelMatrix(Experiment):
    """Deviations of the whole kernel matrix from its limit, and its least eigenvalue."""

    key = "tangent/kernel-matrix"
    title = "noise-averaged network at initialisation"
    setting = settings.TANGENT_KERNEL
    space = Space(
        (
            Choice("activation", ("ReLU", "erf")),
            Count("N", 1, 6),
            Count("p", 1, 5),
            LogarithmicCount("m", 1, 256),
            Linear("s_z", 0.0, 1.5),
            Logarithmic("norm", 1e-3, 1e3, usual=(0.3, 3.0)),
            Linear("delta", 0.05, 0.5),
            Linear("zeta", 0.05, 1.2),
            Count("seed", 0, 2**16),
        )
    )
    _one: ClassVar[dict[str, Scalar]] = {
        "activation": "ReLU",
        "N": 2,
        "p": 3,
        "m": 1,
        "s_z": 0.0,
        "norm": 1.0,
        "delta": 0.1,
        "zeta": 0.5,
        "seed": 4,
    }
    instances = {
        "ReLU, one neuron, no noise": _one,
        "ReLU, 16 neurons, no noise": _one | {"m": 16},
        "erf, width 64": _one | {"activation": "erf", "m": 64, "s_z": 0.5, "N": 4, "p": 4},
        "ReLU, width 256, orthogonal-ish inputs": _one | {"m": 256, "s_z": 0.3, "N": 3, "p": 5, "zeta": 0.9},
    }
    faults = {"1/m scaling forgotten once": "ReLU, 16 neurons, no noise"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        net = Initialisation.of(configuration)
        spectrum = torch.linalg.eigvalsh(net.limit)
        values = {
            symbols.N: len(net.X),
            symbols.m: net.width,
            symbols.p: net.width * net.X.shape[1],
            symbols.delta: float(configuration["delta"]),
            symbols.zeta: float(configuration["zeta"]),
            symbols.phi_1: net.activation.slope_bound(net.s),
            symbols.G_norm: float(torch.linalg.eigvalsh(net.X @ net.X.T)[-1]),
            symbols.theta_norm: float(spectrum[-1]),
            symbols.lambda_0: max(float(spectrum[0]), 0.0),
            symbols.V_0: float(tangent_fluctuation(net.X, net.s, net.activation)),
        }
        return Situation(values, precision=1e-10)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Sample:
        net = Initialisation.of(configuration)
        X, limit = net.X.to(context.torch_device), net.limit.to(context.torch_device)
        scale = net.width**0.5 if fault else 1.0

        def draw(stage: str, first: int, count: int) -> dict[Any, Any]:
            stream = context.stream(self.key, configuration, stage)
            W = normals(stream, first, count, (net.width, X.shape[1], net.networks), context).flatten(2)
            kernels = limit[..., None] + scale * (tangent_kernel(W, X, net.s, net.activation) - limit[..., None])
            observed = _deviations(kernels.unflatten(2, (net.networks, count)), limit, X @ X.T)
            return {symbol: value.cpu().numpy() for symbol, value in observed.items()}

        bound = net.activation.slope_bound(net.s) ** 2
        gram = X @ X.T
        size = float(torch.linalg.eigvalsh(gram)[-1]) * bound
        # Each neuron's entry lies between 0 and the inner product times the bound, so no mean of them is farther off.
        away = torch.maximum(limit.abs(), (gram * bound - limit).abs())
        tops = {
            symbols.entry_deviation: scale * bound,
            symbols.operator_deviation: scale * size,
            symbols.squared_deviation: scale**2 * float(away.square().sum()),
        }
        ranges = {symbol: Interval.between(0.0, top * (1 + ROUNDING)) for symbol, top in tops.items()}
        slack = (1 + scale) * size
        return Sample(
            draw,
            ranges
            | {symbols.least_eigenvalue: Interval.between(-slack * (ROUNDING + (scale > 1)), slack * (1 + ROUNDING))},
            device=context.device,
        )


def _deviations(kernels: Tensor, limit: Tensor, gram: Tensor) -> dict[Any, Tensor]:
    """Observables from kernels [N, N, J, R]; all but the mean square use the first network of each replicate."""
    away = kernels - limit[..., None, None]
    first = away[:, :, 0]
    relative = torch.where(gram[..., None].abs() > 0, first.abs() / gram.abs()[..., None], torch.zeros_like(first))
    return {
        symbols.entry_deviation: relative.flatten(0, 1).amax(0),
        symbols.operator_deviation: torch.linalg.eigvalsh(first.movedim(2, 0)).abs().amax(1),
        symbols.squared_deviation: away.square().sum((0, 1)).mean(0),
        symbols.least_eigenvalue: torch.linalg.eigvalsh(kernels[:, :, 0].movedim(2, 0))[:, 0],
    }


KERNEL_ENTRY = KernelEntry()
KERNEL_MATRIX = KernelMatrix()
