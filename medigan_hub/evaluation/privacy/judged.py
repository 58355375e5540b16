"""Findings together with the images that they are of, from which a report can be made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medigan_hub.evaluation.privacy.results import Privacy
from medigan_hub.evaluation.report import findings, page
from medigan_hub.evaluation.report.content import Report


@dataclass(frozen=True)
class JudgedPrivacy(Privacy):
    """All findings of one run; a report shows the closest pairs."""

    def content(self, *, show_real: bool = False) -> Report:
        """Return what a report says: see ``report``."""
        return findings.report(self.document(), self.sources, show_real=show_real)

    def report(self, path: str | Path, *, show_real: bool = False) -> Path:
        """Write a report, as ``evaluate``'s result does, with the closest pairs; return its file.

        Parameters
        ----------
        path
            The file, such as ``report.html``.
        show_real
            Whether it shows training images. Then it is as confidential as they are.

        Raises
        ------
        HubError
            It can't be written, or images are no longer there.
        """
        return page.write(self.content(show_real=show_real), path)
