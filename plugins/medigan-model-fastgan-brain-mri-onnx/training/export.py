"""Export the network of fastgan-brain-mri from PyTorch to ONNX.

The graph takes latent vectors, (N, latent size), and heights in mm, (N, 1), and
returns (N, 3, 128, 128) as the network does. The encoding of the height is part of
it, and spectral norms are folded into the weights. What the graph makes is held
against what PyTorch makes before the file is written.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Annotated

import numpy as np
import onnx
import onnxruntime
import torch
import typer

from medigan_hub.errors import HubError
from medigan_hub.networks.fastgan import FastGan, fold_spectral_norm
from medigan_hub.weights import bundled, read_tensors
from medigan_model_fastgan_brain_mri import plugin
from medigan_model_fastgan_brain_mri.height import HIGHEST, LOWEST, WAVES, encode

WEIGHTS = Path(__file__).parents[1] / "medigan_model_fastgan_brain_mri_onnx/weights/generator.onnx"
OPSET = 18
CLOSE = 1e-4
"""Largest difference that is taken for rounding, where images go from -1 to 1."""


class WithHeight(torch.nn.Module):
    """The network with the encoding of the height, as ``encode`` defines it, before it."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network
        self.waves: torch.Tensor
        self.register_buffer("waves", torch.pi / 2 * torch.arange(1, WAVES + 1))

    def forward(self, latent: torch.Tensor, height: torch.Tensor) -> torch.Tensor:
        """Turn (N, latent size) and (N, 1) in mm into (N, 3, 128, 128)."""
        place = (height - (HIGHEST + LOWEST) / 2) / ((HIGHEST - LOWEST) / 2)
        phase = place * self.waves
        waves = math.sqrt(2) * torch.cat([torch.sin(phase), torch.cos(phase)], dim=1)
        return self.network(torch.cat([latent, 1.5 * place, waves], dim=1))


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
    height = rng.uniform(LOWEST, HIGHEST, (4, 1)).astype(np.float32)
    with torch.inference_mode():
        z = torch.from_numpy(np.concatenate([latent, encode(height[:, 0])], axis=1))
        expected = network(z).numpy()
    inputs = (torch.from_numpy(latent), torch.from_numpy(height))
    count = torch.export.Dim("count")
    program = torch.onnx.export(
        WithHeight(fold_spectral_norm(network)).eval(),
        inputs,
        input_names=["latent", "height"],
        output_names=["image"],
        dynamic_shapes=({0: count}, {0: count}),
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
    (found,) = session.run(None, {"latent": latent, "height": height})
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
