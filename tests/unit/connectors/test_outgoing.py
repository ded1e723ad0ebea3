"""Outgoing requests reach public addresses, and inside only what the operator has listed."""

from __future__ import annotations

import socket
import threading

import pytest

from tocsin.connectors.outgoing import (
    Allowed,
    ConnectionStopped,
    Destination,
    DestinationRefused,
    check_destination,
    check_host,
    guarded,
    parse_allowed,
    why_not,
)
from tocsin.kernel.errors import Invalid, TocsinError, Unavailable

PUBLIC = "93.184.215.14"

# address                     | kind when nothing is allowed | allowed by True
ADDRESSES = """
93.184.215.14                 | -              | yes
2606:2800:21f:cb07::1         | -              | yes
127.0.0.1                     | loopback       | yes
127.255.255.254               | loopback       | yes
::1                           | loopback       | yes
0.0.0.0                       | unspecified    | yes
::                            | unspecified    | yes
10.0.0.1                      | private        | yes
172.16.0.1                    | private        | yes
172.31.255.255                | private        | yes
172.32.0.1                    | -              | yes
192.168.1.1                   | private        | yes
192.169.0.1                   | -              | yes
100.64.0.1                    | shared         | yes
100.128.0.1                   | -              | yes
169.254.1.1                   | link-local     | yes
fe80::1                       | link-local     | yes
fd12::1                       | private        | yes
224.0.0.1                     | multicast      | yes
ff02::1                       | multicast      | yes
255.255.255.255               | reserved       | yes
198.18.0.1                    | reserved       | yes
2001::1                       | reserved       | yes
192.0.2.1                     | documentation  | yes
2001:db8::1                   | documentation  | yes
::ffff:127.0.0.1              | loopback       | yes
::ffff:10.0.0.1               | private        | yes
::127.0.0.1                   | loopback       | yes
64:ff9b::7f00:1               | loopback       | yes
64:ff9b::5db8:d70e            | -              | yes
2002:7f00:1::1                | loopback       | yes
2002:5db8:d70e::1             | -              | yes
169.254.169.254               | metadata       | no
::ffff:169.254.169.254        | metadata       | no
fd00:ec2::254                 | metadata       | no
100.100.100.200               | metadata       | no
168.63.129.16                 | metadata       | no
not-an-address                | unresolved     | yes
"""
ROWS = [tuple(cell.strip() for cell in line.split("|")) for line in ADDRESSES.strip().splitlines()]


@pytest.mark.parametrize(("address", "kind", "private_allowed"), ROWS)
def test_an_address_is_what_the_registries_say(address: str, kind: str, private_allowed: str) -> None:
    why = why_not(address, 443)
    assert (kind in why) if kind != "-" else (why == "")
    assert (why_not(address, 443, True) == "") is (private_allowed == "yes")


# listed                 | address            | port | reached
LISTS = """
127.0.0.1                | 127.0.0.1          | 80   | yes
127.0.0.1                | 127.0.0.2          | 80   | no
127.0.0.1:8025           | 127.0.0.1          | 8025 | yes
127.0.0.1:8025           | 127.0.0.1          | 80   | no
10.1.0.0/16              | 10.1.2.3           | 80   | yes
10.1.0.0/16              | 10.2.2.3           | 80   | no
10.1.0.0/16:25           | 10.1.2.3           | 25   | yes
10.1.0.0/16:25           | 10.1.2.3           | 26   | no
::1                      | ::1                | 80   | yes
[::1]:8025               | ::1                | 8025 | yes
[::1]:8025               | ::1                | 80   | no
169.254.0.0/16           | 169.254.1.1        | 80   | yes
169.254.0.0/16           | 169.254.169.254    | 80   | no
169.254.169.254          | 169.254.169.254    | 80   | yes
mail.internal            | 10.0.0.1           | 25   | no
"""
LISTED = [tuple(cell.strip() for cell in line.split("|")) for line in LISTS.strip().splitlines()]


@pytest.mark.parametrize(("entry", "address", "port", "reached"), LISTED)
def test_an_entry_opens_what_it_names_and_no_more(entry: str, address: str, port: str, reached: str) -> None:
    assert (why_not(address, int(port), (entry,)) == "") is (reached == "yes")


def resolving(*addresses: str) -> object:
    return lambda host, port: addresses


def test_a_public_url_gives_its_host_port_and_addresses() -> None:
    found = check_destination("https://example.org/hook?x=1", resolver=resolving(PUBLIC))
    assert found == Destination(host="example.org", port=443, addresses=(PUBLIC,))
    assert check_destination("http://example.org:8080", resolver=resolving(PUBLIC)).port == 8080


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(
        DestinationRefused, match=r"leads to 10\.0\.0\.1, which is a private address"
    ) as refusal:
        check_destination("https://example.org/", resolver=resolving(PUBLIC, "10.0.0.1"))
    assert "TOCSIN_ALLOW_PRIVATE" in str(refusal.value.mend)


def test_a_listed_name_may_lead_inside_and_another_may_not() -> None:
    allowed = ("mail.internal:25",)
    assert check_host("Mail.Internal.", 25, allowed, resolver=resolving("10.0.0.1")).addresses == (
        "10.0.0.1",
    )
    for host, port in (("mail.internal", 26), ("other.internal", 25)):
        with pytest.raises(DestinationRefused):
            check_host(host, port, allowed, resolver=resolving("10.0.0.1"))


@pytest.mark.parametrize(
    "url",
    ["", "example.org", "ftp://example.org", "file:///etc/passwd", "http://", "http://:80", "http://[::1", "gopher://x",
     "http://example.org:99999/", "http://exa mple.org", "http://example.org\\@127.0.0.1/", "http://a\r\nHost: b/"],
)  # fmt: skip
def test_what_is_no_plain_web_address_is_invalid(url: str) -> None:
    with pytest.raises(Invalid):
        check_destination(url, True, resolver=resolving(PUBLIC))


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1", "localhost", "[::1]"])
def test_other_spellings_of_loopback_are_loopback(host: str) -> None:
    with pytest.raises(TocsinError) as refusal:
        check_destination(f"http://{host}/")
    assert isinstance(refusal.value, DestinationRefused | Unavailable)


def test_a_name_without_address_is_unavailable() -> None:
    with pytest.raises(Unavailable, match=r"no-such-host\.invalid"):
        check_destination("http://no-such-host.invalid/")
    with pytest.raises(Unavailable):
        check_destination("http://example.org/", resolver=resolving())


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("", False),
        (" , ", False),
        ("*", True),
        ("127.0.0.1, Mail.Internal:25", ("127.0.0.1", "mail.internal:25")),
        ("10.0.0.0/8,[::1]:25", ("10.0.0.0/8", "[::1]:25")),
    ],
)
def test_the_setting_is_read(text: str, allowed: Allowed) -> None:
    assert parse_allowed(text) == allowed


@pytest.mark.parametrize("text", ["10.0.0.0/99", "two words", "http://x", "user@host", "10.0.0.1/x"])
def test_a_setting_that_names_nothing_is_invalid(text: str) -> None:
    with pytest.raises(Invalid):
        parse_allowed(text)


# --- the second line ------------------------------------------------------------------------------


def connect(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass


@pytest.fixture
def listening() -> object:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_connection_inside_is_stopped_whatever_was_asked_for(listening: int) -> None:
    with guarded(False) as stopped, pytest.raises(ConnectionStopped, match=r"127\.0\.0\.1 was stopped"):
        connect(listening)
    (why,) = stopped
    assert "a loopback address" in why


def test_a_checked_or_listed_destination_is_reached(listening: int) -> None:
    checked = Destination(host="demo", port=listening, addresses=("127.0.0.1",))
    with guarded(False, checked):
        connect(listening)
    with guarded((f"127.0.0.1:{listening}",)):
        connect(listening)
    with guarded(True):
        connect(listening)


def test_a_checked_destination_opens_its_own_port_only(listening: int) -> None:
    checked = Destination(host="demo", port=listening + 1, addresses=("127.0.0.1",))
    with guarded(False, checked), pytest.raises(ConnectionStopped):
        connect(listening)


def test_the_guard_ends_with_its_block_and_holds_for_its_thread_only(listening: int) -> None:
    with guarded(False):
        thread = threading.Thread(target=connect, args=(listening,))  # an error here would fail the test
        thread.start()
        thread.join()
        with guarded(True):
            connect(listening)
        with pytest.raises(ConnectionStopped):
            connect(listening)
    connect(listening)


def test_a_socket_of_this_machine_is_no_destination() -> None:
    with socket.socket(socket.AF_UNIX) as connection, guarded(True), pytest.raises(ConnectionStopped):
        connection.connect("/run/nowhere.sock")
