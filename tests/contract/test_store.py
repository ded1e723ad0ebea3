"""The store keeps its promises on SQLite and on PostgreSQL: whole commands, gapless streams, one log, nothing half done."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from concurrent.futures import Future

import pytest
from sqlalchemy import delete, func, select, text
from sqlalchemy.exc import DBAPIError

from tests.contract.conftest import T0
from tocsin.evidence import merkle
from tocsin.evidence.checkpoint import Checkpoint
from tocsin.evidence.note import NoteVerifier
from tocsin.incidents.incident import INCIDENT, AddNote, Declare, Incident, Resolve
from tocsin.kernel.errors import NotFound, Refused, Stale
from tocsin.kernel.event import leaf_bytes, payload_digest, wire_name
from tocsin.store import inbox, tables
from tocsin.store.jobs import Job
from tocsin.store.log import log_size, lookup
from tocsin.store.store import Store
from tocsin.store.transaction import Appended, Outcome, Transaction
from tocsin.store.writer import Lane


def declare(title: str = "Loan model denies one group") -> Callable[[Transaction], str]:
    def work(tx: Transaction) -> str:
        id = tx.new_id()
        command = Declare(number=tx.next_number("incident"), title=title, reported_by="ada")
        tx.execute(INCIDENT, id, command, actor="person:ada", scope=id)
        return id

    return work


def note(id: str, text: str, expected: int | None = None) -> Callable[[Transaction], Outcome[Incident]]:
    return lambda tx: tx.execute(
        INCIDENT, id, AddNote(text=text), actor="person:ada", scope=id, expected=expected
    )


def test_a_stream_has_no_gap_and_its_state_is_the_fold_of_its_events(store: Store) -> None:
    id = store.run(declare())
    for number in range(5):
        store.run(note(id, f"note {number}"))
    recorded = [one for _, one in store.events(stream=INCIDENT.stream(id))]
    assert [one.position for one in recorded] == [1, 2, 3, 4, 5, 6]
    assert INCIDENT.fold([one.event for one in recorded]) == store.state(INCIDENT, id)


def test_every_event_is_a_leaf_whose_proof_verifies_under_the_signed_checkpoint(store: Store) -> None:
    ids = [store.run(declare(f"incident {number}")) for number in range(7)]
    signed = store.run(lambda tx: store.log.sign(tx.connection, tx.now))
    head = Checkpoint.open(signed, NoteVerifier.parse(store.log.signer.vkey))
    assert head.size == 7
    for id in ids:
        for index, one in store.events(scope=id):
            data = leaf_bytes(
                stream=one.stream,
                position=one.position,
                type=wire_name(one.event),
                at=one.at,
                actor=one.actor,
                digest=payload_digest(one.nonce, one.payload),
            )
            at = index
            proof = store.read(
                lambda connection, at=at: merkle.inclusion_proof(at, head.size, lookup(connection))
            )
            merkle.verify_inclusion(merkle.leaf_hash(data), index, head.size, proof, head.root)


def test_a_refused_command_leaves_nothing_behind(store: Store) -> None:
    id = store.run(declare())
    before = store.read(log_size)

    def twice(tx: Transaction) -> None:
        tx.execute(INCIDENT, id, AddNote(text="kept?"), actor="a", scope=id)
        tx.execute(INCIDENT, id, Declare(number=2, title="again", reported_by="a"), actor="a", scope=id)

    with pytest.raises(Refused):
        store.run(twice)
    assert store.read(log_size) == before
    assert len(store.events(scope=id)) == 1


def test_a_decision_on_an_older_state_is_refused_as_stale(store: Store) -> None:
    id = store.run(declare())
    store.run(note(id, "somebody was faster", expected=1))
    with pytest.raises(Stale):
        store.run(note(id, "too late", expected=1))


def test_payloads_are_unreadable_in_the_database_and_after_the_key_is_gone(store: Store) -> None:
    id = store.run(declare("Maria Sample was denied"))
    sealed = store.read(
        lambda connection: bytes(connection.execute(select(tables.event.c.sealed)).scalar_one())
    )
    assert b"Maria" not in sealed
    store.run(lambda tx: tx.connection.execute(delete(tables.scope_key)).rowcount)
    store.rules.keys.forget(id)
    with pytest.raises(NotFound, match="erased"):
        store.events(scope=id)


def test_jobs_that_follow_an_event_are_there_exactly_once(open_store: Callable[..., Store]) -> None:
    def follow(one: Appended) -> list[Job]:
        return [Job(kind="x", key=f"{one.kind}:{one.key}/{one.position}/x", due_at=one.at)]

    store = open_store(follow=follow)
    store.run(declare())
    twice = Job(kind="x", key="twice", due_at=T0)
    assert store.run(lambda tx: (tx.schedule(twice), tx.schedule(twice), tx.scheduled)[2]) == 1
    count = store.read(
        lambda connection: connection.execute(select(func.count()).select_from(tables.job)).scalar_one()
    )
    assert count == 2


def test_many_callers_share_commits_and_nobody_loses_an_update(open_store: Callable[..., Store]) -> None:
    store = open_store(threaded=True)
    id = store.run(declare())
    waiting: list[Future[Outcome[Incident]]] = [store.submit(note(id, f"note {n}")) for n in range(300)]
    bad = [store.submit(lambda tx: tx.execute(INCIDENT, "none", Resolve(summary="x"), actor="a", scope="none"))
           for _ in range(20)]  # fmt: skip
    positions = sorted(one.result(30).position for one in waiting)
    assert positions == list(range(2, 302))
    assert all(isinstance(one.exception(30), Refused) for one in bad)
    assert store.read(log_size) == 301


def test_people_go_before_bulk_work(open_store: Callable[..., Store]) -> None:
    store = open_store()
    order: list[str] = []
    for name, lane in (("bulk 1", Lane.BULK), ("bulk 2", Lane.BULK), ("person", Lane.PEOPLE)):
        store.writer._lanes[lane].append(_task(order, name))
    store.writer.start()
    store.run(lambda tx: None, Lane.BULK)
    assert order == ["person", "bulk 1", "bulk 2"]


def _task(order: list[str], name: str) -> object:
    from tocsin.store.writer import _Task

    return _Task(lambda group: order.append(name), Future())


def test_a_refused_command_takes_nothing_with_it_wherever_it_stands_in_its_group(
    open_store: Callable[..., Store],
) -> None:
    store = open_store(threaded=True)
    id = store.run(declare())
    queued = threading.Event()

    def opens(tx: Transaction) -> None:  # refused itself, so that the next in line begins a group
        queued.wait(30)
        raise Refused("Not this one.")

    good, bad = note(id, "kept"), note("none", "refused")
    answers = [store.submit(command) for command in (opens, bad, good, bad, bad, good, good, bad)]
    queued.set()
    assert [isinstance(answer.exception(30), Refused) for answer in answers] == [
        True, True, False, True, True, False, False, True,
    ]  # fmt: skip
    assert store.read(log_size) == 4
    assert [one.position for _, one in store.events(scope=id)] == [1, 2, 3, 4]
    assert store.events(scope="none") == []


def test_the_inbox_is_read_in_order_from_its_cursor(store: Store) -> None:
    bodies = [b"one", b"two", b"three"]
    for body in bodies:
        store.run(
            lambda tx, body=body: inbox.accept(
                tx.connection, now=tx.now, format="f", integration="i", body=body
            )
        )  # type: ignore[misc]

    def take(tx: Transaction) -> list[bytes]:
        found = inbox.undelivered(tx.connection, 2)
        inbox.advance(tx.connection, found[-1].id)
        return [one.body for one in found]

    assert store.run(take) == [b"one", b"two"]
    assert store.run(take) == [b"three"]
    assert store.read(inbox.newest) == store.read(inbox.derived)


def test_times_come_back_as_they_went_in(store: Store) -> None:
    moment = dt.datetime(2026, 10, 25, 1, 30, 0, 123456, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    store.run(lambda tx: tx.schedule(Job(kind="x", key="k", due_at=moment)))
    found = store.read(lambda connection: connection.execute(select(tables.job.c.due_at)).scalar_one())
    assert found == moment
    assert found.tzinfo is dt.UTC


def test_reopening_finds_everything(open_store: Callable[..., Store]) -> None:
    first = open_store()
    id = first.run(declare())
    second = open_store()
    assert second.state(INCIDENT, id).title == "Loan model denies one group"
    assert second.run(declare("another")) != id
    assert second.read(log_size) == 2


def test_what_a_statement_carried_is_not_in_its_error(store: Store) -> None:
    """An error goes into the log of the server, where neither digests nor addresses belong."""
    for engine in (store.database.reading, store.database.writing):
        with pytest.raises(DBAPIError) as told, engine.connect() as connection:
            connection.execute(text("SELECT :word FROM no_such_table"), {"word": "a-secret"})
        assert "a-secret" not in str(told.value)
