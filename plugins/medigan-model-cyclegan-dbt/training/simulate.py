"""Make the unpaired image sets on which the translator is trained.

Mammograms and tomosynthesis slices come from different phantoms: every phantom
has a seed of its own, and no seed serves two sets; held_out.py makes those that
training never sees. The sets are stored as ``.npy`` stacks, (images, size, size)
uint8, 0 to 255 for grey levels 0 to 1.

A slice is made as a tomosynthesis system makes it: low-dose projections along
an arc, with the tube moving parallel to the chest wall (along the image's
rows), then filtered back-projection into the focal plane. The ramp filter is
apodised and given a share of the unfiltered low frequencies, without which a
slice looks like an edge map; clinical systems do the same.

Sources
-------
* Niklason et al., "Digital tomosynthesis in breast imaging", Radiology 205
  (1997) 399-406, https://doi.org/10.1148/radiology.205.2.9356620
* Sechopoulos, "A review of breast tomosynthesis. Part I. The image acquisition
  process", Med. Phys. 40 (2013) 014301, https://doi.org/10.1118/1.4770279, and
  "Part II. Image reconstruction, processing and analysis, and advanced
  applications", Med. Phys. 40 (2013) 014302, https://doi.org/10.1118/1.4770281
"""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import Progress

from medigan_model_cyclegan_dbt.phantom import ADIPOSE, Phantom, make_phantom
from medigan_model_cyclegan_dbt.simulation import add_quantum_noise, blur, render_mammogram, show

SLICES_PER_PHANTOM = 2
SETS = {
    "train_mammograms": 1,
    "train_slices": 2,
    "test_mammograms": 3,
    "test_slices": 4,
}
"""Image sets and the number that keeps each set's seeds apart from the others'."""


def render_slices(phantom: Phantom, rng: np.random.Generator, count: int = 1) -> np.ndarray:
    """Acquire a tomosynthesis scan of ``phantom`` and reconstruct slices from it.

    Parameters
    ----------
    phantom
        The breast.
    rng
        Draws dose, arc, filter, heights of the slices and display settings.
    count
        Number of slices, all at random heights.

    Returns
    -------
    numpy.ndarray
        (count, size, size) float32 in [0, 1]; air is 0.
    """
    layers, size, _ = phantom.attenuation.shape
    arc = np.deg2rad(rng.choice([15.0, 25.0, 40.0]))
    tangents = np.tan(np.linspace(-arc / 2, arc / 2, 15)).astype(np.float32)
    margin = size // 4  # keeps shifted tissue from coming back at the other end
    height = size + 2 * margin
    frequency = np.fft.rfftfreq(height, phantom.pitch).astype(np.float32)  # cycles per mm
    layer_z = ((np.arange(layers) + 0.5) * phantom.layer).astype(np.float32)

    # One pad of all layers; projecting is then one matrix product per frequency.
    padded = np.pad(phantom.attenuation, ((0, 0), (margin, margin), (0, 0)), mode="edge")
    spectrum = np.fft.rfft(padded, axis=1).transpose(1, 0, 2)
    shear = np.exp(-2j * np.pi * frequency[:, None, None] * np.outer(tangents, layer_z))
    projections = np.matmul(shear.astype(np.complex64), spectrum).transpose(1, 0, 2)
    # An oblique ray stays longer in each layer.
    length = phantom.layer / 10 * np.sqrt(1 + tangents**2)[:, None, None]
    integrals = np.fft.irfft(projections, n=height, axis=1) * length
    photons = rng.uniform(0.5, 2.0) * 1e6 * phantom.pitch**2 / len(tangents)
    measured = add_quantum_noise(np.maximum(integrals, 0).astype(np.float32), photons, rng)

    # The margin of the breast is filled up in each projection, but not fully:
    # what is left gives the bright, overshooting skin line of a slice.
    gap = blur(phantom.thickness - phantom.path, 1.5 / phantom.pitch)
    gap = np.pad(gap, ((margin, margin), (0, 0)), mode="edge")
    measured += np.float32(rng.uniform(0.8, 0.95) * ADIPOSE / 10) * gap

    cut = rng.uniform(0.7, 1.0) * frequency[-1]
    hann = np.where(frequency < cut, 0.5 + 0.5 * np.cos(np.pi * frequency / cut), 0)
    gain = rng.uniform(0.09, 0.18) + rng.uniform(4, 7) * frequency * hann * np.exp(-1.0 * frequency)
    filtered = np.fft.rfft(measured, axis=1) * gain[:, None].astype(np.float32)

    tissue = np.clip(blur(phantom.path, 0.8) / (0.2 * phantom.thickness) - 0.1, 0, 1)
    inside = phantom.path > 0.5 * phantom.thickness
    slices = []
    for _ in range(count):
        focus = phantom.thickness * rng.uniform(0.2, 0.8)
        back = np.exp(2j * np.pi * np.outer(focus * tangents, frequency)).astype(np.complex64)
        plane = np.fft.irfft((filtered * back[:, :, None]).mean(axis=0), n=height, axis=0)
        plane = blur(plane[margin : margin + size], rng.uniform(0.3, 0.5) / phantom.pitch)
        # The display flattens what is left of the broad differences in density.
        broad = blur(plane * tissue, 12 / phantom.pitch)
        broad /= np.maximum(blur(tissue, 12 / phantom.pitch), 0.1)
        plane -= np.float32(rng.uniform(0.3, 0.6)) * broad
        slices.append(show(plane, tissue, inside, rng, dark=(0.2, 0.36), bright=(0.8, 0.98)))
    return np.stack(slices)


def _make_one(request: tuple[str, int, int, int]) -> np.ndarray:
    """Make the images of one phantom, (images, size, size) uint8."""
    name, index, size, seed = request
    rng = np.random.default_rng([seed, SETS[name], index])
    phantom = make_phantom(rng, size)
    if name.endswith("mammograms"):
        images = render_mammogram(phantom, rng)[None]
    else:
        # One slice a phantom where images are counted as independent samples.
        images = render_slices(phantom, rng, SLICES_PER_PHANTOM if name.startswith("train") else 1)
    return np.round(images * 255).astype(np.uint8)


def make_set(
    name: str, count: int, size: int, seed: int, workers: int, progress: Progress | None = None
) -> np.ndarray:
    """Make the image set ``name`` of :data:`SETS`.

    Returns
    -------
    numpy.ndarray
        (count, size, size) uint8.
    """
    per_phantom = SLICES_PER_PHANTOM if name == "train_slices" else 1
    requests = [(name, index, size, seed) for index in range(-(-count // per_phantom))]
    task = progress.add_task(name, total=len(requests)) if progress else None
    stacks = []
    # Each process computes with one thread: the phantoms are the parallel unit.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for images in pool.imap(_make_one, requests, chunksize=4):
            stacks.append(images)
            if progress and task is not None:
                progress.advance(task)
    return np.concatenate(stacks)[:count]


def main(
    out: Annotated[Path, typer.Option(help="Folder for the .npy stacks.")] = Path("data"),
    train: Annotated[int, typer.Option(min=1, help="Training images per domain.")] = 2000,
    size: Annotated[int, typer.Option(min=32, help="Pixels along each image side.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all sets.")] = 2026,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
) -> None:
    """Simulate mammograms and tomosynthesis slices of different breasts."""
    out.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    names = [name for name in SETS if name.startswith("train")]
    with Progress() as progress:
        for name in names:
            images = make_set(name, train, size, seed, workers, progress)
            np.save(out / f"{name}.npy", images)
    typer.echo(f"{len(names)} sets in {out} after {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    typer.run(main)
