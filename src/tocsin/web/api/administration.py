"""Accounts, tokens, keys, alerts' list and quarantine by API."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field
from sqlalchemy import select

from tocsin.engine import access
from tocsin.store import tables
from tocsin.web.api.answers import Body, answer, rows, world_of
from tocsin.web.permissions import Caller, Needs

router = APIRouter(prefix="/api/v1", tags=["administration"])
Administrator = Annotated[Caller, Depends(Needs("administer"))]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class AccountBody(Body):
    """A new account."""

    email: Name
    name: Name
    password: Annotated[str, Field(max_length=1000)]
    role: str
    person: str | None = None


class RoleBody(Body):
    """An account's role."""

    role: str


class PasswordBody(Body):
    """An account's new password."""

    password: Annotated[str, Field(max_length=1000)]


class TokenBody(Body):
    """A new API token; without `account`, for the caller's own."""

    name: Name
    account: str | None = None


class KeyBody(Body):
    """A new integration key."""

    name: Name


@router.get("/me")
def me(request: Request, caller: Annotated[Caller, Depends(Needs("read"))]) -> Response:
    """Return who the caller is."""
    account = caller.account
    return answer({"account": account.id, "email": account.email, "name": account.name, "role": account.role,
                   "person": account.person} if account else {})  # fmt: skip


@router.get("/accounts", dependencies=[Depends(Needs("administer"))])
def list_accounts(request: Request) -> Response:
    """List the accounts."""
    found = world_of(request).store.read(access.accounts)
    return answer(
        {
            "accounts": [
                {"id": a.id, "email": a.email, "name": a.name, "role": a.role, "disabled": a.disabled}
                for a in found
            ]
        }
    )


@router.post("/accounts", status_code=201)
def create_account(request: Request, body: AccountBody, caller: Administrator) -> Response:
    """Create an account; a person of the catalog with the same address is found by it."""
    made = access.create_account(world_of(request), actor=caller.actor, **body.model_dump())
    return answer({"id": made.id, "email": made.email, "role": made.role, "person": made.person}, 201)


@router.post("/accounts/{id}/role")
def change_role(request: Request, id: str, body: RoleBody, caller: Administrator) -> Response:
    """Set an account's role."""
    access.change_role(world_of(request), id, body.role, actor=caller.actor)
    return answer({"id": id, "role": body.role})


@router.post("/accounts/{id}/disable")
def disable_account(request: Request, id: str, caller: Administrator) -> Response:
    """Lock an account out: its sessions end and its tokens are refused."""
    access.disable(world_of(request), id, actor=caller.actor)
    return answer({"id": id, "disabled": True})


@router.post("/accounts/{id}/enable")
def enable_account(request: Request, id: str, caller: Administrator) -> Response:
    """Let an account in again."""
    access.enable(world_of(request), id, actor=caller.actor)
    return answer({"id": id, "disabled": False})


@router.post("/accounts/{id}/password")
def set_password(request: Request, id: str, body: PasswordBody, caller: Administrator) -> Response:
    """Give an account another password; its sessions end."""
    access.set_password(world_of(request), id, body.password, actor=caller.actor)
    return answer({"id": id})


@router.post("/tokens", status_code=201)
def create_token(request: Request, body: TokenBody, caller: Administrator) -> Response:
    """Create an API token; its secret is in this answer and nowhere else."""
    account = body.account or (caller.account.id if caller.account else "")
    id, token = access.create_token(world_of(request), account, body.name, actor=caller.actor)
    return answer({"id": id, "token": token}, 201)


@router.post("/integration-keys", status_code=201)
def create_key(request: Request, body: KeyBody, caller: Administrator) -> Response:
    """Create an integration key; its secret is in this answer and nowhere else."""
    id, key = access.create_integration_key(world_of(request), body.name, actor=caller.actor)
    return answer({"id": id, "key": key}, 201)


@router.delete("/tokens/{id}")
def revoke(request: Request, id: str, caller: Administrator) -> Response:
    """Take the force of a token or key away."""
    access.revoke(world_of(request), id, actor=caller.actor)
    return answer({"id": id, "revoked": True})


@router.get("/alerts", dependencies=[Depends(Needs("read"))])
def list_alerts(
    request: Request, status: str | None = None, limit: Annotated[int, Query(ge=1, le=1000)] = 200
) -> Response:
    """List alerts, the newest first."""
    table = tables.alert
    query = select(table).order_by(table.c.last_seen.desc()).limit(limit)
    if status:
        query = query.where(table.c.status == status, table.c.current.is_(True))
    return answer({"alerts": rows(world_of(request), query)})


@router.get("/quarantine", dependencies=[Depends(Needs("read"))])
def list_quarantine(request: Request, limit: Annotated[int, Query(ge=1, le=500)] = 100) -> Response:
    """List accepted bodies that could not be read, with the reason; the bytes are kept."""
    table = tables.inbox
    query = (
        select(table.c.id, table.c.received_at, table.c.format, table.c.integration, table.c.reason)
        .where(table.c.quarantined.is_(True))
        .order_by(table.c.id.desc())
        .limit(limit)
    )
    return answer({"quarantine": rows(world_of(request), query)})
