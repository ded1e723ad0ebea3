"""The writer: one thread that commits in groups, people before the inbox drain.

Every task gets a savepoint of its own, so that one that fails takes nothing with it; one COMMIT makes the
group durable, and only then does any caller hear 'done'. Without `start()` the writer works in the caller's
thread, one task a commit: that is how stories on a virtual clock drive it.
"""

from __future__ import annotations

import enum
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tocsin.kernel.errors import TocsinError, Unavailable
from tocsin.store.database import Database

T = TypeVar("T")
log = logging.getLogger(__name__)

GROUP_LIMIT = 200
GROUP_SECONDS = 0.020
ATTEMPTS = 5


class Lane(enum.IntEnum):
    """Who waits: a person or a page goes before bulk work."""

    PEOPLE = 0
    BULK = 1


class Group:
    """What the tasks of one commit share; `Log.seal` closes it just before COMMIT."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.leaves: list[tuple[str, int, str, bytes]] = []
        """(stream, position, scope, leaf hash) of each event appended by this group."""
        self.after_commit: list[Callable[[], None]] = []

    def mark(self) -> tuple[int, int]:
        """Return where the group stands, for `rewind`."""
        return len(self.leaves), len(self.after_commit)

    def rewind(self, mark: tuple[int, int]) -> None:
        """Forget what a failed task added."""
        del self.leaves[mark[0] :]
        del self.after_commit[mark[1] :]


@dataclass(slots=True)
class _Task:
    run: Callable[[Group], Any]
    future: Future[Any]
    result: Any = None
    error: BaseException | None = None
    attempts: int = 0
    finished: bool = field(default=False)


class Writer:
    """Runs tasks inside transactions. `seal` is called once a group, last, before COMMIT."""

    def __init__(self, database: Database, seal: Callable[[Group], None]) -> None:
        self._database = database
        self._seal = seal
        self._lanes: tuple[deque[_Task], deque[_Task]] = (deque(), deque())
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._inline = threading.RLock()

    def start(self) -> None:
        """Start the thread; from now on tasks of many callers share commits."""
        self._thread = threading.Thread(target=self._loop, name="writer", daemon=True)
        self._thread.start()

    def submit(self, run: Callable[[Group], T], lane: Lane = Lane.PEOPLE) -> Future[T]:
        """Queue `run`; the future is done once it is durable, or failed and undone."""
        task = _Task(run, Future())
        if self._thread is None:
            with self._inline:
                self._commit([task])
            return task.future
        with self._wake:
            if self._closing:
                raise Unavailable("The server is stopping.", mend="Send it again in a moment.")
            self._lanes[lane].append(task)
            self._wake.notify()
        return task.future

    def waiting(self) -> int:
        """Return how many tasks wait for their turn."""
        return len(self._lanes[0]) + len(self._lanes[1])

    def close(self) -> None:
        """Finish what is queued, then stop."""
        if self._thread is None:
            return
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(timeout=60)

    # --- the thread ---------------------------------------------------------------------------

    def _loop(self) -> None:
        while True:
            with self._wake:
                while not self._lanes[0] and not self._lanes[1]:
                    if self._closing:
                        return
                    self._wake.wait()
                first = self._pop()
            assert first is not None
            self._commit([first])

    def _pop(self) -> _Task | None:
        for lane in self._lanes:
            if lane:
                return lane.popleft()
        return None

    def _commit(self, tasks: list[_Task]) -> None:
        """Run `tasks`, and whatever else waits while time remains, in one transaction."""
        started = time.monotonic()
        try:
            with self._database.writing.connect() as connection, connection.begin():
                group = Group(connection)
                for task in tasks:
                    self._attempt(group, task)
                while self._thread is not None and len(tasks) < GROUP_LIMIT:
                    if time.monotonic() - started > GROUP_SECONDS:
                        break
                    with self._wake:
                        more = self._pop()
                    if more is None:
                        break
                    tasks.append(more)
                    self._attempt(group, more)
                self._seal(group)
        except Exception as error:  # the whole group is undone: nothing was acknowledged
            self._group_failed(tasks, error)
            return
        for task in tasks:
            self._finish(task)
        for callback in group.after_commit:
            callback()

    def _attempt(self, group: Group, task: _Task) -> None:
        mark = group.mark()
        task.attempts += 1
        task.error = None
        savepoint = group.connection.begin_nested()
        try:
            task.result = task.run(group)
        except DBAPIError:
            group.rewind(mark)
            if savepoint.is_active:
                savepoint.rollback()
            raise
        except BaseException as error:
            savepoint.rollback()
            group.rewind(mark)
            task.error = error
        else:
            savepoint.commit()

    def _group_failed(self, tasks: list[_Task], error: Exception) -> None:
        """Try each task of a failed group alone; a fault of the database is told as passing."""
        retry = isinstance(error, DBAPIError)
        for task in tasks:
            if retry and (len(tasks) > 1 or task.attempts < ATTEMPTS) and task.attempts < ATTEMPTS:
                self._alone(task)
                continue
            task.error = task.error or _told(error)
            self._finish(task)

    def _alone(self, task: _Task) -> None:
        try:
            with self._database.writing.connect() as connection, connection.begin():
                group = Group(connection)
                self._attempt(group, task)
                self._seal(group)
        except Exception as error:
            if isinstance(error, DBAPIError) and task.attempts < ATTEMPTS:
                self._alone(task)
                return
            task.error = _told(error)
            self._finish(task)
            return
        self._finish(task)
        for callback in group.after_commit:
            callback()

    def _finish(self, task: _Task) -> None:
        if task.finished:
            return
        task.finished = True
        if task.error is not None:
            task.future.set_exception(task.error)
        else:
            task.future.set_result(task.result)


def _told(error: Exception) -> Exception:
    if isinstance(error, TocsinError):
        return error
    log.error("a transaction failed", exc_info=error)
    if isinstance(error, DBAPIError):
        return Unavailable("The database did not take it.", mend="Send it again; nothing was changed.")
    return error
