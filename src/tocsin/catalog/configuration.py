"""The whole configuration of an installation, typed and checked. `load` makes it."""

from __future__ import annotations

from functools import cached_property
from typing import TypeAlias, TypeVar, cast

import msgspec

from tocsin.catalog.declare_policy import DeclarePolicy
from tocsin.catalog.document import Document
from tocsin.catalog.escalation_policy import EscalationPolicy
from tocsin.catalog.installation import Installation
from tocsin.catalog.label_set import LabelSet
from tocsin.catalog.monitor import Monitor
from tocsin.catalog.playbook import Playbook
from tocsin.catalog.review_form import ReviewForm
from tocsin.catalog.rotation import Schedule
from tocsin.catalog.severity_mapping import SeverityMapping
from tocsin.catalog.severity_matrix import ResponseProfile, SeverityMatrix
from tocsin.catalog.system import Component, System
from tocsin.catalog.taxonomy import Category, Taxonomy
from tocsin.catalog.team import Person, Team
from tocsin.catalog.template import Template
from tocsin.catalog.vocabulary import StandardProbe, VocabularyDocument
from tocsin.kernel.errors import NotFound
from tocsin.kernel.predicate import FactType, Vocabulary
from tocsin.kernel.severity import Severity

D = TypeVar("D", bound=Document)

AnyDocument: TypeAlias = (
    System | Component | Person | Team | Schedule | EscalationPolicy | Monitor | SeverityMatrix | SeverityMapping
    | Playbook | Template | DeclarePolicy | Taxonomy | LabelSet | VocabularyDocument | ReviewForm | Installation
)  # fmt: skip

KINDS: dict[str, type[Document]] = {
    "system": System,
    "component": Component,
    "person": Person,
    "team": Team,
    "schedule": Schedule,
    "escalation_policy": EscalationPolicy,
    "monitor": Monitor,
    "severity_matrix": SeverityMatrix,
    "severity_mapping": SeverityMapping,
    "playbook": Playbook,
    "template": Template,
    "declare_policy": DeclarePolicy,
    "taxonomy": Taxonomy,
    "label_set": LabelSet,
    "vocabulary": VocabularyDocument,
    "review_form": ReviewForm,
    "installation": Installation,
}
"""The `kind:` of a document to its struct."""

FIELDS: dict[str, str] = {
    "system": "systems",
    "component": "components",
    "person": "people",
    "team": "teams",
    "schedule": "schedules",
    "escalation_policy": "escalation_policies",
    "monitor": "monitors",
    "severity_matrix": "severity_matrices",
    "severity_mapping": "severity_mappings",
    "playbook": "playbooks",
    "template": "templates",
    "declare_policy": "declare_policies",
    "taxonomy": "taxonomies",
    "label_set": "label_sets",
    "vocabulary": "vocabularies",
    "review_form": "review_forms",
    "installation": "installations",
}
"""The `kind:` of a document to the field of `Configuration` that holds it."""


class Configuration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """Every document by kind and id. Do not change the dictionaries; load again instead."""

    systems: dict[str, System] = {}
    components: dict[str, Component] = {}
    people: dict[str, Person] = {}
    teams: dict[str, Team] = {}
    schedules: dict[str, Schedule] = {}
    escalation_policies: dict[str, EscalationPolicy] = {}
    monitors: dict[str, Monitor] = {}
    severity_matrices: dict[str, SeverityMatrix] = {}
    severity_mappings: dict[str, SeverityMapping] = {}
    playbooks: dict[str, Playbook] = {}
    templates: dict[str, Template] = {}
    declare_policies: dict[str, DeclarePolicy] = {}
    taxonomies: dict[str, Taxonomy] = {}
    label_sets: dict[str, LabelSet] = {}
    vocabularies: dict[str, VocabularyDocument] = {}
    review_forms: dict[str, ReviewForm] = {}
    installations: dict[str, Installation] = {}

    def documents(self, kind: str) -> dict[str, Document]:
        """Return the documents of one kind by id."""
        return cast("dict[str, Document]", getattr(self, FIELDS[kind]))

    @property
    def installation(self) -> Installation:
        """The installation's choices; the defaults when nothing is declared."""
        return self.installations.get("installation", Installation())

    @property
    def matrix(self) -> SeverityMatrix:
        """The severity matrix that the installation chose."""
        return find(self.severity_matrices, "severity matrix", self.installation.severity_matrix)

    @property
    def response_profile(self) -> ResponseProfile:
        """The response profile that the installation chose."""
        profiles = {profile.id: profile for profile in self.matrix.profiles}
        name = self.installation.response_profile
        if name not in profiles:
            raise NotFound(f"There is no response profile called {name!r}.")
        return profiles[name]

    @property
    def taxonomy(self) -> Taxonomy:
        """The taxonomy that the installation chose."""
        return find(self.taxonomies, "taxonomy", self.installation.taxonomy)

    @property
    def declare_policy(self) -> DeclarePolicy:
        """The policy on declaring incidents that the installation chose."""
        return find(self.declare_policies, "declare policy", self.installation.declare_policy)

    @property
    def review_form(self) -> ReviewForm:
        """The review form that the installation chose."""
        return find(self.review_forms, "review form", self.installation.review_form)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """All facts of all vocabularies."""
        facts: dict[str, FactType] = {}
        for document in self.vocabularies.values():
            facts.update(document.facts)
        return Vocabulary(facts)

    @property
    def standard_probes(self) -> dict[str, StandardProbe]:
        """All probe names of all vocabularies."""
        return {probe.id: probe for document in self.vocabularies.values() for probe in document.probes}

    def label(self, severity: Severity) -> str:
        """Return how `severity` is shown in this installation."""
        return find(self.label_sets, "label set", self.installation.label_set).label(severity)

    def system(self, id: str) -> System:
        """Return the system called `id`; raise `NotFound`."""
        return find(self.systems, "system", id)

    def category(self, id: str) -> Category:
        """Return the category called `id`; raise `NotFound`."""
        return find({category.id: category for category in self.taxonomy.categories}, "category", id)

    def monitors_of(self, system: str) -> tuple[Monitor, ...]:
        """Return the monitors that watch `system`, by id."""
        return tuple(monitor for _, monitor in sorted(self.monitors.items()) if monitor.system == system)

    def escalation_policy_of(self, system: str | None) -> EscalationPolicy:
        """Return the policy that pages for `system`; for no or an unknown system, the installation's."""
        known = self.systems.get(system or "")
        id = known.escalation_policy if known else self.installation.escalation_policy
        return find(self.escalation_policies, "escalation policy", id)

    def playbook_of(self, system: str | None, category: str) -> Playbook:
        """Return the playbook for `category` on `system`: the system's, else the taxonomy's, else `general`."""
        known = self.systems.get(system or "")
        named = known.playbooks.get(category) if known else None
        general = self.taxonomy.category(category)
        return find(self.playbooks, "playbook", named or (general.playbook if general else "") or "general")


V = TypeVar("V")


def find(documents: dict[str, V], kind: str, id: str) -> V:
    """Return the document called `id`; raise `NotFound` with its kind otherwise."""
    if id not in documents:
        raise NotFound(f"There is no {kind} called {id!r}.")
    return documents[id]
