"""Commands in documents that no test runs: each with its reason, and no other."""

from __future__ import annotations

from tests.docs.blocks import blocks
from tests.meta.source import ROOT, kept_files

UNRUN = {
    ("README.md", "installs from the network and takes minutes; a story test plays the demonstration"): 2,
    ("README.md", "installs from the network and takes minutes"): 3,
    ("docs/tutorial/first-incident.md", "installs from the network and takes minutes; a story test plays the demonstration"): 3,
    ("docs/tutorial/first-incident.md", "the file comes from the browser"): 2,
    ("docs/how-to/back-up-and-restore.md", "needs a service manager"): 3,
    ("docs/how-to/run-on-postgresql.md", "installs from the network"): 1,
    ("docs/how-to/run-on-postgresql.md", "needs a PostgreSQL server"): 4,
}  # fmt: skip
"""(document, reason) -> how many commands."""


def test_only_listed_commands_are_left_out_and_each_says_why() -> None:
    found: dict[tuple[str, str], int] = {}
    for path in kept_files():
        if path == "README.md" or (path.startswith("docs/") and path.endswith(".md")):
            for block in blocks(ROOT / path):
                if block.not_run is not None:
                    key = path, block.not_run
                    found[key] = found.get(key, 0) + len(block.commands())
    assert found == UNRUN


def test_a_console_block_is_run_or_says_why_not() -> None:
    """An info string that nobody understands would leave commands out in silence."""
    odd = [
        (path, block.info)
        for path in kept_files()
        if path.endswith(".md") and path.startswith(("docs/", "README"))
        for block in blocks(ROOT / path)
        if block.language == "console" and block.info and block.not_run is None
    ]
    assert odd == []
