"""Escalation: which level is called next, how long it has, who that is, and the sentence that says why.

Everything is computed from the policy as it was when the escalation started, so that a change of the
policy never breaks a running one. Levels and rounds count from 1; `LAST_CALL` is level 0.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from tocsin.catalog.escalation_policy import EscalationPolicy, Level, Target
from tocsin.catalog.rotation import Schedule
from tocsin.catalog.team import Person, Team
from tocsin.kernel.severity import Severity, paging_rank
from tocsin.response.oncall import schedule as rota

LAST_CALL = 0
"""The level that stands for everyone able, after the last level of the last round."""

ANSWER_WITHIN: Mapping[int, dt.timedelta] = {
    0: dt.timedelta(minutes=5),
    1: dt.timedelta(minutes=15),
    2: dt.timedelta(hours=2),
    3: dt.timedelta(hours=2),
}
"""Acknowledgement expected by severity rank (TEAM-4; internal target). A policy's level may say otherwise."""

LAST_CALL_WAITS = 3
"""Between two last calls lie this many times `ANSWER_WITHIN`: everyone has just been called."""

LONG = dt.timedelta(days=60)
"""A shift that lasts longer than this is told without its end."""

Where = tuple[int, int]
"""(level, round)."""


class Callee(msgspec.Struct, frozen=True, kw_only=True):
    """A person to page, by which contact methods in order, and the sentence that says why."""

    person: str
    methods: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """Whom a level calls; `notes` tell who should have been called and could not be."""

    people: tuple[Callee, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """Who there is, and how to find them: the part of the configuration that escalation needs."""

    people: Mapping[str, Person]
    teams: Mapping[str, Team] = field(default_factory=dict)
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    away: frozenset[str] = frozenset()
    """People who cannot be reached at all, whatever their contact methods."""

    def methods(self, person: str) -> tuple[str, ...]:
        """Return the ids of a person's contact methods, first choice first; empty when out of reach."""
        known = self.people.get(person)
        return () if known is None or person in self.away else tuple(way.id for way in known.contact)

    def name(self, person: str) -> str:
        """Return what a person is called."""
        known = self.people.get(person)
        return known.name if known else person


# --- which level, and when ------------------------------------------------------------------------


def rounds(policy: EscalationPolicy) -> int:
    """Return how often the levels are gone through before the last call."""
    return 1 + policy.repeat


def first(policy: EscalationPolicy, severity: Severity, first_round: int = 1) -> Where:
    """Return the level to call first; the last call when no level serves this severity."""
    level = _serving(policy, severity, 0)
    return (level, first_round) if level else (LAST_CALL, first_round)


def following(policy: EscalationPolicy, severity: Severity, left: Where, first_round: int = 1) -> Where:
    """Return the level to call after `left` went unanswered.

    Levels that are not for this severity are passed over. After the last level the round starts again as
    often as the policy repeats; then comes the last call, as often as it takes.
    """
    level, round = left
    if level == LAST_CALL:
        return (LAST_CALL, round + 1)
    if after := _serving(policy, severity, level):
        return (after, round)
    if round - first_round + 1 < rounds(policy):
        return first(policy, severity, round + 1)
    return (LAST_CALL, round + 1)


def acknowledge_within(policy: EscalationPolicy, level: int, severity: Severity) -> dt.timedelta:
    """Return how long `level` has to answer."""
    if level == LAST_CALL:
        return ANSWER_WITHIN[paging_rank(severity)] * LAST_CALL_WAITS
    return dt.timedelta(seconds=policy.levels[level - 1].acknowledge_seconds(severity))


def _serving(policy: EscalationPolicy, severity: Severity, after: int) -> int:
    numbered = enumerate(policy.levels, start=1)
    return next((number for number, level in numbered if number > after and level.serves(severity)), 0)


# --- who ------------------------------------------------------------------------------------------


def who(policy: EscalationPolicy, level: int, directory: Directory, at: dt.datetime) -> Called:
    """Return whom `level` calls at `at`, everyone able for the last call.

    Somebody who is on call and has no way to be reached is replaced by the next able person of the same
    layer (TEAM-3); the notes say so.
    """
    if level == LAST_CALL:
        return everyone(directory)
    people: dict[str, Callee] = {}
    notes: list[str] = []
    for target in policy.levels[level - 1].notify:
        called = _of_target(target, directory, at)
        notes += called.notes
        for callee in called.people:
            people.setdefault(callee.person, callee)
    return Called(people=tuple(people.values()), notes=tuple(notes))


def everyone(directory: Directory) -> Called:
    """Return everyone able: people who can be reached and can take a role; failing that, all who can be reached."""
    reachable = [person for person in directory.people.values() if directory.methods(person.id)]
    able = [person for person in reachable if person.roles] or reachable
    callees = tuple(
        _callee(directory, person.id, "Nobody answered at any level, so everyone who can help is called.")
        for person in sorted(able, key=lambda person: person.id)
    )
    return Called(people=callees, notes=() if callees else ("Nobody in the catalog can be reached.",))


def _of_target(target: Target, directory: Directory, at: dt.datetime) -> Called:
    kinds: tuple[tuple[str | None, Callable[[str, Directory, dt.datetime], Called]], ...] = (
        (target.schedule, _of_schedule),
        (target.team, _of_team),
        (target.person, _of_person),
    )
    return next((find(id, directory, at) for id, find in kinds if id), Called(people=()))


def _of_schedule(id: str, directory: Directory, at: dt.datetime) -> Called:
    found = directory.schedules.get(id)
    if found is None:
        return Called(people=(), notes=(f"The schedule {id} does not exist any more.",))
    shift = rota.shift_at(found, at)
    if shift is None:
        return Called(people=(), notes=(f"Nobody is on call in {found.name} at this time.",))
    name, why = directory.name(shift.person), f"is on call in {found.name}{_until(shift, found, at)}."
    if directory.methods(shift.person):
        return Called(people=(_callee(directory, shift.person, f"{name} {why}"),))
    lost = f"{name} {why[:-1]}, and cannot be reached."
    for other in rota.stand_ins(found, at):
        if directory.methods(other):
            sentence = f"{directory.name(other)} is the next able person in {found.name}: {lost}"
            return Called(people=(_callee(directory, other, sentence),), notes=(lost,))
    return Called(people=(), notes=(lost,))


def _of_team(id: str, directory: Directory, at: dt.datetime) -> Called:
    team = directory.teams.get(id)
    if team is None:
        return Called(people=(), notes=(f"The team {id} does not exist any more.",))
    callees = []
    notes = []
    for member in team.members:
        sentence = f"{directory.name(member)} is a member of {team.name}."
        if directory.methods(member):
            callees.append(_callee(directory, member, sentence))
        else:
            notes.append(f"{sentence[:-1]}, and cannot be reached.")
    return Called(people=tuple(callees), notes=tuple(notes))


def _of_person(id: str, directory: Directory, at: dt.datetime) -> Called:
    if directory.methods(id):
        return Called(people=(_callee(directory, id, f"{directory.name(id)} is named by the policy."),))
    return Called(people=(), notes=(f"{directory.name(id)} is named by the policy, and cannot be reached.",))


def _callee(directory: Directory, person: str, why: str) -> Callee:
    return Callee(person=person, methods=directory.methods(person), why=why)


def _until(shift: rota.Shift, schedule: Schedule, at: dt.datetime) -> str:
    reason = f" ({shift.why})" if shift.why else ""
    if shift.end - at > LONG:
        return reason
    return f" until {shift.end.astimezone(rota.zone(schedule)):%Y-%m-%d %H:%M} {schedule.time_zone}{reason}"


# --- sentences ------------------------------------------------------------------------------------


def plan(policy: EscalationPolicy, severity: Severity) -> tuple[str, ...]:
    """Return the escalation as sentences, one per level of the first round, and how it ends."""
    lines = [
        f"Level {number}: {_targets(level)}, {_minutes(acknowledge_within(policy, number, severity))} to answer."
        for number, level in enumerate(policy.levels, start=1)
        if level.serves(severity)
    ]
    again = f"This is gone through {rounds(policy)} times. " if policy.repeat and lines else ""
    return (*lines, f"{again}Then everyone who can help is called until somebody answers.")


def _targets(level: Level) -> str:
    names = (
        f"whoever is on call in {target.schedule}"
        if target.schedule
        else f"everyone in {target.team}"
        if target.team
        else f"{target.person}"
        for target in level.notify
    )
    return ", ".join(names)


def _minutes(span: dt.timedelta) -> str:
    seconds = int(span.total_seconds())
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} s"
