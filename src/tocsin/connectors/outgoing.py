"""Where this server may send requests to: a guard against being used to reach its own network (SSRF).

Two lines of defence. `check_destination` resolves a URL before anything is sent and refuses addresses that
are not public. `guarded` watches every connection that a library then opens in the same thread, so neither
a redirect nor a name that resolves differently the second time gets further than the first line allowed.
An installation whose mail server or chat lies inside lists it; nothing else inside can then be reached.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

from tocsin.kernel.errors import Invalid, Refused, Unavailable

Allowed: TypeAlias = bool | tuple[str, ...]
"""False: public addresses only. True: private ones too, metadata services excepted. Or a list of addresses,
networks (10.1.0.0/16), host names, each with or without `:port`, that may be reached besides public ones."""

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve: TypeAlias = Callable[[str, int], tuple[str, ...]]

SETTING = "TOCSIN_ALLOW_PRIVATE"
PORTS = {"http": 80, "https": 443}

METADATA: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in ("169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200", "168.63.129.16")
)
"""Cloud services that hand credentials to whoever asks from inside; reached only when listed by address."""

_KINDS: tuple[tuple[str, tuple[Network, ...]], ...] = tuple(
    (kind, tuple(ipaddress.ip_network(text) for text in texts))
    for kind, texts in (
        ("loopback", ("127.0.0.0/8", "::1/128")),
        ("unspecified", ("0.0.0.0/8", "::/128")),
        ("link-local", ("169.254.0.0/16", "fe80::/10")),
        ("private", ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10")),
        ("shared", ("100.64.0.0/10",)),
        ("multicast", ("224.0.0.0/4", "ff00::/8")),
        ("reserved", ("192.0.0.0/24", "198.18.0.0/15", "240.0.0.0/4", "100::/64", "2001::/23", "5f00::/16")),
        (
            "documentation",
            ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"),
        ),
    )
)
"""Kinds of addresses that are not public (the IANA special-purpose address registries, RFC 6890)."""

# IPv6 addresses that carry an IPv4 address: mapped, compatible, NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056).
_CARRIERS: tuple[tuple[ipaddress.IPv6Network, int], ...] = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),
    (ipaddress.IPv6Network("::/96"), 0),
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),
    (ipaddress.IPv6Network("64:ff9b:1::/48"), 0),
    (ipaddress.IPv6Network("2002::/16"), 80),
)


class DestinationRefused(Refused):
    """An outgoing request would reach an address that this installation does not allow."""


class ConnectionStopped(PermissionError):
    """A connection inside `guarded` was stopped. An OSError, so that libraries clean up as after any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a request may go: the host as written, its port, and the addresses that were checked."""

    host: str
    port: int
    addresses: tuple[str, ...]


def parse_allowed(text: str) -> Allowed:
    """Read the setting: empty is none, `*` is all but metadata services, else a list parted by commas.

    Raises:
        Invalid: an entry that is neither an address, a network nor a host name.
    """
    words = tuple(word.strip().lower() for word in text.split(",") if word.strip())
    if "*" in words:
        return True
    for word in words:
        host, _ = _parted(word)
        if not host or any(letter.isspace() or letter in "/@?#" for letter in host.partition("/")[0]):
            raise Invalid(
                f"{word!r} names no destination.", where=SETTING, mend="Use 127.0.0.1 or mail.internal:25."
            )
        if "/" in host and _network(host) is None:
            raise Invalid(f"{word!r} is not a network.", where=SETTING, mend="Write it like 10.1.0.0/16.")
    return words or False


def resolve(host: str, port: int) -> tuple[str, ...]:
    """Return the addresses that the system's resolver gives for `host`; raise `Unavailable` when there are none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unavailable(
            f"The host {host} cannot be resolved.", mend="Check its name, or try later."
        ) from error
    return tuple(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))


def check_destination(url: str, allowed: Allowed = False, *, resolver: Resolve = resolve) -> Destination:
    """Return where `url` leads, when every one of its addresses is allowed.

    Raises:
        Invalid: it is no http or https URL, or is written so that two programs may read two hosts in it.
        DestinationRefused: it leads to an address that is not public and not allowed.
        Unavailable: its host cannot be resolved.
    """
    if any(letter.isspace() or ord(letter) < 0x21 or letter == "\\" for letter in url):
        raise Invalid("A URL holds no spaces, control characters or backslashes.", mend="Write it plainly.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Invalid("This is not a URL.", mend="Write it like https://example.org/hook.") from error
    if parts.scheme not in PORTS or not host:
        raise Invalid(
            "A destination is an http or https URL.", mend="Write it like https://example.org/hook."
        )
    return check_host(host, PORTS[parts.scheme] if port is None else port, allowed, resolver=resolver)


def check_host(host: str, port: int, allowed: Allowed = False, *, resolver: Resolve = resolve) -> Destination:
    """Return where `host` and `port` lead, as `check_destination` does."""
    addresses = resolver(host, port)
    if not addresses:
        raise Unavailable(f"The host {host} has no address.", mend="Check its name, or try later.")
    if not _names(allowed, host, port):
        for address in addresses:
            if kind := why_not(address, port, allowed):
                raise DestinationRefused(
                    f"{host} leads to {address}, which is {kind}.",
                    mend=f"If it is meant, list it in {SETTING}.",
                )
    return Destination(host=host, port=port, addresses=addresses)


def why_not(address: str, port: int, allowed: Allowed = False) -> str:
    """Return what kind of forbidden address this is, such as 'a loopback address'; empty when it is allowed."""
    kind = _kind(address)
    if not kind or (allowed is True and kind != "metadata"):
        return ""
    if not isinstance(allowed, bool) and _lists(allowed, address, port, exactly=kind == "metadata"):
        return ""
    return "a cloud's metadata service" if kind == "metadata" else f"a {kind} address"


# --- the second line: connections -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a watched thread may connect to, and the sentences about what it tried besides."""

    allowed: Allowed
    destinations: tuple[Destination, ...]
    stopped: list[str]


class _Watch(threading.local):
    """The rule of the present thread; None while it is not watched."""

    rule: _Rule | None = None


_watch = _Watch()
_installed = threading.Event()
_installing = threading.Lock()


@contextmanager
def guarded(allowed: Allowed, *destinations: Destination) -> Iterator[list[str]]:
    """Stop every connection that this thread opens, except to public, allowed or checked addresses.

    It listens to the interpreter's audit event `socket.connect` (PEP 578), so it holds for any library written
    in Python; it is no sandbox for hostile code. Inside, `ConnectionStopped` is raised; libraries often swallow
    it, so the sentences about what was stopped are given as a list.
    """
    _install()
    before, _watch.rule = _watch.rule, _Rule(allowed, destinations, [])
    try:
        yield _watch.rule.stopped
    finally:
        _watch.rule = before


def _install() -> None:
    with _installing:
        if not _installed.is_set():
            sys.addaudithook(_hook)  # it cannot be taken out again, so it is put in once
            _installed.set()


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if (
        event == "socket.connect"
        and (rule := _watch.rule) is not None
        and (why := _objection(arguments[1], rule))
    ):
        rule.stopped.append(why)
        raise ConnectionStopped(why)


def _objection(target: object, rule: _Rule) -> str:
    if not isinstance(target, tuple) or len(target) < 2:
        return "A connection to a socket of this machine was stopped."
    address, port = str(target[0]).partition("%")[0], int(target[1])
    if any(address in known.addresses and port == known.port for known in rule.destinations):
        return ""
    kind = why_not(address, port, rule.allowed)
    return (
        f"A connection to {address} was stopped: it is {kind}. If it is meant, list it in {SETTING}."
        if kind
        else ""
    )


# --- addresses ------------------------------------------------------------------------------------


def _kind(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "unresolved"  # whatever this leads to, it is not known to be public
    kinds = [kind for each in (address, *_carried(address)) if (kind := _plain_kind(each))]
    return "metadata" if "metadata" in kinds else next(iter(kinds), "")


def _plain_kind(address: Address) -> str:
    if any(address in network for network in METADATA):
        return "metadata"
    return next((kind for kind, networks in _KINDS if any(address in network for network in networks)), "")


def _carried(address: Address) -> tuple[Address, ...]:
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    return tuple(
        ipaddress.IPv4Address((int(address) >> shift) & 0xFFFFFFFF)
        for network, shift in _CARRIERS
        if address in network and int(address) > 1
    )


def _lists(allowed: tuple[str, ...], address: str, port: int, *, exactly: bool) -> bool:
    """Return whether an entry holds `address`; `exactly` asks for the very address, not a network around it."""
    own = _network(address)
    for place, wanted in map(_parted, allowed):
        network = _network(place)
        if own is None or network is None or wanted not in (None, port):
            continue
        if own == network or (not exactly and ipaddress.ip_address(address) in network):
            return True
    return False


def _names(allowed: Allowed, host: str, port: int) -> bool:
    if isinstance(allowed, bool):
        return False
    name = host.lower().rstrip(".")
    return any(
        place == name and wanted in (None, port)
        for place, wanted in map(_parted, allowed)
        if _network(place) is None
    )


def _parted(entry: str) -> tuple[str, int | None]:
    """Part `host:port`; an IPv6 address needs brackets to have a port."""
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        return host, int(rest[1:]) if rest[1:].isdecimal() else None
    host, colon, port = entry.rpartition(":")
    if colon and port.isdecimal() and ":" not in host:
        return host, int(port)
    return entry, None


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
