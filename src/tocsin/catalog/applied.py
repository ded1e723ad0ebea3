"""The history of the configuration as a stream: which version was applied, what it changed, from where (CAT-4).

What monitors compare with is part of it: a pinned reference decides what counts as a breach.
"""

from __future__ import annotations

import datetime as dt

import msgspec

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


class ReferencePinned(Event, frozen=True, kw_only=True, tag="configuration.reference_pinned"):
    """Monitors of a system compare with another reference profile from now on."""

    system: str
    digest: str
    """SHA-256 of the canonical profile, hex."""
    model_version: str
    note: str


ConfigurationEvent = Applied | ReferencePinned


class Apply(Command, frozen=True, kw_only=True):
    """Bring files into force; the same digest again changes nothing."""

    digest: str
    changes: tuple[str, ...]
    source: str


class PinReference(Command, frozen=True, kw_only=True):
    """Note the reference of a system; the same one with the same words again changes nothing."""

    system: str
    digest: str
    model_version: str
    note: str


ConfigurationCommand = Apply | PinReference


class ConfigurationHistory(State, frozen=True, kw_only=True):
    """Which version is in force, and which reference of each system."""

    version: int = 0
    digest: str = ""
    references: dict[str, ReferencePinned] = {}


INITIAL = ConfigurationHistory()


def decide(
    state: ConfigurationHistory, command: ConfigurationCommand, now: dt.datetime
) -> tuple[ConfigurationEvent, ...]:
    """Return the event that `command` causes; empty when these files or this reference hold already."""
    match command:
        case Apply():
            if state.digest == command.digest:
                return ()
            return (
                Applied(
                    version=state.version + 1,
                    digest=command.digest,
                    changes=command.changes,
                    source=command.source,
                ),
            )
        case PinReference():
            pinned = ReferencePinned(
                system=command.system,
                digest=command.digest,
                model_version=command.model_version,
                note=command.note,
            )
            return () if state.references.get(command.system) == pinned else (pinned,)


def evolve(state: ConfigurationHistory, event: ConfigurationEvent) -> ConfigurationHistory:
    """Return `state` after `event`."""
    match event:
        case Applied():
            return msgspec.structs.replace(state, version=event.version, digest=event.digest)
        case ReferencePinned():
            return msgspec.structs.replace(state, references={**state.references, event.system: event})


CONFIGURATION: StreamKind[ConfigurationHistory, ConfigurationCommand, ConfigurationEvent] = StreamKind(
    "configuration", INITIAL, decide, evolve, ConfigurationEvent
)
"""One stream for the installation, keyed `installation`."""
