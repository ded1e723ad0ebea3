"""A whole installation for each test: the server's settings, and real receivers on loopback around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.contract.receivers import free_port, http_server, smtp_server
from tests.integration.harness import configuration
from tests.integration.harness.registry import Registry, served
from tests.integration.harness.server import Server
from tests.integration.harness.story import Story

LEASE_SECONDS = "4"


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """One registry for the run, because making one takes seconds. Each test has a model of its own in it."""
    return Registry(tmp_path_factory.mktemp("registry"))


@pytest.fixture
def database_settings(request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings that choose the database; tests parametrise it with `sqlite` or `postgres`."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return {}
    return {"TOCSIN_DATABASE_URL": str(request.getfixturevalue("postgres_url"))}


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Makes servers that are not started yet, and ends them all."""
    made: list[Server] = []

    def make(name: str = "tocsin", config: Path | None = None, **settings: str) -> Server:
        with free_port() as port:
            pass
        made.append(Server(tmp_path / name, port, settings, config))
        return made[-1]

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def story(
    make_server: Callable[..., Server], registry: Registry, tmp_path: Path, database_settings: dict[str, str]
) -> Iterator[Story]:
    """An installation with a system, people, a mail server, a webhook receiver and a registry; not started yet."""
    with ExitStack() as outside:
        mailbox, smtp_port = outside.enter_context(smtp_server())
        hook, hook_port = outside.enter_context(http_server())
        model = registry.model()
        place = outside.enter_context(served(model))
        config = configuration.write(
            tmp_path / "config",
            HOOK=f"http://127.0.0.1:{hook_port}",
            REGISTRY=registry.uri,
            MODEL=model.name,
            SERVED=place,
        )
        server = make_server(
            config=config,
            TOCSIN_SMTP_HOST="127.0.0.1",
            TOCSIN_SMTP_PORT=str(smtp_port),
            TOCSIN_SMTP_SECURITY="none",
            TOCSIN_MAIL_FROM="tocsin@example.org",
            TOCSIN_ALLOW_PRIVATE="127.0.0.1",
            TOCSIN_LEASE_SECONDS=LEASE_SECONDS,
            **database_settings,
        )
        yield Story(server, mailbox, hook, model)
        server.stop()
