"""Virtual environments for published code: one for each set of dependencies, made once."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from packaging.requirements import Requirement

from medigan_hub import installation, variables, web
from medigan_hub.errors import PluginError, RequestError
from medigan_hub.files import cache_folder, read_own, write_atomically
from medigan_hub.locks import locked
from medigan_hub.processes import groups, logs

OLDEST = (3, 8)
"""The oldest Python that the worker runs on."""
COMPLETE = "medigan-complete.json"
"""Written last into an environment that is whole."""
ELSEWHERE = re.compile(r"PYTHON.*|VIRTUAL_ENV|(PIP|UV)_(TARGET|PREFIX|ROOT|USER|PYTHON|SYSTEM_.*)")
"""Variables that would let an installation see, or go to, another place."""
OF_UV = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_CONSTRAINT": "UV_CONSTRAINT",
}
"""What uv calls pip's settings."""
ABOUT = "import sys, sysconfig; print(*sys.version_info[:2], sysconfig.get_platform())"


def environment(dependencies: Sequence[str], say: Callable[[str], None] | None = None) -> Path:
    """Return the Python of an environment that holds some requirements, and NumPy.

    It lies in the cache, and is made when it is first asked for, by uv where
    that is on the PATH and by pip otherwise, with pip's own settings. Its
    Python is the hub's, or the one that ``MEDIGAN_ARCHIVE_PYTHON`` names.
    ``MEDIGAN_OFFLINE`` keeps pip from the network: it takes packages from the
    folders in ``PIP_FIND_LINKS`` alone.

    Parameters
    ----------
    say
        Called with a line on what takes long.

    Raises
    ------
    PluginError
        A dependency is no plain requirement, or can't be installed.
    RequestError
        ``MEDIGAN_ARCHIVE_PYTHON`` can't be used.
    """
    wanted = _requirements(dependencies)
    python, version, platform = _interpreter()
    key = json.dumps([wanted, version, platform, os.environ.get("MEDIGAN_ARCHIVE_PYTHON")])
    name = hashlib.sha256(key.encode()).hexdigest()[:20]
    folder = cache_folder().absolute() / "environments" / name
    found = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if _whole(folder, found):
        return found
    with locked(folder.with_name(f"{name}.lock")) as inherited:
        if _whole(folder, found):  # another process has made it meanwhile
            return found
        if say is not None:
            say(f"making an environment for published code with {', '.join(wanted)} (once)")
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        log = folder.with_name(f"{name}.log")
        try:
            for command, settings in _commands(python, version, folder, found, wanted):
                _run(command, settings, log, inherited, wanted)
        finally:
            log.unlink(missing_ok=True)
        write_atomically(folder / COMPLETE, json.dumps(wanted).encode())
    return found


def _whole(folder: Path, python: Path) -> bool:
    try:
        read_own(folder / COMPLETE)
    except OSError:
        return False
    return python.is_file()  # one that was removed from the system leaves a link to nothing


def _requirements(dependencies: Iterable[str]) -> list[str]:
    """Return requirements in one spelling, sorted, NumPy among them."""
    found = [Requirement("numpy"), *map(installation.requirement, dependencies)]
    return sorted(set(map(str, found)), key=str.casefold)


def _interpreter() -> tuple[str, tuple[int, int], str]:
    """Return the Python to make environments with, its version, and what it runs on."""
    chosen = os.environ.get("MEDIGAN_ARCHIVE_PYTHON")
    if not chosen:
        return sys.executable, sys.version_info[:2], sysconfig.get_platform()
    remedy = f"name a Python of version {OLDEST[0]}.{OLDEST[1]} or later, such as /usr/bin/python3"
    try:
        answer = subprocess.run(  # noqa: S603 (what the user names is to be run)
            [chosen, "-I", "-c", ABOUT], capture_output=True, check=True, timeout=60
        )
        major, minor, platform = answer.stdout.decode().split()
        version = int(major), int(minor)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise RequestError(
            f"MEDIGAN_ARCHIVE_PYTHON is {chosen!r}, which doesn't run; {remedy}"
        ) from error
    if version < OLDEST:
        raise RequestError(f"MEDIGAN_ARCHIVE_PYTHON is Python {major}.{minor}; {remedy}")
    return chosen, version, platform


def _commands(
    python: str, version: tuple[int, int], folder: Path, made: Path, wanted: Sequence[str]
) -> list[tuple[list[str], dict[str, str]]]:
    """Return the commands that make an environment, with their environment variables."""
    found = variables.for_installers()
    settings = {k: v for k, v in found.items() if not ELSEWHERE.fullmatch(k.upper())}
    settings |= {"PIP_NO_INPUT": "1", "PIP_USER": "0"}
    if web.offline():
        settings = _without_network(settings)
    uv = shutil.which("uv")
    if uv:
        of_uv = {OF_UV[k]: v for k, v in settings.items() if k in OF_UV}
        if "UV_FIND_LINKS" in of_uv:
            of_uv["UV_FIND_LINKS"] = ",".join(of_uv["UV_FIND_LINKS"].split())
        alone = settings.get("PIP_NO_INDEX", "").lower() in ("1", "true", "yes", "on")
        install = [uv, "pip", "install", *(["--no-index"] if alone else []), "--python", str(made)]
        return [
            ([uv, "venv", "--quiet", "--python", python, str(folder)], settings),
            ([*install, *wanted], {**of_uv, **settings}),
        ]
    # The hub's own pip runs in any Python of the same version; another brings its own along.
    own = version == sys.version_info[:2] and importlib.util.find_spec("pip") is not None
    pip = [sys.executable, "-I", "-m", "pip", "--python", str(made)]
    if not own:
        pip = [str(made), "-I", "-m", "pip"]
    return [
        ([python, "-I", "-m", "venv", *(["--without-pip"] if own else []), str(folder)], settings),
        ([*pip, "install", "--disable-pip-version-check", *wanted], settings),
    ]


def _without_network(settings: Mapping[str, str]) -> dict[str, str]:
    """Return settings of pip and uv that reach local folders alone."""
    kept = {k: v for k, v in settings.items() if not k.startswith(("PIP_", "UV_"))}
    folders = [part for part in settings.get("PIP_FIND_LINKS", "").split() if Path(part).is_dir()]
    if folders:
        kept["PIP_FIND_LINKS"] = " ".join(folders)
    constraint = settings.get("PIP_CONSTRAINT", "")
    if Path(constraint).is_file():
        kept["PIP_CONSTRAINT"] = constraint
    # An index in pip's own files could lie in the network.
    return {**kept, "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "UV_OFFLINE": "1"}


def _run(
    command: Sequence[str],
    settings: Mapping[str, str],
    log: Path,
    inherited: tuple[int, ...],
    wanted: Sequence[str],
) -> None:
    """Run a command that makes a part of an environment; what it says goes to a log.

    It inherits the lock, so that none else begins while it goes on after the hub's end. Its
    current folder is empty: pip takes a name for a file where there is one.
    """
    with log.open("ab") as output, tempfile.TemporaryDirectory() as empty:
        process = groups.start(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=empty,
            env=settings,
            pass_fds=inherited,
        )
        try:
            code = process.wait()
        finally:
            groups.end(process)
    if code != 0:
        remedy = ""
        if web.offline():
            remedy = (
                "; MEDIGAN_OFFLINE forbids the network, PIP_FIND_LINKS can name a folder of wheels"
            )
        raise PluginError(
            f"no environment could be made with {', '.join(wanted)}: {_reason(log)}; "
            f"{logs.keep(log, 'environment')}{remedy}"
        )


def _reason(log: Path) -> str:
    said = logs.lines(log)
    errors = [line for line in said if line.lower().startswith(("error: ", "cause: "))]
    # That line only points to a page about conflicts in general.
    telling = [line for line in errors if "ResolutionImpossible" not in line] or said
    reason = telling[-1] if telling else "the installer says nothing"
    return re.sub(r"^(error|cause): ", "", reason, flags=re.IGNORECASE).rstrip(".")
