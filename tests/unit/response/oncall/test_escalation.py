"""Who a level calls, and the sentence that says why this person."""

from __future__ import annotations

import datetime as dt

import pytest

from tocsin.catalog.escalation_policy import EscalationPolicy, Level, Target
from tocsin.catalog.rotation import Layer, Override, Schedule
from tocsin.catalog.team import ContactMethod, Person, Team
from tocsin.response.oncall.escalation import (
    LAST_CALL,
    Callee,
    Directory,
    acknowledge_within,
    everyone,
    first,
    following,
    plan,
    rounds,
    who,
)

AT = dt.datetime(2026, 1, 14, 12, tzinfo=dt.UTC)


def person(id: str, *, reachable: bool = True, roles: tuple[str, ...] = ("commander",)) -> Person:
    ways = (
        ContactMethod(id="mail", kind="email", address=f"{id}@example.org"),
        ContactMethod(id="hook", kind="webhook", address=f"https://example.org/{id}"),
    )
    return Person(
        id=id, name=id.capitalize(), email=f"{id}@example.org", contact=ways if reachable else (), roles=roles
    )


ROTA = Schedule(
    id="commanders",
    name="Commanders",
    time_zone="Europe/Berlin",
    layers=(Layer(id="weekly", people=("ana", "bo", "cy"), start=dt.date(2026, 1, 5)),),
)


def directory(*people: Person, rota: Schedule = ROTA, away: tuple[str, ...] = ()) -> Directory:
    known = people or tuple(person(id) for id in ("ana", "bo", "cy"))
    return Directory(
        people={each.id: each for each in known},
        teams={"ml": Team(id="ml", name="ML engineers", members=("ana", "cy"))},
        schedules={rota.id: rota},
        away=frozenset(away),
    )


def policy(*targets: Target, **more: object) -> EscalationPolicy:
    return EscalationPolicy(id="p", name="P", levels=(Level(notify=targets),), **more)


ON_CALL = policy(Target(schedule="commanders"))


def test_a_schedule_calls_whoever_is_on_call_and_says_until_when() -> None:
    called = who(ON_CALL, 1, directory(), AT)
    assert called.people == (
        Callee(
            person="bo",
            methods=("mail", "hook"),
            why="Bo is on call in Commanders until 2026-01-19 09:00 Europe/Berlin.",
        ),
    )
    assert called.notes == ()


def test_an_override_says_its_reason() -> None:
    override = Override(person="cy", start=AT, end=AT + dt.timedelta(hours=6), reason="holiday")
    rota = Schedule(
        id="commanders", name="Commanders", time_zone="UTC", layers=ROTA.layers, overrides=(override,)
    )
    (callee,) = who(ON_CALL, 1, directory(rota=rota), AT).people
    assert callee.why == "Cy is on call in Commanders until 2026-01-14 18:00 UTC (holiday)."


def test_a_shift_without_an_end_in_sight_is_told_without_one() -> None:
    layer = Layer(id="lone", people=("ana",), start=dt.date(2026, 1, 5))
    rota = Schedule(id="commanders", name="Commanders", time_zone="UTC", layers=(layer,))
    (callee,) = who(ON_CALL, 1, directory(rota=rota), AT).people
    assert callee.why == "Ana is on call in Commanders."


def test_when_the_one_on_call_cannot_be_reached_the_next_able_person_is_called() -> None:
    known = directory(person("ana"), person("bo", reachable=False), person("cy", reachable=False))
    called = who(ON_CALL, 1, known, AT)
    lost = "Bo is on call in Commanders until 2026-01-19 09:00 Europe/Berlin, and cannot be reached."
    assert called.people == (
        Callee(
            person="ana",
            methods=("mail", "hook"),
            why=f"Ana is the next able person in Commanders: {lost}",
        ),
    )
    assert called.notes == (lost,)


def test_somebody_away_cannot_be_reached_and_the_next_in_turn_is_called() -> None:
    (callee,) = who(ON_CALL, 1, directory(away=("bo",)), AT).people
    assert callee.person == "cy"


def test_when_nobody_of_a_schedule_can_be_reached_the_notes_say_so() -> None:
    called = who(ON_CALL, 1, directory(away=("ana", "bo", "cy")), AT)
    assert called.people == ()
    assert called.notes[0].endswith("cannot be reached.")


def test_when_nobody_is_on_call_the_notes_say_so() -> None:
    called = who(ON_CALL, 1, directory(), dt.datetime(2025, 12, 1, tzinfo=dt.UTC))
    assert called.people == ()
    assert called.notes == ("Nobody is on call in Commanders at this time.",)


def test_a_team_calls_every_member_that_can_be_reached() -> None:
    known = directory(person("ana"), person("bo"), person("cy", reachable=False))
    called = who(policy(Target(team="ml")), 1, known, AT)
    assert [(callee.person, callee.why) for callee in called.people] == [
        ("ana", "Ana is a member of ML engineers.")
    ]
    assert called.notes == ("Cy is a member of ML engineers, and cannot be reached.",)


def test_a_person_is_called_by_name() -> None:
    (callee,) = who(policy(Target(person="cy")), 1, directory(), AT).people
    assert (callee.person, callee.why) == ("cy", "Cy is named by the policy.")
    gone = who(policy(Target(person="di")), 1, directory(), AT)
    assert gone.notes == ("di is named by the policy, and cannot be reached.",)


@pytest.mark.parametrize("target", [Target(schedule="gone"), Target(team="gone")])
def test_what_is_gone_since_the_escalation_began_is_noted(target: Target) -> None:
    called = who(policy(target), 1, directory(), AT)
    assert called.people == ()
    assert "gone does not exist any more." in called.notes[0]


def test_a_person_named_twice_is_called_once_for_the_first_reason() -> None:
    both = policy(Target(schedule="commanders"), Target(person="bo"), Target(team="ml"))
    called = who(both, 1, directory(), AT)
    assert [callee.person for callee in called.people] == ["bo", "ana", "cy"]
    assert "on call" in called.people[0].why


def test_the_last_call_goes_to_everyone_who_can_take_a_role() -> None:
    known = directory(person("cy"), person("ana"), person("bo", roles=()), person("di", reachable=False))
    called = who(ON_CALL, LAST_CALL, known, AT)
    assert [callee.person for callee in called.people] == ["ana", "cy"]
    assert called.people[0].why.startswith("Nobody answered at any level")


def test_the_last_call_goes_to_all_who_can_be_reached_when_nobody_has_a_role() -> None:
    called = everyone(directory(person("bo", roles=()), person("ana", roles=())))
    assert [callee.person for callee in called.people] == ["ana", "bo"]
    nobody = everyone(directory(person("ana", reachable=False)))
    assert nobody.notes == ("Nobody in the catalog can be reached.",)


TWO = EscalationPolicy(
    id="two",
    name="Two",
    levels=(
        Level(
            notify=(Target(schedule="commanders"),),
            acknowledge_by_rank={"0": 90},
            acknowledge_within_seconds=600,
        ),
        Level(notify=(Target(team="ml"), Target(person="cy")), ranks=(0, 1)),
    ),
    repeat=1,
)

# severity | left | next
STEPS = """
0 | start | 1.1
0 | 1.1   | 2.1
0 | 2.1   | 1.2
0 | 1.2   | 2.2
0 | 2.2   | 0.3
0 | 0.3   | 0.4
3 | start | 1.1
3 | 1.1   | 1.2
3 | 1.2   | 0.3
- | 1.1   | 2.1
"""


@pytest.mark.parametrize("row", STEPS.strip().splitlines())
def test_what_follows(row: str) -> None:
    rank, left, after = (cell.strip() for cell in row.split("|"))
    severity = None if rank == "-" else int(rank)
    level, round = (int(part) for part in after.split("."))
    if left == "start":
        assert first(TWO, severity) == (level, round)
    else:
        assert following(TWO, severity, tuple(int(part) for part in left.split("."))) == (level, round)


def test_rounds_count_from_the_one_in_which_the_escalation_began() -> None:
    assert rounds(TWO) == 2
    assert following(TWO, 0, (2, 5), first_round=5) == (1, 6)
    assert following(TWO, 0, (2, 6), first_round=5) == (LAST_CALL, 7)


@pytest.mark.parametrize(
    ("level", "severity", "minutes"),
    [(1, 0, 1.5), (1, 1, 10), (1, None, 10), (LAST_CALL, 0, 15), (LAST_CALL, 1, 45), (LAST_CALL, None, 45),
     (LAST_CALL, 2, 360), (LAST_CALL, 3, 360)],
)  # fmt: skip
def test_how_long_a_level_has(level: int, severity: int | None, minutes: float) -> None:
    assert acknowledge_within(TWO, level, severity) == dt.timedelta(minutes=minutes)


def test_the_plan_is_told_in_sentences() -> None:
    assert plan(TWO, 0) == (
        "Level 1: whoever is on call in commanders, 90 s to answer.",
        "Level 2: everyone in ml, cy, 5 min to answer.",
        "This is gone through 2 times. Then everyone who can help is called until somebody answers.",
    )
    assert plan(TWO, 3) == (
        "Level 1: whoever is on call in commanders, 10 min to answer.",
        "This is gone through 2 times. Then everyone who can help is called until somebody answers.",
    )
    assert plan(policy(), None)[-1] == "Then everyone who can help is called until somebody answers."
