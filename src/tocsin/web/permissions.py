"""Who may do what: one table, and the dependency that every route declares its permission with (PLT-1)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, get_args

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from tocsin.app import Program
from tocsin.catalog.access import AccountRole
from tocsin.engine import access
from tocsin.engine.access import Account
from tocsin.kernel.errors import Forbidden, NotSignedIn

Permission = Literal[
    "read", "respond", "command", "contain", "update", "review", "evidence", "preserve", "export", "configure",
    "administer", "telemetry", "alert", "log",
]  # fmt: skip
PERMISSIONS: tuple[Permission, ...] = get_args(Permission)

_READ: frozenset[Permission] = frozenset({"read", "log"})
_RESPOND: frozenset[Permission] = _READ | {
    "respond", "contain", "update", "review", "evidence", "preserve", "alert",
}  # fmt: skip
_COMMAND: frozenset[Permission] = _RESPOND | {"command", "export"}

ROLES: dict[AccountRole, frozenset[Permission]] = {
    "viewer": _READ,
    "responder": _RESPOND,
    "lead": _COMMAND,
    "compliance": _READ | {"respond", "update", "review", "evidence", "preserve", "export"},
    "auditor": _READ | {"evidence", "export"},
    "administrator": frozenset(PERMISSIONS),
}
"""Account role to what it may do. A role on an incident (commander) is checked by the desks besides.

read: see incidents and the catalog.  respond: declare, note, answer, acknowledge, set facts.  command: severity,
roles, resolve, close.  contain: ask for, approve, undo (the desk asks for the role).  update: send updates.
review: write the review.  evidence: read evidence.  preserve: add evidence.  export: take the record out.
configure: plan and apply, pin references.
administer: accounts, tokens, keys.  telemetry: send predictions.  alert: send alerts.  log: see the log's head.
"""

SESSION_COOKIE = "tocsin_session"
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
BOOTSTRAP = Account("bootstrap", "bootstrap@localhost", "Bootstrap token", "administrator", None)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: an account by session or token, or an integration by its key."""

    account: Account | None
    integration: str | None = None
    by_session: bool = False

    @property
    def actor(self) -> str:
        """How the record names the caller."""
        return self.account.actor if self.account else f"integration:{self.integration}"

    @property
    def who(self) -> str:
        """The id that roles, approvals and answers carry."""
        return self.account.who if self.account else ""

    def may(self, permission: Permission) -> bool:
        """Return whether the caller has `permission`."""
        if self.account is None:
            return permission in ("alert", "telemetry")
        return permission in ROLES[self.account.role]


class Needs:
    """A dependency: the route is for callers with this permission. The route test reads `permission`."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    async def __call__(self, request: Request) -> Caller:
        """Return the caller; raise `NotSignedIn` or `Forbidden`."""
        caller = await run_in_threadpool(identify, request)
        if caller is None:
            raise NotSignedIn(
                "This needs a sign-in or a token.", mend="Sign in, or send `Authorization: Bearer`."
            )
        if not caller.may(self.permission):
            role = caller.account.role if caller.account else "integration"
            raise Forbidden(
                f"The role '{role}' does not have the permission '{self.permission}'.",
                mend="Ask an administrator.",
            )
        if caller.by_session and request.method not in SAFE_METHODS:
            await check_csrf(request)
        request.state.caller = caller
        return caller


def program_of(request: Request) -> Program:
    """Return the program that serves `request`."""
    program: Program = request.app.state.program
    return program


def identify(request: Request) -> Caller | None:
    """Return who asks: by bearer token, integration key, or session cookie; None when nobody known."""
    program = program_of(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return by_token(program, token.strip())
    cookie = request.cookies.get(SESSION_COOKIE)
    account = access.session_account(program.world, cookie) if cookie else None
    return Caller(account, by_session=True) if account else None


def by_token(program: Program, token: str) -> Caller | None:
    """Return whom a bearer token belongs to: the bootstrap token, an API token, or an integration key."""
    expected = program.settings.bootstrap_token
    if expected and hmac.compare_digest(token.encode(), expected.encode()):
        return Caller(BOOTSTRAP)
    account = access.token_account(program.world, token)
    if account is not None:
        return Caller(account)
    integration = access.integration_name(program.world, token)
    return Caller(None, integration) if integration else None


def csrf_token(program: Program, session: str) -> str:
    """Return the token that forms of this session carry."""
    key = program.world.link_secret
    return hmac.new(key, b"csrf\n" + session.encode(), sha256).hexdigest()


async def check_csrf(request: Request) -> None:
    """Raise `Forbidden` unless a request by cookie carries its session's token."""
    given = request.headers.get(CSRF_HEADER, "")
    kind = request.headers.get("content-type", "")
    if not given and kind.startswith(("application/x-www-form-urlencoded", "multipart/form-data")):
        given = str((await request.form()).get(CSRF_FIELD, ""))
    expected = csrf_token(program_of(request), request.cookies.get(SESSION_COOKIE, ""))
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise Forbidden("The form is not from this session.", mend="Load the page again, then send it.")
