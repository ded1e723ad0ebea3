"""A whole program with time in hand and a fake outside world: stories read as prose on top of this.

The engine, the store and the desks are the real ones. Fakes stand behind ports only: the sender remembers, the
registry is an alias in memory (its contract suite runs on the real one too).
"""

from __future__ import annotations

import datetime as dt
import re
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
from sqlalchemy import select

from tests.fakes.alias_registry import FakeAliasRegistry, FakeModel
from tocsin.app import Program, build
from tocsin.connectors.ports import Answer, Params
from tocsin.connectors.sender import Message, RecordingSender
from tocsin.engine import configuration, declare, intake, review
from tocsin.incidents.incident import INCIDENT, Incident
from tocsin.incidents.timeline import Entry
from tocsin.kernel.clock import VirtualClock
from tocsin.response.oncall.page import PAGE, Escalation
from tocsin.settings import Settings
from tocsin.signals.formats import alertmanager, monitor_alert
from tocsin.signals.formats.monitor_alert import MonitorAlert
from tocsin.store import tables

START = dt.datetime(2026, 3, 2, 22, 0, tzinfo=dt.UTC)
"""A Monday evening."""


class Probe:
    """Answers as the story says."""

    name = "scripted"

    def __init__(self) -> None:
        self.says: dict[str, str] = {}

    def answer(self, params: Params, given: Params) -> Answer:
        """Return what the story scripted for this probe; 'yes' by default."""
        said = self.says.get(params["name"], "yes")
        return Answer(
            answer=said, measured={"asked": params["name"]}, detail=f"{params['name']} says {said}."
        )  # type: ignore[arg-type]  # the story's word


class World:
    """One installation in a story."""

    def __init__(self, *, config: str = "") -> None:
        self._place = tempfile.TemporaryDirectory(prefix="tocsin-story-")
        self.directory = Path(self._place.name)
        self.clock = VirtualClock(START)
        self.sender = RecordingSender()
        loan = FakeModel(alias="3", versions={"2": b"good", "3": b"bad"}, replaced={"3": "2"})
        self.registry = FakeAliasRegistry(models={"loan": loan})
        self.probe = Probe()
        self.program = self.open()
        text = config or (Path(__file__).parent / "loan.yaml").read_text()
        configuration.apply(self.program.world, {"loan.yaml": text}, actor="person:ada", source="story")

    def open(self) -> Program:
        """Build the program on the story's directory: at first, and again after a restart."""
        program = build(
            Settings(data=self.directory / "data"), clock=self.clock, sender=self.sender, durable=False
        )
        program.world.containment["mlflow"] = self.registry
        program.world.probes["scripted"] = self.probe
        return program

    def restart(self) -> None:
        """Stop the program and build it anew on the same data."""
        self.program.stop()
        self.program = self.open()

    def __enter__(self) -> World:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.program.stop()
        self._place.cleanup()

    # --- time ---------------------------------------------------------------------------------

    def passes(self, **span: float) -> None:
        """Let time pass; everything due happens at its time."""
        self.program.runner.run_until(self.clock.now() + dt.timedelta(**span))

    def settles(self) -> None:
        """Let everything happen that is due now."""
        self.program.runner.settle()

    # --- what comes in ------------------------------------------------------------------------

    def alert(self, *alerts: dict[str, Any]) -> None:
        """Send alerts as Alertmanager's senders do."""
        self._accept(alertmanager.SOURCE, msgspec.json.encode(alerts))

    def monitor(self, alert: MonitorAlert) -> None:
        """Let a monitor report."""
        self._accept(monitor_alert.SOURCE, monitor_alert.encode(alert))

    def _accept(self, format: str, body: bytes) -> None:
        world = self.program.world
        world.store.run(intake.accept(world, format=format, integration="story", body=body))
        self.settles()

    def declare(self, title: str, **known: Any) -> str:
        """Declare an incident as Ada; return its id."""
        id, _ = declare.declare(self.program.world, title=title, actor="person:ada", by="ada", **known)
        self.settles()
        return id

    # --- what can be seen ---------------------------------------------------------------------

    def incidents(self) -> list[tuple[str, Incident]]:
        """Return every incident, oldest first."""
        store = self.program.world.store
        query = select(tables.incident.c.id).order_by(tables.incident.c.number)
        ids = store.read(lambda connection: connection.execute(query).scalars().all())
        return [(id, store.state(INCIDENT, id)) for id in ids]

    def incident(self, id: str) -> Incident:
        """Return one incident."""
        return self.program.world.store.state(INCIDENT, id)

    def paging(self, id: str) -> Escalation:
        """Return the escalation of an incident."""
        return self.program.world.store.state(PAGE, id)

    def timeline(self, id: str) -> list[Entry]:
        """Return the timeline of an incident."""
        return review.told(self.program.world, self.program.world.store.events(scope=id))

    def said(self, id: str, word: str) -> list[Entry]:
        """Return the lines of the timeline that hold `word`."""
        return [line for line in self.timeline(id) if word in line.text]

    def mails_to(self, person: str) -> list[Message]:
        """Return what was sent to a person's mail address."""
        return [message for message in self.sender.sent if message.address == f"{person}@example.org"]

    def link_in(self, message: Message) -> str:
        """Return the one-tap link of a page."""
        found = re.search(r"http\S+/acknowledge/\S+", message.body)
        assert found is not None
        return found[0]
