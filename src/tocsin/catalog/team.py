"""People, how they can be reached, and the teams they form (TEAM-1, TEAM-4)."""

from __future__ import annotations

from typing import Literal

from tocsin.catalog.document import Document, Id, Part, Role, Title


class ContactMethod(Part, frozen=True, kw_only=True):
    """One way to reach a person. The order in the list is the order in which they are tried."""

    id: Id
    """Its name within the person."""
    kind: Literal["email", "webhook", "chat", "sms", "phone"]
    """The kind of method."""
    address: str
    """Where to send: an e-mail address, a URL, a number. Secrets belong in the environment, not here."""


class Person(Document, frozen=True, kw_only=True):
    """Someone who can be paged."""

    name: Title
    """What they are called."""
    email: str
    """Their e-mail address, which is also how they sign in."""
    contact: tuple[ContactMethod, ...] = ()
    """How to reach them, the first first."""
    skills: tuple[str, ...] = ()
    """What they know, in the organisation's own words."""
    roles: tuple[Role, ...] = ()
    """The roles they can take in a response."""
    title: str = ""
    """Their position."""
    time_zone: str = ""
    """Where they live, such as `Europe/Berlin`; empty means the installation's zone."""


class Team(Document, frozen=True, kw_only=True):
    """People who own something together."""

    name: Title
    """What people call it."""
    members: tuple[Id, ...] = ()
    """The ids of its people."""
    lead: Id = ""
    """Who leads it; one of the members."""
