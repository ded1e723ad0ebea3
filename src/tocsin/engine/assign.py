"""Who holds which role on an incident, as a person says it: a known role, and somebody who exists (TEAM-1)."""

from __future__ import annotations

from typing import get_args

from sqlalchemy import select

from tocsin.catalog.document import Role
from tocsin.engine import declare
from tocsin.engine.world import World
from tocsin.incidents.incident import AssignRole, Incident
from tocsin.kernel.errors import Invalid, Refused
from tocsin.store import tables
from tocsin.store.transaction import Outcome

ROLES: tuple[str, ...] = get_args(Role)


def assign(world: World, incident: str, role: str, person: str, *, how: str, actor: str) -> Outcome[Incident]:
    """Give `role` to a person of the catalog, or to an account without one.

    Raises:
        Invalid: there is no such role or person; the text says which there are.
        NotFound, Refused: as `declare.tell`.
    """
    if role not in ROLES:
        raise Invalid(
            f"There is no role called {role!r}.", where="role", mend=f"Use one of: {', '.join(ROLES)}."
        )
    if person not in world.catalog.current.people and not _has_account(world, person):
        people = ", ".join(sorted(world.catalog.current.people)) or "nobody yet"
        raise Invalid(
            f"There is nobody called {person!r}.", where="person", mend=f"The catalog has: {people}."
        )
    command = AssignRole(role=role, person=person, how=how)
    return declare.tell(world, incident, command, actor=actor)


def take_command(world: World, incident: str, who: str, *, appointed: bool, actor: str) -> Outcome[Incident]:
    """Take command as `who`: an account that may command, or a person whom the catalog names as a commander.

    A commander approves containment, so that nobody else may take the role by themselves.
    """
    known = world.catalog.current.people.get(who)
    if not appointed and (known is None or "commander" not in known.roles):
        raise Refused(
            "The catalog does not name you as somebody who commands.",
            mend="Ask a lead to assign the role to you.",
        )
    return assign(world, incident, "commander", who, how="took command", actor=actor)


def _has_account(world: World, id: str) -> bool:
    query = select(tables.account.c.id).where(tables.account.c.id == id)
    return world.store.read(lambda connection: connection.execute(query).first()) is not None
