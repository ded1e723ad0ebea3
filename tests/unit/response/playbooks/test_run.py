"""A run walks a decision tree, waits where somebody must answer, and its events tell the whole way (RSP-2, RSP-5)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tocsin.catalog.playbook import (
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
from tocsin.kernel.event import payload_bytes, wire_name
from tocsin.response.playbooks.run import (
    INITIAL,
    RUN,
    Abandon,
    Abandoned,
    Answer,
    Answered,
    CompleteTask,
    Finished,
    ProbeInconclusive,
    Recommended,
    Revisit,
    Revisited,
    Run,
    Start,
    Started,
    StepReached,
    TaskDone,
)

NOW = dt.datetime(2026, 11, 23, 3, 4, 5, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(minutes=3)

BOOK = Playbook(
    id="bias",
    title="One group is treated worse",
    category="bias",
    owner="technical_lead",
    reviewed_on=dt.date(2026, 11, 1),
    first_step="pipeline",
    steps=(
        Question(
            id="pipeline",
            text="Is the data pipeline healthy?",
            probe="pipeline_healthy",
            answers={"yes": "deployed", "no": "quarantine", "unknown": "keep"},
        ),
        Question(
            id="deployed",
            text="Was a version deployed in the last week?",
            answers={"yes": "keep", "no": "decide", "unknown": "keep"},
        ),
        EvidenceCollection(id="keep", what=("predictions", "alias"), next="rollback"),
        Recommendation(
            id="rollback", action="rollback", text="Roll back", why="A new version came first.", next="tell"
        ),
        Notification(id="tell", template="status", audience="executives", next="done"),
        Decision(
            id="decide",
            text="Stop the system?",
            role="ethics_lead",
            options={"stop": "done", "run": "deployed"},
        ),
        Task(id="quarantine", text="Set the bad data apart", owner="data_engineer", next="deployed"),
        End(id="done", outcome="A containment was recommended."),
    ),
)
OTHER = Playbook(
    id="other",
    title="Other",
    category="bias",
    owner="technical_lead",
    reviewed_on=dt.date(2026, 11, 1),
    first_step="end",
    steps=(End(id="end", outcome="Nothing."),),
)


def start(book: Playbook = BOOK, probes: tuple[str, ...] = ("pipeline_healthy",)) -> Start:
    return Start(incident="inc", system="loan", playbook=book, probes=probes)


def person(step: str, answer: str, **more: Any) -> Answer:
    return Answer(step=step, answer=answer, by="person", who="ana", **more)


def probe(answer: str, step: str = "pipeline", **more: Any) -> Answer:
    return Answer(step=step, answer=answer, by="probe", who="pipeline_healthy", **more)


def after(*commands: Any) -> Run:
    state = INITIAL
    for command in commands:
        for event in RUN.decide(state, command, NOW):
            state = RUN.evolve(state, event)
    return state


def names(events: tuple[Any, ...]) -> list[str]:
    return [wire_name(event).removeprefix("run.") for event in events]


# --- every state x every command ----------------------------------------------------------

HISTORY = {
    "none": (),
    "probing": (start(),),
    "doubting": (start(), probe("unknown")),
    "asking": (start(), probe("yes")),
    "tasking": (start(), probe("no")),
    "deciding": (start(), probe("yes"), person("deployed", "no")),
    "revisiting": (start(), probe("yes"), Revisit(step="pipeline", who="ana", reason="The probe is broken")),
    "finished": (start(), probe("yes"), person("deployed", "yes")),
    "abandoned": (start(), probe("yes"), Abandon(reason="Wrong playbook")),
}
COMMAND = {
    "start": start(),
    "other": start(OTHER),
    "probe-yes": probe("yes"),
    "probe-?": probe("unknown"),
    "pipeline": person("pipeline", "no"),
    "deployed": person("deployed", "yes"),
    "decide": person("decide", "stop", roles=("ethics_lead",)),
    "task": CompleteTask(step="quarantine", who="ben"),
    "revisit": Revisit(step="pipeline", who="ana", reason="The probe is broken"),
    "abandon": Abandon(reason="Wrong playbook"),
}
# a dash means refused, an equals sign that nothing changes, a word the step that the run is at afterwards
TABLE = """
            start     other  probe-yes  probe-?   pipeline    deployed  decide  task      revisit   abandon
none        pipeline  done   -          -         -           -         -       -         -         -
probing     =         -      deployed   pipeline  quarantine  -         -       -         =         pipeline
doubting    =         -      deployed   =         quarantine  -         -       -         =         pipeline
asking      =         -      =          -         -           done      -       -         pipeline  deployed
tasking     =         -      -          -         -           -         -       deployed  pipeline  quarantine
deciding    =         -      =          -         -           -         done    -         pipeline  decide
revisiting  =         -      -          -         quarantine  -         -       -         =         pipeline
finished    =         -      =          -         -           =         -       -         pipeline  -
abandoned   =         -      -          -         -           -         -       -         -         =
"""
HEAD, *ROWS = [line.split() for line in TABLE.strip().splitlines()]
CELLS = [(row[0], name, cell) for row in ROWS for name, cell in zip(HEAD, row[1:], strict=True)]


def test_the_table_has_every_state_and_every_command():
    assert ([row[0] for row in ROWS], HEAD) == (list(HISTORY), list(COMMAND))


@pytest.mark.parametrize(("standing", "name", "outcome"), CELLS)
def test_transition(standing, name, outcome):
    state = after(*HISTORY[standing])
    if outcome == "-":
        with pytest.raises(Refused, match=r"\w{3}"):
            RUN.decide(state, COMMAND[name], LATER)
        return
    events = RUN.decide(state, COMMAND[name], LATER)
    if outcome == "=":
        assert events == ()
        return
    assert events
    for event in events:
        state = RUN.evolve(state, event)
    assert state.step == ("end" if name == "other" else outcome)


# --- what a run does ----------------------------------------------------------------------


def test_starting_snapshots_the_playbook_and_walks_to_the_first_step_that_waits():
    events = RUN.decide(INITIAL, start(), NOW)
    assert events == (
        Started(incident="inc", system="loan", playbook=BOOK, probes=("pipeline_healthy",)),
        StepReached(step="pipeline", kind="question", waiting_for="probe"),
    )
    state = RUN.fold(events)
    assert (state.status, state.step, state.waiting_for) == ("running", "pipeline", "probe")
    assert (state.incident, state.system, state.playbook) == ("inc", "loan", BOOK)
    assert state.current() == BOOK.steps[0]
    assert INITIAL.current() is None


def test_a_question_whose_probe_the_system_lacks_waits_for_a_person():
    assert after(start(probes=())).waiting_for == "person"


def test_steps_that_need_nobody_are_passed_and_told():
    state = after(start(), probe("yes"))
    assert RUN.decide(state, person("deployed", "yes", evidence=("e1",), note="v7"), LATER) == (
        Answered(
            step="deployed", answer="yes", by="person", who="ana", at=LATER, evidence=("e1",), note="v7"
        ),
        StepReached(step="keep", kind="evidence"),
        StepReached(step="rollback", kind="recommendation"),
        Recommended(step="rollback", action="rollback", reason="A new version came first.", text="Roll back"),
        StepReached(step="tell", kind="notification"),
        StepReached(step="done", kind="end"),
        Finished(outcome="A containment was recommended."),
    )


def test_the_state_tells_the_path_with_who_and_when_and_the_recommendations():
    state = after(
        start(),
        probe("yes", measured={"nulls": "0.01"}),
        person("deployed", "yes", note="v7", evidence=("e1",)),
    )
    assert [(v.step, v.kind, v.answer, v.by, v.who) for v in state.path] == [
        ("pipeline", "question", "yes", "probe", "pipeline_healthy"),
        ("deployed", "question", "yes", "person", "ana"),
        ("keep", "evidence", "", None, ""),
        ("rollback", "recommendation", "", None, ""),
        ("tell", "notification", "", None, ""),
        ("done", "end", "", None, ""),
    ]
    assert [v.at for v in state.path] == [NOW, NOW, None, None, None, None]
    assert (state.path[0].measured, state.path[1].note) == ({"nulls": "0.01"}, "v7")
    assert [v.evidence for v in state.path[:2]] == [(), ("e1",)]
    assert [(p.step, p.action, p.reason, p.text) for p in state.standing()] == [
        ("rollback", "rollback", "A new version came first.", "Roll back")
    ]
    assert (state.status, state.waiting_for, state.outcome) == (
        "finished",
        None,
        "A containment was recommended.",
    )


def test_a_person_who_does_not_know_is_led_to_the_safe_branch():
    assert after(start(), person("pipeline", "unknown")).path[1].step == "keep"


def test_a_probe_that_cannot_tell_waits_for_a_person_instead_of_choosing():
    state = after(start())
    events = RUN.decide(state, probe("unknown", measured={"rows": "0"}, note="No rows in the window"), NOW)
    assert events == (
        ProbeInconclusive(step="pipeline", measured={"rows": "0"}, reason="No rows in the window"),
    )
    state = RUN.evolve(state, events[0])
    assert (state.step, state.waiting_for, state.inconclusive) == ("pipeline", "person", events[0])
    answered = after(start(), probe("unknown"), person("pipeline", "yes"))
    assert (answered.step, answered.inconclusive) == ("deployed", None)


def test_a_task_is_done_with_a_note_and_the_run_goes_on():
    state = after(start(), probe("no"))
    assert state.waiting_for == "person"
    events = RUN.decide(state, CompleteTask(step="quarantine", note="412 rows", who="ben"), LATER)
    assert events == (
        TaskDone(step="quarantine", note="412 rows", who="ben", at=LATER),
        StepReached(step="deployed", kind="question", waiting_for="person"),
    )
    visit = RUN.evolve(state, events[0]).path[-1]
    assert (visit.note, visit.who, visit.at, visit.by) == ("412 rows", "ben", LATER, "person")


def test_a_task_completed_twice_changes_nothing():
    done = CompleteTask(step="quarantine", who="ben")
    assert RUN.decide(after(start(), probe("no"), done), done, LATER) == ()


def test_the_commander_may_take_a_decision_of_any_role():
    state = after(*HISTORY["deciding"])
    assert "answered" in names(RUN.decide(state, person("decide", "stop", roles=("commander",)), NOW))


def test_the_end_says_what_was_reached():
    assert after(start(OTHER)).outcome == "Nothing."


def test_giving_up_keeps_the_reason():
    state = after(start())
    assert RUN.decide(state, Abandon(reason="Wrong one", who="ana"), NOW) == (
        Abandoned(reason="Wrong one", who="ana"),
    )
    gone = after(start(), Abandon(reason="Wrong one"))
    assert (gone.status, gone.reason, gone.waiting_for) == ("abandoned", "Wrong one", None)


# --- going back ---------------------------------------------------------------------------


def test_going_back_keeps_the_record_and_withdraws_what_followed():
    state = after(*HISTORY["finished"])
    events = RUN.decide(state, Revisit(step="deployed", who="ben", reason="It was last month"), NOW)
    assert events == (
        Revisited(step="deployed", who="ben", reason="It was last month"),
        StepReached(step="deployed", kind="question", waiting_for="person"),
    )
    for event in events:
        state = RUN.evolve(state, event)
    assert (state.status, state.step, state.waiting_for, state.outcome) == (
        "running",
        "deployed",
        "person",
        "",
    )
    assert [v.left for v in state.path] == [False, True, True, True, True, True, False]
    assert state.standing() == ()
    assert len(state.recommendations) == 1


def test_a_recommendation_before_the_step_gone_back_to_still_stands():
    steps = (
        Recommendation(id="r", action="throttle", text="Throttle", why="Harm goes on", next="q"),
        Question(id="q", text="Better?", answers={"yes": "end", "unknown": "end"}),
        End(id="end", outcome="Done."),
    )
    book = Playbook(
        id="b",
        title="b",
        category="c",
        owner="commander",
        reviewed_on=NOW.date(),
        first_step="r",
        steps=steps,
    )
    state = after(start(book), person("q", "yes"), Revisit(step="q", who="ana", reason="Not better"))
    assert [p.action for p in state.standing()] == ["throttle"]


def test_what_was_left_behind_cannot_be_gone_back_to():
    state = after(*HISTORY["revisiting"])
    with pytest.raises(Refused, match=r"has not answered step 'deployed'\. It can go back to: pipeline\."):
        RUN.decide(state, Revisit(step="deployed", who="ana", reason="x"), NOW)


def test_going_back_from_a_probe_in_doubt_leaves_the_doubt_behind():
    steps = (
        Question(id="q", text="Known?", answers={"yes": "p", "unknown": "end"}),
        Question(id="p", text="Well?", probe="x", answers={"yes": "end", "no": "end", "unknown": "end"}),
        End(id="end", outcome="Done."),
    )
    book = Playbook(
        id="b",
        title="b",
        category="c",
        owner="commander",
        reviewed_on=NOW.date(),
        first_step="q",
        steps=steps,
    )
    doubting = (
        start(book, ("x",)),
        person("q", "yes"),
        Answer(step="p", answer="unknown", by="probe", who="x"),
    )
    assert after(*doubting).inconclusive is not None
    assert after(*doubting, Revisit(step="q", who="ana", reason="r")).inconclusive is None


def test_whoever_goes_back_answers_and_a_late_probe_does_not():
    state = after(*HISTORY["revisiting"])
    assert state.waiting_for == "person"
    with pytest.raises(
        Refused, match=r"Somebody went back to step 'pipeline' to answer it\. A person answers it\."
    ):
        RUN.decide(state, probe("no"), NOW)


# --- what is refused, in which words --------------------------------------------------------


@pytest.mark.parametrize(
    ("standing", "command", "words"),
    [
        ("none", person("pipeline", "yes"), "This run has not started. Start it with a playbook first."),
        (
            "asking",
            start(OTHER),
            "This run already follows playbook 'bias'. Start another run for another one.",
        ),
        (
            "asking",
            person("pipeline", "no"),
            (
                "The run has moved on. It is at 'deployed': Was a version deployed in the last week? "
                "Answer that, or go back to the earlier step."
            ),
        ),
        (
            "tasking",
            person("deployed", "no"),
            (
                "The run is not at that step. It is at 'quarantine': Set the bad data apart. "
                "Answer that, or go back to the earlier step."
            ),
        ),
        (
            "asking",
            person("deployed", "perhaps"),
            "'perhaps' is no answer to step 'deployed'. Choose one of: yes, no, unknown.",
        ),
        (
            "asking",
            Answer(step="deployed", answer="yes", by="person", who=" "),
            "An answer of a person names that person. Say who answers.",
        ),
        (
            "asking",
            probe("yes", step="deployed"),
            "No probe of this system can answer step 'deployed'. A person answers it.",
        ),
        (
            "deciding",
            probe("stop", step="decide"),
            "No probe of this system can answer step 'decide'. A person answers it.",
        ),
        (
            "deciding",
            person("decide", "stop", roles=("ml_engineer",)),
            "Step 'decide' is decided by the ethics lead of this incident. Ask them, or have the role assigned.",
        ),
        (
            "deciding",
            CompleteTask(step="decide"),
            "Step 'decide' is a decision, not a task. Answer it instead.",
        ),
        (
            "tasking",
            person("quarantine", "yes"),
            "Step 'quarantine' is a task, not a question. Complete it instead.",
        ),
        (
            "finished",
            person("deployed", "no"),
            (
                "This run is finished: A containment was recommended. "
                "To change an earlier answer, go back to that step."
            ),
        ),
        (
            "finished",
            Abandon(reason="x"),
            "This run is finished: A containment was recommended. There is nothing to give up.",
        ),
        ("abandoned", person("deployed", "no"), "This run was abandoned: Wrong playbook. Start another run."),
        ("asking", Abandon(reason=" "), "A run is given up with a reason. Say why."),
        (
            "asking",
            Revisit(step="keep", who="ana", reason="x"),
            "The run has not answered step 'keep'. It can go back to: pipeline, deployed.",
        ),
        (
            "asking",
            Revisit(step="pipeline", who="ana", reason=" "),
            "Going back changes the record of a run. Say who goes back, and why.",
        ),
        (
            "asking",
            Revisit(step="pipeline", who="", reason="x"),
            "Going back changes the record of a run. Say who goes back, and why.",
        ),
    ],
)
def test_a_refusal_says_why_and_what_next(standing, command, words):
    with pytest.raises(Refused) as refusal:
        RUN.decide(after(*HISTORY[standing]), command, NOW)
    assert str(refusal.value) == words


def test_a_playbook_with_errors_does_not_start_and_every_error_is_named():
    broken = Playbook(
        id="bad",
        title="Bad",
        category="bias",
        owner="commander",
        reviewed_on=NOW.date(),
        first_step="a",
        steps=(
            Question(id="a", text="?", answers={"yes": "gone", "unknown": "b"}),
            Task(id="b", text="x", owner="commander", next="b"),
        ),
    )
    with pytest.raises(Refused, match=r"'bad' cannot run\..*leads on 'yes' to 'gone'.*go round 'b' for ever"):
        RUN.decide(INITIAL, start(broken), NOW)


# --- the same command twice -----------------------------------------------------------------


def test_an_answer_that_comes_twice_changes_nothing():
    said = probe("yes", measured={"nulls": "0.01"})
    assert RUN.decide(after(start(), said), said, LATER) == ()
    assert RUN.decide(after(start(), said, person("deployed", "yes")), said, LATER) == ()


def test_with_its_visit_a_late_answer_does_not_fall_upon_the_second_stay_at_a_step():
    first = person("deployed", "no", visit=1)
    around = (start(), probe("yes"), first, person("decide", "run", roles=("ethics_lead",)))
    state = after(*around)
    assert (state.step, len(state.path)) == ("deployed", 4)
    assert RUN.decide(state, first, LATER) == ()
    assert RUN.decide(state, person("deployed", "no", visit=3), LATER)
    for visit, answer in ((1, "yes"), (0, "no"), (9, "no"), (-1, "no")):
        with pytest.raises(Refused, match="moved on"):
            RUN.decide(state, person("deployed", answer, visit=visit), LATER)


def test_a_task_of_an_earlier_visit_is_not_the_task_of_now():
    steps = (
        Task(id="t", text="Try", owner="commander", next="q"),
        Question(id="q", text="Better?", answers={"yes": "end", "no": "t", "unknown": "t"}),
        End(id="end", outcome="Done."),
    )
    book = Playbook(
        id="b",
        title="b",
        category="c",
        owner="commander",
        reviewed_on=NOW.date(),
        first_step="t",
        steps=steps,
    )
    done = CompleteTask(step="t", visit=0)
    state = after(start(book), done, person("q", "no"))
    assert RUN.decide(state, done, NOW) == ()
    assert names(RUN.decide(state, CompleteTask(step="t", visit=2), NOW)) == ["task_done", "step_reached"]


# --- survives a restart -----------------------------------------------------------------------


def test_events_and_state_come_back_from_their_bytes_as_they_were():
    state, events = INITIAL, []
    for command in (
        *HISTORY["doubting"],
        *HISTORY["finished"][1:],
        Revisit(step="deployed", who="a", reason="b"),
    ):
        for event in RUN.decide(state, command, NOW):
            state = RUN.evolve(state, event)
            events.append(event)
    assert [RUN.read_event(payload_bytes(event)) for event in events] == events
    assert RUN.fold(RUN.read_event(payload_bytes(event)) for event in events) == state
    assert RUN.read_state(RUN.write_state(state)) == state
