"""Coming in and going out: sign-in, sign-out, and the one-tap acknowledge link that needs neither (TEAM-4, PLT-1)."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote, unquote, urlsplit

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from tocsin.engine import access, escalate
from tocsin.engine.review import person_name
from tocsin.incidents.incident import INCIDENT
from tocsin.kernel.errors import NotSignedIn, TocsinError
from tocsin.response.oncall.link import read_link
from tocsin.response.oncall.page import PAGE
from tocsin.web.pages.layout import fields, in_thread, page
from tocsin.web.permissions import SESSION_COOKIE, Caller, Needs, program_of

router = APIRouter(include_in_schema=False)


def _safe(target: str) -> str:
    """Return a path of this site to go on to; anything else becomes the start page."""
    local = target.startswith("/") and not target.startswith(("//", "/\\")) and "\\" not in target
    return target if local else "/"


@router.get("/sign-in")
def sign_in_page(request: Request, next: str = "/") -> Response:
    """Show the sign-in form."""
    return page(request, "sign_in.html", title="Sign in", next=_safe(next), email="")


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Take address and password; set the session's cookie."""
    given = await fields(request)
    program = program_of(request)
    email, target = given.get("email", ""), _safe(given.get("next", "/"))
    try:
        _same_site(request)
        source, password = request.client.host if request.client else "", given.get("password", "")
        _, token = await in_thread(lambda: access.sign_in(program.world, email, password, source=source))
    except TocsinError as error:
        return page(
            request,
            "sign_in.html",
            title="Sign in",
            next=target,
            email=email,
            problem=error,
            status=error.status,
        )
    answer = RedirectResponse(target, 303)
    answer.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=access.SESSION_HOURS * 3600,
        httponly=True,
        samesite="lax",
        secure=program.settings.public_url.startswith("https://"),
    )
    return answer


def _same_site(request: Request) -> None:
    """Refuse a sign-in that another site sends (login CSRF); browsers say where a form came from."""
    here = {urlsplit(program_of(request).settings.public_url).netloc, request.headers.get("host", "")}
    origin = request.headers.get("origin")
    elsewhere = origin is not None and urlsplit(origin).netloc not in here
    if elsewhere or request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise NotSignedIn("The form came from another site.", mend="Load the sign-in page again.")


@router.post("/sign-out")
async def sign_out(request: Request, caller: Annotated[Caller, Depends(Needs("read"))]) -> Response:
    """End the session."""
    token = request.cookies.get(SESSION_COOKIE, "")
    await in_thread(lambda: access.sign_out(program_of(request).world, token))
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(SESSION_COOKIE)
    return answer


# --- one tap --------------------------------------------------------------------------------------


def _read(request: Request, token: str) -> dict[str, str]:
    world = program_of(request).world
    return read_link(world.link_secret, unquote(token), world.clock.now())


def _acknowledge_page(request: Request, token: str, payload: dict[str, str], status: int = 200) -> Response:
    world = program_of(request).world
    incident = world.store.state(INCIDENT, payload["incident"])
    state = world.store.state(PAGE, payload["incident"])
    answered = [person_name(world, person) for person in state.acknowledged_by]
    context: dict[str, Any] = {
        "incident": incident,
        "token": quote(token),
        "person": person_name(world, payload["person"]),
        "answered": answered,
        "mine": payload["person"] in state.acknowledged_by,
        "commander": person_name(world, incident.roles.get("commander", "")),
    }
    return page(request, "acknowledge.html", title="Acknowledge", status=status, **context)


@router.get("/acknowledge/{token}")
def acknowledge_page(request: Request, token: str) -> Response:
    """Show the page with its one button. Mail scanners open links, so this changes nothing."""
    return _acknowledge_page(request, token, _read(request, token))


@router.post("/acknowledge/{token}")
def acknowledge(request: Request, token: str) -> Response:
    """Acknowledge as the person the link was sent to; a second time changes nothing."""
    payload = _read(request, token)
    person = payload["person"]
    escalate.acknowledge(
        program_of(request).world,
        payload["incident"],
        person,
        page_id=payload["page"],
        how="link",
        actor=f"person:{person}",
    )
    return RedirectResponse(f"/acknowledge/{quote(token)}", 303)
