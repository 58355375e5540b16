"""Write the network of the package, and its SHA-256 into metadata.json.

    python training/export_weights.py trained.onnx

FILE is a graph that your framework exported, with the inputs and the output of the one in
network.py. Without FILE it is the one in network.py with small random numbers, as it came
with the package.
"""

from __future__ import annotations

import argparse
import zlib
from pathlib import Path

import numpy as np
import onnx
from network import SHAPES, graph
from record_weights import PACKAGE, record

WEIGHTS = PACKAGE / "weights" / "generator.onnx"


def random_tensors() -> dict[str, np.ndarray]:
    """Return random numbers for each tensor of the network, the same every time."""
    tensors = {}
    for name, shape in SHAPES.items():
        rng = np.random.Generator(np.random.Philox(key=zlib.crc32(name.encode())))
        values = rng.standard_normal(shape, dtype=np.float32)
        if name.endswith("weight"):
            # So that what comes out varies about as much as what goes in.
            taps = values.size // SHAPES[name.replace("weight", "bias")][0]
            values *= np.float32(2 / taps**0.5)
        else:
            values *= np.float32(0.1)
        tensors[name] = values
    return tensors


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE")
    file = parser.parse_args().file
    model = graph(random_tensors()) if file is None else onnx.load(file)
    onnx.checker.check_model(model, full_check=True)
    WEIGHTS.parent.mkdir(exist_ok=True)
    WEIGHTS.write_bytes(model.SerializeToString(deterministic=True))
    print(f"{WEIGHTS}: SHA-256 {record()}")


if __name__ == "__main__":
    main()
