"""A small JSON server on the standard library: what the model server and the mailroom have in common."""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType

LARGEST_BODY = 10_000_000
IDLE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request: method, path without query, headers in lower case, body."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> object:
        """Return the body as JSON data; raise `BadRequest` when it is none."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise BadRequest(f"not JSON: {error}") from error


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. Data that is neither bytes nor text goes out as JSON."""

    data: object
    status: int = 200
    media_type: str = "application/json"

    def encoded(self) -> bytes:
        """Return the bytes of the body."""
        if isinstance(self.data, bytes):
            return self.data
        if isinstance(self.data, str):
            return self.data.encode()
        return json.dumps(self.data).encode()


class BadRequest(Exception):
    """The request cannot be answered as it is; the text says why."""


Answer = Callable[[Request], Reply]


@dataclass
class JsonServer:
    """Serves `answer` on a loopback port until `stop`."""

    answer: Answer
    port: int
    host: str = "127.0.0.1"
    _server: ThreadingHTTPServer = field(init=False)

    def __post_init__(self) -> None:
        self._server = _Server((self.host, self.port), _handler(self.answer))
        self.port = int(self._server.server_address[1])

    def run(self) -> None:
        """Serve; return after `stop`."""
        self._server.serve_forever(poll_interval=0.1)
        self._server.server_close()

    def stop(self) -> None:
        """Let `run` return. May be called from any thread and from a signal handler."""
        threading.Thread(target=self._server.shutdown, daemon=True).start()

    def stop_on_signals(self) -> None:
        """Stop on SIGTERM and SIGINT."""

        def stop(_signal: int, _frame: FrameType | None) -> None:
            self.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def _handler(answer: Answer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = IDLE_SECONDS

        def setup(self) -> None:
            super().setup()
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def _serve(self) -> None:
            length = self.headers.get("Content-Length", "0")
            if not length.isdecimal() or int(length) > LARGEST_BODY:
                self.close_connection = True
                self._send(Reply({"error": "the body is too large or has no length"}, 413))
                return
            path = self.path.partition("?")[0]
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, path, headers, self.rfile.read(int(length)))
            try:
                reply = answer(request)
            except BadRequest as error:
                reply = Reply({"error": str(error)}, 400)
            except Exception as error:  # one bad request must not end the connection without an answer
                reply = Reply({"error": f"{type(error).__name__}: {error}"}, 500)
            self._send(reply)

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - http.server calls these names

        def _send(self, reply: Reply) -> None:
            body = reply.encoded()
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: a line for each prediction would drown the log."""

    return Handler
