"""What strangers, mistakes and bad clocks do, and what must not follow from it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec

from tests.stories.harness import START, World
from tocsin.engine import declare, escalate, intake, profiles, review
from tocsin.incidents.incident import Resolve
from tocsin.store import tables
from tocsin_sdk.profile import Profile


def _quarantined(world: World) -> list[str]:
    query = tables.inbox.select().where(tables.inbox.c.quarantined.is_(True)).order_by(tables.inbox.c.id)
    return [row.reason for row in world.program.world.store.read(lambda c: c.execute(query).all())]


def _status_of(world: World, name: str) -> list[str]:
    query = tables.alert.select().where(tables.alert.c.title == name, tables.alert.c.current.is_(True))
    return [row.status for row in world.program.world.store.read(lambda c: c.execute(query).all())]


def test_an_alert_of_a_closed_incident_holds_up_neither_expiry_nor_its_neighbours() -> None:
    with World() as world:
        old = {"labels": {"alertname": "Old", "severity": "critical", "system": "loan"}}
        world.alert({**old, "endsAt": (START + dt.timedelta(days=30)).isoformat()})
        ((id, _),) = world.incidents()
        declare.change_severity(world.program.world, id, 2, "It is small", actor="person:ada")
        declare.tell(world.program.world, id, Resolve(summary="done"), actor="person:ada")
        world.settles()
        review.close(world.program.world, id, reason="small", actor="person:ada")
        world.alert({"labels": {"alertname": "Short", "severity": "critical"}})
        world.passes(minutes=6)
        assert _status_of(world, "Short") == ["expired"]
        ended = {**old, "endsAt": world.clock.now().isoformat()}
        world.alert(ended, {"labels": {"alertname": "NewAndBad", "severity": "critical"}})
        assert _status_of(world, "NewAndBad") == ["firing"]
        assert _quarantined(world) == []


def test_an_end_at_the_end_of_time_and_a_title_of_spaces_cost_nobody_their_alert() -> None:
    with World() as world:
        world.alert(
            {"labels": {"alertname": "Forever", "severity": "critical"}, "endsAt": "9999-12-31T23:59:59Z"},
            {"labels": {"alertname": " ", "severity": "critical"}, "annotations": {"summary": "  "}},
            {"labels": {"alertname": "GoodNeighbour", "severity": "critical"}},
        )
        titles = [incident.title for _, incident in world.incidents()]
        assert titles == ["Forever", "An alert without a name", "GoodNeighbour"]
        assert _quarantined(world) == []


def test_a_large_batch_is_derived_in_parts_and_names_only_the_first_alerts() -> None:
    with World() as world:
        names = [f"Alert {number:04}" for number in range(450)]
        world.alert(
            *(
                {"labels": {"alertname": name, "severity": "critical", "system": "loan", "category": "bias"}}
                for name in names
            )
        )
        ((_, incident),) = world.incidents()
        assert len(incident.alerts) == declare.ALERTS_NAMED
        query = tables.alert.select().where(tables.alert.c.incident.is_not(None))
        assert len(world.program.world.store.read(lambda c: c.execute(query).all())) == 450


def test_a_body_in_quarantine_is_derived_once_it_can_be() -> None:
    with World() as world:
        body = b'[{"labels": {"alertname": "Late", "severity": "critical"}}]'
        world._accept("unknown-format", body)
        assert world.incidents() == []
        store = world.program.world.store
        (id,) = store.read(
            lambda c: c.execute(tables.inbox.select().with_only_columns(tables.inbox.c.id)).scalars().all()
        )
        store.run(
            lambda tx: tx.connection.execute(tables.inbox.update().values(format="alertmanager")).rowcount
        )
        intake.replay(world.program.world, id)
        assert len(world.incidents()) == 1
        assert _quarantined(world) == []


def test_answering_without_having_been_paged_gives_no_command() -> None:
    with World() as world:
        id = world.declare("Loan model", system="loan", severity=0)
        escalate.acknowledge(world.program.world, id, "mallory", page_id=None, how="api", actor="account:x")
        world.settles()
        assert "commander" not in world.incident(id).roles
        assert world.incident(id).status == "investigating"


def _sent(version: str, start: dt.datetime, count: int, sequence: int = 1) -> dict[str, object]:
    profile = Profile()
    for _ in range(count):
        profile.add(prediction="deny", at_ms=int(start.timestamp() * 1000))
    return {
        "system": "loan", "window_start": start, "segment": "", "model_version": version, "producer": version,
        "sequence": sequence, "window_seconds": 10, "predictions": count,
        "body": msgspec.json.encode(profile.to_wire()),
    }  # fmt: skip


def test_a_stray_profile_does_not_speak_for_the_system() -> None:
    with World() as world:
        store, now = world.program.world.store, START
        honest = [
            _sent("3", now - dt.timedelta(seconds=20), 100),
            _sent("2", now - dt.timedelta(seconds=50), 100),
        ]
        strays = [
            _sent("zzz", now - dt.timedelta(seconds=1), 0),
            _sent("canary", now - dt.timedelta(seconds=1), 5),
        ]
        store.run(lambda tx: profiles.accept(tx, [*honest, *strays]))
        start = now - dt.timedelta(seconds=60)
        seen = store.read(lambda c: profiles.window(c, "loan", start, now))
        assert (seen.model_version, seen.profile.operations.volume) == ("3", 100)


def test_a_clock_set_back_during_a_look_does_not_end_the_looks() -> None:
    config = (
        "kind: monitor\nid: loan-freshness\nsystem: loan\ntitle: Age\ndimension: data_quality\n"
        "detector: freshness\nevery_seconds: 5\nwindow_seconds: 60\nthreshold: '20'\nunit: s\nwhy: Because.\n"
    )
    with World(config=(Path(__file__).parent / "loan.yaml").read_text() + "---\n" + config) as world:
        world.passes(seconds=22)
        world.clock.set(world.clock.now() - dt.timedelta(seconds=30))
        world.passes(minutes=2)
        query = tables.monitor_state.select()
        (row,) = world.program.world.store.read(lambda c: c.execute(query).all())
        assert row.at > START + dt.timedelta(minutes=1)
