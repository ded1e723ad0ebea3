"""Traffic: a declared simulated population.

Each request is one of the held-out applications of the data set, drawn with replacement: nobody applies here, and
the applicants of one hour repeat. The right decision follows after a delay, as labels do.

    python -m tocsin_demo.traffic --server http://127.0.0.1:8711 --rate 40 --label-delay 5

It ends after `--seconds`, or on SIGTERM, and prints what it did as one JSON object.
"""

from __future__ import annotations

import argparse
import heapq
import http.client
import json
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from types import FrameType
from urllib.parse import urlsplit

import numpy as np

from tocsin_demo import fault, loan

POPULATION = (
    "simulated: held-out applications of the Boston 1990 mortgage data, drawn with replacement; "
    "no real applicant is behind any request"
)
TIMEOUT_SECONDS = 5.0
LABELS_EVERY_SECONDS = 0.5
MOST_BEHIND_SECONDS = 1.0
"""When the server is slower than the rate, requests older than this are left out, not piled up."""


@dataclass(slots=True)
class Tally:
    """What has been sent and what came back."""

    predictions: int = 0
    denials: int = 0
    labels: int = 0
    errors: int = 0
    versions: dict[str, int] = field(default_factory=dict)


class Client:
    """One kept-alive connection to the model server, opened again after a failure."""

    def __init__(self, server: str) -> None:
        address = urlsplit(server)
        self._host, self._port = address.hostname or "127.0.0.1", address.port or 80
        self._connection: http.client.HTTPConnection | None = None

    def post(self, path: str, data: object) -> dict[str, object]:
        """Send `data` and return the answer; raise OSError or HTTPException when there is none."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_SECONDS)
        try:
            body = json.dumps(data)
            self._connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            found = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            raise
        if answer.status >= 400 or not isinstance(found, dict):
            raise http.client.HTTPException(f"the model server answered {answer.status}")
        return found

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Population:
    """Draws applicants. The same seed draws the same ones."""

    def __init__(self, applications: loan.Applications, seed: int) -> None:
        self._applications = applications
        self._chance = np.random.default_rng([seed, 2])

    def draw(self) -> tuple[dict[str, object], str]:
        """Return one applicant and the right decision."""
        at = int(self._chance.integers(len(self._applications)))
        label = loan.DENY if self._applications.denied[at] else loan.APPROVE
        return loan.applicant(self._applications, at), label


class Traffic:
    """Sends applicants at a rate and their labels after a delay."""

    def __init__(
        self, client: Client, population: Population, *, rate: float, label_delay: float, run: str
    ) -> None:
        self._client = client
        self._population = population
        self._rate = rate
        self._label_delay = label_delay
        self._run = run
        self._waiting: list[tuple[float, str, str]] = []  # due (monotonic seconds), id, label
        self.tally = Tally()

    def go(self, seconds: float, stopped: threading.Event) -> None:
        """Send until `seconds` are over or `stopped` is set; then send the labels that are left."""
        began = time.monotonic()
        due, labels_due = began, began
        while not stopped.is_set() and time.monotonic() - began < seconds:
            now = time.monotonic()
            if now >= labels_due:
                self._send_labels(now)
                labels_due = now + LABELS_EVERY_SECONDS
            if now < due:
                stopped.wait(min(due - now, LABELS_EVERY_SECONDS))
                continue
            self._send_one()
            due = max(due + 1 / self._rate, now - MOST_BEHIND_SECONDS)
        self._send_labels(float("inf"))
        self._client.close()

    def _send_one(self) -> None:
        applicant, label = self._population.draw()
        id = f"{self._run}-{self.tally.predictions + self.tally.errors}"
        try:
            answer = self._client.post("/predict", {"id": id, "applicant": applicant})
        except (OSError, http.client.HTTPException, ValueError):
            self.tally.errors += 1
            return
        self.tally.predictions += 1
        self.tally.denials += answer.get("decision") == loan.DENY
        version = str(answer.get("version"))
        self.tally.versions[version] = self.tally.versions.get(version, 0) + 1
        heapq.heappush(self._waiting, (time.monotonic() + self._label_delay, id, label))

    def _send_labels(self, until: float) -> None:
        due = []
        while self._waiting and self._waiting[0][0] <= until:
            due.append(heapq.heappop(self._waiting))
        if not due:
            return
        try:
            self._client.post("/labels", {"labels": [{"id": id, "label": label} for _, id, label in due]})
        except (OSError, http.client.HTTPException, ValueError):
            self.tally.errors += 1  # these labels are lost, as labels sometimes are
            return
        self.tally.labels += len(due)


def main(argv: list[str] | None = None) -> int:
    """Send until told to stop."""
    parser = argparse.ArgumentParser(description="Traffic of the demonstration, from a simulated population.")
    parser.add_argument("--server", required=True, help="address of the model server")
    parser.add_argument("--rate", type=float, default=40.0, help="requests a second")
    parser.add_argument(
        "--label-delay", type=float, default=5.0, help="seconds until the right decision is known"
    )
    parser.add_argument("--seconds", type=float, default=3600.0, help="how long at most")
    parser.add_argument("--seed", type=int, default=fault.SEED, help="seed of the draws")
    asked = parser.parse_args(argv)
    if not 0 < asked.rate <= 1000:
        parser.error("--rate must be above 0 and at most 1000")
    stopped = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    print(f"traffic: {POPULATION}; {asked.rate:g} a second", file=sys.stderr)
    # The split is the registry's: traffic comes from applications that no version was trained on.
    held_out = loan.split(loan.read(), fault.SEED).held_out
    traffic = Traffic(
        Client(asked.server),
        Population(held_out, asked.seed),
        rate=asked.rate,
        label_delay=asked.label_delay,
        run=f"sim-{int(time.time())}",
    )
    traffic.go(asked.seconds, stopped)
    tally = traffic.tally
    print(
        json.dumps(
            {
                "population": POPULATION,
                "predictions": tally.predictions,
                "denials": tally.denials,
                "labels": tally.labels,
                "errors": tally.errors,
                "versions": tally.versions,
            }
        )
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
