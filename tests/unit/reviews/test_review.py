"""A review is opened from the record, filled by people, and finished only when nothing is missing (REV-1..4)."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from tocsin.catalog.review_form import ReviewQuestion
from tocsin.kernel.errors import Refused
from tocsin.kernel.event import payload_bytes
from tocsin.reviews.action_item import ActionItem
from tocsin.reviews.fairness_review import SHORTEST_TEXT, FairnessReview, GroupGap
from tocsin.reviews.figure import Times, figures
from tocsin.reviews.review import (
    AGENDA,
    INITIAL,
    LONGEST_ANSWER,
    REVIEW,
    SHORTEST_ANSWER,
    ActionItemAdded,
    ActionItemCompleted,
    AddActionItem,
    AddFactor,
    Answer,
    Answered,
    CompleteActionItem,
    Entry,
    FactorAdded,
    FairnessRecorded,
    Finish,
    Finished,
    NoActionStated,
    Open,
    Opened,
    RecordFairness,
    RefreshRecord,
    Reopen,
    Reopened,
    Review,
    StateNoAction,
    may_close,
    missing,
)

QUESTIONS = tuple(
    ReviewQuestion(id=id, text=f"{id.capitalize()}?")
    for id in ("happened", "detected", "impact", "causes", "remedy", "well", "better", "change")
)
NOW = dt.datetime(2026, 11, 23, 3, 4, 5, tzinfo=dt.UTC)
GAP = GroupGap(
    attribute="race",
    group="Black",
    reference="White",
    measure="Denial gap",
    before=Decimal("0.19"),
    during=Decimal("0.48"),
    after=Decimal("0.20"),
)
FIGURES = figures(Times(began_at=NOW, detected_at=NOW + dt.timedelta(minutes=4)))
TIMELINE = (Entry(at=NOW, text="Declared", who="engine", stream="incident:i", position=1),)


def opened(severity: Any = 0, **changes: Any) -> Open:
    values: dict[str, Any] = {
        "incident": "inc",
        "figures": FIGURES,
        "timeline": TIMELINE,
        "gaps": (GAP,),
        "questions": QUESTIONS,
    }
    return Open(severity=severity, **{**values, **changes})


def answer(question: str = "happened", text: str = "Version 7 denied one group.") -> Answer:
    return Answer(question=question, text=text)


ANSWERS = tuple(answer(question.id) for question in QUESTIONS)
FACTOR = AddFactor(part="data_sources", kind="data", text="Batch 14 had flipped labels.")
FAIRNESS = RecordFairness(
    assessable=True,
    text="Black applicants were denied twice as often.",
    gaps=(GAP,),
    redress="41 applications are decided again.",
    safety="No risk to health.",
)


def item(**changes: Any) -> AddActionItem:
    values: dict[str, Any] = {
        "item": "A-1",
        "text": "Add a gate on the denial gap to the promotion of loan",
        "owner": "Ana Lopez",
        "due": dt.date(2026, 12, 14),
        "measure": "A version with a gap above 0.05 is refused",
        "priority": "high",
        "remedy": "code_and_test",
    }
    return AddActionItem(**{**values, **changes})


COMPLETE = CompleteActionItem(item="A-1", proof="The gate refused version 9, gap 0.31")
NO_ACTION = StateNoAction(reason="The monitor that found it is the change we would make.")
FINISH = Finish(by="ana", follow_up=dt.date(2026, 12, 20), playbook_change="none")
REOPEN = Reopen(by="ben", reason="A second group was hit")
REFRESH = RefreshRecord(severity=1, figures=FIGURES, timeline=(), gaps=(GAP,))
FILLED = (opened(), *ANSWERS, FACTOR, FAIRNESS, item())


def after(*commands: Any) -> Review:
    state = INITIAL
    for command in commands:
        for event in REVIEW.decide(state, command, NOW):
            state = REVIEW.evolve(state, event)
    return state


# --- every state x every command ----------------------------------------------------------

HISTORY: dict[str, tuple[Any, ...]] = {
    "none": (),
    "open": (opened(),),
    "filled": FILLED,
    "none-needed": (opened(), *ANSWERS, FACTOR, FAIRNESS, NO_ACTION),
    "finished": (*FILLED, FINISH),
    "completed": (*FILLED, FINISH, COMPLETE),
    "reopened": (*FILLED, FINISH, REOPEN),
}
COMMAND: dict[str, Any] = {
    "open": opened(),
    "open-other": opened(incident="other"),
    "refresh": REFRESH,
    "answer": answer(),
    "answer-new": answer(text="Version 7 denied two groups."),
    "factor": FACTOR,
    "fairness": FAIRNESS,
    "item": item(),
    "item-2": item(item="A-2"),
    "complete": COMPLETE,
    "no-action": NO_ACTION,
    "finish": FINISH,
    "reopen": REOPEN,
}
# a dash means refused, an equals sign that nothing changes, a word the status afterwards
TABLE = """
             open  open-other  refresh  answer  answer-new  factor  fairness  item  item-2  complete  no-action  finish    reopen
none         open  open        -        -       -           -       -         -     -       -         -          -         -
open         =     -           open     open    open        open    open      open  open    -         open       -         =
filled       =     -           open     =       open        =       =         =     open    open      -          finished  =
none-needed  =     -           open     =       open        =       =         open  open    -         =          finished  =
finished     =     -           -        -       -           -       -         -     -       finished  -          =         open
completed    =     -           -        -       -           -       -         -     -       =         -          =         open
reopened     =     -           open     =       open        =       =         =     open    open      -          finished  =
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
            REVIEW.decide(state, COMMAND[name], NOW)
        return
    events = REVIEW.decide(state, COMMAND[name], NOW)
    if outcome == "=":
        assert events == ()
        return
    assert len(events) == 1
    assert REVIEW.evolve(state, events[0]).status == outcome


# --- what a review holds --------------------------------------------------------------------


def test_it_opens_with_what_the_record_holds():
    assert REVIEW.decide(INITIAL, opened(), NOW) == (
        Opened(
            incident="inc", severity=0, figures=FIGURES, timeline=TIMELINE, gaps=(GAP,), questions=QUESTIONS
        ),
    )
    state = after(opened())
    assert (state.incident, state.severity, state.figures) == ("inc", 0, FIGURES)
    assert (state.timeline, state.gaps, state.questions) == (TIMELINE, (GAP,), QUESTIONS)


def test_refreshing_the_record_keeps_what_people_wrote():
    state = after(opened(), answer(), REFRESH)
    assert (state.severity, state.timeline, state.answers) == (
        1,
        (),
        {"happened": "Version 7 denied one group."},
    )
    assert (state.figures, state.gaps) == (FIGURES, (GAP,))
    assert REVIEW.decide(state, REFRESH, NOW) == ()
    bare = after(opened(figures=(), gaps=()), REFRESH)
    assert (bare.figures, bare.gaps) == (FIGURES, (GAP,))


def test_a_later_answer_replaces_the_earlier_one():
    state = after(opened(), answer(), answer(text="  Version 7 denied two groups. "))
    assert state.answers == {"happened": "Version 7 denied two groups."}


def test_the_questions_are_those_of_its_form():
    own = opened(questions=(ReviewQuestion(id="why", text="Why?"),))
    assert REVIEW.decide(after(own), answer("why"), NOW) == (
        Answered(question="why", text="Version 7 denied one group."),
    )
    assert "Not answered: Why?" in missing(after(own))
    with pytest.raises(Refused, match="It asks: why"):
        REVIEW.decide(after(own), answer("happened"), NOW)


def test_the_agenda_takes_120_minutes():
    assert sum(minutes for _, minutes in AGENDA) == 120


def test_the_events_carry_what_was_said():
    state = after(opened())
    assert REVIEW.decide(state, FACTOR, NOW) == (
        FactorAdded(part="data_sources", kind="data", text="Batch 14 had flipped labels."),
    )
    assert REVIEW.decide(state, FAIRNESS, NOW) == (
        FairnessRecorded(
            assessable=True,
            text="Black applicants were denied twice as often.",
            gaps=(GAP,),
            redress="41 applications are decided again.",
            safety="No risk to health.",
        ),
    )
    assert REVIEW.decide(state, item(owner=" Ana Lopez "), NOW) == (
        ActionItemAdded(
            item="A-1",
            text="Add a gate on the denial gap to the promotion of loan",
            owner="Ana Lopez",
            due=dt.date(2026, 12, 14),
            measure="A version with a gap above 0.05 is refused",
            priority="high",
            remedy="code_and_test",
        ),
    )
    assert REVIEW.decide(state, NO_ACTION, NOW) == (NoActionStated(reason=NO_ACTION.reason),)
    filled = after(*FILLED)
    assert REVIEW.decide(filled, COMPLETE, NOW) == (ActionItemCompleted(item="A-1", proof=COMPLETE.proof),)
    assert REVIEW.decide(filled, FINISH, NOW) == (
        Finished(by="ana", follow_up=dt.date(2026, 12, 20), playbook_change="none"),
    )
    assert REVIEW.decide(after(*FILLED, FINISH), REOPEN, NOW) == (
        Reopened(by="ben", reason="A second group was hit"),
    )


def test_the_state_keeps_factors_fairness_and_items():
    state = after(*FILLED, item(item="A-2"), COMPLETE)
    assert [(f.part, f.kind, f.text) for f in state.factors] == [
        ("data_sources", "data", "Batch 14 had flipped labels.")
    ]
    assert state.fairness == FairnessReview(
        assessable=True,
        text="Black applicants were denied twice as often.",
        gaps=(GAP,),
        redress="41 applications are decided again.",
        safety="No risk to health.",
    )
    assert state.item("A-1") == ActionItem(
        id="A-1",
        text="Add a gate on the denial gap to the promotion of loan",
        owner="Ana Lopez",
        due=dt.date(2026, 12, 14),
        measure="A version with a gap above 0.05 is refused",
        priority="high",
        remedy="code_and_test",
        proof="The gate refused version 9, gap 0.31",
    )
    assert [one.completed for one in state.items] == [True, False]
    assert state.item("A-9") is None


def test_finishing_and_reopening_are_told():
    done = after(*FILLED, FINISH)
    assert (done.finished_by, done.follow_up, done.playbook_change) == ("ana", dt.date(2026, 12, 20), "none")
    again = after(*FILLED, FINISH, REOPEN)
    assert (again.status, again.finished_by, again.answers) == ("open", "", done.answers)


def test_an_action_item_takes_back_that_none_is_needed():
    assert after(opened(), NO_ACTION, item()).no_action_reason == ""


def test_a_repeated_item_is_no_news_even_when_its_date_has_passed_meanwhile_or_it_is_completed():
    much_later = NOW + dt.timedelta(days=400)
    assert REVIEW.decide(after(*FILLED), item(), much_later) == ()
    assert REVIEW.decide(after(*FILLED, COMPLETE), item(), NOW) == ()


def test_the_due_date_is_compared_in_utc():
    east = dt.timezone(dt.timedelta(hours=14))
    moment = dt.datetime(2026, 12, 14, 1, tzinfo=east)  # still the 13th in UTC
    assert REVIEW.decide(after(opened()), item(), moment)


# --- finishing ------------------------------------------------------------------------------


def test_an_empty_review_lists_everything_that_is_missing_in_order():
    assert missing(after(opened())) == (
        *(f"Not answered: {question.text}" for question in QUESTIONS),
        "No contributing factor is named.",
        "The fairness and safety section (long form) is not written.",
        "There is no action item, and no reason why none is needed.",
    )


@pytest.mark.parametrize(
    ("left_out", "words"),
    [
        (ANSWERS[2], "Not answered: Impact?"),
        (FACTOR, "No contributing factor is named."),
        (FAIRNESS, "The fairness and safety section (long form) is not written."),
        (item(), "There is no action item, and no reason why none is needed."),
    ],
)
def test_finishing_names_exactly_what_is_missing(left_out, words):
    state = after(*(command for command in FILLED if command != left_out))
    with pytest.raises(Refused) as refusal:
        REVIEW.decide(state, FINISH, NOW)
    assert str(refusal.value) == f"The review cannot be finished yet. {words}"


def test_a_severity_that_got_worse_asks_for_the_long_form():
    short = RecordFairness(assessable=True, text="Black applicants were denied more.", gaps=(GAP,))
    state = after(opened(severity=3), *ANSWERS, FACTOR, short, item())
    assert missing(state) == ()
    worse = after(opened(severity=3), *ANSWERS, FACTOR, short, item(), REFRESH)
    assert missing(worse) == (
        "Fairness and safety: Say what is done for the people already harmed, or that nobody was.",
        "Fairness and safety: Say whether anybody's health, safety or rights were at risk.",
    )


# --- what is refused, in which words --------------------------------------------------------


@pytest.mark.parametrize(
    ("history", "command", "words"),
    [
        ((), opened(questions=()), "A review asks questions. Open it with those of a review form."),
        ((), answer(), "This incident has no review yet. Open the review first."),
        (
            (opened(),),
            opened(incident="x"),
            "This review belongs to another incident. Open one under that incident's own id.",
        ),
        (
            (opened(),),
            answer("who"),
            (
                "A review has no question 'who'. "
                "It asks: happened, detected, impact, causes, remedy, well, better, change."
            ),
        ),
        (
            (opened(),),
            answer(text="  Bad model. "),
            "The answer says too little. Write at least one sentence.",
        ),
        (
            (opened(),),
            answer(text="x" * (LONGEST_ANSWER + 1)),
            "The answer is longer than 20000 characters. Shorten it or link to it.",
        ),
        (
            (opened(),),
            AddFactor(part="serving", kind="human", text="Humans"),
            "The factor says too little. Write what contributed, and how, in one sentence.",
        ),
        (
            (opened(),),
            RecordFairness(assessable=True, text="Nothing to see at all here.", gaps=(GAP,), redress="None."),
            (
                "The fairness and safety section (long form) is not complete. "
                "Say whether anybody's health, safety or rights were at risk."
            ),
        ),
        (
            (opened(),),
            item(text="Improve monitoring", due=dt.date(2026, 11, 23)),
            (
                "This action item cannot be checked. 'Improve monitoring' is too vague: 'improve' can mean anything. "
                "Say what exactly changes, where, and at which threshold. "
                "The due date 2026-11-23 is not in the future. Give a day after 2026-11-23."
            ),
        ),
        (FILLED, item(owner="Ben Okri"), "Action item A-1 says something else. Add this one under a new id."),
        ((opened(),), COMPLETE, "This review has no action item A-1. It has: none."),
        (
            FILLED,
            CompleteActionItem(item="A-7", proof="0.1"),
            "This review has no action item A-7. It has: A-1.",
        ),
        (
            FILLED,
            CompleteActionItem(item="A-1", proof="done"),
            "Say what shows the effect: a figure, a link, or the test or monitor that passed.",
        ),
        (FILLED, NO_ACTION, "This review has action items, so 'none is needed' would contradict it."),
        ((opened(),), StateNoAction(reason="None needed"), "Say in a sentence why nothing needs to change."),
        (FILLED, Finish(by=" "), "A review is finished by a person. Say who."),
        ((*FILLED, FINISH), answer(), "This review is finished. Reopen it with a reason, then change it."),
        (
            (*FILLED, FINISH),
            Reopen(by="ben", reason=" "),
            "A finished review is reopened with a reason. Say what has come to light.",
        ),
    ],
)
def test_a_refusal_says_why_and_what_next(history, command, words):
    with pytest.raises(Refused) as refusal:
        REVIEW.decide(after(*history), command, NOW)
    assert str(refusal.value) == words


@pytest.mark.parametrize(
    "command",
    [
        answer(text="x" * SHORTEST_ANSWER),
        answer(text="x" * LONGEST_ANSWER),
        AddFactor(part="serving", kind="human", text="x" * SHORTEST_ANSWER),
        StateNoAction(reason="x" * SHORTEST_TEXT),
    ],
)
def test_a_text_of_exactly_the_least_or_the_greatest_length_is_taken(command):
    assert REVIEW.decide(after(opened()), command, NOW)


# --- closing the incident -------------------------------------------------------------------


@pytest.mark.parametrize("severity", [0, 1, None])
def test_rank_0_and_1_close_with_a_finished_review_only(severity):
    none = may_close(severity, INITIAL)
    assert (
        none == "An incident of rank 0 or 1 closes with a finished review, and none is open. Open the review."
    )
    half = may_close(severity, after(*(command for command in FILLED if command != FACTOR)))
    assert half == (
        "An incident of rank 0 or 1 closes with a finished review. "
        "Still missing: No contributing factor is named."
    )
    ready = may_close(severity, after(*FILLED))
    assert ready == "An incident of rank 0 or 1 closes with a finished review. Nothing is missing: finish it."
    assert may_close(severity, after(*FILLED, FINISH)) is None
    assert may_close(severity, after(*FILLED, FINISH, REOPEN)) is not None


@pytest.mark.parametrize("severity", [2, 3])
@pytest.mark.parametrize("standing", list(HISTORY))
def test_other_ranks_close_without(severity, standing):
    assert may_close(severity, after(*HISTORY[standing])) is None


# --- survives a restart -----------------------------------------------------------------------


@pytest.mark.parametrize("standing", list(HISTORY))
def test_events_and_state_come_back_from_their_bytes_as_they_were(standing):
    state, events = INITIAL, []
    for command in HISTORY[standing]:
        for event in REVIEW.decide(state, command, NOW):
            state = REVIEW.evolve(state, event)
            events.append(event)
    assert REVIEW.fold(REVIEW.read_event(payload_bytes(event)) for event in events) == state
    assert REVIEW.read_state(REVIEW.write_state(state)) == state
