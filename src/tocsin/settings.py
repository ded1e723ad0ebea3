"""Settings of one server, read from the environment once. Precedence: flag, environment, default."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tocsin.kernel.errors import Invalid

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a server needs to know besides its catalog. Each field names its environment variable."""

    data: Path = Path("data")
    """TOCSIN_DATA: the data directory: database, keys, evidence."""
    config: Path | None = None
    """TOCSIN_CONFIG: a directory of YAML files to apply at start."""
    host: str = "127.0.0.1"
    """TOCSIN_HOST: the address to listen on."""
    port: int = 8700
    """TOCSIN_PORT: the port to listen on; 0 takes a free one."""
    database_url: str = ""
    """TOCSIN_DATABASE_URL: PostgreSQL; empty means SQLite in the data directory."""
    base_url: str = ""
    """TOCSIN_BASE_URL: how people reach the pages; links in messages begin with it."""
    origin: str = ""
    """TOCSIN_ORIGIN: the name of the log in its checkpoints; fixed at first start."""
    admin_email: str = "admin@localhost"
    """TOCSIN_ADMIN_EMAIL: the first administrator."""
    admin_password: str = field(default="", repr=False)
    """TOCSIN_ADMIN_PASSWORD: their password; empty means a random one, printed once."""
    bootstrap_token: str = field(default="", repr=False)
    """TOCSIN_BOOTSTRAP_TOKEN: accepted as an administrator's API token."""
    smtp_host: str = ""
    """TOCSIN_SMTP_HOST: the mail server; empty means that no e-mail is sent."""
    smtp_port: int = 587
    """TOCSIN_SMTP_PORT: its port."""
    smtp_user: str = ""
    """TOCSIN_SMTP_USER: the account on it."""
    smtp_password: str = field(default="", repr=False)
    """TOCSIN_SMTP_PASSWORD: its password."""
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """TOCSIN_SMTP_SECURITY: starttls, tls or none."""
    mail_from: str = "tocsin@localhost"
    """TOCSIN_MAIL_FROM: the address that e-mail comes from."""
    allow_private: str = ""
    """TOCSIN_ALLOW_PRIVATE: private destinations that messages and probes may reach, comma-separated."""
    open_intake: bool = False
    """TOCSIN_OPEN_INTAKE: take alerts without a key; only on a loopback address."""
    lease_seconds: int = 60
    """TOCSIN_LEASE_SECONDS: after this long a delivery or an action that nobody finished is taken up again."""
    drill: bool = False
    """TOCSIN_DRILL: mark every page: nothing here is a real incident."""

    def checked(self) -> Settings:
        """Return the settings when they fit together; raise `Invalid` with the variable otherwise."""
        if self.open_intake and self.host not in LOOPBACK:
            raise Invalid(
                "Open intake would let anyone on the network raise and silence alerts.",
                where="TOCSIN_OPEN_INTAKE",
                mend="Listen on 127.0.0.1, or create an integration key.",
            )
        return self

    @property
    def url(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.data / 'tocsin.sqlite3'}"

    @property
    def public_url(self) -> str:
        """How people reach the pages, without a slash at the end."""
        return (self.base_url or f"http://{self.host}:{self.port}").rstrip("/")


def from_environment(environment: Mapping[str, str] | None = None, **flags: object) -> Settings:
    """Return the settings from `environment` (default: the process's), overridden by flags that are not None.

    Raises:
        Invalid: a value does not fit; `where` names the variable.
    """
    given = os.environ if environment is None else environment
    values: dict[str, object] = {}
    for name, kind in _FIELDS.items():
        text = given.get(f"TOCSIN_{name.upper()}")
        if text not in (None, ""):
            values[name] = _read(name, kind, str(text))
    values.update({name: value for name, value in flags.items() if value is not None})
    return Settings(**values).checked()  # type: ignore[arg-type]  # the fields are checked by name above


_FIELDS: dict[str, type] = {
    "data": Path, "config": Path, "host": str, "port": int, "database_url": str, "base_url": str, "origin": str,
    "admin_email": str, "admin_password": str, "bootstrap_token": str, "smtp_host": str, "smtp_port": int,
    "smtp_user": str, "smtp_password": str, "smtp_security": str, "mail_from": str, "allow_private": str,
    "lease_seconds": int, "open_intake": bool, "drill": bool,
}  # fmt: skip

_RANGES = {"port": (0, 65535), "smtp_port": (1, 65535), "lease_seconds": (1, 3600)}


def _read(name: str, kind: type, text: str) -> object:
    variable = f"TOCSIN_{name.upper()}"
    if kind is bool:
        if text.lower() not in ("1", "true", "yes", "0", "false", "no"):
            raise Invalid(f"{text!r} is neither yes nor no.", where=variable, mend="Write 1 or 0.")
        return text.lower() in ("1", "true", "yes")
    if kind is int:
        least, most = _RANGES[name]
        if not re.fullmatch("[0-9]{1,9}", text) or not least <= int(text) <= most:
            what = "a port" if name.endswith("port") else "a number that fits"
            raise Invalid(
                f"{text!r} is not {what}.", where=variable, mend=f"Write a number from {least} to {most}."
            )
        return int(text)
    if name == "smtp_security" and text not in ("starttls", "tls", "none"):
        raise Invalid(f"{text!r} is not known.", where=variable, mend="Write starttls, tls or none.")
    return kind(text)
