"""The Merkle log: durable appends a second inside the event's transaction, proofs, and a whole log verified again.

An append is one event of an incident with everything that belongs to it (see bench_commands), committed and
forced to disk; callers that wait share a commit. One leaf is one event.
"""

from __future__ import annotations

import datetime as dt
import random
import time

from sqlalchemy import insert

from bench.figure import rates, tell
from bench.ground import Ground, open_store, postgres, sqlite
from bench.lives import life, new_id
from tocsin.evidence import merkle
from tocsin.kernel.event import leaf_bytes, payload_digest
from tocsin.store.log import log_size, lookup
from tocsin.store.store import Store
from tocsin.store.tables import leaf, log_head, merkle_node

GROUP = 200
ROUNDS = 5
ROUND_SECONDS = 1.0
LEAVES = 100_000
PROOFS = 1_000
PEER_APPENDS = 588.0
PEER_PROOFS = 13_000.0
PEER = "pymerkle 6.1, SQLite, measured on another day on two cores"


def appends(store: Store) -> int:
    """Append events of many incidents, a group of callers at a time; return how many."""
    before, until = store.read(log_size), time.perf_counter() + ROUND_SECONDS
    while time.perf_counter() < until:
        for group in zip(*(life(new_id()) for _ in range(GROUP)), strict=True):
            for answer in [store.submit(command) for command in group]:
                answer.result()
            if time.perf_counter() > until:
                break
    return store.read(log_size) - before


def grown(store: Store) -> tuple[int, bytes]:
    """Fill the log up to LEAVES with leaves of no event; return its size and root."""
    size = store.read(log_size)
    hashes = [merkle.leaf_hash(f"leaf {number}".encode()) for number in range(size, LEAVES)]

    with store.database.writing.connect() as connection, connection.begin():
        nodes = merkle.appended_nodes(size, hashes, lookup(connection))
        connection.execute(
            insert(leaf),
            [
                {"index": at, "stream": "bench:fill", "position": at + 1, "scope": "bench", "hash": value}
                for at, value in enumerate(hashes, size)
            ],
        )
        connection.execute(
            insert(merkle_node),
            [{"height": height, "index": at, "hash": value} for height, at, value in nodes],
        )
        connection.execute(log_head.update().values(size=LEAVES))
    return LEAVES, store.read(lambda connection: merkle.root(LEAVES, lookup(connection)))


def proofs(store: Store, size: int) -> int:
    """Make inclusion proofs of random leaves out of the database, all from one view; return how many."""
    chosen = random.Random(7).sample(range(size), PROOFS)

    def make(connection: object) -> None:
        node = lookup(connection)  # type: ignore[arg-type]  # a Connection
        for index in chosen:
            merkle.inclusion_proof(index, size, node)

    store.read(make)
    return PROOFS


def verified() -> int:
    """Make the root over LEAVES events again from their rows, as an auditor does; return how many."""
    at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    digest = payload_digest(bytes(16), b"{}")
    hashes = [
        merkle.leaf_hash(
            leaf_bytes(
                stream="incident:0192f0c0-0000-7000-8000-000000000000",
                position=position,
                type="incident.note_added",
                at=at,
                actor="person:ada",
                digest=digest,
            )
        )
        for position in range(1, LEAVES + 1)
    ]
    merkle.root_of(hashes)
    return LEAVES


def measure(ground: Ground) -> None:
    """Measure one database."""
    store = open_store(ground.url)
    try:
        tell(
            f"events appended to the Merkle log in their transaction, {ground.name}, {GROUP} callers at once",
            "appends/s",
            rates(lambda: appends(store), ROUNDS),
            disk=ground.disk,
            peer={"name": "pymerkle", "figure": PEER_APPENDS, "source": PEER},
        )
        size, _ = grown(store)
        tell(
            f"inclusion proofs out of {ground.name}, {size} leaves",
            "proofs/s",
            rates(lambda: proofs(store, size), ROUNDS),
            peer={"name": "pymerkle", "figure": PEER_PROOFS, "source": PEER},
        )
    finally:
        store.close()


if __name__ == "__main__":
    for make in (sqlite, postgres):
        with make() as ground:
            measure(ground)
    tell(
        f"{LEAVES} leaves made again from their rows and hashed to the root",
        "leaves/s",
        rates(verified, 3),
        mark="a million in less than 3 s, which is 333,000 leaves/s",
    )
