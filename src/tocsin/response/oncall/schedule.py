"""Who is on call when: rotations, layers and overrides in the schedule's own time zone (TEAM-2).

A turn changes at the hand-off time of the wall clock, on the calendar days of the schedule's zone, so
it keeps its hour when clocks are put forward or back. A hand-off at an hour that does not exist happens
at the moment the clock jumps over it; one that exists twice happens the first time (PEP 495, fold=0).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tocsin.catalog.rotation import Layer, Restriction, Schedule
from tocsin.kernel.clock import UTC, aware
from tocsin.kernel.errors import Invalid

DAY = dt.timedelta(days=1)
_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """One person on call from `start` until `end` (UTC, end not included)."""

    person: str
    start: dt.datetime
    end: dt.datetime
    layer: str | None
    """The layer it comes from, or None for an override."""
    why: str = ""
    """The reason of an override."""


def zone(schedule: Schedule) -> ZoneInfo:
    """Return the schedule's time zone; raise `Invalid` when there is none of that name."""
    try:
        return ZoneInfo(schedule.time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Invalid(
            f"{schedule.time_zone!r} is not a time zone.",
            where=schedule.id,
            mend="Use a name such as Europe/Berlin.",
        ) from error


# --- one moment -----------------------------------------------------------------------------------


def on_call(schedule: Schedule, at: dt.datetime) -> tuple[str, ...]:
    """Return who is on call at `at`: the topmost override, else the topmost layer that is on; or nobody."""
    person = _top(schedule, aware(at))[0]
    return (person,) if person else ()


def of_layer(schedule: Schedule, layer: Layer, at: dt.datetime) -> str | None:
    """Return whose turn it is in one layer at `at`, restrictions apart; None before its start or without people."""
    number = _turn(layer, zone(schedule), aware(at))
    return layer.people[number % len(layer.people)] if number is not None else None


def stand_ins(schedule: Schedule, at: dt.datetime) -> tuple[str, ...]:
    """Return who could stand in, the next in turn first: the layer on call, then the layers under it."""
    moment, place = aware(at), zone(schedule)
    present = set(on_call(schedule, at))
    found: dict[str, None] = {}
    downwards = schedule.layers[::-1]
    for layer in sorted(downwards, key=lambda layer: not _is_on(layer, place, moment)):
        turn = _turn(layer, place, moment) or 0
        for step in range(len(layer.people)):
            found.setdefault(layer.people[(turn + step) % len(layer.people)])
    return tuple(person for person in found if person not in present)


def shift_at(schedule: Schedule, at: dt.datetime) -> Shift | None:
    """Return the shift under way at `at`, or None when nobody is on call.

    A long one is cut: at 31 days before `at`, and at 400 days after it.
    """
    moment = aware(at)
    if not on_call(schedule, moment):
        return None
    present = _around(schedule, moment, 31 * DAY)  # most shifts end within weeks, and a short look is cheap
    return present if present.end < moment + 31 * DAY else _around(schedule, moment, 400 * DAY)


def _around(schedule: Schedule, moment: dt.datetime, ahead: dt.timedelta) -> Shift:
    pieces = shifts(schedule, moment - 31 * DAY, moment + ahead)
    return next(piece for piece in pieces if piece.start <= moment < piece.end)


def _top(schedule: Schedule, moment: dt.datetime) -> tuple[str | None, str | None, str]:
    """Return (person, layer id or None for an override, reason)."""
    for override in reversed(schedule.overrides):
        if aware(override.start) <= moment < aware(override.end):
            return (override.person, None, override.reason)
    place = zone(schedule)
    for layer in reversed(schedule.layers):
        if _is_on(layer, place, moment):
            number = _turn(layer, place, moment)
            if number is not None:
                return (layer.people[number % len(layer.people)], layer.id, "")
    return (None, None, "")


# --- a stretch of time ----------------------------------------------------------------------------


def shifts(schedule: Schedule, start: dt.datetime, end: dt.datetime) -> tuple[Shift, ...]:
    """Return the shifts within [start, end), in order, cut at both ends; gaps are times nobody is on call."""
    begin, finish = aware(start), aware(end)
    if finish <= begin:
        return ()
    cuts = sorted({begin, finish, *(cut for cut in _cuts(schedule, begin, finish) if begin < cut < finish)})
    merged: list[Shift] = []
    for left, right in pairwise(cuts):
        person, layer, why = _top(schedule, left)
        if person is None:
            continue
        last = merged[-1] if merged else None
        if last and last.end == left and (last.person, last.layer, last.why) == (person, layer, why):
            merged[-1] = Shift(person=person, start=last.start, end=right, layer=layer, why=why)
        else:
            merged.append(Shift(person=person, start=left, end=right, layer=layer, why=why))
    return tuple(merged)


def _cuts(schedule: Schedule, begin: dt.datetime, finish: dt.datetime) -> set[dt.datetime]:
    """Return every moment at which the answer may change between `begin` and `finish`."""
    place = zone(schedule)
    cuts = {aware(moment) for override in schedule.overrides for moment in (override.start, override.end)}
    first, last = begin.astimezone(place).date() - 2 * DAY, finish.astimezone(place).date() + 2 * DAY
    for layer in schedule.layers:
        turn = max(0, (first - layer.start).days // layer.every_days)
        while layer.start + turn * layer.every_days * DAY <= last:
            cuts.add(_hand_off(layer, turn, place))
            turn += 1
        for restriction in layer.restrictions:
            day = first
            while day <= last:
                cuts.update(_hours(restriction, day, place))
                day += DAY
    return cuts


# --- one layer ------------------------------------------------------------------------------------


def _turn(layer: Layer, place: ZoneInfo, moment: dt.datetime) -> int | None:
    """Return the number of the turn, from 0; None before the first hand-off or when nobody takes turns."""
    if not layer.people:
        return None
    days = (moment.astimezone(place).date() - layer.start).days
    # The clock may be put back over midnight just after a hand-off, so the day alone does not tell.
    number = days // layer.every_days + 1
    while moment < _hand_off(layer, number, place):
        number -= 1
    return number if number >= 0 else None


def _hand_off(layer: Layer, number: int, place: ZoneInfo) -> dt.datetime:
    return _moment(layer.start + number * layer.every_days * DAY, layer.hand_off, place)


def _is_on(layer: Layer, place: ZoneInfo, moment: dt.datetime) -> bool:
    if not layer.restrictions:
        return True
    today = moment.astimezone(place).date()
    for restriction in layer.restrictions:
        for day in (today - DAY, today, today + DAY):
            if _WEEK[day.weekday()] in restriction.days:
                opens, closes = _hours(restriction, day, place)
                if opens <= moment < closes:
                    return True
    return False


def _hours(restriction: Restriction, day: dt.date, place: ZoneInfo) -> tuple[dt.datetime, dt.datetime]:
    """Return when a restriction that starts on `day` opens and closes."""
    overnight = restriction.end <= restriction.start  # HH:MM compares as text
    return (
        _moment(day, restriction.start, place),
        _moment(day + DAY if overnight else day, restriction.end, place),
    )


@lru_cache(maxsize=4096)
def _moment(day: dt.date, clock: str, place: ZoneInfo) -> dt.datetime:
    """Return when the wall clock in `place` shows `clock` on `day`, in UTC; jumped over means at the jump."""
    wall = dt.datetime.combine(day, dt.time.fromisoformat(clock))
    moment = wall.replace(tzinfo=place).astimezone(UTC)
    if moment.astimezone(place).replace(tzinfo=None) == wall:
        return moment
    return _jump(wall, place)


def _jump(wall: dt.datetime, place: ZoneInfo) -> dt.datetime:
    """Return the moment at which the wall clock jumps over `wall`: no clock in `place` ever shows it."""
    # PEP 495: inside a gap the two folds lie on either side of the jump.
    after, before = (wall.replace(tzinfo=place, fold=fold).astimezone(UTC) for fold in (0, 1))
    low, high = min(before, after), max(before, after)
    while high - low > dt.timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(place).replace(tzinfo=None) < wall:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)
