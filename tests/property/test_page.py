"""Whatever happens in whatever order, a page is sent for a reason, stops for a reason, and is never lost."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from tocsin.catalog.escalation_policy import EscalationPolicy, Level, Target
from tocsin.kernel.errors import Refused
from tocsin.kernel.event import payload_bytes
from tocsin.response.oncall.delivery import next_delivery
from tocsin.response.oncall.escalation import LAST_CALL, Callee
from tocsin.response.oncall.page import (
    INITIAL,
    PAGE,
    Acknowledge,
    Acknowledged,
    Escalation,
    EscalationStarted,
    EscalationStopped,
    LevelReached,
    PageCommand,
    PageEvent,
    PageRequested,
    ReachLevel,
    RecordAttempt,
    Start,
    Stop,
    TimeOut,
    page_id,
)

T0 = dt.datetime(2026, 1, 5, 3, tzinfo=dt.UTC)
NAMES = ("ana", "bo", "cy")
persons = st.sampled_from(NAMES)
levels = st.builds(
    Level,
    notify=persons.map(lambda person: (Target(person=person),)),
    acknowledge_within_seconds=st.sampled_from((60, 300)),
    ranks=st.sampled_from(((), (0,), (2, 3))),
    role=st.sampled_from((None, "commander")),
)
policies = st.builds(
    EscalationPolicy,
    id=st.sampled_from(("one", "two")),
    name=st.just("Policy"),
    levels=st.lists(levels, max_size=3).map(tuple),
    repeat=st.integers(0, 2),
)
callees = st.lists(
    st.builds(
        Callee,
        person=persons,
        methods=st.sampled_from((("mail",), ("mail", "hook"))),
        why=st.just("On call."),
    ),
    max_size=3,
).map(tuple)
places = st.tuples(st.integers(0, 3), st.integers(1, 4))

# A move looks at the state, as the engine does, or asks for anything at all, as a late or lost job may.
moves = st.one_of(
    st.tuples(st.just("start"), policies, st.sampled_from((0, 2, None))),
    st.tuples(st.just("reach"), callees),
    st.tuples(st.just("reach_any"), places, callees),
    st.tuples(
        st.just("time_out"),
    ),
    st.tuples(st.just("time_out_any"), places),
    st.tuples(st.just("attempt"), st.sampled_from(("accepted", "failed"))),
    st.tuples(st.just("acknowledge"), persons, st.booleans()),
    st.tuples(
        st.just("stop"),
    ),
)
scripts = st.lists(st.tuples(moves, st.integers(0, 400)), max_size=40)


def command(state: Escalation, move: tuple[object, ...]) -> PageCommand | None:
    match move:
        case ("start", EscalationPolicy() as policy, severity):
            return Start(incident="i", policy=policy, severity=severity)
        case ("reach", people):
            return ReachLevel(level=state.due[0], round=state.due[1], people=people) if state.due else None
        case ("reach_any", (level, round), people):
            return ReachLevel(level=level, round=round, people=people)
        case ("time_out",):
            return TimeOut(level=state.current[0], round=state.current[1]) if state.current else None
        case ("time_out_any", (level, round)):
            return TimeOut(level=level, round=round)
        case ("attempt", outcome):
            found = [delivery for page in state.pages if (delivery := next_delivery(state, page.page))]
            if not found:
                return None
            first = found[0]
            return RecordAttempt(
                page=first.page, method=first.method, attempt=first.attempt, key=first.key, outcome=outcome
            )
        case ("acknowledge", person, by_link):
            pages = [page.page for page in state.pages if page.person == person] if by_link else []
            return Acknowledge(person=person, page=pages[-1] if pages else None)
        case _:
            return Stop(reason="Resolved.")


def play(script: list[tuple[tuple[object, ...], int]]) -> tuple[Escalation, list[PageEvent]]:
    state, told, now = INITIAL, [], T0
    refusals: list[Refused] = []
    for move, seconds in script:
        now += dt.timedelta(seconds=seconds)
        asked = command(state, move)
        if asked is None:
            continue
        try:
            events = PAGE.decide(state, asked, now)
        except Refused as refusal:
            refusals.append(refusal)
            continue
        for event in events:
            state = PAGE.evolve(state, event)
            told.append(event)
        assert PAGE.decide(state, asked, now) == ()
    assert all(refusal.why and refusal.mend for refusal in refusals)
    return state, told


@given(scripts)
def test_the_state_is_always_what_the_events_tell(script: list[tuple[tuple[object, ...], int]]) -> None:
    state, events = play(script)
    assert PAGE.fold(events) == state
    assert PAGE.fold(PAGE.read_event(payload_bytes(event)) for event in events) == state
    assert PAGE.read_state(PAGE.write_state(state)) == state


@given(scripts)
def test_no_level_is_reached_twice_and_no_page_is_requested_twice(
    script: list[tuple[tuple[object, ...], int]],
) -> None:
    _, events = play(script)
    reached = [(event.level, event.round) for event in events if isinstance(event, LevelReached)]
    assert len(reached) == len(set(reached))
    requested = [event.page for event in events if isinstance(event, PageRequested)]
    assert len(requested) == len(set(requested))
    for event in events:
        if isinstance(event, PageRequested):
            assert event.page == page_id("i", event.level, event.round, event.person)


@given(scripts)
def test_after_an_answer_or_a_stop_nobody_is_paged_until_the_next_start(
    script: list[tuple[tuple[object, ...], int]],
) -> None:
    _, events = play(script)
    quiet = True
    for event in events:
        if isinstance(event, EscalationStarted):
            quiet = False
        elif isinstance(event, Acknowledged | EscalationStopped):
            quiet = True
        elif isinstance(event, LevelReached | PageRequested):
            assert not quiet


@given(scripts)
def test_while_nobody_has_answered_something_is_always_due_or_waited_for(
    script: list[tuple[tuple[object, ...], int]],
) -> None:
    state, _ = play(script)
    open_ = state.status in ("escalating", "exhausted")
    assert (state.due is not None or state.current is not None) is open_
    assert state.due is None or state.current is None


@given(scripts)
def test_attempts_of_a_page_have_keys_of_their_own(script: list[tuple[tuple[object, ...], int]]) -> None:
    state, _ = play(script)
    keys = {attempt.key: (attempt.page, attempt.method, attempt.attempt) for attempt in state.attempts}
    assert len(keys) == len({*keys.values()})


@given(policies, st.sampled_from((0, 1, 2, 3, None)), callees)
def test_left_alone_an_escalation_goes_through_every_level_of_every_round_and_then_calls_everyone_for_ever(
    policy: EscalationPolicy, severity: int | None, people: tuple[Callee, ...]
) -> None:
    serving = [number for number, level in enumerate(policy.levels, 1) if level.serves(severity)]
    wanted = [(number, round) for round in range(1, policy.repeat + 2) for number in serving]
    state, now, visited = INITIAL, T0, []

    def do(asked: PageCommand) -> None:
        nonlocal state
        for event in PAGE.decide(state, asked, now):
            state = PAGE.evolve(state, event)

    do(Start(incident="i", policy=policy, severity=severity))
    for _ in range(len(wanted) + 3):
        assert state.due is not None
        visited.append(state.due)
        do(ReachLevel(level=state.due[0], round=state.due[1], people=people))
        assert state.acknowledge_by is not None
        assert state.acknowledge_by > now or (not people and state.current != (LAST_CALL, state.last_round))
        now = state.acknowledge_by
        do(TimeOut(level=state.current[0], round=state.current[1]))
    assert visited[: len(wanted)] == wanted
    assert [level for level, _ in visited[len(wanted) :]] == [LAST_CALL] * 3
    assert state.status == "exhausted"
