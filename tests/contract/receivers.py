"""Real receivers on loopback: an SMTP server, an HTTP server, a server that hangs, and a port where nobody listens."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller


@dataclass(frozen=True)
class Received:
    """What arrived: the words, and the keys found in its headers and its text or JSON."""

    title: str
    body: str
    keys: tuple[str, ...]
    headers: dict[str, str]
    path: str = ""


class Mailbox:
    """An aiosmtpd handler that keeps messages and refuses recipients called nobody@..."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.recipients: list[str] = []

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address.startswith("nobody@"):
            return "550 5.1.1 No such user: secret-word"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the server's own name for it
        message = message_from_bytes(envelope.content, policy=policy.default)
        text = message.get_content()
        keys = (
            message["X-Tocsin-Key"],
            *(line[9:] for line in text.splitlines() if line.startswith("Delivery ")),
        )
        self.recipients += envelope.rcpt_tos
        self.received.append(
            Received(message["Subject"], text, keys, {k: str(v) for k, v in message.items()})
        )
        return "250 Accepted"


@contextmanager
def smtp_server() -> Iterator[tuple[Mailbox, int]]:
    """A real SMTP server on a free port of loopback."""
    mailbox = Mailbox()
    with free_port() as port:
        pass
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield mailbox, port
    finally:
        controller.stop()


class Hook(ThreadingHTTPServer):
    """Keeps what is posted to it; /refuse answers 500, /elsewhere redirects to /hook."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[Received] = []


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        data = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        keys = (self.headers["Idempotency-Key"], data.get("key"))
        headers = dict(self.headers.items())
        status = {"/refuse": 500, "/elsewhere": 307}.get(self.path.partition("?")[0], 200)
        if status == 200:
            self.server.received.append(Received(data["title"], data["message"], keys, headers, self.path))
        self.send_response(status)
        if status == 307:
            self.send_header("Location", "/hook")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing: a test's output is its own."""


@contextmanager
def http_server() -> Iterator[tuple[Hook, int]]:
    """A real HTTP server on a free port of loopback."""
    with Hook() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server, server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def hanging_server() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@contextmanager
def dripping_server() -> Iterator[int]:
    """A port that sends one byte every 50 ms for as long as anybody listens: no read ever times out."""
    stop = threading.Event()

    def drip() -> None:
        connection, _ = listening.accept()
        with connection:
            while not stop.wait(0.05):
                try:
                    connection.sendall(b"2")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            stop.set()
            thread.join()


@contextmanager
def free_port() -> Iterator[int]:
    """A port at which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]
