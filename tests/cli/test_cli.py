from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from medigan_hub import __version__
from medigan_hub.cli import main


@pytest.fixture
def medigan(capsys, install, tmp_path, monkeypatch):
    """Return a function that runs the command: (exit code, standard output, standard error)."""
    install()
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(list(arguments))
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return run


def test_list_json_has_the_agreed_keys(medigan):
    code, out, err = medigan("list", "--json")
    assert (code, err) == (0, "")
    (entry,) = [entry for entry in json.loads(out) if entry["name"] == "toy-noise"]
    assert entry["installed"] is True
    assert entry["medigan_id"] is None
    keys = {"name", "medigan_id", "title", "installed", "task", "architecture"}
    assert keys | {"modality", "organ", "dataset"} <= set(entry)


def test_list_and_info_are_readable(medigan):
    assert "toy-noise" in medigan("list")[1]
    code, out, _ = medigan("info", "toy-noise")
    assert code == 0
    assert "Limitation: It is noise." in out
    document = json.loads(medigan("info", "toy-noise", "--json")[1])
    assert document["name"] == "toy-noise"


def test_list_names_all_published_models_beside_the_installed_ones(medigan):
    models = json.loads(medigan("list", "--json")[1])
    assert len({model["medigan_id"] for model in models if model["medigan_id"]}) == 23
    assert "cyclegan-dbt" in {model["name"] for model in models}
    installed = json.loads(medigan("list", "--installed", "--json")[1])
    assert "toy-noise" in {model["name"] for model in installed}
    assert all(model["installed"] for model in installed)


def test_search_json_has_the_agreed_keys(medigan):
    code, out, err = medigan("search", "dcgan", "mammography", "BCDR", "--json")
    assert (code, err) == (0, "")
    models = json.loads(out)
    assert models[0]["medigan_id"] == "00005_DCGAN_MMG_MASS_ROI"
    assert "dataset" in models[0]["matched"]["BCDR"]
    assert "metric" not in models[0]
    keys = {"name", "medigan_id", "title", "installed", "task", "architecture"}
    assert keys | {"modality", "organ", "dataset"} <= set(models[0])


def test_search_ranks(medigan):
    ranked = json.loads(medigan("search", "--rank-by", "FID", "--order", "asc", "--json")[1])
    assert [(model["medigan_id"][:5], model["value"]) for model in ranked[:3]] == [
        ("00023", 28.71),
        ("00020", 52.17),
        ("00021", 59.49),
    ]
    assert {model["metric"] for model in ranked} == {"FID"}
    assert ranked[-1]["value"] is None
    out = medigan("search", "polyp", "--rank-by", "FID")[1]
    assert out.splitlines()[0] == "Ranked by FID:"
    assert out.index("63.99") < out.index("171.15") < out.index("225.85")


def test_search_filters_join_and_limit(medigan):
    arguments = "search --organ breast --dataset BCDR --dataset CSAW --limit 3 --json"
    models = json.loads(medigan(*arguments.split())[1])
    assert len(models) == 3
    assert all(set(model["dataset"]) <= {"BCDR", "CSAW"} for model in models)
    found = medigan("search", "BCDR", "CSAW", "--operator", "xor", "--task", "image-to-image")[1]
    assert "cyclegan-mmg-density-csaw-cc" in found
    assert "matched in" in found
    assert "toy-noise" in medigan("search", "--installed")[1]


def test_a_misspelt_word_offers_the_close_one(medigan):
    code, out, err = medigan("search", "mamography")
    assert code == 0
    assert "No model matches" in out
    assert err.startswith("warning: no model has 'mamography'; did you mean mammography")
    assert medigan("search", "mamography", "--json")[1] == "[]\n"


def test_an_empty_result_says_how_to_ask_for_less(medigan):
    assert "--operator or" in medigan("search", "polyp", "mammography")[1]
    for arguments in (["qqqq"], ["qqqq", "zzzz", "--operator", "or"], ["qqqq", "or", "zzzz"]):
        assert "--operator or" not in medigan("search", *arguments)[1]


@pytest.mark.parametrize("width", [80, 100, 120])
def test_a_match_says_where_it_matched_on_every_usual_terminal(medigan, monkeypatch, width):
    monkeypatch.setattr(sys.stdout.__class__, "isatty", lambda self: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(width))
    assert "matched in" in medigan("search", "mass", "--rank-by", "FID")[1]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_table_is_never_cut_off(medigan, monkeypatch, width):
    monkeypatch.setattr(sys.stdout.__class__, "isatty", lambda self: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(width))
    out = medigan("search", "mass", "--rank-by", "FID")[1]
    lines = re.sub(r"\x1b\[[0-9;]*m", "", out).splitlines()  # without bold type
    assert any(line.startswith("dcgan-mmg-mass-roi-optimam      80.51") for line in lines)
    assert "…" not in out
    assert all(len(line) <= width for line in lines)


def test_info_shows_intervals_baselines_and_what_is_of_some_images_alone(
    medigan, install, document
):
    figure = {"metric": "KID.texture", "value": 0.12, "interval": [0.1, 0.14], "baseline": 0.01}
    figure |= {"num_images": 600, "num_reference": 500, "group": "benign", "extractor": "ours"}
    document |= {"name": "judged", "plugin": "medigan-model-judged", "performance": [figure]}
    install("judged", document=document)
    lines = [line.split() for line in medigan("info", "judged")[1].splitlines()]
    row = "KID.texture 0.12 (0.1 to 0.14) 0.01 - 600, 500 real benign alone [1]"
    assert row.split() in lines
    assert ["[1]", "features:", "ours"] in lines


def test_info_is_the_same_by_number_id_and_name(medigan):
    cards = {medigan("info", name)[1] for name in ("5", "00005_DCGAN_MMG_MASS_ROI", "00005")}
    (card,) = cards
    for text in ("100 numbers", "180.04", "MIT", "medigan install dcgan-mmg-mass-roi-bcdr"):
        assert text in card
    assert "@inproceedings{szafranowska2022sharing," in card
    assert "not stated" in medigan("info", "7")[1]
    assert "radius_1" in medigan("info", "7")[1]
    assert "near 0.5" in medigan("info", "2")[1]


@pytest.mark.parametrize("arguments", ["list", "info 2", "info 2 --json", "search mass"])
def test_a_terminal_of_ascii_alone_is_no_error(arguments, own_cache):
    environment = {
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONIOENCODING": "ascii",
        "MEDIGAN_CACHE": str(own_cache),
    }
    command = [sys.executable, "-m", "medigan_hub", *arguments.split()]
    result = subprocess.run(
        command, capture_output=True, check=False, env={**os.environ, **environment}
    )
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.isascii()


@pytest.mark.parametrize(
    ("redirection", "code", "error"),
    [
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        (">/dev/full", 1, "error: the output: No space left on device\n"),
    ],
)
def test_an_output_that_takes_nothing_is_no_fault_of_the_hub(redirection, code, error, own_cache):
    result = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m medigan_hub list {redirection}"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONUNBUFFERED": ""},  # what is left in the buffer is tried at exit
    )
    assert (result.returncode, result.stderr) == (code, error)


def test_what_steers_a_terminal_is_written_out(medigan, install, tmp_path):
    install("toy-broken", document=json.dumps({"\x1b]0;owned\x07": 1}))
    _, out, err = medigan("list")
    assert "toy-broken" in err
    assert "\x1b" not in out + err
    assert r"\x1b]0;owned" in err


def test_install_says_what_it_would_run(medigan, tmp_path):
    code, out, _ = medigan("install", "5", "--find-links", str(tmp_path), "--dry-run")
    assert code == 0
    assert out.startswith("would run: ")
    assert f"--find-links {tmp_path} medigan-model-dcgan-mmg-mass-roi-bcdr" in out
    result = json.loads(medigan("install", "5", "--dry-run", "--json")[1])
    assert result["command"][-1] == result["plugin"] == "medigan-model-dcgan-mmg-mass-roi-bcdr"
    assert result["installed"] is False
    code, out, err = medigan("install", "toy-noise", "--find-links", "nothing", "--json")
    assert (code, json.loads(out)["command"]) == (0, None)  # nothing is needed, so nothing is asked
    assert "is installed already" in err


def test_generate_writes_a_data_set_and_reports_it(medigan, tmp_path):
    code, out, err = medigan(
        *("generate", "toy-noise", "-n", "3", "-o", "out", "--seed", "7", "--json")
    )
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert (result["model"], result["count"], result["seed"]) == ("toy-noise", 3, 7)
    assert result["samples_per_second"] > 0
    assert (result["runtime"], result["batch_size"]) == ("numpy", 8)
    assert (tmp_path / result["manifest"]).is_file()
    assert len(list((tmp_path / result["output"] / "image").iterdir())) == 3


def test_generate_says_where_the_data_set_is(medigan):
    code, out, _ = medigan("generate", "toy-noise", "-o", "out")
    assert code == 0
    assert out.startswith("1 synthetic sample of toy-noise in out")


def test_preview_writes_a_picture(medigan, tmp_path):
    code, out, _ = medigan("preview", "toy-noise", "-n", "4")
    assert code == 0
    assert "toy-noise-preview.png" in out
    with Image.open(tmp_path / "toy-noise-preview.png") as picture:
        assert picture.text["Synthetic"] == "yes"
        assert picture.text["Model"] == "toy-noise 1.0.0"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("generate toy-nois -o out", 1, "close to it: toy-noise"),
        ("generate toy-noise -n 0 -o out", 1, "number of samples is 0"),
        ("generate toy-noise -n -5 -o out", 1, "number of samples is -5"),
        ("generate toy-noise -n many -o out", 2, "-n"),
        ("generate toy-noise --seed -1 -o out", 1, "seed is -1"),
        ("generate toy-noise --batch-size 0 -o out", 1, "batch size is 0"),
        ("generate toy-noise --device gpu -o out", 1, "no device 'gpu'"),
        ("generate toy-noise --format gif -o out", 1, "no format 'gif'"),
        ("generate toy-noise --condition age=3 -o out", 1, "no condition 'age'"),
        ("generate toy-noise --condition age -o out", 2, "write it as NAME=VALUE"),
        ("generate toy-noise --balance -o out", 1, "has no condition to balance"),
        ("generate toy-noise --latents no.npy -o out", 1, "no.npy can't be read: No such file"),
        ("generate toy-noise --latents . -o out", 1, "can't be read: Is a directory"),
        ("generate toy-noise --option a=1 --option a=2 -o out", 2, "given twice"),
        ("generate toy-noise --input x.png -o out", 1, "takes no input images"),
        (f"generate toy-noise -o {'o' * 300}", 1, "File name too long"),
        ("generate toy-noise", 2, "--output"),
        ("generate", 2, "model"),
        ("generate toy-noise -o out --colour red", 2, "--colour"),
        ("draw", 2, "draw"),
        ("preview toy-noise -o picture.jpg", 1, "end it with .png"),
        ("info toy-nois", 1, "close to it: toy-noise"),
        ("info 99", 1, "see them with: medigan list"),
        ("generate 5 -o out", 1, "medigan install dcgan-mmg-mass-roi-bcdr"),
        ("search --rank-by speed", 1, "there are CLF.trained_on_fake.AUC"),
        ("search --organ knee", 1, "there are brain, breast"),
        ("search mass --operator nand", 1, "use and, or or xor"),
        ("search mass --limit 0", 1, "limit is 0"),
        ("search mass --limit many", 2, "--limit"),
        ("install toy-nois", 1, "close to it: toy-noise"),
        ("install 5 --no-index", 1, "--find-links"),
        ("install 5 --find-links nothing", 1, "nothing is no folder"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(medigan, tmp_path, arguments, code, message):
    found, out, err = medigan(*arguments.split())
    assert (found, out) == (code, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message.casefold() in err.casefold()
    assert not (tmp_path / "out").exists()


def test_a_bad_plugin_is_a_warning_on_standard_error(medigan, install):
    install("toy-broken", document="{")
    code, out, err = medigan("list", "--json")
    assert code == 0
    assert json.loads(out)
    assert err.startswith("warning: plugin toy-broken")
    assert err.count("\n") == 1


def test_debug_shows_the_traceback(medigan, install):
    from medigan_hub import HubError

    with pytest.raises(HubError):
        main(["generate", "toy-nois", "-o", "out", "--debug"])


def test_a_fault_of_the_hub_is_one_line_too(medigan, monkeypatch):
    monkeypatch.setattr("medigan_hub.cli.catalogue.Hub", lambda: 1 / 0)
    code, out, err = medigan("list")
    assert (code, out) == (1, "")
    assert err.startswith("error: ZeroDivisionError")
    assert err.count("\n") == 1
    with pytest.raises(ZeroDivisionError):
        main(["list", "--debug"])


def test_output_that_nobody_reads_is_no_error(install):
    install()
    command = f"{sys.executable} -m medigan_hub info toy-noise --json | true"
    paths = os.pathsep.join(path for path in sys.path if path)
    result = subprocess.run(
        ["/bin/sh", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert result.stderr == ""


def test_version_and_help(medigan):
    assert medigan("--version")[1] == f"medigan-hub {__version__}\n"
    listed = medigan("--help")[1].rpartition("Commands")[2]
    commands = re.findall(r"^\W*([a-z]+)  ", listed, re.MULTILINE)
    assert commands == [
        *("list", "search", "info", "install", "generate", "verify", "preview"),
        *(
            "evaluate",
            "privacy",
            "utility",
            "benchmark",
            "app",
            "new",
            "check",
            "publish",
            "weights",
        ),
    ]


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


HEAVY = ("torch", "rich", "numpy", "PIL", "pydicom", "jsonschema", "typer", "medigan_model_")


def test_importing_the_hub_loads_nothing_heavy():
    code = f"import sys, medigan_hub; print([m for m in sys.modules if m.startswith({HEAVY})])"
    assert python(code).stdout.strip() == "[]"


def test_a_command_loads_no_other():
    code = (
        "import sys; from medigan_hub.cli import command_line; command_line(['list', '--json']);"
        "print(sorted(m for m in sys.modules if m.startswith('medigan_hub.cli.')))"
    )
    found = ["medigan_hub.cli.arguments", "medigan_hub.cli.catalogue"]
    assert python(code).stdout.strip() == str(found)


def test_listing_loads_no_framework_and_no_plugin():
    code = (
        "import sys; from medigan_hub import Hub; Hub().models(); "
        "print([m for m in sys.modules if m.startswith(('torch', 'rich', 'medigan_model_'))])"
    )
    assert python(code).stdout.strip() == "[]"


def test_the_command_runs_as_a_module():
    result = subprocess.run(
        [sys.executable, "-m", "medigan_hub", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == f"medigan-hub {__version__}\n"


def test_an_interrupt_leaves_what_was_finished(install, tmp_path, monkeypatch, capsys):
    install(
        code="""
        from medigan_hub.plugin import NoiseToImage, NetworkRuntime

        class Interrupted(NetworkRuntime):
            calls = 0
            def open(self, files, device, precision):
                return self
            def __call__(self, latents):
                self.calls += 1
                if self.calls > 2:
                    raise KeyboardInterrupt
                return latents.reshape(-1, 8, 6, 1)

        plugin = NoiseToImage(__file__, numpy=Interrupted())
        """
    )
    with pytest.raises(SystemExit) as stop:
        main(["generate", "toy-noise", "-n", "9", "--batch-size", "1", "-o", str(tmp_path / "out")])
    assert stop.value.code == 130
    assert capsys.readouterr().err.strip().startswith("error: interrupted")
    images = sorted((tmp_path / "out" / "image").iterdir())
    assert [image.name for image in images] == ["000000.png", "000001.png"]
    assert all(np.asarray(Image.open(image)).shape == (8, 6) for image in images)


def test_latents_come_from_a_numpy_file(medigan, tmp_path):
    np.save(tmp_path / "latents.npy", np.zeros((3, 48)))
    code, out, _ = medigan("generate", "toy-noise", "--latents", "latents.npy", "-o", "out")
    assert (code, out[:2]) == (0, "3 ")
    np.savez(tmp_path / "several.npz", a=np.zeros(3))
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    for name in ("several.npz", "objects.npy"):
        code, _, err = medigan("generate", "toy-noise", "--latents", name, "-o", "other")
        assert code == 1
        assert f"{name} can't be read: it is not a NumPy file of numbers (.npy)" in err
