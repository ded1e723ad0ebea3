"""The artifact files of a model version: listed, copied and hashed, and never touched where they lie."""

from __future__ import annotations

import hashlib
import importlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tocsin.kernel.errors import Refused

NOT_AN_ARTIFACT = "registered_model_meta"
"""MLflow writes this file beside a local model when somebody loads it: it is not part of what was registered."""


@dataclass(frozen=True, slots=True)
class File:
    """One artifact file: its path below the model, its size in bytes, its SHA-256 (empty when not computed)."""

    path: str
    size: int
    sha256: str


def copy(
    client: Any, registry: str, model: str, version: str, place: Path, most_bytes: int
) -> tuple[File, ...]:
    """Copy the files of `version` to `place` and return what they are.

    With more than `most_bytes` altogether nothing is copied and the files come without digests.

    Raises:
        Refused: the registry lists a path outside the model.
        Exception: whatever mlflow and the store of the artifacts raise.
    """
    repository = _repository(client, registry, model, version)
    listed = sorted(_listed(repository))
    if sum(size for _, size in listed) > most_bytes:
        return tuple(File(path, size, "") for path, size in listed)
    for path, _ in listed:
        repository.download_artifacts(path, dst_path=str(place))
    return tuple(File(path, *_measured(place / path)) for path, _ in listed)


def tree_digest(files: tuple[File, ...]) -> str:
    """Return SHA-256 over the lines `<sha256>  <path>`, sorted by path; empty when a file was not hashed.

    The same text as `sha256sum` prints, so that anybody can check it by hand.
    """
    if not files or not all(file.sha256 for file in files):
        return ""
    lines = "".join(f"{file.sha256}  {file.path}\n" for file in sorted(files, key=lambda file: file.path))
    return hashlib.sha256(lines.encode()).hexdigest()


def facts(files: tuple[File, ...]) -> dict[str, object]:
    """Return digest and files as JSON data."""
    listed = [{"path": file.path, "size": file.size, "sha256": file.sha256} for file in files]
    return {"digest": tree_digest(files), "files": listed}


def _repository(client: Any, registry: str, model: str, version: str) -> Any:
    """Return mlflow's access to the artifacts themselves.

    Not by `models:/name/version`: reading that way writes a file beside the originals, which is no way to
    treat evidence.
    """
    place = str(client.get_model_version_download_uri(model, version))
    if re.fullmatch(r"models:/m-[0-9a-f]+", place):
        place = str(client.get_logged_model(place.partition("/")[2]).artifact_location)
    repositories = importlib.import_module("mlflow.store.artifact.artifact_repository_registry")
    return repositories.get_artifact_repository(place, tracking_uri=registry, registry_uri=registry)


def _listed(repository: Any, below: str | None = None) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for item in repository.list_artifacts(below):
        path = PurePosixPath(item.path)
        if path.is_absolute() or ".." in path.parts:
            raise Refused(f"The registry lists the artifact {item.path!r}, which lies outside the model.")
        if item.is_dir:
            found += _listed(repository, item.path)
        elif item.path != NOT_AN_ARTIFACT:
            found.append((str(path), int(item.file_size or 0)))
    return found


def _measured(path: Path) -> tuple[int, str]:
    with path.open("rb") as stream:
        return path.stat().st_size, hashlib.file_digest(stream, "sha256").hexdigest()
