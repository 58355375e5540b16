"""How long the metrics of two sets of images take, with their intervals and what baselines cost.

Features are random and memory-mapped. Prints for each metric the seconds of a value with its
interval, of twenty plain values of half as many images (a baseline of ten splits, real against
real and against synthetic), and the memory that arrays take at most.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np

from medigan_hub.evaluation import intervals, metrics

VALUES = 20
"""Of a baseline."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", "--number", type=int, default=1000, help="images in each set")
    parser.add_argument("--length", type=int, default=2048, help="features of an image")
    parser.add_argument("--metrics", nargs="+", default=metrics.names(), help="which")
    arguments = parser.parse_args()
    print(f"{arguments.number} against {arguments.number} images, {arguments.length} features")
    print("metric      interval   baseline      memory")
    total = 0.0
    with tempfile.TemporaryDirectory() as folder:
        real, synthetic = (
            _features(Path(folder, f"{scale}.npy"), arguments.number, arguments.length, scale)
            for scale in (1.0, 1.1)
        )
        alone = [""] * arguments.number
        groups = intervals.groups(alone, alone)
        half = arguments.number // 2
        for metric in map(metrics.find, arguments.metrics):
            if metric.extractors is not None:
                continue
            begun = time.perf_counter()
            intervals.jackknife(metric, real, synthetic, groups)
            seconds = time.perf_counter() - begun
            begun = time.perf_counter()
            for _ in range(VALUES):
                metric(real[:half], synthetic[half:])
            baseline = time.perf_counter() - begun
            tracemalloc.start()
            metric(real, synthetic)
            memory = tracemalloc.get_traced_memory()[1] / 2**20
            tracemalloc.stop()
            total += seconds + baseline
            print(f"{metric.name:<10}{seconds:8.1f} s {baseline:8.1f} s {memory:8.0f} MiB")
    print(f"all together {total:.1f} s")


def _features(path: Path, number: int, length: int, scale: float) -> np.ndarray:
    """Return non-negative features in a file, (number, length) float32."""
    found = np.lib.format.open_memmap(path, "w+", np.float32, (number, length))
    rng = np.random.default_rng(int(10 * scale))
    for row in found:
        row[:] = np.abs(scale * rng.standard_normal(length, np.float32))
    return found


if __name__ == "__main__":
    main()
