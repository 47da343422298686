"""Wide networks with Gaussian weights: means and standard deviations trained with the KL term to a stationary point."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from elbound.impl.ridge import KernelFlow
from elbound.impl.trained_variances import GaussianNetwork, RidgeCoordinates, hessian_bound
from elbound.impl.wide_training import Training, stationary_point
from elbound.properties.evidence.intervals import Interval, maximum
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.experiments.wide_training import (
    BASE,
    CAP,
    DIGITS,
    EPS,
    NETWORK,
    PRECISION,
    Start,
    at_rest,
    segment,
)
from elbound.properties.spaces import Configuration, Linear, Logarithmic, LogarithmicCount, Scalar, Space
from elbound.theory import settings, symbols


@dataclass(frozen=True)
class _Prior:
    """A network at its prior, N(mu_0, s^2) for every weight, with its data."""

    start: Start
    network: GaussianNetwork

    @staticmethod
    def of(configuration: Configuration, context: Context) -> "_Prior":
        start = Start.of({**configuration, "net": "random", "s_z": configuration["s_w"]}, context)
        return _Prior(start, GaussianNetwork(start.network.signs, start.network.activation))

    @property
    def s(self) -> float:
        return self.start.network.s

    @cached_property
    def weights(self) -> Tensor:
        """Means and standard deviations."""
        return torch.cat((self.start.weights, torch.full_like(self.start.weights, self.s)), dim=1)

    @cached_property
    def jacobian(self) -> Tensor:
        """Rows (datum, output), columns [m, 2p]."""
        return self.network.jacobian(self.weights, self.start.X)

    @cached_property
    def kernels(self) -> tuple[Tensor, Tensor]:
        """Of the means and of the standard deviations."""
        mean, deviation = (part.flatten(1) for part in self.jacobian.tensor_split(2, dim=2))
        return mean @ mean.T, deviation @ deviation.T

    def training(self, residual: Tensor, ridge: float) -> Training:
        """In the coordinates where the KL term is a ridge."""
        means, X = self.start.weights, self.start.X
        y = self.network.output(self.weights, X) + residual
        first = torch.cat((means, 0 * means), dim=1)
        return Training(RidgeCoordinates(self.network, self.s), X, y, first, ridge)


class _MeansAlone(RidgeCoordinates):
    """Blind to the standard deviations, which then stay where they are."""

    def _jacobian(self, W: Tensor, X: Tensor) -> Tensor:
        whole: Tensor = super()._jacobian(W, X)
        return whole * (torch.arange(W.shape[1]) < X.shape[1])


@dataclass(frozen=True)
class _End:
    """Where training stopped, W = (mu, sigma), beside kernel ridge regressions with the prior's kernels.

    `solver` is the norm of the gradient that the solver left, in the coordinates where the KL term is a ridge.
    """

    prior: _Prior
    W: Tensor
    residual: Tensor
    training: Training
    solver: float

    @property
    def observables(self) -> dict[Any, Interval]:
        prior, error, ridge = self.prior, self.error, self.training.ridge
        mean, deviation = prior.kernels
        moved, ratio = self.W - prior.weights, self._ratio
        sigma_moved, v_low = moved.tensor_split(2, dim=1)[1], min(float(ratio.min()), 1.0)
        pulled, sigma_pulled = (float(x.norm()) for x in (self._pulled, self._pulled.tensor_split(2, dim=1)[1]))
        # d rho / d sigma is at most sqrt 2 over v_low, from v^2 - 1 - 2 log v >= (v - 1/v)^2 / 2, times v^2 below v =
        # 1.
        rest = math.sqrt(2) / v_low * at_rest(self.solver, CAP * pulled)
        sizes = {
            symbols.residual_end: float(self._left.norm()),
            symbols.displacement: float(moved.norm()),
            symbols.sigma_moved: float(sigma_moved.norm()),
            symbols.sigma_pull: float(((1 + 1 / ratio) * sigma_moved).norm()),
        }
        distances = {
            symbols.krr_distance: self._distance(mean + deviation / 2),
            symbols.krr_sum: self._distance(mean + deviation),
            symbols.krr_means: self._distance(mean),
        }
        found = {symbol: _near(value, error) for symbol, value in sizes.items()}
        # In the proof M (J*^T (y - f*) + g) / ridge is what moves; |Jbar M| is at most |J|, and 1 - 1 / v^2 has g too.
        found |= {symbol: _near(value, error + self._slopes * rest / ridge) for symbol, value in distances.items()}
        spectral, steep = 64 * EPS * len(mean) * self._slopes**2, float(torch.linalg.matrix_norm(deviation, 2))
        drift_error = spectral + steep * rest / (2 * ridge * prior.s * v_low)
        return found | {
            symbols.half_drift: _near(float(torch.linalg.matrix_norm(self._drift, 2)), drift_error),
            symbols.v_low: Interval.around(v_low, 8 * EPS),
            symbols.sigma_pulled: _near(sigma_pulled, rest + error),
        }

    @property
    def error(self) -> float:
        """Of outputs, products with the Jacobian, and solutions of the dual system with its condition."""
        start, (m, p) = self.prior.start, self.prior.start.weights.shape
        mu, sigma = self.W.tensor_split(2, dim=1)
        far = float((start.X @ mu.T).abs().max() + (start.X**2 @ (sigma**2).T).sqrt().max())
        # Sums of m terms of at most the activation's argument, each after p + 16 roundings.
        output = (m + p + 16) * EPS * math.sqrt(m * len(self._left.flatten())) * max(far, 1.0)
        return 8 * output * (1 + self._slopes) * (1 + float(self.residual.norm())) * (1 + 1 / self.training.ridge)

    @cached_property
    def _pulled(self) -> Tensor:
        """J^T (y - f) in means and deviations: the automatic gradient of -|y - f|^2 / 2, not the solver's product."""
        W = self.W.clone().requires_grad_()
        squares = (self.training.y - self.prior.network.output(W, self.prior.start.X)).square()
        (gradient,) = torch.autograd.grad(-squares.sum() / 2, W)
        return gradient

    @cached_property
    def _left(self) -> Tensor:
        return self.training.y - self.prior.network.output(self.W, self.prior.start.X)

    @property
    def _ratio(self) -> Tensor:
        return self.W.tensor_split(2, dim=1)[1] / self.prior.s

    @cached_property
    def _slopes(self) -> float:
        """A bound on the norms of the first and last Jacobian."""
        ends = self.prior.jacobian, self.prior.network.jacobian(self.W, self.prior.start.X)
        return max(float(J.norm()) for J in ends)

    def _distance(self, kernel: Tensor) -> float:
        flow = KernelFlow.of(kernel, self.training.ridge)
        return float((flow.residual(self.residual.flatten()) - self._left.flatten()).norm())

    def _deviations(self, W: Tensor) -> Tensor:
        """Deviations of the preactivations [N, m] at some means and deviations of the weights."""
        X = self.prior.start.X
        return (X**2 @ W[:, X.shape[1] :].T ** 2).sqrt()

    @property
    def _drift(self) -> Tensor:
        """Jbar M J*^T less the prior's kernel, with Jbar the mean on the segment in (mu, sigma)."""
        prior, X = self.prior, self.prior.start.X
        moved, ratio = self.W - prior.weights, self._ratio
        far, wide = (
            (X @ moved[:, : X.shape[1]].T).abs().max(),
            self._deviations(self.W) - self._deviations(prior.weights),
        )
        least = min(float(self._deviations(W).min()) for W in (prior.weights, self.W))
        # Deviations that change count among the moves, in units of the least of them.
        nodes = (
            prior.network.jacobian(prior.weights + t * moved, X) * w
            for t, w in segment(float(far + wide.abs().max()), least)
        )
        average = torch.stack(list(nodes)).sum(0)
        steps = torch.cat((torch.ones_like(ratio), ratio / (1 + ratio)), dim=1)
        end = (prior.network.jacobian(self.W, X) * steps).flatten(1)
        mean, deviation = prior.kernels
        return average.flatten(1) @ end.T - (mean + deviation / 2)


def _near(value: float, error: float) -> Interval:
    """A non-negative quantity up to a sure error."""
    return maximum(Interval.around(value, error), 0.0)


class TrainedVariances(Experiment):
    """Means and standard deviations trained to a stationary point, against kernel ridge regression."""

    key = "tangent/trained-variances"
    title = "wide network with trained weight variances"
    setting = settings.TRAINED_VARIANCES
    share = 0.2
    space = Space(
        (
            *(
                LogarithmicCount("half m", 2, 64) if axis.name == "half m" else axis
                for axis in NETWORK
                if axis.name not in ("net", "z", "s_z")
            ),
            Linear("s_w", 0.3, 1.5),
            Logarithmic("ridge", 0.05, 5.0),
            Logarithmic("residual", 0.1, 3.0),
        )
    )
    _wide: ClassVar[dict[str, Scalar]] = {k: v for k, v in BASE.items() if k not in ("net", "z", "s_z")} | {
        "half m": 2048,
        "N": 5,
        "d": 1,
        "s_w": 1.0,
        "ridge": 0.3,
        "residual": 2.0,
    }
    instances = {
        "width 4096": _wide,
        "width 4096, erf": _wide | {"activation": "erf", "s_w": 0.5},
        "width 4096, digits": _wide | DIGITS,
        "width 8": _wide | {"half m": 4},
        "width 8, erf, two outputs": _wide | {"half m": 4, "activation": "erf", "d": 2, "twins": False},
        "width 4, one datum": _wide | {"half m": 2, "N": 1, "residual": 0.1, "twins": False},
    }
    faults = {"penalty doubled in training": "width 4096", "standard deviations kept": "width 4096"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        prior, c = _Prior.of(configuration, context), dict(configuration)
        mean, deviation = prior.kernels
        least, *_ = torch.linalg.eigvalsh(mean + deviation / 2).tolist()
        top = float(torch.linalg.matrix_norm(mean + deviation, 2))
        values: dict[Any, float] = {
            symbols.N: len(prior.start.X),
            symbols.d: len(prior.network.signs),
            symbols.m: len(prior.start.weights),
            symbols.p: prior.weights.numel(),
            symbols.s_w: prior.s,
            symbols.ridge: float(c["ridge"]),
            # Less the eigensolver's error, so that no bound is too small by rounding.
            symbols.least_eigenvalue: max(least - 16 * len(mean) * EPS * top, 0.0),
            symbols.theta_sum: top,
            symbols.theta_sigma: float(torch.linalg.matrix_norm(deviation, 2)),
            symbols.phi_h: float(hessian_bound(prior.network.activation, prior.start.X, prior.s).norm()),
        }
        return Situation(values, precision=PRECISION)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        prior, c = _Prior.of(configuration, context), dict(configuration)
        residual = float(c["residual"]) * prior.start.direction("random", int(c["seed"]))
        ridge = float(c["ridge"])
        training = prior.training(residual, ridge)
        solved = training
        if fault:
            means_alone = _MeansAlone(prior.network, prior.s)
            solved = replace(training, network=means_alone) if "kept" in fault else replace(training, ridge=2 * ridge)
        end = stationary_point(solved, iterations=200)
        natural = RidgeCoordinates(prior.network, prior.s).natural(end.weights)
        return Exact(_End(prior, natural, residual, training, end.gradient_norm).observables)


TRAINED_VARIANCES = TrainedVariances()
