"""A wide network with Gaussian weights, trained on its negative ELBO, against kernel ridge regression."""

import math
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from elbound.impl.gaussian_weights import GaussianWeights
from elbound.impl.kernels import ERF, RELU, Activation
from elbound.impl.wide_training import random_start
from elbound.properties.datasets import table
from elbound.properties.evidence.intervals import Interval, maximum
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.experiments.wide_training import EPS, PRECISION, Start, TrainedPoint, at_rest, normals
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, LogarithmicCount, Scalar, Space
from elbound.theory import settings, symbols

ACTIVATIONS: dict[str, Activation] = {"ReLU": RELU, "erf": ERF}


class GaussianELBO(Experiment):
    """Trained to rest; the regression uses the kernel of the prior's mean."""

    key = "tangent/gaussian-weights"
    title = "Gaussian weights trained on the negative ELBO"
    setting = settings.GAUSSIAN_WEIGHTS
    share = 0.15
    space = Space(
        (
            Choice("data", ("spherical", "digits")),
            Choice("activation", ("ReLU", "erf")),
            LogarithmicCount("half m", 8, 64),
            Count("N", 1, 5),
            Count("d", 1, 3),
            Count("p", 1, 6),
            Logarithmic("norm", 0.5, 2.0),
            Logarithmic("beta", 0.2, 4.0),
            Logarithmic("sigma_x2", 0.2, 2.0),
            Linear("s_w", 0.5, 1.5),
            Logarithmic("residual", 0.1, 3.0),
            Count("seed", 0, 2**16),
        )
    )
    _wide: ClassVar[dict[str, Scalar]] = {
        "data": "spherical",
        "activation": "ReLU",
        "half m": 256,
        "N": 5,
        "d": 2,
        "p": 4,
        "norm": 1.0,
        "beta": 0.8,
        "sigma_x2": 0.4,
        "s_w": 0.8,
        "residual": 2.0,
        "seed": 1,
    }
    instances = {
        "width 512": _wide,
        "width 512, erf": _wide | {"activation": "erf"},
        "width 512, digits": _wide | {"data": "digits", "N": 8, "p": 6},
        "width 16": _wide | {"half m": 8},
    }
    faults = {"KL term without its half": "width 512"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        model, start = _problem(configuration, context)
        values = {
            symbols.beta: model.beta,
            symbols.sigma_x2: model.sigma_x2,
            symbols.s_w: model.s_w,
            symbols.least_eigenvalue: start.least,
        }
        return Situation(start.parameters | values, precision=PRECISION)

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        model, start = _problem(configuration, context)
        training, reach = model.ridged, start.jacobian_bound
        solved = GaussianWeights(**{**vars(model), "beta": 2 * model.beta}) if fault else model
        # Sums of m terms as in tangent/wide-ridge, of a residual that is below its start.
        rounding = 8 * start.rounding * (1 + reach) * (1 + float(training.residual(start.weights).norm()))
        W = solved.trained(rounding / 16).weights
        rest = at_rest(_steepness(solved, W), rounding)
        point = TrainedPoint(start, W, training, rest)
        # Gram products of n d rows; solutions of the dual system with its condition.
        kernel_error, error = 64 * EPS * len(start.tangent) * reach**2, rounding * (1 + 1 / training.ridge)
        distance_error = error + reach * rounding / training.ridge
        sizes, distances = point.sizes, point.distances
        return Exact(
            {
                symbols.displacement: _near(sizes[symbols.displacement], error),
                symbols.residual_end: _near(sizes[symbols.residual_end], error),
                symbols.kernel_drift: _near(point.kernels[symbols.kernel_drift], kernel_error),
                symbols.mean_jacobian: _near(point.mean_jacobian, kernel_error),
                symbols.variance_pull: _near(float(model.variance_gradient(W).norm()), rounding),
                symbols.krr_distance: _near(distances[symbols.krr_distance], distance_error),
                symbols.krr_double: _near(distances[symbols.krr_double], distance_error),
                # Once its own roundings, each integral a sum of 2 PANEL terms, and once what rest allows.
                symbols.elbo_pulled: _near(fit_pull(model, W), rounding * (2 + 2 * PANEL / sum(W.shape))),
            }
        )


# Gauss-Legendre nodes on one side of the activation's kink, out to TAIL deviations of the noise: beyond lies less than
# e^-40, and on a side the integrand is analytic, of width 1/3 or more, so that the rule errs by less than a rounding.
PANEL, TAIL = 128, 9.0


def _steepness(model: GaussianWeights, W: Tensor) -> float:
    """Norm of the automatic gradient of sigma_x^2 times the negative ELBO."""
    free = W.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model.sigma_x2 * model.negative_elbo(free), free)
    return float(gradient.norm())


def fit_pull(model: GaussianWeights, W: Tensor) -> float:
    """Norm of the gradient of half the expected squared error, by quadrature over the noise of each preactivation."""
    nodes, weights = (torch.from_numpy(x) for x in np.polynomial.legendre.leggauss(PANEL))
    s, activation, free = model.network.s, model.network.activation, W.clone().requires_grad_()
    u = (model.X @ free.T)[..., None]
    kink = (-u.detach() / s).clamp(-TAIL, TAIL)
    mean, square = torch.zeros_like(u[..., 0]), torch.zeros_like(u[..., 0])
    for low, high in ((torch.full_like(kink, -TAIL), kink), (kink, torch.full_like(kink, TAIL))):
        e = (high + low) / 2 + (high - low) / 2 * nodes
        density = (high - low) / 2 * weights * torch.exp(-(e**2) / 2) / math.sqrt(2 * math.pi)
        values = activation.value(u + s * e)
        mean, square = mean + (values * density).sum(-1), square + (values**2 * density).sum(-1)
    f = mean @ model.network.signs.T / math.sqrt(len(W))
    # Each output averages neurons of independent noise, with signs of square one.
    variance = len(model.network.signs) / len(W) * (square - mean**2).sum()
    (pull,) = torch.autograd.grad(((model.y - f).square().sum() + variance) / 2, free)
    return float(pull.norm())


def _problem(configuration: Configuration, context: Context) -> tuple[GaussianWeights, Start]:
    """The model with its targets at a given distance from the first outputs, and the start with its kernel."""
    c: Any = configuration
    both = normals(c["seed"], "inputs", (c["N"] + 3, c["p"]))
    if c["data"] != "spherical":
        pixels = table(context, c["data"], c["N"] + 3, c["p"], c["seed"])
        # A constant input beside the pixels: an image of blanks has no direction.
        both = torch.cat((pixels, torch.ones_like(pixels[:, :1])), dim=1)
    both = c["norm"] * both / both.norm(dim=1, keepdim=True)
    # A user's table may be short; one of its rows at least is kept for the test.
    kept = min(c["N"], len(both) - 1)
    X, X_test = both[:kept], both[kept:]
    shape = (c["d"], 2 * c["half m"], X.shape[1])
    network, W = random_start(shape, c["s_w"] * c["norm"], ACTIVATIONS[c["activation"]], c["seed"])
    start = Start(network, W, X, X_test, network.tangent(W, X))
    y = network.output(W, X) + c["residual"] * start.direction("random", c["seed"])
    return GaussianWeights(network, X, y, W, c["beta"], c["sigma_x2"], c["s_w"]), start


def _near(value: float, error: float) -> Interval:
    return maximum(Interval.around(value, error), 0.0)


GAUSSIAN_WEIGHTS = GaussianELBO()
