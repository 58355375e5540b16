"""Distributions that are broken or mean harm: each is a warning that names it; none stops more."""

from __future__ import annotations

import copy
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from medigan_hub import Hub, HubWarning, metadata, plugins, writers
from medigan_hub.errors import MetadataError, PluginError

POSIX = pytest.mark.skipif(os.name != "posix", reason="a system without such files")
LONGEST = 2000
"""Characters that a message may have, whatever went into it."""


def entry_points(info: Path, text: str | bytes, group: str = plugins.MODELS) -> None:
    content = text.encode() if isinstance(text, str) else text
    (info / "entry_points.txt").write_bytes(f"[{group}]\n".encode() + content)


def described(info: Path, text: str | bytes) -> None:
    (info / "METADATA").write_bytes(text.encode() if isinstance(text, str) else text)


def documented(info: Path, text: str | bytes) -> None:
    path = info.parent / "medigan_model_toy_harm" / "metadata.json"
    path.write_bytes(text.encode() if isinstance(text, str) else text)


def replaced(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def the_document(info: Path) -> Path:
    return info.parent / "medigan_model_toy_harm" / "metadata.json"


def nested(depth: int) -> str:
    return '{"archive": {"arguments": ' + '{"a":' * depth + "1" + "}" * depth + "}}"


def looped(path: Path) -> None:
    path.symlink_to(path.name)


TARGET = "toy-harm = medigan_model_toy_harm:plugin\n"
HARM: dict[str, Callable[[Path], object]] = {
    "no METADATA": lambda info: (info / "METADATA").unlink(),
    "no name": lambda info: described(info, "Metadata-Version: 2.1\nVersion: 1\n"),
    "an empty name": lambda info: described(info, "Name: \nVersion: 1\n"),
    "an empty METADATA": lambda info: described(info, ""),
    "a METADATA of bytes": lambda info: described(info, b"\xff\xfeName\x00: x\n"),
    "a name of 1 MB": lambda info: described(info, "Name: " + "x" * 10**6 + "\n"),
    "a name of 1 MB that makes patterns slow": lambda info: described(
        info, "Name: " + "a-" * 500_000 + "\n"
    ),
    "a name that steers": lambda info: described(info, "Name: x\x1b[2J\x07y\nVersion: 1\n"),
    "a METADATA of 100 MB": lambda info: os.truncate(info / "METADATA", 100 * 2**20),
    "a line without =": lambda info: entry_points(info, TARGET + "nothing\n"),
    "entry points of bytes": lambda info: entry_points(info, b"\xff\xfe\xfa = \x80\n"),
    "entry points of 100 MB": lambda info: os.truncate(info / "entry_points.txt", 100 * 2**20),
    "an entry point that steers": lambda info: entry_points(
        info, "a\x1b[2J\x07b = medigan_model_toy_harm:plugin\n"
    ),
    "an entry point named by 1 MB": lambda info: entry_points(info, "a" * 10**6 + " = b:c\n"),
    "an entry point of 1 MB": lambda info: entry_points(info, "a = " + "b " * 500_000 + "\n"),
    "a package named by 1 MB": lambda info: entry_points(info, "a = " + "b" * 10**6 + ":c\n"),
    "a package of no name": lambda info: entry_points(info, "a = ..:c\n"),
    "a package of dots": lambda info: entry_points(info, "a = " + "." * 10_000 + ":c\n"),
    "a module for a package": lambda info: entry_points(info, "a = json.decoder:c\n"),
    "a program for a package": lambda info: entry_points(info, "a = __main__:c\n"),
    "no document": lambda info: the_document(info).unlink(),
    "a document of bytes": lambda info: documented(info, b"\xff\xfe\x00"),
    "a document nested 900 deep": lambda info: documented(info, nested(900)),
    "a document nested 970 deep": lambda info: documented(info, nested(970)),
    "a document nested 990 deep": lambda info: documented(info, nested(990)),
    "a document nested 100,000 deep": lambda info: documented(info, nested(100_000)),
    "a document of 100 MB": lambda info: os.truncate(the_document(info), 100 * 2**20),
    "a document of 1.5 MB": lambda info: documented(info, json.dumps({"a": "b" * 1_500_000})),
    "a document of 600,000 values": lambda info: documented(info, "[" + "[]," * 600_000 + "0]"),
    "a document with a key of 1 MB": lambda info: documented(info, json.dumps({"k" * 10**6: 1})),
    "a document with 10,000 unknown keys": lambda info: documented(
        info, json.dumps({f"key {n}": n for n in range(10_000)})
    ),
    "a document with 6,000 faults": lambda info: documented(
        info, json.dumps({"organ": [{"x": n} for n in range(6_000)]})
    ),
    "a document with keys that steer": lambda info: documented(
        info, json.dumps({"\x1b[2J\n::stop-commands::x": 1})
    ),
    "a document with a number that is none": lambda info: documented(info, '{"year": NaN}'),
    "a document with half a character": lambda info: documented(info, '{"title": "\\ud800"}'),
    "a document with one key twice": lambda info: documented(
        info, the_document(info).read_text().replace("{", '{"licence": "GPL",', 1)
    ),
    "a document of another type": lambda info: documented(info, "[1]"),
}
UNIX_HARM: dict[str, Callable[[Path], object]] = {
    f"{what} is {kind}": lambda info, find=find, make=make: replaced(find(info), make)
    for what, find in {
        "METADATA": lambda info: info / "METADATA",
        "entry_points.txt": lambda info: info / "entry_points.txt",
        "metadata.json": the_document,
    }.items()
    for kind, make in {
        "a folder": Path.mkdir,
        "a pipe": os.mkfifo if hasattr(os, "mkfifo") else None,
        "a loop of links": looped,
        "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    }.items()
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def one_cache(own_cache, cache, monkeypatch) -> None:
    """Let the shipped documents be validated once, not by each test."""
    monkeypatch.setenv("MEDIGAN_CACHE", str(cache))


@pytest.fixture
def site(install, tmp_path) -> Path:
    """The folder of installed packages, with one sound plugin and one to be harmed."""
    install("toy-noise")
    install("toy-harm")
    return tmp_path / "site"


def warned() -> list[str]:
    """Return what the hub warns of, once the sound plugin was found and has generated."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        hub = Hub()
        assert hub.model("toy-noise").plugin is not None
        assert len(hub.search("toy-noise")) >= 1
        assert len(next(iter(hub.generate("toy-noise", 1)))) == 1
        assert writers.names()[0] == "png"
    assert {warning.category for warning in caught} <= {HubWarning}
    return [str(warning.message) for warning in caught]


def is_readable(message: str) -> bool:
    return len(message) <= LONGEST and message.isprintable()


@pytest.mark.parametrize("name", [*HARM, *(pytest.param(name, marks=POSIX) for name in UNIX_HARM)])
def test_a_broken_distribution_is_named_and_stops_no_other(site, name):
    info = site / "medigan_model_toy_harm-1.0.0.dist-info"
    (HARM | UNIX_HARM)[name](info)
    importlib.invalidate_caches()
    messages = warned()
    assert messages
    for message in messages:
        assert "medigan_model_toy_harm" in message or "medigan-model-toy-harm" in message
        assert is_readable(message), message


@POSIX
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", ["METADATA", "entry_points.txt", "."])
def test_a_distribution_that_may_not_be_read_stops_no_other(site, name):
    info = site / "medigan_model_toy_harm-1.0.0.dist-info"
    (info / name).chmod(0)
    messages = warned()
    (info / name).chmod(0o700)
    assert all("medigan_model_toy_harm" in message for message in messages)


def test_a_legacy_distribution_without_a_name_is_named_by_its_folder(site):
    legacy = site / "oddity.egg-info"
    legacy.mkdir()
    entry_points(legacy, "odd = nothing_at_all:plugin\n")
    (site / "single.egg-info").write_bytes(b"\xff\xfe no metadata")
    egg = site / "zoo.egg"
    (egg / "EGG-INFO").mkdir(parents=True)
    entry_points(egg / "EGG-INFO", "zoo = nothing_at_all:plugin\n")
    (site / "linked.egg-link").write_bytes(b"\xff\xfe\n" * 3)
    sys.path.append(str(egg))
    try:
        messages = warned()
    finally:
        sys.path.remove(str(egg))
    assert len(messages) == 2
    assert any("oddity.egg-info" in message for message in messages)
    assert any("zoo.egg" in message for message in messages)


def test_of_two_versions_of_a_distribution_a_broken_one_does_not_hide_the_other(site):
    broken = site / "medigan_model_toy_noise-0.9.0.dist-info"
    shutil.copytree(site / "medigan_model_toy_noise-1.0.0.dist-info", broken)
    (broken / "METADATA").unlink()
    assert all(broken.name in message for message in warned())


def test_a_distribution_that_is_none_of_ours_may_be_as_it_likes(site):
    for number, content in enumerate((b"", b"[console_scripts]\nx = y:z\n")):
        info = site / f"other{number}-1.dist-info"
        info.mkdir()
        (info / "entry_points.txt").write_bytes(content)
    (site / "~leftover-1.dist-info").mkdir()
    assert warned() == []


def test_an_importer_that_fails_when_asked_stops_nothing(site, monkeypatch):
    class Importer:
        def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
            if name == "medigan_model_toy_harm":
                raise RuntimeError("no\nspec \x1b[2J")

        def find_distributions(self, context: Any = None) -> Iterator[Any]:
            raise RuntimeError("no\ndistributions \x1b[2J")

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Importer()])
    messages = warned()
    assert any("can be listed: RuntimeError" in message for message in messages)
    assert all(map(is_readable, messages))


@pytest.mark.parametrize(
    "code",
    [
        "raise SystemExit(0)",
        "import sys; sys.exit('bye')",
        "raise GeneratorExit",
        "class Odd(BaseException): pass\nraise Odd('x' * 10**6)",
        "class Odd(Exception):\n    def __str__(self): raise self\nraise Odd",
        "def again(): again()\nagain()",
        "raise MemoryError",
        "raise ImportError('\\x1b[2J\\n' * 1000)",
        "\x00",
        "import medigan_model_toy_harm.nothing",
    ],
)
@pytest.mark.parametrize("group", [plugins.MODELS, plugins.EXTENSIONS])
def test_an_import_that_ends_in_any_way_harms_its_own_plugin_alone(install, group, code):
    install("toy-noise")
    install("toy-harm", group=group, code=code)
    messages = warned()
    if group == plugins.EXTENSIONS:
        assert messages
        assert all("toy-harm" in message and is_readable(message) for message in messages)
        return
    assert messages == []  # models are imported when they run
    with pytest.raises(PluginError, match="toy-harm") as caught:
        Hub().generate("toy-harm", 1)
    assert is_readable(str(caught.value))


@pytest.mark.parametrize(
    "described",
    [
        "raise SystemExit",
        "raise GeneratorExit",
        "return type('Odd', (), {'__eq__': lambda *_: 1 / 0, '__hash__': None})()",
        "return None",
    ],
)
def test_a_hook_that_describes_the_model_in_an_odd_way_is_an_error_of_its_plugin(
    install, described
):
    install(
        "toy-harm",
        code=f"""
        from medigan_hub import hookimpl
        class Plugin:
            @hookimpl
            def model_metadata(self): {described}
            @hookimpl
            def generate(self, request): return iter(())
        plugin = Plugin()
        """,
    )
    with pytest.raises(PluginError, match="toy-harm"):
        Hub().generate("toy-harm", 1)


WRITER = """
from medigan_hub import hookimpl
from medigan_hub.writers import Writer, png

class Good(png.PngWriter):
    format = "toy"

def raises():
    yield Good
    raise RuntimeError("x" * 10**6)

def endless():
    while True:
        yield 7

class Plugin:
    @hookimpl
    def register_writers(self):
        {body}

plugin = Plugin()
"""


@pytest.mark.parametrize(
    "body",
    [
        "raise RuntimeError('x\\x1b[2J' * 10**5)",
        "raise SystemExit",
        "return 7",
        "return [7]",
        "return ['png' * 10**6]",
        "return [None, Good]",
        "return raises()",
        "return endless()",
        "return [png.PngWriter(None, None)]",
        "return [type('Second', (png.PngWriter,), {'format': 'png'})]",
        "return [type('Nameless', (png.PngWriter,), {'format': None})]",
        "return [type('Odd', (png.PngWriter,), {'format': '\\x1b[2J'})]",
        "return [type('Away', (png.PngWriter,), {'format': '../../x'})]",
        "return [type('Mute', (png.PngWriter,), {'format': 'mute', 'holds': None})]",
        "return [type('Away', (), {'format': 'away', 'holds': 'all'})]",
    ],
)
def test_an_extension_that_hands_over_nonsense_is_a_warning_and_changes_no_format(install, body):
    before = dict(writers._known())
    install("toy-noise")
    install("toy-harm", group=plugins.EXTENSIONS, code=WRITER.replace("{body}", body))
    messages = warned()
    assert messages
    assert all("toy-harm" in message and is_readable(message) for message in messages)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        after = writers._known()
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) <= {"toy"}


def test_an_extension_that_keeps_the_contract_is_still_taken(install):
    install("toy-writer", group=plugins.EXTENSIONS, code=WRITER.replace("{body}", "return [Good]"))
    assert "toy" in writers.names()


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "medigan_hub", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "site")},
    )


@pytest.fixture
def all_broken(install, tmp_path) -> Path:
    """A folder whose ``site`` holds a sound plugin, and each broken distribution."""
    install("toy-noise")
    names = [*HARM, *(UNIX_HARM if os.name == "posix" else ())]
    for number, harm in enumerate(names):
        install("toy-harm")
        site = tmp_path / "site"
        info = site / "medigan_model_toy_harm-1.0.0.dist-info"
        (HARM | UNIX_HARM)[harm](info)
        info.rename(site / f"harm{number}-1.0.0.dist-info")
        (site / "medigan_model_toy_harm").rename(site / f"harm{number}")
        for name in ("entry_points.txt", "METADATA"):
            path = site / f"harm{number}-1.0.0.dist-info" / name
            if path.is_file() and path.stat().st_size < 10_000:
                content = re.sub(b"medigan.model.toy.harm", b"harm%d" % number, path.read_bytes())
                path.write_bytes(content)
    install("toy-writer", group=plugins.EXTENSIONS, code="raise SystemExit(3)")
    return tmp_path


COMMANDS = (
    ("list",),
    ("search", "toy-noise"),
    ("info", "toy-noise"),
    ("generate", "toy-noise", "-n", "1", "-o", "out"),
)


def test_every_command_works_beside_all_of_them_at_once(all_broken):
    numbers = range(len(HARM) + (len(UNIX_HARM) if os.name == "posix" else 0))
    for arguments in COMMANDS:
        ended = run(*arguments, folder=all_broken)
        assert ended.returncode == 0, ended.stderr
        assert "Traceback" not in ended.stderr
        lines = ended.stderr.splitlines()
        assert all(line.startswith("warning: ") and len(line) <= LONGEST + 20 for line in lines)
        assert [n for n in numbers if not any(f"harm{n}" in line for line in lines)] == []
        assert len(lines) == len(set(lines)), "something is told twice"


# Documents on their own.


def test_what_is_equal_is_told_apart_from_what_is_not_however_much_there_is(document):
    document["conditions"] = [
        {
            **{"name": "size", "type": "number", "description": "x", "default": None},
            "choices": [*range(9000), "1"],
        }
    ]
    assert metadata.validate(document) == []
    document["conditions"][0]["choices"].append(1)
    assert any("uniqueItems" in fault for fault in metadata.validate(document))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("version",), "1.1." + "1" * 9_990 + "!"),
        (("name",), "a-" * 4_990 + "!"),
        (("plugin",), "a-" * 4_990 + "!"),
        (("title",), "x" * 9_999 + "\n"),
        (("weights", 0, "files", 0, "file"), "a/" * 4_990 + "\n"),
        (("weights", 0, "files", 0, "url"), "https://" + "a" * 9_980 + " "),
        (("doi",), "10.1000/" + "a" * 9_980 + " "),
    ],
)
def test_no_pattern_is_slow_on_a_text_that_nearly_fits(document, place, value):
    documents = [copy.deepcopy(document) for _ in range(20)]
    for each in documents:
        inner = each
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value
        assert metadata.validate(each)


def test_parts_behind_more_faults_than_are_counted_are_not_taken_for_sound(document):
    for broken in (7, [], [{}], [{"range": 1}], [{"range": [], "shape": None, "kind": {}}]):
        document |= {"authors": [7] * 500, "outputs": broken, "conditions": [{}], "inputs": broken}
        assert 1 < len(metadata.validate(document)) <= 100


@pytest.mark.parametrize("versions", [("1.2.3..4", "1.2.4"), ("1.2.3.4.5..", "1.2.3")])
def test_versions_that_pip_can_not_read_are_compared_all_the_same(
    install, tmp_path, monkeypatch, document, versions
):
    for number, version in enumerate(versions):
        folder = tmp_path / f"catalogue{number}"
        folder.mkdir()
        text = json.dumps(document | {"version": version})
        (folder / "toy.json").write_text(text)
    places = [str(tmp_path / f"catalogue{number}") for number in range(2)]
    monkeypatch.setenv("MEDIGAN_CATALOGUE", os.pathsep.join(places))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert Hub().model("toy-noise").metadata.version in versions


def test_a_file_of_many_documents_that_are_none_is_given_up(tmp_path, monkeypatch):
    path = tmp_path / "many.json"
    path.write_text("[" + '{"x": 1},' * 100_000 + "0]")
    monkeypatch.setenv("MEDIGAN_CATALOGUE", str(path))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Hub()
    assert len(caught) < 100
    assert "the rest is left out" in str(caught[-1].message)


@POSIX
def test_a_pipe_among_documents_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "metadata.json")
    with pytest.raises(MetadataError, match="no regular file"):
        metadata.load(tmp_path / "metadata.json")


def test_however_deep_a_document_is_nested_it_is_refused_in_words(tmp_path):
    path = tmp_path / "metadata.json"
    for depth in range(30, 1100, 4):  # somewhere on the way, each reader runs out of its stack
        path.write_text(nested(depth))
        with pytest.raises(MetadataError) as caught:
            metadata.load(path)
        assert is_readable(str(caught.value))
