"""A review, told by its events: what the record says, answers, factors, fairness, action items (REV-1..4).

The engine opens it with what the record already holds, so that people write only what the record cannot know.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal, assert_never

import msgspec

from tocsin.catalog.review_form import ReviewQuestion
from tocsin.kernel.errors import Refused
from tocsin.kernel.event import Command, Event, State, StreamKind
from tocsin.kernel.severity import Severity, paging_rank
from tocsin.reviews import action_item, fairness_review
from tocsin.reviews.action_item import ActionItem, Priority, Remedy
from tocsin.reviews.fairness_review import FairnessReview, GroupGap
from tocsin.reviews.figure import Figure

Status = Literal["none", "open", "finished"]

Part = Literal[
    "data_sources",
    "features",
    "training",
    "validation",
    "deployment",
    "serving",
    "monitoring",
    "human_decisions",
]
"""The parts of the pipeline that a review examines (REV-2)."""

FactorKind = Literal["model", "data", "process", "infrastructure", "human"]

AGENDA: tuple[tuple[str, int], ...] = (
    ("What happened", 15),
    ("Causes and contributing factors", 30),
    ("How we responded", 30),
    ("Lessons", 30),
    ("Action items", 15),
)
"""The meeting, 120 minutes: (part, minutes)."""

SHORTEST_ANSWER = 12
LONGEST_ANSWER = 20_000


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the timeline that the record filled in; `stream` and `position` lead to its event."""

    at: dt.datetime
    text: str
    who: str = ""
    stream: str = ""
    position: int = 0


class Factor(msgspec.Struct, frozen=True, kw_only=True):
    """One contributing factor; there are usually several (glossary: not 'the root cause')."""

    part: Part
    kind: FactorKind
    text: str


# --- events -----------------------------------------------------------------------------


class Opened(Event, frozen=True, kw_only=True, tag="review.opened"):
    """The review began with what the record holds, and with the questions of its form."""

    incident: str
    severity: Severity
    figures: tuple[Figure, ...] = ()
    timeline: tuple[Entry, ...] = ()
    gaps: tuple[GroupGap, ...] = ()
    questions: tuple[ReviewQuestion, ...]


class RecordRefreshed(Event, frozen=True, kw_only=True, tag="review.record_refreshed"):
    """The record went on (an 'after' figure came in, the severity changed) and was filled in anew."""

    severity: Severity
    figures: tuple[Figure, ...] = ()
    timeline: tuple[Entry, ...] = ()
    gaps: tuple[GroupGap, ...] = ()


class Answered(Event, frozen=True, kw_only=True, tag="review.answered"):
    """One of the questions has an answer; a later answer replaces it."""

    question: str
    text: str


class FactorAdded(Event, frozen=True, kw_only=True, tag="review.factor_added"):
    """A contributing factor was named."""

    part: Part
    kind: FactorKind
    text: str


class FairnessRecorded(Event, frozen=True, kw_only=True, tag="review.fairness_recorded"):
    """The fairness and safety section was written; a later one replaces it."""

    assessable: bool
    text: str
    gaps: tuple[GroupGap, ...] = ()
    redress: str = ""
    safety: str = ""


class ActionItemAdded(Event, frozen=True, kw_only=True, tag="review.action_item_added"):
    """An action item that can be checked."""

    item: str
    text: str
    owner: str
    due: dt.date
    measure: str
    priority: Priority
    remedy: Remedy = "process"


class ActionItemCompleted(Event, frozen=True, kw_only=True, tag="review.action_item_completed"):
    """The effect of an action item was shown."""

    item: str
    proof: str


class NoActionStated(Event, frozen=True, kw_only=True, tag="review.no_action_stated"):
    """The reviewers say that nothing needs to change, and why."""

    reason: str


class Finished(Event, frozen=True, kw_only=True, tag="review.finished"):
    """The review is complete. `playbook_change` is what the playbook gains, or 'none'."""

    by: str
    follow_up: dt.date | None = None
    playbook_change: str = ""


class Reopened(Event, frozen=True, kw_only=True, tag="review.reopened"):
    """A finished review was taken up again."""

    by: str
    reason: str


ReviewEvent = (
    Opened
    | RecordRefreshed
    | Answered
    | FactorAdded
    | FairnessRecorded
    | ActionItemAdded
    | ActionItemCompleted
    | NoActionStated
    | Finished
    | Reopened
)


# --- commands ---------------------------------------------------------------------------


class Open(Command, frozen=True, kw_only=True):
    """Begin the review of `incident` with what the record holds. A second Open changes nothing."""

    incident: str
    severity: Severity
    figures: tuple[Figure, ...] = ()
    timeline: tuple[Entry, ...] = ()
    gaps: tuple[GroupGap, ...] = ()
    questions: tuple[ReviewQuestion, ...]


class RefreshRecord(Command, frozen=True, kw_only=True):
    """Fill in the record anew; what people wrote stays."""

    severity: Severity
    figures: tuple[Figure, ...] = ()
    timeline: tuple[Entry, ...] = ()
    gaps: tuple[GroupGap, ...] = ()


class Answer(Command, frozen=True, kw_only=True):
    """Answer one of the review's questions by its id."""

    question: str
    text: str


class AddFactor(Command, frozen=True, kw_only=True):
    """Name a contributing factor."""

    part: Part
    kind: FactorKind
    text: str


class RecordFairness(Command, frozen=True, kw_only=True):
    """Write the fairness and safety section."""

    assessable: bool
    text: str
    gaps: tuple[GroupGap, ...] = ()
    redress: str = ""
    safety: str = ""


class AddActionItem(Command, frozen=True, kw_only=True):
    """Add an action item under an id of the caller's making."""

    item: str
    text: str
    owner: str
    due: dt.date
    measure: str
    priority: Priority = "medium"
    remedy: Remedy = "process"


class CompleteActionItem(Command, frozen=True, kw_only=True):
    """Show the effect of an action item; allowed after the review is finished too."""

    item: str
    proof: str


class StateNoAction(Command, frozen=True, kw_only=True):
    """Say that nothing needs to change, and why."""

    reason: str


class Finish(Command, frozen=True, kw_only=True):
    """Close the review; refused while anything is missing."""

    by: str
    follow_up: dt.date | None = None
    playbook_change: str = ""


class Reopen(Command, frozen=True, kw_only=True):
    """Take a finished review up again."""

    by: str
    reason: str


ReviewCommand = (
    Open
    | RefreshRecord
    | Answer
    | AddFactor
    | RecordFairness
    | AddActionItem
    | CompleteActionItem
    | StateNoAction
    | Finish
    | Reopen
)


# --- state ------------------------------------------------------------------------------


class Review(State, frozen=True, kw_only=True):
    """What is true of a review now."""

    status: Status = "none"
    incident: str = ""
    severity: Severity = None
    figures: tuple[Figure, ...] = ()
    timeline: tuple[Entry, ...] = ()
    gaps: tuple[GroupGap, ...] = ()
    questions: tuple[ReviewQuestion, ...] = ()
    """Those of the form that the review was opened with."""
    answers: dict[str, str] = {}
    factors: tuple[Factor, ...] = ()
    fairness: FairnessReview | None = None
    items: tuple[ActionItem, ...] = ()
    no_action_reason: str = ""
    finished_by: str = ""
    follow_up: dt.date | None = None
    playbook_change: str = ""

    def item(self, name: str) -> ActionItem | None:
        """Return the action item of that id, or None."""
        return next((item for item in self.items if item.id == name), None)


INITIAL = Review()


def missing(state: Review) -> tuple[str, ...]:
    """Return what keeps the review from being finished, a sentence each, in the order it is asked for."""
    asked = {question.id: question.text for question in state.questions}
    found = [f"Not answered: {text}" for name, text in asked.items() if name not in state.answers]
    if not state.factors:
        found.append("No contributing factor is named.")
    kind = fairness_review.form(state.severity)
    if state.fairness is None:
        found.append(f"The fairness and safety section ({kind} form) is not written.")
    else:  # a severity that got worse since asks for the long form
        found += [f"Fairness and safety: {fault}" for fault in fairness_review.faults(state.fairness, kind)]
    if not state.items and not state.no_action_reason:
        found.append("There is no action item, and no reason why none is needed.")
    return tuple(found)


def may_close(severity: Severity, review: Review) -> str | None:
    """Return why an incident of `severity` may not be closed on the state of its review, or None when it may.

    Ranks 0 and 1 need a finished review, and so does an unknown severity, which counts as rank 1 (REV-1).
    """
    if paging_rank(severity) > 1 or review.status == "finished":
        return None
    if review.status == "none":
        return "An incident of rank 0 or 1 closes with a finished review, and none is open. Open the review."
    found = missing(review)
    still = f"Still missing: {' '.join(found)}" if found else "Nothing is missing: finish it."
    return f"An incident of rank 0 or 1 closes with a finished review. {still}"


# --- decide -----------------------------------------------------------------------------


def decide(state: Review, command: ReviewCommand, now: dt.datetime) -> tuple[ReviewEvent, ...]:
    """Return the events that `command` causes; empty when nothing changes.

    Raises:
        Refused: a rule forbids it; the text names everything that is wrong, and the next step.
    """
    if isinstance(command, Open):
        return _open(state, command)
    if state.status == "none":
        raise Refused("This incident has no review yet.", mend="Open the review first.")
    if isinstance(command, CompleteActionItem):
        return _complete(state, command)
    if isinstance(command, Finish):
        return _finish(state, command)
    if isinstance(command, Reopen):
        return _reopen(state, command)
    if state.status == "finished":
        raise Refused("This review is finished.", mend="Reopen it with a reason, then change it.")
    return _edit(state, command, now)


def _edit(
    state: Review,
    command: RefreshRecord | Answer | AddFactor | RecordFairness | AddActionItem | StateNoAction,
    now: dt.datetime,
) -> tuple[ReviewEvent, ...]:
    match command:
        case RefreshRecord():
            return _refresh(state, command)
        case Answer():
            return _answer(state, command)
        case AddFactor():
            return _add_factor(state, command)
        case RecordFairness():
            return _record_fairness(state, command)
        case AddActionItem():
            return _add_item(state, command, now)
        case StateNoAction():
            return _state_no_action(state, command)
        case _:
            assert_never(command)


def _open(state: Review, command: Open) -> tuple[ReviewEvent, ...]:
    if state.status == "none":
        if not command.questions:
            raise Refused("A review asks questions.", mend="Open it with those of a review form.")
        event = Opened(
            incident=command.incident,
            severity=command.severity,
            figures=command.figures,
            timeline=command.timeline,
            gaps=command.gaps,
            questions=command.questions,
        )
        return (event,)
    if state.incident != command.incident:
        raise Refused(
            "This review belongs to another incident.", mend="Open one under that incident's own id."
        )
    return ()


def _refresh(state: Review, command: RefreshRecord) -> tuple[ReviewEvent, ...]:
    event = RecordRefreshed(
        severity=command.severity, figures=command.figures, timeline=command.timeline, gaps=command.gaps
    )
    return () if evolve(state, event) == state else (event,)


def _answer(state: Review, command: Answer) -> tuple[ReviewEvent, ...]:
    asked = [question.id for question in state.questions]
    if command.question not in asked:
        raise Refused(f"A review has no question '{command.question}'.", mend=f"It asks: {', '.join(asked)}.")
    text = command.text.strip()
    if len(text) < SHORTEST_ANSWER:
        raise Refused("The answer says too little.", mend="Write at least one sentence.")
    if len(text) > LONGEST_ANSWER:
        raise Refused(
            f"The answer is longer than {LONGEST_ANSWER} characters.", mend="Shorten it or link to it."
        )
    if state.answers.get(command.question) == text:
        return ()
    return (Answered(question=command.question, text=text),)


def _add_factor(state: Review, command: AddFactor) -> tuple[ReviewEvent, ...]:
    text = command.text.strip()
    if len(text) < SHORTEST_ANSWER:
        raise Refused("The factor says too little.", mend="Write what contributed, and how, in one sentence.")
    factor = Factor(part=command.part, kind=command.kind, text=text)
    return () if factor in state.factors else (FactorAdded(part=factor.part, kind=factor.kind, text=text),)


def _record_fairness(state: Review, command: RecordFairness) -> tuple[ReviewEvent, ...]:
    section = FairnessReview(
        assessable=command.assessable,
        text=command.text.strip(),
        gaps=command.gaps,
        redress=command.redress.strip(),
        safety=command.safety.strip(),
    )
    kind = fairness_review.form(state.severity)
    if found := fairness_review.faults(section, kind):
        raise Refused(f"The fairness and safety section ({kind} form) is not complete. {' '.join(found)}")
    if section == state.fairness:
        return ()
    event = FairnessRecorded(
        assessable=section.assessable,
        text=section.text,
        gaps=section.gaps,
        redress=section.redress,
        safety=section.safety,
    )
    return (event,)


def _add_item(state: Review, command: AddActionItem, now: dt.datetime) -> tuple[ReviewEvent, ...]:
    event = ActionItemAdded(
        item=command.item,
        text=command.text.strip(),
        owner=command.owner.strip(),
        due=command.due,
        measure=command.measure.strip(),
        priority=command.priority,
        remedy=command.remedy,
    )
    present = state.item(command.item)
    # Before the checks: a repeat must not fail because the due date has passed meanwhile.
    if present is not None:
        if msgspec.structs.replace(present, proof="") == _item(event):
            return ()
        raise Refused(f"Action item {command.item} says something else.", mend="Add this one under a new id.")
    found = action_item.faults(
        text=event.text,
        owner=event.owner,
        due=event.due,
        measure=event.measure,
        today=now.astimezone(dt.UTC).date(),
    )
    if found:
        raise Refused(f"This action item cannot be checked. {' '.join(found)}")
    return (event,)


def _complete(state: Review, command: CompleteActionItem) -> tuple[ReviewEvent, ...]:
    present = state.item(command.item)
    if present is None:
        known = ", ".join(item.id for item in state.items) or "none"
        raise Refused(f"This review has no action item {command.item}.", mend=f"It has: {known}.")
    if present.completed:
        return ()
    if fault := action_item.proof_fault(command.proof):
        raise Refused(fault)
    return (ActionItemCompleted(item=command.item, proof=command.proof.strip()),)


def _state_no_action(state: Review, command: StateNoAction) -> tuple[ReviewEvent, ...]:
    reason = command.reason.strip()
    if state.items:
        raise Refused("This review has action items, so 'none is needed' would contradict it.")
    if len(reason) < fairness_review.SHORTEST_TEXT:
        raise Refused("Say in a sentence why nothing needs to change.")
    return () if reason == state.no_action_reason else (NoActionStated(reason=reason),)


def _finish(state: Review, command: Finish) -> tuple[ReviewEvent, ...]:
    if state.status == "finished":
        return ()
    if found := missing(state):
        raise Refused(f"The review cannot be finished yet. {' '.join(found)}")
    if not command.by.strip():
        raise Refused("A review is finished by a person.", mend="Say who.")
    return (
        Finished(by=command.by, follow_up=command.follow_up, playbook_change=command.playbook_change.strip()),
    )


def _reopen(state: Review, command: Reopen) -> tuple[ReviewEvent, ...]:
    if state.status == "open":
        return ()
    if not command.reason.strip():
        raise Refused("A finished review is reopened with a reason.", mend="Say what has come to light.")
    return (Reopened(by=command.by, reason=command.reason.strip()),)


# --- evolve -----------------------------------------------------------------------------


def evolve(state: Review, event: ReviewEvent) -> Review:
    """Return `state` after `event`. Never refuses: the event has already happened."""
    put = msgspec.structs.replace
    match event:
        case Opened():
            return put(
                state,
                status="open",
                incident=event.incident,
                severity=event.severity,
                figures=event.figures,
                timeline=event.timeline,
                gaps=event.gaps,
                questions=event.questions,
            )
        case RecordRefreshed():
            return put(
                state,
                severity=event.severity,
                figures=event.figures,
                timeline=event.timeline,
                gaps=event.gaps,
            )
        case Answered():
            return put(state, answers={**state.answers, event.question: event.text})
        case FactorAdded():
            factor = Factor(part=event.part, kind=event.kind, text=event.text)
            return put(state, factors=(*state.factors, factor))
        case FairnessRecorded():
            return put(state, fairness=_section(event))
        case ActionItemAdded():
            return put(state, items=(*state.items, _item(event)), no_action_reason="")
        case ActionItemCompleted():
            return put(state, items=tuple(_completed(item, event) for item in state.items))
        case NoActionStated():
            return put(state, no_action_reason=event.reason)
        case Finished():
            return put(
                state,
                status="finished",
                finished_by=event.by,
                follow_up=event.follow_up,
                playbook_change=event.playbook_change,
            )
        case Reopened():
            return put(state, status="open", finished_by="")
        case _:
            assert_never(event)


def _section(event: FairnessRecorded) -> FairnessReview:
    return FairnessReview(
        assessable=event.assessable,
        text=event.text,
        gaps=event.gaps,
        redress=event.redress,
        safety=event.safety,
    )


def _item(event: ActionItemAdded) -> ActionItem:
    return ActionItem(
        id=event.item,
        text=event.text,
        owner=event.owner,
        due=event.due,
        measure=event.measure,
        priority=event.priority,
        remedy=event.remedy,
    )


def _completed(item: ActionItem, event: ActionItemCompleted) -> ActionItem:
    return msgspec.structs.replace(item, proof=event.proof) if item.id == event.item else item


REVIEW: StreamKind[Review, ReviewCommand, ReviewEvent] = StreamKind(
    "review", INITIAL, decide, evolve, ReviewEvent
)
