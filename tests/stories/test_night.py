"""A night on call, told on a virtual clock: who is called, when, and what an answer changes."""

from __future__ import annotations

import datetime as dt
import itertools

from tests.stories.harness import START, World
from tocsin.engine import escalate
from tocsin.response.oncall.link import read_link


def test_nobody_answers_all_night_and_nobody_is_forgotten() -> None:
    with World() as world:
        id = world.declare("Loan model denies one group", system="loan", category="bias", severity=0)
        world.passes(hours=8)
        levels = [
            (line.at - START, line.text) for line in world.said(id, "Paging") if "level 0" not in line.text
        ]
        assert levels == [
            (dt.timedelta(0), "Paging Ada Brandt (level 1)"),
            (dt.timedelta(minutes=5), "Paging Ben Achebe (level 2)"),
            (dt.timedelta(minutes=10), "Paging Fay Moreau (level 3)"),
        ]
        assert world.said(id, "everyone able is called")[0].at - START == dt.timedelta(minutes=20)
        calls = [at.at for at in world.said(id, "Paging Ada Brandt (level 0)")]
        gaps = {later - earlier for earlier, later in itertools.pairwise(calls)}
        assert gaps == {dt.timedelta(minutes=15)}
        assert calls[-1] > START + dt.timedelta(hours=7, minutes=30)
        keys = [message.key for message in world.sender.sent]
        assert len(keys) == len(set(keys))


def test_the_stand_in_answers_and_the_calling_stops() -> None:
    with World() as world:
        id = world.declare("Loan model denies one group", system="loan", category="bias", severity=0)
        world.passes(minutes=6)
        (mail,) = world.mails_to("ben")
        token = world.link_in(mail).rsplit("/", 1)[1]
        claim = read_link(world.program.world.link_secret, token, world.clock.now())
        assert claim["person"] == "ben"
        escalate.acknowledge(
            world.program.world, id, "ben", page_id=claim["page"], how="link", actor="person:ben"
        )
        world.passes(hours=8)
        incident = world.incident(id)
        assert incident.roles == {"commander": "ben"}
        assert incident.status == "investigating"
        assert incident.deadlines_done["respond"] == "met"
        assert world.mails_to("fay") == []
        assert len(world.mails_to("ada")) == 1


def test_the_first_mail_of_the_night_still_answers_in_the_morning() -> None:
    with World() as world:
        id = world.declare("Loan model denies one group", system="loan", category="bias", severity=0)
        world.passes(hours=9)
        token = world.link_in(world.mails_to("ada")[0]).rsplit("/", 1)[1]
        claim = read_link(world.program.world.link_secret, token, world.clock.now())
        assert world.paging(id).page(claim["page"]) is None  # put away hours ago
        escalate.acknowledge(
            world.program.world, id, "ada", page_id=claim["page"], how="link", actor="person:ada"
        )
        world.settles()
        assert world.incident(id).roles == {"commander": "ada"}
        sent = len(world.sender.sent)
        world.passes(hours=1)
        assert len(world.sender.sent) == sent


def test_a_mail_server_that_is_down_is_tried_again_and_every_attempt_is_on_the_record() -> None:
    with World() as world:
        world.sender.failing["ada@example.org"] = "The mail server did not answer."
        id = world.declare("Loan model denies one group", system="loan", category="bias", severity=0)
        world.passes(minutes=2)
        attempts = world.said(id, "Page by mail: failed")
        assert len(attempts) == 3
        assert {line.detail for line in attempts} == {"The mail server did not answer."}
        world.passes(minutes=4)
        assert world.mails_to("ben")


def test_a_restart_between_two_levels_loses_no_level_and_doubles_none() -> None:
    with World() as world:
        id = world.declare("Loan model denies one group", system="loan", category="bias", severity=0)
        world.passes(minutes=4)
        world.restart()
        world.passes(minutes=2)
        world.restart()
        world.passes(minutes=6)
        texts = [line.text for line in world.said(id, "Paging")]
        assert texts == [
            "Paging Ada Brandt (level 1)",
            "Paging Ben Achebe (level 2)",
            "Paging Fay Moreau (level 3)",
        ]


def test_rank_two_never_wakes_the_executive() -> None:
    with World() as world:
        id = world.declare("Slight drift", system="loan", category="bias", severity=2)
        world.passes(hours=1)
        assert not [line for line in world.said(id, "Paging") if "level 3" in line.text]


def test_an_unknown_severity_pages_as_rank_one_until_it_is_set() -> None:
    with World() as world:
        id = world.declare("Something is odd", system="loan")
        world.passes(minutes=11)
        assert world.incident(id).severity is None
        assert world.said(id, "Paging Fay Moreau (level 3)")


def test_the_hand_over_at_nine_in_berlin_decides_who_is_called() -> None:
    with World() as world:
        monday = dt.datetime(2026, 3, 9, 7, 59, tzinfo=dt.UTC)
        world.clock.set(monday)
        early = world.declare("Before the hand-over", system="loan", severity=0)
        world.passes(minutes=2)
        late = world.declare("After the hand-over", system="loan", severity=0)
        world.settles()
        assert world.said(early, "Paging")[0].text == "Paging Ada Brandt (level 1)"
        assert world.said(late, "Paging")[0].text == "Paging Ben Achebe (level 1)"


def test_respond_by_and_resolve_by_run_and_are_breached_once() -> None:
    with World() as world:
        id = world.declare(
            "Loan model denies one group", system="loan", facts={"protected_group_harmed": True}
        )
        assert world.incident(id).severity == 0
        deadlines = world.incident(id).deadlines
        world.passes(hours=5)
        done = world.incident(id).deadlines_done
        assert done == {"respond": "breached", "resolve": "breached"}
        breaches = {line.text: line.at for line in world.timeline(id) if "-by time passed" in line.text}
        assert breaches == {
            "The respond-by time passed": deadlines["respond"].due,
            "The resolve-by time passed": deadlines["resolve"].due,
        }
