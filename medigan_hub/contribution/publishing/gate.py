"""The check that every package passes before it is published."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from medigan_hub.errors import PluginError

SIZE = "wheel is of a fitting size"
"""The check that a wheel with weights may fail which are published beside it."""


def check(
    project: Path, *, detached: bool, allow_archive_code: bool, say: Callable[[str], None]
) -> None:
    """Run the checks of ``medigan check`` on a project.

    ``detached`` tells whether the weights are published beside the wheel.

    Raises
    ------
    PluginError
        One fails.
    """
    from medigan_hub.contribution import checking

    report = checking.check(project, allow_archive_code=allow_archive_code, say=say)
    failures = [each for each in report.failures if not (detached and each.check == SIZE)]
    if not failures:
        return
    first, more = failures[0], len(failures) - 1
    others = f" (and {more} more)" if more else ""
    raise PluginError(
        f"{project} does not pass the check, and is not published: {first.message}; "
        f"{first.remedy}{others}; see all with: medigan check {project}"
    )
