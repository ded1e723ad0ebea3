"""The loan-approval model: what an application is, how the data is split, and how a model is fitted and measured.

The model takes the applicant's group as an input. A lender may not do that (15 U.S.C. 1691(a)(1)); the
demonstration does, because it makes a corrupted training set show up as a changed gap between groups within
minutes of traffic. A model without that input would hide the fault in this small data set, not remove it.
"""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

FIGURES: dict[str, str] = {
    "debt_to_income": "dir",
    "housing_to_income": "hir",
    "loan_to_value": "lvr",
    "consumer_credit": "ccs",
    "mortgage_credit": "mcs",
    "industry_unemployment": "uria",
}
"""Numeric inputs: our name -> the file's column."""

ANSWERS: dict[str, str] = {
    "condominium": "comdominiom",
    "public_bad_record": "pbcr",
    "insurance_denied": "dmi",
    "self_employed": "self",
    "single": "single",
}
"""Yes or no inputs: our name -> the file's column."""

GROUP = "group"
PROTECTED, REFERENCE = "black", "not-black"
"""The two values of the group: the protected one, and the one it is compared with."""

FEATURES: tuple[str, ...] = (*FIGURES, *ANSWERS, GROUP)
"""The model's inputs, in column order."""

DENY, APPROVE = "deny", "approve"
THRESHOLD = 0.45
"""Denied when the modelled probability of a denial reaches this. Set together with `fault.SHARE`: see there."""

SHARES = (0.5, 0.2, 0.3)
"""Train, validation, held-out."""

Table = npt.NDArray[np.object_]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Applications:
    """Rows of applications: `rows` (n x features, objects), `group` (n, text), `denied` (n, bool)."""

    rows: Table
    group: npt.NDArray[np.str_]
    denied: Flags

    def __len__(self) -> int:
        return len(self.denied)

    def take(self, positions: npt.NDArray[np.intp]) -> Applications:
        """Return the rows at `positions`, in that order."""
        return Applications(self.rows[positions], self.group[positions], self.denied[positions])

    def with_outcomes(self, denied: Flags) -> Applications:
        """Return the same applications with other outcomes."""
        return Applications(self.rows, self.group, denied)

    def digest(self) -> str:
        """Return SHA-256 over every value, so that a run can name the data it saw."""
        lines = (
            "\x1f".join((*map(str, row), str(bool(out))))
            for row, out in zip(self.rows, self.denied, strict=True)
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """The three parts of the data. No row is in two of them."""

    train: Applications
    validation: Applications
    held_out: Applications


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a model does on some applications. Every value is a rate in 0..1, except `rows`.

    'Positive' is a denial, so `true_positive_*` is the share of rightly denied applicants that it denies and
    `false_positive_*` the share of creditworthy ones that it denies.
    """

    rows: int
    accuracy: float
    auc: float
    denial_protected: float
    denial_reference: float
    true_positive_protected: float
    true_positive_reference: float
    false_positive_protected: float
    false_positive_reference: float

    @property
    def gap(self) -> float:
        """Denial rate of the protected group minus that of the others (demographic parity difference)."""
        return self.denial_protected - self.denial_reference

    def as_dict(self) -> dict[str, float]:
        """Return every figure by name, the gap included."""
        return {name: float(getattr(self, name)) for name in self.__slots__} | {"gap": self.gap}


def read() -> Applications:
    """Return the 2,380 applications of the file (its row 2381 is a line of column means, see CITATION.md)."""
    text = resources.files("tocsin_demo").joinpath("data/hmda_boston.csv").read_text("utf-8")
    records = [record for record in csv.DictReader(text.splitlines()) if record["pbcr"] in ("yes", "no")]
    applicants = [_applicant(record) for record in records]
    return Applications(
        rows=table(applicants),
        group=np.array([applicant[GROUP] for applicant in applicants]),
        denied=np.array([record["deny"] == "yes" for record in records]),
    )


def _applicant(record: Mapping[str, str]) -> dict[str, Any]:
    figures = {name: round(float(record[column]), 6) for name, column in FIGURES.items()}
    answers = {name: "yes" if record[column] in ("yes", "1") else "no" for name, column in ANSWERS.items()}
    return {**figures, **answers, GROUP: PROTECTED if record["black"] == "yes" else REFERENCE}


def table(applicants: Sequence[Mapping[str, Any]]) -> Table:
    """Return applicants as model input. A missing figure becomes NaN, a missing answer an unseen category."""
    rows = np.empty((len(applicants), len(FEATURES)), dtype=object)
    for at, applicant in enumerate(applicants):
        for column, name in enumerate(FEATURES):
            value = applicant.get(name)
            rows[at, column] = _figure(value) if name in FIGURES else str(value if value is not None else "")
    return rows


def _figure(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    return float(value)


def applicant(applications: Applications, at: int) -> dict[str, Any]:
    """Return row `at` as the plain data that a client sends."""
    return dict(zip(FEATURES, applications.rows[at], strict=True))


def split(applications: Applications, seed: int) -> Split:
    """Return a split in which every part has the same mix of group and outcome."""
    chance = np.random.default_rng(seed)
    parts: tuple[list[int], list[int], list[int]] = ([], [], [])
    for group in (PROTECTED, REFERENCE):
        for denied in (True, False):
            found = np.flatnonzero((applications.group == group) & (applications.denied == denied))
            order = chance.permutation(found)
            ends = [int(len(order) * SHARES[0]), int(len(order) * (SHARES[0] + SHARES[1]))]
            for part, rows in zip(parts, np.split(order, ends), strict=True):
                part.extend(rows.tolist())
    return Split(*(applications.take(chance.permutation(np.array(part))) for part in parts))


def fit(applications: Applications) -> Pipeline:
    """Return a fitted pipeline. Logistic regression has one optimum, so the same rows give the same model."""
    figures = Pipeline([("fill", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
    answers = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    last = len(FIGURES)
    columns = ColumnTransformer(
        [("figures", figures, list(range(last))), ("answers", answers, list(range(last, len(FEATURES))))]
    )
    model = Pipeline([("columns", columns), ("decide", LogisticRegression(max_iter=1000))])
    model.fit(applications.rows, applications.denied.astype(int))
    return model


def scores(model: Pipeline, rows: Table) -> npt.NDArray[np.float64]:
    """Return the modelled probability of a denial for each row, in 0..1."""
    return np.asarray(model.predict_proba(rows)[:, 1], dtype=np.float64)


def measure(model: Pipeline, on: Applications, threshold: float = THRESHOLD) -> Figures:
    """Return what `model` does on the applications `on`."""
    score = scores(model, on.rows)
    said = score >= threshold
    protected = on.group == PROTECTED

    def rate(among: Flags) -> float:
        return float(said[among].mean())

    return Figures(
        rows=len(on),
        accuracy=float((said == on.denied).mean()),
        auc=float(roc_auc_score(on.denied, score)),
        denial_protected=rate(protected),
        denial_reference=rate(~protected),
        true_positive_protected=rate(protected & on.denied),
        true_positive_reference=rate(~protected & on.denied),
        false_positive_protected=rate(protected & ~on.denied),
        false_positive_reference=rate(~protected & ~on.denied),
    )
