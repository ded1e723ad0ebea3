"""The console: who commands, what is next, what happened, and the forms that change it (RSP-7, RSP-9, TEAM-4)."""

from __future__ import annotations

import datetime as dt
import html as markup
import re

import pytest

from tests.unit.web.conftest import Make, Place, csrf_of, send
from tests.unit.web.loan_story import CONFIGURATION, Story, tell


@pytest.fixture
def story(make_place: Make) -> Story:
    """The loan system, whose probe cannot tell whether a new version went live."""
    story = tell(make_place(configuration=CONFIGURATION))
    story.probe.answers["deployed"] = "unknown"
    return story


def console(place: Place, number: int, role: str = "lead", query: str = "") -> str:
    """Return the console as text with its entities read."""
    return markup.unescape(place.signed_in(role).get(f"/incidents/{number}{query}").text)  # type: ignore[arg-type]


def next_of(html: str) -> tuple[str, str]:
    """Return (why, what) of the next action."""
    found = re.search(
        r'<section class="next-action".*?<b>(.*?)</b></p>.*?<(?:a|button) class="btn primary tall"[^>]*>([^<]*)',
        html,
        re.S,
    )
    assert found
    return found[1], found[2].strip()


def forms_of(html: str) -> set[str]:
    """Return what the forms of a console post to, below the incident."""
    addresses = re.findall(r'(?:form)?action="/incidents/\d+/([a-z]+)"', html)
    return set(addresses)


# --- what is next ---------------------------------------------------------------------------------


def test_whoever_is_paged_acknowledges_first(place: Place) -> None:
    number = place.declare()
    assert next_of(console(place, number)) == ("You are paged.", "Acknowledge")
    assert next_of(console(place, number, "responder"))[1] != "Acknowledge"


def test_a_question_of_the_playbook_is_named(story: Story) -> None:
    assert next_of(console(story.place, story.incident(), "responder")) == (
        "Did a new version go live?",
        "Answer",
    )


def test_a_recommendation_leads_to_its_preview(story: Story) -> None:
    story.probe.answers["deployed"] = "yes"
    why, what = next_of(console(story.place, story.incident(), "responder"))
    assert (why, what) == ("Go back.", "Preview the recommended containment")


def test_an_action_that_waits_for_approval_goes_before_the_playbook(story: Story) -> None:
    number = story.incident()
    story.ask(number, "two-person")
    assert next_of(console(story.place, number, "responder")) == (
        "'Switch the service off' waits for approval.",
        "Decide on containment",
    )


def test_once_contained_people_are_told_then_the_repair_is_named_then_it_is_resolved(place: Place) -> None:
    number = place.declare("The scorer is slow", severity=3, system=None, category=None)
    api = place.client(**place.bearer("administrator"))
    run = api.get(f"/api/v1/incidents/{number}/runs").json()["runs"][0]["id"]
    api.post(f"/api/v1/runs/{run}/abandon", json={"reason": "Known fault."})
    browser = place.signed_in("lead")
    send(browser, f"/incidents/{number}/command", seen_on=f"/incidents/{number}")
    send(browser, f"/incidents/{number}/acknowledge", seen_on=f"/incidents/{number}")
    place.program.runner.settle()
    assert next_of(console(place, number))[1] == "Preview containment"
    send(browser, f"/incidents/{number}/contained", text="Traffic goes to the old scorer.")
    assert next_of(console(place, number))[1] == "Send an update"
    blanks = {
        "status": "Contained",
        "actions": "Moved traffic.",
        "next_steps": "Repair.",
        "estimate": "12:00 UTC",
    }
    sent = send(browser, f"/incidents/{number}/updates", template="update-responders", **blanks)
    assert sent.status_code == 303, sent.text
    assert next_of(console(place, number))[1] == "Say what is repaired"
    send(browser, f"/incidents/{number}/monitoring", text="A new scorer is live; latency is watched.")
    assert next_of(console(place, number))[1] == "Resolve"
    send(browser, f"/incidents/{number}/resolve", text="Latency held for an hour.")
    place.program.runner.settle()
    assert next_of(console(place, number))[1] == "Write the review"


def test_whoever_may_only_look_sees_what_is_next_without_a_button(place: Place) -> None:
    html = console(place, place.declare(), "viewer")
    assert "Your role sees this and cannot do it." in html
    assert forms_of(html) == set()


# --- who ------------------------------------------------------------------------------------------


def test_the_header_says_who_commands_or_that_nobody_does(place: Place) -> None:
    number = place.declare()
    assert "<b>Nobody commands</b>" in console(place, number)
    refused = send(place.signed_in("responder"), f"/incidents/{number}/command")
    assert refused.status_code == 409
    assert "<b>Nobody commands</b>" in console(place, number)
    send(place.signed_in("administrator"), f"/incidents/{number}/command")
    assert "<b>Administrator</b> commands" in console(place, number)


def test_command_is_handed_over(place: Place) -> None:
    number = place.declare()
    answer = send(place.signed_in("lead"), f"/incidents/{number}/roles", role="commander", person="bo")
    assert answer.status_code == 303
    assert "<b>Bo Lind</b> commands" in console(place, number)


def test_somebody_who_is_no_person_of_the_catalog_is_called_by_the_name_of_their_account(
    place: Place,
) -> None:
    number = place.declare()
    send(place.signed_in("administrator"), f"/incidents/{number}/command")
    assert "<b>Administrator</b> commands" in console(place, number)


def test_one_line_a_person_however_often_they_were_called(place: Place) -> None:
    for address in ("ada@example.org", "https://chat.example.org/ada"):
        place.sender.failing[address] = "The server said no."
    number = place.declare()
    place.program.runner.run_until(place.clock.now() + dt.timedelta(seconds=250))
    paging = console(place, number).split('id="paging"')[1].split("</section>")[0]
    assert paging.count("Ada Reyes") == 1
    assert "paged, no answer yet" in paging
    assert re.search(r"mail failed <span class=\"muted\">after [2-9] attempts</span>", paging)
    assert paging.count("The server said no.") == 2  # once for each way
    place.program.runner.run_until(place.clock.now() + dt.timedelta(seconds=120))
    later = console(place, number).split('id="paging"')[1].split("</section>")[0]
    assert (later.count("Ada Reyes"), later.count("Bo Lind")) == (1, 1)
    assert "did not answer in time" in later


# --- the timeline ---------------------------------------------------------------------------------


def entries(html: str) -> list[str]:
    """Return the ids of the timeline's entries in their order."""
    return re.findall(r'id="entry-(\d+)"', html)


def test_the_timeline_is_oldest_first_and_turns_round_by_its_address(place: Place) -> None:
    number = place.declare()
    oldest, newest = entries(console(place, number)), entries(console(place, number, query="?order=newest"))
    assert oldest == sorted(oldest, key=int)
    assert newest == oldest[::-1]
    assert len(oldest) > 3


def test_the_timeline_is_filtered_by_its_address(place: Place) -> None:
    number = place.declare()
    every, paging = console(place, number), console(place, number, query="?sort=page")
    assert 0 < len(entries(paging)) < len(entries(every))
    assert set(re.findall(r'<li class="(\w+)" id="entry', paging)) == {"page"}
    assert "?order=newest&sort=page" in paging


def test_an_unknown_filter_shows_everything(place: Place) -> None:
    number = place.declare()
    assert entries(console(place, number, query="?sort=nonsense")) == entries(console(place, number))


def test_days_are_told_apart_once_there_are_several(place: Place) -> None:
    number = place.declare()
    assert 'class="day"' not in console(place, number)
    place.clock.set(place.clock.now() + dt.timedelta(days=1))
    send(place.signed_in("lead"), f"/incidents/{number}/notes", text="A day later.")
    found = re.findall(r'<li class="day"[^>]*>([^<]+)</li>', console(place, number))
    assert found == ["Monday 2026-01-05", "Tuesday 2026-01-06"]


def test_a_fact_and_its_criterion_are_said_once(place: Place) -> None:
    html = console(place, place.declare(facts={"protected_group_harmed": True}))
    why = html.split('id="why"')[1].split("</section>")[0]
    assert why.count("A protected group is systematically denied or harmed") == 1
    assert ": yes." not in why
    assert "<dd>yes</dd>" in html


# --- forms ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "fields", "said"),
    [
        ("notes", {"text": "We called the branch."}, "We called the branch."),
        ("findings", {"text": "The labels are wrong."}, "Finding: The labels are wrong."),
        ("hypotheses", {"text": "Version 7 is the cause."}, "Hypothesis: Version 7 is the cause."),
        ("decisions", {"text": "We go back."}, "Decision: We go back."),
        ("severity", {"severity": "P2", "reason": "Few people."}, "Severity P1 → P2"),
        (
            "category",
            {"category": "data_quality", "reason": "The feed is stale."},
            "Category bias → data_quality",
        ),
        (
            "facts",
            {"fact": "protected_group_harmed", "value": "Yes", "reason": "Measured."},
            "Facts recorded:",
        ),
        ("contained", {"text": "Switched off."}, "Contained"),
        ("monitoring", {"text": "Repaired."}, "Repair in place"),
        ("resolve", {"text": "Over."}, "Resolved"),
    ],
)
def test_a_form_is_taken_and_its_line_appears(
    place: Place, form: str, fields: dict[str, str], said: str
) -> None:
    number = place.declare(severity=1)
    answer = send(place.signed_in("lead"), f"/incidents/{number}/{form}", **fields)
    assert (answer.status_code, answer.headers.get("location")) == (303, f"/incidents/{number}"), answer.text
    assert said in console(place, number)


@pytest.mark.parametrize(
    ("form", "fields", "kept"),
    [
        ("severity", {"severity": "P2", "reason": " "}, 'id="severity" open'),
        (
            "severity",
            {"severity": "P9", "reason": "Because of it"},
            'name="reason" required value="Because of it"',
        ),
        (
            "facts",
            {"fact": "protected_group_harmed", "value": "perhaps", "reason": "A guess"},
            'value="perhaps"',
        ),
        ("resolve", {"text": ""}, 'id="resolve" open'),
        ("roles", {"role": "captain", "person": "bo"}, 'id="assign" open'),
        ("updates", {"template": "update-responders", "status": "Half of it"}, 'value="Half of it"'),
    ],
)
def test_a_refused_form_says_why_and_keeps_what_was_typed(
    place: Place, form: str, fields: dict[str, str], kept: str
) -> None:
    number = place.declare()
    before = len(entries(console(place, number)))
    answer = send(place.signed_in("lead"), f"/incidents/{number}/{form}", **fields)
    assert answer.status_code in (409, 422)
    assert '<div class="problem" role="alert"' in answer.text
    assert kept in answer.text
    assert len(entries(console(place, number))) == before


def test_text_typed_into_one_form_does_not_turn_up_in_another(place: Place) -> None:
    number = place.declare()
    answer = send(
        place.signed_in("lead"), f"/incidents/{number}/facts", fact="nonsense", value="1", reason="Only here"
    )
    assert answer.text.count("Only here") == 1


def test_a_closed_incident_takes_notes_and_nothing_else(place: Place) -> None:
    number = place.declare(severity=3)
    browser = place.signed_in("lead")
    send(browser, f"/incidents/{number}/resolve", text="Over.")
    place.program.runner.settle()
    assert send(browser, f"/incidents/{number}/close", reason="Nothing came of it.").status_code == 303
    html = console(place, number)
    assert forms_of(html) == {"notes", "export"}
    assert send(browser, f"/incidents/{number}/notes", text="An addition.").status_code == 303
    token = csrf_of(browser.get("/").text)
    again = browser.post(
        f"/incidents/{number}/severity", data={"csrf": token, "severity": "P0", "reason": "Late."}
    )
    assert again.status_code == 409


def test_updates_are_offered_in_the_order_of_use(place: Place) -> None:
    number = place.declare()
    html = console(place, number)
    folds = re.findall(r'<details id="update-([a-z-]+)"( open)?>', html)
    assert folds[0] == ("update-responders", " open")
    assert folds[1] == ("update-executives", "")
    assert [name for name, open in folds if open] == ["update-responders"]
    assert 'name="status" required value="Triage"' in html
    send(place.signed_in("lead"), f"/incidents/{number}/resolve", text="Over.")
    after = re.findall(r'<details id="update-([a-z-]+)"( open)?>', console(place, number))
    assert after[0] == ("resolved-responders", " open")


def test_the_record_is_given_out_as_a_zip(place: Place) -> None:
    number = place.declare()
    answer = send(place.signed_in("lead"), f"/incidents/{number}/export")
    assert answer.headers["content-type"] == "application/zip"
    assert answer.content.startswith(b"PK")
