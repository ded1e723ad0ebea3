"""On-call schedules: layers of rotations, restrictions and overrides (TEAM-2). Who is on call is computed elsewhere."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

import msgspec

from tocsin.catalog.document import ClockText, Document, Id, Part, Title

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

Moment = Annotated[dt.datetime, msgspec.Meta(tz=True)]


class Restriction(Part, frozen=True, kw_only=True):
    """Hours in which a layer is on. An end at or before the start runs into the next day."""

    days: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    """The days on which it starts."""
    start: ClockText = "00:00"
    """When it starts, in the schedule's zone."""
    end: ClockText = "00:00"
    """When it ends; 00:00 to 00:00 is the whole day."""


class Layer(Part, frozen=True, kw_only=True):
    """One rotation. A later layer in the list covers the earlier ones while it is on."""

    id: Id
    """Its name within the schedule."""
    people: tuple[Id, ...]
    """Who takes turns, in order."""
    start: dt.date
    """The day the first person's first turn begins."""
    hand_off: ClockText = "09:00"
    """The time of day at which turns change, in the schedule's zone."""
    every_days: Annotated[int, msgspec.Meta(ge=1, le=366)] = 7
    """How long a turn is, in days by the calendar."""
    restrictions: tuple[Restriction, ...] = ()
    """When the layer is on; empty means always."""


class Override(Part, frozen=True, kw_only=True):
    """A person who stands in from `start` until `end`, whatever the layers say."""

    person: Id
    """Who stands in."""
    start: Moment
    """From when, with an offset."""
    end: Moment
    """Until when, with an offset; not included."""
    reason: str = ""
    """Why."""


class Schedule(Document, frozen=True, kw_only=True):
    """Who is on call when."""

    name: Title
    """What people call it."""
    time_zone: str
    """The zone in which hand-offs and restrictions are meant, such as `Europe/Berlin`."""
    layers: tuple[Layer, ...]
    """The rotations; a later one covers an earlier one."""
    overrides: tuple[Override, ...] = ()
    """Planned stand-ins; a later one covers an earlier one."""
