"""Make the simulated patches that the model never saw, to judge it by.

    python held_out.py
    medigan evaluate held_out.npy model:cdcgan-breast-mass --balance --table held_out.csv --by mass

Benign and malignant masses take turns, as ``--balance`` has the model make them; the table
says which is which. They are those of the set ``test`` of simulate.py, from the first on.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import Progress
from simulate import make_set

MASSES = ("benign", "malignant")


def main(
    count: Annotated[int, typer.Option("-n", min=2, help="Patches.")] = 600,
    out: Annotated[Path, typer.Option("--out", "-o", help="File for the stack.")] = Path(
        "held_out.npy"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Seed that simulate.py has.")] = 2026,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
) -> None:
    """Write held-out patches, (n, 128, 128, 1) uint8, and a table of their masses."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with Progress() as progress:
        made = make_set("test", count, seed, workers, progress)
    with out.open("wb") as stream:
        np.save(stream, made["images"][..., np.newaxis])
    masses = [MASSES[label] for label in made["labels"]]
    rows = [f"{out.name} (frame {n}),{mass}" for n, mass in enumerate(masses)]
    table = out.with_suffix(".csv")
    table.write_text("\n".join(["file,mass", *rows, ""]), encoding="utf-8")
    typer.echo(f"{count} patches in {out}, and what they show in {table}")


if __name__ == "__main__":
    typer.run(main)
