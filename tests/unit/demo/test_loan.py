"""The data, the split and the model of the demonstration."""

from __future__ import annotations

import hashlib
import re
from importlib import resources

import numpy as np
import pytest

from tocsin_demo import fault, loan


@pytest.fixture(scope="module")
def applications() -> loan.Applications:
    return loan.read()


@pytest.fixture(scope="module")
def parts(applications: loan.Applications) -> loan.Split:
    return loan.split(applications, fault.SEED)


def test_the_file_is_the_one_that_the_citation_names() -> None:
    data = resources.files("tocsin_demo").joinpath("data/hmda_boston.csv").read_bytes()
    citation = resources.files("tocsin_demo").joinpath("data/CITATION.md").read_text()
    assert f"`{hashlib.sha256(data).hexdigest()}`" in citation
    assert "Federal Reserve Bank of Boston" in citation


def test_every_application_but_the_line_of_means_is_read(applications: loan.Applications) -> None:
    assert len(applications) == 2380
    assert int(applications.denied.sum()) == 285
    assert int((applications.group == loan.PROTECTED).sum()) == 339


def test_the_denial_rates_of_the_groups_are_those_of_the_citation(applications: loan.Applications) -> None:
    citation = resources.files("tocsin_demo").joinpath("data/CITATION.md").read_text()
    protected = applications.group == loan.PROTECTED
    rates = [100 * float(applications.denied[rows].mean()) for rows in (protected, ~protected)]
    assert re.findall(r"([0-9.]+) %", citation) == [f"{rate:.1f}" for rate in rates]


def test_nothing_is_missing_and_every_answer_is_yes_or_no(applications: loan.Applications) -> None:
    figures, answers = len(loan.FIGURES), len(loan.ANSWERS)
    assert np.isfinite(applications.rows[:, :figures].astype(float)).all()
    assert set(applications.rows[:, figures : figures + answers].ravel()) == {"yes", "no"}


def test_no_application_is_in_two_parts(parts: loan.Split, applications: loan.Applications) -> None:
    every = [tuple(row) for part in (parts.train, parts.validation, parts.held_out) for row in part.rows]
    assert sorted(map(repr, every)) == sorted(repr(tuple(row)) for row in applications.rows)


def test_every_part_has_the_same_mix_of_group_and_outcome(parts: loan.Split) -> None:
    for part in (parts.train, parts.validation, parts.held_out):
        protected = part.group == loan.PROTECTED
        assert float(part.denied[protected].mean()) == pytest.approx(0.283, abs=0.01)
        assert float(part.denied[~protected].mean()) == pytest.approx(0.093, abs=0.005)


def test_the_same_seed_splits_alike_and_another_differently(applications: loan.Applications) -> None:
    one, again, other = (loan.split(applications, seed).train.digest() for seed in (1, 1, 2))
    assert one == again != other


def test_the_digest_of_data_changes_with_one_outcome(parts: loan.Split) -> None:
    denied = parts.train.denied.copy()
    denied[0] = not denied[0]
    assert parts.train.digest() != parts.train.with_outcomes(denied).digest()


def test_an_applicant_survives_the_way_to_the_model_and_back(applications: loan.Applications) -> None:
    row = loan.table([loan.applicant(applications, 5)])
    assert (row == applications.rows[5:6]).all()


@pytest.mark.parametrize(
    "strange",
    [
        {},
        {"debt_to_income": None},
        {"debt_to_income": "many"},
        {"single": None},
        {"group": "other"},
        {"colour": "red"},
    ],
    ids=str,
)
def test_what_is_missing_or_unseen_still_gets_a_score(parts: loan.Split, strange: dict[str, object]) -> None:
    applicant = loan.applicant(parts.held_out, 0) | strange if strange else {}
    score = float(loan.scores(loan.fit(parts.train), loan.table([applicant]))[0])
    assert 0 < score < 1


def test_a_good_model_is_better_than_approving_everybody(parts: loan.Split) -> None:
    figures = loan.measure(loan.fit(parts.train), parts.held_out)
    assert figures.accuracy > 1 - float(parts.held_out.denied.mean())
    assert figures.auc > 0.75


def test_the_measures_are_those_counted_by_hand() -> None:
    class Fixed:
        def predict_proba(self, rows: loan.Table) -> object:
            return np.array([[1 - score, score] for (score,) in rows])

    on = loan.Applications(
        rows=np.array([[0.9], [0.9], [0.1], [0.1], [0.9], [0.1], [0.1], [0.1]], dtype=object),
        group=np.array([loan.PROTECTED] * 4 + [loan.REFERENCE] * 4),
        denied=np.array([True, False, False, True, True, False, False, False]),
    )
    figures = loan.measure(Fixed(), on)  # type: ignore[arg-type]
    assert (figures.rows, figures.accuracy) == (8, 0.75)
    assert (figures.denial_protected, figures.denial_reference, figures.gap) == (0.5, 0.25, 0.25)
    assert (figures.true_positive_protected, figures.true_positive_reference) == (0.5, 1.0)
    assert (figures.false_positive_protected, figures.false_positive_reference) == (0.5, 0.0)
