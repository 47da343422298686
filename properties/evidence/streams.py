"""Addresses of random streams: a pure function of what is simulated, never of when or where."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Final

STAGES: Final = ("screen", "confirm", "measure")


def _prefixed(part: bytes) -> bytes:
    return len(part).to_bytes(8, "big") + part


def _tagged(name: str, value: object) -> bytes:
    """Type tag and value. Exact types, so that 1, 1.0, True and "1" stay four values."""
    match value:
        case bool():
            return b"b" + (b"1" if value else b"0")
        case int():
            return b"i" + str(value).encode()
        case float() if not math.isnan(value):
            return b"f" + float.hex(float(value) + 0.0).encode()  # + 0.0: one zero, not two
        case str():
            return b"s" + value.encode()
        case _:
            raise ValueError(f"configuration[{name!r}] is {value!r}; it must be an int, str, bool or a float not NaN")


def canonical(configuration: Mapping[str, int | float | str | bool]) -> bytes:
    """Injective encoding of a configuration: fields in order of name, each name and tagged value
    length-prefixed.

    Equal configurations give equal bytes whatever the order of insertion; -0.0 counts as 0.0. Raises
    ValueError for a name that is not a string, a NaN, or a value of another type.
    """
    for name in configuration:
        if not isinstance(name, str):
            raise ValueError(f"configuration has the field name {name!r}; it must be a str")
    return b"".join(
        _prefixed(name.encode()) + _prefixed(_tagged(name, configuration[name])) for name in sorted(configuration)
    )


def stream_key(
    experiment: str, configuration: Mapping[str, int | float | str | bool], stage: str, epoch: int = 0
) -> int:
    """96-bit key of a stream: BLAKE2b of (experiment, configuration, stage, epoch), each part
    length-prefixed.

    Raises ValueError unless stage is one of STAGES and epoch >= 0, or as `canonical` does.
    """
    if stage not in STAGES:
        raise ValueError(f"stage is {stage!r}; it must be one of {', '.join(STAGES)}")
    if epoch < 0:
        raise ValueError(f"epoch is {epoch}; it must be at least 0")
    digest = hashlib.blake2b(digest_size=12, person=b"elbound")
    for part in (experiment.encode(), canonical(configuration), stage.encode(), str(epoch).encode()):
        digest.update(_prefixed(part))
    return int.from_bytes(digest.digest(), "big")
