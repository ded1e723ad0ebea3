"""Where other systems send what they report: a raw body is durable before it is answered for (SIG-1).

Routes take a plain request, decode strictly, commit the body, then answer in the sender's own words. A read
first waits, at most two seconds, until everything accepted before it has been derived.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import and_, select
from starlette.concurrency import run_in_threadpool

from tocsin.alerts.alert import Alert
from tocsin.engine import crash
from tocsin.engine.intake import accept, replay
from tocsin.engine.world import World
from tocsin.kernel.errors import Forbidden, NotSignedIn, TocsinError
from tocsin.signals.formats import alertmanager, pagerduty
from tocsin.signals.reported import Reply
from tocsin.store import inbox, tables
from tocsin.web.api.answers import answer, world_of
from tocsin.web.permissions import Caller, Needs, by_token, identify, program_of

router = APIRouter(tags=["intake"])
PATIENCE_SECONDS = 2.0
LOOK_SECONDS = 0.01
OPEN = Caller(None, "open intake")


async def sender_of(request: Request, key: str = "") -> Caller:
    """Return who sends: by key in the path, bearer, basic password, or anyone under open intake.

    Raises:
        NotSignedIn: no key, or one that is not known.
        Forbidden: an account without the permission to send alerts.
    """
    program = program_of(request)
    if program.settings.open_intake:
        return OPEN
    if not key:
        scheme, _, rest = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            key = _basic_password(rest)
    caller = (
        await run_in_threadpool(by_token, program, key) if key else await run_in_threadpool(identify, request)
    )
    if caller is None or caller.by_session:
        raise NotSignedIn("Sending alerts needs an integration key.", mend="Create one under Access.")
    if not caller.may("alert"):
        raise Forbidden("This account may not send alerts.", mend="Use an integration key.")
    return caller


def _basic_password(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def respond(reply: Reply) -> Response:
    """Return a format's own reply as an HTTP answer."""
    return Response(reply.body, reply.status, media_type=reply.content_type if reply.body else None)


async def _put(request: Request, caller: Caller, *, format: str, body: bytes, note: str = "") -> None:
    world = world_of(request)
    work = accept(world, format=format, integration=caller.integration or caller.actor, body=body, note=note)
    await asyncio.wrap_future(world.store.submit(work))
    crash.point("intake.after_commit")


async def derived(world: World) -> None:
    """Wait until everything accepted so far is derived, at most two seconds."""
    target = await run_in_threadpool(world.store.read, inbox.newest)
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        if await run_in_threadpool(world.store.read, inbox.derived) >= target:
            return
        await asyncio.sleep(LOOK_SECONDS)


# --- Alertmanager v2 ------------------------------------------------------------------------------


async def _in_its_words(
    work: Callable[[], Awaitable[Response]], refusal: Callable[[TocsinError], Reply]
) -> Response:
    try:
        return await work()
    except TocsinError as error:
        return respond(refusal(error))


@router.post("/api/v2/alerts")
@router.post("/k/{key}/api/v2/alerts")
async def post_alerts(request: Request, key: str = "") -> Response:
    """Take a batch of alerts as Prometheus and amtool send them; the good ones of a mixed batch are kept."""

    async def take() -> Response:
        caller = await sender_of(request, key)
        alertmanager.check_media_type(request.headers.get("content-type"))
        body = await request.body()
        batch = alertmanager.parse(body, world_of(request).clock.now())
        if batch.size:
            await _put(request, caller, format=alertmanager.SOURCE, body=body)
        return respond(alertmanager.reply_to(batch))

    return await _in_its_words(take, alertmanager.refusal)


@router.get("/api/v2/alerts")
@router.get("/k/{key}/api/v2/alerts")
async def get_alerts(request: Request, key: str = "") -> Response:
    """Return the alerts that fire now, in Alertmanager's form, read-your-writes and unpaged."""

    async def read() -> Response:
        await reader_of(request, key)
        await derived(world_of(request))
        return Response(
            msgspec.json.encode(await run_in_threadpool(_gettable, world_of(request))),
            200,
            media_type="application/json",
        )

    return await _in_its_words(read, alertmanager.refusal)


async def reader_of(request: Request, key: str) -> Caller:
    """Return who reads: whoever may send, or an account that may read."""
    if not key and not program_of(request).settings.open_intake:
        caller = await run_in_threadpool(identify, request)
        if caller is not None and caller.may("read"):
            return caller
    return await sender_of(request, key)


def _gettable(world: World) -> list[alertmanager.GettableAlert]:
    firing = select(tables.alert.c.document).where(
        and_(tables.alert.c.current.is_(True), tables.alert.c.status == "firing")
    )
    rows = world.store.read(lambda connection: connection.execute(firing).scalars().all())
    found = [msgspec.json.decode(row, type=Alert) for row in rows]
    shown = [
        alertmanager.gettable(
            labels=one.labels,
            annotations=one.annotations,
            starts_at=one.starts_at,
            ends_at=one.ends_at or one.last_seen + alertmanager.RESOLVE_TIMEOUT,
            updated_at=one.last_seen,
            generator_url=one.generator_url,
            receivers=("tocsin",),
        )
        for one in found
    ]
    return sorted(shown, key=lambda one: one.fingerprint)


# --- PagerDuty Events v2 --------------------------------------------------------------------------


@router.post("/v2/enqueue")
@router.post("/k/{key}/v2/enqueue")
async def enqueue(request: Request, key: str = "") -> Response:
    """Take one event: trigger, acknowledge or resolve; the routing key is the integration key."""

    async def take() -> Response:
        world = world_of(request)
        body = await request.body()
        chance = world.chance(10)
        event = pagerduty.parse(body, world.clock.now(), chance=chance)
        caller = await _by_routing_key(request, event.routing_key, key)
        scope = caller.integration or "account"
        await _put(request, caller, format=pagerduty.SOURCE, body=body, note=f"{chance.hex()}/{scope}")
        return respond(pagerduty.reply_to(event))

    return await _in_its_words(take, pagerduty.refusal)


async def _by_routing_key(request: Request, routing_key: str | None, key: str) -> Caller:
    program = program_of(request)
    if program.settings.open_intake:
        return OPEN
    if not key and "authorization" not in request.headers:
        fault = pagerduty.key_error(routing_key)
        if fault is not None:
            raise fault
        caller = await run_in_threadpool(by_token, program, routing_key or "")
        if caller is None:
            raise pagerduty.InvalidEvent(("'routing_key' is not known here",))
        return caller
    return await sender_of(request, key)


# --- quarantine -----------------------------------------------------------------------------------


@router.post("/api/v1/quarantine/{id}/replay")
def replay_body(request: Request, id: int, caller: Annotated[Caller, Depends(Needs("command"))]) -> Response:
    """Derive a quarantined body again, after a mapping or the program was mended."""
    replay(world_of(request), id)
    return answer({"id": id, "derived": True})
