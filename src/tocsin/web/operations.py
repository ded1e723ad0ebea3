"""For operators: alive, ready, and figures in Prometheus text (PLT-3)."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections import Counter
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection, func, select

from tocsin.app import Program
from tocsin.kernel.errors import TocsinError
from tocsin.store import inbox, jobs, tables
from tocsin.store.log import log_size
from tocsin.web.api.answers import answer
from tocsin.web.permissions import program_of

router = APIRouter(tags=["operations"])
LATE_SECONDS = 30
RECENT = dt.timedelta(minutes=10)
RECURRING = ("alerts.sweep", "deployments.plan", "log.checkpoint", "watch.look", "watch.plan")
"""Jobs that plan their own next run and ask nobody outside. A registry that is down is no reason to refuse alerts,
so `deployments.look` and `contain.recheck` are not here."""
WRITE_SECONDS = 5.0


@router.get("/healthz")
async def alive() -> Response:
    """Say that the process serves; it needs no worker thread, so it answers while all of them are busy."""
    return answer({"status": "alive"})


@router.get("/readyz")
def ready(request: Request) -> Response:
    """Say whether a body can be accepted durably and jobs run; 503 with the reasons otherwise."""
    program = program_of(request)
    problems = _problems(program)
    told: dict[str, Any] = {"status": "not ready" if problems else "ready", "problems": problems}
    told["transports"] = {
        "email": "configured" if program.settings.smtp_host else "absent: no mail server is set"
    }
    with contextlib.suppress(Exception):  # the problems say already that the database cannot be read
        told["transports"] |= program.world.store.read(lambda connection: _failing(connection, program))
    return answer(told, 503 if problems else 200)


def _problems(program: Program) -> list[str]:
    problems = []
    try:
        program.world.store.submit(lambda tx: tx.connection.execute(select(1)).scalar_one()).result(
            WRITE_SECONDS
        )
        problems += program.world.store.read(
            lambda connection: _stalled(connection, program.world.clock.now())
        )
    except (TocsinError, TimeoutError) as error:
        problems.append(f"The database does not take a transaction: {error}")
    except Exception:
        problems.append("The database cannot be read.")
    return problems


def _stalled(connection: Connection, now: dt.datetime) -> list[str]:
    """Return what has come to a halt although the database works: jobs, intake, recurring looks."""
    problems = []
    late = jobs.lateness(connection, now).total_seconds()
    if late > LATE_SECONDS:
        problems.append(f"Jobs are {late:.0f} s late.")
    body, job = tables.inbox, tables.job
    oldest = (
        select(body.c.received_at).where(body.c.id > inbox.derived(connection)).order_by(body.c.id).limit(1)
    )
    received = connection.execute(oldest).scalar_one_or_none()
    waits = (now - received).total_seconds() if received else 0.0
    if waits > LATE_SECONDS:
        problems.append(f"Intake stands still: the oldest accepted body waits for {waits:.0f} s.")
    failed = (
        select(job.c.kind, func.count())
        .where(job.c.state == jobs.FAILED, job.c.kind.in_(RECURRING), job.c.done_at > now - RECENT)
        .group_by(job.c.kind)
        .order_by(job.c.kind)
    )
    for kind, count in connection.execute(failed):
        problems.append(f"{count} of the recurring jobs '{kind}' failed in the last 10 minutes.")
    return problems


def _failing(connection: Connection, program: Program) -> dict[str, str]:
    """Return the transports that failed lately, by kind of contact method; who was to be reached is not said here."""
    table, people = tables.delivery, program.world.catalog.current.people
    recent = select(table.c.person, table.c.method, table.c.state).where(
        table.c.updated_at > program.world.clock.now() - RECENT
    )
    all, failed = Counter[str](), Counter[str]()
    for person, method, state in connection.execute(recent):
        known = people[person].contact if person in people else ()
        transport = next((one.kind for one in known if one.id == method), method)
        all[transport] += 1
        failed[transport] += state == "failed"
    return {
        transport: f"failing: {count} of {all[transport]} deliveries failed in the last 10 minutes"
        for transport, count in sorted(failed.items())
        if count
    }


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Return figures in Prometheus' text format."""
    program = program_of(request)
    lines = program.world.store.read(lambda connection: _figures(connection, program))
    lines.append(
        _line(
            "tocsin_writer_waiting", "Tasks that wait for the writer.", program.world.store.writer.waiting()
        )
    )
    return Response("".join(lines), media_type="text/plain; version=0.0.4")


def _figures(connection: Connection, program: Program) -> list[str]:
    def count(query: Any) -> int:
        return int(connection.execute(query).scalar_one())

    job, now = tables.job, program.world.clock.now()
    lines = [
        _line("tocsin_job_lateness_seconds", "How late the most overdue job is.", jobs.lateness(connection, now).total_seconds()),
        _line("tocsin_inbox_lag", "Accepted bodies not derived yet.", inbox.newest(connection) - inbox.derived(connection)),
        _line("tocsin_log_size", "Leaves in the log.", log_size(connection)),
        _line("tocsin_quarantined", "Bodies that could not be read.",
              count(select(func.count()).where(tables.inbox.c.quarantined.is_(True)))),
        _line("tocsin_process_seconds", "Processor time of this process.", time.process_time()),
    ]  # fmt: skip
    lines += _labelled(connection, "tocsin_jobs", "Jobs by state.", "state",
                       select(job.c.state, func.count()).group_by(job.c.state))  # fmt: skip
    lines += _labelled(connection, "tocsin_incidents", "Incidents by state.", "status",
                       select(tables.incident.c.status, func.count()).group_by(tables.incident.c.status))  # fmt: skip
    lines += _labelled(connection, "tocsin_deliveries", "Deliveries by outcome.", "state",
                       select(tables.delivery.c.state, func.count()).group_by(tables.delivery.c.state))  # fmt: skip
    return lines


def _line(name: str, help: str, value: float) -> str:
    return f"# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n"


def _labelled(connection: Connection, name: str, help: str, by: str, query: Any) -> list[str]:
    lines = [f"# HELP {name} {help}\n# TYPE {name} gauge\n"]
    lines += [f'{name}{{{by}="{value}"}} {count}\n' for value, count in connection.execute(query)]
    return lines
