"""The whole life of an incident on one screen. A dash means refused, an equals sign that nothing changes."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.incidents import incident as i
from tocsin.incidents.incident import INCIDENT, INITIAL, Status, decide, evolve
from tocsin.kernel.errors import Refused
from tocsin.kernel.event import payload_bytes

T0 = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
LATER = T0 + dt.timedelta(hours=5)
DUE = T0 + dt.timedelta(hours=1)
RESPOND = i.Deadline(kind="respond", due=DUE, source="profile")

DECLARE = i.Declare(
    number=1, title="Loan model denies one group", severity=0, reported_by="ada", deadlines=(RESPOND,)
)
COMMANDS: dict[str, i.IncidentCommand] = {
    "declare": DECLARE,
    "severity": i.ChangeSeverity(severity=1, reason="Fewer people than thought"),
    "category": i.ChangeCategory(category="bias", reason="The gap says so"),
    "facts": i.RecordFacts(facts={"users_affected": 5}, reason="counted"),
    "alert": i.AttachAlert(alert="a1", title="Gap", why="same group"),
    "role": i.AssignRole(role="commander", person="ada", how="took it"),
    "finding": i.NoteFinding(finding="f1", text="v3 was promoted"),
    "suspect": i.NoteHypothesis(hypothesis="h1", text="labels were flipped"),
    "settle": i.SettleHypothesis(hypothesis="h0", verdict="confirmed"),
    "decision": i.NoteDecision(decision="d1", text="roll back"),
    "note": i.AddNote(text="hello"),
    "takeup": i.StartInvestigation(by="ada"),
    "late": i.CheckDeadline(kind="respond", due=DUE),
    "contain": i.Contain(containment="c1", summary="rolled back"),
    "lose": i.LoseContainment(reason="alias moved again"),
    "monitor": i.StartMonitoring(summary="retrained"),
    "resolve": i.Resolve(summary="done"),
    "reopen": i.Reopen(reason="it is back"),
    "review": i.OpenReview(),
    "close": i.Close(review_finished=True),
}
H0 = i.NoteHypothesis(hypothesis="h0", text="an earlier idea")
PATHS: dict[str, tuple[i.IncidentCommand, ...]] = {
    "undeclared": (),
    "triage": (DECLARE, H0),
    "investigating": (DECLARE, H0, COMMANDS["takeup"]),
    "contained": (DECLARE, H0, COMMANDS["contain"]),
    "monitoring": (DECLARE, H0, COMMANDS["monitor"]),
    "resolved": (DECLARE, H0, COMMANDS["resolve"]),
    "reviewing": (DECLARE, H0, COMMANDS["resolve"], COMMANDS["review"]),
    "closed": (DECLARE, H0, COMMANDS["resolve"], COMMANDS["close"]),
}
TABLE = """
              declare severity category facts alert role finding suspect settle decision note takeup        late contain   lose          monitor    resolve  reopen        review    close
undeclared    triage  -        -        -     -     -    -       -       -      -        -    -             -    -         -             -          -        -             -         -
triage        -       same     same     same  same  same same    same    same   same     same investigating same contained -             monitoring resolved -             -         -
investigating -       same     same     same  same  same same    same    same   same     same =             =    contained -             monitoring resolved -             -         -
contained     -       same     same     same  same  same same    same    same   same     same =             =    =         investigating monitoring resolved -             -         -
monitoring    -       same     same     same  same  same same    same    same   same     same =             =    -         investigating =          resolved -             -         -
resolved      -       same     same     same  same  same same    same    same   same     same =             =    -         -             -          -        investigating reviewing closed
reviewing     -       same     same     same  same  same same    same    same   same     same =             =    -         -             -          -        investigating =         closed
closed        -       -        -        -     -     -    -       -       -      -        same -             -    -         -             -          -        -             -         -
"""
HEAD, *ROWS = [line.split() for line in TABLE.strip().splitlines()]
CELLS = [(row[0], name, cell) for row in ROWS for name, cell in zip(HEAD, row[1:], strict=True)]


def reached(path: str) -> i.Incident:
    state = INITIAL
    for command in PATHS[path]:
        for event in decide(state, command, T0):
            state = evolve(state, event)
    return state


def test_the_table_has_every_state_and_every_command() -> None:
    assert {row[0] for row in ROWS} == {status.value for status in Status}
    assert set(HEAD) == set(COMMANDS)
    assert {type(command) for command in COMMANDS.values()} == set(i.IncidentCommand.__args__)


@pytest.mark.parametrize(("status", "name", "outcome"), CELLS)
def test_each_command_in_each_state(status: str, name: str, outcome: str) -> None:
    state = reached(status)
    assert state.status == status
    if outcome == "-":
        with pytest.raises(Refused) as refusal:
            decide(state, COMMANDS[name], LATER)
        assert refusal.value.why
        assert refusal.value.mend
        return
    events = decide(state, COMMANDS[name], LATER)
    assert bool(events) == (outcome != "=")
    after = state
    for event in events:
        after = evolve(after, event)
    assert after.status == (status if outcome in ("same", "=") else outcome)


@pytest.mark.parametrize("severity", [0, 1, 2, 3, None])
def test_only_ranks_2_and_3_close_without_a_review(severity: int | None) -> None:
    declare = i.Declare(number=1, title="x", severity=severity, reported_by="ada")  # type: ignore[arg-type]
    state = INCIDENT.fold([*decide(INITIAL, declare, T0), i.Resolved(summary="done")])
    command = i.Close(review_finished=False)
    if severity in (2, 3):
        assert decide(state, command, T0)
    else:
        with pytest.raises(Refused, match="finished review"):
            decide(state, command, T0)


def test_taking_it_up_in_time_meets_the_deadline_and_a_late_check_says_nothing() -> None:
    events = decide(reached("triage"), COMMANDS["takeup"], T0)
    assert [type(event) for event in events] == [i.InvestigationStarted, i.DeadlineMet]
    assert decide(INCIDENT.fold([*_declared(), *events]), COMMANDS["late"], LATER) == ()


def test_a_check_before_the_due_time_says_nothing() -> None:
    assert decide(reached("triage"), COMMANDS["late"], T0) == ()


def test_a_check_of_a_deadline_that_has_moved_says_nothing() -> None:
    moved = i.CheckDeadline(kind="respond", due=DUE - dt.timedelta(minutes=1))
    assert decide(reached("triage"), moved, LATER) == ()


@pytest.mark.parametrize(
    "command",
    [
        i.ChangeSeverity(severity=1, reason=" "),
        i.ChangeCategory(category="bias", reason=""),
        i.Resolve(summary=" "),
        i.AddNote(text="\n"),
    ],
)
def test_empty_words_are_refused(command: i.IncidentCommand) -> None:
    with pytest.raises(Refused, match="needs words"):
        decide(reached("triage"), command, T0)


def _declared() -> tuple[i.IncidentEvent, ...]:
    return (*decide(INITIAL, DECLARE, T0), *decide(reached("triage"), COMMANDS["suspect"], T0))


@given(st.lists(st.sampled_from(sorted(COMMANDS)), max_size=40))
def test_the_state_is_always_what_the_events_tell(script: list[str]) -> None:
    state, stream = INITIAL, []
    for name in script:
        try:
            events = decide(state, COMMANDS[name], LATER)
        except Refused:
            continue
        for event in events:
            state = evolve(state, event)
            stream.append(INCIDENT.read_event(payload_bytes(event)))
    assert INCIDENT.fold(stream) == state
    assert INCIDENT.read_state(INCIDENT.write_state(state)) == state
    assert sum(isinstance(event, i.Declared) for event in stream) <= 1
