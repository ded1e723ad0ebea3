"""Runs the server: builds the program, prints the address, serves until told to stop."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
import socket
import sys

import uvicorn

from tocsin import app
from tocsin.kernel.clock import to_wire
from tocsin.kernel.errors import Unavailable
from tocsin.settings import Settings
from tocsin.web import site

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


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; then finish what is in hand."""
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
        h11_max_incomplete_event_size=64 * 1024,
        server_header=False,
    )
    uvicorn.Server(config).run(sockets=[listener])


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
