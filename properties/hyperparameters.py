"""The hyperparameters of `elbound sweep`: names, letters, how their text is read, and the values swept by default.

Only text becomes numbers here; the ranges are checked by what uses them. Kept light, for the grammar imports it.
"""

import argparse
import math
import re
from collections.abc import Callable
from dataclasses import dataclass

Value = int | float | str

RELU = math.inf  # as a sharpness: the limit of ever sharper soft-clips, without their upper ends


def whole(text: str) -> int:
    """A whole number. ArgumentTypeError, saying what is allowed, for any other text."""
    # By length too: Python refuses to read a number of thousands of digits, in words of its own.
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise argparse.ArgumentTypeError(f"{text[:40]!r}; allowed: a whole number of at most nine digits")
    return int(text)


def real(text: str) -> float:
    """A finite number. ArgumentTypeError, saying what is allowed, for any other text."""
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text[:40]!r}; allowed: a finite number")
    return value


def sharpness(text: str) -> float:
    """A finite number, or RELU for the word relu."""
    if text == "relu":
        return RELU
    try:
        return real(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"{text[:40]!r}; allowed: a finite number above 0, or relu") from None


def optimiser(text: str) -> str:
    """One of sgd and adam."""
    if text not in ("sgd", "adam"):
        raise argparse.ArgumentTypeError(f"{text[:40]!r}; allowed: sgd, adam")
    return text


@dataclass(frozen=True)
class Hyperparameter:
    """What can be set and, where it has ``swept`` values, swept."""

    name: str
    letter: str
    read: Callable[[str], Value]
    meaning: str
    swept: tuple[str, ...] = ()

    @property
    def field(self) -> str:
        """Its name in Python."""
        return self.name.replace("-", "_")

    def title(self, value: Value) -> str:
        """How a setting is called where this is what varies."""
        if isinstance(value, str):
            return {"sgd": "SGD", "adam": "Adam"}[value]
        return "ReLU" if value == RELU else f"{self.letter} = {value:.15g}"


HYPERPARAMETERS = (
    Hyperparameter("batch-size", "B", whole, "data in a minibatch, drawn with replacement", ("4", "16", "64")),
    Hyperparameter("draws", "M", whole, "noise draws averaged for each datum", ("1", "4", "16")),
    Hyperparameter(
        "samples", "K", whole, "importance samples in the bound L_K, the ELBO itself without", ("1", "8", "32")
    ),
    Hyperparameter("beta", "beta", real, "weight of the Kullback-Leibler term", ("0.25", "1", "4")),
    Hyperparameter("depth", "depth", whole, "hidden layers of encoder and of decoder", ("1", "2", "3")),
    Hyperparameter(
        "sharpness", "s", sharpness, "of the soft-clips; relu: ReLU and unbounded heads", ("1", "2", "5", "10", "relu")
    ),
    Hyperparameter("optimiser", "optimiser", optimiser, "sgd or adam", ("sgd", "adam")),
    Hyperparameter("step-size", "gamma", real, "steps are this over sqrt(t)"),
    Hyperparameter("beta-1", "beta_1", real, "Adam's forgetting of gradients"),
    Hyperparameter("beta-2", "beta_2", real, "Adam's forgetting of squared gradients"),
    Hyperparameter("steps", "n", whole, "steps of training"),
    Hyperparameter("replicates", "R", whole, "runs with noise of their own, from one start"),
)
SWEEPS = {known.name: known for known in HYPERPARAMETERS if known.swept}
ALL = "all"
