"""Pictures of two kinds, and what frd-score makes of them: its features, and its FRD.

    python tests/support/frd.py

writes it all anew to ``frd.npz``: ``real`` (24, 398) and ``synthetic`` (20, 398), float32, the
``names`` of the features, and ``frd``, version 1. That takes frd-score 1.0.1.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import numpy as np

RESULT = Path(__file__).with_suffix(".npz")
KINDS = {"real": (24, 3, 24), "synthetic": (20, 2, 18)}
"""How many there are, how smooth they are, and how strong their contrast is."""


def pictures(kind: str) -> list[np.ndarray]:
    """Return pictures of a kind, each (64, 64) uint8: smooth noise, a bright spot, and grain."""
    from scipy.ndimage import gaussian_filter

    count, smooth, contrast = KINDS[kind]
    rng = np.random.default_rng(count)
    y, x = np.mgrid[:64, :64]
    found = []
    for _ in range(count):
        noise = gaussian_filter(rng.normal(size=(64, 64)), smooth)
        noise = noise / noise.std()
        far = (y - rng.uniform(16, 48)) ** 2 + (x - rng.uniform(16, 48)) ** 2
        spot = np.exp(-far / (2 * rng.uniform(5, 12) ** 2))
        values = 90 + contrast * noise + 80 * spot + rng.normal(scale=4, size=(64, 64))
        found.append(np.clip(np.rint(values), 0, 255).astype(np.uint8))
    return found


def features(paths: list[Path]) -> tuple[np.ndarray, list[str]]:
    """Return what frd-score's own function makes of image files, and the features' names."""
    from frd_score import frd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pykwalify, which loads modules in an old way
        extractor = frd.get_feature_extractor("v1", image_dim=2)
    describe = frd.process_image_mask_pair
    found = [describe((path, None), feature_extractor=extractor) for path in paths]
    return np.array([values for values, _, _ in found]), list(found[0][1])


def main() -> None:
    """Write the file."""
    from frd_score import compute_frd
    from PIL import Image

    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            place = Path(folder, kind)
            place.mkdir()
            for number, picture in enumerate(pictures(kind)):
                Image.fromarray(picture).save(place / f"{number:03d}.png")
            values, names = features(sorted(place.iterdir()))
            found[kind] = values.astype(np.float32)
        frd = compute_frd([str(Path(folder, kind)) for kind in KINDS], num_workers=1)
    np.savez_compressed(RESULT, **found, frd=np.float64(frd), names=np.array(names))


if __name__ == "__main__":
    main()
