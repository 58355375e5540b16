"""Write the weights of the package, and their SHA-256 into metadata.json.

    python training/export_weights.py trained.pt

FILE is a checkpoint of PyTorch or a safetensors file that holds the network's tensors.
Without FILE the weights become small random numbers, as they came with the package.
"""

from __future__ import annotations

import argparse
import zlib
from pathlib import Path

import numpy as np
import torch
from record_weights import PACKAGE, record
from safetensors.torch import save_file

from medigan_hub.plugin import read_checkpoint
from {{ cookiecutter.__package }}.network import Generator, build

WEIGHTS = PACKAGE / "weights" / "generator.safetensors"


def random_tensors() -> dict[str, torch.Tensor]:
    """Return random numbers for each tensor of the network, the same every time."""
    tensors = {}
    state = Generator().state_dict()
    for name, tensor in state.items():
        rng = np.random.Generator(np.random.Philox(key=zlib.crc32(name.encode())))
        values = rng.standard_normal(tuple(tensor.shape), dtype=np.float32)
        if name.endswith("weight"):
            # So that what comes out varies about as much as what goes in.
            taps = tensor.numel() // len(state[name.replace("weight", "bias")])
            values *= np.float32(2 / taps**0.5)
        else:
            values *= np.float32(0.1)
        tensors[name] = torch.from_numpy(values)
    return tensors


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE")
    file = parser.parse_args().file
    tensors = random_tensors() if file is None else read_checkpoint(file)
    build(tensors)  # which fails where they are not those of the network
    WEIGHTS.parent.mkdir(exist_ok=True)
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, WEIGHTS)
    print(f"{WEIGHTS}: SHA-256 {record()}")


if __name__ == "__main__":
    main()
