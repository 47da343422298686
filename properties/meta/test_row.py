import json
import math
import pickle
import re
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elbound.properties.meta import synthetic
from elbound.reports.document import Scalar
from elbound.reports.row import Entry, Row, Verdict

PROFILE = settings(deadline=None, derandomize=True, database=None, max_examples=100)
FLOATS = st.floats(allow_nan=False) | st.sampled_from([5e-324, -0.0, math.inf, -math.inf, 1.7976931348623157e308])
SCALARS = FLOATS | st.integers(-(2**63) + 1, 2**63 - 1) | st.booleans() | st.text(max_size=8)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def bits(value: object) -> object:
    """A value with its type and the bits of its floats, so that 1, 1.0, True, 0.0 and -0.0 all differ."""
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, dict):
        return {name: bits(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [bits(item) for item in value]
    return (type(value), value)


@given(
    configuration=st.dictionaries(st.text(max_size=6), SCALARS, max_size=4),
    curves=st.dictionaries(st.text(max_size=6), st.lists(FLOATS, max_size=4), max_size=2),
    left=st.none() | FLOATS,
    verdict=st.sampled_from(Verdict),
    reason=st.text(max_size=10),
)
@PROFILE
def test_a_row_comes_back_from_json_to_the_last_bit(
    configuration: dict[str, Scalar],
    curves: dict[str, list[float]],
    left: float | None,
    verdict: Verdict,
    reason: str,
) -> None:
    row = synthetic.row("a/b", configuration=configuration, curves=curves, left=left, verdict=verdict, reason=reason)
    back = Row.from_json(row.to_json())
    for name in Row.READERS:
        assert bits(getattr(back, name)) == bits(getattr(row, name)), name
    assert back.identity == row.identity
    assert "NaN" not in row.to_json()
    assert "Infinity" not in row.to_json()


def test_nan_and_the_infinities_keep_apart_from_the_texts_that_name_them() -> None:
    values = {"a": math.inf, "b": "inf", "c": -math.inf, "d": "nan", "e": math.nan}
    back = Row.from_json(synthetic.row("a", configuration=values, ratio=math.nan).to_json())
    assert back.configuration["a"] == math.inf
    assert back.configuration["b"] == "inf"
    assert back.configuration["c"] == -math.inf
    assert back.configuration["d"] == "nan"
    assert [repr(value) for value in (back.configuration["e"], back.ratio)] == ["nan", "nan"]


def test_the_identity_is_the_published_hash_and_sees_exactly_the_fields_it_names() -> None:
    row = synthetic.row("a", configuration={"n": 3, "C": 0.5})
    canonical = b'["a","","quadratic",{"C":0.5,"n":3},0]'
    assert row.identity == blake2b(canonical, digest_size=6).hexdigest()
    assert synthetic.row("a", 5, configuration={"C": 0.5, "n": 3}, data="digits").identity == row.identity
    others = [
        synthetic.row("b", configuration=row.configuration),
        synthetic.row("a", configuration=row.configuration, version="wrong: half"),
        synthetic.row("a", configuration=row.configuration, experiment="other"),
        synthetic.row("a", configuration=row.configuration, epoch=1),
        synthetic.row("a", configuration={"n": 3.0, "C": 0.5}),
        synthetic.row("a", configuration={"n": "3", "C": 0.5}),
        synthetic.row("a", configuration={"n": True, "C": 0.5}),
    ]
    assert len({row.identity, *(other.identity for other in others)}) == 1 + len(others)


def test_arrays_and_numpy_numbers_are_taken_as_what_they_hold() -> None:
    row = synthetic.row(
        "a",
        left=np.float64(0.1),
        replicates=np.int64(3),
        curves={"x": np.arange(2.0)},
        configuration={"n": np.int64(4)},
    )
    assert bits(row.left) == bits(0.1)
    assert type(row.replicates) is int
    assert row.curves == {"x": (0.0, 1.0)}
    assert Row.from_json(row.to_json()) == row


def test_rows_and_entries_travel_between_processes() -> None:
    row, entry = synthetic.row("a", curves=synthetic.curve(3)), synthetic.entry("a")
    assert pickle.loads(pickle.dumps(row)) == row
    assert pickle.loads(pickle.dumps(entry)) == entry


def test_an_entry_comes_back_from_json_and_names_what_must_fall() -> None:
    entry = synthetic.entry(synthetic.HOSTILE, part="last")
    assert Entry.from_json(entry.to_json()) == entry
    assert entry.name == f"{synthetic.HOSTILE}/last"
    assert entry.versions == ("wrong: 2 percent less", "wrong: no log", "fault: biased gradient")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"verdict": "true"}, "must be one of supported, consistent, refuted, inconsistent, assumption not met, error"),
        ({"left": "0.5"}, "Row field left: must be a number"),
        ({"left": True}, "Row field left: must be a number"),
        ({"left": 10**400}, "range of a double"),
        ({"replicates": 1.0}, "Row field replicates: must be an integer"),
        ({"replicates": 2**63}, "Row field replicates: must be an integer below 2^63"),
        ({"expected": 1}, "Row field expected: must be true or false"),
        ({"claim": None}, "Row field claim: must be text"),
        ({"claim": "\ud800"}, "lone surrogates"),
        ({"configuration": {"a": [1]}}, "Row field configuration"),
        ({"configuration": {1: 1}}, "must be text, got 1"),
        ({"curves": {"x": "123"}}, "must be a list"),
        ({"parameters": [1.0]}, "must be a mapping"),
    ],
)
def test_a_field_of_the_wrong_type_is_refused_in_one_line(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        synthetic.row(**{"claim": "a", **change})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda d: d | {"extra": 1}, "Row: unknown field 'extra'"),
        (lambda d: {k: v for k, v in d.items() if k != "epoch"}, "Row: missing field 'epoch'"),
        (lambda d: d | {"seconds": None}, "Row field seconds"),
    ],
)
def test_unknown_missing_and_mistyped_fields_in_json_are_refused(
    edit: Callable[[dict[str, Any]], dict[str, Any]], said: str
) -> None:
    document = json.loads(synthetic.row("a").to_json())
    with pytest.raises(ValueError, match=said):
        Row.from_json(json.dumps(edit(document)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        '{"a": NaN}',
        '{"a": 1, "a": 1}',
        "[" * 100_000,
        '{"a": 1' + "0" * 5000 + "}",
        None,
        b"{}",
    ],
)
def test_text_that_is_no_json_mapping_is_refused_in_one_line(text: Any) -> None:
    with pytest.raises(ValueError, match=r"^(cannot read JSON: |JSON is nested|must be )") as caught:
        Row.from_json(text)
    assert "\n" not in str(caught.value)


@given(name=st.sampled_from(sorted(Row.READERS)), value=JSON_VALUES)
@PROFILE
def test_any_value_in_any_field_makes_a_row_that_survives_or_a_value_error(name: str, value: Any) -> None:
    document = json.loads(synthetic.row("a").to_json()) | {name: value}
    row = synthetic.made_or_refused(lambda: Row.from_json(json.dumps(document)))
    assert row is None or Row.from_json(row.to_json()).to_json() == row.to_json()


@given(name=st.sampled_from(sorted(Entry.READERS)), value=JSON_VALUES)
@PROFILE
def test_any_value_in_any_field_makes_an_entry_that_survives_or_a_value_error(name: str, value: Any) -> None:
    document = json.loads(synthetic.entry("a").to_json()) | {name: value}
    entry = synthetic.made_or_refused(lambda: Entry.from_json(json.dumps(document)))
    assert entry is None or Entry.from_json(entry.to_json()) == entry
