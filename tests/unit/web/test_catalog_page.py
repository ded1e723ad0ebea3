"""The pages of the catalog: systems to read, their monitors with reasons, who is called, who changed it (CAT-1, CAT-2)."""

from __future__ import annotations

import pytest

from tests.unit.web.conftest import Make
from tests.unit.web.loan_story import CONFIGURATION, Story, tell
from tocsin.catalog.configuration import Configuration
from tocsin.catalog.system import Component, System
from tocsin.web.pages.catalog import graph


@pytest.fixture
def story(make_place: Make) -> Story:
    """The loan system."""
    return tell(make_place(configuration=CONFIGURATION))


def test_the_list_names_each_system_its_owner_and_its_law(story: Story) -> None:
    html = story.place.signed_in("viewer").get("/catalog").text
    for told in (
        'href="/catalog/loan-approval"',
        "Decides on mortgages.",
        "Credit",
        "2,000",
        "Equal Credit Opportunity Act",
    ):
        assert told in html
    assert "Version 1" in html


def test_the_first_run_is_empty_and_says_how_to_fill_it(make_place: Make) -> None:
    html = make_place(configuration="").signed_in().get("/catalog").text
    assert "No system yet." in html
    assert "the defaults alone" in html


def test_a_system_shows_its_monitors_with_reading_threshold_and_reason(story: Story) -> None:
    story.read("1", "2", "36.5", state="breach")
    html = story.place.signed_in("viewer").get("/catalog/loan-approval").text
    for told in (
        "36.5 points",
        "threshold 10 points",
        "Ten points more means one applicant in ten.",
        "beyond",
        "3 readings",
    ):
        assert told in html


def test_a_monitor_that_has_not_looked_yet_says_when_it_will(story: Story) -> None:
    assert "Its first look is due within 60 s." in story.place.signed_in().get("/catalog/loan-approval").text


def test_a_system_shows_what_can_be_done_and_who_is_called(story: Story) -> None:
    html = story.place.signed_in().get("/catalog/loan-approval").text
    assert "Go back one version" in html
    assert "Level 1: ada, 5 min to answer." in html
    assert "2 different people" in html
    assert "Loan approval needs Stream of applications" in html


def test_the_live_fragment_holds_the_monitors_alone(story: Story) -> None:
    part = story.place.signed_in().get("/catalog/loan-approval?part=1").text
    assert "Denials by group" in part
    assert "<html" not in part


def test_an_unknown_system_is_a_page_that_says_so(story: Story) -> None:
    assert story.place.signed_in().get("/catalog/nothing").status_code == 404


# --- the graph ------------------------------------------------------------------------------------


def catalog(**needs: tuple[str, ...]) -> Configuration:
    """Return systems that need each other as given."""
    systems = {
        id: System(id=id, name=id, purpose="", owner="x", depends_on=need) for id, need in needs.items()
    }
    return Configuration(systems=systems, components={"feed": Component(id="feed", name="feed", type="feed")})


def test_a_need_lies_right_of_what_needs_it() -> None:
    drawn = graph(catalog(a=("b",), b=("feed",), c=("feed",)))
    assert drawn is not None
    x = {node.id: node.x for node in drawn.nodes}
    assert x["a"] < x["b"] < x["feed"]
    assert x["c"] < x["feed"]
    assert len(drawn.edges) == 3


def test_around_one_system_only_what_it_touches_is_drawn() -> None:
    drawn = graph(catalog(a=("b",), b=("feed",), c=("feed",)), "a")
    assert drawn is not None
    assert {node.id for node in drawn.nodes} == {"a", "b", "feed"}
    assert [node.id for node in drawn.nodes if node.centre] == ["a"]


def test_a_circle_is_drawn_and_nothing_needs_no_drawing() -> None:
    circle = graph(catalog(a=("b",), b=("a",)))
    assert circle is not None
    assert {node.id for node in circle.nodes} == {"a", "b"}
    assert graph(catalog(a=())) is None
