"""``medigan privacy``: findings from the command line."""

from __future__ import annotations

import csv
import json
import stat

import numpy as np
import pytest
from PIL import Image

from medigan_hub.cli import main
from medigan_hub.evaluation.privacy import results
from support.fields import fields

pytest.importorskip("scipy")
QUICK = ("--extractor", "texture")
KEYS = {
    *("found", "share_flagged", "low", "high", "expected", "duplicates", "membership"),
    *("num_train", "num_heldout", "num_synthetic", "schema_version", "synthetic", "notice"),
    *("verdict", "spaces", "pairs", "sets", "settings", "extractors", "versions", "notes"),
}


def write(folder, arrays):
    folder.mkdir()
    for n, each in enumerate(arrays):
        Image.fromarray(each[..., 0]).save(folder / f"{folder.name}-P{n // 2}-{n}.png")


@pytest.fixture
def look(install, capsys, tmp_path, monkeypatch):
    """Return a function that runs the command: (exit code, standard output, standard error)."""
    package = install()
    monkeypatch.chdir(tmp_path)
    training = fields(30, 1)
    write(tmp_path / "train", training)
    write(tmp_path / "heldout", fields(24, 2))
    write(tmp_path / "made", fields(26, 3))
    write(tmp_path / "copied", np.concatenate([training[4:7, ::-1], fields(23, 3)]))
    (tmp_path / "metadata.json").write_bytes((package / "metadata.json").read_bytes())

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["privacy", *arguments])
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return run


def test_json_has_the_agreed_keys(look):
    code, out, err = look("train", "heldout", "copied", *QUICK, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert set(found) >= KEYS
    assert (found["found"], found["duplicates"]) == ("copies", 3)
    assert (found["num_train"], found["num_heldout"], found["num_synthetic"]) == (30, 24, 26)
    assert found["expected"] == 1 / 25
    assert {"auc", "low", "high", "tpr_at_1"} <= set(found["membership"])
    assert look("train", "heldout", "copied", *QUICK, "--json")[1] == out


def test_people_read_the_verdict_first_and_a_table(look):
    code, out, err = look("train", "heldout", "made", *QUICK)
    assert (code, err) == (0, "")
    assert out.startswith("No copies of training images were found among 26 synthetic images.")
    words = " ".join(out.split())
    assert "pixels " in words
    assert "texture " in words
    assert "with 24 held-out images that are independent, " in words


def test_the_closest_pairs_are_for_the_owner_alone(look, tmp_path):
    code, out, _ = look("train", "heldout", "copied", *QUICK, "-o", "out/here")
    assert code == 0
    assert "the findings are in out/here: privacy.json, and for you alone" in out
    folder = tmp_path / "out" / "here"
    results.FORM.load(folder)
    assert "train-P" not in (folder / "privacy.json").read_text()
    for name in ("closest_pairs.confidential.png", "closest_pairs.confidential.csv"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    with Image.open(folder / "closest_pairs.confidential.png") as picture:
        picture.load()
        assert picture.info["Confidential"] == "CONFIDENTIAL: shows images of real patients"
        assert "Left: synthetic, by a model that is not known" in picture.info["Description"]
        assert picture.getpixel((2, 2)) == (150, 0, 0)
    text = (folder / "closest_pairs.confidential.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert {row["space"] for row in rows} == {"pixels", "texture"}
    same = {(row["synthetic"], row["training"]) for row in rows if row["duplicate"] == "True"}
    assert ("copied-P0-0.png", "train-P2-4.png") in same
    assert look("train", "heldout", "made", *QUICK, "-o", "out/here")[0] == 0


def test_the_picture_says_which_model_made_what_it_shows(look, tmp_path):
    asked = ("train", "heldout", "model:toy-noise", "-n", "30", "--seed", "7", *QUICK)
    assert look(*asked, "-o", "out")[0] == 0
    with Image.open(tmp_path / "out" / "closest_pairs.confidential.png") as picture:
        assert "synthetic, by toy-noise 1.0.0, seed 7" in picture.info["Description"]


def test_metadata_keep_what_the_author_wrote(look, tmp_path):
    path = tmp_path / "metadata.json"
    before = json.loads(path.read_text())
    asked = ("train", "heldout", "model:toy-noise", *QUICK, "--write-metadata", "metadata.json")
    assert look(*asked, "-n", "30")[0] == 0
    after = json.loads(path.read_text())
    text = after.pop("privacy")
    author = before.pop("privacy")
    assert after == before
    assert text.startswith(f"{author} Measured by medigan privacy: no copies were found of 30 tra")
    assert "among 30 synthetic ones" in text
    assert text.endswith("Finding no copies does not mean that none can be got.")
    assert look(*asked, "-n", "40")[0] == 0
    again = json.loads(path.read_text())["privacy"]
    assert "among 40 synthetic ones" in again
    assert again.count("Measured by") == again.count(author) == 1
    other = {**before, "privacy": author, "name": "toy-other", "plugin": "medigan-model-toy-other"}
    path.write_text(json.dumps(other))
    code, _, err = look(*asked, "-n", "30")
    assert code == 1
    assert "the evaluation is of toy-noise, and metadata.json describes toy-other" in err


def test_patients_are_told_by_the_names_of_files(look):
    code, _, err = look("train", "heldout", "made", *QUICK, "--patients", "(P[0-9]+)")
    assert code == 1
    assert "are of one patient; leave that patient out of one of them" in err
    asked = ("train", "heldout", "made", *QUICK, "--json")
    code, out, _ = look(*asked, "--patients", "([a-z]+-P[0-9]+)")
    assert code == 0
    assert json.loads(out)["expected"] == 1 / 13


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "train", "made"), "train and train hold the same images"),
        (("train", "heldout", "heldout"), "heldout and heldout hold the same images"),
        (("train", "heldout", "gone"), "gone does not exist"),
        (("train", "heldout", "model:toy-nose"), "toy-noise"),
        (("model:toy-noise", "heldout", "made"), "model:toy-noise makes synthetic images"),
        (("train", "heldout", "made", "-n", "9"), "-n is about samples that are made"),
        (("train", "heldout", "made", "--bits", "12"), "--bits 12 says nothing of these images"),
        (("gone", "gone", "gone", "-o", "metadata.json"), "metadata.json can't be written into"),
        (("gone", "gone", "gone", "--write-metadata", "no.json"), "no.json"),
        (("train", "heldout", "made", "--normalize", "x"), "--normalize is 'x'; use none, minmax"),
    ],
)
def test_errors_are_one_line(look, tmp_path, arguments, words):
    code, out, err = look(*arguments, *QUICK)
    assert (code, out) == (1, "")
    assert words in err
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("out*"))


def test_synthetic_images_are_no_held_out_ones(look):
    with pytest.raises(SystemExit):
        main(["generate", "toy-noise", "-n", "24", "-o", "samples"])
    code, _, err = look("train", "samples", "made", *QUICK)
    assert code == 1
    assert "samples is a data set of synthetic images, and the held-out images are real" in err
