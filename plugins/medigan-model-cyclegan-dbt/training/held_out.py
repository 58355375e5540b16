"""Make the simulated images that the model never saw, to judge it by.

    python held_out.py
    medigan evaluate held_out.npy held_out_mammograms.npy
    medigan evaluate held_out.npy model:cyclegan-dbt --input held_out_mammograms.npy

The first evaluation says how far mammograms are from tomosynthesis slices as they
are, the second what is left of that once they are translated. Slices and mammograms
are those of the sets ``test_slices`` and ``test_mammograms`` of simulate.py, from the
first on; no two are of one breast.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import Progress
from simulate import make_set


def main(
    count: Annotated[int, typer.Option("-n", min=2, help="Images in each stack.")] = 400,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="File for the slices; the mammograms get _mammograms after its name.",
        ),
    ] = Path("held_out.npy"),
    size: Annotated[int, typer.Option(min=32, help="Pixels along each image side.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Seed that simulate.py has.")] = 2026,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
) -> None:
    """Write held-out slices, and as many mammograms, (n, size, size, 1) uint8."""
    out.parent.mkdir(parents=True, exist_ok=True)
    stacks = {
        out.with_name(f"{out.stem}_mammograms{out.suffix}"): "test_mammograms",
        out: "test_slices",
    }
    with Progress() as progress:
        for path, name in stacks.items():
            images = make_set(name, count, size, seed, workers, progress)
            with path.open("wb") as stream:
                np.save(stream, images[..., np.newaxis])
    typer.echo(f"{count} images each in {' and '.join(map(str, stacks))}")


if __name__ == "__main__":
    typer.run(main)
