"""The page of containment: preview, request, approval, and each action on its way to verified (CON-1..5)."""

from __future__ import annotations

import re

import pytest

from tests.unit.web.conftest import Make, send
from tests.unit.web.loan_story import CONFIGURATION, Story, tell


@pytest.fixture
def story(make_place: Make) -> Story:
    """The loan system."""
    return tell(make_place(configuration=CONFIGURATION))


def steps(html: str) -> list[str]:
    """Return the states of the steppers' stages."""
    return re.findall(r'<li class="g-(\w+)"', html)


def test_a_preview_shows_what_changes_and_whom_it_touches_and_changes_nothing(story: Story) -> None:
    number = story.incident()
    html = story.place.signed_in().get(f"/incidents/{number}/containment?action=rollback").text
    assert "version 7" in html
    assert "<b>version 6</b>" in html
    assert "<dd>2,000</dd>" in html
    assert "Needs the incident commander" in html
    assert "state.json" in html
    assert story.registry.models["loan"].alias == "7"


def test_the_recommended_action_is_looked_at_first(story: Story) -> None:
    number = story.incident()
    html = story.place.signed_in().get(f"/incidents/{number}/containment").text
    assert "Recommended by the playbook." in html
    assert "Preview: Go back one version" in html


def test_a_preview_that_cannot_be_made_says_why_and_the_page_stays(story: Story) -> None:
    number = story.incident()
    story.registry.models["loan"].replaced.clear()
    answer = story.place.signed_in().get(f"/incidents/{number}/containment?action=rollback")
    assert answer.status_code == 200
    assert "The preview could not be made." in answer.text
    assert "does not say which version it replaced" in answer.text


def test_a_request_without_a_reason_is_refused_on_the_page(story: Story) -> None:
    number = story.incident()
    path = f"/incidents/{number}/containment"
    refused = send(story.place.signed_in(), path, seen_on=path, action="rollback", reason=" ")
    assert refused.status_code == 409
    assert "A containment action has a reason." in refused.text
    assert "Preview: Go back one version" in refused.text


def test_it_is_requested_approved_sealed_done_and_verified_on_one_page(story: Story) -> None:
    number = story.incident()
    path = f"/incidents/{number}/containment"
    browser = story.place.signed_in()
    asked = send(browser, path, seen_on=path, action="rollback", reason="People are harmed.")
    assert (asked.status_code, asked.headers["location"]) == (303, path)
    html = browser.get(path).text
    assert steps(html) == ["done", "now", "ahead", "ahead", "ahead"]
    approve = re.search(rf'action="({path}/[^"]+/approve)"', html)
    assert approve
    expected = re.search(r'name="expected" value="(\d+)"', html)
    assert expected
    assert send(browser, approve[1], seen_on=path, expected=expected[1]).status_code == 303
    story.settle()
    html = browser.get(path).text
    assert steps(html) == ["done"] * 5
    assert 'href="/evidence/' in html
    assert "Is the gap back within its tolerance?" in html
    assert "1.25 points" in html
    assert story.registry.models["loan"].alias == "6"
    assert story.status(number) == "contained"


def test_who_may_not_approve_reads_why(story: Story) -> None:
    number = story.incident()
    story.ask(number)
    path = f"/incidents/{number}/containment"
    assert "has no role on this incident" in story.place.signed_in("responder").get(path).text
    assert "may look, and not approve" in story.place.signed_in("viewer").get(path).text
    mine = story.place.signed_in("lead").get(path).text
    assert "Approve this change</button>" in mine
    assert "disabled" not in mine


def test_an_approval_of_what_has_changed_since_is_refused(story: Story) -> None:
    number = story.incident()
    id = story.ask(number)
    path = f"/incidents/{number}/containment"
    stale = send(story.place.signed_in(), f"{path}/{id}/approve", seen_on=path, expected="7")
    assert stale.status_code >= 400
    assert story.action(id).status == "requested"


def test_declining_takes_a_reason_which_is_kept_while_it_is_refused(story: Story) -> None:
    number = story.incident()
    id = story.ask(number)
    path = f"/incidents/{number}/containment"
    browser = story.place.signed_in()
    assert send(browser, f"{path}/{id}/decline", seen_on=path, reason="", form="decline").status_code == 409
    assert (
        send(browser, f"{path}/{id}/decline", seen_on=path, reason="The old one is worse.").status_code == 303
    )
    html = browser.get(path).text
    assert steps(html) == ["done", "failed", "ahead", "ahead", "ahead"]
    assert "Ada Reyes declined it." in html


def test_an_emergency_acts_before_the_snapshot_and_the_page_says_so(story: Story) -> None:
    number = story.incident()
    id = story.ask(number)
    path = f"/incidents/{number}/containment"
    browser = story.place.signed_in()
    send(browser, f"{path}/{id}/approve", seen_on=path)
    assert "Emergency: act before the snapshot" in browser.get(path).text
    send(browser, f"{path}/{id}/override", seen_on=path, reason="People are hurt every minute.")
    html = browser.get(path).text
    assert "Ada Reyes overrode the order." in html
    assert steps(html) == ["done", "done", "skipped", "now", "ahead"]


def test_an_action_in_effect_is_undone_with_a_reason(story: Story) -> None:
    number = story.incident()
    id = story.ask(number)
    path = f"/incidents/{number}/containment"
    browser = story.place.signed_in()
    send(browser, f"{path}/{id}/approve", seen_on=path)
    story.settle()
    refused = send(
        story.place.signed_in("responder"), f"{path}/{id}/revert", seen_on=path, reason="I do not like it."
    )
    assert refused.status_code == 409
    assert "Undoing it takes the incident commander." in refused.text
    story.settle()
    assert story.registry.models["loan"].alias == "6"
    send(browser, f"{path}/{id}/revert", seen_on=path, reason="Version 6 is worse.")
    html = browser.get(path).text
    assert "It is being undone: Version 6 is worse." in html
    assert "Undo it</button>" not in html
    story.settle()
    assert story.registry.models["loan"].alias == "7"
    assert "Ada Reyes undid it." in browser.get(path).text


def test_an_action_of_another_incident_is_not_found_here(story: Story) -> None:
    first, second = story.incident(), story.incident(title="Another trouble")
    id = story.ask(first)
    path = f"/incidents/{second}/containment"
    refused = send(story.place.signed_in(), f"{path}/{id}/decline", seen_on=path, reason="No.")
    assert refused.status_code == 404
    assert story.action(id).status == "requested"


def test_what_cannot_be_undone_offers_no_undo(story: Story) -> None:
    number = story.incident()
    html = story.place.signed_in().get(f"/incidents/{number}/containment?action=two-person").text
    assert '<span class="gap">no</span>' in html
    assert "2 different people" in html


def test_without_a_system_or_an_action_it_says_what_to_do(story: Story) -> None:
    number = story.place.declare(system=None)
    html = story.place.signed_in().get(f"/incidents/{number}/containment").text
    assert "The incident names no system" in html


def test_the_live_fragment_leaves_the_outside_alone(story: Story) -> None:
    number = story.incident()
    story.ask(number)
    story.registry.models.clear()
    part = story.place.signed_in().get(f"/incidents/{number}/containment?part=1").text
    assert "<html" not in part
    assert steps(part) == ["done", "now", "ahead", "ahead", "ahead"]
