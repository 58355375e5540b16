"""Jobs that are interrupted, killed or find a full disk, and are taken up again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time

import numpy as np
import pytest

from medigan_hub import Hub, Interrupted, OutputError, RequestError
from medigan_hub.writers.png import PngWriter
from support import toys

pytestmark = pytest.mark.slow

# An image, a mask and a label; slow enough to be caught at work, and with an
# eye on how many samples were made.
CODE = toys.code("slow")

BACKGROUND = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])
"""

# The format webdataset with shards so small that a test fills several.
SHARDS = """
from medigan_hub import hookimpl
from medigan_hub.writers.webdataset import WebdatasetWriter

class SmallShards(WebdatasetWriter):
    format = "shards"

    def __init__(self, folder, request, shard_size):
        super().__init__(folder, request, 7)

class plugin:
    @staticmethod
    @hookimpl
    def register_writers():
        return [SmallShards]
"""


@pytest.fixture
def package(install, document):
    document["outputs"].append(
        {"name": "mask", "kind": "mask", "shape": [8, 6, 1], "dtype": "uint8", "range": [0, 1]}
    )
    document["outputs"].append(
        {"name": "side", "kind": "label", "shape": [], "dtype": "int64", "range": [0, 1]}
        | {"classes": ["left", "right"]}
    )
    document["conditions"] = [
        {"name": "side", "type": "string", "description": "Side.", "default": None}
        | {"choices": ["left", "right"]}
    ]
    install("toy-shards", code=SHARDS, group="medigan_hub.extensions")
    return install(document=document, code=CODE)


@pytest.fixture
def hub(package):
    return Hub()


@pytest.fixture
def made(hub):
    """Return a function that gives the samples made since it was last called."""
    list(hub.generate("toy-noise", 1))
    from medigan_model_toy_noise import plugin

    def since() -> list[int]:
        made = plugin.made[:]
        plugin.made.clear()
        return made

    since()
    return since


FORMATS = ("png", "npz", "shards")


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_job_that_is_killed_again_and_again_ends_as_if_it_had_not_been(
    hub, package, tmp_path, contents, format_name
):
    count = 300
    options = ("toy-noise", "-n", str(count), "--seed", "5", "--format", format_name)
    environment = {**os.environ, "PYTHONPATH": str(package.parent)}
    whole, folder = tmp_path / "whole", tmp_path / "out"
    opened = tmp_path / "opened"
    moments = np.random.default_rng(len(format_name))

    def start(where, *more, seconds="0"):
        return subprocess.Popen(
            [sys.executable, "-m", "medigan_hub", "generate", *options, "-o", str(where), *more],
            env={**environment, "TOY_SECONDS": seconds, "TOY_OPENED": str(opened)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    process = start(whole)
    assert process.wait() == 0, process.stderr.read()
    process.stderr.close()
    killed_at_work = 0
    for number in range(20):
        opened.unlink(missing_ok=True)
        process = start(folder, "--resume", seconds="0.04")
        while number % 4 and not opened.exists() and process.poll() is None:
            time.sleep(0.002)  # every fourth is killed at any moment, the others at work
        time.sleep(moments.uniform(0, 0.25))
        process.kill()
        killed_at_work += process.wait() == -signal.SIGKILL and opened.exists()
        process.stderr.close()
    assert killed_at_work >= 5
    process = start(folder, "--resume")
    assert process.wait() == 0, process.stderr.read()
    process.stderr.close()
    assert contents(folder) == contents(whole)
    assert hub.verify(folder).ok


@pytest.mark.parametrize("format_name", FORMATS)
def test_only_what_is_missing_is_made(hub, made, tmp_path, contents, format_name):
    whole, folder = tmp_path / "whole", tmp_path / "out"
    hub.save("toy-noise", 30, whole, format=format_name, batch_size=4)
    assert hub.save("toy-noise", 30, folder, format=format_name, batch_size=4).made == 30
    made()
    saved = hub.save("toy-noise", 30, folder, format=format_name, batch_size=4, resume=True)
    assert (saved.made, saved.count, made()) == (0, 30, [])
    files = {
        "png": ["image/000005.png", "mask/000006.png", "image/000029.png"],
        "npz": ["samples/000005.npz", "samples/000006.npz", "samples/000029.npz"],
        "shards": ["shards/000001.tar"],
    }[format_name]
    (folder / files[0]).write_bytes((folder / files[0]).read_bytes()[:-700])  # cut off
    for name in files[1:]:
        (folder / name).unlink()
    saved = hub.save("toy-noise", 30, folder, format=format_name, batch_size=4, resume=True)
    # Whole batches are made, so that each is the same batch as before.
    if format_name == "shards":  # what was there before the damage is kept
        assert set(made()) < set(range(8, 16))
        assert saved.made < 7
    else:
        assert (made(), saved.made) == ([4, 5, 6, 7, 28, 29], 3)
    assert contents(folder) == contents(whole)


def test_a_sample_in_the_middle_of_a_shard_that_is_damaged_costs_what_follows_it(
    hub, made, tmp_path, contents
):
    whole, folder = tmp_path / "whole", tmp_path / "out"
    for where in (whole, folder):
        hub.save("toy-noise", 21, where, format="shards", batch_size=1)
    shard = folder / "shards" / "000001.tar"
    content = shard.read_bytes()
    place = content.index(b"000009.mask.png") + 512 + 30
    shard.write_bytes(content[:place] + b"?" + content[place + 1 :])
    made()
    hub.save("toy-noise", 21, folder, format="shards", batch_size=1, resume=True)
    assert made() == [9, 10, 11, 12, 13]
    assert contents(folder) == contents(whole)


@pytest.mark.parametrize("format_name", FORMATS)
def test_what_other_runs_left_does_not_stand_in_the_way(
    hub, tmp_path, contents, monkeypatch, format_name
):
    """A manifest with a row cut off, one of a sample twice, out of order, and files of none."""
    whole, folder = tmp_path / "whole", tmp_path / "out"
    hub.save("toy-noise", 20, whole, format=format_name)
    hub.save("toy-noise", 20, folder, format=format_name)
    manifest = folder / "manifest.jsonl"
    lines = manifest.read_bytes().splitlines(keepends=True)
    manifest.unlink()
    part = [*lines[3:], lines[0], lines[0].replace(b"sha256", b"sha265"), lines[1], lines[2][:-9]]
    (folder / "manifest.jsonl.part").write_bytes(b"".join(part))
    header = json.loads((folder / "dataset.json").read_text())
    del header["seal"]
    (folder / "dataset.json").write_text(json.dumps(header))
    (folder / "README.md").unlink()
    (folder / ".000001.png.0123456789ab.tmp").touch()
    hub.save("toy-noise", 20, folder, format=format_name, resume=True)
    assert contents(folder) == contents(whole)


def test_a_manifest_that_was_edited_is_not_gone_on_with(hub, made, tmp_path, contents):
    for name in ("whole", "out"):
        hub.save("toy-noise", 10, tmp_path / name)
    manifest = tmp_path / "out" / "manifest.jsonl"
    text = manifest.read_text()
    assert '"left"' in text
    manifest.write_text(text.replace('"left"', '"right"', 1))
    made()
    hub.save("toy-noise", 10, tmp_path / "out", resume=True)
    assert made() == list(range(10))
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_resume_begins_a_job_that_was_not_begun(hub, tmp_path, contents):
    hub.save("toy-noise", 3, tmp_path / "a")
    hub.save("toy-noise", 3, tmp_path / "b", resume=True)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "thesis.txt").touch()
    with pytest.raises(OutputError, match="is not empty"):
        hub.save("toy-noise", 3, tmp_path / "c", resume=True)
    with pytest.raises(RequestError, match="exclude each other"):
        hub.save("toy-noise", 3, tmp_path / "a", resume=True, overwrite=True)


def test_another_job_is_not_gone_on_with(hub, package, document, tmp_path, contents):
    hub.save("toy-noise", 4, tmp_path / "out", seed=1)
    before = contents(tmp_path / "out")
    for wishes, words in (
        ({"seed": 2}, "seed is 1, not 2"),
        ({"batch_size": 2}, "batch_size is 8, not 2"),
        ({"format": "npz"}, 'format is "png", not "npz"'),
        ({"conditions": {"side": "left"}}, "conditions is"),
    ):
        with pytest.raises(OutputError, match=f"another data set: {words}"):
            hub.save("toy-noise", 4, tmp_path / "out", **{"seed": 1, **wishes}, resume=True)
    (package / "weights.bin").write_bytes(b"other")
    document["weights"][0]["files"][0]["sha256"] = (
        "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa"
    )
    (package / "metadata.json").write_text(json.dumps(document))
    with pytest.raises(OutputError, match="another data set: weights_sha256 is"):
        Hub().save("toy-noise", 4, tmp_path / "out", seed=1, resume=True)
    assert contents(tmp_path / "out") == before


def test_an_unfinished_data_set_is_not_begun_again_by_accident(hub, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    hub.save("toy-noise", 4, folder)
    header = json.loads((folder / "dataset.json").read_text())
    del header["seal"]
    (folder / "dataset.json").write_text(json.dumps(header))
    with pytest.raises(OutputError, match=r"unfinished data set of this very job; .*resume=True"):
        hub.save("toy-noise", 4, folder)
    assert not hub.verify(folder).ok
    (folder / "manifest.jsonl").rename(folder / "manifest.jsonl.part")
    hub.save("toy-noise", 4, folder, overwrite=True)
    assert hub.verify(folder).ok


def test_an_interrupt_finishes_the_batch_in_hand(hub, package, tmp_path, contents):
    folder, whole = tmp_path / "out", tmp_path / "whole"
    options = (
        "toy-noise",
        "-n",
        "40",
        "--batch-size",
        "4",
        "-o",
        str(folder),
        "--format",
        "shards",
    )
    command = [sys.executable, "-m", "medigan_hub", "generate", *options]
    environment = {**os.environ, "PYTHONPATH": str(package.parent), "TOY_SECONDS": "0.5"}
    # In the background of a script, a program begins with Ctrl-C turned off.
    background = [sys.executable, "-c", BACKGROUND, *command, "--resume"]
    for number, started in ((signal.SIGINT, command), (signal.SIGTERM, background)):
        process = subprocess.Popen(started, env=environment, stderr=subprocess.PIPE, text=True)
        before = len(rows(folder))
        while len(rows(folder)) <= before:
            time.sleep(0.01)
        process.send_signal(number)
        words = process.communicate()[1]
        assert process.returncode == 130
        done = len(rows(folder))
        assert done % 4 == 0
        assert before < done < 40
        assert "warning: stopping after the batch in hand" in words
        assert words.endswith(
            f"error: interrupted; {done} of 40 samples are in {folder}, go on with --resume\n"
        )
        verdict = hub.verify(folder)
        assert (verdict.listed, verdict.missing, verdict.changed) == (done, [], [])
    hub.save("toy-noise", 40, folder, batch_size=4, format="shards", resume=True)
    hub.save("toy-noise", 40, whole, batch_size=4, format="shards")
    assert contents(folder) == contents(whole)


def rows(folder):
    part = folder / "manifest.jsonl.part"
    return part.read_bytes().splitlines() if part.exists() else []


def test_a_second_interrupt_is_at_once(hub, tmp_path, monkeypatch):
    from medigan_model_toy_noise import plugin

    def impatient(request, indices):
        with pytest.warns(UserWarning, match="stopping after the batch in hand"):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    list(hub.generate("toy-noise", 1))
    monkeypatch.setattr(plugin, "network_inputs", impatient)
    with pytest.raises(KeyboardInterrupt) as stop:
        hub.save("toy-noise", 3, tmp_path / "out")
    assert not isinstance(stop.value, Interrupted)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_batch_is_made_while_the_one_before_it_is_stored(hub, tmp_path, monkeypatch):
    list(hub.generate("toy-noise", 1))
    from medigan_model_toy_noise import plugin

    making, storing = plugin.network_inputs, PngWriter.store
    second_is_made = threading.Event()
    waited = []

    def make(request, indices):
        if indices[0] == 1:
            second_is_made.set()
        return making(request, indices)

    def store(writer, index, files):
        if index == 0:
            waited.append(second_is_made.wait(10))
        storing(writer, index, files)

    monkeypatch.setattr(plugin, "network_inputs", make)
    monkeypatch.setattr(PngWriter, "store", store)
    hub.save("toy-noise", 2, tmp_path / "out", batch_size=1)
    assert waited == [True]


@pytest.mark.parametrize("step", ["manifest.finish", "croissant.write", "header.seal"])
def test_a_job_that_is_cut_off_while_it_ends_is_unfinished_and_whole(
    hub, tmp_path, contents, monkeypatch, step
):
    """Also where the same data set was finished before, and was made again."""
    for name in ("whole", "out"):
        hub.save("toy-noise", 6, tmp_path / name)

    class Killed(BaseException):
        pass

    def kill(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(f"medigan_hub.dataset.{step}", kill)
        with pytest.raises(Killed):
            hub.save("toy-noise", 6, tmp_path / "out")
    verdict = hub.verify(tmp_path / "out")
    assert (verdict.finished, verdict.listed, verdict.extra) == (False, 6, [])
    assert hub.save("toy-noise", 6, tmp_path / "out", resume=True).made == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize("resume", [False, True])
def test_files_that_a_killed_program_left_half_written_are_removed(hub, tmp_path, resume):
    folder = tmp_path / "out"
    (folder / "image").mkdir(parents=True)
    (folder / ".dataset.json.0123456789ab.tmp").touch()
    (folder / "image").rmdir()
    hub.save("toy-noise", 2, folder, resume=resume)
    (folder / "image" / ".000001.png.0123456789ab.tmp").touch()
    hub.save("toy-noise", 2, folder, resume=resume)
    assert hub.verify(folder).ok


def test_a_disk_that_is_full_while_finding_out_what_is_there_names_no_number(
    hub, tmp_path, monkeypatch
):
    hub.save("toy-noise", 4, tmp_path / "out")

    def full(folder, header):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("medigan_hub.dataset.header.write", full)
    with pytest.raises(OutputError, match=r"can't be written: No space left on device; go on with"):
        hub.save("toy-noise", 4, tmp_path / "out", resume=True)
    monkeypatch.undo()
    assert hub.save("toy-noise", 4, tmp_path / "out", resume=True).made == 0


def test_a_shard_with_a_link_in_it_is_made_again(hub, tmp_path, contents):
    whole, folder = tmp_path / "whole", tmp_path / "out"
    for where in (whole, folder):
        hub.save("toy-noise", 9, where, format="shards")
    with tarfile.open(folder / "shards" / "000001.tar", "w") as archive:
        link = tarfile.TarInfo("000007.image.png")
        link.type, link.linkname = tarfile.LNKTYPE, "elsewhere"
        archive.addfile(link)
    assert "shards/000001.tar!000007.image.png" in hub.verify(folder).missing
    hub.save("toy-noise", 9, folder, format="shards", resume=True)
    assert contents(folder) == contents(whole)


def test_an_interrupt_is_in_order_where_nobody_reads_what_is_said(hub, package, tmp_path):
    options = ("toy-noise", "-n", "40", "--batch-size", "4", "-o", str(tmp_path / "out"))
    process = subprocess.Popen(
        [sys.executable, "-m", "medigan_hub", "generate", *options],
        env={**os.environ, "PYTHONPATH": str(package.parent), "TOY_SECONDS": "0.5"},
        stderr=subprocess.PIPE,
    )
    process.stderr.close()
    while not rows(tmp_path / "out"):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert len(rows(tmp_path / "out")) % 4 == 0
