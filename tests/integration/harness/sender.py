"""Somebody who sends alerts one by one, from several threads, and remembers which were answered for."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import httpx

from tests.integration.harness.server import TOKEN, Server


class Sender:
    """Sends alerts called `<name>-<number>`. `accepted` are those answered with 200."""

    def __init__(self, server: Server, name: str, *, threads: int = 4) -> None:
        self._server, self._name = server, name
        self._lock = threading.Lock()
        self._next = 0
        self._most: int | None = None
        self._stop = threading.Event()
        self.accepted: list[str] = []
        self.answers: Counter[int] = Counter()
        """How often each status came; 0 stands for no answer."""
        self.on_accepted: Callable[[int], None] = lambda count: None
        """Called after each acceptance with how many there are."""
        self._threads = [threading.Thread(target=self._send_all) for _ in range(threads)]

    def start(self, most: int | None = None) -> None:
        """Begin; with `most`, end by itself after so many."""
        self._most = most
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Wait until everything that ends by itself has ended."""
        for thread in self._threads:
            thread.join()

    def stop(self) -> None:
        """Send no more, and wait for the last answers."""
        self._stop.set()
        self.finish()

    def _take(self) -> int | None:
        with self._lock:
            if self._stop.is_set() or (self._most is not None and self._next >= self._most):
                return None
            self._next += 1
            return self._next

    def _send_all(self) -> None:
        with httpx.Client(
            trust_env=False, timeout=70, headers={"authorization": f"Bearer {TOKEN}"}
        ) as client:
            while (number := self._take()) is not None:
                self._send(client, f"{self._name}-{number}")

    def _send(self, client: httpx.Client, name: str) -> None:
        body = [{"labels": {"alertname": name, "severity": "low"}}]
        try:
            status = client.post(f"{self._server.url}/api/v2/alerts", json=body).status_code
        except httpx.TransportError:
            status = 0
        with self._lock:
            self.answers[status] += 1
            if status == 200:
                self.accepted.append(name)
                self.on_accepted(len(self.accepted))
        if status != 200:
            self._stop.wait(0.02)  # nobody knocks faster at a closed door
