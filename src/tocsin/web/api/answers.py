"""What every API route shares: strict bodies, JSON made by msgspec, the incident behind a number."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, field_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import select

from tocsin.engine.world import World
from tocsin.kernel.errors import Malformed, NotFound, TooLarge
from tocsin.store import tables
from tocsin.web.permissions import program_of

UNPACKED_BYTES = 32 * 1024 * 1024


class Body(BaseModel):
    """A request body: unknown fields are refused, types are not guessed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @field_validator("*", mode="before")
    @classmethod
    def no_nul(cls, value: Any) -> Any:
        """Refuse the character NUL wherever it hides: PostgreSQL cannot keep it, so neither database does."""
        if _holds_nul(value):
            raise PydanticCustomError("nul", "A text holds the character NUL, which cannot be kept")
        return value


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(_holds_nul(one) for pair in value.items() for one in pair)
    return isinstance(value, list | tuple) and any(map(_holds_nul, value))


def answer(value: object, status: int = 200) -> Response:
    """Return `value` as JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def world_of(request: Request) -> World:
    """Return the world behind `request`."""
    return program_of(request).world


def incident_id(world: World, name: str) -> str:
    """Return the id of an incident named by number, `INC-n` or id; raise `NotFound`."""
    if "\0" in name:
        raise NotFound("There is no incident with such a name.")
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


def unpacked(body: bytes, encoding: str) -> bytes:
    """Return a body without its gzip; what it unpacks to is limited, so that a small body cannot fill the memory.

    Raises:
        Malformed: it is not gzip, or another encoding.  TooLarge: it unpacks to more than is taken.
    """
    if encoding.lower() in ("", "identity"):
        return body
    if encoding.lower() != "gzip":
        raise Malformed(f"The content encoding {encoding!r} is not known.", mend="Send gzip, or nothing.")
    stream = zlib.decompressobj(wbits=31)
    try:
        data = stream.decompress(body, UNPACKED_BYTES)
    except zlib.error as error:
        raise Malformed(f"The body is not gzip: {error}.") from error
    if stream.unconsumed_tail:
        raise TooLarge(f"It unpacks to more than {UNPACKED_BYTES:,} bytes.", mend="Send it in parts.")
    return data
