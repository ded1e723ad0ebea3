"""Identifiers sort by the time they were made."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.kernel.errors import Invalid
from tocsin.kernel.ids import EPOCH, uuid7

START, END = dt.datetime.fromisoformat("1970-01-01"), dt.datetime.fromisoformat("2500-01-01")
MOMENTS = st.datetimes(START, END, timezones=st.just(dt.UTC))
CHANCE = st.binary(min_size=10, max_size=10)


def test_the_example_of_the_rfc() -> None:
    # RFC 9562 appendix A.6: 2022-02-22 14:22:22 at UTC-5, rand_a CC3, rand_b 18C4DC0C0C07398F.
    moment = dt.datetime(2022, 2, 22, 14, 22, 22, tzinfo=dt.timezone(dt.timedelta(hours=-5)))
    chance = bytes.fromhex("0cc3" + "18c4dc0c0c07398f")
    assert uuid7(moment, chance) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


@given(MOMENTS, CHANCE)
def test_it_is_version_7_and_holds_the_very_millisecond(moment: dt.datetime, chance: bytes) -> None:
    made = uuid.UUID(uuid7(moment, chance))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert EPOCH + dt.timedelta(milliseconds=made.int >> 80) == moment.replace(
        microsecond=moment.microsecond // 1000 * 1000
    )


@given(MOMENTS, MOMENTS, CHANCE, CHANCE)
def test_a_later_millisecond_sorts_later_whatever_the_chance(
    one: dt.datetime, two: dt.datetime, a: bytes, b: bytes
) -> None:
    if two - one >= dt.timedelta(milliseconds=1):
        assert uuid7(one, a) < uuid7(two, b)


@given(CHANCE, CHANCE)
def test_chance_tells_two_of_one_moment_apart(a: bytes, b: bytes) -> None:
    kept = int.from_bytes(b"\x0f" + b"\xff" + b"\x3f" + b"\xff" * 7, "big")
    same = int.from_bytes(a, "big") & kept == int.from_bytes(b, "big") & kept
    moment = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert (uuid7(moment, a) == uuid7(moment, b)) == same


@pytest.mark.parametrize("length", [0, 9, 11])
def test_it_takes_ten_random_bytes(length: int) -> None:
    with pytest.raises(ValueError, match="ten"):
        uuid7(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), bytes(length))


def test_a_time_before_1970_or_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="1970"):
        uuid7(dt.datetime(1969, 12, 31, tzinfo=dt.UTC), bytes(10))
    with pytest.raises(Invalid):
        uuid7(dt.datetime(2026, 1, 1), bytes(10))  # noqa: DTZ001 - the naive time is the point
