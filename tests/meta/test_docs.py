"""The reference names every command and every setting, and no others. It holds from the day docs/reference exists."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

import click
import pytest

from tests.meta.source import ROOT, kept_files, python_files
from tocsin import cli
from tocsin.settings import Settings, from_environment

OF_THE_CLIENT = {"TOCSIN_URL", "TOCSIN_TOKEN"}
"""Read by the commands that speak to a server."""
FOR_TESTS = {"TOCSIN_CRASH_AT", "TOCSIN_CRASH_MARK"}
"""Set by crash tests only."""


def commands(group: click.Group, above: str = "tocsin") -> Iterator[str]:
    """Yield the full name of every command, as a person types it."""
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from commands(command, f"{above} {name}")
        elif not command.hidden:
            yield f"{above} {name}"


def settings() -> set[str]:
    """Return every environment variable that the server and its command line read."""
    return {f"TOCSIN_{field.name.upper()}" for field in dataclasses.fields(Settings)} | OF_THE_CLIENT


def reference() -> str:
    pages = [path for path in kept_files() if path.startswith("docs/reference/") and path.endswith(".md")]
    return "\n".join((ROOT / path).read_text() for path in pages)


def unnamed(names: set[str], text: str) -> set[str]:
    return {name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)}


def test_the_reference_names_every_command() -> None:
    known = set(commands(cli.main))
    assert {"tocsin serve", "tocsin demo", "tocsin verify"} <= known
    if text := reference():
        assert unnamed(known, text) == set()


def test_the_source_speaks_only_of_settings_that_are_read() -> None:
    named = {
        path: re.findall(r"TOCSIN_[A-Z_]+", (ROOT / path).read_text()) for path in python_files("src/tocsin/")
    }
    wrong = {path: found - settings() - FOR_TESTS for path, names in named.items() if (found := set(names))}
    assert {path: names for path, names in wrong.items() if names} == {}


def test_every_setting_is_read_from_its_variable() -> None:
    values = {
        "host": "::1",
        "port": "1",
        "smtp_port": "1",
        "smtp_security": "tls",
        "lease_seconds": "1",
        "open_intake": "1",
        "drill": "1",
    }
    for name in (field.name for field in dataclasses.fields(Settings)):
        given = from_environment({f"TOCSIN_{name.upper()}": values.get(name, "elsewhere")})
        assert getattr(given, name) != getattr(Settings(), name), name


def test_the_reference_names_every_setting() -> None:
    known = settings()
    assert {"TOCSIN_DATABASE_URL", "TOCSIN_ADMIN_EMAIL", "TOCSIN_BOOTSTRAP_TOKEN"} <= known
    if text := reference():
        assert unnamed(known, text) == set()


@pytest.mark.parametrize(
    ("text", "found"), [("`TOCSIN_URL`", set()), ("TOCSIN_URL_X", {"TOCSIN_URL"}), ("", {"TOCSIN_URL"})]
)
def test_a_name_counts_only_as_a_whole(text: str, found: set[str]) -> None:
    assert unnamed({"TOCSIN_URL"}, text) == found
