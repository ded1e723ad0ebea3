"""The history of the configuration as a stream: which version was applied, what it changed, from where (CAT-4)."""

from __future__ import annotations

import datetime as dt

from tocsin.kernel.event import Command, Event, State, StreamKind


class Applied(Event, frozen=True, kw_only=True, tag="configuration.applied"):
    """A version of the configuration came into force."""

    version: int
    digest: str
    """SHA-256 over all files, hex."""
    changes: tuple[str, ...]
    """One line per document added, changed or removed."""
    source: str
    """Where the files came from, such as `api` or `start`."""


class Apply(Command, frozen=True, kw_only=True):
    """Bring files into force; the same digest again changes nothing."""

    digest: str
    changes: tuple[str, ...]
    source: str


class ConfigurationHistory(State, frozen=True, kw_only=True):
    """Which version is in force."""

    version: int = 0
    digest: str = ""


INITIAL = ConfigurationHistory()


def decide(state: ConfigurationHistory, command: Apply, now: dt.datetime) -> tuple[Applied, ...]:
    """Return the event that `command` causes; empty when these files are in force already."""
    if state.digest == command.digest:
        return ()
    return (
        Applied(
            version=state.version + 1, digest=command.digest, changes=command.changes, source=command.source
        ),
    )


def evolve(state: ConfigurationHistory, event: Applied) -> ConfigurationHistory:
    """Return `state` after `event`."""
    return ConfigurationHistory(version=event.version, digest=event.digest)


CONFIGURATION: StreamKind[ConfigurationHistory, Apply, Applied] = StreamKind(
    "configuration", INITIAL, decide, evolve, Applied
)
"""One stream for the installation, keyed `installation`."""
