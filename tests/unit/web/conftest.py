"""A real program behind a test client: its own database, a virtual clock, a sender that remembers; no thread, no network."""

from __future__ import annotations

import atexit
import datetime as dt
import re
import secrets
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
from fastapi import FastAPI
from sqlalchemy import insert

from tocsin import app
from tocsin.catalog.access import AccountRole
from tocsin.connectors.sender import RecordingSender
from tocsin.engine import access, declare
from tocsin.engine.world import World
from tocsin.kernel.clock import VirtualClock
from tocsin.settings import Settings
from tocsin.store import tables
from tocsin.web import site
from tocsin.web.permissions import SESSION_COOKIE

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have httpx2; the product itself uses httpx
    from starlette.testclient import TestClient

T0 = dt.datetime(2026, 1, 5, 9, 0, tzinfo=dt.UTC)
PASSWORD = "correct horse battery"
ACCOUNT_ROLES: tuple[AccountRole, ...] = get_args(AccountRole)
CONFIGURATION = """\
kind: person
id: ada
name: Ada Reyes
email: ada@example.org
contact:
  - {id: mail, kind: email, address: ada@example.org}
  - {id: chat, kind: chat, address: "https://chat.example.org/ada"}
roles: [commander]
---
kind: person
id: bo
name: Bo Lind
email: bo@example.org
contact: [{id: mail, kind: email, address: bo@example.org}]
roles: [technical_lead]
---
kind: team
id: credit
name: Credit
members: [ada, bo]
lead: ada
---
kind: system
id: loan-approval
name: Loan approval
purpose: Decides on mortgages.
owner: credit
users_exposed: 2000
escalation_policy: credit
---
kind: escalation_policy
id: credit
name: Credit
levels:
  - {notify: [{person: ada}], acknowledge_within_seconds: 300, role: commander}
  - {notify: [{person: bo}], acknowledge_within_seconds: 300, role: commander}
"""


@dataclass
class Place:
    """One installation, and ways to reach it as anybody."""

    program: app.Program
    site: FastAPI
    clock: VirtualClock
    sender: RecordingSender
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def world(self) -> World:
        """The engine's view of it."""
        return self.program.world

    def client(self, **headers: str) -> TestClient:
        """Return a browser that nobody has signed in with; it follows no redirect by itself."""
        return TestClient(self.site, follow_redirects=False, headers={"accept": "text/html", **headers})

    def bearer(self, role: AccountRole) -> dict[str, str]:
        """Return the header with an API token of an account of `role`."""
        if role not in self.tokens:
            account = self.account(role)
            self.tokens[role] = access.create_token(self.world, account, "test", actor="system:test")[1]
        return {"authorization": f"Bearer {self.tokens[role]}"}

    def account(self, role: AccountRole) -> str:
        """Return the id of the account of `role`; the lead's is Ada's and the responder's is Bo's."""
        known = {one.email: one.id for one in self.world.store.read(access.accounts)}
        return known[email_of(role)]

    def session(self, role: AccountRole = "lead") -> str:
        """Return the token of a new session of an account of `role`; the form itself is tested elsewhere."""
        token = secrets.token_urlsafe()
        now = self.clock.now()
        row = {"digest": access.digest(token), "account": self.account(role), "created_at": now}
        session = insert(tables.session).values(
            **row, expires_at=now + dt.timedelta(hours=access.SESSION_HOURS)
        )
        self.world.store.run(lambda tx: tx.connection.execute(session).close())
        return token

    def signed_in(self, role: AccountRole = "lead") -> TestClient:
        """Return a browser with a session of an account of `role`."""
        browser = self.client()
        browser.cookies.set(SESSION_COOKIE, self.session(role))
        return browser

    def declare(self, title: str = "The loan model denies one group far more often", **more: Any) -> int:
        """Declare an incident of the loan system, let everything follow that is due, and return its number."""
        given: dict[str, Any] = {"system": "loan-approval", "category": "bias", **more}
        _, number = declare.declare(self.world, title=title, actor="person:bo", by="bo", **given)
        self.program.runner.settle()
        return number


def email_of(role: AccountRole) -> str:
    """Return the address of the account of `role`."""
    return {"lead": "ada@example.org", "responder": "bo@example.org"}.get(role, f"{role}@example.org")


def csrf_of(html: str) -> str:
    """Return the token that the forms of a page carry."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', html)
    assert found, "the page carries no form with a token"
    return found[1]


def send(browser: TestClient, path: str, *, seen_on: str = "/", **fields: str) -> Any:
    """Send a form as the page `seen_on` would, with its token."""
    token = csrf_of(browser.get(seen_on).text)
    return browser.post(path, data={"csrf": token, **fields})


@cache
def _built(configuration: str) -> Path:
    """Return a data directory with a migrated database, keys, `configuration` in force and an account of each role.

    Made once and copied for each test: hashing the passwords alone would take a test most of its time.
    """
    folder = Path(tempfile.mkdtemp(prefix="tocsin-web-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    config = None
    if configuration:
        config = folder / "configuration"
        config.mkdir()
        (config / "credit.yaml").write_text(configuration)
    settings = Settings(
        data=folder / "data", config=config, admin_email=email_of("administrator"), admin_password=PASSWORD
    )
    program = app.build(settings, clock=VirtualClock(T0), sender=RecordingSender())
    for role in ACCOUNT_ROLES:
        if role != "administrator":
            access.create_account(
                program.world,
                email=email_of(role),
                name=role.title(),
                password=PASSWORD,
                role=role,
                actor="system:test",
            )
    program.stop()
    return folder / "data"


def build(folder: Path, *, configuration: str = CONFIGURATION, clock: Any = None, **settings: Any) -> Place:
    """Return an installation in `folder`; `clock` is virtual unless one is given."""
    shutil.copytree(_built(configuration), folder / "data")
    clock, sender = clock or VirtualClock(T0), RecordingSender()
    program = app.build(Settings(data=folder / "data", **settings), clock=clock, sender=sender)
    return Place(program, site.build(program), clock, sender)


Make = Callable[..., Place]


@pytest.fixture
def make_place(tmp_path: Path) -> Iterator[Make]:
    """Builds installations with settings of the test's own; `configuration=""` is a first run."""
    made: list[Place] = []

    def make(*, configuration: str = CONFIGURATION, **settings: Any) -> Place:
        folder = tmp_path / f"place-{len(made)}"
        folder.mkdir()
        made.append(build(folder, configuration=configuration, **settings))
        return made[-1]

    yield make
    for place in made:
        place.program.stop()


@pytest.fixture
def place(make_place: Make) -> Place:
    """An installation of the test's own, with two people, one system and one policy."""
    return make_place()


@pytest.fixture(scope="module")
def shared_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An installation for tests that change nothing another test of the module looks at."""
    built = build(tmp_path_factory.mktemp("web"))
    yield built
    built.program.stop()
