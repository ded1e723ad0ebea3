"""The commands of incidents' lives: what benchmarks send through the whole transaction."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Iterator
from typing import Any

from tocsin.catalog.escalation_policy import EscalationPolicy, Level, Target
from tocsin.incidents.incident import INCIDENT, AddNote, AssignRole, Declare, NoteFinding, StartInvestigation
from tocsin.kernel.clock import UTC
from tocsin.kernel.ids import uuid7
from tocsin.response.oncall.escalation import Callee
from tocsin.response.oncall.page import (
    PAGE,
    Acknowledge,
    ReachLevel,
    RecordAttempt,
    Start,
    delivery_key,
    page_id,
)
from tocsin.store.transaction import Transaction

Work = Callable[[Transaction], Any]
COMMANDS_A_LIFE = 20
"""One declares, four page and answer, two take it up, three findings, ten notes: 22 events, 8 jobs."""

POLICY = EscalationPolicy(
    id="desk",
    name="Desk",
    levels=(Level(notify=(Target(person="ada"),), role="commander"), Level(notify=(Target(person="ben"),))),
)
ADA = Callee(person="ada", methods=("mail",), why="Ada is on call in Commanders until Monday.")
NOTE = (
    "The share of denials in the watched group rose from 0.21 to 0.39 after version 4 went into production."
)


def new_id() -> str:
    """Return a fresh incident id."""
    return uuid7(dt.datetime.now(UTC), secrets.token_bytes(10))


def lives() -> Iterator[Work]:
    """Yield command after command, one incident's life after another."""
    while True:
        yield from life(new_id())


def life(id: str) -> Iterator[Work]:
    """Yield the commands of one incident, to be carried out in this order."""

    def declare(tx: Transaction) -> None:
        number = tx.next_number("incident")
        command = Declare(number=number, title="Loan model denies one group", severity=0, reported_by="ada")
        tx.execute(INCIDENT, id, command, actor="person:ada", scope=id)

    page = page_id(id, 1, 1, "ada")
    key = delivery_key(id, 1, 1, "ada", "mail", 1)
    yield declare
    yield _one(PAGE, id, Start(incident=id, policy=POLICY, severity=0))
    yield _one(PAGE, id, ReachLevel(level=1, round=1, people=(ADA,)))
    yield _one(PAGE, id, RecordAttempt(page=page, method="mail", attempt=1, key=key, outcome="accepted"))
    yield _one(PAGE, id, Acknowledge(person="ada", page=page, how="link"))
    yield _one(INCIDENT, id, StartInvestigation(by="ada"))
    yield _one(INCIDENT, id, AssignRole(role="commander", person="ada", how="acknowledged the page"))
    for number in range(3):
        yield _one(INCIDENT, id, NoteFinding(finding=f"{id}-{number}", text=NOTE, evidence=("a" * 64,)))
    for _ in range(10):
        yield _one(INCIDENT, id, AddNote(text=NOTE))


def _one(kind: Any, id: str, command: Any) -> Work:
    return lambda tx: tx.execute(kind, id, command, actor="person:ada", scope=id)
