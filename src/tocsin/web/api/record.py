"""Evidence and the log by API: collect, read, export, checkpoints."""

from __future__ import annotations

import io
import zipfile
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from tocsin.engine import seal
from tocsin.evidence.custody import CUSTODY
from tocsin.kernel.errors import NotFound
from tocsin.store import tables
from tocsin.store.log import log_size
from tocsin.web.api.answers import Body, answer, incident_id, rows, world_of
from tocsin.web.permissions import Caller, Needs

router = APIRouter(prefix="/api/v1", tags=["record"])
READ = [Depends(Needs("read"))]


class ExportBody(Body):
    """What the export is for; it goes on the record."""

    purpose: str = "Verification"
    allow_missing: bool = False
    """True: export although evidence is lost; the verifier names what is absent and does not call it intact."""


@router.get("/incidents/{name}/evidence", dependencies=READ)
def list_evidence(request: Request, name: str) -> Response:
    """List the evidence items of an incident."""
    world = world_of(request)
    table = tables.evidence_item
    query = (
        select(table)
        .where(table.c.incident == incident_id(world, name))
        .order_by(table.c.collected_at, table.c.id)
    )
    return answer({"evidence": rows(world, query)})


@router.post("/incidents/{name}/evidence", status_code=201)
async def add_evidence(
    request: Request,
    name: str,
    what: Annotated[str, Query(min_length=1, max_length=300)],
    reason: Annotated[str, Query(min_length=1, max_length=2000)],
    caller: Annotated[Caller, Depends(Needs("preserve"))],
) -> Response:
    """Keep the body of the request as evidence."""
    world = world_of(request)
    data = await request.body()
    kind = request.headers.get("content-type", "application/octet-stream")

    def keep() -> object:
        id = world.store.run(lambda tx: tx.new_id())
        incident = incident_id(world, name)
        return seal.keep(
            world, incident, data, what=what, media_type=kind, reason=reason, actor=caller.actor, id=id
        )

    return answer({"evidence": await run_in_threadpool(keep)}, 201)


@router.get("/evidence/{id}", dependencies=READ)
def read_custody(request: Request, id: str) -> Response:
    """Return the custody record of an item."""
    state = world_of(request).store.state(CUSTODY, id)
    if state.item is None:
        raise NotFound("There is no such evidence.")
    return answer({"custody": state})


@router.get("/evidence/{id}/content")
def read_evidence(
    request: Request,
    id: str,
    purpose: Annotated[str, Query(min_length=1, max_length=2000)],
    caller: Annotated[Caller, Depends(Needs("evidence"))],
) -> Response:
    """Return the bytes of an item; reading is itself an entry of its custody."""
    item, data = seal.read(world_of(request), id, person=caller.who, purpose=purpose, actor=caller.actor)
    headers = {"content-disposition": f'attachment; filename="{item.sha256}"', "x-sha256": item.sha256}
    return Response(data, 200, headers, "application/octet-stream")


@router.post("/incidents/{name}/export")
def export(
    request: Request, name: str, body: ExportBody, caller: Annotated[Caller, Depends(Needs("export"))]
) -> Response:
    """Return the export of an incident as a zip; unpack it and run `tocsin verify` on the directory."""
    world = world_of(request)
    made = seal.export_incident(
        world,
        incident_id(world, name),
        by=caller.who,
        purpose=body.purpose,
        actor=caller.actor,
        allow_missing=body.allow_missing,
    )
    return zipped(made)


def zipped(made: seal.Exported) -> Response:
    """Return an export as a zip file; the verifier key travels in a header."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(made.files):
            archive.writestr(zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0)), made.files[path])
    headers = {
        "content-disposition": f'attachment; filename="export-{made.id}.zip"',
        "x-tocsin-vkey": made.vkey,
    }
    return Response(file.getvalue(), 200, headers, "application/zip")


@router.get("/incidents/{name}/proofs/{index}", dependencies=[Depends(Needs("log"))])
def read_proof(request: Request, name: str, index: Annotated[int, Path(ge=0, le=2**53)]) -> Response:
    """Return the inclusion proof of one entry of an incident under the newest signed checkpoint."""
    world = world_of(request)
    proof = seal.prove(world, incident_id(world, name), index)
    return answer(
        {
            "index": proof.index,
            "stream": proof.stream,
            "position": proof.position,
            "leaf_hash": proof.leaf.hex(),
            "proof": [value.hex() for value in proof.path],
            "checkpoint": proof.checkpoint.decode(),
            "vkey": proof.vkey,
        }
    )


@router.get("/log", dependencies=[Depends(Needs("log"))])
def read_log(request: Request) -> Response:
    """Return the log's size, its verifier key, and its newest signed checkpoint."""
    world = world_of(request)
    newest = select(tables.checkpoint.c.note).order_by(tables.checkpoint.c.size.desc()).limit(1)
    note = world.store.read(lambda connection: connection.execute(newest).scalar_one_or_none())
    return answer(
        {
            "origin": world.store.log.signer.name,
            "vkey": world.store.log.signer.vkey,
            "size": world.store.read(log_size),
            "checkpoint": bytes(note).decode() if note else None,
        }
    )
