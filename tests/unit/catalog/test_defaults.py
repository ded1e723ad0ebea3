"""The defaults that ship are complete, valid and fit together."""

from __future__ import annotations

import datetime as dt
from typing import cast

import pytest

from tests.unit.catalog.example import default_files, defaults
from tocsin.catalog.playbook import UNKNOWN, Decision, End, Playbook, Question, Recommendation, next_steps
from tocsin.kernel import quantity
from tocsin.kernel.predicate import Vocabulary
from tocsin.kernel.severity import RANKS
from tocsin.response.communications.template import lint_template
from tocsin.response.playbooks.playbook import lint

PLAYBOOKS = sorted(defaults().playbooks)
STANDARD = set(defaults().standard_probes)


def playbook(name: str) -> Playbook:
    return defaults().playbooks[name]


def test_an_installation_that_declares_nothing_has_everything_it_chooses() -> None:
    configuration = defaults()
    assert configuration.matrix.id == "default"
    assert configuration.response_profile.id == "by-criterion"
    assert configuration.taxonomy.unknown == "unexpected_behaviour"
    assert configuration.declare_policy.rules
    assert len(configuration.review_form.questions) == 8
    assert [configuration.label(rank) for rank in (*RANKS, None)] == ["P0", "P1", "P2", "P3", "Unknown"]
    assert configuration.systems == {}


@pytest.mark.parametrize(("label_set", "labels"), [
    ("p", ("P0", "P1", "P2", "P3")),
    ("sev", ("SEV-1", "SEV-2", "SEV-3", "SEV-4")),
    ("words", ("Critical", "High", "Medium", "Low")),
])  # fmt: skip
def test_three_label_sets_ship(label_set: str, labels: tuple[str, ...]) -> None:
    assert defaults().label_sets[label_set].labels == labels


def test_every_fact_has_words_and_every_figure_a_unit_that_people_know() -> None:
    for name, type_ in defaults().vocabulary.facts.items():
        assert type_.text[0].isupper(), name
        assert not type_.text.endswith((".", "?")), name
        assert not type_.ask or type_.ask.endswith("?"), name


def test_every_fact_of_a_criterion_can_be_asked_of_a_person() -> None:
    vocabulary = defaults().vocabulary
    used = {row.fact for criterion in defaults().matrix.criteria for row in criterion.when.rows()}
    assert {name for name in used if not vocabulary.facts[name].ask} == set()


# --- the matrix ------------------------------------------------------------------------------------------------------


def test_every_criterion_says_its_reason_and_its_source() -> None:
    for criterion in defaults().matrix.criteria:
        assert criterion.sentence.endswith("."), criterion.id
        assert criterion.citation, criterion.id
        assert criterion.dimension, criterion.id
        assert bool(criterion.respond_within) == bool(criterion.resolve_within), criterion.id


def test_every_rank_has_criteria() -> None:
    assert {criterion.rank for criterion in defaults().matrix.criteria} == set(RANKS)


@pytest.mark.parametrize(
    ("profile", "respond", "resolve"),
    [
        ("by-criterion", ("15 min", "30 min", "2 h", "8 h"), ("2 h", "4 h", "24 h", "72 h")),
        ("by-rank", ("15 min", "2 h", "24 h", "7 d"), ("", "", "", "")),
    ],
)
def test_both_response_profiles_ship(
    profile: str, respond: tuple[str, ...], resolve: tuple[str, ...]
) -> None:
    found = defaults().matrix.profile(profile)
    assert found is not None
    assert tuple(found.ranks[rank].respond_within for rank in ("0", "1", "2", "3")) == respond
    assert tuple(found.ranks[rank].resolve_within for rank in ("0", "1", "2", "3")) == resolve
    assert found.citation


def test_within_a_profile_a_worse_rank_never_has_more_time() -> None:
    for profile in defaults().matrix.profiles:
        times = [quantity.seconds(profile.ranks[rank].respond_within) for rank in ("0", "1", "2", "3")]
        assert times == sorted(times)


# --- the taxonomy ----------------------------------------------------------------------------------------------------


def test_every_kind_of_incident_is_described_and_answered() -> None:
    for category in defaults().taxonomy.categories:
        assert category.what.endswith("."), category.id
        assert category.first_response, category.id
        assert category.playbook in defaults().playbooks, category.id
        if category.is_incident:
            assert category.symptoms, category.id
            assert category.causes, category.id
            assert category.detection, category.id


def test_the_taxonomy_has_the_kinds_that_are_asked_for() -> None:
    ids = {category.id for category in defaults().taxonomy.categories}
    assert ids == {
        "performance_degradation", "bias", "serving_failure", "unexpected_behaviour", "llm_harmful_output",
        "agent_misbehaviour", "data_quality", "data_pipeline", "data_privacy", "compute", "network", "storage",
        "cloud_provider", "orchestration", "adversarial_input", "data_poisoning", "security_breach",
        "compliance_violation", "not_an_ai_incident",
    }  # fmt: skip
    assert [one.id for one in defaults().taxonomy.categories if not one.is_incident] == ["not_an_ai_incident"]


def test_no_two_categories_that_facts_point_to_have_the_same_weight() -> None:
    weights = [one.precedence for one in defaults().taxonomy.categories if one.when]
    assert len(weights) == len(set(weights))


# --- playbooks --------------------------------------------------------------------------------------------------------


def test_the_playbooks_that_are_asked_for_ship() -> None:
    assert PLAYBOOKS == ["bias", "data-quality", "general", "performance-degradation", "serving-failure"]


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_a_playbook_has_no_fault_on_the_day_of_its_review(name: str) -> None:
    assert lint(playbook(name), today=playbook(name).reviewed_on + dt.timedelta(days=1)) == ()


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_a_playbook_is_a_tree_of_decisions_not_a_list(name: str) -> None:
    branching = [step for step in playbook(name).steps if len(set(next_steps(step).values())) > 1]
    assert len(branching) >= 4


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_every_question_can_be_answered_by_someone_who_does_not_know(name: str) -> None:
    for step in playbook(name).steps:
        if isinstance(step, Question):
            assert {"yes", "no", UNKNOWN} == set(step.answers)
            assert step.probe is None or step.probe in STANDARD


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_after_a_recommendation_no_probe_answers_before_a_person_has_acted(name: str) -> None:
    """A run passes a recommendation at once; a probe right behind it would measure the harm that still goes on."""
    tree = playbook(name)
    for step in tree.steps:
        if isinstance(step, Recommendation):
            following = tree.step(step.next)
            while isinstance(following, Recommendation):
                following = tree.step(following.next)
            assert not (isinstance(following, Question) and following.probe), step.id


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_someone_who_never_knows_still_comes_to_an_end(name: str) -> None:
    tree = playbook(name)
    step = tree.step(tree.first_step)
    for _ in range(len(tree.steps) + 1):
        assert step is not None
        if isinstance(step, End):
            return
        ways = next_steps(step)
        step = tree.step(ways.get(UNKNOWN) or next(iter(ways.values())))
    pytest.fail("it goes round for ever")


def test_when_nobody_knows_anything_the_playbook_on_bias_puts_people_between() -> None:
    tree = playbook("bias")
    name, seen = tree.first_step, []
    while not isinstance(step := tree.step(name), End):
        assert step is not None
        seen.append(step)
        name = next_steps(step).get(UNKNOWN) or next(iter(next_steps(step).values()))
    assert [step.action for step in seen if isinstance(step, Recommendation)] == ["to_human"]


def test_bias_after_a_new_version_with_healthy_data_and_serving_recommends_to_roll_back() -> None:
    tree = playbook("bias")
    name, seen = tree.first_step, []
    while not isinstance(step := tree.step(name), End):
        assert step is not None
        seen.append(step)
        ways = next_steps(step)
        name = ways.get("yes") or ways.get("done") or next(iter(ways.values()))
    asked = [step.probe for step in seen if isinstance(step, Question)]
    assert asked == ["pipeline_healthy", "serving_healthy", "recent_deployment", "gap_closed"]
    assert [step.action for step in seen if isinstance(step, Recommendation)] == ["rollback"]


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_evidence_is_kept_before_anything_is_rolled_back_or_quarantined(name: str) -> None:
    tree = playbook(name)
    before: dict[str, list[str]] = {step.id: [] for step in tree.steps}
    for step in tree.steps:
        for target in next_steps(step).values():
            before[target].append(step.id)
    for step in tree.steps:
        if isinstance(step, Recommendation) and step.action in ("rollback", "quarantine"):
            steps = [tree.step(name) for name in before[step.id]]
            assert all(
                one is not None and type(one).__name__ in ("EvidenceCollection", "Decision") for one in steps
            )


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_the_choice_that_follows_a_recommendation_has_a_way_for_no(name: str) -> None:
    tree = playbook(name)
    for step in tree.steps:
        if isinstance(step, Decision):
            assert len(step.options) >= 2, step.id


# --- policies, people, words --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "word", "rank"),
    [
        ("alertmanager", "critical", 0), ("alertmanager", "Critical", 0), ("alertmanager", "page", 0),
        ("alertmanager", "error", 1), ("alertmanager", "warning", 2), ("alertmanager", "info", 3),
        ("alertmanager", "none", 3), ("alertmanager", "", None), ("alertmanager", "purple", None),
        ("pagerduty", "critical", 0), ("pagerduty", "error", 1), ("pagerduty", "warning", 2), ("pagerduty", "info", 3),
        ("pagerduty", "SEV-1", 0), ("pagerduty", "unheard", None),
        ("monitor", "critical", 0), ("monitor", "low", 3), ("monitor", "", None),
    ],
)  # fmt: skip
def test_the_words_of_senders_become_ranks(source: str, word: str, rank: int | None) -> None:
    assert defaults().severity_mappings[source].rank(word) == rank


def test_the_default_escalation_waits_as_long_as_each_rank_allows() -> None:
    policy = defaults().escalation_policies["default"]
    first = policy.levels[0]
    assert first.role == "commander"
    assert [first.acknowledge_seconds(rank) for rank in (*RANKS, None)] == [300, 900, 7200, 7200, 900]
    assert [level.serves(2) for level in policy.levels] == [True, True, True, False]
    assert [level.serves(None) for level in policy.levels] == [True] * 4


def test_templates_render_and_have_no_fault() -> None:
    for template in defaults().templates.values():
        assert lint_template(template.subject, template.body, required=template.required) == (), template.id


def test_a_status_update_tells_status_actions_next_steps_and_estimate() -> None:
    for id in ("update-responders", "update-executives"):
        template = defaults().templates[id]
        assert {"status", "actions", "next_steps", "estimate"} <= set(template.required)


def test_a_customer_hears_what_happened_whether_data_is_at_risk_and_what_to_do() -> None:
    template = defaults().templates["initial-customers"]
    assert {"what_happened", "data_at_risk", "action_needed"} <= set(template.required)


def test_every_file_explains_itself_or_holds_playbooks() -> None:
    for name, text in default_files().items():
        assert text.startswith("#") or "playbook_" in name, name


def test_the_vocabulary_is_made_once() -> None:
    configuration = defaults()
    assert cast("Vocabulary", configuration.vocabulary) is configuration.vocabulary
