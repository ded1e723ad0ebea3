"""The site: every route on one app, the middleware around it, and the life of the program behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from tocsin import __version__
from tocsin.app import Program
from tocsin.web import live, operations, pages, problems
from tocsin.web.api import administration, catalog, incidents, intake, record, response
from tocsin.web.limits import Limits

PUBLIC = frozenset({"/healthz", "/readyz", "/metrics", "/openapi.json", "/sign-in", "/acknowledge/{token}"})
"""Addresses that anyone may ask; the intake addresses ask for a key by themselves."""


def build(program: Program) -> FastAPI:
    """Return the site of `program`; serving it starts and stops the program's threads."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        app.state.hub.attach(asyncio.get_running_loop())
        program.start()
        yield
        app.state.hub.close()
        await asyncio.to_thread(program.stop)

    app = FastAPI(
        title="tocsin", version=__version__, lifespan=life, docs_url=None, redoc_url=None,
        summary="Incident response for AI systems, whose record can be proved.",
    )  # fmt: skip
    app.state.program = program
    app.state.hub = live.Hub(program.world.store)
    problems.install(app)
    for module in (operations, live, intake, incidents, response, catalog, record, administration):
        app.include_router(module.router)
    pages.install(app)
    app.add_middleware(Limits)
    return app
