"""The timeline: each event of an incident's streams as one line a person can read (RSP-7).

It knows events by their wire names and payloads only, so that it may tell of desks that come later in the flow.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tocsin.kernel.severity import label

Payload = Mapping[str, Any]
Name = Callable[[str], str]
"""Id of a person or account to what it is called."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line. `sort` is what it is about, for the filter and the marker."""

    index: int
    """Its leaf in the log."""
    at: dt.datetime
    sort: str
    text: str
    detail: str = ""
    actor: str = ""
    stream: str = ""
    position: int = 0
    type: str = ""


def entry(
    *,
    index: int,
    at: dt.datetime,
    type: str,
    actor: str,
    stream: str,
    position: int,
    payload: Payload,
    name: Name,
) -> Entry | None:
    """Return the line of one event; None for events that say nothing a person would miss."""
    told = _TOLD.get(type)
    if told is None:
        return None
    sort, sentence, more = told
    text = sentence(payload, name)
    if not text:
        return None
    return Entry(
        index=index,
        at=at,
        sort=sort,
        text=text,
        detail=more(payload, name) if more else "",
        actor=_actor(actor, name),
        stream=stream,
        position=position,
        type=type,
    )


def _actor(actor: str, name: Name) -> str:
    kind, _, id = actor.partition(":")
    return {"system": "tocsin", "probe": f"probe {id}", "monitor": f"monitor {id}"}.get(kind) or name(
        id or actor
    )


Tell = Callable[[Payload, Name], str]


def _reasons(payload: Payload, name: Name) -> str:
    sentences = [one["sentence"] for one in payload.get("criteria", ())] or list(payload.get("why", ()))
    return " ".join(sentences)


def _measured(payload: Payload, name: Name) -> str:
    figures = ", ".join(f"{key} {value}" for key, value in payload.get("measured", {}).items())
    return " ".join(part for part in (payload.get("note", ""), figures) if part)


def _checks(payload: Payload, name: Name) -> str:
    return " ".join(
        f"{check['probe']}: {check['holds']}. {check.get('detail', '')}".strip()
        for check in payload["checks"]
    )


def _observed(payload: Payload, name: Name) -> str:
    before, after = payload["observed_before"], payload["observed_after"]
    changed = [
        f"{key} {before.get(key, '-')} → {value}" for key, value in after.items() if before.get(key) != value
    ]
    return ", ".join(changed) or payload.get("detail", "")


def _changes(payload: Payload, name: Name) -> str:
    return ", ".join(f"{one['what']}: {one['from']} → {one['to']}" for one in payload["preview"]["changes"])


def _answered(p: Payload, name: Name) -> str:
    who = f"probe {p['who']}" if p["by"] == "probe" else name(p["who"])
    asked = p.get("question") or f"{p['step'].replace('_', ' ')}?"
    return f"{asked} {p['answer'].replace('_', ' ').capitalize()} (by {who})"


def _step_passed(p: Payload, name: Name) -> str:
    told = {
        "evidence": "The playbook keeps the state of the system",
        "notification": "The playbook asks for an update",
    }
    return told.get(p["kind"], "")


_TOLD: dict[str, tuple[str, Tell, Tell | None]] = {
    "incident.declared": (
        "detect",
        lambda p, n: f"Declared {label(p['severity'])}: {p['title']}",
        _reasons,
    ),
    "incident.severity_changed": (
        "decide",
        lambda p, n: f"Severity {label(p['was'])} → {label(p['severity'])}",
        lambda p, n: p["reason"],
    ),
    "incident.category_changed": (
        "decide",
        lambda p, n: f"Category {p['was'] or 'none'} → {p['category']}",
        lambda p, n: p["reason"],
    ),
    "incident.facts_recorded": (
        "note",
        lambda p, n: "Facts recorded: " + ", ".join(f"{key} = {value}" for key, value in p["facts"].items()),
        lambda p, n: p["reason"],
    ),
    "incident.alert_attached": (
        "detect",
        lambda p, n: f"Alert {'ended' if p['resolved'] else 'fired'}: {p['title']}",
        lambda p, n: p["why"],
    ),
    "incident.role_assigned": (
        "people",
        lambda p, n: f"{n(p['person'])} is {p['role'].replace('_', ' ')}",
        lambda p, n: p["how"],
    ),
    "incident.finding_noted": ("note", lambda p, n: f"Finding: {p['text']}", None),
    "incident.hypothesis_noted": ("note", lambda p, n: f"Hypothesis: {p['text']}", None),
    "incident.hypothesis_settled": (
        "decide",
        lambda p, n: f"Hypothesis {p['verdict']}",
        lambda p, n: p["text"],
    ),
    "incident.decision_noted": ("decide", lambda p, n: f"Decision: {p['text']}", None),
    "incident.note_added": ("note", lambda p, n: p["text"], None),
    "incident.deadline_met": ("people", lambda p, n: f"The {p['kind']}-by time was met", None),
    "incident.deadline_breached": ("detect", lambda p, n: f"The {p['kind']}-by time passed", None),
    "incident.investigation_started": ("people", lambda p, n: f"{n(p['by'])} took it up", None),
    "incident.contained": ("contain", lambda p, n: "Contained", lambda p, n: p["summary"]),
    "incident.containment_lost": ("detect", lambda p, n: "Containment lost", lambda p, n: p["reason"]),
    "incident.monitoring_started": (
        "contain",
        lambda p, n: "Repair in place, being watched",
        lambda p, n: p["summary"],
    ),
    "incident.resolved": ("resolve", lambda p, n: "Resolved", lambda p, n: p["summary"]),
    "incident.reopened": ("detect", lambda p, n: "Reopened", lambda p, n: p["reason"]),
    "incident.closed": ("resolve", lambda p, n: "Closed", lambda p, n: p["reason"]),
    "page.requested": (
        "page",
        lambda p, n: f"Paging {n(p['person'])} (level {p['level']})",
        lambda p, n: p["why"],
    ),
    "page.attempted": (
        "page",
        lambda p, n: (
            f"Page by {p['method']}: {p['outcome']}"
            + (f" (attempt {p['attempt']})" if p["attempt"] > 1 else "")
        ),
        lambda p, n: p["detail"],
    ),
    "page.acknowledged": (
        "page",
        lambda p, n: f"{n(p['person'])} acknowledged",
        lambda p, n: f"by {p['how']}",
    ),
    "page.level_timed_out": ("page", lambda p, n: f"Nobody answered at level {p['level']} in time", None),
    "page.exhausted": ("page", lambda p, n: "Nobody answered at any level: everyone able is called", None),
    "page.escalation_stopped": ("page", lambda p, n: "Paging stopped", lambda p, n: p["reason"]),
    "run.started": ("playbook", lambda p, n: f"Playbook started: {p['playbook']['title']}", None),
    "run.step_reached": ("playbook", _step_passed, None),
    "run.answered": ("playbook", _answered, _measured),
    "run.probe_inconclusive": (
        "playbook",
        lambda p, n: f"The probe could not tell '{p['step'].replace('_', ' ')}': a person answers",
        lambda p, n: p["reason"],
    ),
    "run.recommended": (
        "playbook",
        lambda p, n: f"Recommended: {p['text'] or p['action']}",
        lambda p, n: p["reason"],
    ),
    "run.task_done": (
        "playbook",
        lambda p, n: f"Task done: {p['step'].replace('_', ' ')}",
        lambda p, n: p["note"],
    ),
    "run.revisited": (
        "playbook",
        lambda p, n: f"Back to '{p['step'].replace('_', ' ')}'",
        lambda p, n: p["reason"],
    ),
    "run.finished": ("playbook", lambda p, n: f"Playbook ended: {p['outcome']}", None),
    "run.abandoned": ("playbook", lambda p, n: "Playbook abandoned", lambda p, n: p["reason"]),
    "containment.requested": ("contain", lambda p, n: f"Asked for: {p['action']['title']}", _changes),
    "containment.approved": (
        "contain",
        lambda p, n: f"{n(p['by'])} approved as {p['role'].replace('_', ' ')}",
        None,
    ),
    "containment.declined": ("contain", lambda p, n: f"{n(p['by'])} declined", lambda p, n: p["reason"]),
    "containment.snapshot_sealed": (
        "seal",
        lambda p, n: f"Snapshot sealed before containment: {len(p['items'])} items",
        lambda p, n: (
            ", ".join(item["name"] for item in p["items"][:6]) + (" …" if len(p["items"]) > 6 else "")
        ),
    ),
    "containment.order_overridden": (
        "contain",
        lambda p, n: f"{n(p['by'])} let it act before the snapshot",
        lambda p, n: p["reason"],
    ),
    "containment.acted": ("contain", lambda p, n: "Containment acted", _observed),
    "containment.verified": (
        "contain",
        lambda p, n: "Verified" if p["holds"] else "Not verified yet",
        _checks,
    ),
    "containment.failed": (
        "detect",
        lambda p, n: f"Containment failed at {p['stage']}",
        lambda p, n: p["reason"],
    ),
    "containment.revert_requested": (
        "contain",
        lambda p, n: f"{n(p['by'])} decided to undo the containment",
        lambda p, n: p["reason"],
    ),
    "containment.reverted": (
        "contain",
        lambda p, n: f"{n(p['by'])} undid the containment",
        lambda p, n: p["reason"],
    ),
    "update.released": ("update", lambda p, n: f"Update released by {n(p['by'])}", None),
    "update.drafted": (
        "update",
        lambda p, n: f"Update for {p['audience']}: {p['subject']}",
        lambda p, n: p["body"],
    ),
    "update.attempted": (
        "update",
        lambda p, n: f"Update to {n(p['recipient'])}: {p['outcome']}",
        lambda p, n: p["detail"],
    ),
    "update.withdrawn": ("update", lambda p, n: "Update withdrawn", lambda p, n: p["reason"]),
    "review.opened": ("review", lambda p, n: "Review opened", None),
    "review.factor_added": ("review", lambda p, n: f"Contributing factor ({p['kind']}): {p['text']}", None),
    "review.fairness_recorded": ("review", lambda p, n: "Fairness section written", lambda p, n: p["text"]),
    "review.action_item_added": (
        "review",
        lambda p, n: f"Action item for {n(p['owner'])}, due {p['due']}: {p['text']}",
        lambda p, n: p["measure"],
    ),
    "review.action_item_completed": ("review", lambda p, n: "Action item done", lambda p, n: p["proof"]),
    "review.finished": ("review", lambda p, n: f"Review finished by {n(p['by'])}", None),
    "evidence.accessed": ("seal", lambda p, n: f"{n(p['person'])} read evidence", lambda p, n: p["purpose"]),
    "export.sealed": ("seal", lambda p, n: "Export sealed", lambda p, n: f"{p['entries']} entries"),
}
"""Wire name to (sort, sentence, detail). What is not here is told by another line, such as a deadline's setting."""
