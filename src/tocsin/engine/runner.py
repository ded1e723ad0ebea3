"""The runner: drains the inbox and runs due jobs, in threads for a server, step by step for a virtual clock."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from sqlalchemy import and_, select, update

from tocsin.engine.duty import Duty, Errand, Later
from tocsin.engine.world import World
from tocsin.kernel.clock import VirtualClock
from tocsin.kernel.errors import Refused
from tocsin.store import jobs
from tocsin.store.jobs import Held
from tocsin.store.tables import job
from tocsin.store.transaction import Transaction

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
LEASE_SECONDS = 60
WORKERS = 8
DUTIES_AT_ONCE = 200
DUTY_ATTEMPTS = 10


class Runner:
    """Runs the jobs of one program. `drain` derives a chunk of the inbox and says whether more waits."""

    def __init__(
        self,
        world: World,
        work: Sequence[Duty | Errand],
        drain: Callable[[World], bool],
        *,
        lease_seconds: int = LEASE_SECONDS,
    ) -> None:
        self.world = world
        self._lease_seconds = lease_seconds
        self.duties = {one.kind: one for one in work if isinstance(one, Duty)}
        self.errands = {one.kind: one for one in work if isinstance(one, Errand)}
        self._drain = drain
        self._wake = threading.Condition()
        self._woken = True
        self._stopping = False
        self._threads: list[threading.Thread] = []
        self._pool: ThreadPoolExecutor | None = None
        self._busy = 0
        self.last_pass: dt.datetime | None = None
        world.store.on_change.append(lambda scopes, scheduled: self.wake())

    # --- on a virtual clock -------------------------------------------------------------------

    def settle(self) -> None:
        """Do everything that is due now, and all that follows from it now."""
        while self._drain(self.world) or self._run_duties() or self._run_errands_here():
            pass

    def run_until(self, moment: dt.datetime) -> None:
        """Drive everything up to `moment` on a virtual clock: no thread, no waiting."""
        clock = self.world.clock
        if not isinstance(clock, VirtualClock):
            raise TypeError("run_until needs a virtual clock")
        while True:
            self.settle()
            due = self.world.store.read(jobs.next_due)
            if due is None or due > moment:
                break
            clock.set(max(due, clock.now()))
        clock.set(max(moment, clock.now()))
        self.settle()

    # --- as a server --------------------------------------------------------------------------

    def start(self) -> None:
        """Start the threads: one that drains, one that hands out jobs, and the workers of errands."""
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="errand")
        for name, loop in (("drain", self._drain_loop), ("jobs", self._job_loop)):
            thread = threading.Thread(target=loop, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def wake(self) -> None:
        """Look again now: something was committed."""
        with self._wake:
            self._woken = True
            self._wake.notify_all()

    def stop(self) -> None:
        """Finish what is in hand, then stop."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        for thread in self._threads:
            thread.join(timeout=30)
        if self._pool:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _drain_loop(self) -> None:
        while not self._stopping:
            try:
                more = self._drain(self.world)
            except Exception:
                log.exception("the inbox could not be derived; it is tried again")
                more = False
            if not more:
                self._pause(0.25)

    def _pause(self, seconds: float) -> None:
        with self._wake:
            if not self._stopping:
                self._wake.wait(seconds)

    def _job_loop(self) -> None:
        while not self._stopping:
            try:
                patience = self._patience()
                with self._wake:
                    if not self._woken and not self._stopping:
                        self._wake.wait(patience)
                    self._woken = False
                while self._run_duties():
                    pass
                self._hand_out_errands()
                self.last_pass = self.world.clock.now()
            except Exception:
                log.exception("a pass over the jobs failed; it is tried again")
                self._pause(POLL_SECONDS)

    def _patience(self) -> float:
        due = self.world.store.read(jobs.next_due)
        if due is None:
            return POLL_SECONDS
        return min(max((due - self.world.clock.now()).total_seconds(), 0.01), POLL_SECONDS)

    # --- duties -------------------------------------------------------------------------------

    def _run_duties(self) -> bool:
        """Run a batch of due duties; False when none was due."""
        now, kinds = self.world.clock.now(), list(self.duties)
        ids = self.world.store.read(
            lambda connection: jobs.due(connection, now=now, limit=DUTIES_AT_ONCE, kinds=kinds)
        )
        futures = [(one, self.world.store.submit(partial(self._duty, one))) for one in ids]
        for id, future in futures:
            error = future.exception()
            if error is not None:
                self._duty_failed(id, error)
        return bool(ids)

    def _duty(self, id: int, tx: Transaction) -> None:
        held = jobs.take(tx.connection, id, tx.now)
        if held is not None:
            self.duties[held.kind].run(tx, held, self.world)

    def _duty_failed(self, id: int, error: BaseException) -> None:
        if not isinstance(error, Refused):
            log.error("duty %s failed", id, exc_info=error)
        text = f"{type(error).__name__}: {error}"

        def note(tx: Transaction) -> None:
            waiting = and_(job.c.id == id, job.c.state == jobs.WAITING)
            row = tx.connection.execute(select(job.c.attempts).where(waiting)).one_or_none()
            if row is None:
                return  # it was done after all: the database was lost only while it said so
            attempts = row.attempts + 1
            # What a rule refuses now it will refuse again: the record says why, and nothing is repeated.
            final = isinstance(error, Refused) or attempts >= DUTY_ATTEMPTS
            state = jobs.DONE if isinstance(error, Refused) else jobs.FAILED if final else jobs.WAITING
            due = tx.now + dt.timedelta(seconds=min(2**attempts, 60))
            values = {"attempts": attempts, "state": state, "error": text[:2000]}
            if not final:
                values["due_at"] = due
            tx.connection.execute(update(job).where(job.c.id == id).values(**values))

        self.world.store.run(note)

    # --- errands ------------------------------------------------------------------------------

    def _claim(self, limit: int) -> list[Held]:
        def claim(tx: Transaction) -> list[Held]:
            return jobs.claim(
                tx.connection,
                now=tx.now,
                token=tx.new_id(),
                lease_seconds=self._lease_seconds,
                limit=limit,
                kinds=list(self.errands),
            )

        return self.world.store.run(claim)

    def _any_errand_due(self) -> bool:
        now, kinds = self.world.clock.now(), list(self.errands)
        return self.world.store.read(lambda connection: jobs.any_claimable(connection, now=now, kinds=kinds))

    def _run_errands_here(self) -> bool:
        if not self._any_errand_due():
            return False
        held = self._claim(WORKERS)
        for one in held:
            self._errand(one)
        return bool(held)

    def _hand_out_errands(self) -> None:
        assert self._pool is not None
        free = WORKERS - self._busy
        if free <= 0 or not self._any_errand_due():
            return
        for one in self._claim(free):
            with self._wake:
                self._busy += 1
            self._pool.submit(self._errand, one).add_done_callback(self._errand_done)

    def _errand_done(self, future: Future[None]) -> None:
        with self._wake:
            self._busy -= 1
        self.wake()

    def _errand(self, held: Held) -> None:
        errand = self.errands[held.kind]
        try:
            request = errand.prepare(held, self.world)
            outcome = None if request is None else errand.perform(request, self.world)

            def record(tx: Transaction) -> None:
                if not jobs.complete(tx.connection, held, tx.now):
                    return  # the lease went to somebody else meanwhile: their record counts
                if request is not None:
                    errand.record(tx, held, request, outcome, self.world)

            self.world.store.run(record)
        except Exception as error:
            self._errand_failed(errand, held, error)

    def _give_up(self, tx: Transaction, errand: Errand, held: Held, text: str) -> None:
        """Tell the record; a rule that refuses it must not keep the job alive."""
        assert errand.give_up is not None
        try:
            with tx.savepoint():
                errand.give_up(tx, held, text, self.world)
        except Refused as refusal:
            log.warning("giving up %s was refused: %s", held.key, refusal)

    def _errand_failed(self, errand: Errand, held: Held, error: Exception) -> None:
        if not isinstance(error, Later):
            log.warning("errand %s failed: %s", held.key, error, exc_info=error)
        text = f"{type(error).__name__}: {error}" if not isinstance(error, Later) else str(error)

        def note(tx: Transaction) -> None:
            if held.attempt >= errand.attempts:
                if jobs.fail(tx.connection, held, tx.now, text) and errand.give_up:
                    self._give_up(tx, errand, held, text)
                return
            pause = (
                dt.timedelta(seconds=error.seconds)
                if isinstance(error, Later)
                else errand.backoff(held.attempt)
            )
            jobs.retry(tx.connection, held, tx.now + pause, text)

        try:
            self.world.store.run(note)
        except Exception:
            log.exception("the failure of %s could not be recorded; its lease will run out", held.key)
