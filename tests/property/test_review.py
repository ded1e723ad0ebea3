"""Whatever is written in whatever order: a finished review lacks nothing, and its events tell its state."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.catalog.review_form import ReviewQuestion
from tocsin.kernel.errors import Refused
from tocsin.kernel.event import payload_bytes
from tocsin.reviews.action_item import ATTITUDES, faults, proof_fault
from tocsin.reviews.fairness_review import GroupGap
from tocsin.reviews.figure import Times, figures
from tocsin.reviews.review import (
    INITIAL,
    REVIEW,
    AddActionItem,
    AddFactor,
    Answer,
    CompleteActionItem,
    Finish,
    Open,
    RecordFairness,
    RefreshRecord,
    Reopen,
    StateNoAction,
    may_close,
    missing,
)

QUESTIONS = tuple(
    ReviewQuestion(id=id, text=f"{id.capitalize()}?")
    for id in ("happened", "detected", "impact", "causes", "remedy", "well", "better", "change")
)
NOW = dt.datetime(2026, 11, 23, 3, tzinfo=dt.UTC)

severities = st.sampled_from([0, 1, 2, 3, None])
figure = st.none() | st.decimals(min_value=-1, max_value=1, places=3)
gaps = st.lists(
    st.builds(
        GroupGap,
        attribute=st.just("race"),
        group=st.sampled_from(["a", "b"]),
        reference=st.just("c"),
        measure=st.just("Denial gap"),
        before=figure,
        during=figure,
        after=figure,
        note=st.sampled_from(["", "The model is off."]),
    ),
    max_size=2,
).map(tuple)
prose = st.sampled_from(
    ["", "short", "A sentence that says quite enough.", "Another sentence that says enough."]
)
opens = st.builds(
    Open,
    incident=st.sampled_from(["i", "i", "j"]),
    severity=severities,
    gaps=gaps,
    questions=st.just(QUESTIONS),
)
commands = st.one_of(
    opens,
    st.builds(RefreshRecord, severity=severities, gaps=gaps),
    st.builds(Answer, question=st.sampled_from([q.id for q in QUESTIONS] + ["x"]), text=prose),
    st.builds(AddFactor, part=st.just("serving"), kind=st.just("human"), text=prose),
    st.builds(RecordFairness, assessable=st.booleans(), text=prose, gaps=gaps, redress=prose, safety=prose),
    st.builds(
        AddActionItem,
        item=st.sampled_from(["A", "B"]),
        text=st.sampled_from(["Improve monitoring", "Add a gate on the denial gap of loan"]),
        owner=st.sampled_from(["ana", "tbd"]),
        due=st.dates(dt.date(2026, 11, 20), dt.date(2026, 12, 20)),
        measure=st.sampled_from(["gap below 0.05 for a week", "it works"]),
    ),
    st.builds(
        CompleteActionItem, item=st.sampled_from(["A", "B"]), proof=st.sampled_from(["done", "gap 0.02"])
    ),
    st.builds(StateNoAction, reason=prose),
    st.builds(Finish, by=st.sampled_from(["ana", ""])),
    st.builds(Reopen, by=st.just("ben"), reason=prose),
)
WHOLE = (
    *(Answer(question=q.id, text="A sentence that says quite enough.") for q in QUESTIONS),
    AddFactor(part="serving", kind="human", text="A sentence that says quite enough."),
    RecordFairness(assessable=False, text="No attribute of persons is held."),
    StateNoAction(reason="A sentence that says quite enough."),
    Finish(by="ana"),
)


@st.composite
def scripts(draw) -> list:
    """A whole review in order, with random commands before, between and after; not every script has all of it."""
    script = []
    for command in WHOLE[: draw(st.integers(len(WHOLE) // 2, len(WHOLE) + 6))]:
        script += [*draw(st.lists(commands, max_size=2)), command]
    return script + draw(st.lists(commands, max_size=8))


@settings(max_examples=200)
@given(opens, scripts())
def test_a_finished_review_lacks_nothing_and_its_events_tell_its_state(first, script):
    state, stream, refusals = INITIAL, [], []
    for command in (first, *script):
        try:
            events = REVIEW.decide(state, command, NOW)
        except Refused as refusal:
            refusals.append(str(refusal))
            continue
        before = state
        for event in events:
            state = REVIEW.evolve(state, event)
            stream.append(event)
        assert bool(events) == (state != before)
        assert REVIEW.decide(state, command, NOW) == ()
        if state.status == "finished":
            assert missing(state) == ()
        assert (may_close(0, state) is None) == (state.status == "finished")
    assert all(len(text) > 20 and text.endswith((".", "?")) for text in refusals)
    assert REVIEW.fold(REVIEW.read_event(payload_bytes(event)) for event in stream) == state
    assert REVIEW.read_state(REVIEW.write_state(state)) == state
    assert len({item.id for item in state.items}) == len(state.items)
    assert {item.text for item in state.items} <= {"Add a gate on the denial gap of loan"}


@given(st.text(max_size=80), st.text(max_size=20), st.dates(), st.text(max_size=60))
def test_any_text_is_judged_in_whole_sentences(text, owner, due, measure):
    found = faults(text=text, owner=owner, due=due, measure=measure, today=NOW.date())
    assert all(fault.endswith(".") and fault[0] in "'" + fault[0].upper() for fault in found)
    assert (due > NOW.date()) == (
        not any("due date" in fault and "not in the future" in fault for fault in found)
    )
    assert proof_fault(text) is None or proof_fault(text).endswith((".", "look."))


words = st.sampled_from("monitoring models quality training process data soon properly alerts".split())


@given(st.sampled_from(["Improve", "Enhance", "Ensure", "Review"]), st.lists(words, max_size=8))
def test_a_weak_verb_with_broad_words_is_vague_however_many_there_are(verb, rest):
    (fault,) = faults(
        text=" ".join([verb, *rest]),
        owner="ana",
        due=dt.date(2027, 1, 1),
        measure="gap below 0.05 for a week",
        today=NOW.date(),
    )
    assert "too vague" in fault


@given(st.sampled_from(ATTITUDES), st.text(max_size=30), st.text(max_size=30))
def test_an_attitude_is_found_anywhere_in_the_text(attitude, before, after):
    found = faults(
        text=f"Add {before} {attitude.upper()} {after}",
        owner="ana",
        due=dt.date(2027, 1, 1),
        measure="gap below 0.05 for a week",
        today=NOW.date(),
    )
    assert len(found) == 1
    assert "nobody can check" in found[0]


moments = st.none() | st.integers(0, 10**12).map(lambda number: NOW + dt.timedelta(microseconds=number))


@given(moments, moments, moments, moments, moments, moments)
def test_no_figure_is_negative_and_each_has_words(began, detected, paged, acknowledged, contained, resolved):
    found = figures(
        Times(
            began_at=began,
            detected_at=detected,
            paged_at=paged,
            acknowledged_at=acknowledged,
            contained_at=contained,
            resolved_at=resolved,
        )
    )
    assert [f.id for f in found] == ["detect", "acknowledge", "contain", "resolve", "harm"]
    for one in found:
        assert (one.seconds is None) == one.text.startswith("Not known")
        assert one.seconds is None or one.seconds >= 0
    by_id = {f.id: f.seconds for f in found}
    if None not in (by_id["detect"], by_id["contain"], by_id["harm"]):
        assert 0 <= by_id["harm"] - by_id["detect"] - by_id["contain"] <= 1  # each is rounded down


def test_a_decimal_keeps_its_digits_through_the_record():
    gap = GroupGap(attribute="a", group="b", reference="c", measure="m", before=Decimal("0.10"))
    (event,) = REVIEW.decide(INITIAL, Open(incident="i", severity=0, gaps=(gap,), questions=QUESTIONS), NOW)
    back = REVIEW.read_event(payload_bytes(event))
    assert str(back.gaps[0].before) == "0.10"
