"""A containment action is asked for, agreed to, captured, done and verified, in that order (CON-1, CON-3)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tocsin.catalog.system import ContainmentAction
from tocsin.kernel.errors import Refused
from tocsin.kernel.event import payload_bytes
from tocsin.response.containment.action import (
    CONTAINMENT,
    INITIAL,
    Acted,
    Approve,
    Approved,
    Check,
    Containment,
    Decline,
    Declined,
    Fail,
    Failed,
    OrderOverridden,
    OverrideOrder,
    RecordAction,
    RecordRevert,
    RecordSnapshot,
    RecordVerification,
    Request,
    Requested,
    RequestRevert,
    Reverted,
    RevertRequested,
    SnapshotItem,
    SnapshotSealed,
    Verified,
    waiting_for,
)
from tocsin.response.containment.preview import Affected, Change, Preview

NOW = dt.datetime(2026, 11, 23, 3, 4, 5, tzinfo=dt.UTC)


def action(**changes: Any) -> ContainmentAction:
    values: dict[str, Any] = {
        "id": "back",
        "title": "Back to the last good version",
        "verb": "rollback",
        "connector": "mlflow",
        "params": {"model": "loan"},
        "approval": {"0": ("commander",), "1": ("commander", "ethics_lead"), "3": ()},
        "verify": ("serves_old", "gap_closed"),
    }
    return ContainmentAction(**{**values, **changes})


PREVIEW = Preview(
    changes=(Change(what="alias champion", was="7", becomes="6"),),
    affected=Affected(systems=("loan",), users=1200, decisions_per_day=400),
    reversible=True,
    takes="1 min",
    snapshot_items=("alias", "profiles"),
)
ITEMS = (
    SnapshotItem(name="alias", sha256="a" * 64, evidence="e1", size=20),
    SnapshotItem(name="profiles", sha256="b" * 64, evidence="e2", size=900),
)


def request(**changes: Any) -> Request:
    values: dict[str, Any] = {
        "incident": "inc",
        "system": "loan",
        "action": action(),
        "severity": 0,
        "preview": PREVIEW,
        "reason": "One group is denied",
        "by": "ana",
    }
    return Request(**{**values, **changes})


def approve(by: str = "ben", *roles: str) -> Approve:
    return Approve(by=by, roles=roles or ("commander",))


def checks(serves: Any = "yes", gap: Any = "yes") -> RecordVerification:
    found = (
        Check(probe="serves_old", holds=serves),
        Check(probe="gap_closed", holds=gap, measured={"gap": "0.29"}),
    )
    return RecordVerification(checks=found)


SEAL = RecordSnapshot(items=ITEMS)
OVERRIDE = OverrideOrder(reason="People are harmed every minute", by="ben")
ACT = RecordAction(observed_before={"alias": "7"}, observed_after={"alias": "6"}, detail="set to version 6")
UNDO = RequestRevert(by="ben", roles=("commander",), reason="Version 6 is worse")
UNDONE = RecordRevert(observed_after={"alias": "7"})


def after(*commands: Any) -> Containment:
    state = INITIAL
    for command in commands:
        for event in CONTAINMENT.decide(state, command, NOW):
            state = CONTAINMENT.evolve(state, event)
    return state


# --- every state x every command ----------------------------------------------------------

SEALED = (request(), approve(), SEAL)
HISTORY: dict[str, tuple[Any, ...]] = {
    "none": (),
    "requested": (request(),),
    "approved": (request(), approve()),
    "overridden": (request(), approve(), OVERRIDE),
    "sealed": SEALED,
    "acted": (*SEALED, ACT),
    "acted-first": (request(), approve(), OVERRIDE, ACT),
    "unverified": (*SEALED, ACT, checks(gap="no")),
    "verified": (*SEALED, ACT, checks()),
    "uncaptured": (request(), approve(), Fail(stage="capture", reason="The store is full")),
    "not-taken": (*SEALED, Fail(stage="act", reason="The registry is down")),
    "not-shown": (*SEALED, ACT, Fail(stage="verify", reason="The gap stays")),
    "declined": (request(), Decline(by="ben", reason="Not the model")),
    "undoing": (*SEALED, ACT, UNDO),
    "kept": (*SEALED, ACT, checks(), UNDO, Fail(stage="revert", reason="The registry is down")),
    "reverted": (*SEALED, ACT, UNDO, UNDONE),
}
COMMAND: dict[str, Any] = {
    "request": request(),
    "other": request(system="fraud"),
    "approve": approve(),
    "decline": Decline(by="ben", reason="Not the model"),
    "seal": SEAL,
    "override": OVERRIDE,
    "act": ACT,
    "verify": checks(),
    "verify-no": checks(gap="no"),
    "f-capture": Fail(stage="capture", reason="The store is full"),
    "f-act": Fail(stage="act", reason="The registry is down"),
    "f-verify": Fail(stage="verify", reason="The gap stays"),
    "f-revert": Fail(stage="revert", reason="The registry is down"),
    "undo": UNDO,
    "undone": UNDONE,
}
# a dash means refused, an equals sign that nothing changes, a word the status afterwards
TABLE = """
             request    other      approve   decline   seal      override  act    verify    verify-no  f-capture  f-act   f-verify  f-revert  undo      undone
none         requested  requested  -         -         -         -         -      -         -          -          -       -         -         -         -
requested    =          -          approved  declined  -         -         -      -         -          -          -       -         -         -         -
approved     =          -          =         -         sealed    approved  -      -         -          failed     -       -         -         -         -
overridden   =          -          =         -         sealed    =         acted  -         -          approved   failed  -         -         -         -
sealed       =          -          =         -         =         -         acted  -         -          -          failed  -         -         -         -
acted        =          -          =         -         =         -         =      verified  acted      -          -       failed    -         acted     -
acted-first  =          -          =         -         acted     =         =      verified  acted      acted      -       failed    -         acted     -
unverified   =          -          =         -         =         -         =      verified  =          -          -       failed    -         acted     -
verified     =          -          =         -         =         -         =      =         acted      -          -       -         -         verified  -
uncaptured   =          -          =         -         -         approved  -      -         -          =          -       -         -         -         -
not-taken    =          -          =         -         =         -         -      -         -          -          =       -         -         -         -
not-shown    =          -          =         -         =         -         =      -         -          -          -       =         -         failed    -
declined     =          -          -         =         -         -         -      -         -          -          -       -         -         -         -
undoing      =          -          =         -         =         -         =      verified  acted      -          -       failed    acted     =         reverted
kept         =          -          =         -         =         -         =      =         acted      -          -       -         =         verified  -
reverted     =          -          =         -         =         -         =      -         -          -          -       -         -         =         =
"""
HEAD, *ROWS = [line.split() for line in TABLE.strip().splitlines()]
CELLS = [(row[0], name, cell) for row in ROWS for name, cell in zip(HEAD, row[1:], strict=True)]


def test_the_table_has_every_state_and_every_command():
    assert ([row[0] for row in ROWS], HEAD) == (list(HISTORY), list(COMMAND))


@pytest.mark.parametrize(("standing", "name", "outcome"), CELLS)
def test_transition(standing, name, outcome):
    state = after(*HISTORY[standing])
    if outcome == "-":
        with pytest.raises(Refused, match=r"\w{3}"):
            CONTAINMENT.decide(state, COMMAND[name], NOW)
        return
    events = CONTAINMENT.decide(state, COMMAND[name], NOW)
    if outcome == "=":
        assert events == ()
        return
    assert len(events) == 1
    assert CONTAINMENT.evolve(state, events[0]).status == outcome


# --- the way forward ------------------------------------------------------------------------


def test_the_way_from_request_to_verified_effect_leaves_one_event_a_step():
    state, events = INITIAL, []
    for command in (request(), approve(), SEAL, ACT, checks()):
        for event in CONTAINMENT.decide(state, command, NOW):
            state = CONTAINMENT.evolve(state, event)
            events.append(event)
    assert events == [
        Requested(
            incident="inc",
            system="loan",
            action=action(),
            preview=PREVIEW,
            reason="One group is denied",
            approvals_needed=("commander",),
            by="ana",
            severity=0,
        ),
        Approved(by="ben", role="commander", roles=("commander",)),
        SnapshotSealed(items=ITEMS),
        Acted(observed_before={"alias": "7"}, observed_after={"alias": "6"}, detail="set to version 6"),
        Verified(checks=checks().checks, holds=True),
    ]
    assert (state.status, state.incident, state.system, state.action) == ("verified", "inc", "loan", action())
    assert (state.reason, state.requested_by, state.severity) == ("One group is denied", "ana", 0)
    assert (state.preview, state.snapshot, state.checks) == (PREVIEW, ITEMS, checks().checks)
    assert (state.observed_before, state.observed_after) == ({"alias": "7"}, {"alias": "6"})


def test_an_action_without_approval_goes_on_at_once():
    state = after(request(severity=3))
    assert (state.status, state.approvals_needed) == ("approved", ())


def test_an_unknown_severity_asks_for_the_approvals_of_rank_1():
    assert after(request(severity=None)).approvals_needed == ("commander", "ethics_lead")


def test_a_rank_that_the_policy_does_not_name_asks_for_the_commander():
    assert after(request(severity=2)).approvals_needed == ("commander",)


def test_the_requester_may_give_the_only_approval():
    assert after(request(), approve("ana")).status == "approved"


def test_two_approvals_take_two_people_in_any_order():
    first = after(request(severity=1), approve("ben", "commander", "ethics_lead"))
    assert first.status == "requested"
    assert waiting_for(first) == "It still needs the ethics lead."
    both = after(request(severity=1), approve("ben", "commander", "ethics_lead"), approve("cia", "commander"))
    assert (both.status, [a.by for a in both.approvals]) == ("approved", ["ben", "cia"])


def test_without_a_snapshot_nothing_acts():
    with pytest.raises(Refused) as refusal:
        CONTAINMENT.decide(after(request(), approve()), ACT, NOW)
    assert str(refusal.value) == (
        "The action may not be taken yet: it is approved. The snapshot is next; nothing acts before it is sealed."
    )
    assert not after(request(), approve()).may_act()
    assert after(*SEALED).may_act()


def test_an_override_lets_the_action_go_first_and_the_snapshot_follow():
    state = after(request(), approve(), OVERRIDE)
    assert (state.status, state.may_act()) == ("approved", True)
    assert (state.overridden_by, state.override_reason) == ("ben", "People are harmed every minute")
    assert CONTAINMENT.decide(after(request(), approve()), OVERRIDE, NOW) == (
        OrderOverridden(reason="People are harmed every minute", by="ben"),
    )
    for last in ("acted", "verified", "failed", "reverted"):
        more = {
            "acted": (),
            "verified": (checks(),),
            "failed": (Fail(stage="verify", reason="no"),),
            "reverted": (UNDO, UNDONE),
        }[last]
        late = after(request(), approve(), OVERRIDE, ACT, *more, SEAL)
        assert (late.status, late.snapshot) == (last, ITEMS)


def test_an_effect_that_a_resumed_job_finds_in_place_is_recorded_once():
    again = RecordAction(observed_before={"alias": "6"}, observed_after={"alias": "6"})
    assert CONTAINMENT.decide(after(*SEALED, ACT), again, NOW) == ()


def test_a_check_that_does_not_hold_leaves_it_acted_and_a_later_one_may_verify():
    state = after(*SEALED, ACT, checks(gap="no"))
    assert (state.status, state.checks) == ("acted", checks(gap="no").checks)
    assert waiting_for(state) == "The verification is next. So far 'gap_closed' says no."
    assert CONTAINMENT.decide(state, checks(gap="unknown"), NOW) == (
        Verified(checks=checks(gap="unknown").checks, holds=False),
    )
    assert after(*SEALED, ACT, checks(gap="no"), checks()).status == "verified"


def test_containment_that_is_lost_later_is_seen():
    state = after(*SEALED, ACT, checks(), checks(serves="no"))
    assert (state.status, state.in_effect()) == ("acted", True)


def test_verified_again_with_other_figures_is_no_news():
    other = RecordVerification(checks=(*checks().checks, Check(probe="latency", holds="yes")))
    assert CONTAINMENT.decide(after(*SEALED, ACT, checks()), other, NOW) == ()


def test_more_checks_than_the_action_names_are_welcome_and_count():
    extra = RecordVerification(
        checks=(*checks().checks, Check(probe="person", holds="no", detail="Still odd"))
    )
    assert after(*SEALED, ACT, extra).status == "acted"


def test_failing_keeps_stage_and_reason():
    state = after(*SEALED, Fail(stage="act", reason="The registry is down"))
    assert (state.failed_stage, state.failure, state.in_effect()) == ("act", "The registry is down", False)
    assert CONTAINMENT.decide(after(*SEALED), Fail(stage="act", reason=" x "), NOW) == (
        Failed(stage="act", reason="x"),
    )


def test_reverting_tells_who_why_and_what_was_observed():
    assert CONTAINMENT.decide(after(*SEALED, ACT), UNDO, NOW) == (
        RevertRequested(by="ben", reason="Version 6 is worse"),
    )
    assert CONTAINMENT.decide(after(*SEALED, ACT, UNDO), UNDONE, NOW) == (
        Reverted(by="ben", reason="Version 6 is worse", observed_after={"alias": "7"}),
    )
    state = after(*SEALED, ACT, UNDO, UNDONE)
    assert (state.reverted_by, state.end_reason, state.in_effect()) == ("ben", "Version 6 is worse", False)


def test_undoing_takes_one_of_the_roles_that_approve_and_nobody_s_when_none_was_needed():
    by_ethics = RequestRevert(by="cia", roles=("ethics_lead",), reason="Worse")
    two = (request(severity=1), approve("ben"), approve("cia", "ethics_lead"), SEAL, ACT)
    assert after(*two, by_ethics).being_undone()
    anyone = RequestRevert(by="dan", roles=(), reason="Worse")
    assert after(request(severity=3), SEAL, ACT, anyone).being_undone()


def test_an_undoing_that_fails_leaves_the_action_in_effect_and_may_be_decided_anew():
    state = after(*HISTORY["kept"])
    assert (state.status, state.in_effect(), state.being_undone()) == ("verified", True, False)
    assert (state.revert_failure, state.failed_stage) == ("The registry is down", None)
    again = after(*HISTORY["kept"], UNDO)
    assert (again.being_undone(), again.revert_failure) == (True, "")


def test_declining_tells_who_and_why():
    assert CONTAINMENT.decide(after(request()), Decline(by="ben", reason="No"), NOW) == (
        Declined(by="ben", reason="No"),
    )
    state = after(request(), Decline(by="ben", reason="No"))
    assert (state.declined_by, state.end_reason) == ("ben", "No")


def test_when_the_snapshot_cannot_be_made_an_override_still_lets_it_act_and_the_gap_stays_known():
    state = after(*HISTORY["uncaptured"], OVERRIDE)
    assert (state.status, state.may_act()) == ("approved", True)
    assert (state.capture_failure, state.failed_stage, state.failure) == ("The store is full", None, "")
    assert CONTAINMENT.decide(state, COMMAND["f-capture"], NOW) == ()
    late = after(*HISTORY["uncaptured"], OVERRIDE, ACT, SEAL)
    assert (late.status, late.snapshot, late.capture_failure) == ("acted", ITEMS, "")


def test_a_snapshot_that_fails_after_an_override_does_not_fail_the_action():
    for history in ((OVERRIDE,), (OVERRIDE, ACT), (OVERRIDE, ACT, checks()), (OVERRIDE, ACT, UNDO, UNDONE)):
        before = after(request(), approve(), *history)
        state = after(request(), approve(), *history, COMMAND["f-capture"])
        assert (state.status, state.capture_failure) == (before.status, "The store is full")
        assert CONTAINMENT.decide(state, COMMAND["f-capture"], NOW) == ()
    failed = after(request(), approve(), OVERRIDE, COMMAND["f-act"], COMMAND["f-capture"])
    assert (failed.status, failed.failed_stage, failed.capture_failure) == (
        "failed",
        "act",
        "The store is full",
    )


@pytest.mark.parametrize(
    ("standing", "sentence"),
    [
        ("none", ""),
        ("requested", "It still needs the incident commander."),
        ("approved", "The snapshot is next; nothing acts before it is sealed."),
        ("overridden", "The action is next; the snapshot follows it."),
        ("sealed", "The action is next."),
        ("acted", "The verification is next."),
        ("verified", ""),
        ("declined", ""),
        ("not-taken", ""),
        ("undoing", "It is being undone: Version 6 is worse"),
        ("kept", ""),
        ("reverted", ""),
    ],
)
def test_what_an_action_waits_for_is_a_sentence(standing, sentence):
    assert waiting_for(after(*HISTORY[standing])) == sentence


# --- what is refused, in which words --------------------------------------------------------

TWO = (request(severity=1), approve("ben"))


@pytest.mark.parametrize(
    ("history", "command", "words"),
    [
        ((), approve(), "Nobody has asked for this containment action. Request it first."),
        ((), request(reason=" "), "A containment action has a reason. Say what harm it is meant to stop."),
        ((), request(by=""), "A containment action is asked for by somebody. Say who, or which policy."),
        (
            (),
            request(preview=Preview(affected=Affected(systems=("loan",), users=1), reversible=True)),
            (
                "The preview names nothing to keep before the action. "
                "Name at least what the action changes, such as the alias it moves."
            ),
        ),
        (
            (request(),),
            request(by="ben"),
            "This id belongs to another containment action. Request this one under a new id.",
        ),
        (
            (request(),),
            approve("cia", "ml_engineer"),
            "cia is the ML engineer, which does not suffice. It still needs the incident commander.",
        ),
        (
            (request(),),
            Approve(by="cia", roles=()),
            "cia has no role on this incident, which does not suffice. It still needs the incident commander.",
        ),
        ((request(),), approve(" "), "An approval names the person who gives it."),
        (
            (request(severity=1),),
            approve("ana"),
            (
                "ana asked for this action, and an action with 2 approvals is approved by others. "
                "It still needs the incident commander and the ethics lead. "
                "Let somebody else ask for it anew, or let them approve."
            ),
        ),
        (
            TWO,
            approve("cia"),
            "The approval that cia could give has been given already. It still needs the ethics lead.",
        ),
        ((request(), approve()), approve("cia"), "There is nothing to approve: it is approved."),
        (
            (request(), Decline(by="ben", reason="No")),
            approve("cia"),
            "There is nothing to approve: ben declined it: No. Request it again if things have changed.",
        ),
        ((request(),), Decline(by="", reason="x"), "An action is declined by a person, with a reason. Say who, and why."),
        ((request(), approve()), Decline(by="b", reason="x"), "It is too late to decline: it is approved."),
        (
            (*SEALED, ACT),
            Decline(by="b", reason="x"),
            "It is too late to decline: it has been done and is not verified yet. Revert it instead.",
        ),
        ((request(),), SEAL, "No snapshot is due: it is asked for and not approved yet."),
        (
            (request(), approve()),
            RecordSnapshot(items=ITEMS[:1]),
            (
                "The snapshot lacks profiles, which the approved preview promises. "
                "Seal it, or override the order with a reason."
            ),
        ),
        (
            (request(), approve()),
            RecordSnapshot(items=(SnapshotItem(name="alias", sha256="A" * 64), ITEMS[1])),
            "Snapshot item 'alias' has no SHA-256 digest. Seal its bytes, then record it.",
        ),
        (
            SEALED,
            RecordSnapshot(items=(*ITEMS, SnapshotItem(name="more", sha256="c" * 64))),
            "The snapshot of this action is sealed and cannot be replaced.",
        ),
        (
            (request(),),
            OVERRIDE,
            (
                "The order cannot be overridden now: an emergency overrides the order, not the approval. "
                "It still needs the incident commander."
            ),
        ),
        (
            SEALED,
            OVERRIDE,
            "The order cannot be overridden now: it is approved and its snapshot is sealed.",
        ),
        (
            (request(), approve()),
            OverrideOrder(reason="", by="ben"),
            "The order is overridden by a person, with a reason. Say who, and why.",
        ),
        (
            (request(),),
            ACT,
            (
                "The action may not be taken yet: it is asked for and not approved yet. "
                "It still needs the incident commander."
            ),
        ),
        (
            SEALED,
            RecordAction(observed_before={}, observed_after={}),
            "An action is recorded with what was observed afterwards. Look at the system first.",
        ),
        (
            (*SEALED, ACT),
            RecordAction(observed_before={}, observed_after={"alias": "5"}),
            "This action is recorded with another effect: alias = 6. Verify it, or request a new action.",
        ),
        (SEALED, checks(), "There is nothing to verify: it is approved and its snapshot is sealed."),
        (
            (*SEALED, ACT),
            RecordVerification(checks=()),
            "A verification without a check proves nothing. Run at least one probe.",
        ),
        (
            (*SEALED, ACT),
            RecordVerification(checks=checks().checks[:1]),
            "The verification lacks gap_closed. Run every probe that the action names.",
        ),
        (SEALED, Fail(stage="verify", reason="x"), "It cannot fail at 'verify' now: it is approved and its snapshot is sealed."),
        (
            SEALED,
            Fail(stage="act", reason=" "),
            "A failure is recorded with its reason. Say what the connector reported.",
        ),
        (SEALED, UNDO, "There is nothing to revert: it is approved and its snapshot is sealed."),
        (
            (request(action=action(reversible=False)), approve(), SEAL, ACT),
            UNDO,
            (
                "'Back to the last good version' cannot be undone. "
                "Request an action that leads to the state you want."
            ),
        ),
        (
            (*SEALED, ACT),
            RequestRevert(by="cia", roles=("ml_engineer",), reason="Worse"),
            "cia is the ML engineer, which does not suffice. Undoing it takes the incident commander.",
        ),
        (
            (request(severity=1), approve("ben"), approve("cia", "ethics_lead"), SEAL, ACT),
            RequestRevert(by="dan", roles=(), reason="Worse"),
            (
                "dan has no role on this incident, which does not suffice. "
                "Undoing it takes the incident commander or the ethics lead."
            ),
        ),
        (
            (*SEALED, ACT),
            UNDONE,
            "Nobody has decided to undo it: it has been done and is not verified yet.",
        ),
        ((*SEALED, ACT), RequestRevert(by="b", roles=("commander",), reason=""), "An action is reverted by a person, with a reason. Say who, and why."),
        (
            (*SEALED, Fail(stage="act", reason="Registry down")),
            checks(),
            "There is nothing to verify: it failed at 'act': Registry down. Request it again.",
        ),
        (
            (*SEALED, ACT, UNDO, UNDONE),
            checks(),
            "There is nothing to verify: ben reverted it: Version 6 is worse. Request it again if it is needed.",
        ),
        (
            (*SEALED, ACT, checks()),
            Decline(by="b", reason="x"),
            "It is too late to decline: it has been done and verified. Revert it instead.",
        ),
    ],
)  # fmt: skip
def test_a_refusal_says_why_and_what_next(history, command, words):
    with pytest.raises(Refused) as refusal:
        CONTAINMENT.decide(after(*history), command, NOW)
    assert str(refusal.value) == words


# --- survives a restart -----------------------------------------------------------------------


@pytest.mark.parametrize("standing", list(HISTORY))
def test_events_and_state_come_back_from_their_bytes_as_they_were(standing):
    state, events = INITIAL, []
    for command in HISTORY[standing]:
        for event in CONTAINMENT.decide(state, command, NOW):
            state = CONTAINMENT.evolve(state, event)
            events.append(event)
    assert CONTAINMENT.fold(CONTAINMENT.read_event(payload_bytes(event)) for event in events) == state
    assert CONTAINMENT.read_state(CONTAINMENT.write_state(state)) == state
