"""An evaluation together with the images that it is of, from which a report can be made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medigan_hub.evaluation import features
from medigan_hub.evaluation.extractors import Extractor
from medigan_hub.evaluation.preparation import Preparation
from medigan_hub.evaluation.report import figures, gallery, page
from medigan_hub.evaluation.report.content import Gallery, Report
from medigan_hub.evaluation.results import Evaluation
from medigan_hub.evaluation.scaling import scaled
from medigan_hub.evaluation.sources import ImageSet


@dataclass(frozen=True)
class Origin:
    """What was judged."""

    real: ImageSet
    synthetic: ImageSet
    extractor: Extractor
    preparation: Preparation
    counts: tuple[int, int]
    """Images of each that were taken, from the first on."""


@dataclass(frozen=True)
class Judged(Evaluation):
    """All figures of one run; as long as its images are at hand, a report shows some of them."""

    origin: Origin | None = field(default=None, repr=False, compare=False)
    """None where it was read from a file: then a report has no pictures."""

    def content(self, *, show_real: bool = False) -> Report:
        """Return what a report says: see ``report``."""
        if self.origin is None:
            return figures.report(self, {})
        galleries = _galleries(self.origin, show_real=show_real)
        return figures.report(self, galleries, self.origin.synthetic.header)

    def report(self, path: str | Path, *, show_real: bool = False) -> Path:
        """Write a report: one page of HTML that stands alone and asks nobody for anything.

        Parameters
        ----------
        path
            The file, such as ``report.html``.
        show_real
            Whether it shows real images beside the synthetic ones. Then it is as confidential as
            they are.

        Returns
        -------
        The file.

        Raises
        ------
        HubError
            It can't be written, or images are no longer there.
        """
        return page.write(self.content(show_real=show_real), path)


def _galleries(origin: Origin, *, show_real: bool) -> dict[str, Sequence[Gallery]]:
    wanted = [(origin.extractor, origin.preparation)]
    rows = [
        features.of(images, wanted)[0][:count]
        for images, count in zip((origin.real, origin.synthetic), origin.counts, strict=True)
    ]
    ours, theirs = scaled(rows[0], rows[1], origin.extractor.scaling)
    found = gallery.of(origin.real, origin.synthetic, (ours, theirs), show_real=show_real)
    return {**found}
