"""An AI system: what it is for, who owns it, whom it touches, and what can be done to contain it (CAT-1..3)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from tocsin.catalog.document import Document, DurationText, Id, Part, RankText, Role, Text, Title, Verb
from tocsin.kernel.severity import Severity, paging_rank

Count = Annotated[int, msgspec.Meta(ge=0, le=10**12)]


class Law(Part, frozen=True, kw_only=True):
    """A law or contract that applies to the system. Not legal advice."""

    law: Title
    """Its name, such as `EU AI Act`."""
    regulatory_class: str = ""
    """The class the owner puts the system in, such as `high-risk`."""
    citation: str = ""
    """Where the law says so."""


class Groups(Part, frozen=True, kw_only=True):
    """The groups of people that fairness monitors compare."""

    attribute: Title
    """The column or field that holds the group."""
    reference: str
    """The group the others are compared with."""
    protected: tuple[str, ...]
    """The groups that must not be treated worse."""


class Probe(Part, frozen=True, kw_only=True):
    """A question that live data answers: yes, no or unknown, with the figures it measured."""

    id: Id
    """The name that playbooks and `verify` use, such as `pipeline_healthy`."""
    title: Title
    """The question in words."""
    connector: Id
    """Who measures: `monitor`, `http`, `mlflow`, or another connector."""
    params: dict[str, str] = {}
    """What the connector needs to know."""
    holds_when: str = ""
    """When the answer is yes, in words a person can check."""


class ContainmentAction(Part, frozen=True, kw_only=True):
    """Something that can be done to the system to stop harm, and undone later (CON-1)."""

    id: Id
    """Its name within the system."""
    title: Title
    """What it does, in one line."""
    verb: Verb
    """The kind of action; a playbook recommends a verb."""
    connector: Id
    """Who does it: `mlflow`, `openfeature`, or another connector."""
    params: dict[str, str] = {}
    """What the connector needs to know."""
    reversible: bool = True
    """False when it cannot be undone."""
    takes: DurationText = ""
    """How long it takes until it works."""
    affects: Text = ""
    """Who notices, and how."""
    approval: dict[RankText, tuple[Role, ...]] = {}
    """Which roles must agree, by severity rank. Without an entry the commander must; an empty list means nobody."""
    verify: tuple[Id, ...] = ()
    """The probes of this system that must answer yes afterwards."""
    when: Text = ""
    """When this action is the right one."""

    def approvers(self, severity: Severity) -> tuple[Role, ...]:
        """Return the roles that must agree at `severity`; unknown counts as rank 1."""
        key: RankText = ("0", "1", "2", "3")[paging_rank(severity)]
        return self.approval.get(key, ("commander",))


class System(Document, frozen=True, kw_only=True):
    """One AI system under watch."""

    name: Title
    """What people call it."""
    purpose: Text
    """What it decides or produces, and for whom."""
    owner: Id
    """The team that owns it."""
    model: str = ""
    """The registered model's name; empty when no registry is used."""
    alias: str = "champion"
    """The registry alias that serving follows."""
    users_exposed: Count = 0
    """How many people its outputs can reach."""
    decisions_per_day: Count = 0
    """How many outputs it gives on an ordinary day."""
    jurisdictions: tuple[str, ...] = ()
    """Where those people are: ISO 3166 codes such as `US` or `US-MA`."""
    laws: tuple[Law, ...] = ()
    """The laws and contracts that apply."""
    compliance_scope: tuple[str, ...] = ()
    """Frameworks and regulators in scope, such as `SOC 2`."""
    sensitivity: Literal["public", "internal", "confidential", "personal", "special_category"] = "internal"
    """The most sensitive data it handles."""
    criticality: Annotated[int, msgspec.Meta(ge=1, le=4)] = 3
    """What the business loses without it: 1 the most, 4 the least."""
    datasets: tuple[str, ...] = ()
    """The datasets it is trained on."""
    feeds: tuple[str, ...] = ()
    """The live inputs it needs."""
    depends_on: tuple[Id, ...] = ()
    """Ids of systems and components it needs to work (CAT-2)."""
    groups: Groups | None = None
    """The groups that fairness is measured over."""
    containment: tuple[ContainmentAction, ...] = ()
    """What can be done to contain it."""
    probes: tuple[Probe, ...] = ()
    """What live data can answer about it."""
    escalation_policy: Id = "default"
    """Who is paged for it."""
    playbooks: dict[str, Id] = {}
    """Category to playbook id; other categories use the playbook that the taxonomy names."""
    versions_from: str = ""
    """The connector that knows which versions are in production."""

    def probe(self, id: str) -> Probe | None:
        """Return the probe called `id`, or None."""
        return next((probe for probe in self.probes if probe.id == id), None)

    def action(self, id: str) -> ContainmentAction | None:
        """Return the containment action called `id`, or None."""
        return next((action for action in self.containment if action.id == id), None)


class Component(Document, frozen=True, kw_only=True):
    """Something that systems need and that is no AI system itself: a pipeline, a feature store, a provider (CAT-2)."""

    name: Title
    """What people call it."""
    type: Literal["pipeline", "feature_store", "serving", "dataset", "feed", "provider", "infrastructure"]
    """What it is."""
    owner: Id = ""
    """The team that owns it; empty when it is somebody else's."""
    depends_on: tuple[Id, ...] = ()
    """Ids of systems and components it needs itself."""
