"""How fast a catalogue of 10,000 models is searched.

Makes the models by varying those of the shipped catalogue, each with a name and
training set of its own, builds the index over them, and times queries from rare
to very common words, all in one process. A query is timed with the models that
it returns, and once more with the fields that each of the first 20 matched in.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from medigan_hub.catalogue import Entry, sources
from medigan_hub.metadata import ModelMetadata
from medigan_hub.search import Index, Match

QUERIES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("dcgan mammography BCDR", {}),
    ("set17", {}),
    ("polyp mask", {}),
    ("chest x-ray", {"modality": "CXR", "limit": 20}),
    ("mammography", {"limit": 20}),
    ("mammography", {}),
    ("mammography polyp", {"operator": "xor"}),
    ("", {"rank_by": "FID", "limit": 20}),
    ("breast", {"rank_by": "FID"}),
    ("mamography", {}),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=10_000, help="models in the catalogue")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()

    entries = _entries(arguments.n)
    index = Index(entries)
    start = time.perf_counter()
    index.search("warm up the index", operator="or")
    print(f"building the index over {arguments.n} models  {time.perf_counter() - start:6.3f} s")
    for words, criteria in QUERIES:
        _time(index, words, criteria, arguments.rounds)


def _time(index: Index, words: str, criteria: dict[str, Any], rounds: int) -> None:
    def query() -> Sequence[Match]:
        return index.search(words, **criteria).matches

    def shown() -> Sequence[Match]:
        matches = index.search(words, **criteria).matches
        for match in matches[:20]:
            _ = match.fields
        return matches

    found = len(query())
    text = " ".join([repr(words), *(f"{name}={value}" for name, value in criteria.items())])
    plain, with_fields = _median(query, rounds), _median(shown, rounds)
    print(f"{text:50} {found:6} models {plain:7.2f} ms, with fields {with_fields:7.2f} ms")


def _median(request: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        request()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def _entries(count: int) -> list[Entry]:
    models = [dict(model.document) for model, _ in sources.models()]
    entries = []
    for number in range(count):
        document = copy.deepcopy(models[number % len(models)])
        document["name"] += f"-{number}"
        document["training_data"][0]["name"] += f" set{number % 500}"
        entries.append(Entry(ModelMetadata.from_document(document), None, "benchmark"))
    return entries


if __name__ == "__main__":
    main()
