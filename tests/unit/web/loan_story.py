"""The loan system with everything an answer needs: actions, probes, a monitor with readings, a playbook, and a fault."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import insert, select

from tests.fakes.alias_registry import FakeAliasRegistry, FakeModel
from tests.unit.web.conftest import Place
from tocsin.connectors.ports import Answer
from tocsin.engine import contain, declare
from tocsin.incidents.incident import INCIDENT, AssignRole, Resolve
from tocsin.response.containment.action import CONTAINMENT, Containment
from tocsin.response.playbooks.run import RUN, Run
from tocsin.reviews.review import REVIEW, Review
from tocsin.signals.alarm import AlarmState
from tocsin.signals.reading import Reading
from tocsin.store import tables

CONFIGURATION = """\
kind: person
id: ada
name: Ada Reyes
email: ada@example.org
contact: [{id: mail, kind: email, address: ada@example.org}]
roles: [commander]
---
kind: person
id: bo
name: Bo Lind
email: bo@example.org
contact: [{id: mail, kind: email, address: bo@example.org}]
roles: [technical_lead]
---
kind: team
id: credit
name: Credit
members: [ada, bo]
lead: ada
---
kind: component
id: applications
name: Stream of applications
type: feed
---
kind: system
id: loan-approval
name: Loan approval
purpose: Decides on mortgages.
owner: credit
model: loan
users_exposed: 2000
decisions_per_day: 400
criticality: 1
depends_on: [applications]
groups: {attribute: group, reference: others, protected: [minority]}
escalation_policy: credit
playbooks: {bias: loan-bias}
laws: [{law: Equal Credit Opportunity Act, regulatory_class: credit decisions, citation: 15 U.S.C. 1691}]
containment:
  - id: rollback
    title: Go back one version
    verb: rollback
    connector: mlflow
    params: {registry: "r", model: loan, alias: champion, to: previous}
    takes: 5 s
    affects: New applications are decided by the earlier version.
    when: The trouble began with a new version.
    verify: [gap_closed]
  - id: two-person
    title: Switch the service off
    verb: flag_off
    connector: mlflow
    params: {registry: "r", model: loan, alias: champion, to: previous}
    reversible: false
    approval: {"0": [commander, technical_lead], "1": [commander, technical_lead]}
probes:
  - {id: pipeline_healthy, title: Is the data healthy?, connector: test, params: {ask: pipeline}}
  - {id: recent_deployment, title: Was there a new version?, connector: test, params: {ask: deployed}}
  - {id: gap_closed, title: Is the gap back within its tolerance?, connector: test, params: {ask: gap}}
---
kind: monitor
id: loan-parity
system: loan-approval
title: Denials by group
dimension: fairness
detector: parity_gap
params: {adverse: deny, protected: minority, reference: others}
every_seconds: 60
window_seconds: 60
threshold: "10"
unit: points
why: Ten points more means one applicant in ten.
category: bias
---
kind: playbook
id: loan-bias
title: A group is denied more often
category: bias
owner: ethics_lead
reviewed_on: 2026-01-01
first_step: pipeline
steps:
  - {step: question, id: pipeline, text: Is the data healthy now?, probe: pipeline_healthy,
     answers: {yes: deployed, no: repair, unknown: deployed}}
  - {step: question, id: deployed, text: Did a new version go live?, probe: recent_deployment,
     shows: [deployments, fairness], answers: {yes: rollback, no: repair, unknown: rollback}}
  - {step: recommendation, id: rollback, action: rollback, text: Go back., why: The gap is the model's., next: decide}
  - {step: decision, id: decide, text: Has it been rolled back?, role: commander, options: {done: repair, declined: repair}}
  - {step: task, id: repair, text: List the decisions concerned., owner: domain_expert, next: end}
  - {step: end, id: end, outcome: Nobody is harmed any more.}
---
kind: escalation_policy
id: credit
name: Credit desk
levels:
  - {notify: [{person: ada}], acknowledge_within_seconds: 300, role: commander}
  - {notify: [{team: credit}], acknowledge_within_seconds: 300}
"""


@dataclass
class Says:
    """A probe that says what the test wants."""

    name: str = "test"
    answers: dict[str, str] = field(default_factory=dict)

    def answer(self, params: Mapping[str, str], given: Mapping[str, str]) -> Answer:
        """Return the answer put under the probe's `ask`; yes without one."""
        said: Any = self.answers.get(params["ask"], "yes")
        return Answer(
            answer=said, measured={"loan-parity": "1.250000 points"}, detail=f"Asked about {params['ask']}."
        )


@dataclass
class Story:
    """An installation in which the loan model does harm."""

    place: Place
    registry: FakeAliasRegistry
    probe: Says

    def incident(self, **more: Any) -> int:
        """Declare the incident, let Ada command it, let the playbook run as far as it can; return its number."""
        number = self.place.declare(facts={"protected_group_harmed": True}, **more)
        command = AssignRole(role="commander", person="ada", how="took command")
        declare.tell(self.place.world, self.id(number), command, actor="person:ada")
        self.place.program.runner.settle()
        return number

    def id(self, number: int) -> str:
        """Return an incident's id."""
        return str(self._one(select(tables.incident.c.id).where(tables.incident.c.number == number)))

    def run(self, number: int) -> tuple[str, Run]:
        """Return the incident's run."""
        id = str(self._one(select(tables.run.c.id).where(tables.run.c.incident == self.id(number))))
        return id, self.place.world.store.state(RUN, id)

    def ask(self, number: int, action: str = "rollback", by: str = "bo") -> str:
        """Ask for a containment action; return its id."""
        return contain.request(
            self.place.world,
            self.id(number),
            action,
            reason="People are harmed.",
            by=by,
            actor=f"person:{by}",
        )

    def action(self, id: str) -> Containment:
        """Return a containment action."""
        return self.place.world.store.state(CONTAINMENT, id)

    def settle(self, seconds: int = 5) -> None:
        """Let everything happen that is due within `seconds`."""
        self.place.program.runner.run_until(self.place.clock.now() + dt.timedelta(seconds=seconds))

    def resolve(self, number: int) -> Review:
        """Resolve the incident; its review opens."""
        command = Resolve(summary="The old version serves.")
        declare.tell(self.place.world, self.id(number), command, actor="person:ada")
        self.place.program.runner.settle()
        return self.review(number)

    def review(self, number: int) -> Review:
        """Return the incident's review."""
        return self.place.world.store.state(REVIEW, self.id(number))

    def read(self, *values: str, state: str = "ok") -> None:
        """Let the parity monitor have found `values`, one a minute until now."""
        now = self.place.clock.now()
        found = [
            _reading(Decimal(value), now - dt.timedelta(minutes=len(values) - 1 - number), state)
            for number, value in enumerate(values)
        ]

        def keep(tx: Any) -> None:
            for one in found:
                document = msgspec.json.encode(one)
                row = {"monitor": one.monitor, "at": one.at, "state": one.state, "document": document}
                tx.connection.execute(insert(tables.reading).values(**row))
            last = found[-1]
            tx.connection.execute(
                insert(tables.monitor_state).values(
                    monitor=last.monitor,
                    system=last.system,
                    at=last.at,
                    state=last.state,
                    runs=len(found),
                    alarm=msgspec.json.encode(AlarmState()),
                    reading=msgspec.json.encode(last),
                )
            )

        self.place.world.store.run(keep)

    def status(self, number: int) -> str:
        """Return the incident's state."""
        return self.place.world.store.state(INCIDENT, self.id(number)).status.value

    def _one(self, query: Any) -> Any:
        return self.place.world.store.read(lambda connection: connection.execute(query).scalar_one())


def _reading(value: Decimal, at: dt.datetime, state: Any) -> Reading:
    return Reading(
        monitor="loan-parity",
        system="loan-approval",
        dimension="fairness",
        detector="parity_gap",
        state=state,
        value=value,
        lower=value - 5,
        upper=value + 5,
        threshold=Decimal(10),
        unit="points",
        direction="above",
        sample=480,
        sentence=f"The gap grew by {value} points.",
        figures={"gap": str(value / 100), "pinned_gap": "0.183"},
        groups=(),
        window_start=at - dt.timedelta(minutes=1),
        window_end=at,
        at=at,
        model_version="7",
    )


def tell(place: Place) -> Story:
    """Return `place` with the loan registry (version 7 replaced 6) and the probe in it."""
    registry, probe = FakeAliasRegistry(), Says()
    registry.models["loan"] = FakeModel(alias="7", versions={"6": b"good", "7": b"bad"}, replaced={"7": "6"})
    place.world.containment["mlflow"] = registry
    place.world.probes["test"] = probe
    return Story(place, registry, probe)
