"""Templates of updates: one per audience and moment (COM-4)."""

from __future__ import annotations

from typing import Literal

from tocsin.catalog.document import Document, Text, Title


class Template(Document, frozen=True, kw_only=True):
    """Subject and body with blanks such as `{{ status }}`."""

    title: Title = "Update"
    """What people call it."""
    audience: Literal[
        "responders", "executives", "departments", "support", "customers", "partners", "regulator", "public"
    ]
    """For whom it is."""
    moment: Literal["initial", "update", "resolution", "business"]
    """When it is used."""
    subject: Text
    """The subject, with blanks."""
    body: Text
    """The body, with blanks."""
    required: tuple[str, ...] = ()
    """The blanks that a person must fill before it can go out."""
