"""What holds for every model whose weights are in this project."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from medigan_hub import Hub, metadata
from medigan_hub.contribution.checking import check
from medigan_hub.reference import MAX_SHARE, deviations
from support import ROOT

PLUGINS = ROOT / "plugins"
MODELS = sorted(
    path.parent.parent.name.removeprefix("medigan-model-")
    for path in PLUGINS.glob("medigan-model-*/*/weights")
)
MODULES = {"ONNX": "onnxruntime", "PyTorch": "torch", "TensorFlow": "tensorflow"}

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("model", MODELS)]


@pytest.fixture(scope="module")
def hub():
    return Hub()


def test_it_is_installed_and_described(hub, model):
    plugin = hub.model(model).plugin
    assert plugin is not None
    document = dict(plugin.metadata.document)
    assert metadata.validate(document) == []
    assert document["plugin"] == f"medigan-model-{model}"
    assert document["not_intended_for"]
    assert document["performance"], "its quality was measured"
    for file in plugin.metadata.files:
        assert (plugin.folder / file.file).stat().st_size <= 12 * 2**20


def test_its_card_shows_the_figures_of_its_metadata(hub, model):
    card = (PLUGINS / f"medigan-model-{model}" / "README.md").read_text()
    # A single digit could stand for anything.
    shown = [text for text in re.findall(r"\d+\.\d+|\d+", card) if len(text) > 1]
    for figure in hub.model(model).metadata.document["performance"]:
        # As it is or in per cent, rounded as the card has it (and in the metadata before).
        near = [
            text
            for text in shown
            for scale in (1, 100)
            if abs(float(text) - figure["value"] * scale)
            <= 0.5 * 10.0 ** -len(text.partition(".")[2]) + 0.6e-4 * scale
        ]
        assert near or abs(figure["value"]) < 0.01, f"{figure['metric']} {figure['value']}"


def test_it_still_makes_its_reference_samples(hub, model):
    found = deviations(hub.model(model).plugin)
    images = [output for output in hub.model(model).metadata.outputs if output.kind == "image"]
    assert {f"{images[0].name}/0", f"{images[0].name}/1"} <= set(found)
    assert max(found.values()) <= MAX_SHARE, found


def test_a_sample_is_the_same_whatever_the_batch_size(hub, model):
    count = 3 if hub.model(model).metadata.inputs else 17
    whole = _arrays(hub, model, count, 16)
    for batch_size in (1, 3):
        parts = _arrays(hub, model, count, batch_size)
        for name, kind in _kinds(hub, model).items():
            difference = np.abs(parts[name].astype(float) - whole[name])
            if kind == "mask":
                assert (difference > 0).mean() < 1e-3, name  # where rounding crosses the threshold
            else:
                assert difference.max() <= (1 if kind == "image" else 0), name


def test_samples_differ_and_depend_on_the_seed(hub, model):
    (name, _), *_ = _kinds(hub, model).items()
    samples = [*_arrays(hub, model, 3, 3, seed=1)[name], *_arrays(hub, model, 2, 2, seed=2)[name]]
    assert len({sample.tobytes() for sample in samples}) == 5
    assert min(sample.std() for sample in samples) > 3, "none is blank"


def test_the_same_seed_gives_the_same_bytes(hub, model, tmp_path):
    for name in ("a", "b"):
        hub.save(model, 2, tmp_path / name, seed=7)
    one, other = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}
        for folder in (tmp_path / "a", tmp_path / "b")
    )
    assert len(one) > 3
    assert one == other


def test_generating_imports_its_own_framework_alone(hub, model):
    own = MODULES[hub.model(model).metadata.framework]
    code = (
        "import sys; from medigan_hub import Hub;"
        f"list(Hub().generate({model!r}, 1));"
        f"print([name for name in {sorted(MODULES.values())} if name in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == (f"[{own!r}]\n", "")


def test_its_package_names_its_licence_and_holds_no_more_than_it_needs(model):
    folder = PLUGINS / f"medigan-model-{model}"
    package = folder / f"medigan_model_{model.replace('-', '_')}"
    assert (folder / "LICENSE").is_file()
    header = json.loads((package / "reference" / "dataset.json").read_text())
    assert (header["seed"], header["count"], header["synthetic"]) == (0, 2, True)
    for output in json.loads((package / "metadata.json").read_text())["outputs"]:
        files = sorted(path.name for path in (package / "reference" / output["name"]).glob("*"))
        assert files == ([] if output["kind"] == "label" else ["000000.png", "000001.png"])


def test_its_package_passes_the_check(model):
    report = check(PLUGINS / f"medigan-model-{model}")
    assert report.ok, report.failures


def _arrays(hub, model, count, batch_size, seed=3):
    batches = list(hub.generate(model, count, seed=seed, batch_size=batch_size))
    return {
        name: np.concatenate([batch.arrays[name] for batch in batches])
        for name in batches[0].arrays
    }


def _kinds(hub, model):
    return {output.name: output.kind for output in hub.model(model).metadata.outputs}
