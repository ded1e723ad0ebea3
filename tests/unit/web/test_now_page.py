"""The first page: what waits for the reader, what is open, what falls due, who is on call; and a first run (PLT-4)."""

from __future__ import annotations

import datetime as dt
import re

import pytest

from tests.unit.web.conftest import Make, Place, send
from tests.unit.web.loan_story import CONFIGURATION, tell

EMPTY = {
    "/": ("No incident yet", "make demo", "tocsin plan DIR", "/api/v2/alerts", "Nothing is due."),
    "/incidents": ("No incident yet.", "/declare"),
    "/alerts": ("/declare",),
}


@pytest.mark.parametrize("path", EMPTY)
def test_an_empty_installation_says_what_will_appear_and_what_to_do(make_place: Make, path: str) -> None:
    html = make_place(configuration="").signed_in("administrator").get(path).text
    for said in EMPTY[path]:
        assert said in html


def test_a_first_run_is_empty_and_holds_no_invented_incident(make_place: Make) -> None:
    place = make_place(configuration="")
    told = place.client(**place.bearer("viewer")).get("/api/v1/incidents").json()
    assert told == {"incidents": []}


def test_a_page_to_the_reader_comes_first_with_its_one_button(place: Place) -> None:
    number = place.declare()
    html = place.signed_in("lead").get("/").text
    assert "You are paged · INC-1" in html
    assert f'action="/incidents/{number}/acknowledge"' in html
    assert re.search(r'Answer within <b data-due="[^"]+"[^>]*>5 min 0 s</b>', html)
    assert html.index("You are paged") < html.index("Active incidents")


def test_a_page_to_somebody_else_is_not_the_readers(place: Place) -> None:
    number = place.declare()
    html = place.signed_in("responder").get("/").text
    assert "You are paged" not in html
    assert f'action="/incidents/{number}/acknowledge"' not in html
    assert "1 open, no page for you" in html


def test_acknowledging_takes_the_page_away_and_gives_the_command(place: Place) -> None:
    number = place.declare()
    browser = place.signed_in("lead")
    assert send(browser, f"/incidents/{number}/acknowledge").headers["location"] == f"/incidents/{number}"
    place.program.runner.settle()
    html = browser.get("/").text
    assert "You are paged" not in html
    assert "Ada Reyes commands" in html


def test_nobody_in_command_is_said(place: Place) -> None:
    place.declare()
    assert "nobody commands" in place.signed_in("viewer").get("/").text


def test_the_worst_incident_is_listed_first_and_unknown_stands_with_rank_one(place: Place) -> None:
    for title, rank in (("Third", 3), ("First", 0), ("Unknown", None), ("Second", 2)):
        place.declare(title, severity=rank, system=None, category=None)
    html = place.signed_in("viewer").get("/").text
    active = html[html.index("Active incidents") :]
    places = [active.index(f"</b> {title}</a>") for title in ("First", "Unknown", "Second", "Third")]
    assert places == sorted(places)


def test_what_falls_due_is_listed_soonest_first_and_late_is_late(place: Place) -> None:
    number = place.declare(facts={"protected_group_harmed": True})
    due = place.signed_in("viewer").get("/").text
    assert re.search(rf'INC-{number}</a> respond by</dt><dd data-due="[^"]+"[^>]*>15 min</dd>', due)
    place.clock.set(place.clock.now() + dt.timedelta(minutes=20))
    late = place.signed_in("viewer").get("/").text
    assert re.search(r'<div class="late"><dt>.*?respond by</dt><dd [^>]*>5 min 0 s late</dd>', late)


def test_work_that_waits_for_a_person_is_listed_with_where_it_is_done(make_place: Make) -> None:
    story = tell(make_place(configuration=CONFIGURATION))
    story.probe.answers["deployed"] = "unknown"
    number = story.incident()
    story.ask(number, "two-person")
    html = story.place.signed_in("responder").get("/").text
    run, _ = story.run(number)
    assert (
        f'<a href="/incidents/{number}/containment"><b>Decide on containment: Switch the service off' in html
    )
    assert f'<a href="/runs/{run}"><b>Answer the playbook: A group is denied more often' in html


def test_whoever_may_only_look_is_offered_nothing_to_press(place: Place) -> None:
    place.declare()
    html = place.signed_in("viewer").get("/").text
    assert "/declare" not in html
    assert re.findall(r'<form method="post" action="([^"]+)"', html) == ["/sign-out"]


def test_times_are_shown_in_the_zone_of_the_installation(make_place: Make) -> None:
    zone = "---\nkind: installation\nid: installation\ntime_zone: Asia/Kolkata\n"
    place = make_place(configuration=CONFIGURATION + zone)
    number = place.declare()
    html = place.signed_in("viewer").get(f"/incidents/{number}").text
    assert "2026-01-05 14:30 IST" in html  # nine o'clock in UTC
    assert ">14:30:00</time>" in html
    assert "times in Asia/Kolkata" in html


def test_the_old_address_leads_to_the_first_page(place: Place) -> None:
    assert place.signed_in().get("/now").headers["location"] == "/"


def test_a_drill_is_marked_on_every_page(make_place: Make) -> None:
    place = make_place(drill=True)
    place.declare()
    browser = place.signed_in()
    for path in ("/", "/incidents", "/incidents/1", "/declare", "/alerts", "/sign-in"):
        assert "DRILL. Nothing here is a real incident." in browser.get(path).text, path
