"""Live pages: server-sent events after each commit; they carry names only, the page fetches what changed (PLT-4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import StreamingResponse

from tocsin.store.store import Store
from tocsin.web.permissions import Needs

router = APIRouter(tags=["live"])
HEARTBEAT_SECONDS = 10.0


class Hub:
    """Tells every open page which scopes changed. Commits happen on the writer's thread, pages on the loop's."""

    def __init__(self, store: Store) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open: set[asyncio.Queue[frozenset[str]]] = set()
        self._closing = False
        store.on_change.append(self._changed)

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Name the loop that the pages live on."""
        self._loop = loop

    def close(self) -> None:
        """Let every open page end, so that the server can stop."""
        self._closing = True
        for queue in self._open:
            queue.put_nowait(frozenset())

    def _changed(self, scopes: frozenset[str], scheduled: int) -> None:
        if self._loop is not None and scopes and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell, scopes)

    def _tell(self, scopes: frozenset[str]) -> None:
        for queue in self._open:
            if queue.qsize() < 100:
                queue.put_nowait(scopes)

    async def follow(self, scope: str | None) -> AsyncIterator[bytes]:
        """Yield an event for each change of `scope`, or of anything; a heartbeat in between shows staleness."""
        queue: asyncio.Queue[frozenset[str]] = asyncio.Queue()
        self._open.add(queue)
        try:
            yield b"retry: 2000\nevent: hello\ndata: live\n\n"
            while not self._closing:
                try:
                    scopes = await asyncio.wait_for(queue.get(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield b"event: heartbeat\ndata: live\n\n"
                    continue
                if scopes and (scope is None or scope in scopes):
                    yield b"event: changed\ndata: " + (scope or "any").encode() + b"\n\n"
        finally:
            self._open.discard(queue)


@router.get("/live", dependencies=[Depends(Needs("read"))])
async def live(
    request: Request, scope: Annotated[str | None, "an incident's id"] = None
) -> StreamingResponse:
    """Stream changes of one incident, or of everything."""
    hub: Hub = request.app.state.hub
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(hub.follow(scope), media_type="text/event-stream", headers=headers)
