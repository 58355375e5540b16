"""How much of a network's own speed is left when it runs through the hub.

Times the bundled model on the same images in two ways, in turn: through
``Hub.generate``, and in a bare loop over the same network with its tensors
ready made. Prints the images per second of each and their ratio.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from importlib import import_module

import numpy as np
import torch

from medigan_hub import Hub, weights
from medigan_hub.networks import build

MODEL = "cyclegan-dbt"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=16, help="images in a round")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--size", type=int, default=256, help="height and width in pixels")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()

    hub = Hub()
    shape = (arguments.n, arguments.size, arguments.size, 1)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    def through_the_hub() -> None:
        for _ in hub.generate(
            MODEL, inputs=images, batch_size=arguments.batch_size, device=arguments.device
        ):
            pass

    bare_loop = _bare_loop(hub, images, arguments.batch_size, arguments.device)
    for request in (through_the_hub, bare_loop):  # loads weights, fills caches
        request()
    times: dict[str, list[float]] = {"hub": [], "bare": []}
    for _ in range(arguments.rounds):
        times["hub"].append(_seconds(through_the_hub))
        times["bare"].append(_seconds(bare_loop))
    ratio = statistics.median(
        bare / hub for bare, hub in zip(times["bare"], times["hub"], strict=True)
    )
    for name, seconds in times.items():
        print(f"{name:5} {arguments.n / statistics.median(seconds):8.2f} images a second")
    print(f"ratio {ratio:8.3f} (median of {arguments.rounds} rounds)")


def _bare_loop(
    hub: Hub, images: np.ndarray, batch_size: int, device_name: str
) -> Callable[[], None]:
    resolve_device = import_module("medigan_hub.runtimes.torch").resolve_device
    device = resolve_device(device_name)
    plugin = hub.model(MODEL).plugin
    if plugin is None:
        raise SystemExit(f"install medigan-model-{MODEL} first")
    tensors = weights.read_tensors(weights.bundled(plugin.metadata, plugin.folder))
    network = build("resnet-translator", tensors).to(device)
    ready = torch.from_numpy(images.astype(np.float32) / 127.5 - 1).movedim(-1, 1).to(device)

    def loop() -> None:
        with torch.inference_mode():
            for start in range(0, len(ready), batch_size):
                network(ready[start : start + batch_size]).cpu()

    return loop


def _seconds(request: Callable[[], None]) -> float:
    start = time.perf_counter()
    request()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
