"""Adam as practised and as theorised: one update whose variants are values, replicates on the last axis.

    m_t = beta_1 m_(t-1) + (1 - beta_1) g_t,   v_t = beta_2(t) v_(t-1) + (1 - beta_2(t)) g_t^2,   m_0 = v_0 = 0,
    theta_(t+1) = theta_t - gamma_t A_t m_t,   gamma_t = step_size t^(-step_decay),

with a diagonal preconditioner A_t = 1 / sqrt(v) up to the regulariser and its place, entrywise.
"""

import enum
import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class Place(enum.Enum):
    """Where the regulariser r stands in the preconditioner."""

    INSIDE = "1 / sqrt(v + r^2)"
    OUTSIDE = "1 / (sqrt(v) + r)"
    IN_SUM = "1 / sqrt(v + (1 - beta_2) r^2), before correction: r^2 beside the sum of weighted squares"


class Timing(enum.Enum):
    """Which gradients the preconditioner of step t has seen."""

    CURRENT = "g_1, ..., g_t"
    PAST = "g_1, ..., g_(t-1)"


class Correction(enum.Enum):
    """Which moments are divided by the total weight of their gradients."""

    NONE = "neither"
    SECOND = "the second moment"
    BOTH = "both moments"


@dataclass(frozen=True, kw_only=True)
class Adam:
    """One member of the family: every choice that practice and theorems make differently is a value.

    1 - beta_2(t) = (1 - beta_2) t^(-beta_2_decay). Raises ValueError for a beta_1 or beta_2 outside [0, 1), a
    regulariser or step_size that is not positive and finite, decays outside [0, 1], and a correction of the second
    moment beside past gradients, of which the first step has none.
    """

    step_size: float
    beta_1: float
    beta_2: float
    regulariser: float
    step_decay: float = 0.5
    beta_2_decay: float = 0.0
    place: Place = Place.INSIDE
    timing: Timing = Timing.CURRENT
    correction: Correction = Correction.NONE

    def __post_init__(self) -> None:
        for name in ("beta_1", "beta_2"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; allowed: at least 0, below 1")
        for name in ("regulariser", "step_size"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; allowed: positive and finite")
        for name in ("step_decay", "beta_2_decay"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; allowed: 0 to 1")
        if self.timing is Timing.PAST and self.correction is not Correction.NONE:
            raise ValueError(f"correction is {self.correction.name} with timing PAST; allowed: NONE")

    def step_at(self, t: int) -> float:
        """gamma_t, t = 1, 2, ..."""
        return self.step_size * math.pow(t, -self.step_decay)

    def forgetting_at(self, t: int) -> float:
        """1 - beta_2(t), t = 1, 2, ..."""
        return (1 - self.beta_2) * math.pow(t, -self.beta_2_decay)


class Moments(NamedTuple):
    """m_t and v_t after `steps` = t steps, and the shares of their zero start that are left."""

    first: Float[Tensor, "*shape R"]
    second: Float[Tensor, "*shape R"]
    steps: int = 0
    first_left: float = 1.0
    second_left: float = 1.0


def at_rest(theta: Float[Tensor, "*shape R"]) -> Moments:
    """m_0 = v_0 = 0 beside the given parameters."""
    return Moments(torch.zeros_like(theta), torch.zeros_like(theta))


def _quotient(adam: Adam, seen: Moments) -> tuple[float, Float[Tensor, "*shape R"]]:
    """A number and a tensor of which A is the quotient: the correction waits for the number, a pass fewer."""
    weight = 1.0 if adam.correction is Correction.NONE else 1 - seen.second_left
    squares, r = seen.second, adam.regulariser
    match adam.place:
        case Place.INSIDE:
            root = (squares + weight * r**2).sqrt_()
        case Place.OUTSIDE:
            root = squares.sqrt().add_(math.sqrt(weight) * r)
        case Place.IN_SUM:
            root = (squares + (1 - adam.beta_2) * r**2).sqrt_()
    return math.sqrt(weight), root


def preconditioner(adam: Adam, seen: Moments) -> Float[Tensor, "*shape R"]:
    """The diagonal of A from the moments it may see; for past gradients those of the step before."""
    number, root = _quotient(adam, seen)
    return number / root


def adam_step_(
    adam: Adam, theta: Float[Tensor, "*shape R"], gradient: Float[Tensor, "*shape R"], before: Moments
) -> Moments:
    """theta_(t+1), m_t and v_t in place of theta_t, m_(t-1) and v_(t-1); the moments after step t."""
    # Past gradients' diagonal first: the moments are about to be overwritten.
    past = _quotient(adam, before) if adam.timing is Timing.PAST else None
    t, forgetting = before.steps + 1, adam.forgetting_at(before.steps + 1)
    first = before.first.lerp_(gradient, 1 - adam.beta_1)
    second = before.second.mul_(1 - forgetting).addcmul_(gradient, gradient, value=forgetting)
    after = Moments(first, second, t, before.first_left * adam.beta_1, before.second_left * (1 - forgetting))
    number, root = _quotient(adam, after) if past is None else past
    corrected = 1 - after.first_left if adam.correction is Correction.BOTH else 1.0
    theta.addcdiv_(first, root, value=-adam.step_at(t) * number / corrected)
    return after


def adam_step(
    adam: Adam, theta: Float[Tensor, "*shape R"], gradient: Float[Tensor, "*shape R"], before: Moments
) -> tuple[Float[Tensor, "*shape R"], Moments]:
    """theta_(t+1) and the moments after step t as new tensors, from theta_t, g_t and the moments before it."""
    theta = theta.clone()
    after = adam_step_(adam, theta, gradient, before._replace(first=before.first.clone(), second=before.second.clone()))
    return theta, after
