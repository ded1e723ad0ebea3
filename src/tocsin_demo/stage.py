"""The stage: every process of the demonstration, and what an outsider can see of them.

Start order: mail server, tocsin and the training of the registry side by side; then the model server, its
traffic, and the pinned reference. Everything lives below one directory:

    registry/  config/  data/ (tocsin's own; nothing here looks into it)  mailroom/  logs/
"""

from __future__ import annotations

import json
import secrets
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tocsin_demo import configuration, fault, loan, reference, registry
from tocsin_demo.api import Api
from tocsin_demo.model_server import SYSTEM
from tocsin_demo.processes import Child, NotReady, Processes, answers, free_ports, python, wait_until
from tocsin_demo.traffic import Client

RATE = 40.0
LABEL_DELAY_SECONDS = 5.0
LONGEST_SECONDS = 24 * 3600.0
ADMIN_EMAIL = "admin@localhost"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the model server decided about every held-out applicant, asked from outside."""

    version: str
    gap: float
    accuracy: float


@dataclass
class Stage:
    """All processes. Build it inside `with Processes(...) as processes`, then call `start`."""

    directory: Path
    processes: Processes
    port: int = 0
    """The port of tocsin; 0 takes a free one."""
    rate: float = RATE
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    bootstrap: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    ports: dict[str, int] = field(default_factory=dict)
    traffic: Child | None = None

    def __post_init__(self) -> None:
        self.directory = self.directory.resolve()
        names = ("smtp", "mailroom", "model", "tocsin")
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.ports["tocsin"] = self.port or self.ports["tocsin"]
        self.registry = self.directory / "registry"
        self.registry_uri = registry.store_uri(self.registry)

    def url(self, name: str) -> str:
        """Return the address of a process."""
        return f"http://127.0.0.1:{self.ports[name]}"

    @property
    def api(self) -> Api:
        """The public API, as the installer."""
        return Api(self.url("tocsin"), self.bootstrap)

    # --- start ---

    def start(self) -> None:
        """Start everything but the traffic; raise `NotReady` with the log of what failed."""
        training = self.processes.start(
            "training", python("tocsin_demo.registry", str(self.registry), "prepare")
        )
        self._start_mailroom()
        self.start_tocsin()
        finish(training, 180)
        key = self.api.post("/api/v1/integration-keys", {"name": "loan model server"})["key"]
        self._start_model_server(key)

    def _start_mailroom(self) -> None:
        command = python(
            "tocsin_demo.mailroom",
            *("--smtp-port", str(self.ports["smtp"])),
            *("--http-port", str(self.ports["mailroom"])),
            *("--dir", str(self.directory / "mailroom")),
        )
        self.processes.start("mailroom", command, ready=answers(self.url("mailroom") + "/healthz"))

    def start_tocsin(self) -> Child:
        """Start the product as anybody would: by its command line, a directory and environment variables."""
        config = configuration.write(self.directory / "config", self._values())
        command = python(
            "tocsin.cli",
            "serve",
            *("--config", str(config)),
            *("--data", str(self.directory / "data")),
            *("--host", "127.0.0.1", "--port", str(self.ports["tocsin"])),
        )
        ready = answers(self.url("tocsin") + "/readyz")
        return self.processes.start(
            "tocsin", command, ready=ready, environment=self.environment(), seconds=90
        )

    def environment(self) -> dict[str, str]:
        """Return the settings of the product: its mail server, its secrets, and that loopback may be reached."""
        return {
            "TOCSIN_SMTP_HOST": "127.0.0.1",
            "TOCSIN_SMTP_PORT": str(self.ports["smtp"]),
            "TOCSIN_SMTP_SECURITY": "none",
            "TOCSIN_MAIL_FROM": "tocsin@example.org",
            "TOCSIN_ALLOW_PRIVATE": "127.0.0.1",
            "TOCSIN_BASE_URL": self.url("tocsin"),
            "TOCSIN_ADMIN_EMAIL": ADMIN_EMAIL,
            "TOCSIN_ADMIN_PASSWORD": self.password,
            "TOCSIN_BOOTSTRAP_TOKEN": self.bootstrap,
        }

    def _values(self) -> Mapping[str, str]:
        return {
            "TOCSIN_DEMO_REGISTRY": self.registry_uri,
            "TOCSIN_DEMO_MODEL_URL": self.url("model"),
            "TOCSIN_DEMO_HOOK_URL": self.url("mailroom") + "/hook",
        }

    def _start_model_server(self, key: str) -> None:
        command = python(
            "tocsin_demo.model_server",
            *("--registry", self.registry_uri, "--port", str(self.ports["model"])),
            *("--tocsin", self.url("tocsin"), "--token", key),
        )
        self.processes.start(
            "model-server", command, ready=answers(self.url("model") + "/healthz"), seconds=90
        )

    def start_traffic(self) -> None:
        """Start the simulated population."""
        command = python(
            "tocsin_demo.traffic",
            *("--server", self.url("model"), "--rate", f"{self.rate:g}"),
            *("--label-delay", f"{LABEL_DELAY_SECONDS:g}", "--seconds", f"{LONGEST_SECONDS:g}"),
        )
        self.traffic = self.processes.start("traffic", command)

    def stop_traffic(self) -> dict[str, Any]:
        """Stop the population and return what it did, by its own account."""
        assert self.traffic is not None
        self.processes.stop(self.traffic)
        told: dict[str, Any] = json.loads(self.traffic.tail().splitlines()[-1])
        return told

    # --- what the owner of the model does ---

    def pin_reference(self, version: str) -> str:
        """Pin what `version` does on the validation part as the reference; return its digest."""
        body = reference.request(self.registry, version)
        return str(self.api.post(f"/api/v1/systems/{SYSTEM}/reference", body)["sha256"])

    def start_retraining(self) -> Child:
        """Start the training run on the corrupted extract."""
        return self.processes.start(
            "retraining", python("tocsin_demo.registry", str(self.registry), "retrain")
        )

    def promote(self, version: str) -> dict[str, str]:
        """Let the alias name `version`."""
        return registry.promote(self.registry_uri, version)

    # --- what an outsider sees ---

    def alias(self) -> str:
        """Return the version that the registry's alias names."""
        return registry.champion(registry.connect(self.registry_uri))

    def served(self) -> dict[str, Any]:
        """Return what the model server says it serves."""
        return _get(self.url("model") + "/version")  # type: ignore[no-any-return]  # JSON

    def recorded(self) -> int:
        """Return how many decisions the model server has told tocsin of."""
        return int(_get(self.url("model") + "/counters")["recorded"])

    def mails(self, to: str = "") -> list[dict[str, Any]]:
        """Return the mails in the mailbox, oldest first; with `to`, those of one recipient."""
        found = _get(self.url("mailroom") + "/mail")
        return [mail for mail in found if not to or to in mail["recipients"]]

    def hooks(self, name: str = "") -> list[dict[str, Any]]:
        """Return the requests to the webhook receiver, oldest first."""
        found = _get(self.url("mailroom") + "/hook")
        return [hook for hook in found if not name or hook["name"] == name]

    def ask_everyone(self) -> Seen:
        """Ask the model server about every held-out applicant. These decisions are not counted as traffic."""
        held_out = loan.split(loan.read(), fault.SEED).held_out
        client = Client(self.url("model"))
        bodies = ({"applicant": loan.applicant(held_out, at), "record": False} for at in range(len(held_out)))
        replies = [client.post("/predict", body) for body in bodies]
        client.close()
        denied = np.array([reply["decision"] == loan.DENY for reply in replies])
        protected = held_out.group == loan.PROTECTED
        return Seen(
            version="+".join(sorted({str(reply["version"]) for reply in replies})),
            gap=round(float(denied[protected].mean() - denied[~protected].mean()), 4),
            accuracy=round(float((denied == held_out.denied).mean()), 4),
        )


def finish(child: Child, seconds: float) -> dict[str, Any]:
    """Wait for a child that ends by itself; return the JSON object it printed last."""
    wait_until(lambda: child.process.poll() is not None, seconds)
    if child.process.returncode != 0:
        raise NotReady(f"{child.name} ended with status {child.process.returncode}:\n{child.tail()}")
    told: dict[str, Any] = json.loads(child.tail().strip().splitlines()[-1])
    return told


def _get(url: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        return json.loads(answer.read())
