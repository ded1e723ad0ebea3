"""The page of a playbook run: the present question alone, its evidence, and its forms (RSP-2, RSP-5)."""

from __future__ import annotations

import json
import re

import pytest
from sqlalchemy import insert

from tests.unit.web.conftest import Make, send
from tests.unit.web.loan_story import CONFIGURATION, Story, tell
from tocsin.store import tables


@pytest.fixture
def story(make_place: Make) -> Story:
    """The loan system; its probe cannot tell whether a new version went live."""
    story = tell(make_place(configuration=CONFIGURATION))
    story.probe.answers["deployed"] = "unknown"
    return story


def answers(html: str) -> list[str]:
    """Return the values of the buttons that answer."""
    return re.findall(r'name="answer" value="([^"]+)"', html)


def test_it_shows_the_present_question_alone_and_dont_know_is_always_there(story: Story) -> None:
    id, _ = story.run(story.incident())
    html = story.place.signed_in().get(f"/runs/{id}").text
    assert re.findall(r'<h1 class="question big">(.*?)</h1>', html) == ["Did a new version go live?"]
    assert answers(html) == ["yes", "no", "unknown"]
    assert "Don&#39;t know" in html


def test_a_probe_that_cannot_tell_says_so_with_its_figures(story: Story) -> None:
    id, _ = story.run(story.incident())
    html = story.place.signed_in().get(f"/runs/{id}").text
    assert "Measured: cannot tell." in html
    assert "Asked about deployed." in html
    assert "1.25 points" in html


def test_the_monitors_of_the_question_are_before_ones_eyes_with_a_line(story: Story) -> None:
    number = story.incident()
    story.read("1", "2", "36.5", state="breach")
    html = story.place.signed_in().get(f"/runs/{story.run(number)[0]}").text
    assert "The gap grew by 36.5 points." in html
    assert "3 readings from" in html
    assert "threshold 10 points" in html


def test_what_was_deployed_when_stands_beside_the_question(story: Story) -> None:
    number = story.incident()
    row = {"system": "loan-approval", "version": "version-seven", "seen_at": story.place.clock.now()}
    document = json.dumps({"replaced": "6"}).encode()
    story.place.world.store.run(
        lambda tx: tx.connection.execute(insert(tables.deployment).values(**row, document=document)) and None
    )
    html = story.place.signed_in().get(f"/runs/{story.run(number)[0]}").text
    assert "version-seven" in html
    assert "replaced</span> 6" in html


def test_an_answer_is_taken_and_leads_to_the_recommended_action(story: Story) -> None:
    number = story.incident()
    id, _ = story.run(number)
    browser = story.place.signed_in()
    gone = send(
        browser, f"/runs/{id}/answers", seen_on=f"/runs/{id}", step="deployed", answer="unknown", visit="1"
    )
    assert (gone.status_code, gone.headers["location"]) == (303, f"/runs/{id}")
    assert story.run(number)[1].step == "decide"
    html = browser.get(f"/runs/{id}").text
    assert f'href="/incidents/{number}/containment?action=rollback"' in html
    assert "The gap is the model&#39;s." in html


def test_a_late_answer_is_refused_on_the_page_and_its_note_is_not_lost(story: Story) -> None:
    number = story.incident()
    id, _ = story.run(number)
    browser = story.place.signed_in()
    refused = send(
        browser,
        f"/runs/{id}/answers",
        seen_on=f"/runs/{id}",
        step="decide",
        answer="done",
        note="I saw it myself",
    )
    assert refused.status_code == 409
    assert "is not at that step" in refused.text
    assert "I saw it myself" in refused.text
    assert story.run(number)[1].step == "deployed"


def test_a_decision_says_whose_it_is_to_somebody_without_the_role(story: Story) -> None:
    number = story.incident()
    id, _ = story.run(number)
    send(story.place.signed_in(), f"/runs/{id}/answers", seen_on=f"/runs/{id}", step="deployed", answer="yes")
    theirs = story.place.signed_in("responder").get(f"/runs/{id}").text
    assert "The commander of this incident decides this. Ada Reyes holds it." in theirs
    assert "disabled" in theirs
    assert "disabled" not in story.place.signed_in("lead").get(f"/runs/{id}").text


def test_a_task_is_done_with_one_button_and_the_end_names_what_comes_next(story: Story) -> None:
    number = story.incident()
    id, _ = story.run(number)
    browser = story.place.signed_in()
    for step, answer in (("deployed", "no"),):
        send(browser, f"/runs/{id}/answers", seen_on=f"/runs/{id}", step=step, answer=answer)
    assert "List the decisions concerned." in browser.get(f"/runs/{id}").text
    send(browser, f"/runs/{id}/tasks", seen_on=f"/runs/{id}", step="repair", note="All 12 are listed.")
    html = browser.get(f"/runs/{id}").text
    assert "Nobody is harmed any more." in html
    assert "Go on in the console" in html
    assert "All 12 are listed." in html


def test_going_back_needs_a_reason_and_keeps_what_no_longer_stands(story: Story) -> None:
    number = story.incident()
    id, _ = story.run(number)
    browser = story.place.signed_in()
    send(browser, f"/runs/{id}/answers", seen_on=f"/runs/{id}", step="deployed", answer="yes")
    refused = send(browser, f"/runs/{id}/revisit", seen_on=f"/runs/{id}", step="deployed", reason="")
    assert refused.status_code == 409
    send(
        browser,
        f"/runs/{id}/revisit",
        seen_on=f"/runs/{id}",
        step="deployed",
        reason="The registry was wrong.",
    )
    assert story.run(number)[1].step == "deployed"
    assert "(no longer stands)" in browser.get(f"/runs/{id}").text


def test_a_run_can_be_given_up(story: Story) -> None:
    number = story.incident()
    id, _ = story.run(number)
    browser = story.place.signed_in()
    send(browser, f"/runs/{id}/abandon", seen_on=f"/runs/{id}", reason="It is another incident.")
    assert story.run(number)[1].status == "abandoned"
    assert "It is another incident." in browser.get(f"/runs/{id}").text


def test_a_viewer_is_told_why_they_cannot_answer(story: Story) -> None:
    id, _ = story.run(story.incident())
    html = story.place.signed_in("viewer").get(f"/runs/{id}").text
    assert "Your account&#39;s role &#39;viewer&#39; may look, and not answer." in html


def test_the_live_fragment_is_the_page_without_its_frame(story: Story) -> None:
    id, _ = story.run(story.incident())
    browser = story.place.signed_in()
    part = browser.get(f"/runs/{id}?part=1").text
    assert "<html" not in part
    assert part.strip() in browser.get(f"/runs/{id}").text


def test_an_unknown_run_is_a_page_that_says_so(story: Story) -> None:
    answer = story.place.signed_in().get("/runs/nothing")
    assert (answer.status_code, "There is no such playbook run." in answer.text) == (404, True)
