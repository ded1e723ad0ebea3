"""Everything by keyboard: keys that lead there, focus that shows, and a way to switch the keys off (PLT-4)."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def focused(page: Page) -> str:
    """Return the id of what has the focus."""
    return str(page.evaluate("document.activeElement.id"))


def test_g_and_i_lead_to_the_incidents_g_and_n_back(open_page: Open) -> None:
    page = open_page("/")
    page.keyboard.type("gi")
    page.wait_for_url("**/incidents")
    page.keyboard.type("gn")
    page.wait_for_url(re.compile(r"/$"))


@pytest.mark.parametrize("keys", ["/", "Control+k"])
def test_search_is_one_key_away_and_finds(open_page: Open, keys: str) -> None:
    page = open_page("/")
    page.keyboard.press(keys)
    assert focused(page) == "q"
    page.keyboard.type("assistant")
    page.keyboard.press("Enter")
    page.wait_for_url("**/incidents?q=assistant")
    expect(page.locator("main [data-row]")).to_have_count(1)


def test_a_question_mark_shows_the_keys_and_escape_hides_them(open_page: Open) -> None:
    page = open_page("/")
    page.keyboard.press("?")
    expect(page.locator("dialog#keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog#keys")).to_be_hidden()


def test_the_keys_are_shown_to_whoever_uses_a_mouse(open_page: Open) -> None:
    page = open_page("/")
    page.locator("[data-keys-help]").click()
    expect(page.locator("dialog#keys")).to_be_visible()
    page.locator("dialog#keys button").click()
    expect(page.locator("dialog#keys")).to_be_hidden()


def test_j_and_k_walk_a_list_and_enter_opens(open_page: Open) -> None:
    page = open_page("/incidents")
    page.keyboard.press("j")
    first = page.evaluate("document.activeElement.getAttribute('href')")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.getAttribute('href')") != first
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.getAttribute('href')") == first
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{first}")


def test_n_s_and_u_lead_to_their_fields(open_page: Open, server: Server) -> None:
    page = open_page(server.paths["console"])
    page.keyboard.press("n")
    assert focused(page) == "note-text"
    page.locator("#timeline h2").click()
    page.keyboard.press("s")
    assert focused(page) == "c-severity"
    page.locator("#timeline h2").click()
    page.keyboard.press("u")
    assert focused(page) == "update-responders-status"


def test_a_letter_typed_into_a_field_is_a_letter(open_page: Open, server: Server) -> None:
    page = open_page(server.paths["console"])
    page.keyboard.press("n")
    page.keyboard.type("again sung / ?")
    assert page.locator("#note-text").input_value() == "again sung / ?"
    expect(page.locator("dialog#keys")).to_be_hidden()


def test_c_opens_containment_and_fires_nothing(open_page: Open, server: Server) -> None:
    page = open_page(server.paths["console"])
    before = server.story.registry.models["loan"].alias
    page.keyboard.press("c")
    page.wait_for_url("**/containment")
    assert server.story.registry.models["loan"].alias == before


def test_a_leads_to_the_acknowledgement_and_only_enter_gives_it(open_page: Open, server: Server) -> None:
    number = server.place.declare("The scorer answers with one figure")
    page = open_page(f"/incidents/{number}")
    page.keyboard.press("a")
    assert page.evaluate("document.activeElement.textContent").strip().startswith("Acknowledge")
    expect(page.locator("#paging")).to_contain_text("no answer yet")
    page.keyboard.press("Enter")
    expect(page.locator("#paging")).to_contain_text("acknowledged")


def test_single_keys_can_be_switched_off_and_stay_off(open_page: Open) -> None:
    page = open_page("/")
    page.locator(".who summary").click()
    page.get_by_label("Switch single keys off").check()
    page.reload()
    page.keyboard.type("gi")
    page.keyboard.press("?")
    expect(page.locator("dialog#keys")).to_be_hidden()
    assert page.url.endswith("/")
    page.keyboard.press("Control+k")
    assert focused(page) == "q"


def test_the_first_tab_skips_to_the_content(open_page: Open) -> None:
    page = open_page("/")
    page.keyboard.press("Tab")
    skip = page.locator("a.skip")
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert focused(page) == "main"


@pytest.mark.parametrize("name", ["now", "console", "incidents", "sign-in"])
def test_focus_shows_on_everything_that_takes_it(open_page: Open, server: Server, name: str) -> None:
    page = open_page(server.paths[name], role=None if name == "sign-in" else "lead")
    page.locator("body").press("Tab")
    seen = 0
    for _ in range(40):
        told = page.evaluate(
            """() => { const one = document.activeElement, style = getComputedStyle(one);
            return one === document.body ? null : [one.outerHTML.slice(0, 100), style.outlineStyle, parseFloat(style.outlineWidth)] }"""
        )
        if told is None:
            break
        html, style, width = told
        assert style != "none", html
        assert width >= 2, html
        seen += 1
        page.keyboard.press("Tab")
    assert seen >= 2


def test_tab_reaches_the_next_action_before_the_timeline(open_page: Open, server: Server) -> None:
    page = open_page(server.paths["console"])
    order = page.evaluate(
        """[...document.querySelectorAll('a[href], button, textarea, input:not([type=hidden]), summary, select')]
        .map(one => one.closest('.next-action') ? 'next' : one.closest('#timeline') ? 'timeline' : 'other')"""
    )
    assert 0 < order.index("next") < order.index("timeline")
