"""The DICOM files that pydicom brings along: the table in docs/dicom.md, and the pixels."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pydicom
import pytest
from pydicom import pixels as reference

from medigan_hub import RequestError
from medigan_hub.inputs.decoders.base import NoPixels
from medigan_hub.inputs.decoders.dicom import DicomDecoder
from medigan_hub.reading import Reading
from support import ROOT


def table() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dicom_files", ROOT / "docs" / "dicom_files.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TABLE = table()
DECODER = DicomDecoder()
LOSSY = 8
"""How far two decoders of lossy JPEG may differ, of 255."""


def test_the_page_says_what_becomes_of_each_file():
    """Without a warning, as all tests. Older versions of pydicom bring fewer files."""
    rows = TABLE.rows()
    page = TABLE.PAGE.read_text("utf-8").splitlines()
    assert [row for row in rows if row not in page] == [], "mend it: python docs/dicom_files.py"
    assert len(rows) > 80


def stored(path: Path) -> np.ndarray | None:
    """Return the pixels of the first frame as pydicom reads them; None where it can't."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path, force=True)
        try:
            found = reference.pixel_array(dataset, index=0)
        except Exception:
            return None
        if dataset.PhotometricInterpretation == "PALETTE COLOR":
            return reference.apply_color_lut(found, dataset)
        return found if found.ndim == 3 else reference.apply_rescale(found, dataset)


def test_pixels_and_windows_are_those_that_pydicom_reads():
    compared = 0
    for name, path in TABLE.files():
        try:
            found = DECODER.read(path, 0, Reading())
        except (NoPixels, RequestError):  # the page says why
            continue
        wanted = stored(path)
        if wanted is None:
            continue
        compared += 1
        if wanted.ndim == 3:
            mine = found.pixels / np.iinfo(found.pixels.dtype).max
            theirs = wanted / np.iinfo(wanted.dtype).max
            assert np.abs(mine - theirs).max() <= LOSSY / 255, name
        else:
            assert np.array_equal(found.pixels, wanted), name
        if found.taken.startswith("window"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                dataset = pydicom.dcmread(path)
                values = np.array([-1e9, *found.levels, 1e9])
                low, black, white, high = reference.apply_windowing(values, dataset)
            assert (black, white) == pytest.approx((low, high)), name
            assert found.is_inverse == (dataset.PhotometricInterpretation == "MONOCHROME1"), name
    assert compared > 80
