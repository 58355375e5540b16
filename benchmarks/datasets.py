"""What it costs to keep samples: time beside generation, and memory whatever their number.

For each format, times a job that generates and writes, against generating
alone and writing alone (of samples that are ready made), with PyTorch on so
few threads that a core is left to write with; then compares the peak memory of
a small and a large job, each in a process of its own.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from medigan_hub import Hub, dataset, generation, writers
from medigan_hub.generation import stream

# The kernel's own record: what getrusage says begins with the memory of the parent.
JOB = """
import sys
from medigan_hub.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    if end.code:
        raise
    status = open("/proc/self/status").read()
    print(status.split("VmHWM:")[1].split()[0])
"""
FORMATS = ("png", "npz", "nifti", "dicom", "webdataset")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--timed-model", default="fastgan-brain-mri", help="on PyTorch")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch")
    parser.add_argument("--model", default="fastgan-brain-mri", help="for memory")
    parser.add_argument("--formats", nargs="+", default=FORMATS, choices=FORMATS)
    parser.add_argument("-n", type=int, default=160, help="samples that are timed")
    parser.add_argument("--small", type=int, default=200, help="samples of the small job")
    parser.add_argument("--large", type=int, default=10_000, help="samples of the large job")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        print("seconds        generate   write    both   both / slower   both / sum")
        for name in arguments.formats:
            _time(arguments.timed_model, arguments.n, name, Path(folder, name))
        print(f"peak memory    {arguments.small:>6} {arguments.large:>8}   ratio")
        for name in arguments.formats:
            peaks = []
            for count in (arguments.small, arguments.large):
                peaks.append(_peak(arguments.model, count, name, Path(folder, name)))
                shutil.rmtree(Path(folder, name))
            small, large = peaks
            print(f"{name:12} {small:6.0f} MB {large:6.0f} MB {large / small:7.3f}", flush=True)


def _time(model: str, count: int, name: str, folder: Path) -> None:
    plugin = Hub().model(model).plugin
    if plugin is None:
        raise SystemExit(f"install {model} first")
    request = generation.request(plugin.metadata, count)
    arrangement = writers.arrange(writers.find(name, request), request)
    ready = list(stream(plugin, replace(request, indices=range(count))))  # also loads the network

    def generate() -> None:
        for _ in stream(plugin, request):
            pass

    def write() -> None:
        dataset.write(lambda _: iter(ready), request, folder, arrangement)

    def both() -> None:
        dataset.write(lambda part: stream(plugin, part), request, folder, arrangement)

    seconds: dict[str, list[float]] = {"generate": [], "write": [], "both": []}
    for _ in range(3):
        seconds["generate"].append(_seconds(generate))
        for what, task in (("write", write), ("both", both)):
            seconds[what].append(_seconds(task))
            shutil.rmtree(folder)
    one, other, together = (sorted(times)[1] for times in seconds.values())
    print(
        f"{name:12} {one:10.2f} {other:7.2f} {together:7.2f} {together / max(one, other):15.2f} "
        f"{together / (one + other):12.2f}",
        flush=True,
    )


def _seconds(task: Callable[[], None]) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def _peak(model: str, count: int, name: str, folder: Path) -> float:
    """Return the most memory that a job had in a process of its own, in megabytes (Linux)."""
    command = ["generate", model, "-n", str(count), "-o", str(folder), "--format", name]
    process = subprocess.run(  # noqa: S603 (this very Python)
        [sys.executable, "-c", JOB, *command], stdout=subprocess.PIPE, text=True, check=True
    )
    return int(process.stdout.split()[-1]) / 1024


if __name__ == "__main__":
    main()
