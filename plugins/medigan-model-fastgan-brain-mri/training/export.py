"""Export the network from PyTorch to ONNX.

The graph takes and returns what the network does, with spectral norms folded into
the weights. What it makes is held against what PyTorch makes before the file is
written.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import numpy as np
import onnx
import onnxruntime
import torch
import typer

from medigan_hub.plugin import FastGan, HubError, bundled, fold_spectral_norm, read_tensors
from medigan_model_fastgan_brain_mri import plugin
from medigan_model_fastgan_brain_mri.height import HIGHEST, LOWEST, encode

WEIGHTS = Path(__file__).parents[1] / "medigan_model_fastgan_brain_mri/weights/generator.onnx"
OPSET = 18
CLOSE = 1e-4
"""Largest difference that is taken for rounding, where images go from -1 to 1."""


def main(
    weights: Annotated[
        Path | None, typer.Option(help="Weights; by default those of the installed plugin.")
    ] = None,
    out: Annotated[Path, typer.Option(help="File to write.")] = WEIGHTS,
) -> None:
    """Write the ONNX file, and print its SHA-256 and its difference from PyTorch."""
    path = weights or bundled(plugin.metadata, plugin.folder)
    network = FastGan.from_state_dict(read_tensors(path))
    rng = np.random.default_rng(0)
    assert plugin.metadata.latent is not None  # noqa: S101 (its metadata has one)
    latent = rng.standard_normal((4, plugin.metadata.latent.size), np.float32)
    latent = np.concatenate([latent, encode(rng.uniform(LOWEST, HIGHEST, 4))], axis=1)
    with torch.inference_mode():
        expected = network(torch.from_numpy(latent)).numpy()
    count = torch.export.Dim("count")
    program = torch.onnx.export(
        fold_spectral_norm(network).eval(),
        (torch.from_numpy(latent),),
        input_names=["latent"],
        output_names=["image"],
        dynamic_shapes=({0: count},),
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    assert program is not None  # noqa: S101 (where dynamo is asked for)
    model = program.model_proto
    for node in model.graph.node:  # where it stood in PyTorch, with paths of this machine
        del node.metadata_props[:]
    content = model.SerializeToString(deterministic=True)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"latent": latent})
    difference = float(np.abs(found - expected).max())
    if not difference < CLOSE:
        raise HubError(f"the ONNX graph differs by {difference:g} from PyTorch; nothing written")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(content)
    typer.echo(
        f"{out}: {len(content) / 2**20:.1f} MB, SHA-256 {hashlib.sha256(content).hexdigest()}, "
        f"differs from PyTorch by {difference:.1e} of 2"
    )


if __name__ == "__main__":
    typer.run(main)
