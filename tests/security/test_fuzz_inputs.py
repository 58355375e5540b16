"""Input images by chance: whatever a file holds, it is read, or refused in one line, at once."""

from __future__ import annotations

import gzip
import io
import os
import resource
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from medigan_hub import RequestError, inputs
from support import damage
from support.pictures import chunk, png

CASES = 10_000
"""Files in a usual run."""
AT_ONCE = 20_000
"""Files between two looks at the clock."""


def test_fuzz_what_is_read_as_an_image(tmp_path, capsys):
    """In a process of its own, of which little memory is left: a crash is a failure, too."""
    seconds = float(os.environ.get("MEDIGAN_FUZZ_SECONDS", "0"))
    begun, done = time.monotonic(), 0
    first = int(time.time()) * AT_ONCE if seconds else 0
    while done == 0 or time.monotonic() - begun < seconds:
        count = AT_ONCE if seconds else CASES
        made = subprocess.run(
            [sys.executable, damage.__file__, str(tmp_path), str(first + done), str(count)],
            capture_output=True,
            text=True,
            errors="replace",
        )
        case = (tmp_path / "case").read_bytes() if (tmp_path / "case").exists() else b""
        assert made.returncode == 0, (made.stderr[-3000:], case)
        assert made.stdout == "done\n"
        done += count
    if seconds:
        with capsys.disabled():
            print(f"\n{done} files in {time.monotonic() - begun:.0f} s, none did harm")  # noqa: T201


def highest_memory() -> int:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def refused(path: Path, message: str = "") -> None:
    """Read a file, which must be refused at once, in one line, and in little memory."""
    before, begun = highest_memory(), time.process_time()
    with pytest.raises(RequestError, match=message) as error:
        list(inputs.find(path))
    assert time.process_time() - begun < 2
    assert highest_memory() - before < 300 * 2**20
    assert path.name in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < damage.LONGEST + len(str(path))


SEEDS = damage.seeds()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SEEDS)
def test_a_file_that_is_cut_off_is_refused(tmp_path, name):
    seed = SEEDS[name]
    whole = seed.pack(seed.content)
    path = tmp_path / name
    path.write_bytes(whole)
    assert all(image.size for image in inputs.find(path))
    for kept in (0, 1, 20, len(whole) // 3, len(whole) - 30):
        path.write_bytes(whole[:kept])
        refused(path, "is empty" if kept == 0 else "")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SEEDS)
def test_a_name_that_says_otherwise_changes_nothing(tmp_path, name):
    seed = SEEDS[name]
    content = seed.pack(seed.content)
    path = tmp_path / name
    path.write_bytes(content)
    wanted = [image.tobytes() for image in inputs.find(path)]
    for suffix in (".png", ".dcm", ".nii.gz", ".npz", ".txt"):
        other = tmp_path / f"other{suffix}"
        other.write_bytes(content)
        assert [image.tobytes() for image in inputs.find(other)] == wanted
        other.write_bytes(b"This is text, and no image at all.\n" * 40)
        refused(other, "is not an image that can be read; give PNG")


def archive(size: int) -> bytes:
    """Return a .npz that grows to so many bytes."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (size // 1000, 1000)}
    )
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file, file.open("a.npy", "w") as out:
        out.write(header.getvalue())
        for _ in range(size // 10**6):
            out.write(bytes(10**6))
    return stream.getvalue()


def crowd() -> bytes:
    """Return a .npz with more members than are looked through."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for number in range(2000):
            file.writestr(f"{number}.npy", b"")
    return stream.getvalue()


def volume(depth: int) -> bytes:
    """Return a NIfTI volume of nothing, whose file is far smaller than what it grows to."""
    content = bytearray(SEEDS["slice.nii"].content[:352])
    content[40:48] = np.array([3, 1000, 1000, depth], "<i2").tobytes()
    return gzip.compress(bytes(content) + bytes(10**6))


def film(count: int) -> bytes:
    """Return a GIF of so many frames, all but the first of them of one pixel."""
    frame = b",\0\0\0\0\1\0\1\0\0\2\2D\1\0"
    head = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff"
    return head + frame * count + b";"


def talkative() -> bytes:
    """Return a PNG with texts that grow to far more than the file has."""
    import zlib

    text = b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8), 9)
    whole = png(np.zeros((4, 4), np.uint8))
    return whole[:33] + chunk(*text) * 3 + whole[33:]


def claiming(name: str, old: bytes, new: bytes) -> bytes:
    """Return a whole file in whose header a number is another."""
    content = SEEDS[name].content
    assert content.count(old) >= 1
    return content.replace(old, new, 1)


LONG = (10**5).to_bytes(4, "little")
BOMBS = {
    "zeros.npz": (lambda: archive(600_000_000), r"an array of \d+ bytes, and at most"),
    "wide.npz": (lambda: archive(100_000_000), "is too large to open safely"),
    "crowd.npz": (crowd, "too many arrays to look through"),
    "deep.nii.gz": (lambda: volume(30000), "is damaged: it claims 1000 x 1000 x 30000 voxels"),
    "film.gif": (lambda: film(50_000), "holds over 2000 pictures; give files of fewer"),
    "text.png": (talkative, "can't be read: "),
    "claim.pgm": (lambda: b"P5 100000 100000 255\n" + bytes(99), "is too large to open safely"),
    "plain.pgm": (lambda: b"P2 100000 100000 255\n1 2 3", "is too large to open safely"),
    "claim.jpg": (
        lambda: claiming("grey.JPEG", b"\x08\x00\x07\x00\x09", b"\x08\xff\xff\xff\xff"),
        "is too large to open safely",
    ),
    "claim.gif": (
        lambda: claiming("grey.GIF", b"\x09\0\x07\0", b"\xff\xff\xff\xff"),
        "is too large to open safely",
    ),
    "claim.tif": (
        lambda: claiming(
            "half.tif", b"\x00\x01\x04\0\1\0\0\0\x09\0\0\0", b"\x00\x01\x04\0\1\0\0\0" + LONG
        ).replace(b"\x01\x01\x04\0\1\0\0\0\x07\0\0\0", b"\x01\x01\x04\0\1\0\0\0" + LONG),
        "is too large to open safely",
    ),
    "flat.tif": (
        lambda: claiming(
            "half.tif", b"\x00\x01\x04\0\1\0\0\0\x09\0\0\0", b"\x00\x01\x04\0\1\0\0\0" + LONG
        ),
        "can't be read|is damaged",
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_that_claims_much_is_refused(tmp_path, name):
    make, message = BOMBS[name]
    path = tmp_path / name
    path.write_bytes(make())
    refused(path, message)
