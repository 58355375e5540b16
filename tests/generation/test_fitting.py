"""Images of another scale than a model was trained on: told, or brought there and back."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest

from medigan_hub import Hub, HubNote, HubWarning, RequestError, metadata
from medigan_hub.errors import MetadataError

# Says how high the images were that it was given, and keeps their size.
MODEL = """
import numpy as np
from medigan_hub.plugin import ImageToImage, NetworkRuntime

class Height(NetworkRuntime):
    def open(self, files, device, precision):
        def session(images):
            height = images.shape[1] / 255 * 2 - 1
            values = [np.full_like(images, height), images]
            return np.concatenate(values[:MASK + 1], axis=-1)
        return session

plugin = ImageToImage(__file__, numpy=Height())
"""
TRAINED = {"size": [64, 64], "spacing_mm": [0.5, 0.5]}


@pytest.fixture
def model(install, document):
    """Return a function that installs the model, with what it was trained on."""

    def install_model(trained=None, mask=False):
        document["outputs"][0] |= {"shape": [None, None, 1]}
        if mask:
            shape = {"name": "mask", "kind": "mask", "range": [0, 1], "classes": ["no", "yes"]}
            document["outputs"].append(document["outputs"][0] | shape)
        entry = {"name": "photo", "kind": "image", "channels": ["intensity"], "required": True}
        document["inputs"] = [entry if trained is None else entry | {"trained": trained}]
        code = f"MASK = {mask}\n{MODEL}"
        install(document=document | {"task": "image-to-image", "latent": None}, code=code)
        return Hub()

    return install_model


def grey(height, width):
    rows, columns = np.mgrid[:height, :width]
    return ((rows * 7 + columns * 3) % 256).astype(np.uint8)


def slice_of(path, array, spacing):
    """Save an image as one slice, with rows and columns as they are."""
    affine = np.diag([-spacing[1], -spacing[0], 1, 1])
    nibabel.save(nibabel.Nifti1Image(array.T[:, :, np.newaxis], affine), path)
    return path


def made(batches):
    return [(batch.arrays["image"], batch.arrays["photo"]) for batch in batches]


def test_an_image_far_from_the_trained_scale_is_told_of_once(model):
    hub = model(TRAINED)
    images = [grey(64, 50), grey(256, 100), grey(200, 100)]
    with pytest.warns(HubWarning) as told:
        (first, *rest) = made(hub.generate("toy-noise", inputs=images))
    (warning,) = told
    assert "array 1 has 256 x 100 pixels, and toy-noise was trained on 64 x 64" in str(
        warning.message
    )
    assert "4 times another scale is not to be trusted; bring the image there with fit=True" in str(
        warning.message
    )
    assert [image.shape[1:3] for image, _ in (first, *rest)] == [(64, 50), (256, 100), (200, 100)]
    assert {int(image.max()) for image, _ in rest} == {256 - 1, 200}  # the size that it was given


def test_what_was_trained_on_is_reached_and_left_again(model):
    hub = model(TRAINED)
    given = [grey(256, 128), grey(256, 128), grey(128, 128)]
    with pytest.warns(HubNote, match="brought to 64 x 32, and the result back"):
        batches = list(hub.generate("toy-noise", inputs=given, fit=True))
    assert [batch.indices.tolist() for batch in batches] == [[0, 1], [2]]
    for image, photo in made(batches):
        assert (image == 64).all()  # what the network saw
        assert image.shape == photo.shape
    assert np.array_equal(batches[0].arrays["photo"][1, :, :, 0], given[1])


def test_the_distance_of_the_pixels_counts_where_it_is_known(model, tmp_path):
    hub = model(TRAINED | {"one_scale": True})
    path = slice_of(tmp_path / "a.nii", grey(300, 200), (0.1, 0.2))
    with pytest.warns(HubNote, match=r"300 x 200 pixels of 0\.1 mm.* 64 x 64 pixels of 0\.5 mm"):
        ((image, photo),) = made(hub.generate("toy-noise", inputs=path))
    assert (image == 60).all()
    assert image.shape == photo.shape == (1, 300, 200, 1)
    assert np.array_equal(photo[0, :, :, 0], grey(300, 200))


def test_what_was_fitted_is_recorded_and_keeps_its_distances(model, tmp_path):
    hub = model(TRAINED | {"one_scale": True})
    path = slice_of(tmp_path / "a.nii", grey(300, 200), (0.1, 0.2))
    with pytest.warns(HubNote):
        saved = hub.save("toy-noise", None, tmp_path / "out", inputs=path, format="nifti")
    header = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert header["inputs"][0]["fitted"] is True
    row = json.loads(saved.manifest.read_text())
    assert row["spacing_mm"] == pytest.approx([0.1, 0.2])
    for file in row["files"].values():
        zooms = nibabel.load(tmp_path / "out" / file["path"]).header.get_zooms()
        assert zooms[:2] == pytest.approx((0.2, 0.1))


def test_one_scale_is_left_where_the_caller_says_so(model):
    hub = model(TRAINED | {"one_scale": True})
    with pytest.warns(HubWarning, match="is not to be trusted"):
        ((image, _),) = made(hub.generate("toy-noise", inputs=grey(128, 128), fit=False))
    assert (image == 128).all()


def test_masks_keep_their_values_on_the_way_back(model):
    hub = model(TRAINED, mask=True)
    blocks = np.kron(np.eye(4), np.ones((48, 24))).astype(np.uint8)  # 192 x 96
    with pytest.warns(HubNote):
        (batch,) = hub.generate("toy-noise", inputs=blocks * np.uint8(255), fit=True)
    assert np.array_equal(batch.arrays["mask"][0, :, :, 0], blocks)
    assert (batch.arrays["image"] == 64).all()


def test_greys_far_from_those_trained_on_are_told_of(model):
    hub = model({"size": [64, 64], "grey_range": [0, 0.8]})
    hub.generate("toy-noise", inputs=grey(64, 64))
    with pytest.warns(HubWarning, match="between 1% and 4% of the range .* between 0% and 80%"):
        hub.generate("toy-noise", inputs=np.minimum(grey(64, 64), 10))


def test_what_would_grow_beyond_measure_is_refused(model, tmp_path):
    hub = model(TRAINED | {"one_scale": True})
    path = slice_of(tmp_path / "a.nii", grey(300, 200), (10, 10))
    words = r"a\.nii would have 6000 x 4000 pixels .* own are 10 mm apart; .* with fit=False"
    with pytest.raises(RequestError, match=words):
        hub.generate("toy-noise", inputs=path)


def test_nothing_is_fitted_to_what_is_not_known(model):
    hub = model()
    with pytest.raises(RequestError, match="does not say which images it was trained on"):
        hub.generate("toy-noise", inputs=grey(64, 64), fit=True)
    hub.generate("toy-noise", inputs=grey(640, 64))


@pytest.mark.parametrize("trained", [{}, {"size": [0, 4]}, {"size": [4, 4], "grey_range": [1, 0]}])
def test_what_was_trained_on_must_make_sense(document, trained):
    entry = {"name": "photo", "kind": "image", "channels": ["grey"], "required": True}
    document["inputs"] = [entry | {"trained": trained}]
    with pytest.raises(MetadataError, match="trained"):
        metadata.checked(document | {"task": "image-to-image", "latent": None}, "toy")
