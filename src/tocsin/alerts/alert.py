"""An alert: one condition that asks for attention, and how the reports of it become one row (COR-1).

Merging follows Alertmanager (alert/alert.go Merge, provider/mem Put): the earliest start, an explicit end
beats a time-out, the last annotations. Added here: an alert that fires again after its end is a new episode,
and a late word about an earlier episode does not end the present one.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from enum import StrEnum
from typing import Literal

import msgspec

from tocsin.kernel.severity import Severity
from tocsin.signals.reported import Fact, ReportedAlert

Status = Literal["firing", "resolved", "expired"]
"""`expired`: nobody reported it again before its end; `resolved`: someone said that it ended."""


class Change(StrEnum):
    """What one report changed."""

    OPENED = "opened"
    """First report of a condition that holds."""
    REPEATED = "repeated"
    """Nothing that people see has changed."""
    UPDATED = "updated"
    """Still firing or still ended, but text, facts or severity differ."""
    RESOLVED = "resolved"
    """It ended, and someone said so."""
    EXPIRED = "expired"
    """Nobody reported it again in time."""
    REFIRED = "refired"
    """It had ended and fires again: a new episode."""
    REOPENED = "reopened"
    """It had ended, but the sender says that it never did: the same episode goes on."""
    ACKNOWLEDGED = "acknowledged"
    """Someone has seen it."""
    ENDED_UNSEEN = "ended_unseen"
    """It had ended before the first report of it: recorded, and nobody is paged."""
    STALE = "stale"
    """A late word about an earlier episode: nothing changed."""
    DROPPED = "dropped"
    """An acknowledgement without a firing alert, or a second resolve by dedup key: nothing changed."""

    @property
    def starts_firing(self) -> bool:
        """Whether the alert fires now and did not before."""
        return self in (Change.OPENED, Change.REFIRED, Change.REOPENED)

    @property
    def stops_firing(self) -> bool:
        """Whether the alert fired before and does not now."""
        return self in (Change.RESOLVED, Change.EXPIRED)


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """Where a condition belongs, read from its report by the catalog's mappings."""

    system: str | None = None
    category: str | None = None
    severity: Severity = None


NOWHERE = Placement()


class Alert(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One condition, as its reports tell it. Every field fits a column of one row."""

    fingerprint: str
    """Identity: 32 hex digits, see `fingerprint`."""
    source: str
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    title: str = ""
    status: Status
    episode: int = 1
    """Counts how often the condition began; the row shows the latest episode."""
    starts_at: dt.datetime
    """When this episode began, as the sender says."""
    ends_at: dt.datetime | None = None
    """When it ended, or will expire when nobody reports it again. None: it lasts until resolved."""
    timeout: bool = False
    """Whether `ends_at` is a time-out set on receipt."""
    first_seen: dt.datetime
    """When the first report of this episode was received."""
    last_seen: dt.datetime
    """When the last report was received."""
    count: int = 1
    """How many reports said that this episode's condition holds."""
    severity: Severity = None
    sender_severity: str = ""
    system: str | None = None
    category: str | None = None
    acknowledged_by: str | None = None
    acknowledged_at: dt.datetime | None = None
    generator_url: str = ""
    facts: dict[str, Fact] = {}
    evidence: tuple[str, ...] = ()

    @property
    def firing(self) -> bool:
        """Whether the condition holds as far as anyone knows."""
        return self.status == "firing"

    @property
    def began_at(self) -> dt.datetime:
        """When the condition began at the latest: a sender's start may lie in the future."""
        return min(self.starts_at, self.first_seen)


_canonical = msgspec.json.Encoder(order="deterministic").encode


def fingerprint(reported: ReportedAlert) -> str:
    """Return the identity of the condition: BLAKE2b-128 (RFC 7693) of its label set, as 32 hex digits.

    As in Alertmanager, equal label sets are one alert, from whichever sender or format. A sender with an
    identity of its own (PagerDuty's dedup key) is identified by that instead.
    """
    identity = (reported.source, reported.dedup) if reported.dedup else reported.labels
    return hashlib.blake2b(_canonical(identity), digest_size=16).hexdigest()


def merge(
    existing: Alert | None, reported: ReportedAlert, now: dt.datetime, placement: Placement = NOWHERE
) -> tuple[Alert | None, Change]:
    """Return the alert after `reported`, received at `now`, and what changed.

    existing: the alert with the fingerprint of `reported`, or None when there is none. The result is None
    only for an acknowledgement of an alert that does not exist.
    """
    if reported.acknowledged:
        return _acknowledged(existing, now)
    if reported.resolved:
        return _ended(existing, reported, now, placement)
    if existing is None:
        return _episode(None, reported, now, placement), Change.OPENED
    return _fires(existing, reported, now, placement)


def _acknowledged(existing: Alert | None, now: dt.datetime) -> tuple[Alert | None, Change]:
    if existing is None or not existing.firing:
        return existing, Change.DROPPED
    return acknowledge(existing, existing.source, now)


def acknowledge(alert: Alert, by: str, now: dt.datetime) -> tuple[Alert, Change]:
    """Return `alert` as seen by `by`; the first to see it stays named."""
    if alert.acknowledged_by is not None:
        return alert, Change.REPEATED
    return msgspec.structs.replace(alert, acknowledged_by=by, acknowledged_at=now), Change.ACKNOWLEDGED


def expired(alert: Alert, now: dt.datetime) -> bool:
    """Say whether `alert` still counts as firing although its end has passed at `now`."""
    return alert.status == "firing" and alert.ends_at is not None and alert.ends_at <= now


def expire(alert: Alert, now: dt.datetime) -> tuple[Alert, Change]:
    """Return `alert` as it stands at `now` when nobody reported it again."""
    if not expired(alert, now):
        return alert, Change.REPEATED
    return msgspec.structs.replace(alert, status="expired"), Change.EXPIRED


def _fires(
    existing: Alert, reported: ReportedAlert, now: dt.datetime, placement: Placement
) -> tuple[Alert, Change]:
    """Merge a report that the condition holds."""
    if not existing.firing or expired(existing, now):
        if not _same_episode(existing, reported):
            return _episode(existing, reported, now, placement), Change.REFIRED
        alert = _continued(existing, reported, now, placement)
        return alert, _difference(existing, alert) if existing.firing else Change.REOPENED
    alert = _continued(existing, reported, now, placement)
    return alert, _difference(existing, alert)


def _same_episode(existing: Alert, reported: ReportedAlert) -> bool:
    """Say whether the sender itself puts the start of an ended alert's new report before that end."""
    return reported.starts_given and (existing.ends_at is None or reported.starts_at <= existing.ends_at)


def _difference(before: Alert, after: Alert) -> Change:
    same = (
        before.annotations == after.annotations
        and before.severity == after.severity
        and before.title == after.title
        and before.facts == after.facts
        and before.status == after.status
    )
    return Change.REPEATED if same else Change.UPDATED


def _episode(
    existing: Alert | None, reported: ReportedAlert, now: dt.datetime, placement: Placement
) -> Alert:
    """Return the first state of a new episode."""
    resolved = reported.resolved
    return Alert(
        fingerprint=fingerprint(reported) if existing is None else existing.fingerprint,
        source=reported.source,
        labels=reported.labels or (existing.labels if existing is not None else {}),
        annotations=reported.annotations,
        title=reported.title or (existing.title if existing is not None else reported.dedup),
        status="resolved" if resolved else "firing",
        episode=1 if existing is None else existing.episode + 1,
        starts_at=reported.starts_at,
        ends_at=reported.ends_at,
        timeout=reported.timeout,
        first_seen=now,
        last_seen=now,
        count=0 if resolved else 1,
        severity=placement.severity,
        sender_severity=reported.sender_severity,
        system=placement.system,
        category=placement.category,
        generator_url=reported.generator_url,
        facts=reported.facts,
        evidence=reported.evidence,
    )


def _continued(existing: Alert, reported: ReportedAlert, now: dt.datetime, placement: Placement) -> Alert:
    """Return the present episode after another report that the condition holds.

    What the alert is about (labels, system, category) stays as the episode began, or it would move to another
    group while it fires; what is said of it (title, annotations, severity, facts) is the latest word.
    """
    ends_at, timeout = (
        _later_end(existing, reported) if existing.firing else (reported.ends_at, reported.timeout)
    )
    return Alert(
        fingerprint=existing.fingerprint,
        source=existing.source,
        labels=existing.labels,
        annotations=reported.annotations,
        title=reported.title or existing.title,
        status="firing",
        episode=existing.episode,
        starts_at=min(existing.starts_at, reported.starts_at),
        ends_at=ends_at,
        timeout=timeout,
        first_seen=existing.first_seen,
        last_seen=now,
        count=existing.count + 1,
        severity=placement.severity,
        sender_severity=reported.sender_severity or existing.sender_severity,
        system=existing.system,
        category=existing.category,
        acknowledged_by=existing.acknowledged_by,
        acknowledged_at=existing.acknowledged_at,
        generator_url=reported.generator_url or existing.generator_url,
        facts=reported.facts or existing.facts,
        evidence=reported.evidence or existing.evidence,
    )


def _later_end(existing: Alert, reported: ReportedAlert) -> tuple[dt.datetime | None, bool]:
    """Return the new end and whether it is a time-out: an earlier explicit end stands when it is the later one."""
    if reported.ends_at is None:
        return None, False
    if not existing.timeout and (existing.ends_at is None or existing.ends_at > reported.ends_at):
        return existing.ends_at, False
    return reported.ends_at, reported.timeout


def _ended(
    existing: Alert | None, reported: ReportedAlert, now: dt.datetime, placement: Placement
) -> tuple[Alert, Change]:
    """Merge a report that the condition has ended."""
    ended_at = reported.ends_at or now
    if existing is None or _later_episode(existing, reported):
        return _episode(existing, reported, now, placement), Change.ENDED_UNSEEN
    if existing.firing and reported.starts_given and ended_at < existing.starts_at:
        return existing, Change.STALE
    if reported.dedup and not existing.firing:
        return existing, Change.DROPPED
    if existing.status == "resolved":
        ended_at = max(ended_at, existing.ends_at or ended_at)
    alert = msgspec.structs.replace(
        existing,
        status="resolved",
        starts_at=min(existing.starts_at, reported.starts_at),
        ends_at=max(ended_at, min(existing.starts_at, reported.starts_at)),
        timeout=False,
        last_seen=now,
        annotations=reported.annotations or existing.annotations,
    )
    return alert, Change.RESOLVED if existing.firing else _difference(existing, alert)


def _later_episode(existing: Alert, reported: ReportedAlert) -> bool:
    """Say whether the report tells of an episode that began after the known one had ended."""
    if existing.firing or not reported.starts_given or existing.ends_at is None:
        return False
    return reported.starts_at > existing.ends_at
