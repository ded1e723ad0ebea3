"""A night on call that nobody answers, on a virtual clock: the whole engine, store and desks for eight hours.

The policy has three levels and two rounds; then everyone able is called again and again until the morning.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from functools import partial
from pathlib import Path

from bench.figure import seconds, tell
from bench.ground import START
from tocsin.app import Program, build
from tocsin.connectors.sender import RecordingSender
from tocsin.engine import configuration, declare
from tocsin.kernel.clock import VirtualClock
from tocsin.settings import Settings

HOURS = 8
ROUNDS = 5
CONFIGURATION = """
{kind: person, id: ada, name: Ada Brandt, email: ada@example.org, roles: [commander],
 contact: [{id: mail, kind: email, address: ada@example.org}]}
---
{kind: person, id: ben, name: Ben Achebe, email: ben@example.org, roles: [commander, ml_engineer],
 contact: [{id: mail, kind: email, address: ben@example.org}]}
---
{kind: person, id: fay, name: Fay Moreau, email: fay@example.org, roles: [executive],
 contact: [{id: mail, kind: email, address: fay@example.org}]}
---
{kind: team, id: lending, name: Lending models, members: [ada, ben], lead: ada}
---
{kind: schedule, id: commanders, name: Commander on call, time_zone: Europe/Berlin,
 layers: [{id: week, people: [ada, ben], start: 2026-03-02, hand_off: "09:00", every_days: 7}]}
---
kind: escalation_policy
id: loan-desk
name: Loan desk
repeat: 1
levels:
  - {notify: [{schedule: commanders}], acknowledge_within_seconds: 300, role: commander}
  - {notify: [{person: ben}], acknowledge_within_seconds: 300, role: commander}
  - {notify: [{person: fay}], acknowledge_within_seconds: 600, role: commander}
---
{kind: system, id: loan, name: Loan approval, purpose: Decides on loans., owner: lending, users_exposed: 2380,
 escalation_policy: loan-desk}
"""


def evening(folder: Path, clock: VirtualClock, sender: RecordingSender) -> Program:
    """Build a program with the configuration above, and declare an incident at ten in the evening."""
    program = build(Settings(data=folder), clock=clock, sender=sender, durable=False)
    files = {"night.yaml": CONFIGURATION}
    configuration.apply(program.world, files, actor="person:ada", source="bench")
    title = "Loan model denies one group"
    declare.declare(program.world, title=title, actor="person:ada", by="ada", system="loan", severity=0)
    return program


def nights() -> tuple[list[float], list[float], int]:
    """Return the seconds of wall clock and of processor of each night, and how many pages one sends."""
    wall: list[float] = []
    processor: list[float] = []
    pages = 0
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as place:
            clock, sender = VirtualClock(START), RecordingSender()
            program = evening(Path(place), clock, sender)
            morning = START + dt.timedelta(hours=HOURS)
            taken = seconds(partial(program.runner.run_until, morning), 1)
            program.stop()
            wall += taken[0]
            processor += taken[1]
            pages = len(sender.sent)
    return wall, processor, pages


if __name__ == "__main__":
    wall, processor, pages = nights()
    tell(
        f"a night of {HOURS} hours that nobody answers, on a virtual clock",
        "seconds",
        wall,
        processor_seconds=min(processor),
        pages_sent=pages,
        mark="under 1 s on a quiet machine",
    )
