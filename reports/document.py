"""Strict JSON documents: the one way values enter and leave the ledger. Nothing is evaluated."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, ClassVar, NoReturn, Self

Scalar = float | int | str | bool
Reader = Callable[[Any], Any]

_NON_FINITE = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


def _refuse(value: object, allowed: str) -> NoReturn:
    shown = repr(value)
    raise ValueError(f"must be {allowed}, got {shown if len(shown) <= 60 else shown[:57] + '...'}")


def text(value: Any) -> str:
    """A string that UTF-8 can carry (no lone surrogate)."""
    if not isinstance(value, str):
        _refuse(value, "text")
    if any("\ud800" <= c <= "\udfff" for c in value):
        _refuse(value, "text without lone surrogates")
    return str(value)


def flag(value: Any) -> bool:
    """True or False, and nothing that merely behaves so."""
    return value if isinstance(value, bool) else _refuse(value, "true or false")


def integer(value: Any) -> int:
    """An integer that fits 64 bits; numpy integers are taken as well."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**63:
        _refuse(value, "an integer below 2^63")
    return value


def number(value: Any) -> float:
    """A double; "inf", "-inf" and "nan" are the names of the values JSON has no word for."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, str) and value in _NON_FINITE:
        return _NON_FINITE[value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse(value, "a number")
    try:
        return float(value)
    except OverflowError:
        _refuse(value, "a number in the range of a double")


def scalar(value: Any) -> Scalar:
    """A number, truth value or text. Non-finite numbers are tagged, so that the text "inf" stays text."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text(value)
    if isinstance(value, int):
        return integer(value)
    if isinstance(value, dict) and value.keys() == {"float"}:
        return number(value["float"])
    return number(value) if isinstance(value, float) else _refuse(value, "a number, true, false or text")


def one_of(words: type[StrEnum]) -> Reader:
    """A member of a StrEnum, given as itself or by its word."""

    def read(value: Any) -> Any:
        if isinstance(value, str) and value in {str(word) for word in words}:
            return words(value)
        return _refuse(value, "one of " + ", ".join(words))

    return read


def among(*words: str) -> Reader:
    """One of a few fixed words."""
    return lambda value: (
        value if isinstance(value, str) and value in words else _refuse(value, "one of " + ", ".join(words))
    )


def optional(read: Reader) -> Reader:
    """Null, or what `read` takes."""
    return lambda value: None if value is None else read(value)


def several(read: Reader) -> Reader:
    """A finite sequence, kept as a tuple; one-dimensional arrays are taken as well."""

    def each(value: Any) -> tuple[Any, ...]:
        value = value.tolist() if hasattr(value, "tolist") else value
        if isinstance(value, str) or not isinstance(value, Sequence):
            _refuse(value, "a list")
        return tuple(read(item) for item in value)

    return each


def mapping(read: Reader) -> Reader:
    """A mapping from text to what `read` takes."""

    def each(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            _refuse(value, "a mapping")
        return {text(name): read(item) for name, item in value.items()}

    return each


def record(**readers: Reader) -> Reader:
    """A mapping with exactly these names."""

    def each(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping) or value.keys() != readers.keys():
            _refuse(value, "a mapping with " + ", ".join(readers))
        return {name: read(value[name]) for name, read in readers.items()}

    return each


def plain(value: Any) -> Any:
    """The JSON form of a value: non-finite floats become their names, tuples become lists."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(float(value))
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, Document):
        return value.to_fields()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | float) else _refuse(value, "a JSON value")


def tagged(scalars: Mapping[str, Scalar]) -> dict[str, Any]:
    """The JSON form of a mapping of scalars, with non-finite floats marked as floats."""
    return {
        name: {"float": repr(value)} if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in scalars.items()
    }


def parse(document: Any) -> dict[str, Any]:
    """The mapping that a JSON text holds.

    Raises ValueError: no JSON mapping, a repeated name, a bare NaN or Infinity, or nested too deeply.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) < len(pairs):
            raise ValueError("a name is repeated")
        return found

    def bare(word: str) -> NoReturn:
        raise ValueError(f"{word} is not JSON")

    try:
        value = json.loads(text(document), object_pairs_hook=unique, parse_constant=bare)
        if "\\u" in document:  # an escape may have made a lone surrogate, which no file can carry
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"cannot read JSON: {error}") from None
    return value if isinstance(value, dict) else _refuse(value, "a JSON mapping")


class Document:
    """A frozen record whose fields are checked when it is made and written as one JSON mapping."""

    __slots__ = ()
    READERS: ClassVar[Mapping[str, Reader]]
    TAGGED: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        for name, read in self.READERS.items():
            try:
                object.__setattr__(self, name, read(getattr(self, name)))
            except ValueError as error:
                raise ValueError(f"{type(self).__name__} field {name}: {error}") from None

    def to_fields(self) -> dict[str, Any]:
        """The fields as JSON values; `from_fields` gives the record back to the last bit."""
        return {name: (tagged if name in self.TAGGED else plain)(getattr(self, name)) for name in self.READERS}

    def to_json(self) -> str:
        """One JSON mapping, ASCII, names sorted; `from_json` gives the record back to the last bit."""
        return json.dumps(self.to_fields(), sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, document: str) -> Self:
        """The record a JSON text holds.

        Raises ValueError: malformed JSON, an unknown or missing field, or a field of the wrong type.
        """
        return cls.from_fields(parse(document))

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """The record with these fields. ValueError: an unknown or missing one, or one of the wrong type."""
        for problem, names in (
            ("unknown", fields.keys() - cls.READERS.keys()),
            ("missing", cls.READERS.keys() - fields.keys()),
        ):
            if names:
                raise ValueError(f"{cls.__name__}: {problem} field {', '.join(map(repr, sorted(names)))}")
        return cls(**fields)


def nested(kind: type[Document]) -> Reader:
    """A record of another kind, given as itself or as the mapping of its fields."""

    def read(value: Any) -> Any:
        if isinstance(value, Mapping):
            return kind.from_fields({text(name): item for name, item in value.items()})
        return value if isinstance(value, kind) else _refuse(value, f"a {kind.__name__}")

    return read
