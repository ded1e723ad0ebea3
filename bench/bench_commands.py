"""Commands a second through the whole transaction, on SQLite and on PostgreSQL.

Each command is decided on the stream's state, its events encrypted and appended, the read models and the
Merkle log brought up to date and the jobs that follow inserted; then the commit waits for the disk.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from bench.figure import rates, tell
from bench.ground import Ground, open_store, postgres, sqlite
from bench.lives import COMMANDS_A_LIFE, life, lives, new_id
from tocsin.store.store import Store

CALLERS = 16
GROUP = 50
ROUNDS = 5
ROUND_SECONDS = 1.0


def one_after_another(store: Store) -> int:
    """Send one command after another, each after the answer to the one before; return how many."""
    done, until = 0, time.perf_counter() + ROUND_SECONDS
    for command in lives():
        store.run(command)
        done += 1
        if time.perf_counter() > until:
            return done
    return done


def concurrent(store: Store) -> int:
    """Let several callers do so at once; return how many commands all of them sent."""
    with ThreadPoolExecutor(CALLERS) as pool:
        return sum(pool.map(one_after_another, itertools.repeat(store, CALLERS)))


def in_groups(store: Store) -> int:
    """Hand in the commands of incidents' lives, 50 at a time for 50 incidents; return how many."""
    done, until = 0, time.perf_counter() + ROUND_SECONDS
    while time.perf_counter() < until:
        for group in zip(*(life(new_id()) for _ in range(GROUP)), strict=True):
            for answer in [store.submit(command) for command in group]:
                answer.result()
            done += GROUP
            if time.perf_counter() > until:
                break
    return done


WAYS: tuple[tuple[str, Callable[[Store], int]], ...] = (
    ("one caller after another", one_after_another),
    (f"{CALLERS} callers at once", concurrent),
    (f"groups of {GROUP}", in_groups),
)


def measure(ground: Ground) -> None:
    """Measure every way on one database."""
    store = open_store(ground.url)
    try:
        for name, way in WAYS:
            tell(
                f"commands through the whole transaction, {ground.name}, {name}",
                "commands/s",
                rates(partial(way, store), ROUNDS),
                disk=ground.disk,
            )
    finally:
        store.close()


if __name__ == "__main__":
    assert sum(1 for _ in life(new_id())) == COMMANDS_A_LIFE
    for make in (sqlite, postgres):
        with make() as ground:
            measure(ground)
