"""Containment when the outside misbehaves: undone by whom, checked for ever, bound to what was previewed (CON-3)."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.stories.harness import World
from tocsin.connectors.ports import Acted, Answer, Params
from tocsin.engine import contain, escalate
from tocsin.kernel.errors import Refused, Unavailable
from tocsin.response.containment.action import CONTAINMENT, Containment
from tocsin.store import tables


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
        for by, reason, said in (
            ("ben", "Worse", "takes the incident commander"),
            ("ada", " ", "with a reason"),
        ):
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


# --- does it still hold? --------------------------------------------------------------------------


class Wrecked(Exception):
    """What no connector promises to raise."""


def test_a_probe_that_breaks_again_and_again_does_not_end_the_checks() -> None:
    with World() as world:
        id, action = contained(world)
        answer = world.probe.answer

        def breaks(params: Params, given: Params) -> Answer:
            raise Wrecked("The probe fell over.")

        world.probe.answer = breaks  # type: ignore[method-assign]  # the outside misbehaves
        world.passes(minutes=30)
        assert world.incident(id).status == "contained"
        world.probe.answer = answer  # type: ignore[method-assign]
        world.probe.says["serving"] = "no"
        world.passes(minutes=2)
        assert world.incident(id).status == "investigating"
        assert state(world, action).status == "acted"


def test_a_probe_that_breaks_after_the_action_is_unknown_with_the_reason() -> None:
    with World() as world:
        _, action = asked(world)

        def breaks(params: Params, given: Params) -> Answer:
            raise Wrecked("The probe fell over.")

        answer, world.probe.answer = world.probe.answer, breaks  # type: ignore[method-assign]
        contain.approve(world.program.world, action, by="ada", actor="person:ada")
        world.passes(minutes=3)
        (check,) = state(world, action).checks
        assert (check.holds, check.detail) == ("unknown", "It could not be asked: The probe fell over.")
        world.probe.answer = answer  # type: ignore[method-assign]
        world.passes(minutes=2)
        assert state(world, action).status == "verified"


@contextmanager
def wrecked(world: World, kind: str) -> Iterator[None]:
    """Let every errand of `kind` fail inside the engine, so that it is given up."""

    def fails(request: Any, program: Any) -> None:
        raise Wrecked("The engine fell over.")

    errands = world.program.runner.errands
    sound = errands[kind]
    errands[kind] = dataclasses.replace(sound, perform=fails)
    yield
    errands[kind] = sound


def test_checks_that_the_engine_gives_up_go_on() -> None:
    with World() as world:
        id, _ = contained(world)
        with wrecked(world, "contain.recheck"):
            world.passes(minutes=10)
        world.probe.says["serving"] = "no"
        world.passes(minutes=3)
        assert world.incident(id).status == "investigating"


def test_a_lost_containment_that_holds_again_is_found_every_time_by_one_chain_of_checks() -> None:
    with World() as world:
        id, action = contained(world)
        for _ in range(3):
            world.probe.says["serving"] = "no"
            world.passes(minutes=4)
            assert (world.incident(id).status, state(world, action).status) == ("investigating", "acted")
            world.probe.says["serving"] = "unknown"
            world.passes(minutes=2)
            assert world.incident(id).status == "investigating"
            world.probe.says["serving"] = "yes"
            world.passes(minutes=4)
            assert (world.incident(id).status, state(world, action).status) == ("contained", "verified")
        assert len(world.said(id, "Containment lost")) == 3
        waiting = tables.job.select().where(
            tables.job.c.kind == "contain.recheck", tables.job.c.state == "waiting"
        )
        assert len(world.program.world.store.read(lambda c: c.execute(waiting).all())) == 1


# --- the preview binds ----------------------------------------------------------------------------


def test_what_changed_since_the_preview_is_not_acted_on() -> None:
    with World() as world:
        _, action = asked(world)
        loan = world.registry.models["loan"]
        loan.versions["4"], loan.alias = b"hot fix", "4"
        contain.approve(world.program.world, action, by="ada", actor="person:ada")
        world.passes(minutes=2)
        assert (loan.alias, world.registry.writes) == ("4", 0)
        failed = state(world, action)
        assert (failed.status, failed.failed_stage) == ("failed", "act")
        assert failed.failure == (
            "The state changed since the preview: alias champion of loan was version 3 and is version 4. "
            "Preview it again."
        )


def test_what_is_as_wanted_already_is_no_change_since_the_preview() -> None:
    with World() as world:
        id, action = asked(world)
        world.registry.models["loan"].alias = "2"
        contain.approve(world.program.world, action, by="ada", actor="person:ada")
        world.passes(seconds=5)
        assert (world.incident(id).status, world.registry.writes) == ("contained", 0)


# --- what is deployed -----------------------------------------------------------------------------


def watched() -> str:
    """Return the story's configuration with a system whose versions are looked up."""
    text = (Path(__file__).parent / "loan.yaml").read_text()
    return text.replace(
        "playbooks: {bias: loan-bias}\n", "playbooks: {bias: loan-bias}\nversions_from: mlflow\n", 1
    )


def deployed(world: World) -> list[tuple[str, bool]]:
    """Return each version noted, with whether its digest was."""
    query = tables.deployment.select().order_by(tables.deployment.c.id)
    rows = world.program.world.store.read(lambda connection: connection.execute(query).all())
    return [(row.version, "digest" in msgspec.json.decode(row.document)) for row in rows]


def test_a_registry_that_breaks_again_and_again_does_not_end_the_looks() -> None:
    with World(config=watched()) as world:
        world.passes(minutes=1)
        describe = world.registry.describe_state

        def breaks(params: Params) -> dict[str, str]:
            raise Wrecked("The registry fell over.")

        world.registry.describe_state = breaks  # type: ignore[method-assign]  # the outside misbehaves
        world.passes(minutes=5)
        world.registry.describe_state = describe  # type: ignore[method-assign]
        with wrecked(world, "deployments.look"):
            world.passes(minutes=5)
        world.registry.models["loan"].alias = "2"
        world.passes(minutes=1)
        assert deployed(world) == [("3", True), ("2", True)]


def test_a_clock_set_back_does_not_end_the_looks() -> None:
    with World(config=watched()) as world:
        world.passes(minutes=1)
        waiting = tables.job.select().where(
            tables.job.c.kind == "deployments.look", tables.job.c.state == "waiting"
        )
        store = world.program.world.store
        (look,) = store.read(lambda connection: connection.execute(waiting).all())
        # The look is claimed at its time, and the clock is set back before it is recorded.
        describe = world.registry.describe_state

        def meanwhile(params: Params) -> dict[str, str]:
            world.registry.describe_state = describe  # type: ignore[method-assign]
            world.clock._now = look.due_at - dt.timedelta(seconds=30)
            return describe(params)

        world.registry.describe_state = meanwhile  # type: ignore[method-assign]
        world.passes(seconds=10)
        (following,) = store.read(lambda connection: connection.execute(waiting).all())
        assert following.due_at > look.due_at


def test_looks_leave_the_digest_out_until_the_version_is_another() -> None:
    with World(config=watched()) as world:
        asked_for: list[str] = []
        describe = world.registry.describe_state

        def counts(params: Params) -> dict[str, str]:
            asked_for.append(params.get("digest", "yes"))
            told = describe(params)
            return {name: value for name, value in told.items() if name != "digest" or asked_for[-1] == "yes"}

        world.registry.describe_state = counts  # type: ignore[method-assign]
        world.passes(minutes=2)
        assert len(asked_for) > 5
        assert asked_for.count("yes") == 1
        world.registry.models["loan"].alias = "2"
        world.passes(minutes=1)
        assert asked_for.count("yes") == 2
        assert deployed(world) == [("3", True), ("2", True)]
