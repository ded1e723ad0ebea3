"""Predicates: what holds, what does not, what nobody knows, and why; and what is refused before it is used."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.kernel.errors import Invalid
from tocsin.kernel.predicate import (
    DEPTH,
    OPS,
    OPS_OF,
    ROWS,
    Fact,
    FactType,
    Predicate,
    Vocabulary,
    evaluate,
    flaws,
    parse,
)

WORDS = Vocabulary(
    {
        "down": FactType(kind="boolean", text="It is down"),
        "slow": FactType(kind="boolean", text="It is slow"),
        "people": FactType(kind="number", unit="people", text="People affected"),
        "rank": FactType(kind="number", text="Rank"),
        "drop": FactType(kind="share", unit="percent", text="Drop of accuracy"),
        "share": FactType(kind="share", unit="ratio", text="Share"),
        "age": FactType(kind="duration", unit="minute", text="Age of the data"),
        "size": FactType(kind="data_size", unit="GB", text="Data lost"),
        "loss": FactType(kind="money_rate", text="Loss"),
        "place": FactType(kind="text", text="Place"),
        "level": FactType(kind="text", choices=("high", "low"), text="Level"),
        "laws": FactType(kind="set", text="Laws"),
    }
)


def row(fact: str, op: str, value: object, unit: str = "") -> dict[str, Any]:
    return {"fact": fact, "op": op, "value": value, **({"unit": unit} if unit else {})}


def holds(data: object, facts: dict[str, Fact]) -> bool | None:
    return evaluate(parse(data, WORDS), facts, WORDS).holds


# --- one row --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "fact", "expected"),
    [
        (row("down", "==", True), True, True),
        (row("down", "==", True), False, False),
        (row("down", "!=", True), False, True),
        (row("down", "==", "yes"), "true", True),
        (row("down", "==", False), "no", True),
        (row("people", ">", 1000), 1000, False),
        (row("people", ">", 1000), 1001, True),
        (row("people", ">=", 1000), 1000, True),
        (row("people", ">=", 1000), 999, False),
        (row("people", "<", 1000), 999, True),
        (row("people", "<", 1000), 1000, False),
        (row("people", "<=", 1000), 1000, True),
        (row("people", "<=", 1000), 1001, False),
        (row("people", "==", 7), "7", True),
        (row("people", "==", 7), "7 people", True),
        (row("people", "!=", 7), 8, True),
        (row("people", "==", 7, "people"), 7, True),
        (row("rank", "==", 0), 0, True),
        (row("drop", ">=", 15, "percent"), 15, True),
        (row("drop", ">=", 15, "percent"), "14.999999999999999999", False),
        (row("drop", ">=", 15, "percent"), "0.15 ratio", True),
        (row("drop", ">=", "0.15", "ratio"), 15, True),
        (row("drop", ">=", 15, "%"), "15 %", True),
        (row("drop", ">=", 15), Decimal("15.0"), True),
        (row("share", ">", "0.1"), "0.3", True),
        (row("share", ">", 10, "percent"), "0.1", False),
        (row("age", ">", 2, "h"), 120, False),
        (row("age", ">", 2, "h"), "121 min", True),
        (row("age", "<", 1, "day"), "23 hours", True),
        (row("size", ">", 1), "1000 MB", False),
        (row("size", ">", 1), "1001 MB", True),
        (row("loss", ">=", 500, "thousand_usd_per_hour"), 500000, True),
        (row("place", "==", "Boston"), "Boston", True),
        (row("place", "==", "Boston"), "boston", False),
        (row("place", "in", ["Boston", "Lowell"]), "Lowell", True),
        (row("place", "in", ["Boston", "Lowell"]), "Salem", False),
        (row("level", "!=", "low"), "high", True),
        (row("laws", "contains", "GDPR"), ("AI Act", "GDPR"), True),
        (row("laws", "contains", "GDPR"), "AI Act, GDPR", True),
        (row("laws", "contains", "GDPR"), "", False),
        (row("laws", "contains", "GDPR"), ("AI Act",), False),
    ],
)
def test_a_row_compares_one_fact_with_one_value(
    condition: dict[str, Any], fact: Fact, expected: bool
) -> None:
    assert holds(condition, {condition["fact"]: fact}) is expected


def test_a_row_without_an_operator_asks_for_equality() -> None:
    assert holds({"fact": "down", "value": True}, {"down": True}) is True


@pytest.mark.parametrize("name", sorted(WORDS.facts))
def test_a_fact_that_nobody_knows_makes_its_row_unknown(name: str) -> None:
    kind = WORDS.facts[name].kind
    value = {"boolean": True, "text": "high", "set": "high"}.get(kind, 1)
    for op in OPS_OF[kind]:
        data = row(name, op, [value] if op == "in" else value)
        verdict = evaluate(parse(data, WORDS), {}, WORDS)
        assert verdict.holds is None
        assert verdict.because == (f"{WORDS.facts[name].text}: not known.",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("down", 1), ("down", "maybe"), ("people", "many"), ("people", True), ("people", "7 systems"),
        ("drop", "15 minutes"), ("drop", ()), ("level", "middling"), ("place", 3), ("age", "1 month"), ("rank", "nan"),
        ("laws", 7),
    ],
)  # fmt: skip
def test_a_fact_of_the_wrong_type_is_refused_by_its_name(name: str, value: Fact) -> None:
    with pytest.raises(Invalid) as refused:
        WORDS.read(name, value)
    assert refused.value.mend
    assert repr(name) in refused.value.why


# --- joins: Kleene's tables ----------------------------------------------------------------------------------------

T, F, U = True, False, None
STATE: dict[bool | None, dict[str, Fact]] = {T: {"v": True}, F: {"v": False}, U: {}}


def joined(join: str, parts: tuple[bool | None, ...]) -> bool | None:
    words = Vocabulary({f"f{n}": FactType(kind="boolean", text=f"Fact {n}") for n in range(len(parts))})
    data = {join: [row(f"f{n}", "==", True) for n in range(len(parts))]}
    facts: dict[str, Fact] = {f"f{n}": part for n, part in enumerate(parts) if part is not None}
    return evaluate(parse(data, words), facts, words).holds


@pytest.mark.parametrize(
    ("one", "other", "both", "either"),
    [
        (T, T, T, T), (T, F, F, T), (T, U, U, T),
        (F, T, F, T), (F, F, F, F), (F, U, F, U),
        (U, T, U, T), (U, F, F, U), (U, U, U, U),
    ],
)  # fmt: skip
def test_all_and_any_follow_the_tables_of_three_values(
    one: bool | None, other: bool | None, both: bool | None, either: bool | None
) -> None:
    assert joined("all", (one, other)) is both
    assert joined("any", (one, other)) is either


@pytest.mark.parametrize(("inner", "outer"), [(T, F), (F, T), (U, U)])
def test_not_turns_what_is_known_and_keeps_what_is_unknown(inner: bool | None, outer: bool | None) -> None:
    facts: dict[str, Fact] = {} if inner is None else {"down": inner}
    assert holds({"not": row("down", "==", True)}, facts) is outer


@given(st.lists(st.sampled_from([T, F, U]), min_size=1, max_size=6))
def test_all_is_the_least_and_any_the_greatest_of_its_parts(parts: list[bool | None]) -> None:
    height = {False: 0, None: 1, True: 2}
    assert height[joined("all", tuple(parts))] == min(height[part] for part in parts)
    assert height[joined("any", tuple(parts))] == max(height[part] for part in parts)


predicates = st.recursive(
    st.sampled_from(
        [
            row("down", "==", True),
            row("slow", "==", True),
            row("people", ">=", 10),
            row("drop", ">", 5, "percent"),
        ]
    ),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=8,
)
facts_of_all = st.fixed_dictionaries(
    {},
    optional={
        "down": st.booleans(),
        "slow": st.booleans(),
        "people": st.integers(0, 20),
        "drop": st.integers(0, 9),
    },
)


@given(predicates, facts_of_all, facts_of_all)
def test_to_learn_more_never_turns_a_verdict_round(
    data: dict[str, Any], known: dict[str, Fact], more: dict[str, Fact]
) -> None:
    before = holds(data, known)
    after = holds(data, {**more, **known})
    assert before is None or before is after


@given(predicates, facts_of_all)
def test_not_all_is_any_not(data: dict[str, Any], facts: dict[str, Fact]) -> None:
    other = row("slow", "==", True)
    left = {"not": {"all": [data, other]}}
    right = {"any": [{"not": data}, {"not": other}]}
    assert holds(left, facts) is holds(right, facts)


@given(predicates, facts_of_all)
def test_every_verdict_says_why_and_names_facts_of_its_rows(
    data: dict[str, Any], facts: dict[str, Fact]
) -> None:
    predicate = parse(data, WORDS)
    verdict = evaluate(predicate, facts, WORDS)
    assert verdict.because
    assert set(verdict.facts) <= {one.fact for one in predicate.rows()}
    known = [name for name in verdict.facts if name in facts]
    assert len(known) == len(verdict.facts) if verdict.holds is not None else True


@given(predicates)
def test_a_predicate_is_the_same_after_a_journey_through_json(data: dict[str, Any]) -> None:
    predicate = parse(data, WORDS)
    assert msgspec.json.decode(msgspec.json.encode(predicate), type=Predicate) == predicate
    assert not flaws(msgspec.to_builtins(predicate), WORDS)


# --- the reasons ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "fact", "sentence"),
    [
        (row("down", "==", True), True, "It is down: yes."),
        (row("down", "==", True), False, "It is down: no."),
        (
            row("drop", ">=", 15, "percent"),
            "0.16 ratio",
            "Drop of accuracy: 16 percent, at least 15 percent.",
        ),
        (row("drop", ">=", 15), 12, "Drop of accuracy: 12 percent, not at least 15 percent."),
        (row("drop", ">=", "0.15", "ratio"), 16, "Drop of accuracy: 16 percent, at least 0.15 ratio."),
        (row("people", ">", 1000), 2000, "People affected: 2000 people, more than 1000 people."),
        (row("people", "==", 1), 1, "People affected: 1 people."),
        (row("loss", ">=", 500000), 500000, "Loss: 500000 usd per hour, at least 500000 usd per hour."),
        (row("place", "in", ["Boston", "Lowell"]), "Salem", "Place: Salem, not one of Boston, Lowell."),
        (row("laws", "contains", "GDPR"), "GDPR, X", "Laws: GDPR, X, containing GDPR."),
        (row("laws", "contains", "GDPR"), "", "Laws: none, not containing GDPR."),
    ],
)
def test_the_reason_is_a_sentence_with_figure_unit_and_limit(
    condition: dict[str, Any], fact: Fact, sentence: str
) -> None:
    assert evaluate(parse(condition, WORDS), {condition["fact"]: fact}, WORDS).because == (sentence,)


def test_only_what_decided_is_given_as_a_reason() -> None:
    both = {"all": [row("down", "==", True), row("slow", "==", True), row("people", ">", 5)]}
    verdict = evaluate(parse(both, WORDS), {"down": True, "slow": False}, WORDS)
    assert (verdict.holds, verdict.facts) == (False, ("slow",))
    either = {"any": [row("down", "==", True), row("slow", "==", True), row("people", ">", 5)]}
    verdict = evaluate(parse(either, WORDS), {"down": True, "slow": False}, WORDS)
    assert (verdict.holds, verdict.facts) == (True, ("down",))
    verdict = evaluate(parse(either, WORDS), {"down": False, "slow": False}, WORDS)
    assert (verdict.holds, verdict.facts) == (None, ("people",))


def test_the_same_reason_is_given_once() -> None:
    twice = {"all": [row("down", "==", True), {"any": [row("down", "==", True)]}]}
    verdict = evaluate(parse(twice, WORDS), {"down": True}, WORDS)
    assert (verdict.because, verdict.facts) == (("It is down: yes.",), ("down",))


# --- reading and writing facts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "normal", "shown"),
    [
        ("down", True, "true", "yes"),
        ("down", "no", "false", "no"),
        ("drop", "0.16 ratio", "16", "16 percent"),
        ("drop", 16, "16", "16 percent"),
        ("age", "2 h", "120", "120 minute"),
        ("size", "500 MB", "0.5", "0.5 GB"),
        ("people", "1200 people", "1200", "1200 people"),
        ("place", "Boston", "Boston", "Boston"),
        ("laws", ("B", "A", "B"), "A,B", "A, B"),
    ],
)
def test_a_fact_has_one_text_form_and_one_for_people(name: str, value: Fact, normal: str, shown: str) -> None:
    assert WORDS.normal(name, value) == normal
    assert WORDS.read(name, normal) == WORDS.read(name, value)
    assert WORDS.show(name, value) == shown


@given(st.decimals(min_value=0, max_value=10**9, places=4, allow_nan=False))
def test_the_text_form_of_a_figure_keeps_it_exactly(value: Decimal) -> None:
    for name in ("drop", "share", "age", "size", "loss", "people"):
        assert WORDS.read(name, WORDS.normal(name, value)) == WORDS.read(name, value)


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "path", "why"),
    [
        ("down", (), "A condition is a mapping."),
        ({}, (), "A condition is one row, or one of all, any and not."),
        ({"all": [row("down", "==", True)], "any": [row("down", "==", True)]}, (), "A condition is one row"),
        ({"all": []}, ("all",), "at least one condition"),
        ({"any": "down"}, ("any",), "at least one condition"),
        ({"not": []}, ("not",), "A condition is a mapping."),
        (row("dwn", "==", True), ("fact",), "There is no fact called 'dwn'."),
        ({"fact": 3, "op": "==", "value": 1}, ("fact",), "There is no fact called 3."),
        (row("down", ">", True), ("op",), "'>' does not fit 'down'."),
        (row("place", ">", "a"), ("op",), "'>' does not fit 'place'."),
        (row("laws", "==", "a"), ("op",), "'==' does not fit 'laws'."),
        (row("drop", ">", "many", "percent"), ("value",), "'drop': 'many' is not a number"),
        (row("down", "==", True, "percent"), ("unit",), "'percent' is not the unit of 'down'."),
        (row("place", "==", "Boston", "percent"), ("unit",), "'percent' is not the unit of 'place'."),
        (row("people", "~", 1), ("op",), "'~' does not fit 'people'."),
        ({"fact": "people", "op": ">"}, (), "The row has no value."),
        ({"fact": "people", "op": ">", "value": None}, (), "The row has no value."),
        (row("people", ">", "many"), ("value",), "is not a number"),
        (row("people", ">", True), ("value",), "is a figure, not True."),
        (row("down", "==", 1), ("value",), "is true or false, not 1."),
        (row("level", "==", "middling"), ("value",), "is never 'middling'."),
        (row("level", "in", []), ("value",), "compares 'level' with a list."),
        (row("level", "in", "high"), ("value",), "compares 'level' with a list."),
        (row("level", "in", ["high", "middling"]), ("value",), "is never 'middling'."),
        (row("drop", ">", 15, "minute"), ("unit",), "'minute' is not a unit of share."),
        (row("people", ">", 15, "systems"), ("unit",), "is not the unit of 'people'."),
        (row("rank", ">", 1, "people"), ("unit",), "is not the unit of 'rank'."),
        (row("drop", ">", "15 percent", "percent"), ("value",), "has its unit twice."),
        ({"fact": "drop", "op": ">", "value": 1, "unit": 3}, ("unit",), "A unit is text."),
        ({**row("down", "==", True), "vlaue": 1}, ("vlaue",), "'vlaue' does not belong here."),
        ({"all": [row("down", "==", True), row("dwn", "==", True)]}, ("all", 1, "fact"), "no fact"),
        ({"not": {"any": [row("dwn", "==", True)]}}, ("not", "any", 0, "fact"), "no fact"),
    ],
)
def test_a_flaw_says_where_why_and_the_mend(data: object, path: tuple[str | int, ...], why: str) -> None:
    found = flaws(data, WORDS)
    assert [flaw.path for flaw in found] == [path]
    assert why in found[0].why
    assert found[0].mend


def test_all_flaws_are_told_at_once() -> None:
    data = {"all": [row("dwn", "==", True), row("people", "in", 1), row("drop", ">", 1, "min")]}
    assert [flaw.path for flaw in flaws(data, WORDS)] == [
        ("all", 0, "fact"),
        ("all", 1, "op"),
        ("all", 2, "unit"),
    ]


def test_the_nearest_name_is_offered() -> None:
    assert flaws(row("peolpe", ">", 1), WORDS)[0].mend == "Did you mean 'people'?"


def test_what_is_too_deep_or_too_long_is_refused() -> None:
    deep: dict[str, Any] = row("down", "==", True)
    for _ in range(DEPTH):
        deep = {"not": deep}
    assert flaws(deep, WORDS) == ()
    assert "deep" in flaws({"not": deep}, WORDS)[0].why
    wide = [row("down", "==", True)] * ROWS
    assert flaws({"any": wide}, WORDS) == ()
    assert "rows" in flaws({"any": [*wide, row("down", "==", True)]}, WORDS)[0].why


def test_parse_raises_with_the_place_that_it_is_told() -> None:
    def locate(path: tuple[str | int, ...]) -> str:
        return f"policy.yaml:{len(path)}"

    with pytest.raises(Invalid) as refused:
        parse({"all": [row("dwn", "==", True)]}, WORDS, locate)
    assert refused.value.where == "policy.yaml:3"
    with pytest.raises(Invalid) as refused:
        parse({"all": [row("dwn", "==", True)]}, WORDS)
    assert refused.value.where == "all.0.fact"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(
    st.sampled_from(["all", "any", "not", "fact", "op", "value", "unit"]), x)))  # fmt: skip
def test_no_data_whatever_breaks_the_check(data: object) -> None:
    if not flaws(data, WORDS):
        assert isinstance(evaluate(parse(data, WORDS), {}, WORDS).holds, bool | None)


def test_every_operator_has_words_and_belongs_to_a_kind() -> None:
    used = set(itertools.chain.from_iterable(OPS_OF.values()))
    assert used == set(OPS)
