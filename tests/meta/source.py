"""The source tree as data, for the tests that hold it to its own rules."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CORE = (
    "kernel", "catalog", "evidence", "signals", "alerts", "incidents", "response", "reviews", "exercises",
    "assurance",
)  # fmt: skip
"""The pure packages, in the order of the flow."""


@cache
def kept_files() -> tuple[str, ...]:
    """Return the paths, relative to the root, that git keeps or would keep."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    paths = {path for path in listed.stdout.decode().split("\0") if path}
    return tuple(sorted(path for path in paths if (ROOT / path).is_file()))


def python_files(*places: str) -> list[str]:
    """Return the kept Python files below any of `places`."""
    return [path for path in kept_files() if path.endswith(".py") and path.startswith(places)]


def core_files() -> list[str]:
    """Return the Python files of the pure packages."""
    return python_files(*(f"src/tocsin/{name}/" for name in CORE))


@cache
def tree(path: str) -> ast.Module:
    """Return the syntax tree of a kept file."""
    return ast.parse((ROOT / path).read_text(), filename=path)


def imported(path: str) -> set[str]:
    """Return the full names that a file imports, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names
