"""An action item is something that another person can check; the rest is refused with the reason (REV-4)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tocsin.reviews.action_item import ATTITUDES, LONGEST, WEAK, ActionItem, checkable, faults, proof_fault

TODAY = dt.date(2026, 11, 23)


def found(**changes: Any) -> tuple[str, ...]:
    values: dict[str, Any] = {
        "text": "Add a monitor of the denial gap per group to the loan model",
        "owner": "Ana Lopez",
        "due": dt.date(2026, 12, 14),
        "measure": "The gap stays below 0.05 for 14 days",
        "today": TODAY,
    }
    return faults(**{**values, **changes})


@pytest.mark.parametrize(
    "text",
    [
        "Add a monitor of the denial gap per group to the loan model",
        "Refuse a promotion when the denial gap of a group grows by more than 0.05",
        "Backfill the labels of October from the archive",
        "Retrain loan without the records that batch 14 corrupted",
        "Ping the feature store every minute from the watch job",
        "Improve monitoring of the denial gap with an alarm at 0.05",
        "Review each training batch for flipped labels before promotion",
        "Update the bias playbook with a branch for corrupted batches",
        "Block deployments to champion without two reviewers",
        "Die Schwelle der Überwachung auf 0.05 senken",
    ],
)
def test_a_particular_change_is_taken(text):
    assert found(text=text) == ()


@pytest.mark.parametrize(
    "text",
    ["Improve monitoring", "Improve the monitoring of our models.", "Enhance data quality", "Review processes",
     "Look into the pipeline", "Fix the issue", "Ensure fairness in future", "Follow up on this",
     "Update documentation as appropriate", "Investigate loan model"],
)  # fmt: skip
def test_a_verb_that_can_mean_anything_needs_an_exact_rest(text):
    (fault,) = found(text=text)
    assert "is too vague" in fault
    assert "Say what exactly changes, where, and at which threshold." in fault


@pytest.mark.parametrize("attitude", ATTITUDES)
def test_a_wish_about_people_is_refused_whatever_else_is_said(attitude):
    (fault,) = found(text=f"From now on {attitude} with the labels of batch 14 in the loan model")
    assert fault == (
        f"'{attitude}' is a wish about people, which nobody can check. "
        "Name the change that makes the mistake harder to make."
    )


@pytest.mark.parametrize("verb", WEAK)
def test_a_weak_verb_alone_is_never_enough(verb):
    assert found(text=f"{verb} the models and systems") != ()


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("The pipeline must reject flipped labels", "the"),
        ("Monitoring of the denial gap per group", "monitoring"),
        ("Data validation for the October batch", "data"),
        ("Better alerts for the denial gap", "better"),
        ("Automation of the rollback for loan", "automation"),
        ("3 new tests for flipped labels", "3"),
    ],
)
def test_it_begins_with_what_to_do(text, first):
    (fault,) = found(text=text)
    assert fault == (
        f"'{first}' is not something to do. Begin with the verb: add, remove, test, alert, block, retrain."
    )


def test_it_says_what_it_acts_on():
    (fault,) = found(text="Retrain the model again soon")
    assert fault == (
        "'Retrain the model again soon' does not say what it acts on. "
        "Name the model, feature, dataset, monitor or step."
    )


def test_three_words_are_too_short():
    assert found(text="Retrain loan monthly") == (
        "'Retrain loan monthly' is too short to act on. Say what changes, and where.",
    )


def test_an_empty_text_and_an_endless_one_are_refused():
    assert found(text=" . ") == ("Say what will be done.",)
    long = "Add the monitor " * 200
    assert found(text=long) == (
        f"The text has {len(long)} characters; {LONGEST} are the limit. Split it into several items.",
    )


@pytest.mark.parametrize("owner", ["", "  ", "TBD", "team", "Everyone", "the team", "n/a", "?", "us"])
def test_an_owner_is_somebody(owner):
    (fault,) = found(owner=owner)
    assert fault.endswith("Name one person, or one team that answers for it.")


@pytest.mark.parametrize(
    "owner", ["Ana Lopez", "ana@example.org", "team-credit", "Credit platform team", "ML"]
)
def test_a_person_or_a_named_team_owns_it(owner):
    assert found(owner=owner) == ()


@pytest.mark.parametrize(("days", "fine"), [(-1, False), (0, False), (1, True)])
def test_the_due_date_lies_in_the_future(days, fine):
    due = TODAY + dt.timedelta(days=days)
    said = (f"The due date {due} is not in the future. Give a day after 2026-11-23.",)
    assert found(due=due) == (() if fine else said)


@pytest.mark.parametrize(
    "measure",
    ["Gap below 0.05 for 14 days", "The test of flipped labels passes", "Monitor loan_gap stays quiet",
     "A drill finds it within an hour"],
)  # fmt: skip
def test_a_measure_is_a_figure_or_a_test(measure):
    assert found(measure=measure) == ()


@pytest.mark.parametrize(
    "measure", ["It works better", "Stakeholders are happy with it", "0.05", "test passes"]
)
def test_a_measure_that_nobody_can_check_is_refused(measure):
    assert found(measure=measure) == (
        (
            f"The measure '{measure}' cannot be checked. Give a figure to reach "
            "('gap below 0.05 for 14 days'), or name the test or monitor that must pass."
        ),
    )


def test_an_absent_measure_is_asked_for():
    assert found(measure="-") == (
        "Say how one will know that it works: a figure to reach, or a test or monitor to pass.",
    )


def test_every_fault_is_told_at_once():
    assert len(found(text="Improve monitoring", owner="tbd", due=TODAY, measure="")) == 4


def test_a_long_text_is_quoted_shortened():
    (fault,) = found(measure="very " * 30)
    assert f"'{('very ' * 12)}...'" in fault


@pytest.mark.parametrize("proof", ["", "done", "OK, done.", "Fixed, works", "n/a"])
def test_done_is_no_proof(proof):
    assert proof_fault(proof) == (
        "Say what shows the effect: a figure, a link, or the test or monitor that passed."
    )


@pytest.mark.parametrize("proof", ["Ana looked and it is fine", "All good now"])
def test_an_opinion_is_no_proof(proof):
    fault = proof_fault(proof)
    assert fault is not None
    assert fault.startswith(f"'{proof}' shows no effect.")


@pytest.mark.parametrize(
    "proof", ["Gap at 0.02 since 1 December", "https://ci.example.org/runs/latest", "The label test passed"]
)
def test_a_figure_a_link_or_a_test_is_proof(proof):
    assert proof_fault(proof) is None


def test_words_that_merely_contain_test_are_not_one():
    assert not checkable("the latest contest")
    assert checkable("the tests pass")


def test_an_item_is_completed_when_its_effect_is_shown():
    item = ActionItem(id="a", text="t", owner="o", due=TODAY, measure="m")
    assert not item.completed
    assert ActionItem(id="a", text="t", owner="o", due=TODAY, measure="m", proof="0.02").completed


def test_the_limits_themselves_are_within():
    longest = "Add a gate on loan ".ljust(LONGEST, "x")
    assert len(longest) == LONGEST
    assert found(text=longest) == ()
    assert found(text="Retrain loan every month") == ()
    assert found(text="Update bias playbook gate branch") == ()
    assert found(measure="gap below 0.05") == ()


def test_a_text_of_sixty_characters_is_quoted_whole():
    sixty = "very ".ljust(60, "x")
    assert f"'{sixty}'" in found(measure=sixty)[0]
    assert f"'{sixty}...'" in found(measure=f"{sixty}x")[0]
