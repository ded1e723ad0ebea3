"""Who may come in: accounts, sign-in, sessions, API tokens and integration keys (PLT-1).

Secrets are shown once and kept only as digests: argon2id for passwords, SHA-256 for random tokens.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import ipaddress
import threading
from dataclasses import dataclass
from typing import get_args

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import Connection, and_, delete, func, insert, select, update

from tocsin.catalog.access import (
    ACCESS,
    AccountRole,
    ChangeRole,
    CreateAccount,
    CreateToken,
    DisableAccount,
    EnableAccount,
    RevokeToken,
    SetPassword,
    SignIn,
)
from tocsin.engine.world import World
from tocsin.kernel.errors import Invalid, NotFound, NotSignedIn, Refused, Unavailable
from tocsin.store import tables
from tocsin.store.transaction import INSTALLATION, Transaction

SESSION_HOURS = 12
SHORTEST_PASSWORD = 10
FAILURES_ALLOWED = 10
FAILURE_WINDOW = dt.timedelta(minutes=10)
ROLES: tuple[AccountRole, ...] = get_args(AccountRole)

HASHES_AT_ONCE = 2
HASH_PATIENCE_SECONDS = 10.0

_hasher = PasswordHasher()
_hashing = threading.BoundedSemaphore(HASHES_AT_ONCE)
"""Each hash takes 64 MiB on purpose: forty at once would take the memory of the whole machine."""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may sign in."""

    id: str
    email: str
    name: str
    role: AccountRole
    person: str | None
    """Their id in the catalog, where they are in it."""
    disabled: bool = False
    """Whether they are locked out."""

    @property
    def actor(self) -> str:
        """How the record names them: as a person of the catalog where they are one."""
        return f"person:{self.person}" if self.person else f"account:{self.id}"

    @property
    def who(self) -> str:
        """The id that roles, approvals and answers carry."""
        return self.person or self.id


def secret(world: World, prefix: str) -> str:
    """Return a fresh random token of 256 bits, recognisable by its prefix."""
    return prefix + base64.urlsafe_b64encode(world.chance(32)).rstrip(b"=").decode()


def digest(token: str) -> str:
    """Return the form in which a random token is kept."""
    return hashlib.sha256(token.encode()).hexdigest()


# --- accounts -------------------------------------------------------------------------------------


def create_account(
    world: World, *, email: str, name: str, password: str, role: str, actor: str, person: str | None = None
) -> Account:
    """Create an account; raise `Invalid` for a bad field and `Refused` when the address has one."""
    email = email.strip().lower()
    if "@" not in email or len(email) > 200 or any(letter.isspace() for letter in email):
        raise Invalid(f"{email!r} is not an e-mail address.", where="email")
    if role not in ROLES:
        raise Invalid(f"{role!r} is not a role.", where="role", mend=f"Use one of {', '.join(ROLES)}.")
    _check_password(password)
    hashed = _hash(password)
    known = person or _person_of(world, email)

    def create(tx: Transaction) -> Account:
        taken = select(tables.account.c.id).where(tables.account.c.email == email)
        if tx.connection.execute(taken).first():
            raise Refused(f"{email} has an account already.", mend="Change its role instead.")
        id = tx.new_id()
        tx.connection.execute(
            insert(tables.account).values(
                id=id, email=email, name=name.strip() or email, person=known, password=hashed, role=role,
                created_at=tx.now, disabled=False,
            )
        )  # fmt: skip
        command = CreateAccount(account=id, role=role, person=known)
        tx.execute(ACCESS, INSTALLATION, command, actor=actor, scope=INSTALLATION)
        return Account(id, email, name.strip() or email, role, known)

    return world.store.run(create)


def change_role(world: World, id: str, role: str, *, actor: str) -> None:
    """Set an account's role; the last administrator keeps theirs."""
    if role not in ROLES:
        raise Invalid(f"{role!r} is not a role.", where="role", mend=f"Use one of {', '.join(ROLES)}.")

    def change(tx: Transaction) -> None:
        table = tables.account
        command = ChangeRole(account=id, role=role)
        tx.execute(ACCESS, INSTALLATION, command, actor=actor, scope=INSTALLATION)
        tx.connection.execute(update(table).where(table.c.id == id).values(role=role))

    world.store.run(change)


def disable(world: World, id: str, *, actor: str) -> None:
    """Lock an account out: its sessions end, its tokens are refused. The last administrator stays."""

    def lock_out(tx: Transaction) -> None:
        tx.execute(ACCESS, INSTALLATION, DisableAccount(account=id), actor=actor, scope=INSTALLATION)
        tx.connection.execute(update(tables.account).where(tables.account.c.id == id).values(disabled=True))
        _end_sessions(tx, id)

    world.store.run(lock_out)


def enable(world: World, id: str, *, actor: str) -> None:
    """Let an account in again, with the password and the tokens that it had."""

    def let_in(tx: Transaction) -> None:
        tx.execute(ACCESS, INSTALLATION, EnableAccount(account=id), actor=actor, scope=INSTALLATION)
        tx.connection.execute(update(tables.account).where(tables.account.c.id == id).values(disabled=False))

    world.store.run(let_in)


def set_password(world: World, id: str, password: str, *, actor: str) -> None:
    """Give an account another password; whoever signed in with the old one is signed out."""
    _check_password(password)
    hashed = _hash(password)

    def change(tx: Transaction) -> None:
        tx.execute(ACCESS, INSTALLATION, SetPassword(account=id), actor=actor, scope=INSTALLATION)
        tx.connection.execute(update(tables.account).where(tables.account.c.id == id).values(password=hashed))
        _end_sessions(tx, id)

    world.store.run(change)


def _end_sessions(tx: Transaction, account: str) -> None:
    tx.connection.execute(delete(tables.session).where(tables.session.c.account == account))


def _check_password(password: str) -> None:
    if len(password) < SHORTEST_PASSWORD:
        raise Invalid(f"A password has at least {SHORTEST_PASSWORD} characters.", where="password")


def accounts(connection: Connection) -> list[Account]:
    """Return every account, by address."""
    return [
        _account(row) for row in connection.execute(select(tables.account).order_by(tables.account.c.email))
    ]


def has_accounts(connection: Connection) -> bool:
    """Return whether anybody can sign in at all."""
    return connection.execute(select(tables.account.c.id).limit(1)).first() is not None


def _account(row: object) -> Account:
    return Account(row.id, row.email, row.name, row.role, row.person, row.disabled)  # type: ignore[attr-defined]  # a row of the account table


def _person_of(world: World, email: str) -> str | None:
    people = world.catalog.current.people.values()
    return next((person.id for person in people if person.email.lower() == email), None)


# --- sign-in --------------------------------------------------------------------------------------


def sign_in(world: World, email: str, password: str, *, source: str = "") -> tuple[Account, str]:
    """Return the account and a fresh session token. `source` is the network address of the one who asks.

    An attempt is counted before the password is looked at, so that many at once are not more than many in turn.

    Raises:
        NotSignedIn: address or password is wrong; which one is not said.
        Unavailable: too many failures lately for this address from this source, or too many sign-ins at once.
    """
    email = email.strip().lower()
    attempt = _count_attempt(world, email, source)
    row = world.store.read(
        lambda c: c.execute(select(tables.account).where(tables.account.c.email == email)).first()
    )
    try:
        right = _matches(row.password if row else None, password)
    except Unavailable:
        world.store.run(lambda tx: _forget_attempt(tx, attempt))
        raise
    if not right or row is None or row.disabled:
        if row is not None:
            _note_refusal(world, row.id, "The account is disabled." if right else "The password was wrong.")
        raise NotSignedIn("The address or the password is wrong.", mend="Try again, or ask an administrator.")
    token = secret(world, "")

    def open_session(tx: Transaction) -> Account:
        _forget_attempt(tx, attempt)
        same = select(tables.account.c.id).where(
            tables.account.c.id == row.id,
            tables.account.c.disabled.is_(False),
            tables.account.c.password == row.password,
        )
        if tx.connection.execute(same).first() is None:  # locked out while the password was looked at
            raise NotSignedIn("The account was changed meanwhile.", mend="Sign in again.")
        expires = tx.now + dt.timedelta(hours=SESSION_HOURS)
        tx.connection.execute(delete(tables.session).where(tables.session.c.expires_at < tx.now))
        tx.connection.execute(
            insert(tables.session).values(
                digest=digest(token), account=row.id, created_at=tx.now, expires_at=expires
            )
        )
        tx.execute(
            ACCESS, INSTALLATION, SignIn(account=row.id), actor=f"account:{row.id}", scope=INSTALLATION
        )
        person = row.person or _person_of(world, row.email)
        if person != row.person:
            tx.connection.execute(
                update(tables.account).where(tables.account.c.id == row.id).values(person=person)
            )
        return Account(row.id, row.email, row.name, row.role, person)

    return world.store.run(open_session), token


def _hash(password: str) -> str:
    with _Turn():
        return _hasher.hash(password)


_UNKNOWN = _hasher.hash("nobody has this password")


def _matches(hashed: str | None, password: str) -> bool:
    """Check a password; an unknown address takes as long as a known one."""
    with _Turn():
        try:
            _hasher.verify(hashed or _UNKNOWN, password)
        except VerificationError:
            return False
    return hashed is not None


class _Turn:
    """One of the few turns at the password hash; raises `Unavailable` for whoever would wait too long."""

    def __enter__(self) -> None:
        if not _hashing.acquire(timeout=HASH_PATIENCE_SECONDS):
            raise Unavailable("Too many people sign in at once.", mend="Try again in a moment.")

    def __exit__(self, *_: object) -> None:
        _hashing.release()


def _network(source: str) -> str:
    """Return what counts as one source: an IPv4 address, or the /64 that one IPv6 subscriber has."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return source[:80]
    return str(address) if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))


def _count_attempt(world: World, email: str, source: str) -> int:
    """Count an attempt as failed until it succeeds; return its number. Checked and counted in one transaction.

    Per address and source: a stranger who guesses an administrator's password locks out only themselves.
    """
    table = tables.sign_in_failure
    email, network = email[:200], _network(source)

    def count(tx: Transaction) -> int:
        tx.connection.execute(delete(table).where(table.c.at < tx.now - FAILURE_WINDOW))
        mine = and_(table.c.email == email, table.c.source == network)
        if tx.connection.execute(select(func.count()).where(mine)).scalar_one() >= FAILURES_ALLOWED:
            raise Unavailable(
                "Too many failed attempts for this address.", mend="Wait ten minutes, then try again."
            )
        new = insert(table).values(email=email, source=network, at=tx.now).returning(table.c.id)
        return int(tx.connection.execute(new).scalar_one())

    return world.store.run(count)


def _forget_attempt(tx: Transaction, attempt: int) -> None:
    tx.connection.execute(delete(tables.sign_in_failure).where(tables.sign_in_failure.c.id == attempt))


def _note_refusal(world: World, account: str, why: str) -> None:
    command = SignIn(account=account, refused=why)
    world.store.run(
        lambda tx: tx.execute(ACCESS, INSTALLATION, command, actor=f"account:{account}", scope=INSTALLATION)
    )


def session_account(world: World, token: str) -> Account | None:
    """Return who a session token belongs to, or None."""
    now = world.clock.now()
    query = (
        select(tables.account)
        .join(tables.session, tables.session.c.account == tables.account.c.id)
        .where(tables.session.c.digest == digest(token), tables.session.c.expires_at > now)
        .where(tables.account.c.disabled.is_(False))
    )
    row = world.store.read(lambda connection: connection.execute(query).first())
    return _account(row) if row else None


def sign_out(world: World, token: str) -> None:
    """End a session."""
    mine = delete(tables.session).where(tables.session.c.digest == digest(token))
    world.store.run(lambda tx: tx.connection.execute(mine)).close()


# --- tokens and keys ------------------------------------------------------------------------------


def create_token(world: World, account: str, name: str, *, actor: str) -> tuple[str, str]:
    """Return (id, secret) of a new API token for an account; the secret is shown once."""
    token = secret(world, "tcn_")

    def create(tx: Transaction) -> str:
        known = select(tables.account.c.id).where(tables.account.c.id == account)
        if tx.connection.execute(known).first() is None:
            raise NotFound("There is no such account.")
        id = tx.new_id()
        row = {
            "digest": digest(token),
            "id": id,
            "name": name[:200],
            "account": account,
            "created_at": tx.now,
        }
        tx.connection.execute(insert(tables.api_token).values(**row))
        command = CreateToken(token=id, name=name[:200], purpose="api")
        tx.execute(ACCESS, INSTALLATION, command, actor=actor, scope=INSTALLATION)
        return id

    return world.store.run(create), token


def create_integration_key(world: World, name: str, *, actor: str) -> tuple[str, str]:
    """Return (id, secret) of a new integration key: 32 characters, as PagerDuty's senders expect."""
    key = hashlib.sha256(world.chance(32)).hexdigest()[:32]

    def create(tx: Transaction) -> str:
        id = tx.new_id()
        row = {"digest": digest(key), "id": id, "name": name[:200], "created_at": tx.now}
        tx.connection.execute(insert(tables.integration_key).values(**row))
        command = CreateToken(token=id, name=name[:200], purpose="integration")
        tx.execute(ACCESS, INSTALLATION, command, actor=actor, scope=INSTALLATION)
        return id

    return world.store.run(create), key


def revoke(world: World, id: str, *, actor: str) -> None:
    """Take the force of a token or key away; raise `Refused` when there is none."""

    def take(tx: Transaction) -> None:
        tx.execute(ACCESS, INSTALLATION, RevokeToken(token=id), actor=actor, scope=INSTALLATION)
        for table in (tables.api_token, tables.integration_key):
            tx.connection.execute(update(table).where(table.c.id == id).values(revoked_at=tx.now))

    world.store.run(take)


def token_account(world: World, token: str) -> Account | None:
    """Return who an API token belongs to, or None."""
    query = (
        select(tables.account)
        .join(tables.api_token, tables.api_token.c.account == tables.account.c.id)
        .where(tables.api_token.c.digest == digest(token), tables.api_token.c.revoked_at.is_(None))
        .where(tables.account.c.disabled.is_(False))
    )
    row = world.store.read(lambda connection: connection.execute(query).first())
    return _account(row) if row else None


def integration_name(world: World, key: str) -> str | None:
    """Return the id of the integration that a key belongs to, or None."""
    query = select(tables.integration_key.c.id).where(
        tables.integration_key.c.digest == digest(key), tables.integration_key.c.revoked_at.is_(None)
    )
    found: str | None = world.store.read(lambda connection: connection.execute(query).scalar_one_or_none())
    return found
