"""A page: a demand that one person acknowledges. One stream per incident tells the whole escalation.

Levels and rounds count from 1. `LAST_CALL` (level 0) stands for everyone able, called when every level
of every round went by. Rounds never repeat within a stream, also across a second escalation of the same
incident, so the keys handed to providers never repeat by accident.

The rules that keep people from silence and from noise:
- a level is reached once; a late `ReachLevel` or `TimeOut` for a level already left does nothing;
- the first acknowledgement stops the levels that follow and the deliveries not yet made;
- an attempt is recorded with the key that the provider was given; the same attempt twice is one fact;
- after the last level everyone able is called, again and again, until somebody answers;
- the state does not grow with a silent night: of pages long left only who was paged when is kept, so that
  their links still answer.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import uuid
from collections.abc import Iterator
from itertools import groupby
from typing import Literal

import msgspec

from tocsin.catalog.escalation_policy import EscalationPolicy
from tocsin.kernel.clock import aware, to_wire
from tocsin.kernel.errors import Refused
from tocsin.kernel.event import Command, Event, State, StreamKind
from tocsin.kernel.severity import Severity
from tocsin.response.oncall import escalation
from tocsin.response.oncall.escalation import LAST_CALL, Callee

Status = Literal["idle", "escalating", "exhausted", "acknowledged", "stopped"]
Outcome = Literal["accepted", "failed"]
How = Literal["link", "console", "api"]

ROUNDS_AT_HAND = 3
HOURS_AT_HAND = dt.timedelta(hours=1)
"""Pages of the last `ROUNDS_AT_HAND` rounds, and those of the last hour, keep their methods and attempts at
hand: far longer than a delivery that was already sent can wait until it is recorded."""


# --- what happened --------------------------------------------------------------------------------


class EscalationStarted(Event, frozen=True, kw_only=True, tag="page.escalation_started"):
    """Paging for an incident began, by this policy as it was at that moment."""

    incident: str
    policy: EscalationPolicy
    severity: Severity


class LevelReached(Event, frozen=True, kw_only=True, tag="page.level_reached"):
    """A level was called. Nobody to call (`people` empty) means it times out at once."""

    level: int
    round: int
    acknowledge_by: dt.datetime
    people: tuple[str, ...]
    reached_at: dt.datetime | None = None
    why: tuple[str, ...] = ()
    """Sentences about people who should have been called and could not be."""


class PageRequested(Event, frozen=True, kw_only=True, tag="page.requested"):
    """One person must be paged, by these contact methods in this order."""

    page: str
    level: int
    round: int
    person: str
    methods: tuple[str, ...]
    why: str = ""
    """The sentence that says why this person."""


class Attempted(Event, frozen=True, kw_only=True, tag="page.attempted"):
    """One delivery was tried. `key` is what the provider was given."""

    page: str
    method: str
    attempt: int
    key: str
    outcome: Outcome
    detail: str
    at: dt.datetime | None = None


class Acknowledged(Event, frozen=True, kw_only=True, tag="page.acknowledged"):
    """A person answered. `role` is the incident role that the answered level gives, if any."""

    person: str
    page: str | None
    how: How
    level: int | None = None
    round: int | None = None
    role: str | None = None


class LevelTimedOut(Event, frozen=True, kw_only=True, tag="page.level_timed_out"):
    """Nobody of this level answered in time."""

    level: int
    round: int


class Exhausted(Event, frozen=True, kw_only=True, tag="page.exhausted"):
    """Every level of every round went by without an answer."""


class EscalationStopped(Event, frozen=True, kw_only=True, tag="page.escalation_stopped"):
    """Paging ended for a reason other than an answer."""

    reason: str


PageEvent = (
    EscalationStarted
    | LevelReached
    | PageRequested
    | Attempted
    | Acknowledged
    | LevelTimedOut
    | Exhausted
    | EscalationStopped
)


# --- what someone asks for ------------------------------------------------------------------------


class Start(Command, frozen=True, kw_only=True):
    """Begin to page for an incident."""

    incident: str
    policy: EscalationPolicy
    severity: Severity


class ReachLevel(Command, frozen=True, kw_only=True):
    """Call this level: `people` were resolved from the policy at this moment."""

    level: int
    round: int
    people: tuple[Callee, ...]
    why: tuple[str, ...] = ()


class RecordAttempt(Command, frozen=True, kw_only=True):
    """Tell how one delivery went."""

    page: str
    method: str
    attempt: int
    key: str
    outcome: Outcome
    detail: str = ""


class Acknowledge(Command, frozen=True, kw_only=True):
    """Answer the page. `page` is None when a person answers from the console without a link."""

    person: str
    page: str | None = None
    how: How = "console"


class TimeOut(Command, frozen=True, kw_only=True):
    """The time of this level is over."""

    level: int
    round: int


class Stop(Command, frozen=True, kw_only=True):
    """End paging, for instance because the incident is resolved."""

    reason: str


PageCommand = Start | ReachLevel | RecordAttempt | Acknowledge | TimeOut | Stop


# --- what is true now -----------------------------------------------------------------------------


class Page(State, frozen=True, kw_only=True):
    """One person's page within the escalation."""

    page: str
    level: int
    round: int
    person: str
    methods: tuple[str, ...]
    reached_at: dt.datetime | None = None
    acknowledge_by: dt.datetime | None = None
    why: str = ""


class Attempt(State, frozen=True, kw_only=True):
    """One recorded delivery attempt."""

    page: str
    method: str
    attempt: int
    key: str
    outcome: Outcome
    detail: str
    at: dt.datetime | None = None


class Calls(State, frozen=True, kw_only=True):
    """Who was paged by one level, the same people in every round from `first` to `last`: pages long left, in short."""

    level: int
    first: int
    last: int
    people: tuple[str, ...]


class Escalation(State, frozen=True, kw_only=True):
    """Where paging for one incident stands."""

    status: Status = "idle"
    incident: str = ""
    policy: EscalationPolicy | None = None
    severity: Severity = None
    first_round: int = 1
    """Round in which the present escalation began; the policy's rounds count from it."""
    due: tuple[int, int] | None = None
    """(level, round) that should be reached next, or None while a level waits or nothing is due."""
    current: tuple[int, int] | None = None
    """(level, round) that waits for an answer."""
    left: tuple[int, int] | None = None
    """The last (level, round) that timed out."""
    last_round: int = 0
    reached_at: dt.datetime | None = None
    acknowledge_by: dt.datetime | None = None
    people: tuple[str, ...] = ()
    pages: tuple[Page, ...] = ()
    """The pages at hand, the latest last."""
    attempts: tuple[Attempt, ...] = ()
    """The attempts on the pages at hand."""
    earlier: tuple[Calls, ...] = ()
    """The pages of rounds long left."""
    acknowledged_by: tuple[str, ...] = ()
    """Everybody who answered the present escalation, the first one first."""
    stopped_because: str = ""

    def page(self, page: str) -> Page | None:
        """Return the page at hand with this id, or None."""
        return next((each for each in self.pages if each.page == page), None)

    def paged(self, person: str) -> bool:
        """Return whether this person was ever paged."""
        at_hand = any(each.person == person for each in self.pages)
        return at_hand or any(person in calls.people for calls in self.earlier)


INITIAL = Escalation()


# --- the rules ------------------------------------------------------------------------------------


def decide(state: Escalation, command: PageCommand, now: dt.datetime) -> tuple[PageEvent, ...]:
    """Return what `command` causes; empty when it changes nothing.

    Raises:
        Refused: a rule forbids the command, with the reason and the next step.
    """
    match command:
        case Start():
            return _start(state, command)
        case RecordAttempt():
            return _record(state, command, now)
        case Stop():
            return _stop(state, command)
        case _ if state.status == "idle":
            raise Refused("Nobody is being paged for this incident.", mend="Start an escalation first.")
        case ReachLevel():
            return _reach(state, command, now)
        case Acknowledge():
            return _acknowledge(state, command)
        case TimeOut():
            return _time_out(state, command, now)


def _start(state: Escalation, command: Start) -> tuple[PageEvent, ...]:
    if state.incident and state.incident != command.incident:
        raise Refused(
            "This stream pages for another incident.", mend="Use the stream that is keyed by the incident."
        )
    if state.status not in ("idle", "stopped"):
        if state.policy == command.policy and state.severity == command.severity:
            return ()
        raise Refused(
            "Another escalation for this incident is under way.",
            mend="Stop it, then start with the other policy or severity.",
        )
    started = EscalationStarted(incident=command.incident, policy=command.policy, severity=command.severity)
    nobody = escalation.first(command.policy, command.severity)[0] == LAST_CALL
    return (started, Exhausted()) if nobody else (started,)


def _reach(state: Escalation, command: ReachLevel, now: dt.datetime) -> tuple[PageEvent, ...]:
    asked = (command.level, command.round)
    if state.status not in ("escalating", "exhausted") or _already(state, asked):
        return ()
    if state.due != asked or state.policy is None:
        raise Refused(
            f"{_name(asked)} is not due.",
            mend=f"Next is {_name(state.due)}." if state.due else "Wait until the present level times out.",
        )
    wait = escalation.acknowledge_within(state.policy, command.level, state.severity)
    callees = _once(command.people)
    reached = LevelReached(
        level=command.level,
        round=command.round,
        # Nobody to wait for: the next level must not lose the time of this one.
        acknowledge_by=aware(now) + wait if callees or command.level == LAST_CALL else aware(now),
        people=tuple(callee.person for callee in callees),
        reached_at=aware(now),
        why=command.why,
    )
    return (
        reached,
        *(
            PageRequested(
                page=page_id(state.incident, command.level, command.round, callee.person),
                level=command.level,
                round=command.round,
                person=callee.person,
                methods=callee.methods,
                why=callee.why,
            )
            for callee in callees
        ),
    )


def _record(state: Escalation, command: RecordAttempt, now: dt.datetime) -> tuple[PageEvent, ...]:
    page = state.page(command.page)
    if page is None:
        raise Refused(
            "No such page in this escalation.", mend="Record the attempt on the page that was sent."
        )
    if command.method not in page.methods:
        raise Refused(f"This page does not use {command.method}.", mend=f"It uses {', '.join(page.methods)}.")
    if not command.key:
        raise Refused("An attempt is recorded with its key.", mend="Hand in the key the provider was given.")
    same = [each for each in state.attempts if each.key == command.key]
    # A lease that expired sends again with the same key: a different outcome is news, the same is not.
    if same and same[-1].outcome == command.outcome:
        return ()
    return (
        Attempted(
            page=command.page,
            method=command.method,
            attempt=command.attempt,
            key=command.key,
            outcome=command.outcome,
            detail=command.detail,
            at=aware(now),
        ),
    )


def _acknowledge(state: Escalation, command: Acknowledge) -> tuple[PageEvent, ...]:
    page = _sent(state, command.person, command.page) if command.page else _latest(state, command.person)
    if command.page and page is None:
        raise Refused("This page was not sent to you.", mend="Answer from the incident's own page instead.")
    if command.person in state.acknowledged_by:
        return ()
    if state.status == "stopped":
        raise Refused(
            f"Paging has ended: {state.stopped_because.rstrip('.')}.",
            mend="Open the incident to see where it stands.",
        )
    where = (page.level, page.round) if page else state.current
    return (
        Acknowledged(
            person=command.person,
            page=page.page if page else None,
            how=command.how,
            level=where[0] if where else None,
            round=where[1] if where else None,
            role=_role(state, where) if where else None,
        ),
    )


def _time_out(state: Escalation, command: TimeOut, now: dt.datetime) -> tuple[PageEvent, ...]:
    asked = (command.level, command.round)
    if state.status not in ("escalating", "exhausted"):
        return ()
    if state.current != asked:
        if _already(state, asked):
            return ()
        raise Refused(f"{_name(asked)} has not been reached.", mend="Reach it before it can time out.")
    if state.acknowledge_by is not None and aware(now) < state.acknowledge_by:
        raise Refused(
            f"{_name(asked)} has until {to_wire(state.acknowledge_by)}.",
            mend="Try again when that time has come.",
        )
    out = LevelTimedOut(level=command.level, round=command.round)
    if state.status == "escalating" and _following(state, asked)[0] == LAST_CALL:
        return (out, Exhausted())
    return (out,)


def _stop(state: Escalation, command: Stop) -> tuple[PageEvent, ...]:
    if state.status in ("idle", "stopped"):
        return ()
    if not command.reason.strip():
        raise Refused("Paging is not stopped without a reason.", mend="Say why, in a few words.")
    return (EscalationStopped(reason=command.reason),)


def evolve(state: Escalation, event: PageEvent) -> Escalation:
    """Return `state` after `event`. Never refuses: the event has already happened."""
    match event:
        case EscalationStarted():
            first = state.last_round + 1
            return msgspec.structs.replace(
                state,
                status="escalating",
                incident=event.incident,
                policy=event.policy,
                severity=event.severity,
                first_round=first,
                last_round=first,
                due=escalation.first(event.policy, event.severity, first),
                current=None,
                left=None,
                reached_at=None,
                acknowledge_by=None,
                people=(),
                acknowledged_by=(),
                stopped_because="",
            )
        case LevelReached():
            return msgspec.structs.replace(
                _put_away(state, event),
                due=None,
                current=(event.level, event.round),
                last_round=max(state.last_round, event.round),
                reached_at=event.reached_at,
                acknowledge_by=event.acknowledge_by,
                people=event.people,
            )
        case PageRequested():
            return msgspec.structs.replace(state, pages=(*state.pages, _page(state, event)))
        case Attempted():
            return msgspec.structs.replace(state, attempts=(*state.attempts, _attempt(event)))
        case Acknowledged():
            return msgspec.structs.replace(
                state,
                status="acknowledged",
                due=None,
                current=None,
                acknowledge_by=None,
                acknowledged_by=(*state.acknowledged_by, event.person),
            )
        case LevelTimedOut():
            left = (event.level, event.round)
            return msgspec.structs.replace(
                state, current=None, acknowledge_by=None, left=left, due=_following(state, left)
            )
        case Exhausted():
            # What is due is the last call already: no level is left, or there never was one.
            return msgspec.structs.replace(state, status="exhausted")
        case EscalationStopped():
            return msgspec.structs.replace(
                state,
                status="stopped",
                due=None,
                current=None,
                acknowledge_by=None,
                stopped_because=event.reason,
            )


PAGE: StreamKind[Escalation, PageCommand, PageEvent] = StreamKind("page", INITIAL, decide, evolve, PageEvent)


# --- keys ------------------------------------------------------------------------------------------


def page_id(incident: str, level: int, round: int, person: str) -> str:
    """Return the id of a page, the same for the same four facts (UUIDv8, RFC 9562 section 5.8)."""
    number = int.from_bytes(_digest("page", incident, level, round, person)[:16], "big")
    number = (number & ~(0xF << 76)) | (0x8 << 76)
    number = (number & ~(0x3 << 62)) | (0x2 << 62)
    return str(uuid.UUID(int=number))


def delivery_key(incident: str, level: int, round: int, person: str, method: str, attempt: int) -> str:
    """Return the idempotency key of one attempt: 32 hex digits, the same for the same six facts.

    It tells nothing about the incident or the person, so it may be shown to any provider.
    """
    return _digest("delivery", incident, level, round, person, method, attempt).hex()[:32]


def _digest(*parts: str | int) -> bytes:
    # JSON keeps the parts apart: ("ab", "c") and ("a", "bc") must differ.
    return hashlib.sha256(json.dumps(parts).encode()).digest()


# --- small steps ----------------------------------------------------------------------------------


def _following(state: Escalation, left: tuple[int, int]) -> tuple[int, int]:
    if state.policy is None:
        return (LAST_CALL, left[1] + 1)
    return escalation.following(state.policy, state.severity, left, state.first_round)


def _already(state: Escalation, asked: tuple[int, int]) -> bool:
    """Return whether `asked` is the present level or was left before it."""
    level, round = asked
    passed = state.current or state.left
    if passed is None:
        return round < state.first_round
    return round < passed[1] or (round == passed[1] and level <= passed[0])


def _once(people: tuple[Callee, ...]) -> tuple[Callee, ...]:
    seen: dict[str, Callee] = {}
    for callee in people:
        seen.setdefault(callee.person, callee)
    return tuple(seen.values())


def _latest(state: Escalation, person: str) -> Page | None:
    """Return the latest page of this person in the present escalation."""
    return next((each for each in _pages_of(state, person) if each.round >= state.first_round), None)


def _sent(state: Escalation, person: str, page: str) -> Page | None:
    """Return the page with this id if it was sent to this person."""
    return next((each for each in _pages_of(state, person) if each.page == page), None)


def _pages_of(state: Escalation, person: str) -> Iterator[Page]:
    """Yield the pages of a person, the latest first; those long left without their methods."""
    yield from (each for each in reversed(state.pages) if each.person == person)
    for calls in sorted(state.earlier, key=lambda calls: (calls.last, calls.level or math.inf), reverse=True):
        if person in calls.people:
            for round in range(calls.last, calls.first - 1, -1):
                id = page_id(state.incident, calls.level, round, person)
                yield Page(page=id, level=calls.level, round=round, person=person, methods=())


def _put_away(state: Escalation, reached: LevelReached) -> Escalation:
    """Return `state` with the pages that are long left when this level is reached kept in short."""
    oldest = reached.round - ROUNDS_AT_HAND + 1
    since = reached.reached_at - HOURS_AT_HAND if reached.reached_at else None
    kept: list[Page] = []
    earlier = state.earlier
    for (level, round), group in groupby(state.pages, lambda page: (page.level, page.round)):
        pages = tuple(group)
        if round >= oldest or _reached_after(pages[0], since):
            kept += pages
        else:
            earlier = _remembered(earlier, level, round, tuple(page.person for page in pages))
    if len(kept) == len(state.pages):
        return state
    at_hand = {page.page for page in kept}
    attempts = tuple(each for each in state.attempts if each.page in at_hand)
    return msgspec.structs.replace(state, pages=tuple(kept), attempts=attempts, earlier=earlier)


def _reached_after(page: Page, moment: dt.datetime | None) -> bool:
    return page.reached_at is not None and moment is not None and page.reached_at > moment


def _remembered(
    earlier: tuple[Calls, ...], level: int, round: int, people: tuple[str, ...]
) -> tuple[Calls, ...]:
    for place, calls in enumerate(earlier):
        if (calls.level, calls.last, calls.people) == (level, round - 1, people):
            longer = msgspec.structs.replace(calls, last=round)
            return (*earlier[:place], longer, *earlier[place + 1 :])
    return (*earlier, Calls(level=level, first=round, last=round, people=people))


def _role(state: Escalation, where: tuple[int, int]) -> str | None:
    level, round = where
    # A link of an earlier escalation is still an answer, but its level belongs to another policy.
    if state.policy is None or level == LAST_CALL or round < state.first_round:
        return None
    return state.policy.levels[level - 1].role


def _name(where: tuple[int, int]) -> str:
    level, round = where
    return f"The last call (round {round})" if level == LAST_CALL else f"Level {level} of round {round}"


def _page(state: Escalation, event: PageRequested) -> Page:
    return Page(
        page=event.page,
        level=event.level,
        round=event.round,
        person=event.person,
        methods=event.methods,
        reached_at=state.reached_at,
        acknowledge_by=state.acknowledge_by,
        why=event.why,
    )


def _attempt(event: Attempted) -> Attempt:
    return Attempt(
        page=event.page,
        method=event.method,
        attempt=event.attempt,
        key=event.key,
        outcome=event.outcome,
        detail=event.detail,
        at=event.at,
    )
