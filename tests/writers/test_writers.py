"""Formats read back by the libraries that users read them with; DICOM and NIfTI have tests of
their own."""

from __future__ import annotations

import io
import json
import tarfile
import warnings

import numpy as np
import pytest

from medigan_hub import Hub, PluginError, RequestError, generation, writers
from support import toys

# Two images (16 bits, and fractions of three channels), a mask, a vector of numbers.
CODE = toys.code("spots")


def image(name, channels, dtype, low, high):
    return {
        "name": name,
        "kind": "mask" if high == 1 and dtype == "uint8" else "image",
        "shape": [8, 6, channels],
        "dtype": dtype,
        "range": [low, high],
    }


OUTPUTS = [
    image("image", 1, "uint16", 0, 65535),
    image("flow", 3, "float32", -1, 1),
    image("mask", 1, "uint8", 0, 1),
    {"name": "spot", "kind": "label", "shape": [2], "dtype": "int16", "range": [-99, 99]},
]


@pytest.fixture
def hub(install, document):
    document["outputs"] = OUTPUTS
    install(document=document, code=CODE)
    return Hub()


@pytest.fixture
def samples(hub):
    return [arrays for batch in hub.generate("toy-noise", 5, seed=3) for _, arrays in batch]


def test_npz_holds_everything_as_it_is(hub, samples, tmp_path):
    hub.save("toy-noise", 5, tmp_path / "out", seed=3, format="npz")
    for index, expected in enumerate(samples):
        with np.load(tmp_path / "out" / "samples" / f"{index:06d}.npz", allow_pickle=False) as file:
            assert set(file) == {"image", "flow", "mask", "spot", "_provenance"}
            for name, array in expected.items():
                assert file[name].dtype == array.dtype
                assert np.array_equal(file[name], array)
            words = json.loads(str(file["_provenance"]))
        assert (words["index"], words["labels"]) == (index, {"spot": [index, -index]})
        assert words["arrays"]["flow"]["Synthetic"] == "yes"
        assert words["arrays"]["image"]["Model"] == "toy-noise 1.0.0"


def test_webdataset_reads_its_shards(hub, samples, tmp_path):
    import webdataset

    hub.save("toy-noise", 5, tmp_path / "out", seed=3, format="webdataset", shard_size=5)
    shard = tmp_path / "out" / "shards" / "000000.tar"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of webdataset's own
        found = list(
            webdataset.WebDataset(str(shard), shardshuffle=False, empty_check=False).decode("l")
        )
    assert [entry["__key__"] for entry in found] == [f"{index:06d}" for index in range(5)]
    for index, (entry, expected) in enumerate(zip(found, samples, strict=True)):
        assert np.array_equal(entry["flow.npy"], expected["flow"])
        assert entry["json"]["labels"] == {"spot": [index, -index]}
        assert entry["json"]["arrays"]["mask"]["Synthetic"] == "yes"


def test_a_shard_holds_pictures_bit_for_bit(hub, samples, tmp_path):
    from PIL import Image

    hub.save("toy-noise", 5, tmp_path / "out", seed=3, format="webdataset", shard_size=5)
    with tarfile.open(tmp_path / "out" / "shards" / "000000.tar") as archive:
        for index, expected in enumerate(samples):
            for name in ("image", "mask"):
                content = archive.extractfile(f"{index:06d}.{name}.png").read()
                with Image.open(io.BytesIO(content)) as picture:
                    assert np.array_equal(np.asarray(picture), expected[name][:, :, 0])


@pytest.mark.parametrize(
    ("format_name", "arranged"),
    [
        *((name, {}) for name in ("png", "npz", "nifti", "dicom", "webdataset")),
        ("png", {"layout": "classes"}),
        ("png", {"layout": "classes", "split": {"train": 0.5, "val": 0.5}}),
        ("npz", {"layout": "classes", "split": {"mine": 0.5, "yours": 0.5}}),
        ("webdataset", {"split": {"train": 0.5, "val": 0.5}}),
    ],
)
def test_croissant_is_valid_and_gives_the_records(
    install, document, tmp_path, format_name, arranged
):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries that it stands on
        import mlcroissant

    document["outputs"] = [image("image", 1, "uint8", 0, 255), image("mask", 1, "uint8", 0, 1)]
    document["outputs"].append(
        {"name": "side", "kind": "label", "shape": [], "dtype": "uint8", "range": [0, 1]}
        | {"classes": ["left", "right"]}
    )
    document["conditions"] = [
        {"name": "side", "type": "string", "description": "Side.", "default": None}
        | {"choices": ["left", "right"]}
    ]
    code = CODE.replace("* 5", "* 2").replace("def labels", "def unused")
    install(document=document, code=code)
    folder = tmp_path / "out"
    saved = Hub().save("toy-noise", 6, folder, format=format_name, balance=True, **arranged)
    rows = [json.loads(line) for line in saved.manifest.read_text().splitlines()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        croissant = mlcroissant.Dataset(str(folder / "croissant.json"))
        assert not croissant.metadata.ctx.issues.errors
        found = list(croissant.records("samples"))
        names = ("image", "mask") if format_name == "png" else ()
        pictures = {name: list(croissant.records(f"{name}-pictures")) for name in names}
        splits = list(croissant.records("splits")) if "split" in arranged else []
    assert [record["samples/index"] for record in found] == list(range(6))
    assert [record["samples/labels.side"] for record in found] == [0, 1, 0, 1, 0, 1]
    assert [record["samples/conditions.side"] for record in found] == [b"left", b"right"] * 3
    for record, row in zip(found, rows, strict=True):
        assert record["samples/files.mask.sha256"].decode() == row["files"]["mask"]["sha256"]
        assert record["samples/files.mask.path"].decode() == row["files"]["mask"]["path"]
        if "split" in arranged:
            assert record["samples/split"].decode() == row["split"]
    assert [split["splits/name"] for split in splits] == sorted(arranged.get("split", ()))
    for name, each in pictures.items():
        assert sorted(picture[f"{name}-pictures/index"] for picture in each) == list(range(6))
        assert {picture[f"{name}-pictures/content"].size for picture in each} == {(6, 8)}


@pytest.mark.parametrize(
    ("name", "able"),
    [("png", "nifti, npz or webdataset"), ("dicom", "nifti, npz or webdataset")],
)
def test_a_volume_is_refused_with_the_formats_that_hold_it(install, document, tmp_path, name, able):
    document["outputs"][0]["shape"] = [4, 8, 6, 1]
    install(document=document)
    message = f"{name} can't hold the image of toy-noise, uint8 of 4 x 8 x 6 x 1: .*; use {able}"
    with pytest.raises(RequestError, match=message):
        Hub().save("toy-noise", 1, tmp_path / "out", format=name)
    assert not (tmp_path / "out").exists()


def test_the_formats_have_names_the_plainest_first():
    assert writers.names() == ["png", "npz", "nifti", "dicom", "webdataset"]


def job_of(hub, **wishes):
    return generation.request(hub.model("toy-noise").metadata, 1, **wishes)


@pytest.mark.parametrize(
    ("output", "able"),
    [
        (image("image", 1, "uint8", 0, 255), "png npz nifti dicom webdataset"),
        (image("image", 3, "uint16", 0, 65535), "npz nifti webdataset"),
        (image("image", 1, "float32", 0, 1), "npz nifti webdataset"),
        (image("image", 1, "uint8", 0, 255) | {"shape": [4, 8, 6, 1]}, "npz nifti webdataset"),
        (image("image", 1, "uint8", 0, 255) | {"shape": [40000, 1, 1]}, "png npz dicom webdataset"),
    ],
)
def test_the_formats_that_are_able_are_those_that_save(
    install, document, drawing, tmp_path, output, able
):
    document["outputs"] = [output]
    install(document=document, code=drawing)
    hub = Hub()
    assert writers.able(job_of(hub)) == able.split()
    for name in writers.names():
        try:
            hub.save("toy-noise", 1, tmp_path / name, format=name)
        except RequestError:
            assert name not in able.split()
        else:
            assert name in able.split()


def test_a_format_is_able_only_if_it_holds_the_inputs_too(install, document, drawing):
    document["inputs"] = [
        {"name": "photo", "kind": "image", "channels": ["r", "g", "b"], "required": False}
    ]
    install(document=document, code=drawing)
    hub = Hub()
    colours = np.arange(12).reshape(2, 2, 3)
    assert "png" in writers.able(job_of(hub))
    assert "png" in writers.able(job_of(hub, inputs=colours.astype(np.uint8)))
    deep = colours.astype(np.uint16) + np.uint16(65000)
    assert writers.able(job_of(hub, inputs=deep)) == ["npz", "nifti", "webdataset"]


def test_an_input_that_the_format_would_flatten_is_refused(install, document, tmp_path):
    document["outputs"][0] |= {"shape": [None, None, 3], "channels": ["red", "green", "blue"]}
    document["inputs"] = [
        {"name": "photo", "kind": "image", "channels": ["red", "green", "blue"], "required": True}
    ]
    document |= {"task": "image-to-image", "latent": None}
    install(document=document, code=toys.code("same"))
    hub = Hub()
    deep = np.full((4, 4, 3), 65535, np.uint16)
    with pytest.raises(RequestError, match=r"png can't hold the photo of toy-noise, uint16 of any"):
        hub.save("toy-noise", None, tmp_path / "out", inputs=deep)
    hub.save("toy-noise", None, tmp_path / "out", inputs=deep, format="npz")
    with np.load(tmp_path / "out" / "samples" / "000000.npz") as file:
        assert file["photo"].dtype == np.uint16
        words = json.loads(str(file["_provenance"]))
    assert words["arrays"]["photo"]["Synthetic"] == "not known"
    assert words["arrays"]["image"]["Synthetic"] == "yes"
    for name in ("README.md", "croissant.json"):
        text = (tmp_path / "out" / name).read_text()
        assert "photo" in text
        assert "not made by the model: they are inputs given by the user, and may show" in text


def test_the_folder_says_in_words_what_it_holds(hub, tmp_path):
    hub.save("toy-noise", 5, tmp_path / "out", seed=3, format="npz")
    text = (tmp_path / "out" / "README.md").read_text()
    for words in (
        "# 5 synthetic samples of toy-noise",
        "shows no patient and is not fit for diagnosis",
        "- It is noise.",
        "| model | toy-noise 1.0.0 (medigan-model-toy-noise) |",
        "| seed | 3 |",
        "- `mask`: mask, uint8 from 0 to 1",
        "Licence of the model: MIT",
        "@misc{",
    ):
        assert words in text


def test_names_that_numpy_has_for_itself_are_kept(install, document, tmp_path):
    names = ("image", "file", "allow_pickle", "args")
    document["outputs"] = [{**OUTPUTS[0], "name": name} for name in names]
    install(document=document, code=CODE.replace("* 5", "* 4").replace("def labels", "def unused"))
    hub = Hub()
    hub.save("toy-noise", 1, tmp_path / "out", format="npz")
    (batch,) = hub.generate("toy-noise", 1)
    with np.load(tmp_path / "out" / "samples" / "000000.npz") as file:
        assert set(file.files) == {*names, "_provenance"}
        for name in names:
            assert np.array_equal(file[name], batch.arrays[name][0])


def test_an_input_that_a_plugin_makes_itself_is_checked_before_anything_is_written(
    install, document, drawing, tmp_path
):
    document["inputs"] = [
        {"name": "start", "kind": "image", "channels": ["red", "green"], "required": False}
    ]
    code = drawing.replace("(5, 7, 1)", "(5, 7, 2)")
    install(document=document, code=code)
    with pytest.raises(
        RequestError, match=r"png can't hold the start of toy-noise, uint8 of any x"
    ):
        Hub().save("toy-noise", 1, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("fill", "fault"),
    [
        ("np.full((5, 7, 1), 0.5)", r"the input start as float64 of shape \(1, 5, 7, 1\)"),
        ("np.full((5, 7, 3), 1, np.uint8)", "the input start with 3 channels"),
    ],
)
def test_an_input_that_a_plugin_makes_otherwise_than_declared_is_its_fault(
    install, document, drawing, fill, fault
):
    document["inputs"] = [
        {"name": "start", "kind": "image", "channels": ["intensity"], "required": False}
    ]
    install(document=document, code=drawing.replace("np.full((5, 7, 1), i, np.uint8)", fill))
    with pytest.raises(PluginError, match=fault):
        list(Hub().generate("toy-noise", 1))


@pytest.mark.parametrize(("name", "most"), [("nifti", 32767), ("dicom", 65535)])
def test_an_image_that_is_too_long_for_a_format_is_refused(install, document, name, most, tmp_path):
    document["outputs"][0]["shape"] = [most + 1, 1, 1]
    install(document=document)
    with pytest.raises(RequestError, match=f"{name} can't hold .* at most {most} pixels a side"):
        Hub().save("toy-noise", 1, tmp_path / "out", format=name)
