"""Who is on call, in examples that a person can check by hand."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from tocsin.catalog.rotation import Layer, Override, Restriction, Schedule
from tocsin.kernel.errors import Invalid
from tocsin.response.oncall.schedule import Shift, on_call, shift_at, shifts, stand_ins

UTC = dt.UTC
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(text: str, zone: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def layer(
    *people: str,
    id: str = "primary",
    start: str = "2026-01-05",
    hand_off: str = "09:00",
    every: int = 7,
    restrictions: tuple[Restriction, ...] = (),
) -> Layer:
    return Layer(
        id=id,
        people=people,
        start=dt.date.fromisoformat(start),
        hand_off=hand_off,
        every_days=every,
        restrictions=restrictions,
    )


def schedule(*layers: Layer, zone: str = "UTC", overrides: tuple[Override, ...] = ()) -> Schedule:
    return Schedule(id="commanders", name="Commanders", time_zone=zone, layers=layers, overrides=overrides)


WEEKLY = schedule(layer("ana", "bo", "cy"))  # 5 January 2026 is a Monday


@pytest.mark.parametrize(
    ("at", "person"),
    [
        ("2026-01-05T08:59:59", ()),
        ("2026-01-05T09:00", ("ana",)),
        ("2026-01-12T08:59:59", ("ana",)),
        ("2026-01-12T09:00", ("bo",)),
        ("2026-01-19T09:00", ("cy",)),
        ("2026-01-26T09:00", ("ana",)),
        ("2027-01-04T09:00", ("bo",)),  # 52 weeks later
    ],
)
def test_people_take_turns_from_the_first_hand_off_on(at: str, person: tuple[str, ...]) -> None:
    assert on_call(WEEKLY, utc(at)) == person


def test_time_without_a_zone_is_refused() -> None:
    with pytest.raises(Invalid):
        on_call(WEEKLY, dt.datetime(2026, 1, 5, 9))  # noqa: DTZ001 - that is the point


def test_an_unknown_zone_is_named() -> None:
    with pytest.raises(Invalid, match="'Mars/Olympus' is not a time zone"):
        on_call(schedule(layer("ana"), zone="Mars/Olympus"), utc("2026-02-01T00:00"))


# A daily hand-off at 09:00 by the wall clock, across the night on which the clock changes: how long is the turn?
@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-28", 23),
        ("Europe/Berlin", "2026-10-24", 25),
        ("America/New_York", "2026-03-07", 23),
        ("America/New_York", "2026-10-31", 25),
        ("Australia/Lord_Howe", "2026-04-04", 24.5),
        ("Australia/Lord_Howe", "2026-10-03", 23.5),
        ("Africa/Casablanca", "2026-02-14", 25),
        ("Africa/Casablanca", "2026-03-21", 23),
        ("Asia/Kolkata", "2026-03-28", 24),
    ],
)
def test_a_hand_off_keeps_its_hour_when_the_clock_changes(zone: str, day: str, hours: float) -> None:
    daily = schedule(layer("ana", "bo", start="2026-01-01", every=1), zone=zone)
    begins = local(f"{day}T09:00", zone)
    ends = begins + dt.timedelta(days=1)  # the wall clock's next day
    shift = shift_at(daily, begins)
    assert shift is not None
    assert (shift.start, shift.end) == (begins, ends)
    assert (shift.end - shift.start) / dt.timedelta(hours=1) == hours
    (before,), (during,) = on_call(daily, begins - dt.timedelta(seconds=1)), on_call(daily, begins)
    assert {before, during} == {"ana", "bo"}


def test_a_hand_off_at_an_hour_that_does_not_exist_happens_as_the_clock_jumps() -> None:
    daily = schedule(layer("ana", "bo", start="2026-03-28", hand_off="02:30", every=1), zone="Europe/Berlin")
    jump = utc("2026-03-29T01:00")  # 02:00 becomes 03:00
    assert on_call(daily, jump - dt.timedelta(seconds=1)) == ("ana",)
    assert on_call(daily, jump) == ("bo",)


def test_a_hand_off_at_an_hour_that_exists_twice_happens_the_first_time() -> None:
    daily = schedule(layer("ana", "bo", start="2026-10-24", hand_off="02:30", every=1), zone="Europe/Berlin")
    first = utc("2026-10-25T00:30")  # 02:30 in summer time; 02:30 in winter time is an hour later
    assert on_call(daily, first - dt.timedelta(seconds=1)) == ("ana",)
    assert on_call(daily, first) == ("bo",)
    assert on_call(daily, utc("2026-10-25T01:15")) == ("bo",)  # the clock shows 02:15 again


def test_a_clock_put_back_over_midnight_does_not_undo_a_hand_off() -> None:
    zone = "America/St_Johns"  # on 7 November 2010 at 00:01 it became 23:01 of the day before
    daily = schedule(layer("ana", "bo", start="2010-11-06", hand_off="00:00", every=1), zone=zone)
    midnight = utc("2010-11-07T02:30")
    assert on_call(daily, midnight - dt.timedelta(seconds=1)) == ("ana",)
    assert on_call(daily, midnight) == ("bo",)
    again_before_midnight = utc("2010-11-07T03:00")
    assert again_before_midnight.astimezone(ZoneInfo(zone)).day == 6
    assert on_call(daily, again_before_midnight) == ("bo",)


def test_hours_that_begin_at_midnight_hold_when_the_clock_is_put_back_over_it() -> None:
    zone = "America/St_Johns"
    sundays = Restriction(days=("sun",))
    made = schedule(layer("ana", start="2010-10-01", restrictions=(sundays,)), zone=zone)
    assert on_call(made, utc("2010-11-07T02:29:59")) == ()
    assert on_call(made, utc("2010-11-07T02:30")) == ("ana",)
    assert on_call(made, utc("2010-11-07T03:00")) == ("ana",)  # the clock shows Saturday 23:30 again


def test_a_day_that_does_not_exist_is_passed_over() -> None:
    zone = "Pacific/Apia"  # there was no 30 December 2011
    daily = schedule(layer("ana", "bo", "cy", start="2011-12-29", hand_off="09:00", every=1), zone=zone)
    assert on_call(daily, local("2011-12-29T23:59", zone)) == ("ana",)
    assert on_call(daily, local("2011-12-31T00:00", zone)) == ("bo",)
    assert on_call(daily, local("2011-12-31T09:00", zone)) == ("cy",)


OFFICE = Restriction(days=WEEKDAYS, start="09:00", end="17:00")
NIGHT = Restriction(days=("fri",), start="22:00", end="06:00")


def test_a_later_layer_covers_an_earlier_one_while_it_is_on() -> None:
    both = schedule(layer("bo", id="always"), layer("ana", id="office", restrictions=(OFFICE,)))
    assert on_call(both, utc("2026-01-12T08:59")) == ("bo",)
    assert on_call(both, utc("2026-01-12T09:00")) == ("ana",)
    assert on_call(both, utc("2026-01-12T16:59")) == ("ana",)
    assert on_call(both, utc("2026-01-12T17:00")) == ("bo",)
    assert on_call(both, utc("2026-01-17T12:00")) == ("bo",)  # a Saturday


def test_hours_that_end_before_they_begin_run_into_the_next_day() -> None:
    nights = schedule(layer("ana", restrictions=(NIGHT,)))
    assert on_call(nights, utc("2026-01-16T21:59")) == ()
    assert on_call(nights, utc("2026-01-16T22:00")) == ("ana",)
    assert on_call(nights, utc("2026-01-17T05:59")) == ("ana",)
    assert on_call(nights, utc("2026-01-17T06:00")) == ()
    assert on_call(nights, utc("2026-01-17T22:30")) == ()  # Saturday night is not its night


def test_two_zones_follow_the_sun() -> None:
    berlin = layer("ana", id="east", restrictions=(Restriction(start="08:00", end="20:00"),))
    other = layer("bo", id="west", restrictions=(Restriction(start="20:00", end="08:00"),))
    made = schedule(berlin, other, zone="Europe/Berlin")
    found = shifts(made, utc("2026-02-02T07:00"), utc("2026-02-04T07:00"))
    assert [(shift.person, shift.layer) for shift in found] == [("ana", "east"), ("bo", "west")] * 2


def test_an_override_stands_in_and_the_latest_one_wins() -> None:
    first = Override(
        person="di", start=utc("2026-01-13T00:00"), end=utc("2026-01-15T00:00"), reason="holiday"
    )
    second = Override(person="eve", start=utc("2026-01-14T00:00"), end=utc("2026-01-14T12:00"))
    made = schedule(layer("ana", "bo", "cy"), overrides=(first, second))
    assert shifts(made, utc("2026-01-12T09:00"), utc("2026-01-16T00:00")) == (
        Shift(person="bo", start=utc("2026-01-12T09:00"), end=utc("2026-01-13T00:00"), layer="primary"),
        Shift(person="di", start=utc("2026-01-13"), end=utc("2026-01-14"), layer=None, why="holiday"),
        Shift(person="eve", start=utc("2026-01-14"), end=utc("2026-01-14T12:00"), layer=None),
        Shift(person="di", start=utc("2026-01-14T12:00"), end=utc("2026-01-15"), layer=None, why="holiday"),
        Shift(person="bo", start=utc("2026-01-15"), end=utc("2026-01-16"), layer="primary"),
    )


def test_a_layer_without_people_or_before_its_start_leaves_the_turn_to_those_below() -> None:
    made = schedule(layer("ana"), layer(id="empty"), layer("cy", id="later", start="2026-06-01"))
    assert on_call(made, utc("2026-02-01T00:00")) == ("ana",)
    assert on_call(made, utc("2026-06-01T09:00")) == ("cy",)


def test_no_time_at_all_has_no_shifts() -> None:
    assert shifts(WEEKLY, utc("2026-02-01T00:00"), utc("2026-02-01T00:00")) == ()
    assert shift_at(WEEKLY, utc("2025-01-01T00:00")) is None


def test_a_lone_persons_shift_has_an_end_within_sight() -> None:
    shift = shift_at(schedule(layer("ana")), utc("2026-03-01T00:00"))
    assert shift is not None
    assert shift.end == utc("2026-03-01T00:00") + dt.timedelta(days=400)


def test_a_long_shift_ends_where_it_ends() -> None:
    shift = shift_at(schedule(layer("ana", "bo", every=90)), utc("2026-01-06T00:00"))
    assert shift is not None
    assert shift.end == utc("2026-04-05T09:00")


def test_the_next_in_turn_stand_in_first_then_those_of_the_layers_below() -> None:
    below, above = layer("di", "cy", id="below"), layer("ana", "bo", "cy", id="above")
    assert stand_ins(schedule(below, above), utc("2026-01-12T09:00")) == ("cy", "ana", "di")
    resting = layer("ana", "bo", id="above", restrictions=(OFFICE,))
    assert stand_ins(schedule(below, resting), utc("2026-01-10T09:00")) == ("cy", "ana", "bo")
