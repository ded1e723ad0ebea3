"""What every page shares: the template environment, the navigation with its counts, the form's token, the answer."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from sqlalchemy import Connection, and_, func, select
from starlette.concurrency import run_in_threadpool

from tocsin import __version__
from tocsin.kernel.clock import to_wire
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.severity import Severity
from tocsin.store import tables
from tocsin.web.permissions import SESSION_COOKIE, Caller, csrf_token, identify, program_of

HERE = Path(__file__).parent.parent
OPEN_STATES = ("triage", "investigating", "contained", "monitoring")

environment = Environment(
    loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def _short(text: str) -> str:
    """Return a digest by its first twelve digits; other text as it is."""
    return (
        f"{text[:12]}…" if len(text) == 64 and all(letter in "0123456789abcdef" for letter in text) else text
    )


def _initials(name: str) -> str:
    return "".join(part[0] for part in name.split()[:2]).upper() or "?"


def _words(text: str) -> str:
    return text.replace("_", " ").capitalize()


@pass_context
def _clock(context: Context, moment: dt.datetime) -> str:
    return f"{moment.astimezone(context['zone']):%H:%M:%S}"


@pass_context
def _day(context: Context, moment: dt.datetime) -> str:
    return f"{moment.astimezone(context['zone']):%Y-%m-%d %H:%M %Z}"


@pass_context
def _date(context: Context, moment: dt.datetime) -> str:
    return f"{moment.astimezone(context['zone']):%A %Y-%m-%d}"


def span(seconds: float) -> str:
    """Return a stretch of time for people: its two largest parts, seconds only within ten minutes."""
    rest = int(abs(seconds))
    if rest < 600:
        minutes, rest = divmod(rest, 60)
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    days, rest = divmod(rest, 86400)
    hours, minutes = rest // 3600, rest % 3600 // 60
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min"


@pass_context
def _left(context: Context, moment: dt.datetime) -> str:
    """How long until `moment`; app.js counts on from there."""
    seconds = (moment - context["now"]).total_seconds()
    return f"{span(seconds)}{' late' if seconds < 0 else ''}"


@pass_context
def _since(context: Context, moment: dt.datetime) -> str:
    return span((context["now"] - moment).total_seconds())


@pass_context
def _severity(context: Context, rank: Severity) -> str:
    return str(context["catalog"].label(rank))


environment.filters |= {
    "short": _short,
    "initials": _initials, "words": _words, "clock": _clock, "iso": to_wire, "day": _day, "date": _date,
    "severity": _severity, "left": _left, "since": _since,
}  # fmt: skip
"""Times are shown in the installation's zone, the same for everybody who works on an incident."""


def page(
    request: Request,
    template: str,
    *,
    title: str,
    section: str = "",
    live_scope: str | None = None,
    problem: TocsinError | None = None,
    status: int = 200,
    **context: Any,
) -> Response:
    """Return a page. `live_scope` is an incident's id, '' for everything, None for a page that is not live."""
    program = program_of(request)
    caller: Caller | None = getattr(request.state, "caller", None) or identify(request)
    account = caller.account if caller else None
    catalog = program.world.catalog.current
    zone = ZoneInfo(catalog.installation.time_zone)
    html = environment.get_template(template).render(
        request=request,
        title=title,
        section=section,
        live_scope=live_scope,
        problem=_told(problem) if problem else None,
        account=account,
        caller_may=caller.may if caller else _nothing,
        csrf=csrf_token(program, request.cookies.get(SESSION_COOKIE, "")),
        drill=program.settings.drill,
        release=__version__,
        now=program.world.clock.now(),
        zone=zone,
        catalog=catalog,
        query=request.query_params.get("q"),
        navigation=_navigation(request, caller) if caller and account else [],
        **context,
    )
    return HTMLResponse(html, status, headers={"cache-control": "no-store"})


def _nothing(permission: str) -> bool:
    return False


def _told(error: TocsinError) -> dict[str, str | None]:
    where = getattr(error, "where", None)
    return {"title": error.title, "why": f"{where}: {error.why}" if where else error.why, "mend": error.mend}


def back(request: Request, to: str) -> Response:
    """Return to a page after a form was taken (303, so that a reload does not send it again)."""
    return RedirectResponse(to, 303)


async def fields(request: Request) -> dict[str, str]:
    """Return the text fields of a form, stripped; the token is left out."""
    form = await request.form()
    return {name: str(value).strip() for name, value in form.items() if name != "csrf"}


async def in_thread(work: Any) -> Any:
    """Run blocking work beside the loop."""
    return await run_in_threadpool(work)


def _navigation(request: Request, caller: Caller) -> list[dict[str, Any]]:
    def count(connection: Connection) -> tuple[int, int, int]:
        def number(table: Any, where: Any) -> int:
            return int(connection.execute(select(func.count()).select_from(table).where(where)).scalar_one())

        mine = and_(tables.page.c.person == caller.who, tables.page.c.state == "requested")
        return (
            number(tables.page, mine),
            number(tables.incident, tables.incident.c.status.in_(OPEN_STATES)),
            number(tables.alert, and_(tables.alert.c.current.is_(True), tables.alert.c.status == "firing")),
        )

    administers = caller.may("administer")
    pages, incidents, alerts = program_of(request).world.store.read(count)
    return [
        {"name": "Now", "href": "/", "count": pages, "urgent": True, "what": "pages for you"},
        {"name": "Incidents", "href": "/incidents", "count": incidents, "urgent": False, "what": "open"},
        {"name": "Alerts", "href": "/alerts", "count": alerts, "urgent": False, "what": "firing"},
        {"name": "Catalog", "href": "/catalog", "count": 0, "urgent": False, "what": ""},
        *(
            [{"name": "Access", "href": "/access", "count": 0, "urgent": False, "what": ""}]
            if administers
            else []
        ),
    ]
