"""Who must agree to an action, who may, and what is still missing (CON-3)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tocsin.catalog.system import ContainmentAction
from tocsin.kernel.severity import Severity

_SPOKEN = {
    "commander": "the incident commander",
    "ml_engineer": "the ML engineer",
    "devops_engineer": "the DevOps engineer",
    "legal_compliance": "legal and compliance",
    "executive": "an executive",
}


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """One person's agreement. `roles` are all that the person held at that moment, `role` the one signed for."""

    by: str
    role: str
    roles: tuple[str, ...]


def needed(action: ContainmentAction, severity: Severity) -> tuple[str, ...]:
    """Return the roles that must agree to `action` at `severity`, one approval each; empty when nobody must."""
    return tuple(action.approvers(severity))


def fill(roles: Sequence[str], approvals: Sequence[Approval]) -> dict[int, Approval]:
    """Return which of the needed `roles` (by index) are filled by whom: as many as can be.

    A person fills one role only. Someone who holds two of them is moved to the other one when that lets
    another person sign too (a maximum matching by augmenting paths), so the order of signing never blocks.
    """
    filled: dict[int, Approval] = {}
    for approval in approvals:
        _place(approval, roles, filled, set())
    return filled


def _place(approval: Approval, roles: Sequence[str], filled: dict[int, Approval], tried: set[int]) -> bool:
    for index, role in enumerate(roles):
        if role not in approval.roles or index in tried:
            continue
        tried.add(index)
        if index not in filled or _place(filled[index], roles, filled, tried):
            filled[index] = approval
            return True
    return False


def open_roles(roles: Sequence[str], approvals: Sequence[Approval]) -> tuple[str, ...]:
    """Return the needed roles that nobody has filled yet, in their order."""
    filled = fill(roles, approvals)
    return tuple(role for index, role in enumerate(roles) if index not in filled)


def missing(roles: Sequence[str], approvals: Sequence[Approval]) -> str:
    """Return what is still missing as a sentence, or an empty text."""
    absent = open_roles(roles, approvals)
    return f"It still needs {listed([spoken(role) for role in absent])}." if absent else ""


def policy(roles: Sequence[str]) -> str:
    """Return the policy as sentences for the preview, what it says about the requester included."""
    if not roles:
        return "Nobody has to approve this action at this severity."
    who = listed([spoken(role) for role in roles])
    if len(roles) == 1:
        return f"Needs {who}, who may be the person that asks for it."
    return f"Needs {who}: {len(roles)} different people, none of them the person that asks for it."


def objection(
    roles: Sequence[str], approvals: Sequence[Approval], *, by: str, held: Sequence[str], requester: str
) -> str | None:
    """Return why `by`, who holds the roles `held`, may not approve now, or None when they may."""
    if not by.strip():
        return "An approval names the person who gives it."
    if len(roles) > 1 and by == requester:
        return (
            f"{by} asked for this action, and an action with {len(roles)} approvals is approved by others. "
            f"{missing(roles, approvals)} Let somebody else ask for it anew, or let them approve."
        )
    if not set(held) & set(roles):
        holds = (
            f"{by} is {listed([spoken(role) for role in held])}"
            if held
            else f"{by} has no role on this incident"
        )
        return f"{holds}, which does not suffice. {missing(roles, approvals)}"
    if len(fill(roles, [*approvals, _signed(by, roles, held)])) == len(fill(roles, approvals)):
        return f"The approval that {by} could give has been given already. {missing(roles, approvals)}"
    return None


def undo_objection(roles: Sequence[str], *, by: str, held: Sequence[str]) -> str | None:
    """Return why `by`, who holds the roles `held`, may not undo an action that needed `roles`, or None.

    One of the roles suffices, whoever filled it; what needed nobody's approval, anyone may undo.
    """
    if not roles or set(held) & set(roles):
        return None
    holds = (
        f"{by} is {listed([spoken(role) for role in held])}" if held else f"{by} has no role on this incident"
    )
    wanted = " or ".join(spoken(role) for role in dict.fromkeys(roles))
    return f"{holds}, which does not suffice. Undoing it takes {wanted}."


def sign(roles: Sequence[str], approvals: Sequence[Approval], *, by: str, held: Sequence[str]) -> Approval:
    """Return the approval of `by`, with the role that it fills beside the `approvals` there are."""
    signed = _signed(by, roles, held)
    filled = fill(roles, [*approvals, signed])
    role = next((roles[index] for index, approval in filled.items() if approval.by == by), signed.role)
    return msgspec.structs.replace(signed, role=role)


def _signed(by: str, roles: Sequence[str], held: Sequence[str]) -> Approval:
    counting = tuple(role for role in dict.fromkeys(roles) if role in held)
    return Approval(by=by, role=counting[0] if counting else "", roles=counting)


def spoken(role: str) -> str:
    """Return a role as a sentence says it, article included: `the incident commander`."""
    return _SPOKEN.get(role, f"the {role.replace('_', ' ')}")


def listed(words: Sequence[str]) -> str:
    """Return `words` as English lists them: `a`, `a and b`, `a, b and c`."""
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)
