"""An incident, told by its events (RSP-7).

`decide` turns a command into events or refuses it; `evolve` folds one event into the state. The stream of
events is the incident's timeline, its audit record and the source of every figure about it.
"""

from __future__ import annotations

import datetime as dt
import enum
from typing import Literal

import msgspec

from tocsin.kernel.errors import Refused
from tocsin.kernel.event import Command, Event, State, StreamKind
from tocsin.kernel.severity import Severity, label

RANKS_THAT_NEED_A_REVIEW = frozenset({0, 1})
"""REV-1: an incident of rank 0 or 1 closes only with a finished review."""


class Status(enum.StrEnum):
    """Where an incident stands; the order of the names is the order of the work."""

    UNDECLARED = "undeclared"
    TRIAGE = "triage"
    INVESTIGATING = "investigating"
    CONTAINED = "contained"
    MONITORING = "monitoring"
    RESOLVED = "resolved"
    REVIEWING = "reviewing"
    CLOSED = "closed"


OPEN = frozenset({Status.TRIAGE, Status.INVESTIGATING, Status.CONTAINED, Status.MONITORING})
"""The states in which harm may still be done, or come back."""

Verdict = Literal["open", "confirmed", "refuted"]
Scalar = str | int | bool


class Criterion(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the severity matrix that fired, as a sentence a person can read (CLS-4)."""

    id: str
    rank: int
    sentence: str


class Deadline(msgspec.Struct, frozen=True, kw_only=True):
    """A due time with where it comes from; `kind` is respond or resolve."""

    kind: Literal["respond", "resolve"]
    due: dt.datetime
    source: str


# --- what happened -------------------------------------------------------------------------------


class Declared(Event, frozen=True, kw_only=True, tag="incident.declared"):
    """Harm, or a threat of it, was declared. `began_at` is the start of harm, as far as known."""

    number: int
    title: str
    description: str = ""
    severity: Severity = None
    category: str | None = None
    system: str | None = None
    reported_by: str
    source: str
    """What it came from: 'alert' or 'person'."""
    began_at: dt.datetime
    declared_at: dt.datetime
    criteria: tuple[Criterion, ...] = ()
    facts: dict[str, Scalar] = {}
    why: tuple[str, ...] = ()


class SeverityChanged(Event, frozen=True, kw_only=True, tag="incident.severity_changed"):
    """The severity was set anew: by policy from facts, or by a person with a reason."""

    severity: Severity
    was: Severity
    reason: str
    by_policy: bool
    criteria: tuple[Criterion, ...] = ()


class CategoryChanged(Event, frozen=True, kw_only=True, tag="incident.category_changed"):
    """The category was set anew."""

    category: str
    was: str | None
    reason: str


class FactsRecorded(Event, frozen=True, kw_only=True, tag="incident.facts_recorded"):
    """New facts about harm and exposure; they re-assess the severity."""

    facts: dict[str, Scalar]
    reason: str


class AlertAttached(Event, frozen=True, kw_only=True, tag="incident.alert_attached"):
    """An alert was tied to this incident."""

    alert: str
    title: str
    why: str
    resolved: bool = False


class RoleAssigned(Event, frozen=True, kw_only=True, tag="incident.role_assigned"):
    """A person holds a role on this incident."""

    role: str
    person: str
    how: str
    was: str | None = None


class FindingNoted(Event, frozen=True, kw_only=True, tag="incident.finding_noted"):
    """Something was found out, with its evidence."""

    finding: str
    text: str
    evidence: tuple[str, ...] = ()


class HypothesisNoted(Event, frozen=True, kw_only=True, tag="incident.hypothesis_noted"):
    """A possible explanation, open until settled."""

    hypothesis: str
    text: str
    evidence: tuple[str, ...] = ()


class HypothesisSettled(Event, frozen=True, kw_only=True, tag="incident.hypothesis_settled"):
    """A hypothesis was confirmed or refuted, with its evidence."""

    hypothesis: str
    verdict: Literal["confirmed", "refuted"]
    evidence: tuple[str, ...] = ()
    text: str = ""


class DecisionNoted(Event, frozen=True, kw_only=True, tag="incident.decision_noted"):
    """A decision and why it was taken."""

    decision: str
    text: str
    evidence: tuple[str, ...] = ()


class NoteAdded(Event, frozen=True, kw_only=True, tag="incident.note_added"):
    """A responder's words, kept as they are."""

    text: str


class DeadlineSet(Event, frozen=True, kw_only=True, tag="incident.deadline_set"):
    """A respond-by or resolve-by time was set (RSP-9)."""

    deadline: Deadline


class DeadlineMet(Event, frozen=True, kw_only=True, tag="incident.deadline_met"):
    """The duty was done in time."""

    kind: Literal["respond", "resolve"]
    due: dt.datetime


class DeadlineBreached(Event, frozen=True, kw_only=True, tag="incident.deadline_breached"):
    """The due time passed with the duty undone; it counts as a breach."""

    kind: Literal["respond", "resolve"]
    due: dt.datetime


class InvestigationStarted(Event, frozen=True, kw_only=True, tag="incident.investigation_started"):
    """Somebody has taken it up."""

    by: str


class Contained(Event, frozen=True, kw_only=True, tag="incident.contained"):
    """Harm stopped; the cause is not fixed."""

    containment: str | None
    summary: str


class ContainmentLost(Event, frozen=True, kw_only=True, tag="incident.containment_lost"):
    """The containment no longer holds."""

    reason: str


class MonitoringStarted(Event, frozen=True, kw_only=True, tag="incident.monitoring_started"):
    """A fix is in place and being watched."""

    summary: str


class Resolved(Event, frozen=True, kw_only=True, tag="incident.resolved"):
    """The harm is over and its cause addressed."""

    summary: str


class Reopened(Event, frozen=True, kw_only=True, tag="incident.reopened"):
    """It was not over."""

    reason: str


class ReviewOpened(Event, frozen=True, kw_only=True, tag="incident.review_opened"):
    """The post-incident review began."""


class Closed(Event, frozen=True, kw_only=True, tag="incident.closed"):
    """Nothing is left to do."""

    reviewed: bool
    reason: str = ""


IncidentEvent = (
    Declared | SeverityChanged | CategoryChanged | FactsRecorded | AlertAttached | RoleAssigned
    | FindingNoted | HypothesisNoted | HypothesisSettled | DecisionNoted | NoteAdded | DeadlineSet
    | DeadlineMet | DeadlineBreached | InvestigationStarted | Contained | ContainmentLost
    | MonitoringStarted | Resolved | Reopened | ReviewOpened | Closed
)  # fmt: skip


# --- what someone asks for -----------------------------------------------------------------------


class Declare(Command, frozen=True, kw_only=True):
    """Declare an incident; a title is enough."""

    number: int
    title: str
    description: str = ""
    severity: Severity = None
    category: str | None = None
    system: str | None = None
    reported_by: str
    source: str = "person"
    began_at: dt.datetime | None = None
    criteria: tuple[Criterion, ...] = ()
    facts: dict[str, Scalar] = {}
    why: tuple[str, ...] = ()
    deadlines: tuple[Deadline, ...] = ()


class ChangeSeverity(Command, frozen=True, kw_only=True):
    """Set the severity. A person gives a reason; the policy gives its criteria."""

    severity: Severity
    reason: str
    by_policy: bool = False
    criteria: tuple[Criterion, ...] = ()
    deadlines: tuple[Deadline, ...] = ()


class ChangeCategory(Command, frozen=True, kw_only=True):
    """Set the category, with a reason."""

    category: str
    reason: str


class RecordFacts(Command, frozen=True, kw_only=True):
    """Record facts about harm and exposure, with where they come from."""

    facts: dict[str, Scalar]
    reason: str


class AttachAlert(Command, frozen=True, kw_only=True):
    """Tie an alert to the incident, or say that one of its alerts has ended."""

    alert: str
    title: str
    why: str
    resolved: bool = False


class AssignRole(Command, frozen=True, kw_only=True):
    """Give a role to a person."""

    role: str
    person: str
    how: str


class NoteFinding(Command, frozen=True, kw_only=True):
    """Note something found out."""

    finding: str
    text: str
    evidence: tuple[str, ...] = ()


class NoteHypothesis(Command, frozen=True, kw_only=True):
    """Note a possible explanation."""

    hypothesis: str
    text: str
    evidence: tuple[str, ...] = ()


class SettleHypothesis(Command, frozen=True, kw_only=True):
    """Confirm or refute a hypothesis."""

    hypothesis: str
    verdict: Literal["confirmed", "refuted"]
    evidence: tuple[str, ...] = ()
    text: str = ""


class NoteDecision(Command, frozen=True, kw_only=True):
    """Note a decision."""

    decision: str
    text: str
    evidence: tuple[str, ...] = ()


class AddNote(Command, frozen=True, kw_only=True):
    """Add a note."""

    text: str


class StartInvestigation(Command, frozen=True, kw_only=True):
    """Take it up."""

    by: str


class CheckDeadline(Command, frozen=True, kw_only=True):
    """Ask whether the due time has passed with the duty undone."""

    kind: Literal["respond", "resolve"]
    due: dt.datetime


class Contain(Command, frozen=True, kw_only=True):
    """Say that harm has stopped."""

    containment: str | None
    summary: str


class LoseContainment(Command, frozen=True, kw_only=True):
    """Say that the containment no longer holds."""

    reason: str


class StartMonitoring(Command, frozen=True, kw_only=True):
    """Say that a fix is in place and being watched."""

    summary: str


class Resolve(Command, frozen=True, kw_only=True):
    """Say that it is over."""

    summary: str


class Reopen(Command, frozen=True, kw_only=True):
    """Say that it was not over."""

    reason: str


class OpenReview(Command, frozen=True, kw_only=True):
    """Begin the post-incident review."""


class Close(Command, frozen=True, kw_only=True):
    """Close it. `review_finished` is told by the ring, which knows the review."""

    review_finished: bool
    reason: str = ""


IncidentCommand = (
    Declare | ChangeSeverity | ChangeCategory | RecordFacts | AttachAlert | AssignRole | NoteFinding
    | NoteHypothesis | SettleHypothesis | NoteDecision | AddNote | StartInvestigation | CheckDeadline
    | Contain | LoseContainment | StartMonitoring | Resolve | Reopen | OpenReview | Close
)  # fmt: skip


# --- what is true now ----------------------------------------------------------------------------


class Hypothesis(msgspec.Struct, frozen=True, kw_only=True):
    """A possible explanation and how it stands."""

    text: str
    verdict: Verdict = "open"
    evidence: tuple[str, ...] = ()


class Incident(State, frozen=True, kw_only=True):
    """The state of one incident after some number of events."""

    status: Status = Status.UNDECLARED
    number: int = 0
    title: str = ""
    description: str = ""
    severity: Severity = None
    severity_set_by_person: bool = False
    severity_reason: str = ""
    criteria: tuple[Criterion, ...] = ()
    category: str | None = None
    system: str | None = None
    reported_by: str = ""
    source: str = ""
    began_at: dt.datetime | None = None
    declared_at: dt.datetime | None = None
    facts: dict[str, Scalar] = {}
    why: tuple[str, ...] = ()
    alerts: dict[str, bool] = {}
    """Alert id -> still firing."""
    roles: dict[str, str] = {}
    hypotheses: dict[str, Hypothesis] = {}
    findings: dict[str, str] = {}
    decisions: dict[str, str] = {}
    deadlines: dict[str, Deadline] = {}
    deadlines_done: dict[str, str] = {}
    """Deadline kind -> met or breached."""
    containment: str | None = None
    summary: str = ""


INITIAL = Incident()


def decide(state: Incident, command: IncidentCommand, now: dt.datetime) -> tuple[IncidentEvent, ...]:
    """Return the events that `command` causes; empty when it changes nothing.

    Raises:
        Refused: a rule forbids the command in this state; the text names the next step.
    """
    if isinstance(command, Declare):
        return _declare(state, command, now)
    if state.status is Status.UNDECLARED:
        raise Refused("There is no such incident.", mend="Declare it first.")
    if isinstance(command, AddNote):  # a closed record still takes additions, never changes
        return (NoteAdded(text=_said(command.text, "A note")),)
    if state.status is Status.CLOSED:
        raise Refused(
            "This incident is closed.", mend="Reopening is over; declare a new one and name this one."
        )
    if isinstance(
        command, Contain | LoseContainment | StartMonitoring | Resolve | Reopen | OpenReview | Close
    ):
        return _move(state, command)
    if isinstance(command, ChangeSeverity | ChangeCategory | RecordFacts):
        return _classify(state, command)
    if isinstance(command, NoteFinding | NoteHypothesis | SettleHypothesis | NoteDecision):
        return _investigate(state, command)
    return _attend(state, command, now)


def _said(text: str, what: str) -> str:
    if not text.strip():
        raise Refused(f"{what} needs words.", mend="Write at least one sentence.")
    return text.strip()


def _declare(state: Incident, command: Declare, now: dt.datetime) -> tuple[IncidentEvent, ...]:
    if state.status is not Status.UNDECLARED:
        raise Refused("This incident is already declared.", mend="Declare another one, or add to this one.")
    declared = Declared(
        number=command.number,
        title=_said(command.title, "A title"),
        description=command.description,
        severity=command.severity,
        category=command.category,
        system=command.system,
        reported_by=command.reported_by,
        source=command.source,
        began_at=min(command.began_at, now) if command.began_at else now,
        declared_at=now,
        criteria=command.criteria,
        facts=command.facts,
        why=command.why,
    )
    return (declared, *(DeadlineSet(deadline=deadline) for deadline in command.deadlines))


def _move(
    state: Incident,
    command: Contain | LoseContainment | StartMonitoring | Resolve | Reopen | OpenReview | Close,
) -> tuple[IncidentEvent, ...]:
    status = state.status
    match command:
        case Contain():
            if status is Status.CONTAINED:
                return ()
            if status in (Status.TRIAGE, Status.INVESTIGATING):
                summary = _said(command.summary, "Containment")
                return (*_met(state, "respond"), Contained(containment=command.containment, summary=summary))
        case LoseContainment() if status in (Status.CONTAINED, Status.MONITORING):
            return (ContainmentLost(reason=_said(command.reason, "A lost containment")),)
        case StartMonitoring():
            if status is Status.MONITORING:
                return ()
            if status in OPEN:
                summary = _said(command.summary, "What is watched")
                return (*_met(state, "respond"), MonitoringStarted(summary=summary))
        case Resolve() if status in OPEN:
            summary = _said(command.summary, "A resolution")
            return (*_met(state, "respond"), *_met(state, "resolve"), Resolved(summary=summary))
        case Reopen() if status in (Status.RESOLVED, Status.REVIEWING):
            return (Reopened(reason=_said(command.reason, "Reopening")),)
        case OpenReview():
            if status is Status.REVIEWING:
                return ()
            if status is Status.RESOLVED:
                return (ReviewOpened(),)
        case Close() if status in (Status.RESOLVED, Status.REVIEWING):
            return _close(state, command)
        case _:
            pass
    raise Refused(_WRONG_TIME[type(command)].format(status=status), mend=_NEXT[status])


_WRONG_TIME: dict[type[Command], str] = {
    Contain: "Containment is declared while harm goes on; the incident is {status}.",
    LoseContainment: "No containment holds that could be lost; the incident is {status}.",
    StartMonitoring: "A fix is watched while the incident is open; it is {status}.",
    Resolve: "Only an open incident is resolved; this one is {status}.",
    Reopen: "Only a resolved incident is reopened; this one is {status}.",
    OpenReview: "A review opens once the incident is resolved; it is {status}.",
    Close: "An incident closes after it is resolved; this one is {status}.",
}
_NEXT = {
    Status.TRIAGE: "Take it up, contain it, or resolve it.",
    Status.INVESTIGATING: "Contain it, or resolve it.",
    Status.CONTAINED: "Put the lasting repair in place, then resolve it.",
    Status.MONITORING: "Resolve it when the figures hold.",
    Status.RESOLVED: "Open the review, or reopen the incident.",
    Status.REVIEWING: "Finish the review and close it, or reopen the incident.",
}


def _close(state: Incident, command: Close) -> tuple[IncidentEvent, ...]:
    needs_review = state.severity is None or state.severity in RANKS_THAT_NEED_A_REVIEW
    if needs_review and not command.review_finished:
        raise Refused(
            f"An incident of severity {label(state.severity)} closes only with a finished review.",
            mend="Finish the review, then close.",
        )
    return (Closed(reviewed=command.review_finished, reason=command.reason),)


def _met(state: Incident, kind: Literal["respond", "resolve"]) -> tuple[IncidentEvent, ...]:
    deadline = state.deadlines.get(kind)
    if deadline is None or kind in state.deadlines_done:
        return ()
    return (DeadlineMet(kind=kind, due=deadline.due),)


def _classify(
    state: Incident, command: ChangeSeverity | ChangeCategory | RecordFacts
) -> tuple[IncidentEvent, ...]:
    match command:
        case ChangeSeverity():
            if command.severity == state.severity and (command.by_policy or state.severity_set_by_person):
                return ()
            changed = SeverityChanged(
                severity=command.severity,
                was=state.severity,
                reason=_said(command.reason, "A change of severity"),
                by_policy=command.by_policy,
                criteria=command.criteria,
            )
            moved = (d for d in command.deadlines if d.kind not in state.deadlines_done)
            return (changed, *(DeadlineSet(deadline=deadline) for deadline in moved))
        case ChangeCategory():
            if command.category == state.category:
                return ()
            reason = _said(command.reason, "A change of category")
            return (CategoryChanged(category=command.category, was=state.category, reason=reason),)
        case RecordFacts():
            news = {name: fact for name, fact in command.facts.items() if state.facts.get(name) != fact}
            return (FactsRecorded(facts=news, reason=_said(command.reason, "New facts")),) if news else ()


def _investigate(
    state: Incident, command: NoteFinding | NoteHypothesis | SettleHypothesis | NoteDecision
) -> tuple[IncidentEvent, ...]:
    match command:
        case NoteFinding():
            if command.finding in state.findings:
                return ()
            text = _said(command.text, "A finding")
            return (FindingNoted(finding=command.finding, text=text, evidence=command.evidence),)
        case NoteDecision():
            if command.decision in state.decisions:
                return ()
            text = _said(command.text, "A decision")
            return (DecisionNoted(decision=command.decision, text=text, evidence=command.evidence),)
        case NoteHypothesis():
            if command.hypothesis in state.hypotheses:
                return ()
            text = _said(command.text, "A hypothesis")
            return (HypothesisNoted(hypothesis=command.hypothesis, text=text, evidence=command.evidence),)
        case SettleHypothesis():
            known = state.hypotheses.get(command.hypothesis)
            if known is None:
                raise Refused("There is no such hypothesis.", mend="Note it first, then settle it.")
            if known.verdict == command.verdict:
                return ()
            return (
                HypothesisSettled(
                    hypothesis=command.hypothesis,
                    verdict=command.verdict,
                    evidence=command.evidence,
                    text=command.text,
                ),
            )


def _attend(
    state: Incident,
    command: AttachAlert | AssignRole | StartInvestigation | CheckDeadline | IncidentCommand,
    now: dt.datetime,
) -> tuple[IncidentEvent, ...]:
    match command:
        case AttachAlert():
            if state.alerts.get(command.alert) == (not command.resolved):
                return ()
            return (
                AlertAttached(
                    alert=command.alert, title=command.title, why=command.why, resolved=command.resolved
                ),
            )
        case AssignRole():
            was = state.roles.get(command.role)
            if was == command.person:
                return ()
            return (RoleAssigned(role=command.role, person=command.person, how=command.how, was=was),)
        case StartInvestigation():
            if state.status is not Status.TRIAGE:
                return ()
            return (InvestigationStarted(by=command.by), *_met(state, "respond"))
        case CheckDeadline():
            deadline = state.deadlines.get(command.kind)
            moved = deadline is None or deadline.due != command.due
            if moved or command.kind in state.deadlines_done or now < command.due:
                return ()
            return (DeadlineBreached(kind=command.kind, due=command.due),)
    raise TypeError(f"{type(command).__name__} is not a command of an incident")


_AFTER = {
    InvestigationStarted: Status.INVESTIGATING,
    ContainmentLost: Status.INVESTIGATING,
    Reopened: Status.INVESTIGATING,
    Contained: Status.CONTAINED,
    MonitoringStarted: Status.MONITORING,
    Resolved: Status.RESOLVED,
    ReviewOpened: Status.REVIEWING,
    Closed: Status.CLOSED,
}


def evolve(state: Incident, event: IncidentEvent) -> Incident:
    """Return `state` after `event`. Never refuses: the event has already happened."""
    change = msgspec.structs.replace
    status = _AFTER.get(type(event), state.status)
    match event:
        case Declared():
            names = ("number", "title", "description", "severity", "category", "system", "reported_by",
                     "source", "began_at", "declared_at", "criteria", "facts", "why")  # fmt: skip
            return change(state, status=Status.TRIAGE, **{name: getattr(event, name) for name in names})
        case SeverityChanged():
            return change(
                state,
                severity=event.severity,
                severity_set_by_person=not event.by_policy,
                severity_reason=event.reason,
                criteria=event.criteria,
            )
        case CategoryChanged():
            return change(state, category=event.category)
        case FactsRecorded():
            return change(state, facts={**state.facts, **event.facts})
        case AlertAttached():
            return change(state, alerts={**state.alerts, event.alert: not event.resolved})
        case RoleAssigned():
            return change(state, roles={**state.roles, event.role: event.person})
        case FindingNoted():
            return change(state, findings={**state.findings, event.finding: event.text})
        case DecisionNoted():
            return change(state, decisions={**state.decisions, event.decision: event.text})
        case HypothesisNoted():
            noted = Hypothesis(text=event.text, evidence=event.evidence)
            return change(state, hypotheses={**state.hypotheses, event.hypothesis: noted})
        case HypothesisSettled():
            return change(state, hypotheses={**state.hypotheses, event.hypothesis: _settled(state, event)})
        case DeadlineSet():
            return change(state, deadlines={**state.deadlines, event.deadline.kind: event.deadline})
        case DeadlineMet():
            return change(state, deadlines_done={**state.deadlines_done, event.kind: "met"})
        case DeadlineBreached():
            return change(state, deadlines_done={**state.deadlines_done, event.kind: "breached"})
        case Contained():
            return change(state, status=status, containment=event.containment, summary=event.summary)
        case ContainmentLost() | Reopened():
            return change(state, status=status, containment=None, summary=event.reason)
        case MonitoringStarted() | Resolved():
            return change(state, status=status, summary=event.summary)
    return change(state, status=status)


def _settled(state: Incident, event: HypothesisSettled) -> Hypothesis:
    known = state.hypotheses[event.hypothesis]
    return msgspec.structs.replace(known, verdict=event.verdict, evidence=known.evidence + event.evidence)


INCIDENT: StreamKind[Incident, IncidentCommand, IncidentEvent] = StreamKind(
    "incident", INITIAL, decide, evolve, IncidentEvent
)
"""One stream per incident; its key is the incident's id."""
