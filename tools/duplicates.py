"""Fail when a file is kept twice: what is generated or vendored has one home, and everyone else reads it there."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

SMALLEST = 200
"""Bytes. Below this, equal files are empty packages and one-line notes."""

ALLOWED: dict[str, str] = {
    "LICENSE": "a licence travels with what it covers",
    "tests/data/vectors/": "published test vectors are kept as they were published",
}
"""Path or folder -> why equal files are right there."""


def files() -> list[str]:
    """Return the paths that git keeps, or would keep, in order."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    paths = {path for path in listed.stdout.decode().split("\0") if path}
    return sorted(path for path in paths if (ROOT / path).is_file())


def is_allowed(path: str) -> bool:
    """Return whether `path` may equal another file."""
    return any(path.startswith(place) or Path(path).name == place for place in ALLOWED)


def duplicates(paths: list[str]) -> list[list[str]]:
    """Return the groups of paths, relative to the root, whose files hold the same bytes."""
    by_digest: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        content = (ROOT / path).read_bytes()
        if len(content) >= SMALLEST and not is_allowed(path):
            by_digest[hashlib.sha256(content).hexdigest()].append(path)
    return [group for group in by_digest.values() if len(group) > 1]


def main() -> int:
    """Print every group of equal files; return 1 when there is one."""
    found = duplicates(files())
    for group in found:
        print(f"The same file {len(group)} times: {', '.join(group)}", file=sys.stderr)
    print(f"{len(found)} duplicates." if found else "No file is kept twice.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
