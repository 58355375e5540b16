"""Checkpoints that do no harm: they come back as PyTorch would read them."""

import io
import struct
import zipfile
from collections import Counter, OrderedDict

import numpy as np
import pytest

from medigan_hub import weights
from support.pickles import array, dtype, modern, octets, pickled, tensor

torch = pytest.importorskip("torch")


def honest():
    torch.manual_seed(0)
    base = torch.randn(6, 8)
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    optimiser = torch.optim.Adam(network.parameters())
    network(torch.randn(2, 1, 8, 8)).sum().backward()
    optimiser.step()
    marked = torch.ones(2)
    marked.note = "of a user"
    types = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8")
    types += ("uint8", "bool", "complex64", "complex128")
    return {
        "types": [torch.arange(5).to(getattr(torch, each)) for each in types],
        "base": base,
        "view": base[1:4, 2:7:2],
        "turned": base.t(),
        "spread": torch.ones(1, 3).expand(4, 3),
        "empty": [torch.empty(0), torch.empty(3, 0, 2)],
        "alone": torch.tensor(2.5),
        "parameters": [torch.nn.Parameter(base), torch.nn.Parameter(base, requires_grad=False)],
        "marked": marked,
        "state": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "sizes": [torch.Size([1, 2]), torch.device("cuda:1"), torch.device("cpu"), torch.half],
        "containers": [{1, "a", (2, 3)}, OrderedDict(a=1), (), {(1, 2): "a", 3: None, 4.5: True}],
        "counter": Counter("aab"),
        "numbers": [2**100, -5, float("inf"), 1 + 2j, True, None],
        "texts": ["\u00e4\U0001f600\ud800", b"abc\xff", b"", bytearray(b"x\xfe"), bytearray()],
        "NumPy": [np.float32(1.5), np.int64(-7), np.bool_(True), np.complex64(1j), np.half(2)],
        "arrays": [
            np.arange(6.0).reshape(2, 3),
            np.asfortranarray(np.arange(6).reshape(2, 3)),
            np.arange(3, dtype=">i2"),
            np.array(3.5),
            np.zeros((0, 3)),
            np.array([True]),
        ],
    }


def check_same(found, saved):
    assert type(found) is type(saved)
    if isinstance(saved, torch.Tensor):
        assert (found.dtype, found.stride()) == (saved.dtype, saved.stride())
        assert torch.equal(found, saved)
        assert found.requires_grad == saved.requires_grad
    elif isinstance(saved, np.ndarray):
        assert found.dtype == saved.dtype
        assert found.flags.f_contiguous == saved.flags.f_contiguous
        np.testing.assert_array_equal(found, saved)
        found[...] = 0  # it can be written
    elif isinstance(saved, dict):
        assert list(found) == list(saved)
        assert getattr(found, "_metadata", None) == getattr(saved, "_metadata", None)
        for key in saved:
            check_same(found[key], saved[key])
    elif isinstance(saved, (list, tuple)):
        assert len(found) == len(saved)
        for one, other in zip(found, saved, strict=True):
            check_same(one, other)
    else:
        assert found == saved


@pytest.mark.parametrize("is_modern", [True, False])
def test_what_is_honest_comes_back_as_it_was(tmp_path, is_modern):
    saved = honest()
    saved["itself"] = [saved["view"]]
    torch.save(saved, tmp_path / "x.pt", _use_new_zipfile_serialization=is_modern)
    found = weights.read_checkpoint(tmp_path / "x.pt")
    check_same(found, saved)
    assert found["itself"][0] is found["view"]
    assert found["view"].untyped_storage().data_ptr() == found["base"].untyped_storage().data_ptr()


def test_numbers_of_new_types_come_back(tmp_path):
    names = ("uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2")
    saved = [torch.arange(5).to(getattr(torch, name)) for name in names]
    torch.save(saved, tmp_path / "x.pt")
    for one, other in zip(weights.read_checkpoint(tmp_path / "x.pt"), saved, strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one.view(torch.uint8), other.view(torch.uint8))


def test_a_list_in_itself_comes_back(tmp_path):
    saved = [1]
    saved.append(saved)
    torch.save(saved, tmp_path / "x.pt")
    found = weights.read_checkpoint(tmp_path / "x.pt")
    assert found[1] is found


def test_arrays_that_other_versions_wrote_are_read(tmp_path):
    # NumPy 2 names its module otherwise, and Python 2 wrote bytes as texts.
    made = array((2,), dtype("f4"), octets(struct.pack("<2f", 1, 2)))
    of_numpy_2 = made.replace(b"numpy.core.", b"numpy._core.")
    of_python_2 = array((2,), dtype("f4"), b"U\x08" + struct.pack("<2f", 1, 2))
    a_text_by_chance = array((2,), dtype("u1"), b"U\x02\xc3\xa9")
    (tmp_path / "x.pt").write_bytes(modern([made, of_numpy_2, of_python_2, a_text_by_chance]))
    *found, last = weights.read_checkpoint(tmp_path / "x.pt")
    for each in found:
        np.testing.assert_array_equal(each, np.array([1, 2], np.float32))
    np.testing.assert_array_equal(last, np.array([0xC3, 0xA9], np.uint8))


def test_numbers_of_the_other_byte_order_are_turned(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("x/data.pkl", pickled(tensor()))
        archive.writestr("x/byteorder", "big")
        archive.writestr("x/data/0", struct.pack(">4f", 1, 2, 3, 4))
    (tmp_path / "x.pt").write_bytes(stream.getvalue())
    assert weights.read_checkpoint(tmp_path / "x.pt").tolist() == [1, 2, 3, 4]
