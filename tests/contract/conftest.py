"""Stores on both databases: what is promised of one is promised of the other."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tocsin.app import KINDS
from tocsin.evidence.note import NoteSigner
from tocsin.kernel.clock import VirtualClock
from tocsin.store.database import Database
from tocsin.store.jobs import Job
from tocsin.store.log import Log
from tocsin.store.scope_keys import ScopeKeys
from tocsin.store.store import Store
from tocsin.store.transaction import Appended, Rules

T0 = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


_openings = itertools.count(1)


def chance() -> Callable[[int], bytes]:
    """Bytes that never repeat, also when a database is opened again."""
    count = itertools.count(next(_openings) << 32)
    return lambda size: next(count).to_bytes(8, "big").rjust(size, b"\x07")[-size:]


def bare_store(
    url: str, *, follow: Callable[[Appended], list[Job]] = lambda one: [], signer: bytes = b"1" * 32
) -> Store:
    """A store on `url` that is not prepared yet."""
    dice = chance()
    rules = Rules(
        keys=ScopeKeys(b"2" * 32, dice), chance=dice, follow=follow, project=lambda tx, one: None, kinds=KINDS
    )
    return Store(Database(url), clock=VirtualClock(T0), log=Log(NoteSigner(signer, "test/log")), rules=rules)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.sqlite3'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def open_store(database_url: str) -> Iterator[Callable[..., Store]]:
    """Opens stores on the same database, closed at the end."""
    opened: list[Store] = []

    def make(
        *,
        follow: Callable[[Appended], list[Job]] = lambda one: [],
        threaded: bool = False,
        signer: bytes = b"1" * 32,
    ) -> Store:
        store = bare_store(database_url, follow=follow, signer=signer)
        store.prepare()
        if threaded:
            store.writer.start()
        opened.append(store)
        return store

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[..., Store]) -> Store:
    """A store that works in the caller's thread."""
    return open_store()
