"""The one gate for a model's package, for its author and for whoever's CI.

``static`` looks at the files, without running any of them but the build;
``behaviour`` judges by what the model makes, which ``probe`` runs in a process of its own.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from medigan_hub.contribution.checking import behaviour, static
from medigan_hub.contribution.checking.package import open_package
from medigan_hub.contribution.checking.report import FAILED, PASSED, Fault, Finding, Report
from medigan_hub.errors import PluginError

__all__ = ["Fault", "Finding", "Report", "check"]

BUILDS = "package builds"


def check(
    source: str | Path,
    *,
    timeout: float = behaviour.TIMEOUT_SECONDS,
    memory: float = behaviour.MEMORY_GIB,
    allow_archive_code: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Check a model's package: its folder, its wheel, or an installed model by its name.

    The folder's build backend runs as the user. The model runs in a process of
    its own, which hands back arrays: what passes was made. Linux keeps that
    process from the network, from other processes and from writing elsewhere;
    on other systems these guard against mistakes alone.

    Parameters
    ----------
    timeout
        Seconds that each check of how the model behaves may take.
    memory
        GiB that the model's process may use, with those that it starts.
    allow_archive_code
        Whether code that was published with the weights may run.
    say
        Called with the name of each check as it begins.

    Raises
    ------
    RequestError
        There is no such folder, wheel or model.
    MissingDependencyError
        The extra ``contribute`` is not installed.
    """
    begin = time.monotonic()
    findings: list[Finding] = []
    model = None
    # Resolved, since what is written is held against it by its real path.
    with tempfile.TemporaryDirectory(prefix="medigan-check-") as temporary:
        scratch = Path(temporary).resolve()
        say(BUILDS)
        try:
            package = open_package(str(source), scratch)
        except PluginError as error:
            remedy = "build it as pip does, and mend what it says: python -m build"
            findings.append(Finding(BUILDS, FAILED, str(error), remedy))
        else:
            if package.project is not None:
                findings.append(Finding(BUILDS, PASSED))
            findings += static.findings(package, say)
            model = package.model.name if package.model else None
            findings += behaviour.findings(
                package,
                scratch,
                ready=not any(
                    each.check in static.NEEDED for each in findings if each.status == FAILED
                ),
                timeout=timeout,
                memory=memory,
                allow_archive_code=allow_archive_code,
                say=say,
            )
    return Report(str(source), model, tuple(findings), time.monotonic() - begin)
