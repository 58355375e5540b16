"""Building a package: its source distribution, and its wheel from that."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from medigan_hub.errors import PluginError, require

LIMIT = 600.0
"""Seconds that a build may take."""


@dataclass(frozen=True)
class Built:
    """What the build of a package left."""

    sdist: Path
    wheel: Path


def build(project: Path, output: Path) -> Built:
    """Build the package in the folder ``project`` into ``output``.

    The wheel is built from the source distribution, so that both hold what is
    needed. The build backend runs in this environment where this has what it
    needs, and otherwise in one that pip makes for it.

    Raises
    ------
    PluginError
        The package can't be built; the message has the last words of the build.
    MissingDependencyError
        The extra ``contribute`` is not installed.
    """
    require("build", extra="contribute", purpose="building a package")
    command = [sys.executable, "-m", "build", "--outdir", str(output)]
    if _backend_is_here(project):
        command.append("--no-isolation")
    with tempfile.TemporaryFile() as log:
        try:
            code = subprocess.run(  # noqa: S603 (no shell; a folder is all that is given)
                [*command, str(project)], stdout=log, stderr=log, timeout=LIMIT, check=False
            ).returncode
        except subprocess.TimeoutExpired as error:
            raise PluginError(f"the build of {project} takes over {LIMIT:g} seconds") from error
        log.seek(0)
        said = [line for line in log.read().decode("utf-8", "replace").splitlines() if line.strip()]
    sdists, wheels = list(output.glob("*.tar.gz")), list(output.glob("*.whl"))
    if code != 0 or len(sdists) != 1 or len(wheels) != 1:
        reason = said[-1].strip() if said else "the build says nothing"
        raise PluginError(f"{project} can't be built: {reason}")
    return Built(sdists[0], wheels[0])


def _backend_is_here(project: Path) -> bool:
    """Tell whether this environment has what the package's build needs."""
    import build

    try:
        missing = build.ProjectBuilder(project).check_dependencies("wheel")
    except Exception:  # whatever is wrong with the project, the build itself says in words
        return True
    return not missing
