from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medigan_hub.plugin import Hub

MODEL = "fastgan-brain-mri"


@pytest.fixture(scope="module")
def hub():
    return Hub()


def test_both_runtimes_make_the_same_images(hub):
    ours, theirs = (
        next(hub.generate(MODEL, 16, seed=7, batch_size=16, runtime=runtime))
        for runtime in ("onnx", "torch")
    )
    assert np.array_equal(ours.arrays["height"], theirs.arrays["height"])
    image, other = (batch.arrays["image"].astype(int) for batch in (ours, theirs))
    assert image.std() > 20
    assert np.abs(image - other).max() <= 1
    for name in ("grey_matter", "white_matter"):
        assert (ours.arrays[name] != theirs.arrays[name]).mean() < 1e-4


def test_what_ran_it_stands_in_the_header(hub, tmp_path):
    for runtime in ("onnx", "torch"):
        hub.save(MODEL, 1, tmp_path / runtime, runtime=runtime)
        header = json.loads((tmp_path / runtime / "dataset.json").read_text())
        weights = hub.model(MODEL).metadata.weights_for(runtime)
        assert (header["runtime"], header["weights_sha256"]) == (runtime, weights.sha256)


def test_it_needs_no_pytorch(tmp_path):
    # A finder that comes first and finds no torch, as where none is installed.
    blocked = (
        "import sys\n"
        "class Without:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'tensorflow'):\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Without())\n"
    )
    (tmp_path / "sitecustomize.py").write_text(blocked)
    command = ["-m", "medigan_hub", "generate", MODEL, "-n", "2", "-o", "out"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    for name in ("image", "grey_matter", "white_matter"):
        with Image.open(tmp_path / "out" / name / "000001.png") as picture:
            assert picture.size == (128, 128)


def test_the_export_makes_the_same_graph_again(tmp_path, run):
    output = run("export.py", "--out", "again.onnx", folder=tmp_path)
    found = re.search(r"again.onnx: .* MB, SHA-256 \w{64}, differs from PyTorch by (\S+)", output)
    assert float(found[1]) < 1e-4
    content = (tmp_path / "again.onnx").read_bytes()
    assert str(Path(sys.prefix)).encode() not in content, "no path of the machine is in the file"
