"""Live pages: what changed appears by itself, and nothing is taken out of anybody's hands (PLT-4, RSP-7)."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import LIGHT, LOOKS, Open, Server, serve
from tests.unit.web.conftest import build
from tocsin.app import SystemClock
from tocsin.engine import declare
from tocsin.incidents.incident import AddNote
from tocsin.web.permissions import SESSION_COOKIE

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def live(page: Page) -> Page:
    """Return the page once its stream is open."""
    expect(page.locator("[data-live-state]")).to_contain_text("live")
    return page


def note(server: Server, text: str) -> None:
    """Let Bo add a note to the first incident, elsewhere."""
    command = AddNote(text=text)
    declare.tell(server.place.world, server.story.id(1), command, actor="person:bo")


def test_what_somebody_else_writes_appears_by_itself(open_page: Open, server: Server) -> None:
    page = live(open_page(server.paths["console"]))
    note(server, "The branch confirms it.")
    entry = page.locator("#timeline li", has_text="The branch confirms it.")
    expect(entry).to_have_count(1)
    expect(entry).to_contain_text("Bo Lind")


def test_an_update_moves_no_focus_and_loses_no_text(open_page: Open, server: Server) -> None:
    page = live(open_page(server.paths["console"]))
    field = page.locator("#note-text")
    field.fill("Half a sentence")
    field.evaluate("field => { field.focus(); field.setSelectionRange(2, 6); window.before = field; }")
    note(server, "Meanwhile elsewhere.")
    expect(page.locator("#timeline")).to_contain_text("Meanwhile elsewhere.")
    assert page.evaluate("document.activeElement === window.before && window.before.isConnected")
    assert page.evaluate("[window.before.value, window.before.selectionStart, window.before.selectionEnd]") == [
        "Half a sentence", 2, 6,
    ]  # fmt: skip


def test_what_was_typed_and_left_stays_as_well(open_page: Open, server: Server) -> None:
    page = live(open_page(server.paths["console"]))
    page.locator("#severity summary").click()
    page.locator("#c-severity").select_option("2")
    page.locator("#c-severity-why").fill("Fewer people than we thought")
    page.locator("#timeline h2").click()
    note(server, "Something else happened.")
    expect(page.locator("#timeline")).to_contain_text("Something else happened.")
    assert page.locator("#c-severity").input_value() == "2"
    assert page.locator("#c-severity-why").input_value() == "Fewer people than we thought"


def test_an_update_closes_nothing_that_is_open_and_opens_nothing_that_is_closed(
    open_page: Open, server: Server
) -> None:
    page = live(open_page(server.paths["console"]))
    page.locator("#category summary").click()
    first = page.locator("#update details").first
    first.locator("summary").click()
    note(server, "A third thing happened.")
    expect(page.locator("#timeline")).to_contain_text("A third thing happened.")
    assert page.locator("#category").get_attribute("open") is not None
    assert first.get_attribute("open") is None


def test_focus_on_a_link_of_the_timeline_survives(open_page: Open, server: Server) -> None:
    page = live(open_page(server.paths["console"] + "?order=newest"))
    proof = page.locator("#timeline a.proof").last
    address = proof.get_attribute("href")
    proof.focus()
    note(server, "A fourth thing happened.")
    expect(page.locator("#timeline li").first).to_contain_text("A fourth thing happened.")
    assert page.evaluate("document.activeElement.getAttribute('href')") == address


def test_the_timeline_is_told_politely_and_keeps_its_old_entries(open_page: Open, server: Server) -> None:
    page = live(open_page(server.paths["console"]))
    line = page.locator("ol.timeline")
    assert (line.get_attribute("aria-live"), line.get_attribute("aria-relevant")) == ("polite", "additions")
    page.evaluate("window.old = [...document.querySelectorAll('.timeline li')]")
    note(server, "A fifth thing happened.")
    expect(line).to_contain_text("A fifth thing happened.")
    assert page.evaluate("window.old.every(one => one.isConnected)")


def test_a_filtered_timeline_stays_filtered(open_page: Open, server: Server) -> None:
    page = live(open_page(server.paths["console"] + "?sort=page"))
    count = page.locator("ol.timeline li").count()
    note(server, "Not about paging.")
    expect(page.locator("#sorts")).to_contain_text("Notes")
    expect(page.locator("#timeline header")).to_contain_text("entries")
    assert page.locator("ol.timeline li").count() == count


def test_a_page_to_you_is_told_at_once_and_counted(open_page: Open, server: Server) -> None:
    page = live(open_page("/"))
    number = server.place.declare("The fraud model is silent")
    card = page.locator(f"#page-{number}")
    expect(card).to_contain_text("The fraud model is silent")
    expect(page.locator("#urgent")).to_have_text(f"You are paged: INC-{number} The fraud model is silent")
    assert page.locator("#urgent").get_attribute("role") == "alert"
    expect(page.locator(".rail .count.urgent")).to_be_visible()


def test_what_waits_for_the_reader_is_not_told_again_on_opening(open_page: Open, server: Server) -> None:
    page = live(open_page("/"))
    assert page.locator("[data-urgent]").count() > 0
    assert page.locator("#urgent").inner_text() == ""


def test_a_list_takes_on_a_new_incident(open_page: Open, server: Server) -> None:
    page = live(open_page("/incidents?q=harbour"))
    expect(page.locator("main")).to_contain_text("No incident fits these filters.")
    server.place.declare("The Harbour branch reports denials")
    expect(page.locator("main")).to_contain_text("The Harbour branch reports denials")


def test_a_stream_that_ends_is_told_with_the_time_since(
    chrome: Browser, server: Server, tmp_path: Path
) -> None:
    place = build(tmp_path, clock=SystemClock())
    number = place.declare()
    base, stop = serve(place)
    context = chrome.new_context(**LOOKS[LIGHT], base_url=base)
    context.add_cookies([{"name": SESSION_COOKIE, "value": place.session(), "url": base}])
    page = context.new_page()
    page.goto(f"/incidents/{number}")
    live(page)
    expect(page.locator(".live")).not_to_have_class("live lost")
    stop()
    expect(page.locator("[data-live-state]")).to_contain_text("disconnected since")
    assert page.locator(".live").get_attribute("role") == "status"
    context.close()


def test_how_fresh_the_page_is_can_be_read(open_page: Open, server: Server) -> None:
    page = live(open_page("/"))
    expect(page.locator("[data-live-state]")).to_contain_text("s ago", timeout=15_000)
