"""How many images a second each extractor describes, and how much of a network's speed is left.

Times each extractor on noise of its size, in batches of its own; beside those of PyTorch, in turn,
a bare loop over the same network with its tensors ready made. The weights of ``inception`` are
random here: nothing is downloaded.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from medigan_hub.evaluation.extractors import Extractor, find
from medigan_hub.evaluation.extractors.networks import channels_last
from medigan_hub.networks.inception import InceptionFid


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=64, help="images in a round")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(f"{arguments.n} images, {torch.get_num_threads()} threads; images/s, median of rounds")
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "random.safetensors"
        save_file(InceptionFid().state_dict(), weights)
        for name in ("texture", "random", "imagenet", "inception"):
            extractor = find(name, weights if name == "inception" else None)
            extractor.open()
            _report(extractor, arguments.n, arguments.rounds)


def _report(extractor: Extractor, count: int, rounds: int) -> None:
    height, width = extractor.size or (128, 128)
    shape = (count, height, width, extractor.channels)
    images = list(np.random.default_rng(0).random(shape, dtype=np.float32))

    def described() -> None:
        for start in range(0, count, extractor.batch):
            extractor.features(images[start : start + extractor.batch])

    loops = {"extractor": described}
    if extractor.name in ("imagenet", "inception"):
        loops["bare loop"] = _bare(extractor, images)
    times: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(rounds + 1):
        for name, loop in loops.items():
            start = time.perf_counter()
            loop()
            times[name].append(time.perf_counter() - start)
    rates = {name: count / statistics.median(seconds[1:]) for name, seconds in times.items()}
    words = ", ".join(f"{name} {rate:.1f}" for name, rate in rates.items())
    share = rates["extractor"] / rates.get("bare loop", rates["extractor"])
    print(f"{extractor.name}: {words}" + (f", ratio {share:.2f}" if len(rates) > 1 else ""))


def _bare(extractor: Extractor, images: list[np.ndarray]) -> Callable[[], None]:
    if extractor.name == "inception":
        network: torch.nn.Module = InceptionFid().eval()
    else:
        package = import_module("efficientnet_lite_pytorch")
        network = package.EfficientNet.from_name("efficientnet-lite0").eval()
    network = channels_last(network)
    ready = torch.from_numpy(np.stack(images)).movedim(-1, 1)  # channels last in memory

    def loop() -> None:
        with torch.inference_mode():
            for start in range(0, len(ready), extractor.batch):
                network(ready[start : start + extractor.batch])

    return loop


if __name__ == "__main__":
    main()
