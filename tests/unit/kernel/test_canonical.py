"""One value, one byte form; the rfc8785 package is the oracle."""

from __future__ import annotations

import enum
import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from tocsin.kernel import canonical
from tocsin.kernel.errors import Malformed

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.none() | st.booleans() | st.integers(-canonical.LARGEST, canonical.LARGEST) | TEXT
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=30)


@given(VALUES)
def test_bytes_equal_those_of_another_implementation(value: Any) -> None:
    assert canonical.encode(value) == rfc8785.dumps(value)


@given(VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert canonical.decode(canonical.encode(value)) == value


@given(VALUES)
def test_any_other_spelling_of_the_same_value_is_refused(value: Any) -> None:
    for other in (json.dumps(value, indent=1), json.dumps(value, ensure_ascii=True), " " + json.dumps(value)):
        data = other.encode()
        if data != canonical.encode(value):
            with pytest.raises(Malformed):
                canonical.decode(data)


def test_names_are_sorted_by_utf16_code_units() -> None:
    # The example of RFC 8785 section 3.2.3: an emoji sorts before U+FB33, though its code point is higher.
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    data = canonical.encode(dict.fromkeys(names, 0))
    assert list(json.loads(data)) == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_control_characters_have_their_short_or_lower_case_escape() -> None:
    assert canonical.encode('\b\t\n\f\r"\\/\x00\x1f\x7f') == rb'"\b\t\n\f\r\"\\/\u0000\u001f' + b'\x7f"'


def test_enums_are_written_as_their_values() -> None:
    class Colour(enum.StrEnum):
        RED = "red"

    class Rank(int, enum.Enum):
        WORST = 0

    assert canonical.encode({"colour": Colour.RED, "rank": Rank.WORST}) == b'{"colour":"red","rank":0}'


@pytest.mark.parametrize(
    "value", [1.0, float("nan"), b"bytes", {1, 2}, object(), {1: "number as name"}, {None: 1}]
)
def test_what_has_no_one_form_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError):
        canonical.encode({"inside": [value]})


@pytest.mark.parametrize("value", [2**53, -(2**53), "\ud800", {"\udfff": 1}])
def test_what_is_not_exact_everywhere_is_a_value_error(value: Any) -> None:
    with pytest.raises(ValueError):
        canonical.encode(value)


def test_the_largest_integers_are_exact() -> None:
    assert canonical.encode([2**53 - 1, 1 - 2**53]) == b"[9007199254740991,-9007199254740991]"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"nul",
        b"1.0",
        b"1e2",
        b"-0",
        b"01",
        b"NaN",
        b"Infinity",
        b'{"a":1,"a":1}',
        b'{"b":1,"a":1}',
        b'{"a": 1}',
        b'"\\u0041"',
        b'"\\/"',
        b'"\\u001F"',
        b'"\\ud800"',
        b'"\xff"',
        b'\xef\xbb\xbf"bom"',
        '"sixteen"'.encode("utf-16"),
        b"9007199254740992",
        b"9" * 5000,
        b"[" * 100_000,
        b"1\n",
    ],
)
def test_whatever_is_not_canonical_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        canonical.decode(data)


@given(st.binary(max_size=40))
def test_bytes_are_read_as_canonical_or_refused_and_nothing_else(data: bytes) -> None:
    try:
        value = canonical.decode(data)
    except Malformed:
        return
    assert canonical.encode(value) == data
