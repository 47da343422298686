"""Experiments: where a setting meets the models. An experiment measures; it knows no claim."""

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cache, partial
from numbers import Real
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from sympy import Expr, IndexedBase, Symbol

import elbound.properties.experiments
from elbound.impl.noise import Stream
from elbound.impl.user_table import UserData
from elbound.properties.arithmetics import Floats
from elbound.properties.curves import At as At
from elbound.properties.curves import Computed as Computed
from elbound.properties.curves import Curve as Curve
from elbound.properties.curves import Everywhere as Everywhere
from elbound.properties.curves import Spectrum as Spectrum
from elbound.properties.curves import Steps as Steps
from elbound.properties.evidence.intervals import Interval
from elbound.properties.evidence.streams import stream_key
from elbound.properties.spaces import Configuration, Space
from elbound.theory.claim import Fact, Setting

# What a user may write for a curve: a Curve, or a function of one whole number.
Function = Callable[[Any], Any]
LETTER = "a letter of elbound.theory.symbols, or one that quantity(...) or curve(...) of it made"
REAL = "fiub"  # kinds of numpy's dtypes that are real numbers
# By how much of a sure range's larger end a replicate may lie outside: rounding.
OUTSIDE = 1e-9
INTERVAL = "an Interval, such as Interval.around(value, error)"


def _letters(given: Any, what: str) -> Iterator[tuple[Any, Any]]:
    if not isinstance(given, Mapping):
        raise TypeError(f"{what}: {_told(given)}; expected a mapping from letters to values")
    for letter, value in given.items():
        if not isinstance(letter, Symbol | IndexedBase):
            raise TypeError(f"{what}: the key {letter!r} is {_kind(letter)}; expected {LETTER}")
        yield letter, value


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def _told(value: Any) -> str:
    """A value on one short line, with what it is."""
    if value is None:
        return "None"
    if isinstance(shape := getattr(value, "shape", None), tuple):
        entries = getattr(value, "dtype", None)
        strange = f" of dtype {entries}" if isinstance(entries, np.dtype) and entries.kind not in REAL else ""
        return f"{_kind(value)} of shape {tuple(shape)}{strange}"
    said = " ".join(repr(value).split())
    return f"{said if len(said) <= 40 else said[:37] + '...'}, {_kind(value)}"


def _enclosures(given: Any, what: str) -> dict[Any, Interval | Curve]:
    """Intervals for scalar letters, curves of intervals for indexed ones. TypeError, one line, for all else."""
    return {letter: _enclosure(letter, value, what) for letter, value in _letters(given, what)}


def _enclosure(letter: Any, value: Any, what: str) -> Any:
    if isinstance(letter, Symbol):
        if not isinstance(value, Interval) or value.low.size != 1:
            raise TypeError(f"{what}: {letter} is {_told(value)}; expected {INTERVAL}, of one number")
        return value
    return _curve(letter, value, what, _one_interval)


def _curve(letter: Any, value: Any, what: str, check: Callable[[Any, str], Any]) -> Any:
    """What was given for an indexed letter as a curve, each of whose values passes the check."""
    if isinstance(value, Steps):
        check(value.rows, f"{what}: {letter} has rows that are")
    elif isinstance(value, At):
        for index, one in value.values.items():
            check(one, f"{what}: {letter} at index {index} is")
    elif isinstance(value, Everywhere):
        check(value.value, f"{what}: {letter} is")
    elif isinstance(value, Computed) or (callable(value) and not isinstance(value, type | Curve)):
        known = value if isinstance(value, Computed) else Computed(value)

        def checked(index: int) -> Any:
            return check(known.function(index), f"{what}: {letter}{_place(known.function)} at index {index} is")

        return replace(known, function=checked)
    elif not isinstance(value, Curve):
        expected = "expected a curve: Steps(rows), At, or a function of its index"
        raise TypeError(f"{what}: {letter} is {_told(value)}; {expected}")
    return value


def _place(function: Any) -> str:
    """Where a function is written, as far as it says so."""
    code = getattr(function, "__code__", None)
    return f" ({Path(code.co_filename).name}:{code.co_firstlineno})" if code else ""


def _one_interval(value: Any, said: str) -> Any:
    # The rows of a curve are the columns [indices, 1]; what is given for one index is one number.
    if not isinstance(value, Interval) or (value.low.size != 1 and value.shape[1:] != (1,)):
        raise TypeError(f"{said} {_told(value)}; expected {INTERVAL}, of one number for each index")
    return value


def _drawn(given: Any, count: int, what: str, ranges: Mapping[Any, Any]) -> dict[Any, Any]:
    """Arrays of one number for each replicate for scalar letters, curves of them for indexed ones."""

    def replicates(value: Any, said: str) -> Any:
        numbers = isinstance(value, np.ndarray) and value.dtype.kind in REAL
        if not numbers or value.shape[-1:] != (count,):
            expected = f"expected a numpy array with one number for each of the {count} replicates, on its last axis"
            raise TypeError(f"{said} {_told(value)}; {expected}")
        return value

    def scalar(letter: Any, value: Any) -> Any:
        said = f"{what}: {letter} is"
        if replicates(value, said).ndim != 1:
            raise TypeError(f"{said} {_told(value)}; expected a numpy array of the {count} replicates' numbers alone")
        _inside(value, ranges.get(letter), f"{what}: {letter}")
        return value

    return {
        letter: scalar(letter, value) if isinstance(letter, Symbol) else _curve(letter, value, what, replicates)
        for letter, value in _letters(given, what)
    }


def _inside(drawn: Floats, held: Interval | None, what: str) -> None:
    """ValueError for a replicate outside the range that was declared to hold it surely, rounding aside."""
    if held is None:
        return
    low, high = float(held.low), float(held.high)
    slack = OUTSIDE * max((abs(x) for x in (low, high) if np.isfinite(x)), default=0.0)
    for value in drawn[(drawn < low - slack) | (drawn > high + slack)][:1].tolist():
        raise ValueError(f"{what} is {value:.6g} at a replicate; its declared sure range is [{low:.6g}, {high:.6g}]")


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

    def __post_init__(self) -> None:
        for letter, value in _letters(self.values, "Situation"):
            if isinstance(letter, IndexedBase):
                if not isinstance(value, Spectrum):
                    raise TypeError(f"Situation: {letter} is {_told(value)}; expected Spectrum((first, second, ...))")
            elif not isinstance(value, Real):
                raise TypeError(f"Situation: {letter} is {_told(value)}; expected one number, such as float(value)")
        if not isinstance(self.facts, Set) or not all(isinstance(x, Fact) for x in self.facts):
            raise TypeError(f"Situation: facts are {_told(self.facts)}; expected frozenset of facts of the setting")

    @property
    def enclosed(self) -> dict[Any, Interval | Steps]:
        """The parameters as intervals, or curves of intervals, that hold their true values; infinite ones lie above."""
        known = ((symbol, self._around(symbol, value)) for symbol, value in self.values.items())
        return {symbol: value for symbol, value in known if value is not None}

    def _around(self, symbol: Any, value: Any) -> Interval | Steps | None:
        if isinstance(value, Spectrum):
            return value.enclosed
        if value == np.inf:
            return Interval.between(np.finfo(np.float64).max, np.inf)
        if not np.isfinite(value):
            return None
        if symbol.is_integer and symbol not in self.errors:
            return Interval.of(value)
        return Interval.around(value, self.errors.get(symbol, abs(value) * self.precision))

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
    measured: Callable[[float], Mapping[Any, Interval | Function]]


@dataclass(frozen=True)
class Exact:
    """Observables known up to a sure error: intervals, or curves of intervals; in a random setting, expectations.

    `device` is where they were computed, which is the context's for experiments that honour it.
    """

    values: Mapping[Any, Any]
    basis: str = "exact"
    along: Along | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", _enclosures(self.values, "Exact"))


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

    draw: Callable[[str, int, int], Mapping[Any, Floats | Function]]
    ranges: Mapping[Any, Any]
    tails: Mapping[Any, Tail] = field(default_factory=dict)
    variances: Mapping[Any, float] = field(default_factory=dict)
    device: str = "cpu"

    def __post_init__(self) -> None:
        object.__setattr__(self, "ranges", _enclosures(self.ranges, "Sample, ranges"))
        if not callable(self.draw):
            raise TypeError(f"Sample: draw is {_told(self.draw)}; expected a function of stage, first and count")
        for letter, tail in _letters(self.tails, "Sample, tails"):
            if not isinstance(tail, Tail):
                raise TypeError(f"Sample, tails: {letter} is {_told(tail)}; expected Tail(kappa, why)")
        if not isinstance(self.variances, Mapping):
            raise TypeError(f"Sample, variances: {_told(self.variances)}; expected a mapping from letters to variances")
        for product, variance in self.variances.items():
            if not isinstance(product, Expr | IndexedBase):
                raise TypeError(f"Sample, variances: the key {product!r} is {_kind(product)}; expected {LETTER}")
            if not isinstance(variance, Real) or not float(variance) >= 0:
                raise TypeError(f"Sample, variances: {product} is {_told(variance)}; expected one number >= 0")
        draw = self.draw
        what = f"draw{_place(draw)}"

        def checked(stage: str, first: int, count: int) -> Mapping[Any, Any]:
            return _drawn(draw(stage, first, count), count, what, self.ranges)

        object.__setattr__(self, "draw", checked)


@dataclass(frozen=True)
class Series:
    """A curve measured exactly along a growing index, for statements about limits.

    `scatter` holds the relative standard errors along the grid of those curves that are means over draws, as estimates
    of what has the limit; `device` is where they were computed.
    """

    index: Any
    grid: tuple[int, ...]
    values: Mapping[Any, Any]
    scatter: Mapping[Any, Sequence[float] | np.ndarray] = field(default_factory=dict)
    device: str = "cpu"

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", _enclosures(self.values, "Series"))
        if not isinstance(self.index, Symbol):
            raise TypeError(f"Series: index is {_told(self.index)}; expected the letter that its curves are indexed by")
        whole = isinstance(self.grid, tuple) and all(isinstance(j, int) and j > 0 for j in self.grid)
        if not whole or list(self.grid) != sorted(set(self.grid)):
            raise TypeError(f"Series: grid is {_told(self.grid)}; expected a tuple of growing whole numbers above zero")
        for letter, errors in _letters(self.scatter, "Series, scatter"):
            if letter not in self.values:
                raise TypeError(f"Series, scatter: {letter} is not among the values")
            given = list(errors) if isinstance(errors, Sequence | np.ndarray) else []
            if len(given) != len(self.grid) or not all(isinstance(x, Real) and float(x) > 0 for x in given):
                expected = f"a positive relative standard error for each of the {len(self.grid)} places of the grid"
                raise ValueError(f"Series: scatter of {letter} is {_told(errors)}; allowed: {expected}")


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


def measurement_by(experiment: Experiment, found: Any) -> Measurement:
    """What `measure` gave. TypeError, naming its place, for what is no measurement or speaks of unknown letters."""
    where = f"measure{_place(type(experiment).measure)}"
    if not isinstance(found, Exact | Sample | Series):
        raise TypeError(f"{where} gave {_told(found)}; expected Exact, Sample or Series")
    given = found.ranges if isinstance(found, Sample) else found.values
    _known(experiment.setting, given, experiment.setting.observables, where)
    return found


def situation_by(experiment: Experiment, found: Any) -> Situation:
    """What `situation` gave. TypeError, naming its place, for what is no Situation or lacks one of the parameters."""
    where = f"situation{_place(type(experiment).situation)}"
    if not isinstance(found, Situation):
        raise TypeError(f"{where} gave {_told(found)}; expected Situation")
    _known(experiment.setting, found.values, experiment.setting.parameters, where)
    missing = [str(x) for x in experiment.setting.parameters if x not in found.values]
    if missing:
        raise TypeError(f"{where} gave no value of {', '.join(missing)}; setting {experiment.setting.name} has them")
    return found


def _known(setting: Setting, given: Mapping[Any, Any], letters: tuple[Any, ...], where: str) -> None:
    for letter in given:
        if letter not in letters:
            names = ", ".join(map(str, letters)) or "none"
            twin = " (another symbol of that name)" if str(letter) in map(str, letters) else ""
            raise TypeError(f"{where} gave {letter}{twin}, unknown here; setting {setting.name} has {names}")
