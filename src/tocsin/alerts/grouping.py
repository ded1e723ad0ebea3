"""Groups: alerts that belong together, and when people are told of them (COR-1).

The words and the defaults are Alertmanager's: wait, interval, repeat. One pure function decides whether to
tell, and returns the reason, which is shown in the message. A group holds counts instead of its members, so
a storm of 100,000 alerts costs the same per alert as the first.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from enum import StrEnum

import msgspec

from tocsin.alerts.alert import Alert
from tocsin.kernel.severity import paging_rank

SUBJECT_LABELS = ("system", "service", "model", "job")
"""Labels that name what an alert is about, when the catalog does not know it; the first present counts."""

LONGEST_KEY = 240


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """When people are told of a group."""

    wait: dt.timedelta = dt.timedelta(0)
    """How long a new group waits for company before the first word."""
    interval: dt.timedelta = dt.timedelta(minutes=5)
    """How long at least between two words about one group; also how long a quiet group stays open."""
    repeat: dt.timedelta = dt.timedelta(hours=4)
    """After how long an unchanged group that still fires is told again."""


DEFAULT_TIMING = Timing()


class Reason(StrEnum):
    """Why people are told of a group now."""

    FIRST = "first"
    WORSE = "worse"
    NEW_ALERTS = "new_alerts"
    FIRES_AGAIN = "fires_again"
    SOME_RESOLVED = "some_resolved"
    ALL_RESOLVED = "all_resolved"
    REPEAT = "repeat"


class Group(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One episode of a group: from its first firing alert until it has been quiet for an interval.

    At most one episode of a key is open at a time.
    """

    key: str
    labels: dict[str, str]
    """What its alerts have in common, and why they are one group."""
    system: str | None = None
    category: str | None = None
    opened_at: dt.datetime
    updated_at: dt.datetime
    """When an alert in it last began or ended."""
    closed_at: dt.datetime | None = None
    firing: int = 0
    """How many of its alerts fire now."""
    alerts: int = 0
    """How many alerts (episodes of them) have joined."""
    rank: int = 3
    """The worst rank that any of its alerts pages at."""
    told_at: dt.datetime | None = None
    told_firing: int = 0
    told_rank: int = 3
    fresh: int = 0
    """Alerts that began to fire since people were told."""
    ended: int = 0
    """Alerts that ended since people were told."""

    @property
    def open(self) -> bool:
        """Whether alerts still join this episode."""
        return self.closed_at is None


def group_labels(alert: Alert, by: tuple[str, ...] | None = None) -> dict[str, str]:
    """Return what `alert` is grouped by.

    by: label names to group by. By default a known system's alerts of one category are one group; an alert
    about something unknown groups by its name, its subject and its category.
    """
    if by is not None:
        return {name: alert.labels[name] for name in by if name in alert.labels}
    labels = {"system": alert.system, "category": alert.category}
    if alert.system is None:
        subject = next((name for name in SUBJECT_LABELS if name in alert.labels), None)
        labels |= {subject: alert.labels[subject]} if subject else {}
    if alert.system is None or alert.category is None:
        labels["alertname"] = alert.labels.get("alertname") or alert.title
    return {name: value for name, value in labels.items() if value}


def group_key(labels: dict[str, str]) -> str:
    """Return the key of a group: readable, unambiguous, at most 240 characters."""
    key = ",".join(f"{name}={value!r}" for name, value in sorted(labels.items()))
    if len(key) <= LONGEST_KEY and key.isascii():
        return key
    digest = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
    return f"{key.encode('ascii', 'replace').decode()[: LONGEST_KEY - 34]}#{digest}"


def join(
    group: Group | None,
    before: Alert | None,
    after: Alert,
    now: dt.datetime,
    by: tuple[str, ...] | None = None,
) -> Group | None:
    """Return the open group of an alert that changed from `before` to `after` at `now`.

    group: the open episode of the alert's key, or None. None comes back when there is none and the alert
    does not fire: what ended unseen opens no group.
    """
    if group is None or not group.open:
        if not after.firing:
            return group
        group, before = _opened(after, now, by), None
    fired = before is not None and before.firing
    begins = after.firing and (before is None or not fired or before.episode != after.episode)
    ends = fired and not after.firing
    joins = begins and (before is None or before.episode != after.episode)
    return msgspec.structs.replace(
        group,
        firing=max(0, group.firing + after.firing - fired),
        alerts=group.alerts + joins,
        rank=min(group.rank, paging_rank(after.severity)) if after.firing else group.rank,
        fresh=group.fresh + begins,
        ended=group.ended + ends,
        updated_at=now if begins or ends else group.updated_at,
    )


def _opened(alert: Alert, now: dt.datetime, by: tuple[str, ...] | None) -> Group:
    labels = group_labels(alert, by)
    return Group(
        key=group_key(labels),
        labels=labels,
        system=alert.system,
        category=alert.category,
        opened_at=now,
        updated_at=now,
    )


def needs_telling(group: Group, now: dt.datetime, timing: Timing = DEFAULT_TIMING) -> Reason | None:
    """Return why people are to be told of `group` at `now`, or None.

    A group that became worse is told at once; everything else waits for the interval.
    """
    if not group.open:
        return None
    if group.told_at is None:
        return Reason.FIRST if group.firing and now >= group.opened_at + timing.wait else None
    if group.firing and group.rank < group.told_rank:
        return Reason.WORSE
    if now < group.told_at + timing.interval:
        return None
    return _change(group) or _repeat(group, now, timing)


def _change(group: Group) -> Reason | None:
    """Return what has changed since people were told, the most telling first."""
    if not group.firing:
        return Reason.ALL_RESOLVED if group.told_firing else None
    if not group.told_firing:
        return Reason.FIRES_AGAIN
    if group.fresh:
        return Reason.NEW_ALERTS
    return Reason.SOME_RESOLVED if group.ended else None


def _repeat(group: Group, now: dt.datetime, timing: Timing) -> Reason | None:
    due = group.told_at is not None and now >= group.told_at + timing.repeat
    return Reason.REPEAT if group.firing and due else None


def next_look(group: Group, timing: Timing = DEFAULT_TIMING) -> dt.datetime | None:
    """Return when `group` is to be looked at again if no alert changes it: to tell people, or to close it.

    None: never, because it is closed.
    """
    if not group.open:
        return None
    if group.told_at is None:
        return group.opened_at + timing.wait if group.firing else group.updated_at + timing.interval
    if group.firing and group.rank < group.told_rank:
        return group.told_at
    if _change(group) is not None:
        return group.told_at + timing.interval
    if group.firing:
        return group.told_at + max(timing.repeat, timing.interval)
    return group.updated_at + timing.interval


def told(group: Group, now: dt.datetime) -> Group:
    """Return `group` after people were told of it at `now`."""
    return msgspec.structs.replace(
        group, told_at=now, told_firing=group.firing, told_rank=group.rank, fresh=0, ended=0
    )


def quiet(group: Group, now: dt.datetime, timing: Timing = DEFAULT_TIMING) -> bool:
    """Say whether `group` may close at `now`: nothing fires, nothing is left to tell, an interval has passed."""
    if group.firing or not group.open or (group.told_at is not None and group.told_firing):
        return False
    return now >= group.updated_at + timing.interval


def close(group: Group, now: dt.datetime, timing: Timing = DEFAULT_TIMING) -> Group:
    """Return `group` closed at `now` if it is quiet, else unchanged; its key's next alert opens a new episode."""
    return msgspec.structs.replace(group, closed_at=now) if quiet(group, now, timing) else group


def why_grouped(group: Group) -> str:
    """Return, for people, why the alerts of `group` are one group."""
    common = " and ".join(f"{name} {value}" for name, value in sorted(group.labels.items()))
    if not common:
        return "All alerts are one group: grouping by no label was chosen."
    if group.alerts <= 1:
        return f"Alerts with {common} come together in this group."
    return f"These {group.alerts} alerts are one group because they share {common}."


SENTENCES: dict[Reason, str] = {
    Reason.FIRST: "First word of this group: {firing} firing.",
    Reason.WORSE: "It became worse: {firing} firing.",
    Reason.NEW_ALERTS: "{fresh} more began, {firing} firing in all.",
    Reason.FIRES_AGAIN: "It fires again: {firing} firing.",
    Reason.SOME_RESOLVED: "{ended} ended, {firing} still firing.",
    Reason.ALL_RESOLVED: "All have ended.",
    Reason.REPEAT: "Nothing has changed: {firing} still firing.",
}


def why_told(group: Group, reason: Reason) -> str:
    """Return `reason` as a sentence about `group`; call it before `told`."""
    return SENTENCES[reason].format(firing=group.firing, fresh=group.fresh, ended=group.ended)
