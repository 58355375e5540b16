"""The images of data sets: those that the model made, in every format."""

from __future__ import annotations

import json

import numpy as np
import pytest

from medigan_hub import Hub, RequestError
from medigan_hub.evaluation import sources
from medigan_hub.evaluation.sources.base import told
from support import toys

NUMBER = 5
ANY = ("npz", "nifti", "webdataset")
ALL = ("png", "dicom", *ANY)


def output(shape=(8, 6, 1), dtype="uint8", values=(0, 255), **more):
    return {
        "name": "image",
        "kind": "image",
        "shape": list(shape),
        "dtype": dtype,
        "range": list(values),
        **more,
    }


OUTPUTS = {
    "8 bits": (output(), ALL),
    "8 bits, not all of them": (output(values=(10, 200)), ALL),
    "colours": (output((8, 6, 3), channels=["red", "green", "blue"]), ALL),
    "16 bits": (output(dtype="uint16", values=(0, 65535)), ALL),
    "12 bits in 16": (output(dtype="uint16", values=(0, 4095)), ALL),
    "Hounsfield": (output(dtype="int16", values=(-1000, 2000)), ("dicom", *ANY)),
    "fractions": (output(dtype="float32", values=(0, 1)), ANY),
    "two channels": (output((8, 6, 2), "float32", (-1, 1), channels=["t1", "t2"]), ANY),
    "oriented": (output(spacing_mm=[0.5, 0.7], orientation=["P", "R"]), ALL),
    "volumes": (output((3, 8, 6, 1), "uint16", (0, 1000)), ANY),
    "volumes of one slice": (output((1, 8, 6, 1)), ANY),
}


@pytest.fixture
def hub(install, document):
    def with_output(outputs, **more):
        install(document=document | {"outputs": [outputs]} | more, code=toys.code("drawing"))
        return Hub()

    return with_output


def expected(hub, declared, **wishes):
    """Return the slices of what ``generate`` makes, as fractions of the declared range."""
    low, high = declared["range"]
    found = []
    for batch in hub.generate("toy-noise", NUMBER, seed=3, **wishes):
        for array in batch.arrays["image"]:
            fractions = (array.astype(np.float64) - low) / (high - low)
            found += list(fractions) if array.ndim == 4 else [fractions]
    return found


def as_fractions(image):
    assert image.dtype in (np.uint8, np.uint16, np.float32)
    return image / (np.iinfo(image.dtype).max if image.dtype.kind == "u" else 1)


@pytest.mark.parametrize(("declared", "formats"), OUTPUTS.values(), ids=OUTPUTS.keys())
def test_a_data_set_holds_what_the_model_makes_and_so_does_the_model(
    hub, tmp_path, declared, formats
):
    hub = hub(declared)
    wanted = expected(hub, declared)
    sets = [sources.find("model:toy-noise", count=NUMBER, wishes={"seed": 3})]
    for name in formats:
        hub.save("toy-noise", NUMBER, tmp_path / name, seed=3, format=name)
        sets.append(sources.find(tmp_path / name))
    for found in sets:
        images = list(found.images())
        assert len(images) == len(found) == len(found.items) == len(wanted)
        for image, fractions in zip(images, wanted, strict=True):
            assert image.shape == fractions.shape
            assert np.allclose(as_fractions(image), fractions, atol=1e-6)
        middle = list(found.images(len(wanted) // 2))
        assert all(map(np.array_equal, middle, images[len(wanted) // 2 :]))
        assert len(middle) == len(wanted) - len(wanted) // 2


@pytest.mark.parametrize("name", ["npz", "nifti", "model"])
def test_the_slices_of_a_volume_belong_together(hub, tmp_path, name):
    hub = hub(OUTPUTS["volumes"][0])
    if name != "model":
        hub.save("toy-noise", 2, tmp_path / "out", format=name)
    found = sources.find("model:toy-noise" if name == "model" else tmp_path / "out", count=2)
    groups = [item.group for item in found.items]
    assert len(set(groups)) == 2
    assert groups == sorted(groups)
    assert len({item.digest for item in found.items}) == len(found) == 6
    assert found.items[4].name.endswith(" (frame 1)")


def test_volumes_of_any_depth_are_refused(hub, document):
    hub(output((None, 8, 6, 1)))
    with pytest.raises(RequestError, match=r"model:toy-noise has volumes of any depth, .* give a"):
        sources.find("model:toy-noise")


@pytest.mark.parametrize(
    "arranged",
    [
        {"format": "png", "layout": "classes", "split": {"train": 0.5, "val": 0.5}},
        {"format": "webdataset", "shard_size": 2, "split": {"train": 0.5, "val": 0.5}},
        {"format": "npz", "layout": "classes"},
    ],
    ids=["png", "webdataset", "npz"],
)
def test_conditions_labels_and_splits_are_facts(install, document, tmp_path, arranged):
    document["outputs"] = [
        output(),
        {"name": "size", "kind": "label", "shape": [], "dtype": "int16", "range": [0, 9]},
    ]
    document["conditions"] = [
        {"name": "side", "type": "string", "description": "Side.", "default": "left"}
        | {"choices": ["left", "right"]}
    ]
    install(document=document, code=toys.code("drawing"))
    hub = Hub()
    hub.save("toy-noise", 6, tmp_path / "out", balance=True, **arranged)
    found = sources.find(tmp_path / "out")
    assert sorted(item.facts["side"] for item in found.items) == ["left"] * 3 + ["right"] * 3
    assert all(0 <= int(item.facts["size"]) <= 9 for item in found.items)
    if "split" in arranged:
        assert {item.facts["split"] for item in found.items} <= {"train", "val"}
    assert found.facts["model"] == "toy-noise"
    assert found.is_synthetic
    model = sources.find("model:toy-noise", count=6, wishes={"balance": True})
    assert sorted(item.facts["side"] for item in model.items) == ["left"] * 3 + ["right"] * 3


def test_of_a_condition_and_a_label_of_one_name_it_is_the_condition():
    assert told({"labels": {"mass": 1}, "conditions": {"mass": "malignant"}}) == {
        "mass": "malignant"
    }


def test_inputs_and_frames_are_facts_and_groups(hub, tmp_path, ramp):
    stack = np.stack([ramp[:8, :6], ramp[8:16, 6:12]])
    (tmp_path / "given").mkdir()
    np.save(tmp_path / "given" / "stack.npy", stack)
    np.save(tmp_path / "given" / "alone.npy", ramp[:8, :6])
    hub = hub(output(), inputs=[toys.SCAN], task="image-to-image", latent=None)
    hub.save("toy-noise", None, tmp_path / "out", inputs=str(tmp_path / "given"))
    wishes = {"inputs": str(tmp_path / "given")}
    for found in (
        sources.find(tmp_path / "out"),
        sources.find("model:toy-noise", default=9, wishes=wishes),
    ):
        assert [item.facts["input"] for item in found.items] == [
            "alone.npy",
            "stack.npy",
            "stack.npy",
        ]
        assert [item.facts.get("frame") for item in found.items] == [None, "0", "1"]
    saved = sources.find(tmp_path / "out")
    assert [item.group for item in saved.items] == ["alone.npy", "stack.npy", "stack.npy"]


@pytest.fixture
def saved(hub, tmp_path):
    hub(output()).save("toy-noise", 3, tmp_path / "out", format="npz")
    return tmp_path / "out"


def refused(folder):
    with pytest.raises(RequestError) as caught:
        list(sources.find(folder).images())
    message = str(caught.value)
    assert "\n" not in message
    assert "medigan verify" in message
    return message


def test_a_changed_file_is_refused_by_name(saved):
    path = saved / "samples" / "000001.npz"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert "samples/000001.npz" in refused(saved)


def test_a_missing_file_is_refused_by_name(saved):
    (saved / "samples" / "000002.npz").unlink()
    assert "samples/000002.npz" in refused(saved)
    assert "is missing" in refused(saved)


def test_a_damaged_shard_is_refused_by_name(hub, tmp_path):
    hub(output()).save("toy-noise", 3, tmp_path / "out", format="webdataset")
    shard = tmp_path / "out" / "shards" / "000000.tar"
    shard.write_bytes(b"nothing" * 100)
    assert "000000.image.png" in refused(tmp_path / "out")


def test_rows_that_were_exchanged_are_refused(saved):
    path = saved / "manifest.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[1:], lines[0]]))
    assert "manifest.jsonl of" in refused(saved)


def test_a_header_that_was_changed_is_refused(saved):
    path = saved / "dataset.json"
    document = json.loads(path.read_text())
    document["outputs"][0]["range"] = [0, 100]
    path.write_text(json.dumps(document, indent=2) + "\n")
    assert "dataset.json of" in refused(saved)
    path.write_text("{}")
    assert "holds no data set that can be read" in refused(saved)


def test_an_unfinished_data_set_is_refused(saved):
    path = saved / "dataset.json"
    document = json.loads(path.read_text())
    del document["seal"]
    path.write_text(json.dumps(document))
    with pytest.raises(RequestError, match=r"is not finished; go on with .* resume=True"):
        sources.find(saved)


def test_keys_tell_data_sets_apart(hub, tmp_path):
    hub = hub(output())
    for name, seed in (("one", 1), ("other", 2), ("again", 1)):
        hub.save("toy-noise", 3, tmp_path / name, seed=seed)
    keys = [sources.find(tmp_path / name).key for name in ("one", "other", "again")]
    assert keys[0] == keys[2] != keys[1]


def test_samples_of_one_seed_are_not_held_against_each_other(hub, tmp_path):
    hub = hub(output())
    hub.save("toy-noise", 3, tmp_path / "out", seed=5)
    real = sources.find(tmp_path / "out")

    def model(**wishes):
        return sources.find("model:toy-noise", count=4, wishes=wishes)

    with pytest.raises(RequestError, match="samples of one model with the same seed, 5, which are"):
        sources.check_apart(real, model(seed=5))
    sources.check_apart(real, model(seed=6))
    sources.check_apart(real, model(seed=5, indices="3:7"))  # which the data set does not hold


def test_another_output_of_the_same_samples_can_be_read(install, document, tmp_path):
    mask = output(name="mask", kind="mask", values=(0, 1), classes=["background", "mass"])
    document["outputs"] += [mask]
    install(document=document, code=toys.code("drawing"))
    Hub().save("toy-noise", 4, tmp_path / "out", format="npz")
    for source in (tmp_path / "out", "model:toy-noise"):
        found = sources.find(source, count=4 if source == "model:toy-noise" else None)
        masks = found.other("mask")
        assert len(masks) == len(found)
        assert masks.key != found.key
        drawn = [as_fractions(each) for each in masks.images()]
        assert not drawn[0].any()  # as this toy draws
        assert {*np.unique(drawn[1:])} == {0, 1}
        with pytest.raises(RequestError, match=r"no output nothing \(there is image, mask\)"):
            found.other("nothing")
    folder = sources.find([np.zeros((4, 4), np.uint8)])
    with pytest.raises(RequestError, match="holds images alone, and no mask"):
        folder.other("mask")
