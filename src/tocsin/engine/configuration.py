"""Configuration as code: show what files would change, bring them into force, keep every version (CAT-4)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
from sqlalchemy import Connection, insert, select

from tocsin.catalog import plan as plans
from tocsin.catalog.applied import CONFIGURATION, Apply
from tocsin.catalog.configuration import Configuration
from tocsin.catalog.load import load
from tocsin.catalog.plan import Plan
from tocsin.engine.world import World
from tocsin.kernel.errors import Invalid
from tocsin.signals.monitor import problems
from tocsin.store import tables
from tocsin.store.transaction import INSTALLATION, Transaction

MOST_FILES = 2000
MOST_BYTES = 20_000_000
DEFAULTS = Path(__file__).parent.parent / "catalog" / "defaults"


def read_directory(root: Path) -> dict[str, str]:
    """Return the YAML files below `root`, path to text; raise `Invalid` for what cannot be read."""
    if not root.is_dir():
        raise Invalid(f"{root} is not a directory.", mend="Name the directory that holds the YAML files.")
    files: dict[str, str] = {}
    size = 0
    for path in sorted((*root.rglob("*.yaml"), *root.rglob("*.yml"))):
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Invalid(f"It cannot be read as text: {error}.", where=str(path)) from error
        size += len(text)
        files[path.relative_to(root).as_posix()] = text
        if len(files) > MOST_FILES or size > MOST_BYTES:
            raise Invalid("The directory holds more than a configuration does.", where=str(root))
    return files


def read_defaults() -> dict[str, str]:
    """Return the default files that ship with tocsin, named `defaults/...` in messages."""
    return {f"defaults/{name}": text for name, text in read_directory(DEFAULTS).items()}


def show_plan(world: World, files: Mapping[str, str]) -> Plan:
    """Return what `files` would change; raise `ConfigurationInvalid` with every problem."""
    return plans.plan(world.catalog.current, _checked(load(files, world.catalog.defaults)))


def _checked(configuration: Configuration) -> Configuration:
    """Return `configuration` when every monitor fits its detector; raise `Invalid` with all that do not."""
    found = [(monitor.id, why) for monitor in configuration.monitors.values() for why in problems(monitor)]
    if found:
        raise Invalid(" ".join(f"{name}: {why}" for name, why in found), where=f"monitor {found[0][0]}")
    return configuration


def apply(world: World, files: Mapping[str, str], *, actor: str, source: str) -> tuple[int, Plan]:
    """Bring `files` into force; return the version and what it changed. The same files again change nothing."""
    after = _checked(load(files, world.catalog.defaults))

    def bring(tx: Transaction) -> tuple[int, Plan]:
        version, before = _newest(tx.connection, world)
        changes = plans.plan(before, after)
        digest = plans.digest(after)
        told = tuple(f"{change.what} {change.kind} {change.id}" for change in changes.changes)
        command = Apply(digest=digest, changes=told, source=source)
        outcome = tx.execute(CONFIGURATION, INSTALLATION, command, actor=actor, scope=INSTALLATION)
        if not outcome.events:
            return version, changes
        row = {
            "version": outcome.state.version,
            "digest": digest,
            "files": msgspec.json.encode(dict(files)),
            "applied_at": tx.now,
            "applied_by": actor,
        }
        tx.connection.execute(insert(tables.configuration).values(**row))
        tx.after_commit(lambda: world.catalog.replace(outcome.state.version, after))
        return outcome.state.version, changes

    return world.store.run(bring)


def restore(world: World) -> None:
    """Put the newest kept version in force; the defaults alone when none was ever applied."""
    version, configuration = world.store.read(lambda connection: _newest(connection, world))
    world.catalog.replace(version, configuration)


def _newest(connection: Connection, world: World) -> tuple[int, Configuration]:
    query = select(tables.configuration).order_by(tables.configuration.c.version.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    if row is None:
        return 0, load({}, world.catalog.defaults)
    return row.version, load(msgspec.json.decode(row.files), world.catalog.defaults)
