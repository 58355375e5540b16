"""Finding models by words and fields, and ranking them by how they scored.

Words are looked up in a full-text index (SQLite's FTS5, in memory, words
reduced to their stem), best match first by BM25 over weighted fields. A word
stands for its synonyms too; one that no model has is tried as the beginning of
a word, and else answered with close ones.
"""

from __future__ import annotations

import difflib
import re
import sqlite3
import threading
import warnings
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypedDict

from medigan_hub import synonyms
from medigan_hub.catalogue import Entry
from medigan_hub.errors import HubError, HubWarning, RequestError, whole_number
from medigan_hub.metadata import ModelMetadata
from medigan_hub.synonyms import canonical

OPERATORS = ("and", "or", "xor")
ORDERS = ("asc", "desc")
MOST_WORDS = 32
FIND = "SELECT rowid FROM models WHERE models MATCH ?"
FREE_LICENCES = re.compile(r"MIT|BSD|Apache|GPL|LGPL|AGPL|CC0|CC-BY(-SA)?-\d|MPL|ISC|Unlicense")
FILLERS = frozenset(["a", "an", "the", "of", "with", "for", "from", "in", "on", "by"])

WEIGHTS = {
    "name": 10,
    "generates": 6,
    "modality": 6,
    "organ": 6,
    "dataset": 6,
    "architecture": 6,
    "title": 5,
    "task": 4,
    "tags": 3,
    "size": 2,
    "licence": 2,
    "description": 1,
}
"""The fields that words are looked up in, and how much a match in each counts."""

FILTERS: Mapping[str, Callable[[ModelMetadata], Sequence[str]]] = {
    "modality": lambda model: model.modality,
    "organ": lambda model: model.organ,
    "task": lambda model: [model.task],
    "architecture": lambda model: [model.architecture],
    "dataset": lambda model: model.dataset,
    "framework": lambda model: [model.framework],
    "licence": lambda model: [model.licence or "not stated"],
}
"""The fields that can be filtered by, and a model's values of each."""

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
    limit: int | None


CRITERIA = frozenset(Criteria.__annotations__)


@dataclass(eq=False, repr=False)  # not frozen: thousands are made for one query
class Match:
    """A model that was found."""

    entry: Entry
    metric: str | None = None
    """Name of the metric that the models are ranked by."""
    value: float | None = None
    """The model's value of that metric; None where it has none."""
    _explain: Callable[[int], dict[str, list[str]]] = lambda row: {}
    _row: int = 0

    def __repr__(self) -> str:
        ranked = f", {self.metric} {self.value}" if self.metric is not None else ""
        return f"<Match {self.entry.metadata.name}{ranked}>"

    @cached_property
    def fields(self) -> Mapping[str, Sequence[str]]:
        """The fields in which each word was found, the weightiest first."""
        return self._explain(self._row)


@dataclass(frozen=True)
class Metric:
    """How the models of the catalogue scored by one metric."""

    name: str
    better: str | None
    """``lower``, ``higher``, or None where the documents name no direction."""
    ideal: float | None
    """The best value where it lies between others."""
    values: Mapping[int, Sequence[float]]
    """By the model's place in the index; several where several were reported."""

    def ranking(self, order: str | None) -> Callable[[float], float]:
        """Return the key by which values are sorted.

        Raises
        ------
        RequestError
            No order was given, and the metric has no better direction.
        """
        if order is None and self.ideal is not None:
            ideal = self.ideal
            return lambda value: abs(value - ideal)
        if order is None and self.better is None:
            raise RequestError(f"{self.name} has no better direction; name an order: asc or desc")
        falling = order == "desc" or (order is None and self.better == "higher")
        return lambda value: -value if falling else value


@dataclass(frozen=True)
class Word:
    """One thing that is looked for."""

    text: str
    parts: tuple[str, ...]
    """Words that must all be there, or one phrase."""

    def expression(self, *, with_synonyms: bool) -> str:
        """Return the query for this word in the language of FTS5."""
        together = " AND ".join(_phrase(part) for part in self.parts)
        others = synonyms.others(self.text) if with_synonyms else ()
        return "(" + " OR ".join([f"({together})", *map(_phrase, others)]) + ")"

    @cached_property
    def exact(self) -> re.Pattern[str]:
        """The word as it is written, not as a part of another."""
        return re.compile(rf"(?<!\w){re.escape(self.text)}(?!\w)")


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
        limit: int | None = None,
        **filters: Values,
    ) -> list[Match]:
        """Return the models that fit, the best first; see ``Hub.search``."""
        wanted, operator = parse(words, operator, case_sensitive=case_sensitive)
        if limit is not None:
            limit = whole_number("the limit", limit, 1)
        if order is not None and order not in ORDERS:
            raise RequestError(f"there is no order {order!r}; use {' or '.join(ORDERS)}")
        if order is not None and rank_by is None:
            raise RequestError(f"the order {order} needs a metric to rank by (rank_by, --rank-by)")
        metric = self._metric(rank_by) if rank_by is not None else None
        key = metric.ranking(order) if metric else None
        allowed = self._allowed(filters, installed)

        explain: Callable[[int], dict[str, list[str]]]
        if case_sensitive or not wanted:
            rows = self._exact_rows(wanted, operator) if wanted else range(len(self._entries))
            explain = partial(self._exact_fields, wanted)
        else:
            rows, expressions = self._rows(wanted, operator, by_relevance=metric is None)
            explain = partial(self._fields, expressions)
        found = list(rows) if allowed is None else [row for row in rows if row in allowed]
        name = metric.name if metric else None
        values: dict[int, float] = {}
        if metric is not None and key is not None:
            scored = [row for row in found if row in metric.values]
            values = {row: min(metric.values[row], key=key) for row in scored}
            scored.sort(key=lambda row: key(values[row]))
            found = scored + [row for row in found if row not in values]
        return [
            Match(self._entries[row], name, values.get(row), explain, row) for row in found[:limit]
        ]

    def _rows(
        self, words: Sequence[Word], operator: str, *, by_relevance: bool
    ) -> tuple[Sequence[int], dict[str, str]]:
        """Return the models that have the words, and the expression that found each word."""
        expressions = {}
        for word in words:
            expression = self._expression(word)
            if expression is not None:
                expressions[word.text] = expression
        if not expressions or (operator == "and" and len(expressions) < len(words)):
            return [], expressions
        joint = (" AND " if operator == "and" else " OR ").join(expressions.values())
        order = "rank, rowid" if by_relevance else "rowid"  # relevance is most of the work
        found = [row for (row,) in self._ask(f"{FIND} ORDER BY {order}", joint)]
        if operator == "xor":
            counts = Counter(
                row for each in expressions.values() for (row,) in self._ask(FIND, each)
            )
            found = [row for row in found if counts[row] == 1]
        return found, expressions

    def _expression(self, word: Word) -> str | None:
        """Return the expression that finds a word; warn and return None where no model has it.

        Of a phrase that no model has, all words are looked for; of a word, its beginning.
        """
        apart = [part for part in word.text.split() if part.lower() not in FILLERS]
        expressions = [
            word.expression(with_synonyms=True),
            " AND ".join(Word(part, (part,)).expression(with_synonyms=True) for part in apart),
            f"{_phrase(word.text)} *" if len(word.text) >= 3 else "",
        ]
        for expression in expressions:
            if expression and self._has(expression):
                return f"({expression})"
        self._warn_of(word.text)
        return None

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
                f"SELECT {marks} FROM models WHERE models MATCH ? AND rowid = ?",  # noqa: S608
                *(expression, row),
            )
            if hits:
                found[word] = [name for name, hit in zip(WEIGHTS, hits[0], strict=True) if hit]
        return found

    def _exact_rows(self, words: Sequence[Word], operator: str) -> Sequence[int]:
        """Return the models that have the words in exactly this case."""
        either = " OR ".join(word.expression(with_synonyms=False) for word in words)
        candidates = self._ask(f"{FIND} ORDER BY rank, rowid", either)
        has = {row: len(self._exact_fields(words, row)) for (row,) in candidates}
        for word in words:
            if not any(self._exact_fields([word], row) for row in has):
                self._warn_of(word.text)
        wanted = {"and": (len(words),), "or": range(1, len(words) + 1), "xor": (1,)}[operator]
        return [row for row, count in has.items() if count in wanted]

    def _exact_fields(self, words: Sequence[Word], row: int) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, text in zip(WEIGHTS, self._texts[row], strict=True):
            for word in words:
                if word.exact.search(text):
                    found.setdefault(word.text, []).append(name)
        return found

    def _allowed(self, filters: Mapping[str, Values], installed: bool | None) -> set[int] | None:
        """Return the models that pass the filters; None where there is no filter."""
        sets = []
        for name, values in filters.items():
            if values is None:
                continue
            if name not in FILTERS:
                raise RequestError(f"there is no filter {name!r}; use {', '.join(FILTERS)}")
            known = self._known[name]
            rows: set[int] = set()
            for value in [values] if isinstance(values, str) else values:
                if canonical(value) not in known:
                    raise RequestError(
                        f"no model has the {name} {value!r}; "
                        + _offer(value, sorted({display for display, _ in known.values()}))
                    )
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

    def _metric(self, name: str) -> Metric:
        metrics = self._metrics
        if _metric_key(name) not in metrics:
            names = sorted(metric.name for metric in metrics.values())
            raise RequestError(f"no model has the metric {name!r}; {_offer(name, names)}")
        return metrics[_metric_key(name)]

    @cached_property
    def _metrics(self) -> dict[str, Metric]:
        figures: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
        for row, entry in enumerate(self._entries):
            for figure in entry.metadata.document.get("performance", ()):
                figures.setdefault(_metric_key(figure["metric"]), []).append((row, figure))
        metrics = {}
        for key, reported in figures.items():
            values: dict[int, list[float]] = {}
            for row, figure in reported:
                values.setdefault(row, []).append(figure["value"])
            metrics[key] = Metric(
                name=reported[0][1]["metric"],
                better=next((f["better"] for _, f in reported if f.get("better")), None),
                ideal=next((f["ideal"] for _, f in reported if "ideal" in f), None),
                values=values,
            )
        return metrics

    @cached_property
    def _texts(self) -> list[tuple[str, ...]]:
        return [_texts(entry.metadata) for entry in self._entries]

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
                f"searching for words needs SQLite with FTS5 ({error}); use another build of Python"
            ) from error
        weights = ", ".join(map(str, WEIGHTS.values()))
        marks = ", ".join("?" * (len(WEIGHTS) + 1))
        rows = ((row, *texts) for row, texts in enumerate(self._texts))
        with connection:
            connection.executemany(
                f"INSERT INTO models(rowid, {columns}) VALUES ({marks})",  # noqa: S608
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
    def _vocabulary(self) -> dict[str, str]:
        """The words that can be offered: of every field but the description, and of synonyms."""
        texts = [term for group in synonyms.SYNONYMS for term in group]
        texts += [" ".join(row[:-1]) for row in self._texts]
        vocabulary: dict[str, str] = {}
        for text in texts:
            for word in _WORD.findall(text):
                vocabulary.setdefault(word.casefold(), word)
        return vocabulary

    def _warn_of(self, text: str) -> None:
        close = [
            self._vocabulary[fold]
            for part in _WORD.findall(text)
            for fold in difflib.get_close_matches(
                part.casefold(),
                [fold for fold in self._vocabulary if abs(len(fold) - len(part)) <= 2],
                n=2,
                cutoff=0.75,
            )
        ]
        advice = f"; did you mean {' or '.join(dict.fromkeys(close))}?" if close else ""
        warnings.warn(f"no model has {text!r}{advice}", HubWarning, stacklevel=2)


def choose(
    matches: Sequence[Match], words: str | Sequence[str], order: str | None
) -> tuple[Entry, str]:
    """Return the first match that is installed, and in one line why it is taken.

    Raises
    ------
    RequestError
        No model matches, or none that does is installed.
    """
    text = words if isinstance(words, str) else " ".join(words)
    what = f"{len(matches)} {'match' if len(matches) == 1 else 'matches'}"
    what += f" for {text!r}" if text.strip() else ""
    if not matches:
        raise RequestError(f"{what}; ask for less, or see all models with: medigan list")
    match = next((match for match in matches if match.entry.plugin is not None), None)
    if match is None:
        best = matches[0].entry.metadata.name
        raise RequestError(f"none of {what} is installed; get the best: medigan install {best}")
    by = ""
    if match.metric is not None:
        value = "which it has no value of" if match.value is None else f"{match.value:g}"
        by = f" by {match.metric}{f' {order}' if order else ''} ({value})"
    reason = f"{match.entry.metadata.name}: the best of {what}{by}"
    ahead = [other.entry.metadata.name for other in matches[: matches.index(match)]]
    if ahead:
        reason = reason.replace("the best", "the best installed", 1)
        reason += f"; ahead of it, not installed: {', '.join(ahead)}"
    return match.entry, reason


def parse(
    words: str | Sequence[str], operator: str | None, *, case_sensitive: bool
) -> tuple[list[Word], str]:
    """Return what is looked for, each thing once, and how the things are joined.

    A string is split at white space, quoted phrases kept whole; each item of a
    sequence is one thing. ``and``, ``or`` and ``xor`` among them say how they
    are joined; fillers such as ``with`` and lone punctuation are left out.

    Raises
    ------
    RequestError
        There is no such operator, two contradict each other, or there are too
        many words.
    """
    if operator is not None and operator.lower() not in OPERATORS:
        raise RequestError(f"there is no operator {operator!r}; use and, or or xor")
    if isinstance(words, str):
        texts = [quoted or plain for quoted, plain in re.findall(r'"([^"]+)"|(\S+)', words)]
    else:
        texts = [str(word) for word in words]
    texts = [" ".join(re.sub(r"[\x00-\x1f]", " ", text).split()).strip(",;") for text in texts]
    joins = {text.lower() for text in texts if text.lower() in OPERATORS}
    skipped = joins | FILLERS
    texts = [t for t in texts if any(map(str.isalnum, t)) and t.lower() not in skipped]
    if not texts:
        return [], "and"
    if len(texts) > MOST_WORDS:
        raise RequestError(f"{len(texts)} words are too many; use at most {MOST_WORDS}")
    joins |= {operator.lower()} if operator else set()
    if len(joins) > 1:
        raise RequestError(f"{' and '.join(sorted(joins))} contradict each other; use one")
    join = joins.pop() if joins else "and"
    found = _joined(texts) if join == "and" and not case_sensitive else [[text] for text in texts]
    unique: dict[str, Word] = {}
    for parts in found:
        text = " ".join(parts)
        unique.setdefault(text if case_sensitive else text.casefold(), Word(text, tuple(parts)))
    return list(unique.values()), join


def _joined(texts: Sequence[str]) -> list[list[str]]:
    """Group words that stand side by side and have a synonym together: chest x-ray, CXR."""
    found = []
    start = 0
    while start < len(texts):
        lengths = range(min(4, len(texts) - start), 1, -1)
        length = next(
            (n for n in lengths if synonyms.others(" ".join(texts[start : start + n]))), 1
        )
        found.append(list(texts[start : start + length]))
        start += length
    return found


def _texts(model: ModelMetadata) -> tuple[str, ...]:
    """Return a model's text for each field, in the order of ``WEIGHTS``."""
    document = model.document
    named = [entry["name"] for entry in document.get("conditions", ())]
    texts: dict[str, Iterable[str]] = {
        "name": (model.name, model.medigan_id or "", str(int((model.medigan_id or "0")[:5]))),
        "generates": (
            *document.get("generates", ()),
            *(output.name for output in model.outputs),
            *named,
        ),
        "modality": model.modality,
        "organ": model.organ,
        "dataset": model.dataset,
        "architecture": (model.architecture, model.framework),
        "title": (model.title,),
        "task": (model.task, *document.get("use_cases", ())),
        "tags": document.get("tags", ()),
        "size": _sizes(document),
        "licence": _licence(model.licence),
        "description": (document["description"],),
    }
    return tuple("\n".join(texts[name]) for name in WEIGHTS)


def _sizes(document: Mapping[str, Any]) -> Iterable[str]:
    for output in document["outputs"]:
        if output["kind"] != "label":
            size = output.get("default_size") or output["shape"][:-1]
            if None not in size:
                yield " x ".join(map(str, size)) + " pixels"


def _licence(licence: str | None) -> Iterable[str]:
    if licence is None:
        return ("not stated",)
    return (licence, "free open licence") if FREE_LICENCES.match(licence) else (licence,)


def _metric_key(name: str) -> str:
    """Return what is the same for all ways to write a metric's name, medigan's among them."""
    return name.strip().casefold().removeprefix("performance.").removeprefix("downstream_task.")


def _phrase(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _offer(value: str, known: Sequence[str], most: int = 40) -> str:
    """Say which values there are, the close ones first where there are too many to name."""
    if len(known) > most:
        close = difflib.get_close_matches(value, known, n=5, cutoff=0.5)
        shown = list(dict.fromkeys([*close, *known]))[:most]
        return f"there are {', '.join(shown)} and {len(known) - most} more"
    return f"there are {', '.join(known)}" if known else "there are none"


_WORD = re.compile(r"[^\W_]+")
