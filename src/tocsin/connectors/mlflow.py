"""The MLflow model registry: moves an alias back to an earlier version, and keeps what was served (CON-1, CON-2).

Parameters of an action:
    registry  the store, such as `sqlite:////srv/mlflow/registry.db` or `https://mlflow.example.org`; no password in it
    model     the registered model
    alias     the alias that serving follows; `champion` when left out
    to        a version, or `previous`: the version that the present one replaced, which whoever promoted the
              present one wrote on it as the tag `replaced.<alias>`. MLflow itself keeps no history of an alias.
    digest    `no` leaves the SHA-256 of the artifacts out of a description, for very large models

mlflow is imported when first needed: it takes seconds and is an optional extra.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tocsin.connectors import mlflow_artifacts
from tocsin.connectors.mlflow_artifacts import File, tree_digest
from tocsin.connectors.ports import Acted, Captured, Change, Params, Preview
from tocsin.connectors.time_limit import within
from tocsin.kernel.errors import Invalid, NotFound, Refused, TocsinError, Unavailable

T = TypeVar("T")

KNOWN = frozenset({"registry", "model", "alias", "to", "digest"})
PREVIOUS = "previous"
VERSION = re.compile(r"[1-9][0-9]{0,18}")

KINDS_OF_ERROR: dict[str, type[TocsinError]] = {
    "RESOURCE_DOES_NOT_EXIST": NotFound,
    "INVALID_PARAMETER_VALUE": Invalid,
    "BAD_REQUEST": Invalid,
    "PERMISSION_DENIED": Refused,
    "UNAUTHENTICATED": Refused,
}


@dataclass(frozen=True, slots=True)
class Target:
    """Which alias of which model in which registry, and where it shall point."""

    registry: str
    model: str
    alias: str
    to: str
    digest: bool


class MlflowRegistry:
    """A `ContainmentConnector` for the alias of a registered model."""

    name = "mlflow"

    def __init__(
        self,
        *,
        seconds: float = 20.0,
        snapshot_seconds: float = 120.0,
        hash_up_to_bytes: int = 2 * 10**9,
        keep_up_to_bytes: int = 32 * 10**6,
    ) -> None:
        self._seconds = seconds
        self._snapshot_seconds = snapshot_seconds
        self._hash_up_to = hash_up_to_bytes
        self._keep_up_to = keep_up_to_bytes

    def describe_state(self, params: Params) -> dict[str, str]:
        """Return model, alias, version (empty when the alias is not set), run, status and digest of the artifacts."""
        target = read_params(params)
        return self._within("Asking the registry", lambda: self._describe(_client(target.registry), target))

    def preview(self, params: Params) -> Preview:
        """Return which version the alias names now and which it would name; `to: previous` becomes a version."""
        target = read_params(params)
        return self._within("Asking the registry", lambda: self._preview(_client(target.registry), target))

    def act(self, params: Params) -> Acted:
        """Point the alias at the version `to` and read it back; when it points there already, change nothing."""
        target = read_params(params)
        if not VERSION.fullmatch(target.to):
            raise Invalid(
                f"{target.to!r} is not a version.",
                where="to",
                mend="Act with the parameters that the preview returned: they name the version.",
            )
        return self._within("Moving the alias", lambda: self._act(_client(target.registry), target))

    def undo(self, params: Params, before: Params) -> dict[str, str]:
        """Return parameters that point the alias at the version in `before` again."""
        version = before.get("version", "")
        if not VERSION.fullmatch(version):
            raise Refused("The alias was not set before, so there is no version to go back to.")
        return {**params, "to": version}

    def snapshot(self, params: Params) -> tuple[Captured, ...]:
        """Return aliases, versions and run as JSON, the digest of every artifact file, and the files when small."""
        target = read_params(params)
        _library()
        return within(
            self._snapshot_seconds,
            "Capturing the model",
            lambda: _typed(lambda: self._snapshot(_client(target.registry), target)),
        )

    def served(self, params: Params) -> tuple[str, dict[str, str]]:
        """Return the version that the alias names (empty when it is not set) and the tags of that version."""
        target = read_params(params)

        def ask() -> tuple[str, dict[str, str]]:
            client = _client(target.registry)
            version = _alias_version(client, target)
            tags = client.get_model_version(target.model, version).tags if version else {}
            return version, {str(name): str(value) for name, value in tags.items()}

        return self._within("Asking the registry", ask)

    def _within(self, what: str, work: Callable[[], T]) -> T:
        _library()
        return within(self._seconds, what, lambda: _typed(work))

    def _describe(self, client: Any, target: Target) -> dict[str, str]:
        version = _alias_version(client, target)
        state = {"model": target.model, "alias": target.alias, "version": version}
        if version:
            found = client.get_model_version(target.model, version)
            state |= {"run": str(found.run_id or ""), "status": str(found.status)}
            if target.digest:
                state["digest"] = self._digest(client, target, version)
        return state

    def _preview(self, client: Any, target: Target) -> Preview:
        now = _alias_version(client, target)
        to = _resolve(client, target, now)
        _ready(client, target, to)
        params = {"registry": target.registry, "model": target.model, "alias": target.alias, "to": to}
        if not target.digest:
            params["digest"] = "no"
        if now == to:
            return Preview(params=params, changes=())
        what = f"alias {target.alias} of {target.model}"
        changes = [Change(what=what, before=_version_name(now), after=_version_name(to))]
        if target.digest:
            before = self._digest(client, target, now) if now else ""
            changes.append(
                Change(what="digest of the artifacts", before=before, after=self._digest(client, target, to))
            )
        newer = () if not now or int(to) < int(now) else (f"Version {to} is newer than {now}.",)
        return Preview(params=params, changes=tuple(changes), warnings=newer)

    def _act(self, client: Any, target: Target) -> Acted:
        before = self._describe(client, target)
        if before["version"] == target.to:
            return Acted(before=before, after=before, detail=f"The alias named version {target.to} already.")
        _ready(client, target, target.to)
        client.set_registered_model_alias(target.model, target.alias, target.to)
        after = self._describe(client, target)
        if after["version"] != target.to:
            raise Unavailable(
                f"The alias was set to version {target.to} and names {_version_name(after['version'])} now.",
                mend="Somebody else moves it too. Find out who, then try again.",
            )
        moved = (
            f"{target.alias} of {target.model}: {_version_name(before['version'])} to version {target.to}."
        )
        return Acted(before=before, after=after, detail=moved)

    def _snapshot(self, client: Any, target: Target) -> tuple[Captured, ...]:
        now = _alias_version(client, target)
        wanted = [version for version in (now, target.to if VERSION.fullmatch(target.to) else "") if version]
        kept = [
            _json("registry/model.json", _model_facts(client, target)),
            _json(
                "registry/versions.json", [_version_facts(version) for version in _versions(client, target)]
            ),
        ]
        for version in dict.fromkeys(wanted):
            run = client.get_model_version(target.model, version).run_id
            if run:
                kept.append(_json(f"versions/{version}/run.json", _run_facts(client.get_run(run))))
            kept.extend(self._artifacts(client, target, version, with_files=version == now))
        return tuple(kept)

    def _artifacts(self, client: Any, target: Target, version: str, *, with_files: bool) -> list[Captured]:
        with tempfile.TemporaryDirectory(prefix="tocsin-mlflow-") as place:
            files = self._copied(client, target, version, place)
            facts = mlflow_artifacts.facts(files)
            kept = [_json(f"versions/{version}/digests.json", facts)]
            size = sum(file.size for file in files)
            if with_files and facts["digest"] and size <= self._keep_up_to:
                kept += [
                    Captured(
                        name=f"versions/{version}/files/{file.path}",
                        media_type="application/octet-stream",
                        data=Path(place, file.path).read_bytes(),
                    )
                    for file in files
                ]
        return kept

    def _digest(self, client: Any, target: Target, version: str) -> str:
        with tempfile.TemporaryDirectory(prefix="tocsin-mlflow-") as place:
            return tree_digest(self._copied(client, target, version, place))

    def _copied(self, client: Any, target: Target, version: str, place: str) -> tuple[File, ...]:
        return mlflow_artifacts.copy(
            client, target.registry, target.model, version, Path(place), self._hash_up_to
        )


def read_params(params: Params) -> Target:
    """Return the checked parameters; raise `Invalid` with the field otherwise."""
    unknown = sorted(set(params) - KNOWN)
    if unknown:
        raise Invalid(
            f"The mlflow connector knows no parameter {unknown[0]!r}.",
            where=unknown[0],
            mend=f"It knows {', '.join(sorted(KNOWN))}.",
        )
    for name in ("registry", "model"):
        if not params.get(name):
            raise Invalid("The mlflow connector needs this parameter.", where=name)
    if urlsplit(params["registry"]).password:
        raise Invalid("A password does not belong into the configuration.", where="registry")
    to = params.get("to", PREVIOUS)
    if to != PREVIOUS and not VERSION.fullmatch(to):
        raise Invalid(f"{to!r} is no version.", where="to", mend="Write a number, or `previous`.")
    return Target(
        registry=params["registry"],
        model=params["model"],
        alias=params.get("alias") or "champion",
        to=to,
        digest=params.get("digest", "yes") != "no",
    )


def replaced_tag(alias: str) -> str:
    """Return the tag in which whoever promotes a version writes the version that it replaced."""
    return f"replaced.{alias}"


def _typed(work: Callable[[], T]) -> T:
    """Return `work()`; turn what mlflow and the database below it raise into a typed error."""
    try:
        return work()
    except TocsinError:
        raise
    except Exception as error:
        code = str(getattr(error, "error_code", ""))
        kind = KINDS_OF_ERROR.get(code, Unavailable)
        first = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise kind(f"The model registry says: {first[:500]}") from error


def _library() -> Any:
    """Return mlflow. Loading it takes seconds the first time, which no time limit of a registry counts."""
    # Read by mlflow when it is imported: it reports usage to its makers otherwise.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        return importlib.import_module("mlflow")
    except ImportError as error:
        raise Unavailable("mlflow is not installed here.", mend="Install mlflow-skinny.") from error


def _client(registry: str) -> Any:
    _must_exist(registry)
    mlflow = _library()
    return mlflow.MlflowClient(tracking_uri=registry, registry_uri=registry)


def _must_exist(registry: str) -> None:
    """Refuse a SQLite file that is not there: mlflow would make an empty registry in its place."""
    scheme, _, path = registry.partition(":///")
    if scheme.startswith("sqlite") and not Path(path.partition("?")[0]).is_file():
        raise NotFound(f"There is no registry at {registry}.")


def _alias_version(client: Any, target: Target) -> str:
    """Return the version that the alias names, or nothing when the alias is not set."""
    aliases: Mapping[str, Any] = client.get_registered_model(target.model).aliases
    return str(aliases.get(target.alias, ""))


def _resolve(client: Any, target: Target, now: str) -> str:
    if target.to != PREVIOUS:
        return target.to
    if not now:
        raise NotFound(f"The alias {target.alias} of {target.model} is not set, so nothing came before it.")
    tag = replaced_tag(target.alias)
    before = str(client.get_model_version(target.model, now).tags.get(tag, ""))
    if not VERSION.fullmatch(before):
        raise NotFound(
            f"Version {now} of {target.model} does not say which version it replaced.",
            mend=f"Name the version in `to`, or set the tag `{tag}` when you promote.",
        )
    return before


def _ready(client: Any, target: Target, version: str) -> None:
    status = str(client.get_model_version(target.model, version).status)
    if status != "READY":
        raise Refused(
            f"Version {version} of {target.model} is {status}, not READY.", mend="Choose another version."
        )


def _version_name(version: str) -> str:
    return f"version {version}" if version else "no version"


def _versions(client: Any, target: Target) -> list[Any]:
    if "'" in target.model:
        raise Invalid("A model name with a quotation mark cannot be searched for.", where="model")
    found = client.search_model_versions(f"name='{target.model}'", max_results=200)
    return sorted(found, key=lambda version: int(version.version))


def _model_facts(client: Any, target: Target) -> dict[str, object]:
    model = client.get_registered_model(target.model)
    return {
        "model": target.model,
        "registry": target.registry,
        "aliases": {str(alias): str(version) for alias, version in model.aliases.items()},
        "tags": dict(model.tags),
        "description": model.description or "",
    }


def _version_facts(version: Any) -> dict[str, object]:
    return {
        "version": str(version.version),
        "run": version.run_id or "",
        "status": str(version.status),
        "source": version.source or "",
        "created_ms": int(version.creation_timestamp),
        "description": version.description or "",
        "tags": dict(version.tags),
    }


def _run_facts(run: Any) -> dict[str, object]:
    return {
        "run": run.info.run_id,
        "started_ms": int(run.info.start_time),
        "params": dict(run.data.params),
        "metrics": {name: repr(value) for name, value in run.data.metrics.items()},
        "tags": dict(run.data.tags),
    }


def _json(name: str, value: object) -> Captured:
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False)
    return Captured(name=name, media_type="application/json", data=text.encode())
