"""Without JavaScript everything still works: it only does not move by itself (PLT-4)."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import LOOKS, PHONE, Open, Server, until
from tests.unit.web.conftest import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture
def still(open_page: Open) -> Page:
    """A browser without JavaScript, at the sign-in page."""
    return open_page("/", role=None, java_script_enabled=False)


def sign_in(page: Page) -> None:
    page.get_by_label("E-mail").fill("ada@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def test_a_person_signs_in_declares_acknowledges_and_notes(still: Page, server: Server) -> None:
    assert "/sign-in" in still.url
    sign_in(still)
    expect(still.locator("#main h1").first).to_be_visible()
    still.get_by_role("link", name="Declare incident").first.click()
    still.get_by_label("What is wrong?").fill("Applicants wait for an hour")
    still.get_by_role("button", name=re.compile("^Declare")).last.click()
    still.wait_for_url(re.compile(r"/incidents/\d+"))
    number = still.url.rsplit("/", 1)[1].split("?")[0]
    still.locator("#note-text").fill("We called the branch.")
    still.get_by_role("button", name="Add note").click()
    expect(still.locator("#timeline")).to_contain_text("We called the branch.")
    assert still.url.endswith(f"/incidents/{number}")


def test_a_page_is_acknowledged(still: Page, server: Server) -> None:
    number = server.place.declare("The scorer repeats itself")
    sign_in(still)
    card = still.locator(f"#page-{number}")
    expect(card).to_contain_text("The scorer repeats itself")
    card.get_by_role("button", name="Acknowledge").click()
    expect(still.locator("#paging")).to_contain_text("acknowledged")


def test_the_timeline_is_filtered_and_turned_by_links(still: Page, server: Server) -> None:
    sign_in(still)
    still.goto(server.paths["console"])
    every = still.locator("ol.timeline li").count()
    still.locator("#sorts a", has_text="Paging").click()
    assert "sort=page" in still.url
    assert 0 < still.locator("ol.timeline li").count() < every
    first = still.locator("ol.timeline li").first.inner_text()
    still.get_by_role("link", name="Newest first").click()
    assert "order=newest" in still.url
    assert "sort=page" in still.url
    assert still.locator("ol.timeline li").last.inner_text() == first


def test_times_that_are_left_are_written_by_the_server(still: Page, server: Server) -> None:
    sign_in(still)
    still.goto(server.paths["unknown severity"])
    told = still.locator(".clocks dd").all_inner_texts()
    assert told
    assert all(re.fullmatch(r"(\d+ (d|h|min|s) ?)+( late)?", one.strip()) for one in told)


def test_nothing_is_offered_that_needs_a_script(still: Page) -> None:
    sign_in(still)
    assert not still.locator("[data-keys-help]").is_visible()
    assert still.locator("kbd.hint:visible").count() == 0
    still.locator(".who summary").click()
    assert not still.get_by_label("Switch single keys off").is_visible()
    expect(still.get_by_role("button", name="Sign out")).to_be_visible()


def test_the_page_says_of_when_it_is(still: Page) -> None:
    sign_in(still)
    assert re.fullmatch(r"as of \d\d:\d\d:\d\d", still.locator("[data-live-state]").inner_text())


def test_the_one_tap_link_works_on_a_phone(open_page: Open, server: Server) -> None:
    number = server.place.declare("The scorer is wrong about one branch")
    mails = server.place.sender.sent
    until(lambda: any(f"INC-{number} " in one.title for one in mails), "the mail about it")
    path = re.search(r"/acknowledge/\S+", next(one.body for one in mails if f"INC-{number} " in one.title))
    assert path
    page = open_page(path[0], role=None, look=PHONE, java_script_enabled=False)
    box = page.get_by_role("button", name="Acknowledge").bounding_box()
    assert box is not None
    assert box["height"] >= 44
    assert box["y"] + box["height"] <= LOOKS[PHONE]["viewport"]["height"]
    page.get_by_role("button", name="Acknowledge").tap()
    expect(page.locator("main")).to_contain_text("You acknowledged this page.")
