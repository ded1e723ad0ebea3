"""The on-call schedule against an obvious, slow one; in zones whose clocks do unkind things."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.catalog.rotation import Layer, Override, Restriction, Schedule
from tocsin.response.oncall.schedule import of_layer, on_call, shift_at, shifts, stand_ins

UTC = dt.UTC
MINUTE, DAY = dt.timedelta(minutes=1), dt.timedelta(days=1)
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

# zone -> a day near which its clock changes. Lord Howe moves by half an hour; St John's put the clock back at
# 00:01, over midnight, until 2011; Apia left out 30 December 2011; Casablanca changes around Ramadan.
CHANGES = {
    "Europe/Berlin": (dt.date(2026, 3, 29), dt.date(2026, 10, 25)),
    "America/New_York": (dt.date(2026, 3, 8), dt.date(2026, 11, 1)),
    "Australia/Lord_Howe": (dt.date(2026, 4, 5), dt.date(2026, 10, 4)),
    "America/St_Johns": (dt.date(2010, 3, 14), dt.date(2010, 11, 7)),
    "Pacific/Apia": (dt.date(2011, 12, 30),),
    "Africa/Casablanca": (dt.date(2026, 2, 15), dt.date(2026, 3, 22)),
}


# --- the obvious one ------------------------------------------------------------------------------


def first_shown(day: dt.date, clock: str, zone: ZoneInfo) -> dt.datetime:
    """Walk minute by minute until the wall clock has come to `clock` on `day`."""
    wall = dt.datetime.combine(day, dt.time.fromisoformat(clock))
    moment = dt.datetime.combine(day, dt.time(), tzinfo=UTC) - dt.timedelta(hours=15)
    while moment.astimezone(zone).replace(tzinfo=None) < wall:
        moment += MINUTE
    return moment


class Obvious:
    """Lists every hand-off from the first one on and takes the last that has happened."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.zone = ZoneInfo(schedule.time_zone)
        self.shown: dict[tuple[dt.date, str], dt.datetime] = {}

    def when(self, day: dt.date, clock: str) -> dt.datetime:
        if (day, clock) not in self.shown:
            self.shown[day, clock] = first_shown(day, clock, self.zone)
        return self.shown[day, clock]

    def turn(self, layer: Layer, at: dt.datetime) -> str | None:
        person, day, number = None, layer.start, 0
        while day <= at.date() + 2 * DAY:
            if self.when(day, layer.hand_off) <= at:
                person = layer.people[number % len(layer.people)]
            day, number = day + layer.every_days * DAY, number + 1
        return person

    def is_on(self, layer: Layer, at: dt.datetime) -> bool:
        if not layer.restrictions:
            return True
        for restriction in layer.restrictions:
            for days in range(-3, 4):
                day = at.date() + days * DAY
                ends = day if restriction.end > restriction.start else day + DAY
                if WEEK[day.weekday()] in restriction.days and self.when(
                    day, restriction.start
                ) <= at < self.when(ends, restriction.end):
                    return True
        return False

    def on_call(self, at: dt.datetime) -> tuple[str, ...]:
        answer: tuple[str, ...] = ()
        for layer in self.schedule.layers:
            person = self.turn(layer, at)
            if person and self.is_on(layer, at):
                answer = (person,)
        for override in self.schedule.overrides:
            if override.start <= at < override.end:
                answer = (override.person,)
        return answer


# --- what schedules there are ---------------------------------------------------------------------

clocks = st.builds("{:02d}:{:02d}".format, st.integers(0, 23), st.sampled_from((0, 1, 15, 30, 59)))
near_midnight_or_change = st.one_of(
    clocks, st.sampled_from(("00:00", "01:59", "02:00", "02:15", "02:30", "23:30"))
)
people = st.lists(st.sampled_from(("ana", "bo", "cy", "di")), min_size=1, max_size=4, unique=True).map(tuple)
restrictions = st.builds(
    Restriction,
    days=st.sets(st.sampled_from(WEEK), min_size=1).map(lambda days: tuple(sorted(days))),
    start=near_midnight_or_change,
    end=near_midnight_or_change,
)


@st.composite
def schedules(draw: st.DrawFn) -> tuple[Schedule, dt.datetime]:
    """Return a schedule and a moment a few days from a change of its clock."""
    name = draw(st.sampled_from(sorted(CHANGES)))
    change = draw(st.sampled_from(CHANGES[name]))
    at = dt.datetime.combine(change, dt.time(), tzinfo=UTC) + draw(st.integers(-4 * 1440, 4 * 1440)) * MINUTE
    layers = draw(
        st.lists(
            st.builds(
                Layer,
                id=st.uuids().map(lambda chance: f"l{chance.hex[:8]}"),
                people=people,
                start=st.integers(-12, 3).map(lambda days: change + days * DAY),
                hand_off=near_midnight_or_change,
                every_days=st.integers(1, 7),
                restrictions=st.lists(restrictions, max_size=2).map(tuple),
            ),
            min_size=1,
            max_size=3,
        )
    )
    overrides = draw(
        st.lists(
            st.builds(
                lambda person, start, minutes: Override(
                    person=person, start=start, end=start + minutes * MINUTE
                ),
                person=st.sampled_from(("eve", "flo")),
                start=st.integers(-2000, 2000).map(lambda minutes: at + minutes * MINUTE),
                minutes=st.integers(1, 2000),
            ),
            max_size=2,
        )
    )
    made = Schedule(id="s", name="S", time_zone=name, layers=tuple(layers), overrides=tuple(overrides))
    return made, at


# --- the promises ---------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(schedules())
def test_it_answers_as_the_obvious_one_does(drawn: tuple[Schedule, dt.datetime]) -> None:
    schedule, at = drawn
    obvious = Obvious(schedule)
    for minutes in (-61, -30, -1, 0, 1, 30, 61):
        moment = at + minutes * MINUTE
        assert on_call(schedule, moment) == obvious.on_call(moment)
        for layer in schedule.layers:
            assert of_layer(schedule, layer, moment) == obvious.turn(layer, moment)


@settings(max_examples=100, deadline=None)
@given(schedules(), st.integers(1, 6))
def test_shifts_tell_the_same_as_asking_at_every_moment(
    drawn: tuple[Schedule, dt.datetime], days: int
) -> None:
    schedule, at = drawn
    start, end = at - days * DAY, at + days * DAY
    found = shifts(schedule, start, end)
    for shift in found:
        assert start <= shift.start < shift.end <= end
    for one, other in pairwise(found):
        assert one.end <= other.start
        assert one.end < other.start or (one.person, one.layer, one.why) != (
            other.person,
            other.layer,
            other.why,
        )
    edges = [moment for shift in found for moment in (shift.start, shift.end)]
    samples = {start, *(start + number * (end - start) / 40 for number in range(40))}
    samples |= {edge + step for edge in edges for step in (-MINUTE, 0 * MINUTE)}
    for moment in samples:
        if start <= moment < end:
            asked = tuple(shift.person for shift in found if shift.start <= moment < shift.end)
            assert asked == on_call(schedule, moment)


@given(schedules())
def test_one_person_of_a_layer_has_the_turn_from_its_first_hand_off_on(
    drawn: tuple[Schedule, dt.datetime],
) -> None:
    schedule, at = drawn
    for layer in schedule.layers:
        person = of_layer(schedule, layer, at)
        begun = first_shown(layer.start, layer.hand_off, ZoneInfo(schedule.time_zone)) <= at
        assert (person in layer.people) if begun else (person is None)


@given(schedules())
def test_turns_of_a_layer_are_as_long_as_it_says_by_the_wall_clock(
    drawn: tuple[Schedule, dt.datetime],
) -> None:
    schedule, at = drawn
    layer = Layer(id="only", people=("ana", "bo"), start=at.date() - DAY, hand_off="12:00", every_days=1)
    alone = Schedule(id="s", name="S", time_zone=schedule.time_zone, layers=(layer,))
    zone = ZoneInfo(schedule.time_zone)
    inner = shifts(alone, at, at + 9 * DAY)[1:-1]
    assert len(inner) >= 6
    for shift in inner:
        begins, ends = shift.start.astimezone(zone), shift.end.astimezone(zone)
        assert (begins.hour, begins.minute) == (ends.hour, ends.minute) == (
            12,
            0,
        ) or "Apia" in schedule.time_zone
        assert (
            dt.timedelta(hours=23) <= shift.end - shift.start <= dt.timedelta(hours=25) or "Apia" in zone.key
        )


@given(schedules())
def test_the_present_shift_holds_now_and_ends_when_the_answer_changes(
    drawn: tuple[Schedule, dt.datetime],
) -> None:
    schedule, at = drawn
    shift = shift_at(schedule, at)
    if shift is None:
        assert on_call(schedule, at) == ()
        return
    assert shift.start <= at < shift.end
    assert on_call(schedule, at) == on_call(schedule, shift.end - MINUTE) == (shift.person,)


@given(schedules())
def test_a_stand_in_is_anyone_of_the_schedule_but_the_one_on_call(
    drawn: tuple[Schedule, dt.datetime],
) -> None:
    schedule, at = drawn
    named = {person for layer in schedule.layers for person in layer.people}
    found = stand_ins(schedule, at)
    assert len(found) == len(set(found))
    assert set(found) == named - set(on_call(schedule, at))
