"""Installing a model's plugin with pip, and what may be installed at all."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

from packaging.requirements import InvalidRequirement, Requirement

from medigan_hub import variables, web
from medigan_hub.errors import PluginError, RequestError, named
from medigan_hub.metadata import ModelMetadata

ARCHIVE = re.compile(r"\.(zip|whl|egg|tar(\..*)?|tgz|tbz2?|txz|tlz|tzst)", re.IGNORECASE)
"""How the names of files end that pip or uv would take for a package."""


def requirement(text: str) -> Requirement:
    """Return a dependency that names a distribution, with versions and extras perhaps.

    Raises
    ------
    PluginError
        It is none, or pip would take it for a URL or a file.
    """
    try:
        found = Requirement(text)
    except InvalidRequirement as error:
        raise PluginError(
            f"the dependency {_short(text)} is no requirement, such as numpy>=1.26"
        ) from error
    if found.url is not None:
        raise PluginError(f"the dependency {_short(text)} names a URL; only names are installed")
    if any(ARCHIVE.fullmatch(found.name, at) for at in range(len(found.name))):
        raise PluginError(
            f"the dependency {_short(text)} is named like a file, which would be installed from "
            "the current folder; name the distribution that it holds"
        )
    return found


def command(
    model: ModelMetadata,
    *,
    find_links: Path | None = None,
    no_index: bool = False,
    upgrade: bool = False,
) -> list[str]:
    """Return the command that installs a model's plugin into this environment.

    Parameters
    ----------
    find_links
        Folder with wheels to take packages from.
    no_index
        Take packages from that folder alone. So it is, too, where
        ``MEDIGAN_OFFLINE`` forbids the network.
    upgrade
        Install the newest version over an older one.

    Raises
    ------
    RequestError
        The folder is not there, or none is named and no index may be asked.
    """
    alone = no_index or web.offline()
    if find_links is not None and not find_links.is_dir():
        raise RequestError(f"{find_links} is no folder; name one that holds wheels")
    if find_links is None and alone:
        raise RequestError(
            f"{model.plugin} can't be fetched without the network; "
            f"name a folder that holds its wheel with {named('find_links')}"
        )
    return [
        *(sys.executable, "-m", "pip", "install", "--disable-pip-version-check"),
        *(["--upgrade"] if upgrade else []),
        # Isolated: an index or folder in pip's own settings could lie in the network.
        *(["--isolated"] if web.offline() else []),
        *(["--no-index"] if alone else []),
        *(["--find-links", str(find_links.absolute())] if find_links is not None else []),
        # A plugin can't name the one of TensorFlow's distributions that is there.
        *(["medigan-hub[tensorflow]"] if _lacks_tensorflow(model) else []),
        model.plugin,
    ]


def _lacks_tensorflow(model: ModelMetadata) -> bool:
    return model.framework == "TensorFlow" and importlib.util.find_spec("tensorflow") is None


def run(arguments: list[str], output: IO[str] | None = None) -> None:
    """Run a command of ``command``; what pip says goes to ``output``, by default standard output.

    Raises
    ------
    PluginError
        This environment has no pip, or pip failed.
    """
    if importlib.util.find_spec("pip") is None:
        raise PluginError(
            f"this environment has no pip; install {arguments[-1]} with the tool that made it, "
            f"such as: uv pip install {arguments[-1]}"
        )
    # In an empty folder, since a pip.py in the current one is not pip, and a file of a
    # distribution's name not the distribution. An index may need its password here.
    environment = variables.for_installers(passwords=True)
    with tempfile.TemporaryDirectory() as empty:
        result = subprocess.run(  # noqa: S603 (no shell; the name's form is checked)
            arguments, stdout=output, check=False, env=environment, cwd=empty
        )
    if result.returncode != 0:
        raise PluginError(
            f"pip could not install {arguments[-1]} (exit code {result.returncode}); "
            "its messages above say why. "
            f"A folder of wheels can be named with {named('find_links')}"
        )


def _short(text: str) -> str:
    return repr(text if len(text) <= 100 else f"{text[:97]}...")
