"""Experiments: where a setting meets the models. An experiment measures; it knows no claim."""

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import elbound.properties.experiments
from elbound.impl.data import UserData
from elbound.impl.noise import Stream
from elbound.properties.arithmetics import Floats
from elbound.properties.evidence.intervals import Interval
from elbound.properties.evidence.streams import stream_key
from elbound.properties.spaces import Configuration, Space
from elbound.theory.claim import Fact, Setting

Curve = Callable[[Any], Any]


def _whole(index: Any) -> NDArray[np.int64]:
    return np.asarray(index.low if isinstance(index, Interval) else index).round().astype(np.int64)


@dataclass(frozen=True)
class Steps:
    """A measured curve: rows for the indices first, first + 1, ...; asked for one index or a column of them."""

    rows: NDArray[np.float64] | Interval
    first: int = 1

    def __call__(self, index: Any) -> Any:
        where = _whole(index).reshape(-1) if _whole(index).ndim else _whole(index)
        where = where - self.first
        if isinstance(self.rows, Interval):
            return Interval(self.rows.low[where], self.rows.high[where])
        return self.rows[where]


@dataclass(frozen=True)
class At:
    """A curve measured at a few indices only, each by its own value; KeyError elsewhere."""

    values: Mapping[int, Any]

    def __call__(self, index: Any) -> Any:
        return self.values[int(_whole(index))]


@dataclass(frozen=True)
class Everywhere:
    """A curve with the same sure range at every index."""

    value: Interval

    def __call__(self, index: Any) -> Interval:
        return self.value


@dataclass(frozen=True)
class Spectrum:
    """A curve of parameters at the indices 1, 2, ..., each known up to the same sure absolute error."""

    values: tuple[float, ...]
    error: float = 0.0

    def __call__(self, index: Any) -> Any:
        where = _whole(index) - 1
        if np.any(where < 0):
            raise IndexError(f"index {np.min(where) + 1} of a curve; allowed: 1 to {len(self.values)}")
        found = np.asarray(self.values)[where]
        return found if found.ndim else float(found)

    @property
    def enclosed(self) -> Steps:
        """The same curve in intervals that hold the true values."""
        return Steps(Interval.around(np.asarray(self.values)[:, None], self.error))


@dataclass(frozen=True)
class Situation:
    """What a configuration fixes before anything is simulated: parameter values, scalar or curves, and facts.

    `precision` is the relative error of the computed, non-integer scalar parameters; `errors` are sure absolute errors
    of parameters that differences leave without one, such as a distance that may be zero.
    """

    values: Mapping[Any, Any]
    facts: frozenset[Fact] = frozenset()
    precision: float = 2.0**-45
    errors: Mapping[Any, float] = field(default_factory=dict)

    @property
    def enclosed(self) -> dict[Any, Interval | Steps]:
        """The finite parameters as intervals, or curves of intervals, that hold their true values."""
        known = ((symbol, self._around(symbol, value)) for symbol, value in self.values.items())
        return {symbol: value for symbol, value in known if value is not None}

    def _around(self, symbol: Any, value: Any) -> Interval | Steps | None:
        if isinstance(value, Spectrum):
            return value.enclosed
        width = self.errors.get(symbol, 0.0 if symbol.is_integer else abs(value) * self.precision)
        return Interval.around(value, width) if np.isfinite(value) else None

    @property
    def plain(self) -> dict[str, float]:
        """All parameters by name, a curve entry by entry, for the record."""
        found: dict[str, float] = {}
        for symbol, value in self.values.items():
            entries = {"": value} if not isinstance(value, Spectrum) else dict(enumerate(value.values, start=1))
            found |= {f"{symbol}[{j}]" if j else str(symbol): float(x) for j, x in entries.items()}
        return found


@dataclass(frozen=True)
class Along:
    """The same configuration at other values of one of its parameters, measured when a picture asks for it."""

    index: Any
    places: tuple[float, ...]
    measured: Callable[[float], Mapping[Any, Interval | Curve]]


@dataclass(frozen=True)
class Exact:
    """Observables known up to a sure error: intervals, or curves of intervals; in a random setting, expectations.

    `device` is where they were computed, which is the context's for experiments that honour it.
    """

    values: Mapping[Any, Interval | Curve]
    basis: str = "exact"
    along: Along | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class Tail:
    """A declared tail fact: E[X^2] <= kappa (E X)^2 for every non-negative combination X of the observable, and why."""

    kappa: float
    why: str


@dataclass(frozen=True)
class Sample:
    """Independent replicates on demand, with sure ranges.

    `draw(stage, first, count)` gives the observables of replicates first, ..., first + count - 1 of that stage, the
    replicate axis last; `ranges` holds every observable almost surely, whatever any claim assumes; `tails` are
    declared tail facts; `variances` are exact variances of one replicate, or bounds on them, which sharpen the evidence
    against an equality; `device` is where replicates are computed.
    """

    draw: Callable[[str, int, int], Mapping[Any, Floats | Curve]]
    ranges: Mapping[Any, Interval | Curve]
    tails: Mapping[Any, Tail] = field(default_factory=dict)
    variances: Mapping[Any, float] = field(default_factory=dict)
    device: str = "cpu"


@dataclass(frozen=True)
class Series:
    """A curve measured exactly along a growing index, for statements about limits.

    `scatter` is the relative standard error of the values as estimates of what has the limit: that of means over draws;
    `device` is where they were computed.
    """

    index: Any
    grid: tuple[int, ...]
    values: Mapping[Any, Curve]
    scatter: float = float(np.finfo(np.float64).eps)
    device: str = "cpu"


Measurement = Exact | Sample | Series


@dataclass(frozen=True)
class Context:
    """Where and how measurements are taken; a verdict is a function of it and the configuration alone.

    `epoch` renews all noise; `block` is how many replicates are simulated together, and moves no verdict. `device` is a
    wish: a measurement says where it was computed.
    """

    epoch: int = 0
    device: str = "cpu"
    block: int = 256
    user_data: UserData | None = None

    def stream(self, experiment: str, configuration: Configuration, stage: str) -> Stream:
        """The noise of one stage of one configuration of one experiment."""
        return Stream(stream_key(experiment, configuration, stage, self.epoch))

    @property
    def torch_device(self) -> torch.device:
        return torch.device(self.device)


class Experiment(ABC):
    """For one setting and one family of models: configurations, what they fix, and how to measure.

    `instances` are named equality and extremal configurations, always judged; `faults` are named mistakes that
    `measure` can make on purpose, with the instance on which some claim must notice; `share` is the part of a
    profile's search that the experiment gets, below one where a measurement is slow.
    """

    key: str
    title: str
    setting: Setting
    space: Space
    instances: Mapping[str, Configuration]
    faults: Mapping[str, str] = {}
    share: float = 1.0

    @abstractmethod
    def situation(self, configuration: Configuration, context: Context) -> Situation:
        """Parameters and facts, by the configuration alone. ValueError for values out of range."""

    @abstractmethod
    def measure(self, configuration: Configuration, context: Context, fault: str = "") -> Measurement:
        """The observables of the setting, with their errors or sure ranges."""

    def generation(
        self, configurations: Sequence[Configuration], context: Context
    ) -> Sequence[Callable[[], Measurement]]:
        """How to measure each of several configurations that are wanted together; here one after the other.

        An experiment may compute some at once as soon as one is asked for. What fails, fails when its own is asked for,
        and every bit is what `measure` alone would give.
        """
        return [partial(self.measure, configuration, context) for configuration in configurations]


def experiments_in(module: ModuleType) -> tuple[Experiment, ...]:
    """The experiments a module defines."""
    return tuple(x for x in vars(module).values() if isinstance(x, Experiment))


@cache
def experiments() -> tuple[Experiment, ...]:
    """Every experiment of the project, found by walking its folder, in the order of their keys."""
    names = (info.name for info in pkgutil.iter_modules(elbound.properties.experiments.__path__))
    modules = [importlib.import_module(f"elbound.properties.experiments.{name}") for name in names]
    return tuple(sorted((x for module in modules for x in experiments_in(module)), key=lambda x: x.key))
