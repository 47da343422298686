"""Every outcome of finitely many independent draws from a law of finite support, with its probability."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations_with_replacement, product
from math import factorial, prod

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from elbound.impl.noise import Law


def noises(law: Law, dim: int) -> tuple[Float[Tensor, "S dim"], Float[Tensor, " S"]]:
    """Every value of a noise vector with `dim` independent coordinates, and its probability.

    ValueError for a law without finite support.
    """
    if not law.support:
        raise ValueError(f"law is {law.name}; allowed: one of finite support")
    values = torch.tensor(list(product(law.support, repeat=dim)), dtype=torch.float64)
    return values, torch.tensor(list(product(law.weights, repeat=dim)), dtype=torch.float64).prod(1)


def unordered(chances: Sequence[float], count: int) -> tuple[Int64[Tensor, "E count"], Float[Tensor, " E"]]:
    """Every multiset of `count` draws, by index and in ascending order, and its multinomial probability.

    >>> unordered((0.5, 0.5), 2)[1].tolist()
    [0.25, 0.5, 0.25]
    """
    draws = list(combinations_with_replacement(range(len(chances)), count))
    found = []
    for draw in draws:
        orders = factorial(count) // prod(map(factorial, Counter(draw).values()))
        found.append(orders * prod(chances[j] for j in draw))
    return torch.tensor(draws), torch.tensor(found, dtype=torch.float64)


def ordered(chances: Float[Tensor, " S"], count: int) -> tuple[Int64[Tensor, "E count"], Float[Tensor, " E"]]:
    """Every sequence of `count` draws, by index, and its probability."""
    draws = torch.cartesian_prod(*[torch.arange(len(chances))] * count).reshape(-1, count)
    return draws, chances[draws].prod(1)
