"""Wide networks trained from a random start: one step, gradient flow, ridge. Deterministic given the seed."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from elbound.impl.kernels import ERF, RELU, Activation
from elbound.impl.linearised import linear_ridge_flow
from elbound.impl.noise import GAUSSIAN, Stream, words
from elbound.impl.ridge import KernelFlow
from elbound.impl.wide_training import Training, WideNetwork, curvature_bound, random_start, stationary_point
from elbound.properties.datasets import table
from elbound.properties.evidence.intervals import Interval, maximum
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, LogarithmicCount, Scalar, Space
from elbound.theory import settings, symbols

ACTIVATIONS: dict[str, Activation] = {"ReLU": RELU, "erf": ERF}
EPS = 2.0**-53
# Relative error of norms and of eigenvalues down to RESOLVED of the largest: backward stability at sizes up to 100.
PRECISION = 1e-10
RESOLVED = 1e-4


def normals(seed: int, part: str, shape: tuple[int, ...]) -> Tensor:
    """Standard normal entries, a function of the seed and the part's name."""
    size = math.prod(shape)
    drawn: Tensor = GAUSSIAN.sample(words(Stream.named(part, seed), (0, 1), 0, -(-size // 4)), torch.float64)
    return drawn[:size, 0].reshape(shape)


@dataclass(frozen=True)
class Start:
    """A network at its start with its data; `steepest` puts one neuron at distance z sqrt 2 from its symmetry.

    One neuron with z = 1/sqrt 2 (erf) or z = 0 (ReLU) stands at the largest curvature of its activation.
    """

    network: WideNetwork
    weights: Tensor
    X: Tensor
    X_test: Tensor
    tangent: Tensor

    @staticmethod
    def of(configuration: Configuration, context: Context) -> "Start":
        c: Any = configuration
        activation = ACTIVATIONS[c["activation"]]
        if c["net"] == "one neuron":
            X = torch.full((1, 1), c["norm"], dtype=torch.float64)
            stretch = math.sqrt(1 + 2 * c["s_z"] ** 2) if activation is ERF else c["s_z"]
            W = torch.full((1, 1), c["z"] * stretch / c["norm"], dtype=torch.float64)
            network = WideNetwork(torch.ones(1, 1, dtype=torch.float64), c["s_z"], activation)
            return Start(network, W, X, X, network.tangent(W, X))
        both = c["norm"] * _inputs(configuration, context)
        # A user's table may have fewer rows: one is kept for testing.
        N = min(c["N"], len(both) - 1)
        X, X_test = both[:N], both[N:]
        shape = (c["d"], 2 * c["half m"], X.shape[1])
        network, W = random_start(shape, c["s_z"], activation, c["seed"], antisymmetric=bool(c["twins"]))
        return Start(network, W, X, X_test, network.tangent(W, X))

    @cached_property
    def spectrum(self) -> tuple[Tensor, Tensor]:
        values, vectors = torch.linalg.eigh(self.tangent)
        return values, vectors

    @property
    def top(self) -> float:
        return float(self.spectrum[0][-1])

    @property
    def least(self) -> float:
        """The kernel's least eigenvalue less the eigensolver's error, so that no bound is too small by rounding."""
        return max(float(self.spectrum[0][0]) - 16 * len(self.tangent) * EPS * self.top, 0.0)

    @property
    def lipschitz(self) -> float:
        return self.network.jacobian_lipschitz(self.X)

    @property
    def jacobian_bound(self) -> float:
        return self.network.jacobian_bound(self.X)

    @property
    def parameters(self) -> dict[Any, float]:
        return {
            symbols.N: len(self.X),
            symbols.d: len(self.network.signs),
            symbols.m: len(self.weights),
            symbols.phi_2: curvature_bound(self.network.activation, self.network.s),
            symbols.x_max: float(self.X.norm(dim=1).max()),
            symbols.G_norm: float(torch.linalg.matrix_norm(self.X, 2)) ** 2,
        }

    def direction(self, target: str, seed: int) -> Tensor:
        """A unit residual [N, d]: the kernel's slowest or fastest eigenvector, or a random one; outward if [1, 1]."""
        shape = (len(self.X), len(self.network.signs))
        if target == "random":
            drawn = normals(seed, "targets", shape)
            unit: Tensor = drawn / drawn.norm()
            return unit
        vector = self.spectrum[1][:, self._mode(target)]
        return (vector * (torch.sign(vector[0]) if len(vector) == 1 else 1.0)).view(shape)

    def eigenvalue(self, target: str) -> float:
        """That of the target's mode; for a random target the slowest."""
        return float(self.spectrum[0][self._mode(target)])

    def _mode(self, target: str) -> int:
        # The slowest of those that rounding leaves alone.
        return -1 if target == "fastest" else int((self.spectrum[0] < RESOLVED * self.top).sum())

    def training(self, residual: Tensor, ridge: float = 0.0) -> Training:
        """The problem whose first residual is the given one."""
        return Training(self.network, self.X, self.network.output(self.weights, self.X) + residual, self.weights, ridge)

    @property
    def rounding(self) -> float:
        """Error of |f| and |J^T r|-like sums: m + p + 16 roundings of terms of at most this size."""
        m, p = self.weights.shape
        reach = max(float((self.X @ self.weights.T).abs().max()), 1.0) + self.network.s
        return (m + p + 16) * EPS * math.sqrt(m * len(self.X) * len(self.network.signs)) * reach


def _inputs(configuration: Configuration, context: Context) -> Tensor:
    """Rows for training and three more for testing, of a table as many as it has: the user's is scaled to norm 1."""
    c: Any = configuration
    if c["data"] == "spherical":
        drawn = normals(c["seed"], "inputs", (c["N"] + 3, c["p"]))
        unit: Tensor = drawn / drawn.norm(dim=1, keepdim=True)
        return unit
    rows = table(context, c["data"], c["N"] + 3, c["p"], c["seed"])
    longest = float(rows.norm(dim=1).max())
    # A constant input beside the columns: the few that are kept may all be blank.
    scaled = rows if c["data"] == "digits" or longest == 0 else rows / longest
    return torch.cat((scaled, torch.ones_like(rows[:, :1])), dim=1)


NETWORK = (
    Choice("net", ("random", "one neuron")),
    Choice("data", ("spherical", "digits")),
    Choice("activation", ("ReLU", "erf")),
    Choice("twins", (False, True)),
    LogarithmicCount("half m", 1, 16),
    Count("N", 1, 5),
    Count("d", 1, 3),
    Count("p", 1, 6),
    Linear("s_z", 0.3, 1.5),
    Logarithmic("norm", 0.3, 3.0),
    Linear("z", 0.0, 1.2),
    Count("seed", 0, 2**16),
)
BASE: dict[str, Scalar] = {
    "net": "random",
    "data": "spherical",
    "activation": "ReLU",
    "twins": True,
    "half m": 16,
    "N": 3,
    "d": 2,
    "p": 4,
    "s_z": 1.0,
    "norm": 1.0,
    "z": 0.0,
    "seed": 1,
}
DIGITS: dict[str, Scalar] = {"data": "digits", "N": 5, "p": 6}
ERF_NEURON: dict[str, Scalar] = {
    "net": "one neuron",
    "activation": "erf",
    "z": math.sqrt(0.5),
    "N": 1,
    "d": 1,
    "p": 1,
    "half m": 1,
    "twins": False,
}
RELU_NEURON = ERF_NEURON | {"activation": "ReLU", "z": 0.0}


class OneStep(Experiment):
    """One gradient descent step, and one move in a random direction, from a random start."""

    key = "tangent/one-step"
    title = "one step of a wide network"
    setting = settings.WIDE_STEP
    space = Space(
        (
            *NETWORK,
            Choice("target", ("random", "slowest", "fastest")),
            Linear("step", 0.05, 1.25),
            Logarithmic("residual", 1e-3, 10.0),
            Logarithmic("move", 1e-3, 3.0),
        )
    )
    _net: ClassVar[dict[str, Scalar]] = BASE | {"target": "random", "step": 0.9, "residual": 1.0, "move": 0.1}
    _sharp: ClassVar[dict[str, Scalar]] = {"target": "slowest", "step": 1 - 1e-9, "residual": 1e-3, "move": 1e-3}
    instances = {
        "random ReLU network": _net,
        "random erf network, no twins": _net | {"activation": "erf", "twins": False, "N": 5},
        "digits": _net | DIGITS,
        "one erf neuron at its steepest curvature": _net | _sharp | ERF_NEURON,
        "one ReLU neuron at its steepest curvature": _net | _sharp | RELU_NEURON,
        "one erf neuron, kernel rising": _net | _sharp | ERF_NEURON | {"z": 0.6, "move": 0.02},
    }
    faults = {"step uphill": "random ReLU network", "moved twice as far": "one erf neuron, kernel rising"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        start, c = Start.of(configuration, context), dict(configuration)
        values = {
            symbols.eta: float(c["step"]) / start.top,
            symbols.delta_W: float(c["move"]),
            symbols.least_eigenvalue: start.least,
            symbols.theta_top: start.top,
            symbols.r_0: float(c["residual"]),
        }
        return Situation(start.parameters | values, precision=PRECISION)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        start, c = Start.of(configuration, context), dict(configuration)
        net, W, X = start.network, start.weights, start.X
        residual = float(c["residual"]) * start.direction(str(c["target"]), int(c["seed"]))
        eta = float(c["step"]) / start.top * (-1 if fault.startswith("step") else 1)
        after = start.training(residual).residual(W + eta * net.pull(W, X, residual))
        # One neuron moves towards its symmetry, where the slope rises.
        drawn = normals(int(c["seed"]), "move", tuple(W.shape)) if c["net"] == "random" else -torch.ones_like(W)
        move = (2 if fault.startswith("moved") else 1) * float(c["move"]) * drawn / drawn.norm()
        bent = net.output(W + move, X) - net.output(W, X) - net.push(W, X, move)
        changes = net.kernel(W + move, X, W + move, X) - start.tangent
        cross = net.kernel(W + move, X, W, X)
        # Differences of the four kernels would lose half the digits of |dJ|; it is formed from the slopes' change.
        change = _jacobian_change(net, W, move, X)
        error = start.rounding * (1 + start.jacobian_bound)
        spectral = 64 * EPS * len(cross) * start.jacobian_bound**2
        return Exact(
            {
                symbols.residual_1: _near(float(after.norm()), error * (1 + float(residual.norm()))),
                symbols.taylor: _near(float(bent.norm()), 4 * error),
                symbols.jacobian_change: _near(change, 64 * EPS * len(cross) * start.jacobian_bound),
                symbols.kernel_change: _near(float(torch.linalg.matrix_norm(changes, 2)), spectral),
            }
        )


def _jacobian_change(network: WideNetwork, W: Tensor, move: Tensor, X: Tensor) -> float:
    """|J(W + move) - J(W)| as the square root of the largest eigenvalue of its Gram matrix."""
    slopes = [network.activation.smoothed_slope(X @ each.T, network.s) for each in (W, W + move)]
    features = ((slopes[1] - slopes[0])[:, None] * network.signs).flatten(0, 1)
    d = len(network.signs)
    inner = (X @ X.T).repeat_interleave(d, 0).repeat_interleave(d, 1)
    return math.sqrt(max(float(torch.linalg.eigvalsh(inner * (features @ features.T) / len(W))[-1]), 0.0))


def _near(value: float, error: float) -> Interval:
    """A non-negative quantity up to a sure error."""
    return maximum(Interval.around(value, error), 0.0)


# Integrated to this much per step: far below every margin, and twelve digits cost twice as much.
TOLERANCE = 1e-10


class Flow(Experiment):
    """Gradient flow on the squared error, with the extreme eigenvalues of the kernel integrated along its path."""

    key = "tangent/wide-flow"
    title = "gradient flow of a wide network"
    setting = settings.WIDE_FLOW
    share = 0.3
    space = Space(
        (
            *NETWORK,
            Choice("target", ("slowest", "random", "fastest")),
            Logarithmic("q", 0.02, 5.0),
            Logarithmic("lifetimes", 0.05, 4.0),
        )
    )
    _net: ClassVar[dict[str, Scalar]] = BASE | {"target": "slowest", "q": 0.3, "lifetimes": 2.0}
    instances = {
        "slowest mode": _net,
        "slowest mode, erf": _net | {"activation": "erf", "s_z": 0.5, "q": 0.1},
        "fastest mode": _net | {"target": "fastest", "q": 0.1, "lifetimes": 0.05},
        "digits": _net | DIGITS | {"d": 1, "target": "random", "q": 0.4, "lifetimes": 0.1, "norm": 0.5},
        "one erf neuron at its steepest curvature": _net | ERF_NEURON | {"q": 0.45, "lifetimes": 60.0, "z": 0.7},
        "one erf neuron with small residual": _net | ERF_NEURON | {"q": 0.1, "lifetimes": 12.0},
        "one erf neuron that cannot reach its target": _net | ERF_NEURON | {"q": 0.63, "z": 0.43, "lifetimes": 300.0},
    }
    faults = {"loss without its half": "fastest mode"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        start = Start.of(configuration, context)
        size, time = _scale(start, configuration)
        values = {symbols.tau: time, symbols.least_eigenvalue: start.least, symbols.r_0: size}
        return Situation(start.parameters | values, precision=PRECISION)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        start, c = Start.of(configuration, context), dict(configuration)
        size, time = _scale(start, configuration)
        training = start.training(size * start.direction(str(c["target"]), int(c["seed"])))

        def along(W: Tensor) -> Tensor:
            spectrum = torch.linalg.eigvalsh(training.network.tangent(W, training.X))
            return torch.stack((spectrum[0], spectrum[-1], training.residual(W).norm()))

        paths, integrals, errors = training.flow([time, 2 * time] if fault else [time], along, TOLERANCE)
        low, high, path = (float(x) for x in integrals[0])
        # The flow expands distances at rate at most L_J |r|, so local errors grow by no more than its exponential.
        miss = float(errors[-1]) * math.exp(min(start.lipschitz * path, 600.0)) + start.rounding
        W, drift = paths[-1], 2 * start.jacobian_bound * start.lipschitz * time * miss
        reach, spectral = start.jacobian_bound, float(errors[0]) + 64 * EPS * len(start.tangent) * time * start.top
        return Exact(
            {
                symbols.residual_tau: _near(float(training.residual(W).norm()), reach * miss + start.rounding),
                symbols.int_low: Interval.around(low, spectral + drift),
                symbols.int_high: _near(high, spectral + drift),
                symbols.displacement: _near(float((W - start.weights).norm()), miss),
            },
            basis="integrated",
        )


def _scale(start: Start, configuration: Configuration) -> tuple[float, float]:
    """Norm of the first residual, q lambda / L_J, and the time, both kept sane where lambda vanishes."""
    least = max(start.least, 1e-2 * start.top)
    return float(configuration["q"]) * least / start.lipschitz, float(configuration["lifetimes"]) / least


class LinearRidgeFlow(Experiment):
    """The linearised network's weights under the ridge flow, by the exponential of the whole weight-space matrix."""

    key = "tangent/linear-ridge-flow"
    title = "linearised network with a ridge"
    setting = settings.LINEAR_RIDGE_FLOW
    space = Space(
        (
            *(Count("half m", 1, 3) if axis.name == "half m" else axis for axis in NETWORK),
            Choice("target", ("slowest", "random", "fastest")),
            Logarithmic("ridge", 1e-2, 10.0),
            Logarithmic("lifetimes", 0.05, 5.0),
        )
    )
    _slow: ClassVar[dict[str, Scalar]] = BASE | {"half m": 3, "twins": False, "d": 1, "target": "slowest"}
    _slow |= {"ridge": 0.1, "lifetimes": 1.5}
    instances = {
        "slow mode, ridge above its eigenvalue": _slow,
        "slow mode, ridge far above its eigenvalue": _slow | {"ridge": 2.0},
        "fast mode": _slow | {"target": "fastest"},
        "any target": _slow | {"target": "random"},
        "digits": _slow | DIGITS | {"d": 1, "target": "slowest"},
    }
    faults = {"decay towards zero instead of the start": "slow mode, ridge above its eigenvalue"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        start, c = Start.of(configuration, context), dict(configuration)
        mode = start.eigenvalue(str(c["target"]))
        values = {
            symbols.N: len(start.X),
            symbols.d: len(start.network.signs),
            symbols.m: len(start.weights),
            symbols.p: start.weights.numel(),
            symbols.tau: float(c["lifetimes"]) / (mode + float(c["ridge"])),
            symbols.ridge: float(c["ridge"]),
            symbols.theta_mode: mode,
            symbols.least_eigenvalue: start.least,
        }
        facts = frozenset() if c["target"] == "random" and len(start.tangent) > 1 else {settings.SINGLE_MODE}
        return Situation(values, frozenset(facts), precision=PRECISION)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        start, c = Start.of(configuration, context), dict(configuration)
        residual = start.direction(str(c["target"]), int(c["seed"])).flatten()
        weights, ridge = start.weights.flatten(), float(c["ridge"])
        time = self.situation(configuration, context).values[symbols.tau]
        J = _jacobian(start)
        # The fault decays w itself.
        moved, end = linear_ridge_flow(J, residual, ridge, time, -weights if fault else torch.zeros_like(weights))
        limit = J @ end
        observed = {
            symbols.mode_residual: float((residual - J @ moved).norm()),
            symbols.mode_limit: float((residual - limit).norm()),
            symbols.limit_distance: float((J @ moved - limit).norm() / limit.norm()),
        }
        # Condition of the solve times its size; scaling and squaring errs by a few units per squaring.
        size = start.top + ridge
        error = 32 * len(weights) * EPS * (size / ridge) * (1 + time * size) * max(1.0, 1 / float(limit.norm()))
        return Exact({symbol: _near(value, error) for symbol, value in observed.items()})


def _jacobian(start: Start) -> Tensor:
    """The dense Jacobian [N d, m p], by automatic differentiation of the network's output."""
    jacobian: Tensor = torch.func.jacrev(lambda W: start.network.output(W, start.X).flatten())(start.weights)
    return jacobian.flatten(1)


class Ridge(Experiment):
    """Training with a ridge to a stationary point, against kernel ridge regression at training and test points."""

    key = "tangent/wide-ridge"
    title = "wide network trained with a ridge"
    setting = settings.WIDE_RIDGE
    share = 0.5
    space = Space(
        (
            LogarithmicCount("half m", 2, 64),
            *(axis for axis in NETWORK if axis.name not in ("net", "half m")),
            Logarithmic("ridge", 0.05, 5.0),
            Logarithmic("residual", 0.1, 3.0),
        )
    )
    _wide: ClassVar[dict[str, Scalar]] = {k: v for k, v in BASE.items() if k != "net"} | {
        "half m": 256,
        "N": 6,
        "p": 4,
        "d": 2,
        "ridge": 1.0,
        "residual": 2.0,
    }
    instances = {
        "width 8": _wide | {"half m": 4, "N": 4},
        "width 8, erf, no twins": _wide | {"half m": 4, "N": 4, "activation": "erf", "twins": False},
        "width 512": _wide,
        "width 512, small ridge": _wide | {"ridge": 0.2},
        "width 512, digits": _wide | DIGITS | {"N": 8, "residual": 1.0},
        "width 2": _wide | {"half m": 1, "N": 1, "d": 1, "p": 1, "activation": "erf", "residual": 0.3, "twins": False},
    }
    faults = {"ridge pulls towards zero": "width 8", "ridge doubled in training": "width 512"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        start, c = self._start(configuration, context), dict(configuration)
        values = {
            symbols.ridge: float(c["ridge"]),
            symbols.least_eigenvalue: start.least,
            symbols.theta_top: start.top,
            symbols.r_0: float(c["residual"]),
        }
        return Situation(start.parameters | values, precision=PRECISION)

    @staticmethod
    def _start(configuration: Configuration, context: Context) -> Start:
        return Start.of({**configuration, "net": "random"}, context)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        return Exact(self._trained(configuration, context, fault).observables)

    def _trained(self, configuration: Configuration, context: Context, fault: str) -> "TrainedPoint":
        start, c = self._start(configuration, context), dict(configuration)
        ridge = float(c["ridge"])
        training = start.training(float(c["residual"]) * start.direction("random", int(c["seed"])), ridge)
        solved = training
        if fault:
            centre, factor = (0 * start.weights, 1) if fault.startswith("ridge pulls") else (start.weights, 2)
            solved = Training(start.network, start.X, training.y, centre, factor * ridge)
        end = stationary_point(solved, iterations=200)
        return TrainedPoint(start, end.weights, training, end.gradient_norm)


# The gradient that training leaves may be this share of the pull of the data where it rests: a wrong statement is off
# by a percent or more, and beyond this a point that is not at rest would pass for one.
CAP = 1e-6


def at_rest(left: float, allowed: float) -> float:
    """The norm of the gradient that training left, an error of what holds at rest. ValueError above what is allowed."""
    if not left <= allowed:
        raise ValueError(f"training stopped at a gradient of norm {left:.3g}; at rest it is at most {allowed:.3g}")
    return left


LEGENDRE = np.polynomial.legendre.leggauss(16)


def segment(reach: float, smoothing: float) -> tuple[tuple[float, float], ...]:
    """Nodes and weights on [0, 1] for a mean over a segment on which preactivations move by at most `reach`.

    Slopes averaged over noise of deviation s are entire functions of u / s. On a panel on which u / s moves by h = 4 at
    most, sixteen Gauss-Legendre nodes miss their mean by h^32 (16!)^4 / (33 (32!)^3) times a 32nd derivative, at most
    sqrt(32!) of such a slope: less than 1e-17.
    """
    panels = 1 + math.floor(reach / (4 * smoothing))
    if panels > MOST_PANELS:
        raise ValueError(f"preactivations move by {reach:.3g}, more than {MOST_PANELS} times {smoothing:.3g}")
    nodes, weights = (LEGENDRE[0] + 1) / 2, LEGENDRE[1] / 2
    places = ((np.arange(panels)[:, None] + nodes) / panels).flatten().tolist()
    return tuple(zip(places, np.tile(weights / panels, panels).tolist(), strict=True))


# A mean over a segment takes sixteen evaluations of the network for each.
MOST_PANELS = 4096


@dataclass(frozen=True)
class TrainedPoint:
    """A trained point beside kernel ridge regression with the kernel of its start; `left` is the solver's gradient."""

    start: Start
    W: Tensor
    training: Training
    left: float

    @property
    def error(self) -> float:
        """Of outputs, products with the Jacobian, and solutions of the dual system with its condition."""
        first = float(self.training.residual(self.start.weights).norm())
        slopes = 1 + self.start.jacobian_bound
        return 8 * self.start.rounding * slopes * (1 + first) * (1 + 1 / self.training.ridge)

    @property
    def observables(self) -> dict[Any, Interval]:
        error, kernel_error = self.error, 64 * EPS * len(self.start.tangent) * self.start.jacobian_bound**2
        moved, pulled = self.W - self.start.weights, float(self.pulled.norm())
        rest = at_rest(self.left, CAP * pulled)
        found = {s: _near(v, error) for s, v in self.sizes.items()}
        found |= {s: _near(v, self.regression_error) for s, v in self.distances.items()}
        found |= {s: _near(v, self.test_error) for s, v in self.test_distances.items()}
        found |= {s: _near(v, kernel_error) for s, v in self.kernels.items()}
        # ridge (W - W_0) is J^T (y - f) up to the gradient left; J (W - W_0) is pushed forward, not pulled back.
        _, pushed = torch.autograd.functional.jvp(lambda W: self.start.network.output(W, self.start.X), self.W, moved)
        work = float((pushed * self.training.residual(self.W)).sum())
        far = float(moved.norm())
        return found | {
            symbols.pulled: _near(pulled, rest + error),
            symbols.work: Interval.around(work, rest * far + error * (1 + far)),
        }

    @cached_property
    def pulled(self) -> Tensor:
        """J^T (y - f), as the automatic gradient of -|y - f|^2 / 2; the solver's is a Gram product."""
        W = self.W.clone().requires_grad_()
        residual = self.training.y - self.start.network.output(W, self.start.X)
        (gradient,) = torch.autograd.grad(-residual.square().sum() / 2, W)
        return gradient

    @property
    def regression_error(self) -> float:
        """That of a distance from kernel ridge regression: a gradient g moves it by at most |Jbar| |g| over the ridge.

        From ridge (W - W_0) = J^T (y - f) + g in the proof of tangent/krr.
        """
        return self.error + self.start.jacobian_bound * self.left / self.training.ridge

    @property
    def test_error(self) -> float:
        """The same at the test points."""
        reach = self.start.network.jacobian_bound(self.start.X_test)
        return self.error + reach * self.left / self.training.ridge

    def predictions(self, ridge: float) -> tuple[Tensor, Tensor]:
        """Kernel ridge regression with the start's kernel, at training and test points."""
        start, net = self.start, self.start.network
        first, elsewhere = (net.output(start.weights, X).flatten() for X in (start.X, start.X_test))
        dual = KernelFlow.of(start.tangent, ridge).coefficients(self.training.y.flatten() - first)
        return first + start.tangent @ dual, elsewhere + self.test_tangent @ dual

    def distance(self, kernel: Tensor) -> float:
        """Distance on the training points from kernel ridge regression with another kernel there."""
        first = self.training.residual(self.start.weights).flatten()
        left = KernelFlow.of(kernel, self.training.ridge).residual(first)
        return float((left - self.training.residual(self.W).flatten()).norm())

    @cached_property
    def test_tangent(self) -> Tensor:
        start = self.start
        return start.network.kernel(start.weights, start.X_test, start.weights, start.X)

    @property
    def sizes(self) -> dict[Any, float]:
        found = {
            symbols.displacement: self.W - self.start.weights,
            symbols.residual_end: self.training.residual(self.W),
        }
        return {symbol: float(value.norm()) for symbol, value in found.items()}

    @property
    def distances(self) -> dict[Any, float]:
        trained = self.start.network.output(self.W, self.start.X).flatten()
        ridges = {symbols.krr_distance: self.training.ridge, symbols.krr_double: 2 * self.training.ridge}
        return {symbol: float((trained - self.predictions(ridge)[0]).norm()) for symbol, ridge in ridges.items()}

    @property
    def test_distances(self) -> dict[Any, float]:
        trained = self.start.network.output(self.W, self.start.X_test).flatten()
        ridges = {symbols.test_distance: self.training.ridge, symbols.test_double: 2 * self.training.ridge}
        return {symbol: float((trained - self.predictions(ridge)[1]).norm()) for symbol, ridge in ridges.items()}

    @property
    def kernels(self) -> dict[Any, float]:
        found = {
            symbols.kernel_drift: self._mean_times_end(self.start.X) - self.start.tangent,
            symbols.test_drift: self._mean_times_end(self.start.X_test) - self.test_tangent,
            symbols.test_kernel: self.test_tangent,
        }
        return {symbol: float(torch.linalg.matrix_norm(value, 2)) for symbol, value in found.items()}

    @property
    def mean_jacobian(self) -> float:
        """Operator norm of the Jacobian's mean on the segment from the start."""
        net, X, d = self.start.network, self.start.X, len(self.start.network.signs)
        slopes = [net.activation.smoothed_slope(X @ self._between(t).T, net.s) * w for t, w in self._segment(X)]
        features = (torch.stack(slopes).sum(0)[:, None] * net.signs).flatten(0, 1)
        inner = (X @ X.T).repeat_interleave(d, 0).repeat_interleave(d, 1)
        return math.sqrt(float(torch.linalg.matrix_norm(inner * (features @ features.T) / len(self.W), 2)))

    def _segment(self, X: Tensor) -> tuple[tuple[float, float], ...]:
        moved = self.W - self.start.weights
        reach = max(float((inputs @ moved.T).abs().max()) for inputs in (X, self.start.X))
        return segment(reach, self.start.network.s)

    def _between(self, share: float) -> Tensor:
        return self.start.weights + share * (self.W - self.start.weights)

    def _mean_times_end(self, X: Tensor) -> Tensor:
        net, Y = self.start.network, self.start.X
        parts = [w * net.kernel(self._between(t), X, self.W, Y) for t, w in self._segment(X)]
        return torch.stack(parts).sum(0)


class RidgeFlow(Experiment):
    """Gradient flow with a ridge around the start."""

    key = "tangent/wide-ridge-flow"
    title = "gradient flow with a ridge"
    setting = settings.WIDE_RIDGE_FLOW
    share = 0.3
    space = Space(
        (
            *NETWORK,
            Choice("target", ("random", "slowest", "fastest")),
            Logarithmic("ridge", 0.05, 5.0),
            Linear("fill", 0.1, 1.2),
            Logarithmic("lifetimes", 0.05, 3.0),
        )
    )
    _net: ClassVar[dict[str, Scalar]] = BASE | {"target": "random", "ridge": 0.5, "fill": 0.6, "lifetimes": 2.0}
    instances = {
        "ReLU": _net,
        "digits": _net | DIGITS,
        "one ReLU neuron far on its flat side": _net
        | RELU_NEURON
        | {"z": -1.0, "ridge": 2.0, "fill": 0.95, "lifetimes": 0.1, "target": "slowest"},
        "one erf neuron on its rising side": _net
        | ERF_NEURON
        | {"z": -1.0, "ridge": 5.0, "fill": 0.95, "lifetimes": 0.1, "target": "slowest"},
    }
    faults = {"ridge pulls towards zero": "ReLU"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        start, c = Start.of(configuration, context), dict(configuration)
        ridge = float(c["ridge"])
        size = float(c["fill"]) * ridge / start.lipschitz
        pulled = start.network.pull(start.weights, start.X, size * start.direction(str(c["target"]), int(c["seed"])))
        values = {
            symbols.tau: float(c["lifetimes"]) / ridge,
            symbols.ridge: ridge,
            symbols.r_0: size,
            symbols.gradient_start: max(float(pulled.norm()), 1e-300),
        }
        return Situation(start.parameters | values, precision=PRECISION)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        start, c = Start.of(configuration, context), dict(configuration)
        values = self.situation(configuration, context).values
        ridge, time, size = values[symbols.ridge], values[symbols.tau], values[symbols.r_0]
        training = start.training(size * start.direction(str(c["target"]), int(c["seed"])), ridge)
        moving = Training(start.network, start.X, training.y, start.weights, 0.0) if fault else training
        paths, _, errors = moving.flow([time], tolerance=TOLERANCE)
        # The ridge loss falls, so |r| <= |r_0| and distances expand at rate at most L_J |r_0| - ridge.
        growth = math.exp(max(start.lipschitz * size - moving.ridge, 0.0) * time)
        steep = start.jacobian_bound**2 + start.lipschitz * size + ridge
        # The gradient is automatic here, while that of the flow is a Gram product.
        W = paths[0].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(training.loss(W), W)
        error = (float(errors[0]) * growth + start.rounding) * (1 + steep)
        return Exact({symbols.gradient_end: _near(float(gradient.norm()), error)}, basis="integrated")


ONE_STEP = OneStep()
FLOW = Flow()
LINEAR_RIDGE_FLOW = LinearRidgeFlow()
RIDGE = Ridge()
RIDGE_FLOW = RidgeFlow()
