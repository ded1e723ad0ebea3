"""An update: one message about an incident to one audience, from draft to delivery. One stream per update.

A release is refused while the message has blanks or contradicts itself. What was released cannot be
changed: a correction is a new update. Withdrawing stops the deliveries that have not been made.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from tocsin.kernel.clock import UTC, aware
from tocsin.kernel.errors import Refused
from tocsin.kernel.event import Command, Event, State, StreamKind
from tocsin.kernel.severity import Severity, paging_rank
from tocsin.response.communications import template as templates
from tocsin.response.communications.audience import plain_words

Status = Literal["none", "drafted", "released", "withdrawn"]
Outcome = Literal["accepted", "failed"]

ATTEMPTS_PER_RECIPIENT = 3

STRUCTURE = ("status", "actions", "next_steps", "estimate")
"""What a structured update tells (COM-2): status now, actions since last, next steps, estimated resolution."""


# --- what happened --------------------------------------------------------------------------------


class Drafted(Event, frozen=True, kw_only=True, tag="update.drafted"):
    """A message was written, or written anew."""

    incident: str
    template: str
    audience: str
    subject: str
    body: str
    fields: dict[str, str]
    required: tuple[str, ...] = ()
    """Fields that must not be empty at release."""


class Released(Event, frozen=True, kw_only=True, tag="update.released"):
    """A person let the message go out."""

    by: str


class Attempted(Event, frozen=True, kw_only=True, tag="update.attempted"):
    """One delivery to one recipient was tried. `key` is what the provider was given."""

    recipient: str
    method: str
    key: str
    outcome: Outcome
    detail: str
    attempt: int | None = None


class Withdrawn(Event, frozen=True, kw_only=True, tag="update.withdrawn"):
    """The message is not to go out, or no further."""

    reason: str


UpdateEvent = Drafted | Released | Attempted | Withdrawn


# --- what someone asks for ------------------------------------------------------------------------


class Draft(Command, frozen=True, kw_only=True):
    """Write the message, or write it anew before its release."""

    incident: str
    template: str
    audience: str
    subject: str
    body: str
    fields: dict[str, str] = {}
    required: tuple[str, ...] = ()


class Release(Command, frozen=True, kw_only=True):
    """Let the message go out. `by` is the id of the person who answers for it."""

    by: str


class RecordAttempt(Command, frozen=True, kw_only=True):
    """Tell how one delivery went."""

    recipient: str
    method: str
    key: str
    outcome: Outcome
    detail: str = ""
    attempt: int | None = None


class Withdraw(Command, frozen=True, kw_only=True):
    """Take the message back."""

    reason: str


UpdateCommand = Draft | Release | RecordAttempt | Withdraw


# --- what is true now -----------------------------------------------------------------------------


class Attempt(State, frozen=True, kw_only=True):
    """One recorded delivery attempt."""

    recipient: str
    method: str
    key: str
    outcome: Outcome
    detail: str


class Update(State, frozen=True, kw_only=True):
    """Where one update stands."""

    status: Status = "none"
    incident: str = ""
    template: str = ""
    audience: str = ""
    subject: str = ""
    body: str = ""
    fields: dict[str, str] = {}
    required: tuple[str, ...] = ()
    released_by: str | None = None
    attempts: tuple[Attempt, ...] = ()
    withdrawn_because: str = ""


INITIAL = Update()


# --- the rules ------------------------------------------------------------------------------------


def decide(state: Update, command: UpdateCommand, now: dt.datetime) -> tuple[UpdateEvent, ...]:
    """Return what `command` causes; empty when it changes nothing.

    Raises:
        Refused: a rule forbids the command, with the reason and the next step.
    """
    match command:
        case Draft():
            return _draft(state, command)
        case _ if state.status == "none":
            raise Refused("There is no such update.", mend="Draft it first.")
        case Release():
            return _release(state, command)
        case RecordAttempt():
            return _record(state, command)
        case Withdraw():
            return _withdraw(state, command)


def _draft(state: Update, command: Draft) -> tuple[UpdateEvent, ...]:
    drafted = Drafted(
        incident=command.incident,
        template=command.template,
        audience=command.audience,
        subject=command.subject,
        body=command.body,
        fields=command.fields,
        required=command.required,
    )
    if state.status != "none" and evolve(state, drafted) == state:
        return ()
    if state.status in ("released", "withdrawn"):
        raise Refused(
            f"This update was {state.status} and stays as it is.", mend="Draft a new update instead."
        )
    if state.incident and state.incident != command.incident:
        raise Refused("This update belongs to another incident.", mend="Draft a new update instead.")
    return (drafted,)


def _release(state: Update, command: Release) -> tuple[UpdateEvent, ...]:
    if state.status == "released":
        return ()
    if state.status == "withdrawn":
        raise Refused("This update was withdrawn.", mend="Draft a new update instead.")
    if not command.by:
        raise Refused("Somebody must answer for a message that goes out.", mend="Say who releases it.")
    stops = templates.errors(findings(state))
    if stops:
        why = " ".join(finding.why for finding in stops)
        raise Refused(f"This update cannot go out yet: {why}", mend=stops[0].mend)
    return (Released(by=command.by),)


def _record(state: Update, command: RecordAttempt) -> tuple[UpdateEvent, ...]:
    if state.released_by is None:
        raise Refused("This update has not been released.", mend="Release it before it is sent.")
    if not command.key:
        raise Refused("An attempt is recorded with its key.", mend="Hand in the key the provider was given.")
    same = [each for each in state.attempts if each.key == command.key]
    # A lease that expired sends again with the same key: a different outcome is news, the same is not.
    if same and same[-1].outcome == command.outcome:
        return ()
    return (
        Attempted(
            recipient=command.recipient,
            method=command.method,
            key=command.key,
            outcome=command.outcome,
            detail=command.detail,
            attempt=command.attempt,
        ),
    )


def _withdraw(state: Update, command: Withdraw) -> tuple[UpdateEvent, ...]:
    if state.status == "withdrawn":
        return ()
    if not command.reason.strip():
        raise Refused("An update is not withdrawn without a reason.", mend="Say why, in a few words.")
    return (Withdrawn(reason=command.reason),)


def evolve(state: Update, event: UpdateEvent) -> Update:
    """Return `state` after `event`. Never refuses: the event has already happened."""
    match event:
        case Drafted():
            return msgspec.structs.replace(
                state,
                status="drafted" if state.status == "none" else state.status,
                incident=event.incident,
                template=event.template,
                audience=event.audience,
                subject=event.subject,
                body=event.body,
                fields=event.fields,
                required=event.required,
            )
        case Released():
            return msgspec.structs.replace(state, status="released", released_by=event.by)
        case Attempted():
            attempt = Attempt(
                recipient=event.recipient,
                method=event.method,
                key=event.key,
                outcome=event.outcome,
                detail=event.detail,
            )
            return msgspec.structs.replace(state, attempts=(*state.attempts, attempt))
        case Withdrawn():
            return msgspec.structs.replace(state, status="withdrawn", withdrawn_because=event.reason)


NOTICE: StreamKind[Update, UpdateCommand, UpdateEvent] = StreamKind(
    "notice", INITIAL, decide, evolve, UpdateEvent
)


# --- what the ring asks ---------------------------------------------------------------------------


def findings(state: Update) -> tuple[templates.Finding, ...]:
    """Return what is wrong with the message as it stands (COM-4); errors stop its release."""
    return templates.lint_message(
        state.subject,
        state.body,
        state.fields,
        required=state.required,
        plain_words=plain_words(state.audience),
    )


def draft(
    *,
    incident: str,
    template: str,
    audience: str,
    subject: str,
    body: str,
    fields: Mapping[str, str],
    required: tuple[str, ...] = (),
) -> Draft:
    """Return the command that drafts an update from the texts of a template and the values of its fields.

    Raises:
        Invalid: the template cannot be filled.
    """
    rendered = templates.render(subject, body, fields)
    return Draft(
        incident=incident,
        template=template,
        audience=audience,
        subject=rendered.subject,
        body=rendered.body,
        fields=dict(fields),
        required=required,
    )


def next_attempt(state: Update, update: str, recipient: str, method: str) -> tuple[int, str] | None:
    """Return (attempt, key) of the next delivery to this recipient, or None when none is wanted any more."""
    if state.status != "released":
        return None
    tries = [each for each in state.attempts if (each.recipient, each.method) == (recipient, method)]
    if len(tries) >= ATTEMPTS_PER_RECIPIENT or any(each.outcome == "accepted" for each in tries):
        return None
    number = len(tries) + 1
    return number, delivery_key(update, recipient, method, number)


def delivery_key(update: str, recipient: str, method: str, attempt: int) -> str:
    """Return the idempotency key of one attempt: 32 hex digits, the same for the same four facts."""
    parts = json.dumps(("update", update, recipient, method, attempt))
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


# --- when the next update is due ------------------------------------------------------------------


class Cadence(msgspec.Struct, frozen=True, kw_only=True):
    """How often an audience hears about incidents of these ranks. A default, not law; configurable."""

    audience: str
    ranks: tuple[int, ...]
    every: dt.timedelta
    business_hours_only: bool
    source: str


CADENCES: tuple[Cadence, ...] = (
    Cadence(
        audience="executives",
        ranks=(0, 1),
        every=dt.timedelta(minutes=30),
        business_hours_only=False,
        source="COM-2: executives every 30 min during rank 0 and 1 (internal target)",
    ),
    Cadence(
        audience="departments",
        ranks=(0, 1),
        every=dt.timedelta(hours=1),
        business_hours_only=True,
        source="COM-2: departments hourly in business hours (internal target)",
    ),
    Cadence(
        audience="responders",
        ranks=(0,),
        every=dt.timedelta(days=1),
        business_hours_only=False,
        source="COM-2: daily stand-up at rank 0 (internal target)",
    ),
    Cadence(
        audience="responders",
        ranks=(1, 2, 3),
        every=dt.timedelta(days=7),
        business_hours_only=False,
        source="COM-2: lower ranks thread and weekly review (internal target)",
    ),
)


class BusinessHours(msgspec.Struct, frozen=True, kw_only=True):
    """When departments are at work, in their own time zone."""

    time_zone: str = "UTC"
    opens: dt.time = dt.time(9)
    closes: dt.time = dt.time(17)
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4)
    """0 is Monday."""


def next_update_due(
    severity: Severity,
    last_sent: dt.datetime | None,
    declared: dt.datetime,
    *,
    audience: str = "executives",
    hours: BusinessHours | None = None,
    cadences: tuple[Cadence, ...] = CADENCES,
) -> dt.datetime | None:
    """Return when this audience should hear next (UTC), or None when it has no cadence at this severity.

    The clock runs from the last update sent, or from the declaration. An unknown severity counts as rank 1.
    """
    cadence = next((c for c in cadences if c.audience == audience and paging_rank(severity) in c.ranks), None)
    if cadence is None:
        return None
    due = aware(last_sent or declared) + cadence.every
    return _opening(due, hours or BusinessHours()) if cadence.business_hours_only else due


def _opening(moment: dt.datetime, hours: BusinessHours) -> dt.datetime:
    """Return `moment`, or the next opening when it falls outside business hours."""
    zone = ZoneInfo(hours.time_zone)
    local = moment.astimezone(zone)
    if local.weekday() in hours.weekdays and hours.opens <= local.time() < hours.closes:
        return moment
    day = local.date()
    for ahead in range(8):
        date = day + dt.timedelta(days=ahead)
        opening = dt.datetime.combine(date, hours.opens, tzinfo=zone).astimezone(UTC)
        if date.weekday() in hours.weekdays and opening >= moment:
            return opening
    return moment
