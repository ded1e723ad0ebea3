"""Events: what happened, in the past tense; the stream each belongs to; and the leaf that proves it.

An aggregate (incident, page, run, ...) is a `StreamKind`: a pure `decide` that turns a command into
events or refuses it, and a pure `evolve` that folds one event into the state.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, Generic, TypeVar, cast

import msgspec

from tocsin.kernel import canonical
from tocsin.kernel.clock import to_wire
from tocsin.kernel.errors import Invalid

S = TypeVar("S")  # state
C = TypeVar("C")  # command
E = TypeVar("E", bound="Event")

LEAF_VERSION = 1
NONCE_BYTES = 16


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=False):
    """Base of every domain event. A subclass names itself on the wire: `class Resolved(Event, tag="incident.resolved")`.

    An event type lives for years: it only gains optional fields; a new meaning is a new name. No floats.
    """


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every command: what someone asks for."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every folded state: what is true now. Built from the events alone."""


def wire_name(event: Event | type[Event]) -> str:
    """Return the explicit wire name of an event, such as `incident.resolved`."""
    return cast("str", event.__struct_config__.tag)


@dataclass(frozen=True)
class StreamKind(Generic[S, C, E]):
    """One kind of stream and its two pure functions.

    decide: (state, command, now) -> events; raises Refused.  evolve: (state, event) -> state; never refuses.
    """

    name: str
    initial: S
    decide: Callable[[S, C, dt.datetime], tuple[E, ...]]
    evolve: Callable[[S, E], S]
    events: Any
    """The union of this stream's event types."""

    @cached_property
    def _event_decoder(self) -> msgspec.json.Decoder[E]:
        return msgspec.json.Decoder(self.events)

    @cached_property
    def _state_decoder(self) -> msgspec.json.Decoder[S]:
        return msgspec.json.Decoder(type(self.initial))

    def stream(self, key: str) -> str:
        """Return the name of the stream of `key`: `incident:0190...`."""
        return f"{self.name}:{key}"

    def read_event(self, payload: bytes) -> E:
        """Return the event that `payload` holds."""
        return self._event_decoder.decode(payload)

    def read_state(self, data: bytes) -> S:
        """Return the state that `write_state` wrote."""
        return self._state_decoder.decode(data)

    def write_state(self, state: S) -> bytes:
        """Return `state` as JSON bytes (a cache of the fold, not hashed)."""
        return msgspec.json.encode(state)

    def fold(self, events: Iterable[E]) -> S:
        """Return the state that `events` tell, oldest first."""
        return reduce(self.evolve, events, self.initial)


def payload_bytes(event: Event) -> bytes:
    """Return the canonical bytes of `event`, wire name included as `type`; stored once, never re-encoded.

    Raises:
        Invalid: what somebody gave has no exact form, such as an integer beyond 2**53 - 1 or half a character.
    """
    try:
        return canonical.encode(msgspec.to_builtins(event))
    except ValueError as error:
        why = "it holds half a character" if isinstance(error, UnicodeError) else str(error)
        raise Invalid(
            f"It cannot be recorded: {why}.", mend="Shorten the number, or send it as text."
        ) from error


def payload_digest(nonce: bytes, payload: bytes) -> str:
    """Return SHA-256(nonce || payload) as hex: it binds the payload and tells nothing about it.

    Raises:
        ValueError: the nonce is not 16 bytes; at a free length its end could pass for the payload's start.
    """
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"a nonce has {NONCE_BYTES} bytes, not {len(nonce)}")
    return hashlib.sha256(nonce + payload).hexdigest()


def leaf_bytes(*, stream: str, position: int, type: str, at: dt.datetime, actor: str, digest: str) -> bytes:
    """Return the leaf data of one event: canonical bytes of {v, stream, position, type, at, actor, digest}.

    Written out, because a log of a million leaves is re-made from its rows; tested equal to `canonical.encode`.
    """
    quote = canonical.quote
    return (
        f'{{"actor":{quote(actor)},"at":"{to_wire(at)}","digest":{quote(digest)},"position":{position:d},'
        f'"stream":{quote(stream)},"type":{quote(type)},"v":{LEAF_VERSION}}}'
    ).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One event as the store holds it. `position` counts from 1 and never skips within its stream."""

    stream: str
    position: int
    at: dt.datetime
    actor: str
    scope: str
    """The incident the event belongs to (whose key encrypts it), or 'installation'."""
    event: Event
    nonce: bytes
    payload: bytes
