"""SIGTERM lets the server finish: what it took is answered, its status is 0, and the restart finds everything (PLT-2)."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Callable

import pytest

from tests.integration.harness.sender import Sender
from tests.integration.harness.server import TOKEN, Caller, Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def names(caller: Caller) -> set[str]:
    return {one["labels"]["alertname"] for one in caller.get("/api/v2/alerts")}


@pytest.mark.parametrize(
    "database_settings", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
def test_a_burst_that_meets_sigterm_loses_nothing_that_was_answered(
    make_server: Callable[..., Server], database_settings: dict[str, str]
) -> None:
    server = make_server(**database_settings)
    server.start()
    declared = Caller(server).post("/api/v1/incidents", {"title": "Before the end"})["id"]
    sender = Sender(server, "drain")
    sender.start()
    server.until("a burst", lambda: len(sender.accepted) > 100, tend=False)
    assert server.terminate() == 0
    sender.stop()
    assert set(sender.answers) <= {0, 200, 503}, sender.answers
    assert '"level": "error"' not in server.tail(10**9)
    server.start()
    caller = Caller(server)
    server.until("all that was answered", lambda: not set(sender.accepted) - names(caller), tend=False)
    assert caller.get(f"/api/v1/incidents/{declared}")["incident"]["title"] == "Before the end"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_that_had_begun_is_answered_before_the_end(
    make_server: Callable[..., Server], number: signal.Signals
) -> None:
    server = make_server()
    server.start()
    body = json.dumps([{"labels": {"alertname": "half-way", "severity": "low"}}]).encode()
    head = (
        f"POST /api/v2/alerts HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    assert server.process is not None
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head.encode() + body[:10])
        assert server.status("/healthz") == 200, "the first half has arrived by now"
        server.process.send_signal(number)
        server.until("the door is closed", lambda: "Shutting down" in server.tail(), tend=False)
        connection.sendall(body[10:])
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    assert server.process.wait(60) == 0
    server.start()
    assert names(Caller(server)) == {"half-way"}


def test_an_open_live_page_does_not_hold_the_end_up(make_server: Callable[..., Server]) -> None:
    server = make_server()
    server.start()
    with server.client.stream(
        "GET", f"{server.url}/live", headers={"authorization": f"Bearer {TOKEN}"}
    ) as stream:
        lines = stream.iter_lines()
        assert next(lines) == "retry: 2000"
        began = time.monotonic()
        assert server.terminate() == 0
        assert time.monotonic() - began < 8, "ten seconds are what a request may take that does not end"
        assert not [line for line in lines if line.startswith("event: changed")]  # and it ends as it should
