"""The page of a review: the record filled in, people's parts saved one by one, refusals that lose nothing (REV-1..4)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.web.conftest import Make, send
from tests.unit.web.loan_story import CONFIGURATION, Story, tell
from tocsin.reviews.fairness_review import GroupGap
from tocsin.web.pages.review import chart, points

SENTENCE = "The rebuilt table was joined by position, and nobody looked."


@pytest.fixture
def story(make_place: Make) -> Story:
    """The loan system."""
    return tell(make_place(configuration=CONFIGURATION))


@pytest.fixture
def number(story: Story) -> int:
    """A resolved incident of rank 0 with an open review."""
    story.read("1", "36.5", state="breach")
    number = story.incident()
    story.resolve(number)
    return number


def post(story: Story, number: int, form: str, /, **fields: str) -> Any:
    """Send a form of the review's page."""
    path = f"/incidents/{number}/review"
    return send(story.place.signed_in(), f"{path}/{form}", seen_on=path, **fields)


def shown(story: Story, number: int) -> str:
    """Return the page as a lead sees it."""
    return str(story.place.signed_in().get(f"/incidents/{number}/review").text)


def test_before_it_opens_the_page_says_when_it_will_and_can_open_it(story: Story) -> None:
    number = story.incident()
    assert "This incident has no review yet." in shown(story, number)
    assert post(story, number, "refresh").status_code == 303
    assert story.review(number).status == "open"


def test_it_shows_figures_with_definitions_gaps_and_what_is_missing(story: Story, number: int) -> None:
    html = shown(story, number)
    assert "From start of harm to detection." in html
    assert "36.5 points" in html
    assert "Denials by group: before 18.3 points, during 36.5 points" in html
    assert "Still missing" in html
    assert "No contributing factor is named." in html
    assert 'disabled aria-describedby="no-close"' in html


def test_an_answer_is_saved_and_one_beside_it_is_not_lost(story: Story, number: int) -> None:
    first, second = (one.id for one in story.review(number).questions[:2])
    fields = {f"answer.{first}": SENTENCE, f"answer.{second}": SENTENCE + " Twice."}
    gone = post(story, number, "answers", question=first, **fields)
    assert gone.headers["location"].endswith(f"#q-{first}")
    assert story.review(number).answers == {first: SENTENCE, second: SENTENCE + " Twice."}


def test_an_answer_that_says_too_little_is_refused_and_stays_in_its_field(story: Story, number: int) -> None:
    first, second = (one.id for one in story.review(number).questions[:2])
    refused = post(
        story, number, "answers", question=first, **{f"answer.{first}": "short", f"answer.{second}": SENTENCE}
    )
    assert refused.status_code == 409
    assert ">short</textarea>" in refused.text
    assert story.review(number).answers == {second: SENTENCE}


def test_a_factor_is_named_and_a_wrong_part_is_refused(story: Story, number: int) -> None:
    assert post(story, number, "factors", part="training", kind="data", text=SENTENCE).status_code == 303
    assert story.review(number).factors[0].text == SENTENCE
    assert post(story, number, "factors", part="luck", kind="data", text=SENTENCE).status_code == 422


def test_the_fairness_form_is_filled_from_the_record_and_saved(story: Story, number: int) -> None:
    html = shown(story, number)
    assert 'name="gap-0-before" inputmode="decimal" value="0.183"' in html
    gap = {"attribute": "group", "group": "minority", "reference": "others", "measure": "Denials by group",
           "before": "0.183", "during": "0.365", "after": "", "note": "No reading after it."}  # fmt: skip
    fields = {f"gap-0-{name}": value for name, value in gap.items()}
    refused = post(story, number, "fairness", form="fairness", assessable="yes", text=SENTENCE, **fields)
    assert refused.status_code == 409
    assert SENTENCE in refused.text
    saved = post(story, number, "fairness", assessable="yes", text=SENTENCE, redress="Decided again.",
                 safety="Nobody's health was at risk.", **fields)  # fmt: skip
    assert saved.status_code == 303
    written = story.review(number).fairness
    assert written is not None
    assert (written.gaps[0].during, written.gaps[0].after) == (Decimal("0.365"), None)


def test_a_gap_that_is_no_number_is_refused(story: Story, number: int) -> None:
    refused = post(story, number, "fairness", form="fairness", assessable="yes", text=SENTENCE,
                   **{"gap-0-group": "minority", "gap-0-during": "wide"})  # fmt: skip
    assert refused.status_code == 422
    assert 'value="wide"' in refused.text


ITEM = {
    "form": "item",
    "text": "Add a check of denial rates by group to the promotion of loan-approval",
    "measure": "The promotion test fails when the gap is above 0.35",
    "owner": "bo",
    "due": "2026-03-01",
    "priority": "high",
    "remedy": "code_and_test",
}


def test_a_vague_action_item_is_refused_with_the_reason_and_kept(story: Story, number: int) -> None:
    refused = post(story, number, "items", **{**ITEM, "text": "Improve monitoring"})
    assert refused.status_code == 409
    assert "is too vague" in refused.text
    assert ">Improve monitoring</textarea>" in refused.text
    assert 'value="bo" selected' in refused.text
    assert story.review(number).items == ()


def test_an_action_item_is_added_and_later_shown_to_work(story: Story, number: int) -> None:
    assert post(story, number, "items", **ITEM).status_code == 303
    item = story.review(number).items[0]
    assert "Bo Lind" in shown(story, number)
    assert post(story, number, "proofs", item=item.id, proof="done").status_code == 409
    assert (
        post(story, number, "proofs", item=item.id, proof="The promotion test passed 14 times.").status_code
        == 303
    )
    assert story.review(number).items[0].completed


def test_a_due_date_that_is_none_is_refused(story: Story, number: int) -> None:
    assert post(story, number, "items", **{**ITEM, "due": "soon"}).status_code == 422


def test_it_finishes_when_nothing_is_missing_and_only_then_the_incident_closes(
    story: Story, number: int
) -> None:
    assert post(story, number, "finish").status_code == 409
    assert post(story, number, "close").status_code == 409
    _complete(story, number)
    assert "Everything is there." in shown(story, number)
    assert post(story, number, "finish", playbook_change="none", follow_up="2026-04-01").status_code == 303
    assert "Ada Reyes finished it." in shown(story, number)
    assert post(story, number, "close").status_code == 303
    assert story.status(number) == "closed"


def _complete(story: Story, number: int) -> None:
    questions = story.review(number).questions
    answers = {f"answer.{one.id}": SENTENCE for one in questions}
    post(story, number, "answers", question=questions[0].id, **answers)
    post(story, number, "factors", part="training", kind="data", text=SENTENCE)
    post(story, number, "fairness", assessable="no", text=SENTENCE)
    post(story, number, "no-action", reason="The promotion test that was added already covers it.")


def test_a_finished_review_is_taken_up_again_with_a_reason(story: Story, number: int) -> None:
    _complete(story, number)
    post(story, number, "finish")
    assert post(story, number, "reopen", reason="").status_code == 409
    assert post(story, number, "reopen", reason="A second cause came to light.").status_code == 303
    assert story.review(number).status == "open"


def test_a_viewer_reads_it_and_finds_no_form_to_write(story: Story, number: int) -> None:
    html = story.place.signed_in("viewer").get(f"/incidents/{number}/review").text
    assert "Not answered." in html
    assert "<textarea" not in html


# --- the chart ------------------------------------------------------------------------------------


def gap(before: str | None, during: str | None, after: str | None) -> GroupGap:
    """Return a gap of shares."""
    figures = [Decimal(one) if one else None for one in (before, during, after)]
    return GroupGap(attribute="g", group="a", reference="b", measure="Denials",
                    before=figures[0], during=figures[1], after=figures[2])  # fmt: skip


def test_the_tallest_bar_is_the_widest_gap_and_each_has_its_figure() -> None:
    drawn = chart(gap("0.1", "0.4", "0.2"))
    heights = [bar.height for bar in drawn.bars]
    assert heights[1] == max(heights) > heights[2] > heights[0] > 0
    assert drawn.label == "Denials: before 10 points, during 40 points, after 20 points"


def test_a_figure_that_nobody_knows_is_drawn_as_absent() -> None:
    drawn = chart(gap(None, "0.4", None))
    assert [bar.known for bar in drawn.bars] == [False, True, False]
    assert "before not known" in drawn.label


def test_a_gap_that_is_no_share_keeps_its_own_unit() -> None:
    assert points(Decimal("12.5")) == "12.5"
    assert points(Decimal("-0.125")) == "-12.5 points"
