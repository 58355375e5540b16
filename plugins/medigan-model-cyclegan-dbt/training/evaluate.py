"""Measure what translation keeps of a mammogram: the outline, the order of grey levels, black air.

It is measured on the held-out mammograms that held_out.py makes. How far they are from
tomosynthesis slices before and after, ``medigan evaluate`` says, by the two commands
that stand in held_out.py.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table
from safetensors.torch import load_file
from scipy import ndimage

from medigan_hub.plugin import ResnetTranslator

WEIGHTS = Path(__file__).parents[1] / "medigan_model_cyclegan_dbt/weights/generator.safetensors"
LOG = Console(stderr=True)  # standard output is for the result


def breast_mask(image: np.ndarray) -> np.ndarray:
    """Return where (height, width) ``image`` in [0, 1] shows the breast, as bool."""
    bright = ndimage.uniform_filter(image, 3) > 0.08
    labels, count = ndimage.label(bright)
    if count == 0:
        return np.ones(image.shape, bool)
    return ndimage.binary_fill_holes(labels == np.bincount(labels.ravel())[1:].argmax() + 1)


def load(path: Path, limit: int) -> np.ndarray:
    """Return the first images of a stack, (images, size, size) float32 in [0, 1]."""
    if not path.exists():
        raise typer.BadParameter(f"{path} does not exist: run held_out.py first")
    return np.load(path)[:limit, ..., 0].astype(np.float32) / 255


@torch.no_grad()
def translate(network: ResnetTranslator, images: np.ndarray) -> np.ndarray:
    """Translate (images, size, size) in [0, 1] one by one, as the model does."""
    translated = [
        network(torch.from_numpy(image * 2 - 1)[None, None])[0, 0].numpy() / 2 + 0.5
        for image in track(images, "translating", console=LOG)
    ]
    # Eight bits, as the model delivers them.
    return np.round(np.clip(np.stack(translated), 0, 1) * 255).astype(np.float32) / 255


def fidelity(before: np.ndarray, after: np.ndarray) -> dict[str, float]:
    """Measure what translation keeps: outline (Dice), order of grey levels, black air."""
    dice, correlation, air = [], [], []
    for old, new in zip(before, after, strict=True):
        first, second = breast_mask(old), breast_mask(new)
        dice.append(2 * (first & second).sum() / (first.sum() + second.sum()))
        correlation.append(np.corrcoef(old[first], new[first])[0, 1])
        outside = ~ndimage.binary_dilation(first, iterations=4)
        air.append(new[outside].mean() if outside.any() else 0.0)
    return {
        "outline_dice": float(np.mean(dice)),
        "correlation_in_breast": float(np.mean(correlation)),
        "mean_level_of_air": float(np.mean(air)),
    }


def main(
    data: Annotated[Path, typer.Option(help="Folder that held_out.py wrote to.")] = Path(),
    weights: Annotated[Path, typer.Option(help="Weights of the translator.")] = WEIGHTS,
    limit: Annotated[int, typer.Option(min=1, help="Mammograms at most.")] = 400,
    sheet: Annotated[Path | None, typer.Option(help="PNG with samples to write.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Compare translated mammograms with the mammograms that they are of."""
    start = time.perf_counter()
    mammograms = load(data / "held_out_mammograms.npy", limit)
    network = ResnetTranslator.from_state_dict(load_file(weights))
    translated = translate(network, mammograms)
    report = {"images": len(mammograms), **fidelity(mammograms, translated)}
    report["seconds"] = round(time.perf_counter() - start, 1)
    if sheet:
        sets = (mammograms, translated, load(data / "held_out.npy", limit))
        rows = [np.concatenate(list(images[:6]), axis=1) for images in sets]
        Image.fromarray((np.concatenate(rows) * 255).astype(np.uint8)).save(sheet)
    if as_json:
        typer.echo(json.dumps(report, indent=2))
        return
    table = Table("kept by translation", "")
    table.add_row("outline, Dice coefficient", f"{report['outline_dice']:.4f}")
    table.add_row(
        "grey levels in the breast, correlation", f"{report['correlation_in_breast']:.3f}"
    )
    table.add_row("mean level of air, 0 to 255", f"{255 * report['mean_level_of_air']:.4f}")
    Console().print(table, f"{report['images']} mammograms; {report['seconds']} s", sep="\n")


if __name__ == "__main__":
    typer.run(main)
