"""kill -9 in the middle of a burst: every alert that was answered with 200 is there after the restart (PLT-2, SIG-1)."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest

from tests.integration.harness.sender import Sender
from tests.integration.harness.server import Caller, Server

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(400)]

ALERTS = 300


@pytest.mark.parametrize(
    ("database_settings", "kills"),
    [("sqlite", 6), pytest.param("postgres", 4, marks=pytest.mark.postgres)],
    indirect=["database_settings"],
)
def test_every_alert_answered_for_survives_kills_at_random_moments_of_a_burst(
    make_server: Callable[..., Server], database_settings: dict[str, str], kills: int
) -> None:
    server = make_server(**database_settings)
    server.start()
    chance, accepted = random.Random(20261123 + kills), []
    for kill in range(kills):
        after = chance.randrange(1, ALERTS)
        sender = Sender(server, f"burst-{kill}")
        sender.on_accepted = lambda count, last=after: server.kill() if count == last else None
        sender.start(ALERTS)
        sender.finish()
        assert after <= len(sender.accepted) < ALERTS
        assert sender.answers[0], "some met a dead server"
        accepted += sender.accepted
        server.start()
    caller = Caller(server)

    def listed() -> Counter[str]:
        return Counter(one["labels"]["alertname"] for one in caller.get("/api/v2/alerts"))

    server.until("all that was answered for", lambda: not set(accepted) - set(listed()))
    assert max(listed().values()) == 1
    assert caller.get("/api/v1/quarantine")["quarantine"] == []
