"""The code blocks of a document: files to write and commands to run, with what they print.

```console                       commands after `$ `, each followed by lines that it must print; `...` is anything
```console not-run: the reason   commands that no test runs; tests/meta keeps the list
```yaml file=config/people.yaml  a file that the commands after it find
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```(\S+)[ \t]*(.*?)[ \t]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Command:
    """One command and the lines it must print, in this order, among others."""

    text: str
    expected: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    language: str
    info: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that the block is."""
        return self.info.removeprefix("file=") if self.info.startswith("file=") else None

    @property
    def not_run(self) -> str | None:
        """Why its commands are not run."""
        return self.info.removeprefix("not-run:").strip() if self.info.startswith("not-run:") else None

    def commands(self) -> list[Command]:
        """Return the commands; a line that begins with `> ` goes on with the command before it."""
        found: list[Command] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append(Command(line.removeprefix("$ "), ()))
            elif line.startswith("> "):
                last = found.pop()
                found.append(Command(f"{last.text}\n{line.removeprefix('> ')}", ()))
            elif line.strip():
                last = found.pop()
                found.append(Command(last.text, (*last.expected, line.rstrip())))
        return found


def blocks(path: Path) -> list[Block]:
    """Return the fenced blocks of a document in order."""
    return [Block(*match) for match in FENCE.findall(path.read_text())]


def missing(expected: tuple[str, ...], printed: str) -> str | None:
    """Return the first expected line that was not printed in its turn, or None."""
    lines = iter(printed.splitlines())
    for wanted in expected:
        if wanted.strip() == "...":
            continue
        pattern = ".*".join(re.escape(part) for part in wanted.strip().split("..."))
        if not any(re.fullmatch(pattern, line.strip()) for line in lines):
            return wanted
    return None
