"""Sending parts of profiles over HTTP: bounded memory, the same sequence until it is accepted, never an exception."""

from __future__ import annotations

import gzip
import json
import ssl
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections import deque
from collections.abc import Callable
from typing import IO
from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler

Part = dict[str, object]
"""One partial profile with its key, as JSON data."""

Post = Callable[[bytes], int]
"""Deliver a body and return the HTTP status; raise OSError when there was no answer."""

REFUSED = frozenset({400, 413, 422})
"""Answers that mean: sending the same again is useless. Any other failure may pass."""
PARTS_A_POST = 32
COMPRESS_FROM_BYTES = 2048


class Outbox:
    """Parts that wait to be accepted, oldest first. When it is full the oldest is dropped and counted."""

    def __init__(self, post: Post, most: int) -> None:
        self._post = post
        self._most = most
        self._waiting: deque[Part] = deque()
        self._lock = threading.Lock()  # guards _waiting
        self._sending = threading.Lock()  # one sender at a time
        self.sent = 0
        self.dropped = 0
        self.refused = 0
        self.last_error: str | None = None

    def put(self, part: Part) -> None:
        """Add a part; drop the oldest when there is no room."""
        with self._lock:
            self._waiting.append(part)
            while len(self._waiting) > self._most:
                self._waiting.popleft()
                self.dropped += 1

    def __len__(self) -> int:
        return len(self._waiting)

    def send(self) -> bool:
        """Send everything that waits; return whether nothing is left. What fails stays, in order."""
        with self._sending:
            size = PARTS_A_POST
            while batch := self._first(size):
                status = self._try(batch)
                if status is not None and 200 <= status < 300:
                    self._remove(batch)
                    self.sent += len(batch)
                    self.last_error = None
                elif status in REFUSED and len(batch) > 1:
                    size = 1  # one bad part must not take the good ones with it
                elif status in REFUSED:
                    self._remove(batch)
                    self.refused += 1
                else:
                    return False
            return True

    def _first(self, size: int) -> list[Part]:
        with self._lock:
            return [self._waiting[index] for index in range(min(size, len(self._waiting)))]

    def _remove(self, batch: list[Part]) -> None:
        with self._lock:
            for part in batch:
                if self._waiting and self._waiting[0] is part:  # it may have been dropped meanwhile
                    self._waiting.popleft()

    def _try(self, batch: list[Part]) -> int | None:
        body = json.dumps({"profiles": batch}, separators=(",", ":")).encode("utf-8")
        try:
            status = self._post(body)
        except Exception as error:  # whatever goes wrong out there, the model server goes on
            self.last_error = f"{type(error).__name__}: {error}"
            return None
        if not 200 <= status < 300:
            self.last_error = f"the server answered {status}"
        return status


class _NoRedirect(HTTPRedirectHandler):
    """A redirect would carry the token to another address."""

    def redirect_request(
        self, req: object, fp: IO[bytes], code: int, msg: str, headers: object, newurl: str
    ) -> None:
        return None


def http_post(url: str, token: str, timeout_seconds: float, compress: bool) -> Post:
    """Return a `Post` to `url` with the token as bearer.

    Raises:
        ValueError: the address is not http or https, or has no host.
    """
    address = urllib.parse.urlsplit(url)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ValueError(f"{url!r} is not an http or https address")
    handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
    if address.scheme == "https":
        handlers.append(HTTPSHandler(context=ssl.create_default_context()))
    if address.hostname in ("localhost", "::1") or address.hostname.startswith("127."):
        handlers.append(ProxyHandler({}))  # a proxy cannot reach this machine's loopback
    opener = urllib.request.build_opener(*handlers)

    def post(body: bytes) -> int:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        if compress and len(body) >= COMPRESS_FROM_BYTES:
            body = gzip.compress(body, compresslevel=6, mtime=0)
            headers["Content-Encoding"] = "gzip"
        request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310 - checked above
        try:
            with opener.open(request, timeout=timeout_seconds) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    return post
