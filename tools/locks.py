"""Make and check the hash-locked requirements: `locks.py make` (needs the index), `locks.py check` (offline).

Each lock holds the digest of what it was made from, so that the check needs no index: it reads the present
inputs, compares digests, and then that every requirement is met by a locked, hashed version.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "requirements"
MARK = "# made from "
OLDEST_PYTHON = "3.11"
PIN = re.compile(
    r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)\s*(?:;\s*(.*?))?((?:\s+--hash=sha256:[0-9a-f]{64})*)\s*"
)


@dataclass(frozen=True)
class Lock:
    """One lock file: its name, the extras of the project that it holds, the file of further names it holds."""

    name: str
    extras: tuple[str, ...] = ()
    listed: str | None = None
    within: str | None = None

    @property
    def path(self) -> Path:
        """Where the lock lies."""
        return FOLDER / f"{self.name}.txt"


# `dev` is resolved first and holds everything; the others take the same versions, so that what is tested is
# what is shipped.
LOCKS = (
    Lock("uv", listed="uv.in"),
    Lock("dev", extras=("demo", "dev", "postgres")),
    Lock("demo", extras=("demo", "postgres"), within="dev"),
    Lock("core", within="dev"),
)


def requirements(lock: Lock) -> list[str]:
    """Return the requirements that `lock` answers, as written in pyproject.toml or the `.in` file."""
    if lock.listed:
        lines = (FOLDER / lock.listed).read_text().splitlines()
        return sorted(line.strip() for line in lines if line.strip() and not line.startswith("#"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    chosen = list(project["dependencies"])
    for extra in lock.extras:
        chosen += project["optional-dependencies"][extra]
    return sorted(chosen)


def digest(lock: Lock) -> str:
    """Return the SHA-256 of everything that decides what `lock` should hold, in hexadecimal."""
    inputs = {"requirements": requirements(lock), "python": OLDEST_PYTHON, "within": lock.within}
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def make(*options: str) -> None:
    """Resolve every lock anew with uv; `options` such as `--upgrade` go to uv. Kept versions stay otherwise."""
    uv = str(Path(sys.executable).with_name("uv"))
    for lock in LOCKS:
        source = [f"requirements/{lock.listed}"] if lock.listed else ["pyproject.toml"]
        for extra in lock.extras:
            source += ["--extra", extra]
        if lock.within:
            source += ["--constraint", f"requirements/{lock.within}.txt"]
        out = f"requirements/{lock.name}.txt"
        subprocess.run(
            [uv, "pip", "compile", *source, "--quiet", "--universal", "--python-version", OLDEST_PYTHON,
             "--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-annotate", "--no-header",
             *options, "--output-file", out],
            cwd=ROOT, check=True,
        )  # fmt: skip
        body = lock.path.read_text()
        lock.path.write_text(f"# Locked by `make lock`; do not edit.\n{MARK}{digest(lock)}\n{body}")


def problems(lock: Lock) -> list[str]:
    """Return what is wrong with one lock, in sentences; an empty list when it is fresh and whole."""
    if not lock.path.exists():
        return [f"{lock.path.name} is missing: run `make lock`."]
    text = lock.path.read_text()
    found = []
    if f"{MARK}{digest(lock)}\n" not in text:
        found.append(f"{lock.path.name} was made from other requirements: run `make lock`.")
    if re.search(r"https?://|file:|^-", text, re.MULTILINE):
        found.append(f"{lock.path.name} names a place or an option: only names and hashes belong there.")
        return found
    found += [f"{lock.path.name}: {pin.name} has no hash." for pin in pins(text) if not pin.hashes]
    return found + unmet(lock, text)


@dataclass(frozen=True)
class Pin:
    """One locked package: its normalised name, exact version, environment marker and SHA-256 digests."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]


def pins(text: str) -> list[Pin]:
    """Return every pin of a lock file's text. Raises ValueError when a line is not a pin."""
    found = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        match = PIN.fullmatch(line)
        if match is None:
            raise ValueError(f"not a locked requirement: {line[:80]}")
        hashes = tuple(re.findall(r"sha256:([0-9a-f]{64})", match[4]))
        found.append(Pin(_normal(match[1]), match[2], match[3] or "", hashes))
    return found


def unmet(lock: Lock, text: str) -> list[str]:
    """Return the direct requirements that no pin of the lock's text meets, in sentences."""
    from packaging.requirements import Requirement

    versions: dict[str, list[str]] = {}
    for pin in pins(text):
        versions.setdefault(pin.name, []).append(pin.version)
    found = []
    for line in requirements(lock):
        wanted = Requirement(line)
        locked = versions.get(_normal(wanted.name), [])
        if not locked or not all(wanted.specifier.contains(version, prereleases=True) for version in locked):
            found.append(
                f"{lock.path.name} does not meet {line!r} (locked: {', '.join(locked) or 'nothing'})."
            )
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main(arguments: list[str]) -> int:
    """Run `make [uv options]` or `check`; return the exit status."""
    if arguments[:1] == ["make"]:
        make(*arguments[1:])
        return 0
    if arguments != ["check"]:
        print("usage: locks.py make [--upgrade] | check", file=sys.stderr)
        return 2
    found = [problem for lock in LOCKS for problem in problems(lock)]
    print("\n".join(found) if found else "Locks are fresh.", file=sys.stderr if found else sys.stdout)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
