"""Time is aware, in UTC, and has one form on the wire."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.kernel.clock import VirtualClock, aware, from_wire, to_wire
from tocsin.kernel.errors import Invalid

ZONES = st.builds(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)), st.integers(-14 * 60, 14 * 60))
START, END = dt.datetime.fromisoformat("1900-01-01"), dt.datetime.fromisoformat("2999-01-01")
MOMENTS = st.datetimes(START, END, timezones=ZONES)
NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)


@given(MOMENTS)
def test_what_goes_over_the_wire_comes_back_as_the_same_moment_in_utc(moment: dt.datetime) -> None:
    back = from_wire(to_wire(moment))
    assert back == moment
    assert back.tzinfo is dt.UTC


@given(MOMENTS, MOMENTS)
def test_text_sorts_as_time_does(one: dt.datetime, two: dt.datetime) -> None:
    assert (to_wire(one) < to_wire(two)) == (one < two)


def test_the_wire_form_has_six_decimals_and_a_z() -> None:
    assert to_wire(NOON) == "2026-11-23T12:00:00.000000Z"


@pytest.mark.parametrize(
    "text", ["2026-11-23T12:00:00Z", "2026-11-23T14:00:00+02:00", "2026-11-23T12:00:00.000Z"]
)
def test_other_forms_of_a_time_are_read(text: str) -> None:
    assert from_wire(text) == NOON


@pytest.mark.parametrize(
    "text", ["", "noon", "2026-11-23", "2026-11-23T12:00:00", "2026-13-01T00:00:00Z", "١٢"]
)
def test_what_is_no_time_or_has_no_zone_is_invalid(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        from_wire(text)
    assert caught.value.mend


def test_a_naive_time_is_refused_everywhere() -> None:
    naive = NOON.replace(tzinfo=None)
    for use in (aware, to_wire, VirtualClock):
        with pytest.raises(Invalid):
            use(naive)


def test_a_virtual_clock_stands_still_until_it_is_set() -> None:
    clock = VirtualClock(NOON)
    assert clock.now() == clock.now() == NOON
    clock.set(NOON - dt.timedelta(hours=1))
    assert clock.now() == NOON - dt.timedelta(hours=1)
