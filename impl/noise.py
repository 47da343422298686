"""Keyed counter-based noise: every draw is a pure function of (key, replicate, step, slot).

Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011) in 64-bit integer tensor operations, which wrap modulo
2^64 on every device, so the words are the same bits everywhere and under any split of the replicates.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

WORD = 1 << 32
MASK = WORD - 1
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
LARGEST_RANGE = 1 << 20


def philox(counter: tuple[Tensor, Tensor, Tensor, Tensor], round_keys: Int64[Tensor, "20"]) -> tuple[Tensor, ...]:
    """Philox4x32-10 block function: four counter words in [0, 2^32) to four random words.

    The counter words broadcast against one another; ``round_keys`` comes from ``round_keys(k0, k1)``.
    """
    c0, c1, c2, c3 = counter
    keys = round_keys.unbind()
    for k0, k1 in zip(keys[::2], keys[1::2], strict=True):
        # The low halves c1 and c3 stay unmasked until the end: only bits below 32 survive the masks here,
        # and the arithmetic shift's sign bits fall to the same masks.
        p0, p1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0 = (((p1 >> 32) ^ c1) ^ k0) & MASK
        c2 = (((p0 >> 32) ^ c3) ^ k1) & MASK
        c1, c3 = p1, p0
    return c0, c1 & MASK, c2, c3 & MASK


def round_keys(k0: int, k1: int) -> Int64[Tensor, "20"]:
    """Philox key schedule: the pair (k0, k1) of each of the ten rounds, in turn."""
    pairs = [((k0 + i * WEYL[0]) & MASK, (k1 + i * WEYL[1]) & MASK) for i in range(ROUNDS)]
    return torch.tensor([word for pair in pairs for word in pair], dtype=torch.int64)


@dataclass(frozen=True)
class Stream:
    """A family of independent-looking words, one per (replicate, step, slot); ``key`` in [0, 2^96).

    The lower 64 bits key Philox, the upper 32 fill counter word 3. Raises ValueError for a key out of range.
    """

    key: int

    def __post_init__(self) -> None:
        if not 0 <= self.key < 1 << 96:
            raise ValueError(f"stream key is {self.key}; allowed: 0 to 2^96 - 1")

    @classmethod
    def named(cls, *parts: str | int) -> "Stream":
        """Stream keyed by the BLAKE2b hash of the parts, which may be strings and integers."""
        digest = hashlib.blake2b(repr(parts).encode(), digest_size=12).digest()
        return cls(int.from_bytes(digest, "little"))

    def schedule(self, device: torch.device | str = "cpu") -> Int64[Tensor, "21"]:
        """The stream as data: twenty round keys, then counter word 3."""
        k0, k1, top = (self.key >> shift & MASK for shift in (0, 32, 64))
        return torch.cat((round_keys(k0, k1), torch.tensor([top]))).to(device)


def scheduled_words(
    schedule: Int64[Tensor, "21"], replicates: Int64[Tensor, " R"], step: Int64[Tensor, "*R"], slots: int
) -> Int64[Tensor, "words R"]:
    """Words 0 to 4 slots - 1 of the given replicates at one step, or each at its own: the tensor form of ``words``."""
    slot = torch.arange(slots, device=replicates.device)[:, None]
    drawn = philox((replicates, step, slot, schedule[20]), schedule[:20])
    return torch.stack(drawn, dim=1).flatten(0, 1)


def replicate_range(first: int, count: int, device: torch.device | str = "cpu") -> Int64[Tensor, " R"]:
    """Replicate indices first, ..., first + count - 1. Raises ValueError outside [0, 2^32)."""
    if count < 1 or first < 0 or first + count > WORD:
        raise ValueError(f"replicates are ({first}, {count}); allowed: first >= 0, count >= 1, sum <= 2^32")
    return torch.arange(first, first + count, device=device)


def words(
    stream: Stream, replicates: Int64[Tensor, " R"] | tuple[int, int], step: int, slots: int
) -> Int64[Tensor, "words R"]:
    """Uniform 32-bit words, ``4 * slots`` for each replicate, from counter (replicate, step, slot, key top).

    ``replicates`` is an int64 tensor or (first, count). Column i depends on its replicate index alone, and
    asking for more slots appends rows. Raises ValueError for a step or slot count outside [0, 2^32).
    """
    if not 0 <= step < WORD or not 1 <= slots <= WORD:
        raise ValueError(f"step is {step} and slots {slots}; allowed: 0 <= step < 2^32, 1 <= slots <= 2^32")
    if isinstance(replicates, tuple):
        replicates = replicate_range(*replicates)
    device = replicates.device
    return scheduled_words(stream.schedule(device), replicates, torch.tensor(step, device=device), slots)


@dataclass(frozen=True)
class Law:
    """A symmetric law with mean 0 and variance 1, as a map from words to draws, one word per draw.

    ``kurtosis`` is E eps^4, ``bound`` is sup |eps|; ``support`` and ``weights`` are empty unless the law is
    finite. That a word has only 2^32 values moves the variance by at most 2^-31 and the fourth moment by at
    most 2^-28, relative; odd moments stay 0.
    """

    name: str
    kurtosis: float
    bound: float
    transform: Callable[[Tensor, torch.dtype], Tensor]
    support: tuple[float, ...] = ()
    weights: tuple[float, ...] = ()

    def sample(self, words: Int64[Tensor, "m ..."], dtype: torch.dtype) -> Float[Tensor, "m ..."]:
        """Draws of the words' shape. Raises ValueError unless m is even (Gaussian draws come in pairs)."""
        if words.shape[0] % 2:
            raise ValueError(f"law {self.name} was given {words.shape[0]} rows of words; allowed: an even number")
        return self.transform(words, dtype)


def _midpoint(words: Tensor, dtype: torch.dtype) -> Tensor:
    return (words.to(dtype) + 0.5) * (1 / WORD)


def _box_muller(words: Tensor, dtype: torch.dtype) -> Tensor:
    # Midpoints keep the logarithm finite: a draw never exceeds sqrt(66 log 2) = 6.77. In float32 the 128
    # largest words round to u = 1, radius 0.
    radius = torch.sqrt(-2 * torch.log(_midpoint(words[0::2], dtype)))
    angle = words[1::2].to(dtype) * (2 * math.pi / WORD)
    return torch.stack((radius * torch.cos(angle), radius * torch.sin(angle)), dim=1).flatten(0, 1)


# 2^32 / 6 rounded to nearest, so that 6 * SIXTH = 2^32 + 2.
SIXTH = (WORD + 2) // 6


def _three_point(words: Tensor, dtype: torch.dtype) -> Tensor:
    return math.sqrt(3) * ((words >= WORD - SIXTH).to(dtype) - (words < SIXTH).to(dtype))


def _rademacher(words: Tensor, dtype: torch.dtype) -> Tensor:
    return 1 - 2 * (words >> 31).to(dtype)


def _uniform(words: Tensor, dtype: torch.dtype) -> Tensor:
    return (_midpoint(words, dtype) - 0.5) * (2 * math.sqrt(3))


GAUSSIAN = Law("gaussian", 3.0, math.inf, _box_muller)
# Words below 2^32/6 give -sqrt 3, as many at the top +sqrt 3: mean exactly 0, variance 1 + 2^-31,
# every probability within 2^-32.
THREE_POINT = Law(
    "three-point", 3.0, math.sqrt(3), _three_point, (-math.sqrt(3), 0.0, math.sqrt(3)), (1 / 6, 2 / 3, 1 / 6)
)
RADEMACHER = Law("rademacher", 1.0, 1.0, _rademacher, (-1.0, 1.0), (0.5, 0.5))
UNIFORM = Law("uniform", 1.8, math.sqrt(3), _uniform)


def TRUNCATED_GAUSSIAN(cut: float) -> Law:  # noqa: N802 (a family of laws, named like its siblings)
    """Standard Gaussian conditioned on |eps| <= cut, rescaled to unit variance.

    With Z = 2 Phi(a) - 1 the variance before rescaling is v = 1 - 2 a phi(a) / Z and the fourth moment
    3 - 2 (a^3 + 3 a) phi(a) / Z. Raises ValueError unless 0.5 <= cut <= 8, where erfinv keeps its accuracy.
    """
    if not 0.5 <= cut <= 8:
        raise ValueError(f"cut is {cut}; allowed: 0.5 to 8")
    mass = math.erf(cut / math.sqrt(2))
    density = math.exp(-cut * cut / 2) / math.sqrt(2 * math.pi)
    variance = 1 - 2 * cut * density / mass
    fourth = 3 - 2 * (cut**3 + 3 * cut) * density / mass
    bound = cut / math.sqrt(variance)

    def transform(words: Tensor, dtype: torch.dtype) -> Tensor:
        signed = (_midpoint(words, dtype) - 0.5) * (2 * mass)
        # Rounding in erfinv can pass the edge by a few units in the last place; the bound is a promise.
        return (torch.erfinv(signed) * math.sqrt(2 / variance)).clamp(-bound, bound)

    return Law(f"gaussian truncated at {cut:g}", fourth / variance**2, bound, transform)


def check_range(data_count: int) -> None:
    """Raises ValueError unless 1 <= N < 2^20, where an index's relative bias stays below 2^-12."""
    if not 1 <= data_count < LARGEST_RANGE:
        raise ValueError(f"data_count is {data_count}; allowed: 1 to 2^20 - 1")


def below(words: Int64[Tensor, "*shape"], limit: int | Int64[Tensor, ""]) -> Int64[Tensor, "*shape"]:
    """Integers in {0, ..., limit - 1} by multiply-shift, for limits below 2^31 (unchecked)."""
    return words * limit >> 32


def with_replacement(words: Int64[Tensor, "B R"], data_count: int) -> Int64[Tensor, "B R"]:
    """Indices uniform on {0, ..., N - 1} by multiply-shift: each probability is within 2^-32 of 1/N.

    Raises ValueError unless 1 <= N < 2^20.
    """
    check_range(data_count)
    return below(words, data_count)


def without_replacement(words: Int64[Tensor, "B R"], data_count: int) -> Int64[Tensor, "B R"]:
    """B distinct indices in each column: the first B places of a Fisher-Yates shuffle of {0, ..., N - 1}.

    Place b draws among the N - b left, each with probability within 2^-32 of 1/(N - b).
    Raises ValueError unless 1 <= B <= N < 2^20.
    """
    check_range(data_count)
    batch_size, replicates = words.shape
    if batch_size > data_count:
        raise ValueError(f"batch_size is {batch_size}; allowed without replacement: 1 to data_count {data_count}")
    order = torch.arange(data_count, device=words.device)[:, None].repeat(1, replicates)
    for b in range(batch_size):
        place = (b + below(words[b], data_count - b))[None]
        taken = order.gather(0, place)
        order.scatter_(0, place, order[b : b + 1].clone())
        order[b] = taken[0]
    return order[:batch_size]
