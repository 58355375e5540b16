"""Archives put together, and changed where a writer of them would not."""

import io
import struct
import zipfile

ENTRY, END = b"PK\x01\x02", b"PK\x05\x06"


def zipped(files, method=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo("x")
            info.filename, info.compress_type = name, method  # without what Windows would change
            archive.writestr(info, content)
    return stream.getvalue()


def changed(content, mark, offset, form, value, which=0):
    """Write a number behind the mark of a header, of those in the archive the one that is meant."""
    place = -1
    for _ in range(which + 1):
        place = content.index(mark, place + 1)
    found = bytearray(content)
    struct.pack_into(form, found, place + offset, value)
    return bytes(found)


def sharing(count, size=10_000_000):
    """Return an archive of many files that are the same bytes of it, as bombs are built."""
    body = zipped({"a": bytes(size)})
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        info = archive.getinfo("a")
        local, start = body[: archive.start_dir], archive.start_dir
        entry = body[start : body.index(END)]
    assert info.header_offset == 0
    entries = [entry[:46] + bytes([97 + place % 26]) * (place // 26 + 1) for place in range(count)]
    entries = [
        struct.pack_into("<H", made := bytearray(each), 28, len(each) - 46) or bytes(made)
        for each in entries
    ]
    listed = b"".join(entries)
    end = struct.pack("<4s4H2LH", END, 0, 0, count, count, len(listed), len(local), 0)
    return local + listed + end
