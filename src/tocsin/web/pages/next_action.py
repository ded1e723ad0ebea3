"""What to do next: the one primary action of an incident's present state, and who it asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tocsin.incidents.incident import Incident, Status
from tocsin.response.communications.update import Update
from tocsin.response.containment.action import Containment
from tocsin.response.playbooks.run import Run
from tocsin.web.permissions import Permission


@dataclass(frozen=True, slots=True)
class Next:
    """The one thing to do now: a link, or a form that posts. `why` names what waits."""

    label: str
    href: str
    why: str
    post: bool = False
    key: str = ""
    needs: Permission = "respond"
    """Whoever lacks this permission sees what is next without the means to do it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How an incident stands, as far as the next action depends on it."""

    state: Incident
    runs: Sequence[tuple[str, Run]]
    actions: Sequence[tuple[str, Containment]]
    updates: Sequence[tuple[str, Update]]
    missing: Sequence[str]
    """What keeps the review from being finished."""
    mine: bool
    """Whether the caller is paged and has not answered."""


def next_action(one: Standing) -> Next:
    """Return the one primary action."""
    here = f"/incidents/{one.state.number}"
    if one.state.status is Status.CLOSED:
        return Next(
            "Export the record", f"{here}/export", "Anyone can verify it, offline.", post=True, needs="export"
        )
    if one.state.status in (Status.RESOLVED, Status.REVIEWING):
        count = len(one.missing)
        things = f"{count} thing{'s' if count != 1 else ''} still missing from the review."
        if one.missing:
            return Next("Write the review", f"{here}/review", things, needs="review")
        return Next(
            "Finish and close", f"{here}/review", "The review has everything it needs.", needs="command"
        )
    if one.mine:
        return Next("Acknowledge", f"{here}/acknowledge", "You are paged.", post=True, key="a")
    return _containment(one, here) or _playbook(one) or _command(one, here) or _towards_the_end(one, here)


def _containment(one: Standing, here: str) -> Next | None:
    for _, action in one.actions:
        title = action.action.title if action.action else "An action"
        if action.status == "requested":
            return Next("Decide on containment", f"{here}/containment", f"'{title}' waits for approval.")
        if action.status in ("approved", "sealed", "acted"):
            return Next("Watch the containment", f"{here}/containment", f"'{title}' is under way.")
    advised = next((proposal for _, run in one.runs for proposal in run.standing()), None)
    held = one.state.status in (Status.CONTAINED, Status.MONITORING) or any(
        action.in_effect() for _, action in one.actions
    )
    if advised and not held:
        return Next(
            "Preview the recommended containment", f"{here}/containment", advised.text or advised.reason
        )
    return None


def _playbook(one: Standing) -> Next | None:
    for key, run in reversed(one.runs):
        step = run.current()
        if run.status != "running" or step is None:
            continue
        asked = getattr(step, "text", "") or "The playbook goes on."
        if run.waiting_for == "person":
            return Next("Answer", f"/runs/{key}", asked)
        return Next("Follow the playbook", f"/runs/{key}", f"A probe is measuring: {asked}")
    return None


def _command(one: Standing, here: str) -> Next | None:
    if "commander" in one.state.roles:
        return None
    return Next("Take command", f"{here}/command", "Nobody commands this incident.", post=True)


def _towards_the_end(one: Standing, here: str) -> Next:
    told = any(update.status == "released" for _, update in one.updates)
    if one.state.status is Status.MONITORING:
        return Next(
            "Resolve",
            "#resolve",
            "The repair is being watched. Resolve when the figures hold.",
            needs="command",
        )
    if one.state.status is Status.CONTAINED and told:
        why = "The harm has stopped. Put the lasting repair in place."
        return Next("Say what is repaired", "#monitoring", why, needs="command")
    if one.state.status is Status.CONTAINED:
        return Next(
            "Send an update", "#update", "The harm has stopped. Say so to those who wait.", needs="update"
        )
    return Next("Preview containment", f"{here}/containment", "Stop the harm first, find the cause after.")
