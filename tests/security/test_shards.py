"""Shards that claim more than they hold, or hold bytes that no member accounts for."""

from __future__ import annotations

import io
import os
import tarfile

import pytest

from medigan_hub import Hub

COUNT = 5
BLOCK = 512


@pytest.fixture
def hub(install, document, drawing):
    install(document=document, code=drawing)
    return Hub()


@pytest.fixture
def save(hub):
    def make(folder, **wishes):
        return hub.save("toy-noise", COUNT, folder, format="webdataset", shard_size=3, **wishes)

    return make


@pytest.fixture
def folder(save, tmp_path):
    save(tmp_path / "out")
    return tmp_path / "out"


def signed(head):
    """Return the head of a member with the checksum that tar gives it."""
    total = sum(head[:148]) + 8 * ord(" ") + sum(head[156:])
    return head[:148] + b"%06o\0 " % total + head[156:]


def with_size(field):
    def change(content):
        return signed(content[:124] + field + content[136:BLOCK]) + content[BLOCK:]

    return change


def with_type(letter, more=b""):
    def change(content):
        return signed(content[:156] + letter + content[157:BLOCK]) + more + content[BLOCK:]

    return change


def archive(fill, pax=False):
    """Return a tar archive that Python's own library writes."""

    def change(content):
        stream = io.BytesIO()
        form = tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT
        with tarfile.open(fileobj=stream, mode="w", format=form) as tar:
            fill(tar)
        return stream.getvalue()

    return change


def pax(**headers):
    def fill(tar):
        info = tarfile.TarInfo("000000.image.png")
        info.size = 5
        info.pax_headers = {key.replace("_", "."): value for key, value in headers.items()}
        tar.addfile(info, io.BytesIO(b"other"))

    return archive(fill, pax=True)


def link(kind):
    def fill(tar):
        info = tarfile.TarInfo("000000.image.png")
        info.type, info.linkname = kind, "/etc/passwd"
        tar.addfile(info)

    return archive(fill)


def many(tar):
    for number in range(3000):
        tar.addfile(tarfile.TarInfo(f"{number}"))


def long_name(tar):
    tar.addfile(tarfile.TarInfo("x" * 5000))


FORGED = {
    "a size of a terabyte": with_size(b"%o\0" % 2**30 + b"\0"),
    "a size of a terabyte in base 256": with_size(b"\x80" + (2**40).to_bytes(11, "big")),
    "a size without measure": with_size(b"\x80" + b"\xff" * 11),
    "a size below zero": with_size(b"\xff" * 12),
    "a size that is no number": with_size(b"zzzzzzzzzzz\0"),
    "a size that is short by one": lambda content: with_size(
        b"%011o\0" % (int(content[124:135], 8) - 1)
    )(content),
    "a sparse member": with_type(b"S"),
    "a sparse member with extensions": with_type(b"S", b"\x01" * BLOCK * 3),
    "a size of pax": pax(size=str(2**40)),
    "a path of pax": pax(path="../../outside"),
    "a sparse member of pax": pax(GNU_sparse_major="1", GNU_sparse_minor="0"),
    "a sparse map of pax": pax(GNU_sparse_map="0,1,2,3", GNU_sparse_size=str(2**40)),
    "a hard link": link(tarfile.LNKTYPE),
    "a symbolic link": link(tarfile.SYMTYPE),
    "a device": link(tarfile.CHRTYPE),
    "a folder": link(tarfile.DIRTYPE),
    "a long name": archive(long_name),
    "thousands of members": archive(many),
    "no member": lambda content: bytes(10 * BLOCK),
    "nothing": lambda content: b"",
    "half a head": lambda content: content[:100],
}


@pytest.mark.parametrize("what", FORGED)
@pytest.mark.parametrize("ending", ["", ".part"])
def test_a_shard_that_the_hub_did_not_write_is_found_and_made_again(
    hub, save, folder, contents, what, ending
):
    expected = contents(folder)
    shard = folder / "shards" / "000000.tar"
    forged = FORGED[what](shard.read_bytes())
    shard.unlink()
    shard.with_name(shard.name + ending).write_bytes(forged)
    assert not hub.verify(folder).ok
    assert save(folder, resume=True).made == 3
    assert contents(folder) == expected


def test_a_member_is_believed_only_as_far_as_the_file_goes(hub, save, folder, contents):
    """The file may be large, too, if there is next to nothing in it."""
    expected = contents(folder)
    shard = folder / "shards" / "000000.tar"
    head = with_size(b"\x80" + (2**40).to_bytes(11, "big"))(shard.read_bytes())[:BLOCK]
    shard.write_bytes(head)
    os.truncate(shard, 2**40 + 4 * BLOCK)
    assert hub.verify(folder).missing
    save(folder, resume=True)
    assert contents(folder) == expected


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[:-1],
        lambda content: content[:-BLOCK],
        lambda content: content + b"\0",
        lambda content: content + bytes(BLOCK),
        lambda content: content + content,
        lambda content: content[:-1] + b"\1",
        lambda content: content[: -2 * BLOCK - 1] + b"\1" + content[-2 * BLOCK :],  # padding
        lambda content: signed(content[:136] + b"7" + content[137:BLOCK]) + content[BLOCK:],
        lambda content: signed(content[:265] + b"me" + content[267:BLOCK]) + content[BLOCK:],
        lambda content: signed(content[:500] + b"hidden" + content[506:BLOCK]) + content[BLOCK:],
    ],
    ids=["cut", "one end", "byte", "block", "twice", "end", "padding", "time", "owner", "rest"],
)
def test_bytes_outside_the_members_are_checked_too(hub, save, folder, contents, change):
    expected = contents(folder)
    shard = folder / "shards" / "000001.tar"
    changed = change(shard.read_bytes())
    assert changed != shard.read_bytes()
    shard.write_bytes(changed)
    assert "shards/000001.tar" in hub.verify(folder).changed
    save(folder, resume=True)
    assert contents(folder) == expected
