"""A wide network with Gaussian weights, trained on its negative ELBO, against kernel ridge regression."""

from typing import Any, ClassVar

import torch

from elbound.impl.gaussian_weights import GaussianWeights
from elbound.impl.kernels import ERF, RELU, Activation
from elbound.impl.wide_training import random_start
from elbound.properties.datasets import table
from elbound.properties.evidence.intervals import Interval, maximum
from elbound.properties.experiment import Context, Exact, Experiment, Situation
from elbound.properties.experiments.wide_training import EPS, PRECISION, Start, TrainedPoint, normals
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, Scalar, Space
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
            Count("half m", 8, 64),
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
        training = model.ridged
        solved = GaussianWeights(**{**vars(model), "beta": 2 * model.beta}) if fault else model
        W = solved.trained()
        point = TrainedPoint(start, W, training, training)
        sizes, kernels = point.sizes, point.kernels
        ridge, reach = training.ridge, start.jacobian_bound
        # As in tangent/wide-ridge: sums of m terms, once more over the ridge, and Gram products of n d rows.
        error = 8 * start.rounding * (1 + reach) * (1 + float(training.residual(W).norm())) * (1 + 1 / ridge)
        kernel_error = 64 * EPS * len(start.tangent) * reach**2
        wanted = settings.GAUSSIAN_WEIGHTS.observables
        found = {s: _near(v, error) for s, v in sizes.items() if s in wanted}
        found |= {s: _near(v, kernel_error) for s, v in kernels.items() if s in wanted}
        drawn = point.pulled - solved.variance_gradient(W)
        # What training left of the gradient separates the two sides of the identity.
        left = float((solved.ridged.ridge * (W - start.weights) - drawn).norm())
        return Exact(found | {symbols.elbo_pulled: _near(float(drawn.norm()), left + error)})


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
