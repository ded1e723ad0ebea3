"""Containment when the outside misbehaves: undone by whom, checked for ever, bound to what was previewed (CON-3)."""

from __future__ import annotations

import pytest

from tests.stories.harness import World
from tocsin.connectors.ports import Acted, Params
from tocsin.engine import contain, escalate
from tocsin.kernel.errors import Refused, Unavailable
from tocsin.response.containment.action import CONTAINMENT, Containment


def asked(world: World) -> tuple[str, str]:
    """Declare, let Ada command, ask for the rollback as Ben; return the ids of incident and action."""
    program = world.program.world
    id = world.declare("Loan model", system="loan", facts={"protected_group_harmed": True})
    escalate.acknowledge(program, id, "ada", page_id=None, how="console", actor="person:ada")
    world.settles()
    action = contain.request(program, id, "rollback", reason="Stop it", by="ben", actor="person:ben")
    return id, action


def contained(world: World) -> tuple[str, str]:
    """Return the ids of an incident and of the action that contains it."""
    id, action = asked(world)
    contain.approve(world.program.world, action, by="ada", actor="person:ada")
    world.passes(seconds=5)
    assert world.incident(id).status == "contained"
    return id, action


def state(world: World, action: str) -> Containment:
    return world.program.world.store.state(CONTAINMENT, action)


def test_only_who_may_approve_undoes_and_nothing_moves_before_it_is_decided() -> None:
    with World() as world:
        id, action = contained(world)
        program = world.program.world
        for by, reason, said in (("ben", "Worse", "takes the incident commander"), ("ada", " ", "with a reason")):
            with pytest.raises(Refused, match=said):
                contain.revert(program, action, by=by, reason=reason, actor=f"person:{by}")
        world.settles()
        assert world.registry.models["loan"].alias == "2"
        told = contain.revert(program, action, by="ada", reason="Worse", actor="person:ada")
        assert (told.status, told.being_undone()) == ("verified", True)
        assert world.registry.models["loan"].alias == "2"
        world.settles()
        assert world.registry.models["loan"].alias == "3"
        assert (state(world, action).status, state(world, action).reverted_by) == ("reverted", "ada")
        assert world.incident(id).status == "investigating"


def test_undoing_resumes_after_a_failure_in_its_midst_and_a_restart() -> None:
    with World() as world:
        _, action = contained(world)
        act = world.registry.act
        calls: list[Params] = []

        def lost_answer(params: Params) -> Acted:
            done = act(params)
            calls.append(params)
            if len(calls) == 1:
                raise Unavailable("The answer was lost.")
            return done

        world.registry.act = lost_answer  # type: ignore[method-assign]  # the outside misbehaves
        writes = world.registry.writes
        contain.revert(world.program.world, action, by="ada", reason="Worse", actor="person:ada")
        world.settles()
        assert (len(calls), state(world, action).being_undone()) == (1, True)
        world.restart()
        world.passes(seconds=10)
        assert state(world, action).status == "reverted"
        assert [one["to"] for one in calls] == ["3", "3"]
        assert world.registry.writes == writes + 1


def test_what_cannot_be_undone_outside_stays_in_effect_and_says_why() -> None:
    with World() as world:
        id, action = contained(world)
        world.registry.models["loan"].broken.add("3")
        contain.revert(world.program.world, action, by="ada", reason="Worse", actor="person:ada")
        world.passes(minutes=2)
        kept = state(world, action)
        assert (kept.status, kept.being_undone()) == ("verified", False)
        assert "Version 3 is not READY" in kept.revert_failure
        assert world.incident(id).status == "contained"
