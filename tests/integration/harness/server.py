"""The product as its users run it: `python -m tocsin.cli serve` in a process of its own, killed and started at will."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

T = TypeVar("T")
TOKEN = "bootstrap-token-of-the-test"
POLL_SECONDS = 0.1
PATIENCE_SECONDS = 90.0
COME_AGAIN = {502, 503, 504}


class Gone(Exception):
    """Nobody answered, or the answer was to come again: the caller does not know what became of it."""


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment without settings of its own, and with `more`."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("TOCSIN_")}
    kept.pop("DATABASE_URL", None)
    return {**kept, "PYTHONUNBUFFERED": "1", **more}


def command(*arguments: str) -> list[str]:
    """Return the command line of the product."""
    return [sys.executable, "-m", "tocsin.cli", *arguments]


@dataclass
class Server:
    """One installation: a data directory, a port, settings. It may die and be started again many times."""

    directory: Path
    port: int
    settings: Mapping[str, str]
    config: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    deaths: int = 0
    client: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, timeout=70))

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        """Its data directory. Nothing here looks into it."""
        return self.directory / "data"

    @property
    def log(self) -> Path:
        """What it printed, all its lives together."""
        return self.directory / "server.log"

    def begin(self, **more: str) -> None:
        """Start the process and do not wait."""
        arguments = ["serve", "--data", str(self.data), "--port", str(self.port)]
        if self.config is not None:
            arguments += ["--config", str(self.config)]
        given = {"TOCSIN_BOOTSTRAP_TOKEN": TOKEN, "TOCSIN_ADMIN_PASSWORD": "a long password of nobody"}
        self.directory.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                command(*arguments),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environment({**given, **self.settings, **more}),
            )

    def start(self, **more: str) -> None:
        """Start the process and wait until it is ready."""
        self.begin(**more)
        self.until("the server is ready", lambda: self.status("/readyz") == 200, tend=False)

    def status(self, path: str) -> int:
        """Return the HTTP status of an address, or 0 when nobody answers."""
        try:
            return self.client.get(self.url + path).status_code
        except httpx.TransportError:
            return 0

    def kill(self) -> None:
        """End it as a power cut would: SIGKILL, no goodbye."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def terminate(self) -> int:
        """Ask it to end; return its exit status."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(60)

    def stop(self) -> None:
        """End it, whatever state it is in."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.client.close()

    def tend(self) -> None:
        """Start it again when it was killed; any other end is a fault."""
        assert self.process is not None
        status = self.process.poll()
        if status is None:
            return
        assert status == -signal.SIGKILL, f"the server ended by itself with {status}:\n{self.tail()}"
        self.deaths += 1
        self.begin()

    def tail(self, characters: int = 6000) -> str:
        """Return the end of what it printed."""
        return self.log.read_text(errors="replace")[-characters:] if self.log.exists() else ""

    def until(
        self,
        what: str,
        look: Callable[[], T],
        ask: Callable[[], object] | None = None,
        *,
        seconds: float = PATIENCE_SECONDS,
        tend: bool = True,
    ) -> T:
        """Look, and ask when it is not there, as often as needed; return what `look` found.

        This is how a careful client works: after an answer that never came it looks before it asks again.
        """
        deadline = time.monotonic() + seconds
        found: Any = None
        while time.monotonic() < deadline:
            if tend:
                self.tend()
            elif self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.tail()}")
            try:
                found = look()
                if found:
                    return found  # type: ignore[no-any-return]
                if ask is not None:
                    ask()
                    continue
            except Gone:
                pass
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"{what}: not seen within {seconds:g} s; last seen {found!r}\n{self.tail()}")


@dataclass(frozen=True)
class Caller:
    """Somebody who speaks to the server by HTTP."""

    server: Server
    token: str = TOKEN

    def send(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Return the answer, whatever it says; raise `Gone` when there is none worth the name."""
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        headers |= more.pop("headers", {})
        try:
            answer = self.server.client.request(method, self.server.url + path, headers=headers, **more)
        except httpx.TransportError as error:
            raise Gone(str(error)) from error
        if answer.status_code in COME_AGAIN:
            raise Gone(answer.text)
        return answer

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Return the answer; anything but success is a fault."""
        answer = self.send(method, path, **more)
        assert answer.status_code < 400, (
            f"{method} {path}: {answer.status_code} {answer.text}\n{self.server.tail()}"
        )
        return answer

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON that an address holds."""
        return self.ask("GET", path, params=query).json()

    def post(self, path: str, body: object | None = None) -> Any:
        """Return the JSON answer to a body."""
        return self.ask("POST", path, json={} if body is None else body).json()
