"""The pages people see. Server-rendered, work without JavaScript, made live by events."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from tocsin.web.pages import (
    access,
    alerts,
    catalog,
    console,
    containment,
    declare,
    errors,
    incidents,
    now,
    proof,
    review,
    run,
    session,
)  # fmt: skip
from tocsin.web.pages.layout import HERE

MODULES = (
    session,
    now,
    incidents,
    console,
    proof,
    run,
    containment,
    alerts,
    declare,
    catalog,
    review,
    access,
)
"""Every module with pages; each has a `router`."""


def install(app: FastAPI) -> None:
    """Add the pages to the app."""
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    for module in MODULES:
        app.include_router(module.router)
    errors.install(app)
