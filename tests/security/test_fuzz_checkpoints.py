"""Checkpoints by chance: whatever a file holds, its reader makes values, or says what is wrong."""

import codecs
import io
import json
import signal
import struct
import sys
from collections import Counter, OrderedDict

import numpy as np
import pytest
from hypothesis import strategies as st

from medigan_hub import HubError, weights
from medigan_hub.unpickling.child import as_base64
from medigan_hub.unpickling.formats import describe
from medigan_hub.unpickling.machine import CALLS, DTYPES, STEPS, STORAGES, TYPES
from medigan_hub.weights.rebuilding import rebuild
from support.pickles import (
    array,
    dtype,
    legacy,
    modern,
    name,
    octets,
    pickled,
    storage,
    tensor,
    value,
)

torch = pytest.importorskip("torch")

CLASSES = {"x.Block": weights.Shell, "x.Other": weights.Shell}
MADE = (
    *(type(None), bool, int, float, complex, str, bytes, bytearray),
    *(list, tuple, dict, set, OrderedDict, Counter, weights.Shell),
    *(torch.Tensor, torch.nn.Parameter, torch.Size, torch.device, torch.dtype),
    *(np.ndarray, np.number, np.bool_, type),
)
"""All that a checkpoint may become."""
SUSPICIOUS = ("open", "import", "exec", "compile", "os.", "socket.", "subprocess.", "ctypes.")
OTHERS = [
    *("os.system", "builtins.eval", "builtins.getattr", "numpy.load", "numpy.memmap"),
    *("torch.load", "torch.storage.UntypedStorage", "torch._utils._rebuild_qtensor"),
    *("numpy.core.numeric._frombuffer", "copyreg._reconstructor", "x.Block", "x.Other"),
    *("torch.nn.modules.conv.Conv2d", "torch.nn.backends.thnn._get_thnn_function_backend"),
]
NAMES = sorted(
    {*CALLS, *TYPES, *(f"torch.{each}" for each in (*DTYPES, *STORAGES)), *OTHERS},
)
NUMBERS = st.integers(-3, 9) | st.sampled_from([2**15, 2**31 - 1, -(2**31), 2**62, 2**64])
PIECES = [
    *(storage(), storage("1"), storage("0", kind="torch.LongStorage"), storage(legacy=True)),
    *(tensor(), tensor(1, (2,), (2,)), octets(b"12345678"), dtype("f4"), dtype("u1")),
    array((2,), dtype("f4"), octets(b"12345678")),
    name("collections.OrderedDict") + b")R",
    *(b"]", b"}", b")", b"(", b"N", b"R", b"b", b"Q", b"t", b"\x81", b"\x85", b"\x86", b"\x87"),
]


def step(code):
    """Return a strategy for one of the machine's steps, with what follows on it."""
    follows = {
        b"c": st.sampled_from(NAMES).map(lambda full: name(full)[1:]),
        **dict.fromkeys((b"q", b"h", b"K", b"\x80"), st.integers(0, 9).map(lambda n: bytes([n]))),
        **dict.fromkeys((b"r", b"j", b"J"), st.integers(0, 9).map(lambda n: struct.pack("<I", n))),
        b"M": st.binary(min_size=2, max_size=2),
        b"G": st.binary(min_size=8, max_size=8),
        b"\x8a": st.binary(max_size=9).map(lambda content: bytes([len(content)]) + content),
        b"U": st.binary(max_size=9).map(lambda content: bytes([len(content)]) + content),
        b"X": st.text(max_size=9).map(lambda text: value(text)[1:]),
    }
    return follows.get(code, st.just(b"")).map(lambda rest: code + rest)


@st.composite
def programs(draw):
    """Draw steps that mostly find on the stack what they need."""
    plain = st.one_of(NUMBERS, st.text(max_size=5), st.booleans(), st.none()).map(value)
    called = st.tuples(
        st.sampled_from(NAMES),
        st.lists(st.one_of(plain, st.sampled_from(PIECES[:10]), st.just(b"h\x00")), max_size=8),
    ).map(lambda parts: name(parts[0]) + b"(" + b"".join(parts[1]) + b"tR")
    tensors = st.tuples(NUMBERS, st.lists(NUMBERS, max_size=3), st.lists(NUMBERS, max_size=3)).map(
        lambda parts: tensor(parts[0], tuple(parts[1]), tuple(parts[2]))
    )
    steps = st.one_of(
        *(plain, called, tensors, st.sampled_from(PIECES)),
        st.sampled_from(sorted(STEPS)).flatmap(step),
    )
    found = b"".join(draw(st.lists(steps, max_size=25)))
    return draw(st.sampled_from([b"", b"]q\x00(", b"}q\x00("])) + found


def honest():
    saved = {
        "state": torch.nn.BatchNorm1d(2).state_dict(),
        "view": torch.arange(6.0)[1::2],
        "arrays": [np.arange(3), np.float32(1), np.zeros((0, 2))],
        "rest": (1, 2.5, "x", b"y", {1}, None, torch.Size([1]), torch.half),
    }
    for is_modern in (True, False):
        stream = io.BytesIO()
        torch.save(saved, stream, _use_new_zipfile_serialization=is_modern)
        yield stream.getvalue()


HONEST = list(honest())


@st.composite
def damaged(draw):
    """Draw an honest checkpoint of which some bytes are others."""
    content = bytearray(draw(st.sampled_from(HONEST)))
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, len(content) - 1))
        taken = draw(st.sampled_from([0, 1, 1, 1, 4]))
        content[place : place + taken] = draw(st.binary(max_size=4))
    return bytes(content[: draw(st.sampled_from([len(content), len(content) // 2])) or None])


@st.composite
def files(draw):
    program = pickled(draw(programs()))
    numbers = struct.pack("<q4f", 4, 1, 2, 3, 4)
    return draw(
        st.sampled_from([modern(program), legacy(program, ["0"], numbers), legacy(program)])
        | damaged()
    )


class Watch:
    """Notes what Python is asked for while something is read."""

    def __init__(self):
        self.on, self.seen = False, []
        sys.addaudithook(self)

    def __call__(self, event, arguments):
        if self.on and event.startswith(SUSPICIOUS):
            self.seen.append((event, arguments))


WATCH = Watch()


def check_made(result):
    waiting, seen = [result], set()
    while waiting:
        each = waiting.pop()
        assert isinstance(each, MADE)
        assert not isinstance(each, type) or each is weights.Shell
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, torch.Tensor):
            assert each.numel() == 0 or each.sum() is not None  # reads all of it
        elif isinstance(each, dict):
            waiting += [*each, *each.values()]
        elif isinstance(each, (list, tuple, set)):
            waiting += each
        elif isinstance(each, weights.Shell):
            waiting += vars(each).values()


def hangs(*_):
    raise AssertionError("it takes longer than 20 s")


def outcome(read):
    """Return what is read, or the error that it ends in."""
    try:
        return read(), None
    except Exception as error:  # which the reader puts in words
        return None, error


@pytest.mark.timeout(method="thread")  # it uses the alarm itself
def test_fuzz_what_is_described_and_made(fuzz, tmp_path):
    path = tmp_path / "case.pt"  # which stays where the process crashes
    codecs.lookup("cp437")  # as the process does before it can import no more
    has_alarm = hasattr(signal, "alarm")
    if has_alarm:
        signal.signal(signal.SIGALRM, hangs)

    def read(content):
        with path.open("rb") as stream:
            WATCH.on = True
            try:
                described = json.dumps(describe(stream, len(content), CLASSES), default=as_base64)
                return rebuild(json.loads(described), stream, len(content), CLASSES)
            finally:
                WATCH.on = False

    def examine(content):
        path.write_bytes(content)
        if has_alarm:
            signal.alarm(20)
        made, error = outcome(lambda: read(content))
        if has_alarm:
            signal.alarm(0)
        assert WATCH.seen == []
        assert not isinstance(error, (AssertionError, MemoryError, RecursionError))
        check_made(made)

    fuzz(files(), examine, examples=400)


def test_fuzz_the_whole_reader(fuzz, tmp_path):
    path = tmp_path / "case.pt"

    def examine(content):
        path.write_bytes(content)
        made, error = outcome(lambda: weights.read_checkpoint(path, CLASSES))
        assert error is None or isinstance(error, HubError)
        assert str(error).isprintable()
        check_made(made)

    fuzz(files(), examine, examples=25)
