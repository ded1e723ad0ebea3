"""Every sender keeps the same promises: on the fake, on a real SMTP server and on a real HTTP receiver."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.contract.receivers import Received, free_port, hanging_server, http_server, smtp_server
from tocsin.connectors.apprise import AppriseSender, MailServer
from tocsin.connectors.sender import RecordingSender, Sender
from tocsin.kernel.errors import Invalid

LOOPBACK = ("127.0.0.1",)
KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
PLENTY = 10.0
"""Seconds: far more than any of these needs."""


@dataclass(frozen=True)
class World:
    """One kind of sender with somewhere to send to, in four states of health."""

    good: tuple[Sender, str]
    refusing: tuple[Sender, str]
    down: tuple[Sender, str]
    hanging: tuple[Sender, str]
    received: Callable[[], list[Received]]


def recording(_: ExitStack) -> World:
    sender = RecordingSender()
    sender.failing = {
        "no@example.org": "Refused.",
        "down@example.org": "Down.",
        "hangs@example.org": "No answer.",
    }

    def received() -> list[Received]:
        return [Received(each.title, each.body, (each.key,), {}) for each in sender.sent]

    return World(
        good=(sender, "ana@example.org"),
        refusing=(sender, "no@example.org"),
        down=(sender, "down@example.org"),
        hanging=(sender, "hangs@example.org"),
        received=received,
    )


def email(stack: ExitStack) -> World:
    mailbox, port = stack.enter_context(smtp_server())
    hanging, closed = stack.enter_context(hanging_server()), stack.enter_context(free_port())

    def by(port: int) -> Sender:
        mail = MailServer(host="127.0.0.1", port=port, sender="tocsin@example.org", security="none")
        return AppriseSender(mail=mail)

    return World(
        good=(by(port), "ana@example.org"),
        refusing=(by(port), "nobody@example.org"),
        down=(by(closed), "ana@example.org"),
        hanging=(by(hanging), "ana@example.org"),
        received=lambda: mailbox.received,
    )


def webhook(stack: ExitStack) -> World:
    server, port = stack.enter_context(http_server())
    hanging, closed = stack.enter_context(hanging_server()), stack.enter_context(free_port())
    sender = AppriseSender(allowed=LOOPBACK)

    def at(port: int, path: str = "/hook?room=7&token=secret-word") -> tuple[Sender, str]:
        return (sender, f"http://127.0.0.1:{port}{path}")

    return World(
        good=at(port),
        refusing=at(port, "/refuse?token=secret-word"),
        down=at(closed),
        hanging=at(hanging),
        received=lambda: server.received,
    )


@pytest.fixture(params=[recording, email, webhook], ids=lambda world: world.__name__)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with ExitStack() as stack:
        yield request.param(stack)


def test_what_is_accepted_arrives_once_with_its_words_and_its_key(world: World) -> None:
    sender, address = world.good
    outcome = sender.send(address, "INC-7: page for Ana", "The gap has grown.", KEY, PLENTY)
    assert outcome.accepted
    assert outcome.detail
    (received,) = world.received()
    assert received.title == "INC-7: page for Ana"
    assert "The gap has grown." in received.body
    assert set(received.keys) == {KEY}


def test_a_repetition_is_recognised_by_the_same_key(world: World) -> None:
    sender, address = world.good
    for _ in range(2):
        assert sender.send(address, "Page", "Body", KEY, PLENTY).accepted
    first, second = world.received()
    assert first.keys == second.keys == (KEY,) * len(first.keys)


def test_words_of_any_script_arrive_whole(world: World) -> None:
    sender, address = world.good
    title = "Störung: Kreditmodell benachteiligt Gruppe — 融資モデル ⚠"
    assert sender.send(address, title, "Größe ≥ 0,25 — 影響あり", KEY, PLENTY).accepted
    (received,) = world.received()
    assert received.title == title
    assert "Größe ≥ 0,25 — 影響あり" in received.body


def test_a_title_of_several_lines_becomes_one_and_adds_no_header(world: World) -> None:
    sender, address = world.good
    assert sender.send(address, "Page\r\nBcc: eve@example.org", "Body", KEY, PLENTY).accepted
    (received,) = world.received()
    assert received.title.split() == ["Page", "Bcc:", "eve@example.org"]
    assert "Bcc" not in received.headers


@pytest.mark.parametrize("state", ["refusing", "down"])
def test_a_failure_is_an_outcome_with_a_reason_and_without_secrets(world: World, state: str) -> None:
    sender, address = getattr(world, state)
    outcome = sender.send(address, "Page", "Body", KEY, PLENTY)
    assert not outcome.accepted
    assert outcome.detail.endswith(".")
    assert "secret-word" not in outcome.detail
    assert world.received() == []


def test_a_receiver_that_hangs_costs_no_more_than_the_limit(world: World) -> None:
    sender, address = world.hanging
    begun = time.monotonic()
    outcome = sender.send(address, "Page", "Body", KEY, 0.3)
    assert time.monotonic() - begun < 2.0
    assert not outcome.accepted
    assert "secret-word" not in outcome.detail


def test_what_is_no_address_fails_and_raises_nothing(world: World) -> None:
    sender, _ = world.good
    for address in ("ana", "", "no such thing"):
        assert not sender.send(address, "Page", "Body", KEY, PLENTY).accepted
    assert world.received() == []


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "schlüssel", "k" * 201])
def test_a_key_that_cannot_travel_in_a_header_is_invalid(world: World, key: str) -> None:
    sender, address = world.good
    with pytest.raises(Invalid, match="delivery key"):
        sender.send(address, "Page", "Body", key, PLENTY)
    assert world.received() == []
