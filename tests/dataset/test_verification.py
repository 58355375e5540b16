"""``Hub.verify`` and ``medigan verify``: does a data set hold what its manifest says?"""

from __future__ import annotations

import json

import pytest

from medigan_hub import Hub, OutputError
from medigan_hub.cli import main


@pytest.fixture
def hub(install):
    install()
    return Hub()


@pytest.fixture(params=["png", "npz", "webdataset"])
def folder(hub, tmp_path, request):
    hub.save("toy-noise", 5, tmp_path / "out", format=request.param)
    return tmp_path / "out"


def some_file(folder, number=0):
    """Return a file with samples, by its path in the folder."""
    return sorted(path for path in folder.rglob("*") if path.parent != folder)[number]


def format_of(folder):
    return json.loads((folder / "dataset.json").read_text())["format"]


def test_a_data_set_as_it_was_written_passes(hub, folder):
    verdict = hub.verify(folder)
    assert verdict.ok
    assert (verdict.count, verdict.listed, verdict.finished) == (5, 5, True)


def test_what_is_missing_changed_or_extra_is_named(hub, tmp_path):
    folder = tmp_path / "out"
    hub.save("toy-noise", 5, folder)
    (folder / "image" / "000001.png").unlink()
    (folder / "image" / "000002.png").write_bytes(b"other")
    (folder / "image" / "mine.png").touch()
    (folder / "notes.txt").touch()
    verdict = hub.verify(folder)
    assert not verdict.ok
    assert verdict.missing == ["image/000001.png"]
    assert verdict.changed == ["image/000002.png"]
    assert verdict.extra == ["notes.txt", "image/mine.png"]


def test_members_of_shards_are_held_against_the_manifest(hub, tmp_path):
    folder = tmp_path / "out"
    hub.save("toy-noise", 5, folder, format="webdataset", shard_size=5)
    shard = folder / "shards" / "000000.tar"
    content = shard.read_bytes()
    place = content.index(b"000002.image.png") + 600
    shard.write_bytes(content[:place] + b"?" + content[place + 1 :])
    assert hub.verify(folder).changed == ["shards/000000.tar!000002.image.png"]
    shard.write_bytes(content.replace(b"000003.json\0", b"other3.json\0"))  # checksum is off too
    assert "shards/000000.tar!000003.json" in hub.verify(folder).missing
    shard.unlink()
    assert hub.verify(folder).missing == ["shards/000000.tar"]


@pytest.mark.parametrize("name", ["manifest.jsonl", "README.md", "croissant.json"])
def test_a_description_that_was_edited_is_found(hub, folder, name):
    text = (folder / name).read_text()
    (folder / name).write_text(text.replace("0", "1", 1))
    assert name in hub.verify(folder).changed
    (folder / name).unlink()
    assert name in hub.verify(folder).missing


def test_a_header_that_was_edited_is_found(hub, folder):
    header = json.loads((folder / "dataset.json").read_text())
    header["seed"] = 7
    (folder / "dataset.json").write_text(json.dumps(header))
    assert hub.verify(folder).changed == ["dataset.json"]


def test_rows_that_were_taken_out_or_spoilt_are_found(hub, folder):
    manifest = folder / "manifest.jsonl"
    lines = manifest.read_text().splitlines(keepends=True)
    manifest.write_text("".join([*lines[:2], "[]\n", *lines[3:4]]))
    verdict = hub.verify(folder)
    assert verdict.changed == ["manifest.jsonl"]
    assert verdict.faults == [
        "line 3 of manifest.jsonl is no row of a manifest",
        "manifest.jsonl lists 3 of 5 samples",
    ]
    manifest.write_text("".join(reversed(lines)))
    assert "line 1 of manifest.jsonl is of sample 4, not 0" in hub.verify(folder).faults


def test_a_manifest_that_points_out_of_the_folder_is_not_followed(hub, tmp_path):
    folder = tmp_path / "out"
    hub.save("toy-noise", 1, folder)
    (tmp_path / "secret.png").write_bytes((folder / "image" / "000000.png").read_bytes())
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    row = json.loads((folder / "manifest.jsonl").read_text())
    for path in ("../secret.png", str(tmp_path / "secret.png"), "link.png", "a\0b"):
        row["files"]["image"]["path"] = path
        (folder / "manifest.jsonl").write_text(json.dumps(row) + "\n")
        assert path in hub.verify(folder).missing


def test_the_command_says_what_is_wrong_and_what_to_do(hub, folder, capsys):
    def verify(*more):
        with pytest.raises(SystemExit) as stop:
            main(["verify", str(folder), *more])
        return stop.value.code or 0, *capsys.readouterr()

    assert verify() == (0, f"{folder} holds 5 samples, all as they were written\n", "")
    code, out, _ = verify("--json")
    assert (code, json.loads(out)["ok"]) == (0, True)
    file = some_file(folder)
    if not file.is_file():
        file = some_file(folder, 1)
    name = file.relative_to(folder).as_posix()
    file.unlink()
    (folder / "notes.txt").touch()
    code, out, err = verify()
    assert code == 1
    assert out == f"missing: {name}\nextra: notes.txt\n"
    assert err == (
        f"error: {folder} is not as it should be: 1 missing, 1 extra; "
        "mend it with the command that made it and --resume\n"
    )
    code, out, _ = verify("--json")
    assert (code, json.loads(out)["missing"]) == (1, [name])
    hub.save("toy-noise", 5, folder, format=format_of(folder), resume=True)
    code, _, err = verify()
    assert (code, err.endswith("1 extra; remove what is extra\n")) == (1, True)
    (folder / "notes.txt").unlink()
    assert verify()[0] == 0


def test_what_is_no_data_set_is_refused(hub, tmp_path):
    with pytest.raises(OutputError, match="there is no folder"):
        hub.verify(tmp_path / "nowhere")
    for content in (None, "rubbish", "[]", "{}", '{"count": "5"}'):
        if content is not None:
            (tmp_path / "dataset.json").write_text(content)
        with pytest.raises(OutputError, match="holds no data set"):
            hub.verify(tmp_path)


@pytest.mark.parametrize("format_name", ["png", "webdataset"])
def test_an_unfinished_data_set_counts_the_samples_that_are_there(
    hub, tmp_path, monkeypatch, capsys, format_name
):
    from medigan_hub.writers import png, webdataset

    writer = {"png": png.PngWriter, "webdataset": webdataset.WebdatasetWriter}[format_name]
    store = writer.store

    def store_until_full(self, index, files):
        if index == 3:
            raise OSError(28, "No space left on device")
        store(self, index, files)

    monkeypatch.setattr(writer, "store", store_until_full)
    folder = tmp_path / "out"
    with pytest.raises(OutputError, match="3 of 5 samples are in"):
        hub.save("toy-noise", 5, folder, format=format_name)
    verdict = hub.verify(folder)
    assert (verdict.finished, verdict.listed, verdict.count) == (False, 3, 5)
    assert (verdict.missing, verdict.changed, verdict.extra, verdict.faults) == ([], [], [], [])
    with pytest.raises(SystemExit):
        main(["verify", str(folder)])
    assert capsys.readouterr().err == (
        f"error: {folder} is not as it should be: unfinished: 3 of 5 samples; "
        "mend it with the command that made it and --resume\n"
    )


def test_a_data_set_that_was_not_sealed_yet_is_not_called_superfluous(hub, tmp_path, monkeypatch):
    def full(folder, header):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("medigan_hub.dataset.croissant.write", full)
    with pytest.raises(OutputError, match="3 of 3 samples are in"):
        hub.save("toy-noise", 3, tmp_path / "out")
    verdict = hub.verify(tmp_path / "out")
    assert (verdict.finished, verdict.listed, verdict.extra) == (False, 3, [])


def test_a_data_set_whose_mending_was_interrupted_is_unfinished(hub, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    hub.save("toy-noise", 5, folder, format="webdataset", shard_size=5)
    (folder / "shards" / "000000.tar").write_bytes(b"")

    def full(self, index, files):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("medigan_hub.writers.webdataset.WebdatasetWriter.store", full)
    with pytest.raises(OutputError, match="0 of 5 samples are in"):
        hub.save("toy-noise", 5, folder, format="webdataset", resume=True)  # as many a shard
    verdict = hub.verify(folder)
    assert (verdict.finished, verdict.listed, verdict.extra) == (False, 0, [])


def test_an_unfinished_shard_beside_a_finished_one_is_extra(hub, tmp_path):
    hub.save("toy-noise", 2, tmp_path / "out", format="webdataset")
    (tmp_path / "out" / "shards" / "000000.tar.part").touch()
    (tmp_path / "out" / ".gitkeep").touch()
    assert hub.verify(tmp_path / "out").extra == ["shards/000000.tar.part"]


def test_a_seal_that_lacks_a_part_is_a_fault(hub, tmp_path):
    hub.save("toy-noise", 2, tmp_path / "out")
    header = json.loads((tmp_path / "out" / "dataset.json").read_text())
    header["seed"] = 7
    del header["seal"]["dataset.json"]
    (tmp_path / "out" / "dataset.json").write_text(json.dumps(header))
    assert hub.verify(tmp_path / "out").faults == ["the seal in dataset.json is not whole"]


def test_without_a_manifest_nothing_is_called_extra(hub, tmp_path):
    hub.save("toy-noise", 2, tmp_path / "out")
    (tmp_path / "out" / "manifest.jsonl").unlink()
    verdict = hub.verify(tmp_path / "out")
    assert (verdict.missing, verdict.extra) == (["manifest.jsonl"], [])
