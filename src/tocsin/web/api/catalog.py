"""The catalog and telemetry by API: systems, configuration as code, profiles, predictions and labels."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field
from sqlalchemy import select

from tocsin.catalog import plan as plans
from tocsin.catalog.applied import CONFIGURATION, PinReference
from tocsin.engine import configuration, predictions, profiles
from tocsin.kernel.errors import Invalid, Malformed, NotFound
from tocsin.signals.monitor import Reading
from tocsin.store import tables
from tocsin.store.transaction import INSTALLATION, Transaction
from tocsin.web.api.answers import Body, answer, rows, unpacked, world_of
from tocsin.web.permissions import Caller, Needs

router = APIRouter(prefix="/api/v1", tags=["catalog"])
READ = [Depends(Needs("read"))]


class FilesBody(Body):
    """A configuration directory: relative path to YAML text."""

    files: dict[str, str]


class ReferenceBody(Body):
    """A profile to compare with from now on, such as the one of the validation data."""

    profile: dict[str, Any]
    model_version: Annotated[str, Field(min_length=1, max_length=120)]
    note: Annotated[str, Field(max_length=2000)] = ""


@router.get("/systems", dependencies=READ)
def list_systems(request: Request) -> Response:
    """List the systems under watch."""
    return answer({"systems": list(world_of(request).catalog.current.systems.values())})


@router.get("/systems/{id}", dependencies=READ)
def read_system(request: Request, id: str) -> Response:
    """Return a system with its monitors' present readings and the deployments that were seen."""
    world = world_of(request)
    system = world.catalog.current.system(id)
    states = select(tables.monitor_state).where(tables.monitor_state.c.system == id)
    found = world.store.read(lambda connection: connection.execute(states).all())
    seen = select(tables.deployment).where(tables.deployment.c.system == id).order_by(tables.deployment.c.id)
    readings = {
        row.monitor: {"runs": row.runs, "reading": msgspec.json.decode(row.reading, type=Reading)}
        for row in found
    }
    return answer(
        {
            "system": system,
            "monitors": list(world.catalog.current.monitors_of(id)),
            "readings": readings,
            "deployments": rows(world, seen),
        }
    )


@router.post("/systems/{id}/reference", status_code=201)
def pin_reference(
    request: Request, id: str, body: ReferenceBody, caller: Annotated[Caller, Depends(Needs("configure"))]
) -> Response:
    """Pin the reference profile of a system; monitors compare with it from now on, and the record says who did it."""
    world = world_of(request)
    world.catalog.current.system(id)

    def pin(tx: Transaction) -> str:
        version, note = body.model_version, body.note
        digest = profiles.pin(tx, id, body.profile, model_version=version, note=note, by=caller.actor)
        command = PinReference(system=id, digest=digest, model_version=version, note=note)
        tx.execute(CONFIGURATION, INSTALLATION, command, actor=caller.actor, scope=INSTALLATION)
        return digest

    digest = world.store.run(pin)
    return answer({"system": id, "sha256": digest}, 201)


# --- configuration as code ------------------------------------------------------------------------


@router.get("/configuration", dependencies=READ)
def read_configuration(request: Request) -> Response:
    """Return the version in force and the history: who applied what, and when."""
    table = tables.configuration
    query = select(table.c.version, table.c.digest, table.c.applied_at, table.c.applied_by).order_by(
        table.c.version
    )
    world = world_of(request)
    return answer({"version": world.catalog.version, "history": rows(world, query)})


@router.post("/configuration/plan")
def plan(
    request: Request, body: FilesBody, caller: Annotated[Caller, Depends(Needs("configure"))]
) -> Response:
    """Show what files would change; changes nothing."""
    found = configuration.show_plan(world_of(request), body.files)
    return answer({"plan": found, "text": plans.render(found)})


@router.post("/configuration/apply")
def apply(
    request: Request, body: FilesBody, caller: Annotated[Caller, Depends(Needs("configure"))]
) -> Response:
    """Bring files into force; the same files again change nothing."""
    version, found = configuration.apply(world_of(request), body.files, actor=caller.actor, source="api")
    return answer({"version": version, "plan": found, "text": plans.render(found)})


# --- telemetry ------------------------------------------------------------------------------------

Sender = Annotated[Caller, Depends(Needs("telemetry"))]


async def _decoded(request: Request, kind: Any) -> Any:
    body = unpacked(await request.body(), request.headers.get("content-encoding", ""))
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise Invalid(f"{error}.") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed(f"The body is not JSON: {error}.") from error


def _must_know(request: Request, systems: set[str]) -> None:
    known = world_of(request).catalog.current.systems
    unknown = sorted(systems - set(known))
    if unknown:
        raise NotFound(f"There is no system called {unknown[0]!r}.", mend="Add it to the catalog first.")


@router.post("/profiles", status_code=202)
async def send_profiles(request: Request, caller: Sender) -> Response:
    """Take partial profiles; one that was sent before counts once."""
    sent = await _decoded(request, profiles.SentProfiles)
    _must_know(request, {one.system for one in sent.profiles})
    rows_ = profiles.rows_of(sent)
    accepted = await _run(request, lambda tx: profiles.accept(tx, rows_))
    return answer({"accepted": accepted, "duplicates": len(rows_) - accepted}, 202)


@router.post("/predictions", status_code=202)
async def send_predictions(request: Request, caller: Sender) -> Response:
    """Take predictions one by one; they are counted into profiles here, and kept until their labels arrive."""
    sent = await _decoded(request, predictions.SentPredictions)
    _must_know(request, {sent.system})
    accepted = await _run(request, lambda tx: predictions.accept(tx, sent))
    return answer({"accepted": accepted, "duplicates": len(sent.predictions) - accepted}, 202)


@router.post("/labels", status_code=202)
async def send_labels(request: Request, caller: Sender) -> Response:
    """Take labels that arrive later; each is joined to its prediction by id."""
    sent = await _decoded(request, predictions.SentLabels)
    _must_know(request, {sent.system})
    joined = await _run(request, lambda tx: predictions.label(tx, sent))
    return answer({"accepted": joined, "unmatched": len(sent.labels) - joined}, 202)


async def _run(request: Request, fn: Any) -> Any:
    return await asyncio.wrap_future(world_of(request).store.submit(fn))
