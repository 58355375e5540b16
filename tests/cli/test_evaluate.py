"""``medigan evaluate``: figures from the command line."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
from PIL import Image

from medigan_hub.cli import main
from medigan_hub.evaluation.results import Evaluation
from support import toys

KEYS = {
    *("metric", "extractor", "normalize", "value", "low", "high", "better"),
    *("num_real", "num_synthetic", "baseline", "biased"),
}
QUICK = ("--metric", "KID", "--metric", "coverage", "--extractor", "texture")


def folder(path, number=24, seed=1):
    path.mkdir()
    rng = np.random.default_rng(seed)
    for n in range(number):
        Image.fromarray(rng.integers(0, 256, (12, 10), np.uint8)).save(path / f"{seed}-{n}.png")


@pytest.fixture
def evaluate(install, capsys, tmp_path, monkeypatch):
    """Return a function that runs the command: (exit code, standard output, standard error)."""
    package = install(code=toys.code("drawing"))
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "real")
    folder(tmp_path / "synthetic", 20, seed=2)
    (tmp_path / "metadata.json").write_bytes((package / "metadata.json").read_bytes())

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["medigan", "evaluate", *arguments])
        with pytest.raises(SystemExit) as stop:
            main(["evaluate", *arguments])
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return run


def test_json_has_the_agreed_keys(evaluate):
    code, out, err = evaluate("real", "synthetic", *QUICK, "--normalize", "both", "--json")
    assert (code, err) == (0, "")
    figures = json.loads(out)["figures"]
    assert [(each["metric"], each["normalize"]) for each in figures] == [
        *(("KID", "none"), ("coverage", "none"), ("KID", "minmax"), ("coverage", "minmax"))
    ]
    for figure in figures:
        assert set(figure) >= KEYS
        assert (figure["num_real"], figure["num_synthetic"]) == (24, 20)
        assert figure["low"] < figure["high"]
        assert figure["better"] == {"KID": "lower", "coverage": "higher"}[figure["metric"]]


def test_the_same_command_gives_the_same_json(evaluate):
    first = evaluate("real", "model:toy-noise", *QUICK, "--json")
    assert evaluate("real", "model:toy-noise", *QUICK, "--json") == first
    assert json.loads(first[1])["sets"]["synthetic"]["num_images"] == 24
    fewer = evaluate("real", "model:toy-noise", "-n", "9", *QUICK, "--seed", "3", "--json")
    told = json.loads(fewer[1])["sets"]["synthetic"]
    assert (told["num_images"], told["seed"]) == (9, 3)


def test_people_are_shown_a_table(evaluate):
    code, out, err = evaluate("real", "synthetic", *QUICK)
    assert (code, err) == (0, "")
    assert "20 synthetic images by a model that is not known (synthetic), against 24 real" in out
    assert re.search(r"KID +-?[0-9.]+ +-?[0-9.]+ to [0-9.]+ ", out)


def test_figures_and_a_picture_are_written(evaluate, tmp_path):
    code, out, _ = evaluate("real", "synthetic", *QUICK, "-o", "judged/here")
    assert code == 0
    assert "the figures are in judged/here: evaluation.json, evaluation.svg" in out
    found = Evaluation.load(tmp_path / "judged" / "here")
    assert [figure.metric for figure in found.figures] == ["KID", "coverage"]
    assert (tmp_path / "judged" / "here" / "evaluation.svg").read_text().startswith("<svg")
    assert evaluate("real", "synthetic", *QUICK, "-o", "judged/here")[0] == 0


def test_pairs_are_written_case_by_case(evaluate, tmp_path):
    (tmp_path / "blurred").mkdir()
    for path in (tmp_path / "real").iterdir():
        with Image.open(path) as picture:
            picture.resize((5, 6)).resize(picture.size).save(tmp_path / "blurred" / path.name)
    asked = ("--paired", "--metric", "MAE", "--metric", "PSNR", "-o", "pairs")
    code, out, _ = evaluate("real", "blurred", *asked)
    assert code == 0
    assert "evaluation.svg and cases.csv" in out
    rows = list(csv.DictReader((tmp_path / "pairs" / "cases.csv").read_text().splitlines()))
    assert len(rows) == 24
    assert all(0 < float(row["MAE"]) < 1 for row in rows)
    (mae,) = (each for each in Evaluation.load("pairs").figures if each.metric == "MAE")
    assert mae.value == pytest.approx(np.mean([float(row["MAE"]) for row in rows]))


def test_figures_are_put_into_metadata_with_the_command(evaluate, tmp_path):
    asked = ("real", "model:toy-noise", *QUICK, "-n", "30")
    code, _, _ = evaluate(*asked, "--write-metadata", "metadata.json", "-o", "judged", "--json")
    assert code == 0
    document = json.loads((tmp_path / "metadata.json").read_text())
    assert [each["metric"] for each in document["performance"]] == [
        "KID.texture",
        "coverage.texture",
    ]
    for each in document["performance"]:
        assert each["source"] == "medigan evaluate " + " ".join(asked)
        assert (each["num_images"], each["num_reference"], each["reference"]) == (30, 24, "real")


def test_groups_and_conditions_are_asked_for_by_column(evaluate, tmp_path):
    for name, number in (("light", 60), ("dark", 55)):
        for folder, seed in ((tmp_path / "sorted" / name, number), (tmp_path / "made" / name, 7)):
            folder.mkdir(parents=True)
            rng = np.random.default_rng(seed + number)
            for n in range(number):
                pixels = rng.integers(0, 120, (12, 10)) + (120 if name == "light" else 0)
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{name}{n}.png")
    rows = [f"{name}{n}.png,{'ab'[n % 2]}" for name in ("light", "dark") for n in range(60)]
    (tmp_path / "table.csv").write_text("\n".join(["file,site", *rows]))
    asked = ("sorted", "made", *QUICK, "--by", "label", "--by", "site", "--table", "table.csv")
    code, out, err = evaluate(*asked, "--probe", "label", "-o", "judged", "--recursive")
    assert (code, err) == (0, "")
    assert "texture: are groups left out?" in out
    assert "texture: do images show what was asked for?" in out
    assert "made has no column site: each group of it is held against all" in " ".join(out.split())
    found = Evaluation.load(tmp_path / "judged")
    assert [each.group for each in found.subgroups] == [
        *("label dark", "label light", "site a", "site b"),
    ]
    assert [(each.column, each.value) for each in found.conditions] == [("label", 1)] * 2
    assert found.verdicts == []


def test_weights_are_taken_by_the_one_extractor_or_by_name(evaluate):
    code, _, err = evaluate("real", "synthetic", "--extractor", "texture", "--weights", "a=b")
    assert code == 1
    assert "weights for a, and it is not asked for; add --extractor a" in err
    code, _, err = evaluate("real", "synthetic", "--weights", "file.h5")
    assert code == 2
    assert "--weights file.h5: write it as EXTRACTOR=FILE" in " ".join(err.split())
    code, _, err = evaluate("real", "synthetic", "--extractor", "texture", "--weights", "file.h5")
    assert code == 1
    assert "the extractor texture takes no weights; leave file.h5 out" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("real", "synthetic", "--metric", "KDI"), "did you mean KID"),
        (("real", "synthetic", "--extractor", "textur"), "did you mean texture"),
        (("real", "synthetic", "--normalize", "x"), "--normalize is 'x'; use none, minmax, both"),
        (("real", "synthetic", "--protocol", "x"), "there is no --protocol 'x'"),
        (("real", "synthetic", "-n", "9"), "-n is about samples that are made, and no model is"),
        (("real", "synthetic", "--condition", "a=b"), "--condition is about samples that are ma"),
        (("real", "synthetic", "--patients", "who"), "--patients 'who' is no column"),
        (("real", "synthetic", "--patients", "(9+)"), "does not fit the name 1-0.png"),
        (("real", "synthetic", "--table", "gone.csv"), "gone.csv can't be read: No such file"),
        (("real", "synthetic", *QUICK, "--bits", "12"), "--bits 12 says nothing of these images"),
        (("real", "synthetic", "--by", "sex"), "real has no column sex (nothing is known of its"),
        (("real", "synthetic", "--probe", "sex"), "leave --probe sex out, or give a data set"),
        (("real", "gone"), "gone does not exist"),
        (("real", "real"), "real and real hold the same images; name two different sets"),
        (("real", "model:toy-nose"), "toy-noise"),
        (("real", "model:toy-noise", "--condition", "age=4"), "toy-noise has no condition"),
        (("gone", "gone", "-o", "metadata.json"), "metadata.json can't be written into; name ano"),
        (("gone", "gone", "--write-metadata", "gone.json"), "gone.json"),
        (("gone", "gone", "-o", "full"), "evaluation.svg is a folder in the place of a file"),
    ],
)
def test_an_error_is_one_line_in_words_of_the_command_line(evaluate, tmp_path, arguments, words):
    (tmp_path / "full" / "evaluation.svg").mkdir(parents=True)
    code, out, err = evaluate(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err


def test_a_file_that_is_in_both_sets_is_named(evaluate, tmp_path):
    taken = tmp_path / "synthetic" / "copy.png"
    taken.write_bytes((tmp_path / "real" / "1-3.png").read_bytes())
    code, _, err = evaluate("real", "synthetic", *QUICK)
    assert code == 1
    assert "error: copy.png of synthetic is 1-3.png of real; leave it out of one of them" in err


def test_a_mask_goes_with_pairs(evaluate):
    code, _, err = evaluate("real", "synthetic", "--mask", "real")
    assert code == 2
    assert "--mask goes with --paired" in " ".join(err.split())


@pytest.mark.parametrize(
    "options",
    [
        *(("--match", "name"), ("--paired", "--extractor", "texture")),
        *(("--paired", "--normalize=both"), ("--paired", "--by", "label")),
        ("--paired", "--probe", "label"),
    ],
)
def test_options_that_would_change_nothing_are_refused(evaluate, options):
    code, _, err = evaluate("real", "synthetic", *options)
    assert code == 2
    assert "--paired" in err


def test_a_report_and_a_section_of_a_card_are_written(evaluate, tmp_path):
    (tmp_path / "README.md").write_text("# A model\n")
    code, out, err = evaluate(
        *("real", "synthetic", *QUICK, "--report", "r.html", "--card", "README.md")
    )
    assert (code, err) == (0, "")
    assert "the report is r.html" in out
    assert "KID" in (tmp_path / "r.html").read_text()
    card = (tmp_path / "README.md").read_text()
    # The command, without what decides no figure.
    assert f"medigan evaluate real synthetic {' '.join(QUICK)}\n```" in card


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--report", "r.txt"], "is a page; give it a name as r.html"),
        (["--report", "real/1-0.png/r.html"], "is no folder of yours"),
        (["--card", "no.md"], "the card no.md can't be read"),
        (["--show-real"], "--show-real goes with --report or --pdf"),
        (["--pdf", "r.html"], "give it a name as r.pdf"),
    ],
)
def test_a_report_that_can_not_be_written_is_known_before_the_work(
    evaluate, tmp_path, monkeypatch, more, words
):
    monkeypatch.setattr("medigan_hub.hub.Hub.evaluate", None)  # would fail otherwise
    monkeypatch.setattr("medigan_hub.evaluation.report.pdf.browser", lambda: "chromium")
    code, out, err = evaluate("real", "synthetic", *QUICK, *more)
    assert code in (1, 2)
    assert out == ""
    assert words in err
    assert len(err.splitlines()) == 1
