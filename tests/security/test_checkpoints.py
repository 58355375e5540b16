"""Checkpoints that were made to do harm: none runs anything, and each ends in one line."""

import io
import os
import struct
import subprocess
import sys
import time
import zipfile

import pytest

from medigan_hub import WeightsError, weights
from medigan_hub.contribution import recognition
from support.pickles import (
    array,
    build,
    call,
    dtype,
    legacy,
    modern,
    name,
    new,
    octets,
    pickled,
    storage,
    tensor,
    value,
)

torch = pytest.importorskip("torch")

CLASSES = {"x.Block": weights.Shell}
ADDRESS = octets(bytes(range(65, 73)))


def refusal(path, content, classes=None):
    """Return what is said of a checkpoint, which must be one line."""
    path.write_bytes(content)
    begin = time.monotonic()
    with pytest.raises(WeightsError) as caught:
        weights.read_checkpoint(path, classes)
    assert time.monotonic() - begin < 30  # it takes a second; but none may hang
    text = str(caught.value)
    assert text.startswith(str(path))
    assert text.isprintable()
    assert len(text) < 600
    return text


FORBIDDEN = {
    # Objects at any address, and memory outside a buffer
    "ndarray of objects": call("numpy.ndarray", (1,), "O", ADDRESS),
    "ndarray made new": new("numpy.ndarray", (1,), "O", ADDRESS),
    "ndarray before its buffer": call("numpy.ndarray", (1,), "i8", ADDRESS, -4096),
    "ndarray of any size": call("numpy.ndarray", (2**40,)),
    "frombuffer": call("numpy.core.numeric._frombuffer", ADDRESS, dtype("f8"), (1,), "C"),
    "frombuffer of NumPy 2": call("numpy._core.numeric._frombuffer", ADDRESS, dtype("f8"), (1,)),
    "frombuffer by name": call("numpy.frombuffer", ADDRESS, "O"),
    "memmap": call("numpy.memmap", "/etc/passwd"),
    "memmap of a module": call("numpy.core.memmap.memmap", "/etc/passwd"),
    "record array": call("numpy.recarray", (1,), "O", ADDRESS),
    "strides": call("numpy.lib.stride_tricks.as_strided", ADDRESS, (2**40,), (8,)),
    "array of a subclass": call(
        "numpy.core.multiarray._reconstruct", name("numpy.memmap"), (0,), octets(b"b")
    ),
    # The hub's own functions and classes, as names
    "class_of": call("medigan_hub.weights.legacy.class_of", 1, call("numpy.ndarray", (1,), "O")),
    "the hub's array": call("medigan_hub.weights.scalars.Array", (1,), "O", ADDRESS),
    "the hub's machine": call("medigan_hub.unpickling.machine.Machine"),
    "the hub's shell": call("medigan_hub.weights.rebuilding.Shell"),
    # PyTorch's
    "storage of any size": call("torch.storage.UntypedStorage", 2**40),
    "typed storage": call("torch.storage.TypedStorage", 2**40),
    "float storage": call("torch.FloatStorage", 2**40),
    "tensor of any size": call("torch.Tensor", 2**40),
    "tensor made new": new("torch.Tensor", 2**40),
    "load": call("torch.storage._load_from_bytes", ADDRESS),
    "load a file": call("torch.load", "/etc/passwd"),
    "jit": call("torch.jit.load", "/etc/passwd"),
    "hub": call("torch.hub.load", "x", "y"),
    "from_file": call("torch.UntypedStorage.from_file", "/etc/passwd"),
    "quantised": call("torch._utils._rebuild_qtensor", storage(), 0, (4,), (1,), (), False, None),
    "sparse": call("torch._utils._rebuild_sparse_tensor", name("torch.sparse_coo"), (tensor(),)),
    "nested": call("torch._utils._rebuild_nested_tensor", tensor(), tensor(), tensor(), tensor()),
    "meta": call("torch._utils._rebuild_meta_tensor_no_storage", "float32", (2**40,), (1,), False),
    "wrapper": call("torch._utils._rebuild_wrapper_subclass", name("torch.Tensor"), "x"),
    "from NumPy": call("torch._utils._rebuild_device_tensor_from_numpy", ADDRESS, "x", "cpu", 0),
    "subclass": call(
        "torch._tensor._rebuild_from_type_v2", name("torch._utils._rebuild_tensor_v2"),
        name("torch.Size"), (), None,
    ),
    "wrapped call": call(
        "torch._tensor._rebuild_from_type_v2", name("builtins.bytearray"),
        name("torch.Tensor"), (2**40,), None,
    ),
    "layout": call("torch.serialization._get_layout", "torch.strided"),
    # Python's
    "reconstructor": call("copy_reg._reconstructor", name("numpy.ndarray"), None, None),
    "getattr": call("__builtin__.getattr", 1, "real"),
    "partial": call("functools.partial", name("numpy.ndarray")),
    "attrgetter": call("operator.attrgetter", "__class__"),
    "system": call("os.system", "true"),
    "default": call("collections.defaultdict", name("__builtin__.list")),
    "import": call("importlib.import_module", "antigravity"),
}  # fmt: skip


@pytest.mark.parametrize("what", FORBIDDEN)
@pytest.mark.parametrize("classes", [None, CLASSES], ids=["plain", "shells"])
def test_a_pickle_calls_nothing_that_is_not_in_the_list(tmp_path, what, classes):
    text = refusal(tmp_path / "x.pt", modern(FORBIDDEN[what]), classes)
    assert "is refused: to be read it would run" in text


@pytest.mark.parametrize("what", ["ndarray of objects", "class_of", "memmap", "system", "wrapper"])
@pytest.mark.parametrize("classes", [None, CLASSES], ids=["plain", "shells"])
def test_neither_does_one_of_the_old_format(tmp_path, what, classes):
    text = refusal(tmp_path / "x.pt", legacy(FORBIDDEN[what]), classes)
    assert "is refused: to be read it would run" in text


def test_a_class_in_the_old_format_is_no_way_to_a_function(tmp_path):
    module = value(("module", name("os.system"), "x.py", "source")) + b"Q"
    assert "would run os.system" in refusal(tmp_path / "x.pt", legacy(module), CLASSES)
    module = value(("module", call("builtins.set", [1]), "x.py", "source")) + b"Q"
    assert "set where name belongs" in refusal(tmp_path / "x.pt", legacy(module), CLASSES)


WRONG = {
    # Arrays and numbers of NumPy
    "objects": dtype("O8"),
    "objects by letter": dtype("O"),
    "fields": dtype("V8", 3, "|", None, ("a",), {"a": (1, 0)}, 8, 1, 0),
    "fields on numbers": dtype("f8", 3, "<", None, ("a",), {"a": (1, 0)}, 8, 1, 0),
    "a part that is an array": dtype("f8", 3, "<", ("f8", (2**40,)), None, None, 8, 1, 0),
    "texts": dtype("U5"),
    "dates": dtype("M8"),
    "padding": dtype("V2147483647"),
    "order": dtype("f8", 3, "O", None, None, None, -1, -1, 0),
    "many numbers": call("numpy.dtype", "1099511627776f8", 0, 1),
    "array of objects": array((1,), dtype("O8"), [None]),
    "array of a list": array((1,), dtype("f8"), [1.0]),
    "array larger than its bytes": array((2**40,), dtype("f8"), octets(b"12345678")),
    "array smaller than its bytes": array((1,), dtype("u1"), octets(b"12345678")),
    "array of two sizes below 0": array((-1, -8), dtype("u1"), octets(b"12345678")),
    "array of truth": array((True, 8), dtype("u1"), octets(b"12345678")),
    "array of overflow": array((2**33, 2**31), dtype("u1"), octets(b"")),
    "array without numbers, but a size": array((0, 2**60), dtype("u1"), octets(b"")),
    "array of many axes": array((1,) * 70, dtype("u1"), octets(b"1")),
    "array of another version": array((8,), dtype("u1"), octets(b"12345678"), version=2),
    "array of a type that is none": array((8,), name("numpy.ndarray"), octets(b"12345678")),
    "array state of a tensor": build(tensor(), (1, (8,), dtype("u1"), False, octets(b"12345678"))),
    "number too short": call("numpy.core.multiarray.scalar", dtype("f8"), octets(b"1234")),
    "number too long": call("numpy.core.multiarray.scalar", dtype("f8"), octets(b"1" * 16)),
    "number of an object": call("numpy.core.multiarray.scalar", dtype("O8"), octets(b"1" * 8)),
    # Tensors
    "beyond its numbers": tensor(0, (5,), (1,)),
    "offset beyond": tensor(4, (1,), (1,)),
    "offset below 0": tensor(-1, (1,), (1,)),
    "offset of overflow": tensor(2**62, (1,), (1,)),
    "offset of truth": tensor(True, (1,), (1,)),
    "stride beyond": tensor(0, (2, 2), (3, 1)),
    "stride below 0": tensor(3, (4,), (-1,)),
    "stride of overflow": tensor(0, (2**31, 2**31), (2**32, 2**32)),
    "size below 0": tensor(0, (-2, -2), (1, 1)),
    "size without a stride": tensor(0, (2, 2), (1,)),
    "size of text": tensor(0, ("4",), (1,)),
    "the same numbers many times": tensor(0, (2**40,), (0,)),
    "no numbers of any size": tensor(0, (0, 2**61), (1, 1)),
    "many axes": tensor(0, (1,) * 70, (1,) * 70),
    "a wider type": tensor(0, (4,), (1,), of=storage(kind="torch.DoubleStorage")),
    "numbers that are not there": tensor(of=storage("7")),
    "a storage that is none": tensor(of=value([1, 2, 3, 4])),
    "a storage of a function": tensor(of=storage(kind="torch._utils._rebuild_tensor")),
    "a path as a key": tensor(of=storage("../../../etc/passwd")),
    "another kind of reference": value(("file", "/etc/passwd")) + b"Q",
    "a reference that is no tuple": value("storage") + b"Q",
    "attributes of a tensor": build(tensor(), {"grad_fn": 1}),
    "a sized type": call(
        "torch._utils._rebuild_tensor_v3", storage(), 0, (4,), (1,), False, None,
        name("torch.float64"),
    ),
    "a parameter of a list": call("torch._utils._rebuild_parameter", [1.0], True, None),
    "sizes below 0": call("torch.Size", (-1,)),
    "a device that is none": call("torch.device", "cpu; true"),
    "a function as a value": name("torch._utils._rebuild_tensor_v2"),
    "a class as a value": name("numpy.ndarray"),
    "a storage as a value": storage(),
    # Containers
    "bytes of any number": call("builtins.bytearray", 2**40),
    "bytes without end": call("builtins.bytes", 2**40),
    "an encoding that is a program": call("_codecs.encode", "x" * 100, "zlib_codec"),
    "a set of lists": call("builtins.set", [[1]]),
    "a table by lists": value({value([1]): 1}),
    "a key in a key": value({(((1,),),): 1}),
    "a key without a value": b"}(" + value(1) + b"u",
    "items of a tensor": tensor() + b"(" + value(1) + value(2) + b"u",
    "items of a class": name("collections.OrderedDict") + b"(" + value(1) + value(2) + b"u",
    "attributes of a function": build(name("collections.OrderedDict"), {"a": 1}),
    "attributes of a list": build([], {"a": 1}),
    "methods of a table": build(call("collections.Counter"), {"items": 1}),
    "a complex number of texts": call("builtins.complex", "1", "2"),
    # Steps
    "protocol 4": b"\x80\x04" + value(1) + b".",
    "no end": b"\x80\x02" + value(1),
    "nothing": b"\x80\x02.",
    "a mark that is not there": b"\x80\x02t.",
    "what was not kept": b"\x80\x02h\x07.",
    "a text beyond the end": b"\x80\x02X\xff\xff\xff\xffabc.",
    "a name without an end": b"\x80\x02c" + b"a" * 100_000,
    "a number of 2 GiB": b"\x80\x02\x8b\xff\xff\xff\x7f" + b"1" * 100,
    "a large number": b"\x80\x02\x8a\xff" + b"1" * 255 + b".",
    "a number in words": b"\x80\x02I" + b"1" * 100_000 + b"\n.",
    "an instance": b"\x80\x02(ios\nsystem\n.",
    "an object": b"\x80\x02(" + name("os.system") + b"o.",
    "a name from the stack": b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
    "an extension": b"\x80\x02\x82\x01.",
    "a buffer from outside": b"\x80\x05\x97.",
    "a persistent name": b"\x80\x02Pos.system\n.",
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_can_not_be_is_not_made(tmp_path, what):
    text = refusal(tmp_path / "x.pt", modern(WRONG[what]))
    assert "would run" in text or "is not a checkpoint that can be read" in text


def hungry():
    yield "steps", modern(b"\x80\x02" + b"N" * 5_000_000 + b".")
    yield "lists in lists", modern(b"\x80\x02" + b"]" * 1_000_000 + b"a" * 999_999 + b".")
    yield "tuples in tuples", modern(b"\x80\x02)" + b"\x85" * 1_500_000 + b".")
    yield "a key of tuples", modern(b"\x80\x02})" + b"\x85" * 200_000 + b"Ns.")
    text = value("x" * 500_000) + b"q\x00"
    again = b"h\x00" + value("latin1") + b"\x86R"
    made = b"](" + text + (name("_codecs.encode") + again) * 20_000 + b"e"
    yield "bytes again and again", modern(made)
    sizes = value((1,) * 100_000) + b"q\x00"
    made = b"](" + sizes + (name("torch.Size") + b"h\x00\x85R") * 50_000 + b"e"
    yield "sizes again and again", modern(made)
    items = value([1] * 200_000) + b"q\x00"
    made = b"](" + items + (name("builtins.set") + b"h\x00\x85R") * 50_000 + b"e"
    yield "sets again and again", modern(made)
    wide_tensor = tensor(0, (4000, 4000), (0, 0))
    yield "tensors many times larger", modern(b"](" + wide_tensor * 1000 + b"e")
    modulus = sys.hash_info.modulus
    keys = b"".join(value(modulus * (place + 1)) + b"N" for place in range(100_000))
    yield "keys of one hash", modern(b"}(" + keys + b"u")
    packed = modern(b"\x80\x02" + b"N" * 40_000_000 + b".", None, zipfile.ZIP_DEFLATED)
    assert len(packed) < 60_000
    yield "steps that were compressed", packed


READING = """
import re, resource, sys
from pathlib import Path
import torch
from medigan_hub import weights
for path in map(Path, sys.argv[1:]):
    try:
        weights.read_checkpoint(path)
    except weights.checkpoints.WeightsError as error:
        print(error)
# Not what getrusage says of itself, which goes on with what the process had that started this one.
print(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_neither_time_nor_memory_is_taken_beyond_measure(tmp_path):
    paths = []
    for what, content in hungry():
        paths.append(tmp_path / f"{what}.pt")
        paths[-1].write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", READING, *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=20 * len(paths),
    )
    *said, own, childrens = done.stdout.splitlines()
    assert done.stderr == ""
    assert [line.partition(".pt ")[0] for line in said] == [str(path)[:-3] for path in paths]
    assert int(own) * 2**10 < 2**30
    assert int(childrens) * 2**10 < 2**30


def test_what_is_kept_once_is_handed_over_once(tmp_path):
    # Lists of ten times the same list, forty deep: 10 ** 40 of them, were they copied.
    levels = 40
    steps = b"".join(b"]q" + bytes([level]) for level in range(levels))
    for level in range(levels - 1, 0, -1):
        steps += b"a" + (b"h" + bytes([level]) + b"a") * 9
    (tmp_path / "x.pt").write_bytes(modern(steps))
    found = weights.read_checkpoint(tmp_path / "x.pt")
    for _ in range(levels - 1):
        assert len(found) == 10
        assert all(each is found[0] for each in found)
        found = found[0]


# Archives


def flagged(content):
    """Return a checkpoint whose first part says that it is encrypted."""
    changed = bytearray(content)
    changed[changed.index(b"PK\x01\x02") + 8] |= 1
    return bytes(changed)


def moved(content, offset):
    """Return a checkpoint whose first part is said to begin elsewhere."""
    changed = bytearray(content)
    place = changed.index(b"PK\x01\x02") + 42
    changed[place : place + 4] = struct.pack("<I", offset)
    return bytes(changed)


def two_of_one_name():
    stream = io.BytesIO(modern(1))
    with zipfile.ZipFile(stream, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("x/data.pkl", pickled(FORBIDDEN["system"]))
    return stream.getvalue()


def one_storage_many_times():
    """Return a checkpoint whose 200 storages are the same bytes of the file."""
    parts = {f"x/data/{key}": b"" for key in range(200)} | {"x/data/zero": bytes(2**20)}
    steps = [tensor(0, (2**18,), (1,), of=storage(str(key))) for key in range(200)]
    content = bytearray(modern(steps, parts))
    place = 0
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        target = archive.getinfo("x/data/zero").header_offset
    while (place := content.find(b"PK\x01\x02", place) + 1) > 0:
        head = place - 1
        if content[head + 46 :].startswith(b"x/data/") and content[head + 53 : head + 54] != b"z":
            content[head + 20 : head + 28] = struct.pack("<II", 2**20, 2**20)
            content[head + 42 : head + 46] = struct.pack("<I", target)
    return bytes(content)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: modern(1, None, zipfile.ZIP_DEFLATED), "compressed or encrypted"),
        (lambda: modern(1, None, zipfile.ZIP_LZMA), "compressed or encrypted"),
        (lambda: flagged(modern(1)), "compressed or encrypted"),
        (lambda: moved(modern(1), 2**31), "is damaged"),
        (lambda: moved(modern(1), 7), "is damaged"),
        (two_of_one_name, "two parts of it have one name"),
        (lambda: modern(1, {"y/data.pkl": b"\x80\x02N."}), "two parts of it have one name"),
        (lambda: modern(1, {"x/constants.pkl": b""}), "program of TorchScript"),
        (lambda: modern(tensor(), {"x/y": b""}), "lacks the numbers"),
        (lambda: modern(tensor(), {"x/data/0": b"123"}), "beyond its numbers"),
        (one_storage_many_times, "lacks the numbers"),
    ],
)
def test_an_archive_that_lies_is_told(tmp_path, make, reason):
    assert reason in refusal(tmp_path / "x.pt", make())


@pytest.mark.parametrize(
    ("keys", "content", "reason"),
    [
        ([], b"", "beyond its numbers"),
        (["0"], b"", "ends too early"),
        (["0"], struct.pack("<q", 4), "ends too early"),
        (["0"], struct.pack("<q", -4) + bytes(16), "ends too early"),
        (["0"], struct.pack("<q", 2**60) + bytes(16), "ends too early"),
        (["0", "0"], (struct.pack("<q", 4) + bytes(16)) * 2, "numbers of no tensor"),
        (["1"], struct.pack("<q", 4) + bytes(16), "numbers of no tensor"),
        ([[]], struct.pack("<q", 4) + bytes(16), "list where text belongs"),
    ],
)
def test_the_numbers_of_the_old_format_lie_in_the_file(tmp_path, keys, content, reason):
    steps = tensor(of=storage(legacy=True))
    assert reason in refusal(tmp_path / "x.pt", legacy(steps, keys, content))


# Modules


STATE = {"_parameters": {}, "_buffers": {}}


def test_a_module_that_is_used_very_often_is_told(tmp_path):
    # Forty modules, each of which is twice in the next.
    steps = build(new("x.Block"), {**STATE, "_modules": {}}) + b"q\x00"
    for level in range(40):
        modules = {"a": b"h" + bytes([level]), "b": b"h" + bytes([level])}
        outer = build(new("x.Block"), {**STATE, "_modules": modules})
        steps += outer + b"q" + bytes([level + 1])
    (tmp_path / "x.pt").write_bytes(modern(b"(" + steps + b"t"))
    *_, found = weights.read_checkpoint(tmp_path / "x.pt", CLASSES)
    with pytest.raises(WeightsError, match="a module with over 20000 others in it"):
        weights.tensors_of(found)


def test_a_module_in_itself_is_told(tmp_path):
    steps = new("x.Block") + b"q\x00" + value({**STATE, "_modules": {"a": b"h\x00"}}) + b"b"
    (tmp_path / "x.pt").write_bytes(modern(steps))
    found = weights.read_checkpoint(tmp_path / "x.pt", CLASSES)
    with pytest.raises(WeightsError, match="holds Shell, and not a module of PyTorch"):
        weights.tensors_of(found)


def test_attributes_of_a_shell_are_nothing_but_values(tmp_path):
    state = {"__class__": 1, "__dict__": 2, "__setstate__": 3, "_parameters": 4, "a": tensor()}
    (tmp_path / "x.pt").write_bytes(modern(build(new("x.Block", "ignored"), state)))
    found = weights.read_checkpoint(tmp_path / "x.pt", CLASSES)
    assert type(found) is weights.Shell
    assert vars(found)["a"].tolist() == [1, 2, 3, 4]
    with pytest.raises(WeightsError, match="not a module of PyTorch"):
        weights.tensors_of(found)


@pytest.mark.skipif(sys.platform == "win32", reason="has no such pipes")
def test_a_pipe_in_place_of_a_checkpoint_is_told(tmp_path):
    os.mkfifo(tmp_path / "x.pt")
    with pytest.raises(WeightsError, match=r"x\.pt is no file"):
        weights.read_checkpoint(tmp_path / "x.pt")


def test_tables_that_are_in_each_other_many_times_are_looked_at_once(tmp_path):
    # A thousand names of a table with a thousand names of one, and so on: 10 ** 12 paths.
    steps = value({"weight": tensor()}) + b"q\x00"
    for level in range(4):
        names = {f"n{place}": b"h" + bytes([level]) for place in range(1000)}
        steps += value(names) + b"q" + bytes([level + 1])
    (tmp_path / "x.pt").write_bytes(modern(b"(" + steps + b"t"))
    (place, tensors), *_ = recognition.read(tmp_path / "x.pt")
    assert (place, list(tensors)) == ("0", ["weight"])


def test_no_more_groups_of_tensors_are_looked_at_than_a_network_has(tmp_path):
    tables = {f"n{place}": {"weight": tensor()} for place in range(1000)}
    (tmp_path / "x.pt").write_bytes(modern(tables))
    assert len(recognition.read(tmp_path / "x.pt")) == 200
