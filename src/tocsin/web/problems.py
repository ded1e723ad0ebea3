"""Errors as answers: RFC 9457 problem details with stable types; foreign APIs keep their own shapes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from tocsin.catalog.problem import ConfigurationInvalid
from tocsin.kernel.errors import Invalid, Malformed, NotSignedIn, TocsinError

log = logging.getLogger(__name__)

TYPE = "https://tocsin.invalid/problems/"
"""Problem types are names, not addresses; the reference lists them."""


def problem(
    status: int, slug: str, title: str, detail: str, *, request: Request | None = None, **more: Any
) -> Response:
    """Return a problem details answer."""
    body = {"type": TYPE + slug, "title": title, "status": status, "detail": detail, **more}
    if request is not None:
        body["instance"] = request.url.path
    headers = {"www-authenticate": "Bearer"} if status == 401 else {}
    if status == 503:
        headers["retry-after"] = "1"
    return Response(msgspec.json.encode(body), status, headers, "application/problem+json")


def of_error(error: TocsinError, request: Request | None = None) -> Response:
    """Return the answer that tells `error`."""
    more: dict[str, Any] = {}
    if error.mend:
        more["mend"] = error.mend
    if isinstance(error, Invalid) and error.where:
        more["where"] = error.where
    if isinstance(error, ConfigurationInvalid):
        more["problems"] = [
            {"file": one.file, "line": one.line, "why": one.why, "mend": one.mend} for one in error.problems
        ]
    return problem(error.status, error.slug, error.title, error.why, request=request, **more)


def install(app: FastAPI) -> None:
    """Let every error of this app be told as a problem; pages get a page instead (see pages/errors.py)."""

    @app.exception_handler(TocsinError)
    async def told(request: Request, error: TocsinError) -> Response:
        return of_error(error, request)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        if tuple(first["loc"]) == ("body",):
            return _not_an_object(request, first)
        if first["type"] == "json_invalid":
            return of_error(Malformed(f"The body is not JSON: {first['ctx']['error']}."), request)
        faults = [{"where": _where(one["loc"]), "why": one["msg"]} for one in error.errors()]
        return problem(
            422,
            "invalid",
            "Not valid",
            f"{first['msg']}.",
            request=request,
            where=faults[0]["where"],
            problems=faults,
        )

    @app.exception_handler(HTTPException)
    async def plain(request: Request, error: HTTPException) -> Response:
        if error.status_code == 400 and "parsing the body" in str(error.detail):
            return of_error(Malformed(UNREADABLE), request)
        slugs = {404: "not-found", 405: "method-not-allowed", 401: NotSignedIn.slug}
        slug = slugs.get(error.status_code, "http")
        answer = problem(
            error.status_code, slug, str(error.detail), f"{request.method} {request.url.path}: {error.detail}.",
            request=request,
        )  # fmt: skip
        for name, value in (error.headers or {}).items():
            answer.headers[name] = value
        return answer

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        log.exception("unforeseen error on %s %s", request.method, request.url.path)
        return problem(500, "error", "Something went wrong", "It has been logged.", request=request)


UNREADABLE = "The body cannot be read as JSON: it is not UTF-8, it is nested too deeply, or a number in it is too long."


def _where(place: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in place if part not in ("body", "query", "path"))


def _not_an_object(request: Request, fault: Mapping[str, Any]) -> Response:
    """Return why the body as a whole is wrong: none, of another type, or not an object."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    mend = "Send a JSON object, with `Content-Type: application/json`."
    if fault["type"] == "missing":
        return of_error(Malformed("There is no body.", mend=mend), request)
    if kind != "application/json" and not kind.endswith("+json"):
        why = f"The body is {kind!r} and not JSON." if kind else "The body does not say that it is JSON."
        return of_error(Malformed(why, mend=mend), request)
    return of_error(Invalid("The body is JSON and not an object.", where="body", mend=mend), request)
