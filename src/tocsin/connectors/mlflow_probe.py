"""A probe of the MLflow registry: did the version that serves now go into production a short while ago?

Parameters: `registry`, `model` and `alias` as in the `mlflow` connector, and `within`, such as `30 min`.

MLflow does not keep when an alias was moved. Whoever promotes a version writes the time on it as the tag
`promoted.<alias>` (RFC 3339); without the tag the answer is `unknown`, since a guess would point the response
to the wrong cause.
"""

from __future__ import annotations

import datetime as dt

from tocsin.connectors.mlflow import MlflowRegistry, replaced_tag
from tocsin.connectors.ports import Answer, Params
from tocsin.kernel import quantity
from tocsin.kernel.clock import Clock, from_wire, to_wire
from tocsin.kernel.errors import Invalid, TocsinError


class MlflowDeploymentProbe:
    """A `ProbeConnector`: yes when the present version was promoted within the time given."""

    name = "mlflow"

    def __init__(self, clock: Clock, registry: MlflowRegistry | None = None) -> None:
        self._clock = clock
        self._registry = registry or MlflowRegistry()

    def answer(self, params: Params, given: Params) -> Answer:
        """Return yes, no or unknown with version, time of promotion and the version replaced."""
        if not params.get("within"):
            raise Invalid(
                "The mlflow probe needs this parameter.", where="within", mend="Write `within: 30 min`."
            )
        seconds = quantity.seconds(params["within"])
        named = {name: value for name, value in params.items() if name != "within"}
        try:
            version, tags = self._registry.served(named)
        except Invalid:
            raise
        except TocsinError as error:
            return Answer(answer="unknown", measured={}, detail=str(error))
        return self._judge(version, tags, params.get("alias") or "champion", dt.timedelta(seconds=seconds))

    def _judge(self, version: str, tags: dict[str, str], alias: str, within: dt.timedelta) -> Answer:
        if not version:
            return Answer(answer="unknown", measured={}, detail=f"The alias {alias} is not set.")
        measured = {"version": version}
        if tags.get(replaced_tag(alias)):
            measured["replaced"] = tags[replaced_tag(alias)]
        try:
            promoted = from_wire(tags.get(promoted_tag(alias), ""))
        except Invalid:
            detail = f"Version {version} does not say when it was promoted (tag {promoted_tag(alias)})."
            return Answer(answer="unknown", measured=measured, detail=detail)
        measured["promoted_at"] = to_wire(promoted)
        age = self._clock.now() - promoted
        instead = f" in place of version {measured['replaced']}" if "replaced" in measured else ""
        detail = f"Version {version} went into production{instead} {_minutes(age)} ago."
        return Answer(answer="yes" if age <= within else "no", measured=measured, detail=detail)


def promoted_tag(alias: str) -> str:
    """Return the tag in which whoever promotes a version writes when (RFC 3339)."""
    return f"promoted.{alias}"


def _minutes(age: dt.timedelta) -> str:
    seconds = max(0, round(age.total_seconds()))
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
