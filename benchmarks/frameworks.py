"""How fast the bundled models are: until the first sample, and from then on.

Each model is run in a process of its own, in turn: how long it takes from the
start of Python to the first sample, imports and weights included, and how many
samples a second follow in batches. The twins fastgan-brain-mri (PyTorch) and
fastgan-brain-mri are one network, so that their ratio is that of the
frameworks.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

from medigan_hub import Hub

TWINS = ("fastgan-brain-mri", "fastgan-brain-mri")
CODE = """
import sys, time
start = time.perf_counter()
from medigan_hub import Hub
model, count, batch_size, device = sys.argv[1], *map(int, sys.argv[2:4]), sys.argv[4]
batches = Hub().generate(model, count + batch_size, batch_size=batch_size, device=device)
done = len(next(batches))
first = time.perf_counter()
done = sum(map(len, batches))
print(first - start, done / (time.perf_counter() - first))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=32, help="samples in a round, after the first")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()

    models = [
        entry.metadata
        for entry in Hub().models()
        if entry.plugin is not None and not entry.metadata.main_file.is_remote
    ]
    numbers = (str(arguments.n), str(arguments.batch_size), arguments.device)
    found: dict[str, list[tuple[float, float]]] = {model.name: [] for model in models}
    for _ in range(arguments.rounds):
        for model in models:
            command = [sys.executable, "-c", CODE, model.name, *numbers]
            result = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 (this very Python)
            first, rate = map(float, result.stdout.split())
            found[model.name].append((first, rate))
    for model in models:
        first, rate = map(statistics.median, zip(*found[model.name], strict=True))
        print(
            f"{model.name:24} {model.framework:11} first batch after {first:6.2f} s, "
            f"then {rate:7.2f} samples a second"
        )
    if all(name in found for name in TWINS):
        pairs = zip(*(found[name] for name in TWINS), strict=True)
        ratios = [(one[0] / other[0], one[1] / other[1]) for one, other in pairs]
        start, speed = map(statistics.median, zip(*ratios, strict=True))
        print(f"{TWINS[0]} / {TWINS[1]}: start {start:.2f}, speed {speed:.2f}")


if __name__ == "__main__":
    main()
