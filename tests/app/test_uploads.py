"""What is uploaded is looked at before it is used, and is its user's alone."""

from __future__ import annotations

import pickle
import struct
import time
import zlib

import numpy as np
import PIL.Image
import pytest

from support.driving import captions, complaint, generate, opened, press, sources, upload, use


@pytest.fixture
def tab(page):
    return use(page, "cyclegan-dbt", "Generate")


def png(width, height, content=b""):
    """Return a PNG file whose header claims a size, whatever follows."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(content)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


class Trap:
    """What is run where a pickle is read."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return open, (str(self._path), "w")


def grey(path, size=(40, 30)):
    PIL.Image.fromarray(np.arange(np.prod(size)).reshape(size).astype(np.uint8)).save(path)
    return path


def test_files_that_are_no_images_are_refused_in_words_and_the_app_goes_on(tab, tmp_path):
    whole = grey(tmp_path / "whole.png", (200, 200)).read_bytes()
    colours = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    PIL.Image.fromarray(colours).save(tmp_path / "colours.bmp")
    PIL.Image.new("1", (2049, 2049)).save(tmp_path / "large.tif")
    np.save(tmp_path / "channels.npy", np.zeros((8, 8, 5), np.uint8))
    np.save(tmp_path / "loud.npy", np.full((8, 8), 2.0))
    trap = tmp_path / "sprung"
    (tmp_path / "trap.npy").write_bytes(
        b"\x93NUMPY\x01\x00"
        + struct.pack("<H", 62)
        + b"{'descr': '|O', 'fortran_order': False, 'shape': (8, 8), }".ljust(61)
        + b"\n"
        + pickle.dumps(Trap(trap))
    )
    for name, content in {
        "text.png": b"Dear reader, this is a letter.",
        "bomb.png": png(60000, 60000),
        "short.png": whole[: len(whole) // 2],
        "text.dcm": b"x" * 500,
        "empty.jpg": b"",
    }.items():
        (tmp_path / name).write_bytes(content)
    for name, words in {
        "text.png": "text.png",
        "bomb.png": "60000 x 60000 pixels; at most 4.19 million are taken",
        "short.png": "short.png",
        "large.tif": "2049 x 2049 pixels; at most 4.19 million are taken",
        "colours.bmp": "colours.bmp",
        "channels.npy": "channels",
        "loud.npy": "loud.npy has values from 2 to 2",
        "trap.npy": "trap.npy",
        "text.dcm": "text.dcm",
        "empty.jpg": "empty.jpg",
    }.items():
        upload(tab.locator("#upload-mammogram"), tmp_path / name)
        press(tab, "Generate")
        said = complaint(tab)
        assert words in said, name
        assert "fault of the hub" not in said, name
        assert "Traceback" not in said, name
        assert str(tmp_path.parents[1]) not in said, "where the server keeps things is its own"
    assert not trap.exists()
    upload(tab.locator("#upload-mammogram"), grey(tmp_path / "good.png"))
    generate(tab)
    assert len(sources(tab)) == 2


def test_too_many_files_and_files_of_one_name_are_refused(tab, tmp_path):
    many = [grey(tmp_path / f"{number}.png", (8, 8)) for number in range(65)]
    upload(tab.locator("#upload-mammogram"), *many)
    press(tab, "Generate")
    assert "65 files were uploaded; the app takes 64 at a time" in complaint(tab)
    (tmp_path / "other").mkdir()
    twins = [grey(folder / "scan.png") for folder in (tmp_path, tmp_path / "other")]
    field = tab.locator("#upload-mammogram")
    field.get_by_role("button", name="Clear").click()
    field.locator("input[type=file]").set_input_files(twins)
    field.locator(".filename").nth(1).wait_for()
    press(tab, "Generate")
    tab.get_by_text("two files are named scan.png; rename one").wait_for()


def test_several_files_come_in_the_order_of_their_names_one_sample_each(tab, tmp_path):
    files = [grey(tmp_path / name) for name in ("b.png", "a.png")]
    upload(tab.locator("#upload-mammogram"), *files)
    generate(tab, count="17")
    told = [caption for caption in captions(tab) if caption.startswith("Input")]
    assert told == ["Input, as given · a.png", "Input, as given · b.png"]
    assert len(sources(tab)) == 4


def test_a_name_is_shown_as_it_is_and_never_run(tab, tmp_path):
    name = "<img src=x onerror=document.title='run'>&.png"
    upload_as_it_is(tab.locator("#upload-mammogram"), grey(tmp_path / name))
    generate(tab)
    assert any("onerror" in caption for caption in captions(tab))
    assert tab.locator("figcaption img").count() == 0
    assert tab.page.title() == "medigan-hub"
    assert opened(sources(tab)[0]).info["Synthetic"] == "not known"


def upload_as_it_is(field, file):
    field.locator("input[type=file]").set_input_files(file)
    field.locator(".filename").wait_for()


def test_uploads_are_removed_when_the_page_is_closed(open_page, temporary, tmp_path):
    page = open_page(apart=True)
    tab = use(page, "cyclegan-dbt", "Generate")
    upload(tab.locator("#upload-mammogram"), grey(tmp_path / "my-scan.png"))
    generate(tab)
    assert list(temporary.rglob("my-scan.png"))
    page.close()
    end = time.monotonic() + 60
    while left := list(temporary.rglob("my-scan.png")):
        assert time.monotonic() < end, f"the upload is still there: {left}"
        time.sleep(0.05)


def test_it_is_said_what_was_taken_of_an_upload(tab, tmp_path):
    pixels = np.tile(np.linspace(0, 3000, 210).astype(np.uint16), (200, 1))
    PIL.Image.fromarray(pixels).save(tmp_path / "detector.png")
    upload(tab, tmp_path / "detector.png")
    generate(tab)
    said = tab.locator("#generate-status").inner_text()
    assert "mammogram: 1 image of 200 x 210 pixels, 16 bits" in said
    assert "taken as 12 bits, since the brightest pixel is 3000" in said
