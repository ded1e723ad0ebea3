"""Playbook runs as jobs: start the tree that fits, let probes answer what live data can (RSP-2, RSP-5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tocsin.catalog.playbook import Question
from tocsin.catalog.system import Probe
from tocsin.connectors.ports import Answer
from tocsin.engine import capture, crash
from tocsin.engine.contain import roles_of
from tocsin.engine.duty import ENGINE, Duty, Errand
from tocsin.engine.world import World
from tocsin.evidence.item import EvidenceItem
from tocsin.incidents.incident import INCIDENT
from tocsin.kernel.errors import NotFound
from tocsin.response.playbooks import run as runs
from tocsin.response.playbooks.run import RUN, Run
from tocsin.store.jobs import Held
from tocsin.store.transaction import Transaction


def _start(tx: Transaction, job: Held, world: World) -> None:
    start(tx, world, job.payload["incident"], actor=ENGINE)


def start(tx: Transaction, world: World, incident: str, *, actor: str, playbook: str | None = None) -> str:
    """Start the run of `playbook`, or of the one for the incident's category; return the run's id."""
    state, catalog = tx.state(INCIDENT, incident), world.catalog.current
    if playbook is not None and playbook not in catalog.playbooks:
        raise NotFound(f"There is no playbook called {playbook!r}.", mend="Choose one of the catalog's.")
    chosen = (
        catalog.playbooks[playbook] if playbook else catalog.playbook_of(state.system, state.category or "")
    )
    system = catalog.systems.get(state.system or "")
    probes = tuple(probe.id for probe in system.probes) if system else ()
    id = tx.new_id()
    command = runs.Start(incident=incident, system=state.system or "", playbook=chosen, probes=probes)
    tx.execute(RUN, id, command, actor=actor, scope=incident)
    return id


def answer(
    world: World,
    run: str,
    *,
    step: str,
    answer: str,
    who: str,
    actor: str,
    note: str = "",
    visit: int | None = None,
    evidence: tuple[str, ...] = (),
) -> Run:
    """Answer the present question as a person; raise `Refused` with where the run is or the choices there are."""

    def tell(tx: Transaction) -> Run:
        state = known(tx.state(RUN, run))
        command = runs.Answer(
            step=step,
            answer=answer,
            by="person",
            who=who,
            visit=visit,
            roles=roles_of(tx.state(INCIDENT, state.incident), who),
            note=note,
            evidence=evidence,
        )
        return tx.execute(RUN, run, command, actor=actor, scope=state.incident).state

    return world.store.run(tell)


def tell(world: World, run: str, command: runs.RunCommand, *, actor: str) -> Run:
    """Give any other command to a run: a task done, a step revisited, the run abandoned."""

    def act(tx: Transaction) -> Run:
        state = known(tx.state(RUN, run))
        return tx.execute(RUN, run, command, actor=actor, scope=state.incident).state

    return world.store.run(act)


def known(state: Run) -> Run:
    """Return `state` when the run exists; raise `NotFound` otherwise."""
    if state.status == "none":
        raise NotFound("There is no such playbook run.")
    return state


# --- probes ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """One question put to one probe."""

    run: str
    step: str
    visit: int
    probe: Probe


def _prepare(job: Held, world: World) -> Asked | None:
    state = world.store.state(RUN, job.payload["run"])
    step = state.current()
    if state.status != "running" or state.step != job.payload["step"] or not isinstance(step, Question):
        return None
    system = world.catalog.current.systems.get(state.system)
    probe = system.probe(step.probe or "") if system else None
    return Asked(job.payload["run"], step.id, job.payload["visit"], probe) if probe else None


def _perform(asked: Asked, world: World) -> Answer:
    found = world.probe_connector(asked.probe.connector).answer(asked.probe.params, {})
    crash.point("probe.after_measure")
    return found


def _record(tx: Transaction, job: Held, asked: Asked, found: Any, world: World) -> None:
    command = runs.Answer(
        step=asked.step,
        answer=found.answer,
        by="probe",
        who=asked.probe.id,
        visit=asked.visit,
        measured=found.measured,
        note=found.detail,
    )
    tx.execute(RUN, asked.run, command, actor=f"probe:{asked.probe.id}", scope=job.payload["incident"])


def _give_up(tx: Transaction, job: Held, why: str, world: World) -> None:
    """A probe that cannot measure hands its question to a person."""
    command = runs.Answer(
        step=job.payload["step"],
        answer="unknown",
        by="probe",
        who="probe",
        visit=job.payload["visit"],
        note=why,
    )
    tx.execute(RUN, job.payload["run"], command, actor=ENGINE, scope=job.payload["incident"])


# --- evidence steps -------------------------------------------------------------------------------


def _prepare_keep(job: Held, world: World) -> Run | None:
    state = world.store.state(RUN, job.payload["run"])
    return state if state.system in world.catalog.current.systems else None


def _keep(state: Run, world: World) -> list[EvidenceItem]:
    """Capture the system as it is now, through the connector of its first containment action."""
    actions = world.catalog.current.system(state.system).containment
    return capture.take(
        world,
        incident=state.incident,
        system=state.system,
        action=actions[0] if actions else None,
        key=state.incident,
        reason="Kept because the playbook asks for it.",
    )


def _record_keep(tx: Transaction, job: Held, state: Run, items: Any, world: World) -> None:
    capture.record(tx, items, state.incident)


WORK = (
    Duty("run.start", _start),
    Errand("run.keep", _prepare_keep, _keep, _record_keep, attempts=5),
    Errand("run.probe", _prepare, _perform, _record, _give_up, attempts=3),
)
