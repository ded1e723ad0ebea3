"""One containment action, told by its events: asked for, agreed to, captured, done, verified (CON-1, CON-3).

Capture comes before containment: nothing acts until a snapshot is sealed, unless a person overrides the order
in an emergency, which is on the record. The stream says what was observed; the ring does the acting.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Literal, assert_never

import msgspec

from tocsin.catalog.system import ContainmentAction
from tocsin.kernel.errors import Refused
from tocsin.kernel.event import Command, Event, State, StreamKind
from tocsin.kernel.severity import Severity
from tocsin.response.containment import approval
from tocsin.response.containment.approval import Approval
from tocsin.response.containment.preview import Affected, Preview

Status = Literal[
    "none", "requested", "approved", "sealed", "acted", "verified", "failed", "declined", "reverted"
]
Stage = Literal["capture", "act", "verify", "revert"]
Verdict = Literal["yes", "no", "unknown"]

_SHA256 = re.compile(r"[0-9a-f]{64}")


class SnapshotItem(msgspec.Struct, frozen=True, kw_only=True):
    """One sealed thing: its name in the preview, its digest (SHA-256, hex), where its bytes are kept."""

    name: str
    sha256: str
    evidence: str = ""
    """The id of its evidence item."""
    size: int = 0
    """In bytes."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """What one probe, or one person, saw afterwards. `measured` holds figures as text."""

    probe: str
    holds: Verdict
    measured: dict[str, str] = {}
    detail: str = ""


# --- events -----------------------------------------------------------------------------


class Requested(Event, frozen=True, kw_only=True, tag="containment.requested"):
    """Somebody asked for an action. `approvals_needed` are roles, one person each; none means it may go on."""

    incident: str
    system: str
    action: ContainmentAction
    preview: Preview
    reason: str
    approvals_needed: tuple[str, ...]
    by: str = ""
    severity: Severity = None


class Approved(Event, frozen=True, kw_only=True, tag="containment.approved"):
    """One person agreed, in `role`. `roles` are all the needed roles that the person held."""

    by: str
    role: str
    roles: tuple[str, ...] = ()


class Declined(Event, frozen=True, kw_only=True, tag="containment.declined"):
    """Somebody turned the request down."""

    by: str
    reason: str


class SnapshotSealed(Event, frozen=True, kw_only=True, tag="containment.snapshot_sealed"):
    """What the system was before the action is kept (or, after an override, what it was soon after)."""

    items: tuple[SnapshotItem, ...]


class OrderOverridden(Event, frozen=True, kw_only=True, tag="containment.order_overridden"):
    """A person decided to act before the snapshot is sealed."""

    reason: str
    by: str


class Acted(Event, frozen=True, kw_only=True, tag="containment.acted"):
    """The action was observed to be in effect. What was observed is text by name: `{"alias": "6"}`."""

    observed_before: dict[str, str]
    observed_after: dict[str, str]
    detail: str = ""


class Verified(Event, frozen=True, kw_only=True, tag="containment.verified"):
    """A verification took place; `holds` says whether every check was answered yes."""

    checks: tuple[Check, ...]
    holds: bool = True


class Failed(Event, frozen=True, kw_only=True, tag="containment.failed"):
    """The action was given up at `stage`; at `revert` only the undoing was, and the action stays in effect."""

    stage: Stage
    reason: str


class RevertRequested(Event, frozen=True, kw_only=True, tag="containment.revert_requested"):
    """A person who may approve the action decided to undo it."""

    by: str
    reason: str


class Reverted(Event, frozen=True, kw_only=True, tag="containment.reverted"):
    """The action was observed to be undone."""

    by: str
    reason: str
    observed_after: dict[str, str] = {}


ContainmentEvent = (
    Requested
    | Approved
    | Declined
    | SnapshotSealed
    | OrderOverridden
    | Acted
    | Verified
    | Failed
    | RevertRequested
    | Reverted
)


# --- commands ---------------------------------------------------------------------------


class Request(Command, frozen=True, kw_only=True):
    """Ask for `action` on `system`, with the preview that was shown. `severity` decides who must approve."""

    incident: str
    system: str
    action: ContainmentAction
    severity: Severity
    preview: Preview
    reason: str
    by: str


class Approve(Command, frozen=True, kw_only=True):
    """Agree. `roles` are all that `by` holds on the incident."""

    by: str
    roles: tuple[str, ...]


class Decline(Command, frozen=True, kw_only=True):
    """Turn the request down."""

    by: str
    reason: str


class RecordSnapshot(Command, frozen=True, kw_only=True):
    """Say what was sealed."""

    items: tuple[SnapshotItem, ...]


class OverrideOrder(Command, frozen=True, kw_only=True):
    """Let the action go before the snapshot, in an emergency."""

    reason: str
    by: str


class RecordAction(Command, frozen=True, kw_only=True):
    """Say that the action is in effect, with what was observed before and after."""

    observed_before: dict[str, str]
    observed_after: dict[str, str]
    detail: str = ""


class RecordVerification(Command, frozen=True, kw_only=True):
    """Say what the checks found."""

    checks: tuple[Check, ...]


class Fail(Command, frozen=True, kw_only=True):
    """Give up at `stage`."""

    stage: Stage
    reason: str


class RequestRevert(Command, frozen=True, kw_only=True):
    """Decide to undo the action. `roles` are all that `by` holds on the incident."""

    by: str
    roles: tuple[str, ...]
    reason: str


class RecordRevert(Command, frozen=True, kw_only=True):
    """Say that the action is undone, as somebody decided."""

    observed_after: dict[str, str] = {}


ContainmentCommand = (
    Request
    | Approve
    | Decline
    | RecordSnapshot
    | OverrideOrder
    | RecordAction
    | RecordVerification
    | Fail
    | RequestRevert
    | RecordRevert
)


# --- state ------------------------------------------------------------------------------


class Containment(State, frozen=True, kw_only=True):
    """What is true of a containment action now."""

    status: Status = "none"
    incident: str = ""
    system: str = ""
    action: ContainmentAction | None = None
    severity: Severity = None
    preview: Preview = Preview(affected=Affected(systems=(), users=0), reversible=True)
    reason: str = ""
    requested_by: str = ""
    approvals_needed: tuple[str, ...] = ()
    approvals: tuple[Approval, ...] = ()
    declined_by: str = ""
    snapshot: tuple[SnapshotItem, ...] = ()
    overridden_by: str = ""
    override_reason: str = ""
    observed_before: dict[str, str] = {}
    observed_after: dict[str, str] = {}
    acted: bool = False
    """Whether the action took effect, whatever happened to it later."""
    checks: tuple[Check, ...] = ()
    """Those of the latest verification."""
    capture_failure: str = ""
    """Why an action whose order was overridden has no snapshot."""
    failed_stage: Stage | None = None
    failure: str = ""
    reverting_by: str = ""
    """Who decided to undo it; empty unless that is under way."""
    reverting_reason: str = ""
    revert_failure: str = ""
    """Why the latest attempt to undo it was given up."""
    reverted_by: str = ""
    end_reason: str = ""
    """Why it was declined or reverted."""

    def may_act(self) -> bool:
        """Return whether the ring may act now: sealed, or approved with the order overridden."""
        return self.status == "sealed" or (self.status == "approved" and bool(self.overridden_by))

    def in_effect(self) -> bool:
        """Return whether the action holds on the system now, verified or not."""
        return self.acted and self.status != "reverted"

    def being_undone(self) -> bool:
        """Return whether somebody decided to undo it and that has not been observed yet."""
        return bool(self.reverting_by) and self.in_effect()


INITIAL = Containment()


def waiting_for(state: Containment) -> str:
    """Return what has to happen next, as a sentence for the console; empty when nothing has to."""
    if state.being_undone():
        return f"It is being undone: {state.reverting_reason}"
    match state.status:
        case "requested":
            return approval.missing(state.approvals_needed, state.approvals)
        case "approved" if state.overridden_by:
            return "The action is next; the snapshot follows it."
        case "approved":
            return "The snapshot is next; nothing acts before it is sealed."
        case "sealed":
            return "The action is next."
        case "acted":
            return _unverified(state)
        case _:
            return ""


def _unverified(state: Containment) -> str:
    open_checks = [f"'{check.probe}' says {check.holds}" for check in state.checks if check.holds != "yes"]
    found = f" So far {approval.listed(open_checks)}." if open_checks else ""
    return f"The verification is next.{found}"


# --- decide -----------------------------------------------------------------------------


def decide(state: Containment, command: ContainmentCommand, now: dt.datetime) -> tuple[ContainmentEvent, ...]:
    """Return the events that `command` causes; empty when nothing changes.

    Raises:
        Refused: a rule forbids it; the text says what is missing, and the next step.
    """
    if isinstance(command, Request):
        return _request(state, command)
    if state.status == "none" or state.action is None:
        raise Refused("Nobody has asked for this containment action.", mend="Request it first.")
    match command:
        case Approve():
            return _approve(state, command)
        case Decline():
            return _decline(state, command)
        case RecordSnapshot():
            return _snapshot(state, command)
        case OverrideOrder():
            return _override(state, command)
        case RecordAction():
            return _act(state, command)
        case RecordVerification():
            return _verify(state, state.action, command)
        case Fail():
            return _fail(state, command)
        case RequestRevert():
            return _request_revert(state, state.action, command)
        case RecordRevert():
            return _record_revert(state, command)
        case _:
            assert_never(command)


def _request(state: Containment, command: Request) -> tuple[ContainmentEvent, ...]:
    if state.status != "none":
        asked = (state.incident, state.system, state.action, state.requested_by)
        if asked == (command.incident, command.system, command.action, command.by):
            return ()
        raise Refused(
            "This id belongs to another containment action.", mend="Request this one under a new id."
        )
    if not command.reason.strip():
        raise Refused("A containment action has a reason.", mend="Say what harm it is meant to stop.")
    if not command.by.strip():
        raise Refused("A containment action is asked for by somebody.", mend="Say who, or which policy.")
    if not command.preview.snapshot_items:
        raise Refused(
            "The preview names nothing to keep before the action.",
            mend="Name at least what the action changes, such as the alias it moves.",
        )
    event = Requested(
        incident=command.incident,
        system=command.system,
        action=command.action,
        preview=command.preview,
        reason=command.reason.strip(),
        approvals_needed=approval.needed(command.action, command.severity),
        by=command.by,
        severity=command.severity,
    )
    return (event,)


def _approve(state: Containment, command: Approve) -> tuple[ContainmentEvent, ...]:
    if any(given.by == command.by for given in state.approvals):
        return ()
    if state.status != "requested":
        raise Refused(f"There is nothing to approve: {_standing(state)}")
    objection = approval.objection(
        state.approvals_needed,
        state.approvals,
        by=command.by,
        held=command.roles,
        requester=state.requested_by,
    )
    if objection:
        raise Refused(objection)
    signed = approval.sign(state.approvals_needed, state.approvals, by=command.by, held=command.roles)
    return (Approved(by=signed.by, role=signed.role, roles=signed.roles),)


def _decline(state: Containment, command: Decline) -> tuple[ContainmentEvent, ...]:
    if state.status == "declined":
        return ()
    if state.status != "requested":
        undo = "Revert it instead." if state.in_effect() else None
        raise Refused(f"It is too late to decline: {_standing(state)}", mend=undo)
    _require(command.by, command.reason, "An action is declined by a person, with a reason.")
    return (Declined(by=command.by, reason=command.reason.strip()),)


def _snapshot(state: Containment, command: RecordSnapshot) -> tuple[ContainmentEvent, ...]:
    if state.snapshot:
        if state.snapshot == command.items:
            return ()
        raise Refused("The snapshot of this action is sealed and cannot be replaced.")
    if state.status != "approved" and not state.overridden_by:
        raise Refused(f"No snapshot is due: {_standing(state)}")
    for item in command.items:
        if not _SHA256.fullmatch(item.sha256):
            raise Refused(
                f"Snapshot item '{item.name}' has no SHA-256 digest.", mend="Seal its bytes, then record it."
            )
    sealed = {item.name for item in command.items}
    absent = [name for name in state.preview.snapshot_items if name not in sealed]
    if absent:
        raise Refused(
            f"The snapshot lacks {approval.listed(absent)}, which the approved preview promises.",
            mend="Seal it, or override the order with a reason.",
        )
    return (SnapshotSealed(items=command.items),)


def _override(state: Containment, command: OverrideOrder) -> tuple[ContainmentEvent, ...]:
    if state.overridden_by:
        return ()
    captured_nothing = state.status == "failed" and state.failed_stage == "capture"
    if state.status != "approved" and not captured_nothing:
        missing = approval.missing(state.approvals_needed, state.approvals)
        emergency = f"an emergency overrides the order, not the approval. {missing}"
        why = emergency if state.status == "requested" else _standing(state)
        raise Refused(f"The order cannot be overridden now: {why}")
    _require(command.by, command.reason, "The order is overridden by a person, with a reason.")
    return (OrderOverridden(reason=command.reason.strip(), by=command.by),)


def _act(state: Containment, command: RecordAction) -> tuple[ContainmentEvent, ...]:
    if state.acted:
        # A resumed job finds the effect in place, so what it saw before differs; the effect is what counts.
        if state.observed_after == command.observed_after:
            return ()
        raise Refused(
            f"This action is recorded with another effect: {_figures(state.observed_after)}.",
            mend="Verify it, or request a new action.",
        )
    if not state.may_act():
        raise Refused(f"The action may not be taken yet: {_standing(state)} {waiting_for(state)}".rstrip())
    if not command.observed_after:
        raise Refused(
            "An action is recorded with what was observed afterwards.", mend="Look at the system first."
        )
    event = Acted(
        observed_before=command.observed_before,
        observed_after=command.observed_after,
        detail=command.detail,
    )
    return (event,)


def _verify(
    state: Containment, action: ContainmentAction, command: RecordVerification
) -> tuple[ContainmentEvent, ...]:
    if state.status not in ("acted", "verified"):
        raise Refused(f"There is nothing to verify: {_standing(state)}")
    if not command.checks:
        raise Refused("A verification without a check proves nothing.", mend="Run at least one probe.")
    made = {check.probe for check in command.checks}
    absent = [probe for probe in action.verify if probe not in made]
    if absent:
        raise Refused(
            f"The verification lacks {approval.listed(absent)}.",
            mend="Run every probe that the action names.",
        )
    holds = all(check.holds == "yes" for check in command.checks)
    if state.checks == command.checks or (holds and state.status == "verified"):
        return ()
    return (Verified(checks=command.checks, holds=holds),)


def _stages(state: Containment) -> tuple[Stage, ...]:
    """Return the stages at which the action can fail now."""
    stages: list[Stage] = []
    if not state.snapshot and (state.status == "approved" or state.overridden_by):
        stages.append("capture")
    if state.may_act():
        stages.append("act")
    if state.status == "acted":
        stages.append("verify")
    if state.being_undone():
        stages.append("revert")
    return tuple(stages)


def _fail(state: Containment, command: Fail) -> tuple[ContainmentEvent, ...]:
    capture_was_waived = command.stage == "capture" and bool(state.overridden_by)
    if command.stage == "revert" and state.in_effect() and state.revert_failure:
        return ()
    if state.failed_stage == command.stage or (capture_was_waived and state.capture_failure):
        return ()
    possible = _stages(state)
    if command.stage not in possible:
        raise Refused(f"It cannot fail at '{command.stage}' now: {_standing(state)}")
    if not command.reason.strip():
        raise Refused("A failure is recorded with its reason.", mend="Say what the connector reported.")
    return (Failed(stage=command.stage, reason=command.reason.strip()),)


def _request_revert(
    state: Containment, action: ContainmentAction, command: RequestRevert
) -> tuple[ContainmentEvent, ...]:
    if state.status == "reverted" or state.being_undone():
        return ()
    if not state.in_effect():
        raise Refused(f"There is nothing to revert: {_standing(state)}")
    if not action.reversible:
        raise Refused(
            f"'{action.title}' cannot be undone.", mend="Request an action that leads to the state you want."
        )
    _require(command.by, command.reason, "An action is reverted by a person, with a reason.")
    objection = approval.undo_objection(state.approvals_needed, by=command.by, held=command.roles)
    if objection:
        raise Refused(objection)
    return (RevertRequested(by=command.by, reason=command.reason.strip()),)


def _record_revert(state: Containment, command: RecordRevert) -> tuple[ContainmentEvent, ...]:
    if state.status == "reverted":
        return ()
    if not state.being_undone():
        raise Refused(f"Nobody has decided to undo it: {_standing(state)}")
    by, reason = state.reverting_by, state.reverting_reason
    return (Reverted(by=by, reason=reason, observed_after=command.observed_after),)


def _require(by: str, reason: str, rule: str) -> None:
    if not by.strip() or not reason.strip():
        raise Refused(rule, mend="Say who, and why.")


def _standing(state: Containment) -> str:
    """Return where the action stands, as a sentence."""
    match state.status:
        case "requested":
            return "it is asked for and not approved yet."
        case "approved":
            return "it is approved."
        case "sealed":
            return "it is approved and its snapshot is sealed."
        case "acted":
            return "it has been done and is not verified yet."
        case "verified":
            return "it has been done and verified."
        case "failed":
            return f"it failed at '{state.failed_stage}': {state.failure}. Request it again."
        case "declined":
            return f"{state.declined_by} declined it: {state.end_reason}. Request it again if things have changed."
        case "reverted":
            return f"{state.reverted_by} reverted it: {state.end_reason}. Request it again if it is needed."
        case "none":
            return "nobody has asked for it."
        case _:
            assert_never(state.status)


def _figures(observed: dict[str, str]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in observed.items())


# --- evolve -----------------------------------------------------------------------------


def evolve(state: Containment, event: ContainmentEvent) -> Containment:
    """Return `state` after `event`. Never refuses: the event has already happened."""
    put = msgspec.structs.replace
    match event:
        case Requested():
            return _requested(state, event)
        case Approved():
            signed = Approval(by=event.by, role=event.role, roles=event.roles or (event.role,))
            approvals = (*state.approvals, signed)
            complete = not approval.open_roles(state.approvals_needed, approvals)
            return put(state, approvals=approvals, status="approved" if complete else "requested")
        case Declined():
            return put(state, status="declined", declined_by=event.by, end_reason=event.reason)
        case SnapshotSealed():
            status: Status = "sealed" if state.status == "approved" else state.status
            return put(state, snapshot=event.items, status=status, capture_failure="")
        case OrderOverridden():
            return put(
                state,
                status="approved",
                overridden_by=event.by,
                override_reason=event.reason,
                capture_failure=state.failure,
                failed_stage=None,
                failure="",
            )
        case Acted():
            return put(
                state,
                status="acted",
                acted=True,
                observed_before=event.observed_before,
                observed_after=event.observed_after,
            )
        case Verified():
            return put(state, checks=event.checks, status="verified" if event.holds else "acted")
        case Failed():
            return _failed(state, event)
        case RevertRequested():
            return put(state, reverting_by=event.by, reverting_reason=event.reason, revert_failure="")
        case Reverted():
            return put(
                state,
                status="reverted",
                reverted_by=event.by,
                end_reason=event.reason,
                reverting_by="",
                reverting_reason="",
                revert_failure="",
            )
        case _:
            assert_never(event)


def _failed(state: Containment, event: Failed) -> Containment:
    put = msgspec.structs.replace
    if event.stage == "revert":  # what was done stays done
        return put(state, reverting_by="", reverting_reason="", revert_failure=event.reason)
    if event.stage == "capture" and state.overridden_by:  # the action goes on without its snapshot
        return put(state, capture_failure=event.reason)
    return put(state, status="failed", failed_stage=event.stage, failure=event.reason)


def _requested(state: Containment, event: Requested) -> Containment:
    return msgspec.structs.replace(
        state,
        status="requested" if event.approvals_needed else "approved",
        incident=event.incident,
        system=event.system,
        action=event.action,
        severity=event.severity,
        preview=event.preview,
        reason=event.reason,
        requested_by=event.by,
        approvals_needed=event.approvals_needed,
    )


CONTAINMENT: StreamKind[Containment, ContainmentCommand, ContainmentEvent] = StreamKind(
    "containment", INITIAL, decide, evolve, ContainmentEvent
)
