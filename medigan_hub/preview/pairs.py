"""The closest pairs of a synthetic and a training image, to be looked at: for the owner alone."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from medigan_hub.errors import OutputError
from medigan_hub.evaluation.privacy.results import Pair, Privacy
from medigan_hub.evaluation.sources import ImageSet
from medigan_hub.files import write_atomically
from medigan_hub.preview import sheets

if TYPE_CHECKING:
    from numpy.typing import NDArray

PICTURE = "closest_pairs.confidential.png"
TABLE = "closest_pairs.confidential.csv"
BANNER = "CONFIDENTIAL: shows images of real patients"
RED = (150, 0, 0)
HEIGHT = 26
SIDE = 160
"""Pixels that the longer side of an image is brought to."""
ROWS = 12
"""Pairs that are shown, the most alike first."""
OWNER = 0o600


def write(found: Privacy, folder: Path) -> None:
    """Write the closest pairs into a folder, as a picture and a table that this account may read.

    Raises
    ------
    HubError
        An image can't be read any more, or the folder can't be written.
    """
    from medigan_hub.writers import png

    drawn = picture(found)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        content = png.encode(np.asarray(drawn), drawn.info)
        write_atomically(folder / PICTURE, content, mode=OWNER)
        write_atomically(folder / TABLE, table(found).encode(), mode=OWNER)
    except OSError as error:
        raise OutputError(f"{folder} can't be written: {error.strerror}") from error


def picture(found: Privacy) -> Image.Image:
    """Return a picture with a row for each pair: the synthetic and the training image.

    Its ``info`` holds the text that is to be written into its file.
    """
    rows = []
    for pair in _shown(found.pairs):
        ours, theirs = (
            _tile(_image(found.sources[name], place))
            for name, place in (("synthetic", pair.synthetic), ("train", pair.training))
        )
        mirrored = f", mirrored {pair.mirrored}" if pair.mirrored else ""
        alike = f"correlation {pair.correlation:.3f}{mirrored}{_words(pair)}"
        rows.append([(ours, f"synthetic image {pair.synthetic}"), (theirs, alike)])
    maker = _maker(found)
    caption = f"Left: synthetic, {maker}. Right: the training image that is nearest to it."
    words = {
        "Confidential": BANNER,
        "Synthetic": "in part",
        "Description": f"Closest pairs. {caption} Not fit for diagnosis.",
    }
    headings = (f"Synthetic - {maker}", "Training image of a real patient")
    return _with_banner(sheets.sheet(rows, caption, words, headings))


def table(found: Privacy) -> str:
    """Return all pairs as CSV, with the names of images."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        (
            *("synthetic", "synthetic_place", "training", "training_place", "space", "distance"),
            *("correlation", "mirrored", "flagged", "counted", "duplicate", "notice"),
        )
    )
    for pair in found.pairs:
        names = (
            found.sources[name].items[place].name
            for name, place in (("synthetic", pair.synthetic), ("train", pair.training))
        )
        ours, theirs = map(_cell, names)
        writer.writerow(
            (
                *(ours, pair.synthetic, theirs, pair.training, pair.space, f"{pair.distance:.6g}"),
                *(f"{pair.correlation:.6f}", pair.mirrored, pair.flagged, pair.counted),
                *(pair.duplicate, "confidential: names images of real patients"),
            )
        )
    return stream.getvalue()


def _cell(name: str) -> str:
    """Return a name as a spreadsheet takes it for text, and not for a formula."""
    return f"'{name}" if name[:1] in ("=", "+", "-", "@", "\t", "\r") else name


def _shown(pairs: Sequence[Pair]) -> Iterator[Pair]:
    """Yield the pairs that are drawn, each once, the most alike first."""
    seen: set[tuple[int, int]] = set()
    for pair in sorted(pairs, key=lambda each: (not each.duplicate, -each.correlation)):
        key = pair.synthetic, pair.training
        if key not in seen and len(seen) < ROWS:
            seen.add(key)
            yield pair


def _words(pair: Pair) -> str:
    if pair.duplicate:
        return ": the same"
    return f", flagged by {pair.space}" if pair.flagged else ""


def _image(images: ImageSet, place: int) -> np.ndarray:
    with closing(images.images(place)) as every:  # type: ignore[type-var]
        return next(every)


def _tile(image: np.ndarray) -> Image.Image:
    shown: NDArray[np.uint8] = sheets.to_screen(image[..., : 1 if image.shape[-1] < 3 else 3])
    height, width = shown.shape[:2]
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return Image.fromarray(shown).resize(size, Image.Resampling.BILINEAR)


def _maker(found: Privacy) -> str:
    facts = found.sets["synthetic"]
    if found.model is None:
        return "by a model that is not known"
    version = f" {facts['version']}" if facts.get("version") else ""
    seed = f", seed {facts['seed']}" if facts.get("seed") is not None else ""
    return f"by {found.model}{version}{seed}"


def _with_banner(drawn: Image.Image) -> Image.Image:
    whole = Image.new("RGB", (drawn.width, drawn.height + HEIGHT), RED)
    whole.paste(drawn, (0, HEIGHT))
    font = ImageFont.load_default(14)
    ImageDraw.Draw(whole).text((sheets.GAP, 4), BANNER, "white", font)
    whole.info.update(drawn.info)
    return whole
