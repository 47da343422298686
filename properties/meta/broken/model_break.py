"""A break: one mistake planted in a model from outside, while an experiment measures it and knows nothing of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Break:
    """One mistake in a model, and the named instance of the experiment on which some claim must notice it.

    `patches` maps where the model is looked up, as a dotted path to a function, class or method, to the wrong version
    of it: "elbound.impl.gaussian_weights.GaussianWeights.trained", or, for a function that an experiment imported by
    name, "elbound.properties.experiments.noise_floor.averaged_loss". What is replaced must be defined in elbound.impl.
    The situation is computed by the right model before anything is planted: parameters and bounds stay what they were.
    Which claims must fall stands in `falls.json`, by experiment, mistake and instance.
    """

    experiment: str
    instance: str
    mistake: str
    patches: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.experiment}: {self.mistake}"
