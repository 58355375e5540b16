"""Input images on the command line: how they are named, and what is told of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medigan_hub.cli import main
from support import toys


@pytest.fixture
def medigan(install, document, capsys, tmp_path, monkeypatch):
    """Return a function that runs a command, and returns its exit code and what it said."""
    document["outputs"][0] |= {"shape": [None, None, 1]}
    document["inputs"] = [
        {"name": "photo", "kind": "image", "channels": ["intensity"], "required": True}
    ]
    install(document=document | {"task": "image-to-image", "latent": None}, code=toys.code("same"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)

    def run(*arguments):
        with pytest.raises(SystemExit) as end:
            main(["generate", "toy-noise", *map(str, arguments), "-o", "out", "--overwrite"])
        return end.value.code or 0, capsys.readouterr().err

    return run


@pytest.fixture
def images(medigan, tmp_path):
    """Save a.png, b.png and c.png, of 10, 20 and 30."""
    for number, name in enumerate("abc", 1):
        picture = Image.fromarray(np.full((4, 4), 10 * number, np.uint8))
        picture.save(tmp_path / "work" / f"{name}.png")


def rows():
    return [json.loads(line) for line in Path("out/manifest.jsonl").read_text().splitlines()]


def test_what_a_shell_makes_of_a_pattern_is_taken(medigan, images):
    assert medigan("--input", "a.png", "b.png", "c.png") == (0, "")
    assert [row["input"] for row in rows()] == ["a.png", "b.png", "c.png"]


def test_an_input_may_be_named_several_times_and_by_a_pattern(medigan, images):
    assert medigan("--input", "c.png", "--input", "[ab].png") == (0, "")
    assert [row["input"] for row in rows()] == ["c.png", "a.png", "b.png"]
    assert medigan("--input", "photo=c.png", "--input", "photo=*.png") == (0, "")
    assert [row["input"] for row in rows()] == ["c.png", "a.png", "b.png", "c.png"]


def test_an_image_without_an_option_is_wrong_usage(medigan, images):
    code, said = medigan("a.png", "b.png")
    assert code == 2
    assert "a.png stands without an option" in said
    code, said = medigan("--input", "photo=a.png", "b.png")
    assert code == 2
    assert "give each image or folder as --input NAME=PATH" in said
    code, said = medigan("--input", "photo=a.png", "--input", "b.png")
    assert code == 2
    assert "--input b.png: write it as NAME=VALUE" in said


def test_the_home_folder_is_found(medigan, images, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "work"))
    assert medigan("--input", "~/a.png") == (0, "")


def test_depth_is_decided_for_all_and_told_in_one_line(medigan, tmp_path):
    for name, brightest in (("a", 3900), ("b", 4300)):
        pixels = np.full((4, 4), 1000, np.uint16)
        pixels[0, 0] = brightest
        Image.fromarray(pixels).save(f"{name}.png")
    code, said = medigan("--input", "a.png", "b.png")
    assert code == 0
    assert said.count("\n") == 1
    assert said.startswith("note: input images: whole numbers are taken as 14 bits")
    assert said.endswith("is 4300, in b.png (say otherwise with --bits)\n")
    header = json.loads((tmp_path / "work/out/dataset.json").read_text())
    assert "taken as 14 bits" in header["inputs"][0]["taken"][0]
    assert header["inputs"][0]["reading"] == {}
    assert medigan("--input", "a.png", "b.png", "--bits", 16) == (0, "")
    header = json.loads((tmp_path / "work/out/dataset.json").read_text())
    assert header["inputs"][0]["reading"] == {"bits": 16}
    code, said = medigan("--input", "a.png", "b.png", "--bits", 12)
    assert (code, said.count("\n")) == (1, 1)
    assert "b.png has values up to 4300, which 12 bits don't hold" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--bits", 7), "bits is 7; it must be a whole number from 8 to 16"),
        (("--window", "wide"), "there is no window wide; give its number, from 1, or its center"),
        (("--window", "40,0"), "there is no window 40,0"),
        (("--slice-axis", "oblique"), "no slice axis oblique; use sagittal, coronal, axial, 0, 1 "),
        (("--fit",), "does not say which images it was trained on"),
        (("--bits", 12), "--bits 12 says nothing of these input images; leave it out"),
        (("--slice-axis", "axial"), "--slice-axis axial says nothing of these input images"),
        (("--window", "40,400"), "--window 40,400 says nothing of these input images"),
    ],
)
def test_what_is_said_in_vain_or_makes_no_sense_is_refused(medigan, images, options, words):
    code, said = medigan("--input", "a.png", *options)
    assert (code, said.count("\n")) == (1, 1)
    assert words in said


def test_what_is_said_of_inputs_needs_inputs(medigan):
    code, said = medigan("--bits", 12)
    assert code == 1
    assert "needs input images" in said


def test_classes_in_subfolders_stand_in_the_manifest(medigan, images, tmp_path):
    for name in ("benign", "malignant"):
        (tmp_path / "work/scans" / name).mkdir(parents=True)
        (tmp_path / "work/a.png").replace(tmp_path / f"work/scans/{name}/1.png")
        (tmp_path / "work/b.png").rename(tmp_path / "work/a.png") if name == "benign" else None
    code, said = medigan("--input", "scans")
    assert code == 1
    assert "holds no images itself, and 2 images in subfolders; take those with --recursive" in said
    assert medigan("--input", "scans", "--recursive") == (0, "")
    assert [(row["input"], row["input_class"]) for row in rows()] == [
        ("benign/1.png", "benign"),
        ("malignant/1.png", "malignant"),
    ]


def test_what_can_not_be_read_is_named_or_left_out(medigan, images, tmp_path):
    (tmp_path / "work/d.png").write_bytes(b"\x89PNG\r\n\x1a\n, cut off")
    code, said = medigan("--input", ".")
    assert code == 1
    assert "d.png is not an image that can be read" in said
    assert "leave it out with --skip-unreadable" in said
    (tmp_path / "work/gone.png").symlink_to("nowhere.png")
    code, said = medigan("--input", ".", "--skip-unreadable")
    assert (code, said.count("\n")) == (0, 1)
    assert "left out: 2 x unreadable: d.png is not an image" in said
    assert "gone.png is a link to what is not there" in said
    assert [row["input"] for row in rows()] == ["a.png", "b.png", "c.png"]
