"""Write the weights of the package, and their SHA-256 into metadata.json.

    python training/export_weights.py trained.weights.h5

FILE is what ``save_weights`` wrote of the same network. Without FILE the weights become
small random numbers, as they came with the package.
"""

from __future__ import annotations

import argparse
import zlib
from pathlib import Path

import keras
import numpy as np
from record_weights import PACKAGE, record

from {{ cookiecutter.__package }}.network import build, generator

WEIGHTS = PACKAGE / "weights" / "generator.weights.h5"


def random_network() -> keras.Model:
    """Return the network with random numbers, the same every time."""
    network = generator()
    for layer in network.layers:
        if not layer.weights:
            continue
        kernel, bias = layer.get_weights()
        rng = np.random.Generator(np.random.Philox(key=zlib.crc32(layer.name.encode())))
        # So that what comes out varies about as much as what goes in.
        scale = np.float32(2 / (kernel.size // bias.size) ** 0.5)
        layer.set_weights(
            [
                rng.standard_normal(kernel.shape, dtype=np.float32) * scale,
                rng.standard_normal(bias.shape, dtype=np.float32) * np.float32(0.1),
            ]
        )
    return network


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE")
    file = parser.parse_args().file
    network = random_network() if file is None else build(file)
    WEIGHTS.parent.mkdir(exist_ok=True)
    network.save_weights(WEIGHTS)
    print(f"{WEIGHTS}: SHA-256 {record()}")


if __name__ == "__main__":
    main()
