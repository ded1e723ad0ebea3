"""The pages of alerts: groups with why, filters in the URL, what could not be read, and one alert (COR-1, COR-7)."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.unit.web.conftest import Make, Place
from tests.unit.web.loan_story import CONFIGURATION
from tocsin.engine import intake


@pytest.fixture
def place(make_place: Make) -> Place:
    """An installation that has heard three senders."""
    place = make_place(configuration=CONFIGURATION)
    send(place, alert("GapGrew", "critical", service="loan-approval"), alert("Slow", "info", job="ranker"))
    send(place, alert("Odd", "wobbly", job="scorer"))
    hear(place, b'{"not": "a list"}', "old-sender")
    return place


def alert(name: str, severity: str, **labels: str) -> dict[str, Any]:
    """Return an alert as Alertmanager sends it."""
    return {
        "labels": {"alertname": name, "severity": severity, **labels},
        "annotations": {"summary": f"{name} is what happened."},
    }


def send(place: Place, *alerts: dict[str, Any]) -> None:
    """Let Prometheus send alerts."""
    hear(place, json.dumps(alerts).encode(), "prometheus")


def hear(place: Place, body: bytes, integration: str) -> None:
    """Accept a body and derive what follows from it."""
    place.world.store.run(
        intake.accept(place.world, format="alertmanager", integration=integration, body=body)
    )
    place.program.runner.settle()


def test_groups_say_why_they_are_groups_and_what_they_led_to(place: Place) -> None:
    html = place.signed_in().get("/alerts").text
    assert "come together in this group" in html
    assert "GapGrew is what happened." in html
    assert re.search(r"led to <b>INC-\d+</b>", html)
    assert html.count('class="card group firing"') == 3


@pytest.mark.parametrize(
    ("query", "shown", "hidden"),
    [
        ("severity=0", "GapGrew", "Slow"),
        ("severity=unknown", "Odd", "GapGrew"),
        ("system=loan-approval", "GapGrew", "Odd"),
        ("q=slow", "Slow", "GapGrew"),
        ("status=firing", "Slow", "nothing-hidden"),
    ],
)
def test_a_filter_in_the_url_leaves_only_what_fits(place: Place, query: str, shown: str, hidden: str) -> None:
    html = place.signed_in().get(f"/alerts?{query}").text
    assert f"{shown} is what happened." in html
    assert f"{hidden} is what happened." not in html
    assert 'href="/alerts">Clear' in html


def test_filters_that_nothing_fits_offer_everything(place: Place) -> None:
    assert "No alert fits these filters." in place.signed_in().get("/alerts?status=ended").text


def test_what_could_not_be_read_is_shown_with_its_reason(place: Place) -> None:
    html = place.signed_in().get("/alerts").text
    assert "Could not be read" in html
    assert "old-sender" in html
    assert "not an array" in html


def test_the_first_run_says_how_alerts_come_here(make_place: Make) -> None:
    html = make_place(configuration="").signed_in().get("/alerts").text
    assert "No alert yet." in html
    assert "/api/v2/alerts" in html


def page_of(place: Place, name: str) -> str:
    """Return the page of the alert called `name`."""
    browser = place.signed_in()
    found = re.search(rf'href="(/alerts/[^"]+)"><b>{name} is', browser.get("/alerts").text)
    assert found
    return str(browser.get(found[1]).text)


def test_one_alert_says_why_it_has_its_severity_and_where_it_goes(place: Place) -> None:
    html = page_of(place, "GapGrew")
    assert "Its sender says &#39;critical&#39;" in html
    assert "reads as P0." in html
    assert "It declares an incident" in html
    assert "GapGrew is what happened." in html
    assert "<dt>alertname</dt><dd>GapGrew</dd>" in html


def test_a_word_that_no_mapping_knows_is_told_as_unknown(place: Place) -> None:
    assert "no mapping reads that word. Unknown is paged as P1" in page_of(place, "Odd")


def test_a_low_alert_waits_for_its_review(place: Place) -> None:
    assert "It waits for the weekly review of the owning team." in page_of(place, "Slow")


def test_an_unknown_alert_is_a_page_that_says_so(place: Place) -> None:
    assert place.signed_in().get("/alerts/none").status_code == 404
