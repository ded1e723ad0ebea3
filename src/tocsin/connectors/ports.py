"""What the engine asks of an outside system: contain it, capture it, or answer a question about it.

Every method blocks and is called from a worker thread. Every method keeps its own time limit and raises only
`TocsinError`: `Invalid` (the parameters), `NotFound` (the thing named), `Refused` (the outside system would not),
`Unavailable` (a passing fault or a time limit; the effect is then unknown, so describe the state before retrying).
Parameters and figures are text, because they are copied into events, where floats are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec

Params = Mapping[str, str]
"""The `params` of a containment action or a probe, as the catalog holds them."""

YesNo = Literal["yes", "no", "unknown"]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that an action changes: what, from what, to what."""

    what: str
    before: str
    after: str


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What an action would do. Nothing has been changed.

    `params` are the absolute parameters: 'the version before' has become a number. They are what people approve
    and what `act` is called with, however often; a relative word would mean another version the second time.
    """

    params: dict[str, str]
    changes: tuple[Change, ...]
    """Empty when the wanted state holds already."""
    warnings: tuple[str, ...] = ()


class Acted(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen before and after setting the state; equal when it held already."""

    before: dict[str, str]
    after: dict[str, str]
    detail: str = ""


class Captured(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a snapshot. `name` is a relative path with forward slashes."""

    name: str
    media_type: str
    data: bytes


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a probe found. `unknown` is an answer: the outside could not be asked, or does not say."""

    answer: YesNo
    measured: dict[str, str]
    """The figures behind the answer, by name."""
    detail: str = ""
    """One sentence for people."""


class ContainmentConnector(Protocol):
    """Acts on an outside system by setting an absolute state."""

    name: str
    """What `connector:` says in the catalog."""

    def describe_state(self, params: Params) -> dict[str, str]:
        """Return the present state of what `params` name."""
        ...

    def preview(self, params: Params) -> Preview:
        """Return what would change, with the absolute parameters for `act`. Changes nothing."""
        ...

    def act(self, params: Params) -> Acted:
        """Set the state that the absolute `params` name, and read it back. The second time changes nothing."""
        ...

    def undo(self, params: Params, before: Params) -> dict[str, str]:
        """Return absolute parameters that put the state `before` (of `Acted`) back."""
        ...

    def snapshot(self, params: Params) -> tuple[Captured, ...]:
        """Return what must be kept before the state changes. Alters nothing, not even a cache beside the originals."""
        ...


class ProbeConnector(Protocol):
    """Answers a question about an outside system by looking at it."""

    name: str
    """What `connector:` says in the catalog."""

    def answer(self, params: Params, given: Params) -> Answer:
        """Answer the question in `params`; `{name}` in a parameter stands for `given[name]`.

        `given` holds the absolute parameters of the action that is being verified, or nothing.
        Raises `Invalid` only; whatever else goes wrong is the answer `unknown`.
        """
        ...
