"""`tocsin verify`: check an export offline. Loads the evidence stage and the kernel, nothing else."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Iterator
from json import dumps
from pathlib import Path

import msgspec

from tocsin.evidence.note import LARGEST_NOTE
from tocsin.evidence.reader import Listed, Reader
from tocsin.evidence.report import EXIT_CODES, Report, shown
from tocsin.evidence.verify import unusable, verify

SHOWN_FINDINGS = 50
_CHUNK = 1 << 20


def main(
    path: str | Path, key: str | None = None, checkpoint: str | Path | None = None, json: bool = False
) -> int:
    """Verify the export in the directory `path`, print the report, and return the exit code.

    key: the signer's verifier key.  checkpoint: a file with a checkpoint of the same log kept from earlier.
    json: print the whole report as one JSON object.  0: intact, 1: not intact, 2: unusable.
    """
    report = _report(path, key, checkpoint)
    if json:
        print(dumps(msgspec.to_builtins(report), ensure_ascii=True))
    else:
        encoding = sys.stdout.encoding or "ascii"  # a terminal that lacks a letter still gets the report
        print(text(report).encode(encoding, "backslashreplace").decode(encoding))
    return EXIT_CODES[report.status]


def _report(path: str | Path, key: str | None, checkpoint: str | Path | None) -> Report:
    try:
        earlier = None if checkpoint is None else _first_bytes(checkpoint, LARGEST_NOTE)
    except (OSError, ValueError) as error:
        return unusable(f"the checkpoint file could not be read: {error}")
    try:
        return verify(read_directory(path), key=None if key is None else key.strip(), earlier=earlier)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        return unusable(f"it could not be read: {error}")


def text(report: Report) -> str:
    """Return `report` as lines for a person at a terminal."""
    lines = [report.headline]
    if report.findings:
        lines += ["", "What does not hold:"]
        lines += [f"  {finding}" for finding in report.findings[:SHOWN_FINDINGS]]
        if len(report.findings) > SHOWN_FINDINGS:
            lines.append(f"  and {len(report.findings) - SHOWN_FINDINGS} more; --json lists them all")
    if report.signer is not None:
        subject = f"{report.kind} {report.incident}".strip()
        lines += ["", f"Export {report.export} ({subject}), {report.entries} entries, {report.files} files."]
        lines.append(
            f"Log {report.origin}, {report.size} leaves, key {report.signer.name}+{report.signer.key_id}."
        )
    for heading, told in (("Proved:", report.proved), ("Not proved:", report.not_proved)):
        if told:
            lines += ["", heading, *(f"  {line}" for line in told)]
    return "\n".join(shown(line) for line in lines)


def read_directory(path: str | Path) -> Reader:
    """Return a reader over the directory `path`; raise OSError when there is none."""
    return _Directory(Path(path))


class _Directory:
    """A real directory. Links below it are named, never followed."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise NotADirectoryError(f"{str(root)!r} is not a directory.")
        self._root = root

    def listing(self) -> Iterator[Listed]:
        """Yield everything below the directory, in the order of names."""
        yield from self._below("")

    def _below(self, prefix: str) -> Iterator[Listed]:
        with os.scandir(self._root / prefix) as found:
            names = sorted(found, key=lambda one: one.name)
        for one in names:
            path = prefix + one.name
            status = one.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                yield Listed(path, "file", status.st_size)
            elif stat.S_ISDIR(status.st_mode):
                yield Listed(path, "directory")
                if not prefix:  # an export is one level deep; a deeper directory is named, not entered
                    yield from self._below(path + "/")
            else:
                yield Listed(path, "link" if stat.S_ISLNK(status.st_mode) else "other")

    def read(self, path: str, limit: int) -> bytes:
        """Return the bytes of a plain file, at most `limit` + 1."""
        return _first_bytes(self._root / path, limit, follow=False)

    def sha256(self, path: str) -> str:
        """Return the SHA-256 of a plain file in hex, read in chunks."""
        hashed = hashlib.sha256()
        with open(_descriptor(self._root / path, follow=False), "rb") as file:
            while chunk := file.read(_CHUNK):
                hashed.update(chunk)
        return hashed.hexdigest()


def _first_bytes(path: str | Path, limit: int, *, follow: bool = True) -> bytes:
    with open(_descriptor(path, follow=follow), "rb") as file:
        return file.read(limit + 1)


def _descriptor(path: str | Path, *, follow: bool) -> int:
    """Open a plain file for reading; a link or a pipe that took its place since is refused."""
    flags = os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0) | (0 if follow else os.O_NOFOLLOW)
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{str(path)!r} is not a plain file.")
    return descriptor
