"""How input images are read, as the command line says it."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest
from PIL import Image

from medigan_hub.cli import main
from support.pictures import png

CODE = """
from medigan_hub.plugin import ImageToImage, NetworkRuntime


class Same(NetworkRuntime):
    def open(self, files, device, precision):
        return lambda images: images


plugin = ImageToImage(__file__, numpy=Same())
"""


@pytest.fixture
def generate(install, document, capsys, tmp_path, monkeypatch):
    """Return a function that makes images of inputs: (standard error, images, rows)."""
    document["outputs"][0] |= {"shape": [None, None, 1], "dtype": "uint16", "range": [0, 65535]}
    document["inputs"] = [
        {"name": "scan", "kind": "image", "channels": ["intensity"], "required": True}
    ]
    install(document=document | {"task": "image-to-image", "latent": None}, code=CODE)
    monkeypatch.chdir(tmp_path)
    counted = iter(range(99))

    def run(*arguments: str):
        out = tmp_path / f"out{next(counted)}"
        with pytest.raises(SystemExit) as ended:
            main(["generate", "toy-noise", *arguments, "-o", str(out)])
        said = " ".join(capsys.readouterr().err.split())
        if ended.value.code:
            assert not out.exists()
            return said, [], []
        made = [np.asarray(Image.open(path)) for path in sorted((out / "image").iterdir())]
        rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
        return said, made, rows

    return run


def write(path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((4, 5), 1000, np.uint16)
    pixels[0, 0] = level
    path.write_bytes(png(pixels, 16))


def test_subfolders_are_taken_by_an_option_that_the_error_names(generate, tmp_path):
    for name in ("malignant", "benign"):
        write(tmp_path / "scans" / name / "a.png", 3000)
    said, _, _ = generate("--input", "scans")
    assert "scans holds no images itself, and 2 images in subfolders" in said
    assert "--recursive" in said
    said, made, rows = generate("--input", "scans", "--recursive", "--bits", "16")
    assert [row["input"] for row in rows] == ["benign/a.png", "malignant/a.png"]
    assert [image[0, 0] for image in made] == [3000, 3000]


def test_the_depth_is_said_and_may_be_said_otherwise(generate, tmp_path):
    write(tmp_path / "a.png", 3000)
    said, made, _ = generate("--input", "a.png")
    assert "taken as 12 bits, since the brightest pixel is 3000, in a.png" in said
    assert "--bits" in said
    assert made[0][0, 0] == round(3000 * 65535 / 4095)
    said, made, _ = generate("--input", "a.png", "--bits", "14")
    assert "taken as" not in said
    assert made[0][0, 0] == round(3000 * 65535 / 16383)
    said, _, _ = generate("--input", "a.png", "--bits", "11")
    assert "a.png has values up to 3000, which 11 bits don't hold; give more --bits" in said


def test_a_volume_is_cut_and_windowed_as_wished(generate, tmp_path):
    data = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    nibabel.save(nibabel.Nifti1Image(data, np.diag([2, 2, 2, 1])), tmp_path / "v.nii.gz")
    _, made, _ = generate("--input", "v.nii.gz", "--slice-axis", "coronal", "--window", "29.5,59")
    wanted = [np.rint(np.flip(cut, (0, 1)).T * (65535 / 59)) for cut in data.transpose(1, 0, 2)]
    assert np.array_equal(made, wanted)
    said, _, _ = generate("--input", "v.nii.gz", "--window", "3")
    assert "--window 3 says nothing of these input images; leave it out" in said


def test_unreadable_files_are_left_out_by_an_option_that_the_error_names(generate, tmp_path):
    write(tmp_path / "scans" / "a.png", 60000)
    (tmp_path / "scans" / "b.png").write_bytes(b"no image")
    said, _, _ = generate("--input", "scans")
    assert "b.png is not an image" in said
    assert "--skip-unreadable" in said
    said, made, _ = generate("--input", "scans", "--skip-unreadable")
    assert len(made) == 1
    assert "left out: 1 x unreadable" in said
