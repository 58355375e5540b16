"""Data sets whose describing files and shards were changed in any way, read and written again."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import warnings
from typing import Any

import pytest
from hypothesis import strategies as st

from medigan_hub import Hub, HubError, HubWarning
from support import in_shards

MINE = ("mine.txt", "image/mine.png", "shards/mine.tar", ".git/config")
STRANGE = [
    *(None, True, False, 0, -1, 1, 7, 2**31, 2**63, 10**30, 1e308, float("nan"), float("inf")),
    *("", ".", "..", "/", "image", "../precious", "/etc/passwd", "a\0b", "\ud800", "x" * 5000),
    *("\x1b[31m", "::stop-commands::x", "image/000001.png", "image//000001.png", "dataset.json"),
    *("manifest.jsonl", "manifest.jsonl.part", "image/../mine.txt", "shards/000000.tar", *MINE),
    *([], {}, [[]], [0] * 50, {"": {}}, {"path": "mine.txt", "sha256": "0" * 64}),
]
VALUES = st.one_of(st.sampled_from(STRANGE), st.integers(), st.floats(), st.text(max_size=20))
BYTES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"\n", b"\0" * 512, b"[" * 2000, b'{"index": 0}\n', b"\xff", b"9" * 5000]),
)
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("value"), st.floats(0, 1), VALUES),
        st.tuples(st.sampled_from(["drop", "twice", "swap"]), st.floats(0, 1), st.none()),
        st.tuples(st.sampled_from(["insert", "replace", "cut"]), st.floats(0, 1), BYTES),
    ),
    min_size=1,
    max_size=4,
)
CASES = st.tuples(
    st.sampled_from(["png", "webdataset"]),
    st.booleans(),
    st.sampled_from(["dataset.json", "manifest", "shard", "croissant.json", "README.md"]),
    CHANGES,
    st.booleans(),
    st.sampled_from([{}, {"resume": True}, {"overwrite": True}, {"overwrite": True, "seed": 1}]),
)


@pytest.fixture
def save(labelled):
    hub = Hub()

    def make(folder, **wishes):
        return hub.save("toy-noise", 5, folder, batch_size=2, **wishes)

    return in_shards(make, 2)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every place in a document as what holds it and its key."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, each in list(items):
        found.append((value, key))
        if isinstance(each, (dict, list)):
            found += places(each)
    return found


def change(content: bytes, kind: str, where: float, what: Any, *, rows: bool) -> bytes:
    """Change a file: a value in its JSON, a row, or some bytes of it."""
    if kind in ("insert", "replace", "cut"):
        place = int(where * len(content))
        rest = {"insert": content[place:], "replace": content[place + len(what) :], "cut": b""}
        return content[:place] + what + rest[kind]
    try:
        lines = content.splitlines() if rows else [content]
        documents: list[Any] = [json.loads(line) for line in lines]
        possible = places(documents)
        holder, key = possible[min(int(where * len(possible)), len(possible) - 1)]
        if kind == "value":
            holder[key] = what
        elif kind == "drop":
            del holder[key]
        elif kind == "twice":
            documents.append(documents[min(int(where * len(documents)), len(documents) - 1)])
        else:
            documents.reverse()
        return b"".join(json.dumps(each).encode() + b"\n" for each in documents)
    except (ValueError, IndexError, RecursionError):  # an earlier change left no JSON
        return content


@pytest.mark.timeout(method="thread")  # it uses the alarm itself
def test_fuzz_a_data_set_that_was_changed_in_any_way(fuzz, save, tmp_path, contents):
    bases = {}

    def interrupt(done, count):
        if done >= 2:
            raise KeyboardInterrupt

    for format_name in ("png", "webdataset"):
        bases[format_name, True] = tmp_path / f"{format_name}-finished"
        save(bases[format_name, True], format=format_name)
        bases[format_name, False] = tmp_path / f"{format_name}-unfinished"
        with pytest.raises(KeyboardInterrupt):
            save(bases[format_name, False], format=format_name, progress=interrupt)
    folder = tmp_path / "case" / "out"
    outside = tmp_path / "case" / "precious"

    def stop(number, frame):
        raise AssertionError("it hangs")

    def examine(case):
        format_name, finished, name, changes, forged, flags = case
        shutil.rmtree(folder.parent, ignore_errors=True)
        shutil.copytree(bases[format_name, finished], folder)
        outside.write_bytes(b"keep")
        for mine in MINE:
            (folder / mine).parent.mkdir(exist_ok=True)
            (folder / mine).write_bytes(b"keep")
        manifest = folder / ("manifest.jsonl" if finished else "manifest.jsonl.part")
        path = folder / name
        if name == "manifest":
            path = manifest
        elif name == "shard":
            path = sorted(path for path in folder.glob("*/0*") if path.is_file())[0]
        content = path.read_bytes() if path.exists() else b""
        for kind, where, what in changes:
            content = change(content, kind, where, what, rows=name == "manifest")
        path.write_bytes(content)
        if forged and finished and name == "manifest":  # as whoever made it could
            header = folder / "dataset.json"
            document = json.loads(header.read_text())
            document["seal"]["manifest.jsonl"] = hashlib.sha256(content).hexdigest()
            header.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
        before = contents(folder.parent)
        signal.alarm(30)
        messages = []
        for task in (
            lambda: str(Hub().verify(folder)),
            lambda: save(folder, format=format_name, **flags),
            lambda: str(Hub().verify(folder)),
        ):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", HubWarning)
                    task()
            except HubError as error:
                messages.append(str(error))
        signal.alarm(0)
        assert all("\n" not in words and len(words) < 2000 for words in messages), messages
        after = contents(folder.parent)
        assert {path for path in after if not path.startswith("out/")} == {"precious"}
        for mine in ("precious", *(f"out/{mine}" for mine in MINE)):
            if before[mine] == b"keep":
                assert after[mine] == b"keep"

    handler = signal.signal(signal.SIGALRM, stop)
    try:
        fuzz(CASES, examine, examples=60)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
