"""The public API of tocsin as any outsider uses it: JSON over HTTP with a token."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

TIMEOUT_SECONDS = 60.0


class ApiError(Exception):
    """The server refused. `status` is the HTTP status, `problem` the body (RFC 9457) where it is one."""

    def __init__(self, method: str, path: str, status: int, problem: dict[str, Any]) -> None:
        told = " ".join(str(problem[name]) for name in ("detail", "mend", "where") if problem.get(name))
        super().__init__(f"{method} {path}: {status} {told}".strip())
        self.status = status
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: its bytes and its headers, names in lower case."""

    body: bytes
    headers: dict[str, str]

    def json(self) -> Any:
        """Return the body as JSON data."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Api:
    """One caller of the server at `url`. Without a token it is nobody."""

    url: str
    token: str = ""

    def as_(self, token: str) -> Api:
        """Return the same server for another caller."""
        return Api(self.url, token)

    def get(self, path: str, **query: str) -> Any:
        """Return the JSON answer to GET; raise `ApiError`, or OSError when nobody answers."""
        asked = f"{path}?{urllib.parse.urlencode(query)}" if query else path
        return self.ask("GET", asked).json()

    def post(self, path: str, data: object | None = None) -> Any:
        """Return the JSON answer to POST; raise as `get` does."""
        return self.ask("POST", path, {} if data is None else data).json()

    def ask(self, method: str, path: str, data: object | None = None) -> Answer:
        """Return the answer, whatever its type; raise as `get` does."""
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        body = None
        if data is not None:
            body, headers["Content-Type"] = json.dumps(data).encode(), "application/json"
        return self._send(method, path, body, headers)

    def submit(self, path: str, fields: dict[str, str]) -> Answer:
        """Press the button of a form."""
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
        return self._send("POST", path, urllib.parse.urlencode(fields).encode(), headers)

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        request = urllib.request.Request(self.url + path, body, headers, method=method)  # noqa: S310 - loopback
        try:
            with _opener().open(request, timeout=TIMEOUT_SECONDS) as answer:
                found = {name.lower(): value for name, value in answer.headers.items()}
                return Answer(answer.read(), found)
        except urllib.error.HTTPError as error:
            with error:
                raise ApiError(method, path, error.code, _problem(error.read())) from None


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy reaches loopback


def _problem(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
