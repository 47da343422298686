"""Hyperparameter sweeps on the digits: what training shows beside what the theorems speak of."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from elbound.impl.data import digits, select
from elbound.impl.deep_vae import Activation, Architecture, DeepVAE, Identity, Logistic, Rectifier, pack, unpack
from elbound.impl.noise import GAUSSIAN, Stream, words
from elbound.impl.optimisers import Adam, Correction, Place
from elbound.impl.soft_clipping import SoftClip
from elbound.impl.training import Descent, Plan, Trace, check, train
from elbound.impl.user_table import UserData
from elbound.properties.docket import BadInput
from elbound.properties.hyperparameters import ALL, HYPERPARAMETERS, RELU, SWEEPS, Value
from elbound.reports.sweep import Band, Line, Sweep

DEFAULT_STEP = {"adam": 0.05, "sgd": 0.1}
DEEPEST = 32
MOST_SETTINGS = 6  # that one figure tells apart
MOST_NOISES = 1 << 22
MOST_REPLICATES = 1024


@dataclass(frozen=True)
class Size:
    """Columns of data, rows to train on and as many to test, width of every hidden layer, records, quadrature.

    The quadrature takes twice as many ``intervals`` with importance samples, whose weights vary by tens of nats.
    """

    data_dim: int = 16
    rows: int = 80
    width: int = 16
    records: int = 10
    intervals: int = 64
    noise_variance: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One setting: every hyperparameter. Raises ValueError, naming it, for one that is out of range."""

    batch_size: int = 16
    draws: int = 1
    samples: int | None = None
    beta: float = 1.0
    depth: int = 1
    sharpness: float = 5.0
    optimiser: str = "adam"
    step_size: float | None = None
    beta_1: float = 0.9
    beta_2: float = 0.999
    steps: int = 300
    replicates: int = 6

    def __post_init__(self) -> None:
        if not 1 <= self.depth <= DEEPEST:
            empty = ", an empty architecture" if self.depth == 0 else ""
            raise ValueError(f"depth is {self.depth}{empty}; allowed: 1 to {DEEPEST} hidden layers")
        if not 1 <= self.replicates <= MOST_REPLICATES:
            raise ValueError(f"replicates is {self.replicates}; allowed: 1 to {MOST_REPLICATES}")

    @property
    def step(self) -> float:
        """gamma, with steps gamma / sqrt(t)."""
        return DEFAULT_STEP[self.optimiser] if self.step_size is None else self.step_size

    @property
    def activations(self) -> tuple[Activation, Activation, Activation]:
        """Of hidden layers, mean and log-variance: soft-clips to (0, 50), (-50, 50) and (-20, 20) as in paper A's code,
        or ReLU and unbounded heads.
        """
        if self.sharpness == RELU:
            return Rectifier(), Identity(), Identity()
        hidden, mean, spread = (SoftClip(*ends, self.sharpness) for ends in ((0.0, 50.0), (-50.0, 50.0), (-20.0, 20.0)))
        return hidden, mean, spread

    def plan(self, size: Size) -> Plan:
        """The run. Checks Adam's hyperparameters also where SGD is chosen: what is said must make sense."""
        adam = Adam(
            step_size=self.step,
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            regulariser=1e-8,
            place=Place.OUTSIDE,
            correction=Correction.BOTH,
        )
        plan = Plan(
            optimiser=adam if self.optimiser == "adam" else Descent(self.step),
            steps=self.steps,
            batch_size=self.batch_size,
            draws=self.draws,
            samples=self.samples,
            records=size.records,
            intervals=size.intervals * (1 if self.samples is None else 2),
        )
        noises = plan.batch_size * plan.noises * self.replicates
        if noises > MOST_NOISES:
            raise ValueError(
                f"batch_size {self.batch_size} x draws {self.draws} x samples {self.samples or 1} x replicates"
                f" {self.replicates} is {noises} noises in a step; allowed: at most {MOST_NOISES}"
            )
        return plan


@dataclass(frozen=True, eq=False)
class Job:
    """One setting, ready to run."""

    title: str
    problem: DeepVAE
    held_out: DeepVAE
    start: Tensor
    plan: Plan
    replicates: int

    @classmethod
    def of(cls, title: str, choice: Choice, rows: tuple[Tensor, Tensor], size: Size) -> "Job":
        """Raises ValueError for a hyperparameter out of range."""
        widths = (size.width,) * choice.depth
        shape = Architecture(rows[0].shape[1], 1, widths, *choice.activations, Logistic())
        problem, held_out = (DeepVAE(part, size.noise_variance, choice.beta, shape) for part in rows)
        plan = choice.plan(size)
        check(problem, plan)
        return cls(title, problem, held_out, first_weights(shape), plan, choice.replicates)

    def run(self) -> Trace:
        """The same noise for every setting, so that differences are the settings' own."""
        return train(self.problem, self.held_out, self.start, self.plan, Stream.named("sweep"), (0, self.replicates))


def first_weights(shape: Architecture) -> Tensor:
    """Normal matrices of variance 2 / fan-in, zero offsets, for an architecture always the same: [P]."""
    count = shape.parameter_count
    stream = Stream.named("first weights of a sweep")
    drawn = GAUSSIAN.sample(words(stream, (0, 1), 0, (count + 3) // 4), torch.float64)[:count]
    maps = unpack(shape.shapes, drawn)
    return pack([type(m)(m.weight * (2 / m.weight.shape[2]) ** 0.5, torch.zeros_like(m.bias)) for m in maps])[:, 0]


def halves(size: Size, data: UserData | None, device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows to train on and rows held out, columns in [0, 1]: the digits, or the user's table brought to that range."""
    if data is None:
        table = torch.tensor(digits(2 * size.rows, size.data_dim), dtype=torch.float64)
    else:
        table = torch.tensor(select(data.values, 2 * size.rows, size.data_dim, 0), dtype=torch.float64)
        spread = table.amax(0) - table.amin(0)
        table = (table - table.amin(0)) / torch.where(spread > 0, spread, 1.0)
    first = (len(table) + 1) // 2
    return table[:first].to(device), table[first:].to(device)


def settings_of(name: str, values: str | None, given: Mapping[str, Value]) -> dict[str, Choice]:
    """The settings of a sweep by title: the ``values`` of what varies, comma-separated, all else as ``given``.

    Raises ValueError for an unknown sweep, for text that is no value, repeated values, or one out of range.
    """
    if name not in SWEEPS:
        raise BadInput(f"sweep {name!r}: unknown; allowed: {', '.join(SWEEPS)}, {ALL}")
    swept = SWEEPS[name]
    if swept.field in given:
        raise BadInput(f"--{name}: it is what the sweep {name} varies; allowed: --values V1,V2,...")
    texts: Sequence[str] = swept.swept if values is None else values.split(",")
    try:
        found = [swept.read(text.strip()) for text in texts]
    except argparse.ArgumentTypeError as reason:
        raise BadInput(f"--values for {name}: {reason}") from None
    if not len({swept.title(value) for value in found}) == len(found) <= MOST_SETTINGS:
        raise BadInput(f"--values for {name}: {values!r}; allowed: 1 to {MOST_SETTINGS} different values")
    shared: dict[str, Any] = dict(given)
    return {swept.title(value): Choice(**shared | {swept.field: value}) for value in found}


@dataclass(frozen=True, eq=False)
class Prepared:
    """A sweep whose every setting has been checked."""

    name: str
    facts: Mapping[str, Value]
    jobs: tuple[Job, ...]

    def run(self) -> Sweep:
        """Trains one setting after the other. Raises ValueError, naming the setting, where one diverges."""
        return Sweep(name=self.name, facts=self.facts, lines=tuple(map(_line, self.jobs)))


def prepared(
    name: str,
    settings: Mapping[str, Choice],
    device: torch.device,
    data: UserData | None = None,
    size: Size | None = None,
) -> Prepared:
    """The settings as jobs, with what they share. Raises ValueError for a hyperparameter out of range."""
    size = size or Size()
    rows = halves(size, data, device)
    jobs = tuple(Job.of(title, choice, rows, size) for title, choice in settings.items())
    facts: dict[str, Value] = {
        "data": "digits" if data is None else data.name,
        "rows to train on": len(rows[0]),
        "rows held out": len(rows[1]),
        "data dimension": rows[0].shape[1],
        "width of hidden layers": size.width,
        "noise variance of the decoder": size.noise_variance,
        "device": device.type,
    }
    return Prepared(name, facts | _shared(list(settings.values())), jobs)


def _shared(choices: Sequence[Choice]) -> dict[str, Value]:
    """The hyperparameters on which all settings agree, by name."""
    said = {known.name: {getattr(choice, known.field) for choice in choices} for known in HYPERPARAMETERS}
    said["step-size"] = {choice.step for choice in choices}
    said["samples"] = {choice.samples or "ELBO" for choice in choices}
    return {name: "ReLU" if found == {RELU} else found.pop() for name, found in said.items() if len(found) == 1}


def _line(job: Job) -> Line:
    try:
        return line_of(job.title, job.run())
    except (ValueError, ArithmeticError) as reason:
        raise BadInput(f"{job.title}: {reason}") from None


def line_of(title: str, trace: Trace) -> Line:
    """A setting's curves: means over replicates, with the 10 and 90 percent points."""
    found = {
        "squared gradient": trace.squared_gradient,
        "logged square": trace.logged_square,
        "test loss": trace.test_loss,
        "test bound": trace.test_bound,
        "logged bound": trace.logged_bound,
    }
    bands = {name: _band(values) for name, values in found.items() if values is not None}
    return Line(title=title, steps=trace.steps, bands=bands, moved=trace.moved)


def _band(values: Tensor) -> Band:
    low, high = torch.quantile(values, torch.tensor((0.1, 0.9), dtype=values.dtype), dim=1)
    return Band(tuple(values.mean(1).tolist()), tuple(low.tolist()), tuple(high.tolist()))
