{% set kind = cookiecutter.__kind %}
{% set facts = cookiecutter._facts %}
"""The network, as a graph of ONNX. TODO: put yours here, or export it from your framework."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

{% if kind == "image" %}
WIDTH = 8
"""Channels between the layers."""
SHAPES = {
    "first.weight": (WIDTH, 1, 3, 3),
    "first.bias": (WIDTH,),
    "second.weight": (WIDTH, WIDTH, 3, 3),
    "second.bias": (WIDTH,),
    "last.weight": (1, WIDTH, 3, 3),
    "last.bias": (1,),
}
"""Of each tensor, by its name."""


def graph(tensors: Mapping[str, np.ndarray]) -> onnx.ModelProto:
    """Return three convolutions, which turn (N, 1, height, width) into the same, in [-1, 1]."""
    nodes = []
    x = "source"
    for name in ("first", "second", "last"):
        nodes.append(
            helper.make_node(
                "Conv", [x, f"{name}.weight", f"{name}.bias"], [name], pads=[1, 1, 1, 1]
            )
        )
        x = name
        if name != "last":
            nodes.append(helper.make_node("LeakyRelu", [x], [f"{x}.active"], alpha=0.2))
            x = f"{x}.active"
    nodes.append(helper.make_node("Tanh", [x], ["image"]))
    size = ["count", 1, "height", "width"]
    inputs = [helper.make_tensor_value_info("source", TensorProto.FLOAT, size)]
    outputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, size)]
{% else %}
LATENT = {{ facts.latent }}
"""Length of the latent vector."""
{% if kind == "class" %}
CLASSES = {{ facts.classes | length }}
{% endif %}
WIDTHS = (8, 8, 4)
"""Channels at 4, 8 and 16 pixels."""
SHAPES = {
    "first.weight": ({{ "LATENT + CLASSES" if kind == "class" else "LATENT" }}, 16 * WIDTHS[0]),
    "first.bias": (16 * WIDTHS[0],),
    "second.weight": (WIDTHS[0], WIDTHS[1], 4, 4),
    "second.bias": (WIDTHS[1],),
    "third.weight": (WIDTHS[1], WIDTHS[2], 4, 4),
    "third.bias": (WIDTHS[2],),
    "last.weight": (WIDTHS[2], 1, 4, 4),
    "last.bias": (1,),
}
"""Of each tensor, by its name."""


def graph(tensors: Mapping[str, np.ndarray]) -> onnx.ModelProto:
    """Return a generator: features of 4 x 4 pixels, doubled three times.

{% if kind == "class" %}
    It turns (N, LATENT) and one-hot (N, CLASSES) into (N, 1, 32, 32) in [-1, 1].
{% else %}
    It turns (N, LATENT) into (N, 1, 32, 32) in [-1, 1].
{% endif %}
    """
    nodes = [
{% if kind == "class" %}
        helper.make_node("Concat", ["latent", "label"], ["given"], axis=1),
        helper.make_node("Gemm", ["given", "first.weight", "first.bias"], ["first"]),
{% else %}
        helper.make_node("Gemm", ["latent", "first.weight", "first.bias"], ["first"]),
{% endif %}
        helper.make_node("Reshape", ["first", "grid"], ["features"]),
    ]
    x = "features"
    for name in ("second", "third", "last"):
        nodes.append(helper.make_node("LeakyRelu", [x], [f"{x}.active"], alpha=0.2))
        nodes.append(
            helper.make_node(
                "ConvTranspose",
                [f"{x}.active", f"{name}.weight", f"{name}.bias"],
                [name],
                strides=[2, 2],
                pads=[1, 1, 1, 1],
            )
        )
        x = name
    nodes.append(helper.make_node("Tanh", [x], ["image"]))
    tensors = {**tensors, "grid": np.array([-1, WIDTHS[0], 4, 4], np.int64)}
    inputs = [
        helper.make_tensor_value_info("latent", TensorProto.FLOAT, ["count", LATENT]),
{% if kind == "class" %}
        helper.make_tensor_value_info("label", TensorProto.FLOAT, ["count", CLASSES]),
{% endif %}
    ]
    outputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["count", 1, 32, 32])]
{% endif %}
    weights = [numpy_helper.from_array(array, name) for name, array in tensors.items()]
    made = helper.make_graph(nodes, "generator", inputs, outputs, weights)
    opset = helper.make_opsetid("", 17)
    return helper.make_model(made, opset_imports=[opset], ir_version=8, producer_name="medigan-hub")
