"""What was found of the use of synthetic images, from which a report can be made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medigan_hub.evaluation.report import page, uses
from medigan_hub.evaluation.report.content import Report
from medigan_hub.evaluation.utility.results import Utility


@dataclass(frozen=True)
class JudgedUtility(Utility):
    """All arms of one run."""

    header: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)
    """What is true of all samples, where a model made the synthetic images; in no document."""

    def content(self) -> Report:
        """Return what a report says."""
        return uses.report(self, self.header)

    def report(self, path: str | Path) -> Path:
        """Write a report, as ``evaluate``'s result does; return its file. It shows no image.

        Parameters
        ----------
        path
            The file, such as ``report.html``.

        Raises
        ------
        HubError
            It can't be written.
        """
        return page.write(self.content(), path)
