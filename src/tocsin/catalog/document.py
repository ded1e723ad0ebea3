"""What every catalog document shares: an id, a shape, and the short words used inside them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Id = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
"""A name for references: lower case letters, digits, dot, dash and underscore; 1 to 63 characters."""

Rank = Literal[0, 1, 2, 3]
"""A severity rank; 0 is the worst."""

RankText = Literal["0", "1", "2", "3"]
"""A rank as the key of a mapping, because the keys of canonical JSON are text."""

Title = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
"""One line for people."""

Text = Annotated[str, msgspec.Meta(max_length=20_000)]
"""Prose for people."""

DecimalText = Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]{1,18}(\.[0-9]{1,18})?$")]
"""An exact figure such as 0.10, kept as text, because a float is not exact."""

DurationText = Annotated[str, msgspec.Meta(max_length=40)]
"""A length of time such as `15 min`, `4 h` or `1 d`."""

ClockText = Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
"""A time of day, HH:MM, in the zone of the document that holds it."""

Role = Literal[
    "commander",
    "technical_lead",
    "ml_engineer",
    "data_engineer",
    "devops_engineer",
    "data_science_lead",
    "domain_expert",
    "security_lead",
    "communications_lead",
    "legal_compliance",
    "ethics_lead",
    "business_impact_lead",
    "executive",
]
"""A role in a response (TEAM-1)."""

Verb = Literal[
    "rollback",
    "flag_off",
    "throttle",
    "to_human",
    "quarantine",
    "pause_retraining",
    "failover",
    "scale",
    "restart",
    "restrict",
    "revoke",
]
"""What a containment action does (CON-1)."""


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of a value inside a document. Values that equal their default are left out on the wire."""


class Document(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Base of a catalog document: one YAML document with `kind:` and `id:`.

    A field is never renamed, because snapshots of documents live in events; new fields have defaults.
    """

    id: Id
    """What other documents call this one."""
