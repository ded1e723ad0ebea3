"""The two kinds of work a job can be: a duty inside the database, or an errand outside it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tocsin.store.jobs import Held
from tocsin.store.transaction import Transaction

if TYPE_CHECKING:
    from tocsin.engine.world import World

ENGINE = "system:engine"
"""The actor of what the engine does by itself."""


class Later(Exception):
    """An errand did not succeed this time; it is tried again after `seconds`."""

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(reason)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Duty:
    """Work inside one transaction: it and the job's completion are durable together."""

    kind: str
    run: Callable[[Transaction, Held, World], None]


@dataclass(frozen=True, slots=True)
class Errand:
    """Work outside: read what is asked, do it without holding the database, record what came of it.

    `perform` may run twice after a crash (at least once), so it sets an absolute state or hands on a key.
    """

    kind: str
    prepare: Callable[[Held, World], Any]
    """Returns the request, or None when there is nothing left to do."""
    perform: Callable[[Any, World], Any]
    record: Callable[[Transaction, Held, Any, Any, World], None]
    give_up: Callable[[Transaction, Held, str, World], None] | None = None
    """Called once when every attempt failed."""
    attempts: int = 8
    backoff: Callable[[int], dt.timedelta] = lambda attempt: dt.timedelta(seconds=min(2.0**attempt, 60.0))
    """Attempt number, 1 first, to how long to wait before the next."""
