"""The main job, played by a person in a real browser against a real server, registry and mail server.

From the page in the mailbox to the exported record that verifies; everything is clicked, nothing is called.
"""

from __future__ import annotations

import datetime as dt
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.integration.conftest import database_settings, make_server, registry, story
from tests.integration.harness.server import command, environment
from tests.integration.harness.story import LINK, Story

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore"),  # mlflow imports what its own dependencies have deprecated
]
__all__ = ["database_settings", "make_server", "registry", "story"]

PATIENCE_MS = 30_000
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture
def browser_page(chromium: Path) -> Iterator[Page]:
    """A fresh browser window; whatever the console complains about fails the test."""
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=FLAGS)
        page = browser.new_context(accept_downloads=True, viewport={"width": 1280, "height": 900}).new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
        browser.close()
    # A refused form comes back with status 409, which the browser notes by itself; nothing else may be there.
    assert [complaint for complaint in complaints if "status of 409" not in complaint] == []


def shows(where: Locator | Page, text: str) -> None:
    expect(where.get_by_text(text, exact=False).first).to_be_visible(timeout=PATIENCE_MS)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).first.click()


def test_a_person_takes_an_incident_from_the_page_to_the_verified_record(
    story: Story, browser_page: Page, tmp_path: Path
) -> None:
    page = browser_page
    story.server.start()
    story.open_account()
    story.alert()
    base = story.server.url

    # The link in the mail: opening it changes nothing, its button answers, and nobody had to sign in.
    mail = story.server.until("a mail to Ben", lambda: story.mails("ben"))[0]
    link = LINK.search(mail.body)
    assert link is not None
    page.goto(base + link[1] if link[1].startswith("/") else link[1])
    assert "commander" not in story.state()["roles"]
    press(page, "Acknowledge: I am on it")
    shows(page, "You acknowledged this page")
    story.server.until("Ben is in command", lambda: story.state()["roles"].get("commander") == "ben")

    # Sign in; what waits is on the first page; the console says who commands and what is next.
    page.goto(base + "/sign-in")
    page.get_by_label("E-mail").fill("ben@example.org")
    page.get_by_label("Password").fill("a long password of Ben")
    press(page, "Sign in")
    page.get_by_role("link", name=re.compile("INC-1")).first.click()
    expect(page.get_by_role("region", name="Incident", exact=True)).to_contain_text("Ben Achebe")
    expect(page.get_by_role("region", name="Timeline")).to_contain_text("Ben Achebe acknowledged")

    # The playbook, whose probe has answered, recommends; its run leads to the preview.
    story.server.until("the decision", lambda: story.run()["run"]["step"] == "after-rollback")
    page.goto(f"{base}/runs/{story.run()['id']}")
    shows(page, "Go back to the version that served before.")
    page.goto(f"{base}/incidents/1/containment?action=rollback")
    shows(page, "version 3")
    shows(page, "version 2")
    page.get_by_label("What harm is it meant to stop?").fill("A group is denied more often since version 3.")
    press(page, "Request this action")
    expect(page.get_by_role("button", name="Approve this change")).to_be_visible()
    assert story.model.alias() == "3"
    press(page, "Approve this change")
    story.server.until("the incident is contained", lambda: story.state()["status"] == "contained")
    assert story.model.alias() == "2"
    shows(page, "Sealed snapshot")

    # The decision of the playbook, a note, an update, the end.
    page.goto(f"{base}/runs/{story.run()['id']}")
    page.locator("#answer-done").click()
    shows(page, "No further applicant is harmed.")
    page.goto(f"{base}/incidents/1")
    page.locator("#note textarea").fill("The branch in Harbour Street confirms it.")
    press(page, "Add note")
    expect(page.get_by_role("region", name="Timeline")).to_contain_text("Harbour Street")
    _send_update(page)
    story.server.until(
        "the update reaches Ada", lambda: story.mails("ada", about="Retrain on repaired labels")
    )
    _open(page, "#resolve")
    page.locator("#c-resolve").fill("Version 2 serves; version 3 is withdrawn.")
    page.locator("#resolve").get_by_role("button").click()
    story.server.until("the review opens", lambda: story.state()["status"] == "reviewing")

    _review(page, base)
    assert story.state()["status"] == "closed"
    _export(page, base, tmp_path)


def _open(page: Page, folded: str) -> None:
    """Open a folded part unless it is open."""
    part = page.locator(folded)
    if part.get_attribute("open") is None:
        part.locator("summary").first.click()


def _send_update(page: Page) -> None:
    form = page.locator("#update-update-responders")
    _open(page, "#update-update-responders")
    fields = {
        "status": "Contained: version 2 serves.",
        "actions": "Went back to version 2.",
        "next_steps": "Retrain on repaired labels.",
        "estimate": "Tomorrow noon.",
    }
    for name, text in fields.items():
        form.locator(f"[name={name}]").fill(text)
    form.locator("form").get_by_role("button").click()


def _review(page: Page, base: str) -> None:
    page.goto(f"{base}/incidents/1/review")
    shows(page, "Time to acknowledge")
    boxes = page.locator("textarea[name^='answer.']")
    names = [boxes.nth(index).get_attribute("id") or "" for index in range(boxes.count())]
    assert len(names) == 8
    for name in names:
        page.locator(f"#{name}").fill("Labels of one group were flipped, as the record shows.")
        page.locator(".q", has=page.locator(f"#{name}")).get_by_role("button").click()
        expect(page.locator(f".q.answered #{name}")).to_be_visible()
    page.locator("#f-text").fill("Nobody compared the labels by group before training.")
    press(page, "Add factor")
    page.locator("label[for=as-no]").click()
    page.locator("#fair-text").fill("This installation collects no figures by group, so no gap is known.")
    page.locator("#fair-redress").fill("A loan officer looks again at every denial of the day.")
    page.locator("#fair-safety").fill("Nobody's health was at risk; access to credit was.")
    press(page, "Save this section")
    due = (dt.datetime.now(dt.UTC) + dt.timedelta(days=14)).date().isoformat()
    page.locator("#i-text").fill("Be more careful")
    page.locator("#i-measure").fill("Fewer incidents")
    page.locator("#i-owner").select_option("ada")
    page.locator("#i-due").fill(due)
    press(page, "Add action item")
    expect(page.locator(".problem")).to_be_visible()
    page.locator("#i-text").fill("Add a check of denial rates by group to the promotion of loan-approval")
    page.locator("#i-measure").fill("Promotion fails in the test when the gap is above 0.35")
    press(page, "Add action item")
    page.locator("#e-playbook").fill("none")
    press(page, "Finish the review")
    shows(page, "Ben Achebe finished it")
    press(page, "Close the incident")
    shows(page, "The incident is closed")


def _export(page: Page, base: str, place: Path) -> None:
    page.goto(f"{base}/incidents/1")
    with page.expect_download() as download:
        press(page, "Export the record")
    download.value.save_as(place / "export.zip")
    with zipfile.ZipFile(place / "export.zip") as archive:
        archive.extractall(place / "export")
    verified = subprocess.run(
        command("verify", str(place / "export")), capture_output=True, text=True, env=environment({})
    )
    assert verified.returncode == 0, verified.stdout
    assert "signer not identified" in verified.stdout
