"""Templates say what they are filled with, and a message is read before it goes out."""

from __future__ import annotations

from importlib import resources

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tocsin.kernel.errors import Invalid
from tocsin.response.communications.audience import plain_words
from tocsin.response.communications.template import (
    FIELDS,
    JARGON,
    Finding,
    Rendered,
    errors,
    fields_of,
    lint_message,
    lint_template,
    render,
)

FULL = {name: f"the {name}" for name in FIELDS}


# --- rendering ------------------------------------------------------------------------------------


def test_blanks_are_filled_and_plain_text_is_not_escaped() -> None:
    fields = {"title": "Gap > 0,25 & <rising>", "status": "contained"}
    made = render("{{ title }}: {{ status }}", "Now: {{ status|upper }}\n\n{{ title }}", fields)
    assert made == Rendered(
        subject="Gap > 0,25 & <rising>: contained", body="Now: CONTAINED\n\nGap > 0,25 & <rising>\n"
    )


def test_a_subject_is_one_line_whatever_its_fields_hold() -> None:
    made = render("Update: {{ title }}", "x", {"title": "one\r\nBcc: eve@example.org\ttwo"})
    assert made.subject == "Update: one Bcc: eve@example.org two"


def test_a_field_is_never_read_as_a_template() -> None:
    assert render("s", "{{ title }}", {"title": "{{ status }} {% if %}"}).body == "{{ status }} {% if %}\n"


def test_a_part_may_depend_on_a_field() -> None:
    body = "{% if workaround is defined %}\nMeanwhile: {{ workaround }}\n{% endif %}\nEnd{% if status == 'closed' %}ed{% endif %}"
    assert (
        render("s", body, {"workaround": "call us", "status": "closed"}).body == "Meanwhile: call us\nEnded\n"
    )
    assert render("s", body, {"status": "contained"}).body == "End\n"


def test_a_field_without_a_value_is_named() -> None:
    with pytest.raises(Invalid, match="The body cannot be filled: 'estimate' is undefined"):
        render("s", "{{ estimate }}", {})
    with pytest.raises(Invalid) as refusal:
        render("{{ title }}", "b", {})
    assert refusal.value.where == "subject"


@pytest.mark.parametrize("name", ["range", "dict", "lipsum", "cycler", "namespace"])
def test_nothing_but_fields_has_a_name(name: str) -> None:
    with pytest.raises(Invalid, match=f"'{name}' is undefined"):
        render("s", f"{{{{ {name} }}}}", {"title": "x"})


def test_a_field_that_is_too_long_is_named() -> None:
    with pytest.raises(Invalid, match="title is longer than 20000 characters"):
        render("{{ title }}", "b", {"title": "x" * 20_001})


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{{ title.__class__ }}", "Getattr"),
        ("{{ title['x'] }}", "Getitem"),
        ("{{ title() }}", "Call"),
        ("{{ range(10**9) }}", "Call"),
        ("{{ 10**9 }}", "Pow"),
        ("{{ title * 1000 }}", "Mul"),
        ("{% for x in title %}{{ x }}{% endfor %}", "For"),
        ("{% set x = 1 %}", "Assign"),
        ("{% macro x() %}{% endmacro %}", "Macro"),
        ("{% include 'x' %}", "Include"),
        ("{% import 'x' as x %}", "Import"),
        ("{% extends 'x' %}", "Extends"),
        ("{% block x %}{% endblock %}", "Block"),
        ("{{ [title] }}", "List"),
        ("{{ {'a': title} }}", "Dict"),
        ("{{ title|attr('x') }}", "the filter attr"),
        ("{{ title|map('upper') }}", "the filter map"),
        ("{% filter upper %}x{% endfilter %}", "FilterBlock"),
        ("{{ title is callable }}", "the test callable"),
        ("{{ title|indent(1000000000) }}", "the number 1000000000"),
    ],
)
def test_what_templates_may_not_use_is_refused_before_it_runs(text: str, what: str) -> None:
    with pytest.raises(Invalid) as refusal:
        render("s", text, {"title": "x"})
    assert f"uses {what}, which templates may not" in str(refusal.value)
    assert refusal.value.where == "body"
    assert refusal.value.mend


@pytest.mark.parametrize("text", ["{{ title", "{% if %}", "{{ }}", "{% nonsense %}", "{% if title %}"])
def test_a_broken_template_is_invalid(text: str) -> None:
    with pytest.raises(Invalid, match="is not a template"):
        render("s", text, {"title": "x"})


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_is_rendered_or_is_invalid(template: str, value: str) -> None:
    try:
        made = render("s", template + "{{ title }}", {"title": value})
    except Invalid as error:
        assert error.where  # noqa: PT017 - both ways out are right
    else:
        assert made.body.endswith("\n")


def test_the_fields_of_a_text_are_known() -> None:
    assert fields_of("{{ title }} {% if status == 'x' %}{{ cause|default('-') }}{% endif %}") == {
        "title",
        "status",
        "cause",
    }


# --- lint of templates ----------------------------------------------------------------------------


def test_a_good_template_has_no_findings() -> None:
    assert lint_template("{{ title }}", "{{ status }} {{ actions }}", required=("status", "actions")) == ()


def test_an_unknown_field_is_an_error_with_the_nearest_known_one() -> None:
    (finding,) = lint_template("{{ titel }}", "x")
    assert finding == Finding(
        rule="unknown_field",
        grade="error",
        where="subject",
        why="There is no field titel.",
        mend="Did you mean title?",
    )
    (far,) = lint_template("s", "{{ zzzzzz }}")
    assert far.mend == "Use one of the known fields."


def test_other_fields_may_be_declared() -> None:
    assert lint_template("s", "{{ owner }}", known=("owner",)) == ()


def test_a_required_field_that_is_never_shown_is_a_warning() -> None:
    (finding,) = lint_template("s", "{{ status }}", required=("status", "actions"))
    assert (finding.rule, finding.grade, finding.why) == (
        "unused_required",
        "warning",
        "actions is required and never shown.",
    )


def test_a_template_that_cannot_be_read_is_an_error_and_the_rest_is_still_told() -> None:
    findings = lint_template("{{ title", "{{ nothing }}")
    assert [finding.rule for finding in findings] == ["syntax", "unknown_field"]
    assert len(errors(findings)) == 2


# --- lint of messages -----------------------------------------------------------------------------


def found(
    subject: str, body: str, plain: bool = False, required: tuple[str, ...] = (), **fields: str
) -> list[str]:
    return [each.rule for each in lint_message(subject, body, fields, required=required, plain_words=plain)]


def test_a_good_message_has_no_findings() -> None:
    assert found("INC-7 contained", "Status: contained\nNext:\n- check the gap", status="contained") == []


@pytest.mark.parametrize(
    "blank",
    ["{{ status }}", "{% if x %}", "[INSERT DATE]", "[your name]", "[Date]", "[TBD]", "<insert link>", "<name>", "____",
     "???", "TBD", "TODO", "XXX", "FIXME", "Lorem ipsum", "Estimate: None", "Estimate: null", "Cause: nan"],
)  # fmt: skip
@pytest.mark.parametrize("where", ["subject", "body"])
def test_a_blank_that_nobody_filled_is_an_error(blank: str, where: str) -> None:
    findings = (
        lint_message(blank, "Text.", {}) if where == "subject" else lint_message("Text", f"A {blank}\n", {})
    )
    assert {(finding.rule, finding.grade, finding.where) for finding in findings} == {
        ("blank", "error", where)
    }


@pytest.mark.parametrize(
    "text",
    ["[1] see the list", "a < b > c", "x_y_z", "Really?", "the index[0]", "[Ana, 03:12] noted", "none of them",
     "Workaround: none known", "a NaN value", "5 <= 6", "Is it safe??", "Estimate:\n today", "{ braces }"],
)  # fmt: skip
def test_ordinary_text_is_no_blank(text: str) -> None:
    assert found("Subject", f"{text}\nmore") == []


def test_an_empty_subject_or_body_is_a_blank() -> None:
    assert found(" ", "text") == ["blank"]
    assert found("text", "\n") == ["blank"]


def test_a_label_with_nothing_after_it_is_a_blank() -> None:
    assert found("s", "Done:\n\nNext:\n- check") == ["blank"]
    assert found("s", "Done:\n- rolled back\nNext:\n") == ["blank"]
    assert found("s", "Done:\n\n- rolled back\nNext:\n- check") == []


def test_a_required_field_must_have_a_value() -> None:
    (finding,) = lint_message(
        "s", "b", {"status": " ", "next_steps": "wait"}, required=("status", "next_steps")
    )
    assert (finding.rule, finding.where, finding.why) == (
        "missing",
        "fields",
        "status is required and empty.",
    )
    assert found("s", "b", required=("estimate",)) == ["missing"]


# subject                                   | status         | contradicts
CLAIMS = """
INC-7 resolved: loan model                  | resolved       | no
INC-7 resolved: loan model                  | reviewing      | no
INC-7 resolved: loan model                  | closed         | no
INC-7 resolved: loan model                  | contained      | yes
INC-7 Resolved: loan model                  | investigating  | yes
The service is fixed                        | monitoring     | yes
Service restored                            | investigating  | yes
All back to normal                          | contained      | yes
INC-7 not resolved                          | contained      | no
INC-7 not yet resolved                      | contained      | no
INC-7 unresolved                            | investigating  | no
What happens until resolved                 | investigating  | no
INC-7 contained                             | contained      | no
INC-7 contained                             | resolved       | no
INC-7 contained                             | investigating  | yes
INC-7 not contained                         | investigating  | no
We are investigating                        | investigating  | no
We are investigating                        | triage         | no
We are investigating                        | resolved       | yes
Under investigation                         | closed         | yes
INC-7 resolved                              | in good hands  | no
INC-7 resolved                              |                | no
"""


@pytest.mark.parametrize("row", CLAIMS.strip().splitlines())
def test_a_subject_agrees_with_the_status(row: str) -> None:
    subject, status, contradicts = (cell.strip() for cell in row.split("|"))
    assert found(subject, "Text.", status=status) == (["contradiction"] if contradicts == "yes" else [])


def test_a_subject_agrees_with_the_body() -> None:
    for words in ("We are still investigating.", "It is not yet resolved.", "Two branches remain affected."):
        assert found("INC-7 resolved", words, status="resolved") == ["contradiction"]
    assert found("INC-7 resolved", "It is resolved.", status="resolved") == []


def test_a_subject_agrees_with_the_severity() -> None:
    assert found("INC-7 P2: loan model", "Text.", severity="P0") == ["contradiction"]
    assert found("INC-7 P0: loan model", "Text.", severity="P0") == []
    assert found("INC-7 SEV-2", "Text.", severity="SEV-1") == ["contradiction"]
    assert found("INC-7 P2", "Text.", severity="Unknown") == []
    assert found("High memory on node P2", "Text.", severity="SEV-1") == []


def test_a_word_in_a_name_claims_nothing() -> None:
    fields = {
        "title": "Fixed rate loans in High Street resolved wrongly",
        "severity": "Low",
        "status": "investigating",
    }
    assert found(f"INC-7 Low: {fields['title']}", "Text.", **fields) == []
    assert found("INC-7: fixed-rate loans", "Text.", status="investigating") == []


def test_jargon_is_a_warning_for_readers_outside_the_trade_only() -> None:
    text = "A rollback ended the data drift at the endpoints."
    assert found("s", text) == []
    findings = lint_message("s", text, {}, plain_words=True)
    assert {finding.grade for finding in findings} == {"warning"}
    assert {finding.why for finding in findings} >= {"'rollback' is jargon.", "'endpoint' is jargon."}
    assert "Say: return to the earlier version." in {finding.mend for finding in findings}
    assert errors(findings) == ()


@pytest.mark.parametrize("word", sorted(JARGON))
def test_every_word_of_the_list_is_found_and_its_plain_words_are_plain(word: str) -> None:
    assert "jargon" in found("s", f"About {word}.", plain=True)
    assert found("s", f"About {JARGON[word]}.", plain=True) == []


def test_a_word_inside_another_word_is_no_jargon() -> None:
    assert found("s", "5 ml of drifting clusterfuchsia, recalled", plain=True) == []


def test_the_templates_that_ship_have_no_findings() -> None:
    text = (resources.files("tocsin.catalog") / "defaults" / "template.yaml").read_text(encoding="utf-8")
    shipped = list(yaml.safe_load_all(text))
    assert len(shipped) >= 8
    for each in shipped:
        plain = plain_words(each["audience"])
        assert (
            lint_template(each["subject"], each["body"], required=each["required"], plain_words=plain) == ()
        ), each
