"""What judging costs beside the extractor: a further metric, memory, and speed.

Prints the seconds of a first call of ``Hub.evaluate``, of one with another metric on the features
that are kept, and of one that repeats that; the peak memory of a process that describes few and
many small images; and how much of the speed of an extractor alone is left where images are read
from files and features kept.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from medigan_hub import Hub
from medigan_hub.evaluation import features, sources
from medigan_hub.evaluation.extractors import find
from medigan_hub.evaluation.preparation import Preparation

SIDE = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=1000, help="images in each set")
    parser.add_argument("--few", type=int, default=1000, help="images, for memory")
    parser.add_argument("--many", type=int, default=20000)
    parser.add_argument("--extractors", nargs="+", default=["texture", "imagenet"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peak", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak:
        _describe(arguments.peak)
        return
    with tempfile.TemporaryDirectory() as place:
        os.environ["MEDIGAN_CACHE"] = f"{place}/cache"
        real, synthetic = (_folder(Path(place, f"{n}"), arguments.n, SIDE, n) for n in (0, 1))
        for name in arguments.extractors:
            _further(name, real, synthetic)
        for name in arguments.extractors:
            _speed(name, real, arguments.rounds)
        _memory(Path(place), arguments.few, arguments.many)


def _folder(folder: Path, number: int, side: int, seed: int) -> Path:
    """Write so many smooth images."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for n in range(number):
        small = Image.fromarray(rng.integers(0, 256, (side // 4, side // 4), np.uint8))
        small.resize((side, side), Image.Resampling.BICUBIC).save(folder / f"{n}.png")
    return folder


def _further(extractor: str, real: Path, synthetic: Path) -> None:
    seconds = []
    for metric in ("KID", "SWD", "SWD"):
        begun = time.perf_counter()
        Hub().evaluate(str(real), str(synthetic), metrics=[metric], extractors=[extractor])
        seconds.append(time.perf_counter() - begun)
    first, further, again = seconds
    print(
        f"{extractor}: KID {first:.1f} s; then SWD {further:.2f} s ({further / first:.1%}), "
        f"again {again:.2f} s"
    )


def _speed(name: str, folder: Path, rounds: int) -> None:
    """Time an extractor on prepared images in memory, and files to features, in turn."""
    extractor, preparation = find(name), Preparation()
    images = sources.find(folder)
    extractor.open()
    ready = [preparation(image, extractor) for image in islice(images.images(), 256)]
    rates: list[tuple[float, float]] = []
    for _ in range(rounds):
        begun = time.perf_counter()
        for start in range(0, len(ready), extractor.batch):
            extractor.features(ready[start : start + extractor.batch])
        alone = len(ready) / (time.perf_counter() - begun)
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory() as cache:
            os.environ["MEDIGAN_CACHE"] = cache
            features.of(sources.find(folder), [(extractor, preparation)])
        rates.append((alone, len(images) / (time.perf_counter() - begun)))
    alone, whole = (statistics.median(rate) for rate in zip(*rates, strict=True))
    print(
        f"{name}: {alone:.0f} images/s alone, {whole:.0f} from files to features, "
        f"ratio {whole / alone:.2f}"
    )


def _memory(place: Path, few: int, many: int) -> None:
    peaks = []
    for number in (few, many):
        folder = _folder(place / f"of {number}", number, 16, 2)
        command = [sys.executable, __file__, "--peak", str(folder)]
        environment = os.environ | {"MEDIGAN_CACHE": str(place / "memory")}
        made = subprocess.run(  # noqa: S603 (this very Python)
            command, stdout=subprocess.PIPE, env=environment, check=True
        )
        peaks.append(int(made.stdout))
    print(
        f"peak memory at {few} images {peaks[0] / 2**20:.0f} MiB, at {many} "
        f"{peaks[1] / 2**20:.0f} MiB ({peaks[1] / peaks[0] - 1:+.1%})"
    )


def _describe(folder: Path) -> None:
    features.of(sources.find(folder), [(find("texture"), Preparation())])
    # Of this process alone: what rusage says begins with the parent's.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    print(1024 * int(peak[1]) if peak else 0)


if __name__ == "__main__":
    main()
