"""Playbooks: decision trees of steps (RSP-2..4). A run executes one; this is the definition."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, TypeAlias

import msgspec

from tocsin.catalog.document import Document, Id, Part, Role, Text, Title, Verb

UNKNOWN = "unknown"
"""The answer of someone, or of a probe, who does not know. Every question has it; it leads to the safe branch."""


class Step(Part, frozen=True, kw_only=True, tag_field="step"):
    """Base of every step; `step:` names its type."""

    id: Id
    """Its name within the playbook."""


class Question(Step, frozen=True, kw_only=True, tag="question"):
    """Branches on an answer, given by a person or by a probe of live data."""

    text: Text
    """The question."""
    answers: dict[str, Id]
    """Answer to next step; `unknown` is always among them and leads to the safe branch."""
    help: Text = ""
    """How to find out."""
    probe: Id | None = None
    """The system's probe that can answer: yes, no or unknown. Without such a probe a person answers."""
    shows: tuple[str, ...] = ()
    """What the responder should have before their eyes, such as `deployments` or a monitor's id."""


class Task(Step, frozen=True, kw_only=True, tag="task"):
    """Something a person does by hand."""

    text: Text
    """What to do."""
    owner: Role
    """The role that does it."""
    next: Id
    """The step after it."""
    minutes: Annotated[int, msgspec.Meta(ge=1, le=10_080)] = 15
    """How long it should take."""


class Recommendation(Step, frozen=True, kw_only=True, tag="recommendation"):
    """Proposes a containment action of the system; a person decides."""

    action: Verb
    """The kind of containment action."""
    text: Text
    """What is recommended."""
    why: Text
    """Why, given the branch that led here."""
    next: Id
    """The step after it."""


class Decision(Step, frozen=True, kw_only=True, tag="decision"):
    """A choice that belongs to a role."""

    text: Text
    """What is to be decided."""
    role: Role
    """Who decides."""
    options: dict[str, Id]
    """Option to next step."""


class Notification(Step, frozen=True, kw_only=True, tag="notification"):
    """Drafts an update from a template."""

    template: Id
    """The template."""
    audience: str
    """For whom."""
    next: Id
    """The step after it."""


class EvidenceCollection(Step, frozen=True, kw_only=True, tag="evidence"):
    """Keeps something before it changes."""

    what: tuple[str, ...]
    """What to keep."""
    next: Id
    """The step after it."""


class End(Step, frozen=True, kw_only=True, tag="end"):
    """The end of a branch."""

    outcome: Text
    """What has been reached."""


AnyStep: TypeAlias = Question | Task | Recommendation | Decision | Notification | EvidenceCollection | End


class Playbook(Document, frozen=True, kw_only=True):
    """A decision tree for one category of incident."""

    version: Annotated[int, msgspec.Meta(ge=1)] = 1
    """Counts up with every change."""
    title: Title
    """What it is for, in one line."""
    category: Id
    """The category of incident it answers."""
    owner: Role
    """The role that keeps it current."""
    reviewed_on: dt.date
    """When it was last reviewed (RSP-4)."""
    first_step: Id
    """Where a run starts."""
    steps: tuple[AnyStep, ...]
    """The steps, in any order."""
    approved_by: str = ""
    """Who approved this version."""

    def step(self, id: str) -> AnyStep | None:
        """Return the step called `id`, or None."""
        return next((step for step in self.steps if step.id == id), None)


def next_steps(step: AnyStep) -> dict[str, str]:
    """Return where `step` can lead: answer, option or an empty text, to the next step's id. An end leads nowhere."""
    match step:
        case Question():
            return dict(step.answers)
        case Decision():
            return dict(step.options)
        case End():
            return {}
        case _:
            return {"": step.next}
