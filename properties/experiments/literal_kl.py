"""A wide erf autoencoder with the KL term of a standard normal latent, at rest."""

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from elbound.impl.kernels import ERF
from elbound.impl.wide_training import Training, WideNetwork, stationary_point
from elbound.properties.datasets import table
from elbound.properties.evidence.intervals import Interval, maximum
from elbound.properties.experiment import Along, Context, Exact, Experiment, Situation
from elbound.properties.experiments.wide_training import CAP, EPS, at_rest, normals
from elbound.properties.spaces import Choice, Configuration, Count, Linear, Logarithmic, Scalar, Space
from elbound.theory.settings import LITERAL_KL
from elbound.theory.symbols import (
    N,
    b_kl,
    d,
    kappa_0,
    kernel_moved,
    latent_mean2,
    m,
    mean_gain,
    p,
    phi_1,
    residual_end,
    tr_S,
)

# Narrower widths at which a picture shows the same configuration.
WIDTHS = (64, 256, 1024, 4096)


class LiteralKL(Experiment):
    """Trained from a random start; in whitened inputs the KL term is a ridge around zero."""

    key = "tangent/literal-kl"
    title = "wide autoencoder with a standard normal latent"
    setting = LITERAL_KL
    share = 0.3
    space = Space(
        (
            Choice("data", ("spherical", "digits")),
            Choice("m", (1024, 256, 4096)),
            Count("N", 6, 10),
            Count("d", 1, 4),
            Logarithmic("norm", 0.3, 30.0),
            Linear("b", 0.4, 1.0),
            Linear("s_z", 0.5, 1.5),
            Count("seed", 0, 2**16),
        )
    )
    _wide: ClassVar[dict[str, Scalar]] = {
        "data": "spherical",
        "m": 4096,
        "N": 6,
        "d": 4,
        "norm": 1.0,
        "b": 0.5,
        "s_z": 1.0,
        "seed": 1,
    }
    instances = {
        "width 4096": _wide,
        "width 16384": _wide | {"m": 16384},
        "width 256": _wide | {"m": 256},
        "digits": _wide | {"data": "digits", "N": 10},
        "one number": _wide | {"N": 1, "d": 1},
        "inputs of norm 10": _wide | {"m": 1024, "norm": 10.0},
        "inputs of norm 50": _wide | {"m": 1024, "norm": 50.0},
        "inputs of norm 200": _wide | {"m": 1024, "norm": 200.0},
    }
    faults = {"KL term halved": "width 4096"}

    def situation(self, configuration: Configuration, context: Context) -> Situation:
        c: Any = configuration
        slope, X = ERF.slope_bound(c["s_z"]), _inputs(configuration, context)
        sizes = {N: X.shape[0], d: X.shape[1], m: c["m"], p: c["m"] * X.shape[1]}
        squares = float(X.square().sum(1).mean())
        return Situation({**sizes, tr_S: squares, b_kl: c["b"], phi_1: slope, kappa_0: slope**2})

    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Exact:
        widest = int(configuration["m"])
        widths = tuple(float(w) for w in WIDTHS if w < widest)

        def observed(width: float) -> dict[Any, Interval]:
            return self._observed({**configuration, "m": round(width)}, context, fault)

        return Exact(observed(widest), along=Along(m, (*widths, float(widest)), observed))

    @staticmethod
    def _observed(configuration: Configuration, context: Context, fault: str) -> dict[Any, Interval]:
        c: Any = configuration
        X = _inputs(configuration, context)
        columns = X.shape[1]
        network = WideNetwork(_signs(columns, c["m"]), c["s_z"], ERF)
        W = normals(c["seed"], "weights", (c["m"], columns))
        # X = U S V^T: with inputs U the weights are W V S, and sum_i |W x_i|^2 = |W V S|^2.
        U, S, V = torch.linalg.svd(X, full_matrices=False)
        training = Training(network, U, X, torch.zeros_like(W @ V.T), c["b"] / (2 if fault else 1))
        end, left = stationary_point(training, begin=(W @ V.T) * S)
        rest = at_rest(left, CAP * c["b"] * float(end.norm()))
        output = network.output(end, U)
        before, after = network.tangent(W, X), network.tangent((end / S) @ V, X)
        size, residual, slope = float(X.norm()), float((X - output).norm()), ERF.slope_bound(c["s_z"])
        # Sums of m terms of at most one, and of the data.
        error = EPS * ((c["m"] + 32) * math.sqrt(c["m"] * X.numel()) + 8 * size)
        # A gradient g that is left adds g / b to a latent's norm, so g / (b l) to each of at most three factors l of
        # the proof, each bounded by sqrt(d) phi_1 |y - f| / (b sqrt m), and phi_1 |g| / (kappa + b) to the gain's
        # numerator.
        share = math.pi * slope**4 * columns * residual**3 / (3 * c["b"] ** 2 * c["m"] * size)
        relative = 4 * share * rest * math.sqrt(c["m"] / columns) / (slope * residual)
        gain_error = slope * rest / ((slope**2 + c["b"]) * size) + relative
        squares, longer = float(end.square().sum(1).max()), rest / c["b"]
        change = torch.linalg.matrix_norm(after - before, 2) / torch.linalg.matrix_norm(before, 2)
        return {
            mean_gain: Interval.around(float((output * X).sum()) / size**2, error / size + gain_error),
            residual_end: maximum(Interval.around(residual, error), 0.0),
            latent_mean2: maximum(Interval.around(squares, (2 * math.sqrt(squares) + longer) * longer + EPS), 0.0),
            kernel_moved: maximum(Interval.around(float(change), error * (1 + 1 / float(S[-1]))), 0.0),
        }


def _signs(outputs: int, width: int) -> Tensor:
    """Orthogonal rows of +-1, the binary digits of the neuron's number; the width is a multiple of 2^outputs."""
    digits = torch.arange(width)[None] >> torch.arange(outputs)[:, None] & 1
    return (1 - 2 * digits).double()


def _inputs(configuration: Configuration, context: Context) -> Tensor:
    c: Any = configuration
    if c["data"] == "spherical":
        drawn = normals(c["seed"], "inputs", (c["N"], c["d"]))
        unit: Tensor = c["norm"] * drawn / drawn.norm(dim=1, keepdim=True)
        return unit
    rows = table(context, c["data"], c["N"], c["d"], c["seed"])
    longest = float(rows.norm(dim=1).max())
    # The user's rows are scaled to norm 1. A little noise keeps the few rows of full rank.
    scaled = rows if c["data"] == "digits" or longest == 0 else rows / longest
    noisy: Tensor = c["norm"] * (scaled + 0.05 * normals(c["seed"], "inputs", tuple(rows.shape)))
    return noisy


LITERAL_KL_EXPERIMENT = LiteralKL()
