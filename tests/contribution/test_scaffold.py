"""From `medigan new` to a package that is checked: what an author does first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from medigan_hub import metadata
from medigan_hub.networks.dcgan import Dcgan
from support import ROOT, archives
from support.entries import entry

pytestmark = pytest.mark.slow

TITLE = 'Noise "in" \\ ü {{ title }}'
FILLED = ("organ=breast", "modality=mammography", f"title={TITLE}", "author=Ada Example")


@pytest.fixture
def medigan(tmp_path):
    def run(*arguments: str, python: str = sys.executable, **variables: str):
        return subprocess.run(
            [python, "-m", "medigan_hub", *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "HOME": str(tmp_path / "home"), **variables},
        )

    return run


@pytest.fixture(scope="session")
def index(tmp_path_factory):
    return archives.stub_index(tmp_path_factory.mktemp("index"))


@pytest.fixture(scope="session")
def hub_wheel(wheels):
    return next(wheel for wheel in wheels if wheel.name.startswith("medigan_hub-"))


@pytest.mark.parametrize(
    ("framework", "task"),
    [
        ("torch", "noise-to-image"),
        ("torch", "image-to-image"),
        ("tensorflow", "class-to-image"),
        ("onnx", "class-to-image"),
        ("onnx", "inpainting"),
        ("archive", "noise-to-image"),
    ],
)
def test_a_fresh_scaffold_is_installed_runs_and_lacks_what_its_author_must_fill_in(
    medigan, tmp_path, hub_wheel, index, framework, task
):
    name = f"my-{framework}"
    made = medigan(
        "new", "--no-input", f"name={name}", f"framework={framework}", f"task={task}", *FILLED
    )
    assert made.returncode == 0, made.stderr
    project = tmp_path / f"medigan-model-{name}"
    package = project / f"medigan_model_my_{framework}"
    document = json.loads((package / "metadata.json").read_text("utf-8"))
    assert metadata.validate(document) == []
    assert (document["title"], document["task"]) == (TITLE, task)
    for path in project.rglob("*"):
        if path.is_file() and path.suffix not in (".h5", ".npz", ".onnx", ".safetensors", ".zip"):
            assert "cookiecutter" not in path.read_text("utf-8"), path

    # An environment of its own, which has this one's frameworks behind its own packages.
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    python = str(venv / "bin" / "python")
    (site,) = venv.glob("lib/python*/site-packages")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps"]
    offline = ["--no-index", "--no-build-isolation"]
    (site / "frameworks.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")
    installed = subprocess.run(
        [*pip, *offline, str(hub_wheel), str(project)], capture_output=True, text=True
    )
    assert installed.returncode == 0, installed.stderr

    variables = archives.without_network(index)
    allow = ["--allow-archive-code"] if framework == "archive" else []
    inputs = []
    if task in ("image-to-image", "inpainting"):
        (tmp_path / "in.npy").write_bytes(b"")
        code = (
            "import numpy; numpy.save('in.npy', numpy.arange(1024, dtype='uint8').reshape(32, 32))"
        )
        subprocess.run([python, "-c", code], check=True, cwd=tmp_path)
        inputs = [f"--input={entry['name']}=in.npy" for entry in document["inputs"]]
    count = "1" if inputs else "4"
    done = medigan(
        *("generate", name, "-n", count, "-o", "out", *inputs, *allow), python=python, **variables
    )
    assert done.returncode == 0, done.stderr
    report = medigan("check", str(project), "--json", *allow, python=python, **variables)
    findings = json.loads(report.stdout)["findings"]
    failed = {each["check"] for each in findings if each["status"] == "failed"}
    assert failed == {"everything is filled in", "reference samples are reproduced"}, [
        each for each in findings if each["status"] == "failed"
    ]
    to_do = [each["message"] for each in findings if each["check"] == "everything is filled in"]
    assert any(words.startswith("metadata.json, limitations") for words in to_do)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (["name=cyclegan-dbt"], "cyclegan-dbt"),
        (["name=Upper Case"], "Upper Case"),
        (["name=class"], "class"),
        (["name=con"], "con"),
        (["name=x", "task=magic"], "magic"),
        (["name=x", "orcid=0000-0002-1825-0098"], "0000-0002-1825-0098"),
        (["name=x", "colour=red"], "colour"),
        ([], "name"),
    ],
)
def test_an_answer_that_cannot_be_is_one_line(medigan, tmp_path, answers, message):
    result = medigan("new", "--no-input", *answers)
    assert result.returncode in (1, 2)
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert not list(tmp_path.glob("medigan-model-*"))


def test_a_folder_that_is_not_empty_is_left_alone(medigan, tmp_path):
    folder = tmp_path / "medigan-model-mine"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    result = medigan("new", "--no-input", "name=mine")
    assert result.returncode == 1
    assert "medigan-model-mine" in result.stderr
    assert [path.name for path in tmp_path.rglob("medigan-model-mine/*")] == ["notes.txt"]
    assert not (tmp_path / "home").exists() or not list((tmp_path / "home").iterdir())


def test_a_checkpoint_tells_its_network_and_becomes_weights(medigan, tmp_path):
    torch.manual_seed(0)
    trained = Dcgan(100, (64, 32, 16, 8), 1).state_dict()
    torch.save(trained, tmp_path / "generator.pt")
    made = medigan("new", "--no-input", "--from-checkpoint", "generator.pt", "name=my-gan", *FILLED)
    assert made.returncode == 0, made.stderr
    assert "dcgan" in made.stdout
    package = tmp_path / "medigan-model-my-gan" / "medigan_model_my_gan"
    document = json.loads((package / "metadata.json").read_text("utf-8"))
    assert metadata.validate(document) == []
    assert document["latent"]["size"] == 100
    assert document["outputs"][0]["shape"] == [64, 64, 1]
    weights = safetensors.torch.load_file(package / document["weights"][0]["files"][0]["file"])
    assert all(torch.equal(weights[name], trained[name]) for name in weights)
    assert len(weights) >= 5


def test_a_checkpoint_of_no_known_network_is_kept_to_be_filled_in(medigan, tmp_path):
    torch.save({"state_dict": {"x.weight": torch.zeros(3, 3)}}, tmp_path / "unknown.pt")
    made = medigan("new", "--no-input", "--from-checkpoint", "unknown.pt", "name=my-net", *FILLED)
    assert made.returncode == 0, made.stderr
    assert "fits none of the hub's networks" in made.stdout
    assert "x.weight 3x3" in made.stdout
    package = tmp_path / "medigan-model-my-net" / "medigan_model_my_net"
    document = json.loads((package / "metadata.json").read_text("utf-8"))
    weights = safetensors.torch.load_file(package / document["weights"][0]["files"][0]["file"])
    assert weights["x.weight"].shape == (3, 3)


def test_a_checkpoint_with_code_is_refused(medigan, tmp_path):
    (tmp_path / "evil.pt").write_bytes(
        b"cposix\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR."
    )
    made = medigan("new", "--no-input", "--from-checkpoint", "evil.pt", "name=evil", *FILLED)
    assert made.returncode == 1
    assert made.stderr.count("\n") == 1
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "medigan-model-evil").exists()


def test_what_is_no_entry_of_medigans_list_is_one_line(medigan, tmp_path):
    (tmp_path / "list.json").write_text("{}")
    made = medigan("new", "--no-input", "--from-medigan", "list.json", "name=x")
    assert (made.returncode, made.stderr) == (
        1,
        "error: list.json is not an entry of medigan's list, or a mapping of several\n",
    )


def test_the_template_works_with_cookiecutter_alone(tmp_path):
    command = [sys.executable, "-m", "cookiecutter", str(ROOT / "templates" / "model_package")]
    done = subprocess.run(
        [*command, "--no-input", "name=plain", "framework=onnx"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path / "home")},
    )
    assert done.returncode == 0, done.stderr
    project = tmp_path / "medigan-model-plain"
    document = metadata.read(project / "medigan_model_plain" / "metadata.json")
    assert metadata.validate(document) == []
    assert (project / "medigan_model_plain" / document["weights"][0]["files"][0]["file"]).is_file()


def test_an_entry_of_medigans_list_becomes_a_package_of_its_published_code(medigan, tmp_path):
    (tmp_path / "list.json").write_text(json.dumps({"00099_TOY": entry()}))
    made = medigan("new", "--no-input", "--from-medigan", "list.json")
    assert made.returncode == 0, made.stderr
    project = tmp_path / "medigan-model-toy"
    document = metadata.read(project / "medigan_model_toy" / "metadata.json")
    assert metadata.validate(document) == []
    assert document["medigan_id"] == "00099_TOY"
    assert [entry["runtime"] for entry in document["weights"]] == ["archive"]
    assert "ArchiveOnly" in (project / "medigan_model_toy" / "__init__.py").read_text()
