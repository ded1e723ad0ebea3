"""A plan says what applying would change, field by field; the same meaning has the same digest (CAT-4)."""

from __future__ import annotations

import json

import pytest

from tests.unit.catalog.example import SMALL, defaults, with_defaults
from tocsin.catalog.configuration import Configuration
from tocsin.catalog.load import load
from tocsin.catalog.plan import FieldChange, digest, plan, render, to_json


def change_of(old: str, new: str) -> tuple[FieldChange, ...]:
    (change,) = plan(with_defaults(SMALL), with_defaults(SMALL.replace(old, new))).changes
    assert change.what == "changed"
    return change.fields


def test_nothing_changes_between_equal_configurations() -> None:
    made = plan(with_defaults(SMALL), with_defaults(SMALL))
    assert not made
    assert render(made) == "Nothing to change.\n"
    assert json.loads(to_json(made)) == {"changes": []}


def test_comments_order_and_layout_are_no_change() -> None:
    parts = SMALL.split("---\n")
    other = with_defaults("# other\n" + "---\n".join(reversed(parts)).replace("[ada]", "\n  - ada"))
    assert not plan(with_defaults(SMALL), other)
    assert digest(other) == digest(with_defaults(SMALL))


def test_added_and_removed_documents_are_named() -> None:
    before, after = defaults(), with_defaults(SMALL)
    named = [(change.kind, change.id) for change in plan(before, after).changes]
    assert named == [
        ("system", "loan-approval"), ("component", "feature-store"), ("person", "ada"), ("team", "credit"),
        ("monitor", "loan-fairness"),
    ]  # fmt: skip
    assert {change.what for change in plan(before, after).changes} == {"added"}
    assert {change.what for change in plan(after, before).changes} == {"removed"}


@pytest.mark.parametrize(
    ("old", "new", "fields"),
    [
        ("threshold: 0.10", "threshold: 0.08", [("threshold", "0.10", "0.08")]),
        ("threshold: 0.10", "threshold: 0.10\nevery_seconds: 30", [("every_seconds", "60", "30")]),
        ("threshold: 0.10", "threshold: 0.10\nexit_threshold: 0.05", [("exit_threshold", "", "0.05")]),
        ("takes: 1 min", "takes: 2 min", [("containment.roll-back.takes", "1 min", "2 min")]),
        ('"2": [technical_lead]', '"2": []', [("containment.roll-back.approval.2", '["technical_lead"]', "[]")]),
        ('"1": [commander], ', "", [("containment.roll-back.approval.1", '["commander"]', "")]),
        ("{id: phone,", "{id: cell,", [
            ("contact.phone", '{"id": "phone", "kind": "phone", "address": "+441632960001"}', ""),
            ("contact.cell", "", '{"id": "cell", "kind": "phone", "address": "+441632960001"}'),
        ]),
        ("roles: [commander]", "roles: [commander, executive]", [
            ("roles", '["commander"]', '["commander", "executive"]')]),
        ("purpose: Decides on mortgages.", ("purpose: Decides on mortgages.\ngroups: {attribute: sex, reference: f, "
         "protected: [m]}"), [("groups", "", '{"attribute": "sex", "reference": "f", "protected": ["m"]}')]),
    ],
)  # fmt: skip
def test_a_changed_field_is_shown_old_and_new(old: str, new: str, fields: list[tuple[str, str, str]]) -> None:
    assert [(one.field, one.old, one.new) for one in change_of(old, new)] == fields


def test_a_new_order_is_a_change_where_order_has_a_meaning() -> None:
    lines = SMALL.splitlines()
    mail = next(line for line in lines if "id: mail" in line)
    phone = next(line for line in lines if "id: phone" in line)
    swapped = SMALL.replace(mail, "@").replace(phone, mail).replace("@\n", phone + "\n", 1)
    (change,) = plan(with_defaults(SMALL), with_defaults(swapped)).changes
    assert [(one.field, one.old, one.new) for one in change.fields] == [
        ("contact (order)", "mail, phone", "phone, mail")
    ]


def test_a_changed_condition_is_shown_by_its_row() -> None:
    before = load({"a.yaml": "kind: taxonomy\nid: t\ntitle: T\nunknown: a\ncategories:\n"
                             "  - {id: a, group: model, title: A, what: A.}\n"})  # fmt: skip
    after = load({"a.yaml": "kind: taxonomy\nid: t\ntitle: T\nunknown: a\ncategories:\n"
                            "  - {id: a, group: model, title: A, what: B.}\n"})  # fmt: skip
    (change,) = plan(before, after).changes
    assert [(one.field, one.old, one.new) for one in change.fields] == [("categories.a.what", "A.", "B.")]


def test_a_step_that_becomes_another_type_of_step_is_shown_whole() -> None:
    playbook = (
        "kind: playbook\nid: p\ntitle: P\ncategory: bias\nowner: commander\nreviewed_on: 2026-11-23\n"
        "first_step: a\nsteps:\n  - {step: STEP, id: a, next: e, REST}\n  - {step: end, id: e, outcome: Done.}\n"
    )
    task = playbook.replace("STEP", "task").replace("REST", "text: Do it., owner: commander")
    evidence = playbook.replace("STEP", "evidence").replace("REST", "what: [logs]")
    (change,) = plan(with_defaults(task), with_defaults(evidence)).changes
    assert [one.field for one in change.fields] == ["steps.a"]
    assert '"step": "task"' in change.fields[0].old
    assert '"step": "evidence"' in change.fields[0].new


def test_a_plan_as_text_has_a_line_for_each_change_and_a_sum() -> None:
    after = with_defaults(
        SMALL.replace("name: Ada", "name: " + "Ada " * 40).replace("takes: 1 min\n    ", "")
    )
    before = with_defaults(SMALL)
    text = render(plan(before, after))
    assert "~ system loan-approval\n    containment.roll-back.takes: 1 min -> (nothing)\n" in text
    assert "..." in text
    assert text.endswith("0 to add, 2 to change, 0 to remove.\n")
    assert render(plan(defaults(), before)).startswith("+ system loan-approval\n")
    assert render(plan(before, defaults())).endswith("0 to add, 0 to change, 5 to remove.\n")


def test_a_plan_as_json_names_what_kind_id_and_fields() -> None:
    made = plan(with_defaults(SMALL), with_defaults(SMALL.replace("threshold: 0.10", "threshold: 0.2")))
    assert json.loads(to_json(made)) == {
        "changes": [
            {
                "what": "changed", "kind": "monitor", "id": "loan-fairness",
                "fields": [{"field": "threshold", "old": "0.10", "new": "0.2"}],
            }
        ]
    }  # fmt: skip


def test_every_change_changes_the_digest() -> None:
    digests = {digest(with_defaults(SMALL)), digest(defaults()), digest(Configuration())}
    digests.add(digest(with_defaults(SMALL.replace("threshold: 0.10", "threshold: 0.100"))))
    assert len(digests) == 4
    assert all(len(one) == 64 for one in digests)


def test_a_default_that_is_written_out_is_no_change() -> None:
    assert digest(with_defaults(SMALL.replace("owner: credit", "owner: credit\nalias: champion"))) == digest(
        with_defaults(SMALL)
    )
