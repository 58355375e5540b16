"""Pickles and checkpoints put together step by step, as no pickler would write them."""

import io
import struct
import zipfile

PROTOCOL, STOP = b"\x80\x02", b"."
NONE, MARK = b"N", b"("
LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."


def name(full):
    module, _, last = full.rpartition(".")
    return f"c{module}\n{last}\n".encode()


def value(item):
    """Return the steps that put a plain value on the stack; bytes are steps already."""
    if isinstance(item, bytes):
        return item
    if item is None:
        return NONE
    if isinstance(item, bool):
        return b"\x88" if item else b"\x89"
    if isinstance(item, int):
        if -(2**31) <= item < 2**31:
            return b"J" + struct.pack("<i", item)
        size = item.bit_length() // 8 + 1
        return b"\x8a" + bytes([size]) + item.to_bytes(size, "little", signed=True)
    if isinstance(item, float):
        return b"G" + struct.pack(">d", item)
    if isinstance(item, str):
        content = item.encode()
        return b"X" + struct.pack("<I", len(content)) + content
    if isinstance(item, tuple):
        return MARK + b"".join(map(value, item)) + b"t"
    if isinstance(item, list):
        return b"](" + b"".join(map(value, item)) + b"e"
    return b"}(" + b"".join(value(each) for pair in item.items() for each in pair) + b"u"


def call(function, *arguments):
    return name(function) + value(arguments) + b"R"


def new(cls, *arguments):
    return name(cls) + value(arguments) + b"\x81"


def build(item, state):
    return value(item) + value(state) + b"b"


def octets(content):
    return call("_codecs.encode", content.decode("latin-1"), "latin1")


def dtype(code, *state):
    made = call("numpy.dtype", code, 0, 1)
    return build(made, state or (3, "<", None, None, None, -1, -1, 0))


def array(shape, kind, content, *, version=1, fortran=False):
    start = call("numpy.core.multiarray._reconstruct", name("numpy.ndarray"), (0,), octets(b"b"))
    return build(start, (version, shape, kind, fortran, content))


def storage(key="0", count=4, kind="torch.FloatStorage", *, legacy=False):
    more = (None,) if legacy else ()
    return value(("storage", name(kind), key, "cpu", count, *more)) + b"Q"


def tensor(offset=0, size=(4,), stride=(1,), *, of=None):
    of = storage() if of is None else of
    hooks = call("collections.OrderedDict")
    return call("torch._utils._rebuild_tensor_v2", of, offset, size, stride, False, hooks)


def pickled(steps):
    """Return a pickle of these steps, or of a value; one that is whole stays as it is."""
    steps = value(steps)
    return steps if steps[:1] == PROTOCOL[:1] else PROTOCOL + steps + STOP


def modern(steps, parts=None, compression=zipfile.ZIP_STORED):
    """Return a checkpoint as ``torch.save`` writes it, with four numbers in the storage 0."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr("x/data.pkl", pickled(steps))
        archive.writestr("x/byteorder", "little")
        for key, content in (parts or {"x/data/0": struct.pack("<4f", 1, 2, 3, 4)}).items():
            archive.writestr(key, content)
    return stream.getvalue()


def legacy(steps, keys=(), content=b""):
    """Return a checkpoint as PyTorch wrote it up to version 1.5."""
    parts = (pickled(1001), pickled({"little_endian": True}), pickled(steps), pickled([*keys]))
    return LEGACY + b"".join(parts) + content
