"""What a server says when it cannot start: one precise sentence and a status that is not zero; nothing is harmed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.harness.server import Caller, Server, command, environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def serve(data: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `serve` on a free port; it is expected to end by itself."""
    given = {"TOCSIN_PORT": "0", "TOCSIN_DATA": str(data), **settings}
    return subprocess.run(
        command("serve", *arguments),
        capture_output=True,
        text=True,
        env=environment(given),
        timeout=100,
        cwd=data.parent,
    )


def check_refused(done: subprocess.CompletedProcess[str], *said: str) -> None:
    """It ended with status 2 and told why in a line, without a traceback."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for part in said:
        assert part in done.stderr, done.stderr


# --- the data directory -----------------------------------------------------------------------------------------


def test_a_second_server_on_a_data_directory_is_refused_and_told_who_holds_it(
    make_server: Callable[..., Server],
) -> None:
    first = make_server()
    first.start()
    declared = Caller(first).post("/api/v1/incidents", {"title": "Before the second"})
    size = Caller(first).get("/api/v1/log")["size"]
    assert first.process is not None
    holder = f"Another server (process {first.process.pid}) holds the data directory {first.data}."
    check_refused(serve(first.data), holder, "Stop it, or choose another directory with --data.")
    assert first.status("/healthz") == 200
    assert Caller(first).get("/api/v1/log")["size"] >= size
    assert (
        Caller(first).get(f"/api/v1/incidents/{declared['id']}")["incident"]["title"] == "Before the second"
    )
    first.kill()
    first.start()
    assert Caller(first).get("/api/v1/incidents")["incidents"][0]["id"] == declared["id"], (
        "the lock died with its holder"
    )


def test_a_second_server_on_a_port_is_refused(make_server: Callable[..., Server], tmp_path: Path) -> None:
    first = make_server()
    first.start()
    done = serve(tmp_path / "other", "--port", str(first.port))
    check_refused(
        done, f"The address 127.0.0.1:{first.port} cannot be used", "Choose another one with --port"
    )
    assert not (tmp_path / "other").exists()
    assert first.status("/healthz") == 200


def test_a_data_directory_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a directory")
    check_refused(serve(tmp_path / "data"), str(tmp_path / "data"), "TOCSIN_DATA")
    assert (tmp_path / "data").read_text() == "not a directory"


def test_a_database_that_is_none_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / "tocsin.sqlite3"
    file.write_bytes(b"this was something else " * 500)
    check_refused(serve(tmp_path / "data"), "The database cannot be opened", "not a database")
    assert file.read_bytes() == b"this was something else " * 500


def test_a_key_that_was_cut_short_is_named(make_server: Callable[..., Server]) -> None:
    server = make_server()
    server.start()
    assert server.terminate() == 0
    key = server.data / "keys" / "log.key"
    key.chmod(0o600)
    os.truncate(key, 7)
    check_refused(serve(server.data), "log.key", "32 bytes", "backup")


# --- the configuration directory --------------------------------------------------------------------------------


def test_a_bad_configuration_names_every_file_line_and_mend(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "people.yaml").write_text(
        "kind: person\nid: ada\nname: Ada\nemail: ada@example.org\ncolour: red\n"
    )
    (folder / "team.yaml").write_text("# a team\nkind: team\nid: desk\nname: Desk\nmembers: [ada, nobody]\n")
    done = serve(tmp_path / "data", "--config", str(folder))
    check_refused(done, "people.yaml:5", "colour", "team.yaml:5", "nobody")
    (folder / "people.yaml").write_text("kind: person\nid: ada\nname: Ada\nemail: ada@example.org\n")
    (folder / "team.yaml").unlink()
    (folder / "broken.yaml").write_text("kind: [person\n")
    check_refused(serve(tmp_path / "data", "--config", str(folder)), "broken.yaml:")


def test_a_configuration_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = serve(tmp_path / "data", "--config", str(tmp_path / "nowhere"))
    check_refused(
        done, f"{tmp_path / 'nowhere'} is not a directory", "Name the directory that holds the YAML files"
    )


def test_a_bad_configuration_leaves_the_one_in_force(
    make_server: Callable[..., Server], tmp_path: Path
) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "ada.yaml").write_text("kind: person\nid: ada\nname: Ada\nemail: ada@example.org\n")
    server = make_server(config=folder)
    server.start()
    before = Caller(server).get("/api/v1/configuration")
    assert server.terminate() == 0
    (folder / "ada.yaml").write_text("kind: person\nid: ada\n")
    check_refused(serve(server.data, "--config", str(folder)), "ada.yaml:1")
    (folder / "ada.yaml").write_text("kind: person\nid: ada\nname: Ada\nemail: ada@example.org\n")
    server.start()
    assert Caller(server).get("/api/v1/configuration") == before


# --- settings ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"TOCSIN_PORT": "many"}, ("TOCSIN_PORT", "'many' is not a port", "from 0 to 65535")),
        ({"TOCSIN_PORT": "70000"}, ("TOCSIN_PORT", "from 0 to 65535")),
        ({"TOCSIN_PORT": "²"}, ("TOCSIN_PORT", "is not a port")),
        ({"TOCSIN_SMTP_PORT": "-1"}, ("TOCSIN_SMTP_PORT", "from 1 to 65535")),
        ({"TOCSIN_SMTP_SECURITY": "some"}, ("TOCSIN_SMTP_SECURITY", "starttls, tls or none")),
        ({"TOCSIN_LEASE_SECONDS": "0"}, ("TOCSIN_LEASE_SECONDS", "from 1 to 3600")),
        ({"TOCSIN_DRILL": "perhaps"}, ("TOCSIN_DRILL", "Write 1 or 0")),
        (
            {"TOCSIN_OPEN_INTAKE": "1", "TOCSIN_HOST": "0.0.0.0"},
            ("TOCSIN_OPEN_INTAKE", "anyone on the network"),
        ),
        ({"TOCSIN_HOST": "no such host.invalid"}, ("no such host.invalid", "cannot be used")),
        (
            {"TOCSIN_DATABASE_URL": "mysql://u:secret-word@h/d"},
            ("mysql is not supported", "SQLite or PostgreSQL"),
        ),
        ({"TOCSIN_DATABASE_URL": "secret-word"}, ("TOCSIN_DATABASE_URL", "not the address of a database")),
        (
            {"TOCSIN_DATABASE_URL": "postgresql://u:secret-word@127.0.0.1:1/d"},
            ("The database cannot be opened", "refused"),
        ),
        ({"TOCSIN_ALLOW_PRIVATE": "10.0.0.0/99"}, ("TOCSIN_ALLOW_PRIVATE", "10.0.0.0/99")),
        ({"TOCSIN_ADMIN_PASSWORD": "short"}, ("TOCSIN_ADMIN_PASSWORD", "at least 10 characters")),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_setting_that_does_not_fit_is_named_with_its_mend(
    tmp_path: Path, settings: dict[str, str], said: tuple[str, ...]
) -> None:
    done = serve(tmp_path / "data", **settings)
    check_refused(done, *said)
    assert "secret-word" not in done.stdout + done.stderr
