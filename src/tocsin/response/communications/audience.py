"""Audiences: who is told, through what, and by when (COM-3), and who of them needs plain words (COM-4)."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tocsin.catalog.team import Person


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """One way to reach an audience, and the time within which it must be reached after declaration."""

    channel: str
    within_minutes: int
    """0 means at once."""


class Audience(msgspec.Struct, frozen=True, kw_only=True):
    """People who are told the same thing in the same words."""

    id: str
    title: str
    plain_words: bool
    """Whether its messages are checked for jargon."""
    reach: tuple[Reach, ...]
    roles: tuple[str, ...] = ()
    """Persons of the catalog with one of these roles belong to it."""


def _reach(**minutes: int) -> tuple[Reach, ...]:
    return tuple(Reach(channel=channel, within_minutes=within) for channel, within in minutes.items())


AUDIENCES: tuple[Audience, ...] = (
    Audience(
        id="responders",
        title="Responders",
        plain_words=False,
        reach=_reach(chat=0),
        roles=(
            "commander",
            "technical_lead",
            "ml_engineer",
            "data_engineer",
            "devops_engineer",
            "data_science_lead",
            "domain_expert",
            "security_lead",
        ),
    ),
    Audience(
        id="executives",
        title="Executives",
        plain_words=False,
        reach=_reach(phone=15, conference=30),
        roles=("executive",),
    ),
    Audience(
        id="departments",
        title="Affected departments",
        plain_words=True,
        reach=_reach(phone=30, email=120),
        roles=("business_impact_lead",),
    ),
    Audience(
        id="support",
        title="Customer-facing teams",
        plain_words=True,
        reach=_reach(chat=0),
        roles=("communications_lead",),
    ),
    Audience(
        id="customers",
        title="Customers",
        plain_words=True,
        reach=_reach(in_app=0, status_page=15, email=60),
    ),
    Audience(id="partners", title="Partners", plain_words=True, reach=_reach(phone=120)),
    Audience(
        id="regulator",
        title="Regulator",
        plain_words=False,
        reach=(),
        roles=("legal_compliance",),
    ),
    Audience(id="public", title="Public and media", plain_words=True, reach=()),
)
"""The audiences that templates write for. Time limits are internal targets of COM-3, not law; a regulator's
clock runs by its regime. What is written for outsiders goes to the person in the house who passes it on:
a regulator's draft to legal, never straight to the regulator."""

_BY_ID = {audience.id: audience for audience in AUDIENCES}


def audience(id: str) -> Audience | None:
    """Return the default audience with this id, or None."""
    return _BY_ID.get(id)


def plain_words(id: str) -> bool:
    """Return whether messages to this audience are checked for jargon: an unknown audience is outside the trade."""
    known = _BY_ID.get(id)
    return known is None or known.plain_words


def members(id: str, people: Iterable[Person]) -> tuple[Person, ...]:
    """Return who of `people` belongs to this audience by role, in the order of their ids."""
    known = _BY_ID.get(id)
    roles = set(known.roles) if known else set()
    return tuple(
        sorted((person for person in people if roles & set(person.roles)), key=lambda person: person.id)
    )
