"""Building a package: its source distribution, and its wheel from that."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medigan_hub import variables
from medigan_hub.errors import PluginError, require
from medigan_hub.processes import groups, logs

LIMIT_SECONDS = 600.0
"""Seconds that a build may take."""
MAX_PRINTED_BYTES = 2**26
"""Bytes that it may print."""
INTERVAL_SECONDS = 0.1
"""Seconds between two looks."""


@dataclass(frozen=True)
class Built:
    """What the build of a package left."""

    sdist: Path
    wheel: Path


def build(project: Path, output: Path) -> Built:
    """Build the package in the folder ``project`` into ``output``.

    The wheel is built from the source distribution, so that both hold what is
    needed. The build backend runs in this environment where this has what it
    needs, and otherwise in one that pip makes for it. It knows no more of the
    user's variables than pip needs, and what it starts ends with it.

    Raises
    ------
    PluginError
        The package can't be built; the message has the last words of the build.
    MissingDependencyError
        The extra ``contribute`` is not installed.
    """
    require("build", extra="contribute", purpose="building a package")
    project, output = project.absolute(), output.absolute()
    command = [sys.executable, "-m", "build", "--outdir", str(output)]
    if _backend_is_here(project):
        command.append("--no-isolation")
    # In an empty folder, since pip takes a name for a file where there is one.
    with tempfile.TemporaryDirectory() as empty:
        code, said = _run([*command, str(project)], empty)
    sdists, wheels = list(output.glob("*.tar.gz")), list(output.glob("*.whl"))
    if code != 0 or len(sdists) != 1 or len(wheels) != 1:
        reason = said[-1] if said else "the build says nothing"
        raise PluginError(f"{project} can't be built: {reason}")
    return Built(sdists[0], wheels[0])


def _backend_is_here(project: Path) -> bool:
    """Tell whether this environment has what the package's build needs."""
    import build

    def ask(
        cmd: Sequence[str],
        cwd: str | None = None,
        extra_environ: Mapping[str, str] | None = None,
    ) -> None:
        code, _ = _run(cmd, cwd, extra_environ)
        if code != 0:
            raise subprocess.CalledProcessError(code, cmd)

    try:
        missing = build.ProjectBuilder(project, runner=ask).check_dependencies("wheel")
    except Exception:  # whatever is wrong with the project, the build itself says in words
        return True
    return not missing


def _run(
    command: Sequence[str], cwd: str | None, also: Mapping[str, str] | None = None
) -> tuple[int, list[str]]:
    """Run a command that runs the project's code; return its exit code, and its last lines.

    Raises
    ------
    PluginError
        It takes too long, or prints too much.
    """
    end = time.monotonic() + LIMIT_SECONDS
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.txt"
        with log.open("wb") as output:
            process = groups.start(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=cwd,
                env={**variables.for_installers(), **(also or {})},
            )
        try:
            while process.poll() is None:
                time.sleep(INTERVAL_SECONDS)
                if time.monotonic() > end:
                    raise PluginError(f"the build takes over {LIMIT_SECONDS:g} seconds")
                if log.stat().st_size > MAX_PRINTED_BYTES:
                    raise PluginError(f"the build prints over {MAX_PRINTED_BYTES // 2**20} MiB")
        finally:
            groups.end(process)
        return process.returncode, logs.lines(log)
