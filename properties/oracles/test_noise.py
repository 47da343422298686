"""Keyed noise against published vectors, other implementations and exact moments."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elbound.impl import noise

LAWS = [noise.GAUSSIAN, noise.THREE_POINT, noise.RADEMACHER, noise.UNIFORM, noise.TRUNCATED_GAUSSIAN(3.0)]
EXAMPLES = settings(deadline=None, derandomize=True, database=None, max_examples=40)
# Random123's known answers for philox4x32 with ten rounds: counter, key, words.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((noise.MASK,) * 4, (noise.MASK,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def plain_philox(counter: tuple[int, ...], key: tuple[int, ...]) -> tuple[int, ...]:
    c, k = list(counter), list(key)
    for _ in range(10):
        first, second = c[0] * noise.MULTIPLIERS[0], c[2] * noise.MULTIPLIERS[1]
        c = [second >> 32 ^ c[1] ^ k[0], second % 2**32, first >> 32 ^ c[3] ^ k[1], first % 2**32]
        k = [(word + weyl) % 2**32 for word, weyl in zip(k, noise.WEYL, strict=True)]
    return tuple(c)


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_philox_gives_the_published_answers(
    counter: tuple[int, ...], key: tuple[int, int], expected: tuple[int, ...]
) -> None:
    c0, c1, c2, c3 = (torch.tensor([word]) for word in counter)
    found = noise.philox((c0, c1, c2, c3), noise.round_keys(*key))
    assert tuple(int(word) for word in found) == expected == plain_philox(counter, key)


@EXAMPLES
@given(
    key=st.integers(0, 2**96 - 1),
    replicate=st.integers(0, 2**32 - 1),
    step=st.integers(0, 2**32 - 1),
    slots=st.integers(1, 5),
)
def test_words_are_philox_of_replicate_step_slot_and_key(key: int, replicate: int, step: int, slots: int) -> None:
    found = noise.words(noise.Stream(key), (replicate, 1), step, slots)[:, 0].tolist()
    pair = (key % 2**32, key >> 32 & noise.MASK)
    expected = [word for s in range(slots) for word in plain_philox((replicate, step, s, key >> 64), pair)]
    assert found == expected


@pytest.mark.parametrize("block", [1, 7, 16, 33])
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_noise_of_a_replicate_does_not_depend_on_its_block(law: noise.Law, block: int) -> None:
    stream = noise.Stream.named("block", 1)
    for dtype in (torch.float32, torch.float64):
        whole = law.sample(noise.words(stream, (5, 100), 3, 4), dtype)
        parts = [
            law.sample(noise.words(stream, part, 3, 4), dtype) for part in torch.split(torch.arange(5, 105), block)
        ]
        # Vector and scalar code paths of log, sin, cos and erfinv may differ in the last place.
        tolerance = 8 * torch.finfo(dtype).eps
        torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=tolerance, atol=tolerance)


def test_columns_may_each_be_at_their_own_step() -> None:
    stream, replicates, steps = noise.Stream(5), torch.tensor([3, 9, 3]), torch.tensor([1, 1, 4])
    found = noise.scheduled_words(stream.schedule(), replicates, steps, 2)
    for j, (replicate, step) in enumerate(zip(replicates.tolist(), steps.tolist(), strict=True)):
        assert torch.equal(found[:, j], noise.words(stream, (replicate, 1), step, 2)[:, 0])


def test_more_slots_append_words_and_other_steps_and_keys_change_them() -> None:
    stream = noise.Stream(12345)
    few, many = (noise.words(stream, (0, 50), 2, slots) for slots in (2, 6))
    assert torch.equal(many[:8], few)
    assert not torch.equal(noise.words(stream, (0, 50), 3, 2), few)
    for other in (12344, 12345 + (1 << 64), 12345 + (1 << 32)):
        assert not torch.equal(noise.words(noise.Stream(other), (0, 50), 2, 2), few)


@pytest.mark.parametrize("law", [noise.THREE_POINT, noise.RADEMACHER], ids=lambda law: law.name)
def test_finite_laws_have_the_stated_moments_and_words_hit_them_in_the_stated_shares(law: noise.Law) -> None:
    support, weights = np.array(law.support), np.array(law.weights)
    # Three products and a sum of at most three terms: 8 units in the last place of the largest moment, 9.
    for power, expected in enumerate((1, 0, 1, 0, law.kurtosis)):
        assert abs(float(weights @ support**power) - expected) < 9 * 8 * 2**-52
    # The map is monotone in the word, so its steps, found by bisection, are all of its 2^32 values.
    cuts = [0]
    for value in sorted(law.support, reverse=law.name == "rademacher")[1:]:
        low, high = cuts[-1], noise.WORD - 1
        while low < high:
            middle = (low + high) // 2
            drawn = float(law.sample(torch.tensor([middle, middle]), torch.float64)[0])
            beyond = drawn <= value if law.name == "rademacher" else drawn >= value
            low, high = (low, middle) if beyond else (middle + 1, high)
        cuts.append(low)
    shares = np.diff([*cuts, noise.WORD]) / noise.WORD
    assert np.abs(np.sort(shares) - np.sort(weights)).max() <= 2**-32


def grid(bits: int) -> torch.Tensor:
    """2^bits words, the midpoints of equal cells of [0, 2^32)."""
    size = 1 << (32 - bits)
    return torch.arange(1 << bits) * size + size // 2


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_laws_have_mean_zero_unit_variance_the_stated_kurtosis_and_bound(law: noise.Law) -> None:
    bits = 16
    if law is noise.GAUSSIAN:
        radius, angle = torch.meshgrid(grid(10), grid(10), indexing="ij")
        drawn = law.sample(torch.stack((radius, angle)).flatten(1), torch.float64)
        # Midpoint rule on (log u)^2, singular at 0: the first cell, h = 2^-10, errs most: h log^2 h.
        tolerance = 4 * 2**-10 * math.log(2**10) ** 2
    else:
        drawn = law.sample(grid(bits), torch.float64)[None]
        # A law by monotone map: the midpoint rule errs by at most (total variation) / (number of cells).
        tolerance = 2 * law.bound**4 / 2**bits
    assert float(drawn.mean(1).abs().max()) < tolerance
    assert float((drawn.square().mean(1) - 1).abs().max()) < tolerance
    assert float((drawn**4).mean(1).sub(law.kurtosis).abs().max()) < tolerance
    assert float(drawn.abs().max()) <= law.bound


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_float32_draws_are_float64_draws_rounded(law: noise.Law) -> None:
    drawn = noise.words(noise.Stream(9), (0, 512), 1, 8)
    single, double = (law.sample(drawn, dtype).double() for dtype in (torch.float32, torch.float64))
    # u = (w + 1/2) / 2^32 carries relative error 2^-24, so near u = 1, where -log u = 1 - u, a Gaussian
    # radius errs by 2^-24 / radius and never by more than 2^-12; an angle errs by 2 pi 2^-24 radians.
    steep = law.bound > 2
    tolerance = 2.0**-11 if steep else 2.0**-20
    assert float((single - double).abs().max()) < tolerance
    assert float(single.abs().max()) <= law.bound * (1 + 2**-23)


def test_the_gaussian_sample_passes_a_test_for_normality_that_the_uniform_law_fails() -> None:
    drawn = noise.words(noise.Stream.named("normality"), (0, 2000), 1, 4)
    # Dvoretzky-Kiefer-Wolfowitz with Massart's constant: distance above this has probability 1e-12.
    limit = math.sqrt(math.log(2e12) / (2 * drawn.numel()))

    def distance(law: noise.Law) -> float:
        ranks = torch.special.ndtr(law.sample(drawn, torch.float64)).flatten().sort().values
        return float((ranks - (torch.arange(len(ranks)) + 0.5) / len(ranks)).abs().max())

    assert distance(noise.GAUSSIAN) < limit < distance(noise.UNIFORM)


@EXAMPLES
@given(data_count=st.integers(1, 2**20 - 1), word=st.integers(0, 2**32 - 1))
def test_indices_with_replacement_are_the_scaled_word(data_count: int, word: int) -> None:
    assert int(noise.with_replacement(torch.tensor([[word]]), data_count)) == word * data_count // 2**32


@EXAMPLES
@given(data_count=st.integers(1, 30), share=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_indices_without_replacement_are_the_head_of_a_shuffle(data_count: int, share: float, seed: int) -> None:
    batch_size = max(1, int(share * data_count))
    drawn = noise.words(noise.Stream(seed), (0, 5), 1, 8)[:batch_size]
    found = noise.without_replacement(drawn, data_count)
    for column in range(5):
        order = list(range(data_count))
        for b in range(batch_size):
            place = b + int(drawn[b, column]) * (data_count - b) // 2**32
            order[b], order[place] = order[place], order[b]
        assert found[:, column].tolist() == order[:batch_size]
    assert all(len(set(column)) == batch_size for column in found.T.tolist())


def test_every_pair_without_replacement_is_equally_likely() -> None:
    # One word per equal cell for each place: 4 x 3 cells are exactly the 12 ordered pairs.
    first, second = torch.meshgrid(torch.arange(4) * 2**30, torch.arange(3) * (2**32 // 3 + 1), indexing="ij")
    found = noise.without_replacement(torch.stack((first.flatten(), second.flatten())), 4)
    assert sorted(map(tuple, found.T.tolist())) == [(i, j) for i in range(4) for j in range(4) if i != j]


def test_bad_input_is_refused_in_one_line() -> None:
    calls: list[Callable[[], object]] = [
        lambda: noise.Stream(-1),
        lambda: noise.Stream(1 << 96),
        lambda: noise.words(noise.Stream(0), (0, 1), -1, 1),
        lambda: noise.words(noise.Stream(0), (0, 0), 1, 1),
        lambda: noise.words(noise.Stream(0), (2**32, 1), 1, 1),
        lambda: noise.GAUSSIAN.sample(torch.zeros(3, 1, dtype=torch.int64), torch.float64),
        lambda: noise.TRUNCATED_GAUSSIAN(0.0),
        lambda: noise.with_replacement(torch.zeros(1, 1, dtype=torch.int64), 1 << 20),
        lambda: noise.without_replacement(torch.zeros(3, 1, dtype=torch.int64), 2),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="allowed") as caught:
            call()
        assert "\n" not in str(caught.value)


def test_streams_are_named_by_all_their_parts() -> None:
    names: list[tuple[str | int, ...]] = [("a", 1), ("a", "1"), ("a1",), (1, "a"), ("a", 2)]
    assert len({noise.Stream.named(*parts).key for parts in names}) == len(names)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
def test_words_are_the_same_bits_on_cuda() -> None:
    replicates = torch.arange(1000)
    here = noise.words(noise.Stream(77), replicates, 5, 6)
    assert torch.equal(here, noise.words(noise.Stream(77), replicates.cuda(), 5, 6).cpu())
