"""Checkpoints are read without running what they may hold."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from medigan_hub import WeightsError, weights
from support.zips import zipped

torch = pytest.importorskip("torch")


class Block(torch.nn.Module):
    """A module as a published package would define it."""

    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
        self.scale = torch.nn.Parameter(torch.ones(3))
        self.register_buffer("passing", torch.zeros(1), persistent=False)
        self.nothing = None


@pytest.mark.parametrize("modern", [True, False])
def test_checkpoints_of_tensors_and_numbers_are_read(tmp_path, modern):
    saved = {
        "weights": {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.half)},
        "epoch": 7,
        "loss": np.float64(0.25),
        "step": np.int32(-3),
        "array": np.arange(6, dtype=">f4").reshape(2, 3),
    }
    torch.save(saved, tmp_path / "x.pt", _use_new_zipfile_serialization=modern)
    found = weights.read_checkpoint(tmp_path / "x.pt")
    assert torch.equal(found["weights"]["a"], saved["weights"]["a"])
    assert (found["epoch"], found["loss"], found["step"]) == (7, 0.25, -3)
    np.testing.assert_array_equal(found["array"], saved["array"])


@pytest.mark.parametrize("modern", [True, False])
def test_whole_modules_are_read_as_shells(tmp_path, modern):
    torch.manual_seed(0)
    blocks = [Block(), Block()]
    torch.save(blocks, tmp_path / "Gs.pth", _use_new_zipfile_serialization=modern)
    name = f"{Block.__module__}.Block"
    with pytest.raises(WeightsError) as caught:
        weights.read_checkpoint(tmp_path / "Gs.pth")
    assert "\n" not in str(caught.value)
    shells = weights.read_checkpoint(tmp_path / "Gs.pth", {name: weights.Shell})
    assert len(shells) == 2
    for shell, block in zip(shells, blocks, strict=True):
        tensors, expected = weights.tensors_of(shell), block.state_dict()
        assert tensors.keys() == expected.keys()
        assert all(torch.equal(tensors[key], expected[key]) for key in expected)
    with pytest.raises(WeightsError, match="holds dict, and not a module"):
        weights.tensors_of({})


def test_a_safetensors_file_is_read_whatever_its_name(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.ones(2)}, tmp_path / "x.pt")
    assert torch.equal(weights.read_checkpoint(tmp_path / "x.pt")["a"], torch.ones(2))


class Evil:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("modern", [True, False])
@pytest.mark.parametrize("classes", [{}, {"x.Block": weights.Shell}])
@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda marker: Evil(os.system, f"touch {marker}"), "posix.system"),
        (lambda marker: Evil(eval, f"open({str(marker)!r}, 'w')"), "eval"),
        (lambda marker: Evil(exec, f"open({str(marker)!r}, 'w')"), "exec"),
        (lambda marker: Evil(subprocess.call, ["touch", str(marker)]), "call"),
        (lambda marker: Evil(Path.touch, marker), "getattr"),
        (lambda marker: Evil(np.load, "x"), "numpy.load"),
        (lambda marker: {"a": [Evil(shutil.rmtree, "/nothing")]}, "shutil.rmtree"),
    ],
)
def test_a_checkpoint_never_runs_anything(tmp_path, make, name, classes, modern):
    marker = tmp_path / "marker"
    torch.save(make(marker), tmp_path / "x.pt", _use_new_zipfile_serialization=modern)
    with pytest.raises(WeightsError) as caught:
        weights.read_checkpoint(tmp_path / "x.pt", classes)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not marker.exists()


def test_arrays_of_objects_are_refused(tmp_path):
    torch.save({"a": np.array([{}, None])}, tmp_path / "x.pt")
    with pytest.raises(WeightsError, match=r"it has numbers of the type 'O8'"):
        weights.read_checkpoint(tmp_path / "x.pt")


@pytest.mark.parametrize("classes", [{}, {"x.Block": weights.Shell}])
@pytest.mark.parametrize("kind", ["modern", "legacy", "empty", "text", "zip", "pickle", "folder"])
def test_what_is_no_checkpoint_is_told_in_one_line(tmp_path, kind, classes):
    path = tmp_path / "x.pt"
    if kind in ("modern", "legacy"):
        tensors = {"a": torch.ones(1000)}
        torch.save(tensors, path, _use_new_zipfile_serialization=kind == "modern")
        path.write_bytes(path.read_bytes()[:-2000])
    elif kind == "folder":
        path.mkdir()
    else:
        texts = {
            "empty": b"",
            "text": b"no checkpoint\n",
            "zip": zipped({"a.txt": b"text"}),
            "pickle": pickle.dumps(1),
        }
        path.write_bytes(texts[kind])
    with pytest.raises(WeightsError, match=r"x\.pt") as caught:
        weights.read_checkpoint(path, classes)
    assert "\n" not in str(caught.value)


def test_a_missing_checkpoint_is_told(tmp_path):
    with pytest.raises(WeightsError, match="can't be read: No such file"):
        weights.read_checkpoint(tmp_path / "x.pt")
