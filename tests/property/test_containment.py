"""Whatever comes in whatever order: nothing acts without approval and capture, and the events tell the state."""

from __future__ import annotations

import datetime as dt
import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

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
    Decline,
    Fail,
    OrderOverridden,
    OverrideOrder,
    RecordAction,
    RecordRevert,
    RecordSnapshot,
    RecordVerification,
    Request,
    Requested,
    RequestRevert,
    SnapshotItem,
    SnapshotSealed,
    Verified,
    waiting_for,
)
from tocsin.response.containment.approval import Approval, fill, open_roles
from tocsin.response.containment.preview import Affected, Preview

NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
ROLES = ("commander", "ethics_lead", "executive")
PREVIEW = Preview(affected=Affected(systems=("s",), users=1), reversible=True, snapshot_items=("alias",))

people = st.sampled_from(["ana", "ben", "cia"])
roles = st.lists(st.sampled_from(ROLES), max_size=3).map(tuple)
actions = st.builds(
    ContainmentAction,
    id=st.just("back"),
    title=st.just("Back"),
    verb=st.just("rollback"),
    connector=st.just("mlflow"),
    reversible=st.booleans(),
    approval=st.dictionaries(st.sampled_from(["0", "1"]), roles, max_size=2),
    verify=st.sampled_from([(), ("p",)]),
)
checks = st.builds(
    Check, probe=st.sampled_from(["p", "q"]), holds=st.sampled_from(["yes", "yes", "no", "unknown"])
)
items = st.builds(
    SnapshotItem, name=st.sampled_from(["alias", "more"]), sha256=st.sampled_from(["a" * 64, "x"])
)
requests = st.builds(
    Request,
    incident=st.just("i"),
    system=st.just("s"),
    action=actions,
    severity=st.sampled_from([0, 1, 2, None]),
    preview=st.just(PREVIEW),
    reason=st.just("r"),
    by=people,
)
commands = st.one_of(
    requests,
    st.builds(Approve, by=people, roles=roles),
    st.builds(Approve, by=people, roles=roles),
    st.builds(Decline, by=people, reason=st.just("r")),
    st.builds(RecordSnapshot, items=st.lists(items, max_size=2).map(tuple)),
    st.builds(OverrideOrder, reason=st.just("r"), by=people),
    st.builds(
        RecordAction,
        observed_before=st.just({"alias": "7"}),
        observed_after=st.sampled_from([{}, {"alias": "6"}, {"alias": "5"}]),
    ),
    st.builds(RecordVerification, checks=st.lists(checks, max_size=2).map(tuple)),
    st.builds(Fail, stage=st.sampled_from(["capture", "act", "verify"]), reason=st.just("r")),
    st.builds(RequestRevert, by=people, roles=roles, reason=st.just("r")),
    st.builds(RecordRevert, observed_after=st.just({"alias": "5"})),
)


def forward(state, person: str):
    """A command that takes the action a step further, so that scripts get far."""
    match state.status:
        case "requested":
            return Approve(by=person, roles=ROLES)
        case "approved" if person == "ben":
            return OverrideOrder(reason="r", by=person)
        case "approved" if not state.overridden_by:
            return RecordSnapshot(items=(SnapshotItem(name="alias", sha256="a" * 64),))
        case "approved" | "sealed":
            return RecordAction(observed_before={"alias": "7"}, observed_after={"alias": "6"})
        case _:
            return RecordVerification(checks=(Check(probe="p", holds="yes"),))


onward = st.sampled_from(["cia", "ana", "ben", "cia"])
"""Who takes the action a step further."""
wishes = st.tuples(st.booleans(), onward, commands).map(lambda three: three[1] if three[0] else three[2])


@settings(max_examples=300)
@given(requests, st.lists(wishes, min_size=5, max_size=30))
def test_nothing_acts_without_approval_and_capture_and_the_events_tell_the_state(request, script):
    state, stream, refusals = INITIAL, [], []
    for wish in (request, *script):
        command = forward(state, wish) if isinstance(wish, str) else wish
        try:
            events = CONTAINMENT.decide(state, command, NOW)
        except Refused as refusal:
            refusals.append(str(refusal))
            continue
        before = state
        for event in events:
            state = CONTAINMENT.evolve(state, event)
            stream.append(event)
        assert bool(events) == (state != before)
        assert CONTAINMENT.decide(state, command, NOW) == ()
    assert all(len(text) > 20 and text.endswith((".", "'")) for text in refusals)
    assert CONTAINMENT.fold(CONTAINMENT.read_event(payload_bytes(event)) for event in stream) == state
    assert CONTAINMENT.read_state(CONTAINMENT.write_state(state)) == state
    capture_precedes(stream)
    approvals_are_by_different_people(stream)
    if state.status == "verified":
        assert {check.holds for check in state.checks} == {"yes"}
    if state.status in ("requested", "approved", "sealed"):
        assert waiting_for(state)


def capture_precedes(stream) -> None:
    kinds = [type(event) for event in stream]
    for kind in (Requested, SnapshotSealed, OrderOverridden, Acted):
        assert kinds.count(kind) <= 1
    if Acted in kinds:
        earlier = kinds[: kinds.index(Acted)]
        assert SnapshotSealed in earlier or OrderOverridden in earlier
        signed = [event for event in stream[: kinds.index(Acted)] if isinstance(event, Approved)]
        assert len(signed) == len(stream[0].approvals_needed)
    if Verified in kinds:
        assert kinds.index(Acted) < kinds.index(Verified)


def approvals_are_by_different_people(stream) -> None:
    signed = [event for event in stream if isinstance(event, Approved)]
    assert len({event.by for event in signed}) == len(signed)
    if signed and len(stream[0].approvals_needed) > 1:
        assert stream[0].by not in {event.by for event in signed}


@given(roles, st.lists(st.lists(st.sampled_from(ROLES), min_size=1, max_size=2, unique=True), max_size=4))
def test_as_many_roles_are_filled_as_any_assignment_of_people_could_fill(needed, held):
    signed = [Approval(by=str(n), role=each[0], roles=tuple(each)) for n, each in enumerate(held)]
    best = 0
    for order in itertools.permutations(range(len(needed))):
        for chosen in itertools.permutations(signed, min(len(signed), len(needed))):
            best = max(best, sum(needed[i] in one.roles for i, one in zip(order, chosen, strict=False)))
    filled = fill(needed, signed)
    assert len(filled) == best == len(needed) - len(open_roles(needed, signed))
    assert len({one.by for one in filled.values()}) == len(filled)
    assert all(needed[index] in one.roles for index, one in filled.items())
