"""The alarm of a monitor: when readings become an alarm, and when it ends.

One reading beyond a threshold may be chance, and a figure that hovers around it would ring all night. So an
alarm is raised when `enter_k` of the last `enter_n` readings are a breach; it ends when `enter_k` readings in
a row are calm, that is beyond the exit threshold on the good side; and then it rests for a while before it is
raised again. A reading that cannot tell ('insufficient') is neither: it raises nothing and ends nothing.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Literal

import msgspec

from tocsin.catalog.monitor import Monitor
from tocsin.signals.reading import Reading

Mark = Literal["breach", "between", "calm", "insufficient"]
"""What a reading counts as. 'between' is no breach, and not calm either."""

Kind = Literal["none", "raised", "held", "ended"]


class AlarmState(msgspec.Struct, frozen=True, kw_only=True):
    """What an alarm remembers between readings."""

    raised: bool = False
    since: dt.datetime | None = None
    """When it was raised; None while it is quiet."""
    marks: tuple[Mark, ...] = ()
    """The last readings, oldest first."""
    rests_until: dt.datetime | None = None
    """It is not raised again before this."""
    last_at: dt.datetime | None = None
    """When the last reading was taken."""


QUIET = AlarmState()
"""An alarm that has seen nothing yet."""


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """What a reading did to the alarm.

    none: nothing to tell. raised: it starts. held: it goes on (tell again, so that it does not time out).
    ended: it is over.
    """

    kind: Kind
    why: str


def step(state: AlarmState, reading: Reading, monitor: Monitor) -> tuple[AlarmState, Transition]:
    """Return the alarm after one more reading, and what has changed.

    A reading that is not newer than the last one changes nothing, so a job may run twice.
    """
    if state.last_at is not None and reading.at <= state.last_at:
        return state, Transition(kind="none", why="This reading was counted before.")
    mark = mark_of(reading, monitor)
    marks = (*state.marks, mark)[-max(monitor.enter_n, monitor.enter_k) :]
    state = msgspec.structs.replace(state, marks=marks, last_at=reading.at)
    if state.raised:
        return _end_or_hold(state, reading, monitor)
    return _raise_or_wait(state, reading, monitor)


def mark_of(reading: Reading, monitor: Monitor) -> Mark:
    """Return what a reading counts as."""
    if reading.state != "ok":
        return reading.state
    if reading.value is None:
        return "insufficient"
    leave = Decimal(monitor.exit_threshold or monitor.threshold)
    calm = reading.value <= leave if reading.direction == "above" else reading.value >= leave
    return "calm" if calm else "between"


def rest_seconds(monitor: Monitor) -> int:
    """Return how long an ended alarm rests: one window, in which the old readings still echo."""
    return monitor.window_seconds


def _raise_or_wait(state: AlarmState, reading: Reading, monitor: Monitor) -> tuple[AlarmState, Transition]:
    breaches = state.marks[-monitor.enter_n :].count("breach")
    told = f"{breaches} of the last {len(state.marks[-monitor.enter_n :])} readings are beyond the threshold"
    if breaches < monitor.enter_k or state.marks[-1] != "breach":
        return state, Transition(
            kind="none", why=f"{told}; {monitor.enter_k} of {monitor.enter_n} raise the alarm."
        )
    if state.rests_until is not None and reading.at < state.rests_until:
        return state, Transition(kind="none", why=f"{told}, but the alarm ended a short while ago and rests.")
    raised = msgspec.structs.replace(state, raised=True, since=reading.at, rests_until=None)
    return raised, Transition(kind="raised", why=f"{told}.")


def _end_or_hold(state: AlarmState, reading: Reading, monitor: Monitor) -> tuple[AlarmState, Transition]:
    last = state.marks[-monitor.enter_k :]
    if len(last) < monitor.enter_k or any(mark != "calm" for mark in last):
        return state, Transition(kind="held", why=f"The last reading is '{last[-1]}'; the alarm goes on.")
    ended = msgspec.structs.replace(
        state,
        raised=False,
        since=None,
        marks=(),
        rests_until=reading.at + dt.timedelta(seconds=rest_seconds(monitor)),
    )
    return ended, Transition(kind="ended", why=f"{monitor.enter_k} calm readings in a row.")
