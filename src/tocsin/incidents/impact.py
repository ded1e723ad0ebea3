"""The business impact of an incident, as far as it is known, and the facts that follow from it (RSP-8).

Amounts are exact: whole numbers, or decimal text. What is not known stays None and is never taken as zero.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tocsin.catalog.system import System
from tocsin.incidents.incident import Scalar
from tocsin.kernel.predicate import Fact

Sensitivity = Literal["public", "internal", "confidential", "personal", "special_category"]


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """One item of money."""

    what: str
    direct: bool
    """True: spent because of the incident. False: lost, such as revenue or customers."""
    amount: str
    """Decimal text, in the installation's currency."""


class Impact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the incident means for people and business; kept current, every field optional."""

    users_affected: int | None = None
    users_internal: int | None = None
    users_paying: int | None = None
    decisions_affected: int | None = None
    complaints: int | None = None
    data_kinds: tuple[str, ...] = ()
    data_sensitivity: Sensitivity | None = None
    people_in_breach: int | None = None
    compliance: str = ""
    """Which rules may be broken, and how."""
    liability: str = ""
    contracts: str = ""
    """Contracts and service levels that are hit."""
    reputation: str = ""
    media_attention: bool | None = None
    revenue_loss_per_hour: str | None = None
    """Decimal text, US dollars an hour."""
    costs: tuple[Cost, ...] = ()
    alternatives: str = ""
    """Alternative processes and workarounds, and whether they are in use."""
    alternatives_active: bool | None = None


def facts_of(impact: Impact) -> dict[str, Scalar]:
    """Return the facts that `impact` states, by the names of the vocabulary; what is not known is left out."""
    stated: dict[str, Scalar | None] = {
        "users_affected": impact.users_affected,
        "complaints_from_predictions": impact.complaints,
        "people_in_breach": impact.people_in_breach,
        "media_attention": impact.media_attention,
        "revenue_loss": impact.revenue_loss_per_hour,
        "alternative_processes_active": impact.alternatives_active,
    }
    return {name: value for name, value in stated.items() if value is not None}


def facts_of_system(system: System) -> dict[str, Fact]:
    """Return what the catalog says about `system` as facts under `system.`."""
    return {
        "system.id": system.id,
        "system.criticality": system.criticality,
        "system.users_exposed": system.users_exposed,
        "system.sensitivity": system.sensitivity,
        "system.jurisdictions": system.jurisdictions,
        "system.laws": tuple(law.law for law in system.laws),
        "system.compliance_scope": system.compliance_scope,
    }
