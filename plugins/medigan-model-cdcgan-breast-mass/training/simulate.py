"""Make the patches on which the generator is trained and evaluated.

A patch shows 32 mm of a compressed breast with a mass near its middle. The
breast is a stack of layers of adipose and fibroglandular tissue, with fibrous
strands (Cooper's ligaments) and vessels; the mass takes the place of tissue.
The path of a vertical ray through each kind of tissue gives the line integral
of attenuation, which is imaged and shown as a digital mammogram is. Each patch
has a seed of its own, and no seed serves two sets.

Benign masses are round, oval or gently lobed with a circumscribed margin, now and
then partly hidden by tissue in front or with a halo. Malignant ones are
irregular, most often denser, with spicules that run out into the tissue. These
are the most typical of the descriptors in the lexicon; real masses overlap
far more.

Sources
-------
* D'Orsi, Sickles, Mendelson, Morris et al., "ACR BI-RADS Atlas, Breast Imaging
  Reporting and Data System", 5th ed., American College of Radiology, 2013: shape,
  margin and density of masses, and density of breasts.
* Burgess, Jacobson & Judy, "Human observer detection experiments with mammograms
  and power-law noise", Med. Phys. 28 (2001) 419-437,
  https://doi.org/10.1118/1.1355308: texture of breast tissue.
* Attenuation, quantum noise and detector blur are those of the simulated
  mammograms in medigan-model-cyclegan-dbt, which names their sources.
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
from scipy import ndimage

from medigan_model_cyclegan_dbt.phantom import ADIPOSE, GLAND, MASS
from medigan_model_cyclegan_dbt.simulation import add_quantum_noise, blur

SIZE = 128
"""Pixels along each side of a patch."""
PITCH = 0.25
"""Side of a pixel in mm."""
LAYERS = 4
"""Independent layers of tissue in the compressed breast."""
FIELD = 192
"""Side of the periodic random fields in pixels; a patch is cut from each."""
SETS = {"train": 1, "test": 2, "floor": 3}
"""Sets and the number that keeps each set's seeds apart from the others'."""

GRID = (np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2) * np.float32(PITCH)


def random_fields(
    rng: np.random.Generator,
    count: int,
    slope: float,
    longest: float,
    shortest: float,
    stretch: float = 1.0,
) -> np.ndarray:
    """Gaussian random fields of mean 0 and variance 1, (count, 128, 128) float32.

    The power spectrum falls with frequency to the power ``-slope`` between the
    wavelengths ``longest`` and ``shortest`` in mm. ``stretch`` elongates the
    structures in a random direction.
    """
    frequency = np.fft.fftfreq(FIELD, PITCH).astype(np.float32)
    turn = rng.uniform(0, np.pi)
    fy, fx = frequency[:, None], frequency[None]
    along, across = np.cos(turn) * fx + np.sin(turn) * fy, np.cos(turn) * fy - np.sin(turn) * fx
    squared = (along * stretch) ** 2 + across**2
    gain = (squared + np.float32(longest**-2)) ** np.float32(-slope / 4)
    gain *= np.exp(-squared * np.float32(shortest**2))
    gain[0, 0] = 0
    # One complex transform makes two independent fields.
    pairs = (count + 1) // 2
    noise = rng.standard_normal((pairs, FIELD, FIELD, 2), dtype=np.float32)
    made = np.fft.fft2(noise.view(np.complex64)[..., 0] * gain) / np.sqrt((gain**2).sum())
    fields = np.concatenate([made.real, made.imag])[:count, :SIZE, :SIZE]
    return np.ascontiguousarray(fields, np.float32)


def lines(field: np.ndarray, width: float) -> np.ndarray:
    """Return how near each pixel is to a line on which ``field`` vanishes, in [0, 1].

    ``width`` is the half width of the lines in mm; they keep it along their course.
    """
    slope = np.hypot(*np.gradient(field, PITCH, axis=(-2, -1)))
    distance = np.abs(field) / np.maximum(slope, 0.1 * slope.mean())
    return np.exp(-((distance / np.float32(width)) ** 2))


def gland_paths(rng: np.random.Generator, thickness: float) -> np.ndarray:
    """Fibroglandular tissue that rays cross in each layer, (layers, 128, 128) in mm.

    How much there is follows the four densities of BI-RADS.
    """
    layer = thickness / LAYERS
    texture = random_fields(
        rng, LAYERS, rng.uniform(3.6, 4.4), rng.uniform(15, 50), rng.uniform(0.8, 1.6),
        rng.uniform(1.0, 2.0),
    )  # fmt: skip
    share = rng.choice([0.04, 0.1, 0.2, 0.35], p=[0.2, 0.35, 0.3, 0.15]) * rng.uniform(0.7, 1.3)
    thresholds = np.quantile(texture, np.clip(1 - share * rng.uniform(0.5, 1.5, LAYERS), 0, 1))
    softness = np.float32(rng.uniform(0.45, 0.9))
    score = (texture - thresholds[:, None, None].astype(np.float32)) / softness
    gland = 1 / (1 + np.exp(-np.clip(score, -30, 30)))
    path = gland * np.float32(layer * rng.uniform(0.25, 0.5))

    strands = random_fields(rng, LAYERS, 4.0, rng.uniform(12, 24), rng.uniform(2.5, 4.5), 2.5)
    seen = np.clip(0.4 + 0.5 * texture[::-1], 0, 1)  # they fade in and out
    ligament = lines(strands, rng.uniform(0.2, 0.4)) * seen * np.float32(rng.uniform(0.8, 2.4))
    path = np.maximum(path, ligament)
    if rng.random() < 0.4:
        vessel = lines(random_fields(rng, 1, 4.0, 40, 7.0, 1.5)[0], rng.uniform(0.4, 0.9))
        path[0] = np.maximum(path[0], vessel * np.float32(rng.uniform(2.0, 4.0)))
    return path


def mass_paths(rng: np.random.Generator, malignant: bool) -> tuple[np.ndarray, np.ndarray]:
    """Path of rays through a mass in mm and the mass's mask, both (128, 128).

    The mask holds the body of the mass with the thick roots of its spicules.
    """
    radius = rng.uniform(4.2, 7.2) if malignant else rng.uniform(4.0, 8.5)
    y, x = GRID[:, None] - rng.normal(0, 1.2), GRID[None] - rng.normal(0, 1.2)
    turn, aspect = rng.uniform(0, np.pi), rng.uniform(0.62, 1.0)
    along = (np.cos(turn) * x + np.sin(turn) * y) * np.float32(np.sqrt(aspect))
    across = (np.cos(turn) * y - np.sin(turn) * x) / np.float32(np.sqrt(aspect))
    distance, angle = np.hypot(along, across), np.arctan2(across, along)

    reach = np.ones_like(angle)
    if malignant:
        size = rng.uniform(0.12, 0.26)
        for order in range(2, 12):
            amplitude = size * rng.normal() / (0.6 + 0.4 * order) ** 0.75 / 1.3
            reach += amplitude * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
    elif rng.random() < 0.4:
        order = int(rng.integers(2, 4))
        reach += rng.uniform(0.03, 0.09) * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
    edge = np.float32(radius) * np.maximum(reach, 0.45)
    inside = np.clip(1 - (distance / edge) ** 2, 0, None)
    depth = 2 * radius * rng.uniform(0.9, 1.2)
    path = np.float32(depth) * np.sqrt(inside)
    mask = distance < edge
    if not malignant:
        return blur(path, rng.uniform(0.1, 0.3) / PITCH), mask

    path = blur(path, rng.uniform(0.25, 0.6) / PITCH)
    spicules, roots = np.zeros_like(path), np.zeros_like(mask)
    thick = rng.uniform(3.5, 7.0)
    for _ in range(rng.integers(10, 26)):
        start = rng.uniform(-np.pi, np.pi)
        length = edge.mean() * rng.uniform(0.5, 1.5)
        bend = rng.normal(0, 0.25) / radius
        # Distance along the spicule from inside the body, and across it.
        dx, dy = np.float32(np.cos(start)), np.float32(np.sin(start))
        out = along * dx + across * dy
        body = edge[np.abs(angle - start) < 0.1].mean()  # radius of the body there
        base = np.float32(0.75 * body)
        far = (out - base) / np.float32(length + 0.25 * body)
        side = across * dx - along * dy - np.float32(bend) * np.clip(out - base, 0, None) ** 2
        width = np.float32(rng.uniform(0.5, 1.1)) * np.clip(1 - far, 0, 1) ** np.float32(0.8)
        profile = np.exp(-((side / np.maximum(width, 0.12)) ** 2))
        profile *= (far > 0) * np.clip(4 * (1 - far), 0, 1)
        spicules = np.maximum(spicules, profile * np.clip(1 - 0.7 * far, 0, 1))
        roots |= (np.abs(side) < 0.8 * width) & (far > 0) & (width > 0.55)
    path = np.maximum(path, np.float32(thick) * spicules)
    mask |= roots
    return path, ndimage.binary_opening(mask, iterations=1)


def make_patch(rng: np.random.Generator, malignant: bool) -> tuple[np.ndarray, np.ndarray]:
    """Make a patch and its mask.

    Returns
    -------
    tuple
        The image, (128, 128) float32 in [0, 1], dense tissue bright; and the
        mask of the mass, (128, 128) bool.
    """
    thickness = float(np.clip(rng.normal(52, 11), 30, 75))
    gland = gland_paths(rng, thickness)
    mass, mask = mass_paths(rng, malignant)
    if not malignant and rng.random() < 0.15:  # a halo: a thin lucent rim
        rim = blur(ndimage.binary_dilation(mask, iterations=6).astype(np.float32), 2.0)
        gland *= 1 - np.float32(rng.uniform(0.2, 0.5)) * rim
    if rng.random() < 0.2:  # tissue in front hides part of the margin
        cover = 1 / (1 + np.exp(-3 * (random_fields(rng, 1, 3.2, 25, 1.0)[0] - 0.6)))
        gland[0] = np.maximum(gland[0], cover * np.float32(rng.uniform(0.05, 0.15) * thickness))
    # The mass takes the place of the tissue that lay there, in the middle layers most.
    share = mass / np.float32(thickness)
    tissue = gland.sum(axis=0)
    tissue *= 1 - np.clip(share, 0, 1)
    strength = rng.uniform(1.0, 1.4) if malignant else rng.uniform(0.8, 1.2)
    integral = np.float32(ADIPOSE / 10) * np.float32(thickness)
    integral = integral + np.float32((GLAND - ADIPOSE) / 10) * tissue
    integral = integral + np.float32(strength * (MASS - ADIPOSE) / 10) * mass
    return render(integral, thickness, rng), mask


def render(integral: np.ndarray, thickness: float, rng: np.random.Generator) -> np.ndarray:
    """Image line integrals, (height, width), and show them in [0, 1].

    Detector blur, quantum noise, logarithm, edge enhancement, then a window from
    fat to dense tissue and a tone curve that flattens what is brighter.
    """
    seen = blur(integral, rng.uniform(0.1, 0.2) / PITCH)
    photons = rng.uniform(0.5, 2.0) * 1e6 * PITCH**2
    level = add_quantum_noise(seen, photons, rng)
    level += np.float32(rng.uniform(0.1, 0.5)) * (level - blur(level, 2.0 / PITCH))
    fat = np.float32(ADIPOSE / 10 * thickness)
    dense = np.float32((GLAND - ADIPOSE) / 10 * thickness * rng.uniform(0.4, 0.6))
    image = (level - fat) / dense
    dark, bright = rng.uniform(0.12, 0.3), rng.uniform(0.75, 0.92)
    image = dark + (bright - dark) * np.sign(image) * np.abs(image) ** rng.uniform(0.8, 1.15)
    image = np.where(image > 0.75, 0.75 + 0.25 * np.tanh((image - 0.75) / 0.25), image)
    return np.clip(image, 0, 1).astype(np.float32)


def _make_one(request: tuple[str, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Make one patch: image (128, 128) uint8, mask (128, 128) bool."""
    name, index, seed = request
    rng = np.random.default_rng([seed, SETS[name], index])
    image, mask = make_patch(rng, malignant=bool(index % 2))
    return np.rint(image * 255).astype(np.uint8), mask


def make_set(
    name: str, count: int, seed: int, workers: int, progress: Progress | None = None
) -> dict[str, np.ndarray]:
    """Make the set ``name`` of :data:`SETS`.

    Returns
    -------
    dict
        ``images`` (count, 128, 128) uint8, ``masks`` (count, 128, 128) bool and
        ``labels`` (count,) uint8: 0 benign, 1 malignant, in turn.
    """
    requests = [(name, index, seed) for index in range(count)]
    task = progress.add_task(name, total=count) if progress else None
    made = []
    # Each process computes with one thread: the patches are the parallel unit.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for pair in pool.imap(_make_one, requests, chunksize=16):
            made.append(pair)
            if progress and task is not None:
                progress.advance(task)
    images, masks = (np.stack(arrays) for arrays in zip(*made, strict=True))
    return {"images": images, "masks": masks, "labels": np.arange(count, dtype=np.uint8) % 2}


def main(
    out: Annotated[Path, typer.Option(help="Folder for the .npz files.")] = Path("data"),
    train: Annotated[int, typer.Option(min=2, help="Training patches.")] = 8000,
    test: Annotated[int, typer.Option(min=2, help="Patches per held-out set.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all sets.")] = 2026,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
) -> None:
    """Simulate patches of masses, half of them benign and half malignant."""
    out.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    with Progress() as progress:
        for name in SETS:
            made = make_set(name, train if name == "train" else test, seed, workers, progress)
            np.savez(out / f"{name}.npz", **made)  # type: ignore[arg-type] # NumPy has a switch of its own beside them
    typer.echo(f"{len(SETS)} sets in {out} after {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    typer.run(main)
