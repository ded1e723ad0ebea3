"""What our own monitors write into the inbox: one canonical JSON object per turn of a monitor (DET-8).

A monitor goes the same way as every other sender, so that its word is kept as bytes before anything follows
from it. It says the reading, the threshold and why that threshold, and the facts that hold when it fires.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

import msgspec

from tocsin.kernel import canonical
from tocsin.kernel.clock import aware
from tocsin.kernel.errors import Malformed
from tocsin.signals.formats.decoding import NUL_ESCAPE, within_limit
from tocsin.signals.reported import Fact, ReportedAlert

SOURCE = "monitor"
MAX_BODY_BYTES = 256 * 1024

Word = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class MonitorAlert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One turn of a monitor: it began to fire, still fires, or has ended."""

    monitor: Word
    """The monitor's id."""
    system: Word
    """The system it watches."""
    category: Word
    """The category of an incident that it would cause."""
    dimension: Word
    """performance, data_quality, fairness, operations, ..."""
    title: Word
    """What it watches, in one line."""
    state: Literal["firing", "ended"]
    at: dt.datetime
    """When the monitor decided, aware."""
    since: dt.datetime | None = None
    """When the condition began: the start of the first window beyond the threshold."""
    reading: str
    """What was measured, as a sentence."""
    figures: dict[str, str] = {}
    """Name to exact figure, as decimal text."""
    facts: dict[str, Fact] = {}
    """Facts that hold while it fires, by the names of the vocabulary."""
    threshold: str = ""
    """The figure beyond which it fires, as decimal text."""
    unit: str = ""
    why: str = ""
    """Why this threshold and no other."""
    segment: str = ""
    """The part of the population it speaks of; empty means all. Part of the identity."""
    model_version: str = ""
    severity: str = ""
    """A word of the severity mapping for monitors, when the monitor has an opinion."""
    evidence: tuple[str, ...] = ()
    """References to the windows that were read."""


_decode = msgspec.json.Decoder(MonitorAlert).decode


def encode(alert: MonitorAlert) -> bytes:
    """Return the canonical bytes of `alert`: what the inbox holds."""
    return canonical.encode(msgspec.to_builtins(alert))


def decode(body: bytes) -> MonitorAlert:
    """Return the alert that `encode` wrote.

    Raises:
        Malformed: anything else, a time without a zone included.  TooLarge: too many bytes.
    """
    within_limit(body, MAX_BODY_BYTES)
    if NUL_ESCAPE in body:
        raise Malformed("Not a monitor's alert: it holds a NUL character.")
    try:
        alert = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"Not a monitor's alert: {error}.") from error
    if alert.at.tzinfo is None or (alert.since is not None and alert.since.tzinfo is None):
        raise Malformed("Not a monitor's alert: a time has no zone.")
    return alert


def parse(body: bytes, now: dt.datetime) -> ReportedAlert:
    """Return what the monitor reported in `body`, received at `now`; raise as `decode` does."""
    return report(decode(body), now)


def report(alert: MonitorAlert, now: dt.datetime) -> ReportedAlert:
    """Return `alert` in the shape of every other report. It has no time-out: a monitor says when it is over."""
    ended = alert.state == "ended"
    try:
        at, since = aware(alert.at), aware(alert.since or alert.at)
    except OverflowError as error:
        raise Malformed("Not a monitor's alert: a time lies outside the years 1 to 9999.") from error
    return ReportedAlert(
        source=SOURCE,
        labels=_labels(alert),
        annotations=_annotations(alert),
        title=alert.title,
        starts_at=min(since, at),
        starts_given=alert.since is not None,
        ends_at=min(at, now) if ended else None,
        resolved=ended,
        sender_severity=alert.severity,
        facts={} if ended else alert.facts,
        evidence=alert.evidence,
    )


def _labels(alert: MonitorAlert) -> dict[str, str]:
    """Return the identity: which monitor on what. The model version is not in it, or a roll-back would leave it firing."""
    labels = {
        "alertname": alert.monitor,
        "system": alert.system,
        "category": alert.category,
        "dimension": alert.dimension,
        "segment": alert.segment,
    }
    return {name: value for name, value in labels.items() if value}


def _annotations(alert: MonitorAlert) -> dict[str, str]:
    texts = {
        "summary": alert.reading,
        "threshold": f"{alert.threshold} {alert.unit}".strip(),
        "why": alert.why,
        "model_version": alert.model_version,
    }
    texts |= {f"figure.{name}": value for name, value in alert.figures.items()}
    return {name: text for name, text in texts.items() if text}
