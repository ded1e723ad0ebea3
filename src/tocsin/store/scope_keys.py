"""One encryption key per incident, wrapped by a master key that is kept outside the database (PLT-1, EVI-4)."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sqlalchemy import Connection, bindparam, insert, select

from tocsin.evidence import sealing
from tocsin.kernel.errors import NotFound
from tocsin.store.tables import scope_key

Chance = Callable[[int], bytes]
"""Gives that many random bytes; handed in, so that a story can be replayed."""

_WRAPPED = select(scope_key.c.wrapped).where(scope_key.c.scope == bindparam("of_scope"))


class ScopeKeys:
    """Finds, makes and remembers the keys. Erasing an incident deletes its row; then its payloads are gone."""

    def __init__(self, master: bytes, chance: Chance) -> None:
        self._master = master
        self._chance = chance
        self._known: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def get(self, connection: Connection, scope: str) -> bytes:
        """Return the key of `scope`; raise `NotFound` when there is none (or none any more)."""
        with self._lock:
            if scope in self._known:
                return self._known[scope]
        wrapped = connection.execute(_WRAPPED, {"of_scope": scope}).scalar_one_or_none()
        if wrapped is None:
            raise NotFound(f"No key is kept for {scope}: it never had one, or it was erased.")
        return sealing.unwrap(self._master, scope, bytes(wrapped))

    def make(self, connection: Connection, scope: str) -> bytes:
        """Return the key of `scope`, made in this transaction when it is the first time."""
        try:
            return self.get(connection, scope)
        except NotFound:
            key = self._chance(sealing.KEY_BYTES)
            wrapped = sealing.wrap(self._master, scope, key, self._chance(sealing.IV_BYTES))
            connection.execute(insert(scope_key), {"scope": scope, "wrapped": wrapped})
            return key

    def remember(self, scope: str, key: bytes) -> None:
        """Keep a committed key at hand."""
        with self._lock:
            self._known[scope] = key

    def forget(self, scope: str) -> None:
        """Drop an erased key."""
        with self._lock:
            self._known.pop(scope, None)
