"""Jobs with leases: at least once, fenced, on both databases."""

from __future__ import annotations

import datetime as dt

from tests.contract.conftest import T0
from tocsin.store import jobs
from tocsin.store.jobs import Held, Job
from tocsin.store.store import Store


def claim(store: Store, token: str, *, lease: int = 60, now: dt.datetime = T0) -> list[Held]:
    return store.run(
        lambda tx: jobs.claim(tx.connection, now=now, token=token, lease_seconds=lease, limit=10, kinds=["x"])
    )


def schedule(store: Store, *keys: str, due: dt.datetime = T0) -> None:
    store.run(lambda tx: tx.schedule(*(Job(kind="x", key=key, due_at=due, payload={"n": 1}) for key in keys)))


def test_a_due_job_is_held_by_one_only(store: Store) -> None:
    schedule(store, "a")
    (held,) = claim(store, "first")
    assert (held.key, held.attempt, held.payload) == ("a", 1, {"n": 1})
    assert claim(store, "second") == []


def test_a_job_is_not_due_before_its_time(store: Store) -> None:
    schedule(store, "a", due=T0 + dt.timedelta(seconds=1))
    assert claim(store, "t") == []
    assert store.read(jobs.next_due) == T0 + dt.timedelta(seconds=1)
    assert len(claim(store, "t", now=T0 + dt.timedelta(seconds=1))) == 1


def test_a_lease_that_ran_out_goes_to_another_and_the_first_holder_cannot_complete(store: Store) -> None:
    schedule(store, "a")
    (frozen,) = claim(store, "frozen", lease=-1)
    (taken,) = claim(store, "awake")
    assert taken.attempt == 2
    assert not store.run(lambda tx: jobs.complete(tx.connection, frozen, tx.now))
    assert store.run(lambda tx: jobs.complete(tx.connection, taken, tx.now))
    assert claim(store, "nobody") == []


def test_a_retried_job_comes_back_at_its_new_time(store: Store) -> None:
    schedule(store, "a")
    (held,) = claim(store, "t")
    later = T0 + dt.timedelta(minutes=1)
    assert store.run(lambda tx: jobs.retry(tx.connection, held, later, "the mail server was down"))
    assert claim(store, "t2") == []
    assert claim(store, "t3", now=later)[0].attempt == 2


def test_a_failed_job_stays_visible_and_never_runs_again(store: Store) -> None:
    schedule(store, "a")
    (held,) = claim(store, "t")
    assert store.run(lambda tx: jobs.fail(tx.connection, held, tx.now, "gave up"))
    assert claim(store, "t2", now=T0 + dt.timedelta(days=1)) == []


def test_lateness_is_how_long_the_most_overdue_job_waits(store: Store) -> None:
    assert store.read(lambda c: jobs.lateness(c, T0)) == dt.timedelta()
    schedule(store, "a", due=T0 - dt.timedelta(seconds=40))
    assert store.read(lambda c: jobs.lateness(c, T0)) == dt.timedelta(seconds=40)


def test_jobs_come_oldest_first(store: Store) -> None:
    schedule(store, "young")
    schedule(store, "old", due=T0 - dt.timedelta(hours=1))
    assert [held.key for held in claim(store, "t")] == ["old", "young"]


def test_what_is_due_can_be_taken_once_and_is_then_done(store: Store) -> None:
    schedule(store, "young")
    schedule(store, "old", due=T0 - dt.timedelta(hours=1))
    schedule(store, "later", due=T0 + dt.timedelta(hours=1))
    ids = store.read(lambda c: jobs.due(c, now=T0, limit=10, kinds=["x", "y"]))
    assert store.read(lambda c: jobs.due(c, now=T0, limit=1, kinds=["x"])) == ids[:1]
    assert store.read(lambda c: jobs.due(c, now=T0, limit=10, kinds=["y"])) == []
    taken = [store.run(lambda tx, one=one: jobs.take(tx.connection, one, T0)) for one in ids]  # type: ignore[misc]
    assert [held and (held.key, held.attempt) for held in taken] == [("old", 1), ("young", 1)]
    assert store.run(lambda tx: jobs.take(tx.connection, ids[0], T0)) is None
    assert store.read(lambda c: jobs.due(c, now=T0, limit=10, kinds=["x"])) == []


def test_a_job_can_be_claimed_when_it_is_due_or_its_lease_ran_out(store: Store) -> None:
    def claimable(now: dt.datetime = T0, kind: str = "x") -> bool:
        return store.read(lambda c: jobs.any_claimable(c, now=now, kinds=[kind]))

    assert not claimable()
    schedule(store, "a")
    assert claimable()
    assert not claimable(kind="y")
    assert not claimable(T0 - dt.timedelta(seconds=1))
    claim(store, "t")
    assert not claimable()
    schedule(store, "b")
    claim(store, "frozen", lease=-1)
    assert claimable()


def test_of_many_jobs_only_the_new_ones_are_inserted(store: Store) -> None:
    schedule(store, "a")
    again = [Job(kind="x", key=key, due_at=T0) for key in ("a", "b", "c", "b")]
    assert store.run(lambda tx: jobs.schedule(tx.connection, again)) == 2
    assert {held.key for held in claim(store, "t")} == {"a", "b", "c"}
