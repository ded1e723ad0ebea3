"""Ready means that alerts are taken and acted on, not only that the process answers (PLT-3)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import insert

from tests.unit.web.conftest import Place
from tocsin.store import inbox, tables
from tocsin.web.operations import RECURRING


def ready(place: Place) -> tuple[int, list[str], dict[str, str]]:
    answer = place.client().get("/readyz")
    told = answer.json()
    return answer.status_code, told["problems"], told["transports"]


def add(place: Place, table: Any, **values: Any) -> None:
    place.world.store.run(lambda tx: tx.connection.execute(insert(table).values(**values)).close())


def test_a_server_in_order_is_ready(place: Place) -> None:
    assert ready(place) == (200, [], {"email": "absent: no mail server is set"})


@pytest.mark.parametrize(("seconds", "status"), [(30, 200), (31, 503)])
def test_intake_that_stands_still_is_no_readiness(place: Place, seconds: int, status: int) -> None:
    now = place.clock.now()
    received = now - dt.timedelta(seconds=seconds)
    body = {"format": "alertmanager", "integration": "test", "body": b"[]"}
    place.world.store.run(lambda tx: inbox.accept(tx.connection, now=received, **body))
    problems = ["Intake stands still: the oldest accepted body waits for 31 s."] if status == 503 else []
    assert ready(place)[:2] == (status, problems)
    place.program.runner.settle()
    assert not any("Intake" in problem for problem in ready(place)[1])


@pytest.mark.parametrize(
    ("kind", "ago", "status"),
    [*((kind, 9, 503) for kind in RECURRING), ("watch.look", 11, 200), ("deployments.look", 1, 200)],
)
def test_a_recurring_job_that_failed_lately_is_named(place: Place, kind: str, ago: int, status: int) -> None:
    now = place.clock.now()
    job = {"key": "one", "kind": kind, "scope": "installation", "due_at": now, "payload": b"{}"}
    add(place, tables.job, **job, state="failed", attempts=1, done_at=now - dt.timedelta(minutes=ago))
    told = [f"1 of the recurring jobs '{kind}' failed in the last 10 minutes."] if status == 503 else []
    assert ready(place)[:2] == (status, told)


def test_a_transport_that_failed_lately_is_named_by_its_kind_and_nobodys_address(place: Place) -> None:
    now = place.clock.now()
    common = {
        "scope": "one",
        "purpose": "page",
        "subject": "p",
        "person": "ada",
        "attempt": 1,
        "queued_at": now,
    }
    late = now - dt.timedelta(minutes=11)
    for key, method, state, at in (
        ("a", "chat", "failed", now), ("b", "chat", "accepted", now), ("c", "mail", "failed", late),
    ):  # fmt: skip
        add(place, tables.delivery, key=key, method=method, state=state, updated_at=at, detail="x", **common)
    status, problems, transports = ready(place)
    assert (status, problems) == (200, [])
    assert transports == {
        "email": "absent: no mail server is set",
        "chat": "failing: 1 of 2 deliveries failed in the last 10 minutes",
    }
