"""Formats of input images that other packages bring."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from medigan_hub import HubWarning, RequestError, inputs, plugins
from medigan_hub.cli import main
from medigan_hub.inputs import decoders
from support import toys

# A format of one line, and of bare files too: "GREY 3 2" and the pixels.
CODE = """
import numpy as np
from medigan_hub.plugin import Decoder, Frames, Picture, hookimpl

class GreyDecoder(Decoder):
    format = "grey"
    called = "Grey (.grey)"
    suffixes = (".grey",)
    often_bare = True

    def knows(self, start):
        return start.startswith(b"GREY ")

    def frames(self, path, reading):
        with path.open("rb") as stream:
            width, height = stream.readline().split()[1:]
        return Frames(1, int(height), int(width))

    def read(self, path, frame, reading):
        head = self.frames(path, reading)
        content = path.read_bytes().partition(b"\\n")[2]
        return Picture(np.frombuffer(content, np.uint8).reshape(head.height, head.width))

def raising(self):
    raise ValueError("no")

class plugin:
    @staticmethod
    @hookimpl
    def register_decoders():
        {body}
"""


@pytest.fixture
def extend(install):
    """Return a function that installs an extension whose hook runs a line of Python."""

    def install_extension(body: str = "return [GreyDecoder()]", name: str = "toy-grey"):
        return install(name, code=CODE.replace("{body}", body), group=plugins.EXTENSIONS)

    return install_extension


def write_grey(path, pixels):
    height, width = pixels.shape[:2]
    path.write_bytes(f"GREY {width} {height}\n".encode() + pixels.tobytes())


def test_images_of_a_format_that_a_package_brings_are_generated_from(
    extend, install, document, ramp, tmp_path
):
    extend()
    document["outputs"][0] |= {"shape": [None, None, 1]}
    document["inputs"] = [
        {"name": "photo", "kind": "image", "channels": ["intensity"], "required": True}
    ]
    install(document=document | {"task": "image-to-image", "latent": None}, code=toys.code("same"))
    folder = tmp_path / "photos"
    folder.mkdir()
    write_grey(folder / "a.grey", ramp)
    write_grey(folder / "b", 255 - ramp)  # found without a suffix, by its content
    (folder / "notes.txt").write_text("GREY, but no image: it has no such suffix, or beginning")
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as ended:
        main(["generate", "toy-noise", "--input", str(folder), "-o", str(out)])
    assert not ended.value.code
    made = [np.asarray(Image.open(path)) for path in sorted((out / "image").iterdir())]
    assert np.array_equal(made, [ramp[:, :, 0], 255 - ramp[:, :, 0]])
    row = json.loads((out / "manifest.jsonl").read_text().splitlines()[0])
    assert row["input"] == "a.grey"


def test_what_such_a_format_claims_is_looked_at_before_it_is_decoded(extend, tmp_path):
    extend()
    path = tmp_path / "claim.grey"
    path.write_bytes(b"GREY 99999 99999\n")
    with pytest.raises(RequestError, match=r"claim\.grey is too large to open safely"):
        inputs.read(path)
    path.write_bytes(b"GREY 9999 9999\n")
    with pytest.raises(RequestError, match=r"claim\.grey has 9999 x 9999 pixels"):
        inputs.check_size(path, 10**6)
    path.write_bytes(b"GREY 99 99\n")
    with pytest.raises(RequestError, match=r"claim\.grey can't be read: cannot reshape"):
        inputs.read(path)


def test_the_formats_are_named_where_a_file_is_of_none(extend, tmp_path):
    extend()
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(
        RequestError, match=r"PGM, DICOM, NIfTI, NumPy \(\.npy, \.npz\) or Grey \(\.grey\) files"
    ):
        inputs.read(tmp_path / "notes.txt")
    with pytest.raises(RequestError, match=r"holds no images \(left out: 1 x no image \(notes"):
        inputs.find(tmp_path)
    (tmp_path / "notes.txt").unlink()
    with pytest.raises(RequestError, match=r"holds no images \(\.png .* \.npz \.grey\)"):
        inputs.find(tmp_path)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("return [7]", "it is no Decoder"),
        ("return [GreyDecoder]", "it is no Decoder"),
        ("return [type('Odd', (GreyDecoder,), {'format': 'A B'})()]", "lower case, as png is"),
        ("return [type('Mute', (GreyDecoder,), {'called': None})()]", "what its files are called"),
        ("return [type('Bare', (GreyDecoder,), {'suffixes': '.x'})()]", "its suffixes are .x"),
        ("return [type('Again', (GreyDecoder,), {'format': 'dicom'})()]", "dicom is there already"),
        ("return [type('Bad', (GreyDecoder,), {'format': property(raising)})()]", "ValueError: no"),
        ("return [Decoder()]", "its register_decoders fails: TypeError"),
    ],
)
def test_what_is_no_decoder_is_a_warning_each_time_and_changes_nothing(
    extend, tmp_path, ramp, body, fault
):
    extend(body)
    Image.fromarray(ramp[:, :, 0]).save(tmp_path / "a.png")
    for _ in range(2):
        with pytest.warns(HubWarning, match=fault):
            assert np.array_equal(inputs.read(tmp_path / "a.png"), ramp)


def test_an_own_format_is_read_by_the_hub_itself(extend, tmp_path, ramp):
    body = "return [type('All', (GreyDecoder,), {'knows': lambda self, start: True})()]"
    extend(body)
    Image.fromarray(ramp[:, :, 0]).save(tmp_path / "a.png")
    assert np.array_equal(inputs.read(tmp_path / "a.png"), ramp)


def test_a_decoder_that_fails_is_a_warning_and_stops_no_other(extend, tmp_path, ramp):
    extend("return [type('Odd', (GreyDecoder,), {'knows': lambda self, start: 1 / 0})()]")
    Image.fromarray(ramp[:, :, 0]).save(tmp_path / "a.png")
    (tmp_path / "notes").write_text("no image, and no suffix")
    with pytest.warns(HubWarning, match="the decoder grey fails: ZeroDivisionError"):
        (found,) = inputs.find(tmp_path)
    assert np.array_equal(found, ramp)


def test_what_is_installed_or_removed_meanwhile_is_noticed(extend, tmp_path):
    before = decoders.suffixes()
    assert decoders.suffixes() == before
    extend()
    assert decoders.suffixes() == (*before, ".grey")
    assert decoders.suffixes() == (*before, ".grey")
    shutil.rmtree(tmp_path / "site" / "medigan_model_toy_grey-1.0.0.dist-info")
    assert decoders.suffixes() == before
