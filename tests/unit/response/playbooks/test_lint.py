"""A playbook's faults are found before anybody needs it, and said so that its owner can mend them (RSP-4)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tocsin.catalog.playbook import (
    AnyStep,
    Decision,
    End,
    Notification,
    Playbook,
    Question,
    Recommendation,
    Task,
)
from tocsin.response.playbooks.playbook import errors, lint

END = End(id="end", outcome="Harm stopped.")


def playbook(*steps: AnyStep, **changes: Any) -> Playbook:
    values: dict[str, Any] = {
        "id": "bias",
        "title": "Bias",
        "category": "bias",
        "owner": "technical_lead",
        "reviewed_on": dt.date(2026, 9, 1),
        "first_step": steps[0].id if steps else "a",
        "steps": steps,
    }
    return Playbook(**{**values, **changes})


def question(id: str = "a", **changes: Any) -> Question:
    values: dict[str, Any] = {"text": "Healthy?", "answers": {"yes": "end", "no": "end", "unknown": "end"}}
    return Question(id=id, **{**values, **changes})


def task(id: str, next: str, **changes: Any) -> Task:
    return Task(id=id, text="Do it", next=next, **{"owner": "data_engineer", **changes})


def decision(id: str, options: dict[str, str], role: Any = "commander") -> Decision:
    return Decision(id=id, text="Go?", role=role, options=options)


def texts(book: Playbook, **context: Any) -> list[tuple[str, str, str]]:
    return [(f.rule, f.step, f.text) for f in lint(book, **context)]


def test_a_sound_playbook_has_no_findings():
    book = playbook(
        question(answers={"yes": "b", "no": "c", "unknown": "c"}), task("b", "end"), task("c", "end"), END
    )
    assert lint(book, staffed=("technical_lead", "data_engineer"), today=dt.date(2026, 11, 1)) == ()


LOOP = "a run would go round 'a', 'b' for ever. Add a branch that leaves the loop."


@pytest.mark.parametrize(
    ("book", "found"),
    [
        (playbook(), [("no-steps", "", "The playbook has no steps.")]),
        (
            playbook(question(), END, task("end", "end")),
            [("same-id", "end", "2 steps are called 'end'. Give each its own id.")],
        ),
        (
            playbook(question(), END, first_step="aa"),
            [
                (
                    "unknown-step",
                    "",
                    "The playbook starts at 'aa', which is not one of its steps. Did you mean 'a'?",
                )
            ],
        ),
        (
            playbook(task("a", "ende"), END),
            [
                (
                    "unknown-step",
                    "a",
                    "Step 'a' leads to 'ende', which is not a step of this playbook. Did you mean 'end'?",
                ),
                ("unreachable", "end", "No way leads from 'a' to step 'end'. Connect it or remove it."),
            ],
        ),
        (
            playbook(question(answers={"yes": "zzz", "unknown": "end"}), END),
            [
                (
                    "unknown-step",
                    "a",
                    "Step 'a' leads on 'yes' to 'zzz', which is not a step of this playbook.",
                )
            ],
        ),
        (
            playbook(question(answers={"yes": "end", "no": "end"}), END),
            [
                (
                    "no-unknown",
                    "a",
                    "Question 'a' has no 'unknown' branch. Lead it to the step that is safe when nobody knows.",
                )
            ],
        ),
        (
            playbook(question(answers={"unknown": "end"}), END),
            [("no-choice", "a", "Question 'a' can only be answered 'unknown'.")],
        ),
        (
            playbook(question(answers={"yes": "end", "unknown": "end"}, probe="p"), END),
            [("no-branch", "a", "Question 'a' may be answered by probe 'p', and has no 'no' branch for it.")],
        ),
        (
            playbook(question(answers={})),
            [("dead-end", "a", "Question 'a' has no answers, so a run would stop there for ever.")],
        ),
        (
            playbook(decision("a", {})),
            [("dead-end", "a", "Decision 'a' offers no option, so a run would stop there for ever.")],
        ),
        (
            playbook(task("a", "b"), task("b", "a"), END),
            [
                ("no-exit", "a", f"From step 'a' no end can be reached: {LOOP}"),
                ("no-exit", "b", f"From step 'b' no end can be reached: {LOOP}"),
                ("unreachable", "end", "No way leads from 'a' to step 'end'. Connect it or remove it."),
            ],
        ),
        (
            playbook(task("a", "end", owner=""), END),
            [("no-owner", "a", "Step 'a' has no owner. Name the role that does it.")],
        ),
        (
            playbook(decision("a", {"go": "end"}, role=""), END),
            [("no-owner", "a", "Step 'a' has no owner. Name the role that does it.")],
        ),
        (
            playbook(question(), END, owner=""),
            [("no-owner", "", "The playbook has no owner. Name the role that keeps it current.")],
        ),
    ],
)
def test_a_fault_is_named_with_its_step_and_its_mend(book, found):
    assert texts(book) == found


def test_a_loop_with_a_way_out_is_fine():
    again = question(answers={"yes": "end", "no": "b", "unknown": "b"})
    assert lint(playbook(again, task("b", "a"), END)) == ()


def test_a_loop_of_steps_that_need_nobody_is_an_error():
    round_and_round = (
        Recommendation(id="a", action="rollback", text="Roll back", why="New version", next="b"),
        Notification(id="b", template="t", audience="executives", next="a"),
    )
    assert {f.rule for f in errors(playbook(*round_and_round, END))} == {"no-exit"}


def test_a_step_before_a_missing_step_or_a_dead_end_is_not_called_a_loop():
    assert [f.rule for f in errors(playbook(task("a", "b"), task("b", "gone")))] == ["unknown-step"]
    assert [f.rule for f in errors(playbook(task("a", "b"), question("b", answers={})))] == ["dead-end"]


def test_errors_come_first_and_only_they_forbid_a_run():
    book = playbook(task("a", "end"), task("lost", "gone"), END)
    assert [(f.weight, f.rule) for f in lint(book)] == [("error", "unknown-step"), ("warning", "unreachable")]
    assert [f.rule for f in errors(book)] == ["unknown-step"]


def test_roles_that_nobody_can_take_are_warned_of():
    book = playbook(task("a", "b"), decision("b", {"go": "end"}), END)
    assert texts(book, staffed=("commander",)) == [
        ("nobody", "", "Nobody in the catalog can be 'technical_lead', who owns the playbook."),
        ("nobody", "a", "Nobody in the catalog can be 'data_engineer', whom step 'a' needs."),
    ]
    assert all(finding.weight == "warning" for finding in lint(book, staffed=()))
    assert texts(book) == []


@pytest.mark.parametrize(("days", "stale"), [(0, False), (92, False), (93, True)])
def test_a_playbook_is_stale_after_a_quarter(days, stale):
    book = playbook(question(), END)
    found = texts(book, today=book.reviewed_on + dt.timedelta(days=days))
    text = "Last reviewed on 2026-09-01, 93 days ago. Playbooks are reviewed every 92 days."
    assert found == ([("stale", "", text)] if stale else [])
