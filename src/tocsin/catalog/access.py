"""Access to the installation as a stream: accounts, sign-ins, tokens and keys; who let whom in, and when (PLT-1)."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

from tocsin.kernel.errors import Refused
from tocsin.kernel.event import Command, Event, State, StreamKind

AccountRole = Literal["viewer", "responder", "lead", "compliance", "auditor", "administrator"]
"""What an account may do. 'Commander' is a role on an incident, not one of these."""


class AccountCreated(Event, frozen=True, kw_only=True, tag="access.account_created"):
    """Somebody was given an account. `person` names them in the catalog, where they are in it."""

    account: str
    role: AccountRole
    person: str | None = None


class RoleChanged(Event, frozen=True, kw_only=True, tag="access.role_changed"):
    """An account's role was set anew."""

    account: str
    role: AccountRole


class PasswordSet(Event, frozen=True, kw_only=True, tag="access.password_set"):
    """An account has another password."""

    account: str


class AccountDisabled(Event, frozen=True, kw_only=True, tag="access.account_disabled"):
    """Somebody was locked out: sessions ended, tokens refused."""

    account: str


class AccountEnabled(Event, frozen=True, kw_only=True, tag="access.account_enabled"):
    """Somebody may come in again."""

    account: str


class SignedIn(Event, frozen=True, kw_only=True, tag="access.signed_in"):
    """Somebody signed in."""

    account: str


class SignInRefused(Event, frozen=True, kw_only=True, tag="access.sign_in_refused"):
    """A sign-in to a known account was turned down."""

    account: str
    reason: str


class TokenCreated(Event, frozen=True, kw_only=True, tag="access.token_created"):
    """A token or key was made. Its secret is kept nowhere."""

    token: str
    name: str
    purpose: Literal["api", "integration"]


class TokenRevoked(Event, frozen=True, kw_only=True, tag="access.token_revoked"):
    """A token or key lost its force."""

    token: str


AccessEvent = (
    AccountCreated
    | RoleChanged
    | PasswordSet
    | AccountDisabled
    | AccountEnabled
    | SignedIn
    | SignInRefused
    | TokenCreated
    | TokenRevoked
)


class CreateAccount(Command, frozen=True, kw_only=True):
    """Give somebody an account."""

    account: str
    role: AccountRole
    person: str | None = None


class ChangeRole(Command, frozen=True, kw_only=True):
    """Set an account's role."""

    account: str
    role: AccountRole


class SetPassword(Command, frozen=True, kw_only=True):
    """Note that the password was changed."""

    account: str


class DisableAccount(Command, frozen=True, kw_only=True):
    """Lock somebody out."""

    account: str


class EnableAccount(Command, frozen=True, kw_only=True):
    """Let somebody in again."""

    account: str


class SignIn(Command, frozen=True, kw_only=True):
    """Note a sign-in, or its refusal with the reason."""

    account: str
    refused: str = ""


class CreateToken(Command, frozen=True, kw_only=True):
    """Note a new token or key."""

    token: str
    name: str
    purpose: Literal["api", "integration"]


class RevokeToken(Command, frozen=True, kw_only=True):
    """Take a token's force away."""

    token: str


AccessCommand = (
    CreateAccount
    | ChangeRole
    | SetPassword
    | DisableAccount
    | EnableAccount
    | SignIn
    | CreateToken
    | RevokeToken
)


class Access(State, frozen=True, kw_only=True):
    """The accounts' roles, who of them is locked out, and which tokens hold."""

    roles: dict[str, AccountRole] = {}
    disabled: tuple[str, ...] = ()
    tokens: dict[str, bool] = {}


INITIAL = Access()


def decide(state: Access, command: AccessCommand, now: dt.datetime) -> tuple[AccessEvent, ...]:
    """Return the events that `command` causes; raise `Refused` for an account or token that is not there."""
    match command:
        case CreateAccount():
            if command.account in state.roles:
                return ()
            return (AccountCreated(account=command.account, role=command.role, person=command.person),)
        case CreateToken():
            if command.token in state.tokens:
                return ()
            return (TokenCreated(token=command.token, name=command.name, purpose=command.purpose),)
        case RevokeToken():
            if command.token not in state.tokens:
                raise Refused("There is no such token.", mend="Look at the list of tokens.")
            return (TokenRevoked(token=command.token),) if state.tokens[command.token] else ()
        case DisableAccount():
            return _disable(state, command.account)
    if command.account not in state.roles:
        raise Refused("There is no such account.", mend="Create it first.")
    match command:
        case ChangeRole():
            if state.roles[command.account] == command.role:
                return ()
            if is_last_administrator(state, command.account):
                raise Refused("This is the last administrator.", mend="Make another one first.")
            return (RoleChanged(account=command.account, role=command.role),)
        case SetPassword():
            return (PasswordSet(account=command.account),)
        case EnableAccount():
            return (AccountEnabled(account=command.account),) if command.account in state.disabled else ()
        case SignIn():
            if command.refused:
                return (SignInRefused(account=command.account, reason=command.refused),)
            return (SignedIn(account=command.account),)


def _disable(state: Access, account: str) -> tuple[AccountDisabled, ...]:
    if account not in state.roles:
        raise Refused("There is no such account.", mend="Look at the list of accounts.")
    if account in state.disabled:
        return ()
    if is_last_administrator(state, account):
        raise Refused("This is the last administrator.", mend="Make another one first.")
    return (AccountDisabled(account=account),)


def is_last_administrator(state: Access, account: str) -> bool:
    """Return whether nobody but `account` could administer: another one who is locked out does not count."""
    able = {one for one, role in state.roles.items() if role == "administrator" and one not in state.disabled}
    return able == {account}


def evolve(state: Access, event: AccessEvent) -> Access:
    """Return `state` after `event`."""
    match event:
        case AccountCreated() | RoleChanged():
            return msgspec.structs.replace(state, roles={**state.roles, event.account: event.role})
        case AccountDisabled():
            return msgspec.structs.replace(state, disabled=(*state.disabled, event.account))
        case AccountEnabled():
            left = tuple(one for one in state.disabled if one != event.account)
            return msgspec.structs.replace(state, disabled=left)
        case TokenCreated():
            return msgspec.structs.replace(state, tokens={**state.tokens, event.token: True})
        case TokenRevoked():
            return msgspec.structs.replace(state, tokens={**state.tokens, event.token: False})
        case _:
            return state


ACCESS: StreamKind[Access, AccessCommand, AccessEvent] = StreamKind(
    "access", INITIAL, decide, evolve, AccessEvent
)
"""One stream for the installation, keyed `installation`."""
