"""Radiomic features: those of frd-score itself, from images in memory."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pytest
from PIL import Image

from medigan_hub.errors import MissingDependencyError
from medigan_hub.evaluation import extractors
from medigan_hub.evaluation.extractors.base import ImageError
from medigan_hub.evaluation.preparation import Preparation
from support import frd


def is_installed() -> bool:
    try:
        return bool(version("frd-score") and version("pyradiomics"))
    except PackageNotFoundError:
        return False


installed = pytest.mark.skipif(not is_installed(), reason="needs pyradiomics: make radiomics")


@pytest.fixture(scope="module")
def radiomics():
    return extractors.find("radiomics")


def prepared(pictures, extractor):
    prepare = Preparation()
    return [prepare(np.atleast_3d(picture), extractor) for picture in pictures]


def theirs(pictures, folder):
    """Return what frd-score makes of files of pictures."""
    paths = [folder / f"{number}.png" for number in range(len(pictures))]
    for path, picture in zip(paths, pictures, strict=True):
        Image.fromarray(picture).save(path)
    return frd.features(paths)


@installed
def test_features_are_those_of_frd_score_for_files_of_8_bits(radiomics, tmp_path):
    pictures = [*frd.pictures("real")[:2], frd.pictures("synthetic")[0][:40, :33]]
    values, names = theirs(pictures, tmp_path)
    found = radiomics.features(prepared(pictures, radiomics))
    assert found.dtype == np.float32
    assert found.shape == (3, *radiomics.shape)
    np.testing.assert_array_equal(found, values.astype(np.float32))
    assert sum(name.startswith("diagnostics") for name in names) == 13


@installed
def test_steps_between_those_of_8_bits_count(radiomics, tmp_path):
    """A file of 16 bits has the features of one of 8, but for its grey levels before all else."""
    finer = frd.pictures("real")[0].astype(np.uint16) * 256 + np.arange(64, dtype=np.uint16)
    values, names = theirs([finer], tmp_path)
    (found,) = radiomics.features(prepared([finer], radiomics))
    before = np.char.startswith(names, "diagnostics_Image-original")
    assert before.sum() == 3
    np.testing.assert_allclose(found[before] * 257, values[0][before], rtol=1e-6)
    np.testing.assert_allclose(found[~before], values[0][~before], rtol=1e-4, atol=1e-9)


@installed
def test_features_that_frd_is_held_against_are_those_of_today(radiomics):
    with np.load(frd.RESULT) as known:
        for kind in frd.KINDS:
            found = radiomics.features(prepared(frd.pictures(kind)[:2], radiomics))
            np.testing.assert_allclose(found, known[kind][:2], rtol=1e-5)


@installed
def test_an_image_of_one_grey_level_is_refused_by_its_place(radiomics):
    images = prepared([frd.pictures("real")[0], np.full((64, 64), 7, np.uint8)], radiomics)
    with pytest.raises(ImageError, match=r"image 1 .*one grey level alone.*leave it out") as caught:
        radiomics.features(images)
    assert caught.value.place == 1


@installed
@pytest.mark.parametrize("shape", [(3, 64), (64, 1), (1, 1)])
def test_an_image_too_small_is_refused(radiomics, shape):
    tiny = frd.pictures("real")[0][: shape[0], : shape[1]]
    with pytest.raises(ImageError, match=rf"{shape[0]} x {shape[1]} pixels.* 4 x 4 or more"):
        radiomics.features(prepared([tiny], radiomics))


@installed
def test_the_smallest_image_and_one_that_is_almost_empty_have_features(radiomics):
    point = np.zeros((64, 64), np.uint8)
    point[30, 31] = 255
    found = radiomics.features(prepared([point, frd.pictures("real")[0][:4, :4]], radiomics))
    assert np.isfinite(found).all()


@pytest.mark.skipif(is_installed(), reason="pyradiomics is here")
def test_where_pyradiomics_is_missing_the_way_to_install_it_is_said(radiomics):
    words = r"radiomic features need frd-score 1.0.1.*pip install --no-build-isolation"
    with pytest.raises(MissingDependencyError, match=words):
        radiomics.open()
    assert isinstance(radiomics.missing(), MissingDependencyError)
