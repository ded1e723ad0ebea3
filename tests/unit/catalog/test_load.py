"""YAML becomes a typed configuration, or every problem at once with file, line and mend (CAT-4)."""

from __future__ import annotations

import datetime as dt
import textwrap

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.catalog.example import SMALL, default_files, problems, with_defaults
from tocsin.catalog.configuration import FIELDS, KINDS, Configuration
from tocsin.catalog.load import CHARACTERS, load
from tocsin.catalog.playbook import Question
from tocsin.catalog.problem import ConfigurationInvalid
from tocsin.kernel.errors import Invalid


def line_of(words: str) -> int:
    """The line of `words` in the small example."""
    return SMALL[: SMALL.index(words)].count("\n") + 1


def text(value: str) -> str:
    return textwrap.dedent(value).lstrip("\n")


# --- what is read ---------------------------------------------------------------------------------------------------


def test_a_document_becomes_its_struct() -> None:
    configuration = with_defaults(SMALL)
    system = configuration.systems["loan-approval"]
    assert (system.owner, system.alias, system.criticality) == ("credit", "champion", 3)
    assert system.probes[0].params == {"monitor": "loan-fairness"}
    assert configuration.monitors["loan-fairness"].threshold == "0.10"
    assert configuration.monitors["loan-fairness"].facts["protected_group_harmed"] == "true"


def test_figures_stay_exact_and_words_stay_words() -> None:
    configuration = with_defaults(
        text("""
            kind: team
            id: no
            name: 1.10
            ---
            kind: playbook
            id: p
            title: yes
            category: bias
            owner: commander
            reviewed_on: 2026-11-23
            first_step: q
            steps:
              - {step: question, id: q, text: off, answers: {yes: e, no: e, unknown: e}}
              - {step: end, id: e, outcome: null island}
        """)
    )
    assert configuration.teams["no"].name == "1.10"
    playbook = configuration.playbooks["p"]
    assert (playbook.title, playbook.reviewed_on) == ("yes", dt.date(2026, 11, 23))
    question = playbook.step("q")
    assert isinstance(question, Question)
    assert question.text == "off"
    assert set(question.answers) == {"yes", "no", "unknown"}


def test_a_field_that_is_left_empty_has_its_default() -> None:
    configuration = with_defaults("kind: team\nid: a\nname: A\nmembers:\nlead: ~\n")
    assert (configuration.teams["a"].members, configuration.teams["a"].lead) == ((), "")


def test_the_order_of_files_and_documents_means_nothing() -> None:
    parts = SMALL.split("---\n")
    one = load({"a.yaml": SMALL}, default_files())
    other = load({f"{n}.yaml": part for n, part in enumerate(reversed(parts))}, default_files())
    assert one == other


def test_a_document_takes_the_place_of_the_default_of_the_same_kind_and_id() -> None:
    configuration = with_defaults("kind: label_set\nid: p\ntitle: Own\nlabels: [Red, Amber, Yellow, Blue]\n")
    assert configuration.label(0) == "Red"
    assert configuration.label_sets["sev"].label(0) == "SEV-1"


def test_vocabularies_add_up() -> None:
    configuration = with_defaults(
        text("""
            kind: vocabulary
            id: ours
            facts:
              churn: {kind: share, text: Customers lost}
        """)
    )
    assert {"churn", "accuracy_drop"} <= set(configuration.vocabulary.facts)


def test_nothing_at_all_is_an_empty_configuration() -> None:
    assert load({}) == Configuration()
    assert load({"empty.yaml": "", "comment.yaml": "# nothing\n---\n---\n"}) == Configuration()


def test_a_configuration_is_the_same_after_a_journey_through_json() -> None:
    configuration = with_defaults(SMALL)
    data = msgspec.json.encode(configuration)
    assert msgspec.json.decode(data, type=Configuration) == configuration


def test_every_kind_has_its_field() -> None:
    assert KINDS.keys() == FIELDS.keys()
    assert set(FIELDS.values()) == set(Configuration.__struct_fields__)


# --- what is refused: the YAML itself -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("yaml", "line", "why"),
    [
        ("kind: team\nid: [a\n", 2, "Not YAML"),
        ("kind: team\n  id: a\n", 2, "Not YAML"),
        ("kind: team\nid: 'a\n", 2, "Not YAML"),
        ("kind: team\nid: a\nname: \x07\n", 3, "U+0007"),
        ("kind: team\nid: a\nname: \ud800\n", 3, "U+D800"),
        ('kind: team\nid: a\nname: "\\0"\n', 3, "cannot be stored"),
        ("kind: team\nid: a\nid: b\nname: A\n", 3, "'id' is given twice, first in line 2."),
        ("kind: team\nid: &x a\nname: A\n", 2, "The anchor &x"),
        ("kind: team\nid: a\nname: *x\n", 3, "An alias (*name)"),
        ("kind: team\nid: a\nname: !!str A\n", 3, "The tag"),
        ("--- !!python/object/apply:os.system ['true']\n", 1, "The tag"),
        ("kind: team\nid: a\n? [x]\n: y\nname: A\n", 3, "A key must be text."),
        ("[" * 60, 1, "Nested too deep"),
        ("- a\n- b\n", 1, "A document is a mapping."),
        ("just text\n", 1, "A document is a mapping."),
        ("id: a\nname: A\n", 1, "does not say its kind"),
        ("# first\n\nkind: tema\nid: a\n", 3, "There is no kind 'tema'."),
        ("kind: team\nname: A\n", 1, "The team has no id."),
        ("kind: team\nid:\nname: A\n", 1, "The team has no id."),
        ("kind: [team]\nid: a\n", 1, "does not say its kind"),
    ],
)
def test_yaml_that_cannot_be_used_is_refused_with_its_line(yaml: str, line: int, why: str) -> None:
    found = problems(yaml, defaults=False)
    assert [problem.line for problem in found if why in problem.why] == [line], found
    assert all(problem.file == "mine.yaml" and problem.mend for problem in found)


def test_nothing_is_ever_constructed_from_a_tag() -> None:
    found = problems("kind: team\nid: a\nname: !!python/object/apply:os.getcwd []\n")
    assert any("The tag" in problem.why for problem in found)


def test_a_bomb_of_aliases_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    assert any("alias" in problem.why for problem in problems("\n".join(lines)))


def test_a_file_that_is_too_long_is_refused_unread() -> None:
    found = problems("# " + "x" * CHARACTERS)
    assert "characters" in found[0].why
    assert found[0].where == "mine.yaml"


def test_more_than_a_configuration_is_refused_unread() -> None:
    with pytest.raises(ConfigurationInvalid) as refused:
        load({f"{n}.yaml": "" for n in range(2_001)})
    assert "2000 files" in refused.value.problems[0].why


# --- what is refused: the shape --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("yaml", "line", "field", "why", "mend"),
    [
        ("kind: team\nid: a\nname: A\nmembrs: []\n", 4, "membrs", "no such field", "Did you mean 'members'?"),
        ("kind: team\nid: a\n", 1, "", "'name' is missing", "Add it."),
        ("kind: team\nid: a\nname: ''\n", 3, "name", "'' does not fit", "1 to 200"),
        ("kind: team\nid: a\nname:\n", 3, "name", "Nothing does not fit", "1 to 200"),
        ("kind: team\nid: A b\nname: A\n", 2, "id", "'A b' does not fit", "lower case"),
        ("kind: team\nid: a\nname: A\nmembers: b\n", 4, "members", "Must be a list", "dash"),
        ("kind: team\nid: a\nname: [A]\n", 3, "name", "Must be a single value", "one line"),
        ("kind: team\nid: a\nname: A\nmembers:\n  - {}\n", 5, "members.0", "Must be a single value", "one line"),
        ("kind: label_set\nid: a\ntitle: A\nlabels: [a, b]\n", 4, "labels", "exactly 4", "Add or remove"),
        ("kind: severity_mapping\nid: a\ntitle: A\nwords: [a]\n", 4, "words", "Must be a mapping", "name: value"),
        ("kind: severity_mapping\nid: a\ntitle: A\nwords:\n  x: 4\n", 5, "words.x", "'4' does not fit", "0"),
        (
            "kind: declare_policy\nid: a\ntitle: A\nrules:\n  - {id: r, when: x, declare: maybe, why: y}\n",
            5, "rules.0.declare", "'maybe' does not fit", "true or false",
        ),
        (
            "kind: escalation_policy\nid: a\nname: A\nlevels: []\nrepeat: 21\n",
            5, "repeat", "'21' does not fit", "from 0 to 20",
        ),
        (
            "kind: escalation_policy\nid: a\nname: A\nlevels: []\nrepeat: '2'\n",
            5, "repeat", "'2' does not fit", "from 0 to 20",
        ),
        (
            ("kind: playbook\nid: a\ntitle: A\ncategory: bias\nowner: comander\nreviewed_on: 2026-11-23\n"
            "first_step: e\nsteps: []\n"),
            5, "owner", "'comander' does not fit", "'commander'",
        ),
        (
            ("kind: playbook\nid: a\ntitle: A\ncategory: bias\nowner: commander\nreviewed_on: 2026-02-30\n"
            "first_step: e\nsteps: []\n"),
            6, "reviewed_on", "'2026-02-30' does not fit", "a date",
        ),
        (
            ("kind: playbook\nid: a\ntitle: A\ncategory: bias\nowner: commander\nreviewed_on: 2026-02-20\n"
            "first_step: e\nsteps:\n  - {id: e}\n  - {step: ende, id: e}\n  - x\n"),
            9, "steps.0", "'step' is missing", "question, ",
        ),
        (
            ("kind: schedule\nid: a\nname: A\ntime_zone: UTC\nlayers:\n  - {id: l, people: [], start: 2026-01-01, "
            "hand_off: 9:00}\n"),
            6, "layers.0.hand_off", "'9:00' does not fit", "time of day",
        ),
        (
            ("kind: schedule\nid: a\nname: A\ntime_zone: UTC\nlayers: []\noverrides:\n"
            "  - {person: ada, start: '2026-01-01T09:00:00', end: '2026-01-02T09:00:00Z'}\n"),
            7, "overrides.0.start", "does not fit", "offset",
        ),
        (
            SMALL.replace("threshold: 0.10", "threshold: 1e-1"),
            line_of("threshold:"), "threshold", "'1e-1' does not fit", "decimal",
        ),
        (
            SMALL.replace('"1": [commander]', '"4": [commander]'),
            line_of("approval:"), "containment.0.approval.4", "'4' does not fit", "0",
        ),
    ],
)  # fmt: skip
def test_a_wrong_shape_is_refused_with_line_field_and_mend(
    yaml: str, line: int, field: str, why: str, mend: str
) -> None:
    found = [problem for problem in problems(yaml) if problem.field == field and why in problem.why]
    assert [problem.line for problem in found] == [line], problems(yaml)
    assert mend in found[0].mend


# --- what is refused: what documents say of each other -----------------------------------------------------------------


def changed(old: str, new: str) -> str:
    assert SMALL.count(old) == 1, old
    return SMALL.replace(old, new)


@pytest.mark.parametrize(
    ("yaml", "field", "why", "mend"),
    [
        (changed("owner: credit", "owner: credits"), "owner", "There is no team 'credits'.", "'credit'"),
        (changed("members: [ada]", "members: [ada, ida]"), "members.1", "There is no person 'ida'.", "'ada'"),
        (changed("lead: ada", "lead: bob"), "lead", "'bob' is not a member", "ada"),
        (changed("depends_on: [feature-store]", "depends_on: [store]"), "depends_on.0", "no system or component", ""),
        (changed("depends_on: [feature-store]", "depends_on: [loan-approval]"), "depends_on.0", "itself", "Remove"),
        (changed("verify: [gap_closed]", "verify: [gap_close]"), "containment.0.verify.0", "no probe 'gap_close'",
         "'gap_closed'"),
        (changed("{monitor: loan-fairness}", "{monitor: fairness}"), "probes.0.params.monitor", "no monitor", ""),
        (changed("{monitor: loan-fairness}", "{}"), "probes.0.params", "names no monitor", "monitor: <id>"),
        (changed("takes: 1 min", "takes: a while"), "containment.0.takes", "'a while'", "15 min"),
        (changed("tells: [credit]", "tells: [debit]"), "tells.0", "There is no team 'debit'.", "credit"),
        (changed("category: bias", "category: unfair"), "category", "There is no category 'unfair'.", "Use one of"),
        (changed("category: bias", "category: bias\nenter_k: 3"), "enter_k", "never fit", "at least 3"),
        (changed("why: Twice the widest change seen in quiet weeks.", "why: ' '"), "why", "is empty", "auditors"),
        (changed("protected_group_harmed: true", "protected_group_harmd: true"), "facts.protected_group_harmd",
         "no fact called", "'protected_group_harmed'"),
        (changed("protected_group_harmed: true", "protected_group_harmed: 3"), "facts.protected_group_harmed",
         "true or false", ""),
        (changed('"{measured} ratio"', '"{measured} minutes"'), "facts.fairness_gap_change", "not a unit of share", ""),
        (changed("email: ada@example.org\ncontact", "email: ada\ncontact"), "email", "not an e-mail address", "@"),
        (changed("address: ada@example.org", "address: ada@"), "contact.0.address", "not an e-mail address", "@"),
        (changed('"+441632960001"', "01632 960001"), "contact.1.address", "not a telephone number", "country code"),
        (changed("kind: phone, address", "kind: webhook, address"), "contact.1.address", "not a web address", "https"),
        (changed("kind: phone, address: \"+441632960001\"", "kind: chat, address: ' '"), "contact.1.address",
         "is empty", "where to send"),
        (changed("{id: phone,", "{id: mail,"), "contact.1.id", "'mail' is used twice", "own id"),
        (changed("roles: [commander]", "roles: []\ntime_zone: Mars/Crater"), "time_zone", "no time zone", "Berlin"),
        (SMALL + "---\nkind: person\nid: bob\nname: B\nemail: Ada@Example.org\n", "email", "'ada' has the same", "own"),
    ],
)  # fmt: skip
def test_a_document_that_does_not_fit_the_others_is_refused(
    yaml: str, field: str, why: str, mend: str
) -> None:
    found = problems(yaml)
    assert [problem.field for problem in found] == [field], found
    assert why in found[0].why
    assert mend in found[0].mend
    assert found[0].line > 1


POLICY = """
kind: escalation_policy
id: mine
name: Mine
levels:
  - notify: [{schedule: commander}]
"""
SCHEDULE = """
kind: schedule
id: mine
name: Mine
time_zone: Europe/Berlin
layers:
  - {id: day, people: [ada], start: 2026-01-05}
overrides:
  - {person: ada, start: "2026-01-05T09:00:00+01:00", end: "2026-01-06T09:00:00+01:00"}
"""
PLAYBOOK = """
kind: playbook
id: mine
title: Mine
category: bias
owner: commander
reviewed_on: 2026-11-23
first_step: q
steps:
  - {step: question, id: q, text: Really?, probe: gap_closed, answers: {yes: d, no: n, unknown: d}}
  - {step: decision, id: d, text: What?, role: commander, options: {one: n, other: t}}
  - {step: notification, id: n, template: update-responders, audience: responders, next: e}
  - {step: task, id: t, text: Do it., owner: commander, next: e}
  - {step: end, id: e, outcome: Done.}
"""
MATRIX = """
kind: severity_matrix
id: mine
title: Mine
criteria:
  - {id: a, rank: 0, when: {fact: active_attack, op: "==", value: true}, sentence: Attack., respond_within: 1 min}
  - {id: b, rank: 1, when: {fact: accuracy_drop, op: ">", value: 5}, sentence: Drop., resolve_within: 1 h}
profiles:
  - id: only
    title: Only
    citation: us
    ranks:
      "0": {respond_within: 1 min}
      "1": {respond_within: 1 h, resolve_within: 1 d}
      "2": {respond_within: 1 d}
      "3": {respond_within: 7 d}
"""
TAXONOMY = """
kind: taxonomy
id: mine
title: Mine
unknown: odd
categories:
  - {id: odd, group: behaviour, title: Odd, what: Odd., playbook: general}
  - {id: bias, group: model, title: Bias, what: Unfair., when: {fact: significant_bias, op: "==", value: true}}
"""
DECLARE = """
kind: declare_policy
id: mine
title: Mine
rules:
  - {id: a, when: {fact: alert.severity, op: "==", value: critical}, declare: true, why: Bad., category: bias}
"""
OTHERS = """
kind: template
id: mine
audience: public
moment: initial
subject: "{{ title }}"
body: "{{ what_happened }}"
required: [what_happened]
---
kind: label_set
id: mine
title: Mine
labels: [a, b, c, d]
---
kind: severity_mapping
id: mine
title: Mine
words: {bad: 0}
---
kind: vocabulary
id: mine
facts:
  churn: {kind: share, unit: percent, text: Churn}
  mood: {kind: text, choices: [good, bad], text: Mood}
probes: [{id: own_probe, question: Well?}]
---
kind: installation
id: installation
time_zone: Europe/Berlin
"""


@pytest.mark.parametrize("yaml", [POLICY, SCHEDULE, PLAYBOOK, MATRIX, TAXONOMY, DECLARE, OTHERS])
def test_the_examples_that_the_next_test_spoils_are_valid(yaml: str) -> None:
    assert problems(SMALL + "---" + yaml) == ()


@pytest.mark.parametrize(
    ("yaml", "old", "new", "field", "why"),
    [
        (POLICY, "[{schedule: commander}]", "[]", "levels.0.notify", "There is no target."),
        (POLICY, "levels:\n  - notify: [{schedule: commander}]", "levels: []", "levels", "There is no level."),
        (POLICY, "schedule: commander", "schedule: comander", "levels.0.notify.0.schedule", "no schedule 'comander'"),
        (POLICY, "schedule: commander", "team: comander", "levels.0.notify.0.team", "no team 'comander'"),
        (POLICY, "schedule: commander", "person: comander", "levels.0.notify.0.person", "no person 'comander'"),
        (POLICY, "schedule: commander", "schedule: commander, team: credit", "levels.0.notify.0", "exactly one"),
        (POLICY, "{schedule: commander}", "{}", "levels.0.notify.0", "exactly one"),
        (SCHEDULE, "time_zone: Europe/Berlin", "time_zone: Europe/Berln", "time_zone", "no time zone 'Europe/Berln'"),
        (SCHEDULE, "time_zone: Europe/Berlin", "time_zone: ../etc", "time_zone", "no time zone"),
        (SCHEDULE, "people: [ada]", "people: []", "layers.0.people", "There is no person."),
        (SCHEDULE, "people: [ada]", "people: [ada, bob]", "layers.0.people.1", "no person 'bob'"),
        (SCHEDULE, "people: [ada]", "people: [ada], restrictions: [{days: []}]", "layers.0.restrictions.0.days",
         "There is no day."),
        (SCHEDULE, "person: ada", "person: bob", "overrides.0.person", "no person 'bob'"),
        (SCHEDULE, "2026-01-06T09", "2026-01-05T09", "overrides.0.end", "ends before it starts"),
        (PLAYBOOK, "category: bias", "category: bais", "category", "no category 'bais'"),
        (PLAYBOOK, "first_step: q", "first_step: x", "first_step", "no step 'x'"),
        (PLAYBOOK, "yes: d", "yes: x", "steps.0.answers.yes", "no step 'x'"),
        (PLAYBOOK, "one: n", "one: x", "steps.1.options.one", "no step 'x'"),
        (PLAYBOOK, "audience: responders, next: e", "audience: responders, next: x", "steps.2.next", "no step 'x'"),
        (PLAYBOOK, "template: update-responders", "template: update", "steps.2.template", "no template 'update'"),
        (PLAYBOOK, ", unknown: d", "", "steps.0.answers", "'unknown' is missing"),
        (PLAYBOOK, ", no: n", "", "steps.0.answers", "'no' is missing"),
        (PLAYBOOK, "probe: gap_closed", "probe: gap_shut", "steps.0.probe", "has a probe 'gap_shut'"),
        (PLAYBOOK, "outcome: Done.}", "outcome: Done.}\n  - {step: end, id: e, outcome: Over.}", "steps.5.id",
         "'e' is used twice"),
        (MATRIX, "fact: active_attack", "fact: active_atack", "criteria.0.when.fact", "no fact called 'active_atack'"),
        (MATRIX, "value: 5", "value: 5, unit: people", "criteria.1.when.unit", "not a unit of share"),
        (MATRIX, "respond_within: 1 min}\n  - {id: b", "respond_within: soon}\n  - {id: b",
         "criteria.0.respond_within", "'soon'"),
        (MATRIX, "resolve_within: 1 h", "resolve_within: 1", "criteria.1.resolve_within", "no unit of time"),
        (MATRIX, "id: b", "id: a", "criteria.1.id", "'a' is used twice"),
        (MATRIX, '      "2": {respond_within: 1 d}\n', "", "profiles.0.ranks", "Rank 2 is missing."),
        (MATRIX, '"2": {respond_within: 1 d}', '"2": {respond_within: ""}', "profiles.0.ranks.2.respond_within",
         "not a number"),
        (TAXONOMY, "unknown: odd", "unknown: strange", "unknown", "no category 'strange'"),
        (TAXONOMY, "playbook: general", "playbook: generel", "categories.0.playbook", "no playbook 'generel'"),
        (TAXONOMY, "fact: significant_bias", "fact: bias", "categories.1.when.fact", "no fact called 'bias'"),
        (TAXONOMY, "id: bias", "id: odd", "categories.1.id", "'odd' is used twice"),
        (DECLARE, "category: bias", "category: bais", "rules.0.category", "no category 'bais'"),
        (DECLARE, "value: critical", "value: terrible", "rules.0.when.value", "is never 'terrible'"),
        (OTHERS, "required: [what_happened]", "required: [cause]", "required.0", "uses 'cause'"),
        (OTHERS, "[a, b, c, d]", "[a, A, c, d]", "labels", "does not tell one rank"),
        (OTHERS, "words: {bad: 0}", "words: {Bad: 0}", "words.Bad", "not in lower case"),
        (OTHERS, "unit: percent", "unit: minute", "facts.churn.unit", "not a unit of share"),
        (OTHERS, "kind: text, choices: [good, bad]", "kind: text, unit: percent", "facts.mood.unit", "has no unit"),
        (OTHERS, "kind: share, unit: percent", "kind: share, choices: [a]", "facts.churn.choices", "has no choices"),
        (OTHERS, "  churn:", "  accuracy_drop:", "facts.accuracy_drop", "declares this fact differently"),
        (OTHERS, "time_zone: Europe/Berlin", "time_zone: X/Y", "time_zone", "no time zone 'X/Y'"),
        (OTHERS, "time_zone: Europe/Berlin", "label_set: q", "label_set", "no label set 'q'"),
        (OTHERS, "time_zone: Europe/Berlin", "severity_matrix: q", "severity_matrix", "no severity matrix 'q'"),
        (OTHERS, "time_zone: Europe/Berlin", "taxonomy: q", "taxonomy", "no taxonomy 'q'"),
        (OTHERS, "time_zone: Europe/Berlin", "declare_policy: q", "declare_policy", "no declare policy 'q'"),
        (OTHERS, "time_zone: Europe/Berlin", "escalation_policy: q", "escalation_policy", "no escalation policy 'q'"),
        (OTHERS, "time_zone: Europe/Berlin", "review_form: q", "review_form", "no review form 'q'"),
        (OTHERS, "time_zone: Europe/Berlin", "response_profile: q", "response_profile", "no profile 'q'"),
        (OTHERS, "id: installation", "id: here", "id", "always 'installation'"),
    ],
)  # fmt: skip
def test_one_spoilt_place_is_one_problem_at_its_line(
    yaml: str, old: str, new: str, field: str, why: str
) -> None:
    assert yaml.count(old) == 1, old
    whole = SMALL + "---" + yaml.replace(old, new)
    found = problems(whole)
    assert {problem.field for problem in found} == {field}, found
    assert any(why in problem.why for problem in found), found
    assert all(problem.mend for problem in found)
    before = (SMALL + "---" + yaml).rindex(old)
    assert found[0].line <= whole[: before + len(new)].count("\n") + 1
    assert found[0].line > SMALL.count("\n")


def test_a_probe_of_a_monitor_asks_one_that_watches_its_own_system() -> None:
    found = problems(changed("system: loan-approval", "system: loans"))
    assert [(problem.field, problem.why) for problem in found] == [
        ("probes.0.params.monitor", "'loan-fairness' watches 'loans', not this system."),
        ("system", "There is no system 'loans'."),
    ]


def test_a_repeated_document_names_both_places() -> None:
    with pytest.raises(ConfigurationInvalid) as refused:
        load({"a.yaml": "kind: team\nid: a\nname: A\n", "b.yaml": "\n\nkind: team\nid: a\nname: B\n"})
    assert [str(problem) for problem in refused.value.problems] == [
        "b.yaml:3: team 'a' is declared twice, first at a.yaml:1. Keep one of the two."
    ]


def test_every_problem_is_told_at_once_in_order_and_once() -> None:
    yaml = "kind: team\nid: a\nnam: A\nmembers: x\n---\nkind: person\nid: b\nname: B\nemail: b\n"
    found = problems(yaml)
    assert [(problem.line, problem.field) for problem in found] == [
        (1, ""),
        (3, "nam"),
        (4, "members"),
        (9, "email"),
    ]


def test_a_faulty_document_is_not_also_called_missing() -> None:
    found = problems(changed("name: Credit", "nam: Credit"))
    assert {problem.field for problem in found} == {"", "nam"}
    taxonomy = problems("kind: taxonomy\nid: default\ntitle: T\ncategories: 3\n")
    assert [problem.field for problem in taxonomy] == ["categories"]
    vocabulary = problems("kind: vocabulary\nid: default\nfacts: 3\n")
    assert [problem.field for problem in vocabulary] == ["facts"]


def test_the_error_is_one_that_a_caller_may_show() -> None:
    with pytest.raises(Invalid) as refused:
        load({"mine.yaml": "kind: team\nid: a\n"})
    assert (refused.value.where, refused.value.why) == ("mine.yaml:1", "'name' is missing.")
    assert str(refused.value) == "mine.yaml:1: 'name' is missing. Add it."


# --- whatever comes -----------------------------------------------------------------------------------------------------


@given(st.text(max_size=200))
def test_no_text_whatever_breaks_the_reader(yaml: str) -> None:
    for problem in problems(yaml, defaults=False):
        assert problem.why
        assert problem.mend


@given(
    st.sampled_from(sorted(KINDS)),
    st.recursive(
        st.sampled_from(["", "a", "1", "true", "null", "[]", "{}", "'x'", "2026-01-01"]),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3).map(lambda parts: "[" + ", ".join(parts) + "]"),
            inner.map(lambda part: "{step: end, id: " + part + "}"),
        ),
        max_leaves=6,
    ),
    st.data(),
)
def test_no_document_whatever_breaks_the_check(kind: str, value: str, data: st.DataObject) -> None:
    fields = st.sampled_from([name for name in KINDS[kind].__struct_fields__ if name != "id"])
    names = data.draw(st.lists(fields, max_size=6, unique=True))
    yaml = "\n".join([f"kind: {kind}", "id: x", *(f"{name}: {value}" for name in names)])
    for problem in problems(yaml):
        assert 1 <= problem.line <= len(names) + 2
        assert problem.mend or problem.why
