"""Capture: what a system was at a moment, copied into the vault with a custody record each (EVI-1, CON-3)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tocsin import __version__
from tocsin.catalog.system import ContainmentAction
from tocsin.connectors.ports import Captured
from tocsin.engine.duty import ENGINE
from tocsin.engine.profiles import recent_profiles
from tocsin.engine.world import World
from tocsin.evidence.custody import CUSTODY, Collect
from tocsin.evidence.item import EvidenceItem
from tocsin.store.transaction import Transaction

STATE, CONFIGURATION, PROFILES = "state.json", "configuration.json", "profiles.json"
ALWAYS = (STATE, CONFIGURATION, PROFILES)
"""What every snapshot holds, whatever else its connector captures: the names a preview promises."""


def take(
    world: World, *, incident: str, system: str, action: ContainmentAction | None, key: str, reason: str
) -> list[EvidenceItem]:
    """Copy a system's state into the vault; return the custody records, for `record`.

    action: the containment action whose connector captures the outside; without one, what is known here.
    key: begins the items' ids, with the digest after it: the same bytes of a resumed job are one item.
    """
    catalog = world.catalog.current
    known = {
        "version": world.catalog.version,
        "system": catalog.system(system),
        "monitors": catalog.monitors_of(system),
    }
    found = [
        _json(CONFIGURATION, known),
        _json(PROFILES, recent_profiles(world.store, system, world.clock.now())),
    ]
    source = "catalog"
    if action is not None:
        source = action.connector
        connector = world.containment_connector(source)
        found = [
            _json(STATE, connector.describe_state(action.params)),
            *found,
            *connector.snapshot(action.params),
        ]
    return [_item(world, one, incident, system, source, key, reason) for one in found]


def record(tx: Transaction, items: Sequence[EvidenceItem], incident: str) -> None:
    """Put the custody of captured items on the record; an item that is there already stays as it is."""
    for item in items:
        if tx.state(CUSTODY, item.id).item is None:
            tx.execute(CUSTODY, item.id, Collect(item=item), actor=ENGINE, scope=incident)


def _json(name: str, value: object) -> Captured:
    data = msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=1)
    return Captured(name=name, media_type="application/json", data=data)


def _item(
    world: World, one: Captured, incident: str, system: str, source: str, key: str, reason: str
) -> EvidenceItem:
    sha256 = world.vault.put(incident, one.data)
    return EvidenceItem(
        id=f"{key}.{sha256[:20]}",
        incident=incident,
        what=one.name,
        sha256=sha256,
        size=len(one.data),
        media_type=one.media_type,
        source_system=system,
        source_locator=f"{source}:{one.name}",
        collected_by=ENGINE,
        collected_at=world.clock.now(),
        acquisition_method=f"{source} connector",
        tool="tocsin",
        tool_version=__version__,
        volatile=True,
        reason=reason,
    )
