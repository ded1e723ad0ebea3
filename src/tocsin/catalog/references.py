"""What one document says about another, and what a shape cannot express: checked over all documents at once."""

from __future__ import annotations

import re
import zoneinfo
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from tocsin.catalog.declare_policy import DeclarePolicy
from tocsin.catalog.document import Document
from tocsin.catalog.escalation_policy import EscalationPolicy, Target
from tocsin.catalog.installation import Installation
from tocsin.catalog.label_set import LabelSet
from tocsin.catalog.monitor import Monitor
from tocsin.catalog.playbook import UNKNOWN, Notification, Playbook, Question, next_steps
from tocsin.catalog.problem import Path
from tocsin.catalog.rotation import Schedule
from tocsin.catalog.severity_mapping import SeverityMapping
from tocsin.catalog.severity_matrix import SeverityMatrix
from tocsin.catalog.system import Component, System
from tocsin.catalog.taxonomy import Taxonomy
from tocsin.catalog.team import ContactMethod, Person, Team
from tocsin.catalog.template import Template
from tocsin.catalog.vocabulary import VocabularyDocument
from tocsin.kernel import quantity
from tocsin.kernel.errors import Invalid
from tocsin.kernel.predicate import DEFAULT_UNIT, FactType, Vocabulary, did_you_mean

_EMAIL = re.compile(r"[^@\s<>,;:\"]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,253}[A-Za-z0-9])?\Z")
_NUMBER = re.compile(r"\+[1-9][0-9]{5,14}\Z")
_URL = re.compile(r"https?://[^\s/]+\S*\Z")
ANSWERS_OF_A_PROBE = ("yes", "no", UNKNOWN)


@dataclass
class Check:
    """One document under check, with everything it may refer to."""

    ids: Mapping[str, set[str]]
    """Kind to every declared id, documents with faults included."""
    documents: Mapping[str, Mapping[str, Document]]
    """Kind to id to document, those without faults."""
    report: Callable[[Path, str, str], None]
    vocabulary: Vocabulary | None
    """None when a vocabulary has faults: then nothing is said about facts, because it might be wrong."""
    categories: Mapping[str, object] | None
    """None when a taxonomy has faults."""
    probes: Mapping[str, object] | None
    """None when a system or a vocabulary has faults."""

    def known(self, path: Path, kind: str, id: str | None) -> None:
        """Report `id` at `path` unless a document of `kind` has it. Nothing is said of an empty id."""
        if id and id not in self.ids.get(kind, ()):
            word = quantity.words(kind)
            known = dict.fromkeys(self.ids.get(kind, ()))
            self.report(path, f"There is no {word} {id!r}.", did_you_mean(id, known))

    def known_category(self, path: Path, id: str | None) -> None:
        """Report a category that no taxonomy has."""
        if id and self.categories is not None and id not in self.categories:
            self.report(path, f"There is no category {id!r}.", did_you_mean(id, self.categories))

    def unique(self, path: Path, ids: Iterable[str]) -> None:
        """Report every id that a list below `path` uses again."""
        seen: set[str] = set()
        for index, id in enumerate(ids):
            if id in seen:
                self.report((*path, index, "id"), f"{id!r} is used twice.", "Give each its own id.")
            seen.add(id)

    def duration(self, path: Path, text: str) -> None:
        """Report a length of time that cannot be read. Empty means that none is set."""
        if text:
            self.readable(path, quantity.seconds, text)

    def readable(self, path: Path, read: Callable[..., object], *arguments: object) -> None:
        """Report what `read(*arguments)` refuses."""
        try:
            read(*arguments)
        except Invalid as error:
            self.report(path, error.why, error.mend or "")

    def time_zone(self, path: Path, name: str) -> None:
        """Report a name that is no time zone of the IANA database."""
        try:
            zoneinfo.ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            near = did_you_mean(name, tuple(sorted(zoneinfo.available_timezones())))
            mend = near if near.startswith("Did") else "Write it like Europe/Berlin or UTC."
            self.report(path, f"There is no time zone {name!r}.", mend)

    def needed(self, path: Path, items: tuple[object, ...], what: str) -> None:
        """Report an empty list that must not be empty."""
        if not items:
            self.report(path, f"There is no {what}.", "Add one.")


def _system(check: Check, system: System) -> None:
    check.known(("owner",), "team", system.owner)
    check.known(("escalation_policy",), "escalation_policy", system.escalation_policy)
    _dependencies(check, system.id, system.depends_on)
    for category, playbook in system.playbooks.items():
        check.known_category(("playbooks", category), category)
        check.known(("playbooks", category), "playbook", playbook)
    check.unique(("probes",), (probe.id for probe in system.probes))
    check.unique(("containment",), (action.id for action in system.containment))
    for index, probe in enumerate(system.probes):
        if probe.connector == "monitor":
            _probe_of_monitor(check, system.id, ("probes", index, "params"), probe.params)
    own = {probe.id: probe for probe in system.probes}
    for index, action in enumerate(system.containment):
        check.duration(("containment", index, "takes"), action.takes)
        for place, name in enumerate(action.verify):
            if name not in own:
                at = ("containment", index, "verify", place)
                check.report(at, f"This system has no probe {name!r}.", did_you_mean(name, own))
    if system.groups and system.groups.reference in system.groups.protected:
        check.report(
            ("groups", "reference"), "The reference group is also a protected group.", "Name another."
        )


def _probe_of_monitor(check: Check, system: str, path: Path, params: Mapping[str, str]) -> None:
    key = "monitors" if "monitors" in params else "monitor"
    names = [name.strip() for name in params.get(key, "").split(",") if name.strip()]
    if not names:
        check.report(path, "The probe names no monitor.", "Add `monitor: <id>` below params.")
    for name in names:
        check.known((*path, key), "monitor", name)
        monitor = check.documents.get("monitor", {}).get(name)
        if isinstance(monitor, Monitor) and monitor.system != system:
            check.report(
                (*path, key), f"{name!r} watches {monitor.system!r}, not this system.", "Name another."
            )


def _component(check: Check, component: Component) -> None:
    check.known(("owner",), "team", component.owner)
    _dependencies(check, component.id, component.depends_on)


def _dependencies(check: Check, id: str, depends_on: tuple[str, ...]) -> None:
    known = check.ids.get("system", set()) | check.ids.get("component", set())
    for index, name in enumerate(depends_on):
        if name == id:
            check.report(("depends_on", index), "It depends on itself.", "Remove it.")
        elif name not in known:
            mend = did_you_mean(name, dict.fromkeys(known))
            check.report(("depends_on", index), f"There is no system or component {name!r}.", mend)


def _person(check: Check, person: Person) -> None:
    _email(check, ("email",), person.email)
    if person.time_zone:
        check.time_zone(("time_zone",), person.time_zone)
    check.unique(("contact",), (method.id for method in person.contact))
    for index, method in enumerate(person.contact):
        _address(check, ("contact", index, "address"), method)
    others = check.documents.get("person", {}).values()
    same = [other.id for other in others if cast("Person", other).email.lower() == person.email.lower()]
    if len(same) > 1 and person.id != min(same):
        check.report(
            ("email",), f"{min(same)!r} has the same e-mail address.", "Each person needs their own."
        )


def _email(check: Check, path: Path, address: str) -> None:
    if not _EMAIL.match(address) or ".." in address:
        check.report(path, f"{address!r} is not an e-mail address.", "Write it like ada@example.org.")


def _address(check: Check, path: Path, method: ContactMethod) -> None:
    match method.kind:
        case "email":
            _email(check, path, method.address)
        case "webhook" if not _URL.match(method.address):
            check.report(
                path, f"{method.address!r} is not a web address.", "Write it with http:// or https://."
            )
        case "sms" | "phone" if not _NUMBER.match(method.address):
            mend = "Write it with country code and digits only, like +441632960001."
            check.report(path, f"{method.address!r} is not a telephone number.", mend)
        case _ if not method.address.strip():
            check.report(path, "The address is empty.", "Write where to send.")


def _team(check: Check, team: Team) -> None:
    for index, name in enumerate(team.members):
        check.known(("members", index), "person", name)
    if team.lead and team.lead not in team.members:
        mend = did_you_mean(team.lead, team.members)
        check.report(("lead",), f"{team.lead!r} is not a member of the team.", mend)


def _schedule(check: Check, schedule: Schedule) -> None:
    check.time_zone(("time_zone",), schedule.time_zone)
    check.unique(("layers",), (layer.id for layer in schedule.layers))
    for index, layer in enumerate(schedule.layers):
        check.needed(("layers", index, "people"), layer.people, "person")
        for place, name in enumerate(layer.people):
            check.known(("layers", index, "people", place), "person", name)
        for place, restriction in enumerate(layer.restrictions):
            check.needed(("layers", index, "restrictions", place, "days"), restriction.days, "day")
    for index, override in enumerate(schedule.overrides):
        check.known(("overrides", index, "person"), "person", override.person)
        if override.end <= override.start:
            check.report(("overrides", index, "end"), "It ends before it starts.", "Swap start and end.")


def _escalation_policy(check: Check, policy: EscalationPolicy) -> None:
    check.needed(("levels",), policy.levels, "level")
    for index, level in enumerate(policy.levels):
        check.needed(("levels", index, "notify"), level.notify, "target")
        for place, target in enumerate(level.notify):
            _target(check, ("levels", index, "notify", place), target)


def _target(check: Check, path: Path, target: Target) -> None:
    named = {
        kind: name
        for kind, name in (("schedule", target.schedule), ("person", target.person), ("team", target.team))
        if name is not None
    }
    if len(named) != 1:
        check.report(path, "A target is exactly one of schedule, person and team.", "Keep one of them.")
    for kind, name in named.items():
        check.known((*path, kind), kind, name)


def _monitor(check: Check, monitor: Monitor) -> None:
    check.known(("system",), "system", monitor.system)
    check.known_category(("category",), monitor.category)
    for index, team in enumerate(monitor.tells):
        check.known(("tells", index), "team", team)
    if monitor.enter_k > monitor.enter_n:
        mend = f"Make enter_n at least {monitor.enter_k}."
        check.report(("enter_k",), "enter_k windows never fit into enter_n.", mend)
    if not monitor.why.strip():
        check.report(("why",), "The reason for the threshold is empty.", "Say why this figure; auditors ask.")
    for name, value in monitor.asserted_facts(monitor.threshold).items():
        if check.vocabulary:
            check.readable(("facts", name), check.vocabulary.read, name, value)


def _severity_matrix(check: Check, matrix: SeverityMatrix) -> None:
    check.needed(("criteria",), matrix.criteria, "criterion")
    check.needed(("profiles",), matrix.profiles, "profile")
    check.unique(("criteria",), (criterion.id for criterion in matrix.criteria))
    check.unique(("profiles",), (profile.id for profile in matrix.profiles))
    for index, criterion in enumerate(matrix.criteria):
        check.duration(("criteria", index, "respond_within"), criterion.respond_within)
        check.duration(("criteria", index, "resolve_within"), criterion.resolve_within)
    for index, profile in enumerate(matrix.profiles):
        for rank in ("0", "1", "2", "3"):
            if rank not in profile.ranks:
                check.report(("profiles", index, "ranks"), f"Rank {rank} is missing.", "Give all four ranks.")
        for rank, response in profile.ranks.items():
            at = ("profiles", index, "ranks", rank)
            check.readable((*at, "respond_within"), quantity.seconds, response.respond_within)
            check.duration((*at, "resolve_within"), response.resolve_within)


def _severity_mapping(check: Check, mapping: SeverityMapping) -> None:
    for word in mapping.words:
        if word != word.strip().lower():
            check.report(
                ("words", word), f"{word!r} is not in lower case.", f"Write {word.strip().lower()!r}."
            )


def _playbook(check: Check, playbook: Playbook) -> None:
    check.known_category(("category",), playbook.category)
    check.unique(("steps",), (step.id for step in playbook.steps))
    steps = {step.id: step for step in playbook.steps}
    if playbook.first_step not in steps:
        mend = did_you_mean(playbook.first_step, steps)
        check.report(("first_step",), f"There is no step {playbook.first_step!r}.", mend)
    for index, step in enumerate(playbook.steps):
        for answer, name in next_steps(step).items():
            if name not in steps:
                check.report(
                    _to_next(index, step, answer), f"There is no step {name!r}.", did_you_mean(name, steps)
                )
        if isinstance(step, Question):
            _question(check, ("steps", index), step)
        if isinstance(step, Notification):
            check.known(("steps", index, "template"), "template", step.template)


def _to_next(index: int, step: object, answer: str) -> Path:
    if not answer:
        return ("steps", index, "next")
    return ("steps", index, "answers" if isinstance(step, Question) else "options", answer)


def _question(check: Check, path: Path, question: Question) -> None:
    wanted = ANSWERS_OF_A_PROBE if question.probe else (UNKNOWN,)
    for answer in wanted:
        if answer not in question.answers:
            mend = f"Add `{answer}: <step>`; nobody may be stuck at a question."
            check.report((*path, "answers"), f"The answer {answer!r} is missing.", mend)
    if question.probe and check.probes is not None and question.probe not in check.probes:
        mend = did_you_mean(question.probe, check.probes)
        check.report((*path, "probe"), f"No system and no vocabulary has a probe {question.probe!r}.", mend)


def _template(check: Check, template: Template) -> None:
    for index, name in enumerate(template.required):
        if not re.search(rf"\b{re.escape(name)}\b", template.subject + "\n" + template.body):
            check.report(
                ("required", index), f"Neither subject nor body uses {name!r}.", "Use it or remove it."
            )


def _declare_policy(check: Check, policy: DeclarePolicy) -> None:
    check.unique(("rules",), (rule.id for rule in policy.rules))
    for index, rule in enumerate(policy.rules):
        check.known_category(("rules", index, "category"), rule.category)


def _taxonomy(check: Check, taxonomy: Taxonomy) -> None:
    check.unique(("categories",), (category.id for category in taxonomy.categories))
    own = {category.id: category for category in taxonomy.categories}
    if taxonomy.unknown not in own:
        mend = did_you_mean(taxonomy.unknown, own)
        check.report(("unknown",), f"There is no category {taxonomy.unknown!r} in this taxonomy.", mend)
    for index, category in enumerate(taxonomy.categories):
        check.known(("categories", index, "playbook"), "playbook", category.playbook)


def _label_set(check: Check, label_set: LabelSet) -> None:
    for label, count in Counter(map(str.lower, (*label_set.labels, label_set.unknown))).items():
        if count > 1 or not label.strip():
            check.report(
                ("labels",), f"The label {label!r} does not tell one rank.", "Make all of them different."
            )


def _vocabulary(check: Check, document: VocabularyDocument) -> None:
    check.unique(("probes",), (probe.id for probe in document.probes))
    earlier: dict[str, FactType] = {}
    for other in check.documents["vocabulary"].values():
        if other is document:
            break
        earlier |= cast("VocabularyDocument", other).facts
    for name, type_ in document.facts.items():
        if earlier.get(name, type_) != type_:
            mend = "Declare a fact once, or name it differently."
            check.report(("facts", name), "Another vocabulary declares this fact differently.", mend)
        _fact_type(check, ("facts", name), type_)


def _fact_type(check: Check, path: Path, type_: FactType) -> None:
    if type_.choices and type_.kind not in ("text", "set"):
        check.report((*path, "choices"), f"A {quantity.words(type_.kind)} has no choices.", "Remove them.")
    if not type_.unit or type_.kind == "number":
        return
    if type_.kind not in DEFAULT_UNIT:
        check.report((*path, "unit"), f"A {quantity.words(type_.kind)} has no unit.", "Remove it.")
        return
    family = cast("quantity.Family", type_.kind)
    check.readable((*path, "unit"), quantity.unit_name, family, type_.unit)


def _installation(check: Check, installation: Installation) -> None:
    if installation.id != "installation":
        check.report(("id",), "The id of this kind is always 'installation'.", "Write `id: installation`.")
    check.time_zone(("time_zone",), installation.time_zone)
    for name in (
        "label_set",
        "severity_matrix",
        "taxonomy",
        "declare_policy",
        "escalation_policy",
        "review_form",
    ):
        check.known((name,), name, getattr(installation, name))
    matrix = check.documents.get("severity_matrix", {}).get(installation.severity_matrix)
    if isinstance(matrix, SeverityMatrix) and matrix.profile(installation.response_profile) is None:
        name = installation.response_profile
        mend = did_you_mean(name, tuple(profile.id for profile in matrix.profiles))
        check.report(("response_profile",), f"The severity matrix has no profile {name!r}.", mend)


_CHECKS: dict[type[Document], Callable[[Check, Any], None]] = {
    System: _system,
    Component: _component,
    Person: _person,
    Team: _team,
    Schedule: _schedule,
    EscalationPolicy: _escalation_policy,
    Monitor: _monitor,
    SeverityMatrix: _severity_matrix,
    SeverityMapping: _severity_mapping,
    Playbook: _playbook,
    Template: _template,
    DeclarePolicy: _declare_policy,
    Taxonomy: _taxonomy,
    LabelSet: _label_set,
    VocabularyDocument: _vocabulary,
    Installation: _installation,
}
"""A review form refers to nothing."""


def check_document(check: Check, document: Document) -> None:
    """Report what is wrong between `document` and the others."""
    function = _CHECKS.get(type(document))
    if function:
        function(check, document)
