"""The wheels that users install, as against the checkout that developers have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from support import ROOT

PLUGINS = sorted((ROOT / "plugins").glob("medigan-model-*"))


@pytest.fixture(scope="module")
def site(wheels, site_of):
    return site_of(wheels)


def test_the_wheels_hold_what_is_needed_and_no_more(wheels):
    hub, *plugins = wheels
    names = set(zipfile.ZipFile(hub).namelist())
    for name in ("model-metadata", "evaluation", "privacy", "utility", "benchmark"):
        assert f"medigan_hub/schemas/{name}.schema.json" in names
    assert "medigan_hub/evaluation/report/page.html" in names
    assert "medigan_hub/py.typed" in names
    assert "medigan_hub/catalogue/dcgan-mmg-calc-roi.json" in names
    templates = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "templates").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {f"medigan_hub/{name}" for name in templates} <= names
    assert not any(name.startswith(("tests", "plugins")) for name in names)
    assert len(plugins) == len(PLUGINS)
    for wheel in plugins:
        package = wheel.name.split("-")[0]
        names = set(zipfile.ZipFile(wheel).namelist())
        assert f"{package}/metadata.json" in names
        bundled = any(name.startswith(f"{package}/weights/") for name in names)
        assert bundled == (f"{package}/reference/manifest.jsonl" in names)
        assert any(name.endswith("licenses/LICENSE") for name in names)
        assert not any(name.startswith(("tests", "training")) for name in names)
        assert wheel.stat().st_size < 12 * 2**20


def test_the_installed_hub_generates_with_the_installed_plugin(site, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(site), "MEDIGAN_CACHE": str(tmp_path / "cache")}

    def run(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, *arguments],
            check=True,
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
        ).stdout

    where = run("-c", "import medigan_hub; print(medigan_hub.__file__)")
    assert Path(where.strip()).is_relative_to(site)
    models = json.loads(run("-m", "medigan_hub", "list", "--json"))
    installed = [model["name"] for model in models if model["installed"]]
    assert installed == [path.name.removeprefix("medigan-model-") for path in PLUGINS]
    assert len([model for model in models if model["medigan_id"]]) == 23
    where = run("-c", "import medigan_model_cyclegan_dbt as m; print(m.__file__)")
    assert Path(where.strip()).is_relative_to(site)
    run("-m", "medigan_hub", "generate", "cyclegan-dbt", "-o", "out")
    assert (tmp_path / "out" / "image" / "000000.png").is_file()
