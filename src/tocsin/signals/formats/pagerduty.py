"""PagerDuty's Events API v2: `POST /v2/enqueue` and `POST /v2/change/enqueue` (SIG-1).

From PagerDuty's developer documentation (docs/events-API-v2): 202 with the dedup key, or 400 with a list of
errors; the scope of a dedup key is the routing key; an acknowledge or resolve without an open alert is
dropped and still answered 202. Two things are kinder here, because a sender never repeats what got a 400:
any word is accepted as severity, and a summary that is too long is shortened.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Mapping
from typing import cast

import msgspec

from tocsin.kernel.errors import Malformed, TocsinError
from tocsin.signals.formats.decoding import read_carefully, read_time, within_limit
from tocsin.signals.reported import Reply, ReportedAlert

SOURCE = "pagerduty"
MAX_BODY_BYTES = 512 * 1024
MAX_SUMMARY, MAX_DEDUP_KEY, MAX_WORD, MAX_TEXT, MAX_ENTRIES = 1024, 255, 1024, 65_536, 128
ROUTING_KEY_LENGTH = 32
ACTIONS = ("trigger", "acknowledge", "resolve")
LABEL_DETAILS = ("system", "model", "service", "category", "environment", "alertname")
"""Custom details that say what the alert is about, and so become labels."""


class InvalidEvent(Malformed):
    """The event cannot be used; `errors` says everything that is wrong with it."""

    def __init__(self, errors: tuple[str, ...]) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted event."""

    routing_key: str | None
    """The sender's key, which the ring looks up in constant time; a secret, so never stored in a report."""
    action: str
    """`trigger`, `acknowledge` or `resolve`."""
    dedup_key: str
    """The sender's key, or the one made here."""
    report: ReportedAlert


Json = dict[str, object]


def parse(body: bytes, now: dt.datetime, *, chance: bytes, scope: str = "") -> Event:
    """Return the event in `body`, received at `now`.

    chance: ten or more random bytes, kept with the body; a trigger without dedup key gets one made of them alone,
    so reading the stored body again gives the key that the sender was told.
    scope: the integration whose key it came with; the same dedup key under another integration is another alert.

    Raises:
        InvalidEvent: not JSON, not an object, or a required field is missing or of the wrong type.
        TooLarge: more than 512 KB.
    """
    within_limit(body, MAX_BODY_BYTES)
    event = _object(body)
    errors: list[str] = []
    routing_key = _text(event, "routing_key", errors)
    action = _required(event, "event_action", errors)
    if action and action not in ACTIONS:
        errors.append("'event_action' is invalid (must be one of: 'trigger', 'acknowledge' or 'resolve')")
    dedup_key = _dedup_key(event, action, errors) or made_key(chance)
    payload = _payload(event, action, errors)
    if errors:
        raise InvalidEvent(tuple(errors))
    report = _report(event, payload, now, action=action, dedup=f"{scope}/{dedup_key}")
    return Event(routing_key=routing_key or None, action=action, dedup_key=dedup_key, report=report)


def made_key(chance: bytes) -> str:
    """Return the dedup key of a trigger that came without one: a UUID, as PagerDuty makes, from random bytes."""
    return str(uuid.UUID(bytes=hashlib.blake2b(chance, digest_size=16).digest(), version=4))


def key_error(routing_key: str | None) -> InvalidEvent | None:
    """Return what is wrong with the form of a routing key, or None; whether it is known is the ring's question."""
    if not routing_key:
        return InvalidEvent(("'routing_key' is missing or blank",))
    if len(routing_key) != ROUTING_KEY_LENGTH:
        return InvalidEvent(("Length of 'routing_key' is incorrect (should be 32 characters)",))
    return None


def _object(body: bytes) -> Json:
    try:
        event = read_carefully(body)
    except Malformed as error:
        raise InvalidEvent((f"The body is not JSON: {error.why}",)) from error
    if not isinstance(event, dict):
        raise InvalidEvent(("The body is not a JSON object",))
    return event


def _text(fields: Mapping[str, object], name: str, errors: list[str], path: str = "") -> str:
    """Return the text called `name`; empty when it is absent or null."""
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        errors.append(f"'{path}{name}' must be text")
        return ""
    return value


def _required(fields: Mapping[str, object], name: str, errors: list[str], path: str = "") -> str:
    before = len(errors)
    value = _text(fields, name, errors, path)
    if not value.strip() and len(errors) == before:
        errors.append(f"'{path}{name}' is missing or blank")
    return value


def _dedup_key(event: Json, action: str, errors: list[str]) -> str:
    key = _text(event, "dedup_key", errors) if action == "trigger" else _required(event, "dedup_key", errors)
    if len(key) > MAX_DEDUP_KEY:
        errors.append(f"Length of 'dedup_key' is incorrect (should be at most {MAX_DEDUP_KEY} characters)")
    return key


def _payload(event: Json, action: str, errors: list[str]) -> Json:
    """Return the payload. Only a trigger needs one; other actions may carry anything, and nothing there is an error."""
    payload = event.get("payload")
    needed = action == "trigger"
    if not isinstance(payload, dict):
        if needed:
            errors.append(
                "'payload' is missing or blank" if payload is None else "'payload' must be an object"
            )
        return {}
    if needed:
        for name in ("summary", "source", "severity"):
            _required(payload, name, errors, "payload.")
        for name in ("component", "group", "class", "timestamp"):
            _text(payload, name, errors, "payload.")
    return cast("Json", payload)


def _report(event: Json, payload: Json, now: dt.datetime, *, action: str, dedup: str) -> ReportedAlert:
    started = _timestamp(payload)
    summary = _word(payload, "summary")
    return ReportedAlert(
        source=SOURCE,
        labels=_labels(payload) if summary else {},
        annotations=_annotations(event, payload),
        title=summary,
        starts_at=started or now,
        starts_given=started is not None,
        ends_at=now if action == "resolve" else None,
        resolved=action == "resolve",
        acknowledged=action == "acknowledge",
        generator_url=_word(event, "client_url", MAX_TEXT),
        dedup=dedup,
        sender_severity=_word(payload, "severity"),
    )


def _timestamp(payload: Json) -> dt.datetime | None:
    """Return the payload's time. A wrong one is no reason to lose a page: the time of receipt stands in."""
    try:
        return read_time(_word(payload, "timestamp"))
    except Malformed:
        return None


def _word(fields: Json, name: str, limit: int = MAX_WORD) -> str:
    value = fields.get(name)
    return _shortened(value, limit) if isinstance(value, str) else ""


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _labels(payload: Json) -> dict[str, str]:
    """Return what the alert is about. PagerDuty has no labels, so its common fields serve (PD-CEF)."""
    details = payload.get("custom_details")
    labels = {"alertname": _word(payload, "class") or _word(payload, "summary")}
    labels |= {name: _word(payload, name) for name in ("source", "severity", "component", "group", "class")}
    if isinstance(details, dict):
        labels |= {name: _word(details, name) for name in LABEL_DETAILS if _word(details, name)}
    return {name: value for name, value in labels.items() if value}


def _annotations(event: Json, payload: Json) -> dict[str, str]:
    """Return the rest of the event as text: details one by one, links and images as JSON."""
    texts = {"summary": _word(payload, "summary"), "client": _word(event, "client")}
    details = payload.get("custom_details")
    if isinstance(details, dict):
        for name, value in list(details.items())[:MAX_ENTRIES]:
            texts[f"custom_details.{name[:MAX_WORD]}"] = _plain(value)
    elif details is not None:
        texts["custom_details"] = _plain(details)
    texts |= {name: _plain(event[name]) for name in ("links", "images") if event.get(name)}
    return {name: text for name, text in texts.items() if text}


def _plain(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _shortened(text, MAX_TEXT)


def reply_to(event: Event) -> Reply:
    """Return PagerDuty's answer to an accepted event: 202 and its dedup key."""
    answer = {"status": "success", "message": "Event processed", "dedup_key": event.dedup_key}
    return Reply(status=202, body=msgspec.json.encode(answer))


def refusal(error: TocsinError) -> Reply:
    """Return the answer, in PagerDuty's shape, to an event that was not accepted."""
    errors = error.errors if isinstance(error, InvalidEvent) else (str(error),)
    answer = {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
    return Reply(status=error.status, body=msgspec.json.encode(answer))
