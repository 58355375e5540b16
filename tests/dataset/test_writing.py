from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import struct
import time

import numpy as np
import pytest
from PIL import Image

from medigan_hub import Hub, OutputError, PluginError, RequestError, generation, writers
from medigan_hub.files import write_atomically
from medigan_hub.locks import only_one


@pytest.fixture
def hub(install):
    install()
    return Hub()


def test_a_data_set_holds_images_a_manifest_and_a_header(hub, tmp_path, contents):
    saved = hub.save("toy-noise", 5, tmp_path / "out", seed=3)
    assert saved.count == 5
    assert saved.samples_per_second > 0
    assert sorted(contents(tmp_path / "out")) == [
        "README.md",
        "croissant.json",
        "dataset.json",
        *(f"image/00000{i}.png" for i in range(5)),
        "manifest.jsonl",
    ]
    rows = [json.loads(line) for line in saved.manifest.read_text().splitlines()]
    assert [row["index"] for row in rows] == list(range(5))
    for row, (index, arrays) in zip(
        rows, (s for b in hub.generate("toy-noise", 5, seed=3) for s in b), strict=True
    ):
        file = tmp_path / "out" / row["files"]["image"]["path"]
        assert hashlib.sha256(file.read_bytes()).hexdigest() == row["files"]["image"]["sha256"]
        assert index == row["index"]
        assert np.array_equal(np.asarray(Image.open(file)), arrays["image"][:, :, 0])
    header = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert header["synthetic"] is True
    assert (header["model"], header["version"], header["seed"]) == ("toy-noise", "1.0.0", 3)
    assert header["count"] == 5
    assert header["limitations"] == ["It is noise."]


def test_every_image_says_that_it_is_synthetic_and_how_it_was_made(hub, tmp_path):
    hub.save("toy-noise", 2, tmp_path / "out", seed=3)
    with Image.open(tmp_path / "out" / "image" / "000001.png") as image:
        text = image.text
    assert text["Synthetic"] == "yes"
    assert text["Model"] == "toy-noise 1.0.0"
    assert (text["Seed"], text["Sample"]) == ("3", "1")
    assert "not fit for diagnosis" in text["Description"]


def test_the_same_job_gives_the_same_bytes_also_in_the_same_folder(hub, tmp_path, contents):
    hub.save("toy-noise", 5, tmp_path / "a", seed=3)
    first = contents(tmp_path / "a")
    hub.save("toy-noise", 5, tmp_path / "b", seed=3, batch_size=2)
    others = {"dataset.json", "README.md"}  # which name the batch size
    second = contents(tmp_path / "b")
    assert {name for name in first if first[name] != second[name]} == others
    hub.save("toy-noise", 5, tmp_path / "a", seed=3)
    assert contents(tmp_path / "a") == first


def test_another_data_set_is_refused_and_left_alone(hub, tmp_path, contents):
    hub.save("toy-noise", 5, tmp_path / "out", seed=3)
    before = contents(tmp_path / "out")
    for flags in ({}, {"resume": True}):
        with pytest.raises(
            OutputError, match=r"holds another data set: seed is 3, not 4; .*overwrite=True"
        ):
            hub.save("toy-noise", 5, tmp_path / "out", seed=4, **flags)
    assert contents(tmp_path / "out") == before


def test_overwrite_replaces_a_data_set_and_touches_nothing_else(hub, tmp_path, contents):
    folder = tmp_path / "out"
    hub.save("toy-noise", 5, folder, seed=3)
    (folder / "image" / "mine.txt").write_text("keep")
    hub.save("toy-noise", 2, folder, seed=4, overwrite=True)
    after = contents(folder)
    assert after.pop("image/mine.txt") == b"keep"
    hub.save("toy-noise", 2, tmp_path / "fresh", seed=4)
    assert after == contents(tmp_path / "fresh")


def test_overwrite_removes_nothing_outside_the_folder(hub, tmp_path):
    precious = tmp_path / "precious.txt"
    precious.write_text("keep")
    folder = tmp_path / "out"
    hub.save("toy-noise", 1, folder)
    row = json.loads((folder / "manifest.jsonl").read_text())
    row["files"]["image"]["path"] = "../precious.txt"
    (folder / "manifest.jsonl").write_text(json.dumps(row) + "\nrubbish\n[]\n")
    hub.save("toy-noise", 2, folder, overwrite=True)
    assert precious.read_text() == "keep"


def test_a_folder_with_other_things_is_refused(hub, tmp_path, contents):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").touch()
    with pytest.raises(OutputError, match="is not empty"):
        hub.save("toy-noise", 1, tmp_path / "out")
    assert list(contents(tmp_path / "out")) == ["thesis.txt"]


def test_a_file_in_place_of_the_folder_is_refused(hub, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file"):
        hub.save("toy-noise", 1, tmp_path / "file")
    with pytest.raises(OutputError, match="can't be written"):
        hub.save("toy-noise", 1, tmp_path / "file" / "out")


def test_a_folder_that_cannot_be_written_is_refused(hub, tmp_path, monkeypatch):
    # Stood in for, because the superuser, as whom tests may run, may write anywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(OutputError, match="can't be written"):
        hub.save("toy-noise", 1, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_said_in_words_and_what_is_finished_stays(
    hub, tmp_path, monkeypatch, contents
):
    written = []

    def write_until_full(path, content):
        if len(written) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        written.append(path)
        write_atomically(path, content)

    monkeypatch.setattr("medigan_hub.writers.base.write_atomically", write_until_full)
    message = r"000003\.png can't be written: No space left on device; 3 of 6 samples .*resume=True"
    with pytest.raises(OutputError, match=message):
        hub.save("toy-noise", 6, tmp_path / "out", batch_size=1)
    monkeypatch.undo()
    hub.save("toy-noise", 6, tmp_path / "whole", batch_size=1)
    whole = contents(tmp_path / "whole")
    left = contents(tmp_path / "out")
    assert {name: whole[name] for name in left if name.startswith("image")} == {
        name: content for name, content in left.items() if name.startswith("image")
    }
    saved = hub.save("toy-noise", 6, tmp_path / "out", batch_size=1, resume=True)
    assert saved.made == 3
    assert contents(tmp_path / "out") == whole


def test_an_unknown_format_is_refused_with_those_that_exist(hub, tmp_path):
    with pytest.raises(
        RequestError, match="no format 'gif'; use dicom, nifti, npz, png or webdataset"
    ):
        hub.save("toy-noise", 1, tmp_path / "out", format="gif")
    assert not (tmp_path / "out").exists()


def test_png_refuses_what_it_cannot_hold_before_anything_is_made(install, document, tmp_path):
    document["outputs"][0] |= {"dtype": "float32", "range": [0, 1]}
    install(document=document)
    with pytest.raises(
        RequestError,
        match=r"png can't hold the image of toy-noise, float32 of 8 x 6 x 1: .*; use nifti, npz or",
    ):
        Hub().save("toy-noise", 1, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("fails_at", [0, 3])
def test_a_plugin_that_fails_leaves_what_was_finished_and_no_finished_manifest(
    install, tmp_path, fails_at
):
    install(
        code=f"""
        import numpy as np
        from medigan_hub.plugin import NoiseToImage, NetworkRuntime

        class Failing(NetworkRuntime):
            calls = 0
            def open(self, files, device, precision):
                return self
            def __call__(self, latents):
                self.calls += 1
                if self.calls > {fails_at}:
                    raise RuntimeError("the power went out")
                return latents.reshape(-1, 8, 6, 1)

        plugin = NoiseToImage(__file__, numpy=Failing())
        """
    )
    folder = tmp_path / "out"
    with pytest.raises(PluginError, match="the power went out"):
        Hub().save("toy-noise", 8, folder, batch_size=1)
    if fails_at == 0:
        assert not folder.exists()
        return
    assert not (folder / "manifest.jsonl").exists()
    rows = (folder / "manifest.jsonl.part").read_text().splitlines()
    assert [json.loads(row)["index"] for row in rows] == [0, 1, 2]
    assert len(list((folder / "image").iterdir())) == 3


def test_progress_is_told_after_each_batch(hub, tmp_path):
    told = []
    hub.save(
        "toy-noise", 5, tmp_path / "out", batch_size=2, progress=lambda *counts: told.append(counts)
    )
    assert told == [(0, 5), (2, 5), (4, 5), (5, 5)]


def test_labels_stand_in_the_manifest(install, document, tmp_path):
    document["outputs"].append(
        {"name": "label", "kind": "label", "shape": [], "dtype": "int64", "range": [0, 1]}
    )
    install(
        document=document,
        code="""
        import numpy as np
        from medigan_hub.plugin import NoiseToImage, NetworkRuntime

        class Reshape(NetworkRuntime):
            def open(self, files, device, precision):
                return lambda latents: latents.reshape(-1, 8, 6, 1)

        class Labelled(NoiseToImage):
            def to_outputs(self, values):
                return {**super().to_outputs(values), "label": np.arange(len(values)) % 2}

        plugin = Labelled(__file__, numpy=Reshape())
        """,
    )
    saved = Hub().save("toy-noise", 3, tmp_path / "out")
    rows = [json.loads(line) for line in saved.manifest.read_text().splitlines()]
    assert [row["labels"] for row in rows] == [{"label": 0}, {"label": 1}, {"label": 0}]
    assert set(rows[0]["files"]) == {"image"}


def test_an_extension_brings_a_format(install, tmp_path):
    install()
    install(
        "toy-writer",
        group="medigan_hub.extensions",
        code="""
        from medigan_hub import hookimpl
        from medigan_hub.writers import EncodedFile, Writer

        class RawWriter(Writer):
            format = "raw"
            holds = "anything"

            @classmethod
            def can_hold(cls, array):
                return True

            def encode(self, index, arrays, facts):
                return {"image": EncodedFile(f"{index}.raw", arrays["image"].tobytes())}

        class plugin:
            @staticmethod
            @hookimpl
            def register_writers():
                return [RawWriter]
        """,
    )
    hub = Hub()
    assert writers.names()[-1] == "raw"
    assert writers.able(generation.request(hub.model("toy-noise").metadata, 1))[-1] == "raw"
    hub.save("toy-noise", 2, tmp_path / "out", format="raw")
    assert len((tmp_path / "out" / "1.raw").read_bytes()) == 48
    with pytest.raises(RequestError, match="png, raw or webdataset"):
        Hub().save("toy-noise", 2, tmp_path / "other", format="gif")


def test_a_folder_that_fills_while_the_network_loads_is_not_touched(
    hub, tmp_path, contents, monkeypatch
):
    """What is in the way appears after the first look at the folder."""
    folder = tmp_path / "out"
    list(hub.generate("toy-noise", 1))
    from medigan_model_toy_noise import plugin

    making = plugin.network_inputs

    def somebody_else_comes(request, indices):
        if not folder.exists():
            (folder / "image").mkdir(parents=True)
            (folder / "image" / "000000.png").write_bytes(b"precious")
        return making(request, indices)

    monkeypatch.setattr(plugin, "network_inputs", somebody_else_comes)
    for flags in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(OutputError, match="is not empty"):
            hub.save("toy-noise", 1, folder, **flags)
        assert contents(folder) == {"image/000000.png": b"precious"}


def test_two_processes_do_not_write_into_one_folder(hub, tmp_path):
    folder = tmp_path / "out"
    hub.save("toy-noise", 3, folder)
    with only_one(folder):
        for flags in ({}, {"overwrite": True}, {"resume": True}):
            with pytest.raises(OutputError, match="another process is writing into"):
                hub.save("toy-noise", 3, folder, **flags)
    hub.save("toy-noise", 3, folder)


@pytest.mark.parametrize(
    "header", ["rubbish", "[]", '{"name": "Task01", "numTraining": 3}', '{"synthetic": true}']
)
def test_a_header_of_another_program_makes_no_data_set_of_a_folder(hub, tmp_path, contents, header):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "dataset.json").write_text(header)
    (folder / "README.md").write_text("mine")
    before = contents(folder)
    for flags in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(OutputError, match=r"is not empty, and has no dataset\.json of the hub"):
            hub.save("toy-noise", 1, folder, **flags)
    assert contents(folder) == before


def test_overwrite_leaves_no_empty_folders_of_the_old_data_set(hub, tmp_path):
    hub.save("toy-noise", 2, tmp_path / "out", format="webdataset")
    hub.save("toy-noise", 2, tmp_path / "out", overwrite=True)
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir()) == ["image"]


def test_links_that_lead_out_of_the_folder_are_not_written_through(hub, tmp_path):
    folder = tmp_path / "out"
    hub.save("toy-noise", 1, folder)
    (tmp_path / "elsewhere").mkdir()
    shutil.rmtree(folder / "image")
    (folder / "image").symlink_to(tmp_path / "elsewhere")
    assert "image" in hub.verify(folder).extra
    with pytest.raises(OutputError, match=r"lies outside .* remove the link"):
        hub.save("toy-noise", 1, folder, resume=True)
    assert not list((tmp_path / "elsewhere").iterdir())
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    with pytest.raises(OutputError, match="is a link to what is not there"):
        hub.save("toy-noise", 1, tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
def test_a_folder_that_cannot_be_is_refused(hub, tmp_path, name):
    with pytest.raises(OutputError, match="can't be used: "):
        hub.save("toy-noise", 1, tmp_path / name)


def test_a_progress_that_cannot_be_told_is_not_blamed_on_the_folder(hub, tmp_path):
    def tell(done, count):
        raise FileNotFoundError(errno.ENOENT, "No such file", "my.log")

    with pytest.raises(RequestError, match=r"progress of the job can't be told: .*my\.log"):
        hub.save("toy-noise", 1, tmp_path / "out", progress=tell)


def test_arrays_that_a_plugin_fills_again_are_kept_as_they_were(install, tmp_path):
    install(
        code="""
        import numpy as np
        from medigan_hub import SampleBatch, hookimpl
        from medigan_hub.plugin import NoiseToImage

        class Reusing(NoiseToImage):
            @hookimpl
            def generate(self, request):
                array = np.empty((1, 8, 6, 1), np.uint8)
                for indices in request.batches():
                    array[:] = indices[0]
                    yield SampleBatch(np.array(indices), {"image": array})

        plugin = Reusing(__file__)
        """
    )
    Hub().save("toy-noise", 9, tmp_path / "out", batch_size=1)
    for index in range(9):
        with Image.open(tmp_path / "out" / "image" / f"{index:06d}.png") as image:
            assert np.asarray(image).max() == index


def test_what_a_format_turns_out_not_to_hold_is_said_in_one_line(hub, tmp_path, monkeypatch):
    def encode(*_):
        raise struct.error("no room\nfor it")

    monkeypatch.setattr("medigan_hub.writers.png.encode", encode)
    with pytest.raises(OutputError, match=r"sample 0 can't be written as png: error: no room; use"):
        hub.save("toy-noise", 1, tmp_path / "out")


def test_shards_are_not_written_through_links(hub, tmp_path):
    folder, mine = tmp_path / "out", tmp_path / "mine.tar"
    hub.save("toy-noise", 2, folder, format="webdataset")
    shard = folder / "shards" / "000000.tar"
    for link in (shard, shard.with_name("000000.tar.part")):
        shard.unlink(missing_ok=True)
        mine.write_bytes(b"precious")
        link.symlink_to(mine)
        with pytest.raises(OutputError, match=r"lies outside .* remove the link"):
            hub.save("toy-noise", 2, folder, format="webdataset", resume=True)
        assert mine.read_bytes() == b"precious"
        link.unlink()


def test_a_folder_in_the_place_of_a_file_is_named(hub, tmp_path):
    hub.save("toy-noise", 2, tmp_path / "out")
    (tmp_path / "out" / "image" / "000001.png").unlink()
    (tmp_path / "out" / "image" / "000001.png").mkdir()
    with pytest.raises(
        OutputError, match=r"000001\.png is a folder in the place of a file; remove"
    ):
        hub.save("toy-noise", 2, tmp_path / "out", resume=True)


def test_a_job_that_another_process_begins_meanwhile_is_not_begun_again(
    hub, tmp_path, contents, monkeypatch
):
    folder = tmp_path / "out"
    list(hub.generate("toy-noise", 1))
    from medigan_model_toy_noise import plugin

    making = plugin.network_inputs

    def somebody_else_begins(request, indices):
        monkeypatch.setattr(plugin, "network_inputs", making)
        Hub().save("toy-noise", 3, folder)
        return making(request, indices)

    monkeypatch.setattr(plugin, "network_inputs", somebody_else_begins)
    with pytest.raises(OutputError, match=r"another process has begun this job .* go on with r"):
        hub.save("toy-noise", 3, folder, resume=True)
    assert hub.save("toy-noise", 3, folder, resume=True).made == 0


def test_what_a_failed_overwrite_advises_works(hub, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    hub.save("toy-noise", 3, folder, seed=1)

    def full(folder, header):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("medigan_hub.dataset.header.write", full)
        with pytest.raises(OutputError, match=r"; say overwrite=True again$"):
            hub.save("toy-noise", 3, folder, seed=2, overwrite=True)
    hub.save("toy-noise", 3, folder, seed=2, overwrite=True)
    assert hub.verify(folder).ok


def test_overwrite_leaves_files_that_only_look_like_its_own(hub, tmp_path):
    hub.save("toy-noise", 2, tmp_path / "out")
    (tmp_path / "out" / "image" / "000001.png.part").write_text("mine")
    hub.save("toy-noise", 2, tmp_path / "out", seed=1, overwrite=True)
    assert (tmp_path / "out" / "image" / "000001.png.part").read_text() == "mine"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of Python 3.12 and later
def test_a_process_that_was_forked_meanwhile_keeps_nobody_out(hub, tmp_path):
    children = []

    def fork(done, count):
        if not children:
            child = os.fork()
            if child == 0:
                time.sleep(60)
                os._exit(0)
            children.append(child)

    try:
        hub.save("toy-noise", 2, tmp_path / "out", batch_size=1, progress=fork)
        hub.save("toy-noise", 2, tmp_path / "out", batch_size=1, resume=True)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
