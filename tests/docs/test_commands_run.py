"""Every command in the documents runs and prints what the document says."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn

from tests.docs.blocks import Block, blocks, missing
from tests.meta.source import ROOT, kept_files
from tocsin import app
from tocsin.settings import Settings
from tocsin.web import site

ADDRESS = "http://127.0.0.1:8700"
"""What documents say; a test puts its own server in its place."""
OWN_SERVER = ("docs/tutorial/first-incident.md", "docs/how-to/back-up-and-restore.md")
"""Documents whose own commands start the server."""


def documents() -> list[str]:
    found = [path for path in kept_files() if path == "README.md" or path.startswith("docs/")]
    return [path for path in found if path.endswith(".md") and any(map(runnable, blocks(ROOT / path)))]


def runnable(block: Block) -> bool:
    return block.language == "console" and block.not_run is None


@contextmanager
def place(folder: Path, *, start: bool) -> Iterator[dict[str, str]]:
    """Yield the environment that the commands of one document run in; with `start`, with a server."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "HOME": str(folder),
        "no_proxy": "127.0.0.1",
    }
    if not start:
        yield {**environment, "TOCSIN_PORT": str(free_port()), "TOCSIN_URL": ""}
        return
    token = secrets.token_urlsafe()
    with server(folder / "data", token) as url:
        yield {**environment, "TOCSIN_URL": url, "TOCSIN_TOKEN": token}


@contextmanager
def server(data: Path, token: str) -> Iterator[str]:
    """Yield the address of a server in this process: no document may wait for another one's start."""
    settings = Settings(data=data, admin_password=secrets.token_urlsafe(), bootstrap_token=token)
    program = app.build(settings, durable=False)
    config = uvicorn.Config(site.build(program), log_config=None, access_log=False)
    running = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            running.should_exit = True
            thread.join(20)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def play(path: str, folder: Path, environment: dict[str, str]) -> None:
    """Write the files and run the commands of a document in one shell; raise when one fails or prints otherwise."""
    commands = []
    for block in blocks(ROOT / path):
        if block.file is not None:
            target = folder / block.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text)
        elif runnable(block):
            commands += block.commands()
    here = environment["TOCSIN_URL"] or f"http://127.0.0.1:{environment['TOCSIN_PORT']}"
    mark = f"@@{secrets.token_hex(6)}@@"
    lines = ["set -euo pipefail", "exec 2>&1"]
    for command in commands:
        lines += [f"echo; echo '{mark}'", command.text.replace(ADDRESS, here)]
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=100, start_new_session=True,
    )  # fmt: skip
    printed = done.stdout.split(mark)[1:]
    reached = commands[len(printed) - 1].text if printed else "the start"
    assert done.returncode == 0, f"{path}: stopped at {reached}\n{printed[-1:]}"
    for command, text in zip(commands, printed, strict=True):
        lacking = missing(command.expected, text)
        assert lacking is None, f"{path}: `{command.text}` does not print {lacking!r} but\n{text}"


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
@pytest.mark.parametrize("path", documents())
def test_the_commands_of_a_document_do_what_it_says(path: str, tmp_path: Path) -> None:
    with place(tmp_path, start=path not in OWN_SERVER) as environment:
        play(path, tmp_path, environment)


def test_a_command_that_prints_something_else_is_found() -> None:
    assert missing(("one", "... three"), "one\nzero\ntwo three\n") is None
    assert missing(("one", "two"), "two\none\n") == "two"
    assert missing(("INC-... open",), "INC-12 closed") == "INC-... open"


def test_a_block_is_read_with_its_commands_files_and_reasons(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n$ a\n> b\nout\n$ c\n```\n\n```yaml file=x.yaml\nk: v\n```\n\n```console not-run: long\n$ d\n```\n"
    )
    run, file, left = blocks(page)
    assert [(one.text, one.expected) for one in run.commands()] == [("a\nb", ("out",)), ("c", ())]
    assert (file.file, file.text) == ("x.yaml", "k: v\n")
    assert left.not_run == "long"
    assert not runnable(left)
