"""Runs the server: builds the program, prints the address, serves until told to stop."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import re
import signal
import socket
import sys
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tocsin import app
from tocsin.kernel.clock import to_wire
from tocsin.kernel.errors import Unavailable
from tocsin.settings import Settings
from tocsin.web import site

HEAD_BYTES = 64 * 1024
_SECRETS = re.compile(r"(tcn_[\w-]+|/k/[^/\s]+|/acknowledge/[^\s\"]+|Bearer \S+)")


class JsonLines(logging.Formatter):
    """One JSON object per line, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        line = {
            "at": to_wire(app.SystemClock().now()),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _SECRETS.sub("[redacted]", text),
        }
        return json.dumps(line, ensure_ascii=False)


class LimitedHead(HttpToolsProtocol):
    """HTTP/1.1 whose request line and headers have an end; the parser by itself would collect them for ever."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._in_head = False
        self._head_bytes = 0

    def on_message_begin(self) -> None:
        """Count anew."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stop counting: bodies have limits of their own."""
        self._in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Take what arrived; end the connection when its head does not end."""
        began_before = self._in_head
        super().data_received(data)
        if self._in_head and began_before:  # what began in this piece is shorter than the piece
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self.send_400_response("The request line and the headers are too long.")


class Draining(uvicorn.Server):
    """Ends the live pages first: they would hold the end up for as long as somebody looks at them."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop taking connections and finish those that are open."""
        self.config.app.state.hub.close()  # type: ignore[union-attr]  # it is the app that site.build made
        await super().shutdown(sockets)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; then finish what is in hand."""
    os.umask(
        0o077
    )  # whatever lies in the data directory is for its owner alone, also where others may enter it
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in ("httpx", "alembic", "apprise"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    listener = _listen(settings)
    port = listener.getsockname()[1]
    if port != settings.port:
        settings = dataclasses.replace(settings, port=port)
    program = app.build(settings)
    print(f"tocsin serves {settings.public_url}", flush=True)
    if program.first_password is not None:
        print(f"First sign-in: {settings.admin_email} with password {program.first_password}", flush=True)
    config = uvicorn.Config(
        site.build(program),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=10,
        timeout_keep_alive=30,
        http=LimitedHead,
        server_header=False,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        # The server drains at the first of these and then raises it once more: that is the end that was asked for.
        signal.signal(number, lambda *_: sys.exit(0))
    Draining(config).run(sockets=[listener])


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        raise Unavailable(
            f"The address {settings.host}:{settings.port} cannot be used: {error.strerror}.",
            mend="Choose another one with --port, or stop what uses it.",
        ) from error
    return listener
