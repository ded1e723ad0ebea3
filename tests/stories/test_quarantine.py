"""A body that nobody foresaw is set aside with its reason, and what comes behind it is derived (SIG-1)."""

from __future__ import annotations

import json

from sqlalchemy import select

from tests.stories.harness import World
from tocsin.engine import intake
from tocsin.signals.formats import alertmanager, pagerduty
from tocsin.store import tables


def test_a_body_that_breaks_its_reader_holds_nothing_up() -> None:
    with World() as world:
        program = world.program.world
        alert = json.dumps([{"labels": {"alertname": "behind", "severity": "low"}}]).encode()
        bodies = (
            (alertmanager.SOURCE, alert.replace(b"behind", b"before"), ""),
            (pagerduty.SOURCE, b"{}", "no hexadecimal digits/x"),
            (alertmanager.SOURCE, alert, ""),
        )
        for format, body, note in bodies:
            program.store.run(intake.accept(program, format=format, integration="test", body=body, note=note))
        world.program.runner.settle()
        titles = program.store.read(lambda c: c.execute(select(tables.alert.c.title)).scalars().all())
        aside = select(tables.inbox.c.format, tables.inbox.c.reason).where(
            tables.inbox.c.quarantined.is_(True)
        )
        found = program.store.read(lambda c: c.execute(aside).all())
    assert sorted(titles) == ["before", "behind"]
    assert [tuple(one) for one in found] == [(pagerduty.SOURCE, "It could not be derived: ValueError.")]
