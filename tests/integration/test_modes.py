"""What a server writes is readable by its owner alone, also in a directory that others may enter (PLT-1)."""

from __future__ import annotations

import stat
from collections.abc import Callable

import pytest

from tests.integration.harness.server import Caller, Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.mark.parametrize("there_before", [True, False])
def test_nobody_else_reads_what_a_server_writes(
    make_server: Callable[..., Server], there_before: bool
) -> None:
    server = make_server()
    if there_before:
        server.data.mkdir(parents=True)
        server.data.chmod(0o755)
    server.start()
    Caller(server).post("/api/v1/incidents", {"title": "Something happened"})
    written = list(server.data.rglob("*"))
    assert {"tocsin.sqlite3", "tocsin.sqlite3-wal", "lock", "log.key"} <= {path.name for path in written}
    assert [path for path in written if path.stat().st_mode & 0o077] == []
    assert stat.S_IMODE(server.data.stat().st_mode) == (0o755 if there_before else 0o700)
