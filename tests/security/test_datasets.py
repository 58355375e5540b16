"""Folders that hold what no data set holds, by accident or because somebody meant it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tracemalloc
from pathlib import Path

import pytest

from medigan_hub import Hub, HubWarning, OutputError
from medigan_hub.cli import main
from support import in_shards

COUNT = 9

# A reader of a pipe, say, waits for what never comes.
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def hub(install, document, drawing):
    document["outputs"].append(
        {"name": "side", "kind": "label", "shape": [], "dtype": "int64", "range": [0, 1]}
    )
    install(document=document, code=drawing)
    return Hub()


@pytest.fixture
def save(hub):
    def make(folder, **wishes):
        return hub.save("toy-noise", COUNT, folder, batch_size=3, **wishes)

    return in_shards(make, COUNT)


@pytest.fixture
def folder(save, tmp_path):
    """A finished data set."""
    save(tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def unfinished(save, tmp_path):
    """A data set with six of its nine samples."""

    def interrupt(done, count):
        if done >= 3:  # and three more are stored while this is told
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save(tmp_path / "unfinished", progress=interrupt)
    return tmp_path / "unfinished"


def is_sound(hub, folder):
    """Tell whether ``verify`` finds nothing wrong; what it says is one line."""
    try:
        return hub.verify(folder).ok
    except OutputError as error:
        return "\n" in str(error)


def put_link(path):
    elsewhere(path).write_bytes(b"precious")
    path.symlink_to(elsewhere(path))


def put_copy_behind_a_link(path):
    shutil.copy(path.with_name(path.name + ".old"), elsewhere(path))
    path.symlink_to(elsewhere(path))


def elsewhere(path):
    """Return a place beside the data set's folder for what a link in it leads to."""
    own = next(
        parent
        for parent in path.parents
        if (parent / "dataset.json.old").exists() or (parent / "dataset.json").exists()
    )
    return own.parent / f"elsewhere-{path.name}"


KINDS = {
    "a pipe": os.mkfifo,
    "a folder": os.mkdir,
    "a socket": lambda path: os.mknod(path, stat.S_IFSOCK | 0o600),
    "a link to another file": put_link,
    "a link to its own content": put_copy_behind_a_link,
    "a link to a device without end": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize(
    "name", ["dataset.json", "manifest.jsonl", "README.md", "croissant.json", "image/000001.png"]
)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_regular_file_of_the_folder_is_not_read_and_is_named(
    hub, save, folder, contents, name, kind
):
    expected = contents(folder)
    path = folder / name
    path.rename(path.with_name(path.name + ".old"))
    KINDS[kind](path)
    path.with_name(path.name + ".old").unlink(missing_ok=True)
    assert not is_sound(hub, folder)
    with pytest.raises(OutputError, match=r"in the place of a file; remove it$|remove the link$"):
        save(folder, resume=True)
    path.rmdir() if kind == "a folder" else path.unlink()
    save(folder, resume=True)
    assert contents(folder) == expected


def test_links_within_the_folder_are_followed(hub, save, folder):
    """As tools leave them that keep large files apart."""
    (folder / ".kept").mkdir()
    path = folder / "image" / "000001.png"
    path.rename(folder / ".kept" / "1")
    path.symlink_to("../.kept/1")
    verdict = hub.verify(folder)
    assert (verdict.missing, verdict.changed) == ([], [])
    assert save(folder, resume=True).made == 0


def test_an_unfinished_manifest_is_not_written_through_a_link(
    save, folder, unfinished, tmp_path, contents
):
    expected = contents(folder)
    mine = tmp_path / "mine.txt"
    mine.write_text("precious")
    for where, flags in (
        (folder, {}),
        (folder, {"overwrite": True, "seed": 1}),
        (unfinished, {"resume": True}),
    ):
        part = where / "manifest.jsonl.part"
        part.unlink(missing_ok=True)
        part.symlink_to(mine)
        with pytest.raises(OutputError, match="is a link in the place of a file; remove it"):
            save(where, **flags)
        assert mine.read_text() == "precious"
        part.unlink()
    save(unfinished, resume=True)
    assert contents(unfinished) == contents(folder) == expected


@pytest.mark.parametrize("name", ["dataset.json", "manifest.jsonl", "image/000001.png"])
def test_a_file_that_claims_a_terabyte_of_holes_is_not_read(hub, save, folder, contents, name):
    expected = contents(folder)
    os.truncate(folder / name, 2**40)
    assert not is_sound(hub, folder)
    save(folder, resume=True)
    assert contents(folder) == expected


def test_a_line_without_end_takes_no_memory(hub, save, folder, contents):
    expected = contents(folder)
    os.truncate(folder / "manifest.jsonl", 2**28)
    tracemalloc.start()
    try:
        verdict = hub.verify(folder)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert f"line {COUNT + 1} of manifest.jsonl is no row of a manifest" in verdict.faults
    assert peak < 2**26
    save(folder, resume=True)
    assert contents(folder) == expected


def edited(**changes):
    def edit(text):
        return json.dumps({**json.loads(text), **changes}, indent=2).encode()

    return edit


DAMAGES = {
    "a byte more": lambda text: text + b"x",
    "a blank more": lambda text: text + b" ",
    "the half": lambda text: text[: len(text) // 2],
    "nothing": lambda text: b"",
    "no file": None,
    "nested": lambda text: b"[" * 100_000,
    "nested in order": lambda text: text[:-3] + b', "x": ' + b"[" * 900 + b"]" * 900 + b"\n}\n",
    "100 megabytes": lambda text: text + b" " * 100_000_000,
    "no text": lambda text: b"\xff\xfe" + text,
    "half a character": lambda text: text.replace(b"Noise, for", rb"\ud800"),
    "a list": lambda text: b"[]",
    "a number for a name": edited(model=7),
    "another seed": edited(seed=77),
    "count of words": edited(count="nine"),
    "count without measure": edited(count=10**30),
    "count of digits without end": lambda text: text.replace(
        b'"count": 9', b'"count": ' + b"9" * 9999
    ),
    "count below zero": edited(count=-1),
    "count of truth": edited(count=True),
    "a seal of numbers": edited(seal={"dataset.json": 1, "manifest.jsonl": None, "README.md": {}}),
    "a list for a seal": edited(seal=["dataset.json"]),
    "a seal of others' files": edited(seal={"/etc/passwd": "0" * 64, "../x": "0" * 64}),
    "the least": lambda text: json.dumps(
        {key: json.loads(text)[key] for key in ("synthetic", "model", "format", "hub_version")}
        | {"count": 9}
    ).encode(),
    "no words": edited(title=None, inputs=7, outputs={}, limitations="x", batch_size=[]),
    "another program's": lambda text: b'{"name": "Task01", "numTraining": 3}',
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_header_is_found_and_mended(hub, save, folder, unfinished, contents, damage):
    expected = contents(folder)
    change = DAMAGES[damage]
    for where in (folder, unfinished):
        for flags in ({"resume": True}, {"overwrite": True}):
            path = where / "dataset.json"
            if change is None:
                path.unlink()
            else:
                path.write_bytes(change(path.read_bytes()))
            assert not is_sound(hub, where)
            made = save(where, **flags).made
            assert contents(where) == expected
            if "resume" in flags:
                assert made == (0 if where == folder else 3)  # what was there is kept


def test_a_damaged_header_of_another_job_is_left_and_said_how_to_mend(
    hub, save, folder, unfinished, contents
):
    for where in (folder, unfinished):
        (where / "dataset.json").write_text("x")
        before = contents(where)
        for flags in ({}, {"resume": True}, {"overwrite": True}):
            with pytest.raises(
                OutputError, match=r"mend it with the command that made it and resume"
            ):
                save(where, seed=1, **flags)
        assert contents(where) == before
        save(where, resume=True)
        assert hub.verify(where).ok


def test_rows_that_were_changed_in_an_unfinished_manifest_are_made_again(
    save, folder, unfinished, contents
):
    part = unfinished / "manifest.jsonl.part"
    lines = part.read_text().splitlines(keepends=True)
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 6
    label = rows[1]["labels"]["side"]
    lines[1] = lines[1].replace(f'"side": {label}', f'"side": {1 - label}')
    lines[4] = json.dumps({key: rows[4][key] for key in ("index", "files", "labels")}) + "\n"
    part.write_text("".join(lines))
    assert save(unfinished, resume=True).made == 5
    assert contents(unfinished) == contents(folder)


def test_rows_of_another_job_are_not_taken_over(save, folder, unfinished, contents, tmp_path):
    expected = contents(folder)
    other = tmp_path / "other"

    def interrupt(done, count):
        if done >= 3:  # and three more are stored while this is told
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save(other, seed=1, progress=interrupt)
    for name in ("manifest.jsonl.part", "image"):
        source, target = other / name, unfinished / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()
        shutil.move(source, target)
    save(unfinished, resume=True)
    assert contents(unfinished) == expected


def meddle(what):
    """Return a progress function that does something once the first three samples are stored."""

    def progress(done, count):
        if done == 3:
            what()

    return progress


@pytest.mark.parametrize("format_name", ["png", "webdataset"])
def test_files_that_vanish_while_a_job_runs_are_noticed_before_it_is_sealed(
    hub, save, tmp_path, contents, format_name
):
    save = in_shards(save, 3)
    whole, folder = tmp_path / "whole", tmp_path / "out"
    save(whole, format=format_name)
    inner = folder / {"png": "image", "webdataset": "shards"}[format_name]
    first = next((whole / inner.name).glob("000000.*")).name
    for what in (lambda: (inner / first).unlink(), lambda: os.truncate(inner / first, 100)):
        shutil.rmtree(folder, ignore_errors=True)
        with pytest.raises(OutputError, match=r"is missing from .* go on with resume=True"):
            save(folder, format=format_name, progress=meddle(what))
        assert not is_sound(hub, folder)
        assert "seal" not in json.loads((folder / "dataset.json").read_text())
        save(folder, format=format_name, resume=True)
        assert contents(folder) == contents(whole)


def test_a_shard_that_is_cut_while_it_is_written_is_noticed(hub, save, tmp_path, contents):
    whole, folder = tmp_path / "whole", tmp_path / "out"
    save(whole, format="webdataset")
    part = folder / "shards" / "000000.tar.part"
    with pytest.raises(
        OutputError, match=r"shards/000000\.tar is missing .* go on with resume=True"
    ):
        save(folder, format="webdataset", progress=meddle(lambda: os.truncate(part, 100)))
    save(folder, format="webdataset", resume=True)
    assert contents(folder) == contents(whole)


@pytest.mark.parametrize("format_name", ["png", "webdataset"])
def test_a_folder_that_is_moved_away_while_a_job_runs_is_noticed_at_once(
    save, tmp_path, contents, format_name
):
    whole, folder, away = tmp_path / "whole", tmp_path / "out", tmp_path / "away"
    save(whole, format=format_name)
    told = []

    def progress(done, count):
        told.append(done)
        if done == 3:
            folder.rename(away)

    with pytest.raises(OutputError, match=r"out was moved, removed or replaced .* put it back"):
        save(folder, format=format_name, progress=progress)
    assert max(told) == 3
    assert not folder.exists()  # so that it can be put back
    away.rename(folder)
    save(folder, format=format_name, resume=True)
    assert contents(folder) == contents(whole)


def test_a_folder_that_is_replaced_by_another_while_a_job_runs_is_left_alone(
    save, tmp_path, contents
):
    folder, other = tmp_path / "out", tmp_path / "other"
    other.mkdir()

    def replace():
        folder.rename(tmp_path / "away")
        folder.symlink_to(other)

    with pytest.raises(OutputError, match="was moved, removed or replaced"):
        save(folder, progress=meddle(replace))
    # The rest of the batch in hand at most: nothing that would make a data set of it.
    assert len(contents(other)) <= 3
    assert all(name.startswith("image/") for name in contents(other))


def forge(folder, change):
    """Change the rows of a finished data set, and seal it again as its maker could."""
    manifest, header = folder / "manifest.jsonl", folder / "dataset.json"
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    change(rows)
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    document = json.loads(header.read_text())
    document["seal"]["manifest.jsonl"] = hashlib.sha256(manifest.read_bytes()).hexdigest()
    header.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        ".git/config",
        "../precious.txt",
        ".hidden.png",
        "image/scan.png",
        "image/000007.png",
        "image/.000001.png",
        "README.md",
        "a/b/000001.png",
        "image/../000001.png",
        "/etc/000001.png",
    ],
)
def test_overwrite_refuses_a_data_set_that_lists_other_files_than_the_hub_makes(
    hub, save, folder, tmp_path, contents, name
):
    precious = folder / name
    if not precious.exists() and not name.startswith("/"):
        precious.parent.mkdir(parents=True, exist_ok=True)
        precious.write_text("keep")
    digest = hashlib.sha256(b"keep").hexdigest()

    def list_it(rows):
        rows[1]["files"]["image"] |= {"path": name, "sha256": digest, "size": 4}

    forge(folder, list_it)
    before = contents(tmp_path)
    with pytest.raises(OutputError, match=r"lists '.*', which no format of the hub makes; name an"):
        save(folder, seed=1, overwrite=True)
    assert contents(tmp_path) == before


def test_overwrite_leaves_what_somebody_changed_and_says_so(save, folder):
    mine = folder / "image" / "000008.png"
    mine.write_text("mine")
    with pytest.warns(HubWarning, match=r"1 files .* were left, such as image/000008\.png"):
        save(folder, format="npz", overwrite=True)
    assert mine.read_text() == "mine"
    assert [path.name for path in (folder / "image").iterdir()] == ["000008.png"]


def test_overwrite_leaves_a_shard_to_which_somebody_added(save, tmp_path):
    folder = tmp_path / "out"
    save(folder, format="webdataset")
    shard = folder / "shards" / "000000.tar"
    shard.write_bytes(shard.read_bytes() + b"mine")
    with pytest.warns(HubWarning, match=r"were left, such as shards/000000\.tar"):
        save(folder, overwrite=True)
    assert shard.read_bytes().endswith(b"mine")


def test_a_file_that_is_listed_again_and_again_is_read_once(hub, folder, tmp_path):
    large = folder / "image" / "000000.png"
    os.truncate(large, 2**27)
    digest = hashlib.sha256(large.read_bytes()).hexdigest()

    def list_it(rows):
        spellings = ("image/000000.png", "image/./000000.png", "image/../image/000000.png")
        first = rows[0]
        rows.clear()
        for index in range(3000):
            file = {"path": spellings[index % 3], "sha256": digest}
            rows.append({**first, "index": index, "files": {"image": file}})

    forge(folder, list_it)
    verdict = hub.verify(folder)
    assert "image/000000.png is listed more than once" in verdict.faults
    assert verdict.changed == []


def test_shards_that_are_listed_by_turns_are_read_once(hub, save, tmp_path):
    folder = tmp_path / "out"
    save(folder, format="webdataset")
    shard = folder / "shards" / "000000.tar"
    shard.write_bytes(shard.read_bytes() + bytes(2**27))
    shutil.copy(shard, shard.with_name("000001.tar"))

    def list_them(rows):
        first = rows[0]
        rows.clear()
        for index in range(2000):
            file = {**first["files"]["image"], "path": f"shards/00000{index % 2}.tar"}
            rows.append({**first, "index": index, "files": {"image": file}})

    forge(folder, list_them)
    verdict = hub.verify(folder)
    assert "shards/000000.tar is listed more than once" in verdict.faults
    assert verdict.changed == ["shards/000000.tar", "shards/000001.tar"]


def test_folders_however_deep_are_looked_through(hub, save, folder):
    here = Path.cwd()
    try:
        os.chdir(folder)
        for _ in range(1500):
            Path("d").mkdir()
            os.chdir("d")
        os.chdir(here)
        (folder / "d" / "mine.txt").touch()
        assert hub.verify(folder).extra == ["d/mine.txt"]
        save(folder, resume=True)
    finally:
        os.chdir(here)
        deepest = folder.joinpath(*["d"] * 1500)
        (folder / "d" / "mine.txt").unlink()
        os.removedirs(deepest)  # shutil.rmtree may not come so far


def test_file_names_that_are_no_text_are_shown_in_plain_words(folder, capfd):
    name = os.fsdecode(b"\xff\x1b[31m\n::stop-commands::x")
    try:
        (folder / name).touch()
    except OSError:
        pytest.skip("this file system takes no such name")
    for more in ((), ("--json",)):
        with pytest.raises(SystemExit) as stop:
            main(["verify", str(folder), *more])
        assert stop.value.code == 1
        out, err = capfd.readouterr()
        assert "\x1b" not in out + err
        assert "Traceback" not in err
        assert r"\udcff" in out
        assert "\n::stop" not in out + err


def test_a_cached_sample_that_is_a_pipe_or_leads_out_is_made_again(hub, tmp_path):
    cache = tmp_path / "kept"
    samples = hub.dataset("toy-noise", 2, cache=cache)
    images = [samples[index]["sample"] for index in range(2)]
    for put in (os.mkfifo, put_copy_behind_a_link):
        path = cache / "000001.npz"
        path.rename(path.with_name("000001.npz.old"))
        put(path)
        again = hub.dataset("toy-noise", 2, cache=cache)
        assert (again[1]["sample"] == images[1]).all()
        assert path.is_file()
        assert not path.is_symlink()
