"""Builds the program: keys, store, engine, connectors. The one place that knows how it all fits together."""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import hashlib
import logging
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import IO, Any

from tocsin.catalog.access import ACCESS
from tocsin.catalog.applied import CONFIGURATION
from tocsin.connectors.apprise import AppriseSender, MailServer
from tocsin.connectors.http_probe import HttpProbe
from tocsin.connectors.mlflow import MlflowRegistry
from tocsin.connectors.mlflow_probe import MlflowDeploymentProbe
from tocsin.connectors.outgoing import parse_allowed
from tocsin.connectors.sender import Sender
from tocsin.engine import (
    access,
    communicate,
    configuration,
    contain,
    declare,
    deployments,
    escalate,
    follow,
    intake,
    review,
    run_playbook,
    seal,
    watch,
)
from tocsin.engine.runner import Runner
from tocsin.engine.world import Catalog, World
from tocsin.evidence.custody import CUSTODY
from tocsin.evidence.note import NoteSigner
from tocsin.incidents.incident import INCIDENT
from tocsin.kernel.clock import UTC, Clock
from tocsin.kernel.errors import Invalid, Refused
from tocsin.response.communications.update import NOTICE
from tocsin.response.containment.action import CONTAINMENT
from tocsin.response.oncall.page import PAGE
from tocsin.response.playbooks.run import RUN
from tocsin.reviews.review import REVIEW
from tocsin.settings import Settings
from tocsin.store import installation
from tocsin.store.database import Database
from tocsin.store.evidence_store import EvidenceStore
from tocsin.store.log import Log
from tocsin.store.scope_keys import ScopeKeys
from tocsin.store.store import Store
from tocsin.store.transaction import Rules, Transaction
from tocsin.store.views import project

log = logging.getLogger(__name__)

KINDS: dict[str, Any] = {
    kind.name: kind
    for kind in (INCIDENT, PAGE, RUN, CONTAINMENT, NOTICE, REVIEW, CUSTODY, CONFIGURATION, ACCESS)
}
"""Every kind of stream by its name."""

WORK = (
    *intake.WORK, *declare.WORK, *escalate.WORK, *run_playbook.WORK, *contain.WORK, *communicate.WORK,
    *review.WORK, *watch.WORK, *deployments.WORK, *seal.WORK,
)  # fmt: skip
"""Everything a job can be."""


KEY_FILES = ("log.key", "origin", "master.key", "links.key")
"""What lies in `keys`; the database is of no use without them."""


class SystemClock:
    """The real time."""

    def now(self) -> dt.datetime:
        """Return the present time in UTC."""
        return dt.datetime.now(UTC)


@dataclass
class Program:
    """A built program. `start` begins the threads; without it a virtual clock may drive the runner."""

    settings: Settings
    world: World
    runner: Runner
    first_password: str | None = None
    """The random password of the first administrator, when one was made just now."""
    lock: IO[str] | None = None

    def start(self) -> None:
        """Start the writer and the runner."""
        self.world.store.writer.start()
        self.runner.start()

    def stop(self) -> None:
        """Finish what is in hand and close everything."""
        self.runner.stop()
        self.world.store.close()
        if self.lock is not None:
            self.lock.close()


def build(
    settings: Settings,
    *,
    clock: Clock | None = None,
    sender: Sender | None = None,
    chance: Callable[[int], bytes] = secrets.token_bytes,
    durable: bool = True,
) -> Program:
    """Build a program on its data directory: migrate, make missing keys, apply the configuration, first account.

    Raises:
        Refused: another server holds the data directory, or its keys are lost or belong to another database.
        Invalid: the configuration or a setting does not fit.
    """
    lock = _lock(_data_directory(settings.data))
    try:
        return _build(settings, clock or SystemClock(), sender, chance, lock, durable)
    except BaseException:
        lock.close()
        raise


def _build(
    settings: Settings,
    clock: Clock,
    sender: Sender | None,
    chance: Callable[[int], bytes],
    lock: IO[str],
    durable: bool,
) -> Program:
    database = Database(settings.url, durable=durable)
    try:
        remembered = installation.kept(database)
        keys = _keys(settings, chance, made_already=bool(remembered))
        signer = NoteSigner(keys.log, keys.origin)
        _check_keys(remembered, keys, signer.vkey, settings.data / "keys")
    except BaseException:
        database.close()
        raise
    scope_keys = ScopeKeys(keys.master, chance)
    rules = Rules(keys=scope_keys, chance=chance, follow=follow.follow, project=project, kinds=KINDS)
    store = Store(database, clock=clock, log=Log(signer), rules=rules)
    try:
        store.prepare(migrate=database.is_sqlite)
        if not remembered:
            installation.keep(database, {"log": signer.vkey, "master": keys.master_check})
        vault = EvidenceStore(
            settings.data / "evidence",
            lambda scope: store.read(lambda connection: scope_keys.get(connection, scope)),
            chance,
        )
        world = World(
            store=store,
            clock=clock,
            chance=chance,
            catalog=Catalog(configuration.read_defaults()),
            vault=vault,
            sender=sender or _sender(settings),
            link_secret=keys.links,
            base_url=settings.public_url,
        )
        _connect(world)
        configuration.restore(world)
        if settings.config is not None:
            files = configuration.read_directory(settings.config)
            configuration.apply(world, files, actor="system:start", source=str(settings.config))
        password = _first_administrator(world, settings)
        store.run(lambda tx: _plan(tx, world))
        return Program(
            settings,
            world,
            Runner(world, WORK, intake.drain, lease_seconds=settings.lease_seconds),
            password,
            lock,
        )
    except BaseException:
        store.close()
        raise


def _plan(tx: Transaction, world: World) -> None:
    """Put the recurring looks in place; the chains of an earlier run go on by themselves."""
    watch.plan(tx, world)
    deployments.plan(tx, world)


def _connect(world: World) -> None:
    """Fill in the connectors: those that ship, and those that other packages offer by entry point."""
    world.containment["mlflow"] = MlflowRegistry()
    for probe in (HttpProbe(), MlflowDeploymentProbe(world.clock), watch.MonitorProbe(world)):
        world.probes[probe.name] = probe
    for found in entry_points(group="tocsin.connectors"):
        connector = found.load()()
        if hasattr(connector, "act"):
            world.containment.setdefault(connector.name, connector)
        if hasattr(connector, "answer"):
            world.probes.setdefault(connector.name, connector)


def _sender(settings: Settings) -> Sender:
    mail = None
    if settings.smtp_host:
        mail = MailServer(
            host=settings.smtp_host,
            port=settings.smtp_port,
            sender=settings.mail_from,
            security=settings.smtp_security,
            user=settings.smtp_user,
            password=settings.smtp_password,
        )
    return AppriseSender(mail=mail, allowed=parse_allowed(settings.allow_private))


def _first_administrator(world: World, settings: Settings) -> str | None:
    if world.store.read(access.has_accounts):
        return None
    made = settings.admin_password or secrets.token_urlsafe(12)
    try:
        access.create_account(
            world,
            email=settings.admin_email,
            name="Administrator",
            password=made,
            role="administrator",
            actor="system:start",
        )
    except Invalid as error:
        raise Invalid(
            error.why,
            where="TOCSIN_ADMIN_PASSWORD" if error.where == "password" else "TOCSIN_ADMIN_EMAIL",
            mend=error.mend,
        ) from error
    return None if settings.admin_password else made


# --- files of the data directory ------------------------------------------------------------------


def _data_directory(data: Path) -> Path:
    try:
        new = not data.exists()
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        if new:  # a directory that was there before is its owner's to open
            data.chmod(0o700)
    except OSError as error:
        raise Invalid(
            f"{data} cannot be the data directory: {error.strerror}.",
            where="TOCSIN_DATA",
            mend="Name a directory that this user may write, with --data.",
        ) from error
    return data


def _lock(data: Path) -> IO[str]:
    """Hold the data directory for this process; the lock ends with it, also when it is killed."""
    file = open(data / "lock", "a+", encoding="utf-8")  # noqa: SIM115 - held as long as the program runs
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise Refused(
            f"Another server (process {holder}) holds the data directory {data}.",
            mend="Stop it, or choose another directory with --data.",
        ) from error
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


@dataclass(frozen=True, slots=True, repr=False)
class _Keys:
    """The secrets of an installation, and its log's name."""

    log: bytes
    origin: str
    master: bytes
    links: bytes

    @property
    def master_check(self) -> str:
        """What tells whether this is the master key of a database, without telling the key."""
        return hashlib.sha256(b"tocsin: check value of the master key\n" + self.master).hexdigest()


def _keys(settings: Settings, chance: Callable[[int], bytes], *, made_already: bool) -> _Keys:
    """Return the keys of the data directory, made at first start; raise `Refused` when one is lost."""
    folder = settings.data / "keys"
    lost = [name for name in KEY_FILES if not (folder / name).exists()] if made_already else []
    if lost:
        raise Refused(
            f"{' and '.join(str(folder / name) for name in lost)} cannot be found, and the database was written"
            " with it.",
            mend="Put the directory `keys` back from a backup; a new key could neither read nor continue the record.",
        )
    return _Keys(
        log=_key(folder / "log.key", chance),
        origin=_origin(folder / "origin", settings, chance),
        master=_key(folder / "master.key", chance),
        links=_key(folder / "links.key", chance),
    )


def _check_keys(remembered: Mapping[str, str], keys: _Keys, vkey: str, folder: Path) -> None:
    """Raise `Refused` when the keys are not those that the database was written with."""
    for name, files, present in (
        ("log", f"{folder / 'log.key'} with {folder / 'origin'}", vkey),
        ("master", str(folder / "master.key"), keys.master_check),
    ):
        if remembered.get(name, present) != present:
            raise Refused(
                f"{files} is not what this database was written with.",
                mend="Put back the directory `keys` that belongs to it, or choose the other database.",
            )


def _key(path: Path, chance: Callable[[int], bytes]) -> bytes:
    """Return a secret of 32 bytes; made at first start, readable by the owner only."""
    if path.exists():
        kept = path.read_bytes()
        if len(kept) != 32:
            raise Invalid(
                f"{path} is not the key that was made: it has {len(kept)} and not 32 bytes.",
                mend="Put it back from a backup; what it sealed cannot be read without it.",
            )
        return kept
    key = chance(32)
    _write_secret(path, key)
    return key


def _origin(path: Path, settings: Settings, chance: Callable[[int], bytes]) -> str:
    """Return the log's name. It is part of every checkpoint, so it is fixed at first start."""
    if path.exists():
        return path.read_text().strip()
    name = settings.origin or f"tocsin.invalid/log-{chance(4).hex()}"
    _write_secret(path, name.encode())
    return name


def _write_secret(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)
    for folder in (path.parent, path.parent.parent):  # the name is on the disk only with its directory
        entry = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(entry)
        finally:
            os.close(entry)
