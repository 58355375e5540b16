"""Write the weights of the package, and their SHA-256 into metadata.json.

    python training/export_weights.py trained.pt

FILE is a checkpoint of PyTorch or a safetensors file that holds the network's tensors.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from record_weights import PACKAGE, record
from safetensors.torch import save_file

from medigan_hub.plugin import read_checkpoint
from {{ cookiecutter.__package }}.network import build

WEIGHTS = PACKAGE / "weights" / "generator.safetensors"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    tensors = read_checkpoint(parser.parse_args().file)
    build(tensors)  # which fails where they are not those of the network
    WEIGHTS.parent.mkdir(exist_ok=True)
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, WEIGHTS)
    print(f"{WEIGHTS}: SHA-256 {record()}")


if __name__ == "__main__":
    main()
