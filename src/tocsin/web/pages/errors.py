"""Errors as pages for people who use a browser; everybody else hears problem details."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from tocsin.kernel.errors import NotFound, NotSignedIn, TocsinError
from tocsin.web.pages.layout import page


def wants_page(request: Request) -> bool:
    """Return whether a browser asks for a page rather than a program for data."""
    path = request.url.path
    if path.startswith(("/api/", "/v1/", "/v2/", "/k/", "/intake/", "/live", "/metrics", "/healthz", "/readyz")):
        return False
    return "text/html" in request.headers.get("accept", "")


def install(app: FastAPI) -> None:
    """Put pages in front of the problem answers."""
    told, plain = app.exception_handlers[TocsinError], app.exception_handlers[HTTPException]

    @app.exception_handler(TocsinError)
    async def as_page(request: Request, error: TocsinError) -> Response:
        if not wants_page(request):
            return await told(request, error)  # type: ignore[misc, no-any-return]
        if isinstance(error, NotSignedIn) and request.method == "GET" and "/acknowledge/" not in request.url.path:
            target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"/sign-in?next={quote(target, safe='')}", 303)
        return page(request, "error.html", title=error.title, problem=error, status=error.status)

    @app.exception_handler(HTTPException)
    async def plain_as_page(request: Request, error: HTTPException) -> Response:
        if not wants_page(request) or error.status_code != 404:
            return await plain(request, error)  # type: ignore[misc, no-any-return]
        lost = NotFound(f"There is no page at {request.url.path}.", mend="Go to Now, or search.")
        return page(request, "error.html", title="Not found", problem=lost, status=404)
