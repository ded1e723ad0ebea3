"""The shared fake of a containment connector: a model registry in memory. The contract suite keeps it honest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

from tocsin.connectors.ports import Acted, Captured, Change, Params, Preview
from tocsin.kernel.errors import Invalid, NotFound, Refused

KNOWN = {"registry", "model", "alias", "to", "digest"}


@dataclass
class FakeModel:
    """A registered model: its alias, its versions (number to bytes), and what each version replaced."""

    alias: str = ""
    versions: dict[str, bytes] = field(default_factory=dict)
    replaced: dict[str, str] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)


@dataclass
class FakeAliasRegistry:
    """A `ContainmentConnector` whose outside world is `worlds`; `writes` counts what it changed out there."""

    name: str = "mlflow"
    models: dict[str, FakeModel] = field(default_factory=dict)
    writes: int = 0

    def describe_state(self, params: Params) -> dict[str, str]:
        model = self._model(params)
        state = {"model": params["model"], "alias": params.get("alias", "champion"), "version": model.alias}
        if model.alias:
            state |= {"status": "READY", "digest": _digest(model.versions[model.alias])}
        return state

    def preview(self, params: Params) -> Preview:
        model = self._model(params)
        to = params.get("to", "previous")
        if to == "previous":
            to = model.replaced.get(model.alias, "")
            if not to:
                raise NotFound(f"Version {model.alias} does not say which version it replaced.")
        self._ready(model, to)
        absolute = {**params, "to": to}
        if to == model.alias:
            return Preview(params=absolute, changes=())
        what = f"alias {params.get('alias', 'champion')} of {params['model']}"
        change = Change(what=what, before=f"version {model.alias}", after=f"version {to}")
        return Preview(params=absolute, changes=(change,))

    def act(self, params: Params) -> Acted:
        model = self._model(params)
        to = params.get("to", "previous")
        if not to.isdecimal():
            raise Invalid(f"{to!r} is not a version.", where="to")
        before = self.describe_state(params)
        if model.alias != to:
            self._ready(model, to)
            model.alias = to
            self.writes += 1
        return Acted(before=before, after=self.describe_state(params))

    def undo(self, params: Params, before: Params) -> dict[str, str]:
        if not before.get("version"):
            raise Refused("The alias was not set before.")
        return {**params, "to": before["version"]}

    def snapshot(self, params: Params) -> tuple[Captured, ...]:
        model = self._model(params)
        digests = {"digest": _digest(model.versions[model.alias])}
        facts = {"model": params["model"], "aliases": {"champion": model.alias}}
        place = f"versions/{model.alias}"
        return (
            _json("registry/model.json", facts),
            _json(f"{place}/digests.json", digests),
            Captured(
                name=f"{place}/files/model.bin",
                media_type="application/octet-stream",
                data=model.versions[model.alias],
            ),
        )

    def _model(self, params: Params) -> FakeModel:
        for name in sorted(set(params) - KNOWN):
            raise Invalid(f"No parameter {name!r}.", where=name)
        if not params.get("registry") or not params.get("model"):
            raise Invalid("A parameter is missing.", where="model")
        if params["model"] not in self.models:
            raise NotFound(f"There is no model {params['model']!r}.")
        return self.models[params["model"]]

    def _ready(self, model: FakeModel, version: str) -> None:
        if version not in model.versions:
            raise NotFound(f"There is no version {version!r}.")
        if version in model.broken:
            raise Refused(f"Version {version} is not READY.")


def _digest(data: bytes) -> str:
    file = hashlib.sha256(data).hexdigest()
    return hashlib.sha256(f"{file}  model.bin\n".encode()).hexdigest()


def _json(name: str, value: object) -> Captured:
    return Captured(name=name, media_type="application/json", data=json.dumps(value).encode())
