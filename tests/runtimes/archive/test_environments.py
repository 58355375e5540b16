"""Environments for published code: made once, apart from the hub's own."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from medigan_hub import HubError
from medigan_hub.runtimes.archive.environments import environment
from support import archives


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, from which alone pip takes packages."""
    folder = archives.stub_index(tmp_path / "index")
    for name, value in archives.without_network(folder).items():
        monkeypatch.setenv(name, value)
    return folder


@pytest.fixture
def said() -> list[str]:
    return []


def output(python: Path, code: str) -> str:
    """Return what some code prints in an environment."""
    answer = subprocess.run([python, "-I", "-c", code], capture_output=True, check=True, text=True)
    return answer.stdout.strip()


def test_an_environment_holds_what_is_asked_for_and_numpy_and_nothing_of_the_hubs(index):
    archives.make_wheel(index, "ancient-gan", "0.1", {"ancient_gan.py": "NAME = 'ancient'"})
    python = environment(["ancient-gan==0.1"])
    assert output(python, "import numpy, ancient_gan; print(ancient_gan.NAME)") == "ancient"
    for module in ("medigan_hub", "pluggy"):
        code = f"import importlib.util; print(importlib.util.find_spec({module!r}))"
        assert output(python, code) == "None"


def test_an_environment_is_made_once_for_the_same_requirements_in_any_order(index, said):
    archives.stub_index(index, ["Path", "easydep"])
    first = environment(["Path", "numpy", "easydep"], said.append)
    shutil.rmtree(index)
    assert environment(["easydep", "Path"], said.append) == first
    assert len(said) == 1
    assert "easydep, numpy, Path" in said[0]


def test_other_requirements_make_another_environment(index):
    archives.make_wheel(index, "easydep", "1.0")
    archives.make_wheel(index, "easydep", "2.0")
    assert environment(["easydep<2"]) != environment(["easydep>=2"])


def test_an_incomplete_environment_is_made_anew(index, said, own_cache):
    python = environment([], said.append)
    (marker,) = own_cache.glob("environments/*/medigan-complete.json")
    marker.unlink()
    (marker.parent / "half-installed").touch()
    assert environment([], said.append) == python
    assert len(said) == 2
    assert not (marker.parent / "half-installed").exists()


def test_an_environment_whose_python_is_gone_is_made_anew(index, said):
    python = environment([], said.append)
    python.unlink()
    python.symlink_to("/no/such/python")
    assert output(environment([], said.append), "import numpy; print('fine')") == "fine"


def test_two_processes_that_want_the_same_environment_make_it_once(index):
    code = (
        "import sys; from medigan_hub.runtimes.archive.environments import environment; "
        "print(environment([], sys.stderr.write))"
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    answers = [process.communicate() for process in both]
    paths = {out.strip() for out, _ in answers}
    assert len(paths) == 1
    assert output(Path(paths.pop()), "import numpy; print('fine')") == "fine"
    assert sum(err.count("making an environment") for _, err in answers) == 1


def test_what_cannot_be_installed_is_told_in_one_line_with_a_log(index, own_cache):
    with pytest.raises(HubError, match="no-such-gan") as caught:
        environment(["no-such-gan>=3"])
    (log,) = own_cache.glob("logs/*.log")
    assert str(log) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "no-such-gan" in log.read_text()
    archives.make_wheel(index, "no-such-gan", "3")
    assert environment(["no-such-gan>=3"]).exists()


def test_requirements_that_contradict_each_other_are_named(index):
    archives.make_wheel(index, "easydep", "1.0")
    archives.make_wheel(index, "easydep", "2.0")
    with pytest.raises(HubError, match=r"no environment could be made.* easydep"):
        environment(["easydep==1.0", "easydep==2.0"])


@pytest.mark.parametrize(
    "text",
    [
        "-r requirements.txt",
        "--index-url=https://example.org",
        "gan @ file:///tmp/gan.whl",
        "gan @ https://example.org/gan.whl",
        "./gan",
        "../gan-1.0-py3-none-any.whl",
        "gan\n--index-url=https://example.org",
        "",
    ],
)
def test_only_plain_requirements_are_installed(text, index, own_cache):
    with pytest.raises(HubError, match="the dependency") as caught:
        environment([text])
    assert "\n" not in str(caught.value)
    assert not (own_cache / "environments").exists()


def test_offline_packages_come_from_local_folders_alone(tmp_path, monkeypatch):
    folder = archives.stub_index(tmp_path / "index", ["easydep"])
    monkeypatch.setenv("MEDIGAN_OFFLINE", "1")
    for name in ("PIP_NO_INDEX", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", f"http://127.0.0.1:9/ {folder}")
    assert environment(["easydep"]).exists()
    with pytest.raises(HubError, match=r"no-such-gan.* PIP_FIND_LINKS"):
        environment(["no-such-gan"])


def test_settings_that_lead_pip_elsewhere_touch_nothing(index, tmp_path, monkeypatch):
    archives.make_wheel(index, "ancient-gan", "0.1", {"ancient_gan.py": "NAME = 'ancient'"})
    elsewhere = tmp_path / "elsewhere"
    for name in ("PIP_TARGET", "PIP_PREFIX", "PYTHONUSERBASE"):
        monkeypatch.setenv(name, str(elsewhere))
    monkeypatch.setenv("PIP_USER", "1")
    before = {each.name for each in importlib.metadata.distributions()}
    assert output(environment(["ancient-gan"]), "import ancient_gan; print('there')") == "there"
    assert not elsewhere.exists()
    assert {each.name for each in importlib.metadata.distributions()} == before


def test_another_python_can_be_named(index, monkeypatch):
    first = environment([])
    monkeypatch.setenv("MEDIGAN_ARCHIVE_PYTHON", os.path.realpath(sys.executable))
    second = environment([])
    assert first != second
    assert output(second, "import sys; print(*sys.version_info[:2])") == output(
        Path(sys.executable), "import sys; print(*sys.version_info[:2])"
    )


@pytest.mark.parametrize("answer", [None, "exit 3", "echo 2 7 linux", "echo nonsense"])
def test_a_python_that_cannot_be_used_is_refused(answer, index, tmp_path, monkeypatch):
    chosen = tmp_path / "python"
    if answer is not None:
        chosen.write_text(f"#!/bin/sh\n{answer}\n")
        chosen.chmod(0o755)
    monkeypatch.setenv("MEDIGAN_ARCHIVE_PYTHON", str(chosen))
    with pytest.raises(HubError, match=r"MEDIGAN_ARCHIVE_PYTHON is .*3\.8 or later"):
        environment([])
