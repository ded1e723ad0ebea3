"""A page: every state against every command, and the rules that keep people from silence and from noise."""

from __future__ import annotations

import datetime as dt

import pytest

from tocsin.catalog.escalation_policy import EscalationPolicy, Level, Target
from tocsin.kernel.errors import Refused
from tocsin.kernel.event import payload_bytes
from tocsin.response.oncall.delivery import next_delivery, wanted
from tocsin.response.oncall.escalation import LAST_CALL, Callee
from tocsin.response.oncall.page import (
    INITIAL,
    PAGE,
    Acknowledge,
    Acknowledged,
    Escalation,
    EscalationStarted,
    LevelReached,
    PageCommand,
    PageEvent,
    PageRequested,
    ReachLevel,
    RecordAttempt,
    Start,
    Stop,
    TimeOut,
    delivery_key,
    page_id,
)

T0 = dt.datetime(2026, 1, 5, 3, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
INCIDENT = "019b8a00-0000-7000-8000-000000000001"


def level(*people: str, role: str | None = None, **more: object) -> Level:
    return Level(notify=tuple(Target(person=person) for person in people), role=role, **more)


POLICY = EscalationPolicy(id="two", name="Two", levels=(level("ana", role="commander"), level("bo")))
OTHER = EscalationPolicy(id="one", name="One", levels=(level("cy"),))
ANA = Callee(person="ana", methods=("mail", "hook"), why="Ana is on call.")
BO = Callee(person="bo", methods=("mail",), why="Bo is named by the policy.")
ANAS_PAGE, BOS_PAGE = page_id(INCIDENT, 1, 1, "ana"), page_id(INCIDENT, 2, 1, "bo")


def start(policy: EscalationPolicy = POLICY, severity: int = 0) -> Start:
    return Start(incident=INCIDENT, policy=policy, severity=severity)


def reach(level: int, round: int = 1, *people: Callee) -> ReachLevel:
    return ReachLevel(level=level, round=round, people=people)


def attempt(
    page: str = ANAS_PAGE, number: int = 1, outcome: str = "accepted", method: str = "mail"
) -> RecordAttempt:
    key = delivery_key(INCIDENT, 1, 1, "ana", method, number)
    return RecordAttempt(page=page, method=method, attempt=number, key=key, outcome=outcome, detail="Done.")


def play(*commands: PageCommand) -> tuple[Escalation, list[PageEvent], dt.datetime]:
    """Carry out commands, an hour apart; return the state, the events and the time."""
    state, told, now = INITIAL, [], T0
    for command in commands:
        for event in PAGE.decide(state, command, now):
            state = PAGE.evolve(state, event)
            told.append(event)
        now += 60 * MINUTE
    return state, told, now


# --- the table ------------------------------------------------------------------------------------

STARTED = (start(),)
WAITING_1 = (*STARTED, reach(1, 1, ANA))
DUE_2 = (*WAITING_1, TimeOut(level=1, round=1))
WAITING_2 = (*DUE_2, reach(2, 1, BO))
EXHAUSTED = (*WAITING_2, TimeOut(level=2, round=1))
LAST = (*EXHAUSTED, reach(LAST_CALL, 2, ANA, BO))
LAST_AGAIN = (*LAST, TimeOut(level=LAST_CALL, round=2))
HISTORY: dict[str, tuple[PageCommand, ...]] = {
    "idle": (),
    "started": STARTED,
    "waiting_1": WAITING_1,
    "due_2": DUE_2,
    "waiting_2": WAITING_2,
    "exhausted": EXHAUSTED,
    "last": LAST,
    "last_again": LAST_AGAIN,
    "answered": (*WAITING_1, Acknowledge(person="ana")),
    "stopped": (*WAITING_1, Stop(reason="The incident is resolved.")),
    "stopped_answered": (*WAITING_1, Acknowledge(person="ana"), Stop(reason="Resolved.")),
}
COMMAND: dict[str, PageCommand] = {
    "start": start(),
    "other": start(OTHER),
    "reach_1": reach(1, 1, ANA),
    "reach_2": reach(2, 1, BO),
    "last": reach(LAST_CALL, 2, ANA, BO),
    "attempt": attempt(),
    "ana": Acknowledge(person="ana"),
    "cy": Acknowledge(person="cy", how="api"),
    "out_1": TimeOut(level=1, round=1),
    "out_2": TimeOut(level=2, round=1),
    "out_last": TimeOut(level=LAST_CALL, round=2),
    "stop": Stop(reason="The incident is resolved."),
}
# What happens: the last words of the events, joined by +; = nothing changes; - refused.
TABLE = """
                  start    other    reach_1      reach_2      last             attempt    ana  cy   out_1      out_2                out_last   stop
idle              started  started  -            -            -                -          -    -    -          -                    -          =
started           =        -        reached+req  -            -                -          ack  ack  -          -                    -          stopped
waiting_1         =        -        =            -            -                attempted  ack  ack  timed_out  -                    -          stopped
due_2             =        -        =            reached+req  -                attempted  ack  ack  =          -                    -          stopped
waiting_2         =        -        =            =            -                attempted  ack  ack  =          timed_out+exhausted  -          stopped
exhausted         =        -        =            =            reached+req+req  attempted  ack  ack  =          =                    -          stopped
last              =        -        =            =            =                attempted  ack  ack  =          =                    timed_out  stopped
last_again        =        -        =            =            =                attempted  ack  ack  =          =                    =          stopped
answered          =        -        =            =            =                attempted  =    ack  =          =                    =          stopped
stopped           started  started  =            =            =                attempted  -    -    =          =                    =          =
stopped_answered  started  started  =            =            =                attempted  =    -    =          =                    =          =
"""
SHORT = {
    "page.escalation_started": "started",
    "page.level_reached": "reached",
    "page.requested": "req",
    "page.attempted": "attempted",
    "page.acknowledged": "ack",
    "page.level_timed_out": "timed_out",
    "page.exhausted": "exhausted",
    "page.escalation_stopped": "stopped",
}
HEAD, *ROWS = [line.split() for line in TABLE.strip().splitlines()]
CELLS = [(row[0], name, cell) for row in ROWS for name, cell in zip(HEAD, row[1:], strict=True)]


def test_the_table_names_every_state_and_every_command() -> None:
    assert [row[0] for row in ROWS] == list(HISTORY)
    assert list(COMMAND) == HEAD
    assert {type(command) for command in COMMAND.values()} == set(PageCommand.__args__)


@pytest.mark.parametrize(("status", "name", "outcome"), CELLS)
def test_transition(status: str, name: str, outcome: str) -> None:
    state, _, now = play(*HISTORY[status])
    command = COMMAND[name]
    if outcome == "-":
        with pytest.raises(Refused) as refusal:
            PAGE.decide(state, command, now)
        assert refusal.value.mend
        return
    events = PAGE.decide(state, command, now)
    told = [SHORT[event.__struct_config__.tag] for event in events]
    assert told == ([] if outcome == "=" else outcome.split("+"))
    after = state
    for event in events:
        after = PAGE.evolve(after, event)
    assert PAGE.decide(after, command, now) == ()  # the same command a second time changes nothing


STATUS = {
    "idle": "idle", "started": "escalating", "waiting_1": "escalating", "due_2": "escalating",
    "waiting_2": "escalating", "exhausted": "exhausted", "last": "exhausted", "last_again": "exhausted",
    "answered": "acknowledged", "stopped": "stopped", "stopped_answered": "stopped",
}  # fmt: skip
DUE = {"started": (1, 1), "due_2": (2, 1), "exhausted": (LAST_CALL, 2), "last_again": (LAST_CALL, 3)}
CURRENT = {"waiting_1": (1, 1), "waiting_2": (2, 1), "last": (LAST_CALL, 2)}


@pytest.mark.parametrize("name", HISTORY)
def test_the_state_tells_what_is_due_and_what_is_waited_for(name: str) -> None:
    state, events, _ = play(*HISTORY[name])
    assert state.status == STATUS[name]
    assert state.due == DUE.get(name)
    assert state.current == CURRENT.get(name)
    assert (state.acknowledge_by is None) == (state.current is None)
    assert PAGE.fold(events) == state
    assert PAGE.read_state(PAGE.write_state(state)) == state
    assert [PAGE.read_event(payload_bytes(event)) for event in events] == events


# --- starting -------------------------------------------------------------------------------------


def test_a_policy_without_a_level_for_this_severity_goes_straight_to_the_last_call() -> None:
    minor_only = EscalationPolicy(id="minor", name="Minor", levels=(level("ana", ranks=(3,)),))
    state, events, _ = play(start(minor_only, severity=0))
    assert [SHORT[event.__struct_config__.tag] for event in events] == ["started", "exhausted"]
    assert state.due == (LAST_CALL, 1)
    assert PAGE.fold(events[:1]).due == state.due  # a job made from the first event alone asks for the same


def test_the_policy_is_remembered_as_it_was() -> None:
    _, events, _ = play(start())
    assert events == [EscalationStarted(incident=INCIDENT, policy=POLICY, severity=0)]


def test_a_second_escalation_never_repeats_a_round_so_no_key_is_used_twice() -> None:
    state, events, _ = play(*WAITING_1, Stop(reason="Resolved."), start(), reach(1, 2, ANA))
    requests = [event for event in events if isinstance(event, PageRequested)]
    assert [(event.level, event.round) for event in requests] == [(1, 1), (1, 2)]
    assert requests[0].page != requests[1].page
    assert state.status == "escalating"
    assert state.acknowledged_by == ()


def test_an_escalation_under_way_is_not_started_anew_with_another_severity() -> None:
    state, _, now = play(*WAITING_1)
    with pytest.raises(Refused, match="under way"):
        PAGE.decide(state, start(severity=1), now)


def test_jobs_of_an_escalation_that_was_stopped_do_nothing_to_the_next_one() -> None:
    state, _, now = play(*WAITING_1, Stop(reason="Resolved."), start())
    assert state.due == (1, 2)
    assert PAGE.decide(state, TimeOut(level=1, round=1), now) == ()
    assert PAGE.decide(state, reach(1, 1, ANA), now) == ()


def test_whoever_answered_an_earlier_escalation_may_answer_the_next_one() -> None:
    state, _, now = play(
        *WAITING_1, Acknowledge(person="ana"), Stop(reason="Resolved."), start(), reach(1, 2, ANA)
    )
    (answer,) = PAGE.decide(state, Acknowledge(person="ana"), now)
    assert isinstance(answer, Acknowledged)
    assert answer.round == 2


def test_a_stream_pages_for_one_incident_only() -> None:
    state, _, now = play(*WAITING_1, Stop(reason="Resolved."))
    with pytest.raises(Refused, match="another incident"):
        PAGE.decide(state, Start(incident="other", policy=POLICY, severity=0), now)


# --- levels ---------------------------------------------------------------------------------------


def test_a_level_waits_as_long_as_the_policy_says() -> None:
    quick = EscalationPolicy(
        id="q",
        name="Q",
        levels=(level("ana", acknowledge_within_seconds=300, acknowledge_by_rank={"0": 60}),),
    )
    for severity, seconds in ((0, 60), (1, 300), (None, 300)):
        state, events, _ = play(start(quick, severity), reach(1, 1, ANA))
        (reached,) = (event for event in events if isinstance(event, LevelReached))
        assert reached.reached_at is not None
        assert reached.acknowledge_by - reached.reached_at == dt.timedelta(seconds=seconds)
        assert state.acknowledge_by == reached.acknowledge_by


def test_a_level_that_reaches_nobody_loses_no_time() -> None:
    state, events, _ = play(*STARTED)
    (reached,) = PAGE.decide(state, ReachLevel(level=1, round=1, people=(), why=("Nobody is on call.",)), T0)
    assert reached == LevelReached(
        level=1, round=1, acknowledge_by=T0, people=(), reached_at=T0, why=("Nobody is on call.",)
    )
    after = PAGE.evolve(state, reached)
    assert len(PAGE.decide(after, TimeOut(level=1, round=1), T0)) == 1
    assert len(events) == 1


def test_a_last_call_that_reaches_nobody_is_not_repeated_at_once() -> None:
    state, _, now = play(*EXHAUSTED)
    (reached,) = PAGE.decide(state, reach(LAST_CALL, 2), now)
    assert isinstance(reached, LevelReached)
    assert reached.acknowledge_by - now == 15 * MINUTE  # three times the five minutes of rank 0


def test_a_level_does_not_time_out_before_its_time() -> None:
    state, _, _ = play(*STARTED)
    reached_at = T0 + 60 * MINUTE
    for event in PAGE.decide(state, reach(1, 1, ANA), reached_at):
        state = PAGE.evolve(state, event)
    with pytest.raises(Refused, match="has until 2026-01-05T04:05:00"):
        PAGE.decide(state, TimeOut(level=1, round=1), reached_at + 5 * MINUTE - dt.timedelta(microseconds=1))
    assert PAGE.decide(state, TimeOut(level=1, round=1), reached_at + 5 * MINUTE)


def test_levels_for_other_ranks_are_passed_over_and_rounds_repeat() -> None:
    policy = EscalationPolicy(
        id="p", name="P", levels=(level("ana"), level("bo", ranks=(0,)), level("cy")), repeat=1
    )
    state, _, now = play(start(policy, severity=2))
    order = []
    for _ in range(6):
        assert state.due is not None
        order.append(state.due)
        for command in (reach(*state.due, ANA), TimeOut(level=state.due[0], round=state.due[1])):
            for event in PAGE.decide(state, command, now):
                state = PAGE.evolve(state, event)
            now += 24 * 60 * MINUTE
    assert order == [(1, 1), (3, 1), (1, 2), (3, 2), (LAST_CALL, 3), (LAST_CALL, 4)]


def test_a_person_is_paged_once_per_level_with_the_first_reason() -> None:
    again = Callee(person="ana", methods=("hook",), why="Ana is a member of the team.")
    state, _, _ = play(*STARTED, reach(1, 1, ANA, again))
    assert [(page.person, page.methods, page.why) for page in state.pages] == [("ana", ANA.methods, ANA.why)]


# --- answering ------------------------------------------------------------------------------------


def test_an_answer_says_which_page_and_which_role_it_gives() -> None:
    state, _, now = play(*WAITING_1)
    (answer,) = PAGE.decide(state, Acknowledge(person="ana", page=ANAS_PAGE, how="link"), now)
    assert answer == Acknowledged(
        person="ana", page=ANAS_PAGE, how="link", level=1, round=1, role="commander"
    )


def test_an_answer_from_the_console_counts_for_the_persons_latest_page() -> None:
    state, _, now = play(*LAST)
    (answer,) = PAGE.decide(state, Acknowledge(person="bo"), now)
    assert isinstance(answer, Acknowledged)
    assert (answer.page, answer.level, answer.role) == (
        page_id(INCIDENT, LAST_CALL, 2, "bo"),
        LAST_CALL,
        None,
    )


def test_the_last_call_gives_no_role() -> None:
    lone = EscalationPolicy(id="lone", name="Lone", levels=(level("ana", role="commander"),))
    history = (start(lone), reach(1, 1, ANA), TimeOut(level=1, round=1), reach(LAST_CALL, 2, ANA))
    state, _, now = play(*history)
    (answer,) = PAGE.decide(state, Acknowledge(person="ana"), now)
    assert isinstance(answer, Acknowledged)
    assert (answer.level, answer.role) == (LAST_CALL, None)


def test_the_link_of_an_earlier_escalation_is_an_answer_but_gives_no_role() -> None:
    state, _, now = play(*WAITING_1, Stop(reason="Resolved."), start(OTHER))
    (by_link,) = PAGE.decide(state, Acknowledge(person="ana", page=ANAS_PAGE, how="link"), now)
    assert by_link == Acknowledged(person="ana", page=ANAS_PAGE, how="link", level=1, round=1, role=None)
    (by_hand,) = PAGE.decide(state, Acknowledge(person="ana"), now)
    assert by_hand == Acknowledged(person="ana", page=None, how="console")


def test_somebody_who_was_not_paged_may_answer_for_the_present_level() -> None:
    state, _, now = play(*WAITING_1)
    (answer,) = PAGE.decide(state, Acknowledge(person="eve"), now)
    assert answer == Acknowledged(person="eve", page=None, how="console", level=1, round=1, role="commander")


def test_a_late_answer_to_an_earlier_level_stops_the_later_one() -> None:
    state, events, _ = play(*WAITING_2, Acknowledge(person="ana", page=ANAS_PAGE, how="link"))
    assert state.status == "acknowledged"
    assert events[-1].level == 1
    assert not wanted(state, BOS_PAGE)


@pytest.mark.parametrize(("person", "page"), [("bo", ANAS_PAGE), ("ana", "no-such-page")])
def test_nobody_answers_with_the_page_of_somebody_else(person: str, page: str) -> None:
    state, _, now = play(*WAITING_2)
    with pytest.raises(Refused, match="not sent to you"):
        PAGE.decide(state, Acknowledge(person=person, page=page, how="link"), now)


def test_everybody_who_answers_is_remembered_the_first_one_first() -> None:
    state, events, _ = play(
        *WAITING_2, Acknowledge(person="bo"), Acknowledge(person="ana"), Acknowledge(person="bo")
    )
    assert state.acknowledged_by == ("bo", "ana")
    assert sum(isinstance(event, Acknowledged) for event in events) == 2


# --- a silent night --------------------------------------------------------------------------------

LONG = EscalationPolicy(
    id="long", name="Long", levels=(level("ana", role="commander"), level("bo")), repeat=1
)


def silent_night(hours: float) -> tuple[Escalation, list[PageRequested], dt.datetime]:
    """Nobody answers; each page is delivered at once. Bo alone is on the last calls."""
    state, sent, now = INITIAL, [], T0

    def do(command: PageCommand) -> None:
        nonlocal state
        for event in PAGE.decide(state, command, now):
            state = PAGE.evolve(state, event)
            if isinstance(event, PageRequested):
                sent.append(event)

    do(start(LONG))
    while now < T0 + dt.timedelta(hours=hours):
        assert state.due is not None
        do(reach(*state.due, ANA if state.due[0] == 1 else BO))
        newest = sent[-1]
        key = delivery_key(INCIDENT, newest.level, newest.round, newest.person, "mail", 1)
        do(RecordAttempt(page=newest.page, method="mail", attempt=1, key=key, outcome="accepted"))
        assert state.current is not None
        assert state.acknowledge_by is not None
        now = state.acknowledge_by
        do(TimeOut(level=state.current[0], round=state.current[1]))
    return state, sent, now


def test_a_silent_night_does_not_grow_the_state() -> None:
    small, _, _ = silent_night(3)
    large, sent, _ = silent_night(72)
    assert len(sent) > 280
    assert len(large.pages) <= 4
    assert {attempt.page for attempt in large.attempts} == {page.page for page in large.pages}
    assert len(PAGE.write_state(large)) < len(PAGE.write_state(small)) + 20
    assert PAGE.read_state(PAGE.write_state(large)) == large


def test_the_link_of_every_page_of_the_night_still_answers() -> None:
    state, sent, now = silent_night(24)
    assert len(sent) > 90
    for request in sent:
        (answer,) = PAGE.decide(state, Acknowledge(person=request.person, page=request.page, how="link"), now)
        role = "commander" if request.level == 1 else None
        assert answer == Acknowledged(
            person=request.person,
            page=request.page,
            how="link",
            level=request.level,
            round=request.round,
            role=role,
        )
        with pytest.raises(Refused, match="not sent to you"):
            PAGE.decide(state, Acknowledge(person="eve", page=request.page, how="link"), now)


@pytest.mark.parametrize(
    ("level", "round", "person"), [(1, 1, "bo"), (2, 1, "ana"), (1, 3, "ana"), (LAST_CALL, 2, "bo")]
)
def test_a_page_that_was_never_sent_answers_nothing_however_long_the_night(
    level: int, round: int, person: str
) -> None:
    state, _, now = silent_night(24)
    with pytest.raises(Refused, match="not sent to you"):
        PAGE.decide(state, Acknowledge(person=person, page=page_id(INCIDENT, level, round, person)), now)


def test_who_was_paged_early_answers_from_the_console_for_that_page() -> None:
    state, sent, now = silent_night(24)
    assert [person for person in ("ana", "bo", "eve") if state.paged(person)] == ["ana", "bo"]
    (answer,) = PAGE.decide(state, Acknowledge(person="ana"), now)
    newest = [request for request in sent if request.person == "ana"][-1]
    assert isinstance(answer, Acknowledged)
    assert (answer.page, answer.round, answer.role) == (newest.page, 2, "commander")
    (answer,) = PAGE.decide(state, Acknowledge(person="bo"), now)
    assert isinstance(answer, Acknowledged)
    assert answer.page == sent[-1].page


def test_the_pages_of_the_last_hour_and_of_the_last_rounds_stay_at_hand() -> None:
    state, sent, _ = silent_night(24)
    at_hand = [page.page for page in state.pages]
    assert at_hand == [request.page for request in sent[-len(at_hand) :]]
    assert len(at_hand) == 4  # one every 15 minutes, the one an hour ago is put away
    quick = EscalationPolicy(id="q", name="Q", levels=(level("ana"),), repeat=9)
    state, _, _ = play(start(quick), *(step for round in range(1, 7) for step in _round(round)))
    assert [page.round for page in state.pages] == [4, 5, 6]  # two hours a round in this play
    assert [(calls.level, calls.first, calls.last, calls.people) for calls in state.earlier] == [
        (1, 1, 3, ("ana",))
    ]


def _round(number: int) -> tuple[PageCommand, PageCommand]:
    return (reach(1, number, ANA), TimeOut(level=1, round=number))


def test_an_earlier_escalation_of_the_same_incident_is_remembered_and_gives_no_role() -> None:
    again = (Stop(reason="Resolved."), start(OTHER), reach(1, 2, BO), TimeOut(level=1, round=2))
    last = (
        step
        for round in range(3, 8)
        for step in (reach(LAST_CALL, round, BO), TimeOut(level=LAST_CALL, round=round))
    )
    state, _, now = play(*WAITING_1, *again, *last)
    assert state.page(ANAS_PAGE) is None
    (answer,) = PAGE.decide(state, Acknowledge(person="ana", page=ANAS_PAGE, how="link"), now)
    assert answer == Acknowledged(person="ana", page=ANAS_PAGE, how="link", level=1, round=1, role=None)
    (answer,) = PAGE.decide(state, Acknowledge(person="ana"), now)
    assert answer == Acknowledged(person="ana", page=None, how="console")


# --- attempts -------------------------------------------------------------------------------------


def test_the_same_attempt_twice_is_one_fact_and_another_outcome_is_news() -> None:
    state, events, _ = play(*WAITING_1, attempt(outcome="failed"), attempt(outcome="failed"), attempt())
    assert [each.outcome for each in state.attempts] == ["failed", "accepted"]
    assert len({each.key for each in state.attempts}) == 1
    assert len(events) == 5


def test_an_attempt_is_recorded_after_the_answer_too_because_it_happened() -> None:
    state, _, _ = play(*WAITING_1, Acknowledge(person="ana"), attempt())
    assert len(state.attempts) == 1
    assert state.status == "acknowledged"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (attempt(page="no-such-page"), "No such page"),
        (attempt(method="pigeon"), "does not use pigeon"),
        (RecordAttempt(page=ANAS_PAGE, method="mail", attempt=1, key="", outcome="failed"), "with its key"),
    ],
)
def test_an_attempt_belongs_to_a_page_a_method_and_a_key(command: RecordAttempt, why: str) -> None:
    state, _, now = play(*WAITING_1)
    with pytest.raises(Refused, match=why):
        PAGE.decide(state, command, now)


def test_stopping_needs_a_reason() -> None:
    state, _, now = play(*WAITING_1)
    with pytest.raises(Refused, match="without a reason"):
        PAGE.decide(state, Stop(reason="  "), now)


# --- ids and keys ---------------------------------------------------------------------------------


def test_ids_and_keys_are_the_same_for_the_same_facts_and_differ_otherwise() -> None:
    facts = (INCIDENT, 1, 1, "ana", "mail", 1)
    assert delivery_key(*facts) == delivery_key(*facts) == "3216a53e5b1b5f8e2b8aaf3b12b2463f"
    others = [("other", 2, 2, "bo", "hook", 2)[place] for place in range(6)]
    keys = {delivery_key(*(*facts[:place], others[place], *facts[place + 1 :])) for place in range(6)}
    assert len(keys | {delivery_key(*facts)}) == 7
    assert delivery_key("i", 1, 1, "ab", "c", 1) != delivery_key("i", 1, 1, "a", "bc", 1)


def test_a_page_id_is_a_uuid_of_version_8() -> None:
    import uuid

    made = uuid.UUID(page_id(INCIDENT, 1, 1, "ana"))
    assert made.version == 8
    assert made.variant == uuid.RFC_4122
    assert page_id(INCIDENT, 1, 1, "ana") != page_id(INCIDENT, 1, 2, "ana")


# --- deliveries -----------------------------------------------------------------------------------

REACHED = T0 + 60 * MINUTE


def after(*commands: PageCommand) -> Escalation:
    return play(*WAITING_1, *commands)[0]


def test_the_first_method_is_used_at_once_with_its_key() -> None:
    delivery = next_delivery(after(), ANAS_PAGE)
    assert delivery is not None
    assert (delivery.person, delivery.method, delivery.attempt, delivery.due) == ("ana", "mail", 1, REACHED)
    assert delivery.key == delivery_key(INCIDENT, 1, 1, "ana", "mail", 1)


def test_the_second_method_follows_halfway_through_the_level_when_there_are_two() -> None:
    delivery = next_delivery(after(attempt()), ANAS_PAGE)
    assert delivery is not None
    assert (delivery.method, delivery.attempt) == ("hook", 1)
    assert delivery.due == REACHED + 5 * MINUTE / 2


def test_when_every_method_was_accepted_there_is_nothing_more_to_send() -> None:
    assert next_delivery(after(attempt(), attempt(method="hook")), ANAS_PAGE) is None


def test_a_failed_attempt_is_repeated_twice_with_new_keys_then_the_next_method_is_used() -> None:
    made, commands = [], []
    for _ in range(4):
        state, _, now = play(*WAITING_1, *commands)
        delivery = next_delivery(state, ANAS_PAGE)
        assert delivery is not None
        made.append(delivery)
        commands.append(
            RecordAttempt(
                page=ANAS_PAGE,
                method=delivery.method,
                attempt=delivery.attempt,
                key=delivery.key,
                outcome="failed",
                detail="Refused.",
            )
        )
        last_tried = now
    assert [(each.method, each.attempt) for each in made] == [
        ("mail", 1),
        ("mail", 2),
        ("mail", 3),
        ("hook", 1),
    ]
    assert len({each.key for each in made}) == 4
    tried = [last_tried - hours * 60 * MINUTE for hours in (3, 2, 1)]
    assert made[1].due == tried[0] + dt.timedelta(seconds=5)
    assert made[2].due == tried[1] + dt.timedelta(seconds=20)
    assert made[3].due == tried[2]  # at once


@pytest.mark.parametrize("command", [Acknowledge(person="bo"), Stop(reason="Resolved.")])
def test_an_answer_or_a_stop_ends_the_deliveries(command: PageCommand) -> None:
    state = after(command)
    assert not wanted(state, ANAS_PAGE)
    assert next_delivery(state, ANAS_PAGE) is None


def test_a_person_without_a_method_gets_no_delivery() -> None:
    state, _, _ = play(*STARTED, reach(1, 1, Callee(person="ana", methods=(), why="Named.")))
    assert next_delivery(state, ANAS_PAGE) is None
    assert next_delivery(state, "no-such-page") is None
