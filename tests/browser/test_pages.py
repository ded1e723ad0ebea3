"""Every page in light, dark and at phone width: nothing serious for axe, nothing refused, nothing cut off (PLT-4)."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import LIGHT, LOOKS, PHONE, Open, Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PAGES = (
    "now", "incidents", "console", "newest first", "unknown severity", "resolved", "proof", "run", "containment",
    "preview", "review", "alerts", "alert", "declare", "catalog", "system", "access", "acknowledge", "sign-in",
)  # fmt: skip
OUTSIDE = {"acknowledge", "sign-in"}
SMALLEST_TARGET = 24


def serious(page: Page) -> list[str]:
    """Return what axe calls serious or critical, with the nodes."""
    found: Any = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_accessible_and_breaks_no_rule_of_its_own(
    open_page: Open, server: Server, name: str, look: str
) -> None:
    role = None if name in OUTSIDE else "administrator" if name == "access" else "lead"
    page = open_page(server.paths[name], role=role, look=look)
    page.wait_for_function("document.documentElement.classList.contains('js')")
    assert serious(page) == []
    cut_off = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert cut_off <= 0
    assert page.locator("h1").count() == 1
    assert page.title().endswith(" · tocsin")


def test_every_page_of_the_fixture_is_looked_at(server: Server) -> None:
    assert set(server.paths) == set(PAGES)


@pytest.mark.parametrize("name", ["now", "console"])
def test_what_is_pressed_is_large_enough(open_page: Open, server: Server, name: str) -> None:
    """WCAG 2.2, 2.5.8: 24 px, links within a sentence apart; 44 px for what must be hit on a phone."""
    page = open_page(server.paths[name], look=PHONE)
    small = page.evaluate(
        """least => [...document.querySelectorAll('button, select, summary, a.btn, a.chip, a.proof')]
        .filter(one => one.offsetParent && one.getBoundingClientRect().height < least)
        .map(one => one.outerHTML.slice(0, 120))""",
        SMALLEST_TARGET,
    )
    assert small == []
    buttons = page.evaluate(
        "[...document.querySelectorAll('.btn.primary')].map(one => one.getBoundingClientRect().height)"
    )
    assert buttons
    assert min(buttons) >= 44


def test_the_console_says_who_commands_and_what_is_next_without_scrolling(
    open_page: Open, server: Server
) -> None:
    for look in LOOKS:
        page = open_page(server.paths["console"], look=look)
        height = LOOKS[look]["viewport"]["height"]
        for text in (".commander", ".next-action .btn, .next-action b", ".head h1"):
            box = page.locator(text).first.bounding_box()
            assert box is not None
            assert box["y"] + box["height"] <= height, (look, text)


def test_the_header_stays_and_covers_nothing_that_is_jumped_to(open_page: Open, server: Server) -> None:
    page = open_page(server.paths["console"] + "#resolve", look=LIGHT)
    head, target = page.locator(".head").bounding_box(), page.locator("#resolve").bounding_box()
    assert head is not None
    assert target is not None
    assert target["y"] >= head["y"] + head["height"] - 1
    assert page.locator("#resolve").get_attribute("open") is not None


def test_severity_is_never_told_by_colour_alone(open_page: Open, server: Server) -> None:
    page = open_page(server.paths["incidents"])
    for mark in page.locator(".sev").all():
        assert mark.inner_text().strip()
        assert mark.get_attribute("title", timeout=1000)
        assert mark.locator("svg path, svg circle").count() == 1


def test_motion_stops_for_whoever_asked_for_less(open_page: Open, server: Server) -> None:
    page = open_page(server.paths["console"], reduced_motion="reduce")
    assert page.evaluate("getComputedStyle(document.querySelector('.live i')).animationName") == "none"


def test_a_printed_console_is_the_record_alone(open_page: Open, server: Server) -> None:
    page = open_page(server.paths["console"])
    page.emulate_media(media="print")
    assert not page.locator(".rail").is_visible()
    assert not page.locator("#note").is_visible()
    assert page.locator("#timeline").is_visible()
