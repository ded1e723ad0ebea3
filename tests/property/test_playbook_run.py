"""Whatever the tree and whatever the answers, a run is at a step of its playbook, and its events tell its state."""

from __future__ import annotations

import datetime as dt

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.catalog.playbook import (
    Decision,
    End,
    EvidenceCollection,
    Notification,
    Playbook,
    Question,
    Recommendation,
    Task,
    next_steps,
)
from tocsin.kernel.errors import Refused
from tocsin.kernel.event import payload_bytes
from tocsin.response.playbooks.playbook import errors, lint
from tocsin.response.playbooks.run import (
    INITIAL,
    RUN,
    Abandon,
    Answer,
    CompleteTask,
    Revisit,
    Run,
    Start,
)

NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
NAMES = [f"s{number}" for number in range(9)]
PROBES = ("p0", "p1")


shapes = st.lists(
    st.tuples(*[st.sampled_from([0, 7, 8, 9, 0, 7, 1, 2, 3, 4, 5, 6]), *[st.integers(0, len(NAMES))] * 3]),
    min_size=4,
    max_size=len(NAMES),
)
"""Plain numbers for each step: its kind, and up to three places it leads to."""


def step(name: str, kind: int, *to: str):
    match kind:
        case 0 | 7 | 8 | 9:
            probe = {0: None, 7: "p0", 8: "p1", 9: "p9"}[kind]
            answers = dict(zip(("yes", "no", "unknown"), to, strict=True))
            return Question(id=name, text="?", probe=probe, answers=answers)
        case 1:
            return Decision(id=name, text="?", role="ethics_lead", options={"yes": to[0], "no": to[1]})
        case 2:
            return Task(id=name, text="!", owner="ml_engineer", next=to[0])
        case 3:
            return Recommendation(id=name, action="rollback", text="!", why="w", next=to[0])
        case 4:
            return Notification(id=name, template="t", audience="a", next=to[0])
        case 5:
            return EvidenceCollection(id=name, what=("x",), next=to[0])
        case _:
            return End(id=name, outcome="Done.")


def target(number: int, index: int, known: list[str]) -> str:
    """Mostly a later step, so that runs get somewhere; else this one or an earlier one."""
    later = known[index + 1 :]
    return later[number % len(later)] if later and number < 7 else known[number % (index + 1)]


def playbook(shape: list[tuple[int, int, int, int]], *, faulty: bool) -> Playbook:
    known = NAMES[: len(shape)]
    anywhere = [*known, "gone"]
    body = tuple(
        step(
            name,
            kind,
            *(anywhere[n % len(anywhere)] if faulty else target(n, index, known) for n in to),
        )
        for index, (name, (kind, *to)) in enumerate(zip(known, shape, strict=True))
    )
    return Playbook(
        id="b",
        title="b",
        category="c",
        owner="commander",
        reviewed_on=NOW.date(),
        first_step="s0",
        steps=body,
    )


def playbooks() -> st.SearchStrategy[Playbook]:
    return shapes.map(lambda shape: playbook(shape, faulty=True))


def sound_playbooks() -> st.SearchStrategy[Playbook]:
    return shapes.map(lambda shape: with_exits(playbook(shape, faulty=False)))


def with_exits(book: Playbook) -> Playbook:
    """Make the last step an end, and then every step that still has no way to one: cheaper than to draw anew."""
    last = End(id=book.steps[-1].id, outcome="Done.")
    book = msgspec.structs.replace(book, steps=(*book.steps[:-1], last))
    endless = {finding.step for finding in errors(book)}
    body = tuple(End(id=step.id, outcome="Done.") if step.id in endless else step for step in book.steps)
    book = msgspec.structs.replace(book, steps=body)
    assert errors(book) == ()
    return book


names = st.sampled_from(NAMES)
words = st.sampled_from(["yes", "no", "unknown", "perhaps"])
commands = st.one_of(
    st.builds(
        Answer,
        step=names,
        answer=words,
        by=st.sampled_from(["probe", "person"]),
        who=st.sampled_from(["ana", "ben", ""]),
        roles=st.sampled_from([(), ("ethics_lead",)]),
        visit=st.none() | st.integers(0, 12),
    ),
    st.builds(CompleteTask, step=names, visit=st.none() | st.integers(0, 12)),
    st.builds(Revisit, step=names, who=st.just("ana"), reason=st.just("r")),
    st.integers(0, 9).map(lambda n: Abandon(reason="r" if n == 9 else " ")),
)


def here(state: Run, word: str, by: str):
    """A command that suits the step the run is at, so that runs get far."""
    step = state.current()
    if word == "back":
        return Revisit(step=state.path[0].step, who="ana", reason="r")
    if isinstance(step, Task):
        return CompleteTask(step=step.id)
    return Answer(step=state.step, answer=word, by=by, who="ana", roles=("ethics_lead",))


suitable = st.tuples(
    st.sampled_from(["yes", "no", "unknown", "yes", "no", "back"]),
    st.sampled_from(["person", "person", "probe"]),
)
wishes = st.tuples(st.integers(0, 3), suitable, commands).map(
    lambda three: three[1] if three[0] else three[2]
)
script = st.lists(wishes, min_size=8, max_size=40)


def holds(state: Run) -> None:
    """What is true of every state of a run."""
    assert state.playbook is not None
    step = state.current()
    assert step is not None
    assert (state.waiting_for is not None) == (state.status == "running")
    assert (state.status == "finished") == (isinstance(step, End))
    assert state.path[-1].step == state.step
    assert not state.path[-1].left
    for visit, following in zip(state.path, state.path[1:], strict=False):
        if visit.answer:
            assert visit.answer in next_steps(state.playbook.step(visit.step))
        if not visit.left and not following.left:
            assert following.step in next_steps(state.playbook.step(visit.step)).values()
    for proposal in state.standing():
        assert not state.path[proposal.visit].left
        assert state.path[proposal.visit].step == proposal.step
    if state.waiting_for == "probe":
        assert step.probe in PROBES


@settings(max_examples=200)
@given(sound_playbooks(), script)
def test_a_run_is_always_at_a_step_of_its_playbook_and_its_events_tell_its_state(book, wishes):
    state, stream, refusals = INITIAL, [], []
    start = Start(incident="i", system="s", playbook=book, probes=PROBES)
    for wish in (start, *wishes):
        command = here(state, *wish) if isinstance(wish, tuple) else wish
        try:
            events = RUN.decide(state, command, NOW)
        except Refused as refusal:
            refusals.append(str(refusal))
            continue
        before = state
        for event in events:
            state = RUN.evolve(state, event)
            stream.append(event)
        assert bool(events) == (state != before)
        if not isinstance(command, Abandon) and state.status != "abandoned":
            holds(state)
        if isinstance(command, Start | Abandon | Revisit) and events:
            assert RUN.decide(state, command, NOW) == ()
    assert all(len(text) > 20 and text.endswith(".") for text in refusals)
    assert RUN.fold(stream) == state
    assert RUN.fold(RUN.read_event(payload_bytes(event)) for event in stream) == state
    assert RUN.read_state(RUN.write_state(state)) == state
    assert sum(v.step == NAMES[0] for v in state.path) >= 1


@settings(max_examples=200)
@given(sound_playbooks(), st.lists(words, max_size=12), words)
def test_an_answer_that_names_its_visit_counts_once_however_often_it_comes(book, before, word):
    state = INITIAL
    for event in RUN.decide(state, Start(incident="i", system="s", playbook=book), NOW):
        state = RUN.evolve(state, event)
    for answer in before:
        state = taken(state, here(state, answer, "person"))
    step = state.current()
    if state.status == "finished" or isinstance(step, Task) or word not in next_steps(step):
        return
    command = Answer(
        step=state.step,
        answer=word,
        by="person",
        who="ana",
        roles=("ethics_lead",),
        visit=len(state.path) - 1,
    )
    state = taken(state, command)
    assert RUN.decide(state, command, NOW) == ()


def taken(state: Run, command) -> Run:
    try:
        for event in RUN.decide(state, command, NOW):
            state = RUN.evolve(state, event)
    except Refused:
        pass
    return state


def reachable(book: Playbook, name: str) -> set[str]:
    """The steps that can follow `name`, itself included: by plain repetition, unlike the linter."""
    found = {name}
    for _ in book.steps:
        for step in book.steps:
            if step.id in found:
                found |= set(next_steps(step).values())
    return found


@given(playbooks())
def test_the_linter_agrees_with_a_plain_search(book):
    known = {step.id for step in book.steps}
    ends = {step.id for step in book.steps if isinstance(step, End)}
    found = lint(book)
    assert {f.step for f in found if f.rule == "unreachable"} == known - reachable(book, "s0")
    lost = {step.id for step in book.steps if set(next_steps(step).values()) - known}
    assert {f.step for f in found if f.rule == "unknown-step"} == lost
    endless = {name for name in known if not reachable(book, name) & (ends | {"gone"})}
    assert {f.step for f in found if f.rule == "no-exit"} == endless


@settings(max_examples=200)
@given(sound_playbooks(), st.lists(words, max_size=15))
def test_from_wherever_a_run_is_some_answers_lead_to_an_end(book, before):
    state = taken(INITIAL, Start(incident="i", system="s", playbook=book))
    for answer in before:
        state = taken(state, here(state, answer, "person"))
    for _ in book.steps:
        if state.status == "finished":
            break
        state = taken(state, nearest(state))
    assert state.status == "finished"


def nearest(state: Run):
    """The command that comes closest to an end."""
    book, step = state.playbook, state.current()
    if isinstance(step, Task):
        return CompleteTask(step=step.id)
    best = min(next_steps(step).items(), key=lambda way: distance(book, way[1]))
    return Answer(step=step.id, answer=best[0], by="person", who="ana", roles=("ethics_lead",))


def distance(book: Playbook, name: str) -> int:
    """How many steps lie between `name` and the nearest end."""
    wave, seen, far = {name}, {name}, 0
    while wave and not any(isinstance(book.step(one), End) for one in wave):
        wave = {target for one in wave for target in next_steps(book.step(one)).values()} - seen
        seen |= wave
        far += 1
    return far if wave else 99
