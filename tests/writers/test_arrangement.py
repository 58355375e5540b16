"""How a data set is arranged: folders of classes, and shards."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from PIL import Image

from medigan_hub import Hub, RequestError
from medigan_hub.cli import main
from support import toys

SIDE = {"name": "side", "kind": "label", "shape": [], "dtype": "int64", "range": [0, 1]}
MASK = {"name": "mask", "kind": "mask", "shape": [8, 6, 1], "dtype": "uint8", "range": [0, 1]}
OLD = {"name": "old", "type": "boolean", "description": "Old.", "default": None}
AGE = {"name": "age", "type": "integer", "description": "Age.", "default": 40}


@pytest.fixture
def hub(install, document, drawing):
    """Return a function that installs ``toy-noise`` with more outputs and conditions."""

    def make(*outputs, conditions=()):
        document["outputs"] += outputs
        document["conditions"] = list(conditions)
        install(document=document, code=drawing)
        return Hub()

    return make


def classes(root):
    """Return the classes of a folder's files as ImageFolder and Keras tell them."""
    found = {}
    for entry in filter(os.DirEntry.is_dir, os.scandir(root)):
        for folder, _, names in os.walk(entry.path):
            found |= {int(name.split(".")[0]): entry.name for name in names}
            assert folder == entry.path
    return found


def labels(folder, name="side"):
    lines = (folder / "manifest.jsonl").read_text().splitlines()
    return {row["index"]: row["labels"][name] for row in map(json.loads, lines)}


@pytest.mark.parametrize("format_name", ["png", "npz", "nifti", "dicom"])
def test_each_class_has_a_folder(hub, tmp_path, format_name):
    hub = hub(SIDE | {"classes": ["left", "right/up"]})
    hub.save("toy-noise", 8, tmp_path / "out", format=format_name, layout="classes")
    names = ["left", "right%2Fup"]
    expected = {index: names[side] for index, side in labels(tmp_path / "out").items()}
    assert set(expected.values()) == set(names)
    assert classes(tmp_path / "out") == expected
    assert "folder that this file lies in" in (tmp_path / "out" / "README.md").read_text()
    assert hub.verify(tmp_path / "out").ok


def test_masks_lie_beside_the_folders_of_classes_and_splits_around_them(hub, tmp_path, contents):
    hub = hub(SIDE | {"classes": ["left", "right"]}, MASK)
    split = {"train": 0.5, "test": 0.5}
    wishes = {"layout": "classes", "split": split, "batch_size": 3}
    folder = tmp_path / "out"
    hub.save("toy-noise", 12, folder, **wishes)
    found = {}
    for name in split:
        assert sorted(path.name for path in (folder / name).iterdir()) == ["image", "mask"]
        found |= classes(folder / name / "image")
        masks = {path.name for path in (folder / name / "mask").iterdir()}
        assert masks == {path.name for path in (folder / name / "image").rglob("*.png")}
    assert found == {index: ["left", "right"][side] for index, side in labels(folder).items()}
    assert "folders `test/image`, `train/image`" in (folder / "README.md").read_text()
    before = contents(folder)
    next((folder / "test" / "image").rglob("*.png")).unlink()
    assert len(hub.verify(folder).missing) == 1
    assert hub.save("toy-noise", 12, folder, resume=True, **wishes).made == 1
    assert contents(folder) == before
    hub.save("toy-noise", 2, folder, overwrite=True)
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["image", "mask"]


def test_a_condition_tells_the_class_and_of_several_one_is_chosen(hub, tmp_path, capsys):
    hub = hub(SIDE | {"classes": ["left", "right"]}, conditions=[OLD, AGE])
    with pytest.raises(
        RequestError, match=r"^side, old tell classes .* choose, such as layout=classes:side$"
    ):
        hub.save("toy-noise", 2, tmp_path / "out", layout="classes")
    assert not (tmp_path / "out").exists()
    with pytest.raises(RequestError, match=r"age tells no class .* side, old would"):
        hub.save("toy-noise", 2, tmp_path / "out", layout="classes:age")
    words = ["generate", "toy-noise", "-n", "6", "-o", str(tmp_path / "out"), "--json", "--layout"]
    with pytest.raises(SystemExit):
        main([*words, "classes"])
    assert "choose, such as --layout classes:side" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        main([*words, "classes:old"])
    assert not stop.value.code
    printed = json.loads(capsys.readouterr().out)
    assert (printed["layout"], printed["classes_from"]) == ("classes", "old")
    assert set(classes(tmp_path / "out").values()) <= {"true", "false"}
    assert len(classes(tmp_path / "out")) == 6


def test_the_folder_that_an_input_lay_in_tells_the_class(hub, document, tmp_path):
    document["inputs"] = [toys.SCAN]
    hub = hub()
    scans = tmp_path / "scans"
    for name in ("ill/1.png", "ill/2.png", "well/1.png"):
        (scans / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((5, 7), np.uint8)).save(scans / name)
    wishes = {"inputs": scans, "recursive": True, "layout": "classes"}
    hub.save("toy-noise", None, tmp_path / "out", **wishes)
    assert classes(tmp_path / "out" / "image") == {0: "ill", 1: "ill", 2: "well"}
    assert {path.name for path in (tmp_path / "out" / "scan").iterdir()} == {
        f"{index:06d}.png" for index in range(3)
    }
    assert "its `input_class`" in (tmp_path / "out" / "README.md").read_text()
    wishes["inputs"] = [scans, np.zeros((5, 7), np.uint8)]
    with pytest.raises(RequestError, match="array 3 of sample 3 lies in no folder of a class"):
        hub.save("toy-noise", None, tmp_path / "other", **wishes)


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"layout": "classes"}, "nothing tells a class of the samples of toy-noise: .*"),
        ({"layout": "trees"}, "there is no layout 'trees'; use folders, classes"),
        ({"layout": "folders:side"}, "there is no layout"),
        ({"layout": None}, "there is no layout None"),
        ({"layout": "classes", "format": "webdataset"}, "webdataset has shards, and no folder"),
        ({"shard_size": 3}, "png has no shards; leave shard_size out"),
        ({"shard_size": 0, "format": "webdataset"}, "samples in a shard is 0; it must be"),
    ],
)
def test_what_cannot_be_arranged_is_refused(hub, tmp_path, wishes, words):
    with pytest.raises(RequestError, match=words):
        hub().save("toy-noise", 2, tmp_path / "out", **wishes)
    assert not (tmp_path / "out").exists()


def test_names_of_classes_are_safe_and_stay_apart(hub, tmp_path):
    names = [
        *("..", ".", "a/b", "a\\b", "a%2Fb", " a", "a.", "-x", "=x", "CON", "nul.txt"),
        *("labels.csv", "dataset.json", "a\u2028b", "BI-RADS 4", "ö" * 150, "ö" * 151),
    ]
    hub = hub({**SIDE, "range": [0, len(names) - 1], "classes": names})
    hub.save("toy-noise", 120, tmp_path / "out", layout="classes")
    found = classes(tmp_path / "out")
    told = labels(tmp_path / "out")
    pairs = {(told[index], folder) for index, folder in found.items()}
    assert len(pairs) == len({side for side, _ in pairs}) == len({f for _, f in pairs})
    assert len(pairs) == len(names)
    assert {"BI-RADS 4", "a%2Fb", "%2E%2E"} <= {folder for _, folder in pairs}
    assert hub.verify(tmp_path / "out").ok
    hub.save("toy-noise", 1, tmp_path / "out", overwrite=True)
    assert [path.name for path in (tmp_path / "out").iterdir() if path.is_dir()] == ["image"]


def test_a_class_that_has_no_name_is_said(hub, tmp_path):
    from medigan_hub import OutputError

    hub = hub({**SIDE, "range": [0, 5], "classes": ["left"]})
    with pytest.raises(OutputError, match="the model names the classes 0 to 0"):
        hub.save("toy-noise", 20, tmp_path / "out", layout="classes")


@pytest.mark.parametrize(
    ("count", "size", "shards"),
    [(5, None, 5), (8, None, 8), (20, None, 10), (40, None, 8), (40, 15, 3), (3, 100, 1)],
)
def test_there_are_shards_for_several_workers_or_as_many_as_asked_for(
    hub, tmp_path, count, size, shards
):
    hub = hub(MASK)
    saved = hub.save("toy-noise", count, tmp_path / "out", format="webdataset", shard_size=size)
    assert len(list((tmp_path / "out" / "shards").glob("*.tar"))) == shards
    assert saved.header["shard_size"] == (size or max(1, count // 8))
    assert hub.verify(tmp_path / "out").ok
