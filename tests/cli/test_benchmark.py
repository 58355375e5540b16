"""``medigan benchmark``: models side by side from the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from medigan_hub.cli import main
from medigan_hub.evaluation.benchmark import Benchmark
from support import toys

KEYS = [
    *("model", "metric", "extractor", "normalize", "value", "low", "high"),
    *("rank_low", "rank_high"),
]
QUICK = ("--metric", "KID", "--metric", "coverage", "--extractor", "texture")


def folder(path, number=24, seed=1, low=0):
    path.mkdir()
    rng = np.random.default_rng(seed)
    for n in range(number):
        pixels = rng.integers(low, 256, (12, 10), np.uint8)
        Image.fromarray(pixels).save(path / f"{seed}-{n}.png")


@pytest.fixture
def medigan(install, capsys, tmp_path, monkeypatch):
    """Return a function that runs the command: (exit code, standard output, standard error)."""
    install(code=toys.code("drawing"))
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "real")
    folder(tmp_path / "near", 20, seed=2)
    folder(tmp_path / "far", 20, seed=3, low=150)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(list(arguments))
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return run


def test_json_is_a_list_of_figures_with_the_agreed_keys(medigan):
    asked = ("benchmark", "real", "./far", "./near", *QUICK, "--json")
    code, out, err = medigan(*asked)
    assert (code, err) == (0, "")
    ranks = json.loads(out)
    assert [list(each) for each in ranks] == [KEYS] * 4
    assert [(each["model"], each["metric"]) for each in ranks] == [
        ("./near", "KID"),
        ("./far", "KID"),
        ("./near", "coverage"),
        ("./far", "coverage"),
    ]
    assert [(each["rank_low"], each["rank_high"]) for each in ranks[:2]] == [(1, 1), (2, 2)]
    assert medigan(*asked) == (0, out, "")


def test_people_are_shown_a_table_and_files_are_written(medigan, tmp_path):
    code, out, err = medigan("benchmark", "real", "./far", "toy-noise", *QUICK, "-o", "side/by")
    assert (code, err) == (0, "")
    assert "2 models, 20 synthetic images each, against 24 real ones (real)." in out
    assert "the figures are in side/by: benchmark.json, benchmark.svg" in out
    found = Benchmark.load(tmp_path / "side" / "by")
    assert list(found.evaluations) == ["./far", "toy-noise"]
    assert (tmp_path / "side" / "by" / "benchmark.svg").read_text().startswith("<svg")
    again = medigan("benchmark", "real", "./far", "toy-noise", *QUICK, "-o", "side/by")
    assert again == (code, out, err)


def test_a_search_is_ranked_by_the_file(medigan):
    medigan("benchmark", "real", "./far", "toy-noise", *QUICK, "-o", "side")
    asked = ("search", "--installed", "--rank-by", "KID", "--figures", "side/benchmark.json")
    code, out, err = medigan(*asked, "--json")
    assert code == 0
    assert err.startswith("note: ")
    first = json.loads(out)[0]
    assert (first["name"], first["metric"]) == ("toy-noise", "KID.texture")
    ranks = Benchmark.load("side").ranks
    assert first["value"] == next(
        each.value for each in ranks if (each.model, each.metric) == ("toy-noise", "KID")
    )
    code, out, err = medigan("search", "--rank-by", "SSIM", "--figures", "side")
    assert (code, out) == (1, "")
    assert err == "error: side has no figure 'SSIM'; it has KID.texture, coverage.texture\n"


BROKEN = """
from medigan_hub.plugin import NetworkRuntime, NoiseToImage


class Broken(NetworkRuntime):
    def open(self, files, device, precision):
        raise OSError("no memory")


plugin = NoiseToImage(__file__, numpy=Broken())
"""


def test_a_model_that_fails_makes_the_command_fail_once_the_others_are_saved(medigan, install):
    install("toy-broken", code=BROKEN)
    models = ("./near", "toy-broken", "./far")
    code, out, err = medigan("benchmark", "real", *models, *QUICK, "-o", "side")
    assert code == 1
    assert "toy-broken is missing: " in " ".join(out.split())
    warning, error = err.splitlines()
    assert warning.startswith("warning: toy-broken was not measured: ")
    assert error == (
        "error: 1 of 3 models could not be measured: toy-broken; the others are finished, and "
        "the same command tries again"
    )
    assert list(Benchmark.load("side").evaluations) == ["./near", "./far"]
    code, out, err = medigan("benchmark", "real", *models, *QUICK, "--json")
    assert (code, len(json.loads(out))) == (1, 4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("real", "toy-noise"), "a benchmark takes two models or more"),
        (("real", "toy-noise", "toy-nose"), "toy-noise"),
        (("real", "./near", "./far", "--device", "cpu"), "--device is about samples that are made"),
        (
            ("real", "toy-noise", "./far", "--condition", "a=b"),
            "--condition a is for none of these",
        ),
        (("real", "toy-noise", "./far", "-n", "21"), "ask for -n 20"),
        (("real", "toy-noise", "./far", "-o", "real/1-0.png"), "can't be written into; name an"),
        (("real", "./near", "./far", "--metric", "KDI"), "did you mean KID"),
        (("real", "./near", "./real"), "hold the same images"),
        (("gone", "./near", "./far"), "gone does not exist"),
        (("real", "./near", "./far", "--seed", "1", *QUICK, "-o", "old"), "folder with --output"),
    ],
)
def test_an_error_is_one_line_in_words_of_the_command_line(medigan, arguments, words):
    medigan("benchmark", "real", "./near", "./far", *QUICK, "-o", "old")
    code, out, err = medigan("benchmark", *arguments)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err


def test_weights_go_with_an_extractor(medigan):
    code, _, err = medigan("benchmark", "real", "./near", "./far", "--weights", "f.h5")
    assert code == 2
    assert "--weights f.h5: write it as EXTRACTOR=FILE" in " ".join(err.split())
