"""Graphs and HDF5 files that take what they need from elsewhere: none is loaded."""

import struct
import sys

import numpy as np
import pytest

from medigan_hub import WeightsError
from medigan_hub.contribution.checking import contents

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper  # noqa: E402

from medigan_hub.runtimes import Network  # noqa: E402
from medigan_hub.runtimes.onnx import OnnxRuntime  # noqa: E402
from medigan_hub.runtimes.tensorflow import TensorflowRuntime  # noqa: E402

ONES = np.ones((2, 2), np.float32)


def tensor(name="w"):
    return onnx.numpy_helper.from_array(ONES, name)


def outside(name="w", location="w.bin", **more):
    """Return a tensor whose numbers are in another file."""
    made = tensor(name)
    made.ClearField("raw_data")
    made.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": "0", "length": "16", **more}.items():
        made.external_data.add(key=key, value=value)
    return made


def values(name, kind=TensorProto.FLOAT, shape=(2, 2)):
    return helper.make_tensor_value_info(name, kind, shape)


def graph_of(nodes, initializers=(), name="g", inputs=("x",)):
    return helper.make_graph(
        nodes, name, [values(each) for each in inputs], [values("y")], list(initializers)
    )


def model_of(graph, **more):
    return helper.make_model(
        graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)], **more
    )


def add(weight="w"):
    return helper.make_node("Add", ["x", weight], ["y"])


def plain():
    return model_of(graph_of([add()], [tensor()]))


def as_initializer():
    return model_of(graph_of([add()], [outside()]))


def at_an_address():
    # How ONNX Runtime itself marks tensors in memory: the offset is where.
    return model_of(graph_of([add()], [outside(location="*/_ORT_MEM_ADDR_/*", offset="4096")]))


def elsewhere():
    return model_of(graph_of([add()], [outside(location="../../../etc/passwd")]))


def as_constant():
    node = helper.make_node("Constant", [], ["w"], value=outside())
    return model_of(graph_of([node, add()]))


def in_a_branch():
    then = helper.make_graph([add()], "then", [], [values("y")], [outside()])
    other = helper.make_graph([add()], "else", [], [values("y")], [tensor()])
    node = helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other)
    condition = values("c", TensorProto.BOOL, ())
    return model_of(
        helper.make_graph([node], "g", [condition, values("x")], [values("y")])
    )  # fmt: skip


def in_branches_of_branches():
    inner = in_a_branch().graph
    node = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    return model_of(graph_of([node]))


def in_a_function():
    body = [helper.make_node("Constant", [], ["w"], value=outside()), add()]
    function = helper.make_function("own", "F", ["x"], ["y"], body, [helper.make_opsetid("", 18)])
    node = helper.make_node("F", ["x"], ["y"], domain="own")
    return helper.make_model(
        graph_of([node]),
        functions=[function],
        opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("own", 1)],
    )


def in_the_default_of_a_function():
    function = helper.make_function(
        "own", "F", ["x"], ["y"], [helper.make_node("Identity", ["x"], ["y"])],
        [helper.make_opsetid("", 18)],
    )  # fmt: skip
    function.attribute_proto.append(helper.make_attribute("value", outside()))
    return model_of(graph_of([helper.make_node("Identity", ["x"], ["y"])]), functions=[function])


def sparse(values_of, indices):
    return helper.make_sparse_tensor(values_of, indices, [2, 2])


def as_sparse_values():
    made = plain()
    found = outside()
    del found.dims[:]
    found.dims.append(2)
    indices = onnx.numpy_helper.from_array(np.array([0, 3], np.int64), "i")
    made.graph.sparse_initializer.append(sparse(found, indices))
    return made


def as_sparse_attribute():
    indices = outside("i")
    del indices.dims[:]
    indices.dims.append(2)
    found = onnx.numpy_helper.from_array(np.ones(2, np.float32), "v")
    node = helper.make_node("Constant", [], ["w"], sparse_value=sparse(found, indices))
    return model_of(graph_of([node, add()]))


def in_a_list_of_tensors():
    made = plain()
    attribute = made.graph.node[0].attribute.add(name="t", type=onnx.AttributeProto.TENSORS)
    attribute.tensors.append(outside())
    return made


def in_a_list_of_graphs():
    made = plain()
    attribute = made.graph.node[0].attribute.add(name="g", type=onnx.AttributeProto.GRAPHS)
    attribute.graphs.append(as_initializer().graph)
    return made


def in_training():
    made = plain()
    made.training_info.add().algorithm.CopyFrom(as_initializer().graph)
    return made


def without_a_place():
    made = plain()
    made.graph.initializer[0].data_location = TensorProto.EXTERNAL
    return made


def without_the_mark():
    made = plain()
    made.graph.initializer[0].external_data.add(key="location", value="w.bin")
    return made


def session(path):
    return OnnxRuntime().open({"network": path}, "cpu", "float32")


@pytest.mark.parametrize(
    "make",
    [
        as_initializer,
        at_an_address,
        elsewhere,
        as_constant,
        in_a_branch,
        in_branches_of_branches,
        in_a_function,
        in_the_default_of_a_function,
        as_sparse_values,
        as_sparse_attribute,
        in_a_list_of_tensors,
        in_a_list_of_graphs,
        in_training,
        without_a_place,
        without_the_mark,
    ],
)
def test_a_graph_whose_weights_are_in_another_file_is_refused(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "toy.onnx"
    path.write_bytes(make().SerializeToString())
    (tmp_path / "w.bin").write_bytes(ONES.tobytes())
    with pytest.raises(WeightsError) as caught:
        session(path)
    text = str(caught.value)
    assert text.startswith(f"{path} is not loaded: its weights are in another file; save it as one")
    assert text.isprintable()
    assert "another file" in contents.broken_weights(path, "onnx")


def test_a_graph_that_is_whole_is_run(tmp_path):
    path = tmp_path / "toy.onnx"
    path.write_bytes(plain().SerializeToString())
    np.testing.assert_array_equal(session(path)(ONES), 2 * ONES)
    assert contents.broken_weights(path, "onnx") is None


def number(value, size=0):
    """Return a number of seven bits a byte, in more bytes than it needs."""
    made = bytearray()
    while value >= 0x80 or len(made) < size - 1:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def part(field, content, size=0):
    return number(field << 3 | 2, size) + number(len(content), size) + content


EXTERNAL = number(14 << 3) + number(1)
HIDDEN = {
    "numbers in more bytes": part(7, part(5, number(14 << 3, 5) + number(1, 9), 4), 5),
    "a number that overflows": part(7, part(5, number(14 << 3) + number(2**32 + 1))),
    "twice, the last one plain": part(7, part(5, EXTERNAL + number(14 << 3) + number(0))),
    "a graph in two parts": part(7, b"") + part(7, part(5, EXTERNAL)),
    "fields of another type first": part(7, number(5 << 3) + number(1) + part(5, EXTERNAL)),
    "a part of no length": part(7, part(5, b"") + part(5, EXTERNAL)),
}
BROKEN = {
    "a key of ten bytes": number(2**63 | 7 << 3 | 2, 10) + b"\x00",
    "a key beyond 32 bits": number(2**35 | 7 << 3 | 2) + number(2) + EXTERNAL,
    "a group": number(7 << 3 | 3) + EXTERNAL + number(7 << 3 | 4),
    "a part beyond its part": part(7, number(5 << 3 | 2) + number(99) + EXTERNAL),
    "a part beyond the end": number(7 << 3 | 2) + number(2**40) + EXTERNAL,
    "a number without end": b"\xff" * 20,
    "a text": b"no graph at all",
    "eight bytes at the end": number(1 << 3 | 1) + b"123",
    "nothing": b"",
    "fields without end": bytes([8, 1]) * 1_100_000,
}


@pytest.mark.parametrize("what", [*HIDDEN, *BROKEN])
def test_bytes_that_hide_it_are_refused(tmp_path, what):
    path = tmp_path / "toy.onnx"
    path.write_bytes({**HIDDEN, **BROKEN}[what])
    with pytest.raises(WeightsError) as caught:
        session(path)
    text = str(caught.value)
    assert text.isprintable()
    assert ("is in another" in text or "are in another" in text) == (what in HIDDEN)


# HDF5

h5py = pytest.importorskip("h5py")


def link_outside(file, folder):
    file["layers"] = h5py.ExternalLink(str(folder / "other.h5"), "/secret")


def soft_link(file, folder):
    file["a"] = np.ones(2)
    file["layers"] = h5py.SoftLink("/a")


def deep_link(file, folder):
    file.create_group("layers/dense/vars")["0"] = h5py.ExternalLink("other.h5", "/secret")


def stored_outside(file, folder):
    file.create_dataset(
        "layers/0", (4,), "u1", external=[(str(folder / "secret"), 0, h5py.h5f.UNLIMITED)]
    )


def virtual(file, folder):
    layout = h5py.VirtualLayout((2,), "f4")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "secret", (2,))
    file.create_virtual_dataset("layers/0", layout)


def without_end(file, folder):
    file.create_dataset("layers/0", (2**20, 2**20), "f4", chunks=(2**10, 2**10))


def many_without_end(file, folder):
    for place in range(20):
        file.create_dataset(f"layers/{place}", (2**12, 2**12), "f4", chunks=(2**10, 2**10))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (link_outside, "a part of it is a link"),
        (soft_link, "a part of it is a link"),
        (deep_link, "a part of it is a link"),
        (stored_outside, "a part of it is in another file"),
        (virtual, "a part of it is in another file"),
        (without_end, "claims to hold far more"),
        (many_without_end, "claims to hold far more"),
    ],
)
def test_weights_of_keras_that_are_elsewhere_are_refused(tmp_path, make, reason):
    pytest.importorskip("tensorflow")
    (tmp_path / "secret").write_bytes(b"1234")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["secret"] = np.ones(2, np.float32)
    path = tmp_path / "toy.weights.h5"
    with h5py.File(path, "w") as file:
        make(file, tmp_path)

    def build(weights):
        raise AssertionError("it was read")

    with pytest.raises(WeightsError, match=reason) as caught:
        TensorflowRuntime(Network(build)).open({"network": path}, "cpu", "float32")
    assert str(caught.value).isprintable()


def test_a_file_in_itself_is_looked_at_once(tmp_path):
    pytest.importorskip("tensorflow")
    path = tmp_path / "toy.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/again"] = file["/"]
        file["layers/0"] = np.ones(2)

    class BuiltError(Exception):
        pass

    def build(weights):
        raise BuiltError

    with pytest.raises(BuiltError):
        TensorflowRuntime(Network(build)).open({"network": path}, "cpu", "float32")


# safetensors


def safetensors(header, content=b""):
    return struct.pack("<Q", len(header)) + header + content


@pytest.mark.parametrize(
    "content",
    [
        safetensors(b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,9999]}}', bytes(16)),
        safetensors(b'{"a":{"dtype":"F32","shape":[1099511627],"data_offsets":[0,16]}}', bytes(16)),
        safetensors(b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[16,0]}}', bytes(16)),
        safetensors(b'{"a":{"dtype":"O","shape":[4],"data_offsets":[0,16]}}', bytes(16)),
        safetensors(
            b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},'
            b'"b":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}',
            bytes(16),
        ),
        safetensors(b'{"a":{"dtype":"F32","shape":[-4],"data_offsets":[0,16]}}', bytes(16)),
        safetensors(b'{"a":' * 50_000 + b"}" * 50_000),
        struct.pack("<Q", 90 * 2**20) + b"{",
    ],
)  # fmt: skip
def test_a_safetensors_file_that_lies_is_told(tmp_path, content):
    pytest.importorskip("torch")
    from medigan_hub import weights

    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        weights.read_checkpoint(tmp_path / "x.safetensors")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600
    assert sys.getsizeof(content) < 2**20
