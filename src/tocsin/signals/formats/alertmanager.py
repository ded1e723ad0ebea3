"""Alertmanager's API v2: `POST /api/v2/alerts` read, `GET /api/v2/alerts` written (SIG-1).

Facts, measured on Alertmanager 0.25.0 and read in its code at 0.34.0 (api/v2/api.go, alert/alert.go):
unknown fields and nulls count as absent; label names follow UTF-8 mode; `startsAt` defaults to now, or to
`endsAt`; `endsAt` defaults to now + resolve_timeout; a body with one bad alert is answered 400 and its good
alerts are stored. One thing is kinder here: a wrong type in one alert does not lose its neighbours either.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, cast

import msgspec

from tocsin.kernel.clock import UTC
from tocsin.kernel.errors import Invalid, Malformed, TocsinError
from tocsin.signals.formats.decoding import (
    NUL_ESCAPE,
    load,
    read_time,
    repaired,
    set_time,
    within_limit,
)  # fmt: skip
from tocsin.signals.reported import Batch, Reply, ReportedAlert, Verdict

SOURCE = "alertmanager"
RESOLVE_TIMEOUT = dt.timedelta(minutes=5)
"""Alertmanager's default `resolve_timeout`: how long an alert without an end fires when nobody re-sends it."""

MAX_ALERTS = 10_000
Name = Annotated[str, msgspec.Meta(max_length=1024)]
LabelValue = Annotated[str, msgspec.Meta(max_length=4096)]
AnnotationValue = Annotated[str, msgspec.Meta(max_length=65_536)]
Labels = Annotated[dict[Name, LabelValue | None], msgspec.Meta(max_length=128)]
Annotations = Annotated[dict[Name, AnnotationValue | None], msgspec.Meta(max_length=128)]
Url = Annotated[str, msgspec.Meta(max_length=8192)]

FAULTS_SHOWN = 20
"""How many faults an answer names; all of them are in the batch."""

NO_LABELS, NOT_A_URI, NOT_READABLE = 602, 601, 400
"""Codes of Alertmanager's own validation (go-openapi), and of what it cannot decode."""
RULE = 0
"""Stands for a rule on one alert: Alertmanager answers those with a bare JSON string and no code."""


class NotAlerts(Malformed):
    """The body is no JSON array of alerts."""


class NoBody(Invalid):
    """There is no body at all."""


class WrongMediaType(Malformed):
    """The Content-Type is not `application/json`."""

    status = 415


class _Posted(msgspec.Struct, gc=False):
    labels: Labels | None = None
    annotations: Annotations | None = None
    startsAt: dt.datetime | None = None
    endsAt: dt.datetime | None = None
    generatorURL: Url | None = None


class _Fault(Exception):
    """One alert cannot be kept; turned into a verdict within this file."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


_quick = msgspec.json.Decoder(list[_Posted] | None)
_uri = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.\-]*:|/|\*\Z)[^\x00-\x1f\x7f]*\Z").match


def check_media_type(content_type: str | None) -> None:
    """Raise `WrongMediaType` unless `content_type` is JSON; Alertmanager takes a missing one as binary."""
    kind = (content_type or "application/octet-stream").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise WrongMediaType(f'unsupported media type "{kind}", only [application/json] are allowed')


def parse(body: bytes, now: dt.datetime, *, resolve_timeout: dt.timedelta = RESOLVE_TIMEOUT) -> Batch:
    """Return the reports in `body` (a JSON array of alerts received at `now`) and a verdict per bad alert.

    The same body and `now` always give the same batch, so a stored body can be read again later.

    Raises:
        NoBody: the body is empty.  NotAlerts: it is no JSON array, or holds more than `MAX_ALERTS`.
        TooLarge: it has too many bytes.
    """
    within_limit(body)
    if not body.strip():
        raise NoBody("alerts in body is required")
    posted, refused = _decoded(body)
    if len(posted) + len(refused) > MAX_ALERTS:
        raise NotAlerts(f"a body may hold at most {MAX_ALERTS} alerts")
    alerts: list[ReportedAlert] = []
    for index, one in posted:
        try:
            alerts.append(_report(one, now, resolve_timeout))
        except _Fault as fault:
            refused.append(Verdict(index=index, reason=fault.reason, code=fault.code))
    refused.sort(key=_place)
    return Batch(alerts=tuple(alerts), refused=tuple(refused))


def _place(verdict: Verdict) -> int:
    return verdict.index


def _decoded(body: bytes) -> tuple[list[tuple[int, _Posted]], list[Verdict]]:
    """Decode the whole body at once; only when that fails, look at each alert by itself."""
    if NUL_ESCAPE not in body:
        try:
            return list(enumerate(_quick.decode(body) or ())), []
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass
    posted: list[tuple[int, _Posted]] = []
    refused: list[Verdict] = []
    for index, item in enumerate(_items(body)):
        try:
            posted.append((index, _posted(repaired(item))))
        except (msgspec.ValidationError, Malformed) as error:
            refused.append(Verdict(index=index, reason=str(error), code=NOT_READABLE))
    return posted, refused


def _items(body: bytes) -> list[object]:
    try:
        value = load(body)
    except Malformed as error:
        raise NotAlerts(error.why) from error
    if not isinstance(value, list):
        raise NotAlerts("the body is not an array of alerts")
    return value


def _posted(item: object) -> _Posted:
    """Convert one alert, with its times in any spelling that `read_time` knows."""
    if not isinstance(item, dict):
        raise Malformed("an alert must be an object")
    times = {name: _time_of(item.get(name), name) for name in ("startsAt", "endsAt")}
    return msgspec.convert({**item, **times}, _Posted)


def _time_of(value: object, name: str) -> dt.datetime | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise Malformed(f"{name} must be text")
    return read_time(value)


def _report(posted: _Posted, now: dt.datetime, resolve_timeout: dt.timedelta) -> ReportedAlert:
    """Return what `posted` reports; raise `_Fault` when a rule forbids it."""
    if posted.labels is None:
        raise _Fault(NO_LABELS, "labels in body is required")
    url = posted.generatorURL or ""
    if url and not _uri(url):
        raise _Fault(NOT_A_URI, f"generatorURL in body must be of type uri: {_quoted(url)}")
    starts, ends, given, timeout = _times(posted, now, resolve_timeout)
    labels = _labels(posted.labels)
    annotations = _annotations(posted.annotations)
    return ReportedAlert(
        source=SOURCE,
        labels=labels,
        annotations=annotations,
        title=annotations.get("summary") or labels.get("alertname") or "",
        starts_at=starts,
        starts_given=given,
        ends_at=ends,
        timeout=timeout,
        resolved=ends <= now,
        generator_url=url,
        sender_severity=labels.get("severity", ""),
    )


def _times(
    posted: _Posted, now: dt.datetime, resolve_timeout: dt.timedelta
) -> tuple[dt.datetime, dt.datetime, bool, bool]:
    """Return (starts, ends, whether the start was given, whether the end is a time-out)."""
    try:
        starts, ends = set_time(posted.startsAt), set_time(posted.endsAt)
    except Malformed as error:
        raise _Fault(NOT_READABLE, error.why) from error
    given, timeout = starts is not None, ends is None
    if ends is None:
        starts, ends = starts or now, now + resolve_timeout
    elif starts is None:
        starts = ends
    if ends < starts:
        raise _Fault(RULE, "start time must be before end time")
    return starts, ends, given, timeout


def _labels(posted: dict[str, str | None]) -> dict[str, str]:
    """Return the labels that have a value: Prometheus takes an empty value for 'no such label'."""
    values = posted.values()
    labels = {k: v for k, v in posted.items() if v} if None in values or "" in values else posted
    if not labels:
        raise _Fault(RULE, "at least one label pair required")
    if "" in labels:
        raise _Fault(RULE, 'invalid label set: invalid name ""')
    return cast("dict[str, str]", labels)


def _annotations(posted: dict[str, str | None] | None) -> dict[str, str]:
    if not posted:
        return {}
    if "" in posted:
        raise _Fault(RULE, 'invalid annotations: invalid name ""')
    if None in posted.values():
        return {name: value or "" for name, value in posted.items()}
    return cast("dict[str, str]", posted)


def _quoted(text: str) -> str:
    return json.dumps(text[:200], ensure_ascii=False)


def reply_to(batch: Batch) -> Reply:
    """Return Alertmanager's answer to `batch`: 200, or the first kind of fault that Alertmanager would meet.

    With one alert in the body the words are Alertmanager's own; with several, each fault names its index.
    """
    if not batch.refused:
        return Reply(status=200)
    unreadable = [one for one in batch.refused if one.code == NOT_READABLE]
    if unreadable:
        return _coded(400, NOT_READABLE, f"{_PARSING}{_listed(unreadable, batch)}")
    coded = [one for one in batch.refused if one.code != RULE]
    if coded:
        return _coded(422, coded[0].code, _lines([f"{one.index}.{one.reason}" for one in coded]))
    text = _listed(batch.refused, batch)
    return Reply(status=400, body=msgspec.json.encode(text) + b"\n")


_PARSING = 'parsing alerts body from "" failed, because '


def _listed(refused: Sequence[Verdict], batch: Batch) -> str:
    if batch.size == 1:
        return refused[0].reason
    return _lines([f"alert {one.index}: {one.reason}" for one in refused])


def _lines(lines: list[str]) -> str:
    more = len(lines) - FAULTS_SHOWN
    return "\n".join(lines if more <= 0 else [*lines[:FAULTS_SHOWN], f"and {more} more"])


def _coded(status: int, code: int, message: str) -> Reply:
    return Reply(status=status, body=msgspec.json.encode({"code": code, "message": message}))


def refusal(error: TocsinError) -> Reply:
    """Return the answer, in Alertmanager's shape, to a request of which nothing can be kept."""
    if isinstance(error, NoBody):
        return _coded(422, NO_LABELS, error.why)
    if isinstance(error, NotAlerts):
        return _coded(400, NOT_READABLE, _PARSING + error.why)
    return _coded(error.status, error.status, str(error))


# --- what dashboards and amtool read --------------------------------------------------------------


class ReceiverName(msgspec.Struct, frozen=True, kw_only=True):
    """Who an alert goes to."""

    name: str


class AlertStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Whether people hear of the alert. The lists are never null: clients walk them unchecked."""

    state: str
    """`active`, `suppressed` or `unprocessed`."""
    silencedBy: tuple[str, ...] = ()
    inhibitedBy: tuple[str, ...] = ()
    mutedBy: tuple[str, ...] = ()


class GettableAlert(msgspec.Struct, frozen=True, kw_only=True):
    """One element of `GET /api/v2/alerts`."""

    annotations: dict[str, str]
    endsAt: str
    fingerprint: str
    receivers: tuple[ReceiverName, ...]
    startsAt: str
    status: AlertStatus
    updatedAt: str
    labels: dict[str, str]
    generatorURL: str | msgspec.UnsetType = msgspec.UNSET


class GettableGroup(msgspec.Struct, frozen=True, kw_only=True):
    """One element of `GET /api/v2/alerts/groups`."""

    alerts: tuple[GettableAlert, ...]
    labels: dict[str, str]
    receiver: ReceiverName


def gettable(
    *,
    labels: dict[str, str],
    annotations: dict[str, str],
    starts_at: dt.datetime,
    ends_at: dt.datetime,
    updated_at: dt.datetime,
    receivers: Iterable[str],
    generator_url: str = "",
    silenced_by: tuple[str, ...] = (),
    inhibited_by: tuple[str, ...] = (),
) -> GettableAlert:
    """Return one alert as Alertmanager shows it; silenced or inhibited alerts are `suppressed`."""
    return GettableAlert(
        annotations=annotations,
        endsAt=wire_time(ends_at),
        fingerprint=fingerprint(labels),
        receivers=tuple(ReceiverName(name=name) for name in receivers),
        startsAt=wire_time(starts_at),
        status=AlertStatus(
            state="suppressed" if silenced_by or inhibited_by else "active",
            silencedBy=silenced_by,
            inhibitedBy=inhibited_by,
        ),
        updatedAt=wire_time(updated_at),
        labels=labels,
        generatorURL=generator_url or msgspec.UNSET,
    )


def wire_time(moment: dt.datetime) -> str:
    """Return `moment` as Alertmanager writes times: UTC, three decimals, `Z`."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


_OFFSET, _PRIME, _MASK = 14695981039346656037, 1099511628211, 2**64 - 1


def fingerprint(labels: dict[str, str]) -> str:
    """Return the fingerprint that Prometheus and Alertmanager show for a label set: 64-bit FNV-1a as hex.

    For display only. At 20 us it is too slow, and at 64 bits too easy to forge, to be the identity here.
    """
    value = _OFFSET
    for name in sorted(labels):
        for byte in b"%b\xff%b\xff" % (name.encode(), labels[name].encode()):
            value = (value ^ byte) * _PRIME & _MASK
    return f"{value:016x}"
