"""One run of a playbook, told by its events: where it is, what it waits for, how it got there (RSP-2, RSP-5).

The playbook is snapshotted when the run starts, so an edit never moves a run that is under way. Steps that need
nobody (recommendation, notification, evidence) are passed at once; their events tell the engine what follows.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal, assert_never

import msgspec

from tocsin.catalog.playbook import (
    UNKNOWN,
    AnyStep,
    Decision,
    End,
    EvidenceCollection,
    Notification,
    Playbook,
    Question,
    Recommendation,
    Task,
)
from tocsin.kernel.errors import Refused
from tocsin.kernel.event import Command, Event, State, StreamKind
from tocsin.response.playbooks.playbook import errors

Status = Literal["none", "running", "finished", "abandoned"]
By = Literal["probe", "person"]


# --- events -----------------------------------------------------------------------------


class Started(Event, frozen=True, kw_only=True, tag="run.started"):
    """A run began. `probes` are the ids of the probes that the system offers."""

    incident: str
    system: str
    playbook: Playbook
    probes: tuple[str, ...] = ()


class StepReached(Event, frozen=True, kw_only=True, tag="run.step_reached"):
    """The run arrived at a step. `waiting_for` is None when it goes on by itself."""

    step: str
    kind: str = ""
    waiting_for: By | None = None


class Answered(Event, frozen=True, kw_only=True, tag="run.answered"):
    """A question or a decision was answered. `evidence` holds ids, `measured` figures as text."""

    step: str
    answer: str
    by: By
    who: str
    at: dt.datetime
    evidence: tuple[str, ...] = ()
    measured: dict[str, str] = {}
    note: str = ""


class ProbeInconclusive(Event, frozen=True, kw_only=True, tag="run.probe_inconclusive"):
    """A probe could not tell. The run waits for a person: a machine's doubt never picks a branch."""

    step: str
    measured: dict[str, str] = {}
    reason: str = ""


class Recommended(Event, frozen=True, kw_only=True, tag="run.recommended"):
    """The run proposes a containment action, by its verb."""

    step: str
    action: str
    reason: str
    text: str = ""


class TaskDone(Event, frozen=True, kw_only=True, tag="run.task_done"):
    """A task was done by hand."""

    step: str
    note: str
    who: str = ""
    at: dt.datetime | None = None


class Revisited(Event, frozen=True, kw_only=True, tag="run.revisited"):
    """A person went back to an earlier step; what followed from it no longer stands."""

    step: str
    who: str
    reason: str


class Finished(Event, frozen=True, kw_only=True, tag="run.finished"):
    """The run reached an end."""

    outcome: str


class Abandoned(Event, frozen=True, kw_only=True, tag="run.abandoned"):
    """The run was given up."""

    reason: str
    who: str = ""


RunEvent = (
    Started
    | StepReached
    | Answered
    | ProbeInconclusive
    | Recommended
    | TaskDone
    | Revisited
    | Finished
    | Abandoned
)


# --- commands ---------------------------------------------------------------------------


class Start(Command, frozen=True, kw_only=True):
    """Start a run of `playbook` on `system`; `probes` are the ids of the probes that the system offers."""

    incident: str
    system: str
    playbook: Playbook
    probes: tuple[str, ...] = ()


class Answer(Command, frozen=True, kw_only=True):
    """Answer the question or take the decision the run is at.

    `roles` are those that `who` holds on the incident. `visit` is the index in the path that the answer is meant
    for; with it, a late answer cannot fall upon a second visit to the same step.
    """

    step: str
    answer: str
    by: By
    who: str = ""
    visit: int | None = None
    roles: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    measured: dict[str, str] = {}
    note: str = ""


class CompleteTask(Command, frozen=True, kw_only=True):
    """Say that the task the run is at has been done; `visit` as for an answer."""

    step: str
    note: str = ""
    who: str = ""
    visit: int | None = None


class Revisit(Command, frozen=True, kw_only=True):
    """Go back to an earlier question, decision or task, to answer it anew. A finished run goes on from there."""

    step: str
    who: str
    reason: str


class Abandon(Command, frozen=True, kw_only=True):
    """Give the run up."""

    reason: str
    who: str = ""


RunCommand = Start | Answer | CompleteTask | Revisit | Abandon


# --- state ------------------------------------------------------------------------------


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One step on the path. `left` is true when the run went back to before it."""

    step: str
    kind: str
    answer: str = ""
    by: By | None = None
    who: str = ""
    at: dt.datetime | None = None
    evidence: tuple[str, ...] = ()
    measured: dict[str, str] = {}
    note: str = ""
    left: bool = False


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """One recommendation of the run. `left` is true when the run went back to before it."""

    step: str
    action: str
    reason: str
    text: str
    visit: int
    """Its index in the path."""
    left: bool = False


class Run(State, frozen=True, kw_only=True):
    """What is true of a run now."""

    status: Status = "none"
    incident: str = ""
    system: str = ""
    playbook: Playbook | None = None
    probes: tuple[str, ...] = ()
    step: str = ""
    """The step the run is at; after the end, the end."""
    waiting_for: By | None = None
    inconclusive: ProbeInconclusive | None = None
    """What the probe of the present step could not tell, if it tried."""
    path: tuple[Visit, ...] = ()
    recommendations: tuple[Proposal, ...] = ()
    outcome: str = ""
    reason: str = ""

    def current(self) -> AnyStep | None:
        """Return the step the run is at, or None before it has started."""
        return self.playbook.step(self.step) if self.playbook else None

    def standing(self) -> tuple[Proposal, ...]:
        """Return the recommendations that the present path leads to."""
        return tuple(proposal for proposal in self.recommendations if not proposal.left)


INITIAL = Run()


# --- decide -----------------------------------------------------------------------------


def decide(state: Run, command: RunCommand, now: dt.datetime) -> tuple[RunEvent, ...]:
    """Return the events that `command` causes; empty when nothing changes.

    Raises:
        Refused: a rule forbids it; the text names the step the run is at, or the choices there are.
    """
    if isinstance(command, Start):
        return _start(state, command)
    if state.status == "none" or state.playbook is None:
        raise Refused("This run has not started.", mend="Start it with a playbook first.")
    if isinstance(command, Abandon):
        return _abandon(state, command)
    if state.status == "abandoned":
        raise Refused(f"This run was abandoned: {_ended(state.reason)}", mend="Start another run.")
    match command:
        case Answer():
            return _answer(state, state.playbook, command, now)
        case CompleteTask():
            return _complete(state, state.playbook, command, now)
        case Revisit():
            return _revisit(state, state.playbook, command)
        case _:
            assert_never(command)


def _start(state: Run, command: Start) -> tuple[RunEvent, ...]:
    if state.status != "none" and state.playbook is not None:
        if (state.incident, state.system, state.playbook) == (
            command.incident,
            command.system,
            command.playbook,
        ):
            return ()
        raise Refused(
            f"This run already follows playbook '{state.playbook.id}'.",
            mend="Start another run for another one.",
        )
    if found := errors(command.playbook):
        faults = " ".join(finding.text for finding in found)
        raise Refused(
            f"Playbook '{command.playbook.id}' cannot run. {faults}", mend="Mend it, then start again."
        )
    started = Started(
        incident=command.incident, system=command.system, playbook=command.playbook, probes=command.probes
    )
    return (started, *_arrive(command.playbook, command.playbook.first_step, command.probes))


def _arrive(playbook: Playbook, name: str, probes: tuple[str, ...]) -> list[RunEvent]:
    """Return the events from reaching step `name` to the first step that waits, or to an end.

    It ends, because `errors` lets no playbook start that has a loop without an exit, and only a step
    that waits can be an exit.
    """
    events: list[RunEvent] = []
    while True:
        step = _step(playbook, name)
        waiting_for = _waits(step, probes)
        events.append(StepReached(step=step.id, kind=kind(step), waiting_for=waiting_for))
        match step:
            case Question() | Task() | Decision():
                return events
            case End():
                events.append(Finished(outcome=step.outcome))
                return events
            case Recommendation():
                events.append(Recommended(step=step.id, action=step.action, reason=step.why, text=step.text))
                name = step.next
            case Notification() | EvidenceCollection():
                name = step.next
            case _:
                assert_never(step)


def _waits(step: AnyStep, probes: tuple[str, ...]) -> By | None:
    match step:
        case Question():
            return "probe" if step.probe in probes else "person"
        case Task() | Decision():
            return "person"
        case _:
            return None


def _answer(state: Run, playbook: Playbook, command: Answer, now: dt.datetime) -> tuple[RunEvent, ...]:
    if _repeats(state, command):
        return ()
    step = _expect(state, playbook, command.step, command.visit)
    if not isinstance(step, Question | Decision):
        raise Refused(f"Step '{step.id}' is a {kind(step)}, not a question.", mend="Complete it instead.")
    if command.by == "probe":
        if (doubt := _by_probe(state, step, command)) is not None:
            return doubt
    else:
        _by_person(step, command)
    ways = step.answers if isinstance(step, Question) else step.options
    if command.answer not in ways:
        raise Refused(
            f"'{command.answer}' is no answer to step '{step.id}'.", mend=f"Choose one of: {', '.join(ways)}."
        )
    answered = Answered(
        step=step.id,
        answer=command.answer,
        by=command.by,
        who=command.who,
        at=now,
        evidence=command.evidence,
        measured=command.measured,
        note=command.note,
    )
    return (answered, *_arrive(playbook, ways[command.answer], state.probes))


def _repeats(state: Run, command: Answer) -> bool:
    """Whether `command` was taken already and the run moved on: a job or a form may send it twice."""
    last = _earlier(state, command.step, command.visit)
    return last is not None and (last.answer, last.by, last.who) == (command.answer, command.by, command.who)


def _earlier(state: Run, step: str, visit: int | None) -> Visit | None:
    """Return the visit a command is about when the run has left it behind, or None when it is there now."""
    if visit is not None and not 0 <= visit < len(state.path):
        return None
    if _is_there(state, step, visit):
        return None
    if visit is not None:
        return state.path[visit] if state.path[visit].step == step else None
    return next((v for v in reversed(state.path) if v.step == step and not v.left), None)


def _is_there(state: Run, step: str, visit: int | None) -> bool:
    return state.status == "running" and step == state.step and visit in (None, len(state.path) - 1)


def _by_probe(state: Run, step: Question | Decision, command: Answer) -> tuple[RunEvent, ...] | None:
    """Return what a probe's doubt causes, or None when the probe knows and the run can go on."""
    if not isinstance(step, Question) or step.probe is None or step.probe not in state.probes:
        raise Refused(f"No probe of this system can answer step '{step.id}'.", mend="A person answers it.")
    if state.waiting_for == "person" and state.inconclusive is None:
        raise Refused(f"Somebody went back to step '{step.id}' to answer it.", mend="A person answers it.")
    if command.answer != UNKNOWN:
        return None
    if state.inconclusive is not None:
        return ()
    return (ProbeInconclusive(step=step.id, measured=command.measured, reason=command.note),)


def _by_person(step: Question | Decision, command: Answer) -> None:
    if not command.who.strip():
        raise Refused("An answer of a person names that person.", mend="Say who answers.")
    if isinstance(step, Decision) and not {step.role, "commander"} & set(command.roles):
        raise Refused(
            f"Step '{step.id}' is decided by the {step.role.replace('_', ' ')} of this incident.",
            mend="Ask them, or have the role assigned.",
        )


def _complete(
    state: Run, playbook: Playbook, command: CompleteTask, now: dt.datetime
) -> tuple[RunEvent, ...]:
    earlier = _earlier(state, command.step, command.visit)
    if earlier is not None and earlier.kind == "task" and earlier.at is not None:
        return ()
    step = _expect(state, playbook, command.step, command.visit)
    if not isinstance(step, Task):
        raise Refused(f"Step '{step.id}' is a {kind(step)}, not a task.", mend="Answer it instead.")
    done = TaskDone(step=step.id, note=command.note, who=command.who, at=now)
    return (done, *_arrive(playbook, step.next, state.probes))


def _expect(state: Run, playbook: Playbook, name: str, visit: int | None) -> AnyStep:
    """Return the step called `name` when the run waits there; otherwise refuse and say where it is."""
    if state.status == "finished":
        raise Refused(
            f"This run is finished: {_ended(state.outcome)}",
            mend="To change an earlier answer, go back to that step.",
        )
    if not _is_there(state, name, visit):
        here = _step(playbook, state.step)
        why = "has moved on" if any(v.step == name for v in state.path) else "is not at that step"
        raise Refused(
            f"The run {why}. It is at '{here.id}': {_ended(said(here))}",
            mend="Answer that, or go back to the earlier step.",
        )
    return _step(playbook, name)


def _revisit(state: Run, playbook: Playbook, command: Revisit) -> tuple[RunEvent, ...]:
    if command.step == state.step and state.status == "running":
        return ()
    steps = [v.step for v in state.path if not v.left and v.kind in ("question", "decision", "task")]
    if command.step not in steps:
        choices = ", ".join(dict.fromkeys(steps)) or "none yet"
        raise Refused(
            f"The run has not answered step '{command.step}'.", mend=f"It can go back to: {choices}."
        )
    if not command.who.strip() or not command.reason.strip():
        raise Refused("Going back changes the record of a run.", mend="Say who goes back, and why.")
    step = _step(playbook, command.step)
    back = Revisited(step=step.id, who=command.who, reason=command.reason)
    # The one who went back answers: a probe would only repeat what that person doubts.
    return (back, StepReached(step=step.id, kind=kind(step), waiting_for="person"))


def _abandon(state: Run, command: Abandon) -> tuple[RunEvent, ...]:
    if state.status == "abandoned":
        return ()
    if state.status == "finished":
        raise Refused(f"This run is finished: {_ended(state.outcome)}", mend="There is nothing to give up.")
    if not command.reason.strip():
        raise Refused("A run is given up with a reason.", mend="Say why.")
    return (Abandoned(reason=command.reason, who=command.who),)


def _step(playbook: Playbook, name: str) -> AnyStep:
    step = playbook.step(name)
    if step is None:  # `errors` lets no playbook with a missing step start
        raise LookupError(f"playbook {playbook.id} has no step {name}")
    return step


def kind(step: AnyStep) -> str:
    """Return the type of `step` as its wire name says it: question, task, recommendation, ..."""
    return str(step.__struct_config__.tag)


def said(step: AnyStep) -> str:
    """Return the words a step puts before a person."""
    match step:
        case Question() | Task() | Decision() | Recommendation():
            return step.text
        case Notification():
            return f"an update for {step.audience}"
        case EvidenceCollection():
            return f"keep {', '.join(step.what)}"
        case End():
            return step.outcome
        case _:
            assert_never(step)


def _ended(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."


# --- evolve -----------------------------------------------------------------------------


def evolve(state: Run, event: RunEvent) -> Run:
    """Return `state` after `event`. Never refuses: the event has already happened."""
    put = msgspec.structs.replace
    match event:
        case Started():
            return put(
                state,
                status="running",
                incident=event.incident,
                system=event.system,
                playbook=event.playbook,
                probes=event.probes,
            )
        case StepReached():  # follows every answer and task, and precedes every end
            return put(
                state,
                step=event.step,
                waiting_for=event.waiting_for,
                inconclusive=None,
                path=(*state.path, Visit(step=event.step, kind=event.kind)),
            )
        case Answered():
            return put(state, path=_answered(state.path, event))
        case ProbeInconclusive():
            return put(state, waiting_for="person", inconclusive=event)
        case Recommended():
            proposal = Proposal(
                step=event.step,
                action=event.action,
                reason=event.reason,
                text=event.text,
                visit=len(state.path) - 1,
            )
            return put(state, recommendations=(*state.recommendations, proposal))
        case TaskDone():
            done = put(state.path[-1], who=event.who, at=event.at, note=event.note, by="person")
            return put(state, path=(*state.path[:-1], done))
        case Revisited():
            return _went_back(state, event.step)
        case Finished():
            return put(state, status="finished", outcome=event.outcome)
        case Abandoned():
            return put(state, status="abandoned", waiting_for=None, reason=event.reason)
        case _:
            assert_never(event)


def _answered(path: tuple[Visit, ...], event: Answered) -> tuple[Visit, ...]:
    answered = msgspec.structs.replace(
        path[-1],
        answer=event.answer,
        by=event.by,
        who=event.who,
        at=event.at,
        evidence=event.evidence,
        measured=event.measured,
        note=event.note,
    )
    return (*path[:-1], answered)


def _went_back(state: Run, step: str) -> Run:
    """Mark everything from the last stay at `step` on as left; the record of it remains."""
    put = msgspec.structs.replace
    start = max(i for i, v in enumerate(state.path) if v.step == step and not v.left)
    path = tuple(put(v, left=True) if i >= start else v for i, v in enumerate(state.path))
    recommendations = tuple(put(p, left=True) if p.visit >= start else p for p in state.recommendations)
    return put(state, status="running", path=path, recommendations=recommendations, outcome="")


RUN: StreamKind[Run, RunCommand, RunEvent] = StreamKind("run", INITIAL, decide, evolve, RunEvent)
