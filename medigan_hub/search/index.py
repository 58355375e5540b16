"""Looking models up by words and fields.

Words are looked up in a full-text index (SQLite's FTS5, in memory, words
reduced to their stem), best match first by BM25 over weighted fields. A word
stands for its synonyms too; a phrase that no model has is taken as its words,
and a word that no model has as the beginning of one, before it is answered
with close ones.
"""

from __future__ import annotations

import re
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from medigan_hub.catalogue import Entry
from medigan_hub.errors import HubError, RequestError, close_to, listed, named, whole_number
from medigan_hub.search.fields import FILTERS, WEIGHTS, texts
from medigan_hub.search.measured import measured
from medigan_hub.search.query import Query, Word, as_text, as_texts, parse, phrase
from medigan_hub.search.ranking import Metric, metric_key, metrics
from medigan_hub.search.sqlite import sqlite3
from medigan_hub.search.synonyms import SYNONYMS, canonical

WORD = re.compile(r"[^\W_]+")
FIND = "SELECT rowid FROM models WHERE models MATCH ?"
Values = str | Sequence[str] | None


class Criteria(TypedDict, total=False):
    """What a search may ask for beside words."""

    operator: str | None
    case_sensitive: bool
    modality: Values
    organ: Values
    task: Values
    architecture: Values
    dataset: Values
    framework: Values
    licence: Values
    installed: bool | None
    rank_by: str | None
    order: str | None
    figures: str | Path | None
    limit: int | None


CRITERIA = frozenset(Criteria.__annotations__)

Explain = Callable[[int], dict[str, list[str]]]


class Match:
    """A model that was found.

    Attributes
    ----------
    entry
        The model, and its plugin where one is installed.
    metric, value
        The metric that models are ranked by, and the model's value of it; None
        where they are not ranked, or it has none.
    """

    # Thousands are made for one query: no dataclass, which takes far longer.
    def __init__(
        self, entry: Entry, metric: str | None, value: float | None, explain: Explain, row: int
    ) -> None:
        self.entry = entry
        self.metric = metric
        self.value = value
        self._explain = explain
        self._row = row

    @cached_property
    def fields(self) -> Mapping[str, Sequence[str]]:
        """The fields in which each word was found, the weightiest first."""
        return self._explain(self._row)

    def __repr__(self) -> str:
        ranked = f", {self.metric} {self.value}" if self.metric is not None else ""
        return f"<Match {self.entry.metadata.name}{ranked}>"

    def __getstate__(self) -> dict[str, Any]:
        """Leave the index behind, and take along what would be asked of it."""
        kept = ("entry", "metric", "value", "fields")
        return {name: getattr(self, name) for name in kept}


class Result(NamedTuple):
    """What a search gave."""

    matches: list[Match]
    advice: list[str]
    """One line for each word that no model has, with close ones."""
    notes: list[str]
    """What is to be known of the figures that models are ranked by, a line each."""


class Index:
    """What a list of models can be searched by; it is built when it is first asked."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._lock = threading.Lock()

    def search(
        self,
        words: str | Sequence[str] = (),
        *,
        operator: str | None = None,
        case_sensitive: bool = False,
        installed: bool | None = None,
        rank_by: str | None = None,
        order: str | None = None,
        figures: str | Path | None = None,
        limit: int | None = None,
        **filters: Values,
    ) -> Result:
        """Return the models that fit, the best first; see ``Hub.search``."""
        query = parse(words, operator, case_sensitive=case_sensitive)
        if limit is not None:
            limit = whole_number("the limit", limit, 1)
        if order is not None and rank_by is None:
            raise RequestError(f"the order {order} needs a metric to rank by ({named('rank_by')})")
        if figures is not None and rank_by is None:
            raise RequestError(
                f"the figures in {figures} need a metric to rank by ({named('rank_by')})"
            )
        order = None if order is None else as_text("the order", order)
        notes: list[str] = []
        metric = None
        if rank_by is not None:
            metric = self._metric(as_text("the metric", rank_by), figures, notes)
            metric.key(order)  # what can't be asked is said before anything is looked up
        allowed = self._allowed(filters, installed)
        advice: list[str] = []
        if case_sensitive or not query.words:
            rows = self._exact_rows(query, advice)
            explain: Explain = partial(self._exact_fields, query.words)
        else:
            rows, expressions = self._rows(query, advice, by_relevance=metric is None)
            explain = partial(self._fields, expressions)
        found = list(rows) if allowed is None else [row for row in rows if row in allowed]
        values: dict[int, float] = {}
        if metric is not None:
            found, values = metric.rank(found, order)
            notes += self._told(metric, found, figures)
        name = metric.name if metric else None
        matches = [
            Match(self._entries[row], name, values.get(row), explain, row) for row in found[:limit]
        ]
        return Result(matches, advice, notes)

    def _rows(
        self, query: Query, advice: list[str], *, by_relevance: bool
    ) -> tuple[Sequence[int], dict[str, str]]:
        """Return the models that have the words, and the expression that found each word."""
        expressions = {}
        for word in query.words:
            expression = self._expression(word)
            if expression is not None:
                expressions[word.text] = expression
            else:
                advice.append(self._advice(word.text))
        if not expressions or (query.operator == "and" and advice):
            return [], expressions
        joint = (" AND " if query.operator == "and" else " OR ").join(expressions.values())
        order = "rank, rowid" if by_relevance else "rowid"  # relevance is most of the work
        found = [row for (row,) in self._ask(f"{FIND} ORDER BY {order}", joint)]
        if query.operator == "xor":
            counts = Counter(
                row for each in expressions.values() for (row,) in self._ask(FIND, each)
            )
            found = [row for row in found if counts[row] == 1]
        return found, expressions

    def _expression(self, word: Word) -> str | None:
        """Return the expression that finds a word; None where no model has it."""
        expressions = [word.expression(with_synonyms=True), word.in_pieces()]
        if len(word.text) >= 3:
            expressions.append(word.beginning())
        return next((f"({each})" for each in expressions if each and self._has(each)), None)

    def _has(self, expression: str) -> bool:
        return bool(self._ask(f"{FIND} LIMIT 1", expression))

    def _fields(self, expressions: Mapping[str, str], row: int) -> dict[str, list[str]]:
        """Return the fields of a model in which each word is."""
        marks = ", ".join(
            f"instr(highlight(models, {column}, char(1), ''), char(1))"
            for column in range(len(WEIGHTS))
        )
        found = {}
        for word, expression in expressions.items():
            hits = self._ask(
                f"SELECT {marks} FROM models WHERE models MATCH ? AND rowid = ?",  # noqa: S608 (our own names)
                *(expression, row),
            )
            if hits:
                found[word] = [name for name, hit in zip(WEIGHTS, hits[0], strict=True) if hit]
        return found

    def _exact_rows(self, query: Query, advice: list[str]) -> Sequence[int]:
        """Return the models that have the words in exactly this case; all, if there are none."""
        if not query.words:
            return range(len(self._entries))
        either = " OR ".join(word.expression(with_synonyms=False) for word in query.words)
        candidates = self._ask(f"{FIND} ORDER BY rank, rowid", either)
        fields = {row: self._exact_fields(query.words, row) for (row,) in candidates}
        for word in query.words:
            if not any(word.text in found for found in fields.values()):
                advice.append(self._advice(word.text))
        count = len(query.words)
        wanted = {"and": (count,), "or": range(1, count + 1), "xor": (1,)}[query.operator]
        return [row for row, found in fields.items() if len(found) in wanted]

    def _exact_fields(self, words: Sequence[Word], row: int) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, value in zip(WEIGHTS, self._texts[row], strict=True):
            for word in words:
                if word.exact.search(value):
                    found.setdefault(word.text, []).append(name)
        return found

    def _allowed(self, filters: Mapping[str, Values], installed: bool | None) -> set[int] | None:
        """Return the models that pass the filters; None where there is no filter."""
        sets = []
        for name, values in filters.items():
            if name not in FILTERS:
                raise RequestError(f"there is no filter {name!r}; use {', '.join(FILTERS)}")
            if values is None:
                continue
            known = self._known[name]
            rows: set[int] = set()
            for value in as_texts(f"the {name}", values):
                if canonical(value) not in known:
                    shown = sorted({display for display, _ in known.values()})
                    raise RequestError(f"no model has the {name} {value!r}; {_list(value, shown)}")
                rows |= known[canonical(value)][1]
            sets.append(rows)
        if installed is not None:
            entries = enumerate(self._entries)
            sets.append({row for row, e in entries if (e.plugin is not None) == installed})
        return set.intersection(*sets) if sets else None

    @cached_property
    def _known(self) -> dict[str, dict[str, tuple[str, set[int]]]]:
        """For each filter, its values as they are shown, with the models that have each."""
        known: dict[str, dict[str, tuple[str, set[int]]]] = {name: {} for name in FILTERS}
        for row, entry in enumerate(self._entries):
            for name, values_of in FILTERS.items():
                for value in values_of(entry.metadata):
                    known[name].setdefault(canonical(value), (value, set()))[1].add(row)
        return known

    def _metric(self, name: str, figures: str | Path | None, notes: list[str]) -> Metric:
        """Return the metric of a name, of a file of figures or of the models' own."""
        if figures is not None:
            metric, told = measured(figures, name, self._places)
            notes += told
            return metric
        if metric_key(name) not in self._metrics:
            names = sorted(metric.name for metric in self._metrics.values())
            listed = _list(name, names, most=len(names))
            raise RequestError(f"no model has the metric {name!r}; {listed}")
        return self._metrics[metric_key(name)]

    def _told(
        self, metric: Metric, rows: Sequence[int], figures: str | Path | None
    ) -> Iterator[str]:
        """Yield what is to be known of the order that a metric gives to models."""
        if figures is None:
            caution = metric.caution(rows)
            if caution is not None:
                yield caution
            return
        without = [self._entries[row].metadata.name for row in rows if row not in metric.values]
        if without:
            yield (
                f"{figures} has no {metric.name} of {listed(without)}, which "
                f"{'comes' if len(without) == 1 else 'come'} last"
            )

    @cached_property
    def _places(self) -> dict[str, int]:
        return {entry.metadata.name: row for row, entry in enumerate(self._entries)}

    @cached_property
    def _metrics(self) -> dict[str, Metric]:
        return metrics([entry.metadata for entry in self._entries])

    @cached_property
    def _texts(self) -> list[tuple[str, ...]]:
        return [texts(entry.metadata) for entry in self._entries]

    @cached_property
    def _connection(self) -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:", check_same_thread=False)
        weakref.finalize(self, connection.close)
        columns = ", ".join(WEIGHTS)
        try:
            connection.execute(
                f"CREATE VIRTUAL TABLE models USING fts5({columns}, tokenize='porter unicode61')"
            )
        except sqlite3.OperationalError as error:
            raise HubError(
                f"searching for words needs SQLite with FTS5 ({error}); use another build of "
                "Python, or import sqlite3 before tensorflow, which brings an SQLite without"
            ) from error
        weights = ", ".join(map(str, WEIGHTS.values()))
        marks = ", ".join("?" * (len(WEIGHTS) + 1))
        rows = ((row, *fields) for row, fields in enumerate(self._texts))
        with connection:
            connection.executemany(
                f"INSERT INTO models(rowid, {columns}) VALUES ({marks})",  # noqa: S608 (our own names)
                rows,
            )
            connection.execute(
                "INSERT INTO models(models, rank) VALUES ('rank', ?)", (f"bm25({weights})",)
            )
        return connection

    def _ask(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    @cached_property
    def _vocabulary(self) -> list[str]:
        """The words that can be offered: those of every field but the description, and synonyms."""
        lines = [
            term
            for group in SYNONYMS
            if self._has(" OR ".join(map(phrase, group)))
            for term in group
        ]
        lines += [" ".join(fields[:-1]) for fields in self._texts]
        vocabulary: dict[str, str] = {}
        for line in lines:
            for word in WORD.findall(line):
                vocabulary.setdefault(word.casefold(), word)
        return list(vocabulary.values())

    def _advice(self, sought: str) -> str:
        """Return one line on a word that no model has."""
        close = [
            word
            for part in WORD.findall(sought)
            for word in close_to(part, self._vocabulary, most=2, least=0.75)
            if word != part
        ]
        offer = f"; did you mean {' or '.join(dict.fromkeys(close))}?" if close else ""
        return f"no model has {sought!r}{offer}"


def _list(value: str, known: Sequence[str], most: int = 40) -> str:
    """Say which values there are, the close ones first where there are too many to name."""
    if len(known) > most:
        shown = list(dict.fromkeys([*close_to(value, known, most=5, least=0.5), *known]))[:most]
        return f"there are {', '.join(shown)} and {len(known) - most} more"
    return f"there are {', '.join(known)}" if known else "there are none"
