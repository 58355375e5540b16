"""Measure how much samples differ, and how their colours come to those of the photograph.

Two measures of samples of the usual size, taken without a network.

* Diversity, after Shaham, Dekel & Michaeli, ICCV 2019,
  https://doi.org/10.1109/ICCV.2019.00467: the standard deviation of each pixel
  over many samples, averaged, divided by that of the training image's grey
  levels. Also with the layout kept and the noise alone drawn anew.
* Mean and standard deviation of each colour channel.

How far samples are from regions that training never saw, ``medigan evaluate`` says,
with what held_out.py makes.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from photograph import region
from rich.console import Console
from rich.progress import track
from safetensors.torch import load_file

from medigan_hub.plugin import level_sizes
from medigan_model_singan_fundus import BOUNDS, COARSE, FACTOR, SCALES, FundusNetwork
from medigan_model_singan_fundus.layout import draw_coordinates, sample_image

WEIGHTS = Path(__file__).parents[1] / "medigan_model_singan_fundus/weights/generator.safetensors"
LOG = Console(stderr=True)  # standard output is for the result
SIZE = (96, 144)


def make_samples(weights: Path, count: int, seed: int, *, same_layout: bool = False) -> np.ndarray:
    """Make samples as the model does.

    Returns (count, height, width, 3) float32 in [0, 1], in whole 8-bit levels.
    """
    tensors = load_file(weights)
    network = FundusNetwork(tensors).eval()
    source = tensors["layout"].movedim(0, -1).numpy()
    sizes = level_sizes(SCALES, FACTOR, *SIZE)
    samples = []
    for index in track(range(count), "samples", console=LOG):
        rng = np.random.default_rng([seed, 0 if same_layout else index])
        place = draw_coordinates(rng, SIZE, BOUNDS, COARSE)
        layout = torch.from_numpy(sample_image(source, place, COARSE)).movedim(-1, 0)[None]
        rng = np.random.default_rng([seed, 1, index])
        noise = [
            torch.from_numpy(rng.standard_normal((1, 3, *size), dtype=np.float32)) for size in sizes
        ]
        with torch.inference_mode():
            samples.append(network(layout, *noise))
    images = torch.cat(samples).movedim(1, -1).numpy()
    return np.rint(images.clip(0, 1) * 255).astype(np.float32) / 255


def diversity(samples: np.ndarray, real: np.ndarray) -> float:
    """Return the deviation of a pixel over samples as a fraction of that in ``real``."""
    return float(samples.mean(axis=-1).std(axis=0).mean() / real.mean(axis=-1).std())


def main(
    weights: Annotated[Path, typer.Option(help="Weights of the model.")] = WEIGHTS,
    limit: Annotated[int, typer.Option(min=4, help="Samples.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the samples.")] = 7,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Compare samples with each other, and with the training region."""
    start = time.perf_counter()
    torch.set_num_threads(1)
    training = region("training")
    samples = make_samples(weights, limit, seed)
    alike = make_samples(weights, min(limit, 50), seed, same_layout=True)
    report: dict[str, object] = {"samples": limit}
    report["diversity"] = {
        "samples": diversity(samples, training),
        "same_layout": diversity(alike, training),
    }
    pixels = {"samples": samples, "training": training[None]}
    report["colour"] = {
        name: {"mean": each.mean(axis=(0, 1, 2)).tolist(), "std": each.std(axis=(0, 1, 2)).tolist()}
        for name, each in pixels.items()
    }
    report["seconds"] = round(time.perf_counter() - start, 1)
    if as_json:
        typer.echo(json.dumps(report, indent=2))
        return
    screen = Console()
    if not screen.is_terminal:
        screen.width = 120  # a pipe has no width; nothing is to be cut off
    rest = {name: report[name] for name in ("diversity", "colour")}
    screen.print(rest, f"{report['seconds']} s", sep="\n")


if __name__ == "__main__":
    typer.run(main)
