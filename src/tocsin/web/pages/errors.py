"""Errors as pages for people who use a browser; everybody else hears problem details."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from tocsin.kernel.errors import Invalid, NotFound, NotSignedIn, TocsinError
from tocsin.web.pages.layout import page


def wants_page(request: Request) -> bool:
    """Return whether a browser asks for a page rather than a program for data."""
    path = request.url.path
    if path.startswith(
        ("/api/", "/v1/", "/v2/", "/k/", "/intake/", "/live", "/metrics", "/healthz", "/readyz")
    ):
        return False
    return "text/html" in request.headers.get("accept", "")


def install(app: FastAPI) -> None:
    """Put pages in front of the problem answers."""
    told, plain = app.exception_handlers[TocsinError], app.exception_handlers[HTTPException]
    invalid = app.exception_handlers[RequestValidationError]

    @app.exception_handler(TocsinError)
    async def as_page(request: Request, error: TocsinError) -> Response:
        if not wants_page(request):
            return await told(request, error)  # type: ignore[misc, no-any-return]  # starlette keeps handlers untyped
        if (
            isinstance(error, NotSignedIn)
            and request.method == "GET"
            and "/acknowledge/" not in request.url.path
        ):
            target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"/sign-in?next={quote(target, safe='')}", 303)
        return _page(request, error)

    @app.exception_handler(HTTPException)
    async def plain_as_page(request: Request, error: HTTPException) -> Response:
        if not wants_page(request) or error.status_code not in (404, 405):
            return await plain(request, error)  # type: ignore[misc, no-any-return]  # starlette keeps handlers untyped
        if error.status_code == 405:
            return _page(request, _NotAPage("This address takes a form.", mend="Go to Now, or search."))
        return _page(request, _lost(request))

    @app.exception_handler(RequestValidationError)
    async def invalid_as_page(request: Request, error: RequestValidationError) -> Response:
        if not wants_page(request):
            return await invalid(request, error)  # type: ignore[misc, no-any-return]  # starlette keeps handlers untyped
        first = error.errors()[0]
        if first["loc"][0] == "path":
            return _page(request, _lost(request))
        where = ".".join(str(part) for part in first["loc"][1:])
        return _page(request, Invalid(f"{first['msg']}.", where=where))


class _NotAPage(TocsinError):
    slug, status, title = "method-not-allowed", 405, "Not a page"


def _lost(request: Request) -> NotFound:
    return NotFound(f"There is no page at {request.url.path}.", mend="Go to Now, or search.")


def _page(request: Request, error: TocsinError) -> Response:
    return page(request, "error.html", title=error.title, problem=error, status=error.status)
