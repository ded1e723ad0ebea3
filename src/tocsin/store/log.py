"""The Merkle log over all events: appended in the transaction of the events themselves, locked last."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import Connection, and_, insert, select, update

from tocsin.evidence import merkle
from tocsin.evidence.checkpoint import Checkpoint
from tocsin.evidence.note import NoteSigner
from tocsin.store.tables import checkpoint, leaf, log_head, merkle_node
from tocsin.store.writer import Group


class Log:
    """The one append-only log of an installation. `signer` signs its checkpoints."""

    def __init__(self, signer: NoteSigner) -> None:
        self.signer = signer

    def seal(self, group: Group) -> None:
        """Append the leaves of a group of commands; called once, just before COMMIT."""
        if not group.leaves:
            return
        connection = group.connection
        size = int(connection.execute(select(log_head.c.size).with_for_update()).scalar_one())
        connection.execute(
            insert(leaf),
            [
                {
                    "index": size + offset,
                    "stream": stream,
                    "position": position,
                    "scope": scope,
                    "hash": value,
                }
                for offset, (stream, position, scope, value) in enumerate(group.leaves)
            ],
        )
        nodes = merkle.appended_nodes(size, [entry[3] for entry in group.leaves], lookup(connection))
        if nodes:
            connection.execute(
                insert(merkle_node),
                [{"height": height, "index": at, "hash": value} for height, at, value in nodes],
            )
        connection.execute(update(log_head).values(size=size + len(group.leaves)))

    def sign(self, connection: Connection, now: dt.datetime) -> bytes:
        """Sign and keep a checkpoint of the log as it stands in this transaction; return the signed note."""
        size = log_size(connection)
        kept = connection.execute(
            select(checkpoint.c.note).where(checkpoint.c.size == size)
        ).scalar_one_or_none()
        if kept is not None:
            return bytes(kept)
        root = merkle.root(size, lookup(connection))
        note = Checkpoint(origin=self.signer.name, size=size, root=root).sign(self.signer)
        connection.execute(insert(checkpoint).values(size=size, at=now, note=note))
        return note


def log_size(connection: Connection) -> int:
    """Return how many leaves the log has."""
    return int(connection.execute(select(log_head.c.size)).scalar_one())


def lookup(connection: Connection) -> merkle.NodeLookup:
    """Return the lookup of complete subtrees that the Merkle functions ask for."""

    def node(height: int, index: int) -> bytes:
        if height == 0:
            found = select(leaf.c.hash).where(leaf.c.index == index)
        else:
            found = select(merkle_node.c.hash).where(
                and_(merkle_node.c.height == height, merkle_node.c.index == index)
            )
        return bytes(connection.execute(found).scalar_one())

    return node
