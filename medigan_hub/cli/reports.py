"""What commands that judge write beside their figures: reports, and sections of cards."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from medigan_hub.evaluation.report.content import Report

NOT_OF_THE_FIGURES = {
    **dict.fromkeys(("--write-metadata", "--output", "-o", "--report", "--pdf", "--card"), 1),
    **dict.fromkeys(("--json", "--show-real"), 0),
}
"""Options, and the values that follow them, which decide no figure."""


@dataclass(frozen=True)
class Wanted:
    """What is to be written of what was found."""

    page: Path | None
    pdf: Path | None
    card: Path | None
    show_real: bool = False

    def check(self) -> None:
        """Make sure, before the work, that all of it can be written.

        Raises
        ------
        HubError
            Something can't.
        """
        from medigan_hub.evaluation.report import markdown, page, pdf

        if self.show_real and self.page is None and self.pdf is None:
            raise typer.BadParameter("--show-real goes with --report or --pdf")
        if self.page is not None:
            page.place(self.page)
        if self.pdf is not None:
            pdf.place(self.pdf)
        if self.card is not None:
            markdown.check(self.card)

    @property
    def is_any(self) -> bool:
        """Whether there is anything to write."""
        return any(each is not None for each in (self.page, self.pdf, self.card))

    def write(self, report: Report, kind: str, command: str) -> None:
        """Write it; ``kind`` is what was judged, in a word."""
        from medigan_hub.evaluation.report import markdown, page, pdf

        if self.page is not None:
            page.write(report, self.page)
        if self.pdf is not None:
            pdf.write(report, self.pdf)
        if self.card is not None:
            markdown.write(report, kind, command, self.card)

    def tell(self) -> None:
        """Print what was written."""
        written = [str(path) for path in (self.page, self.pdf) if path is not None]
        if written:
            confidential = "; it shows images of patients" if self.show_real else ""
            print(f"the report is {' and '.join(written)}{confidential}")
        if self.card is not None:
            print(f"the section is in {self.card}")


def command() -> str:
    """Return the command that makes the same figures again."""
    words = iter(sys.argv[1:])
    kept = []
    for word in words:
        name, equals, _ = word.partition("=")
        if name not in NOT_OF_THE_FIGURES:
            kept.append(word)
        elif NOT_OF_THE_FIGURES[name] and not equals:
            next(words, None)
    return shlex.join(["medigan", *kept])
