"""The store: opens the database, runs units of work, reads. Everything above talks to this."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, bindparam, insert, select
from sqlalchemy.exc import DBAPIError

from tocsin.kernel.clock import Clock
from tocsin.kernel.errors import Unavailable
from tocsin.kernel.event import Recorded, StreamKind
from tocsin.store import tables
from tocsin.store.database import Database, unopened
from tocsin.store.inbox import CURSOR
from tocsin.store.log import Log
from tocsin.store.transaction import Rules, Transaction, read_events
from tocsin.store.writer import Group, Lane, Writer

T = TypeVar("T")
S = TypeVar("S")
PATIENCE_SECONDS = 60.0
_STATE = select(tables.stream.c.state).where(tables.stream.c.name == bindparam("of_name"))


class Store:
    """One database with its writer, its log and its readers."""

    def __init__(self, database: Database, *, clock: Clock, log: Log, rules: Rules) -> None:
        self.database = database
        self.clock = clock
        self.log = log
        self.rules = rules
        self.writer = Writer(database, log.seal)
        self.on_change: list[Callable[[frozenset[str], int], None]] = []
        """Called after a commit with the scopes that changed and how many jobs were added."""

    def prepare(self, *, migrate: bool = True) -> None:
        """Bring the schema up to date and put the few fixed rows in place. An empty database is always filled.

        Raises:
            Unavailable: the schema is older than the program and `migrate` is False.
        """
        try:
            self._prepare(migrate)
        except DBAPIError as error:
            raise unopened(error) from error

    def _prepare(self, migrate: bool) -> None:
        present = _revision(self.database)
        if migrate or present is None:
            upgrade(self.database)
        elif present != _newest_revision(self.database):
            raise Unavailable(
                f"The database schema is at revision {present}, which is not that of this program.",
                mend="Make a backup, then run `tocsin migrate`.",
            )
        with self.database.writing.connect() as connection, connection.begin():
            if connection.execute(select(tables.log_head.c.id)).scalar_one_or_none() is None:
                connection.execute(insert(tables.log_head).values(id=1, size=0))
                connection.execute(insert(tables.cursor).values(name=CURSOR, position=0))

    def submit(self, fn: Callable[[Transaction], T], lane: Lane = Lane.PEOPLE) -> Future[T]:
        """Queue a unit of work; `fn` does no I/O besides the database and may be run again."""

        def run(group: Group) -> T:
            transaction = Transaction(group, self.rules, self.clock.now())
            result = fn(transaction)
            if transaction.touched or transaction.scheduled:
                scopes, scheduled = frozenset(transaction.touched), transaction.scheduled
                transaction.after_commit(lambda: self._changed(scopes, scheduled))
            return result

        return self.writer.submit(run, lane)

    def run(self, fn: Callable[[Transaction], T], lane: Lane = Lane.PEOPLE) -> T:
        """Run a unit of work and return once it is durable."""
        try:
            return self.submit(fn, lane).result(timeout=PATIENCE_SECONDS)
        except TimeoutError as error:
            why = f"The database did not answer within {PATIENCE_SECONDS:g} s."
            raise Unavailable(why, mend="Look whether it was taken, then send it again.") from error

    def read(self, fn: Callable[[Connection], T]) -> T:
        """Return what `fn` reads, from one consistent view."""
        return self.database.read(fn)

    def state(self, kind: StreamKind[S, Any, Any], key: str) -> S:
        """Return the present state of a stream; the initial one when it has no event."""
        named = {"of_name": kind.stream(key)}
        data = self.read(lambda connection: connection.execute(_STATE, named).scalar_one_or_none())
        return kind.initial if data is None else kind.read_state(bytes(data))

    def events(self, *, scope: str | None = None, stream: str | None = None) -> list[tuple[int, Recorded]]:
        """Return (leaf index, event) of a scope or a stream, in the order of the log."""
        return self.read(lambda connection: read_events(connection, self.rules, scope=scope, stream=stream))

    def close(self) -> None:
        """Finish queued work and close every connection."""
        self.writer.close()
        self.database.close()

    def _changed(self, scopes: frozenset[str], scheduled: int) -> None:
        for told in self.on_change:
            told(scopes, scheduled)


_UPGRADE = threading.Lock()  # Alembic keeps module state while it runs


def alembic_config(database: Database) -> Config:
    """Return the Alembic configuration for `database`; migrations travel inside the package."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["database"] = database
    return config


def upgrade(database: Database) -> None:
    """Migrate forward to the newest schema."""
    with _UPGRADE:
        command.upgrade(alembic_config(database), "head")


def _revision(database: Database) -> str | None:
    """Return the revision of a database's schema; None when it has none yet."""
    with database.reading.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _newest_revision(database: Database) -> str | None:
    return ScriptDirectory.from_config(alembic_config(database)).get_current_head()
