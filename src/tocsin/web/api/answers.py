"""What every API route shares: strict bodies, JSON made by msgspec, the incident behind a number."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from tocsin.engine.world import World
from tocsin.kernel.errors import NotFound
from tocsin.store import tables
from tocsin.web.permissions import program_of


class Body(BaseModel):
    """A request body: unknown fields are refused, types are not guessed."""

    model_config = ConfigDict(extra="forbid", strict=True)


def answer(value: object, status: int = 200) -> Response:
    """Return `value` as JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def world_of(request: Request) -> World:
    """Return the world behind `request`."""
    return program_of(request).world


def incident_id(world: World, name: str) -> str:
    """Return the id of an incident named by number, `INC-n` or id; raise `NotFound`."""
    text = name.removeprefix("INC-")
    column = tables.incident.c.number if re.fullmatch("[0-9]{1,9}", text) else tables.incident.c.id
    value: Any = int(text) if column is tables.incident.c.number else text
    query = select(tables.incident.c.id).where(column == value)
    found: str | None = world.store.read(lambda connection: connection.execute(query).scalar_one_or_none())
    if found is None:
        raise NotFound(f"There is no incident {name}.")
    return found


def rows(world: World, query: Any) -> list[dict[str, Any]]:
    """Return the rows of `query` as dictionaries, without their documents."""
    found = world.store.read(lambda connection: connection.execute(query).mappings().all())
    return [{name: value for name, value in row.items() if name != "document"} for row in found]
