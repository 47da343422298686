"""Stream addresses: the encoding can be read back, so it is injective; keys see every part."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elbound.properties.evidence.streams import STAGES, canonical, stream_key

quiet = settings(deadline=None, derandomize=True, database=None, max_examples=100)

Value = int | float | str | bool
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False), text)
configurations = st.dictionaries(text, values, max_size=5)


def read(encoded: bytes) -> dict[str, Value]:
    """Inverse of the encoding, written from its description."""
    parts = []
    while encoded:
        size = int.from_bytes(encoded[:8], "big")
        parts.append(encoded[8 : 8 + size])
        encoded = encoded[8 + size :]
    readers: dict[bytes, Callable[[str], Value]] = {
        b"b": lambda t: t == "1",
        b"i": int,
        b"f": float.fromhex,
        b"s": str,
    }
    return {
        name.decode(): readers[value[:1]](value[1:].decode())
        for name, value in zip(parts[::2], parts[1::2], strict=True)
    }


@quiet
@given(configurations)
def test_an_encoding_reads_back_to_the_same_values_and_types(configuration: dict[str, Value]) -> None:
    found = read(canonical(configuration))
    assert found == configuration
    assert {k: type(v) for k, v in found.items()} == {k: type(v) for k, v in configuration.items()}
    assert list(found) == sorted(configuration)


@quiet
@given(configurations)
def test_the_order_of_insertion_does_not_matter(configuration: dict[str, Value]) -> None:
    assert canonical(dict(reversed(configuration.items()))) == canonical(configuration)


def test_values_that_compare_equal_across_types_stay_apart_and_both_zeros_are_one() -> None:
    encodings = {canonical({"a": value}) for value in (1, 1.0, True, "1", "1.0", "True")}
    assert len(encodings) == 6
    assert canonical({"a": 0.0}) == canonical({"a": -0.0})


def test_a_concatenation_without_lengths_would_collide_where_the_encoding_does_not() -> None:
    def careless(configuration: dict[str, str]) -> str:
        return "".join(f"{k}{v}" for k, v in sorted(configuration.items()))

    one, other = {"a": "b", "c": "d"}, {"a": "bcd"}
    assert careless(one) == careless(other)
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize("value", [math.nan, None, [1], b"1", 1j])
def test_a_value_without_a_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"configuration\['a'\] is .+; it must be"):
        canonical({"a": value})  # type: ignore[dict-item]


def test_a_field_name_that_is_no_string_is_refused() -> None:
    with pytest.raises(ValueError, match="field name 1"):
        canonical({1: 1})  # type: ignore[dict-item]


def test_the_key_is_the_stated_hash_of_the_parts() -> None:
    def prefixed(part: bytes) -> bytes:
        return len(part).to_bytes(8, "big") + part

    field = prefixed(b"d") + prefixed(b"i3")
    message = b"".join(map(prefixed, (b"sgd", field, b"screen", b"7")))
    digest = hashlib.blake2b(message, digest_size=12, person=b"elbound").digest()
    assert stream_key("sgd", {"d": 3}, "screen", 7) == int.from_bytes(digest, "big")


def test_each_part_changes_the_key_and_keys_have_96_bits() -> None:
    keys = [
        stream_key(experiment, {"d": d}, stage, epoch)
        for experiment in ("sgd", "sgd2")
        for d in (1, 2)
        for stage in STAGES
        for epoch in (0, 1)
    ]
    assert len(set(keys)) == len(keys) == 24
    assert all(0 <= key < 1 << 96 for key in keys)
    assert max(keys) >= 1 << 88  # 24 uniform keys all below this: probability 256^-24


@pytest.mark.parametrize(("stage", "epoch"), [("scream", 0), ("screen", -1)])
def test_an_unknown_stage_or_a_negative_epoch_is_refused(stage: str, epoch: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        stream_key("sgd", {}, stage, epoch)
