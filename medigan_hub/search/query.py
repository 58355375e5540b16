"""What a search is for: words, and how they are joined."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from medigan_hub.errors import RequestError
from medigan_hub.search import synonyms

OPERATORS = ("and", "or", "xor")
MAX_WORDS = 32
FILLERS = frozenset(["a", "an", "the", "of", "with", "for", "from", "in", "on", "by"])


@dataclass(frozen=True)
class Word:
    """One thing that is looked for: a word, a phrase, or a term of several words."""

    text: str
    apart: bool = False
    """The words of ``text`` may stand anywhere in a model, not only side by side."""

    def expression(self, *, with_synonyms: bool) -> str:
        """Return the query for this word in the language of FTS5."""
        parts = self.text.split() if self.apart else [self.text]
        together = " AND ".join(map(phrase, parts))
        others = synonyms.others(self.text) if with_synonyms else ()
        return "(" + " OR ".join([f"({together})", *map(phrase, others)]) + ")"

    def in_pieces(self) -> str:
        """Return the query for all of its words, each with its synonyms."""
        pieces = [part for part in self.text.split() if part.lower() not in FILLERS | {*OPERATORS}]
        return " AND ".join(Word(piece).expression(with_synonyms=True) for piece in pieces)

    def beginning(self) -> str:
        """Return the query for words that begin with this one."""
        return f"{phrase(self.text)} *"

    @cached_property
    def exact(self) -> re.Pattern[str]:
        """The word as it is written, not as a part of another."""
        return re.compile(rf"(?<![^\W_]){re.escape(self.text)}(?![^\W_])")


@dataclass(frozen=True)
class Query:
    """The things that are looked for, each once, and how they are joined."""

    words: tuple[Word, ...]
    operator: str
    case_sensitive: bool


def parse(words: str | Sequence[str], operator: str | None, *, case_sensitive: bool) -> Query:
    """Read what is looked for.

    A string is split at white space, phrases in double quotes kept whole; each
    item of a sequence is one thing. ``and``, ``or`` and ``xor`` among the words
    say how they are joined; fillers such as ``with`` and lone punctuation are
    left out. Words that stand side by side and are a known term together, such
    as chest x-ray, are one thing, unless each was given by itself to be joined
    by ``or`` or ``xor``.

    >>> query = parse("chest x-ray xor mammography", None, case_sensitive=False)
    >>> [word.text for word in query.words], query.operator
    (['chest x-ray', 'mammography'], 'xor')

    Raises
    ------
    RequestError
        There is no such operator, two contradict each other, or there are too
        many words.
    """
    if operator is not None and as_text("the operator", operator).lower() not in OPERATORS:
        raise RequestError(f"there is no operator {operator!r}; use and, or or xor")
    runs, written = _runs(words)
    operators = written | ({operator.lower()} if operator else set())
    count = sum(map(len, runs))
    if count == 0:
        return Query((), "and", case_sensitive)
    if count > MAX_WORDS:
        raise RequestError(f"{count} words are too many; use at most {MAX_WORDS}")
    if len(operators) > 1:
        raise RequestError(f"{' and '.join(sorted(operators))} contradict each other; use one")
    join = operators.pop() if operators else "and"
    if (join == "and" or written) and not case_sensitive:
        found = [word for run in runs for word in _terms(run)]
    else:
        found = [Word(text) for run in runs for text in run]
    unique: dict[str, Word] = {}
    for word in found:
        unique.setdefault(word.text if case_sensitive else word.text.casefold(), word)
    return Query(tuple(unique.values()), join, case_sensitive)


def as_text(what: str, value: Any) -> str:
    """Return ``value`` if it is text; ``what`` it is goes into the message.

    Raises
    ------
    RequestError
        It is something else.
    """
    if not isinstance(value, str):
        raise RequestError(f"{what} is {value!r}; it must be text")
    return value


def as_texts(what: str, value: Any) -> list[str]:
    """Return the texts of a string or a sequence of strings, as a list; see ``as_text``."""
    if isinstance(value, str):
        return [value]
    try:
        items = list(value)
    except TypeError:
        raise RequestError(f"{what} is {value!r}; it must be text, or a list of texts") from None
    return [as_text(what, item) for item in items]


def phrase(text: str) -> str:
    """Return the query for words that stand side by side."""
    return '"' + text.replace('"', '""') + '"'


def _runs(words: str | Sequence[str]) -> tuple[list[list[str]], set[str]]:
    """Return the words between operators, and the operators."""
    if isinstance(words, str):
        items = [quoted or plain for quoted, plain in re.findall(r'"([^"]+)"|(\S+)', words)]
    else:
        items = []
        for item in as_texts("a word", words):
            # A quoted question of several words, as shells hand it on, is no phrase.
            pieces = item.split()
            split = any(piece.lower() in OPERATORS for piece in pieces)
            items += pieces if split else [item]
    runs: list[list[str]] = [[]]
    operators = set()
    for item in map(_clean, items):
        if item.lower() in OPERATORS:
            operators.add(item.lower())
            runs.append([])
        elif any(map(str.isalnum, item)) and item.lower() not in FILLERS:
            runs[-1].append(item)
    return runs, operators


def _clean(item: str) -> str:
    readable = item.encode("utf-8", "replace").decode()
    return " ".join(re.sub(r"[\x00-\x1f]", " ", readable).split()).strip(",;")


def _terms(run: Sequence[str]) -> list[Word]:
    """Group words that stand side by side and have a synonym together: chest x-ray, CXR."""
    found = []
    start = 0
    while start < len(run):
        lengths = range(min(4, len(run) - start), 1, -1)
        length = next((n for n in lengths if synonyms.others(" ".join(run[start : start + n]))), 1)
        found.append(Word(" ".join(run[start : start + length]), apart=length > 1))
        start += length
    return found
