"""YAML files to a typed configuration, or every problem at once with file, line and mend (CAT-4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import msgspec

from tocsin.catalog import node as yaml_node
from tocsin.catalog.configuration import FIELDS, KINDS, Configuration
from tocsin.catalog.document import Document
from tocsin.catalog.node import Scalar
from tocsin.catalog.problem import ConfigurationInvalid, Path, Problem, dotted
from tocsin.catalog.references import Check, check_document
from tocsin.catalog.shape import build
from tocsin.catalog.system import System
from tocsin.catalog.taxonomy import Taxonomy
from tocsin.catalog.vocabulary import VocabularyDocument
from tocsin.kernel.predicate import FactType, Vocabulary, did_you_mean, flaws

FILES = 2_000
CHARACTERS = 1_000_000
"""The most characters in one file."""
ALL_CHARACTERS = 20_000_000

Key = tuple[str, str]


@dataclass(slots=True)
class _Source:
    """One document of one file on its way to a struct."""

    file: str
    kind: str
    id: str
    node: yaml_node.Mapping
    data: object = None
    predicates: tuple[tuple[Path, object], ...] = ()
    problems: list[Problem] = field(default_factory=list)

    def report(self, path: Path, why: str, mend: str) -> None:
        self.report_at(path, yaml_node.line_of(self.node, path), why, mend)

    def report_at(self, path: Path, line: int, why: str, mend: str) -> None:
        self.problems.append(Problem(self.file, line, why, mend, dotted(path)))


def load(files: Mapping[str, str], defaults: Mapping[str, str] | None = None) -> Configuration:
    """Return the configuration that `files` (name to YAML text) declare on top of `defaults`.

    A document of `files` takes the place of the default of the same kind and id. The order of files, and of
    documents in them, means nothing.

    Raises:
        ConfigurationInvalid: with every problem, each with file, line, why and mend.
    """
    problems: list[Problem] = []
    sources = _sources(defaults or {}, problems) | _sources(files, problems)
    for source in sources.values():
        source.data, source.predicates = build(source.node, KINDS[source.kind], source.report_at)
    documents = _documents(sources)
    problems.extend(problem for source in sources.values() for problem in source.problems)
    _check_all(sources, documents, problems)
    if problems:
        raise ConfigurationInvalid(problems)
    made: dict[str, Any] = {FIELDS[kind]: dict(sorted(documents[kind].items())) for kind in KINDS}
    return Configuration(**made)


def _sources(files: Mapping[str, str], problems: list[Problem]) -> dict[Key, _Source]:
    sources: dict[Key, _Source] = {}
    for name, text in _within_limits(files, problems):
        for source in _documents_of(name, text, problems):
            first = sources.setdefault((source.kind, source.id), source)
            if first is not source:
                why = (
                    f"{source.kind} {source.id!r} is declared twice, first at {first.file}:{first.node.line}."
                )
                problems.append(Problem(name, source.node.line, why, "Keep one of the two."))
    return sources


def _within_limits(files: Mapping[str, str], problems: list[Problem]) -> Iterator[tuple[str, str]]:
    if len(files) > FILES or sum(map(len, files.values())) > ALL_CHARACTERS:
        why = f"More than {FILES} files or {ALL_CHARACTERS:,} characters of configuration."
        problems.append(Problem("", 0, why, "Apply less."))
        return
    for name, text in sorted(files.items()):
        if len(text) > CHARACTERS:
            problems.append(Problem(name, 0, f"Longer than {CHARACTERS:,} characters.", "Split the file."))
        else:
            yield name, text


def _documents_of(file: str, text: str, problems: list[Problem]) -> Iterator[_Source]:
    def report(line: int, why: str, mend: str) -> None:
        problems.append(Problem(file, line, why, mend))

    for node in yaml_node.read(text.removeprefix("\ufeff"), report):
        if not isinstance(node, yaml_node.Mapping):
            report(node.line, "A document is a mapping.", "Begin it with `kind:` and `id:`.")
            continue
        kind = _word(node, "kind")
        if kind not in KINDS:
            why = f"There is no kind {kind!r}." if kind else "The document does not say its kind."
            line = node.lines.get("kind", node.line)
            report(
                line, why, did_you_mean(kind, KINDS) if kind else f"Add `kind:`, one of: {', '.join(KINDS)}."
            )
            continue
        id = _word(node, "id") or ("installation" if kind == "installation" else "")
        if not id:
            report(node.line, f"The {kind} has no id.", "Add `id:`, the name that other documents call it.")
            continue
        del node.items["kind"]
        yield _Source(file, kind, id, node)


def _word(node: yaml_node.Mapping, name: str) -> str:
    value = node.items.get(name)
    return value.text if isinstance(value, Scalar) and not value.is_null else ""


def _documents(sources: Mapping[Key, _Source]) -> dict[str, dict[str, Document]]:
    """Return the documents that have the right shape; the vocabulary comes first, since predicates need it."""
    documents: dict[str, dict[str, Document]] = {kind: {} for kind in KINDS}
    for source in sources.values():
        if source.kind == "vocabulary":
            _convert(source, documents)
    vocabulary = _vocabulary(documents)
    complete = len(documents["vocabulary"]) == sum(kind == "vocabulary" for kind, _ in sources)
    for source in sources.values():
        if source.kind == "vocabulary":
            continue
        for path, predicate in source.predicates:
            for flaw in flaws(predicate, vocabulary) if complete else ():
                source.report((*path, *flaw.path), flaw.why, flaw.mend)
        if complete or not source.predicates:
            _convert(source, documents)
    return documents


def _convert(source: _Source, documents: dict[str, dict[str, Document]]) -> None:
    if source.problems:
        return
    try:
        document = msgspec.convert(source.data, KINDS[source.kind])
    except msgspec.ValidationError as error:  # the shape check knows better words; this is the net below it
        source.report((), f"It does not fit: {error}.", "Compare it with the JSON Schema of its kind.")
        return
    documents[source.kind][source.id] = document


def _vocabulary(documents: Mapping[str, Mapping[str, Document]]) -> Vocabulary:
    facts: dict[str, FactType] = {}
    for _, document in sorted(documents["vocabulary"].items()):
        facts.update(cast("VocabularyDocument", document).facts)
    return Vocabulary(facts)


def _check_all(
    sources: Mapping[Key, _Source], documents: Mapping[str, Mapping[str, Document]], problems: list[Problem]
) -> None:
    ids = {kind: {id for other, id in sources if other == kind} for kind in KINDS}
    whole = {kind for kind in KINDS if len(documents[kind]) == len(ids[kind])}
    check = partial(
        Check,
        ids=ids,
        documents=documents,
        vocabulary=_vocabulary(documents) if "vocabulary" in whole else None,
        categories=_categories(documents) if "taxonomy" in whole else None,
        probes=_probes(documents) if {"system", "vocabulary"} <= whole else None,
    )
    for (kind, id), source in sources.items():
        if id in documents[kind]:
            found = _Source(source.file, kind, id, source.node)
            check_document(check(report=found.report), documents[kind][id])
            problems.extend(found.problems)


def _categories(documents: Mapping[str, Mapping[str, Document]]) -> dict[str, object]:
    taxonomies = cast("Iterable[Taxonomy]", documents["taxonomy"].values())
    return {category.id: category for taxonomy in taxonomies for category in taxonomy.categories}


def _probes(documents: Mapping[str, Mapping[str, Document]]) -> dict[str, object]:
    systems = cast("Iterable[System]", documents["system"].values())
    vocabularies = cast("Iterable[VocabularyDocument]", documents["vocabulary"].values())
    own = {probe.id: probe for system in systems for probe in system.probes}
    return own | {probe.id: probe for vocabulary in vocabularies for probe in vocabulary.probes}
