"""Every review says how the groups fared, from data, or why that cannot be said (REV-3)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tocsin.reviews.fairness_review import SHORTEST_TEXT, FairnessReview, GroupGap, faults, form

MEANING = "Black applicants were denied twice as often during the incident."


def gap(**changes: Any) -> GroupGap:
    values: dict[str, Any] = {
        "attribute": "race",
        "group": "Black",
        "reference": "White",
        "measure": "Denial gap",
        "before": Decimal("0.19"),
        "during": Decimal("0.48"),
        "after": Decimal("0.20"),
    }
    return GroupGap(**{**values, **changes})


def section(**changes: Any) -> FairnessReview:
    values: dict[str, Any] = {
        "assessable": True,
        "text": MEANING,
        "gaps": (gap(),),
        "redress": "The 41 applications are decided again by a person.",
        "safety": "No risk to health or safety.",
    }
    return FairnessReview(**{**values, **changes})


@pytest.mark.parametrize(
    ("severity", "kind"), [(0, "long"), (1, "long"), (None, "long"), (2, "short"), (3, "short")]
)
def test_ranks_2_and_3_take_the_short_form(severity, kind):
    assert form(severity) == kind


def test_a_complete_section_has_no_faults():
    assert faults(section(), "long") == ()
    assert faults(section(redress="", safety="", gaps=(gap(after=None),)), "short") == ()


@pytest.mark.parametrize("kind", ["long", "short"])
def test_a_reason_why_it_cannot_be_assessed_is_enough_in_both_forms(kind):
    reason = FairnessReview(assessable=False, text="The system holds no attribute of persons.")
    assert faults(reason, kind) == ()


@pytest.mark.parametrize(
    ("changes", "kind", "fault"),
    [
        (
            {"gaps": ()},
            "short",
            "Give the figures of at least one group, or say why they cannot be had (not assessable).",
        ),
        ({"text": " So-so. "}, "short", "Say in a sentence what the figures mean for the groups."),
        ({"redress": " "}, "long", "Say what is done for the people already harmed, or that nobody was."),
        ({"safety": ""}, "long", "Say whether anybody's health, safety or rights were at risk."),
        (
            {"gaps": (gap(before=None, after=None),)},
            "long",
            "The gap of Black in Denial gap has no figure before or after. Give it, or note why it is not known.",
        ),
        (
            {"assessable": False, "gaps": (), "text": "No data"},
            "short",
            "Say in a sentence why differential impact cannot be assessed, and what would make it so.",
        ),
        (
            {"assessable": False},
            "long",
            "The section has figures and is called not assessable. Drop one of the two.",
        ),
    ],
)
def test_what_is_lacking_is_said(changes, kind, fault):
    assert faults(section(**changes), kind) == (fault,)


def test_an_absent_figure_may_be_explained():
    assert faults(section(gaps=(gap(after=None, note="The model is off."),)), "long") == ()


def test_everything_that_lacks_is_told_at_once():
    assert len(faults(FairnessReview(assessable=True, text=""), "long")) == 4


@pytest.mark.parametrize(
    ("changes", "widened"),
    [
        ({}, Decimal("0.29")),
        ({"before": Decimal("-0.19")}, Decimal("0.29")),
        ({"before": Decimal("0.19"), "during": Decimal("-0.20")}, Decimal("0.01")),
        ({"during": None}, None),
        ({"before": None}, None),
    ],
)
def test_a_gap_widens_away_from_zero_whichever_its_sign(changes, widened):
    assert gap(**changes).widened() == widened


def test_a_gap_reads_as_a_sentence():
    assert (
        gap().sentence() == "Denial gap of Black against White (race): 0.19 before, 0.48 during, 0.20 after."
    )
    assert gap(before=None, during=None, after=None, note="Too few rows.").sentence() == (
        "Denial gap of Black against White (race): not known. Too few rows."
    )


@pytest.mark.parametrize("assessable", [True, False])
def test_a_text_of_exactly_the_least_length_is_taken(assessable):
    gaps = (gap(),) if assessable else ()
    text = "x" * SHORTEST_TEXT
    assert faults(section(assessable=assessable, gaps=gaps, text=text), "short") == ()
    assert len(faults(section(assessable=assessable, gaps=gaps, text=text[1:]), "short")) == 1
