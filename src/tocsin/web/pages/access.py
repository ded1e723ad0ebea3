"""Access: accounts, API tokens and integration keys; a secret is shown once, when it is made (PLT-1)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import Connection, select

from tocsin.engine import access
from tocsin.kernel.errors import TocsinError
from tocsin.store import tables
from tocsin.web.pages.form import take
from tocsin.web.pages.layout import fields, in_thread, page
from tocsin.web.permissions import Caller, Needs, program_of

router = APIRouter(include_in_schema=False)
Administrator = Annotated[Caller, Depends(Needs("administer"))]
HERE = "/access"


@router.get("/access")
def access_page(request: Request, caller: Administrator) -> Response:
    """List who may come in, and what with."""
    return _show(request)


def _show(
    request: Request,
    *,
    problem: TocsinError | None = None,
    typed: dict[str, str] | None = None,
    made: dict[str, str] | None = None,
) -> Response:
    context = program_of(request).world.store.read(_read)
    return page(
        request,
        "access.html",
        title="Access",
        section=HERE,
        problem=problem,
        status=problem.status if problem else 200,
        typed=typed or {},
        made=made,
        roles=access.ROLES,
        **context,
    )


def _read(connection: Connection) -> dict[str, Any]:
    token, key, account = tables.api_token, tables.integration_key, tables.account
    tokens = (
        select(token.c.id, token.c.name, token.c.created_at, token.c.revoked_at, account.c.email)
        .join_from(token, account, token.c.account == account.c.id)
        .order_by(token.c.created_at)
    )
    keys = select(key.c.id, key.c.name, key.c.created_at, key.c.revoked_at).order_by(key.c.created_at)
    return {
        "accounts": access.accounts(connection),
        "tokens": connection.execute(tokens).all(),
        "keys": connection.execute(keys).all(),
    }


def _again(request: Request) -> Any:
    return lambda problem, typed: _show(request, problem=problem, typed=typed)


@router.post("/access/accounts")
async def create_account(request: Request, caller: Administrator) -> Response:
    """Create an account."""
    world = program_of(request).world

    def work(given: dict[str, str]) -> str:
        access.create_account(
            world,
            email=given.get("email", ""),
            name=given.get("name", ""),
            password=given.get("password", ""),
            role=given.get("role", ""),
            actor=caller.actor,
        )
        return HERE

    return await take(request, work, _again(request))


@router.post("/access/accounts/{id}/role")
async def change_role(request: Request, id: str, caller: Administrator) -> Response:
    """Set an account's role."""
    world = program_of(request).world

    def work(given: dict[str, str]) -> str:
        access.change_role(world, id, given.get("role", ""), actor=caller.actor)
        return HERE

    return await take(request, work, _again(request))


@router.post("/access/accounts/{id}/disable")
async def disable_account(request: Request, id: str, caller: Administrator) -> Response:
    """Lock an account out."""
    world = program_of(request).world

    def work(given: dict[str, str]) -> str:
        access.disable(world, id, actor=caller.actor)
        return HERE

    return await take(request, work, _again(request))


@router.post("/access/accounts/{id}/enable")
async def enable_account(request: Request, id: str, caller: Administrator) -> Response:
    """Let an account in again."""
    world = program_of(request).world

    def work(given: dict[str, str]) -> str:
        access.enable(world, id, actor=caller.actor)
        return HERE

    return await take(request, work, _again(request))


@router.post("/access/accounts/{id}/password")
async def set_password(request: Request, id: str, caller: Administrator) -> Response:
    """Give an account another password."""
    world = program_of(request).world

    def work(given: dict[str, str]) -> str:
        access.set_password(world, id, given.get("password", ""), actor=caller.actor)
        return HERE

    return await take(request, work, _again(request))


@router.post("/access/tokens")
async def create_token(request: Request, caller: Administrator) -> Response:
    """Create an API token for an account and show it once."""
    return await _make(
        request,
        "API token",
        lambda given: access.create_token(
            program_of(request).world, given.get("account", ""), given.get("name", ""), actor=caller.actor
        ),
    )


@router.post("/access/keys")
async def create_key(request: Request, caller: Administrator) -> Response:
    """Create an integration key and show it once."""
    return await _make(
        request,
        "Integration key",
        lambda given: access.create_integration_key(
            program_of(request).world, given.get("name", ""), actor=caller.actor
        ),
    )


async def _make(request: Request, what: str, make: Any) -> Response:
    given = await fields(request)

    def work() -> Response:
        try:
            _, secret = make(given)
        except TocsinError as error:
            return _show(request, problem=error, typed=given)
        return _show(request, made={"what": what, "name": given.get("name", ""), "secret": secret})

    answer: Response = await in_thread(work)
    return answer


@router.post("/access/revoke/{id}")
async def revoke(request: Request, id: str, caller: Administrator) -> Response:
    """Take the force of a token or key away."""
    world = program_of(request).world

    def work(given: dict[str, str]) -> str:
        access.revoke(world, id, actor=caller.actor)
        return HERE

    return await take(request, work, _again(request))
