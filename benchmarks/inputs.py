"""How fast input images are read, and what fitting to a model's scale saves.

For each format, times finding and reading a folder of images of one size, twice as many
pixels high as wide; then times one image through ``cyclegan-dbt``, fitted and as it is.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, SecondaryCaptureImageStorage

from medigan_hub import Hub, inputs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=512, help="pixels of an image")
    parser.add_argument("-n", type=int, default=50, help="images of each format")
    parser.add_argument("--fit-width", type=int, default=1024, help="of the one that is fitted")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    pixels = _pixels(arguments.width)
    print(f"{arguments.n} images of {pixels.shape[0]} x {pixels.shape[1]}, images a second")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("png 8", "png 16", "tiff 16", "dicom", "dicom rle", "nifti volume"):
            place = Path(folder, name)
            place.mkdir()
            _save(name, pixels, arguments.n, place)
            begun = time.perf_counter()
            count = sum(1 for _ in inputs.find(place))
            print(f"{name:<14}{count / (time.perf_counter() - begun):8.0f}")
    hub, image = Hub(), _pixels(arguments.fit_width)
    next(hub.generate("cyclegan-dbt", 1))
    seconds = {}
    for fit in (True, False):
        begun = time.perf_counter()
        next(hub.generate("cyclegan-dbt", 1, inputs=image, fit=fit))
        seconds[fit] = time.perf_counter() - begun
    print(
        f"{image.shape[0]} x {image.shape[1]} through cyclegan-dbt: fitted {seconds[True]:.2f} s, "
        f"as it is {seconds[False]:.2f} s, ratio {seconds[False] / seconds[True]:.1f}"
    )


def _pixels(width: int) -> np.ndarray:
    """Return an image of 16 bits with structure and noise, (2 width, width)."""
    rows, columns = np.mgrid[: 2 * width, :width] / width
    noise = np.random.default_rng(0).normal(0, 300, rows.shape)
    values = 30000 + 25000 * np.sin(9 * rows) * np.cos(7 * columns) + noise
    return np.asarray(values.clip(0, 65535).astype(np.uint16))


def _save(name: str, pixels: np.ndarray, count: int, folder: Path) -> None:
    if name == "nifti volume":
        volume = np.stack([pixels.T] * count, axis=2).astype(np.int16)
        affine = np.diag([-0.5, -0.5, 2, 1])
        nibabel: Any = import_module("nibabel")
        nibabel.save(nibabel.Nifti1Image(volume, affine), folder / "volume.nii.gz")
        return
    for number in range(count):
        if name.startswith("dicom"):
            _dicom(pixels, folder / f"{number}.dcm", is_packed=name.endswith("rle"))
        else:
            shown = (pixels // 257).astype(np.uint8) if name.endswith(" 8") else pixels
            Image.fromarray(shown).save(folder / f"{number}.{name.split()[0]}")


def _dicom(pixels: np.ndarray, path: Path, *, is_packed: bool) -> None:
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = pydicom.uid.generate_uid()
    dataset.set_pixel_data(pixels, "MONOCHROME2", 16)
    if is_packed:
        dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.save_as(path, enforce_file_format=True)


if __name__ == "__main__":
    main()
