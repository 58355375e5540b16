"""The house: imports go one way, plugins have one door, and no message knows the command line."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from medigan_hub import plugin
from medigan_hub.generation import WISHES
from medigan_hub.spelling import flag

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "medigan_hub"
FLOORS = (
    "silence",
    "_version",
    "errors",
    "spelling",
    "execution",
    "reading",
    "terminal",
    "actions",
    "pace",
    "secrecy",
    "variables",
    "ownership",
    "files",
    "hashes",
    "locks",
    "hookspecs",
    "unpickling",
    "web",
    "metadata",
    "plugins",
    "weights",
    "inputs",
    "samples",
    "installation",
    "networks",
    "processes",
    "runtimes",
    "models",
    "citation",
    "catalogue",
    "card",
    "provenance",
    "writers",
    "dataset",
    "generation",
    "evaluation",
    "steering",
    "preview",
    "loaders",
    "search",
    "recipe",
    "reference",
    "app",
    "hub",
    "contribution",
    "plugin",
    "cli",
)
"""Rooms from the ground up: each imports from those before it alone."""


def modules() -> dict[str, Path]:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """Yield the hub's modules that one imports, anywhere in it, also for types alone."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif (
            isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "medigan_hub"
        ):
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in known else str(node.module)


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    known = modules()
    return {name: set(imported(path, known)) - {name} for name, path in known.items()}


def test_imports_have_no_circle(imports):
    state: dict[str, int] = {}

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert state.get(name) != 1, " -> ".join((*way[way.index(name) :], name))
        if name not in state:
            state[name] = 1
            for other in sorted(imports[name]):
                visit(other, (*way, name))
            state[name] = 2

    for name in sorted(imports):
        visit(name, ())


def test_the_network_has_one_door():
    """All that is asked says who asks, and how slow an answer may come is the same everywhere."""
    libraries = {"requests", "urllib3", "httpx", "aiohttp"}
    found = {
        name
        for name, path in modules().items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for each in ([node.module] if isinstance(node, ast.ImportFrom) else node.names)
        if str(getattr(each, "name", each)).partition(".")[0] in libraries
    }
    assert found == {"medigan_hub.web", "medigan_hub.pace"}


def room(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def test_imports_go_one_way(imports):
    upward = [
        f"{name} -> {other}"
        for name, others in imports.items()
        for other in others
        # The command as a whole lies above all else.
        if room(name) and room(other) and name != "medigan_hub.__main__"
        if FLOORS.index(room(other)) > FLOORS.index(room(name))
    ]
    assert upward == []


def test_plugins_and_the_template_have_one_door():
    line = re.compile(r"^\s*(?:from|import)\s+(medigan_hub\S*)", re.MULTILINE)
    found = {
        (str(path.relative_to(ROOT)), module)
        for folder in ("plugins", "templates")
        for path in (ROOT / folder).rglob("*.py")
        for module in line.findall(path.read_text())
    }
    assert len(found) > 30
    assert {module for _, module in found} == {"medigan_hub.plugin"}


@pytest.mark.parametrize("name", plugin.__all__)
def test_what_authors_import_is_there_and_documented(name):
    value = getattr(plugin, name)
    assert (not inspect.isclass(value) and not callable(value)) or inspect.getdoc(value)


METHODS = (types.FunctionType, classmethod, staticmethod, property, functools.cached_property)


@pytest.mark.parametrize("name", sorted(set(modules()) - {"medigan_hub.__main__"}))
def test_public_methods_are_documented_here_or_where_they_are_declared(name):
    module = importlib.import_module(name)
    own = {
        value.__qualname__: value
        for value in vars(module).values()
        if inspect.isclass(value)
        and value.__module__ == name
        and not value.__name__.startswith("_")
    }
    undocumented = [
        f"{owner}.{method}"
        for owner, value in own.items()
        for method, made in vars(value).items()
        if not method.startswith("_")
        and isinstance(made, METHODS)
        and not inspect.getdoc(getattr(value, method))
    ]
    assert undocumented == []


def test_the_door_offers_nothing_else():
    assert dir(plugin) == sorted(plugin.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = plugin.nothing


def test_the_hub_imports_no_framework_to_offer_the_door():
    code = (
        "import sys; from medigan_hub import plugin;"
        "plugin.NoiseToImage, plugin.build, plugin.Writer;"
        "print({'torch', 'tensorflow', 'keras', 'onnxruntime', 'gradio'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_no_room_below_the_command_line_knows_its_options():
    """A message names parameters by ``errors.named``; whole commands stay, as a remedy."""
    known = {"--json", "--debug", *(flag(name) for name in (*WISHES, "overwrite", "resume"))}
    known |= {flag(name) for name in ("format", "grid", "interpolate", "layout", "rank_by")}
    known |= {flag(name) for name in ("shard_size", "split")}
    below = [path for name, path in modules().items() if room(name) not in ("cli", "spelling", "")]
    found = []
    for path in below:
        for words in texts(ast.parse(path.read_text())):
            options = set(re.findall(r"(?<![\w-])--[a-z-]+", words)) & known
            if options and not re.search(r"medigan\s", words) and path.name not in COMMANDS:
                found.append((path.name, words))
    assert found == []


COMMANDS = ("card.py", "recipe.py", "making.py", "convert.py")
"""Files that write commands for people."""


def texts(tree: ast.AST) -> Iterator[str]:
    """Yield the texts in code, each with all that stands between its quotes."""
    inner = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inner |= {id(part) for part in node.values}
            yield "".join(part.value for part in node.values if isinstance(part, ast.Constant))
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner
        ):
            yield node.value
