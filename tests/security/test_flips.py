"""A byte that changes by itself, anywhere in a data set, is found and mended.

A usual run flips a few bytes. ``MEDIGAN_FLIPS=1000`` flips so many of each kind of data set.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from contextlib import suppress

import pytest

from medigan_hub import Hub, OutputError
from support import in_shards

FLIPS = int(os.environ.get("MEDIGAN_FLIPS", "14"))


@pytest.fixture
def save(labelled):
    """Return what makes nine samples of an image, a mask and a label; a shard holds four."""
    hub = Hub()

    def make(folder, **wishes):
        return hub.save("toy-noise", 9, folder, batch_size=3, **wishes)

    return in_shards(make, 4)


def flip(folder, chance):
    """Change a byte of a file, each file as likely as another; return which."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    # As many of the files that describe the data set as of those with samples.
    own = chance.random() < 0.5
    path = chance.choice([path for path in files if (path.parent == folder) == own])
    content = bytearray(path.read_bytes())
    place = chance.randrange(len(content))
    content[place] ^= chance.randrange(1, 256)
    path.write_bytes(content)
    return f"byte {place} of {path.relative_to(folder)}"


@pytest.mark.parametrize("format_name", ["png", "npz", "webdataset"])
def test_a_byte_that_flips_in_a_finished_data_set_is_found_and_mended(
    save, tmp_path, contents, capsys, format_name
):
    folder = tmp_path / "out"
    save(folder, format=format_name)
    expected = contents(folder)
    chance = random.Random(f"finished {format_name}")  # noqa: S311 (the same in each run)
    for _ in range(FLIPS):
        where = flip(folder, chance)
        with suppress(OutputError):  # that it has no header which can be read
            assert not Hub().verify(folder).ok, where
        save(folder, format=format_name, resume=True)
        assert contents(folder) == expected, where
    tell(capsys, f"{format_name}, finished")


@pytest.mark.parametrize("format_name", ["png", "npz", "webdataset"])
def test_a_byte_that_flips_in_an_unfinished_data_set_is_mended(
    save, tmp_path, contents, monkeypatch, capsys, format_name
):
    folder, whole, unfinished = tmp_path / "out", tmp_path / "whole", tmp_path / "unfinished"
    save(whole, format=format_name)
    expected = contents(whole)

    def interrupt(done, count):
        if done >= 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save(unfinished, format=format_name, progress=interrupt)
    chance = random.Random(f"unfinished {format_name}")  # noqa: S311 (the same in each run)
    for _ in range(FLIPS):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(unfinished, folder)
        where = flip(folder, chance)
        save(folder, format=format_name, resume=True)
        assert contents(folder) == expected, where
    tell(capsys, f"{format_name}, unfinished")


def tell(capsys, words):
    if "MEDIGAN_FLIPS" in os.environ:
        with capsys.disabled():
            sys.stdout.write(f"\n{words}: {FLIPS} flips, all of them found and mended\n")
