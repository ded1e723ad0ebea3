"""Which keys a database belongs to: kept in the database itself, so that lost keys are noticed and not replaced."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import insert, inspect, select
from sqlalchemy.exc import DBAPIError

from tocsin.store.database import Database, unopened
from tocsin.store.tables import installation


def kept(database: Database) -> dict[str, str]:
    """Return what the database remembers of its installation; empty before its first start.

    Raises:
        Unavailable: the database cannot be opened.
    """
    try:
        with database.reading.connect() as connection:
            if not inspect(connection).has_table(installation.name):
                return {}
            found = connection.execute(select(installation.c.name, installation.c.value))
            return {row.name: row.value for row in found}
    except DBAPIError as error:
        raise unopened(error) from error


def keep(database: Database, values: Mapping[str, str]) -> None:
    """Remember `values`, before the first event is written with the keys that they speak of."""
    with database.writing.connect() as connection, connection.begin():
        connection.execute(insert(installation), [{"name": name, "value": values[name]} for name in values])
