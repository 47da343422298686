"""Data sets by name, bundled or the user's, for the configurations that ask for one."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from elbound.impl.data import DATA, load, select
from elbound.properties.experiment import Context, Experiment
from elbound.properties.spaces import Choice, Configuration

USER = "user:"
_parts: ContextVar[list[tuple[int, int]] | None] = ContextVar("parts of the user's table", default=None)


def bundled() -> Choice:
    """The axis of bundled data sets; the user's own joins it when there is one."""
    return Choice("data", tuple(DATA))


def user_option(context: Context) -> str:
    """How configurations name the user's data: by file name and digest, so that a replay notices another file."""
    data = context.user_data
    return "" if data is None else f"{USER}{data.name}:{data.digest[:12]}"


def table(context: Context, name: str, count: int, dim: int, seed: int) -> Tensor:
    """A data set as float64 [N, d]; a user's table gives at most its own rows and columns.

    On the CPU: exact quantities are computed there, and what is simulated elsewhere is moved by who simulates.

    ValueError for an unknown name or for user data other than those given with --data.
    """
    if name.startswith(USER):
        if context.user_data is None or name != user_option(context):
            raise ValueError(f"data {name}: not given; pass the same file with --data")
        values = select(context.user_data.values, count, dim, seed)
        if (parts := _parts.get()) is not None:
            parts.append((len(values), values.shape[1]))
    else:
        values = load(name, count, dim, seed)
    return torch.tensor(values, dtype=torch.float64)


def takes_data(experiment: Experiment) -> bool:
    """Whether an experiment has configurations on data, so that a user's table joins them."""
    return any(isinstance(axis, Choice) and axis.name == "data" for axis in experiment.space.axes)


def part_used(experiment: Experiment, configuration: Configuration, context: Context) -> tuple[int, int]:
    """How many rows and columns of the user's table a configuration uses; (0, 0) where it uses none of it."""
    if not str(configuration.get("data", "")).startswith(USER):
        return 0, 0
    with _recorded() as parts:
        experiment.situation(dict(configuration), context)
        if not parts:  # some parameters do not depend on the data, though what is measured does
            experiment.measure(dict(configuration), context)
    return max(parts, default=(0, 0))


@contextmanager
def _recorded() -> Iterator[list[tuple[int, int]]]:
    """The parts of the user's table that are asked for inside the block."""
    parts: list[tuple[int, int]] = []
    before = _parts.set(parts)
    try:
        yield parts
    finally:
        _parts.reset(before)
