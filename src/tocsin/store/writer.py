"""The writer: one thread that commits in groups, people before the inbox drain.

Every task after the first gets a savepoint of its own, so that one that fails takes nothing with it (the
first has the transaction for that); one COMMIT makes the group durable, and only then does any caller hear
'done'. Without `start()` the writer works in the caller's thread, one task a commit: that is how stories on
a virtual clock drive it.
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

from sqlalchemy import Connection, Transaction
from sqlalchemy.exc import DBAPIError

from tocsin.kernel.errors import TocsinError, Unavailable
from tocsin.store.database import PASSING, UNFIT, Database, unavailable, unfit

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
        self.closed = False
        """Whether only COMMIT was left to do."""

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
    finished: bool = field(default=False)


class _Savepoint:
    """A savepoint in two plain statements: SQLAlchemy's own costs four times as much, for every task."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        connection.exec_driver_sql("SAVEPOINT task")

    def release(self) -> None:
        self._connection.exec_driver_sql("RELEASE SAVEPOINT task")

    def rollback(self) -> None:
        self._connection.exec_driver_sql("ROLLBACK TO SAVEPOINT task")
        self.release()


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
        task.future.set_running_or_notify_cancel()  # whoever stops waiting must not undo what others share
        if self._thread is None:
            with self._inline:
                self._commit(task)
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
            self._commit(first)

    def _pop(self) -> _Task | None:
        for lane in self._lanes:
            if lane:
                return lane.popleft()
        return None

    def _commit(self, first: _Task) -> None:
        """Run `first`, and whatever else waits while time remains, in one transaction."""
        started = time.monotonic()
        tasks, group = [first], None
        try:
            with self._database.writing.connect() as connection, connection.begin() as whole:
                group = Group(connection)
                if self._attempt(group, first, whole):
                    while self._thread is not None and len(tasks) < GROUP_LIMIT:
                        if time.monotonic() - started > GROUP_SECONDS:
                            break
                        with self._wake:
                            more = self._pop()
                        if more is None:
                            break
                        tasks.append(more)
                        self._attempt(group, more, _Savepoint(connection))
                    self._close_group(group)
        except Exception as error:  # the whole group is undone: nothing was acknowledged
            for task in tasks:
                self._again(task, error, group)
            return
        self._done(tasks, group)

    def _attempt(self, group: Group, task: _Task, undo: Transaction | _Savepoint) -> bool:
        """Run one task; when it fails, roll `undo` back: the whole transaction, or the savepoint before it.

        A fault of the database is raised: it ends the whole group.
        """
        mark = group.mark()
        task.error = None
        try:
            task.result = task.run(group)
        except UNFIT as error:
            undo.rollback()
            group.rewind(mark)
            task.error = unfit(error)
        except DBAPIError:
            group.rewind(mark)
            raise
        except BaseException as error:
            undo.rollback()
            group.rewind(mark)
            task.error = error
        else:
            if isinstance(undo, _Savepoint):
                undo.release()
        return task.error is None

    def _close_group(self, group: Group) -> None:
        self._seal(group)
        group.closed = True

    def _again(self, task: _Task, error: Exception, group: Group | None) -> None:
        """Try a task of a failed group alone, a few times; then tell what stopped it."""
        for _ in range(ATTEMPTS - 1):
            if not isinstance(error, DBAPIError) or _in_doubt(error, group):
                break
            group = None
            try:
                with self._database.writing.connect() as connection, connection.begin() as whole:
                    group = Group(connection)
                    if self._attempt(group, task, whole):
                        self._close_group(group)
            except Exception as once_more:
                error = once_more
                continue
            self._done([task], group)
            return
        task.error = task.error or (_doubt() if _in_doubt(error, group) else _told(error))
        self._finish(task)

    def _done(self, tasks: list[_Task], group: Group) -> None:
        for task in tasks:
            self._finish(task)
        for callback in group.after_commit:
            try:
                callback()
            except Exception:  # it is durable: what somebody makes of the news must not stop the writer
                log.exception("a callback after a commit failed")

    def _finish(self, task: _Task) -> None:
        if task.finished:
            return
        task.finished = True
        if task.error is not None:
            task.future.set_exception(task.error)
        else:
            task.future.set_result(task.result)


def _in_doubt(error: Exception, group: Group | None) -> bool:
    """Return whether the connection broke while it committed: nobody knows then whether it is durable."""
    return (
        isinstance(error, DBAPIError) and error.connection_invalidated and group is not None and group.closed
    )


def _doubt() -> Unavailable:
    return Unavailable(
        "The database was lost while it answered.", mend="Look whether it was taken, then send it again."
    )


def _told(error: Exception) -> Exception:
    if isinstance(error, TocsinError):
        return error
    log.error("a transaction failed", exc_info=error)
    return unavailable() if isinstance(error, PASSING) else error
