"""What one installation has chosen. Secrets and addresses of the server itself are in the environment, not here."""

from __future__ import annotations

from tocsin.catalog.document import Document, Id


class Installation(Document, frozen=True, kw_only=True):
    """The choices. There is exactly one document of this kind, and its id is `installation`."""

    id: Id = "installation"
    """Always `installation`."""
    organisation: str = "Our organisation"
    """The name that updates carry."""
    time_zone: str = "UTC"
    """The zone in which times are shown."""
    label_set: Id = "p"
    """How severity ranks are shown."""
    severity_matrix: Id = "default"
    """The matrix that assesses severity."""
    response_profile: Id = "by-criterion"
    """The response profile of that matrix."""
    taxonomy: Id = "default"
    """The taxonomy."""
    declare_policy: Id = "default"
    """Which alerts declare an incident."""
    escalation_policy: Id = "default"
    """Who is paged for an incident that names no system."""
    review_form: Id = "default"
    """The questions of a review."""
