"""The world as the engine sees it: the store and every port to the outside, handed in once by `app`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from tocsin.catalog.configuration import Configuration
from tocsin.connectors.ports import ContainmentConnector, ProbeConnector
from tocsin.connectors.sender import Sender
from tocsin.kernel.clock import Clock
from tocsin.kernel.errors import NotFound
from tocsin.store.evidence_store import EvidenceStore
from tocsin.store.store import Store

T = TypeVar("T")


class Catalog:
    """The configuration in force. Read often, replaced whole when a new version is applied."""

    def __init__(self, defaults: Mapping[str, str]) -> None:
        self.defaults = defaults
        self._lock = threading.Lock()
        self._version = 0
        self._current = Configuration()

    @property
    def current(self) -> Configuration:
        """The configuration now in force."""
        return self._current

    @property
    def version(self) -> int:
        """Its version; 0 for the defaults alone."""
        return self._version

    def replace(self, version: int, configuration: Configuration) -> None:
        """Put a version in force; an older one than the present is ignored."""
        with self._lock:
            if version >= self._version:
                self._version, self._current = version, configuration


@dataclass
class World:
    """What jobs and use cases work with."""

    store: Store
    clock: Clock
    chance: Callable[[int], bytes]
    catalog: Catalog
    vault: EvidenceStore
    sender: Sender
    link_secret: bytes
    base_url: str
    """How people reach the pages; one-tap links begin with it."""
    containment: dict[str, ContainmentConnector] = field(default_factory=dict)
    probes: dict[str, ProbeConnector] = field(default_factory=dict)

    def containment_connector(self, name: str) -> ContainmentConnector:
        """Return the connector called `name`; raise `NotFound` with what there is."""
        return _find(self.containment, name, "containment")

    def probe_connector(self, name: str) -> ProbeConnector:
        """Return the probe connector called `name`; raise `NotFound` with what there is."""
        return _find(self.probes, name, "probe")


def _find(known: dict[str, T], name: str, what: str) -> T:
    if name not in known:
        have = ", ".join(sorted(known)) or "none"
        raise NotFound(f"There is no {what} connector called {name!r}.", mend=f"Installed: {have}.")
    return known[name]
