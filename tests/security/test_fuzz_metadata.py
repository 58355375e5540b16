"""Documents and distributions as nobody would write them: refused in words, or fit for use."""

from __future__ import annotations

import copy
import importlib
import json
import os
import shutil
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from medigan_hub import Hub, HubWarning, metadata, plugins
from medigan_hub.catalogue import sources
from medigan_hub.errors import MetadataError
from medigan_hub.search import Index

DOCUMENTS = [json.loads(path.read_text("utf-8")) for path in sorted(sources.SHIPPED.glob("*.json"))]
LONGEST = 2000
"""Characters that a message may have."""
PATIENCE = 10.0
"""Seconds of computing that one case may take."""

SPECIAL = st.sampled_from(
    [
        *(None, True, False, 0, 1, -1, 2**53, 10**15, 1e308, -0.0, 5e-324, 1.0),
        *("", " ", "a", "A", "\x00", "\x1b[2J", "\n::stop-commands::x", "\u202e", "\ud83d\ude00"),
        *("..", "../..", "/", "a/../b", "C:\\x", "%00", "{}", "\\", "http://", "https://a b"),
        *("torch", "archive", "image", "mask", "label", "integer", "string", "1.2.3..4"),
        *("x" * 5_000, "1." * 2_000, "a-" * 2_000),
        *([], {}, [[]], [{}], {"": ""}, [None] * 50, list(range(300))),
    ]
)
TEXT = st.text(max_size=30)
VALUES = st.recursive(
    st.one_of(SPECIAL, st.integers(), st.floats(), TEXT),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(TEXT, SPECIAL.map(str)), inner)
    ),
    max_leaves=10,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return where each part of a document lies."""
    found = [path]
    if isinstance(value, dict):
        found += [place for key in value for place in places(value[key], (*path, key))]
    elif isinstance(value, list):
        found += [place for i, each in enumerate(value) for place in places(each, (*path, i))]
    return found


PLACES = [places(document)[1:] for document in DOCUMENTS]


@st.composite
def mutations(draw: st.DrawFn) -> Any:
    """Draw a document of this project with some of its parts dropped, replaced or nested."""
    number = draw(st.integers(0, len(DOCUMENTS) - 1))
    document = copy.deepcopy(DOCUMENTS[number])
    for _ in range(draw(st.integers(1, 4))):
        *above, last = draw(st.sampled_from(PLACES[number]))
        inner = document
        try:
            for key in above:
                inner = inner[key]
            kind = draw(st.sampled_from(["drop", "replace", "nest", "double", "text", "rename"]))
            if kind == "drop":
                del inner[last]
            elif kind == "replace":
                inner[last] = draw(VALUES)
            elif kind == "nest":
                inner[last] = draw(st.sampled_from([[inner[last]], {"name": inner[last]}]))
            elif kind == "double":
                inner[last] = inner[last] * 2
            elif kind == "text":
                inner[last] = str(inner[last])
            elif isinstance(inner, dict):
                inner[draw(TEXT)] = inner.pop(last)
        except (KeyError, IndexError, TypeError):  # what an earlier change took away
            continue
    return document


def is_readable(message: str) -> bool:
    return len(message) <= LONGEST and "\n" not in message and "\x1b" not in message


@pytest.fixture
def harmless(own_cache, tmp_path) -> Callable[[Callable[[], object]], None]:
    """Return what makes sure that a call ends in time, in words, with no file but in the cache."""

    def run(call: Callable[[], object]) -> None:
        begin = time.process_time()
        said = []
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                call()
            except MetadataError as error:
                said.append(str(error))
        assert {warning.category for warning in caught} <= {HubWarning}
        said += [str(warning.message) for warning in caught]
        assert [message for message in said if not is_readable(message)] == []
        assert time.process_time() - begin < PATIENCE
        kept = {path.name for path in tmp_path.iterdir()} - {"site", "documents"}
        assert kept <= {own_cache.name}
        if own_cache.exists():
            assert {path.name for path in own_cache.iterdir()} <= {"verdicts"}
            shutil.rmtree(own_cache)

    return run


def use(model: metadata.ModelMetadata) -> None:
    """Do with a valid document what commands do with each."""
    from medigan_hub.catalogue import Entry
    from medigan_hub.cli.card import card
    from medigan_hub.cli.catalogue import summary
    from medigan_hub.terminal import console

    entry = Entry(model, None, "somewhere")
    json.dumps(summary(entry))
    with console(80).capture():
        console(80).print(card(entry))
    Index([entry]).search(model.name)


def test_fuzz_a_document_that_is_almost_right_is_refused_in_words_or_can_be_used(fuzz, harmless):
    def examine(document: Any) -> None:
        content = json.dumps(document).encode()
        harmless(lambda: use(metadata.checked(metadata.parse(content, "x.json"), "x.json")))

    fuzz(mutations(), examine, examples=100)


def test_fuzz_any_json_is_refused_in_words(fuzz, harmless):
    def examine(value: Any) -> None:
        content = json.dumps(value).encode()
        harmless(lambda: use(metadata.checked(metadata.parse(content, "x.json"), "x.json")))
        assert metadata.validate(value) != []

    fuzz(VALUES, examine, examples=80)


def test_fuzz_any_bytes_are_refused_in_words(fuzz, harmless):
    pieces = st.sampled_from([b'{"a":', b"[", b"]", b"}", b'"', b"1e999", b"NaN", b"\xef\xbb\xbf"])
    repeated = st.builds(lambda piece, times: piece * times, pieces, st.integers(0, 3_000))
    damaged = st.builds(
        lambda document, place, junk: document[:place] + junk + document[place + len(junk) :],
        st.sampled_from([json.dumps(document).encode() for document in DOCUMENTS]),
        st.integers(0, 10_000),
        st.binary(max_size=8),
    )

    def examine(content: bytes) -> None:
        harmless(lambda: use(metadata.checked(metadata.parse(content, "x.json"), "x.json")))

    mixed = st.lists(st.one_of(repeated, st.binary()), max_size=4).map(b"".join)
    fuzz(st.one_of(st.binary(), damaged, mixed), examine, examples=250)


# What lies in a folder that pip, or anybody, left among the packages.

NAMES = st.sampled_from(["METADATA", "PKG-INFO", "entry_points.txt", "RECORD", "top_level.txt"])
LINES = st.one_of(
    st.sampled_from(
        [
            *("Name: medigan-model-odd", "Name:", "Name: \x1b[2J", "Version: 1", "", " x", "Name"),
            *("[medigan_hub.models]", "[medigan_hub.extensions]", "[console_scripts]", "[", "[]"),
            *("odd = odd:plugin", "odd =", "= odd", "odd", "odd = ..", "odd = os:path [x]"),
            *("a\x1bb = json", "odd = json.decoder:x", "odd = odd.inner:x", "é = é:é", "=" * 2_000),
            "x" * 20_000,
        ]
    ),
    TEXT,
)
CONTENT = st.one_of(
    st.lists(LINES, max_size=8).map(lambda lines: "\n".join(lines).encode("utf-8", "replace")),
    st.binary(max_size=60),
)
KINDS = ["a file", "a folder", "nothing"]
if os.name == "posix":
    KINDS += ["a pipe", "a loop", "a device"]
FOLDERS = st.sampled_from(
    [
        *("odd-1.dist-info", "odd.egg-info", "-1.dist-info"),
        *(".dist-info", "~dd-1.dist-info", "é.egg-info"),
    ]
)
DISTRIBUTIONS = st.dictionaries(
    FOLDERS,
    st.dictionaries(NAMES, st.tuples(st.sampled_from(KINDS), CONTENT), max_size=3),
    min_size=1,
    max_size=3,
)


def put(path: Path, kind: str, content: bytes) -> None:
    if kind == "a file":
        path.write_bytes(content)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a loop":
        path.symlink_to(path.name)
    elif kind == "a device":
        path.symlink_to("/dev/zero")


def test_fuzz_whatever_lies_among_the_packages_stops_no_other(fuzz, install, harmless, tmp_path):
    install("toy-noise")
    site = tmp_path / "site"
    (site / "odd").mkdir()
    (site / "odd" / "__init__.py").write_text("raise SystemExit(3)")
    valid = DOCUMENTS[0] | {"name": "odd", "plugin": "medigan-model-odd"}
    (site / "odd" / "metadata.json").write_text(json.dumps(valid))

    def look() -> None:
        found, _ = plugins.discover()
        assert "toy-noise" in {plugin.metadata.name for plugin in found}
        assert next(name for name, _ in plugins.extensions(object())) == "medigan-hub"

    def examine(distributions: dict[str, dict[str, tuple[str, bytes]]]) -> None:
        for name, files in distributions.items():
            (site / name).mkdir()
            for file, (kind, content) in files.items():
                put(site / name / file, kind, content)
        importlib.invalidate_caches()
        try:
            harmless(look)
        finally:
            for name in distributions:
                shutil.rmtree(site / name)

    fuzz(DISTRIBUTIONS, examine, examples=30)


def test_fuzz_a_catalogue_of_others_stops_no_command(fuzz, harmless, tmp_path, monkeypatch):
    folder = tmp_path / "documents"
    folder.mkdir()
    monkeypatch.setenv("MEDIGAN_CATALOGUE", str(folder))
    (path := folder / "many.json").touch()
    # The hub's own documents are not what is tried here.
    monkeypatch.setattr(sources, "SHIPPED", tmp_path / "documents" / "none")

    def examine(documents: list[Any]) -> None:
        path.write_text(json.dumps(documents))
        harmless(lambda: Hub().search("brain"))

    fuzz(st.lists(st.one_of(mutations(), VALUES), max_size=4), examine, examples=30)
