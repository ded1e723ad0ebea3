"""What every parser leans on: repaired text, times in many spellings, limits."""

from __future__ import annotations

import datetime as dt

import pytest

from tocsin.kernel.clock import UTC
from tocsin.kernel.errors import Malformed, TooLarge
from tocsin.signals.formats.decoding import (
    MAX_DEPTH,
    read_carefully,
    read_time,
    repaired_text,
    set_time,
    within_limit,
)

T = dt.datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("größe 🔔", "größe 🔔"),
        ("a\0b", "a\ufffdb"),
        ("é\0b", "é\ufffdb"),
        ("a\ud800b", "a\ufffdb"),
        ("\udc00", "\ufffd"),
        ("", ""),
    ],
)
def test_text_is_repaired_only_where_it_is_broken(text: str, expected: str) -> None:
    assert repaired_text(text) == expected


def test_names_and_values_are_repaired_at_every_depth() -> None:
    body = b'{"a\\u0000": [{"b": "c\\ud800"}, 1, true, null, 0.5]}'
    assert read_carefully(body) == {"a\ufffd": [{"b": "c\ufffd"}, 1, True, None, 0.5]}


def test_depth_is_counted_from_the_outside() -> None:
    def nested(depth: int) -> bytes:
        return b"[" * depth + b"]" * depth

    assert read_carefully(nested(MAX_DEPTH + 1))
    for depth in (MAX_DEPTH + 2, 900, 500_000):
        with pytest.raises(Malformed, match="nested deeper than 32"):
            read_carefully(nested(depth))


@pytest.mark.parametrize("body", [b"", b"NaN", b"-Infinity", b"{'a': 1}", b"[1,]", b"\xff", b"9" * 5000])
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        read_carefully(body)


@pytest.mark.parametrize(
    "text", ["2026-11-22T10:00:00Z", "2026-11-22T12:30:00.000+02:30", "2026-11-22t10:00:00+0000"]
)
def test_a_time_is_read_in_utc(text: str) -> None:
    assert read_time(text) == T


@pytest.mark.parametrize(
    "text", ["", "0001-01-01T00:00:00Z", "0001-01-01T01:00:00+01:00", "0001-01-01 00:00"]
)
def test_no_time_and_the_zero_time_of_go_are_none(text: str) -> None:
    assert read_time(text) is None


@pytest.mark.parametrize(
    "text",
    ["now", "2026-11-22", "2026-11-22T", "2026-02-30T00:00:00Z", "2026-11-22T25:00:00Z", "9999-12-31T23:59:59-01:00",
     "0001-01-01T00:00:00+01:00", "20261122T100000Z", "2026-W47-7T10:00:00Z"],
)  # fmt: skip
def test_what_is_no_time_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        read_time(text)


def test_a_time_that_was_decoded_is_put_in_utc() -> None:
    east = dt.timezone(dt.timedelta(hours=2))
    assert set_time(None) is None
    assert set_time(dt.datetime(2026, 11, 22, 12, 0, tzinfo=east)) == T
    assert set_time(dt.datetime(2026, 11, 22, 10, 0)) == T  # noqa: DTZ001 - a sender that names no zone
    moment = set_time(dt.datetime(2026, 11, 22, 12, 0, tzinfo=east))
    assert moment is not None
    assert moment.tzinfo is UTC


def test_a_limit_is_the_most_that_is_allowed() -> None:
    within_limit(b"12345", 5)
    with pytest.raises(TooLarge, match="6 bytes; at most 5"):
        within_limit(b"123456", 5)
