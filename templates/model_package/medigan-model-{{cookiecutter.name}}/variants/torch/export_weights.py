{% set own = cookiecutter._network == "own" %}
{% set unfit = cookiecutter._facts.weights == "unfit" %}
"""Write the weights of the package, and their SHA-256 into metadata.json.

    python training/export_weights.py trained.pt

FILE is a checkpoint of PyTorch or a safetensors file that holds the network's tensors.
{% if own and not unfit %}
Without FILE the weights become small random numbers, as they came with the package.
{% endif %}
"""

from __future__ import annotations

import argparse
{% if own and not unfit %}
import zlib
{% endif %}
from pathlib import Path

{% if own and not unfit %}
import numpy as np
import torch
{% endif %}
from record_weights import PACKAGE, record
from safetensors.torch import save_file

from medigan_hub.weights import read_checkpoint
{% if own and not unfit %}
from {{ cookiecutter.__package }}.network import Generator, build
{% else %}
from {{ cookiecutter.__package }}.network import build
{% endif %}

WEIGHTS = PACKAGE / "weights" / "generator.safetensors"
{% if own and not unfit %}


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
{% endif %}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
{% if own and not unfit %}
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE")
    file = parser.parse_args().file
    tensors = random_tensors() if file is None else read_checkpoint(file)
{% else %}
    parser.add_argument("file", type=Path, metavar="FILE")
    tensors = read_checkpoint(parser.parse_args().file)
{% endif %}
    build(tensors)  # which fails where they are not those of the network
    WEIGHTS.parent.mkdir(exist_ok=True)
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, WEIGHTS)
    print(f"{WEIGHTS}: SHA-256 {record()}")


if __name__ == "__main__":
    main()
