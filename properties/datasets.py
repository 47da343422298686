"""Data sets by name, bundled or the user's, for the configurations that ask for one."""

import torch
from torch import Tensor

from elbound.impl.data import DATA, load, select
from elbound.properties.experiment import Context
from elbound.properties.spaces import Choice

USER = "user:"


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
    else:
        values = load(name, count, dim, seed)
    return torch.tensor(values, dtype=torch.float64)
