"""The Merkle log over all events: appended in the transaction of the events themselves, locked last."""

from __future__ import annotations

import datetime as dt
from functools import cache

from sqlalchemy import Connection, and_, bindparam, insert, select, update

from tocsin.evidence import merkle
from tocsin.evidence.checkpoint import Checkpoint
from tocsin.evidence.note import NoteSigner
from tocsin.store.tables import checkpoint, leaf, log_head, merkle_node
from tocsin.store.writer import Group

# Made once: composing a statement costs more than carrying it out.
_GROW = update(log_head).values(size=log_head.c.size + bindparam("more")).returning(log_head.c.size)
"""Counts further leaves and returns how many there are then; the row stays locked until COMMIT."""
_NEW_LEAF, _NEW_NODE = insert(leaf), insert(merkle_node)
_LEAF = select(leaf.c.hash).where(leaf.c.index == bindparam("at"))
_NODE = select(merkle_node.c.hash).where(
    and_(merkle_node.c.height == bindparam("height"), merkle_node.c.index == bindparam("at"))
)


class Log:
    """The one append-only log of an installation. `signer` signs its checkpoints."""

    def __init__(self, signer: NoteSigner) -> None:
        self.signer = signer

    def seal(self, group: Group) -> None:
        """Append the leaves of a group of commands; called once, just before COMMIT."""
        if not group.leaves:
            return
        connection = group.connection
        size = int(connection.execute(_GROW, {"more": len(group.leaves)}).scalar_one()) - len(group.leaves)
        connection.execute(
            _NEW_LEAF,
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
                _NEW_NODE,
                [{"height": height, "index": at, "hash": value} for height, at, value in nodes],
            )

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
    """Return the lookup of complete subtrees that the Merkle functions ask for; each is read once.

    For one piece of work: what it has read it keeps, since a complete subtree never changes again.
    """

    @cache
    def node(height: int, index: int) -> bytes:
        found = _NODE if height else _LEAF
        return bytes(connection.execute(found, {"height": height, "at": index}).scalar_one())

    return node
