"""The main job on a virtual clock: from the first signal to the closed incident and its verified record."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from tests.stories.harness import START, World
from tocsin import cli_verify
from tocsin.engine import communicate, contain, declare, escalate, review, run_playbook, seal
from tocsin.incidents.incident import RecordFacts, Resolve
from tocsin.kernel.errors import Refused
from tocsin.response.containment.action import CONTAINMENT
from tocsin.response.playbooks.run import RUN
from tocsin.reviews import review as reviews
from tocsin.reviews.review import REVIEW
from tocsin.signals.formats.monitor_alert import MonitorAlert
from tocsin.store import tables


def fires(at: dt.datetime = START, monitor: str = "loan-parity") -> MonitorAlert:
    return MonitorAlert(
        monitor=monitor,
        system="loan",
        category="bias",
        dimension="fairness",
        title="Denials by group",
        state="firing",
        at=at,
        since=at - dt.timedelta(minutes=1),
        reading="The gap grew by 30 points.",
        facts={"protected_group_harmed": True, "significant_bias": True},
        threshold="10",
        unit="points",
        why="Ten points are one applicant in ten.",
    )


def test_a_monitor_fires_and_one_incident_follows_with_its_reasons() -> None:
    with World() as world:
        world.monitor(fires())
        world.monitor(fires(monitor="loan-equalised-odds"))
        world.monitor(fires())
        ((id, incident),) = world.incidents()
        assert (incident.severity, incident.category, incident.system) == (0, "bias", "loan")
        assert any("protected group" in one.sentence for one in incident.criteria)
        assert len(incident.alerts) == 2
        assert incident.began_at == START - dt.timedelta(minutes=1)
        assert len(world.mails_to("ada")) == 1
        assert world.said(id, "Playbook started")


def test_alertmanager_s_critical_alert_declares_rank_zero_and_its_repeats_do_not() -> None:
    with World() as world:
        alert = {"labels": {"alertname": "LoanDown", "severity": "critical", "system": "loan"}}
        for _ in range(5):
            world.alert(alert)
            world.passes(minutes=1)
        ((_, incident),) = world.incidents()
        assert incident.severity == 0
        world.alert({"labels": {"alertname": "Note", "severity": "info", "system": "other"}})
        assert len(world.incidents()) == 1


def test_an_alert_that_nobody_repeats_expires_and_fires_again_as_a_new_episode() -> None:
    with World() as world:
        alert = {"labels": {"alertname": "LoanDown", "severity": "warning"}}
        world.alert(alert)
        world.passes(minutes=7)
        world.alert(alert)
        store = world.program.world.store
        rows = store.read(lambda c: c.execute(tables.alert.select().order_by(tables.alert.c.episode)).all())
        assert [(row.episode, row.status, row.current) for row in rows] == [
            (1, "expired", False),
            (2, "firing", True),
        ]


def test_a_body_that_cannot_be_read_is_quarantined_and_stops_nothing() -> None:
    with World() as world:
        world._accept("alertmanager", b"this is no JSON")
        world.alert({"labels": {"alertname": "LoanDown", "severity": "critical"}})
        assert len(world.incidents()) == 1
        query = tables.inbox.select().where(tables.inbox.c.quarantined.is_(True))
        (row,) = world.program.world.store.read(lambda connection: connection.execute(query).all())
        assert bytes(row.body) == b"this is no JSON"
        assert row.reason


def test_a_person_overrides_with_a_reason_and_worse_news_raises_it_again() -> None:
    with World() as world:
        id = world.declare("Loan model", system="loan", facts={"significant_bias": True})
        assert world.incident(id).severity == 1
        with pytest.raises(Refused, match="needs words"):
            declare.change_severity(world.program.world, id, 2, " ", actor="person:ada")
        declare.change_severity(world.program.world, id, 2, "Only a test segment", actor="person:ada")
        world.passes(minutes=1)
        assert world.incident(id).severity == 2
        news = RecordFacts(facts={"protected_group_harmed": True}, reason="Counted by hand")
        declare.tell(world.program.world, id, news, actor="person:ben")
        world.passes(minutes=1)
        assert world.incident(id).severity == 0


def test_from_the_first_signal_to_a_verified_record(tmp_path: Path) -> None:
    with World() as world:
        program = world.program.world
        world.monitor(fires())
        ((id, _),) = world.incidents()
        world.passes(minutes=6)
        escalate.acknowledge(program, id, "ben", page_id=None, how="console", actor="person:ben")
        world.settles()

        # The probes have answered what live data can tell; a person answers the last question.
        run = _run(world, id)
        state = program.store.state(RUN, run)
        assert [(v.answer, v.by) for v in state.path if v.answer] == [("yes", "probe"), ("yes", "probe")]
        run_playbook.answer(program, run, step="changed", answer="yes", who="ben", actor="person:ben")
        world.settles()
        assert [one.action for one in program.store.state(RUN, run).standing()] == ["rollback"]

        # Containment: asked for, approved by the commander only, captured before it acts, verified by probe.
        action = contain.request(
            program, id, "rollback", reason="It denies one group", by="ben", actor="person:ben"
        )
        with pytest.raises(Refused, match="commander"):
            contain.approve(program, action, by="ada", actor="person:ada")
        contain.approve(program, action, by="ben", actor="person:ben")
        world.probe.says["serving"] = "no"
        world.passes(seconds=5)
        assert program.store.state(CONTAINMENT, action).status == "acted"
        assert world.registry.models["loan"].alias == "2"
        world.probe.says["serving"] = "yes"
        world.passes(seconds=5)
        assert world.incident(id).status == "contained"
        assert world.registry.writes == 1
        order = [line.type for line in world.timeline(id) if line.type.startswith("containment.")]
        assert order.index("containment.snapshot_sealed") < order.index("containment.acted")

        # Words, resolution, review, closing.
        fields = {
            "status": "Contained",
            "actions": "Went back to version 2",
            "next_steps": "Retrain",
            "estimate": "Tomorrow",
        }
        communicate.send_update(
            program, id, template="update-responders", fields=fields, by="ben", actor="person:ben"
        )
        world.passes(minutes=1)
        assert any("Went back to version 2" in message.body for message in world.mails_to("ada"))
        declare.tell(
            program, id, Resolve(summary="Version 2 serves; version 3 is withdrawn."), actor="person:ben"
        )
        world.settles()
        assert world.incident(id).status == "reviewing"
        with pytest.raises(Refused, match="finished review"):
            review.close(program, id, reason="", actor="person:ben")
        _review(world, id)
        review.close(program, id, reason="", actor="person:ben")
        assert world.incident(id).status == "closed"

        # Proof.
        made = seal.export_incident(program, id, by="ben", purpose="Audit", actor="person:ben")
        for path, data in made.files.items():
            place = tmp_path / "export" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        assert cli_verify.main(str(tmp_path / "export"), made.vkey) == 0
        entry = sorted((tmp_path / "export" / "entries").iterdir())[3]
        entry.write_bytes(entry.read_bytes().replace(b'"at":"2026', b'"at":"2025', 1))
        assert cli_verify.main(str(tmp_path / "export"), made.vkey) == 1


def _run(world: World, id: str) -> str:
    query = tables.run.select().where(tables.run.c.incident == id)
    (row,) = world.program.world.store.read(lambda connection: connection.execute(query).all())
    return str(row.id)


def _review(world: World, id: str) -> None:
    program = world.program.world

    def tell(command: reviews.ReviewCommand) -> None:
        review.tell(program, id, command, actor="person:ben")

    state = program.store.state(REVIEW, id)
    assert state.timeline
    assert {figure.id: figure.seconds for figure in state.figures}["acknowledge"] == 360
    for question in state.questions:
        tell(reviews.Answer(question=question.id, text="The labels of one group were flipped in training."))
    tell(
        reviews.AddFactor(
            part="training", kind="data", text="Nobody compared the labels by group before training."
        )
    )
    tell(
        reviews.RecordFairness(
            assessable=False, text="The story's system sends no predictions, so no gap can be measured."
        )
    )
    due = (world.clock.now() + dt.timedelta(days=14)).date()
    tell(
        reviews.AddActionItem(
            item="item-1",
            text="Add a release gate that compares the denial gap of a candidate with the pinned reference",
            owner="ada",
            due=due,
            measure="A candidate with a gap 10 points above the reference is refused by the gate in a test.",
        )
    )
    tell(reviews.Finish(by="ben", follow_up=due, playbook_change="none"))


def test_a_containment_that_stops_holding_is_noticed() -> None:
    with World() as world:
        program = world.program.world
        id = world.declare("Loan model", system="loan", facts={"protected_group_harmed": True})
        escalate.acknowledge(program, id, "ada", page_id=None, how="console", actor="person:ada")
        world.settles()
        action = contain.request(program, id, "rollback", reason="Stop it", by="ada", actor="person:ada")
        contain.approve(program, action, by="ada", actor="person:ada")
        world.passes(minutes=10)
        assert world.incident(id).status == "contained"
        world.probe.says["serving"] = "no"
        world.passes(minutes=2)
        assert world.incident(id).status == "investigating"
        assert world.said(id, "Containment lost")
