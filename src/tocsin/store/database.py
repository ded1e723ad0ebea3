"""Connections: one that writes, a few that only read, on SQLite or PostgreSQL."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from tocsin.kernel.errors import Invalid, Unavailable

T = TypeVar("T")
log = logging.getLogger(__name__)
READERS = 8
CONNECT_SECONDS = 5

PASSING = (OperationalError, InterfaceError, PoolTimeout)
"""What a database says when it cannot be reached or cannot take it now."""
UNFIT = (DataError, OverflowError, UnicodeEncodeError)
"""What it says of a value that it has no place for: NUL in a text, half a character, a number too large."""


def unavailable() -> Unavailable:
    """Return the error for a passing fault of the database."""
    return Unavailable("The database did not take it.", mend="Send it again; nothing was changed.")


def unopened(error: DBAPIError) -> Unavailable:
    """Return the error for a database that cannot be opened at all."""
    why = next(iter(str(error.orig).splitlines()), type(error.orig).__name__)
    return Unavailable(
        f"The database cannot be opened: {why}.", mend="See that it runs, is a database, and may be written."
    )


def unfit(error: Exception) -> Invalid:
    """Return the error for a value that the database cannot hold."""
    log.warning("a value does not fit into the database: %s", type(error).__name__)
    return Invalid(
        "It holds a character or a number that cannot be kept.",
        mend="Take out NUL characters and shorten numbers.",
    )


class Database:
    """The two engines of one database. Only the writer thread may use `writing` (see writer.py)."""

    def __init__(self, url: str, *, durable: bool = True) -> None:
        """`durable` False spares the disk's confirmation: for stories on a virtual clock, never for a server."""
        self._durable = durable
        try:
            self.url = make_url(url)
        except ArgumentError as error:  # its text would show the password
            raise Invalid(
                "This is not the address of a database.",
                where="TOCSIN_DATABASE_URL",
                mend="Write postgresql://user@host/name.",
            ) from error
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if not self.is_sqlite and self.url.get_backend_name() != "postgresql":
            raise Invalid(
                f"{self.url.get_backend_name()} is not supported.", mend="Use SQLite or PostgreSQL."
            )
        if not self.is_sqlite and self.url.drivername == "postgresql":
            self.url = self.url.set(drivername="postgresql+psycopg")
        self.writing = self._sqlite(read_only=False) if self.is_sqlite else self._postgres(1)
        self.reading = self._sqlite(read_only=True) if self.is_sqlite else self._postgres(READERS)

    def read(self, fn: Callable[[Connection], T]) -> T:
        """Return what `fn` reads, from one consistent view of the database."""
        try:
            with self.reading.connect() as connection:
                return fn(connection)
        except UNFIT as error:
            raise unfit(error) from error
        except PASSING as error:
            raise unavailable() from error

    def close(self) -> None:
        """Close every connection."""
        self.reading.dispose()
        self.writing.dispose()

    def _sqlite(self, *, read_only: bool) -> Engine:
        engine = create_engine(
            self.url,
            hide_parameters=True,
            connect_args={"check_same_thread": False, "timeout": 30},
            poolclass=QueuePool,
            pool_size=READERS if read_only else 1,
            max_overflow=0,
        )
        event.listen(engine, "connect", _prepare_reader if read_only else _prepare_writer)
        if not self._durable and not read_only:
            event.listen(engine, "connect", _do_not_wait)
        # The driver would begin late and lose updates under SQLAlchemy's default: begin at once instead.
        event.listen(engine, "begin", _begin if read_only else _begin_immediate)
        return engine

    def _postgres(self, size: int) -> Engine:
        wait = {} if "connect_timeout" in self.url.query else {"connect_timeout": CONNECT_SECONDS}
        # Reads of one view must agree; the writer locks what it decides on instead.
        level: Any = {"isolation_level": "REPEATABLE READ"} if size > 1 else {}
        return create_engine(
            self.url,
            hide_parameters=True,
            pool_size=size,
            max_overflow=0,
            pool_pre_ping=size > 1,
            pool_timeout=30,
            connect_args=wait,
            **level,
        )


def _prepare_writer(connection: Any, record: object) -> None:
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000",
                   "temp_store=MEMORY", "cache_size=-65536", "secure_delete=ON"):  # fmt: skip
        connection.execute(f"PRAGMA {pragma}")


def _do_not_wait(connection: Any, record: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")


def _prepare_reader(connection: Any, record: object) -> None:
    connection.isolation_level = None
    for pragma in ("busy_timeout=30000", "query_only=ON", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")
