"""Solutions of x' = v(x) by extrapolated midpoint steps, with the sum of the steps' error estimates."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

COLUMNS = 6
GROWTH = (0.2, 4.0)


class Path(NamedTuple):
    """States at the times asked for, and for each the summed 2-norm estimates of all local errors up to it."""

    states: Float[Tensor, "T n"]
    errors: Float[Tensor, " T"]


def solve(
    velocity: Callable[[Tensor], Tensor],
    start: Float[Tensor, " n"],
    times: Sequence[float],
    *,
    step: float,
    tolerance: float = 1e-12,
) -> Path:
    """Path of x' = velocity(x) from `start` at time 0, at increasing times; `step` is the first step tried.

    Each step is of order 12 (Gragg 1965; Bulirsch and Stoer 1966) and has an error estimate of at most `tolerance`,
    that of the order below, so that the sum stays far below what is measured and leaves no floor.
    ValueError unless times increase from at least 0, step > 0 and tolerance > 0; ArithmeticError where no step works.
    """
    if not (step > 0 and tolerance > 0 and all(a < b for a, b in zip((0.0, *times), (*times,), strict=False) if b)):
        raise ValueError(f"times {list(times)} must increase from 0, step {step} and tolerance {tolerance} exceed 0")
    x, now, error, states, errors = start, 0.0, 0.0, [], []
    for time in times:
        while now < time:
            h = min(step, time - now)
            trial, miss = _extrapolated(velocity, x, h)
            factor = 0.9 * (tolerance / max(miss, 1e-300)) ** (1 / (2 * COLUMNS - 1))
            if miss <= tolerance:
                x, error = trial, error + miss
                now = time if h == time - now else now + h
            elif h < 1e-12 * max(time, 1e-300):
                raise ArithmeticError(f"step {h:g} at time {now:g} still errs by {miss:g}, above {tolerance:g}")
            # A step cut short by the next time asked for says nothing against the longer one.
            proposed = h * min(max(factor, GROWTH[0]), GROWTH[1])
            step = max(step, proposed) if miss <= tolerance and h < step else proposed
        states.append(x)
        errors.append(error)
    return Path(torch.stack(states), torch.tensor(errors, dtype=start.dtype, device=start.device))


def _extrapolated(velocity: Callable[[Tensor], Tensor], x: Tensor, h: float) -> tuple[Tensor, float]:
    """One step by midpoint rules of 2, 4, ..., 2 COLUMNS substeps, whose errors are even in the substep."""
    first, row = velocity(x), list[Tensor]()
    for j in range(1, COLUMNS + 1):
        entries = [_midpoint(velocity, x, first, h, 2 * j)]
        for back, earlier in enumerate(row, start=1):
            entries.append(entries[-1] + (entries[-1] - earlier) / ((j / (j - back)) ** 2 - 1))
        row = entries
    miss = float((row[-1] - row[-2]).norm())
    return row[-1], miss if miss == miss else float("inf")


def _midpoint(velocity: Callable[[Tensor], Tensor], x: Tensor, first: Tensor, h: float, substeps: int) -> Tensor:
    part = h / substeps
    before, here = x, x + part * first
    for _ in range(substeps - 1):
        before, here = here, before + 2 * part * velocity(here)
    return (before + here + part * velocity(here)) / 2
