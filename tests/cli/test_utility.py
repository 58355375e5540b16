"""``medigan utility`` from the command line."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

from medigan_hub.cli import main
from medigan_hub.evaluation.utility import training
from medigan_hub.evaluation.utility.results import Utility
from support import toys
from support.utility import outlined, picture

FEW = ("--share", "1", "--ratio", "1", "--repeats", "3")


@pytest.fixture
def utility(install, document, capsys, tmp_path, monkeypatch):
    """Return a function that runs the command: (exit code, standard output, standard error)."""
    document["outputs"][0]["shape"] = [16, 16, 1]
    document["conditions"] = [
        {"name": "mass", "type": "string", "description": "Which.", "default": None}
        | {"choices": ["benign", "malignant"]}
    ]
    package = install(document=document, code=toys.code("drawing"))
    (tmp_path / "metadata.json").write_bytes((package / "metadata.json").read_bytes())
    monkeypatch.chdir(tmp_path)
    for name, number, seed in (("train", 16, 1), ("test", 60, 2), ("synthetic", 30, 3)):
        rng = np.random.default_rng(seed)
        (tmp_path / name).mkdir()
        for n in range(number):
            image = picture(rng, n % 2 * 0.15)[..., 0]
            Image.fromarray(image).save(tmp_path / name / f"{name}_{n}.png")
    with (tmp_path / "table.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["file", "mass", "age", "site"])
        for name, number in (("train", 16), ("test", 60), ("synthetic", 30)):
            for n in range(number):
                mass = ("benign", "malignant")[n % 2]
                rows.writerow([f"{name}_{n}.png", mass, 30 + n / 7, "one"])

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["medigan", "utility", *arguments])
        with pytest.raises(SystemExit) as stop:
            main(["utility", *arguments])
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return run


SETS = ("train", "test", "synthetic", "--table", "table.csv")


def test_a_table_names_the_classes_of_all_three_sets(utility, tmp_path):
    code, out, err = utility(*SETS, "--label", "mass", *FEW, "--by", "site", "-o", "found/here")
    assert (code, err) == (0, "")
    assert out.startswith("Synthetic images ")
    assert "site one" in out
    assert "the figures are in found/here: utility.json, utility.svg" in out
    found = Utility.load(tmp_path / "found" / "here")
    assert (found.label, found.settings["repeats"], found.settings["ratios"]) == ("mass", 3, [1.0])
    assert (tmp_path / "found" / "here" / "utility.svg").read_text().startswith("<svg")


def test_json_is_the_document_and_the_same_each_time(utility):
    first = utility(*SETS, "--label", "mass", *FEW, "--json")
    assert utility(*SETS, "--label", "mass", *FEW, "--json") == first
    document = json.loads(first[1])
    assert document["synthetic"] is True
    assert document["arms"][0]["arm"] == "real"


def test_a_model_s_condition_is_its_label_and_its_figures_go_into_metadata(utility, tmp_path):
    asked = ("train", "test", "model:toy-noise", "--table", "table.csv", "--label", "mass", *FEW)
    code, _, err = utility(*asked, "--balance", "--write-metadata", "metadata.json", "--json")
    assert (code, err) == (0, "")
    document = json.loads((tmp_path / "metadata.json").read_text())
    delta = next(each for each in document["performance"] if each["metric"] == "CLF_delta.AUC")
    assert delta["source"] == f"medigan utility {' '.join(asked)} --balance"
    assert delta["reference"] == "train"
    assert delta["interval"][0] <= delta["value"] <= delta["interval"][1]


def test_masks_are_given_for_each_set(utility, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "FEWEST_STEPS", 5)
    monkeypatch.setattr(training, "EPOCHS", 1)
    for name, seed in (("a", 1), ("b", 2), ("c", 3)):
        outlined(tmp_path / name, 12, seed)
    sets = [f"{name}/images" for name in "abc"]
    masks = [
        *("--mask", "train=a/masks", "--mask", "test=b/masks"),
        *("--mask", "synthetic=c/masks"),
    ]
    code, out, err = utility(*sets, *masks, *FEW)
    assert (code, err) == (0, "")
    assert "a small U-Net learns masks" in out
    code, _, err = utility(*sets, *masks[:4], *FEW)
    assert code == 1
    assert "give them with --mask synthetic=PATH" in err


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        ((), 1, "either --label or --mask says what is to be learned; give one of them"),
        (("--label", "mass", "--mask", "x"), 1, "give one of them"),
        (("--label", "age"), 1, "age of train is a number, and what is learned here are classes"),
        (("--label", "site"), 1, "is one for all images"),
        (("--label", "mass", "--repeats", "2"), 1, "the number of --repeats is 2"),
        (("--label", "mass", "--ratio", "0"), 1, "--ratio has 0.0; give numbers above 0"),
        (("--label", "mass", "--ratio", "many"), 2, "many"),
        (("--label", "mass", "--share", "nan"), 1, "--share has nan; give numbers above 0 up to 1"),
        (("--label", "mass", "--learner", "unet"), 1, "the --learner 'unet' does not learn"),
        (("--label", "mass", "-n", "5"), 1, "-n is about samples that are made"),
        (("--label", "mass", "--patients", "hospital"), 1, "--patients 'hospital' is no column"),
        (("--mask", "train=a", "--mask", "train=b"), 2, "--mask train is given twice"),
        (("--label", "mass", "-o", "table.csv"), 1, "table.csv can't be written into"),
        (("--label", "mass", "--write-metadata", "table.csv"), 1, "table.csv"),
    ],
)
def test_what_can_t_be_asked_for_is_one_line(utility, tmp_path, asked, code, message):
    before = {*tmp_path.iterdir()} - {tmp_path / "cache"}
    found = utility(*SETS, *asked)
    assert found[0] == code
    assert message in found[2]
    assert found[2].startswith("error: ")
    assert found[2].count("\n") == 1
    assert {*tmp_path.iterdir()} - {tmp_path / "cache"} == before


def test_a_patient_in_both_sets_is_refused(utility, tmp_path):
    lines = (tmp_path / "table.csv").read_text().splitlines()
    told = [lines[0] + ",patient", *(f"{line},P{n % 7}" for n, line in enumerate(lines[1:]))]
    (tmp_path / "table.csv").write_text("\n".join(told))
    code, _, err = utility(*SETS, "--label", "mass", "--patients", "patient")
    assert code == 1
    assert "are of one patient" in err


def test_a_file_in_both_sets_is_refused_by_name(utility, tmp_path):
    (tmp_path / "test" / "test_3.png").write_bytes(
        (tmp_path / "train" / "train_3.png").read_bytes()
    )
    code, _, err = utility(*SETS, "--label", "mass")
    assert code == 1
    assert "test_3.png of test is train_3.png of train" in err
