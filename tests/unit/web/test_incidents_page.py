"""The list of incidents: every filter is in the address, and what does not fit is said (PLT-4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.web.conftest import Place, build


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Four incidents: one of each kind that the filters tell apart."""
    place = build(Path(tmp_path_factory.mktemp("list")))
    place.declare("Denials by group", severity=0)
    place.declare("100% of answers are late", severity=2, system=None, category=None)
    place.declare("Nobody knows yet", system=None, category=None)
    place.declare("Denials in_one branch", severity=3, system=None, category=None)
    place.client(**place.bearer("lead")).post("/api/v1/incidents/4/resolve", json={"text": "It was a test."})
    place.program.runner.settle()
    yield place
    place.program.stop()


def listed(place: Place, query: str) -> list[int]:
    """Return the numbers that the list shows."""
    html = place.signed_in("viewer").get(f"/incidents{query}").text
    return [int(number) for number in re.findall(r'<li data-row id="incident-(\d+)"', html)]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [4, 3, 2, 1]),
        ("?status=open", [3, 2, 1]),
        ("?status=reviewing", [4]),
        ("?status=closed", []),
        ("?severity=0", [1]),
        ("?severity=P2", [2]),
        ("?severity=unknown", [3]),
        ("?system=loan-approval", [1]),
        ("?q=denials", [4, 1]),
        ("?q=INC-3", [3]),
        ("?q=inc-3", [3]),
        ("?q=3", [3]),
        ("?q=100%25", [2]),
        ("?q=%25", [2]),
        ("?q=in_one", [4]),
        ("?q=_", [4]),
        ("?q=999999999999", []),
        ("?q=denials&status=open", [1]),
        ("?status=open&severity=&system=&q=", [3, 2, 1]),
    ],
)
def test_a_filter_in_the_address_shows_what_fits(several: Place, query: str, numbers: list[int]) -> None:
    assert listed(several, query) == numbers


def test_the_form_shows_the_filters_that_hold(several: Place) -> None:
    html = several.signed_in("viewer").get("/incidents?status=open&severity=2&q=late").text
    assert '<option value="open" selected>' in html
    assert '<option value="2" selected>' in html
    assert 'name="q" value="late"' in html
    assert '<a class="btn" href="/incidents">Clear</a>' in html


def test_when_nothing_fits_the_way_back_is_offered(several: Place) -> None:
    html = several.signed_in("viewer").get("/incidents?q=nothing-like-it").text
    assert "No incident fits these filters." in html
    assert "Show all" in html


def test_a_severity_that_does_not_exist_is_said_and_left_out(several: Place) -> None:
    answer = several.signed_in("viewer").get("/incidents?severity=P9")
    assert answer.status_code == 422
    assert "is not a severity" in answer.text
    assert len(re.findall("<li data-row", answer.text)) == 4
