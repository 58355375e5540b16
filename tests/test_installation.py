from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from medigan_hub import Hub, PluginError, RequestError, installation
from medigan_hub.metadata import ModelMetadata


@pytest.fixture
def toys(document):
    """The documents of two models, by name."""
    names = ("toy-wheel", "toy-broken")
    return {n: document | {"name": n, "plugin": f"medigan-model-{n}"} for n in names}


@pytest.fixture
def wheels(tmp_path, toys):
    """A folder with the wheel of a good plugin, and of one whose metadata is no JSON."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    write_wheel(folder, "toy-wheel", json.dumps(toys["toy-wheel"]))
    write_wheel(folder, "toy-broken", "{")
    return folder


def write_wheel(folder, model, metadata):
    package = f"medigan_model_{model.replace('-', '_')}"
    info = f"{package}-1.0.0.dist-info"
    files = {
        f"{package}/__init__.py": "",
        f"{package}/metadata.json": metadata,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: medigan-model-{model}\nVersion: 1.0.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[medigan_hub.models]\n{model} = {package}\n",
    }
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        record += f"{path},sha256={digest.decode()},{len(text.encode())}\n"
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(folder / f"{package}-1.0.0-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)


@pytest.fixture
def medigan(tmp_path, toys, own_cache):
    """Return a function that runs the command where the toys are known and pip may work."""
    (tmp_path / "catalogue").mkdir()
    (tmp_path / "catalogue" / "toys.json").write_text(json.dumps(list(toys.values())))
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    query = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.check_output([python, "-c", query], text=True).strip()
    # What the hub needs is lent by the environment of the tests.
    lent = sysconfig.get_path("purelib")
    Path(site, "lent.pth").write_text(f"import site; site.addsitedir({lent!r})\n")
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("PIP_")},
        "MEDIGAN_CATALOGUE": str(tmp_path / "catalogue"),
        "MEDIGAN_CACHE": str(own_cache),
    }

    def run(*arguments):
        command = [python, "-m", "medigan_hub", *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
        )

    return run


def test_a_plugin_is_installed_from_a_folder_of_wheels(medigan, wheels, tmp_path):
    def installed():
        models = json.loads(medigan("list", "--json").stdout)
        return next(model["installed"] for model in models if model["name"] == "toy-wheel")

    offline = ("--find-links", wheels, "--no-index")
    dry = medigan("install", "toy-wheel", *offline, "--dry-run")
    assert dry.returncode == 0
    assert dry.stdout.startswith("would run: ")
    assert not installed()

    done = medigan("install", "toy-wheel", *offline)
    assert (done.returncode, done.stderr) == (0, "")
    ran = next(line for line in done.stdout.splitlines() if line.startswith("running: "))
    assert ran.removeprefix("running: ") == dry.stdout.strip().removeprefix("would run: ")
    assert ran.endswith("medigan-model-toy-wheel")
    assert installed()

    again = medigan("install", "toy-wheel", *offline, "--json")
    assert json.loads(again.stdout)["installed"] is True
    assert "is installed already" in again.stderr

    if sys.version_info >= (3, 11):  # older ones take modules of the current folder first
        (tmp_path / "pip.py").write_text("raise SystemExit('not pip')")
    assert medigan("install", "toy-wheel", *offline, "--upgrade").returncode == 0

    broken = medigan("install", "toy-broken", *offline)
    assert broken.returncode == 1
    assert "error: pip ran, but medigan-model-toy-broken is not found here" in broken.stderr

    missing = medigan("install", "5", *offline)
    assert missing.returncode == 1
    assert missing.stderr.splitlines()[-1].startswith(
        "error: pip could not install medigan-model-dcgan-mmg-mass-roi-bcdr (exit code 1)"
    )


def test_the_command_names_this_python_and_the_plugin_alone():
    model = Hub().model("5").metadata
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    assert installation.command(model) == [*pip, model.plugin]
    assert installation.command(model, upgrade=True) == [*pip, "--upgrade", model.plugin]


def test_offline_only_a_folder_is_asked(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDIGAN_OFFLINE", "1")
    model = Hub().model("5").metadata
    command = installation.command(model, find_links=tmp_path)
    links = ["--find-links", str(tmp_path)]
    assert command[-5:] == ["--isolated", "--no-index", *links, model.plugin]
    with pytest.raises(RequestError, match="without the network; name a folder"):
        installation.command(model)


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(RequestError, match="nothing is no folder; name one that holds wheels"):
        installation.command(Hub().model("5").metadata, find_links=tmp_path / "nothing")


def test_an_environment_without_pip_says_what_to_do(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PluginError, match=r"has no pip; install x with .* uv pip install x"):
        installation.run(["pip", "install", "x"])


@pytest.mark.parametrize(("there", "names"), [(True, []), (False, ["medigan-hub[tensorflow]"])])
def test_tensorflow_is_installed_with_a_model_of_it_where_none_is(
    document, monkeypatch, there, names
):
    model = ModelMetadata.from_document(document | {"framework": "TensorFlow"})
    monkeypatch.setattr(installation.importlib.util, "find_spec", lambda _: there or None)
    arguments = installation.command(model)
    assert arguments[5:] == [*names, "medigan-model-toy-noise"]
