"""The page to declare: a title is enough, a preview changes nothing, a refusal loses nothing (CLS-3, CLS-4)."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from tests.unit.web.conftest import Make, Place, send
from tests.unit.web.loan_story import CONFIGURATION
from tocsin.incidents.incident import INCIDENT, Incident
from tocsin.store import tables


@pytest.fixture
def place(make_place: Make) -> Place:
    """An installation with the loan system."""
    return make_place(configuration=CONFIGURATION)


def incidents(place: Place) -> list[Incident]:
    """Return every incident, oldest first."""
    query = select(tables.incident.c.id).order_by(tables.incident.c.number)
    ids = place.world.store.read(lambda connection: connection.execute(query).scalars().all())
    return [place.world.store.state(INCIDENT, id) for id in ids]


def test_a_title_is_enough_and_leads_to_the_console(place: Place) -> None:
    gone = send(
        place.signed_in("responder"), "/declare", seen_on="/declare", title="Something is odd", do="declare"
    )
    assert (gone.status_code, gone.headers["location"]) == (303, "/incidents/1")
    assert [(one.title, one.severity) for one in incidents(place)] == [("Something is odd", None)]


def test_everything_known_is_taken(place: Place) -> None:
    send(
        place.signed_in(), "/declare", seen_on="/declare", do="declare", title="A group is denied", severity="2",
        description="Since noon.", category="bias", system="loan-approval",
        **{"fact.protected_group_harmed": "yes", "fact.users_affected": "120", "fact.media_attention": "unknown"},
    )  # fmt: skip
    one = incidents(place)[0]
    assert (one.severity, one.category, one.system, one.description) == (
        2,
        "bias",
        "loan-approval",
        "Since noon.",
    )
    assert set(one.facts) == {"protected_group_harmed", "users_affected"}


def test_a_preview_says_what_will_happen_and_declares_nothing(place: Place) -> None:
    shown = send(
        place.signed_in(), "/declare", seen_on="/declare", do="preview", title="A group is denied",
        system="loan-approval", **{"fact.protected_group_harmed": "yes"},
    )  # fmt: skip
    assert shown.status_code == 200
    assert "If you declare this now" in shown.text
    assert "A protected group is systematically denied or harmed" in shown.text
    assert "Respond by" in shown.text
    assert "Ada Reyes" in shown.text
    assert "Level 1: ada, 5 min to answer." in shown.text
    assert 'value="A group is denied"' in shown.text
    assert (
        place.world.store.read(
            lambda c: c.execute(select(func.count()).select_from(tables.incident)).scalar_one()
        )
        == 0
    )


def test_a_preview_without_facts_says_that_nobody_knows(place: Place) -> None:
    shown = send(place.signed_in(), "/declare", seen_on="/declare", do="preview", title="Odd")
    assert "it is paged as P1 until someone sets it" in shown.text


@pytest.mark.parametrize("do", ["preview", "declare"])
def test_a_figure_that_cannot_be_read_is_refused_and_nothing_typed_is_lost(place: Place, do: str) -> None:
    refused = send(
        place.signed_in(), "/declare", seen_on="/declare", do=do, title="A group is denied", description="Since noon.",
        category="bias", **{"fact.users_affected": "many", "fact.protected_group_harmed": "yes"},
    )  # fmt: skip
    assert refused.status_code == 422
    for kept in ('value="A group is denied"', "Since noon.", 'value="many"', 'value="bias" selected'):
        assert kept in refused.text
    assert (
        'id="fact.protected_group_harmed-yes" name="fact.protected_group_harmed" value="yes" checked'
        in refused.text
    )
    assert incidents(place) == []


@pytest.mark.parametrize("do", ["preview", "declare"])
def test_no_title_is_refused_with_what_to_write(place: Place, do: str) -> None:
    refused = send(
        place.signed_in(), "/declare", seen_on="/declare", do=do, title=" ", description="It hurts."
    )
    assert refused.status_code == 422
    assert "An incident needs a title." in refused.text
    assert "It hurts." in refused.text


def test_likely_duplicates_appear_as_the_title_is_typed(place: Place) -> None:
    number = place.declare("The loan model denies one group far more often")
    browser = place.signed_in()
    part = browser.get("/declare?part=1&title=Loan+model+denies+a+group").text
    assert "<html" not in part
    assert f"INC-{number}" in part
    assert "the words denies, group, loan, model" in part
    assert "INC-" not in browser.get("/declare?part=1&title=Chat+answers+slowly").text


def test_a_viewer_may_not_declare(place: Place) -> None:
    assert place.signed_in("viewer").get("/declare").status_code == 403
