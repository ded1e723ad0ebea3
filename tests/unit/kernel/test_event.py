"""Events, their streams, and the leaf whose format never changes."""

from __future__ import annotations

import datetime as dt
import hashlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.kernel import canonical
from tocsin.kernel.clock import to_wire
from tocsin.kernel.errors import Invalid, Refused
from tocsin.kernel.event import (
    Command,
    Event,
    State,
    StreamKind,
    leaf_bytes,
    payload_bytes,
    payload_digest,
    wire_name,
)

MOMENT = dt.datetime(2026, 11, 23, 3, 4, 5, 678901, tzinfo=dt.UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


class Opened(Event, frozen=True, kw_only=True, tag="door.opened"):
    by: str
    at: dt.datetime = MOMENT
    share: Decimal = Decimal("0.10")
    tags: tuple[str, ...] = ()


class Closed(Event, frozen=True, kw_only=True, tag="door.closed"):
    pass


class Open(Command, frozen=True, kw_only=True):
    by: str


class Door(State, frozen=True, kw_only=True):
    open: bool = False


def decide(door: Door, command: Open, now: dt.datetime) -> tuple[Opened | Closed, ...]:
    if door.open:
        raise Refused("The door is open.")
    return (Opened(by=command.by, at=now),)


def evolve(door: Door, event: Opened | Closed) -> Door:
    return Door(open=isinstance(event, Opened))


DOOR = StreamKind("door", Door(), decide, evolve, Opened | Closed)


def test_an_event_carries_its_wire_name() -> None:
    assert wire_name(Opened) == wire_name(Opened(by="ana")) == "door.opened"


def test_a_payload_is_canonical_and_says_its_type() -> None:
    payload = payload_bytes(Opened(by="ana", tags=("b", "a")))
    assert payload == (
        b'{"at":"2026-11-23T03:04:05.678901Z","by":"ana","share":"0.10","tags":["b","a"],"type":"door.opened"}'
    )
    assert DOOR.read_event(payload) == Opened(by="ana", tags=("b", "a"))


def test_an_event_with_a_float_cannot_be_recorded() -> None:
    class Measured(Event, frozen=True, kw_only=True, tag="door.measured"):
        width: float

    with pytest.raises(TypeError):
        payload_bytes(Measured(width=0.5))


def test_a_stream_is_named_by_its_kind_and_key() -> None:
    assert DOOR.stream("front") == "door:front"


def test_a_state_is_the_fold_of_its_events_and_survives_its_cache() -> None:
    state = DOOR.fold([Opened(by="ana"), Closed(), Opened(by="ben")])
    assert state == Door(open=True)
    assert DOOR.read_state(DOOR.write_state(state)) == state
    assert DOOR.fold([]) == DOOR.initial


def test_the_leaf_of_version_1_never_changes() -> None:
    data = leaf_bytes(
        stream="incident:0190", position=7, type="incident.resolved", at=MOMENT, actor="ana", digest="ab" * 32
    )
    assert data == (
        b'{"actor":"ana","at":"2026-11-23T03:04:05.678901Z","digest":"' + b"ab" * 32 + b'","position":7,'
        b'"stream":"incident:0190","type":"incident.resolved","v":1}'
    )


@given(TEXT, st.integers(1, 2**40), TEXT, TEXT, TEXT)
def test_a_leaf_is_the_canonical_form_of_its_fields(
    stream: str, position: int, type: str, actor: str, digest: str
) -> None:
    fields = {"stream": stream, "position": position, "type": type, "actor": actor, "digest": digest}
    whole = {"v": 1, "at": to_wire(MOMENT), **fields}
    data = leaf_bytes(stream=stream, position=position, type=type, at=MOMENT, actor=actor, digest=digest)
    assert data == canonical.encode(whole)


def test_the_time_of_a_leaf_is_utc_whatever_the_zone_it_came_in() -> None:
    there = MOMENT.astimezone(dt.timezone(dt.timedelta(hours=5, minutes=45)))
    fields = {"stream": "s", "position": 1, "type": "t", "actor": "a", "digest": "d"}
    assert leaf_bytes(at=there, **fields) == leaf_bytes(at=MOMENT, **fields)  # type: ignore[arg-type]


def test_a_digest_binds_nonce_and_payload() -> None:
    assert payload_digest(bytes(16), b"{}") == hashlib.sha256(bytes(16) + b"{}").hexdigest()


@pytest.mark.parametrize("length", [0, 15, 17])
def test_a_nonce_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        payload_digest(bytes(length), b"{}")


@pytest.mark.parametrize("given", [2**53, -(2**53)])
def test_a_number_without_an_exact_form_is_the_fault_of_whoever_sent_it(given: int) -> None:
    class Counted(Event, frozen=True, kw_only=True, tag="door.counted"):
        times: int

    with pytest.raises(Invalid, match="beyond the exact integers of JSON"):
        payload_bytes(Counted(times=given))


def test_half_a_character_is_the_fault_of_whoever_sent_it() -> None:
    with pytest.raises(Invalid, match="half a character"):
        payload_bytes(Opened(by="\ud800"))
