"""labels.csv: what the manifest says of the samples, as a table."""

from __future__ import annotations

import csv
import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from medigan_hub import Hub, OutputError
from support import toys


@pytest.fixture
def hub(install, document, drawing):
    document["outputs"] += [
        {"name": "side", "kind": "label", "shape": [], "dtype": "int64", "range": [0, 1]}
        | {"classes": ["left", "right"]},
        {"name": "spot", "kind": "label", "shape": [2], "dtype": "int16", "range": [-9, 9]},
        {"name": "size", "kind": "label", "shape": [], "dtype": "float32", "range": [0, 1]},
    ]
    document["conditions"] = [
        {"name": "words", "type": "string", "description": "Words.", "default": "none"},
        {"name": "old", "type": "boolean", "description": "Old.", "default": None},
    ]
    document["inputs"] = [toys.SCAN]
    install(document=document, code=drawing)
    return Hub()


def table(folder):
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def rows(folder):
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def test_it_has_the_files_labels_and_conditions_of_each_sample(hub, tmp_path):
    words = ['"quoted", and\ntwo lines', "Größe", ""]
    hub.save(
        "toy-noise", 3, tmp_path / "out", conditions={"words": words}, split={"a": 0.5, "b": 0.5}
    )
    found = table(tmp_path / "out")
    assert list(found[0]) == [
        "files.image.path",
        "files.scan.path",
        "index",
        "split",
        "labels.side",
        "labels.side.class",
        "labels.spot",
        "labels.size",
        "conditions.words",
        "conditions.old",
    ]
    for line, row in zip(found, rows(tmp_path / "out"), strict=True):
        assert line["files.image.path"] == row["files"]["image"]["path"]
        assert (int(line["index"]), line["split"]) == (row["index"], row["split"])
        assert line["labels.side"] == str(row["labels"]["side"])
        assert line["labels.side.class"] == ["left", "right"][row["labels"]["side"]]
        assert json.loads(line["labels.spot"]) == row["labels"]["spot"]
        assert float(line["labels.size"]) == row["labels"]["size"]
        assert line["conditions.words"] == row["conditions"]["words"]
        assert line["conditions.old"] == str(row["conditions"]["old"]).lower()
    assert [line["conditions.words"] for line in found] == words


@pytest.mark.parametrize("format_name", ["npz", "webdataset"])
def test_files_and_members_lead_to_the_samples(hub, tmp_path, format_name):
    hub.save("toy-noise", 3, tmp_path / "out", format=format_name)
    for line, row in zip(table(tmp_path / "out"), rows(tmp_path / "out"), strict=True):
        file = row["files"]["image"]
        assert line["files.image.path"] == file["path"]
        assert line.get("files.image.member") == file.get("member")
        assert (tmp_path / "out" / line["files.image.path"]).is_file()


def test_no_text_is_a_formula_and_numbers_stay_numbers(hub, tmp_path):
    words = ["=1+1", "+1", "-1", "@sum", "\tx", "a=1"]
    for name in ("=a.png", "b.png", "c.png", "d.png", "e.png", "f.png"):
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.fromarray(np.zeros((5, 7), np.uint8)).save(tmp_path / "in" / name)
    folder = tmp_path / "out"
    hub.save("toy-noise", 6, folder, conditions={"words": words}, inputs=tmp_path / "in")
    found = table(folder)
    assert [line["conditions.words"] for line in found] == [
        *(f"'{text}" for text in words[:5]),
        "a=1",
    ]
    assert found[0]["input"] == "'=a.png"
    assert [row["conditions"]["words"] for row in rows(folder)] == words
    spots = [number for row in rows(folder) for number in row["labels"]["spot"]]
    assert min(spots) < 0
    assert [number for line in found for number in json.loads(line["labels.spot"])] == spots


def test_it_is_sealed_and_found_edited_or_missing_and_mended(hub, tmp_path, contents):
    folder = tmp_path / "out"
    hub.save("toy-noise", 4, folder)
    before = contents(folder)
    seal = json.loads(before["dataset.json"])["seal"]
    assert seal["labels.csv"] == hashlib.sha256(before["labels.csv"]).hexdigest()
    for damage, verdict in (
        (lambda path: path.write_bytes(path.read_bytes() + b"x"), "changed"),
        (lambda path: path.unlink(), "missing"),
    ):
        damage(folder / "labels.csv")
        assert getattr(hub.verify(folder), verdict) == ["labels.csv"]
        assert hub.save("toy-noise", 4, folder, resume=True).made == 0
        assert contents(folder) == before
    hub.save("toy-noise", 2, folder, overwrite=True, seed=1)
    assert hub.verify(folder).ok


def test_a_data_set_without_anything_to_tell_has_none(install, tmp_path):
    install()
    hub = Hub()
    hub.save("toy-noise", 2, tmp_path / "out")
    assert not (tmp_path / "out" / "labels.csv").exists()
    (tmp_path / "out" / "labels.csv").write_text("mine")
    assert hub.verify(tmp_path / "out").extra == ["labels.csv"]
    split = {"train": 0.5, "test": 0.5}
    with pytest.raises(OutputError, match=r"labels\.csv is none of the data set .* move it away"):
        hub.save("toy-noise", 2, tmp_path / "out", split=split, overwrite=True)
    hub.save("toy-noise", 3, tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "labels.csv").read_text() == "mine"
