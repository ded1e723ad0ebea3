"""A real server in a thread, with something of everything in it, and a real chromium."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.unit.web.conftest import Place, build
from tests.unit.web.loan_story import CONFIGURATION, Story, tell
from tocsin.app import SystemClock
from tocsin.catalog.access import AccountRole
from tocsin.engine import access
from tocsin.web.permissions import SESSION_COOKIE

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
PATIENCE_SECONDS = 30.0
LIGHT, DARK, PHONE = "light", "dark", "phone"
LOOKS: dict[str, dict[str, Any]] = {
    LIGHT: {"color_scheme": "light", "viewport": {"width": 1440, "height": 900}},
    DARK: {"color_scheme": "dark", "viewport": {"width": 1440, "height": 900}},
    PHONE: {
        "color_scheme": "light",
        "viewport": {"width": 390, "height": 844},
        "has_touch": True,
        "is_mobile": True,
    },
}


@dataclass
class Server:
    """An installation that is being served."""

    place: Place
    base: str
    story: Story
    paths: dict[str, str] = field(default_factory=dict)
    """What each kind of page is called here, such as `run` to the path of a run."""


def serve(place: Place) -> tuple[str, Callable[[], None]]:
    """Serve `place` on a free port in a thread; return its address and what stops it."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(place.site, log_config=None, access_log=False, timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    until(lambda: server.started, "the server starts")

    def stop() -> None:
        server.should_exit = True
        thread.join(timeout=PATIENCE_SECONDS)
        listener.close()

    return f"http://127.0.0.1:{listener.getsockname()[1]}", stop


def until(true: Callable[[], bool], what: str) -> None:
    """Wait until `true`; fail with `what` never happened."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < end, f"never: {what}"
        threading.Event().wait(0.05)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A served installation: an incident in full swing, one of unknown severity, one under review, an alert."""
    place = build(tmp_path_factory.mktemp("served"), configuration=CONFIGURATION, clock=SystemClock())
    story = tell(place)
    paths = _fill(story)
    base, stop = serve(place)
    yield Server(place, base, story, paths)
    stop()


def _fill(story: Story) -> dict[str, str]:
    """Let something of everything happen; return where it can be seen."""
    place = story.place
    story.read("1.25", "4.5", "12.75", state="breach")
    number = story.incident()
    run, _ = story.run(number)
    story.ask(number, "two-person")
    place.declare("The assistant answers slowly", system=None, category=None)
    reviewed = story.incident(title="An earlier one")
    story.resolve(reviewed)
    _, key = access.create_integration_key(place.world, "Prometheus", actor="system:test")
    labels = {"alertname": "HighErrorRate", "severity": "critical", "instance": "scorer-1"}
    place.client().post(
        f"/k/{key}/api/v2/alerts", json=[{"labels": labels, "annotations": {"summary": "Errors rise"}}]
    )
    place.program.runner.settle()
    alert = place.client(**place.bearer("viewer")).get("/api/v1/alerts").json()["alerts"][0]["id"]
    events = place.world.store.events(scope=story.id(number))
    mail = next(one.body for one in place.sender.sent if f"INC-{number} " in one.title)
    link = next(word for word in mail.split() if "/acknowledge/" in word)
    return {
        "now": "/",
        "incidents": "/incidents",
        "console": f"/incidents/{number}",
        "newest first": f"/incidents/{number}?order=newest&sort=page",
        "unknown severity": "/incidents/2",
        "resolved": f"/incidents/{reviewed}",
        "proof": f"/incidents/{number}/proofs/{events[0][0]}",
        "run": f"/runs/{run}",
        "containment": f"/incidents/{number}/containment",
        "preview": f"/incidents/{number}/containment?action=rollback",
        "review": f"/incidents/{reviewed}/review",
        "alerts": "/alerts",
        "alert": f"/alerts/{alert}",
        "declare": "/declare",
        "catalog": "/catalog",
        "system": "/catalog/loan-approval",
        "access": "/access",
        "acknowledge": link[link.index("/acknowledge/") :],
        "sign-in": "/sign-in",
    }


@pytest.fixture(scope="module")
def chrome(chromium: Path) -> Iterator[Browser]:
    """A running chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=FLAGS)
        yield browser
        browser.close()


Open = Callable[..., Page]


@pytest.fixture
def open_page(chrome: Browser, server: Server) -> Iterator[Open]:
    """Opens pages as somebody, in a look; whatever the console complains about fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(
        path: str = "/", *, role: AccountRole | None = "lead", look: str = LIGHT, **more: Any
    ) -> Page:
        context = chrome.new_context(**{**LOOKS[look], **more}, base_url=server.base)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_SECONDS * 1000)
        if role is not None:
            cookie = {"name": SESSION_COOKIE, "value": server.place.session(role), "url": server.base}
            context.add_cookies([cookie])  # type: ignore[list-item]  # the library's type is a TypedDict
        page = context.new_page()
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
