"""What `Telemetry.record` costs the model server for each prediction, and what counting costs in the background.

Nothing is sent: the delivery is a function that accepts everything, since the network is not the model server's cost.
"""

from __future__ import annotations

import random
import time

from bench.figure import rates, tell
from tocsin_sdk import Telemetry

COUNT = 50_000
FEATURES = 20


def predictions() -> list[dict[str, object]]:
    """Return the features of COUNT requests: 15 numbers, 5 texts."""
    rng = random.Random(7)
    numbers, texts = FEATURES - 5, 5
    return [
        {f"number_{n}": rng.gauss(100, 15) for n in range(numbers)}
        | {f"text_{n}": f"value {rng.randrange(10)}" for n in range(texts)}
        for _ in range(COUNT)
    ]


def telemetry() -> Telemetry:
    """Return a Telemetry without a thread, whose deliveries are accepted and dropped."""
    return Telemetry(
        "http://127.0.0.1:1",
        "token",
        "loan",
        "3",
        most_queued=COUNT * 2,
        post=lambda body: 202,
        background=False,
    )


def main() -> None:
    """Print both figures."""
    rows = predictions()
    ids = [f"request-{number}" for number in range(COUNT)]
    used: list[Telemetry] = []

    def record() -> int:
        used.append(telemetry())
        take = used[-1].record
        for id, row in zip(ids, rows, strict=True):
            take(id, row, "deny", 0.81, "A", 3.2)
        return COUNT

    found = rates(record)
    tell(
        f"Telemetry.record, {FEATURES} features, in the model server's thread",
        "us each",
        [1e6 / rate for rate in found.samples],
        processor_us_each=found.processor_us,
    )
    counted = []
    for one in used[-3:]:
        begun = time.process_time()
        assert one.flush()
        counted.append((time.process_time() - begun) / COUNT * 1e6)
        assert (one.counters.recorded, one.counters.dropped_records) == (COUNT, 0)
    tell(f"counting one prediction of {FEATURES} features in the background", "us of processor each", counted)


if __name__ == "__main__":
    main()
