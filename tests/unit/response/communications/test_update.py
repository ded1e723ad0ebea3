"""An update: every state against every command, and when the next one is due."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.kernel.errors import Invalid, Refused
from tocsin.kernel.event import payload_bytes
from tocsin.response.communications.update import (
    INITIAL,
    NOTICE,
    STRUCTURE,
    BusinessHours,
    Draft,
    RecordAttempt,
    Release,
    Update,
    UpdateCommand,
    UpdateEvent,
    Withdraw,
    delivery_key,
    draft,
    findings,
    next_attempt,
    next_update_due,
)

NOW = dt.datetime(2026, 1, 14, 12, tzinfo=dt.UTC)
FIELDS = {
    "status": "contained",
    "actions": "Rolled back.",
    "next_steps": "Watch the gap.",
    "estimate": "14:00 UTC",
}


def drafted(
    body: str = "Contained.\n", incident: str = "i", audience: str = "executives", **fields: str
) -> Draft:
    return Draft(
        incident=incident,
        template="update-executives",
        audience=audience,
        subject="INC-7 contained",
        body=body,
        fields=FIELDS | fields,
        required=STRUCTURE,
    )


def attempt(outcome: str = "accepted", key: str = "k1", recipient: str = "ana") -> RecordAttempt:
    return RecordAttempt(
        recipient=recipient, method="mail", key=key, outcome=outcome, detail="Done.", attempt=1
    )


def play(*commands: UpdateCommand) -> tuple[Update, list[UpdateEvent]]:
    state, told = INITIAL, []
    for command in commands:
        for event in NOTICE.decide(state, command, NOW):
            state = NOTICE.evolve(state, event)
            told.append(event)
    return state, told


HISTORY: dict[str, tuple[UpdateCommand, ...]] = {
    "none": (),
    "drafted": (drafted(),),
    "released": (drafted(), Release(by="ana")),
    "sent": (drafted(), Release(by="ana"), attempt()),
    "withdrawn": (drafted(), Withdraw(reason="Wrong audience.")),
    "recalled": (drafted(), Release(by="ana"), Withdraw(reason="Wrong figure.")),
}
COMMAND: dict[str, UpdateCommand] = {
    "draft": drafted(),
    "redraft": drafted("Contained since 11:20.\n"),
    "release": Release(by="ana"),
    "attempt": attempt(),
    "withdraw": Withdraw(reason="Wrong audience."),
}
# The status afterwards; = nothing changes; - refused.
TABLE = """
           draft    redraft  release   attempt    withdraw
none       drafted  drafted  -         -          -
drafted    =        drafted  released  -          withdrawn
released   =        -        =         released   withdrawn
sent       =        -        =         =          withdrawn
withdrawn  =        -        -         -          =
recalled   =        -        -         withdrawn  =
"""
HEAD, *ROWS = [line.split() for line in TABLE.strip().splitlines()]
CELLS = [(row[0], name, cell) for row in ROWS for name, cell in zip(HEAD, row[1:], strict=True)]


def test_the_table_names_every_state_and_every_command() -> None:
    assert [row[0] for row in ROWS] == list(HISTORY)
    assert list(COMMAND) == HEAD
    assert {type(command) for command in COMMAND.values()} == set(UpdateCommand.__args__)


@pytest.mark.parametrize(("status", "name", "outcome"), CELLS)
def test_transition(status: str, name: str, outcome: str) -> None:
    state, _ = play(*HISTORY[status])
    if outcome == "-":
        with pytest.raises(Refused) as refusal:
            NOTICE.decide(state, COMMAND[name], NOW)
        assert refusal.value.mend
        return
    events = NOTICE.decide(state, COMMAND[name], NOW)
    assert len(events) == (0 if outcome == "=" else 1)
    for event in events:
        state = NOTICE.evolve(state, event)
        assert state.status == outcome
    assert NOTICE.decide(state, COMMAND[name], NOW) == ()  # the same command a second time changes nothing


@pytest.mark.parametrize("name", HISTORY)
def test_the_state_is_what_the_events_tell(name: str) -> None:
    state, events = play(*HISTORY[name])
    assert NOTICE.fold(events) == state
    assert NOTICE.read_state(NOTICE.write_state(state)) == state
    assert [NOTICE.read_event(payload_bytes(event)) for event in events] == events


audiences = st.sampled_from(("executives", "customers"))
moves = st.one_of(
    st.builds(drafted, body=st.sampled_from(("Contained.\n", "TBD\n")), audience=audiences),
    st.builds(Release, by=st.sampled_from(("ana", ""))),
    st.builds(attempt, outcome=st.sampled_from(("accepted", "failed")), key=st.sampled_from(("k1", "k2"))),
    st.builds(Withdraw, reason=st.sampled_from(("Wrong.", " "))),
)


@given(st.lists(moves, max_size=15))
def test_whatever_is_asked_in_whatever_order_nothing_goes_out_before_its_release(
    script: list[UpdateCommand],
) -> None:
    state, told, refusals = INITIAL, [], []
    for command in script:
        try:
            events = NOTICE.decide(state, command, NOW)
        except Refused as refusal:
            refusals.append(refusal)
            continue
        for event in events:
            state = NOTICE.evolve(state, event)
            told.append(event)
        assert NOTICE.decide(state, command, NOW) == ()
    assert NOTICE.fold(told) == state
    assert all(refusal.why and refusal.mend for refusal in refusals)
    kinds = [event.__struct_config__.tag for event in told]
    if "update.attempted" in kinds:
        assert kinds.index("update.released") < kinds.index("update.attempted")
    assert kinds.count("update.released") <= 1
    assert state.released_by is None or "TBD" not in state.body


# --- release --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"body": "Expected: TBD\n"}, "'TBD' looks like a blank"),
        ({"estimate": ""}, "estimate is required and empty"),
        ({"status": "investigating"}, "The subject says contained, the status is investigating"),
    ],
)
def test_a_message_with_a_blank_or_a_contradiction_does_not_go_out(changed: dict[str, str], why: str) -> None:
    state, _ = play(drafted(**changed))
    with pytest.raises(Refused, match=why):
        NOTICE.decide(state, Release(by="ana"), NOW)
    mended, _ = play(drafted(**changed), drafted(), Release(by="ana"))
    assert mended.status == "released"


def test_jargon_is_told_and_stops_nothing() -> None:
    state, _ = play(drafted("Contained by a rollback.\n", audience="customers"))
    assert [finding.rule for finding in findings(state)] == ["jargon"]
    assert NOTICE.decide(state, Release(by="ana"), NOW)
    inside, _ = play(drafted("Contained by a rollback.\n", audience="responders"))
    assert findings(inside) == ()


def test_somebody_answers_for_a_release_and_a_withdrawal_has_a_reason() -> None:
    state, _ = play(drafted())
    with pytest.raises(Refused, match="Somebody must answer"):
        NOTICE.decide(state, Release(by=""), NOW)
    with pytest.raises(Refused, match="without a reason"):
        NOTICE.decide(state, Withdraw(reason=" "), NOW)


def test_an_update_stays_with_its_incident() -> None:
    state, _ = play(drafted())
    with pytest.raises(Refused, match="another incident"):
        NOTICE.decide(state, drafted(incident="other"), NOW)


def test_a_draft_is_made_from_a_template() -> None:
    made = draft(
        incident="i",
        template="t",
        audience="executives",
        subject="INC-7 {{ status }}",
        body="Next: {{ next_steps }}",
        fields=FIELDS,
        required=STRUCTURE,
    )
    assert (made.subject, made.body) == ("INC-7 contained", "Next: Watch the gap.\n")
    assert (made.fields, made.required) == (FIELDS, STRUCTURE)
    with pytest.raises(Invalid):
        draft(incident="i", template="t", audience="executives", subject="{{ nothing }}", body="b", fields={})


# --- deliveries -----------------------------------------------------------------------------------


def test_a_delivery_without_a_key_is_refused() -> None:
    state, _ = play(*HISTORY["released"])
    with pytest.raises(Refused, match="with its key"):
        NOTICE.decide(state, attempt(key=""), NOW)


def test_another_outcome_under_the_same_key_is_news() -> None:
    state, events = play(*HISTORY["released"], attempt("failed"), attempt("failed"), attempt("accepted"))
    assert [each.outcome for each in state.attempts] == ["failed", "accepted"]
    assert len(events) == 4


def test_a_delivery_is_tried_three_times_each_with_a_key_of_its_own() -> None:
    history, keys = [*HISTORY["released"]], []
    for number in (1, 2, 3):
        state, _ = play(*history)
        wanted = next_attempt(state, "u", "ana", "mail")
        assert wanted == (number, delivery_key("u", "ana", "mail", number))
        keys.append(wanted[1])
        history.append(attempt("failed", key=wanted[1]))
    assert len(set(keys)) == 3
    assert next_attempt(play(*history)[0], "u", "ana", "mail") is None
    assert next_attempt(play(*history)[0], "u", "bo", "mail") is not None
    assert next_attempt(play(*history)[0], "u", "ana", "hook") == (1, delivery_key("u", "ana", "hook", 1))


@pytest.mark.parametrize("name", ["drafted", "sent", "withdrawn", "recalled"])
def test_nothing_is_sent_before_release_after_acceptance_or_after_withdrawal(name: str) -> None:
    state, _ = play(*HISTORY[name])
    assert next_attempt(state, "u", "ana", "mail") is None


def test_the_same_attempt_again_is_not_counted_twice() -> None:
    """A lease that expired sends again with the same key and may tell both outcomes."""
    state, _ = play(
        *HISTORY["released"], attempt("failed"), attempt("failed", key="k2"), attempt("failed", key="k1")
    )
    wanted = next_attempt(state, "u", "ana", "mail")
    assert wanted is not None
    assert wanted[0] == 3


# --- cadence --------------------------------------------------------------------------------------

DECLARED = NOW
HALF_HOUR, HOUR, DAY = dt.timedelta(minutes=30), dt.timedelta(hours=1), dt.timedelta(days=1)


@pytest.mark.parametrize(
    ("audience", "severity", "after"),
    [
        ("executives", 0, HALF_HOUR),
        ("executives", 1, HALF_HOUR),
        ("executives", None, HALF_HOUR),  # unknown counts as rank 1
        ("executives", 2, None),
        ("executives", 3, None),
        ("departments", 0, HOUR),
        ("departments", 2, None),
        ("responders", 0, DAY),
        ("responders", 1, 7 * DAY),
        ("responders", 3, 7 * DAY),
        ("customers", 0, None),
    ],
)
def test_how_soon_an_audience_hears_again(
    audience: str, severity: int | None, after: dt.timedelta | None
) -> None:
    due = next_update_due(severity, None, DECLARED, audience=audience)
    assert due == (DECLARED + after if after else None)


def test_the_clock_runs_from_the_last_update() -> None:
    sent = DECLARED + dt.timedelta(minutes=47)
    assert next_update_due(0, sent, DECLARED) == sent + HALF_HOUR


@pytest.mark.parametrize(
    ("sent", "due"),
    [
        ("2026-01-14T15:30", "2026-01-14T16:30"),  # a Wednesday
        ("2026-01-14T15:59", "2026-01-14T16:59"),
        ("2026-01-14T16:00", "2026-01-15T09:00"),  # 17:00 is closed
        ("2026-01-14T02:00", "2026-01-14T09:00"),
        ("2026-01-16T16:30", "2026-01-19T09:00"),  # Friday evening to Monday
        ("2026-03-27T16:30", "2026-03-30T09:00"),  # over the weekend on which the clock changes
    ],
)
def test_departments_hear_in_their_business_hours(sent: str, due: str) -> None:
    zone = ZoneInfo("Europe/Berlin")
    hours = BusinessHours(time_zone="Europe/Berlin")
    last = dt.datetime.fromisoformat(sent).replace(tzinfo=zone)
    found = next_update_due(0, last, last, audience="departments", hours=hours)
    assert found is not None
    assert found == dt.datetime.fromisoformat(due).replace(tzinfo=zone)
    assert found.tzinfo is dt.UTC


def test_hours_that_never_come_do_not_swallow_an_update() -> None:
    never = BusinessHours(weekdays=())
    assert next_update_due(0, NOW, NOW, audience="departments", hours=never) == NOW + HOUR


def test_time_without_a_zone_is_refused() -> None:
    with pytest.raises(Invalid):
        next_update_due(0, None, dt.datetime(2026, 1, 14))  # noqa: DTZ001 - that is the point
