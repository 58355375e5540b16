"""Networks of the user's own as extractors: modules of PyTorch, and ONNX files."""

from __future__ import annotations

import hashlib

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from medigan_hub import RequestError, WeightsError
from medigan_hub.evaluation.extractors import find
from medigan_hub.evaluation.extractors.custom import of_module


def images(count, *shape):
    return list(np.random.default_rng(0).random((count, *shape), dtype=np.float32))


class Fixed(nn.Module):
    """Returns what a function makes of images."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


# Modules


def convolutions():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.BatchNorm2d(8), nn.Conv2d(8, 5, 3))


def test_maps_of_a_module_are_averaged_over_all_places():
    module = convolutions()
    extractor = of_module(module, size=(20, 16))
    assert extractor.shape == (5,)
    given = images(3, 20, 16, 3)
    with torch.inference_mode():
        maps = module(torch.from_numpy(np.stack(given)).movedim(-1, 1)).numpy()
    found = extractor.features(given)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, maps.mean(axis=(2, 3)), rtol=1e-4, atol=1e-6)
    alone = np.concatenate([extractor.features([image]) for image in given])
    np.testing.assert_allclose(found, alone, rtol=1e-4, atol=1e-6)


def test_a_module_says_of_itself_what_the_caller_says():
    extractor = of_module(nn.Flatten(), size=(4, 6), channels=1, name="pixels", version="2")
    facts = (extractor.name, extractor.version, extractor.size, extractor.channels)
    assert facts == ("pixels", "2", (4, 6), 1)
    assert extractor.shape == (24,)
    assert of_module(nn.Flatten()).name == "Flatten"


def test_images_of_different_sizes_are_described_one_by_one():
    extractor = of_module(convolutions(), size=None)
    given = [*images(2, 20, 16, 3), *images(1, 30, 40, 3)]
    found = extractor.features(given)
    np.testing.assert_allclose(found[2:], extractor.features(given[2:]), rtol=1e-5)
    assert found.shape == (3, 5)


def test_modules_are_told_apart_by_their_tensors_and_settings():
    first = of_module(convolutions()).weights
    assert of_module(convolutions()).weights == first
    trained = convolutions()
    trained[3].bias.data[0] += 1e-3
    assert of_module(trained).weights != first
    assert of_module(nn.AvgPool2d(2)).weights != of_module(nn.AvgPool2d(3)).weights


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (nn.Flatten(2), r"gives an array of shape \(1, 3, 64\) of 1 images; it must give as many"),
        (nn.Flatten(0), r"gives an array of shape \(192,\) of 1 images"),
        (nn.Conv2d(5, 2, 3), r"can't take images of 8x8x3 .*: RuntimeError: .*5 channels"),
        (Fixed(lambda x: x / 0), r"gives features that are no numbers \(NaN or infinite\)"),
        (Fixed(lambda x: (x, x)), r"returns tuple, and not a tensor; let its forward return"),
        (Fixed(lambda x: x[:, :0]), r"gives an array of shape \(1, 0\)"),
        (Fixed(lambda x: x.flatten()[None]), r"gives an array of shape \(1, 384\) of 2 images"),
    ],
)
def test_what_is_no_features_is_refused_in_one_line(module, said):
    with pytest.raises(RequestError, match=f"^the extractor mine {said}") as caught:
        of_module(module, size=(8, 8), name="mine").features(images(2, 8, 8, 3))
    assert str(caught.value).isprintable()


def test_features_whose_number_depends_on_the_size_are_refused():
    extractor = of_module(nn.Flatten(), size=None)
    with pytest.raises(RequestError, match="gives 192 features of some images, 12288 of others"):
        extractor.features(images(1, 8, 8, 3))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"channels": 4}, r"^channels is 4; images have 1 \(grey\) or 3$"),
        ({"size": (0, 5)}, r"^size is \(0, 5\); it must be height and width, or None$"),
    ],
)
def test_sizes_that_images_can_not_have_are_refused(wrong, said):
    with pytest.raises(RequestError, match=said):
        of_module(nn.Flatten(), **wrong)


# ONNX files


def saved(path, shape, nodes=None, kind=TensorProto.FLOAT, more=()):
    """Write a graph, by default of a single convolution, whose images have a shape."""
    weights = np.random.default_rng(1).standard_normal((4, 3, 3, 3), dtype=np.float32)
    nodes = nodes or [helper.make_node("Conv", ["x", "w"], ["y"])]
    inputs = [helper.make_tensor_value_info(name, kind, shape) for name in ("x", *more)]
    result = helper.make_tensor_value_info("y", kind, None)
    uses = {name for node in nodes for name in node.input}
    kept = [numpy_helper.from_array(weights, "w")] if "w" in uses else []
    graph = helper.make_graph(nodes, "g", inputs, [result], kept)
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=opset), path)
    return weights


def averaged(given, weights):
    """Return means over all places of a convolution with these weights."""
    batch = torch.from_numpy(np.stack(given)).movedim(-1, 1)
    return nn.functional.conv2d(batch, torch.from_numpy(weights)).mean(dim=(2, 3)).numpy()


@pytest.mark.parametrize("count", ["N", 1])
def test_a_graph_is_an_extractor_by_its_path(tmp_path, count):
    path = tmp_path / "mine.onnx"
    weights = saved(path, [count, 3, 10, 12])
    extractor = find(str(path))
    facts = (extractor.name, extractor.size, extractor.channels, extractor.shape)
    assert facts == ("mine.onnx", (10, 12), 3, (4,))
    assert extractor.weights == hashlib.sha256(path.read_bytes()).hexdigest()
    assert extractor.batch == (1 if count == 1 else 32)
    given = images(3, 10, 12, 3)
    np.testing.assert_allclose(extractor.features(given), averaged(given, weights), atol=1e-5)


def test_a_graph_may_have_channels_last(tmp_path):
    path = tmp_path / "last.onnx"
    turn = helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2])
    weights = saved(
        path,
        ["N", 10, 12, 3],
        [
            turn,
            helper.make_node("Conv", ["t", "w"], ["c"]),
            helper.make_node("GlobalAveragePool", ["c"], ["p"]),
            helper.make_node("Flatten", ["p"], ["y"]),
        ],
    )
    extractor = find(str(path))
    assert (extractor.size, extractor.channels, extractor.shape) == ((10, 12), 3, (4,))
    given = images(2, 10, 12, 3)
    np.testing.assert_allclose(extractor.features(given), averaged(given, weights), atol=1e-5)


def test_a_graph_may_take_any_size(tmp_path):
    path = tmp_path / "any.onnx"
    weights = saved(path, ["N", 3, "height", "width"])
    extractor = find(str(path))
    assert extractor.size is None
    given = [*images(1, 9, 8, 3), *images(1, 12, 7, 3)]
    expected = np.concatenate([averaged([image], weights) for image in given])
    np.testing.assert_allclose(extractor.features(given), expected, atol=1e-5)


ADD = [helper.make_node("Add", ["x", "z"], ["y"])]
SAME = [helper.make_node("Identity", ["x"], ["y"])]


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        ({"shape": [1, 3, 8, 8], "nodes": ADD, "more": ("z",)}, "takes 2 arrays, and not images"),
        ({"shape": [1, 64], "nodes": SAME}, r"takes tensor\(float\) of 2 dimensions, and not"),
        (
            {"shape": [1, 3, 8, 8], "nodes": SAME, "kind": TensorProto.UINT8},
            r"takes tensor\(uint8\) of 4 dimensions, and not float of 4",
        ),
        ({"shape": [4, 3, 8, 8]}, "takes 4 images at a time, and not any number, or one"),
        ({"shape": [1, 5, 8, 8], "nodes": SAME}, r"takes images of shape \(5, 8, 8\), of which"),
        ({"shape": [1, "c", 8, 8], "nodes": SAME}, r"takes images of shape \('c', 8, 8\), of"),
    ],
)
def test_a_graph_that_takes_something_else_is_refused_at_once(tmp_path, graph, said):
    saved(tmp_path / "bad.onnx", **graph)
    with pytest.raises(RequestError, match=rf"^the extractor bad\.onnx {said}") as caught:
        find(str(tmp_path / "bad.onnx"))
    assert str(caught.value).isprintable()


def test_a_graph_that_gives_no_numbers_is_refused(tmp_path):
    path = tmp_path / "root.onnx"
    nodes = [helper.make_node("Neg", ["x"], ["n"]), helper.make_node("Log", ["n"], ["y"])]
    saved(path, ["N", 3, 8, 8], nodes)
    with pytest.raises(RequestError, match=r"root\.onnx gives features that are no numbers"):
        find(str(path)).features(images(1, 8, 8, 3))


def test_files_that_are_no_graphs_are_refused_in_one_line(tmp_path):
    with pytest.raises(WeightsError, match=r"none\.onnx can't be read: No such file"):
        find(str(tmp_path / "none.onnx"))
    (tmp_path / "text.onnx").write_text("nothing")
    with pytest.raises(WeightsError, match=r"text\.onnx is not loaded: it is damaged") as caught:
        find(str(tmp_path / "text.onnx"))
    assert str(caught.value).isprintable()
    with pytest.raises(RequestError, match=r"holds its own weights; leave w\.pth out"):
        find(str(tmp_path / "text.onnx"), weights="w.pth")
