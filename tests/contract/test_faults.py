"""What the writer makes of faults, on both databases: one bad task takes nothing with it, and the thread lives on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from sqlalchemy import Connection, event, func, insert, select
from sqlalchemy.exc import OperationalError

from tocsin.kernel.errors import Invalid, Unavailable
from tocsin.store import tables
from tocsin.store.store import Store
from tocsin.store.transaction import Transaction


def put(value: str | int) -> Callable[[Transaction], None]:
    """A task that adds a row: `value` is a text for its name or a number for its value."""

    def work(tx: Transaction) -> None:
        row = {"name": value, "value": 1} if isinstance(value, str) else {"name": "number", "value": value}
        tx.connection.execute(insert(tables.counter).values(**row))

    return work


def rows(store: Store) -> int:
    return store.read(
        lambda connection: connection.execute(select(func.count()).select_from(tables.counter)).scalar_one()
    )


def test_a_callback_that_fails_after_the_commit_does_not_stop_the_writer(
    open_store: Callable[..., Store],
) -> None:
    store = open_store(threaded=True)

    def work(tx: Transaction) -> None:
        put("a")(tx)
        tx.after_commit(lambda: 1 // 0)  # type: ignore[arg-type,return-value]

    store.run(work)
    store.run(put("b"))
    assert rows(store) == 2


def test_whoever_stops_waiting_does_not_stop_what_others_share(open_store: Callable[..., Store]) -> None:
    store = open_store(threaded=True)
    given: Future[None] = store.submit(put("a"))
    assert not given.cancel()
    given.result(30)
    store.run(put("b"))
    assert rows(store) == 2


@pytest.mark.parametrize("value", [10**30, "half \ud800 a character"])
def test_a_value_that_cannot_be_kept_is_told_and_its_neighbours_are_kept(
    open_store: Callable[..., Store], value: str | int
) -> None:
    store = open_store(threaded=True)
    futures = [store.submit(put(one)) for one in ("before", value, "after")]
    futures[0].result(30)
    futures[2].result(30)
    with pytest.raises(Invalid, match="cannot be kept"):
        futures[1].result(30)
    assert rows(store) == 2


def test_a_read_of_a_value_beyond_all_is_told_and_not_a_fault(store: Store) -> None:
    def read(connection: Connection) -> Any:
        return connection.execute(select(tables.counter).where(tables.counter.c.value == 10**30)).all()

    with pytest.raises(Invalid, match="cannot be kept"):
        store.read(read)


def test_a_commit_in_doubt_is_not_repeated_and_its_doubt_is_told(store: Store) -> None:
    """The connection breaks at COMMIT: what was done may be durable, so doing it again might do it twice."""
    runs: list[str] = []

    def work(tx: Transaction) -> None:
        runs.append("run")
        put(f"row {len(runs)}")(tx)

    def break_once(connection: Connection) -> None:
        event.remove(store.database.writing, "commit", break_once)
        raise OperationalError(
            "COMMIT", {}, Exception("the connection was lost"), connection_invalidated=True
        )

    event.listen(store.database.writing, "commit", break_once)
    with pytest.raises(Unavailable, match="Look whether it was taken"):
        store.run(work)
    assert runs == ["run"]
    store.run(work)
    assert len(runs) == 2


def test_a_database_that_passes_on_is_tried_again_and_then_told(store: Store) -> None:
    tried: list[int] = []

    def work(tx: Transaction) -> None:
        tried.append(1)
        raise OperationalError("SELECT 1", {}, Exception("not now"))

    with pytest.raises(Unavailable, match="nothing was changed"):
        store.run(work)
    assert 1 < len(tried) < 10
    store.run(put("a"))
    assert rows(store) == 1
